// What the check of a source found: failures first, each with its SQL and what to do.
import { channelPath, every, get } from './api.js'
import { copyable, el, setText } from './dom.js'
import { plural, time } from './format.js'

const ORDER = ['failure', 'warning', 'pass', 'skipped']
const WORDS = { failure: 'failed', warning: 'warning', pass: 'passed', skipped: 'not checked' }

function item(found) {
  const isOpen = found.verdict === 'failure' || found.verdict === 'warning'
  const title = el('span', { class: 'check-name', text: found.item.replaceAll('_', ' ') })
  const verdict = el('span', { class: `verdict ${found.verdict}`, text: WORDS[found.verdict] })
  const body = [el('p', { text: found.found })]
  if (found.mend && found.verdict !== 'pass') body.push(el('p', { class: 'mend' }, el('strong', { text: 'To do: ' }),
    found.mend))
  if (found.sql) body.push(el('p', { class: 'asked', text: 'Asked with:' }),
    copyable(found.sql, `the question for ${found.item}`))
  return el('li', { class: `check ${found.verdict}` },
    el('details', { open: isOpen }, el('summary', {}, verdict, title), ...body))
}

function words(report) {
  if (report.is_running) return 'The source is being checked…'
  if (report.checked_ms === null) return 'Not checked since millraced started. Start or "Check again" does it.'
  const of = verdict => report.items.filter(i => i.verdict === verdict).length
  return `Checked ${time(report.checked_ms)}: ${of('failure')} failed, ${plural(of('warning'), 'warning')}, ` +
    `${of('pass')} passed.`
}

/** Shows a report whenever it is a new one. */
export function precheckList() {
  const summary = el('p', { class: 'subtitle', role: 'status' })
  const list = el('ul', { class: 'checks' })
  let shown = ''
  return {
    node: el('div', {}, summary, list),
    update(report) {
      setText(summary, words(report))
      const key = JSON.stringify([report.items, report.checked_ms])
      if (key === shown) return
      shown = key
      const items = [...report.items].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict))
      list.replaceChildren(...items.map(item))
    },
  }
}

export function precheckTab(root, signal, name) {
  const report = precheckList()
  root.append(el('h2', { text: 'Is the source fit to be followed?' }), report.node)
  every(1000, signal, async () => report.update(await get(channelPath(name, 'precheck'))))
  return { update() {} }
}

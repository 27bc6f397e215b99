// A channel's page: its state and operations above, one of its tabs below.
import { ApiError, channelPath, every, get } from './api.js'
import { el, setText, show } from './dom.js'
import { errorNext, operations, stateBadge } from './state.js'
import { time } from './format.js'
import { overview } from './overview.js'
import { precheckTab } from './precheck.js'
import { groupsTab } from './groups.js'
import { tablesTab } from './tables.js'
import { recordsTab } from './records.js'
import { alertsTab } from './alerts.js'
import { samplesTab } from './samples.js'
import { settingsTab } from './settings.js'

const TABS = [['', 'Overview', overview], ['groups', 'Groups', groupsTab], ['tables', 'Tables', tablesTab],
  ['records', 'Records', recordsTab], ['alerts', 'Alerts', alertsTab], ['samples', 'Sample code', samplesTab],
  ['precheck', 'Precheck', precheckTab], ['settings', 'Settings', settingsTab]]

function errorBox() {
  const kind = el('strong'), text = el('p'), next = el('p', { class: 'next' })
  const where = el('p', { class: 'next' }), mend = el('p')
  const words = el('div', { role: 'alert' }, kind, text, where, mend)
  const node = el('section', { class: 'problem', 'aria-label': 'What is wrong', hidden: true }, words, next)
  return {
    node,
    update(status) {
      const error = status.error
      show(node, error !== null)
      if (error === null) return
      setText(kind, status.state === 'Error' ? `Error: ${error.kind}` : error.kind)
      setText(text, error.cause)
      const at = error.position
      show(where, at !== null)
      if (at !== null) setText(where, `At ${at.file}, position ${at.position}${at.gtid ? `, GTID ${at.gtid}` : ''}`)
      setText(mend, `What to do: ${error.what_to_do}`)
      const since = error.since_ms ? `Since ${time(error.since_ms)}. ` : ''
      setText(next, since + errorNext(error))
    },
  }
}

function gone(root, name) {
  root.replaceChildren(el('h1', { text: 'There is no such channel' }),
    el('p', { text: `No channel is named ${name}. It may have been deleted.` }),
    el('p', {}, el('a', { class: 'button', href: '#/', text: 'All channels' })))
}

export function showChannel(root, signal, name, tab) {
  const here = TABS.find(([path]) => path === tab) ?? TABS[0]
  const base = `#/channels/${encodeURIComponent(name)}`
  const badge = stateBadge(), error = errorBox()
  const said = el('span', { class: 'visually-hidden', role: 'status' })
  const body = el('div', { class: 'tab' })
  let content = { update() {} }, last = null
  const changed = status => {
    badge.update(status)
    buttons.update(status)
    error.update(status)
    content.update(status)
    if (last !== null && last !== status.state) setText(said, `Channel ${name} is now ${status.state}`)
    last = status.state
  }
  const buttons = operations(name, changed)
  root.append(
    el('p', { class: 'crumbs' }, el('a', { href: '#/', text: 'Channels' }), ' / '),
    el('div', { class: 'title' }, el('div', {}, el('h1', { text: name }), badge.node, said), buttons.node),
    error.node,
    el('nav', { class: 'tabs', 'aria-label': `Of channel ${name}` }, TABS.map(([path, text]) => el('a', { text,
      href: path === '' ? base : `${base}/${path}`, 'aria-current': path === here[0] ? 'page' : null }))), body)
  content = here[2](body, signal, name, changed)
  every(1000, signal, async () => {
    try {
      changed(await get(channelPath(name, 'status')))
    } catch (why) {
      if (!(why instanceof ApiError) || why.status !== 404) throw why
      gone(root, name)
    }
  })
}

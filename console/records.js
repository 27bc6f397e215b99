// What stands last in a channel's log, readable. Everything here came from the source: text, and only text.
import { channelPath, every, get } from './api.js'
import { button, checkbox, el, setText, show, syncList } from './dom.js'
import { bytes, count, time } from './format.js'

const AT_ONCE = 50
const KINDS = { INSERT: 'good', UPDATE: 'busy', DELETE: 'bad', DDL: 'warning' }
const BRIEF_LETTERS = 60

/** A column's value as people write it. */
function valueText(value) {
  if (value === null) return 'NULL'
  if (typeof value === 'object') {
    if (value.charset) return `${value.charset} 0x${value.hex}`
    return value.wkb ? `geometry 0x${value.wkb}` : `0x${value.hex ?? ''}`
  }
  return String(value)
}

const cut = text => text.length > BRIEF_LETTERS ? text.slice(0, BRIEF_LETTERS) + '…' : text

/** One line: of an UPDATE what changed behind the first column, which says which row. */
function brief(r) {
  if (r.operation === null) return r.why
  if (r.statement !== undefined) return cut(r.statement.replace(/\s+/g, ' '))
  const row = r.after ?? r.before
  if (!row) return r.database ?? ''
  const names = Object.keys(row)
  const isChanged = name => valueText(r.before[name] ?? null) !== valueText(r.after[name] ?? null)
  const chosen = r.before && r.after ? names.filter((name, i) => i === 0 || isChanged(name)) : names.slice(0, 5)
  return chosen.map(name => r.before && r.after && isChanged(name)
    ? `${name}: ${cut(valueText(r.before[name] ?? null))} → ${cut(valueText(r.after[name] ?? null))}`
    : `${name}: ${cut(valueText(row[name]))}`).join('   ')
}

function columns(r) {
  const images = [['Before', r.before], ['After', r.after]].filter(([, image]) => image)
  const names = [...new Set(images.flatMap(([, image]) => Object.keys(image)))]
  const cell = image => name => name in image
    ? el('td', { class: image[name] === null ? 'null' : '', text: valueText(image[name]) })
    : el('td', { class: 'null', text: 'not in the image' })
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Columns' }, el('table', {},
    el('thead', {}, el('tr', {}, el('th', { scope: 'col', text: 'Column' }),
      images.map(([word]) => el('th', { scope: 'col', text: word })))),
    el('tbody', {}, names.map(name => el('tr', {}, el('th', { scope: 'row', text: name }),
      images.map(([, image]) => cell(image)(name)))))))
}

function details(r) {
  const facts = [['Offset', count(r.offset)], ['Record time', time(r.time_ms)], ['Size', bytes(r.value_bytes)],
    ['Source position', r.position ?? '–'], ['Read from the source', r.read_time_ms ? time(r.read_time_ms) : '–'],
    ...Object.entries(r.tags ?? {})]
  return [r.before || r.after ? columns(r) : null,
    r.statement !== undefined ? el('pre', { tabindex: '0', role: 'region', 'aria-label': 'Statement' },
      el('code', { text: r.statement })) : null,
    el('dl', { class: 'facts small' }, facts.map(([name, value]) => el('div', {}, el('dt', { text: name }),
      el('dd', { text: value }))))].filter(part => part !== null)
}

function recordItem(r) {
  const node = el('details', {}, el('summary', {},
    el('span', { class: `tag op ${KINDS[r.operation] ?? ''}`, text: r.operation ?? 'unreadable' }),
    el('span', { class: 'record-table', text: r.table ?? r.database ?? '' }),
    el('span', { class: 'record-brief', text: brief(r) }),
    el('span', { class: 'record-time', text: `${time(r.time_ms)} · offset ${count(r.offset)}` })))
  node.addEventListener('toggle', () => { // most are never opened
    if (node.open && node.childElementCount === 1) node.append(...details(r))
  })
  return { node: el('li', { class: 'record' }, node) }
}

export function recordsTab(root, signal, name) {
  let records = [], before = null, hasLog = true, isAllowed = true
  const words = el('p', { class: 'subtitle' }), list = el('ul', { class: 'records' })
  const empty = el('p', { class: 'quiet-note', role: 'status' })
  const only = checkbox('Rows and definitions only', true, () => { records = []; before = null; render(); load() })
  const follow = checkbox('Follow', true, () => {})
  const render = () => {
    syncList(list, records, r => r.offset, recordItem)
    show(older, before !== null)
  }
  const ask = async at => {
    const query = [`count=${AT_ONCE}`, at === null ? '' : `before=${at}`, only.value() ? 'only=changes' : '']
      .filter(part => part !== '').join('&')
    try {
      hasLog = isAllowed = true
      return await get(`${channelPath(name, 'records')}?${query}`)
    } catch (why) {
      if (why.status === 403) isAllowed = false
      if (why.status !== 409 && why.status !== 403) throw why
      hasLog = false
      return { records: [], before: null, start_offset: 0, high_watermark: 0 }
    }
  }
  const load = async () => {
    const answer = await ask(null)
    if (signal.aborted) return
    setText(words, hasLog ? `The log has offsets ${count(answer.start_offset)} to ${count(answer.high_watermark)}.`
      : '')
    records = answer.records
    before = answer.before
    render()
    setText(empty, records.length > 0 ? '' : !isAllowed ? 'Your token is a viewer\'s: records are the source\'s ' +
      'rows, and take an admin\'s.' : !hasLog ? 'There is no log yet: it is made at the first start.'
      : before !== null ? 'No change among the newest records: look further back.' : 'Nothing was captured yet.')
  }
  const older = button('Older records', async () => {
    const answer = await ask(before)
    records = [...records, ...answer.records]
    before = answer.before
    isPaused = true // what is read must not be pushed away
    setText(empty, '')
    render()
  })
  let isPaused = false
  root.append(el('h2', { text: 'Last records' }), words, el('div', { class: 'toolbar' }, only.node, follow.node),
    empty, list, el('div', { class: 'actions' }, older, button('Newest records', () => { isPaused = false; load() })))
  every(2000, signal, async () => {
    const isRead = isPaused || list.querySelector('details[open]') !== null || !follow.value()
    if (records.length === 0 || !isRead) await load()
  })
  return { update() {} }
}

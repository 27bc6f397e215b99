// The first page: every channel with what matters of it.
import { every, get } from './api.js'
import { el, setText, show, syncList } from './dom.js'
import { stateBadge } from './state.js'
import { bytes, count, duration, rate } from './format.js'

const COLUMNS = ['Channel', 'State', 'Delay', 'Changes', 'Log', 'Groups']

function cell(label, ...children) {
  return el('div', { role: 'cell', class: 'cell', 'data-label': label }, ...children)
}

function channelRow(status) {
  const badge = stateBadge()
  const delay = cell('Delay'), changes = cell('Changes'), log = cell('Log'), groups = cell('Groups')
  const why = el('span', { class: 'why' })
  const href = `#/channels/${encodeURIComponent(status.name)}`
  const node = el('div', { role: 'row', class: 'row' },
    cell('Channel', el('a', { href, class: 'name', text: status.name })), cell('State', badge.node, why),
    delay, changes, log, groups)
  return {
    node,
    update(s) {
      const isFollowing = s.source.connection === 'catching up' || s.source.connection === 'at tail'
      badge.update(s)
      setText(why, s.error ? s.error.cause : '')
      show(why, s.error !== null)
      setText(delay, duration(s.source.delay_ms))
      setText(changes, isFollowing ? rate(s.rates.row_changes_per_s) : '–')
      setText(log, s.log ? `${count(s.log.records)} records, ${bytes(s.log.bytes)}` : 'none yet')
      setText(groups, groupWords(s.groups))
    },
  }
}

function groupWords(groups) {
  if (!groups) return '–'
  if (groups.count === 0) return 'none'
  const { records, seconds } = groups.lag ?? {}
  const time = seconds > 0 ? ` (${duration(seconds * 1000)})` : ''
  const worst = records === undefined ? '' : `, at most ${count(records)} behind${time}`
  return `${groups.count}, ${groups.active} active${worst}`
}

function summary(channels) {
  const normal = channels.filter(c => c.state === 'Normal').length
  const wrong = channels.filter(c => c.error !== null).length
  const words = [`${channels.length} ${channels.length === 1 ? 'channel' : 'channels'}`, `${normal} Normal`]
  if (wrong > 0) words.push(`${wrong} ${wrong === 1 ? 'needs' : 'need'} a look`)
  return words.join(' · ')
}

function emptyState() {
  return el('section', { class: 'empty', 'aria-labelledby': 'empty-title' },
    el('img', { src: '/console/logo.svg', alt: '', width: 56, height: 56 }),
    el('h2', { id: 'empty-title', text: 'No channel yet' }),
    el('p', { text: 'A channel follows one MySQL or MariaDB server and serves its changes to Kafka consumers. ' +
      'You need its address and an account that may replicate.' }),
    el('a', { class: 'button primary changes', href: '#/new', text: 'Create the first channel' }))
}

export function showList(root, signal) {
  const words = el('p', { class: 'subtitle', text: 'Loading…' })
  const rows = el('div', { role: 'rowgroup' })
  const table = el('div', { role: 'table', class: 'table channels', 'aria-label': 'Channels', hidden: true },
    el('div', { role: 'rowgroup', class: 'heads' }, el('div', { role: 'row', class: 'row' },
      COLUMNS.map(text => el('div', { role: 'columnheader', text })))), rows)
  const empty = emptyState()
  empty.hidden = true
  root.append(el('div', { class: 'title' }, el('div', {}, el('h1', { text: 'Channels' }), words),
    el('a', { class: 'button primary changes', href: '#/new', text: 'New channel' })), table, empty)
  let channels = []
  const render = () => {
    setText(words, channels.length === 0 ? 'Nothing is followed yet.' : summary(channels))
    show(table, channels.length > 0)
    show(empty, channels.length === 0)
    show(root.querySelector('.title .button'), channels.length > 0)
    syncList(rows, channels, c => c.name, channelRow)
  }
  every(1000, signal, async () => {
    channels = (await get('/v1/channels')).channels
    render()
  })
}

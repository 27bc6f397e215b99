// A channel's first tab: its figures, its charts, where it is at its source.
import { channelPath, every, get } from './api.js'
import { chart } from './charts.js'
import { el, setText } from './dom.js'
import { bytes, clock, count, duration, rate, time } from './format.js'

const SECONDS = 600

/** Keeps the last SECONDS samples; asks for all once and then for the newest. */
function samples() {
  let rows = [] // {time, rows, delay, out, lag: Map}
  let asked = 0 // by this machine's clock, which need not be the server's
  return {
    async more(name) {
      const last = rows.at(-1)?.time ?? 0
      const now = performance.now()
      const seconds = last === 0 ? SECONDS : Math.min(SECONDS, Math.ceil((now - asked) / 1000) + 3)
      const answer = await get(`${channelPath(name, 'history')}?seconds=${seconds}`)
      asked = now
      answer.time_ms.forEach((at, i) => {
        if (at <= last) return
        rows.push({ time: at, rows: answer.rows_per_s[i], delay: answer.delay_ms[i], out: answer.bytes_out_per_s[i],
          lag: new Map(answer.groups.map(g => [g.group, g.lag[i]])) })
      })
      rows = rows.slice(-SECONDS)
    },
    rows: () => rows,
    column: of => rows.map(of),
    groups: () => [...new Set(rows.flatMap(r => [...r.lag.keys()]))].sort().slice(0, 8),
  }
}

function valuesTable() {
  const body = el('tbody'), heads = el('tr')
  const node = el('details', { class: 'values' }, el('summary', { text: 'The charts\' newest values as a table' }),
    el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Newest values' },
      el('table', {}, el('thead', {}, heads), body)))
  return {
    node,
    update(rows, groups) {
      if (!node.open) return
      heads.replaceChildren(...['Time', 'Changes', 'Delay', 'Bytes out', ...groups.map(g => `Behind: ${g}`)]
        .map(text => el('th', { scope: 'col', text })))
      body.replaceChildren(...rows.slice(-10).reverse().map(r => el('tr', {}, ...[clock(r.time), rate(r.rows),
        duration(r.delay), bytes(r.out) + '/s', ...groups.map(g => count(r.lag.get(g)))]
        .map(text => el('td', { text })))))
    },
  }
}

const FACTS = [
  ['Source', s => s.source.files ? s.source.files : `${s.source.host}${s.source.host.startsWith('/') ? ''
    : ':' + s.source.port}`],
  ['Server', s => s.source.server_version || 'not seen yet'],
  ['Connection', s => s.source.connection],
  ['Position', s => s.source.file ? `${s.source.file} at ${count(s.source.position)}` : 'none yet'],
  ['GTID', s => s.source.gtid || '–'],
  ['Newest event', s => s.source.event_time_s > 0 ? time(s.source.event_time_s * 1000) : '–'],
  ['Row changes', s => `${count(s.captured.row_changes)} in ${count(s.captured.transactions)} transactions, ` +
    'since capture began'],
  ['Log', s => s.log ? `offsets ${count(s.log.start_offset)} to ${count(s.log.high_watermark)}, ` +
    `${count(s.log.records)} records, ${bytes(s.log.bytes)}` : 'none yet: it is made at the first start'],
]

export function overview(root, signal, name) {
  const charts = { rows: chart('Row changes', signal, rate, 'plain', 10),
    delay: chart('Delay behind the source', signal, duration, 'ms', 100),
    out: chart('Read by consumers', signal, n => bytes(n) + '/s', 'bytes', 1024),
    lag: chart('Records behind, by group', signal, count, 'plain', 10) }
  const noGroups = el('p', { class: 'quiet-note', text: 'No group has a checkpoint yet.' })
  charts.lag.node.append(noGroups)
  const values = valuesTable()
  const facts = FACTS.map(([label, of]) => ({ of, value: el('dd'), label }))
  root.append(el('div', { class: 'charts' }, Object.values(charts).map(c => c.node)), values.node,
    el('section', { class: 'card', 'aria-labelledby': 'facts' }, el('h2', { id: 'facts', text: 'Where it is' }),
      el('dl', { class: 'facts' }, facts.map(f => el('div', {}, el('dt', { text: f.label }), f.value)))))
  const history = samples()
  every(1000, signal, async () => {
    await history.more(name)
    if (signal.aborted) return
    const times = history.column(r => r.time / 1000), groups = history.groups()
    charts.rows.update([times, history.column(r => r.rows)])
    charts.delay.update([times, history.column(r => r.delay)])
    charts.out.update([times, history.column(r => r.out)])
    charts.lag.update([times, ...(groups.length > 0 ? groups.map(g => history.column(r => r.lag.get(g) ?? null))
      : [times.map(() => null)])], groups)
    noGroups.hidden = groups.length > 0
    values.update(history.rows(), groups)
  })
  return { update(status) { for (const f of facts) setText(f.value, f.of(status)) } }
}

// Live charts of the last minutes, drawn by uPlot (a classic script, so a global).
import { el, setText } from './dom.js'
import { clock } from './format.js'

const { uPlot } = window
const HEIGHT = 170
const decades = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]
// So that ticks are round in the unit that `format` writes.
const STEPS = { plain: decades.flatMap(n => [n, 2 * n, 5 * n]),
  bytes: Array.from({ length: 40 }, (_, i) => 2 ** i),
  ms: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 20e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1800e3, 3600e3,
    7200e3, 6 * 3600e3, 12 * 3600e3, 24 * 3600e3] }
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
export const LINES = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6', '--line-7', '--line-8']

function axis(values, size, more) {
  return { stroke: colour('--muted'), grid: { stroke: colour('--grid'), width: 1 }, ticks: { show: false },
    font: '12px system-ui, sans-serif',
    size, values: (_, ticks) => ticks.map(values), ...more }
}

/** A figure until `signal`: title, the value under the pointer or else the newest one, the lines.
 * `format` writes a value, `steps` names how the axis is divided, `least` is what it shows at least. */
export function chart(title, signal, format, steps, least) {
  const now = el('span', { class: 'now' }), at = el('span', { class: 'at' })
  const legend = el('ul', { class: 'legend', hidden: true })
  const plot = el('div', { class: 'plot', role: 'img' })
  const node = el('figure', { class: 'chart' },
    el('figcaption', {}, el('span', { class: 'chart-title', text: title }), el('span', { class: 'readout' }, now, at)),
    plot, legend)
  let drawn = null, names = [], data = [[]], hovered = null

  const value = i => {
    const line = data[i]
    const index = hovered ?? line.length - 1
    return index < 0 || line[index] === null || line[index] === undefined ? '–' : format(line[index])
  }
  const read = () => {
    setText(at, hovered === null ? '' : ` at ${clock(data[0][hovered] * 1000)}`)
    if (names.length === 0) setText(now, data.length > 1 ? value(1) : '–')
    legend.querySelectorAll('.legend-value').forEach((v, i) => setText(v, value(i + 1)))
  }
  const describe = () => {
    const lines = names.length === 0 ? [title] : names
    const words = lines.map((name, i) => `${name}: ${data.length > i + 1 ? value(i + 1) : '–'}`)
    plot.setAttribute('aria-label', `Chart of the last minutes. ${words.join(', ')}`)
  }
  const build = () => {
    drawn?.destroy()
    const lines = names.length === 0 ? [''] : names
    drawn = new uPlot({
      width: Math.max(plot.clientWidth, 200), height: HEIGHT, legend: { show: false }, padding: [8, 28, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { y: { range: (_, min, max) => [0, Math.max(max * 1.1, least)] } },
      axes: [axis(t => clock(t * 1000), 28, { space: 90 }), axis(format, 68, { incrs: STEPS[steps], space: 36 })],
      series: [{}, ...lines.map((_, i) => ({ stroke: colour(LINES[i]), width: 1.75, spanGaps: false,
        ...(names.length === 0 ? { fill: colour('--line-fill') } : {}), points: { show: false } }))],
      hooks: { setCursor: [u => { hovered = u.cursor.idx ?? null; read() }] },
    }, data, plot)
  }
  const sized = new ResizeObserver(() => drawn?.setSize({ width: Math.max(plot.clientWidth, 200), height: HEIGHT }))
  sized.observe(plot)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (drawn) build() }, { signal })
  signal.addEventListener('abort', () => {
    sized.disconnect()
    drawn?.destroy()
    drawn = null
  })

  return {
    node,
    /** `columns`: times in seconds, then a column a line. */
    update(columns, lineNames = []) {
      const isSame = drawn && lineNames.join('\n') === names.join('\n') && columns.length === data.length
      data = columns
      names = lineNames
      if (!isSame) {
        legend.hidden = names.length === 0
        legend.replaceChildren(...names.map((name, i) => el('li', {},
          el('span', { class: `swatch line-${i + 1}`, 'aria-hidden': 'true' }), el('span', { text: name }),
          el('span', { class: 'legend-value' }))))
        setText(now, '')
        build()
      } else {
        drawn.setData(columns)
      }
      read()
      describe()
    },
  }
}

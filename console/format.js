// Numbers, sizes and times as people read them.

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

const GAP = '\u00a0' // between a number and its unit, where no line ends

export const count = n => n === null || n === undefined ? '–' : plain.format(n)

/** "1 record", "2 records" */
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`

export function rate(n) {
  if (n === null || n === undefined) return '–'
  if (n >= 1e6) return short.format(n / 1e6) + ' M/s'
  if (n >= 1e4) return short.format(n / 1e3) + ' k/s'
  return (n > 0 && n < 10 ? short : plain).format(n) + '/s'
}

export function bytes(n) {
  if (n === null || n === undefined) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let i = 0
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++ }
  return (i === 0 || n >= 100 ? plain : short).format(n) + GAP + units[i]
}

export function duration(ms) {
  if (ms === null || ms === undefined) return '–'
  if (ms < 0) ms = 0
  if (ms < 1000) return plain.format(ms) + GAP + 'ms'
  if (ms < 60e3) return short.format(ms / 1000) + GAP + 's'
  const minutes = Math.floor(ms / 60e3)
  if (minutes < 60) return `${minutes} min ${Math.floor(ms % 60e3 / 1000)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days ${hours % 24} h`
}

const two = n => String(n).padStart(2, '0')

/** "2026-11-21 20:04:05", in the reader's time zone. */
export function time(unix_ms) {
  if (unix_ms === null || unix_ms === undefined || Number.isNaN(unix_ms)) return '–'
  const t = new Date(unix_ms)
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${clock(unix_ms)}`
}

export function clock(unix_ms) {
  const t = new Date(unix_ms)
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`
}

/** As <input type="datetime-local" step="1"> writes it. */
export function localInput(unix_ms) {
  return time(unix_ms).replace(' ', 'T')
}

/** RFC 3339 in UTC, whole seconds: "2026-11-21T20:04:05Z". */
export const utc = unix_ms => new Date(unix_ms).toISOString().replace(/\.\d+Z$/, 'Z')

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'local time'

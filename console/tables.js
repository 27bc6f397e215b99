// The objects of a channel: which tables are followed. They change while it runs.
import { api, channelPath, get } from './api.js'
import { button, el, errorPlace, form, freshId, syncList, toast } from './dom.js'

/** Patterns as a list with a field to add one; `onChange` after each step. */
export function patternEditor(label, help, onChange = () => {}) {
  let patterns = []
  const list = el('ul', { class: 'patterns', 'aria-label': `${label} so far` })
  const input = el('input', { type: 'text', id: freshId('pattern'), spellcheck: 'false', autocapitalize: 'none',
    placeholder: 'database.table' })
  const error = errorPlace()
  const render = () => syncList(list, patterns, p => p, pattern => ({
    node: el('li', {}, el('code', { text: pattern }), el('button', { type: 'button', class: 'small quiet',
      text: 'Remove', 'aria-label': `Remove ${pattern}`, on: { click: () => {
        patterns = patterns.filter(p => p !== pattern)
        render()
        onChange()
        input.focus()
      } } })),
  }))
  const add = () => {
    const pattern = input.value.trim()
    error.say('')
    if (pattern === '') return true
    if (!pattern.includes('.')) {
      error.say(`"${pattern}" names no table: write database.table, or ${pattern}.* for all of its tables`)
      input.focus()
      return false
    }
    if (!patterns.includes(pattern)) patterns = [...patterns, pattern]
    input.value = ''
    render()
    onChange()
    return true
  }
  input.addEventListener('keydown', event => {
    if (event.key !== 'Enter') return
    event.preventDefault()
    add()
  })
  input.setAttribute('aria-describedby', input.id + '-help')
  const node = el('div', { class: 'field' }, el('label', { for: input.id, text: label }), list,
    el('div', { class: 'add' }, input, el('button', { type: 'button', text: 'Add', 'aria-label': `Add to ${label}`,
      on: { click: add } })),
    el('p', { class: 'help', id: input.id + '-help', text: help }), error.node)
  return { node, add, value: () => patterns, set(list) { patterns = [...list]; render() } }
}

export const INCLUDE_HELP = 'database.table; * stands for any letters: shop.* is every table of shop, *.* all.'
export const EXCLUDE_HELP = 'Left out even where a pattern above fits.'

export function tablesTab(root, signal, name) {
  let stored = null
  const save = el('button', { class: 'primary', text: 'Apply', disabled: true })
  const changed = () => {
    save.disabled = stored === null || JSON.stringify([include.value(), exclude.value()]) === JSON.stringify(
      [stored.include, stored.exclude])
  }
  const include = patternEditor('Followed tables', INCLUDE_HELP, changed)
  const exclude = patternEditor('Excluded tables', EXCLUDE_HELP, changed)
  const take = objects => {
    stored = objects
    include.set(stored.include)
    exclude.set(stored.exclude)
    changed()
  }
  const difference = () => { // so that what somebody else changes meanwhile stays
    const lists = { include: include.value(), exclude: exclude.value() }
    const without = (list, other) => list.filter(pattern => !other.includes(pattern))
    const both = of => ({ include: of('include'), exclude: of('exclude') })
    return { add: both(key => without(lists[key], stored[key])), remove: both(key => without(stored[key], lists[key])) }
  }
  const editors = el('fieldset', { class: 'plain' }, include.node, exclude.node)
  const node = form({}, async () => {
    if (!include.add() || !exclude.add()) return
    take(await api('PATCH', channelPath(name, 'objects'), difference()))
    toast('The tables were changed.')
  },
  el('p', { class: 'subtitle', text: 'A change takes effect between two transactions of the source, and the stream ' +
    'says where. A table that is added brings its changes from then on, not its rows of before.' }),
  editors,
  el('div', { class: 'actions changes' }, save, button('Undo', () => take(stored))))
  node.addEventListener('settled', changed)
  root.append(el('h2', { text: 'Tables' }), node)
  Promise.all([get(channelPath(name, 'objects')), get('/v1/status')]).then(([objects, { role }]) => {
    if (signal.aborted) return
    editors.disabled = role === 'viewer'
    take(objects)
  }, why => toast(why.message, 'bad'))
  return { update() {} }
}

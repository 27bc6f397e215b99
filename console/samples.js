// A working consumer in the reader's language, with this channel's own address, topic and group filled in.
import { channelPath, get, getText, optional } from './api.js'
import { copyable, el, errorPlace, field } from './dom.js'

const NAMES = { c: 'C', go: 'Go', java: 'Java', node: 'Node.js', python: 'Python', dotnet: '.NET', erlang: 'Erlang',
  ruby: 'Ruby' }

export function samplesTab(root, signal, name) {
  const language = el('select', { name: 'language' }), group = el('select', { name: 'group' })
  const files = el('div', { class: 'presets', role: 'group', 'aria-label': 'Files' })
  const code = el('div'), error = errorPlace()
  const intro = el('p', { class: 'subtitle', text: 'A consumer that joins the group, prints each change and commits. ' +
    'Address, topic and group are this channel\'s; the password is never filled in.' })
  root.append(el('h2', { text: 'Sample code' }), intro)
  let samples = []
  const load = async file => {
    const chosen = samples.find(s => s.language === language.value)
    const name_of = file ?? chosen.files[0]
    const query = [`file=${encodeURIComponent(name_of)}`]
    if (group.value !== '') query.push(`group=${encodeURIComponent(group.value)}`)
    files.replaceChildren(...chosen.files.map(f => el('button', { type: 'button', class: 'small', text: f,
      'aria-pressed': String(f === name_of), on: { click: () => load(f) } })))
    error.say('')
    try {
      const text = await getText(`${channelPath(name, 'samples', chosen.language)}?${query.join('&')}`)
      if (!signal.aborted) code.replaceChildren(copyable(text, name_of))
    } catch (why) {
      code.replaceChildren()
      error.say(why.message)
    }
  }
  const begin = async () => {
    const [found, groups] = await Promise.all([optional(channelPath(name, 'samples')),
      get(channelPath(name, 'groups')).catch(() => ({ groups: [] }))])
    if (signal.aborted) return
    if (found === null) {
      root.append(el('p', { class: 'quiet-note', text: 'This millraced hands out no sample code.' }))
      return
    }
    samples = found.samples
    language.append(...samples.map(s => el('option', { value: s.language, text: NAMES[s.language] ?? s.language })))
    group.append(el('option', { value: '', text: 'to be filled in' }),
      ...groups.groups.map(g => el('option', { value: g.group, text: g.group })))
    if (groups.groups.length > 0) group.value = groups.groups[0].group
    for (const control of [language, group]) control.addEventListener('change', () => load())
    root.append(el('div', { class: 'pair' }, field('Language', language), field('Group', group)), files, error.node,
      code)
    await load()
  }
  begin().catch(why => root.append(el('p', { class: 'error-text', role: 'alert', text: why.message })))
  return { update() {} }
}

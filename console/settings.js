// What may be changed of a channel that is there: where its source is and who logs in there, and how it treats changes.
import { api, channelPath, get } from './api.js'
import { button, el, field, form, toast } from './dom.js'

/** A drop-down list; `choices`: [value, text]. */
export function select(name, choices) {
  return el('select', { name }, choices.map(([value, text]) => el('option', { value, text })))
}

/** Of each setting its name for people and its choices, as the wizard has them. */
export const SETTINGS = {
  compression: ['Compression', [['none', 'None'], ['lz4', 'LZ4: the least work'], ['zstd', 'Zstandard: the smallest'],
    ['gzip', 'gzip: for the oldest clients']]],
  ddl: ['Changes of definitions (DDL) in the stream', [['instance', 'Of the whole server'],
    ['selected', 'Of the followed tables only']]],
  text: ['Text of columns', [['stored', 'In each column\'s own character set'], ['utf8mb4', 'Converted to UTF-8']]],
  statement_events: ['Changes that the source logs as statements', [['error', 'Stop the channel with an error'],
    ['warn', 'Go on: they are lost, and counted']]],
  partial_images: ['Rows that the source does not log whole', [['error', 'Stop the channel with an error'],
    ['none', 'Go on: what is missing is marked']]],
}

function sourceFields() {
  const text = (name, options = {}) => el('input', { type: 'text', name, spellcheck: 'false', autocapitalize: 'none',
    required: true, ...options })
  const host = text('host'), port = text('port', { type: 'number', min: 1, max: 65535 }), user = text('user')
  const password = el('input', { type: 'password', name: 'password', autocomplete: 'new-password' })
  let before = {}
  return {
    node: el('div', {}, el('div', { class: 'pair' }, field('Host', host), field('Port', port)),
      el('div', { class: 'pair' }, field('User', user), field('Password', password,
        'Empty: as it is. Another host, port or user needs it again.'))),
    take(source) {
      before = source
      host.value = source.host
      port.value = source.port
      user.value = source.user
      password.value = ''
    },
    /** What differs, as a merge patch. */
    patch() {
      const now = { host: host.value.trim(), port: Number(port.value), user: user.value }
      const changed = Object.fromEntries(Object.entries(now).filter(([key, value]) => value !== before[key]))
      return password.value === '' ? changed : { ...changed, password: password.value }
    },
  }
}

export function settingsTab(root, signal, name) {
  const source = sourceFields()
  const controls = Object.fromEntries(Object.entries(SETTINGS).map(([key, [, choices]]) => [key, select(key, choices)]))
  let before = null
  const take = channel => {
    before = channel
    if (!channel.source.files) source.take(channel.source)
    for (const [key, control] of Object.entries(controls)) control.value = channel[key]
  }
  const show = (channel, isViewer) => {
    take(channel)
    const editors = el('fieldset', { class: 'plain', disabled: isViewer }, channel.source.files
      ? el('p', { text: `Its source is the folder ${channel.source.files}.` }) : source.node,
    Object.entries(controls).map(([key, control]) => field(SETTINGS[key][0], control)))
    root.append(form({}, async () => {
      const patch = Object.fromEntries(Object.entries(controls).map(([key, control]) => [key, control.value])
        .filter(([key, value]) => value !== before[key]))
      const changed = before.source.files ? {} : source.patch()
      if (Object.keys(changed).length > 0) patch.source = changed
      if (Object.keys(patch).length === 0) throw new Error('Nothing differs from what is stored.')
      take(await api('PATCH', channelPath(name), patch))
      toast('The settings were changed.')
    }, editors, el('div', { class: 'actions changes' }, el('button', { class: 'primary', text: 'Apply' }),
      button('Undo', () => take(before)))))
  }
  root.append(el('h2', { text: 'Settings' }), el('p', { class: 'subtitle', text: 'Capture begins anew behind what ' +
    'the log has; consumers notice nothing. Name, format and where it began stay.' }))
  Promise.all([get(channelPath(name)), get('/v1/status')]).then(([channel, { role }]) => {
    if (!signal.aborted) show(channel, role === 'viewer')
  }, why => toast(why.message, 'bad'))
  return { update() {} }
}

// A new channel in four steps: its source, its tables, where it begins, and the check of all that.
import { api, channelPath, every, get } from './api.js'
import { button, el, field, form, radios, setText, show } from './dom.js'
import { precheckList } from './precheck.js'
import { EXCLUDE_HELP, INCLUDE_HELP, patternEditor } from './tables.js'
import { SETTINGS, select } from './settings.js'
import { localInput, utc, zone } from './format.js'

const input = (name, options = {}) => el('input', { type: 'text', name, spellcheck: 'false', autocapitalize: 'none',
  ...options })

const TLS = [['preferred', 'Where the server has it (preferred)'], ['required', 'Always, without checking whose it is'],
  ['verify_ca', 'Always, signed by this authority'], ['verify_identity', 'Always, and the host\'s name must fit'],
  ['off', 'Never']]

/** {node, value()}: the body's `name` and `source`. */
function sourceStep() {
  const name = input('name', { required: true, maxlength: 100, pattern: '[A-Za-z0-9_\\-][A-Za-z0-9._\\-]*' })
  const host = input('host', { required: true, value: '127.0.0.1' })
  const port = input('port', { type: 'number', min: 1, max: 65535, value: 3306, required: true })
  const standby = input('standby')
  const user = input('user', { required: true, autocomplete: 'off' })
  const password = input('password', { type: 'password', autocomplete: 'new-password' })
  const tls = select('tls', TLS), ca = input('ca'), certificate = input('certificate'), key = input('key')
  const files = input('files')
  const paths = el('div', {}, field('File of the authority (PEM)', ca, 'A path as millraced sees it.'))
  const own = el('details', {}, el('summary', { text: 'A client certificate, standby hosts' }),
    field('Certificate (PEM file)', certificate), field('Key (PEM file)', key),
    field('Standby hosts', standby, 'host:port, separated by commas: tried when the first does not answer.'))
  const server = el('div', {}, el('div', { class: 'pair' }, field('Host', host, 'Or the path of a unix socket.'),
    field('Port', port)), el('div', { class: 'pair' }, field('User', user), field('Password', password)),
  field('TLS to the source', tls), paths, own)
  const folder = el('div', {}, field('Folder', files, 'A path from / on, as millraced sees it.'))
  const choose = kind => {
    const isServer = kind === 'server'
    show(server, isServer)
    show(folder, !isServer)
    host.required = user.required = port.required = isServer
    files.required = !isServer
  }
  const kind = radios('What is followed', [['server', 'A MySQL or MariaDB server'],
    ['files', 'A folder of binlog files', 'An archive, or what a cloud service lets one download.']], 'server', choose)
  const needsCa = () => {
    show(paths, tls.value.startsWith('verify'))
    ca.required = tls.value.startsWith('verify')
  }
  tls.addEventListener('change', needsCa)
  choose('server')
  needsCa()
  const source = () => {
    if (kind.value() === 'files') return { files: files.value.trim() }
    const made = { host: host.value.trim(), port: Number(port.value), user: user.value, password: password.value,
      tls: { mode: tls.value } }
    if (ca.required) made.tls.ca = ca.value.trim()
    if (certificate.value) Object.assign(made.tls, { certificate: certificate.value.trim(), key: key.value.trim() })
    const hosts = standby.value.split(',').map(h => h.trim()).filter(h => h !== '')
    if (hosts.length > 0) made.standby = hosts
    return made
  }
  return {
    node: el('div', {}, field('Channel name', name, 'Also the Kafka topic\'s: letters, digits, . _ and -.'), kind.node,
      server, folder),
    value: () => ({ name: name.value.trim(), source: source() }),
  }
}

function tablesStep() {
  const include = patternEditor('Followed tables', INCLUDE_HELP)
  const exclude = patternEditor('Excluded tables', EXCLUDE_HELP)
  const ddl = radios(SETTINGS.ddl[0], [['instance', 'Of the whole server',
    'All but statements on accounts.'], ['selected', 'Of the followed tables only']], 'instance')
  return {
    node: el('div', {}, include.node, exclude.node, ddl.node),
    check() {
      if (!include.add() || !exclude.add()) return false
      if (include.value().length > 0) return true
      throw new Error('Name at least one table or pattern, like shop.*')
    },
    value: () => ({ tables: { include: include.value(), exclude: exclude.value() }, ddl: ddl.value() }),
  }
}

function startStep() {
  const at = input('time', { type: 'datetime-local', step: 1, value: localInput(Date.now() - 3600e3) })
  const gtid = el('textarea', { name: 'gtid', rows: 3, spellcheck: 'false' })
  const file = input('file'), position = input('position', { type: 'number', min: 4, value: 4 })
  const schema = input('schema_file')
  const parts = { time: field('Time', at, `In ${zone()}.`), gtid_set: field('GTID set', gtid, 'Everything behind it, ' +
    'written as the source prints it.'), place: el('div', { class: 'pair' }, field('Binlog file', file,
    'For example binlog.000042'), field('Position', position)) }
  const past = field('Schema file (only where the check asks for it)', schema, 'CREATE statements of the tables as ' +
    'they were then; a path from / on, as millraced sees it.')
  const choose = how => {
    for (const [key, node] of Object.entries(parts)) {
      show(node, key === how)
      for (const control of node.querySelectorAll('input, textarea')) {
        control.disabled = key !== how
        control.required = key === how
      }
    }
    show(past, how !== 'now')
  }
  const how = radios('Begin', [['now', 'Now'],
    ['earliest', 'With the oldest binlog that the source still has'], ['time', 'At a time'],
    ['gtid_set', 'Behind a GTID set'], ['place', 'At a binlog file and position']], 'now', choose)
  choose('now')
  const format = select('format', [['dts-avro', 'dts-avro: Avro records of a cloud\'s tracking tasks']])
  const [compression, text, statements, images] = ['compression', 'text', 'statement_events', 'partial_images']
    .map(key => select(key, SETTINGS[key][1]))
  const visible = radios('Consumers see a change', [['durable', 'When it is safe on disk',
    'What was seen once is never lost.'], ['written', 'At once',
    'Without waiting for the disk; after a crash the source must send it again.']], 'durable')
  const rare = el('details', {}, el('summary', { text: 'Rarely needed' }), field(SETTINGS.text[0], text),
    field(SETTINGS.statement_events[0], statements), field(SETTINGS.partial_images[0], images))
  const start = { now: () => 'now', earliest: () => 'earliest',
    time: () => ({ time: utc(new Date(at.value).getTime()) }), gtid_set: () => ({ gtid_set: gtid.value.trim() }),
    place: () => ({ file: file.value.trim(), position: Number(position.value) }) }
  return {
    node: el('div', {}, how.node, Object.values(parts), past, field('Record format', format),
      field('Compression', compression, 'In the log, and to consumers.'), visible.node, rare),
    value() {
      const body = { start_at: start[how.value()](), format: format.value, visible: visible.value(),
        compression: compression.value, text: text.value, statement_events: statements.value,
        partial_images: images.value }
      if (how.value() !== 'now' && schema.value.trim() !== '') body.schema_file = schema.value.trim()
      return body
    },
  }
}

/** The channel is there and its source is being checked: shows what is found, until it can be started. */
function checkStep(signal, edit) {
  const report = precheckList()
  const start = button('Start', () => operate('start'), 'primary')
  const again = button('Check again', () => operate('resume'))
  const change = button('Change the settings', () => leave(edit))
  const open = el('a', { class: 'button', text: 'Open the channel' })
  const words = el('p', { role: 'status', class: 'check-words' })
  const node = el('div', {}, words, report.node, el('div', { class: 'actions' }, start, again, change, open))
  let name = null
  const leave = async then => { // it has followed nothing yet: made anew with other settings
    await api('DELETE', channelPath(name)).catch(why => setText(words, why.message))
    name = null
    then()
  }
  const operate = async verb => {
    try {
      await api('POST', channelPath(name, verb))
      if (verb === 'start') location.hash = `#/channels/${encodeURIComponent(name)}`
    } catch (why) {
      setText(words, why.message)
    }
  }
  every(700, signal, async () => {
    if (name === null) return
    const [found, status] = await Promise.all([get(channelPath(name, 'precheck')), get(channelPath(name, 'status'))])
    report.update(found)
    const isReady = status.operations.includes('start') && status.state === 'Not Started'
    show(start, isReady)
    show(again, !isReady && !found.is_running)
    setText(words, found.is_running ? 'The source is being checked.' : isReady ? 'The source can be followed.'
      : 'Something must be mended first: do what the failed items say, then check again.')
  })
  return {
    node,
    begin(channel) {
      name = channel
      open.href = `#/channels/${encodeURIComponent(name)}/precheck`
      start.hidden = again.hidden = true
      setText(words, 'The source is being checked.')
      report.update({ items: [], is_running: true, checked_ms: null })
    },
  }
}

export function showWizard(root, signal) {
  const titles = ['Source', 'Tables', 'Beginning', 'Check']
  const parts = [sourceStep(), tablesStep(), startStep()]
  const stepper = el('ol', { class: 'stepper' }, titles.map(text => el('li', { text })))
  const step = { at: 0 }
  const go = at => {
    step.at = at
    sections.forEach((section, i) => show(section, i === at))
    stepper.querySelectorAll('li').forEach((li, i) => {
      li.className = i < at ? 'done' : ''
      if (i === at) li.setAttribute('aria-current', 'step')
      else li.removeAttribute('aria-current')
    })
    const heading = sections[at].querySelector('h2')
    heading.focus()
  }
  const check = checkStep(signal, () => go(0))
  const next = async () => {
    if (parts[step.at].check && !parts[step.at].check()) return
    if (step.at < 2) {
      go(step.at + 1)
      return
    }
    const body = Object.assign({}, ...parts.map(part => part.value()))
    if (body.source.files) body.start_at = body.start_at === 'now' ? 'earliest' : body.start_at
    await api('POST', '/v1/channels', body)
    check.begin(body.name)
    go(3)
  }
  const sections = [...parts.map((part, i) => el('section', { 'aria-label': titles[i] }, form({}, next,
    el('h2', { text: `${i + 1}. ${titles[i]}`, tabindex: -1 }), part.node,
    el('div', { class: 'actions' }, el('button', { class: 'primary', text: i < 2 ? 'Next' : 'Create and check' }),
      i > 0 ? button('Back', () => go(i - 1)) : el('a', { class: 'button', href: '#/', text: 'Cancel' }))))),
  el('section', { 'aria-label': titles[3] }, el('h2', { text: '4. Check', tabindex: -1 }), check.node)]
  root.append(el('h1', { text: 'New channel' }), stepper, el('div', { class: 'card wizard' }, sections))
  sections.forEach((section, i) => { section.hidden = i !== 0 })
  stepper.firstElementChild.setAttribute('aria-current', 'step')
}

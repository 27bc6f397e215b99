// Alerts: when somebody is told (rules, of a channel), whom (targets, of all), and what was told.
import { api, channelPath, every, get, optional } from './api.js'
import { button, checkbox, dialog, el, field, form, setText, show, syncList, toast } from './dom.js'
import { time } from './format.js'

// word: [name, unit, usual threshold, of a group, below]
const RULES = {
  source_delay: ['Behind the source', 'seconds', 60],
  group_lag_seconds: ['Group behind', 'seconds', 300, true],
  group_lag_records: ['Group behind', 'records', 100000, true],
  error: ['Channel in Error', '', 0],
  retention: ['Retention nearly reached by a group', 'seconds left', 3600, true, true],
  source_purge: ['Source about to purge what is not read', 'seconds left', 3600, false, true],
  disk: ['Disk nearly full', '% free', 10, false, true],
}
const TARGETS = { webhook: 'Web hook', mail: 'Mail', command: 'Program' }

function ruleWords(rule) {
  const [name, unit, , , isBelow] = RULES[rule.kind] ?? [rule.kind, rule.unit ?? '']
  const of = rule.group ? ` ${rule.group}` : ''
  const bound = unit === '' ? '' : `${isBelow ? ', at most' : ' by more than'} ${rule.threshold} ${unit}`
  return `${name}${of}${bound}${rule.hold_s > 0 ? `, for ${rule.hold_s} s` : ''}`
}

const number = (name, value, max) => el('input', { type: 'number', name, min: 0, max, step: 1, value, required: true })

function askRule(old, groups, taken, save) {
  const kind = el('select', { name: 'kind' }, Object.entries(RULES).map(([word, [name, unit]]) => el('option', {
    value: word, text: unit === 'records' || unit === 'seconds' ? `${name} (${unit})` : name })))
  const group = el('select', { name: 'group' }, el('option', { value: '', text: 'every group' }),
    groups.map(g => el('option', { value: g, text: g })))
  const threshold = number('threshold', old?.threshold ?? RULES.source_delay[2])
  const hold = number('hold', old?.hold_s ?? 10, 86400)
  const ofGroup = field('Of', group), bound = field('Threshold', threshold)
  const label = bound.querySelector('label')
  const choose = isFresh => {
    const [, unit, usual, isOfGroup, isBelow] = RULES[kind.value]
    show(ofGroup, isOfGroup === true)
    show(bound, unit !== '')
    threshold.disabled = unit === ''
    setText(label, `${isBelow ? 'Tell at or below' : 'Tell above'}, ${unit}`)
    if (isFresh) threshold.value = usual
  }
  if (old) {
    kind.value = old.kind
    group.value = old.group
  }
  kind.addEventListener('change', () => choose(true))
  choose(!old)
  const box = dialog(old ? 'Change the rule' : 'New rule', form({}, async () => {
    const [, unit, , isOfGroup] = RULES[kind.value]
    let id = old?.id ?? kind.value
    for (let n = 2; !old && taken.includes(id); n++) id = `${kind.value}-${n}`
    const rule = { id, kind: kind.value, hold_s: Number(hold.value), is_on: old?.is_on ?? true }
    if (unit !== '') rule.threshold = Number(threshold.value)
    if (isOfGroup && group.value !== '') rule.group = group.value
    await save(rule)
    box.close()
  }, field('Tell when', kind), ofGroup, bound,
  field('Only after it lasted, seconds', hold, 'And as long for the word that it is over.'),
  el('div', { class: 'actions' }, el('button', { class: 'primary', text: 'Keep the rule' }),
    button('Cancel', () => box.close()))))
}

/** What the API takes of a rule that it gave. */
const bare = ({ id, kind, group, threshold, hold_s, is_on }) => ({ id, kind, hold_s, is_on,
  ...(group ? { group } : {}), ...(RULES[kind]?.[1] === '' ? {} : { threshold }) })

function ruleItem(context) {
  const words = el('span', { class: 'rule-words' }), state = el('span', { class: 'tag' }), since = el('span',
    { class: 'since' })
  const buttons = el('div', { class: 'operations' })
  const node = el('li', { class: 'card rule' }, el('div', {}, words, ' ', state, ' ', since), buttons)
  let rule = null
  const act = (text, does, kind = '') => {
    const b = button(text, () => does(rule), 'small ' + kind)
    return b
  }
  const toggle = act('', r => context.put(r.id, { ...r, is_on: !r.is_on }))
  buttons.append(act('Change…', r => askRule(r, context.groups, [], changed => context.put(r.id, changed))), toggle,
    act('Remove', r => context.put(r.id, null), 'danger'))
  return {
    node,
    update(r) {
      rule = r
      const text = ruleWords(r), firing = context.state.filter(s => s.rule === r.id && s.is_firing)
      setText(words, text)
      setText(toggle, r.is_on ? 'Switch off' : 'Switch on')
      buttons.querySelectorAll('button').forEach(b => b.setAttribute('aria-label', `${b.textContent} ${text}`))
      setText(state, firing.length > 0 ? 'firing' : r.is_on ? 'quiet' : 'off')
      state.className = 'tag ' + (firing.length > 0 ? 'alarm' : r.is_on ? 'good' : '')
      setText(since, firing.map(s => `${s.group ? s.group + ' ' : ''}since ${time(s.since_ms)}`).join(', '))
    },
  }
}

export function alertsTab(root, signal, name) {
  const path = channelPath(name, 'alerts')
  const list = el('ul', { class: 'rules' }), empty = el('p', { class: 'quiet-note' })
  const context = { groups: [], state: [], put: null }
  let rules = []
  const take = answer => {
    rules = answer.rules
    context.state = answer.state
    syncList(list, rules, r => r.id, () => ruleItem(context))
    setText(empty, rules.length > 0 ? '' : 'There is no rule: nobody is told of anything yet.')
  }
  const keep = async (changed, said) => {
    take(await api('PUT', path, { rules: changed.map(bare) }))
    toast(said)
  }
  context.put = async (id, rule) => {
    try {
      await keep(rules.map(r => r.id === id ? rule : r).filter(r => r !== null), 'The rules were changed.')
    } catch (why) {
      toast(why.message, 'bad')
      throw why
    }
  }
  const add = button('New rule', () => askRule(null, context.groups, rules.map(r => r.id),
    rule => keep([...rules, rule], 'The rule was added.')), 'primary changes')
  root.append(el('div', { class: 'title' }, el('div', {}, el('h2', { text: 'Alert rules' }),
    el('p', { class: 'subtitle' }, 'Measured each second. Who is told: ',
      el('a', { href: '#/alerts', text: 'targets of alerts' }), '.')), add), list, empty)
  every(2000, signal, async () => {
    const [answer, groups] = await Promise.all([optional(path), get(channelPath(name, 'groups'))])
    context.groups = groups.groups.map(g => g.group)
    show(add, answer !== null)
    if (answer === null) setText(empty, 'This millraced has no alerts.')
    else take(answer)
  })
  return { update() {} }
}

// --- targets, and what was told ---

function askTarget(old, save) {
  const text = (name, value = '', more = {}) => el('input', { type: 'text', name, value, spellcheck: 'false',
    autocapitalize: 'none', ...more })
  const kind = el('select', { name: 'kind', disabled: old !== null }, Object.entries(TARGETS).map(([value, words]) =>
    el('option', { value, text: words })))
  const id = text('id', old?.id, { required: true, maxlength: 64, readonly: old !== null })
  const url = text('url', old?.url, { required: true }), program = text('program', old?.program)
  const secret = el('input', { type: 'password', name: 'secret', autocomplete: 'new-password' })
  const encrypt = checkbox('Only encrypted (STARTTLS)', old?.must_encrypt ?? true)
  const user = text('user', old?.user), from = text('from', old?.from), to = text('to', old?.to?.join(', '))
  const urlField = field('Address', url, ' '), secretField = field('Secret', secret, ' ')
  const mail = el('div', {}, field('From', from), field('To', to, 'Addresses, separated by commas.'),
    field('User', user, 'Empty where the server asks for none.'), encrypt.node)
  const programField = field('Program', program, 'The name of a file in the folder alert_programs_folder of the ' +
    'configuration; the notice comes on its standard input.')
  const choose = () => {
    const isMail = kind.value === 'mail', isProgram = kind.value === 'command'
    show(mail, isMail)
    show(programField, isProgram)
    show(urlField, !isProgram)
    show(secretField, !isProgram)
    url.disabled = isProgram
    program.disabled = !isProgram
    program.required = isProgram
    from.disabled = to.disabled = user.disabled = !isMail
    from.required = to.required = isMail
    setText(urlField.querySelector('.help'), isMail ? 'smtp://host:port or smtps://host' : 'https://… or http://…')
    setText(secretField.querySelector('label'), isMail ? 'Password' : 'Secret that signs')
    setText(secretField.querySelector('.help'), old?.has_secret ? 'Leave it empty to keep the one that is there.'
      : isMail ? 'Empty where the server asks for none.' : 'Empty: not signed.')
  }
  if (old) kind.value = old.kind
  kind.addEventListener('change', choose)
  choose()
  const box = dialog(old ? `Target ${old.id}` : 'New target', form({}, async () => {
    const target = { id: id.value.trim(), kind: kind.value, is_on: old?.is_on ?? true }
    if (kind.value === 'command') target.program = program.value.trim()
    else target.url = url.value.trim()
    if (kind.value !== 'command' && secret.value !== '') target.secret = secret.value
    if (kind.value === 'mail') Object.assign(target, { from: from.value.trim(), user: user.value,
      to: to.value.split(',').map(t => t.trim()).filter(t => t !== ''),
      must_encrypt: encrypt.value() })
    await save(target)
    box.close()
  }, field('Name', id), field('Kind', kind), urlField, mail, programField, secretField,
  el('div', { class: 'actions' }, el('button', { class: 'primary', text: 'Keep the target' }),
    button('Cancel', () => box.close()))))
}

const bareTarget = ({ has_secret, ...rest }) => rest

function targetItem(context) {
  const title = el('h3'), about = el('p', { class: 'quiet-note' }), buttons = el('div', { class: 'operations' })
  const state = el('span', { class: 'tag' })
  let target = null
  const act = (text, does, kind = '') => button(text, () => does(target), 'small ' + kind)
  const toggle = act('', t => context.put(t.id, { ...t, is_on: !t.is_on }))
  buttons.append(act('Send a test', t => context.test(t.id)), act('Change…', t => askTarget(t,
    changed => context.put(t.id, changed))), toggle, act('Remove', t => context.put(t.id, null), 'danger'))
  return {
    node: el('li', { class: 'card rule' }, el('div', {}, title, ' ', state, about), buttons),
    update(t) {
      target = t
      setText(title, t.id)
      setText(state, t.is_on ? 'on' : 'off')
      state.className = t.is_on ? 'tag good' : 'tag'
      setText(toggle, t.is_on ? 'Switch off' : 'Switch on')
      setText(about, `${TARGETS[t.kind] ?? t.kind}: ${t.program ?? t.url}${t.to ? ' to ' + t.to.join(', ') : ''}`)
      buttons.querySelectorAll('button').forEach(b => b.setAttribute('aria-label', `${b.textContent}: ${t.id}`))
    },
  }
}

function noticeItem() {
  const state = el('span', { class: 'tag' }), words = el('span', { class: 'rule-words' }), when = el('span',
    { class: 'since' }), ways = el('p', { class: 'quiet-note' })
  return {
    node: el('li', { class: 'notice' }, state, ' ', words, ' ', when, ways),
    update(n) {
      setText(state, n.state)
      state.className = 'tag ' + ({ firing: 'alarm', recovered: 'good' }[n.state] ?? '')
      setText(words, n.text)
      setText(when, time(n.at_ms))
      setText(ways, (n.deliveries ?? []).map(d => `${d.target}: ${d.outcome}` + (d.attempts > 1
        ? ` at attempt ${d.attempts}` : '') + (d.error ? ` (${d.error})` : '')).join(' · '))
    },
  }
}

/** #/alerts */
export function showAlerts(root, signal) {
  const list = el('ul', { class: 'rules' }), notices = el('ul', { class: 'notices' })
  const empty = el('p', { class: 'quiet-note' }), none = el('p', { class: 'quiet-note' })
  const context = {}
  let targets = []
  const take = answer => {
    targets = answer.targets
    syncList(list, targets, t => t.id, () => targetItem(context))
    setText(empty, targets.length > 0 ? '' : 'There is no target: rules fire, and nobody is told.')
  }
  const keep = async (changed, said) => {
    take(await api('PUT', '/v1/alert-targets', { targets: changed.map(bareTarget) }))
    toast(said)
  }
  context.put = async (id, target) => {
    try {
      await keep(targets.map(t => t.id === id ? target : t).filter(t => t !== null), 'The targets were changed.')
    } catch (why) {
      toast(why.message, 'bad')
      throw why
    }
  }
  context.test = id => api('POST', `/v1/alert-targets/${encodeURIComponent(id)}/test`)
    .then(() => toast(`A test is on its way to ${id}: see below.`), why => toast(why.message, 'bad'))
  const add = button('New target', () => askTarget(null, target => keep([...targets, target], 'The target was added.')),
    'primary changes')
  root.append(el('div', { class: 'title' }, el('div', {}, el('h1', { text: 'Alerts' }),
    el('p', { class: 'subtitle', text: 'Who is told when a channel\'s rule fires and when it is over. The rules are ' +
      'on each channel\'s page.' })), add), list, empty,
  el('section', { class: 'card told', 'aria-labelledby': 'told' }, el('h2', { id: 'told', text: 'What was told' }),
    none, notices))
  every(2000, signal, async () => {
    const [found, log] = await Promise.all([optional('/v1/alert-targets'), optional('/v1/alerts/log')])
    show(add, found !== null)
    if (found === null) setText(empty, 'This millraced has no alerts.')
    else take(found)
    const told = [...(log?.notices ?? [])].reverse()
    syncList(notices, told, n => n.id, noticeItem)
    setText(none, told.length > 0 ? '' : 'Nothing yet.')
  })
}

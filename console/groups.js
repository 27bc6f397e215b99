// Consumer groups of a channel: who reads, how far behind, and where each goes on.
import { api, channelPath, every, get } from './api.js'
import { button, copyable, dialog, el, field, form, radios, setText, show, syncList, toast } from './dom.js'
import { count, duration, localInput, plural, time, utc, zone } from './format.js'

const STATES = { Stable: 'good', Empty: 'idle', Dead: 'idle', PreparingRebalance: 'busy', CompletingRebalance: 'busy',
  Assigning: 'busy', Reconciling: 'busy' }

/** What a consumer must be told to join, shown once after the group was made. */
function connectHelp(made, password) {
  const box = dialog(`Group ${made.group} is there`,
    el('p', { text: 'Its clients log in with this user and the password that you chose; it is shown nowhere again.' }),
    copyable(`group.id=${made.group}\nsasl.username=${made.user}\nsasl.password=${password}`, 'the client\'s settings'),
    el('div', { class: 'actions' }, button('Done', () => box.close(), 'primary')))
}

function askCreate(name) {
  const group = el('input', { type: 'text', name: 'group', required: true, maxlength: 128, spellcheck: 'false' })
  const account = el('input', { type: 'text', name: 'account', required: true, maxlength: 128, spellcheck: 'false' })
  const password = el('input', { type: 'password', name: 'password', required: true, minlength: 8, maxlength: 256,
    autocomplete: 'new-password' })
  const again = el('input', { type: 'password', name: 'again', required: true, autocomplete: 'new-password' })
  const box = dialog('New consumer group', form({}, async () => {
    if (password.value !== again.value) throw new Error('The two passwords differ.')
    const made = await api('POST', channelPath(name, 'groups'), { group: group.value, account: account.value,
      password: password.value })
    box.close()
    connectHelp(made, password.value)
  },
  field('Group ID', group, 'Letters, digits, . _ and -. Consumers with the same ID share one checkpoint.'),
  field('Account', account, 'Clients log in as ACCOUNT-GROUP.'),
  field('Password', password, '8 to 256 bytes.'), field('The password once more', again),
  el('div', { class: 'actions' }, el('button', { class: 'primary', text: 'Create the group' }),
    button('Cancel', () => box.close()))))
}

function askPassword(name, group) {
  const password = el('input', { type: 'password', name: 'password', required: true, minlength: 8, maxlength: 256,
    autocomplete: 'new-password' })
  const box = dialog(`New password of ${group}`, form({}, async () => {
    await api('PATCH', channelPath(name, 'groups', group), { password: password.value })
    box.close()
    toast(`Group ${group} has a new password.`)
  }, el('p', { text: 'Clients that logged in with the old one are put out.' }), field('Password', password),
  el('div', { class: 'actions' }, el('button', { class: 'primary', text: 'Change it' }),
    button('Cancel', () => box.close()))))
}

function askDelete(name, group) {
  const box = dialog(`Delete group ${group}?`, form({}, async () => {
    await api('DELETE', channelPath(name, 'groups', group))
    box.close()
    toast(`Group ${group} was deleted.`)
  }, el('p', { text: 'Its account and its checkpoint go; its clients are put out.' }),
  el('div', { class: 'actions' }, el('button', { class: 'danger', text: 'Delete it' }),
    button('Keep it', () => box.close()))))
}

/** By time, by offset, or to one of the log's ends. */
function askCheckpoint(name, group, log) {
  const at = el('input', { type: 'datetime-local', step: 1, name: 'time', value: localInput(Date.now() - 600e3) })
  const offset = el('input', { type: 'number', name: 'offset', min: log?.start_offset ?? 0,
    max: log?.high_watermark ?? null, step: 1, value: group.checkpoint?.offset ?? log?.start_offset ?? 0 })
  const presets = el('div', { class: 'presets', role: 'group', 'aria-label': 'Time, quickly' },
    [['1 min ago', 60e3], ['10 min ago', 600e3], ['1 h ago', 3600e3], ['12 h ago', 12 * 3600e3]].map(([text, ms]) =>
      button(text, () => { at.value = localInput(Date.now() - ms) }, 'small')))
  const byTime = el('div', {}, field('Go on with the first record at or behind', at, `In ${zone()}.`), presets)
  const byOffset = field('Go on with offset', offset, log ? `The log has ${count(log.start_offset)} to ` +
    `${count(log.high_watermark)}; the last is what comes next.` : null)
  const choose = how => {
    show(byTime, how === 'time')
    show(byOffset, how === 'offset')
    at.disabled = how !== 'time' // what is not shown must not be checked
    offset.disabled = how !== 'offset'
  }
  const how = radios('Move it', [['time', 'To a time'], ['offset', 'To an offset'],
    ['earliest', 'To the oldest record kept'], ['latest', 'To the end: only what comes from now on']], 'time', choose)
  choose('time')
  const box = dialog(`Checkpoint of ${group.group}`, form({}, async () => {
    const body = how.value() === 'time' ? { time: utc(new Date(at.value).getTime()) }
      : how.value() === 'offset' ? { offset: Number(offset.value) } : { to: how.value() }
    const moved = await api('PUT', channelPath(name, 'groups', group.group, 'checkpoint'), body)
    box.close()
    toast(`Group ${group.group} goes on at offset ${count(moved.checkpoint?.offset)}.`)
  },
  el('p', { text: (group.checkpoint ? `It is at offset ${count(group.checkpoint.offset)} now. ` : '') +
    'Stop the group\'s clients first: those that run go on from where they are.' }),
  how.node, byTime, byOffset,
  el('div', { class: 'actions' }, el('button', { class: 'primary', text: 'Move the checkpoint' }),
    button('Cancel', () => box.close()))))
}

function memberRow(member) {
  const active = el('span')
  const node = el('li', {}, el('span', { class: 'client', text: member.client_id }), ' ',
    el('span', { class: 'host', text: member.host.replace(/^\//, 'from ') }), ' ', active)
  return {
    node,
    update(m) {
      setText(active, m.is_active ? 'reads' : 'stands by')
      active.className = m.is_active ? 'tag good' : 'tag'
    },
  }
}

function groupCard(name, context) {
  const state = el('span', { class: 'tag' }), user = el('dd'), at = el('dd'), behind = el('dd'), committed = el('dd')
  const members = el('ul', { class: 'members' }), nobody = el('p', { class: 'quiet-note' })
  const title = el('h3')
  const buttons = el('div', { class: 'operations' })
  let current = null
  const node = el('li', { class: 'card group' },
    el('div', { class: 'title' }, el('div', {}, title, state), buttons),
    el('dl', { class: 'facts' }, [['Behind', behind], ['Checkpoint', at], ['Committed', committed], ['User', user]]
      .map(([label, value]) => el('div', {}, el('dt', { text: label }), value))),
    el('h4', { text: 'Members' }), members, nobody)
  const make = g => {
    const label = text => `${text} of group ${g.group}`
    const list = [['Move checkpoint…', () => askCheckpoint(name, current, context.log)]]
    if (g.user !== null) list.push(['Password…', () => askPassword(name, g.group)],
      ['Delete…', () => askDelete(name, g.group), 'danger'])
    buttons.replaceChildren(...list.map(([text, act, kind]) => {
      const b = button(text, act, 'small ' + (kind ?? ''))
      b.setAttribute('aria-label', label(text.replace('…', '')))
      return b
    }))
  }
  return {
    node,
    update(g) {
      if (current?.user !== g.user) make(g)
      current = g
      setText(title, g.group)
      setText(state, g.state)
      state.className = `tag ${STATES[g.state] ?? ''}`
      setText(user, g.user ?? 'none: it came without a login')
      setText(at, g.checkpoint ? `offset ${count(g.checkpoint.offset)}` + (g.checkpoint.time
        ? `, ${time(Date.parse(g.checkpoint.time))}` : '') : 'none yet')
      setText(behind, g.lag ? plural(g.lag.records, 'record') + (g.lag.seconds !== null && g.lag.records > 0
        ? `, ${duration(g.lag.seconds * 1000)}` : '') : '–')
      setText(committed, g.checkpoint?.committed_at ? time(Date.parse(g.checkpoint.committed_at)) : 'never')
      const list = g.members ?? []
      syncList(members, list, m => m.member_id, memberRow)
      setText(nobody, list.length > 0 ? '' : g.member_count > 0 ? `${g.member_count} members`
        : 'Nobody is connected.') // a member count without its list: it could not be asked
      show(nobody, list.length === 0)
    },
  }
}

export function groupsTab(root, signal, name) {
  const context = { log: null }
  const list = el('ul', { class: 'groups' })
  const empty = el('div', { class: 'empty', hidden: true },
    el('h3', { text: 'Nobody reads this channel yet' }),
    el('p', { text: 'A consumer group has an ID, an account and a password of its own, and one checkpoint. ' +
      'One of its members reads at a time, the others stand by.' }))
  root.append(el('div', { class: 'title' }, el('h2', { text: 'Consumer groups' }),
    button('New group', () => askCreate(name), 'primary changes')), list, empty)
  every(1500, signal, async () => {
    const { groups } = await get(channelPath(name, 'groups'))
    const whole = await Promise.all(groups.slice(0, 50).map(g => g.member_count > 0
      ? get(channelPath(name, 'groups', g.group)).catch(() => g) : g))
    if (signal.aborted) return
    syncList(list, whole, g => g.group, () => groupCard(name, context))
    show(empty, groups.length === 0)
  })
  return { update(status) { context.log = status.log } }
}

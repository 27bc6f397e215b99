// A channel's state and what may be done with it, as list and page show them.
import { api, channelPath } from './api.js'
import { button, dialog, el, field, form, setText, toast } from './dom.js'

const KINDS = { 'Normal': 'good', 'Error': 'bad', 'Performing Initial Change Tracking': 'busy', 'Prechecking': 'busy',
  'Deleting': 'busy' }

/** The badge; a word, never the colour alone. */
export function stateBadge() {
  const text = el('span', { class: 'word' })
  const node = el('span', { class: 'state' }, el('span', { class: 'dot', 'aria-hidden': 'true' }), text)
  return {
    node,
    update(status) {
      const needsHelp = status.state === 'Prechecking' && status.error !== null
      setText(text, needsHelp ? 'Precheck failed' : status.state)
      const isHeldUp = status.state === 'Deleting' && status.error !== null
      node.className = 'state ' + (needsHelp || isHeldUp ? 'bad' : KINDS[status.state] ?? 'idle')
    },
  }
}

/** What is wrong and what happens next. */
export function errorNext(error) {
  if (error.next_attempt_in_ms !== undefined)
    return `Next attempt in ${Math.ceil(error.next_attempt_in_ms / 1000)} s.`
  return error.is_transient ? 'It is being tried again all the time.' : ''
}

const ASKS = {
  stop: 'Capture ends; what is in the log stays and is still served. Start goes on where it stopped.',
}
const WORDS = { start: 'Start', stop: 'Stop', resume: 'Resume now', delete: 'Delete…' }
const DONE = { start: 'is starting', stop: 'was stopped', resume: 'tries again' }

function askDelete(name) {
  const typed = el('input', { type: 'text', name: 'confirm', required: true, spellcheck: 'false' })
  const box = dialog(`Delete ${name}?`, form({}, async () => {
    if (typed.value !== name) throw new Error(`That is not the channel's name. To delete it, type: ${name}`)
    const left = await api('DELETE', channelPath(name)) // what holds it up; nothing: it is gone
    box.close()
    toast(left === null ? `Channel ${name} was deleted.` : `Channel ${name} is being deleted. ${left.error.text}`)
    location.hash = '#/'
  },
  el('p', { text: 'Its log, its groups and their checkpoints are cleared. This cannot be undone.' }),
  field('Type the channel\'s name', typed),
  el('div', { class: 'actions' }, el('button', { class: 'danger', text: 'Delete it' }),
    button('Keep it', () => box.close()))))
}

async function operate(name, verb, changed) {
  try {
    changed(await api('POST', channelPath(name, verb)))
    toast(`Channel ${name} ${DONE[verb]}.`)
  } catch (why) {
    toast(why.message, 'bad')
  }
}

function askStop(name, changed) {
  const box = dialog(`Stop ${name}?`, el('p', { text: ASKS.stop }),
    el('div', { class: 'actions' },
      button('Stop it', () => { box.close(); operate(name, 'stop', changed) }, 'primary'),
      button('Let it run', () => box.close())))
}

/** Buttons of the operations that this state allows; `changed(status)` gets the answer of one that was done. */
export function operations(name, changed) {
  const node = el('div', { class: 'operations', role: 'group', 'aria-label': 'Operations' })
  let shown = ''
  return {
    node,
    update(status) {
      const isCheck = status.state === 'Prechecking'
      const key = status.operations.join() + isCheck
      if (key === shown) return // a button under the finger must not move
      const focused = document.activeElement?.dataset?.verb
      shown = key
      const verbs = status.operations.filter(verb => verb !== 'reconfigure') // no button, but what the editors do
      node.replaceChildren(...verbs.map(verb => {
        const act = verb === 'delete' ? () => askDelete(name)
          : verb === 'stop' ? () => askStop(name, changed) : () => operate(name, verb, changed)
        const text = verb === 'resume' && isCheck ? 'Check again' : WORDS[verb] ?? verb
        const b = button(text, act, { start: isCheck ? '' : 'primary', resume: 'primary', delete: 'danger' }[verb])
        b.dataset.verb = verb
        return b
      }))
      if (focused) (node.querySelector(`[data-verb="${focused}"]`) ?? node.querySelector('button'))?.focus()
    },
  }
}

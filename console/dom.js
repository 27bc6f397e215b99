// Builds and updates nodes. Text goes in as text only: nothing here parses markup, so what a source's rows hold stays
// text.

/** A node; `options`: class, text, on {event: listener}, and attributes (false and null are left out). */
export function el(name, options = {}, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(options)) {
    if (value === false || value === null || value === undefined) continue
    if (key === 'class') node.className = value
    else if (key === 'text') node.textContent = value
    else if (key === 'on') for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener)
    else node.setAttribute(key, value === true ? '' : value)
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false))
  return node
}

/** Only when it differs: live regions would speak again, selections would go. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown
}

/** Keeps the children of `parent` in step with `items`; what stays is updated in place, so focus stays too.
 * `make(item)` returns {node, update(item)}. */
export function syncList(parent, items, keyOf, make) {
  const kept = parent.kept ?? (parent.kept = new Map())
  const keys = new Set(items.map(keyOf))
  for (const [key, entry] of kept) {
    if (keys.has(key)) continue
    entry.node.remove()
    kept.delete(key)
  }
  let at = parent.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    let entry = kept.get(key)
    if (!entry) kept.set(key, entry = make(item))
    entry.update?.(item)
    if (entry.node === at) at = at.nextElementSibling
    else parent.insertBefore(entry.node, at)
  }
}

let nextId = 0
export const freshId = prefix => `${prefix}-${++nextId}`

/** A label above a control, with help below it that readers hear too. */
export function field(label, control, help) {
  control.id ||= freshId('field')
  const parts = [el('label', { for: control.id, text: label }), control]
  if (help) {
    const id = control.id + '-help'
    control.setAttribute('aria-describedby', id)
    parts.push(el('p', { class: 'help', id, text: help }))
  }
  return el('div', { class: 'field' }, parts)
}

/** Radio buttons; `choices`: [value, label, help]. `value()` reads it. */
export function radios(legend, choices, chosen, onChange) {
  const name = freshId('choice')
  const set = el('fieldset', { class: 'radios' }, el('legend', { text: legend }))
  for (const [value, label, help] of choices) {
    const id = freshId('radio')
    const input = el('input', { type: 'radio', name, id, value, checked: value === chosen,
      'aria-describedby': help ? id + '-help' : null, on: { change: () => onChange?.(value) } })
    set.append(el('div', { class: 'radio' }, input, el('label', { for: id, text: label }),
      help ? el('p', { class: 'help', id: id + '-help', text: help }) : null))
  }
  return { node: set, value: () => set.querySelector('input:checked')?.value }
}

/** A box to tick, with its label behind it. `value()` reads it. */
export function checkbox(label, isOn, onChange) {
  const id = freshId('check')
  const box = el('input', { type: 'checkbox', id, checked: isOn, on: { change: () => onChange?.() } })
  return { node: el('div', { class: 'check-field' }, box, el('label', { for: id, text: label })),
    value: () => box.checked }
}

export function button(text, onClick, kind = '') {
  return el('button', { type: 'button', class: kind, text, on: { click: onClick } })
}

/** A place where an error is said: readers hear it at once. */
export function errorPlace() {
  const node = el('p', { class: 'error-text', role: 'alert' })
  return { node, say: text => { node.textContent = text ?? '' } }
}

/** A form that never leaves the page; while `submit` runs its buttons are off, and an error is said below. Then it
 * fires `settled`. */
export function form(options, submit, ...children) {
  const error = errorPlace()
  const node = el('form', { autocomplete: 'off', ...options }, ...children, error.node)
  node.addEventListener('input', () => error.say('')) // it was about what stood there before
  node.addEventListener('submit', async event => {
    event.preventDefault()
    const buttons = [...node.querySelectorAll('button')].filter(b => !b.disabled)
    error.say('')
    for (const b of buttons) b.disabled = true
    try {
      await submit()
    } catch (why) {
      error.say(why.message)
    } finally {
      for (const b of buttons) b.disabled = false
      node.dispatchEvent(new Event('settled'))
    }
  })
  return node
}

/** Text with a button that copies it. */
export function copyable(text, label) {
  const done = el('span', { class: 'copied', role: 'status' })
  const copy = el('button', { type: 'button', class: 'small', text: 'Copy', 'aria-label': `Copy ${label}` })
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text)
      done.textContent = 'copied'
    } catch {
      done.textContent = 'select the text and copy it by hand: the browser does not allow it'
    }
    setTimeout(() => { done.textContent = '' }, 3000)
  })
  const code = el('pre', { tabindex: '0', 'aria-label': label, role: 'region' }, el('code', { text }))
  return el('div', { class: 'copyable' }, code, el('div', { class: 'copy' }, copy, done))
}

export function toast(text, kind = '') {
  const node = el('p', { class: `toast ${kind}`, text })
  document.getElementById('toasts').append(node)
  setTimeout(() => node.remove(), 6000)
}

/** A modal dialog; the browser keeps the focus in it and gives it back. */
export function dialog(title, ...children) {
  const id = freshId('dialog')
  const node = el('dialog', { 'aria-labelledby': id }, el('h2', { id, text: title }), ...children)
  node.addEventListener('close', () => node.remove())
  document.body.append(node)
  node.showModal()
  return node
}

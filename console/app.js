// The console: which page is shown, the login, and what all pages share.
import { forgetToken, get, hasToken, onConnection, onLogin } from './api.js'
import { button, dialog, el, field, form, setText, show } from './dom.js'
import { showList } from './list.js'
import { showWizard } from './wizard.js'
import { showChannel } from './channel.js'
import { showAlerts } from './alerts.js'

const main = document.getElementById('main')
const banner = document.getElementById('connection')

onConnection(why => {
  setText(banner, why === null ? '' : why.message)
  show(banner, why !== null && why.status !== 404)
})

onLogin(wasRefused => new Promise(resolve => {
  const token = el('input', { type: 'password', name: 'token', required: true, autocomplete: 'current-password' })
  const box = dialog('Log in', form({}, () => {
    const value = token.value.trim()
    if (value === '') throw new Error('Paste a token here.')
    resolve(value)
    box.close()
  }, el('p', { text: wasRefused
    ? 'That token is not good, or not any more. Try another.'
    : 'This millraced asks for a token. Its operator makes one with "millrace token create".' }),
  field('Token', token, 'It is kept in this tab only, and forgotten when the tab is closed.'),
  el('div', { class: 'actions' }, el('button', { class: 'primary', text: 'Log in' }))))
  box.addEventListener('cancel', event => event.preventDefault()) // there is nothing behind it
  box.addEventListener('close', navigation)
}))

function navigation() {
  const nav = document.getElementById('main-nav')
  const links = [['#/', 'Channels'], ['#/alerts', 'Alerts']].map(([href, text]) => el('a', { href, text,
    'aria-current': (location.hash || '#/') === href ? 'page' : null }))
  const out = hasToken() ? button('Log out', () => { forgetToken(); location.reload() }, 'quiet') : null
  const viewer = isViewer() ? el('span', { class: 'tag', text: 'viewer',
    title: 'This token may look at everything and change nothing.' }) : null
  nav.replaceChildren(...links, ...(viewer ? [viewer] : []), ...(out ? [out] : []))
}

const isViewer = () => document.body.classList.contains('viewer')

/** What a viewer's token may not do is not offered (style.css); the server refuses it in any case. */
async function learnRole() {
  const { role } = await get('/v1/status')
  document.body.classList.toggle('viewer', role === 'viewer')
  navigation()
}

function notFound(root) {
  root.append(el('h1', { text: 'There is no such page' }), el('p', {}, el('a', { href: '#/', text: 'All channels' })))
}

let leaving = new AbortController()

function go() {
  const parts = location.hash.replace(/^#\/?/, '').split('/').map(part => {
    try { return decodeURIComponent(part) } catch { return part }
  })
  leaving.abort()
  leaving = new AbortController()
  const root = el('div', { class: 'page' })
  if (parts[0] === '') showList(root, leaving.signal)
  else if (parts[0] === 'new') showWizard(root, leaving.signal)
  else if (parts[0] === 'alerts') showAlerts(root, leaving.signal)
  else if (parts[0] === 'channels' && parts[1]) showChannel(root, leaving.signal, parts[1], parts[2] ?? '')
  else notFound(root)
  main.replaceChildren(root)
  navigation()
  learnRole().catch(() => {}) // the page itself says when millraced does not answer
  const heading = root.querySelector('h1')
  document.title = heading && heading.textContent !== 'Channels' ? `${heading.textContent} · millrace` : 'millrace'
  return heading
}

window.addEventListener('hashchange', () => {
  const heading = go() // readers hear where they are
  heading?.setAttribute('tabindex', '-1')
  heading?.focus({ preventScroll: true })
  window.scrollTo(0, 0)
})
document.getElementById('skip').addEventListener('click', event => {
  event.preventDefault() // the fragment is the page's address here
  main.focus()
})
go()

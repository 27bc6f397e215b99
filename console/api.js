// Requests to millraced's REST API. Errors carry the sentence that the server wrote for people.

export class ApiError extends Error {
  constructor(status, text) {
    super(text)
    this.status = status
  }
}

const TOKEN = 'millrace.token' // for as long as this tab is open
let login = null
let loginUnderWay = null

/** `ask(wasRefused)`: a promise of the token that the user types. */
export function onLogin(ask) { login = ask }
export const hasToken = () => sessionStorage.getItem(TOKEN) !== null
export function forgetToken() { sessionStorage.removeItem(TOKEN) }

async function logIn(refused) {
  if (sessionStorage.getItem(TOKEN) !== refused) return // another request has asked meanwhile
  loginUnderWay ??= login(refused !== null).then(token => sessionStorage.setItem(TOKEN, token))
    .finally(() => { loginUnderWay = null })
  await loginUnderWay
}

async function sentence(answer) {
  try {
    const problem = await answer.json()
    if (problem.detail) return problem.detail
  } catch { /* no problem document */ }
  return `millraced answered ${answer.status} ${answer.statusText}`
}

async function send(method, path, body) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN)
    const headers = {}
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    if (token !== null) headers.Authorization = `Bearer ${token}`
    let answer
    try {
      answer = await fetch(path, { method, headers, cache: 'no-store', credentials: 'omit',
        body: body === undefined ? undefined : JSON.stringify(body) })
    } catch {
      throw new ApiError(0, 'millraced does not answer. Is it running? This page tries again by itself.')
    }
    if (answer.ok) return answer
    if (answer.status !== 401) throw new ApiError(answer.status, await sentence(answer))
    await logIn(token)
  }
}

export async function api(method, path, body) {
  const answer = await send(method, path, body)
  return answer.status === 204 ? null : answer.json()
}

export const get = path => api('GET', path)

export async function getText(path) {
  return (await send('GET', path)).text()
}

/** null where this millraced has no such thing. */
export async function optional(path) {
  try {
    return await get(path)
  } catch (why) {
    if (why.status === 404 || why.status === 405) return null
    throw why
  }
}

export const channelPath = (name, ...rest) => ['/v1/channels', name, ...rest].map((part, i) =>
  i === 0 ? part : encodeURIComponent(part)).join('/')

const failing = new Map() // poller -> why it cannot go on now
let tellConnection = () => {}
/** `tell(why)`: an ApiError, or null when all is well again. */
export function onConnection(tell) { tellConnection = tell }

/** Calls `step` now and every `period_ms`, never twice at once and not while the page is hidden, until `signal`. */
export function every(period_ms, signal, step) {
  let timer
  const say = why => {
    if (why !== null && !signal.aborted) failing.set(step, why)
    else failing.delete(step)
    tellConnection([...failing.values()][0] ?? null)
  }
  const turn = async () => {
    if (!document.hidden) {
      try {
        await step()
        say(null)
      } catch (why) {
        if (!(why instanceof ApiError)) throw why
        say(why)
      }
    }
    if (!signal.aborted) timer = setTimeout(turn, period_ms)
  }
  signal.addEventListener('abort', () => {
    clearTimeout(timer)
    say(null)
  })
  turn()
}

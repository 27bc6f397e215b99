// What the console's tests share: a browser, a page that tolerates no fault, axe.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(process.env.MILLRACE_BROWSER_PART + '/browser/')
const { chromium } = require('playwright-core')
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

export class Failed extends Error {}

export function check(condition, words) {
  if (!condition) throw new Failed(typeof words === 'string' ? words : JSON.stringify(words))
}

// What a busy machine may take longer than the times that steps name, which only end what would wait for ever.
const PATIENCE = 4

export async function until(condition, seconds, words) {
  seconds *= PATIENCE
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const answer = await condition()
    if (answer) return answer
    if (Date.now() > deadline) throw new Failed(`not within ${seconds} s: ${words}`)
    await new Promise(done => setTimeout(done, 100))
  }
}

/** {browser, page, faults}: `faults` collects what must not be: errors, and requests to other places than `base`. */
export async function openPage(base, options = {}) {
  const browser = await chromium.launch({ executablePath: process.env.MILLRACE_CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, timezoneId: 'Asia/Shanghai',
    colorScheme: 'light', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(20000 * PATIENCE)
  const faults = []
  page.on('pageerror', why => faults.push(`error: ${why.stack ?? why}`))
  page.on('console', message => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) faults.push(message.text())
  })
  page.on('request', request => {
    const isOurs = request.url().startsWith(base + '/') || request.url().startsWith('data:')
    if (!isOurs) faults.push(`asks ${request.url()}`)
  })
  page.on('response', response => {
    if (response.status() >= 500) faults.push(`${response.status()} of ${response.url()}`)
  })
  return { browser, page, faults }
}

/** No serious fault of accessibility, and of contrast in the other colour scheme too; nothing wider than a phone. */
export async function inspect(page, what) {
  await page.evaluate(axeSource)
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    const rules = colorScheme === 'dark' ? { runOnly: ['color-contrast'] } : {}
    const found = await page.evaluate(rules => window.axe.run(document, { resultTypes: ['violations'], ...rules }),
      rules)
    const serious = found.violations.filter(v => v.impact === 'serious' || v.impact === 'critical')
    check(serious.length === 0, `${what}, ${colorScheme}: ` + serious.map(v =>
      `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => `${n.html.slice(0, 160)} ${n.failureSummary}`).join(' | ')}`)
      .join('\n'))
  }
  const size = page.viewportSize()
  await page.setViewportSize({ width: 390, height: 844 })
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  check(over <= 0, `${what} is ${over} px wider than a phone`)
  await page.setViewportSize(size)
}

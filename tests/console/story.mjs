// The whole story of a channel in a real browser: usage: story.mjs, with its facts as JSON in MILLRACE_STORY.
// Steps go on from each other's state; each says what a person would see.
import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { check, inspect, openPage, until } from './browser.mjs'
import { mailSink, webhookSink } from './sinks.mjs'

const facts = JSON.parse(process.env.MILLRACE_STORY)
const run = promisify(execFile)
const PASSWORD = 's3cret-of-the-group'
const ODD = '<img src=x onerror="document.title=\'gotcha\'"> & \u{1f980}'

async function sql(text) {
  const [command, ...words] = facts.sql
  const client = run(command, [...words, '--batch', '--skip-column-names'])
  client.child.stdin.end(text)
  return (await client).stdout
}

const server = verb => run(facts.servers, verb === 'start' ? ['start', facts.kind, '--folder', facts.folder]
  : ['stop', '--folder', facts.folder])

const login = ['-X', 'security.protocol=sasl_plaintext', '-X', 'sasl.mechanism=SCRAM-SHA-256', '-X',
  'sasl.username=anna-billing', '-X', `sasl.password=${PASSWORD}`]

/** kcat as the group billing: what it read so far, and how to end it. */
function consumer() {
  const offsets = []
  const child = spawn('kcat', ['-b', facts.bootstrap, ...login, '-X', 'auto.offset.reset=earliest', '-X',
    'auto.commit.interval.ms=500', '-u', '-f', '%o\\n', '-G', 'billing', 'orders'],
  { stdio: ['ignore', 'pipe', 'ignore'] })
  let rest = ''
  child.stdout.on('data', part => {
    const lines = (rest + part).split('\n')
    rest = lines.pop()
    offsets.push(...lines.map(Number))
  })
  running.add(child)
  return { offsets, end: () => new Promise(done => {
    child.on('close', done) // what it printed last has come, too
    child.kill('SIGINT')
  }) }
}
const running = new Set()

const { browser, page, faults } = await openPage(facts.url)
const state = () => page.locator('.title .state .word').innerText()
const tab = name => page.locator('.tabs').getByRole('link', { name }).click()
const dialog = page.locator('dialog[open]')
const label = (text, within = page) => within.getByLabel(text, { exact: true })
const press = (name, within = page) => within.getByRole('button', { name, exact: true }).click()
const seen = text => page.getByText(text).first().waitFor().catch(() => check(false, `not seen: ${text}`))
const picture = async (name, wait = 0) => {
  if (!facts.pictures) return
  await page.waitForTimeout(wait)
  for (const [width, height] of [[1440, 900], [390, 844]]) {
    await page.setViewportSize({ width, height })
    await page.waitForTimeout(400)
    await page.screenshot({ path: `${facts.pictures}/console-${name}-${width}.png` })
  }
  await page.setViewportSize({ width: 1440, height: 900 })
}

async function create() {
  await page.goto(facts.url + '/')
  await seen('No channel yet')
  await inspect(page, 'the empty list')
  await page.getByRole('link', { name: 'Create the first channel' }).click()
  await until(() => page.evaluate(() => document.activeElement.tagName === 'H1'), 5, 'a new page has the focus')
  await press('Next') // with nothing filled in
  check(await label('Channel name').evaluate(node => node.matches(':invalid')), 'an empty name is taken')
  await label('Channel name').fill('orders')
  await label('Port').fill(String(facts.port))
  await label('User').fill(facts.user)
  await label('Password').fill(facts.password)
  await inspect(page, 'the wizard\'s source')
  await press('Next')
  await press('Next')
  await seen('Name at least one table')
  await label('Followed tables').fill('shop')
  await label('Followed tables').press('Enter')
  await seen('names no table')
  await label('Followed tables').fill('shop.*')
  await label('Followed tables').press('Enter')
  await inspect(page, 'the wizard\'s tables')
  await press('Next')
  await inspect(page, 'the wizard\'s beginning')
  await press('Create and check')
}

async function precheck() {
  const failed = page.locator('.check.failure')
  await failed.first().waitFor()
  check(await failed.count() === 1, 'one item fails')
  const words = await failed.innerText()
  for (const part of [/binlog format/i, /STATEMENT/, /To do:/, /SHOW GLOBAL VARIABLES LIKE/])
    check(part.test(words), `${part}: ${words}`)
  check(!await page.getByRole('button', { name: 'Start', exact: true }).isVisible(), 'it may be started')
  await inspect(page, 'the wizard\'s check')
  await picture('precheck')
  await sql('SET GLOBAL binlog_format=ROW')
  await press('Check again')
  await seen('The source can be followed.')
  await until(async () => await failed.count() === 0, 5, 'the mended item fails no more')
  await press('Start')
  await until(async () => await state() === 'Normal', 20, 'the channel is Normal')
}

/** How many pixels high the chart's line goes. */
const lineHeight = title => page.evaluate(title => {
  const figure = [...document.querySelectorAll('figure')].find(f => f.textContent.includes(title))
  const canvas = figure.querySelector('canvas'), { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width,
    canvas.height)
  const line = getComputedStyle(document.documentElement).getPropertyValue('--line-1').trim()
  const [r, g, b] = [1, 3, 5].map(at => parseInt(line.slice(at, at + 2), 16))
  let top = canvas.height, bottom = 0
  for (let i = 0; i < data.length; i += 4) {
    const isLine = data[i + 3] > 200 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) +
      Math.abs(data[i + 2] - b) < 24
    const y = Math.floor(i / 4 / canvas.width)
    if (isLine) [top, bottom] = [Math.min(top, y), Math.max(bottom, y)]
  }
  return bottom - top
}, title)

async function watch() {
  const rows = page.locator('figure', { hasText: 'Row changes' })
  await rows.locator('canvas').waitFor()
  check(await lineHeight('Row changes') < 10, 'nothing has changed, and the line is not flat')
  await sql('INSERT INTO shop.orders (what) SELECT CONCAT(\'early \', seq) FROM shop_seq.numbers')
  await until(async () => { // the newest second's rate: changes go on until it is seen
    await sql('INSERT INTO shop.orders (what) VALUES (\'one more\')')
    return parseFloat(await rows.locator('.now').innerText()) > 0
  }, 10, 'the change rate is shown')
  await until(async () => await lineHeight('Row changes') > 60, 5, 'the line rises')
  check(/Row changes: \d/.test(await rows.locator('.plot').getAttribute('aria-label')), 'the chart has no words')
  await inspect(page, 'the overview')
}

async function makeGroup() {
  await tab('Groups')
  await seen('Nobody reads this channel yet')
  await press('New group')
  await inspect(page, 'the dialog of a new group')
  await label('Group ID', dialog).fill('billing')
  await label('Account', dialog).fill('anna')
  await label('Password', dialog).fill(PASSWORD)
  await label('The password once more', dialog).fill('something else')
  await press('Create the group', dialog)
  await dialog.getByText('The two passwords differ.').waitFor()
  await label('The password once more', dialog).fill(PASSWORD)
  await press('Create the group', dialog)
  await dialog.getByText('sasl.username=anna-billing').waitFor()
  await press('Done', dialog)
}

const groupFact = name => page.locator('.group', { hasText: 'billing' }).locator('dl div', { hasText: name })
  .locator('dd').innerText()

async function consume() {
  const early = consumer()
  await until(() => early.offsets.length >= 200, 20, `the consumer reads: ${early.offsets.length}`)
  await page.locator('.members .good', { hasText: 'reads' }).waitFor()
  await until(async () => /^[01] record/.test(await groupFact('Behind')), 15, 'nothing is left to read')
  await inspect(page, 'the groups')
  await picture('groups')
  if (facts.pictures) await portraits()
  await early.end()
  await seen('Nobody is connected.')
  return early.offsets
}

/** Pictures of a channel that lives: 60 s of changes, read by two groups. */
async function portraits() {
  const other = spawn('kcat', ['-b', facts.bootstrap, '-X', 'auto.commit.interval.ms=2000', '-G', 'search-index',
    'orders'], { stdio: 'ignore' })
  running.add(other)
  await tab('Overview')
  for (const end = Date.now() + 60e3; Date.now() < end;) {
    const rows = Math.round(20 + 15 * Math.sin(Date.now() / 9000) + 10 * Math.random())
    await sql(`INSERT INTO shop.orders (what) SELECT CONCAT('order ', seq) FROM shop_seq.numbers LIMIT ${rows};
      UPDATE shop.orders SET what = 'paid' ORDER BY id DESC LIMIT 5`)
    await page.waitForTimeout(250)
  }
  await picture('overview')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.waitForTimeout(1500)
  await picture('dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await tab('Records')
  await picture('records', 3000)
  await page.goto(facts.url + '/#/')
  await picture('list', 2000)
  other.kill('SIGKILL')
  await page.goto(facts.url + '/#/channels/orders/groups')
}

const utcSeconds = () => Math.floor(Date.now() / 1000)
/** As clocks show it in Asia/Shanghai, where the browser is. */
const local = seconds => new Date((seconds + 8 * 3600) * 1000).toISOString().slice(0, 19)

async function lagAndReread(offsets) {
  let at // seconds are what the source's timestamps know; the browser writes a time of :00 without them
  do {
    await page.waitForTimeout(1100)
    at = utcSeconds()
  } while (at % 60 === 0)
  await sql(`INSERT INTO shop.orders (what) VALUES ('late 1'), ('late 2'), ('late 3')`)
  await until(async () => parseInt(await groupFact('Behind'), 10) >= 5, 15, 'the group is behind')
  const late = consumer()
  await until(() => late.offsets.length >= 5, 20, 'the consumer goes on')
  check(late.offsets[0] === offsets.at(-1) + 1, `it goes on at ${late.offsets[0]}, not behind ${offsets.at(-1)}`)
  await press('Move checkpoint of group billing')
  await press('Move the checkpoint', dialog) // with a member
  await dialog.getByText('has active members').waitFor()
  await late.end()
  const asked = await run('kcat', ['-b', facts.bootstrap, ...login, '-Q', '-t', `orders:0:${at * 1000}`])
  const expected = Number(/offset (\d+)/.exec(asked.stdout)[1])
  check(expected > 0 && expected <= late.offsets[0] + 5, asked.stdout)
  await label('Go on with the first record at or behind', dialog).fill(local(at))
  await inspect(page, 'the dialog of a checkpoint')
  await picture('checkpoint')
  await until(async () => {
    if (await dialog.count() === 0) return true
    const button = dialog.getByRole('button', { name: 'Move the checkpoint', exact: true })
    await button.click({ timeout: 2000 }).catch(() => {}) // the dialog may be going just now
    return false
  }, 15, 'the checkpoint is moved')
  await seen(`Group billing goes on at offset`)
  await until(async () => (await groupFact('Checkpoint')).startsWith(`offset ${expected.toLocaleString('en')}`), 10,
    `the checkpoint is at ${expected}`)
  const again = consumer()
  await until(() => again.offsets.length >= 3, 20, 'the consumer reads again')
  check(again.offsets[0] === expected, `it reads again from ${again.offsets[0]}, not ${expected}`)
  await again.end()
}

async function changeTables() {
  await tab('Tables')
  await label('Followed tables').fill('more.*')
  await press('Add to Followed tables')
  await inspect(page, 'the tables')
  await press('Apply')
  await seen('The tables were changed.')
  await until(async () => { // it counts from the source's next transaction border
    await sql(`INSERT INTO more.things (what) VALUES (${sqlText(ODD)})`)
    const answer = await (await fetch(`${facts.url}/v1/channels/orders/records?only=changes&count=1`)).json()
    return answer.records[0].table === 'more.things'
  }, 15, 'the added table comes')
  await tab('Records')
  const first = page.locator('.record').first()
  await first.locator('.record-table', { hasText: 'more.things' }).waitFor()
  check((await first.locator('.record-brief').innerText()).includes(ODD.slice(0, 20)), 'the row is not shown as it is')
  await first.locator('summary').click()
  await until(async () => (await first.locator('td').allInnerTexts()).includes(ODD), 5, 'the value is shown as it is')
  await inspect(page, 'the records')
  await first.locator('summary').click()
  await tab('Tables')
  await press('Remove more.*')
  await press('Apply')
  await until(() => page.getByRole('button', { name: 'Apply' }).isDisabled(), 10, 'the tables are stored')
  await until(async () => {
    await sql('INSERT INTO more.things (what) VALUES (\'unseen\'); INSERT INTO shop.orders (what) VALUES (\'marker\')')
    const answer = await (await fetch(`${facts.url}/v1/channels/orders/records?only=changes&count=2`)).json()
    return answer.records.every(r => r.table === 'shop.orders')
  }, 15, 'the removed table comes no more')
}

const sqlText = text => `'${text.replaceAll('\\', '\\\\').replaceAll('\'', '\'\'')}'`

async function samples() {
  await tab('Sample code')
  await page.locator('pre', { hasText: '"orders"' }).waitFor()
  await label('Language').selectOption('python')
  const code = page.locator('pre', { hasText: '"billing"' })
  await code.waitFor()
  check((await code.innerText()).includes(`"${facts.bootstrap}"`), 'the address is not filled in')
  await inspect(page, 'the sample code')
  await tab('Precheck')
  await seen('Is the source fit to be followed?')
  await inspect(page, 'the precheck')
}

/** Another setting; then a password that the source refuses, and the right one again. */
async function reconfigure() {
  await tab('Settings')
  await label('Compression').selectOption('zstd')
  await inspect(page, 'the settings')
  await press('Apply')
  await seen('The settings were changed.')
  const stored = await (await fetch(`${facts.url}/v1/channels/orders`)).json()
  check(stored.compression === 'zstd' && stored.source.user === facts.user, stored)
  await press('Apply')
  await seen('Nothing differs from what is stored.')
  await label('Password').fill('wrong')
  await press('Apply')
  await page.locator('.problem', { hasText: /denied/i }).waitFor()
  await page.locator('.problem', { hasText: /What to do: .*password/ }).waitFor()
  await label('Password').fill(facts.password)
  await press('Apply')
  await until(async () => await state() === 'Normal', 30, 'the right password mends it')
}

async function setAlerts(hook, mail) {
  await page.getByRole('link', { name: 'Alerts', exact: true }).first().click()
  await seen('There is no target')
  await press('New target')
  await label('Name', dialog).fill('on-call')
  await label('Address', dialog).fill(hook.url)
  await label('Secret that signs', dialog).fill('s3cret-of-the-hook')
  await press('Keep the target', dialog)
  await seen('Web hook: ' + hook.url)
  await press('New target')
  await label('Name', dialog).fill('mailbox')
  await label('Kind', dialog).selectOption('mail')
  await inspect(page, 'the dialog of a target')
  await label('Address', dialog).fill(mail.url)
  await label('From', dialog).fill('millrace@shop.example')
  await label('To', dialog).fill('ops@shop.example')
  await label('Only encrypted (STARTTLS)', dialog).uncheck() // the sink speaks no TLS
  await press('Keep the target', dialog)
  await press('Send a test: mailbox')
  await until(() => mail.got.length === 1, 15, 'the test mail comes')
  await page.locator('.notice', { hasText: 'mailbox: delivered' }).waitFor()
  await page.goto(facts.url + '/#/channels/orders/alerts')
  await press('New rule')
  await label('Tell when', dialog).selectOption('error')
  await label('Only after it lasted, seconds', dialog).fill('0')
  await press('Keep the rule', dialog)
  await page.locator('.rule', { hasText: 'Channel in Error' }).getByText('quiet').waitFor()
  await inspect(page, 'the alert rules')
}

async function errorAndBack(hook, mail) {
  await server('stop')
  await page.locator('.problem', { hasText: /connect|lost|gone/i }).waitFor()
  await samples() // until it counts as an Error
  await tab('Alerts')
  await until(async () => await state() === 'Error', 25, 'the state is Error')
  await page.locator('.rule', { hasText: 'Channel in Error' }).getByText('firing').waitFor()
  await inspect(page, 'a channel in Error')
  await picture('error')
  const told = name => n => n.body.state === name && n.body.channel === 'orders'
  await until(() => hook.got.some(told('firing')) && mail.got.length >= 2, 20, 'web hook and mail tell of the error')
  check(hook.got.some(n => /^sha256=[0-9a-f]{64}$/.test(n.headers['x-millrace-signature'])), 'it is not signed')
  check(mail.got[1].to.join().includes('ops@shop.example') && /orders/.test(mail.got[1].text), mail.got[1])
  await server('start')
  await until(async () => await state() === 'Normal', 30, 'it goes on by itself')
  await page.locator('.problem').waitFor({ state: 'hidden' })
  await sql('INSERT INTO shop.orders (what) VALUES (\'behind the error\')')
  await until(() => hook.got.some(told('recovered')), 20, 'web hook tells that it is over')
  await tab('Records')
  await page.locator('.record').first().getByText('behind the error').waitFor()
  await page.goto(facts.url + '/#/alerts')
  await page.locator('.notice', { hasText: 'on-call: delivered' }).first().waitFor()
  await until(async () => !(await page.locator('.notices').innerText()).includes('waiting'), 10, 'all is delivered')
  await inspect(page, 'the alerts')
  await picture('alerts')
}

async function stopAndDelete() {
  await page.goto(facts.url + '/#/')
  await seen('1 channel · 1 Normal')
  await inspect(page, 'the list')
  await page.getByRole('link', { name: 'orders', exact: true }).click()
  const stop = page.getByRole('button', { name: 'Stop', exact: true })
  await stop.focus()
  await page.keyboard.press('Enter') // by keys alone
  await dialog.waitFor()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  await until(() => stop.evaluate(node => node === document.activeElement), 5, 'the focus comes back')
  await page.keyboard.press('Enter')
  await press('Stop it', dialog)
  await until(async () => await state() === 'Not Started', 15, 'it is stopped')
  await press('Delete…')
  await dialog.getByLabel('Type the channel\'s name').fill('order')
  await press('Delete it', dialog)
  await dialog.getByText('That is not the channel\'s name').waitFor()
  await inspect(page, 'the dialog that deletes')
  await dialog.getByLabel('Type the channel\'s name').fill('orders')
  await press('Delete it', dialog)
  await seen('No channel yet')
}

/** The page loads anew: what is done before that would be done to the old one. */
const logOut = () => Promise.all([page.waitForEvent('load'), press('Log out')])

/** Once there is a token the page asks for one, and keeps it in its tab only. */
async function logIn() {
  const made = await (await fetch(facts.url + '/v1/tokens', { method: 'POST', body: JSON.stringify({ name: 'test',
    role: 'admin' }) })).json()
  await page.goto(facts.url + '/#/')
  await dialog.getByText('This millraced asks for a token').waitFor()
  await inspect(page, 'the login')
  await page.keyboard.press('Escape')
  await label('Token', dialog).fill('mrt_wrong')
  await press('Log in', dialog)
  await dialog.getByText('That token is not good').waitFor()
  await label('Token', dialog).fill(made.token)
  await press('Log in', dialog)
  await dialog.waitFor({ state: 'detached' })
  await seen('No channel yet')
  check(await page.evaluate(() => localStorage.length === 0 && document.cookie === '' && sessionStorage.length === 1),
    'the token is kept elsewhere, too')
  await page.reload()
  await seen('No channel yet')
  await logOut()
  await dialog.getByText('This millraced asks for a token').waitFor()
  return made.token
}

/** Who may only look is offered nothing that changes something. */
async function lookOnly(admin) {
  const ask = async (path, body) => (await fetch(facts.url + path, { method: 'POST', body: JSON.stringify(body),
    headers: { Authorization: `Bearer ${admin}` } })).json()
  await ask('/v1/channels', { name: 'seen', source: { host: '127.0.0.1', port: 1, user: 'nobody', password: 'none' },
    tables: { include: ['shop.*'] } })
  const viewer = await ask('/v1/tokens', { name: 'guest', role: 'viewer' })
  const look = async (token, isAdmin) => {
    const offered = async (role, name) => {
      const node = page.getByRole(role, { name, exact: true, includeHidden: true })
      await node.waitFor({ state: 'attached' }) // what is not there yet is hidden, too
      await node.waitFor({ state: isAdmin ? 'visible' : 'hidden' })
      check(await node.count() === 1, `${name}: looked for at the wrong place`)
    }
    await label('Token', dialog).fill(token)
    await press('Log in', dialog)
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('viewer', { exact: true }).waitFor({ state: isAdmin ? 'hidden' : 'visible' })
    await offered('link', 'New channel')
    await page.goto(facts.url + '/#/channels/seen/tables')
    await offered('button', 'Delete…')
    await page.getByText('shop.*').first().waitFor()
    check(await page.evaluate(() => document.querySelector('fieldset.plain').disabled) !== isAdmin,
      'the tables are for the wrong ones to edit')
    await page.goto(facts.url + '/#/alerts')
    await offered('button', 'New target')
    await page.goto(facts.url + '/#/')
    await logOut()
    await dialog.getByText('This millraced asks for a token').waitFor()
  }
  await look(admin, true)
  await look(viewer.token, false)
}

const steps = { create, precheck, watch, makeGroup, consume, lagAndReread, changeTables, reconfigure, setAlerts,
  errorAndBack, stopAndDelete, logIn, lookOnly }
const hook = await webhookSink(), mail = await mailSink()
let at = ''
try {
  let before
  for (const [name, step] of Object.entries(steps)) {
    at = name
    const begun = Date.now()
    const isOfAlerts = name === 'setAlerts' || name === 'errorAndBack'
    before = isOfAlerts ? await step(hook, mail) : await step(before)
    check(faults.length === 0, `${name}: ${faults.join('\n')}`)
    console.log(`${name}: ${((Date.now() - begun) / 1000).toFixed(1)} s`)
  }
} catch (why) {
  console.log(`FAILED in ${at}: ${why.message}\n${faults.join('\n')}`)
  console.log(await page.locator('main').innerText().catch(() => ''))
  process.exitCode = 1
} finally {
  for (const child of running) child.kill('SIGKILL')
  hook.close()
  mail.close()
  await browser.close()
}

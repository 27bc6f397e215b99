// Reads a millrace channel: prints each change, and moves the group's checkpoint behind what was handled.
//
// usage: MILLRACE_PASSWORD=... node consumer.mjs [SECONDS]
//        goes on at the group's checkpoint, else at the oldest record; SECONDS (Unix time): goes back to that time first
// needs: npm install kafkajs avsc; record.avsc beside this file
import { readFileSync } from 'node:fs'
import avsc from 'avsc'
import { Kafka, logLevel } from 'kafkajs'

const env = process.env
const address = env.MILLRACE_ADDRESS ?? "ADDRESS"
const topic = env.MILLRACE_TOPIC ?? "TOPIC"
const group = env.MILLRACE_GROUP ?? "GROUP"
const username = env.MILLRACE_USER ?? "USER" // <account>-<group>
const protocol = env.MILLRACE_PROTOCOL ?? "PROTOCOL" // SASL_PLAINTEXT, or by TLS SASL_SSL

const record = avsc.Type.forSchema(JSON.parse(readFileSync(new URL('record.avsc', import.meta.url))),
  { wrapUnions: true })

const two = number => String(Math.abs(number)).padStart(2, '0')
const six = number => number ? '.' + String(Math.abs(number)).padStart(6, '0') : ''

// A date has no hour, a TIME no year, a YEAR nothing else; `millis` are microseconds; a TIME may be negative.
function datetimeText(value) {
  const parts = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, part?.int]))
  const present = names => names.map(name => parts[name]).filter(part => part !== undefined)
  const time = present(['hour', 'minute', 'second'])
  const sign = [...time, parts.millis].some(part => part < 0) ? '-' : ''
  return [present(['year', 'month', 'day']).map(two).join('-'), sign + time.map(two).join(':') + six(parts.millis)]
    .filter(text => text !== '').join(' ')
}

// A column's value: null, or { type: value } with one of the schema's types.
function textOf(item) {
  if (item === null) return 'NULL'
  const [[type, value]] = Object.entries(item)
  switch (type) {
    case 'EmptyObject': return '' // the column is not in the image
    case 'Timestamp': return value.timestamp + six(value.millis)
    case 'DateTime': return datetimeText(value)
    case 'TimestampWithTimeZone': return datetimeText(value.value) + ' ' + value.timezone
    case 'Character': return value.value.toString('utf8') // a channel with `text: utf8mb4` has all text in UTF-8
    case 'BinaryObject':
    case 'BinaryGeometry': return value.value.toString('hex')
    default: return String(value.value)
  }
}

// What your program does with a change; after a crash the last ones come again.
async function handle(offset, { operation, objectName, fields, beforeImages, afterImages }) {
  if (['INSERT', 'UPDATE', 'DELETE'].includes(operation)) {
    const row = (operation === 'DELETE' ? beforeImages : afterImages).array
    const columns = fields.array.map((field, i) => `${field.name}=${textOf(row[i])}`)
    console.log(offset, operation, objectName.string, ...columns)
  } else if (operation === 'DDL') {
    console.log(offset, operation, objectName?.string ?? '', afterImages.string)
  } // BEGIN and COMMIT are around a transaction's changes; a HEARTBEAT comes each second.
}

const kafka = new Kafka({
  brokers: [address],
  logLevel: logLevel.ERROR,
  ssl: protocol.endsWith('SSL') && (env.MILLRACE_CA ? { ca: readFileSync(env.MILLRACE_CA) } : true),
  sasl: protocol.startsWith('SASL') ? { mechanism: 'scram-sha-256', username, password: env.MILLRACE_PASSWORD ?? '' }
    : undefined,
})
// When this one dies, the next of the group takes over after 10 s.
const consumer = kafka.consumer({ groupId: group, sessionTimeout: 10000 })

async function offsetAt(timeMs) {
  const admin = kafka.admin()
  await admin.connect()
  const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, timeMs)
  await admin.disconnect()
  return offset
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => consumer.disconnect()) // leaves the group

const from = process.argv[2] === undefined ? null : await offsetAt(Number(process.argv[2]) * 1000)
await consumer.connect()
await consumer.subscribe({ topics: [topic], fromBeginning: true })
await consumer.run({
  autoCommitInterval: 1000, // commits what eachMessage has returned from
  eachMessage: ({ message }) => handle(message.offset, record.fromBuffer(message.value)),
})
if (from !== null) consumer.seek({ topic, partition: 0, offset: from })

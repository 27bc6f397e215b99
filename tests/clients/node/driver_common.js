// What the drivers in JavaScript share (tests/clients/README.md): their orders, their printing, the end of the input.
'use strict'
const fs = require('node:fs')
const env = process.env
const orders = {
  bootstrap: env.MILLRACE_BOOTSTRAP, topic: env.MILLRACE_TOPIC, group: env.MILLRACE_GROUP,
  end: Number(env.MILLRACE_END), commit: Number(env.MILLRACE_COMMIT), timeMs: Number(env.MILLRACE_TIME_MS || 0),
  ca: env.MILLRACE_CA && fs.readFileSync(env.MILLRACE_CA), groupProtocol: env.MILLRACE_GROUP_PROTOCOL,
  user: env.MILLRACE_USER, password: env.MILLRACE_PASSWORD, mechanism: env.MILLRACE_MECHANISM,
}

const table = new Uint32Array(256).map((_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1
  return n
})
function crc32(bytes) {
  let crc = 0xffffffff
  for (const b of bytes) crc = table[(crc ^ b) & 0xff] ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

const say = (...words) => process.stdout.write(words.join(' ') + '\n')

// Prints a record below the end; true: it was the last.
function sayRecord(offset, timeMs, value) {
  if (offset < orders.end) say('record', offset, timeMs, crc32(value).toString(16).padStart(8, '0'))
  return offset === orders.end - 1
}

const inputEnd = new Promise(resolve => process.stdin.on('end', resolve).resume())

module.exports = { orders, say, sayRecord, inputEnd }

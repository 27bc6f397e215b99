// The driver (tests/clients/README.md) of kafkajs.
'use strict'
const { Kafka, logLevel } = require('kafkajs')
const { orders, say, sayRecord, inputEnd } = require('./driver_common.js')

const sasl = orders.mechanism && { mechanism: orders.mechanism.toLowerCase(), username: orders.user,
  password: orders.password }
const kafka = new Kafka({ brokers: [orders.bootstrap], logLevel: logLevel.ERROR, ...(sasl ? { sasl } : {}),
  ssl: orders.ca ? { ca: orders.ca } : false })
const consumer = kafka.consumer({ groupId: orders.group, sessionTimeout: 6000, heartbeatInterval: 500,
  maxBytesPerPartition: 16384, maxWaitTimeInMs: 500 })
const admin = kafka.admin()

let atEnd = () => {}
const readToEnd = () => new Promise(resolve => { atEnd = resolve })

async function commit(offset) {
  await consumer.commitOffsets([{ topic: orders.topic, partition: 0, offset: String(offset) }])
  const found = await admin.fetchOffsets({ groupId: orders.group, topics: [orders.topic] })
  say('committed', found[0].partitions[0].offset)
}

async function main() {
  await admin.connect()
  await consumer.connect()
  await consumer.subscribe({ topics: [orders.topic], fromBeginning: true })
  let end = readToEnd()
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => {
      if (sayRecord(Number(message.offset), Number(message.timestamp), message.value)) atEnd()
    },
  })
  await end
  await commit(orders.commit)
  if (orders.timeMs) {
    const [found] = await admin.fetchTopicOffsetsByTimestamp(orders.topic, orders.timeMs)
    say('time', found.offset)
    end = readToEnd()
    consumer.seek({ topic: orders.topic, partition: 0, offset: found.offset })
    await end
    await commit(orders.end)
  }
  await inputEnd
  await consumer.disconnect()
  await admin.disconnect()
  say('ended')
}

main().catch(e => { console.error(e); process.exit(1) })

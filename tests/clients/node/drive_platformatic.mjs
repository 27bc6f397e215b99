// The driver (tests/clients/README.md) of @platformatic/kafka.
import { Consumer } from '@platformatic/kafka'
import common from './driver_common.js'

const { orders, say, sayRecord, inputEnd } = common
const sasl = orders.mechanism && { mechanism: orders.mechanism, username: orders.user, password: orders.password }
const consumer = new Consumer({ groupId: orders.group, clientId: 'platformatic', bootstrapBrokers: [orders.bootstrap],
  autocommit: false, sessionTimeout: 6000, heartbeatInterval: 500, maxBytesPerPartition: 16384, maxWaitTime: 500,
  ...(orders.groupProtocol ? { groupProtocol: orders.groupProtocol } : {}), ...(sasl ? { sasl } : {}),
  ...(orders.ca ? { tls: { ca: orders.ca } } : {}) })
const partition = { topic: orders.topic, partition: 0 }

async function readToEnd(stream) {
  for await (const message of stream) {
    if (sayRecord(Number(message.offset), Number(message.timestamp), message.value)) break
  }
}

async function commit(offset) {
  await consumer.commit({ offsets: [{ ...partition, offset: BigInt(offset), leaderEpoch: -1 }] })
  const found = await consumer.listCommittedOffsets({ topics: [{ topic: orders.topic, partitions: [0] }] })
  say('committed', found.get(orders.topic)[0])
}

await readToEnd(await consumer.consume({ topics: [orders.topic], mode: 'committed', fallbackMode: 'earliest' }))
await commit(orders.commit)
if (orders.timeMs) {
  const found = (await consumer.listOffsets({ topics: [orders.topic], timestamp: BigInt(orders.timeMs) }))
    .get(orders.topic)[0]
  say('time', found)
  await readToEnd(await consumer.consume({ topics: [orders.topic], mode: 'manual',
    offsets: [{ ...partition, offset: found }] }))
  await commit(orders.end)
}
await inputEnd
await consumer.close(true)
say('ended')

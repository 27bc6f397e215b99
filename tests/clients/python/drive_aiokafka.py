"""The driver of aiokafka."""
import asyncio
import ssl

from driver_common import *
from aiokafka import AIOKafkaConsumer, TopicPartition

PARTITION = TopicPartition(TOPIC, 0)


async def read_to_end(consumer):
    while True:
        message = await consumer.getone()
        if say_record(message.offset, message.timestamp, message.value):
            return


async def commit(consumer, offset):
    await consumer.commit({PARTITION: offset})
    say("committed", await consumer.committed(PARTITION))


async def main():
    settings = {}
    if MECHANISM:
        settings = {"security_protocol": "SASL_SSL" if CA else "SASL_PLAINTEXT",
                    "ssl_context": ssl.create_default_context(cafile=CA) if CA else None, "sasl_mechanism": MECHANISM,
                    "sasl_plain_username": USER, "sasl_plain_password": PASSWORD}
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=BOOTSTRAP, group_id=GROUP, auto_offset_reset="earliest",
                                enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=500,
                                max_partition_fetch_bytes=16384, **settings)
    await consumer.start()
    await read_to_end(consumer)
    await commit(consumer, COMMIT)
    if TIME_MS:
        found = (await consumer.offsets_for_times({PARTITION: TIME_MS}))[PARTITION].offset
        say("time", found)
        consumer.seek(PARTITION, found)
        await read_to_end(consumer)
        await commit(consumer, END)
    while not stopping():
        await consumer.getmany(timeout_ms=100)
    await consumer.stop()
    say("ended")


asyncio.run(main())

"""The driver of confluent-kafka, the Python binding of librdkafka."""
from driver_common import *
from confluent_kafka import Consumer, TopicPartition

settings = {"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "fetch.message.max.bytes": 16384, "check.crcs": True,
            "group.protocol": GROUP_PROTOCOL}
if GROUP_PROTOCOL == "classic":  # the new one has the server's times
    settings.update({"session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
if CA:
    settings["ssl.ca.location"] = CA
if MECHANISM:
    settings.update({"security.protocol": "SASL_SSL" if CA else "SASL_PLAINTEXT", "sasl.mechanism": MECHANISM,
                     "sasl.username": USER, "sasl.password": PASSWORD})
consumer = Consumer(settings)
consumer.subscribe([TOPIC])


def read_to_end():
    while True:
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise SystemExit(f"poll: {message.error()}")
        if say_record(message.offset(), message.timestamp()[1], message.value()):
            return


def commit(offset):
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, offset)], asynchronous=False)
    say("committed", consumer.committed([TopicPartition(TOPIC, 0)], timeout=20)[0].offset)


read_to_end()
commit(COMMIT)
if TIME_MS:
    found = consumer.offsets_for_times([TopicPartition(TOPIC, 0, TIME_MS)], timeout=20)[0]
    say("time", found.offset)
    consumer.seek(found)
    read_to_end()
    commit(END)
while not stopping():
    consumer.poll(0.1)
consumer.close()
say("ended")

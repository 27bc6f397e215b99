"""The driver of kafka-python, 2.0 and 3.0."""
from driver_common import *
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

settings = {}
if MECHANISM:
    settings = {"security_protocol": "SASL_SSL" if CA else "SASL_PLAINTEXT", "ssl_cafile": CA,
                "sasl_mechanism": MECHANISM, "sasl_plain_username": USER, "sasl_plain_password": PASSWORD}
consumer = KafkaConsumer(TOPIC, bootstrap_servers=BOOTSTRAP, group_id=GROUP, auto_offset_reset="earliest",
                         enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=500,
                         max_partition_fetch_bytes=16384, **settings)
PARTITION = TopicPartition(TOPIC, 0)


def read_to_end():
    while True:
        for message in consumer.poll(timeout_ms=200).get(PARTITION, []):
            if say_record(message.offset, message.timestamp, message.value):
                return


def commit(offset):
    fields = {"offset": offset, "metadata": "", "leader_epoch": -1}  # the last one came with 2.1
    consumer.commit({PARTITION: OffsetAndMetadata(*[fields[name] for name in OffsetAndMetadata._fields])})
    say("committed", consumer.committed(PARTITION))


read_to_end()
commit(COMMIT)
if TIME_MS:
    found = consumer.offsets_for_times({PARTITION: TIME_MS})[PARTITION].offset
    say("time", found)
    consumer.seek(PARTITION, found)
    read_to_end()
    commit(END)
while not stopping():
    consumer.poll(timeout_ms=100)
consumer.close()
say("ended")

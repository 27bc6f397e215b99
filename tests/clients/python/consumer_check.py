"""librdkafka's consumer (confluent-kafka) with group.protocol=consumer (KIP-848): a member is killed, the one that
stands by takes over and comes back later; a pattern; a static member.
usage: consumer_check.py BOOTSTRAP TOPIC RECORDS; prints "ok" and ends with 0, or says what differs."""
import subprocess
import sys
import time

from confluent_kafka import Consumer, TopicPartition

bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])


def consumer(group, names, **more):
    settings = {"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": "consumer",
                "auto.offset.reset": "earliest", "enable.auto.commit": False}
    settings.update(more)
    c = Consumer(settings)
    c.subscribe(names)
    return c


def read(c, at, end):
    until = time.monotonic() + 60
    while at < end:
        assert time.monotonic() < until, f"no record {at}"
        m = c.poll(0.2)
        if m is None:
            continue
        assert m.error() is None, m.error()
        assert m.offset() == at, f"offset {m.offset()} where {at} belongs"
        at += 1


def commit(c, offset, metadata):
    c.commit(offsets=[TopicPartition(topic, 0, offset, metadata)], asynchronous=False)
    now = c.committed([TopicPartition(topic, 0)], 20)[0]
    assert now.offset == offset and (now.metadata or "") == metadata, now


if len(sys.argv) > 4:
    holder = consumer("rd", [topic])
    read(holder, 0, count)
    commit(holder, count // 2, "half")
    print("holds", flush=True)
    while True:
        holder.poll(0.2)

other = subprocess.Popen([sys.executable, *sys.argv, "hold"], stdout=subprocess.PIPE, text=True)
try:
    assert other.stdout.readline() == "holds\n", "the first member does not read"
    standby = consumer("rd", [topic])
    for _ in range(30):
        assert standby.poll(0.1) is None and not standby.assignment(), "a second member reads"
finally:
    other.kill()
    other.wait()
read(standby, count // 2, count)
commit(standby, count, "all")
standby.close()
again = consumer("rd", [topic])
while not again.assignment():
    assert again.poll(0.1) is None, "a record is read twice"
again.seek(TopicPartition(topic, 0, 3))
read(again, 3, count)
again.close()

pattern = consumer("rd-pattern", ["^" + topic[:2] + ".*"])
read(pattern, 0, count)
pattern.close()

first = consumer("rd-static", [topic], **{"group.instance.id": "s"})
read(first, 0, count)
commit(first, 5, "")
first.close()
then = time.monotonic()
again = consumer("rd-static", [topic], **{"group.instance.id": "s"})
read(again, 5, count)
assert time.monotonic() - then < 8, "it waited for its own session to end"
again.close()
print("ok")

#!/usr/bin/env python3
"""Reads a millrace channel: prints each change, and moves the group's checkpoint behind what was handled.

usage: MILLRACE_PASSWORD=... python3 consumer.py [SECONDS]
       goes on at the group's checkpoint, else at the oldest record; SECONDS (Unix time): goes back to that time first
needs: pip install -r requirements.txt; record.avsc beside this file
"""
import io
import json
import os
import signal
import sys

from confluent_kafka import Consumer, KafkaException
from fastavro import parse_schema, schemaless_reader

ADDRESS = os.environ.get("MILLRACE_ADDRESS", "ADDRESS")
TOPIC = os.environ.get("MILLRACE_TOPIC", "TOPIC")
GROUP = os.environ.get("MILLRACE_GROUP", "GROUP")
USER = os.environ.get("MILLRACE_USER", "USER")  # <account>-<group>
PROTOCOL = os.environ.get("MILLRACE_PROTOCOL", "PROTOCOL")  # SASL_PLAINTEXT, or by TLS SASL_SSL

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "record.avsc")) as f:
    SCHEMA = parse_schema(json.load(f))


def datetime_text(parts):
    """A date has no hour, a TIME no year, a YEAR nothing else; `millis` are microseconds; a TIME may be negative."""
    date = [f"{parts[name]:02}" for name in ("year", "month", "day") if parts[name] is not None]
    time = [f"{abs(parts[name]):02}" for name in ("hour", "minute", "second") if parts[name] is not None]
    sign = "-" if any((parts[name] or 0) < 0 for name in ("hour", "minute", "second", "millis")) else ""
    fraction = f".{abs(parts['millis']):06}" if parts["millis"] else ""
    return " ".join(text for text in ("-".join(date), sign + ":".join(time) + fraction) if text)


def text_of(value):
    """A column's value; which of the schema's types it has shows in the fields it has."""
    if value is None:
        return "NULL"
    if isinstance(value, str):  # EmptyObject: the column is not in the image
        return ""
    if "timestamp" in value:
        return str(value["timestamp"]) + (f".{value['millis']:06}" if value["millis"] else "")
    if "year" in value:
        return datetime_text(value)
    if "charset" in value:  # a channel with `text: utf8mb4` has all text in UTF-8
        return value["value"].decode("utf-8", "replace")
    return value["value"].hex() if isinstance(value["value"], bytes) else str(value["value"])


def handle(offset, record):
    """What your program does with a change; after a crash the last ones come again."""
    operation, before, after = record["operation"], record["beforeImages"], record["afterImages"]
    if operation in ("INSERT", "UPDATE", "DELETE"):
        row = before if operation == "DELETE" else after
        columns = [f"{field['name']}={text_of(value)}" for field, value in zip(record["fields"], row)]
        print(offset, operation, record["objectName"], *columns, flush=True)
    elif operation == "DDL":
        print(offset, operation, record["objectName"], after, flush=True)
    # BEGIN and COMMIT are around a transaction's changes; a HEARTBEAT comes each second.


def main():
    from_ms = int(sys.argv[1]) * 1000 if len(sys.argv) > 1 else None
    consumer = Consumer({
        "bootstrap.servers": ADDRESS, "group.id": GROUP, "auto.offset.reset": "earliest",
        "security.protocol": PROTOCOL, "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": USER,
        "sasl.password": os.environ.get("MILLRACE_PASSWORD", ""),
        "ssl.ca.location": os.environ.get("MILLRACE_CA", "probe"),
        "session.timeout.ms": 10000,  # when this one dies, the next of the group takes over after that
        "enable.auto.commit": True, "auto.commit.interval.ms": 1000,
        "enable.auto.offset.store": False,  # what is committed is what was handled, see store_offsets below
    })

    def assigned(consumer, partitions):
        nonlocal from_ms
        if from_ms is not None and partitions:
            for partition in partitions:
                partition.offset = from_ms
            consumer.assign(consumer.offsets_for_times(partitions, timeout=30))
            from_ms = None  # once: a later assignment goes on at the checkpoint

    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    consumer.subscribe([TOPIC], on_assign=assigned)
    try:
        while True:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            handle(message.offset(), schemaless_reader(io.BytesIO(message.value()), SCHEMA))
            consumer.store_offsets(message)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()  # commits and leaves the group


if __name__ == "__main__":
    main()

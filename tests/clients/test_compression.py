#!/usr/bin/env python3
"""Goal: real clients of every age read a channel whose batches are packed, each codec in its turn: those that know the
codec get batches as they are stored, older ones get them unpacked, and none notices anything.  They go the way of the
matrix (test_matrix.py), each record held against what kcat sees, which fetches them as they are stored.

usage: test_compression.py [CLIENT...]      these instead of a few of each age
"""
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from clients import all_clients
from harness import BUILD, IS_LONG, check, main, wait_until
from test_matrix import AT_ONCE, BATCHES, Reference, outcome_of, serve

SHORT = ("librdkafka 2.0.2", "java 0.10.0.1", "java 0.11.0.3", "java 3.9.2", "kafka-python-2")
# Of the others those that bring all codecs; kafka-python 2 has gzip alone, and must not see zstd with Fetch 4.
ALL_CODECS, FEW = ["zstd", "gzip", "lz4", "none", "zstd"], ["zstd", "gzip", "zstd", "none", "gzip"]
CHANNELS = {"plain": ["none"] * 5, "packed": ALL_CODECS, "few": FEW}


def fill(source, instance):
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, what LONGTEXT);")
    for name in CHANNELS:
        instance.create_channel(name, source, ["shop.*"])
        instance.start_channel(name)
    rows_so_far = 0
    for number, (rows, size) in enumerate(BATCHES):
        for name, codecs in CHANNELS.items():
            instance.ask("PATCH", f"/v1/channels/{name}", {"compression": codecs[number]})
        values = ",".join(f"('{chr(97 + number) * size}')" for _ in range(rows))
        source.sql(f"INSERT INTO shop.orders (what) VALUES {values};")
        rows_so_far += rows
        wait_until(lambda: all(instance.status(name)["captured"]["row_changes"] >= rows_so_far for name in CHANNELS),
                   30, "the channels have all rows")
        time.sleep(1.1)


def test_compression(harness):
    words = sys.argv[1:]
    has_all = ("java", "librdkafka", "confluent", "rust")
    chosen = [client for client, why in all_clients(BUILD) if why is None and
              (any(word in client.name for word in words) if words else client.name in SHORT or
               (IS_LONG and client.name.startswith(has_all)))]
    source = harness.source()
    instance = serve(harness)
    fill(source, instance)
    sizes = {name: instance.status(name)["log"]["bytes"] for name in CHANNELS}
    check(sizes["packed"] < sizes["plain"] * 0.7 and sizes["few"] < sizes["plain"] * 0.7, f"not packed: {sizes}")
    references = {name: Reference(instance, name) for name in ("packed", "few")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = []
        for client in chosen:
            topic = "packed" if client.name.startswith(has_all) else "few"
            running.append(pool.submit(outcome_of, harness, instance, references[topic], client, topic))
        results = [future.result() for future in running]
    print(f"bytes on disk: {sizes}")
    for _, line in results:
        print(line)
    check(all(passed is not False for passed, _ in results), "not every client works, see above")
    check(any(passed for passed, _ in results), "no client ran")


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    sys.exit(main(test_compression))

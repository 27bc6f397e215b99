#!/usr/bin/env python3
"""Goal: an idle millraced with one channel and ten waiting consumers leaves the machine alone.  Measured is its CPU
time, not the wall clock: 20 s of waiting may cost 1 % of a core = 0.2 s; the bound here is twice that (a clock tick
counts 10 ms), bench/run gives the figure.
"""
import os
import sys
import time

from harness import check, main, wait_until

CONSUMERS, SECONDS, CORE_SHARE_MAX = 10, 20, 0.02


def cpu_share_when_idle(harness, consumers=CONSUMERS, seconds=SECONDS):
    """(share of a core, resident bytes) of a millraced that only waits."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(40));")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    for n in range(consumers):
        harness.run(["kcat", "-b", instance.bootstrap, "-C", "-t", "events", "-o", "end", "-u"],
                    stdout=open(f"{harness.folder}/idle{n}", "wb"), stderr=open(f"{harness.folder}/idle{n}.log", "wb"))
    wait_until(lambda: all(os.path.getsize(f"{harness.folder}/idle{n}") for n in range(consumers)), 20,
               "each waiting consumer receives a heartbeat")
    time.sleep(1)
    before, begun = instance.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    share = (instance.cpu_seconds() - before) / (time.monotonic() - begun)
    return share, instance.resident_bytes()


def test_idle(harness):
    share, resident = cpu_share_when_idle(harness)
    print(f"idle: {share * 100:.2f} % of a core, {resident >> 20} MiB resident")
    check(share < CORE_SHARE_MAX, f"an idle millraced uses {share * 100:.2f} % of a core")


if __name__ == "__main__":
    sys.exit(main(test_idle))

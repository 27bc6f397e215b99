#!/usr/bin/env python3
"""Goal: kill -9 of millraced, at any moment and again and again, loses nothing, repeats nothing, tears nothing.

A seeded workload (workload.py) runs on a real server while millraced is killed and restarted; the strict consumer
(apply_stream.c) reads along, and in the end its copy equals the source's tables.  Also the number of row changes must
be what the generator counted.

With a codec, batches are packed, now and then with another one or none.

With --visible written the consumer has read what a kill then takes: it waits until the source has sent it again.

usage: test_kill.py [--kind KIND] [--changes N] [--kills N] [--compression CODEC] [--visible written] [--seed N]
The long form: --changes 400000 --kills 200, on mariadb-10.11, mysql-5.7 and mysql-9.7 (./check --long runs all).
"""
import argparse
import sys
import time

from harness import IS_LONG, Feeder, check, main, result_of
from workload import EXCLUDE, INCLUDE, MARKER, SCHEMA, TRACKED, Workload

SECONDS_PER_KILL = 1.2


def repack(harness, instance, compression):
    """Another codec, or not; millraced may not be ready."""
    try:
        instance.rest("PATCH", "/v1/channels/shop",
                      {"compression": harness.random.choice([compression, compression, compression, "gzip", "none"])})
    except OSError:
        pass


def killer(harness, instance, feeder, kills, compression):
    """Strikes `kills` times, the moments random over the time of the feed; restarts at once or a little later."""
    r = harness.random
    for _ in range(kills):
        time.sleep(r.choice([r.uniform(0.01, 0.3), r.uniform(0.3, 2 * SECONDS_PER_KILL)]))
        check(instance.is_alive(), f"millraced ended by itself with code {instance.process.returncode}")
        if compression != "none":
            repack(harness, instance, compression)
        instance.kill()
        time.sleep(r.choice([0, 0, r.uniform(0, 0.5)]))
        instance.start(wait=False)
    check(feeder.error is None, f"the workload failed: {feeder.error}")


def test_kill(harness, kind, changes, kills, compression, visible):
    source = harness.source(kind)
    source.sql(SCHEMA)
    instance = harness.millraced(segment_bytes=4 << 20)  # segments roll and seal in between
    instance.start()
    instance.create_channel("shop", source, INCLUDE, EXCLUDE, compression=compression, visible=visible)
    instance.start_channel("shop")
    begun = time.monotonic()
    timeout_s = 120 + changes // 1000
    consumer = harness.apply_stream(instance, "shop", source, TRACKED, MARKER, timeout_s, visible == "written")
    workload = Workload(harness.seed, changes)
    feeder = Feeder(source, workload.slices(), changes / (kills * SECONDS_PER_KILL))
    killer(harness, instance, feeder, kills, compression)
    while not feeder.done:
        check(instance.is_alive(), f"millraced ended by itself with code {instance.process.returncode}")
        if consumer.poll() is not None:
            result_of(consumer, 1)
        time.sleep(0.1)
    check(feeder.error is None, f"the workload failed: {feeder.error}")
    source.sql(workload.end())
    figures = result_of(consumer, timeout_s, instance)
    check(figures["row_changes"] == workload.changes,
          f"the consumer saw {figures['row_changes']} row changes, the workload made {workload.changes}")
    check(instance.stop() == 0, f"millraced stopped with code {instance.process.returncode}")
    print(f"{kind}: {workload.changes} changes, {kills} kills, {time.monotonic() - begun:.1f} s: {figures}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="mariadb-10.11")
    parser.add_argument("--changes", type=int, default=200000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--compression", default="none")
    parser.add_argument("--visible", default="durable")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    if IS_LONG:
        options.changes, options.kills = 400000, 200
    sys.exit(main(test_kill, options.seed, kind=options.kind, changes=options.changes, kills=options.kills,
                  compression=options.compression, visible=options.visible))

#!/usr/bin/env python3
"""Goal: kill -9 of millraced, at any moment and again and again, loses nothing, repeats nothing, tears nothing.

A seeded workload (workload.py) runs on a real server while millraced is killed and restarted; the strict consumer
(apply_stream.c) reads along, and in the end its copy equals the source's tables.  Also the number of row changes must
be what the generator counted.

With a codec, batches are packed, now and then with another one or none.

With --visible written the consumer has read what a kill then takes: it waits until the source has sent it again.  That
is counted, and in the end kills go on until one of them has taken what was shown.

usage: test_kill.py [--kind KIND] [--changes N] [--kills N] [--compression CODEC] [--visible written] [--seed N]
The long form: --changes 400000 --kills 200, on mariadb-10.11, mysql-5.7 and mysql-9.7 (./check --long runs all).
"""
import argparse
import json
import subprocess
import sys
import time

from harness import BUILD, IS_LONG, Failed, Feeder, check, main, result_of, wait_until
from workload import EXCLUDE, INCLUDE, MARKER, SCHEMA, TRACKED, Workload

SECONDS_PER_KILL = 1.2
TRIES = 50


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


def log_of(instance):
    """What the status says of the channel's log; {}: nothing yet."""
    return instance.status("shop")["log"] or {}


def records_on_disk(instance):
    """Of the killed millraced, be their transaction whole or not."""
    done = subprocess.run([BUILD + "/cli/millrace", "log", "check", instance.folder + "/data/shop", "--json"],
                          capture_output=True, text=True)
    check(done.stdout != "", f"log check (code {done.returncode}): {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])["records"]


def take_what_was_shown(instance, source):
    """Kills behind a change that was just shown until the disk does not have it; the kills that this took."""
    instance.wait_ready()
    for kills in range(1, TRIES + 1):
        wait_until(lambda: log_of(instance).get("is_resending") is False, 60, "nothing more is sent again")
        before = log_of(instance)["high_watermark"]
        source.sql(f"INSERT INTO shop.visits VALUES (-{kills}, 'shown early', 1)")
        wait_until(lambda: log_of(instance)["high_watermark"] > before + 2, 60, "the change is shown")
        shown = log_of(instance)["high_watermark"]
        instance.kill()
        on_disk = records_on_disk(instance)
        instance.start()
        if on_disk < shown:
            return kills
    raise Failed(f"{TRIES} kills took nothing that was shown")


def test_kill(harness, kind, changes, kills, compression, visible):
    source = harness.source(kind)
    source.sql(SCHEMA)
    settings = {"segment_bytes": 4 << 20}  # segments roll and seal in between
    if visible == "written":
        settings["flush_interval_us"] = 300000  # so that there is something to take
    instance = harness.millraced(**settings)
    instance.start()
    instance.create_channel("shop", source, INCLUDE, EXCLUDE, compression=compression, visible=visible)
    instance.start_channel("shop")
    # Killed before, it would start at another "now".
    wait_until(lambda: log_of(instance).get("high_watermark", 0) > 0, 60, "the log holds a place to go on from")
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
    more = 0
    if visible == "written":
        more = take_what_was_shown(instance, source)
    source.sql(workload.end())
    figures = result_of(consumer, timeout_s, instance)
    made = workload.changes + more
    check(figures["row_changes"] == made, f"the consumer saw {figures['row_changes']} row changes, {made} were made")
    check(instance.stop() == 0, f"millraced stopped with code {instance.process.returncode}")
    print(f"{kind}: {made} changes, {kills} kills and {more} more, {time.monotonic() - begun:.1f} s: {figures}")


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

#!/usr/bin/env python3
"""Goal: in a consumer group of two unmodified kcat processes one receives and the other stands by; when the first is
killed the second goes on from the last commit: no offset is missing, and none below the commit comes twice.
"""
import os
import sys
import time

from harness import Feeder, check, checkpoint_of, main, wait_until

COMMIT_PERIOD_S_MAX = 4 * 5  # kcat's, on a busy machine
RECORDS_PER_S = 600  # 200 transactions of one row
SETTINGS = ["-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000",
            "-X", "heartbeat.interval.ms=500", "-X", "fetch.wait.max.ms=100"]


def member(harness, instance, name):
    """A kcat in group `readers` that writes the offsets it receives to a file, one a line."""
    with open(f"{harness.folder}/{name}.offsets", "wb") as out, open(f"{harness.folder}/{name}.log", "wb") as log:
        command = ["kcat", "-b", instance.bootstrap, *SETTINGS, "-u", "-f", "%o\\n", "-G", "readers", "events"]
        return harness.run(command, stdout=out, stderr=log)


def offsets_of(harness, name):
    with open(f"{harness.folder}/{name}.offsets") as f:
        text = f.read()
    return [int(line) for line in text[:text.rfind("\n") + 1].split()]


def group_of(instance):
    groups = instance.ask("GET", "/v1/channels/events/groups")["groups"]
    return next((group for group in groups if group["group"] == "readers"), None)


def counts_of(harness):
    return [len(offsets_of(harness, name)) for name in ("first", "second")]


def settled_roles(harness):
    """(who receives, who stands by), once a second of 200 changes reached one of them only."""
    for _ in range(60):
        before = counts_of(harness)
        time.sleep(1)
        grown = [now - then for now, then in zip(counts_of(harness), before)]
        if max(grown) > 50 and min(grown) == 0:
            return ("first", "second") if grown[0] else ("second", "first")
    check(False, f"it does not settle who receives; in the last second: {grown} records")


def words_of(harness, name):
    with open(f"{harness.folder}/{name}.log") as f:
        return f.read()[-500:]


def endless_inserts():
    n = 0
    while True:
        n += 1
        yield f"INSERT INTO shop.events VALUES ({n}, 'event {n}');\n", n


def test_group(harness):
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(40));")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    feeder = Feeder(source, endless_inserts(), 200)

    first = member(harness, instance, "first")
    wait_until(lambda: len(offsets_of(harness, "first")) > 200, 30,
               lambda: f"the first member receives; kcat says: {words_of(harness, 'first')}\n{instance.tail()}")
    member(harness, instance, "second")
    wait_until(lambda: (group_of(instance) or {}).get("member_count") == 2, 20,
               lambda: f"the group has two members: {group_of(instance)}; kcat says: {words_of(harness, 'second')}")
    # The rebalance may move the partition: whoever holds it when it has settled is the one to kill.
    active, standby = settled_roles(harness)
    victim = first if active == "first" else harness.processes[-1]
    settled_at = offsets_of(harness, active)[-1]
    wait_until(lambda: (checkpoint_of(group_of(instance)) or 0) > settled_at, 20,
               lambda: f"the active member commits: {group_of(instance)}")
    time.sleep(harness.random.uniform(0, 4))
    committed = checkpoint_of(group_of(instance))
    standby_before = len(offsets_of(harness, standby))
    victim.kill()
    victim.wait()
    killed_at = time.monotonic()
    last_of_active = offsets_of(harness, active)[-1]
    wait_until(lambda: len(offsets_of(harness, standby)) > standby_before + 200, 30,
               lambda: f"the other member takes over: {group_of(instance)}; kcat says: {words_of(harness, standby)}")
    feeder.stop()
    check(feeder.error is None, f"the workload failed: {feeder.error}")

    taken_over = offsets_of(harness, standby)[standby_before:]
    check(taken_over == list(range(taken_over[0], taken_over[0] + len(taken_over))), "the second member saw a gap")
    check(taken_over[0] >= committed, f"went on at {taken_over[0]}, behind the commit {committed}")
    check(taken_over[0] <= last_of_active + 1, f"went on at {taken_over[0]}; the first had seen up to {last_of_active}")
    print(f"committed {committed}, the first saw up to {last_of_active}, the second went on at {taken_over[0]}")
    repeated = last_of_active + 1 - taken_over[0]
    check(repeated <= RECORDS_PER_S * COMMIT_PERIOD_S_MAX, f"{repeated} records came twice")
    everything = sorted(set(offsets_of(harness, "first")) | set(offsets_of(harness, "second")))
    check(everything == list(range(everything[-1] + 1)), "an offset is missing")
    print(f"{len(everything)} records, {repeated} twice, taken over after {time.monotonic() - killed_at:.1f} s")


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    sys.exit(main(test_group))

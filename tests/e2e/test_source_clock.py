#!/usr/bin/env python3
"""Goal: the delay shown is the true one, within 1 s, for a source whose clock is an hour ahead, and an hour behind; the
status says how far the clocks are apart.  As test_delay.py, whose relay, writer and judgement this uses: a relay holds
the stream back for a known time.
"""
import sys
import time

from harness import check, main, wait_until
from test_delay import Relay, Sample, Writer, judge, offsets_of

HOUR_S, HELD_S, TOLERANCE_S = 3600, 2.0, 1.0
SAMPLES = 100  # not for a time: a stall leaves enough to judge, of which judge() lets a few be off


def skewed(harness, instance, clock_s):
    source = harness.source("mariadb-10.11", "--clock-s", str(clock_s))
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, what VARCHAR(20));")
    apart = int(source.sql("SELECT UNIX_TIMESTAMP()")) - time.time()
    check(abs(apart - clock_s) < 60, f"the server's clock is {apart} s ahead, not {clock_s}")
    relay = Relay(source.port)
    instance.create_channel("items", source, ["shop.*"], port=relay.port)
    instance.start_channel("items")
    wait_until(lambda: instance.status("items")["source"]["delay_ms"] == 0, 30,
               lambda: f"a source without changes has no delay: {instance.status('items')['source']}")

    def is_measured():  # anew from time to time: one answer may have been long under way
        skew_ms = instance.status("items")["source"]["clock_skew_ms"]
        return skew_ms is not None and abs(skew_ms - clock_s * 1000) < 1000
    wait_until(is_measured, 30, lambda: f"{clock_s} s are shown as {instance.status('items')['source']}")

    writer, samples = Writer(source), []

    def sample(phase):
        for _ in range(SAMPLES):
            samples.append(Sample(instance, phase))
            time.sleep(0.02)
    sample("at once")
    relay.delay_s = HELD_S
    sample("held back")
    sample("held back")
    relay.delay_s = 0.0
    writer.stop()
    judged, worst = judge(samples, writer, offsets_of(instance, len(writer.acked)), TOLERANCE_S)
    print(f"{clock_s} s: {judged} samples, at most {worst * 1000:.0f} ms off")
    check(sum(judged.values()) >= 10, f"too few samples could be judged: {judged}")
    instance.ask("DELETE", "/v1/channels/items")
    source.stop()


def source_clock(harness):
    instance = harness.millraced()
    instance.start()
    for clock_s in HOUR_S, -HOUR_S:
        skewed(harness, instance, clock_s)


if __name__ == "__main__":
    sys.exit(main(source_clock))

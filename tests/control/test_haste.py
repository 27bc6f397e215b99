#!/usr/bin/env python3
"""Goal: what people ask for while a channel's log is being made or opened (a thread does that) is done at once and
right: a start is withdrawn at any moment of it, or the channel deleted, and neither log nor place is left in between.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from asking import kcat  # noqa: E402
from harness import check, main, wait_until  # noqa: E402

PATH = "/v1/channels/events"


def has_no_place(instance):
    return instance.ask("GET", "/v1/status")["channels_started"] == 0


def made(instance, source):
    instance.create_channel("events", source, ["shop.*"])
    wait_until(lambda: instance.status("events")["state"] == "Not Started", 20, lambda: f"{instance.status('events')}")


def begun(harness, instance):
    """A start that has come anywhere: to its check, to its log, to its capture."""
    instance.ask("POST", PATH + "/start")
    if harness.random.random() < 0.5:  # just when the check has passed
        wait_until(lambda: instance.status("events")["state"] != "Prechecking", 20, "the check has ended")
    time.sleep(harness.random.uniform(0, 0.05))
    return instance.status("events")["state"]


def haste(harness):
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT AUTO_INCREMENT PRIMARY KEY);")
    instance = harness.millraced(captures_max=1)
    instance.start()
    met = set()
    for turn in range(6):  # each makes a new log
        made(instance, source)
        met.add(begun(harness, instance))
        check(instance.rest("DELETE", PATH)[0] == 204 and has_no_place(instance), f"turn {turn}: not deleted")
        check(not os.path.exists(instance.settings["data_folder"] + "/events"), f"turn {turn}: a log is left")
    made(instance, source)
    for turn in range(10):  # the first makes one, the others open it
        met.add(begun(harness, instance))
        status = instance.ask("POST", PATH + "/stop")
        check(status["state"] == "Not Started" and status["error"] is None and has_no_place(instance), f"{status}")
    begun(harness, instance)
    check(instance.stop() == 0, "no orderly stop")
    instance.start()
    wait_until(lambda: instance.status("events")["state"] == "Normal", 20, lambda: f"{instance.status('events')}")
    source.sql("INSERT INTO shop.events VALUES ();")
    wait_until(lambda: instance.status("events")["captured"]["row_changes"] == 1, 20,
               lambda: f"{instance.status('events')}")
    seen = kcat(instance, "events")
    check(seen == list(range(len(seen))) and len(seen) > 1, f"offsets: {seen}")
    print(f"met: {met}")


if __name__ == "__main__":
    sys.exit(main(haste))

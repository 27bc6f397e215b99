#!/usr/bin/env python3
"""Goal: what people ask for while a channel's log is being made or opened (a thread does that) is done at once and
right: a start is withdrawn at any moment of it, or the channel deleted, and neither log nor place is left in between.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from asking import kcat  # noqa: E402
from harness import check, main, text_of, wait_until  # noqa: E402

PATH = "/v1/channels/events"
TURNS_MAX = 25
STOPS = 8


def has_no_place(instance):
    return instance.ask("GET", "/v1/status")["channels_started"] == 0


def made(instance, source):
    instance.create_channel("events", source, ["shop.*"])
    wait_until(lambda: instance.status("events")["state"] == "Not Started", 20, lambda: f"{instance.status('events')}")


def is_attaching(instance):
    """A thread makes or opens a log at this moment."""
    tasks = f"/proc/{instance.process.pid}/task"
    for thread in os.listdir(tasks):
        try:
            if text_of(f"{tasks}/{thread}/comm") == "log-attach\n":
                return True
        except ProcessLookupError:  # it ended while it was looked at
            pass
    return False


def begun(harness, instance):
    """A start that has come anywhere: mostly to its log, where what is asked next meets the thread, else to its check
    or to its capture.  True: the thread was there just now."""
    instance.ask("POST", PATH + "/start")
    if harness.random.random() < 0.2:
        return False
    while not any(is_attaching(instance) for _ in range(20)):
        status = instance.status("events")
        check(status["error"] is None, f"{status}")
        if status["source"]["connection"] != "none":
            return False  # it was too short to be seen
    return True


def haste(harness):
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT AUTO_INCREMENT PRIMARY KEY);")
    instance = harness.millraced(captures_max=1)
    instance.start()
    met = {"delete": 0, "stop": 0}
    for turn in range(TURNS_MAX):  # each makes a new log
        made(instance, source)
        met["delete"] += begun(harness, instance)
        check(instance.rest("DELETE", PATH)[0] == 204 and has_no_place(instance), f"turn {turn}: not deleted")
        check(not os.path.exists(instance.settings["data_folder"] + "/events"), f"turn {turn}: a log is left")
        if turn >= 5 and met["delete"] > 0:
            break
    made(instance, source)
    for turn in range(TURNS_MAX):  # the first makes one, the others open it
        met["stop"] += begun(harness, instance)
        status = instance.ask("POST", PATH + "/stop")
        check(status["state"] == "Not Started" and status["error"] is None and has_no_place(instance), f"{status}")
        if turn >= 9 and met["stop"] > 0:
            break
    for turn in range(STOPS):  # of millraced itself, while storage gives room to a capture that will not begin
        if turn > 0:
            instance.ask("POST", PATH + "/stop")
        begun(harness, instance)
        check(instance.stop() == 0, f"turn {turn}: no orderly stop")
        instance.start()
    wait_until(lambda: instance.status("events")["state"] == "Normal", 20, lambda: f"{instance.status('events')}")
    source.sql("INSERT INTO shop.events VALUES ();")
    wait_until(lambda: instance.status("events")["captured"]["row_changes"] == 1, 20,
               lambda: f"{instance.status('events')}")
    seen = kcat(instance, "events")
    check(seen == list(range(len(seen))) and len(seen) > 1, f"offsets: {seen}")
    print(f"the thread was met: {met}" + ("" if all(met.values()) else "; not by each: it was too quick to be seen"))


if __name__ == "__main__":
    sys.exit(main(haste))

#!/usr/bin/env python3
"""Goal: the REST API's promises that a console or a script builds upon, against a live millraced.

usage: test_rest.py CASE     (see CASES)
"""
import datetime
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import check, checkpoint_of, main, wait_until  # noqa: E402

GROUP = "/v1/channels/events/groups/readers"


def refused(instance, status, words, method, path, content=None):
    """The request gets this status and a problem document that holds the words."""
    got, answer = instance.rest(method, path, content)
    check(got == status, f"{method} {path} {content} answered {got}, not {status}: {answer}")
    check(isinstance(answer, dict) and answer.get("status") == status and words in answer.get("detail", ""),
          f"{method} {path} {content}: no problem document with '{words}': {answer}")


def rfc3339(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def groups(harness):
    """Members and who is active, checkpoint and lag in records and seconds, and the checkpoint moved by hand: by
    offset, time and to the ends, refused while somebody is in the group, durable when it is answered."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(50));")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    refused(instance, 404, "no group readers", "GET", GROUP)
    refused(instance, 404, "no group readers", "PUT", GROUP + "/checkpoint", {"to": "earliest"})
    made = {"group": "readers", "account": "ann", "password": "s3cret-one"}
    check(instance.rest("POST", "/v1/channels/events/groups", made)[0] == 201, "no group")
    refused(instance, 409, "no log yet", "PUT", GROUP + "/checkpoint", {"to": "earliest"})
    shown = instance.ask("GET", GROUP)
    check(shown["checkpoint"] is None and shown["lag"] is None and shown["members"] == [], f"{shown}")
    instance.start_channel("events")
    source.sql("INSERT INTO shop.events VALUES (1, 'before');")
    time.sleep(2.5)
    second = time.time()
    source.sql("INSERT INTO shop.events VALUES (2, 'after');")

    def consumer(name):
        out = open(f"{harness.folder}/{name}", "wb")
        command = ["kcat", "-b", instance.bootstrap, "-u", "-f", "%o %T\\n", "-X", "auto.offset.reset=earliest",
                   "-X", f"client.id={name}", "-X", "auto.commit.interval.ms=200", "-G", "readers", "events"]
        return harness.run(command, stdout=out, stderr=subprocess.DEVNULL)

    def read(name):
        with open(f"{harness.folder}/{name}") as f:
            return [tuple(map(int, line.split())) for line in f.read().split("\n")[:-1]]

    first = consumer("first")
    wait_until(lambda: (checkpoint_of(instance.ask("GET", GROUP)) or 0) >= 8, 20, lambda: instance.ask("GET", GROUP))
    consumer("second")
    wait_until(lambda: [m["is_active"] for m in instance.ask("GET", GROUP)["members"]].count(True) == 1 and
               instance.ask("GET", GROUP)["member_count"] == 2, 20, lambda: instance.ask("GET", GROUP))
    shown = instance.ask("GET", GROUP)
    check(sorted(m["client_id"] for m in shown["members"]) == ["first", "second"] and
          all(m["host"] == "/127.0.0.1" and m["member_id"].startswith(m["client_id"]) for m in shown["members"]),
          f"{shown}")
    check(shown["user"] == "ann-readers" and shown["state"] == "Stable", f"{shown}")
    listed = instance.ask("GET", "/v1/channels/events/groups")["groups"][0]
    check("members" not in listed and set(listed) == set(shown) - {"members"}, f"{listed}")
    refused(instance, 409, "active members", "PUT", GROUP + "/checkpoint", {"to": "earliest"})
    for process in (first, harness.processes[-1]):
        process.terminate()
        process.wait()
    wait_until(lambda: instance.ask("GET", GROUP)["member_count"] == 0, 20, lambda: instance.ask("GET", GROUP))

    times = dict(read("first") + read("second"))
    stopped = checkpoint_of(instance.ask("GET", GROUP))
    for content, words in (({}, "one of"), ({"offset": 1, "to": "latest"}, "one of"), ({"of": 1}, "unknown field 'of'"),
                           ([], "JSON object"), ({"offset": "1"}, "whole number"), ({"offset": -1}, "whole number"),
                           ({"offset": 1.5}, "whole number"), ({"offset": 10 ** 12}, "must lie in the log"),
                           ({"offset": 10 ** 30}, "not JSON"), ({"time": 5}, "time must be"),
                           ({"time": "2026-02-30T00:00:00Z"}, "time must be"),
                           ({"time": "2026-02-20T00:00:00Z\0"}, ""), ({"to": "end"}, "to must be"),
                           ({"to": None}, "to must be")):
        refused(instance, 400, words, "PUT", GROUP + "/checkpoint", content)
    check(checkpoint_of(instance.ask("GET", GROUP)) == stopped, "a refused move moved it")

    def move(content, offset):
        moved = instance.ask("PUT", GROUP + "/checkpoint", content)
        check(checkpoint_of(moved) == offset == checkpoint_of(instance.ask("GET", GROUP)),
              f"{content} moved it to {moved['checkpoint']}, not {offset}")
        return moved

    moved = move({"offset": 2}, 2)
    check(abs(rfc3339(moved["checkpoint"]["time"]) - times[2] / 1000) < 0.001, f"{moved}, but {times[2]}")
    check(abs(rfc3339(moved["checkpoint"]["committed_at"]) - time.time()) < 30, f"{moved}")
    end = instance.status("events")["log"]["high_watermark"]
    check(0 <= end - 2 - moved["lag"]["records"] <= 3, f"{moved}, the log ends at {end}")
    newest = kcat_newest(instance)
    check(abs(moved["lag"]["seconds"] - (newest - times[2] / 1000)) <= 2, f"{moved}, newest {newest}")
    at = min(offset for offset, ms in times.items() if ms >= int(second) * 1000)
    utc = datetime.datetime.fromtimestamp(int(second), datetime.timezone.utc)
    move({"time": utc.strftime("%Y-%m-%dT%H:%M:%SZ")}, at)
    east = datetime.timezone(datetime.timedelta(hours=8))
    move({"time": datetime.datetime.fromtimestamp(int(second), east).isoformat()}, at)
    third = consumer("third")
    wait_until(lambda: len(read("third")) > 3, 20, lambda: f"it reads again: {read('third')}")
    check(read("third")[0][0] == at, f"the group went on at {read('third')[0]}, not at {at}")
    third.terminate()
    third.wait()
    wait_until(lambda: instance.ask("GET", GROUP)["member_count"] == 0, 20, lambda: instance.ask("GET", GROUP))
    move({"time": "2000-01-01T00:00:00Z"}, 0)
    ahead = instance.ask("PUT", GROUP + "/checkpoint", {"time": "2999-01-01T00:00:00Z"})
    latest = instance.ask("PUT", GROUP + "/checkpoint", {"to": "latest"})
    end = instance.status("events")["log"]["high_watermark"]
    check(end - 6 <= checkpoint_of(ahead) <= checkpoint_of(latest) <= end, f"{ahead}, {latest}, {end}")
    check(latest["lag"]["records"] <= 2 and latest["lag"]["seconds"] <= 2, f"{latest}")
    move({"to": "earliest"}, 0)
    instance.kill()
    instance.start()
    wait_until(lambda: checkpoint_of(instance.ask("GET", GROUP)) == 0, 10, lambda: instance.ask("GET", GROUP))


def kcat_newest(instance):
    """The time of the newest record, in seconds."""
    command = ["kcat", "-b", instance.bootstrap, "-C", "-t", "events", "-o", "-1", "-c", "1", "-q", "-f", "%T"]
    return int(subprocess.run(command, capture_output=True, text=True, timeout=30).stdout) / 1000


CASES = {case.__name__: case for case in (groups,)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: test_rest.py {'|'.join(CASES)}")
    sys.exit(main(CASES[sys.argv[1]]))

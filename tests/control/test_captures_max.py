#!/usr/bin/env python3
"""Goal: of many channels only captures_max are started at once, and only these count in the table of memory.  One more
is refused with what to do; a place that becomes free is taken; after a restart with fewer places a started channel
waits, is served meanwhile, says so, and goes on by itself where its log ends, without having lost a change.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from asking import kcat, refused  # noqa: E402
from harness import BUILD, check, main, wait_until  # noqa: E402


def cli(instance, *words):
    return subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", *words],
                          capture_output=True, text=True)


def captures_row(instance):
    return next(row for row in instance.ask("GET", "/v1/status")["memory"] if row["pool"].startswith("captures"))


def places(instance):
    status = instance.ask("GET", "/v1/status")
    return status["channels_started"], status["captures_max"]


def restart(instance, **settings):
    check(instance.stop() == 0, "no orderly stop")
    instance.settings.update(settings)
    instance.write_config()
    instance.start()


def captures_max(harness):
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT AUTO_INCREMENT PRIMARY KEY);")
    instance = harness.millraced(channels_max=40, captures_max=2)
    instance.start()
    few = captures_row(instance)
    check("captures_max" in few["keys"], f"{few}")
    for name in "a", "b", "c":
        instance.create_channel(name, source, ["shop.*"])
    instance.start_channel("a")
    instance.start_channel("b")
    wait_until(lambda: "start" in instance.status("c")["operations"], 20, lambda: f"{instance.status('c')}")
    refused(instance, 409, "raise captures_max", "POST", "/v1/channels/c/start")
    done = cli(instance, "channel", "start", "c")
    check(done.returncode == 1 and "stop another channel" in done.stderr, f"{done}")
    check("started 2 of at most 2" in cli(instance, "status").stdout, cli(instance, "status").stdout)
    check(not instance.status("c")["is_started"] and places(instance) == (2, 2), "the refused start is noted")

    instance.ask("POST", "/v1/channels/a/stop")
    instance.start_channel("c")
    refused(instance, 409, "raise captures_max", "POST", "/v1/channels/a/start")
    source.sql("INSERT INTO shop.events VALUES (), ();")
    wait_until(lambda: instance.status("c")["captured"]["row_changes"] == 2, 20, lambda: f"{instance.status('c')}")

    check(instance.stop() == 0, "no orderly stop")
    log = instance.settings["data_folder"] + "/c"
    os.rename(log, instance.settings["data_folder"] + "-c")
    instance.settings["captures_max"] = 1
    instance.write_config()
    instance.start()  # b comes first
    wait_until(lambda: "there is no log of c" in instance.status("c")["error"]["text"], 20,
               lambda: f"{instance.status('c')}")
    os.rename(instance.settings["data_folder"] + "-c", log)
    wait_until(lambda: "captures_max" in instance.status("c")["error"]["text"], 20, lambda: f"{instance.status('c')}")
    check(instance.status("c")["log"] is not None, f"its log is not open: {instance.status('c')}")
    check(captures_row(instance)["bytes"] * 2 == few["bytes"], f"{captures_row(instance)} beside {few}")
    wait_until(lambda: instance.status("b")["state"] == "Normal", 20, lambda: f"{instance.status('b')}")
    status = instance.status("c")
    check(status["state"] == "Error" and status["is_started"] and "captures_max" in status["error"]["text"] and
          "stop another channel" in status["error"]["what_to_do"], f"{status}")
    before = len(kcat(instance, "c"))
    check(before > 2 and places(instance) == (1, 1), f"its log is not served: {before} records")
    status = instance.ask("POST", "/v1/channels/c/resume")
    wait_until(lambda: instance.status("c")["error"], 20, lambda: f"{instance.status('c')}")
    check(places(instance) == (1, 1), "a resume took a place that there is not")
    source.sql("INSERT INTO shop.events VALUES (), (), ();")
    instance.ask("POST", "/v1/channels/b/stop")
    wait_until(lambda: instance.status("c")["state"] == "Normal", 20, lambda: f"{instance.status('c')}")
    wait_until(lambda: instance.status("c")["captured"]["row_changes"] == 3, 20, lambda: f"{instance.status('c')}")

    restart(instance, captures_max=2)
    wait_until(lambda: instance.status("c")["state"] == "Normal", 20, lambda: f"{instance.status('c')}")
    instance.start_channel("b")
    instance.ask("DELETE", "/v1/channels/b")  # gives its place back
    instance.start_channel("a")


if __name__ == "__main__":
    sys.exit(main(captures_max))

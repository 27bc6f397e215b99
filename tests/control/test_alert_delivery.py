#!/usr/bin/env python3
"""Goal: what alerts tell reaches real receivers: a web hook (signed, tried again until it is taken), a mail server, a
program; a restart keeps what waits; what a real source and a real group do is measured.

usage: test_alert_delivery.py CASE     (see CASES)
"""
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import ROOT, check, main, text_of, wait_until  # noqa: E402
from sinks import Hook, MailServer  # noqa: E402

SECRET = "a-secret-of-the-hook"
ALWAYS = {"rules": [{"id": "room", "kind": "disk", "threshold": 100}]}  # never more than 100 percent are free
NEVER = {"rules": [{"id": "room", "kind": "disk", "threshold": 0}]}


def create_channel(instance, name="events", **source):
    whole = {"host": "127.0.0.1", "port": 1, "user": "u", "password": "p"}
    whole.update(source)
    instance.ask("POST", "/v1/channels", {"name": name, "source": whole, "tables": {"include": ["shop.*"]}})


def deliveries(instance, state):
    """Of the newest notice of this state: {target: its delivery}."""
    notices = [n for n in instance.ask("GET", "/v1/alerts/log")["notices"] if n["state"] == state]
    return {d["target"]: d for d in notices[-1]["deliveries"]} if notices else {}


def check_signature(headers, body):
    signed = headers["X-Millrace-Timestamp"].encode() + b"." + body
    check(abs(time.time() - int(headers["X-Millrace-Timestamp"])) < 60, f"the timestamp is not of now: {headers}")
    check(headers["X-Millrace-Signature"] == "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest(),
          f"the signature does not hold: {headers}")
    check(headers["X-Millrace-Delivery"] == json.loads(body)["id"], "the delivery's header is not the notice's id")


def three_ways(harness):
    hook, post = Hook(), MailServer()
    programs = harness.folder + "/programs"
    os.mkdir(programs)
    out = harness.folder + "/told"
    with open(programs + "/page", "w") as f:
        f.write(f"#!/bin/sh\ncat >>{out}\necho >>{out}\nenv >{out}.environment\n")
    os.chmod(programs + "/page", 0o755)
    with open(programs + "/fail", "w") as f:
        f.write("#!/bin/sh\nexit 3\n")
    os.chmod(programs + "/fail", 0o755)
    instance = harness.millraced(alert_programs_folder=programs)
    instance.start()
    instance.ask("PUT", "/v1/alert-targets", {"targets": [
        {"id": "hook", "kind": "webhook", "url": hook.url, "secret": SECRET},
        {"id": "ops", "kind": "mail", "url": post.url, "from": "millrace@example.com", "to": ["ops@example.com"]},
        {"id": "pager", "kind": "command", "program": "page"},
        {"id": "broken", "kind": "command", "program": "fail"},
        {"id": "resting", "kind": "webhook", "url": hook.url, "is_on": False}]})
    create_channel(instance)
    instance.ask("PUT", "/v1/channels/events/alerts", ALWAYS)
    wait_until(lambda: len(hook.got) == 1 and len(post.got) == 1 and os.path.exists(out), 15,
               lambda: f"one notice each: {instance.ask('GET', '/v1/alerts/log')}")
    headers, body = hook.got[0]
    check_signature(headers, body)
    notice = json.loads(body)
    check((notice["state"], notice["channel"], notice["rule"], notice["kind"]) == ("firing", "events", "room", "disk"),
          f"the notice: {notice}")
    envelope, mail = post.got[0]
    check(envelope[0].startswith("MAIL FROM:<millrace@example.com>") and envelope[1:] == ["RCPT TO:<ops@example.com>"],
          f"the envelope: {envelope}")
    check("Subject: [millrace] firing: channel events, disk\r\n" in mail and notice["text"] in mail, f"mail: {mail}")
    told = wait_until(lambda: text_of(out).strip(), 5, "the program's input")
    check(json.loads(told) == notice, f"the program was told {told}")
    environment = wait_until(lambda: text_of(out + ".environment"), 5, "the program's environment")
    check(set(line.split("=")[0] for line in environment.splitlines()) <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"},
          f"the program sees our environment: {environment}")
    wait_until(lambda: deliveries(instance, "firing").get("broken", {}).get("attempts", 0) >= 2, 15,
               lambda: f"the broken program is run again: {deliveries(instance, 'firing')}")
    wait_until(lambda: [deliveries(instance, "firing")[t]["outcome"] for t in ("hook", "ops", "pager")] ==
               ["delivered"] * 3, 10, lambda: f"three deliveries: {deliveries(instance, 'firing')}")
    seen = deliveries(instance, "firing")
    check(seen["broken"]["outcome"] == "trying again" and "status 3" in seen["broken"]["error"], f"{seen}")
    check("resting" not in seen, f"a target that is off was told: {seen}")
    time.sleep(2.5)  # rounds go by: nothing is told twice
    check(len(hook.got) == 1, f"told again: {hook.notices()}")
    instance.ask("PUT", "/v1/channels/events/alerts", NEVER)
    wait_until(lambda: len(hook.got) == 2, 10, "the recovery")
    check(hook.notices()[1]["state"] == "recovered" and hook.notices()[1]["id"] != notice["id"], f"{hook.notices()}")
    instance.ask("POST", "/v1/alert-targets/hook/test")
    wait_until(lambda: len(hook.got) == 3, 10, "the test notice")
    check(hook.notices()[2]["state"] == "test", f"{hook.notices()[2]}")
    for path, status in (("/v1/alert-targets/nobody/test", 404), ("/v1/alert-targets/resting/test", 409)):
        got, answer = instance.rest("POST", path)
        check(got == status, f"{path}: {got} {answer}")
    check(SECRET not in open(instance.log_file).read(), "the hook's secret stands in the log")
    check(SECRET not in json.dumps(instance.ask("GET", "/v1/alert-targets")), "the API tells the hook's secret")
    mode = os.stat(instance.folder + "/data/alerts.json").st_mode & 0o777
    check(mode == 0o600, f"alerts.json, which holds secrets, has mode {mode:o}")
    instance.stop()


def until_it_is_taken(harness):
    """A hook that fails is asked again with the same notice, also by the next millraced; order is kept."""
    hook = Hook([500, 503])
    instance = harness.millraced()
    instance.start()
    instance.ask("PUT", "/v1/alert-targets", {"targets": [{"id": "hook", "kind": "webhook", "url": hook.url}]})
    create_channel(instance)
    instance.ask("PUT", "/v1/channels/events/alerts", ALWAYS)
    wait_until(lambda: len(hook.got) == 3, 20, lambda: f"three tries: {hook.got}")
    check(len({n["id"] for n in hook.notices()}) == 1, f"not one notice: {hook.notices()}")
    wait_until(lambda: deliveries(instance, "firing")["hook"]["outcome"] == "delivered", 5, "the delivery in the log")
    check(deliveries(instance, "firing")["hook"]["attempts"] == 3, f"{deliveries(instance, 'firing')}")
    hook.statuses = [500] * 100
    instance.ask("PUT", "/v1/channels/events/alerts", NEVER)
    wait_until(lambda: len(hook.got) == 4, 10, "the recovery's first try")
    lost = hook.notices()[3]["id"]
    instance.stop()
    hook.settle()
    del hook.got[:]
    hook.statuses = []
    instance.start()
    wait_until(lambda: hook.got, 10, "what waited is told after a restart")
    check([n["id"] for n in hook.notices()] == [lost], f"told: {hook.notices()}, waited: {lost}")
    time.sleep(2.5)
    check(len(hook.got) == 1, f"the restart tells more: {hook.notices()}")
    instance.ask("DELETE", "/v1/channels/events")
    create_channel(instance)
    check(instance.ask("GET", "/v1/channels/events/alerts") == {"rules": [], "state": []},
          "a new channel has the rules of a deleted one")
    instance.stop()


def metric(instance, name, **labels):
    """Its value; None: there is no such sample."""
    wanted = name + ("{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else "") + " "
    for line in instance.rest("GET", "/metrics")[1].splitlines():
        if line.startswith(wanted):
            return float(line[len(wanted):])
    return None


def measures(harness):
    """A real group on a real channel: it falls behind, is told on, catches up; the files in docs/monitoring name what
    /metrics has."""
    hook, source, instance = Hook(), harness.source(), harness.millraced()
    instance.start()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY);")
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    instance.ask("PUT", "/v1/alert-targets", {"targets": [{"id": "hook", "kind": "webhook", "url": hook.url}]})
    instance.ask("PUT", "/v1/channels/events/alerts", {"rules": [
        {"id": "behind", "kind": "group_lag_records", "threshold": 50},
        {"id": "late", "kind": "group_lag_seconds", "threshold": 3600},
        {"id": "broken", "kind": "error"}]})

    def lag():
        return metric(instance, "millrace_group_lag_records", channel="events", group="billing")

    def read_all():
        end = instance.status("events")["log"]["high_watermark"]
        done = subprocess.run(["kcat", "-b", instance.bootstrap, "-G", "billing", "-X", "auto.offset.reset=earliest",
                               "-X", "session.timeout.ms=6000", "-q", "-e", "events"], capture_output=True, timeout=240)
        check(done.returncode == 0, f"kcat: {done.stderr}")
        wait_until(lambda: lag() is not None, 10, "the group has a checkpoint")
        return end

    source.sql("INSERT INTO shop.t VALUES (1);")
    read_all()
    source.sql("USE shop; INSERT INTO t SELECT seq FROM t JOIN seq_2_to_200;")
    notice = wait_until(lambda: hook.notices() and hook.notices()[0], 15, "the group's lag is told")
    check((notice["state"], notice["rule"], notice["group"]) == ("firing", "behind", "billing"), f"{notice}")
    check(notice["value"] >= 199, f"200 records and more are not read: {notice}")
    check(lag() >= 199, f"the metric says {lag()}")
    check(metric(instance, "millrace_alerts_firing", channel="events") == 1, "one alert fires")
    read_all()
    notice = wait_until(lambda: len(hook.got) > 1 and hook.notices()[1], 15, "the group has caught up")
    check((notice["state"], notice["rule"], notice["group"]) == ("recovered", "behind", "billing"), f"{notice}")
    check(len(hook.got) == 2, f"the other rules told something: {hook.notices()}")
    check_monitoring(instance)


def check_monitoring(instance):
    """Each name of a metric in docs/monitoring is one that a live millraced has."""
    there = set(re.findall(r"^# TYPE (\w+)", instance.rest("GET", "/metrics")[1], re.M))
    for file in ("prometheus-alerts.yaml", "grafana-dashboard.json"):
        named = set(re.findall(r"\bmillrace_\w+", open(f"{ROOT}/docs/monitoring/{file}").read()))
        check(len(named) > 5 and named <= there, f"docs/monitoring/{file} names what is not there: {named - there}")


CASES = {case.__name__: case for case in (three_ways, until_it_is_taken, measures)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: test_alert_delivery.py {'|'.join(CASES)}")
    sys.exit(main(CASES[sys.argv[1]]))

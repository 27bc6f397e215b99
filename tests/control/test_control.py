#!/usr/bin/env python3
"""Goal: a live millraced, seen from outside: every resource of the REST API with good and bad requests, the life of a
channel from precheck to deletion, what a restart keeps, the `millrace` command, orderly stop and refused starts.

usage: test_control.py CASE     (see CASES)
"""
import http.client
import io
import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
import command_line_machine  # noqa: E402
from asking import kcat, raw, refused, wait_for_changes  # noqa: E402
from harness import BUILD, PATIENCE, ROOT, check, checkpoint_of, free_port, main, wait_until  # noqa: E402

MILLRACED = BUILD + "/control/millraced"
TABLES = {"include": ["shop.*"]}


def body(**changes):
    whole = {"name": "events", "source": {"host": "127.0.0.1", "port": 1, "user": "u", "password": "s3cret-word"},
             "tables": TABLES}
    whole.update(changes)
    return whole


def rest_refusals(harness):
    instance = harness.millraced()
    instance.start()
    refused(instance, 404, "nothing at this path", "GET", "/v1")
    refused(instance, 404, "nothing at this path", "GET", "/v1/channels/")
    refused(instance, 404, "nothing at this path", "GET", "/v1/channels/a/b/c")
    refused(instance, 404, "nothing at this path", "GET", "/v1/channels/" + "n" * 101)
    refused(instance, 405, "GET, POST", "PUT", "/v1/channels")
    refused(instance, 405, "POST", "GET", "/v1/channels/events/start")
    for path in ("", "/status", "/groups", "/history", "/records"):
        refused(instance, 404, "no channel nothing", "GET", "/v1/channels/nothing" + path)
    for verb in ("start", "stop", "resume"):
        refused(instance, 404, "no channel nothing", "POST", f"/v1/channels/nothing/{verb}")
    refused(instance, 404, "no channel nothing", "DELETE", "/v1/channels/nothing")
    refused(instance, 400, "name is required", "POST", "/v1/channels", {})
    refused(instance, 400, "must be a JSON object", "POST", "/v1/channels", [1])
    refused(instance, 400, "unknown field 'nmae'", "POST", "/v1/channels", body(nmae="x"))
    refused(instance, 400, "source.port", "POST", "/v1/channels",
            body(source={"host": "h", "user": "u", "port": "x"}))
    refused(instance, 400, "not a pattern", "POST", "/v1/channels", body(tables={"include": ["shop"]}))
    refused(instance, 413, "at most", "POST", "/v1/channels", body(name="x" * 300000))
    head = "POST /v1/channels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n"
    answer = raw(instance, head + '{"a":1,]')
    check("400" in answer.split("\r\n")[0] and "not JSON" in answer, answer)
    for host in ("evil.example", "evil.example:8083", "127.0.0.1.evil.example", "[::2]"):
        answer = raw(instance, f"GET /v1/status HTTP/1.1\r\nHost: {host}\r\n\r\n")
        check(" 403 " in answer.split("\r\n")[0], f"Host {host}: {answer}")
    for host in ("localhost", "LOCALHOST:1", "[::1]:8083", "127.0.0.1"):
        answer = raw(instance, f"GET /v1/status HTTP/1.1\r\nHost: {host}\r\n\r\n")
        check(" 200 " in answer.split("\r\n")[0], f"Host {host}: {answer}")
    answer = raw(instance, "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n")
    check(" 403 " in answer.split("\r\n")[0], answer)
    for text in ("\0\1\2\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "A" * 100000 + "\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", instance.rest_port), timeout=1) as connection:
            try:
                connection.sendall(text.encode())
                connection.recv(65536)
            except OSError:  # closed on us, or kept until its time is up: both are fine
                pass
    check(instance.ask("GET", "/healthz") == "ok\n", "not healthy after bad requests")
    check(instance.ask("GET", "/readyz") == "ready\n", "not ready after bad requests")
    status = instance.ask("GET", "/v1/status")
    check(status["kafka_port"] == instance.kafka_port and status["memory_bytes"] == sum(
        row["bytes"] for row in status["memory"]) <= status["memory_max_bytes"], f"{status}")
    metrics = instance.ask("GET", "/metrics")
    check("millrace_build_info" in metrics, "no metrics")
    for row in status["memory"]:  # every pool is shown, as large as it was reserved
        check(f'millrace_memory_pool_bytes{{pool="{row["pool"]}"}} {row["bytes"]}\n' in metrics, f"{row}: {metrics}")


def channel_life(harness):
    """Create, precheck, start, Normal, stop (served on), restart, start, delete; the password stays inside."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(50));")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    refused(instance, 409, "exists already", "POST", "/v1/channels", body())
    wait_until(lambda: instance.status("events")["state"] == "Not Started", 15, lambda: f"{instance.status('events')}")
    operations = instance.status("events")["operations"]
    check(set(operations) == {"start", "delete", "reconfigure"}, f"{operations}")
    found = instance.ask("GET", "/v1/channels/events/precheck")
    verdicts = {item["item"]: item["verdict"] for item in found["items"]}
    check(len(verdicts) == 15 and verdicts["connection"] == verdicts["start"] == "pass" and found["checked_ms"] and
          verdicts["sync_binlog"] == "warning" == found["verdict"] and "disk_space" in verdicts, f"{found}")
    table = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}",
                            "channel", "precheck", "events"],
                           capture_output=True, text=True).stdout
    check("warning  sync_binlog" in table and "to do: SET GLOBAL sync_binlog=1" in table, table)
    refused(instance, 409, "cannot stop while it is 'Not Started'", "POST", "/v1/channels/events/stop")
    instance.start_channel("events")
    refused(instance, 409, "cannot start", "POST", "/v1/channels/events/start")
    source.sql("INSERT INTO shop.events VALUES (1, 'a'), (2, 'b');")
    wait_for_changes(instance, 2)
    wait_until(lambda: instance.status("events")["log"]["bytes"], 15, lambda: f"{instance.status('events')}")
    shown = instance.status("events")["source"]
    check(shown["file"] and shown["position"] > 0 and "MariaDB" in shown["server_version"], f"{shown}")
    definition = instance.ask("GET", "/v1/channels/events")
    check(definition["tables"]["include"] == ["shop.*"] and "password" not in definition["source"], f"{definition}")
    cluster = definition["cluster_id"]
    topic_id = topic_id_of(instance, "events")
    check(any(topic_id), "the topic has no id")

    source.sql("CREATE TABLE shop.more (id INT PRIMARY KEY); CREATE TABLE shop.less (id INT PRIMARY KEY);")
    refused(instance, 400, "backtick", "PATCH", "/v1/channels/events", {"tables": {"include": ["shop.`x"]}})
    refused(instance, 400, "tables.include must list", "PATCH", "/v1/channels/events", {"tables": {"include": []}})
    for what, words in (({"name": "other"}, "name cannot be changed"), ({"visible": "written"}, "visible cannot"),
                        ({"format": "x"}, "format cannot"), ({"start_at": "now"}, "start_at cannot be changed"),
                        ({"source": {"port": "x"}}, "source.port"), ({"source": 5}, "source"), ({"a": 1}, "field 'a'"),
                        ({"tables": TABLES, "ddl": "none"}, "ddl must be"), ({"source": {"host": None}}, "source.host"),
                        ([], "JSON object"), ({"tables": {"include": ["a"]}, "ddl": "instance"}, "not a pattern")):
        refused(instance, 400, words, "PATCH", "/v1/channels/events", what)
    refused(instance, 400, "compression must be", "PATCH", "/v1/channels/events", {"compression": "snappy"})
    refused(instance, 400, "compression must be", "PATCH", "/v1/channels/events",
            {"compression": "x", "ddl": "selected"})
    check(instance.ask("GET", "/v1/channels/events")["compression"] == "none", "a refused change was kept")
    check(instance.ask("GET", "/v1/channels/events")["tables"]["include"] == ["shop.*"], "a refused change was kept")
    change = {"tables": {"include": ["shop.*"], "exclude": ["shop.less"]}}
    objects = "/v1/channels/events/objects"
    check(instance.ask("PATCH", "/v1/channels/events", change)["tables"] == change["tables"], "it did not change")
    check(instance.ask("GET", objects) == change["tables"], "the objects are not shown")
    wrong = ((400, "unknown field 'put'", {"put": {}}), (400, "unknown field 'all'", {"add": {"all": []}}),
             (400, "list of patterns", {"add": {"include": "a.*"}}), (400, "list of", {"add": {"include": [1]}}),
             (400, "not a pattern", {"add": {"include": ["a"]}}), (400, "JSON object", {"add": []}),
             (409, "'a.b' is not one of", {"remove": {"exclude": ["a.b"]}}),
             (400, "must list 1 to", {"remove": {"include": ["shop.*"]}}))
    for status, words, what in wrong:
        refused(instance, status, words, "PATCH", objects, what)
    refused(instance, 400, "unknown field", "PUT", objects, {"add": {}})
    check(instance.ask("GET", objects) == change["tables"], "a refused change was kept")
    both = {"add": {"include": ["shop.*", "more.*"], "exclude": ["shop.not"]}, "remove": {"exclude": ["shop.less"]}}
    changed = {"include": ["shop.*", "more.*"], "exclude": ["shop.not"]}
    check(instance.ask("PATCH", objects, both) == changed, "not added and removed")
    check(instance.ask("PUT", objects, change["tables"]) == change["tables"], "it was not replaced")
    check(instance.ask("PATCH", "/v1/channels/events", {"compression": "lz4"})["compression"] == "lz4", "no change")
    subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "channel",
                    "configure", "events", "--compression", "zstd"], check=True, stdout=subprocess.DEVNULL)
    after = instance.ask("GET", "/v1/channels/events")
    check(after["compression"] == "zstd" and after["tables"] == change["tables"], f"{after}")
    wait_until(lambda: "follows other objects" in instance.log_text(), 15, lambda: instance.log_text()[-500:])
    before = instance.status("events")["captured"]["row_changes"]
    source.sql("INSERT INTO shop.less VALUES (1), (2); INSERT INTO shop.more VALUES (1);")
    wait_until(lambda: instance.status("events")["captured"]["row_changes"] > before, 15,
               lambda: f"{instance.status('events')}")
    check(instance.status("events")["captured"]["row_changes"] == before + 1, "an excluded table's rows came")

    check(instance.ask("POST", "/v1/channels/events/stop")["state"] == "Not Started", "it did not stop")
    source.sql("INSERT INTO shop.events VALUES (3, 'while stopped');")
    wait_until(lambda: kcat(instance, "events") == list(range(instance.status("events")["log"]["high_watermark"])), 15,
               lambda: f"a stopped channel serves all: {kcat(instance, 'events')}, {instance.status('events')}")
    records = instance.status("events")["log"]["high_watermark"]

    check(instance.stop() == 0, "SIGTERM was not an orderly stop")
    instance.start()
    status = instance.status("events")
    check(status["state"] == "Not Started" and status["log"]["high_watermark"] == records, f"after a restart: {status}")
    after = instance.ask("GET", "/v1/channels/events")
    check(after["cluster_id"] == cluster and after["compression"] == "zstd", f"after a restart: {after}")
    check(topic_id_of(instance, "events") == topic_id, "a restart changed the topic id")
    instance.start_channel("events")
    wait_for_changes(instance, 1)

    check(instance.stop() == 0, "SIGTERM was not an orderly stop")
    instance.start()
    wait_until(lambda: instance.status("events")["state"] == "Normal", 15,
               lambda: f"a started channel goes on by itself: {instance.status('events')}")
    seen = kcat(instance, "events")
    check(seen == list(range(len(seen))) and len(seen) > records, f"offsets after a restart: {seen}")

    file = instance.settings["data_folder"] + "/channels/events.json"
    check(stat.S_IMODE(os.stat(file).st_mode) == 0o600, "the file with the password is readable by others")
    check(source.facts["password"] not in instance.log_text(), "the password is in the log")
    status, _ = instance.rest("DELETE", "/v1/channels/events")
    check(status == 204, f"DELETE answered {status}")
    refused(instance, 404, "no channel events", "GET", "/v1/channels/events")
    log_folder = instance.settings["data_folder"] + "/events"
    check(not os.path.exists(file) and not os.path.exists(log_folder), "data is left")
    check("channel=\"events\"" not in instance.ask("GET", "/metrics"), "counters of a deleted channel are left")
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    check(instance.ask("GET", "/v1/channels/events")["cluster_id"] != cluster, "a new channel has the old cluster id")
    check(topic_id_of(instance, "events") != topic_id, "a new channel has the old topic id")


def topic_id_of(instance, topic):
    """By a Metadata request of version 12, by hand."""
    name = bytes([len(topic) + 1]) + topic.encode()
    request = struct.pack(">hhih", 3, 12, 7, -1) + b"\0" + b"\2" + bytes(16) + name + b"\0" + bytes(3)
    with socket.create_connection(("127.0.0.1", instance.kafka_port), 10) as s:
        s.sendall(struct.pack(">i", len(request)) + request)
        answer = s.makefile("rb")
        rest = io.BytesIO(answer.read(struct.unpack(">i", answer.read(4))[0]))
    rest.read(4 + 1 + 4 + 1 + 4)  # correlation id, tags, throttle time, one broker: its id
    rest.read(rest.read(1)[0] - 1 + 4 + 1 + 1)  # host, port, no rack, tags
    rest.read(rest.read(1)[0] - 1 + 4 + 1)  # cluster id, controller, one topic
    check(rest.read(2) == b"\0\0" and rest.read(len(name)) == name, f"no topic {topic}: {rest.getvalue()}")
    return rest.read(16)


def logins_live(instance, millrace):
    """Changes by REST count at once for clients: a group of channel events and the operator root exist."""
    groups = "/v1/channels/events/groups"

    def kcat_as(user, password, mechanism="SCRAM-SHA-512", wait_s=60):
        options = {"security.protocol": "sasl_plaintext", "sasl.mechanism": mechanism, "sasl.username": user,
                   "sasl.password": password}
        command = ["kcat", "-b", instance.bootstrap, "-L", "-m", str(wait_s)]
        for name, value in options.items():
            command += ["-X", f"{name}={value}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return done.returncode == 0 and "broker 1" in done.stdout

    plain = subprocess.run(["kcat", "-b", instance.bootstrap, "-L", "-m", "2"], capture_output=True, text=True)
    check(plain.returncode != 0, f"nobody had to log in: {plain.stdout}")
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        check(kcat_as("ann-billing", "s3cret-two", mechanism), f"the group's login by {mechanism} failed")
    check(kcat_as("root", "s3cret-three", "PLAIN"), "the operator's login failed")
    check(not kcat_as("ann-billing", "s3cret-one", wait_s=2), "the password of before is still good")
    check(not kcat_as("s3cret-two", "ann-billing", "PLAIN", 2), "user and password changed places")
    consume = ["consume", "events", "--group", "billing", "--user", "ann-billing", "--timeout", "20"]
    said = millrace(*consume, environment={"MILLRACE_PASSWORD": "s3cret-two"}, code=1)
    check("there is no topic events" in said, f"the login of millrace consume: {said}")
    instance.ask("PATCH", groups + "/billing", {"password": "s3cret-next"})
    check(not kcat_as("ann-billing", "s3cret-two", "PLAIN", 2), "a changed password is still good")
    check(kcat_as("ann-billing", "s3cret-next", "PLAIN"), "the new password is not good")
    instance.rest("POST", groups, {"group": "short", "account": "ann", "password": "s3cret-gone"})
    check(kcat_as("ann-short", "s3cret-gone"), "a new group cannot log in")
    check(instance.rest("DELETE", groups + "/short")[0] == 204 and not kcat_as("ann-short", "s3cret-gone", wait_s=2),
          "a deleted group logs in")
    metrics = instance.ask("GET", "/metrics")
    check('logins_failed{mechanism="PLAIN"}' in metrics and "as ann-billing by" in instance.log_text(), "not told")


def people(harness):
    """Consumer groups and operators: made, shown, changed and deleted; no password is shown, kept or logged."""
    port = free_port()
    listener = {"name": "clients", "port": port, "authentication": "required"}
    instance = harness.millraced(groups_per_channel_max=2, listeners=[listener])
    instance.kafka_port, instance.bootstrap = port, f"127.0.0.1:{port}"
    instance.start()
    instance.ask("POST", "/v1/channels", body())
    groups = "/v1/channels/events/groups"
    made = {"group": "billing", "account": "ann", "password": "s3cret-one"}
    status, answer = instance.rest("POST", groups, made)
    check(status == 201 and answer["user"] == "ann-billing" and answer["state"] == "Empty", f"{status} {answer}")
    refused(instance, 409, "stands once", "POST", groups, made)
    refused(instance, 404, "no channel other", "POST", "/v1/channels/other/groups", made)
    refused(instance, 400, "unknown field 'pasword'", "POST", groups, {**made, "pasword": "s3cret-two"})
    refused(instance, 400, "password is required", "POST", groups, {"group": "g", "account": "a"})
    refused(instance, 400, "8 to 256 bytes", "POST", groups, {**made, "group": "other", "password": "s3cret"})
    refused(instance, 400, "letters, digits", "POST", groups, {**made, "group": "a b"})
    got, answer = instance.rest("POST", groups, {**made, "group": "other"})
    check(got == 201, f"{answer}")
    refused(instance, 409, "groups_per_channel_max", "POST", groups, {**made, "group": "third"})
    shown = instance.ask("GET", groups)["groups"]
    check([g["user"] for g in shown] == ["ann-billing", "ann-other"], f"{shown}")
    check(instance.ask("GET", groups + "/billing")["account"] == "ann", "the group is not shown")
    refused(instance, 404, "no group nobody", "GET", groups + "/nobody")
    refused(instance, 404, "no group nobody", "PATCH", groups + "/nobody", {"password": "s3cret-two"})
    refused(instance, 404, "no group nobody", "DELETE", groups + "/nobody")
    refused(instance, 405, "GET, PATCH, DELETE", "POST", groups + "/billing")
    check(instance.ask("PATCH", groups + "/billing", {"password": "s3cret-two"})["group"] == "billing", "no change")
    refused(instance, 400, "8 to 256 bytes", "PATCH", groups + "/billing", {"password": "s3cret"})
    check(instance.rest("DELETE", groups + "/other")[0] == 204, "not deleted")
    check(instance.rest("POST", "/v1/accounts", {"account": "root", "password": "s3cret-three"})[0] == 201, "refused")
    refused(instance, 409, "logs in as root", "POST", "/v1/accounts", {"account": "root", "password": "s3cret-three"})
    refused(instance, 404, "no operator's account ann", "DELETE", "/v1/accounts/ann")
    check(instance.ask("GET", "/v1/accounts") == {"accounts": [{"account": "root"}]}, "the operator is not shown")
    head = "POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 24\r\n\r\n"
    check("s3cret" not in raw(instance, head + '{"password":"s3cret-four'), "a broken body's password comes back")

    def millrace(*words, stdin=None, environment=None, code=0):
        done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", *words],
                              capture_output=True, text=True, input=stdin, env={**os.environ, **(environment or {})})
        check(done.returncode == code, f"{words}: {done}")
        check("s3cret" not in done.stdout + done.stderr, f"{words} shows the password: {done}")
        return done.stdout + done.stderr

    create = ["group", "create", "events", "--group", "by-hand", "--account", "bob"]
    check("log in as   bob-by-hand" in millrace(*create, stdin="s3cret-five\n"), "no user name")
    listed = millrace("group", "list", "events")
    check(listed == millrace("groups", "events") and "billing" in listed and "bob" in listed, listed)
    password_file = instance.settings["data_folder"] + "-password"
    with open(password_file, "w") as f:
        f.write("s3cret-six\n")
    millrace("group", "password", "events", "--group", "by-hand", "--password-file", password_file)
    millrace("group", "password", "events", "--group", "by-hand", environment={"MILLRACE_PASSWORD": "s3cret-seven"})
    millrace("group", "password", "events", "--group", "by-hand", "--password", "s3cret-x", code=2)
    check("bob-by-hand" in millrace("group", "show", "events", "--group", "by-hand"), "not shown")
    millrace("group", "delete", "events", "--group", "by-hand")
    millrace("account", "create", "second", stdin="s3cret-eight\n")
    millrace("account", "password", "second", stdin="s3cret-nine\n")
    check(millrace("account", "list") == "root\nsecond\n", "wrong list")
    millrace("account", "delete", "second")

    logins_live(instance, millrace)
    file = instance.settings["data_folder"] + "/accounts.json"
    check(stat.S_IMODE(os.stat(file).st_mode) == 0o600, "the accounts are readable by others")
    with open(file) as f:
        whole = f.read()
    shown = [instance.ask("GET", path) for path in (groups, groups + "/billing", "/v1/accounts", "/v1/status")]
    check("SCRAM-SHA-512$" in whole and "SCRAM-SHA" not in json.dumps(shown), "verifiers are shown")
    check("s3cret" not in whole + instance.log_text() + json.dumps(shown), "a password stands somewhere")
    instance.stop()
    with open(file, "w") as f:
        f.write(whole.replace("billing", "bil1ing"))
    instance.start(wait=False)
    check(instance.exit_code() == 4 and "accounts.json: the checksum" in instance.log_text(), instance.tail())
    with open(file, "w") as f:
        f.write(whole)
    instance.start()
    check([g["user"] for g in instance.ask("GET", groups)["groups"]] == ["ann-billing"], "the group is gone")
    check(instance.rest("DELETE", "/v1/channels/events")[0] == 204, "the channel is not deleted")
    with open(file) as f:
        check("billing" not in f.read(), "a deleted channel's group is left")


def channel_errors(harness):
    """A source that is not there, refuses, or goes away and comes back: said, and mended by itself."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY);")
    instance = harness.millraced()
    instance.start()
    nowhere = {"host": "127.0.0.1", "port": free_port(), "user": "u", "password": "s3cret-word"}
    instance.ask("POST", "/v1/channels", body(name="nowhere", source=nowhere))
    wait_until(lambda: instance.status("nowhere")["error"], 15, lambda: f"{instance.status('nowhere')}")
    status = instance.status("nowhere")
    check(status["state"] == "Prechecking", f"{status}")
    check(set(status["operations"]) == {"start", "resume", "delete", "reconfigure"}, f"{status}")
    refused(instance, 409, "cannot stop while it is 'Prechecking'", "POST", "/v1/channels/nowhere/stop")
    for verb, then, offers_stop in (("start", "Prechecking", True), ("resume", "Prechecking", True),
                                    ("stop", "Not Started", False)):
        status = instance.ask("POST", f"/v1/channels/nowhere/{verb}")
        check(status["state"] == then and ("stop" in status["operations"]) == offers_stop, f"{verb}: {status}")
    instance.ask("POST", "/v1/channels/nowhere/start")
    wait_until(lambda: instance.status("nowhere")["error"], 15, lambda: f"{instance.status('nowhere')}")
    status = instance.status("nowhere")
    check("stop" in status["operations"], f"the start that waits can no longer be withdrawn: {status}")
    check("s3cret-word" not in json.dumps(status) + instance.log_text(), "the password is shown")
    instance.ask("POST", "/v1/channels/nowhere/resume")
    wait_until(lambda: instance.status("nowhere")["error"], 15, lambda: f"{instance.status('nowhere')}")
    status, _ = instance.rest("DELETE", "/v1/channels/nowhere")
    check(status == 204, "a channel whose precheck failed cannot be deleted")

    instance.ask("POST", "/v1/channels", body(name="events", source=nowhere))
    wait_until(lambda: instance.status("events")["error"], 15, lambda: f"{instance.status('events')}")
    right = {"port": source.port, "user": source.facts["user"], "password": source.facts["password"]}
    refused(instance, 400, "source.password is required", "PATCH", "/v1/channels/events", {"source": {"port": 1}})
    done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "channel",
                           "configure", "events", "--source", "mysql://u@evil.example:1"],
                          capture_output=True, text=True)
    check(done.returncode == 1 and "source.password is required" in done.stderr, f"{done}")
    changed = instance.ask("PATCH", "/v1/channels/events", {"source": right})
    check(changed["state"] == "Prechecking" and changed["source"]["port"] == source.port and
          "password" not in changed["source"], f"{changed}")
    instance.start_channel("events")
    instance.ask("PATCH", "/v1/channels/events", {"source": {"password": "wr0ng-word"}, "ddl": "selected"})
    wait_until(lambda: instance.status("events")["state"] == "Error", 20, lambda: f"{instance.status('events')}")
    check("denied" in instance.status("events")["error"]["text"].lower(), f"{instance.status('events')}")
    changed = instance.ask("PATCH", "/v1/channels/events", {"source": {"password": right["password"]}})
    check(changed["ddl"] == "selected", f"{changed}")
    wait_until(lambda: instance.status("events")["state"] == "Normal", 20, lambda: f"{instance.status('events')}")
    for word in ("wr0ng-word", right["password"]):
        check(word not in instance.log_text(), "a password is in the log")
    subprocess.run([os.path.join(ROOT, "tests/servers"), "stop", "--folder", source.folder], check=True)
    wait_until(lambda: instance.status("events")["error"], 15, lambda: f"{instance.status('events')}")
    wait_until(lambda: instance.status("events")["state"] == "Error", 25,
               lambda: f"a source that is gone is an Error: {instance.status('events')}")
    check(kcat(instance, "events") != [], "an Error stops the serving")
    again = subprocess.run([os.path.join(ROOT, "tests/servers"), "start", "mariadb-10.11", "--folder", source.folder],
                           check=True, capture_output=True, text=True)
    facts = json.loads(again.stdout)
    if facts["port"] == source.port:  # else it came back elsewhere, and the channel cannot know
        wait_until(lambda: instance.status("events")["state"] == "Normal", 40,
                   lambda: f"the source is back: {instance.status('events')}")
        check(instance.status("events")["error"] is None, "the error is still shown")
    check(instance.ask("POST", "/v1/channels/events/stop")["state"] == "Not Started", "it did not stop")


def refused_starts(harness):
    """Wrong configurations and a taken port end with the reason; a running instance is not harmed."""
    instance = harness.millraced()
    instance.start()
    cases = [({"rest_port": "many"}, 3, "rest_port"), ({"listner": 1}, 3, "listner"),
             ({"listeners": [{"name": "a", "port": "many"}]}, 3, "port"),
             ({"memory_max_bytes": 64 << 20}, 4, "memory_max_bytes"),
             ({"rest_address": "0.0.0.0"}, 4, "there is no token yet"),
             ({"listeners": [{"name": "a", "address": "192.0.2.1"}]}, 3, "accept_anyone"),
             ({"rest_port": instance.rest_port}, 4, f"port {instance.rest_port}"),
             ({"listeners": [{"name": "a", "port": instance.kafka_port}]}, 4, str(instance.kafka_port)),
             ({"data_folder": instance.settings["data_folder"]}, 4, "another"),
             ({"data_folder": "/proc/nothing"}, 4, "/proc/nothing")]
    for settings, code, words in cases:
        other = harness.millraced(**settings)
        other.start(wait=False)
        got = other.exit_code()
        check(got == code and words in other.log_text(), f"{settings}: exit code {got}, log: {other.log_text()}")
    # What each log needs counts for every channel that may exist, before there is one.
    logs = "rings and indexes of the logs"
    row = next(row for row in instance.ask("GET", "/v1/status")["memory"] if logs in row["pool"])
    channels = instance.settings.get("channels_max", 4)
    other = harness.millraced(channels_max=channels + 1, segment_bytes=1 << 30, memory_max_bytes=1 << 40)
    other.start()
    larger = next(row for row in other.ask("GET", "/v1/status")["memory"] if logs in row["pool"])
    check(larger["bytes"] > 6 * row["bytes"], f"{row}, {larger}")
    total = other.ask("GET", "/v1/status")["memory_bytes"]
    other.stop()
    for limit, code in ((total - 1, 4), (total, None)):
        last = harness.millraced(channels_max=channels + 1, segment_bytes=1 << 30, memory_max_bytes=limit)
        last.start(wait=code is None)
        if code is None:
            continue
        check(last.exit_code() == code and logs in last.log_text() and str(larger["bytes"]) in last.log_text(),
              f"the table is not in: {last.log_text()}")
    last.stop()
    plain = harness.millraced()  # the defaults fit each other
    plain.settings = {name: plain.settings[name] for name in ("data_folder", "listeners", "rest_port")}
    plain.write_config()
    plain.start()
    plain.stop()
    profile = harness.millraced()  # as ./start uses it
    with open(ROOT + "/profiles/embedded.yaml") as given, open(profile.folder + "/millrace.yaml", "w") as out:
        out.write(re.sub(r"(?m)^(data_folder|    port|rest_port):.*", lambda m: f"{m.group(1)}: " + str(
            {"data_folder": profile.folder + "/data", "    port": profile.kafka_port,
             "rest_port": profile.rest_port}[m.group(1)]), given.read()))
    profile.start()
    profile.stop()
    done = subprocess.run([MILLRACED, "--config", "/nonexistent.yaml"], capture_output=True, text=True)
    check(done.returncode == 3 and "/nonexistent.yaml" in done.stderr, f"{done}")
    check(subprocess.run([MILLRACED], capture_output=True).returncode == 2, "no usage")
    done = subprocess.run([MILLRACED, "--config-help"], capture_output=True, text=True)
    check(done.returncode == 0 and "retention_ms" in done.stdout, "no manual")
    done = subprocess.run([MILLRACED, "--version"], capture_output=True, text=True)
    check("millraced 0." in done.stdout, "no version")
    check(instance.ask("GET", "/readyz") == "ready\n", "the running instance was harmed")
    counters = subprocess.run([BUILD + "/cli/millrace", "counters", instance.settings["data_folder"] + "/counters"],
                              capture_output=True, text=True)
    check(counters.returncode == 0, f"the running instance's counters are gone: {counters.stderr}")


def damaged_definition(harness):
    """A channel's file that cannot be read refuses the start and is named; nothing is thrown away."""
    instance = harness.millraced()
    instance.start()
    instance.ask("POST", "/v1/channels", body())
    check(instance.stop() == 0, "no orderly stop")
    file = instance.settings["data_folder"] + "/channels/events.json"
    with open(file) as f:
        whole = f.read()
    with open(file, "w") as f:
        f.write(whole[:len(whole) // 2])
    instance.start(wait=False)
    check(instance.exit_code() == 4 and "events.json" in instance.log_text(), instance.tail())
    with open(file, "w") as f:
        f.write(whole)
    instance.start()
    check(instance.status("events")["name"] == "events", "the repaired channel is not there")


def orderly_stop(harness):
    """SIGTERM and SIGINT under load: exit code 0, soon, and a start that needs no recovery."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(200));")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    slowest = 0.0
    for how in (signal.SIGTERM, signal.SIGINT):
        load = subprocess.Popen(source.client_command(), stdin=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
        load.stdin.write("INSERT INTO shop.events (what) VALUES ('x');\n" * 3000)
        load.stdin.close()
        time.sleep(0.3)
        begun = time.monotonic()
        instance.process.send_signal(how)
        check(instance.exit_code() == 0, f"{how}: exit code {instance.process.returncode}\n{instance.tail()}")
        slowest = max(slowest, time.monotonic() - begun)
        load.wait()
        instance.start()
        wait_until(lambda: instance.status("events")["state"] == "Normal", 20, lambda: f"{instance.status('events')}")
    offsets = kcat(instance, "events")
    check(offsets == list(range(len(offsets))), "offsets are not dense after two stops under load")
    # A connection of a client and one of the REST API in the middle of a request do not hold up the end.
    idle = http.client.HTTPConnection("127.0.0.1", instance.rest_port)
    idle.connect()
    idle.sock.sendall(b"POST /v1/channels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    begun = time.monotonic()
    check(instance.stop() == 0, "no orderly stop with a request under way")
    took = time.monotonic() - begun
    check(took < 5 + 3 * slowest, f"it took {took:.1f} s to stop with a request under way, {slowest:.1f} s under load")


def command_line(harness):
    """`millrace`: the way of a user, and what it says when something is wrong."""
    source = harness.source()
    source.sql("CREATE DATABASE shop;"
               "CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(50), big BIGINT UNSIGNED);")
    instance = harness.millraced()
    instance.start()
    facts = source.facts

    def millrace(*words, code=0, given=None, env=None):
        command = [BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE, input=given,
                              env={**os.environ, **(env or {})})
        check(done.returncode == code, f"millrace {' '.join(words)}: exit code {done.returncode}, not {code}\n"
                                       f"{done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    url = f"mysql://{facts['user']}@127.0.0.1:{source.port}"
    millrace("channel", "create", "events", "--source", url, "--tables", "shop.*",
             env={"MILLRACE_SOURCE_PASSWORD": facts["password"]})
    out, _ = millrace("--json", "channel", "status", "events")
    check(json.loads(out)["name"] == "events", out)
    wait_until(lambda: json.loads(millrace("--json", "channel", "status", "events")[0])["state"] == "Not Started", 15,
               lambda: millrace("channel", "status", "events")[0])
    millrace("channel", "start", "events")
    wait_until(lambda: instance.status("events")["state"] == "Normal", 20, lambda: f"{instance.status('events')}")
    source.sql("INSERT INTO shop.events VALUES (1, 'one', 18446744073709551615), (2, 'zwei', NULL);"
               "UPDATE shop.events SET what = 'two' WHERE id = 2; DELETE FROM shop.events WHERE id = 1;")
    out, err = millrace("consume", "events", "--group", "g", "--from-beginning", "--changes", "4", "--timeout", "80")
    lines = [json.loads(line) for line in out.strip().split("\n")]
    rows = [line["value"] for line in lines if line["value"]["operation"] in ("INSERT", "UPDATE", "DELETE")]
    check([row["operation"] for row in rows] == ["INSERT", "INSERT", "UPDATE", "DELETE"], out)
    check(rows[0]["after"] == {"id": 1, "what": "one", "big": 18446744073709551615} and "lag" in err
          and rows[2]["before"]["what"] == "zwei" and rows[2]["after"]["what"] == "two", out + err)
    check([line["offset"] for line in lines] == list(range(len(lines))), out)
    source.sql("INSERT INTO shop.events VALUES (7, 'seven', 7);")
    out, _ = millrace("consume", "events", "--group", "g", "--changes", "1", "--timeout", "80", "--text")
    check("INSERT" in out and "shop.events" in out and "what=seven" in out and "one" not in out,
          f"the group did not go on at its checkpoint: {out}")
    out, _ = millrace("channel", "objects", "add", "events", "--exclude", "shop.less", "--tables", "other.*")
    check("shop.*, other.*" in out and "but not shop.less" in out, out)
    _, err = millrace("channel", "objects", "remove", "events", "--tables", "nowhere.*", code=1)
    check("nowhere.*" in err, err)
    out, _ = millrace("--json", "channel", "objects", "remove", "events", "--tables", "other.*")
    check(json.loads(out) == {"include": ["shop.*"], "exclude": ["shop.less"]}, out)
    out, _ = millrace("channel", "objects", "set", "events", "--tables", "shop.events,shop.x")
    check("shop.events, shop.x" in out and "but not shop.less" in out, out)
    millrace("channel", "objects", "set", "events", code=2)
    out, _ = millrace("groups", "events")
    check("g " in out, out)
    wait_until(lambda: " 1 (0 active), " in millrace("channel", "list")[0], 10,
               lambda: millrace("channel", "list")[0])
    groups = json.loads(millrace("--json", "groups", "events")[0])["groups"]
    check(groups[0]["group"] == "g" and checkpoint_of(groups[0]) > len(lines) and groups[0]["member_count"] == 0,
          f"{groups}")
    made = {"group": "g", "account": "ann", "password": "s3cret-one"}
    groups = "/v1/channels/events/groups"
    check(instance.rest("POST", groups, made)[0] == 201, "the group that is there gets no account")
    check(checkpoint_of(instance.ask("GET", groups + "/g")) > len(lines), "its checkpoint is gone")
    in_the_way = instance.settings["data_folder"] + "/accounts.json.new"
    os.mkdir(in_the_way)
    status, answer = instance.rest("DELETE", groups + "/g")
    check(status >= 500 and "is not deleted" in json.dumps(answer), f"{status} {answer}")
    left = instance.ask("GET", groups + "/g")
    check(left["account"] == "ann" and left["checkpoint"] is None, f"the checkpoint goes first: {left}")
    os.rmdir(in_the_way)
    check(instance.rest("DELETE", groups + "/g")[0] == 204, "the group is not deleted")
    for words, expected in ((("channel", "list"), "events"), (("status",), str(instance.kafka_port)),
                            (("counters", instance.settings["data_folder"] + "/counters"), "high_watermark")):
        check(expected in millrace(*words)[0], f"{words}")
    millrace("consume", "events", "--group", "h", "--count", "1000000", "--timeout", "3", code=1)
    command_line_machine.dataplane(instance, millrace)
    segment = instance.settings["data_folder"] + "/events/0/" + "0" * 20 + ".log"
    check(instance.stop() == 0, "no orderly stop")
    out, _ = millrace("log", "dump", segment)
    for words in ("checksum holds", "0 faults", '"table":"shop.events"', "millrace.position"):
        check(words in out, f"no '{words}' in {out[:2000]}")
    with open(segment, "r+b") as f:
        f.seek(200)
        byte = f.read(1)
        f.seek(200)
        f.write(bytes([byte[0] ^ 1]))
    out, err = millrace("log", "dump", segment, code=1)
    check("DOES NOT HOLD" in out and "position 0" in err, out[:500] + err)
    _, err = millrace("channel", "list", code=3)
    check("./start" in err, err)
    instance.start(wait=False)
    instance.process.kill()
    instance.process.wait()
    with open(segment, "r+b") as f:
        f.seek(200)
        f.write(byte)
    instance.start()
    millrace("channel", "delete", "events", given="other\n", code=1)
    check(instance.rest("POST", groups, made)[0] == 201, "no group")
    os.mkdir(in_the_way)
    _, err = millrace("channel", "delete", "events", given="events\n", code=1)
    check("was accepted" in err and "accounts.json.new" in err, err)
    check("Deleting" in millrace("channel", "list")[0], "the deletion that is held up is not shown")
    os.rmdir(in_the_way)
    millrace("channel", "delete", "events", given="events\n")
    check("no channels" in millrace("channel", "list")[0], "it was not deleted")
    command_line_machine.doctor(harness, instance, millrace)
    mistakes = [(("channel", "status", "nothing"), 1, "no channel nothing"), (("consume", "nothing"), 1, "no channel"),
                (("channel", "start"), 2, "usage"), (("channel", "create", "x", "--tables", "a.*"), 2, "--source"),
                (("channel", "create", "x", "--source", "http://h", "--tables", "a.*"), 2, "mysql://"),
                (("channel", "create", "x/y", "--source", url, "--tables", "a.*"), 1, "name"),
                (("fly",), 2, "no command"), (("counters", segment), 1, segment),
                (("log", "dump", "/nonexistent"), 1, "/nonexistent"),
                (("consume", "events", "--count", "many"), 2, "whole number"),
                (("consume", "events", "--tls"), 1, "no listener with TLS without a login")]
    for words, code, expected in mistakes:
        _, err = millrace(*words, code=code)
        check(expected in err, f"{words}: {err}")


CASES = {case.__name__: case for case in (rest_refusals, channel_life, channel_errors, refused_starts,
                                          damaged_definition, orderly_stop, command_line, people)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: test_control.py {'|'.join(CASES)}")
    sys.exit(main(CASES[sys.argv[1]]))

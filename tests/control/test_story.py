#!/usr/bin/env python3
"""Goal: everything that a person does with a channel in the console can be done by the command line alone, and by the
REST API alone: make it, find and mend what its check found, start, see changes, make a group, read, see the lag, move
the checkpoint back and read again, change the objects, lose the source and see it resume, be told of that, delete.

usage: test_story.py cli|rest
"""
import datetime
import http.server
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import BUILD, ROOT, Skipped, check, checkpoint_of, main, wait_until  # noqa: E402

CHANNEL = "/v1/channels/orders"
RULES = {"rules": [{"id": "broken", "kind": "error", "hold_s": 0}]}
USER, PASSWORD = "ann-billing", "s3cret-billing"


class ByRest:
    def __init__(self, instance, source):
        self.instance, self.source = instance, source

    def create(self):
        self.instance.create_channel("orders", self.source, ["shop.orders"])
        wait_until(lambda: self.status()["error"], 15, self.status)

    def findings(self):
        report = self.instance.ask("GET", CHANNEL + "/precheck")
        return [(i["item"], i["mend"]) for i in report["items"] if i["verdict"] == "failure"]

    def start(self):
        """Once the check was repeated and passed."""
        self.instance.ask("POST", CHANNEL + "/resume")
        self.instance.start_channel("orders")

    def status(self):
        return self.instance.status("orders")

    def make_group(self):
        made = {"group": "billing", "account": "ann", "password": PASSWORD}
        check(self.instance.ask("POST", CHANNEL + "/groups", made)["user"] == USER, "not the user that was promised")

    def group(self):
        return self.instance.ask("GET", CHANNEL + "/groups/billing")

    def move(self, time_text):
        return self.instance.ask("PUT", CHANNEL + "/groups/billing/checkpoint", {"time": time_text})

    def objects(self, verb, pattern):
        return self.instance.ask("PATCH", CHANNEL + "/objects", {verb: {"include": [pattern]}})["include"]

    def alert_to(self, url):
        self.instance.ask("PUT", "/v1/alert-targets", {"targets": [{"id": "hook", "kind": "webhook", "url": url}]})
        self.instance.ask("PUT", CHANNEL + "/alerts", RULES)

    def records(self):
        return self.instance.ask("GET", CHANNEL + "/records?count=50")["records"]

    def delete(self):
        status, answer = self.instance.rest("DELETE", CHANNEL)
        check(status == 204, f"{answer}")

    def is_gone(self):
        return self.instance.ask("GET", "/v1/channels")["channels"] == []


class ByCli:
    def __init__(self, instance, source):
        self.instance, self.source = instance, source

    def millrace(self, *words, code=0, given=None):
        command = [BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{self.instance.rest_port}", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, input=given,
                              env={**os.environ, "MILLRACE_SOURCE_PASSWORD": self.source.facts["password"],
                                   "MILLRACE_PASSWORD": PASSWORD})
        check(done.returncode == code, f"millrace {words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        check(PASSWORD not in done.stdout + done.stderr and self.source.facts["password"] not in
              done.stdout + done.stderr, f"{words} shows a password")
        self.said = done.stderr
        return done.stdout

    def ask(self, *words):
        return json.loads(self.millrace("--json", *words))

    def create(self):
        url = f"mysql://{self.source.facts['user']}@127.0.0.1:{self.source.port}"
        self.millrace("channel", "create", "orders", "--source", url, "--tables", "shop.orders", "--wait", code=1)
        check("binlog_format" in self.said and "to do: " in self.said, f"the finding is not said: {self.said}")

    def findings(self):
        report = json.loads(self.millrace("--json", "channel", "precheck", "orders"))
        check("failure  binlog_format" in self.millrace("channel", "precheck", "orders"), "not in the table")
        return [(i["item"], i["mend"]) for i in report["items"] if i["verdict"] == "failure"]

    def start(self):
        self.millrace("channel", "resume", "orders", "--wait")
        self.millrace("channel", "start", "orders", "--wait")
        check("orders: Prechecking" in self.said and "orders: Normal, " in self.said and "rows/s" in self.said,
              f"no progress: {self.said}")

    def status(self):
        return self.ask("channel", "status", "orders")

    def make_group(self):
        said = self.millrace("group", "create", "orders", "--group", "billing", "--account", "ann")
        check(f"log in as   {USER}" in said, said)

    def group(self):
        self.millrace("group", "show", "orders", "--group", "billing")
        return self.ask("group", "show", "orders", "--group", "billing")

    def move(self, time_text):
        where = ["group", "checkpoint", "orders", "--group", "billing"]
        self.millrace(*where, "--to-time", "yesterday", code=1)
        self.millrace(*where, "--to-time", time_text, "--to-latest", code=2)
        check("moved" in self.millrace(*where, "--to-time", time_text), "not said")
        return self.ask(*where, "--to-time", time_text)

    def objects(self, verb, pattern):
        return self.ask("channel", "objects", verb, "orders", "--tables", pattern)["include"]

    def alert_to(self, url):
        targets = json.dumps({"targets": [{"id": "hook", "kind": "webhook", "url": url}]})
        self.millrace("alert", "targets", "--set", "-", given=targets)
        check("broken" in self.millrace("alert", "rules", "orders", "--set", "-", given=json.dumps(RULES)), "no rule")

    def records(self):
        return self.ask("records", "orders", "--count", "50")["records"]

    def delete(self):
        self.millrace("channel", "delete", "orders", given="no\n", code=1)
        self.millrace("channel", "delete", "orders", "--yes")

    def is_gone(self):
        return "no channels" in self.millrace("channel", "list")


class Hook:
    """Keeps the notices that it is sent."""

    def __init__(self):
        got = self.got = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *words):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()


def consume(instance, changes):
    """The ids of the rows that the group gets, by a real client."""
    done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "consume",
                           "orders", "--group", "billing", "--user", USER, "--from-beginning", "--changes",
                           str(changes), "--timeout", "80"], capture_output=True, text=True, timeout=240,
                          env={**os.environ, "MILLRACE_PASSWORD": PASSWORD})
    check(done.returncode == 0, f"consume: {done}")
    lines = [json.loads(line)["value"] for line in done.stdout.strip().split("\n")]
    return [line["after"]["id"] for line in lines if line["operation"] == "INSERT"]


def story(harness, by):
    if by is ByCli and not os.path.exists(BUILD + "/cli/millrace"):
        raise Skipped("needs the millrace command")
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY);"
               "CREATE TABLE shop.items (id INT PRIMARY KEY); SET GLOBAL binlog_format = 'STATEMENT';")
    instance = harness.millraced()
    instance.start()
    person, hook = by(instance, source), Hook()
    person.create()
    found = person.findings()
    check([item for item, _ in found] == ["binlog_format"] and "binlog_format" in found[0][1], f"{found}")
    source.sql("SET GLOBAL binlog_format = 'ROW';")
    person.start()
    check(person.status()["state"] == "Normal", f"{person.status()}")
    person.make_group()
    source.sql("INSERT INTO shop.orders VALUES (1);")
    time.sleep(1.1)  # the source stamps whole seconds
    second = int(time.time())
    source.sql("INSERT INTO shop.orders VALUES (2); INSERT INTO shop.items VALUES (100);")
    wait_until(lambda: person.status()["captured"]["row_changes"] == 2, 15, person.status)
    wait_until(lambda: sum("INSERT" in json.dumps(r) for r in person.records()) == 2, 10, person.records)
    check(consume(instance, 2) == [1, 2], "not what was written")
    read_to = checkpoint_of(person.group())
    check(read_to is not None and person.group()["lag"]["records"] < 30, f"{person.group()}")
    person.objects("add", "shop.items")
    wait_until(lambda: "follows other objects" in instance.log_text(), 15, instance.tail)
    source.sql("INSERT INTO shop.items VALUES (101); INSERT INTO shop.orders VALUES (3);")
    wait_until(lambda: person.status()["captured"]["row_changes"] == 4, 15, person.status)
    check(person.objects("remove", "shop.items") == ["shop.orders"], "not removed")
    wait_until(lambda: instance.log_text().count("follows other objects") == 2, 15, instance.tail)
    source.sql("INSERT INTO shop.items VALUES (102); INSERT INTO shop.orders VALUES (4);")
    wait_until(lambda: person.status()["captured"]["row_changes"] == 5, 15, person.status)
    check(person.group()["lag"]["records"] > 8, f"no lag: {person.group()}")
    utc = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
    moved = person.move(utc.strftime("%Y-%m-%dT%H:%M:%SZ"))
    check(checkpoint_of(moved) < read_to, f"it was not moved back: {moved}")
    check(consume(instance, 4) == [2, 101, 3, 4], "not read again from there")

    person.alert_to(hook.url)
    subprocess.run([os.path.join(ROOT, "tests/servers"), "stop", "--folder", source.folder], check=True)
    wait_until(lambda: person.status()["state"] == "Error", 25, person.status)
    error = person.status()["error"]
    check(str(source.port) in error["text"] and "connect" in error["text"], f"{error}")
    wait_until(lambda: hook.got, 10, "the alert is told")
    again = subprocess.run([os.path.join(ROOT, "tests/servers"), "start", "mariadb-10.11", "--folder", source.folder],
                           check=True, capture_output=True, text=True)
    check(json.loads(again.stdout)["port"] == source.port, "the source came back elsewhere")
    wait_until(lambda: person.status()["state"] == "Normal", 40, person.status)
    wait_until(lambda: len(hook.got) > 1, 10, "the recovery is told")
    check("broken" in json.dumps(hook.got[0]) and "orders" in json.dumps(hook.got[0]), f"{hook.got}")
    source.sql("INSERT INTO shop.orders VALUES (5);")
    check(consume(instance, 1) == [5], "not what was written behind the Error")
    person.delete()
    check(person.is_gone(), "it is still there")


WAYS = {"cli": ByCli, "rest": ByRest}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in WAYS:
        sys.exit(f"usage: test_story.py {'|'.join(WAYS)}")
    sys.exit(main(story, by=WAYS[sys.argv[1]]))

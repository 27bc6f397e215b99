#!/usr/bin/env python3
"""Goal: everything that a person does with a channel in the console can be done by the command line alone, and by the
REST API alone: make it, find and mend what its check found, start, see changes, make a group, take sample code, read,
see who reads and the lag, move the checkpoint back and read again, change the objects, lose the source and see it
resume, be told of that by a web hook and a mail, delete.

usage: test_story.py cli|rest
"""
import datetime
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import BUILD, ROOT, Skipped, check, checkpoint_of, main, wait_until  # noqa: E402
from sinks import Hook, MailServer  # noqa: E402

CHANNEL = "/v1/channels/orders"
RULES = {"rules": [{"id": "broken", "kind": "error", "hold_s": 0}]}
USER, PASSWORD = "ann-billing", "s3cret-billing"
READING = ["--group", "billing", "--user", USER, "--from-beginning"]


def targets(hook, post):
    return {"targets": [{"id": "hook", "kind": "webhook", "url": hook.url},
                        {"id": "ops", "kind": "mail", "url": post.url, "from": "millrace@shop.example",
                         "to": ["ops@shop.example"]}]}


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

    def sample(self):
        return self.instance.ask("GET", CHANNEL + "/samples/python?group=billing")

    def sees_changes(self):
        """In what the console's chart shows."""
        return max(self.instance.ask("GET", CHANNEL + "/history")["rows_per_s"]) > 0

    def members(self):
        """Of each, whether it is the one that reads."""
        return [member["is_active"] for member in self.group()["members"]]

    def alert_to(self, hook, post):
        self.instance.ask("PUT", "/v1/alert-targets", targets(hook, post))
        self.instance.ask("PUT", CHANNEL + "/alerts", RULES)
        self.instance.ask("POST", "/v1/alert-targets/ops/test")

    def was_told(self):
        return self.instance.ask("GET", "/v1/alerts/log")["notices"]

    def errors(self):
        return [c["error"]["cause"] for c in self.instance.ask("GET", "/v1/channels")["channels"]
                if c["error"]]

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

    def sample(self):
        return self.millrace("channel", "sample", "orders", "python", "--group", "billing")

    def sees_changes(self):
        return "captured  1 row changes, 1 transactions; now " in self.millrace("channel", "status", "orders")

    def members(self):
        said = self.millrace("group", "show", "orders", "--group", "billing")
        return [line.split()[-1] == "active" for line in said.splitlines() if line.startswith("  member")]

    def alert_to(self, hook, post):
        said = self.millrace("alert", "targets", "--set", "-", given=json.dumps(targets(hook, post)))
        check(f"hook                     webhook  on    {hook.url}\n" in said and "to ops@shop.example\n" in said, said)
        said = self.millrace("alert", "rules", "orders", "--set", "-", given=json.dumps(RULES))
        check("broken                   error              -                                         -     0 ms  quiet"
              in said, said)
        self.millrace("alert", "test", "ops")

    def was_told(self):
        said = self.millrace("alert", "log")
        check("ops: delivered, attempts: 1\n" in said, said)
        return self.ask("alert", "log")["notices"]

    def errors(self):
        said = self.millrace("channel", "list")
        check("firing: since 20" in self.millrace("alert", "rules", "orders"), "the table of rules")
        return [line.removeprefix("  error: ") for line in said.splitlines() if line.startswith("  error: ")]

    def records(self):
        said = self.millrace("records", "orders", "--count", "50", "--changes")
        check(all(" INSERT    shop.orders id=" in line for line in said.splitlines()[1:]), said)
        return self.ask("records", "orders", "--count", "50")["records"]

    def delete(self):
        self.millrace("channel", "delete", "orders", given="no\n", code=1)
        self.millrace("channel", "delete", "orders", "--yes")

    def is_gone(self):
        return "no channels" in self.millrace("channel", "list")


def consumer(instance, *words):
    """The command of a real client, as the group."""
    return [BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "consume", "orders",
            *READING, "--timeout", "80", *words], {**os.environ, "MILLRACE_PASSWORD": PASSWORD}


def consume(instance, changes):
    """The ids of the rows that the group gets."""
    command, environment = consumer(instance, "--changes", str(changes))
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    check(done.returncode == 0, f"consume: {done}")
    lines = [json.loads(line)["value"] for line in done.stdout.strip().split("\n")]
    return [line["after"]["id"] for line in lines if line["operation"] == "INSERT"]


def who_reads(harness, instance, person):
    """A member is seen for as long as it is there."""
    command, environment = consumer(instance)
    reader = harness.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: person.members() == [True], 20, person.group)
    reader.terminate()
    reader.wait()
    wait_until(lambda: person.members() == [], 20, person.group)


def told_of_an_error(harness, instance, source, person):
    """The source goes: that is an Error, told by web hook and mail; it comes back: so does the channel, by itself."""
    hook, post = Hook(), MailServer()
    person.alert_to(hook, post)
    wait_until(lambda: len(post.got) == 1 and "this is a test" in post.got[0][1], 10, lambda: f"{post.got}")
    subprocess.run([os.path.join(ROOT, "tests/servers"), "stop", "--folder", source.folder], check=True)
    wait_until(lambda: person.status()["state"] == "Error", 25, person.status)
    error = wait_until(lambda: person.status()["error"], 20, person.status)
    check(str(source.port) in error["cause"] and "connect" in error["cause"] and error["what_to_do"], f"{error}")
    wait_until(lambda: hook.got and len(post.got) == 2, 10, lambda: f"the alert is told: {hook.got}, {post.got}")
    firing = hook.notices()[0]
    check((firing["state"], firing["channel"], firing["rule"]) == ("firing", "orders", "broken"), f"{firing}")
    check(error["cause"][:40] in firing["text"] and error["what_to_do"] in firing["text"], f"not what to do: {firing}")
    envelope, mail = post.got[1]
    check("RCPT TO:<ops@shop.example>" in envelope and "Subject: [millrace] firing: channel orders" in mail, f"{mail}")
    wait_until(lambda: "cannot connect" in "".join(person.errors()), 20, person.errors)
    again = subprocess.run([os.path.join(ROOT, "tests/servers"), "start", "mariadb-10.11", "--folder", source.folder],
                           check=True, capture_output=True, text=True)
    check(json.loads(again.stdout)["port"] == source.port, "the source came back elsewhere")
    wait_until(lambda: person.status()["state"] == "Normal", 40, person.status)
    wait_until(lambda: len(hook.got) == 2 and len(post.got) == 3, 10, "the recovery is told")
    check(hook.notices()[1]["state"] == "recovered" and "recovered: channel orders" in post.got[2][1], f"{post.got}")
    wait_until(lambda: [n["state"] for n in person.was_told()] == ["test", "firing", "recovered"], 10, person.was_told)


def story(harness, by):
    if by is ByCli and not os.path.exists(BUILD + "/cli/millrace"):
        raise Skipped("needs the millrace command")
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY);"
               "CREATE TABLE shop.items (id INT PRIMARY KEY); SET GLOBAL binlog_format = 'STATEMENT';")
    instance = harness.millraced()
    instance.start()
    person = by(instance, source)
    person.create()
    found = person.findings()
    check([item for item, _ in found] == ["binlog_format"] and "binlog_format" in found[0][1], f"{found}")
    source.sql("SET GLOBAL binlog_format = 'ROW';")
    person.start()
    check(person.status()["state"] == "Normal", f"{person.status()}")
    person.make_group()
    code = person.sample()
    check(all(f'"{word}"' in code for word in (instance.bootstrap, "orders", "billing")) and PASSWORD not in code, code)
    source.sql("INSERT INTO shop.orders VALUES (1);")
    wait_until(person.sees_changes, 15, person.status)
    time.sleep(1.1)  # the source stamps whole seconds
    second = int(time.time())
    source.sql("INSERT INTO shop.orders VALUES (2); INSERT INTO shop.items VALUES (100);")
    wait_until(lambda: person.status()["captured"]["row_changes"] == 2, 15, person.status)
    wait_until(lambda: sum("INSERT" in json.dumps(r) for r in person.records()) == 2, 10, person.records)
    check(consume(instance, 2) == [1, 2], "not what was written")
    read_to = checkpoint_of(person.group())
    check(read_to is not None and person.group()["lag"]["records"] < 30, f"{person.group()}")
    who_reads(harness, instance, person)
    read_to = max(read_to, checkpoint_of(person.group()))
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
    told_of_an_error(harness, instance, source, person)
    source.sql("INSERT INTO shop.orders VALUES (5);")
    check(consume(instance, 1) == [5], "not what was written behind the Error")
    person.delete()
    check(person.is_gone(), "it is still there")


WAYS = {"cli": ByCli, "rest": ByRest}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in WAYS:
        sys.exit(f"usage: test_story.py {'|'.join(WAYS)}")
    sys.exit(main(story, by=WAYS[sys.argv[1]]))

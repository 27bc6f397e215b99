#!/usr/bin/env python3
"""Goal: what operators have at hand works and says the truth: Kafka's own tools, of 3.9 and 4.3, and kcat.  Topics and
offsets; groups listed, described, moved to a time, an offset, the ends, by a count, and deleted; a busy group keeps its
checkpoint.  VerifiableConsumer, Kafka's test of rebalances: one of two members owns the partition, and the other goes
on at the commit when the first is killed.

usage: test_admin.py [RELEASE]      3.9 or 4.3
"""
import datetime
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from clients import HERE, JAVA, all_clients, fetch
from harness import BUILD, Failed, check, checkpoint_of, main, wait_until
from test_matrix import Driver, Reference, fill, group_of, run_driver

GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
ANSWER_TIMEOUT_S = 60


class Tools:
    """Kafka's tools of one release (java/Tools.java)."""

    def __init__(self, harness, instance, release):
        self.jars, self.bootstrap = fetch.folder_of("kafka-" + release) + "/jars/*", instance.bootstrap
        self.process = subprocess.Popen(JAVA + ["-cp", self.jars, HERE + "/java/Tools.java"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        harness.processes.append(self.process)

    def run(self, tool, *words):
        """(exit code, lines without the complaints about logging)"""
        self.process.stdin.write("\t".join([tool, "--bootstrap-server", self.bootstrap, *words]) + "\n")
        self.process.stdin.flush()
        killer = threading.Timer(ANSWER_TIMEOUT_S, self.process.kill)
        killer.start()
        lines = []
        for line in self.process.stdout:
            line = line.strip()
            if line.startswith("exit "):
                killer.cancel()
                return int(line.split()[1]), lines
            if line and not line.startswith(("SLF4J:", "log4j:")):
                lines.append(line)
        killer.cancel()
        raise Failed(f"{tool} {' '.join(words)} did not end: {lines}")

    def rows(self, tool, *words):
        """The table that a command prints, as a list of dictionaries."""
        code, lines = self.run(tool, *words)
        head = next((i for i, line in enumerate(lines) if line.startswith("GROUP")), None)
        check(code == 0 and head is not None and not any(line.startswith("Error") for line in lines),
              f"{words}: {lines}")
        if "NEW-OFFSET " in lines[head]:  # 3.9 forgets to end the line
            lines[head:head + 1] = lines[head].replace("NEW-OFFSET ", "NEW-OFFSET\n").split("\n")
        names = lines[head].replace("COORDINATOR (ID)", "COORDINATOR ID").split()
        return [dict(zip(names, line.split())) for line in lines[head + 1:]]


def check_topics(tools, reference):
    check(tools.run(TOPICS, "--list") == (0, ["__consumer_offsets", "matrix"]), "kafka-topics --list")
    code, lines = tools.run(TOPICS, "--describe", "--topic", "matrix")
    words = " ".join(" ".join(lines).split())
    check(code == 0 and "PartitionCount: 1 ReplicationFactor: 1" in words and
          "Topic: matrix Partition: 0 Leader: 1 Replicas: 1 Isr: 1" in words, f"kafka-topics --describe: {lines}")
    for kind, name, setting in (("topics", "matrix", "cleanup.policy=delete"),
                                ("brokers", "1", "log.retention.hours=")):
        code, lines = tools.run(CONFIGS, "--describe", "--entity-type", kind, "--entity-name", name, "--all")
        check(code == 0 and any(line.startswith(setting) for line in lines), f"kafka-configs of {kind}: {lines}")
    for what, time, offset in (("the end", "-1", reference.end), ("the start", "-2", 0),
                               ("a time", str(reference.time_ms), reference.time_offset)):
        answer = tools.run(OFFSETS, "--topic", "matrix", "--time", time)
        check(answer == (0, [f"matrix:0:{offset}"]), f"kafka-get-offsets of {what}, {offset}: {answer}")


def check_busy_group(tools, instance, reference, group):
    """With one member, a librdkafka."""
    check(tools.run(GROUPS, "--list")[1].count(group) == 1, "kafka-consumer-groups --list")
    listed = {row["GROUP"]: row["STATE"] for row in tools.rows(GROUPS, "--list", "--state")}
    check(listed.get(group) == "Stable", f"--list --state: {listed}")
    row, = tools.rows(GROUPS, "--describe", "--group", group)
    wanted = {"GROUP": group, "TOPIC": "matrix", "PARTITION": "0", "CURRENT-OFFSET": str(reference.commit),
              "LOG-END-OFFSET": str(reference.end), "LAG": str(reference.end - reference.commit),
              "HOST": "/127.0.0.1", "CLIENT-ID": "rdkafka"}
    check({name: row[name] for name in wanted} == wanted and row["CONSUMER-ID"].startswith("rdkafka-"),
          f"--describe: {row}")
    state, = tools.rows(GROUPS, "--describe", "--group", group, "--state")
    check([state[name] for name in ("COORDINATOR", "ID", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS")] ==
          [instance.bootstrap, "(1)", "range", "Stable", "1"], f"--describe --state: {state}")
    member, = tools.rows(GROUPS, "--describe", "--group", group, "--members", "--verbose")
    check(member["#PARTITIONS"] == "1", f"--describe --members: {member}")
    _, refused = tools.run(GROUPS, "--reset-offsets", "--group", group, "--topic", "matrix", "--to-earliest",
                           "--execute")
    check("current state is Stable" in refused[0], f"--reset-offsets of a busy group: {refused}")
    _, refused = tools.run(GROUPS, "--delete", "--group", group)
    check("GroupNotEmptyException" in "".join(refused), f"--delete of a busy group: {refused}")
    check(checkpoint_of(group_of(instance, "matrix", group)) == reference.commit, "it was moved all the same")


def check_idle_group(tools, instance, reference, group):
    when = datetime.datetime.fromtimestamp(reference.time_ms / 1000, datetime.timezone.utc)
    for how, offset in ((["--to-datetime", when.strftime("%Y-%m-%dT%H:%M:%S.000")], reference.time_offset),
                        (["--to-offset", "17"], 17), (["--to-latest"], reference.end),
                        (["--shift-by", "-10"], reference.end - 10), (["--to-earliest"], 0),
                        (["--shift-by", "25"], 25)):
        rows = tools.rows(GROUPS, "--reset-offsets", "--group", group, "--topic", "matrix", *how, "--execute")
        check(rows == [{"GROUP": group, "TOPIC": "matrix", "PARTITION": "0", "NEW-OFFSET": str(offset)}],
              f"--reset-offsets {how}: {rows}")
        committed = checkpoint_of(group_of(instance, "matrix", group))
        check(committed == offset, f"--reset-offsets {how}: the group stands at {committed} and not at {offset}")
    code, lines = tools.run(GROUPS, "--delete-offsets", "--group", group, "--topic", "matrix")
    check("Successful" in " ".join(lines), f"--delete-offsets: {lines}")
    check(checkpoint_of(group_of(instance, "matrix", group)) is None, "the checkpoint is still there")
    _, lines = tools.run(GROUPS, "--delete", "--group", group)
    check("was successful" in " ".join(lines), f"--delete: {lines}")
    check(group not in tools.run(GROUPS, "--list")[1], "the group is still listed")
    _, lines = tools.run(GROUPS, "--delete", "--group", group)
    check("GroupIdNotFoundException" in " ".join(lines), f"--delete of no group: {lines}")


class Verifiable:
    """A VerifiableConsumer; `events` are its JSON lines."""

    def __init__(self, harness, tools, group, release):
        self.events = []
        self.process = subprocess.Popen(
            JAVA + ["-cp", tools.jars, "org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server",
                    tools.bootstrap, "--group-id", group, "--topic", "matrix", "--session-timeout", "6000",
                    "--reset-policy", "earliest"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        harness.processes.append(self.process)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.events.append(json.loads(line))

    def of(self, name):
        return [event for event in self.events if event["name"] == name]

    def owns(self):
        """Whether its last word on the partition was that it has it."""
        words = [event for event in self.events if event["name"] in ("partitions_assigned", "partitions_revoked")]
        return any(event["name"] == "partitions_assigned" and event["partitions"] for event in words[-1:])


def check_rebalance(harness, tools, instance, reference, group, release):
    def committed():
        return checkpoint_of(group_of(instance, "matrix", group))
    members = [Verifiable(harness, tools, group, release) for _ in range(2)]
    wait_until(lambda: sorted(m.owns() for m in members) == [False, True] and committed() == reference.end and
               (group_of(instance, "matrix", group) or {}).get("member_count") == 2, 60,
               lambda: f"one of two owns the partition: {[m.events[-5:] for m in members]}")
    owner, standby = sorted(members, key=Verifiable.owns, reverse=True)

    def read():  # what it says of that may come behind what the server knows
        return [(record["minOffset"], record["maxOffset"]) for m in members for event in m.of("records_consumed")
                for record in event["partitions"]]
    wait_until(lambda: min((low for low, _ in read()), default=-1) == 0 and
               max(high for _, high in read()) == reference.end - 1, 20, lambda: f"read: {read()}")
    for event in [event for m in members for event in m.of("offsets_committed")]:
        check(event["success"], f"a commit failed: {event}")
    owner.process.kill()
    wait_until(standby.owns, 40, lambda: f"the other takes over: {standby.events[-5:]}")
    standby.process.terminate()
    standby.process.wait(120)
    standby.reader.join(60)  # all that it said
    check(standby.of("shutdown_complete"), "it does not end in order")
    check(committed() == reference.end, f"the checkpoint after the take-over: {committed()}")


def check_release(harness, instance, reference, release):
    tools, group = Tools(harness, instance, release), "tools-" + release
    client = next(client for client, _ in all_clients(BUILD) if client.name.startswith("librdkafka"))
    driver = Driver(harness, client, None, {"MILLRACE_BOOTSTRAP": instance.bootstrap, "MILLRACE_TOPIC": "matrix",
                                            "MILLRACE_GROUP": group, "MILLRACE_END": str(reference.end),
                                            "MILLRACE_COMMIT": str(reference.commit)})
    driver.expect(reference.lines + [f"committed {reference.commit}"])
    check_topics(tools, reference)
    check_busy_group(tools, instance, reference, group)
    driver.end()
    wait_until(lambda: group_of(instance, "matrix", group)["state"] == "Empty", 10, "the group is empty")
    check_idle_group(tools, instance, reference, group)
    tools.process.stdin.close()
    check_rebalance(harness, tools, instance, reference, "verifiable-" + release, release)


def kcat(instance, *words):
    return subprocess.run(["kcat", "-b", instance.bootstrap, *words], capture_output=True, text=True, check=True).stdout


def check_kcat(instance, reference):
    listing = json.loads(kcat(instance, "-L", "-J"))
    check([broker["name"] for broker in listing["brokers"]] == [instance.bootstrap], f"kcat -L: {listing['brokers']}")
    topic, = [topic for topic in listing["topics"] if topic["topic"] != "__consumer_offsets"]
    check(topic["topic"] == "matrix" and [(p["partition"], p["leader"]) for p in topic["partitions"]] == [(0, 1)],
          f"kcat -L: {topic}")
    for time, offset in ((reference.time_ms, reference.time_offset), (-1, reference.end), (-2, 0)):
        answer = kcat(instance, "-Q", "-t", f"matrix:0:{time}").strip()
        check(answer == f"matrix [0] offset {offset}", f"kcat -Q at {time}, {offset}: {answer}")
    from_time = kcat(instance, "-C", "-q", "-e", "-t", "matrix", "-p", "0", "-o", f"s@{reference.time_ms}", "-f",
                     "%o\n")
    check(list(map(int, from_time.split())) == list(range(reference.time_offset, reference.end)), "kcat -o s@TIME")
    members = [kcat(instance, "-G", "kcat", "-c", str(count), "-X", "auto.offset.reset=earliest", "-f", "%o\n",
                    "matrix") for count in (100, 50)]
    seen = [list(map(int, text.split())) for text in members]
    check(seen == [list(range(100)), list(range(100, 150))], f"kcat -G twice: {[(s[:1], s[-1:]) for s in seen]}")


def test_admin(harness):
    harness.run_driver = lambda *how: run_driver(harness, *how)
    releases = sys.argv[1:] or ["3.9", "4.3"]
    source = harness.source()
    instance = harness.millraced()
    instance.start()
    fill(source, instance)
    instance.ask("POST", "/v1/channels/matrix/stop")  # no heartbeats: its end stands still
    wait_until(lambda: instance.status("matrix")["state"] == "Not Started", 30, "the channel stops")
    reference = Reference(instance, "matrix")
    with ThreadPoolExecutor() as pool:
        running = {release: pool.submit(check_release, harness, instance, reference, release) for release in releases}
        check_kcat(instance, reference)
        for release, future in running.items():
            try:
                future.result()
            except fetch.servers.Unavailable as why:
                print(f"skipped: Kafka's tools of {release}: {why}")


if __name__ == "__main__":
    os.environ.update({"LANG": "C.UTF-8", "TZ": "UTC"})
    sys.exit(main(test_admin))

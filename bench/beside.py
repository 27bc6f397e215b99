"""bench/beside.py -- capture beside what people would use instead, on binlogs of real shapes (workloads/).

Every system reads the same binlog from the same server from its start.  Its readers count what they got and add up the
keys: all must say the same of the same number of row changes.
"""
import json
import os
import subprocess

from harness import BUILD, Failed, Skipped, check
import live
from measure import machine
import workloads
from peers import fetch
from kafka_broker import DELIVERED, DELIVERED_JAVA, Broker, wait_for_listing

DECODE = ["mariadb-binlog", "-v", "--base64-output=decode-rows"]
TURNS = {True: 2, False: 3}
SHAPES = {True: ("oltp", "bulk"), False: workloads.SHAPES}
CHANGES = {True: 200_000, False: 1_600_000}
BYTES_PER_CHANGE = 8000  # of binlog, tables, our log and Kafka's, at most
# How many row changes the slow ones are given, the first of the same binlog: (quick, full).
PREFIX = {"Debezium into Kafka": (60_000, 400_000), "python-mysql-replication": (20_000, 150_000)}
WARM_CHANGES = 30_000
KAFKA = "3.9"


def cpu_seconds_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def said_by(command, env=None):
    """The JSON line that a reader prints."""
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    check(done.returncode == 0, f"{os.path.basename(command[0])} ended with {done.returncode}: {done.stderr[-600:]}")
    return json.loads(done.stdout)


def sums_of(answer):
    return {name: answer[name] for name in ("inserts", "updates", "deletes", "id_sum")}


class Peer:
    """A system that reads the binlog `file` of `source`.  run() returns seconds, cpu_seconds, and the sums where it has
    them."""

    def __init__(self, harness, source, file):
        facts = source.facts
        self.harness, self.source, self.file = harness, source, file
        self.words = ["127.0.0.1", str(source.port), facts["user"], facts["password"], file]


class NullClient(Peer):
    name, settings = "null client", "takes the dump and throws it away: the limit"

    def run(self, changes, turn):
        return live.null_client(self.source, self.file)


class MariadbBinlog(Peer):
    name, settings = "mariadb-binlog -v", "reads the file itself, without the server; its text goes to /dev/null"

    def run(self, changes, turn):
        command = [*DECODE, f"{self.source.folder}/data/{self.file}"]
        if turn == 0:  # counted once, and not in the time
            text = subprocess.run([*command], capture_output=True, text=True, errors="replace")
            marks = {"inserts": "### INSERT INTO", "updates": "### UPDATE", "deletes": "### DELETE FROM"}
            seen = sum(line.startswith(tuple(marks.values())) for line in text.stdout.split("\n"))
            if text.returncode != 0 or seen != changes:
                raise Skipped(f"it reads {seen} of {changes} row changes: {text.stderr.strip()[-200:]}")
        return live.timed(command)


class GoMysql(Peer):
    def __init__(self, harness, source, file):
        super().__init__(harness, source, file)
        self.program = fetch.folder_of("go-mysql") + "/read_go"

    def run(self, changes, turn):
        return said_by([self.program, self.name.split()[1], *self.words, str(changes)])


class GoReplication(GoMysql):
    name = "go-mysql replication"
    settings = "1.13.0, rows decoded, keys added up, thrown away"


class GoCanal(GoMysql):
    name = "go-mysql canal"
    settings = "1.13.0, rows with their tables, keys added up, thrown away"


class Python(Peer):
    name = "python-mysql-replication"
    settings = "1.0.17, rows decoded, keys added up, thrown away"

    def __init__(self, harness, source, file):
        super().__init__(harness, source, file)
        self.folder = fetch.folder_of("python-mysql-replication")

    def run(self, changes, turn):
        return said_by([fetch.fetch.PYTHON, self.folder + "/python/read_python.py", *self.words, str(changes)],
                       dict(os.environ, PYTHONPATH=self.folder + "/site"))


class Debezium(Peer):
    """One JVM a run, warmed; one Kafka for all runs."""
    name = "Debezium into Kafka"
    settings = (f"3.0.8 embedded (its engine of threads), JSON without schemas, batches of 8192, 2 GiB heap, warmed by "
                f"{WARM_CHANGES} changes; one topic of Kafka {KAFKA} as it is delivered, with 1 GiB heap; from its "
                "first row change to the last acknowledgement")
    broker = None

    def __init__(self, harness, source, file):
        super().__init__(harness, source, file)
        self.folder = fetch.folder_of("debezium")
        self.gtid_set = source.sql("SELECT @@server_uuid").strip() + ":1"
        if Debezium.broker is None:
            Debezium.broker = Broker(harness, KAFKA, DELIVERED_JAVA, DELIVERED + "auto.create.topics.enable=true\n")
            wait_for_listing(Debezium.broker)

    def run(self, changes, turn):
        broker, facts = Debezium.broker, self.source.facts
        topic = f"changes-{self.source.port}-{turn}"
        warm = min(WARM_CHANGES, changes)
        with open(self.harness.folder + "/debezium.log", "w") as log:
            child = self.harness.run(
                ["java", "-Xms2g", "-Xmx2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                 f"{self.folder}/classes:{self.folder}/jars/*", "DebeziumToKafka", "127.0.0.1", str(self.source.port),
                 facts["admin_user"], facts["admin_password"], self.file, self.gtid_set, f"127.0.0.1:{broker.port}",
                 topic + "-warm", str(warm), topic, str(changes)], stdout=subprocess.PIPE, stderr=log, text=True)
            marks = []
            for line in child.stdout:
                if line.startswith("{"):
                    marks.append((json.loads(line), cpu_seconds_of(broker.process.pid)))
            child.wait()
        if child.returncode != 0 or len(marks) != 2:
            with open(self.harness.folder + "/debezium.log") as f:
                raise Failed(f"Debezium ended with {child.returncode}: {f.read()[-1500:]}")
        (begin, kafka_begin), (end, kafka_end) = marks
        answer = said_by([BUILD + "/bench/consume", f"127.0.0.1:{broker.port}", topic, "debezium", str(changes)])
        return {**answer, "seconds": (end["end"] - begin["begin"]) / 1e9,
                "cpu_seconds": end["cpu_seconds"] - begin["cpu_seconds"] + kafka_end - kafka_begin,
                "kafka_cpu_seconds": kafka_end - kafka_begin}


TAKEN_UP = "millrace, taken up"


class Millrace:
    """One millraced, and a channel for each way and turn."""
    WAYS = {"millrace": "written", "millrace, durable": "durable", TAKEN_UP: "written"}

    def __init__(self, harness, source, turns):
        """Before the work: a channel that is taken up followed its source until then, and was stopped."""
        self.source, self.sums, self.transactions = source, {}, None
        self.instance = harness.millraced()
        self.instance.start()
        for turn in range(turns):
            topic = self.make_channel(TAKEN_UP, turn)
            self.instance.start_channel(topic)
            live.stop_channel(self.instance, topic)

    def make_channel(self, way, turn):
        topic = self.topic(way, turn)
        live.make_channel(self.instance, self.source, topic, self.WAYS[way])
        return topic

    @staticmethod
    def topic(way, turn):
        return f"{way}-{turn}".replace(", ", "-").replace(" ", "-")

    def consumed(self, topic, changes):
        """What a consumer of Kafka's protocol gets that reads so many row changes."""
        return said_by([BUILD + "/bench/consume", self.instance.bootstrap, topic, "dts-avro", str(changes)])

    def run(self, way, changes, turn):
        """Leaves in `sums` what a consumer must have got of the first n row changes, for each n that a peer reads."""
        topic = self.topic(way, turn) if way == TAKEN_UP else self.make_channel(way, turn)

        def look():
            for count in [n for n, sums in self.sums.items() if sums is None or n == changes]:
                got = self.consumed(topic, count)
                check(self.sums[count] in (None, got), f"{way}: {got}, and before {self.sums[count]}")
                self.sums[count] = got
        seconds, cpu, log_bytes = live.capture_once(self.instance, topic, changes, self.transactions, look)
        return {"seconds": seconds, "cpu_seconds": sum(cpu.values()), "log_bytes": log_bytes,
                "cpu_seconds_by_thread": cpu}


PEERS = (NullClient, MariadbBinlog, GoReplication, GoCanal, Debezium, Python)


def say(**line):
    print(json.dumps(line), flush=True)


def peers_of(harness, source, file, counts, is_first):
    """Those that can be had; what they are, and why others cannot, is said once."""
    for kind in PEERS:
        try:
            yield kind(harness, source, file)
            if is_first:
                say(peer=kind.name, settings=f"{kind.settings}; it reads the first {counts[kind.name]} row changes")
        except fetch.servers.Unavailable as why:
            if is_first:
                say(peer=kind.name, left_out=str(why))


def bench_capture_peers(harness, quick):
    """The same binlogs of real shapes, by millrace and by what people would use instead, in turns."""
    say(note="millrace and Kafka keep what they read, all others throw it away. Neither waits for the disk; "
             "\"millrace, durable\" shows nothing before it is flushed. Nobody speaks TLS to the source. A new channel "
             "that begins in the past (\"millrace\") reads the backlog twice, the first time for the statements that "
             "change tables; one that was stopped and is started again (\"millrace, taken up\") knows its tables and "
             "reads it once. Clocks start with millrace's order to start, with the others' request for the binlog, and "
             "for Debezium with its first row change.")
    changes = min(CHANGES[quick], machine.half_of_free_bytes(harness.folder) // BYTES_PER_CHANGE)
    for shape in SHAPES[quick]:
        source = harness.source("mysql-9.7")
        workloads.prepare(source, shape)
        ours = Millrace(harness, source, TURNS[quick])
        rows, ours.transactions = workloads.work(source, shape, changes)
        file = source.sql("SHOW BINARY LOGS").split()[0]
        live.null_client(source, file)  # the first reading warms the page cache, and the server's cache of passwords
        counts = {kind.name: min(rows, PREFIX.get(kind.name, (rows, rows))[not quick]) for kind in PEERS}
        peers = list(peers_of(harness, source, file, counts, shape == "oltp"))
        ours.sums = dict.fromkeys([rows, *counts.values()])
        for turn in range(TURNS[quick]):
            for way in ours.WAYS:
                os.sync()  # what others have not written back yet would be in this one's way
                run = ours.run(way, rows, turn)
                live.rate("capture_peers", turn, way, run, shape, rows, log_bytes=run["log_bytes"],
                          cpu_seconds_by_thread=run["cpu_seconds_by_thread"])
            for peer in list(peers):
                count = counts[peer.name]
                os.sync()
                try:
                    answer = peer.run(count, turn)
                except Skipped as why:
                    say(note=f"{shape}: {peer.name} is left out: {why}")
                    peers.remove(peer)
                    continue
                if "id_sum" in answer:
                    check(sums_of(answer) == ours.sums[count],
                          f"{peer.name} saw {sums_of(answer)}, and millrace {ours.sums[count]}")
                live.rate("capture_peers", turn, peer.name, answer, shape, count)
        ours.instance.stop()
        source.stop()

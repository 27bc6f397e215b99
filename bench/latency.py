"""bench/latency.py -- from the commit at the source to a consumer, beside Debezium into Apache Kafka.

One source, followed by all; one client commits at a steady rate and consumes, from one topic a turn (latency_client.c).
Whoever has not his turn is stopped (SIGSTOP); before it comes he reads up what he missed, and a second more is not
counted.  Kafka's and the source's patience is set so that nobody takes who is stopped for dead.
"""
import itertools
import json
import os
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "clients")]
from harness import BUILD, Failed, check, wait_until  # noqa: E402
from live import last_offset, report, threads_of  # noqa: E402
from kafka_broker import DELIVERED, DELIVERED_JAVA, Broker, wait_for_listing  # noqa: E402
from peers import fetch  # noqa: E402
from test_dpdk import SERVER  # noqa: E402
import apart  # noqa: E402

TOPIC = "ticks"
WARM_ROWS_PER_S, WARM_S = 2000, {True: 10, False: 30}  # so that Java's compiler has seen it all
WRITERS = 8
DEBEZIUM = ("3.0.8 embedded, JSON without schemas, poll.interval.ms 1, linger.ms 0, acks all, 2 GiB heap, warmed up; "
            "one topic of Kafka 3.9 as it is delivered, with 1 GiB heap")


class Millrace:
    """A millraced of its own with one channel.  Clients come from loopback."""
    name, visible, settings = "millrace", "written", {}
    address, port = "127.0.0.1", None  # None: as the harness has it

    def __init__(self, harness, source):
        self.instance = harness.millraced(**self.settings)
        self.instance.start()
        self.instance.create_channel(TOPIC, source, ["shop.*"], visible=self.visible,
                                     tls={"mode": "off"})  # as Debezium's here
        self.instance.start_channel(TOPIC)
        self.port, self.processes = self.port or self.instance.kafka_port, [self.instance.process]


class MillraceDurable(Millrace):
    name, visible = "millrace, durable", "durable"


class MillracePastKernel(Millrace):
    """Clients come from the kernel's end of a veth pair; DPDK has the other."""
    name, address, port = "millrace, past the kernel", SERVER, 9092

    def __init__(self, harness, source):
        self.settings = {
            "listeners": [{"name": "past", "network": "dpdk", "address": self.address, "port": self.port,
                           "accept_anyone": "true"}],
            "dpdk_device": "net_af_packet0,iface=server", "dpdk_address": self.address + "/24",
            "dpdk_huge_pages": "false", "memory_max_bytes": 10 << 28}
        try:
            super().__init__(harness, source)
        except Failed as why:
            if "this build has no DPDK port" not in str(why):
                raise
            raise fetch.servers.Unavailable("this build has no DPDK port") from why


class Debezium:
    name, address = "Debezium into Kafka", "127.0.0.1"

    def __init__(self, harness, source):
        folder, facts = fetch.folder_of("debezium"), source.facts
        begin = [source.sql("SHOW BINARY LOGS").split()[0], source.sql("SELECT @@server_uuid").strip() + ":1"]
        broker = Broker(harness, "3.9", DELIVERED_JAVA, DELIVERED + "auto.create.topics.enable=true\n" +
                        "broker.session.timeout.ms=3600000\n")
        wait_for_listing(broker)
        self.log = harness.folder + "/debezium.log"
        with open(self.log, "w") as log:
            child = harness.run(
                ["java", "-Xms2g", "-Xmx2g", "-Dlinger.ms=0", "-Dpoll.interval.ms=1",
                 "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{folder}/classes:{folder}/jars/*",
                 "DebeziumToKafka", "127.0.0.1", str(source.port), facts["admin_user"], facts["admin_password"], *begin,
                 f"127.0.0.1:{broker.port}", TOPIC + "-warm", "1", TOPIC, str(1 << 60)], stdout=log, stderr=log)
        self.port, self.processes = broker.port, [child, broker.process]
        wait_until(self.is_following, 120, lambda: f"Debezium sends to Kafka: {self.words()}")
        print(json.dumps({"peer": self.name, "version": "3.0.8, Kafka 3.9", "settings": DEBEZIUM}), flush=True)

    def is_following(self):
        check(self.processes[0].poll() is None, f"Debezium ended: {self.words()}")
        return last_offset(self.port, TOPIC) is not None

    def words(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-1500:]


def signalled(systems, what):
    for system in systems:
        for process in system.processes:
            os.kill(process.pid, what)


def cpu_seconds(system):
    return sum(sum(threads_of(process.pid).values()) for process in system.processes)


def follow(source, system, run, per_second, seconds):
    """Rows through this system alone; the figures."""
    facts, before = source.facts, cpu_seconds(system)
    done = subprocess.run(
        [BUILD + "/bench/latency_client", str(source.port), facts["admin_user"], facts["admin_password"],
         system.address, str(system.port), TOPIC,
         str((last_offset(system.port, TOPIC, system.address) or -1) + 1), f"run{run}",
         str(per_second), str(seconds), str(WRITERS)], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"{system.name} at {per_second}/s: not every row came once: {done.stdout}")
    got = json.loads(done.stdout)
    return {**got, "cpu_us_per_row": round((cpu_seconds(system) - before) * 1e6 / got["rows"], 1)}


def bench_latency(harness, quick):
    """Commit at the source to receipt in a consumer, at steady rates, beside Debezium into Apache Kafka."""
    print(json.dumps({"note": (
        "From when a one-row transaction was due at the source to when the consumer has received its record, the "
        "source's own time for the commit included (commit_*); after_*: from the source's answer to the commit. "
        "`millrace` shows what is written and not yet flushed, as Kafka does; `millrace, durable` waits for the disk. "
        "The same consumer for all: one connection, Fetch 11; each row must come exactly once. `millrace, past the "
        "kernel` serves by DPDK over one end of a veth pair (the af_packet driver, resting between packets), as "
        "`millrace` does over loopback.")}), flush=True)
    kinds = [Millrace, MillraceDurable, MillracePastKernel, Debezium]
    if not apart.enter(apart.PAIR, harness.folder + "/sys", lambda: fetch.servers.server_files("mysql-9.7"),
                       lambda: fetch.folder_of("debezium"), lambda: fetch.fetch.folder_of("kafka-3.9")):
        kinds.remove(MillracePastKernel)
        print(json.dumps({"peer": MillracePastKernel.name, "left_out":
                          "it needs a pair of network devices, which is for root alone"}), flush=True)
    source = harness.source("mysql-9.7")
    source.sql("CREATE DATABASE shop; "
               "CREATE TABLE shop.ticks (id BIGINT PRIMARY KEY AUTO_INCREMENT, mark VARCHAR(80)); "
               "SET GLOBAL net_write_timeout = 3600; RESET BINARY LOGS AND GTIDS; "
               "INSERT INTO shop.ticks (mark) VALUES ('the first'); "
               "INSERT INTO shop.ticks (mark) VALUES ('the second');")
    systems = []
    for kind in kinds:
        try:
            systems.append(kind(harness, source))
        except fetch.servers.Unavailable as why:
            print(json.dumps({"peer": kind.name, "left_out": str(why)}), flush=True)
    runs = itertools.count()
    for system in systems:
        follow(source, system, next(runs), WARM_ROWS_PER_S, WARM_S[quick])
    signalled(systems, signal.SIGSTOP)
    try:
        for per_second in (1000,) if quick else (100, 1000, 10000):
            for turn in range(2 if quick else 5):
                for system in systems:
                    os.sync()  # what others have not written back yet would be in this one's way to the disk
                    signalled([system], signal.SIGCONT)
                    follow(source, system, next(runs), per_second, 1)
                    got = follow(source, system, next(runs), per_second, 4 if quick else 15)
                    signalled([system], signal.SIGSTOP)
                    report("latency", system=system.name, turn=turn, per_second=per_second, **got)
    finally:
        signalled(systems, signal.SIGCONT)

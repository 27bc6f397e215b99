"""bench/fanout.py -- many groups read the same records from millrace and from Apache Kafka, in turns.

The same batches are written to each (fanout_feed.c), and the same counting client reads them (fanout_client.c):
from the start (`fanout_start`), once when nothing of it is in memory (`fanout_cold`), and at the tail while more come
(`fanout_tail`); genuine clients read them, too (`fanout_clients`).  The server's CPU is that of its whole process.
"""
import functools
import json
import os
import struct
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "clients")]
from harness import BUILD, check  # noqa: E402
from kafka_broker import DELIVERED, DELIVERED_JAVA, Broker, fetch, wait_for_listing  # noqa: E402
from live import kafka_ask, report  # noqa: E402
import apart  # noqa: E402
import fanout_clients  # noqa: E402

RELEASES = ("3.9", "4.3")
TOPIC = "bench"
HOT_MIB, COLD_MIB = 512, 16  # millrace's hot tail
START_BATCH_BYTES, TAIL_BATCH_BYTES = 65536, 4096
WARM_S = {True: 8, False: 20}  # a JVM's, for each of the two ways
COLD_FILL_MIB, COLD_READ_MIB = 2048, 16384  # what is there, and what all groups together read of it
COLD_GROUPS_MAX = 64  # each of them reads four times what millrace's reader caches: so it is cold in every turn
TAIL_BYTES_PER_S = 60e6  # to all groups together: what two busy cores carry well, clients included


class Millrace:
    """The serving half of millraced, with the settings of a channel that is `visible: written`: Kafka does not wait for
    the disk either."""
    name, kind = "millrace", "millrace"

    def __init__(self, harness, store):
        self.store = store
        self.process = subprocess.Popen(
            [BUILD + "/bench/fanout_server", f"{harness.folder}/{store}", "written",
             str(HOT_MIB if store == "hot" else COLD_MIB)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ports = json.loads(self.process.stdout.readline())
        self.pid, self.port, self.feed_port = self.process.pid, ports["kafka"], ports["feed"]

    def forget(self):
        """What is cold lies behind a hot tail of 16 MiB and is read past the page cache."""

    def stop(self):
        self.process.stdin.close()
        check(self.process.wait(60) == 0, "fanout_server ended badly")


class Kafka:
    kind = "kafka"

    def __init__(self, harness, release):
        self.broker = Broker(harness, release, DELIVERED_JAVA, DELIVERED)
        self.name, self.version = "kafka-" + release, fetch.KAFKA_RELEASES["kafka-" + release]
        self.pid, self.port = self.broker.process.pid, self.broker.port
        self.feed_port = self.port
        wait_for_listing(self.broker)
        topic = struct.pack(">h", len(TOPIC)) + TOPIC.encode()
        made = kafka_ask(self.port, 19, 2, struct.pack(">i", 1) + topic + struct.pack(">ihii", 1, 1, 0, 0) +
                         struct.pack(">ib", 20000, 0))
        check(made is not None and struct.unpack_from(">h", made, 8 + len(topic))[0] == 0, f"no topic: {made}")
        print(json.dumps({"peer": self.name, "version": self.version, "settings":
                          " ".join(DELIVERED_JAVA) + "; " + DELIVERED.replace("\n", " ").strip()}), flush=True)

    def forget(self):
        """Its files leave the page cache."""
        for folder, _, names in os.walk(self.broker.folder + "/logs"):
            for name in names:
                with open(f"{folder}/{name}", "rb") as f:
                    os.fsync(f.fileno())
                    os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def stop(self):
        self.broker.process.terminate()
        self.broker.process.wait(60)


def client(*words):
    with apart.on(apart.CLIENTS):
        done = subprocess.run([BUILD + "/bench/fanout_client", *map(str, words)], stdout=subprocess.PIPE, text=True)
    check(done.returncode == 0, f"fanout_client {' '.join(map(str, words))} ended with {done.returncode}")
    return json.loads(done.stdout)


def fill(system, record_bytes, mib):
    system.filled = client("fill", system.kind, system.feed_port, TOPIC, record_bytes, START_BATCH_BYTES, mib)
    system.start_end = system.end = system.filled["end"]


def start(system, record_bytes, groups, seconds):
    return client("start", system.port, system.pid, TOPIC, record_bytes, START_BATCH_BYTES, groups, system.start_end,
                  seconds)


def cold(system, record_bytes, groups, seconds):
    """One reading, of as much as takes a while: behind it all would be in a page cache."""
    system.forget()
    end = system.start_end * min(COLD_FILL_MIB, COLD_READ_MIB // groups) // COLD_FILL_MIB
    return client("once", system.port, system.pid, TOPIC, record_bytes, START_BATCH_BYTES, groups, end)


def tail(system, record_bytes, groups, seconds):
    rate = min(400, max(2, TAIL_BYTES_PER_S / groups / max(record_bytes, TAIL_BATCH_BYTES)))
    got = client("tail", system.port, system.pid, TOPIC, record_bytes, TAIL_BATCH_BYTES, groups, system.end, seconds,
                 system.kind, system.feed_port, rate)
    system.end = got.pop("end")
    return got


def measure(systems, store, record_bytes, cases, turns, seconds):
    for kind, run, groups in cases:
        for turn in range(turns):
            for system in systems:
                report(kind, system=system.name, turn=turn, store=store, record_bytes=record_bytes, groups=groups,
                       **run(system, record_bytes, groups, seconds))


def systems_of(harness, store):
    """millrace and the Kafkas that can be had; says which cannot."""
    with apart.on(apart.SERVERS):
        systems = [Millrace(harness, store)]
        for release in RELEASES:
            try:
                systems.append(Kafka(harness, release))
            except fetch.servers.Unavailable as why:
                print(json.dumps({"peer": "kafka-" + release, "left_out": str(why)}), flush=True)
        return systems


def warm(run, system, record_bytes, quick):
    run(system, record_bytes, 16, WARM_S[quick] if system.kind == "kafka" else 1)  # the JVM


def bench_fanout(harness, quick):
    """Groups reading the same records, from the start and at the tail, beside Apache Kafka."""
    is_steered = apart.enter(apart.STEERED, harness.folder + "/sys",
                             *(functools.partial(fetch.folder_of, "kafka-" + release) for release in RELEASES))
    print(json.dumps({"note": (
        "Neither side waits for the disk before a record is visible (`visible: written`; Kafka does not flush). Kafka "
        "is as delivered, 1 GiB heap, warmed up. One topic, one partition; each group is one connection of a counting "
        "client, which checks every batch's CRC and that none is missing. "
        f"Servers run on cores {apart.SERVERS}, clients on cores {apart.CLIENTS}. " +
        ("The receiving half of loopback's TCP is steered to the clients' cores, as if they were another machine: the "
         "rates are then theirs, where the kernel also copies what SEND_ZC sent to its own machine." if is_steered else
         "The receiving half of loopback's TCP is in the server's CPU time: it could not be steered to the clients' "
         "cores (that needs root).") +
        f" TCP's congestion control is {apart.congestion_control()}.")}), flush=True)
    sizes = (1000,) if quick else (1000, 100, 10000, 1000000)
    mib, turns, seconds = (100, 2, 2) if quick else (400, 3, 5)
    for store in ("hot",) if quick else ("hot", "cold"):
        for record_bytes in sizes if store == "hot" else (1000,):
            groups = (1, 4, 16, 64, 256) if record_bytes == 1000 and not quick else (1, 64)
            if store == "hot":
                cases = [("fanout_start", start, g) for g in groups] + [("fanout_tail", tail, g) for g in groups]
            else:
                cases = [("fanout_cold", cold, g) for g in groups if g <= COLD_GROUPS_MAX]
            systems = systems_of(harness, store)
            for system in systems:
                fill(system, record_bytes, mib if store == "hot" else COLD_FILL_MIB)
                warm(start, system, record_bytes, quick)
            if store == "hot" and record_bytes == 1000:
                fanout_clients.measure(harness, systems, TOPIC, quick)  # before more is written
            if store == "hot":
                for system in systems:
                    warm(tail, system, record_bytes, quick)
            measure(systems, store, record_bytes, cases, turns, seconds)
            for system in systems:
                system.stop()
                subprocess.run(["rm", "-rf", f"{harness.folder}/{store}", f"{harness.folder}/{system.name}"])

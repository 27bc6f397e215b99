"""bench/fanout_clients.py -- the records of bench/fanout.py, read from their start by genuine clients: librdkafka and
Kafka's own Java client.

Both check the CRC of every batch, and pass by pass that each group got every offset, the same bytes, and the sum of all
values' CRC-32C that the writer said.  CPU is that of whole processes, over the passes that are counted.
"""
import glob
import itertools
import json
import subprocess

import apart
from beside import cpu_seconds_of
from harness import BUILD, ROOT, check
from kafka_broker import fetch
from live import report

JAVA_RELEASE = "kafka-4.3"
GROUPS = {True: (1,), False: (1, 4)}
TURNS = {True: 2, False: 3}
WARM_S, SECONDS = {True: 0.5, False: 3}, {True: 1, False: 4}
SERVER_WARM_S = {True: 6, False: 20}  # a JVM's, for what genuine clients ask
LIBRARIES = ("kafka-clients", "slf4j-api", "lz4-java", "zstd-jni", "snappy-java")
CHECKED = "as it comes, but waits for 5 ms at the end; check.crcs, and the sum of all values' CRC-32C"


def java_consumer(harness):
    """The command of the Java consumers; fetch.servers.Unavailable says why there is none."""
    folder = fetch.folder_of(JAVA_RELEASE) + "/jars"
    jars = [jar for name in LIBRARIES for jar in glob.glob(f"{folder}/{name}-*.jar")]
    classes = harness.folder + "/fanout-classes"
    done = subprocess.run(["javac", "--release", "11", "-encoding", "UTF-8", "-d", classes, "-cp", ":".join(jars),
                           ROOT + "/bench/peers/kafka/FanoutConsumer.java"], capture_output=True, text=True)
    check(done.returncode == 0, f"javac: {done.stderr}")
    return ["java", "-Xms512m", "-Xmx512m", "-cp", ":".join([classes, *jars]), "FanoutConsumer"]


def clients_of(harness):
    """{name: command} of those that can be had; says which cannot."""
    found = {"librdkafka": [BUILD + "/bench/fanout_rdkafka"]}
    print(json.dumps({"peer": "librdkafka's consumer", "version": version_of_librdkafka(), "settings": CHECKED}),
          flush=True)
    try:
        found["Java"] = java_consumer(harness)
        print(json.dumps({"peer": "Java's consumer", "version": fetch.KAFKA_RELEASES[JAVA_RELEASE],
                          "settings": CHECKED + ", 512 MiB heap"}), flush=True)
    except fetch.servers.Unavailable as why:
        print(json.dumps({"peer": "Java's consumer", "left_out": str(why)}), flush=True)
    return found


def version_of_librdkafka():
    return subprocess.run(["pkg-config", "--modversion", "rdkafka"], capture_output=True, text=True).stdout.strip()


def read(harness, system, command, topic, group, groups, warm_s, seconds):
    """Passes of so many groups over all that was filled in; the figures."""
    filled = system.filled
    words = [f"127.0.0.1:{system.port}", topic, group, groups, filled["end"], filled["value_bytes"],
             filled["crc_sum"], warm_s, seconds]
    log = harness.folder + "/fanout-client.log"
    with open(log, "w") as out, apart.on(apart.CLIENTS):
        child = harness.run([*command, *map(str, words)], stdout=subprocess.PIPE, stderr=out, text=True)
    begun = child.stdout.readline()
    before = [cpu_seconds_of(pid) for pid in (system.pid, child.pid)] if begun == "begin\n" else None
    answer = child.stdout.readline()
    after = [cpu_seconds_of(pid) for pid in (system.pid, child.pid)] if answer else None
    child.stdout.close()
    with open(log, errors="replace") as said:
        check(child.wait(60) == 0, f"{group} of {system.name} ended with {child.returncode}: {said.read()[-600:]}")
    got = json.loads(answer)
    server, client = (b - a for a, b in zip(before, after))
    return {"mb_per_s": round(got["gb"] * 1000 / got["seconds"], 1), "passes": got["passes"],
            "server_cpu_s_per_gb": round(server / got["gb"], 3), "client_cpu_s_per_gb": round(client / got["gb"], 3)}


def measure(harness, systems, topic, quick):
    """Reads what `fill` wrote to the systems, in turns.  Quick runs do not take the older Kafka."""
    runs = itertools.count()
    systems = systems[:1] + systems[-1:] if quick and len(systems) > 2 else systems
    clients = clients_of(harness)
    for system in (system for system in systems if system.kind == "kafka"):
        read(harness, system, clients["librdkafka"], topic, f"warm-{next(runs)}-", 1, SERVER_WARM_S[quick], 0)
    for name, command in clients.items():
        for groups in GROUPS[quick]:
            for turn in range(TURNS[quick]):
                for system in systems:
                    group = f"{name}-{next(runs)}-"
                    report("fanout_clients", system=system.name, turn=turn, client=name, groups=groups,
                           **read(harness, system, command, topic, group, groups, WARM_S[quick], SECONDS[quick]))

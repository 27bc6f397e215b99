"""tests/clients/kafka_broker.py -- a real Apache Kafka of one node (KRaft), and asking brokers by our own table."""
import json
import os
import re
import subprocess
import time

from clients import fetch
from harness import BUILD, Failed, check, free_port, wait_until

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CLUSTER_ID = "bWlsbHJhY2UtdGVzdHMtMQ"
API = {"Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8, "OffsetFetch": 9,
       "FindCoordinator": 10, "JoinGroup": 11, "Heartbeat": 12, "LeaveGroup": 13, "SyncGroup": 14,
       "DescribeGroups": 15, "ListGroups": 16, "ApiVersions": 18, "CreateTopics": 19, "OffsetForLeaderEpoch": 23,
       "DescribeConfigs": 32, "DescribeLogDirs": 35, "DeleteGroups": 42, "OffsetDelete": 47, "DescribeCluster": 60,
       "DescribeTopicPartitions": 75}
START_TIMEOUT_S = 240


# Little memory and a quick start, for tests that ask a few questions.
SMALL_JAVA = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
SMALL = """num.network.threads=1
num.io.threads=2
background.threads=1
"""
# As Kafka is delivered: bin/kafka-server-start.sh, bin/kafka-run-class.sh and config/server.properties.
DELIVERED_JAVA = ("-server", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
                  "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
                  "-Djava.awt.headless=true")
DELIVERED = """num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
num.recovery.threads.per.data.dir=1
"""


class Broker:
    """Apache Kafka from its published jars; ends with the harness."""

    def __init__(self, harness, release, java=SMALL_JAVA, settings=SMALL):
        self.release, self.java = release, java
        self.jars = fetch.folder_of("kafka-" + release) + "/jars/*"
        self.folder, self.port, controller = harness.folder + "/kafka-" + release, free_port(), free_port()
        os.makedirs(self.folder)
        with open(self.folder + "/server.properties", "w") as f:
            f.write(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={self.folder}/logs
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.retention.ms=-1
log.cleaner.enable=false
{settings}""")
        self._java(harness, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c").wait(START_TIMEOUT_S)
        self.process = self._java(harness, "kafka.Kafka")

    def _java(self, harness, tool, *words):
        with open(self.folder + "/out", "ab") as out:
            return harness.run(["java", *self.java, "-cp", self.jars, tool, *words,
                                self.folder + "/server.properties"], stdout=out, stderr=out)

    def words(self):
        with open(self.folder + "/out", errors="replace") as f:
            return f.read()[-1000:]


class Side:
    """One of two brokers that are asked the same; `answers` are (API, step, version, answer), made comparable."""

    def __init__(self, harness, name, port):
        self.name, self.port, self.answers, self.words = name, port, [], {}
        self.process = harness.run_asker([BUILD + "/tests/clients/kafka_ask"])

    def raw(self, api, version, body):
        self.process.stdin.write(json.dumps({"port": self.port, "api": API[api], "version": version, "body": body})
                                 + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        check(line, f"kafka_ask ended at {api} v{version}")
        answer = json.loads(line)
        return answer.get("body", answer)

    def ask(self, api, step, version, body):
        """The answer as it came; what differs between any two brokers (`words`, random ids) is replaced in
        `answers`."""
        answer = self.raw(api, version, body)
        self.answers.append((api, step, version, self.comparable(answer)))
        return answer

    def comparable(self, value, name=""):
        if isinstance(value, dict):
            return {key: self.comparable(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self.comparable(item, name) for item in value]
        if name == "Port" and value == self.port:
            return "its port"
        if name == "SessionId" and value > 0:
            return "a session"
        if name == "Records" and isinstance(value, str):
            return whole_batches(value)
        if isinstance(value, str):
            return self.words.get(value) or UUID.sub("UUID", value)
        return value


def whole_batches(records):
    """Without a batch or message that is cut at the end, as Kafka cuts where the size is over."""
    at = 0
    while at + 24 <= len(records):
        size = 24 + 2 * int(records[at + 16:at + 24], 16)
        if at + size > len(records):
            break
        at += size
    return records[:at]


def wait_for_listing(broker):
    """Until it answers Metadata."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while subprocess.run(["kcat", "-b", f"127.0.0.1:{broker.port}", "-L", "-m", "10"], capture_output=True).returncode:
        check(broker.process.poll() is None, f"Kafka ended: {broker.words()}")
        check(time.monotonic() < deadline, f"Kafka is not ready within {START_TIMEOUT_S} s: {broker.words()}")
        time.sleep(0.3)


def wait_for_kafka(broker, side):
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        check(broker.process.poll() is None, f"Kafka ended: {broker.words()}")
        done = subprocess.run(["kcat", "-b", f"127.0.0.1:{broker.port}", "-L", "-J", "-m", "10"], capture_output=True)
        if done.returncode == 0 and side.raw("FindCoordinator", 1, {"Key": "g", "KeyType": 0}).get("ErrorCode") == 0:
            return
        if time.monotonic() > deadline:
            raise Failed(f"Kafka is not ready within {START_TIMEOUT_S} s: {broker.words()}")
        time.sleep(0.3)


def copy_topic(ours, kafka, topic, end):
    """The batches of our topic, byte for byte, as Kafka's topic of the same name (it puts the offsets back itself)."""
    made = kafka.raw("CreateTopics", 2, {"timeoutMs": 20000, "Topics": [
        {"Name": topic, "NumPartitions": 1, "ReplicationFactor": 1, "Assignments": [], "Configs": []}]})
    check(made["Topics"][0]["ErrorCode"] == 0, f"Kafka makes no topic: {made}")
    wait_until(lambda: kafka.raw("Metadata", 4, {"Topics": [{"Name": topic}]})["Topics"][0]["ErrorCode"] == 0, 20,
               "Kafka has the topic that it made")
    offset, everything = 0, ""
    while offset < end:
        answer = ours.raw("Fetch", 4, fetch_body(topic, offset))
        records = whole_batches(answer["Responses"][0]["Partitions"][0]["Records"])
        check(records, f"we have nothing at offset {offset}")
        at = 0
        while at < len(records):
            size = 24 + 2 * int(records[at + 16:at + 24], 16)
            batch = records[at:at + size]
            done = kafka.raw("Produce", 3, {"Acks": -1, "TimeoutMs": 20000, "TopicData": [
                {"Name": topic, "PartitionData": [{"Index": 0, "Records": "0" * 16 + batch[16:]}]}]})
            produced = done["Responses"][0]["PartitionResponses"][0]
            check(produced["ErrorCode"] == 0 and produced["BaseOffset"] == int(batch[:16], 16), f"produced: {done}")
            offset = int(batch[:16], 16) + int(batch[46:54], 16) + 1
            at += size
        everything += records
    return everything


def fetch_body(topic, offset, **changes):
    """A Fetch of one partition; changes of the partition's fields go there."""
    partition = {"Partition": 0, "CurrentLeaderEpoch": -1, "FetchOffset": offset, "LastFetchedEpoch": -1,
                 "LogStartOffset": -1, "PartitionMaxBytes": 8 << 20}
    body = {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 1, "MaxBytes": 8 << 20, "IsolationLevel": 0, "SessionId": 0,
            "SessionEpoch": -1, "ForgottenTopicsData": [], "RackId": ""}
    for name, value in changes.items():
        (partition if name in partition else body)[name] = value
    body["Topics"] = [{"Topic": topic, "TopicId": changes.get("TopicId", "0" * 32), "Partitions": [partition]}]
    return body

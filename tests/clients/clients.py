"""tests/clients/clients.py -- the clients of the matrix: how each driver (README.md) is started.

A `Client` names its part of tests/clients/fetch (None: nothing to fetch), its command, and what it cannot do.
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../e2e"))
JAVA = ["java", "-Xmx96m", "-Xss512k", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
# One of each major release is in the short run, the others in the long one.
JAVA_RELEASES = {"0.10.0.1": True, "0.10.1.1": False, "0.10.2.2": True, "0.11.0.3": True, "1.0.2": False,
                 "1.1.1": True, "2.0.1": False, "2.4.1": False, "2.7.2": False, "2.8.2": True, "3.3.2": False,
                 "3.9.2": True, "4.4.0": True}
PYTHON_DRIVERS = {"confluent": "drive_confluent.py", "kafka-python-2": "drive_kafka_python.py",
                  "kafka-python-3": "drive_kafka_python.py", "aiokafka": "drive_aiokafka.py"}


class Client:
    def __init__(self, name, part, command, environment=None, in_short=True, has_time=True, mechanisms=("PLAIN",),
                 leaves=True):
        self.name, self.part, self.environment, self.leaves = name, part, environment or {}, leaves
        self._command, self.in_short, self.has_time, self.mechanisms = command, in_short, has_time, mechanisms

    def command(self, folder):
        return self._command(folder)


def load_fetch():
    import importlib.machinery
    import importlib.util
    loader = importlib.machinery.SourceFileLoader("fetch", os.path.join(HERE, "fetch"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fetch", loader))
    loader.exec_module(module)
    return module


fetch = load_fetch()
SCRAM = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


NEW_PROTOCOL = {"MILLRACE_GROUP_PROTOCOL": "consumer"}


def java(release, words="", environment=None, in_short=None):
    is_early = release in ("0.10.0.1", "0.10.1.1")  # no SCRAM; close does not wait until it has left (KIP-102)
    jars = [f"kafka-clients-{release}.jar", "slf4j-api-1.7.36.jar", "slf4j-nop-1.7.36.jar", "lz4-java-1.8.0.jar",
            "zstd-jni-1.5.6-4.jar", "jaxb-api-2.3.1.jar"]
    return Client(f"java {release}{words}", "java", lambda folder: JAVA + [
        "-cp", ":".join([folder + "/classes"] + [f"{folder}/java/jars/{jar}" for jar in jars]), "ConsumerDriver"],
        environment, in_short=JAVA_RELEASES[release] if in_short is None else in_short, has_time=release != "0.10.0.1",
        mechanisms=("PLAIN",) if is_early else SCRAM, leaves=not is_early)


def python(part, words="", environment=None, in_short=True):
    return Client(part + words, part, lambda folder: [fetch.PYTHON, f"{HERE}/python/{PYTHON_DRIVERS[part]}"],
                  {"PYTHONPATH": "site", **(environment or {})}, in_short, mechanisms=SCRAM)


def node_is(*least):
    """Why the machine's node is too old, or None."""
    if shutil.which("node") is None:
        return "no command node here (Debian: nodejs)"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    is_enough = tuple(int(n) for n in version[1:].split(".")) >= least
    return None if is_enough else f"wants node {'.'.join(map(str, least))}, this is {version}"


def all_clients(build):
    """Every client, or the reason why it cannot run here: [(Client, None or words)]."""
    clients = [java(release) for release in JAVA_RELEASES] + [python(part) for part in PYTHON_DRIVERS]
    clients.append(Client("librdkafka 2.0.2", None, lambda folder: [build + "/tests/clients/drive_librdkafka"],
                          mechanisms=SCRAM))
    for name in ("sarama", "kafka-go", "franz-go"):
        clients.append(Client(name, "go", lambda folder, name=name: [folder + "/drive_go", name],
                              mechanisms=SCRAM))
    # What its users set as the broker's version: the Go demo of a cloud's tracking service says 0.11.
    for driver, version in (("sarama-partition", "0.10.0.0"), ("sarama-partition", "0.11.0.0"), ("sarama", "0.10.2.0"),
                            ("sarama", "0.11.0.0"), ("sarama", "1.0.0"), ("sarama", "2.8.0"), ("sarama", "4.1.0")):
        clients.append(Client(f"{driver} as {version}", "go",
                              lambda folder, driver=driver: [folder + "/drive_go", driver], {
                                  "MILLRACE_SARAMA_VERSION": version}, in_short=version == "0.10.0.0",
                              has_time=version != "0.10.0.0"))
    clients.append(Client("kafkajs", "node", lambda folder: ["node", folder + "/node/drive_kafkajs.js"],
                          mechanisms=SCRAM))
    clients.append(Client("@platformatic/kafka", "node",
                          lambda folder: ["node", folder + "/node/drive_platformatic.mjs"], mechanisms=SCRAM))
    clients.append(Client("rust rdkafka", "rust", lambda folder: [folder + "/drive_rust"], mechanisms=SCRAM))
    clients += [java("4.4.0", ", new protocol", NEW_PROTOCOL, in_short=False),
                python("confluent", ", new protocol", NEW_PROTOCOL, in_short=False),
                Client("rust rdkafka, new protocol", "rust", lambda folder: [folder + "/drive_rust"], NEW_PROTOCOL,
                       in_short=False, mechanisms=SCRAM),
                Client("@platformatic/kafka, new protocol", "node",
                       lambda folder: ["node", folder + "/node/drive_platformatic.mjs"], NEW_PROTOCOL, in_short=False,
                       mechanisms=SCRAM)]
    return [(client, why_not(client)) for client in clients]


def why_not(client):
    if client.part == "java" and shutil.which("java") is None:
        return "no command java here (Debian: default-jdk-headless)"
    if client.name.startswith("@platformatic/kafka"):
        return node_is(20, 19, 4)
    return node_is(18, 0, 0) if client.part == "node" else None

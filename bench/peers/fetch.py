"""bench/peers/fetch.py -- gets the systems that we are measured beside, by their package managers, and builds them.

Like the tests' Kafka clients (tests/clients/fetch) a part is made once, in a folder of the tests' cache that is named
after what it was made of.  `servers.Unavailable` says why one cannot be had.
"""
import hashlib
import os
import shutil
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/clients"))
from clients import fetch  # noqa: E402

servers = fetch.servers


def fill_debezium(part, target):
    return fetch.steps(part, target,
                       ["mvn", "-q", "-B", "-f", "java/pom.xml", "dependency:copy-dependencies",
                        "-DoutputDirectory=" + target + "/jars"],
                       ["javac", "-nowarn", "-encoding", "UTF-8", "-d", "classes", "-cp", "jars/*",
                        "java/DebeziumToKafka.java"])


def fill_go(part, target):
    os.environ.update({"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"})
    return fetch.steps(part, target, ["go", "-C", "go", "build", "-trimpath", "-o", "../read_go", "."])


def fill_python(part, target):
    return fetch.install_python(part, target, "python/requirements.txt")


PARTS = {"debezium": (fill_debezium, "java"), "go-mysql": (fill_go, "go"),
         "python-mysql-replication": (fill_python, "python")}


def folder_of(part):
    """The part's folder, fetched and built when it is not there."""
    fill, sources = PARTS[part]
    digest = hashlib.sha256(fetch.PYTHON.encode())
    for name in sorted(os.listdir(f"{HERE}/{sources}")):
        with open(f"{HERE}/{sources}/{name}", "rb") as f:
            digest.update(name.encode() + b"\0" + f.read())

    def fill_copy(_, target):
        shutil.copytree(f"{HERE}/{sources}", f"{target}/{sources}")
        return fill(part, target)
    return servers.fetch(f"peer-{part}-{digest.hexdigest()[:10]}", fill_copy)

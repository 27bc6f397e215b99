#!/usr/bin/env python3
"""Goal: a real Apache Kafka 3.9 that holds the same records answers as we do: the same requests, in each version that
both have, ordinary and odd, go to both, and the answers are equal field by field, but for the differences that
docs/kafka-differences.md lists with their reasons.  What is not listed fails, and so does what no longer occurs.

usage: test_compare.py [--print]      --print: all differences, listed or not
"""
import fnmatch
import json
import os
import re
import subprocess
import sys

from clients import fetch
from harness import ROOT, Skipped, check, main, wait_until
from kafka_broker import API, CLUSTER_ID, Broker, Side, copy_topic, wait_for_kafka
from questions import ask_everything
from test_matrix import Reference, fill

LIST = ROOT + "/docs/kafka-differences.md"
NAMED_BY = {"ApiKeys": "ApiKey", "SupportedFeatures": "Name", "FinalizedFeatures": "Name", "Topics": "Name",
            "Groups": "GroupId", "Results": "GroupId", "Partitions": "PartitionIndex", "Configs": "Name"}


def short(value):
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{len(text)} characters"


def differences(ours, theirs, path=""):
    """(field, our value, Kafka's) wherever two answers differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name, "absent"), theirs.get(name, "absent"), f"{path}.{name}".strip("."))
    elif isinstance(ours, list) and isinstance(theirs, list):
        key = NAMED_BY.get(path.split(".")[-1])
        if key is not None and all(isinstance(item, dict) and item.get(key) is not None for item in ours + theirs):
            ours, theirs = ({str(item[key]): item for item in items} for items in (ours, theirs))
            for name in sorted(ours.keys() | theirs.keys()):
                if name in ours and name in theirs:
                    yield from differences(ours[name], theirs[name], f"{path}[{name}]")
                else:
                    yield f"{path}[{name}]", *("there" if name in side else "absent" for side in (ours, theirs))
        elif len(ours) != len(theirs):
            yield path, f"{len(ours)} items", f"{len(theirs)} items"
        else:
            for mine, other in zip(ours, theirs):
                yield from differences(mine, other, path + "[]")
    elif path.endswith("Records") and theirs and len(theirs) < len(ours) and ours.startswith(theirs):
        yield path, "more of the same", "less"
    elif path.endswith(".UsableBytes"):
        return  # the disk's free space of two moments
    elif ours != theirs:
        yield path, short(ours), short(theirs)


def listed():
    """The rows of the list: API, request, versions, field, ours, Kafka's; all but the versions are patterns."""
    rows = []
    with open(LIST) as f:
        for line in f:
            cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
            if line.startswith("| `") and len(cells) == 7:
                check(cells[6], f"a difference without a reason: {line}")
                rows += alternatives(cells[:6])
    return rows


def alternatives(cells):
    """{a,b} stands for one row each."""
    rows = [tuple(cells)]
    for at in range(6):
        rows = [row[:at] + (row[at].replace(group.group(0), word),) + row[at + 1:] for row in rows
                for group in [re.search(r"[{](.*?)[}]", row[at])] for word in group.group(1).split(",")] \
            if "{" in cells[at] else rows
    return rows


def matches(row, found):
    api, step, version, *values = found
    first, _, last = row[2].replace("all", "0-99").partition("-")
    return int(first) <= version <= int(last or first) and all(
        fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))
        for pattern, value in zip(row[:2] + row[3:], (api, step, *values)))


def run_asker(harness, command):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    harness.processes.append(process)
    return process


def facts_of(side):
    """What is random on this side, replaced by a word."""
    body = side.raw("Metadata", 12, {"Topics": None})
    ids = {topic["TopicId"]: "id of " + topic["Name"] for topic in body["Topics"]}
    side.words.update({body["ClusterId"]: "its cluster", **ids})
    return {"topic_id": next(topic_id for topic_id, words in ids.items() if words == "id of matrix")}


def versions_of(side):
    return {a["ApiKey"]: a["MaxVersion"] for a in side.raw("ApiVersions", 0, {})["ApiKeys"]}


def test_compare(harness):
    harness.run_asker = lambda command: run_asker(harness, command)
    try:
        broker = Broker(harness, "3.9")
    except fetch.servers.Unavailable as why:
        raise Skipped(str(why))
    source = harness.source()
    instance = harness.millraced(group_initial_rebalance_delay_ms=0)
    instance.start()
    fill(source, instance)
    instance.ask("POST", "/v1/channels/matrix/stop")
    wait_until(lambda: instance.status("matrix")["state"] == "Not Started", 30, "the channel stops")
    reference = Reference(instance, "matrix")
    ours, kafka = Side(harness, "ours", instance.kafka_port), Side(harness, "kafka", broker.port)
    wait_for_kafka(broker, kafka)
    copied = copy_topic(ours, kafka, "matrix", reference.end)
    print(f"{reference.end} records in {len(copied) // 2} bytes are in both")
    both = [versions_of(side) for side in (ours, kafka)]
    versions = {name: min(served.get(key, -1) for served in both) for name, key in API.items()}
    facts = {"end": reference.end, "time_ms": reference.time_ms, "first_ms": reference.times[0]}
    for side in (ours, kafka):
        facts[side.name] = facts_of(side)
    for side in (ours, kafka):
        ask_everything(side, versions, facts)
    check([a[:3] for a in ours.answers] == [a[:3] for a in kafka.answers], "the two were not asked the same")
    check(kafka.words.get(CLUSTER_ID) == "its cluster", "this is not our Kafka")
    judge(ours.answers, kafka.answers)


def judge(ours, kafka):
    rows, used, unlisted = listed(), set(), {}
    for (api, step, version, mine), (_, _, _, other) in zip(ours, kafka):
        for field, my_value, other_value in differences(mine, other):
            found = (api, step, version, field, my_value, other_value)
            hits = {row for row in rows if matches(row, found)}
            used |= hits
            if not hits or "--print" in sys.argv:
                unlisted.setdefault(found[:2] + found[3:], []).append(version)
    for found, versions in sorted(unlisted.items()):
        print(f"| {' | '.join(found)} |  v{','.join(map(str, versions))}")
    print(f"{len(ours)} answers compared, {len(used)} listed differences seen, {len(unlisted)} others")
    unused = [row for row in rows if row not in used]
    check(not unlisted, "answers differ from Kafka's, see above")
    check(not unused, f"listed differences that do not occur: {unused}")


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    sys.exit(main(test_compare))

#!/usr/bin/env python3
"""Goal: millraced follows the versions of MySQL that cannot be had to run here, as tests/fake_primary plays them with
files that they recorded: variables and statements that a version lacks are no failure, row events of every kind come
out, and 5.0, which has none, is refused with words.  The same files as a folder give the same changes.

The files: Debian's mariadb-test-data (MILLRACE_TEST_DATA) and the corpus beside the repository (MILLRACE_SHARED); a
version whose file is not there is left out, and all of them are a skip.
"""
import glob
import json
import os
import shutil
import subprocess
import sys

from harness import BUILD, ROOT, Skipped, check, main, wait_until

INT_TABLE = [["pk", "int(11)", None, "NO"], ["a", "int(11)", None, "YES"], ["b", "int(11)", None, "YES"]]
BA = {"test.ba": INT_TABLE}
ACTOR = {"sakila.actor": [["actor_id", "smallint(5) unsigned", None, "NO"],
                          ["first_name", "varchar(45)", "utf8_general_ci", "NO"],
                          ["last_name", "varchar(45)", "utf8_general_ci", "NO"],
                          ["last_update", "timestamp", None, "NO"]]}
GIPK = {"test.t1": [["c1", "bigint", None, "NO"], ["c2", "text", "utf8mb4_0900_ai_ci", "YES"]],
        "test.t2": [["my_row_id", "bigint unsigned", None, "NO"], ["f1", "int", None, "YES"],
                    ["really_unique_column_name", "int", None, "YES"]]}
VECTOR = {"test.t1": [["c1", "int", None, "NO"], ["v1", "vector(4)", None, "YES"]]}

# version, file, definitions, row changes, what a consumer must see (the last change of the table)
CASES = [
    ("5.1.37-log", "update-full-row.binlog", BA, 6, '"b":40'),
    ("5.5.27-log", "mysql_bin.sakila-prefix", ACTOR, 200, '"THORA"'),
    ("8.0.32", "rpl_binlog_with_gipk_info_full_metadata.000001", GIPK, 2, "really_unique_column_name"),
    ("8.3.0", "8.3.0/binlog_update-full-row.binlog", BA, 6, '"b":40'),
    ("9.0.0", "rpl_vector_binlog.000001", VECTOR, 3, "v1"),
]
NO_ROWS = ("5.0.86-log", "binlog_transaction.000001")


def find(name):
    """The recorded file of this name, in any folder of the two places."""
    for place in (os.environ.get("MILLRACE_TEST_DATA"), os.path.join(os.environ.get("MILLRACE_SHARED", ""), "binlogs")):
        for path in sorted(glob.glob(f"{place}/**/{os.path.basename(name)}", recursive=True)) if place else []:
            if path.endswith(name):
                return path
    return None


def primary(harness, version, path, definitions):
    """Its port."""
    file = f"{harness.folder}/definitions-{version}.json"
    with open(file, "w") as f:
        json.dump({"tables": definitions}, f)
    process = harness.run([os.path.join(ROOT, "tests/fake_primary"), "--version", version, "--definitions", file,
                           "--password", "secret", path], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    check(line.strip().isdigit(), f"the stand-in for {version} does not listen")
    return int(line)


def create(instance, name, source, definitions):
    instance.ask("POST", "/v1/channels", {"name": name, "start_at": "earliest", "source": source,
                                          "partial_images": "none",
                                          "tables": {"include": list(definitions) or ["*.*"]}})


def captured(instance, name, changes, seen):
    """All changes are there, and a consumer reads them."""
    instance.start_channel(name)
    wait_until(lambda: instance.status(name)["captured"]["row_changes"] >= changes, 20,
               lambda: f"{name} has {changes} row changes: {instance.status(name)}\n{instance.tail()}")
    status = instance.status(name)
    check(status["captured"]["row_changes"] == changes, f"{name}: {status['captured']}, not {changes} row changes")
    done = subprocess.run([BUILD + "/cli/millrace", "consume", name, "--from-beginning", "--changes", str(changes),
                           "--timeout", "80", "--bootstrap", instance.bootstrap], capture_output=True, text=True)
    check(done.returncode == 0 and seen in done.stdout, f"{name}: a consumer does not see {seen}: {done.stderr}"
                                                        f"{done.stdout[-1500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def changes_of(records):
    """What the rows say, without where and when they were read."""
    values = [r["value"] for r in records]
    return [(v["operation"], v["table"], v.get("before"), v.get("after")) for v in values
            if v["operation"] in ("INSERT", "UPDATE", "DELETE")]


def versions(harness):
    instance = harness.millraced()
    instance.start()
    ran = 0
    for version, name, definitions, changes, seen in CASES:
        path = find(name)
        if path is None:
            print(f"{version}: no recorded {name} here")
            continue
        ran += 1
        channel = "v" + version.split("-")[0]
        port = primary(harness, version, path, definitions)
        create(instance, channel, {"host": "127.0.0.1", "port": port, "user": "repl", "password": "secret",
                                   "tls": {"mode": "off"}}, definitions)
        live = captured(instance, channel, changes, seen)
        check(len(changes_of(live)) == changes, f"{version}: {len(changes_of(live))} changes of {changes}: {live[-3:]}")
        items = {i["item"]: i for i in instance.ask("GET", f"/v1/channels/{channel}/precheck")["items"]}
        check(items["version"]["verdict"] == "pass" and version.split("-")[0] in items["version"]["found"], f"{items}")
        check(all(i["verdict"] in ("pass", "warning", "skipped") for i in items.values()), f"{version}: {items}")

        folder = f"{harness.folder}/files-{version}"
        os.mkdir(folder)
        shutil.copy(path, folder + "/binlog.000001")
        definitions_file = schema_file(folder, definitions)
        for of_long_ago in (folder + "/binlog.000001", definitions_file, folder):  # nobody is copying there
            os.utime(of_long_ago, (1600000000, 1600000000))
        create(instance, channel + "-files", {"files": folder, "schema_file": definitions_file}, definitions)
        of_files = captured(instance, channel + "-files", changes, seen)
        check(changes_of(of_files) == changes_of(live), f"{version}: the files say {changes_of(of_files)[:3]}, "
                                                        f"the server {changes_of(live)[:3]}")
        for done in (channel, channel + "-files"):
            instance.ask("DELETE", f"/v1/channels/{done}")
        print(f"{version}: {changes} row changes")
    path = find(NO_ROWS[1])
    if path is not None:
        ran += 1
        port = primary(harness, NO_ROWS[0], path, {})
        create(instance, "v5.0", {"host": "127.0.0.1", "port": port, "user": "repl", "password": "secret"}, {})
        wait_until(lambda: (instance.status("v5.0")["error"] or {}).get("text"), 20,
                   lambda: f"5.0 is refused: {instance.status('v5.0')}")
        text = instance.status("v5.0")["error"]["text"]
        check("no row events" in text and "5.0.86" in text, f"the error says only: {text}")
    if ran == 0:
        raise Skipped("none of the recorded binlogs is here")
    check(instance.stop() == 0, "millraced did not stop in order")


def schema_file(folder, definitions):
    """The same definitions as CREATE statements."""
    path = folder + "/schema.sql"
    with open(path, "w") as f:
        for database in sorted({name.split(".")[0] for name in definitions}):
            f.write(f"CREATE DATABASE {database} CHARACTER SET latin1;\n")
        for name, columns in definitions.items():
            if name.startswith("test.t"):
                continue  # made by a statement in the file
            parts = [f"`{c}` {kind}{'' if null == 'YES' else ' NOT NULL'}" for c, kind, _, null in columns]
            f.write(f"CREATE TABLE {name} ({', '.join(parts)}, PRIMARY KEY (`{columns[0][0]}`)) CHARSET=utf8;\n")
    return path


if __name__ == "__main__":
    sys.exit(main(versions))

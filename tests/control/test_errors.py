#!/usr/bin/env python3
"""Goal: each error of a channel names its cause with the source's own words, the position where there is one, and what
to do; the REST API and the command line show all three, and so does each failed item of a precheck.  Real ones: a wrong
password, tables without privileges, a taken server id, binlog_format, a binlog that was purged, a source that is gone.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
from harness import BUILD, SERVERS, check, free_port, main, wait_until  # noqa: E402


def error_of(instance, name, cause):
    """The channel's error once its cause has these words."""
    def told():
        error = instance.status(name)["error"]
        return error if error and cause in error["cause"] else None
    error = wait_until(told, 40, lambda: f"an error about {cause!r}: {instance.status(name)}\n{instance.tail()}")
    check(error["what_to_do"] and error["what_to_do"] not in error["cause"], f"no field of its own: {error}")
    check(error["text"] == f"{error['cause']}; {error['what_to_do']}", f"the sentence is not made of both: {error}")
    done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "channel",
                           "status", name], capture_output=True, text=True)
    check(error["cause"] in done.stdout and "what to do: " + error["what_to_do"] in done.stdout, done.stdout)
    at = error["position"]
    check(at is None or f"at {at['file']} {at['position']}" in done.stdout, f"{at} is not in {done.stdout}")
    return error


def failed_items(instance, name):
    report = instance.ask("GET", f"/v1/channels/{name}/precheck")
    for item in report["items"]:
        if item["verdict"] in ("failure", "warning"):
            check(item["mend"] and item["found"] and item["mend"] not in item["found"], f"nothing to do: {item}")
    return {item["item"]: item["mend"] for item in report["items"] if item["verdict"] == "failure"}


def of_prechecks(harness, instance, source):
    """What the check finds; nothing was followed, so there is no position."""
    nowhere = {"host": "127.0.0.1", "port": free_port(), "user": "u", "password": "p"}
    instance.ask("POST", "/v1/channels", {"name": "nowhere", "source": nowhere, "tables": {"include": ["shop.*"]}})
    instance.create_channel("password", source, ["shop.*"], password="wrong")
    source.sql("CREATE USER 'blind'@'%' IDENTIFIED BY 'b1ind'; GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* "
               "TO 'blind'@'%'; CREATE USER 'deaf'@'%' IDENTIFIED BY 'd3af'; GRANT SELECT ON shop.* TO 'deaf'@'%';")
    instance.create_channel("blind", source, ["shop.events"], user="blind", password="b1ind")
    instance.create_channel("deaf", source, ["shop.events"], user="deaf", password="d3af")
    instance.create_channel("twin", source, ["shop.*"], server_id=source.facts["server_id"])
    for name, item, cause, step in (("nowhere", "connection", "cannot connect to the source at 127.0.0.1", "start"),
                                    ("password", "connection", "Access denied for user 'millrace'", "password"),
                                    ("blind", "objects", "shop.events", "GRANT SELECT"),
                                    ("deaf", "privileges", "denied", "GRANT REPLICATION"),
                                    ("twin", "server_id", str(source.facts["server_id"]), "another")):
        error = error_of(instance, name, cause)
        check(step in error["what_to_do"], f"{name}: the step is not concrete: {error}")
        check(error["position"] is None, f"{name}: a place without having followed the source: {error}")
        items = failed_items(instance, name)
        check(items.get(item) == error["what_to_do"], f"{name}: {items} beside {error}")


def of_a_running_channel(instance, source):
    """What stops a channel that follows its source: with the place."""
    source.sql("INSERT INTO shop.events VALUES (1);")
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    wait_until(lambda: instance.status("events")["source"]["file"], 20, lambda: f"{instance.status('events')}")
    # a statement that is cut within a character, and one of another character set, is shown all the same
    source.sql("SET SESSION binlog_format=STATEMENT; "
               f"INSERT INTO shop.events SELECT 2 FROM DUAL WHERE '{'中' * 60}' > '';")
    error = error_of(instance, "events", "a statement instead of row changes")
    check("binlog_format=ROW" in error["what_to_do"] and "WHERE '中中" in error["cause"], f"{error}")
    statement = (b"SET NAMES latin1; SET SESSION binlog_format=STATEMENT; "
                 b"INSERT INTO shop.events SELECT 9 FROM DUAL WHERE 'caf\xe9' > '';")
    instance.create_channel("bytes", source, ["shop.*"])
    instance.start_channel("bytes")
    subprocess.run(source.client_command(), input=statement, check=True)
    error = error_of(instance, "bytes", "a statement instead")
    check("WHERE 'café' > ''" in error["cause"], f"the words of a client that speaks latin1: {error}")
    instance.ask("DELETE", "/v1/channels/bytes")
    check(error["position"]["file"] in error["cause"] and error["position"]["position"] > 4, f"no place: {error}")

    instance.create_channel("purged", source, ["shop.*"])
    instance.start_channel("purged")
    instance.ask("POST", "/v1/channels/purged/stop")
    file = source.sql("SHOW MASTER STATUS").split()[0]
    instance.ask("POST", "/v1/channels/events/stop")
    source.sql("FLUSH BINARY LOGS; INSERT INTO shop.events VALUES (3); FLUSH BINARY LOGS;")

    def is_purged():  # what somebody still dumps stays
        source.sql(f"PURGE BINARY LOGS TO '{source.sql('SHOW MASTER STATUS').split()[0]}';")
        return file not in source.sql("SHOW BINARY LOGS")
    wait_until(is_purged, 30, lambda: source.sql("SHOW BINARY LOGS"))
    instance.ask("POST", "/v1/channels/purged/start")
    error = error_of(instance, "purged", file)
    check("anew" in error["what_to_do"] or "keep binlogs" in error["what_to_do"], f"{error}")

    instance.create_channel("gone", source, ["shop.*"])
    instance.start_channel("gone")
    subprocess.run([SERVERS, "kill", "--folder", source.folder], check=True)
    error = error_of(instance, "gone", f"127.0.0.1:{source.port}")
    check("start the source" in error["what_to_do"] and error["is_transient"], f"{error}")
    check(error["position"] and error["position"]["file"], f"where it was is forgotten: {error}")


def errors(harness):
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY);")
    instance = harness.millraced(channels_max=8, memory_max_bytes=4 << 30)
    instance.start()
    of_prechecks(harness, instance, source)
    for name in ("nowhere", "password", "blind", "deaf", "twin"):
        instance.ask("DELETE", f"/v1/channels/{name}")
    of_a_running_channel(instance, source)


if __name__ == "__main__":
    sys.exit(main(errors))

"""Reads a binlog from its start by python-mysql-replication and throws its row changes away.

usage: read_python.py HOST PORT USER PASSWORD FILE CHANGES
Prints one line of JSON.  Seconds and CPU are from the request for the binlog to the last row change.
"""
import json
import resource
import sys
import time

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    host, port, user, password, file, limit = sys.argv[1:]
    stream = BinLogStreamReader(
        connection_settings={"host": host, "port": int(port), "user": user, "passwd": password, "ssl_disabled": True},
        server_id=4000000005, only_events=[WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent], resume_stream=True,
        log_file=file, log_pos=4, freeze_schema=True)
    limit, changes, id_sum = int(limit), 0, 0
    counts = {WriteRowsEvent: 0, UpdateRowsEvent: 0, DeleteRowsEvent: 0}
    begun, begun_cpu = time.monotonic(), cpu_seconds()
    for event in stream:
        kind, image = type(event), "after_values" if type(event) is UpdateRowsEvent else "values"
        for row in event.rows[:limit - changes]:
            id_sum += row[image]["id"]
            counts[kind] += 1
            changes += 1
        if changes >= limit:
            break
    print(json.dumps({"seconds": time.monotonic() - begun, "cpu_seconds": cpu_seconds() - begun_cpu,
                      "inserts": counts[WriteRowsEvent], "updates": counts[UpdateRowsEvent],
                      "deletes": counts[DeleteRowsEvent], "id_sum": id_sum}))


main()

"""bench/channels.py -- many channels on one source: how long they take to make and to start, and what each costs.

Every channel follows a table of its own, as when each team of a company has one; all dump the same binlog.  Figures
are taken at 1, 10, 50, 100, 200 configured channels and at 1, 10, 25, 50 running ones: the slope is the cost of one.
"""
import http.client
import os
import threading
import time

from harness import check, wait_until
from live import grown, quantile, report, threads_of

CONFIGURED = (1, 10, 50, 100, 200)
RUNNING = (1, 10, 25, 50)
LOOKS = ("/v1/channels", "/v1/channels/{name}", "/v1/channels/{name}/status", "/metrics")


def memory_of(pid):
    """Resident bytes that are the process' own, and of files (the program, the counters)."""
    sizes = {}
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f.readlines()[1:]:
            name, size = line.split(":")
            sizes[name] = int(size.split()[0]) * 1024
    return {"resident": sizes["Rss"], "anonymous": sizes["Anonymous"]}


def cost_of(instance, seconds):
    """What the process takes while nobody asks it for anything."""
    pid = instance.process.pid
    before, begun = instance.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    cpu = (instance.cpu_seconds() - before) / (time.monotonic() - begun)
    return {**memory_of(pid), "threads": len(os.listdir(f"/proc/{pid}/task")),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "core_percent": round(cpu * 100, 2)}


def ask_often(instance, path, count):
    """Milliseconds of each of `count` requests on one connection."""
    took = []
    connection = http.client.HTTPConnection("127.0.0.1", instance.rest_port, timeout=30)
    for _ in range(count):
        begun = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        took.append((time.perf_counter() - begun) * 1000)
        check(answer.status == 200 and body, f"GET {path} answered {answer.status}")
    connection.close()
    return took


def ask_all(instance, count, when):
    for path in LOOKS:
        took = ask_often(instance, path.format(name=channel(0)), count)
        report("channels_api", when=when, get=path.format(name="NAME"), requests=count,
               **{f"p{label}_ms": round(quantile(took, share), 2)
                  for label, share in (("50", 0.5), ("99", 0.99), ("999", 0.999))})


def channel(n):
    return f"team{n:03}"


def states(instance):
    found = {}
    for status in instance.ask("GET", "/v1/channels")["channels"]:
        found[status["state"]] = found.get(status["state"], 0) + 1
    return found


def make(instance, source, first, count):
    """Milliseconds of each creation, and seconds until all of them are checked."""
    took, begun = [], time.monotonic()
    for n in range(first, count):
        at = time.perf_counter()
        instance.create_channel(channel(n), source, [f"shop.t{n:03}"])
        took.append((time.perf_counter() - at) * 1000)
    wait_until(lambda: "Prechecking" not in states(instance), 120, lambda: f"all are checked: {states(instance)}")
    return took, time.monotonic() - begun


def all_normal(instance, running):
    return states(instance).get("Normal", 0) == running


class Writers:
    """Connections that insert and update, one row a transaction, over all tables, until stopped."""

    def __init__(self, source, tables, count):
        self.stopping, self.changes = False, [0] * count
        self.threads = [threading.Thread(target=self.run, args=(source, tables, n)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, source, tables, me):
        at = 0
        while not self.stopping:
            rows = range(at, at + 500)
            source.sql("USE shop;\n" + "".join(
                f"INSERT INTO t{n % tables:03} (who, note) VALUES ({me}, 'note {n} of what happened');\n"
                for n in rows))
            at += 500
            self.changes[me] += 500

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def under_load(instance, source, tables, running, seconds):
    """All running channels read the binlog that the writers fill."""
    def captured():
        return sum(status["captured"]["row_changes"] for status in instance.ask("GET", "/v1/channels")["channels"])
    writers = Writers(source, tables, 2)
    time.sleep(1)
    pid = instance.process.pid
    written, before, begun, rows = sum(writers.changes), instance.cpu_seconds(), time.monotonic(), captured()
    threads = threads_of(pid)
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    written, cpu, rows = sum(writers.changes) - written, instance.cpu_seconds() - before, captured() - rows
    by_thread = grown(threads, threads_of(pid))
    captures = sum(share for name, share in by_thread.items() if name.startswith("cap-"))
    delays = [status["source"]["delay_ms"] for status in instance.ask("GET", "/v1/channels")["channels"]
              if status["state"] == "Normal"]
    report("channels_load", running=running, written_rows_per_s=round(written / elapsed),
           captured_rows_per_s=round(rows / elapsed), read_rows_per_s=round(written * running / elapsed),
           core_percent=round(cpu / elapsed * 100),
           captures_core_percent=round(captures / elapsed * 100),
           storage_core_percent=round(by_thread.get("storage", 0) / elapsed * 100),
           max_delay_ms=max(delays, default=None),
           us_per_row_read=round(captures * 1e6 / max(1, written * running), 2), **memory_of(pid))
    ask_all(instance, 200, "load")
    writers.stop()


def bench_channels(harness, quick):
    configured, running = ((1, 10), (1, 5)) if quick else (CONFIGURED, RUNNING)
    source = harness.source("mariadb-10.11", "--set", "max_connections=500")
    source.sql("CREATE DATABASE shop;\n" + "".join(
        f"CREATE TABLE shop.t{n:03} (id BIGINT AUTO_INCREMENT PRIMARY KEY, who INT, note VARCHAR(80));\n"
        for n in range(configured[-1])))
    # docs/operations.md, "Many channels": for a machine of 16 GiB
    instance = harness.millraced(channels_max=configured[-1], captures_max=running[-1], chunk_count=384,
                                 memory_max_bytes=14 << 30)
    instance.start()
    idle_s, made, started = 2 if quick else 5, [], 0
    report("channels_configured", configured=0, **cost_of(instance, idle_s))
    for count in configured:
        took, seconds = make(instance, source, len(made), count)
        made += took
        report("channels_configured", configured=count, until_checked_s=round(seconds, 2), **cost_of(instance, idle_s))
    report("channels_create", channels=len(made), p50_ms=round(quantile(made, 0.5), 1),
           p99_ms=round(quantile(made, 0.99), 1), all_s=round(sum(made) / 1000, 2))
    report("channels_running", running=0, **cost_of(instance, idle_s))
    for count in running:
        begun = time.monotonic()
        for n in range(started, count):
            instance.ask("POST", f"/v1/channels/{channel(n)}/start")
        wait_until(lambda: all_normal(instance, count), 120, lambda: f"all are Normal: {states(instance)}")
        seconds, more, started = time.monotonic() - begun, count - started, count
        report("channels_running", running=count, more=more, until_normal_s=round(seconds, 2),
               **cost_of(instance, idle_s))
    ask_all(instance, 100 if quick else 1000, "idle")
    under_load(instance, source, configured[-1], started, 3 if quick else 10)
    wait_until(lambda: all_normal(instance, started), 60, lambda: f"all have caught up: {states(instance)}")
    for turn in range(1 if quick else 3):
        for how in ("stop", "kill"):
            restart(instance, how, turn, configured[-1], started)
    for row in instance.ask("GET", "/v1/status")["memory"]:
        report("channels_pool", pool=row["pool"], bytes=row["bytes"])


def restart(instance, how, turn, configured, running):
    """Seconds until it has ended, until it is ready, and until every channel that ran has caught up again."""
    begun = time.monotonic()
    getattr(instance, how)()
    ended, begun = time.monotonic() - begun, time.monotonic()
    instance.start()
    ready = time.monotonic() - begun
    wait_until(lambda: all_normal(instance, running), 120, lambda: f"all are Normal again: {states(instance)}")
    report("channels_restart", after=how, turn=turn, configured=configured, running=running, end_s=round(ended, 2),
           ready_s=round(ready, 2), all_normal_s=round(time.monotonic() - begun, 2))

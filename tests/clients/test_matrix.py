#!/usr/bin/env python3
"""Goal: real, unmodified Kafka clients of every language and age work with a channel: each logs in (PLAIN, the second
time by TLS, and with SCRAM where it can), joins its group, reads all records, commits in the middle, is killed, goes on
at the commit, finds the first record of a time and reads again from there, leaves.  What each saw must be what kcat
sees, record by record: offset, time, bytes.

usage: test_matrix.py [CLIENT...]      all that belong to the run, or those whose name contains one of these words
"""
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

from clients import all_clients, fetch
from harness import BUILD, IS_LONG, ROOT, Failed, check, checkpoint_of, free_port, main, wait_until

AT_ONCE = 6
STAGE_TIMEOUT_S = 150  # a busy machine starves a JVM
PASSWORD = "a secret, of \u20ac 3"
BATCHES = [(400, 40), (1, 150000), (300, 700), (2, 30), (500, 90)]  # rows in one transaction, bytes of a row


class Reference:
    """What a channel holds: lines as the drivers print them, by kcat."""

    def __init__(self, instance, topic, bootstrap=None):
        self.end = instance.status(topic)["log"]["high_watermark"]
        raw = subprocess.run(["kcat", "-b", bootstrap or instance.bootstrap, "-C", "-q", "-t", topic, "-p", "0", "-o",
                              "beginning", "-c", str(self.end), "-f", "%o %T %S %s"], capture_output=True,
                             check=True).stdout
        self.lines, self.times, at = [], [], 0
        while at < len(raw):
            behind = at
            for _ in range(3):
                behind = raw.index(b" ", behind) + 1
            offset, time_ms, size = map(int, raw[at:behind].split())
            self.lines.append(f"record {offset} {time_ms} {zlib.crc32(raw[behind:behind + size]):08x}")
            self.times.append(time_ms)
            at = behind + size
        check(len(self.lines) == self.end, f"kcat sees {len(self.lines)} records of {self.end}")
        self.commit = self.end * 2 // 3
        self.time_ms = self.times[self.end // 2]
        self.time_offset = next(i for i, t in enumerate(self.times) if t >= self.time_ms)
        check(0 < self.time_offset < self.commit, f"the time lies at offset {self.time_offset}")


class Driver:
    """One run of a client; `lines` is what it has printed."""

    def __init__(self, harness, client, folder, environment):
        self.client, self.lines = client, []
        self.words = open(f"{harness.folder}/{client.name.replace('/', '_')}.err", "ab+")
        self.process = harness.run_driver(client.command(folder), folder, environment, self.words)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def expect(self, lines):
        """Waits until it has printed these lines; the first wrong one fails."""
        count, self.right = len(lines), 0

        def come():
            for seen, wanted in zip(self.lines[self.right:], lines[self.right:]):
                check(seen == wanted, f"line {self.right} is '{seen}' where '{wanted}' belongs")
                self.right += 1
            if len(self.lines) < count and self.process.poll() is not None:
                self.reader.join()
                check(len(self.lines) >= count, f"it ended with code {self.process.returncode}: {self.tail()}")
            return self.right >= count
        wait_until(come, STAGE_TIMEOUT_S, lambda: f"{count} lines; {len(self.lines)} came: {self.tail()}")
        check(len(self.lines) == len(lines), f"more lines than expected: {self.lines[len(lines):][:1]}")

    def tail(self):
        self.words.seek(0)
        return " / ".join(self.lines[-3:]) + "\n" + self.words.read()[-1500:].decode("utf-8", "replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.stdin.close()
        wait_until(lambda: self.process.poll() is not None, STAGE_TIMEOUT_S, lambda: f"it ends: {self.tail()}")
        check(self.process.returncode == 0, f"it ended with {self.process.returncode}: {self.tail()}")
        self.reader.join()


def run_driver(harness, command, folder, environment, words):
    full = {**os.environ, **environment}
    if "PYTHONPATH" in full:
        full["PYTHONPATH"] = f"{folder}/{full['PYTHONPATH']}"
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True,
                               env=full)
    harness.processes.append(process)
    return process


def group_of(instance, topic, group):
    groups = instance.ask("GET", f"/v1/channels/{topic}/groups")["groups"]
    return next((g for g in groups if g["group"] == group), None)


def drive(harness, instance, reference, client, topic="matrix"):
    """The whole way of one client."""
    folder = None if client.part is None else fetch.folder_of(client.part)
    group = "matrix-" + re.sub("[^a-z0-9.]+", "-", client.name.lower()).strip("-")
    instance.ask("POST", f"/v1/channels/{topic}/groups", {"group": group, "account": "team", "password": PASSWORD})
    orders = {"MILLRACE_BOOTSTRAP": f"{harness.host}:{harness.login_port}", "MILLRACE_TOPIC": topic,
              "MILLRACE_GROUP": group, "MILLRACE_END": str(reference.end), "MILLRACE_USER": "team-" + group,
              "MILLRACE_PASSWORD": PASSWORD, **client.environment}
    first = Driver(harness, client, folder, {**orders, "MILLRACE_COMMIT": str(reference.commit),
                                             "MILLRACE_MECHANISM": "PLAIN"})
    first.expect(reference.lines + [f"committed {reference.commit}"])
    first.kill()
    expected = reference.lines[reference.commit:] + [f"committed {reference.end}"]
    if client.has_time:
        orders["MILLRACE_TIME_MS"] = str(reference.time_ms)
        expected += [f"time {reference.time_offset}"] + reference.lines[reference.time_offset:]
        expected += [f"committed {reference.end}"]
    mechanism = client.mechanisms[(1 + len(group) % 2) % len(client.mechanisms)]
    again = Driver(harness, client, folder, {
        **orders, "MILLRACE_COMMIT": str(reference.end), "MILLRACE_MECHANISM": mechanism,
        "MILLRACE_BOOTSTRAP": f"{harness.host}:{harness.tls_port}", "MILLRACE_CA": harness.folder + "/ca.pem",
        "MILLRACE_TRUST": harness.folder + "/ca.p12"})
    again.expect(expected)
    again.end()
    again.expect(expected + ["ended"])
    check(checkpoint_of(group_of(instance, topic, group)) == reference.end, "the server has another checkpoint")
    # Its word that it leaves may come a moment after its end; without it the session lasts 6 s.
    wait_until(lambda: group_of(instance, topic, group)["member_count"] == 0, 4 if client.leaves else 20,
               "it leaves its group")


def fill(source, instance):
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, what LONGTEXT);")
    instance.create_channel("matrix", source, ["shop.*"])
    instance.start_channel("matrix")
    for number, (rows, size) in enumerate(BATCHES):
        values = ",".join(f"('{chr(97 + number) * size}')" for _ in range(rows))
        source.sql(f"INSERT INTO shop.orders (what) VALUES {values};")
        time.sleep(1.1)
    wanted = sum(rows for rows, _ in BATCHES)
    wait_until(lambda: instance.status("matrix")["log"]["high_watermark"] > wanted, 30,
               "the channel has all rows")


def outcome_of(harness, instance, reference, client, topic="matrix"):
    """(is passed or None: skipped, words)"""
    begun = time.monotonic()
    try:
        drive(harness, instance, reference, client, topic)
        return True, f"{client.name}: {time.monotonic() - begun:.1f} s"
    except fetch.servers.Unavailable as why:
        return None, f"skipped: client {client.name}: {why}"
    except (Failed, OSError) as fault:
        return False, f"client {client.name}: {fault}"


def make_certificates(harness):
    subprocess.run([ROOT + "/tests/dataplane/certificates", harness.folder], check=True)
    if shutil.which("keytool") is not None:  # it comes with Java, which wants the authority in a key store
        subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", harness.folder + "/ca.pem",
                        "-keystore", harness.folder + "/ca.p12", "-storetype", "PKCS12", "-storepass", "changeit"],
                       check=True, capture_output=True)


def serve(harness, host="127.0.0.1", listener=None, more=(), **settings):
    """millraced with a listener for each way that `drive` goes, at `host`, and one for kcat."""
    harness.run_driver = lambda *how: run_driver(harness, *how)
    harness.host = host
    harness.login_port, harness.tls_port, plain_port = free_port(), free_port(), free_port()
    make_certificates(harness)
    listener = listener or {}
    instance = harness.millraced(fetch_bytes_max=65536, groups_per_channel_max=100,
                                 group_consumer_session_timeout_ms=6000, **settings, listeners=[
        {"name": "plain", "port": plain_port},
        {"name": "login", "port": harness.login_port, "authentication": "required", **listener},
        {"name": "tls", "port": harness.tls_port, "authentication": "required", **listener,
         "tls_certificate": harness.folder + "/server.pem", "tls_key": harness.folder + "/server.key"}, *more])
    instance.bootstrap = f"127.0.0.1:{plain_port}"
    instance.start()
    return instance


def all_results(harness, instance, reference, chosen):
    """Drives each client of [(Client, why it cannot run)]; prints what came of them."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(outcome_of, harness, instance, reference, client) for client, why in chosen
                   if why is None]
        results = [future.result() for future in running]
    results += [(None, f"skipped: client {client.name}: {why}") for client, why in chosen if why is not None]
    print(f"{reference.end} records; the time's first record is {reference.time_offset}, the commit {reference.commit}")
    for _, line in results:
        print(line)
    check(all(passed is not False for passed, _ in results), "not every client works, see above")
    check(any(passed for passed, _ in results), "no client ran")


def test_matrix(harness):
    words = sys.argv[1:]
    chosen = [(client, why) for client, why in all_clients(BUILD)
              if (any(word in client.name for word in words) if words else client.in_short or IS_LONG)]
    source = harness.source()
    instance = serve(harness)
    fill(source, instance)
    reference = Reference(instance, "matrix")
    all_results(harness, instance, reference, chosen)


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    sys.exit(main(test_matrix))

#!/usr/bin/env python3
"""Goal: bad input is an answer, never a crash.  Each case does what people, networks and disks do wrong, looks for the
clear words where the user looks (status, log, protocol), and sees that the process lives and still serves; only a
second millraced on the folder and a forbidden io_uring end the process, with the reason.

usage: test_bad_input.py CASE     (see CASES)
"""
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

from harness import BUILD, PATIENCE, Skipped, check, main, wait_until


def running(harness, *source_options, **settings):
    """A source with a table, millraced, channel `events` in state Normal."""
    source = harness.source("mariadb-10.11", *source_options)
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what LONGTEXT);")
    instance = harness.millraced(**settings)
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    return source, instance


def still_serves(source, instance, first_id):
    """A row inserted now arrives at a consumer."""
    before = instance.status("events")["captured"]["row_changes"]
    end = instance.status("events")["log"]["high_watermark"]
    source.sql(f"INSERT INTO shop.events VALUES ({first_id}, 'still served {first_id}');")
    wait_until(lambda: instance.status("events")["captured"]["row_changes"] > before, 20,
               lambda: f"the change is captured: {instance.status('events')}")
    def consumed():
        return subprocess.run(["kcat", "-b", instance.bootstrap, "-C", "-t", "events", "-o", str(end), "-e", "-u"],
                              capture_output=True, timeout=30 * PATIENCE)
    wait_until(lambda: f"still served {first_id}".encode() in consumed().stdout, 20,
               lambda: f"the consumer gets the row: {consumed()}\n{instance.tail()}")


def error_text(instance, name):
    """What the user reads: the status' error, once there is one."""
    def text():
        error = instance.status(name)["error"]
        return error and error["text"]
    return wait_until(text, 40, lambda: f"the status shows an error: {instance.status(name)}")


def wrong_password(harness):
    source = harness.source()
    source.sql("CREATE DATABASE shop;")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"], password="not the password")
    text = error_text(instance, "events")
    check("denied" in text.lower() and source.facts["user"] in text, f"the error says only: {text}")
    check("not the password" not in instance.log_text() + text, "the password is in the log or the status")
    check(instance.is_alive(), "millraced ended")


def no_row_format(harness):
    source = harness.source("mariadb-10.11", "--set", "binlog-format=STATEMENT")
    source.sql("CREATE DATABASE shop;")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    text = error_text(instance, "events")
    check("binlog_format" in text and "ROW" in text, f"the error says only: {text}")
    check(instance.is_alive(), "millraced ended")


def unknown_channel(harness):
    source, instance = running(harness)
    status, answer = instance.rest("GET", "/v1/channels/nothing/status")
    check(status == 404 and "nothing" in str(answer), f"REST answered {status}: {answer}")
    done = subprocess.run(["kcat", "-b", instance.bootstrap, "-C", "-t", "nothing", "-o", "beginning", "-e"],
                          capture_output=True, text=True, timeout=30 * PATIENCE)
    check(done.returncode != 0 and "nknown topic" in done.stderr, f"kcat says: {done.stderr}")
    still_serves(source, instance, 1)


def frames(seed_bytes):
    """(name, bytes) of requests that no client should send."""
    client = struct.pack(">h", 4) + b"test"
    head = struct.pack(">hhi", 18, 0, 7) + client

    def frame(api, version, body):
        return struct.pack(">ihhi", 8 + len(body), api, version, 9) + body

    yield "length 0", struct.pack(">i", 0)
    yield "negative length", struct.pack(">i", -5) + b"x" * 40
    yield "2 GB", struct.pack(">i", 0x7FFFFFFF) + b"x" * 4096
    yield "truncated header", struct.pack(">i", 3) + b"\0\x12\0"
    yield "truncated frame", struct.pack(">i", 100) + head
    yield "client id beyond the frame", frame(3, 1, struct.pack(">h", 999) + b"ab")
    yield "unknown api", frame(999, 0, client)
    yield "unknown version", frame(1, 99, client)
    yield "array of 2^31-1 topics", frame(3, 1, client + b"\x7f\xff\xff\xff")
    for api in (0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18):
        for version in (0, 1, 2, 4, 7, 9, 11):
            yield f"random body of api {api} version {version}", frame(api, version, client + seed_bytes(60))
    for n in range(100):
        yield f"random bytes {n}", seed_bytes(1 + n * 7)
    for n in range(50):
        body = seed_bytes(20 + n)
        yield f"random frame {n}", struct.pack(">i", len(body)) + body


def malformed_frames(harness):
    source, instance = running(harness)
    count = 0
    for name, raw in frames(harness.random.randbytes):
        with socket.create_connection(("127.0.0.1", instance.kafka_port), timeout=60) as s:
            s.sendall(raw)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(60)
            try:
                while s.recv(65536):  # an answer or a close, never silence for ever
                    pass
            except ConnectionError:
                pass
            except TimeoutError:
                check(False, f"{name}: neither answered nor closed")
        check(instance.is_alive(), f"{name}: millraced ended with code {instance.process.returncode}")
        count += 1
    still_serves(source, instance, 1)
    print(f"{count} malformed requests answered or closed")


def fetch_request(topic, offset, correlation):
    """Fetch version 4: everything from `offset`, 50 MB."""
    body = struct.pack(">iiiib", -1, 500, 1, 50 << 20, 0) + struct.pack(">i", 1) + struct.pack(">h", len(topic))
    body += topic.encode() + struct.pack(">iiqi", 1, 0, offset, 50 << 20)
    head = struct.pack(">hhi", 1, 4, correlation) + struct.pack(">h", 4) + b"slow"
    return struct.pack(">i", len(head + body)) + head + body


def slow_client(harness):
    """Clients that ask for everything and never read: they cost their own connection, nobody else's records."""
    source, instance = running(harness)
    source.sql("".join(f"INSERT INTO shop.events VALUES ({n}, REPEAT('x', 100000));\n" for n in range(1, 601)))
    wait_until(lambda: instance.status("events")["captured"]["row_changes"] >= 600, 30, "the backlog is captured")
    stalled = []
    for n in range(8):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", instance.kafka_port))
        s.sendall(b"".join(fetch_request("events", 0, i) for i in range(20)))
        stalled.append(s)
    time.sleep(2)
    resident = instance.resident_bytes()
    for n in range(5):
        still_serves(source, instance, 10000 + n)
    check(instance.is_alive(), "millraced ended")
    check(instance.resident_bytes() < resident + (64 << 20),
          f"memory grew from {resident >> 20} to {instance.resident_bytes() >> 20} MiB under clients that do not read")
    for s in stalled:
        s.close()


def second_instance(harness):
    source, instance = running(harness)
    other = harness.millraced(data_folder=instance.settings["data_folder"])
    other.start(wait=False)
    code = other.exit_code()
    check(code != 0, "a second millraced on the same data folder exited with 0")
    check(instance.settings["data_folder"] in other.log_text() and "another" in other.log_text(),
          f"it says only: {other.tail()}")
    still_serves(source, instance, 1)


def small_disk(harness):
    """A folder on a small file system, and the prefix of commands that see it."""
    folder = os.environ.get("MILLRACE_SMALL_DISK", "")
    if folder and os.access(folder, os.W_OK):
        return folder, []
    folder = harness.folder + "/small"
    os.mkdir(folder)
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
             f'mount -t tmpfs -o size=96m tmpfs {folder} && exec "$@"', "sh"]
    probe = f"dd if=/dev/zero of={folder}/probe bs=4096 count=1 oflag=direct status=none"
    if subprocess.run([*enter, "sh", "-c", probe], capture_output=True).returncode != 0:
        raise Skipped("no small disk to fill: not root (a loop mount), and no private tmpfs with O_DIRECT here")
    return folder, enter


def full_disk(harness):
    """Error with clear words; what was durable is whole and served; goes on by itself when there is room again."""
    folder, prefix = small_disk(harness)
    if not prefix:  # the storage tests fill this disk, too
        lock = open(folder + "/lock", "a")
        fcntl.flock(lock, fcntl.LOCK_EX)
    data = folder + "/data"
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what LONGTEXT);")
    instance = harness.millraced(data_folder=data, segment_bytes=8 << 20)
    instance.start(prefix)
    filler = f"/proc/{instance.process.pid}/root{folder}/filler"
    rows = 40
    try:
        instance.create_channel("events", source, ["shop.*"])
        instance.start_channel("events")
        room = os.statvfs(os.path.dirname(filler))
        with open(filler, "wb") as f:
            f.write(bytes(room.f_bavail * room.f_frsize - (16 << 20)))
        source.sql("".join(f"INSERT INTO shop.events VALUES ({n}, REPEAT('x', 1000000));\n"
                           for n in range(1, rows + 1)))
        error = wait_until(lambda: instance.status("events")["error"], 40, lambda: f"{instance.status('events')}")
        check("No space left on device" in error["cause"] and data in error["cause"] and
              error["what_to_do"].startswith("free some space") and "free some" not in error["cause"] and
              error["text"] == f"{error['cause']}; {error['what_to_do']}" and error["position"]["position"] > 4,
              f"not each in its field: {error}")
        check(instance.is_alive(), "millraced ended")
        readable_to_the_end(instance)
        os.remove(filler)
        wait_until(lambda: instance.status("events")["state"] == "Normal"
                   and count_rows(instance) == rows, 60,
                   lambda: f"all {rows} rows are there once there is room: {instance.status('events')}")
        readable_to_the_end(instance)
    finally:
        if instance.is_alive():
            instance.kill()
        subprocess.run(["rm", "-rf", data, folder + "/filler"])


def count_rows(instance):
    """Records of a megabyte that a consumer gets from the beginning."""
    end = instance.status("events")["log"]["high_watermark"]
    return sum(int(size) > 1_000_000 for size in read_sizes(instance, end))


def read_sizes(instance, end):
    seen = subprocess.run(["kcat", "-b", instance.bootstrap, "-C", "-t", "events", "-o", "beginning", "-e",
                           "-c", str(end), "-f", "%S\\n"], capture_output=True, text=True, timeout=60 * PATIENCE)
    return seen.stdout.split()


def readable_to_the_end(instance):
    end = instance.status("events")["log"]["high_watermark"]
    check(end > 0, "nothing is served")
    check(len(read_sizes(instance, end)) == end, f"not all of {end} records could be read")


def no_uring(harness):
    instance = harness.millraced()
    instance.start([BUILD + "/tests/e2e/no_uring"], wait=False)
    code = instance.exit_code()
    if code == 77:
        raise Skipped(instance.tail().strip().removeprefix("SKIP: "))
    check(code != 0, "millraced without io_uring exited with 0")
    check("io_uring" in instance.log_text(), f"it says only: {instance.tail()}")


def locked_memory(harness):
    """8 MiB of locked memory: buffers that may not be registered are used unregistered, said once by each room.
    None at all: it works (where the kernel does not count the rings), or it ends and says what to raise."""
    source, instance = running(harness)
    check(instance.stop() == 0, "millraced did not stop in order")
    os.truncate(instance.log_file, 0)
    instance.start(["prlimit", f"--memlock={8 << 20}:{8 << 20}"])
    wait_until(lambda: instance.status("events")["state"] == "Normal", 30,
               lambda: f"the channel is Normal again: {instance.status('events')}")
    still_serves(source, instance, 1)
    said = [line for line in instance.log_text().split("\n") if "regist" in line]
    check(len(said) <= 3, f"unregistered buffers are said {len(said)} times: {said[:3]}")
    check(instance.stop() == 0, "millraced did not stop in order")
    instance.start(["prlimit", "--memlock=0:0"], wait=False)
    wait_until(lambda: not instance.is_alive() or "Kafka on" in instance.log_text(), 30, "it starts or ends")
    if not instance.is_alive():
        check(instance.process.returncode != 0 and "locked memory" in instance.tail(),
              f"it says only: {instance.tail()}")


CASES = {case.__name__: case for case in (wrong_password, no_row_format, unknown_channel, malformed_frames, slow_client,
                                          second_instance, full_disk, no_uring, locked_memory)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: test_bad_input.py {'|'.join(CASES)}")
    sys.exit(main(CASES[sys.argv[1]]))

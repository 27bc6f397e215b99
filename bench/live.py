"""bench/live.py -- the benchmarks that need real servers: capture, visible, recovery, offset_commit, idle, memory.

Each takes the harness of the end-to-end tests and `quick`, prints JSON lines through `report` (what they mean:
measure/registry.py), and returns nothing.  A and B are measured in turns (A B A B) on the same data, so that a busy
machine hits both.
"""
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from harness import BUILD, check, wait_until  # noqa: E402
from test_idle import cpu_share_when_idle  # noqa: E402

TABLE = ("CREATE TABLE shop.events (id BIGINT NOT NULL PRIMARY KEY, customer_id INT, name VARCHAR(40), "
         "state TINYINT, note VARCHAR(80)) ENGINE=InnoDB CHARACTER SET utf8mb4;")


def report(bench, **figures):
    print(json.dumps({"bench": bench, **figures}), flush=True)


def threads_of(pid):
    """{thread name: CPU seconds} of one process; threads of one name are summed."""
    seconds = {}
    tick = os.sysconf("SC_CLK_TCK")
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as f:
                text = f.read()
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 1:].split()
        seconds[name] = seconds.get(name, 0) + (int(fields[11]) + int(fields[12])) / tick
    return seconds


def grown(before, after):
    return {name: round(after[name] - before.get(name, 0), 2) for name in sorted(after)
            if after[name] - before.get(name, 0) >= 0.01}


def load_bulk(source, changes):
    """Transactions of 1,000 rows, of about 130 binlog bytes a change: half inserts, a quarter updates, a quarter
    deletes.  Returns (rows, transactions)."""
    step, rows, transactions = 1000, 0, 0
    sql = ["USE shop; SET SESSION unique_checks=0;\n"]
    for n in range(changes // 2 // step):
        first = 1 + n * step
        sql.append(f"INSERT INTO events SELECT seq, seq*7 % 100003, CONCAT('customer ', seq), seq % 5, "
                   f"RPAD(CONCAT('note of event ', seq), 77, ' and more') FROM seq_{first}_to_{first + step - 1};\n")
        rows, transactions = rows + step, transactions + 1
        if n % 2 == 1:
            sql.append(f"UPDATE events SET state=state+10 WHERE id BETWEEN {first} AND {first + step - 1};\n"
                       f"DELETE FROM events WHERE id BETWEEN {first} AND {first + step - 1};\n")
            rows, transactions = rows + 2 * step, transactions + 2
    source.sql("".join(sql))
    return rows, transactions


def load_single(source, changes):
    """One-row inserts, a transaction each."""
    source.sql(f"USE shop;\nDELIMITER //\nBEGIN NOT ATOMIC\nFOR i IN 1..{changes} DO\nINSERT INTO events VALUES "
               "(i, i*7 % 100003, CONCAT('customer ', i), i % 5, CONCAT('note of event ', i));\nEND FOR;\nEND //\n")
    return changes, changes


def null_client(source, file):
    """One reading by the null client; its JSON."""
    facts = source.facts
    done = subprocess.run([BUILD + "/bench/null_client", "127.0.0.1", str(source.port), facts["user"],
                           facts["password"], file], capture_output=True, text=True)
    check(done.returncode == 0, f"null_client: {done.stderr}")
    return json.loads(done.stdout)


def make_channel(instance, source, name, visible="durable"):
    """A channel that may be started, from the binlog's beginning on.  Without TLS, which the null client and others do
    not speak either."""
    instance.create_channel(name, source, ["shop.*"], start_at="earliest", visible=visible, tls={"mode": "off"})
    wait_until(lambda: "start" in instance.status(name)["operations"], 30, lambda: str(instance.status(name)))


def stop_channel(instance, name):
    instance.ask("POST", f"/v1/channels/{name}/stop")
    wait_until(lambda: "delete" in instance.status(name)["operations"] and not instance.status(name)["is_started"], 30,
               "the channel is stopped")


def capture_once(instance, name, rows, transactions, look=lambda: None):
    """Seconds from the channel's start until every record is visible, the CPU seconds of each thread meanwhile, and the
    bytes of the log.  `look` is called then, before the channel is deleted."""
    records = rows + 2 * transactions
    before = threads_of(instance.process.pid)
    begun = time.monotonic()
    instance.ask("POST", f"/v1/channels/{name}/start")
    while True:
        status = instance.status(name)
        seconds = time.monotonic() - begun
        if status["log"] and status["log"]["high_watermark"] >= records:
            break
        check(not status["error"], f"the channel stopped: {status['error']}")
        check(seconds < 300, f"not captured within 300 s: {status}")
        time.sleep(0.02)  # asking costs both sides CPU that capture has not then
    cpu = grown(before, threads_of(instance.process.pid))
    wait_until(lambda: instance.status(name)["captured"]["row_changes"] == rows, 10,
               lambda: f"{rows} row changes are captured: {instance.status(name)}")
    log_bytes = instance.status(name)["log"]["bytes"]
    look()
    stop_channel(instance, name)
    instance.ask("DELETE", f"/v1/channels/{name}")
    return seconds, cpu, log_bytes


def load_wide(source, changes):
    """Inserts and updates of 100 columns: numbers, texts, times."""
    kinds = ("INT", "VARCHAR(20)", "DECIMAL(12,2)", "DATETIME", "BIGINT UNSIGNED", "CHAR(8)")
    values = ("seq*7", "CONCAT('v', seq % 1000)", "seq/7", "'2024-02-29 12:34:56'", "seq*65537", "seq % 10000")
    columns = ", ".join(f"c{n} {kinds[n % 6]}" for n in range(1, 100))
    row = ", ".join(values[n % 6] for n in range(1, 100))
    step, count = 1000, changes // 2 // 1000
    source.sql(f"USE shop; CREATE TABLE shop.wide (id INT PRIMARY KEY, {columns});\n" + "".join(
        f"INSERT INTO shop.wide SELECT seq, {row} FROM seq_{1 + n * step}_to_{(n + 1) * step};\n"
        f"UPDATE shop.wide SET c6 = c6 + 1 WHERE id > {n * step};\n" for n in range(count)))
    return 2 * count * step, 2 * count


def load_json(source, changes):
    """Inserts and updates of documents of about 400 bytes, as MySQL stores JSON."""
    step, count = 1000, changes // 2 // 1000
    document = ("JSON_OBJECT('id', n, 'name', CONCAT('customer ', n), 'is_active', n % 2 = 0, 'balance', n / 7, "
                "'tags', JSON_ARRAY('red', 'green', n, NULL, 1.5e10), 'address', JSON_OBJECT('street', "
                "CONCAT('Long Street ', n), 'city', 'Zürich', 'zip', LPAD(n, 5, '0'), 'at', JSON_ARRAY(47.3, 8.5)), "
                "'history', JSON_ARRAY(JSON_OBJECT('op', 'new', 'by', n), JSON_OBJECT('op', 'paid', 'sum', n * 3)), "
                "'note', REPEAT('x', 60 + n % 60))")
    numbers = f"WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {step})"
    source.sql("CREATE TABLE shop.docs (id INT PRIMARY KEY, doc JSON);\n" + "".join(
        f"INSERT INTO shop.docs {numbers} SELECT n + {k * step}, {document} FROM s;\n"
        f"UPDATE shop.docs SET doc = JSON_SET(doc, '$.balance', id) WHERE id > {k * step};\n" for k in range(count)))
    return 2 * count * step, 2 * count


def timed(command):
    """Seconds, by the clock and of CPU, of a command whose output is thrown away."""
    begun = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, state, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(state)
    check(child.returncode == 0, f"{command[0]} ended with {child.returncode}")
    return {"seconds": round(time.monotonic() - begun, 3), "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3)}


def capture_reader(source, rows):
    """One reading by capture into chunks that are thrown away; its JSON."""
    facts = source.facts
    done = subprocess.run([BUILD + "/bench/capture_reader", "127.0.0.1", str(source.port), facts["user"],
                           facts["password"], "shop.*", str(rows)], capture_output=True, text=True)
    check(done.returncode == 0, f"capture_reader: {done.stderr}")
    return json.loads(done.stdout)


def rate(bench, turn, system, run, shape, rows, **more):
    """The line of one reading of `rows` row changes, which took run["seconds"] and run["cpu_seconds"]."""
    report(bench, shape=shape, system=system, turn=turn, row_changes=rows, seconds=round(run["seconds"], 4),
           cpu_seconds=round(run["cpu_seconds"], 3), row_changes_per_s=round(rows / run["seconds"]),
           cpu_ns_per_row=round(run["cpu_seconds"] * 1e9 / rows), **more)


def bench_capture(harness, quick):
    """Row changes per second, decoded and encoded into chunks that are thrown away, against the null client and
    mariadb-binlog on the same file (in turns)."""
    shapes = (("bulk", "mariadb-10.11", load_bulk, 1_600_000), ("single", "mariadb-10.11", load_single, 200_000),
              ("json", "mysql-9.7", load_json, 200_000), ("100 columns", "mariadb-10.11", load_wide, 100_000))
    for shape, kind, load, changes in shapes:
        source = harness.source(kind)
        is_mariadb = kind.startswith("mariadb")
        reset = "RESET MASTER;" if is_mariadb else "RESET BINARY LOGS AND GTIDS;"
        source.sql("CREATE DATABASE shop; " + TABLE + reset)
        rows, transactions = load(source, changes // 8 if quick else changes)
        file = source.sql("SHOW BINARY LOGS").split()[0]
        decode = ["mariadb-binlog", "-v", "--base64-output=decode-rows", f"{source.folder}/data/{file}"]
        null_client(source, file)  # the first reading warms the page cache
        for turn in range(2 if quick else 5):
            rate("capture", turn, "null client", null_client(source, file), shape, rows)
            run = capture_reader(source, rows)
            rate("capture", turn, "millrace", run, shape, rows, log_bytes=run["log_bytes"],
                 transactions=transactions, prepare_seconds=run["prepare_seconds"])
            if is_mariadb and turn < 3:  # which cannot read MySQL's JSON
                rate("capture", turn, "mariadb-binlog -v", timed(decode), shape, rows)
        source.stop()


def bench_visible(harness, quick):
    """Row changes per second from the source to visible in the log, against the null client (A B A B)."""
    shapes = (("bulk", load_bulk, 1_600_000), ("single", load_single, 200_000))
    for shape, load, changes in shapes:
        changes = changes // 4 if quick else changes
        source = harness.source()
        source.sql("CREATE DATABASE shop; " + TABLE + "RESET MASTER;")
        rows, transactions = load(source, changes)
        file = source.sql("SHOW BINARY LOGS").split()[0]
        instance = harness.millraced()
        instance.start()
        null_client(source, file)  # the first reading warms the page cache
        for turn in range(2 if quick else 4):
            rate("visible", turn, "null client", null_client(source, file), shape, rows)
            make_channel(instance, source, f"bench{turn}")
            seconds, cpu, log_bytes = capture_once(instance, f"bench{turn}", rows, transactions)
            run = {"seconds": round(seconds, 3), "cpu_seconds": round(sum(cpu.values()), 2)}
            rate("visible", turn, "millrace", run, shape, rows, log_bytes=log_bytes, transactions=transactions,
                 cpu_seconds_by_thread=cpu)
        instance.stop()
        source.stop()


def durable_write_us(path, count):
    """Latencies of bare 4 KiB durable writes (O_DIRECT, O_DSYNC) to `path`."""
    block = mmap.mmap(-1, 4096)
    block.write(os.urandom(4096))
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT | os.O_DSYNC, 0o600)
    os.posix_fallocate(fd, 0, 4096 * count)
    os.fsync(fd)
    latencies = []
    for n in range(count):
        begun = time.perf_counter_ns()
        os.pwrite(fd, block, 4096 * n)
        latencies.append((time.perf_counter_ns() - begun) / 1000)
    os.close(fd)
    return latencies


def commit_us(port, count):
    """Latencies of OffsetCommit (version 2, a consumer without a group's membership), one after the other."""
    latencies = []
    group, topic = b"bench", b"events"
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = s.makefile("rb")
        for n in range(count):
            body = struct.pack(">hhih", 8, 2, n, 5) + b"bench" + struct.pack(">h", len(group)) + group
            body += struct.pack(">ih", -1, 0) + struct.pack(">q", -1) + struct.pack(">ih", 1, len(topic)) + topic
            body += struct.pack(">iiqh", 1, 0, n, 0)
            begun = time.perf_counter_ns()
            s.sendall(struct.pack(">i", len(body)) + body)
            frame = answer.read(struct.unpack(">i", answer.read(4))[0])
            latencies.append((time.perf_counter_ns() - begun) / 1000)
            error = struct.unpack(">h", frame[-2:])[0]
            check(error == 0, f"OffsetCommit answered error {error}")
    return latencies


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def bench_offset_commit(harness, quick):
    """OffsetCommit's latency against a bare 4 KiB durable write to the same disk (A B A B)."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; " + TABLE)
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    commit_us(instance.kafka_port, 50)
    for turn in range(10 if quick else 50):
        for system, latencies in (("bare write", durable_write_us(harness.folder + "/durable", 100)),
                                  ("millrace", commit_us(instance.kafka_port, 100))):
            report("offset_commit", system=system, turn=turn, p50_us=round(quantile(latencies, 0.5)),
                   p99_us=round(quantile(latencies, 0.99)))


def bench_idle(harness, quick):
    """CPU share of a millraced with one channel and ten waiting consumers."""
    seconds = 10 if quick else 30
    share, resident = cpu_share_when_idle(harness, 10, seconds)
    report("idle", consumers=10, seconds=seconds, core_percent=round(share * 100, 3), resident_mib=resident >> 20)


def bench_memory(harness, quick):
    """Resident memory while a backlog is captured and then read by a consumer from its beginning."""
    row_bytes, megabytes = 100_000, 256 if quick else 2048
    rows = megabytes * 1_000_000 // row_bytes
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, body LONGTEXT); RESET MASTER;")
    source.sql("USE shop;\n" + "".join(
        f"INSERT INTO events SELECT seq, REPEAT(CHAR(65 + seq % 26), {row_bytes}) FROM seq_{n}_to_{n + 99};\n"
        f"DELETE FROM events WHERE id < {n};\n" for n in range(1, rows, 100)))
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"], start_at="earliest")
    wait_until(lambda: "start" in instance.status("events")["operations"], 30, "the channel may be started")
    at_start, samples = instance.resident_bytes(), []
    begun = time.monotonic()
    instance.ask("POST", "/v1/channels/events/start")

    def captured():
        samples.append(instance.resident_bytes())
        return instance.status("events")["source"]["connection"] == "at tail"
    wait_until(captured, 600, lambda: f"the backlog is captured: {instance.status('events')}")
    capture_s, log = time.monotonic() - begun, instance.status("events")["log"]
    captured_max = max(samples)
    reader = harness.run(["kcat", "-b", instance.bootstrap, "-C", "-t", "events", "-o", "beginning", "-q",
                          "-c", str(log["high_watermark"]), "-X", "queued.max.messages.kbytes=65536"],
                         stdout=subprocess.DEVNULL)
    begun, reading = time.monotonic(), []
    while reader.poll() is None:
        reading.append(instance.resident_bytes())
        check(time.monotonic() - begun < 600, "the backlog is not read within 600 s")
        time.sleep(0.05)
    check(reader.returncode == 0, f"kcat ended with code {reader.returncode}")
    read_s = time.monotonic() - begun
    report("memory", megabytes=megabytes, backlog_bytes=log["bytes"],
           memory_max_bytes=instance.settings["memory_max_bytes"], resident_at_start=at_start,
           resident_max_capture=captured_max, resident_max_read=max(reading), capture_seconds=round(capture_s, 2),
           read_seconds=round(read_s, 2), read_mb_per_s=round(log["bytes"] / read_s / 1e6))


def kafka_ask(port, api, version, body, address="127.0.0.1"):
    """One request of Kafka's protocol and its answer, behind the correlation id; None: nobody answers."""
    request = struct.pack(">hhih", api, version, 7, -1) + body
    try:
        with socket.create_connection((address, port), timeout=5) as s:
            s.sendall(struct.pack(">i", len(request)) + request)
            answer = b""
            while len(answer) < 4 or len(answer) < 4 + struct.unpack(">i", answer[:4])[0]:
                more = s.recv(1 << 20)
                if not more:
                    return None
                answer += more
            return answer[8:]
    except OSError:
        return None


def last_offset(port, topic, address="127.0.0.1"):
    """ListOffsets v1: the offset of the last record, or None."""
    name = struct.pack(">h", len(topic)) + topic.encode()
    answer = kafka_ask(port, 2, 1, struct.pack(">ii", -1, 1) + name + struct.pack(">iiq", 1, 0, -1), address)
    if answer is None:
        return None
    error, _, offset = struct.unpack_from(">hqq", answer, 4 + len(name) + 8)
    return offset - 1 if error == 0 and offset > 0 else None


def fetched_bytes(port, topic, offset):
    """Fetch v4 from this offset on: bytes of records."""
    name = struct.pack(">h", len(topic)) + topic.encode()
    answer = kafka_ask(port, 1, 4, struct.pack(">iiiibi", -1, 100, 1, 1 << 20, 0, 1) + name +
                       struct.pack(">iiqi", 1, 0, offset, 1 << 20))
    if answer is None:
        return 0
    error, _, _, _, size = struct.unpack_from(">hqqii", answer, 8 + len(name) + 8)
    return size if error == 0 else 0


def serving_ms(instance, topic):
    """Starts it; milliseconds until the last record of the topic was fetched."""
    begun = time.monotonic()
    instance.start(wait=False)
    while True:
        offset = last_offset(instance.kafka_port, topic)
        if offset is not None and fetched_bytes(instance.kafka_port, topic, offset) > 0:
            return (time.monotonic() - begun) * 1000
        check(instance.is_alive() and time.monotonic() - begun < 60, "the log is served within 60 s")
        time.sleep(0.002)


def bench_recovery(harness, quick):
    """From the start after a kill -9 to the fetch of the last record, with 0.1 to 50 GB of log."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; " + TABLE)
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    wait_until(lambda: instance.status("events")["log"]["high_watermark"] > 0, 30, "a first record is logged")
    instance.ask("POST", "/v1/channels/events/stop")
    instance.kill()
    data = instance.settings["data_folder"]
    made = 0
    for gigabytes in (0.1, 0.2, 0.5) if quick else (0.1, 1, 5, 20, 50):
        free = os.statvfs(data)
        if free.f_bavail * free.f_frsize < (gigabytes - made) * 1.5e9:
            print(f"# recovery: no room for {gigabytes} GB, left out", file=sys.stderr)
            break
        maker = subprocess.run([f"{BUILD}/bench/log_maker", data, "events", str(int((gigabytes - made) * 1e9))])
        check(maker.returncode == -9, f"log_maker ended with {maker.returncode}")
        made = gigabytes
        for turn in range(5):  # the first after a kill while it appended
            report("recovery", log_gb=gigabytes, turn=turn, ms=round(serving_ms(instance, "events")))
            instance.kill()

"""bench/growth.py -- how the cost of following a binlog grows: with rows, with the size of a record, with columns;
and how that of a batch at the tail grows with the groups that wait for it, and with connections that are idle.

What grows with channels, consumers and the size of the log is in the curves of channels, dataplane and recovery.
"""
import json
import resource
import subprocess

from harness import BUILD, check
import apart
import fanout
import live

ROWS = {True: (50_000, 200_000, 800_000), False: (100_000, 400_000, 1_600_000, 6_400_000)}
TEXT_BYTES = {True: (10, 100, 1_000, 10_000), False: (10, 100, 1_000, 10_000, 60_000)}  # a TEXT: 65,535
TEXT_MB = {True: 100, False: 400}
COLUMNS = {True: (5, 20, 80), False: (5, 20, 50, 100, 200)}
CELLS = {True: 1_000_000, False: 10_000_000}
TURNS = {True: 3, False: 5}
GROUPS = {True: (1, 30, 1_000), False: (1, 10, 100, 1_000)}
DELIVERIES_PER_S = 6000  # to all groups together, of batches: what two cores carry with ease, the clients included
CONNECTIONS = {True: (10, 1_000, 10_000), False: (10, 100, 1_000, 10_000)}
CONNECTION_GROUPS, CONNECTION_BATCHES_PER_S = 10, 200
OTHER_FILES = 600  # of the server, besides connections
TAIL_SECONDS = {True: 1, False: 4}


def follow(rows, rows_per_event, text_bytes):
    """What bench_follow says of so many rows in transactions of 1,000 at most."""
    words = map(str, (rows, min(rows, 1000), rows_per_event, text_bytes))
    done = subprocess.run([BUILD + "/bench/bench_follow", *words], capture_output=True, text=True)
    check(done.returncode == 0, f"bench_follow: {done.stderr}")
    return json.loads(done.stdout)


def table_of(source, columns, rows):
    """A table of so many INT and VARCHAR columns beside its key, and a binlog that has its rows' inserts."""
    kinds, values = ("INT", "VARCHAR(16)"), ("seq * 7", "CONCAT('value ', seq)")
    names = ", ".join(f"c{n} {kinds[n % 2]}" for n in range(1, columns))
    row = ", ".join(values[n % 2] for n in range(1, columns))
    source.sql(f"DROP TABLE IF EXISTS shop.wide; CREATE TABLE shop.wide (id INT PRIMARY KEY, {names}); RESET MASTER;")
    source.sql("USE shop;\n" + "".join(f"INSERT INTO wide SELECT seq, {row} FROM seq_{n}_to_{n + 999};\n"
                                       for n in range(1, rows, 1000)))


def at_tail(server, groups, per_second, idle, seconds):
    """What a batch of four records of 1 KB costs the server when so many groups wait for it; each gets it, or this
    fails."""
    got = fanout.client("tail", server.port, server.pid, fanout.TOPIC, 1000, fanout.TAIL_BATCH_BYTES, groups,
                        server.end, seconds, server.kind, server.feed_port, per_second, idle)
    server.end = got["end"]
    return {"server_cpu_us_per_batch": round(got["server_cpu_s"] * 1e6 / (got["batches_per_s"] * seconds), 1),
            "p50_us": got["p50_us"], "p99_us": got["p99_us"]}


def serving_curves(harness, quick):
    files, seconds = resource.getrlimit(resource.RLIMIT_NOFILE)[1], TAIL_SECONDS[quick]
    points = [n for n in CONNECTIONS[quick] if n + OTHER_FILES < files]
    if len(points) < len(CONNECTIONS[quick]):
        note = f"growth_connections ends at {points[-1]}: {files} open files are allowed"
        print(json.dumps({"note": note}), flush=True)
    with apart.on(apart.SERVERS):  # its client has the others
        server = fanout.Millrace(harness, "growth")
    fanout.fill(server, 1000, 1)
    for turn in range(TURNS[quick]):
        for groups in GROUPS[quick]:
            live.report("growth_groups", groups=groups, turn=turn,
                        **at_tail(server, groups, min(400, DELIVERIES_PER_S / groups), 0, seconds))
        for idle in points:
            live.report("growth_connections", connections=idle, turn=turn,
                        **at_tail(server, CONNECTION_GROUPS, CONNECTION_BATCHES_PER_S, idle, seconds))
    server.stop()


def bench_growth(harness, quick):
    """Each curve is taken whole, turn by turn."""
    serving_curves(harness, quick)
    for turn in range(TURNS[quick]):
        for rows in ROWS[quick]:
            run = follow(rows, 100, 40)
            live.report("growth_rows", rows=rows, turn=turn, cpu_seconds=run["cpu_seconds"],
                        cpu_ns_per_row=run["cpu_ns_per_row"])
        for size in TEXT_BYTES[quick]:
            rows = min(200_000, TEXT_MB[quick] * 1_000_000 // size // 1000 * 1000)
            run = follow(rows, max(1, 8000 // size), size)
            live.report("growth_record", text_bytes=size, turn=turn, cpu_ns_per_row=run["cpu_ns_per_row"],
                        mb_per_cpu_second=run["log_mb"] / run["cpu_seconds"])
    source = harness.source()
    source.sql("CREATE DATABASE shop;")
    for columns in COLUMNS[quick]:
        rows = CELLS[quick] // columns // 1000 * 1000
        table_of(source, columns, rows)
        for turn in range(TURNS[quick]):
            run = live.capture_reader(source, rows)
            live.report("growth_columns", columns=columns, turn=turn,
                        cpu_ns_per_row=run["cpu_seconds"] * 1e9 / rows)

#!/usr/bin/env python3
"""Goal: what the millrace command promises beside its requests: the line that shows progress, --watch, exit codes, the
man page and the completion that are made from its own table.  millraced is played: its answers are made up.

usage: test_cli.py CASE     (see CASES)
"""
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import BUILD, PATIENCE, check, main, wait_until  # noqa: E402

MILLRACE = BUILD + "/cli/millrace"
INITIAL = "Performing Initial Change Tracking"


GROUPS = {"count": 2, "active": 1, "lag": {"records": 12, "seconds": 3.5}}


def status(state, delay_ms=None, file="", is_started=True, error=None, groups=GROUPS):
    return {"name": "orders", "state": state, "is_started": is_started, "error": error, "operations": ["stop"],
            "source": {"host": "h", "port": 1, "file": file, "position": 4711, "gtid": "", "delay_ms": delay_ms,
                       "connection": "catching up", "server_version": "8.4.0", "clock_skew_ms": None},
            "groups": groups,
            "captured": {"row_changes": 0, "transactions": 0}, "rates": {"row_changes_per_s": 1234.5}, "log": None}


class Played:
    """Answers each request by `answer(method, path)`: (status, JSON); keeps what it was asked."""

    def __init__(self, answer):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do(self):
                asked.append(f"{self.command} {self.path}")
                code, body = answer(self.command, self.path)
                text = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = do

            def log_message(self, *words):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def command(self, *words):
        return [MILLRACE, "--server", self.url, *words]

    def millrace(self, *words, code=0):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60 * PATIENCE)
        check(done.returncode == code, f"{words}: exit code {done.returncode}, not {code}: {done}")
        return done.stdout, done.stderr


def progress(harness):
    """The check, then 90 s of backlog of which two are caught up with each look; what is not known is not shown.  Only
    how long it takes is the command's own measure, from the first delay it saw and over RATE_OVER_S of cli/follow.c:
    when each look came says between what times that measure lies."""
    RATE_OVER_S = 3
    looked = []  # at each look with a delay

    def behind_s(i):
        return 90 - 2 * i

    def answer(method, path):
        looks = sum(line.startswith("GET") for line in played.asked)
        if looks < 2:
            return 200, status("Prechecking")
        if looks == 2:
            return 200, status(INITIAL, None, "binlog.000007")
        looked.append(time.monotonic())
        is_long_enough = len(looked) > 3 and looked[-3] - looked[1] > RATE_OVER_S
        return 200, status("Normal" if is_long_enough else INITIAL, 1000 * behind_s(len(looked) - 1), "binlog.000007")
    played = Played(answer)
    out, err = played.millrace("channel", "start", "orders", "--wait")
    lines = err.strip().split("\n")
    at = "binlog.000007 4711, 1234 rows/s"
    check(played.asked[0] == "POST /v1/channels/orders/start" and lines[0] == "orders: Prechecking", f"{lines}")
    check(lines[1] == f"orders: {INITIAL}, {at}", f"the delay is not known yet: {lines}")
    check(len(lines) == 2 + len(looked) and lines[-1].startswith(f"orders: Normal, {at}") and "Prechecking" in out,
          f"{lines}, {out}")
    told = 0
    for i, line in enumerate(lines[2:-1]):
        m = re.fullmatch(rf"orders: {INITIAL}, {at}, (?:(1) min )?([0-9.]+) s behind"
                         r"(?:, about (?:(\d+) min )?([0-9.]+) s left)?", line)
        check(m and 60 * int(m[1] or 0) + float(m[2]) == behind_s(i), f"{behind_s(i)} s behind are shown as: {line}")
        least, most = looked[i] - looked[1], looked[i + 1] - looked[0]
        check(most >= RATE_OVER_S or m[4] is None, f"a guess from {most} s: {line}")
        check(least < RATE_OVER_S or m[4] is not None, f"no guess from {least} s: {line}")
        if m[4] is not None:
            left, rate = 60 * int(m[3] or 0) + float(m[4]), behind_s(i) / (90 - behind_s(i))
            check(rate * least - 1.1 < left < rate * most + 0.1, f"{least} to {most} s since the first: {line}")
            told += 1
    check(told > 0, f"{lines}")


def exits(harness):
    """0 done, 1 refused or found wrong, 2 wrong usage, 3 nobody answers; --json stays JSON."""
    error = {"kind": "k", "text": "it broke; mend it", "cause": "it broke", "what_to_do": "mend it", "position": None,
             "is_transient": False}
    played = Played(lambda method, path: (200, status("Error", error=error)))
    check("orders: it broke; mend it" in played.millrace("channel", "start", "orders", "--wait", code=1)[1], "no words")
    table, _ = played.millrace("channel", "status", "orders")
    check("  error     it broke\n            what to do: mend it\n" in table, table)
    check(json.loads(played.millrace("channel", "status", "orders", "--json")[0])["state"] == "Error", "no JSON")
    stopped = Played(lambda method, path: (200, status("Not Started", is_started=False)))
    check("was stopped" in stopped.millrace("channel", "start", "orders", "--wait", code=1)[1], "no words")
    refusing = Played(lambda method, path: (409, {"detail": "not now", "status": 409}))
    check("not now" in refusing.millrace("channel", "stop", "orders", code=1)[1], "no words")
    check("--server URL" in subprocess.run([MILLRACE, "--server", "http://127.0.0.1:1", "channel", "list"],
                                           capture_output=True, text=True).stderr, "nobody answers, and no help")
    timeless = {"count": 1, "active": 0, "lag": {"records": 7, "seconds": None}}
    listed = Played(lambda method, path: (200, {"channels": [
        status("Error", error=error), status("Normal", 20), status("Normal", groups=None),
        status("Normal", groups=timeless)]}))
    lines = listed.millrace("channel", "list")[0].split("\n")
    columns = [lines[0].index(word) for word in ("channel", "state", "records", "source")]
    check(lines[1][columns[0]:].startswith("orders ") and lines[1][columns[1]:].startswith("Error ") and
          lines[2] == "  error: it broke" and lines[3][columns[3]:] == "h:1" and lines[3].split()[3:5] == ["20", "ms"]
          and "  2 (1 active), 12 records or 3.5 s behind  " in lines[3] and "  unknown  " in lines[4]
          and "  1 (0 active), 7 records behind  " in lines[5], f"{lines}")


def watch(harness):
    """Again each second until it is interrupted; only for what looks, and nothing is done before that is said."""
    looks = iter(range(1000))
    played = Played(lambda method, path: (200, status("Normal", 1000 * next(looks), "binlog.000001")))
    out = harness.folder + "/watched"
    with open(out, "w") as f:
        process = harness.run(played.command("--watch", "channel", "status", "orders"), stdout=f)
    wait_until(lambda: open(out).read().count("orders: Normal\n") >= 3, 10, lambda: open(out).read())
    check(process.poll() is None, "it does not go on")
    process.terminate()
    process.wait()
    check("delay 1.0 s" in open(out).read() and "\033" not in open(out).read(), open(out).read())
    for words in (("--watch", "channel", "delete", "orders", "--yes"), ("channel", "stop", "orders", "--watch"),
                  ("alert", "rules", "orders", "--set", "-", "--watch")):
        before = len(played.asked)
        check("--watch" in played.millrace(*words, code=2)[1] and len(played.asked) == before, f"{words} was done")


def manual(harness):
    """Each command and option is on the man page, which roff takes without a warning, and is completed."""
    page = open(BUILD + "/cli/millrace.1").read()
    help_text = subprocess.run([MILLRACE, "--help"], capture_output=True, text=True).stdout
    commands = [line for line in help_text.split("\n") if re.match("  [a-z]", line)]
    plain = page.replace("\\", "")
    check(len(commands) > 40, help_text)
    for line in commands:
        words = re.match("((?: [a-z]+)+)", line[1:]).group(1).strip()
        check(f".TP\nfB{words}fR" in plain, f"{words} is not on the page")
    for option in set(re.findall("--[a-z-]+", help_text)):
        check(option in plain, f"{option} is not on the page")
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-cbou", BUILD + "/cli/millrace.1"],
                              capture_output=True, text=True)
        check(done.returncode == 0 and done.stderr == "" and "EXIT STATUS" in done.stdout, f"groff: {done.stderr}")

    def completed(*typed):
        words = " ".join(f"'{word}'" for word in ("millrace", *typed))
        script = (f"source {BUILD}/cli/millrace.bash; COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _millrace; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        return set(subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split())
    check({"channel", "group", "alert", "consume", "doctor"} <= completed(""), f"{completed('')}")
    check(completed("channel", "st") == {"start", "stop", "status"}, f"{completed('channel', 'st')}")
    check(completed("channel", "objects", "") >= {"add", "remove", "set"}, f"{completed('channel', 'objects', '')}")
    check(completed("--server", "http://h", "group", "ch") == {"checkpoint"}, "behind a global option")
    check({"--to-time", "--to-offset", "--json"} <= completed("group", "checkpoint", "orders", "--"), "no options")
    check(completed("channel", "start", "orders", "--w") >= {"--wait"}, "no --wait")


CASES = {case.__name__: case for case in (progress, exits, watch, manual)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: test_cli.py {'|'.join(CASES)}")
    sys.exit(main(CASES[sys.argv[1]]))

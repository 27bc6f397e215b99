#!/usr/bin/env python3
"""Goal: ./start shows row changes and ends by itself with exit code 0; the next one goes on at the checkpoint; taken
ports are stepped over; Ctrl-C ends all it started.  It runs in a folder of its own that borrows this build."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import BUILD, ROOT, check, main, wait_until  # noqa: E402

SHOWN = re.compile(r"^(\d+) +(INSERT|UPDATE|DELETE) +shop\.\w+ .*=")


def processes_of(folder):
    """(pid, command) of what runs from the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                command = f.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if folder + "/" in command:
            found.append((int(pid), command))
    return found


def start(folder, *words):
    return subprocess.Popen(["./start", "--no-install", *words], cwd=folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def shown_by(folder, count):
    """The offsets shown by a ./start that ends by itself."""
    process = start(folder, "--until-events", str(count))
    try:
        output, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        output, _ = process.communicate(timeout=240)
        check(False, f"./start --until-events {count} did not end: {output[-3000:]}")
    check(process.returncode == 0, f"./start --until-events {count}: exit code {process.returncode}\n{output[-3000:]}")
    check(processes_of(folder) == [], f"left behind: {processes_of(folder)}")
    check("kcat -b 127.0.0.1:" in output, f"no kcat command: {output[:2000]}")
    return [int(m.group(1)) for m in map(SHOWN.match, output.split("\n")) if m], output


def runs(harness):
    folder = harness.folder + "/clone"
    os.mkdir(folder)
    shutil.copy(ROOT + "/start", folder)
    for name in ("tools", "profiles"):
        shutil.copytree(f"{ROOT}/{name}", f"{folder}/{name}")
    os.symlink(BUILD, folder + "/build")
    try:
        first, _ = shown_by(folder, 200)
        check(len(first) == 200 and first == sorted(first), f"{len(first)} changes were shown")
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", 9092))
                taken.listen()
            except OSError:
                pass  # another holds it: as good
            second, output = shown_by(folder, 50)
        check(len(second) == 50 and second[0] > first[-1], f"{first[-1]} was the last, then came {second[0]}")
        check("port 9092 is taken" in output, output[:1000])
        process = start(folder)
        wait_until(lambda: any(" consume demo " in command for _, command in processes_of(folder)), 60, "it runs")
        time.sleep(1)
        check(start(folder).wait(120) == 1, "a second ./start in the same folder began")
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=240)
        check(process.returncode == 130, f"Ctrl-C: exit code {process.returncode}")
        check(processes_of(folder) == [], f"Ctrl-C left behind: {processes_of(folder)}")
    finally:
        for pid, _ in processes_of(folder):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(runs))

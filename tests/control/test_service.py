#!/usr/bin/env python3
"""Goal: what a service manager sees of millraced (systemd's notification protocol, watchdog), and what SIGHUP changes.

usage: test_service.py
"""
import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import check, main, wait_until  # noqa: E402


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path, self.got, self.times = folder + "/notify", [], []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)

    def words(self):
        while True:
            try:
                self.got.append(self.socket.recv(4096).decode())
                self.times.append(time.monotonic())
            except BlockingIOError:
                return self.got

    def gaps(self, word):
        """The seconds between those of this word."""
        times = [at for words, at in zip(self.words(), self.times) if words.split("\n")[0] == word]
        return [b - a for a, b in zip(times, times[1:])]

    def wait_for(self, word, times=1):
        wait_until(lambda: sum(w.split("\n")[0] == word for w in self.words()) >= times, 10,
                   lambda: f"{times} x {word}, got {self.got}")


def service(harness):
    manager = Manager(harness.folder)
    os.environ.update(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="1000000")
    instance = harness.millraced(log_format="json", log_levels="storage=debug")
    instance.start()
    manager.wait_for("READY=1")
    manager.wait_for("WATCHDOG=1", 4)
    wait_until(lambda: min(manager.gaps("WATCHDOG=1")) < 0.8, 10, "a second's watchdog is told every half")
    lines = [json.loads(line) for line in instance.log_text().splitlines()]
    check(lines and all(set(line) >= {"time", "level", "room", "text"} for line in lines), f"{lines[:3]}")

    instance.settings.update(log_format="text", log_level="warn", log_levels="control=info", retention_ms=3600000)
    instance.write_config()
    os.kill(instance.process.pid, signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1", 2)
    check("\nMONOTONIC_USEC=" in [w for w in manager.got if w.startswith("RELOADING")][0], f"{manager.got}")
    text = instance.log_text()
    check(" info control: SIGHUP: the configuration was read again" in text, text[-500:])
    check("count from the next start on: retention_ms\n" in text, text[-500:])

    instance.settings.update(log_level="loud")
    instance.write_config()
    os.kill(instance.process.pid, signal.SIGHUP)
    wait_until(lambda: "the configuration stays as it was" in instance.log_text(), 10, "the refusal of a wrong file")
    check("'loud' is none of" in instance.log_text(), instance.log_text()[-500:])
    check(instance.stop() == 0, "it does not stop in order")
    manager.wait_for("STOPPING=1")


if __name__ == "__main__":
    sys.exit(main(service))

"""What the Python drivers share (tests/clients/README.md): their orders, their printing, the end of the input."""
import os
import sys
import threading
import zlib

BOOTSTRAP = os.environ["MILLRACE_BOOTSTRAP"]
TOPIC = os.environ["MILLRACE_TOPIC"]
GROUP = os.environ["MILLRACE_GROUP"]
END = int(os.environ["MILLRACE_END"])
COMMIT = int(os.environ["MILLRACE_COMMIT"])
TIME_MS = int(os.environ.get("MILLRACE_TIME_MS") or 0)
USER = os.environ.get("MILLRACE_USER") or None
PASSWORD = os.environ.get("MILLRACE_PASSWORD") or None
CA = os.environ.get("MILLRACE_CA") or None
GROUP_PROTOCOL = os.environ.get("MILLRACE_GROUP_PROTOCOL") or "classic"
MECHANISM = os.environ.get("MILLRACE_MECHANISM") or None

_input_ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), _input_ended.set()), daemon=True).start()


def stopping():
    return _input_ended.is_set()


def say(*words):
    print(*words, flush=True)


def say_record(offset, time_ms, value):
    """Prints a record below END; True: it was the last."""
    if offset < END:
        say("record", offset, time_ms, f"{zlib.crc32(value):08x}")
    return offset == END - 1

"""tests/ports.py -- ports of 127.0.0.1 that are the caller's alone, also while what listens there is started anew.

A port that the kernel gave (bind to 0) and that was closed again may be anybody's a moment later: another test's, or
the near end of any connection.  These lie below the kernel's range for those, and who takes one holds an abstract unix
socket of its name, which the kernel frees when the process ends.
"""
import random
import socket

FIRST, BEHIND = 10000, 32000
held = []


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_port():
    """A port that is this process's until it ends."""
    for port in random.SystemRandom().sample(range(FIRST, BEHIND), 1000):
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0millrace-test-port-{port}")
        except OSError:  # another test's
            holder.close()
            continue
        if is_free(port):
            held.append(holder)
            return port
        holder.close()
    raise OSError(f"no port from {FIRST} to {BEHIND} is free")

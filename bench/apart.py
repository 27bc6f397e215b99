"""bench/apart.py -- servers and clients on cores of their own, as if each had a machine.

Over loopback a sender's thread also does the receiver's half of TCP, and what the kernel copies there, and is charged
for it.  So bench/run gives the benchmarks that count a server's CPU (`Bench.is_apart`) a network of their own, where
receive packet steering puts that half on the clients' cores (root alone may set it; others are told).
"""
import contextlib
import os

CORES = sorted(os.sched_getaffinity(0))
SERVERS, CLIENTS = (CORES[:len(CORES) // 2], CORES[len(CORES) // 2:]) if len(CORES) > 1 else (CORES, CORES)
STEER = "/sys/class/net/lo/queues/rx-0/rps_cpus"


def command(inside):
    """The command, in a network whose loopback is received on the clients' cores; as it is for others than root."""
    if os.geteuid() != 0:
        return inside
    mask = f"{sum(1 << core for core in CLIENTS):x}"
    groups = ",".join(mask[max(0, end - 8):end] for end in range(len(mask), 0, -8)[::-1])
    return ["unshare", "--net", "--mount", "sh", "-ec",
            f'mount -t sysfs sysfs /sys; ip link set lo up; echo {groups} >{STEER}; exec "$@"', "sh", *inside]


def is_steered():
    with open(STEER) as f:
        return int(f.read().replace(",", ""), 16) != 0


@contextlib.contextmanager
def on(cores):
    """What is started within runs on these cores."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)

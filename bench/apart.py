"""bench/apart.py -- servers and clients apart: on cores of their own, and in networks that belong to one benchmark.

Over loopback a sender's thread also does the receiver's half of TCP, and what the kernel copies there, and is charged
for it.  In a STEERED network receive packet steering puts that half on the clients' cores, as on another machine.  A
PAIR has, beside loopback, a veth pair: `server`, for a millraced to serve past the kernel, and `client`, the kernel's.
Both are for root alone.
"""
import contextlib
import ctypes
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "clients")]
from clients import fetch  # noqa: E402
from harness import check  # noqa: E402
from test_dpdk import CLIENT, offloads_off  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
SERVERS, CLIENTS = (CORES[:len(CORES) // 2], CORES[len(CORES) // 2:]) if len(CORES) > 1 else (CORES, CORES)
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000  # <sched.h>


def mask_of(cores):
    """As the kernel reads it: hexadecimal, in groups of 32 bits."""
    digits = f"{sum(1 << core for core in cores):x}"
    return ",".join(digits[max(0, end - 8):end] for end in reversed(range(len(digits), 0, -8)))


# Reno waits for nothing but acknowledgements.  BBR, the default of some machines, paces: by a timer for every few
# packets where there is no fq scheduler, as on loopback, which costs a server 0.24 s of CPU a GB that has 0.12 without.
UNPACED = "echo reno >/proc/sys/net/ipv4/tcp_congestion_control || :; "
# With the name of an empty folder, where the /sys of the new network stands for a moment.
STEERED = (UNPACED + f'mount -t sysfs sysfs "$1"; echo {mask_of(CLIENTS)} >"$1"/class/net/lo/queues/rx-0/rps_cpus; '
           'umount "$1"')
PAIR = (UNPACED + "ip link add server type veth peer name client; ip link set server addrgenmode none up; "
        f"ip link set client up; ip addr add {CLIENT}/24 dev client")


def enter(network, folder, *downloads):
    """This process, and what it starts from now on, is in a network of its own: is it such a one?  What cannot be had
    leaves a plain loopback, or for others than root the network as it was.  Nothing can be fetched there: `downloads`
    are called before, and what is not to be had is told where it is wanted."""
    for download in downloads:
        with contextlib.suppress(fetch.servers.Unavailable):
            download()
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        return False
    os.environ["PATH"] += ":/sbin:/usr/sbin"
    os.mkdir(folder)
    done = subprocess.run(["sh", "-ec", "mount --make-rprivate /; ip link set lo up"], capture_output=True, text=True)
    check(done.returncode == 0, f"a network of its own: {done.stderr}")
    if subprocess.run(["sh", "-ec", network, "sh", folder], capture_output=True).returncode != 0:
        return False
    try:
        if network == PAIR:
            offloads_off("client")  # DPDK gets its packets as a cable has them
    except OSError:
        return False
    return True


def congestion_control():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as f:
        return f.read().strip()


@contextlib.contextmanager
def on(cores):
    """What is started within runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

#!/usr/bin/env python3
"""Goal: real, unmodified Kafka clients work past the kernel as they do through it: the client matrix's whole way
(login, TLS, group, commits, a kill, times) with listeners on DPDK, from the kernel's sockets across a veth pair, in a
network namespace.  What each sees must be what kcat sees through the kernel, record by record.  DPDK has the other end
of the pair, by af_packet; with --vhost it has a vhost device instead, and what stands for the virtual machine's driver
(virtio_wire.c) has the end.

usage: test_past_kernel.py [--vhost] [CLIENT...]     all in the long run, two in the short one, or those named
                                                     by a word
"""
import os
import subprocess
import sys

from clients import all_clients, fetch
from harness import BUILD, IS_LONG, Failed, Skipped, check, main, wait_until
from test_dpdk import SERVER, Wire, enter_namespace, make_network
from test_matrix import Reference, all_results, fill, serve

IS_VHOST = "--vhost" in sys.argv
WORDS = [word for word in sys.argv[1:] if not word.startswith("--")]
IN_SHORT = ("librdkafka 2.0.2", "sarama as 2.8.0" if IS_VHOST else "sarama")
QUEUES = 2


def chosen_clients(words):
    return [(client, why) for client, why in all_clients(BUILD)
            if (any(word in client.name for word in words) if words else IS_LONG or client.name in IN_SHORT)]


def fetch_first(chosen):
    """The namespace has no way out."""
    for client, why in chosen:
        try:
            if why is None and client.part is not None:
                fetch.folder_of(client.part)
        except fetch.servers.Unavailable:
            pass  # said where the client is skipped


def plug_in(harness, socket):
    """The other side of the vhost device, until it is killed."""
    process = harness.run([BUILD + "/tests/e2e/virtio_wire", "wire1", socket, str(QUEUES)], stdout=subprocess.PIPE,
                          text=True, env={**os.environ, "RUNTIME_DIRECTORY": harness.folder})
    said = process.stdout.readline()
    check(said == "carrying\n", f"virtio_wire: {said}{process.stdout.read() if process.poll() is not None else ''}")
    return process


def driver_comes_and_goes(harness, instance, socket):
    """Without one the device has no link, and that is told; with the next one all goes on."""
    def state():
        return instance.ask("GET", "/v1/dataplane")["device"]["state"]
    driver = None
    for _ in range(2):
        if driver is not None:
            driver.kill()
            driver.wait()
        wait_until(lambda: state() == "no_link", 30, state)
        driver = plug_in(harness, socket)
        wait_until(lambda: state() == "up", 30, state)


def test_past_kernel(harness):
    make_network()
    device = f"net_vhost0,iface={harness.folder}/vhost,queues={QUEUES}"
    if not IS_VHOST:
        device = f"net_af_packet0,iface=server,qpairs={QUEUES}"
        Wire(harness).lay()
    source = harness.source()
    past = {"network": "dpdk", "address": SERVER}
    try:
        instance = serve(harness, SERVER, past, [{"name": "open", "port": 9094, "accept_anyone": "true", **past}],
                         dpdk_device=device, dpdk_address=SERVER + "/24", dpdk_huge_pages="false",
                         serve_thread_count=QUEUES, memory_max_bytes=10 << 28)
    except Failed:
        if "this build has no DPDK port" in harness.instances[0].log_text():
            raise Skipped("this build has no DPDK port")
        raise
    if IS_VHOST:
        driver_comes_and_goes(harness, instance, harness.folder + "/vhost")
    fill(source, instance)
    reference = Reference(instance, "matrix")
    kcat = Reference(instance, "matrix", f"{SERVER}:9094")
    check(kcat.lines[:reference.end] == reference.lines, "kcat sees other records past the kernel")
    all_results(harness, instance, reference, chosen_clients(WORDS))
    ports = [lcore["ports"] for lcore in instance.ask("GET", "/v1/dataplane")["lcores"]]
    accepted = sum(port["dpdk"]["connections_accepted"] for port in ports)
    check(accepted >= 4, f"they came past the kernel? {ports}")


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    if sys.argv[1:2] != ["--inside"]:
        fetch_first(chosen_clients(WORDS))
        enter_namespace()
    sys.exit(main(test_past_kernel))

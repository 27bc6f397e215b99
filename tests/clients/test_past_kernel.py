#!/usr/bin/env python3
"""Goal: real, unmodified Kafka clients work past the kernel as they do through it: the client matrix's whole way
(login, TLS, group, commits, a kill, times) with listeners on DPDK, from the kernel's sockets across a veth pair, in a
network namespace.  What each sees must be what kcat sees through the kernel, record by record.

usage: test_past_kernel.py [CLIENT...]     all in the long run, two in the short one, or those named by a word
"""
import os
import sys

from clients import all_clients, fetch
from harness import BUILD, IS_LONG, Failed, Skipped, check, main
from test_dpdk import SERVER, Wire, enter_namespace, make_network
from test_matrix import Reference, all_results, fill, serve

IN_SHORT = ("librdkafka 2.0.2", "sarama")


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


def test_past_kernel(harness):
    make_network()
    Wire(harness).lay()
    source = harness.source()
    past = {"network": "dpdk", "address": SERVER}
    try:
        instance = serve(harness, SERVER, past, [{"name": "open", "port": 9094, "accept_anyone": "true", **past}],
                         dpdk_device="net_af_packet0,iface=server,qpairs=2", dpdk_address=SERVER + "/24",
                         dpdk_huge_pages="false", serve_thread_count=2, memory_max_bytes=10 << 28)
    except Failed:
        if "this build has no DPDK port" in harness.instances[0].log_text():
            raise Skipped("this build has no DPDK port")
        raise
    fill(source, instance)
    reference = Reference(instance, "matrix")
    kcat = Reference(instance, "matrix", f"{SERVER}:9094")
    check(kcat.lines[:reference.end] == reference.lines, "kcat sees other records past the kernel")
    all_results(harness, instance, reference, chosen_clients(sys.argv[2:]))
    ports = [lcore["ports"] for lcore in instance.ask("GET", "/v1/dataplane")["lcores"]]
    accepted = sum(port["dpdk"]["connections_accepted"] for port in ports)
    check(accepted >= 4, f"they came past the kernel? {ports}")


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    if sys.argv[1:2] != ["--inside"]:
        fetch_first(chosen_clients(sys.argv[1:]))
        enter_namespace()
    sys.exit(main(test_past_kernel))

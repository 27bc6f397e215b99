#!/usr/bin/env python3
"""Goal: a real client of the kernel reads past the kernel what it reads through it: the same bytes for the same
requests, also by TLS and over a network that loses, doubles, delays, damages and turns around frames; and when nobody
asks any more nothing is pinned.

Runs in a network namespace: client (the kernel's sockets) - wire1, wire (a bad cable, tests/e2e/wire.c), wire0 - server
(DPDK's af_packet).  Without root, in a user namespace.

usage: test_dpdk.py [--seed N]
"""
import argparse
import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time

from harness import BUILD, IS_LONG, ROOT, Failed, Skipped, check, free_port, main, wait_until

SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
ROWS = 4000
CALM = {"lost": 0, "doubled": 0, "late": 0, "damaged": 0, "delay_ms": 0, "jitter_ms": 0}
HOSTILE = {"losses": {"lost": 10}, "many losses": {"lost": 50}, "another order": {"late": 100},
           "twice": {"doubled": 50}, "damage": {"damaged": 10}, "delay": {"delay_ms": 40, "jitter_ms": 20},
           "all of it": {"lost": 10, "doubled": 20, "late": 50, "damaged": 5, "delay_ms": 10, "jitter_ms": 10}}


def enter_namespace():
    """Runs this program again in a network of its own."""
    user = [] if os.getuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    command = ["unshare", *user, "--net"]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        print("SKIP: no network namespace of our own can be had here")
        sys.exit(77)
    os.execvp(command[0], [*command, sys.executable, os.path.realpath(sys.argv[0]), "--inside", *sys.argv[1:]])


def offloads_off(name):
    """A veth hands on unfinished checksums and segments larger than the MTU, as the kernel leaves them to devices."""
    value = bytearray(struct.pack("II", 0x17, 0))  # ETHTOOL_STXCSUM
    buffer = (bytearray_address(value), value)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8946, struct.pack("16sQ", name.encode(), buffer[0]))  # SIOCETHTOOL


def bytearray_address(value):
    import ctypes
    return ctypes.addressof((ctypes.c_char * len(value)).from_buffer(value))


def make_network():
    os.environ["PATH"] += ":/sbin:/usr/sbin"
    for words in ("link set lo up", "link add server type veth peer name wire0",
                  "link add client type veth peer name wire1", "link set server addrgenmode none up",
                  "link set wire0 addrgenmode none up", "link set wire1 addrgenmode none up",
                  "link set client up", f"addr add {CLIENT}/24 dev client"):
        done = subprocess.run(["ip", *words.split()], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skipped(f"ip {words}: {done.stderr.strip()}")
    try:
        offloads_off("client")
    except OSError as fault:
        raise Skipped(f"the checksums of a veth cannot be had from the kernel: {fault}")


class Wire:
    """The cable; laid anew with other faults."""

    def __init__(self, harness):
        self.harness, self.process = harness, None

    def lay(self, **faults):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        seed = self.harness.random.randrange(1 << 32)
        self.process = self.harness.run([BUILD + "/tests/e2e/wire", "wire0", "wire1", str(seed),
                                         *(str({**CALM, **faults}[name]) for name in CALM)])


def kcat(bootstrap, *options, timeout_s=240):
    """(exit code, sum of the output, bytes of it, words)"""
    done = subprocess.run(["timeout", str(timeout_s), "kcat", "-b", bootstrap, *options], stdin=subprocess.DEVNULL,
                          capture_output=True)
    words = done.stderr.decode("utf-8", "replace")
    return done.returncode, hashlib.sha256(done.stdout).hexdigest(), len(done.stdout), words


def read_exactly(s, size):
    parts = b""
    while len(parts) < size:
        part = s.recv(size - len(parts))
        check(part, f"the connection was closed after {len(parts)} of {size} bytes")
        parts += part
    return parts


def recorded_requests(kafka_port, recorder_port, topic, rows):
    """What kcat asks: the frames of each of its connections, taken by a proxy."""
    connections = []

    def relay(client):
        frames = []
        connections.append(frames)
        with client, socket.create_connection(("127.0.0.1", kafka_port)) as server:
            try:
                while True:
                    head = client.recv(4)
                    if not head:
                        return
                    head += read_exactly(client, 4 - len(head)) if len(head) < 4 else b""
                    frames.append(head + read_exactly(client, struct.unpack(">i", head)[0]))
                    server.sendall(frames[-1])
                    size = read_exactly(server, 4)
                    client.sendall(size + read_exactly(server, struct.unpack(">i", size)[0]))
            except (OSError, Failed):
                return  # kcat hung up

    with socket.create_server(("127.0.0.1", recorder_port)) as listening:
        def accept():
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=relay, args=(client,), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        code, _, size, words = kcat(f"127.0.0.1:{recorder_port}", "-C", "-t", topic, "-o", "beginning", "-c", str(rows))
        check(code == 0 and size > 0, f"kcat through the recorder: {code}: {words}")
        listening.shutdown(socket.SHUT_RDWR)
    return [frames for frames in connections if frames]


def answers(address, connections):
    """Every answer's bytes, to the same requests in the same order."""
    got = []
    for frames in connections:
        with socket.create_connection(address, timeout=120) as s:
            for frame in frames:
                s.sendall(frame)
                size = read_exactly(s, 4)
                got.append(size + read_exactly(s, struct.unpack(">i", size)[0]))
    return got


def records_at(answer):
    """Where the records of a Fetch with one partition begin, its last field; -1: it is no such answer."""
    for at in range(4, len(answer) - 4):
        if struct.unpack_from(">i", answer, at)[0] == len(answer) - at - 4:
            return at + 4
    return -1


def is_shorter(a, b):
    """A Fetch of what lies on disk is answered with what was read by then: the batches of one begin the other's."""
    head = records_at(a)
    few, many = sorted((a, b), key=len)
    return (4 < head == records_at(b) and len(few) > head and a[4:head - 4] == b[4:head - 4] and
            many[head:].startswith(few[head:]))


def same_answers(instance, ports):
    connections = recorded_requests(ports["twin"], ports["recorder"], "events", ROWS)
    counts = []

    def are_same():
        through = answers(("127.0.0.1", ports["twin"]), connections)
        past = answers((SERVER, ports["past twin"]), connections)
        counts[:] = [len(through), sum(len(a) for a in through)]
        check(counts[0] == len(past) > 5 and counts[1] > ROWS * 100, f"{counts} answers and bytes, {len(past)} past it")
        for i, (a, b) in enumerate(zip(through, past)):
            check(a == b or is_shorter(a, b),
                  f"answer {i} differs: {len(a)} bytes through the kernel, {len(b)} past it")
        return through == past
    wait_until(are_same, 60, "the same answers through the kernel and past it")
    print(f"{counts[0]} answers of {counts[1]} bytes are the same through the kernel and past it")


def counter(instance, name):
    return sum(counters(instance, name))


def counters(instance, name):
    """One a serve thread."""
    text = instance.rest("GET", "/metrics")[1]
    lines = [line for line in text.splitlines() if f"_{name}" in line and "#" not in line]
    check(lines, f"no counter {name}")
    return [float(line.rsplit(" ", 1)[1]) for line in lines]


def test_dpdk(harness):
    make_network()
    subprocess.run([ROOT + "/tests/dataplane/certificates", harness.folder], check=True)
    wire = Wire(harness)
    wire.lay()
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(1000));")
    ports = {"twin": free_port(), "recorder": free_port(), "past twin": 9095}
    instance = harness.millraced(dpdk_device="net_af_packet0,iface=server,qpairs=2", serve_thread_count=2,
                                 dpdk_address=SERVER + "/24", dpdk_huge_pages="false", memory_max_bytes=10 << 28)
    told = {"advertised_host": "127.0.0.1", "advertised_port": ports["recorder"]}
    past = {"network": "dpdk", "address": SERVER, "accept_anyone": "true"}
    tls = {"tls_certificate": harness.folder + "/server.pem", "tls_key": harness.folder + "/server.key"}
    instance.settings["listeners"] += [
        {"name": "past", "port": 9092, **past}, {"name": "past_tls", "port": 9093, **past, **tls},
        {"name": "twin", "port": ports["twin"], **told},
        {"name": "past_twin", "port": ports["past twin"], **past, **told}]
    instance.write_config()
    instance.start(wait=False)
    try:
        instance.wait_ready()
    except Failed:
        if "this build has no DPDK port" in instance.log_text():
            raise Skipped("this build has no DPDK port")
        raise
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    source.sql("".join(f"INSERT INTO shop.events VALUES ({n}, REPEAT('{n:05}', {n % 200}));\n" for n in range(ROWS)))
    wait_until(lambda: (instance.status("events")["log"] or {}).get("high_watermark", 0) >= 3 * ROWS, 60,
               lambda: str(instance.status("events")))
    read = ["-C", "-t", "events", "-o", "beginning", "-c", str(3 * ROWS), "-f", "%o %T %S %s\\n"]
    warm = kcat(f"{SERVER}:9092", *read)
    check(warm[0] == 0, f"past the kernel, from the hot tail: {warm}")
    wait_until(lambda: counter(instance, "sent_zero_copy_bytes") > ROWS * 300, 10, "records went without a copy")
    captured(harness, instance)  # while records are lent: read from segments they are copied
    instance.ask("POST", "/v1/channels/events/stop")  # the log rests: what is read is the same at any time
    wait_until(lambda: "start" in instance.status("events")["operations"], 30, lambda: str(instance.status("events")))
    through = kcat(instance.bootstrap, *read)
    check(through[:3] == warm[:3] and through[2] > ROWS * 300, f"through the kernel: {through}")
    check(kcat(f"{SERVER}:9092", *read)[:3] == through[:3], f"past the kernel: {instance.tail()}")
    secure = ["-X", "security.protocol=ssl", "-X", f"ssl.ca.location={harness.folder}/ca.pem", "-X",
              "ssl.endpoint.identification.algorithm=none"]
    got = kcat(f"{SERVER}:9093", *secure, *read)
    check(got[:3] == through[:3], f"past the kernel by TLS: {got}")
    same_answers(instance, ports)
    told_of_dataplane(instance)
    link_is_lost(instance)
    hostile(harness, instance, wire, read, through)


def told_of_dataplane(instance):
    """Both ports of both serve threads, and the device."""
    def wire_has_all():  # the counters of packets are shown twice a second
        past = [lcore["ports"]["dpdk"] for lcore in instance.ask("GET", "/v1/dataplane")["lcores"]]
        sent = sum(p["sent_copied_bytes"] + p["sent_zero_copy_bytes"] for p in past)
        return sum(p["wire_sent_bytes"] for p in past) >= sent > 0
    wait_until(wire_has_all, 30, lambda: str(instance.ask("GET", "/v1/dataplane")))
    told = instance.ask("GET", "/v1/dataplane")
    device, lcores = told["device"], told["lcores"]
    check(device["driver"] == "net_af_packet" and device["state"] == "up" and device["has_link"] and
          device["mtu"] == 1500 and device["lends_records"], f"{device}")
    check(len(lcores) == 2 and all(sorted(lcore["ports"]) == ["dpdk", "kernel"] for lcore in lcores), f"{lcores}")
    for name in ("packets_sent", "wire_sent_bytes", "sent_zero_copy_bytes"):
        check(sum(lcore["ports"]["dpdk"][name] for lcore in lcores) > 0, f"{name}: {lcores}")
    metrics = instance.rest("GET", "/metrics")[1]
    check('millrace_packets_sent{lcore="1",port="dpdk"}' in metrics and "millrace_device_link 1" in metrics and
          "millrace_device_up 1" in metrics, "metrics")
    done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "dataplane",
                           "status"], capture_output=True, text=True)
    check(done.returncode == 0 and "link up" in done.stdout and done.stdout.count("packets: ") == 2, f"{done}")


def link_is_lost(instance):
    """It is told in every place, and so is its return."""
    url, state = "/v1/dataplane", lambda: instance.ask("GET", "/v1/dataplane")["device"]["state"]
    for words, state_then, up, line in (("down", "no_link", 0, "has no link"), ("up", "up", 1, "is up again")):
        subprocess.run(["ip", "link", "set", "server", words], check=True)
        wait_until(lambda: state() == state_then, 30, lambda: str(instance.ask("GET", url)))
        wait_until(lambda: line in instance.log_text(), 30, lambda: instance.tail())
        check(f"millrace_device_up {up}" in instance.rest("GET", "/metrics")[1], f"the metric, {words}")
        done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}",
                               "dataplane", "status"], capture_output=True, text=True)
        check(("link DOWN" in done.stdout) == (words == "down"), f"{done}")


def frames_of(pcap):
    """(seconds with nanoseconds, length on the wire, bytes) of each frame of a pcap file."""
    magic, major, minor, _, _, snap, link = struct.unpack_from("<IHHiIII", pcap)
    check((magic, major, minor, link) == (0xa1b23c4d, 2, 4, 1), f"no pcap file: {pcap[:24].hex()}")
    at, frames = 24, []
    while at < len(pcap):
        seconds, ns, kept, size = struct.unpack_from("<IIII", pcap, at)
        check(kept == min(size, snap) and ns < 10 ** 9, f"frame {len(frames)}: {kept} of {size}")
        frames.append((seconds + ns / 1e9, size, pcap[at + 16:at + 16 + kept]))
        at += 16 + kept
    check(at == len(pcap), "the last frame is cut")
    return frames


def tcp_bytes(frames, source, port):
    """The bytes of the connections from `source`'s port, by the peer's port, and how many frames had wrong sums."""
    streams, wrong = {}, 0
    for _, _, frame in frames:
        check(frame[12:14] in (b"\x08\x00", b"\x08\x06", b"\x86\xdd"), f"no frame: {frame[:32].hex()}")
        if frame[12:14] != b"\x08\x00" or frame[23] != 6 or socket.inet_ntoa(frame[26:30]) != source:
            continue
        total = struct.unpack_from(">H", frame, 16)[0]
        packet = frame[14:14 + total]
        segment = packet[20:]
        wrong += ones_sum(packet[12:20] + struct.pack(">HH", 6, len(segment)) + segment) != 0xffff
        from_port, to_port, sequence = struct.unpack_from(">HHI", segment)
        if from_port == port:
            for i, byte in enumerate(segment[(segment[12] >> 4) * 4:]):
                streams.setdefault(to_port, {})[(sequence + i) & 0xffffffff] = byte
    return streams, wrong


def ones_sum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def captured(harness, instance):
    """What a capture holds is what was sent, with each limit, and only admins' to have."""
    path = harness.folder + "/captured.pcap"
    program = [BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "dataplane", "capture"]
    url, state = "/v1/dataplane/capture", lambda: instance.ask("GET", "/v1/dataplane/capture")
    check(state() == {"state": "none", "packets": 0, "bytes": 0, "left_out": 0}, f"{state()}")
    check(instance.rest("DELETE", url)[0] == 409, "there is none to take")
    check(instance.rest("POST", url, {"bytes_max": 1 << 30})[0] == 400, "too large a one")
    capture = harness.run([*program, path], stderr=subprocess.PIPE)
    wait_until(lambda: state()["state"] == "running", 30, "it runs")
    check(instance.rest("POST", url, {})[0] == 409, "one at a time")
    request = struct.pack(">ihhih", 10, 18, 0, 7, -1)  # ApiVersions 0, which the peer of the port below is told once
    with socket.create_connection((SERVER, 9092), timeout=30) as s:
        s.sendall(request)
        answer = read_exactly(s, 4)
        answer += read_exactly(s, struct.unpack(">i", answer)[0])
        port = s.getsockname()[1]
    wait_until(lambda: state()["packets"] >= 6, 30, lambda: str(state()))
    got = kcat(f"{SERVER}:9092", "-C", "-t", "events", "-o", "beginning", "-c", "500")  # lent bytes: frames in pieces
    check(got[0] == 0, f"kcat while it captures: {got}")
    capture.terminate()
    check(capture.wait(30) == 0, f"{capture.stderr.read()}")
    check(os.stat(path).st_mode & 0o777 == 0o600, "others may read it")
    with open(path, "rb") as f:
        frames = frames_of(f.read())
    check(all(a[0] <= b[0] for a, b in zip(frames, frames[1:])), "not in the order of time")
    streams, wrong = tcp_bytes(frames, SERVER, 9092)
    sent = bytes(streams[port][at] for at in sorted(streams[port]))
    check(sent == answer and wrong == 0, f"{len(sent)} bytes captured, {len(answer)} sent, {wrong} wrong checksums")
    received, _ = tcp_bytes(frames, CLIENT, port)
    check(bytes(received[9092].values()) == request, f"{received}")
    check(state()["state"] == "none", f"it was taken: {state()}")
    for limit, words in (("--packets", "5"), ("--bytes", "400"), ("--seconds", "1")):
        capture = harness.run([*program, path, limit, words, "--frame-bytes", "60"])
        while capture.poll() is None:
            with socket.create_connection((SERVER, 9092), timeout=30) as s:
                s.sendall(request)
                read_exactly(s, 4)
        check(capture.returncode == 0, f"{limit}: {capture.returncode}")
        with open(path, "rb") as f:
            pcap = f.read()
        frames = frames_of(pcap)
        check(all(len(frame[2]) <= 60 for frame in frames) and any(frame[1] > 60 for frame in frames), f"{frames}")
        check(len(frames) == 5 if limit == "--packets" else len(frames) > 0, f"{limit}: {len(frames)} frames")
        check(limit != "--bytes" or len(pcap) <= 424, f"{len(pcap)} bytes")


def hostile(harness, instance, wire, read, expected):
    rounds = int(os.environ.get("MILLRACE_DPDK_ROUNDS", 40 if IS_LONG else 1))
    for _ in range(rounds):
        for name, faults in HOSTILE.items():
            wire.lay(**faults)
            begun = time.monotonic()
            got = kcat(f"{SERVER}:9092", *read, timeout_s=480)
            check(got[:3] == expected[:3], f"{name}: {got}\n{instance.tail()}")
            print(f"{name}: {time.monotonic() - begun:.1f} s", flush=True)
    wire.lay()
    sent = counters(instance, "packets_sent")
    check(len(sent) == 2 and all(sent), f"not both serve threads' queues were used: {sent}")
    wait_until(lambda: counter(instance, "answers_pinned") == 0, 30, "a pin is left")
    check(counter(instance, "packets_retransmitted") > 0, "the network was not that bad")
    check(counter(instance, "packets_dropped") > 0, "no frame was damaged")
    got = kcat(f"{SERVER}:9092", *read)
    check(got[:3] == expected[:3], f"after it all: {got}")
    check(instance.stop() == 0, "millraced did not stop in order")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inside", action="store_true")
    parser.add_argument("--seed", type=int)
    asked = parser.parse_args()
    if not asked.inside:
        enter_namespace()
    sys.exit(main(test_dpdk, asked.seed))

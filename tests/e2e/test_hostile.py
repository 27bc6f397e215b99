#!/usr/bin/env python3
"""Goal: peers that mean ill get their error or are closed, and nobody else notices: an honest client's requests are
answered within a second all the while, and what the server holds for its peers stays within the configured limits.
Attacks: slow-loris, requests that never end, sizes that lie, half-open connections, floods that do not read their
answers, garbage, handshakes that are begun and left, TLS that ends behind its requests, more connections than a
listener has, strangers who log in in a wrong order or not at all.
"""
import os
import random
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from harness import ROOT, Skipped, check, free_port, main, wait_until

ANSWER_S_MAX, INFLIGHT_BYTES_MAX, REQUEST_BYTES_MAX = 1.0, 8 << 20, 1 << 20
METADATA, FETCH, OFFSET_FETCH, API_VERSIONS, HEARTBEAT = 3, 1, 9, 18, 12


def text(words):
    return struct.pack(">h", len(words)) + words.encode()


def frame(api, version, body, number=1):
    head = struct.pack(">hhi", api, version, number) + text("hostile")
    return struct.pack(">i", len(head) + len(body)) + head + body


def answer(s):
    """The body of the next answer; None: closed."""
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
        got = s.recv(65536)
        if not got:
            return None
        data += got
    return data[4:]


def peer(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def is_closed(s, timeout_s=60):
    s.settimeout(timeout_s)
    try:
        return s.recv(1) == b""
    except ConnectionError:
        return True
    except socket.timeout:
        return False


def close_all(peers):
    for s in peers:
        s.close()


class Honest(threading.Thread):
    """Asks one thing after the other and notes how long the slowest answer took, and how much longer than asked for it
    slept: so late may an answer be on this machine, whoever asks."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stopping, self.slowest_s, self.overslept_s = port, False, 0.0, 0.0
        self.asked, self.error = 0, None

    def run(self):
        fetch = struct.pack(">iiiibi", -1, 0, 1, 1 << 20, 0, 1) + text("events") + struct.pack(">iiqi", 1, 0, 0, 65536)
        requests = [frame(METADATA, 1, struct.pack(">i", -1)), frame(FETCH, 4, fetch),
                    frame(OFFSET_FETCH, 2, text("honest") + struct.pack(">i", -1))]
        try:
            with peer(self.port) as s:
                while not self.stopping:
                    for request in requests:
                        begun = time.monotonic()
                        s.sendall(request)
                        check(answer(s) is not None, "the honest client was closed")
                        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
                        self.asked += 1
                    begun = time.monotonic()
                    time.sleep(0.02)
                    self.overslept_s = max(self.overslept_s, time.monotonic() - begun - 0.02)
        except Exception as fault:  # told by the main thread
            self.error = fault


class Scene:
    def __init__(self, harness, instance, ports):
        self.harness, self.instance, self.ports = harness, instance, ports
        self.random = random.Random(harness.seed)

    def gauge(self, name, **labels):
        """The sum of a counter over its labels."""
        total = 0
        for line in self.instance.rest("GET", "/metrics")[1].splitlines():
            m = re.match(r"millrace_(\w+)\{(.*)\} (\d+)$", line)
            if m and m.group(1) == name and all(f'{k}="{v}"' in m.group(2) for k, v in labels.items()):
                total += int(m.group(3))
        return total

    def closed(self, cause):
        return self.gauge("connections_closed", cause=cause)


def slow_loris(scene):
    peers = [peer(scene.ports["plain"]) for _ in range(100)]
    drops = struct.pack(">i", 1000) + bytes(16)  # a size, then a body, byte by byte
    for n in range(20):
        for s in peers:
            try:
                s.send(drops[n:n + 1])
            except ConnectionError:
                pass
        time.sleep(0.1)
    check(all(is_closed(s) for s in peers), "a request that drips in is waited for")
    wait_until(lambda: scene.closed("SLOW") >= 100, 5, lambda: f"{scene.closed('SLOW')} closed as SLOW")
    close_all(peers)


def endless_requests(scene):
    """Each holds almost the largest request, all together many times what is allowed."""
    peers, most = [], 0
    for n in range(60):
        s = peer(scene.ports["plain"])
        try:
            s.sendall(struct.pack(">i", REQUEST_BYTES_MAX) + bytes(REQUEST_BYTES_MAX - 200000))
        except ConnectionError:
            pass
        peers.append(s)
    for _ in range(12):
        time.sleep(0.1)
        most = max(most, scene.gauge("inflight_bytes"))
    check(most <= INFLIGHT_BYTES_MAX + 2 * REQUEST_BYTES_MAX, f"{most} bytes of unfinished requests are held")
    wait_until(lambda: scene.closed("INFLIGHT") >= 40, 5, lambda: f"{scene.closed('INFLIGHT')} closed as INFLIGHT")
    close_all(peers)
    wait_until(lambda: scene.gauge("inflight_bytes") == 0, 10, "what was held is given back")


def lying_sizes(scene):
    before = scene.closed("FRAME_SIZE")
    sizes = [0, -1, -(1 << 31), (1 << 31) - 1, REQUEST_BYTES_MAX + 1, 1 << 30]
    for size in sizes:
        with peer(scene.ports["plain"]) as s:
            s.sendall(struct.pack(">i", size) + b"x" * 10)
            check(is_closed(s), f"a frame of {size} bytes")
    wait_until(lambda: scene.closed("FRAME_SIZE") == before + len(sizes), 5, "they are counted as FRAME_SIZE")


def half_open(scene):
    silent = [peer(scene.ports["plain"]) for _ in range(150)]
    in_tls = [peer(scene.ports["tls"]) for _ in range(100)]
    for _ in range(200):
        s = peer(scene.ports["plain"])
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()  # a reset
    wait_until(lambda: scene.closed("LATE") >= 100, 10, lambda: f"{scene.closed('LATE')} closed as LATE")
    check(all(is_closed(s) for s in in_tls), "a connection without a handshake stays")
    silent[0].sendall(frame(API_VERSIONS, 0, b""))
    check(answer(silent[0]) is not None, "a silent plain connection is no attack")
    close_all(silent + in_tls)


def floods(scene):
    """Requests by the thousand, and nobody reads the answers."""
    request = frame(METADATA, 1, struct.pack(">i", -1)) * 2000
    peers = []
    for _ in range(20):
        s = peer(scene.ports["plain"])
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setblocking(False)
        peers.append(s)
    most, until = 0, time.monotonic() + 2.5
    while time.monotonic() < until:
        for s in peers:
            try:
                s.send(request)
            except (BlockingIOError, ConnectionError):
                pass
        time.sleep(0.02)
    for _ in range(3):
        most = max(most, scene.gauge("serve_buffer_bytes"))
    check(most < 16 << 20, f"{most} bytes are held for peers that do not read")
    close_all(peers)


def garbage(scene):
    for port in (scene.ports["plain"], scene.ports["tls"]):
        for _ in range(40):
            with peer(port) as s:
                try:
                    s.sendall(scene.random.randbytes(scene.random.randrange(1, 5000)))
                    s.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                check(is_closed(s) or port == scene.ports["plain"], "garbage is answered")
    with peer(scene.ports["plain"]) as s:  # its proper error
        s.sendall(frame(API_VERSIONS, 99, b""))
        body = answer(s)
        check(struct.unpack(">h", body[4:6])[0] == 35, f"ApiVersions 99 got {body}")
        s.sendall(frame(HEARTBEAT, 0, b"\xff"))
        check(is_closed(s), "a body that cannot be decoded")


def begun_handshakes(scene):
    hello = ssl.MemoryBIO()
    context = ssl.create_default_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    first = hello.read()
    peers = []
    for n in range(150):
        s = peer(scene.ports["tls"])
        s.sendall(first[:len(first) - n % 2])
        peers.append(s)
    for s in peers[::3]:
        s.close()
    before = scene.closed("LATE")
    wait_until(lambda: scene.closed("LATE") >= before + 100, 10, lambda: f"{scene.closed('LATE') - before} as LATE")
    close_all(peers)


def hang_up_behind_requests(scene):
    """By TLS: requests in one flight, and the end a moment later, while an answer has gone and the next has not."""
    context = ssl.create_default_context(cafile=scene.harness.folder + "/ca.pem")
    context.check_hostname = False
    requests = b"".join(frame(API_VERSIONS, 0, b"", n) for n in range(60))
    for n in range(400):
        with context.wrap_socket(peer(scene.ports["tls"]), server_hostname="localhost") as s:
            s.send(requests if n % 2 == 0 else requests[:len(requests) // 30])
            until = time.perf_counter() + scene.random.random() * (2e-3 if n % 2 == 0 else 200e-6)
            while time.perf_counter() < until:
                pass
            try:
                socket.socket.shutdown(s, socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass


def too_many(scene):
    peers = [peer(scene.ports["small"]) for _ in range(60)]
    wait_until(lambda: scene.closed("LISTENER_FULL") == 20, 5,
               lambda: f"{scene.closed('LISTENER_FULL')} closed as LISTENER_FULL")
    open_ones = [s for s in peers if not is_closed(s, 0.02)]
    check(len(open_ones) == 40, f"{len(open_ones)} connections by a listener that has 40")
    close_all(peers)

    def again():
        with peer(scene.ports["small"]) as s:
            s.sendall(frame(API_VERSIONS, 0, b""))
            return not is_closed(s, 0.5)
    wait_until(again, 5, "there is room again")


def unknown_peers(scene):
    """On a listener that wants a login: requests before it, steps in a wrong order, large frames, wrong passwords."""
    handshake, authenticate, login = 17, 36, b"\0nobody\0wrong password"

    def opened():
        return peer(scene.ports["login"])
    with opened() as s:
        s.sendall(frame(METADATA, 1, struct.pack(">i", -1)))
        check(is_closed(s), "Metadata without a login")
    with opened() as s:
        s.sendall(frame(authenticate, 0, struct.pack(">i", len(login)) + login))
        body = answer(s)
        check(body is None or struct.unpack(">h", body[4:6])[0] == 34, f"a token before the handshake got {body}")
        check(is_closed(s), "it stays after a wrong order")
    with opened() as s:
        s.sendall(frame(handshake, 1, text("MAGIC")))
        check(struct.unpack(">h", answer(s)[4:6])[0] == 33 and is_closed(s), "an unknown mechanism")
    with opened() as s:
        s.sendall(struct.pack(">i", 100000) + bytes(100))
        check(is_closed(s), "a stranger's request of 100 kB is waited for")
    peers = [opened() for _ in range(30)]
    for s in peers:  # guesses, all at once
        s.sendall(frame(handshake, 1, text("PLAIN")) +
                  frame(authenticate, 0, struct.pack(">i", len(login)) + login, 2))
    for s in peers:
        check(struct.unpack(">h", answer(s)[4:6])[0] == 0, "no handshake")
    check(all(wait_refused(s) for s in peers), "a wrong password is not refused")
    close_all(peers)
    idle = opened()
    check(is_closed(idle), "who never logs in stays")


def wait_refused(s):
    s.settimeout(60)
    body = answer(s)
    return (body is None or struct.unpack(">h", body[4:6])[0] == 58) and is_closed(s)


ATTACKS = [slow_loris, endless_requests, lying_sizes, half_open, floods, garbage, begun_handshakes,
           hang_up_behind_requests, too_many, unknown_peers]


def test_hostile(harness):
    if shutil.which("openssl") is None:
        raise Skipped("needs the program openssl")
    subprocess.run([ROOT + "/tests/dataplane/certificates", harness.folder], check=True)
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(400));")
    instance = harness.millraced(connections_max=1000, request_bytes_max=REQUEST_BYTES_MAX)
    ports = {"plain": instance.kafka_port, "tls": free_port(), "small": free_port(),
             "login": free_port()}
    limits = {"request_timeout_ms": 1500, "login_timeout_ms": 1500, "inflight_bytes_max": INFLIGHT_BYTES_MAX}
    instance.settings["listeners"] = [
        {"name": "plain", "port": ports["plain"], **limits},
        {"name": "tls", "port": ports["tls"], "tls_certificate": harness.folder + "/server.pem",
         "tls_key": harness.folder + "/server.key", **limits},
        {"name": "small", "port": ports["small"], "connections_max": 40},
        {"name": "login", "port": ports["login"], "authentication": "required", **limits}]
    instance.write_config()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    scene = Scene(harness, instance, ports)
    before = instance.resident_bytes()
    for attack in ATTACKS:
        honest = Honest(ports["plain"])
        honest.start()
        begun = time.monotonic()
        attack(scene)
        wait_until(lambda: honest.asked > 20 or honest.error is not None, 20, f"{attack.__name__}: honest answers")
        honest.stopping = True
        honest.join(30)
        check(honest.error is None, f"{attack.__name__}: {honest.error}")
        check(honest.slowest_s < ANSWER_S_MAX + 5 * honest.overslept_s,
              f"{attack.__name__}: an honest request took {honest.slowest_s:.2f} s")
        print(f"{attack.__name__}: {time.monotonic() - begun:.1f} s, {honest.asked} honest requests, the slowest "
              f"{honest.slowest_s * 1000:.0f} ms", flush=True)
    grown = instance.resident_bytes() - before
    print(f"{grown >> 20} MiB more resident than before")
    check(grown < 120 << 20, f"{grown} bytes more resident than before")
    wait_until(lambda: scene.gauge("listener_connections") <= 1, 10, "every connection is forgotten")
    check(instance.stop() == 0, "it did not stop in order")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main(test_hostile))

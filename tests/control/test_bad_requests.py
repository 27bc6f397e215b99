#!/usr/bin/env python3
"""Goal: whatever is sent to the REST API is answered with a 4xx that says why, or refused by closing the connection:
wrong types, ranges, encodings and sizes in every field, paths that climb, headers in names, bodies that are huge,
broken or slow.  Nothing of it ends millraced, holds up others, or puts a secret into the log.
"""
import copy
import http.client
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import check, main  # noqa: E402

SECRET = "s3cret-of-the-test"
CHANNEL = {"name": "bad", "source": {"host": "127.0.0.1", "port": 1, "user": "u", "password": SECRET,
                                     "standby": ["h:1"], "server_id": 7, "connect_timeout_s": 5,
                                     "read_timeout_s": 30, "tls": {"mode": "verify_ca", "ca": "/a",
                                                                   "certificate": "/b", "key": "/c"}},
           "tables": {"include": ["a.*"], "exclude": ["a.b"]}, "start_at": {"file": "b.000001", "position": 4},
           "ddl": "instance", "statement_events": "error", "partial_images": "error", "text": "stored",
           "visible": "durable", "schema_file": "/s", "format": "dts-avro"}
REQUESTS = [  # each field of each is made wrong in every way; a request that is refused must say so
    ("POST", "/v1/channels", CHANNEL),
    ("PATCH", "/v1/channels/good", {"source": CHANNEL["source"], "ddl": "selected"}),
    ("PUT", "/v1/channels/good/objects", CHANNEL["tables"]),
    ("PATCH", "/v1/channels/good/objects", {"add": CHANNEL["tables"], "remove": {"exclude": ["a.b"]}}),
    ("POST", "/v1/channels/good/groups", {"group": "g", "account": "a", "password": SECRET}),
    ("PATCH", "/v1/channels/good/groups/kept", {"password": SECRET}),
    ("PUT", "/v1/channels/good/groups/kept/checkpoint", {"offset": 0}),
    ("PUT", "/v1/channels/good/groups/kept/checkpoint", {"time": "2026-01-01T00:00:00Z"}),
    ("PUT", "/v1/channels/good/groups/kept/checkpoint", {"to": "latest"}),
    ("PUT", "/v1/channels/good/alerts", {"rules": [{"id": "r", "kind": "error", "hold_s": 0}]}),
    ("PUT", "/v1/alert-targets", {"targets": [{"id": "t", "kind": "webhook", "url": "http://127.0.0.1:1/",
                                               "secret": SECRET, "is_on": False}]}),
    ("POST", "/v1/accounts", {"account": "op", "password": SECRET}),
    ("POST", "/v1/tokens", {"name": "n", "role": "viewer"}),
]
WRONG = [None, True, -1, 2 ** 63 - 1, 10 ** 30, 1.5, "", "\0", "\r\nX-Bad: 1", "../../../etc/passwd", "é" * 4000,
         "x" * 70000, [], [[]], {}, {"a": {"b": 1}}, "%s%n%s", "\ud800", "\u202e"]
PATHS = ["/v1/channels/../../etc/passwd", "/console/../../../etc/passwd", "/console/%2e%2e/%2e%2e/etc/passwd",
         "/console/..%2f..%2fetc%2fpasswd", "/console//etc/passwd", "/v1/channels/%00",
         "/v1/channels/%0d%0aX-Bad:%201", "/v1/channels/%ff%fe", "/v1/channels/" + "a" * 5000, "//v1/channels", "/%",
         "/v1/channels/good/groups/%0d%0aX-Bad:%201", "/v1/channels/good/records?count=-1",
         "/v1/channels/good/records?before=99999999999999999999999", "/v1/channels/good/history?seconds=0x10",
         "/v1/channels/good/samples/..%2f..%2fsecret", "/v1/accounts/%", "/v1/tokens/..", "*"]
BODIES = [b"", b"{", b"[" * 200000, b'{"a":' * 3000, b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"name":"a","name":"b"}',
          b"{} {}", b"nul", b'{"password":"' + SECRET.encode() + b'"', b'{"name":"\xc3\x28"}', b"\0" * 1000, b"NaN"]


def leaves(value, path=()):
    """The way to each value within, the objects and lists too."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from leaves(inner, path + (key,))


def with_wrong(body, path, wrong):
    if not path:
        return wrong
    body = copy.deepcopy(body)
    at = body
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = wrong
    return body


def answered(instance, method, path, text):
    """(status, type, body, raw headers)"""
    connection = http.client.HTTPConnection("127.0.0.1", instance.rest_port, timeout=80)
    connection.request(method, path, text, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read().decode("utf-8", "replace")
    headers = str(answer.headers)
    connection.close()
    return answer.status, answer.headers["Content-Type"], body, headers


def check_refusal(status, kind, body, what):
    check(status < 500, f"{what}: {status} {body}")
    if status < 400:
        return
    problem = json.loads(body)
    check(kind == "application/problem+json" and problem["status"] == status and problem["detail"] and problem["title"],
          f"{what}: {status} {kind} {body}")
    check(SECRET not in body, f"{what}: the answer holds the secret: {body}")


def every_field(instance):
    count = refused = 0
    for method, path, body in REQUESTS:
        for where in leaves(body):
            for wrong in WRONG:
                sent = json.dumps(with_wrong(body, where, wrong))
                status, kind, answer, headers = answered(instance, method, path, sent)
                what = f"{method} {path} {where} {str(wrong)[:30]!r}"
                check_refusal(status, kind, answer, what)
                check("X-Bad" not in headers, f"{what}: a header was made: {headers}")
                count, refused = count + 1, refused + (status >= 400)
                if status == 201 and method == "POST":  # taken all the same: not to be in the way
                    clean(instance, path, json.loads(answer))
    check(refused > count * 0.8, f"only {refused} of {count} were refused")
    print(f"{count} wrong fields, {refused} refused")


def clean(instance, path, made):
    name = made.get("name") if path == "/v1/channels" else made.get("group", made.get("account", made.get("id")))
    status, answer = instance.rest("DELETE", f"{path}/{name}")
    check(status == 204, f"{path}/{name}: {answer}")


def raw(instance, data):
    """What comes back until the connection ends or is silent."""
    got = b""
    with socket.create_connection(("127.0.0.1", instance.rest_port), timeout=80) as s:
        try:
            s.sendall(data)
            while b"\r\n\r\n" not in got:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        except OSError:  # it hung up on us
            pass
    return got


def paths_and_frames(instance):
    for path in PATHS:
        got = raw(instance, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = got.split(b"\r\n\r\n")[0]
        check(b"root:" not in got and b"\nX-Bad" not in head and (got == b"" or b" 4" in got.split(b"\r\n")[0]),
              f"{path}: {got[:300]}")
    for body in BODIES:
        for method, path, _ in REQUESTS:
            check_refusal(*answered(instance, method, path, body)[:3], f"{method} {path} {body[:40]}")
    head = b"POST /v1/channels HTTP/1.1\r\nHost: localhost\r\n"
    for frame in (b"Content-Length: 99999999999999999999\r\n\r\n", b"Content-Length: -5\r\n\r\n",
                  b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                  b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
                  b"X: " + b"a" * 100000 + b"\r\n\r\n",
                  b"Authorization: Bearer \x01\x02\r\n\r\n", b"Host: evil.example\r\nContent-Length: 2\r\n\r\n{}"):
        got = raw(instance, head + frame)
        check(got == b"" or b" 4" in got.split(b"\r\n")[0], f"{frame[:60]}: {got[:200]}")


def oversized(instance):
    status, kind, body, _ = answered(instance, "POST", "/v1/channels", json.dumps({"name": "x" * 300000}))
    check(status == 413 and "at most" in body, f"{status} {body}")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", instance.rest_port), timeout=80) as s:
        s.sendall(b"POST /v1/channels HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent, begun = 0, instance.resident_bytes()
        try:
            while sent < 64 << 20:
                s.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        check(sent < 64 << 20, "a body without an end is read for ever")
        check(instance.resident_bytes() - begun < 16 << 20, "a body without an end fills the memory")


def slow(instance):
    """Connections that send a byte now and then end, and hold nobody up meanwhile."""
    ended = []

    def drip(text):
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", instance.rest_port), timeout=80) as s:
            try:
                for byte in text:
                    s.sendall(bytes([byte]))
                    s.settimeout(0.5)
                    try:
                        if s.recv(1) == b"":
                            break
                    except TimeoutError:
                        pass
            except OSError:
                pass
        ended.append(time.monotonic() - begun)

    header = b"GET /v1/channels HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 1000
    body = b"POST /v1/channels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + b"{" * 1000
    drips = [threading.Thread(target=drip, args=((header, body[:70] + body[70:])[i % 2],), daemon=True)
             for i in range(40)]
    for thread in drips:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in drips):
        begun = time.monotonic()
        check(instance.ask("GET", "/healthz") == "ok\n", "not healthy")
        slowest = max(slowest, time.monotonic() - begun)
        check(begun < drips_until(drips, begun), "slow connections are kept")
        time.sleep(0.2)
    check(len(ended) == 40 and max(ended) < 80, f"kept for {max(ended):.1f} s")
    check(slowest < 8, f"an honest request took {slowest:.1f} s")


def drips_until(drips, now):
    drips_until.first = getattr(drips_until, "first", now)
    return drips_until.first + 100


def test_bad_requests(harness):
    instance = harness.millraced()
    instance.start()
    instance.ask("POST", "/v1/channels", {**CHANNEL, "name": "good", "start_at": "now"})
    instance.ask("POST", "/v1/channels/good/groups", {"group": "kept", "account": "ann", "password": SECRET})
    every_field(instance)
    paths_and_frames(instance)
    oversized(instance)
    slow(instance)
    check(instance.is_alive() and instance.ask("GET", "/readyz") == "ready\n", "not ready afterwards")
    check(instance.status("good")["name"] == "good", "the channel is gone")
    log = instance.log_text()
    check(SECRET not in log, f"a secret is in the log: {log[log.find(SECRET) - 300:][:400]}")
    check(instance.stop() == 0, "no orderly stop")


if __name__ == "__main__":
    sys.exit(main(test_bad_requests))

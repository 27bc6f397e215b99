#!/usr/bin/env python3
"""Goal: whatever is sent to the REST API is answered with a 4xx that says why, or refused by closing the connection:
wrong types, ranges, encodings and sizes in every field of a body, a query and a path, paths that climb, headers in
names, bodies that are huge, broken or slow, callers without a token.  Nothing of it ends millraced, holds up others, or
puts a secret into the log.  What there is to attack is read from docs/openapi.yaml, which must name every field that
the server takes: so a new one is attacked without a word here.
"""
import copy
import http.client
import itertools
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import ROOT, Skipped, check, main  # noqa: E402

try:
    import yaml
except ImportError:
    yaml = None

SECRET = "s3cret-of-the-test"
CHANNEL = {"name": "good", "source": {"host": "127.0.0.1", "port": 1, "user": "u", "password": SECRET},
           "tables": {"include": ["a.*"]}}
NAMES = {"channel": "good", "group": "kept", "target": "ops", "account": "op", "token": "none", "language": "python"}
FIXED = {"name", "format", "visible"}
METHODS = ("get", "post", "put", "patch", "delete")
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


class Api:
    """What docs/openapi.yaml says that can be asked, with NAMES in its paths."""

    def __init__(self):
        with open(ROOT + "/docs/openapi.yaml") as f:
            self.file = yaml.safe_load(f)

    def resolved(self, part):
        while "$ref" in part:
            there = self.file
            for name in part["$ref"].split("/")[1:]:
                there = there[name]
            part = there
        return part

    def asked(self):
        """(method, path, path with its names, body's schema or None, query parameters) of each operation."""
        for path, item in self.file["paths"].items():
            for method in METHODS:
                if method not in item:
                    continue
                body = self.resolved(item[method].get("requestBody", {}))
                schema = body["content"]["application/json"]["schema"] if body else None
                given = [self.resolved(p) for p in item.get("parameters", []) + item[method].get("parameters", [])]
                named = re.sub(r"\{(\w+)\}", lambda match: NAMES[match.group(1)], path)
                yield method.upper(), path, named, schema, [p["name"] for p in given if p["in"] == "query"]

    def examples(self, schema):
        """Good values: one of each choice within, with all fields."""
        schema = self.resolved(schema)
        if "example" in schema:
            return [schema["example"]]
        if "oneOf" in schema:
            return [value for one in schema["oneOf"] for value in self.examples(one)]
        if "enum" in schema:
            return [schema["enum"][0]]
        if schema["type"] == "array":
            return [[value] for value in self.examples(schema["items"])]
        if schema["type"] == "object":
            fields = {name: self.examples(part) for name, part in schema["properties"].items()}
            count = max(map(len, fields.values()))
            return [{name: choices[i % len(choices)] for name, choices in fields.items()} for i in range(count)]
        return [{"string": "a" * schema.get("minLength", 1), "integer": schema.get("minimum", 1),
                 "boolean": False}[schema["type"]]]

    def shapes(self, schema, value):
        """(way, names of the fields) of each object within a good value."""
        schema = self.resolved(schema)
        fitting = [one for one in map(self.resolved, schema.get("oneOf", [schema])) if value in self.examples(one)]
        for one in fitting[:1]:
            if isinstance(value, list):
                for i, inner in enumerate(value):
                    yield from ((((i,) + way), names) for way, names in self.shapes(one["items"], inner))
            elif isinstance(value, dict):
                yield (), set(one["properties"])
                for name, inner in value.items():
                    for way, names in self.shapes(one["properties"][name], inner):
                        yield (name,) + way, names


def without_fixed(path, method, body):
    """What a channel keeps for ever is refused before all else."""
    is_change = (method, path) == ("PATCH", "/v1/channels/{channel}")
    return {name: body[name] for name in body if not is_change or name not in FIXED}


def requests(api):
    """(method, path, good body, its schema); passwords are SECRET, so that one that is shown is found."""
    for method, path, named, schema, _ in api.asked():
        for body in api.examples(schema) if schema else ():
            text = json.dumps(body).replace("a-secret-word", SECRET)
            yield method, named, without_fixed(path, method, json.loads(text)), schema


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


def answered(instance, method, path, text, token=None):
    """(status, type, body, raw headers)"""
    connection = http.client.HTTPConnection("127.0.0.1", instance.rest_port, timeout=80)
    connection.request(method, path, text, {"Content-Type": "application/json",
                                            **({} if token is None else {"Authorization": "Bearer " + token})})
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


def fields_are_known(instance, api):
    """The file names each field that the server takes, and no other: the server says which when one is unknown."""
    seen = set()
    for method, path, named, schema, _ in api.asked():
        for body in api.examples(schema) if schema else ():
            union = set().union(*(api.resolved(one).get("properties", {}) for one in schema.get("oneOf", [])))
            for way, names in api.shapes(schema, body):
                sent = without_fixed(path, method, with_wrong(body, way + ("no-such-field",), 1))
                status, _, answer, _ = answered(instance, method, named, json.dumps(sent))
                if status in (404, 409):
                    continue  # nothing of the kind is here (a device), or now
                told = re.search("unknown field '(.*)'; it takes (.*)", json.loads(answer)["detail"])
                check(status == 400 and told, f"{method} {path} {way}: an unknown field: {status} {answer}")
                if told.group(1) != "no-such-field":
                    continue  # of what it was merged into
                takes = set(told.group(2).split(", "))
                check(takes == names or (not way and takes == union),
                      f"{method} {path} {way}: the server takes {sorted(takes)}, docs/openapi.yaml has {sorted(names)}")
                seen |= {(method, path, way, name) for name in names}
    check(len(seen) > 90, f"only {len(seen)} fields")
    print(f"{len(seen)} fields are those of docs/openapi.yaml")


def every_field(instance, api):
    count = refused = 0
    for method, path, body, _ in requests(api):
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


def queries_and_names(instance, api):
    """Wrong values behind each query parameter, and as each name in a path."""
    wrong = ["", "-1", "0", "1e3", "0x10", "%201", "+1", "99999999999999999999999", "%00", "%0d%0aX-Bad:%201", "%ff%fe",
             "..%2f..%2fetc%2fpasswd", "%27%22%3Cscript%3E", "a" * 3000]
    count = 0
    for method, path, named, _, query in api.asked():
        for name, value in itertools.product(query, wrong):
            count += 1
            refused(instance, method, f"{named}?{name}={value}")
        for name, value in itertools.product(re.findall(r"\{(\w+)\}", path), wrong):
            count += 1
            other = path.replace("{" + name + "}", value)
            refused(instance, method, re.sub(r"\{(\w+)\}", lambda match: NAMES[match.group(1)], other))
    check(count > 300, f"only {count} queries and names")
    answer = answered(instance, "GET", "/v1/channels/a%ff%e4%b8%adb", None)[2]
    check("no channel a?中b" in json.loads(answer)["detail"], f"what is no UTF-8 takes the sentence away: {answer}")


def refused(instance, method, path):
    status, kind, answer, headers = answered(instance, method, path, "{}" if method != "GET" else None)
    check_refusal(status, kind, answer, f"{method} {path}")
    check("X-Bad" not in headers and "root:" not in answer, f"{method} {path}: {headers} {answer[:300]}")


def without_a_token(instance, api):
    """Once there is a token: nobody without one, with a broken one, or with a viewer's where something changes."""
    made = {}
    for role in ("admin", "viewer"):
        status, _, answer, _ = answered(instance, "POST", "/v1/tokens", json.dumps({"name": role, "role": role}),
                                        made.get("admin"))
        check(status == 201, answer)
        made[role] = json.loads(answer)["token"]
    public = {"/healthz", "/readyz"}
    for method, path, named, _, _ in api.asked():
        for token in (None, "mrt_none", made["admin"][:-1], made["admin"] + "0", " ", "\x7f"):
            status, kind, answer, headers = answered(instance, method, named, "{}", token)
            check((status == 401) != (path in public), f"{method} {path} with {token!r}: {status}")
            check(path in public or (kind == "application/problem+json" and "WWW-Authenticate" in headers), headers)
        status, _, answer, _ = answered(instance, method, named, "{}", made["viewer"])
        check(path in public or (status == 403) == (method != "GET" or path.endswith("/records")),
              f"a viewer's {method} {path}: {status} {answer[:200]}")
    for token in made.values():
        check(token not in instance.log_text(), "a token is in the log")


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


def paths_and_frames(instance, api):
    for path in PATHS:
        got = raw(instance, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = got.split(b"\r\n\r\n")[0]
        check(b"root:" not in got and b"\nX-Bad" not in head and (got == b"" or b" 4" in got.split(b"\r\n")[0]),
              f"{path}: {got[:300]}")
    for body in BODIES:
        for method, path in {(method, named) for method, _, named, schema, _ in api.asked() if schema}:
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
    if yaml is None:
        raise Skipped("needs python3-yaml")
    api, instance = Api(), harness.millraced()
    instance.start()
    instance.ask("POST", "/v1/channels", CHANNEL)
    instance.ask("POST", "/v1/channels/good/groups", {"group": "kept", "account": "ann", "password": SECRET})
    fields_are_known(instance, api)
    every_field(instance, api)
    queries_and_names(instance, api)
    paths_and_frames(instance, api)
    oversized(instance)
    slow(instance)
    check(instance.is_alive() and instance.ask("GET", "/readyz") == "ready\n", "not ready afterwards")
    without_a_token(instance, api)
    log = instance.log_text()
    check(SECRET not in log, f"a secret is in the log: {log[log.find(SECRET) - 300:][:400]}")
    check(instance.stop() == 0, "no orderly stop")


if __name__ == "__main__":
    sys.exit(main(test_bad_requests))

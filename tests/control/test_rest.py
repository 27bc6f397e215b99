#!/usr/bin/env python3
"""Goal: the REST API's promises that a console or a script builds upon, against a live millraced.

usage: test_rest.py CASE     (see CASES)
"""
import datetime
import http.client
import json
import os
import re
import signal
import ssl
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from asking import kcat, raw, refused, wait_for_changes  # noqa: E402
from harness import BUILD, PATIENCE, check, checkpoint_of, main, wait_until  # noqa: E402

GROUP = "/v1/channels/events/groups/readers"


def rfc3339(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def groups(harness):
    """Members and who is active, checkpoint and lag in records and seconds, and the checkpoint moved by hand: by
    offset, time and to the ends, refused while somebody is in the group, durable when it is answered."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(50));")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"])

    def end_of_log():
        return instance.status("events")["log"]["high_watermark"]

    def in_brief(expected, words):
        """What the list of channels says of the groups, once it is as expected: a sample a second."""
        def look():
            brief = instance.ask("GET", "/v1/channels")["channels"][0]["groups"]
            return brief if brief is not None and expected(brief) else None
        return wait_until(look, 20, lambda: f"{words}: {instance.ask('GET', '/v1/channels')}")
    in_brief(lambda g: g == {"count": 0, "active": 0, "lag": None}, "no groups")
    refused(instance, 404, "no group readers", "GET", GROUP)
    refused(instance, 404, "no group readers", "PUT", GROUP + "/checkpoint", {"to": "earliest"})
    made = {"group": "readers", "account": "ann", "password": "s3cret-one"}
    check(instance.rest("POST", "/v1/channels/events/groups", made)[0] == 201, "no group")
    refused(instance, 409, "no log yet", "PUT", GROUP + "/checkpoint", {"to": "earliest"})
    shown = instance.ask("GET", GROUP)
    check(shown["checkpoint"] is None and shown["lag"] is None and shown["members"] == [], f"{shown}")
    in_brief(lambda g: g == {"count": 1, "active": 0, "lag": None}, "a group that never read")
    instance.start_channel("events")
    source.sql("INSERT INTO shop.events VALUES (1, 'before');")
    time.sleep(2.5)
    second = time.time()
    source.sql("INSERT INTO shop.events VALUES (2, 'after');")
    newest = "/v1/channels/events/records?only=changes&count=1"
    wait_until(lambda: (instance.ask("GET", newest)["records"][0]["after"] or {}).get("id") == 2, 15, "it is there")
    behind = end_of_log()

    def consumer(name):
        out = open(f"{harness.folder}/{name}", "wb")
        command = ["kcat", "-b", instance.bootstrap, "-u", "-f", "%o %T\\n", "-X", "auto.offset.reset=earliest",
                   "-X", f"client.id={name}", "-X", "auto.commit.interval.ms=200", "-G", "readers", "events"]
        return harness.run(command, stdout=out, stderr=subprocess.DEVNULL)

    def read(name):
        with open(f"{harness.folder}/{name}") as f:
            return [tuple(map(int, line.split())) for line in f.read().split("\n")[:-1]]

    first = consumer("first")
    wait_until(lambda: (checkpoint_of(instance.ask("GET", GROUP)) or 0) >= behind, 20,
               lambda: instance.ask("GET", GROUP))
    consumer("second")

    def settled():
        group = instance.ask("GET", GROUP)
        is_one_active = [m["is_active"] for m in group["members"]].count(True) == 1
        return group if is_one_active and group["member_count"] == 2 and group["state"] == "Stable" else None
    shown = wait_until(settled, 20, lambda: instance.ask("GET", GROUP))
    check(sorted(m["client_id"] for m in shown["members"]) == ["first", "second"] and
          all(m["host"] == "/127.0.0.1" and m["member_id"].startswith(m["client_id"]) for m in shown["members"]),
          f"{shown}")
    check(shown["user"] == "ann-readers", f"{shown}")
    in_brief(lambda g: g["count"] == 1 and g["active"] == 1 and g["lag"]["records"] <= 2, "a group that keeps up")
    listed = instance.ask("GET", "/v1/channels/events/groups")["groups"][0]
    check("members" not in listed and set(listed) == set(shown) - {"members"}, f"{listed}")
    refused(instance, 409, "active members", "PUT", GROUP + "/checkpoint", {"to": "earliest"})
    for process in (first, harness.processes[-1]):
        process.terminate()
        process.wait()
    wait_until(lambda: instance.ask("GET", GROUP)["member_count"] == 0, 20, lambda: instance.ask("GET", GROUP))

    times = dict(read("first") + read("second"))
    stopped = checkpoint_of(instance.ask("GET", GROUP))
    for content, words in (({}, "one of"), ({"offset": 1, "to": "latest"}, "one of"), ({"of": 1}, "unknown field 'of'"),
                           ([], "JSON object"), ({"offset": "1"}, "whole number"), ({"offset": -1}, "whole number"),
                           ({"offset": 1.5}, "whole number"), ({"offset": 10 ** 12}, "must lie in the log"),
                           ({"offset": 10 ** 30}, "not JSON"), ({"time": 5}, "time must be"),
                           ({"time": "2026-02-30T00:00:00Z"}, "time must be"),
                           ({"time": "2026-02-20T00:00:00Z\0"}, ""), ({"to": "end"}, "to must be"),
                           ({"to": None}, "to must be")):
        refused(instance, 400, words, "PUT", GROUP + "/checkpoint", content)
    check(checkpoint_of(instance.ask("GET", GROUP)) == stopped, "a refused move moved it")

    def move(content, offset):
        moved = instance.ask("PUT", GROUP + "/checkpoint", content)
        check(checkpoint_of(moved) == offset == checkpoint_of(instance.ask("GET", GROUP)),
              f"{content} moved it to {moved['checkpoint']}, not {offset}")
        return moved

    end_before, newest_before = end_of_log(), kcat_newest(instance)
    moved = move({"offset": 2}, 2)
    check(abs(rfc3339(moved["checkpoint"]["time"]) - times[2] / 1000) < 0.001, f"{moved}, but {times[2]}")
    check(abs(rfc3339(moved["checkpoint"]["committed_at"]) - time.time()) < 120, f"{moved}")
    end = end_of_log()
    check(end_before <= moved["lag"]["records"] + 2 <= end, f"{moved}, the log ended at {end_before}, then at {end}")
    newest = kcat_newest(instance)
    check(newest_before - 2 <= moved["lag"]["seconds"] + times[2] / 1000 <= newest + 2,
          f"{moved}, newest {newest_before}, then {newest}")
    other = {"group": "others", "account": "bob", "password": "s3cret-two"}
    check(instance.rest("POST", "/v1/channels/events/groups", other)[0] == 201, "no second group")
    instance.ask("PUT", "/v1/channels/events/groups/others/checkpoint", {"to": "latest"})
    brief = in_brief(lambda g: g["count"] == 2 and g["active"] == 0 and g["lag"]["records"] >= end - 2,
                     "the group that is most behind")
    check(brief["lag"]["seconds"] + times[2] / 1000 >= newest_before - 2, f"{brief}, newest {newest_before}")
    check(instance.rest("DELETE", "/v1/channels/events/groups/others")[0] == 204, "the second group is not deleted")
    at = min(offset for offset, ms in times.items() if ms >= int(second) * 1000)
    utc = datetime.datetime.fromtimestamp(int(second), datetime.timezone.utc)
    move({"time": utc.strftime("%Y-%m-%dT%H:%M:%SZ")}, at)
    east = datetime.timezone(datetime.timedelta(hours=8))
    move({"time": datetime.datetime.fromtimestamp(int(second), east).isoformat()}, at)
    third = consumer("third")
    wait_until(lambda: len(read("third")) > 3, 20, lambda: f"it reads again: {read('third')}")
    check(read("third")[0][0] == at, f"the group went on at {read('third')[0]}, not at {at}")
    third.terminate()
    third.wait()
    wait_until(lambda: instance.ask("GET", GROUP)["member_count"] == 0, 20, lambda: instance.ask("GET", GROUP))
    move({"time": "2000-01-01T00:00:00Z"}, 0)
    end_before = end_of_log()
    ahead = instance.ask("PUT", GROUP + "/checkpoint", {"time": "2999-01-01T00:00:00Z"})
    latest = instance.ask("PUT", GROUP + "/checkpoint", {"to": "latest"})
    end = end_of_log()
    check(end_before <= checkpoint_of(ahead) <= checkpoint_of(latest) <= end, f"{end_before}, {ahead}, {latest}, {end}")
    left = latest["lag"]["records"]  # HEARTBEATs that came since
    check(left <= end - checkpoint_of(latest) and latest["lag"]["seconds"] <= 2 + 2 * left, f"{latest}, {end}")
    move({"to": "earliest"}, 0)
    instance.kill()
    instance.start()
    wait_until(lambda: checkpoint_of(instance.ask("GET", GROUP)) == 0, 10, lambda: instance.ask("GET", GROUP))


def kcat_newest(instance):
    """The time of the newest record, in seconds."""
    command = ["kcat", "-b", instance.bootstrap, "-C", "-t", "events", "-o", "-1", "-c", "1", "-q", "-f", "%T"]
    return int(subprocess.run(command, capture_output=True, text=True, timeout=30 * PATIENCE).stdout) / 1000


def asked(instance, method, path, token=None, content=None, scheme="Bearer", context=None, address="127.0.0.1",
          headers=None):
    """(status, body, headers) of a request with a token."""
    if context is None:
        connection = http.client.HTTPConnection(address, instance.rest_port, timeout=20 * PATIENCE)
    else:
        connection = http.client.HTTPSConnection(address, instance.rest_port, timeout=20 * PATIENCE, context=context)
    sent = {} if token is None else {"Authorization": f"{scheme} {token}"}
    connection.request(method, path, None if content is None else json.dumps(content), {**sent, **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text.startswith("{") else text, answer.headers


def tokens(harness):
    """Open to this machine until there is a token; then 401 without one, 403 for what a viewer may not, and nothing of
    a token in a file or in the log.  No other machine before there are tokens and TLS."""
    instance = harness.millraced()
    instance.start()
    made = {"name": "me", "role": "admin"}
    refused(instance, 409, "first token must be an admin's", "POST", "/v1/tokens", {**made, "role": "viewer"})
    for content, words in (({**made, "role": "root"}, "role must be"), ({**made, "name": ""}, "1 to 64 bytes"),
                           ({**made, "name": "a\nb"}, "control characters"), ({**made, "more": 1}, "unknown field"),
                           ({"name": "me"}, "role is required"), ({**made, "name": 5}, "must be a string")):
        refused(instance, 400, words, "POST", "/v1/tokens", content)
    check(instance.ask("GET", "/v1/status")["role"] == "admin", "not open before there is a token")
    admin = instance.ask("POST", "/v1/tokens", made)["token"]
    refused(instance, 401, "takes a token", "GET", "/v1/channels")
    for path in ("/v1/nothing", "/metrics", "/v1/channels/x/start"):
        status, answer, headers = asked(instance, "GET", path)
        check(status == 401 and answer["title"] == "Unauthorized" and headers["WWW-Authenticate"] ==
              'Bearer realm="millrace"' and headers["Content-Type"] == "application/problem+json",
              f"{path}: {status} {answer} {headers}")
    check(instance.ask("GET", "/healthz") == "ok\n" and instance.ask("GET", "/readyz") == "ready\n", "not public")
    for token, scheme in ((admin[:-1], "Bearer"), (admin + "x", "Bearer"), (admin, "Basic"), ("", "Bearer"),
                          (admin.swapcase(), "Bearer"), ("x" * 5000, "Bearer")):
        status, answer, headers = asked(instance, "GET", "/v1/channels", token, scheme=scheme)
        check(status == 401 and "invalid_token" in headers["WWW-Authenticate"], f"{token}: {status} {answer}")
    viewer = asked(instance, "POST", "/v1/tokens", admin, {"name": "grafana", "role": "viewer"})[1]
    check(asked(instance, "GET", "/v1/status", viewer["token"])[1]["role"] == "viewer", "no viewer")
    metrics = asked(instance, "GET", "/metrics", viewer["token"], scheme="bearer")[1]
    check("millrace_build_info" in metrics, "no metrics")
    for method, path in (("POST", "/v1/channels"), ("PATCH", "/v1/channels/x"), ("DELETE", "/v1/channels/x"),
                         ("PUT", "/v1/channels/x/objects"), ("POST", "/v1/tokens"), ("DELETE", "/v1/tokens/x"),
                         ("POST", "/v1/channels/x/start"), ("PUT", "/v1/channels/x/groups/g/checkpoint")):
        status, answer, headers = asked(instance, method, path, viewer["token"], {})
        check(status == 403 and "may only look" in answer["detail"] and "insufficient_scope" in
              headers["WWW-Authenticate"], f"a viewer's {method} {path}: {status} {answer}")
    listed = asked(instance, "GET", "/v1/tokens", viewer["token"])[1]["tokens"]
    check([t["name"] for t in listed] == ["me", "grafana"] and not any("token" in t for t in listed), f"{listed}")
    status, answer, _ = asked(instance, "DELETE", f"/v1/tokens/{listed[0]['id']}", admin)
    check(status == 409 and "only admin" in answer["detail"], f"{status} {answer}")
    file = instance.settings["data_folder"] + "/tokens.json"
    check(stat.S_IMODE(os.stat(file).st_mode) == 0o600, "others may read the tokens' file")
    check(instance.stop() == 0, "no orderly stop")
    with open(file) as f:
        kept = f.read()
    for secret in (admin, viewer["token"]):
        check(secret not in kept and secret not in instance.log_text(), "a token is kept or logged")
    with open(file, "w") as f:
        f.write(kept[:-20])
    instance.start(wait=False)
    check(instance.exit_code() == 4 and "tokens.json" in instance.tail(), instance.tail())
    with open(file, "w") as f:
        f.write(kept)
    instance.start()
    check(asked(instance, "GET", "/v1/channels", admin)[0] == 200, "a restart forgot the token")
    check(asked(instance, "DELETE", f"/v1/tokens/{viewer['id']}", admin)[0] == 204, "not revoked")
    check(asked(instance, "GET", "/v1/channels", viewer["token"])[0] == 401, "a revoked token is good")
    check(instance.stop() == 0, "no orderly stop")
    other_machines(harness, instance, admin, file)


def certificate(folder, name):
    """A self-signed one for localhost."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)


def listening_flags(instance):
    """How the descriptors that listen for the REST API were opened."""
    pid, found = instance.process.pid, []
    with open(f"/proc/{pid}/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if int(row[1].split(":")[1], 16) == instance.rest_port
               and row[3] == "0A"}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{fd}") in sockets:
            with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                found.append(int(re.search(r"flags:\s+(\d+)", f.read()).group(1), 8))
    return found


def other_machines(harness, instance, admin, file):
    def refused_start(words):
        instance.write_config()
        instance.start(wait=False)
        check(instance.exit_code() == 4 and words in instance.tail(5), f"no '{words}': {instance.tail(5)}")

    instance.settings["rest_address"] = "0.0.0.0"
    refused_start("rest_tls_certificate and rest_tls_key")
    os.rename(file, file + ".away")
    refused_start("there is no token yet")
    os.rename(file + ".away", file)
    certificate(harness.folder, "first")
    instance.settings["rest_tls_certificate"] = harness.folder + "/cert.pem"
    refused_start("go together")
    instance.settings["rest_tls_key"] = harness.folder + "/cert.pem"
    refused_start("do not belong to each other")
    instance.settings["rest_tls_key"] = harness.folder + "/key.pem"
    token_file = harness.folder + "/token"
    with open(token_file, "w") as f:
        f.write("too-short\n")
    instance.settings["rest_admin_token_file"] = token_file
    refused_start("fewer than 32")
    with open(token_file, "w") as f:
        f.write("c" * 40 + "\n")
    instance.write_config()
    instance.start(wait=False)
    context = ssl.create_default_context(cafile=harness.folder + "/cert.pem")

    def answers(token, at=context):
        try:
            return asked(instance, "GET", "/v1/status", token, context=at, address="localhost")[0]
        except OSError:
            return None
    wait_until(lambda: answers(admin) == 200, 20, instance.tail)
    check(answers("c" * 40) == 200 and answers(None) == 401, "the configured token is not good")
    for origin, status in ((f"https://localhost:{instance.rest_port}", 201), ("https://evil.example", 403)):
        got = asked(instance, "POST", "/v1/tokens", admin, {"name": "o", "role": "viewer"}, context=context,
                    address="localhost", headers={"Origin": origin})[0]
        check(got == status, f"Origin {origin}: {got}")

    def millrace(*words, code=0, **environment):
        done = subprocess.run([BUILD + "/cli/millrace", *words], capture_output=True, text=True, timeout=30 * PATIENCE,
                              env={**os.environ, "MILLRACE_SERVER": f"https://localhost:{instance.rest_port}",
                                   **environment})
        check(done.returncode == code, f"{words}: {done}")
        return done.stdout + done.stderr

    millrace("status", code=3)  # nobody vouches for the certificate
    check("takes a token" in millrace("status", code=1, MILLRACE_CA=harness.folder + "/cert.pem"), "no words")
    how = ["--ca", harness.folder + "/cert.pem", "--token-file", token_file]
    check("configured" in millrace(*how, "token", "list"), "not listed")
    check("comes from the configuration" in millrace(*how, "token", "revoke", "configured", code=1), "revoked")
    made = json.loads(millrace(*how, "--json", "token", "create", "cli", "--role", "viewer"))
    check(answers(made["token"]) == 200, f"{made}")
    millrace(*how, "token", "revoke", made["id"])
    check(answers(made["token"]) == 401, "revoked, and good")
    for elsewhere in ("http://db.example:1", "http://127.0.0.1:x@db.example/", "http://localhost:1@db.example:1",
                      "http://[::1]:@db.example/", "http://127.0.0.1@db.example/", "http://127.0.0.1.db.example/"):
        check("in the clear" in millrace("--server", elsewhere, "--token-file", token_file, "status", code=2),
              f"a token would leave to {elsewhere} in the clear")
    certificate(harness.folder, "second")
    instance.process.send_signal(signal.SIGHUP)
    renewed = ssl.create_default_context(cafile=harness.folder + "/cert.pem")
    wait_until(lambda: answers(admin, renewed) == 200, 10, instance.tail)
    listening = listening_flags(instance)
    check(len(listening) == 1 and listening[0] & os.O_CLOEXEC, f"the sockets that listen: {listening}")
    with open(harness.folder + "/cert.pem", "w") as f:
        f.write("no PEM")
    instance.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "certificate of before stays" in instance.log_text(), 10, instance.tail)
    check(answers(admin, renewed) == 200, "a wrong certificate took the API away")
    check(listening_flags(instance) == listening, "a wrong certificate leaves a socket behind, or takes one away")
    check(admin not in instance.log_text() and "c" * 40 not in instance.log_text(), "a token is logged")


def console(harness):
    """The page is all there, under the policy it needs, and the history behind its charts tells the truth."""
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(99));")
    instance = harness.millraced()
    instance.start()
    instance.create_channel("events", source, ["shop.*"], compression="zstd")
    instance.start_channel("events")
    waiting, seen = ["/"], {}
    while waiting:  # what the page names, and what that names, is served
        path = waiting.pop()
        head, text = raw(instance, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").split("\r\n\r\n", 1)
        check(" 200 " in head.split("\r\n")[0], f"{path}: {head}")
        policy = re.search("Content-Security-Policy: (.*)", head).group(1)
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
            check(part in policy and "unsafe" not in policy, f"{path}: {policy}")
        for words in ("X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer"):
            check(words in head, f"{path}: {head}")
        seen[path] = re.search("Content-Type: (.*)\r", head).group(1)
        whole = instance.ask("GET", path)
        hosts = set(re.findall("https?://([a-z0-9.]+)", whole)) - {"www.w3.org", "github.com"}  # of a name, a comment
        check(not hosts, f"{path} names other machines: {hosts}")
        named = re.findall("(?:href|src)=\"(/[^\"#]+)\"", whole) + re.findall("src: '(/[^']+)'", whole)
        named += ["/console/" + name for name in re.findall("^(?:import|export) .*from '[.]/(.*)'", whole, re.M)]
        waiting += [name for name in named if name not in seen]
        check("style=" not in whole or "vendor" in path or "uPlot" in path, f"{path} has an inline style")
    types = {"/": "text/html", "/console/app.js": "text/javascript", "/console/style.css": "text/css"}
    check(len(seen) > 10 and all(seen[path].startswith(kind) for path, kind in types.items()), f"{seen}")
    for path in ("/console/nothing.js", "/console/..%2F..%2Fetc%2Fpasswd", "/console/../v1/status", "/console/"):
        check(instance.rest("GET", path)[0] == 404, f"{path} is served")
    refused(instance, 405, "GET", "POST", "/")

    for seconds in ("0", "901", "x", "-1", "%201", "9999999999999999999999"):
        refused(instance, 400, "whole number from 1 to 900", "GET", f"/v1/channels/events/history?seconds={seconds}")
    source.sql("INSERT INTO shop.events (what) VALUES " + ",".join(["('xxxxxxxxx')"] * 500) + ";")
    wait_for_changes(instance, 500)
    wait_until(lambda: instance.status("events")["log"]["high_watermark"] > 500, 15, "they can be read")
    least_read = instance.status("events")["log"]["bytes"]
    check(len(kcat(instance, "events")) >= 500, "not read")
    most_read = instance.status("events")["log"]["bytes"]

    def history():
        return instance.ask("GET", "/v1/channels/events/history")

    def area(column):  # of rates over uneven seconds
        got = history()
        return sum((b - a) / 1000 * rate for a, b, rate in zip(got["time_ms"], got["time_ms"][1:], got[column][1:]))
    wait_until(lambda: area("bytes_out_per_s") > 0.9 * least_read, 15, lambda: f"{history()}")
    check(490 < area("rows_per_s") < 510, f"500 rows: {history()}")
    check(area("bytes_out_per_s") < 2 * most_read, f"{most_read} bytes were read: {history()}")
    check(history()["delay_ms"][-1] is not None, f"{history()}")
    last_records(instance, source)
    instance.ask("POST", "/v1/channels/events/stop")
    wait_until(lambda: history()["delay_ms"][-1] is None, 15, lambda: f"a stopped channel has no delay: {history()}")
    last = instance.ask("GET", "/v1/channels/events/history?seconds=2")
    check(len(last["time_ms"]) == 2 and last["groups"] == [], f"{last}")
    admin = instance.ask("POST", "/v1/tokens", {"name": "a", "role": "admin"})["token"]
    connection = http.client.HTTPConnection("127.0.0.1", instance.rest_port, timeout=10 * PATIENCE)
    connection.request("POST", "/v1/tokens", '{"name":"v","role":"viewer"}', {"Authorization": "Bearer " + admin})
    viewer = json.loads(connection.getresponse().read())["token"]
    connection.close()
    for path, status in (("/", 200), ("/console/app.js", 200), ("/v1/channels/events/history", 200),
                         ("/v1/channels/events/records", 403)):  # the page is everybody's, rows are not
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {viewer}\r\n\r\n"
        answer = raw(instance, head).split("\r\n")[0]
        check(f" {status} " in answer, f"{path} for a viewer: {answer}")
    for path, status in (("/", 200), ("/v1/channels/events/history", 401), ("/v1/channels/events/records", 401)):
        check(instance.rest("GET", path)[0] == status, f"{path} without a token")


def last_records(instance, source):
    """The last records, the newest first, page by page without a gap; what is large is named, not carried."""
    path = "/v1/channels/events/records"
    for query, words in (("count=0", "from 1 to 200"), ("count=201", "from 1 to 200"), ("before=-1", "whole number"),
                         ("only=rows", "BEGIN, COMMIT")):
        refused(instance, 400, words, "GET", f"{path}?{query}")
    rows = instance.status("events")["captured"]["row_changes"]
    source.sql("""CREATE TABLE shop.odd (id BIGINT UNSIGNED PRIMARY KEY, raw VARBINARY(9), note TEXT, big LONGTEXT);
        INSERT INTO shop.odd VALUES (18446744073709551615, x'00ff', '"\\\\\\" <i>é</i> 123456789012345678', NULL);
        UPDATE shop.odd SET note = 'new'; DELETE FROM shop.odd; INSERT INTO shop.odd VALUES (1, NULL, NULL,
        REPEAT('x', 100000)); INSERT INTO shop.odd VALUES (2, NULL, NULL, REPEAT('y', 3000000));""")
    wait_for_changes(instance, rows + 5)

    def newest(query):
        return instance.ask("GET", f"{path}?count=1{query}")["records"][0]
    wait_until(lambda: newest("&only=changes").get("value_bytes", 0) > 3000000 and
               newest("")["operation"] == "HEARTBEAT", 15, lambda: f"a HEARTBEAT behind them: {newest('')}")
    seen, before, pages = [], None, 0
    end = instance.ask("GET", path)["high_watermark"]
    while before != 0:  # all of it
        answer = instance.ask("GET", f"{path}?count=200&before={end if before is None else before}")
        seen += answer["records"]
        before, pages = answer["before"] or 0, pages + 1
    offsets = [r["offset"] for r in seen]
    check(offsets == list(range(end - 1, -1, -1)) and pages > 2, f"{pages} pages of {end} records: {offsets}")
    changes, before = [], end
    while before:
        answer = instance.ask("GET", f"{path}?only=changes&count=150&before={before}")
        changes, before = changes + answer["records"], answer["before"]
    wanted = {"INSERT", "UPDATE", "DELETE", "DDL", None}  # None: too large to tell
    check([r["offset"] for r in changes] == [r["offset"] for r in seen if r["operation"] in wanted], "other changes")
    large, less, gone, updated, first, table = changes[:6]
    check(large["operation"] is None and "too large" in large["why"] and large["value_bytes"] > 3000000, f"{large}")
    check(less["operation"] is None and less["value_bytes"] > 100000, f"{less}")
    check(gone["operation"] == "DELETE" and gone["before"]["note"] == "new", f"{gone}")
    check(updated["before"]["id"] == updated["after"]["id"] == "18446744073709551615", f"digits are lost: {updated}")
    check(first["after"] == {"id": "18446744073709551615", "raw": {"hex": "00ff"}, "big": None,
                             "note": '"\\" <i>é</i> 123456789012345678'}, f"{first}")
    check(table["operation"] == "DDL" and "CREATE TABLE shop.odd" in table["statement"], f"{table}")
    check(changes[6]["after"]["what"] == "x" * 9 and changes[6]["after"]["id"] == 500, f"{changes[6]}")
    check(instance.ask("GET", f"{path}?before=1&count=9")["records"][0]["offset"] == 0, "the first record")


CASES = {case.__name__: case for case in (groups, tokens, console)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: test_rest.py {'|'.join(CASES)}")
    sys.exit(main(CASES[sys.argv[1]]))

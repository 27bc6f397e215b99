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
from harness import BUILD, check, checkpoint_of, main, wait_until  # noqa: E402

GROUP = "/v1/channels/events/groups/readers"


def refused(instance, status, words, method, path, content=None):
    """The request gets this status and a problem document that holds the words."""
    got, answer = instance.rest(method, path, content)
    check(got == status, f"{method} {path} {content} answered {got}, not {status}: {answer}")
    check(isinstance(answer, dict) and answer.get("status") == status and words in answer.get("detail", ""),
          f"{method} {path} {content}: no problem document with '{words}': {answer}")


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
    refused(instance, 404, "no group readers", "GET", GROUP)
    refused(instance, 404, "no group readers", "PUT", GROUP + "/checkpoint", {"to": "earliest"})
    made = {"group": "readers", "account": "ann", "password": "s3cret-one"}
    check(instance.rest("POST", "/v1/channels/events/groups", made)[0] == 201, "no group")
    refused(instance, 409, "no log yet", "PUT", GROUP + "/checkpoint", {"to": "earliest"})
    shown = instance.ask("GET", GROUP)
    check(shown["checkpoint"] is None and shown["lag"] is None and shown["members"] == [], f"{shown}")
    instance.start_channel("events")
    source.sql("INSERT INTO shop.events VALUES (1, 'before');")
    time.sleep(2.5)
    second = time.time()
    source.sql("INSERT INTO shop.events VALUES (2, 'after');")

    def consumer(name):
        out = open(f"{harness.folder}/{name}", "wb")
        command = ["kcat", "-b", instance.bootstrap, "-u", "-f", "%o %T\\n", "-X", "auto.offset.reset=earliest",
                   "-X", f"client.id={name}", "-X", "auto.commit.interval.ms=200", "-G", "readers", "events"]
        return harness.run(command, stdout=out, stderr=subprocess.DEVNULL)

    def read(name):
        with open(f"{harness.folder}/{name}") as f:
            return [tuple(map(int, line.split())) for line in f.read().split("\n")[:-1]]

    first = consumer("first")
    wait_until(lambda: (checkpoint_of(instance.ask("GET", GROUP)) or 0) >= 8, 20, lambda: instance.ask("GET", GROUP))
    consumer("second")
    wait_until(lambda: [m["is_active"] for m in instance.ask("GET", GROUP)["members"]].count(True) == 1 and
               instance.ask("GET", GROUP)["member_count"] == 2, 20, lambda: instance.ask("GET", GROUP))
    shown = instance.ask("GET", GROUP)
    check(sorted(m["client_id"] for m in shown["members"]) == ["first", "second"] and
          all(m["host"] == "/127.0.0.1" and m["member_id"].startswith(m["client_id"]) for m in shown["members"]),
          f"{shown}")
    check(shown["user"] == "ann-readers" and shown["state"] == "Stable", f"{shown}")
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

    moved = move({"offset": 2}, 2)
    check(abs(rfc3339(moved["checkpoint"]["time"]) - times[2] / 1000) < 0.001, f"{moved}, but {times[2]}")
    check(abs(rfc3339(moved["checkpoint"]["committed_at"]) - time.time()) < 30, f"{moved}")
    end = instance.status("events")["log"]["high_watermark"]
    check(0 <= end - 2 - moved["lag"]["records"] <= 3, f"{moved}, the log ends at {end}")
    newest = kcat_newest(instance)
    check(abs(moved["lag"]["seconds"] - (newest - times[2] / 1000)) <= 2, f"{moved}, newest {newest}")
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
    ahead = instance.ask("PUT", GROUP + "/checkpoint", {"time": "2999-01-01T00:00:00Z"})
    latest = instance.ask("PUT", GROUP + "/checkpoint", {"to": "latest"})
    end = instance.status("events")["log"]["high_watermark"]
    check(end - 6 <= checkpoint_of(ahead) <= checkpoint_of(latest) <= end, f"{ahead}, {latest}, {end}")
    check(latest["lag"]["records"] <= 2 and latest["lag"]["seconds"] <= 2, f"{latest}")
    move({"to": "earliest"}, 0)
    instance.kill()
    instance.start()
    wait_until(lambda: checkpoint_of(instance.ask("GET", GROUP)) == 0, 10, lambda: instance.ask("GET", GROUP))


def kcat_newest(instance):
    """The time of the newest record, in seconds."""
    command = ["kcat", "-b", instance.bootstrap, "-C", "-t", "events", "-o", "-1", "-c", "1", "-q", "-f", "%T"]
    return int(subprocess.run(command, capture_output=True, text=True, timeout=30).stdout) / 1000


def asked(instance, method, path, token=None, content=None, scheme="Bearer", context=None, address="127.0.0.1",
          headers=None):
    """(status, body, headers) of a request with a token."""
    if context is None:
        connection = http.client.HTTPConnection(address, instance.rest_port, timeout=20)
    else:
        connection = http.client.HTTPSConnection(address, instance.rest_port, timeout=20, context=context)
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
    check(instance.process.wait(20) == 4 and "tokens.json" in instance.tail(), instance.tail())
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
        check(instance.process.wait(20) == 4 and words in instance.tail(5), f"no '{words}': {instance.tail(5)}")

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
        done = subprocess.run([BUILD + "/cli/millrace", *words], capture_output=True, text=True, timeout=30,
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


CASES = {case.__name__: case for case in (groups, tokens)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: test_rest.py {'|'.join(CASES)}")
    sys.exit(main(CASES[sys.argv[1]]))

#!/usr/bin/env python3
"""Goal: real clients (openssl, librdkafka in kcat, Kafka's own consumer if there is Java) read the same records by TLS
1.2 and 1.3 as in plain text; who must show a certificate and does not is refused; wrong ways in are said in words;
certificates are read again upon SIGHUP while connections go on; who never finishes is closed.
"""
import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

from harness import BUILD, PATIENCE, ROOT, Skipped, check, free_port, main, wait_until

ROWS, KAFKA = 3000, "3.9.2"


def listener(harness, name, port, certificate="server", **more):
    folder = harness.folder
    return {"name": name, "address": "127.0.0.1", "port": port, "advertised_host": "localhost",
            "tls_certificate": f"{folder}/{certificate}.pem", "tls_key": f"{folder}/{certificate}.key",
            **more}


def s_client(harness, port, *options):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
                           harness.folder + "/ca.pem", "-verify_return_error", *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20 * PATIENCE)
    return done.stdout + done.stderr


def kcat(harness, port, *options, tls=True, timeout_s=160):
    """(exit code, sum of the output, the output, words)"""
    security = ["-X", "security.protocol=ssl", "-X", f"ssl.ca.location={harness.folder}/ca.pem"] if tls else []
    done = subprocess.run(["timeout", str(timeout_s), "kcat", "-b", f"127.0.0.1:{port}", *security, *options],
                          stdin=subprocess.DEVNULL, capture_output=True)
    words = done.stderr.decode("utf-8", "replace")
    return done.returncode, hashlib.sha256(done.stdout).hexdigest(), done.stdout, words


def same_records(harness, ports):
    read = ["-C", "-t", "events", "-o", "beginning", "-c", str(ROWS), "-f", "%o %T %S %s\\n"]
    plain = kcat(harness, ports["plain"], *read, tls=False)
    check(plain[0] == 0 and plain[2].count(b"\n") >= ROWS, f"plain text: {plain[0]}, {plain[3]}")
    certificate = ["-X", f"ssl.certificate.location={harness.folder}/client.pem",
                   "-X", f"ssl.key.location={harness.folder}/client.key"]
    for port, more in ((ports["tls"], []), (ports["mutual"], certificate)):
        got = kcat(harness, port, *more, *read)
        check(got[:2] == plain[:2], f"by TLS: code {got[0]}, {len(got[2])} bytes for {len(plain[2])}: {got[3]}")
    listed = kcat(harness, ports["tls"], "-L")[2].decode()
    check(f"localhost:{ports['tls']}" in listed, f"told another address than the listener's: {listed}")
    code, _, _, words = kcat(harness, ports["mutual"], "-L", "-m", "5")
    check(code != 0, f"served without a certificate: {words}")


def logged_in(harness, instance, ports):
    """SASL within TLS: the right password reads all, a wrong one nothing."""
    instance.ask("POST", "/v1/channels/events/groups", {"group": "billing", "account": "ann", "password": "right word"})
    read = ["-C", "-t", "events", "-o", "beginning", "-c", str(ROWS), "-f", "%o %T %S %s\\n"]
    plain = kcat(harness, ports["plain"], *read, tls=False)
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        login = ["-X", "security.protocol=sasl_ssl", "-X", f"sasl.mechanism={mechanism}", "-X",
                 "sasl.username=ann-billing", "-X", "sasl.password="]
        got = kcat(harness, ports["login"], *login[:-1], login[-1] + "right word", *read)
        check(got[:2] == plain[:2], f"{mechanism} by TLS: code {got[0]}: {got[3]}")
        code, _, _, words = kcat(harness, ports["login"], *login[:-1], login[-1] + "wrong word", "-L", "-m", "5")
        check(code != 0, f"{mechanism} by TLS with a wrong password: {words}")


def consumed(harness, instance, ports):
    """millrace consume by TLS: finds a fitting listener, logs in, and trusts nobody else's authority."""
    def consume(*options, code=0):
        done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "consume",
                               "events", "--from-beginning", "--count", "10", "--timeout", "80", *options],
                              stdin=subprocess.DEVNULL, text=True, capture_output=True,
                              env={**os.environ, "MILLRACE_PASSWORD": "right word"})
        check(done.returncode == code, f"consume {options}: code {done.returncode}: {done.stderr}")
        return done.stdout, done.stderr
    authority = ["--tls-ca", harness.folder + "/ca.pem"]
    plain, _ = consume("--group", "plain")
    for more in (["--group", "billing", "--user", "ann-billing", *authority],
                 ["--group", "found", *authority],
                 ["--group", "named", "--bootstrap", f"127.0.0.1:{ports['tls']}", *authority]):
        check(consume(*more)[0] == plain, f"other records: {more}")
    for more in (["--tls"], ["--tls-ca", harness.folder + "/elsewhere.pem"]):
        for timeout_s in ("2", "8", "32"):  # it tries as long as that, however often it is refused
            _, words = consume("--group", "stranger", "--timeout", timeout_s, *more, code=1)
            if "certificate verify failed" in words:
                break
        else:
            check(False, f"{more}: {words}")


def handshakes(harness, instance, ports):
    for version, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        text = s_client(harness, ports["tls"], version)
        check("Verify return code: 0 (ok)" in text and name in text, text)
    text = s_client(harness, ports["tls"], "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    check("Cipher is (NONE)" in text or "no protocols available" in text, text)
    check("alert" in s_client(harness, ports["mutual"], "-tls1_2"), "no certificate was asked for")
    stranger = [f"-cert={harness.folder}/stranger.pem", f"-key={harness.folder}/stranger.key"]
    check("alert" in s_client(harness, ports["mutual"], "-tls1_2", *stranger), "a stranger's certificate was accepted")


def wrong_ways(harness, instance, ports):
    def is_told(words, port, tls):  # such lines come once a second
        kcat(harness, ports[port], "-L", "-m", "2", tls=tls)
        return words in instance.log_text()
    wait_until(lambda: is_told("the client speaks plain text", "tls", False), 10, instance.tail)
    wait_until(lambda: is_told("begins with a TLS handshake", "plain", True), 10, instance.tail)


def late_ones(instance, ports):
    """A connection that begins no handshake, and one that stops in it; in plain text nobody need log in."""
    begun = time.monotonic()
    peers = [socket.create_connection(("127.0.0.1", ports[name])) for name in ("hasty", "hasty", "plain")]
    peers[1].send(b"\x16\x03\x01\x01\x00\x01")
    for peer in peers[:2]:
        peer.settimeout(60)
        check(peer.recv(1) == b"", "bytes for an unfinished handshake")
    check(time.monotonic() - begun > 1.5, f"closed after {time.monotonic() - begun:.1f} s")
    peers[2].setblocking(False)
    try:
        check(peers[2].recv(1) != b"", "a plain connection was closed, too")
    except BlockingIOError:
        pass
    wait_until(lambda: instance.rest("GET", "/metrics")[1].count('cause="LATE"} 2') == 1, 5, "they are counted as LATE")


def read_again(harness, instance, ports):
    folder = harness.folder
    with open(folder + "/follow", "wb") as out:
        reader = harness.run(["kcat", "-b", f"127.0.0.1:{ports['tls']}", "-X", "security.protocol=ssl", "-X",
                              f"ssl.ca.location={folder}/ca.pem", "-C", "-t", "events", "-o", "end", "-u"], stdout=out)
    wait_until(lambda: os.path.getsize(folder + "/follow") > 0, 20, "heartbeats arrive")
    check("CN = localhost" in s_client(harness, ports["tls"]), "another certificate before")
    shutil.copy(folder + "/other.pem", folder + "/server.pem")
    instance.process.send_signal(signal.SIGHUP)  # the key does not fit yet
    wait_until(lambda: "not read again" in instance.log_text(), 10, instance.tail)
    check("CN = localhost" in s_client(harness, ports["tls"]), "a broken pair is in use")
    shutil.copy(folder + "/other.key", folder + "/server.key")
    instance.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "CN = other" in s_client(harness, ports["tls"]), 10, "the new certificate is shown")
    size = os.path.getsize(folder + "/follow")
    wait_until(lambda: os.path.getsize(folder + "/follow") > size, 20, "the connection of before goes on")
    check(reader.poll() is None, "kcat ended")


def java(harness, ports, expected_bytes):
    run = ROOT + "/tests/clients/java_run"
    ready = subprocess.run([run, "--ready"], capture_output=True, text=True)
    if ready.returncode != 0:
        print("without Java:", ready.stdout)
        return
    work = harness.folder
    with open(work + "/client.both", "w") as out:
        for name in ("client.key", "client.pem"):
            with open(f"{harness.folder}/{name}") as part:
                out.write(part.read())
    for port, protocol in ((ports["tls"], "TLSv1.3"), (ports["mutual"], "TLSv1.2")):
        with open(work + "/properties", "w") as out:
            out.write(f"bootstrap.servers=localhost:{port}\nsecurity.protocol=SSL\nssl.enabled.protocols={protocol}\n"
                      f"ssl.protocol={protocol}\n"
                      f"ssl.truststore.type=PEM\nssl.truststore.location={harness.folder}/ca.pem\n"
                      f"ssl.keystore.type=PEM\nssl.keystore.location={work}/client.both\n")
        done = subprocess.run(["timeout", "240", run, KAFKA, "TlsCheck", work + "/properties", "events", str(ROWS)],
                              capture_output=True, text=True)
        check(done.returncode == 0 and done.stdout.split()[-1:] == [str(expected_bytes)],
              f"Java by {protocol}: {done.stdout[-300:]}{done.stderr[-1500:]}, {expected_bytes} bytes expected")


def test_tls(harness):
    if shutil.which("openssl") is None:
        raise Skipped("needs the program openssl")
    subprocess.run([ROOT + "/tests/dataplane/certificates", harness.folder], check=True)
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT PRIMARY KEY, what VARCHAR(400));")
    ports = {"tls": free_port(), "mutual": free_port(), "login": free_port(), "hasty": free_port()}
    instance = harness.millraced()
    ports["plain"] = instance.kafka_port
    instance.settings["listeners"] += [
        listener(harness, "tls", ports["tls"]), listener(harness, "hasty", ports["hasty"], login_timeout_ms=2000),
        listener(harness, "login", ports["login"], authentication="required"),
        listener(harness, "mutual", ports["mutual"], client_certificates="required",
                 tls_client_ca=harness.folder + "/ca.pem")]
    instance.write_config()
    instance.start()
    shown = {row["name"]: row for row in instance.ask("GET", "/v1/status")["listeners"]}
    check(shown["mutual"]["tls"] and not shown["test"]["tls"], shown)
    check(shown["tls"]["advertised_port"] == ports["tls"], shown)
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    source.sql("".join(f"INSERT INTO shop.events VALUES ({n}, REPEAT('x', {n % 400}));\n" for n in range(ROWS // 3)))
    wait_until(lambda: (instance.status("events")["log"] or {}).get("high_watermark", 0) >= ROWS, 60,
               lambda: str(instance.status("events")))
    handshakes(harness, instance, ports)
    same_records(harness, ports)
    logged_in(harness, instance, ports)
    consumed(harness, instance, ports)
    wrong_ways(harness, instance, ports)
    late_ones(instance, ports)
    sizes = kcat(harness, ports["plain"], "-C", "-t", "events", "-o", "beginning", "-c", str(ROWS), "-f", "%S\\n",
                 tls=False)
    java(harness, ports, sum(int(n) for n in sizes[2].split()))
    read_again(harness, instance, ports)
    context = ssl.create_default_context(cafile=harness.folder + "/ca.pem")
    with socket.create_connection(("127.0.0.1", ports["tls"])) as s, \
         context.wrap_socket(s, server_hostname="localhost", suppress_ragged_eofs=False) as in_tls:
        check(instance.stop() == 0, "it did not stop in order")
        check(in_tls.recv(1) == b"", "no good-bye at the end")  # else it raises


if __name__ == "__main__":
    sys.exit(main(test_tls))

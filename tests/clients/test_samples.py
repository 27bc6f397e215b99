#!/usr/bin/env python3
"""Goal: the sample consumers (docs/clients) work as a customer gets them: taken from the API with the channel's own
address, topic, group and user filled in, each logs in, prints every change as it is, is killed and goes on at its
checkpoint without a loss, goes back to a time (by TLS), and leaves its group when it is asked to end.

usage: test_samples.py [LANGUAGE...]
"""
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from clients import JAVA, fetch
from harness import BUILD, ROOT, Failed, check, checkpoint_of, free_port, main, wait_until

AT_ONCE = 4
STAGE_TIMEOUT_S = 100
PASSWORD = "a \"secret\", of \u20ac 3 \\"
PROGRAMS = {"c": "consumer.c", "dotnet": "Consumer.cs", "erlang": "millrace_consumer.erl", "go": "consumer.go",
            "java": "Consumer.java", "node": "consumer.mjs", "python": "consumer.py", "ruby": "consumer.rb"}
COLUMNS = ("id INT PRIMARY KEY, name VARCHAR(60), price DECIMAL(10,2), ratio DOUBLE, made DATETIME(6), day DATE, "
           "span TIME(3), year YEAR, seen TIMESTAMP NULL, kind ENUM('big','small'), raw VARBINARY(20), doc LONGTEXT")
CHARACTERS = "Zo\u00eb \U0001f986"
FIRST = ("1, '%s', -12.50, 1.5, '2024-01-31 09:08:07.000250', '2024-02-29', '-12:03:04.5', 2024, "
         "FROM_UNIXTIME(1706695200), 'small', x'00ff', NULL" % CHARACTERS)
FIRST_TEXT = (f"id=1 name={CHARACTERS} price=-12.50 ratio=1.5 made=2024-01-31 09:08:07.000250 day=2024-02-29 "
              "span=-12:03:04.500000 year=2024 seen=1706695200 kind=small raw=00ff doc=NULL")
SECOND = "2, '', 0.00, -0.25, '1999-12-31 23:59:59', '1999-12-31', '100:00:00', 1999, NULL, 'big', x'', 'long'"
SECOND_TEXT = ("id=2 name= price=0.00 ratio=-0.25 made=1999-12-31 23:59:59 day=1999-12-31 span=100:00:00 year=1999 "
               "seen=NULL kind=big raw= doc=long")
MANY = 300
# (statement, what is printed for it), in bursts of different seconds; the last one comes when all were killed.
BURSTS = [
    [(f"CREATE TABLE shop.orders ({COLUMNS}) CHARACTER SET utf8mb4",
      [f"DDL shop CREATE TABLE shop.orders ({COLUMNS}) CHARACTER SET utf8mb4"]),
     (f"INSERT INTO shop.orders VALUES ({FIRST})", ["INSERT shop.orders " + FIRST_TEXT])],
    [(f"INSERT INTO shop.orders VALUES ({SECOND})", ["INSERT shop.orders " + SECOND_TEXT]),
     ("UPDATE shop.orders SET kind='small' WHERE id=2",
      ["UPDATE shop.orders " + SECOND_TEXT.replace("kind=big", "kind=small")]),
     ("DELETE FROM shop.orders WHERE id=1", ["DELETE shop.orders " + FIRST_TEXT])],
    [("INSERT INTO shop.few VALUES " + ",".join(f"({n})" for n in range(MANY)),
      [f"INSERT shop.few id={n}" for n in range(MANY)])],
]


class Sample:
    """One language's program, taken from the API and made ready to run in a folder of its own."""

    def __init__(self, harness, instance, language):
        self.harness, self.instance, self.language = harness, instance, language
        self.group, self.folder = f"sample-{language}", f"{harness.folder}/{language}"
        os.mkdir(self.folder)
        instance.ask("POST", "/v1/channels/shop/groups",
                     {"group": self.group, "account": "team", "password": PASSWORD})
        listed = instance.ask("GET", "/v1/channels/shop/samples")["samples"]
        files = next(s["files"] for s in listed if s["language"] == language)
        check(files[0] == PROGRAMS[language] and "record.avsc" in files, f"{language}: listed are {files}")
        for name in files:
            with open(f"{self.folder}/{name}", "wb") as f:
                f.write(self.text(f"{language}?group={self.group}&file={name}"))
        with open(f"{ROOT}/docs/clients/{language}/{files[0]}") as f:
            wanted = f.read()
        for word, value in {"ADDRESS": f"127.0.0.1:{harness.ports['login']}", "TOPIC": "shop", "GROUP": self.group,
                            "USER": "team-" + self.group, "PROTOCOL": "SASL_PLAINTEXT"}.items():
            wanted = wanted.replace(f'"{word}"', f'"{value}"')
        got = self.text(f"{language}?group={self.group}").decode()
        check(got == wanted, f"{language}: not the program of docs/clients with this channel's facts")
        self.part = None if language == "c" else fetch.folder_of("sample-" + language)
        self.command, self.environment = getattr(self, "make_" + language)()

    def text(self, what):
        connection = http.client.HTTPConnection("127.0.0.1", self.instance.rest_port, timeout=120)
        connection.request("GET", f"/v1/channels/shop/samples/{what}")
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        check(answer.status == 200, f"{what}: {text}")
        return text

    def build(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        check(done.returncode == 0, f"{self.language}: {command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def make_c(self):
        self.build("cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", "consumer", "consumer.c", "-lrdkafka", "-lavro")
        return ["./consumer"], {}

    def make_java(self):
        jars = ":".join(f"{self.part}/jars/{name}" for name in sorted(os.listdir(self.part + "/jars")))
        self.build("javac", "-encoding", "UTF-8", "--release", "11", "-Xlint:all", "-Werror", "-cp", jars,
                   "Consumer.java")
        return [*JAVA, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", ".:" + jars, "Consumer"], {}

    def make_python(self):
        return [fetch.PYTHON, "consumer.py"], {"PYTHONPATH": self.part + "/site"}

    def make_node(self):
        os.symlink(self.part + "/node_modules", self.folder + "/node_modules")
        return ["node", "consumer.mjs"], {}

    def make_go(self):  # built when it was fetched: its facts come from the environment
        return [self.part + "/drive_go"], {
            "MILLRACE_ADDRESS": f"127.0.0.1:{self.harness.ports['login']}", "MILLRACE_TOPIC": "shop",
            "MILLRACE_GROUP": self.group, "MILLRACE_USER": "team-" + self.group, "MILLRACE_PROTOCOL": "SASL_PLAINTEXT"}

    def make_ruby(self):
        return ["ruby", "consumer.rb"], {"GEM_PATH": self.part + "/gems"}

    def make_erlang(self):
        libraries = self.part + "/erlang/_build/default/lib"
        self.build("env", "ERL_LIBS=" + libraries, "erlc", "millrace_consumer.erl")
        return ["erl", "-noshell", "-run", "millrace_consumer", "main"], {"ERL_LIBS": libraries}

    def make_dotnet(self):  # as with Go
        return ["dotnet", self.part + "/out/consumer.dll"], self.make_go()[1]

    def run(self, expected, *arguments, **environment):
        return Run(self, expected, arguments, {**self.environment, **environment})


class Run:
    """One run; `lines` is what it has printed."""

    def __init__(self, sample, expected, arguments, environment):
        self.language, self.expected, self.lines = sample.language, expected, []
        self.errors = f"{sample.folder}.err"
        with open(self.errors, "ab") as err:
            self.process = subprocess.Popen(
                [*sample.command, *arguments], cwd=sample.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=err, text=True, encoding="utf-8",
                env={**os.environ, "LANG": "C.UTF-8", "MILLRACE_PASSWORD": PASSWORD, **environment})
        sample.harness.processes.append(self.process)
        self.reader = threading.Thread(target=lambda: self.lines.extend(l.rstrip("\n") for l in self.process.stdout),
                                       daemon=True)
        self.reader.start()

    def words(self):
        with open(self.errors, errors="replace") as f:
            return f.read()[-1500:]

    def come(self):
        """All that was expected has come, and nothing else."""
        wait_until(lambda: len(self.lines) >= len(self.expected) or self.process.poll() is not None, STAGE_TIMEOUT_S,
                   lambda: f"{self.language}: {len(self.lines)} of {len(self.expected)} lines: {self.words()}")
        for seen, wanted in zip(self.lines, self.expected):
            check(seen == wanted, f"{self.language} prints '{seen}' for '{wanted}'")
        check(len(self.lines) == len(self.expected), f"{self.language}: {len(self.lines)} lines, "
              f"{len(self.expected)} belong; last: {self.lines[-1:]}; {self.words()}")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STAGE_TIMEOUT_S)
        check(code in (0, 143), f"{self.language} ended with {code}: {self.words()}")  # 143: a JVM by SIGTERM
        self.reader.join()
        self.come()


def group_of(instance, sample):
    return instance.ask("GET", f"/v1/channels/shop/groups/{sample.group}")


def record_lines(harness, instance):
    """[(offset, time in ms)] of the changes and DDL in the channel."""
    end = instance.status("shop")["log"]["high_watermark"]
    done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "consume",
                           "shop", "--bootstrap", f"127.0.0.1:{harness.ports['plain']}", "--from-beginning", "--group",
                           f"look-{end}", "--count", str(end), "--timeout", "120"], capture_output=True, text=True)
    check(done.returncode == 0, f"consume: {done.stderr}")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [(row["offset"], row["timestamp_ms"]) for row in rows
            if row["value"]["operation"] in ("INSERT", "UPDATE", "DELETE", "DDL")]


def feed(source, burst):
    for statement, _ in burst:
        source.sql(f"SET time_zone='+00:00'; {statement};")


def numbered(harness, instance, texts):
    """The lines that belong: with the offsets that the channel gave."""
    wait_until(lambda: len(record_lines(harness, instance)) == len(texts), 30, "the channel has every change")
    places = record_lines(harness, instance)
    return [f"{offset} {text}" for (offset, _), text in zip(places, texts)], places


def first_way(sample, expected):
    """Reads all, is killed behind a checkpoint."""
    run = sample.run(expected)
    run.come()
    last = int(expected[-1].split()[0])
    wait_until(lambda: (checkpoint_of(group_of(sample.instance, sample)) or 0) > last, 20,
               lambda: f"{sample.language} commits: {group_of(sample.instance, sample)}")
    run.process.kill()
    run.process.wait()


def second_way(sample, expected, news, from_s):
    """Goes on where it was, leaves; then from a time on, by TLS."""
    run = sample.run(news)
    run.come()
    run.end()
    wait_until(lambda: group_of(sample.instance, sample)["member_count"] == 0, 10,
               f"{sample.language} leaves its group")
    run = sample.run(expected, str(from_s), MILLRACE_ADDRESS=f"localhost:{sample.harness.ports['tls']}",
                     MILLRACE_PROTOCOL="SASL_SSL", MILLRACE_CA=sample.harness.folder + "/ca.pem",
                     NODE_EXTRA_CA_CERTS="")
    run.come()
    run.end()


def refusals(instance):
    for path, status, words in (("/v1/channels/none/samples", 404, "no channel none"),
                                ("/v1/channels/none/samples/java", 404, "no channel none"),
                                ("/v1/channels/shop/samples/cobol", 404, "no such sample"),
                                ("/v1/channels/shop/samples/java?file=../pom.xml", 404, "no such sample"),
                                ("/v1/channels/shop/samples/java?group=a%22b", 400, "letters, digits"),
                                ("/v1/channels/shop/samples/java?group=", 400, "letters, digits")):
        got, answer = instance.rest("GET", path)
        check(got == status and words in answer["detail"], f"{path}: {got} {answer}")
    check(instance.rest("POST", "/v1/channels/shop/samples/java")[0] == 405, "POST is taken")
    plain = instance.rest("GET", "/v1/channels/shop/samples/python")[1]
    check('"GROUP"' in plain and '"USER"' in plain and '"shop"' in plain and '"SASL_PLAINTEXT"' in plain, plain[:1500])
    free = instance.rest("GET", "/v1/channels/shop/samples/python?group=guest")[1]
    check('"guest"' in free and '"PLAINTEXT"' in free and '"USER"' in free, free[:1500])


def command_line(instance):
    def sample(*words, code=0):
        done = subprocess.run([BUILD + "/cli/millrace", "--server", f"http://127.0.0.1:{instance.rest_port}", "channel",
                               "sample", *words], capture_output=True, text=True)
        check(done.returncode == code, f"{words}: {done}")
        return done.stdout + done.stderr
    check("Consumer.java pom.xml record.avsc" in sample("shop"), "the list of languages")
    asked = instance.rest("GET", "/v1/channels/shop/samples/go?group=guest")[1]
    check(sample("shop", "go", "--group", "guest") == asked, "the command prints another program")
    check("kafka-clients" in sample("shop", "java", "--file", "pom.xml"), "the command prints another file")
    check("no such sample" in sample("shop", "cobol", code=1), "a sample in COBOL")
    check("usage" in sample("shop", "--group", "g", code=2), "a group without a language")


def outcomes(samples, way):
    """Runs `way` of all at once; the faults in words, a line each."""
    def one(sample):
        try:
            way(sample)
        except (Failed, OSError) as fault:
            return f"{sample.language}: {fault}"
        return None
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [fault for fault in pool.map(one, samples) if fault is not None]


def ready_samples(harness, instance):
    samples = []
    for language in sys.argv[1:] or PROGRAMS:
        try:
            samples.append(Sample(harness, instance, language))
        except fetch.servers.Unavailable as why:
            print(f"skipped: the sample in {language}: {why}")
    return samples


def test_samples(harness):
    subprocess.run([ROOT + "/tests/dataplane/certificates", harness.folder], check=True)
    harness.ports = {name: free_port() for name in ("plain", "login", "tls")}
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.few (id INT PRIMARY KEY);")
    instance = harness.millraced(listeners=[
        {"name": "plain", "port": harness.ports["plain"]},
        {"name": "login", "port": harness.ports["login"], "authentication": "required"},
        {"name": "tls", "port": harness.ports["tls"], "authentication": "required", "advertised_host": "localhost",
         "tls_certificate": harness.folder + "/server.pem", "tls_key": harness.folder + "/server.key"}])
    instance.start()
    instance.create_channel("shop", source, ["shop.*"])
    instance.start_channel("shop")
    refusals(instance)
    command_line(instance)
    samples = ready_samples(harness, instance)
    texts = [[text for _, printed in burst for text in printed] for burst in BURSTS]
    feed(source, BURSTS[0])
    time.sleep(1.1)
    feed(source, BURSTS[1])
    lines, places = numbered(harness, instance, texts[0] + texts[1])
    begun = time.monotonic()
    faults = outcomes(samples, lambda sample: first_way(sample, lines))
    check(not faults, "\n".join(faults))
    print(f"all read, committed, killed: {time.monotonic() - begun:.1f} s")
    feed(source, BURSTS[2])
    both, _ = numbered(harness, instance, sum(texts, []))
    check(both[:len(lines)] == lines, "what was there is there no more")
    middle = len(texts[0])
    check(places[middle - 1][1] < places[middle][1], f"the bursts are of one second: {places}")
    begun = time.monotonic()
    faults = outcomes(samples, lambda sample: second_way(sample, both[middle:], both[len(lines):],
                                                         places[middle][1] // 1000))
    check(not faults, "\n".join(faults))
    print(f"all went on, left, went back to a time: {time.monotonic() - begun:.1f} s")
    print("samples that work:", " ".join(sample.language for sample in samples))


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    sys.exit(main(test_samples))

"""tests/e2e/harness.py -- what the end-to-end tests share: a folder of their own, sources, millraced, clients.

A test is a function that takes a `Harness`; `main` runs it, prints the tail of millraced's log when it fails, ends
every process it started and removes the folder.  MILLRACE_BUILD names the build folder (meson sets it).
"""
import glob
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("MILLRACE_BUILD", os.path.join(ROOT, "build"))
SERVERS = os.path.join(ROOT, "tests", "servers")
SCHEMA_FILE = os.path.join(ROOT, "docs", "clients", "record.avsc")
sys.path.insert(0, os.path.join(ROOT, "tests"))
from ports import free_port  # noqa: E402

IS_LONG = os.environ.get("MILLRACE_LONG") == "1"


class Failed(Exception):
    """The product does not do what it must; the text says what was seen."""


class Skipped(Exception):
    """This machine cannot run the test; the text says why."""


def check(condition, words):
    if not condition:
        raise Failed(words)


# What a busy machine may take longer than the times that tests name: those are an idle one's, and only end a test that
# would wait for ever.
PATIENCE = 4


def wait_until(condition, timeout_s, words):
    """Returns the first true answer of `condition`."""
    timeout_s *= PATIENCE
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"not within {timeout_s} s: {words() if callable(words) else words}")
        time.sleep(0.05)


def text_of(path):
    """What a file holds by now; empty where it is not there yet."""
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ""


class Source:
    """A private database server (tests/servers)."""

    def __init__(self, kind, folder, options=()):
        self.folder = folder
        done = subprocess.run([SERVERS, "start", kind, "--folder", folder, "--port", str(free_port()), *options],
                              capture_output=True, text=True)
        if done.returncode == 77:
            raise Skipped(done.stdout.strip().removeprefix("SKIP: "))
        check(done.returncode == 0, f"the source did not start: {done.stderr}")
        self.facts = json.loads(done.stdout)
        self.port = self.facts["port"]

    def client_command(self):
        return ["mariadb", "--no-defaults", "--socket", self.facts["socket"], "--user", self.facts["admin_user"],
                "--password=" + self.facts["admin_password"], "--default-character-set=utf8mb4"]

    def sql(self, text):
        done = subprocess.run(self.client_command() + ["--batch", "--skip-column-names"], input=text, text=True,
                              capture_output=True)
        check(done.returncode == 0, f"the source refused a statement: {done.stderr}")
        return done.stdout

    def stop(self):
        subprocess.run([SERVERS, "kill", "--folder", self.folder], capture_output=True)


class Feeder:
    """Feeds SQL slices to a source at about `changes_per_s` in a thread; `done` when all are in and `error` is None."""

    def __init__(self, source, slices, changes_per_s):
        self.changes, self.done, self.error, self.stopping = 0, False, None, False
        self.client = subprocess.Popen(source.client_command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._run, args=(slices, changes_per_s), daemon=True)
        self.thread.start()

    def _run(self, slices, changes_per_s):
        try:
            begun = time.monotonic()
            for sql, changes in slices:
                if self.stopping:
                    break
                self.client.stdin.write(sql)
                self.client.stdin.flush()
                self.changes = changes
                time.sleep(max(0.0, begun + changes / changes_per_s - time.monotonic()))
            self.client.stdin.close()
            words = self.client.stderr.read()
            if self.client.wait() != 0:
                self.error = words.strip()
        except OSError as fault:
            self.error = f"{fault}: {self.client.stderr.read()}"
        self.done = True

    def stop(self):
        self.stopping = True
        self.thread.join()


class Millraced:
    """One millraced; start() again after kill() continues on the same folder and ports."""

    def __init__(self, folder, **settings):
        self.folder = folder
        self.log_file = folder + "/millraced.log"
        self.process = None
        self.kafka_port, self.rest_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.kafka_port}"
        self.settings = {"data_folder": folder + "/data", "rest_address": "127.0.0.1",
                         "listeners": [{"name": "test", "port": self.kafka_port}], "rest_port": self.rest_port,
                         "memory_max_bytes": 7 << 28,
                         "chunk_bytes": 1 << 20, "chunk_count": 192, "tail_chunks_per_log": 32,
                         "record_bytes_max": 16 << 20, "packet_bytes_max": 64 << 20, "segment_bytes": 64 << 20}
        self.settings.update(settings)
        os.makedirs(folder, exist_ok=True)
        self.write_config()

    def write_config(self):
        with open(self.folder + "/millrace.yaml", "w") as f:
            f.writelines(f"{name}: {value}\n" for name, value in self.settings.items())

    def start(self, prefix=(), wait=True):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([*prefix, BUILD + "/control/millraced", "--config",
                                             self.folder + "/millrace.yaml"], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout_s=60):
        def ready():
            check(self.process.poll() is None, f"millraced ended with code {self.process.returncode}:\n{self.tail()}")
            try:
                return self.rest("GET", "/readyz")[0] == 200
            except OSError:
                return False
        wait_until(ready, timeout_s, lambda: "millraced is ready\n" + self.tail())

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Orderly; returns the exit code."""
        self.process.terminate()
        return self.exit_code(30)

    def exit_code(self, timeout_s=20):
        """Of the process that ends by itself, or was told to."""
        try:
            return self.process.wait(timeout_s * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"millraced did not end within {timeout_s * PATIENCE} s")

    def rest(self, method, path, body=None):
        """(status, decoded JSON or text)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=30 * PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {} if body is None else {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except http.client.HTTPException as fault:
            raise ConnectionError(str(fault))
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def ask(self, method, path, body=None):
        """The answer of a request that must succeed."""
        status, answer = self.rest(method, path, body)
        check(status < 300, f"{method} {path} answered {status}: {answer}")
        return answer

    def create_channel(self, name, source, include, exclude=(), start_at="now", compression="none",
                       visible="durable", **changes):
        facts = source.facts
        body = {"name": name, "start_at": start_at, "compression": compression, "visible": visible,
                "tables": {"include": list(include), "exclude": list(exclude)},
                "source": {"host": "127.0.0.1", "port": source.port, "user": facts["user"],
                           "password": facts["password"], **changes}}
        self.ask("POST", "/v1/channels", body)

    def status(self, name):
        return self.ask("GET", f"/v1/channels/{name}/status")

    def start_channel(self, name, wait=True):
        def may_start():
            return "start" in self.status(name)["operations"]
        wait_until(may_start, 30, lambda: f"the channel may be started; its status is {self.status(name)}")
        self.ask("POST", f"/v1/channels/{name}/start")
        if wait:
            wait_until(lambda: self.status(name)["state"] == "Normal", 60,
                       lambda: f"the channel is Normal; its status is {self.status(name)}\n{self.tail()}")

    def tail(self, lines=25):
        try:
            with open(self.log_file, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""

    def log_text(self):
        with open(self.log_file, errors="replace") as f:
            return f.read()

    def cpu_seconds(self):
        """utime + stime of the whole process."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def checkpoint_of(group):
    """The offset in what the REST API says of a group (None: it says nothing); None: it has none."""
    return ((group or {}).get("checkpoint") or {}).get("offset")


class Harness:
    def __init__(self, seed):
        self.folder = tempfile.mkdtemp(prefix="millrace-e2e-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.seed, self.random = seed, random.Random(seed)
        self.sources, self.instances, self.processes = [], [], []

    def source(self, kind="mariadb-10.11", *options):
        self.sources.append(Source(kind, f"{self.folder}/source{len(self.sources)}", options))
        return self.sources[-1]

    def millraced(self, **settings):
        self.instances.append(Millraced(f"{self.folder}/millraced{len(self.instances)}", **settings))
        return self.instances[-1]

    def run(self, command, **options):
        """Starts a process that ends with the test."""
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, **options))
        return self.processes[-1]

    def apply_stream(self, instance, channel, source, tables, marker, timeout_s, captured_again=False):
        timeout_s *= PATIENCE
        return self.run([BUILD + "/tests/e2e/apply_stream", "--bootstrap", instance.bootstrap, "--topic", channel,
                         "--schema", SCHEMA_FILE, "--marker", marker, "--tables", ",".join(tables),
                         "--host", "127.0.0.1", "--port", str(source.port), "--user", source.facts["user"],
                         "--password", source.facts["password"], "--timeout-s", str(timeout_s),
                         *(["--captured-again"] if captured_again else [])],
                        stdout=subprocess.PIPE, text=True)

    def close(self):
        for process in self.processes + [i.process for i in self.instances if i.process is not None]:
            if process.poll() is None:
                process.kill()
                process.wait()
        for source in self.sources:
            source.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def result_of(process, timeout_s, instance=None):
    """apply_stream's figures; Failed with its sentence when it found a fault, or when millraced ended meanwhile."""
    timeout_s *= PATIENCE
    deadline = time.monotonic() + timeout_s
    while process.poll() is None:
        if instance is not None:
            check(instance.is_alive(), "millraced ended by itself")
        check(time.monotonic() < deadline, f"apply_stream did not end within {timeout_s} s")
        time.sleep(0.05)
    output = process.stdout.read()
    check(process.returncode == 0, f"apply_stream (code {process.returncode}): {output.strip()}")
    return json.loads(output.strip().split("\n")[-1])


def out_of_time(*_):
    raise Failed("SIGTERM: the time that meson gives this test is up")


def main(test, seed=None, **arguments):
    """Runs one test; the exit code is meson's: 0 passed, 77 skipped, 1 failed.  What failed is said last, behind the
    end of each millraced's log.  MILLRACE_SEED gives the seed where no argument does."""
    if seed is None:
        seed = int(os.environ.get("MILLRACE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, out_of_time)
    harness = Harness(seed)
    try:
        test(harness, **arguments)
    except Skipped as reason:
        print(f"SKIP: {reason}")
        return 77
    except Exception as fault:
        for instance in harness.instances:
            print(f"--- {instance.log_file}\n{instance.tail()}")
        if not isinstance(fault, Failed):
            traceback.print_exc(file=sys.stdout)
        print(f"FAILED (seed {seed}): {fault}", flush=True)
        keep_evidence(harness)
        return 1
    finally:
        harness.close()
    return 0


def keep_evidence(harness):
    """MILLRACE_KEEP=FOLDER: the logs and data of a failed test stay there."""
    folder = os.environ.get("MILLRACE_KEEP")
    if folder:
        for instance in glob.glob(harness.folder + "/millraced*"):
            shutil.copytree(instance, os.path.join(folder, f"{harness.seed}-{os.path.basename(instance)}"),
                            dirs_exist_ok=True)

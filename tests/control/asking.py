"""tests/control/asking.py -- how the tests of control ask a live millraced."""
import http.client
import subprocess

from harness import PATIENCE, check, wait_until


def refused(instance, status, words, method, path, content=None):
    """The request gets this status and a problem document that holds the words."""
    got, answer = instance.rest(method, path, content)
    what = f"{method} {path} {str(content)[:200]}"
    check(got == status, f"{what} answered {got}, not {status}: {answer}")
    check(isinstance(answer, dict) and answer.get("status") == status and words in answer.get("detail", ""),
          f"{what}: no problem document with '{words}': {answer}")


def raw(instance, text):
    """What comes back for these bytes on a fresh connection."""
    connection = http.client.HTTPConnection("127.0.0.1", instance.rest_port, timeout=10 * PATIENCE)
    connection.connect()
    connection.sock.sendall(text.encode())
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.sock.recv(65536)
        if not more:
            break
        got += more
    connection.close()
    return got.decode("utf-8", "replace")


def wait_for_changes(instance, count):
    """Since capture began."""
    wait_until(lambda: instance.status("events")["captured"]["row_changes"] == count, 15,
               lambda: f"{count} changes are captured: {instance.status('events')}")


def kcat(instance, topic):
    """The offsets of all its records."""
    command = ["kcat", "-b", instance.bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%o\\n"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30 * PATIENCE)
    check(done.returncode == 0, f"kcat: {done.stderr}")
    return [int(line) for line in done.stdout.split()]

#!/usr/bin/env python3
"""Goal: docs/openapi.yaml is what the server does: each route stands in it and no other, with the methods that the
server takes; and answers are as it promises, for requests that schemathesis makes up from it (where that is to be had).
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import IS_LONG, ROOT, Skipped, check, main  # noqa: E402

try:
    import yaml
except ImportError:
    yaml = None

FILE = ROOT + "/docs/openapi.yaml"
FETCH = ROOT + "/tests/clients/fetch"
METHODS = ["get", "post", "put", "patch", "delete"]
PAGES = {"/", "/console/*"}  # for people, not for programs
TOKEN = "of-the-test-" + "x" * 40
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# JSON is UTF-8 (RFC 8259, 8.1); left alone it guesses what the bytes may be, and then finds no JSON.
EXPLORER = ("import requests; requests.Response.apparent_encoding = 'utf-8'; "
            "from schemathesis.cli import schemathesis; schemathesis()")


def routes_of_server():
    with open(ROOT + "/control/rest.c") as f:
        found = re.findall(r'\{"([A-Z]+)", "(/[^"]*)", rest_\w+\}', f.read())
    return {(method.lower(), path) for method, path in found if path not in PAGES}


def routes_of_file(described):
    return {(method, re.sub(r"\{\w+\}", "*", path)) for path, item in described["paths"].items() for method in METHODS
            if method in item}


def check_methods(instance, described):
    """What the server says that a path takes is what the file has."""
    for path, item in described["paths"].items():
        asked = re.sub(r"\{\w+\}", "nothing", path)
        has = [method for method in METHODS if method in item]
        for method in METHODS:
            status, answer = instance.rest(method.upper(), asked, {})
            check((status == 405) == (method not in has), f"{method} {asked}: {status}, but the file has {has}")
            if status == 405:
                takes = re.findall(r"[A-Z]+", answer["detail"])
                check(sorted(takes) == sorted(m.upper() for m in has), f"{asked} takes {takes}, the file has {has}")


def schemathesis():
    """The folder of its packages, or None."""
    done = subprocess.run([FETCH, "schemathesis"], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"without schemathesis: {done.stdout.strip()}")
        return None
    return done.stdout.strip().split(" ", 1)[1] + "/site"


def explore(instance, site, seed, folder):
    """Requests made up from the file, good ones and bad ones."""
    command = ["/usr/bin/python3", "-c", EXPLORER, "run", FILE,
               "--base-url", f"http://127.0.0.1:{instance.rest_port}", "--checks", CHECKS, "--hypothesis-seed",
               str(seed), "--hypothesis-max-examples", "300" if IS_LONG else "5", "--hypothesis-database", "none",
               "-H", f"Authorization: Bearer {TOKEN}", "--data-generation-method", "all", "--request-timeout", "80000"]
    done = subprocess.run(command, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": site, "HYPOTHESIS_STORAGE_DIRECTORY": folder})
    check(done.returncode == 0, f"schemathesis: {done.stdout[-6000:]}{done.stderr[-1000:]}")
    print(next(line for line in reversed(done.stdout.split("\n")) if "passed" in line))


def test_openapi(harness):
    if yaml is None:
        raise Skipped("needs python3-yaml")
    with open(FILE) as f:
        described = yaml.safe_load(f)
    ours, theirs = routes_of_server(), routes_of_file(described)
    check(len(ours) > 30 and ours == theirs, f"not in the file: {ours - theirs}; not in the server: {theirs - ours}")
    check("$ref" in json.dumps(described), "no schemas")
    instance = harness.millraced()
    instance.start()
    check_methods(instance, described)
    site = schemathesis()
    if site is None:
        return
    check(instance.stop() == 0, "no orderly stop")
    os.environ["MILLRACE_ADMIN_TOKEN"] = TOKEN
    instance.start()
    explore(instance, site, harness.seed, harness.folder + "/hypothesis")
    check(TOKEN not in instance.log_text() and instance.is_alive(), "the token is logged")


if __name__ == "__main__":
    sys.exit(main(test_openapi))

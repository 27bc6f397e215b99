#!/usr/bin/env python3
"""Goal: the console in a real browser (Debian's chromium), against a real MariaDB and a real Kafka client: a channel's
whole life as a person leads it (story.mjs), without a serious fault of accessibility, a script error, or a request to
another machine.

usage: test_console.py story [--pictures FOLDER]    screenshots for the documents, too
       test_console.py vendor                       the files of others are those of their package
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "..", "clients")]
from clients import fetch  # noqa: E402
from harness import ROOT, SERVERS, Skipped, check, main  # noqa: E402

TABLES = """
CREATE DATABASE shop; CREATE DATABASE more; CREATE DATABASE shop_seq;
CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(80)) CHARSET utf8mb4;
CREATE TABLE more.things (id BIGINT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(80)) CHARSET utf8mb4;
CREATE TABLE shop_seq.numbers AS SELECT seq FROM (WITH RECURSIVE s AS (SELECT 1 AS seq UNION ALL SELECT seq + 1 FROM s
    WHERE seq < 200) SELECT seq FROM s) AS n;
SET GLOBAL binlog_format=STATEMENT;
"""


def browser_part():
    """The folder with playwright-core, axe-core and uplot."""
    try:
        return fetch.folder_of("browser")
    except fetch.servers.Unavailable as why:
        raise Skipped(f"the browser's packages are not to be had: {why}")


def story(harness, pictures=None):
    chromium, node = shutil.which("chromium"), shutil.which("node")
    if chromium is None or node is None:
        raise Skipped("no chromium here (Debian package chromium)" if chromium is None else "no node here")
    part = browser_part()
    source = harness.source()
    source.sql(TABLES)
    instance = harness.millraced()
    instance.start()
    facts = {"url": f"http://127.0.0.1:{instance.rest_port}", "bootstrap": instance.bootstrap, "port": source.port,
             "user": source.facts["user"], "password": source.facts["password"], "sql": source.client_command(),
             "servers": SERVERS, "folder": source.folder, "kind": source.facts["kind"], "pictures": pictures}
    done = subprocess.run(["timeout", "900" if pictures else "600", node, os.path.join(HERE, "story.mjs")],
                          env={**os.environ, "MILLRACE_STORY": json.dumps(facts), "MILLRACE_CHROMIUM": chromium,
                               "MILLRACE_BROWSER_PART": part})
    check(done.returncode == 0, "the story does not go as it should: see above")
    check(facts["password"] not in instance.log_text(), "the log has the source's password")


def vendor(harness):
    """console/vendor is the package's, byte by byte, and what README.md says of it is true."""
    folder, package = os.path.join(ROOT, "console/vendor"), browser_part() + "/browser/node_modules/uplot"
    with open(folder + "/README.md") as f:
        said = dict(reversed(line) for line in re.findall("^ +([0-9a-f]{64})  (.+)$", f.read(), re.M))
    check(set(said) == {"uPlot.iife.min.js", "uPlot.min.css"}, f"{said}")
    for name, digest in said.items():
        with open(f"{folder}/{name}", "rb") as ours, open(f"{package}/dist/{name}", "rb") as theirs:
            content = ours.read()
            check(hashlib.sha256(content).hexdigest() == digest, f"README.md has another checksum of {name}")
            check(content == theirs.read(), f"{name} is not the package's")
    with open(folder + "/uPlot.LICENSE") as ours, open(package + "/LICENSE") as theirs:
        check(ours.read() == theirs.read(), "the licence is not the package's")


if __name__ == "__main__":
    if sys.argv[1:] == ["vendor"]:
        sys.exit(main(vendor))
    pictures = os.path.realpath(sys.argv[3]) if sys.argv[1:3] == ["story", "--pictures"] else None
    sys.exit(main(story, pictures=pictures))

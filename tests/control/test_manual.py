#!/usr/bin/env python3
"""Goal: docs/configuration.md says what this millraced's options are.

usage: test_manual.py [--write]     --write: make the page anew
"""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
MILLRACED = os.path.join(os.environ.get("MILLRACE_BUILD", ROOT + "/build"), "control", "millraced")
PAGE = ROOT + "/docs/configuration.md"

manual = subprocess.run([MILLRACED, "--config-help"], capture_output=True, text=True, check=True).stdout
with open(PAGE) as f:
    head = f.read().partition("```\n")
if "--write" in sys.argv:
    with open(PAGE, "w") as f:
        f.write(head[0] + "```\n" + manual + "```\n")
elif head[2] != manual + "```\n":
    sys.exit("docs/configuration.md is not what --config-help prints: run tests/control/test_manual.py --write")

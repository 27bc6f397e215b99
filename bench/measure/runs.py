"""bench/measure/runs.py -- runs one benchmark in a process of its own and takes the lines it prints."""
import json
import os
import subprocess
import sys

from .machine import ROOT

BENCH = ROOT + "/bench"
CALL = """import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import importlib, harness
module, name = sys.argv[3].split(":")
sys.exit(harness.main(getattr(importlib.import_module(module), name), None, quick=sys.argv[4] == "quick"))
"""


def lines_of(command, env):
    """(JSON lines that the command printed, its exit code); all that it prints is shown as it comes."""
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as child:
        for text in child.stdout:
            print(text, end="", flush=True)
            if text.startswith("{"):
                lines.append(json.loads(text))
            elif text.startswith("SKIP: "):
                lines.append({"note": "left out: " + text.removeprefix("SKIP: ").strip()})
    return lines, child.returncode


def run(bench, build, quick):
    """(lines, went well); what cannot run here (77) says why, and went well."""
    env = dict(os.environ, MILLRACE_BUILD=build, MILLRACE_BENCH_QUICK="1" if quick else "",
               PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=ROOT + "/tests/e2e")
    if bench.function is not None:
        lines, code = lines_of([sys.executable, "-c", CALL, BENCH, ROOT + "/tests/e2e", bench.function,
                                "quick" if quick else "full"], env)
        return lines, code in (0, 77)
    everything = []
    for turn in range(bench.turns[1] if quick else bench.turns[0]):
        lines, code = lines_of([f"{build}/bench/bench_{bench.name}"] + (["--quick"] if quick else []), env)
        everything += [line for line in lines if "bench" in line or line not in everything]  # peers, notes: once
        if code != 0:
            return everything, code == 77
    return everything, True

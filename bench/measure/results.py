"""bench/measure/results.py -- the file that holds a run: JSON lines, the first of them the machine's description.

    {"machine": {...}}                                what it ran on; `mode` is quick or full
    {"ran": "capture", "at": "2026-01-02 03:04:05 UTC", "commit": "0123456789ab", "seconds": 61.2, "well": true,
     "steal_percent": 0.4, "lines": [...]}
"""
import json
import os

NAME = "figures.jsonl"
ALIKE = ("mode", "cpu", "cores", "is_virtual")  # what two runs must share to stand in one file


class Results:
    def __init__(self, machine):
        self.machine, self.benches = machine, []

    def add(self, name, lines, seconds, well, steal_percent, at=None, commit=None):
        """What a benchmark said; in place of what an earlier run had of it."""
        self.benches = [bench for bench in self.benches if bench["ran"] != name]
        self.benches.append({"ran": name, "at": at or self.machine["at"], "commit": commit or self.machine["commit"],
                             "seconds": round(seconds, 1), "well": well, "steal_percent": steal_percent,
                             "lines": lines})

    def has(self, name):
        return any(bench["ran"] == name for bench in self.benches)

    def samples(self, name):
        return [line for bench in self.benches if bench["ran"] == name for line in bench["lines"] if "bench" in line]

    def of(self, name, field):
        """The lines of a benchmark that have this field: peer, note."""
        return [line for bench in self.benches if bench["ran"] == name for line in bench["lines"] if field in line]

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{NAME}.new", "w") as f:
            f.writelines(json.dumps(line) + "\n" for line in [{"machine": self.machine}, *self.benches])
        os.rename(f"{folder}/{NAME}.new", f"{folder}/{NAME}")


def read(path):
    """The results in a file or in a folder that bench/run made; ValueError says what is wrong with it."""
    path = os.path.join(path, NAME) if os.path.isdir(path) else path
    results = None
    with open(path) as f:
        for number, text in enumerate(f, 1):
            try:
                line = json.loads(text)
                if number == 1:
                    results = Results(line["machine"])
                else:
                    results.add(line["ran"], line["lines"], line["seconds"], line["well"], line["steal_percent"],
                                line.get("at"), line.get("commit"))
            except (ValueError, KeyError, TypeError) as fault:
                raise ValueError(f"{path} line {number} is not a line of bench/run ({fault!r})") from None
    if results is None:
        raise ValueError(f"{path} is empty: the run has not ended its first benchmark")
    return results


def begin(folder, machine):
    """An empty run; where `folder` holds one, it goes on: what is not measured again stays.  ValueError: another
    machine or mode made that one."""
    results = Results(machine)
    if os.path.exists(f"{folder}/{NAME}"):
        before = read(folder)
        if any(before.machine.get(name) != machine.get(name) for name in ALIKE):
            raise ValueError(f"{folder} holds a run of another machine or mode; name another folder by --results")
        results.benches = before.benches
    return results

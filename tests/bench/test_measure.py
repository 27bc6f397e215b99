#!/usr/bin/env python3
"""The benchmark harness itself, on made-up figures: statistics, results, report, bench/compare, bench/run."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, ROOT + "/bench")
from measure import benches, plots, report, results, stats  # noqa: E402
from measure.registry import Bench, Line, less, more  # noqa: E402

MACHINE = {"mode": "full", "at": "2026-01-02 03:04:05 UTC", "commit": "0123456789ab", "is_changed": False,
           "cpu": "a cpu", "cores": 2, "is_virtual": True}
LINES = (Line("race", ("shape",), (more("rate", "/s"), less("cost", "ns")), ratios=("rate", "cost")),
         Line("growth", ("connections", "kind"), (less("bytes", "B"),), curve="connections"))
RACE = Bench("race", "who is faster", LINES, function="nowhere:nothing")


def sample(system, turn, rate, cost=10, shape="bulk"):
    return {"bench": "race", "shape": shape, "system": system, "turn": turn, "rate": rate, "cost": cost}


def results_of(lines, name="race", **changes):
    taken = results.Results({**MACHINE, **changes})
    taken.add(name, lines, 1.5, True, 0.1)
    return taken


class Statistics(unittest.TestCase):
    def test_summary(self):
        self.assertEqual(stats.summary([5, 1, 9, 3]), (4, 1, 9, 4))

    def test_turns_are_told_or_counted(self):
        lines = [sample("millrace", 7, 100), {"bench": "race", "shape": "bulk", "rate": 90},
                 {"bench": "other", "rate": 1}, sample("millrace", 8, float("nan")),
                 sample("millrace", 0, 50, shape="wide")]
        cases = stats.by_case(lines, LINES)
        self.assertEqual(cases[stats.Key("race", (("shape", "bulk"),))]["millrace"]["rate"], {7: 100, 1: 90})
        self.assertEqual(len(cases), 2)

    def test_ratios_are_taken_turn_by_turn(self):
        # a machine that gets slower: the ratio stays 4 in each turn, the ratio of the medians would not be
        ours, theirs = {0: 400, 1: 200, 2: 40, 5: 9}, {0: 100, 1: 50, 2: 10, 3: 1, 4: 1}
        self.assertEqual(stats.ratio(ours, theirs, "more"), (4, 4, 4, 3))
        self.assertEqual(stats.ratio({0: 20, 1: 20}, {0: 100, 1: 50}, "less"), (3.75, 2.5, 5, 2))
        self.assertIsNone(stats.ratio({0: 1}, {1: 1}, "more"))
        self.assertIsNone(stats.ratio({0: 1}, {0: 0}, "more"))

    def test_moved(self):
        old = [100, 101, 99, 100, 102]
        self.assertAlmostEqual(stats.moved(old, [120, 121, 119, 122, 120]), 0.2)
        self.assertAlmostEqual(stats.moved(old, [80, 81, 79, 80, 80]), -0.2)
        for new, why in (([103, 104, 103, 103, 104], "as far apart as each is wide"),
                         ([120, 121, 101, 122, 120], "overlap"),
                         ([110, 140, 125, 112, 113], "apart, but wider than the distance"), ([120, 121], "too few")):
            self.assertIsNone(stats.moved(old, new), why)
        self.assertIsNone(stats.moved([100, 100, 100, 100, 118], [120, 120, 120, 120, 102]), "overlap")
        self.assertIsNone(stats.moved([1000, 1000, 1000], [1020, 1020, 1020]), "two per cent")

    def test_slopes(self):
        exponent, each = stats.slopes([(x, 5 * x * x) for x in (1, 2, 4, 8)])
        self.assertAlmostEqual(exponent, 2)
        self.assertAlmostEqual(stats.slopes([(x, 700 + 3 * x) for x in (10, 100, 1000)])[1], 3)
        self.assertGreater(each, 5)
        self.assertIsNone(stats.slopes([(1, 1), (2, 2), (2, 3)]))
        self.assertIsNone(stats.slopes([(0, 1), (2, 2), (3, 3)]))


class Report(unittest.TestCase):
    def setUp(self):
        self.taken = results_of([sample("millrace", 0, 4000, 5), sample("peer", 0, 1000, 20),
                                 sample("millrace", 1, 6000, 5), sample("peer", 1, 1000, 30), {"note": "both flush"},
                                 {"peer": "peer", "version": "1.2", "settings": "heap 4 GiB"},
                                 {"peer": "absent", "left_out": "no registry"}, {"bench": "stray", "x": 1}]
                                + [{"bench": "growth", "connections": n, "kind": "tls", "bytes": 1000 + 50 * n}
                                   for n in (10, 100, 1000)])

    def test_what_it_says(self):
        text = report.markdown([RACE], self.taken, {"race": ["a.svg"]})
        for words in ("| bulk | millrace | 5,000 (4,000-6,000) /s | 5 (5-5) ns |  |  |",
                      "| bulk | peer | 1,000 (1,000-1,000) /s | 25 (20-30) ns | 5 (4-6) | 5 (4-6) |", "both flush",
                      "absent is left out: no registry", "peer 1.2: heap 4 GiB", "![race](a.svg)", "a cpu", "stray",
                      "each connections more adds 50 B", "stolen by the hypervisor meanwhile: 0.1 %",
                      "| race | 2 s |  |"):
            self.assertIn(words, text)
        self.taken.add("slow", [], 118.5, False, 0.0)
        self.assertEqual(report.times(self.taken, report.as_text).split("\n")[1:],
                         ["race       2 s", "slow       118 s                failed", "all        120 s (2.0 minutes)"])
        self.assertIn("bulk   peer      1,000 (1,000-1,000) /s", report.terminal(RACE, self.taken))

    def test_pictures(self):
        if shutil.which("gnuplot") is None:
            print("skipped: no gnuplot here, so no picture is drawn")
            return
        with tempfile.TemporaryDirectory() as folder:
            files = plots.draw(RACE, self.taken, folder)
            self.assertEqual(sorted(files), ["growth-bytes.svg", "race-cost.svg", "race-rate.svg"])
            for name in files:
                with open(f"{folder}/{name}") as f:
                    self.assertIn("</svg>", f.read())

    def test_percentiles(self):
        line = Line("late", ("rate",), (less("p50", "us"),), percentiles="us")
        bench = Bench("late", "who is late", (line,), function="nowhere:nothing")
        lines = [{"bench": "late", "rate": 100, "system": system, "turn": turn, "p50": 3, "percentiles": points}
                 for system, turn, points in (("millrace", 0, [[1, 5], [10, 50], [100, 90]]),
                                              ("millrace", 1, [[1, 7], [10, 30], [100, 80]]),
                                              ("millrace", 2, [[1, 6], [10, 40], [100, 500]]),
                                              ("peer", 0, [[1, 50], [10, 60], [100, 70]]))]
        taken = results_of(lines + [{**lines[0], "rate": 1000}], "late")
        drawn = plots.percentiles(line, taken.samples("late"))
        self.assertEqual(drawn[(("rate", 100),)], {"millrace": [(1, 6), (10, 40), (100, 90)],
                                                   "peer": [(1, 50), (10, 60), (100, 70)]})
        if shutil.which("gnuplot") is None:
            print("skipped: no gnuplot here, so no picture is drawn")
            return
        with tempfile.TemporaryDirectory() as folder:
            files = plots.draw(bench, taken, folder)
            self.assertEqual(sorted(files), ["late-rate-100-percentiles.svg", "late-rate-1000-percentiles.svg"])
            with open(f"{folder}/late-rate-100-percentiles.svg") as f:
                picture = f.read()
            for words in ("</svg>", "peer", "99 %", "late, rate 100"):
                self.assertIn(words, picture)

    def test_file_there_and_back(self):
        with tempfile.TemporaryDirectory() as folder:
            self.taken.write(folder)
            again = results.read(folder)
            self.assertEqual((again.machine, again.benches), (self.taken.machine, self.taken.benches))
            for text in ("", '{"machine": {}}\n{"ran": "race"}\n', '{"machine": {}}\n{"ran": "ra', "[]\n"):
                with open(f"{folder}/{results.NAME}", "w") as f:
                    f.write(text)
                with self.assertRaises(ValueError):
                    results.read(folder)


class Compare(unittest.TestCase):
    """bench/compare itself, on the figures of two real entries of the list."""

    def compare(self, old, new):
        with tempfile.TemporaryDirectory() as folder:
            for name, taken in (("old", old), ("new", new)):
                taken.write(f"{folder}/{name}")
            done = subprocess.run([ROOT + "/bench/compare", folder + "/old", folder + "/new/" + results.NAME],
                                  capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def ring(self, ns, **changes):
        return results_of([{"bench": "ring_spsc", "burst": 32, "ns_per_record": n} for n in ns], "ring", **changes)

    def visible(self, ours, theirs, **changes):
        return results_of([{"bench": "visible", "shape": "bulk", "system": system, "turn": turn,
                            "row_changes_per_s": rate}
                           for system, rates in (("millrace", ours), ("null client", theirs))
                           for turn, rate in enumerate(rates)], "visible", **changes)

    def test_worse_better_and_neither(self):
        code, words = self.compare(self.ring([10, 10.1, 9.9]), self.ring([13, 13.1, 12.9]))
        self.assertEqual(code, 1, words)
        self.assertRegex(words, r"ring +32 +ns_per_record of millrace .*\+30\.0% +worse")
        code, words = self.compare(self.ring([13, 13.1, 12.9]), self.ring([10, 10.1, 9.9]))
        self.assertEqual(code, 0, words)
        self.assertRegex(words, "-23.1% +better")
        code, words = self.compare(self.ring([10, 10.1, 14]), self.ring([13, 13.1, 12.9]))
        self.assertEqual((code, words), (0, "0 of 1 figures moved beyond noise\n"))
        self.assertIn("1 have fewer than 3 values", self.compare(self.ring([10, 10]), self.ring([13, 13]))[1])

    def test_other_machine_only_ratios(self):
        old = self.visible([900, 910, 905], [1000, 1000, 1000])
        code, words = self.compare(old, self.visible([500, 505, 510], [1000, 1000, 1000], cpu="another"))
        self.assertEqual(code, 1, words)
        self.assertIn("row_changes_per_s: x null client", words)
        self.assertNotIn("of millrace", words)
        self.assertIn("machines differ", words)
        # twice as fast a machine, the same ratio
        code, words = self.compare(old, self.visible([1800, 1820, 1810], [2000, 2000, 2000], cpu="another"))
        self.assertEqual(code, 0, words)

    def test_what_cannot_be_compared(self):
        code, words = self.compare(self.ring([1]), self.ring([1], mode="quick"))
        self.assertEqual((code, "different sizes" in words), (2, True), words)
        done = subprocess.run([ROOT + "/bench/compare", "/nowhere", "/nowhere"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nowhere", done.stderr)


class Run(unittest.TestCase):
    """bench/run on a build folder with programs of ours."""

    def run_it(self, folder, body, *options):
        os.makedirs(folder + "/build/bench", exist_ok=True)
        with open(folder + "/build/bench/bench_ring", "w") as f:
            f.write("#!/bin/sh\n" + body)
        os.chmod(folder + "/build/bench/bench_ring", 0o755)
        done = subprocess.run([ROOT + "/bench/run", "--no-install", "--build", folder + "/build", "--only", "ring",
                               "--results", folder + "/out", *options], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_turns_and_files(self):
        body = """echo "words"; echo x >>"$0.turns"
printf '{"bench":"ring_spsc","burst":1,"ns_per_record":%d,"quick":"%s"}\\n' $(($(wc -l <"$0.turns") * 10)) "$1"\n"""
        for mode, turns, median in (("--quick", 3, "20 (10-30) ns"), ("--full", 5, "30 (10-50) ns")):
            with tempfile.TemporaryDirectory() as folder:
                code, words = self.run_it(folder, body, mode)
                self.assertEqual(code, 0, words)
                self.assertIn(median, words)
                self.assertRegex(words, r"(?m)^all +\d+ s \(\d+\.\d minutes\)$")
                taken = results.read(folder + "/out")
                self.assertEqual(len(taken.samples("ring")), turns)
                self.assertEqual(taken.machine["mode"], mode[2:])
                self.assertEqual({line["quick"] for line in taken.samples("ring")}, {"--quick" if turns == 3 else ""})
                with open(folder + "/out/report.md") as f:
                    self.assertIn(median, f.read())

    def test_a_run_goes_on_where_one_is(self):
        body = """printf '{"bench":"ring_spsc","burst":1,"ns_per_record":%d}\\n' 7\n"""
        with tempfile.TemporaryDirectory() as folder:
            code, words = self.run_it(folder, body)
            self.assertEqual(code, 0, words)
            before = results.read(folder + "/out")
            before.machine["commit"], before.benches[0]["commit"] = "before", "before"
            before.add("visible", [], 3.0, True, 0.0)
            before.write(folder + "/out")
            self.assertEqual(self.run_it(folder, body)[0], 0)
            after = results.read(folder + "/out")
            self.assertEqual({bench["ran"]: bench["commit"] == "before" for bench in after.benches},
                             {"ring": False, "visible": True})
            self.assertEqual(len(after.samples("ring")), 5)
            code, words = self.run_it(folder, body, "--quick")
            self.assertEqual((code, "another machine or mode" in words), (2, True), words)
            self.assertEqual(results.read(folder + "/out").benches, after.benches)

    def test_a_failure_is_told_and_its_figures_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            code, words = self.run_it(folder, 'echo \'{"bench":"ring_spsc","burst":1,"ns_per_record":4}\'; exit 3\n')
            self.assertEqual(code, 1)
            self.assertIn("# ring failed", words)
            taken = results.read(folder + "/out")
            self.assertEqual((len(taken.samples("ring")), taken.benches[0]["well"]), (1, False))

    def test_what_cannot_run_here_is_no_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            code, words = self.run_it(folder, 'echo "SKIP: no such disk"; exit 77\n')
            self.assertEqual(code, 0, words)
            self.assertIn("\nleft out: no such disk", words)

    def test_list(self):
        said = subprocess.run([ROOT + "/bench/run", "--list"], capture_output=True, text=True).stdout
        self.assertEqual([line.split()[0] for line in said.splitlines()], [bench.name for bench in benches.BENCHES])
        for bench in benches.BENCHES:
            self.assertTrue(bench.lines and bench.shows, bench.name)
            for line in bench.lines:
                self.assertLessEqual(set(line.ratios), {figure.name for figure in line.figures}, line.kind)
                self.assertIn(line.curve, (None, *line.inputs), line.kind)
            if bench.function is None:
                self.assertTrue(os.path.exists(f"{ROOT}/bench/bench_{bench.name}.c"), bench.name)
            else:
                module, name = bench.function.split(":")
                with open(f"{ROOT}/bench/{module}.py") as f:
                    self.assertIn(f"\ndef {name}(harness, quick):", f.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)

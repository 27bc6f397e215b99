"""bench/measure/plots.py -- pictures by gnuplot (SVG): curves along an input, bars of systems beside each other."""
import shutil
import subprocess

from . import stats
from .registry import SUBJECT

HEAD = """set terminal svg size 760,420 font "sans-serif,13" background "#ffffff"
set output "{file}"
set title "{title}" noenhanced
set key outside right noenhanced
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
"""


def curves(line, cases):
    """(system, figure, [(x, median)]) of a kind of line that has a curve; one curve for each of its other inputs."""
    if line.curve is None:
        return
    found = {}
    for key, systems in cases.items():
        if key.kind != line.kind:
            continue
        inputs = dict(key.case)
        x, others = inputs.pop(line.curve), ", ".join(f"{name} {value}" for name, value in inputs.items())
        for system, figures in systems.items():
            for figure in line.figures:
                if figure.name in figures:
                    name = f"{system} ({others})" if others else system
                    points = found.setdefault((name, figure), [])
                    points.append((x, stats.summary(list(figures[figure.name].values())).median))
    for (name, figure), points in found.items():
        yield name, figure, sorted(points)


def quoted(text):
    return '"' + str(text).replace('"', "'").replace("\\", "/") + '"'


def block(name, rows):
    return f"${name} << EOD\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows) + "EOD\n"


def curve_script(file, title, line, figure, series):
    script = HEAD.format(file=file, title=title.replace('"', "'"))
    script += f"set logscale xy\nset xlabel {quoted(line.curve)} noenhanced\n"
    script += f"set ylabel {quoted(figure.name + (', ' + figure.unit if figure.unit else ''))} noenhanced\n"
    script += "".join(block(f"d{i}", points) for i, (_, points) in enumerate(series))
    return script + "plot " + ", ".join(f"$d{i} using 1:2 with linespoints lw 2 pt 7 title {quoted(name)}"
                                        for i, (name, _) in enumerate(series)) + "\n"


def bars_script(file, title, figure, cases):
    """Bars with their spread; one group a case, one colour a system."""
    systems = list(dict.fromkeys(system for _, by_system in cases for system in by_system))
    script = HEAD.format(file=file, title=title.replace('"', "'"))
    script += ("set style data histograms\nset style histogram errorbars gap 1 lw 1\n"
               "set style fill solid 0.8 noborder\nset logscale y\nset xtics noenhanced\n"
               f"set ylabel {quoted(figure.name + (', ' + figure.unit if figure.unit else ''))} noenhanced\n")
    for i, system in enumerate(systems):
        rows = []
        for label, by_system in cases:
            s = stats.summary(list(by_system[system].values())) if system in by_system else None
            rows.append((quoted(label), *((s.median, s.low, s.high) if s else ("NaN", "NaN", "NaN"))))
        script += block(f"d{i}", rows)
    return script + "plot " + ", ".join(f"$d{i} using 2:3:4:xtic(1) title {quoted(system)}"
                                        for i, system in enumerate(systems)) + "\n"


def percentiles(line, samples):
    """{case: {system: [(one in so many, median of the turns)]}} of the lines that have them."""
    found = {}
    for sample in (sample for sample in samples if sample["bench"] == line.kind and "percentiles" in sample):
        case = tuple((name, sample.get(name)) for name in line.inputs)
        points = found.setdefault(case, {}).setdefault(sample.get("system", SUBJECT), {})
        for one_in, value in sample["percentiles"]:
            points.setdefault(one_in, []).append(value)
    return {case: {system: [(x, stats.summary(values).median) for x, values in sorted(points.items())]
                   for system, points in systems.items()} for case, systems in found.items()}


def percentiles_script(file, title, unit, systems):
    """As HDR histograms are drawn: each further nine of the percentile takes as much room as the one before."""
    script = HEAD.format(file=file, title=title.replace('"', "'"))
    marks = ", ".join(f'"{100 - 100 / x:.6g} %%" {x}' for x in (2, 10, 100, 1000, 10000, 100000, 1000000))
    script += f"set logscale xy\nset xtics ({marks})\nset xlabel \"percentile\"\nset ylabel {quoted(unit)}\n"
    script += "".join(block(f"d{i}", points) for i, points in enumerate(systems.values()))
    return script + "plot " + ", ".join(f"$d{i} using 1:2 with lines lw 2 title {quoted(name)}"
                                        for i, name in enumerate(systems)) + "\n"


def scripts_of(line, bench, cases, samples):
    """(file, script) of the pictures of one kind of line."""
    mine = [(key, systems) for key, systems in cases.items() if key.kind == line.kind]
    by_figure = {}
    for name, figure, points in curves(line, cases):
        if len(points) > 1 and all(x > 0 and y > 0 for x, y in points):
            by_figure.setdefault(figure, []).append((name, points))
    for figure, series in by_figure.items():
        file = f"{line.kind}-{figure.name}.svg"
        yield file, curve_script(file, bench.shows, line, figure, series)
    if line.curve is None and any(set(systems) != {SUBJECT} for _, systems in mine):
        for figure in (figure for figure in line.figures if figure.name in line.ratios):
            groups = [(" ".join(str(v) for _, v in key.case) or line.kind,
                       {system: figures[figure.name] for system, figures in systems.items()
                        if figure.name in figures}) for key, systems in mine]
            file = f"{line.kind}-{figure.name}.svg"
            yield file, bars_script(file, bench.shows, figure, groups)
    for case, systems in (percentiles(line, samples) if line.percentiles is not None else {}).items():
        words = " ".join(f"{name} {value}" for name, value in case)
        file = f"{line.kind} {words} percentiles.svg".replace(" ", "-").replace("/", "-")
        yield file, percentiles_script(file, f"{line.kind}, {words}", line.percentiles, systems)


def draw(bench, results, folder):
    """The files (in `folder`) of a benchmark's pictures: every curve, for cases of several systems the figures with
    ratios, and percentiles.  None without gnuplot."""
    if shutil.which("gnuplot") is None:
        return []
    samples, files = results.samples(bench.name), []
    cases = stats.by_case(samples, bench.lines)
    for line in bench.lines:
        for file, script in scripts_of(line, bench, cases, samples):
            done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, cwd=folder)
            if done.returncode != 0:
                raise RuntimeError(f"gnuplot cannot draw {file}: {done.stderr.strip()[-300:]}")
            files.append(file)
    return files

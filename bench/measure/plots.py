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


def draw(bench, results, folder):
    """The files (in `folder`) of a benchmark's pictures: every curve, and for cases of several systems the figures with
    ratios.  None without gnuplot."""
    if shutil.which("gnuplot") is None:
        return []
    cases, files = stats.by_case(results.samples(bench.name), bench.lines), []
    for line in bench.lines:
        mine = [(key, systems) for key, systems in cases.items() if key.kind == line.kind]
        by_figure = {}
        for name, figure, points in curves(line, cases):
            if len(points) > 1 and all(x > 0 and y > 0 for x, y in points):
                by_figure.setdefault(figure, []).append((name, points))
        scripts = [(figure, curve_script(f"{line.kind}-{figure.name}.svg", bench.shows, line, figure, series))
                   for figure, series in by_figure.items()]
        if line.curve is None and any(set(systems) != {SUBJECT} for _, systems in mine):
            for figure in (figure for figure in line.figures if figure.name in line.ratios):
                groups = [(" ".join(str(v) for _, v in key.case) or line.kind,
                           {system: figures[figure.name] for system, figures in systems.items()
                            if figure.name in figures}) for key, systems in mine]
                scripts.append((figure, bars_script(f"{line.kind}-{figure.name}.svg", bench.shows, figure, groups)))
        for figure, script in scripts:
            done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, cwd=folder)
            if done.returncode != 0:
                raise RuntimeError(f"gnuplot cannot draw {line.kind} {figure.name}: {done.stderr.strip()[-300:]}")
            files.append(f"{line.kind}-{figure.name}.svg")
    return files

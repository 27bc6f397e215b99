"""bench/measure/report.py -- what was measured, as tables for the terminal and for Markdown; what moved."""
from . import plots, stats
from .registry import LESS, SUBJECT


def digits(value):
    """Three significant digits, thousands set apart."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def words(summary, unit=""):
    """Median (lowest to highest) and unit."""
    if summary is None:
        return ""
    span = f" ({digits(summary.low)}-{digits(summary.high)})" if summary.count > 1 else ""
    return f"{digits(summary.median)}{span}{' ' + unit if unit else ''}"


def rows_of(line, cases):
    """Heading and rows of one kind of line: the inputs, the system when there are several, each figure with its spread,
    and of how many values, and for other systems how many times better SUBJECT was."""
    cases = {key: systems for key, systems in cases.items() if key.kind == line.kind}
    has_peers = any(set(systems) != {SUBJECT} for systems in cases.values())
    shown = [figure for figure in line.figures
             if any(figure.name in figures for systems in cases.values() for figures in systems.values())]
    heading = [*line.inputs, *(["system"] if has_peers else []), *(figure.name for figure in shown)]
    if has_peers:
        heading += [f"{SUBJECT} x, {figure.name}" for figure in shown if figure.name in line.ratios]
    rows = []
    for key, systems in cases.items():
        for system, figures in systems.items():
            row = [str(value) for _, value in key.case] + ([system] if has_peers else [])
            row += [words(stats.summary(list(figures[figure.name].values())), figure.unit)
                    if figure.name in figures else "" for figure in shown]
            if has_peers:
                ours = systems.get(SUBJECT, {})
                row += [words(stats.ratio(ours.get(figure.name, {}), figures.get(figure.name, {}), figure.better))
                        if system != SUBJECT else "" for figure in shown if figure.name in line.ratios]
            rows.append(row)
    return heading, rows


def slope_words(line, cases):
    """One sentence a figure of a curve: how it grows."""
    said = []
    for system, figure, points in plots.curves(line, cases):
        slopes = stats.slopes(points)
        if slopes is not None:
            said.append(f"{figure.name} of {system}: grows as {line.curve}^{slopes[0]:.2f}; each {line.curve} more "
                        f"adds {digits(slopes[1])} {figure.unit}".rstrip())
    return said


def as_text(heading, rows):
    table = [heading, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(heading))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table)


def as_markdown(heading, rows):
    def row_of(cells):
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    return "\n".join([row_of(heading), row_of(["---"] * len(heading)), *map(row_of, rows)])


def parts(bench, results, table):
    """What is said of a benchmark, as paragraphs; `table` makes one of heading and rows."""
    lines = results.samples(bench.name)
    cases = stats.by_case(lines, bench.lines)
    yield from (note["note"] for note in results.of(bench.name, "note"))
    for peer in results.of(bench.name, "peer"):
        if "left_out" in peer:
            yield f"{peer['peer']} is left out: {peer['left_out']}"
        else:
            yield f"{peer['peer']} {peer.get('version', '')}: {peer.get('settings', 'as it comes')}"
    for line in bench.lines:
        heading, rows = rows_of(line, cases)
        if rows:
            yield table(heading, rows)
        yield from slope_words(line, cases)
    unknown = {line["bench"] for line in lines} - {line.kind for line in bench.lines}
    if unknown:
        yield f"not in this table: lines of {', '.join(sorted(unknown))}"


def terminal(bench, results):
    return f"\n== {bench.name}: {bench.shows}\n" + "\n\n".join(parts(bench, results, as_text))


def times(results, table):
    """How long each benchmark took, and all of them."""
    rows = [[bench["ran"], f"{bench['seconds']:.0f} s", "" if bench["well"] else "failed"] for bench in results.benches]
    total = sum(bench["seconds"] for bench in results.benches)
    return table(["benchmark", "took", ""], [*rows, ["all", f"{total:.0f} s ({total / 60:.1f} minutes)", ""]])


def markdown(benches, results, pictures):
    """The report.  `pictures` is {benchmark: [file]}."""
    machine = results.machine
    out = ["# What was measured", f"A {machine['mode']} run of `bench/run`, {machine['at']}, commit {machine['commit']}"
           f"{' with changes' if machine['is_changed'] else ''}.",
           as_markdown(["machine", ""], [[name, str(value)] for name, value in machine.items()]),
           "Each figure is the median of its turns with the lowest and the highest in parentheses. Systems were "
           f"measured in turns (A B A B); \"{SUBJECT} x\" is how many times better {SUBJECT} was in the same turn, "
           "again with the lowest and the highest turn; below 1 it was worse. CPU is that of user and kernel, of all "
           "processes that the system needs."]
    ran = {bench["ran"]: bench for bench in results.benches}
    for bench in benches:
        if bench.name not in ran:
            continue
        facts = ran[bench.name]
        out += [f"## {bench.name}", bench.shows[0].upper() + bench.shows[1:] + ".", *parts(bench, results, as_markdown)]
        out += [f"![{bench.name}]({name})" for name in pictures.get(bench.name, [])]
        if not facts["well"]:
            out.append("**It failed: what is here is what it had measured until then.**")
        out.append(f"Commit {facts['commit']}, {facts['at']}; {facts['seconds']:.0f} s; stolen by the hypervisor "
                   f"meanwhile: {facts['steal_percent']} %.")
    out += ["## How long it took", times(results, as_markdown)]
    return "\n\n".join(out) + "\n"


def compared(benches, old, new):
    """(text, how many figures are worse): what moved beyond noise between two runs, and how much was looked at."""
    is_same = all(old.machine.get(name) == new.machine.get(name) for name in ("cpu", "cores", "is_virtual"))
    rows, looked, too_few = [], 0, 0
    for bench in benches:
        before, after = (stats.by_case(results.samples(bench.name), bench.lines) for results in (old, new))
        for line in bench.lines:
            for key in (key for key in before if key in after and key.kind == line.kind):
                for what, better, a, b in values_of(line, before[key], after[key], is_same):
                    looked += 1
                    too_few += min(len(a), len(b)) < stats.TURNS_MIN
                    change = stats.moved(a, b)
                    if change is not None:
                        is_worse = (change > 0) == (better == LESS)
                        rows.append([bench.name, " ".join(str(value) for _, value in key.case), what,
                                     words(stats.summary(a)), words(stats.summary(b)), f"{change:+.1%}",
                                     "worse" if is_worse else "better"])
    text = as_text(["benchmark", "case", "figure", "old", "new", "change", ""], rows) + "\n" if rows else ""
    text += f"{len(rows)} of {looked} figures moved beyond noise"
    if too_few:
        text += f"; {too_few} have fewer than {stats.TURNS_MIN} values on a side, of which nothing can be said"
    if not is_same:
        text += "\nthe machines differ: only ratios of the same run were compared"
    return text, sum(row[-1] == "worse" for row in rows)


def values_of(line, before, after, is_same_machine):
    """(name, better, old values, new values) of one case: its figures where the machine is the same, and its ratios."""
    for system in (system for system in before if system in after):
        for figure in line.figures:
            old, new = (list(side[system].get(figure.name, {}).values()) for side in (before, after))
            if is_same_machine and old and new:
                yield f"{figure.name} of {system}", figure.better, old, new
            if system != SUBJECT and figure.name in line.ratios and SUBJECT in before and SUBJECT in after:
                old, new = (stats.ratios(side[SUBJECT].get(figure.name, {}), side[system].get(figure.name, {}),
                                         figure.better) for side in (before, after))
                if old and new:
                    yield f"{figure.name}: x {system}", "more", old, new

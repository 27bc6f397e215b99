"""bench/measure/stats.py -- medians, spread, ratios pair by pair, slopes, and what moved beyond noise."""
import collections
import math
import statistics

from .registry import LESS, SUBJECT

Summary = collections.namedtuple("Summary", "median low high count")
# The figures of one case by system: {system: {figure's name: {turn: value}}}
Key = collections.namedtuple("Key", "kind case")
MOVED_MIN = 0.03      # less than this is nobody's business, however still the machine was
TURNS_MIN = 3         # from two values nothing can be said of noise


def summary(values):
    values = sorted(values)
    return Summary(statistics.median(values), values[0], values[-1], len(values))


def by_case(samples, lines):
    """{Key: {system: {figure: {turn: value}}}} of the samples whose kind is one of `lines`, in their order."""
    known, cases = {line.kind: line for line in lines}, {}
    for sample in samples:
        line = known.get(sample["bench"])
        if line is None:
            continue
        key = Key(line.kind, tuple((name, sample.get(name)) for name in line.inputs))
        figures = cases.setdefault(key, {}).setdefault(sample.get("system", SUBJECT), {})
        for figure in line.figures:
            value = sample.get(figure.name)
            if isinstance(value, (int, float)) and math.isfinite(value):
                turns = figures.setdefault(figure.name, {})
                turns[sample.get("turn", len(turns))] = value
    return cases


def ratios(ours, theirs, better):
    """How many times better ours is, turn by turn: both were measured one after the other, so that what else the
    machine did hit both."""
    pairs = [(ours[turn], theirs[turn]) for turn in ours if turn in theirs]
    pairs = [(b, a) if better == LESS else (a, b) for a, b in pairs]
    return [a / b for a, b in pairs if b]


def ratio(ours, theirs, better):
    """Their summary; None without a common turn."""
    values = ratios(ours, theirs, better)
    return summary(values) if values else None


def moved(old, new):
    """By how much the median of `new` is above that of `old`, as a part of it, when that is more than noise; else None.

    More than noise: no value of one run lies among those of the other, and the medians are further apart than the wider
    of the two runs is wide, and than MOVED_MIN.  Of normal noise that makes one false alarm in 500 figures of five
    turns, and one in 20 of three turns."""
    if min(len(old), len(new)) < TURNS_MIN:
        return None
    a, b = summary(old), summary(new)
    if not a.median or (a.low <= b.high and b.low <= a.high):
        return None
    change = (b.median - a.median) / abs(a.median)
    is_far = abs(b.median - a.median) > max(a.high - a.low, b.high - b.low)
    return change if is_far and abs(change) > MOVED_MIN else None


def slopes(points):
    """Of a curve of (x, y): the exponent (1: y grows as x does; 0: not at all), fitted to the logarithms, and what one
    more x costs, fitted to the points themselves.  None with fewer than three different x or a point that has no
    logarithm."""
    points = [(x, y) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in points}) < 3:
        return None
    exponent = statistics.linear_regression(*zip(*((math.log(x), math.log(y)) for x, y in points))).slope
    return exponent, statistics.linear_regression(*zip(*points)).slope

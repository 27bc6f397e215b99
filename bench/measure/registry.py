"""bench/measure/registry.py -- what a benchmark is, and what the JSON lines that it prints mean.

A benchmark is a program BUILD/bench/bench_NAME or a Python function; either prints lines of JSON, flat, one figure or
more a line:

    {"bench": "ring_spsc", "burst": 32, "ns_per_record": 4.1}
    {"bench": "capture", "shape": "oltp", "system": "go-mysql", "turn": 2, "row_changes_per_s": 410000, ...}

`bench` names the kind of the line; a `Line` says which of its fields tell one case from another (`inputs`) and which
are measured (`figures`).  `system` is who did it (millrace when the line does not say), `turn` which turn of A B A B it
was (the order in which the lines come when it does not say).  `percentiles` is a list of pairs: of how many one took so
long or longer, and how long.  Other fields are kept, and neither compared nor shown.

Besides, a benchmark may print, each once:

    {"peer": "go-mysql", "version": "1.13.0", "settings": "..."}      whom it measured beside, and how he was set up
    {"peer": "debezium", "left_out": "why"}                           whom it could not
    {"note": "one sentence for the head of the table"}
"""
import dataclasses
import typing

MORE, LESS = "more", "less"
SUBJECT = "millrace"


@dataclasses.dataclass(frozen=True)
class Figure:
    """A measured field.  `better` is MORE or LESS."""
    name: str
    unit: str
    better: str


def more(name, unit=""):
    return Figure(name, unit, MORE)


def less(name, unit=""):
    return Figure(name, unit, LESS)


@dataclasses.dataclass(frozen=True)
class Line:
    """A kind of JSON line.  `curve` names the input along which its figures are drawn, with their slope.  Where several
    systems did the same case, `ratios` names the figures of which SUBJECT's part is taken, pair by pair.  `percentiles`
    is the unit of that field, where the lines have it: drawn, a picture a case."""
    kind: str
    inputs: tuple
    figures: tuple
    curve: typing.Optional[str] = None
    ratios: tuple = ()
    percentiles: typing.Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Bench:
    """`shows` is one sentence.  `function` is "MODULE:FUNCTION" in bench/, called with an e2e harness and `quick`;
    None: the program bench_NAME.  `turns` are how often a program is run from its start, in full and quick runs (a
    function takes its turns itself)."""
    name: str
    shows: str
    lines: tuple
    function: typing.Optional[str] = None
    turns: tuple = (5, 3)

"""bench/measure -- what bench/run is made of: one job a file.

registry.py   what a benchmark is, and what its JSON lines mean
benches.py    the list of them: a new one is an entry there
runs.py       runs one and takes its lines
stats.py      medians, spread, ratios pair by pair, slopes, what moved
report.py     tables for the terminal and for Markdown
plots.py      gnuplot's pictures
machine.py    what it was measured on
results.py    the file of JSON lines that holds a run
"""

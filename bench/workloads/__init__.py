"""bench/workloads -- binlogs of real shapes, made by a seeded generator inside a MySQL source.

Each SHAPE.sql makes tables in schema `shop`, what is in them before, and a procedure work(turns, seed).  The binlog
begins behind that.  The first column of every table is a BIGINT `id`, whose sum proves what a reader has seen.  The
procedures' random numbers are a linear congruential generator: a seed makes the same rows in the same order every time.
"""
import os

HERE = os.path.dirname(os.path.realpath(__file__))
SEED = 20_260_101
# Row changes and transactions of one turn of work().
SHAPES = {"oltp": (4, 1), "wide": (22, 1), "json": (40, 2), "bulk": (4000, 4)}


def prepare(source, shape):
    """The tables and what is in them; the binlog begins behind that, with one transaction that is no row change of
    ours, for Debezium cannot begin before the first."""
    with open(f"{HERE}/{shape}.sql") as f:
        source.sql("SET SESSION cte_max_recursion_depth = 1000000; CREATE DATABASE shop; USE shop;\n" + f.read())
    source.sql("RESET BINARY LOGS AND GTIDS; CREATE DATABASE before_all;")


def work(source, shape, changes):
    """Fills the binlog with at most `changes` row changes; returns how many, and in how many transactions."""
    per_turn, transactions = SHAPES[shape]
    turns = changes // per_turn
    source.sql(f"USE shop; CALL work({turns}, {SEED});")
    return per_turn * turns, transactions * turns

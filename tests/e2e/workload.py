"""tests/e2e/workload.py -- a seeded stream of changes for the end-to-end tests, as SQL text.

Inserts, updates and deletes, one or many rows at a time, in transactions over one or several tables; transactions that
are rolled back, wholly or to a savepoint; keys that change; a table without transactions (MyISAM); a transaction too
large for one batch; and between all of it changes to tables and a database that the channel does not select.
The generator keeps the living keys, so that it knows how many row changes the channel must deliver.
"""
import random

DATABASES = ["shop", "depot", "noise"]
INCLUDE = ["shop.*", "depot.*"]
EXCLUDE = ["shop.audit"]
TRACKED = ["shop.orders", "shop.items", "shop.visits", "depot.stock", "depot.marker"]
MARKER = "depot.marker"
SCHEMA = """
CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE DATABASE depot CHARACTER SET utf8mb4;
CREATE DATABASE noise CHARACTER SET utf8mb4;
CREATE TABLE shop.orders (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, customer VARCHAR(80) NOT NULL, amount DECIMAL(14,2),
  state ENUM('new','paid','sent','back') NOT NULL DEFAULT 'new', flags SET('a','b','c','d'), weight DOUBLE,
  made DATETIME(3) NULL, changed TIMESTAMP(6) NULL, due DATE NULL, spent TIME(2) NULL, note TEXT, raw VARBINARY(64),
  UNIQUE KEY by_customer (customer, id)) ENGINE=InnoDB;
CREATE TABLE shop.items (id INT NOT NULL PRIMARY KEY, order_id BIGINT UNSIGNED NOT NULL, count SMALLINT,
  price MEDIUMINT UNSIGNED, tiny TINYINT, bits YEAR, label CHAR(20)) ENGINE=InnoDB;
CREATE TABLE shop.visits (id INT NOT NULL PRIMARY KEY, page VARCHAR(200), hits INT UNSIGNED) ENGINE=MyISAM;
CREATE TABLE shop.audit (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, what TEXT) ENGINE=InnoDB;
CREATE TABLE depot.stock (id VARCHAR(40) NOT NULL PRIMARY KEY, place INT, data MEDIUMBLOB, body LONGTEXT)
  ENGINE=InnoDB;
CREATE TABLE depot.marker (id BIGINT NOT NULL PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE noise.heap (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, what VARCHAR(100)) ENGINE=InnoDB;
"""
WORDS = ["race", "mühle", "水車", "water", "O'Neil", "back\\\\slash", "", "😀 wheel", "a\\nb", "per%cent"]


def text(content):
    """A string literal."""
    return f"'{content}'"


class Workload:
    """`slices()` yields (sql, row changes so far) until `changes_max` row changes of selected tables are made."""

    def __init__(self, seed, changes_max, large_rows=3000):
        self.random = random.Random(seed)
        self.changes_max = changes_max
        self.large_rows = large_rows
        self.changes = 0
        self.next_id = {"orders": 1, "items": 1, "visits": 1, "stock": 1}
        self.alive = {name: [] for name in self.next_id}

    # -- values
    def maybe(self, value):
        return "NULL" if self.random.random() < 0.15 else value

    def order(self, key):
        r = self.random
        day = f"20{r.randint(10, 36):02}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
        to_hour = f"{r.randint(0, 59):02}:{r.randint(0, 59):02}"
        weight = r.choice([0.0, 1.5, -2.25, 1e-9, 3.141592653589793, 1e300, r.random() * 1e6])
        values = [key, text(self.quoted(60)), self.maybe(f"{r.randint(-10**11, 10**11) / 100:.2f}"),
                  text(r.choice(["new", "paid", "sent", "back"])),
                  self.maybe(text(r.choice(["", "a", "b,d", "a,b,c,d"]))), self.maybe(repr(weight)),
                  self.maybe(text(f"{day} {r.randint(0, 23):02}:{to_hour}.{r.randint(0, 999):03}")),
                  self.maybe(text(f"{day} 12:{to_hour}.{r.randint(0, 999999):06}")), self.maybe(text(day)),
                  self.maybe(text(f"{r.choice(['', '-'])}{r.randint(0, 838)}:{to_hour}.50")),
                  self.maybe(text(self.quoted(100))), self.maybe(self.binary(64))]
        return f"({','.join(map(str, values))})"

    def quoted(self, longest):
        """Words, fit to stand in a literal; never cut inside an escape."""
        r = self.random
        return " ".join(r.choice(WORDS) for _ in range(r.randint(1, 6)))[:longest].rstrip("\\").replace("'", "''")

    def binary(self, longest):
        return "x'" + self.random.randbytes(self.random.randint(0, longest)).hex() + "'"

    def row(self, table, key):
        r = self.random
        if table == "orders":
            return self.order(key)
        if table == "items":
            values = [key, r.randint(1, 2**63), self.maybe(r.randint(-32768, 32767)), r.randint(0, 16777215),
                      r.randint(-128, 127), r.choice([1901, 1970, 2026, 2155]), self.maybe(text(r.choice(["x", "yz"])))]
            return f"({','.join(map(str, values))})"
        if table == "visits":
            return f"({key},'{self.quoted(100)}',{r.randint(0, 2**32 - 1)})"
        body = self.quoted(80) * (r.choice([1, 1, 1, 40]))
        return f"('{key}',{self.maybe(r.randint(-2**31, 2**31 - 1))},{self.maybe(self.binary(300))},'{body}')"

    # -- statements: each returns SQL and tells how it changes the living keys
    def name(self, table):
        return ("depot." if table == "stock" else "shop.") + table

    def fresh(self, table, count):
        first = self.next_id[table]
        self.next_id[table] += count
        return [f"key-{n}-{n * 7919 % 1000}" if table == "stock" else n for n in range(first, first + count)]

    def literal(self, key):
        return f"'{key}'" if isinstance(key, str) else str(key)

    def insert(self, table, count):
        keys = self.fresh(table, count)
        self.alive[table] += keys
        self.changes += count
        return f"INSERT INTO {self.name(table)} VALUES {','.join(self.row(table, key) for key in keys)};\n"

    def some(self, table, count):
        alive = self.alive[table]
        return [alive[i] for i in self.random.sample(range(len(alive)), min(count, len(alive)))]

    def update(self, table, count):
        keys = self.some(table, count)
        if not keys:
            return self.insert(table, count)
        # a value that no row has: every matched row changes, so every one is in the binlog
        stamp = self.changes
        self.changes += len(keys)
        column = {"orders": f"customer=CONCAT('c{stamp}-',id)", "items": f"order_id=9300000000000000000+{stamp}",
                  "visits": f"page='p{stamp}'", "stock": f"body='{stamp} {self.quoted(60)}'"}[table]
        return f"UPDATE {self.name(table)} SET {column} WHERE id IN ({','.join(map(self.literal, keys))});\n"

    def delete(self, table, count):
        keys = self.some(table, count)
        if not keys:
            return self.insert(table, count)
        gone = set(keys)
        self.alive[table] = [key for key in self.alive[table] if key not in gone]
        self.changes += len(keys)
        return f"DELETE FROM {self.name(table)} WHERE id IN ({','.join(map(self.literal, keys))});\n"

    def move_key(self, table):
        keys = self.some(table, 1)
        if not keys:
            return self.insert(table, 1)
        new = self.fresh(table, 1)[0]
        self.alive[table][self.alive[table].index(keys[0])] = new
        self.changes += 1
        return f"UPDATE {self.name(table)} SET id={self.literal(new)} WHERE id={self.literal(keys[0])};\n"

    def filtered(self):
        r = self.random
        if r.random() < 0.5:
            return f"INSERT INTO shop.audit (what) VALUES ('{self.quoted(60)}');\n"
        return f"INSERT INTO noise.heap (what) VALUES ('{self.quoted(40)}'),('{self.quoted(40)}');\n"

    def statement(self, table):
        r = self.random
        size = r.choice([1, 1, 1, 2, 3, 8, 20])
        return r.choices([lambda: self.insert(table, size), lambda: self.update(table, size),
                          lambda: self.delete(table, size), lambda: self.move_key(table), self.filtered],
                         [45, 30, 18, 3, 8])[0]()

    def undone(self, make):
        """Statements that are rolled back: the living keys are as before."""
        alive, changes = {name: list(keys) for name, keys in self.alive.items()}, self.changes
        sql = make()
        self.alive, self.changes = alive, changes
        return sql

    def transaction(self):
        r = self.random
        kind = r.random()
        if kind < 0.25:
            return self.statement(r.choice(["orders", "items", "stock"]))
        if kind < 0.32:
            return self.statement("visits")
        if kind < 0.40:
            return self.filtered()
        if kind < 0.402:
            return "CREATE TABLE IF NOT EXISTS noise.side (id INT PRIMARY KEY);\n"
        if kind < 0.404:
            return self.insert("items", self.large_rows)
        body = "BEGIN;\n"
        for _ in range(r.randint(1, 6)):
            body += self.statement(r.choice(["orders", "items", "stock"]))
        if kind < 0.45:
            body += "SAVEPOINT s;\n" + self.undone(lambda: self.statement("orders") + self.statement("stock"))
            return body + "ROLLBACK TO SAVEPOINT s;\nCOMMIT;\n"
        return body + "COMMIT;\n"

    def slices(self, changes_per_slice=200):
        """(SQL, row changes made so far)"""
        while self.changes < self.changes_max:
            sql, upto = [], min(self.changes + changes_per_slice, self.changes_max)
            while self.changes < upto:
                if self.random.random() < 0.04:
                    sql.append("BEGIN;\n" + self.undone(lambda: self.statement("orders") + self.statement("items"))
                               + "ROLLBACK;\n")
                sql.append(self.transaction())
            yield "".join(sql), self.changes

    def end(self):
        """The last transaction: the marker row that tells the consumer that all has come."""
        self.changes += 1
        return f"INSERT INTO {MARKER} VALUES ({self.changes});\n"

/* Goal: what a statement makes of the catalog, to the letter, where no live server of the version is to be had or the
 * random statements do not reach: old and new versions' types, comments, quoting, names' case, what is refused and why.
 * Method: a table of statements and the definitions that must come of them, written as catalog_write_table writes them.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/catalog.h"
#include "capture/ddl.h"
#include "tests/suite.h"

enum { MARIADB = 1 << 24 };

struct rule {
    uint32_t server; /* version, with MARIADB */
    uint64_t sql_mode;
    const char *statements; /* separated by ";;" */
    const char *made;       /* the table d.t behind CREATE TABLE `d`.`t` ( ... ), up to its closing parenthesis */
};

static const struct rule rules[] = {
    /* widths */
    {50173, 0, "CREATE TABLE t (a INTEGER, b BIGINT UNSIGNED ZEROFILL, c BOOL)",
     "`a` int(11) NULL, `b` bigint(20) unsigned zerofill NULL, `c` tinyint(1) NULL"},
    {80018, 0, "CREATE TABLE t (a INT, y YEAR)", "`a` int(11) NULL, `y` year(4) NULL"},
    {80019, 0, "CREATE TABLE t (a INT(5), b INT(5) ZEROFILL, c BOOL, d TINYINT(1) UNSIGNED, y YEAR(4))",
     "`a` int NULL, `b` int(5) unsigned zerofill NULL, `c` tinyint(1) NULL, `d` tinyint unsigned NULL, `y` year NULL"},
    {MARIADB + 110402, 0, "CREATE TABLE t (a INT, y YEAR(2))", "`a` int(11) NULL, `y` year(2) NULL"},
    /* times */
    {50540, 0, "CREATE TABLE t (a TIMESTAMP(14) NULL, y YEAR(2))", "`a` timestamp NULL, `y` year(2) NULL"},
    {50651, 0, "CREATE TABLE t (a TIMESTAMP(3) NULL, y YEAR(2))", "`a` timestamp(3) NULL, `y` year(4) NULL"},
    {50729, SQL_MODE_MAXDB, "CREATE TABLE t (a TIMESTAMP)", "`a` datetime NULL"},
    /* reals */
    {50729, SQL_MODE_REAL_AS_FLOAT, "CREATE TABLE t (a REAL, b DOUBLE PRECISION, c FLOAT(25), d DEC)",
     "`a` float NULL, `b` double NULL, `c` double NULL, `d` decimal(10,0) NULL"},
    /* version comments */
    {50729, 0, "CREATE TABLE t (a INT /*!50700 NOT NULL */ /*!80000 INVISIBLE */, b INT /*! NOT NULL */ /*M! no */)",
     "`a` int(11) NOT NULL, `b` int(11) NOT NULL"},
    {80023, 0, "CREATE TABLE t (a INT /*!80023 INVISIBLE */, b INT /*!99999 /* nested */ no */)",
     "`a` int NULL INVISIBLE, `b` int NULL"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT /*!80023 NOT NULL */ /*!100300 INVISIBLE */, b INT /*M!100100 NOT NULL */)",
     "`a` int(11) NULL INVISIBLE, `b` int(11) NOT NULL"},
    /* quoting */
    {50729, SQL_MODE_ANSI_QUOTES, "CREATE TABLE \"t\" (\"a\"\"b\" INT COMMENT 'x\"', `c` ENUM('a\\'b','c''d'))",
     "`a\"b` int(11) NULL, `c` enum('a''b','c''d') CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL"},
    {50729, SQL_MODE_NO_BACKSLASH_ESCAPES, "CREATE TABLE t (a ENUM('a\\','b') COMMENT '\\', b INT)",
     "`a` enum('a\\\\','b') CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL, `b` int(11) NULL"},
    {50729, 0, "CREATE TABLE t (`select` INT, `a``b` INT, 1a INT, $x INT)",
     "`select` int(11) NULL, `a``b` int(11) NULL, `1a` int(11) NULL, `$x` int(11) NULL"},
    /* sizes of TEXT */
    {50729, 0,
     "CREATE TABLE t (a TEXT(63) CHARSET utf8mb4, b TEXT(64) CHARSET utf8mb4, c LONG, d LONG VARBINARY, e BLOB(65536))",
     "`a` tinytext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL, `b` text CHARACTER SET utf8mb4 COLLATE "
     "utf8mb4_general_ci NULL, `c` mediumtext CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL, `d` mediumblob "
     "NULL, `e` "
     "mediumblob NULL"},
    {50729, 0, "CREATE TABLE t (a TEXT, b VARCHAR(30000));;ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
     "`a` mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL, `b` mediumtext CHARACTER SET utf8mb4 "
     "COLLATE "
     "utf8mb4_general_ci NULL"},
    /* names of character sets */
    {80027, 0, "CREATE TABLE t (a CHAR(1) CHARSET utf8)",
     "`a` char(1) CHARACTER SET utf8 COLLATE utf8_general_ci NULL"},
    {80029, 0, "CREATE TABLE t (a NCHAR)", "`a` char(1) CHARACTER SET utf8mb3 COLLATE utf8_general_ci NULL"},
    {80030, 0, "CREATE TABLE t (a NCHAR)", "`a` char(1) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci NULL"},
    {80000, 0, "CREATE TABLE t (a CHAR CHARSET utf8mb4 BINARY, b CHAR CHARSET utf8mb4)",
     "`a` char(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, `b` char(1) CHARACTER SET utf8mb4 COLLATE "
     "utf8mb4_general_ci NULL"},
    {MARIADB + 101119, 0, "CREATE TABLE t (a CHAR(3) CHARSET utf8mb4 COLLATE uca1400_ai_ci, b JSON, c UUID)",
     "`a` char(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci NULL, `b` longtext CHARACTER SET utf8mb4 COLLATE "
     "utf8mb4_bin NULL, `c` uuid NULL"},
    /* places */
    {50729, 0,
     "CREATE TABLE t (a INT, b INT, c INT);;ALTER TABLE t ADD x INT AFTER a, ADD y INT AFTER x, MODIFY c INT FIRST, "
     "DROP b",
     "`c` int(11) NULL, `a` int(11) NULL, `x` int(11) NULL, `y` int(11) NULL"},
    {50729, 0, "CREATE TABLE t (a INT, b CHAR(2));;ALTER TABLE t CHANGE a b INT, CHANGE b a CHAR(3)",
     "`b` int(11) NULL, `a` char(3) CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL"},
    {80023, 0,
     "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a));;ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a",
     "`b` int NOT NULL, `a` int NULL, PRIMARY KEY (`b`)"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT);;ALTER TABLE IF EXISTS t ADD COLUMN IF NOT EXISTS a CHAR, ADD COLUMN IF NOT "
     "EXISTS (b INT, c INT), DROP COLUMN IF EXISTS x, DROP KEY IF EXISTS y",
     "`a` int(11) NULL, `b` int(11) NULL, `c` int(11) NULL"},
    /* keys */
    {50729, 0,
     "CREATE TABLE t (a INT NULL, b INT UNIQUE, UNIQUE (b), KEY (b), c INT NOT NULL, UNIQUE z (c), PRIMARY KEY (a))",
     "`a` int(11) NOT NULL, `b` int(11) NULL, `c` int(11) NOT NULL, PRIMARY KEY (`a`), UNIQUE KEY `z` (`c`), UNIQUE "
     "KEY `b` "
     "(`b`), UNIQUE KEY `b_2` (`b`), KEY `b_3` (`b`)"},
    {50729, 0, "CREATE TABLE t (a INT UNIQUE, b INT NOT NULL UNIQUE, PRIMARY KEY (a), UNIQUE c (a))",
     "`a` int(11) NOT NULL, `b` int(11) NOT NULL, PRIMARY KEY (`a`), UNIQUE KEY `b` (`b`), UNIQUE KEY `c` (`a`), "
     "UNIQUE KEY `a` (`a`)"},
    {MARIADB + 101119, 0, "CREATE TABLE t (a TEXT NOT NULL UNIQUE, b INT UNIQUE, KEY k (b))",
     "`a` text CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL, `b` int(11) NULL, UNIQUE KEY `b` (`b`), UNIQUE "
     "KEY `a` (`a`) USING HASH, KEY `k` (`b`)"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a TINYBLOB, b TINYBLOB, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (a), CONSTRAINT g FOREIGN KEY "
     "(b) REFERENCES p (a));;CREATE INDEX k ON t (a);;CREATE INDEX l ON t (b(5))",
     "`a` tinyblob NULL, `b` tinyblob NULL, KEY `g` (`b`(255)) USING IMPLIED, KEY `k` (`a`(255)), KEY `l` (`b`(5))"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a POLYGON, b INT, UNIQUE u (a(4)), UNIQUE v (a(8)), UNIQUE w (a(9)), UNIQUE x (b))",
     "`a` polygon NULL, `b` int(11) NULL, UNIQUE KEY `v` (`a`(8)), UNIQUE KEY `x` (`b`), UNIQUE KEY `u` (`a`), UNIQUE "
     "KEY `w` (`a`(9))"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT, b INT, UNIQUE u (a), UNIQUE v (b), PRIMARY KEY (b));;ALTER TABLE t DROP PRIMARY KEY;;"
     "ALTER TABLE t MODIFY b INT NOT NULL",
     "`a` int(11) NULL, `b` int(11) NOT NULL, UNIQUE KEY `u` (`a`), UNIQUE KEY `v` (`b`)"},
    {MARIADB + 101119, 0,
     "CREATE TABLE x (a INT, b INT, UNIQUE u (a), UNIQUE v (b), PRIMARY KEY (b));;ALTER TABLE x DROP PRIMARY KEY;;"
     "CREATE TABLE t LIKE x",
     "`a` int(11) NULL, `b` int(11) NOT NULL, UNIQUE KEY `v` (`b`), UNIQUE KEY `u` (`a`)"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT, b INT, UNIQUE u (a), UNIQUE v (b));;ALTER TABLE t MODIFY b INT NOT NULL, ADD KEY w (a)",
     "`a` int(11) NULL, `b` int(11) NOT NULL, UNIQUE KEY `v` (`b`), UNIQUE KEY `u` (`a`), KEY `w` (`a`)"},
    {MARIADB + 101119, 0, "CREATE TABLE t (a TINYBLOB, UNIQUE u (a(300)))",
     "`a` tinyblob NULL, UNIQUE KEY `u` (`a`(255))"},
    {50651, 0, "CREATE TABLE t (a POINT, b INT, UNIQUE u (a), UNIQUE v (b));;ALTER TABLE t ADD UNIQUE w (b)",
     "`a` point NULL, `b` int(11) NULL, UNIQUE KEY `v` (`b`), UNIQUE KEY `w` (`b`), UNIQUE KEY `u` (`a`(25))"},
    {50729, 0, "CREATE TABLE t (a POINT, b INT, UNIQUE u (a), UNIQUE v (b));;ALTER TABLE t ADD UNIQUE w (b)",
     "`a` point NULL, `b` int(11) NULL, UNIQUE KEY `u` (`a`(25)), UNIQUE KEY `v` (`b`), UNIQUE KEY `w` (`b`)"},
    {50729, 0, "CREATE TABLE t (a TINYBLOB, b INT, UNIQUE u (a(255)), UNIQUE v (b))",
     "`a` tinyblob NULL, `b` int(11) NULL, UNIQUE KEY `v` (`b`), UNIQUE KEY `u` (`a`(255))"},
    {90704, 0, "CREATE TABLE t (a TINYBLOB, b INT, UNIQUE u (a(255)), UNIQUE v (b))",
     "`a` tinyblob NULL, `b` int NULL, UNIQUE KEY `u` (`a`(255)), UNIQUE KEY `v` (`b`)"},
    {50729, 0, CATALOG_SHOWN "CREATE TABLE t (a INT, b INT NOT NULL, UNIQUE KEY a (a), UNIQUE KEY b (b))",
     "`a` int(11) NULL, `b` int(11) NOT NULL, UNIQUE KEY `a` (`a`), UNIQUE KEY `b` (`b`)"},
    {50729, 0, "CREATE TABLE t (a INT, b INT, KEY k (a, b), UNIQUE u (b));;ALTER TABLE t DROP COLUMN b",
     "`a` int(11) NULL, KEY `k` (`a`)"},
    {50729, 0,
     "CREATE TABLE t (a SERIAL, b BIGINT SERIAL DEFAULT VALUE);;DROP INDEX a ON t;;CREATE INDEX i USING BTREE ON t (b "
     "DESC)",
     "`a` bigint(20) unsigned NOT NULL, `b` bigint(20) NOT NULL, UNIQUE KEY `b` (`b`), KEY `i` (`b`)"},
    {50729, 0, "CREATE TABLE t (a INT, CONSTRAINT f FOREIGN KEY g (a) REFERENCES p (a) ON DELETE SET NULL)",
     "`a` int(11) NULL, KEY `f` (`a`) USING IMPLIED"},
    {50729, 0, "CREATE TABLE t (a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (a));;ALTER TABLE t ADD KEY k (a)",
     "`a` int(11) NULL, KEY `k` (`a`)"},
    {50729, 0,
     "CREATE TABLE p (a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES q (a));;CREATE TABLE t LIKE p;;CREATE INDEX k ON "
     "t (a)",
     "`a` int(11) NULL, KEY `k` (`a`)"},
    {50729, 0,
     "CREATE TABLE t (a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (a));;ALTER TABLE t RENAME INDEX f TO g;;CREATE "
     "INDEX k ON t (a)",
     "`a` int(11) NULL, KEY `g` (`a`), KEY `k` (`a`)"},
    {50729, 0, "CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES p (a), KEY k (a DESC))",
     "`a` int(11) NULL, KEY `k` (`a`)"},
    {80036, 0, "CREATE TABLE t (a INT, FOREIGN KEY f (a) REFERENCES p (a), KEY k (a DESC))",
     "`a` int NULL, KEY `f` (`a`) USING IMPLIED, KEY `k` (`a` DESC)"},
    {MARIADB + 101119, 0, "CREATE TABLE t (a INT, FOREIGN KEY f (a) REFERENCES p (a), KEY k (a DESC))",
     "`a` int(11) NULL, KEY `k` (`a` DESC)"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT, b INT, UNIQUE u (a) USING HASH);;ALTER TABLE t ALGORITHM=COPY;;CREATE TABLE x LIKE t;;"
     "RENAME TABLE t TO y;;RENAME TABLE x TO t",
     "`a` int(11) NULL, `b` int(11) NULL, UNIQUE KEY `u` (`a`)"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT, b INT NOT NULL, UNIQUE u (a) USING HASH);;ALTER TABLE t ALGORITHM=COPY;;ALTER TABLE t "
     "LOCK=SHARED",
     "`a` int(11) NULL, `b` int(11) NOT NULL, UNIQUE KEY `u` (`a`) USING HASH"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT, b INT NOT NULL);;ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT UNIQUE;;ALTER TABLE t ADD "
     "COLUMN IF NOT EXISTS (a INT UNIQUE, b INT PRIMARY KEY)",
     "`a` int(11) NULL, `b` int(11) NOT NULL, PRIMARY KEY (`b`), UNIQUE KEY `a` (`a`)"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT);;ALTER TABLE t ADD b INT, ADD c INT, CHANGE nosuch b CHAR(2) BINARY FIRST",
     "`b` char(2) CHARACTER SET latin1 COLLATE latin1_bin NULL, `a` int(11) NULL, `c` int(11) NULL"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a INT, b INT, KEY k (a, b DESC) USING HASH, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (a));;"
     "ALTER TABLE t ADD COLUMN IF NOT EXISTS c INT PRIMARY KEY;;"
     "ALTER TABLE t ADD COLUMN IF NOT EXISTS d INT PRIMARY KEY",
     "`a` int(11) NULL, `b` int(11) NULL, `c` int(11) NOT NULL, `d` int(11) NOT NULL, PRIMARY KEY (`c`), KEY `k` "
     "(`a`,`b`) USING HASH, KEY `f` (`a`) USING IMPLIED"},
    {MARIADB + 101119, 0, "CREATE TABLE t (a INT);;ALTER TABLE t CHANGE a b INT, ADD COLUMN IF NOT EXISTS b CHAR",
     "`b` int(11) NULL"},
    {90704, 0, "CREATE TABLE t (c0 INT, KEY (C0))", "`c0` int NULL, KEY `c0` (`c0`)"},
    {MARIADB + 101119, 0, "CREATE TABLE t (g LINESTRING NOT NULL, KEY k (g(4)), KEY l (g(5)))",
     "`g` linestring NOT NULL, KEY `k` (`g`), KEY `l` (`g`(5))"},
    {MARIADB + 101119, 0,
     "CREATE TABLE t (g LINESTRING, KEY k (g(4)), KEY l (g), UNIQUE u (g(4)));;ALTER TABLE t ADD a INT",
     "`g` linestring NULL, `a` int(11) NULL, UNIQUE KEY `u` (`g`), KEY `k` (`g`), KEY `l` (`g`(3072))"},
    {MARIADB + 101119, 0, "CREATE TABLE t (g LINESTRING, KEY k (g(4)), KEY l (g));;ALTER TABLE t MODIFY g BLOB",
     "`g` blob NULL, KEY `k` (`g`(4)), KEY `l` (`g`(3072))"},
    /* prefixes: MySQL 5.6 looks at what the statement says, later ones at the type, MariaDB at characters */
    {50651, 0,
     "CREATE TABLE t (a TEXT(1) CHARSET utf8mb4, b TINYTEXT, KEY k (a(12)), KEY m (b(300)));;CREATE INDEX "
     "l ON t (a(12))",
     "`a` tinytext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL, `b` tinytext CHARACTER SET latin1 COLLATE "
     "latin1_swedish_ci NULL, KEY `k` (`a`(4)), KEY `m` (`b`(300)), KEY `l` (`a`(12))"},
    {50729, 0, "CREATE TABLE t (a TEXT(1) CHARSET utf8mb4, KEY k (a(12)), KEY l (a(300)))",
     "`a` tinytext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL, KEY `k` (`a`(12)), KEY `l` (`a`(63))"},
    {MARIADB + 101119, 0, "CREATE TABLE t (a TINYTEXT CHARSET utf8mb4, KEY k (a(64)), KEY l (a(300)))",
     "`a` tinytext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL, KEY `k` (`a`(64)), KEY `l` (`a`(255))"},
    /* BINARY beside CONVERT TO, and behind a collation without padding; the last character set counts */
    {50729, 0, "CREATE TABLE t (a CHAR);;ALTER TABLE t ADD b CHAR CHARSET ucs2 BINARY, CONVERT TO CHARACTER SET utf8",
     "`a` char(1) CHARACTER SET utf8 COLLATE utf8_general_ci NULL, `b` char(1) CHARACTER SET utf8 COLLATE utf8_bin "
     "NULL"},
    {80036, 0,
     "CREATE TABLE t (a CHAR BINARY);;ALTER TABLE t ADD b CHAR CHARSET ucs2 BINARY, MODIFY a CHAR(2) BINARY, CONVERT "
     "TO CHARACTER SET utf8",
     "`a` char(2) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NULL, `b` char(1) CHARACTER SET utf8mb3 COLLATE "
     "utf8mb3_general_ci NULL"},
    {MARIADB + 101119, 0, "CREATE TABLE t (a CHAR BINARY, b CHAR CHARSET utf8mb4 BINARY) COLLATE latin1_nopad_bin",
     "`a` char(1) CHARACTER SET latin1 COLLATE latin1_nopad_bin NULL, `b` char(1) CHARACTER SET utf8mb4 COLLATE "
     "utf8mb4_bin NULL"},
    /* so does MariaDB's collation of any character set */
    {MARIADB + 101119, 0,
     "CREATE TABLE t (a BINARY(2));;ALTER TABLE t MODIFY a BINARY(2) COLLATE uca1400_as_cs, ADD b CHAR COLLATE "
     "latin1_bin, ADD c CHAR CHARSET utf8mb4 COLLATE uca1400_as_cs, CONVERT TO CHARACTER SET utf8mb3",
     "`a` char(2) CHARACTER SET utf8mb3 COLLATE utf8mb3_uca1400_as_cs NULL, `b` char(1) CHARACTER SET utf8mb3 COLLATE "
     "utf8mb3_general_ci NULL, `c` char(1) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci NULL"},
    {50624, 0, "CREATE TABLE t (a CHAR) COLLATE utf8_bin CHARACTER SET DEFAULT",
     "`a` char(1) CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL"},
    {50624, 0, "CREATE TABLE t (a CHAR) COLLATE utf8_bin CHARACTER SET utf8",
     "`a` char(1) CHARACTER SET utf8 COLLATE utf8_general_ci NULL"},
    {80036, 0, "CREATE TABLE t (a CHAR) COLLATE latin1_bin CHARACTER SET latin1",
     "`a` char(1) CHARACTER SET latin1 COLLATE latin1_bin NULL"},
    /* generated columns, partitions, a generated primary key, rows that follow */
    {50729, 0,
     "CREATE TABLE t (a INT, b INT AS (a * (2)) STORED NOT NULL, c INT GENERATED ALWAYS AS (')') VIRTUAL) PARTITION BY "
     "RANGE (a) SUBPARTITION BY HASH (b) SUBPARTITIONS 2 (PARTITION p VALUES LESS THAN (3) ENGINE = InnoDB)",
     "`a` int(11) NULL, `b` int(11) GENERATED ALWAYS AS (0) STORED NOT NULL, `c` int(11) GENERATED ALWAYS AS (0) "
     "VIRTUAL NULL"},
    {80032, 0,
     "CREATE TABLE `t` (`my_row_id` bigint unsigned NOT NULL AUTO_INCREMENT /*!80023 INVISIBLE */, `a` int DEFAULT "
     "NULL, PRIMARY KEY (`my_row_id`)) START TRANSACTION",
     "`my_row_id` bigint unsigned NOT NULL INVISIBLE, `a` int NULL, PRIMARY KEY (`my_row_id`)"},
    {80032, 0,
     "CREATE TABLE `t` (`my_row_id` bigint unsigned NOT NULL AUTO_INCREMENT /*!80023 INVISIBLE */, `a` int, PRIMARY "
     "KEY (`my_row_id`));;ALTER TABLE t ADD b INT FIRST, MODIFY a INT FIRST;;ALTER TABLE t ADD c INT FIRST, ALTER "
     "my_row_id SET VISIBLE",
     "`my_row_id` bigint unsigned NOT NULL, `c` int NULL, `a` int NULL, `b` int NULL, PRIMARY KEY (`my_row_id`)"},
    {80032, 0,
     "CREATE TABLE `t` (`my_row_id` bigint unsigned NOT NULL AUTO_INCREMENT INVISIBLE, `a` int, PRIMARY KEY "
     "(`my_row_id`));;ALTER TABLE t ADD b INT FIRST, DROP PRIMARY KEY, DROP my_row_id;;ALTER TABLE t ADD my_row_id "
     "bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST;;ALTER TABLE t ADD c INT FIRST",
     "`c` int NULL, `my_row_id` bigint unsigned NOT NULL, `b` int NULL, `a` int NULL, PRIMARY KEY (`my_row_id`)"},
    {MARIADB + 101119, 0,
     "SET STATEMENT max_statement_time=1 FOR CREATE TABLE t (a TEXT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW "
     "START, e TIMESTAMP(6) AS ROW END, PERIOD FOR SYSTEM_TIME (s, e), UNIQUE (a)) ENGINE=Aria",
     "`a` text CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL, `s` timestamp(6) GENERATED ALWAYS AS ROW START NOT "
     "NULL, "
     "`e` timestamp(6) GENERATED ALWAYS AS ROW START NOT NULL, UNIQUE KEY `a` (`a`) USING HASH"},
    {90704, 0, "CREATE TABLE t (a VECTOR(3), g GEOMETRYCOLLECTION, KEY f ((a + 1)), CHECK (a > 1) NOT ENFORCED)",
     "`a` vector(3) NULL, `g` geomcollection NULL, KEY `f` ((0))"},
    /* what does not touch it */
    {50729, 0,
     "CREATE TABLE t (a INT);;CREATE TEMPORARY TABLE t (b INT);;DROP TEMPORARY TABLE t;;CREATE PROCEDURE p() DROP "
     "TABLE "
     "t;;TRUNCATE t;;CREATE TABLE IF NOT EXISTS t (c INT);;DROP TABLE IF EXISTS u;;ALTER TABLE t DISABLE KEYS;;ALTER "
     "TABLE w REPAIR PARTITION p0, p1;;INSERT INTO t VALUES ('DROP TABLE t');;CREATE VIEW x AS SELECT 1;;RENAME "
     "TABLE x TO w;;DROP VIEW w;;GRANT ALL ON *.* TO u",
     "`a` int(11) NULL"},
    {MARIADB + 101119, 0, "CREATE TABLE t (a INT);;CREATE SEQUENCE s;;DROP SEQUENCE IF EXISTS t, s",
     "`a` int(11) NULL"},
    {50729, 0, "CREATE TABLE t (a INT);;CREATE TABLE u (b INT);;RENAME TABLE t TO x, u TO t, x TO u",
     "`b` int(11) NULL"},
    {50729, 0, "CREATE TABLE u LIKE d.v;;CREATE TABLE t (LIKE u)", "`v` int(11) NULL, KEY `k` (`v`)"},
};

static struct catalog *catalog_of(uint32_t server, uint8_t lower_case_table_names)
{
    struct catalog_server s = {server & ~(uint32_t)MARIADB, (server & MARIADB) != 0, lower_case_table_names};
    struct catalog *c;
    struct err_msg msg;
    ck_assert(catalog_open(&c, &s) == ERR_OK);
    ck_assert(catalog_put_database(c, "d", "latin1_swedish_ci", &msg) == ERR_OK);
    return c;
}

static enum err apply(struct catalog *c, uint64_t sql_mode, const char *sql, size_t bytes, struct err_msg *msg)
{
    struct catalog_context x = {.database = "d", .sql_mode = sql_mode, .server_collation = 8};
    struct catalog_effect effect;
    x.explicit_defaults_for_timestamp = true;
    return catalog_apply(c, &x, sql, bytes, &effect, msg);
}

static enum err run(struct catalog *c, const char *sql, struct err_msg *msg)
{
    return apply(c, 0, sql, strlen(sql), msg);
}

START_TEST(definitions)
{
    const struct rule *r = &rules[_i];
    struct err_msg msg;
    struct catalog_text text = {0};
    struct catalog *c = catalog_of(r->server, 0);
    ck_assert(run(c, "CREATE TABLE v (v INT, KEY k (v))", &msg) == ERR_OK);
    for (const char *at = r->statements; at != NULL;) {
        const char *end = strstr(at, ";;");
        size_t bytes = end == NULL ? strlen(at) : (size_t)(end - at);
        ck_assert_msg(apply(c, r->sql_mode, at, bytes, &msg) == ERR_OK, "%s", msg.text);
        at = end == NULL ? NULL : end + 2;
    }
    const struct catalog_table *t = catalog_find_table(c, "d", "t");
    ck_assert_ptr_nonnull(t);
    catalog_write_table(&text, c, t);
    char *made = text.text + strlen(CATALOG_SHOWN "CREATE TABLE `d`.`t` (");
    char *end = strstr(made, ") DEFAULT CHARACTER SET");
    if (end == NULL) end = strstr(made, ") ENGINE=");
    ck_assert_ptr_nonnull(end);
    *end = 0;
    ck_assert_str_eq(made, r->made);
    catalog_text_free(&text);
    catalog_close(c);
}
END_TEST

/* What is refused, and what the sentence names. */
static const struct {
    uint32_t server;
    enum err code;
    const char *sql, *says;
    uint64_t sql_mode;
} refusals[] = {
    /* an escape where there is none: it may be the server's own text for CREATE TABLE ... SELECT */
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u (a ENUM('x\\\\y'))", "label", SQL_MODE_NO_BACKSLASH_ESCAPES},
    /* a label that may be no question mark: what is no character is shown as one */
    {50729, ERR_UNSUPPORTED, "ALTER TABLE q CONVERT TO CHARACTER SET utf8mb4", "with a ?"},
    {80036, ERR_UNSUPPORTED, "ALTER TABLE t MODIFY a TEXT, CONVERT TO CHARACTER SET utf8mb4", "a new TEXT"},
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u SELECT * FROM t", "SELECT"},
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u (a INT) AS SELECT 1", "SELECT"},
    {50729, ERR_UNSUPPORTED, "ALTER TABLE t FROBNICATE", "`FROBNICATE`"},
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u (a STRANGE)", "`STRANGE)`"},
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u (a INT DEFAULT 1 + 2)", "`+ 2)`"},
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u (a INT", "expected"},
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u (a INT) /* open", "expected"},
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u (a CHAR(1) CHARSET nosuch)", "nosuch"},
    {50729, ERR_UNSUPPORTED, "CREATE TABLE u (a ENUM('\xe6\x97\xa5') CHARSET latin1)", "label"},
    {50729, ERR_UNSUPPORTED, "ALTER TABLE t DROP a, CHANGE a b INT", "twice"},
    {50729, ERR_UNSUPPORTED, "IMPORT TABLE FROM 'x.sdi'", "IMPORT"},
    {50729, ERR_UNSUPPORTED, "CREATE SEQUENCE s", "SEQUENCE"},
    {50729, ERR_SCHEMA, "ALTER TABLE nosuch ADD a INT", "nosuch"},
    {50729, ERR_SCHEMA, "ALTER TABLE t ADD a INT", "`a`"},
    {50729, ERR_SCHEMA, "ALTER TABLE t DROP COLUMN z", "`z`"},
    {50729, ERR_SCHEMA, "ALTER TABLE t ADD b INT AFTER z", "`z`"},
    {50729, ERR_SCHEMA, "ALTER TABLE t DROP KEY z", "`z`"},
    {50729, ERR_SCHEMA, "ALTER TABLE t ADD KEY (z)", "`z`"},
    {50729, ERR_SCHEMA, "CREATE TABLE t (a INT)", "already"},
    {50729, ERR_SCHEMA, "DROP TABLE t, nosuch", "nosuch"},
    {50729, ERR_SCHEMA, "RENAME TABLE t TO x, nosuch TO y", "nosuch"},
    {50729, ERR_SCHEMA, "CREATE TABLE nosuch.u (a INT)", "nosuch"},
};

START_TEST(refused_changes_nothing)
{
    struct err_msg msg;
    struct catalog_text before = {0}, after = {0};
    struct catalog *c = catalog_of(refusals[_i].server, 0);
    ck_assert(run(c, "CREATE TABLE t (a INT)", &msg) == ERR_OK);
    ck_assert(run(c, "CREATE TABLE q (a ENUM('?') CHARSET gbk)", &msg) == ERR_OK);
    const struct catalog_table *t = catalog_find_table(c, "d", "t");
    uint64_t version = t->version;
    catalog_write_table(&before, c, t);
    enum err e = apply(c, refusals[_i].sql_mode, refusals[_i].sql, strlen(refusals[_i].sql), &msg);
    ck_assert_msg(e == refusals[_i].code, "%s: %s", refusals[_i].sql, msg.text);
    ck_assert_msg(strstr(msg.text, refusals[_i].says) != NULL, "%s", msg.text);
    ck_assert_msg(strstr(msg.text, refusals[_i].sql) != NULL, "the statement is not named: %s", msg.text);
    ck_assert_ptr_eq(catalog_find_table(c, "d", "t"), t);
    ck_assert_uint_eq(t->version, version);
    ck_assert_uint_eq(catalog_table_count(c, 0), 2);
    catalog_write_table(&after, c, t);
    ck_assert_str_eq(before.text, after.text);
    catalog_text_free(&before);
    catalog_text_free(&after);
    catalog_close(c);
}
END_TEST

START_TEST(case_of_names)
{
    struct err_msg msg;
    struct catalog *exact = catalog_of(50729, 0), *lower = catalog_of(50729, 1), *kept = catalog_of(50729, 2);
    ck_assert(run(exact, "CREATE TABLE Tab (a INT)", &msg) == ERR_OK &&
              run(exact, "CREATE TABLE tab (b INT)", &msg) == ERR_OK);
    ck_assert(run(lower,
                  "CREATE TABLE D.T\xc3\x84"
                  "b (a INT)",
                  &msg) == ERR_OK);
    ck_assert_str_eq(catalog_table_at(lower, 0, 0)->name, "t\xc3\xa4"
                                                          "b");
    ck_assert(run(lower,
                  "CREATE TABLE t\xc3\xa4"
                  "B (b INT)",
                  &msg) == ERR_SCHEMA);
    ck_assert(run(kept, "CREATE TABLE D.Tab (a INT)", &msg) == ERR_OK);
    ck_assert(run(kept, "ALTER TABLE tAB ADD b INT", &msg) == ERR_OK);
    ck_assert_str_eq(catalog_table_at(kept, 0, 0)->name, "Tab");
    ck_assert_str_eq(catalog_table_at(kept, 0, 0)->database, "d");
    ck_assert(run(kept, "RENAME TABLE tab TO TAB", &msg) == ERR_OK);
    ck_assert_str_eq(catalog_table_at(kept, 0, 0)->name, "TAB");
    ck_assert_uint_eq(catalog_table_count(kept, 0), 1);
    catalog_close(exact);
    catalog_close(lower);
    catalog_close(kept);
}
END_TEST

START_TEST(effects)
{
    struct err_msg msg;
    struct catalog_effect e;
    struct catalog *c = catalog_of(50729, 0);
    struct catalog_context x = {.database = "d", .explicit_defaults_for_timestamp = true};
    ck_assert(run(c, "CREATE TABLE a (a INT)", &msg) == ERR_OK && run(c, "CREATE TABLE b (b INT)", &msg) == ERR_OK);
    const char swap[] = "RENAME TABLE a TO x, b TO a, x TO b";
    ck_assert(catalog_apply(c, &x, swap, strlen(swap), &e, &msg) == ERR_OK);
    ck_assert_uint_eq(e.count, 2);
    ck_assert(e.change[0].kind == CATALOG_ALTERED && strcmp(e.change[0].old_table, "a") == 0 &&
              strcmp(e.change[0].table, "b") == 0);
    ck_assert(strcmp(e.change[1].old_table, "b") == 0 && strcmp(e.change[1].table, "a") == 0);

    /* It failed on the source for the table that is not there, and dropped the other. */
    const char drop[] = "DROP TABLE nosuch, a";
    x.error_code = 1051;
    ck_assert(catalog_apply(c, &x, drop, strlen(drop), &e, &msg) == ERR_OK);
    ck_assert(e.count == 1 && e.change[0].kind == CATALOG_DROPPED && strcmp(e.change[0].table, "a") == 0);
    const char alter[] = "ALTER TABLE b ADD c INT";
    ck_assert(catalog_apply(c, &x, alter, strlen(alter), &e, &msg) == ERR_UNSUPPORTED);
    x.error_code = 0;

    const char database[] = "CREATE DATABASE e";
    ck_assert(catalog_apply(c, &x, database, strlen(database), &e, &msg) == ERR_UNSUPPORTED); /* of what collation? */
    x.server_collation = 45;
    ck_assert(catalog_apply(c, &x, database, strlen(database), &e, &msg) == ERR_OK);
    ck_assert(e.count == 1 && e.change[0].table == NULL && strcmp(e.change[0].database, "e") == 0);
    ck_assert_str_eq(catalog_database_collation(c, 1), "utf8mb4_general_ci");
    /* A default of CHARACTER SET utf8mb4 that is the session's. */
    const uint16_t general = 46;
    x.default_collation = &general;
    x.default_collation_count = 1;
    const char table[] = "CREATE TABLE e.t (a CHAR CHARSET utf8mb4)";
    ck_assert(catalog_apply(c, &x, table, strlen(table), &e, &msg) == ERR_OK);
    ck_assert_str_eq(catalog_find_table(c, "e", "t")->column[0].collation, "utf8mb4_bin");
    ck_assert(run(c, "DROP DATABASE e", &msg) == ERR_OK);
    ck_assert_uint_eq(catalog_database_count(c), 1);
    catalog_close(c);
}
END_TEST

/* The sizes that the header names. */
START_TEST(large)
{
    enum { TEXT_BYTES = IS_SANITIZED ? 8 << 20 : 64 << 20, TABLES = IS_SANITIZED ? 200 : 2000 };
    struct err_msg msg;
    struct catalog *c = catalog_of(50729, 0);
    char *text = malloc(TEXT_BYTES + 100), name[64];
    int start = sprintf(text, "CREATE TABLE t (a INT COMMENT '");
    memset(text + start, 'x', TEXT_BYTES);
    sprintf(text + start + TEXT_BYTES, "')");
    ck_assert_msg(run(c, text, &msg) == ERR_OK, "%s", msg.text);
    char *at = text + sprintf(text, "CREATE TABLE wide (");
    for (int i = 0; i < 1000; i++) at += sprintf(at, "%sc%d VARCHAR(10)", i == 0 ? "" : ",", i);
    sprintf(at, ")");
    ck_assert_msg(run(c, text, &msg) == ERR_OK, "%s", msg.text);
    for (int i = 0; i < TABLES; i++) {
        sprintf(name, "CREATE TABLE w%d LIKE wide", i);
        ck_assert_msg(run(c, name, &msg) == ERR_OK, "%s", msg.text);
    }
    ck_assert_uint_eq(catalog_table_count(c, 0), TABLES + 2);
    ck_assert_uint_eq(catalog_find_table(c, "d", "w77")->column_count, 1000);
    at = text + sprintf(text, "ALTER TABLE t ADD c0 INT");
    for (int i = 1; i < DDL_SPECS_MAX + 1; i++) at += sprintf(at, ", ADD c%d INT", i);
    ck_assert_int_eq(run(c, text, &msg), ERR_TOO_LARGE);
    free(text);
    catalog_close(c);
}
END_TEST

/* What it says that it takes comes and goes with what is in it. */
START_TEST(memory)
{
    struct catalog *c = catalog_of(0, 0);
    struct catalog_effect effect;
    const struct catalog_context context = {.database = "d", .server_collation = 45};
    struct err_msg msg = {0};
    char text[256];
    ck_assert(catalog_put_database(c, "d", "utf8mb4_general_ci", &msg) == ERR_OK);
    uint64_t empty = catalog_bytes(c), full = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(text, sizeof text, "CREATE TABLE t%d (id INT PRIMARY KEY, name CHAR(9), KEY k (name))", i);
            ck_assert(catalog_apply(c, &context, text, strlen(text), &effect, &msg) == ERR_OK);
            snprintf(text, sizeof text, "ALTER TABLE t%d ADD COLUMN another_one DECIMAL(10,2) UNSIGNED", i);
            ck_assert(catalog_apply(c, &context, text, strlen(text), &effect, &msg) == ERR_OK);
        }
        uint64_t bytes = catalog_bytes(c);
        ck_assert_uint_gt(bytes, empty + 500 * 250);
        ck_assert_uint_lt(bytes, empty + 500 * 1000);
        ck_assert(full == 0 || bytes < full + 2000);
        full = bytes;
        for (int i = 0; i < 500; i++) {
            snprintf(text, sizeof text, "DROP TABLE t%d", i);
            ck_assert(catalog_apply(c, &context, text, strlen(text), &effect, &msg) == ERR_OK);
        }
        ck_assert_uint_lt(catalog_bytes(c), empty + 10000); /* the list of names stays */
    }
    catalog_close(c);
}
END_TEST

START_TEST(versions)
{
    struct catalog_server s = {0};
    ck_assert(catalog_server_parse(&s, "5.7.29-log") && s.version == 50729 && !s.is_mariadb);
    ck_assert(catalog_server_parse(&s, "10.11.6-MariaDB-log") && s.version == 101106 && s.is_mariadb);
    ck_assert(catalog_server_parse(&s, "5.5.5-10.6.1-MariaDB") && s.version == 100601 && s.is_mariadb);
    ck_assert(!catalog_server_parse(&s, "nonsense"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog");
    TCase *tests = tcase_create("catalog");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, definitions, 0, sizeof rules / sizeof *rules);
    tcase_add_loop_test(tests, refused_changes_nothing, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(tests, case_of_names);
    tcase_add_test(tests, effects);
    tcase_add_test(tests, large);
    tcase_add_test(tests, versions);
    tcase_add_test(tests, memory);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}

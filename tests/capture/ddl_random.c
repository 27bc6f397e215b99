#include "tests/capture/ddl_random.h"

#include <string.h>
#include <strings.h>

#include "capture/ddl.h"

#define PICK(g, list) list[ddl_random_below(g, sizeof(list) / sizeof *(list))]

enum type_class { NUMBER, TEXT, BLOB, TIME, LABELS, OTHER };

uint64_t ddl_random_below(struct ddl_random *g, uint64_t bound)
{
    return random_below(&g->dice, bound);
}

static bool one_in(struct ddl_random *g, uint64_t n)
{
    return ddl_random_below(g, n) == 0;
}

static bool at_least(const struct ddl_random *g, uint32_t mysql, uint32_t mariadb)
{
    uint32_t since = g->server.is_mariadb ? mariadb : mysql;
    return since != 0 && g->server.version >= since;
}

/* ---- names ---- */

static const char *const databases[] = {"d0", "d1", "d 2"};
static const char *const tables[] = {"t0", "t1",     "t2",  "t3",  "t4",        "t5",
                                     "T0", "select", "a b", "x`y", "t\xc3\xa4", "q\"r", "T\xc3\x84"};
static const char *const columns[] = {
    "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "C0", "key", "a b", "x`y", "\xc3\xa4\xc3\x96"};
static const char *const keys[] = {"k0", "k1", "k2", "c0", "c1_2", "K1", "prim"};

const char *ddl_random_database(struct ddl_random *g)
{
    return PICK(g, databases);
}

static void put_name(struct ddl_random *g, FILE *out, const char *name)
{
    bool is_plain = name[0] != 0 && strspn(name, "abcdefghijklmnopqrstuvwxyzTCK0123456789_") == strlen(name) &&
                    strcmp(name, "select") != 0 && strcmp(name, "key") != 0;
    char quote = (g->sql_mode & SQL_MODE_ANSI_QUOTES) != 0 && one_in(g, 2) ? '"' : '`';
    if (is_plain && one_in(g, 2)) {
        fputs(name, out);
        return;
    }
    fputc(quote, out);
    for (; *name != 0; name++) {
        if (*name == quote) fputc(quote, out);
        fputc(*name, out);
    }
    fputc(quote, out);
}

static void put_table_name(struct ddl_random *g, FILE *out, const char *database, const char *table)
{
    if (strcmp(database, g->database) != 0 || one_in(g, 3)) {
        put_name(g, out, database);
        fputs(one_in(g, 6) ? " . " : ".", out);
    }
    put_name(g, out, table);
}

static const struct catalog_table *any_table(struct ddl_random *g)
{
    for (int i = 0; i < 10; i++) {
        uint32_t database, count;
        if (!catalog_find_database(g->catalog, PICK(g, databases), &database)) continue;
        count = catalog_table_count(g->catalog, database);
        if (count == 0) continue;
        const struct catalog_table *t = catalog_table_at(g->catalog, database, (uint32_t)ddl_random_below(g, count));
        if (t->kind == CATALOG_TABLE || one_in(g, 10)) return t;
    }
    return NULL;
}

static void put_new_table(struct ddl_random *g, FILE *out)
{
    put_table_name(g, out, one_in(g, 2) ? g->database : PICK(g, databases), PICK(g, tables));
}

static void put_old_table(struct ddl_random *g, FILE *out, const struct catalog_table *t)
{
    if (t == NULL || one_in(g, 30))
        put_new_table(g, out);
    else
        put_table_name(g, out, t->database, t->name);
}

static const char *old_column(struct ddl_random *g, const struct catalog_table *t)
{
    if (t == NULL || t->column_count == 0 || one_in(g, 12)) return PICK(g, columns);
    return t->column[ddl_random_below(g, t->column_count)].name;
}

/* Mostly one that the table has not. */
static const char *new_column(struct ddl_random *g, const struct catalog_table *t)
{
    const char *name = PICK(g, columns);
    for (int tries = 0; t != NULL && tries < 8 && !one_in(g, 20); tries++) {
        uint16_t i = 0;
        while (i < t->column_count && strcasecmp(t->column[i].name, name) != 0) i++;
        if (i == t->column_count) break;
        name = PICK(g, columns);
    }
    return name;
}

static void put_blank(struct ddl_random *g, FILE *out)
{
    static const char *const blank[] = {
        " ",      " ", " ", " ", " ", "\n", "\t ", " /* a 'comment */ ", " # line\n", " -- line\n", " /*!40000 */ ",
        "/* `*/ "};
    fputs(PICK(g, blank), out);
}

/* ---- types ---- */

static const char *random_charset(struct ddl_random *g)
{
    static const char *const charset[] = {"utf8mb4", "utf8", "latin1", "latin2", "ascii",
                                          "ucs2",    "gbk",  "binary", "utf16",  "cp1251"};
    return PICK(g, charset);
}

static const char *random_collation(struct ddl_random *g)
{
    static const char *const collation[] = {"utf8mb4_bin",        "utf8mb4_unicode_ci", "utf8_bin",  "utf8_general_ci",
                                            "latin1_swedish_ci",  "latin1_german1_ci",  "ucs2_bin",  "gbk_chinese_ci",
                                            "utf8mb4_general_ci", "latin2_czech_cs",    "utf16_bin", "binary"};
    static const char *const newer[] = {"utf8mb4_0900_as_cs", "utf8mb4_0900_ai_ci", "utf8mb4_ja_0900_as_cs"};
    static const char *const mariadb[] = {"uca1400_ai_ci", "utf8mb4_uca1400_swedish_ai_ci", "utf8mb4_nopad_bin",
                                          "latin1_nopad_bin"};
    if (at_least(g, 80001, 0) && one_in(g, 4)) return PICK(g, newer);
    if (at_least(g, 0, 101001) && one_in(g, 4)) return PICK(g, mariadb);
    return PICK(g, collation);
}

static void put_charset(struct ddl_random *g, FILE *out)
{
    static const char *const binary[] = {" BINARY", " ASCII", " UNICODE", " BYTE"};
    if (one_in(g, 2)) return;
    if (one_in(g, 8)) {
        fputs(PICK(g, binary), out);
        return;
    }
    if (one_in(g, 3)) fprintf(out, " %s %s", one_in(g, 2) ? "CHARACTER SET" : "CHARSET", random_charset(g));
    if (one_in(g, 10)) fputs(" BINARY", out);
    if (one_in(g, 4)) fprintf(out, " COLLATE %s", random_collation(g));
}

static void put_label(struct ddl_random *g, FILE *out)
{
    static const char *const label[] = {"a", "b", "it''s", "c d ", "\xc3\xa9", "x,y", "", "9", "\"", "Z)("};
    static const char *const escaped[] = {"\\\\", "n\\n", "\\'q", "\\%%"};
    bool escapes = (g->sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES) == 0;
    if (one_in(g, 12)) {
        fputs("0x4142", out);
        return;
    }
    fputc('\'', out);
    if (escapes && one_in(g, 8)) fputs(PICK(g, escaped), out);
    fprintf(out, "%s%llu'", PICK(g, label), (unsigned long long)ddl_random_below(g, 1000));
}

static void put_labels(struct ddl_random *g, FILE *out)
{
    uint64_t count = 1 + ddl_random_below(g, 5);
    fputs(one_in(g, 3) ? "SET(" : "ENUM(", out);
    for (uint64_t i = 0; i < count; i++) {
        if (i != 0) fputs(", ", out);
        put_label(g, out);
    }
    fputc(')', out);
    put_charset(g, out);
}

static void put_number(struct ddl_random *g, FILE *out)
{
    static const char *const integer[] = {"TINYINT", "SMALLINT", "MEDIUMINT", "INT",       "BIGINT", "INTEGER", "INT1",
                                          "INT2",    "INT3",     "INT4",      "MIDDLEINT", "INT8",   "int",     "Int"};
    static const char *const real[] = {"FLOAT", "DOUBLE", "REAL", "DOUBLE PRECISION", "FLOAT4", "FLOAT8"};
    static const char *const decimal[] = {"DECIMAL", "DEC", "NUMERIC", "FIXED"};
    static const char *const single[] = {"BIT",     "BIT(7)",    "BIT(64)",   "BOOL",
                                         "BOOLEAN", "FLOAT(24)", "FLOAT(25)", "FLOAT(53)"};
    unsigned a = 1 + (unsigned)ddl_random_below(g, 20), b = (unsigned)ddl_random_below(g, a + 1u);
    switch (ddl_random_below(g, 5)) {
    case 0:
    case 1:
        fputs(PICK(g, integer), out);
        if (one_in(g, 3)) fprintf(out, "(%u)", (unsigned)ddl_random_below(g, 12));
        break;
    case 2:
        fputs(PICK(g, real), out);
        if (one_in(g, 2)) fprintf(out, "(%u,%u)", a, b);
        break;
    case 3:
        fputs(PICK(g, decimal), out);
        if (one_in(g, 2)) fprintf(out, one_in(g, 2) ? "(%u,%u)" : "(%u)", a, b);
        break;
    default: fputs(PICK(g, single), out); return;
    }
    if (one_in(g, 4)) fputs(" UNSIGNED", out);
    if (one_in(g, 8)) fputs(" ZEROFILL", out);
    if (one_in(g, 20)) fputs(" SIGNED", out);
}

static enum type_class put_text(struct ddl_random *g, FILE *out)
{
    static const char *const sized[] = {
        "CHAR",      "VARCHAR",           "NCHAR",    "NATIONAL CHAR", "NATIONAL VARCHAR",
        "CHARACTER", "CHARACTER VARYING", "NVARCHAR", "CHAR VARYING",  "NCHAR VARCHAR",
        "VARCHAR"};
    static const char *const text[] = {"TEXT", "TINYTEXT",     "MEDIUMTEXT",       "LONGTEXT",
                                       "LONG", "LONG VARCHAR", "LONG CHAR VARYING"};
    if (one_in(g, 2)) {
        const char *word = PICK(g, sized);
        bool is_long = strstr(word, "VAR") != NULL && one_in(g, 12);
        unsigned size = is_long ? 10000 + (unsigned)ddl_random_below(g, 60000) : (unsigned)ddl_random_below(g, 60);
        fprintf(out, "%s(%u)", word, size);
        if (word[0] != 'N') put_charset(g, out);
        return TEXT;
    }
    if (one_in(g, 3)) {
        static const unsigned size[] = {0,   1,     60,    64,    85,    86,    100,   255,
                                        256, 16383, 16384, 21845, 21846, 65535, 65536, 9000000};
        fprintf(out, "TEXT(%u)", PICK(g, size));
    } else {
        fputs(PICK(g, text), out);
    }
    put_charset(g, out);
    return BLOB;
}

static enum type_class put_bytes(struct ddl_random *g, FILE *out)
{
    static const char *const blob[] = {"BLOB",      "TINYBLOB",  "MEDIUMBLOB",  "LONGBLOB",      "LONG VARBINARY",
                                       "BLOB(255)", "BLOB(256)", "BLOB(70000)", "BLOB(20000000)"};
    if (one_in(g, 2)) {
        fputs(PICK(g, blob), out);
        return BLOB;
    }
    if (one_in(g, 10))
        fputs("BINARY", out);
    else
        fprintf(out, "%s(%u)", one_in(g, 2) ? "BINARY" : "VARBINARY", (unsigned)ddl_random_below(g, 50));
    return TEXT;
}

static void put_time(struct ddl_random *g, FILE *out)
{
    static const char *const type[] = {"DATE", "TIME", "DATETIME", "TIMESTAMP", "TIMESTAMP", "YEAR", "YEAR(4)"};
    const char *word = PICK(g, type);
    fputs(word, out);
    if (word[0] != 'Y' && strcmp(word, "DATE") != 0 && one_in(g, 3))
        fprintf(out, "(%u)", (unsigned)ddl_random_below(g, 7));
}

static enum type_class put_other(struct ddl_random *g, FILE *out)
{
    static const char *const geometry[] = {"GEOMETRY", "POINT",      "LINESTRING",
                                           "POLYGON",  "MULTIPOINT", "GEOMETRYCOLLECTION"};
    static const char *const mariadb[] = {"INET6", "UUID", "INET4"};
    if (g->knows_uuid && one_in(g, 3))
        fputs(PICK(g, mariadb), out);
    else if (at_least(g, 50708, 100207) && one_in(g, 2))
        fputs("JSON", out);
    else if (at_least(g, 90000, 0) && one_in(g, 3))
        fputs(one_in(g, 2) ? "VECTOR" : "VECTOR(3)", out);
    else
        fputs(PICK(g, geometry), out);
    return OTHER;
}

static enum type_class put_type(struct ddl_random *g, FILE *out)
{
    switch (ddl_random_below(g, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: put_number(g, out); return NUMBER;
    case 4:
    case 5:
    case 6: return put_text(g, out);
    case 7: return put_bytes(g, out);
    case 8:
    case 9: put_time(g, out); return TIME;
    case 10: put_labels(g, out); return LABELS;
    default: return put_other(g, out);
    }
}

static void put_attributes(struct ddl_random *g, FILE *out, enum type_class class)
{
    if (one_in(g, 3)) fputs(one_in(g, 3) ? " NULL" : " NOT NULL", out);
    if (one_in(g, 5) && class == NUMBER) fputs(one_in(g, 2) ? " DEFAULT 1" : " DEFAULT '1'", out);
    if (one_in(g, 5) && class == TEXT) fputs(one_in(g, 2) ? " DEFAULT ''" : " DEFAULT 'it''s' ", out);
    if (one_in(g, 30)) fputs(" DEFAULT NULL", out);
    if (one_in(g, 10) && class == TIME) fputs(" DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP()", out);
    if (one_in(g, 10) && at_least(g, 80013, 100201) && class == NUMBER) fputs(" DEFAULT (1 + (2))", out);
    if (one_in(g, 8)) fputs(" COMMENT 'a, (b'", out);
    if (one_in(g, 20)) fputs(" /*!50000 COMMENT 'x' */", out);
    if (one_in(g, 20)) fputs(" /*!99999 no such words */", out);
    if (one_in(g, 10) && class <= TEXT) fputs(one_in(g, 2) ? " UNIQUE" : " UNIQUE KEY", out);
    if (one_in(g, 25) && class <= TEXT) fputs(one_in(g, 2) ? " PRIMARY KEY" : " KEY", out);
    if (one_in(g, 20) && class == NUMBER) fputs(" AUTO_INCREMENT", out);
    if (one_in(g, 12) && at_least(g, 80023, 100303)) fputs(" INVISIBLE", out);
    if (one_in(g, 20) && at_least(g, 80016, 100201)) fputs(" CHECK (1 > 0)", out);
    if (one_in(g, 25) && !g->server.is_mariadb) fputs(" COLUMN_FORMAT DYNAMIC", out);
}

static void put_definition(struct ddl_random *g, FILE *out)
{
    if (one_in(g, 25)) {
        fputs("SERIAL", out);
        return;
    }
    if (one_in(g, 10) && at_least(g, 50706, 100201)) {
        static const char *const kind[] = {" STORED", " VIRTUAL", "", " PERSISTENT"};
        const char *k = kind[ddl_random_below(g, g->server.is_mariadb ? 4 : 3)];
        fprintf(out, "%s %sAS (%s)%s", one_in(g, 2) ? "INT" : "VARCHAR(20)", one_in(g, 2) ? "GENERATED ALWAYS " : "",
                one_in(g, 2) ? "1 + 2" : "concat('a(', 'b')", k);
        return;
    }
    enum type_class class = put_type(g, out);
    if (class != NUMBER && class != OTHER && class != TIME && one_in(g, 15))
        fprintf(out, " COLLATE %s", random_collation(g));
    put_attributes(g, out, class);
}

/* ---- keys ---- */

static void put_parts(struct ddl_random *g, FILE *out, const struct catalog_table *t, const char *const *fresh,
                      uint64_t fresh_count)
{
    uint64_t count = one_in(g, 2) ? 1 : 1 + ddl_random_below(g, 3);
    fputs("(", out);
    for (uint64_t i = 0; i < count; i++) {
        if (i != 0) fputs(",", out);
        if (at_least(g, 80013, 0) && !g->lacks_expressions && one_in(g, 12)) {
            fputs("(1 + 1)", out);
            continue;
        }
        put_name(g, out, fresh_count != 0 ? fresh[ddl_random_below(g, fresh_count)] : old_column(g, t));
        if (one_in(g, 6)) fprintf(out, "(%u)", 1 + (unsigned)ddl_random_below(g, one_in(g, 8) ? 900 : 12));
        if (one_in(g, 6)) fputs(one_in(g, 2) ? " DESC" : " ASC", out);
    }
    fputs(")", out);
}

static void put_key(struct ddl_random *g, FILE *out, const struct catalog_table *t, const char *const *fresh,
                    uint64_t fresh_count)
{
    static const char *const kind[] = {"KEY", "INDEX", "UNIQUE", "UNIQUE KEY",   "UNIQUE INDEX", "UNIQUE",
                                       "KEY", "INDEX", "KEY",    "FULLTEXT KEY", "SPATIAL INDEX"};
    if (one_in(g, 5)) {
        if (one_in(g, 4)) fputs("CONSTRAINT pk ", out);
        fputs("PRIMARY KEY ", out);
    } else if (one_in(g, 8) && at_least(g, 50700, 100000)) {
        /* MySQL 5.6.24 ends in some ALTERs of tables that have one (InnoDB, "Failing assertion: s"). */
        const struct catalog_table *parent = any_table(g);
        if (one_in(g, 2)) fprintf(out, "CONSTRAINT f%u ", (unsigned)ddl_random_below(g, 100000));
        fputs("FOREIGN KEY ", out);
        if (one_in(g, 3)) fprintf(out, "i%u ", (unsigned)ddl_random_below(g, 4));
        fputc('(', out);
        put_name(g, out, fresh_count != 0 ? fresh[ddl_random_below(g, fresh_count)] : old_column(g, t));
        fputs(") REFERENCES ", out);
        put_old_table(g, out, parent);
        fputs(" (", out);
        put_name(g, out, old_column(g, parent));
        fputs(one_in(g, 2) ? ") ON DELETE CASCADE" : ")", out);
        return;
    } else {
        const char *word = PICK(g, kind);
        if (word[0] == 'U' && one_in(g, 4)) fprintf(out, "CONSTRAINT u%u ", (unsigned)ddl_random_below(g, 3));
        fprintf(out, "%s ", word);
        if (g->server.is_mariadb && one_in(g, 8)) fputs("IF NOT EXISTS ", out);
        if (one_in(g, 2)) put_name(g, out, PICK(g, keys));
    }
    put_parts(g, out, t, fresh, fresh_count);
    if (one_in(g, 10)) fputs(" USING BTREE", out);
    if (one_in(g, 14)) fputs(" USING HASH", out);
    if (one_in(g, 10)) fputs(" COMMENT 'k'", out);
    if (one_in(g, 15) && at_least(g, 80000, 0)) fputs(" INVISIBLE", out);
}

/* MySQL 5.6 and 5.7 cannot read the names again that they quote there, in any later ALTER, under ANSI_QUOTES. */
static bool may_partition(const struct ddl_random *g)
{
    return at_least(g, 80000, 100000);
}

/* ---- CREATE TABLE ---- */

static void put_options(struct ddl_random *g, FILE *out)
{
    static const char *const option[] = {" ENGINE=InnoDB",      " ENGINE = MyISAM", " COMMENT='a b'",
                                         " ROW_FORMAT=DYNAMIC", " CHECKSUM=1",      " AUTO_INCREMENT=7",
                                         " MAX_ROWS 100",       " ENGINE InnoDB",   " PACK_KEYS DEFAULT"};
    if (one_in(g, 3)) fputs(PICK(g, option), out);
    if (one_in(g, 3))
        fprintf(out, " %sCHARACTER SET%s%s", one_in(g, 2) ? "DEFAULT " : "", one_in(g, 2) ? " = " : " ",
                random_charset(g));
    if (one_in(g, 6)) fprintf(out, " COLLATE %s", random_collation(g));
    if (one_in(g, 40)) fputs(" CHARACTER SET DEFAULT", out);
    if (one_in(g, 6)) fputs(PICK(g, option), out);
}

static void put_create_table(struct ddl_random *g, FILE *out)
{
    const char *fresh[8];
    uint64_t count = 1 + ddl_random_below(g, 7), key_count = ddl_random_below(g, 3);
    bool is_maria = g->server.is_mariadb, is_replacing = is_maria && one_in(g, 5),
         is_optional = !is_replacing && one_in(g, 4);
    fprintf(out, "CREATE %sTABLE %s", is_replacing ? "OR REPLACE " : "", is_optional ? "IF NOT EXISTS " : "");
    put_new_table(g, out);
    const struct catalog_table *other = any_table(g);
    if (one_in(g, 8)) {
        bool in_parentheses = one_in(g, 2);
        fputs(in_parentheses ? " (LIKE " : " LIKE ", out);
        put_old_table(g, out, other);
        if (in_parentheses) fputs(")", out);
        return;
    }
    if (one_in(g, 12)) {
        if (one_in(g, 2)) put_options(g, out);
        fputs(one_in(g, 2) ? " AS SELECT * FROM " : " SELECT 1 AS one, 'x' AS `a b`, t.* FROM ", out);
        put_old_table(g, out, other);
        fputs(" AS t", out);
        return;
    }
    fputs(" (", out);
    for (uint64_t i = 0; i < count; i++) {
        if (i != 0) fputs(",", out);
        put_blank(g, out);
        fresh[i] = PICK(g, columns);
        for (uint64_t k = 0; k < i && !one_in(g, 50);) { /* mostly another one than before */
            k = strcasecmp(fresh[k], fresh[i]) == 0 ? 0 : k + 1;
            if (k == 0) fresh[i] = PICK(g, columns);
        }
        put_name(g, out, fresh[i]);
        put_blank(g, out);
        put_definition(g, out);
    }
    for (uint64_t i = 0; i < key_count; i++) {
        fputs(", ", out);
        put_key(g, out, NULL, fresh, count);
    }
    if (one_in(g, 15) && at_least(g, 80016, 100201)) fputs(", CONSTRAINT CHECK (1 = 1)", out);
    fputs(")", out);
    put_options(g, out);
    if (one_in(g, 20) && is_maria) fputs(" WITH SYSTEM VERSIONING", out);
    if (one_in(g, 20) && may_partition(g)) {
        fputs(" /*!50100 PARTITION BY KEY (", out);
        put_name(g, out, fresh[0]);
        fputs(") PARTITIONS 3 */", out);
    }
}

/* ---- ALTER TABLE ---- */

static void put_place(struct ddl_random *g, FILE *out, const struct catalog_table *t)
{
    if (one_in(g, 4)) {
        fputs(" FIRST", out);
    } else if (one_in(g, 3)) {
        fputs(" AFTER ", out);
        put_name(g, out, old_column(g, t));
    }
}

static const char *if_exists(struct ddl_random *g, bool is_not)
{
    if (!g->server.is_mariadb || !one_in(g, 5)) return "";
    return is_not ? "IF NOT EXISTS " : "IF EXISTS ";
}

static void put_add_column(struct ddl_random *g, FILE *out, const struct catalog_table *t)
{
    if (one_in(g, 6)) {
        fputs("ADD COLUMN (", out);
        put_name(g, out, new_column(g, t));
        fputs(" INT, ", out);
        put_name(g, out, new_column(g, t));
        fputc(' ', out);
        put_definition(g, out);
        if (one_in(g, 3)) {
            fputs(", ", out);
            put_key(g, out, t, NULL, 0);
        }
        fputs(")", out);
        return;
    }
    bool has_word = one_in(g, 2);
    fprintf(out, "ADD %s%s", has_word ? "COLUMN " : "", has_word ? if_exists(g, true) : "");
    put_name(g, out, new_column(g, t));
    fputc(' ', out);
    put_definition(g, out);
    put_place(g, out, t);
}

static void put_drop_key(struct ddl_random *g, FILE *out, const struct catalog_table *t)
{
    if (one_in(g, 4)) {
        fputs("DROP PRIMARY KEY", out);
        return;
    }
    const char *name = t != NULL && t->key_count != 0 ? t->key[ddl_random_below(g, t->key_count)].name : "k0";
    if (one_in(g, 5) && at_least(g, 80019, 100201)) {
        fputs("DROP CONSTRAINT ", out);
    } else {
        fprintf(out, "DROP %s %s", one_in(g, 2) ? "KEY" : "INDEX", if_exists(g, false));
    }
    put_name(g, out, name);
}

static void put_rename_in(struct ddl_random *g, FILE *out, const struct catalog_table *t)
{
    if (one_in(g, 2) && at_least(g, 80003, 100502)) {
        fputs("RENAME COLUMN ", out);
        put_name(g, out, old_column(g, t));
        fputs(" TO ", out);
        put_name(g, out, new_column(g, t));
    } else if (at_least(g, 50701, 100502) && t != NULL && t->key_count != 0) {
        fputs("RENAME INDEX ", out);
        put_name(g, out, t->key[ddl_random_below(g, t->key_count)].name);
        fputs(" TO ", out);
        put_name(g, out, PICK(g, keys));
    } else {
        fputs(one_in(g, 2) ? "RENAME TO " : "RENAME ", out);
        put_new_table(g, out);
    }
}

static void put_convert(struct ddl_random *g, FILE *out)
{
    fprintf(out, "CONVERT TO CHARACTER SET %s", one_in(g, 12) ? "DEFAULT" : random_charset(g));
    if (one_in(g, 4)) fprintf(out, " COLLATE %s", random_collation(g));
}

/* Most are refused, for there are few tables with partitions; none changes a definition. */
static void put_partition_spec(struct ddl_random *g, FILE *out, const struct catalog_table *t)
{
    static const char *const form[] = {"ADD PARTITION PARTITIONS 2",
                                       "COALESCE PARTITION 1",
                                       "DROP PARTITION p0, p1",
                                       "ADD PARTITION (PARTITION p7 VALUES LESS THAN (7000) COMMENT = 'a, b')",
                                       "TRUNCATE PARTITION p0",
                                       "REBUILD PARTITION ALL",
                                       "ANALYZE PARTITION p0, p1",
                                       "REORGANIZE PARTITION p0 INTO (PARTITION a VALUES LESS THAN (5))"};
    if (one_in(g, 4)) {
        fprintf(out, "EXCHANGE PARTITION p0 WITH TABLE ");
        put_old_table(g, out, any_table(g));
    } else if (one_in(g, 2)) {
        fputs(PICK(g, form), out);
    } else if (one_in(g, 2)) {
        fputs("PARTITION BY HASH (", out);
        put_name(g, out, old_column(g, t));
        fputs(") PARTITIONS 3", out);
    } else {
        fputs("PARTITION BY RANGE (", out);
        put_name(g, out, old_column(g, t));
        fputs(") (PARTITION p0 VALUES LESS THAN (5), PARTITION `p1` VALUES LESS THAN MAXVALUE)", out);
    }
}

static void put_spec(struct ddl_random *g, FILE *out, const struct catalog_table *t)
{
    static const char *const plain[] = {
        "COMMENT 'x'",        "FORCE",          "DISABLE KEYS", "ENABLE KEYS",         "ENGINE=InnoDB",
        "ROW_FORMAT=DYNAMIC", "ALGORITHM=COPY", "LOCK=SHARED",  "ALGORITHM = DEFAULT", "REMOVE PARTITIONING"};
    switch (ddl_random_below(g, 16)) {
    case 0:
    case 1:
    case 2:
    case 3: put_add_column(g, out, t); return;
    case 4:
    case 5:
        fprintf(out, "DROP %s", one_in(g, 2) ? "COLUMN " : "");
        put_name(g, out, old_column(g, t));
        return;
    case 6:
    case 7:
        fprintf(out, "MODIFY COLUMN %s", if_exists(g, false));
        put_name(g, out, old_column(g, t));
        fputc(' ', out);
        put_definition(g, out);
        put_place(g, out, t);
        return;
    case 8:
    case 9:
        fprintf(out, "CHANGE %s", one_in(g, 2) ? "COLUMN " : "");
        put_name(g, out, old_column(g, t));
        fputc(' ', out);
        put_name(g, out, new_column(g, t));
        fputc(' ', out);
        put_definition(g, out);
        put_place(g, out, t);
        return;
    case 10:
        fputs("ADD ", out);
        put_key(g, out, t, NULL, 0);
        return;
    case 11: put_drop_key(g, out, t); return;
    case 12: put_rename_in(g, out, t); return;
    case 13:
        if (one_in(g, 2)) {
            put_convert(g, out);
        } else {
            fprintf(out, "DEFAULT CHARSET %s", random_charset(g));
            if (one_in(g, 3)) fprintf(out, " COLLATE %s", random_collation(g));
        }
        return;
    case 14:
        if (one_in(g, 3)) {
            fputs("ORDER BY ", out);
            put_name(g, out, old_column(g, t));
            return;
        }
        fputs("ALTER COLUMN ", out);
        put_name(g, out, old_column(g, t));
        fputs(one_in(g, 2) ? " DROP DEFAULT" : at_least(g, 80023, 0) ? " SET INVISIBLE" : " SET DEFAULT 1", out);
        return;
    default: fputs(PICK(g, plain), out);
    }
}

static void put_alter_table(struct ddl_random *g, FILE *out)
{
    const struct catalog_table *t = any_table(g);
    uint64_t count = one_in(g, 3) ? 1 + ddl_random_below(g, 4) : 1;
    fprintf(out, "ALTER TABLE %s", if_exists(g, false));
    put_old_table(g, out, t);
    if (one_in(g, 12) && may_partition(g)) {
        fputc(' ', out);
        put_partition_spec(g, out, t);
        return;
    }
    /* MySQL 9.7.4 ends when an expression is indexed and a column of the key dropped. */
    g->lacks_expressions = count > 1;
    for (uint64_t i = 0; i < count; i++) {
        fputs(i == 0 ? " " : ",", out);
        put_blank(g, out);
        put_spec(g, out, t);
    }
    g->lacks_expressions = false;
}

/* ---- the others ---- */

static void put_rename_tables(struct ddl_random *g, FILE *out)
{
    const struct catalog_table *a = any_table(g), *b = any_table(g);
    fputs("RENAME TABLE ", out);
    if (a != NULL && b != NULL && a != b && one_in(g, 2)) { /* as tools for changing large tables do */
        put_table_name(g, out, a->database, a->name);
        fputs(" TO ", out);
        put_table_name(g, out, a->database, "between");
        fputs(", ", out);
        put_table_name(g, out, b->database, b->name);
        fputs(" TO ", out);
        put_table_name(g, out, a->database, a->name);
        fputs(", ", out);
        put_table_name(g, out, a->database, "between");
        fputs(" TO ", out);
        put_table_name(g, out, b->database, b->name);
        return;
    }
    put_old_table(g, out, a);
    fputs(" TO ", out);
    put_new_table(g, out);
}

static void put_drop_tables(struct ddl_random *g, FILE *out)
{
    fprintf(out, "DROP %s %s", one_in(g, 8) ? "TABLES" : "TABLE", one_in(g, 2) ? "IF EXISTS " : "");
    put_old_table(g, out, any_table(g));
    if (!one_in(g, 4)) return;
    fputs(", ", out);
    put_old_table(g, out, any_table(g));
    if (one_in(g, 3)) fputs(" CASCADE", out);
}

static void put_index(struct ddl_random *g, FILE *out)
{
    const struct catalog_table *t = any_table(g);
    if (one_in(g, 3)) {
        const char *name = t != NULL && t->key_count != 0 ? t->key[ddl_random_below(g, t->key_count)].name : "k0";
        fprintf(out, "DROP INDEX %s", if_exists(g, false));
        put_name(g, out, name);
        fputs(" ON ", out);
        put_old_table(g, out, t);
        return;
    }
    bool is_replacing = g->server.is_mariadb && one_in(g, 4);
    fprintf(out, "CREATE %s%sINDEX ", is_replacing ? "OR REPLACE " : "", one_in(g, 3) ? "UNIQUE " : "");
    put_name(g, out, PICK(g, keys));
    fputs(one_in(g, 5) ? " USING BTREE ON " : " ON ", out);
    put_old_table(g, out, t);
    fputc(' ', out);
    put_parts(g, out, t, NULL, 0);
    if (one_in(g, 5)) fputs(" COMMENT 'i' ALGORITHM=DEFAULT", out);
}

static void put_database(struct ddl_random *g, FILE *out)
{
    if (one_in(g, 6)) {
        fprintf(out, "DROP DATABASE %s", one_in(g, 2) ? "IF EXISTS " : "");
        put_name(g, out, databases[2]); /* the session's default is one of the others */
        return;
    }
    bool is_alter = one_in(g, 2);
    fprintf(out, "%s %s ", is_alter ? "ALTER" : "CREATE", one_in(g, 2) ? "DATABASE" : "SCHEMA");
    if (!is_alter && one_in(g, 2)) fputs("IF NOT EXISTS ", out);
    if (!is_alter || one_in(g, 2)) put_name(g, out, PICK(g, databases));
    if (is_alter || one_in(g, 2))
        fprintf(out, " DEFAULT CHARACTER SET %s", one_in(g, 10) ? "DEFAULT" : random_charset(g));
    if (one_in(g, 4)) fprintf(out, " COLLATE %s", random_collation(g));
}

static void put_without_effect(struct ddl_random *g, FILE *out)
{
    static const char *const other[] = {
        "CREATE TEMPORARY TABLE t0 (nothing INT)",
        "DROP TEMPORARY TABLE IF EXISTS t0, t1",
        "CREATE PROCEDURE p() BEGIN CREATE TABLE t0 (a INT); END",
        "DROP PROCEDURE IF EXISTS p",
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
        "DROP FUNCTION IF EXISTS f",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DROP TABLE t0", /* MySQL 8 would do it at once */
        "DROP EVENT IF EXISTS e",
        "CREATE OR REPLACE VIEW v0 AS SELECT 1 AS one",
        "CREATE ALGORITHM=MERGE DEFINER=root@localhost SQL SECURITY INVOKER VIEW v1 AS SELECT 'x' AS a",
        "DROP VIEW IF EXISTS v0, v1",
        "RENAME TABLE v0 TO v1",
        "GRANT SELECT ON *.* TO admin@'%'",
        "ANALYZE TABLE t0",
        "FLUSH TABLES",
    };
    static const char *const mariadb[] = {
        "CREATE SEQUENCE s0", "CREATE OR REPLACE SEQUENCE s1 START WITH 5 ENGINE=MyISAM", "DROP SEQUENCE IF EXISTS s0",
        "DROP TABLE IF EXISTS s1", "SET STATEMENT max_statement_time=100 FOR CREATE TABLE t5 (from_set INT)"};
    fputs(g->server.is_mariadb && one_in(g, 4) ? PICK(g, mariadb) : PICK(g, other), out);
}

void ddl_random_statement(struct ddl_random *g, FILE *out)
{
    uint64_t kind = ddl_random_below(g, 100);
    if (one_in(g, 10)) fputs("/* from a tool */ ", out);
    if (kind < 22)
        put_create_table(g, out);
    else if (kind < 74)
        put_alter_table(g, out);
    else if (kind < 78)
        put_drop_tables(g, out);
    else if (kind < 83)
        put_rename_tables(g, out);
    else if (kind < 90)
        put_index(g, out);
    else if (kind < 93)
        put_database(g, out);
    else if (kind < 95) {
        fputs(one_in(g, 2) ? "TRUNCATE TABLE " : "TRUNCATE ", out);
        put_old_table(g, out, any_table(g));
    } else
        put_without_effect(g, out);
}

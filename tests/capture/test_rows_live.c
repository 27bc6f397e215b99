/* Goal: rows decoded from a real server's binlog files, with definitions from its information_schema, equal what SELECT
 * gives. Method: tables of all types are filled with edge values and at random (fixed seed), changed and thinned out;
 * then the binlog files are replayed from disk and every table is compared value by value.  Run by tests/servers, which
 * sets MILLRACE_SOURCE_*. */
#include <check.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "capture/table_cache.h"
#include "capture/snapshot.h"
#include "tests/capture/definitions_support.h"
#include "tests/capture/rows_support.h"
#include "tests/suite.h"

enum { RANDOM_ROWS = 300, STATEMENT_BYTES = 1 << 16 };

static MYSQL *db;
static bool mariadb, has_json; /* JSON as a type of its own: MySQL 5.7 on */

static void execute(const char *sql)
{
    ck_assert_msg(mysql_real_query(db, sql, strlen(sql)) == 0, "%s: %.200s", mysql_error(db), sql);
    do {
        MYSQL_RES *result = mysql_store_result(db);
        mysql_free_result(result);
    } while (mysql_next_result(db) == 0);
}

/* The seam of capture/schema.h on a plain connection. */
static enum err run_query(struct source_stream *stream, const char *sql, source_row *row, void *row_context,
                          struct err_msg *msg)
{
    enum err e = ERR_OK;
    (void)stream;
    if (mysql_real_query(db, sql, strlen(sql)) != 0) return err_set(msg, ERR_IO, "%s: %s", mysql_error(db), sql);
    MYSQL_RES *result = mysql_store_result(db);
    uint32_t count = mysql_num_fields(result);
    for (MYSQL_ROW r; e == ERR_OK && (r = mysql_fetch_row(result)) != NULL;) {
        size_t bytes[16];
        for (uint32_t i = 0; i < count; i++) bytes[i] = mysql_fetch_lengths(result)[i];
        e = row(row_context, (const char *const *)r, bytes, count);
    }
    mysql_free_result(result);
    return e;
}

static const struct source_stream_ops query_ops = {.query = run_query};
static struct source_stream source = {&query_ops};
static struct told told;

/* Reads the definitions from the source's information_schema. */
static void read_definitions(const struct filter *filter)
{
    struct snapshot_rules rules;
    struct catalog *seen;
    struct horizon nothing = {0};
    struct err_msg msg = {0};
    const struct source_place at = {"binlog.000001", 4};
    ck_assert_msg(snapshot_rules_read(&source, mysql_get_server_info(db), &rules, &msg) == ERR_OK, "%s", msg.text);
    ck_assert(catalog_open(&seen, &rules.server) == ERR_OK);
    ck_assert_msg(snapshot_read(&source, filter, seen, &msg) == ERR_OK, "%s", msg.text);
    if (told.tracker == NULL) {
        told_open(&told, mysql_get_server_info(db), NULL, false, false);
        ck_assert(tracker_doubt(told.tracker, "", "", "nothing was read") == ERR_OK);
    }
    ck_assert_msg(tracker_learn(told.tracker, &at, seen, &nothing, &at, &msg) == ERR_OK, "%s", msg.text);
    schema_moved(told.definitions.schema);
}

/* ---- random SQL literals ---- */

static struct random dice;

static uint64_t below(uint64_t bound)
{
    return random_below(&dice, bound);
}

static void put_string(FILE *out, unsigned characters_max)
{
    static const char *const letter[] = {
        "a", "Z", "0", " ", "''", "\\\\", "\\0", "\\n", "\xc3\xa9", "\xe6\x97\xa5", "\xe4\xb8\xad", "%", "\"", "x"};
    fputc('\'', out);
    for (uint64_t n = below(characters_max + 1u); n != 0; n--)
        fputs(letter[below(sizeof letter / sizeof *letter)], out);
    fputc('\'', out);
}

static void put_digits(FILE *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++) fputc('0' + (int)below(below(3) == 0 ? 1 : 10), out);
}

static void put_hex(FILE *out, unsigned bytes_max)
{
    fputs("x'", out);
    for (uint64_t n = below(bytes_max + 1u); n != 0; n--)
        fprintf(out, "%02x", (unsigned)(below(3) == 0 ? 0 : below(256)));
    fputc('\'', out);
}

static void put_json(FILE *out, unsigned depth)
{
    static const char *const key[] = {"a", "bb", "key", "\xc3\xa9", "x y", "q\\\\\"", "", "long_key_of_some_length"};
    switch (below(depth == 0 ? 7 : 9)) {
    case 0: fputs("null", out); return;
    case 1: fputs(below(2) == 0 ? "true" : "false", out); return;
    case 2: fprintf(out, "%lld", (long long)(random_u64(&dice) >> below(64)) * (below(2) == 0 ? 1 : -1)); return;
    case 3: fprintf(out, "%llu", (unsigned long long)(random_u64(&dice) >> below(64))); return;
    case 4:
        fprintf(out, "%.*g", 1 + (int)below(17),
                (double)(int64_t)random_u64(&dice) * 1e-9 / (double)(1 + below(1000000)));
        return;
    case 5:
        fprintf(out, "%lld.%llue%d", (long long)below(100) - 50, (unsigned long long)below(1000), (int)below(40) - 20);
        return;
    case 6: fputs("\"text \\\\\" \\\\\\\\ \\\\n \\\\u0001 \xe6\x97\xa5 /\"", out); return;
    case 7:
        fputc('[', out);
        for (uint64_t n = below(6), i = 0; i < n; i++) {
            if (i != 0) fputc(',', out);
            put_json(out, depth - 1);
        }
        fputc(']', out);
        return;
    default:
        fputc('{', out);
        for (uint64_t n = below(5), i = 0; i < n; i++) {
            fprintf(out, "%s\"%s%llu\":", i == 0 ? "" : ",", key[below(8)], (unsigned long long)i);
            put_json(out, depth - 1);
        }
        fputc('}', out);
    }
}

static void put_date(FILE *out)
{
    if (below(8) == 0)
        fputs("0000-00-00", out);
    else
        fprintf(out, "%04u-%02u-%02u", 1000 + (unsigned)below(9000), 1 + (unsigned)below(12), 1 + (unsigned)below(28));
}

static void put_clock(FILE *out)
{
    fprintf(out, "%02u:%02u:%02u.%06u", (unsigned)below(24), (unsigned)below(60), (unsigned)below(60),
            (unsigned)below(1000000));
}

struct random_column {
    const char *type;
    char kind; /* of literal, see put_literal */
    unsigned a, b;
};

static const struct random_column random_column[] = {
    {"TINYINT", 'i', 8, 0},
    {"TINYINT UNSIGNED", 'u', 8, 0},
    {"SMALLINT", 'i', 16, 0},
    {"MEDIUMINT", 'i', 24, 0},
    {"MEDIUMINT UNSIGNED", 'u', 24, 0},
    {"INT", 'i', 32, 0},
    {"INT UNSIGNED", 'u', 32, 0},
    {"BIGINT", 'i', 64, 0},
    {"BIGINT UNSIGNED", 'u', 64, 0},
    {"BIT(1)", 'u', 1, 0},
    {"BIT(13)", 'u', 13, 0},
    {"BIT(64)", 'u', 64, 0},
    {"SMALLINT UNSIGNED", 'u', 16, 0},
    {"FLOAT", 'f', 0, 0},
    {"DOUBLE", 'f', 0, 0},
    {"DECIMAL(65,30)", 'd', 35, 30},
    {"DECIMAL(10,0)", 'd', 10, 0},
    {"DECIMAL(12,12)", 'd', 0, 12},
    {"DECIMAL(19,5)", 'd', 14, 5},
    {"DATE", 'D', 0, 0},
    {"YEAR", 'y', 0, 0},
    {"TIME", 'T', 0, 0},
    {"INT UNSIGNED", 'u', 32, 0},
    {"TIME(1)", 'T', 0, 0},
    {"TIME(3)", 'T', 0, 0},
    {"TIME(4)", 'T', 0, 0},
    {"TIME(6)", 'T', 0, 0},
    {"DATETIME", 'M', 0, 0},
    {"DATETIME(2)", 'M', 0, 0},
    {"DATETIME(5)", 'M', 0, 0},
    {"DATETIME(6)", 'M', 0, 0},
    {"TIMESTAMP NULL", 'S', 0, 0},
    {"TIMESTAMP(3) NULL", 'S', 0, 0},
    {"TIMESTAMP(6) NULL", 'S', 0, 0},
    {"CHAR(10)", 's', 10, 0},
    {"CHAR(255)", 's', 255, 0},
    {"CHAR(20) CHARACTER SET latin1", 's', 20, 0},
    {"VARCHAR(20)", 's', 20, 0},
    {"VARCHAR(500)", 's', 300, 0},
    {"VARCHAR(50) CHARACTER SET gbk", 's', 50, 0},
    {"VARCHAR(50) CHARACTER SET ucs2", 's', 50, 0},
    {"BINARY(9)", 'h', 9, 0},
    {"BINARY(255)", 'h', 40, 0},
    {"VARBINARY(40)", 'h', 40, 0},
    {"TINYTEXT", 's', 60, 0},
    {"TEXT", 's', 400, 0},
    {"LONGTEXT", 's', 400, 0},
    {"MEDIUMBLOB", 'h', 400, 0},
    {"ENUM('a','b,c','d''e','back\\\\slash','\xc3\xa9')", 'u', 2, 0},
    {"SET('x','y','it''s','z')", 'u', 4, 0},
    {"JSON", 'j', 0, 0},
};
enum { RANDOM_COLUMNS = sizeof random_column / sizeof *random_column };

static void put_literal(FILE *out, const struct random_column *c)
{
    uint64_t bits = c->kind == 'u' || c->kind == 'i' ? random_u64(&dice) >> (64 - c->a) : 0;
    if (below(10) == 0) {
        fputs("NULL", out);
        return;
    }
    switch (c->kind) {
    case 'u': fprintf(out, "%llu", (unsigned long long)(below(6) == 0 ? ~0ull >> (64 - c->a) : bits)); return;
    case 'i':
        if (below(6) == 0)
            fprintf(out, "-%llu", 1ull << (c->a - 1));
        else
            fprintf(out, "%lld", (long long)(bits >> 1) * (below(2) == 0 ? 1 : -1));
        return;
    case 'f': fprintf(out, "%.17g", (double)(int64_t)random_u64(&dice) / (double)(1ull << below(63))); return;
    case 'd':
        if (below(2) == 0) fputc('-', out);
        put_digits(out, c->a == 0 ? 1 : 1 + (unsigned)below(c->a));
        fputc('.', out);
        put_digits(out, (unsigned)below(c->b + 1));
        fputc('0', out);
        return;
    case 'D':
    case 'M':
        fputc('\'', out);
        put_date(out);
        if (c->kind == 'M') fputc(' ', out);
        if (c->kind == 'M') put_clock(out);
        fputc('\'', out);
        return;
    case 'S':
        fprintf(out, "'%04u-%02u-%02u ", 1971 + (unsigned)below(66), 1 + (unsigned)below(12), 1 + (unsigned)below(28));
        put_clock(out);
        fputc('\'', out);
        return;
    case 'T':
        fprintf(out, "'%s%02u:%02u:%02u.%06u'", below(2) == 0 ? "-" : "", (unsigned)below(below(2) == 0 ? 2 : 839),
                (unsigned)below(60), (unsigned)below(60), (unsigned)(below(3) == 0 ? below(100) : below(1000000)));
        return;
    case 'y': fprintf(out, "%u", below(5) == 0 ? 0 : 1901 + (unsigned)below(255)); return;
    case 's': put_string(out, c->a); return;
    case 'h': put_hex(out, c->a); return;
    default:
        fputc('\'', out);
        put_json(out, 4);
        fputc('\'', out);
    }
}

static void fill_at_random(void)
{
    static char sql[STATEMENT_BYTES];
    FILE *out = fmemopen(sql, sizeof sql, "w");
    fputs("CREATE TABLE t_random (id INT PRIMARY KEY", out);
    for (int i = 0; i < RANDOM_COLUMNS; i++)
        fprintf(out, ", c%d %s", i, random_column[i].kind == 'j' && !has_json ? "LONGTEXT" : random_column[i].type);
    fputs(") DEFAULT CHARSET utf8mb4 ROW_FORMAT=DYNAMIC", out);
    fclose(out);
    execute(sql);
    for (int id = 1; id <= RANDOM_ROWS; id++) {
        out = fmemopen(sql, sizeof sql, "w");
        fprintf(out, "INSERT IGNORE INTO t_random VALUES (%d", id);
        for (int i = 0; i < RANDOM_COLUMNS; i++) {
            fputs(", ", out);
            put_literal(out, &random_column[i]);
        }
        fputs(")", out);
        fclose(out);
        execute(sql);
        uint64_t column = below(RANDOM_COLUMNS), other = below(RANDOM_COLUMNS);
        out = fmemopen(sql, sizeof sql, "w");
        if (id % 7 == 0) {
            fprintf(out, "DELETE FROM t_random WHERE id = %d", 1 + (int)below((uint64_t)id));
        } else {
            fprintf(out, "UPDATE IGNORE t_random SET c%d = ", (int)column);
            put_literal(out, &random_column[column]);
            fprintf(out, ", c%d = ", (int)other);
            put_literal(out, &random_column[other]);
            fprintf(out, " WHERE id IN (%d, %d)", id, 1 + (int)below((uint64_t)id));
        }
        fclose(out);
        execute(sql);
    }
}

/* ---- fixed tables ---- */

static const char *const fixed[] = {
    "CREATE TABLE `it's ``a`` \\name` (id INT PRIMARY KEY, `col'``\\` VARCHAR(5), UNIQUE KEY `u'1` (`col'``\\`))",
    "INSERT INTO `it's ``a`` \\name` VALUES (1, 'x'), (2, NULL)",
    "CREATE TABLE keys_ (c INT NOT NULL, a INT NOT NULL, b VARCHAR(10), UNIQUE KEY z (b), UNIQUE KEY a_b (a, b), KEY "
    "plain (a), PRIMARY KEY (a, c))",
    "INSERT INTO keys_ VALUES (1, 2, 'x')",
    "CREATE TABLE no_rows (id INT PRIMARY KEY, e ENUM('\\\\n', 'nl\\n', '\\'', '\\\"'))",
    "INSERT INTO no_rows VALUES (1, 1), (2, 2), (3, 3), (4, 4)",
    "CREATE TABLE labels (id INT PRIMARY KEY, e ENUM('a','\xe6\x97\xa5','it''s, \"x\"') CHARACTER SET gbk, s "
    "SET('one','tw o') CHARACTER SET latin1)",
    NULL};

static const char *const mariadb_only[] = {
    "CREATE TABLE special (id INT PRIMARY KEY, u UUID, i4 INET4, i6 INET6)",
    "INSERT INTO special VALUES (1, '123e4567-e89b-12d3-a456-426655440000', '10.0.0.0', '2001:db8::1'),"
    " (2, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '0.0.0.0', '::'), (3, '01890a5d-ac96-774b-bcce-b302099a8057', "
    "'255.255.255.255', '::ffff:1.2.3.4'),"
    " (4, '00000000-0000-0000-0000-000000000001', NULL, '::1.2.3.4'), (5, NULL, '1.2.3.0', '1:0:2:3:4:5:6:7'),"
    " (6, 'a8098c1a-f86e-11da-bd1a-00112444be1e', '0.0.0.1', '1:0:0:2::'), (7, UUID(), NULL, 'fe80::1'), (8, UUID(), "
    "NULL, '::1'), (9, UUID(), NULL, '0:0:1::')",
    "CREATE TABLE hashed (id INT PRIMARY KEY, b BLOB, UNIQUE KEY (b))", "INSERT INTO hashed VALUES (1, 'x'), (2, NULL)",
    NULL};

static const char *const json_opaque[] = {
    "CREATE TABLE j (id INT PRIMARY KEY, d JSON)",
    "INSERT INTO j VALUES (1, JSON_OBJECT('d', CAST('2020-01-02' AS DATE), 't', CAST('-12:13:14.567' AS TIME(6)), "
    "'t0', CAST('838:59:59' AS TIME),"
    " 'dt', CAST('2020-01-02 03:04:05.678901' AS DATETIME(6)), 'dec', CAST(-0.00012 AS DECIMAL(20,6)), 'b', x'00FF', "
    "'y', CAST(REPEAT('y', 200) AS BINARY)))",
    "INSERT INTO j SELECT 2, JSON_ARRAY(REPEAT('x', 70000), 1, JSON_OBJECT('k', REPEAT('\\n', 300)), 1e0, 1.5e300, "
    "-0e0, 65536, 4294967296)",
    "INSERT INTO j SELECT 3, CONCAT('[', REPEAT('[1,\"aa\",{\"k\":70000}],', 4000), '0]')",
    "UPDATE j SET d = JSON_SET(d, '$.new', 1) WHERE id = 1",
    NULL};

static void prepare_source(void)
{
    db = mysql_init(NULL);
    ck_assert(mysql_real_connect(db, NULL, "admin", "admin-secret", NULL, 0, getenv("MILLRACE_SOURCE_SOCKET"), 0) !=
              NULL);
    mariadb = strstr(mysql_get_server_info(db), "MariaDB") != NULL;
    has_json = !mariadb && mysql_get_server_version(db) >= 50700;
    execute("SET NAMES utf8mb4");
    execute("SET SESSION sql_mode = ''");
    execute("SET SESSION time_zone = '+00:00'");
    execute("CREATE DATABASE live DEFAULT CHARACTER SET utf8mb4");
    execute("USE live");
    for (size_t i = 0; fixed[i] != NULL; i++) execute(fixed[i]);
    execute("SET NAMES utf8mb4");
    execute("INSERT INTO labels VALUES (1, '\xe6\x97\xa5', 'tw o'), (2, 'it''s, \"x\"', 'one,tw o'), (3, '', '')");
    for (size_t i = 0; mariadb && mariadb_only[i] != NULL; i++) execute(mariadb_only[i]);
    for (size_t i = 0; has_json && json_opaque[i] != NULL; i++) execute(json_opaque[i]);
    fill_at_random();
    execute("FLUSH BINARY LOGS");
}

/* ---- replay and comparison ---- */

struct live_table {
    const struct schema_table *definition;
    struct row_list rows;
};
static struct live_table table[16];
static size_t table_count;

static struct row_list *rows_of(const struct schema_table *definition)
{
    for (size_t i = 0; i < table_count; i++)
        if (table[i].definition == definition) return &table[i].rows;
    ck_assert_uint_lt(table_count, 16);
    table[table_count] = (struct live_table){.definition = definition};
    return &table[table_count++].rows;
}

static void replay_file(struct table_cache *cache, struct row_arena *arena, struct binlog_file *f)
{
    static struct change_value before[SCHEMA_COLUMNS_MAX], after[SCHEMA_COLUMNS_MAX];
    struct binlog_file_event e;
    struct table_entry *entry;
    struct rows_event event;
    struct row_reader reader;
    struct err_msg msg;

    while (binlog_file_next(f, &e)) {
        if (e.type == EVENT_TABLE_MAP)
            ck_assert_msg(table_cache_map(cache, e.body, e.size, &entry, &msg) == ERR_OK, "%s", msg.text);
        if (!(e.type >= 23 && e.type <= 25) && !(e.type >= 30 && e.type <= 32)) continue;
        ck_assert_msg(table_cache_rows(cache, e.type, e.body, e.size, &event, &entry, &msg) == ERR_OK, "%s", msg.text);
        if (entry == NULL || !entry->is_selected) continue;
        struct row_list *rows = rows_of(entry->definition);
        ck_assert_msg(row_reader_init(&reader, &event, &entry->decoder, arena, &msg) == ERR_OK, "%s", msg.text);
        while (row_reader_more(&reader)) {
            ck_assert_msg(row_reader_next(&reader, before, after, &msg) == ERR_OK, "%s", msg.text);
            if (reader.is_history) continue;
            ck_assert_msg(row_list_apply(rows, &entry->definition->table, reader.operation, before, after),
                          "%s: no such row", entry->table);
        }
    }
    ck_assert_uint_eq(f->at, f->size);
}

static bool equals(const struct change_column *c, const struct cell *cell, const char *text, unsigned long bytes)
{
    if (text == NULL || cell->bytes == NULL) return text == NULL && cell->bytes == NULL;
    if (c->type == CHANGE_FLOAT || c->type == CHANGE_DOUBLE) return strtod(text, NULL) == strtod(cell->bytes, NULL);
    return bytes == cell->size && memcmp(text, cell->bytes, bytes) == 0;
}

static void compare(const struct live_table *t)
{
    static char sql[STATEMENT_BYTES];
    const struct change_table *d = &t->definition->table;
    FILE *out = fmemopen(sql, sizeof sql, "w");
    size_t seen = 0;

    for (uint16_t i = 0; i < d->column_count; i++) {
        fputs(i == 0 ? "SELECT `" : ", `", out);
        for (const char *at = d->column[i].name; *at != 0; at++) {
            if (*at == '`') fputc('`', out);
            fputc(*at, out);
        }
        enum change_type type = d->column[i].type;
        fputs(type == CHANGE_FLOAT || type == CHANGE_DOUBLE ? "` * 1e0" : type == CHANGE_BIT ? "` + 0" : "`", out);
    }
    fputs(" FROM `", out);
    for (const char *at = d->table; *at != 0; at++) {
        if (*at == '`') fputc('`', out);
        fputc(*at, out);
    }
    fputs("`", out);
    fclose(out);
    /* Bytes as stored; but ENUM and SET labels are delivered in UTF-8. */
    execute(strcmp(d->table, "labels") == 0 ? "SET NAMES utf8mb4" : "SET SESSION character_set_results = NULL");
    ck_assert_msg(mysql_query(db, sql) == 0, "%s", mysql_error(db));
    MYSQL_RES *result = mysql_store_result(db);
    for (MYSQL_ROW r; (r = mysql_fetch_row(result)) != NULL; seen++) {
        const unsigned long *bytes = mysql_fetch_lengths(result);
        size_t at = 0;
        uint16_t best = 0;
        for (; at < t->rows.count; at++) {
            uint16_t i = 0;
            while (i < d->column_count && equals(&d->column[i], &t->rows.row[at][i], r[i], bytes[i])) i++;
            if (i > best && i < d->column_count) best = i;
            if (i == d->column_count) break;
        }
        if (at < t->rows.count) continue;
        for (at = 0; at < t->rows.count && !equals(&d->column[0], &t->rows.row[at][0], r[0], bytes[0]); at++) continue;
        ck_abort_msg("%s row %s: column %s %s: decoded \"%s\", SELECT gives \"%s\"", d->table, r[0],
                     d->column[best].name, t->definition->column[best].type_text,
                     at == t->rows.count ? "(no row)" : t->rows.row[at][best].bytes, r[best]);
    }
    mysql_free_result(result);
    ck_assert_msg(seen == t->rows.count, "%s: %zu rows decoded, %zu selected", d->table, t->rows.count, seen);
}

static void check_keys(void)
{
    const struct schema_table *t = told_find(&told, "live", "keys_");
    static const struct {
        const char *name;
        uint16_t count, column[2];
    } expected[] = {{"PRIMARY", 2, {1, 0}}, {"a_b", 2, {1, 2}}, {"z", 1, {2, 0}}};
    ck_assert(t != NULL);
    ck_assert_uint_eq(t->table.key_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(t->table.key[i].name, expected[i].name);
        ck_assert_uint_eq(t->table.key[i].column_count, expected[i].count);
        for (int k = 0; k < expected[i].count; k++) ck_assert_uint_eq(t->table.key[i].column[k], expected[i].column[k]);
    }
}

/* A table whose definition is doubted is read again: unchanged it stays the same object, changed it is another, dropped
 * it is gone. */
static void check_reload(const struct filter *filter)
{
    static const char name[] = "it's `a` \\name";
    const struct schema_table *before = told_find(&told, "live", name);
    uint64_t version = before->table.meta_version;
    ck_assert_str_eq(before->table.column[1].name, "col'`\\");
    ck_assert_str_eq(before->table.key[1].name, "u'1");
    ck_assert(tracker_doubt(told.tracker, "live", name, "a test") == ERR_OK);
    ck_assert_ptr_null(told_find(&told, "live", name));
    read_definitions(filter);
    ck_assert_ptr_eq(told_find(&told, "live", name), before);
    execute("ALTER TABLE `it's ``a`` \\name` DROP KEY `u'1`");
    ck_assert(tracker_doubt(told.tracker, "live", name, "a test") == ERR_OK);
    read_definitions(filter);
    ck_assert_uint_ne(told_find(&told, "live", name)->table.meta_version, version);
    execute("DROP TABLE `it's ``a`` \\name`");
    ck_assert(tracker_doubt(told.tracker, "live", name, "a test") == ERR_OK);
    read_definitions(filter);
    const struct catalog_table *gone;
    ck_assert_int_eq(tracker_find(told.tracker, "live", name, &gone, NULL), TRACKER_ABSENT);
}

START_TEST(decoded_equals_selected)
{
    static const char *const include[] = {"live.*", NULL};
    struct filter *filter;
    struct table_cache *cache;
    struct row_arena arena;
    struct err_msg msg;

    random_init(&dice, 20261120);
    prepare_source();
    ck_assert(filter_open(&filter, include, NULL, false, &msg) == ERR_OK);
    read_definitions(filter);
    check_keys();
    ck_assert(table_cache_open(&cache, &told.definitions, filter) == ERR_OK);
    ck_assert(row_arena_init(&arena, 1024, 1 << 20) == ERR_OK);
    unsigned files = 0;
    for (unsigned i = 1; i < 20; i++) {
        char path[600];
        struct binlog_file f;
        snprintf(path, sizeof path, "%s/data/binlog.%06u", getenv("MILLRACE_SOURCE_FOLDER"), i);
        if (!binlog_file_open(&f, path)) break;
        table_cache_reset(cache);
        replay_file(cache, &arena, &f);
        binlog_file_close(&f);
        files++;
    }
    ck_assert_uint_ge(files, 1);
    ck_assert_uint_eq(table_count, 4 + (mariadb ? 3 : has_json ? 2 : 1));
    for (size_t i = 0; i < table_count; i++) {
        compare(&table[i]);
        row_list_free(&table[i].rows, table[i].definition->table.column_count);
    }
    check_reload(filter);
    row_arena_fini(&arena);
    table_cache_close(cache);
    told_close(&told);
    filter_close(filter);
    mysql_close(db);
}
END_TEST

int main(void)
{
    if (getenv("MILLRACE_SOURCE_SOCKET") == NULL) {
        printf("skipped: no source; run it with tests/servers run KIND -- %s\n", "test_rows_live");
        return 77;
    }
    Suite *suite = suite_create("rows_live");
    TCase *tests = tcase_create("live");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, decoded_equals_selected);
    suite_add_tcase(suite, tests);
    int failed = suite_run(suite);
    mysql_library_end();
    return failed;
}

/* Goal: of every type that a real server has, with its edge values, the rows rebuilt from the binlog's row changes
 * equal what SELECT gives, value for value, as text: once as stored, once with all text in utf8mb4.
 * Method: the SQL of tests/capture/sql for this server, a table for each of its character sets, a table as wide as it
 * can be; and, where the recordings lie beside the repository, all of their SQL.  Then the binlog files are replayed
 * from disk.  With the name of a variant (a server that writes its binlog in another way) the recordings' SQL for that
 * alone.  Run by tests/servers, which sets MILLRACE_SOURCE_*. */
#include <check.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/snapshot.h"
#include "tests/capture/replay.h"
#include "tests/suite.h"

static MYSQL *db;
static const char *sql_folder, *variant; /* "": the server as it is */

static void execute(const char *sql)
{
    ck_assert_msg(mysql_real_query(db, sql, strlen(sql)) == 0, "%s: %.200s", mysql_error(db), sql);
    mysql_free_result(mysql_store_result(db));
}

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

/* Reads the definitions of now from the source's information_schema. */
static void read_definitions(struct replay *r)
{
    struct snapshot_rules rules;
    struct catalog *seen;
    struct horizon nothing = {0};
    struct err_msg msg = {0};
    const struct source_place at = {"binlog.000001", 4};
    ck_assert_msg(snapshot_rules_read(&source, mysql_get_server_info(db), &rules, &msg) == ERR_OK, "%s", msg.text);
    ck_assert(catalog_open(&seen, &rules.server) == ERR_OK);
    ck_assert_msg(snapshot_read(&source, r->filter, seen, &msg) == ERR_OK, "%s", msg.text);
    ck_assert(tracker_doubt(r->told.tracker, "", "", "nothing was read") == ERR_OK);
    ck_assert_msg(tracker_learn(r->told.tracker, &at, seen, &nothing, &at, &msg) == ERR_OK, "%s", msg.text);
    schema_moved(r->told.definitions.schema);
}

static bool is_kind(const char *prefix)
{
    const char *kind = getenv("MILLRACE_SOURCE_KIND");
    return strncmp(kind, prefix, strlen(prefix)) == 0;
}

/* ---- what happens on the server ---- */

/* A file through the client program, as a person would; `force`: over errors, which some of the recorded SQL wants. */
static void run_file(const char *path, bool force)
{
    char command[2048];
    snprintf(command, sizeof command,
             "sed 's|@@DIR@@|%s/tmp|g' '%s' | mariadb --no-defaults --socket '%s' --user admin --password=admin-secret "
             "--default-character-set=utf8mb4 %s >'%s/client.log' 2>&1",
             getenv("MILLRACE_SOURCE_FOLDER"), path, getenv("MILLRACE_SOURCE_SOCKET"), force ? "--force" : "",
             getenv("MILLRACE_SOURCE_FOLDER"));
    int result = system(command);
    if (result == 0 || force) return;
    snprintf(command, sizeof command, "cat '%s/client.log' | cut -c1-400", getenv("MILLRACE_SOURCE_FOLDER"));
    (void)!system(command);
    ck_abort_msg("%s ended with %d", path, result);
}

static void run_own(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.sql", sql_folder, name);
    run_file(path, false);
}

static bool run_recorded(void)
{
    const char *shared = getenv("MILLRACE_SHARED");
    char path[1024];
    struct stat st;
    snprintf(path, sizeof path, "%s/binlogs/sql/%s%s.sql", shared == NULL ? "" : shared, getenv("MILLRACE_SOURCE_KIND"),
             variant);
    if (shared == NULL || stat(path, &st) != 0) return false;
    run_file(path, true);
    return true;
}

/* For each character set: fixed and variable strings, labels, compressed where the server can. */
static void make_charsets(void)
{
    static const char *const text[] = {"", "plain", "\xc3\xa9\xc3\xbc\xc3\xb1 \xc3\x9f",
                                       "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
                                       "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xe4\xb8\xad\xe6\x96\x87",
                                       "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4", "\xf0\x9f\x98\x80 tail  ",
                                       "\xce\xb1\xce\xb2\xce\xb3 \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"};
    char name[64][64], sql[4096];
    size_t count = 0;
    ck_assert(mysql_query(db, "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS") == 0);
    MYSQL_RES *result = mysql_store_result(db);
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL && count < 64; count++)
        snprintf(name[count], sizeof name[0], "%s", row[0]);
    mysql_free_result(result);
    for (size_t i = 0; i < count; i++) {
        snprintf(sql, sizeof sql,
                 "CREATE TABLE types.charset_%.63s (id INT PRIMARY KEY, c CHAR(30), v VARCHAR(60), w VARCHAR(300), "
                 "t TEXT, m MEDIUMTEXT, e ENUM('one','two'), s SET('x','y')) CHARACTER SET %.63s",
                 name[i], name[i]);
        execute(sql);
        for (size_t k = 0; k < sizeof text / sizeof *text; k++) {
            snprintf(sql, sizeof sql,
                     "INSERT IGNORE INTO types.charset_%.63s VALUES (%zu, '%s', '%s', REPEAT('%s', 4), '%s', "
                     "REPEAT('%s', 40), %zu, %zu)",
                     name[i], k, text[k], text[k], text[k], text[k], text[k], k % 3, k % 4);
            execute(sql);
        }
        snprintf(sql, sizeof sql, "UPDATE types.charset_%.63s SET v = c, t = NULL, e = 'two' WHERE id > 3", name[i]);
        execute(sql);
    }
}

/* As many columns as the server takes, of storage that needs little. */
static void make_wide(void)
{
    static char sql[200000];
    static const unsigned widths[] = {4096, 3398, 2599, 2000, 1500, 1017};
    unsigned columns = 0;
    for (size_t k = 0; columns == 0 && k < sizeof widths / sizeof *widths; k++) {
        FILE *out = fmemopen(sql, sizeof sql, "w");
        fputs("CREATE TABLE types.wide (c0 INT PRIMARY KEY", out);
        for (unsigned i = 1; i < widths[k]; i++) fprintf(out, ",c%u %s", i, i % 3 == 0 ? "SMALLINT" : "TINYINT");
        fputs(") ENGINE=MyISAM", out);
        fclose(out);
        if (mysql_real_query(db, sql, strlen(sql)) == 0) columns = widths[k];
    }
    ck_assert_uint_gt(columns, 1000);
    for (unsigned row = 0; row < 3; row++) {
        FILE *out = fmemopen(sql, sizeof sql, "w");
        fprintf(out, "INSERT INTO types.wide VALUES (%u", row);
        for (unsigned i = 1; i < columns; i++) fprintf(out, (i + row) % 7 == 0 ? ",NULL" : ",%u", (i + row) % 127);
        fputs(")", out);
        fclose(out);
        execute(sql);
    }
    snprintf(sql, sizeof sql, "UPDATE types.wide SET c1 = -128, c%u = 99, c%u = NULL WHERE c0 = 1", columns - 1,
             columns - 2);
    execute(sql);
    printf("a table of %u columns\n", columns);
}

/* ---- comparing ---- */

static void put_name(FILE *out, const char *name)
{
    fputc('`', out);
    for (; *name != 0; name++) {
        if (*name == '`') fputc('`', out);
        fputc(*name, out);
    }
    fputc('`', out);
}

/* Numbers exactly, labels in UTF-8 as they are delivered, all else as the server prints it. */
static void put_column(FILE *out, const struct schema_table *t, uint16_t i)
{
    enum change_type type = t->table.column[i].type;
    bool is_number = type <= CHANGE_BIGINT || type == CHANGE_BIT;
    if (type == CHANGE_ENUM || type == CHANGE_SET) fputs("CONVERT(", out);
    put_name(out, t->table.column[i].name);
    if (type == CHANGE_FLOAT || type == CHANGE_DOUBLE) fputs(" * 1e0", out);
    if (is_number || (type == CHANGE_DECIMAL && strstr(t->column[i].type_text, "zerofill") != NULL)) fputs(" + 0", out);
    if (type == CHANGE_ENUM || type == CHANGE_SET) fputs(" USING utf8mb4)", out);
}

static bool equals(const struct change_column *c, const struct cell *cell, const char *text, unsigned long bytes)
{
    if (text == NULL || cell->bytes == NULL) return text == NULL && cell->bytes == NULL;
    if (c->type == CHANGE_FLOAT || c->type == CHANGE_DOUBLE) return strtod(text, NULL) == strtod(cell->bytes, NULL);
    return bytes == cell->size && memcmp(text, cell->bytes, bytes) == 0;
}

static void compare(const struct replay_table *t)
{
    static char sql[400000];
    const struct change_table *d = &t->definition->table;
    FILE *out = fmemopen(sql, sizeof sql, "w");
    size_t seen = 0;
    char *is_taken = calloc(t->rows.count + 1, 1); /* rows that are alike must be there as often */

    for (uint16_t i = 0; i < d->column_count; i++) {
        fputs(i == 0 ? "SELECT " : ", ", out);
        put_column(out, t->definition, i);
    }
    fputs(" FROM ", out);
    put_name(out, d->database);
    fputc('.', out);
    put_name(out, d->table);
    fclose(out);
    ck_assert_msg(mysql_query(db, sql) == 0, "%s", mysql_error(db));
    MYSQL_RES *result = mysql_store_result(db);
    for (MYSQL_ROW r; (r = mysql_fetch_row(result)) != NULL; seen++) {
        const unsigned long *bytes = mysql_fetch_lengths(result);
        size_t at = 0, nearest = 0;
        uint16_t best = 0;
        for (; at < t->rows.count; at++) {
            uint16_t i = 0;
            if (is_taken[at]) continue;
            while (i < d->column_count && equals(&d->column[i], &t->rows.row[at][i], r[i], bytes[i])) i++;
            if (i == d->column_count) break;
            if (i >= best) {
                best = i;
                nearest = at;
            }
        }
        if (at == t->rows.count) {
            const char *have = t->rows.count == 0 ? NULL : t->rows.row[nearest][best].bytes, *want = r[best];
            size_t same = 0;
            while (have != NULL && want != NULL && have[same] != 0 && have[same] == want[same]) same++;
            ck_abort_msg("%s.%s row %.40s: column %s %.80s: from byte %zu on decoded \"%.200s\", SELECT gives "
                         "\"%.200s\"",
                         d->database, d->table, r[0], d->column[best].name, t->definition->column[best].type_text, same,
                         have == NULL ? "(none)" : have + same, want == NULL ? "(none)" : want + same);
        }
        is_taken[at] = 1;
    }
    mysql_free_result(result);
    free(is_taken);
    ck_assert_msg(seen == t->rows.count, "%s.%s: %zu rows decoded, %zu selected", d->database, d->table, t->rows.count,
                  seen);
}

/* A table of which no row was seen has none. */
static void check_empty(const struct catalog_table *t)
{
    char sql[1024];
    FILE *out = fmemopen(sql, sizeof sql, "w");
    fputs("SELECT 1 FROM ", out);
    put_name(out, t->database);
    fputc('.', out);
    put_name(out, t->name);
    fclose(out);
    ck_assert(mysql_query(db, sql) == 0);
    MYSQL_RES *result = mysql_store_result(db);
    ck_assert_msg(mysql_num_rows(result) == 0, "%s.%s: no row was seen", t->database, t->name);
    mysql_free_result(result);
}

/* Tables of the recorded SQL that are not compared: what a DDL changed on the way (the tracker's tests follow those),
 * what statements and not rows wrote, MariaDB's sequence (its rows are its own state), a table in memory that ends
 * empty, and pj, whose last partial update came without the document. */
static const char refused[] = " d1 d2 d3 d4 d_tmp x from_cdc2 st st_ld pt defaulted ";
static bool is_minimal(void)
{
    return strstr(variant, "minimal") != NULL;
}

static bool is_compared(const char *table)
{
    char word[80];
    snprintf(word, sizeof word, " %s ", table);
    bool lacks_documents = is_minimal() && strcmp(table, "j") == 0; /* as pj, in that variant */
    return strstr(refused, word) == NULL && strcmp(table, "pj") != 0 && !lacks_documents;
}

static void check(bool text_utf8mb4, bool with_recorded)
{
    static const char *const include[] = {"types.*", "cdc.*", NULL}, *const exclude[] = {"cdc.sq", NULL};
    static struct replay r;
    size_t compared = 0;

    execute("SET NAMES utf8mb4");
    replay_open(&r, mysql_get_server_info(db), include, exclude, refused, text_utf8mb4);
    read_definitions(&r);
    for (unsigned i = 1; i < 200; i++) {
        char path[600];
        struct stat st;
        snprintf(path, sizeof path, "%s/data/binlog.%06u", getenv("MILLRACE_SOURCE_FOLDER"), i);
        if (stat(path, &st) != 0) break;
        replay_file(&r, path);
    }
    if (!text_utf8mb4) execute("SET SESSION character_set_results = NULL");
    const struct catalog *catalog = tracker_catalog(r.told.tracker);
    for (uint32_t d = 0; d < catalog_database_count(catalog); d++) {
        for (uint32_t i = 0; i < catalog_table_count(catalog, d); i++) {
            const struct catalog_table *t = catalog_table_at(catalog, d, i);
            if (t->kind != CATALOG_TABLE || !is_compared(t->name)) continue;
            const struct replay_table *have = replay_find(&r, t->database, t->name);
            if (have != NULL) compare(have);
            if (have == NULL) check_empty(t);
            compared++;
        }
    }
    printf("%zu tables compared%s\n", compared, text_utf8mb4 ? ", text in utf8mb4" : "");
    ck_assert_uint_ge(compared, *variant != 0 ? 20 : with_recorded ? 85 : 60);
    ck_assert_uint_eq(r.lost_documents, !with_recorded || !is_kind("mysql-9") ? 0 : is_minimal() ? 7 : 1);
    replay_close(&r);
}

static void run_all_own(void)
{
    run_own("types");
    if (is_kind("mysql-5.7") || is_kind("mysql-9")) run_own("types_mysql57");
    if (is_kind("mysql-9")) run_own("types_mysql9");
    if (is_kind("mariadb")) run_own("types_mariadb");
    make_charsets();
    make_wide();
}

START_TEST(every_type_equals_select)
{
    db = mysql_init(NULL);
    ck_assert(mysql_real_connect(db, NULL, "admin", "admin-secret", NULL, 0, getenv("MILLRACE_SOURCE_SOCKET"), 0) !=
              NULL);
    execute("SET NAMES utf8mb4");
    execute("SET SESSION sql_mode = ''");
    execute("SET SESSION time_zone = '+00:00'");
    if (*variant == 0) run_all_own();
    bool with_recorded = run_recorded();
    ck_assert(with_recorded || *variant == 0);
    execute("FLUSH BINARY LOGS");
    check(false, with_recorded);
    check(true, with_recorded);
    mysql_close(db);
}
END_TEST

int main(int argc, char **argv)
{
    if (getenv("MILLRACE_SOURCE_SOCKET") == NULL || argc < 2) {
        printf("skipped: no source; run it with tests/servers run KIND -- test_types_live tests/capture/sql\n");
        return 77;
    }
    sql_folder = argv[1];
    variant = argc > 2 ? argv[2] : "";
    Suite *suite = suite_create("types_live");
    TCase *tests = tcase_create("types");
    tcase_set_timeout(tests, 150);
    tcase_add_test(tests, every_type_equals_select);
    suite_add_tcase(suite, tests);
    int failed = suite_run(suite);
    mysql_library_end();
    return failed;
}

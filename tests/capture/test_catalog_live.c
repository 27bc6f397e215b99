/* Goal: after any DDL, the catalog says what the server's information_schema says: names, types to the letter,
 * character sets, nullability, generated and invisible columns, keys; and what SHOW CREATE TABLE says, keys' order
 * included. Method: random statements (seed printed; MILLRACE_SEED gives another) under changing sql_modes, default
 * databases and default collations are run on the server; what it wrote into its binlog is applied; every table that a
 * statement concerns is compared at once, all of them at the end.  Each definition also survives being written and read
 * back. Run by tests/servers; 1,000 statements, with MILLRACE_LONG 10,000. */
#include <check.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/ddl.h"
#include "tests/capture/catalog_compare.h"
#include "tests/capture/ddl_random.h"
#include "tests/suite.h"

static MYSQL *db;
static struct catalog_server server;
static struct catalog *catalog, *shown, *read_back, *asked;
static struct ddl_random generator;
static struct catalog_context context;
static uint16_t utf8mb4_collation;
static char file[256], default_database[64];
static unsigned long long binlog_position;
static unsigned applied, refused, compared, unknown, shown_not;

static bool execute(const char *sql)
{
    if (mysql_query(db, sql) != 0) return false;
    do {
        mysql_free_result(mysql_store_result(db));
    } while (mysql_next_result(db) == 0);
    return true;
}

static void must(const char *sql)
{
    ck_assert_msg(execute(sql), "%s: %s", mysql_error(db), sql);
}

/* The text of the query's only field. */
static bool ask(char *out, size_t size, const char *sql)
{
    MYSQL_RES *r = compare_query(db, "%s", sql);
    MYSQL_ROW f = r == NULL ? NULL : mysql_fetch_row(r);
    snprintf(out, size, "%s", f == NULL || f[0] == NULL ? "" : f[0]);
    mysql_free_result(r);
    return f != NULL;
}

static void connect_source(void)
{
    char version[128];
    db = mysql_init(NULL);
    mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    ck_assert_msg(mysql_real_connect(db, NULL, getenv("MILLRACE_SOURCE_ADMIN_USER"),
                                     getenv("MILLRACE_SOURCE_ADMIN_PASSWORD"), NULL, 0,
                                     getenv("MILLRACE_SOURCE_SOCKET"), CLIENT_MULTI_RESULTS) != NULL,
                  "%s", mysql_error(db));
    ask(version, sizeof version, "SELECT VERSION()");
    ck_assert(catalog_server_parse(&server, version));
    ask(version, sizeof version, "SELECT @@lower_case_table_names");
    server.lower_case_table_names = (uint8_t)atoi(version);
    must("SET SESSION foreign_key_checks = 0");
    if (server.version >= 80000 && !server.is_mariadb) must("SET SESSION information_schema_stats_expiry = 0");
}

static void binlog_end(void)
{
    bool is_new = !server.is_mariadb && server.version >= 80200;
    MYSQL_RES *r = compare_query(db, is_new ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
    MYSQL_ROW f = mysql_fetch_row(r);
    snprintf(file, sizeof file, "%s", f[0]);
    binlog_position = strtoull(f[1], NULL, 10);
    mysql_free_result(r);
}

/* ---- the session: what a QUERY event would say of it ---- */

static void change_session(void)
{
    static const char *const mode[] = {"ANSI_QUOTES",         "NO_BACKSLASH_ESCAPES", "REAL_AS_FLOAT",
                                       "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES",    "IGNORE_SPACE"};
    static const char *const collation[] = {"utf8mb4_general_ci", "latin1_swedish_ci", "utf8_bin", "ucs2_general_ci"};
    char sql[512] = "SET SESSION sql_mode = '", text[256];
    for (size_t i = 0; i < sizeof mode / sizeof *mode; i++)
        if (ddl_random_below(&generator, 3) == 0) {
            strcat(sql, mode[i]);
            strcat(sql, ",");
        }
    strcat(sql, "'");
    must(sql);
    snprintf(sql, sizeof sql, "SET SESSION collation_server = '%s'", collation[ddl_random_below(&generator, 4)]);
    must(sql);
    /* Not a session's to change in every version. */
    snprintf(sql, sizeof sql, "SET SESSION explicit_defaults_for_timestamp = %u",
             (unsigned)ddl_random_below(&generator, 2));
    execute(sql);
    if (!server.is_mariadb && server.version >= 80030)
        must(ddl_random_below(&generator, 4) == 0 ? "SET SESSION sql_generate_invisible_primary_key = ON"
                                                  : "SET SESSION sql_generate_invisible_primary_key = OFF");
    if (!server.is_mariadb && server.version >= 80011)
        must(ddl_random_below(&generator, 2) == 0 ? "SET SESSION default_collation_for_utf8mb4 = utf8mb4_general_ci"
                                                  : "SET SESSION default_collation_for_utf8mb4 = utf8mb4_0900_ai_ci");

    context.sql_mode = 0;
    ask(text, sizeof text, "SELECT @@sql_mode");
    if (strstr(text, "ANSI_QUOTES") != NULL) context.sql_mode |= SQL_MODE_ANSI_QUOTES;
    if (strstr(text, "NO_BACKSLASH_ESCAPES") != NULL) context.sql_mode |= SQL_MODE_NO_BACKSLASH_ESCAPES;
    if (strstr(text, "REAL_AS_FLOAT") != NULL) context.sql_mode |= SQL_MODE_REAL_AS_FLOAT;
    if (strstr(text, "STRICT_TRANS") != NULL) context.sql_mode |= SQL_MODE_STRICT_TRANS_TABLES;
    if (strstr(text, "STRICT_ALL") != NULL) context.sql_mode |= SQL_MODE_STRICT_ALL_TABLES;
    generator.sql_mode = context.sql_mode;
    ask(text, sizeof text, "SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME = @@collation_server");
    context.server_collation = (uint16_t)atoi(text);
    ask(text, sizeof text, "SELECT @@explicit_defaults_for_timestamp");
    context.explicit_defaults_for_timestamp = text[0] == '1';
    if (ask(text, sizeof text,
            "SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME ="
            " @@default_collation_for_utf8mb4")) {
        utf8mb4_collation = (uint16_t)atoi(text);
        context.default_collation = &utf8mb4_collation;
        context.default_collation_count = 1;
    }
    snprintf(default_database, sizeof default_database, "d%u", (unsigned)ddl_random_below(&generator, 2));
    snprintf(sql, sizeof sql, "USE %s", default_database);
    must(sql);
    generator.database = context.database = default_database;
}

/* ---- comparing ---- */

static void fail_with(const char *sql, const char *what, const char *text)
{
    ck_abort_msg("%s\nstatement: %s\nsql_mode %llx, database %s\n%s", what, sql, (unsigned long long)context.sql_mode,
                 default_database, text);
}

static void check_equal(const char *sql, const char *what, const struct catalog_table *ours,
                        const struct catalog_table *other, unsigned flags)
{
    char *text = NULL;
    size_t size;
    FILE *why = open_memstream(&text, &size);
    fprintf(why, "table %s.%s\n", ours->database, ours->name);
    bool same = other != NULL && compare_tables(ours, other, flags, why);
    fclose(why);
    if (!same) fail_with(sql, what, text);
    free(text);
    compared++;
}

static void put_quoted(char *out, const char *name)
{
    *out++ = '`';
    for (; *name != 0; name++) {
        if (*name == '`') *out++ = '`';
        *out++ = *name;
    }
    strcpy(out, "`");
}

/* Keys over expressions stand where the server's idea of whether the expression can be NULL puts them; MariaDB's where
 * they stood or in order anew, as its way of doing the ALTER may be. */
static bool may_stand_elsewhere(const struct catalog_table *t)
{
    if (server.is_mariadb) return true;
    for (uint16_t i = 0; i < t->key_count; i++)
        for (uint16_t p = 0; p < t->key[i].part_count; p++)
            if (t->key[i].part[p].column == CATALOG_PART_EXPRESSION) return true;
    return false;
}

/* What SHOW CREATE TABLE says, read by our own parser into `shown`; its text is the caller's to free. */
static const struct catalog_table *show_create(const char *sql, const char *database, const char *table, char **text)
{
    const struct catalog_context plain = {.database = database, .explicit_defaults_for_timestamp = true};
    struct catalog_effect effect;
    struct err_msg msg = {0};
    char name[600], quoted[256];
    uint32_t at;

    put_quoted(name, database);
    put_quoted(quoted, table);
    strcat(strcat(name, "."), quoted);
    must("SET @mode = @@sql_mode");
    must("SET SESSION sql_mode = ''");
    MYSQL_RES *r = compare_query(db, "SHOW CREATE TABLE %s", name);
    must("SET SESSION sql_mode = @mode");
    if (r == NULL) return NULL; /* MySQL 5.6 cannot when names in PARTITION BY were quoted under ANSI_QUOTES */
    ck_assert(asprintf(text, CATALOG_SHOWN "%s", mysql_fetch_row(r)[1]) >= 0);
    mysql_free_result(r);
    ck_assert(catalog_find_database(catalog, database, &at));
    ck_assert(catalog_put_database(shown, database, catalog_database_collation(catalog, at), &msg) == ERR_OK);
    catalog_drop_table(shown, database, table);
    enum err e = catalog_apply(shown, &plain, *text, strlen(*text), &effect, &msg);
    if (e != ERR_OK) fail_with(sql, *text, msg.text);
    return catalog_find_table(shown, database, table);
}

/* The same table three times over: from information_schema, from SHOW CREATE TABLE, written and read back. */
static void check_table(const char *sql, const struct catalog_table *ours)
{
    const struct catalog_context plain = {.database = ours->database, .explicit_defaults_for_timestamp = true};
    struct catalog_effect effect;
    struct err_msg msg = {0};
    uint32_t at;

    if (!compare_load(db, asked, ours->database, ours->name))
        fail_with(sql, "the server has no such table", ours->name);
    check_equal(sql, "ours, information_schema", ours, catalog_find_table(asked, ours->database, ours->name), 0);
    if (ours->kind == CATALOG_VIEW) return;

    if (ours->kind == CATALOG_TABLE) {
        char *show = NULL;
        const struct catalog_table *by_show = show_create(sql, ours->database, ours->name, &show);
        if (by_show != NULL) check_equal(sql, show, ours, by_show, may_stand_elsewhere(ours) ? 0 : COMPARE_KEY_ORDER);
        shown_not += by_show == NULL;
        free(show);
    }
    struct catalog_text text = {0};
    ck_assert(catalog_find_database(catalog, ours->database, &at));
    ck_assert(catalog_put_database(read_back, ours->database, catalog_database_collation(catalog, at), &msg) == ERR_OK);
    catalog_write_table(&text, catalog, ours);
    catalog_drop_table(read_back, ours->database, ours->name);
    if (catalog_apply(read_back, &plain, text.text, text.size, &effect, &msg) != ERR_OK)
        fail_with(text.text, "read back", msg.text);
    check_equal(sql, text.text, ours, catalog_find_table(read_back, ours->database, ours->name),
                COMPARE_KEY_ORDER | COMPARE_IMPLIED);
    catalog_text_free(&text);
}

static void check_all(const char *sql)
{
    char *text = NULL;
    size_t size;
    FILE *why = open_memstream(&text, &size);
    bool same = compare_names(db, catalog, why);
    fclose(why);
    if (!same) fail_with(sql, "names", text);
    free(text);
    for (uint32_t d = 0; d < catalog_database_count(catalog); d++)
        for (uint32_t i = 0; i < catalog_table_count(catalog, d); i++)
            check_table(sql, catalog_table_at(catalog, d, i));
}

/* ---- following ---- */

struct logged { /* a QUERY event: its text, and its database, which is not the session's where the server made it */
    char *text, database[64];
};

/* "use `d`; CREATE ..." as SHOW BINLOG EVENTS prints a QUERY event. */
static const char *behind_use(const char *info, char database[static 64])
{
    static const char checks[] = "set foreign_key_checks=0; "; /* MariaDB prints the session's flags as well */
    bool is_use = strncmp(info, "use `", 5) == 0 || strncmp(info, "use \"", 5) == 0; /* as this session quotes names */
    const char *end = is_use ? strstr(info, info[4] == '`' ? "`; " : "\"; ") : NULL;
    snprintf(database, 64, "%.*s", end != NULL ? (int)(end - info - 5) : 63, end != NULL ? info + 5 : default_database);
    if (end != NULL) info = end + 3;
    return strncmp(info, checks, sizeof checks - 1) == 0 ? info + sizeof checks - 1 : info;
}

static void drop_on_server(const char *database, const char *table)
{
    char sql[1300] = "DROP TABLE ", name[600];
    put_quoted(name, database);
    strcat(strcat(sql, name), ".");
    put_quoted(name, table);
    must(strcat(sql, name));
}

/* Tables that the server no longer has. */
static void forget_lost(void)
{
    for (uint32_t d = 0; d < catalog_database_count(catalog); d++) {
        for (uint32_t i = catalog_table_count(catalog, d); i-- > 0;) {
            const struct catalog_table *t = catalog_table_at(catalog, d, i);
            if (!compare_load(db, asked, t->database, t->name)) catalog_drop_table(catalog, t->database, t->name);
        }
    }
}

/* What a follower does when a statement's outcome cannot be known: the server tells, of each table that differs. */
static void read_again(const char *sql)
{
    forget_lost();
    for (uint32_t d = 0; d < catalog_database_count(catalog); d++) {
        const char *database = catalog_database_name(catalog, d);
        MYSQL_RES *r = compare_query(db,
                                     "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '%s'"
                                     " AND TABLE_TYPE <> 'VIEW' AND TABLE_TYPE <> 'SEQUENCE'",
                                     database);
        for (MYSQL_ROW f; (f = mysql_fetch_row(r)) != NULL;) {
            char *why = NULL, *show = NULL;
            size_t size;
            FILE *out = open_memstream(&why, &size);
            struct err_msg msg;
            const struct catalog_table *ours = catalog_find_table(catalog, database, f[0]);
            ck_assert(compare_load(db, asked, database, f[0]));
            const struct catalog_table *theirs = catalog_find_table(asked, database, f[0]);
            if (ours == NULL || !compare_tables(ours, theirs, 0, out)) {
                const struct catalog_table *by_show = show_create(sql, database, f[0], &show);
                ck_assert(catalog_put_table(catalog, by_show == NULL ? theirs : by_show, &msg) == ERR_OK);
                /* Labels whose bytes are no text in their character set are shown in two ways. */
                if (by_show != NULL && !compare_tables(by_show, theirs, 0, out)) drop_on_server(database, f[0]);
                free(show);
            }
            fclose(out);
            free(why);
        }
        mysql_free_result(r);
    }
}

/* MariaDB leaves the old table where it is when an ALTER TABLE ... RENAME copies it and its name has characters that
 * are not the same in the name of its file; the binlog tells nothing of that. */
static void drop_left_behind(const struct catalog_change *c)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    if (!server.is_mariadb || c->old_table == NULL || strspn(c->old_table, plain) == strlen(c->old_table)) return;
    if (catalog_find_table(catalog, c->old_database, c->old_table) != NULL) return;
    if (!compare_load(db, asked, c->old_database, c->old_table)) return;
    must("SET SESSION sql_log_bin = 0");
    drop_on_server(c->old_database, c->old_table);
    must("SET SESSION sql_log_bin = 1");
}

static void apply_one(const char *sql, const char *text)
{
    struct catalog_effect effect;
    struct err_msg msg = {0};
    enum err e = catalog_apply(catalog, &context, text, strlen(text), &effect, &msg);
    if (e == ERR_UNSUPPORTED && strstr(msg.text, "cannot be read") == NULL) {
        unknown++;
        read_again(sql);
        return;
    }
    if (e != ERR_OK) fail_with(sql, text, msg.text);
    applied++;
    if (getenv("MILLRACE_SHOW") != NULL) fprintf(stderr, "    -> %u: %.100s\n", effect.count, text);
    for (uint32_t i = 0; i < effect.count; i++) {
        const struct catalog_change *c = &effect.change[i];
        const struct catalog_table *t = c->table == NULL ? NULL : catalog_find_table(catalog, c->database, c->table);
        ck_assert(c->table == NULL || (t == NULL) == (c->kind == CATALOG_DROPPED));
        if (t != NULL) check_table(sql, t);
        drop_left_behind(c);
    }
}

static void follow_binlog(const char *sql, unsigned error)
{
    context.error_code = (uint16_t)error;
    MYSQL_RES *r = compare_query(db, "SHOW BINLOG EVENTS IN '%s' FROM %llu", file, binlog_position);
    ck_assert_msg(r != NULL, "%s", mysql_error(db));
    unsigned long count = mysql_num_rows(r);
    struct logged *logged = calloc(count + 1, sizeof *logged);
    unsigned texts = 0;
    for (MYSQL_ROW f; (f = mysql_fetch_row(r)) != NULL;) {
        binlog_position = strtoull(f[4], NULL, 10);
        if (strcmp(f[2], "Query") != 0) continue;
        logged[texts].text = strdup(behind_use(f[5], logged[texts].database));
        texts++;
    }
    mysql_free_result(r);
    for (unsigned i = 0; i < texts; i++) {
        context.database = logged[i].database;
        apply_one(sql, logged[i].text);
        free(logged[i].text);
    }
    context.database = default_database;
    free(logged);
}

START_TEST(random_statements)
{
    unsigned count = getenv("MILLRACE_LONG") != NULL ? 10000 : 1000;
    uint64_t seed = getenv("MILLRACE_SEED") != NULL ? strtoull(getenv("MILLRACE_SEED"), NULL, 10) : 1;
    struct err_msg msg;

    printf("%s: seed %llu\n", getenv("MILLRACE_SOURCE_KIND"), (unsigned long long)seed);
    connect_source();
    ck_assert(catalog_open(&catalog, &server) == ERR_OK && catalog_open(&shown, &server) == ERR_OK);
    ck_assert(catalog_open(&read_back, &server) == ERR_OK && catalog_open(&asked, &server) == ERR_OK);
    must("DROP DATABASE IF EXISTS d0");
    must("DROP DATABASE IF EXISTS d1");
    must("DROP DATABASE IF EXISTS `d 2`");
    must("CREATE DATABASE d0 CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
    must("CREATE DATABASE d1 CHARACTER SET latin1 COLLATE latin1_swedish_ci");
    ck_assert(catalog_put_database(catalog, "d0", "utf8mb4_general_ci", &msg) == ERR_OK);
    ck_assert(catalog_put_database(catalog, "d1", "latin1_swedish_ci", &msg) == ERR_OK);
    binlog_end();
    generator = (struct ddl_random){
        .catalog = catalog, .server = server, .knows_uuid = server.is_mariadb && server.version >= 101000};
    random_init(&generator.dice, seed);
    for (unsigned i = 0; i < count; i++) {
        if (i % 20 == 0) change_session();
        char *sql = NULL;
        size_t size;
        FILE *out = open_memstream(&sql, &size);
        ddl_random_statement(&generator, out);
        fclose(out);
        if (getenv("MILLRACE_SHOW") != NULL) fprintf(stderr, "%s\n", sql);
        bool is_done = execute(sql);
        unsigned error = is_done ? 0 : mysql_errno(db);
        if (getenv("MILLRACE_SHOW") != NULL && error != 0) fprintf(stderr, "    %s\n", mysql_error(db));
        refused += error != 0;
        /* MySQL before 8 can lose a table in an ALTER that fails at its last step, and its binlog does not tell. */
        if (error == 1025 && !server.is_mariadb) forget_lost(); /* Error on rename */
        follow_binlog(sql, error);
        if (strstr(sql, "CREATE TEMPORARY") != NULL && execute("DROP TEMPORARY TABLE t0"))
            follow_binlog(sql, 0); /* it would hide the other t0; it was logged in this session's mode */
        if (i % 250 == 249) check_all(sql);
        free(sql);
    }
    check_all("all");
    printf("%u statements, %u refused by the server, %u applied, %u of unknown outcome, %u comparisons\n", count,
           refused, applied, unknown, compared);
    ck_assert_uint_gt(applied, count / 4);
    ck_assert_uint_le(unknown, count / 50);
    ck_assert_uint_le(shown_not, compared / 50);
    catalog_close(catalog);
    catalog_close(shown);
    catalog_close(read_back);
    catalog_close(asked);
    mysql_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog_live");
    TCase *tests = tcase_create("random");
    tcase_set_timeout(tests, 1200);
    tcase_add_test(tests, random_statements);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}

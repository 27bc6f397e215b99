/* Goal: names, types and rows are right however far behind the reader is, and whatever dies on the way.
 * Method: capture is started and stopped; then a seeded history of DDL and DML runs on the source (tables made,
 * altered, renamed, swapped by shadow tables, dropped); then capture goes on, lagging by the whole run, and is killed
 * and taken up again many times in between.  The rows rebuilt from its records must equal SELECT, the definitions in
 * its file information_schema. A table is emptied before it is altered: what ALTER does to rows is not in the stream.
 * Run by tests/servers; the seed is printed, MILLRACE_SEED repeats it; MILLRACE_LONG: 10,000 statements
 * and another seed each time. */
#include <check.h>
#include <inttypes.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "capture/capture.h"
#include "capture/snapshot.h"
#include "capture/tracker.h"
#include "formats/source_position.h"
#include "tests/capture/fake_storage.h"
#include "tests/e2e/table_copy.h"
#include "tests/suite.h"

enum { WAIT_MS = 240000, CHUNK_BYTES = 64 * 1024, CHUNKS = 32, TABLES = 12, COLUMNS = 10 };
enum { STATEMENTS = 1000, KILLS = 12 };

struct column {
    char name[24];
    char type[96];
};
struct table { /* as the test believes it to be; name "": none */
    char name[32];
    struct column column[COLUMNS]; /* column 0 is the key */
    unsigned count, serial; /* of rows ever made */
    bool has_rows;
};

static struct fake_storage storage;
static struct counters *counters;
static struct capture *capture;
static MYSQL *admin;
static struct random dice;
static struct table table[TABLES];
static unsigned next_name, refused;
static char folder[64];

static uint64_t below(uint64_t bound)
{
    return random_below(&dice, bound);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value == NULL ? "" : value;
}

static bool try_sql(const char *statement)
{
    if (mysql_query(admin, statement) != 0) return false;
    mysql_free_result(mysql_store_result(admin));
    return true;
}

static void sql(const char *statement)
{
    ck_assert_msg(try_sql(statement), "%s: %s", statement, mysql_error(admin));
}

/* ---- the history ---- */

static void make_type(char *out, size_t size)
{
    static const char *const integer[] = {"tinyint", "smallint", "mediumint", "int", "bigint"};
    static const char *const charset[] = {"latin1", "utf8mb4", "cp1251", "koi8r"};
    switch (below(8)) {
    case 0: snprintf(out, size, "%s unsigned", integer[below(5)]); break;
    case 1: snprintf(out, size, "%s", integer[below(5)]); break;
    case 2: snprintf(out, size, "decimal(%d,%d)", 8 + (int)below(20), (int)below(8)); break;
    case 3: snprintf(out, size, "varchar(%d) character set %s", 20 + (int)below(300), charset[below(4)]); break;
    case 4: snprintf(out, size, "char(%d)", 20 + (int)below(30)); break;
    case 5: snprintf(out, size, "datetime(%d)", (int)below(7)); break;
    case 6: snprintf(out, size, "enum('a','bb','c''c','d%d')", (int)below(400)); break;
    default: snprintf(out, size, "text character set %s", charset[below(4)]); break;
    }
}

static struct column make_column(void)
{
    struct column c;
    snprintf(c.name, sizeof c.name, below(5) == 0 ? "c %u" : "c%u", next_name++);
    make_type(c.type, sizeof c.type);
    return c;
}

static void put_value(FILE *out, const struct column *c)
{
    if (below(8) == 0)
        fputs("NULL", out);
    else if (strncmp(c->type, "enum", 4) == 0)
        fprintf(out, "%d", 1 + (int)below(4));
    else if (strncmp(c->type, "datetime", 8) == 0)
        fprintf(out, "'20%02d-%02d-%02d %02d:%02d:%02d.%06d'", (int)below(38), 1 + (int)below(12), 1 + (int)below(28),
                (int)below(24), (int)below(60), (int)below(60), (int)below(1000000));
    else if (strstr(c->type, "char") != NULL || strncmp(c->type, "text", 4) == 0)
        fprintf(out, "'w%d it''s'", (int)below(1000000));
    else
        fprintf(out, "%d", (int)below(120));
}

static struct table *pick(bool existing)
{
    unsigned from = (unsigned)below(TABLES);
    for (unsigned i = 0; i < TABLES; i++) {
        struct table *t = &table[(from + i) % TABLES];
        if ((t->name[0] != '\0') == existing) return t;
    }
    return NULL;
}

static void empty(struct table *t)
{
    char text[96];
    if (!t->has_rows) return;
    snprintf(text, sizeof text, "DELETE FROM app.`%s`", t->name);
    sql(text);
    t->has_rows = false;
}

static void put_columns(FILE *out, const struct table *t)
{
    fprintf(out, "(`%s` INT NOT NULL", t->column[0].name);
    for (unsigned i = 1; i < t->count; i++) fprintf(out, ", `%s` %s", t->column[i].name, t->column[i].type);
    fprintf(out, ", PRIMARY KEY (`%s`)", t->column[0].name);
    if (t->count > 1 && strncmp(t->column[1].type, "text", 4) != 0 && below(3) == 0)
        fprintf(out, ", UNIQUE KEY u (`%s`, `%s`)", t->column[1].name, t->column[0].name);
    fputc(')', out);
}

static bool create(FILE *out)
{
    struct table *t = pick(false), *like = below(3) == 0 ? pick(true) : NULL;
    if (t == NULL) return false;
    if (like != NULL) {
        *t = *like;
        t->has_rows = false;
        snprintf(t->name, sizeof t->name, "t%u", next_name++);
        fprintf(out, "CREATE TABLE app.%s LIKE app.`%s`", t->name, like->name);
        return true;
    }
    *t = (struct table){.count = 1 + (unsigned)below(5)};
    snprintf(t->name, sizeof t->name, below(4) == 0 ? "t-%u" : "t%u", next_name++);
    for (unsigned i = 0; i < t->count; i++) t->column[i] = make_column();
    fprintf(out, "CREATE TABLE %s app.`%s` ", below(2) == 0 ? "IF NOT EXISTS" : "/* new */", t->name);
    put_columns(out, t);
    if (below(3) == 0) fprintf(out, " DEFAULT CHARSET=%s COMMENT='; it''s'", below(2) == 0 ? "latin1" : "utf8mb4");
    return true;
}

/* One or two changes of a table's columns. */
static bool alter(FILE *out)
{
    struct table *t = pick(true);
    if (t == NULL) return false;
    empty(t);
    fprintf(out, "ALTER TABLE app.`%s` ", t->name);
    unsigned at = t->count > 1 ? 1 + (unsigned)below(t->count - 1) : 0;
    unsigned what = (unsigned)below(7);
    struct column c = make_column();
    if ((what == 0 || at == 0) && t->count < COLUMNS) { /* a column in the middle */
        unsigned behind = (unsigned)below(t->count);
        memmove(&t->column[behind + 2], &t->column[behind + 1], (t->count - behind - 1) * sizeof c);
        t->column[behind + 1] = c;
        t->count++;
        fprintf(out, "ADD COLUMN `%s` %s AFTER `%s`", c.name, c.type, t->column[behind].name);
    } else if (what == 1 && at != 0) {
        fprintf(out, "DROP COLUMN `%s`", t->column[at].name);
        memmove(&t->column[at], &t->column[at + 1], (t->count - at - 1) * sizeof c);
        t->count--;
    } else if (what == 2 && at != 0) {
        fprintf(out, "CHANGE `%s` `%s` %s", t->column[at].name, c.name, c.type);
        t->column[at] = c;
    } else if (what == 4 && at != 0) { /* the same bytes in the binlog, another name or other labels */
        if (strncmp(t->column[at].type, "enum", 4) == 0)
            snprintf(c.type, sizeof c.type, "enum('x%d','y','z','w')", (int)below(100));
        else
            memcpy(c.type, t->column[at].type, sizeof c.type);
        fprintf(out, "CHANGE `%s` `%s` %s", t->column[at].name, c.name, c.type);
        t->column[at] = c;
    } else if (what == 3 && at != 0) {
        fprintf(out, "MODIFY `%s` %s AFTER `%s`, ADD INDEX (`%s`)", t->column[at].name, c.type, t->column[0].name,
                t->column[0].name);
        struct column moved = t->column[at];
        memcpy(moved.type, c.type, sizeof moved.type);
        memmove(&t->column[2], &t->column[1], (at - 1) * sizeof c);
        t->column[1] = moved;
    } else {
        fprintf(out, "CONVERT TO CHARACTER SET %s", below(2) == 0 ? "utf8mb4" : "latin1");
    }
    return true;
}

/* As online schema changes do it: a shadow table, altered and filled, then swapped in by names. */
static void swap(struct table *t)
{
    char text[400];
    struct column c = make_column();
    if (t->count == COLUMNS) return;
    empty(t);
    snprintf(text, sizeof text, "CREATE TABLE other._new LIKE app.`%s`", t->name);
    sql(text);
    snprintf(text, sizeof text, "ALTER TABLE other._new ADD `%s` %s AFTER `%s`", c.name, c.type, t->column[0].name);
    sql(text);
    snprintf(text, sizeof text, "RENAME TABLE app.`%s` TO other._old, other._new TO app.`%s`", t->name, t->name);
    sql(text);
    sql("DROP TABLE IF EXISTS other._old, other._never");
    memmove(&t->column[2], &t->column[1], (t->count - 1) * sizeof c);
    t->column[1] = c;
    t->count++;
}

static void rename_or_drop(FILE *out, struct table *t)
{
    char before[32];
    empty(t);
    if (below(2) == 0) {
        fprintf(out, "DROP TABLE app.`%s`", t->name);
        t->name[0] = '\0';
        return;
    }
    memcpy(before, t->name, sizeof before);
    snprintf(t->name, sizeof t->name, "r%u", next_name++);
    fprintf(out, below(2) == 0 ? "RENAME TABLE app.`%s` TO app.%s" : "ALTER TABLE app.`%s` RENAME TO app.%s", before,
            t->name);
}

static void put_rows(FILE *out, struct table *t, unsigned rows)
{
    fprintf(out, "INSERT INTO app.`%s` VALUES ", t->name);
    for (; rows > 0; rows--) {
        fprintf(out, "(%u", ++t->serial);
        for (unsigned i = 1; i < t->count; i++) {
            fputs(", ", out);
            put_value(out, &t->column[i]);
        }
        fputs(rows > 1 ? "), " : ")", out);
    }
}

static bool change_rows(FILE *out)
{
    struct table *t = pick(true);
    if (t == NULL) return false;
    unsigned what = t->has_rows ? (unsigned)below(6) : 5;
    t->has_rows = true;
    if (what == 0) {
        fprintf(out, "DELETE FROM app.`%s` WHERE `%s` %% 7 = %d", t->name, t->column[0].name, (int)below(7));
    } else if (what == 1 && t->count > 1) {
        const struct column *c = &t->column[1 + below(t->count - 1)];
        fprintf(out, "UPDATE app.`%s` SET `%s` = ", t->name, c->name);
        put_value(out, c);
        fprintf(out, " WHERE `%s` %% 5 = %d", t->column[0].name, (int)below(5));
    } else {
        put_rows(out, t, 1 + (unsigned)below(4));
    }
    return true;
}

static void step(void)
{
    char *text = NULL;
    size_t size;
    struct table before[TABLES];
    FILE *out = open_memstream(&text, &size);
    memcpy(before, table, sizeof before);
    bool has = false;
    unsigned what = (unsigned)below(20);
    struct table *t = pick(true);
    if (what < 3)
        has = create(out);
    else if (what < 7)
        has = alter(out);
    else if (what == 7 && t != NULL)
        swap(t);
    else if (what == 8 && t != NULL)
        rename_or_drop(out, t), has = true;
    else
        has = change_rows(out);
    fclose(out);
    if (has && !try_sql(text)) { /* a row too large, a key of another kind: nothing happened */
        refused++;
        for (unsigned i = 0; i < TABLES; i++) before[i].has_rows &= table[i].has_rows || table[i].name[0] == '\0';
        memcpy(table, before, sizeof before);
    }
    free(text);
}

/* The end is compared with SELECT: each table has rows then. */
static void fill(void)
{
    for (unsigned i = 0; i < TABLES; i++) {
        struct table *t = &table[i];
        for (unsigned rows = 0; rows < 20 && t->name[0] != '\0'; rows++) {
            char *text = NULL;
            size_t size;
            FILE *out = open_memstream(&text, &size);
            put_rows(out, t, 1);
            fclose(out);
            refused += !try_sql(text);
            free(text);
        }
    }
}

/* ---- capture ---- */

static void start(void)
{
    static const char *const include[] = {"app.*", NULL};
    struct err_msg msg = {0};
    struct capture_config config = {.channel = "live",
                                    .host = environment("MILLRACE_SOURCE_HOST"),
                                    .port = (uint16_t)atoi(environment("MILLRACE_SOURCE_PORT")),
                                    .user = "millrace",
                                    .password = environment("MILLRACE_SOURCE_PASSWORD"),
                                    .server_id = 4712,
                                    .data_folder = folder,
                                    .include = include,
                                    .ddl_instance = false,
                                    .format = "dts-avro",
                                    .text_utf8mb4 = true,
                                    .start = CAPTURE_START_NOW,
                                    .heartbeat_ms = 200,
                                    .segment_bytes = 1 << 20,
                                    .batch_bytes_target = 16 * 1024,
                                    .record_bytes_max = 1 << 20,
                                    .packet_bytes_max = 64 << 20,
                                    .reconnect_pause_ms_min = 10,
                                    .reconnect_pause_ms_max = 100,
                                    .core = -1};
    ck_assert_msg(capture_start(&capture, &config, &storage.feed, &storage.resume, clock_real(), counters, &msg) ==
                      ERR_OK,
                  "%s", msg.text);
    storage.resume.gtid_set = NULL; /* taken over */
}

/* Storage works; false: capture is still behind after `steps` turns. */
static bool runs_to_tail(unsigned steps)
{
    struct capture_status s;
    for (unsigned i = 0; i < steps; i++) {
        fake_storage_step(&storage);
        capture_status(capture, &s);
        ck_assert_msg(s.state != CAPTURE_ENDED, "capture ended: %s", s.error.text);
        if (s.state == CAPTURE_AT_TAIL) return true;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return false;
}

static void stop(void)
{
    capture_stop(capture);
    capture = NULL;
    fake_storage_reattach(&storage);
}

/* ---- the comparison ---- */

static void check_rows(void)
{
    char why[1024] = "", names[TABLES][40], *list[TABLES];
    unsigned count = 0;
    uint64_t rows = 0, changes = 0;
    struct stream_decoder *decoder = stream_decoder_open(RECORD_SCHEMA, why, sizeof why);
    struct table_copy *copy = table_copy_new();
    static struct stream_record r;
    ck_assert_msg(decoder != NULL, "%s", why);
    for (uint64_t i = 0; i < storage.record_count; i++) {
        const struct fake_record *f = &storage.record[i];
        ck_assert_msg(stream_decode(decoder, f->value, f->value_bytes, &r, why, sizeof why), "record %" PRIu64 ": %s",
                      i, why);
        if (r.operation > STREAM_DELETE) continue;
        changes++;
        ck_assert_msg(table_copy_apply(copy, &r, why, sizeof why), "record %" PRIu64 ": %s", i, why);
    }
    for (unsigned i = 0; i < TABLES; i++) {
        if (table[i].name[0] == '\0' || strchr(table[i].name, '-') != NULL) continue;
        snprintf(names[count], sizeof names[count], "app.%.32s", table[i].name);
        list[count] = names[count];
        count++;
    }
    const struct source_address source = {environment("MILLRACE_SOURCE_HOST"), "admin",
                                          environment("MILLRACE_SOURCE_ADMIN_PASSWORD"),
                                          (unsigned)atoi(environment("MILLRACE_SOURCE_PORT"))};
    ck_assert_msg(table_copy_equals_source(copy, &source, list, count, &rows, why, sizeof why), "%s", why);
    printf("%" PRIu64 " row changes, %u tables with %" PRIu64 " rows compared\n", changes, count, rows);
    ck_assert_uint_gt(changes, 300);
    ck_assert_uint_gt(rows, 5 * count);
    table_copy_free(copy);
    stream_decoder_close(decoder);
}

static enum err run_query(struct source_stream *stream, const char *text, source_row *row, void *context,
                          struct err_msg *msg)
{
    enum err e = ERR_OK;
    (void)stream;
    if (mysql_query(admin, text) != 0) return err_set(msg, ERR_IO, "%s: %s", mysql_error(admin), text);
    MYSQL_RES *result = mysql_store_result(admin);
    uint32_t count = mysql_num_fields(result);
    for (MYSQL_ROW r; e == ERR_OK && (r = mysql_fetch_row(result)) != NULL;) {
        size_t bytes[16];
        for (uint32_t i = 0; i < count; i++) bytes[i] = mysql_fetch_lengths(result)[i];
        e = row(context, (const char *const *)r, bytes, count);
    }
    mysql_free_result(result);
    return e;
}

static bool is_told(const struct catalog_key *k)
{
    return k->kind == CATALOG_KEY_PRIMARY || k->kind == CATALOG_KEY_UNIQUE;
}

static void check_same(const struct catalog_table *ours, const struct catalog_table *theirs)
{
    ck_assert_msg(ours->column_count == theirs->column_count, "%s.%s: %u columns, the source has %u", ours->database,
                  ours->name, ours->column_count, theirs->column_count);
    for (unsigned i = 0; i < ours->column_count; i++) {
        const struct catalog_column *a = &ours->column[i], *b = &theirs->column[i];
        bool is_same = strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0 &&
                       (a->collation == NULL ? b->collation == NULL
                                             : b->collation != NULL && strcmp(a->collation, b->collation) == 0);
        ck_assert_msg(is_same,
                      "%s.%s: column %u is `%s` %s %s, the source has `%s` %s %s", ours->database, ours->name, i,
                      a->name, a->type, a->collation, b->name, b->type, b->collation);
    }
    for (unsigned i = 0, k = 0; i < ours->key_count; i++) {
        if (!is_told(&ours->key[i])) continue;
        while (k < theirs->key_count && !is_told(&theirs->key[k])) k++;
        ck_assert(k < theirs->key_count);
        ck_assert_str_eq(ours->key[i].name, theirs->key[k++].name);
    }
}

/* What the channel's file says at the log's end, against information_schema. */
static void check_definitions(void)
{
    static const struct source_stream_ops ops = {.query = run_query};
    struct source_stream stream = {&ops};
    struct source_position position;
    struct snapshot_rules rules;
    struct tracker *tracker;
    struct catalog *theirs;
    struct err_msg msg = {0};
    char path[96];
    bool loaded;
    unsigned compared = 0;
    ck_assert(source_position_decode(storage.resume.position, storage.resume.position_bytes, &position) == ERR_OK);
    ck_assert(snapshot_rules_read(&stream, mysql_get_server_info(admin), &rules, &msg) == ERR_OK);
    snprintf(path, sizeof path, "%s/live/schema", folder);
    ck_assert(tracker_open(&tracker, path, &rules.server, &msg) == ERR_OK);
    struct tracker_end end = {{"", position.position}, position.server_uuid, NULL, storage.resume.next_offset};
    snprintf(end.place.file, sizeof end.place.file, "%s", position.file);
    struct gtid_set moved = {0};
    ck_assert_msg(tracker_load(tracker, &end, &moved, &loaded, &msg) == ERR_OK && loaded, "%s", msg.text);
    gtid_set_free(&moved);
    ck_assert(catalog_open(&theirs, &rules.server) == ERR_OK);
    ck_assert_msg(snapshot_read(&stream, NULL, theirs, &msg) == ERR_OK, "%s", msg.text);
    for (uint32_t d = 0; d < catalog_database_count(theirs); d++) {
        for (uint32_t i = 0; i < catalog_table_count(theirs, d); i++) {
            const struct catalog_table *t = catalog_table_at(theirs, d, i), *ours;
            const char *why = "";
            enum tracker_answer answer = tracker_find(tracker, t->database, t->name, &ours, &why);
            ck_assert_msg(answer == TRACKER_FOUND, "%s.%s is not known: %s", t->database, t->name, why);
            check_same(ours, t);
            compared++;
        }
    }
    const struct catalog *c = tracker_catalog(tracker);
    for (uint32_t d = 0; d < catalog_database_count(c); d++) {
        for (uint32_t i = 0; i < catalog_table_count(c, d); i++) {
            const struct catalog_table *t = catalog_table_at(c, d, i);
            ck_assert_msg(catalog_find_table(theirs, t->database, t->name) != NULL, "%s.%s is not on the source",
                          t->database, t->name);
        }
    }
    printf("%u definitions compared\n", compared);
    catalog_close(theirs);
    tracker_close(tracker);
}

START_TEST(lagging_by_a_whole_history)
{
    struct err_msg msg = {0};
    char command[160];
    const char *given = getenv("MILLRACE_SEED");
    bool is_long = getenv("MILLRACE_LONG") != NULL;
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : is_long ? (uint64_t)time(NULL) : 1;
    unsigned statements = is_long ? 10 * STATEMENTS : STATEMENTS;
    printf("MILLRACE_SEED=%" PRIu64 "\n", seed);
    random_init(&dice, seed);
    admin = mysql_init(NULL);
    ck_assert_ptr_nonnull(mysql_real_connect(
        admin, environment("MILLRACE_SOURCE_HOST"), "admin", environment("MILLRACE_SOURCE_ADMIN_PASSWORD"), NULL,
        (unsigned)atoi(environment("MILLRACE_SOURCE_PORT")), NULL, 0));
    sql("SET NAMES utf8mb4");
    sql("SET SESSION sql_mode = ''");
    snprintf(folder, sizeof folder, "/tmp/millrace-track-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(command, sizeof command, "mkdir %s/live", folder);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(counters_open(&counters, NULL, 512, &msg), ERR_OK);
    fake_storage_init(&storage, CHUNK_BYTES, CHUNKS, 4, false);
    sql("CREATE DATABASE app");
    sql("CREATE DATABASE other");

    start();
    ck_assert(runs_to_tail(WAIT_MS));
    stop();
    for (unsigned i = 0; i < statements; i++) step();
    printf("%u statements, %u refused by the source\n", statements, refused);
    ck_assert_uint_lt(refused, statements / 4);
    for (unsigned i = 0; i < KILLS; i++) { /* each ends somewhere in the history, with what storage had */
        start();
        runs_to_tail(1 + (unsigned)below(60));
        stop();
    }
    start();
    ck_assert(runs_to_tail(WAIT_MS));
    for (unsigned i = 0; i < 20; i++) step(); /* and at the tail */
    fill();
    sql("CREATE TABLE app.marker (id INT PRIMARY KEY)");
    sql("INSERT INTO app.marker VALUES (1)");
    struct capture_status s;
    uint64_t records;
    do { /* until it is quiet: only HEARTBEATs come */
        capture_status(capture, &s);
        records = s.row_changes;
        for (int i = 0; i < 300; i++) {
            ck_assert(runs_to_tail(WAIT_MS));
            nanosleep(&(struct timespec){0, 1000000}, NULL);
        }
        capture_status(capture, &s);
    } while (s.row_changes != records);
    stop();
    check_rows();
    check_definitions();
    fake_storage_fini(&storage);
    counters_close(counters);
    mysql_close(admin);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    if (environment("MILLRACE_SOURCE_PORT")[0] == '\0') {
        puts("skipped: run by tests/servers run KIND -- this program");
        return 77;
    }
    Suite *suite = suite_create("track_live");
    TCase *cases = tcase_create("cases");
    tcase_set_timeout(cases, 600);
    tcase_add_test(cases, lagging_by_a_whole_history);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

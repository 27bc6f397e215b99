/* Goal: the definitions are those of the place, after any restart.  What nobody told is not guessed; what the source
 * tells later is true from its own place on; the file gives back what was there at the log's end, wherever it is
 * cut. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/tracker.h"
#include "tests/suite.h"

static struct catalog_server server = {.version = 50729};
static struct tracker *tracker;
static struct gtid_set moved;
static char path[64];
static struct statement statement;

static struct source_place at(uint64_t position)
{
    return (struct source_place){"binlog.000003", position};
}

static void open_tracker(void)
{
    struct err_msg msg = {0};
    ck_assert(tracker_open(&tracker, path, &server, &msg) == ERR_OK);
}

/* As after a crash: nothing is written that was not synced. */
static void die(void)
{
    tracker_close(tracker);
    tracker = NULL;
}

static struct tracker_move apply_gtid(uint64_t position, const char *gtid, const char *text)
{
    const struct catalog_context context = {.database = "d", .server_collation = 45};
    const struct source_place place = at(position);
    struct tracker_move move;
    struct err_msg msg = {0};
    statement_classify(&statement, text, strlen(text), "d", 1);
    ck_assert_msg(tracker_apply(tracker, &place, gtid, &context, &statement, text, strlen(text), &move, &msg) == ERR_OK,
                  "%s", msg.text);
    return move;
}

static struct tracker_move apply(uint64_t position, const char *text)
{
    return apply_gtid(position, "", text);
}

static struct catalog *seen(const char *text)
{
    const struct catalog_context context = {.database = "d", .server_collation = 45};
    struct catalog *c;
    struct catalog_effect effect;
    struct err_msg msg = {0};
    ck_assert(catalog_open(&c, &server) == ERR_OK);
    ck_assert(catalog_put_database(c, "d", "utf8mb4_general_ci", &msg) == ERR_OK);
    if (text != NULL)
        ck_assert_msg(catalog_apply(c, &context, text, strlen(text), &effect, &msg) == ERR_OK, "%s", msg.text);
    return c;
}

static void learn(uint64_t position, const char *text, const struct horizon *horizon, uint64_t before)
{
    const struct source_place from = at(position), until = at(before);
    const struct horizon nothing = {0};
    struct err_msg msg = {0};
    ck_assert_msg(tracker_learn(tracker, &from, seen(text), horizon == NULL ? &nothing : horizon, &until, &msg) ==
                      ERR_OK,
                  "%s", msg.text);
}

static void note(struct horizon *h, uint64_t position, const char *text)
{
    const struct source_place place = at(position);
    statement_classify(&statement, text, strlen(text), "d", 1);
    ck_assert(horizon_note(h, &place, &statement) == ERR_OK);
}

static void save(uint64_t position)
{
    const struct source_place place = at(position);
    struct err_msg msg = {0};
    ck_assert_msg(tracker_save(tracker, &place, "server-a", NULL, &msg) == ERR_OK, "%s", msg.text);
}

static void sync_tracker(void)
{
    struct err_msg msg = {0};
    ck_assert_msg(tracker_sync(tracker, &msg) == ERR_OK, "%s", msg.text);
}

static enum err load(const struct tracker_end *end, bool *loaded, struct err_msg *msg)
{
    if (tracker != NULL) die();
    open_tracker();
    gtid_set_clear(&moved);
    return tracker_load(tracker, end, &moved, loaded, msg);
}

static bool load_at(uint64_t position)
{
    const struct tracker_end end = {at(position), "server-a", NULL, 0};
    struct err_msg msg = {0};
    bool loaded;
    ck_assert_msg(load(&end, &loaded, &msg) == ERR_OK, "%s", msg.text);
    return loaded;
}

/* The columns of d.NAME, with commas; "?" not known, "!" lost, "-" none. */
static const char *columns(const char *name)
{
    static char text[256];
    const struct catalog_table *t;
    switch (tracker_find(tracker, "d", name, &t, NULL)) {
    case TRACKER_UNKNOWN: return "?";
    case TRACKER_LOST: return "!";
    case TRACKER_ABSENT: return "-";
    case TRACKER_FOUND: break;
    }
    text[0] = '\0';
    for (unsigned i = 0; i < t->column_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? "," : "", t->column[i].name);
    return text;
}

static void setup(void)
{
    snprintf(path, sizeof path, "/tmp/millrace-tracker-XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    unlink(path);
    open_tracker();
}

static void teardown(void)
{
    if (tracker != NULL) die();
    gtid_set_free(&moved);
    unlink(path);
}

/* Each statement has its place; the file gives back the definitions of any of them. */
START_TEST(every_place)
{
    static const char *const expected[] = {"a", "a,b", "a,c", "-", "x"};
    static const char *const text[] = {NULL, "ALTER TABLE t ADD b INT", "ALTER TABLE t CHANGE b c INT", "DROP TABLE t",
                                       "CREATE TABLE t (x INT)"};
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    save(100);
    for (unsigned i = 1; i < 5; i++) apply(100 + i, text[i]);
    sync_tracker();
    for (unsigned i = 5; i-- > 0;) {
        ck_assert(load_at(100 + i));
        ck_assert_str_eq(columns("t"), expected[i]);
    }
    ck_assert(!load_at(99)); /* before the snapshot: not known */
    ck_assert_str_eq(columns("t"), "?");
}
END_TEST

/* What was not synced is lost with the process; what comes again is not applied twice. */
START_TEST(crashes)
{
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    save(100);
    apply(101, "ALTER TABLE t ADD b INT");
    sync_tracker();
    apply(102, "ALTER TABLE t ADD c INT");
    ck_assert(load_at(101));
    ck_assert_str_eq(columns("t"), "a,b");
    ck_assert(apply(102, "ALTER TABLE t ADD c INT").is_new);
    ck_assert(!apply(102, "ALTER TABLE t ADD c INT").is_new);
    ck_assert(!apply(103, "TRUNCATE TABLE t").is_new); /* nothing for the journal */
    ck_assert_str_eq(columns("t"), "a,b,c");
}
END_TEST

/* The file cut at each byte: the journal's whole records count, a cut snapshot is damage. */
START_TEST(cut_anywhere)
{
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    save(100);
    struct stat st;
    ck_assert(stat(path, &st) == 0);
    off_t snapshot = st.st_size;
    apply(101, "ALTER TABLE t ADD b INT");
    sync_tracker();
    ck_assert(stat(path, &st) == 0);
    for (off_t size = st.st_size; size >= 0; size--) {
        const struct tracker_end end = {at(101), "server-a", NULL, 0};
        struct err_msg msg = {0};
        bool loaded;
        ck_assert(truncate(path, size) == 0);
        enum err e = load(&end, &loaded, &msg);
        if (size < snapshot) {
            ck_assert_msg(e == ERR_CORRUPT && strstr(msg.text, path) != NULL, "%d of %d: %s", (int)size, (int)snapshot,
                          err_text(e));
            continue;
        }
        ck_assert(e == ERR_OK && loaded);
        ck_assert_str_eq(columns("t"), size == st.st_size ? "a,b" : "a");
    }
}
END_TEST

/* A damaged record with good ones behind it is no torn end. */
START_TEST(damage_has_a_name)
{
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    save(100);
    struct stat st;
    ck_assert(stat(path, &st) == 0);
    apply(101, "ALTER TABLE t ADD b INT");
    apply(102, "ALTER TABLE t ADD c INT");
    sync_tracker();
    FILE *f = fopen(path, "r+b");
    fseek(f, st.st_size + 20, SEEK_SET);
    fputc('#', f);
    fclose(f);
    const struct tracker_end end = {at(102), "server-a", NULL, 0};
    struct err_msg msg = {0};
    bool loaded;
    ck_assert_int_eq(load(&end, &loaded, &msg), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(msg.text, path));
}
END_TEST

/* The source tells the definitions of now; the stream is behind. */
START_TEST(learned_behind)
{
    struct horizon h = {0};
    const char *now = "CREATE TABLE t (a INT, b INT)";
    ck_assert_str_eq(columns("t"), "?");
    note(&h, 150, "ALTER TABLE t ADD b INT");
    note(&h, 160, "CREATE TABLE late (x INT)");
    learn(100, now, &h, 155); /* `late` was made while the definitions were read */
    save(100);
    ck_assert_str_eq(columns("t"), "!");
    ck_assert_str_eq(columns("late"), "!");
    ck_assert_str_eq(columns("other"), "-");
    for (int restart = 0; restart < 2; restart++) { /* what is parked outlives a restart */
        if (restart == 1) ck_assert(load_at(100));
        apply(120, "CREATE TABLE u (y INT)");
        ck_assert_str_eq(columns("u"), "y");
        apply(150, "ALTER TABLE t ADD b INT");
        ck_assert_str_eq(columns("t"), "a,b");
    }
    apply(160, "CREATE TABLE late (x INT)");
    ck_assert_str_eq(columns("late"), "x");
    horizon_free(&h);
}
END_TEST

/* IF NOT EXISTS says nothing about a table that is not known; a plain CREATE does. */
START_TEST(conditions)
{
    const struct source_place place = at(100);
    const struct catalog_table other = {.database = "d", .name = "o", .collation = "utf8mb4_general_ci", .engine = ""};
    struct err_msg msg = {0};
    ck_assert(tracker_put(tracker, &place, &other, &msg) == ERR_OK); /* its database is known, what is in it is not */
    apply(101, "CREATE TABLE IF NOT EXISTS t (wrong INT)");
    ck_assert_str_eq(columns("t"), "?");
    apply(103, "CREATE TABLE t (a INT)");
    ck_assert_str_eq(columns("t"), "a");
    apply(104, "CREATE TABLE IF NOT EXISTS t (wrong INT)");
    ck_assert_str_eq(columns("t"), "a");
}
END_TEST

/* A statement that cannot be read makes a gap of its table, and of no other; the source may fill it. */
START_TEST(unreadable)
{
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    apply(101, "CREATE TABLE u (b INT)");
    ck_assert(!apply(102, "ALTER TABLE t FROBNICATE a").is_read);
    ck_assert_str_eq(columns("t"), "?");
    ck_assert_str_eq(columns("u"), "b");
    learn(102, "CREATE TABLE t (z INT)", NULL, 102);
    ck_assert_str_eq(columns("t"), "z");
    ck_assert_str_eq(columns("u"), "b");
}
END_TEST

/* lower_case_table_names=1: statements keep the case they were written in, of any letter, and name the same table. */
START_TEST(other_case)
{
    struct horizon h = {0};
    server.lower_case_table_names = 1;
    tracker_close(tracker);
    open_tracker();
    note(&h, 102, "ALTER TABLE T\xc3\x84 ADD z INT"); /* the source is asked behind it */
    learn(100, "CREATE TABLE t\xc3\xa4 (a INT, z INT)", &h, 103);
    ck_assert_str_eq(columns("t\xc3\xa4"), "!");
    ck_assert(apply(102, "ALTER TABLE T\xc3\x84 ADD z INT").is_new);
    ck_assert_str_eq(columns("t\xc3\xa4"), "a,z");
    ck_assert(!apply(104, "ALTER TABLE T\xc3\x84 FROBNICATE a").is_read);
    ck_assert_str_eq(columns("t\xc3\xa4"), "?");
    horizon_free(&h);
    server.lower_case_table_names = 0;
}
END_TEST

/* The statement stands within a transaction, so the source is asked when its place was passed already, and tells what
 * is true behind it: the statement comes again with its transaction. */
START_TEST(unreadable_within_a_transaction)
{
    struct horizon h = {0};
    learn(100, NULL, NULL, 100);
    save(100);
    ck_assert(!apply(102, "CREATE TABLE t FROBNICATE SELECT 1 AS z").is_read);
    note(&h, 102, "CREATE TABLE t FROBNICATE SELECT 1 AS z");
    learn(100, "CREATE TABLE t (z INT)", &h, 105);
    ck_assert_str_eq(columns("t"), "!");
    ck_assert(apply(102, "CREATE TABLE t FROBNICATE SELECT 1 AS z").is_new);
    ck_assert_str_eq(columns("t"), "z");
    ck_assert(!apply(102, "CREATE TABLE t FROBNICATE SELECT 1 AS z").is_new);
    sync_tracker();
    ck_assert(load_at(104)); /* the transaction is logged */
    ck_assert_str_eq(columns("t"), "z");
    ck_assert(load_at(100)); /* it is not: the source is asked once more */
    apply(102, "CREATE TABLE t FROBNICATE SELECT 1 AS z");
    ck_assert_str_eq(columns("t"), "?");
    horizon_free(&h);
}
END_TEST

/* A shadow table is altered and swapped in. */
START_TEST(swapped)
{
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    apply(101, "CREATE TABLE `_t_new` LIKE t");
    apply(102, "ALTER TABLE `_t_new` ADD COLUMN b INT");
    apply(103, "RENAME TABLE t TO `_t_old`, `_t_new` TO t");
    ck_assert_str_eq(columns("t"), "a,b");
    ck_assert_str_eq(columns("_t_old"), "a");
    ck_assert_str_eq(columns("_t_new"), "-");
}
END_TEST

/* After a fail-over places are another server's; the log's end says which counts, or the transactions do. */
START_TEST(other_server)
{
    const struct source_place there = {"other.000001", 4};
    const struct tracker_end before = {at(101), "server-a", NULL, 7};
    const struct tracker_end behind = {{"other.000001", 60}, "server-b", NULL, 9};
    struct gtid_set gtids = {0};
    struct err_msg msg = {0};
    bool loaded;
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    save(100);
    apply(101, "ALTER TABLE t ADD b INT");
    tracker_moved(tracker, &there, "server-b", 7);
    const struct source_place place = {"other.000001", 50};
    const struct catalog_context context = {.database = "d", .server_collation = 45};
    static const char text[] = "ALTER TABLE t ADD c INT", gtid[] = "01234567-89ab-cdef-0123-456789abcdef:7";
    struct tracker_move move;
    statement_classify(&statement, text, strlen(text), "d", 1);
    ck_assert(tracker_apply(tracker, &place, gtid, &context, &statement, text, strlen(text), &move, &msg) == ERR_OK);
    sync_tracker();
    ck_assert(load(&before, &loaded, &msg) == ERR_OK && loaded);
    ck_assert_str_eq(columns("t"), "a,b");
    ck_assert(load(&behind, &loaded, &msg) == ERR_OK && loaded);
    ck_assert_str_eq(columns("t"), "a,b,c");
    const struct tracker_end by_gtids = {there, "server-b", &gtids, 9};
    ck_assert(load(&by_gtids, &loaded, &msg) == ERR_OK && loaded);
    ck_assert_str_eq(columns("t"), "a,b");
    ck_assert(gtid_set_parse(&gtids, gtid, strlen(gtid)) == ERR_OK);
    ck_assert(!gtid_set_contains_set(&moved, &gtids)); /* it is not in the definitions */
    ck_assert(load(&by_gtids, &loaded, &msg) == ERR_OK && loaded);
    ck_assert_str_eq(columns("t"), "a,b,c");
    ck_assert(gtid_set_contains_set(&moved, &gtids));
    /* As a restart does: the statement is in the snapshot then. */
    ck_assert(tracker_save(tracker, &place, "server-b", &moved, &msg) == ERR_OK);
    ck_assert(load(&behind, &loaded, &msg) == ERR_OK && loaded);
    ck_assert_str_eq(columns("t"), "a,b,c");
    ck_assert(gtid_set_contains_set(&moved, &gtids));
    gtid_set_free(&gtids);
}
END_TEST

/* The first server is reached again, and a crash takes what was logged since it was left: the log's end is its former
 * place, wherever it was to be read on from. */
START_TEST(left_and_reached_again)
{
    const struct source_place there = {"other.000001", 4}, later = at(300), sooner = at(90);
    const struct tracker_end lost = {at(101), "server-a", NULL, 7}, logged = {at(320), "server-a", NULL, 9};
    struct err_msg msg = {0};
    bool loaded;
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    save(100);
    apply(101, "ALTER TABLE t ADD b INT");
    tracker_moved(tracker, &there, "server-b", 7);
    tracker_moved(tracker, _i == 0 ? &later : &sooner, "server-a", 7);
    apply(310, "ALTER TABLE t ADD c INT");
    sync_tracker();
    ck_assert(load(&lost, &loaded, &msg) == ERR_OK && loaded);
    ck_assert_str_eq(columns("t"), "a,b");
    ck_assert(load(&logged, &loaded, &msg) == ERR_OK && loaded);
    ck_assert_str_eq(columns("t"), "a,b,c");
}
END_TEST

/* What was to become true at a place of the former server does not at one of the other's: it is asked for anew. */
START_TEST(parked_at_the_former_server)
{
    const struct source_place there = {"binlog.000009", 4}, behind = {"binlog.000009", 50};
    const struct catalog_context context = {.database = "d", .server_collation = 45};
    static const char text[] = "CREATE TABLE u (y INT)";
    struct horizon h = {0};
    struct tracker_move move;
    struct err_msg msg = {0};
    note(&h, 150, "ALTER TABLE t ADD b INT");
    learn(100, "CREATE TABLE t (a INT, b INT)", &h, 155);
    ck_assert_str_eq(columns("t"), "!");
    tracker_moved(tracker, &there, "server-b", 0);
    ck_assert_str_eq(columns("t"), "?");
    statement_classify(&statement, text, strlen(text), "d", 1);
    ck_assert(tracker_apply(tracker, &behind, "", &context, &statement, text, strlen(text), &move, &msg) == ERR_OK);
    ck_assert_str_eq(columns("u"), "y");
    ck_assert_str_eq(columns("t"), "?");
    horizon_free(&h);
}
END_TEST

static off_t file_bytes(void)
{
    struct stat st;
    ck_assert(stat(path, &st) == 0);
    return st.st_size;
}

/* The journal does not grow for ever.  A snapshot of a place that a crash may still take back is none until it cannot:
 * until then the file is about the places before; then about those behind, with what came meanwhile. */
START_TEST(made_anew_on_the_way)
{
    struct err_msg msg = {0};
    uint64_t position = 100;
    unsigned times = 0;
    off_t most = 0;
    learn(100, "CREATE TABLE t (a INT)", NULL, 100);
    save(100);
    while (times < 3) {
        uint64_t before = position;
        while (!tracker_wants_save(tracker)) {
            position++;
            apply(position, position % 2 == 1 ? "ALTER TABLE t ADD b INT" : "ALTER TABLE t DROP b");
            if (position % 50 == 0) sync_tracker();
            ck_assert_uint_lt(position - before, 100000);
        }
        const struct source_place place = at(position);
        tracker_prepare_save(tracker, &place, "server-a", NULL);
        apply(++position, "ALTER TABLE t ADD c INT");
        sync_tracker();
        apply(++position, "ALTER TABLE t CHANGE c d INT");
        if (file_bytes() > most) most = file_bytes();
        if (times == 1) { /* a crash before the second step */
            ck_assert(load_at(before + 1));
            ck_assert_str_eq(columns("t"), (before + 1) % 2 == 1 ? "a,b" : "a");
            ck_assert(load_at(position - 1));
            ck_assert(strstr(columns("t"), "c") != NULL);
            save(position - 1);
            apply(position, "ALTER TABLE t CHANGE c d INT");
        } else {
            ck_assert(tracker_finish_save(tracker, &msg) == ERR_OK);
            ck_assert(!tracker_wants_save(tracker));
            ck_assert_int_lt(file_bytes(), 4096);
            ck_assert(!load_at(before)); /* it cannot be asked for */
            ck_assert(load_at(place.position));
            ck_assert(strstr(columns("t"), "c") == NULL && strstr(columns("t"), "d") == NULL);
            ck_assert(load_at(position));
            ck_assert(strstr(columns("t"), "d") != NULL);
            save(position);
        }
        apply(++position, "ALTER TABLE t DROP d");
        if (position % 2 == 1) apply(++position, "ALTER TABLE t COMMENT 'as it was'");
        times++;
    }
    ck_assert_int_lt(most, 3 << 20);
}
END_TEST

/* Objects are kept with the definitions, at their place. */
START_TEST(objects)
{
    const struct source_place first = at(100), second = at(110);
    learn(100, NULL, NULL, 100);
    ck_assert(tracker_select(tracker, &first, "+d.*\n") == ERR_OK);
    save(100);
    ck_assert(tracker_select(tracker, &second, "+d.t\n") == ERR_OK);
    sync_tracker();
    ck_assert(load_at(109));
    ck_assert_str_eq(tracker_objects(tracker), "+d.*\n");
    ck_assert(load_at(110));
    ck_assert_str_eq(tracker_objects(tracker), "+d.t\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tracker");
    TCase *cases = tcase_create("cases");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, every_place);
    tcase_add_test(cases, crashes);
    tcase_add_test(cases, cut_anywhere);
    tcase_add_test(cases, damage_has_a_name);
    tcase_add_test(cases, learned_behind);
    tcase_add_test(cases, conditions);
    tcase_add_test(cases, unreadable);
    tcase_add_test(cases, other_case);
    tcase_add_test(cases, unreadable_within_a_transaction);
    tcase_add_test(cases, swapped);
    tcase_add_test(cases, other_server);
    tcase_add_loop_test(cases, left_and_reached_again, 0, 2);
    tcase_add_test(cases, parked_at_the_former_server);
    tcase_add_test(cases, made_anew_on_the_way);
    tcase_add_test(cases, objects);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

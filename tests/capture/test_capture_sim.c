/* Goal: whatever breaks between the source and us, the log is the same.
 * Method: one seeded, single-threaded run over a simulated binlog with transactions of all sizes, filtered ones, DDL,
 * crashes of the source and file changes; connections break at random, the log is taken up again at random; each time
 * the records must equal those of a run that nothing disturbed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "capture/binlog_header.h"
#include "formats/source_position.h"
#include "tests/capture/capture_world.h"
#include "tests/suite.h"

enum { TRANSACTIONS = 300 };

/* --- what happens on the source --- */

static void transaction(struct binlog_maker *m, struct random *r, bool finished)
{
    static const char *const table[] = {"kept", "other", "filtered"};
    uint32_t statements = 1 + (uint32_t)random_below(r, 4);
    bool is_large = finished && random_below(r, 40) == 0;
    bool is_payload = finished && random_below(r, 5) == 0;
    binlog_maker_gtid(m);
    if (is_payload) binlog_maker_payload_begin(m);
    binlog_maker_query(m, "app", "BEGIN");
    bool only_filtered = random_below(r, 4) == 0;
    for (uint32_t i = 0; i < statements; i++) {
        uint32_t which = only_filtered ? 2 : (uint32_t)random_below(r, 3);
        uint32_t rows = 1 + (uint32_t)random_below(r, 5), text = (uint32_t)random_below(r, 200);
        if (is_large) rows = 200 + (uint32_t)random_below(r, 200), text = 500;
        if (finished && random_below(r, 60) == 0) rows = 1, text = 50000; /* larger than a chunk */
        binlog_maker_table_map(m, 100 + which, "app", table[which]);
        binlog_maker_write(m, 100 + which, (uint32_t)random_below(r, 1000000), rows, text);
    }
    if (finished) binlog_maker_xid(m);
    if (is_payload) binlog_maker_payload_end(m, random_below(r, 4) > 0, random_below(r, 2) * 1000);
    m->now_s += random_below(r, 3) == 0;
}

static void history(struct binlog_maker *m, uint64_t seed)
{
    struct random r;
    random_init(&r, seed);
    for (int i = 0; i < TRANSACTIONS; i++) {
        transaction(m, &r, true);
        switch (random_below(&r, 30)) {
        case 0: binlog_maker_file(m, true); break;
        case 1: /* the source crashes in the middle of a transaction, and its GTID is used again */
            transaction(m, &r, false);
            m->gtid_number--;
            binlog_maker_file(m, false);
            break;
        case 2:
            binlog_maker_gtid(m);
            binlog_maker_query(m, "app", "CREATE VIEW app.v AS SELECT 1");
            break;
        case 3:
            binlog_maker_gtid(m);
            binlog_maker_query(m, "app", "CREATE USER x IDENTIFIED BY 'swordfish'");
            break;
        default: break;
        }
    }
}

static void assert_same(const struct fake_storage *a, const struct fake_storage *b)
{
    uint64_t count = a->record_count < b->record_count ? a->record_count : b->record_count;
    for (uint64_t i = 0; i < count; i++) {
        const struct fake_record *x = &a->record[i], *y = &b->record[i];
        ck_assert_msg(x->value_bytes == y->value_bytes && memcmp(x->value, y->value, x->value_bytes) == 0,
                      "record %lu differs", (unsigned long)i);
        ck_assert_int_eq(x->timestamp_ms, y->timestamp_ms);
        ck_assert_msg((x->position == NULL) == (y->position == NULL), "record %lu ends a transaction in one run only",
                      (unsigned long)i);
    }
    ck_assert_uint_eq(a->record_count, b->record_count);
    ck_assert_uint_eq(a->transaction_ends > 0, 1);
}

START_TEST(broken_connections_change_nothing)
{
    uint64_t seed = (uint64_t)_i + 1;
    struct world calm, rough;
    struct capture_status status;
    world_init(&calm, seed);
    history(&calm.maker, seed);
    world_capture(&calm);
    ck_assert_msg(world_run(&calm, 100000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(calm.storage.record_count, 1000);
    ck_assert_uint_gt(calm.storage.segments, 2);
    ck_assert_uint_eq(calm.storage.gtid_sets, calm.storage.segments);
    for (uint64_t i = 0; i < calm.storage.record_count; i++)
        ck_assert_ptr_null(memmem(calm.storage.record[i].value, calm.storage.record[i].value_bytes, "swordfish", 9));

    world_init(&rough, seed);
    history(&rough.maker, seed);
    rough.source.breaks_per_million = 4000;
    world_capture(&rough);
    ck_assert_msg(world_run(&rough, 200000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(rough.source.breaks, 3);
    assert_same(&calm.storage, &rough.storage);
    ck_assert_uint_eq(rough.storage.batches_spanning > 0, calm.storage.batches_spanning > 0);
    world_fini(&calm);
    world_fini(&rough);
}
END_TEST

/* After a crash of a log that shows what is written: what consumers may have seen comes first, and every HEARTBEAT is
 * told as something that the source cannot send again. */
START_TEST(no_heartbeat_before_all_was_sent_again)
{
    uint64_t seed = (uint64_t)_i + 1, before = 0, behind = 0;
    struct world w;
    struct capture_status status;
    world_init(&w, seed);
    w.config.heartbeat_ms = 100;
    w.source.heartbeat_ms = 1000;
    history(&w.maker, seed);
    world_capture(&w);
    ck_assert(world_run(&w, 300, &status));
    world_leave(&w);
    history(&w.maker, seed + 100); /* there when the source is reached */
    uint64_t cut = w.storage.record_count;
    w.storage.resume.is_resending = w.storage.resume.shows_written = true;
    w.source.breaks_per_million = 4000;
    world_capture(&w);
    ck_assert_msg(world_run(&w, 3000, &status), "ended: %s", status.error.text);
    const struct fake_record *end = NULL, *first = NULL;
    for (uint64_t i = 0; i < w.storage.record_count; i++) {
        const struct fake_record *r = &w.storage.record[i];
        bool moves = end == NULL || r->position == NULL || r->position_bytes != end->position_bytes ||
                     memcmp(r->position, end->position, r->position_bytes) != 0;
        ck_assert_msg(moves || r->is_with_heartbeat, "the HEARTBEAT %lu is not told", (unsigned long)i);
        if (i < cut) before += r->is_with_heartbeat;
        else behind += r->is_with_heartbeat;
        if (i >= cut && r->is_with_heartbeat && first == NULL) first = r;
        if (r->position != NULL) end = r;
    }
    ck_assert_uint_gt(before, 1); /* they were due all the time */
    ck_assert_uint_gt(behind, 0);
    ck_assert_uint_gt(w.storage.record_count - cut, 500);
    /* Only at the end. */
    while (first < w.storage.record + w.storage.record_count) ck_assert(first++->is_with_heartbeat);
    world_fini(&w);
}
END_TEST

/* HEARTBEATs are due all the time and connections break in the middle of transactions that are logged in part: a
 * HEARTBEAT still stands between transactions, and the time of records does not run backward. */
START_TEST(heartbeats_stand_between_transactions)
{
    uint64_t seed = (uint64_t)_i + 1, heartbeats = 0, without = 0;
    struct world w;
    struct capture_status status;
    world_init(&w, seed);
    w.config.heartbeat_ms = 100;
    w.maker.now_s += 1000; /* the file is older than what stands in it */
    history(&w.maker, seed);
    w.source.breaks_per_million = 60000;
    world_capture(&w);
    ck_assert_msg(world_run(&w, 20000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(w.source.breaks, 3);
    ck_assert_uint_gt(w.storage.batches_of_part, 0);
    const struct fake_record *end = NULL;
    for (uint64_t i = 0; i < w.storage.record_count; i++) {
        const struct fake_record *r = &w.storage.record[i];
        if (i > 0)
            ck_assert_msg(r->timestamp_ms >= r[-1].timestamp_ms, "time runs backward at record %lu", (unsigned long)i);
        if (r->position == NULL) continue;
        bool moves = end == NULL || r->position_bytes != end->position_bytes ||
                     memcmp(r->position, end->position, r->position_bytes) != 0;
        ck_assert_msg(moves || r == end + 1, "HEARTBEAT %lu stands in a transaction", (unsigned long)i);
        heartbeats += !moves;
        ck_assert_msg(moves || r->is_with_heartbeat, "the batch of HEARTBEAT %lu does not say so", (unsigned long)i);
        without += !r->is_with_heartbeat;
        end = r;
    }
    ck_assert_uint_gt(heartbeats, 3);
    ck_assert_uint_gt(without, 3); /* what has none does not say so: it may be shown before it is durable */
    world_fini(&w);
}
END_TEST

/* Counts the HEARTBEATs before the last other record, and those behind it. */
static void count_heartbeats(const struct fake_storage *s, uint64_t *between, uint64_t *behind)
{
    const struct fake_record *end = NULL;
    *between = *behind = 0;
    for (uint64_t i = 0; i < s->record_count; i++) {
        const struct fake_record *r = &s->record[i];
        if (r->position != NULL && end == r - 1 && r->position_bytes == end->position_bytes &&
            memcmp(r->position, end->position, r->position_bytes) == 0) {
            ++*behind;
        } else {
            *between += *behind;
            *behind = 0;
        }
        if (r->position != NULL) end = r;
    }
}

/* What follows a HEARTBEAT is shown when that is durable: in a log that else does not wait for the disk they are few
 * while transactions come. */
START_TEST(heartbeats_of_a_written_log_keep_out_of_the_way)
{
    uint64_t between[2], behind[2];
    for (int written = 0; written < 2; written++) {
        struct world w;
        struct capture_status status;
        struct random r;
        random_init(&r, 3);
        world_init(&w, 3);
        w.config.heartbeat_ms = w.source.heartbeat_ms = 100;
        w.storage.resume.shows_written = written == 1;
        binlog_maker_file(&w.maker, true);
        for (int i = 0; i < 30 * TRANSACTIONS; i++) transaction(&w.maker, &r, true);
        world_capture(&w);
        ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
        count_heartbeats(&w.storage, &between[written], &behind[written]);
        world_fini(&w);
    }
    ck_assert_uint_ge(between[0], 20);
    ck_assert_uint_ge(between[1], 2); /* now and then there must be one: what a start needs stands in it */
    ck_assert_uint_le(between[1] * 10, between[0]);
    ck_assert_uint_ge(behind[0], 50);
    ck_assert_uint_ge(behind[1] * 10, behind[0] * 9);
}
END_TEST

/* A source whose clock tells 0. */
START_TEST(events_without_a_time)
{
    struct world w;
    struct capture_status status;
    struct random r;
    random_init(&r, 4);
    world_init(&w, 7);
    w.maker.now_s = 0;
    binlog_maker_file(&w.maker, true);
    for (int i = 0; i < 5; i++) {
        transaction(&w.maker, &r, true);
        w.maker.now_s = 0;
    }
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(w.storage.record_count, 5);
    for (uint64_t i = 0; i < w.storage.record_count; i++) ck_assert_int_ge(w.storage.record[i].timestamp_ms, 1000);
    world_fini(&w);
}
END_TEST

/* The set on a segment's first record is that before its transaction, a statement's too; the very first record has it.
 * A statement's own tag tells the set with the statement. */
START_TEST(segments_begin_with_the_set_before)
{
    static const char *const expected[] = {"1-3", "1-3", "1-4", "1-5"}; /* HEARTBEAT, GTIDs 4, 5, 6 */
    static const char *const tag[] = {NULL, ":1-4", ":1-5", ":1-6"};
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    for (int i = 0; i < 6; i++) {
        if (i == 3) binlog_maker_file(&w.maker, true);
        binlog_maker_gtid(&w.maker);
        binlog_maker_query(&w.maker, "app", "CREATE VIEW app.v AS SELECT 1");
    }
    w.source.purged = 1;
    w.config.segment_bytes = 1;
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 4);
    for (uint64_t i = 0; i < 4; i++) {
        const char *set = w.storage.record[i].gtid_set;
        ck_assert_msg(set != NULL && strchr(set, ':') != NULL && strcmp(strchr(set, ':') + 1, expected[i]) == 0,
                      "record %lu: %s", (unsigned long)i, set);
        const struct fake_record *k = &w.storage.record[i];
        if (tag[i] != NULL) ck_assert_ptr_nonnull(memmem(k->value, k->value_bytes, tag[i], strlen(tag[i])));
    }
    world_fini(&w);
}
END_TEST

/* CREATE TABLE ... SELECT of nothing: a BEGIN all the same, as there is a COMMIT. */
START_TEST(statement_in_a_transaction)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_query(&w.maker, "app", "CREATE TABLE filtered (id INT)");
    binlog_maker_xid(&w.maker);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 4); /* HEARTBEAT, BEGIN, the statement, COMMIT */
    const struct fake_record *r = w.storage.record;
    ck_assert(memmem(r[2].value, r[2].value_bytes, "CREATE TABLE", 12) != NULL);
    ck_assert(r[1].position == NULL && r[2].position == NULL && r[3].position != NULL);
    world_fini(&w);
}
END_TEST

/* CREATE TABLE ... SELECT, which no parser can know the columns of: the source tells them when a row needs them, for it
 * stands behind the transaction.  Also when the log ended in its middle. */
START_TEST(unreadable_statement_in_a_transaction)
{
    static const char *fresh[][STREAM_SIM_COLUMN_FIELDS] = {
        {"app", "kept", "id", "int(11)", NULL, "NO"},  {"app", "kept", "text", "text", "utf8mb4_general_ci", "YES"},
        {"app", "other", "id", "int(11)", NULL, "NO"}, {"app", "other", "text", "text", "utf8mb4_general_ci", "YES"}};
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    uint32_t columns = w.source.column_count;
    w.source.column_count = 2; /* `other` is not there yet */
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    for (int part = 0; part < 2; part++) { /* while capture runs, and while it does not */
        if (part == 1) world_leave(&w);
        w.source.column = fresh;
        w.source.column_count = columns;
        binlog_maker_gtid(&w.maker);
        binlog_maker_query(&w.maker, "app", "BEGIN");
        binlog_maker_query(&w.maker, "app", part == 0 ? "CREATE TABLE other AS SELECT * FROM kept"
                                                      : "CREATE OR REPLACE TABLE other AS SELECT * FROM kept");
        binlog_maker_table_map(&w.maker, 1, "app", "other");
        binlog_maker_write(&w.maker, 1, 1, 3, 10);
        binlog_maker_xid(&w.maker);
        if (part == 1) world_capture(&w);
        ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
        ck_assert_uint_eq(status.row_changes, 3);
    }
    world_fini(&w);
}
END_TEST

/* Statements that change definitions, day and night: their file is made anew, but only as of what is durable. */
START_TEST(definitions_file_stays_small)
{
    static char text[150 * 1000];
    char path[128];
    struct world w;
    struct capture_status status;
    struct stat st;
    world_init(&w, 7);
    world_keep(&w);
    snprintf(path, sizeof path, "%s/sim/schema", w.folder);
    w.config.heartbeat_ms = 100;
    world_capture(&w);
    for (int i = 0; i < 70; i++) {
        w.storage.is_slow = i >= 30 && i < 60;
        snprintf(text, sizeof text, "ALTER TABLE other %s COLUMN c INT COMMENT '", i % 2 == 0 ? "ADD" : "DROP");
        if (i % 2 == 1) *strstr(text, " COMMENT") = '\0';
        if (i % 2 == 0) memset(text + strlen(text), '#', sizeof text - strlen(text) - 3);
        if (i % 2 == 0) memcpy(text + sizeof text - 3, "'", 2);
        binlog_maker_gtid(&w.maker);
        binlog_maker_query(&w.maker, "app", text);
        memset(text, 0, sizeof text);
        ck_assert_msg(world_run(&w, 100, &status), "ended: %s", status.error.text);
        ck_assert_int_eq(stat(path, &st), 0);
        if (i == 59) ck_assert_int_gt(st.st_size, 2 << 20);
        bool fits = st.st_size < (i < 30 ? 3 << 19 : 5 << 19) || (i >= 30 && i <= 65);
        ck_assert_msg(fits, "%d statements: %ld bytes", i, (long)st.st_size);
    }
    for (int start = 0; start < 2; start++) {
        binlog_maker_gtid(&w.maker);
        binlog_maker_query(&w.maker, "app", "BEGIN");
        binlog_maker_table_map(&w.maker, 1, "app", "other");
        binlog_maker_write(&w.maker, 1, 1, 3, 10);
        binlog_maker_xid(&w.maker);
        w.source.column_count = 0; /* nobody else can tell */
        ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
        ck_assert_uint_eq(status.row_changes, 3);
        world_leave(&w);
        world_capture(&w);
    }
    world_fini(&w);
}
END_TEST

/* A statement is in the binlog before the dictionary shows what it did: definitions are read when it is done. */
START_TEST(dictionary_behind_the_binlog)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    w.source.columns_hidden = 1;
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "ALTER TABLE other ADD text TEXT");
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_table_map(&w.maker, 1, "app", "other");
    binlog_maker_write(&w.maker, 1, 1, 3, 10);
    binlog_maker_xid(&w.maker);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(status.row_changes, 3);
    world_fini(&w);
}
END_TEST

/* The process dies at any step: what the log holds is cut to whole transactions, and capture goes on there. */
START_TEST(taken_up_again_anywhere)
{
    uint64_t seed = (uint64_t)_i + 100;
    struct world calm, rough;
    struct capture_status status;
    struct random r;
    random_init(&r, seed);
    world_init(&calm, seed);
    history(&calm.maker, seed);
    calm.config.heartbeat_ms = rough.config.heartbeat_ms = 1000000000;
    world_capture(&calm);
    ck_assert_msg(world_run(&calm, 100000, &status), "ended: %s", status.error.text);

    world_init(&rough, seed);
    history(&rough.maker, seed);
    rough.source.breaks_per_million = 1000;
    for (int i = 0; i < 12; i++) {
        world_capture(&rough);
        ck_assert_msg(world_run(&rough, 1 + (unsigned)random_below(&r, 6), &status) || status.wants_reattach,
                      "ended: %s", status.error.text);
        world_leave(&rough);
    }
    world_capture(&rough);
    ck_assert_msg(world_run(&rough, 100000, &status), "ended: %s", status.error.text);
    world_assert_same_changes(&calm, &rough);
    world_fini(&calm);
    world_fini(&rough);
}
END_TEST

/* A transaction is sent in part, then the source turns out never to have committed it: the log is cut once, and capture
 * passes what is dead the next time, although it begins before it; with its definitions at hand (1), or without. */
START_TEST(lost_transaction_asks_for_reattach)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    if (_i == 1) world_keep(&w);
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_table_map(&w.maker, 1, "app", "kept");
    for (uint32_t i = 0; i < 20; i++) binlog_maker_write(&w.maker, 1, 1000 * i, 100, 100);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    binlog_maker_file(&w.maker, false);
    ck_assert(!world_run(&w, 1000, &status));
    ck_assert(status.wants_reattach);
    ck_assert_uint_gt(w.storage.batches_of_part, 0);
    world_leave(&w);
    ck_assert_uint_eq(w.storage.record_count, 1); /* the HEARTBEAT of the start */
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended again: %s", status.error.text);
    ck_assert_uint_eq(status.transactions, 0);
    world_fini(&w);
}
END_TEST

/* What cannot be captured is of no weight in a transaction that was never committed: capture ends at it while it is not
 * known to be dead, and passes it then. */
START_TEST(error_in_a_lost_transaction_is_passed)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    world_keep(&w);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_table_map(&w.maker, 1, "app", "kept");
    binlog_maker_write(&w.maker, 1, 1, 1, w.config.record_bytes_max);
    ck_assert(!world_run(&w, 1000, &status));
    ck_assert(!status.wants_reattach);
    binlog_maker_file(&w.maker, false);
    world_leave(&w);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended again: %s", status.error.text);
    ck_assert_uint_eq(status.row_changes, 0);
    world_fini(&w);
}
END_TEST

/* A channel that is taken up has its definitions, and reads its backlog once.  What is before the place where it goes
 * on is read for the GTIDs: all that there is, when there is no backlog. */
START_TEST(taken_up_backlog_is_read_once)
{
    struct world w;
    struct capture_status status;
    struct random r;
    uint64_t reads[2];
    random_init(&r, 1);
    world_init(&w, 7);
    world_keep(&w);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    for (int i = 0; i < 50; i++) transaction(&w.maker, &r, true);
    for (int i = 0; i < 2; i++) {
        world_leave(&w);
        reads[i] = w.source.reads;
        world_capture(&w);
        ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
        reads[i] = w.source.reads - reads[i];
        if (i == 0) ck_assert_uint_gt(status.transactions, 0);
    }
    ck_assert_uint_gt(reads[1], 150);
    ck_assert_uint_lt(reads[0], reads[1] + 20);
    world_fini(&w);
}
END_TEST

static struct capture_status end_of(struct world *w)
{
    struct capture_status status;
    world_capture(w);
    ck_assert_msg(!world_run(w, 1000, &status), "capture did not end: state %d, %s, uuid %s", status.state,
                  status.error.text, status.server_uuid);
    world_leave(w);
    return status;
}

/* Gives a file's FORMAT_DESCRIPTION another time. */
static void format_time_add(struct stream_sim_file *f, int by)
{
    uint8_t *event = f->bytes + BINLOG_FIRST_POSITION;
    struct cursor at = cursor_of(event, f->size - BINLOG_FIRST_POSITION);
    struct binlog_header h;
    ck_assert_int_eq(binlog_header_decode(&at, &h), ERR_OK);
    struct sink out = sink_of(event, h.event_size);
    sink_le(&out, h.timestamp_s + (uint32_t)by, 4);
    out.at = event + h.event_size - BINLOG_CHECKSUM_BYTES;
    sink_le(&out, crc32_zlib(0, event, h.event_size - BINLOG_CHECKSUM_BYTES), BINLOG_CHECKSUM_BYTES);
}

/* Resumes behind one transaction, with the source changed in between. */
START_TEST(other_history_is_refused)
{
    struct world w;
    struct capture_status status;
    struct random r;
    random_init(&r, 1);
    world_init(&w, 7);
    binlog_maker_file(&w.maker, true);
    for (int i = 0; i < 5; i++) transaction(&w.maker, &r, true); /* not all of them are filtered */
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    world_leave(&w);

    format_time_add(&w.source.file[1], 1);
    ck_assert_int_eq(end_of(&w).error.code, ERR_SOURCE_HISTORY);
    format_time_add(&w.source.file[1], -1);
    size_t size = w.source.file[1].size;
    w.source.file[1].size = 150; /* within its head */
    ck_assert_int_eq(end_of(&w).error.code, ERR_SOURCE_HISTORY);
    w.source.file[1].size = size;
    binlog_maker_file(&w.maker, true);
    w.source.purged = 2;
    ck_assert_int_eq(end_of(&w).error.code, ERR_SOURCE_PURGED);
    world_fini(&w);
}
END_TEST

/* The source sends a transaction before it names it as executed: a connection that breaks in between is no other
 * history.  That it never names it is one; and that its binlog is another is told at once. */
START_TEST(sent_before_it_is_executed)
{
    struct world w;
    struct capture_status status;
    struct random r;
    random_init(&r, 1);
    world_init(&w, 7);
    world_capture(&w);
    for (int i = 0; i < 3; i++) {
        transaction(&w.maker, &r, true);
        ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
        uint64_t number = w.maker.gtid_number;
        ck_assert_int_eq(gtid_set_add(&w.source.uncommitted, binlog_maker_uuid, "", number, number), ERR_OK);
        w.source.breaks_per_million = 1000000;
        transaction(&w.maker, &r, true);
        ck_assert_msg(world_run(&w, 3, &status), "ended: %s", status.error.text);
        w.source.breaks_per_million = 0;
        ck_assert_msg(world_run(&w, 100, &status), "ended: %s", status.error.text);
        ck_assert_int_eq(status.error.code, ERR_CONNECT);
        uint64_t before = w.storage.record_count;
        if (i == 2) { /* for minutes: it waits for a semi-synchronous replica */
            ck_assert_msg(world_run(&w, 10000, &status), "ended: %s", status.error.text);
            ck_assert_int_eq(status.error.code, ERR_CONNECT);
        }
        gtid_set_clear(&w.source.uncommitted);
        ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
        ck_assert_uint_ge(w.storage.record_count, before);
        ck_assert_int_eq(status.state, CAPTURE_AT_TAIL);
    }
    world_leave(&w);
    world_fini(&w);
}
END_TEST

START_TEST(heartbeats_move_the_position)
{
    struct world w;
    struct capture_status status;
    struct random r;
    random_init(&r, 3);
    world_init(&w, 7);
    w.config.heartbeat_ms = 1000;
    w.source.heartbeat_ms = 1000;
    transaction(&w.maker, &r, true);
    world_capture(&w);
    for (int i = 0; i < 100; i++) (void)world_run(&w, 1, &status);
    uint64_t before = w.storage.record_count;
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_table_map(&w.maker, 9, "app", "filtered");
    binlog_maker_write(&w.maker, 9, 1, 3, 10);
    binlog_maker_xid(&w.maker);
    for (int i = 0; i < 100; i++) (void)world_run(&w, 1, &status);
    ck_assert_uint_ge(w.storage.record_count, before + 3);
    struct source_position p;
    const struct fake_record *last = &w.storage.record[w.storage.record_count - 1];
    ck_assert_int_eq(source_position_decode(last->position, last->position_bytes, &p), ERR_OK);
    ck_assert_uint_eq(p.position, w.source.file[0].size);
    ck_assert_int_eq(status.state, CAPTURE_AT_TAIL);
    world_fini(&w);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("sim");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, broken_connections_change_nothing, 0, 12);
    tcase_add_loop_test(cases, no_heartbeat_before_all_was_sent_again, 0, 6);
    tcase_add_loop_test(cases, heartbeats_stand_between_transactions, 0, 6);
    tcase_add_test(cases, heartbeats_of_a_written_log_keep_out_of_the_way);
    tcase_add_test(cases, events_without_a_time);
    tcase_add_test(cases, definitions_file_stays_small);
    tcase_add_test(cases, dictionary_behind_the_binlog);
    tcase_add_test(cases, segments_begin_with_the_set_before);
    tcase_add_test(cases, statement_in_a_transaction);
    tcase_add_test(cases, unreadable_statement_in_a_transaction);
    tcase_add_loop_test(cases, taken_up_again_anywhere, 0, 6);
    tcase_add_loop_test(cases, lost_transaction_asks_for_reattach, 0, 2);
    tcase_add_test(cases, error_in_a_lost_transaction_is_passed);
    tcase_add_test(cases, taken_up_backlog_is_read_once);
    tcase_add_test(cases, other_history_is_refused);
    tcase_add_test(cases, sent_before_it_is_executed);
    tcase_add_test(cases, heartbeats_move_the_position);
    Suite *suite = suite_create("capture_sim");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

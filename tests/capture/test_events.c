/* Goal: every kind of event either comes out as records, or ends the channel with words; none is lost in silence. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "capture/binlog_event.h"
#include "capture/payload.h"
#include "formats/source_position.h"
#include "tests/capture/capture_world.h"
#include "tests/capture/memory_peak.h"
#include "tests/suite.h"

enum { TRANSACTION_RECORDS = 5 /* BEGIN, three rows, COMMIT */ };

static void rows_of(struct binlog_maker *m, uint32_t first_id)
{
    binlog_maker_query(m, "app", "BEGIN");
    binlog_maker_table_map(m, 1, "app", "kept");
    binlog_maker_write(m, 1, first_id, 3, 40);
    binlog_maker_xid(m);
}

static uint64_t records_with(const struct fake_storage *s, const char *text)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < s->record_count; i++)
        count += memmem(s->record[i].value, s->record[i].value_bytes, text, strlen(text)) != NULL;
    return count;
}

/* --- compressed transactions --- */

/* The same transaction, plain and packed in three ways: the same records but for positions in the file. */
START_TEST(payloads)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    for (int way = 0; way < 4; way++) {
        binlog_maker_gtid(&w.maker);
        if (way > 0) binlog_maker_payload_begin(&w.maker);
        rows_of(&w.maker, 26); /* one text for all */
        if (way > 0) binlog_maker_payload_end(&w.maker, way > 1, way == 3 ? 10 : 0);
    }
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 1 + 4 * TRANSACTION_RECORDS);
    ck_assert_uint_eq(status.transactions, 4);
    ck_assert_uint_eq(status.row_changes, 12);
    for (uint64_t i = 0; i < TRANSACTION_RECORDS; i++) {
        const struct fake_record *plain = &w.storage.record[1 + i];
        for (uint64_t way = 1; way < 4; way++) {
            const struct fake_record *r = plain + way * TRANSACTION_RECORDS;
            ck_assert_int_eq(r->timestamp_ms, plain->timestamp_ms);
            ck_assert_uint_eq(r->position == NULL, plain->position == NULL);
            const char *text = "abcdefghijklmnopqrstuvwxyz"; /* of the first row */
            ck_assert_uint_eq(memmem(r->value, r->value_bytes, text, 26) == NULL,
                              memmem(plain->value, plain->value_bytes, text, 26) == NULL);
        }
    }
    struct source_position p;
    const struct fake_record *last = &w.storage.record[w.storage.record_count - 1];
    ck_assert_int_eq(source_position_decode(last->position, last->position_bytes, &p), ERR_OK);
    ck_assert_uint_eq(p.position, w.source.file[0].size); /* the payload's end */
    world_fini(&w);
}
END_TEST

static enum err count_events(void *context, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    (void)body, (void)msg;
    ck_assert_uint_eq(h->next_position, 0);
    ++*(unsigned *)context;
    return ERR_OK;
}

/* The body of the newest event of the source. */
static struct cursor newest_body(const struct stream_sim_source *source)
{
    const struct stream_sim_file *f = &source->file[source->file_count - 1];
    struct binlog_header h = {0};
    size_t at = BINLOG_FIRST_POSITION;
    for (; at < f->size; at += h.event_size) {
        struct cursor in = cursor_of(f->bytes + at, f->size - at);
        ck_assert_int_eq(binlog_header_decode(&in, &h), ERR_OK);
    }
    return cursor_of(f->bytes + at - h.event_size + BINLOG_HEADER_BYTES,
                     h.event_size - BINLOG_HEADER_BYTES - BINLOG_CHECKSUM_BYTES);
}

/* Every shorter body and every changed byte is refused or read; none is taken for another one. */
START_TEST(broken_payloads)
{
    struct world w;
    struct payload_reader reader = {0};
    struct err_msg msg;
    unsigned whole = 0, events;
    world_init(&w, 7);
    binlog_maker_payload_begin(&w.maker);
    rows_of(&w.maker, 1);
    binlog_maker_payload_end(&w.maker, _i > 0, 50);
    struct cursor body = newest_body(&w.source);
    ck_assert_int_eq(payload_events(&reader, body, 1 << 20, count_events, &whole, &msg), ERR_OK);
    ck_assert_uint_eq(whole, 4);
    ck_assert_int_eq(payload_events(&reader, body, 50, count_events, &events, &msg), ERR_TOO_LARGE);
    size_t size = cursor_left(&body);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, body.at, cut);
        ck_assert_int_eq(payload_events(&reader, cursor_of(copy, cut), 1 << 20, count_events, &events, &msg),
                         ERR_CORRUPT);
        free(copy);
    }
    struct random r;
    random_init(&r, 5);
    uint8_t *copy = malloc(size);
    memcpy(copy, body.at, size);
    copy[_i > 0 ? 6 : 8]++; /* how much it is, unpacked */
    ck_assert_int_eq(payload_events(&reader, cursor_of(copy, size), 1 << 20, count_events, &events, &msg), ERR_CORRUPT);
    for (int i = 0; i < 3000; i++) {
        memcpy(copy, body.at, size);
        copy[random_below(&r, size)] ^= (uint8_t)(1 + random_below(&r, 255));
        events = 0;
        enum err e = payload_events(&reader, cursor_of(copy, size), 1 << 20, count_events, &events, &msg);
        ck_assert_msg(e != ERR_OK || events >= 1, "read as nothing");
    }
    free(copy);
    payload_reader_free(&reader);
    world_fini(&w);
}
END_TEST

/* A payload of 300 MB, in events of 100 KB: the memory for it is that of one event. */
START_TEST(large_payload)
{
    enum { EVENTS = 3000, EVENT_BYTES = 100 * 1000 };
    struct world w;
    struct payload_reader reader = {0};
    struct err_msg msg;
    unsigned events = 0;
    static uint8_t body[EVENT_BYTES];
    world_init(&w, 7);
    binlog_maker_payload_begin(&w.maker);
    for (int i = 0; i < EVENTS; i++) binlog_maker_event(&w.maker, BINLOG_WRITE_ROWS, body, sizeof body);
    binlog_maker_payload_end(&w.maker, true, 0);
    ck_assert_int_eq(payload_events(&reader, newest_body(&w.source), 1 << 20, count_events, &events, &msg), ERR_OK);
    ck_assert_uint_eq(events, EVENTS);
    ck_assert_uint_le(reader.capacity, PAYLOAD_BUFFER_BYTES);
    payload_reader_free(&reader);
    world_fini(&w);
}
END_TEST

/* A definition that a statement within a payload changes is met there by the look ahead, too. */
START_TEST(statement_within_a_payload)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    binlog_maker_gtid(&w.maker);
    rows_of(&w.maker, 1);
    binlog_maker_gtid(&w.maker);
    binlog_maker_payload_begin(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_query(&w.maker, "app", "ALTER TABLE kept ADD more INT");
    binlog_maker_xid(&w.maker);
    binlog_maker_payload_end(&w.maker, true, 0);
    world_capture(&w);
    ck_assert(!world_run(&w, 1000, &status));
    ck_assert_int_eq(status.error.code, ERR_SCHEMA);
    ck_assert_ptr_nonnull(strstr(status.error.text, "app.kept"));
    world_fini(&w);
}
END_TEST

/* --- GTIDs --- */

/* What 10.11 wrote, and ALTERs in two phases. */
START_TEST(mariadb_gtids)
{
    static const struct {
        uint8_t body[40];
        size_t size;
        uint8_t extra;
    } cases[] = {
        {{0x75, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0, 0}, 19, 0},
        {{0x73, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x4c, 7, 0, 0, 0, 2, 2, 'x', '1', 'b', 'r', 1, 0xff}, 25, 1},
        {{0x74, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x8d, 7, 0, 0, 0, 2, 2, 'x', '1', 'b', 'r'}, 23, 0},
        {{0x74, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 9, 9, 9, 9, 9, 9, 9, 9}, 21, 0},
        {{0x74, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x29, 2}, 14, MARIADB_GTID_START_ALTER},
        {{0x74, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x29, 8, 5, 0, 0, 0, 0, 0, 0, 0}, 22, MARIADB_GTID_ROLLBACK_ALTER},
    };
    struct binlog_mariadb_gtid g;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(binlog_mariadb_gtid_decode(cursor_of(cases[i].body, cases[i].size), &g), ERR_OK);
        ck_assert_uint_eq(g.number, cases[i].body[0]);
        ck_assert_msg(g.extra == cases[i].extra, "case %zu: %u", i, g.extra);
        ck_assert_uint_eq(binlog_mariadb_gtid_is_idle(&g), i >= 4);
    }
    ck_assert_int_eq(binlog_mariadb_gtid_decode(cursor_of(cases[1].body, 22), &g), ERR_TRUNCATED);
    ck_assert_int_eq(binlog_mariadb_gtid_decode(cursor_of(cases[3].body, 20), &g), ERR_TRUNCATED);
}
END_TEST

START_TEST(tagged_gtids)
{
    static const char gtid[] = "3e11fa47-71ca-11e1-9e33-c80aa9429562:blue:5";
    struct world w;
    struct capture_status status;
    struct binlog_gtid g;
    world_init(&w, 7);
    w.maker.commit_us = 1700000000123456;
    binlog_maker_gtid_tagged(&w.maker, "blue", 5);
    struct cursor body = newest_body(&w.source);
    ck_assert_int_eq(binlog_gtid_tagged_decode(body, &g), ERR_OK);
    ck_assert_uint_eq(g.number, 5);
    ck_assert_str_eq(g.tag, "blue");
    ck_assert_uint_eq(g.commit_us, 1700000000123456);
    ck_assert_int_eq(memcmp(g.uuid, binlog_maker_uuid, 16), 0);
    w.config.segment_bytes = 1;
    for (size_t size = 0; size < 26; size++)
        ck_assert_int_ne(binlog_gtid_tagged_decode(cursor_of(body.at, size), &g), ERR_OK);
    rows_of(&w.maker, 1);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 1 + TRANSACTION_RECORDS);
    ck_assert_str_eq(status.gtid, gtid);
    ck_assert_uint_eq(records_with(&w.storage, gtid), 2);
    ck_assert_int_eq(w.storage.record[1].timestamp_ms, 1700000000123);
    binlog_maker_gtid_tagged(&w.maker, "blue", 6);
    rows_of(&w.maker, 1);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_str_eq(w.storage.record[1 + TRANSACTION_RECORDS].gtid_set, gtid); /* the one before it */
    world_fini(&w);
}
END_TEST

/* As 9.7 wrote it: tag "tag_one", number 1. */
START_TEST(tagged_gtid_of_a_server)
{
    static const uint8_t body[] = {0x02, 0x76, 0x00, 0x00, 0x00, 0x02, 0xd6, 0xb4, 0x29, 0x02, 0x05, 0x02, 0x95, 0x03,
                                   0x12, 0x22, 0xc5, 0x03, 0x39, 0x02, 0x62, 0x04, 0xf1, 0x03, 0x00, 0x00, 0x00, 0x02,
                                   0x04, 0x04, 0x06, 0x0e, 0x74, 0x61, 0x67, 0x5f, 0x6f, 0x6e, 0x65, 0x08, 0x4c, 0x0a,
                                   0x54, 0x0c, 0x7f, 0x3e, 0x7e, 0x00, 0x07, 0xb9, 0x60, 0x06, 0x10, 0x99, 0x05,
                                   0x12, 0x83, 0x12, 0x0b};
    static const uint8_t uuid[] = {0x6b, 0x5a, 0x8a, 0x81, 0xe5, 0x09, 0x11, 0xf1,
                                   0x8e, 0x31, 0x02, 0xfc, 0x00, 0x00, 0x00, 0x01};
    struct binlog_gtid g;
    ck_assert_int_eq(binlog_gtid_tagged_decode(cursor_of(body, sizeof body), &g), ERR_OK);
    ck_assert_str_eq(g.tag, "tag_one");
    ck_assert_uint_eq(g.number, 1);
    ck_assert_int_eq(memcmp(g.uuid, uuid, sizeof uuid), 0);
    ck_assert_uint_eq(g.commit_us / 1000000 / 86400 / 365, 56); /* of our years */
}
END_TEST

/* What is not supported ends the channel with words, and never with a wrong record. */
START_TEST(unsupported_events_end_the_channel)
{
    static const struct {
        uint8_t type;
        const char *query, *words;
        enum err code;
    } cases[] = {
        {40, NULL, "cannot be read", ERR_CORRUPT},
        {39, NULL, "does not fit", ERR_CORRUPT},
        {38, NULL, "XA_PREPARE", ERR_CORRUPT},
        {42, NULL, "GTID_TAGGED", ERR_UNSUPPORTED},
        {26, NULL, "INCIDENT", ERR_SOURCE_CONFIG},
        {20, NULL, "5.1.22", ERR_UNSUPPORTED},
        {22, NULL, "PRE_GA", ERR_UNSUPPORTED},
        {1, NULL, "START_V3", ERR_UNSUPPORTED},
        {6, NULL, "LOAD", ERR_UNSUPPORTED},
        {99, NULL, "type 99", ERR_UNSUPPORTED},
        {0, "XA START 'a'", "does not fit", ERR_CORRUPT},
        {0, "XA START X'61',X'',1", "no folder", ERR_UNSUPPORTED},
        {0, "XA END X'61',X'',1", "does not fit", ERR_CORRUPT},
        {0, "INSERT INTO kept VALUES (1,2)", "binlog_format=ROW", ERR_SOURCE_CONFIG},
        {0, "ROLLBACK TO s", NULL, ERR_OK},
        {17, NULL, NULL, ERR_OK}, /* BEGIN_LOAD_QUERY */
        {13, NULL, NULL, ERR_OK}, /* RAND */
        {29, NULL, NULL, ERR_OK}, /* ROWS_QUERY */
        {0, "INSERT INTO filtered VALUES (1)", NULL, ERR_OK},
    };
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    if (cases[_i].query != NULL)
        binlog_maker_query(&w.maker, "app", cases[_i].query);
    else
        binlog_maker_event(&w.maker, cases[_i].type, "0123456789012345678901234567890123456789", 40);
    world_capture(&w);
    bool goes_on = world_run(&w, 1000, &status);
    ck_assert_msg(goes_on == (cases[_i].code == ERR_OK), "case %d: %s", _i, status.error.text);
    ck_assert_int_eq(status.error.code, cases[_i].code);
    if (cases[_i].words != NULL)
        ck_assert_msg(strstr(status.error.text, cases[_i].words) != NULL, "%s", status.error.text);
    world_fini(&w);
}
END_TEST

/* A statement instead of rows: an error, or a warning that is counted; LOAD DATA too. */
static void load_query(struct binlog_maker *m, const char *text)
{
    uint8_t body[512];
    struct sink out = sink_of(body, sizeof body);
    sink_le(&out, 7, 4);
    sink_le(&out, 0, 4);
    sink_le(&out, 3, 1);
    sink_le(&out, 0, 2 + 2); /* error, status bytes */
    sink_le(&out, 1, 4);     /* file */
    sink_le(&out, 9, 4);     /* where its name stands in the text */
    sink_le(&out, 20, 4);
    sink_le(&out, 0, 1);
    sink_bytes(&out, "app", 4);
    sink_bytes(&out, text, strlen(text));
    ck_assert(!out.failed);
    binlog_maker_event(m, BINLOG_EXECUTE_LOAD_QUERY, body, (size_t)(out.at - body));
}

START_TEST(statements_instead_of_rows)
{
    static const struct {
        const char *text;
        bool concerns;
    } cases[] = {
        {"INSERT INTO kept VALUES (1,2)", true},
        {"UPDATE kept k JOIN filtered SET k.id=1", true},
        {"INSERT INTO filtered VALUES (1)", false},
        {"LOAD DATA INFILE 'a' REPLACE INTO TABLE `kept` FIELDS TERMINATED BY ','", true},
        {"LOAD DATA LOCAL INFILE '/tmp/\\'x' INTO TABLE `filtered`", false},
        {"LOAD DATA INFILE 'unended", true},
    };
    for (int warn = 0; warn < 2; warn++) {
        struct world w;
        struct capture_status status;
        bool is_load = strncmp(cases[_i].text, "LOAD", 4) == 0;
        world_init(&w, 7);
        w.config.statements_warn = warn;
        binlog_maker_gtid(&w.maker);
        binlog_maker_query(&w.maker, "app", "BEGIN");
        if (is_load)
            load_query(&w.maker, cases[_i].text);
        else
            binlog_maker_query(&w.maker, "app", cases[_i].text);
        binlog_maker_xid(&w.maker);
        binlog_maker_gtid(&w.maker);
        rows_of(&w.maker, 1);
        world_capture(&w);
        bool goes_on = world_run(&w, 1000, &status);
        ck_assert_msg(goes_on == (warn || !cases[_i].concerns), "case %d: %s", _i, status.error.text);
        if (!goes_on) {
            ck_assert_int_eq(status.error.code, ERR_SOURCE_CONFIG);
            ck_assert_ptr_nonnull(strstr(status.error.text, "binlog_format=ROW"));
        } else {
            ck_assert_uint_eq(status.row_changes, 3);
        }
        uint64_t counted = counter_get(
            counters_add(w.counters, COUNTER_COUNT, "capture_statement_events", "channel=sim"));
        ck_assert_uint_eq(counted, warn && cases[_i].concerns);
        world_fini(&w);
    }
}
END_TEST

START_TEST(incident)
{
    static const uint8_t body[] = "\x01\x00\x0bLOST EVENTS";
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    binlog_maker_event(&w.maker, BINLOG_INCIDENT, body, sizeof body - 1);
    world_capture(&w);
    ck_assert(!world_run(&w, 1000, &status));
    ck_assert_int_eq(status.error.code, ERR_SOURCE_CONFIG);
    ck_assert_ptr_nonnull(strstr(status.error.text, "\"LOST EVENTS\""));
    ck_assert_ptr_nonnull(strstr(status.error.text, "INCIDENT 1"));
    world_fini(&w);
}
END_TEST

/* A type that we do not know, marked by the source as one that may be passed over. */
START_TEST(ignorable_events)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    w.maker.flags = BINLOG_FLAG_IGNORABLE;
    binlog_maker_event(&w.maker, 99, "x", 1);
    w.maker.flags = 0;
    binlog_maker_gtid(&w.maker);
    rows_of(&w.maker, 1);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(status.row_changes, 3);
    world_fini(&w);
}
END_TEST

START_TEST(no_rows_before_5_1)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    w.source.version = "5.0.96-log";
    binlog_maker_file(&w.maker, true);
    world_capture(&w);
    ck_assert(!world_run(&w, 1000, &status));
    ck_assert_int_eq(status.error.code, ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(status.error.text, "5.0.96"));
    world_fini(&w);
}
END_TEST

/* --- positions and sizes --- */

/* A file that grows over 4 GiB and over 8 GiB: positions are counted, not believed. */
START_TEST(beyond_4_gib)
{
    struct world w;
    struct capture_status status;
    uint64_t wanted = 0;
    world_init(&w, 7);
    for (int i = 0; i < 6; i++) {
        w.maker.jump_bytes = (uint64_t)1800 << 20; /* what the source left out */
        binlog_maker_gtid(&w.maker);
        rows_of(&w.maker, 1);
        wanted = w.maker.position;
    }
    ck_assert_uint_gt(wanted, (uint64_t)10 << 30);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(status.transactions, 6);
    ck_assert_uint_eq(status.position, wanted);
    struct source_position p;
    const struct fake_record *last = &w.storage.record[w.storage.record_count - 1];
    ck_assert_int_eq(source_position_decode(last->position, last->position_bytes, &p), ERR_OK);
    ck_assert_uint_eq(p.position, wanted);
    world_fini(&w);
}
END_TEST

/* One event of 500 MB, of rows of 50 KB: it is read where it lies. */
START_TEST(large_event)
{
    enum { TEXT_BYTES = 50000 };
    uint32_t rows = getenv("MILLRACE_LONG") != NULL ? 10000 : 1000;
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    w.storage.keeps_records = false;
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_table_map(&w.maker, 1, "app", "kept");
    binlog_maker_write(&w.maker, 1, 1, rows, TEXT_BYTES);
    binlog_maker_xid(&w.maker);
    uint64_t before_kib = memory_peak_begin_kib();
    world_capture(&w);
    ck_assert_msg(world_run(&w, 100000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(status.row_changes, rows);
    uint64_t grown_kib = memory_peak_kib(before_kib);
    printf("an event of %" PRIu64 " MB: %" PRIu64 " KiB of memory beside it\n",
           (uint64_t)rows * TEXT_BYTES / 1000000, grown_kib);
    ck_assert_uint_lt(grown_kib, 24 * 1024);
    world_fini(&w);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT);
    TCase *cases = tcase_create("events");
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, payloads);
    tcase_add_loop_test(cases, broken_payloads, 0, 2);
    tcase_add_test(cases, large_payload);
    tcase_add_test(cases, statement_within_a_payload);
    tcase_add_test(cases, mariadb_gtids);
    tcase_add_test(cases, tagged_gtids);
    tcase_add_test(cases, tagged_gtid_of_a_server);
    tcase_add_loop_test(cases, unsupported_events_end_the_channel, 0, 19);
    tcase_add_loop_test(cases, statements_instead_of_rows, 0, 6);
    tcase_add_test(cases, incident);
    tcase_add_test(cases, ignorable_events);
    tcase_add_test(cases, no_rows_before_5_1);
    tcase_add_test(cases, beyond_4_gib);
    tcase_add_test(cases, large_event);
    Suite *suite = suite_create("events");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

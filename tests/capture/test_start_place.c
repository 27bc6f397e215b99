/* Goal: a MariaDB server is told by its id, which other servers may have too; none of them is read on from unless its
 * binlog goes on ours, and a node of a cluster that is merely behind is waited for.
 * Method: a source that answers the questions of start_place_resume by table; its files begin at HEAD_S, behind
 * `before`. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sink.h"
#include "capture/binlog_event.h"
#include "capture/binlog_header.h"
#include "capture/start_place.h"
#include "tests/suite.h"

enum { HEAD_S = 1700000000, POSITION = 1000 };

static struct {
    struct source_stream stream;
    const char *files[2];        /* names; the second may be NULL */
    const char *executed, *had;  /* gtid_binlog_pos, gtid_binlog_state */
    const char *at_place;        /* BINLOG_GTID_POS; NULL: the server does not know */
    uint32_t head_s;             /* of each file */
    unsigned places_asked, sent; /* sent: events since the dump began */
    char file[SOURCE_FILE_BYTES];
    uint8_t event[256];
} source;

static struct follower follower;
static struct err_msg msg;

/* --- the source --- */

static enum err answer(source_row *row, void *context, const char *text)
{
    const char *const field[] = {text};
    const size_t bytes[] = {text == NULL ? 0 : strlen(text)};
    return row(context, field, bytes, 1);
}

static enum err query(struct source_stream *s, const char *sql, source_row *row, void *context, struct err_msg *why)
{
    (void)s;
    (void)why;
    if (strcmp(sql, "SHOW BINARY LOGS") == 0) {
        for (unsigned i = 0; i < 2 && source.files[i] != NULL; i++) {
            const char *const field[] = {source.files[i], "2000"};
            const size_t bytes[] = {strlen(field[0]), 4};
            TRY(row(context, field, bytes, 2));
        }
        return ERR_OK;
    }
    if (strcmp(sql, "SELECT @@GLOBAL.gtid_binlog_pos") == 0) return answer(row, context, source.executed);
    if (strcmp(sql, "SELECT @@GLOBAL.gtid_binlog_state") == 0) return answer(row, context, source.had);
    ck_assert_msg(strncmp(sql, "SELECT BINLOG_GTID_POS(", 23) == 0, "asked: %s", sql);
    source.places_asked++;
    return answer(row, context, source.at_place);
}

static enum err dump(struct source_stream *s, const char *file, uint64_t position, struct err_msg *why)
{
    (void)s;
    (void)position;
    (void)why;
    snprintf(source.file, sizeof source.file, "%s", file);
    source.sent = 0;
    return ERR_OK;
}

static size_t event(uint8_t type, const void *body, size_t body_bytes)
{
    struct sink out = sink_of(source.event, sizeof source.event);
    sink_le(&out, type == BINLOG_FORMAT_DESCRIPTION ? source.head_s : 0, 4);
    sink_le(&out, type, 1);
    sink_le(&out, 1, 4);
    sink_le(&out, BINLOG_HEADER_BYTES + body_bytes, 4);
    sink_le(&out, 0, 4);
    sink_le(&out, 0, 2);
    sink_bytes(&out, body, body_bytes);
    return BINLOG_HEADER_BYTES + body_bytes;
}

/* FORMAT_DESCRIPTION, and an empty GTID_LIST; without checksums. */
static enum err next(struct source_stream *s, const uint8_t **out, size_t *size, struct err_msg *why)
{
    uint8_t format[2 + 50 + 4 + 1 + 170 + 1] = {4, 0}, list[4] = {0};
    (void)s;
    (void)why;
    memcpy(format + 2, "10.11.6-MariaDB-log", 19);
    format[2 + 50 + 4] = BINLOG_HEADER_BYTES;
    *size = source.sent++ == 0 ? event(BINLOG_FORMAT_DESCRIPTION, format, sizeof format)
                               : event(BINLOG_MARIADB_GTID_LIST, list, sizeof list);
    *out = source.event;
    return ERR_OK;
}

static const struct source_stream_ops ops = {.query = query, .dump = dump, .next = next};

/* --- the channel --- */

static void gtids(const char *text)
{
    gtid_set_clear(&follower.gtids);
    ck_assert_int_eq(gtid_set_parse(&follower.gtids, text, strlen(text)), ERR_OK);
    follower.gtids_known = true;
}

/* Capture has read bin.000007 of the server with id 1 up to 0-1-100. */
static void setup(void)
{
    source.stream = (struct source_stream){.ops = &ops, .dump_position_max = UINT32_MAX};
    source.files[0] = "bin.000007";
    source.files[1] = NULL;
    source.executed = source.had = source.at_place = "0-1-100";
    source.head_s = HEAD_S;
    source.places_asked = 0;
    follower = (struct follower){.config = {.channel = "test", .clock = clock_real()}};
    follower.facts = (struct source_facts){
        .version = "10.11.6-MariaDB", .is_mariadb = true, .has_gtids = true, .has_gtids_only = true, .server_id = 1};
    snprintf(follower.facts.server_uuid, sizeof follower.facts.server_uuid, "server_id 1");
    struct source_position r = {.position = POSITION, .format_description_s = HEAD_S};
    snprintf(r.file, sizeof r.file, "bin.000007");
    snprintf(r.server_uuid, sizeof r.server_uuid, "server_id 1");
    follower_resume_at(&follower, &r);
    gtids("0-1-100");
    msg = (struct err_msg){0};
}

static void teardown(void)
{
    gtid_set_free(&follower.gtids);
}

static enum err resume(void)
{
    return start_place_resume(&source.stream, &follower, false, &msg);
}

/* --- cases --- */

START_TEST(same_server)
{
    ck_assert_msg(resume() == ERR_OK, "%s", msg.text);
    ck_assert_str_eq(follower.resume.file, "bin.000007");
    ck_assert(!follower.passes_known && !follower.server_changed);
}
END_TEST

/* The same id, and all our numbers, but another file, or none of that name: a server that was reset, an old backup, a
 * node of a cluster that numbers by itself.  Only where the cluster numbers it is another server of our history. */
START_TEST(same_id)
{
    bool is_cluster = _i >= 2;
    source.executed = "0-1-150";
    source.had = "0-1-150";
    if (_i % 2 == 0) source.head_s = HEAD_S + 5;
    else source.files[0] = "bin.000003";
    follower.facts.is_cluster = is_cluster;
    enum err e = resume();
    if (is_cluster) {
        ck_assert_msg(e == ERR_OK, "%s", msg.text);
        ck_assert(follower.passes_known && follower.server_changed);
        return;
    }
    ck_assert_int_eq(e, ERR_SOURCE_HISTORY);
    ck_assert_msg(strstr(msg.text, "(server_id 1)") != NULL && strstr(msg.text, "its own server_id") != NULL, "%s",
                  msg.text);
}
END_TEST

/* The place of our file: 0: asked only where it is needed; 1: not told, so that the file decides; 2: behind others. */
START_TEST(same_file)
{
    static const char *const told[] = {"0-1-7", NULL, "0-1-99"};
    follower.facts.is_cluster = _i != 0;
    source.at_place = told[_i];
    ck_assert_msg(resume() == ERR_OK, "%s", msg.text);
    ck_assert_uint_eq(source.places_asked, _i == 0 ? 0 : 1);
    ck_assert(follower.server_changed == (_i == 2));
}
END_TEST

/* A node of the cluster that has not got all of ours yet is waited for; one that has others instead is not. */
START_TEST(node_behind)
{
    follower.facts.is_cluster = true;
    source.files[0] = "bin.000003";
    source.executed = source.had = _i == 0 ? "0-1-90" : "0-1-90,1-1-5";
    enum err e = resume();
    ck_assert_int_eq(e, _i == 0 ? ERR_CONNECT : ERR_SOURCE_HISTORY);
    ck_assert_msg(strstr(msg.text, _i == 0 ? "caught up" : "another history") != NULL, "%s", msg.text);
    source.executed = "0-1-120";
    source.had = "0-1-120,0-2-50";
    ck_assert_int_eq(resume(), ERR_OK);
    ck_assert(follower.passes_known && follower.server_changed);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT);
    TCase *cases = tcase_create("start_place");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, same_server);
    tcase_add_loop_test(cases, same_id, 0, 4);
    tcase_add_loop_test(cases, same_file, 0, 3);
    tcase_add_loop_test(cases, node_behind, 0, 2);
    Suite *suite = suite_create("start_place");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

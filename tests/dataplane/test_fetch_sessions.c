/* Goal: a consumer with a fetch session reads what one with full requests reads, is told only news, and loses nothing
 * when its session is gone; the cache of sessions stays within its bounds.  Method: requests by hand against the rules
 * of KIP-227, a random history with a client that keeps its half of the session as Kafka's does, the cache alone. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

enum { TOPICS = 4, VERSION = 12 };

static struct serve_config config; /* defaults */
static struct sim_server *s;
static struct port_sim_peer *peer;
static struct log *topic[TOPICS];
static const char *const names[TOPICS] = {"a", "b", "c", "d"};

static void setup(void)
{
    s = sim_start(TOPICS + 1, 1 << 20, config, 0);
    peer = port_sim_connect(s->lcore->port);
    for (int i = 0; i < TOPICS; i++) topic[i] = memory_log_new(s->storage, names[i]);
}

static void teardown(void)
{
    port_sim_hang_up(peer);
    sim_stop(s);
}

struct ask { /* a request that names some of the topics */
    int32_t id, epoch;
    int     max_wait_ms;
    int     count;         /* of topics, from 0 on */
    int64_t offset[TOPICS]; /* -1: not this one */
    int     forget;        /* bits */
    int16_t version;       /* 0: VERSION */
};

static void send_ask(const struct ask *a)
{
    struct fetch_request_topic t[TOPICS];
    struct fetch_request_partition p[TOPICS];
    struct fetch_request_forgotten gone[TOPICS];
    static int32_t zero;
    struct fetch_request in = {.cluster_id = kafka_string_null(), .replica_id = -1, .replica_state = {-1, -1},
        .max_wait_ms = a->max_wait_ms, .min_bytes = 1, .max_bytes = 50 << 20, .session_id = a->id,
        .session_epoch = a->epoch, .topics = t, .forgotten_topics_data = gone};
    for (int i = 0; i < TOPICS; i++) {
        struct kafka_uuid id;
        log_topic_id(&topic[i]->identity, id.bytes);
        if (i < a->count && a->offset[i] >= 0) {
            p[in.topic_count] = (struct fetch_request_partition){0, -1, a->offset[i], -1, -1, 1 << 20, {{0}}};
            t[in.topic_count] = (struct fetch_request_topic){kafka_string_of(names[i]), id, &p[in.topic_count], 1};
            in.topic_count++;
        }
        if ((a->forget >> i & 1) != 0)
            gone[in.forgotten_topics_data_count++] =
                (struct fetch_request_forgotten){kafka_string_of(names[i]), id, &zero, 1};
    }
    sim_send(s, peer, KAFKA_API_FETCH, a->version == 0 ? VERSION : a->version, &in);
}

static struct fetch_response asked(struct ask a)
{
    struct fetch_response out;
    send_ask(&a);
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, a.version == 0 ? VERSION : a.version, &out));
    return out;
}
#define ASKED(...) asked((struct ask){__VA_ARGS__})

static void append(int i) { memory_log_append(s->storage, topic[i], 1, 100, 1000); }

/* The answer names these topics in this order. */
static void expect_topics(const struct fetch_response *out, const char *want)
{
    ck_assert_int_eq(out->error_code, KAFKA_NONE);
    ck_assert_int_eq(out->response_count, (int32_t)strlen(want));
    for (int32_t i = 0; i < out->response_count; i++)
        ck_assert_int_eq(out->responses[i].topic.chars[0], want[i]);
}

START_TEST(only_news_is_told)
{
    append(0);
    struct fetch_response out = ASKED(.epoch = 0, .count = 3);
    expect_topics(&out, "abc"); /* a full answer has them all */
    int32_t id = out.session_id;
    ck_assert_int_gt(id, 0);
    ck_assert_uint_eq(s->lcore->sessions->open, 1);
    out = ASKED(.id = id, .epoch = 1, .count = 1, .offset = {1});
    expect_topics(&out, "");
    ck_assert_int_eq(out.session_id, id);
    append(2);
    out = ASKED(.id = id, .epoch = 2);
    expect_topics(&out, "c");
    ck_assert_int_gt(out.responses[0].partitions[0].records.size, 0);
    append(1);
    out = ASKED(.id = id, .epoch = 3); /* c was not read on: again, and behind those that had nothing then */
    expect_topics(&out, "bc");
    out = ASKED(.id = id, .epoch = 4, .count = 3, .offset = {-1, 1, 1});
    expect_topics(&out, "");
    atomic_store(&topic[0]->start_offset, 1);
    out = ASKED(.id = id, .epoch = 5);
    expect_topics(&out, "a"); /* the log start has moved */
    out = ASKED(.id = id, .epoch = 6);
    expect_topics(&out, "");
}
END_TEST

START_TEST(errors_are_told_until_they_end)
{
    struct fetch_response out = ASKED(.epoch = 0, .count = 2);
    int32_t id = out.session_id;
    atomic_store(&topic[1]->fault, ERR_IO);
    append(1);
    for (int32_t epoch = 1; epoch < 4; epoch++) {
        out = ASKED(.id = id, .epoch = epoch, .max_wait_ms = 60000);
        expect_topics(&out, "b");
        ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_KAFKA_STORAGE_ERROR);
    }
    atomic_store(&topic[1]->fault, ERR_OK);
    out = ASKED(.id = id, .epoch = 4, .count = 2, .offset = {-1, 1}); /* at the end: nothing but its recovery is news */
    expect_topics(&out, "b");
    ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_NONE);
    ck_assert_int_eq(out.responses[0].partitions[0].high_watermark, 1);
    out = ASKED(.id = id, .epoch = 5);
    expect_topics(&out, "");
}
END_TEST

START_TEST(partitions_come_and_go)
{
    struct fetch_response out = ASKED(.epoch = 0, .count = 1);
    int32_t id = out.session_id;
    out = ASKED(.id = id, .epoch = 1, .count = 3, .offset = {-1, 0, 0});
    expect_topics(&out, "bc"); /* new ones are told at once */
    append(0);
    append(1);
    out = ASKED(.id = id, .epoch = 2, .forget = 1);
    expect_topics(&out, "b");
    out = ASKED(.id = id, .epoch = 3, .forget = 2 | 4); /* that was the last */
    expect_topics(&out, "");
    ck_assert_int_eq(out.session_id, 0);
    ck_assert_uint_eq(s->lcore->sessions->open, 0);
    out = ASKED(.id = id, .epoch = 4);
    ck_assert_int_eq(out.error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    ck_assert_uint_eq(s->lcore->sessions->arena.used_bytes, 0);
}
END_TEST

START_TEST(who_is_out_of_step_begins_anew)
{
    struct fetch_response out = ASKED(.epoch = -1, .count = 2);
    expect_topics(&out, "ab");
    ck_assert_int_eq(out.session_id, 0); /* never an id for who wants none */
    out = ASKED(.id = 4711, .epoch = 1);
    ck_assert_int_eq(out.error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    out = ASKED(.id = 0, .epoch = 7);
    ck_assert_int_eq(out.error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    int32_t id = ASKED(.epoch = 0, .count = 2).session_id;
    static const int32_t wrong[] = {2, 7, -2, INT_MIN, INT_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        out = ASKED(.id = id, .epoch = wrong[i], .count = 2);
        ck_assert_int_eq(out.error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
        ck_assert(out.session_id == 0 && out.response_count == 0);
    }
    out = ASKED(.id = id, .epoch = 1, .count = 1, .version = 13); /* ids in a session of names */
    ck_assert_int_eq(out.error_code, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    out = ASKED(.id = id, .epoch = 1); /* none of those has moved it */
    ck_assert_int_eq(out.error_code, KAFKA_NONE);
    fetch_session_find(s->lcore->sessions, id, 0)->epoch = INT32_MAX; /* the epoch begins again at 1 */
    ck_assert_int_eq(ASKED(.id = id, .epoch = INT32_MAX).error_code, KAFKA_NONE);
    ck_assert_int_eq(ASKED(.id = id, .epoch = 1).error_code, KAFKA_NONE);
    ck_assert_ptr_null(fetch_session_find(s->lcore->sessions, id, 1)); /* somebody else's */

    int32_t by_id = ASKED(.id = id, .epoch = 0, .count = 2, .version = 16).session_id; /* in place of the first */
    ck_assert(by_id > 0 && by_id != id);
    ck_assert_uint_eq(s->lcore->sessions->open, 1);
    append(1);
    out = ASKED(.id = by_id, .epoch = 1, .version = 17);
    ck_assert_int_eq(out.response_count, 1);
    ck_assert_uint_eq(out.responses[0].topic_id.bytes[0], 2);
    out = ASKED(.id = by_id, .epoch = 2, .count = 1);
    ck_assert_int_eq(out.error_code, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    out = ASKED(.id = by_id, .epoch = -1, .count = 1, .version = 16); /* ends it */
    ck_assert(out.session_id == 0 && out.response_count == 1);
    ck_assert_uint_eq(s->lcore->sessions->open, 0);
}
END_TEST

/* Two that have logged in: the session of one is not the other's. */
START_TEST(a_session_is_its_principals_alone)
{
    static const uint64_t credential[2] = {11, 12};
    _Atomic uint64_t valid[2] = {11, 12};
    struct auth_link link = {.credentials = valid};
    ck_assert_int_eq(ring_spsc_init(&link.to_authority, 4096), ERR_OK);
    ck_assert_int_eq(ring_spsc_init(&link.to_serve, 4096), ERR_OK);
    struct port_sim_peer *first = peer, *other = port_sim_connect(s->lcore->port);
    sim_settle(s);
    s->lcore->config.authority = &link;
    for (uint32_t i = 0; i < 2; i++) {
        struct client *c = &s->lcore->clients[i];
        c->principal = buffer_take(&s->lcore->arena, sizeof *c->principal);
        *c->principal = (struct principal){.slot = i, .credential = credential[i]};
    }
    int32_t id = ASKED(.epoch = 0, .count = 1).session_id;
    peer = other;
    ck_assert_int_eq(ASKED(.id = id, .epoch = 1).error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    ASKED(.id = id, .epoch = 0, .count = 1); /* nor can it end it */
    peer = first;
    ck_assert_int_eq(ASKED(.id = id, .epoch = 1).error_code, KAFKA_NONE);
    port_sim_hang_up(other);
    sim_settle(s);
    s->lcore->config.authority = NULL;
    ring_spsc_fini(&link.to_authority);
    ring_spsc_fini(&link.to_serve);
}
END_TEST

/* A request that waits is handled again and again: what it changes, it changes once. */
START_TEST(waiting_moves_the_epoch_once)
{
    struct fetch_response out = ASKED(.epoch = 0, .count = 3);
    int32_t id = out.session_id;
    send_ask(&(struct ask){.id = id, .epoch = 1, .max_wait_ms = 60000, .forget = 1});
    sim_settle(s);
    append(0); /* forgotten: does not end the wait */
    sim_advance_ms(s, 100);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    append(2);
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, VERSION, &out));
    expect_topics(&out, "c");
    send_ask(&(struct ask){.id = id, .epoch = 2, .max_wait_ms = 500, .count = 3, .offset = {-1, -1, 1}});
    sim_settle(s);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    sim_advance_ms(s, 500);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, VERSION, &out));
    expect_topics(&out, "");
    ck_assert_int_eq(out.session_id, id);
    /* Taken away while it waits: the consumer is told to begin anew. */
    send_ask(&(struct ask){.id = id, .epoch = 3, .max_wait_ms = 500});
    sim_settle(s);
    fetch_session_close(s->lcore->sessions, fetch_session_find(s->lcore->sessions, id, 0));
    sim_advance_ms(s, 500);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, VERSION, &out));
    ck_assert_int_eq(out.error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
}
END_TEST

/* One with much to read does not keep the others waiting. */
START_TEST(everybody_has_a_turn)
{
    for (int i = 0; i < 3; i++) memory_log_append(s->storage, topic[i], 1, 400, 1000);
    int32_t id = ASKED(.epoch = 0, .count = 3).session_id;
    struct fetch_session *session = fetch_session_find(s->lcore->sessions, id, 0);
    char seen[7] = "";
    for (int32_t epoch = 1; epoch <= 6; epoch++) {
        struct fetch_request in = {.cluster_id = kafka_string_null(), .replica_id = -1, .replica_state = {-1, -1},
                                   .min_bytes = 1, .max_bytes = 100, .session_id = id, .session_epoch = epoch};
        struct fetch_response out;
        sim_ask(s, peer, KAFKA_API_FETCH, VERSION, &in, &out);
        ck_assert_int_eq(out.response_count, 1);
        seen[epoch - 1] = out.responses[0].topic.chars[0];
    }
    ck_assert_str_eq(seen, "abcabc");
    ck_assert_uint_eq(session->count, 3);
}
END_TEST

/* --- a history --- */

struct consumer { /* its half of the session, as FetchSessionHandler of Kafka's client keeps it */
    int32_t id, epoch;
    bool    wants[TOPICS], is_named[TOPICS]; /* and what the server knows */
    int64_t position[TOPICS], named[TOPICS], read[TOPICS];
};

static void consumer_turn(struct consumer *c, struct random *r)
{
    bool is_full = c->epoch == 0;
    struct ask a = {.id = c->id, .epoch = c->epoch, .count = TOPICS};
    int any = 0;
    for (int i = 0; i < TOPICS; i++) {
        bool is_news = is_full || !c->is_named[i] || c->named[i] != c->position[i];
        a.offset[i] = c->wants[i] && is_news ? c->position[i] : -1;
        if (!is_full && c->is_named[i] && !c->wants[i]) a.forget |= 1 << i;
        c->is_named[i] = c->wants[i];
        c->named[i] = c->position[i];
        any += c->wants[i];
    }
    if (is_full && any == 0) return;
    bool is_out_of_step = random_below(r, 20) == 0;
    if (is_out_of_step) a.epoch = is_full ? 99 : a.epoch + 5;
    struct fetch_response out = asked(a);
    if (out.error_code != KAFKA_NONE) { /* begin anew; an answer that was lost does the same */
        ck_assert(is_out_of_step);
        c->epoch = 0;
        return;
    }
    for (int32_t k = 0; k < out.response_count; k++) {
        int i = out.responses[k].topic.chars[0] - 'a';
        const struct fetch_response_partition *p = out.responses[k].partitions;
        ck_assert(c->wants[i]);
        ck_assert_int_eq(p->error_code, KAFKA_NONE);
        if (p->records.size > 0) c->position[i] = p->high_watermark; /* bounds are wide: all that is there */
    }
    if (is_full) c->id = out.session_id;
    c->epoch = out.session_id == 0 ? 0 : c->epoch + 1;
}

START_TEST(nothing_is_missed_in_random_histories)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct random r;
        struct consumer c = {.epoch = 0};
        random_init(&r, seed);
        for (int i = 0; i < TOPICS; i++) c.position[i] = (int64_t)log_high_watermark(topic[i]);
        for (int step = 0; step < 60; step++) {
            if (random_below(&r, 2) == 0) append((int)random_below(&r, TOPICS));
            if (random_below(&r, 4) == 0) c.wants[random_below(&r, TOPICS)] ^= true;
            if (random_below(&r, 30) == 0) c.epoch = 0; /* it lost its connection */
            consumer_turn(&c, &r);
            sim_advance_ms(s, 10);
        }
        for (int i = 0; i < TOPICS; i++) c.wants[i] = true;
        for (int i = 0; i < 60; i++) consumer_turn(&c, &r);
        for (int i = 0; i < TOPICS; i++) ck_assert_int_eq(c.position[i], (int64_t)log_high_watermark(topic[i]));
    }
}
END_TEST

/* --- the cache --- */

static struct fetch_session *open_with(struct fetch_sessions *x, uint32_t count, uint64_t now_s)
{
    struct fetch_session *session = fetch_session_open(x, 0, false, count, now_s * 1000000000);
    for (uint32_t i = 0; session != NULL && i < count; i++) {
        char name[20];
        snprintf(name, sizeof name, "t%u", i);
        struct fetch_topic_key key = {kafka_string_of(name), {{0}}};
        ck_assert_ptr_nonnull(fetch_session_put(x, session, &key, &(struct fetch_request_partition){0}));
    }
    return session;
}

START_TEST(the_cache_is_bounded)
{
    struct fetch_sessions *x = calloc(1, sizeof *x);
    ck_assert_int_eq(fetch_sessions_init(x), ERR_OK);
    struct fetch_session *first = open_with(x, 1, 1000);
    for (int i = 1; i < FETCH_SESSIONS_MAX; i++) {
        struct fetch_session *session = open_with(x, 2, 1000);
        ck_assert_ptr_nonnull(session);
        ck_assert_ptr_eq(fetch_session_find(x, session->id, 0), session);
    }
    ck_assert_uint_eq(x->open, FETCH_SESSIONS_MAX);
    ck_assert_ptr_null(open_with(x, 9, 1100)); /* all are used or young */
    for (int i = 0; i < FETCH_SESSIONS_MAX; i++) x->slot[i].used_ns = 1120ull * 1000000000; /* not young */
    ck_assert_ptr_null(open_with(x, 1, 1130)); /* none is smaller */
    int32_t id = first->id;
    struct fetch_session *large = open_with(x, 20, 1130);
    ck_assert_ptr_nonnull(large);
    ck_assert_ptr_null(fetch_session_find(x, id, 0)); /* the smallest had to go */
    ck_assert_uint_eq(x->open, FETCH_SESSIONS_MAX);
    large->used_ns = 1110ull * 1000000000;
    id = large->id;
    ck_assert_ptr_nonnull(open_with(x, 1, 1235)); /* the one idle longest, however large */
    ck_assert_ptr_null(fetch_session_find(x, id, 0));
    ck_assert_uint_eq(x->evicted, 2);
    for (int i = 0; i < FETCH_SESSIONS_MAX; i++) if (x->slot[i].id != 0) fetch_session_close(x, &x->slot[i]);
    ck_assert_uint_eq(x->arena.used_bytes, 0);

    ck_assert_ptr_null(open_with(x, FETCH_SESSION_ENTRIES_MAX + 1, 2000));
    uint32_t held = 0; /* memory ends before the slots do */
    while (open_with(x, FETCH_SESSION_ENTRIES_MAX, 2000) != NULL) held++;
    ck_assert(held > 4 && held < FETCH_SESSIONS_MAX);
    ck_assert_ptr_nonnull(open_with(x, FETCH_SESSION_ENTRIES_MAX, 3000));
    ck_assert_uint_eq(x->open, held);
    fetch_sessions_fini(x);
    free(x);
}
END_TEST

START_TEST(a_session_grows_and_shrinks)
{
    struct fetch_sessions *x = calloc(1, sizeof *x);
    ck_assert_int_eq(fetch_sessions_init(x), ERR_OK);
    struct fetch_session *session = open_with(x, 1, 1000);
    char name[LOG_NAME_BYTES + 1];
    struct fetch_request_partition p = {.partition = 0};
    for (uint32_t i = 1; i < FETCH_SESSION_ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, "n%u", i);
        struct fetch_topic_key key = {kafka_string_of(name), {{0}}};
        ck_assert_ptr_nonnull(fetch_session_put(x, session, &key, &p));
    }
    struct fetch_topic_key one_more = {kafka_string_of("more"), {{0}}}, there = {kafka_string_of("n7"), {{0}}};
    ck_assert_ptr_null(fetch_session_put(x, session, &one_more, &p));
    p.fetch_offset = 42;
    struct fetch_entry *e = fetch_session_put(x, session, &there, &p); /* is there: changed in place */
    ck_assert(e != NULL && e->asked.fetch_offset == 42 && e->name_bytes == 2);
    fetch_session_forget(session, &there, 1); /* another partition */
    ck_assert_uint_eq(session->count, FETCH_SESSION_ENTRIES_MAX);
    fetch_session_forget(session, &there, 0);
    ck_assert_ptr_nonnull(fetch_session_put(x, session, &one_more, &p));
    uint32_t seen = 0;
    for (uint16_t at = session->first; at != FETCH_ENTRY_NONE; at = session->entry[at].next) seen++;
    ck_assert_uint_eq(seen, FETCH_SESSION_ENTRIES_MAX);
    ck_assert(strncmp(session->entry[session->last].name, "more", 4) == 0);
    memset(name, 'x', sizeof name);
    struct fetch_topic_key long_name = {{name, LOG_NAME_BYTES}, {{0}}}, no_name = {kafka_string_null(), {{0}}};
    fetch_session_forget(session, &one_more, 0);
    ck_assert_ptr_null(fetch_session_put(x, session, &long_name, &p));
    ck_assert_ptr_null(fetch_session_put(x, session, &no_name, &p));
    fetch_sessions_fini(x);
    free(x);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fetch_sessions");
    TCase *t = tcase_create("fetch_sessions");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, only_news_is_told);
    tcase_add_test(t, errors_are_told_until_they_end);
    tcase_add_test(t, partitions_come_and_go);
    tcase_add_test(t, who_is_out_of_step_begins_anew);
    tcase_add_test(t, a_session_is_its_principals_alone);
    tcase_add_test(t, waiting_moves_the_epoch_once);
    tcase_add_test(t, everybody_has_a_turn);
    tcase_add_test(t, nothing_is_missed_in_random_histories);
    suite_add_tcase(suite, t);
    t = tcase_create("cache");
    tcase_add_test(t, the_cache_is_bounded);
    tcase_add_test(t, a_session_grows_and_shrinks);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

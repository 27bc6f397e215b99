#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/counters.h"
#include "dataplane/port_sim.h"
#include "dataplane/serve_sim.h"
#include "storage/disk_sim.h"
#include "storage/storage.h"
#include "tests/dataplane/kafka_client.h"
#include "tests/dataplane/topic_sim.h"
#include "tests/instructions/cases.h"
#include "tests/storage/producer.h"

enum {
    REQUEST_BYTES = 4096, ANSWER_BYTES = 1 << 20, SEGMENT_BYTES = 2 << 20, FETCH_BYTES = 64 << 10, VALUE_BYTES = 300,
    BATCHES = 200, BATCH_RECORDS = 20, FETCHES = 40, BEATS = 100, COMMITS = 50
};

/* A whole server in one thread on a clock of its own, and one client of it. */
struct server {
    struct disk *disk;
    struct clock_simulated clock;
    struct counters *counters;
    struct storage *storage;
    struct topic orders, offsets;
    struct producer producer;
    struct port *port;
    struct dataplane *dataplane;
    struct port_sim_peer *peer;
    uint8_t request[REQUEST_BYTES], answer[ANSWER_BYTES];
    size_t  request_bytes, answer_bytes;
    uint64_t steps;
    struct kafka_arena arena;
    char member[64]; /* of group "g" */
    int32_t generation;
};

static uint8_t arena_bytes[1 << 20] __attribute__((aligned(16)));

static void server_up(struct server *s)
{
    struct err_msg msg = {0};
    struct storage_config storage = {
        .data_folder = "data", .chunk_bytes = 256 << 10, .chunk_count = 64, .leases_per_log = 2,
        .tail_chunks_per_log = 16, .segment_bytes = SEGMENT_BYTES, .index_interval_bytes = 4096, .uring_depth = 16,
        .reader_count = 2, .reader_cache_bytes = 4 << 20, .record_bytes_max = 1 << 20, .core = -1};
    struct listener_config only = {.name = "counted", .host = "127.0.0.1", .port = 9092,
                                   .request_timeout_ms = 60000, .idle_timeout_ms = 600000,
                                   .inflight_bytes_max = 16 << 20};
    struct dataplane_config dataplane = {
        .listeners = &only, .listener_count = 1, .serve_thread_count = 1, .connections_max = 8,
        .request_bytes_max = 1 << 20, .fetch_bytes_max = 8 << 20, .send_pinned_bytes_max = 8 << 20,
        .groups_max = 16, .offsets_retention_ms = 86400000, .cluster_id = "counted"};
    clock_simulated_init(&s->clock, 1784032496000);
    s->arena = (struct kafka_arena){arena_bytes, sizeof arena_bytes, 0};
    ck_assert_int_eq(disk_sim_create(&s->disk, 1), ERR_OK);
    ck_assert_int_eq(counters_open(&s->counters, NULL, 8192, &msg), ERR_OK);
    enum err e = storage_start_simulated(&s->storage, &storage, &s->clock.clock, s->counters, s->disk, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    topic_open(s->storage, &s->offsets, "__consumer_offsets", true);
    topic_open(s->storage, &s->orders, "orders", true);
    s->orders.feed->producer_waiter = &s->orders.waiter;
    producer_init(&s->producer, s->orders.feed, &s->orders.resume, SEGMENT_BYTES, 5);
    ck_assert_int_eq(port_sim_open(&s->port, dataplane.connections_max, NULL), ERR_OK);
    e = dataplane_start_simulated(&s->dataplane, &dataplane, s->storage, s->offsets.log, s->offsets.feed,
                                  &s->clock.clock, s->counters, s->port, 1, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    ck_assert_ptr_nonnull(s->peer = port_sim_connect(s->port));
}

static void server_down(struct server *s)
{
    port_sim_hang_up(s->peer);
    dataplane_stop(s->dataplane);
    storage_stop(s->storage);
    producer_fini(&s->producer);
    free(s->orders.resume.gtid_set);
    free(s->offsets.resume.gtid_set);
    counters_close(s->counters);
    disk_destroy(s->disk);
}

static void step(struct server *s)
{
    unsigned work = storage_step(s->storage) + dataplane_step(s->dataplane);
    clock_simulated_advance(&s->clock, work > 0 ? 10000 : 1000000);
}

/* What is asked in the cases, made before: the client's work is not what is counted. */
static void request(struct server *s, int16_t api_key, int16_t version, const void *body)
{
    s->request_bytes = request_make(api_key, version, 1, body, s->request, sizeof s->request);
}

/* Sends the request and steps until its answer is there, and whole. */
static void exchange(struct server *s)
{
    if (!port_sim_write(s->peer, s->request, s->request_bytes)) ck_abort_msg("the server has closed the connection");
    for (size_t got = s->answer_bytes = 0, whole = 4; got < whole; step(s)) {
        got += port_sim_read(s->peer, s->answer + got, sizeof s->answer - got);
        struct cursor size = cursor_of(s->answer, got);
        if (got >= 4) whole = s->answer_bytes = (size_t)cursor_be(&size, 4) + 4;
        if (s->steps++ > 1000000) ck_abort_msg("no answer");
    }
}

static void exchanges(struct server *s, int count)
{
    for (int i = 0; i < count; i++) exchange(s);
}

static void answer(struct server *s, int16_t api_key, int16_t version, void *out)
{
    response_read(api_key, version, 1, s->answer, s->answer_bytes, &s->arena, out);
}

/* --- append --- */

/* Making the batches is not what is counted. */
static bool send(struct server *s)
{
    CALLGRIND_TOGGLE_COLLECT;
    bool is_sent = producer_send(&s->producer, BATCH_RECORDS, VALUE_BYTES, true, 1784032496000);
    CALLGRIND_TOGGLE_COLLECT;
    return is_sent;
}

static void append(struct server *s)
{
    for (int i = 0; i < BATCHES; i++) {
        for (; !send(s); step(s)) producer_poll(&s->producer);
        step(s);
    }
    while (log_high_watermark(s->orders.log) < s->producer.next_offset) step(s);
}

/* --- fetch: the same records again and again --- */

static void fetch_cases(struct server *s)
{
    static const struct { int16_t version; const char *name; } cases[] = {
        {0, "fetch_v0"}, {4, "fetch_v4"}, {12, "fetch_v12"}, {17, "fetch_v17"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct simple_fetch f;
        struct fetch_response out;
        simple_fetch_init(&f, "orders", 2 * BATCH_RECORDS, 0, 1);
        f.topic.topic_id.bytes[0] = 'o';
        f.request.replica_state = (struct fetch_replica_state){-1, -1};
        f.partition.partition_max_bytes = FETCH_BYTES;
        request(s, KAFKA_API_FETCH, cases[i].version, &f.request);
        exchange(s); /* this version's first */
        COUNTED(cases[i].name, exchanges(s, FETCHES));
        answer(s, KAFKA_API_FETCH, cases[i].version, &out);
        const struct fetch_response_partition *p = out.responses[0].partitions;
        ck_assert_int_eq(p->error_code, 0);
        ck_assert_int_gt(p->records.size, FETCH_BYTES / 2);
    }
}

/* --- groups: one member, by the whole way from its socket to the durable log of offsets --- */

static void join_and_sync(struct server *s)
{
    struct join_group_request_protocol protocol = {kafka_string_of("range"), {(const uint8_t *)"m", 1}};
    struct join_group_request join = {
        .group_id = kafka_string_of("g"), .session_timeout_ms = 30000, .rebalance_timeout_ms = 60000,
        .member_id = kafka_string_of(""), .group_instance_id = kafka_string_null(),
        .protocol_type = kafka_string_of("consumer"), .protocols = &protocol, .protocol_count = 1,
        .reason = kafka_string_null()};
    struct join_group_response joined;
    request(s, KAFKA_API_JOIN_GROUP, 3, &join);
    COUNTED("group_join", exchange(s));
    answer(s, KAFKA_API_JOIN_GROUP, 3, &joined);
    ck_assert_int_eq(joined.error_code, 0);
    snprintf(s->member, sizeof s->member, "%.*s", (int)joined.member_id.size, joined.member_id.chars);
    s->generation = joined.generation_id;
    struct sync_group_request_assignment assignment = {kafka_string_of(s->member), {(const uint8_t *)"a", 1}};
    struct sync_group_request sync = {
        .group_id = kafka_string_of("g"), .generation_id = s->generation, .member_id = kafka_string_of(s->member),
        .group_instance_id = kafka_string_null(), .protocol_type = kafka_string_null(),
        .protocol_name = kafka_string_null(), .assignments = &assignment, .assignment_count = 1};
    struct sync_group_response synced;
    request(s, KAFKA_API_SYNC_GROUP, 3, &sync);
    COUNTED("group_sync", exchange(s));
    answer(s, KAFKA_API_SYNC_GROUP, 3, &synced);
    ck_assert_int_eq(synced.error_code, 0);
}

static void heartbeat(struct server *s)
{
    struct heartbeat_request beat = {kafka_string_of("g"), s->generation, kafka_string_of(s->member),
                                     kafka_string_null()};
    struct heartbeat_response out;
    request(s, KAFKA_API_HEARTBEAT, 3, &beat);
    COUNTED("group_heartbeat", exchanges(s, BEATS));
    answer(s, KAFKA_API_HEARTBEAT, 3, &out);
    ck_assert_int_eq(out.error_code, 0);
}

static void commit(struct server *s)
{
    struct offset_commit_request_partition p = {0, 40, -1, -1, kafka_string_of("")};
    struct offset_commit_request_topic topic = {kafka_string_of("orders"), &p, 1};
    struct offset_commit_request in = {kafka_string_of("g"), s->generation, kafka_string_of(s->member),
                                       kafka_string_null(), -1, &topic, 1};
    struct offset_commit_response out;
    uint64_t before = log_high_watermark(s->offsets.log);
    request(s, KAFKA_API_OFFSET_COMMIT, 7, &in);
    COUNTED("group_commit", exchanges(s, COMMITS));
    answer(s, KAFKA_API_OFFSET_COMMIT, 7, &out);
    ck_assert_int_eq(out.topics[0].partitions[0].error_code, 0);
    ck_assert_uint_eq(log_high_watermark(s->offsets.log), before + COMMITS);
}

void server_cases(void)
{
    static struct server s;
    server_up(&s);
    COUNTED("append", append(&s));
    fetch_cases(&s);
    join_and_sync(&s);
    heartbeat(&s);
    commit(&s);
    server_down(&s);
}

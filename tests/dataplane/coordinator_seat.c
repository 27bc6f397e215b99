#include "tests/dataplane/coordinator_seat.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/disk_sim.h"

enum { SCRATCH_BYTES = 4 << 20 };

static void init(struct seat *s, const char *data)
{
    memset(s, 0, sizeof *s);
    s->storage_config = (struct storage_config){
        .data_folder = data, .chunk_bytes = 128 << 10, .chunk_count = 60, .leases_per_log = 2, .tail_chunks_per_log = 8,
        .segment_bytes = 64 << 20, .flush_interval_us = 0, .index_interval_bytes = 4096, .uring_depth = 16,
        .reader_count = 1, .reader_cache_bytes = 1 << 20, .record_bytes_max = 1 << 20, .retention_ms = 1000,
        .core = -1};
    s->config = (struct coordinator_config){
        .reader_index = 0, .link_count = 1, .initial_rebalance_delay_ms = 0,
        .consumer_session_timeout_ms = 45000, .offsets_retention_ms = 7 * 86400000u,
        .groups_max = 100, .core = -1};
    s->bytes = malloc(LINK_FRAME_BYTES_MAX);
    s->scratch = malloc(SCRATCH_BYTES);
}

void seat_init_simulated(struct seat *s, uint64_t seed)
{
    init(s, "data");
    clock_simulated_init(&s->clock, 1700000000000);
    ck_assert_int_eq(disk_sim_create(&s->disk, seed), ERR_OK);
    s->config.clock = &s->clock.clock;
    s->config.is_simulated = true;
}

void seat_init_live(struct seat *s, const char *data)
{
    init(s, data);
    s->config.clock = clock_real();
}

static struct log *open_log(struct seat *s, const char *name, bool is_internal, struct log_feed **feed)
{
    struct err_msg msg = {.text = ""};
    struct log_resume resume = {0};
    struct log *log;
    struct log_identity identity = {.is_internal = is_internal};
    snprintf(identity.name, sizeof identity.name, "%s", name);
    snprintf(identity.cluster_id, sizeof identity.cluster_id, "cluster");
    enum err e = storage_log_open(s->storage, &identity, false, &log, feed, &resume, &msg);
    if (e == ERR_NOT_FOUND) e = storage_log_open(s->storage, &identity, true, &log, feed, &resume, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    free(resume.gtid_set);
    return log;
}

void seat_up(struct seat *s, uint64_t seed)
{
    struct err_msg msg = {.text = ""};
    struct log_feed *topic_feed;
    ck_assert_int_eq(counters_open(&s->counters, NULL, 4000, &msg), ERR_OK);
    enum err e = s->disk != NULL
        ? storage_start_simulated(&s->storage, &s->storage_config, s->config.clock, s->counters, s->disk, &msg)
        : storage_start(&s->storage, &s->storage_config, s->config.clock, s->counters, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    s->offsets_log = open_log(s, "__consumer_offsets", true, &s->offsets_feed);
    s->topic_log = open_log(s, "t", false, &topic_feed);
    s->config.storage = s->storage;
    s->config.offsets_log = s->offsets_log;
    s->config.offsets_feed = s->offsets_feed;
    s->config.counters = s->counters;
    s->config.random_seed = seed;
    ck_assert_msg(coordinator_open(&s->coordinator, &s->config, &msg) == ERR_OK, "%s", msg.text);
    s->link = coordinator_link_of(s->coordinator, 0);
    if (s->disk != NULL) waiter_init_simulated(&s->waiter);
    else ck_assert_int_eq(waiter_init(&s->waiter), ERR_OK);
    s->link->serve_waiter = &s->waiter;
    ck_assert_msg(coordinator_start(s->coordinator, &msg) == ERR_OK, "%s", msg.text);
}

static void end_coordinator(struct seat *s)
{
    coordinator_stop(s->coordinator);
    waiter_fini(&s->waiter);
    s->coordinator = NULL;
}

void seat_down(struct seat *s)
{
    struct err_msg msg;
    end_coordinator(s);
    ck_assert_int_eq(storage_log_detach(s->storage, s->offsets_log, &msg), ERR_OK);
    if (s->topic_log != NULL) ck_assert_int_eq(storage_log_detach(s->storage, s->topic_log, &msg), ERR_OK);
    storage_stop(s->storage);
    counters_close(s->counters);
}

void seat_lose_power(struct seat *s)
{
    end_coordinator(s);
    storage_abandon_simulated(s->storage);
    disk_sim_power_cycle(s->disk);
    counters_close(s->counters);
}

void seat_fini(struct seat *s)
{
    if (s->disk != NULL) disk_destroy(s->disk);
    free(s->bytes);
    free(s->scratch);
}

/* --- requests and answers --- */

uint64_t seat_send_bytes(struct seat *s, int16_t api_key, int16_t version, const void *bytes, size_t size)
{
    static const char id[] = "client", host[] = "/127.0.0.1";
    struct link_request *m = ring_spsc_claim(&s->link->to_coordinator,
                                             (uint32_t)(sizeof *m + sizeof id - 1 + sizeof host - 1 + size));
    ck_assert_ptr_nonnull(m);
    *m = (struct link_request){++s->connection_id, 7, api_key, version, (uint32_t)size, sizeof id - 1,
                               sizeof host - 1};
    uint8_t *at = (uint8_t *)(m + 1);
    memcpy(at, id, sizeof id - 1);
    memcpy(at + sizeof id - 1, host, sizeof host - 1);
    memcpy(at + sizeof id - 1 + sizeof host - 1, bytes, size);
    ring_spsc_commit(&s->link->to_coordinator);
    if (s->disk == NULL) waiter_wake(s->link->coordinator_waiter);
    return s->connection_id;
}

uint64_t seat_send(struct seat *s, int16_t api_key, int16_t version, const void *body)
{
    static uint8_t bytes[LINK_BODY_BYTES_MAX];
    struct sink out = sink_of(bytes, sizeof bytes);
    ck_assert_int_eq(kafka_encode(kafka_request_of(api_key), version, body, &out, NULL), ERR_OK);
    return seat_send_bytes(s, api_key, version, bytes, (size_t)(out.at - bytes));
}

void seat_step(struct seat *s)
{
    (void)storage_step(s->storage);
    (void)coordinator_step(s->coordinator);
    clock_simulated_advance(&s->clock, 1000000);
}

void seat_settle(struct seat *s)
{
    for (int idle = 0; idle < 20;) {
        unsigned work = storage_step(s->storage) + coordinator_step(s->coordinator);
        idle = work == 0 ? idle + 1 : 0;
        clock_simulated_advance(&s->clock, 1000000);
    }
}

static const struct link_answer *next_answer(struct seat *s)
{
    uint32_t size;
    const struct link_answer *m = ring_spsc_next(&s->link->to_serve, &size);
    if (m != NULL) ck_assert_uint_eq(size, sizeof *m + m->frame_bytes);
    return m;
}

static void look(struct seat *s, const struct link_answer *m, int16_t api_key, int16_t version,
                 struct seat_answer *out, void *body)
{
    uint32_t size = m->frame_bytes;
    *out = (struct seat_answer){m->connection_id, size == 0, api_key, version};
    ck_assert_int_eq(m->correlation_id, 7);
    memcpy(s->bytes, m + 1, size);
    ring_spsc_release(&s->link->to_serve);
    if (out->closes) return;
    const struct kafka_message *message = kafka_response_of(api_key);
    struct cursor in = cursor_of(s->bytes, size);
    ck_assert_uint_eq(cursor_be(&in, 4), size - 4);
    ck_assert_uint_eq(cursor_be(&in, 4), 7);
    if (version >= message->flexible_since) ck_assert_uint_eq(cursor_be(&in, 1), 0);
    struct kafka_arena arena = {s->scratch, SCRATCH_BYTES, 0};
    ck_assert_int_eq(kafka_decode(message, version, &in, &arena, body), ERR_OK);
    ck_assert_uint_eq(cursor_left(&in), 0);
}

bool seat_take(struct seat *s, int16_t api_key, int16_t version, struct seat_answer *out, void *body)
{
    const struct link_answer *m = next_answer(s);
    if (m == NULL) return false;
    look(s, m, api_key, version, out, body);
    return true;
}

static const struct link_answer *wait_for_answer(struct seat *s)
{
    const struct link_answer *m = next_answer(s);
    for (int i = 0; m == NULL && s->disk != NULL && i < 100000; i++) {
        seat_step(s);
        m = next_answer(s);
    }
    while (m == NULL && s->disk == NULL) {
        waiter_announce(&s->waiter);
        m = next_answer(s);
        if (m == NULL) waiter_block(&s->waiter, 10000);
        waiter_cancel(&s->waiter);
    }
    return m;
}

bool seat_ask(struct seat *s, int16_t api_key, int16_t version, const void *body, void *response)
{
    struct seat_answer answer;
    uint64_t id = seat_send(s, api_key, version, body);
    const struct link_answer *m = wait_for_answer(s);
    ck_assert_msg(m != NULL, "no answer to API %d", api_key);
    look(s, m, api_key, version, &answer, response);
    ck_assert_uint_eq(answer.connection_id, id);
    return !answer.closes;
}

void seat_commit_burst(struct seat *s, const char *group, int64_t first, int count, const char *metadata)
{
    for (int i = 0; i < count; i++) {
        struct offset_commit_request_partition p = {0, first + i, -1, -1, kafka_string_of(metadata)};
        struct offset_commit_request_topic topic = {kafka_string_of("t"), &p, 1};
        struct offset_commit_request request = {
            .group_id = kafka_string_of(group), .generation_id = -1, .group_instance_id = kafka_string_null(),
            .retention_time_ms = -1, .topics = &topic, .topic_count = 1};
        seat_send(s, KAFKA_API_OFFSET_COMMIT, 8, &request);
    }
    for (int i = 0; i < count; i++) {
        struct seat_answer answer;
        struct offset_commit_response response;
        const struct link_answer *m = wait_for_answer(s);
        ck_assert_ptr_nonnull(m);
        look(s, m, KAFKA_API_OFFSET_COMMIT, 8, &answer, &response);
        ck_assert(!answer.closes);
        ck_assert_int_eq(response.topics[0].partitions[0].error_code, 0);
    }
}

bool seat_commit(struct seat *s, const char *group, int64_t offset, const char *metadata, int16_t *error)
{
    struct offset_commit_request_partition p = {0, offset, -1, -1, kafka_string_of(metadata)};
    struct offset_commit_request_topic topic = {kafka_string_of("t"), &p, 1};
    struct offset_commit_request request = {
        .group_id = kafka_string_of(group), .generation_id = -1, .group_instance_id = kafka_string_null(),
        .retention_time_ms = -1, .topics = &topic, .topic_count = 1};
    struct offset_commit_response response;
    if (!seat_ask(s, KAFKA_API_OFFSET_COMMIT, 8, &request, &response)) return false;
    *error = response.topics[0].partitions[0].error_code;
    return true;
}

int64_t seat_fetch(struct seat *s, const char *group, char *metadata)
{
    int32_t partition = 0;
    struct offset_fetch_request_topic topic = {kafka_string_of("t"), &partition, 1};
    struct offset_fetch_request request = {.group_id = kafka_string_of(group), .topics = &topic, .topic_count = 1,
                                           .require_stable = true};
    struct offset_fetch_response response;
    ck_assert(seat_ask(s, KAFKA_API_OFFSET_FETCH, 7, &request, &response));
    ck_assert_int_eq(response.error_code, 0);
    const struct offset_fetch_response_partition *p = &response.topics[0].partitions[0];
    ck_assert_int_eq(p->error_code, 0);
    if (metadata != NULL) {
        memcpy(metadata, p->metadata.chars, (size_t)p->metadata.size);
        metadata[p->metadata.size] = '\0';
    }
    return p->committed_offset;
}

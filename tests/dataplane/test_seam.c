/* Goal: storage, serve lcore and coordinator hold together across losses of power, in one thread, on simulated disk,
 * network and time: what a consumer has seen is there afterwards at the same offsets with the same bytes, and a commit
 * that was answered is what OffsetFetch answers.
 * Method: seeded histories of appends, fetches, commits, hang-ups and power cuts.  SEAM_SEED=n runs one alone. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/counters.h"
#include "base/random.h"
#include "dataplane/kafka/error_codes.h"
#include "dataplane/port_sim.h"
#include "dataplane/serve_sim.h"
#include "formats/record_batch.h"
#include "storage/disk_sim.h"
#include "storage/storage.h"
#include "tests/dataplane/kafka_client.h"
#include "tests/dataplane/topic_sim.h"
#include "tests/storage/producer.h"
#include "tests/suite.h"

enum { HISTORIES = 40, TURNS = 250, CONSUMERS = 4, FRAME_BYTES = 1 << 20, VALUES_SEED = 5, SEGMENT_BYTES = 131072 };

struct consumer {
    struct port_sim_peer *peer;
    uint64_t next, committed; /* offsets: read up to; committed and answered */
    char     group[8];
};

struct world {
    struct disk *disk;
    struct clock_simulated clock;
    struct random random;
    struct counters *counters;
    struct storage *storage;
    struct topic orders, offsets;
    struct producer producer;
    struct port *port;
    struct dataplane *dataplane;
    struct consumer consumer[CONSUMERS];
    uint64_t seen_end; /* the highest watermark that any consumer was told */
    int32_t  correlation_id;
    uint8_t  frame[FRAME_BYTES];
    struct kafka_arena arena;
};

static uint8_t arena_bytes[1 << 20] __attribute__((aligned(16)));

static void up(struct world *w, bool create)
{
    struct err_msg msg = {0};
    struct storage_config storage = {
        .data_folder = "data", .chunk_bytes = 16384, .chunk_count = 64, .leases_per_log = 2, .tail_chunks_per_log = 6,
        .segment_bytes = SEGMENT_BYTES, .index_interval_bytes = 1024, .uring_depth = 16, .reader_count = 2,
        .reader_cache_bytes = 1 << 20, .record_bytes_max = 100000, .core = -1};
    struct listener_config only = {.name = "seam", .host = "127.0.0.1", .port = 9092};
    struct dataplane_config dataplane = {
        .listeners = &only, .listener_count = 1, .serve_thread_count = 1, .connections_max = CONSUMERS + 2,
        .request_bytes_max = 1 << 20, .fetch_bytes_max = 200000, .send_pinned_bytes_max = 1 << 20,
        .groups_max = 16, .offsets_retention_ms = 86400000, .cluster_id = "seam"};
    ck_assert_int_eq(counters_open(&w->counters, NULL, 8192, &msg), ERR_OK);
    enum err e = storage_start_simulated(&w->storage, &storage, &w->clock.clock, w->counters, w->disk, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    topic_open(w->storage, &w->offsets, "__consumer_offsets", create);
    topic_open(w->storage, &w->orders, "orders", create);
    w->orders.feed->producer_waiter = &w->orders.waiter;
    producer_init(&w->producer, w->orders.feed, &w->orders.resume, SEGMENT_BYTES, VALUES_SEED);
    ck_assert_int_eq(port_sim_open(&w->port, CONSUMERS + 2, &w->random), ERR_OK);
    e = dataplane_start_simulated(&w->dataplane, &dataplane, w->storage, w->offsets.log, w->offsets.feed,
                                  &w->clock.clock, w->counters, w->port, random_u64(&w->random), &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    for (int i = 0; i < CONSUMERS; i++) ck_assert_ptr_nonnull(w->consumer[i].peer = port_sim_connect(w->port));
    ck_assert_uint_ge(w->producer.next_offset, w->seen_end); /* nothing that was visible is gone */
}

static void down(struct world *w, bool is_clean)
{
    for (int i = 0; i < CONSUMERS; i++) port_sim_hang_up(w->consumer[i].peer);
    dataplane_stop(w->dataplane);
    if (is_clean) storage_stop(w->storage);
    else storage_abandon_simulated(w->storage);
    producer_fini(&w->producer);
    free(w->orders.resume.gtid_set);
    free(w->offsets.resume.gtid_set);
    counters_close(w->counters);
    if (!is_clean) disk_sim_power_cycle(w->disk);
}

static void step(struct world *w)
{
    unsigned work = storage_step(w->storage);
    work += dataplane_step(w->dataplane);
    producer_poll(&w->producer);
    clock_simulated_advance(&w->clock, work > 0 ? 10000 : 1000000);
}

/* Sends a request and steps until its answer is there; false: the power goes first. */
static bool ask(struct world *w, struct consumer *c, int16_t api_key, int16_t version, const void *body, void *out,
                uint64_t steps_max)
{
    size_t size = request_make(api_key, version, ++w->correlation_id, body, w->frame, sizeof w->frame);
    ck_assert(port_sim_write(c->peer, w->frame, size));
    for (uint64_t i = 0; i < steps_max; i++) {
        step(w);
        ck_assert(!port_sim_is_closed(c->peer));
        size_t held = port_sim_readable(c->peer);
        if (held < 4) continue;
        /* The answer comes in pieces: they are kept in the frame until it is whole. */
        size = port_sim_read(c->peer, w->frame, 4);
        struct cursor at = cursor_of(w->frame, 4);
        size_t whole = (size_t)cursor_be(&at, 4) + 4;
        ck_assert_uint_le(whole, sizeof w->frame);
        while (size < whole) {
            size += port_sim_read(c->peer, w->frame + size, whole - size);
            if (size < whole) step(w);
        }
        response_read(api_key, version, w->correlation_id, w->frame, whole, &w->arena, out);
        return true;
    }
    ck_assert_uint_lt(steps_max, 100000); /* one that may take for ever did */
    return false;
}

static void records_check(struct consumer *c, const struct kafka_records *records)
{
    for (int32_t done = 0; done < records->size;) {
        struct record_batch_view view;
        struct record_view record;
        ck_assert_int_eq(record_batch_view(records->bytes + done, (size_t)(records->size - done), &view), ERR_OK);
        ck_assert(record_batch_crc_holds(records->bytes + done, &view));
        ck_assert_uint_le(view.base_offset, c->next);
        struct cursor at = cursor_of(view.records, view.records_bytes);
        while (cursor_left(&at) > 0) {
            ck_assert_int_eq(record_next(&at, &view, &record), ERR_OK);
            ck_assert(record_value_holds(VALUES_SEED, record.offset, record.value, record.value_bytes));
        }
        c->next = view.last_offset + 1;
        done += (int32_t)view.bytes;
    }
}

static bool fetch(struct world *w, struct consumer *c, uint64_t steps_max)
{
    struct simple_fetch f;
    struct fetch_response out;
    simple_fetch_init(&f, "orders", (int64_t)c->next, (int32_t)random_below(&w->random, 40), 1);
    f.partition.partition_max_bytes = 1 + (int32_t)random_below(&w->random, 60000);
    int16_t version = (int16_t)(4 + random_below(&w->random, 9));
    if (!ask(w, c, KAFKA_API_FETCH, version, &f.request, &out, steps_max)) return false;
    const struct fetch_response_partition *p = out.responses[0].partitions;
    ck_assert_msg(p->error_code == 0, "error %d at %llu", p->error_code, (unsigned long long)c->next);
    ck_assert_uint_ge((uint64_t)p->high_watermark, c->next);
    if ((uint64_t)p->high_watermark > w->seen_end) w->seen_end = (uint64_t)p->high_watermark;
    records_check(c, &p->records);
    ck_assert_uint_le(c->next, (uint64_t)p->high_watermark);
    return true;
}

/* Commits what was read.  Unanswered, it may or may not have been kept; the next answered one settles that. */
static bool commit(struct world *w, struct consumer *c, uint64_t steps_max)
{
    struct offset_commit_request_partition p = {0, (int64_t)c->next, -1, -1, kafka_string_of("")};
    struct offset_commit_request_topic topic = {kafka_string_of("orders"), &p, 1};
    struct offset_commit_request in = {kafka_string_of(c->group), -1, kafka_string_of(""), kafka_string_null(), -1,
                                       &topic, 1};
    struct offset_commit_response out;
    if (!ask(w, c, KAFKA_API_OFFSET_COMMIT, 7, &in, &out, steps_max)) return false;
    int16_t error = out.topics[0].partitions[0].error_code;
    ck_assert(error == 0 || error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
    if (error == 0) c->committed = c->next;
    return true;
}

static void committed_check(struct world *w, struct consumer *c)
{
    int32_t zero = 0;
    struct offset_fetch_request_topic topic = {kafka_string_of("orders"), &zero, 1};
    struct offset_fetch_request in = {kafka_string_of(c->group), &topic, 1, false};
    struct offset_fetch_response out = {.error_code = -1};
    for (int i = 0; i < 1000 && out.error_code != 0; i++) /* while it loads it says so */
        ask(w, c, KAFKA_API_OFFSET_FETCH, 5, &in, &out, UINT64_MAX);
    ck_assert_int_eq(out.error_code, 0);
    int64_t shown = out.topics[0].partitions[0].committed_offset;
    /* A commit whose answer was lost may show: it is never behind the last one answered. */
    ck_assert_int_ge(shown, c->committed == 0 ? -1 : (int64_t)c->committed);
    ck_assert_int_le(shown, (int64_t)c->next);
    if (shown > 0) c->committed = (uint64_t)shown;
}

static void history(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    w->arena = (struct kafka_arena){arena_bytes, sizeof arena_bytes, 0};
    random_init(&w->random, seed);
    clock_simulated_init(&w->clock, 1700000000000);
    ck_assert_int_eq(disk_sim_create(&w->disk, seed), ERR_OK);
    for (int i = 0; i < CONSUMERS; i++) snprintf(w->consumer[i].group, sizeof w->consumer[i].group, "g%d", i);
    up(w, true);
    for (int turn = 0; turn < TURNS; turn++) {
        struct consumer *c = &w->consumer[random_below(&w->random, CONSUMERS)];
        bool has_power = true;
        uint64_t steps_max = random_below(&w->random, 40) == 0 ? random_below(&w->random, 20) : UINT64_MAX;
        switch (random_below(&w->random, 6)) {
        case 0: case 1: {
            uint32_t records = 1 + (uint32_t)random_below(&w->random, 8);
            uint32_t value_bytes = (uint32_t)random_below(&w->random, random_below(&w->random, 8) == 0 ? 30000 : 600);
            bool is_sent = false;
            for (int i = 0; i < 1000 && !is_sent; i++) {
                is_sent = producer_send(&w->producer, records, value_bytes, true, 1700000000000 + turn);
                if (!is_sent) step(w);
            }
            ck_assert(is_sent);
            break;
        }
        case 2: case 3: has_power = fetch(w, c, steps_max); break;
        case 4:         has_power = commit(w, c, steps_max); break;
        default:
            committed_check(w, c);
            if (random_below(&w->random, 10) != 0) break;
            port_sim_hang_up(c->peer);
            step(w);
            step(w);
            ck_assert_ptr_nonnull(c->peer = port_sim_connect(w->port));
        }
        if (has_power) continue;
        down(w, random_below(&w->random, 4) == 0);
        up(w, false);
        for (int i = 0; i < CONSUMERS; i++) committed_check(w, &w->consumer[i]);
    }
    for (int i = 0; i < CONSUMERS; i++) { /* everyone reads to the end */
        while (w->consumer[i].next < w->producer.next_offset) fetch(w, &w->consumer[i], UINT64_MAX);
        commit(w, &w->consumer[i], UINT64_MAX);
        committed_check(w, &w->consumer[i]);
    }
    down(w, true);
    disk_destroy(w->disk);
    free(w);
}

START_TEST(histories_with_losses_of_power)
{
    const char *one = getenv("SEAM_SEED");
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        uint64_t now = one == NULL ? seed : strtoull(one, NULL, 10);
        fprintf(stderr, "\rSEAM_SEED=%llu ", (unsigned long long)now);
        history(now);
        if (one != NULL) break;
    }
    fprintf(stderr, "\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("seam");
    TCase *t = tcase_create("seam");
    tcase_set_timeout(t, 100);
    tcase_add_test(t, histories_with_losses_of_power);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

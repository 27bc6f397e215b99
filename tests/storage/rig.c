#include "tests/storage/rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/record_batch.h"

void rig_init(struct rig *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->seed = 77;
    clock_simulated_init(&g->clock, 1700000000000);
    ck_assert_int_eq(disk_sim_create(&g->disk, seed), ERR_OK);
    g->config = (struct storage_config){.data_folder = "data",
                                        .chunk_bytes = 16384,
                                        .chunk_count = 40,
                                        .leases_per_log = 2,
                                        .tail_chunks_per_log = 8,
                                        .segment_bytes = 131072,
                                        .flush_interval_us = 0,
                                        .index_interval_bytes = 1024,
                                        .uring_depth = 16,
                                        .reader_count = 1,
                                        .reader_cache_bytes = 1 << 20,
                                        .record_bytes_max = 200000,
                                        .core = -1};
    snprintf(g->identity.name, sizeof g->identity.name, "orders");
    snprintf(g->identity.cluster_id, sizeof g->identity.cluster_id, "cluster-of-orders");
    g->identity.topic_id[3] = 9;
    waiter_init_simulated(&g->producer_waiter);
    waiter_init_simulated(&g->reader_waiter);
}

enum err rig_try_power(struct rig *g, struct err_msg *msg)
{
    ck_assert_int_eq(counters_open(&g->counters, NULL, 2000, msg), ERR_OK);
    TRY(storage_start_simulated(&g->storage, &g->config, &g->clock.clock, g->counters, g->disk, msg));
    return log_reader_open(&g->reader, g->storage, 0, &g->reader_waiter, msg);
}

void rig_power(struct rig *g, uint64_t seed)
{
    struct err_msg msg;
    (void)seed;
    ck_assert_msg(rig_try_power(g, &msg) == ERR_OK, "%s", msg.text);
}

void rig_start(struct rig *g, uint64_t seed)
{
    rig_init(g, seed);
    rig_power(g, seed);
}

enum err rig_try_open(struct rig *g, bool create, struct err_msg *msg)
{
    TRY(storage_log_open(g->storage, &g->identity, create, &g->log, &g->feed, &g->resume, msg));
    g->feed->producer_waiter = &g->producer_waiter;
    producer_fini(&g->producer);
    producer_init(&g->producer, g->feed, &g->resume, g->config.segment_bytes, g->seed);
    return ERR_OK;
}

void rig_open(struct rig *g, bool create)
{
    struct err_msg msg;
    ck_assert_msg(rig_try_open(g, create, &msg) == ERR_OK, "%s", msg.text);
}

static void rig_forget(struct rig *g)
{
    free(g->resume.gtid_set);
    g->resume.gtid_set = NULL;
    counters_close(g->counters);
    g->storage = NULL;
    g->log = NULL;
    g->reader = NULL;
}

void rig_stop(struct rig *g)
{
    log_reader_close(g->reader);
    storage_stop(g->storage);
    rig_forget(g);
}

void rig_abandon(struct rig *g)
{
    log_reader_close(g->reader);
    storage_abandon_simulated(g->storage);
    rig_forget(g);
}

void rig_end(struct rig *g)
{
    producer_fini(&g->producer);
    disk_destroy(g->disk);
}

void rig_send(struct rig *g, uint32_t records, uint32_t value_bytes, bool ends_transaction, int64_t timestamp_ms)
{
    for (int i = 0; !producer_send(&g->producer, records, value_bytes, ends_transaction, timestamp_ms); i++) {
        ck_assert_msg(i < 10000, "the store gives no leases");
        (void)storage_step(g->storage);
        clock_simulated_advance(&g->clock, 1000);
    }
    (void)storage_step(g->storage);
}

void rig_settle(struct rig *g)
{
    for (int idle = 0; idle < 20;) {
        idle = storage_step(g->storage) == 0 ? idle + 1 : 0;
        clock_simulated_advance(&g->clock, 1000);
    }
}

void rig_release(struct rig *g, struct log_slice *slice)
{
    for (uint32_t i = 0; i < slice->piece_count; i++) log_reader_release(g->reader, &slice->piece[i]);
    slice->piece_count = 0;
}

enum err rig_read(struct rig *g, uint64_t offset, uint32_t bytes_max, bool first_batch_whole, struct log_cursor *cursor,
                  struct log_slice *out)
{
    for (int i = 0; i < 10000; i++) {
        enum err e = log_reader_read(g->reader, g->log, offset, bytes_max, first_batch_whole, cursor, out);
        if (e != ERR_AGAIN) return e;
        (void)log_reader_poll(g->reader);
    }
    ck_abort_msg("a read never ends");
    return ERR_AGAIN;
}

/* The batch with its records plain, in memory for the caller. */
static uint8_t *unpacked(const uint8_t *bytes, struct record_batch_view *view)
{
    enum { PLAIN_BYTES = 1 << 20 };
    struct unpacker *u;
    size_t size;
    uint8_t *plain = malloc(PLAIN_BYTES);
    ck_assert_int_eq(unpacker_open(&u), ERR_OK);
    ck_assert_int_eq(record_batch_unpack(u, bytes, view, plain, PLAIN_BYTES, &size), ERR_OK);
    ck_assert_int_eq(record_batch_view(plain, size, view), ERR_OK);
    unpacker_close(u);
    return plain;
}

void slice_check(const struct log_slice *slice, uint64_t offset, uint64_t seed)
{
    uint8_t *bytes = malloc((size_t)slice->bytes + 1);
    size_t at = 0;
    ck_assert_ptr_nonnull(bytes);
    for (uint32_t i = 0; i < slice->piece_count; i++) {
        memcpy(bytes + at, slice->piece[i].bytes, slice->piece[i].size);
        at += slice->piece[i].size;
    }
    ck_assert_uint_eq(at, slice->bytes);
    uint64_t expected = UINT64_MAX;
    for (size_t done = 0; done < at;) {
        struct record_batch_view view;
        struct record_view record;
        ck_assert_int_eq(record_batch_view(bytes + done, at - done, &view), ERR_OK);
        ck_assert(record_batch_crc_holds(bytes + done, &view));
        if (expected == UINT64_MAX) ck_assert(view.base_offset <= offset && offset <= view.last_offset);
        else ck_assert_uint_eq(view.base_offset, expected);
        expected = view.base_offset;
        size_t batch_bytes = view.bytes;
        uint8_t *plain = NULL;
        if (record_batch_codec(&view) != COMPRESSION_NONE) plain = unpacked(bytes + done, &view);
        struct cursor records = cursor_of(view.records, view.records_bytes);
        while (cursor_left(&records) > 0) {
            ck_assert_int_eq(record_next(&records, &view, &record), ERR_OK);
            ck_assert_uint_eq(record.offset, expected++);
            ck_assert(record_value_holds(seed, record.offset, record.value, record.value_bytes));
        }
        ck_assert_uint_eq(expected, view.last_offset + 1);
        done += batch_bytes;
        free(plain);
    }
    ck_assert_uint_eq(expected, slice->next_offset);
    free(bytes);
}

uint64_t rig_read_all(struct rig *g, uint64_t from, bool hot)
{
    struct log_cursor cursor = {{0}};
    struct log_slice slice;
    uint64_t offset = from, end = log_high_watermark(g->log);
    while (offset < end) {
        enum err e = rig_read(g, offset, 40000, true, &cursor, &slice);
        ck_assert_msg(e == ERR_OK, "reading at %llu: %s", (unsigned long long)offset, err_text(e));
        ck_assert_uint_gt(slice.bytes, 0);
        if (hot) ck_assert(slice.piece[0].is_chunk);
        slice_check(&slice, offset, g->seed);
        offset = slice.next_offset;
        rig_release(g, &slice);
    }
    ck_assert_uint_eq(offset, end);
    return end - from;
}

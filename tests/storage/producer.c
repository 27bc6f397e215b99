#include "tests/storage/producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "formats/record_batch.h"

void producer_init(struct producer *p, struct log_feed *feed, const struct log_resume *resume, uint64_t segment_bytes,
                   uint64_t seed)
{
    *p = (struct producer){.feed = feed,
                           .chunk = CHUNK_NONE,
                           .segment_position = resume->segment_position,
                           .next_offset = resume->next_offset,
                           .segment_bytes = segment_bytes,
                           .leader_epoch = resume->leader_epoch,
                           .seed = seed};
    p->position = (uint32_t)(resume->segment_position % LOG_BLOCK_BYTES);
}

void producer_fini(struct producer *p)
{
    free(p->batch);
    p->batch = NULL;
}

void producer_poll(struct producer *p)
{
    uint32_t size, kind;
    const void *m;
    bool taken = false;
    while ((m = ring_spsc_next(&p->feed->to_producer, &size)) != NULL) {
        memcpy(&kind, m, sizeof kind);
        taken = true;
        if (kind == FEED_LEASE) {
            INVARIANT(p->lease_count < PRODUCER_LEASES_MAX);
            p->lease[(p->lease_first + p->lease_count++) % PRODUCER_LEASES_MAX] =
                ((const struct feed_lease *)m)->chunk_index;
            if (p->wanted > 0) p->wanted--;
        } else if (kind == FEED_FAILED) {
            p->failed = true;
            p->error = (enum err)((const struct feed_failed *)m)->error;
        }
    }
    if (taken) ring_spsc_release(&p->feed->to_producer);
}

static int32_t lease_take(struct producer *p)
{
    INVARIANT(p->lease_count > 0);
    int32_t chunk = (int32_t)p->lease[p->lease_first];
    p->lease_first = (p->lease_first + 1) % PRODUCER_LEASES_MAX;
    p->lease_count--;
    return chunk;
}

uint32_t record_value_bytes(uint64_t seed, uint64_t offset, uint32_t value_bytes)
{
    return value_bytes < 16 ? value_bytes : value_bytes - (uint32_t)((seed ^ offset * 7919) % (value_bytes / 4 + 1));
}

static uint64_t next_of(uint64_t seed, uint64_t x)
{
    if ((seed & PRODUCER_ALIKE) != 0) return x;
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

void record_value_fill(uint64_t seed, uint64_t offset, uint8_t *bytes, uint32_t size)
{
    uint64_t x = (offset + 1) * 0x9e3779b97f4a7c15u ^ seed;
    for (uint32_t i = 0; i < size; i += 8) {
        x = next_of(seed, x);
        memcpy(bytes + i, &x, size - i < 8 ? size - i : 8);
    }
}

bool record_value_holds(uint64_t seed, uint64_t offset, const uint8_t *bytes, uint32_t size)
{
    uint64_t x = (offset + 1) * 0x9e3779b97f4a7c15u ^ seed;
    for (uint32_t i = 0; i < size; i += 8) {
        x = next_of(seed, x);
        if (memcmp(bytes + i, &x, size - i < 8 ? size - i : 8) != 0) return false;
    }
    return true;
}

size_t producer_make(struct producer *p, uint32_t records, uint32_t value_bytes, bool ends_transaction,
                     int64_t timestamp_ms)
{
    size_t room = RECORD_BATCH_HEADER_BYTES + (size_t)records * (value_bytes + RECORD_OVERHEAD_MAX) + 400;
    if (room > p->batch_room) {
        p->batch = realloc(p->batch, room);
        INVARIANT(p->batch != NULL);
        p->batch_room = room;
    }
    struct record_batch_writer w;
    record_batch_begin(&w, p->batch, room, p->next_offset, p->leader_epoch);
    for (uint32_t i = 0; i < records; i++) {
        uint64_t offset = p->next_offset + i;
        uint32_t size = record_value_bytes(p->seed, offset, value_bytes);
        char position[32], set[32];
        struct record_header headers[2];
        uint32_t count = 0;
        if (i == 0 && p->segment_position == 0) {
            int n = snprintf(set, sizeof set, "set-%llu", (unsigned long long)offset);
            headers[count++] =
                (struct record_header){RECORD_HEADER_GTID_SET, sizeof RECORD_HEADER_GTID_SET - 1, set, (uint32_t)n};
        }
        if (ends_transaction && i + 1 == records) {
            int n = snprintf(position, sizeof position, "at-%llu", (unsigned long long)offset + 1);
            headers[count++] = (struct record_header){RECORD_HEADER_POSITION, sizeof RECORD_HEADER_POSITION - 1,
                                                      position, (uint32_t)n};
        }
        uint8_t *value = record_batch_record_begin(&w, timestamp_ms - i * p->step_ms, size, 160);
        INVARIANT(value != NULL);
        record_value_fill(p->seed, offset, value, size);
        record_batch_record_end(&w, size, headers, count);
    }
    if (p->packer == NULL) return record_batch_finish(&w);
    uint8_t *packing = malloc(room + PACKER_SLACK_BYTES);
    INVARIANT(packing != NULL);
    size_t size = record_batch_finish_packed(&w, p->packer, packing, room + PACKER_SLACK_BYTES);
    free(packing);
    return size;
}

bool producer_send(struct producer *p, uint32_t records, uint32_t value_bytes, bool ends_transaction,
                   int64_t timestamp_ms)
{
    const struct chunk_pool *pool = p->feed->pool;
    bool roll = p->segment_position >= p->segment_bytes || p->roll_next;
    uint64_t before = p->segment_position;
    producer_poll(p);
    if (roll) p->segment_position = 0; /* so that the batch carries the GTID set */
    size_t size = producer_make(p, records, value_bytes, ends_transaction, timestamp_ms);
    p->segment_position = before;

    uint32_t needed = (uint32_t)(size / pool->chunk_bytes) + 2;
    bool fits = p->chunk != CHUNK_NONE && !roll && p->position + size <= pool->chunk_bytes;
    if (!fits && p->lease_count < needed && (needed > 2 || p->lease_count == 0 || p->chunk == CHUNK_NONE)) {
        if (p->lease_count > 0 && p->wanted == 0) { /* more than the usual number */
            struct feed_want *want = ring_spsc_claim(&p->feed->to_storage, sizeof *want);
            if (want == NULL) return false;
            p->wanted = needed - p->lease_count;
            *want = (struct feed_want){FEED_WANT, (uint32_t)p->wanted};
            ring_spsc_commit(&p->feed->to_storage);
            waiter_wake(p->feed->storage_waiter);
        }
        return false;
    }
    struct feed_batch *b = ring_spsc_claim(&p->feed->to_storage, sizeof *b);
    if (b == NULL) return false;

    if (p->chunk == CHUNK_NONE) {
        p->chunk = lease_take(p);
        if (roll) p->position = 0;
    } else if (roll) {
        p->chunk = lease_take(p);
        p->position = 0;
    }
    if (roll) p->segment_position = 0;
    if (p->position + size > pool->chunk_bytes && size <= pool->chunk_bytes - LOG_BLOCK_BYTES) {
        uint32_t block = p->position / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES, part = p->position - block;
        int32_t next = lease_take(p);
        memcpy(chunk_at(pool, (uint32_t)next), chunk_at(pool, (uint32_t)p->chunk) + block, part);
        p->chunk = next;
        p->position = part;
    }
    *b = (struct feed_batch){FEED_BATCH,
                             (roll ? FEED_ROLL : 0) | (ends_transaction ? FEED_TRANSACTION_END : 0) |
                                 (p->is_heartbeat ? FEED_HEARTBEAT : 0) |
                                 (p->packer != NULL && p->segment_position == 0 ? FEED_GTID_SET : 0),
                             (uint32_t)p->chunk,
                             p->position,
                             (uint32_t)size,
                             records,
                             p->next_offset,
                             p->step_ms < 0 ? timestamp_ms - (int64_t)(records - 1) * p->step_ms : timestamp_ms,
                             0,
                             clock_real()->monotonic_ns(clock_real())};
    for (size_t done = 0; done < size;) {
        size_t part = pool->chunk_bytes - p->position;
        if (part > size - done) part = size - done;
        memcpy(chunk_at(pool, (uint32_t)p->chunk) + p->position, p->batch + done, part);
        done += part;
        p->position += (uint32_t)part;
        if (done < size) {
            p->chunk = lease_take(p);
            p->position = 0;
        }
    }
    p->next_offset += records;
    p->segment_position += size;
    p->roll_next = false;
    ring_spsc_commit(&p->feed->to_storage);
    waiter_wake(p->feed->storage_waiter);
    return true;
}

#include "tests/capture/fake_storage.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "formats/gtid_list.h"
#include "formats/source_position.h"

enum { RING_BYTES = 1 << 16, GARBAGE = 0xee };

static void *allocated(void *p)
{
    ck_assert_ptr_nonnull(p);
    return p;
}

static void feed_init(struct fake_storage *s)
{
    ck_assert_int_eq(ring_spsc_init(&s->feed.to_storage, RING_BYTES), ERR_OK);
    ck_assert_int_eq(ring_spsc_init(&s->feed.to_producer, RING_BYTES), ERR_OK);
}

void fake_storage_init(struct fake_storage *s, uint32_t chunk_bytes, uint32_t chunk_count, uint32_t leases_max,
                       bool simulated)
{
    memset(s, 0, sizeof *s);
    s->pool = (struct chunk_pool){allocated(aligned_alloc(LOG_BLOCK_BYTES, (size_t)chunk_bytes * chunk_count)),
                                  chunk_bytes, chunk_count};
    memset(s->pool.bytes, GARBAGE, (size_t)chunk_bytes * chunk_count);
    s->spare = allocated(calloc(chunk_count, sizeof *s->spare));
    s->leased = allocated(calloc(chunk_count, sizeof *s->leased));
    for (uint32_t i = 0; i < chunk_count; i++) s->spare[s->spare_count++] = chunk_count - 1 - i;
    s->leases_max = leases_max;
    s->current = CHUNK_NONE;
    s->keeps_records = true;
    feed_init(s);
    if (simulated) {
        waiter_init_simulated(&s->storage_waiter);
        waiter_init_simulated(&s->producer_waiter);
    } else {
        ck_assert_int_eq(waiter_init(&s->storage_waiter), ERR_OK);
        ck_assert_int_eq(waiter_init(&s->producer_waiter), ERR_OK);
    }
    s->feed.storage_waiter = &s->storage_waiter;
    s->feed.producer_waiter = &s->producer_waiter;
    s->feed.pool = &s->pool;
    s->resume = (struct log_resume){.last_timestamp_ms = -1};
    s->segments = 1;
}

static void record_free(struct fake_record *r)
{
    free(r->value);
    free(r->position);
    free(r->gtid_set);
}

void fake_storage_fini(struct fake_storage *s)
{
    for (uint64_t i = 0; i < s->record_count; i++) record_free(&s->record[i]);
    free(s->record);
    free(s->segment);
    free(s->whole_segment);
    free(s->spare);
    free(s->leased);
    free(s->pool.bytes);
    free(s->resume.gtid_set);
    ring_spsc_fini(&s->feed.to_storage);
    ring_spsc_fini(&s->feed.to_producer);
    waiter_fini(&s->storage_waiter);
    waiter_fini(&s->producer_waiter);
}

/* --- chunks --- */

static void chunk_return(struct fake_storage *s, uint32_t chunk)
{
    memset(chunk_at(&s->pool, chunk), GARBAGE, s->pool.chunk_bytes);
    s->spare[s->spare_count++] = chunk;
}

static uint32_t lease_begin(struct fake_storage *s)
{
    ck_assert_msg(s->leased_count > 0, "a batch lies in a chunk that is not leased");
    uint32_t chunk = s->leased[0];
    memmove(s->leased, s->leased + 1, --s->leased_count * sizeof *s->leased);
    return chunk;
}

static void leases_grant(struct fake_storage *s)
{
    bool any = false;
    while (s->leased_count < s->leases_max + s->extra_leases && s->spare_count > 0) {
        struct feed_lease *l = ring_spsc_claim(&s->feed.to_producer, sizeof *l);
        if (l == NULL) break;
        uint32_t chunk = s->spare[--s->spare_count];
        *l = (struct feed_lease){FEED_LEASE, chunk};
        if (s->current == CHUNK_NONE && s->leased_count == 0 &&
            s->segment_bytes > 0) { /* the producer's first: the block it goes on in */
            uint32_t partial = (uint32_t)(s->segment_bytes % LOG_BLOCK_BYTES);
            memcpy(chunk_at(&s->pool, chunk), s->segment + s->segment_bytes - partial, partial);
        }
        s->leased[s->leased_count++] = chunk;
        any = true;
    }
    if (!any) return;
    ring_spsc_commit(&s->feed.to_producer);
    waiter_wake(s->feed.producer_waiter);
}

/* --- batches --- */

static void segment_append(struct fake_storage *s, const uint8_t *bytes, size_t size)
{
    if (s->segment_bytes + size > s->segment_capacity) {
        s->segment_capacity = 2 * (s->segment_bytes + size);
        s->segment = allocated(realloc(s->segment, s->segment_capacity));
    }
    memcpy(s->segment + s->segment_bytes, bytes, size);
    s->segment_bytes += size;
    if (s->segment_bytes > s->segment_bytes_most) s->segment_bytes_most = s->segment_bytes;
}

/* The batch's bytes into the segment, from the chunk(s) they lie in. */
static void batch_take(struct fake_storage *s, const struct feed_batch *b)
{
    bool begins_chunk = s->current == CHUNK_NONE || b->chunk_index != (uint32_t)s->current;
    if ((b->flags & FEED_ROLL) != 0) {
        ck_assert_msg(b->chunk_position == 0 && begins_chunk,
                      "a new segment does not begin at byte 0 of a fresh chunk");
        s->rolls_in_transaction += s->in_transaction;
        if (s->in_transaction && s->whole_segment == NULL) {
            s->whole_segment = s->segment;
            s->segment = NULL;
            s->segment_capacity = 0;
        }
        s->segment_bytes = 0;
        s->segment_base_offset = b->base_offset;
        s->segments++;
    }
    uint32_t partial = (uint32_t)(s->segment_bytes % LOG_BLOCK_BYTES);
    if (begins_chunk) {
        int64_t old = s->current;
        s->current = lease_begin(s);
        ck_assert_msg((uint32_t)s->current == b->chunk_index, "chunks are begun in another order than leased");
        ck_assert_msg(b->chunk_position == partial, "a chunk begins at %u, not behind the %u bytes of the last block",
                      b->chunk_position, partial);
        const uint8_t *chunk = chunk_at(&s->pool, b->chunk_index);
        ck_assert_msg(partial == 0 || memcmp(chunk, s->segment + s->segment_bytes - partial, partial) == 0,
                      "the last block was not copied");
        if (old != CHUNK_NONE) chunk_return(s, (uint32_t)old);
    } else {
        ck_assert_msg(b->chunk_position == s->current_position, "a gap between batches");
    }
    uint32_t left = b->batch_bytes, at = b->chunk_position;
    for (;;) {
        uint32_t room = s->pool.chunk_bytes - at, piece = left < room ? left : room;
        segment_append(s, chunk_at(&s->pool, (uint32_t)s->current) + at, piece);
        at += piece;
        left -= piece;
        if (left == 0) break;
        s->extra_leases = 0;
        chunk_return(s, (uint32_t)s->current);
        s->current = lease_begin(s);
        at = 0;
    }
    s->current_position = at;
}

static void *copy_of(const void *bytes, size_t size)
{
    uint8_t *copy = allocated(malloc(size + 1));
    memcpy(copy, bytes, size);
    copy[size] = 0;
    return copy;
}

static void record_keep(struct fake_storage *s, const struct record_view *r, const struct record_header *position,
                        const struct record_header *set)
{
    if (s->record_count == s->record_capacity) {
        s->record_capacity = s->record_capacity == 0 ? 1024 : 2 * s->record_capacity;
        s->record = allocated(realloc(s->record, s->record_capacity * sizeof *s->record));
    }
    struct fake_record *k = &s->record[s->record_count++];
    *k = (struct fake_record){.offset = r->offset,
                              .timestamp_ms = r->timestamp_ms,
                              .value = copy_of(r->value, r->value_bytes),
                              .value_bytes = r->value_bytes,
                              .segment = s->segments};
    if (position != NULL) {
        k->position = copy_of(position->value, position->value_bytes);
        k->position_bytes = position->value_bytes;
    }
    if (set != NULL) k->gtid_set = copy_of(set->value, set->value_bytes);
}

/* Every record of the batch; returns how many of them end a transaction. */
static uint32_t batch_records(struct fake_storage *s, const struct record_batch_view *v, bool begins_segment,
                              bool says_set, bool *last_ends)
{
    struct cursor at = cursor_of(v->records, v->records_bytes);
    uint32_t count = 0, ends = 0;
    while (cursor_left(&at) > 0) {
        struct record_view r;
        struct record_header position, set;
        ck_assert_int_eq(record_next(&at, v, &r), ERR_OK);
        ck_assert_msg(r.offset == v->base_offset + count, "offsets have a gap");
        *last_ends = record_header_find(&r, RECORD_HEADER_POSITION, &position);
        bool has_set = record_header_find(&r, RECORD_HEADER_GTID_SET, &set);
        ck_assert_msg(!has_set || says_set, "a GTID set is on record %llu and not told", (unsigned long long)r.offset);
        ck_assert_msg(!has_set || *last_ends || (begins_segment && count == 0), "a GTID set is on record %llu",
                      (unsigned long long)r.offset);
        s->gtid_sets += has_set;
        ends += *last_ends;
        count++;
        if (s->keeps_records) record_keep(s, &r, *last_ends ? &position : NULL, has_set ? &set : NULL);
        if (*last_ends) {
            s->resume.position_bytes = position.value_bytes;
            memcpy(s->resume.position, position.value, position.value_bytes);
        }
    }
    ck_assert_uint_eq(count, v->record_count);
    return ends;
}

/* Makes the batch's records plain, in memory that stays until the next one. */
static void batch_unpack(struct fake_storage *s, const uint8_t *bytes, struct record_batch_view *v)
{
    enum { PLAIN_BYTES = 128 << 20 }; /* touched as far as needed */
    static uint8_t *plain;
    struct unpacker *u;
    size_t size;
    uint32_t packed_bytes = v->bytes;
    if (plain == NULL)
        plain = mmap(NULL, PLAIN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert(plain != MAP_FAILED);
    ck_assert_int_eq(unpacker_open(&u), ERR_OK);
    ck_assert_int_eq(record_batch_unpack(u, bytes, v, plain, PLAIN_BYTES, &size), ERR_OK);
    ck_assert_int_eq(record_batch_view(plain, size, v), ERR_OK);
    ck_assert_msg(v->bytes > packed_bytes, "a packed batch is not smaller");
    unpacker_close(u);
    s->batches_packed++;
}

static void on_batch(struct fake_storage *s, const struct feed_batch *b)
{
    uint64_t before = s->segment_bytes;
    batch_take(s, b);
    if ((b->flags & FEED_ROLL) != 0) before = 0;
    struct record_batch_view v;
    ck_assert_int_eq(record_batch_view(s->segment + before, b->batch_bytes, &v), ERR_OK);
    ck_assert_uint_eq(v.bytes, b->batch_bytes);
    ck_assert_msg(record_batch_crc_holds(s->segment + before, &v), "a batch's CRC does not hold");
    ck_assert_msg(v.base_offset == b->base_offset && v.record_count == b->record_count,
                  "a descriptor differs from its batch");
    ck_assert_msg(v.base_offset == s->resume.next_offset, "batch at offset %llu, expected %llu",
                  (unsigned long long)v.base_offset, (unsigned long long)s->resume.next_offset);
    ck_assert_msg(b->max_timestamp_ms == v.max_timestamp_ms, "max timestamp differs");
    if (record_batch_codec(&v) != COMPRESSION_NONE) batch_unpack(s, s->segment + before, &v);
    bool last_ends = false;
    uint64_t first_record = s->record_count;
    uint32_t ends = batch_records(s, &v, before == 0, (b->flags & FEED_GTID_SET) != 0, &last_ends);
    for (uint64_t i = first_record; i < s->record_count; i++)
        s->record[i].is_with_heartbeat = (b->flags & FEED_HEARTBEAT) != 0;
    bool says_end = (b->flags & FEED_TRANSACTION_END) != 0;
    ck_assert_msg(says_end == last_ends, "FEED_TRANSACTION_END is %d, but the last record says %d", says_end,
                  last_ends);
    ck_assert_msg(ends == 0 || last_ends, "a batch holds whole transactions and a part of another");
    ck_assert_msg(!s->in_transaction || ends <= 1, "a batch goes on with a transaction's part and holds others");
    s->in_transaction = !last_ends;
    s->resume.next_offset = v.last_offset + 1;
    s->batches++;
    s->records += v.record_count;
    s->bytes += b->batch_bytes;
    s->transaction_ends += ends;
    s->batches_of_several += ends > 1;
    s->batches_of_part += ends == 0;
    s->batches_spanning += b->chunk_position + (uint64_t)b->batch_bytes > s->pool.chunk_bytes;
    if (last_ends) {
        if (!s->is_slow) atomic_store(&s->feed.durable_offset, s->resume.next_offset);
        s->resume.segment_position = s->segment_bytes;
        s->resume.segment_base_offset = s->segment_base_offset;
        free(s->whole_segment);
        s->whole_segment = NULL;
    }
}

unsigned fake_storage_step(struct fake_storage *s)
{
    unsigned batches = 0;
    uint32_t size;
    for (const void *m; (m = ring_spsc_next(&s->feed.to_storage, &size)) != NULL;) {
        uint32_t kind;
        memcpy(&kind, m, sizeof kind);
        if (kind == FEED_WANT) {
            struct feed_want want;
            memcpy(&want, m, sizeof want);
            s->extra_leases += want.chunk_count;
            continue;
        }
        ck_assert_uint_eq(kind, FEED_BATCH);
        struct feed_batch b;
        memcpy(&b, m, sizeof b);
        on_batch(s, &b);
        batches++;
    }
    ring_spsc_release(&s->feed.to_storage);
    leases_grant(s);
    return batches;
}

/* The newest set, and the GTIDs of what is logged from its record on: as recovery says it. */
static void resume_gtids(struct fake_storage *s)
{
    struct gtid_list list = {0};
    uint64_t i = s->record_count;
    free(s->resume.gtid_set);
    s->resume.gtid_set = NULL;
    s->resume.gtid_set_bytes = 0;
    while (i > 0 && s->record[i - 1].gtid_set == NULL) i--;
    if (i-- == 0) return;
    s->resume.gtid_set_offset = s->record[i].offset;
    ck_assert_int_eq(gtid_list_begin(&list, s->record[i].gtid_set, strlen(s->record[i].gtid_set)), ERR_OK);
    for (; i < s->record_count; i++) {
        struct source_position p;
        const struct fake_record *r = &s->record[i];
        if (r->position == NULL || source_position_decode(r->position, r->position_bytes, &p) != ERR_OK) continue;
        ck_assert_int_eq(gtid_list_add(&list, p.gtid), ERR_OK);
    }
    s->resume.gtid_set = (uint8_t *)list.text;
    s->resume.gtid_set_bytes = (uint32_t)list.size;
}

void fake_storage_reattach(struct fake_storage *s)
{
    fake_storage_step(s);
    while (s->record_count > 0 && s->record[s->record_count - 1].position == NULL)
        record_free(&s->record[--s->record_count]);
    s->resume.next_offset = s->record_count == 0 ? 0 : s->record[s->record_count - 1].offset + 1;
    atomic_store(&s->feed.durable_offset, s->resume.next_offset);
    if (s->whole_segment != NULL) { /* the one with the last transaction's end: those behind it are cut */
        free(s->segment);
        s->segment = s->whole_segment;
        s->segment_capacity = s->resume.segment_position;
        s->whole_segment = NULL;
    }
    s->segment_base_offset = s->resume.segment_base_offset;
    s->segment_bytes = s->resume.segment_position;
    s->segments = s->record_count == 0 ? 1 : s->record[s->record_count - 1].segment;
    if (s->record_count == 0) s->segment_bytes = s->resume.segment_position = 0;
    resume_gtids(s);
    s->in_transaction = false;
    s->spare_count = s->leased_count = s->extra_leases = 0;
    s->current = CHUNK_NONE;
    for (uint32_t i = 0; i < s->pool.chunk_count; i++) chunk_return(s, i);
    ring_spsc_fini(&s->feed.to_storage);
    ring_spsc_fini(&s->feed.to_producer);
    feed_init(s);
}

/* All else that ends a transaction names it. */
static bool is_heartbeat(const struct fake_record *r)
{
    return r->position != NULL && memmem(r->value, r->value_bytes, "GTID", 4) == NULL;
}

void fake_storage_assert_same_changes(const struct fake_storage *calm, const struct fake_storage *rough)
{
    /* Each start writes a HEARTBEAT; without them and the record ids that they shift, the values are the same. */
    uint64_t k = 0;
    for (uint64_t i = 0; i < rough->record_count; i++) {
        const struct fake_record *y = &rough->record[i], *x;
        while (k < calm->record_count && is_heartbeat(&calm->record[k])) k++;
        if (is_heartbeat(y)) continue;
        ck_assert_uint_lt(k, calm->record_count);
        x = &calm->record[k++];
        ck_assert_uint_ge(x->value_bytes + 2, y->value_bytes);
        ck_assert_uint_le(x->value_bytes, y->value_bytes + 2);
        size_t tail = x->value_bytes < y->value_bytes ? x->value_bytes - 12 : y->value_bytes - 12;
        ck_assert_msg(memcmp(x->value + x->value_bytes - tail, y->value + y->value_bytes - tail, tail) == 0,
                      "record %lu differs", (unsigned long)i);
    }
    while (k < calm->record_count && is_heartbeat(&calm->record[k])) k++;
    ck_assert_uint_eq(k, calm->record_count);
}

#include "tests/dataplane/memory_log.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "formats/record_batch.h"

struct log_reader {
    struct storage *storage;
    uint32_t index, next_slot;
    uint64_t seen[LOGS_MAX]; /* high watermarks hinted so far */
    unsigned disk_reads;     /* started, not finished */
    uint64_t warm_offset[LOGS_MAX]; /* + 1: of the read that the disk has finished */
    int64_t  warm_time[LOGS_MAX];
    struct plain_rooms rooms;
};

struct storage *memory_storage_new(uint32_t logs_max, uint32_t log_bytes_max)
{
    struct storage *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    size_t bytes = (size_t)logs_max * log_bytes_max;
    s->pool.bytes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(s->pool.bytes != MAP_FAILED);
    madvise(s->pool.bytes, bytes, MADV_HUGEPAGE); /* as storage does */
    s->pool.chunk_bytes = log_bytes_max;
    s->pool.chunk_count = logs_max;
    s->log_bytes_max = log_bytes_max;
    return s;
}

void memory_storage_free(struct storage *s)
{
    ck_assert_int_eq(atomic_load(&s->pins), 0);
    for (uint32_t i = 0; i < LOGS_MAX; i++) free(atomic_load(&s->logs[i]));
    munmap(s->pool.bytes, (size_t)s->pool.chunk_bytes * s->pool.chunk_count);
    free(s);
}

struct log *memory_log_new(struct storage *s, const char *name)
{
    uint32_t slot = 0;
    while (atomic_load(&s->logs[slot]) != NULL) slot++;
    ck_assert_uint_lt(slot, s->pool.chunk_count);
    struct log *l = calloc(1, sizeof *l);
    ck_assert_ptr_nonnull(l);
    snprintf(l->identity.name, sizeof l->identity.name, "%s", name);
    snprintf(l->identity.cluster_id, sizeof l->identity.cluster_id, "memory");
    memset(l->identity.topic_id, (int)slot + 1, sizeof l->identity.topic_id);
    l->slot = slot;
    l->bytes = s->pool.bytes + (size_t)slot * s->log_bytes_max;
    l->bytes_max = s->log_bytes_max;
    l->piece_bytes_max = UINT32_MAX;
    atomic_store(&s->logs[slot], l);
    return l;
}

void memory_log_remove(struct storage *s, struct log *l)
{
    atomic_store(&s->logs[l->slot], NULL);
    free(l);
}

void memory_log_append(struct storage *s, struct log *l, uint32_t records, uint32_t value_bytes,
                       int64_t timestamp_ms)
{
    struct record_batch_writer w;
    uint64_t offset = atomic_load(&l->high_watermark);
    ck_assert_uint_lt(l->batch_count, MEMORY_LOG_BATCHES_MAX);
    record_batch_begin(&w, l->bytes + l->used_bytes, l->bytes_max - l->used_bytes, offset, l->identity.leader_epoch);
    for (uint32_t i = 0; i < records; i++) {
        uint8_t *value = record_batch_record_begin(&w, timestamp_ms, value_bytes < 24 ? 24 : value_bytes, 0);
        ck_assert_ptr_nonnull(value);
        int text = snprintf((char *)value, 24, "%llu ", (unsigned long long)(offset + i));
        if (value_bytes > (uint32_t)text) memset(value + text, 'v', value_bytes - (uint32_t)text);
        record_batch_record_end(&w, value_bytes > (uint32_t)text ? value_bytes : (uint32_t)text, NULL, 0);
    }
    size_t room = record_batch_bytes(&w) + PACKER_SLACK_BYTES;
    uint8_t *packing = l->packer == NULL ? NULL : malloc(room);
    uint32_t bytes = (uint32_t)(packing == NULL ? record_batch_finish(&w)
                                                : record_batch_finish_packed(&w, l->packer, packing, room));
    free(packing);
    l->batch[l->batch_count++] = (struct memory_batch){offset, offset + records, l->used_bytes, bytes};
    l->used_bytes += bytes;
    atomic_store(&l->moved_ns, clock_monotonic_ns(clock_real()));
    atomic_store(&l->readable_count, l->batch_count);
    atomic_store(&l->high_watermark, offset + records);
    for (int i = 0; i < MEMORY_LOG_READERS_MAX; i++) {
        struct waiter *waiter = atomic_load(&s->waiters[i]);
        if (waiter != NULL) waiter_wake(waiter);
    }
}

/* --- storage/log_reader.h --- */

struct log *log_find(struct storage *s, const char *name, size_t name_bytes)
{
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        struct log *l = atomic_load(&s->logs[i]);
        if (l == NULL || strlen(l->identity.name) != name_bytes) continue;
        if (memcmp(l->identity.name, name, name_bytes) == 0) return l;
    }
    return NULL;
}

struct log *log_at(struct storage *s, uint32_t index) { return atomic_load(&s->logs[index]); }
uint32_t log_slot(const struct log *l) { return l->slot; }
const struct log_identity *log_identity(const struct log *l) { return &l->identity; }
uint64_t log_start_offset(const struct log *l) { return atomic_load(&l->start_offset); }
uint64_t log_high_watermark(const struct log *l) { return atomic_load(&l->high_watermark); }
uint64_t log_high_watermark_ns(const struct log *l) { return atomic_load(&l->moved_ns); }

int64_t log_max_timestamp_ms(const struct log *l)
{
    int64_t largest = -1;
    for (uint32_t i = 0; i < atomic_load(&l->readable_count); i++) {
        struct record_batch_view view;
        ck_assert_int_eq(record_batch_view(l->bytes + l->batch[i].position, l->batch[i].bytes, &view), ERR_OK);
        if (view.max_timestamp_ms > largest) largest = view.max_timestamp_ms;
    }
    return largest;
}
uint64_t log_size_bytes(const struct log *l) { return l->used_bytes; }

enum compression log_compression(const struct log *l)
{
    return l->packer == NULL ? COMPRESSION_NONE : packer_codec(l->packer);
}
bool log_is_resending(const struct log *l) { return atomic_load(&l->is_resending); }
void log_was_served(struct log *l, uint64_t offset) { atomic_store(&l->served_offset, offset); }

enum err log_reader_open(struct log_reader **out, struct storage *s, uint32_t reader_index, struct waiter *waiter,
                         struct err_msg *msg)
{
    (void)msg;
    ck_assert_uint_lt(reader_index, MEMORY_LOG_READERS_MAX);
    struct log_reader *r = calloc(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    r->storage = s;
    r->index = reader_index;
    ck_assert_int_eq(plain_rooms_init(&r->rooms, MEMORY_LOG_PLAIN_BYTES), ERR_OK);
    atomic_store(&s->watches[reader_index], true);
    atomic_store(&s->waiters[reader_index], waiter);
    *out = r;
    return ERR_OK;
}

void log_reader_close(struct log_reader *r)
{
    atomic_store(&r->storage->waiters[r->index], NULL);
    plain_rooms_fini(&r->rooms);
    free(r);
}

void log_reader_watch(struct log_reader *r, bool watches)
{
    atomic_store(&r->storage->watches[r->index], watches);
}

struct plain_rooms *log_reader_rooms(struct log_reader *r) { return &r->rooms; }

enum log_reader_hint log_reader_hint(struct log_reader *r, uint32_t *slot)
{
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        struct log *l = atomic_load(&r->storage->logs[i]);
        uint64_t watermark = l == NULL ? 0 : atomic_load(&l->high_watermark);
        if (watermark == r->seen[i]) continue;
        r->seen[i] = watermark;
        *slot = i;
        return LOG_HINT_LOG;
    }
    return LOG_HINT_NONE;
}

void log_reader_quiesce(struct log_reader *r) { (void)r; }
void log_reader_rest(struct log_reader *r) { (void)r; }

static bool needs_disk(struct log_reader *r, struct log *l, uint64_t offset)
{
    if (!atomic_load(&l->is_cold)) return false;
    if (r->warm_offset[l->slot] == offset + 1) {
        r->warm_offset[l->slot] = 0;
        return false;
    }
    r->warm_offset[l->slot] = offset + 1;
    r->disk_reads++;
    return true;
}

enum err log_reader_read(struct log_reader *r, struct log *l, uint64_t offset, uint32_t bytes_max,
                         bool first_batch_whole, struct log_cursor *cursor, struct log_slice *out)
{
    (void)cursor;
    *out = (struct log_slice){.next_offset = offset};
    uint64_t watermark = atomic_load(&l->high_watermark);
    uint32_t count = atomic_load(&l->readable_count);
    uint64_t taken_back_to = atomic_exchange(&l->taken_back_to, 0);
    if (taken_back_to > 0) {
        atomic_store(&l->is_resending, true);
        atomic_store(&l->high_watermark, taken_back_to);
        if (offset >= taken_back_to) return ERR_OUT_OF_RANGE;
    }
    if (offset < atomic_load(&l->start_offset) || offset > watermark) return ERR_OUT_OF_RANGE;
    if (atomic_load(&l->fault) != ERR_OK) return (enum err)atomic_load(&l->fault);
    if (offset == watermark) return ERR_OK;
    if (needs_disk(r, l, offset)) return ERR_AGAIN;
    uint32_t first = 0;
    while (l->batch[first].next_offset <= offset) first++;
    uint32_t position = l->batch[first].position;
    for (uint32_t i = first; i < count; i++) {
        if (out->bytes + l->batch[i].bytes > bytes_max && !(i == first && first_batch_whole)) break;
        if ((out->bytes + l->batch[i].bytes) / l->piece_bytes_max >= LOG_SLICE_PIECES) break;
        out->bytes += l->batch[i].bytes;
        out->next_offset = l->batch[i].next_offset;
    }
    for (uint32_t at = 0; at < out->bytes;) {
        uint32_t left = out->bytes - at, size = left < l->piece_bytes_max ? left : l->piece_bytes_max;
        if (out->piece_count == LOG_SLICE_PIECES) return ERR_TOO_LARGE;
        out->piece[out->piece_count++] = (struct log_piece){l->bytes + position + at, size, 7, true,
                                                               l->held_bytes > size ? l->held_bytes : size};
        at += size;
    }
    atomic_fetch_add(&r->storage->pins, out->piece_count);
    return ERR_OK;
}

void log_reader_release(struct log_reader *r, const struct log_piece *piece)
{
    ck_assert_uint_eq(piece->pin, 7);
    ck_assert_int_gt(atomic_fetch_sub(&r->storage->pins, 1), 0);
}

enum err log_reader_find_time(struct log_reader *r, struct log *l, int64_t timestamp_ms, uint64_t *offset,
                              int64_t *found_ms)
{
    if (atomic_load(&l->is_cold) && r->warm_time[l->slot] != timestamp_ms) {
        r->warm_time[l->slot] = timestamp_ms;
        r->disk_reads++;
        return ERR_AGAIN;
    }
    r->warm_time[l->slot] = 0; /* a second lookup needs the disk again */
    uint32_t count = atomic_load(&l->readable_count);
    for (uint32_t i = 0; i < count; i++) {
        struct record_batch_view view;
        struct record_view record;
        ck_assert_int_eq(record_batch_view(l->bytes + l->batch[i].position, l->batch[i].bytes, &view), ERR_OK);
        struct cursor at = cursor_of(view.records, view.records_bytes);
        while (cursor_left(&at) > 0) {
            ck_assert_int_eq(record_next(&at, &view, &record), ERR_OK);
            if (record.timestamp_ms < timestamp_ms || record.offset < atomic_load(&l->start_offset)) continue;
            *offset = record.offset;
            *found_ms = record.timestamp_ms;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

unsigned log_reader_poll(struct log_reader *r)
{
    unsigned done = r->disk_reads;
    r->disk_reads = 0;
    return done;
}

bool log_reader_is_pressed(const struct log_reader *r) { return atomic_load(&r->storage->is_wanted); }

bool log_reader_may_lend(const struct log_reader *r, const struct log_piece *piece)
{
    (void)piece;
    return !atomic_load(&r->storage->is_scarce);
}

bool log_reader_is_wanted(const struct log_reader *r, const struct log_piece *piece)
{
    (void)piece;
    return atomic_load(&r->storage->is_wanted);
}

void log_reader_pinned_since(struct log_reader *r, uint64_t since_ns)
{
    (void)r;
    (void)since_ns;
}

bool log_reader_must_let_go(const struct log_reader *r) { return atomic_load(&r->storage->must_let_go); }

void log_reader_tidy(struct log_reader *r) { (void)r; }

int log_reader_fd(const struct log_reader *r)
{
    (void)r;
    return -1;
}

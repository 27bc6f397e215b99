/* Reading the past: blocks of segment files through the reader's own queue and cache. */
#include <inttypes.h>
#include <string.h>

#include "base/crc.h"
#include "base/log.h"
#include "storage/reader.h"

static enum err corrupt(const struct log *l, uint64_t segment_base, uint64_t position)
{
    log_error("storage", "%s/%020" PRIu64 ".log is damaged at byte %" PRIu64 ": restore the file from a copy",
              l->folder, segment_base, position);
    return ERR_CORRUPT;
}

/* A segment's file is gone: retention took it since the log start was looked at. */
static enum err open_file(struct log_reader *r, struct log *l, uint64_t segment_base, enum segment_file which,
                          struct cache_file **f)
{
    enum err e = cache_open(&r->cache, log_incarnation(l), l->folder, segment_base, which, f);
    if (e != ERR_NOT_FOUND || which != SEGMENT_LOG) return e;
    if (segment_is_gone(l, segment_base)) return ERR_OUT_OF_RANGE;
    log_error("storage", "%s/%020" PRIu64 ".log is missing: restore the file from a copy", l->folder, segment_base);
    return ERR_CORRUPT;
}

/* ---- finding ---- */

enum err index_file_find(struct log_reader *r, struct log *l, uint64_t segment_base, enum segment_file which,
                         uint64_t below, uint8_t entry[static TIME_INDEX_ENTRY_BYTES])
{
    struct cache_file *f;
    const uint32_t size = which == SEGMENT_TIME_INDEX ? TIME_INDEX_ENTRY_BYTES : INDEX_ENTRY_BYTES;
    enum err e = open_file(r, l, segment_base, which, &f), found = ERR_NOT_FOUND;
    if (e != ERR_OK) return e;
    uint64_t low = 0, high = f->bytes / size;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint8_t at[TIME_INDEX_ENTRY_BYTES];
        for (uint32_t done = 0; done < size;) { /* blocks do not end between entries */
            const uint8_t *bytes;
            uint32_t available, block;
            e = cache_get(&r->cache, f, middle * size + done, f->bytes, &bytes, &available, &block);
            if (e != ERR_OK) return e == ERR_CORRUPT ? found : e;
            if (available > size - done) available = size - done;
            memcpy(at + done, bytes, available);
            done += available;
        }
        struct cursor c = cursor_of(at, size);
        if (cursor_be(&c, size - 4) < below) { /* the key; behind it a position or an offset */
            memcpy(entry, at, size);
            found = ERR_OK;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return found;
}

/* The position before `offset` by a sealed segment's index file; 0: none is known. */
static enum err position_find(struct log_reader *r, struct log *l, uint64_t segment_base, uint64_t offset,
                              uint64_t *position)
{
    uint8_t entry[TIME_INDEX_ENTRY_BYTES];
    *position = 0;
    enum err e = index_file_find(r, l, segment_base, SEGMENT_INDEX, offset - segment_base + 1, entry);
    if (e != ERR_OK) return e == ERR_NOT_FOUND ? ERR_OK : e;
    struct cursor c = cursor_of(entry + 4, 4);
    *position = cursor_be(&c, 4);
    return ERR_OK;
}

enum err cold_locate(struct log_reader *r, struct log *l, uint64_t offset, struct cold_place *out)
{
    struct segment_info info;
    if (!segment_find(&l->segments, offset, &out->segment_seq, &info)) return ERR_OUT_OF_RANGE;
    out->segment_base = info.base_offset;
    out->limit = info.bytes;
    bool found = false;
    for (int i = 0; i < 2 && !found; i++) {
        if (!index_set_holds(&l->index[i], info.base_offset)) continue;
        out->position = index_find_offset(&l->index[i], offset);
        found = index_set_holds(&l->index[i], info.base_offset);
    }
    if (!found) TRY(position_find(r, l, info.base_offset, offset, &out->position));
    out->offset = UINT64_MAX; /* the header says */
    if (out->position >= out->limit) out->position = 0; /* of an index that lies */
    if (out->position == 0) {
        out->offset = info.base_offset;
        return ERR_OK;
    }
    struct record_batch_view view;
    enum err e = cold_header(r, l, out, &view);
    if (e == ERR_OK && view.base_offset <= offset && view.base_offset >= info.base_offset) {
        out->offset = view.base_offset;
        return ERR_OK;
    }
    if (e != ERR_OK && e != ERR_CORRUPT) return e;
    out->position = 0; /* the index is only a hint: the segment itself is the truth */
    out->offset = info.base_offset;
    return ERR_OK;
}

/* ---- bytes ---- */

enum err cold_copy(struct log_reader *r, struct log *l, const struct cold_place *at, uint8_t *to, uint32_t size)
{
    struct cache_file *f;
    enum err result = ERR_OK;
    if (at->position + size > at->limit) return ERR_CORRUPT;
    TRY(open_file(r, l, at->segment_base, SEGMENT_LOG, &f));
    if (size > READER_BLOCK_BYTES) TRY(cache_has_room(&r->cache, f, at->position, size, true));
    for (uint32_t done = 0; done < size;) {
        const uint8_t *bytes;
        uint32_t available, block;
        enum err e = cache_get(&r->cache, f, at->position + done, at->limit, &bytes, &available, &block);
        if (e == ERR_AGAIN) { /* the blocks behind may be on their way meanwhile */
            result = ERR_AGAIN;
            done += READER_BLOCK_BYTES - (uint32_t)((at->position + done) % READER_BLOCK_BYTES);
            continue;
        }
        TRY(e);
        if (available > size - done) available = size - done;
        if (result == ERR_OK) memcpy(to + done, bytes, available);
        done += available;
    }
    return result;
}

enum err cold_header(struct log_reader *r, struct log *l, struct cold_place *at, struct record_batch_view *view)
{
    uint8_t header[RECORD_BATCH_HEADER_BYTES];
    if (at->position == at->limit) { /* the end of a segment, as this place knows it */
        struct segment_info info, next;
        uint64_t seq;
        if (!segment_find(&l->segments, at->segment_base, &seq, &info) || info.base_offset != at->segment_base)
            return ERR_OUT_OF_RANGE;
        at->limit = info.bytes;
        if (at->position == at->limit) {
            if (!segment_get(&l->segments, seq + 1, &next)) return ERR_OUT_OF_RANGE;
            if (next.base_offset != at->offset) return corrupt(l, at->segment_base, at->position);
            *at = (struct cold_place){seq + 1, next.base_offset, 0, at->offset, next.bytes};
        }
    }
    enum err e = cold_copy(r, l, at, header, sizeof header);
    if (e == ERR_OK) e = record_batch_view(header, UINT32_MAX, view);
    if (e == ERR_OK && ((at->offset != UINT64_MAX && view->base_offset != at->offset) ||
                        view->leader_epoch > l->identity.leader_epoch || at->position + view->bytes > at->limit))
        e = ERR_CORRUPT;
    if (e == ERR_CORRUPT && at->offset != UINT64_MAX) return corrupt(l, at->segment_base, at->position);
    return e;
}

/* ---- reading ---- */

/* Adds a whole batch to the slice.  ERR_AGAIN: not all of it is here yet; the slice is as it was. */
static enum err add_batch(struct log_reader *r, struct log *l, const struct cold_place *at,
                          const struct record_batch_view *view, struct log_slice *out)
{
    struct cache_file *f;
    uint32_t count = out->piece_count, last_size = count > 0 ? out->piece[count - 1].size : 0, crc = 0;
    uint32_t pinned_count = r->cache.pinned_count;
    enum err result = open_file(r, l, at->segment_base, SEGMENT_LOG, &f);
    if (result == ERR_OK) TRY(cache_has_room(&r->cache, f, at->position, view->bytes, out->bytes == 0));
    for (uint32_t done = 0; done < view->bytes && (result == ERR_OK || result == ERR_AGAIN);) {
        const uint8_t *bytes;
        uint32_t available, block;
        enum err e = cache_get(&r->cache, f, at->position + done, at->limit, &bytes, &available, &block);
        if (e == ERR_AGAIN) {
            result = ERR_AGAIN;
            done += READER_BLOCK_BYTES - (uint32_t)((at->position + done) % READER_BLOCK_BYTES);
            continue;
        }
        if (e != ERR_OK) result = e;
        if (result != ERR_OK && result != ERR_AGAIN) break;
        if (available > view->bytes - done) available = view->bytes - done;
        if (result == ERR_OK) {
            uint32_t skip = done < RECORD_BATCH_AT_ATTRIBUTES ? RECORD_BATCH_AT_ATTRIBUTES - done : 0;
            if (skip < available) crc = crc32c(crc, bytes + skip, available - skip);
            struct log_piece *last = out->piece_count > 0 ? &out->piece[out->piece_count - 1] : NULL;
            if (last != NULL && last->bytes + last->size == bytes && last->pin == (block | PIN_IS_BLOCK)) {
                last->size += available;
            } else if (out->piece_count == LOG_SLICE_PIECES) {
                result = ERR_TOO_LARGE;
            } else {
                cache_pin(&r->cache, block);
                out->piece[out->piece_count++] = (struct log_piece){bytes, available, block | PIN_IS_BLOCK, false,
                                                                               READER_BLOCK_BYTES};
            }
        }
        done += available;
    }
    if (result == ERR_OK && crc != view->crc) result = corrupt(l, at->segment_base, at->position);
    if (result == ERR_OK) {
        cache_room_taken(&r->cache, r->cache.pinned_count - pinned_count);
        out->bytes += view->bytes;
        out->next_offset = view->last_offset + 1;
        return ERR_OK;
    }
    while (out->piece_count > count) log_reader_release(r, &out->piece[--out->piece_count]);
    if (count > 0) out->piece[count - 1].size = last_size;
    return result;
}

enum err cold_find_batch(struct log_reader *r, struct log *l, uint64_t offset, struct cold_place *at,
                         struct record_batch_view *view)
{
    TRY(cold_locate(r, l, offset, at));
    for (;;) {
        TRY(cold_header(r, l, at, view));
        if (view->last_offset >= offset) return ERR_OK;
        at->position += view->bytes;
        at->offset = view->last_offset + 1;
    }
}

/* To the batch that contains `offset`; a cursor knows the way. */
static enum err find_batch(struct log_reader *r, struct log *l, uint64_t offset, const struct log_cursor *cursor,
                           struct cold_place *at)
{
    struct segment_info info;
    if (cursor_fits(cursor, l, offset, CURSOR_COLD)) {
        uint64_t base = cursor->opaque[2];
        if (segment_find(&l->segments, base, &at->segment_seq, &info) && info.base_offset == base &&
            cursor->opaque[3] <= info.bytes) {
            *at = (struct cold_place){at->segment_seq, base, cursor->opaque[3], offset, info.bytes};
            return ERR_OK;
        }
    }
    struct record_batch_view view;
    return cold_find_batch(r, l, offset, at, &view);
}

static void read_ahead(struct log_reader *r, struct log *l, const struct cold_place *at)
{
    struct cache_file *f;
    if (open_file(r, l, at->segment_base, SEGMENT_LOG, &f) != ERR_OK) return;
    for (uint64_t i = 0; i < AHEAD_BLOCKS; i++)
        cache_ahead(&r->cache, f, at->position + i * READER_BLOCK_BYTES, at->limit);
}

enum err cold_read(struct log_reader *r, struct log *l, uint64_t offset, uint64_t end, uint32_t bytes_max,
                   bool first_batch_whole, struct log_cursor *cursor, struct log_slice *out)
{
    struct cold_place at;
    bool is_sequential = cursor_fits(cursor, l, offset, CURSOR_COLD);
    enum err e = find_batch(r, l, offset, cursor, &at);
    bool is_full = false;
    while (e == ERR_OK && !is_full && at.offset < end) {
        struct record_batch_view view;
        e = cold_header(r, l, &at, &view);
        if (e != ERR_OK) break;
        is_full = !(out->bytes == 0 && first_batch_whole) && (uint64_t)out->bytes + view.bytes > bytes_max;
        if (is_full) break;
        e = add_batch(r, l, &at, &view, out);
        if (e != ERR_OK) break;
        at.position += view.bytes;
        at.offset = out->next_offset;
    }
    if (out->bytes == 0) return e;
    /* What is here is given; what could not be read shows at the next call. */
    cursor_set(cursor, l, out->next_offset, CURSOR_COLD, at.segment_base, at.position);
    if (is_sequential && (e == ERR_OK || e == ERR_AGAIN)) read_ahead(r, l, &at);
    return ERR_OK;
}

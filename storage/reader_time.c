/* Searching by time.  Timestamps may run backwards, so a segment is passed over only by its largest one, and within a
 * segment the time index says how far every record is older; from there batch by batch.  What a log shows before it is
 * on disk is searched in the tail. */
#include "storage/reader.h"

/* An index file is only a hint: does the batch that ends with `offset` hold this time?  Then the entry is one that was
 * written, and whatever the others hold, every record before it is no younger. */
static enum err time_entry_check(struct log_reader *r, struct log *l, uint64_t segment_base, uint64_t offset,
                                 int64_t entry_ms, bool *holds)
{
    struct cold_place at;
    *holds = false;
    enum err e = cold_locate(r, l, offset, &at);
    if (e == ERR_OUT_OF_RANGE) return ERR_OK;
    TRY(e);
    while (at.segment_base == segment_base) {
        struct record_batch_view view;
        e = cold_header(r, l, &at, &view);
        if (e == ERR_OUT_OF_RANGE) return ERR_OK;
        TRY(e);
        if (view.last_offset >= offset) {
            *holds = view.last_offset == offset && view.max_timestamp_ms == entry_ms;
            return ERR_OK;
        }
        at.position += view.bytes;
        at.offset = view.last_offset + 1;
    }
    return ERR_OK;
}

/* How far every record of a sealed segment is older, by its time index file. */
static enum err time_file_find(struct log_reader *r, struct log *l, uint64_t segment_base, int64_t timestamp_ms,
                               uint64_t *offset)
{
    uint8_t entry[TIME_INDEX_ENTRY_BYTES];
    uint64_t below = timestamp_ms < 0 ? 0 : (uint64_t)timestamp_ms;
    bool holds;
    *offset = segment_base;
    enum err e = index_file_find(r, l, segment_base, SEGMENT_TIME_INDEX, below, entry);
    if (e != ERR_OK) return e == ERR_NOT_FOUND ? ERR_OK : e;
    struct cursor c = cursor_of(entry, sizeof entry);
    int64_t entry_ms = (int64_t)cursor_be(&c, 8);
    uint64_t found = segment_base + cursor_be(&c, 4);
    TRY(time_entry_check(r, l, segment_base, found, entry_ms, &holds));
    if (holds) *offset = found;
    return ERR_OK;
}

/* Where to begin: the first segment with a record that is not older, and the place in it that its time index gives. */
static enum err time_locate(struct log_reader *r, struct log *l, int64_t timestamp_ms, struct cold_place *at)
{
    struct segment_info info;
    uint64_t seq = segment_first(&l->segments), offset = 0;
    while (seq < segment_next(&l->segments)) {
        if (!segment_get(&l->segments, seq, &info)) seq = segment_first(&l->segments); /* the oldest went meanwhile */
        else if (info.max_timestamp_ms < timestamp_ms) seq++;
        else break;
    }
    if (seq >= segment_next(&l->segments)) return ERR_NOT_FOUND;
    bool found = false;
    for (int i = 0; i < 2 && !found; i++) {
        if (!index_set_holds(&l->index[i], info.base_offset)) continue;
        offset = index_find_time(&l->index[i], timestamp_ms);
        found = index_set_holds(&l->index[i], info.base_offset);
    }
    if (!found) TRY(time_file_find(r, l, info.base_offset, timestamp_ms, &offset));
    if (offset < log_start_offset(l)) offset = log_start_offset(l);
    if (offset >= log_on_disk(l)) return ERR_NOT_FOUND; /* all that is there is older */
    return cold_locate(r, l, offset, at);
}

static struct time_memo *memo_of(struct log_reader *r, const struct log *l, int64_t timestamp_ms)
{
    for (int i = 0; i < TIME_MEMOS; i++)
        if (r->memo[i].incarnation == log_incarnation(l) && r->memo[i].timestamp_ms == timestamp_ms) return &r->memo[i];
    return NULL;
}

/* The batch in the reader's room, its records plain. */
static enum err batch_plain(struct log_reader *r, struct record_batch_view *view)
{
    struct plain_rooms *rooms = &r->rooms;
    size_t size;
    if (!record_batch_crc_holds(rooms->room, view)) return ERR_CORRUPT;
    if (record_batch_codec(view) == COMPRESSION_NONE) return ERR_OK;
    TRY(record_batch_unpack(rooms->unpacker, rooms->room, view, rooms->plain, rooms->bytes, &size));
    return record_batch_view(rooms->plain, size, view);
}

/* The batch at a place, its records plain.  ERR_TOO_LARGE: it is of a time when record_bytes_max was larger. */
static enum err batch_read(struct log_reader *r, struct log *l, const struct cold_place *at, uint32_t bytes,
                           struct record_batch_view *view)
{
    if (bytes > r->rooms.bytes) return ERR_TOO_LARGE;
    TRY(cold_copy(r, l, at, r->rooms.room, bytes));
    TRY(record_batch_view(r->rooms.room, bytes, view));
    return batch_plain(r, view);
}

/* The first record in this batch that is not older; `read` says whether the records could be had. */
static enum err search_batch(const struct log *l, enum err read, const struct record_batch_view *header,
                             const struct record_batch_view *plain, int64_t timestamp_ms, uint64_t *offset,
                             int64_t *found_ms)
{
    struct record_view record;
    if (read == ERR_TOO_LARGE) { /* the batch as a whole */
        *offset = header->base_offset;
        *found_ms = header->max_timestamp_ms;
        return ERR_OK;
    }
    TRY(read);
    struct cursor records = cursor_of(plain->records, plain->records_bytes);
    while (cursor_left(&records) > 0) {
        TRY(record_next(&records, plain, &record));
        if (record.timestamp_ms < timestamp_ms || record.offset < log_start_offset(l)) continue;
        *offset = record.offset;
        *found_ms = record.timestamp_ms;
        return ERR_OK;
    }
    return ERR_NOT_FOUND; /* the header promised more than is there */
}

static enum err search(struct log_reader *r, struct log *l, struct cold_place *at, int64_t timestamp_ms,
                       uint64_t *offset, int64_t *found_ms)
{
    uint64_t end = log_on_disk(l);
    for (;;) {
        struct record_batch_view view, plain;
        if (at->offset >= end) return ERR_NOT_FOUND;
        TRY(cold_header(r, l, at, &view));
        if (view.max_timestamp_ms >= timestamp_ms) {
            enum err e = batch_read(r, l, at, view.bytes, &plain);
            e = search_batch(l, e, &view, &plain, timestamp_ms, offset, found_ms);
            if (e != ERR_NOT_FOUND) return e;
        }
        at->position += view.bytes;
        at->offset = view.last_offset + 1;
    }
}

/* The same behind `from`, where there is only the tail.  ERR_OUT_OF_RANGE: it was flushed or taken back meanwhile. */
static enum err search_tail(struct log_reader *r, struct log *l, uint64_t from, int64_t timestamp_ms, uint64_t *offset,
                            int64_t *found_ms)
{
    struct log_cursor cursor = {{0}};
    for (uint64_t end = log_high_watermark(l); from < end;) {
        struct record_batch_view view, plain;
        enum err e = hot_pass_older(r, l, timestamp_ms, end, &from, &cursor);
        if (e == ERR_OK && from == end) break;
        if (e == ERR_OK) e = hot_copy(r, l, from, &cursor, &view);
        if (e == ERR_NOT_FOUND) return ERR_OUT_OF_RANGE;
        if (e != ERR_OK && e != ERR_TOO_LARGE) return e;
        plain = view;
        if (e == ERR_OK) e = batch_plain(r, &plain);
        e = search_batch(l, e, &view, &plain, timestamp_ms, offset, found_ms);
        if (e != ERR_NOT_FOUND) return e;
        from = view.last_offset + 1;
    }
    return ERR_NOT_FOUND;
}

static enum err find_once(struct log_reader *r, struct log *l, int64_t timestamp_ms, uint64_t *offset,
                          int64_t *found_ms)
{
    struct cold_place at;
    struct time_memo *memo = memo_of(r, l, timestamp_ms);
    struct segment_info info;
    enum err e = ERR_OK;
    if (memo != NULL && !segment_get(&l->segments, memo->at.segment_seq, &info)) { /* its file may hold another now */
        memo->incarnation = 0;
        memo = NULL;
    }
    if (memo != NULL) at = memo->at;
    else e = time_locate(r, l, timestamp_ms, &at);
    if (e == ERR_OK) {
        e = search(r, l, &at, timestamp_ms, offset, found_ms);
        if (e == ERR_AGAIN) { /* go on from here next time */
            if (memo == NULL) memo = &r->memo[r->memo_next++ % TIME_MEMOS];
            *memo = (struct time_memo){log_incarnation(l), timestamp_ms, at};
            return e;
        }
    }
    if (memo != NULL) memo->incarnation = 0;
    return e;
}

enum err log_reader_find_time(struct log_reader *r, struct log *l, int64_t timestamp_ms, uint64_t *offset,
                              int64_t *found_ms)
{
    if (atomic_load_explicit(&l->is_closing, memory_order_acquire)) return ERR_STATE;
    for (;;) {
        uint64_t start = log_start_offset(l), on_disk = log_on_disk(l);
        enum err e = find_once(r, l, timestamp_ms, offset, found_ms);
        if (e == ERR_AGAIN) return e;
        bool is_gone = false;
        if (e == ERR_NOT_FOUND) {
            e = search_tail(r, l, on_disk, timestamp_ms, offset, found_ms);
            is_gone = e == ERR_OUT_OF_RANGE;
        }
        /* What retention took while it was looked at tells nothing: the answer lies in what is left. */
        if (log_start_offset(l) == start && !is_gone) return e == ERR_OUT_OF_RANGE ? ERR_CORRUPT : e;
    }
}

/* `read` says whether the batch's records could be had. */
static enum err time_in_batch(enum err read, const struct record_batch_view *header,
                              const struct record_batch_view *plain, uint64_t offset, int64_t *timestamp_ms)
{
    struct record_view record;
    *timestamp_ms = header->max_timestamp_ms;
    if (read != ERR_OK) return read == ERR_TOO_LARGE ? ERR_OK : read;
    struct cursor records = cursor_of(plain->records, plain->records_bytes);
    while (cursor_left(&records) > 0) {
        TRY(record_next(&records, plain, &record));
        if (record.offset != offset) continue;
        *timestamp_ms = record.timestamp_ms;
        return ERR_OK;
    }
    return ERR_CORRUPT; /* offsets are dense */
}

static enum err time_on_disk(struct log_reader *r, struct log *l, uint64_t offset, int64_t *timestamp_ms)
{
    struct cold_place at;
    struct record_batch_view view, plain;
    TRY(cold_find_batch(r, l, offset, &at, &view));
    enum err e = batch_read(r, l, &at, view.bytes, &plain);
    return time_in_batch(e, &view, &plain, offset, timestamp_ms);
}

static enum err time_in_tail(struct log_reader *r, struct log *l, uint64_t offset, int64_t *timestamp_ms)
{
    const struct log_cursor none = {{0}};
    struct record_batch_view view, plain;
    enum err e = hot_copy(r, l, offset, &none, &view);
    if (e != ERR_OK && e != ERR_TOO_LARGE) return e;
    plain = view;
    if (e == ERR_OK) e = batch_plain(r, &plain);
    return time_in_batch(e, &view, &plain, offset, timestamp_ms);
}

enum err log_reader_time_at(struct log_reader *r, struct log *l, uint64_t offset, int64_t *timestamp_ms)
{
    enum err e;
    if (atomic_load_explicit(&l->is_closing, memory_order_acquire)) return ERR_STATE;
    do {
        if (offset < log_start_offset(l) || offset >= log_high_watermark(l)) return ERR_OUT_OF_RANGE;
        if (offset < log_on_disk(l)) e = time_on_disk(r, l, offset, timestamp_ms);
        else e = time_in_tail(r, l, offset, timestamp_ms);
    } while (e == ERR_NOT_FOUND); /* it left the tail: it is on disk now, or was taken back */
    if (e == ERR_AGAIN) return e;
    /* What retention took while it was looked at tells nothing. */
    return offset < log_start_offset(l) ? ERR_OUT_OF_RANGE : e == ERR_OUT_OF_RANGE ? ERR_CORRUPT : e;
}

#include "capture/inflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cursor.h"

enum {
    WINDOW_BYTES_MIN = 64 * 1024,
    ZLIB_RATIO_MAX = 1032, /* what zlib packs at best: a length beyond it is a lie, and no memory is taken for it */
    EVENT_IS_PACKED = 0x80,
    COLUMN_METHOD_ZLIB = 8,
    COLUMN_IS_RAW = 8,
};

struct inflater {
    z_stream rows, column;
    uint8_t *window;
    size_t window_bytes, window_bytes_max;
    uint64_t left; /* bytes that the event says are still to come */
};

static bool is_plausible(uint64_t length, size_t packed)
{
    return length / ZLIB_RATIO_MAX <= packed;
}

/* Reads an event's head; `in` moves behind it. */
static enum err read_head(struct cursor *in, uint64_t *length)
{
    uint8_t head = (uint8_t)cursor_le(in, 1);
    if (!in->failed && (head & EVENT_IS_PACKED) != 0 && (head & 0x70) != 0) return ERR_UNSUPPORTED;
    *length = cursor_be(in, head & 7u);
    bool is_whole = !in->failed && (head & EVENT_IS_PACKED) != 0 && (head & 7) != 0 && *length != 0;
    return is_whole && is_plausible(*length, cursor_left(in)) ? ERR_OK : ERR_CORRUPT;
}

/* All of `in`, which must give exactly `length` bytes. */
static enum err inflate_whole(z_stream *z, uint8_t *out, size_t length, struct cursor in)
{
    z->next_in = (uint8_t *)(uintptr_t)in.at;
    z->avail_in = (unsigned)cursor_left(&in);
    z->next_out = out;
    z->avail_out = (unsigned)length;
    return inflate(z, Z_FINISH) == Z_STREAM_END && z->total_out == length ? ERR_OK : ERR_CORRUPT;
}

enum err inflater_open(struct inflater **out, size_t window_bytes_max)
{
    struct inflater *s = calloc(1, sizeof *s);
    if (s == NULL) return ERR_NO_MEMORY;
    s->window_bytes = window_bytes_max < WINDOW_BYTES_MIN ? window_bytes_max : WINDOW_BYTES_MIN;
    s->window_bytes_max = window_bytes_max;
    s->window = malloc(s->window_bytes);
    if (s->window == NULL || inflateInit(&s->rows) != Z_OK || inflateInit(&s->column) != Z_OK) {
        inflater_close(s);
        return ERR_NO_MEMORY;
    }
    *out = s;
    return ERR_OK;
}

void inflater_close(struct inflater *s)
{
    if (s == NULL) return;
    inflateEnd(&s->rows); /* one that was not begun is nothing */
    inflateEnd(&s->column);
    free(s->window);
    free(s);
}

enum err inflater_rows_begin(struct inflater *s, const uint8_t *in, size_t size)
{
    struct cursor at = cursor_of(in, size);
    s->left = 0;
    if (size > UINT32_MAX) return ERR_CORRUPT; /* an event has 32 bits of size */
    TRY(read_head(&at, &s->left));
    if (inflateReset(&s->rows) != Z_OK) return ERR_CORRUPT;
    s->rows.next_in = (uint8_t *)(uintptr_t)at.at;
    s->rows.avail_in = (unsigned)cursor_left(&at);
    return ERR_OK;
}

bool inflater_rows_done(const struct inflater *s)
{
    return s->left == 0;
}

/* Doubles the window; what is in use stands at its start. */
static enum err grow(struct inflater *s)
{
    if (s->window_bytes == s->window_bytes_max) return ERR_TOO_LARGE;
    size_t size = s->window_bytes > s->window_bytes_max / 2 ? s->window_bytes_max : s->window_bytes * 2;
    uint8_t *grown = realloc(s->window, size);
    if (grown == NULL) return ERR_NO_MEMORY;
    s->window = grown;
    s->window_bytes = size;
    return ERR_OK;
}

enum err inflater_rows_more(struct inflater *s, const uint8_t **at, const uint8_t **end)
{
    size_t kept = (size_t)(*end - *at);
    if (s->left == 0) return ERR_CORRUPT;
    if (kept != 0) memmove(s->window, *at, kept);
    *at = s->window;
    *end = *at + kept;
    if (kept == s->window_bytes) TRY(grow(s)); /* it may move */
    *at = s->window;
    size_t room = s->window_bytes - kept;
    if (room > s->left) room = (size_t)s->left;
    if (room > UINT32_MAX) room = UINT32_MAX;
    *end = *at + kept;
    s->rows.next_out = s->window + kept;
    s->rows.avail_out = (unsigned)room;
    int result = inflate(&s->rows, Z_NO_FLUSH);
    size_t made = room - s->rows.avail_out;
    s->left -= made;
    /* The last bytes are out: the stream's own check sum must follow and hold. */
    if (s->left == 0 && result == Z_OK) result = inflate(&s->rows, Z_FINISH);
    if (s->left == 0 ? result != Z_STREAM_END : result != Z_OK || made == 0) {
        s->left = 0;
        return ERR_CORRUPT;
    }
    *end = *at + kept + made;
    return ERR_OK;
}

enum err inflate_event(const uint8_t *before, size_t before_bytes, const uint8_t *in, size_t size, size_t size_max,
                       uint8_t **out, size_t *out_bytes)
{
    struct cursor at = cursor_of(in, size);
    uint64_t length;
    if (size > UINT32_MAX) return ERR_CORRUPT;
    TRY(read_head(&at, &length));
    if (length > size_max || length > UINT32_MAX) return ERR_TOO_LARGE;
    uint8_t *whole = malloc(before_bytes + (size_t)length);
    if (whole == NULL) return ERR_NO_MEMORY;
    memcpy(whole, before, before_bytes);
    z_stream z = {0};
    enum err e = inflateInit(&z) == Z_OK ? inflate_whole(&z, whole + before_bytes, (size_t)length, at) : ERR_NO_MEMORY;
    inflateEnd(&z);
    if (e != ERR_OK) {
        free(whole);
        return e;
    }
    *out = whole;
    *out_bytes = before_bytes + (size_t)length;
    return ERR_OK;
}

enum err inflater_column(struct inflater *s, struct sink *room, const uint8_t *in, size_t size, size_t size_max,
                         const uint8_t **value, size_t *value_bytes)
{
    struct cursor at = cursor_of(in, size);
    uint8_t head = size == 0 ? 0 : (uint8_t)cursor_le(&at, 1); /* an empty value has no head */
    if (head >> 4 != 0) {
        uint64_t length = cursor_be(&at, head & 7u);
        if (head >> 4 != COLUMN_METHOD_ZLIB || (head & 7) == 0 || at.failed || length > size_max ||
            length > UINT32_MAX || !is_plausible(length, cursor_left(&at)))
            return ERR_CORRUPT;
        if (sink_left(room) < length) return ERR_NO_SPACE;
        if (inflateReset2(&s->column, (head & COLUMN_IS_RAW) != 0 ? -MAX_WBITS : MAX_WBITS) != Z_OK)
            return ERR_NO_MEMORY;
        TRY(inflate_whole(&s->column, room->at, (size_t)length, at));
        *value = room->at;
        *value_bytes = (size_t)length;
        room->at += length;
        return ERR_OK;
    }
    if (cursor_left(&at) > size_max) return ERR_CORRUPT;
    *value = at.at;
    *value_bytes = cursor_left(&at);
    return ERR_OK;
}

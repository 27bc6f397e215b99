#include "capture/payload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "capture/binlog_event.h"

enum field { FIELD_END = 0, FIELD_BYTES = 1, FIELD_COMPRESSION = 2, FIELD_UNPACKED_BYTES = 3 };
enum compression { COMPRESSION_ZSTD = 0, COMPRESSION_NONE = 255 };

struct payload {
    uint64_t compression, unpacked_bytes;
    bool has_unpacked_bytes;
    struct cursor packed;
};

struct unpacking { /* one call of payload_events */
    struct payload_reader *reader;
    size_t size; /* bytes in the reader's buffer */
    uint64_t taken_bytes, event_bytes_max;
    payload_event *each;
    void *context;
    struct err_msg *msg;
};

void payload_reader_free(struct payload_reader *r)
{
    ZSTD_freeDCtx(r->stream);
    free(r->bytes);
    *r = (struct payload_reader){0};
}

static enum err broken(struct unpacking *u, const char *what)
{
    return err_set(u->msg, ERR_CORRUPT, "a compressed transaction cannot be read: %s", what);
}

static enum err fields_decode(struct cursor body, struct payload *out, struct unpacking *u)
{
    struct payload p = {.compression = COMPRESSION_NONE};
    uint64_t bytes = 0;
    bool has_bytes = false;
    for (;;) {
        uint64_t type = cursor_lenenc(&body);
        if (body.failed) return broken(u, "its fields are cut short");
        if (type == FIELD_END) break;
        uint64_t size = cursor_lenenc(&body);
        const uint8_t *value = body.failed ? NULL : cursor_take(&body, size);
        if (value == NULL) return broken(u, "its fields are cut short");
        struct cursor in = cursor_of(value, size);
        uint64_t number = type <= FIELD_UNPACKED_BYTES ? cursor_lenenc(&in) : 0; /* later versions may add others */
        if (in.failed) return broken(u, "a field is no number");
        if (type == FIELD_BYTES) bytes = number, has_bytes = true;
        if (type == FIELD_COMPRESSION) p.compression = number;
        if (type == FIELD_UNPACKED_BYTES) p.unpacked_bytes = number, p.has_unpacked_bytes = true;
    }
    if (!has_bytes || bytes != cursor_left(&body)) return broken(u, "its size is not the one it names");
    p.packed = body;
    *out = p;
    return ERR_OK;
}

/* Room for `size` bytes in the buffer. */
static enum err grow(struct unpacking *u, size_t size)
{
    struct payload_reader *r = u->reader;
    if (size <= r->capacity) return ERR_OK;
    uint8_t *bigger = realloc(r->bytes, size);
    if (bigger == NULL) return err_set(u->msg, ERR_NO_MEMORY, "no memory for an event of %zu bytes", size);
    r->bytes = bigger;
    r->capacity = size;
    return ERR_OK;
}

/* Hands on the whole events at `bytes`; `*left`: what remains, the start of one.  `*wanted`: its whole size, or 0. */
static enum err take_events(struct unpacking *u, const uint8_t *bytes, size_t size, size_t *left, size_t *wanted)
{
    *wanted = 0;
    while (size >= BINLOG_HEADER_BYTES) {
        struct binlog_header h;
        struct cursor in = cursor_of(bytes, size);
        if (binlog_header_decode(&in, &h) != ERR_OK) return broken(u, "an event in it contradicts its own size");
        if (h.event_size > u->event_bytes_max)
            return err_set(u->msg, ERR_TOO_LARGE,
                           "a compressed transaction holds an event of %u bytes, above packet_bytes_max (%" PRIu64 ")",
                           h.event_size, u->event_bytes_max);
        if (h.event_size > size) {
            *wanted = h.event_size;
            break;
        }
        switch (h.type) {
        case BINLOG_FORMAT_DESCRIPTION: case BINLOG_ROTATE: case BINLOG_STOP: case BINLOG_HEARTBEAT:
        case BINLOG_HEARTBEAT_V2: case BINLOG_TRANSACTION_PAYLOAD: case BINLOG_GTID: case BINLOG_ANONYMOUS_GTID:
        case BINLOG_GTID_TAGGED: case BINLOG_PREVIOUS_GTIDS:
            return err_set(u->msg, ERR_CORRUPT, "a compressed transaction holds a %s event", binlog_event_name(h.type));
        default: break;
        }
        h.next_position = 0;
        TRY(u->each(u->context, &h, cursor_of(in.at, h.event_size - BINLOG_HEADER_BYTES), u->msg));
        bytes += h.event_size;
        size -= h.event_size;
        u->taken_bytes += h.event_size;
    }
    *left = size;
    return ERR_OK;
}

static enum err unpack(struct unpacking *u, struct cursor packed)
{
    struct payload_reader *r = u->reader;
    if (r->stream == NULL && (r->stream = ZSTD_createDCtx()) == NULL)
        return err_set(u->msg, ERR_NO_MEMORY, "no memory to unpack a compressed transaction");
    ZSTD_DCtx_reset(r->stream, ZSTD_reset_session_only);
    TRY(grow(u, PAYLOAD_BUFFER_BYTES));
    ZSTD_inBuffer in = {packed.at, cursor_left(&packed), 0};
    size_t hint = 1; /* 0: a frame has ended; more may follow */
    bool was_full = false;
    while (in.pos < in.size || was_full) {
        ZSTD_outBuffer out = {r->bytes, r->capacity, u->size};
        hint = ZSTD_decompressStream(r->stream, &out, &in);
        if (ZSTD_isError(hint)) return broken(u, ZSTD_getErrorName(hint));
        was_full = hint != 0 && out.pos == out.size;
        size_t left, wanted;
        TRY(take_events(u, r->bytes, out.pos, &left, &wanted));
        memmove(r->bytes, r->bytes + out.pos - left, left);
        u->size = left;
        if (wanted > r->capacity) TRY(grow(u, wanted));
    }
    return hint == 0 ? ERR_OK : broken(u, "it is cut short");
}

enum err payload_events(struct payload_reader *r, struct cursor body, uint64_t event_bytes_max, payload_event *each,
                        void *context, struct err_msg *msg)
{
    struct unpacking u = {
        .reader = r, .event_bytes_max = event_bytes_max, .each = each, .context = context, .msg = msg};
    struct payload p = {0};
    size_t wanted;
    TRY(fields_decode(body, &p, &u));
    enum err e;
    if (p.compression == COMPRESSION_ZSTD)
        e = unpack(&u, p.packed);
    else if (p.compression == COMPRESSION_NONE)
        e = take_events(&u, p.packed.at, cursor_left(&p.packed), &u.size, &wanted);
    else
        e = err_set(msg, ERR_UNSUPPORTED, "a transaction is compressed by method %" PRIu64 ", which is not known; set "
                    "binlog_transaction_compression=OFF on the source, and make the channel anew behind this place",
                    p.compression);
    if (r->capacity > PAYLOAD_BUFFER_BYTES && e == ERR_OK) { /* one large event is no reason to keep its room */
        free(r->bytes);
        r->bytes = NULL;
        r->capacity = 0;
    }
    TRY(e);
    if (u.size != 0) return broken(&u, "its last event is cut short");
    if (p.has_unpacked_bytes && p.unpacked_bytes != u.taken_bytes) return broken(&u, "it is not as long as it says");
    return ERR_OK;
}

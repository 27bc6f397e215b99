#include "control/log_lookup.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"

enum { TIMES_KEPT = 4096, POLL_MS = 10, PATIENCE_AGAIN_MS = 10000 };

struct known_time {
    uint64_t log; /* a hash of what names its offsets; 0: the place is free */
    uint64_t offset;
    int64_t time_ms;
};

struct log_lookup {
    struct log_reader *reader;
    const struct clock *clock;
    uint64_t allowance_ns;       /* what may still be waited until the next log_lookup_tidy */
    uint64_t impatient_until_ns; /* it was used up: the next lookups would hold up the control thread as well */
    struct known_time known[TIMES_KEPT];
};

enum err log_lookup_open(struct log_lookup **out, struct storage *storage, uint32_t reader_index,
                         const struct clock *clock, struct err_msg *msg)
{
    struct log_lookup *l = calloc(1, sizeof *l);
    if (l == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to look up times in the logs");
    l->clock = clock;
    l->allowance_ns = (uint64_t)LOG_LOOKUP_WAIT_MS * 1000000;
    enum err e = log_reader_open(&l->reader, storage, reader_index, NULL, msg);
    if (e != ERR_OK) {
        free(l);
        return e;
    }
    log_reader_rest(l->reader);
    *out = l;
    return ERR_OK;
}

void log_lookup_close(struct log_lookup *l)
{
    if (l == NULL) return;
    log_reader_close(l->reader);
    free(l);
}

struct question { /* of which the reader may say that the disk must work first */
    enum { TIME_AT, OFFSET_AT, BATCHES_AT } kind;
    uint64_t offset;
    int64_t time_ms;
    uint32_t room_bytes;
    struct log_slice slice;
};

static enum err ask(struct log_lookup *l, struct log *log, struct question *q)
{
    int64_t found_ms;
    switch (q->kind) {
    case TIME_AT: return log_reader_time_at(l->reader, log, q->offset, &q->time_ms);
    case OFFSET_AT: return log_reader_find_time(l->reader, log, q->time_ms, &q->offset, &found_ms);
    case BATCHES_AT: return log_reader_read(l->reader, log, q->offset, q->room_bytes, true, NULL, &q->slice);
    }
    return ERR_INVALID;
}

/* Asks until the disk has answered.  Then `log_reader_rest` is the caller's to do. */
static enum err ask_on(struct log_lookup *l, struct log *log, struct question *q)
{
    uint64_t now_ns = clock_monotonic_ns(l->clock);
    uint64_t until_ns = now_ns < l->impatient_until_ns ? now_ns : now_ns + l->allowance_ns;
    log_reader_quiesce(l->reader);
    log_reader_poll(l->reader); /* what an impatient lookup did not wait for */
    enum err e = ask(l, log, q);
    while (e == ERR_AGAIN && clock_monotonic_ns(l->clock) < until_ns) {
        struct pollfd readable = {log_reader_fd(l->reader), POLLIN, 0};
        poll(&readable, 1, POLL_MS);
        if (log_reader_poll(l->reader) > 0) e = ask(l, log, q);
    }
    uint64_t waited_ns = clock_monotonic_ns(l->clock) - now_ns;
    l->allowance_ns -= waited_ns < l->allowance_ns ? waited_ns : l->allowance_ns;
    if (until_ns > now_ns && l->allowance_ns == 0)
        l->impatient_until_ns = now_ns + waited_ns + (uint64_t)PATIENCE_AGAIN_MS * 1000000;
    return e == ERR_AGAIN ? ERR_IO : e;
}

/* Offsets of a log that was made anew, or cut behind what was shown, are others. */
static struct known_time *place_of(struct log_lookup *l, const struct log *log, uint64_t offset, uint64_t *name)
{
    uint8_t id[16];
    log_topic_id(log_identity(log), id);
    *name = fnv1a(0, id, sizeof id) | 1;
    uint64_t hash = fnv1a(*name, &offset, sizeof offset);
    return &l->known[(hash ^ hash >> 32) % TIMES_KEPT];
}

enum err log_lookup_time(struct log_lookup *l, struct log *log, uint64_t offset, int64_t *time_ms)
{
    uint64_t name;
    struct known_time *known = place_of(l, log, offset, &name);
    if (offset < log_start_offset(log) || offset >= log_high_watermark(log)) return ERR_OUT_OF_RANGE;
    if (known->log != name || known->offset != offset) {
        struct question q = {.kind = TIME_AT, .offset = offset};
        enum err e = ask_on(l, log, &q);
        log_reader_rest(l->reader);
        if (e != ERR_OK) return e;
        *known = (struct known_time){name, offset, q.time_ms};
    }
    *time_ms = known->time_ms;
    return ERR_OK;
}

enum err log_lookup_offset(struct log_lookup *l, struct log *log, int64_t time_ms, uint64_t *offset)
{
    struct question q = {.kind = OFFSET_AT, .time_ms = time_ms};
    enum err e = ask_on(l, log, &q);
    log_reader_rest(l->reader);
    *offset = q.offset;
    return e;
}

enum err log_lookup_batches(struct log_lookup *l, struct log *log, uint64_t offset, uint8_t *room, uint32_t room_bytes,
                            uint32_t *bytes, uint64_t *next_offset)
{
    struct question q = {.kind = BATCHES_AT, .offset = offset, .room_bytes = room_bytes};
    enum err e = ask_on(l, log, &q);
    *bytes = e == ERR_OK ? q.slice.bytes : 0;
    *next_offset = e == ERR_OK ? q.slice.next_offset : offset;
    uint32_t left = room_bytes;
    for (uint32_t i = 0; e == ERR_OK && i < q.slice.piece_count; i++) {
        const struct log_piece *piece = &q.slice.piece[i];
        uint32_t size = piece->size < left ? piece->size : left;
        memcpy(room + (room_bytes - left), piece->bytes, size);
        left -= size;
        log_reader_release(l->reader, piece);
    }
    if (*bytes > room_bytes) e = ERR_TOO_LARGE;
    log_reader_rest(l->reader);
    return e;
}

void log_lookup_tidy(struct log_lookup *l)
{
    log_reader_quiesce(l->reader);
    log_reader_tidy(l->reader);
    l->allowance_ns = (uint64_t)LOG_LOOKUP_WAIT_MS * 1000000;
    log_reader_rest(l->reader);
}

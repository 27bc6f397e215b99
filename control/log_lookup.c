#include "control/log_lookup.h"

#include <poll.h>
#include <stdlib.h>

#include "base/fnv.h"

enum { TIMES_KEPT = 4096, POLL_MS = 10 };

struct known_time {
    uint64_t log; /* a hash of what names its offsets; 0: the place is free */
    uint64_t offset;
    int64_t time_ms;
};

struct log_lookup {
    struct log_reader *reader;
    const struct clock *clock;
    struct known_time known[TIMES_KEPT];
};

enum err log_lookup_open(struct log_lookup **out, struct storage *storage, uint32_t reader_index,
                         const struct clock *clock, struct err_msg *msg)
{
    struct log_lookup *l = calloc(1, sizeof *l);
    if (l == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to look up times in the logs");
    l->clock = clock;
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

/* One question to the reader: a time, or an offset. */
static enum err ask(struct log_lookup *l, struct log *log, uint64_t *offset, int64_t *time_ms, bool is_for_time)
{
    int64_t found_ms;
    return is_for_time ? log_reader_time_at(l->reader, log, *offset, time_ms)
                       : log_reader_find_time(l->reader, log, *time_ms, offset, &found_ms);
}

/* Asks until the disk has answered. */
static enum err ask_on(struct log_lookup *l, struct log *log, uint64_t *offset, int64_t *time_ms, bool is_for_time)
{
    uint64_t until_ns = clock_monotonic_ns(l->clock) + (uint64_t)LOG_LOOKUP_WAIT_MS * 1000000;
    log_reader_quiesce(l->reader);
    enum err e = ask(l, log, offset, time_ms, is_for_time);
    while (e == ERR_AGAIN && clock_monotonic_ns(l->clock) < until_ns) {
        struct pollfd readable = {log_reader_fd(l->reader), POLLIN, 0};
        poll(&readable, 1, POLL_MS);
        if (log_reader_poll(l->reader) > 0) e = ask(l, log, offset, time_ms, is_for_time);
    }
    log_reader_rest(l->reader);
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
        TRY(ask_on(l, log, &offset, time_ms, true));
        *known = (struct known_time){name, offset, *time_ms};
    }
    *time_ms = known->time_ms;
    return ERR_OK;
}

enum err log_lookup_offset(struct log_lookup *l, struct log *log, int64_t time_ms, uint64_t *offset)
{
    return ask_on(l, log, offset, &time_ms, false);
}

void log_lookup_tidy(struct log_lookup *l)
{
    log_reader_quiesce(l->reader);
    log_reader_tidy(l->reader);
    log_reader_rest(l->reader);
}

/* control/history.h -- what a channel did in the last minutes, a sample a second, for the console's charts.
 *
 * A ring in memory of fixed size; a restart begins anew (Prometheus keeps what must last).  Control thread only. */
#ifndef CONTROL_HISTORY_H
#define CONTROL_HISTORY_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

enum {
    HISTORY_SAMPLES    = 900, /* 15 minutes */
    HISTORY_GROUPS_MAX = 8,   /* lines that a chart can still tell apart; of more groups the first that are seen */
    HISTORY_GROUP_BYTES = 256,
};

struct history;

struct history_group {
    const char *id;
    uint64_t lag; /* records */
};
struct history_sample {
    uint64_t time_ms; /* Unix */
    double rows_per_s, bytes_out_per_s;
    int64_t delay_ms; /* -1: not known, because nothing is captured */
    const struct history_group *groups;
    uint32_t group_count;
};

NODISCARD enum err history_new(struct history **out); /* ERR_NO_MEMORY */
void history_free(struct history *h); /* NULL: nothing */
uint64_t history_memory_bytes(void);

void history_add(struct history *h, const struct history_sample *sample);

/* The newest `seconds` samples as columns, the oldest first:
 * {"time_ms": [...], "rows_per_s": [...], "delay_ms": [number or null, ...], "bytes_out_per_s": [...],
 *  "groups": [{"group": ID, "lag": [number or null, ...]}, ...]}.  A new reference; NULL: no memory. */
json_t *history_json(const struct history *h, uint32_t seconds);

#endif

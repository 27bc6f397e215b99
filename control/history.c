#include "control/history.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    uint64_t time_ms;
    double rows_per_s, bytes_out_per_s;
    int64_t delay_ms;
    int64_t lag[HISTORY_GROUPS_MAX]; /* -1: the group was not there */
};
struct history {
    char group[HISTORY_GROUPS_MAX][HISTORY_GROUP_BYTES]; /* "": this column is free */
    uint32_t seen_ago[HISTORY_GROUPS_MAX];               /* samples since it was there */
    uint32_t next, count;
    struct slot slot[HISTORY_SAMPLES];
};

enum err history_new(struct history **out)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void history_free(struct history *h)
{
    free(h);
}

uint64_t history_memory_bytes(void)
{
    return sizeof(struct history);
}

/* The group's column, a free one when it is new; -1: all are taken. */
static int column_of(struct history *h, const char *id)
{
    int free_column = -1;
    for (int i = 0; i < HISTORY_GROUPS_MAX; i++) {
        if (strcmp(h->group[i], id) == 0) return i;
        if (h->group[i][0] == '\0' && free_column < 0) free_column = i;
    }
    if (free_column < 0 || strlen(id) >= HISTORY_GROUP_BYTES) return -1;
    strcpy(h->group[free_column], id);
    return free_column;
}

void history_add(struct history *h, const struct history_sample *sample)
{
    struct slot *s = &h->slot[h->next];
    *s = (struct slot){sample->time_ms, sample->rows_per_s, sample->bytes_out_per_s, sample->delay_ms, {0}};
    for (int i = 0; i < HISTORY_GROUPS_MAX; i++) {
        s->lag[i] = -1;
        if (h->group[i][0] != '\0' && ++h->seen_ago[i] >= HISTORY_SAMPLES) h->group[i][0] = '\0';
    }
    for (uint32_t g = 0; g < sample->group_count; g++) {
        int i = column_of(h, sample->groups[g].id);
        if (i < 0) continue;
        s->lag[i] = (int64_t)sample->groups[g].lag;
        h->seen_ago[i] = 0;
    }
    h->next = (h->next + 1) % HISTORY_SAMPLES;
    if (h->count < HISTORY_SAMPLES) h->count++;
}

static json_t *number_or_null(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

json_t *history_json(const struct history *h, uint32_t seconds)
{
    uint32_t count = seconds < h->count ? seconds : h->count;
    json_t *time = json_array(), *rows = json_array(), *delay = json_array(), *out = json_array();
    json_t *groups = json_array(), *lag[HISTORY_GROUPS_MAX] = {NULL};
    for (int i = 0; i < HISTORY_GROUPS_MAX; i++) {
        if (h->group[i][0] == '\0') continue;
        lag[i] = json_array();
        json_t *id = json_string(h->group[i]); /* NULL: no UTF-8 */
        json_array_append_new(groups, json_pack("{s:o, s:o}", "group", id == NULL ? json_string("?") : id, "lag",
                                                lag[i]));
    }
    for (uint32_t n = count; n > 0; n--) {
        const struct slot *s = &h->slot[(h->next + HISTORY_SAMPLES - n) % HISTORY_SAMPLES];
        json_array_append_new(time, json_integer((json_int_t)s->time_ms));
        json_array_append_new(rows, json_real(s->rows_per_s));
        json_array_append_new(delay, number_or_null(s->delay_ms));
        json_array_append_new(out, json_integer((json_int_t)s->bytes_out_per_s));
        for (int i = 0; i < HISTORY_GROUPS_MAX; i++)
            if (lag[i] != NULL) json_array_append_new(lag[i], number_or_null(s->lag[i]));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "time_ms", time, "rows_per_s", rows, "delay_ms", delay,
                     "bytes_out_per_s", out, "groups", groups);
}

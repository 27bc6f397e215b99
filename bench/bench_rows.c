/* What one core spends on decoding a row of a rows event, and on a TABLE_MAP that it has seen before.  Prints a JSON
 * line per figure: the median of several rounds, and the best, which a busy machine disturbs least. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "bench/row_tables.h"
#include "capture/row_decode.h"
#include "capture/table_cache.h"

enum { ROUNDS = 9, EVENT_BYTES = 1 << 20, EVENTS_PER_ROUND = 20, MAPS_PER_ROUND = 200000 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_figure(const char *what, const char *table, uint16_t columns, const char *unit, double *round)
{
    qsort(round, ROUNDS, sizeof *round, by_value);
    printf("{\"bench\":\"rows\",\"what\":\"%s\",\"table\":\"%s\",\"columns\":%u,\"%s\":%.1f,\"%s_best\":%.1f}\n", what,
           table, columns, unit, round[ROUNDS / 2], unit, round[0]);
}

static void run(const char *name, const struct row_table *t)
{
    static const char *const include[] = {"d.t", NULL};
    static struct change_value after[ROW_TABLE_COLUMNS_MAX];
    struct told told;
    struct filter *filter;
    struct table_cache *cache;
    struct table_entry *entry;
    struct row_arena arena;
    struct rows_event event;
    struct row_reader reader;
    struct err_msg msg;
    uint8_t map[ROW_TABLE_MAP_BYTES], *body = malloc(EVENT_BYTES);
    double row_ns[ROUNDS], map_ns[ROUNDS];
    size_t rows, map_bytes = row_table_map(map, sizeof map, t), size = row_table_rows(body, EVENT_BYTES, t, &rows);

    row_table_tell(&told, t);
    INVARIANT(filter_open(&filter, include, NULL, false, &msg) == ERR_OK);
    INVARIANT(table_cache_open(&cache, &told.definitions, filter) == ERR_OK);
    INVARIANT(row_arena_init(&arena, 65536, 1 << 20) == ERR_OK);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t started_ns = clock_monotonic_ns(clock_real());
        for (int i = 0; i < MAPS_PER_ROUND; i++)
            INVARIANT(table_cache_map(cache, map, map_bytes, &entry, &msg) == ERR_OK);
        uint64_t middle_ns = clock_monotonic_ns(clock_real());
        for (int i = 0; i < EVENTS_PER_ROUND; i++) {
            INVARIANT(table_cache_rows(cache, ROWS_WRITE_V2, body, size, &event, &entry, &msg) == ERR_OK);
            INVARIANT(row_reader_init(&reader, &event, &entry->decoder, &arena, &msg) == ERR_OK);
            while (row_reader_more(&reader)) INVARIANT(row_reader_next(&reader, NULL, after, &msg) == ERR_OK);
        }
        uint64_t ended_ns = clock_monotonic_ns(clock_real());
        map_ns[round] = (double)(middle_ns - started_ns) / MAPS_PER_ROUND;
        row_ns[round] = (double)(ended_ns - middle_ns) / (double)(rows * EVENTS_PER_ROUND);
    }
    print_figure("decode", name, t->count, "ns_per_row", row_ns);
    print_figure("table_map_seen", name, t->count, "ns_per_event", map_ns);
    row_arena_fini(&arena);
    table_cache_close(cache);
    filter_close(filter);
    told_close(&told);
    free(body);
}

int main(void)
{
    run("5 columns int/varchar", &row_table_narrow);
    run("8 columns mixed", &row_table_mixed);
    return 0;
}

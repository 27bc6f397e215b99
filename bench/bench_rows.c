/* What one core spends on decoding a row of a rows event, and on a TABLE_MAP that it has seen before.  Prints a JSON
 * line per figure: the median of several rounds, and the best, which a busy machine disturbs least. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/sink.h"
#include "capture/row_decode.h"
#include "capture/table_cache.h"
#include "tests/capture/definitions_support.h"

enum { ROUNDS = 9, EVENT_BYTES = 1 << 20, EVENTS_PER_ROUND = 20, MAPS_PER_ROUND = 200000 };

struct bench_column {
    const char *type, *charset, *octets;
    uint8_t map_type, metadata_bytes;
    uint8_t metadata[2];
    const char *value; /* as stored, with its length */
    uint8_t value_bytes;
};
#define VALUE(text) text, sizeof text - 1

static const struct bench_column narrow[] = {
    {"int(11)", NULL, NULL, COLUMN_LONG, 0, {0}, VALUE("\x01\x02\x03\x04")},
    {"int(11)", NULL, NULL, COLUMN_LONG, 0, {0}, VALUE("\x05\x06\x07\x08")},
    {"int(10) unsigned", NULL, NULL, COLUMN_LONG, 0, {0}, VALUE("\xff\xff\xff\xff")},
    {"varchar(40)",
     "utf8mb4",
     "160",
     COLUMN_VARCHAR,
     2,
     {160, 0},
     VALUE("\x0c"
           "Ada Lovelace")},
    {"varchar(100)",
     "utf8mb4",
     "400",
     COLUMN_VARCHAR,
     2,
     {144, 1},
     VALUE("\x1c\x00"
           "Grace Brewster Murray Hopper")},
};
static const struct bench_column mixed[] = {
    {"bigint(20)", NULL, NULL, COLUMN_LONGLONG, 0, {0}, VALUE("\x01\x02\x03\x04\x05\x06\x07\x08")},
    {"decimal(12,2)", NULL, NULL, COLUMN_NEWDECIMAL, 2, {12, 2}, VALUE("\x80\x00\x01\xe2\x40\x32")},
    {"datetime(6)", NULL, NULL, COLUMN_DATETIME2, 1, {6}, VALUE("\x99\xa5\x42\x20\x81\x01\xe2\x40")},
    {"timestamp", NULL, NULL, COLUMN_TIMESTAMP2, 1, {0}, VALUE("\x5e\x0b\xe1\x00")},
    {"enum('new','paid')", "utf8mb4", "16", COLUMN_STRING, 2, {0xf7, 1}, VALUE("\x02")},
    {"double", NULL, NULL, COLUMN_DOUBLE, 1, {8}, VALUE("\x18\x2d\x44\x54\xfb\x21\x09\x40")},
    {"char(10)",
     "utf8mb4",
     "40",
     COLUMN_STRING,
     2,
     {0xfe, 40},
     VALUE("\x04"
           "abcd")},
    {"text",
     "utf8mb4",
     "65535",
     COLUMN_BLOB,
     1,
     {2},
     VALUE("\x05\x00"
           "hello")},
};

struct bench_table {
    const struct bench_column *column;
    uint16_t count;
};

static void tell(struct told *told, const struct bench_table *t)
{
    struct told_column column[16];
    char name[16][8];
    const struct told_key primary = {"PRIMARY", {"c0"}};
    told_open(told, "8.0.36", NULL, false, false);
    for (uint16_t i = 0; i < t->count; i++) {
        snprintf(name[i], sizeof name[i], "c%u", i);
        column[i] = (struct told_column){name[i], t->column[i].type, t->column[i].charset};
    }
    told_table(told, "d", "t", column, t->count, &primary, 1, false);
}

static size_t make_map(uint8_t *body, size_t room, const struct bench_table *t)
{
    struct sink out = sink_of(body, room);
    size_t metadata_bytes = 0;
    sink_le(&out, 7, 6);
    sink_le(&out, 1, 2);
    sink_bytes(&out, "\1d\0\1t\0", 6);
    sink_le(&out, t->count, 1);
    for (uint16_t i = 0; i < t->count; i++) {
        sink_le(&out, t->column[i].map_type, 1);
        metadata_bytes += t->column[i].metadata_bytes;
    }
    sink_le(&out, metadata_bytes, 1);
    for (uint16_t i = 0; i < t->count; i++) sink_bytes(&out, t->column[i].metadata, t->column[i].metadata_bytes);
    sink_le(&out, 0xff, 1);
    INVARIANT(!out.failed);
    return (size_t)(out.at - body);
}

/* An INSERT event of about EVENT_BYTES. */
static size_t make_rows(uint8_t *body, const struct bench_table *t, size_t *rows)
{
    struct sink out = sink_of(body, EVENT_BYTES);
    size_t row_bytes = 1;
    for (uint16_t i = 0; i < t->count; i++) row_bytes += t->column[i].value_bytes;
    sink_le(&out, 7, 6);
    sink_le(&out, 1, 2);
    sink_le(&out, 2, 2);
    sink_le(&out, t->count, 1);
    sink_le(&out, 0xff, 1);
    for (*rows = 0; sink_left(&out) >= row_bytes; ++*rows) {
        sink_le(&out, 0, 1);
        for (uint16_t i = 0; i < t->count; i++) sink_bytes(&out, t->column[i].value, t->column[i].value_bytes);
    }
    return (size_t)(out.at - body);
}

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

static void run(const char *name, struct bench_table t)
{
    static const char *const include[] = {"d.t", NULL};
    static struct change_value after[16];
    struct told told;
    struct filter *filter;
    struct table_cache *cache;
    struct table_entry *entry;
    struct row_arena arena;
    struct rows_event event;
    struct row_reader reader;
    struct err_msg msg;
    uint8_t map[256], *body = malloc(EVENT_BYTES);
    double row_ns[ROUNDS], map_ns[ROUNDS];
    size_t rows, map_bytes = make_map(map, sizeof map, &t), size = make_rows(body, &t, &rows);

    tell(&told, &t);
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
    print_figure("decode", name, t.count, "ns_per_row", row_ns);
    print_figure("table_map_seen", name, t.count, "ns_per_event", map_ns);
    row_arena_fini(&arena);
    table_cache_close(cache);
    filter_close(filter);
    told_close(&told);
    free(body);
}

int main(void)
{
    run("5 columns int/varchar", (struct bench_table){narrow, sizeof narrow / sizeof *narrow});
    run("8 columns mixed", (struct bench_table){mixed, sizeof mixed / sizeof *mixed});
    return 0;
}

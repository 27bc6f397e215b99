/* What one core spends on encoding a row and putting it into a batch, and on packing that with each codec.  Prints a
 * JSON line per figure: the median of several rounds, and the best, which a busy machine disturbs least. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "formats/record_batch.h"
#include "formats/record_format.h"

enum { ROUNDS = 9, ROWS_PER_ROUND = 200000, BATCH_BYTES = 256 << 10, COLUMNS_MAX = 20, VARIANTS = 64 };

static struct change_column narrow[] = {
    {"id", NULL, CHANGE_BIGINT, false, 0, 0},         {"customer_id", NULL, CHANGE_INT, false, 0, 0},
    {"name", "utf8mb4", CHANGE_VARCHAR, false, 0, 0}, {"state", NULL, CHANGE_TINYINT, false, 0, 0},
    {"note", "utf8mb4", CHANGE_VARCHAR, false, 0, 0},
};
static struct change_column mixed[] = {
    {"id", NULL, CHANGE_BIGINT, true, 0, 0},           {"a_tiny", NULL, CHANGE_TINYINT, false, 0, 0},
    {"a_small", NULL, CHANGE_SMALLINT, false, 0, 0},   {"an_int", NULL, CHANGE_INT, false, 0, 0},
    {"a_bit", NULL, CHANGE_BIT, false, 12, 0},         {"a_float", NULL, CHANGE_FLOAT, false, 0, 0},
    {"a_double", NULL, CHANGE_DOUBLE, false, 0, 0},    {"a_price", NULL, CHANGE_DECIMAL, false, 12, 2},
    {"a_date", NULL, CHANGE_DATE, false, 0, 0},        {"a_time", NULL, CHANGE_TIME, false, 0, 3},
    {"created", NULL, CHANGE_DATETIME, false, 0, 6},   {"changed", NULL, CHANGE_TIMESTAMP, false, 0, 0},
    {"a_year", NULL, CHANGE_YEAR, false, 0, 0},        {"code", "latin1", CHANGE_CHAR, false, 0, 0},
    {"name", "utf8mb4", CHANGE_VARCHAR, false, 0, 0},  {"body", "utf8mb4", CHANGE_TEXT, false, 0, 0},
    {"digest", NULL, CHANGE_BINARY, false, 0, 0},      {"kind", NULL, CHANGE_ENUM, false, 0, 0},
    {"flags", NULL, CHANGE_SET, false, 0, 0},          {"extra", NULL, CHANGE_JSON, false, 0, 0},
};

static uint8_t batch_bytes[BATCH_BYTES], packing_room[BATCH_BYTES + PACKER_SLACK_BYTES];
static struct packer *packer; /* NULL: batches are not packed */

static struct change_value text(enum change_value_kind kind, const char *t)
{
    return (struct change_value){.kind = (uint8_t)kind, .size = (uint32_t)strlen(t), .bytes = (const uint8_t *)t};
}

static struct change_value value_for(enum change_type type, uint64_t n)
{
    struct change_value v = {.kind = CHANGE_VALUE_INT, .i = (int64_t)(n % 128)};
    switch (type) {
    case CHANGE_TINYINT: case CHANGE_SMALLINT: return v;
    case CHANGE_INT: v.i = (int64_t)(n * 7919 % 1000000) - 5000; return v;
    case CHANGE_BIGINT: v.i = (int64_t)(1000000 + n * 104729); return v;
    case CHANGE_YEAR: v.i = 2000 + (int64_t)(n % 50); return v;
    case CHANGE_BIT: return (struct change_value){.kind = CHANGE_VALUE_UINT, .u = n & 0xfff};
    case CHANGE_FLOAT: return (struct change_value){.kind = CHANGE_VALUE_FLOAT, .d = (float)(n % 1000) / 100.0f};
    case CHANGE_DOUBLE: return (struct change_value){.kind = CHANGE_VALUE_DOUBLE, .d = (double)n / 3};
    case CHANGE_DECIMAL: return text(CHANGE_VALUE_TEXT, n & 1 ? "1234.50" : "-99999.99");
    case CHANGE_DATE: case CHANGE_TIME: case CHANGE_DATETIME:
        return (struct change_value){
            .kind = CHANGE_VALUE_DATETIME,
            .t = {.year = 2026, .month = 7, .day = 14, .hour = 12, .minute = 34, .second = 56, .microsecond = 789000}};
    case CHANGE_TIMESTAMP:
        return (struct change_value){.kind = CHANGE_VALUE_TIMESTAMP, .ts = {1784032496 + (int64_t)n, 0}};
    case CHANGE_ENUM: return text(CHANGE_VALUE_TEXT, "pending");
    case CHANGE_SET: return text(CHANGE_VALUE_TEXT, "red,green");
    case CHANGE_JSON: return text(CHANGE_VALUE_TEXT, "{\"k\": [1, 2, 3]}");
    case CHANGE_TEXT: return text(CHANGE_VALUE_BYTES, "a text of some length, as people write it into a form");
    default: return text(CHANGE_VALUE_BYTES, n & 1 ? "Ada Lovelace" : "Grace Brewster Murray Hopper");
    }
}

static uint64_t finish(struct record_batch_writer *w)
{
    if (packer == NULL) return record_batch_finish(w);
    return record_batch_finish_packed(w, packer, packing_room, sizeof packing_room);
}

/* Nanoseconds a row of ROWS_PER_ROUND rows through encode and record batch. */
static double round_ns(const struct record_format *format, struct change_event *e,
                       struct change_value (*rows)[COLUMNS_MAX], uint64_t *batched_bytes)
{
    struct record_batch_writer w;
    uint64_t offset = 0, started_ns = clock_monotonic_ns(clock_real());
    record_batch_begin(&w, batch_bytes, sizeof batch_bytes, offset, 0);
    for (unsigned i = 0; i < ROWS_PER_ROUND; i++) {
        if (e->operation != CHANGE_INSERT) e->before = rows[i % VARIANTS];
        e->after = rows[(i + 1) % VARIANTS];
        e->end_position += 180;
        e->start_position += 180;
        uint8_t *at = record_batch_record_begin(&w, e->timestamp_s * INT64_C(1000), format->size_max(e), 0);
        if (at == NULL) {
            *batched_bytes += finish(&w);
            record_batch_begin(&w, batch_bytes, sizeof batch_bytes, offset, 0);
            at = record_batch_record_begin(&w, e->timestamp_s * INT64_C(1000), format->size_max(e), 0);
            INVARIANT(at != NULL);
        }
        record_batch_record_end(&w, format->encode(e, offset++, at), NULL, 0);
    }
    *batched_bytes += finish(&w);
    return (double)(clock_monotonic_ns(clock_real()) - started_ns) / ROWS_PER_ROUND;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, struct change_column *column, uint16_t column_count,
                    enum change_operation operation)
{
    static struct change_value rows[VARIANTS][COLUMNS_MAX];
    static const uint16_t key_column[] = {0};
    const struct record_format *format = record_format_find("dts-avro");
    struct change_key key = {"PRIMARY", key_column, 1};
    struct change_table table = {"shop", "orders", column, &key, column_count, 1, 4711, NULL};
    struct change_source source = {"8.0.28-log", false};
    struct change_event e = {.operation = operation, .timestamp_s = 1784032496, .file_number = 12,
                             .start_position = 4000000, .end_position = 4000120, .read_time_ms = 1784032496789,
                             .server_id = 10, .thread_id = 815, .source = &source, .table = &table};
    enum err err = format->table_prepare(&table);
    INVARIANT(err == ERR_OK);
    for (unsigned r = 0; r < VARIANTS; r++)
        for (unsigned c = 0; c < column_count; c++) rows[r][c] = value_for(column[c].type, r);
    double ns[ROUNDS];
    uint64_t bytes = 0;
    for (unsigned i = 0; i < ROUNDS; i++) ns[i] = round_ns(format, &e, rows, &bytes);
    qsort(ns, ROUNDS, sizeof *ns, by_size);
    printf("{\"bench\":\"encode\",\"format\":\"%s\",\"case\":\"%s\",\"operation\":\"%s\",\"columns\":%u,"
           "\"rows\":%u,\"compression\":\"%s\",\"rounds\":%u,\"record_bytes\":%.0f,"
           "\"ns_per_row\":%.1f,\"ns_per_row_best\":%.1f}\n",
           format->name, name, operation == CHANGE_INSERT ? "INSERT" : "UPDATE", column_count, ROWS_PER_ROUND,
           compression_name(packer == NULL ? COMPRESSION_NONE : packer_codec(packer)), ROUNDS,
           (double)bytes / ROUNDS / ROWS_PER_ROUND, ns[ROUNDS / 2], ns[0]);
    format->table_release(&table);
}

int main(void)
{
    measure("narrow", narrow, sizeof narrow / sizeof *narrow, CHANGE_INSERT);
    measure("narrow", narrow, sizeof narrow / sizeof *narrow, CHANGE_UPDATE);
    measure("mixed", mixed, sizeof mixed / sizeof *mixed, CHANGE_INSERT);
    measure("mixed", mixed, sizeof mixed / sizeof *mixed, CHANGE_UPDATE);
    static const enum compression codecs[] = {COMPRESSION_LZ4, COMPRESSION_ZSTD, COMPRESSION_GZIP};
    for (unsigned i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        enum err err = packer_open(&packer, codecs[i]);
        INVARIANT(err == ERR_OK);
        measure("narrow", narrow, sizeof narrow / sizeof *narrow, CHANGE_INSERT);
        measure("mixed", mixed, sizeof mixed / sizeof *mixed, CHANGE_UPDATE);
        packer_close(packer);
    }
    return 0;
}

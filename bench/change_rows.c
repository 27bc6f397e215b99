#include "bench/change_rows.h"

#include <string.h>

#include "base/invariant.h"

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

static void rows_init(struct change_rows *r, const struct record_format *format, enum change_operation operation,
                      struct change_column *column, uint16_t column_count)
{
    static const uint16_t key_column[] = {0};
    r->key = (struct change_key){"PRIMARY", key_column, 1};
    r->table = (struct change_table){"shop", "orders", column, &r->key, column_count, 1, 4711, NULL};
    r->source = change_source_of("8.0.28-log", false);
    r->event = (struct change_event){.operation = operation, .timestamp_s = 1784032496, .file_number = 12,
                                     .start_position = 4000000, .end_position = 4000120,
                                     .read_time_ms = 1784032496789, .server_id = 10, .thread_id = 815,
                                     .source = &r->source, .table = &r->table};
    enum err err = format->table_prepare(&r->table);
    INVARIANT(err == ERR_OK);
    for (unsigned i = 0; i < CHANGE_ROWS_VARIANTS; i++)
        for (unsigned c = 0; c < column_count; c++) r->row[i][c] = value_for(column[c].type, i);
}

void change_rows_narrow(struct change_rows *r, const struct record_format *format, enum change_operation operation)
{
    rows_init(r, format, operation, narrow, sizeof narrow / sizeof *narrow);
}

void change_rows_mixed(struct change_rows *r, const struct record_format *format, enum change_operation operation)
{
    rows_init(r, format, operation, mixed, sizeof mixed / sizeof *mixed);
}

void change_rows_next(struct change_rows *r, uint64_t n)
{
    if (r->event.operation != CHANGE_INSERT) r->event.before = r->row[n % CHANGE_ROWS_VARIANTS];
    r->event.after = r->row[(n + 1) % CHANGE_ROWS_VARIANTS];
    r->event.end_position += 180;
    r->event.start_position += 180;
}

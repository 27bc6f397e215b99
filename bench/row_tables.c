#include "bench/row_tables.h"

#include <stdio.h>

#include "base/invariant.h"
#include "base/sink.h"
#include "capture/row_decode.h"

struct row_table_column {
    const char *type, *charset, *octets;
    uint8_t map_type, metadata_bytes;
    uint8_t metadata[2];
    const char *value; /* as stored, with its length */
    uint8_t value_bytes;
};
#define VALUE(text) text, sizeof text - 1

static const struct row_table_column narrow[] = {
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
static const struct row_table_column mixed[] = {
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
/* {"id": 7, "ok": true, "tags": ["red", null]} as MySQL stores it, behind its length. */
static const struct row_table_column json[] = {
    {"int(11)", NULL, NULL, COLUMN_LONG, 0, {0}, VALUE("\x01\x02\x03\x04")},
    {"json", NULL, NULL, COLUMN_JSON, 1, {4},
     VALUE("\x30\x00\x00\x00\x00\x03\x00\x2f\x00\x19\x00\x02\x00\x1b\x00\x02\x00\x1d\x00\x04\x00"
           "\x05\x07\x00\x04\x01\x00\x02\x21\x00"
           "idoktags"
           "\x02\x00\x0e\x00\x0c\x0a\x00\x04\x00\x00\x03"
           "red")},
};

const struct row_table row_table_narrow = {narrow, sizeof narrow / sizeof *narrow};
const struct row_table row_table_mixed = {mixed, sizeof mixed / sizeof *mixed};
const struct row_table row_table_json = {json, sizeof json / sizeof *json};

void row_table_tell(struct told *told, const struct row_table *t)
{
    struct told_column column[ROW_TABLE_COLUMNS_MAX];
    char name[ROW_TABLE_COLUMNS_MAX][8];
    const struct told_key primary = {"PRIMARY", {"c0"}};
    told_open(told, "8.0.36", NULL, false, false);
    for (uint16_t i = 0; i < t->count; i++) {
        snprintf(name[i], sizeof name[i], "c%u", i);
        column[i] = (struct told_column){name[i], t->column[i].type, t->column[i].charset};
    }
    told_table(told, "d", "t", column, t->count, &primary, 1, false);
}

size_t row_table_map(uint8_t *body, size_t room, const struct row_table *t)
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

size_t row_table_rows(uint8_t *body, size_t room, const struct row_table *t, size_t *rows)
{
    struct sink out = sink_of(body, room);
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

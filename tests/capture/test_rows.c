/* Goal: every stored form of every type becomes the value that the server would show; what is malformed is refused, and
 * nothing is ever read outside the event.  Method: handmade TABLE_MAP and rows events, one column at a time; then a
 * table of all types, cut at every byte and mutated at random, in buffers of exact size so that the address sanitizer
 * sees any byte too far. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sink.h"
#include "capture/row_decode.h"
#include "capture/table_cache.h"
#include "capture/table_metadata.h"
#include "tests/capture/definitions_support.h"
#include "tests/capture/rows_support.h"
#include "tests/suite.h"

struct column { /* one column: as information_schema tells it, and as a TABLE_MAP does */
    const char *type, *charset;
    uint32_t octets;
    uint8_t map_type;
    const char *metadata; /* hex */
};

struct given { /* a table for the fake source */
    const struct column *column;
    uint16_t count;
    const char *version;
    bool is_rds, has_primary_key, is_versioned;
};

static void tell(struct told *t, const struct given *g)
{
    static char name[TOLD_COLUMNS_MAX][8];
    static struct told_column column[TOLD_COLUMNS_MAX];
    static const struct told_key primary = {"PRIMARY", {"c0"}};
    for (uint16_t i = 0; i < g->count; i++) {
        snprintf(name[i], sizeof name[i], "c%u", i);
        column[i] = (struct told_column){name[i], g->column[i].type, g->column[i].charset};
    }
    told_table(t, "d", "t", column, g->count, &primary, g->has_primary_key, g->is_versioned);
}

static struct told told_of(const struct given *g)
{
    struct told t;
    told_open(&t, g->version == NULL ? "5.7.29" : g->version, NULL, g->is_rds, false);
    tell(&t, g);
    return t;
}

static size_t put_hex(struct sink *out, const char *hex)
{
    size_t n = 0;
    for (; *hex != 0; hex += 2, n++) {
        unsigned byte;
        ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
        sink_le(out, byte, 1);
    }
    return n;
}

/* TABLE_MAP of table d.t with id 7. */
static size_t make_map(uint8_t *body, size_t room, const struct column *column, uint16_t count)
{
    struct sink out = sink_of(body, room), meta;
    uint8_t metadata[512];
    meta = sink_of(metadata, sizeof metadata);
    sink_le(&out, 7, 6);
    sink_le(&out, 1, 2);
    sink_bytes(&out, "\1d\0\1t\0", 6);
    sink_le(&out, count, 1);
    for (uint16_t i = 0; i < count; i++) {
        sink_le(&out, column[i].map_type, 1);
        put_hex(&meta, column[i].metadata);
    }
    size_t bytes = (size_t)(meta.at - metadata);
    if (bytes > 250) {
        sink_le(&out, 0xfc, 1);
        sink_le(&out, bytes, 2);
    } else {
        sink_le(&out, bytes, 1);
    }
    sink_bytes(&out, metadata, bytes);
    for (unsigned i = 0; i < (count + 7u) / 8; i++) sink_le(&out, 0xff, 1);
    ck_assert(!out.failed);
    return (size_t)(out.at - body);
}

/* Header of a rows event with all columns present. */
static void put_rows_header(struct sink *out, uint8_t type, uint16_t count)
{
    sink_le(out, 7, 6);
    sink_le(out, 1, 2);
    if (type >= ROWS_WRITE_V2) put_hex(out, "0500aabbcc");
    sink_le(out, count, 1);
    for (unsigned k = 0; k < (type == ROWS_UPDATE_V1 || type == ROWS_UPDATE_V2 ? 2u : 1u); k++)
        for (unsigned i = 0; i < (count + 7u) / 8; i++) sink_le(out, 0xff, 1);
}

/* Decodes one value of one column.  The row's bytes lie in memory of exactly their size. */
static enum err decode_one(const struct column *column, const char *version, const char *value_hex, struct cell *cell,
                           struct err_msg *msg)
{
    struct given g = {column, 1, version, false, false, false};
    uint8_t map_body[512], rows_body[4096];
    static struct table_map map;
    struct row_decoder decoder = {0};
    struct row_arena arena;
    struct row_reader reader;
    struct rows_event event;
    struct change_value value;
    struct told told = told_of(&g);
    const struct schema_table *t = told_find(&told, "d", "t");

    size_t map_bytes = make_map(map_body, sizeof map_body, column, 1);
    ck_assert(table_map_decode(&map, map_body, map_bytes, msg) == ERR_OK);
    enum err e = row_decoder_prepare(&decoder, &map, t, msg);
    if (e == ERR_OK) {
        struct sink out = sink_of(rows_body, sizeof rows_body);
        put_rows_header(&out, ROWS_WRITE_V2, 1);
        sink_le(&out, 0xfe, 1); /* not NULL */
        put_hex(&out, value_hex);
        size_t size = (size_t)(out.at - rows_body);
        uint8_t *exact = malloc(size);
        memcpy(exact, rows_body, size);
        ck_assert(row_arena_init(&arena, 8, 4096) == ERR_OK);
        ck_assert(rows_event_decode(&event, ROWS_WRITE_V2, exact, size, msg) == ERR_OK);
        ck_assert(row_reader_init(&reader, &event, &decoder, &arena, msg) == ERR_OK);
        e = row_reader_next(&reader, NULL, &value, msg);
        if (e == ERR_OK) {
            *cell = cell_of(&t->table.column[0], &value);
            if (row_reader_more(&reader)) e = ERR_STATE; /* bytes are left over */
        }
        row_arena_fini(&arena);
        free(exact);
    }
    row_decoder_release(&decoder);
    told_close(&told);
    return e;
}

struct value_case {
    struct column column;
    const char *value, *text; /* hex; NULL text: ERR_CORRUPT */
};

static void check_values(const struct value_case *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct cell cell = {0};
        struct err_msg msg = {0};
        enum err e = decode_one(&c[i].column, NULL, c[i].value, &cell, &msg);
        if (c[i].text == NULL) {
            ck_assert_msg(e == ERR_CORRUPT, "%s %s: %s", c[i].column.type, c[i].value, err_text(e));
            continue;
        }
        ck_assert_msg(e == ERR_OK, "%s %s: %s %s", c[i].column.type, c[i].value, err_text(e), msg.text);
        ck_assert_msg(strcmp(cell.bytes, c[i].text) == 0, "%s %s: \"%s\", expected \"%s\"", c[i].column.type,
                      c[i].value, cell.bytes, c[i].text);
        free(cell.bytes);
        /* One byte less is never enough. */
        char cut[600];
        snprintf(cut, sizeof cut, "%.*s", (int)strlen(c[i].value) - 2, c[i].value);
        ck_assert_msg(decode_one(&c[i].column, NULL, cut, &cell, &msg) == ERR_CORRUPT, "%s %s", c[i].column.type, cut);
    }
}
#define CHECK_VALUES(list) check_values(list, sizeof(list) / sizeof *(list))

START_TEST(numbers)
{
    static const struct value_case list[] = {
        {{"tinyint(4)", NULL, 0, COLUMN_TINY, ""}, "80", "-128"},
        {{"tinyint unsigned", NULL, 0, COLUMN_TINY, ""}, "ff", "255"},
        {{"smallint(6)", NULL, 0, COLUMN_SHORT, ""}, "0080", "-32768"},
        {{"smallint(5) unsigned", NULL, 0, COLUMN_SHORT, ""}, "ffff", "65535"},
        {{"mediumint(9)", NULL, 0, COLUMN_INT24, ""}, "000080", "-8388608"},
        {{"mediumint(9)", NULL, 0, COLUMN_INT24, ""}, "ffff7f", "8388607"},
        {{"mediumint(8) unsigned", NULL, 0, COLUMN_INT24, ""}, "ffffff", "16777215"},
        {{"int(11)", NULL, 0, COLUMN_LONG, ""}, "00000080", "-2147483648"},
        {{"int unsigned zerofill", NULL, 0, COLUMN_LONG, ""}, "ffffffff", "4294967295"},
        {{"bigint(20)", NULL, 0, COLUMN_LONGLONG, ""}, "0000000000000080", "-9223372036854775808"},
        {{"bigint(20) unsigned", NULL, 0, COLUMN_LONGLONG, ""}, "ffffffffffffffff", "18446744073709551615"},
        {{"bit(1)", NULL, 0, COLUMN_BIT, "0100"}, "01", "1"},
        {{"bit(9)", NULL, 0, COLUMN_BIT, "0101"}, "01ff", "511"},
        {{"bit(64)", NULL, 0, COLUMN_BIT, "0008"}, "8000000000000001", "9223372036854775809"},
        {{"float", NULL, 0, COLUMN_FLOAT, "04"}, "cdcccc3d", "0.10000000149011612"},
        {{"double unsigned", NULL, 0, COLUMN_DOUBLE, "08"}, "9a9999999999b93f", "0.10000000000000001"},
        {{"year(4)", NULL, 0, COLUMN_YEAR, ""}, "00", "0000"},
        {{"year", NULL, 0, COLUMN_YEAR, ""}, "ff", "2155"},
        {{"decimal(4,2)", NULL, 0, COLUMN_NEWDECIMAL, "0402"}, "8032", "0.50"},
        {{"decimal(4,2)", NULL, 0, COLUMN_NEWDECIMAL, "0402"}, "7fcd", "-0.50"},
        {{"decimal(4,2)", NULL, 0, COLUMN_NEWDECIMAL, "0402"}, "e463", NULL}, /* 100 in two digits */
        {{"decimal(10,0)", NULL, 0, COLUMN_NEWDECIMAL, "0a00"}, "8000000000", "0"},
        {{"decimal(14,4)", NULL, 0, COLUMN_NEWDECIMAL, "0e04"}, "810dfb38d204d2", "1234567890.1234"},
        {{"decimal(14,4)", NULL, 0, COLUMN_NEWDECIMAL, "0e04"}, "7ef204c72dfb2d", "-1234567890.1234"},
    };
    CHECK_VALUES(list);
}
END_TEST

START_TEST(temporals)
{
    static const struct value_case list[] = {
        {{"date", NULL, 0, COLUMN_DATE, ""}, "000000", "0000-00-00"},
        {{"date", NULL, 0, COLUMN_DATE, ""}, "9f1f4e", "9999-12-31"},
        {{"date", NULL, 0, COLUMN_DATE, ""}, "00d00f", "2024-00-00"},
        {{"date", NULL, 0, COLUMN_DATE, ""}, "ffffff", NULL},
        {{"time", NULL, 0, COLUMN_TIME, ""}, "a7f57f", "838:59:59"},
        {{"time", NULL, 0, COLUMN_TIME, ""}, "ffffff", "-00:00:01"},
        {{"time", NULL, 0, COLUMN_TIME2, "00"}, "800000", "00:00:00"},
        {{"time", NULL, 0, COLUMN_TIME2, "00"}, "b46efb", "838:59:59"},
        {{"time", NULL, 0, COLUMN_TIME2, "00"}, "4b9105", "-838:59:59"},
        {{"time(1)", NULL, 0, COLUMN_TIME2, "01"}, "7ffffff6", "-00:00:00.1"},
        {{"time(2)", NULL, 0, COLUMN_TIME2, "02"}, "7fffffff", "-00:00:00.01"},
        {{"time(4)", NULL, 0, COLUMN_TIME2, "04"}, "7fffffffff", "-00:00:00.0001"},
        {{"time(6)", NULL, 0, COLUMN_TIME2, "06"}, "7fffffffffff", "-00:00:00.000001"},
        {{"time(6)", NULL, 0, COLUMN_TIME2, "06"}, "4b9105f0bdc1", "-838:59:58.999999"},
        {{"time(6)", NULL, 0, COLUMN_TIME2, "06"}, "8000000f4240", NULL}, /* a million microseconds */
        {{"datetime", NULL, 0, COLUMN_DATETIME, ""}, "0000000000000000", "0000-00-00 00:00:00"},
        {{"datetime", NULL, 0, COLUMN_DATETIME, ""}, "7787d105f15a0000", "9999-12-31 23:59:59"},
        {{"datetime", NULL, 0, COLUMN_DATETIME, ""}, "ffffffffffffffff", NULL},
        {{"datetime", NULL, 0, COLUMN_DATETIME2, "00"}, "8000000000", "0000-00-00 00:00:00"},
        {{"datetime", NULL, 0, COLUMN_DATETIME2, "00"}, "fef3ff7efb", "9999-12-31 23:59:59"},
        {{"datetime", NULL, 0, COLUMN_DATETIME2, "00"}, "7ef3ff7efb", NULL}, /* before year 0 */
        {{"datetime(3)", NULL, 0, COLUMN_DATETIME2, "03"},
         "99a5422081"
         "04d2",
         "2020-01-01 02:02:01.123"},
        {{"datetime(6)", NULL, 0, COLUMN_DATETIME2, "06"},
         "8000000000"
         "0f423f",
         "0000-00-00 00:00:00.999999"},
        {{"timestamp", NULL, 0, COLUMN_TIMESTAMP, ""}, "ffffff7f", "2038-01-19 03:14:07"},
        {{"timestamp", NULL, 0, COLUMN_TIMESTAMP2, "00"}, "00000000", "0000-00-00 00:00:00"},
        {{"timestamp", NULL, 0, COLUMN_TIMESTAMP2, "00"}, "ffffffff", "2106-02-07 06:28:15"},
        {{"timestamp(2)", NULL, 0, COLUMN_TIMESTAMP2, "02"}, "0000000163", "1970-01-01 00:00:01.99"},
        {{"timestamp(2)", NULL, 0, COLUMN_TIMESTAMP2, "02"}, "0000000164", NULL},
        /* MariaDB before 10.1, from a recorded file */
        {{"time(6) /* mariadb-5.3 */", NULL, 0, COLUMN_TIME, ""}, "02bf3dde7bff", "-00:00:00.000001"},
        {{"timestamp(1) /* mariadb-5.3 */", NULL, 0, COLUMN_TIMESTAMP, ""}, "0000000105", "1970-01-01 00:00:01.5"},
    };
    CHECK_VALUES(list);
}
END_TEST

START_TEST(strings)
{
    static const struct value_case list[] = {
        {{"char(0)", "latin1", 0, COLUMN_STRING, "fe00"}, "00", ""},
        {{"char(3)", "utf8", 9, COLUMN_STRING, "fe09"}, "03616263", "abc"},
        {{"char(3)", "utf8", 9, COLUMN_STRING, "fe09"}, "0a61626361626361626361", NULL}, /* longer than the column */
        {{"char(255)", "utf8mb4", 1020, COLUMN_STRING, "cefc"},
         "0200c3a9",
         "\xc3\xa9"}, /* length bits hidden in the type */
        {{"varchar(255)", "latin1", 255, COLUMN_VARCHAR, "ff00"}, "0178", "x"},
        {{"varchar(64)", "utf8mb4", 256, COLUMN_VARCHAR, "0001"}, "010078", "x"},
        {{"tinytext", "utf8", 0, COLUMN_BLOB, "01"}, "0178", "x"},
        {{"mediumblob", NULL, 0, COLUMN_BLOB, "03"},
         "02000079"
         "7a",
         "yz"},
        {{"longtext", "utf8", 0, COLUMN_BLOB, "04"}, "0100000078", "x"},
        {{"longtext", "utf8", 0, COLUMN_BLOB, "04"}, "ffffffff78", NULL},
        {{"enum('a','b,c','d''e','\\\\')", "utf8", 0, COLUMN_STRING, "f701"}, "03", "d'e"},
        {{"enum('a','b,c','d''e','\\\\')", "utf8", 0, COLUMN_STRING, "f701"}, "04", "\\"},
        {{"enum('a')", "utf8", 0, COLUMN_STRING, "f701"}, "02", NULL},
        {{"set('a','b','c')", "utf8", 0, COLUMN_STRING, "f801"}, "05", "a,c"},
        {{"set('a','b','c')", "utf8", 0, COLUMN_STRING, "f801"}, "08", NULL},
        {{"json", NULL, 0, COLUMN_JSON, "04"},
         "0300000005"
         "0700",
         "7"},
        {{"json", NULL, 0, COLUMN_JSON, "04"},
         "0300000077"
         "0700",
         NULL},
        {{"inet4", NULL, 0, COLUMN_STRING, "fe04"}, "040a0000ff", "10.0.0.255"},
        {{"inet6", NULL, 0, COLUMN_STRING, "fe10"}, "1020010db8000000000000000000000001", "2001:db8::1"},
        {{"inet6", NULL, 0, COLUMN_STRING, "fe10"}, "1000000000000000000000ffff01020304", "::ffff:1.2.3.4"},
        {{"uuid", NULL, 0, COLUMN_STRING, "fe10"},
         "10426655440000a45612d3e89b123e4567",
         "123e4567-e89b-12d3-a456-426655440000"},
    };
    CHECK_VALUES(list);

    /* Index 0 is MySQL's empty label; BINARY(n) gets back the zero bytes that the server left out. */
    struct cell cell;
    struct err_msg msg;
    struct column e = {"enum('a')", "utf8", 0, COLUMN_STRING, "f701"},
                  b = {"binary(5)", NULL, 5, COLUMN_STRING, "fe05"};
    ck_assert(decode_one(&e, NULL, "00", &cell, &msg) == ERR_OK && cell.size == 0);
    free(cell.bytes);
    ck_assert(decode_one(&b, NULL, "020061", &cell, &msg) == ERR_OK);
    ck_assert(cell.size == 5 && memcmp(cell.bytes, "\0a\0\0\0", 5) == 0);
    free(cell.bytes);
}
END_TEST

START_TEST(mismatches)
{
    static const struct column list[] = {
        {"int(11)", NULL, 0, COLUMN_LONGLONG, ""},
        {"int(11)", NULL, 0, COLUMN_VARCHAR, "1000"},
        {"decimal(10,2)", NULL, 0, COLUMN_NEWDECIMAL, "0a03"},
        {"varchar(10)", "latin1", 10, COLUMN_VARCHAR, "0b00"},
        {"char(10)", "utf8", 30, COLUMN_STRING, "fe28"},
        {"datetime(3)", NULL, 0, COLUMN_DATETIME2, "06"},
        {"enum('a')", "utf8", 0, COLUMN_STRING, "f702"},
        {"set('a')", "utf8", 0, COLUMN_STRING, "f701"},
        {"text", "utf8", 0, COLUMN_BLOB, "01"},
        {"json", NULL, 0, COLUMN_BLOB, "04"},
        {"blob", NULL, 0, COLUMN_JSON, "04"},
        {"bit(9)", NULL, 0, COLUMN_BIT, "0001"},
        {"date", NULL, 0, COLUMN_TIME, ""},
        {"float", NULL, 0, COLUMN_DOUBLE, "08"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct cell cell;
        struct err_msg msg = {0};
        ck_assert_msg(decode_one(&list[i], NULL, "00", &cell, &msg) == ERR_SCHEMA, "%s", list[i].type);
        ck_assert_msg(strstr(msg.text, "d.t") != NULL && strstr(msg.text, "`c0`") != NULL &&
                          strstr(msg.text, list[i].type) != NULL,
                      "%s", msg.text);
    }
}
END_TEST

/* ---- a table of everything ---- */

static const struct column all[] = {
    {"int(11)", NULL, 0, COLUMN_LONG, ""},
    {"varchar(300)", "latin1", 300, COLUMN_VARCHAR, "2c01"},
    {"decimal(20,5)", NULL, 0, COLUMN_NEWDECIMAL, "1405"},
    {"datetime(6)", NULL, 0, COLUMN_DATETIME2, "06"},
    {"time(3)", NULL, 0, COLUMN_TIME2, "03"},
    {"timestamp(4)", NULL, 0, COLUMN_TIMESTAMP2, "04"},
    {"date", NULL, 0, COLUMN_DATE, ""},
    {"json", NULL, 0, COLUMN_JSON, "04"},
    {"enum('x','y')", "utf8", 0, COLUMN_STRING, "f701"},
    {"set('p','q','r')", "utf8", 0, COLUMN_STRING, "f801"},
    {"binary(8)", NULL, 8, COLUMN_STRING, "fe08"},
    {"mediumtext", "utf8", 0, COLUMN_BLOB, "03"},
    {"bit(12)", NULL, 0, COLUMN_BIT, "0401"},
    {"double", NULL, 0, COLUMN_DOUBLE, "08"},
    {"char(255)", "utf8mb4", 1020, COLUMN_STRING, "cefc"},
    {"geometry", NULL, 0, COLUMN_GEOMETRY, "04"},
    {"uuid", NULL, 0, COLUMN_STRING, "fe10"},
    {"bigint unsigned", NULL, 0, COLUMN_LONGLONG, ""},
};
enum { ALL = sizeof all / sizeof *all };
#define IMAGE                                                                                                          \
    "000000" /* no NULL */                                                                                             \
    "2a000000"                                                                                                         \
    "0300616263"                                                                                                       \
    "8000000000000c0086c4"                                                                                             \
    "99a5422081"                                                                                                       \
    "01e240"                                                                                                           \
    "80000004d2"                                                                                                       \
    "5e0be100000a"                                                                                                     \
    "9f1f4e"                                                                                                           \
    "1300000000"                                                                                                       \
    "0100"                                                                                                             \
    "1200"                                                                                                             \
    "0b000100"                                                                                                         \
    "0c0c00"                                                                                                           \
    "61"                                                                                                               \
    "0568656c6c6f"                                                                                                     \
    "02"                                                                                                               \
    "05"                                                                                                               \
    "0301ff02"                                                                                                         \
    "020000"                                                                                                           \
    "6869"                                                                                                             \
    "0fff"                                                                                                             \
    "182d4454fb210940"                                                                                                 \
    "0200c3a9"                                                                                                         \
    "0500000000000000aa"                                                                                               \
    "10426655440000a45612d3e89b123e4567"                                                                               \
    "ffffffffffffffff"

struct everything {
    struct given given;
    struct told told;
    struct filter *filter;
    struct table_cache *cache;
    struct row_arena arena;
    struct change_value before[ALL], after[ALL];
    uint8_t map[1024], rows[4096];
    size_t map_bytes, rows_bytes;
    bool fills;       /* partial rows are completed */
    uint16_t missing; /* what row_reader_fill said last */
};

static void everything_open(struct everything *x, uint8_t type)
{
    static const char *const include[] = {"d.t", NULL};
    struct err_msg msg;
    *x = (struct everything){.given = {all, ALL, NULL, false, false, false}};
    x->told = told_of(&x->given);
    ck_assert(filter_open(&x->filter, include, NULL, false, &msg) == ERR_OK);
    ck_assert(table_cache_open(&x->cache, &x->told.definitions, x->filter) == ERR_OK);
    ck_assert(row_arena_init(&x->arena, 64, 1 << 16) == ERR_OK);
    x->map_bytes = make_map(x->map, sizeof x->map, all, ALL);
    struct sink out = sink_of(x->rows, sizeof x->rows);
    put_rows_header(&out, type, ALL);
    for (int i = 0; i < 4; i++) put_hex(&out, IMAGE); /* four rows, or two updates */
    ck_assert(!out.failed);
    x->rows_bytes = (size_t)(out.at - x->rows);
}

static void everything_close(struct everything *x)
{
    row_arena_fini(&x->arena);
    table_cache_close(x->cache);
    filter_close(x->filter);
    told_close(&x->told);
}

/* Reads all rows of an event in exact memory; the count, or -1 - error. */
static int read_all(struct everything *x, uint8_t type, const uint8_t *body, size_t size)
{
    struct rows_event event;
    struct table_entry *entry;
    struct row_reader reader;
    struct err_msg msg;
    int rows = 0;
    uint8_t *exact = malloc(size + (size == 0));
    memcpy(exact, body, size);

    enum err e = table_cache_rows(x->cache, type, exact, size, &event, &entry, &msg);
    if (e == ERR_OK && entry != NULL && entry->is_selected) {
        e = row_reader_init(&reader, &event, &entry->decoder, &x->arena, &msg);
        while (e == ERR_OK && row_reader_more(&reader)) {
            e = row_reader_next(&reader, x->before, x->after, &msg);
            rows += e == ERR_OK;
            if (e == ERR_OK && reader.is_partial && x->fills)
                x->missing = row_reader_fill(&reader, x->before, x->after);
        }
    }
    free(exact);
    return e == ERR_OK ? rows : -1 - (int)e;
}

static void map_all(struct everything *x)
{
    struct table_entry *entry;
    struct err_msg msg;
    ck_assert_msg(table_cache_map(x->cache, x->map, x->map_bytes, &entry, &msg) == ERR_OK, "%s", msg.text);
}

START_TEST(cut_at_every_byte)
{
    static const uint8_t types[] = {ROWS_WRITE_V1, ROWS_UPDATE_V1, ROWS_DELETE_V1,
                                    ROWS_WRITE_V2, ROWS_UPDATE_V2, ROWS_DELETE_V2};
    for (size_t k = 0; k < sizeof types; k++) {
        struct everything x;
        bool is_update = types[k] == ROWS_UPDATE_V1 || types[k] == ROWS_UPDATE_V2;
        everything_open(&x, types[k]);
        map_all(&x);
        int rows = is_update ? 2 : 4;
        size_t image = (strlen(IMAGE) / 2) * (is_update ? 2 : 1), header = x.rows_bytes - image * (size_t)rows;
        ck_assert_int_eq(read_all(&x, types[k], x.rows, x.rows_bytes), rows);
        for (size_t size = 0; size < x.rows_bytes; size++) {
            bool at_border = size >= header && (size - header) % image == 0;
            int expected = at_border ? (int)((size - header) / image) : -1 - ERR_CORRUPT;
            ck_assert_msg(read_all(&x, types[k], x.rows, size) == expected, "type %u cut at %zu", types[k], size);
        }
        for (size_t size = 0; size < x.map_bytes; size++) {
            struct table_entry *entry;
            struct err_msg msg;
            uint8_t *exact = malloc(size + (size == 0));
            memcpy(exact, x.map, size);
            ck_assert_msg(table_cache_map(x.cache, exact, size, &entry, &msg) == ERR_CORRUPT, "TABLE_MAP cut at %zu",
                          size);
            free(exact);
        }
        everything_close(&x);
    }
}
END_TEST

START_TEST(mutations)
{
    struct random random;
    struct everything x;
    random_init(&random, 2026);
    everything_open(&x, ROWS_UPDATE_V2);
    for (int round = 0; round < 30000; round++) {
        uint8_t rows[4096], *map = malloc(x.map_bytes);
        struct table_entry *entry;
        struct err_msg msg;
        memcpy(map, x.map, x.map_bytes);
        memcpy(rows, x.rows, x.rows_bytes);
        if (round % 4 == 0) map[random_below(&random, x.map_bytes)] = (uint8_t)random_u64(&random);
        for (uint64_t n = random_below(&random, 4); n != 0; n--)
            rows[random_below(&random, x.rows_bytes)] = (uint8_t)random_u64(&random);
        enum err e = table_cache_map(x.cache, map, x.map_bytes, &entry, &msg);
        ck_assert(e != ERR_NO_MEMORY && e != ERR_NO_SPACE);
        int result = read_all(&x, ROWS_UPDATE_V2, rows, x.rows_bytes);
        ck_assert(result >= 0 || result == -1 - ERR_CORRUPT || result == -1 - ERR_TOO_LARGE);
        free(map);
    }
    everything_close(&x);
}
END_TEST

/* Partial images: columns outside the bitmap are absent, the NULL bits count the present ones only. */
START_TEST(partial_images)
{
    struct everything x;
    everything_open(&x, ROWS_UPDATE_V1);
    map_all(&x);
    struct sink out = sink_of(x.rows, sizeof x.rows);
    put_hex(&out, "070000000000"
                  "0000");
    sink_le(&out, ALL, 1);
    put_hex(&out, "010000"); /* before: column 0 */
    put_hex(&out, "020002"); /* after: columns 1 and 17 */
    put_hex(&out, "00"
                  "2a000000"); /* before image */
    put_hex(&out, "02"
                  "010078"); /* after image: column 17 is NULL */
    ck_assert_int_eq(read_all(&x, ROWS_UPDATE_V1, x.rows, (size_t)(out.at - x.rows)), 1);
    ck_assert(x.before[0].kind == CHANGE_VALUE_INT && x.before[0].i == 42);
    for (int i = 1; i < ALL; i++) ck_assert(x.before[i].kind == CHANGE_VALUE_ABSENT);
    for (int i = 0; i < ALL; i++)
        ck_assert(x.after[i].kind == (i == 1 ? CHANGE_VALUE_BYTES : i == 17 ? CHANGE_VALUE_NULL : CHANGE_VALUE_ABSENT));
    /* Completed: column 0 did not change; what neither image tells is named; and a new row has no other image. */
    x.fills = true;
    ck_assert_int_eq(read_all(&x, ROWS_UPDATE_V1, x.rows, (size_t)(out.at - x.rows)), 1);
    ck_assert(x.after[0].kind == CHANGE_VALUE_INT && x.after[0].i == 42 && x.after[17].kind == CHANGE_VALUE_NULL);
    ck_assert(x.after[2].kind == CHANGE_VALUE_ABSENT && x.missing == 1);
    x.rows[9] = x.rows[10] = x.rows[11] = 0xff; /* before: all columns; after: as it was */
    size_t header = 9 + 3 + 3;
    out = sink_of(x.rows + header, sizeof x.rows - header);
    put_hex(&out, IMAGE "02"
                        "010078");
    ck_assert_int_eq(read_all(&x, ROWS_UPDATE_V1, x.rows, (size_t)(out.at - x.rows)), 1);
    ck_assert_uint_eq(x.missing, ALL);
    for (int i = 0; i < ALL; i++)
        ck_assert(i == 1 || i == 17 || memcmp(&x.after[i], &x.before[i], sizeof x.after[i]) == 0);
    ck_assert(x.after[1].size == 1 && x.before[1].size == 3 && x.after[17].kind == CHANGE_VALUE_NULL);
    out = sink_of(x.rows, sizeof x.rows);
    put_hex(&out, "070000000000"
                  "0000");
    sink_le(&out, ALL, 1);
    put_hex(&out, "020000"
                  "00"
                  "010078");
    ck_assert_int_eq(read_all(&x, ROWS_WRITE_V1, x.rows, (size_t)(out.at - x.rows)), 1);
    ck_assert_uint_eq(x.missing, 0);
    ck_assert_int_eq(read_all(&x, ROWS_DELETE_V1, x.rows, (size_t)(out.at - x.rows)), 1);
    ck_assert_uint_eq(x.missing, 0);
    /* No column at all: a row of no bytes would repeat for ever. */
    out = sink_of(x.rows, sizeof x.rows);
    put_hex(&out, "070000000000"
                  "0000");
    sink_le(&out, ALL, 1);
    put_hex(&out, "000000"
                  "aabbcc");
    ck_assert_int_eq(read_all(&x, ROWS_WRITE_V1, x.rows, (size_t)(out.at - x.rows)), -1 - ERR_CORRUPT);
    everything_close(&x);
}
END_TEST

/* The arena grows to what a row needs and no further. */
START_TEST(arena_limit)
{
    struct column text = {"json", NULL, 0, COLUMN_JSON, "04"};
    struct given g = {&text, 1, NULL, false, false, false};
    struct told told = told_of(&g);
    static struct table_map map;
    struct row_decoder decoder = {0};
    struct row_arena arena;
    struct row_reader reader;
    struct rows_event event;
    struct change_value value;
    struct err_msg msg;
    uint8_t body[4096];

    size_t size = make_map(body, sizeof body, &text, 1);
    ck_assert(table_map_decode(&map, body, size, &msg) == ERR_OK);
    ck_assert(row_decoder_prepare(&decoder, &map, told_find(&told, "d", "t"), &msg) == ERR_OK);
    struct sink out = sink_of(body, sizeof body);
    put_rows_header(&out, ROWS_WRITE_V1, 1);
    sink_le(&out, 0, 1);
    sink_le(&out, 3 + 1000, 4); /* a string of 1000 control characters: 6002 bytes of text */
    put_hex(&out, "0ce807");
    for (int i = 0; i < 1000; i++) sink_le(&out, 1, 1);
    for (size_t max = 100; max <= 6400; max += 6300) {
        ck_assert(row_arena_init(&arena, 16, max) == ERR_OK);
        ck_assert(rows_event_decode(&event, ROWS_WRITE_V1, body, (size_t)(out.at - body), &msg) == ERR_OK);
        ck_assert(row_reader_init(&reader, &event, &decoder, &arena, &msg) == ERR_OK);
        enum err e = row_reader_next(&reader, NULL, &value, &msg);
        ck_assert_int_eq(e, max == 100 ? ERR_TOO_LARGE : ERR_OK);
        if (e == ERR_OK) ck_assert(value.size == 6002 && memcmp(value.bytes, "\"\\u0001\\u0001", 13) == 0);
        row_arena_fini(&arena);
    }
    row_decoder_release(&decoder);
    told_close(&told);
}
END_TEST

/* ---- the cache ---- */

START_TEST(cache)
{
    struct everything x;
    struct table_entry *first, *again, *other;
    struct err_msg msg;

    everything_open(&x, ROWS_WRITE_V2);
    ck_assert_int_eq(read_all(&x, ROWS_WRITE_V2, x.rows, x.rows_bytes), -1 - ERR_CORRUPT); /* no TABLE_MAP yet */
    ck_assert(table_cache_map(x.cache, x.map, x.map_bytes, &first, &msg) == ERR_OK && first->is_selected);
    const struct row_column *prepared = first->decoder.column;
    x.map[0] = 8; /* another id, the same table: nothing is prepared again */
    ck_assert(table_cache_map(x.cache, x.map, x.map_bytes, &again, &msg) == ERR_OK);
    ck_assert(again == first && again->decoder.column == prepared);
    x.map[0] = 7; /* the id comes again for a table that is not selected */
    x.map[9] = 'e';
    ck_assert(table_cache_map(x.cache, x.map, x.map_bytes, &other, &msg) == ERR_OK);
    ck_assert(!other->is_selected && strcmp(other->database, "e") == 0 && strcmp(other->table, "t") == 0);
    struct rows_event event;
    ck_assert(table_cache_rows(x.cache, ROWS_WRITE_V2, x.rows, x.rows_bytes, &event, &again, &msg) == ERR_OK &&
              again == other);
    x.map[9] = 'd';
    map_all(&x);
    ck_assert_int_eq(read_all(&x, ROWS_WRITE_V2, x.rows, x.rows_bytes), 4);
    table_cache_reset(x.cache); /* a new file: ids are void */
    ck_assert_int_eq(read_all(&x, ROWS_WRITE_V2, x.rows, x.rows_bytes), -1 - ERR_CORRUPT);

    /* A definition that is replaced is looked up again, and until then rows of its old pointer are refused. */
    map_all(&x);
    struct column changed[ALL];
    memcpy(changed, all, sizeof all);
    changed[0].type = "int(10) unsigned";
    x.given.column = changed;
    tell(&x.told, &x.given);
    ck_assert_ptr_nonnull(told_find(&x.told, "d", "t"));
    ck_assert_int_eq(read_all(&x, ROWS_WRITE_V2, x.rows, x.rows_bytes), -1 - ERR_CORRUPT);
    map_all(&x);
    ck_assert_int_eq(read_all(&x, ROWS_WRITE_V2, x.rows, x.rows_bytes), 4);
    ck_assert(x.after[0].kind == CHANGE_VALUE_UINT);

    /* Gone from the source. */
    told_drop(&x.told, "d", "t");
    ck_assert(table_cache_map(x.cache, x.map, x.map_bytes, &again, &msg) == ERR_AGAIN);
    ck_assert_ptr_nonnull(strstr(msg.text, "no definition of d.t"));
    told_drop(&x.told, "d", "t");
    ck_assert(table_cache_map(x.cache, x.map, x.map_bytes, &again, &msg) == ERR_SCHEMA); /* asked once */
    everything_close(&x);
}
END_TEST

START_TEST(many_ids)
{
    struct everything x;
    struct table_entry *entry;
    struct rows_event event;
    struct err_msg msg;

    everything_open(&x, ROWS_WRITE_V2);
    for (uint32_t id = 1; id < 100000; id++) { /* a source that opens its tables again and again */
        for (int i = 0; i < 4; i++) x.map[i] = x.rows[i] = (uint8_t)(id >> (8 * i));
        ck_assert(table_cache_map(x.cache, x.map, x.map_bytes, &entry, &msg) == ERR_OK);
        ck_assert(table_cache_rows(x.cache, ROWS_WRITE_V2, x.rows, x.rows_bytes, &event, &entry, &msg) == ERR_OK);
    }
    x.rows[6] = 0; /* a statement that never ends: refused, not forgotten */
    enum err e = ERR_OK;
    for (uint32_t id = 200000; e == ERR_OK && id < 300000; id++) {
        for (int i = 0; i < 4; i++) x.map[i] = (uint8_t)(id >> (8 * i));
        e = table_cache_map(x.cache, x.map, x.map_bytes, &entry, &msg);
    }
    ck_assert_int_eq(e, ERR_TOO_LARGE);
    /* The dummy event that ends a statement names no table. */
    uint8_t dummy[] = {0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 2, 0, 0};
    ck_assert(table_cache_rows(x.cache, ROWS_WRITE_V2, dummy, sizeof dummy, &event, &entry, &msg) == ERR_OK &&
              entry == NULL);
    everything_close(&x);
}
END_TEST

/* An RDS table without a primary key has one BIGINT more in the binlog; nobody else may. */
START_TEST(hidden_columns)
{
    struct column visible[] = {{"int(11)", NULL, 0, COLUMN_LONG, ""}, {"", NULL, 0, COLUMN_LONGLONG, ""}};
    static struct table_map map;
    uint8_t body[256];
    struct err_msg msg;
    uint16_t hidden;
    ck_assert(table_map_decode(&map, body, make_map(body, sizeof body, visible, 2), &msg) == ERR_OK);
    for (int k = 0; k < 4; k++) {
        struct given g = {visible, 1, NULL, (k & 1) != 0, (k & 2) != 0, false};
        struct told told = told_of(&g);
        enum err e = schema_check_map(told_find(&told, "d", "t"), &map, &hidden, &msg);
        ck_assert_int_eq(e, k == 1 ? ERR_OK : ERR_SCHEMA);
        if (e == ERR_OK) ck_assert_uint_eq(hidden, 1);
        told_close(&told);
    }
}
END_TEST

/* Signedness and names that MySQL 8 adds to the TABLE_MAP are held against the definition. */
START_TEST(optional_metadata)
{
    struct column two[] = {{"int(10) unsigned", NULL, 0, COLUMN_LONG, ""},
                           {"bigint(20)", NULL, 0, COLUMN_LONGLONG, ""}};
    struct given g = {two, 2, NULL, false, false, false};
    struct told told = told_of(&g);
    static const struct {
        const char *optional;
        enum err expected;
    } list[] = {
        {"010180", ERR_OK},          {"010140", ERR_SCHEMA},       {"010100", ERR_SCHEMA},
        {"0101c0", ERR_SCHEMA},      {"0406026330026331", ERR_OK}, {"0406026330026332", ERR_SCHEMA},
        {"0403026330", ERR_CORRUPT}, {"6303aabbcc010180", ERR_OK},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        static struct table_map map;
        uint8_t body[256];
        struct err_msg msg;
        uint16_t hidden;
        struct sink out = sink_of(body, sizeof body);
        out.at += make_map(body, sizeof body, two, 2);
        put_hex(&out, list[i].optional);
        ck_assert(table_map_decode(&map, body, (size_t)(out.at - body), &msg) == ERR_OK);
        struct table_metadata metadata;
        const struct schema_table *t = told_find(&told, "d", "t");
        ck_assert(schema_check_map(t, &map, &hidden, &msg) == ERR_OK);
        enum err e = table_metadata_read(&metadata, &map, false, &msg);
        if (e == ERR_OK)
            e = schema_check_metadata(t, &metadata, catalog_server(tracker_catalog(told.tracker)), &msg);
        table_metadata_fini(&metadata);
        ck_assert_msg(e == list[i].expected, "%s: %s", list[i].optional, err_text(e));
    }
    told_close(&told);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rows");
    TCase *tests = tcase_create("rows");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, numbers);
    tcase_add_test(tests, temporals);
    tcase_add_test(tests, strings);
    tcase_add_test(tests, mismatches);
    tcase_add_test(tests, cut_at_every_byte);
    tcase_add_test(tests, mutations);
    tcase_add_test(tests, partial_images);
    tcase_add_test(tests, arena_limit);
    tcase_add_test(tests, cache);
    tcase_add_test(tests, many_ids);
    tcase_add_test(tests, hidden_columns);
    tcase_add_test(tests, optional_metadata);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}

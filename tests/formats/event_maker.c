#include "tests/formats/event_maker.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANARY_BYTES = 64, SIZED_MAX = 300 };

void maker_init(struct maker *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    random_init(&m->random, seed);
    m->source = change_source_of("8.0.28-log", false);
}

static void random_column(struct maker *m, uint16_t i)
{
    static const char *const charsets[] = {"utf8mb4", "utf8mb3", "latin1", "gb18030", "armscii8"};
    struct change_column *c = &m->column[i];
    snprintf(m->names[i], sizeof m->names[i], "column_%u", i);
    *c = (struct change_column){.name = m->names[i],
                                .type = (enum change_type)random_below(&m->random, CHANGE_TYPE_COUNT)};
    if (c->type == CHANGE_CHAR || c->type == CHANGE_VARCHAR || c->type == CHANGE_TEXT)
        c->charset = charsets[random_below(&m->random, sizeof charsets / sizeof *charsets)];
    c->is_unsigned = c->type <= CHANGE_BIGINT && random_below(&m->random, 2) == 0;
    if (c->type == CHANGE_BIT) c->precision = (uint8_t)(1 + random_below(&m->random, 64));
    if (c->type == CHANGE_DECIMAL) {
        c->precision = (uint8_t)(1 + random_below(&m->random, 65));
        c->scale = (uint8_t)random_below(&m->random, c->precision < 30 ? c->precision + 1u : 31);
    }
}

void maker_table(struct maker *m, const struct record_format *format, uint16_t column_count)
{
    ck_assert(column_count > 0 && column_count <= MAKER_COLUMNS_MAX);
    for (uint16_t i = 0; i < column_count; i++) random_column(m, i);
    m->key_column[0] = 0;
    m->key_column[1] = (uint16_t)(column_count - 1);
    m->key[0] = (struct change_key){"PRIMARY", m->key_column, 1};
    m->key[1] = (struct change_key){"uk", m->key_column, 2};
    m->table = (struct change_table){"shop", "orders", m->column, m->key, column_count,
                                     (uint16_t)random_below(&m->random, 3), 1 + random_u64(&m->random) / 2, NULL};
    ck_assert_int_eq(format->table_prepare(&m->table), ERR_OK);
}

/* An integer of `bits`, extremes more often than chance would have it. */
static uint64_t random_bits(struct random *r, unsigned bits)
{
    uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    switch (random_below(r, 6)) {
    case 0: return 0;
    case 1: return mask;
    case 2: return mask >> 1;
    case 3: return (mask >> 1) + 1;
    default: return random_u64(r) >> random_below(r, 64) & mask;
    }
}

/* Bytes that no other value of this row uses. */
static uint8_t *pool_take(struct maker *m, size_t size)
{
    ck_assert(size <= sizeof m->pool - m->pool_used);
    uint8_t *bytes = m->pool + m->pool_used;
    m->pool_used += size;
    return bytes;
}

static struct change_value random_sized(struct maker *m, enum change_value_kind kind)
{
    uint64_t size_max = random_below(&m->random, 3) == 0 ? SIZED_MAX : 40;
    struct change_value v = {.kind = (uint8_t)kind, .size = (uint32_t)random_below(&m->random, size_max)};
    uint8_t *bytes = pool_take(m, v.size);
    random_bytes(&m->random, bytes, v.size);
    for (uint32_t i = 0; kind == CHANGE_VALUE_TEXT && i < v.size; i++) bytes[i] = (uint8_t)(' ' + bytes[i] % 95);
    v.bytes = bytes;
    return v;
}

static struct change_value random_decimal(struct maker *m, const struct change_column *c)
{
    uint8_t *start = pool_take(m, 80), *at = start;
    unsigned whole = (unsigned)random_below(&m->random, (unsigned)(c->precision - c->scale) + 1u);
    if (random_below(&m->random, 2) == 0) *at++ = '-';
    if (whole == 0) *at++ = '0';
    for (unsigned i = 0; i < whole; i++)
        *at++ = (uint8_t)('0' + (i == 0 ? 1 + random_below(&m->random, 9) : random_below(&m->random, 10)));
    if (c->scale > 0) *at++ = '.';
    for (unsigned i = 0; i < c->scale; i++) *at++ = (uint8_t)('0' + random_below(&m->random, 10));
    return (struct change_value){.kind = CHANGE_VALUE_TEXT, .size = (uint32_t)(at - start), .bytes = start};
}

static double random_float(struct random *r)
{
    uint32_t bits = (uint32_t)random_u64(r);
    float f;
    if (random_below(r, 2) == 0) return (float)((double)((int64_t)random_below(r, 2000000) - 1000000) / 100);
    memcpy(&f, &bits, sizeof f);
    return f == f && f - f == 0 ? f : 1.5f; /* neither NaN nor infinite: MySQL stores none */
}

static struct change_value random_time(struct maker *m, enum change_type type)
{
    struct random *r = &m->random;
    struct change_value v = {.kind = CHANGE_VALUE_DATETIME};
    if (random_below(r, 8) == 0) return v; /* zero date, zero time */
    v.t.microsecond = random_below(r, 2) == 0 ? 0 : (uint32_t)random_below(r, 1000000);
    v.t.minute = (uint8_t)random_below(r, 60);
    v.t.second = (uint8_t)random_below(r, 60);
    if (type == CHANGE_TIME) {
        v.t.hour = (uint16_t)random_below(r, 839);
        v.t.is_negative = random_below(r, 2) == 0;
        return v;
    }
    v.t.hour = (uint16_t)random_below(r, 24);
    v.t.year = (uint16_t)random_below(r, 10000);
    v.t.month = (uint8_t)random_below(r, 13);
    v.t.day = (uint8_t)random_below(r, 32);
    return v;
}

struct change_value maker_value(struct maker *m, const struct change_column *c)
{
    static const uint8_t integer_bits[] = {8, 16, 24, 32, 64};
    struct random *r = &m->random;
    switch (random_below(r, 10)) {
    case 0: return (struct change_value){.kind = CHANGE_VALUE_NULL};
    case 1: return (struct change_value){.kind = CHANGE_VALUE_ABSENT};
    default: break;
    }
    switch (c->type) {
    case CHANGE_TINYINT: case CHANGE_SMALLINT: case CHANGE_MEDIUMINT: case CHANGE_INT: case CHANGE_BIGINT: {
        unsigned bits = integer_bits[c->type - CHANGE_TINYINT];
        uint64_t u = random_bits(r, bits);
        if (c->is_unsigned) return (struct change_value){.kind = CHANGE_VALUE_UINT, .u = u};
        int64_t i = (int64_t)(u << (64 - bits)) >> (64 - bits);
        return (struct change_value){.kind = CHANGE_VALUE_INT, .i = i};
    }
    case CHANGE_BIT: return (struct change_value){.kind = CHANGE_VALUE_UINT, .u = random_bits(r, c->precision)};
    case CHANGE_FLOAT: return (struct change_value){.kind = CHANGE_VALUE_FLOAT, .d = random_float(r)};
    case CHANGE_DOUBLE: return (struct change_value){.kind = CHANGE_VALUE_DOUBLE, .d = random_float(r) / 3};
    case CHANGE_DECIMAL: return random_decimal(m, c);
    case CHANGE_DATE: case CHANGE_TIME: case CHANGE_DATETIME: return random_time(m, c->type);
    case CHANGE_TIMESTAMP:
        return (struct change_value){.kind = CHANGE_VALUE_TIMESTAMP,
                                     .ts = {(int64_t)random_below(r, INT32_MAX), (uint32_t)random_below(r, 1000000)}};
    case CHANGE_YEAR: return (struct change_value){.kind = CHANGE_VALUE_INT, .i = (int64_t)random_below(r, 2156)};
    case CHANGE_ENUM: case CHANGE_SET: case CHANGE_JSON: return random_sized(m, CHANGE_VALUE_TEXT);
    default: return random_sized(m, CHANGE_VALUE_BYTES);
    }
}

void maker_row(struct maker *m)
{
    struct random *r = &m->random;
    enum change_operation operation = (enum change_operation)random_below(r, 3);
    m->pool_used = 0;
    for (unsigned i = 0; i < m->table.column_count; i++) {
        m->before[i] = maker_value(m, &m->column[i]);
        m->after[i] = maker_value(m, &m->column[i]);
    }
    m->event = (struct change_event){.operation = operation,
                                     .timestamp_s = 1 + (uint32_t)random_bits(r, 32) / 2,
                                     .file_number = (uint32_t)random_bits(r, 32),
                                     .start_position = random_bits(r, 64),
                                     .end_position = random_bits(r, 64),
                                     .read_time_ms = 1784032496789,
                                     .server_id = (uint32_t)random_bits(r, 32),
                                     .thread_id = (uint32_t)random_bits(r, 32),
                                     .source = &m->source,
                                     .table = &m->table,
                                     .before = operation == CHANGE_INSERT ? NULL : m->before,
                                     .after = operation == CHANGE_DELETE ? NULL : m->after};
}

uint8_t *encode_checked(const struct record_format *format, const struct change_event *e, uint64_t record_id,
                        size_t *size)
{
    size_t room = format->size_max(e);
    uint8_t *bytes = malloc(room + CANARY_BYTES), *again = malloc(room + CANARY_BYTES);
    ck_assert(bytes != NULL && again != NULL);
    memset(bytes, 0xc5, room + CANARY_BYTES);
    memset(again, 0x3a, room + CANARY_BYTES); /* what was in the room before must not show */
    *size = format->encode(e, record_id, bytes);
    ck_assert_uint_gt(*size, 48);
    ck_assert_uint_le(*size, room);
    ck_assert_uint_eq(format->encode(e, record_id, again), *size);
    ck_assert(memcmp(bytes, again, *size) == 0);
    for (unsigned i = 0; i < CANARY_BYTES; i++) ck_assert(bytes[room + i] == 0xc5 && again[room + i] == 0x3a);
    free(again);
    return bytes;
}

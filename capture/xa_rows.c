#include "capture/xa_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

enum { BYTES_MIN = 4096 };

void xa_bytes_free(struct xa_bytes *b)
{
    free(b->at);
    *b = (struct xa_bytes){0};
}

/* --- writing --- */

static uint8_t *grow(struct xa_bytes *b, size_t size)
{
    if (b->capacity - b->size < size) {
        size_t capacity = 2 * (b->size + size) < BYTES_MIN ? (size_t)BYTES_MIN : 2 * (b->size + size);
        uint8_t *bigger = realloc(b->at, capacity);
        if (bigger == NULL) return NULL;
        b->at = bigger;
        b->capacity = capacity;
    }
    uint8_t *at = b->at + b->size;
    b->size += size;
    return at;
}

static bool put_le(struct xa_bytes *b, uint64_t value, unsigned size)
{
    uint8_t *at = grow(b, size);
    if (at == NULL) return false;
    for (unsigned i = 0; i < size; i++) at[i] = (uint8_t)(value >> (8 * i));
    return true;
}

static bool put_bytes(struct xa_bytes *b, const void *bytes, size_t size)
{
    uint8_t *at = grow(b, size);
    if (at == NULL) return false;
    if (size > 0) memcpy(at, bytes, size);
    return true;
}

/* Length, bytes and a NUL, so that a reader can point at it; NULL has its own length. */
enum { TEXT_NULL = 0xffff };

static bool put_text(struct xa_bytes *b, const char *text)
{
    if (text == NULL) return put_le(b, TEXT_NULL, 2);
    size_t size = strlen(text);
    return put_le(b, size, 2) && put_bytes(b, text, size + 1);
}

enum err xa_begin_encode(const struct change_event *begin, struct xa_bytes *out)
{
    out->size = 0;
    bool whole = put_le(out, begin->thread_id, 4) && put_le(out, begin->has_query_status, 1) &&
                 put_le(out, begin->flags2, 4) && put_le(out, begin->client_charset, 4) &&
                 put_le(out, begin->sql_mode, 8);
    return whole ? ERR_OK : ERR_NO_MEMORY;
}

enum err xa_table_encode(const struct change_table *t, struct xa_bytes *out)
{
    out->size = 0;
    bool whole = put_text(out, t->database) && put_text(out, t->table) && put_le(out, t->meta_version, 8) &&
                 put_le(out, t->column_count, 2) && put_le(out, t->key_count, 2);
    for (uint16_t i = 0; whole && i < t->column_count; i++) {
        const struct change_column *c = &t->column[i];
        whole = put_text(out, c->name) && put_text(out, c->charset) && put_le(out, c->type, 1) &&
                put_le(out, c->is_unsigned, 1) && put_le(out, c->precision, 1) && put_le(out, c->scale, 1);
    }
    for (uint16_t i = 0; whole && i < t->key_count; i++) {
        const struct change_key *k = &t->key[i];
        whole = put_text(out, k->name) && put_le(out, k->column_count, 2);
        for (uint16_t n = 0; whole && n < k->column_count; n++) whole = put_le(out, k->column[n], 2);
    }
    return whole ? ERR_OK : ERR_NO_MEMORY;
}

static bool put_value(struct xa_bytes *b, const struct change_value *v)
{
    if (!put_le(b, v->kind, 1)) return false;
    switch (v->kind) {
    case CHANGE_VALUE_NULL:
    case CHANGE_VALUE_ABSENT: return true;
    case CHANGE_VALUE_DATETIME:
        return put_le(b, v->t.microsecond, 4) && put_le(b, v->t.year, 2) && put_le(b, v->t.hour, 2) &&
               put_le(b, v->t.month, 1) && put_le(b, v->t.day, 1) && put_le(b, v->t.minute, 1) &&
               put_le(b, v->t.second, 1) && put_le(b, v->t.is_negative, 1);
    case CHANGE_VALUE_TIMESTAMP: return put_le(b, (uint64_t)v->ts.seconds, 8) && put_le(b, v->ts.microsecond, 4);
    case CHANGE_VALUE_BYTES:
    case CHANGE_VALUE_TEXT: return put_le(b, v->size, 4) && put_bytes(b, v->bytes, v->size);
    default: return put_le(b, v->u, 8); /* the other members of 8 bytes share its place */
    }
}

enum err xa_row_encode(const struct xa_row *row, const struct change_value *before, const struct change_value *after,
                       struct xa_bytes *out)
{
    out->size = 0;
    bool whole = put_le(out, row->table, 4) && put_le(out, row->operation, 1) && put_le(out, row->column_count, 2) &&
                 put_le(out, row->timestamp_s, 4) && put_le(out, row->start_position, 8) &&
                 put_le(out, row->end_position, 8);
    for (uint16_t i = 0; whole && row->operation != CHANGE_INSERT && i < row->column_count; i++)
        whole = put_value(out, &before[i]);
    for (uint16_t i = 0; whole && row->operation != CHANGE_DELETE && i < row->column_count; i++)
        whole = put_value(out, &after[i]);
    return whole ? ERR_OK : ERR_NO_MEMORY;
}

/* --- reading --- */

enum err xa_begin_decode(const uint8_t *bytes, size_t size, struct change_event *begin)
{
    struct cursor c = cursor_of(bytes, size);
    begin->thread_id = (uint32_t)cursor_le(&c, 4);
    begin->has_query_status = cursor_le(&c, 1) != 0;
    begin->flags2 = (uint32_t)cursor_le(&c, 4);
    begin->client_charset = (uint32_t)cursor_le(&c, 4);
    begin->sql_mode = cursor_le(&c, 8);
    return c.failed || cursor_left(&c) != 0 ? ERR_CORRUPT : ERR_OK;
}

static const char *take_text(struct cursor *c)
{
    size_t size = (size_t)cursor_le(c, 2);
    if (size == TEXT_NULL) return NULL;
    const char *text = (const char *)cursor_take(c, size + 1);
    if (text != NULL && text[size] != '\0') c->failed = true;
    return text;
}

static void take_column(struct cursor *c, struct change_column *out)
{
    out->name = take_text(c);
    out->charset = take_text(c);
    out->type = (enum change_type)cursor_le(c, 1);
    out->is_unsigned = cursor_le(c, 1) != 0;
    out->precision = (uint8_t)cursor_le(c, 1);
    out->scale = (uint8_t)cursor_le(c, 1);
    if (out->name == NULL || out->type >= CHANGE_TYPE_COUNT) c->failed = true;
}

static void take_key(struct cursor *c, struct change_key *out, uint16_t *column, uint16_t columns)
{
    out->name = take_text(c);
    out->column_count = (uint16_t)cursor_le(c, 2);
    out->column = column;
    if (out->name == NULL || out->column_count > columns) c->failed = true;
    for (uint16_t i = 0; !c->failed && i < out->column_count; i++) {
        column[i] = (uint16_t)cursor_le(c, 2);
        if (column[i] >= columns) c->failed = true;
    }
}

enum err xa_table_decode(const uint8_t *bytes, size_t size, struct change_table **out)
{
    struct cursor c = cursor_of(bytes, size);
    struct change_table head = {0};
    (void)take_text(&c);
    (void)take_text(&c);
    cursor_le(&c, 8);
    head.column_count = (uint16_t)cursor_le(&c, 2);
    head.key_count = (uint16_t)cursor_le(&c, 2);
    if (c.failed || head.column_count > size || head.key_count > size) return ERR_CORRUPT;
    /* The struct, its columns and keys, the keys' column numbers (2 bytes each here and there), the texts. */
    size_t columns = head.column_count * sizeof *head.column, keys = head.key_count * sizeof *head.key;
    struct change_table *t = malloc(sizeof *t + columns + keys + 2 * size);
    if (t == NULL) return ERR_NO_MEMORY;
    *t = head;
    t->column = (struct change_column *)(void *)(t + 1);
    t->key = (struct change_key *)(void *)((uint8_t *)t->column + columns);
    uint16_t *number = (uint16_t *)(void *)((uint8_t *)t->key + keys);
    uint8_t *copy = (uint8_t *)number + size;
    memcpy(copy, bytes, size);
    c = cursor_of(copy, size);
    t->database = take_text(&c);
    t->table = take_text(&c);
    t->meta_version = cursor_le(&c, 8);
    cursor_le(&c, 4);
    for (uint16_t i = 0; i < t->column_count && !c.failed; i++) take_column(&c, &t->column[i]);
    for (uint16_t i = 0; i < t->key_count && !c.failed; i++) {
        take_key(&c, &t->key[i], number, t->column_count);
        number += t->key[i].column_count;
    }
    if (c.failed || cursor_left(&c) != 0 || t->database == NULL || t->table == NULL) {
        free(t);
        return ERR_CORRUPT;
    }
    *out = t;
    return ERR_OK;
}

static void take_value(struct cursor *c, struct change_value *v)
{
    v->kind = (uint8_t)cursor_le(c, 1);
    v->size = 0;
    switch (v->kind) {
    case CHANGE_VALUE_NULL:
    case CHANGE_VALUE_ABSENT: return;
    case CHANGE_VALUE_DATETIME:
        v->t.microsecond = (uint32_t)cursor_le(c, 4);
        v->t.year = (uint16_t)cursor_le(c, 2);
        v->t.hour = (uint16_t)cursor_le(c, 2);
        v->t.month = (uint8_t)cursor_le(c, 1);
        v->t.day = (uint8_t)cursor_le(c, 1);
        v->t.minute = (uint8_t)cursor_le(c, 1);
        v->t.second = (uint8_t)cursor_le(c, 1);
        v->t.is_negative = cursor_le(c, 1) != 0;
        return;
    case CHANGE_VALUE_TIMESTAMP:
        v->ts.seconds = (int64_t)cursor_le(c, 8);
        v->ts.microsecond = (uint32_t)cursor_le(c, 4);
        return;
    case CHANGE_VALUE_BYTES:
    case CHANGE_VALUE_TEXT:
        v->size = (uint32_t)cursor_le(c, 4);
        v->bytes = cursor_take(c, v->size);
        return;
    case CHANGE_VALUE_INT:
    case CHANGE_VALUE_UINT:
    case CHANGE_VALUE_FLOAT:
    case CHANGE_VALUE_DOUBLE: v->u = cursor_le(c, 8); return;
    default: c->failed = true;
    }
}

enum err xa_row_decode(const uint8_t *bytes, size_t size, uint16_t columns_max, struct xa_row *row,
                       struct change_value *before, struct change_value *after)
{
    struct cursor c = cursor_of(bytes, size);
    row->table = (uint32_t)cursor_le(&c, 4);
    row->operation = (enum change_operation)cursor_le(&c, 1);
    row->column_count = (uint16_t)cursor_le(&c, 2);
    row->timestamp_s = (uint32_t)cursor_le(&c, 4);
    row->start_position = cursor_le(&c, 8);
    row->end_position = cursor_le(&c, 8);
    if (c.failed || row->column_count > columns_max || row->operation > CHANGE_DELETE) return ERR_CORRUPT;
    for (uint16_t i = 0; row->operation != CHANGE_INSERT && i < row->column_count; i++) take_value(&c, &before[i]);
    for (uint16_t i = 0; row->operation != CHANGE_DELETE && i < row->column_count; i++) take_value(&c, &after[i]);
    return c.failed || cursor_left(&c) != 0 ? ERR_CORRUPT : ERR_OK;
}

#include "capture/row_decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "capture/inflate.h"
#include "capture/row_column.h"

enum { ROWS_DUMMY_TABLE_ID = 0xffffff };

enum err rows_event_decode(struct rows_event *out, uint8_t type, const uint8_t *body, size_t size, struct err_msg *msg)
{
    struct cursor in = cursor_of(body, size);
    struct rows_event e = {0};

    switch (type) {
    case ROWS_WRITE_V1:
    case ROWS_WRITE_V2:
    case ROWS_WRITE_COMPRESSED_V1:
    case ROWS_WRITE_COMPRESSED_V2: e.operation = CHANGE_INSERT; break;
    case ROWS_UPDATE_V1:
    case ROWS_UPDATE_V2:
    case ROWS_PARTIAL_UPDATE:
    case ROWS_UPDATE_COMPRESSED_V1:
    case ROWS_UPDATE_COMPRESSED_V2: e.operation = CHANGE_UPDATE; break;
    case ROWS_DELETE_V1:
    case ROWS_DELETE_V2:
    case ROWS_DELETE_COMPRESSED_V1:
    case ROWS_DELETE_COMPRESSED_V2: e.operation = CHANGE_DELETE; break;
    default: return err_set(msg, ERR_UNSUPPORTED, "binlog event type %u is no rows event that is known here", type);
    }
    e.is_partial_json = type == ROWS_PARTIAL_UPDATE;
    e.is_compressed = type >= ROWS_WRITE_COMPRESSED_V1;
    bool is_v1 = type < ROWS_WRITE_V2 || (e.is_compressed && type < ROWS_WRITE_COMPRESSED_V2);
    e.table_id = cursor_le(&in, 6);
    e.flags = (uint16_t)cursor_le(&in, 2);
    if (!is_v1) { /* extra data: NDB's, the partition; its length counts itself */
        uint64_t extra_bytes = cursor_le(&in, 2);
        if (extra_bytes < 2)
            in.failed = true;
        else
            cursor_take(&in, extra_bytes - 2);
    }
    if (e.table_id == ROWS_DUMMY_TABLE_ID && !in.failed) { /* no table, no rows: it only ends the statement */
        *out = e;
        return ERR_OK;
    }
    uint64_t column_count = cursor_lenenc(&in);
    if (!in.failed && (column_count == 0 || column_count > TABLE_MAP_COLUMNS_MAX))
        return err_set(msg, ERR_CORRUPT, "rows event of table id %llu says it has %llu columns",
                       (unsigned long long)e.table_id, (unsigned long long)column_count);
    e.column_count = (uint16_t)column_count;
    const uint8_t *first = cursor_take(&in, (e.column_count + 7u) / 8), *second = NULL;
    if (e.operation == CHANGE_UPDATE) second = cursor_take(&in, (e.column_count + 7u) / 8);
    if (in.failed) return err_set(msg, ERR_CORRUPT, "rows event of %zu bytes ends inside its header", size);
    e.present_before = e.operation == CHANGE_INSERT ? NULL : first;
    e.present_after = e.operation == CHANGE_INSERT ? first : second;
    e.rows = in.at;
    e.rows_bytes = cursor_left(&in);
    *out = e;
    return ERR_OK;
}

/* MariaDB's hidden row_start and row_end; under mysql56_temporal_format=OFF the binlog does not tell their fraction. */
static const struct change_column period_column = {.type = CHANGE_TIMESTAMP, .scale = 6};

enum err row_decoder_prepare(struct row_decoder *d, const struct table_map *map, const struct schema_table *definition,
                             struct err_msg *msg)
{
    uint16_t hidden;

    row_decoder_release(d);
    TRY(schema_check_map(definition, map, &hidden, msg));
    d->column = calloc(map->column_count + 1u, sizeof *d->column);
    if (d->column == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for a table of %u columns", map->column_count);
    d->event_columns = map->column_count;
    d->value_count = (uint16_t)(map->column_count - hidden);
    d->definition = definition;
    d->has_period = schema_hides_period(definition, hidden);
    for (uint16_t i = 0; i < d->event_columns; i++) {
        bool is_hidden = i >= d->value_count;
        enum err e = row_column_prepare(&d->column[i], map->type[i], map->metadata[i],
                                        !is_hidden      ? &definition->table.column[i]
                                        : d->has_period ? &period_column
                                                        : NULL,
                                        is_hidden ? NULL : &definition->column[i]);
        d->column[i].json_keeps_point = definition->json_keeps_point;
        d->has_compressed |=
            map->type[i] == COLUMN_VARCHAR_COMPRESSED || map->type[i] == COLUMN_BLOB_COMPRESSED;
        d->has_text |= !is_hidden && definition->column[i].text != NULL;
        if (map->type[i] == COLUMN_JSON) d->column[i].json_index = d->json_count++;
        if (e == ERR_OK) continue;
        row_decoder_release(d);
        return err_set(
            msg, e,
            "table %s.%s: column %u has the type %s (number %u, metadata %u) in the binlog, which is not supported",
            definition->table.database, definition->table.table, i + 1u, column_type_name(map->type[i]), map->type[i],
            map->metadata[i]);
    }
    if (d->json_count == 0) return ERR_OK;
    d->json = calloc(d->json_count, sizeof *d->json);
    if (d->json != NULL) return ERR_OK;
    row_decoder_release(d);
    return err_set(msg, ERR_NO_MEMORY, "no memory for a table of %u columns", map->column_count);
}

void row_decoder_release(struct row_decoder *d)
{
    free(d->column);
    free(d->json);
    *d = (struct row_decoder){0};
}

enum err row_arena_init(struct row_arena *a, size_t size, size_t size_max)
{
    *a = (struct row_arena){.bytes = malloc(size), .size = size, .size_max = size_max};
    return a->bytes == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void row_arena_fini(struct row_arena *a)
{
    inflater_close(a->inflater);
    text_converter_close(a->converter);
    free(a->bytes);
    *a = (struct row_arena){0};
}

/* Doubles the room; what it held is lost. */
static enum err grow_arena(struct row_arena *a)
{
    if (a->size >= a->size_max) return ERR_TOO_LARGE;
    size_t size = a->size > a->size_max / 2 ? a->size_max : a->size * 2;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) return ERR_NO_MEMORY;
    free(a->bytes);
    a->bytes = bytes;
    a->size = size;
    return ERR_OK;
}

static uint16_t count_present(const uint8_t *bitmap, uint16_t column_count)
{
    unsigned count = 0;
    if (bitmap == NULL) return 0;
    for (uint16_t i = 0; i < column_count; i++) count += bitmap[i / 8] >> (i % 8) & 1;
    return (uint16_t)count;
}

static enum err begin_packed(struct row_reader *r, struct err_msg *msg)
{
    enum err e = inflater_rows_begin(r->arena->inflater, r->event->rows, r->event->rows_bytes);
    if (e != ERR_OK)
        return err_set(msg, e, "table %s.%s: a compressed rows event cannot be unpacked: %s",
                       r->decoder->definition->table.database, r->decoder->definition->table.table, err_text(e));
    r->end = r->at;
    r->is_packed_left = true;
    return ERR_OK;
}

enum err row_reader_init(struct row_reader *r, const struct rows_event *event, const struct row_decoder *decoder,
                         struct row_arena *arena, struct err_msg *msg)
{
    INVARIANT(decoder->column != NULL);
    if (event->column_count != decoder->event_columns)
        return err_set(msg, ERR_CORRUPT, "table %s.%s: a rows event has %u columns, its TABLE_MAP %u",
                       decoder->definition->table.database, decoder->definition->table.table, event->column_count,
                       decoder->event_columns);
    *r = (struct row_reader){
        .event = event,
        .decoder = decoder,
        .arena = arena,
        .at = event->rows,
        .end = event->rows + event->rows_bytes,
        .operation = (uint8_t)event->operation};
    r->present_before_count = count_present(event->present_before, event->column_count);
    r->present_after_count = count_present(event->present_after, event->column_count);
    r->is_partial = (event->present_before != NULL && r->present_before_count != event->column_count) ||
                    (event->present_after != NULL && r->present_after_count != event->column_count);
    if ((event->is_compressed || decoder->has_compressed) && arena->inflater == NULL &&
        inflater_open(&arena->inflater, arena->size_max) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory to unpack rows");
    if (decoder->has_text && arena->converter == NULL && text_converter_open(&arena->converter) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory to convert text");
    return event->is_compressed ? begin_packed(r, msg) : ERR_OK;
}

/* What a change of a table with its history in it is to the table of today. */
static void tell_today(struct row_reader *r, bool before, bool after)
{
    enum change_operation operation = r->event->operation;
    r->is_history = operation == CHANGE_INSERT ? !after : operation == CHANGE_DELETE ? !before : !before && !after;
    if (operation == CHANGE_UPDATE && before != after) operation = before ? CHANGE_DELETE : CHANGE_INSERT;
    r->operation = (uint8_t)operation;
}

/* Both images of one row; r->at moves only when both are read. */
static enum err decode_row(struct row_reader *r, struct change_value *before, struct change_value *after,
                           uint16_t *bad_column)
{
    struct row_aids aids = {
        .inflater = r->arena->inflater, .converter = r->arena->converter, .is_current = {true, true}};
    struct row_scan scan = {r->at, r->end, sink_of(r->arena->bytes, r->arena->size), &aids};
    const struct rows_event *e = r->event;

    if (e->is_partial_json) {
        aids.json = r->decoder->json;
        if (aids.json != NULL) memset(aids.json, 0, r->decoder->json_count * sizeof *aids.json);
    }
    if (e->present_before != NULL)
        TRY(row_image_decode(&scan, r->decoder, e->present_before, r->present_before_count, before, bad_column));
    aids.is_after = true;
    if (e->is_partial_json) TRY(row_json_options(&scan, r->decoder));
    if (e->present_after != NULL)
        TRY(row_image_decode(&scan, r->decoder, e->present_after, r->present_after_count, after, bad_column));
    if (scan.at == r->at) return ERR_CORRUPT; /* a row without bytes would never end */
    if (r->decoder->has_period) tell_today(r, aids.is_current[0], aids.is_current[1]);
    r->row = r->at;
    r->at = scan.at;
    r->rows++;
    return ERR_OK;
}

/* What a row lacked: room for its text, or bytes that are still packed.  Other errors stay. */
static enum err give_more(struct row_reader *r, enum err lacked)
{
    if (lacked == ERR_NO_SPACE) return grow_arena(r->arena);
    if (lacked != ERR_CORRUPT || !r->is_packed_left) return lacked;
    enum err e = inflater_rows_more(r->arena->inflater, &r->at, &r->end);
    r->is_packed_left = e == ERR_OK && !inflater_rows_done(r->arena->inflater);
    return e;
}

enum err row_reader_next(struct row_reader *r, struct change_value *before, struct change_value *after,
                         struct err_msg *msg)
{
    const struct change_table *t = &r->decoder->definition->table;
    uint16_t bad_column = 0;

    enum err e = decode_row(r, before, after, &bad_column);
    while (__builtin_expect(e != ERR_OK, 0)) {
        e = give_more(r, e);
        if (e != ERR_OK) break;
        e = decode_row(r, before, after, &bad_column);
    }
    if (__builtin_expect(e == ERR_OK, 1)) return ERR_OK;
    const char *name = bad_column < t->column_count ? t->column[bad_column].name : "(hidden)";
    if (e == ERR_TOO_LARGE)
        return err_set(msg, e, "table %s.%s: the text of a row's values takes more than %zu bytes (column `%s`); leave "
                       "the table out (millrace channel objects), or make the channel anew behind this place",
                       t->database, t->table, r->arena->size_max, name);
    if (e == ERR_CORRUPT)
        return err_set(msg, e,
                       "table %s.%s: row %llu of a rows event of %zu bytes does not hold a valid value for column `%s`",
                       t->database, t->table, (unsigned long long)r->rows + 1, r->event->rows_bytes, name);
    if (e == ERR_UNSUPPORTED)
        return err_set(msg, e, "table %s.%s: the C library here cannot convert the text of column `%s`; install its "
                       "gconv modules, or let text be delivered as stored", t->database, t->table, name);
    if (e == ERR_SOURCE_CONFIG)
        return err_set(msg, e, "table %s.%s: JSON column `%s` was updated in part and the row's image before lacks the "
                       "whole; SET GLOBAL binlog_row_image=FULL on the source, or binlog_row_value_options=''",
                       t->database, t->table, name);
    return err_set(msg, e, "table %s.%s: no memory to decode a row", t->database, t->table);
}

uint16_t row_reader_fill(const struct row_reader *r, const struct change_value *before, struct change_value *after)
{
    const struct rows_event *e = r->event;
    uint16_t count = r->decoder->value_count, missing = count;

    for (uint16_t i = 0; i < count; i++) {
        bool lacks = e->present_before != NULL && before[i].kind == CHANGE_VALUE_ABSENT;
        if (e->present_after != NULL && after[i].kind == CHANGE_VALUE_ABSENT) {
            lacks |= e->present_before == NULL;
            if (!lacks) after[i] = before[i];
        }
        if (lacks && missing == count) missing = i;
    }
    return missing;
}

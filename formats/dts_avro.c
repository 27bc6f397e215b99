/* The tracked record in Avro, as consumers of DTS subscriptions read it.  One record is: who and when (every
 * operation), then what belongs to the operation.  What is constant for a table is in dts_avro_table.c, a row's values
 * in dts_avro_row.c. */
#include <stdbool.h>
#include <string.h>

#include "base/invariant.h"
#include "formats/avro_put.h"
#include "formats/dts_avro_row.h"
#include "formats/dts_avro_table.h"
#include "formats/record_format.h"

enum {
    POSITION_TEXT_MAX = 1 + DECIMAL_TEXT_MAX + 1 + 10, /* length, position, '@', file number */
    TAG_MAX           = 1 + 20 + AVRO_DECIMAL_TEXT_MAX, /* a key of our list and a decimal value */
    TAGS_MAX          = 10,

    /* All but server version, table parts, texts and images. */
    FRAME_BYTES_MAX = 5 * AVRO_LONG_MAX /* version, id, two times, text length */ + 2 * POSITION_TEXT_MAX +
                      2 /* txid */ + 1 /* source type */ + 1 /* operation */ + 8 /* branches */ + AVRO_LONG_MAX +
                      1 /* the map's ends */ + TAGS_MAX * TAG_MAX + 4 * AVRO_LONG_MAX /* lengths of text values */,

    /* Old consumers take a value of 48 bytes for filler and hang on it; shorter ones are skipped. */
    VALUE_BYTES_MIN = 49,
};

static uint8_t *position_put(uint8_t *at, uint64_t position, uint32_t file_number)
{
    uint8_t *text = at + 1; /* at most 31 bytes: their length takes one */
    uint8_t *end = decimal_put(text, position);
    *end++ = '@';
    end = decimal_put(end, file_number);
    *at = (uint8_t)((end - text) << 1);
    return end;
}

/* version to operation. */
static uint8_t *start_put(uint8_t *at, const struct change_event *e, uint64_t record_id)
{
    *at++ = 0; /* version */
    at = avro_put_long(at, (int64_t)record_id);
    at = avro_put_long(at, e->timestamp_s);
    at = position_put(at, e->end_position, e->file_number);
    at = position_put(at, e->start_position, e->file_number);
    at = bytes_put(at, "\x02" "0", 2); /* sourceTxid: the string 0 */
    *at++ = 0;                         /* source type MySQL */
    at = avro_put_bytes(at, e->source->server_version, e->source->server_version_bytes);
    *at++ = (uint8_t)(e->operation << 1);
    return at;
}

struct tags { /* a map being written; its count, one byte, is filled in at the end */
    uint8_t *at, *count_at;
    unsigned count;
};

/* Inline: a key is a constant, so that its length and its copy are too. */
static inline __attribute__((always_inline)) void tag_text(struct tags *t, const char *key, const char *value)
{
    t->at = avro_put_string(avro_put_string(t->at, key), value);
    t->count++;
}

static inline __attribute__((always_inline)) void tag_decimal(struct tags *t, const char *key, uint64_t value)
{
    t->at = avro_put_unsigned_text(avro_put_string(t->at, key), value);
    t->count++;
}

static uint8_t *tags_end(struct tags *t)
{
    INVARIANT(t->count <= TAGS_MAX);
    *t->count_at = (uint8_t)(t->count << 1);
    *t->at++ = 0; /* end of the map */
    return t->at;
}

/* INSERT, UPDATE, DELETE: object name to the images. */
static uint8_t *row_put(uint8_t *at, const struct change_event *e)
{
    const struct dts_table *table = e->table->format_data;
    struct tags tags = {.count_at = at + table->tag_count_at, .count = DTS_HEAD_TAGS};
    at = bytes_put(at, table->head, table->head_bytes);
    tags.at = avro_put_unsigned_text(at, e->read_time_ms); /* of readerThroughoutTime, whose key ends the head */
    tag_decimal(&tags, "server_id", e->server_id);
    if (e->thread_id != 0) tag_decimal(&tags, "thread_id", e->thread_id);
    at = tags_end(&tags);
    at = bytes_put(at, table->fields, table->fields_bytes);
    if (e->operation == CHANGE_INSERT)
        *at++ = 0;
    else
        at = dts_image_put(at, table, e->before);
    if (e->operation == CHANGE_DELETE)
        *at++ = 0;
    else
        at = dts_image_put(at, table, e->after);
    return at;
}

static uint8_t *statement_tags_put(uint8_t *at, const struct change_event *e, bool with_filler)
{
    struct tags tags = {.at = at + 1, .count_at = at};
    tag_decimal(&tags, "readerThroughoutTime", e->read_time_ms);
    if (with_filler) tag_text(&tags, "filler", "");
    if (e->operation == CHANGE_HEARTBEAT) return tags_end(&tags);

    if (e->thread_id != 0) tag_decimal(&tags, "thread_id", e->thread_id);
    if (e->gtid != NULL) tag_text(&tags, "GTID", e->gtid);
    if (e->has_query_status) {
        tag_decimal(&tags, "Q_FLAGS2_CODE", e->flags2);
        tag_decimal(&tags, "Q_SQL_MODE_CODE", e->sql_mode);
        tag_decimal(&tags, "Q_CHARSET_CODE", e->client_charset);
    }
    if (e->operation == CHANGE_DDL) {
        tag_decimal(&tags, "server_id", e->server_id);
        tag_decimal(&tags, "commitTimestamp", e->timestamp_s);
        tag_text(&tags, "lowerCaseTableNames", e->source->lower_case_table_names ? "true" : "false");
        if (e->gtid_set != NULL) tag_text(&tags, "GTID_SET", e->gtid_set);
    }
    return tags_end(&tags);
}

/* BEGIN, COMMIT, HEARTBEAT and DDL: object name to the images. */
static uint8_t *statement_put(uint8_t *at, const struct change_event *e, bool with_filler)
{
    bool is_ddl = e->operation == CHANGE_DDL;
    if (is_ddl) {
        *at++ = 1 << 1; /* objectName: the default database, "" when there is none */
        at = avro_put_long(at, (int64_t)dts_name_escaped_bytes(e->ddl_database));
        at = dts_name_put_escaped(at, e->ddl_database);
    } else {
        *at++ = 0;
    }
    *at++ = 0; /* processTimestamps */
    at = statement_tags_put(at, e, with_filler);
    *at++ = 0; /* fields */
    *at++ = 0; /* beforeImages */
    if (!is_ddl) {
        *at++ = 0; /* afterImages */
        return at;
    }
    *at++ = 1 << 1; /* afterImages is a string: the statement */
    return avro_put_bytes(at, e->ddl_text, e->ddl_text_bytes);
}

static bool is_row(const struct change_event *e) { return e->operation <= CHANGE_DELETE; }

static size_t value_put(const struct change_event *e, uint64_t record_id, uint8_t *start, bool with_filler)
{
    uint8_t *at = start_put(start, e, record_id);
    at = is_row(e) ? row_put(at, e) : statement_put(at, e, with_filler);
    at = avro_put_long(at, e->timestamp_s); /* bornTimestamp */
    return (size_t)(at - start);
}

static size_t text_bytes(const char *text) { return text == NULL ? 0 : strlen(text); }

static size_t dts_size_max(const struct change_event *e)
{
    size_t size = FRAME_BYTES_MAX + DTS_PREFIX_COPY + e->source->server_version_bytes;
    if (is_row(e)) {
        const struct dts_table *table = e->table->format_data;
        size += table->head_bytes + table->fields_bytes;
        if (e->operation != CHANGE_INSERT) size += dts_image_bytes_max(table, e->before);
        if (e->operation != CHANGE_DELETE) size += dts_image_bytes_max(table, e->after);
        return size;
    }
    size += text_bytes(e->gtid);
    if (e->operation == CHANGE_DDL)
        size += dts_name_escaped_bytes(e->ddl_database) + text_bytes(e->gtid_set) + e->ddl_text_bytes;
    return size;
}

static size_t dts_encode(const struct change_event *e, uint64_t record_id, uint8_t *at)
{
    INVARIANT(e->timestamp_s > 0); /* consumers seek and commit by it */
    size_t size = value_put(e, record_id, at, false);
    if (size < VALUE_BYTES_MIN) size = value_put(e, record_id, at, true); /* a row is longer by its tags alone */
    return size;
}

const struct record_format record_format_dts_avro = {
    .name = "dts-avro",
    .table_prepare = dts_table_prepare,
    .table_release = dts_table_release,
    .size_max = dts_size_max,
    .encode = dts_encode,
};

const struct record_format *record_format_find(const char *name)
{
    return strcmp(name, record_format_dts_avro.name) == 0 ? &record_format_dts_avro : NULL;
}

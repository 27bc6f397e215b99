/* Records: change events through the format into the log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "capture/follower.h"

enum { SET_DISTANCE = 16 };
enum { HEADERS_MAX = 3, HEADER_KEYS_BYTES = sizeof RECORD_HEADER_POSITION + sizeof RECORD_HEADER_GTID_SET };

enum err follower_set_text(struct follower *f)
{
    for (;;) {
        size_t length = gtid_set_text(&f->gtids, f->set_text, f->set_text_capacity);
        f->set_text_bytes = length;
        if (length < f->set_text_capacity) return ERR_OK;
        char *bigger = realloc(f->set_text, 2 * length + 64);
        if (bigger == NULL) return ERR_NO_MEMORY;
        f->set_text = bigger;
        f->set_text_capacity = 2 * length + 64;
    }
}

enum err follower_reattach(struct follower *f, const char *why, struct err_msg *msg)
{
    f->wants_reattach = true;
    return err_set(msg, ERR_STATE,
                   "the transaction at %s:%" PRIu64 " was partly written to the log, and %s: the log is cut before it",
                   f->resume.file, f->resume.position, why);
}

/* A mixing step over 8 bytes at a time, two of them beside each other, since each waits for the one before; not for
 * adversaries, only to tell an accident. */
static uint64_t hash_bytes(uint64_t hash, const uint8_t *bytes, size_t size)
{
    const uint64_t factor = 0x9e3779b97f4a7c15u;
    uint64_t word, words[2], second = ~hash;
    hash ^= size;
    for (; size >= 16; size -= 16, bytes += 16) {
        memcpy(words, bytes, 16);
        hash = (hash ^ words[0]) * factor;
        second = (second ^ words[1]) * factor;
        hash ^= hash >> 29;
        second ^= second >> 29;
    }
    hash ^= second << 32 | second >> 32;
    if (size >= 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 29;
        size -= 8;
        bytes += 8;
    }
    word = 0;
    if (size > 0) memcpy(&word, bytes, size);
    hash = (hash ^ word) * factor;
    return hash ^ hash >> 32;
}

/* Is this record in the log already, from before the connection broke?  Says so, or that what is there is another
 * transaction. */
static enum err skip_logged(struct follower *f, bool *skipped, struct err_msg *msg)
{
    *skipped = f->skip_records > 0;
    if (!*skipped || --f->skip_records > 0) return ERR_OK;
    if (f->transaction.hash == f->skip_hash) return ERR_OK;
    return follower_reattach(f, "the source now sends other changes in its place", msg);
}

static int64_t record_time_ms(const struct follower *f, const struct change_event *ev)
{
    uint64_t event_ms = (uint64_t)ev->timestamp_s * 1000;
    return (int64_t)(f->transaction.commit_ms > event_ms ? f->transaction.commit_ms : event_ms);
}

/* "id=17" of a row's primary key, as far as it is numbers; else where it is. */
static void describe_key(const struct change_event *ev, char *out, size_t size)
{
    const struct change_table *t = ev->table;
    const struct change_value *image = ev->after != NULL ? ev->after : ev->before;
    int used = 0;
    out[0] = '\0';
    for (uint16_t k = 0; t != NULL && k < t->key_count; k++) {
        if (strcmp(t->key[k].name, "PRIMARY") != 0) continue;
        for (uint16_t i = 0; i < t->key[k].column_count && (size_t)used < size; i++) {
            const struct change_column *c = &t->column[t->key[k].column[i]];
            const struct change_value *v = &image[t->key[k].column[i]];
            const char *comma = i > 0 ? ", " : "";
            if (v->kind == CHANGE_VALUE_INT)
                used += snprintf(out + used, size - (size_t)used, "%s%s=%" PRId64, comma, c->name, v->i);
            else if (v->kind == CHANGE_VALUE_UINT)
                used += snprintf(out + used, size - (size_t)used, "%s%s=%" PRIu64, comma, c->name, v->u);
            else if (v->kind == CHANGE_VALUE_BYTES && v->size <= 64)
                used += snprintf(out + used, size - (size_t)used, "%s%s='%.*s'", comma, c->name, (int)v->size,
                                 (const char *)v->bytes);
            else
                used += snprintf(out + used, size - (size_t)used, "%s%s=?", comma, c->name);
        }
    }
    if (out[0] == '\0') snprintf(out, size, "no primary key");
}

static enum err too_large(const struct follower *f, const struct change_event *ev, struct err_msg *msg)
{
    if (ev->table == NULL)
        return err_set(msg, ERR_TOO_LARGE, "a record at %s:%" PRIu64 " is larger than record_bytes_max (%u)",
                       f->at.file, ev->start_position, f->config.record_bytes_max);
    char key[160];
    describe_key(ev, key, sizeof key);
    return err_set(msg, ERR_TOO_LARGE, "a row of %s.%s (%s) at %s:%" PRIu64 " is larger than record_bytes_max (%u); "
                   "raise it, or exclude the table", ev->table->database, ev->table->table, key, f->at.file,
                   ev->start_position, f->config.record_bytes_max);
}

/* A HEARTBEAT carries the set now and then, so that a start finds the newest near the log's end; not more of it than
 * there is of all else. */
static bool wants_set_again(const struct follower *f)
{
    return f->gtids_known && f->set_distance_bytes / SET_DISTANCE >= f->set_text_bytes;
}

/* One record.  `position`: its RECORD_HEADER_POSITION, or NULL when it ends no transaction. */
static enum err emit(struct follower *f, const struct change_event *ev, const struct source_position *position,
                     struct err_msg *msg)
{
    struct log_appender *a = &f->appender;
    const struct record_format *format = f->config.format;
    struct record_header header[HEADERS_MAX];
    uint32_t header_count = 0;
    uint8_t encoded[SOURCE_POSITION_BYTES_MAX];
    size_t headers_bytes = 0;
    int64_t timestamp_ms = record_time_ms(f, ev);
    uint8_t *value;

    /* The set is that before this transaction: where its segment begins. */
    bool wants_set = false;
    enum err e = log_appender_record_next(a, &wants_set);
    wants_set = (wants_set && f->gtids_known) || (f->passes_known && position != NULL) ||
                (ev->operation == CHANGE_HEARTBEAT && wants_set_again(f));
    if (wants_set) TRY(follower_set_text(f));
    if (position != NULL) headers_bytes += SOURCE_POSITION_BYTES_MAX + HEADER_KEYS_BYTES;
    bool tells_objects = f->objects_due && ev->operation == CHANGE_HEARTBEAT;
    if (tells_objects) headers_bytes += strlen(f->objects) + HEADER_KEYS_BYTES;
    if (wants_set) headers_bytes += f->set_text_bytes + HEADER_KEYS_BYTES;
    if (e == ERR_OK) e = log_appender_reserve(a, timestamp_ms, format->size_max(ev), headers_bytes, &value);
    if (e == ERR_TOO_LARGE) return too_large(f, ev, msg);
    if (e != ERR_OK)
        return err_set(msg, e, "the log of channel %s cannot be written: %s", f->config.channel, err_text(e));

    if (tells_objects) {
        header[header_count++] = (struct record_header){RECORD_HEADER_OBJECTS, sizeof RECORD_HEADER_OBJECTS - 1,
                                                        f->objects, (uint32_t)strlen(f->objects)};
        f->objects_due = false;
    }
    if (position != NULL) {
        size_t size = source_position_encode(position, encoded);
        header[header_count++] =
            (struct record_header){RECORD_HEADER_POSITION, sizeof RECORD_HEADER_POSITION - 1, encoded, (uint32_t)size};
    }
    if (wants_set) {
        header[header_count++] = (struct record_header){RECORD_HEADER_GTID_SET, sizeof RECORD_HEADER_GTID_SET - 1,
                                                        f->set_text, (uint32_t)f->set_text_bytes};
    }
    size_t size = format->encode(ev, a->next_offset, value);
    if (log_appender_commit(a, size, header, header_count) != ERR_OK) return too_large(f, ev, msg);
    f->set_distance_bytes = (wants_set ? 0 : f->set_distance_bytes) + size;
    counter_add(f->config.records, 1);
    return ERR_OK;
}

uint32_t follower_event_time(const struct follower *f, const struct binlog_header *h)
{
    if (h->timestamp_s != 0) return h->timestamp_s;
    return f->newest_timestamp_s != 0 ? f->newest_timestamp_s : 1;
}

static struct change_event event_of(const struct follower *f, const struct binlog_header *h,
                                    enum change_operation operation, uint64_t start_position, uint64_t end_position)
{
    return (struct change_event){.operation = operation,
                                 .timestamp_s = follower_event_time(f, h),
                                 .file_number = f->file_number,
                                 .start_position = start_position,
                                 .end_position = end_position,
                                 .server_id = h->server_id,
                                 .read_time_ms = f->transaction.read_ms,
                                 .source = &f->source};
}

/* BEGIN stands before the first selected row or statement only: filtered transactions leave nothing. */
static enum err emit_begin(struct follower *f, struct err_msg *msg)
{
    struct follower_transaction *t = &f->transaction;
    bool skipped;
    t->began = true;
    TRY(skip_logged(f, &skipped, msg));
    if (skipped) return ERR_OK;
    t->begin.operation = CHANGE_BEGIN;
    t->begin.gtid = t->gtid[0] == '\0' ? NULL : t->gtid;
    return emit(f, &t->begin, NULL, msg);
}

enum err follower_emit_change(struct follower *f, const struct follower_row *row, const struct change_table *table,
                              const uint8_t *image, size_t image_bytes, struct err_msg *msg)
{
    struct follower_transaction *t = &f->transaction;
    if (!t->began) TRY(emit_begin(f, msg));
    t->hash = hash_bytes(t->hash ^ (uint64_t)row->operation << 56 ^ table->meta_version, image, image_bytes);
    t->rows++;
    bool skipped;
    TRY(skip_logged(f, &skipped, msg));
    if (skipped) return ERR_OK;
    struct change_event ev = event_of(f, row->h, row->operation, row->start_position, row->end_position);
    ev.read_time_ms = row->read_ms;
    ev.thread_id = t->begin.thread_id;
    ev.table = table;
    ev.before = row->operation == CHANGE_INSERT ? NULL : f->before;
    ev.after = row->operation == CHANGE_DELETE ? NULL : f->after;
    return emit(f, &ev, NULL, msg);
}

enum err follower_emit_row(struct follower *f, const struct binlog_header *h, uint64_t end_position,
                           const struct table_entry *table, enum change_operation operation, uint64_t read_ms,
                           const uint8_t *image, size_t image_bytes, struct err_msg *msg)
{
    if (f->transaction.is_dead) return ERR_OK;
    const struct follower_row row = {.h = h,
                                     .start_position = f->statement_position,
                                     .end_position = end_position,
                                     .read_ms = read_ms,
                                     .operation = operation};
    if (f->transaction.is_spooled) return follower_xa_row(f, &row, &table->definition->table, msg);
    return follower_emit_change(f, &row, &table->definition->table, image, image_bytes, msg);
}

/* What the end of a transaction does to the log. */
static enum err transaction_logged(struct follower *f, struct err_msg *msg)
{
    enum err e = log_appender_transaction_end(&f->appender);
    if (e == ERR_OK) return ERR_OK;
    return err_set(msg, e, "the log of channel %s cannot be written: %s", f->config.channel, err_text(e));
}

enum err follower_emit_commit(struct follower *f, const struct binlog_header *h, struct err_msg *msg)
{
    struct follower_transaction *t = &f->transaction;
    if (f->skip_records > 0) return follower_reattach(f, "the source now sends fewer changes in its place", msg);
    struct change_event ev = event_of(f, h, CHANGE_COMMIT, t->start_position, f->resume.position);
    ev.thread_id = t->begin.thread_id;
    ev.gtid = t->gtid[0] == '\0' ? NULL : t->gtid;
    ev.has_query_status = t->begin.has_query_status;
    ev.flags2 = t->begin.flags2;
    ev.client_charset = t->begin.client_charset;
    ev.sql_mode = t->begin.sql_mode;
    TRY(emit(f, &ev, &f->resume, msg));
    return transaction_logged(f, msg);
}

/* The executed set as a DDL record tells it: with the statement's own GTID.  NULL in `out`: not known, or empty.
 * malloc'd; the caller frees. */
static enum err set_with_own_gtid(struct follower *f, char **out)
{
    const char *own = f->transaction.gtid;
    struct gtid_set with = {0};
    *out = NULL;
    if (!f->gtids_known) return ERR_OK;
    TRY(follower_set_text(f));
    enum err e = f->set_text_bytes == 0 ? ERR_OK : gtid_set_parse(&with, f->set_text, f->set_text_bytes);
    if (e == ERR_OK && own[0] != '\0') e = gtid_set_parse(&with, own, strlen(own));
    size_t length = e == ERR_OK ? gtid_set_text(&with, NULL, 0) : 0;
    if (length > 0) {
        *out = malloc(length + 1);
        if (*out == NULL)
            e = ERR_NO_MEMORY;
        else
            gtid_set_text(&with, *out, length + 1);
    }
    gtid_set_free(&with);
    return e;
}

enum err follower_emit_ddl(struct follower *f, const struct binlog_header *h, uint64_t start_position,
                           const struct binlog_query *q, bool ends, struct err_msg *msg)
{
    struct follower_transaction *t = &f->transaction;
    if (t->is_dead && !ends) return ERR_OK;
    if (t->is_spooled) TRY(follower_xa_unspool(f, h, true, msg)); /* it stands behind those rows for good */
    /* CREATE TABLE ... SELECT: whether rows follow is not known yet, and a COMMIT without a BEGIN must not. */
    if (!ends && !t->began) TRY(emit_begin(f, msg));
    t->hash = hash_bytes(t->hash ^ (uint64_t)CHANGE_DDL << 56, (const uint8_t *)q->text, q->text_bytes);
    bool skipped;
    TRY(skip_logged(f, &skipped, msg));
    if (skipped) return ERR_OK;
    /* Without a default database consumers take the one that the statement is about. */
    const struct statement *st = f->statement;
    char *database = q->database_bytes == 0 && st->name_count > 0 ? strdup(st->name[0].database)
                                                                  : strndup(q->database, q->database_bytes);
    char *set = NULL;
    enum err e = database == NULL ? ERR_NO_MEMORY : set_with_own_gtid(f, &set);
    if (e == ERR_OK) {
        struct change_event ev = event_of(f, h, CHANGE_DDL, start_position, f->at.position);
        ev.thread_id = q->thread_id;
        ev.gtid = t->gtid[0] == '\0' ? NULL : t->gtid;
        ev.gtid_set = set;
        ev.has_query_status = q->has_status;
        ev.flags2 = q->flags2;
        ev.sql_mode = q->sql_mode;
        ev.client_charset = q->client_charset;
        ev.ddl_database = database;
        ev.ddl_text = q->text;
        ev.ddl_text_bytes = q->text_bytes;
        e = emit(f, &ev, ends ? &f->resume : NULL, msg);
        if (e == ERR_OK && ends) e = transaction_logged(f, msg);
    }
    free(set);
    free(database);
    return e;
}

enum err follower_heartbeat(struct follower *f, uint32_t timestamp_s, struct err_msg *msg)
{
    INVARIANT(follower_may_heartbeat(f));
    struct binlog_header h = {.timestamp_s = timestamp_s, .server_id = f->facts.server_id};
    f->transaction.commit_ms = 0;
    f->transaction.read_ms = clock_realtime_ms(f->config.clock);
    struct change_event ev = event_of(f, &h, CHANGE_HEARTBEAT, f->resume.position, f->resume.position);
    log_appender_read_at(&f->appender, clock_monotonic_ns(f->config.clock));
    TRY(emit(f, &ev, &f->resume, msg));
    log_appender_heartbeat(&f->appender);
    return transaction_logged(f, msg);
}

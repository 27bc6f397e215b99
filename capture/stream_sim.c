#include "capture/stream_sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/invariant.h"
#include "base/sink.h"
#include "capture/binlog_event.h"
#include "capture/binlog_header.h"

enum { MADE_EVENT_BYTES = 1024, FIELDS_MAX = 8 };

struct stream_sim {
    struct source_stream stream;
    struct stream_sim_source *source, *next;
    bool is_connected, is_dumping, is_cut;
    uint32_t file;
    size_t position;
    enum { SEND_ROTATE, SEND_FORMAT, SEND_EVENTS } send;
    uint64_t sent_ns;
    uint8_t made[MADE_EVENT_BYTES]; /* events made for the dump */
};

static struct stream_sim *of(struct source_stream *s)
{
    return (struct stream_sim *)(void *)s;
}

/* --- the source --- */

void stream_sim_source_init(struct stream_sim_source *s, const struct clock *clock, uint64_t seed)
{
    *s = (struct stream_sim_source){
        .clock = clock, .version = "5.7.29-log", .server_uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"};
    random_init(&s->random, seed);
}

void stream_sim_source_fini(struct stream_sim_source *s)
{
    for (uint32_t i = 0; i < s->file_count; i++) free(s->file[i].bytes);
    s->file_count = 0;
    gtid_set_free(&s->executed);
    gtid_set_free(&s->uncommitted);
}

enum err stream_sim_file_begin(struct stream_sim_source *s, const char *name)
{
    if (s->file_count == STREAM_SIM_FILES_MAX || strlen(name) >= STREAM_SIM_NAME_BYTES) return ERR_TOO_LARGE;
    struct stream_sim_file *f = &s->file[s->file_count++];
    *f = (struct stream_sim_file){0};
    memcpy(f->name, name, strlen(name) + 1);
    return stream_sim_append(s,
                             "\xfe"
                             "bin",
                             BINLOG_FIRST_POSITION);
}

enum err stream_sim_append(struct stream_sim_source *s, const void *bytes, size_t size)
{
    struct stream_sim_file *f = &s->file[s->file_count - 1];
    if (f->size + size > f->capacity) {
        size_t capacity = 2 * (f->size + size);
        uint8_t *bigger = realloc(f->bytes, capacity);
        if (bigger == NULL) return ERR_NO_MEMORY;
        f->bytes = bigger;
        f->capacity = capacity;
    }
    memcpy(f->bytes + f->size, bytes, size);
    f->size += size;
    return ERR_OK;
}

/* --- questions --- */

static enum err answer(source_row *row, void *context, const char *const *field, uint32_t count)
{
    size_t bytes[FIELDS_MAX];
    for (uint32_t i = 0; i < count; i++) bytes[i] = field[i] == NULL ? 0 : strlen(field[i]);
    return row == NULL ? ERR_OK : row(context, field, bytes, count);
}

static enum err answer_variables(const struct stream_sim_source *s, source_row *row, void *context)
{
    const char *const variable[][2] = {{"version", s->version},
                                       {"server_uuid", s->server_uuid},
                                       {"server_id", "1"},
                                       {"log_bin", "ON"},
                                       {"binlog_format", "ROW"},
                                       {"binlog_row_image", "FULL"},
                                       {"lower_case_table_names", "0"},
                                       {"gtid_mode", "ON"}};
    for (size_t i = 0; i < sizeof variable / sizeof variable[0]; i++) TRY(answer(row, context, variable[i], 2));
    return ERR_OK;
}

static enum err answer_logs(const struct stream_sim_source *s, uint32_t from, source_row *row, void *context)
{
    for (uint32_t i = from; i < s->file_count; i++) {
        char size[32];
        snprintf(size, sizeof size, "%zu", s->file[i].size);
        const char *const field[] = {s->file[i].name, size};
        TRY(answer(row, context, field, 2));
    }
    return ERR_OK;
}

/* The GTIDs in the files from where the last question ended.  What crashed transactions had counts as well. */
static void executed_update(struct stream_sim_source *s)
{
    for (; s->executed_file < s->file_count; s->executed_file++, s->executed_size = 0) {
        const struct stream_sim_file *f = &s->file[s->executed_file];
        if (s->executed_size == 0) s->executed_size = BINLOG_FIRST_POSITION;
        struct cursor in;
        struct binlog_header h;
        while (in = cursor_of(f->bytes + s->executed_size, f->size - s->executed_size),
               binlog_header_decode(&in, &h) == ERR_OK && h.event_size <= f->size - s->executed_size) {
            struct gtid_set before = {0};
            struct binlog_gtid g;
            if (h.type == BINLOG_PREVIOUS_GTIDS && gtid_set_from_previous_gtids(&before, in) == ERR_OK)
                INVARIANT(gtid_set_union(&s->executed, &before) == ERR_OK);
            if (h.type == BINLOG_GTID && binlog_gtid_decode(in, &g) == ERR_OK && g.number != 0)
                INVARIANT(gtid_set_add(&s->executed, g.uuid, "", g.number, g.number) == ERR_OK);
            gtid_set_free(&before);
            s->executed_size += h.event_size;
        }
        if (s->executed_file + 1 == s->file_count) return;
    }
}

static enum err answer_executed(struct stream_sim_source *s, source_row *row, void *context)
{
    char text[4096];
    const char *const field[] = {text};
    struct gtid_set told = {0};
    if (s->told == NULL) executed_update(s);
    const struct gtid_set *all = s->told != NULL ? s->told : &s->executed;
    INVARIANT(gtid_set_union(&told, all) == ERR_OK && gtid_set_subtract(&told, &s->uncommitted) == ERR_OK);
    size_t length = gtid_set_text(&told, text, sizeof text);
    gtid_set_free(&told);
    return length < sizeof text ? answer(row, context, field, 1) : ERR_TOO_LARGE;
}

static bool is_same(const char *const *a, const char *const *b, uint32_t fields)
{
    for (uint32_t i = 0; i < fields; i++)
        if (strcmp(a[i], b[i]) != 0) return false;
    return true;
}

static enum err answer_databases(const struct stream_sim_source *s, source_row *row, void *context)
{
    for (uint32_t i = 0; i < s->column_count; i++) {
        const char *const field[] = {s->column[i][0], "utf8mb4_general_ci"};
        if (i == 0 || !is_same(s->column[i], s->column[i - 1], 1)) TRY(answer(row, context, field, 2));
    }
    return ERR_OK;
}

static enum err answer_tables(const struct stream_sim_source *s, source_row *row, void *context)
{
    for (uint32_t i = 0; i + s->columns_hidden < s->column_count; i++) {
        const char *const field[] = {s->column[i][0], s->column[i][1], "BASE TABLE", "utf8mb4_general_ci", "InnoDB"};
        if (i == 0 || !is_same(s->column[i], s->column[i - 1], 2)) TRY(answer(row, context, field, 5));
    }
    return ERR_OK;
}

static enum err answer_columns(const struct stream_sim_source *s, source_row *row, void *context)
{
    for (uint32_t i = 0; i + s->columns_hidden < s->column_count; i++) {
        const char *const *c = s->column[i];
        const char *const field[] = {c[0], c[1], c[2], c[3], c[4], c[5], "", NULL};
        TRY(answer(row, context, field, 8));
    }
    return ERR_OK;
}

static enum err answer_keys(const struct stream_sim_source *s, source_row *row, void *context)
{
    for (uint32_t i = 0; i < s->key_count; i++) {
        const char *const *k = s->key[i];
        const char *const field[] = {k[0], k[1], k[2], k[3], k[4], "0", NULL, "A"};
        TRY(answer(row, context, field, 8));
    }
    return ERR_OK;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static enum err stream_query(struct source_stream *stream, const char *sql, source_row *row, void *context,
                             struct err_msg *msg)
{
    struct stream_sim *c = of(stream);
    struct stream_sim_source *s = c->source;
    if (!c->is_connected || s->is_down) return err_set(msg, ERR_DISCONNECTED, "not connected");
    if (begins(sql, "SELECT 1 FROM")) s->columns_hidden = 0;
    if (begins(sql, "SHOW GLOBAL VARIABLES")) return answer_variables(s, row, context);
    if (begins(sql, "SHOW MASTER STATUS")) return answer_logs(s, s->file_count - 1, row, context);
    if (begins(sql, "SHOW BINARY LOGS")) return answer_logs(s, s->purged, row, context);
    if (begins(sql, "SELECT @@GLOBAL.gtid_executed")) return answer_executed(s, row, context);
    if (begins(sql, "SELECT UNIX_TIMESTAMP")) {
        char seconds[32], micros[32];
        const char *const field[] = {seconds, micros};
        uint64_t ms = clock_realtime_ms(s->clock);
        snprintf(seconds, sizeof seconds, "%" PRIu64, ms / 1000);
        snprintf(micros, sizeof micros, "%" PRIu64, ms % 1000 * 1000);
        return answer(row, context, field, 2);
    }
    if (strstr(sql, "information_schema.SCHEMATA") != NULL) return answer_databases(s, row, context);
    if (strstr(sql, "information_schema.TABLES") != NULL) return answer_tables(s, row, context);
    if (strstr(sql, "information_schema.COLUMNS") != NULL) return answer_columns(s, row, context);
    if (strstr(sql, "information_schema.STATISTICS") != NULL) return answer_keys(s, row, context);
    return ERR_OK;
}

/* --- the dump --- */

static enum err stream_connect(struct source_stream *stream, struct err_msg *msg)
{
    struct stream_sim *c = of(stream);
    if (c->is_cut) return ERR_STOPPED;
    c->source = c->next;
    c->is_dumping = false;
    if (c->source->is_down) return err_set(msg, ERR_CONNECT, "the simulated source is down");
    c->is_connected = true;
    return ERR_OK;
}

static enum err stream_dump(struct source_stream *stream, const char *file, uint64_t position, struct err_msg *msg)
{
    struct stream_sim *c = of(stream);
    const struct stream_sim_source *s = c->source;
    if (c->is_cut) return ERR_STOPPED;
    if (s->is_down) return err_set(msg, ERR_CONNECT, "the simulated source is down");
    for (uint32_t i = s->purged; i < s->file_count; i++) {
        if (strcmp(s->file[i].name, file) != 0) continue;
        if (position < BINLOG_FIRST_POSITION || position > s->file[i].size)
            return err_set(msg, ERR_SOURCE_HISTORY, "impossible position");
        c->file = i;
        c->position = position;
        c->send = SEND_ROTATE;
        c->is_dumping = true;
        c->sent_ns = clock_monotonic_ns(s->clock);
        c->source->dumps++;
        return ERR_OK;
    }
    return err_set(msg, ERR_SOURCE_PURGED, "no file %s", file);
}

/* Header, body and checksum of an event that is in no file. */
static size_t event_make(struct stream_sim *c, uint8_t type, const void *body, size_t body_bytes)
{
    size_t size = BINLOG_HEADER_BYTES + body_bytes + BINLOG_CHECKSUM_BYTES;
    struct sink out = sink_of(c->made, sizeof c->made);
    sink_le(&out, 0, 4);
    sink_le(&out, type, 1);
    sink_le(&out, 1, 4);
    sink_le(&out, size, 4);
    sink_le(&out, 0, 4);
    sink_le(&out, BINLOG_FLAG_ARTIFICIAL, 2);
    sink_bytes(&out, body, body_bytes);
    sink_le(&out, crc32_zlib(0, c->made, size - BINLOG_CHECKSUM_BYTES), 4);
    return out.failed ? 0 : size;
}

static enum err send_rotate(struct stream_sim *c, const uint8_t **event, size_t *size)
{
    const struct stream_sim_file *f = &c->source->file[c->file];
    uint8_t body[8 + STREAM_SIM_NAME_BYTES];
    struct sink out = sink_of(body, sizeof body);
    sink_le(&out, c->position, 8);
    sink_bytes(&out, f->name, strlen(f->name));
    *size = event_make(c, BINLOG_ROTATE, body, (size_t)(out.at - body));
    *event = c->made;
    c->send = c->position > BINLOG_FIRST_POSITION ? SEND_FORMAT : SEND_EVENTS;
    return ERR_OK;
}

static uint32_t size_at(const struct stream_sim_file *f, size_t position)
{
    struct cursor at = cursor_of(f->bytes + position, f->size - position);
    struct binlog_header h;
    return binlog_header_decode(&at, &h) == ERR_OK && h.event_size <= f->size - position ? h.event_size : 0;
}

/* The file's FORMAT_DESCRIPTION for a dump that begins behind it: its position is cleared. */
static enum err send_format(struct stream_sim *c, const uint8_t **event, size_t *size, struct err_msg *msg)
{
    const struct stream_sim_file *f = &c->source->file[c->file];
    *size = size_at(f, BINLOG_FIRST_POSITION);
    if (*size == 0 || *size > sizeof c->made) return err_set(msg, ERR_DISCONNECTED, "%s has no first event", f->name);
    memcpy(c->made, f->bytes + BINLOG_FIRST_POSITION, *size);
    memset(c->made + 13, 0, 4);
    struct sink out = sink_of(c->made + *size - BINLOG_CHECKSUM_BYTES, BINLOG_CHECKSUM_BYTES);
    sink_le(&out, crc32_zlib(0, c->made, *size - BINLOG_CHECKSUM_BYTES), BINLOG_CHECKSUM_BYTES);
    *event = c->made;
    c->send = SEND_EVENTS;
    return ERR_OK;
}

static bool at_end(struct stream_sim *c)
{
    if (c->position < c->source->file[c->file].size) return false;
    if (c->file + 1 == c->source->file_count) return true;
    c->file++;
    c->position = BINLOG_FIRST_POSITION;
    c->send = SEND_ROTATE;
    return false;
}

static enum err stream_next(struct source_stream *stream, const uint8_t **event, size_t *size, struct err_msg *msg)
{
    struct stream_sim *c = of(stream);
    struct stream_sim_source *s = c->source;
    if (c->is_cut) return ERR_STOPPED;
    if (!c->is_dumping || s->is_down) return err_set(msg, ERR_DISCONNECTED, "no dump is under way");
    if (s->breaks_per_million > 0 && random_below(&s->random, 1000000) < s->breaks_per_million) {
        s->breaks++;
        c->is_dumping = c->is_connected = false;
        return err_set(msg, ERR_DISCONNECTED, "the simulated connection broke");
    }
    uint64_t now_ns = clock_monotonic_ns(s->clock);
    if (c->send == SEND_EVENTS && at_end(c)) {
        if (s->heartbeat_ms == 0 || now_ns - c->sent_ns < (uint64_t)s->heartbeat_ms * 1000000) return ERR_AGAIN;
        *size = event_make(c, BINLOG_HEARTBEAT, s->file[c->file].name, strlen(s->file[c->file].name));
        *event = c->made;
        c->sent_ns = now_ns;
        return ERR_OK;
    }
    c->sent_ns = now_ns;
    if (c->send == SEND_ROTATE) return send_rotate(c, event, size);
    if (c->send == SEND_FORMAT) return send_format(c, event, size, msg);
    const struct stream_sim_file *f = &s->file[c->file];
    *size = size_at(f, c->position);
    if (*size == 0) return err_set(msg, ERR_DISCONNECTED, "%s has no event at %zu", f->name, c->position);
    *event = f->bytes + c->position;
    c->position += *size;
    s->reads++;
    return ERR_OK;
}

static bool stream_pending(struct source_stream *stream)
{
    struct stream_sim *c = of(stream);
    return c->is_dumping && (c->send != SEND_EVENTS || !at_end(c));
}

static void stream_disconnect(struct source_stream *stream)
{
    struct stream_sim *c = of(stream);
    c->is_connected = c->is_dumping = false;
}

static void stream_cut(struct source_stream *stream)
{
    of(stream)->is_cut = true;
}
static void stream_close(struct source_stream *stream)
{
    free(of(stream));
}

static const struct source_stream_ops sim_ops = {
    stream_connect, stream_query, stream_dump, stream_next, stream_pending, stream_disconnect, stream_cut, stream_close,
};

void stream_sim_route(struct source_stream *s, struct stream_sim_source *source)
{
    of(s)->next = source;
}

enum err stream_sim_open(struct source_stream **out, struct stream_sim_source *source)
{
    struct stream_sim *c = calloc(1, sizeof *c);
    if (c == NULL) return ERR_NO_MEMORY;
    c->stream = (struct source_stream){.ops = &sim_ops, .dump_position_max = UINT32_MAX};
    c->source = c->next = source;
    *out = &c->stream;
    return ERR_OK;
}

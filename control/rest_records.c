/* GET /v1/channels/NAME/records?count=N&before=OFFSET&only=changes: what stands last in the log, the newest first, as
 * people read it.  For a look, not for reading on: consumers do that by Kafka. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/channel.h"
#include "control/log_lookup.h"
#include "control/rest.h"
#include "formats/record_batch.h"
#include "formats/record_json.h"

enum {
    COUNT_MAX = 200,
    COUNT_DEFAULT = 50,
    WINDOW_BYTES = 1 << 20,      /* of the log, read at once */
    PLAIN_BYTES = 32 << 20,      /* its packed batches, unpacked */
    SCANNED_BYTES_MAX = 8 << 20, /* how far one request looks back for changes among HEARTBEATs */
    VALUE_BYTES_MAX = 64 << 10,  /* of a record that is shown */
    LINE_BYTES = 12 * VALUE_BYTES_MAX + 1024,
    ANSWER_BYTES_MAX = 2 << 20,
    EXACT_DIGITS = 15, /* of a number that every JSON reader keeps as it is (RFC 8259, 6) */
    FIRST_SPAN = 256,
};

struct shown { /* one record of a window */
    uint64_t offset;
    int64_t time_ms;
    const uint8_t *value; /* in the window, or in `plain`; NULL: it is too large */
    uint32_t value_bytes;
};

struct look { /* one request */
    struct log_lookup *lookup;
    struct log *log;
    bool only_changes;
    uint64_t count_max, count;
    uint64_t before; /* everything from here on was looked at */
    uint64_t span;   /* offsets that a window probably holds */
    uint64_t scanned_bytes;
    uint8_t *window, *plain;
    size_t plain_bytes; /* used */
    char *line, *exact;
    struct unpacker *unpacker;
    struct shown *shown; /* of the window, in the order of the log */
    uint32_t shown_count, shown_room;
    FILE *out;
};

/* Numbers with more digits become strings: a reader that knows doubles alone would show another number. */
static void keep_digits(const char *from, char *to)
{
    bool in_text = false;
    while (*from != '\0') {
        if (in_text && *from == '\\') {
            *to++ = *from++;
        } else if (*from == '"') {
            in_text = !in_text;
        } else if (!in_text && (*from == '-' || (*from >= '0' && *from <= '9'))) {
            size_t size = strspn(from, "-+.eE0123456789"), digits = strspn(from + (*from == '-'), "0123456789");
            bool is_long = digits > EXACT_DIGITS && digits + (*from == '-') == size;
            if (is_long) *to++ = '"';
            memcpy(to, from, size);
            to += size;
            from += size;
            if (is_long) *to++ = '"';
            continue;
        }
        *to++ = *from++;
    }
    *to = '\0';
}

/* Rows and DDL; BEGIN, COMMIT and HEARTBEAT are not.  The line begins {"id":7,"operation":"UPDATE" */
static bool is_change(const char *line)
{
    static const char *const words[] = {"INSERT", "UPDATE", "DELETE", "DDL"};
    const char *at = strstr(line, "\"operation\":\"");
    if (at == NULL) return false;
    at += strlen("\"operation\":\"");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(at, words[i], strlen(words[i])) == 0 && at[strlen(words[i])] == '"') return true;
    return false;
}

static void print_record(struct look *k, const struct shown *s)
{
    struct sink line = sink_of(k->line, LINE_BYTES);
    bool is_readable = s->value != NULL && s->value_bytes <= VALUE_BYTES_MAX &&
                       record_json_write(s->value, s->value_bytes, &line) == ERR_OK && sink_left(&line) > 0;
    if (is_readable) *line.at = '\0';
    if (is_readable && k->only_changes && !is_change(k->line)) return;
    fprintf(k->out, "%s{\"offset\":%" PRIu64 ",\"time_ms\":%" PRId64 ",\"value_bytes\":%" PRIu32,
            k->count == 0 ? "" : ",", s->offset, s->time_ms, s->value_bytes);
    k->count++;
    if (is_readable) {
        keep_digits(k->line, k->exact);
        fprintf(k->out, ",%s", k->exact + 1); /* behind its own brace */
    } else {
        fprintf(k->out, ",\"operation\":null,\"why\":\"%s\"}",
                s->value == NULL || s->value_bytes > VALUE_BYTES_MAX ? "too large to be shown here"
                                                                     : "not a record of this version");
    }
}

static enum err note(struct look *k, const struct shown *s)
{
    if (k->shown_count == k->shown_room) {
        uint32_t room = k->shown_room == 0 ? 1024 : 2 * k->shown_room;
        struct shown *grown = realloc(k->shown, room * sizeof *grown);
        if (grown == NULL) return ERR_NO_MEMORY;
        k->shown = grown;
        k->shown_room = room;
    }
    k->shown[k->shown_count++] = *s;
    return ERR_OK;
}

/* The records of a batch below `end`. */
static enum err note_batch(struct look *k, const uint8_t *bytes, struct record_batch_view view, uint64_t end)
{
    if (record_batch_codec(&view) != COMPRESSION_NONE) {
        size_t size;
        uint8_t *plain = k->plain + k->plain_bytes;
        enum err e = record_batch_unpack(k->unpacker, bytes, &view, plain, PLAIN_BYTES - k->plain_bytes, &size);
        if (e == ERR_TOO_LARGE)
            return note(k, &(struct shown){view.base_offset, view.max_timestamp_ms, NULL, view.bytes});
        if (e == ERR_OK) e = record_batch_view(plain, size, &view);
        if (e != ERR_OK) return e;
        k->plain_bytes += size;
    }
    struct cursor at = cursor_of(view.records, view.records_bytes);
    while (cursor_left(&at) > 0) {
        struct record_view r;
        TRY(record_next(&at, &view, &r));
        if (r.offset < end) TRY(note(k, &(struct shown){r.offset, r.timestamp_ms, r.value, r.value_bytes}));
    }
    return ERR_OK;
}

/* Reads the window that ends right before k->before; *base: the offset that it begins with. */
static enum err window_read(struct look *k, uint64_t start, uint64_t *base)
{
    uint32_t bytes;
    uint64_t next;
    enum err e;
    for (;; k->span = k->span > 4 ? k->span / 4 : 1) {
        uint64_t begin = k->before - start > k->span ? k->before - k->span : start;
        e = log_lookup_batches(k->lookup, k->log, begin, k->window, WINDOW_BYTES, &bytes, &next);
        if (e != ERR_OK && e != ERR_TOO_LARGE) return e;
        if (next >= k->before || begin + 1 == k->before) break; /* else what is newest does not fit */
    }
    k->scanned_bytes += bytes;
    k->shown_count = 0;
    k->plain_bytes = 0;
    struct cursor head = cursor_of(k->window, sizeof *base);
    *base = cursor_be(&head, sizeof *base);
    if (e == ERR_TOO_LARGE) return note(k, &(struct shown){*base, log_max_timestamp_ms(k->log), NULL, bytes});
    for (uint32_t at = 0; at < bytes;) {
        struct record_batch_view view;
        TRY(record_batch_view(k->window + at, bytes - at, &view));
        if (view.base_offset < k->before) TRY(note_batch(k, k->window + at, view, k->before));
        at += view.bytes;
    }
    return ERR_OK;
}

static enum err look_back(struct look *k)
{
    uint64_t start = log_start_offset(k->log), base = 0;
    while (k->before > start && k->count < k->count_max && k->scanned_bytes < SCANNED_BYTES_MAX &&
           ftell(k->out) < ANSWER_BYTES_MAX) {
        enum err e = window_read(k, start, &base);
        if (e == ERR_OUT_OF_RANGE) return ERR_OK; /* retention was here meanwhile */
        if (e != ERR_OK) return e;
        while (k->shown_count > 0 && k->count < k->count_max && ftell(k->out) < ANSWER_BYTES_MAX) {
            const struct shown *s = &k->shown[--k->shown_count];
            print_record(k, s);
            k->before = s->offset;
        }
        if (k->shown_count == 0) k->before = base;
        k->span *= 2;
    }
    return ERR_OK;
}

/* Takes the query.  False: it is not good, which was answered. */
static bool take_query(struct look *k, const struct rest_request *request, struct rest_response *out)
{
    uint64_t end = log_high_watermark(k->log);
    const char *only = request->query(request->carrier, "only");
    if (only != NULL && strcmp(only, "changes") != 0) {
        rest_problem(out, 400, "?only= takes \"changes\": rows and DDL, without BEGIN, COMMIT and HEARTBEAT");
        return false;
    }
    k->only_changes = only != NULL;
    if (!rest_query_number(request, "count", COUNT_MAX, COUNT_DEFAULT, &k->count_max, out)) return false;
    if (!rest_query_number(request, "before", INT64_MAX, end, &k->before, out)) return false;
    if (k->before > end) k->before = end;
    return true;
}

static bool look_open(struct look *k)
{
    k->window = malloc(WINDOW_BYTES);
    k->plain = malloc(PLAIN_BYTES); /* touched as far as batches are packed */
    k->line = malloc(LINE_BYTES);
    k->exact = malloc(2 * LINE_BYTES);
    return k->window != NULL && k->plain != NULL && k->line != NULL && k->exact != NULL &&
           unpacker_open(&k->unpacker) == ERR_OK;
}

static void look_close(struct look *k)
{
    unpacker_close(k->unpacker);
    free(k->window);
    free(k->plain);
    free(k->line);
    free(k->exact);
    free(k->shown);
}

void rest_records_list(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch == NULL) return;
    if (request->role != ROLE_ADMIN) { /* consumers need a group's password for them */
        rest_problem(out, 403, "records are the source's rows: this takes an admin's token, not a viewer's");
        return;
    }
    if (ch->log == NULL) {
        rest_problem(out, 409, "channel %s has no log yet: it is made at the first start", name);
        return;
    }
    struct look k = {.lookup = in->lookup, .log = ch->log, .span = FIRST_SPAN};
    char *text = NULL;
    size_t size = 0;
    enum err e = ERR_NO_MEMORY;
    if (!take_query(&k, request, out)) return;
    if (look_open(&k) && (k.out = open_memstream(&text, &size)) != NULL) {
        fprintf(k.out, "{\"channel\":\"%s\",\"start_offset\":%" PRIu64 ",\"high_watermark\":%" PRIu64 ",\"records\":[",
                name, log_start_offset(ch->log), log_high_watermark(ch->log));
        e = look_back(&k);
        if (k.before > log_start_offset(ch->log))
            fprintf(k.out, "],\"before\":%" PRIu64 "}", k.before);
        else
            fputs("],\"before\":null}", k.out);
        if (fclose(k.out) != 0) e = ERR_NO_MEMORY;
    }
    look_close(&k);
    if (e == ERR_OK) {
        rest_text(out, 200, "application/json", text, size);
        return;
    }
    free(text);
    rest_problem(out, e == ERR_CORRUPT ? 500 : 503, "the log of channel %s cannot be read now: %s", name, err_text(e));
}

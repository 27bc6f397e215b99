/* Reads dts-avro with a bounded cursor and prints as it goes; to the tags, which are early, it goes back at the end. */
#include "formats/record_json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "formats/json_sink.h"

enum { BRANCH_NULL, BRANCH_STRING, BRANCH_ARRAY };
enum {
    ITEM_NULL, ITEM_INTEGER, ITEM_CHARACTER, ITEM_DECIMAL, ITEM_FLOAT, ITEM_TIMESTAMP, ITEM_DATETIME,
    ITEM_TIMESTAMP_WITH_ZONE, ITEM_BINARY_GEOMETRY, ITEM_TEXT_GEOMETRY, ITEM_BINARY_OBJECT, ITEM_TEXT_OBJECT,
    ITEM_EMPTY,
    ITEM_COUNT
};
enum { EMPTY_NULL, EMPTY_NONE };

static const char *const operations[] = {
    "INSERT", "UPDATE", "DELETE", "DDL", "BEGIN", "COMMIT", "ROLLBACK", "ABORT", "HEARTBEAT", "CHECKPOINT", "COMMAND",
    "FILL", "FINISH", "CONTROL", "RDB", "NOOP", "INIT"};
enum { OPERATION_COUNT = sizeof operations / sizeof *operations, OPERATION_DDL = 3 };

struct text { /* bytes of the record */
    const uint8_t *at;
    size_t size;
};

static struct text text_take(struct cursor *c)
{
    int64_t size = cursor_zigzag(c);
    if (size < 0) c->failed = true;
    const uint8_t *at = cursor_take(c, c->failed ? 0 : (size_t)size);
    return (struct text){at, at == NULL ? 0 : (size_t)size};
}

/* A branch or an enum's index, below `count`. */
static unsigned index_take(struct cursor *c, unsigned count)
{
    int64_t index = cursor_zigzag(c);
    if (index < 0 || index >= (int64_t)count) c->failed = true;
    return c->failed ? 0 : (unsigned)index;
}

/* The items of an array or a map come in blocks, of which the last is empty; a negative count has the block's size
 * behind it. */
struct blocks {
    uint64_t left;
    bool is_over;
};

static bool blocks_next(struct blocks *b, struct cursor *c)
{
    if (b->left == 0 && !b->is_over) {
        int64_t count = cursor_zigzag(c);
        b->left = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
        if (count < 0) cursor_zigzag(c);
        if (count == 0) b->is_over = true;
    }
    if (c->failed || b->is_over) return false;
    b->left--;
    return true;
}

static bool text_is(struct text t, const char *word)
{
    return t.size == strlen(word) && memcmp(t.at, word, t.size) == 0;
}

static bool is_digits(struct text t)
{
    size_t i = t.size > 0 && t.at[0] == '-';
    if (i == t.size || (t.at[i] == '0' && t.size > i + 1)) return false; /* JSON has no numbers with leading zeros */
    for (; i < t.size; i++)
        if (t.at[i] < '0' || t.at[i] > '9') return false;
    return true;
}

/* ".25" of 250000 microseconds, nothing of 0. */
static void fraction_put(struct sink *out, uint64_t microseconds)
{
    unsigned digits = 6;
    if (microseconds == 0) return;
    for (; microseconds % 10 == 0; microseconds /= 10) digits--;
    json_sink_raw(out, ".");
    json_sink_unsigned(out, microseconds, digits);
}

static void date_put(struct sink *out, uint64_t year, uint64_t month, uint64_t day)
{
    json_sink_unsigned(out, year, 4);
    json_sink_raw(out, "-");
    json_sink_unsigned(out, month, 2);
    json_sink_raw(out, "-");
    json_sink_unsigned(out, day, 2);
}

static void clock_put(struct sink *out, uint64_t hour, uint64_t minute, uint64_t second, uint64_t microseconds)
{
    json_sink_unsigned(out, hour, 2);
    json_sink_raw(out, ":");
    json_sink_unsigned(out, minute, 2);
    json_sink_raw(out, ":");
    json_sink_unsigned(out, second, 2);
    fraction_put(out, microseconds);
}

/* In UTC, from 1970 to 9999; other times, which no TIMESTAMP has, as the number. */
static void timestamp_put(struct sink *out, int64_t seconds, uint64_t microseconds)
{
    if (seconds < 0 || seconds >= INT64_C(253402300800)) {
        json_sink_signed(out, seconds);
        return;
    }
    /* Years that begin on 1 March, in eras of 400: the day that leap years add is then a year's last. */
    uint64_t second = (uint64_t)seconds % 86400, day = (uint64_t)seconds / 86400 + 719468; /* since 0000-03-01 */
    uint64_t of_era = day % 146097;
    uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * of_year + 2) / 153;
    uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    json_sink_raw(out, "\"");
    uint64_t day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    date_put(out, day / 146097 * 400 + year_of_era + (month <= 2), month, day_of_month);
    json_sink_raw(out, "T");
    clock_put(out, second / 3600, second / 60 % 60, second % 60, microseconds);
    json_sink_raw(out, "Z\"");
}

/* year, month, day, hour, minute, second, microseconds: each may be absent, each of a negative TIME is negative. */
static void datetime_put(struct sink *out, struct cursor *c)
{
    uint64_t part[7] = {0};
    bool is_there[7], is_negative = false;
    for (unsigned i = 0; i < 7; i++) {
        is_there[i] = index_take(c, 2) == 1;
        int64_t value = is_there[i] ? cursor_zigzag(c) : 0;
        is_negative = is_negative || value < 0;
        part[i] = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    }
    if (part[6] > 999999) c->failed = true;
    if (c->failed) return;
    if (is_there[0] && !is_there[1]) {
        json_sink_unsigned(out, part[0], 1); /* YEAR */
        return;
    }
    json_sink_raw(out, "\"");
    if (is_there[0]) date_put(out, part[0], part[1], part[2]);
    if (is_there[0] && is_there[3]) json_sink_raw(out, " ");
    if (is_there[3] && is_negative) json_sink_raw(out, "-");
    if (is_there[3]) clock_put(out, part[3], part[4], part[5], part[6]);
    json_sink_raw(out, "\"");
}

static void double_put(struct sink *out, double value)
{
    char text[32];
    if (!isfinite(value)) {
        json_sink_raw(out, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) { /* 17 always read back as the same number, fewer look better */
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    json_sink_raw(out, text);
}

static void character_put(struct sink *out, struct text charset, struct text value)
{
    bool is_utf8 = text_is(charset, "utf8mb4") || text_is(charset, "utf8") || text_is(charset, "utf8mb3") ||
                   text_is(charset, "ascii");
    if (is_utf8 && utf8_is_valid(value.at, value.size)) {
        json_sink_string(out, value.at, value.size);
        return;
    }
    json_sink_raw(out, "{\"charset\":");
    json_sink_string(out, charset.at, charset.size);
    json_sink_raw(out, ",\"hex\":");
    json_sink_hex(out, value.at, value.size);
    json_sink_raw(out, "}");
}

static void hex_put(struct sink *out, const char *key, struct text value)
{
    json_sink_raw(out, "{");
    json_sink_string(out, key, strlen(key));
    json_sink_raw(out, ":");
    json_sink_hex(out, value.at, value.size);
    json_sink_raw(out, "}");
}

/* One item of an image behind its branch; NULL and absent columns are the caller's. */
static void item_put(struct sink *out, struct cursor *c, unsigned branch)
{
    struct text first, value;
    switch (branch) {
    case ITEM_INTEGER:
        cursor_zigzag(c); /* precision */
        value = text_take(c);
        if (!is_digits(value)) c->failed = true;
        sink_bytes(out, value.at, value.size);
        break;
    case ITEM_DECIMAL:
        value = text_take(c);
        cursor_zigzag(c); /* precision, scale */
        cursor_zigzag(c);
        json_sink_string(out, value.at, value.size);
        break;
    case ITEM_FLOAT: {
        uint64_t bits = cursor_le(c, 8);
        double number;
        memcpy(&number, &bits, sizeof number);
        cursor_zigzag(c);
        cursor_zigzag(c);
        double_put(out, number);
        break;
    }
    case ITEM_TIMESTAMP: {
        int64_t seconds = cursor_zigzag(c);
        int64_t microseconds = cursor_zigzag(c);
        if (microseconds < 0 || microseconds > 999999) c->failed = true;
        if (!c->failed) timestamp_put(out, seconds, (uint64_t)microseconds);
        break;
    }
    case ITEM_DATETIME: datetime_put(out, c); break;
    case ITEM_TIMESTAMP_WITH_ZONE:
        json_sink_raw(out, "{\"value\":");
        datetime_put(out, c);
        value = text_take(c);
        json_sink_raw(out, ",\"timezone\":");
        json_sink_string(out, value.at, value.size);
        json_sink_raw(out, "}");
        break;
    default: /* two texts: charset or type, and the value */
        first = text_take(c);
        value = text_take(c);
        if (branch == ITEM_CHARACTER)
            character_put(out, first, value);
        else if (branch == ITEM_BINARY_OBJECT)
            hex_put(out, "hex", value);
        else if (branch == ITEM_BINARY_GEOMETRY)
            hex_put(out, "wkb", value);
        else
            json_sink_string(out, value.at, value.size);
    }
}

static void member_begin(struct sink *out, const char *key)
{
    json_sink_raw(out, ",");
    json_sink_string(out, key, strlen(key));
    json_sink_raw(out, ":");
}

static void string_member(struct sink *out, const char *key, struct text value)
{
    member_begin(out, key);
    json_sink_string(out, value.at, value.size);
}

/* An image: as many items as `fields` (a cursor at the first block) has names. */
static void image_put(struct sink *out, struct cursor *c, struct cursor fields, const char *key)
{
    struct blocks items = {0}, names = {0};
    bool is_first = true;
    member_begin(out, key);
    json_sink_raw(out, "{");
    while (blocks_next(&items, c)) {
        if (!blocks_next(&names, &fields)) {
            c->failed = true;
            return;
        }
        struct text name = text_take(&fields);
        cursor_zigzag(&fields); /* dataTypeNumber */
        unsigned branch = index_take(c, ITEM_COUNT);
        bool is_absent = branch == ITEM_EMPTY && index_take(c, 2) == EMPTY_NONE;
        if (c->failed || out->failed) return;
        if (is_absent) continue;
        if (!is_first) json_sink_raw(out, ",");
        is_first = false;
        json_sink_string(out, name.at, name.size);
        json_sink_raw(out, ":");
        if (branch == ITEM_NULL || branch == ITEM_EMPTY)
            json_sink_raw(out, "null");
        else
            item_put(out, c, branch);
    }
    if (blocks_next(&names, &fields)) c->failed = true; /* fewer items than names */
    json_sink_raw(out, "}");
}

static void images_put(struct sink *out, struct cursor *c, struct cursor fields, bool has_fields, bool is_ddl)
{
    for (unsigned i = 0; i < 2 && !c->failed; i++) {
        unsigned branch = index_take(c, 3);
        if (branch == BRANCH_ARRAY) {
            if (!has_fields) c->failed = true;
            image_put(out, c, fields, i == 0 ? "before" : "after");
        } else if (branch == BRANCH_STRING) {
            struct text text = text_take(c);
            member_begin(out, is_ddl ? "statement" : i == 0 ? "before" : "after");
            json_sink_string(out, text.at, text.size);
        }
    }
}

/* Tags that `fields` or the end follow: checks them and finds the time of processing. */
static struct text tags_skip(struct cursor *c)
{
    struct blocks b = {0};
    struct text read_time = {0};
    while (blocks_next(&b, c)) {
        struct text key = text_take(c);
        struct text value = text_take(c);
        if (!c->failed && text_is(key, "readerThroughoutTime") && is_digits(value)) read_time = value;
    }
    return read_time;
}

static void tags_put(struct sink *out, struct cursor c)
{
    struct blocks b = {0};
    bool is_first = true;
    member_begin(out, "tags");
    json_sink_raw(out, "{");
    while (blocks_next(&b, &c) && !out->failed) {
        struct text key = text_take(&c);
        struct text value = text_take(&c);
        if (!is_first) json_sink_raw(out, ",");
        is_first = false;
        json_sink_string(out, key.at, key.size);
        json_sink_raw(out, ":");
        json_sink_string(out, value.at, value.size);
    }
    json_sink_raw(out, "}");
}

static void fields_skip(struct cursor *c)
{
    struct blocks b = {0};
    while (blocks_next(&b, c)) {
        text_take(c);
        cursor_zigzag(c);
    }
}

/* The parts that come before the images and are printed behind them. */
struct frame {
    int64_t timestamp_s;
    struct text position, safe_position, server_version, read_time_ms;
    struct cursor tags, fields;
    unsigned operation;
    bool has_fields;
};

/* Prints id, operation and object name; leaves the cursor at the images. */
static void frame_read(struct cursor *c, struct frame *f, struct sink *out)
{
    cursor_zigzag(c); /* version */
    int64_t id = cursor_zigzag(c);
    f->timestamp_s = cursor_zigzag(c);
    f->position = text_take(c);
    f->safe_position = text_take(c);
    text_take(c);                   /* sourceTxid */
    index_take(c, 13);              /* source type */
    f->server_version = text_take(c);
    f->operation = index_take(c, OPERATION_COUNT);
    if (c->failed) return;
    json_sink_raw(out, "{\"id\":");
    json_sink_signed(out, id);
    member_begin(out, "operation");
    json_sink_string(out, operations[f->operation], strlen(operations[f->operation]));
    if (index_take(c, 2) == BRANCH_STRING) {
        struct text name = text_take(c);
        string_member(out, f->operation == OPERATION_DDL ? "database" : "table", name);
    }
    if (index_take(c, 2) == 1) { /* processTimestamps */
        struct blocks b = {0};
        while (blocks_next(&b, c)) cursor_zigzag(c);
    }
    f->tags = *c;
    f->read_time_ms = tags_skip(c);
    unsigned branch = index_take(c, 3);
    f->has_fields = branch == BRANCH_ARRAY;
    f->fields = *c;
    if (branch == BRANCH_ARRAY) fields_skip(c);
    if (branch == BRANCH_STRING) text_take(c);
}

enum err record_json_write(const void *value, size_t size, struct sink *out)
{
    struct cursor c = cursor_of(value, size);
    struct frame f = {0};
    frame_read(&c, &f, out);
    if (c.failed) return ERR_CORRUPT;
    images_put(out, &c, f.fields, f.has_fields, f.operation == OPERATION_DDL);
    cursor_zigzag(&c); /* bornTimestamp: sourceTimestamp again */
    if (out->failed) return ERR_NO_SPACE;
    if (c.failed || cursor_left(&c) != 0) return ERR_CORRUPT;

    member_begin(out, "timestamp_s");
    json_sink_signed(out, f.timestamp_s);
    if (f.read_time_ms.size > 0) {
        member_begin(out, "read_time_ms");
        sink_bytes(out, f.read_time_ms.at, f.read_time_ms.size);
    }
    string_member(out, "position", f.position);
    string_member(out, "safe_position", f.safe_position);
    string_member(out, "server_version", f.server_version);
    tags_put(out, f.tags);
    json_sink_raw(out, "}");
    return out->failed ? ERR_NO_SPACE : ERR_OK;
}

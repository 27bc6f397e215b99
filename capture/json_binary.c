#include "capture/json_binary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "capture/decimal.h"
#include "capture/double_text.h"
#include "capture/table_map.h"
#include "formats/decimal_text.h"

enum {
    JSON_SMALL_OBJECT,
    JSON_LARGE_OBJECT,
    JSON_SMALL_ARRAY,
    JSON_LARGE_ARRAY,
    JSON_LITERAL,
    JSON_INT16,
    JSON_UINT16,
    JSON_INT32,
    JSON_UINT32,
    JSON_INT64,
    JSON_UINT64,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_OPAQUE = 15,
};

static void put_bytes(struct json_printer *out, const void *bytes, size_t size)
{
    uint8_t *room = sink_claim(&out->sink, size);
    if (room != NULL) bytes_put(room, bytes, size);
}

/* Inline: mostly a constant, so that its length and its copy are too. */
static inline void put_text(struct json_printer *out, const char *text)
{
    sink_bytes(&out->sink, text, strlen(text));
}

static void put_unsigned(struct json_printer *out, uint64_t value)
{
    uint8_t text[DECIMAL_TEXT_MAX];
    put_bytes(out, text, (size_t)(decimal_put(text, value) - text));
}

static void put_signed(struct json_printer *out, int64_t value)
{
    if (value < 0) put_text(out, "-");
    put_unsigned(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void put_double(struct json_printer *out, double value)
{
    char text[DOUBLE_TEXT_MAX];
    put_bytes(out, text, double_print(text, value, out->double_keeps_point));
}

/* Not 0 if one of the eight bytes is a quote, a backslash or a control character. */
static uint64_t escapes_in(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    return (((word - ones * ' ') & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & tops;
}

/* Less than eight bytes of a string, some of them twice, in a word without others that count. */
static uint64_t word_of_few(const uint8_t *bytes, size_t size)
{
    uint64_t word = 0x2020202020202020;
    uint32_t first, last;
    if (size >= 4) {
        memcpy(&first, bytes, 4);
        memcpy(&last, bytes + size - 4, 4);
        return first | (uint64_t)last << 32;
    }
    for (size_t i = 0; i < size; i++) word = word << 8 | bytes[i];
    return word;
}

static bool needs_escape(const uint8_t *bytes, size_t size)
{
    uint64_t found = 0, word;
    if (size < 8) return escapes_in(word_of_few(bytes, size)) != 0;
    for (size_t i = 0; i < size; i += 8) {
        memcpy(&word, bytes + (size - i < 8 ? size - 8 : i), 8); /* the last one may overlap the one before */
        found |= escapes_in(word);
    }
    return found != 0;
}

static void put_escaped(struct json_printer *out, const uint8_t *bytes, size_t size)
{
    static const char letter[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    size_t plain = 0; /* start of the stretch that needs no escape */

    put_text(out, "\"");
    for (size_t i = 0; i < size; i++) {
        uint8_t c = bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        put_bytes(out, bytes + plain, i - plain);
        plain = i + 1;
        char escape[8] = {'\\', (char)c, 0};
        if (c < 0x20 && letter[c] != 0)
            escape[1] = letter[c];
        else if (c < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", c);
        put_text(out, escape);
    }
    put_bytes(out, bytes + plain, size - plain);
    put_text(out, "\"");
}

/* A JSON string: quote, backslash and control characters are escaped, all else stands as it is. */
void json_print_string(struct json_printer *out, const uint8_t *bytes, size_t size)
{
    if (needs_escape(bytes, size)) {
        put_escaped(out, bytes, size);
        return;
    }
    uint8_t *room = sink_claim(&out->sink, size + 2);
    if (room == NULL) return;
    *room++ = '"';
    room = bytes_put(room, bytes, size);
    *room = '"';
}

/* DATE, TIME, DATETIME, TIMESTAMP: a packed number, parts in its bit fields, the sign is TIME's. */
static enum err put_temporal(struct json_printer *out, uint8_t type, const uint8_t *bytes, size_t size)
{
    struct cursor in = cursor_of(bytes, size);
    int64_t packed = (int64_t)cursor_le(&in, 8);
    if (in.failed || cursor_left(&in) != 0) return ERR_CORRUPT;
    bool is_negative = packed < 0;
    uint64_t value = is_negative ? 0 - (uint64_t)packed : (uint64_t)packed;
    unsigned microsecond = value & 0xffffff, second = value >> 24 & 63, minute = value >> 30 & 63;
    unsigned hour = value >> 36 & (type == COLUMN_TIME ? 0x3ff : 31);
    unsigned day = value >> 41 & 31, month = (unsigned)(value >> 46 & 0x1ffff) % 13,
             year = (unsigned)(value >> 46 & 0x1ffff) / 13;
    char text[64];

    if (type == COLUMN_TIME)
        snprintf(text, sizeof text, "\"%s%02u:%02u:%02u.%06u\"", is_negative ? "-" : "", hour, minute, second,
                 microsecond);
    else if (type == COLUMN_DATE)
        snprintf(text, sizeof text, "\"%04u-%02u-%02u\"", year, month, day);
    else
        snprintf(text, sizeof text, "\"%04u-%02u-%02u %02u:%02u:%02u.%06u\"", year, month, day, hour, minute, second,
                 microsecond);
    put_text(out, text);
    return ERR_OK;
}

/* Any other type: its number and base64, with the line breaks that the server's encoder puts after 76 characters.  (5.7
 * does not escape them, so its own text is then no strict JSON; it is told as it is.) */
static void put_base64(struct json_printer *out, uint8_t type, const uint8_t *bytes, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char head[32];
    snprintf(head, sizeof head, "\"base64:type%u:", type);
    put_text(out, head);
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group =
            (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        char four[4] = {letters[group >> 18], letters[group >> 12 & 63], left > 1 ? letters[group >> 6 & 63] : '=',
                        left > 2 ? letters[group & 63] : '='};
        if (i != 0 && i % 57 == 0) put_text(out, out->double_keeps_point ? "\\n" : "\n");
        put_bytes(out, four, 4);
    }
    put_text(out, "\"");
}

static enum err put_opaque(struct json_printer *out, uint8_t type, const uint8_t *bytes, size_t size)
{
    char text[DECIMAL_PRINT_MAX];

    switch (type) {
    case COLUMN_NEWDECIMAL: {
        if (size < 2) return ERR_CORRUPT;
        unsigned precision = bytes[0], scale = bytes[1];
        if (precision < 1 || precision > DECIMAL_DIGITS_MAX || scale > precision || scale > DECIMAL_SCALE_MAX ||
            size != 2 + decimal_size(precision, scale))
            return ERR_CORRUPT;
        unsigned printed = decimal_print(text, bytes + 2, precision, scale);
        if (printed == 0) return ERR_CORRUPT;
        put_bytes(out, text, printed);
        return ERR_OK;
    }
    case COLUMN_DATE:
    case COLUMN_TIME:
    case COLUMN_DATETIME:
    case COLUMN_TIMESTAMP: return put_temporal(out, type, bytes, size);
    default: put_base64(out, type, bytes, size); return ERR_OK;
    }
}

/* The length in front of a string: seven bits a byte, at most five bytes. */
static const uint8_t *take_counted(struct cursor *in, size_t *size)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint64_t byte = cursor_le(in, 1);
        value |= (byte & 0x7f) << shift;
        if ((byte & 0x80) != 0) continue;
        *size = value;
        return cursor_take(in, value);
    }
    in->failed = true;
    return NULL;
}

static enum err put_literal(struct json_printer *out, uint64_t value)
{
    static const char *const word[] = {"null", "true", "false"};
    if (value > 2) return ERR_CORRUPT;
    put_text(out, word[value]);
    return ERR_OK;
}

enum err json_container_open(struct json_container *out, const struct json_value *v)
{
    struct cursor in = cursor_of(v->bytes, v->size);
    bool is_large = v->type == JSON_LARGE_OBJECT || v->type == JSON_LARGE_ARRAY;
    unsigned width = is_large ? 4 : 2;
    struct json_container c = {.bytes = v->bytes,
                               .width = (uint8_t)width,
                               .is_object = v->type == JSON_SMALL_OBJECT || v->type == JSON_LARGE_OBJECT};

    c.count = (uint32_t)cursor_le(&in, width);
    c.size = (size_t)cursor_le(&in, width);
    if (in.failed || c.size > v->size) return ERR_CORRUPT;
    c.values_at = 2 * width + (c.is_object ? (size_t)c.count * (width + 2) : 0);
    if (c.values_at + (size_t)c.count * (width + 1) > c.size) return ERR_CORRUPT;
    *out = c;
    return ERR_OK;
}

/* A number of 2 or 4 bytes that is known to be there. */
static uint32_t number_at(const uint8_t *at, unsigned width)
{
    struct cursor in = cursor_of(at, width);
    return (uint32_t)(width == 2 ? cursor_le(&in, 2) : cursor_le(&in, 4));
}

enum err json_container_key(const struct json_container *c, uint32_t i, const uint8_t **key, uint16_t *key_bytes)
{
    const uint8_t *entry = c->bytes + 2 * c->width + (size_t)i * (c->width + 2u);
    size_t at = number_at(entry, c->width), size = number_at(entry + c->width, 2);

    if (at > c->size || size > c->size - at) return ERR_CORRUPT;
    *key = c->bytes + at;
    *key_bytes = (uint16_t)size;
    return ERR_OK;
}

enum err json_container_value(const struct json_container *c, uint32_t i, struct json_value *out)
{
    const uint8_t *entry = c->bytes + c->values_at + (size_t)i * (c->width + 1u);
    uint8_t type = entry[0];
    bool is_here = type == JSON_LITERAL || type == JSON_INT16 || type == JSON_UINT16 ||
                   ((type == JSON_INT32 || type == JSON_UINT32) && c->width == 4); /* small ones stand in the entry */
    size_t at = number_at(entry + 1, c->width);

    if (!is_here && at >= c->size) return ERR_CORRUPT;
    *out = is_here ? (struct json_value){type, entry + 1, c->width}
                   : (struct json_value){type, c->bytes + at, c->size - at};
    return ERR_OK;
}

bool json_value_is_container(const struct json_value *v)
{
    return v->type <= JSON_LARGE_ARRAY;
}

static enum err put_container(struct json_printer *out, const struct json_value *v, unsigned depth)
{
    struct json_container c;
    struct json_value value;
    const uint8_t *key;
    uint16_t key_bytes;

    if (depth > JSON_DEPTH_MAX) return ERR_CORRUPT;
    TRY(json_container_open(&c, v));
    sink_bytes(&out->sink, c.is_object ? "{" : "[", 1);
    for (uint32_t i = 0; i < c.count; i++) {
        if (i != 0) put_text(out, ", ");
        if (c.is_object) {
            TRY(json_container_key(&c, i, &key, &key_bytes));
            json_print_string(out, key, key_bytes);
            put_text(out, ": ");
        }
        TRY(json_container_value(&c, i, &value));
        TRY(json_print_value(out, &value, depth));
        if (out->sink.failed) return ERR_NO_SPACE; /* early: what follows cannot be seen any more */
    }
    sink_bytes(&out->sink, c.is_object ? "}" : "]", 1);
    return ERR_OK;
}

enum err json_print_value(struct json_printer *out, const struct json_value *v, unsigned depth)
{
    struct cursor in = cursor_of(v->bytes, v->size);
    uint64_t bits;
    double number;
    size_t counted = 0;

    switch (v->type) {
    case JSON_SMALL_OBJECT:
    case JSON_LARGE_OBJECT:
    case JSON_SMALL_ARRAY:
    case JSON_LARGE_ARRAY: return put_container(out, v, depth + 1);
    case JSON_LITERAL: bits = cursor_le(&in, 1); return in.failed ? ERR_CORRUPT : put_literal(out, bits);
    case JSON_INT16: put_signed(out, (int16_t)cursor_le(&in, 2)); break;
    case JSON_UINT16: put_unsigned(out, cursor_le(&in, 2)); break;
    case JSON_INT32: put_signed(out, (int32_t)cursor_le(&in, 4)); break;
    case JSON_UINT32: put_unsigned(out, cursor_le(&in, 4)); break;
    case JSON_INT64: put_signed(out, (int64_t)cursor_le(&in, 8)); break;
    case JSON_UINT64: put_unsigned(out, cursor_le(&in, 8)); break;
    case JSON_DOUBLE:
        bits = cursor_le(&in, 8);
        memcpy(&number, &bits, sizeof number);
        if (in.failed || !isfinite(number)) return ERR_CORRUPT;
        put_double(out, number);
        break;
    case JSON_STRING: {
        const uint8_t *text = take_counted(&in, &counted);
        if (text == NULL) return ERR_CORRUPT;
        json_print_string(out, text, counted);
        break;
    }
    case JSON_OPAQUE: {
        uint8_t field_type = (uint8_t)cursor_le(&in, 1);
        const uint8_t *data = take_counted(&in, &counted);
        return data == NULL ? ERR_CORRUPT : put_opaque(out, field_type, data, counted);
    }
    default: return ERR_CORRUPT;
    }
    return in.failed ? ERR_CORRUPT : ERR_OK;
}

enum err json_binary_print(struct sink *out, const uint8_t *bytes, size_t size, bool double_keeps_point)
{
    struct json_printer p = {*out, double_keeps_point};
    enum err e = ERR_OK;

    /* An empty value is what an update that ignores errors leaves in a NOT NULL column; the server reads it as null. */
    if (size == 0)
        put_text(&p, "null");
    else
        e = json_print_value(&p, &(struct json_value){bytes[0], bytes + 1, size - 1}, 0);
    *out = p.sink;
    return e == ERR_OK && out->failed ? ERR_NO_SPACE : e;
}

#include "formats/json_sink.h"

#include <string.h>

#include "formats/decimal_text.h"

static const char hex_digits[] = "0123456789abcdef";

static bool is_continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

unsigned utf8_character_bytes(const uint8_t *at, size_t left)
{
    if (left == 0) return 0;
    uint8_t first = at[0];
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0; /* a continuation, could be shorter, or above U+10FFFF */
    unsigned size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (left < size) return 0;
    for (unsigned i = 1; i < size; i++)
        if (!is_continuation(at[i])) return 0;
    if (first == 0xe0 && at[1] < 0xa0) return 0; /* could be shorter */
    if (first == 0xed && at[1] > 0x9f) return 0; /* half of a UTF-16 pair */
    if (first == 0xf0 && at[1] < 0x90) return 0;
    if (first == 0xf4 && at[1] > 0x8f) return 0; /* above U+10FFFF */
    return size;
}

bool utf8_is_valid(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        unsigned character = utf8_character_bytes(bytes + i, size - i);
        if (character == 0) return false;
        i += character;
    }
    return true;
}

static void character_put(struct sink *s, const uint8_t *at, unsigned size)
{
    uint8_t c = at[0];
    if (size == 0) {
        json_sink_raw(s, "\\ufffd");
    } else if (c == '"' || c == '\\') {
        sink_bytes(s, "\\", 1);
        sink_bytes(s, at, 1);
    } else if (c < 0x20 || c == 0x7f) {
        const char escape[] = {'\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15]};
        sink_bytes(s, escape, sizeof escape);
    } else {
        sink_bytes(s, at, size);
    }
}

void json_sink_string(struct sink *s, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    json_sink_raw(s, "\"");
    for (size_t i = 0; i < size && !s->failed;) {
        unsigned character = utf8_character_bytes(at + i, size - i);
        character_put(s, at + i, character);
        i += character > 0 ? character : 1;
    }
    json_sink_raw(s, "\"");
}

void json_sink_hex(struct sink *s, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    json_sink_raw(s, "\"");
    for (size_t i = 0; i < size && !s->failed; i++) {
        const char pair[] = {hex_digits[at[i] >> 4], hex_digits[at[i] & 15]};
        sink_bytes(s, pair, sizeof pair);
    }
    json_sink_raw(s, "\"");
}

void json_sink_raw(struct sink *s, const char *text) { sink_bytes(s, text, strlen(text)); }

void json_sink_unsigned(struct sink *s, uint64_t value, unsigned width_min)
{
    uint8_t digits[DECIMAL_TEXT_MAX];
    uint8_t *end = decimal_put(digits, value);
    for (unsigned i = (unsigned)(end - digits); i < width_min; i++) json_sink_raw(s, "0");
    sink_bytes(s, digits, (size_t)(end - digits));
}

void json_sink_signed(struct sink *s, int64_t value)
{
    if (value < 0) json_sink_raw(s, "-");
    json_sink_unsigned(s, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1);
}

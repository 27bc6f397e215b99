/* formats/json_sink.h -- JSON strings (RFC 8259) into a sink. */
#ifndef FORMATS_JSON_SINK_H
#define FORMATS_JSON_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sink.h"

/* Bytes of the UTF-8 character (RFC 3629) at `at`, of which `left` bytes are there; 0: it is none. */
unsigned utf8_character_bytes(const uint8_t *at, size_t left);
bool     utf8_is_valid(const uint8_t *bytes, size_t size);

/* A quoted string.  A byte that belongs to no character becomes U+FFFD. */
void json_sink_string(struct sink *s, const void *bytes, size_t size);
/* A quoted string of two hexadecimal digits a byte. */
void json_sink_hex(struct sink *s, const void *bytes, size_t size);
/* Text as it is: punctuation, member names. */
void json_sink_raw(struct sink *s, const char *text);
void json_sink_unsigned(struct sink *s, uint64_t value, unsigned width_min); /* zeros in front up to the width */
void json_sink_signed(struct sink *s, int64_t value);

#endif

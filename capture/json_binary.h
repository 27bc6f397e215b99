/* capture/json_binary.h -- MySQL's binary JSON to the text that the server prints.
 * Format: sql/json_binary.h of MySQL 5.7 describes it (the comment at its top). */
#ifndef CAPTURE_JSON_BINARY_H
#define CAPTURE_JSON_BINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sink.h"

enum { JSON_DEPTH_MAX = 100 }; /* MySQL's own limit */

/* Writes the text of the document `bytes` to `out`, as CAST(doc AS CHAR) prints it.  `double_keeps_point`: as MySQL 8
 * prints: a double that is a whole number as 1.0, where 5.7 prints 1, and the line breaks of base64 escaped.  No
 * allocation.  Any thread. ERR_CORRUPT; ERR_NO_SPACE: `out` is too small (out->failed is set). */
NODISCARD enum err json_binary_print(struct sink *out, const uint8_t *bytes, size_t size, bool double_keeps_point);

/* ---- the parts of a document, for json_diff.c ---- */

struct json_value { /* anywhere in a document: its type's number and what follows it */
    uint8_t type;
    const uint8_t *bytes;
    size_t size; /* bytes that may belong to it */
};

struct json_container { /* an object or array, its counts and sizes checked */
    const uint8_t *bytes;
    size_t size, values_at;
    uint32_t count;
    uint8_t width; /* of its numbers: 2 or 4 */
    bool is_object;
};

bool json_value_is_container(const struct json_value *v);
/* All three: ERR_CORRUPT.  `i` below count; keys are those of an object. */
NODISCARD enum err json_container_open(struct json_container *out, const struct json_value *v);
NODISCARD enum err json_container_key(const struct json_container *c, uint32_t i, const uint8_t **key,
                                      uint16_t *key_bytes);
NODISCARD enum err json_container_value(const struct json_container *c, uint32_t i, struct json_value *out);

struct json_printer {
    struct sink sink;
    bool double_keeps_point;
};
/* `depth`: of containers around it.  ERR_CORRUPT, ERR_NO_SPACE; the sink's failure sticks beside. */
NODISCARD enum err json_print_value(struct json_printer *out, const struct json_value *v, unsigned depth);
void json_print_string(struct json_printer *out, const uint8_t *bytes, size_t size);

#endif

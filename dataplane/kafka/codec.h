/* dataplane/kafka/codec.h -- Kafka's wire messages to C structs and back, driven by one table.
 *
 * The table (messages_*.c) states for every message each field's name, type, place in the C struct, the versions that
 * carry it, the versions in which it may be null, and its tag.  Decoding, encoding and printing walk that table, so
 * they cannot disagree. Encodings: the Kafka protocol guide, "Protocol Primitive Types"; KIP-482 for the flexible
 * versions.
 *
 * Everything here is pure: any thread, no allocation beyond the caller's arena, no I/O. */
#ifndef DATAPLANE_KAFKA_CODEC_H
#define DATAPLANE_KAFKA_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/sink.h"

/* --- how values look in the C structs.  All-zero is the empty value. --- */

struct kafka_string {
    const char *chars; /* UTF-8 as the peer sent it, not terminated; borrowed */
    int32_t     size;  /* bytes; -1: null */
};
struct kafka_bytes {
    const uint8_t *bytes; /* borrowed */
    int32_t        size;  /* bytes; -1: null */
};
/* Record batches in a response.  `bytes` NULL with size > 0: they travel separately, see struct kafka_gaps. */
struct kafka_records {
    const uint8_t *bytes;
    int32_t        size;
};
struct kafka_uuid {
    uint8_t bytes[16]; /* all zero: none */
};
/* An array of structs, integers or strings is two members: `struct x *xs; int32_t x_count;` with x_count -1: null. */

static inline struct kafka_string kafka_string_of(const char *text) /* NULL: null */
{
    return (struct kafka_string){text, text == NULL ? -1 : (int32_t)strlen(text)};
}
static inline struct kafka_string kafka_string_null(void) { return (struct kafka_string){NULL, -1}; }
static inline bool kafka_string_is(struct kafka_string s, const char *text)
{
    return s.size >= 0 && strlen(text) == (size_t)s.size && memcmp(s.chars, text, (size_t)s.size) == 0;
}
/* Null equals null only. */
static inline bool kafka_string_equal(struct kafka_string a, struct kafka_string b)
{
    return a.size == b.size && (a.size <= 0 || memcmp(a.chars, b.chars, (size_t)a.size) == 0);
}

/* --- the table --- */

enum kafka_type {
    KAFKA_BOOL,
    KAFKA_INT8,
    KAFKA_INT16,
    KAFKA_INT32,
    KAFKA_INT64,
    KAFKA_UUID,
    KAFKA_STRING,
    KAFKA_BYTES,
    KAFKA_RECORDS,
    KAFKA_INT32_ARRAY,
    KAFKA_INT64_ARRAY,
    KAFKA_STRING_ARRAY,
    KAFKA_STRUCT_ARRAY,
    KAFKA_STRUCT,
    KAFKA_NULLABLE_STRUCT, /* the C member is a pointer; NULL: null */
};

enum {
    KAFKA_VERSION_NONE = 127,       /* as a `since`: in no version */
    KAFKA_DEFAULT_NULL = INT32_MIN + 1, /* default of a string, bytes or array: null (else empty) */
};

struct kafka_schema;

struct kafka_field {
    const char *name;           /* as in Kafka's documentation */
    uint8_t  type;              /* enum kafka_type */
    int8_t   since, until;      /* versions that carry it, both inclusive */
    int8_t   nullable_since;    /* may be null from this version on; KAFKA_VERSION_NONE: never */
    int8_t   tag;               /* -1: not tagged; else tagged in every version that carries it */
    uint16_t offset;            /* in the C struct */
    uint16_t count_offset;      /* arrays: of the int32_t that holds the count */
    int64_t  default_value;     /* for versions that do not carry it */
    const struct kafka_schema *element; /* of an array of structs, or of a struct */
};

struct kafka_schema {
    const struct kafka_field *fields;
    uint32_t field_count;
    uint32_t struct_bytes; /* sizeof the C struct */
};

struct kafka_message {
    const char *name;
    int16_t api_key;
    int8_t  version_min, version_max;
    int8_t  flexible_since; /* KAFKA_VERSION_NONE: never */
    struct kafka_schema body;
};

/* --- decoding --- */

/* Room for the arrays and nullable structs of one decoded message; everything else is borrowed from its bytes. */
struct kafka_arena {
    uint8_t *bytes; /* 8-byte aligned */
    size_t   size, used;
};

/* Room for `count` things of `size` bytes, 8-byte aligned, not cleared; NULL: the arena is too small. */
void *kafka_arena_take(struct kafka_arena *arena, size_t count, size_t size);

/* Reads the body of `message` in `version` into *out (message->body.struct_bytes, wholly overwritten).  Fields of
 * other versions get their defaults; unknown tagged fields are skipped; bytes behind the last field stay unread.
 * `in` is advanced; strings point into its bytes, arrays into the arena.
 * ERR_TRUNCATED: ends before its last field, or a length or count promises more than there is.  ERR_CORRUPT: a null,
 * negative or repeated thing where none may be.  ERR_TOO_LARGE: the arena is too small.  On error *out is undefined
 * but safe to ignore. How large an arena: requests of real clients need less than 4 times their bytes; only one made
 * of empty strings needs more (up to 16 times). */
NODISCARD enum err kafka_decode(const struct kafka_message *message, int16_t version, struct cursor *in,
                                struct kafka_arena *arena, void *out);

struct kafka_request_header {
    int16_t api_key, api_version;
    int32_t correlation_id;
    struct kafka_string client_id; /* may be null */
};
/* Reads a request's header (v1, or v2 for flexible versions) and leaves `in` at its body.
 * ERR_UNSUPPORTED: a key or version that is not served (kafka_served_max): key, version and correlation id are set,
 * the rest is unread.
 * ERR_TRUNCATED, ERR_CORRUPT. */
NODISCARD enum err kafka_request_header_decode(struct cursor *in, struct kafka_request_header *out);

/* --- encoding --- */

/* Where record bytes that travel separately belong: gap i lies in front of the encoded byte `position[i]` (counted
 * from the frame's first byte, gaps themselves not counted) and takes the records of the i-th records field with
 * bytes NULL and size > 0, in wire order. */
struct kafka_gaps {
    uint32_t *position; /* caller's array */
    uint32_t  max, count;
    uint64_t  bytes;    /* sum of the sizes left out */
};

/* Appends the body of `message` in `version` to `out`.  Null where the version has no null is written as empty; a
 * tagged field is written only when it differs from its default.  `gaps` may be NULL when no records travel separately.
 * ERR_NO_SPACE: `out` or `gaps` is full.  ERR_TOO_LARGE: a string of more than 32767 bytes in a version that cannot
 * say so. */
NODISCARD enum err kafka_encode(const struct kafka_message *message, int16_t version, const void *body,
                                struct sink *out, struct kafka_gaps *gaps);

/* A whole response frame: size (gaps included), correlation id, response header, body.  The header is v1 for flexible
 * versions, except that ApiVersions is always answered with header v0.  Positions in `gaps` count from the frame's
 * first byte; `out` must be at the frame's start. Errors as kafka_encode; on error nothing useful was written. */
NODISCARD enum err kafka_response_encode(const struct kafka_message *response, int16_t version, int32_t correlation_id,
                                         const void *body, struct sink *out, struct kafka_gaps *gaps);

/* A whole request frame (tests and tools). */
NODISCARD enum err kafka_request_encode(const struct kafka_message *request, const struct kafka_request_header *header,
                                        const void *body, struct sink *out);

/* --- printing --- */

/* Writes one line of text, `{Name: value, ...}`, terminated, cut at `size`.  Returns the length it would have had. */
size_t kafka_print(const struct kafka_message *message, int16_t version, const void *body, char *out, size_t size);

#endif

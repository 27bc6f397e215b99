/* dataplane/kafka/codec_walk.h -- what decoder, encoder and printer share: reaching a field's value in its C struct. */
#ifndef DATAPLANE_KAFKA_CODEC_WALK_H
#define DATAPLANE_KAFKA_CODEC_WALK_H

#include "dataplane/kafka/codec.h"

static inline bool field_in(const struct kafka_field *f, int16_t version)
{
    return f->since <= version && version <= f->until;
}
static inline bool field_nullable_in(const struct kafka_field *f, int16_t version)
{
    return f->nullable_since <= version;
}
static inline bool message_flexible_in(const struct kafka_message *m, int16_t version)
{
    return m->flexible_since <= version;
}

/* Size in memory of an array's elements. */
static inline size_t field_element_bytes(const struct kafka_field *f)
{
    switch (f->type) {
    case KAFKA_INT32_ARRAY: return sizeof(int32_t);
    case KAFKA_INT64_ARRAY: return sizeof(int64_t);
    case KAFKA_STRING_ARRAY: return sizeof(struct kafka_string);
    default:                return f->element->struct_bytes;
    }
}

/* Values are moved with memcpy: no assumption on how the compiler lays out or aliases the structs. */
static inline int64_t field_integer(const struct kafka_field *f, const uint8_t *base)
{
    union { bool b; int8_t i8; int16_t i16; int32_t i32; int64_t i64; } v;
    switch (f->type) {
    case KAFKA_BOOL:  memcpy(&v.b, base + f->offset, sizeof v.b); return v.b;
    case KAFKA_INT8:  memcpy(&v.i8, base + f->offset, sizeof v.i8); return v.i8;
    case KAFKA_INT16: memcpy(&v.i16, base + f->offset, sizeof v.i16); return v.i16;
    case KAFKA_INT32: memcpy(&v.i32, base + f->offset, sizeof v.i32); return v.i32;
    default:          memcpy(&v.i64, base + f->offset, sizeof v.i64); return v.i64;
    }
}

static inline void field_set_integer(const struct kafka_field *f, uint8_t *base, int64_t value)
{
    union { bool b; int8_t i8; int16_t i16; int32_t i32; int64_t i64; } v;
    switch (f->type) {
    case KAFKA_BOOL:  v.b = value != 0; memcpy(base + f->offset, &v.b, sizeof v.b); break;
    case KAFKA_INT8:  v.i8 = (int8_t)value; memcpy(base + f->offset, &v.i8, sizeof v.i8); break;
    case KAFKA_INT16: v.i16 = (int16_t)value; memcpy(base + f->offset, &v.i16, sizeof v.i16); break;
    case KAFKA_INT32: v.i32 = (int32_t)value; memcpy(base + f->offset, &v.i32, sizeof v.i32); break;
    default:          v.i64 = value; memcpy(base + f->offset, &v.i64, sizeof v.i64); break;
    }
}

/* Strings, bytes and records have one layout: a pointer and an int32_t. */
#define SAME_LAYOUT(s) \
    (sizeof(s) == sizeof(struct kafka_bytes) && offsetof(s, size) == offsetof(struct kafka_bytes, size))
_Static_assert(SAME_LAYOUT(struct kafka_string) && SAME_LAYOUT(struct kafka_records), "one layout for three types");

static inline struct kafka_bytes field_bytes(const struct kafka_field *f, const uint8_t *base)
{
    struct kafka_bytes v;
    memcpy(&v, base + f->offset, sizeof v);
    return v;
}

/* An element of an array of strings, as a field at offset 0: never null. */
static const struct kafka_field string_element = {
    .name = "", .type = KAFKA_STRING, .nullable_since = KAFKA_VERSION_NONE};

struct kafka_array {
    uint8_t *items;
    int32_t  count; /* -1: null */
};

/* KAFKA_NULLABLE_STRUCT: the struct, or NULL. */
static inline uint8_t *field_struct(const struct kafka_field *f, const uint8_t *base)
{
    uint8_t *v;
    memcpy(&v, base + f->offset, sizeof v);
    return v;
}

static inline struct kafka_array field_array(const struct kafka_field *f, const uint8_t *base)
{
    struct kafka_array v;
    memcpy(&v.items, base + f->offset, sizeof v.items);
    memcpy(&v.count, base + f->count_offset, sizeof v.count);
    return v;
}

static inline void field_set_array(const struct kafka_field *f, uint8_t *base, struct kafka_array v)
{
    memcpy(base + f->offset, &v.items, sizeof v.items);
    memcpy(base + f->count_offset, &v.count, sizeof v.count);
}

#endif

/* Decoding: walks a message's fields, reads those of the version, gives the others their defaults. */
#include "dataplane/kafka/codec_walk.h"
#include "dataplane/kafka/messages.h"

struct decoder {
    struct cursor *in;
    struct kafka_arena *arena;
    int16_t version;
    bool flexible;
};

static enum err decode_struct(struct decoder *d, const struct kafka_schema *schema, uint8_t *base);

static void default_struct(const struct kafka_schema *schema, uint8_t *base);

static void default_value(const struct kafka_field *f, uint8_t *base)
{
    int32_t size = f->default_value == KAFKA_DEFAULT_NULL ? -1 : 0;
    switch (f->type) {
    case KAFKA_UUID:
        memset(base + f->offset, 0, sizeof(struct kafka_uuid));
        break;
    case KAFKA_STRING: case KAFKA_BYTES: case KAFKA_RECORDS:
        memcpy(base + f->offset, &(struct kafka_bytes){NULL, size}, sizeof(struct kafka_bytes));
        break;
    case KAFKA_INT32_ARRAY: case KAFKA_INT64_ARRAY: case KAFKA_STRING_ARRAY: case KAFKA_STRUCT_ARRAY:
        field_set_array(f, base, (struct kafka_array){NULL, size});
        break;
    case KAFKA_STRUCT:
        default_struct(f->element, base + f->offset);
        break;
    case KAFKA_NULLABLE_STRUCT:
        memcpy(base + f->offset, &(void *){NULL}, sizeof(void *));
        break;
    default:
        field_set_integer(f, base, f->default_value);
    }
}

static void default_struct(const struct kafka_schema *schema, uint8_t *base)
{
    for (uint32_t i = 0; i < schema->field_count; i++) default_value(&schema->fields[i], base);
}

/* The fewest bytes a value of this field can take on the wire: what a count may promise is bounded by it. */
static size_t wire_bytes_min(const struct kafka_schema *schema, int16_t version, bool flexible)
{
    size_t size = flexible ? 1 : 0; /* the tagged fields' count */
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct kafka_field *f = &schema->fields[i];
        if (!field_in(f, version) || f->tag >= 0) continue;
        switch (f->type) {
        case KAFKA_BOOL: case KAFKA_INT8: size += 1; break;
        case KAFKA_INT16: size += 2; break;
        case KAFKA_INT32: size += 4; break;
        case KAFKA_INT64: size += 8; break;
        case KAFKA_UUID:  size += 16; break;
        case KAFKA_STRING: size += flexible ? 1 : 2; break;
        case KAFKA_STRUCT: size += wire_bytes_min(f->element, version, flexible); break;
        case KAFKA_NULLABLE_STRUCT: size += 1; break;
        default: size += flexible ? 1 : 4; break;
        }
    }
    return size;
}

/* A length or count: -1 for null.  `width` is its size in versions that are not flexible. */
static enum err decode_size(struct decoder *d, const struct kafka_field *f, unsigned width, int32_t *out)
{
    int64_t size;
    if (d->flexible) {
        uint64_t raw = cursor_uvarint(d->in);
        if (raw > (uint64_t)INT32_MAX + 1) return ERR_CORRUPT;
        size = (int64_t)raw - 1;
    } else {
        uint64_t raw = cursor_be(d->in, width);
        size = width == 2 ? (int16_t)raw : (int32_t)raw;
    }
    if (d->in->failed) return ERR_TRUNCATED;
    if (size < -1 || (size == -1 && !field_nullable_in(f, d->version))) return ERR_CORRUPT;
    *out = (int32_t)size;
    return ERR_OK;
}

static enum err decode_bytes(struct decoder *d, const struct kafka_field *f, uint8_t *base)
{
    struct kafka_bytes value = {NULL, 0};
    TRY(decode_size(d, f, f->type == KAFKA_STRING ? 2 : 4, &value.size));
    if (value.size >= 0) {
        value.bytes = cursor_take(d->in, (size_t)value.size);
        if (d->in->failed) return ERR_TRUNCATED;
    }
    memcpy(base + f->offset, &value, sizeof value);
    return ERR_OK;
}

void *kafka_arena_take(struct kafka_arena *a, size_t count, size_t size)
{
    size_t at = (a->used + 7) & ~(size_t)7;
    if (at > a->size || count > (a->size - at) / size) return NULL;
    a->used = at + count * size;
    return a->bytes + at;
}

static enum err decode_array(struct decoder *d, const struct kafka_field *f, uint8_t *base)
{
    struct kafka_array array = {NULL, 0};
    TRY(decode_size(d, f, 4, &array.count));
    size_t wire_min = f->type == KAFKA_INT32_ARRAY ? 4
                    : f->type == KAFKA_INT64_ARRAY ? 8
                    : f->type == KAFKA_STRING_ARRAY ? (d->flexible ? 1 : 2)
                                                   : wire_bytes_min(f->element, d->version, d->flexible);
    if (array.count > 0) {
        if ((size_t)array.count > cursor_left(d->in) / (wire_min == 0 ? 1 : wire_min)) return ERR_TRUNCATED;
        array.items = kafka_arena_take(d->arena, (size_t)array.count, field_element_bytes(f));
        if (array.items == NULL) return ERR_TOO_LARGE;
    }
    for (int32_t i = 0; i < array.count; i++) {
        uint8_t *item = array.items + (size_t)i * field_element_bytes(f);
        if (f->type == KAFKA_STRUCT_ARRAY) {
            TRY(decode_struct(d, f->element, item));
        } else if (f->type == KAFKA_STRING_ARRAY) {
            TRY(decode_bytes(d, &string_element, item));
        } else if (f->type == KAFKA_INT32_ARRAY) {
            memcpy(item, &(int32_t){(int32_t)cursor_be(d->in, 4)}, 4);
        } else {
            memcpy(item, &(int64_t){(int64_t)cursor_be(d->in, 8)}, 8);
        }
    }
    field_set_array(f, base, array);
    return d->in->failed ? ERR_TRUNCATED : ERR_OK;
}

/* A byte in front tells whether there is one: negative is null. */
static enum err decode_nullable_struct(struct decoder *d, const struct kafka_field *f, uint8_t *base)
{
    uint8_t *item = NULL;
    if ((int8_t)cursor_be(d->in, 1) >= 0 && !d->in->failed) {
        item = kafka_arena_take(d->arena, 1, f->element->struct_bytes);
        if (item == NULL) return ERR_TOO_LARGE;
        TRY(decode_struct(d, f->element, item));
    }
    memcpy(base + f->offset, &item, sizeof item);
    return d->in->failed ? ERR_TRUNCATED : ERR_OK;
}

static enum err decode_value(struct decoder *d, const struct kafka_field *f, uint8_t *base)
{
    const uint8_t *raw;
    switch (f->type) {
    case KAFKA_BOOL: field_set_integer(f, base, cursor_be(d->in, 1) != 0); break;
    case KAFKA_INT8: field_set_integer(f, base, (int8_t)cursor_be(d->in, 1)); break;
    case KAFKA_INT16: field_set_integer(f, base, (int16_t)cursor_be(d->in, 2)); break;
    case KAFKA_INT32: field_set_integer(f, base, (int32_t)cursor_be(d->in, 4)); break;
    case KAFKA_INT64: field_set_integer(f, base, (int64_t)cursor_be(d->in, 8)); break;
    case KAFKA_UUID:
        raw = cursor_take(d->in, sizeof(struct kafka_uuid));
        if (raw != NULL) memcpy(base + f->offset, raw, sizeof(struct kafka_uuid));
        break;
    case KAFKA_STRING: case KAFKA_BYTES: case KAFKA_RECORDS: return decode_bytes(d, f, base);
    case KAFKA_STRUCT: return decode_struct(d, f->element, base + f->offset);
    case KAFKA_NULLABLE_STRUCT: return decode_nullable_struct(d, f, base);
    default: return decode_array(d, f, base);
    }
    return d->in->failed ? ERR_TRUNCATED : ERR_OK;
}

/* The tagged fields behind a struct.  Tags grow strictly; unknown ones are skipped. */
static enum err decode_tagged(struct decoder *d, const struct kafka_schema *schema, uint8_t *base)
{
    uint64_t count = cursor_uvarint(d->in);
    uint64_t next_tag = 0;
    if (count > cursor_left(d->in) / 2) return ERR_TRUNCATED; /* each has a tag and a size */
    for (uint64_t n = 0; n < count; n++) {
        uint64_t tag = cursor_uvarint(d->in);
        uint64_t size = cursor_uvarint(d->in);
        const uint8_t *payload = size > cursor_left(d->in) ? NULL : cursor_take(d->in, (size_t)size);
        if (d->in->failed || payload == NULL) return ERR_TRUNCATED;
        if (tag < next_tag || tag > UINT32_MAX) return ERR_CORRUPT;
        next_tag = tag + 1;
        for (uint32_t i = 0; i < schema->field_count; i++) {
            const struct kafka_field *f = &schema->fields[i];
            if (f->tag < 0 || (uint64_t)f->tag != tag || !field_in(f, d->version)) continue;
            struct cursor inside = cursor_of(payload, (size_t)size);
            struct decoder sub = {&inside, d->arena, d->version, d->flexible};
            TRY(decode_value(&sub, f, base));
        }
    }
    return d->in->failed ? ERR_TRUNCATED : ERR_OK;
}

static enum err decode_struct(struct decoder *d, const struct kafka_schema *schema, uint8_t *base)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct kafka_field *f = &schema->fields[i];
        if (field_in(f, d->version) && f->tag < 0) TRY(decode_value(d, f, base));
        else default_value(f, base);
    }
    return d->flexible ? decode_tagged(d, schema, base) : ERR_OK;
}

enum err kafka_decode(const struct kafka_message *message, int16_t version, struct cursor *in,
                      struct kafka_arena *arena, void *out)
{
    struct decoder d = {in, arena, version, message_flexible_in(message, version)};
    memset(out, 0, message->body.struct_bytes);
    return decode_struct(&d, &message->body, out);
}

enum err kafka_request_header_decode(struct cursor *in, struct kafka_request_header *out)
{
    *out = (struct kafka_request_header){.client_id = kafka_string_null()};
    out->api_key        = (int16_t)cursor_be(in, 2);
    out->api_version    = (int16_t)cursor_be(in, 2);
    out->correlation_id = (int32_t)cursor_be(in, 4);
    if (in->failed) return ERR_TRUNCATED;
    const struct kafka_message *message = kafka_request_of(out->api_key);
    if (out->api_version < 0 || out->api_version > kafka_served_max(out->api_key)) return ERR_UNSUPPORTED;
    int16_t size = (int16_t)cursor_be(in, 2); /* not compact in header v2 either */
    if (in->failed) return ERR_TRUNCATED;
    if (size < -1) return ERR_CORRUPT;
    if (size >= 0) out->client_id = (struct kafka_string){(const char *)cursor_take(in, (size_t)size), size};
    if (in->failed) return ERR_TRUNCATED;
    if (!message_flexible_in(message, out->api_version)) return ERR_OK;
    static const struct kafka_schema no_fields = {NULL, 0, 0};
    struct decoder d = {in, NULL, out->api_version, true};
    return decode_tagged(&d, &no_fields, NULL);
}

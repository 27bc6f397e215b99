/* Encoding: walks a message's fields and writes those of the version. */
#include "dataplane/kafka/codec_walk.h"
#include "dataplane/kafka/messages.h"

struct encoder {
    struct sink *out;
    const uint8_t *frame; /* gap positions count from here */
    struct kafka_gaps *gaps;
    int16_t version;
    bool flexible;
    enum err failure; /* of a value that cannot be written; a full sink is seen at the end */
};

static void encode_struct(struct encoder *e, const struct kafka_schema *schema, const uint8_t *base);

/* A length or count; -1 (null) where the version has no null becomes 0. */
static void encode_size(struct encoder *e, const struct kafka_field *f, unsigned width, int32_t size)
{
    if (size < 0) size = field_nullable_in(f, e->version) ? -1 : 0;
    if (e->flexible) {
        sink_uvarint(e->out, (uint64_t)((int64_t)size + 1));
    } else {
        if (width == 2 && size > INT16_MAX) e->failure = ERR_TOO_LARGE;
        sink_be(e->out, (uint64_t)(int64_t)size, width);
    }
}

static void encode_bytes(struct encoder *e, const struct kafka_field *f, const uint8_t *base)
{
    struct kafka_bytes value = field_bytes(f, base);
    encode_size(e, f, f->type == KAFKA_STRING ? 2 : 4, value.size);
    if (value.size <= 0) return;
    if (f->type != KAFKA_RECORDS || value.bytes != NULL) {
        sink_bytes(e->out, value.bytes, (size_t)value.size);
    } else if (e->gaps == NULL || e->gaps->count == e->gaps->max) {
        e->failure = ERR_NO_SPACE;
    } else {
        e->gaps->position[e->gaps->count++] = (uint32_t)(e->out->at - e->frame);
        e->gaps->bytes += (uint64_t)value.size;
    }
}

static void encode_array(struct encoder *e, const struct kafka_field *f, const uint8_t *base)
{
    struct kafka_array array = field_array(f, base);
    encode_size(e, f, 4, array.count);
    for (int32_t i = 0; i < array.count && !e->out->failed; i++) {
        const uint8_t *item = array.items + (size_t)i * field_element_bytes(f);
        int32_t i32;
        int64_t i64;
        if (f->type == KAFKA_STRUCT_ARRAY) {
            encode_struct(e, f->element, item);
        } else if (f->type == KAFKA_STRING_ARRAY) {
            encode_bytes(e, &string_element, item);
        } else if (f->type == KAFKA_INT32_ARRAY) {
            memcpy(&i32, item, sizeof i32);
            sink_be(e->out, (uint64_t)(int64_t)i32, 4);
        } else {
            memcpy(&i64, item, sizeof i64);
            sink_be(e->out, (uint64_t)i64, 8);
        }
    }
}

static void encode_nullable_struct(struct encoder *e, const struct kafka_field *f, const uint8_t *base)
{
    const uint8_t *item = field_struct(f, base);
    sink_be(e->out, item == NULL ? (uint64_t)-1 : 1, 1);
    if (item != NULL) encode_struct(e, f->element, item);
}

static void encode_value(struct encoder *e, const struct kafka_field *f, const uint8_t *base)
{
    switch (f->type) {
    case KAFKA_BOOL: case KAFKA_INT8: sink_be(e->out, (uint64_t)field_integer(f, base), 1); break;
    case KAFKA_INT16: sink_be(e->out, (uint64_t)field_integer(f, base), 2); break;
    case KAFKA_INT32: sink_be(e->out, (uint64_t)field_integer(f, base), 4); break;
    case KAFKA_INT64: sink_be(e->out, (uint64_t)field_integer(f, base), 8); break;
    case KAFKA_UUID: sink_bytes(e->out, base + f->offset, sizeof(struct kafka_uuid)); break;
    case KAFKA_STRING: case KAFKA_BYTES: case KAFKA_RECORDS: encode_bytes(e, f, base); break;
    case KAFKA_STRUCT: encode_struct(e, f->element, base + f->offset); break;
    case KAFKA_NULLABLE_STRUCT: encode_nullable_struct(e, f, base); break;
    default: encode_array(e, f, base);
    }
}

static bool value_is_default(const struct kafka_field *f, const uint8_t *base)
{
    static const struct kafka_uuid none;
    int32_t size = f->default_value == KAFKA_DEFAULT_NULL ? -1 : 0;
    switch (f->type) {
    case KAFKA_UUID: return memcmp(base + f->offset, &none, sizeof none) == 0;
    case KAFKA_STRING: case KAFKA_BYTES: case KAFKA_RECORDS: return field_bytes(f, base).size == size;
    case KAFKA_INT32_ARRAY: case KAFKA_INT64_ARRAY: case KAFKA_STRING_ARRAY: case KAFKA_STRUCT_ARRAY:
        return field_array(f, base).count == size;
    case KAFKA_STRUCT:
        for (uint32_t i = 0; i < f->element->field_count; i++)
            if (!value_is_default(&f->element->fields[i], base + f->offset)) return false;
        return true;
    default: return field_integer(f, base) == f->default_value;
    }
}

/* A tagged value carries its size in front, which is known only behind it: write, then move it up. */
static void encode_tagged_value(struct encoder *e, const struct kafka_field *f, const uint8_t *base)
{
    sink_uvarint(e->out, (uint64_t)f->tag);
    uint8_t *start = e->out->at;
    encode_value(e, f, base);
    size_t size = (size_t)(e->out->at - start);
    if (e->out->failed || sink_claim(e->out, uvarint_size(size)) == NULL) return;
    memmove(start + uvarint_size(size), start, size);
    uvarint_put(start, size);
}

/* The table lists a struct's tagged fields in the order of their tags. */
static void encode_tagged(struct encoder *e, const struct kafka_schema *schema, const uint8_t *base)
{
    uint32_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < schema->field_count; i++) {
            const struct kafka_field *f = &schema->fields[i];
            if (f->tag < 0 || !field_in(f, e->version) || value_is_default(f, base)) continue;
            if (pass == 0) count++;
            else encode_tagged_value(e, f, base);
        }
        if (pass == 0) sink_uvarint(e->out, count);
    }
}

static void encode_struct(struct encoder *e, const struct kafka_schema *schema, const uint8_t *base)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct kafka_field *f = &schema->fields[i];
        if (field_in(f, e->version) && f->tag < 0) encode_value(e, f, base);
    }
    if (e->flexible) encode_tagged(e, schema, base);
}

static enum err encode_body(const struct kafka_message *message, int16_t version, const void *body, struct sink *out,
                            const uint8_t *frame, struct kafka_gaps *gaps)
{
    struct encoder e = {out, frame, gaps, version, message_flexible_in(message, version), ERR_OK};
    encode_struct(&e, &message->body, body);
    return e.failure != ERR_OK ? e.failure : out->failed ? ERR_NO_SPACE : ERR_OK;
}

enum err kafka_encode(const struct kafka_message *message, int16_t version, const void *body, struct sink *out,
                      struct kafka_gaps *gaps)
{
    return encode_body(message, version, body, out, out->at, gaps);
}

/* Fills in a frame's size, which counts what follows it. */
static enum err frame_finish(uint8_t *frame, const struct sink *out, uint64_t gap_bytes)
{
    uint64_t size = (uint64_t)(out->at - frame) - 4 + gap_bytes;
    if (size > INT32_MAX) return ERR_TOO_LARGE;
    struct sink head = sink_of(frame, 4);
    sink_be(&head, size, 4);
    return ERR_OK;
}

enum err kafka_response_encode(const struct kafka_message *response, int16_t version, int32_t correlation_id,
                               const void *body, struct sink *out, struct kafka_gaps *gaps)
{
    uint8_t *frame = out->at;
    sink_be(out, 0, 4);
    sink_be(out, (uint64_t)(int64_t)correlation_id, 4);
    if (message_flexible_in(response, version) && response->api_key != KAFKA_API_API_VERSIONS) sink_uvarint(out, 0);
    if (out->failed) return ERR_NO_SPACE;
    TRY(encode_body(response, version, body, out, frame, gaps));
    return frame_finish(frame, out, gaps == NULL ? 0 : gaps->bytes);
}

enum err kafka_request_encode(const struct kafka_message *request, const struct kafka_request_header *header,
                              const void *body, struct sink *out)
{
    uint8_t *frame = out->at;
    int16_t client_id_size = (int16_t)header->client_id.size;
    sink_be(out, 0, 4);
    sink_be(out, (uint64_t)(int64_t)header->api_key, 2);
    sink_be(out, (uint64_t)(int64_t)header->api_version, 2);
    sink_be(out, (uint64_t)(int64_t)header->correlation_id, 4);
    sink_be(out, (uint64_t)(int64_t)client_id_size, 2);
    if (client_id_size > 0) sink_bytes(out, header->client_id.chars, (size_t)client_id_size);
    if (message_flexible_in(request, header->api_version)) sink_uvarint(out, 0);
    if (out->failed) return ERR_NO_SPACE;
    TRY(encode_body(request, header->api_version, body, out, frame, NULL));
    return frame_finish(frame, out, 0);
}

#include "tests/dataplane/codec_random.h"

#include "base/invariant.h"

const struct kafka_message *codec_message_at(uint32_t index)
{
    const struct kafka_message *const parts[] = {&kafka_offset_commit_key, &kafka_offset_commit_value,
                                                 &kafka_group_metadata_key, &kafka_group_metadata_value};
    uint32_t count = 0;
    while (kafka_request_at(count) != NULL) count++;
    if (index < count) return kafka_request_at(index);
    if (index < 2 * count) return kafka_response_of(kafka_request_at(index - count)->api_key);
    index -= 2 * count;
    return index < sizeof parts / sizeof *parts ? parts[index] : NULL;
}

static void random_struct(const struct kafka_schema *schema, int16_t version, struct random *r,
                          struct kafka_arena *arena, uint8_t *base, int depth);

static int64_t random_integer(struct random *r)
{
    static const int64_t edges[] = {0, -1, 1, INT16_MAX, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
    return random_below(r, 3) == 0 ? edges[random_below(r, 8)] : (int64_t)random_u64(r);
}

static void random_field(const struct kafka_field *f, int16_t version, struct random *r, struct kafka_arena *arena,
                         uint8_t *base, int depth)
{
    bool is_null = field_nullable_in(f, version) && random_below(r, 4) == 0;
    struct kafka_bytes bytes = {NULL, is_null ? -1 : (int32_t)random_below(r, 20)};
    struct kafka_array array = {NULL, is_null ? -1 : (int32_t)random_below(r, depth > 2 ? 2 : 4)};
    switch (f->type) {
    case KAFKA_UUID: random_bytes(r, base + f->offset, 16); break;
    case KAFKA_STRING: case KAFKA_BYTES: case KAFKA_RECORDS:
        if (random_below(r, 30) == 0 && !is_null) bytes.size = 200 + (int32_t)random_below(r, 200);
        if (bytes.size >= 0) {
            uint8_t *room = kafka_arena_take(arena, (size_t)bytes.size, 1);
            INVARIANT(room != NULL);
            random_bytes(r, room, (size_t)bytes.size);
            bytes.bytes = room;
        }
        memcpy(base + f->offset, &bytes, sizeof bytes);
        break;
    case KAFKA_INT32_ARRAY: case KAFKA_INT64_ARRAY: case KAFKA_STRING_ARRAY: case KAFKA_STRUCT_ARRAY:
        if (array.count >= 0) array.items = kafka_arena_take(arena, (size_t)array.count, field_element_bytes(f));
        for (int32_t i = 0; i < array.count; i++) {
            uint8_t *item = array.items + (size_t)i * field_element_bytes(f);
            if (f->type == KAFKA_STRUCT_ARRAY) random_struct(f->element, version, r, arena, item, depth + 1);
            else if (f->type == KAFKA_STRING_ARRAY) random_field(&string_element, version, r, arena, item, depth + 1);
            else random_bytes(r, item, field_element_bytes(f));
        }
        field_set_array(f, base, array);
        break;
    case KAFKA_STRUCT: random_struct(f->element, version, r, arena, base + f->offset, depth + 1); break;
    case KAFKA_NULLABLE_STRUCT:
        if (is_null) break;
        array.items = kafka_arena_take(arena, 1, f->element->struct_bytes);
        random_struct(f->element, version, r, arena, array.items, depth + 1);
        memcpy(base + f->offset, &array.items, sizeof array.items);
        break;
    default: field_set_integer(f, base, f->type == KAFKA_BOOL ? (int64_t)random_below(r, 2) : random_integer(r));
    }
}

static void default_field(const struct kafka_field *f, uint8_t *base)
{
    int32_t size = f->default_value == KAFKA_DEFAULT_NULL ? -1 : 0;
    switch (f->type) {
    case KAFKA_UUID: memset(base + f->offset, 0, 16); break;
    case KAFKA_STRING: case KAFKA_BYTES: case KAFKA_RECORDS:
        memcpy(base + f->offset, &(struct kafka_bytes){NULL, size}, sizeof(struct kafka_bytes));
        break;
    case KAFKA_INT32_ARRAY: case KAFKA_INT64_ARRAY: case KAFKA_STRING_ARRAY: case KAFKA_STRUCT_ARRAY:
        field_set_array(f, base, (struct kafka_array){NULL, size});
        break;
    case KAFKA_NULLABLE_STRUCT: break; /* zeroed: null */
    case KAFKA_STRUCT:
        for (uint32_t i = 0; i < f->element->field_count; i++) default_field(&f->element->fields[i], base + f->offset);
        break;
    default: field_set_integer(f, base, f->default_value);
    }
}

static void random_struct(const struct kafka_schema *schema, int16_t version, struct random *r,
                          struct kafka_arena *arena, uint8_t *base, int depth)
{
    memset(base, 0, schema->struct_bytes);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct kafka_field *f = &schema->fields[i];
        if (field_in(f, version) && !(f->tag >= 0 && random_below(r, 2) == 0))
            random_field(f, version, r, arena, base, depth);
        else
            default_field(f, base);
    }
}

void codec_random(const struct kafka_message *m, int16_t version, struct random *r, struct kafka_arena *arena,
                  void *out)
{
    random_struct(&m->body, version, r, arena, out, 0);
}

static bool field_equal(const struct kafka_field *f, int16_t version, const uint8_t *a, const uint8_t *b)
{
    struct kafka_bytes x, y;
    struct kafka_array p, q;
    switch (f->type) {
    case KAFKA_UUID: return memcmp(a + f->offset, b + f->offset, 16) == 0;
    case KAFKA_STRING: case KAFKA_BYTES: case KAFKA_RECORDS:
        x = field_bytes(f, a);
        y = field_bytes(f, b);
        return x.size == y.size && (x.size <= 0 || memcmp(x.bytes, y.bytes, (size_t)x.size) == 0);
    case KAFKA_INT32_ARRAY: case KAFKA_INT64_ARRAY: case KAFKA_STRING_ARRAY: case KAFKA_STRUCT_ARRAY:
        p = field_array(f, a);
        q = field_array(f, b);
        if (p.count != q.count) return false;
        for (int32_t i = 0; i < p.count; i++) {
            size_t at = (size_t)i * field_element_bytes(f);
            bool is_equal = f->type == KAFKA_STRUCT_ARRAY
                                ? codec_equal(f->element, version, p.items + at, q.items + at)
                            : f->type == KAFKA_STRING_ARRAY
                                ? field_equal(&string_element, version, p.items + at, q.items + at)
                                : memcmp(p.items + at, q.items + at, field_element_bytes(f)) == 0;
            if (!is_equal) return false;
        }
        return true;
    case KAFKA_STRUCT: return codec_equal(f->element, version, a + f->offset, b + f->offset);
    case KAFKA_NULLABLE_STRUCT:
        if (field_struct(f, a) == NULL || field_struct(f, b) == NULL) return field_struct(f, a) == field_struct(f, b);
        return codec_equal(f->element, version, field_struct(f, a), field_struct(f, b));
    default: return field_integer(f, a) == field_integer(f, b);
    }
}

bool codec_equal(const struct kafka_schema *schema, int16_t version, const void *a, const void *b)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (field_in(&schema->fields[i], version) && !field_equal(&schema->fields[i], version, a, b)) return false;
    return true;
}

/* Printing: one line of text from the same walk. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "dataplane/kafka/codec_walk.h"
#include "dataplane/kafka/messages.h"

struct printer {
    char  *out;
    size_t size, length; /* length may pass size: what the text would need */
};

static void print(struct printer *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void print(struct printer *p, const char *fmt, ...)
{
    va_list arguments;
    va_start(arguments, fmt);
    char *at = p->length < p->size ? p->out + p->length : NULL;
    int n = vsnprintf(at, at == NULL ? 0 : p->size - p->length, fmt, arguments);
    va_end(arguments);
    if (n > 0) p->length += (size_t)n;
}

static void print_struct(struct printer *p, const struct kafka_schema *schema, int16_t version, const uint8_t *base);

static void print_string(struct printer *p, struct kafka_bytes value)
{
    if (value.size < 0) {
        print(p, "null");
        return;
    }
    print(p, "\"");
    for (int32_t i = 0; i < value.size; i++) {
        uint8_t c = value.bytes[i];
        if (c == '"' || c == '\\') print(p, "\\%c", c);
        else if (c < 0x20 || c == 0x7f) print(p, "\\x%02x", c);
        else print(p, "%c", c);
    }
    print(p, "\"");
}

static void print_array(struct printer *p, const struct kafka_field *f, int16_t version, const uint8_t *base)
{
    struct kafka_array array = field_array(f, base);
    if (array.count < 0) {
        print(p, "null");
        return;
    }
    print(p, "[");
    for (int32_t i = 0; i < array.count; i++) {
        const uint8_t *item = array.items + (size_t)i * field_element_bytes(f);
        int32_t i32;
        int64_t i64;
        if (i > 0) print(p, ", ");
        if (f->type == KAFKA_STRUCT_ARRAY) {
            print_struct(p, f->element, version, item);
        } else if (f->type == KAFKA_STRING_ARRAY) {
            print_string(p, field_bytes(&string_element, item));
        } else if (f->type == KAFKA_INT32_ARRAY) {
            memcpy(&i32, item, sizeof i32);
            print(p, "%" PRId32, i32);
        } else {
            memcpy(&i64, item, sizeof i64);
            print(p, "%" PRId64, i64);
        }
    }
    print(p, "]");
}

static void print_value(struct printer *p, const struct kafka_field *f, int16_t version, const uint8_t *base)
{
    struct kafka_bytes bytes;
    switch (f->type) {
    case KAFKA_BOOL: print(p, "%s", field_integer(f, base) ? "true" : "false"); break;
    case KAFKA_INT8: case KAFKA_INT16: case KAFKA_INT32: case KAFKA_INT64:
        print(p, "%" PRId64, field_integer(f, base));
        break;
    case KAFKA_UUID:
        for (size_t i = 0; i < sizeof(struct kafka_uuid); i++) print(p, "%02x", base[f->offset + i]);
        break;
    case KAFKA_STRING: print_string(p, field_bytes(f, base)); break;
    case KAFKA_BYTES: case KAFKA_RECORDS:
        bytes = field_bytes(f, base);
        if (bytes.size < 0) print(p, "null");
        else print(p, "<%" PRId32 " bytes>", bytes.size);
        break;
    case KAFKA_STRUCT: print_struct(p, f->element, version, base + f->offset); break;
    case KAFKA_NULLABLE_STRUCT:
        if (field_struct(f, base) == NULL) print(p, "null");
        else print_struct(p, f->element, version, field_struct(f, base));
        break;
    default: print_array(p, f, version, base);
    }
}

static void print_struct(struct printer *p, const struct kafka_schema *schema, int16_t version, const uint8_t *base)
{
    bool is_first = true;
    print(p, "{");
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct kafka_field *f = &schema->fields[i];
        if (!field_in(f, version)) continue;
        print(p, "%s%s: ", is_first ? "" : ", ", f->name);
        print_value(p, f, version, base);
        is_first = false;
    }
    print(p, "}");
}

size_t kafka_print(const struct kafka_message *message, int16_t version, const void *body, char *out, size_t size)
{
    struct printer p = {out, size, 0};
    if (size > 0) out[0] = '\0';
    print_struct(&p, &message->body, version, body);
    return p.length;
}

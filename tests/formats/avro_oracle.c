#include "tests/formats/avro_oracle.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static avro_value_iface_t *record_class(void)
{
    static avro_value_iface_t *class;
    static char json[1 << 16];
    avro_schema_t schema;
    if (class != NULL) return class;
    FILE *f = fopen(RECORD_SCHEMA, "r");
    ck_assert_msg(f != NULL, "cannot open %s", RECORD_SCHEMA);
    size_t size = fread(json, 1, sizeof json, f);
    fclose(f);
    ck_assert_msg(avro_schema_from_json_length(json, size, &schema) == 0, "%s", avro_strerror());
    class = avro_generic_class_from_schema(schema);
    ck_assert_ptr_nonnull(class);
    avro_schema_decref(schema);
    return class;
}

avro_value_t oracle_decode(const uint8_t *bytes, size_t size)
{
    avro_value_t value;
    ck_assert_int_eq(avro_generic_value_new(record_class(), &value), 0);
    avro_reader_t reader = avro_reader_memory((const char *)bytes, (int64_t)size);
    ck_assert_msg(avro_value_read(reader, &value) == 0, "libavro: %s", avro_strerror());
    ck_assert_msg(avro_skip(reader, 1) != 0, "bytes behind the record");
    avro_reader_free(reader);
    return value;
}

int oracle_branch_of(const avro_value_t *union_value, avro_value_t *out)
{
    int branch;
    ck_assert_int_eq(avro_value_get_discriminant(union_value, &branch), 0);
    ck_assert_int_eq(avro_value_get_current_branch(union_value, out), 0);
    return branch;
}

static avro_value_t field_itself(const avro_value_t *record, const char *name)
{
    avro_value_t field;
    ck_assert_msg(avro_value_get_by_name(record, name, &field, NULL) == 0, "no field %s", name);
    return field;
}

int oracle_branch(const avro_value_t *record, const char *name)
{
    avro_value_t field = field_itself(record, name), inside;
    return oracle_branch_of(&field, &inside);
}

avro_value_t oracle_field(const avro_value_t *record, const char *name)
{
    avro_value_t field = field_itself(record, name), inside;
    if (avro_value_get_type(&field) != AVRO_UNION) return field;
    oracle_branch_of(&field, &inside);
    return inside;
}

int64_t oracle_long(const avro_value_t *record, const char *name)
{
    avro_value_t field = oracle_field(record, name);
    int64_t wide = 0;
    int32_t narrow = 0;
    switch (avro_value_get_type(&field)) {
    case AVRO_INT64: ck_assert_int_eq(avro_value_get_long(&field, &wide), 0); return wide;
    case AVRO_INT32: ck_assert_int_eq(avro_value_get_int(&field, &narrow), 0); return narrow;
    case AVRO_ENUM: ck_assert_int_eq(avro_value_get_enum(&field, &narrow), 0); return narrow;
    default: ck_abort_msg("%s is no number", name);
    }
    return 0;
}

double oracle_double(const avro_value_t *record, const char *name)
{
    avro_value_t field = oracle_field(record, name);
    double value;
    ck_assert_int_eq(avro_value_get_double(&field, &value), 0);
    return value;
}

const char *oracle_text(const avro_value_t *record, const char *name, size_t *size)
{
    avro_value_t field = oracle_field(record, name);
    const char *text = NULL;
    const void *bytes = NULL;
    size_t with_nul = 0;
    if (avro_value_get_type(&field) == AVRO_BYTES) {
        ck_assert_int_eq(avro_value_get_bytes(&field, &bytes, size), 0);
        return bytes;
    }
    ck_assert_msg(avro_value_get_string(&field, &text, &with_nul) == 0, "%s is no string", name);
    *size = with_nul - 1;
    return text;
}

size_t oracle_count(const avro_value_t *array_or_map)
{
    size_t count;
    ck_assert_int_eq(avro_value_get_size(array_or_map, &count), 0);
    return count;
}

avro_value_t oracle_at(const avro_value_t *array, size_t index)
{
    avro_value_t item;
    ck_assert_int_eq(avro_value_get_by_index(array, index, &item, NULL), 0);
    return item;
}

const char *oracle_tag(const avro_value_t *record, const char *key)
{
    avro_value_t tags = field_itself(record, "tags"), value;
    const char *text;
    size_t size;
    if (avro_value_get_by_name(&tags, key, &value, NULL) != 0) return NULL;
    ck_assert_int_eq(avro_value_get_string(&value, &text, &size), 0);
    ck_assert_uint_eq(strlen(text), size - 1);
    return text;
}

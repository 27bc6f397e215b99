/* Goal: records made by another program from the format's description (FOLDER/NAME.json: what is in it, NAME.hex: its
 * bytes) come out of our encoder with the same bytes, but for the order of the tags, which is free.
 * Method: a change event is built from the JSON; both records are decoded by Avro's library and must be equal and of
 * equal size.
 * Usage: test_dts_vectors FOLDER; skips when there is none. */
#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "tests/formats/avro_oracle.h"
#include "tests/formats/event_maker.h"
#include "tests/suite.h"

static const char *folder;

static const char *text_in(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}
static int64_t number_in(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static uint64_t tag_number(const json_t *vector, const char *key)
{
    const char *text = text_in(json_object_get(vector, "tags"), key);
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static enum change_type type_of(int64_t number)
{
    static const struct {
        int number;
        enum change_type type;
    } types[] = {{1, CHANGE_TINYINT},   {2, CHANGE_SMALLINT},  {9, CHANGE_MEDIUMINT}, {3, CHANGE_INT},
                 {8, CHANGE_BIGINT},    {16, CHANGE_BIT},      {4, CHANGE_FLOAT},     {5, CHANGE_DOUBLE},
                 {246, CHANGE_DECIMAL}, {10, CHANGE_DATE},     {11, CHANGE_TIME},     {12, CHANGE_DATETIME},
                 {7, CHANGE_TIMESTAMP}, {13, CHANGE_YEAR},     {254, CHANGE_CHAR},    {253, CHANGE_VARCHAR},
                 {15, CHANGE_TEXT},     {252, CHANGE_BLOB},    {247, CHANGE_ENUM},    {248, CHANGE_SET},
                 {245, CHANGE_JSON},    {255, CHANGE_GEOMETRY}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].number == number) return types[i].type;
    ck_abort_msg("no column type has the number %d", (int)number);
    return CHANGE_INT;
}

/* {"__hex__": "00ff"} to bytes in the maker's pool. */
static struct change_value bytes_value(struct maker *m, const json_t *hex)
{
    const char *text = text_in(hex, "__hex__");
    size_t size = strlen(text) / 2;
    uint8_t *bytes = m->pool + m->pool_used;
    m->pool_used += size;
    ck_assert_uint_le(m->pool_used, sizeof m->pool);
    for (size_t i = 0; i < size; i++) {
        unsigned byte = 0;
        ck_assert_int_eq(sscanf(text + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    return (struct change_value){.kind = CHANGE_VALUE_BYTES, .size = (uint32_t)size, .bytes = bytes};
}

static struct change_value text_of(const json_t *item)
{
    const char *text = text_in(item, "value");
    return (struct change_value){
        .kind = CHANGE_VALUE_TEXT, .size = (uint32_t)strlen(text), .bytes = (const uint8_t *)text};
}

static struct change_value datetime_of(const json_t *item)
{
    struct change_value v = {.kind = CHANGE_VALUE_DATETIME};
    int64_t hour = number_in(item, "hour"), minute = number_in(item, "minute"), second = number_in(item, "second");
    v.t.is_negative = hour < 0 || minute < 0 || second < 0 || number_in(item, "millis") < 0;
    v.t.year = (uint16_t)number_in(item, "year");
    v.t.month = (uint8_t)number_in(item, "month");
    v.t.day = (uint8_t)number_in(item, "day");
    v.t.hour = (uint16_t)llabs(hour);
    v.t.minute = (uint8_t)llabs(minute);
    v.t.second = (uint8_t)llabs(second);
    v.t.microsecond = (uint32_t)llabs(number_in(item, "millis"));
    return v;
}

static struct change_value value_of(struct maker *m, const json_t *item, struct change_column *column)
{
    const char *branch;
    json_t *content;
    if (json_is_null(item)) return (struct change_value){.kind = CHANGE_VALUE_NULL};
    branch = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)item));
    content = json_object_get(item, branch);
    if (strcmp(branch, "EmptyObject") == 0) return (struct change_value){.kind = CHANGE_VALUE_ABSENT};
    if (strcmp(branch, "Integer") == 0) {
        const char *digits = text_in(content, "value");
        if (column->type == CHANGE_BIT) column->precision = (uint8_t)(8 * number_in(content, "precision"));
        if (*digits == '-') return (struct change_value){.kind = CHANGE_VALUE_INT, .i = strtoll(digits, NULL, 10)};
        return (struct change_value){.kind = CHANGE_VALUE_UINT, .u = strtoull(digits, NULL, 10)};
    }
    if (strcmp(branch, "Character") == 0) {
        column->charset = text_in(content, "charset");
        return bytes_value(m, json_object_get(content, "value"));
    }
    if (strcmp(branch, "Decimal") == 0) {
        column->scale = (uint8_t)number_in(content, "scale");
        return text_of(content);
    }
    if (strcmp(branch, "Float") == 0)
        return (struct change_value){.kind = CHANGE_VALUE_DOUBLE,
                                     .d = json_number_value(json_object_get(content, "value"))};
    if (strcmp(branch, "Timestamp") == 0)
        return (struct change_value){.kind = CHANGE_VALUE_TIMESTAMP,
                                     .ts = {number_in(content, "timestamp"), (uint32_t)number_in(content, "millis")}};
    if (strcmp(branch, "DateTime") == 0) {
        if (column->type == CHANGE_YEAR)
            return (struct change_value){.kind = CHANGE_VALUE_INT, .i = number_in(content, "year")};
        return datetime_of(content);
    }
    if (strcmp(branch, "TextObject") == 0) return text_of(content);
    ck_assert_str_eq(branch, "BinaryObject");
    return bytes_value(m, json_object_get(content, "value"));
}

/* db.table into its two names; keys with their columns; columns with what the values tell of them. */
static void table_of(struct maker *m, const json_t *vector)
{
    static char object_name[256];
    json_t *fields = json_object_get(vector, "fields"), *columns;
    static char key_name_copy[64];
    json_t *keys = json_loads(text_in(json_object_get(vector, "tags"), "pk_uk_info"), 0, NULL);
    const char *key_name;
    snprintf(object_name, sizeof object_name, "%s", text_in(vector, "objectName"));
    char *dot = strchr(object_name, '.');
    ck_assert_ptr_nonnull(dot);
    *dot = 0;
    m->table = (struct change_table){object_name, dot + 1, m->column, m->key, (uint16_t)json_array_size(fields), 0,
                                     tag_number(vector, "metaVersion"), NULL};
    for (unsigned i = 0; i < m->table.column_count; i++) {
        json_t *field = json_array_get(fields, i);
        m->column[i] = (struct change_column){
            .name = text_in(field, "name"), .type = type_of(number_in(field, "dataTypeNumber")), .charset = "utf8mb4"};
    }
    json_object_foreach(keys, key_name, columns) {
        ck_assert(m->table.key_count == 0 && json_array_size(columns) == 1);
        for (uint16_t i = 0; i < m->table.column_count; i++)
            if (strcmp(m->column[i].name, json_string_value(json_array_get(columns, 0))) == 0) m->key_column[0] = i;
        snprintf(key_name_copy, sizeof key_name_copy, "%s", key_name);
        m->key[m->table.key_count++] = (struct change_key){key_name_copy, m->key_column, 1};
    }
    json_decref(keys);
}

static void image_of(struct maker *m, const json_t *vector, const char *name, struct change_value *out)
{
    json_t *image = json_object_get(vector, name);
    if (!json_is_array(image)) return;
    for (unsigned i = 0; i < m->table.column_count; i++) out[i] = value_of(m, json_array_get(image, i), &m->column[i]);
}

static void event_of(struct maker *m, const json_t *vector)
{
    static const struct {
        const char *name;
        enum change_operation operation;
    } operations[] = {
        {"INSERT", CHANGE_INSERT}, {"UPDATE", CHANGE_UPDATE}, {"DELETE", CHANGE_DELETE},      {"DDL", CHANGE_DDL},
        {"BEGIN", CHANGE_BEGIN},   {"COMMIT", CHANGE_COMMIT}, {"HEARTBEAT", CHANGE_HEARTBEAT}};
    struct change_event *e = &m->event;
    json_t *tags = json_object_get(vector, "tags");
    unsigned file, i = 0;
    while (strcmp(operations[i].name, text_in(vector, "operation")) != 0) i++;
    const char *lower = text_in(tags, "lowerCaseTableNames");
    m->source = change_source_of(text_in(json_object_get(vector, "source"), "version"),
                                 lower != NULL && strcmp(lower, "true") == 0);
    *e = (struct change_event){.operation = operations[i].operation,
                               .timestamp_s = (uint32_t)number_in(vector, "sourceTimestamp"),
                               .read_time_ms = tag_number(vector, "readerThroughoutTime"),
                               .server_id = (uint32_t)tag_number(vector, "server_id"),
                               .thread_id = (uint32_t)tag_number(vector, "thread_id"),
                               .source = &m->source,
                               .gtid = text_in(tags, "GTID"),
                               .gtid_set = text_in(tags, "GTID_SET"),
                               .has_query_status = json_object_get(tags, "Q_FLAGS2_CODE") != NULL,
                               .flags2 = (uint32_t)tag_number(vector, "Q_FLAGS2_CODE"),
                               .sql_mode = tag_number(vector, "Q_SQL_MODE_CODE"),
                               .client_charset = (uint32_t)tag_number(vector, "Q_CHARSET_CODE")};
    ck_assert_int_eq(sscanf(text_in(vector, "sourcePosition"), "%" SCNu64 "@%u", &e->end_position, &file), 2);
    ck_assert_int_eq(sscanf(text_in(vector, "safeSourcePosition"), "%" SCNu64 "@%u", &e->start_position, &file), 2);
    e->file_number = file;
    if (e->operation == CHANGE_DDL) {
        e->ddl_database = text_in(vector, "objectName");
        e->ddl_text = text_in(vector, "afterImages");
        e->ddl_text_bytes = strlen(e->ddl_text);
    }
    if (e->operation > CHANGE_DELETE) return;
    table_of(m, vector);
    image_of(m, vector, "beforeImages", m->before);
    image_of(m, vector, "afterImages", m->after);
    ck_assert_int_eq(record_format_dts_avro.table_prepare(&m->table), ERR_OK);
    e->table = &m->table;
    e->before = m->before;
    e->after = m->after;
}

static size_t read_hex(const char *path, uint8_t *out, size_t room)
{
    FILE *f = fopen(path, "r");
    size_t size = 0;
    unsigned byte;
    ck_assert_msg(f != NULL, "cannot open %s", path);
    while (size < room && fscanf(f, "%2x", &byte) == 1) out[size++] = (uint8_t)byte;
    fclose(f);
    return size;
}

START_TEST(equals_the_vector)
{
    static const char *const names[] = {"begin", "insert", "update", "delete", "ddl", "heartbeat", "types"};
    static struct maker maker;
    static uint8_t want[1 << 16];
    char path[1024];
    size_t size;
    snprintf(path, sizeof path, "%s/%s.hex", folder, names[_i]);
    size_t want_size = read_hex(path, want, sizeof want);
    snprintf(path, sizeof path, "%s/%s.json", folder, names[_i]);
    json_t *vector = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(vector);
    maker_init(&maker, 1);
    event_of(&maker, vector);
    uint8_t *bytes = encode_checked(&record_format_dts_avro, &maker.event, (uint64_t)number_in(vector, "id"), &size);
    ck_assert_uint_eq(size, want_size);
    avro_value_t ours = oracle_decode(bytes, size), theirs = oracle_decode(want, want_size);
    ck_assert_msg(avro_value_equal_fast(&ours, &theirs), "%s: the records differ", names[_i]);
    avro_value_decref(&ours);
    avro_value_decref(&theirs);
    if (maker.event.table != NULL) record_format_dts_avro.table_release(&maker.table);
    json_decref(vector);
    free(bytes);
}
END_TEST

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : "vectors";
    DIR *there = opendir(folder);
    if (there == NULL) {
        printf("skipped: there is no folder %s with vectors\n", folder);
        return 77;
    }
    closedir(there);
    Suite *s = suite_create("dts_vectors");
    TCase *t = tcase_create("dts_vectors");
    tcase_add_loop_test(t, equals_the_vector, 0, 7);
    suite_add_tcase(s, t);
    return suite_run(s);
}

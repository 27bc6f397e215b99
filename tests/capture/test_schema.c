/* Goal: definitions say what the catalog says; whatever changes in them changes the version and nothing else does; a
 * definition that fails leaves the old one; the record format's prepare and release come in pairs. */
#include <check.h>
#include <string.h>

#include "capture/schema.h"
#include "capture/table_map.h"
#include "formats/record_format.h"
#include "tests/capture/definitions_support.h"
#include "tests/suite.h"

static int prepared;
static enum err prepare(struct change_table *t)
{
    if (strcmp(t->table, "unpreparable") == 0) return ERR_NO_MEMORY;
    t->format_data = &prepared;
    prepared++;
    return ERR_OK;
}
static void release(struct change_table *t)
{
    ck_assert_ptr_eq(t->format_data, &prepared);
    prepared--;
}
static const struct record_format format = {.name = "counting", .table_prepare = prepare, .table_release = release};

static const struct told_column plain[] = {{"id", "int(11)", NULL}, {"name", "varchar(20)", "utf8mb4"}};
static const struct told_key keys[] = {{"PRIMARY", {"id"}}, {"both", {"name", "id"}}};

static struct told told_of(const struct record_format *with)
{
    struct told t;
    told_open(&t, "5.7.29-log", with, false, false);
    told_table(&t, "a", "t", plain, 2, keys, 2, false);
    return t;
}

START_TEST(definitions)
{
    static const struct told_column number[] = {{"id", "bigint(20) unsigned", NULL}};
    struct told told = told_of(&format);
    told_table(&told, "a", "u", number, 1, NULL, 0, false);
    ck_assert_ptr_null(told_find(&told, "b", "t"));
    ck_assert_ptr_null(told_find(&told, "a", "T"));
    const struct schema_table *first = told_find(&told, "a", "t");
    const struct change_table *t = &first->table;
    ck_assert_int_eq(prepared, 1);
    ck_assert_str_eq(t->database, "a");
    ck_assert_uint_eq(t->column_count, 2);
    ck_assert_str_eq(t->column[1].name, "name");
    ck_assert_str_eq(t->column[1].charset, "utf8mb4");
    ck_assert_ptr_null(t->column[0].charset);
    ck_assert_uint_eq(first->column[1].length_bytes, 80);
    ck_assert(told_find(&told, "a", "u")->table.column[0].is_unsigned);
    ck_assert_uint_eq(t->key_count, 2);
    ck_assert_str_eq(t->key[1].name, "both");
    ck_assert(t->key[1].column_count == 2 && t->key[1].column[0] == 1 && t->key[1].column[1] == 0);
    ck_assert_uint_gt(t->meta_version, 0);

    /* The same again: the same object.  Then it changes, and is forgotten. */
    told_table(&told, "a", "t", plain, 2, keys, 2, false);
    ck_assert(told_find(&told, "a", "t") == first && prepared == 2);
    uint64_t generation = schema_generation(told.definitions.schema), version = t->meta_version;
    struct told_column longer[] = {plain[0], {"name", "varchar(21)", "utf8mb4"}};
    told_table(&told, "a", "t", longer, 2, keys, 2, false);
    ck_assert_uint_ne(told_find(&told, "a", "t")->table.meta_version, version);
    ck_assert(schema_generation(told.definitions.schema) > generation && prepared == 2);
    schema_forget(told.definitions.schema, "a", "t");
    ck_assert_int_eq(prepared, 1);
    schema_forget_database(told.definitions.schema, "a");
    ck_assert_int_eq(prepared, 0);
    told_close(&told);
}
END_TEST

START_TEST(failures_change_nothing)
{
    static const struct told_column unknown[] = {{"id", "something(7)", NULL}};
    struct told told = told_of(&format);
    struct err_msg msg = {0};
    const struct schema_table *t = told_find(&told, "a", "t"), *other = NULL;
    told_table(&told, "a", "t", unknown, 1, NULL, 0, false);
    uint64_t generation = schema_generation(told.definitions.schema);
    ck_assert_int_eq(told_define(&told, "a", "t", &other, &msg), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(msg.text, "a.t") != NULL && strstr(msg.text, "something(7)") != NULL &&
                      strstr(msg.text, "`id`") != NULL,
                  "%s", msg.text);
    ck_assert(schema_generation(told.definitions.schema) == generation && prepared == 1);
    told_table(&told, "a", "unpreparable", plain, 2, NULL, 0, false);
    ck_assert_int_eq(told_define(&told, "a", "unpreparable", &other, &msg), ERR_NO_MEMORY);
    ck_assert_int_eq(prepared, 1);
    told_table(&told, "a", "t", plain, 2, keys, 2, false);
    ck_assert(told_find(&told, "a", "t") == t && prepared == 1);
    told_close(&told);
    ck_assert_int_eq(prepared, 0);
}
END_TEST

/* Each single difference gives another version. */
START_TEST(versions)
{
    uint64_t seen[9] = {0};
    for (int k = 0; k < 9; k++) {
        struct told_column column[3] = {plain[0], plain[1], {"more", "int(11)", NULL}};
        struct told_key key[2] = {keys[0], keys[1]};
        uint32_t columns = 2, key_count = 2;
        struct told told;
        if (k == 1) column[0].name = key[0].column[0] = key[1].column[1] = "id2";
        if (k == 2) column[0].type = "int(10) unsigned";
        if (k == 3) column[1].charset = "latin1";
        if (k == 4) key[1].name = "other";
        if (k == 5) key_count = 1;
        if (k == 6) key[1] = (struct told_key){"both", {"id", "name"}};
        if (k == 7) columns = 3;
        if (k == 8) key_count = 0;
        told_open(&told, "5.7.29-log", NULL, false, false);
        told_table(&told, "a", "t", column, columns, key, key_count, false);
        seen[k] = told_find(&told, "a", "t")->table.meta_version;
        for (int i = 0; i < k; i++) ck_assert_msg(seen[i] != seen[k], "%d and %d have one version", i, k);
        ck_assert_uint_le(seen[k], INT64_MAX);
        told_close(&told);
    }
}
END_TEST

/* Keys over expressions say nothing to readers; the others come in one order, whoever told them. */
START_TEST(keys_in_order)
{
    static const struct told_key list[] = {
        {"last", {"name"}}, {"expression", {""}}, {"both", {"name", "id"}}, {"PRIMARY", {"id"}}};
    struct told told;
    told_open(&told, "8.0.36", NULL, false, false);
    told_table(&told, "a", "t", plain, 2, list, 4, false);
    const struct change_table *t = &told_find(&told, "a", "t")->table;
    ck_assert_uint_eq(t->key_count, 3);
    ck_assert_str_eq(t->key[0].name, "PRIMARY");
    ck_assert_str_eq(t->key[1].name, "both");
    ck_assert_str_eq(t->key[2].name, "last");
    told_close(&told);
}
END_TEST

/* lower_case_table_names: the binlog may spell a name otherwise. */
START_TEST(ignoring_case)
{
    struct told told;
    told_open(&told, "5.7.29-log", NULL, false, true);
    told_table(&told, "A", "T", plain, 2, keys, 2, false);
    ck_assert_ptr_nonnull(told_find(&told, "a", "t"));
    ck_assert_ptr_eq(told_find(&told, "A", "t"), told_find(&told, "a", "T"));
    told_close(&told);
}
END_TEST

START_TEST(types)
{
    static const struct {
        const char *text;
        enum change_type type;
        bool is_unsigned;
        unsigned precision, scale;
    } list[] = {
        {"tinyint(3) unsigned zerofill", CHANGE_TINYINT, true, 0, 0},
        {"bigint", CHANGE_BIGINT, false, 0, 0},
        {"decimal(65,30) unsigned", CHANGE_DECIMAL, true, 65, 30},
        {"decimal(5,0)", CHANGE_DECIMAL, false, 5, 0},
        {"double(20,5) unsigned", CHANGE_DOUBLE, true, 0, 0},
        {"float", CHANGE_FLOAT, false, 0, 0},
        {"bit(33)", CHANGE_BIT, false, 33, 0},
        {"datetime", CHANGE_DATETIME, false, 0, 0},
        {"datetime(6)", CHANGE_DATETIME, false, 0, 6},
        {"time(2)", CHANGE_TIME, false, 0, 2},
        {"timestamp(3)", CHANGE_TIMESTAMP, false, 0, 3},
        {"timestamp /* 5.5 binary format */", CHANGE_TIMESTAMP, false, 0, 0},
        {"year(4)", CHANGE_YEAR, false, 0, 0},
        {"geomcollection", CHANGE_GEOMETRY, false, 0, 0},
        {"json", CHANGE_JSON, false, 0, 0},
        {"enum('a unsigned','b')", CHANGE_ENUM, false, 0, 0},
        {"set('COMPRESSED')", CHANGE_SET, false, 0, 0},
        {"varchar(100) /*M!100301 COMPRESSED*/", CHANGE_VARCHAR, false, 0, 0},
        {"vector(3)", CHANGE_BLOB, false, 0, 0},
    };
    static const char *const refused[] = {
        "", "timestamp(14)", "decimal(66,0)", "bit(65)", "Int(11)", "integers"};
    for (size_t i = 0; i < sizeof list / sizeof *list + sizeof refused / sizeof *refused; i++) {
        struct told t;
        struct err_msg msg = {0};
        const struct schema_table *table;
        bool good = i < sizeof list / sizeof *list;
        const struct told_column column = {"c", good ? list[i].text : refused[i - sizeof list / sizeof *list], NULL};
        told_open(&t, "5.7.1", NULL, false, false);
        told_table(&t, "a", "t", &column, 1, NULL, 0, false);
        enum err e = told_define(&t, "a", "t", &table, &msg);
        ck_assert_msg(e == (good ? ERR_OK : ERR_UNSUPPORTED), "%s: %s", column.type, err_text(e));
        if (good) {
            const struct change_column *c = table->table.column;
            ck_assert_msg(c->type == list[i].type && c->is_unsigned == list[i].is_unsigned &&
                              c->precision == list[i].precision && c->scale == list[i].scale,
                          "%s", list[i].text);
        }
        told_close(&t);
    }
}
END_TEST

/* MariaDB's system-versioned tables: their hidden period is no stale definition, and a stale definition is none of what
 * is not supported, so that the source is asked for the present one. */
START_TEST(versioned_and_stale)
{
    static const struct told_column old[] = {{"id", "int(11)", NULL}, {"n", "int(11)", NULL}, {"m", "int(11)", NULL}};
    static struct table_map map;
    const struct schema_table *t;
    struct err_msg msg = {0};
    struct told told;
    uint16_t hidden = 0;
    told_open(&told, "10.11.6-MariaDB-log", NULL, false, false);
    told_table(&told, "a", "v", old, 3, NULL, 0, true);
    t = told_find(&told, "a", "v");
    for (uint16_t columns = 1; columns < 9; columns++) { /* as many ints, then the hidden period */
        map = (struct table_map){.column_count = columns};
        for (uint16_t i = 0; i < columns; i++) map.type[i] = COLUMN_LONG;
        for (uint16_t i = columns > 2 ? columns - 2 : 0; i < columns; i++) map.type[i] = COLUMN_TIMESTAMP2;
        enum err e = schema_check_map(t, &map, &hidden, &msg);
        ck_assert_msg(e == (columns == 5 ? ERR_OK : ERR_SCHEMA), "%u columns: %s: %s", columns, err_text(e), msg.text);
    }
    told_close(&told);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schema");
    TCase *tests = tcase_create("schema");
    tcase_add_test(tests, definitions);
    tcase_add_test(tests, failures_change_nothing);
    tcase_add_test(tests, versions);
    tcase_add_test(tests, keys_in_order);
    tcase_add_test(tests, ignoring_case);
    tcase_add_test(tests, types);
    tcase_add_test(tests, versioned_and_stale);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}

/* Goal: definitions say what information_schema says; whatever changes in them changes the version and nothing else
 * does; a failed load leaves the old definitions; the record format's prepare and release come in pairs.  Method: a
 * small table of answers in place of the source (the live tests ask real servers). */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "capture/schema.h"
#include "formats/record_format.h"

struct answer_row {
    const char *field[6];
};

struct source {
    const char *version;
    struct answer_row column[32], key[32];
    int columns, keys;
    bool fails;          /* the query of keys */
    char last_sql[2048]; /* of the columns */
};

static enum err answer(void *context, const char *sql,
                       enum err (*row)(void *, const char *const *, const size_t *, uint32_t), void *row_context,
                       struct err_msg *msg)
{
    struct source *s = context;
    const struct answer_row version = {{s->version}}, *list = NULL;
    int count = 0;
    uint32_t fields = 1;

    if (strstr(sql, "VERSION()") != NULL) list = &version, count = 1;
    if (strstr(sql, "information_schema.COLUMNS") != NULL) {
        snprintf(s->last_sql, sizeof s->last_sql, "%s", sql);
        list = s->column, count = s->columns, fields = 6;
    }
    if (strstr(sql, "information_schema.STATISTICS") != NULL) {
        if (s->fails) return err_set(msg, ERR_DISCONNECTED, "gone");
        list = s->key, count = s->keys, fields = 5;
    }
    for (int i = 0; i < count; i++) {
        size_t bytes[6] = {0};
        for (uint32_t k = 0; k < fields; k++) bytes[k] = list[i].field[k] == NULL ? 0 : strlen(list[i].field[k]);
        TRY(row(row_context, list[i].field, bytes, fields));
    }
    return ERR_OK;
}

static void add_column(struct source *s, const char *database, const char *table, const char *name, const char *type,
                       const char *charset, const char *octets)
{
    s->column[s->columns++] = (struct answer_row){{database, table, name, type, charset, octets}};
}

static void add_key(struct source *s, const char *database, const char *table, const char *key, const char *column)
{
    s->key[s->keys++] = (struct answer_row){{database, table, key, column, "BTREE"}};
}

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

static struct source source_make(void)
{
    struct source s = {.version = "5.7.29-log"};
    add_column(&s, "a", "t", "id", "int(11)", NULL, NULL);
    add_column(&s, "a", "t", "name", "varchar(20)", "utf8mb4", "80");
    add_column(&s, "a", "u", "id", "bigint(20) unsigned", NULL, NULL);
    add_column(&s, "b", "t", "id", "int(11)", NULL, NULL);
    add_key(&s, "a", "t", "PRIMARY", "id");
    add_key(&s, "a", "t", "both", "name");
    add_key(&s, "a", "t", "both", "id");
    return s;
}

static struct filter *filter_of(const char *include)
{
    struct filter *f;
    struct err_msg msg;
    ck_assert(filter_open(&f, (const char *const[]){include, NULL}, NULL, false, &msg) == ERR_OK);
    return f;
}

static const struct schema_table *find(const struct schema *s, const char *database, const char *table)
{
    return schema_find(s, database, strlen(database), table, strlen(table));
}

START_TEST(definitions)
{
    struct source source = source_make();
    struct schema_query query = {answer, &source};
    struct filter *f = filter_of("a");
    struct schema *s;
    struct err_msg msg;

    prepared = 0;
    ck_assert(schema_open(&s, &query, &format, false) == ERR_OK);
    ck_assert(schema_load_selected(s, f, &msg) == ERR_OK);
    ck_assert_uint_eq(schema_table_count(s), 2);
    ck_assert_int_eq(prepared, 2);
    ck_assert_ptr_null(find(s, "b", "t"));
    ck_assert_ptr_null(find(s, "a", "T"));
    const struct change_table *t = &find(s, "a", "t")->table;
    ck_assert_str_eq(t->database, "a");
    ck_assert_uint_eq(t->column_count, 2);
    ck_assert_str_eq(t->column[1].name, "name");
    ck_assert_str_eq(t->column[1].charset, "utf8mb4");
    ck_assert_ptr_null(t->column[0].charset);
    ck_assert_uint_eq(find(s, "a", "t")->column[1].length_bytes, 80);
    ck_assert(find(s, "a", "u")->table.column[0].is_unsigned);
    ck_assert_uint_eq(t->key_count, 2);
    ck_assert_str_eq(t->key[1].name, "both");
    ck_assert(t->key[1].column_count == 2 && t->key[1].column[0] == 1 && t->key[1].column[1] == 0);
    ck_assert_uint_gt(t->meta_version, 0);

    /* The same again: the same objects.  Then: one changes, one goes, one comes. */
    uint64_t generation = schema_generation(s);
    ck_assert(schema_load_selected(s, f, &msg) == ERR_OK);
    ck_assert(&find(s, "a", "t")->table == t && schema_generation(s) == generation && prepared == 2);
    source.column[1].field[3] = "varchar(21)";
    source.column[2].field[1] = "v";
    uint64_t version = t->meta_version;
    ck_assert(schema_load_selected(s, f, &msg) == ERR_OK);
    ck_assert_uint_ne(find(s, "a", "t")->table.meta_version, version);
    ck_assert_ptr_null(find(s, "a", "u"));
    ck_assert_ptr_nonnull(find(s, "a", "v"));
    ck_assert(schema_generation(s) != generation && prepared == 2);
    schema_close(s);
    ck_assert_int_eq(prepared, 0);
    filter_close(f);
}
END_TEST

START_TEST(failures_change_nothing)
{
    struct source source = source_make();
    struct schema_query query = {answer, &source};
    struct filter *f = filter_of("*");
    struct schema *s;
    struct err_msg msg;

    prepared = 0;
    ck_assert(schema_open(&s, &query, &format, false) == ERR_OK);
    ck_assert(schema_load_selected(s, f, &msg) == ERR_OK);
    const struct schema_table *t = find(s, "a", "t");
    uint64_t generation = schema_generation(s);
    struct source good = source;
    source.column[0].field[3] = "bigint(20)";
    source.fails = true; /* in the middle */
    ck_assert_int_eq(schema_load_selected(s, f, &msg), ERR_DISCONNECTED);
    ck_assert_int_eq(schema_load_table(s, "a", "t", &msg), ERR_DISCONNECTED);
    source.fails = false;
    source.column[3].field[3] = "something(7)"; /* no such type */
    ck_assert_int_eq(schema_load_selected(s, f, &msg), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(msg.text, "b.t") != NULL && strstr(msg.text, "something(7)") != NULL &&
                      strstr(msg.text, "`id`") != NULL,
                  "%s", msg.text);
    source.column[3].field[3] = "int(11)";
    source.column[3].field[1] = "unpreparable"; /* the last of three, after one that changed and one that did not */
    ck_assert_int_eq(schema_load_selected(s, f, &msg), ERR_NO_MEMORY);
    ck_assert(find(s, "a", "t") == t && schema_generation(s) == generation && prepared == 3);
    ck_assert_int_eq(t->table.column[0].type, CHANGE_INT);
    source = good;
    ck_assert(schema_load_selected(s, f, &msg) == ERR_OK);
    ck_assert(find(s, "a", "t") == t && prepared == 3);
    schema_close(s);
    ck_assert_int_eq(prepared, 0);
    filter_close(f);
}
END_TEST

START_TEST(one_table)
{
    struct source source = source_make();
    struct schema_query query = {answer, &source};
    struct schema *s;
    struct err_msg msg;

    prepared = 0;
    ck_assert(schema_open(&s, &query, &format, false) == ERR_OK);
    ck_assert(schema_load_table(s, "a", "u", &msg) == ERR_OK); /* the others in the answer are not taken */
    ck_assert_uint_eq(schema_table_count(s), 1);
    ck_assert(schema_load_table(s, "b", "t", &msg) == ERR_OK && schema_load_table(s, "a", "t", &msg) == ERR_OK);
    ck_assert_uint_eq(schema_table_count(s), 3);
    const struct schema_table *t = find(s, "a", "t");
    ck_assert(schema_load_table(s, "a", "t", &msg) == ERR_OK && find(s, "a", "t") == t);
    ck_assert_int_eq(schema_load_table(s, "a", "nosuch", &msg), ERR_NOT_FOUND);
    ck_assert(strstr(msg.text, "a.nosuch") != NULL);
    source.columns = 2; /* a.u and b.t are dropped */
    ck_assert_int_eq(schema_load_table(s, "a", "u", &msg), ERR_NOT_FOUND);
    ck_assert_uint_eq(schema_table_count(s), 2);
    schema_close(s);
    ck_assert_int_eq(prepared, 0);
}
END_TEST

/* Each single difference gives another version. */
START_TEST(versions)
{
    uint64_t seen[10] = {0};
    for (int k = 0; k < 10; k++) {
        struct source source = source_make();
        struct schema_query query = {answer, &source};
        struct schema *s;
        struct err_msg msg;
        if (k == 1) source.column[0].field[2] = "id2", source.key[0].field[3] = source.key[2].field[3] = "id2";
        if (k == 2) source.column[0].field[3] = "int(10) unsigned";
        if (k == 3) source.column[1].field[4] = "latin1";
        if (k == 4) source.column[1].field[5] = "60";
        if (k == 5) source.key[1].field[2] = source.key[2].field[2] = "other";
        if (k == 6) source.keys = 1;
        if (k == 7) source.key[1].field[3] = "id", source.key[2].field[3] = "name";
        if (k == 8) source.columns--, source.column[2] = (struct answer_row){{"a", "t", "more", "int(11)", NULL, NULL}};
        if (k == 9) source.keys = 0;
        ck_assert(schema_open(&s, &query, NULL, false) == ERR_OK);
        ck_assert(schema_load_table(s, "a", "t", &msg) == ERR_OK);
        seen[k] = find(s, "a", "t")->table.meta_version;
        for (int i = 0; i < k; i++) ck_assert_msg(seen[i] != seen[k], "%d and %d have one version", i, k);
        ck_assert_uint_le(seen[k], INT64_MAX);
        schema_close(s);
    }
}
END_TEST

/* Keys over expressions or over columns that are not shown say nothing to readers. */
START_TEST(keys_left_out)
{
    struct source source = source_make();
    struct schema_query query = {answer, &source};
    struct schema *s;
    struct err_msg msg;
    add_key(&source, "a", "t", "expression", NULL);
    add_key(&source, "a", "t", "hidden", "DB_ROW_HASH_1");
    add_key(&source, "a", "t", "last", "name");
    ck_assert(schema_open(&s, &query, NULL, false) == ERR_OK);
    ck_assert(schema_load_table(s, "a", "t", &msg) == ERR_OK);
    const struct change_table *t = &find(s, "a", "t")->table;
    ck_assert_uint_eq(t->key_count, 3);
    ck_assert_str_eq(t->key[2].name, "last");
    schema_close(s);
}
END_TEST

START_TEST(statements)
{
    static const struct {
        const char *include, *expected, *not_expected;
    } list[] = {
        {"shop.x", "TABLE_SCHEMA IN ('shop')", "NOT IN"},
        {"it's.x", "TABLE_SCHEMA IN ('it''s')", NULL},
        {"back\\slash.x", "TABLE_SCHEMA IN (0x6261636b5c736c617368)", "back\\"},
        {"sh*.x", "TABLE_SCHEMA NOT IN ('', 'information_schema', 'performance_schema', 'sys', 'mysql')", NULL},
        {"mysql.user", "TABLE_SCHEMA IN ('mysql')", NULL},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct source source = source_make();
        struct schema_query query = {answer, &source};
        struct filter *f = filter_of(list[i].include);
        struct schema *s;
        struct err_msg msg;
        ck_assert(schema_open(&s, &query, NULL, false) == ERR_OK);
        ck_assert(schema_load_selected(s, f, &msg) == ERR_OK);
        ck_assert_uint_eq(schema_table_count(s), 0);
        ck_assert_msg(strstr(source.last_sql, list[i].expected) != NULL, "%s", source.last_sql);
        ck_assert(list[i].not_expected == NULL || strstr(source.last_sql, list[i].not_expected) == NULL);
        schema_close(s);
        filter_close(f);
    }
}
END_TEST

/* lower_case_table_names: the binlog may spell a name otherwise. */
START_TEST(ignoring_case)
{
    struct source source = source_make();
    struct schema_query query = {answer, &source};
    struct schema *s;
    struct err_msg msg;
    ck_assert(schema_open(&s, &query, NULL, true) == ERR_OK);
    ck_assert(schema_load_table(s, "A", "T", &msg) == ERR_OK);
    ck_assert_ptr_nonnull(find(s, "a", "t"));
    ck_assert_ptr_eq(find(s, "A", "t"), find(s, "a", "T"));
    schema_close(s);
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
        struct source source = {.version = "5.7.1"};
        struct schema_query query = {answer, &source};
        struct schema *s;
        struct err_msg msg;
        bool good = i < sizeof list / sizeof *list;
        add_column(&source, "a", "t", "c", good ? list[i].text : refused[i - sizeof list / sizeof *list], NULL, NULL);
        ck_assert(schema_open(&s, &query, NULL, false) == ERR_OK);
        enum err e = schema_load_table(s, "a", "t", &msg);
        ck_assert_msg(e == (good ? ERR_OK : ERR_UNSUPPORTED), "%s: %s", source.column[0].field[3], err_text(e));
        if (good) {
            const struct change_column *c = find(s, "a", "t")->table.column;
            ck_assert_msg(c->type == list[i].type && c->is_unsigned == list[i].is_unsigned &&
                              c->precision == list[i].precision && c->scale == list[i].scale,
                          "%s", list[i].text);
        }
        schema_close(s);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schema");
    TCase *tests = tcase_create("schema");
    tcase_add_test(tests, definitions);
    tcase_add_test(tests, failures_change_nothing);
    tcase_add_test(tests, one_table);
    tcase_add_test(tests, versions);
    tcase_add_test(tests, keys_left_out);
    tcase_add_test(tests, statements);
    tcase_add_test(tests, ignoring_case);
    tcase_add_test(tests, types);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

/* Statements, one behind the other (NUL between them), applied to a catalog; the first byte picks the kind of server,
 * the second its sql_mode.  Whatever they are: a statement that is refused changes nothing, definitions hold together,
 * and what the catalog writes it reads back to the same. */
#include <string.h>

#include "capture/catalog.h"
#include "capture/ddl.h"
#include "tests/fuzz/fuzz.h"

static void write_all(struct catalog_text *out, const struct catalog *c)
{
    for (uint32_t d = 0; d < catalog_database_count(c); d++) {
        catalog_write_database(out, c, d);
        for (uint32_t i = 0; i < catalog_table_count(c, d); i++) catalog_write_table(out, c, catalog_table_at(c, d, i));
    }
    FUZZ_CHECK(!out->failed);
}

static void check_definition(const struct catalog_table *t)
{
    FUZZ_CHECK(t->kind == CATALOG_VIEW || t->column_count > 0);
    for (uint16_t i = 0; i < t->column_count; i++)
        FUZZ_CHECK(t->column[i].name[0] != 0 && t->column[i].type[0] != 0 &&
                   (t->column[i].charset == NULL) == (t->column[i].collation == NULL));
    for (uint16_t i = 0; i < t->key_count; i++) {
        FUZZ_CHECK(t->key[i].part_count > 0);
        for (uint16_t p = 0; p < t->key[i].part_count; p++)
            FUZZ_CHECK(t->key[i].part[p].column == CATALOG_PART_EXPRESSION ||
                       t->key[i].part[p].column < t->column_count);
    }
}

static void check_read_back(const struct catalog *c)
{
    struct catalog_context context = {.database = "", .explicit_defaults_for_timestamp = true};
    struct catalog *again;
    struct catalog_effect effect;
    struct err_msg msg;
    FUZZ_CHECK(catalog_open(&again, catalog_server(c)) == ERR_OK);
    for (uint32_t d = 0; d < catalog_database_count(c); d++) {
        FUZZ_CHECK(catalog_put_database(again, catalog_database_name(c, d), catalog_database_collation(c, d), &msg) ==
                   ERR_OK);
        for (uint32_t i = 0; i < catalog_table_count(c, d); i++) {
            struct catalog_text one = {0}, two = {0};
            const struct catalog_table *t = catalog_table_at(c, d, i);
            check_definition(t);
            catalog_write_table(&one, c, t);
            if (catalog_apply(again, &context, one.text, one.size, &effect, &msg) != ERR_OK) {
                fprintf(stderr, "%s\n%s\n", msg.text, one.text);
                abort();
            }
            const struct catalog_table *read = catalog_find_table(again, t->database, t->name);
            FUZZ_CHECK(read != NULL);
            catalog_write_table(&two, again, read);
            if (strcmp(one.text, two.text) != 0) {
                fprintf(stderr, "%s\n%s\n", one.text, two.text);
                abort();
            }
            catalog_text_free(&one);
            catalog_text_free(&two);
        }
    }
    catalog_close(again);
}

/* A catalog without anything in it has no text. */
static bool is_same(const struct catalog_text *a, const struct catalog_text *b)
{
    return strcmp(a->text == NULL ? "" : a->text, b->text == NULL ? "" : b->text) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct catalog_server kind[] = {{50173, false, 0}, {50624, false, 1}, {50729, false, 0},
                                                 {90704, false, 2}, {101119, true, 0}, {100323, true, 1}};
    struct catalog *c;
    struct err_msg msg;
    struct catalog_effect effect;
    if (size < 2) return 0;
    struct catalog_context context = {.database = "d", .server_collation = 8};
    context.sql_mode = (uint64_t)(bytes[1] & 1 ? SQL_MODE_ANSI_QUOTES : 0) |
                       (bytes[1] & 2 ? SQL_MODE_REAL_AS_FLOAT : 0) | (bytes[1] & 4 ? SQL_MODE_NO_BACKSLASH_ESCAPES : 0);
    context.explicit_defaults_for_timestamp = (bytes[1] & 8) != 0;
    context.error_code = bytes[1] & 16 ? 1050 : 0;
    FUZZ_CHECK(catalog_open(&c, &kind[bytes[0] % (sizeof kind / sizeof *kind)]) == ERR_OK);
    FUZZ_CHECK(catalog_put_database(c, "d", "latin1_swedish_ci", &msg) == ERR_OK);
    const char *at = (const char *)bytes + 2, *end = (const char *)bytes + size;
    while (at < end) {
        const char *next = memchr(at, 0, (size_t)(end - at));
        size_t length = (size_t)((next == NULL ? end : next) - at);
        struct catalog_text before = {0}, after = {0};
        write_all(&before, c);
        enum err e = catalog_apply(c, &context, at, length, &effect, &msg);
        write_all(&after, c);
        FUZZ_CHECK(e == ERR_OK || (is_same(&before, &after) && effect.count == 0));
        FUZZ_CHECK(e == ERR_OK || e == ERR_UNSUPPORTED || e == ERR_SCHEMA || e == ERR_TOO_LARGE);
        catalog_text_free(&before);
        catalog_text_free(&after);
        if (next == NULL) break;
        at = next + 1;
    }
    check_read_back(c);
    catalog_close(c);
    return 0;
}

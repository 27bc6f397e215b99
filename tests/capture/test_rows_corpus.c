/* Goal: row changes recorded from real servers of four versions, replayed in memory, give exactly the rows that those
 * servers ended with.
 *
 * The recordings lie beside the repository (MILLRACE_SHARED, ../shared or ../../shared): generated/SERVER/NN_*.binlog,
 * and expected/TABLE.jsonl: a line with the columns, then the final rows.  That first line is also what
 * information_schema would have said, so it serves as the source of the definitions.  Skips (77) without the
 * recordings. */
#include <check.h>
#include <dirent.h>
#include <iconv.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/capture/replay.h"
#include "tests/suite.h"

enum { TABLES_MAX = 64 };

struct corpus_table {
    json_t *header, *expected; /* the columns; the rows, an array */
};

struct corpus { /* one folder of recordings */
    char folder[700];
    const char *version;
    struct corpus_table table[TABLES_MAX];
    size_t table_count;
    struct replay replay;
};

static char corpus[512];

static bool find_corpus(void)
{
    const char *candidate[] = {getenv("MILLRACE_SHARED"), "../shared", "../../shared", "../../../shared"};
    struct stat st;

    for (size_t i = 0; i < 4; i++) {
        if (candidate[i] == NULL) continue;
        snprintf(corpus, sizeof corpus, "%s/binlogs/generated", candidate[i]);
        if (stat(corpus, &st) == 0) return true;
    }
    return false;
}

/* ---- definitions ---- */

static void tell(struct corpus *r, const struct corpus_table *t)
{
    static struct told_column told[TOLD_COLUMNS_MAX];
    json_t *columns = json_object_get(t->header, "columns"), *column;
    size_t i;
    const char *name = json_string_value(json_object_get(t->header, "table"));
    json_array_foreach(columns, i, column)
    {
        told[i] = (struct told_column){json_string_value(json_object_get(column, "name")),
                                       json_string_value(json_object_get(column, "type")),
                                       json_string_value(json_object_get(column, "charset"))};
    }
    told_table(&r->replay.told, json_string_value(json_object_get(t->header, "db")), name, told,
               (uint32_t)json_array_size(columns), NULL, 0, strcmp(name, "sv") == 0);
}

static void load_expected(struct corpus *r)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/expected", r->folder);
    DIR *folder = opendir(path);
    ck_assert(folder != NULL);
    for (struct dirent *d; (d = readdir(folder)) != NULL;) {
        if (strstr(d->d_name, ".jsonl") == NULL) continue;
        snprintf(path, sizeof path, "%s/expected/%s", r->folder, d->d_name);
        FILE *in = fopen(path, "r");
        struct corpus_table *t = &r->table[r->table_count++];
        t->expected = json_array();
        for (json_t *line; (line = json_loadf(in, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL)) != NULL;) {
            if (t->header == NULL)
                t->header = line;
            else
                json_array_append_new(t->expected, line);
        }
        fclose(in);
        ck_assert_msg(t->header != NULL, "%s", path);
    }
    closedir(folder);
}

/* ---- replaying ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void replay_files(struct corpus *r)
{
    char *name[64], path[1100];
    size_t count = 0;
    DIR *folder = opendir(r->folder);
    ck_assert(folder != NULL);
    for (struct dirent *d; (d = readdir(folder)) != NULL;)
        if (strstr(d->d_name, ".binlog") != NULL) name[count++] = strdup(d->d_name);
    closedir(folder);
    ck_assert_uint_gt(count, 5);
    qsort(name, count, sizeof *name, by_name);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", r->folder, name[i]);
        replay_file(&r->replay, path);
        free(name[i]);
    }
}

/* ---- comparing ---- */

/* A stored string in UTF-8. */
static char *in_utf8(const char *charset, const struct cell *cell, size_t *size)
{
    static const struct {
        const char *mysql, *iconv;
    } name[] = {{"utf8mb4", "UTF-8"},     {"utf8", "UTF-8"},          {"utf8mb3", "UTF-8"},     {"latin1", "CP1252"},
                {"latin2", "ISO-8859-2"}, {"latin5", "ISO-8859-9"},   {"gbk", "GBK"},           {"gb2312", "GB2312"},
                {"gb18030", "GB18030"},   {"ucs2", "UCS-2BE"},        {"utf16", "UTF-16BE"},    {"utf16le", "UTF-16LE"},
                {"utf32", "UTF-32BE"},    {"sjis", "SHIFT_JISX0213"}, {"cp932", "CP932"},       {"big5", "BIG5"},
                {"euckr", "EUC-KR"},      {"ujis", "EUC-JP"},         {"eucjpms", "EUC-JP-MS"}, {"koi8r", "KOI8-R"},
                {"cp1251", "CP1251"},     {"greek", "ISO-8859-7"},    {"hebrew", "ISO-8859-8"}, {"ascii", "ASCII"}};
    const char *from = NULL;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strcmp(name[i].mysql, charset) == 0) from = name[i].iconv;
    ck_assert_msg(from != NULL, "charset %s", charset);
    iconv_t cd = iconv_open("UTF-8", from);
    size_t in_left = cell->size, room = cell->size * 4 + 16, out_left = room;
    char *in = cell->bytes, *out = malloc(room), *to = out;
    ck_assert_msg(cd != (iconv_t)-1, "iconv from %s", from);
    bool ok = iconv(cd, &in, &in_left, &to, &out_left) != (size_t)-1;
    iconv_close(cd);
    if (!ok) to = out + sprintf(out, "(no %s)", charset);
    *size = (size_t)(to - out);
    return out;
}

static bool equals_hex(const struct cell *cell, const char *hex)
{
    if (strlen(hex) != 2 * cell->size) return false;
    for (size_t i = 0; i < cell->size; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1 || byte != (uint8_t)cell->bytes[i]) return false;
    }
    return true;
}

static bool equals_expected(const struct change_column *c, const struct cell *cell, json_t *expected)
{
    if (json_is_null(expected) || cell->bytes == NULL) return json_is_null(expected) && cell->bytes == NULL;
    json_t *hex = json_object_get(expected, "hex");
    if (hex != NULL) return equals_hex(cell, json_string_value(hex));
    const char *text = json_string_value(expected);
    size_t bytes = json_string_length(expected);
    if (text == NULL)
        return json_integer_value(json_object_get(expected, "len")) ==
               (json_int_t)cell->size; /* only its size is kept */
    if (c->type == CHANGE_FLOAT || c->type == CHANGE_DOUBLE) {
        long double want = strtold(text, NULL), have = strtold(cell->bytes, NULL); /* MySQL 9.7 shows 16 digits only */
        return strtod(text, NULL) == strtod(cell->bytes, NULL) || fabsl(want - have) <= 1e-15L * fabsl(want);
    }
    if (c->type <= CHANGE_BIGINT) /* ZEROFILL is shown, not stored */
        while (*text == '0' && text[1] != 0) text++, bytes--;
    if (c->charset == NULL) return bytes == cell->size && memcmp(text, cell->bytes, bytes) == 0;
    size_t size;
    char *utf8 = in_utf8(c->charset, cell, &size);
    bool same = size == bytes && memcmp(utf8, text, size) == 0;
    free(utf8);
    return same;
}

/* The recorded session made its last partial update with binlog_row_image=MINIMAL: what it changed cannot be known. */
static void take_back_lost_document(struct corpus_table *pj)
{
    json_t *row = json_array_get(pj->expected, 0);
    char text[200];
    const char *last = json_string_value(json_array_get(row, 2)), *at = strstr(last, "\"k3\": 99");
    ck_assert_ptr_nonnull(at);
    snprintf(text, sizeof text, "%.*s\"k3\": 2%s", (int)(at - last), last, at + strlen("\"k3\": 99"));
    json_array_set_new(row, 2, json_string(text));
}

static void compare(const struct corpus *r, const struct corpus_table *t, const struct replay_table *have)
{
    size_t expected_count = json_array_size(t->expected);
    if (have == NULL) {
        ck_assert_msg(expected_count == 0, "%s %s: no rows", r->folder,
                      json_string_value(json_object_get(t->header, "table")));
        return;
    }
    const struct change_table *table = &have->definition->table;

    ck_assert_msg(have->rows.count == expected_count, "%s %s: %zu rows, expected %zu", r->folder, table->table,
                  have->rows.count, expected_count);
    for (size_t e = 0; e < expected_count; e++) {
        json_t *row = json_array_get(t->expected, e);
        size_t at = 0;
        uint16_t best = 0;
        for (; at < have->rows.count; at++) {
            uint16_t i = 0;
            while (i < table->column_count &&
                   equals_expected(&table->column[i], &have->rows.row[at][i], json_array_get(row, i)))
                i++;
            if (i == table->column_count) break;
            if (i > best) best = i;
        }
        if (at < have->rows.count) continue;
        char *text = json_dumps(json_array_get(row, best), JSON_ENCODE_ANY);
        ck_abort_msg("%s %s: no row for expected row %zu; furthest match ends at column `%s` (%s): expected %s",
                     r->folder, table->table, e, table->column[best].name, have->definition->column[best].type_text,
                     text);
    }
}

/* Replays one folder.  `refused`: the tables that must be refused at some point, because a DDL changed them and the
 * definition is of the end; `skipped`: those not compared, because statements (not rows) wrote them. */
static void check_folder(const char *name, const char *refused, const char *skipped, size_t row_events_min)
{
    static const char *const include[] = {"cdc", "cdc2", NULL}, *const exclude[] = {"*.sq", NULL};
    static struct corpus r;

    r = (struct corpus){.version = strstr(name, "mariadb") != NULL ? "10.11.19-MariaDB" : name + strlen("mysql-")};
    snprintf(r.folder, sizeof r.folder, "%s/%s", corpus, name);
    load_expected(&r);
    replay_open(&r.replay, r.version, include, exclude, refused, false);
    for (size_t i = 0; i < r.table_count; i++) tell(&r, &r.table[i]);
    replay_files(&r);
    ck_assert_uint_ge(r.replay.row_events, row_events_min);
    /* Partial updates of JSON in sessions with MINIMAL images: one in the first, all in the second folder. */
    ck_assert_uint_eq(r.replay.lost_documents, strcmp(r.version, "9.7.4") == 0                      ? 1
                                               : strcmp(r.version, "9.7.4-compressed-minimal") == 0 ? 7
                                                                                                    : 0);
    for (size_t i = 0; i < r.table_count; i++) {
        const char *table = json_string_value(json_object_get(r.table[i].header, "table"));
        const struct replay_table *have = replay_find(&r.replay, "cdc", table);
        char word[80];
        snprintf(word, sizeof word, " %s ", table);
        if (strcmp(word, " pj ") == 0) take_back_lost_document(&r.table[i]);
        if (strstr(refused, word) == NULL && strstr(skipped, word) == NULL)
            compare(&r, &r.table[i], have);
        json_decref(r.table[i].header);
        json_decref(r.table[i].expected);
    }
    replay_close(&r.replay);
}

#define REFUSED " d1 d2 d3 d4 d_tmp x from_cdc2 "
#define SKIPPED " st st_ld big from_cdc2 "

START_TEST(mysql_57)
{
    check_folder("mysql-5.7.29", REFUSED, SKIPPED, 80);
}
END_TEST
START_TEST(mysql_57_v1)
{
    check_folder("mysql-5.7.29-v1rows-nogtid-nochecksum", REFUSED, SKIPPED " nc ", 80);
}
END_TEST
START_TEST(mysql_56)
{
    check_folder("mysql-5.6.24", REFUSED, SKIPPED, 80);
}
END_TEST
START_TEST(mysql_56_v1)
{
    check_folder("mysql-5.6.24-v1rows-nogtid-nochecksum", REFUSED, SKIPPED " nc ", 80);
}
END_TEST
START_TEST(mysql_97)
{
    check_folder("mysql-9.7.4", REFUSED, SKIPPED, 80);
}
END_TEST
START_TEST(mysql_97_compressed)
{
    check_folder("mysql-9.7.4-compressed-minimal", REFUSED, SKIPPED " nc pj j ", 80);
}
END_TEST
START_TEST(mariadb_1011)
{
    check_folder("mariadb-10.11.19", REFUSED "", SKIPPED, 80);
}
END_TEST
START_TEST(mariadb_1011_compressed)
{
    check_folder("mariadb-10.11.19-compressed-nochecksum-noannotate", REFUSED "", SKIPPED, 80);
}
END_TEST

int main(void)
{
    if (!find_corpus()) {
        printf("skipped: no recorded binlogs (MILLRACE_SHARED/binlogs/generated)\n");
        return 77;
    }
    Suite *suite = suite_create("rows_corpus");
    TCase *tests = tcase_create("replay");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, mysql_57);
    tcase_add_test(tests, mysql_57_v1);
    tcase_add_test(tests, mysql_56);
    tcase_add_test(tests, mysql_56_v1);
    tcase_add_test(tests, mysql_97);
    tcase_add_test(tests, mysql_97_compressed);
    tcase_add_test(tests, mariadb_1011);
    tcase_add_test(tests, mariadb_1011_compressed);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}

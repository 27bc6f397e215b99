/* Goal: what real servers of many versions recorded, read as folders of files: every file ends in events or in an error
 * with words, none in a crash, a hang or a leak; and where the final rows of the server are known, the records give
 * exactly these, value for value.
 *
 * The recordings: Debian's mariadb-test-data, unpacked (MILLRACE_TEST_DATA; tests/servers recorded), and what lies
 * beside the repository (MILLRACE_SHARED/binlogs; generated/SERVER/NN_*.binlog with expected/TABLE.jsonl: a line
 * with the columns, then the final rows).  Skips (77) without any. */
#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/capture_sim.h"
#include "tests/capture/fake_storage.h"
#include "tests/e2e/stream_record.h"
#include "tests/suite.h"

enum { PATH_BYTES = 1200, TABLES_MAX = 96, DEADLINE_MS = 120000, CHUNK_BYTES = 1 << 20, CHUNKS = 24 };

static char folder[64], schema[96]; /* of the archive; what stands in an earlier file of the recordings */

/* --- one capture over the folder --- */

struct follow {
    struct fake_storage storage;
    struct capture_status status;
};

static void storage_works(void *context)
{
    fake_storage_step(context);
}

static uint64_t now_ms(void)
{
    return clock_monotonic_ns(clock_real()) / 1000000;
}

/* Nobody is copying files into the folder: they are waited for otherwise. */
static void quiet(void)
{
    const struct timespec then[2] = {{1600000000, 0}, {1600000000, 0}};
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *d; (d = readdir(dir)) != NULL;)
        if (d->d_type == DT_REG) ck_assert_int_eq(utimensat(dirfd(dir), d->d_name, then, 0), 0);
    ck_assert_int_eq(futimens(dirfd(dir), then), 0);
    closedir(dir);
}

/* `left_out`: a pattern, or NULL. */
static void follow_folder(struct follow *f, const char *pattern, const char *left_out, const char *schema_file)
{
    struct err_msg msg = {0};
    struct counters *counters;
    struct capture *capture;
    const char *const include[] = {pattern, NULL}, *const exclude[] = {"*.sq", left_out, NULL};
    struct capture_config config = {.channel = "file",
                                    .files = folder,
                                    .schema_file = schema_file,
                                    .server_id = 99,
                                    .include = include,
                                    .exclude = exclude,
                                    .ddl_instance = true,
                                    .statements_warn = true,
                                    .partial_images_none = true,
                                    .text_utf8mb4 = true,
                                    .format = "dts-avro",
                                    .start = CAPTURE_START_EARLIEST,
                                    .heartbeat_ms = 100,
                                    .segment_bytes = 1u << 30,
                                    .batch_bytes_target = 65536,
                                    .record_bytes_max = 24 << 20,
                                    .packet_bytes_max = 64 << 20,
                                    .reconnect_pause_ms_min = 1,
                                    .reconnect_pause_ms_max = 1,
                                    .core = -1};
    char data[96];
    snprintf(data, sizeof data, "%s/data", folder); /* for XA transactions */
    config.data_folder = data;
    quiet();
    fake_storage_init(&f->storage, CHUNK_BYTES, CHUNKS, 3, true);
    ck_assert_int_eq(counters_open(&counters, NULL, 128, &msg), ERR_OK);
    ck_assert_msg(capture_open_simulated(&capture, &config, &f->storage.feed, &f->storage.resume, clock_real(),
                                         counters, NULL, storage_works, &f->storage, &msg) == ERR_OK,
                  "%s", msg.text);
    uint64_t until = now_ms() + DEADLINE_MS;
    do {
        capture_step(capture);
        fake_storage_step(&f->storage);
        capture_status(capture, &f->status);
        ck_assert_msg(now_ms() < until, "hangs in state %d: %s", f->status.state, f->status.error.text);
    } while (f->status.state != CAPTURE_ENDED && f->status.state != CAPTURE_AT_TAIL);
    capture_stop(capture);
    while (fake_storage_step(&f->storage) > 0) continue;
    counters_close(counters);
}

/* --- the folder --- */

static void run_command(const char *format, const char *word)
{
    char command[2 * PATH_BYTES];
    snprintf(command, sizeof command, format, folder, word);
    ck_assert_int_eq(system(command), 0);
}

static void setup(void)
{
    log_set_level(LOG_LEVEL_COUNT);
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* hundreds of flushes */
    snprintf(folder, sizeof folder, "%s/millrace-recorded-XXXXXX", where);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    run_command("mkdir -p %s/data/file", "");
    snprintf(schema, sizeof schema, "%s/schema.sql", folder);
    FILE *s = fopen(schema, "w");
    fputs("CREATE DATABASE cdc CHARACTER SET utf8mb4;\n", s);
    fclose(s);
}

static void teardown(void)
{
    run_command("rm -r %s", "");
}

static void take_file(const char *path, unsigned number)
{
    char name[PATH_BYTES];
    snprintf(name, sizeof name, "%s/binlog.%06u", folder, number);
    unlink(name);
    ck_assert_int_eq(symlink(path, name), 0);
}

static void empty_folder(void)
{
    run_command("rm -rf %1$s/binlog.* %1$s/data; mkdir -p %1$s/data/file", "");
}

/* --- every file --- */

static unsigned files, files_whole, files_refused;

/* Plain, or encrypted by MySQL. */
static bool is_recording(const char *path)
{
    uint8_t magic[4] = {0};
    FILE *f = fopen(path, "rb");
    bool is = f != NULL && fread(magic, 1, 4, f) == 4 && (magic[0] == 0xfe || magic[0] == 0xfd) &&
              memcmp(magic + 1, "bin", 3) == 0;
    if (f != NULL) fclose(f);
    return is;
}

static void check_file(const char *path)
{
    static const char *const patterns[] = {"no_such.table", "*.*"};
    struct follow f;
    files++;
    take_file(path, 1);
    for (size_t i = 0; i < 2; i++) {
        run_command("rm -rf %1$s/data; mkdir -p %1$s/data/file", "");
        follow_folder(&f, patterns[i], NULL, NULL);
        bool is_refused = f.status.state == CAPTURE_ENDED;
        ck_assert_msg(!is_refused || f.status.error.text[0] != '\0', "%s: error %d without words", path,
                      f.status.error.code);
        ck_assert_msg(!is_refused || strstr(f.status.error.text, "binlog.000001") != NULL ||
                          strstr(f.status.error.text, "version") != NULL,
                      "%s: the error names neither file nor version: %s", path, f.status.error.text);
        if (getenv("MILLRACE_VERBOSE") != NULL)
            printf("%s %s: %s\n", path, patterns[i], is_refused ? f.status.error.text : "read to its end");
        if (i == 0) files_whole += !is_refused;
        if (i == 0) files_refused += is_refused;
        fake_storage_fini(&f.storage);
    }
}

static void check_tree(const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char inner[PATH_BYTES];
        struct stat st;
        if (e->d_name[0] == '.') continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (lstat(inner, &st) != 0) continue;
        if (S_ISDIR(st.st_mode)) check_tree(inner);
        if (S_ISREG(st.st_mode) && is_recording(inner)) check_file(inner);
    }
    closedir(d);
}

static const char *test_data(void)
{
    const char *given = getenv("MILLRACE_TEST_DATA");
    return given == NULL ? "" : given;
}

static void shared_path(char *out, const char *rest)
{
    const char *shared = getenv("MILLRACE_SHARED");
    snprintf(out, PATH_BYTES, "%s/binlogs%s", shared == NULL ? "" : shared, rest);
}

START_TEST(every_file)
{
    char path[PATH_BYTES];
    shared_path(path, "");
    check_tree(path);
    check_tree(test_data());
    printf("%u recorded files: %u read to their end, %u refused with words\n", files, files_whole, files_refused);
    ck_assert_uint_eq(files_whole + files_refused, files);
    ck_assert(files == 0 || files_whole >= 10);
}
END_TEST

/* --- final rows --- */

struct rows { /* of a table, from the records */
    char name[200]; /* database.table */
    struct row_bytes *row;
    size_t count, capacity;
};

static struct rows tables[TABLES_MAX];
static size_t table_count;

static struct rows *rows_of(const char *name)
{
    for (size_t i = 0; i < table_count; i++)
        if (strcmp(tables[i].name, name) == 0) return &tables[i];
    ck_assert_uint_lt(table_count, TABLES_MAX);
    snprintf(tables[table_count].name, sizeof tables[0].name, "%s", name);
    return &tables[table_count++];
}

/* The value at *at, which moves behind it; NULL: SQL NULL. */
static const uint8_t *next_value(const struct row_bytes *r, size_t *at, uint32_t *size)
{
    memcpy(size, r->bytes + *at, 4);
    const uint8_t *value = r->bytes + *at + 4;
    *at += 4;
    if (*size == ROW_VALUE_NULL || *size == ROW_VALUE_ABSENT) return NULL;
    *at += *size;
    return value;
}

/* What is absent in the image matches anything. */
static bool matches(const struct row_bytes *row, const struct row_bytes *image)
{
    size_t a = 0, b = 0;
    if (row->column_count != image->column_count) return false;
    for (uint32_t i = 0; i < row->column_count; i++) {
        uint32_t row_size, image_size;
        const uint8_t *have = next_value(row, &a, &row_size), *wanted = next_value(image, &b, &image_size);
        if (image_size == ROW_VALUE_ABSENT) continue;
        if (row_size != image_size || (have != NULL && memcmp(have, wanted, row_size) != 0)) return false;
    }
    return true;
}

static struct row_bytes *find_row(struct rows *t, const struct row_bytes *image)
{
    for (size_t i = 0; i < t->count; i++)
        if (matches(&t->row[i], image)) return &t->row[i];
    return NULL;
}

/* `image`, with what it lacks taken from `old` (NULL: SQL NULL). */
static struct row_bytes fill_row(const struct row_bytes *image, const struct row_bytes *old)
{
    struct row_bytes out = {0};
    size_t a = 0, b = 0;
    for (uint32_t i = 0; i < image->column_count; i++) {
        uint32_t size, old_size;
        const uint8_t *value = next_value(image, &a, &size);
        const uint8_t *old_value = old == NULL ? NULL : next_value(old, &b, &old_size);
        if (size == ROW_VALUE_ABSENT) {
            value = old_value;
            size = old_value == NULL ? 0 : old_size;
        }
        row_add(&out, value, value == NULL ? 0 : size);
    }
    return out;
}

static void apply(const struct stream_record *r)
{
    struct rows *t = rows_of(r->object);
    struct row_bytes *old = r->has_before ? find_row(t, &r->before) : NULL;
    if (r->has_before && old == NULL) return; /* of a table that a statement filled: found out by the comparison */
    struct row_bytes whole = {0};
    if (r->has_after) whole = fill_row(&r->after, old);
    if (old != NULL) {
        row_free(old);
        *old = t->row[--t->count];
    }
    if (!r->has_after) return;
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 64 : 2 * t->capacity;
        t->row = realloc(t->row, t->capacity * sizeof *t->row);
        ck_assert_ptr_nonnull(t->row);
    }
    t->row[t->count++] = whole;
}

static void apply_records(const struct fake_storage *s)
{
    char why[300];
    struct stream_record r = {.before.takes_absent = true, .after.takes_absent = true};
    struct stream_decoder *d = stream_decoder_open(RECORD_SCHEMA, why, sizeof why);
    ck_assert_msg(d != NULL, "%s", why);
    for (uint64_t i = 0; i < s->record_count; i++) {
        ck_assert_msg(stream_decode(d, s->record[i].value, s->record[i].value_bytes, &r, why, sizeof why), "%s", why);
        if (r.operation <= STREAM_DELETE) apply(&r);
    }
    row_free(&r.before);
    row_free(&r.after);
    stream_decoder_close(d);
}

static void rows_clear(void)
{
    for (size_t i = 0; i < table_count; i++) {
        for (size_t k = 0; k < tables[i].count; k++) row_free(&tables[i].row[k]);
        free(tables[i].row);
        tables[i] = (struct rows){.count = 0};
    }
    table_count = 0;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool equals_number(const char *type, const char *have, const char *wanted)
{
    long double a = strtold(have, NULL), b = strtold(wanted, NULL);
    if (begins(type, "float")) return (float)a == (float)b;
    return (double)a == (double)b || fabsl(a - b) <= 1e-15L * fabsl(b); /* MySQL 9.7 shows 16 digits only */
}

static bool is_geometry(const char *type)
{
    return begins(type, "geom") || begins(type, "point") || begins(type, "linestring") || begins(type, "polygon") ||
           begins(type, "multi");
}

/* One value as text against the recorded one. */
static bool equals_value(const char *type, const uint8_t *value, uint32_t size, json_t *expected)
{
    if (json_is_null(expected) || value == NULL) return json_is_null(expected) && value == NULL;
    const char *hex = json_string_value(json_object_get(expected, "hex"));
    if (hex != NULL && is_geometry(type)) hex += 8; /* the SRID, which the record does not carry */
    if (hex != NULL) {
        if (strlen(hex) != 2 * (size_t)size) return false;
        for (uint32_t i = 0; i < size; i++) {
            char pair[3];
            snprintf(pair, sizeof pair, "%02x", value[i]);
            if (strncasecmp(pair, hex + 2 * (size_t)i, 2) != 0) return false;
        }
        return true;
    }
    const char *text = json_string_value(expected);
    size_t bytes = json_string_length(expected);
    if (text == NULL) return json_integer_value(json_object_get(expected, "len")) == (json_int_t)size;
    char have[80], wanted[80];
    if (size >= sizeof have || bytes >= sizeof wanted) return size == bytes && memcmp(text, value, size) == 0;
    snprintf(have, sizeof have, "%.*s", (int)size, (const char *)value);
    snprintf(wanted, sizeof wanted, "%s", text);
    if (begins(type, "float") || begins(type, "double")) return equals_number(type, have, wanted);
    if (begins(type, "datetime") || begins(type, "timestamp") || begins(type, "time"))
        wanted[temporal_trim(wanted, bytes)] = '\0';
    bool is_integer = strstr(type, "int") != NULL && strstr(type, "point") == NULL;
    const char *from = wanted;
    while (is_integer && *from == '0' && from[1] != '\0') from++; /* ZEROFILL is shown, not stored */
    return is_integer || begins(type, "time") || begins(type, "date")
               ? strcmp(have, from) == 0
               : size == bytes && memcmp(text, value, size) == 0;
}

/* How many columns of the row are the expected ones, from the first on. */
static size_t equal_columns(const json_t *columns, const struct row_bytes *row, const json_t *expected)
{
    size_t at = 0, i = 0;
    if (row->column_count != json_array_size(expected)) return 0;
    for (; i < row->column_count; i++) {
        uint32_t size;
        const uint8_t *value = next_value(row, &at, &size);
        const char *type = json_string_value(json_object_get(json_array_get(columns, i), "type"));
        if (!equals_value(type, value, size, json_array_get(expected, i))) break;
    }
    return i;
}

static void compare_table(const char *path, FILE *in, const char *skipped)
{
    json_t *head = json_loadf(in, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL), *line;
    char name[200], word[80];
    size_t expected = 0;
    ck_assert_msg(head != NULL, "%s", path);
    snprintf(word, sizeof word, " %s ", json_string_value(json_object_get(head, "table")));
    snprintf(name, sizeof name, "%s.%s", json_string_value(json_object_get(head, "db")),
             json_string_value(json_object_get(head, "table")));
    const struct rows *t = rows_of(name);
    bool is_skipped = strstr(skipped, word) != NULL;
    const json_t *columns = json_object_get(head, "columns");
    while (!is_skipped && (line = json_loadf(in, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL)) != NULL) {
        size_t best = 0, at = 0;
        for (; at < t->count; at++) {
            size_t equal = equal_columns(columns, &t->row[at], line);
            if (equal == json_array_size(line)) break;
            if (equal > best) best = equal;
        }
        if (at == t->count) {
            char *text = json_dumps(json_array_get(line, best), JSON_ENCODE_ANY);
            ck_abort_msg("%s: no row is row %zu; the nearest ends at column `%s`, expected %.300s (of %zu rows)", path,
                         expected, json_string_value(json_object_get(json_array_get(columns, best), "name")), text,
                         t->count);
        }
        expected++;
        json_decref(line);
    }
    ck_assert_msg(is_skipped || t->count == expected, "%s: %zu rows, expected %zu", path, t->count, expected);
    json_decref(head);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All files of a folder, or those of the sections named, one behind the other. */
static unsigned take_files(const char *path)
{
    char *name[64], whole[PATH_BYTES + 300];
    size_t count = 0;
    DIR *d = opendir(path);
    ck_assert_msg(d != NULL, "%s", path);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strstr(e->d_name, ".binlog") != NULL) name[count++] = strdup(e->d_name);
    closedir(d);
    qsort(name, count, sizeof *name, by_name);
    for (size_t i = 0; i < count; i++) {
        snprintf(whole, sizeof whole, "%s/%s", path, name[i]);
        take_file(whole, (unsigned)i + 1);
        free(name[i]);
    }
    return (unsigned)count;
}

/* ALTER changes rows without a word in the binlog; statements instead of rows; a file that is not kept. */
#define ALTERED " d1 d2 d3 d4 d_tmp x from_cdc2 "
#define STATEMENTS " st st_ld big "

static const struct {
    const char *name, *skipped, *left_out; /* left_out: see partial_json */
} generated[] = {
    {"mysql-5.6.24", ALTERED STATEMENTS},
    {"mysql-5.6.24-v1rows-nogtid-nochecksum", ALTERED STATEMENTS " nc "},
    {"mysql-5.7.29", ALTERED STATEMENTS},
    {"mysql-5.7.29-v1rows-nogtid-nochecksum", ALTERED STATEMENTS " nc "},
    {"mysql-9.7.4", ALTERED STATEMENTS " pj ", "cdc.pj"},
    {"mysql-9.7.4-compressed-minimal", ALTERED STATEMENTS " nc pj j ", "cdc.*j"},
    {"mariadb-10.11.19", ALTERED STATEMENTS},
    {"mariadb-10.11.19-compressed-nochecksum-noannotate", ALTERED STATEMENTS},
};

START_TEST(final_rows)
{
    struct follow f;
    char path[PATH_BYTES], rest[200];
    snprintf(rest, sizeof rest, "/generated/%s", generated[_i].name);
    shared_path(path, rest);
    if (access(path, R_OK) != 0) return;
    empty_folder();
    ck_assert_uint_ge(take_files(path), 8);
    follow_folder(&f, "*.*", generated[_i].left_out, schema);
    ck_assert_msg(f.status.state == CAPTURE_AT_TAIL, "%s: %s", path, f.status.error.text);
    apply_records(&f.storage);
    fake_storage_fini(&f.storage);
    strcat(path, "/expected");
    DIR *d = opendir(path);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char file[PATH_BYTES + 300];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        FILE *in = strstr(e->d_name, ".jsonl") == NULL ? NULL : fopen(file, "r");
        if (in == NULL) continue;
        compare_table(file, in, generated[_i].skipped);
        fclose(in);
    }
    closedir(d);
    rows_clear();
}
END_TEST

/* In some sessions JSON was updated in part with MINIMAL images: the document cannot be known, nothing is made up. */
START_TEST(partial_json)
{
    struct follow f;
    char path[PATH_BYTES];
    shared_path(path, _i == 0 ? "/generated/mysql-9.7.4" : "/generated/mysql-9.7.4-compressed-minimal");
    if (access(path, R_OK) != 0) return;
    take_files(path);
    follow_folder(&f, "cdc.*j", NULL, schema);
    ck_assert_int_eq(f.status.state, CAPTURE_ENDED);
    ck_assert_int_eq(f.status.error.code, ERR_SOURCE_CONFIG);
    ck_assert_ptr_nonnull(strstr(f.status.error.text, "updated in part"));
    fake_storage_fini(&f.storage);
}
END_TEST

int main(void)
{
    char path[PATH_BYTES];
    shared_path(path, "");
    if (access(path, R_OK) != 0 && access(test_data(), R_OK) != 0) {
        printf("skipped: no recorded binlogs (MILLRACE_TEST_DATA, MILLRACE_SHARED/binlogs)\n");
        return 77;
    }
    TCase *cases = tcase_create("recorded");
    tcase_set_timeout(cases, 200);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, every_file);
    tcase_add_loop_test(cases, final_rows, 0, (int)(sizeof generated / sizeof generated[0]));
    tcase_add_loop_test(cases, partial_json, 0, 2);
    Suite *suite = suite_create("recorded");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

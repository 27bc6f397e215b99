/* Goal: what was prepared comes out at its XA COMMIT, once, whole, whatever happens to us in between; what was rolled
 * back never does.
 * Attacks: the spool cut at every byte, changed at every byte, taken up at every offset; captures that die at any step
 * with all that was not durable lost; rows of every kind. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/xa_rows.h"
#include "capture/xa_spool.h"
#include "tests/capture/capture_world.h"
#include "tests/suite.h"
#include "tests/tree.h"

static char folder[64];
static struct err_msg msg;

static void folder_make(void)
{
    snprintf(folder, sizeof folder, "/tmp/millrace-xa-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void folder_remove(void)
{
    (void)tree_remove(folder);
}

/* --- names --- */

START_TEST(names)
{
    struct xid x, y;
    enum xid_verb verb;
    bool one_phase;
    char text[XID_TEXT_BYTES];
    const char *statement = "XA COMMIT X'7831',X'6272',7";
    ck_assert_int_eq(xid_statement(statement, strlen(statement), &verb, &x), ERR_OK);
    ck_assert_int_eq(verb, XID_COMMIT);
    xid_text(&x, text);
    ck_assert_str_eq(text, "X'7831',X'6272',7");
    static const uint8_t body[] = "\x01\x07\0\0\0\x02\0\0\0\x02\0\0\0x1br";
    ck_assert_int_eq(xid_event(cursor_of(body, sizeof body - 1), &one_phase, &y), ERR_OK);
    ck_assert(one_phase && xid_is(&x, &y));
    for (size_t size = 0; size < sizeof body - 1; size++)
        ck_assert_int_ne(xid_event(cursor_of(body, size), &one_phase, &y), ERR_OK);
    for (size_t size = 0; size < strlen(statement); size++)
        ck_assert_int_eq(xid_statement(statement, size, &verb, &x), ERR_INVALID);
    static const char *const other[] = {"XA COMMIT X'7831',X'6273',7", "XA COMMIT X'783162',X'72',7",
                                        "xa commit X'7831',X'6272',8"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(xid_statement(other[i], strlen(other[i]), &verb, &x), ERR_OK);
        ck_assert(!xid_is(&x, &y));
    }
    static const uint8_t long_name[] = "\0\1\0\0\0\x80\0\0\0\1\0\0\0";
    ck_assert_int_eq(xid_event(cursor_of(long_name, sizeof long_name), &one_phase, &y), ERR_CORRUPT);
}
END_TEST

/* --- rows --- */

static uint16_t key_columns[] = {2, 0};
static struct change_column columns[] = {{"id", NULL, CHANGE_BIGINT, true, 0, 0},
                                         {"name", "utf8mb4", CHANGE_VARCHAR, false, 0, 0},
                                         {"price", NULL, CHANGE_DECIMAL, false, 10, 2},
                                         {"at", NULL, CHANGE_TIME, false, 0, 6},
                                         {"when", NULL, CHANGE_TIMESTAMP, false, 0, 3},
                                         {"ratio", NULL, CHANGE_DOUBLE, false, 0, 0}};
static struct change_key keys[] = {{"PRIMARY", key_columns, 2}, {"other", key_columns, 1}};
static struct change_table table = {"shop", "item", columns, keys, 6, 2, 4711, NULL};

START_TEST(definitions)
{
    struct xa_bytes b = {0};
    struct change_table *t;
    ck_assert_int_eq(xa_table_encode(&table, &b), ERR_OK);
    ck_assert_int_eq(xa_table_decode(b.at, b.size, &t), ERR_OK);
    ck_assert_str_eq(t->database, "shop");
    ck_assert_str_eq(t->table, "item");
    ck_assert_uint_eq(t->meta_version, 4711);
    ck_assert(t->column_count == 6 && t->key_count == 2);
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(t->column[i].name, columns[i].name);
        ck_assert((t->column[i].charset == NULL) == (columns[i].charset == NULL));
        ck_assert(t->column[i].type == columns[i].type && t->column[i].is_unsigned == columns[i].is_unsigned &&
                  t->column[i].precision == columns[i].precision && t->column[i].scale == columns[i].scale);
    }
    ck_assert_str_eq(t->column[1].charset, "utf8mb4");
    ck_assert_str_eq(t->key[1].name, "other");
    ck_assert(t->key[0].column_count == 2 && t->key[0].column[0] == 2 && t->key[0].column[1] == 0);
    free(t);
    for (size_t size = 0; size < b.size; size++) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut, b.at, size);
        ck_assert_int_eq(xa_table_decode(cut, size, &t), ERR_CORRUPT);
        free(cut);
    }
    for (size_t i = 0; i < b.size; i++) {
        b.at[i] ^= 0x81;
        if (xa_table_decode(b.at, b.size, &t) == ERR_OK) free(t);
        b.at[i] ^= 0x81;
    }
    xa_bytes_free(&b);
}
END_TEST

START_TEST(values)
{
    struct change_value after[6] = {{.kind = CHANGE_VALUE_UINT, .u = UINT64_MAX},
                                    {.kind = CHANGE_VALUE_BYTES, .size = 5, .bytes = (const uint8_t *)"a\0b c"},
                                    {.kind = CHANGE_VALUE_TEXT, .size = 4, .bytes = (const uint8_t *)"1.25"},
                                    {.kind = CHANGE_VALUE_DATETIME, .t = {999999, 2026, 838, 11, 21, 59, 58, true}},
                                    {.kind = CHANGE_VALUE_TIMESTAMP, .ts = {-5, 123000}},
                                    {.kind = CHANGE_VALUE_DOUBLE, .d = -0.5}};
    struct change_value before[6] = {{.kind = CHANGE_VALUE_INT, .i = -7}, {.kind = CHANGE_VALUE_NULL},
                                     {.kind = CHANGE_VALUE_ABSENT},       {.kind = CHANGE_VALUE_NULL},
                                     {.kind = CHANGE_VALUE_NULL},         {.kind = CHANGE_VALUE_FLOAT, .d = 3.5}};
    struct change_value b[6], a[6];
    struct xa_bytes bytes = {0};
    struct xa_row row;
    ck_assert_int_eq(xa_row_encode(&(struct xa_row){3, CHANGE_UPDATE, 6, 9, 10, 11}, before, after, &bytes), ERR_OK);
    ck_assert_int_eq(xa_row_decode(bytes.at, bytes.size, 6, &row, b, a), ERR_OK);
    ck_assert(row.timestamp_s == 9 && row.start_position == 10 && row.end_position == 11);
    ck_assert(row.table == 3 && row.operation == CHANGE_UPDATE && row.column_count == 6);
    ck_assert(a[0].u == UINT64_MAX && a[1].size == 5 && memcmp(a[1].bytes, "a\0b c", 5) == 0);
    ck_assert(a[2].kind == CHANGE_VALUE_TEXT && a[2].size == 4 && memcmp(a[2].bytes, "1.25", 4) == 0);
    const struct change_datetime *t = &a[3].t;
    ck_assert(t->microsecond == 999999 && t->year == 2026 && t->hour == 838 && t->month == 11 && t->day == 21 &&
              t->minute == 59 && t->second == 58 && t->is_negative);
    ck_assert(a[4].ts.seconds == -5 && a[4].ts.microsecond == 123000 && a[5].d == -0.5);
    ck_assert(b[0].i == -7 && b[1].kind == CHANGE_VALUE_NULL && b[2].kind == CHANGE_VALUE_ABSENT && b[5].d == 3.5);
    ck_assert_int_eq(xa_row_decode(bytes.at, bytes.size, 5, &row, b, a), ERR_CORRUPT);
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut, bytes.at, size);
        ck_assert_int_eq(xa_row_decode(cut, size, 6, &row, b, a), ERR_CORRUPT);
        free(cut);
    }
    ck_assert_int_eq(xa_row_encode(&(struct xa_row){0, CHANGE_DELETE, 6, 0, 0, 0}, before, NULL, &bytes), ERR_OK);
    ck_assert_int_eq(xa_row_decode(bytes.at, bytes.size, 6, &row, b, a), ERR_OK);
    ck_assert_int_eq(row.operation, CHANGE_DELETE);
    xa_bytes_free(&bytes);
}
END_TEST

/* --- the spool --- */

static struct xid name_of(uint32_t n)
{
    struct xid x = {.format = 1, .gtrid_bytes = 4};
    memcpy(x.data, &n, 4);
    return x;
}

static struct xa_spool *spool_open(uint64_t next_offset)
{
    struct xa_spool *s;
    ck_assert_msg(xa_spool_open(&s, folder, next_offset, &msg) == ERR_OK, "%s", msg.text);
    return s;
}

static void prepare(struct xa_spool *s, uint32_t n, uint64_t offset, size_t bytes)
{
    struct xid x = name_of(n);
    uint8_t *body = malloc(bytes + 4);
    memset(body, (int)n, bytes + 4);
    memcpy(body, &n, 4);
    ck_assert_int_eq(xa_spool_begin(s, offset, &msg), ERR_OK);
    ck_assert_int_eq(xa_spool_put(s, 1, body, 4, &msg), ERR_OK);
    ck_assert_int_eq(xa_spool_put(s, 2, body, bytes + 4, &msg), ERR_OK);
    ck_assert_int_eq(xa_spool_prepared(s, &x, offset, &msg), ERR_OK);
    free(body);
}

struct seen {
    uint32_t name;
    unsigned frames;
    size_t bytes;
};

static enum err see(void *context, uint8_t kind, const uint8_t *bytes, size_t size, struct err_msg *m)
{
    struct seen *seen = context;
    (void)m;
    ck_assert_uint_eq(kind, ++seen->frames);
    ck_assert_int_eq(memcmp(bytes, &seen->name, 4), 0);
    for (size_t i = 4; i < size; i++) ck_assert_uint_eq(bytes[i], (uint8_t)seen->name);
    seen->bytes += size;
    return ERR_OK;
}

static void expect(struct xa_spool *s, uint32_t n, size_t bytes)
{
    struct seen seen = {.name = n};
    struct xid x = name_of(n);
    ck_assert_msg(xa_spool_read(s, &x, see, &seen, &msg) == ERR_OK, "%u: %s", n, msg.text);
    ck_assert_uint_eq(seen.frames, 2);
    ck_assert_uint_eq(seen.bytes, bytes + 8);
}

static void done(struct xa_spool *s, uint32_t n, uint64_t offset)
{
    struct xid x = name_of(n);
    ck_assert(xa_spool_has(s, &x));
    ck_assert_int_eq(xa_spool_done(s, &x, offset, &msg), ERR_OK);
    ck_assert(!xa_spool_has(s, &x));
}

/* What is marked below the log's next offset stands, the rest was never. */
START_TEST(offsets_decide)
{
    for (uint64_t next = 0; next <= 8; next++) {
        folder_make();
        struct xa_spool *s = spool_open(0);
        prepare(s, 1, 1, 100);
        prepare(s, 2, 2, 300 * 1000); /* larger than any buffer */
        done(s, 1, 3);
        prepare(s, 1, 4, 50); /* the name again */
        ck_assert_int_eq(xa_spool_begin(s, 5, &msg), ERR_OK);
        ck_assert_int_eq(xa_spool_put(s, 1, "gone", 4, &msg), ERR_OK);
        if (next % 2 == 0) ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
        ck_assert_int_eq(xa_spool_drop(s, &msg), ERR_OK);
        done(s, 2, 5);
        prepare(s, 3, 6, 11);
        prepare(s, 3, 6, 10); /* a name stands for one */
        ck_assert_uint_eq(xa_spool_count(s), 2);
        ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
        xa_spool_close(s);
        for (int again = 0; again < 2; again++) { /* what was dropped does not come back */
            s = spool_open(next);
            struct xid one = name_of(1), two = name_of(2), three = name_of(3);
            ck_assert_uint_eq(xa_spool_has(s, &one), (next > 1 && next <= 3) || next > 4);
            ck_assert_uint_eq(xa_spool_has(s, &two), next > 2 && next <= 5);
            ck_assert_uint_eq(xa_spool_has(s, &three), next > 6);
            if (xa_spool_has(s, &one)) expect(s, 1, next > 4 ? 50 : 100);
            if (xa_spool_has(s, &two)) expect(s, 2, 300 * 1000);
            if (xa_spool_has(s, &three)) expect(s, 3, 10);
            xa_spool_close(s);
            if (again == 0 && next < 8) {
                s = spool_open(next);
                xa_spool_close(s);
            }
        }
        folder_remove();
    }
}
END_TEST

static size_t file_bytes(char path[static 128])
{
    DIR *d = opendir(folder);
    struct stat st = {0};
    int files = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strstr(e->d_name, ".spool") == NULL) continue;
        snprintf(path, 128, "%s/%.40s", folder, e->d_name);
        ck_assert_int_eq(stat(path, &st), 0);
        files++;
    }
    closedir(d);
    ck_assert_int_eq(files, 1);
    return (size_t)st.st_size;
}

/* The file is cut anywhere behind what was synced: what was synced stands. */
START_TEST(torn_tails)
{
    char path[128];
    for (size_t cut = 0;; cut++) {
        folder_make();
        struct xa_spool *s = spool_open(0);
        prepare(s, 1, 1, 100);
        ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
        size_t synced = file_bytes(path);
        prepare(s, 2, 2, 30);
        done(s, 1, 3);
        ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
        size_t size = file_bytes(path);
        xa_spool_close(s);
        bool is_last = synced + cut > size;
        if (!is_last) ck_assert_int_eq(truncate(path, (off_t)(synced + cut)), 0);
        s = spool_open(2);
        expect(s, 1, 100);
        ck_assert_uint_eq(xa_spool_count(s), 1);
        prepare(s, 2, 2, 30); /* as the source sends it again */
        expect(s, 2, 30);
        done(s, 1, 3);
        xa_spool_close(s);
        folder_remove();
        if (is_last) break;
    }
}
END_TEST

enum { FENCE_BYTES = 5 + 8 + 4 + 1 + 1 + 128 + 4 }; /* what each sync adds, unless nothing new is marked */

static void byte_flip(const char *path, size_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x40;
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* A byte of what was synced changes on the disk while nobody has it open: an error with a name and nothing is cut, in
 * the newest file too.  Of the last fence nobody needs to know. */
START_TEST(damage_is_no_torn_tail)
{
    char path[128];
    folder_make();
    struct xa_spool *s = spool_open(0);
    prepare(s, 1, 1, 100);
    ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
    prepare(s, 2, 2, 30);
    prepare(s, 3, 2, 30);
    ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
    xa_spool_close(s);
    size_t size = file_bytes(path);
    for (size_t at = 8; at < size - FENCE_BYTES; at++) {
        byte_flip(path, at);
        enum err e = xa_spool_open(&s, folder, 5, &msg);
        ck_assert_msg(e == ERR_CORRUPT && strstr(msg.text, "damaged at byte") != NULL, "byte %zu: %s", at, msg.text);
        byte_flip(path, at);
        ck_assert_uint_eq(file_bytes(path), size);
    }
    byte_flip(path, size - 10);
    s = spool_open(5);
    ck_assert_uint_eq(xa_spool_count(s), 3);
    xa_spool_close(s);
    folder_remove();
}
END_TEST

/* A byte of what is prepared changes on the disk: it is an error with a name when it is needed, never other rows. */
START_TEST(damage)
{
    char path[128];
    folder_make();
    struct xa_spool *s = spool_open(0);
    prepare(s, 1, 1, 60);
    ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
    size_t size = file_bytes(path) - FENCE_BYTES;
    unsigned refused = 0;
    struct xid x = name_of(1);
    for (size_t at = 8; at < size; at++) {
        byte_flip(path, at);
        struct seen seen = {.name = 1};
        enum err e = xa_spool_read(s, &x, see, &seen, &msg);
        ck_assert(e == ERR_CORRUPT && strstr(msg.text, "damaged") != NULL);
        refused++;
        byte_flip(path, at);
    }
    ck_assert_uint_gt(refused, 100);
    xa_spool_close(s);
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pwrite(fd, "MRXA\x02", 5, 0), 5);
    close(fd);
    ck_assert_int_eq(xa_spool_open(&s, folder, 5, &msg), ERR_NEWER_FORMAT);
    folder_remove();
}
END_TEST

static unsigned spool_files(void)
{
    DIR *d = opendir(folder);
    unsigned count = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) count += strstr(e->d_name, ".spool") != NULL;
    closedir(d);
    return count;
}

/* Much comes and goes beside one that stays: the files do not grow with it; the one that stays is found after each
 * kind of end. */
START_TEST(files_follow_each_other)
{
    enum { BYTES = 4 << 20, TRANSACTIONS = 40 };
    folder_make();
    struct xa_spool *s = spool_open(0);
    uint64_t offset = 1;
    bool had_two = false;
    prepare(s, 7, offset++, 1000);
    for (uint32_t i = 0; i < TRANSACTIONS; i++) {
        prepare(s, 100 + i, offset++, BYTES);
        if (i > 0) done(s, 100 + i - 1, offset++);
        if (i == TRANSACTIONS / 2) { /* as after a crash: both files may be there */
            ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
            xa_spool_close(s);
            s = spool_open(offset);
            ck_assert_uint_eq(spool_files(), 1);
        }
        ck_assert_uint_eq(xa_spool_count(s), 2);
        had_two |= spool_files() == 2;
        ck_assert_uint_le(spool_files(), 2);
        if (i % 3 == 0) xa_spool_release(s, offset);
    }
    ck_assert(had_two);
    expect(s, 7, 1000);
    expect(s, 100 + TRANSACTIONS - 1, BYTES);
    xa_spool_close(s);
    folder_remove();
}
END_TEST

/* Taken up at an offset before the one where a new file took over: the old one still tells what was then. */
START_TEST(the_old_file_counts_until_released)
{
    enum { BYTES = 8 << 20 };
    folder_make();
    struct xa_spool *s = spool_open(0);
    uint64_t offset = 1, before_done = 0;
    prepare(s, 7, offset++, 1000);
    for (uint32_t i = 0; spool_files() < 2; i++) {
        prepare(s, 100 + i, offset++, BYTES);
        if (i == 3) {
            before_done = offset;
            done(s, 7, offset++);
        }
        done(s, 100 + i, offset++);
    }
    prepare(s, 8, offset++, 10);
    ck_assert_int_eq(xa_spool_sync(s, &msg), ERR_OK);
    xa_spool_release(s, before_done); /* not beyond it */
    ck_assert_uint_eq(spool_files(), 2);
    xa_spool_close(s);
    s = spool_open(before_done);
    struct xid x = name_of(8);
    ck_assert(!xa_spool_has(s, &x));
    expect(s, 7, 1000);
    xa_spool_close(s);
    folder_remove();
}
END_TEST

/* --- captures --- */

enum { NAMES = 5, KILLS = 40, PIECE = 5 };

static void rows(struct binlog_maker *m, struct random *r, uint32_t statements)
{
    for (uint32_t i = 0; i < statements; i++) {
        static const char *const where[] = {"kept", "other", "filtered"};
        uint32_t which = (uint32_t)random_below(r, 3);
        bool is_large = random_below(r, 30) == 0;
        binlog_maker_table_map(m, 100 + which, "app", where[which]);
        binlog_maker_write(m, 100 + which, (uint32_t)random_below(r, 1000000), 1 + (uint32_t)random_below(r, 4),
                           is_large ? 40000 : (uint32_t)random_below(r, 200));
    }
}

/* One event of the life of a random XA transaction. */
static void xa_step(struct binlog_maker *m, struct random *r, bool prepared[static NAMES])
{
    uint32_t name = (uint32_t)random_below(r, NAMES);
    if (prepared[name]) {
        binlog_maker_gtid(m);
        binlog_maker_xa(m, random_below(r, 4) == 0 ? "ROLLBACK" : "COMMIT", name);
        prepared[name] = false;
        return;
    }
    bool crashes = random_below(r, 20) == 0, one_phase = random_below(r, 5) == 0;
    binlog_maker_gtid(m);
    if (random_below(r, 4) == 0 && !crashes) binlog_maker_payload_begin(m);
    binlog_maker_xa(m, "START", name);
    rows(m, r, (uint32_t)random_below(r, 4));
    if (crashes) {
        m->gtid_number--;
        binlog_maker_file(m, false);
        return;
    }
    binlog_maker_xa(m, "END", name);
    binlog_maker_xa_prepare(m, name, one_phase);
    if (m->payload != NULL) binlog_maker_payload_end(m, true, 0);
    prepared[name] = !one_phase;
}

struct history {
    struct random random;
    bool prepared[NAMES];
};

static void history_goes_on(struct history *h, struct binlog_maker *m, int transactions)
{
    struct random *r = &h->random;
    for (int i = 0; i < transactions; i++) {
        if (random_below(r, 3) == 0) {
            binlog_maker_gtid(m);
            bool saves = random_below(r, 3) == 0;
            binlog_maker_query(m, "app", "BEGIN");
            rows(m, r, 2);
            if (saves) binlog_maker_query(m, "app", "SAVEPOINT `a`");
            rows(m, r, 2);
            if (saves && random_below(r, 2) == 0) binlog_maker_query(m, "app", "ROLLBACK TO `a`");
            binlog_maker_xid(m);
        } else {
            xa_step(m, r, h->prepared);
        }
        if (random_below(r, 40) == 0) binlog_maker_file(m, true);
        m->now_s += random_below(r, 3) == 0;
    }
}

static void world_begin(struct world *w, uint64_t seed)
{
    static char place[8][sizeof folder]; /* of the worlds of one test */
    static unsigned worlds;
    char path[128];
    world_init(w, seed);
    folder_make();
    snprintf(path, sizeof path, "%s/sim", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_uint_lt(worlds, 8);
    w->config.data_folder = memcpy(place[worlds++], folder, sizeof folder);
    w->config.heartbeat_ms = 1000000000;
}

static void world_end(struct world *w)
{
    world_fini(w);
    snprintf(folder, sizeof folder, "%s", w->config.data_folder);
    folder_remove();
}

/* How much of the newest spool file was there when storage last took a batch: of what came later nothing is durable. */
static off_t spool_size(const struct world *w, char path[static 256])
{
    char place[128];
    struct stat st = {0};
    snprintf(place, sizeof place, "%s/sim/xa", w->config.data_folder);
    DIR *d = opendir(place);
    path[0] = '\0';
    if (d == NULL) return 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char candidate[256];
        if (strstr(e->d_name, ".spool") == NULL) continue;
        snprintf(candidate, sizeof candidate, "%s/%.40s", place, e->d_name);
        if (strcmp(candidate, path) > 0) snprintf(path, 256, "%s", candidate);
    }
    closedir(d);
    return path[0] != '\0' && stat(path, &st) == 0 ? st.st_size : 0;
}

START_TEST(taken_up_again_anywhere)
{
    uint64_t seed = (uint64_t)_i + 1;
    struct world calm, rough;
    struct capture_status status;
    struct random r;
    struct history h = {.prepared = {false}}, again = h;
    random_init(&r, seed);
    random_init(&h.random, seed);
    random_init(&again.random, seed);
    world_begin(&calm, seed);
    history_goes_on(&h, &calm.maker, KILLS * PIECE);
    world_capture(&calm);
    ck_assert_msg(world_run(&calm, 100000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(calm.storage.record_count, 300);

    world_begin(&rough, seed);
    rough.source.breaks_per_million = 3000;
    rough.config.heartbeat_ms = 100;
    for (int i = 0; i < KILLS; i++) {
        char path[256], now[256];
        history_goes_on(&again, &rough.maker, PIECE);
        world_capture(&rough);
        off_t durable = spool_size(&rough, path);
        for (uint64_t k = random_below(&r, 6); k > 0; k--) {
            uint64_t batches = rough.storage.batches;
            ck_assert_msg(world_run(&rough, 1, &status), "ended: %s", status.error.text);
            if (rough.storage.batches > batches) durable = spool_size(&rough, path);
        }
        world_leave(&rough);
        spool_size(&rough, now);
        if (strcmp(path, now) == 0 && path[0] != '\0') ck_assert_int_eq(truncate(path, durable), 0);
    }
    world_capture(&rough);
    ck_assert_msg(world_run(&rough, 100000, &status), "ended: %s", status.error.text);
    world_assert_same_changes(&calm, &rough);
    world_end(&calm);
    world_end(&rough);
}
END_TEST

static uint64_t rows_with(const struct world *w, const char *text)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < w->storage.record_count; i++)
        count += memmem(w->storage.record[i].value, w->storage.record[i].value_bytes, text, strlen(text)) != NULL;
    return count;
}

/* In the order of the commits, with their GTID; what is rolled back is not there; a name may come again. */
START_TEST(at_its_commit)
{
    struct world w;
    struct capture_status status;
    world_begin(&w, 7);
    struct binlog_maker *m = &w.maker;
    for (uint32_t name = 0; name < 3; name++) {
        binlog_maker_gtid(m);
        binlog_maker_xa(m, "START", name);
        binlog_maker_table_map(m, 1, "app", "kept");
        binlog_maker_write(m, 1, name, 2, 26); /* texts "abc...", "bcd..." and so on */
        binlog_maker_xa(m, "END", name);
        binlog_maker_xa_prepare(m, name, false);
    }
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 1); /* the HEARTBEAT of the start */
    ck_assert_ptr_nonnull(strstr(status.gtid, ":3"));
    static const char *const over[] = {"COMMIT", "ROLLBACK", "COMMIT"};
    for (uint32_t name = 3; name-- > 0;) {
        binlog_maker_gtid(m);
        binlog_maker_xa(m, over[name], name);
    }
    binlog_maker_gtid(m);
    binlog_maker_xa(m, "COMMIT", 9); /* prepared before all this: a warning */
    binlog_maker_gtid(m);
    binlog_maker_xa(m, "COMMIT", 0); /* is no longer */
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 1 + 4 + 4);
    ck_assert_uint_eq(status.row_changes, 4);
    ck_assert_uint_eq(status.transactions, 2);
    ck_assert_uint_eq(rows_with(&w, "abcdefghijklmnopqrstuvwxyz"), 1);
    ck_assert_uint_eq(rows_with(&w, "bcdefghijklmnopqrstuvwxyza"), 1); /* that of the one rolled back is not there */
    ck_assert_uint_eq(rows_with(&w, "defghijklmnopqrstuvwxyzabc"), 1);
    const struct fake_record *r = w.storage.record;
    ck_assert(memmem(r[2].value, r[2].value_bytes, "cdefghijklmnopqrstuvwxyzab", 26) != NULL);
    ck_assert(memmem(r[1].value, r[1].value_bytes, ":4", 2) != NULL); /* name 2 was committed first */
    ck_assert(memmem(r[5].value, r[5].value_bytes, ":6", 2) != NULL);
    ck_assert(r[4].position != NULL && r[8].position != NULL && r[3].position == NULL);
    uint64_t unknown = counter_get(counters_add(w.counters, COUNTER_COUNT, "capture_xa_unknown", "channel=sim"));
    ck_assert_uint_eq(unknown, 2);
    world_end(&w);
}
END_TEST

static void statement(struct binlog_maker *m, const char *table_name, uint32_t first_id)
{
    binlog_maker_table_map(m, table_name[0], "app", table_name);
    binlog_maker_write(m, (uint64_t)table_name[0], first_id, 1, 26);
}

/* Rows behind a savepoint that the transaction is rolled back to are not there; a definition first met behind it may be
 * met again. */
START_TEST(savepoints)
{
    struct world w;
    struct capture_status status;
    world_begin(&w, 7);
    struct binlog_maker *m = &w.maker;
    binlog_maker_gtid(m);
    binlog_maker_query(m, "app", "BEGIN");
    statement(m, "kept", 0);
    binlog_maker_query(m, "app", "SAVEPOINT `one`");
    statement(m, "kept", 1);
    binlog_maker_query(m, "app", "SAVEPOINT `two`");
    statement(m, "other", 2);
    binlog_maker_query(m, "app", "ROLLBACK TO `TWO`");
    statement(m, "other", 3);
    binlog_maker_query(m, "app", "ROLLBACK WORK TO SAVEPOINT two");
    statement(m, "other", 4);
    binlog_maker_query(m, "app", "SAVEPOINT `one`"); /* the newer one now */
    statement(m, "kept", 5);
    binlog_maker_query(m, "app", "ROLLBACK TO `one`");
    binlog_maker_xid(m);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 1 + 5);
    ck_assert_uint_eq(status.row_changes, 3);
    static const char *const texts[] = {"abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxyza",
                                        "efghijklmnopqrstuvwxyzabcd"};
    for (uint64_t i = 0; i < 3; i++) {
        const struct fake_record *r = &w.storage.record[2 + i];
        ck_assert_msg(memmem(r->value, r->value_bytes, texts[i], 26) != NULL, "row %lu", (unsigned long)i);
    }
    binlog_maker_gtid(m); /* an XA transaction may have them too */
    binlog_maker_xa(m, "START", 1);
    statement(m, "kept", 6);
    binlog_maker_query(m, "app", "SAVEPOINT `one`");
    statement(m, "other", 7);
    binlog_maker_query(m, "app", "ROLLBACK TO `one`");
    binlog_maker_xa(m, "END", 1);
    binlog_maker_xa_prepare(m, 1, false);
    binlog_maker_gtid(m);
    binlog_maker_xa(m, "COMMIT", 1);
    ck_assert_msg(world_run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(status.row_changes, 4);
    binlog_maker_gtid(m); /* one that the binlog does not tell of */
    binlog_maker_query(m, "app", "BEGIN");
    statement(m, "kept", 8);
    binlog_maker_query(m, "app", "ROLLBACK TO `nowhere`");
    ck_assert(!world_run(&w, 1000, &status));
    ck_assert_int_eq(status.error.code, ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(status.error.text, "nowhere"));
    world_end(&w);
}
END_TEST

/* The least that can be durable behind a mark is one record. */
START_TEST(one_record_behind)
{
    struct world w;
    struct capture_status status;
    world_begin(&w, 7);
    w.config.heartbeat_ms = 100;
    world_capture(&w);
    while (w.storage.record_count == 0) ck_assert(world_run(&w, 1, &status));
    binlog_maker_gtid(&w.maker);
    binlog_maker_xa(&w.maker, "START", 1);
    binlog_maker_table_map(&w.maker, 1, "app", "kept");
    binlog_maker_write(&w.maker, 1, 1, 2, 26);
    binlog_maker_xa(&w.maker, "END", 1);
    binlog_maker_xa_prepare(&w.maker, 1, false);
    uint64_t before = w.storage.record_count;
    w.source.heartbeat_ms = 100;
    for (int i = 0; i < 1000 && (w.storage.record_count == before || status.position < w.maker.position); i++) {
        before = status.position < w.maker.position ? w.storage.record_count : before;
        ck_assert(world_run(&w, 1, &status));
    }
    ck_assert_uint_eq(w.storage.record_count, before + 1);
    world_leave(&w);
    world_capture(&w);
    binlog_maker_gtid(&w.maker);
    binlog_maker_xa(&w.maker, "COMMIT", 1);
    ck_assert(world_run(&w, 30, &status));
    ck_assert_uint_eq(status.row_changes, 2);
    world_end(&w);
}
END_TEST

/* A prepared transaction larger than the memory that we take. */
START_TEST(large_transaction)
{
    struct world w;
    struct capture_status status;
    struct rusage before, after;
    uint32_t events = getenv("MILLRACE_LONG") != NULL ? 4000 : 800; /* of 100 KB */
    world_begin(&w, 7);
    w.storage.keeps_records = false;
    binlog_maker_gtid(&w.maker);
    binlog_maker_xa(&w.maker, "START", 1);
    for (uint32_t i = 0; i < events; i++) {
        binlog_maker_table_map(&w.maker, 1, "app", "kept");
        binlog_maker_write(&w.maker, 1, i, 2, 50000);
    }
    binlog_maker_xa(&w.maker, "END", 1);
    binlog_maker_xa_prepare(&w.maker, 1, false);
    binlog_maker_gtid(&w.maker);
    binlog_maker_xa(&w.maker, "COMMIT", 1);
    getrusage(RUSAGE_SELF, &before);
    world_capture(&w);
    ck_assert_msg(world_run(&w, 1000000, &status), "ended: %s", status.error.text);
    getrusage(RUSAGE_SELF, &after);
    ck_assert_uint_eq(status.row_changes, 2 * events);
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 24 * 1024);
    world_end(&w);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT);
    TCase *cases = tcase_create("xa");
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, names);
    tcase_add_test(cases, definitions);
    tcase_add_test(cases, values);
    tcase_add_test(cases, offsets_decide);
    tcase_add_test(cases, torn_tails);
    tcase_add_test(cases, damage_is_no_torn_tail);
    tcase_add_test(cases, damage);
    tcase_add_test(cases, files_follow_each_other);
    tcase_add_test(cases, the_old_file_counts_until_released);
    tcase_add_loop_test(cases, taken_up_again_anywhere, 0, getenv("MILLRACE_LONG") != NULL ? 200 : 10);
    tcase_add_test(cases, at_its_commit);
    tcase_add_test(cases, savepoints);
    tcase_add_test(cases, one_record_behind);
    tcase_add_test(cases, large_transaction);
    Suite *suite = suite_create("xa");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

#include "tests/capture/archive_folder.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "capture/binlog_header.h"

struct world calm, w;
char folder[64], schema[160];
bool is_copying;

/* --- files --- */

void folder_path(char out[static 160], const char *name)
{
    snprintf(out, 160, "%s/%s", folder, name);
}

void folder_put_bytes(const char *name, const void *bytes, size_t size)
{
    char path[160];
    folder_path(path, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

/* Nobody has written in the folder for long. */
void folder_quiet(void)
{
    const struct timespec then[2] = {{1600000000, 0}, {1600000000, 0}};
    char path[160];
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *d; (d = readdir(dir)) != NULL;)
        if (d->d_type == DT_REG) ck_assert_int_eq(utimensat(dirfd(dir), d->d_name, then, 0), 0);
    closedir(dir);
    folder_path(path, ".");
    ck_assert_int_eq(utimensat(AT_FDCWD, path, then, 0), 0);
}

/* The first `size` bytes (0: all) of a file of the calm source, as it is on a disk. */
void folder_put_file(uint32_t index, size_t size)
{
    const struct stream_sim_file *f = &calm.source.file[index];
    folder_put_bytes(f->name, f->bytes, size == 0 ? f->size : size);
}

void folder_put_files(void)
{
    for (uint32_t i = 0; i < calm.source.file_count; i++) folder_put_file(i, 0);
}

void folder_remove_file(uint32_t index)
{
    char path[160];
    folder_path(path, calm.source.file[index].name);
    ck_assert_int_eq(unlink(path), 0);
}

/* Changes a field of a file's FORMAT_DESCRIPTION, checksum included. */
void folder_patch_format(uint32_t index, size_t at, uint32_t value, unsigned bytes)
{
    uint8_t *b = calm.source.file[index].bytes;
    struct cursor in = cursor_of(b + BINLOG_FIRST_POSITION, BINLOG_HEADER_BYTES);
    struct binlog_header h;
    ck_assert_int_eq(binlog_header_decode(&in, &h), ERR_OK);
    struct sink field = sink_of(b + at, bytes);
    sink_le(&field, value, bytes);
    size_t covered = h.event_size - BINLOG_CHECKSUM_BYTES;
    struct sink sum = sink_of(b + BINLOG_FIRST_POSITION + covered, 4);
    sink_le(&sum, crc32_zlib(0, b + BINLOG_FIRST_POSITION, covered), 4);
}

/* --- running --- */

void folder_transactions(uint32_t first_id, bool with_gtids)
{
    for (uint32_t i = 0; i < TRANSACTIONS; i++) {
        if (with_gtids) binlog_maker_gtid(&calm.maker);
        binlog_maker_query(&calm.maker, "app", "BEGIN");
        binlog_maker_table_map(&calm.maker, 1, "app", i % 2 == 0 ? "kept" : "other");
        binlog_maker_write(&calm.maker, 1, first_id + 10 * i, 3, 40);
        binlog_maker_xid(&calm.maker);
        calm.maker.now_s += 10;
    }
}

void folder_make(uint32_t count, bool with_gtids)
{
    world_init(&calm, 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) binlog_maker_file(&calm.maker, true);
        folder_transactions(1000 * i, with_gtids);
    }
}

void folder_setup(void)
{
    static const char text[] = "CREATE DATABASE app CHARACTER SET utf8mb4;"
                               "CREATE TABLE app.kept (id int NOT NULL, text text, PRIMARY KEY (id)) CHARSET=utf8mb4;"
                               "CREATE TABLE app.other (id int NOT NULL, text text, PRIMARY KEY (id)) CHARSET=utf8mb4;";
    log_set_level(LOG_LEVEL_COUNT);
    is_copying = false;
    snprintf(folder, sizeof folder, "/tmp/millrace-archive-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    folder_path(schema, "schema.sql");
    folder_put_bytes("schema.sql", text, strlen(text));
    folder_make(FILES, true);
    world_init(&w, 1);
    w.config.files = folder;
    w.config.schema_file = schema;
    w.config.heartbeat_ms = 100;
}

void folder_teardown(void)
{
    char command[128];
    world_fini(&calm);
    world_fini(&w);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void storage_works(void *context)
{
    fake_storage_step(context);
}

void folder_open_busy(void)
{
    struct err_msg msg = {0};
    enum err e = capture_open_simulated(&w.capture, &w.config, &w.storage.feed, &w.storage.resume, &w.clock.clock,
                                        w.counters, NULL, storage_works, &w.storage, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
}

void folder_open(void)
{
    folder_quiet();
    folder_open_busy();
}

static uint64_t now_ms(void)
{
    return clock_monotonic_ns(clock_real()) / 1000000;
}

/* Steps until `transactions` are read and nothing more is pending; false: capture ended. */
bool folder_run(uint64_t transactions, struct capture_status *s)
{
    for (uint64_t until = now_ms() + DEADLINE_MS;;) {
        capture_step(w.capture);
        fake_storage_step(&w.storage);
        w.clock.now_ns += 120000000;
        capture_status(w.capture, s);
        if (s->state == CAPTURE_ENDED) return false;
        if (s->state == CAPTURE_AT_TAIL && s->transactions >= transactions) return true;
        ck_assert_msg(now_ms() < until, "state %d after %" PRIu64 " transactions of %" PRIu64 ": %s", s->state,
                      s->transactions, transactions, s->error.text);
    }
}

/* More steps, in which nothing may come.  Somebody writes to the folder in between, if he did before. */
void folder_stays(unsigned steps, uint64_t transactions)
{
    struct capture_status s;
    for (unsigned i = 0; i < steps; i++) {
        if (is_copying) folder_put_bytes(".binlog.000099.Xy12ab", "x", 1);
        capture_step(w.capture);
        fake_storage_step(&w.storage);
        w.clock.now_ns += 120000000;
    }
    capture_status(w.capture, &s);
    ck_assert_msg(s.state != CAPTURE_ENDED, "%s", s.error.text);
    ck_assert_uint_eq(s.transactions, transactions);
}

void folder_run_calm(void)
{
    struct capture_status s;
    world_capture(&calm);
    ck_assert_msg(world_run(&calm, 10000, &s), "%s", s.error.text);
}

void folder_ends_with(enum err code, const char *words, const char *more_words)
{
    struct capture_status s;
    folder_open();
    ck_assert_msg(!folder_run(UINT64_MAX, &s), "it goes on");
    ck_assert_msg(s.error.code == code && strstr(s.error.text, words) != NULL &&
                      strstr(s.error.text, more_words) != NULL,
                  "error %d: %s", s.error.code, s.error.text);
}

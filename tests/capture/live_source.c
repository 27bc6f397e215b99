#include "tests/capture/live_source.h"

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { WAIT_MS = 120000, CHUNK_BYTES = 64 * 1024, CHUNKS = 32, TEXT_BYTES = 8192 };

const char *live_fact(const char *name)
{
    char whole[128];
    snprintf(whole, sizeof whole, "MILLRACE_SOURCE_%s", name);
    const char *value = getenv(whole);
    return value == NULL ? "" : value;
}

struct capture_config live_config(void)
{
    static const char *const include[] = {"shop.*", NULL};
    return (struct capture_config){.channel = "live",
                                   .host = live_fact("HOST"),
                                   .port = (uint16_t)atoi(live_fact("PORT")),
                                   .user = "millrace",
                                   .password = live_fact("PASSWORD"),
                                   .server_id = 4711,
                                   .include = include,
                                   .format = "dts-avro",
                                   .start = CAPTURE_START_NOW,
                                   .heartbeat_ms = 500,
                                   .segment_bytes = 1 << 20,
                                   .batch_bytes_target = 16 * 1024,
                                   .record_bytes_max = 1 << 20,
                                   .packet_bytes_max = 64 << 20,
                                   .reconnect_pause_ms_min = 10,
                                   .reconnect_pause_ms_max = 100,
                                   .core = -1};
}

MYSQL *live_admin(unsigned port)
{
    MYSQL *mysql = mysql_init(NULL);
    if (port == 0) port = (unsigned)atoi(live_fact("PORT"));
    if (mysql_real_connect(mysql, "127.0.0.1", "admin", live_fact("ADMIN_PASSWORD"), NULL, port, NULL,
                           CLIENT_MULTI_STATEMENTS) == NULL)
        ck_abort_msg("%s", mysql_error(mysql));
    return mysql;
}

static void run(MYSQL *mysql, const char *statement, char *out, size_t size)
{
    /* An assertion that holds writes a note, into which other threads' would run. */
    if (mysql_query(mysql, statement) != 0) ck_abort_msg("%s: %s", statement, mysql_error(mysql));
    MYSQL_RES *result = mysql_store_result(mysql);
    MYSQL_ROW row = result == NULL ? NULL : mysql_fetch_row(result);
    if (size > 0) snprintf(out, size, "%s", row == NULL || row[0] == NULL ? "" : row[0]);
    if (result != NULL) mysql_free_result(result);
}

void live_sql(MYSQL *mysql, const char *format, ...)
{
    char statement[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(statement, sizeof statement, format, arguments);
    va_end(arguments);
    run(mysql, statement, NULL, 0);
}

const char *live_ask(MYSQL *mysql, const char *format, ...)
{
    static char answer[TEXT_BYTES];
    char statement[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(statement, sizeof statement, format, arguments);
    va_end(arguments);
    run(mysql, statement, answer, sizeof answer);
    return answer;
}

bool live_is_mariadb(MYSQL *mysql)
{
    return strstr(mysql_get_server_info(mysql), "MariaDB") != NULL;
}

bool live_is_version(MYSQL *mysql, unsigned long least)
{
    return !live_is_mariadb(mysql) && mysql_get_server_version(mysql) >= least;
}

void live_binlogs_anew(MYSQL *mysql)
{
    live_sql(mysql, live_is_version(mysql, 80200) ? "RESET BINARY LOGS AND GTIDS" : "RESET MASTER");
}

bool live_servers(const char *format, ...)
{
    char words[1024], command[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    snprintf(command, sizeof command, "'%s' %s >/dev/null", getenv("MILLRACE_SERVERS"), words);
    return system(command) == 0;
}

void live_nap(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

uint64_t live_now_ms(void)
{
    return clock_monotonic_ns(clock_real()) / 1000000;
}

/* --- the capture --- */

void live_open(struct live_follow *f)
{
    struct err_msg msg = {0};
    f->capture = NULL;
    ck_assert_int_eq(counters_open(&f->counters, NULL, 512, &msg), ERR_OK);
    fake_storage_init(&f->storage, CHUNK_BYTES, CHUNKS, 4, false);
}

void live_start(struct live_follow *f, const struct capture_config *config)
{
    struct err_msg msg = {0};
    enum err e = capture_start(&f->capture, config, &f->storage.feed, &f->storage.resume, clock_real(), f->counters,
                               &msg);
    f->storage.resume.gtid_set = NULL; /* taken over */
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
}

void live_stop(struct live_follow *f)
{
    capture_stop(f->capture);
    f->capture = NULL;
    fake_storage_reattach(&f->storage);
    if (f->storage.record_count == 0) return;
    const struct fake_record *last = &f->storage.record[f->storage.record_count - 1];
    if (last->gtid_set == NULL) return;
    f->storage.resume.gtid_set = (uint8_t *)strdup(last->gtid_set); /* capture_start takes it over */
    f->storage.resume.gtid_set_bytes = (uint32_t)strlen(last->gtid_set);
    f->storage.resume.gtid_set_offset = last->offset;
}

void live_close(struct live_follow *f)
{
    if (f->capture != NULL) capture_stop(f->capture);
    f->capture = NULL;
    fake_storage_fini(&f->storage);
    counters_close(f->counters);
}

uint64_t live_count(const struct live_follow *f, const char *text)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < f->storage.record_count; i++) {
        const struct fake_record *r = &f->storage.record[i];
        count += memmem(r->value, r->value_bytes, text, strlen(text)) != NULL;
    }
    return count;
}

void live_wait(struct live_follow *f, const char *text, uint64_t count)
{
    struct capture_status s;
    for (uint64_t until = live_now_ms() + WAIT_MS; live_now_ms() < until; live_nap(5)) {
        fake_storage_step(&f->storage);
        if (live_count(f, text) >= count) break;
        capture_status(f->capture, &s);
        ck_assert_msg(s.state != CAPTURE_ENDED, "capture ended: %s", s.error.text);
    }
    capture_status(f->capture, &s);
    ck_assert_msg(live_count(f, text) == count, "%" PRIu64 " records with %s, expected %" PRIu64 " (%s)",
                  live_count(f, text), text, count, s.error.text);
}

void live_wait_state(struct live_follow *f, enum capture_state state)
{
    struct capture_status s = {0};
    for (uint64_t until = live_now_ms() + WAIT_MS; live_now_ms() < until; live_nap(5)) {
        fake_storage_step(&f->storage);
        capture_status(f->capture, &s);
        if (s.state == state) return;
        ck_assert_msg(s.state != CAPTURE_ENDED, "capture ended: %s", s.error.text);
    }
    ck_abort_msg("state %d, expected %d: %s", s.state, state, s.error.text);
}

struct err_msg live_wait_error(struct live_follow *f, bool transient)
{
    struct capture_status s = {0};
    for (uint64_t until = live_now_ms() + WAIT_MS; live_now_ms() < until; live_nap(5)) {
        fake_storage_step(&f->storage);
        capture_status(f->capture, &s);
        if (transient ? s.error_is_transient && s.error.code != ERR_OK : s.state == CAPTURE_ENDED) return s.error;
        ck_assert_msg(s.state != CAPTURE_ENDED, "capture ended: %s", s.error.text);
    }
    ck_abort_msg("no error within %d ms: state %d", WAIT_MS, s.state);
}

/* tests/capture/live_source.h -- a capture against a real server, for tests that tests/servers runs: statements on the
 * server, a capture into a fake storage, and waiting for what must come. */
#ifndef TESTS_CAPTURE_LIVE_SOURCE_H
#define TESTS_CAPTURE_LIVE_SOURCE_H

#include <mysql.h>

#include "capture/capture.h"
#include "tests/capture/fake_storage.h"

struct live_follow { /* a capture and its log */
    struct fake_storage storage;
    struct counters *counters;
    struct capture *capture; /* NULL: stopped */
};

/* What tests/servers says of the server ("PORT", "PASSWORD", ...); "" when the test was not run by it. */
const char *live_fact(const char *name);
struct capture_config live_config(void);

/* A connection as admin; `port` 0: the server of the facts. */
MYSQL *live_admin(unsigned port);
/* Must succeed. */
void live_sql(MYSQL *mysql, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first field of the first row, "" for NULL or no row; static. */
const char *live_ask(MYSQL *mysql, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool live_is_mariadb(MYSQL *mysql);
bool live_is_version(MYSQL *mysql, unsigned long least); /* MySQL, 80000 and up */
void live_binlogs_anew(MYSQL *mysql);
/* Runs tests/servers with these words; false: it failed. */
bool live_servers(const char *format, ...) __attribute__((format(printf, 1, 2)));

void live_open(struct live_follow *f);
void live_start(struct live_follow *f, const struct capture_config *config);
/* Stops the capture and takes the log up again as recovery would. */
void live_stop(struct live_follow *f);
void live_close(struct live_follow *f);

/* Records whose value holds `text`. */
uint64_t live_count(const struct live_follow *f, const char *text);
/* Waits until `count` records hold the text; the capture must not end. */
void live_wait(struct live_follow *f, const char *text, uint64_t count);
void live_wait_state(struct live_follow *f, enum capture_state state);
/* Waits until the capture ends, or (transient) says an error; that error. */
struct err_msg live_wait_error(struct live_follow *f, bool transient);
void live_nap(unsigned ms);
uint64_t live_now_ms(void);

#endif

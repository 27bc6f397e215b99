#include "tests/dataplane/site.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { ARGUMENTS_MAX = 40, SEGMENT_BYTES = 16 << 20 };

static void topic_open(struct site *s, struct site_topic *t, const char *name, bool create)
{
    struct err_msg msg = {0};
    snprintf(t->identity.name, sizeof t->identity.name, "%s", name);
    snprintf(t->identity.cluster_id, sizeof t->identity.cluster_id, "of-%.20s", name);
    memcpy(t->identity.topic_id, name, strnlen(name, sizeof t->identity.topic_id)); /* any, but for zero */
    enum err e = storage_log_open(s->storage, &t->identity, create, &t->log, &t->feed, &t->resume, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    ck_assert_int_eq(waiter_init(&t->waiter), ERR_OK);
    if (t->identity.is_internal) return; /* the coordinator is its producer */
    t->feed->producer_waiter = &t->waiter;
    producer_init(&t->producer, t->feed, &t->resume, SEGMENT_BYTES, SITE_SEED);
}

void site_topic_open(struct site *s, struct site_topic *t, const char *name) { topic_open(s, t, name, true); }

static void storage_up(struct site *s, bool create)
{
    struct err_msg msg = {0};
    struct storage_config config = {
        .data_folder = s->folder, .chunk_bytes = 1 << 20, .chunk_count = 32, .leases_per_log = 2,
        .tail_chunks_per_log = 8,
        .segment_bytes = SEGMENT_BYTES, .flush_interval_us = 200, .index_interval_bytes = 4096, .uring_depth = 64,
        .reader_count = 3, .reader_cache_bytes = 8 << 20, .record_bytes_max = 4 << 20, .core = -1};
    ck_assert_msg(storage_start(&s->storage, &config, clock_real(), s->counters, &msg) == ERR_OK, "%s", msg.text);
    memset(&s->offsets, 0, sizeof s->offsets);
    s->offsets.identity.is_internal = true;
    topic_open(s, &s->offsets, "__consumer_offsets", create);
}

static void dataplane_up(struct site *s, uint16_t port)
{
    struct err_msg msg = {0};
    struct listener_config only = {.name = "site", .host = "127.0.0.1", .port = port};
    struct dataplane_config config = {
        .listeners = &only, .listener_count = 1, .serve_thread_count = 2, .connections_max = 64,
        .request_bytes_max = 1 << 20, .fetch_bytes_max = 8 << 20, .send_pinned_bytes_max = 8 << 20,
        .group_initial_rebalance_delay_ms = 100, .group_consumer_session_timeout_ms = 12000,
        .offsets_retention_ms = 3600000, .groups_max = 64,
        .cluster_id = "site", .log_dir = "/", .accounts_max = SITE_ACCOUNTS_MAX,
        .session_lifetime_ms = s->session_lifetime_ms};
    enum err e = dataplane_start(&s->dataplane, &config, s->storage, s->offsets.log, s->offsets.feed, clock_real(),
                                 s->counters, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    snprintf(s->bootstrap, sizeof s->bootstrap, "127.0.0.1:%u", dataplane_port(s->dataplane, 0));
}

void site_start(struct site *s)
{
    struct err_msg msg = {0};
    *s = (struct site){.session_lifetime_ms = s->session_lifetime_ms};
    snprintf(s->folder, sizeof s->folder, "/tmp/millrace-site-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->folder));
    ck_assert_int_eq(counters_open(&s->counters, NULL, 8192, &msg), ERR_OK);
    storage_up(s, true);
    dataplane_up(s, 0);
}

void site_topic_close(struct site_topic *t)
{
    if (!t->identity.is_internal) producer_fini(&t->producer);
    free(t->resume.gtid_set);
    waiter_fini(&t->waiter);
    memset(t, 0, sizeof *t);
}

void site_restart(struct site *s, struct site_topic *topic)
{
    char name[LOG_NAME_BYTES];
    uint16_t port = dataplane_port(s->dataplane, 0);
    memcpy(name, topic->identity.name, sizeof name);
    dataplane_stop(s->dataplane);
    storage_stop(s->storage);
    site_topic_close(topic);
    site_topic_close(&s->offsets);
    storage_up(s, false);
    topic_open(s, topic, name, false);
    dataplane_up(s, port);
}

void site_stop(struct site *s)
{
    char command[128];
    dataplane_stop(s->dataplane);
    storage_stop(s->storage);
    site_topic_close(&s->offsets);
    counters_close(s->counters);
    snprintf(command, sizeof command, "rm -rf %s", s->folder);
    ck_assert_int_eq(system(command), 0);
}


void site_append(struct site_topic *t, uint32_t records, uint32_t value_bytes, int64_t timestamp_ms)
{
    while (!producer_send(&t->producer, records, value_bytes, true, timestamp_ms)) {
        ck_assert_msg(!t->producer.failed, "%s", err_text(t->producer.error));
        waiter_announce(&t->waiter);
        producer_poll(&t->producer);
        if (t->producer.lease_count == 0) waiter_block(&t->waiter, 50);
        waiter_cancel(&t->waiter);
    }
}

void site_settle(struct site_topic *t)
{
    for (int i = 0; i < 1000000 && log_high_watermark(t->log) < t->producer.next_offset; i++) usleep(100);
    ck_assert_uint_eq(log_high_watermark(t->log), t->producer.next_offset);
}

/* --- client programs --- */

void child_start(struct child *c, const char *const *argv, bool with_stderr)
{
    int pipes[2];
    memset(c, 0, sizeof *c);
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    c->pid = fork();
    ck_assert_int_ge(c->pid, 0);
    if (c->pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        if (with_stderr) dup2(pipes[1], STDERR_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(pipes[1]);
    c->out = pipes[0];
}

bool child_read(struct child *c, const char *wanted, int timeout_ms)
{
    uint64_t until = clock_monotonic_ns(clock_real()) + (uint64_t)timeout_ms * 1000000;
    while (wanted == NULL || strstr(c->text, wanted) == NULL) {
        uint64_t now = clock_monotonic_ns(clock_real());
        struct pollfd p = {.fd = c->out, .events = POLLIN};
        if (now >= until || poll(&p, 1, (int)((until - now) / 1000000) + 1) < 0) return false;
        if (p.revents == 0) continue;
        ck_assert_uint_lt(c->size, sizeof c->text - 1);
        ssize_t got = read(c->out, c->text + c->size, sizeof c->text - 1 - c->size);
        if (got <= 0) return wanted == NULL;
        c->size += (size_t)got;
    }
    return true;
}

void child_leave(struct child *c)
{
    kill(c->pid, SIGTERM);
    waitpid(c->pid, NULL, 0);
    close(c->out);
    c->pid = 0;
}

void child_end(struct child *c)
{
    if (c->pid <= 0) return;
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    close(c->out);
    c->pid = 0;
}

const char *kcat(struct site *s, struct child *c, const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX] = {"kcat", "-b", s->bootstrap};
    for (int i = 0; arguments[i] != NULL; i++) {
        ck_assert_int_lt(i + 4, ARGUMENTS_MAX);
        argv[i + 3] = arguments[i];
    }
    child_start(c, argv, true);
    ck_assert_msg(child_read(c, NULL, 120000), "kcat did not end: %s", c->text);
    child_end(c);
    return c->text;
}

/* Goal: a log that does not wait for the disk gives consumers records that a crash may take; all that they saw comes
 * back equal at the same offsets, because only what the source sends again is shown so early: a HEARTBEAT, which nobody
 * can send again, is durable first.  Seeded histories; test_written FIRST COUNT repeats some. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/log.h"
#include "base/random.h"
#include "formats/record_batch.h"
#include "storage/log_files.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

enum { OFFSETS_MAX = 60000 };

static unsigned long first_history = 1, history_count = 100;
static unsigned long lost_shown, failed_lives; /* over all histories: how often there was something to lose */

/* The source has `count` transactions; capture has sent `sent`.  What a record says depends on its transaction and
 * offset alone; what a HEARTBEAT says on when it was made. */
struct world {
    struct rig g;
    struct random random;
    uint64_t count, sent, resend_end, heartbeats;
    bool     resends;
    uint32_t seen[OFFSETS_MAX];   /* checksum of what consumers saw at an offset; 0: nothing */
    uint64_t behind[OFFSETS_MAX]; /* transactions sent when the log ended here */
    bool     is_end[OFFSETS_MAX]; /* of a transaction: the watermark may stand here */
    uint64_t seen_end;
};

static void see(struct world *w)
{
    struct log_cursor cursor = {{0}};
    struct log_slice slice;
    uint64_t end = log_high_watermark(w->g.log), from = w->seen_end > 40 ? w->seen_end - 40 : 0;
    ck_assert_msg(end == 0 || w->is_end[end], "%llu is shown: in a transaction", (unsigned long long)end);
    if (from > end) from = end > 40 ? end - 40 : 0;
    if (from < log_start_offset(w->g.log)) from = log_start_offset(w->g.log);
    for (uint64_t offset = from; offset < end; offset = slice.next_offset) {
        static uint8_t bytes[300000];
        size_t size = 0;
        enum err e = rig_read(&w->g, offset, 40000, true, &cursor, &slice);
        ck_assert_msg(e == ERR_OK, "reading at %llu of %llu: %s", (unsigned long long)offset, (unsigned long long)end,
                      err_text(e));
        ck_assert_uint_le(slice.bytes, sizeof bytes);
        for (uint32_t i = 0; i < slice.piece_count; i++) {
            memcpy(bytes + size, slice.piece[i].bytes, slice.piece[i].size);
            size += slice.piece[i].size;
        }
        rig_release(&w->g, &slice);
        for (size_t at = 0; at < size;) {
            struct record_batch_view view;
            struct record_view record;
            ck_assert_int_eq(record_batch_view(bytes + at, size - at, &view), ERR_OK);
            ck_assert(record_batch_crc_holds(bytes + at, &view));
            struct cursor records = cursor_of(view.records, view.records_bytes);
            while (cursor_left(&records) > 0) {
                ck_assert_int_eq(record_next(&records, &view, &record), ERR_OK);
                uint32_t sum = crc32c(0, record.value, record.value_bytes) | 1;
                uint32_t *seen = &w->seen[record.offset];
                ck_assert_msg(*seen == 0 || *seen == sum, "offset %llu is another record now",
                              (unsigned long long)record.offset);
                *seen = sum;
            }
            at += view.bytes;
        }
    }
    if (end > w->seen_end) w->seen_end = end;
}

static bool send(struct world *w, uint32_t records, uint32_t bytes, uint64_t seed, bool ends_transaction)
{
    struct rig *g = &w->g;
    g->producer.seed = seed;
    for (int tries = 0; !g->producer.failed && !disk_sim_is_dead(g->disk); tries++) {
        ck_assert_msg(tries < 10000, "the store gives no leases");
        if (tries % 200 == 199) g->producer.wanted = 0; /* what it asked for was for another batch */
        if (producer_send(&g->producer, records, bytes, ends_transaction, 1000)) {
            ck_assert_uint_lt(g->producer.next_offset, OFFSETS_MAX);
            w->behind[g->producer.next_offset] = w->sent;
            w->is_end[g->producer.next_offset] = ends_transaction;
            return true;
        }
        (void)storage_step(g->storage);
        clock_simulated_advance(&g->clock, 5000);
        producer_poll(&g->producer);
    }
    return false;
}

static void steps(struct world *w, uint64_t below)
{
    for (uint64_t n = random_below(&w->random, below); n > 0 && !disk_sim_is_dead(w->g.disk); n--) {
        (void)storage_step(w->g.storage);
        clock_simulated_advance(&w->g.clock, random_below(&w->random, 10) == 0 ? 5000000 : 20000);
    }
}

/* A turn of capture: what the source has, or a HEARTBEAT between transactions. */
static void capture(struct world *w)
{
    struct rig *g = &w->g;
    struct random *r = &w->random;
    if (w->resends && w->sent >= w->resend_end) w->resends = false;
    if (!w->resends && random_below(r, 6) == 0) {
        g->producer.is_heartbeat = true;
        (void)send(w, 1, 60, 0x4845415254000000u + ++w->heartbeats * 7919, true);
        g->producer.is_heartbeat = false;
    } else if (w->sent < w->count) {
        struct random t;
        random_init(&t, 31 + w->sent);
        uint32_t records = 1 + (uint32_t)random_below(&t, 5);
        uint32_t bytes = random_below(&t, 15) == 0 ? 14000 : 30 + (uint32_t)random_below(&t, 800);
        uint64_t parts = random_below(&t, 12) == 0 ? 2 + random_below(&t, 4) : 1;
        w->sent++;
        while (parts > 1 && send(w, records, bytes, 1000 + w->sent, false)) {
            parts--;
            steps(w, 12); /* it may become durable, and leave the tail, before it ends */
        }
        if (parts > 1 || !send(w, records, bytes, 1000 + w->sent, true)) w->sent--;
    }
    w->count += random_below(r, 3);
}

static void resume(struct world *w)
{
    struct rig *g = &w->g;
    g->producer.seed = 0;
    w->sent = w->behind[g->resume.next_offset];
    w->resends = g->resume.is_resending;
    w->resend_end = w->count;
    ck_assert_int_eq(log_is_resending(g->log), g->resume.is_resending);
    if (g->resume.next_offset < w->seen_end) {
        lost_shown++;
        ck_assert(g->resume.is_resending);
    }
}

static void live(struct world *w, unsigned turns)
{
    struct rig *g = &w->g;
    for (unsigned i = 0; i < turns && !disk_sim_is_dead(g->disk) && !g->producer.failed; i++) {
        capture(w);
        steps(w, 5);
        if (!disk_sim_is_dead(g->disk) && random_below(&w->random, 3) == 0) see(w);
    }
}

/* Everything consumers saw is there again, and they are not told to wait any more. */
static void catch_up(struct world *w)
{
    struct rig *g = &w->g;
    for (int i = 0; i < 3000 && (log_is_resending(g->log) || log_high_watermark(g->log) < w->seen_end); i++) {
        live(w, 1);
        if (i % 50 == 49) rig_settle(g);
    }
    ck_assert(!log_is_resending(g->log));
    ck_assert_uint_ge(log_high_watermark(g->log), w->seen_end);
    w->seen_end = 0; /* all of it, once more */
    see(w);
}

/* A disk that fails while the process lives: the watermark goes back, and what it was comes again. */
static void fail_and_attach(struct world *w)
{
    struct rig *g = &w->g;
    struct err_msg msg = {.text = ""};
    bool writes = random_below(&w->random, 2) == 0;
    if (writes) disk_sim_fail_writes(g->disk, EIO);
    else disk_sim_fail_syncs(g->disk, EIO);
    live(w, 30);
    rig_settle(g);
    producer_poll(&g->producer);
    if (g->producer.failed) see(w);
    disk_sim_fail_writes(g->disk, 0);
    disk_sim_fail_syncs(g->disk, 0);
    if (!g->producer.failed) return;
    failed_lives++;
    enum err e = storage_log_detach(g->storage, g->log, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    see(w);
    free(g->resume.gtid_set);
    g->resume.gtid_set = NULL;
    e = storage_log_attach(g->storage, g->log, &g->feed, &g->resume, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    g->feed->producer_waiter = &g->producer_waiter;
    producer_fini(&g->producer);
    producer_init(&g->producer, g->feed, &g->resume, g->config.segment_bytes, 0);
    resume(w);
    catch_up(w);
}

static void one_history(unsigned long number)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    struct rig *g = &w.g;
    random_init(&w.random, number);
    rig_init(g, number);
    g->identity.shows_written = true;
    g->config.flush_interval_us = random_below(&w.random, 2) == 0 ? 0 : 1000;
    g->config.tail_chunks_per_log = random_below(&w.random, 2) == 0 ? 1 : 8;
    rig_power(g, 0);
    rig_open(g, true);
    resume(&w);
    ck_assert(!w.resends);
    for (int i = 0; i < 4; i++) {
        live(&w, 20 + (unsigned)random_below(&w.random, 60));
        if (random_below(&w.random, 3) == 0) fail_and_attach(&w);
        if (random_below(&w.random, 4) == 0) { /* a clean stop, also while something is sent again */
            bool resends = log_is_resending(g->log), unfinished = w.resends;
            rig_stop(g);
            rig_power(g, 0);
            rig_open(g, false);
            ck_assert(resends || !g->resume.is_resending);
            ck_assert(!unfinished || g->resume.is_resending);
            resume(&w);
            continue;
        }
        disk_sim_cut_after(g->disk, random_below(&w.random, 60));
        live(&w, 100);
        rig_abandon(g);
        disk_sim_power_cycle(g->disk);
        rig_power(g, 0);
        rig_open(g, false);
        resume(&w);
        ck_assert(w.resends); /* how far consumers had come is not known */
        if (random_below(&w.random, 3) > 0) catch_up(&w);
    }
    catch_up(&w);
    rig_stop(g);
    rig_end(g);
}

START_TEST(what_was_seen_comes_back_equal)
{
    for (unsigned long n = first_history; n < first_history + history_count; n++) {
        if (getenv("VERBOSE") != NULL) fprintf(stderr, "history %lu\n", n);
        one_history(n);
    }
    printf("%lu times power or a failed disk took records that were shown\n", lost_shown);
    if (history_count >= 50) {
        ck_assert_uint_gt(lost_shown, history_count / 10);
        ck_assert_uint_gt(failed_lives, 5);
    }
}
END_TEST

/* A new log of this setting; returns how often it was flushed. */
static struct counter *open_written(struct rig *g, uint32_t flush_interval_us)
{
    g->identity.shows_written = true;
    g->config.flush_interval_us = flush_interval_us;
    rig_power(g, 0);
    rig_open(g, true);
    return counters_add(g->counters, COUNTER_COUNT, "storage_flushes", "channel=orders");
}

/* Storage's turns while so much time passes; with 0 no flush comes due. */
static void pass(struct rig *g, uint64_t ms)
{
    clock_simulated_advance(&g->clock, ms * 1000000);
    for (int i = 0; i < 100; i++) (void)storage_step(g->storage);
}

/* While nothing is flushed, what the source can send again is shown: that is what the setting is for.  A HEARTBEAT
 * holds it back. */
START_TEST(what_is_sent_is_shown_before_it_is_flushed)
{
    struct rig g;
    rig_init(&g, 7);
    struct counter *flushes = open_written(&g, 1000000);
    rig_send(&g, 2, 300, true, 1000);
    pass(&g, 0);
    ck_assert_uint_eq(log_high_watermark(g.log), 0); /* a crash would leave no position to go on from */
    clock_simulated_advance(&g.clock, 2000000000);
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), 2);
    uint64_t flushed = counter_get(flushes);
    for (int i = 1; i < 5; i++) rig_send(&g, 2, 300, true, 1000);
    pass(&g, 0);
    ck_assert_uint_eq(counter_get(flushes), flushed);
    ck_assert_uint_eq(log_high_watermark(g.log), 10);
    rig_read_all(&g, 0, true);
    g.producer.is_heartbeat = true;
    rig_send(&g, 1, 100, true, 1000);
    g.producer.is_heartbeat = false;
    rig_send(&g, 2, 300, true, 1000);
    pass(&g, 0);
    ck_assert_uint_eq(log_high_watermark(g.log), 10);
    pass(&g, 2000);
    ck_assert_uint_eq(log_high_watermark(g.log), 13);
    ck_assert_uint_gt(counter_get(flushes), flushed);
    rig_read_all(&g, 0, true);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* Flushes that show nothing are few; one that shows a HEARTBEAT comes as soon as in any other log. */
START_TEST(a_flush_that_nobody_waits_for_comes_late)
{
    struct rig g;
    rig_init(&g, 17);
    struct counter *flushes = open_written(&g, 500);
    rig_send(&g, 1, 300, true, 1000);
    pass(&g, 1); /* the first shows something */
    ck_assert_uint_eq(log_high_watermark(g.log), 1);
    uint64_t flushed = counter_get(flushes);
    rig_send(&g, 1, 300, true, 1000);
    pass(&g, 8);
    ck_assert_uint_eq(log_high_watermark(g.log), 2);
    ck_assert_uint_eq(counter_get(flushes), flushed);
    pass(&g, 8);
    ck_assert_uint_eq(counter_get(flushes), flushed + 1);
    rig_send(&g, 1, 300, true, 1000);
    pass(&g, 1);
    g.producer.is_heartbeat = true;
    rig_send(&g, 1, 100, true, 1000);
    pass(&g, 1);
    ck_assert_uint_eq(log_high_watermark(g.log), 4);
    ck_assert_uint_eq(counter_get(flushes), flushed + 2);
    rig_read_all(&g, 0, true);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* A transaction is larger than the tail: its beginning is on disk when its end is shown.  `_i`: over many segments. */
START_TEST(what_left_the_tail_in_an_open_transaction_is_read_from_the_disk)
{
    struct rig g;
    rig_init(&g, 11);
    g.config.segment_bytes = _i == 0 ? 8 << 20 : 16384;
    g.config.tail_chunks_per_log = 2;
    struct counter *flushes = open_written(&g, 1000000);
    rig_send(&g, 1, 100, true, 1000);
    clock_simulated_advance(&g.clock, 2000000000);
    rig_settle(&g);
    uint64_t visible = 1;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 30; i++) rig_send(&g, 3, 3000, false, 1000);
        clock_simulated_advance(&g.clock, 2000000000);
        rig_settle(&g);
        uint64_t flushed = counter_get(flushes);
        ck_assert_uint_gt(flushed, 0);
        ck_assert_uint_eq(log_high_watermark(g.log), visible);
        rig_send(&g, 1, 100, true, 1000);
        pass(&g, 0);
        visible = g.producer.next_offset;
        ck_assert_uint_eq(counter_get(flushes), flushed);
        ck_assert_uint_eq(log_high_watermark(g.log), visible);
        ck_assert_uint_eq(rig_read_all(&g, 0, false), visible);
    }
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* The source sends less than consumers saw: the log stops and says so, and goes on under another name. */
START_TEST(a_source_that_cannot_send_it_again_is_told)
{
    struct rig g;
    struct err_msg msg = {.text = ""};
    rig_init(&g, 8);
    g.identity.shows_written = true;
    rig_power(&g, 0);
    rig_open(&g, true);
    for (int i = 0; i < 10; i++) rig_send(&g, 2, 300, true, 1000);
    clock_simulated_advance(&g.clock, 2000000000); /* so that the flush is due */
    rig_settle(&g);
    rig_abandon(&g);
    disk_sim_power_cycle(g.disk);
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert(log_is_resending(g.log));
    log_was_served(g.log, 25); /* a consumer asks for more than there is */
    for (int i = 0; i < 2; i++) rig_send(&g, 1, 300, true, 1000);
    g.producer.is_heartbeat = true;
    rig_send(&g, 1, 100, true, 1000); /* that was all */
    rig_settle(&g);
    ck_assert_int_eq(storage_log_error(g.log, &msg), ERR_SOURCE_HISTORY);
    ck_assert_msg(strstr(msg.text, "no longer comparable") != NULL, "%s", msg.text);
    ck_assert_int_eq(storage_log_detach(g.storage, g.log, &msg), ERR_OK);
    ck_assert(log_is_resending(g.log));
    storage_log_close(g.storage, g.log);
    enum err e = storage_log_renew(g.storage, "orders", "another-cluster", &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    free(g.resume.gtid_set);
    g.resume.gtid_set = NULL;
    rig_open(&g, false);
    ck_assert(!log_is_resending(g.log));
    ck_assert_uint_eq(log_identity(g.log)->leader_epoch, 1);
    ck_assert_uint_eq(log_identity(g.log)->epoch_start[0], 23); /* the log's end then: what was seen beyond is gone */
    ck_assert_uint_eq(log_identity(g.log)->epoch_start[1], 0);
    ck_assert_str_eq(log_identity(g.log)->cluster_id, "another-cluster");
    ck_assert(log_identity(g.log)->shows_written);
    for (int i = 0; i < 10; i++) rig_send(&g, 2, 300, true, 1000);
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), 43);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 3) {
        first_history = strtoul(argv[1], NULL, 10);
        history_count = strtoul(argv[2], NULL, 10);
    }
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("visible: written");
    tcase_set_timeout(c, 0);
    tcase_add_test(c, what_is_sent_is_shown_before_it_is_flushed);
    tcase_add_test(c, a_flush_that_nobody_waits_for_comes_late);
    tcase_add_loop_test(c, what_left_the_tail_in_an_open_transaction_is_read_from_the_disk, 0, 2);
    tcase_add_test(c, a_source_that_cannot_send_it_again_is_told);
    tcase_add_test(c, what_was_seen_comes_back_equal);
    suite_add_tcase(s, c);
    return suite_run(s);
}

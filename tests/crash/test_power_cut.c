/* Goal: whatever the moment at which the power goes, what was visible is there afterwards, at dense offsets, in whole
 * transactions, byte for byte; and the log goes on.  Seeded histories; a failing one is repeated by its number:
 * test_power_cut FIRST COUNT. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

static unsigned long first_history = 1, history_count = IS_SANITIZED ? 150 : 500;

/* What the history has shown to readers, and where its transactions end. */
struct witness {
    uint64_t visible, start;
    uint64_t end[20000]; /* transaction ends, ascending */
    uint32_t end_count;
};

static void random_sends(struct rig *g, struct random *r, struct witness *w, unsigned count)
{
    for (unsigned i = 0; i < count && !disk_sim_is_dead(g->disk) && !g->producer.failed; i++) {
        uint32_t records = 1 + (uint32_t)random_below(r, 6);
        uint32_t bytes = random_below(r, 12) == 0 ? 20000 : 20 + (uint32_t)random_below(r, 900);
        bool ends = random_below(r, 4) != 0;
        g->producer.roll_next = random_below(r, 40) == 0 && g->producer.segment_position > 0;
        for (int tries = 0; tries < 300; tries++) {
            if (producer_send(&g->producer, records, bytes, ends, 1000 + (int64_t)random_below(r, 1000))) {
                if (ends && w->end_count < 20000) w->end[w->end_count++] = g->producer.next_offset;
                break;
            }
            (void)storage_step(g->storage);
            clock_simulated_advance(&g->clock, 1000);
            producer_poll(&g->producer);
            if (disk_sim_is_dead(g->disk) || g->producer.failed) return;
        }
        for (uint64_t steps = random_below(r, 4); steps > 0; steps--) (void)storage_step(g->storage);
        if (random_below(r, 30) == 0) clock_simulated_advance(&g->clock, 2000000000u);  /* retention */
        if (random_below(r, 50) == 0) clock_simulated_advance(&g->clock, 70000000000u); /* checkpoint by age */
        w->visible = log_high_watermark(g->log);
    }
}

static bool is_transaction_end(const struct witness *w, uint64_t offset)
{
    for (uint32_t i = 0; i < w->end_count; i++)
        if (w->end[i] == offset) return true;
    return offset == 0;
}

static void check_after(struct rig *g, struct witness *w)
{
    uint64_t end = log_high_watermark(g->log);
    ck_assert_uint_ge(end, w->visible);
    ck_assert_uint_eq(end, g->resume.next_offset);
    ck_assert_msg(is_transaction_end(w, end), "the log ends inside a transaction, at %llu", (unsigned long long)end);
    if (end > 0) {
        char position[40];
        int size = snprintf(position, sizeof position, "at-%llu", (unsigned long long)end);
        ck_assert_uint_eq(g->resume.position_bytes, (uint32_t)size);
        ck_assert_mem_eq(g->resume.position, position, (size_t)size);
        ck_assert_ptr_nonnull(g->resume.gtid_set);
        size = snprintf(position, sizeof position, "set-%llu", (unsigned long long)g->resume.gtid_set_offset);
        ck_assert_str_eq((const char *)g->resume.gtid_set, position);
        /* It is the newest: each segment begins with one. */
        if (g->resume.segment_position > 0) ck_assert_uint_eq(g->resume.gtid_set_offset, g->resume.segment_base_offset);
    }
    ck_assert(is_transaction_end(w, log_start_offset(g->log)));
    ck_assert_uint_eq(rig_read_all(g, log_start_offset(g->log), false), end - log_start_offset(g->log));
    while (w->end_count > 0 && w->end[w->end_count - 1] > end) w->end_count--;
    w->visible = end;
}

/* Detach and attach, as a channel's stop and start do; the power may go meanwhile. */
static void restart_producer(struct rig *g, struct random *r, struct witness *w)
{
    struct err_msg msg;
    struct log_resume resume;
    if (storage_log_detach(g->storage, g->log, &msg) != ERR_OK) return;
    w->visible = log_high_watermark(g->log);
    if (storage_log_attach(g->storage, g->log, &g->feed, &resume, &msg) != ERR_OK) return;
    while (w->end_count > 0 && w->end[w->end_count - 1] > resume.next_offset) w->end_count--;
    producer_fini(&g->producer);
    producer_init(&g->producer, g->feed, &resume, g->config.segment_bytes, g->seed);
    free(resume.gtid_set);
    random_sends(g, r, w, (unsigned)random_below(r, 60));
}

/* The power goes at a random change; perhaps again during the recovery. */
static void live(struct rig *g, struct random *r, struct witness *w)
{
    disk_sim_cut_after(g->disk, random_below(r, 3) == 0 ? random_below(r, 40) : random_below(r, 400));
    random_sends(g, r, w, 20 + (unsigned)random_below(r, 150));
    if (random_below(r, 4) == 0 && !disk_sim_is_dead(g->disk)) {
        rig_settle(g);
        w->visible = log_high_watermark(g->log);
    }
    if (random_below(r, 4) == 0 && !disk_sim_is_dead(g->disk)) restart_producer(g, r, w);
    uint64_t seen = log_high_watermark(g->log);
    if (seen > w->visible) w->visible = seen;
}

static void one_history(unsigned long number)
{
    static struct witness w;
    struct rig g;
    struct random r;
    struct err_msg msg;
    memset(&w, 0, sizeof w);
    random_init(&r, number);
    rig_init(&g, number);
    g.config.flush_interval_us = random_below(&r, 2) == 0 ? 0 : 500;
    g.config.retention_bytes = random_below(&r, 2) == 0 ? 0 : 250000;
    rig_power(&g, 0);
    rig_open(&g, true);
    for (int life = 0; life < 3; life++) {
        live(&g, &r, &w);
        rig_abandon(&g);
        disk_sim_power_cycle(g.disk);
        for (bool is_up = false; !is_up;) { /* the power may go during recovery, too */
            if (random_below(&r, 3) == 0) disk_sim_cut_after(g.disk, random_below(&r, 25));
            enum err e = rig_try_power(&g, &msg);
            if (e == ERR_OK) e = rig_try_open(&g, false, &msg);
            is_up = e == ERR_OK;
            if (is_up) break;
            ck_assert_msg(disk_sim_is_dead(g.disk), "history %lu, life %d: %s", number, life, msg.text);
            if (g.storage != NULL) {
                if (g.reader != NULL) rig_abandon(&g);
                else storage_abandon_simulated(g.storage);
            }
            g.storage = NULL;
            g.reader = NULL;
            disk_sim_power_cycle(g.disk);
        }
        disk_sim_cut_after(g.disk, UINT64_MAX);
        check_after(&g, &w);
    }
    rig_stop(&g);
    rig_end(&g);
}

START_TEST(what_was_visible_is_kept)
{
    for (unsigned long n = first_history; n < first_history + history_count; n++) {
        if (getenv("VERBOSE") != NULL) fprintf(stderr, "history %lu\n", n);
        one_history(n);
    }
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 3) {
        first_history = strtoul(argv[1], NULL, 10);
        history_count = strtoul(argv[2], NULL, 10);
    }
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("crash");
    TCase *c = tcase_create("power cuts");
    tcase_set_timeout(c, 0);
    tcase_add_test(c, what_was_visible_is_kept);
    suite_add_tcase(s, c);
    return suite_run(s);
}

/* Goal: the power may go at any single change that a deletion, a retention or a compaction of the groups' log makes,
 * and what is there afterwards is whole: a deleted channel is gone or as it was; a log starts at a transaction and
 * holds all from there; every group's newest offset that was answered is found. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "formats/record_batch.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 7 }; /* every change takes minutes under the sanitizers */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { STEP = 7 };
#else
enum { STEP = 1 };
#endif
#else
enum { STEP = 1 };
#endif

/* The power comes back; the store goes up again. */
static void again(struct rig *g)
{
    rig_abandon(g);
    disk_sim_power_cycle(g->disk);
    disk_sim_cut_after(g->disk, UINT64_MAX);
    rig_power(g, 0);
}

/* ---- deletion ---- */

static int count_name(void *context, const char *name)
{
    int *count = context;
    if (strncmp(name, "orders", 6) == 0) ++*count;
    return 0;
}

/* True: the power held until the deletion had ended. */
static bool deletion_cut_after(uint64_t changes)
{
    struct rig g;
    struct err_msg msg = {.text = ""};
    int count = 0;
    rig_start(&g, changes + 1);
    rig_open(&g, true);
    for (int i = 0; i < 30; i++) {
        g.producer.roll_next = i % 10 == 9;
        rig_send(&g, 3, 100, true, 1000);
    }
    rig_settle(&g);
    ck_assert_int_eq(disk_make_folder(g.disk, "data/orders/cut-00000000000000000007"), 0); /* of a repair, once */
    ck_assert_int_eq(storage_log_detach(g.storage, g.log, &msg), ERR_OK);
    uint64_t end = log_high_watermark(g.log);
    disk_sim_cut_after(g.disk, changes);
    storage_log_close(g.storage, g.log);
    g.log = NULL;
    enum err e = storage_log_delete(g.storage, "orders", &msg);
    bool held = !disk_sim_is_dead(g.disk);
    if (held) ck_assert_msg(e == ERR_OK, "%s", msg.text);
    again(&g);
    ck_assert_int_eq(disk_list(g.disk, "data", count_name, &count), 0);
    enum err opened = rig_try_open(&g, false, &msg);
    if (e == ERR_OK || count == 0) {
        ck_assert_int_eq(count, 0);
        ck_assert_int_eq(opened, ERR_NOT_FOUND);
        rig_open(&g, true); /* a new one of the name knows nothing of it */
        ck_assert_uint_eq(log_high_watermark(g.log), 0);
    } else {
        ck_assert_int_eq(count, 1);
        ck_assert_msg(opened == ERR_OK, "%s", msg.text);
        ck_assert_uint_eq(log_high_watermark(g.log), end);
        ck_assert_uint_eq(rig_read_all(&g, 0, false), end);
    }
    rig_stop(&g);
    rig_end(&g);
    return held;
}

START_TEST(a_deletion_interrupted_anywhere)
{
    uint64_t changes = 0;
    while (!deletion_cut_after(changes)) changes++;
    ck_assert_uint_gt(changes, 10);
}
END_TEST

/* ---- retention ---- */

enum { ENDS_MAX = 400 };

static bool send(struct rig *g, bool ends)
{
    for (int tries = 0; tries < 300 && !disk_sim_is_dead(g->disk) && !g->producer.failed; tries++) {
        if (producer_send(&g->producer, 2, 800, ends, 1000)) return true;
        (void)storage_step(g->storage);
        clock_simulated_advance(&g->clock, 1000);
    }
    return false;
}

static bool is_end(const uint64_t *end, int ends, uint64_t offset)
{
    while (ends > 0 && end[ends - 1] != offset) ends--;
    return ends > 0;
}

/* True: the power held to the end. */
static bool retention_cut_after(uint64_t changes, uint64_t *removed)
{
    struct rig g;
    uint64_t end[ENDS_MAX] = {0};
    int ends = 1;
    rig_init(&g, changes + 1);
    g.config.segment_bytes = 16384;
    g.config.retention_bytes = 60000;
    rig_power(&g, 0);
    rig_open(&g, true);
    disk_sim_cut_after(g.disk, changes);
    for (int i = 0; i < 75 && send(&g, i % 3 != 1); i++) {
        if (i % 3 != 1) end[ends++] = g.producer.next_offset;
        for (int steps = 0; steps < 8; steps++) (void)storage_step(g.storage);
        if (i % 9 == 0) clock_simulated_advance(&g.clock, 1100000000u); /* retention looks once a second */
    }
    bool held = !disk_sim_is_dead(g.disk);
    uint64_t visible = log_high_watermark(g.log);
    *removed = log_start_offset(g.log);
    again(&g);
    rig_open(&g, false);
    uint64_t start = log_start_offset(g.log), now = log_high_watermark(g.log);
    ck_assert_msg(is_end(end, ends, start), "after %llu changes the log starts within a transaction, at %llu",
                  (unsigned long long)changes, (unsigned long long)start);
    ck_assert(is_end(end, ends, now) && now >= visible);
    ck_assert_uint_eq(rig_read_all(&g, start, false), now - start);
    rig_stop(&g);
    rig_end(&g);
    return held;
}

START_TEST(a_retention_interrupted_anywhere)
{
    uint64_t changes = 0, removed = 0;
    while (!retention_cut_after(changes, &removed)) changes += STEP;
    ck_assert_uint_gt(changes, 10);
    ck_assert_uint_gt(removed, 0);
}
END_TEST

/* ---- compaction of the groups' log ---- */

enum { GROUPS = 7, COMMITS = 260, SNAPSHOT_EVERY = 40 };

struct commits {
    uint64_t newest[GROUPS];   /* written */
    uint64_t answered[GROUPS]; /* durable */
    uint64_t token, durable;   /* appends so far */
    uint32_t group_of[4000];
    uint64_t value_of[4000];
    uint64_t snapshot_token, snapshot_offset; /* 0: none under way */
};

static bool append(struct rig *g, struct commits *c, uint32_t group)
{
    static uint8_t batch[2000], value[1200];
    struct record_batch_writer w;
    memset(value, 7, sizeof value);
    memcpy(value, &c->newest[group], 8);
    record_batch_begin(&w, batch, sizeof batch, 0, 0);
    ck_assert_int_eq(record_batch_add(&w, 1000, &group, sizeof group, value, sizeof value), ERR_OK);
    size_t size = record_batch_finish(&w);
    struct feed_append *a = ring_spsc_claim(&g->feed->to_storage, (uint32_t)(sizeof *a + size));
    if (a == NULL) return false;
    *a = (struct feed_append){FEED_APPEND, (uint32_t)size, ++c->token};
    memcpy(a + 1, batch, size);
    ring_spsc_commit(&g->feed->to_storage);
    c->group_of[c->token] = group;
    c->value_of[c->token] = c->newest[group];
    return true;
}

/* Takes answers; when a snapshot is wholly durable, what lies before it may go. */
static void take_answers(struct rig *g, struct commits *c)
{
    uint32_t size, kind;
    const void *m;
    while ((m = ring_spsc_next(&g->feed->to_producer, &size)) != NULL) {
        struct feed_durable d;
        memcpy(&kind, m, sizeof kind);
        if (kind != FEED_DURABLE) continue;
        memcpy(&d, m, sizeof d);
        if (d.error != ERR_OK) continue;
        c->durable = d.token;
        if (c->value_of[d.token] > c->answered[c->group_of[d.token]])
            c->answered[c->group_of[d.token]] = c->value_of[d.token];
        if (c->snapshot_token != 0 && d.token == c->snapshot_token) c->snapshot_offset = d.base_offset;
    }
    ring_spsc_release(&g->feed->to_producer);
    if (c->snapshot_token == 0 || c->durable < c->snapshot_token + GROUPS - 1) return;
    struct feed_trim *t = ring_spsc_claim(&g->feed->to_storage, sizeof *t);
    if (t == NULL) return;
    *t = (struct feed_trim){FEED_TRIM, 0, c->snapshot_offset};
    ring_spsc_commit(&g->feed->to_storage);
    c->snapshot_token = 0;
}

/* The newest value of each group that the log holds. */
static void replay(struct rig *g, uint64_t found[static GROUPS])
{
    static uint8_t bytes[400000];
    struct log_cursor cursor = {{0}};
    static struct log_slice slice;
    for (uint64_t offset = log_start_offset(g->log); offset < log_high_watermark(g->log); offset = slice.next_offset) {
        ck_assert_int_eq(rig_read(g, offset, 100000, true, &cursor, &slice), ERR_OK);
        size_t size = 0;
        for (uint32_t i = 0; i < slice.piece_count; i++) {
            memcpy(bytes + size, slice.piece[i].bytes, slice.piece[i].size);
            size += slice.piece[i].size;
        }
        rig_release(g, &slice);
        for (size_t at = 0; at < size;) {
            struct record_batch_view view;
            struct record_view record;
            uint32_t group;
            ck_assert_int_eq(record_batch_view(bytes + at, size - at, &view), ERR_OK);
            struct cursor records = cursor_of(view.records, view.records_bytes);
            ck_assert_int_eq(record_next(&records, &view, &record), ERR_OK);
            memcpy(&group, record.key, sizeof group);
            memcpy(&found[group], record.value, 8);
            at += view.bytes;
        }
    }
}

static bool compaction_cut_after(uint64_t changes, uint64_t *trimmed)
{
    static struct commits c;
    struct rig g;
    uint64_t found[GROUPS] = {0};
    memset(&c, 0, sizeof c);
    rig_init(&g, changes + 1);
    g.config.segment_bytes = 16384;
    snprintf(g.identity.name, sizeof g.identity.name, "__consumer_offsets");
    g.identity.is_internal = true;
    rig_power(&g, 0);
    rig_open(&g, true);
    disk_sim_cut_after(g.disk, changes);
    for (int i = 0; i < COMMITS && !disk_sim_is_dead(g.disk); i++) {
        uint32_t group = (uint32_t)i % GROUPS;
        c.newest[group]++;
        ck_assert(append(&g, &c, group));
        if (i % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1 && c.snapshot_token == 0) {
            c.snapshot_token = c.token + 1;
            for (uint32_t k = 0; k < GROUPS; k++) ck_assert(append(&g, &c, k));
        }
        for (int steps = 0; steps < 12; steps++) (void)storage_step(g.storage);
        if (i % 20 == 0) clock_simulated_advance(&g.clock, 1100000000u);
        take_answers(&g, &c);
    }
    bool held = !disk_sim_is_dead(g.disk);
    *trimmed = log_start_offset(g.log);
    again(&g);
    rig_open(&g, false);
    replay(&g, found);
    for (int k = 0; k < GROUPS; k++)
        ck_assert_msg(found[k] >= c.answered[k] && found[k] <= c.newest[k],
                      "after %llu changes group %d has %llu; %llu was answered", (unsigned long long)changes, k,
                      (unsigned long long)found[k], (unsigned long long)c.answered[k]);
    rig_stop(&g);
    rig_end(&g);
    return held;
}

START_TEST(a_compaction_interrupted_anywhere)
{
    uint64_t changes = 0, trimmed = 0;
    while (!compaction_cut_after(changes, &trimmed)) changes += STEP;
    ck_assert_uint_gt(changes, 100);
    ck_assert_uint_gt(trimmed, 100);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("interruptions");
    tcase_set_timeout(c, 100);
    tcase_add_test(c, a_deletion_interrupted_anywhere);
    tcase_add_test(c, a_retention_interrupted_anywhere);
    tcase_add_test(c, a_compaction_interrupted_anywhere);
    suite_add_tcase(s, c);
    return suite_run(s);
}

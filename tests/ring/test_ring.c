/* Goal: one thread's view of the rings: what is claimed, committed, taken and given back is exactly what was written,
 * in order, at every fill and every place in the buffer; a broadcast reader knows what it missed; a waiter is written
 * to only while it sleeps.  What two threads may see is hunted by stress_ring.c. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "ring/ring_bcast.h"
#include "ring/ring_spsc.h"
#include "ring/wait.h"
#include "tests/suite.h"

enum { CAPACITY = 4096, QUEUE_RECORDS = 50000 };

START_TEST(spsc_refuses_wrong_capacities)
{
    struct ring_spsc r;
    static const uint64_t wrong[] = {0, 1, 2048, 4095, 4097, 12288};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(ring_spsc_init(&r, wrong[i]), ERR_INVALID);
    ck_assert_int_eq(ring_spsc_init(&r, CAPACITY), ERR_OK);
    ck_assert_uint_eq(ring_spsc_record_max(&r), CAPACITY / 4 - 8);
    ring_spsc_fini(&r);
}
END_TEST

START_TEST(spsc_shows_nothing_before_commit_and_frees_nothing_before_release)
{
    struct ring_spsc r;
    uint32_t size;
    ck_assert_int_eq(ring_spsc_init(&r, CAPACITY), ERR_OK);
    unsigned count = 0;
    for (uint8_t *p; (p = ring_spsc_claim(&r, 56)) != NULL; count++) {
        ck_assert_uint_eq((uintptr_t)p % 8, 0);
        memset(p, (int)count, 56);
        ck_assert_ptr_null(ring_spsc_next(&r, &size));
    }
    ck_assert_uint_eq(count, CAPACITY / 64);
    ring_spsc_commit(&r);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *p = ring_spsc_next(&r, &size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq(size, 56);
        ck_assert_uint_eq(p[0], i);
        ck_assert_uint_eq(p[55], i);
        ck_assert_ptr_null(ring_spsc_claim(&r, 0)); /* taken, not yet given back */
    }
    ck_assert_ptr_null(ring_spsc_next(&r, &size));
    ring_spsc_release(&r);
    ck_assert_ptr_nonnull(ring_spsc_claim(&r, 56));
    ring_spsc_fini(&r);
}
END_TEST

/* An empty ring takes the largest record wherever it stands. */
START_TEST(spsc_takes_the_largest_record_at_every_position)
{
    struct ring_spsc r;
    uint32_t size;
    ck_assert_int_eq(ring_spsc_init(&r, CAPACITY), ERR_OK);
    for (unsigned i = 0; i < 3 * CAPACITY / 8; i++) {
        uint32_t max = ring_spsc_record_max(&r);
        uint8_t *p = ring_spsc_claim(&r, max);
        ck_assert_ptr_nonnull(p);
        ck_assert(p >= r.bytes && p + max <= r.bytes + CAPACITY);
        memset(p, 0xa5, max);
        ring_spsc_commit(&r);
        ck_assert_ptr_eq(ring_spsc_next(&r, &size), p);
        ck_assert_uint_eq(size, max);
        ring_spsc_release(&r);
        ck_assert_ptr_nonnull(ring_spsc_claim(&r, 0)); /* moves on by eight bytes */
        ring_spsc_commit(&r);
        ck_assert_ptr_nonnull(ring_spsc_next(&r, &size));
        ck_assert_uint_eq(size, 0);
        ring_spsc_release(&r);
    }
    ring_spsc_fini(&r);
}
END_TEST

static void fill(uint8_t *p, uint32_t size, uint64_t seq)
{
    for (uint32_t i = 0; i < size; i++) p[i] = (uint8_t)(seq * 31 + i);
}

/* Random claims, commits, takes and releases against two counters: nothing lost, nothing twice, no byte changed. */
START_TEST(spsc_equals_a_queue)
{
    struct ring_spsc r;
    struct random random;
    uint64_t claimed = 0, committed = 0, taken = 0;
    static uint32_t sizes[QUEUE_RECORDS];
    static uint8_t want[CAPACITY];
    ck_assert_int_eq(ring_spsc_init(&r, CAPACITY), ERR_OK);
    random_init(&random, 7);
    while (claimed < QUEUE_RECORDS) {
        uint32_t size =
            (uint32_t)random_below(&random, random_below(&random, 8) == 0 ? ring_spsc_record_max(&r) + 1 : 64);
        const uint8_t *p;
        switch (random_below(&random, 4)) {
        case 0:
        case 1: {
            uint8_t *room = ring_spsc_claim(&r, size);
            if (room == NULL) {
                ring_spsc_commit(&r);
                committed = claimed;
                break;
            }
            fill(room, size, claimed);
            sizes[claimed++] = size;
            break;
        }
        case 2: ring_spsc_commit(&r); committed = claimed; break;
        default:
            while ((p = ring_spsc_next(&r, &size)) != NULL) {
                ck_assert(taken < committed);
                ck_assert_uint_eq(size, sizes[taken]);
                fill(want, size, taken);
                ck_assert_mem_eq(p, want, size);
                taken++;
                if (random_below(&random, 3) == 0) break;
            }
            if (random_below(&random, 2) == 0) ring_spsc_release(&r);
        }
    }
    ring_spsc_fini(&r);
}
END_TEST

static void message(uint64_t word[RING_BCAST_WORDS], uint64_t seq)
{
    for (uint64_t i = 0; i < RING_BCAST_WORDS; i++) word[i] = seq * 10 + i;
}

START_TEST(bcast_gives_each_message_to_each_reader)
{
    struct ring_bcast r;
    struct ring_bcast_reader early, late;
    uint64_t word[RING_BCAST_WORDS], want[RING_BCAST_WORDS];
    ck_assert_int_eq(ring_bcast_init(&r, 3), ERR_INVALID);
    ck_assert_int_eq(ring_bcast_init(&r, 1), ERR_INVALID);
    ck_assert_int_eq(ring_bcast_init(&r, 4), ERR_OK);
    ring_bcast_join(&r, &early);
    ck_assert_int_eq(ring_bcast_read(&r, &early, word), RING_EMPTY);
    for (uint64_t seq = 0; seq < 20; seq++) {
        ring_bcast_join(&r, &late);
        message(want, seq);
        ring_bcast_publish(&r, want);
        struct ring_bcast_reader *readers[] = {&early, &late};
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(ring_bcast_read(&r, readers[i], word), RING_GOT);
            ck_assert_mem_eq(word, want, sizeof word);
            ck_assert_int_eq(ring_bcast_read(&r, readers[i], word), RING_EMPTY);
        }
    }
    ck_assert_uint_eq(early.overruns, 0);
    ring_bcast_fini(&r);
}
END_TEST

START_TEST(bcast_tells_a_reader_that_it_was_overrun)
{
    struct ring_bcast r;
    struct ring_bcast_reader reader;
    uint64_t word[RING_BCAST_WORDS], want[RING_BCAST_WORDS];
    for (uint64_t behind = 1; behind < 20; behind++) {
        ck_assert_int_eq(ring_bcast_init(&r, 4), ERR_OK);
        ring_bcast_join(&r, &reader);
        for (uint64_t seq = 0; seq < behind; seq++) {
            message(word, seq);
            ring_bcast_publish(&r, word);
        }
        uint64_t first = 0;
        if (behind > 4) { /* the ring's size: all older messages are gone */
            ck_assert_int_eq(ring_bcast_read(&r, &reader, word), RING_OVERRUN);
            first = behind - 1;
            ck_assert_uint_eq(reader.overruns, first);
        }
        for (uint64_t seq = first; seq < behind; seq++) {
            ck_assert_int_eq(ring_bcast_read(&r, &reader, word), RING_GOT);
            message(want, seq);
            ck_assert_mem_eq(word, want, sizeof word);
        }
        ck_assert_int_eq(ring_bcast_read(&r, &reader, word), RING_EMPTY);
        ring_bcast_fini(&r);
    }
}
END_TEST

static bool is_signalled(const struct waiter *w)
{
    struct pollfd p = {.fd = w->eventfd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

START_TEST(waiter_is_written_to_only_while_it_sleeps)
{
    struct waiter w;
    ck_assert_int_eq(waiter_init(&w), ERR_OK);
    waiter_wake(&w);
    ck_assert(!is_signalled(&w));
    waiter_announce(&w);
    waiter_cancel(&w);
    waiter_wake(&w);
    ck_assert(!is_signalled(&w));

    waiter_announce(&w);
    waiter_wake(&w);
    ck_assert(is_signalled(&w));
    waiter_wake(&w); /* the announcement is spent: one write, however many producers */
    waiter_block(&w, -1);
    ck_assert(!is_signalled(&w));

    waiter_announce(&w);
    int64_t before = now_ms();
    waiter_block(&w, 20);
    ck_assert_int_ge(now_ms() - before, 19);
    waiter_fini(&w);
}
END_TEST

START_TEST(waiter_simulated_never_blocks)
{
    struct waiter w;
    waiter_init_simulated(&w);
    waiter_announce(&w);
    waiter_block(&w, -1);
    ck_assert_uint_eq(atomic_load(&w.sleeping), 1);
    waiter_wake(&w);
    ck_assert_uint_eq(atomic_load(&w.sleeping), 0);
    waiter_fini(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ring");
    TCase *t = tcase_create("one thread");
    tcase_add_test(t, spsc_refuses_wrong_capacities);
    tcase_add_test(t, spsc_shows_nothing_before_commit_and_frees_nothing_before_release);
    tcase_add_test(t, spsc_takes_the_largest_record_at_every_position);
    tcase_add_test(t, spsc_equals_a_queue);
    tcase_add_test(t, bcast_gives_each_message_to_each_reader);
    tcase_add_test(t, bcast_tells_a_reader_that_it_was_overrun);
    tcase_add_test(t, waiter_is_written_to_only_while_it_sleeps);
    tcase_add_test(t, waiter_simulated_never_blocks);
    suite_add_tcase(s, t);
    return suite_run(s);
}

/* Goal: two threads at full speed find no order of the rings' loads and stores in which a byte is lost, torn, seen
 * early or overwritten late, and none in which a sleeper misses its wake.
 * Method: payloads are plain memory, so that ThreadSanitizer (tsan.sh) reports every use that no release/acquire pair
 * orders; content and order are checked byte by byte; the wake protocol is played as a litmus test (rounds in
 * which commit and announcement meet as closely as two cores can) and for real, with both sides blocking.
 * Usage: stress_ring [percent]: of the usual counts. */
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ring/ring_bcast.h"
#include "ring/ring_spsc.h"
#include "ring/wait.h"

enum { CAPACITY = 4096, BURST_MAX = 8, SPINS = 200, LITMUS_DELAY_MAX = 1024 };

static uint64_t spsc_count = 2000000, blocking_count = 60000, bcast_count = 1000000, litmus_count = 400000;

static _Noreturn void fail(const char *test, const char *what, uint64_t seq)
{
    fprintf(stderr, "stress_ring: %s: %s at %llu\n", test, what, (unsigned long long)seq);
    _exit(1);
}

static void start(pthread_t *thread, void *(*body)(void *), void *argument)
{
    if (pthread_create(thread, NULL, body, argument) != 0) {
        fprintf(stderr, "stress_ring: cannot start a thread\n");
        exit(1);
    }
}

static uint32_t mix(uint64_t seq) { return (uint32_t)((seq + 1) * 0x9e3779b97f4a7c15u >> 32); }
static uint32_t size_of(uint64_t seq) { return mix(seq) % 16 == 0 ? mix(seq) / 16 % 1000 : mix(seq) / 16 % 48; }

static bool put(struct ring_spsc *r, uint64_t seq)
{
    uint32_t size = size_of(seq);
    uint8_t *p = ring_spsc_claim(r, size);
    if (p == NULL) return false;
    memset(p, (int)(seq & 0xff), size);
    return true;
}

static bool take(struct ring_spsc *r, uint64_t seq)
{
    uint32_t size;
    const uint8_t *p = ring_spsc_next(r, &size);
    if (p == NULL) return false;
    if (size != size_of(seq)) fail("spsc", "a record has a wrong size", seq);
    for (uint32_t i = 0; i < size; i++)
        if (p[i] != (uint8_t)seq) fail("spsc", "a record has wrong bytes", seq);
    return true;
}

/* 1. spsc, nobody sleeps: bursts of changing length on both sides. */

static void *spsc_produce(void *argument)
{
    struct ring_spsc *r = argument;
    for (uint64_t seq = 0; seq < spsc_count;) {
        uint64_t burst_end = seq + 1 + mix(seq) % BURST_MAX;
        while (seq < burst_end && seq < spsc_count && put(r, seq)) seq++;
        ring_spsc_commit(r);
        if (seq < burst_end) sched_yield();
    }
    return NULL;
}

static void spsc_spinning(void)
{
    struct ring_spsc r;
    pthread_t producer;
    if (ring_spsc_init(&r, CAPACITY) != ERR_OK) fail("spsc", "no memory", 0);
    start(&producer, spsc_produce, &r);
    for (uint64_t seq = 0; seq < spsc_count;) {
        uint64_t burst_end = seq + 1 + mix(~seq) % BURST_MAX;
        while (seq < burst_end && take(&r, seq)) seq++;
        ring_spsc_release(&r);
        if (seq < burst_end) sched_yield();
    }
    pthread_join(producer, NULL);
    ring_spsc_fini(&r);
}

/* 2. spsc with both sides blocking: the consumer when it is empty, the producer when it is full. */

enum { LOST_AFTER_MS = 4000 };

struct side {
    struct waiter    waiter;
    _Atomic uint64_t woken_for; /* records for which the other side has finished its wake */
};

struct pair {
    struct ring_spsc ring;
    struct side consumer, producer;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Blocks; a sleep that outlasts a wake which had been finished is a lost wake, however slow the machine is. */
static void block(struct side *side, const char *who, uint64_t seq)
{
    int64_t started_ms = now_ms();
    waiter_block(&side->waiter, LOST_AFTER_MS);
    if (now_ms() - started_ms < LOST_AFTER_MS) return;
    if (atomic_load_explicit(&side->woken_for, memory_order_acquire) > seq) fail("wake", who, seq);
}

static void *blocking_produce(void *argument)
{
    struct pair *p = argument;
    for (uint64_t seq = 0; seq < blocking_count;) {
        if (!put(&p->ring, seq)) {
            ring_spsc_commit(&p->ring);
            waiter_wake(&p->consumer.waiter);
            atomic_store_explicit(&p->consumer.woken_for, seq, memory_order_release);
            waiter_announce(&p->producer.waiter);
            if (!put(&p->ring, seq)) {
                block(&p->producer, "the producer missed its wake", seq);
                continue;
            }
            waiter_cancel(&p->producer.waiter);
        }
        seq++;
        if (mix(seq) % 4 == 0) continue; /* leave it uncommitted for a while */
        ring_spsc_commit(&p->ring);
        waiter_wake(&p->consumer.waiter);
        atomic_store_explicit(&p->consumer.woken_for, seq, memory_order_release);
    }
    ring_spsc_commit(&p->ring);
    waiter_wake(&p->consumer.waiter);
    atomic_store_explicit(&p->consumer.woken_for, blocking_count, memory_order_release);
    return NULL;
}

static void blocking_consume(struct pair *p)
{
    for (uint64_t seq = 0; seq < blocking_count;) {
        if (!take(&p->ring, seq)) {
            ring_spsc_release(&p->ring);
            waiter_wake(&p->producer.waiter);
            /* The producer's claim that found no room was of a record we have not seen: any wake is one it waits for.
             */
            atomic_store_explicit(&p->producer.woken_for, UINT64_MAX, memory_order_release);
            waiter_announce(&p->consumer.waiter);
            if (!take(&p->ring, seq)) {
                block(&p->consumer, "the consumer missed its wake", seq);
                continue;
            }
            waiter_cancel(&p->consumer.waiter);
        }
        seq++;
        if (mix(~seq) % 4 == 0) continue;
        ring_spsc_release(&p->ring);
        waiter_wake(&p->producer.waiter);
    }
    ring_spsc_release(&p->ring);
    waiter_wake(&p->producer.waiter);
}

static void spsc_blocking(void)
{
    static struct pair p;
    pthread_t producer;
    if (ring_spsc_init(&p.ring, CAPACITY) != ERR_OK || waiter_init(&p.consumer.waiter) != ERR_OK ||
        waiter_init(&p.producer.waiter) != ERR_OK)
        fail("wake", "no memory or no eventfd", 0);
    start(&producer, blocking_produce, &p);
    blocking_consume(&p);
    pthread_join(producer, NULL);
    waiter_fini(&p.consumer.waiter);
    waiter_fini(&p.producer.waiter);
    ring_spsc_fini(&p.ring);
}

/* 3. The wake protocol as a litmus test: in each round one side commits and wakes while the other announces and
 * looks.  Not to see the record and not to be woken must never come together. */

struct litmus {
    struct ring_spsc ring;
    struct waiter waiter;
    alignas(CACHE_LINE_PAIR) _Atomic uint64_t round;
    alignas(CACHE_LINE_PAIR) _Atomic uint64_t produced; /* rounds the producer is through with */
};

static void spin_until(_Atomic uint64_t *word, uint64_t value)
{
    for (unsigned spins = 0; atomic_load_explicit(word, memory_order_acquire) < value; spins++)
        if (spins > SPINS) sched_yield();
}

static void *litmus_produce(void *argument)
{
    struct litmus *l = argument;
    for (uint64_t round = 1; round <= litmus_count; round++) {
        uint64_t *p = ring_spsc_claim(&l->ring, sizeof *p);
        if (p == NULL) fail("litmus", "no room", round);
        *p = round;
        spin_until(&l->round, round);
        ring_spsc_commit(&l->ring);
        waiter_wake(&l->waiter);
        atomic_store_explicit(&l->produced, round, memory_order_release); /* pairs with spin_until */
    }
    return NULL;
}

static void wake_litmus(void)
{
    static struct litmus l;
    pthread_t producer;
    uint32_t size;
    uint64_t slept = 0;
    waiter_init_simulated(&l.waiter); /* wake takes the flag back, and that is all we need to see */
    if (ring_spsc_init(&l.ring, CAPACITY) != ERR_OK) fail("litmus", "no memory", 0);
    start(&producer, litmus_produce, &l);
    for (uint64_t round = 1; round <= litmus_count; round++) {
        atomic_store_explicit(&l.round, round, memory_order_release); /* pairs with spin_until */
        /* The producer learns of the round some 100 ns later: try all lengths, so that some rounds meet. */
        for (unsigned delay = mix(round) % LITMUS_DELAY_MAX; delay > 0; delay--)
            atomic_signal_fence(memory_order_seq_cst);
        waiter_announce(&l.waiter);
        const uint64_t *p = ring_spsc_next(&l.ring, &size);
        spin_until(&l.produced, round);
        bool is_asleep = p == NULL && atomic_load_explicit(&l.waiter.sleeping, memory_order_relaxed) != 0;
        if (is_asleep) fail("litmus", "the waiter saw no record and was not woken", round);
        slept += p == NULL;
        if (p == NULL) p = ring_spsc_next(&l.ring, &size);
        if (p == NULL || *p != round) fail("litmus", "the record is not there", round);
        ring_spsc_release(&l.ring);
        waiter_cancel(&l.waiter);
    }
    pthread_join(producer, NULL);
    ring_spsc_fini(&l.ring);
    fprintf(stderr, "stress_ring: litmus: %llu of %llu rounds would have slept\n", (unsigned long long)slept,
            (unsigned long long)litmus_count);
}

/* 4. bcast: a fast producer, two readers of which one dawdles.  Each message tells of a plain word written before it.
 */

enum { BCAST_SLOTS = 16 };

struct broadcast {
    struct ring_bcast ring;
    uint64_t *watermark; /* [seq], plain memory, written before message seq */
};

struct bcast_reader_thread {
    struct broadcast *b;
    bool dawdles;
    struct ring_bcast_reader reader;
    uint64_t got, overruns;
    pthread_t thread;
};

static void *bcast_read(void *argument)
{
    struct bcast_reader_thread *t = argument;
    struct broadcast *b = t->b;
    uint64_t word[RING_BCAST_WORDS], last = 0;
    bool have_last = false;
    for (unsigned idle = 0;;) {
        uint64_t seq_before = t->reader.seq;
        enum ring_read read = ring_bcast_read(&b->ring, &t->reader, word);
        if (read == RING_EMPTY) {
            if (++idle > SPINS) sched_yield();
            continue;
        }
        idle = 0;
        if (read == RING_OVERRUN) {
            if (t->reader.seq <= seq_before) fail("bcast", "an overrun did not move the reader", seq_before);
            /* All that the skipped messages told of can be seen now. */
            for (uint64_t seq = t->reader.seq < 4 ? 0 : t->reader.seq - 4; seq <= t->reader.seq; seq++)
                if (b->watermark[seq] != seq + 1)
                    fail("bcast", "an overrun hides what the skipped messages told of", seq);
            t->overruns++;
            continue;
        }
        if (have_last && word[0] <= last) fail("bcast", "messages out of order", word[0]);
        for (unsigned i = 1; i < RING_BCAST_WORDS; i++)
            if (word[i] != word[0] * (i + 1)) fail("bcast", "a torn message", word[0]);
        if (b->watermark[word[0]] != word[0] + 1) fail("bcast", "a message arrived before what it tells of", word[0]);
        last = word[0];
        have_last = true;
        t->got++;
        if (last + 1 == bcast_count) return NULL;
        if (t->dawdles && t->got % 64 == 0) sched_yield();
    }
}

static void *bcast_produce(void *argument)
{
    struct broadcast *b = argument;
    uint64_t word[RING_BCAST_WORDS];
    for (uint64_t seq = 0; seq < bcast_count; seq++) {
        for (uint64_t i = 0; i < RING_BCAST_WORDS; i++) word[i] = seq * (i + 1);
        b->watermark[seq] = seq + 1;
        ring_bcast_publish(&b->ring, word);
        if (mix(seq) % 256 < 8) sched_yield();
    }
    return NULL;
}

static void bcast(void)
{
    static struct broadcast b;
    static struct bcast_reader_thread reader[2];
    pthread_t producer;
    b.watermark = calloc(bcast_count, sizeof *b.watermark);
    if (b.watermark == NULL || ring_bcast_init(&b.ring, BCAST_SLOTS) != ERR_OK) fail("bcast", "no memory", 0);
    for (int i = 0; i < 2; i++) {
        reader[i] = (struct bcast_reader_thread){.b = &b, .dawdles = i == 1};
        ring_bcast_join(&b.ring, &reader[i].reader);
        start(&reader[i].thread, bcast_read, &reader[i]);
    }
    start(&producer, bcast_produce, &b);
    pthread_join(producer, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_join(reader[i].thread, NULL);
        fprintf(stderr, "stress_ring: bcast: reader %d got %llu of %llu messages, %llu overruns\n", i,
                (unsigned long long)reader[i].got, (unsigned long long)bcast_count,
                (unsigned long long)reader[i].overruns);
    }
    ring_bcast_fini(&b.ring);
    free(b.watermark);
}

int main(int argc, char **argv)
{
    uint64_t percent = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
    spsc_count = spsc_count * percent / 100;
    blocking_count = blocking_count * percent / 100;
    bcast_count = bcast_count * percent / 100;
    litmus_count = litmus_count * percent / 100;
    spsc_spinning();
    spsc_blocking();
    wake_litmus();
    bcast();
    return 0;
}

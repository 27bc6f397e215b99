/* Goal: no order of steps that a machine may choose lets a reader see a chunk, or a file, that storage has given to
 * something else.  The steps of storage and of its readers are played in every order that their fences, acquires and
 * releases leave open -- a store may become visible late, a load may be answered early -- and each protocol is played
 * again with one of its orderings missing, which must be found out: so the model can see what it is there to see.
 *
 * A step stands for one access of the code named beside it. */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suite.h"

/* ---- every order ---- */

enum { THREADS_MAX = 3, STEPS_MAX = 32, VALUES = 32 };

struct state { /* compared by its bytes */
    uint32_t done[THREADS_MAX]; /* by thread, a bit for each step */
    int8_t   value[VALUES];     /* what memory and the threads hold: each model names its own */
};

struct step {
    int      what, argument;
    uint32_t after; /* steps of its thread that come before it on every machine */
};

struct thread {
    struct step step[STEPS_MAX];
    uint32_t    count;
};

struct model {
    struct thread thread[THREADS_MAX];
    uint32_t      thread_count;
    struct state  first;
    /* Does a step in way `choice` (0, 1, ..); false: there is no such way.  `is_wrong`: what must never happen did. */
    bool (*play)(struct state *s, uint32_t thread, const struct step *step, uint32_t choice, bool *is_wrong);
};

struct seen { /* states already looked at: a hash set, and the stack of those not yet gone on from */
    struct state *state;
    uint32_t     *slot, *todo;
    uint32_t      slots, count, todo_count;
};

static uint32_t state_hash(const struct state *s)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *s; i++) hash = (hash ^ ((const uint8_t *)s)[i]) * 1099511628211u;
    return (uint32_t)(hash ^ hash >> 32);
}

static void slot_put(struct seen *n, uint32_t index)
{
    uint32_t at = state_hash(&n->state[index]);
    while (n->slot[at & (n->slots - 1)] != 0) at++;
    n->slot[at & (n->slots - 1)] = index + 1;
}

static void seen_grow(struct seen *n)
{
    n->slots *= 2;
    n->state = realloc(n->state, n->slots / 2 * sizeof *n->state);
    n->todo = realloc(n->todo, n->slots / 2 * sizeof *n->todo);
    free(n->slot);
    n->slot = calloc(n->slots, sizeof *n->slot);
    ck_assert(n->state != NULL && n->todo != NULL && n->slot != NULL);
    for (uint32_t i = 0; i < n->count; i++) slot_put(n, i);
}

static void seen_add(struct seen *n, const struct state *s)
{
    for (uint32_t at = state_hash(s); n->slot[at & (n->slots - 1)] != 0; at++)
        if (memcmp(&n->state[n->slot[at & (n->slots - 1)] - 1], s, sizeof *s) == 0) return;
    if (n->count + 1 > n->slots / 2) seen_grow(n);
    n->state[n->count] = *s;
    n->todo[n->todo_count++] = n->count;
    slot_put(n, n->count++);
}

/* Plays the model to its end in every order.  Returns the number of states, 0: something wrong happened. */
static uint32_t explore(const struct model *m)
{
    struct seen n = {.slots = 1 << 10};
    bool is_wrong = false;
    seen_grow(&n);
    seen_add(&n, &m->first);
    while (n.todo_count > 0 && !is_wrong) {
        const struct state from = n.state[n.todo[--n.todo_count]];
        for (uint32_t t = 0; t < m->thread_count; t++) {
            for (uint32_t i = 0; i < m->thread[t].count; i++) {
                const struct step *step = &m->thread[t].step[i];
                if ((from.done[t] >> i & 1) != 0 || (step->after & ~from.done[t]) != 0) continue;
                for (uint32_t choice = 0;; choice++) {
                    struct state next = from;
                    if (!m->play(&next, t, step, choice, &is_wrong)) break;
                    next.done[t] |= 1u << i;
                    seen_add(&n, &next);
                }
            }
        }
    }
    free(n.state);
    free(n.slot);
    free(n.todo);
    return is_wrong ? 0 : n.count;
}

/* Adds a step; returns its bit. */
static uint32_t step_add(struct thread *t, int what, int argument, uint32_t after)
{
    ck_assert_uint_lt(t->count, STEPS_MAX);
    t->step[t->count] = (struct step){what, argument, after};
    return 1u << t->count++;
}

/* ---- chunks: pin, fence, check / untail, fence, scan the pins, reuse ---- */

/* Two chunks and a tail of one entry.  At first chunk 0 is entry 0 and chunk 1 is free.  Storage moves on by two
 * entries; two readers read what they find, one of them twice.  What a chunk holds is the number of its entry. */
enum { READERS = 2, CHUNKS = 2, ENTRIES = 3, NOTHING = -1 };

enum chunk_value {
    TAIL_FIRST, TAIL_NEXT, ENTRY_CHUNK, ENTRY_OFFSET,
    BYTES,                       /* of each chunk */
    PIN = BYTES + CHUNKS,        /* of each reader and chunk */
    IS_BUSY = PIN + READERS * CHUNKS, /* storage: a pin was seen in the scan of this chunk */
    IS_FREE = IS_BUSY + CHUNKS,  /* storage: its scan found no pin */
    TAKEN = IS_FREE + CHUNKS,    /* storage: the chunk for the next entry */
    LOCAL,                       /* of each reader: */
};
enum local_value { WANTED, CHUNK, OFFSET, IS_IN, IS_HELD, READ_FIRST, READ_AGAIN, LOCALS };
_Static_assert(LOCAL + READERS * LOCALS <= VALUES, "a state holds all values");

enum chunk_step {
    /* storage thread */
    STORE_FIRST,  /* tail.c tail_pop: the entry is out */
    LOAD_PIN,     /* chunks.c is_pinned, by chunk_leave and by chunks_reclaim; argument: chunk * READERS + reader */
    SCAN_END,     /* chunks.c chunk_leave, chunks_reclaim: free, or retired */
    TAKE,         /* chunks.c chunk_take: the one freed last */
    STORE_BYTES,  /* the producer, into its lease: log_feed.h's rings are releases and acquires */
    STORE_CHUNK,  /* tail.c tail_push */
    STORE_OFFSET, /* tail.c tail_push */
    STORE_NEXT,   /* tail.c tail_push */
    /* readers */
    CHOOSE,       /* any entry: a cursor, or tail_find */
    LOAD_NEXT,    /* tail.c tail_get, its first line */
    LOAD_FIRST,   /* tail.c tail_get, its first line */
    LOAD_OFFSET,  /* tail.c tail_get */
    LOAD_CHUNK,   /* tail.c tail_get */
    CHECK_ENTRY,  /* tail.c tail_get, its last line: what was copied is one entry */
    STORE_PIN,    /* reader_hot.c walk_enter: chunk_pin */
    CHECK_PINNED, /* reader_hot.c walk_enter: tail_holds */
    LOAD_BYTES,   /* reader_hot.c walk_copy */
    LOAD_AGAIN,   /* the network, or whoever sends from the slice */
    CLEAR_PIN,    /* log_reader_release: chunk_unpin */
    JUDGE,
};

enum missing {
    MISSING_NOTHING,
    MISSING_READER_FENCE,  /* chunk_pin is relaxed: the check may be answered before the pin is seen */
    MISSING_STORAGE_FENCE, /* tail_pop is relaxed: the pins may be read before the entry is seen to be out */
    MISSING_CHECK,         /* no tail_holds behind chunk_pin */
    MISSING_ENTRY_CHECK,   /* no look at `first` behind the copy of an entry, before the pin or after */
    MISSING_RELEASE,       /* chunk_unpin is relaxed: the last read may be answered behind it */
    MISSING_PUSH_RELEASE,  /* tail_push's stores are relaxed */
    MISSING_SCAN,          /* a chunk that left the tail is free at once */
    MISSING_COUNT
};

static bool play_storage(struct state *s, const struct step *step)
{
    int8_t *v = s->value;
    int a = step->argument;
    switch (step->what) {
    case STORE_FIRST: v[TAIL_FIRST] = (int8_t)a; break;
    case LOAD_PIN: v[IS_BUSY + a / READERS] |= v[PIN + a % READERS * CHUNKS + a / READERS] != 0; break;
    case SCAN_END:
        if (v[IS_FREE + a] == 0) v[IS_FREE + a] = v[IS_BUSY + a] == 0;
        v[IS_BUSY + a] = 0;
        break;
    case TAKE:
        v[TAKEN] = NOTHING;
        for (int chunk = 0; chunk < CHUNKS; chunk++)
            if (v[IS_FREE + chunk] != 0) v[TAKEN] = (int8_t)chunk;
        if (v[TAKEN] != NOTHING) v[IS_FREE + v[TAKEN]] = 0;
        break;
    case STORE_BYTES: if (v[TAKEN] != NOTHING) v[BYTES + v[TAKEN]] = (int8_t)a; break;
    case STORE_CHUNK: if (v[TAKEN] != NOTHING) v[ENTRY_CHUNK] = v[TAKEN]; break;
    case STORE_OFFSET: if (v[TAKEN] != NOTHING) v[ENTRY_OFFSET] = (int8_t)a; break;
    case STORE_NEXT: if (v[TAKEN] != NOTHING) v[TAIL_NEXT] = (int8_t)(a + 1); break;
    default: ck_abort();
    }
    return true;
}

static bool play_reader(struct state *s, uint32_t reader, const struct step *step, uint32_t choice, bool *is_wrong)
{
    int8_t *v = s->value, *my = &v[LOCAL + reader * LOCALS];
    int8_t *pin = my[CHUNK] == NOTHING ? NULL : &v[PIN + reader * CHUNKS + (uint32_t)my[CHUNK]];
    if (step->what != CHOOSE && choice > 0) return false;
    switch (step->what) {
    case CHOOSE:
        if (choice == ENTRIES) return false;
        memset(my, NOTHING, LOCALS);
        my[WANTED] = (int8_t)choice;
        my[IS_IN] = my[IS_HELD] = 1;
        break;
    case LOAD_NEXT: my[IS_IN] &= my[WANTED] < v[TAIL_NEXT]; break;
    case LOAD_FIRST:
    case CHECK_ENTRY: my[IS_IN] &= v[TAIL_FIRST] <= my[WANTED]; break;
    case LOAD_OFFSET: my[OFFSET] = v[ENTRY_OFFSET]; break;
    case LOAD_CHUNK: my[CHUNK] = v[ENTRY_CHUNK]; break;
    case STORE_PIN: if (my[IS_IN]) ++*pin; break;
    case CHECK_PINNED: my[IS_HELD] = v[TAIL_FIRST] <= my[WANTED]; break;
    case LOAD_BYTES: my[READ_FIRST] = v[BYTES + my[CHUNK]]; break;
    case LOAD_AGAIN: my[READ_AGAIN] = v[BYTES + my[CHUNK]]; break;
    case CLEAR_PIN: if (my[IS_IN]) --*pin; break;
    case JUDGE:
        *is_wrong |= my[IS_IN] && my[IS_HELD] &&
                     (my[OFFSET] != my[WANTED] || my[READ_FIRST] != my[WANTED] || my[READ_AGAIN] != my[WANTED]);
        memset(my, NOTHING, LOCALS); /* states that differ in the past only are one */
        break;
    default: ck_abort();
    }
    return true;
}

static bool play_chunks(struct state *s, uint32_t thread, const struct step *step, uint32_t choice, bool *is_wrong)
{
    if (thread == 0) return choice == 0 && play_storage(s, step);
    return play_reader(s, thread - 1, step, choice, is_wrong);
}

/* The scan of a chunk: seq_cst loads behind `after`. */
static uint32_t scan_add(struct thread *t, int chunk, uint32_t after, enum missing missing)
{
    uint32_t loads = 0;
    for (int reader = 0; missing != MISSING_SCAN && reader < READERS; reader++)
        loads |= step_add(t, LOAD_PIN, chunk * READERS + reader, after | loads);
    return step_add(t, SCAN_END, chunk, after | loads);
}

static void storage_make(struct thread *t, enum missing missing)
{
    uint32_t before = 0;
    for (int entry = 1; entry < ENTRIES; entry++) { /* before: all earlier steps, which a release waits for */
        int old_chunk = entry == 1 ? 0 : 1; /* entry 1 gets chunk 1, the free one */
        uint32_t out = step_add(t, STORE_FIRST, entry, before);
        uint32_t scanned = scan_add(t, old_chunk, missing == MISSING_STORAGE_FENCE ? before : out, missing);
        if (entry == 2) scanned |= scan_add(t, 0, scanned, missing); /* chunks_reclaim: it may have been retired */
        uint32_t taken = step_add(t, TAKE, entry, before | scanned);
        uint32_t filled = step_add(t, STORE_BYTES, entry, taken);
        uint32_t put = missing == MISSING_PUSH_RELEASE ? taken : before | out | filled;
        put |= step_add(t, STORE_CHUNK, entry, put) | step_add(t, STORE_OFFSET, entry, put);
        before = put | out | filled | step_add(t, STORE_NEXT, entry, missing == MISSING_PUSH_RELEASE ? taken : put);
    }
}

static void reader_make(struct thread *t, int attempts, enum missing missing)
{
    for (uint32_t before = 0; attempts > 0; attempts--) {
        uint32_t chosen = step_add(t, CHOOSE, 0, before);
        uint32_t next = step_add(t, LOAD_NEXT, 0, chosen);         /* acquire */
        uint32_t first = step_add(t, LOAD_FIRST, 0, next);         /* seq_cst */
        uint32_t offset = step_add(t, LOAD_OFFSET, 0, first);      /* acquire */
        uint32_t entry = step_add(t, LOAD_CHUNK, 0, offset);       /* acquire */
        if (missing != MISSING_ENTRY_CHECK) entry |= step_add(t, CHECK_ENTRY, 0, entry); /* seq_cst */
        uint32_t pinned = step_add(t, STORE_PIN, 0, entry);
        uint32_t held = pinned;
        if (missing != MISSING_CHECK && missing != MISSING_ENTRY_CHECK)
            held = step_add(t, CHECK_PINNED, 0, missing == MISSING_READER_FENCE ? entry : pinned);
        uint32_t read = step_add(t, LOAD_BYTES, 0, held);          /* the check acquires */
        uint32_t again = step_add(t, LOAD_AGAIN, 0, held);
        uint32_t cleared = step_add(t, CLEAR_PIN, 0, pinned | held | (missing == MISSING_RELEASE ? 0 : read | again));
        before = step_add(t, JUDGE, 0, read | again | cleared);
    }
}

static uint32_t explore_chunks(enum missing missing)
{
    struct model m = {.thread_count = 1 + READERS, .play = play_chunks};
    int8_t *v = m.first.value;
    v[TAIL_NEXT] = 1;
    v[BYTES + 1] = NOTHING;
    v[IS_FREE + 1] = 1;
    memset(&v[LOCAL], NOTHING, READERS * LOCALS);
    storage_make(&m.thread[0], missing);
    for (int reader = 0; reader < READERS; reader++) reader_make(&m.thread[1 + reader], 2 - reader, missing);
    return explore(&m);
}

START_TEST(no_order_of_steps_reuses_a_pinned_chunk)
{
    ck_assert_uint_gt(explore_chunks(MISSING_NOTHING), 100000); /* few states: the model plays next to nothing */
}
END_TEST

START_TEST(every_missing_order_is_found_out)
{
    ck_assert_msg(explore_chunks((enum missing)_i) == 0, "what enum missing says at %d is missing, and not found", _i);
}
END_TEST

/* ---- files: retention recycles one under a reader; recovery makes another of the same name ---- */

enum file_value { START_OFFSET, DISK_BYTES, LOG_INCARNATION, VISIBLE, MAY_READ, GOT, KEPT_FOR, READ_START, SAW_NUMBER };

enum file_step {
    STORE_START,      /* segments.c retention: the segment is below the log start */
    STORE_DISK,       /* the helper hands its file to a new segment, which is written */
    STORE_NUMBER,     /* logs.c recover: the incarnation that its files belong to */
    STORE_VISIBLE,    /* storage_publish */
    FIND,             /* log_reader_read: the offset is in range; the file is open, or opened */
    LOAD_DISK,        /* the transfer ends: log_reader_poll saw it */
    CHECK_START,      /* log_reader_read, behind that poll: still in range? */
    JUDGE_READ,
    LOAD_VISIBLE,     /* log_reader_read: the high watermark */
    LOAD_NUMBER,      /* cache_open: kept under the log's incarnation? */
    JUDGE_KEPT,
};

static bool play_files(struct state *s, uint32_t thread, const struct step *step, uint32_t choice, bool *is_wrong)
{
    int8_t *v = s->value;
    (void)thread;
    if (choice > 0) return false;
    switch (step->what) {
    case STORE_START: v[START_OFFSET] = 1; break;
    case STORE_DISK: v[DISK_BYTES] = 1; break;
    case STORE_NUMBER: v[LOG_INCARNATION] = 1; break;
    case STORE_VISIBLE: v[VISIBLE] = 1; break;
    case FIND: v[MAY_READ] = v[START_OFFSET] == 0; break;
    case LOAD_DISK: v[GOT] = v[DISK_BYTES]; break;
    case CHECK_START: v[READ_START] = v[START_OFFSET]; break;
    case JUDGE_READ: *is_wrong |= v[MAY_READ] != 0 && v[READ_START] == 0 && v[GOT] != 0; break;
    case LOAD_VISIBLE: v[MAY_READ] = v[VISIBLE]; break;
    case LOAD_NUMBER: v[SAW_NUMBER] = v[LOG_INCARNATION]; break;
    case JUDGE_KEPT: *is_wrong |= v[MAY_READ] != 0 && v[SAW_NUMBER] == v[KEPT_FOR]; break; /* the old file's handle */
    default: ck_abort();
    }
    return true;
}

static uint32_t explore_recycled(bool checks_late)
{
    struct model m = {.thread_count = 2, .play = play_files};
    uint32_t start = step_add(&m.thread[0], STORE_START, 0, 0);
    (void)step_add(&m.thread[0], STORE_DISK, 0, start);
    uint32_t found = step_add(&m.thread[1], FIND, 0, 0);
    uint32_t got = step_add(&m.thread[1], LOAD_DISK, 0, found);
    uint32_t checked = step_add(&m.thread[1], CHECK_START, 0, checks_late ? got : found);
    (void)step_add(&m.thread[1], JUDGE_READ, 0, got | checked);
    return explore(&m);
}

static uint32_t explore_incarnation(bool stores_first, bool loads_last)
{
    struct model m = {.thread_count = 2, .play = play_files};
    uint32_t made = step_add(&m.thread[0], STORE_DISK, 0, 0);
    uint32_t number = step_add(&m.thread[0], STORE_NUMBER, 0, made);
    (void)step_add(&m.thread[0], STORE_VISIBLE, 0, stores_first ? number : made);
    uint32_t visible = step_add(&m.thread[1], LOAD_VISIBLE, 0, 0);
    uint32_t seen = step_add(&m.thread[1], LOAD_NUMBER, 0, loads_last ? visible : 0);
    (void)step_add(&m.thread[1], JUDGE_KEPT, 0, visible | seen);
    return explore(&m);
}

START_TEST(no_order_of_steps_shows_a_recycled_file)
{
    ck_assert_uint_gt(explore_recycled(true), 0);
    ck_assert_uint_eq(explore_recycled(false), 0);
}
END_TEST

START_TEST(no_order_of_steps_shows_a_file_of_before_a_recovery)
{
    ck_assert_uint_gt(explore_incarnation(true, true), 0);
    ck_assert_uint_eq(explore_incarnation(false, true), 0);
    ck_assert_uint_eq(explore_incarnation(true, false), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("lifetimes");
    tcase_set_timeout(c, 100);
    tcase_add_test(c, no_order_of_steps_reuses_a_pinned_chunk);
    tcase_add_loop_test(c, every_missing_order_is_found_out, MISSING_NOTHING + 1, MISSING_COUNT);
    tcase_add_test(c, no_order_of_steps_shows_a_recycled_file);
    tcase_add_test(c, no_order_of_steps_shows_a_file_of_before_a_recovery);
    suite_add_tcase(s, c);
    return suite_run(s);
}

#include "capture/delay.h"

#define NS_PER_MS ((int64_t)1000000)

/* --- the writer --- */

/* The fields that only the writer changes need no order when he reads them. */
static int64_t get_ns(const _Atomic int64_t *ns)
{
    return atomic_load_explicit(ns, memory_order_relaxed);
}

static void set_ns(_Atomic int64_t *ns, int64_t value)
{
    atomic_store_explicit(ns, value, memory_order_relaxed);
}

static void set_flag(_Atomic bool *flag, bool value)
{
    atomic_store_explicit(flag, value, memory_order_relaxed);
}

static bool get_flag(const _Atomic bool *flag)
{
    return atomic_load_explicit(flag, memory_order_relaxed);
}

/* A source that says when it has nothing says nothing. */
static bool is_silent(const struct delay *d, int64_t now_ns)
{
    return get_flag(&d->tells_silence) && now_ns - get_ns(&d->heard_ns) > DELAY_SILENCE_MS * NS_PER_MS;
}

void delay_tells(struct delay *d, bool tells_silence)
{
    set_flag(&d->tells_silence, tells_silence);
}

static uint64_t note_begins(struct delay *d)
{
    uint64_t turn = atomic_load_explicit(&d->turn, memory_order_relaxed);
    atomic_store_explicit(&d->turn, turn + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* with delay_ms's: who sees a field sees the odd turn */
    return turn;
}

static void note_ends(struct delay *d, uint64_t turn)
{
    atomic_store_explicit(&d->turn, turn + 2, memory_order_release); /* pairs with delay_ms */
}

/* Within a second the binlog's order still says that nothing was committed before what was read already. */
static int64_t commit_time(const struct delay *d, struct delay_commit commit, int64_t now_ns)
{
    int64_t read_ns = get_ns(&d->read_ns);
    if (!commit.is_exact && get_flag(&d->is_known) && commit.ns < read_ns) commit.ns = read_ns;
    return commit.ns < now_ns ? commit.ns : now_ns;
}

static void heard(struct delay *d, int64_t now_ns)
{
    set_ns(&d->heard_ns, now_ns);
    set_flag(&d->is_streaming, true);
    set_flag(&d->is_reading, false);
}

void delay_begins(struct delay *d, int64_t now_ns, struct delay_commit commit)
{
    int64_t committed_ns = commit_time(d, commit, now_ns);
    uint64_t turn = note_begins(d);
    heard(d, now_ns);
    set_ns(&d->reading_ns, committed_ns);
    set_flag(&d->is_reading, true);
    note_ends(d, turn);
}

/* When the ring is full the newest mark takes these transactions in: their age is the oldest one's. */
static void mark_add(struct delay *d, int64_t committed_ns, uint64_t end_offset, uint64_t durable_offset)
{
    uint32_t at = atomic_load_explicit(&d->mark_at, memory_order_relaxed);
    uint32_t count = atomic_load_explicit(&d->mark_count, memory_order_relaxed);
    for (; count > 0 && atomic_load_explicit(&d->mark[at].end_offset, memory_order_relaxed) <= durable_offset; count--)
        at = (at + 1) % DELAY_MARKS_MAX;
    bool is_new = count < DELAY_MARKS_MAX;
    struct delay_mark *mark = &d->mark[(at + count - (is_new ? 0 : 1)) % DELAY_MARKS_MAX];
    if (is_new) set_ns(&mark->committed_ns, committed_ns);
    atomic_store_explicit(&mark->end_offset, end_offset, memory_order_relaxed);
    atomic_store_explicit(&d->mark_at, at, memory_order_relaxed);
    atomic_store_explicit(&d->mark_count, is_new ? count + 1 : count, memory_order_relaxed);
}

void delay_ends(struct delay *d, int64_t now_ns, struct delay_commit first, struct delay_commit last,
                uint64_t end_offset, uint64_t durable_offset)
{
    int64_t first_ns = commit_time(d, first, now_ns), last_ns = commit_time(d, last, now_ns);
    uint64_t turn = note_begins(d);
    mark_add(d, first_ns, end_offset, durable_offset);
    heard(d, now_ns);
    set_ns(&d->read_ns, last_ns);
    set_flag(&d->is_known, true);
    note_ends(d, turn);
    d->changed_ns = now_ns;
}

void delay_idles(struct delay *d, int64_t now_ns)
{
    int64_t lag_ns = get_ns(&d->heard_ns) - get_ns(&d->read_ns);
    if (!get_flag(&d->is_streaming) || is_silent(d, now_ns)) { /* what it says now it may have said long ago */
        lag_ns = now_ns - get_ns(&d->read_ns);
        d->changed_ns = now_ns;
    }
    bool is_quiet = !get_flag(&d->tells_silence) || now_ns - d->changed_ns >= DELAY_QUIET_MS * NS_PER_MS;
    if (is_quiet || !get_flag(&d->is_known) || lag_ns < 0) lag_ns = 0;
    uint64_t turn = note_begins(d);
    heard(d, now_ns);
    set_ns(&d->read_ns, now_ns - lag_ns);
    set_flag(&d->is_known, true);
    note_ends(d, turn);
}

void delay_interrupted(struct delay *d)
{
    uint64_t turn = note_begins(d);
    set_flag(&d->is_streaming, false);
    note_ends(d, turn);
}

/* --- readers --- */

/* Fields may be of several notes: the caller looks whether they are. */
static int64_t delay_ns(const struct delay *d, int64_t now_ns, uint64_t high_watermark)
{
    uint32_t at = atomic_load_explicit(&d->mark_at, memory_order_relaxed);
    uint32_t count = atomic_load_explicit(&d->mark_count, memory_order_relaxed);
    int64_t read_ns = get_ns(&d->read_ns);
    if (!get_flag(&d->is_known)) return -1;
    int64_t oldest_ns = INT64_MAX, until_ns = now_ns;
    for (uint32_t i = 0; i < count && oldest_ns == INT64_MAX; i++) {
        const struct delay_mark *mark = &d->mark[(at + i) % DELAY_MARKS_MAX];
        if (atomic_load_explicit(&mark->end_offset, memory_order_relaxed) > high_watermark)
            oldest_ns = get_ns(&mark->committed_ns);
    }
    if (oldest_ns == INT64_MAX && get_flag(&d->is_streaming) && get_flag(&d->is_reading))
        oldest_ns = get_ns(&d->reading_ns);
    if (oldest_ns == INT64_MAX) {
        oldest_ns = read_ns;
        if (get_flag(&d->is_streaming) && !is_silent(d, now_ns)) until_ns = get_ns(&d->heard_ns);
    }
    return oldest_ns < until_ns ? until_ns - oldest_ns : 0;
}

int64_t delay_ms(const struct delay *d, int64_t now_ns, uint64_t high_watermark)
{
    for (;;) {
        uint64_t turn = atomic_load_explicit(&d->turn, memory_order_acquire); /* pairs with note_ends */
        int64_t ns = delay_ns(d, now_ns, high_watermark);
        atomic_thread_fence(memory_order_acquire); /* pairs with the fence of note_begins */
        bool is_whole = (turn & 1) == 0 && atomic_load_explicit(&d->turn, memory_order_relaxed) == turn;
        if (is_whole) return ns < 0 ? -1 : ns / NS_PER_MS;
    }
}

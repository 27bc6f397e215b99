/* capture/delay.h -- how far a capture is behind its source, at the moment of the question.
 *
 * The capture thread notes what it learns: when what it has read was committed, and that the source has nothing more.
 * Whoever asks computes: what is not readable yet is as old as its commit; that all was read is known until the source
 * fails to say anything, for it says something every DELAY_HEARTBEAT_MS; from then on the delay grows with the clock.
 *
 * The last transaction's age when it came is held until heartbeats alone came for DELAY_QUIET_MS, because a source that
 * commits all the time over a slow way never says that it has nothing more: the way's delay is the channel's.  So is
 * the age at which a stall ended.  Then it is 0.
 *
 * All times are ns of our monotonic clock, commits too (capture/source_clock.h), so a step of our wall clock shows
 * nowhere.  One writer, readers in any thread, no lock. */
#ifndef CAPTURE_DELAY_H
#define CAPTURE_DELAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    DELAY_HEARTBEAT_MS = 100, /* asked from servers: ten packets a second, for which capture uses 0.1 % of a core */
    DELAY_SILENCE_MS = 250,   /* so long without one: what the source has is no longer known */
    DELAY_QUIET_MS = 1000,
    DELAY_MARKS_MAX = 32,
};

struct delay_mark { /* transactions that are read and perhaps not readable yet */
    _Atomic uint64_t end_offset;  /* in the log, behind the last of them */
    _Atomic int64_t committed_ns; /* the first of them */
};

struct delay {
    _Atomic uint64_t turn; /* odd while the rest is written */
    _Atomic bool is_known, is_streaming, is_reading;
    _Atomic int64_t read_ns;    /* what the source committed until then is read */
    _Atomic int64_t reading_ns; /* is_reading: when the transaction was committed whose events come in */
    _Atomic int64_t heard_ns;   /* when the source said something last */
    _Atomic uint32_t mark_at, mark_count;
    struct delay_mark mark[DELAY_MARKS_MAX]; /* a ring, by offset */

    _Atomic bool tells_silence;
    int64_t changed_ns; /* the writer's: since when heartbeats alone came */
};

/* All zero is a delay of which nothing is known.
 *
 * --- the capture thread --- */
/* Events are about to come.  `tells_silence`: the source sends heartbeats; else the end of what it sent is taken for
 * the end of what it has. */
void delay_tells(struct delay *d, bool tells_silence);
struct delay_commit {
    int64_t ns;
    bool is_exact; /* else to the second: the order of the binlog then says more */
};
/* A transaction begins to come in. */
void delay_begins(struct delay *d, int64_t now_ns, struct delay_commit commit);
/* The transactions from one commit to another have come; they are readable when the log is up to `end_offset`.  It is
 * up to `durable_offset` now. */
void delay_ends(struct delay *d, int64_t now_ns, struct delay_commit first, struct delay_commit last,
                uint64_t end_offset, uint64_t durable_offset);
/* The source has nothing more now. */
void delay_idles(struct delay *d, int64_t now_ns);
/* No events come from the source. */
void delay_interrupted(struct delay *d);

/* --- any thread --- */
/* ms, when the log can be read up to `high_watermark`; -1: nothing is known yet. */
int64_t delay_ms(const struct delay *d, int64_t now_ns, uint64_t high_watermark);

#endif

/* tests/crash/crash_source.h -- the source of the crash test: a simulated binlog that grows, and what a channel must
 * make of it. */
#ifndef TESTS_CRASH_CRASH_SOURCE_H
#define TESTS_CRASH_CRASH_SOURCE_H

#include "base/random.h"
#include "capture/stream_sim.h"
#include "tests/capture/binlog_maker.h"

enum { CRASH_ROWS_MAX = 1 << 20, CRASH_ENDS_MAX = 1 << 16 };

struct expected_row {
    uint32_t table, id, text_bytes;
};

struct crash_source {
    struct stream_sim_source stream;
    struct binlog_maker maker;
    struct random random;
    bool     is_crashing; /* a transaction was begun that will never end */
    struct expected_row *row; /* every row change of selected tables, in commit order */
    uint64_t *transaction_end; /* rows before the end of each transaction that has such rows */
    uint64_t row_count, transaction_count, ddl_count;
};

extern const char *const crash_tables[3]; /* the last one is not selected */
extern const char *const crash_include[];

void crash_source_init(struct crash_source *s, const struct clock *clock, uint64_t seed);
void crash_source_fini(struct crash_source *s);
/* Something happens: mostly a transaction; sometimes a DDL, a new file, a ROLLBACK that is logged, a crash in the
 * middle of a transaction. */
void crash_source_step(struct crash_source *s);
/* The text of a row as binlog_maker_write makes it. */
char crash_text_at(const struct expected_row *r, uint32_t index);

#endif

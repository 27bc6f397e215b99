/* tests/formats/event_maker.h -- change events for tests: random tables and rows, and one encoded record. */
#ifndef TESTS_FORMATS_EVENT_MAKER_H
#define TESTS_FORMATS_EVENT_MAKER_H

#include "base/random.h"
#include "formats/change_event.h"
#include "formats/record_format.h"

enum { MAKER_COLUMNS_MAX = 1600, MAKER_NAME_BYTES = 24, MAKER_POOL_BYTES = 1 << 20 };

struct maker { /* large: one static of it */
    struct random random;
    char     names[MAKER_COLUMNS_MAX][MAKER_NAME_BYTES];
    struct change_column column[MAKER_COLUMNS_MAX];
    uint16_t key_column[2];
    struct change_key key[2];
    struct change_table table;
    struct change_value before[MAKER_COLUMNS_MAX], after[MAKER_COLUMNS_MAX];
    struct change_source source;
    struct change_event event;
    size_t   pool_used;
    uint8_t  pool[MAKER_POOL_BYTES]; /* what the sized values of the row point to */
};

void maker_init(struct maker *m, uint64_t seed);
/* A table of random columns, prepared for the format; release it with the format's table_release. */
void maker_table(struct maker *m, const struct record_format *format, uint16_t column_count);
/* A random INSERT, UPDATE or DELETE of that table. */
void maker_row(struct maker *m);
/* A random value of the column. */
struct change_value maker_value(struct maker *m, const struct change_column *column);

/* The event's record in memory of exactly size_max bytes with canaries behind; checks the bound, that the encoder
 * stayed in its room and that it gives the same bytes twice.  malloc'd; the caller frees. */
uint8_t *encode_checked(const struct record_format *format, const struct change_event *e, uint64_t record_id,
                        size_t *size);

#endif

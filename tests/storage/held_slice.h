/* tests/storage/held_slice.h -- what the programs of many threads read of a log: slices that are held for a while,
 * every byte of which can be checked.  A broken one ends the program. */
#ifndef TESTS_STORAGE_HELD_SLICE_H
#define TESTS_STORAGE_HELD_SLICE_H

#include "storage/log_reader.h"

enum { HELD_BYTES = 24 << 10, HELD_ROOM_BYTES = 256 << 10 }; /* asked for; what the largest slice takes */

struct held_slice {
    struct log_slice slice;
    uint64_t offset; /* the caller's: where to read */
};

/* One read with all its disk reads.  ERR_AGAIN: it has waited for long, for every block is pinned. */
enum err held_read(struct log_reader *reader, struct log *l, struct log_cursor *cursor, struct held_slice *h);
/* Every byte is the log's, made by producer.h of this seed, from the batch with `offset` on. */
void held_verify(const struct held_slice *h, uint64_t seed, uint8_t *room);
void held_release(struct log_reader *reader, struct held_slice *h);

#endif

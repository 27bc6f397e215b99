/* tests/fuzz/fuzz.h -- what the fuzz targets share: a simulated disk, and the input cut into pieces.
 *
 * A target is libFuzzer's LLVMFuzzerTestOneInput.  It must hold for any input: no crash, no read outside, and what the
 * target checks itself with FUZZ_CHECK. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "storage/disk_sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FUZZ_CHECK(holds)                                                         \
    do {                                                                          \
        if (!(holds)) {                                                           \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds); \
            abort();                                                              \
        }                                                                         \
    } while (0)

/* The next piece of an input: two bytes of length, then the piece, as far as there are bytes. */
static inline struct cursor fuzz_piece(struct cursor *input)
{
    uint64_t size = cursor_left(input) < 2 ? 0 : cursor_be(input, 2);
    if (size > cursor_left(input)) size = cursor_left(input);
    const uint8_t *at = cursor_take(input, (size_t)size);
    return cursor_of(at == NULL ? (const uint8_t *)"" : at, (size_t)size);
}

/* A file with these bytes, durably there. */
static inline void fuzz_put(struct disk *d, const char *path, struct cursor bytes)
{
    int file = disk_open(d, path, DISK_WRITE | DISK_CREATE);
    FUZZ_CHECK(file >= 0);
    if (cursor_left(&bytes) > 0)
        FUZZ_CHECK(disk_write(d, file, bytes.at, cursor_left(&bytes), 0) == (int64_t)cursor_left(&bytes));
    disk_close(d, file);
}

static inline struct disk *fuzz_disk(void)
{
    struct disk *d;
    FUZZ_CHECK(disk_sim_create(&d, 1) == ERR_OK);
    FUZZ_CHECK(disk_make_folder(d, "data") == 0 && disk_make_folder(d, "data/orders") == 0 &&
               disk_make_folder(d, "data/orders/0") == 0);
    return d;
}

#endif

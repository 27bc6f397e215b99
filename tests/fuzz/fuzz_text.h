/* tests/fuzz/fuzz_text.h -- the small text files end with a checksum, which no fuzzer guesses: it is put right here. */
#ifndef TESTS_FUZZ_FUZZ_TEXT_H
#define TESTS_FUZZ_FUZZ_TEXT_H

#include "base/crc.h"
#include "tests/fuzz/fuzz.h"

/* Writes the input as the file, up to its last line; that becomes the checksum of what is before. */
static inline void fuzz_put_text(struct disk *d, const char *path, const uint8_t *bytes, size_t size)
{
    char text[3000];
    size_t end = size < 2500 ? size : 2500;
    while (end > 0 && bytes[end - 1] != '\n') end--;
    if (end > 0) end--;
    while (end > 0 && bytes[end - 1] != '\n') end--;
    if (end > 0) memcpy(text, bytes, end);
    size_t all = end + (size_t)snprintf(text + end, 30, "crc32c %08x\n", crc32c(0, text, end));
    fuzz_put(d, path, cursor_of(text, all));
}

#endif

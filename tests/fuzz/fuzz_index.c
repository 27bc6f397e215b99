/* The readers of .index, .timeindex and .pos, and the searches in what they load. */
#include <string.h>

#include "base/crc.h"
#include "storage/index.h"
#include "tests/fuzz/fuzz.h"

/* The checksums that no fuzzer guesses: of the entries into the checkpoint, of the seal into its end. */
static struct log_checkpoint checkpoint_over(struct cursor *input, const struct cursor file[SEGMENT_FILE_COUNT])
{
    struct log_checkpoint c = checkpoint_empty(0);
    c.recovery_offset = cursor_be(input, 2);
    c.recovery_position = cursor_be(input, 2);
    c.end_segment = 0;
    c.end_position = cursor_be(input, 2);
    c.max_timestamp_ms = (int64_t)cursor_be(input, 2);
    c.max_timestamp_offset = cursor_be(input, 2);
    uint32_t count[SEGMENT_FILE_COUNT] = {0}, crc = 0;
    for (int i = SEGMENT_INDEX; i < SEGMENT_FILE_COUNT; i++) {
        uint32_t entry = i == SEGMENT_TIME_INDEX ? TIME_INDEX_ENTRY_BYTES : INDEX_ENTRY_BYTES;
        count[i] = (uint32_t)(cursor_left(&file[i]) / entry);
        if (i == SEGMENT_POSITIONS && count[i] >= INDEX_SEAL_BYTES / INDEX_ENTRY_BYTES && c.recovery_offset % 2 == 0)
            count[i] -= INDEX_SEAL_BYTES / INDEX_ENTRY_BYTES;
        crc = crc32c(crc, file[i].at, (size_t)count[i] * entry);
    }
    c.index = (struct index_print){count[SEGMENT_INDEX], count[SEGMENT_TIME_INDEX], count[SEGMENT_POSITIONS], crc};
    if (c.recovery_offset % 3 == 0) c.index.offset_count = INDEX_PRINT_SEAL;
    return c;
}

static void search(const struct index_set *s)
{
    for (uint64_t offset = 0; offset < 70000; offset = offset * 2 + 1) (void)index_find_offset(s, offset);
    for (int64_t t = -1; t < 1 << 20; t = t * 2 + 2) {
        uint64_t found = index_find_time(s, t);
        FUZZ_CHECK(found <= UINT32_MAX);
        if (t < -1) break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const path[] = {"", "data/orders/0/00000000000000000000.index",
                                       "data/orders/0/00000000000000000000.timeindex",
                                       "data/orders/0/00000000000000000000.pos"};
    struct disk *d = fuzz_disk();
    struct cursor input = cursor_of(bytes, size), file[SEGMENT_FILE_COUNT];
    struct index_set set;
    struct index_seal seal;
    for (int i = SEGMENT_INDEX; i < SEGMENT_FILE_COUNT; i++) {
        file[i] = fuzz_piece(&input);
        fuzz_put(d, path[i], file[i]);
    }
    if (index_seal_read(d, "data/orders/0", 0, &seal)) {
        FUZZ_CHECK(seal.next_offset > 0 && index_seal_reads(&seal) <= size);
        (void)index_seal_verify(d, "data/orders/0", &seal);
    }
    const struct log_checkpoint c = checkpoint_over(&input, file);
    FUZZ_CHECK(index_set_init(&set, 40) == ERR_OK);
    bool holds = index_load(d, "data/orders/0", &set, &c, 100);
    FUZZ_CHECK(set.at.offset_count <= 40 && set.at.time_count <= 40 && set.at.end_count <= 40);
    if (holds) search(&set);
    index_set_fini(&set);
    disk_destroy(d);
    return 0;
}

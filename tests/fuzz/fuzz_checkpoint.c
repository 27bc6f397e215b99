/* The checkpoint's reader: refuses, or reads what a writer writes again word for word. */
#include <string.h>

#include "storage/log_files.h"
#include "tests/fuzz/fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct disk *d = fuzz_disk();
    struct log_checkpoint c, again;
    struct err_msg msg;
    fuzz_put(d, "data/orders/0/checkpoint", cursor_of(bytes, size)); /* as it is: the checksum's own reader */
    (void)checkpoint_read(d, "data/orders/0", &c, &msg);
    FUZZ_CHECK(disk_unlink(d, "data/orders/0/checkpoint") == 0);
    fuzz_put_text(d, "data/orders/0/checkpoint", bytes, size);
    if (checkpoint_read(d, "data/orders/0", &c, &msg) == ERR_OK) {
        FUZZ_CHECK(c.start_offset <= c.recovery_offset && c.segment_base_offset <= c.recovery_offset);
        FUZZ_CHECK(checkpoint_write(d, "data/orders/0", &c, &msg) == ERR_OK);
        FUZZ_CHECK(checkpoint_read(d, "data/orders/0", &again, &msg) == ERR_OK);
        FUZZ_CHECK(again.start_offset == c.start_offset && again.recovery_offset == c.recovery_offset &&
                   again.recovery_position == c.recovery_position && again.end_segment == c.end_segment &&
                   again.end_position == c.end_position && again.max_timestamp_ms == c.max_timestamp_ms &&
                   again.index.crc == c.index.crc && again.is_clean == c.is_clean);
    }
    disk_destroy(d);
    return 0;
}

/* The readers of channel.meta and of the data folder's format. */
#include <string.h>

#include "storage/log_files.h"
#include "tests/fuzz/fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct disk *d = fuzz_disk();
    struct log_identity id, again;
    struct err_msg msg;
    fuzz_put(d, "data/orders/channel.meta", cursor_of(bytes, size));
    (void)meta_read(d, "data/orders", &id, &msg);
    fuzz_put_text(d, "data/format", bytes, size);
    (void)format_check(d, "data", &msg);
    FUZZ_CHECK(disk_unlink(d, "data/orders/channel.meta") == 0);
    fuzz_put_text(d, "data/orders/channel.meta", bytes, size);
    if (meta_read(d, "data/orders", &id, &msg) == ERR_OK) {
        FUZZ_CHECK(memchr(id.name, 0, sizeof id.name) != NULL);
        FUZZ_CHECK(memchr(id.cluster_id, 0, sizeof id.cluster_id) != NULL);
        FUZZ_CHECK(meta_write(d, "data/orders", &id, &msg) == ERR_OK);
        FUZZ_CHECK(meta_read(d, "data/orders", &again, &msg) == ERR_OK);
        FUZZ_CHECK(strcmp(again.name, id.name) == 0 && strcmp(again.cluster_id, id.cluster_id) == 0 &&
                   memcmp(again.topic_id, id.topic_id, sizeof id.topic_id) == 0 &&
                   again.leader_epoch == id.leader_epoch && again.is_internal == id.is_internal);
    }
    disk_destroy(d);
    return 0;
}

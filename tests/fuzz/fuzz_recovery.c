/* A whole log folder of any bytes: recovery refuses or opens it, and what opens, opens again with the same end; and
 * after `log repair --cut` every log opens. */
#include <string.h>

#include "base/crc.h"
#include "base/log.h"
#include "formats/record_batch.h"
#include "storage/log_check.h"
#include "storage/recovery.h"
#include "tests/fuzz/fuzz.h"

/* Puts checksums right in what looks like batches. */
static struct cursor with_checksums(struct cursor in, uint8_t *room)
{
    size_t size = cursor_left(&in);
    memcpy(room, in.at, size);
    for (size_t at = 0; at + RECORD_BATCH_HEADER_BYTES < size;) {
        struct record_batch_view view;
        if (record_batch_view(room + at, size - at, &view) != ERR_OK) break;
        uint32_t crc = crc32c(0, room + at + RECORD_BATCH_AT_ATTRIBUTES, view.bytes - RECORD_BATCH_AT_ATTRIBUTES);
        for (int i = 0; i < 4; i++) room[at + RECORD_BATCH_AT_CRC + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += view.bytes;
    }
    return cursor_of(room, size);
}

static enum err recover(struct disk *d, bool leave_clean, uint64_t *end)
{
    struct index_set set;
    struct recovered r;
    struct err_msg msg = {.text = ""};
    const struct recovery_input in = {.disk = d, .folder = "data/orders/0", .leader_epoch = 3,
                                      .index_interval_bytes = 100, .leave_clean = leave_clean};
    FUZZ_CHECK(index_set_init(&set, 400) == ERR_OK);
    enum err e = log_recover(&in, &set, &r, &msg);
    FUZZ_CHECK(e == ERR_OK || msg.text[0] != 0);
    if (getenv("VERBOSE") != NULL) fprintf(stderr, "recovery: %s %s\n", err_text(e), msg.text);
    if (e == ERR_OK) {
        *end = r.resume.next_offset;
        recovered_fini(&r);
    }
    index_set_fini(&set);
    return e;
}

static void say(void *context, enum log_check_says kind, const char *text)
{
    (void)context;
    if (getenv("VERBOSE") != NULL) fprintf(stderr, "check says %d: %s\n", (int)kind, text);
}

static void opens_again(struct disk *d, uint64_t end)
{
    for (int i = 0; i < 3; i++) {
        uint64_t now;
        FUZZ_CHECK(recover(d, i < 2, &now) == ERR_OK && now == end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t room[70000];
    struct cursor input = cursor_of(bytes, size);
    struct disk *d = fuzz_disk();
    struct log_checkpoint c = checkpoint_empty(0);
    const struct log_identity id = {.name = "orders", .cluster_id = "c", .leader_epoch = 3};
    struct err_msg msg;
    log_set_level(LOG_LEVEL_COUNT);
    uint64_t what = cursor_be(&input, 1);
    c.start_offset = cursor_be(&input, 1);
    c.segment_base_offset = cursor_be(&input, 1);
    c.recovery_offset = cursor_be(&input, 1);
    c.recovery_position = cursor_be(&input, 2);
    c.end_segment = cursor_be(&input, 1);
    c.end_position = cursor_be(&input, 2);
    c.is_clean = (what & 1) != 0;
    if ((what & 2) != 0) c = checkpoint_empty(0);
    if ((what & 4) == 0) FUZZ_CHECK(checkpoint_write(d, "data/orders/0", &c, &msg) == ERR_OK);
    FUZZ_CHECK(meta_write(d, "data/orders", &id, &msg) == ERR_OK);
    for (int i = 0; i < 3; i++) {
        char path[LOG_PATH_BYTES];
        struct cursor piece = fuzz_piece(&input);
        uint64_t base = i == 0 ? 0 : i == 1 ? what >> 4 : 9;
        segment_path(path, "data/orders/0", base, SEGMENT_LOG);
        if (i == 0 || cursor_left(&piece) > 0) fuzz_put(d, path, with_checksums(piece, room));
    }
    uint64_t end;
    if (recover(d, (what & 8) != 0, &end) == ERR_OK) {
        opens_again(d, end);
    } else {
        const struct log_check_options options = {.repair = true, .cut = true, .say = say};
        struct log_check_result r = {0};
        FUZZ_CHECK(log_check_log(d, "data", "orders", &options, &r, &msg) == ERR_OK);
        struct log_identity now;
        FUZZ_CHECK(meta_read(d, "data/orders", &now, &msg) == ERR_OK && now.leader_epoch >= 3);
        if (r.faults == 0) {
            FUZZ_CHECK(recover(d, false, &end) == ERR_OK);
            opens_again(d, end);
        }
    }
    disk_destroy(d);
    return 0;
}

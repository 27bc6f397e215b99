/* The readers of a segment: the walk of recovery, its records and headers, and making indexes from it. */
#include <string.h>

#include "storage/log_folder.h"
#include "tests/fuzz/fuzz.h"

static void read_records(const struct record_batch_view *view)
{
    struct cursor records = cursor_of(view->records, view->records_bytes);
    struct record_view record;
    struct record_header h;
    int64_t timestamp_ms;
    (void)batch_first_header(view, "millrace.gtid_set", &h);
    (void)batch_last_header(view, "millrace.position", &h, &timestamp_ms);
    while (cursor_left(&records) > 0 && record_next(&records, view, &record) == ERR_OK) {
        FUZZ_CHECK(record.offset >= view->base_offset);
        while (record_header_next(&record, &h) == ERR_OK)
            FUZZ_CHECK((const uint8_t *)h.value == NULL ||
                       ((const uint8_t *)h.value >= view->records &&
                        (const uint8_t *)h.value + h.value_bytes <= view->records + view->records_bytes));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct disk *d = fuzz_disk();
    struct log_walk w;
    struct record_batch_view view;
    struct err_msg msg;
    fuzz_put(d, "data/orders/0/00000000000000000000.log", cursor_of(bytes, size));
    fuzz_put(d, "data/orders/0/00000000000000000009.log", cursor_of("", 0));
    struct log_folder f = {.disk = d, .path = "data/orders/0", .leader_epoch = 5};
    FUZZ_CHECK(log_folder_list(&f, true, &msg) == ERR_OK && f.count == 2);
    for (int verify = 0; verify < 2; verify++) {
        uint64_t expected = 0, position = 0;
        FUZZ_CHECK(log_folder_walk(&f, 0, 0, 0, verify == 1, &w, &msg) == ERR_OK);
        while (log_walk_next(&w, &view) == ERR_OK) {
            FUZZ_CHECK(view.base_offset == expected && w.expected > expected && w.scan.position > position);
            expected = w.expected;
            position = w.scan.position;
            read_records(&view);
        }
        log_walk_close(&w);
    }
    struct index_set set;
    struct index_seal seal;
    FUZZ_CHECK(index_set_init(&set, 200) == ERR_OK);
    if (log_folder_seal(&f, 0, &set, 100, &seal, &msg) == ERR_OK) {
        FUZZ_CHECK(seal.next_offset == 9 && seal.log_bytes <= size && index_seal_verify(d, f.path, &seal));
        FUZZ_CHECK(log_folder_check_seal(&f, 0, &seal, &msg) == ERR_OK);
    }
    index_set_fini(&set);
    log_folder_fini(&f);
    disk_destroy(d);
    return 0;
}

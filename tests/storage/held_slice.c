#include "tests/storage/held_slice.h"

#include <poll.h>
#include <string.h>

#include "base/invariant.h"
#include "formats/record_batch.h"
#include "tests/storage/producer.h"

void held_verify(const struct held_slice *h, uint64_t seed, uint8_t *room)
{
    size_t size = 0;
    uint64_t expected = UINT64_MAX;
    for (uint32_t i = 0; i < h->slice.piece_count; i++) {
        INVARIANT(size + h->slice.piece[i].size <= HELD_ROOM_BYTES);
        memcpy(room + size, h->slice.piece[i].bytes, h->slice.piece[i].size);
        size += h->slice.piece[i].size;
    }
    for (size_t done = 0; done < size;) {
        struct record_batch_view view;
        struct record_view record;
        enum err e = record_batch_view(room + done, size - done, &view);
        INVARIANT(e == ERR_OK && record_batch_crc_holds(room + done, &view));
        INVARIANT(expected == UINT64_MAX ? view.base_offset <= h->offset && h->offset <= view.last_offset
                                         : view.base_offset == expected);
        expected = view.last_offset + 1;
        struct cursor records = cursor_of(view.records, view.records_bytes);
        for (uint64_t offset = view.base_offset; cursor_left(&records) > 0; offset++) {
            e = record_next(&records, &view, &record);
            INVARIANT(e == ERR_OK && record.offset == offset);
            INVARIANT(record_value_holds(seed, offset, record.value, record.value_bytes));
        }
        done += view.bytes;
    }
    INVARIANT(expected == h->slice.next_offset);
}

void held_release(struct log_reader *reader, struct held_slice *h)
{
    for (uint32_t i = 0; i < h->slice.piece_count; i++) log_reader_release(reader, &h->slice.piece[i]);
    h->slice.piece_count = 0;
}

enum err held_read(struct log_reader *reader, struct log *l, struct log_cursor *cursor, struct held_slice *h)
{
    struct pollfd p = {.fd = log_reader_fd(reader), .events = POLLIN};
    for (int i = 0; i < 100; i++) {
        enum err e = log_reader_read(reader, l, h->offset, HELD_BYTES, true, cursor, &h->slice);
        if (e != ERR_AGAIN) return e;
        if (log_reader_poll(reader) == 0) (void)poll(&p, 1, 20);
        (void)log_reader_poll(reader);
    }
    return ERR_AGAIN;
}

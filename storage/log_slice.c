/* Batches out of the pieces that they lie in, unpacked: for consumers that cannot unpack them, or know no batches. */
#include <string.h>
#include <sys/mman.h>

#include "base/invariant.h"
#include "formats/record_batch.h"
#include "storage/log_reader.h"

enum { CODECS_PACKED = ~(1 << COMPRESSION_NONE) };

enum err plain_rooms_init(struct plain_rooms *p, uint64_t bytes)
{
    *p = (struct plain_rooms){.bytes = bytes};
    void *both =
        mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (both == MAP_FAILED) return ERR_NO_MEMORY;
    p->room = both;
    p->plain = p->room + bytes;
    enum err e = unpacker_open(&p->unpacker);
    if (e != ERR_OK) plain_rooms_fini(p);
    return e;
}

void plain_rooms_fini(struct plain_rooms *p)
{
    if (p->room != NULL) munmap(p->room, 2 * p->bytes);
    unpacker_close(p->unpacker);
    *p = (struct plain_rooms){0};
}

struct slice_place {
    const struct log_slice *slice;
    uint32_t piece, position; /* in it */
    uint32_t left;            /* bytes to the slice's end */
};

/* `size` bytes from the place on, which moves behind them: where they lie, or copied to `room`. */
static const uint8_t *slice_take(struct slice_place *at, uint32_t size, uint8_t *room)
{
    const struct log_piece *p = &at->slice->piece[at->piece];
    uint32_t done = 0;
    const uint8_t *whole = p->size - at->position >= size ? p->bytes + at->position : NULL;
    while (done < size) {
        p = &at->slice->piece[at->piece];
        uint32_t here = p->size - at->position;
        if (here > size - done) here = size - done;
        if (whole == NULL) memcpy(room + done, p->bytes + at->position, here);
        done += here;
        at->position += here;
        if (at->position == p->size && at->piece + 1 < at->slice->piece_count) {
            at->piece++;
            at->position = 0;
        }
    }
    at->left -= size;
    return whole != NULL ? whole : room;
}

/* The header of the batch at the place, which stays there.  False: none begins there. */
static bool slice_header(struct slice_place at, struct record_batch_view *view)
{
    uint8_t header[RECORD_BATCH_HEADER_BYTES];
    if (at.left < sizeof header) return false;
    const uint8_t *bytes = slice_take(&at, sizeof header, header);
    return record_batch_view(bytes, UINT32_MAX, view) == ERR_OK && view->bytes - sizeof header <= at.left;
}

bool log_slice_is_packed(const struct log_slice *slice, unsigned codecs)
{
    struct slice_place at = {slice, 0, 0, slice->bytes};
    struct record_batch_view view;
    while (at.left > 0 && slice_header(at, &view)) {
        if ((codecs & 1u << record_batch_codec(&view)) != 0) return true;
        uint32_t size = view.bytes;
        while (size > 0) { /* over the batch, piece by piece */
            uint32_t here = slice->piece[at.piece].size - at.position;
            if (here > size) here = size;
            (void)slice_take(&at, here, NULL);
            size -= here;
        }
    }
    return false;
}

/* The next batch, not packed, `*size` bytes at `out`. */
static enum err plain_next(struct plain_rooms *rooms, struct slice_place *at, uint8_t *out, size_t room, size_t *size)
{
    struct record_batch_view view;
    if (!slice_header(*at, &view)) return ERR_CORRUPT;
    *size = view.bytes;
    if (view.bytes > rooms->bytes) return ERR_TOO_LARGE;
    if (record_batch_codec(&view) == COMPRESSION_NONE) {
        if (view.bytes > room) return ERR_TOO_LARGE;
        const uint8_t *bytes = slice_take(at, view.bytes, out);
        if (bytes != out) memcpy(out, bytes, view.bytes);
        return ERR_OK;
    }
    const uint8_t *bytes = slice_take(at, view.bytes, rooms->room);
    TRY(record_batch_view(bytes, view.bytes, &view));
    if (!record_batch_crc_holds(bytes, &view)) return ERR_CORRUPT; /* what comes of it gets a new one */
    return record_batch_unpack(rooms->unpacker, bytes, &view, out, room, size);
}

enum err log_slice_plain(const struct log_slice *slice, struct plain_rooms *rooms, uint64_t bytes_max,
                         bool first_whole, const uint8_t **bytes, size_t *size)
{
    struct slice_place at = {slice, 0, 0, slice->bytes};
    INVARIANT(slice->piece_count > 0);
    if (slice->piece_count == 1 && !log_slice_is_packed(slice, (unsigned)CODECS_PACKED)) {
        *bytes = slice->piece[0].bytes;
        *size = slice->bytes;
        return ERR_OK;
    }
    *bytes = rooms->plain;
    *size = 0;
    while (at.left > 0) {
        size_t made;
        bool is_first = *size == 0;
        enum err e = plain_next(rooms, &at, rooms->plain + *size, rooms->bytes - *size, &made);
        if (e == ERR_TOO_LARGE && !is_first) return ERR_OK;
        TRY(e);
        if (*size + made > bytes_max && !(is_first && first_whole)) return ERR_OK;
        *size += made;
    }
    return ERR_OK;
}

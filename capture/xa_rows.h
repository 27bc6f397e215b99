/* capture/xa_rows.h -- what a prepared XA transaction is made of, as the bytes of frames (capture/xa_spool.h): what its
 * BEGIN says, the definitions of its tables as they were, and its rows, decoded.  So it needs nothing of the source
 * when it is committed, and any record format can be made of it.  Pure.  Integers are little endian. */
#ifndef CAPTURE_XA_ROWS_H
#define CAPTURE_XA_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "formats/change_event.h"

enum xa_frame { XA_FRAME_BEGIN = 1, XA_FRAME_TABLE, XA_FRAME_ROW };

struct xa_bytes { /* grows; zero is empty */
    uint8_t *at;
    size_t size, capacity;
};
void xa_bytes_free(struct xa_bytes *b);

/* Each replaces what `out` holds.  ERR_NO_MEMORY. */
NODISCARD enum err xa_begin_encode(const struct change_event *begin, struct xa_bytes *out);
NODISCARD enum err xa_table_encode(const struct change_table *table, struct xa_bytes *out);
struct xa_row {
    uint32_t table; /* the number of the table's frame within the transaction, from 0 */
    enum change_operation operation;
    uint16_t column_count;
    uint32_t timestamp_s; /* where it stands in the binlog, and when */
    uint64_t start_position, end_position;
};
NODISCARD enum err xa_row_encode(const struct xa_row *row, const struct change_value *before,
                                 const struct change_value *after, struct xa_bytes *out);

/* What a transaction's BEGIN and COMMIT share: into the fields of `begin` that are not of a place.  ERR_CORRUPT. */
NODISCARD enum err xa_begin_decode(const uint8_t *bytes, size_t size, struct change_event *begin);

/* A definition with everything it points to, in one piece of memory: free() it.  ERR_CORRUPT; ERR_NO_MEMORY. */
NODISCARD enum err xa_table_decode(const uint8_t *bytes, size_t size, struct change_table **out);

/* The values point into `bytes`; `before` and `after` have room for `columns_max`.  ERR_CORRUPT. */
NODISCARD enum err xa_row_decode(const uint8_t *bytes, size_t size, uint16_t columns_max, struct xa_row *row,
                                 struct change_value *before, struct change_value *after);

#endif

/* capture/xid.h -- the name of an XA transaction, from the events that tell of it.  Pure.
 * Formats: X/Open XA; MySQL Internals, "XA_prepare_log_event"; the statements as both servers write them into their
 * binlogs (XA COMMIT X'hex',X'hex',number). */
#ifndef CAPTURE_XID_H
#define CAPTURE_XID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"

enum { XID_DATA_BYTES = 128, XID_TEXT_BYTES = 2 * XID_DATA_BYTES + 24 };

struct xid { /* compared as bytes: what is not used is 0 */
    uint32_t format;
    uint8_t gtrid_bytes, bqual_bytes;
    uint8_t data[XID_DATA_BYTES];
};

enum xid_verb { XID_START, XID_END, XID_PREPARE, XID_COMMIT, XID_ROLLBACK };

/* "XA COMMIT X'7831',X'',1".  ERR_INVALID: it is not so. */
NODISCARD enum err xid_statement(const char *text, size_t size, enum xid_verb *verb, struct xid *out);
/* The body of an XA_PREPARE event.  ERR_TRUNCATED, ERR_CORRUPT. */
NODISCARD enum err xid_event(struct cursor body, bool *one_phase, struct xid *out);

bool xid_is(const struct xid *a, const struct xid *b);
/* As XA RECOVER CONVERT XID shows it: "X'7831',X'',1". */
void xid_text(const struct xid *x, char out[static XID_TEXT_BYTES]);

#endif

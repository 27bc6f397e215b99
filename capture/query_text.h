/* capture/query_text.h -- texts that the source wrote in a character set of its own choice, as UTF-8: statements,
 * labels.  Any thread. */
#ifndef CAPTURE_QUERY_TEXT_H
#define CAPTURE_QUERY_TEXT_H

#include <stddef.h>

#include "base/err.h"
#include "capture/binlog_event.h"
#include "capture/catalog.h"

/* `charset`: CHARACTER_SET_NAME.  `*out` is malloc'd and NUL-terminated; the caller frees it.  ERR_UNSUPPORTED: the C
 * library has no converter; ERR_NO_MEMORY. */
NODISCARD enum err text_of_charset(const char *charset, const void *bytes, size_t size, char **out, size_t *out_bytes);

/* The query's text becomes UTF-8, from the client's character set where the event tells it; else it is taken as UTF-8
 * if it is that, and as latin1 if not.  `*owned` (NULL: nothing was converted) is to be freed when the query is done
 * with.  ERR_NO_MEMORY. */
NODISCARD enum err query_text_utf8(struct binlog_query *q, const struct catalog_server *server, char **owned);

#endif

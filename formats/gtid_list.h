/* formats/gtid_list.h -- a GTID set as text, to which the GTIDs of later transactions are added one by one.
 *
 * The result is read as a set is (capture/gtid_set.h): "uuid:1-5,uuid:6-9", "0-1-5,0-1-6".  Neighbours that go on from
 * each other become one, so that the text of an ordinary source stays short.  One owner. */
#ifndef FORMATS_GTID_LIST_H
#define FORMATS_GTID_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct gtid_list { /* zeroed: empty */
    char *text;    /* NUL-terminated once something is in it; free() it */
    size_t size, capacity;
    size_t newest;        /* where the entry added last begins */
    size_t numbers;       /* ... and where its numbers do; 0: none was added */
    uint64_t first, last; /* which they are */
};

/* A whole set, before all else.  ERR_NO_MEMORY. */
NODISCARD enum err gtid_list_begin(struct gtid_list *l, const void *set, size_t bytes);
/* The GTID of the next transaction, "uuid:number", "uuid:tag:number" or "domain-server-number"; "" adds nothing.
 * ERR_NO_MEMORY. */
NODISCARD enum err gtid_list_add(struct gtid_list *l, const char *gtid);

#endif

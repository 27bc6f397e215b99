/* capture/gtid_set.h -- the set of transactions that a position in the binlog stands for.
 *
 * MySQL: intervals of transaction numbers per server uuid and tag (8.3), with gaps.  MariaDB: the last one of each
 * replication domain, which stands for all before it in that domain.  Owner: the capture thread.  Memory grows with
 * the number of uuids, intervals and domains. */
#ifndef CAPTURE_GTID_SET_H
#define CAPTURE_GTID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"

enum {
    GTID_TAG_BYTES_MAX = 32,
    GTID_TEXT_BYTES = 96,           /* one GTID, NUL included: uuid:number, uuid:tag:number or domain-server-number */
    GTID_SET_ENTRIES_MAX = 1 << 20, /* intervals or domains: a source with more is not sane */
};

struct gtid_interval { /* of one uuid and tag; both ends belong to it */
    uint8_t uuid[16];
    char tag[GTID_TAG_BYTES_MAX + 1]; /* lower case; "": none */
    uint64_t first, last;
};

struct gtid_domain {
    uint32_t domain, server_id;
    uint64_t number;
};

struct gtid_set {                   /* zero: empty; at most one of the two kinds is in use */
    struct gtid_interval *interval; /* sorted by uuid, tag, number; never touching */
    uint32_t interval_count, interval_capacity;
    struct gtid_domain *domain; /* sorted by domain */
    uint32_t domain_count, domain_capacity;
};

void gtid_set_clear(struct gtid_set *s); /* to empty; keeps the memory */
void gtid_set_free(struct gtid_set *s);

/* ERR_NO_MEMORY; ERR_INVALID: number 0, a tag that is none; ERR_TOO_LARGE. */
NODISCARD enum err gtid_set_add(struct gtid_set *s, const uint8_t uuid[static 16], const char *tag, uint64_t first,
                                uint64_t last);
NODISCARD enum err gtid_set_add_domain(struct gtid_set *s, uint32_t domain, uint32_t server_id, uint64_t number);

bool gtid_set_contains(const struct gtid_set *s, const uint8_t uuid[static 16], const char *tag, uint64_t number);
bool gtid_set_contains_domain(const struct gtid_set *s, uint32_t domain, uint64_t number);
/* False when the set's last transaction of the domain has this number and comes from another server. */
bool gtid_set_agrees(const struct gtid_set *s, uint32_t domain, uint32_t server_id, uint64_t number);

/* --- whole sets --- */
/* Adds what `from` has; of a domain the higher number.  ERR_NO_MEMORY, ERR_TOO_LARGE: `s` may hold a part of it. */
NODISCARD enum err gtid_set_union(struct gtid_set *s, const struct gtid_set *from);
/* Takes away what `from` has.  A domain stays whole while it is ahead of `from`'s.  Errors as above. */
NODISCARD enum err gtid_set_subtract(struct gtid_set *s, const struct gtid_set *from);
bool gtid_set_contains_set(const struct gtid_set *s, const struct gtid_set *part);
bool gtid_set_intersects(const struct gtid_set *a, const struct gtid_set *b);
bool gtid_set_is_empty(const struct gtid_set *s);

/* Adds what the text says: "uuid:1-5:7:tag:1-3,uuid:3" or "0-1-5,1-1-7", white space anywhere.  A domain that stands
 * twice counts by its later entry.  ERR_INVALID: neither. */
NODISCARD enum err gtid_set_parse(struct gtid_set *s, const char *text, size_t size);

/* Replaces the set by the body of a PREVIOUS_GTIDS or MariaDB GTID_LIST event (without checksum).  With a tag in it
 * MySQL 8.3 writes another form: 1 in the first and the last byte of the count, and a tag behind each uuid.
 * ERR_TRUNCATED, ERR_CORRUPT; ERR_UNSUPPORTED: a form that we do not know. */
NODISCARD enum err gtid_set_from_previous_gtids(struct gtid_set *s, struct cursor body);
NODISCARD enum err gtid_set_from_gtid_list(struct gtid_set *s, struct cursor body);

/* The text as the server prints it, without white space.  Writes at most `size` bytes, NUL included, and returns the
 * length it has in full, without the NUL: a result >= size was cut. */
size_t gtid_set_text(const struct gtid_set *s, char *out, size_t size);

/* What `ours` has and `theirs` lacks, as text for a message, cut at `size`.  False: nothing. */
bool gtid_set_missing_text(const struct gtid_set *ours, const struct gtid_set *theirs, char *out, size_t size);

/* One GTID as text into `out`; returns its length. */
size_t gtid_text(const uint8_t uuid[static 16], const char *tag, uint64_t number, char out[static GTID_TEXT_BYTES]);
size_t gtid_text_domain(uint32_t domain, uint32_t server_id, uint64_t number, char out[static GTID_TEXT_BYTES]);

#endif

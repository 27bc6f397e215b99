/* capture/binlog_event.h -- the bodies of the events that are not rows.
 *
 * `body` is what follows the 19-byte header, without the checksum.  Everything returned points into it.  No function
 * allocates.  Any thread.  ERR_TRUNCATED or ERR_CORRUPT when the body does not hold what it says.
 * Sources of the formats: MySQL Internals, "Binlog Event"; for MariaDB's: its knowledge base, "Replication protocol".
 */
#ifndef CAPTURE_BINLOG_EVENT_H
#define CAPTURE_BINLOG_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "capture/binlog_header.h"
#include "capture/gtid_set.h"

enum { BINLOG_EVENT_TYPES_MAX = 255, BINLOG_SERVER_VERSION_BYTES = 50, BINLOG_VERSION_5_1 = 0x050100,
       BINLOG_DEFAULT_COLLATIONS_MAX = 8 };
enum binlog_checksum { BINLOG_CHECKSUM_NONE = 0, BINLOG_CHECKSUM_CRC32 = 1 };

struct binlog_format { /* FORMAT_DESCRIPTION: how the file's events are to be read */
    uint16_t binlog_version;
    char server_version[BINLOG_SERVER_VERSION_BYTES + 1];
    uint32_t version_number; /* major << 16 | minor << 8 | patch */
    bool is_mariadb;
    uint8_t checksum; /* enum binlog_checksum */
    uint8_t type_count;
    uint8_t post_header[BINLOG_EVENT_TYPES_MAX]; /* [type - 1]: bytes of the type's fixed part */
};
/* Here `body` includes what may be a checksum: the version in it says whether it is one. ERR_UNSUPPORTED: not
 * version 4. */
NODISCARD enum err binlog_format_decode(struct cursor body, struct binlog_format *out);
/* Bytes of the fixed part of `type`; `otherwise` when the source does not say. */
static inline uint8_t binlog_post_header(const struct binlog_format *f, uint8_t type, uint8_t otherwise)
{
    return type >= 1 && type <= f->type_count ? f->post_header[type - 1] : otherwise;
}

/* Verifies the checksum of a whole event and takes it off `*size`.  `format`: of the file, NULL while it is not known.
 * A FORMAT_DESCRIPTION keeps its bytes (its decoder needs them).  Events made for the dump may have a checksum or not:
 * it is taken off when it holds.  ERR_CORRUPT: it does not hold. */
NODISCARD enum err binlog_checksum_take(const struct binlog_format *format, const struct binlog_header *header,
                                        const uint8_t *event, size_t *size);

struct binlog_rotate {
    uint64_t position;
    const char *file;
    size_t file_bytes;
};
NODISCARD enum err binlog_rotate_decode(struct cursor body, struct binlog_rotate *out);

struct binlog_query {
    uint32_t thread_id;
    uint16_t error_code;
    bool has_status; /* flags2, sql_mode and charset were there */
    uint32_t flags2;
    uint64_t sql_mode;
    uint16_t client_charset;       /* collation ids; 0: not said */
    uint16_t server_collation;     /* what CREATE DATABASE takes */
    uint16_t default_collation[BINLOG_DEFAULT_COLLATIONS_MAX]; /* what CHARACTER SET without COLLATE means, where it is
                                                                 not the version's */
    uint8_t default_collation_count;
    bool has_explicit_timestamps;  /* the next was there */
    bool explicit_timestamps;      /* explicit_defaults_for_timestamp */
    const char *database;
    size_t database_bytes;
    const char *text;
    size_t text_bytes;
};
NODISCARD enum err binlog_query_decode(struct cursor body, const struct binlog_format *format,
                                       struct binlog_query *out);
/* MariaDB's QUERY_COMPRESSED: `*out` is the body of the QUERY that it packs, malloc'd; the caller frees it.
 * ERR_UNSUPPORTED: packed in an unknown way; ERR_TOO_LARGE: a statement beyond 1 GiB, which no server takes;
 * ERR_NO_MEMORY. */
NODISCARD enum err binlog_query_unpack(struct cursor body, const struct binlog_format *format, uint8_t **out,
                                       size_t *out_bytes);
/* EXECUTE_LOAD_QUERY: a QUERY of LOAD DATA, with more in its fixed part. */
NODISCARD enum err binlog_load_query_decode(struct cursor body, const struct binlog_format *format,
                                            struct binlog_query *out);

struct binlog_gtid { /* GTID, ANONYMOUS_GTID, GTID_TAGGED */
    uint8_t uuid[16];
    uint64_t number;
    uint64_t commit_us; /* when the server that we read from committed it; 0: not said (before 8.0.1) */
    char tag[GTID_TAG_BYTES_MAX + 1]; /* "": none */
};
NODISCARD enum err binlog_gtid_decode(struct cursor body, struct binlog_gtid *out);
/* MySQL 8.3 and later write a GTID with a tag in their own serialization format (mysql/serialization: numbers with
 * their length in the low bits, fields by number).  ERR_UNSUPPORTED: it has a field that must be known and is not. */
NODISCARD enum err binlog_gtid_tagged_decode(struct cursor body, struct binlog_gtid *out);

enum binlog_mariadb_gtid_flags {
    MARIADB_GTID_STANDALONE = 1, /* one statement without a COMMIT */
    MARIADB_GTID_GROUP_COMMIT = 2,
    MARIADB_GTID_DDL = 32,
    MARIADB_GTID_PREPARED_XA = 64,
    MARIADB_GTID_COMPLETED_XA = 128,
};
enum binlog_mariadb_gtid_extra { /* binlog_alter_two_phase (10.8): an ALTER is announced, and then done or given up */
    MARIADB_GTID_START_ALTER = 2,
    MARIADB_GTID_COMMIT_ALTER = 4,
    MARIADB_GTID_ROLLBACK_ALTER = 8,
};
struct binlog_mariadb_gtid {
    uint64_t number;
    uint32_t domain;
    uint8_t flags, extra;
};
/* Its statement is written, and does nothing: START ALTER, ROLLBACK ALTER. */
static inline bool binlog_mariadb_gtid_is_idle(const struct binlog_mariadb_gtid *g)
{
    return (g->extra & (MARIADB_GTID_START_ALTER | MARIADB_GTID_ROLLBACK_ALTER)) != 0;
}
NODISCARD enum err binlog_mariadb_gtid_decode(struct cursor body, struct binlog_mariadb_gtid *out);

struct binlog_incident { /* the source itself knows that its binlog lacks something */
    uint16_t kind;
    const char *text;
    size_t text_bytes;
};
NODISCARD enum err binlog_incident_decode(struct cursor body, struct binlog_incident *out);

/* "TRANSACTION_PAYLOAD", ...; "type 99" for what has no name.  The text is static or in a buffer per thread. */
const char *binlog_event_name(uint8_t type);

#endif

/* capture/binlog_header.h -- the fixed header in front of every binlog event (binlog version 4, little endian).
 * Source of the format: MySQL Internals, "Binlog Event header". */
#ifndef CAPTURE_BINLOG_HEADER_H
#define CAPTURE_BINLOG_HEADER_H

#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"

enum { BINLOG_HEADER_BYTES = 19, BINLOG_CHECKSUM_BYTES = 4, BINLOG_FIRST_POSITION = 4 };

enum binlog_event_type { /* numbers of the wire; values not listed are legal */
                         BINLOG_START_V3 = 1,
                         BINLOG_QUERY = 2,
                         BINLOG_STOP = 3,
                         BINLOG_ROTATE = 4,
                         BINLOG_INTVAR = 5,
                         BINLOG_LOAD = 6,
                         BINLOG_SLAVE = 7,
                         BINLOG_CREATE_FILE = 8,
                         BINLOG_APPEND_BLOCK = 9,
                         BINLOG_EXEC_LOAD = 10,
                         BINLOG_DELETE_FILE = 11,
                         BINLOG_NEW_LOAD = 12,
                         BINLOG_RAND = 13,
                         BINLOG_USER_VAR = 14,
                         BINLOG_FORMAT_DESCRIPTION = 15,
                         BINLOG_XID = 16,
                         BINLOG_BEGIN_LOAD_QUERY = 17,
                         BINLOG_EXECUTE_LOAD_QUERY = 18,
                         BINLOG_TABLE_MAP = 19,
                         BINLOG_PRE_GA_WRITE = 20,
                         BINLOG_PRE_GA_UPDATE = 21,
                         BINLOG_PRE_GA_DELETE = 22,
                         BINLOG_WRITE_ROWS_V1 = 23,
                         BINLOG_UPDATE_ROWS_V1 = 24,
                         BINLOG_DELETE_ROWS_V1 = 25,
                         BINLOG_INCIDENT = 26,
                         BINLOG_HEARTBEAT = 27,
                         BINLOG_IGNORABLE = 28,
                         BINLOG_ROWS_QUERY = 29,
                         BINLOG_WRITE_ROWS = 30,
                         BINLOG_UPDATE_ROWS = 31,
                         BINLOG_DELETE_ROWS = 32,
                         BINLOG_GTID = 33,
                         BINLOG_ANONYMOUS_GTID = 34,
                         BINLOG_PREVIOUS_GTIDS = 35,
                         BINLOG_TRANSACTION_CONTEXT = 36,
                         BINLOG_VIEW_CHANGE = 37,
                         BINLOG_XA_PREPARE = 38,
                         BINLOG_PARTIAL_UPDATE_ROWS = 39,
                         BINLOG_TRANSACTION_PAYLOAD = 40,
                         BINLOG_HEARTBEAT_V2 = 41,
                         BINLOG_GTID_TAGGED = 42,
                         BINLOG_MARIADB_ANNOTATE_ROWS = 160,
                         BINLOG_MARIADB_CHECKPOINT = 161,
                         BINLOG_MARIADB_GTID = 162,
                         BINLOG_MARIADB_GTID_LIST = 163,
                         BINLOG_MARIADB_START_ENCRYPTION = 164,
                         BINLOG_MARIADB_QUERY_COMPRESSED = 165,
                         BINLOG_MARIADB_WRITE_ROWS_COMPRESSED_V1 = 166,
                         BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED_V1 = 167,
                         BINLOG_MARIADB_DELETE_ROWS_COMPRESSED_V1 = 168,
                         BINLOG_MARIADB_WRITE_ROWS_COMPRESSED = 169,
                         BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED = 170,
                         BINLOG_MARIADB_DELETE_ROWS_COMPRESSED = 171,
};

enum binlog_event_flags {
    BINLOG_FLAG_IN_USE = 0x0001,     /* FORMAT_DESCRIPTION: the file was not closed; cleared when it is */
    BINLOG_FLAG_ARTIFICIAL = 0x0020, /* made for the dump, not in the file */
    BINLOG_FLAG_IGNORABLE = 0x0080,  /* a replica that does not know the type may skip it */
};

struct binlog_header {
    uint32_t timestamp_s;   /* seconds since 1970 on the source's clock; 0 in artificial events */
    uint8_t type;           /* enum binlog_event_type; unknown values are legal */
    uint32_t server_id;     /* of the server that wrote it first */
    uint32_t event_size;    /* bytes, this header and the checksum included */
    uint32_t next_position; /* bytes from file start, modulo 2^32; 0 in artificial events */
    uint16_t flags;         /* BINLOG_FLAG_* */
};

/* binlog_header_decode reads one header from `in` into `out`.  Borrows `in`, allocates nothing.  ERR_TRUNCATED: fewer
 * than 19 bytes left.  ERR_CORRUPT: event_size cannot hold the header.  On error `out` is untouched.  Any thread. */
NODISCARD enum err binlog_header_decode(struct cursor *in, struct binlog_header *out);

/* The position behind an event that began at `position`, in 64 bits: the header knows only the low 32. */
static inline uint64_t binlog_position_after(uint64_t position, uint32_t next_position)
{
    uint64_t next = (position & ~(uint64_t)UINT32_MAX) | next_position;
    return next < position ? next + ((uint64_t)1 << 32) : next;
}

#endif

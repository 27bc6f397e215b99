/* formats/source_position.h -- the place in the source's binlog at which capture resumes, as it is logged.
 *
 * The last record of each transaction, each DDL and each HEARTBEAT carries one in the header RECORD_HEADER_POSITION;
 * the first record of each segment, and now and then a HEARTBEAT, carries also the whole GTID set as text in
 * RECORD_HEADER_GTID_SET.  Storage uses the mere presence of the first header as "a transaction ends here" and hands
 * the last one's bytes to capture unread; of those behind the newest set it reads the GTIDs.
 *
 * Bytes, little endian: version u8 (1), flags u8 (0), file name u8 length + bytes, position u64, FORMAT_DESCRIPTION
 * time u32, server uuid u8 length + bytes, GTID of the transaction u8 length + bytes (0: none). */
#ifndef FORMATS_SOURCE_POSITION_H
#define FORMATS_SOURCE_POSITION_H

#include "base/cursor.h"
#include "base/err.h"
#include "base/sink.h"

enum { SOURCE_POSITION_BYTES_MAX = 1 + 1 + 256 + 8 + 4 + 65 + 129 };

struct source_position {
    char     file[256];            /* binlog file name */
    uint64_t position;             /* bytes from the file's start: where the next transaction begins */
    uint32_t format_description_s; /* time of that file's FORMAT_DESCRIPTION event: tells a file from its namesake */
    char     server_uuid[65];      /* MariaDB: "server_id N"; "" where the version has none */
    char     gtid[129];            /* of the transaction that ends here, "" if it has none */
};

/* Returns the bytes written; `out` has SOURCE_POSITION_BYTES_MAX.  Names are cut never: they are bounded when read from
 * the source. */
size_t             source_position_encode(const struct source_position *p, uint8_t *out);
/* ERR_TRUNCATED, ERR_CORRUPT, ERR_NEWER_FORMAT; `out` is untouched on error. */
NODISCARD enum err source_position_decode(const void *bytes, size_t size, struct source_position *out);

#endif

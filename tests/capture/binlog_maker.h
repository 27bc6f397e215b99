/* tests/capture/binlog_maker.h -- binlog events as MySQL 5.7 writes them (CRC32, GTIDs, v2 rows), appended to a
 * simulated source. */
#ifndef TESTS_CAPTURE_BINLOG_MAKER_H
#define TESTS_CAPTURE_BINLOG_MAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sink.h"
#include "capture/stream_sim.h"

struct binlog_maker {
    struct stream_sim_source *source;
    uint32_t now_s;       /* timestamp of the next events */
    uint64_t gtid_number; /* of the last transaction */
    uint8_t uuid[16];     /* of its server */
    const struct gtid_set *previous; /* what PREVIOUS_GTIDS says; NULL: all up to the last transaction */
    uint64_t xid;
    uint32_t file_number;
    uint64_t commit_us; /* != 0: GTIDs carry it, as 8.0's do */
    uint64_t position;   /* behind the newest event of the file */
    uint16_t flags;      /* of the next events */
    uint64_t jump_bytes; /* added to the position behind the next event: what the source left out */
    uint8_t *payload; /* of the compressed transaction being made; NULL: none is */
    size_t payload_bytes, payload_capacity;
};

enum { MAKER_TABLE_BYTES_MAX = 64 };

void binlog_maker_init(struct binlog_maker *m, struct stream_sim_source *source);
/* Ends the file with a ROTATE (if there is one and `orderly`) and begins the next: FORMAT_DESCRIPTION, PREVIOUS_GTIDS.
 */
void binlog_maker_file(struct binlog_maker *m, bool orderly);
void binlog_maker_event(struct binlog_maker *m, uint8_t type, const void *body, size_t size);
void binlog_maker_gtid(struct binlog_maker *m);
void binlog_maker_query(struct binlog_maker *m, const char *database, const char *text);
void binlog_maker_xid(struct binlog_maker *m);
/* The events in between become one TRANSACTION_PAYLOAD, packed by zstd in pieces of `frame_bytes` (0: one frame), or as
 * they are. */
void binlog_maker_payload_begin(struct binlog_maker *m);
void binlog_maker_payload_end(struct binlog_maker *m, bool is_packed, size_t frame_bytes);
/* A GTID with a tag, as 8.3 writes it. */
void binlog_maker_gtid_tagged(struct binlog_maker *m, const char *tag, uint64_t number);
/* "XA START X'<name in 4 bytes>',X'',1"; verbs as in SQL. */
void binlog_maker_xa(struct binlog_maker *m, const char *verb, uint32_t name);
void binlog_maker_xa_prepare(struct binlog_maker *m, uint32_t name, bool one_phase);
/* TABLE_MAP of (id INT NOT NULL, text TEXT). */
void binlog_maker_table_map(struct binlog_maker *m, uint64_t table_id, const char *database, const char *table);
/* The same with `extra` more columns INT NOT NULL, and one row: its id, no text, and id + 1, id + 2, ... in those. */
void binlog_maker_wide_row(struct binlog_maker *m, uint64_t table_id, const char *database, const char *table,
                           unsigned extra, uint32_t id, uint32_t text_bytes);
/* One WRITE_ROWS event: rows `first_id` .. first_id + count - 1, each with a text of `text_bytes` made from its id. */
void binlog_maker_write(struct binlog_maker *m, uint64_t table_id, uint32_t first_id, uint32_t count,
                        uint32_t text_bytes);

extern const uint8_t binlog_maker_uuid[16];

#endif

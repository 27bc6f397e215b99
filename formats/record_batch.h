/* formats/record_batch.h -- Kafka's record batch, magic 2: writing in place, reading, verifying.
 * Layout: the Kafka protocol guide, "Record Batch"; offsets of the fields are the RECORD_BATCH_* constants.
 *
 * Writing goes straight into the memory that disk and network will read.  A record's two length prefixes are varints
 * that stand before bytes of yet unknown size: the writer guesses their width from the record before, and moves the
 * bytes by one or two when it guessed wrong, so that every varint is minimal. */
#ifndef FORMATS_RECORD_BATCH_H
#define FORMATS_RECORD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "formats/compression.h"

enum {
    RECORD_BATCH_HEADER_BYTES = 61,
    RECORD_BATCH_AT_LENGTH    = 8,  /* bytes after this field */
    RECORD_BATCH_AT_EPOCH     = 12,
    RECORD_BATCH_AT_MAGIC     = 16,
    RECORD_BATCH_AT_CRC       = 17,
    RECORD_BATCH_AT_ATTRIBUTES = 21, /* the CRC covers from here to the end */
    RECORD_BATCH_LENGTH_OVERHEAD = 12, /* total bytes = batch length + this */
    RECORD_OVERHEAD_MAX       = 64, /* a record's bytes beside value, header keys and values, with up to 3 headers */
    RECORD_BATCH_SLACK_BYTES  = 1 << 20, /* of a batch beside its largest record's value: headers, smaller records */
};

struct record_header {
    const char *key; /* UTF-8 */
    uint32_t    key_bytes;
    const void *value;
    uint32_t    value_bytes;
};

/* Two keys of our own, see formats/source_position.h. */
#define RECORD_HEADER_POSITION "millrace.position"
#define RECORD_HEADER_GTID_SET "millrace.gtid_set"
#define RECORD_HEADER_OBJECTS "millrace.objects" /* of a HEARTBEAT: what is selected from here on */

struct record_batch_writer {
    uint8_t *start, *at, *end; /* start: the batch's first byte */
    uint64_t base_offset;
    int64_t  base_timestamp_ms, max_timestamp_ms;
    uint32_t record_count;
    uint32_t leader_epoch;
    uint8_t *value;               /* of the record being written, NULL between records */
    int64_t  pending_timestamp_ms; /* of that record */
    uint32_t length_width, value_length_width; /* guesses, bytes */
};

/* Starts a batch at `at` with room for `size` bytes (at least RECORD_BATCH_HEADER_BYTES). */
void record_batch_begin(struct record_batch_writer *w, void *at, size_t size, uint64_t base_offset,
                        uint32_t leader_epoch);

/* Where the next record's value goes, or NULL when `value_bytes_max` + `headers_bytes_max` + RECORD_OVERHEAD_MAX do not
 * fit; `headers_bytes_max`: keys and values of up to three headers (of more: record_headers_bytes).  Then write the
 * value there and call record_batch_record_end, or call record_begin again to drop it.  Key: null. */
uint8_t *record_batch_record_begin(struct record_batch_writer *w, int64_t timestamp_ms, size_t value_bytes_max,
                                   size_t headers_bytes_max);
void record_batch_record_end(struct record_batch_writer *w, size_t value_bytes, const struct record_header *headers,
                             uint32_t header_count);

/* Bytes the headers take in a record, their length prefixes included. */
size_t record_headers_bytes(const struct record_header *headers, uint32_t header_count);

/* A record with a key (group offsets); copies everything.  value NULL: a tombstone.  ERR_NO_SPACE. */
NODISCARD enum err record_batch_add(struct record_batch_writer *w, int64_t timestamp_ms, const void *key,
                                    int32_t key_bytes, const void *value, int32_t value_bytes);

/* Bytes used so far, header included. */
static inline size_t record_batch_bytes(const struct record_batch_writer *w) { return (size_t)(w->at - w->start); }

/* A place between two records to which the batch can be cut back. */
struct record_batch_mark { uint8_t *at; int64_t max_timestamp_ms; uint32_t record_count; };
struct record_batch_mark record_batch_mark(const struct record_batch_writer *w);
void record_batch_cut(struct record_batch_writer *w, struct record_batch_mark mark);

/* Appends records that were written in another batch (bytes between a mark and that batch's `at`) to this one, with
 * deltas made anew.  `from_base_*` are the other batch's.  The bytes must not overlap this batch's room.  Offsets stay:
 * the first record's must be the next of this batch.  ERR_NO_SPACE, ERR_CORRUPT (also: offsets do not join); on error
 * nothing is appended. */
NODISCARD enum err record_batch_append_records(struct record_batch_writer *w, const void *records, size_t size,
                                               uint64_t from_base_offset, int64_t from_base_timestamp_ms);

/* Fills in the header and the CRC; returns the batch's size in bytes.  At least one record; the writer must begin anew
 * then. */
size_t record_batch_finish(struct record_batch_writer *w);
/* The same with its records packed, by way of `room`, which does not overlap the batch and is larger than it by
 * PACKER_SLACK_BYTES; records that would not be smaller then stay as they are. */
size_t record_batch_finish_packed(struct record_batch_writer *w, struct packer *packer, void *room, size_t room_bytes);

/* `bytes`: a batch's header, and behind it `records_bytes` of its records, as they were.  Makes it a batch of these
 * alone, over the same offsets and times; none at all is allowed (a reader's next offset is behind it).  Returns its
 * size. */
size_t record_batch_keep(void *bytes, size_t records_bytes, uint32_t record_count);

/* A whole batch as it lies in memory. */
struct record_batch_view {
    uint64_t base_offset, last_offset;
    int64_t  base_timestamp_ms, max_timestamp_ms;
    uint32_t bytes; /* in all */
    uint32_t leader_epoch, crc, record_count;
    uint16_t attributes; /* COMPRESSION_MASK of them: the codec */
    const uint8_t *records;
    uint32_t records_bytes;
};

/* Reads the header at `bytes`.  ERR_TRUNCATED: fewer bytes than the batch has (out->bytes is set once 61 are there);
 * ERR_CORRUPT: not a magic 2 batch, or fields that contradict each other.  Does not check the CRC. */
NODISCARD enum err record_batch_view(const void *bytes, size_t size, struct record_batch_view *out);
bool               record_batch_crc_holds(const void *bytes, const struct record_batch_view *view);
/* Patches base offset and leader epoch, which the CRC does not cover. */
void               record_batch_patch(void *bytes, uint64_t base_offset, uint32_t leader_epoch);

static inline enum compression record_batch_codec(const struct record_batch_view *view)
{
    return (enum compression)(view->attributes & COMPRESSION_MASK);
}
/* The most bytes that a packed batch may have when it is unpacked: one of a log whose records' values are at most
 * `record_bytes_max` and whose chunks have `chunk_bytes`. */
static inline uint64_t record_batch_plain_bytes_max(uint64_t record_bytes_max, uint64_t chunk_bytes)
{
    return (record_bytes_max > chunk_bytes ? record_bytes_max : chunk_bytes) + RECORD_BATCH_SLACK_BYTES;
}
/* The whole batch at `bytes` with its records unpacked: *out_bytes bytes at `out`, a batch of the same offsets and
 * times.  Does not look at the CRC.  Errors as unpacker_unpack: ERR_TOO_LARGE: it is larger than `room`. */
NODISCARD enum err record_batch_unpack(struct unpacker *u, const void *bytes, const struct record_batch_view *view,
                                       void *out, size_t room, size_t *out_bytes);

struct record_view {
    uint64_t offset;
    int64_t  timestamp_ms;
    const uint8_t *key, *value; /* NULL: null */
    uint32_t key_bytes, value_bytes, header_count;
    struct cursor headers; /* read with record_header_next */
};

/* The records of an uncompressed batch, one after the other: start with cursor_of(view.records, view.records_bytes);
 * ends when cursor_left is 0.  ERR_CORRUPT: a record does not fill exactly its length. */
NODISCARD enum err record_next(struct cursor *records, const struct record_batch_view *batch, struct record_view *out);
/* ERR_NOT_FOUND: no more headers. */
NODISCARD enum err record_header_next(struct record_view *record, struct record_header *out);
/* The value of the header with this key; false: none. */
bool record_header_find(const struct record_view *record, const char *key, struct record_header *out);

#endif

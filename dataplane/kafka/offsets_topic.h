/* dataplane/kafka/offsets_topic.h -- the topic __consumer_offsets as monitoring tools read it (Burrow, kminion).
 *
 * In Kafka it has 50 partitions, and a group's records lie in the one that its name hashes to.  Here it is a view of
 * the coordinator's own log: each partition shows, at the log's offsets, the log's records of its groups and no others.
 * So nothing is stored twice, offsets grow and survive restarts, and a reader from the start meets the live state,
 * which the log always holds.  Offsets are not dense; the ends of batches carry readers over what is not theirs.
 *
 * A partition's end, in ListOffsets and as the high watermark, lies behind its own newest record, for tools first read
 * until they have consumed the record before it.  Only the coordinator knows where that is: it publishes the ends as
 * its records become durable. */
#ifndef DATAPLANE_KAFKA_OFFSETS_TOPIC_H
#define DATAPLANE_KAFKA_OFFSETS_TOPIC_H

#include "dataplane/kafka/request.h"

enum { OFFSETS_TOPIC_PARTITIONS = 50 }; /* Kafka's offsets.topic.num.partitions; tools compute with it */

/* The partition of a group: Java's String.hashCode, its absolute value modulo 50. */
uint32_t offsets_topic_partition(struct kafka_string group);
/* The same of a record by its key; OFFSETS_TOPIC_PARTITIONS: it has no group. */
uint32_t offsets_topic_partition_of(const uint8_t *key, size_t key_bytes);

/* What the coordinator's thread has published; zeros at first. */
struct offsets_topic_ends {
    _Atomic bool     is_known; /* it has read the log */
    _Atomic uint64_t through;  /* the ends are those of the records below this */
    _Atomic uint64_t end[OFFSETS_TOPIC_PARTITIONS]; /* behind the newest record of each; 0: there was none */
};
/* Coordinator's thread: a record is durable; then, that all below `through` were told. */
void offsets_topic_note(struct offsets_topic_ends *ends, uint32_t partition, uint64_t offset);
void offsets_topic_publish(struct offsets_topic_ends *ends, uint64_t through);

/* A partition as it is now. */
struct offsets_topic_view {
    bool     is_known;
    uint64_t through;
    uint64_t own_end; /* as published: may lie below the log's start */
    uint64_t end;     /* start <= end <= watermark; while nothing is known, the watermark */
};
struct offsets_topic_view offsets_topic_look(const struct offsets_topic_ends *ends, uint32_t partition, uint64_t start,
                                             uint64_t watermark);

/* Makes of the slice what partition `index` shows from `offset` on: a buffer of r->buffers, for Fetch 0-3 of messages,
 * in at most `bytes_max` bytes (the first message whole all the same when `first_whole`).  piece->size 0: it shows
 * nothing.  *next_offset: where a reader goes on.  *end: behind the last record shown, if there is one.  `carries`: a
 * reader that finds nothing of its own is carried behind the slice.  Takes the slice: its pins are released.
 * ERR_NO_MEMORY: no buffer is free.  ERR_CORRUPT. */
NODISCARD enum err offsets_topic_show(struct request *r, struct log_slice *slice, uint32_t index, uint64_t offset,
                                      uint64_t bytes_max, bool first_whole, bool carries, struct log_piece *piece,
                                      uint64_t *next_offset, uint64_t *end);

#endif

/* dataplane/kafka/offsets_topic.h -- the topic __consumer_offsets as monitoring tools that follow it read it (Burrow).
 *
 * In Kafka it has 50 partitions, and a group's records lie in the one that its name hashes to.  Here it is a view of
 * the coordinator's own log: each partition shows, at the log's offsets, the log's records of its groups and no others.
 * So nothing is stored twice, offsets grow and survive restarts, and a reader from the start meets the live state,
 * which the log always holds.  Offsets are not dense; the ends of batches carry readers over what is not theirs.
 *
 * A partition's end, in ListOffsets and as the high watermark, is the whole log's: who serves it does not know where
 * its own newest record is.  So a tool that first reads until it has consumed a record at that end (kminion's scraping
 * of this topic) never gets there; it can ask for groups and commits by requests instead. */
#ifndef DATAPLANE_KAFKA_OFFSETS_TOPIC_H
#define DATAPLANE_KAFKA_OFFSETS_TOPIC_H

#include "dataplane/kafka/request.h"

enum {
    OFFSETS_TOPIC_PARTITIONS = 50, /* Kafka's offsets.topic.num.partitions; tools compute with it */
    OFFSETS_TOPIC_SKIP_BYTES = 16384, /* of other groups' records, before a reader is carried over them */
};

/* The partition of a group: Java's String.hashCode, its absolute value modulo 50. */
uint32_t offsets_topic_partition(struct kafka_string group);

/* Makes of the slice what partition `index` shows from `offset` on: a buffer of r->buffers, for Fetch 0-3 of messages,
 * in at most `bytes_max` bytes (the first message whole all the same when `first_whole`).  piece->size 0: it shows
 * nothing.  *next_offset: where a reader goes on.  `has_more`: the log goes on behind the slice.  Takes the slice: its
 * pins are released.
 * ERR_NO_MEMORY: no buffer is free.  ERR_CORRUPT. */
NODISCARD enum err offsets_topic_show(struct request *r, struct log_slice *slice, uint32_t index, uint64_t offset,
                                      uint64_t bytes_max, bool first_whole, bool has_more, struct log_piece *piece,
                                      uint64_t *next_offset);

#endif

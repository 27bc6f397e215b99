/* formats/message_set.h -- Kafka's message formats 0 and 1, made from record batches for consumers that are older.
 *
 * A message set is a sequence of entries: offset, size, message.  A message is CRC-32, magic, attributes, (format 1: a
 * timestamp,) key, value; record headers have no place in it.  Layout: the Kafka protocol guide, "Message sets", and
 * KIP-32. Pure; any thread. */
#ifndef FORMATS_MESSAGE_SET_H
#define FORMATS_MESSAGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "formats/record_batch.h"

struct message_set_plan {
    uint64_t bytes;       /* of the set */
    uint32_t count;       /* of messages */
    uint64_t next_offset; /* behind the last of them */
};

/* What of whole, uncompressed batches (`size` bytes at `batches`) fits: the messages of `magic` 0 or 1 from `offset`
 * on, in at most `bytes_max` bytes; the first one all the same when `first_whole`.
 * ERR_CORRUPT: a batch does not hold.  ERR_UNSUPPORTED: it is compressed. */
NODISCARD enum err message_set_plan(const void *batches, size_t size, unsigned magic, uint64_t offset,
                                    uint64_t bytes_max, bool first_whole, struct message_set_plan *out);

/* Writes them, the same batches, magic and offset given: plan->bytes bytes at `out`. */
void message_set_write(const void *batches, size_t size, unsigned magic, uint64_t offset,
                       const struct message_set_plan *plan, uint8_t *out);

/* The one message of a record without a key, whose value lies in pieces: a head of message_head_bytes at `head`, then
 * the value's bytes.  message_head_write returns the checksum so far, message_crc goes on with a piece of the value,
 * and message_head_end puts it in its place. */
size_t   message_head_bytes(unsigned magic);
uint32_t message_head_write(const struct record_view *record, unsigned magic, uint8_t *head);
uint32_t message_crc(uint32_t crc, const uint8_t *bytes, size_t size);
void     message_head_end(uint8_t *head, uint32_t crc);

#endif

#include "capture/binlog_header.h"

enum err binlog_header_decode(struct cursor *in, struct binlog_header *out)
{
    const uint8_t *bytes = cursor_take(in, BINLOG_HEADER_BYTES);
    if (bytes == NULL) return ERR_TRUNCATED;
    struct cursor c = cursor_of(bytes, BINLOG_HEADER_BYTES);
    struct binlog_header h;
    h.timestamp_s = (uint32_t)cursor_le(&c, 4);
    h.type = (uint8_t)cursor_le(&c, 1);
    h.server_id = (uint32_t)cursor_le(&c, 4);
    h.event_size = (uint32_t)cursor_le(&c, 4);
    h.next_position = (uint32_t)cursor_le(&c, 4);
    h.flags = (uint16_t)cursor_le(&c, 2);
    if (h.event_size < BINLOG_HEADER_BYTES) return ERR_CORRUPT;
    *out = h;
    return ERR_OK;
}

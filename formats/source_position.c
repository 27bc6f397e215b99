#include "formats/source_position.h"

#include <string.h>

#include "base/invariant.h"

enum { SOURCE_POSITION_VERSION = 1 };

static void text_put(struct sink *s, const char *text)
{
    size_t size = strlen(text);
    INVARIANT(size <= UINT8_MAX);
    sink_le(s, size, 1);
    sink_bytes(s, text, size);
}

size_t source_position_encode(const struct source_position *p, uint8_t *out)
{
    struct sink s = sink_of(out, SOURCE_POSITION_BYTES_MAX);
    sink_le(&s, SOURCE_POSITION_VERSION, 1);
    sink_le(&s, 0, 1);
    text_put(&s, p->file);
    sink_le(&s, p->position, 8);
    sink_le(&s, p->format_description_s, 4);
    text_put(&s, p->server_uuid);
    text_put(&s, p->gtid);
    INVARIANT(!s.failed); /* the struct's arrays are shorter than the room */
    return (size_t)(s.at - out);
}

/* A text of less than `room` bytes without a NUL inside, NUL-terminated into `out`. */
static bool text_take(struct cursor *c, char *out, size_t room)
{
    size_t size = cursor_le(c, 1);
    const uint8_t *text = cursor_take(c, size);
    if (text == NULL) return true; /* the caller looks at c->failed */
    if (size >= room || memchr(text, 0, size) != NULL) return false;
    memcpy(out, text, size);
    out[size] = 0;
    return true;
}

enum err source_position_decode(const void *bytes, size_t size, struct source_position *out)
{
    struct cursor c = cursor_of(bytes, size);
    struct source_position p;
    memset(&p, 0, sizeof p);
    uint64_t version = cursor_le(&c, 1);
    uint64_t flags = cursor_le(&c, 1);
    if (c.failed) return ERR_TRUNCATED;
    if (version == 0) return ERR_CORRUPT;
    if (version > SOURCE_POSITION_VERSION || flags != 0) return ERR_NEWER_FORMAT;
    bool holds = text_take(&c, p.file, sizeof p.file);
    p.position = cursor_le(&c, 8);
    p.format_description_s = (uint32_t)cursor_le(&c, 4);
    holds = text_take(&c, p.server_uuid, sizeof p.server_uuid) && holds;
    holds = text_take(&c, p.gtid, sizeof p.gtid) && holds;
    if (!holds) return ERR_CORRUPT;
    if (c.failed) return ERR_TRUNCATED;
    if (cursor_left(&c) != 0) return ERR_CORRUPT;
    *out = p;
    return ERR_OK;
}

#include "tests/capture/binlog_maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/crc.h"
#include "base/invariant.h"
#include "capture/binlog_header.h"

const uint8_t binlog_maker_uuid[16] = {0x3e, 0x11, 0xfa, 0x47, 0x71, 0xca, 0x11, 0xe1,
                                       0x9e, 0x33, 0xc8, 0x0a, 0xa9, 0x42, 0x95, 0x62};

void binlog_maker_init(struct binlog_maker *m, struct stream_sim_source *source)
{
    *m = (struct binlog_maker){.source = source, .now_s = 1700000000};
    memcpy(m->uuid, binlog_maker_uuid, sizeof m->uuid);
    binlog_maker_file(m, true);
}

/* Within a payload: no checksum, and a position that means nothing. */
static void payload_event_make(struct binlog_maker *m, uint8_t type, const void *body, size_t body_bytes)
{
    size_t size = BINLOG_HEADER_BYTES + body_bytes;
    if (m->payload_bytes + size > m->payload_capacity) {
        m->payload_capacity = 2 * (m->payload_bytes + size);
        m->payload = realloc(m->payload, m->payload_capacity);
        INVARIANT(m->payload != NULL);
    }
    struct sink out = sink_of(m->payload + m->payload_bytes, size);
    sink_le(&out, m->now_s, 4);
    sink_le(&out, type, 1);
    sink_le(&out, 1, 4);
    sink_le(&out, size, 4);
    sink_le(&out, 77, 4);
    sink_le(&out, 0, 2);
    sink_bytes(&out, body, body_bytes);
    INVARIANT(!out.failed);
    m->payload_bytes += size;
}

void binlog_maker_payload_begin(struct binlog_maker *m)
{
    m->payload_capacity = 1024;
    m->payload = malloc(m->payload_capacity);
    INVARIANT(m->payload != NULL);
    m->payload_bytes = 0;
}

static void lenenc(struct sink *out, uint64_t value)
{
    sink_le(out, 0xfe, 1);
    sink_le(out, value, 8);
}

void binlog_maker_payload_end(struct binlog_maker *m, bool is_packed, size_t frame_bytes)
{
    size_t room = ZSTD_compressBound(m->payload_bytes) + m->payload_bytes + 64, packed = 0;
    uint8_t *body = malloc(room), *bytes = m->payload, fields[64];
    INVARIANT(body != NULL);
    if (frame_bytes == 0) frame_bytes = m->payload_bytes;
    uint8_t *at = body + sizeof fields;
    room -= sizeof fields;
    for (size_t from = 0; is_packed && from < m->payload_bytes; from += frame_bytes) {
        size_t piece = m->payload_bytes - from < frame_bytes ? m->payload_bytes - from : frame_bytes;
        packed += ZSTD_compress(at + packed, room - packed, bytes + from, piece, 3);
    }
    if (!is_packed) {
        memcpy(at, bytes, m->payload_bytes);
        packed = m->payload_bytes;
    }
    struct sink out = sink_of(fields, sizeof fields);
    sink_le(&out, 2, 1);
    sink_le(&out, is_packed ? 1 : 3, 1); /* bytes of the method's number: 255 needs a prefix */
    if (is_packed)
        sink_le(&out, 0, 1);
    else
        sink_le(&out, 0x00fffc, 3);
    sink_le(&out, 3, 1);
    sink_le(&out, 9, 1);
    lenenc(&out, m->payload_bytes);
    sink_le(&out, 1, 1);
    sink_le(&out, 9, 1);
    lenenc(&out, packed);
    sink_le(&out, 0, 1);
    size_t head = (size_t)(out.at - fields);
    memcpy(at - head, fields, head);
    m->payload = NULL;
    binlog_maker_event(m, BINLOG_TRANSACTION_PAYLOAD, at - head, head + packed);
    free(bytes);
    free(body);
}

void binlog_maker_event(struct binlog_maker *m, uint8_t type, const void *body, size_t body_bytes)
{
    if (m->payload != NULL) {
        payload_event_make(m, type, body, body_bytes);
        return;
    }
    size_t size = BINLOG_HEADER_BYTES + body_bytes + BINLOG_CHECKSUM_BYTES;
    uint8_t *event = malloc(size);
    INVARIANT(event != NULL);
    struct sink out = sink_of(event, size);
    sink_le(&out, m->now_s, 4);
    sink_le(&out, type, 1);
    sink_le(&out, 1, 4);
    sink_le(&out, size, 4);
    m->position += size + m->jump_bytes;
    m->jump_bytes = 0;
    sink_le(&out, m->position, 4);
    sink_le(&out, m->flags, 2);
    sink_bytes(&out, body, body_bytes);
    sink_le(&out, crc32_zlib(0, event, size - BINLOG_CHECKSUM_BYTES), 4);
    INVARIANT(!out.failed);
    INVARIANT(stream_sim_append(m->source, event, size) == ERR_OK);
    free(event);
}

static void format_description(struct binlog_maker *m)
{
    static const uint8_t post_header[] = {56, 13, 0, 8, 0, 18, 0, 4, 4, 4, 4,  18, 0,  0,  95, 0, 4,  26, 8,
                                          0,  0,  0, 8, 8, 8,  2, 0, 0, 0, 10, 10, 10, 42, 42, 0, 18, 52, 0};
    uint8_t body[2 + 50 + 4 + 1 + sizeof post_header + 1] = {4, 0};
    memcpy(body + 2, m->source->version, strlen(m->source->version));
    body[2 + 50 + 4] = BINLOG_HEADER_BYTES;
    memcpy(body + 2 + 50 + 4 + 1, post_header, sizeof post_header);
    body[sizeof body - 1] = 1; /* CRC32 */
    binlog_maker_event(m, BINLOG_FORMAT_DESCRIPTION, body, sizeof body);
}

void binlog_maker_file(struct binlog_maker *m, bool orderly)
{
    char name[32];
    snprintf(name, sizeof name, "binlog.%06u", ++m->file_number);
    if (m->source->file_count > 0 && orderly) {
        uint8_t body[8 + sizeof name] = {4};
        memcpy(body + 8, name, strlen(name));
        binlog_maker_event(m, BINLOG_ROTATE, body, 8 + strlen(name));
    }
    INVARIANT(stream_sim_file_begin(m->source, name) == ERR_OK);
    m->position = BINLOG_FIRST_POSITION;
    format_description(m);
    const struct gtid_interval all = {.first = 1, .last = m->gtid_number};
    const struct gtid_interval *in = m->previous != NULL ? m->previous->interval : &all;
    uint32_t count = m->previous != NULL ? m->previous->interval_count : m->gtid_number > 0;
    uint8_t body[8 + 4 * (16 + 8 + 8 + 8)];
    struct sink out = sink_of(body, sizeof body);
    sink_le(&out, count, 8);
    for (uint32_t i = 0; i < count; i++) { /* one interval each */
        sink_bytes(&out, m->previous != NULL ? in[i].uuid : m->uuid, 16);
        sink_le(&out, 1, 8);
        sink_le(&out, in[i].first, 8);
        sink_le(&out, in[i].last + 1, 8);
    }
    INVARIANT(!out.failed);
    binlog_maker_event(m, BINLOG_PREVIOUS_GTIDS, body, (size_t)(out.at - body));
}

void binlog_maker_gtid(struct binlog_maker *m)
{
    uint8_t body[64];
    struct sink out = sink_of(body, sizeof body);
    sink_le(&out, 1, 1);
    sink_bytes(&out, m->uuid, 16);
    sink_le(&out, ++m->gtid_number, 8);
    sink_le(&out, 2, 1);
    sink_le(&out, 0, 8);
    sink_le(&out, 1, 8);
    if (m->commit_us != 0) sink_le(&out, m->commit_us, 7);
    binlog_maker_event(m, BINLOG_GTID, body, (size_t)(out.at - body));
}

/* MySQL's variable-length number of at most 8 bytes. */
static void prefix_varint(struct sink *out, uint64_t value)
{
    unsigned more = 0;
    while (more < 8 && value >> (7 * (more + 1)) != 0) more++;
    if (more == 8) {
        sink_le(out, 0xff, 1);
        sink_le(out, value, 8);
    } else {
        sink_le(out, value << (more + 1) | ((1u << more) - 1), more + 1);
    }
}

void binlog_maker_gtid_tagged(struct binlog_maker *m, const char *tag, uint64_t number)
{
    uint8_t body[160];
    struct sink out = sink_of(body, sizeof body);
    prefix_varint(&out, 1);
    prefix_varint(&out, 100);
    prefix_varint(&out, 0);
    prefix_varint(&out, 0); /* flags */
    prefix_varint(&out, 1);
    prefix_varint(&out, 1);
    for (unsigned i = 0; i < 16; i++) prefix_varint(&out, binlog_maker_uuid[i]);
    prefix_varint(&out, 2);
    prefix_varint(&out, 2 * number);
    prefix_varint(&out, 3);
    prefix_varint(&out, strlen(tag));
    sink_bytes(&out, tag, strlen(tag));
    prefix_varint(&out, 4); /* last committed */
    prefix_varint(&out, 38);
    prefix_varint(&out, 5); /* sequence number */
    prefix_varint(&out, 40);
    prefix_varint(&out, 6);
    prefix_varint(&out, m->commit_us);
    prefix_varint(&out, 8); /* bytes of the transaction */
    prefix_varint(&out, 358);
    INVARIANT(!out.failed);
    binlog_maker_event(m, BINLOG_GTID_TAGGED, body, (size_t)(out.at - body));
}

void binlog_maker_query(struct binlog_maker *m, const char *database, const char *text)
{
    static const uint8_t status[] = {0, 0, 0, 0, 0, 1, 0, 0, 0x20, 0x40, 0, 0, 0, 0, 4, 45, 0, 45, 0, 8, 0};
    size_t size = 13 + sizeof status + strlen(database) + 1 + strlen(text);
    uint8_t *body = malloc(size);
    INVARIANT(body != NULL);
    struct sink out = sink_of(body, size);
    sink_le(&out, 7, 4);
    sink_le(&out, 0, 4);
    sink_le(&out, strlen(database), 1);
    sink_le(&out, 0, 2);
    sink_le(&out, sizeof status, 2);
    sink_bytes(&out, status, sizeof status);
    sink_bytes(&out, database, strlen(database) + 1);
    sink_bytes(&out, text, strlen(text));
    binlog_maker_event(m, BINLOG_QUERY, body, size);
    free(body);
}

void binlog_maker_xa(struct binlog_maker *m, const char *verb, uint32_t name)
{
    char text[64];
    snprintf(text, sizeof text, "XA %s X'%08x',X'',1", verb, name);
    binlog_maker_query(m, "app", text);
}

void binlog_maker_xa_prepare(struct binlog_maker *m, uint32_t name, bool one_phase)
{
    uint8_t body[17];
    struct sink out = sink_of(body, sizeof body);
    sink_le(&out, one_phase, 1);
    sink_le(&out, 1, 4);
    sink_le(&out, 4, 4);
    sink_le(&out, 0, 4);
    for (int i = 3; i >= 0; i--) sink_le(&out, name >> (8 * i) & 0xff, 1);
    binlog_maker_event(m, BINLOG_XA_PREPARE, body, sizeof body);
}

void binlog_maker_xid(struct binlog_maker *m)
{
    uint8_t body[8];
    struct sink out = sink_of(body, sizeof body);
    sink_le(&out, ++m->xid, 8);
    binlog_maker_event(m, BINLOG_XID, body, sizeof body);
}

void binlog_maker_table_map(struct binlog_maker *m, uint64_t table_id, const char *database, const char *table)
{
    static const uint8_t columns[] = {2, 3 /* INT */, 252 /* BLOB */, 1, 2 /* metadata: TEXT */,
                                      2 /* text may be NULL */};
    uint8_t body[256];
    struct sink out = sink_of(body, sizeof body);
    sink_le(&out, table_id, 6);
    sink_le(&out, 1, 2);
    sink_le(&out, strlen(database), 1);
    sink_bytes(&out, database, strlen(database) + 1);
    sink_le(&out, strlen(table), 1);
    sink_bytes(&out, table, strlen(table) + 1);
    sink_bytes(&out, columns, sizeof columns);
    binlog_maker_event(m, BINLOG_TABLE_MAP, body, (size_t)(out.at - body));
}

void binlog_maker_wide_row(struct binlog_maker *m, uint64_t table_id, const char *database, const char *table,
                           unsigned extra, uint32_t id, uint32_t text_bytes)
{
    uint8_t map[256];
    struct sink out = sink_of(map, sizeof map);
    sink_le(&out, table_id, 6);
    sink_le(&out, 1, 2);
    sink_le(&out, strlen(database), 1);
    sink_bytes(&out, database, strlen(database) + 1);
    sink_le(&out, strlen(table), 1);
    sink_bytes(&out, table, strlen(table) + 1);
    sink_le(&out, 2 + extra, 1);
    sink_le(&out, 3, 1);
    sink_le(&out, 252, 1);
    for (unsigned i = 0; i < extra; i++) sink_le(&out, 3, 1);
    sink_le(&out, 1, 1);
    sink_le(&out, 2, 1);
    sink_le(&out, 2, 1); /* text may be NULL */
    INVARIANT(!out.failed && extra <= 6);
    binlog_maker_event(m, BINLOG_TABLE_MAP, map, (size_t)(out.at - map));
    size_t size = 6 + 2 + 2 + 1 + 1 + 1 + 4 + 2 + text_bytes + 4 * extra;
    uint8_t *body = malloc(size);
    INVARIANT(body != NULL);
    out = sink_of(body, size);
    sink_le(&out, table_id, 6);
    sink_le(&out, 1, 2);
    sink_le(&out, 2, 2);
    sink_le(&out, 2 + extra, 1);
    sink_le(&out, 0xff, 1); /* all columns; one byte holds 8 */
    sink_le(&out, 0, 1);
    sink_le(&out, id, 4);
    sink_le(&out, text_bytes, 2);
    for (uint32_t k = 0; k < text_bytes; k++) sink_le(&out, 'a' + (id + k) % 26, 1);
    for (unsigned i = 0; i < extra; i++) sink_le(&out, id + 1 + i, 4);
    INVARIANT(!out.failed);
    binlog_maker_event(m, BINLOG_WRITE_ROWS, body, size);
    free(body);
}

void binlog_maker_write(struct binlog_maker *m, uint64_t table_id, uint32_t first_id, uint32_t count,
                        uint32_t text_bytes)
{
    size_t size = 6 + 2 + 2 + 1 + 1 + (size_t)count * (1 + 4 + 2 + text_bytes);
    uint8_t *body = malloc(size);
    INVARIANT(body != NULL);
    struct sink out = sink_of(body, size);
    sink_le(&out, table_id, 6);
    sink_le(&out, 1, 2); /* the statement ends */
    sink_le(&out, 2, 2);
    sink_le(&out, 2, 1);
    sink_le(&out, 3, 1);
    for (uint32_t i = 0; i < count; i++) {
        sink_le(&out, 0, 1);
        sink_le(&out, first_id + i, 4);
        sink_le(&out, text_bytes, 2);
        for (uint32_t k = 0; k < text_bytes; k++) sink_le(&out, 'a' + (first_id + i + k) % 26, 1);
    }
    INVARIANT(!out.failed);
    binlog_maker_event(m, BINLOG_WRITE_ROWS, body, size);
    free(body);
}

/* Start: the __consumer_offsets log, record by record, into the groups. */
#include <stdlib.h>

#include "dataplane/group/offsets_store.h"

enum { ARENA_BYTES = 4 << 20 }; /* the arrays of one record: members of a group */

enum err offsets_loader_open(struct offsets_loader *l, struct log_reader *reader, struct log *log,
                             struct offsets_topic_ends *ends)
{
    *l = (struct offsets_loader){
        .reader = reader, .log = log, .ends = ends,
        .next_offset = log_start_offset(log), .end_offset = log_high_watermark(log),
    };
    l->arena = malloc(ARENA_BYTES);
    return l->arena == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void offsets_loader_close(struct offsets_loader *l)
{
    free(l->bytes);
    free(l->arena);
    l->bytes = l->arena = NULL;
}

/* A key or value: an int16 version, then the struct.  ERR_UNSUPPORTED: a version that the table does not have. */
static enum err decode_part(struct offsets_loader *l, const struct kafka_message *part, struct cursor *in, void *out)
{
    struct kafka_arena arena = {l->arena, ARENA_BYTES, 0};
    int16_t version = (int16_t)cursor_be(in, 2);
    if (in->failed) return ERR_TRUNCATED;
    if (version < part->version_min || version > part->version_max) return ERR_UNSUPPORTED;
    return kafka_decode(part, version, in, &arena, out);
}

static enum err load_offset(struct offsets_loader *l, struct groups *groups, const struct record_view *r)
{
    struct offset_commit_key key;
    struct offset_commit_value value;
    struct cursor in = cursor_of(r->key, r->key_bytes);
    TRY(decode_part(l, &kafka_offset_commit_key, &in, &key));
    if (r->value == NULL) return groups_load_offset(groups, &key, NULL);
    in = cursor_of(r->value, r->value_bytes);
    TRY(decode_part(l, &kafka_offset_commit_value, &in, &value));
    return groups_load_offset(groups, &key, &value);
}

static enum err load_group(struct offsets_loader *l, struct groups *groups, const struct record_view *r)
{
    struct group_metadata_key key;
    struct group_metadata_value value;
    struct cursor in = cursor_of(r->key, r->key_bytes);
    TRY(decode_part(l, &kafka_group_metadata_key, &in, &key));
    if (r->value == NULL) return groups_load_group(groups, &key, NULL);
    in = cursor_of(r->value, r->value_bytes);
    TRY(decode_part(l, &kafka_group_metadata_value, &in, &value));
    return groups_load_group(groups, &key, &value);
}

static enum err load_consumer(struct offsets_loader *l, struct groups *groups, int16_t kind,
                              const struct record_view *r)
{
    struct consumer_record_key key = {.member = {NULL, 0}};
    union consumer_record_value value;
    struct cursor in = cursor_of(r->key, r->key_bytes);
    TRY(decode_part(l, kafka_consumer_record_key(kind), &in, &key));
    if (r->value == NULL) return groups_load_consumer(groups, (enum consumer_record)kind, &key, NULL);
    in = cursor_of(r->value, r->value_bytes);
    TRY(decode_part(l, kafka_consumer_record_value(kind), &in, &value));
    return groups_load_consumer(groups, (enum consumer_record)kind, &key, &value);
}

/* Kinds and versions of records that are not ours to know are skipped and counted, as Kafka does. */
static enum err load_record(struct offsets_loader *l, struct groups *groups, const struct record_view *r)
{
    struct cursor in = cursor_of(r->key, r->key_bytes);
    int16_t key_version = (int16_t)cursor_be(&in, 2);
    enum err e = ERR_UNSUPPORTED;
    if (!in.failed && key_version >= 0 && key_version <= 1) e = load_offset(l, groups, r);
    else if (!in.failed && key_version == 2) e = load_group(l, groups, r);
    else if (!in.failed && kafka_consumer_record_key(key_version) != NULL)
        e = load_consumer(l, groups, key_version, r);
    l->record_count++;
    if (e != ERR_UNSUPPORTED) return e;
    l->unknown_count++;
    return ERR_OK;
}

static enum err load_batch(struct offsets_loader *l, struct groups *groups, const uint8_t *at,
                           const struct record_batch_view *batch)
{
    struct record_view r;
    if (!record_batch_crc_holds(at, batch) || (batch->attributes & 7) != 0) return ERR_CORRUPT;
    struct cursor records = cursor_of(batch->records, batch->records_bytes);
    while (cursor_left(&records) > 0) {
        TRY(record_next(&records, batch, &r));
        if (r.offset < l->next_offset) continue;
        TRY(load_record(l, groups, &r));
        offsets_topic_note(l->ends, offsets_topic_partition_of(r.key, r.key_bytes), r.offset);
    }
    l->next_offset = batch->last_offset + 1;
    return ERR_OK;
}

/* The slice's pieces, one behind the other: a batch may lie across two. */
static enum err gather(struct offsets_loader *l, const struct log_slice *slice)
{
    if (slice->bytes > l->room) {
        uint8_t *bytes = realloc(l->bytes, slice->bytes);
        if (bytes == NULL) return ERR_NO_MEMORY;
        l->bytes = bytes;
        l->room = slice->bytes;
    }
    size_t at = 0;
    l->read_bytes += slice->bytes;
    for (uint32_t i = 0; i < slice->piece_count; i++) {
        memcpy(l->bytes + at, slice->piece[i].bytes, slice->piece[i].size);
        at += slice->piece[i].size;
    }
    return ERR_OK;
}

enum err offsets_loader_step(struct offsets_loader *l, struct groups *groups, struct err_msg *msg)
{
    struct log_slice slice;
    if (l->next_offset >= l->end_offset) return ERR_OK;
    enum err e = log_reader_read(l->reader, l->log, l->next_offset, OFFSETS_LOAD_BYTES, true, &l->cursor, &slice);
    if (e == ERR_AGAIN) return e;
    if (e == ERR_OK) {
        e = gather(l, &slice);
        for (uint32_t i = 0; i < slice.piece_count; i++) log_reader_release(l->reader, &slice.piece[i]);
        for (size_t at = 0; e == ERR_OK && at < slice.bytes;) {
            struct record_batch_view batch;
            e = record_batch_view(l->bytes + at, slice.bytes - at, &batch);
            if (e == ERR_OK) e = load_batch(l, groups, l->bytes + at, &batch);
            if (e == ERR_OK) at += batch.bytes;
        }
        if (e == ERR_OK && slice.bytes == 0) e = ERR_CORRUPT; /* below the high watermark there must be something */
    }
    if (e == ERR_OK) return ERR_OK;
    return err_set(msg, e, "the log %s cannot be read at offset %llu: %s", log_identity(l->log)->name,
                   (unsigned long long)l->next_offset, err_text(e));
}

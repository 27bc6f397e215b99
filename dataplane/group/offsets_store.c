#include "dataplane/group/offsets_store.h"

#include <stdlib.h>

#include "base/invariant.h"

enum {
    OFFSET_KEY_VERSION = 1, OFFSET_VALUE_VERSION = 3, OFFSET_VALUE_VERSION_EXPIRING = 1,
    GROUP_KEY_VERSION = 2, GROUP_VALUE_VERSION = 3,
    KEY_BYTES_MAX = 2 + 2 * (2 + 32767) + 4,
};

struct finished_batch {
    struct finished_batch *next;
    uint64_t token;
    struct batch_view view;
    uint32_t size;
    uint8_t  bytes[];
};

enum err offsets_store_open(struct offsets_store *s, struct log_feed *feed, struct offsets_topic_ends *ends)
{
    *s = (struct offsets_store){.feed = feed, .ends = ends, .last = &s->first};
    uint64_t room = OFFSETS_BATCH_BYTES_MAX;
    uint64_t ring = ring_spsc_record_max(&feed->to_storage) - sizeof(struct feed_append);
    uint64_t chunk = feed->pool->chunk_bytes - LOG_BLOCK_BYTES; /* behind the bytes copied into a new chunk */
    if (ring < room) room = ring;
    if (chunk < room) room = chunk;
    s->batch_bytes_max = (uint32_t)room;
    s->bytes = malloc(room);
    s->key = malloc(KEY_BYTES_MAX);
    s->value = malloc(room);
    if (s->bytes != NULL && s->key != NULL && s->value != NULL) return ERR_OK;
    offsets_store_close(s);
    return ERR_NO_MEMORY;
}

void offsets_store_close(struct offsets_store *s)
{
    while (s->first != NULL) {
        struct finished_batch *next = s->first->next;
        free(s->first);
        s->first = next;
    }
    free(s->bytes);
    free(s->key);
    free(s->value);
    s->bytes = s->key = s->value = NULL;
}

uint64_t offsets_store_memory_bytes(void) { return 2 * (uint64_t)OFFSETS_BATCH_BYTES_MAX + KEY_BYTES_MAX; }

/* --- handing over --- */

static bool hand_over(struct offsets_store *s, uint64_t token, const struct batch_view *view, const void *bytes,
                      uint32_t size)
{
    if (s->token_count == OFFSETS_IN_FLIGHT_MAX) return false;
    struct feed_append *m = ring_spsc_claim(&s->feed->to_storage, (uint32_t)sizeof *m + size);
    if (m == NULL) return false;
    *m = (struct feed_append){FEED_APPEND, size, token};
    memcpy(m + 1, bytes, size);
    uint32_t slot = (s->token_first + s->token_count++) % OFFSETS_IN_FLIGHT_MAX;
    s->token[slot] = token;
    s->in_flight[slot] = *view;
    s->stored_bytes += size;
    s->stale_bytes += size;
    s->is_claimed = true;
    return true;
}

/* Ends the batch being built: to storage, or behind those that wait for room already. */
static void finish(struct offsets_store *s)
{
    if (!s->is_open) return;
    uint32_t size = (uint32_t)record_batch_finish(&s->writer);
    s->is_open = false;
    if (s->first == NULL && hand_over(s, s->number, &s->view, s->bytes, size)) return;
    struct finished_batch *b = malloc(sizeof *b + size);
    INVARIANT(b != NULL); /* no answer may leave without its record: without memory there is no way on */
    *b = (struct finished_batch){.token = s->number, .view = s->view, .size = size};
    memcpy(b->bytes, s->bytes, size);
    *s->last = b;
    s->last = &b->next;
}

/* Tells storage what the snapshot made superfluous. */
static void trim(struct offsets_store *s)
{
    if (s->snapshot_last == 0 || s->durable_number < s->snapshot_last) return;
    struct feed_trim *m = ring_spsc_claim(&s->feed->to_storage, sizeof *m);
    if (m == NULL) return;
    *m = (struct feed_trim){FEED_TRIM, 0, s->snapshot_offset};
    s->snapshot_last = 0;
    s->is_claimed = true;
}

bool offsets_store_flush(struct offsets_store *s)
{
    if (s->failure != ERR_OK) return false;
    while (s->first != NULL && hand_over(s, s->first->token, &s->first->view, s->first->bytes, s->first->size)) {
        struct finished_batch *b = s->first;
        s->first = b->next;
        if (s->first == NULL) s->last = &s->first;
        free(b);
    }
    if (s->first == NULL) finish(s);
    trim(s);
    if (!s->is_claimed) return false;
    s->is_claimed = false;
    ring_spsc_commit(&s->feed->to_storage);
    waiter_wake(s->feed->storage_waiter);
    return true;
}

/* The oldest batch under way is durable, its first record at `base`. */
static void publish(struct offsets_store *s, uint64_t base)
{
    const struct batch_view *v = &s->in_flight[s->token_first];
    for (uint32_t i = 0; i < OFFSETS_TOPIC_PARTITIONS; i++)
        if (v->end[i] > 0) offsets_topic_note(s->ends, i, base + v->end[i] - 1);
    offsets_topic_publish(s->ends, base + v->count);
}

unsigned offsets_store_poll(struct offsets_store *s)
{
    unsigned taken = 0;
    uint32_t size;
    const void *message;
    while ((message = ring_spsc_next(&s->feed->to_producer, &size)) != NULL) {
        uint32_t kind;
        memcpy(&kind, message, sizeof kind);
        taken++;
        if (kind == FEED_DURABLE) {
            const struct feed_durable *d = message;
            if (d->error != ERR_OK) {
                if (s->failure == ERR_OK) s->failure = (enum err)d->error;
                continue;
            }
            /* One log, one order: what was appended first is durable first. */
            INVARIANT(s->token_count > 0 && s->token[s->token_first] == d->token);
            publish(s, d->base_offset);
            s->token_first = (s->token_first + 1) % OFFSETS_IN_FLIGHT_MAX;
            s->token_count--;
            s->durable_number = d->token;
            if (s->snapshot_offset == UINT64_MAX && d->token >= s->snapshot_first) s->snapshot_offset = d->base_offset;
        } else if (kind == FEED_FAILED) {
            s->failure = (enum err)((const struct feed_failed *)message)->error;
        }
    }
    if (taken > 0) ring_spsc_release(&s->feed->to_producer);
    return taken;
}

bool offsets_store_is_idle(const struct offsets_store *s)
{
    return !s->is_open && s->first == NULL && s->token_count == 0;
}

/* --- the snapshot --- */

bool offsets_store_wants_snapshot(const struct offsets_store *s)
{
    return s->failure == ERR_OK && s->snapshot_last == 0 && s->stale_bytes > OFFSETS_SNAPSHOT_BYTES &&
           s->stale_bytes > OFFSETS_SNAPSHOT_FACTOR * s->live_bytes;
}

void offsets_store_begin_snapshot(struct offsets_store *s)
{
    INVARIANT(offsets_store_is_idle(s));
    s->snapshot_first = s->number + 1;
    s->snapshot_offset = UINT64_MAX;
    s->live_bytes = s->stored_bytes;
}

void offsets_store_end_snapshot(struct offsets_store *s)
{
    finish(s);
    uint64_t waiting_bytes = 0;
    for (const struct finished_batch *b = s->first; b != NULL; b = b->next) waiting_bytes += b->size;
    s->live_bytes = s->stored_bytes + waiting_bytes - s->live_bytes;
    s->stale_bytes = 0;
    if (s->number >= s->snapshot_first) s->snapshot_last = s->number; /* else nothing lives: no place to name */
}

/* --- records --- */

/* An int16 version, then the struct in that version.  -1: it does not fit. */
static int32_t encode_part(const struct kafka_message *part, int16_t version, const void *body, uint8_t *room,
                           size_t size)
{
    struct sink out = sink_of(room, size);
    sink_be(&out, (uint16_t)version, 2);
    if (out.failed || kafka_encode(part, version, body, &out, NULL) != ERR_OK) return -1;
    return (int32_t)(out.at - room);
}

/* false: it does not fit even an empty batch. */
static bool add(struct offsets_store *s, int32_t key_bytes, const void *value, int32_t value_bytes)
{
    INVARIANT(key_bytes >= 0);
    if (s->failure != ERR_OK) { /* it will never be durable, and what waits for it is told so */
        s->number++;
        return true;
    }
    if (s->is_open && record_batch_bytes(&s->writer) >= OFFSETS_BATCH_BYTES) finish(s);
    for (int attempt = 0; attempt < 2; attempt++) {
        bool was_empty = !s->is_open;
        if (was_empty) record_batch_begin(&s->writer, s->bytes, s->batch_bytes_max, 0, 0);
        if (was_empty) s->view = (struct batch_view){.count = 0};
        s->is_open = true;
        if (record_batch_add(&s->writer, s->wall_ms, s->key, key_bytes, value, value_bytes) == ERR_OK) {
            s->number++;
            s->view.count++;
            uint32_t partition = offsets_topic_partition_of(s->key, (size_t)key_bytes);
            if (partition < OFFSETS_TOPIC_PARTITIONS) s->view.end[partition] = s->view.count;
            return true;
        }
        if (was_empty) {
            s->is_open = false;
            return false;
        }
        finish(s);
    }
    return false;
}

uint64_t offsets_store_offset(struct offsets_store *s, const struct offset_commit_key *key,
                              const struct offset_commit_value *value)
{
    int32_t key_bytes = encode_part(&kafka_offset_commit_key, OFFSET_KEY_VERSION, key, s->key, KEY_BYTES_MAX);
    int32_t value_bytes = -1;
    if (value != NULL) { /* only value v1 knows a time of its own at which the commit expires */
        int16_t version = value->expire_timestamp >= 0 ? OFFSET_VALUE_VERSION_EXPIRING : OFFSET_VALUE_VERSION;
        value_bytes = encode_part(&kafka_offset_commit_value, version, value, s->value, s->batch_bytes_max);
        INVARIANT(value_bytes >= 0);
    }
    INVARIANT(add(s, key_bytes, value == NULL ? NULL : s->value, value_bytes)); /* names and metadata are bounded */
    return s->number;
}

uint64_t offsets_store_group(struct offsets_store *s, const struct group_metadata_key *key,
                             const struct group_metadata_value *value)
{
    int32_t key_bytes = encode_part(&kafka_group_metadata_key, GROUP_KEY_VERSION, key, s->key, KEY_BYTES_MAX);
    if (value == NULL) {
        INVARIANT(add(s, key_bytes, NULL, -1));
        return s->number;
    }
    int32_t value_bytes = encode_part(&kafka_group_metadata_value, GROUP_VALUE_VERSION, value, s->value,
                                      s->batch_bytes_max);
    if (value_bytes >= 0 && add(s, key_bytes, s->value, value_bytes)) return s->number;
    struct group_metadata_value without = *value;
    without.leader = without.protocol = kafka_string_null();
    without.member_count = 0;
    s->dropped_members++;
    value_bytes = encode_part(&kafka_group_metadata_value, GROUP_VALUE_VERSION, &without, s->value, s->batch_bytes_max);
    INVARIANT(value_bytes >= 0 && add(s, key_bytes, s->value, value_bytes));
    return s->number;
}

uint64_t offsets_store_consumer(struct offsets_store *s, enum consumer_record kind,
                                const struct consumer_record_key *key, const void *value)
{
    int16_t version = (int16_t)kind;
    int32_t key_bytes = encode_part(kafka_consumer_record_key(version), version, key, s->key, KEY_BYTES_MAX);
    int32_t value_bytes = -1;
    if (value != NULL)
        value_bytes = encode_part(kafka_consumer_record_value(version), 0, value, s->value, s->batch_bytes_max);
    INVARIANT(value == NULL || value_bytes >= 0); /* subscriptions and topics are bounded */
    INVARIANT(add(s, key_bytes, value == NULL ? NULL : s->value, value_bytes));
    return s->number;
}

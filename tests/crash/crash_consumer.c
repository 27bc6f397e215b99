/* tests/crash/crash_consumer.c -- see crash_consumer.h */
#include "tests/crash/crash_consumer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/kafka/error_codes.h"
#include "formats/record_batch.h"

enum { FETCH_VERSION = 11, COMMIT_VERSION = 7, COMMITTED_VERSION = 5, GO_BACK_RECORDS = 60 };
/* Check's own assertions write each success to a file: too slow for every record and byte. */
#define HOLDS(condition) do { if (!(condition)) ck_abort_msg("does not hold: %s", #condition); } while (0)

static const char *const topic = "channel", *const group = "readers";

void crash_consumer_init(struct crash_consumer *c, const struct crash_source *source, bool sees_written,
                         uint64_t seed)
{
    char why[256];
    *c = (struct crash_consumer){.source = source, .sees_written = sees_written, .asked = -1, .committed = -1};
    random_init(&c->random, seed);
    c->frame = malloc(CONSUMER_FRAME_BYTES);
    c->arena = (struct kafka_arena){aligned_alloc(16, CONSUMER_ARENA_BYTES), CONSUMER_ARENA_BYTES, 0};
    c->hash = calloc(CONSUMER_RECORDS_MAX, sizeof *c->hash);
    c->ends_transaction = calloc(CONSUMER_RECORDS_MAX, sizeof *c->ends_transaction);
    c->decoder = stream_decoder_open(RECORD_SCHEMA, why, sizeof why);
    ck_assert_msg(c->decoder != NULL, "%s", why);
}

void crash_consumer_hang_up(struct crash_consumer *c)
{
    if (c->peer != NULL) port_sim_hang_up(c->peer);
    c->peer = NULL;
    c->asked = -1;
    c->frame_size = 0;
}

void crash_consumer_fini(struct crash_consumer *c)
{
    crash_consumer_hang_up(c);
    stream_decoder_close(c->decoder);
    row_free(&c->record.before);
    row_free(&c->record.after);
    free(c->frame);
    free(c->arena.bytes);
    free(c->hash);
    free(c->ends_transaction);
}

/* --- what a record must be --- */

static void check_row(struct crash_consumer *c)
{
    const struct stream_record *r = &c->record;
    char object[64], id[16];
    if (!c->in_transaction) ck_abort_msg("a row change outside a transaction");
    if (c->row_count >= c->source->row_count) ck_abort_msg("a row that the source does not have (yet)");
    const struct expected_row *e = &c->source->row[c->row_count++];
    snprintf(object, sizeof object, "app.%s", crash_tables[e->table]);
    HOLDS(r->operation == STREAM_INSERT);
    HOLDS(strcmp(r->object, object) == 0);
    uint32_t size = (uint32_t)snprintf(id, sizeof id, "%u", e->id), length;
    HOLDS(r->after.size == 4 + size + 4 + e->text_bytes);
    memcpy(&length, r->after.bytes, 4);
    HOLDS(length == size);
    HOLDS(memcmp(r->after.bytes + 4, id, size) == 0);
    for (uint32_t i = 0; i < e->text_bytes; i++)
        HOLDS(r->after.bytes[8 + size + i] == (uint8_t)crash_text_at(e, i));
}

static uint64_t hash_more(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

/* What must never change: every byte; or, where a record may be captured again, all but the tags of its processing. */
static uint64_t record_hash(const struct crash_consumer *c, const struct record_view *v)
{
    const struct stream_record *r = &c->record;
    uint64_t hash = hash_more(0xcbf29ce484222325u, &v->timestamp_ms, sizeof v->timestamp_ms);
    if (!c->sees_written) return hash_more(hash, v->value, v->value_bytes);
    hash = hash_more(hash, &r->operation, sizeof r->operation);
    hash = hash_more(hash, &r->timestamp_s, sizeof r->timestamp_s);
    hash = hash_more(hash, r->object, strlen(r->object));
    hash = hash_more(hash, &r->ddl_size, sizeof r->ddl_size);
    hash = hash_more(hash, r->before.bytes, r->has_before ? r->before.size : 0);
    return hash_more(hash, r->after.bytes, r->has_after ? r->after.size : 0);
}

static void check_new(struct crash_consumer *c)
{
    switch (c->record.operation) {
    case STREAM_BEGIN:
        if (c->in_transaction) ck_abort_msg("BEGIN inside a transaction");
        c->in_transaction = true;
        break;
    case STREAM_COMMIT:
        if (!c->in_transaction) ck_abort_msg("COMMIT without BEGIN");
        c->in_transaction = false;
        HOLDS(c->transaction_count < c->source->transaction_count);
        HOLDS(c->row_count == c->source->transaction_end[c->transaction_count]);
        c->transaction_count++;
        break;
    case STREAM_DDL:
        if (c->in_transaction) ck_abort_msg("a DDL inside a transaction");
        c->ddl_count++;
        break;
    case STREAM_HEARTBEAT:
        if (c->in_transaction) ck_abort_msg("a HEARTBEAT inside a transaction");
        break;
    default: check_row(c);
    }
}

static void take_record(struct crash_consumer *c, const struct record_view *v)
{
    HOLDS(v->offset == c->read_offset);
    c->read_offset++;
    char why[512];
    if (!stream_decode(c->decoder, v->value, v->value_bytes, &c->record, why, sizeof why)) ck_abort_msg("%s", why);
    HOLDS((uint64_t)c->record.id == v->offset);
    uint64_t hash = record_hash(c, v);
    if (v->offset < c->next_offset) {
        if (c->hash[v->offset] != hash)
            ck_abort_msg("offset %llu has other content now", (unsigned long long)v->offset);
        c->read_again++;
        return;
    }
    HOLDS(v->offset < CONSUMER_RECORDS_MAX);
    check_new(c);
    c->hash[v->offset] = hash;
    c->ends_transaction[v->offset] = !c->in_transaction;
    c->next_offset++;
}

static void take_records(struct crash_consumer *c, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        struct record_batch_view batch;
        struct record_view record;
        if (record_batch_view(bytes, size, &batch) == ERR_TRUNCATED) return; /* cut by max_bytes, as Kafka's may be */
        ck_assert_int_eq(record_batch_view(bytes, size, &batch), ERR_OK);
        ck_assert(record_batch_crc_holds(bytes, &batch));
        ck_assert_uint_le(batch.base_offset, c->read_offset);
        struct cursor at = cursor_of(batch.records, batch.records_bytes);
        while (cursor_left(&at) != 0) {
            HOLDS(record_next(&at, &batch, &record) == ERR_OK);
            if (record.offset >= c->read_offset) take_record(c, &record);
        }
        bytes += batch.bytes;
        size -= batch.bytes;
    }
}

/* --- requests and answers --- */

static void send(struct crash_consumer *c, int16_t api_key, int16_t version, const void *body)
{
    size_t size = request_make(api_key, version, ++c->correlation_id, body, c->frame, CONSUMER_FRAME_BYTES);
    c->asked = api_key;
    if (!port_sim_write(c->peer, c->frame, size)) crash_consumer_hang_up(c);
}

static void ask_fetch(struct crash_consumer *c)
{
    struct simple_fetch f;
    simple_fetch_init(&f, topic, (int64_t)c->read_offset, 100, 1);
    f.partition.partition_max_bytes = 2000 + (int32_t)random_below(&c->random, 300000);
    send(c, KAFKA_API_FETCH, FETCH_VERSION, &f.request);
}

static void ask_commit(struct crash_consumer *c)
{
    struct offset_commit_request_partition partition = {.committed_offset = (int64_t)c->next_offset,
        .committed_leader_epoch = -1, .commit_timestamp = -1, .committed_metadata = kafka_string_null()};
    struct offset_commit_request_topic on = {.name = kafka_string_of(topic), .partitions = &partition,
                                             .partition_count = 1};
    struct offset_commit_request request = {.group_id = kafka_string_of(group), .generation_id = -1,
        .member_id = kafka_string_of(""), .group_instance_id = kafka_string_null(), .retention_time_ms = -1,
        .topics = &on, .topic_count = 1};
    HOLDS(c->asked_commit_count < CONSUMER_COMMITS_MAX);
    c->asked_commit[c->asked_commit_count++] = (int64_t)c->next_offset;
    send(c, KAFKA_API_OFFSET_COMMIT, COMMIT_VERSION, &request);
}

static void ask_committed(struct crash_consumer *c)
{
    int32_t partition = 0;
    struct offset_fetch_request_topic on = {.name = kafka_string_of(topic), .partition_indexes = &partition,
                                            .partition_index_count = 1};
    struct offset_fetch_request request = {.group_id = kafka_string_of(group), .topics = &on, .topic_count = 1};
    send(c, KAFKA_API_OFFSET_FETCH, COMMITTED_VERSION, &request);
}

static void take_fetch(struct crash_consumer *c)
{
    struct fetch_response answer;
    response_read(KAFKA_API_FETCH, FETCH_VERSION, c->correlation_id, c->frame, c->frame_size, &c->arena, &answer);
    ck_assert_int_eq(answer.error_code, 0);
    ck_assert_int_eq(answer.response_count, 1);
    const struct fetch_response_partition *p = answer.responses[0].partitions;
    if (p->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) return; /* its log is not open yet */
    ck_assert_msg(p->error_code == 0, "Fetch at %llu: error %d", (unsigned long long)c->read_offset, p->error_code);
    bool goes_back = (uint64_t)p->high_watermark < c->watermark;
    ck_assert_msg(!goes_back || c->sees_written, "the high watermark went back from %llu to %lld",
                  (unsigned long long)c->watermark, (long long)p->high_watermark);
    c->went_back += goes_back;
    c->watermark = (uint64_t)p->high_watermark;
    if (p->records.size > 0) take_records(c, p->records.bytes, (size_t)p->records.size);
    ck_assert(c->read_offset <= c->watermark || (c->sees_written && p->records.size == 0));
    if (c->next_offset == c->watermark && c->watermark != 0)
        ck_assert_msg(c->ends_transaction[c->watermark - 1], "the high watermark stands inside a transaction");
}

static void take_commit(struct crash_consumer *c)
{
    struct offset_commit_response answer;
    response_read(KAFKA_API_OFFSET_COMMIT, COMMIT_VERSION, c->correlation_id, c->frame, c->frame_size, &c->arena,
                  &answer);
    if (answer.topics[0].partitions[0].error_code != 0) return;
    c->committed = c->asked_commit[c->asked_commit_count - 1];
    c->asked_commit_count = 0;
}

/* A commit answered, or once shown, is a commit kept; those asked since may be kept or not. */
static void take_committed(struct crash_consumer *c)
{
    struct offset_fetch_response answer;
    response_read(KAFKA_API_OFFSET_FETCH, COMMITTED_VERSION, c->correlation_id, c->frame, c->frame_size, &c->arena,
                  &answer);
    if (answer.error_code != 0) return; /* the coordinator is loading */
    int64_t found = answer.topics[0].partitions[0].committed_offset;
    c->commits_found += found >= 0;
    if (found == c->committed) return;
    uint32_t i = 0;
    while (i < c->asked_commit_count && c->asked_commit[i] != found) i++;
    if (i == c->asked_commit_count)
        ck_abort_msg("committed %lld, found %lld, which was not asked for since", (long long)c->committed,
                     (long long)found);
    c->committed = found;
    c->asked_commit_count -= i + 1;
    memmove(c->asked_commit, c->asked_commit + i + 1, c->asked_commit_count * sizeof c->asked_commit[0]);
}

/* Takes bytes as they come; true when an answer is whole. */
static bool receive(struct crash_consumer *c)
{
    size_t whole = 4;
    if (c->frame_size >= 4) {
        struct cursor at = cursor_of(c->frame, 4);
        whole += (size_t)cursor_be(&at, 4);
        ck_assert_uint_le(whole, CONSUMER_FRAME_BYTES);
    }
    c->frame_size += port_sim_read(c->peer, c->frame + c->frame_size, whole - c->frame_size);
    return c->frame_size == whole && whole > 4;
}

void crash_consumer_step(struct crash_consumer *c, struct port *port)
{
    if (c->peer != NULL && (port_sim_is_closed(c->peer) || random_below(&c->random, 3000) == 0))
        crash_consumer_hang_up(c);
    if (c->peer == NULL) {
        c->peer = port_sim_connect(port);
        if (c->peer == NULL) return;
        c->connections++;
        uint64_t back = random_below(&c->random, GO_BACK_RECORDS);
        c->read_offset = c->next_offset > back ? c->next_offset - back : 0;
        ask_committed(c);
    } else if (c->asked < 0) {
        c->frame_size = 0;
        if (random_below(&c->random, 5) == 0) ask_commit(c);
        else ask_fetch(c);
        c->frame_size = 0;
    } else if (receive(c)) {
        if (c->asked == KAFKA_API_FETCH) take_fetch(c);
        else if (c->asked == KAFKA_API_OFFSET_COMMIT) take_commit(c);
        else take_committed(c);
        c->asked = -1;
        c->frame_size = 0;
    }
}

bool crash_consumer_has_all(const struct crash_consumer *c)
{
    return c->row_count == c->source->row_count && c->ddl_count == c->source->ddl_count && !c->in_transaction;
}

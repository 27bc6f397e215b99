/* A connection's requests: bytes in, frames, handlers, answers out.  The states are told in serve_lcore.h. */
#include "dataplane/serve_lcore.h"

#include <string.h>

#include "base/invariant.h"
#include "base/log.h"

enum { TLS_HELLO = 0x1603 }; /* a handshake record begins so (RFC 8446 5.1) */
enum { FRAME_SIZE_BYTES = 4, INPUT_BYTES_MIN = 512, INPUT_SLACK_BYTES = 2 << 20 };

static void client_run(struct serve_lcore *s, struct client *c);

/* --- input --- */

/* Gives its buffer back; what may hold a password, or a part of one, does not stay there for who gets it next. */
static void input_give(struct serve_lcore *s, struct client *c)
{
    bool logs_in = c->login != NULL || (c->principal == NULL && s->listeners[c->listener].needs_login);
    if (c->input != NULL && logs_in) explicit_bzero(c->input, buffer_size(&s->arena, c->input));
    buffer_give(&s->arena, c->input);
    c->input = NULL;
}

static void input_free(struct serve_lcore *s, struct client *c)
{
    if (c->input == NULL) return;
    size_t held = buffer_size(&s->arena, c->input);
    input_give(s, c);
    c->input_start = c->input_end = 0;
    client_input_resized(s, c, held, 0);
}

static void input_consume(struct serve_lcore *s, struct client *c, uint32_t size)
{
    c->input_start += size;
    if (c->input_start == c->input_end) input_free(s, c);
}

/* Appends; the buffer grows with the bytes that came, never with what a size field promises. */
static enum err input_append(struct serve_lcore *s, struct client *c, const uint8_t *bytes, uint32_t size)
{
    uint32_t held = c->input_end - c->input_start;
    if (c->input == NULL || buffer_size(&s->arena, c->input) - c->input_end < size) {
        uint64_t wanted = (uint64_t)held + size;
        if (wanted > (uint64_t)s->listeners[c->listener].request_bytes_max + INPUT_SLACK_BYTES) return ERR_TOO_LARGE;
        if (c->input != NULL && buffer_size(&s->arena, c->input) >= wanted) {
            memmove(c->input, c->input + c->input_start, held);
        } else {
            uint8_t *larger = buffer_take(&s->arena, wanted < INPUT_BYTES_MIN ? INPUT_BYTES_MIN : wanted);
            if (larger == NULL) return ERR_NO_MEMORY;
            if (held > 0) memcpy(larger, c->input + c->input_start, held);
            size_t before = c->input == NULL ? 0 : buffer_size(&s->arena, c->input);
            input_give(s, c);
            c->input = larger;
            c->input_start = 0;
            c->input_end = held;
            client_input_resized(s, c, before, buffer_size(&s->arena, larger));
            if (c->state == CLIENT_ENDING) return ERR_OK; /* it held most */
        }
        c->input_start = 0;
        c->input_end = held;
    }
    memcpy(c->input + c->input_end, bytes, size);
    c->input_end += size;
    return ERR_OK;
}

/* --- the end --- */

static void client_let_go(struct serve_lcore *s, struct client *c)
{
    client_unwait(s, c);
    input_free(s, c);
    buffer_give(&s->arena, c->lookups);
    c->lookups = NULL;
    client_bytes_move(s, c, NULL); /* what the network has of it ends with it */
    c->login_until_ns = UINT64_MAX;
    c->active_ns = s->now_ns;
    client_login_forget(s, c);
    buffer_give(&s->arena, c->principal);
    c->principal = NULL;
    c->state = CLIENT_ENDING;
}

void client_close(struct serve_lcore *s, struct client *c, enum close_cause cause)
{
    static const char *const text[CLOSE_CAUSE_COUNT] = {
#define X(name, words) words,
        CLOSE_CAUSE_LIST(X)
#undef X
    };
    if (c->state == CLIENT_FREE || c->state == CLIENT_ENDING) return;
    bool is_told = cause != CLOSE_STOP && cause != CLOSE_IDLE && cause != CLOSE_LOGIN_FAILED; /* elsewhere, or not */
    if (!s->said[cause] && is_told)
        log_warn("dataplane", "closed the connection of %s: %s (said once; counted as connections_closed)", c->host + 1,
                 text[cause]);
    s->said[cause] = true;
    counter_add(s->counters.closed[cause], 1);
    client_let_go(s, c);
    port_close(s->port, c->slot);
}

/* --- answers --- */

static void piece_add(struct port_message *m, const uint8_t *bytes, uint32_t size, bool may_pin)
{
    if (size > 0) m->piece[m->piece_count++] = (struct port_piece){bytes, size, may_pin};
}

static void piece_add_records(struct serve_lcore *s, struct port_message *m, const struct log_piece *p)
{
    piece_add(m, p->bytes, p->size, p->pin != PIECE_IS_BUFFER && log_reader_may_lend(s->reader, p));
}

/* Sends an encoded frame with the records in its gaps, whose pins it takes over. */
static void answer_send(struct serve_lcore *s, struct client *c, const uint8_t *frame, uint32_t frame_bytes,
                        const struct kafka_gaps *gaps)
{
    const struct record_pieces *records = s->records;
    uint32_t piece_max = records->piece_count + gaps->count + 1;
    size_t pieces_bytes = piece_max * sizeof(struct port_piece);
    size_t pins_bytes = records->piece_count * sizeof(struct log_piece);
    struct answer *a = buffer_take(&s->arena, sizeof *a + pieces_bytes + pins_bytes + frame_bytes);
    if (a == NULL) {
        record_pieces_release(s->records, s->reader, &s->arena);
        client_close(s, c, CLOSE_NO_MEMORY);
        return;
    }
    uint8_t *at = (uint8_t *)(a + 1);
    *a = (struct answer){.put_ns = s->now_ns, .durable_ns = records->durable_ns, .pin_count = records->piece_count,
                         .lent_bytes = frame_bytes};
    for (uint32_t i = 0; i < records->piece_count; i++) {
        a->held_bytes += records->piece[i].held_bytes;
        a->chunk_count += records->piece[i].is_chunk;
        a->lent_bytes += records->piece[i].size;
    }
    a->message.piece = (struct port_piece *)(void *)at;
    a->pin = (struct log_piece *)(void *)(at + pieces_bytes);
    uint8_t *bytes = at + pieces_bytes + pins_bytes;
    memcpy(a->pin, records->piece, pins_bytes);
    memcpy(bytes, frame, frame_bytes);

    INVARIANT(gaps->count == records->run_count);
    uint32_t from = 0, pin = 0;
    for (uint32_t gap = 0; gap < gaps->count; gap++) {
        piece_add(&a->message, bytes + from, gaps->position[gap] - from, false);
        from = gaps->position[gap];
        for (; pin < records->run_end[gap]; pin++) piece_add_records(s, &a->message, &a->pin[pin]);
    }
    piece_add(&a->message, bytes + from, frame_bytes - from, false);
    /* Late notifications keep chunks from storage, blocks from readers: copies end that, until they have come. */
    a->message.may_copy_only = c->is_slow || c->pinned_bytes > s->config.send_pinned_bytes_max / 2;
    c->pinned_bytes += a->held_bytes;
    c->pinned_chunks += a->chunk_count;
    record_pieces_reset(s->records);
    answer_add(c, a);
    s->answer_count++;
    client_lent(s, c, a->lent_bytes);
    if (c->is_slow) answer_copy(s, c, a, 0);
    c->state = CLIENT_SENDING;
    s->unsent_count++;
    port_send(s->port, c->slot, &a->message);
}

void client_send(struct serve_lcore *s, struct client *c, const uint8_t *frame, uint32_t frame_bytes)
{
    static const struct kafka_gaps no_gaps;
    answer_send(s, c, frame, frame_bytes, &no_gaps);
}

void client_respond(struct serve_lcore *s, struct client *c, const struct request *r)
{
    struct sink out = sink_of(s->encoded, s->encoded_bytes);
    struct kafka_gaps gaps = {.position = s->gap_positions, .max = REQUEST_PIECES_MAX};
    enum err e = kafka_response_encode(kafka_response_of(r->header.api_key), r->response_version,
                                       r->header.correlation_id, r->response, &out, &gaps);
    if (e != ERR_OK) {
        record_pieces_release(s->records, s->reader, &s->arena);
        client_close(s, c, CLOSE_TOO_LARGE);
        return;
    }
    answer_send(s, c, s->encoded, (uint32_t)(out.at - s->encoded), &gaps);
}

void client_answered(struct serve_lcore *s, struct client *c, const uint8_t *frame, uint32_t frame_bytes)
{
    if (c->state != CLIENT_ASKED) return;
    if (frame_bytes == 0) client_close(s, c, CLOSE_MALFORMED);
    else client_send(s, c, frame, frame_bytes);
}

void client_sent(struct serve_lcore *s, struct client *c, struct port_message *m)
{
    struct answer *a = (struct answer *)m;
    s->unsent_count--;
    a->was_sent = true;
    a->sent_ns = clock_monotonic_ns(s->clock);
    if (a->durable_ns != 0 && a->sent_ns > a->durable_ns)
        histogram_record(s->counters.durable_to_sent_ns, a->sent_ns - a->durable_ns);
    if (c->state != CLIENT_SENDING) return;
    if (c->is_last_answer) {
        client_close(s, c, c->last_cause);
        return;
    }
    c->active_ns = s->now_ns;
    c->state = CLIENT_READY;
    if (c->mute_until_ns > s->now_ns) client_delay(s, c, CLIENT_MUTED, c->mute_until_ns);
    else client_run(s, c);
}

void client_released(struct serve_lcore *s, struct client *c, struct port_message *m)
{
    struct answer *a = (struct answer *)m;
    s->unsent_count -= !a->was_sent;
    if (m->zero_copy_bytes > 0 && !m->was_dropped)
        histogram_record(s->counters.sent_to_acknowledged_ns, clock_monotonic_ns(s->clock) - a->sent_ns);
    client_judge(c, s->now_ns - a->put_ns);
    answer_unpin(s, c, a);
    answer_remove(c, a);
    s->answer_count--;
    client_given_back(s, c, a->lent_bytes);
    buffer_give(&s->arena, a);
    if (c->state != CLIENT_PINNED || c->pinned_bytes >= s->config.send_pinned_bytes_max) return;
    c->active_ns = s->now_ns;
    c->state = CLIENT_READY;
    client_run(s, c);
}

/* --- requests --- */

/* Passes the request on to the coordinator.  ERR_AGAIN: the ring is full.  ERR_TOO_LARGE. */
static enum err group_request_forward(struct serve_lcore *s, const struct client *c, const struct request *r)
{
    struct kafka_string id = r->header.client_id;
    uint32_t body_bytes = (uint32_t)cursor_left(&r->body);
    uint32_t id_bytes = id.size < 0 ? 0 : (uint32_t)id.size, host_bytes = (uint32_t)strlen(c->host);
    if (body_bytes > LINK_BODY_BYTES_MAX) return ERR_TOO_LARGE;
    if (id_bytes > LINK_CLIENT_BYTES_MAX) id_bytes = LINK_CLIENT_BYTES_MAX;
    const char *group = "", *channel = "";
    if (principal_is_limited(c->principal)) {
        group = c->principal->group_id;
        channel = c->principal->channel;
    }
    uint32_t group_bytes = (uint32_t)strlen(group), channel_bytes = (uint32_t)strlen(channel);
    struct link_request head = {
        .connection_id = client_id(c), .correlation_id = r->header.correlation_id, .api_key = r->header.api_key,
        .api_version = r->header.api_version, .body_bytes = body_bytes, .client_id_bytes = (uint16_t)id_bytes,
        .client_host_bytes = (uint16_t)host_bytes, .group_bytes = (uint16_t)group_bytes,
        .channel_bytes = (uint16_t)channel_bytes,
    };
    uint32_t size = (uint32_t)sizeof head + id_bytes + host_bytes + group_bytes + channel_bytes + body_bytes;
    uint8_t *at = ring_spsc_claim(&s->link->to_coordinator, size);
    if (at == NULL) return ERR_AGAIN;
    struct sink out = sink_of(at, size);
    sink_bytes(&out, &head, sizeof head);
    sink_bytes(&out, id.chars, id_bytes);
    sink_bytes(&out, c->host, host_bytes);
    sink_bytes(&out, group, group_bytes);
    sink_bytes(&out, channel, channel_bytes);
    sink_bytes(&out, r->body.at, body_bytes);
    ring_spsc_commit(&s->link->to_coordinator);
    waiter_wake(s->link->coordinator_waiter);
    return ERR_OK;
}

static enum handled request_dispatch(struct request *r)
{
    switch (r->header.api_key) {
    case KAFKA_API_API_VERSIONS:     return kafka_handle_api_versions(r);
    case KAFKA_API_METADATA:         return kafka_handle_metadata(r);
    case KAFKA_API_FETCH:            return kafka_handle_fetch(r);
    case KAFKA_API_LIST_OFFSETS:     return kafka_handle_list_offsets(r);
    case KAFKA_API_FIND_COORDINATOR: return kafka_handle_find_coordinator(r);
    case KAFKA_API_PRODUCE:          return kafka_handle_produce(r);
    case KAFKA_API_DESCRIBE_CLUSTER: return kafka_handle_describe_cluster(r);
    case KAFKA_API_DESCRIBE_CONFIGS: return kafka_handle_describe_configs(r);
    case KAFKA_API_DESCRIBE_LOG_DIRS: return kafka_handle_describe_log_dirs(r);
    case KAFKA_API_DESCRIBE_TOPIC_PARTITIONS: return kafka_handle_describe_topic_partitions(r);
    case KAFKA_API_OFFSET_FOR_LEADER_EPOCH: return kafka_handle_offset_for_leader_epoch(r);
    case KAFKA_API_INIT_PRODUCER_ID: case KAFKA_API_CREATE_TOPICS: case KAFKA_API_DELETE_TOPICS:
    case KAFKA_API_CREATE_PARTITIONS: case KAFKA_API_DELETE_RECORDS: case KAFKA_API_ALTER_CONFIGS:
    case KAFKA_API_INCREMENTAL_ALTER_CONFIGS: case KAFKA_API_DESCRIBE_ACLS: return kafka_handle_refused(r);
    default:                         return HANDLED_MALFORMED;
    }
}

void client_request_end(struct serve_lcore *s, struct client *c, uint32_t frame_bytes)
{
    input_consume(s, c, frame_bytes);
    c->begun_ns = s->now_ns;
    buffer_give(&s->arena, c->lookups);
    c->lookups = NULL;
    c->arrived_ns = 0;
}

static void disk_wait(struct serve_lcore *s, struct client *c, int16_t api_key)
{
    if (api_key == KAFKA_API_LIST_OFFSETS && c->lookups == NULL) {
        c->lookups = buffer_take(&s->arena, REQUEST_LOOKUPS_MAX * sizeof *c->lookups);
        if (c->lookups != NULL) memset(c->lookups, 0, REQUEST_LOOKUPS_MAX * sizeof *c->lookups);
    }
    client_wait(s, c, CLIENT_DISK, &s->disk);
}

static void group_request_handle(struct serve_lcore *s, struct client *c, const struct request *r, uint32_t frame_bytes)
{
    switch (group_request_forward(s, c, r)) {
    case ERR_OK:
        c->state = CLIENT_ASKED;
        client_request_end(s, c, frame_bytes);
        break;
    case ERR_AGAIN: client_wait(s, c, CLIENT_LINK, &s->linked); break;
    default:        client_close(s, c, CLOSE_TOO_LARGE); break;
    }
}

static void request_handle(struct serve_lcore *s, struct client *c, const uint8_t *frame, uint32_t size)
{
    if (c->login != NULL && c->login->is_raw) {
        client_token(s, c, frame, size);
        return;
    }
    bool is_first_try = c->arrived_ns == 0;
    if (is_first_try) c->arrived_ns = c->held_ns != 0 ? c->held_ns : s->now_ns;
    c->held_ns = 0;
    s->scratch.used = 0;
    uint64_t room = s->config.send_pinned_bytes_max - c->pinned_bytes;
    struct request r = {
        .node = &s->listeners[c->listener].node, .reader = s->reader, .arena = &s->scratch, .buffers = &s->arena,
        .body = cursor_of(frame, size), .arrived_ns = c->arrived_ns, .now_ns = s->now_ns, .records = s->records,
        .principal = c->principal, .log_cursor = &c->log_cursor, .lookups = c->lookups, .sessions = s->sessions,
        .is_again = !is_first_try, .complained_ns = &s->complained_ns,
        .records_bytes_max = c->is_slow && room > SLOW_ANSWER_BYTES ? SLOW_ANSWER_BYTES : room,
    };
    enum err e = kafka_request_header_decode(&r.body, &r.header);
    r.response_version = r.header.api_version;
    if (e != ERR_OK && !(e == ERR_UNSUPPORTED && r.header.api_key == KAFKA_API_API_VERSIONS)) {
        if (e == ERR_UNSUPPORTED && !s->said[CLOSE_UNSUPPORTED])
            log_warn("dataplane", "%s asked for api key %d version %d, which is not served", c->host + 1,
                     r.header.api_key, r.header.api_version);
        client_close(s, c, e == ERR_UNSUPPORTED ? CLOSE_UNSUPPORTED : CLOSE_MALFORMED);
        return;
    }
    if (!client_may_ask(s, c, r.header.api_key)) return;
    if (r.header.api_key == KAFKA_API_FETCH && !client_fetch_may(s, c, &r)) return;
    if (is_first_try) counter_add(s->counters.requests[r.header.api_key], 1);
    if (r.header.api_key == KAFKA_API_SASL_HANDSHAKE) {
        client_handshake(s, c, &r, FRAME_SIZE_BYTES + size);
        return;
    }
    if (r.header.api_key == KAFKA_API_SASL_AUTHENTICATE) {
        client_authenticate(s, c, &r, FRAME_SIZE_BYTES + size);
        return;
    }
    if (right_of(r.header.api_key) == RIGHT_TO_GROUP) {
        group_request_handle(s, c, &r, FRAME_SIZE_BYTES + size);
        return;
    }
    switch (e == ERR_UNSUPPORTED ? kafka_handle_api_versions_unsupported(&r) : request_dispatch(&r)) {
    case HANDLED_ANSWER:
        if (r.header.api_key == KAFKA_API_FETCH) client_fetch_charge(s, c, s->records);
        client_respond(s, c, &r);
        if (c->state == CLIENT_SENDING) client_request_end(s, c, FRAME_SIZE_BYTES + size);
        break;
    case HANDLED_WAIT_LOGS: client_park(s, c, &r.wait_logs, r.wait_until_ns); break;
    case HANDLED_WAIT_DISK: disk_wait(s, c, r.header.api_key); break;
    case HANDLED_MALFORMED: client_close(s, c, CLOSE_MALFORMED); break;
    case HANDLED_TOO_LARGE: client_close(s, c, CLOSE_TOO_LARGE); break;
    case HANDLED_NO_MEMORY: client_close(s, c, CLOSE_NO_MEMORY); break;
    case HANDLED_NO_ANSWER: client_close(s, c, CLOSE_NO_ANSWER); break;
    }
}

/* Handles whole requests until one must wait or none is left. */
static void client_run(struct serve_lcore *s, struct client *c)
{
    while (c->state == CLIENT_READY) {
        uint32_t held = c->input_end - c->input_start;
        if (held < FRAME_SIZE_BYTES) break;
        struct cursor at = cursor_of(c->input + c->input_start, held);
        uint32_t size = (uint32_t)cursor_be(&at, FRAME_SIZE_BYTES);
        bool is_stranger = c->principal == NULL && s->listeners[c->listener].needs_login;
        uint32_t size_max = is_stranger ? LOGIN_FRAME_BYTES_MAX : s->listeners[c->listener].request_bytes_max;
        if (size == 0 || size > size_max) { /* a negative one is a large one, unsigned */
            client_close(s, c, size >> 16 == TLS_HELLO ? CLOSE_WANTS_TLS : CLOSE_FRAME_SIZE);
            return;
        }
        if (held - FRAME_SIZE_BYTES < size) {
            client_read_on(s, c);
            break;
        }
        if (c->pinned_bytes >= s->config.send_pinned_bytes_max) {
            c->state = CLIENT_PINNED;
            break;
        }
        if (client_may_begin(s, c)) request_handle(s, c, at.at, size);
    }
    bool is_ahead = c->state != CLIENT_READY && c->input_end - c->input_start > INPUT_AHEAD_BYTES;
    if (c->state == CLIENT_HELD && c->is_half_read) is_ahead = true;
    if (c->state == CLIENT_FREE || c->state == CLIENT_ENDING || is_ahead == c->is_paused) return;
    c->is_paused = is_ahead;
    if (is_ahead) port_pause(s->port, c->slot);
    else port_resume(s->port, c->slot);
}

void client_wake(struct serve_lcore *s, struct client *c)
{
    bool was_delayed = c->state == CLIENT_DELAYED;
    client_unwait(s, c);
    if (was_delayed) {
        client_login_refuse(s, c);
        return;
    }
    c->state = CLIENT_READY;
    client_run(s, c);
}

void client_accepted(struct serve_lcore *s, struct client *c, uint32_t listener)
{
    uint32_t generation = c->generation + 1;
    *c = (struct client){.slot = c->slot, .generation = generation, .state = CLIENT_READY, .timer_index = UINT32_MAX,
                         .listener = listener, .active_ns = s->now_ns, .login_until_ns = UINT64_MAX,
                         .session_end_ns = UINT64_MAX};
    const struct listener *l = &s->listeners[listener];
    c->host[0] = '/';
    port_peer(s->port, c->slot, c->host + 1);
    s->client_count++;
    if (!client_may_come(s, c)) return;
    if (!l->needs_login && !client_account_is(s, c, "(no login)", false)) return;
    if ((l->tls != NULL || l->needs_login) && l->login_timeout_ns != UINT64_MAX)
        c->login_until_ns = s->now_ns + l->login_timeout_ns;
}

void client_secured(struct serve_lcore *s, struct client *c, const char *subject)
{
    if (c->state == CLIENT_ENDING) return;
    c->active_ns = s->now_ns;
    if (!s->listeners[c->listener].needs_login) c->login_until_ns = UINT64_MAX;
    if (subject != NULL) client_account_is(s, c, subject, true);
}

void client_data(struct serve_lcore *s, struct client *c, const uint8_t *bytes, uint32_t size)
{
    if (c->state == CLIENT_ENDING) return;
    c->active_ns = s->now_ns;
    if (c->input == NULL) c->begun_ns = s->now_ns;
    switch (input_append(s, c, bytes, size)) {
    case ERR_OK:        client_run(s, c); break;
    case ERR_TOO_LARGE: client_close(s, c, CLOSE_TOO_LARGE); break;
    default:            client_close(s, c, CLOSE_NO_MEMORY); break;
    }
}

void client_closed(struct serve_lcore *s, struct client *c, bool has_failed)
{
    if (c->state != CLIENT_ENDING) {
        counter_add(s->counters.closed[has_failed ? CLOSE_TLS : CLOSE_PEER], 1);
        client_let_go(s, c);
    }
    INVARIANT(c->pinned_bytes == 0 && c->first_answer == NULL);
    client_uncount(s, c);
    c->state = CLIENT_FREE;
    s->client_count--;
}

/* Fetch (1): full requests, which name all their partitions, and those of a session (fetch_session.h), which name what
 * changed since the last one.
 *
 * Partitions are read in request order, those of a session in the session's, under three bounds: the client's
 * max_bytes, ours, and each partition's own.  A request that waits is handled again from its bytes: what it changes in
 * its session is done when it is handled first. */
#include <string.h>

#include "dataplane/auth/account.h"
#include "dataplane/kafka/fetch_partition.h"

enum { NO_SESSION = 0, SESSION_OPEN = 0, SESSION_NONE = -1 }; /* ids; epochs: may open one, must not */

/* A session is its principal's alone, until the password changes. */
static uint64_t owner_of(const struct request *r) { return r->principal == NULL ? 0 : r->principal->credential; }

/* --- full requests --- */

static struct fetch_topic_key key_of(const struct fetch_request_topic *t)
{
    return (struct fetch_topic_key){t->topic, t->topic_id};
}

static enum handled serve_topics(struct fetch *f, struct fetch_response *out)
{
    struct request *r = f->request;
    out->responses = request_room(r, f->in->topic_count, sizeof *out->responses);
    if (out->responses == NULL) return HANDLED_TOO_LARGE;
    out->response_count = f->in->topic_count;
    for (int32_t t = 0; t < f->in->topic_count; t++) {
        const struct fetch_request_topic *topic = &f->in->topics[t];
        struct fetch_response_partition *partitions = request_room(r, topic->partition_count, sizeof *partitions);
        if (partitions == NULL) return HANDLED_TOO_LARGE;
        struct fetch_topic_key key = key_of(topic);
        out->responses[t] = (struct fetch_response_topic){.topic = topic->topic, .topic_id = topic->topic_id,
            .partitions = partitions, .partition_count = topic->partition_count};
        for (int32_t i = 0; i < topic->partition_count; i++)
            fetch_partition(f, &key, &topic->partitions[i], &partitions[i]);
    }
    return HANDLED_ANSWER;
}

static void entry_note(struct fetch_entry *e, const struct fetch_response_partition *told)
{
    e->high_watermark = told->high_watermark; /* -1 with an error: so its end is news */
    e->log_start_offset = told->log_start_offset;
}

/* The answer is complete: a session may be made of it. */
static int32_t session_open(struct fetch *f, const struct fetch_response *out)
{
    struct request *r = f->request;
    uint32_t count = 0;
    for (int32_t t = 0; t < f->in->topic_count; t++) count += (uint32_t)f->in->topics[t].partition_count;
    bool by_id = r->header.api_version >= FETCH_BY_ID_SINCE;
    struct fetch_session *session = fetch_session_open(r->sessions, owner_of(r), by_id, count, r->now_ns);
    if (session == NULL) return NO_SESSION;
    for (int32_t t = 0; t < f->in->topic_count; t++) {
        const struct fetch_request_topic *topic = &f->in->topics[t];
        struct fetch_topic_key key = key_of(topic);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct fetch_entry *e = fetch_session_put(r->sessions, session, &key, &topic->partitions[i]);
            if (e == NULL) { /* a name that is none */
                fetch_session_close(r->sessions, session);
                return NO_SESSION;
            }
            entry_note(e, &out->responses[t].partitions[i]);
        }
    }
    return session->id;
}

/* --- sessions --- */

/* Takes over what the request adds, changes and forgets; false: the session cannot hold it. */
static bool session_update(struct request *r, struct fetch_session *session, const struct fetch_request *in)
{
    for (int32_t t = 0; t < in->topic_count; t++) {
        struct fetch_topic_key key = key_of(&in->topics[t]);
        for (int32_t i = 0; i < in->topics[t].partition_count; i++)
            if (fetch_session_put(r->sessions, session, &key, &in->topics[t].partitions[i]) == NULL) return false;
    }
    for (int32_t t = 0; t < in->forgotten_topics_data_count; t++) {
        const struct fetch_request_forgotten *topic = &in->forgotten_topics_data[t];
        struct fetch_topic_key key = {topic->topic, topic->topic_id};
        for (int32_t i = 0; i < topic->partition_count; i++)
            fetch_session_forget(session, &key, topic->partitions[i]);
    }
    return true;
}

/* The session of an incremental request, brought up to date; NULL with NONE: the request has emptied it, and it is
 * gone. */
static enum kafka_error session_take(struct request *r, const struct fetch_request *in, struct fetch_session **out)
{
    struct fetch_session *session = fetch_session_find(r->sessions, in->session_id, owner_of(r));
    *out = NULL;
    if (session == NULL) return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (!r->is_again) {
        if (session->epoch != in->session_epoch) return KAFKA_INVALID_FETCH_SESSION_EPOCH;
        bool by_id = r->header.api_version >= FETCH_BY_ID_SINCE;
        if (session->by_id != by_id) return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
        bool is_held = session_update(r, session, in);
        fetch_session_advance(session, r->now_ns);
        if (session->count == 0 || !is_held) {
            fetch_session_close(r->sessions, session);
            return is_held ? KAFKA_NONE : KAFKA_FETCH_SESSION_ID_NOT_FOUND;
        }
    }
    *out = session;
    return KAFKA_NONE;
}

static enum handled serve_session(struct fetch *f, struct fetch_session *session, struct fetch_response *out)
{
    struct request *r = f->request;
    struct fetch_response_partition *partitions = request_room(r, session->count, sizeof *partitions);
    out->responses = request_room(r, session->count, sizeof *out->responses);
    if (partitions == NULL || out->responses == NULL) return HANDLED_TOO_LARGE;
    for (uint16_t at = session->first; at != FETCH_ENTRY_NONE; at = session->entry[at].next) {
        const struct fetch_entry *e = &session->entry[at];
        struct fetch_topic_key key = {{e->name, e->name_bytes}, e->topic_id};
        struct fetch_response_partition *p = &partitions[out->response_count];
        out->responses[out->response_count++] = (struct fetch_response_topic){
            .topic = key.name, .topic_id = e->topic_id, .partitions = p, .partition_count = 1};
        fetch_partition(f, &key, &e->asked, p);
    }
    return HANDLED_ANSWER;
}

static bool is_news(const struct fetch_entry *e, const struct fetch_response_partition *p)
{
    return p->records.size > 0 || p->error_code != KAFKA_NONE || p->diverging_epoch.epoch >= 0 ||
           p->high_watermark != e->high_watermark || p->log_start_offset != e->log_start_offset;
}

/* The answer is complete: it keeps what is new, and the session remembers it. */
static void session_answer(struct fetch_session *session, struct fetch_response *out)
{
    int32_t kept = 0, i = 0;
    uint16_t next;
    for (uint16_t at = session->first; i < out->response_count; at = next, i++) {
        struct fetch_entry *e = &session->entry[at];
        const struct fetch_response_partition *p = out->responses[i].partitions;
        next = e->next;
        if (!is_news(e, p)) continue;
        entry_note(e, p);
        if (p->records.size > 0) fetch_session_to_end(session, e);
        out->responses[kept++] = out->responses[i];
    }
    out->response_count = kept;
    out->session_id = session->id;
}

/* --- both --- */

/* Whether the answer must go now. */
static bool is_due(const struct fetch *f, uint32_t partition_count)
{
    const struct fetch_request *in = f->in;
    if (f->is_crowded && f->bytes == 0 && !f->has_news) return f->request->now_ns >= f->request->wait_until_ns;
    if (f->has_news || f->is_full || in->max_wait_ms <= 0 || partition_count == 0) return true;
    if (in->min_bytes <= 0 || f->bytes >= (uint64_t)in->min_bytes) return true;
    if (f->needs_disk && f->bytes > 0) return true;
    return f->request->now_ns >= f->request->wait_until_ns;
}

static void fetch_bounds(struct fetch *f, struct fetch_request *in)
{
    struct request *r = f->request;
    f->left = r->node->fetch_bytes_max;
    if (r->header.api_version >= 3 && in->max_bytes >= 0 && (uint64_t)in->max_bytes < f->left)
        f->left = (uint64_t)in->max_bytes;
    if (r->records_bytes_max < f->left) f->left = r->records_bytes_max;
    if (in->min_bytes > 0 && (uint64_t)in->min_bytes > f->left) in->min_bytes = (int32_t)f->left;
    r->wait_until_ns = r->arrived_ns + (in->max_wait_ms > 0 ? (uint64_t)in->max_wait_ms * 1000000 : 0);
}

static enum handled wait_or_answer(const struct fetch *f, uint32_t partition_count)
{
    if (f->lacks_memory) return HANDLED_NO_MEMORY;
    if (!is_due(f, partition_count)) return f->needs_disk ? HANDLED_WAIT_DISK : HANDLED_WAIT_LOGS;
    return f->needs_disk && f->bytes == 0 && !f->has_news ? HANDLED_WAIT_DISK : HANDLED_ANSWER;
}

static enum handled full_fetch(struct fetch *f, struct fetch_response *out)
{
    struct request *r = f->request;
    struct fetch_session *former = fetch_session_find(r->sessions, f->in->session_id, owner_of(r));
    if (former != NULL) fetch_session_close(r->sessions, former);
    if (r->throttle_ms > 0) return HANDLED_ANSWER; /* nothing, and no session, as Kafka does */
    enum handled handled = serve_topics(f, out);
    if (handled == HANDLED_ANSWER) handled = wait_or_answer(f, (uint32_t)f->in->topic_count);
    if (handled == HANDLED_ANSWER && f->in->session_epoch == SESSION_OPEN) out->session_id = session_open(f, out);
    return handled;
}

static enum handled session_fetch(struct fetch *f, struct fetch_response *out)
{
    struct fetch_session *session;
    out->error_code = (int16_t)session_take(f->request, f->in, &session);
    if (session == NULL) return HANDLED_ANSWER;
    if (f->request->throttle_ms > 0) {
        out->session_id = session->id; /* nothing new */
        return HANDLED_ANSWER;
    }
    enum handled handled = serve_session(f, session, out);
    if (handled == HANDLED_ANSWER) handled = wait_or_answer(f, session->count);
    if (handled == HANDLED_ANSWER) session_answer(session, out);
    return handled;
}

enum handled kafka_handle_fetch(struct request *r)
{
    struct fetch_request in; /* versions before 7 have the epoch of no session */
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct fetch_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    r->response = out;
    out->throttle_time_ms = (int32_t)r->throttle_ms;
    struct fetch f = {.request = r, .in = &in};
    fetch_bounds(&f, &in);
    bool is_full = in.session_epoch == SESSION_OPEN || in.session_epoch == SESSION_NONE;
    enum handled handled = is_full ? full_fetch(&f, out) : session_fetch(&f, out);
    if (handled != HANDLED_ANSWER) record_pieces_release(r->records, r->reader, r->buffers);
    return handled;
}

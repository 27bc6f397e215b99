/* Answers: encoded at once, held until the record they rest on is durable, then into the link's ring. */
#include <stdlib.h>

#include "base/invariant.h"
#include "base/log.h"
#include "dataplane/group/coordinator_state.h"

static bool put(struct link_side *side, const struct link_answer *answer, const uint8_t *frame)
{
    struct link_answer *m = ring_spsc_claim(&side->link.to_serve, (uint32_t)sizeof *m + answer->frame_bytes);
    if (m == NULL) return false;
    *m = *answer;
    if (answer->frame_bytes > 0) memcpy(m + 1, frame, answer->frame_bytes);
    side->has_answers = true;
    return true;
}

/* At most one answer a connection is ever held, so the serve lcores' connections bound this memory. */
static void hold(struct coordinator *c, struct held_list *list, uint64_t after, uint32_t link,
                 const struct link_answer *answer, const uint8_t *frame)
{
    struct held_answer *h = malloc(sizeof *h + answer->frame_bytes);
    INVARIANT(h != NULL);
    *h = (struct held_answer){.after = after, .since_ns = c->now_ns, .link = link, .answer = *answer};
    if (answer->frame_bytes > 0) memcpy(h->frame, frame, answer->frame_bytes);
    *list->last = h;
    list->last = &h->next;
}

static void send(struct coordinator *c, uint32_t link, const struct link_answer *answer, const uint8_t *frame)
{
    struct link_side *side = &c->side[link];
    if (side->overflow.first != NULL || !put(side, answer, frame)) hold(c, &side->overflow, 0, link, answer, frame);
}

void coordinator_close(struct coordinator *c, const struct ticket *to)
{
    struct link_answer answer = {to->connection_id, to->correlation_id, 0};
    counter_add(c->count.closed, 1);
    send(c, to->link, &answer, NULL);
}

static enum err encode(struct coordinator *c, const struct ticket *to, const void *response, uint32_t *bytes)
{
    struct sink out = sink_of(c->frame, LINK_FRAME_BYTES_MAX);
    TRY(kafka_response_encode(kafka_response_of(to->api_key), to->api_version, to->correlation_id, response, &out,
                              NULL));
    *bytes = (uint32_t)(out.at - c->frame);
    return ERR_OK;
}

/* --- answers about several groups, each with an error of its own --- */

enum { REFUSED_GROUP_BYTES = 32 }; /* at most, of a group that only has an error, and its id besides */

union several {
    struct describe_groups_response describe;
    struct consumer_group_describe_response consumer_describe;
    struct offset_fetch_response fetch; /* from version 8 on; before, it has no groups */
};

static int32_t *group_count(int16_t api_key, union several *all)
{
    switch (api_key) {
    case KAFKA_API_DESCRIBE_GROUPS:         return &all->describe.group_count;
    case KAFKA_API_CONSUMER_GROUP_DESCRIBE: return &all->consumer_describe.group_count;
    case KAFKA_API_OFFSET_FETCH:            return &all->fetch.group_count;
    default:                                return NULL;
    }
}

static struct kafka_string group_id(int16_t api_key, const union several *all, int32_t i)
{
    switch (api_key) {
    case KAFKA_API_DESCRIBE_GROUPS:         return all->describe.groups[i].group_id;
    case KAFKA_API_CONSUMER_GROUP_DESCRIBE: return all->consumer_describe.groups[i].group_id;
    default:                                return all->fetch.groups[i].group_id;
    }
}

/* From group `first` on, `count` of them. */
static union several part_of(int16_t api_key, const union several *all, int32_t first, int32_t count)
{
    union several part = *all;
    *group_count(api_key, &part) = count;
    if (api_key == KAFKA_API_DESCRIBE_GROUPS) part.describe.groups += first;
    else if (api_key == KAFKA_API_CONSUMER_GROUP_DESCRIBE) part.consumer_describe.groups += first;
    else part.fetch.groups += first;
    return part;
}

/* Clients ask again for the groups with this error, and for no others: each time more of them fit. */
static void refuse_group(int16_t api_key, union several *all, int32_t i)
{
    struct kafka_string id = group_id(api_key, all, i);
    int16_t error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (api_key == KAFKA_API_DESCRIBE_GROUPS)
        all->describe.groups[i] = (struct described_group){.error_code = error, .group_id = id,
                                                           .authorized_operations = INT32_MIN};
    else if (api_key == KAFKA_API_CONSUMER_GROUP_DESCRIBE)
        all->consumer_describe.groups[i] = (struct consumer_group_described){
            .error_code = error, .error_message = kafka_string_null(), .group_id = id,
            .authorized_operations = INT32_MIN};
    else
        all->fetch.groups[i] = (struct offset_fetch_response_group){.group_id = id, .error_code = error};
}

/* An answer that is too large keeps the groups that fit it, as many as stand in front. */
static enum err encode_fitting(struct coordinator *c, const struct ticket *to, const void *response, uint32_t *bytes)
{
    union several all = {0};
    uint64_t used = 0;
    if (group_count(to->api_key, &all) == NULL) return ERR_NO_SPACE;
    memcpy(&all, response, kafka_response_of(to->api_key)->body.struct_bytes);
    int32_t count = *group_count(to->api_key, &all), kept = 0;
    if (count < 2) return ERR_NO_SPACE; /* with one there is nothing to ask for less of */
    for (int32_t i = 0; i < count; i++)
        used += REFUSED_GROUP_BYTES + (uint64_t)group_id(to->api_key, &all, i).size;
    for (; kept < count; kept++) {
        union several one = part_of(to->api_key, &all, kept, 1);
        if (encode(c, to, &one, bytes) != ERR_OK || used + *bytes > LINK_FRAME_BYTES_MAX) break;
        used += *bytes;
    }
    if (kept == 0) return ERR_NO_SPACE; /* asking again would not help */
    for (int32_t i = kept; i < count; i++) refuse_group(to->api_key, &all, i);
    return encode(c, to, &all, bytes);
}

void coordinator_answer(void *coordinator, const struct ticket *to, const void *response, uint64_t after)
{
    struct coordinator *c = coordinator;
    uint32_t bytes = 0;
    enum err e = encode(c, to, response, &bytes);
    if (e == ERR_NO_SPACE) e = encode_fitting(c, to, response, &bytes);
    if (e != ERR_OK) { /* only an OffsetFetch that asks for the same partitions over and over gets here */
        log_warn("coordinator", "an answer to API key %d is larger than %d bytes: closing the connection", to->api_key,
                 LINK_FRAME_BYTES_MAX);
        coordinator_close(c, to);
        return;
    }
    struct link_answer answer = {to->connection_id, to->correlation_id, bytes};
    if (after <= c->store.durable_number) send(c, to->link, &answer, c->frame);
    else if (c->store.failure != ERR_OK) coordinator_close(c, to);
    else hold(c, &c->held, after, to->link, &answer, c->frame);
}

unsigned coordinator_release(struct coordinator *c)
{
    unsigned released = 0;
    struct held_answer **at = &c->held.first;
    while (*at != NULL) {
        struct held_answer *h = *at;
        bool is_durable = h->after <= c->store.durable_number;
        if (!is_durable && c->store.failure == ERR_OK) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        if (!is_durable) { /* it promised what the disk did not keep: the client must not hear it */
            h->answer.frame_bytes = 0;
            counter_add(c->count.closed, 1);
        } else {
            histogram_record(c->count.durable_ns, c->now_ns - h->since_ns);
        }
        send(c, h->link, &h->answer, h->frame);
        free(h);
        released++;
    }
    c->held.last = at;
    return released;
}

unsigned coordinator_drain(struct coordinator *c)
{
    unsigned sent = 0;
    for (uint32_t i = 0; i < c->config.link_count; i++) {
        struct held_list *list = &c->side[i].overflow;
        while (list->first != NULL && put(&c->side[i], &list->first->answer, list->first->frame)) {
            struct held_answer *next = list->first->next;
            free(list->first);
            list->first = next;
            sent++;
        }
        if (list->first == NULL) list->last = &list->first;
    }
    return sent;
}

void coordinator_commit_answers(struct coordinator *c)
{
    for (uint32_t i = 0; i < c->config.link_count; i++) {
        struct link_side *side = &c->side[i];
        if (!side->has_answers) continue;
        side->has_answers = false;
        ring_spsc_commit(&side->link.to_serve);
        waiter_wake(side->link.serve_waiter);
    }
}

static void drop(struct held_list *list)
{
    while (list->first != NULL) {
        struct held_answer *next = list->first->next;
        free(list->first);
        list->first = next;
    }
    list->last = &list->first;
}

void coordinator_drop_held(struct coordinator *c)
{
    drop(&c->held);
    for (uint32_t i = 0; i < c->config.link_count; i++) drop(&c->side[i].overflow);
}

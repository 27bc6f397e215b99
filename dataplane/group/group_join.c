/* JoinGroup: who may come in, under which id, and when a rebalance begins (Kafka's classic group protocol, KIP-345
 * static members, KIP-394 ids before membership). */
#include <stdio.h>

#include "base/invariant.h"
#include "dataplane/group/group_state.h"

void join_refuse(struct groups *g, const struct ticket *to, enum kafka_error error, struct kafka_string member_id)
{
    struct join_group_response response = {
        .error_code = (int16_t)error, .generation_id = -1, .protocol_type = kafka_string_null(),
        .protocol_name = kafka_string_null(), .member_id = member_id,
    };
    if (error == KAFKA_GROUP_MAX_SIZE_REACHED) g->stats.refused_for_limits++;
    g->host.answer(g->host.context, to, &response, 0);
}

static void join_answer_as(struct groups *g, struct group *group, struct member *m, const struct ticket *to,
                           uint64_t after, bool skip_assignment)
{
    struct join_group_response response = {
        .generation_id = group->generation, .protocol_type = group->protocol_type, .protocol_name = group->protocol,
        .leader = group->leader->id, .skip_assignment = skip_assignment, .member_id = m->id,
    };
    if (m == group->leader) { /* the leader alone learns who is in and assigns */
        response.members = g->rows;
        for (const struct member *each = group->members; each != NULL; each = each->next) {
            INVARIANT((uint32_t)response.member_count < g->row_room);
            g->rows[response.member_count++] = (struct join_group_response_member){
                each->id, each->instance_id, member_metadata(each, group->protocol)};
        }
    }
    g->host.answer(g->host.context, to, &response, after);
}

void join_answer(struct groups *g, struct group *group, struct member *m, const struct ticket *to, uint64_t after)
{
    join_answer_as(g, group, m, to, after, false);
}

/* Parks a JoinGroup.  One that was parked before for the same member (its client gave up waiting) is sent back to
 * retry. */
static void park(struct groups *g, struct group *group, struct member *m, const struct ticket *ticket)
{
    if (m->awaits_join) join_refuse(g, &m->join_ticket, KAFKA_REBALANCE_IN_PROGRESS, m->id);
    if (m->awaits_sync) member_answer_sync(g, group, m, KAFKA_REBALANCE_IN_PROGRESS);
    m->awaits_join = true;
    m->join_ticket = *ticket;
    /* While it waits it cannot send heartbeats.  A new member's client may be gone without a trace: it gets a limit. */
    if (!m->is_new) m->session_deadline_ms = GROUP_NEVER_MS;
}

struct kafka_string make_uuid(struct groups *g, char out[static UUID_ROOM])
{
    uint8_t r[16];
    g->host.random_bytes(g->host.context, r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40); /* RFC 9562: version 4 */
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    int size = snprintf(out, UUID_ROOM, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
                        r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
    return (struct kafka_string){out, size};
}

struct kafka_string make_member_id(struct groups *g, const struct group_caller *who, struct kafka_string instance_id,
                                   char out[static MEMBER_ID_ROOM])
{
    struct kafka_string prefix = instance_id.size >= 0 ? instance_id : who->client_id;
    int prefix_size = prefix.size < 0 ? 0 : prefix.size > GROUP_ID_BYTES_MAX ? GROUP_ID_BYTES_MAX : prefix.size;
    if (prefix_size > 0) memcpy(out, prefix.chars, (size_t)prefix_size);
    out[prefix_size] = '-';
    return (struct kafka_string){out, prefix_size + 1 + make_uuid(g, out + prefix_size + 1).size};
}

static bool add_and_rebalance(struct groups *g, struct group *group, struct kafka_string id,
                              const struct group_caller *who, const struct join_group_request *in)
{
    struct member *m = member_add(g, group, id, who, in);
    if (m == NULL) return false;
    m->is_new = true;
    m->session_deadline_ms = ms_after(g->now_ms, GROUP_NEW_MEMBER_WAIT_MS);
    group_timer(g, group, m->session_deadline_ms);
    if (group->state == GROUP_PREPARING) group->joined_during_delay = true;
    park(g, group, m, &who->ticket);
    rebalance_start(g, group);
    rebalance_try_complete(g, group);
    return true;
}

static bool update_and_rebalance(struct groups *g, struct group *group, struct member *m, const struct ticket *ticket,
                                 const struct join_group_request *in)
{
    if (!member_update(g, group, m, in, ticket->api_version)) return false;
    rebalance_start(g, group);
    park(g, group, m, ticket);
    rebalance_try_complete(g, group);
    return true;
}

/* The answer to a static member that came back to a stable group, where nothing moves: it takes its old assignment.
 * From version 9 on the leader can be told that it leads and need not assign (KIP-814); before, it is told the leader's
 * id as it was, so that it acts as a follower whose assignment the group already holds. */
static void answer_returned(struct groups *g, struct group *group, struct member *m, struct kafka_string old_id,
                            const struct ticket *ticket)
{
    if (m == group->leader && ticket->api_version >= 9) {
        join_answer_as(g, group, m, ticket, group->record_number, true);
        return;
    }
    struct join_group_response response = {
        .generation_id = group->generation, .protocol_type = group->protocol_type,
        .protocol_name = group->protocol, .leader = m == group->leader ? old_id : group->leader->id,
        .member_id = m->id,
    };
    g->host.answer(g->host.context, ticket, &response, group->record_number);
}

/* A static member came back under its instance id and gets a new member id. */
static bool replace_static(struct groups *g, struct group *group, struct member *m, struct kafka_string id,
                           const struct ticket *ticket, const struct join_group_request *in)
{
    struct kafka_string old_id = m->id;
    struct kafka_string new_id = {NULL, 0};
    if (!groups_copy(g, &group->member_bytes, &new_id, id)) return false;
    if (!member_update(g, group, m, in, ticket->api_version)) {
        groups_give(g, &group->member_bytes, (void *)(uintptr_t)new_id.chars);
        return false;
    }
    if (m->awaits_join) join_refuse(g, &m->join_ticket, KAFKA_FENCED_INSTANCE_ID, old_id);
    if (m->awaits_sync) member_answer_sync(g, group, m, KAFKA_FENCED_INSTANCE_ID);
    m->awaits_join = false;
    m->id = new_id;
    member_alive(g, group, m);
    if (group->state == GROUP_STABLE && kafka_string_equal(group_choose_protocol(group), group->protocol)) {
        group_store(g, group);
        answer_returned(g, group, m, old_id, ticket);
    } else {
        rebalance_start(g, group);
        park(g, group, m, ticket);
        rebalance_try_complete(g, group);
    }
    groups_give(g, &group->member_bytes, (void *)(uintptr_t)old_id.chars);
    return true;
}

/* A JoinGroup without a member id. */
static bool join_unknown(struct groups *g, struct group *group, const struct group_caller *who,
                         const struct join_group_request *in)
{
    char chars[MEMBER_ID_ROOM];
    struct kafka_string id = make_member_id(g, who, in->group_instance_id, chars);
    struct member *holder = member_find_instance(group, in->group_instance_id);
    if (holder != NULL) return replace_static(g, group, holder, id, &who->ticket, in);
    if (who->ticket.api_version >= 4 && in->group_instance_id.size < 0) {
        if (group->pending_count >= g->limits.members_max) return false;
        if (!pending_add(g, group, id, in->session_timeout_ms)) return false;
        join_refuse(g, &who->ticket, KAFKA_MEMBER_ID_REQUIRED, id);
        return true;
    }
    return add_and_rebalance(g, group, id, who, in);
}

/* A JoinGroup with one. */
static bool join_known(struct groups *g, struct group *group, const struct group_caller *who,
                       const struct join_group_request *in)
{
    struct pending_member *p = pending_find(group, in->member_id);
    if (p != NULL && in->group_instance_id.size < 0) {
        pending_remove(g, group, p);
        return add_and_rebalance(g, group, in->member_id, who, in);
    }
    struct member *m = NULL;
    enum kafka_error error = member_check(group, in->member_id, in->group_instance_id, &m);
    if (error == KAFKA_NONE && in->group_instance_id.size >= 0 &&
        member_find_instance(group, in->group_instance_id) == NULL)
        error = KAFKA_UNKNOWN_MEMBER_ID;
    if (error != KAFKA_NONE) {
        join_refuse(g, &who->ticket, error, in->member_id);
        return true;
    }
    bool repeats = member_lists_same(m, in); /* it may not have seen the answer it had */
    if (group->state == GROUP_COMPLETING && repeats) {
        join_answer(g, group, m, &who->ticket, 0);
        return true;
    }
    if (group->state == GROUP_STABLE && repeats && m != group->leader) {
        member_alive(g, group, m);
        join_answer(g, group, m, &who->ticket, group->record_number);
        return true;
    }
    return update_and_rebalance(g, group, m, &who->ticket, in);
}

/* Sizes and ranges, before any group is looked up. */
static enum kafka_error check_request(const struct groups *g, const struct join_group_request *in)
{
    if (in->group_id.size == 0 || in->group_id.size > GROUP_ID_BYTES_MAX) return KAFKA_INVALID_GROUP_ID;
    if (in->session_timeout_ms < g->limits.session_timeout_min_ms ||
        in->session_timeout_ms > g->limits.session_timeout_max_ms)
        return KAFKA_INVALID_SESSION_TIMEOUT;
    if (in->group_instance_id.size > GROUP_ID_BYTES_MAX) return KAFKA_INVALID_REQUEST;
    if (in->protocol_count > GROUP_PROTOCOLS_MAX || in->protocol_type.size > GROUP_ID_BYTES_MAX)
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    for (int32_t i = 0; i < in->protocol_count; i++)
        if (in->protocols[i].name.size > GROUP_ID_BYTES_MAX) return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    return KAFKA_NONE;
}

/* A group at its size: who is in stays in, nobody else comes. */
static bool is_full_for(struct groups *g, struct group *group, const struct join_group_request *in)
{
    if (group->member_count < g->limits.members_max) return false;
    if (member_find_instance(group, in->group_instance_id) != NULL) return false;
    return in->member_id.size == 0 || member_find(group, in->member_id) == NULL;
}

void groups_join(struct groups *g, const struct group_caller *who, const struct join_group_request *in)
{
    const struct ticket *to = &who->ticket;
    enum kafka_error error = check_request(g, in);
    if (error != KAFKA_NONE) {
        join_refuse(g, to, error, in->member_id);
        return;
    }
    struct group *group = groups_find(g, in->group_id);
    if (group == NULL) {
        if (in->member_id.size != 0) error = KAFKA_UNKNOWN_MEMBER_ID;
        else if (in->protocol_type.size == 0 || in->protocol_count == 0) error = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
        else if ((group = groups_create(g, in->group_id)) == NULL) error = KAFKA_GROUP_MAX_SIZE_REACHED;
    } else if (!consumers_close(g, group)) {
        error = KAFKA_INCONSISTENT_GROUP_PROTOCOL; /* its members speak the new protocol */
    } else if (is_full_for(g, group, in)) {
        struct pending_member *p = pending_find(group, in->member_id);
        if (p != NULL) pending_remove(g, group, p);
        error = KAFKA_GROUP_MAX_SIZE_REACHED;
    } else if (!group_supports(group, in)) {
        error = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    bool has_room = true;
    if (error != KAFKA_NONE) join_refuse(g, to, error, in->member_id);
    else if (in->member_id.size == 0) has_room = join_unknown(g, group, who, in);
    else has_room = join_known(g, group, who, in);
    if (!has_room) join_refuse(g, to, KAFKA_GROUP_MAX_SIZE_REACHED, in->member_id);
    if (group == NULL) return;
    rebalance_try_complete(g, group); /* a pending id that was refused may have been what the others waited for */
    groups_remove_if_void(g, group);
}

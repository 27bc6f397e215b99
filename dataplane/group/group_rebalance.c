/* The rebalance: members gather in PreparingRebalance, get a generation, the leader's SyncGroup makes it Stable. */
#include "base/invariant.h"
#include "dataplane/group/group_state.h"

/* --- gathering --- */

void rebalance_start(struct groups *g, struct group *group)
{
    if (group->state == GROUP_PREPARING) return;
    if (group->state == GROUP_COMPLETING) { /* who waits for an assignment is sent back to join */
        for (struct member *m = group->members; m != NULL; m = m->next) {
            if (!m->awaits_sync) continue;
            member_answer_sync(g, group, m, KAFKA_REBALANCE_IN_PROGRESS);
            member_alive(g, group, m);
        }
    }
    uint64_t timeout_ms = (uint64_t)group_rebalance_timeout_ms(group);
    uint64_t delay_ms = g->limits.initial_rebalance_delay_ms;
    group->is_initial_delay = group->state == GROUP_EMPTY;
    group->joined_during_delay = false;
    group->initial_delay_left_ms = timeout_ms > delay_ms ? timeout_ms - delay_ms : 0;
    group->sync_deadline_ms = GROUP_NEVER_MS;
    group->join_deadline_ms = g->now_ms + (group->is_initial_delay ? delay_ms : timeout_ms);
    group_timer(g, group, group->join_deadline_ms);
    group_enter(g, group, GROUP_PREPARING);
}

static bool all_joined(const struct group *group)
{
    for (const struct member *m = group->members; m != NULL; m = m->next)
        if (!m->awaits_join) return false;
    return group->pending == NULL;
}

/* The leader if it came, else the first who did; NULL: nobody came. */
static struct member *joined_leader(const struct group *group)
{
    if (group->leader != NULL && group->leader->awaits_join) return group->leader;
    for (struct member *m = group->members; m != NULL; m = m->next)
        if (m->awaits_join) return m;
    return NULL;
}

static void next_generation(struct group *group)
{
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
}

/* Nobody is left: the generation still ends. */
static void become_empty(struct groups *g, struct group *group)
{
    next_generation(group);
    group->protocol = kafka_string_null();
    group->join_deadline_ms = group->sync_deadline_ms = GROUP_NEVER_MS;
    group_enter(g, group, GROUP_EMPTY);
    if (group->has_record || group->offsets != NULL) group_store(g, group);
}

static void begin_generation(struct groups *g, struct group *group)
{
    next_generation(group);
    group_set_text(&group->protocol, group->protocol_chars, group_choose_protocol(group));
    group->join_deadline_ms = GROUP_NEVER_MS;
    group->sync_deadline_ms = ms_after(g->now_ms, group_rebalance_timeout_ms(group));
    group_timer(g, group, group->sync_deadline_ms);
    group_enter(g, group, GROUP_COMPLETING);
    g->stats.rebalances++;
    for (struct member *m = group->members; m != NULL; m = m->next) {
        m->is_new = false;
        m->has_synced = !m->awaits_join; /* an absent static member keeps its place until its session ends */
        if (!m->awaits_join) continue;
        m->awaits_join = false;
        member_alive(g, group, m);
        join_answer(g, group, m, &m->join_ticket, 0);
    }
}

static void complete_join(struct groups *g, struct group *group)
{
    struct member *next;
    for (struct member *m = group->members; m != NULL; m = next) {
        next = m->next;
        if (!m->awaits_join && m->instance_id.size < 0) member_remove(g, group, m, KAFKA_UNKNOWN_MEMBER_ID);
    }
    if (group->members == NULL) {
        become_empty(g, group);
        return;
    }
    struct member *leader = joined_leader(group);
    if (leader == NULL) { /* only absent static members: wait until they come or their sessions end */
        int32_t wait_ms = group_rebalance_timeout_ms(group);
        group->is_initial_delay = false;
        group->join_deadline_ms = ms_after(g->now_ms, wait_ms < 1000 ? 1000 : wait_ms);
        group_timer(g, group, group->join_deadline_ms);
        return;
    }
    group->leader = leader;
    begin_generation(g, group);
}

void rebalance_try_complete(struct groups *g, struct group *group)
{
    if (group->state == GROUP_PREPARING && !group->is_initial_delay && all_joined(group)) complete_join(g, group);
}

/* The first joiners of an empty group wait for others; each newcomer prolongs it, up to the rebalance timeout. */
static void join_timeout(struct groups *g, struct group *group)
{
    if (group->is_initial_delay && group->joined_during_delay && group->initial_delay_left_ms > 0) {
        uint64_t delay_ms = g->limits.initial_rebalance_delay_ms;
        if (delay_ms > group->initial_delay_left_ms) delay_ms = group->initial_delay_left_ms;
        group->initial_delay_left_ms -= delay_ms;
        group->joined_during_delay = false;
        group->join_deadline_ms = g->now_ms + delay_ms;
        group_timer(g, group, group->join_deadline_ms);
        return;
    }
    complete_join(g, group);
}

/* --- members go --- */

void rebalance_without(struct groups *g, struct group *group, struct member *m, enum kafka_error error)
{
    member_remove(g, group, m, error);
    if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING) rebalance_start(g, group);
    rebalance_try_complete(g, group);
}

void rebalance_put_out(struct groups *g, struct group *group)
{
    while (group->members != NULL) member_remove(g, group, group->members, KAFKA_UNKNOWN_MEMBER_ID);
    become_empty(g, group);
}

static void sync_timeout(struct groups *g, struct group *group)
{
    bool removed = false;
    struct member *next;
    group->sync_deadline_ms = GROUP_NEVER_MS;
    for (struct member *m = group->members; m != NULL; m = next) {
        next = m->next;
        if (m->has_synced) continue;
        member_remove(g, group, m, KAFKA_UNKNOWN_MEMBER_ID);
        removed = true;
    }
    if (!removed) return;
    rebalance_start(g, group);
    rebalance_try_complete(g, group);
}

void rebalance_timers(struct groups *g, struct group *group)
{
    struct pending_member *p_next;
    if (group->consumers != NULL) consumers_timers(g, group);
    for (struct pending_member *p = group->pending; p != NULL; p = p_next) {
        p_next = p->next;
        if (p->deadline_ms <= g->now_ms) pending_remove(g, group, p);
    }
    struct member *m = group->members;
    while (m != NULL) {
        if (m->session_deadline_ms > g->now_ms) {
            m = m->next;
            continue;
        }
        rebalance_without(g, group, m, KAFKA_UNKNOWN_MEMBER_ID);
        m = group->members; /* the rebalance may have removed others too */
    }
    if (group->sync_deadline_ms <= g->now_ms) sync_timeout(g, group);
    if (group->state == GROUP_PREPARING && group->join_deadline_ms <= g->now_ms) join_timeout(g, group);
    rebalance_try_complete(g, group);
    groups_remove_if_void(g, group);
}

/* --- SyncGroup --- */

static void sync_refuse(struct groups *g, const struct ticket *to, enum kafka_error error)
{
    struct sync_group_response response = {
        .error_code = (int16_t)error, .protocol_type = kafka_string_null(), .protocol_name = kafka_string_null(),
    };
    g->host.answer(g->host.context, to, &response, 0);
}

/* Takes over the leader's assignments; whom it forgot gets none.  false: a limit. */
static bool take_assignments(struct groups *g, struct group *group, const struct sync_group_request *in)
{
    for (struct member *m = group->members; m != NULL; m = m->next) {
        struct kafka_bytes assignment = {NULL, 0};
        for (int32_t i = 0; i < in->assignment_count; i++)
            if (kafka_string_equal(in->assignments[i].member_id, m->id)) assignment = in->assignments[i].assignment;
        if (!groups_copy_bytes(g, &group->member_bytes, &m->assignment, assignment)) return false;
    }
    return true;
}

static void sync_completing(struct groups *g, struct group *group, struct member *m, const struct ticket *to,
                            const struct sync_group_request *in)
{
    if (m == group->leader && in->assignment_count > (int32_t)group->member_count) {
        sync_refuse(g, to, KAFKA_INVALID_REQUEST); /* each member is looked for among them */
        return;
    }
    if (m == group->leader && !take_assignments(g, group, in)) {
        g->stats.refused_for_limits++;
        sync_refuse(g, to, KAFKA_UNKNOWN_SERVER_ERROR);
        return;
    }
    if (m->awaits_sync) member_answer_sync(g, group, m, KAFKA_REBALANCE_IN_PROGRESS); /* a repetition */
    m->awaits_sync = m->has_synced = true;
    m->sync_ticket = *to;
    m->session_deadline_ms = GROUP_NEVER_MS; /* while it is parked */
    if (m != group->leader) return;
    group_enter(g, group, GROUP_STABLE);
    group_store(g, group);
    for (struct member *each = group->members; each != NULL; each = each->next) {
        if (!each->awaits_sync) continue;
        member_answer_sync(g, group, each, KAFKA_NONE);
        member_alive(g, group, each);
    }
}

static bool differs(struct kafka_string said, struct kafka_string is)
{
    return said.size >= 0 && !kafka_string_equal(said, is);
}

void groups_sync(struct groups *g, const struct group_caller *who, const struct sync_group_request *in)
{
    const struct ticket *to = &who->ticket;
    struct group *group = in->group_id.size == 0 ? NULL : groups_find(g, in->group_id);
    struct member *m = NULL;
    enum kafka_error error = KAFKA_UNKNOWN_MEMBER_ID;
    if (in->group_id.size == 0) error = KAFKA_INVALID_GROUP_ID;
    else if (group != NULL) error = member_check(group, in->member_id, in->group_instance_id, &m);
    if (error == KAFKA_NONE && in->generation_id != group->generation) error = KAFKA_ILLEGAL_GENERATION;
    if (error == KAFKA_NONE && (differs(in->protocol_type, group->protocol_type) ||
                                differs(in->protocol_name, group->protocol)))
        error = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (error == KAFKA_NONE && group->state == GROUP_PREPARING) error = KAFKA_REBALANCE_IN_PROGRESS;
    if (error != KAFKA_NONE) {
        sync_refuse(g, to, error);
    } else if (group->state == GROUP_COMPLETING) {
        sync_completing(g, group, m, to, in);
    } else {
        INVARIANT(group->state == GROUP_STABLE); /* an empty group has no member to find */
        m->has_synced = true;
        m->sync_ticket = *to;
        member_answer_sync(g, group, m, KAFKA_NONE);
        member_alive(g, group, m);
    }
}

/* --- Heartbeat, LeaveGroup --- */

void groups_heartbeat(struct groups *g, const struct group_caller *who, const struct heartbeat_request *in)
{
    struct group *group = in->group_id.size == 0 ? NULL : groups_find(g, in->group_id);
    struct member *m = NULL;
    enum kafka_error error = KAFKA_UNKNOWN_MEMBER_ID;
    if (in->group_id.size == 0) error = KAFKA_INVALID_GROUP_ID;
    else if (group != NULL) error = member_check(group, in->member_id, in->group_instance_id, &m);
    if (error == KAFKA_NONE && in->generation_id != group->generation) error = KAFKA_ILLEGAL_GENERATION;
    if (error == KAFKA_NONE) {
        if (!m->awaits_join && !m->awaits_sync) member_alive(g, group, m);
        if (group->state == GROUP_PREPARING) error = KAFKA_REBALANCE_IN_PROGRESS;
    }
    struct heartbeat_response response = {.error_code = (int16_t)error};
    g->host.answer(g->host.context, &who->ticket, &response, 0);
}

static enum kafka_error leave_one(struct groups *g, struct group *group, struct kafka_string id,
                                  struct kafka_string instance_id)
{
    if (group == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
    struct member *m = NULL;
    if (id.size == 0 && instance_id.size >= 0) { /* an administrator removes a static member */
        m = member_find_instance(group, instance_id);
        if (m == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
    } else {
        struct pending_member *p = pending_find(group, id);
        if (p != NULL) {
            pending_remove(g, group, p);
            rebalance_try_complete(g, group);
            return KAFKA_NONE;
        }
        enum kafka_error error = member_check(group, id, instance_id, &m);
        if (error != KAFKA_NONE) return error;
    }
    rebalance_without(g, group, m, KAFKA_UNKNOWN_MEMBER_ID);
    return KAFKA_NONE;
}

enum err groups_leave(struct groups *g, const struct group_caller *who, const struct leave_group_request *in,
                      struct kafka_arena *scratch)
{
    struct leave_group_response response = {0};
    bool is_list = who->ticket.api_version >= 3;
    if (is_list && in->member_count > 0) {
        response.members = kafka_arena_take(scratch, (size_t)in->member_count, sizeof *response.members);
        if (response.members == NULL) return ERR_TOO_LARGE;
    }
    if (in->group_id.size == 0) {
        response.error_code = KAFKA_INVALID_GROUP_ID;
    } else if (!is_list) {
        struct group *group = groups_find(g, in->group_id);
        response.error_code = (int16_t)leave_one(g, group, in->member_id, kafka_string_null());
        if (group != NULL) groups_remove_if_void(g, group);
    } else {
        struct group *group = groups_find(g, in->group_id);
        for (int32_t i = 0; i < in->member_count; i++) {
            const struct leave_group_request_member *each = &in->members[i];
            enum kafka_error error = leave_one(g, group, each->member_id, each->group_instance_id);
            response.members[response.member_count++] = (struct leave_group_response_member){
                each->member_id, each->group_instance_id, (int16_t)error};
        }
        if (group != NULL) groups_remove_if_void(g, group);
    }
    g->host.answer(g->host.context, &who->ticket, &response, 0);
    return ERR_OK;
}

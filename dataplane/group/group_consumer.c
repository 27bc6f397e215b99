/* ConsumerGroupHeartbeat: the one request by which a member of the new protocol joins, subscribes, says what it has, is
 * told what to have, and leaves (KIP-848). */
#include <stdio.h>
#include <stdlib.h>

#include "base/invariant.h"
#include "dataplane/group/group_state.h"

/* --- members --- */

struct consumer_member *consumer_find(const struct group *group, struct kafka_string id)
{
    struct consumer_member *m = group->consumers->members;
    while (m != NULL && !kafka_string_equal(m->id, id)) m = m->next;
    return m;
}

static struct consumer_member *find_instance(const struct group *group, struct kafka_string instance_id)
{
    struct consumer_member *m = group->consumers->members;
    while (m != NULL && !kafka_string_equal(m->instance_id, instance_id)) m = m->next;
    return m;
}

static void member_free(struct groups *g, struct group *group, struct consumer_member *m)
{
    const struct kafka_string texts[] = {m->id, m->instance_id, m->rack_id, m->client_id, m->client_host, m->assignor,
                                         m->regex, m->only_topic};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        groups_give(g, &group->member_bytes, (void *)(uintptr_t)texts[i].chars);
    groups_refund(g, &group->member_bytes, topic_pattern_bytes(m->pattern));
    topic_pattern_close(m->pattern);
    groups_give(g, &group->member_bytes, m->names);
    groups_give(g, &group->member_bytes, m);
}

struct consumer_member *consumer_add(struct groups *g, struct group *group, struct kafka_string id)
{
    struct consumer_member *m = groups_take(g, &group->member_bytes, sizeof *m);
    if (m == NULL) return NULL;
    m->instance_id = m->rack_id = m->assignor = m->regex = m->only_topic = kafka_string_null();
    m->session_deadline_ms = m->rebalance_deadline_ms = GROUP_NEVER_MS;
    if (!groups_copy(g, &group->member_bytes, &m->id, id)) {
        member_free(g, group, m);
        return NULL;
    }
    struct consumer_member **last = &group->consumers->members;
    while (*last != NULL) last = &(*last)->next;
    *last = m;
    group->member_count++;
    if (group->state == GROUP_EMPTY) group_enter(g, group, GROUP_STABLE);
    return m;
}

void consumer_drop(struct groups *g, struct group *group, struct consumer_member *m)
{
    for (struct share *s = group->consumers->shares; s != NULL; s = s->next) {
        if (s->target == m) s->target = NULL;
        if (s->owner == m) s->owner = NULL;
        if (s->owner == NULL) s->is_revoked = false;
    }
    struct consumer_member **at = &group->consumers->members;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    group->member_count--;
    if (group->member_count == 0) group_enter(g, group, GROUP_EMPTY);
    member_free(g, group, m);
}

void consumer_alive(struct groups *g, struct group *group, struct consumer_member *m)
{
    m->session_deadline_ms = ms_after(g->now_ms, g->limits.consumer_session_timeout_ms);
    group_timer(g, group, m->session_deadline_ms);
}

static void next_epoch(struct groups *g, struct group *group)
{
    INVARIANT(group->generation < INT32_MAX);
    group->generation++;
    consumer_store_epoch(g, group);
}

/* A member is out: what it had is free for the others' next heartbeats. */
static void fence(struct groups *g, struct group *group, struct consumer_member *m)
{
    consumer_store_gone(g, group, m);
    consumer_drop(g, group, m);
    next_epoch(g, group);
}

/* --- the group --- */

bool consumers_open(struct groups *g, struct group *group)
{
    if (group->consumers != NULL) return true;
    if (group->state != GROUP_EMPTY || group->pending != NULL) return false;
    if (!consumer_reserve_rows(g, 1)) return false;
    struct consumers *c = groups_take(g, &group->member_bytes, sizeof *c);
    if (c == NULL) return false;
    if (group->has_record && !g->is_loading) group_store_tombstone(g, group);
    group->consumers = c;
    c->target_epoch = group->generation; /* epochs go on where generations were: none is ever used twice */
    group_set_text(&group->protocol_type, group->protocol_type_chars, kafka_string_of("consumer"));
    group->protocol = kafka_string_null();
    return true;
}

void consumers_free(struct groups *g, struct group *group)
{
    struct consumers *c = group->consumers;
    if (c == NULL) return;
    while (c->members != NULL) consumer_drop(g, group, c->members);
    while (c->shares != NULL) {
        struct share *s = c->shares;
        c->shares = s->next;
        groups_give(g, &group->member_bytes, (void *)(uintptr_t)s->name.chars);
        groups_give(g, &group->member_bytes, s);
    }
    groups_give(g, &group->member_bytes, c);
    group->consumers = NULL;
}

bool consumers_close(struct groups *g, struct group *group)
{
    if (group->consumers == NULL) return true;
    if (group->consumers->members != NULL) return false;
    if (group->has_record) group_store_tombstone(g, group);
    consumers_free(g, group);
    group->protocol_type = kafka_string_null();
    return true;
}

const char *consumers_state_name(const struct group *group)
{
    const struct consumers *c = group->consumers;
    if (c->members == NULL) return "Empty";
    if (group->generation > c->target_epoch) return "Assigning";
    for (const struct consumer_member *m = c->members; m != NULL; m = m->next)
        if (m->epoch != c->target_epoch && m->epoch != CONSUMER_LEFT_FOR_NOW) return "Reconciling";
    for (const struct share *s = c->shares; s != NULL; s = s->next)
        if (s->owner != s->target || s->is_revoked) return "Reconciling";
    return "Stable";
}

enum kafka_error consumers_check_offsets(const struct group *group, struct kafka_string member_id, int32_t epoch)
{
    const struct consumer_member *m = consumer_find(group, member_id);
    if (m == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
    return epoch < 0 || epoch != m->epoch ? KAFKA_STALE_MEMBER_EPOCH : KAFKA_NONE;
}

/* --- timers --- */

uint64_t consumers_earliest_timer(const struct group *group)
{
    uint64_t earliest = GROUP_NEVER_MS;
    for (const struct consumer_member *m = group->consumers->members; m != NULL; m = m->next) {
        if (m->session_deadline_ms < earliest) earliest = m->session_deadline_ms;
        if (m->rebalance_deadline_ms < earliest) earliest = m->rebalance_deadline_ms;
    }
    return earliest;
}

void consumers_timers(struct groups *g, struct group *group)
{
    struct consumer_member *next;
    for (struct consumer_member *m = group->consumers->members; m != NULL; m = next) {
        next = m->next;
        if (m->session_deadline_ms <= g->now_ms || m->rebalance_deadline_ms <= g->now_ms) fence(g, group, m);
    }
}

void consumers_put_out(struct groups *g, struct group *group, struct kafka_string topic)
{
    struct consumer_member *next;
    for (struct consumer_member *m = group->consumers->members; m != NULL; m = next) {
        next = m->next;
        if (consumer_follows(group, m, topic)) fence(g, group, m);
    }
}

/* --- the request --- */

struct beat {
    struct groups *g;
    const struct group_caller *who;
    const struct consumer_group_heartbeat_request *in;
    struct group_topics topics;
    struct topic_pattern *pattern; /* of the request's regular expression */
    struct group *group;
    struct consumer_member *m;
    bool is_new;
    char why[160]; /* for the client's log; empty: the error says it all */
};

static enum kafka_error refuse(struct beat *b, enum kafka_error error, const char *why)
{
    snprintf(b->why, sizeof b->why, "%s", why);
    return error;
}

static bool is_assignor(struct kafka_string name)
{
    return kafka_string_is(name, "uniform") || kafka_string_is(name, "range");
}

static enum kafka_error check_join(struct beat *b)
{
    const struct consumer_group_heartbeat_request *in = b->in;
    bool subscribes = in->subscribed_topic_name_count >= 0 || in->subscribed_topic_regex.size >= 0;
    if (b->who->ticket.api_version >= 1 && in->member_id.size == 0)
        return refuse(b, KAFKA_INVALID_REQUEST, "MemberId must be chosen by the client");
    if (in->rebalance_timeout_ms == -1)
        return refuse(b, KAFKA_INVALID_REQUEST, "RebalanceTimeoutMs must be set when joining");
    if (in->topic_partition_count != 0)
        return refuse(b, KAFKA_INVALID_REQUEST, "TopicPartitions must be empty when joining");
    if (!subscribes) return refuse(b, KAFKA_INVALID_REQUEST, "a subscription must be set when joining");
    return KAFKA_NONE;
}

/* What needs no group: sizes, and what goes with which epoch. */
static enum kafka_error check_request(struct beat *b)
{
    const struct consumer_group_heartbeat_request *in = b->in;
    const struct kafka_string texts[] = {in->member_id, in->instance_id, in->rack_id, in->server_assignor};
    if (in->group_id.size == 0) return refuse(b, KAFKA_INVALID_REQUEST, "GroupId must not be empty");
    if (in->group_id.size > GROUP_ID_BYTES_MAX) return KAFKA_INVALID_GROUP_ID;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].size > GROUP_ID_BYTES_MAX) return refuse(b, KAFKA_INVALID_REQUEST, "a name is too long");
    if (in->instance_id.size == 0) return refuse(b, KAFKA_INVALID_REQUEST, "InstanceId must not be empty");
    if (in->rack_id.size == 0) return refuse(b, KAFKA_INVALID_REQUEST, "RackId must not be empty");
    if (in->member_epoch < CONSUMER_LEFT_FOR_NOW) return refuse(b, KAFKA_INVALID_REQUEST, "MemberEpoch is below -2");
    if (in->member_epoch == CONSUMER_LEFT_FOR_NOW && in->instance_id.size < 0)
        return refuse(b, KAFKA_INVALID_REQUEST, "only a static member leaves with epoch -2");
    if (in->member_epoch == 0) TRY_KAFKA(check_join(b));
    else if (in->member_id.size == 0) return refuse(b, KAFKA_INVALID_REQUEST, "MemberId must not be empty");
    if (in->server_assignor.size >= 0 && !is_assignor(in->server_assignor))
        return refuse(b, KAFKA_UNSUPPORTED_ASSIGNOR, "the assignors are uniform and range");
    if (in->subscribed_topic_regex.size <= 0) return KAFKA_NONE;
    enum err e = topic_pattern_open(&b->pattern, b->g->matcher, in->subscribed_topic_regex, b->why,
                                    sizeof b->why);
    if (e == ERR_NO_MEMORY) return KAFKA_GROUP_MAX_SIZE_REACHED;
    return e == ERR_OK ? KAFKA_NONE : KAFKA_INVALID_REGULAR_EXPRESSION;
}

/* The previous epoch is let pass when the answer that raised it may have been lost: the member then has nothing that
 * it was not given. */
static enum kafka_error check_epoch(struct beat *b, const struct consumer_member *m)
{
    const struct consumer_group_heartbeat_request *in = b->in;
    if (in->member_epoch == m->epoch) return KAFKA_NONE;
    if (in->member_epoch > m->epoch || in->member_epoch != m->previous_epoch || in->topic_partition_count < 0)
        return KAFKA_FENCED_MEMBER_EPOCH;
    for (int32_t i = 0; i < in->topic_partition_count; i++) {
        const struct share *s = share_find(b->group, &in->topic_partitions[i].topic_id);
        if (s == NULL || s->owner != m || s->is_revoked) return KAFKA_FENCED_MEMBER_EPOCH;
    }
    return KAFKA_NONE;
}

/* Epoch 0: the client starts from nothing, whatever was known of it. */
static void start_anew(struct beat *b, struct consumer_member *m)
{
    for (struct share *s = b->group->consumers->shares; s != NULL; s = s->next) {
        if (s->owner != m) continue;
        s->owner = NULL;
        s->is_revoked = false;
    }
    m->epoch = m->previous_epoch = 0;
    m->rebalance_deadline_ms = GROUP_NEVER_MS;
}

/* A static member is back under a new id: the log forgets the old one and learns the new one's target.  false: a limit.
 */
static bool rename_member(struct beat *b, struct consumer_member *m, struct kafka_string to)
{
    struct kafka_string id = {NULL, 0};
    if (kafka_string_equal(m->id, to)) return true;
    if (!groups_copy(b->g, &b->group->member_bytes, &id, to)) return false;
    consumer_store_gone(b->g, b->group, m);
    groups_give(b->g, &b->group->member_bytes, (void *)(uintptr_t)m->id.chars);
    m->id = id;
    consumer_store_member(b->g, b->group, m);
    consumer_store_target(b->g, b->group, m);
    return true;
}

static enum kafka_error join(struct beat *b)
{
    char chars[UUID_ROOM];
    struct kafka_string id = b->in->member_id.size > 0 ? b->in->member_id : make_uuid(b->g, chars);
    bool is_static = b->in->instance_id.size >= 0;
    struct consumer_member *named = consumer_find(b->group, id);
    struct consumer_member *m = is_static ? find_instance(b->group, b->in->instance_id) : named;
    if (m != NULL && m->epoch != CONSUMER_LEFT_FOR_NOW && m != named)
        return refuse(b, KAFKA_UNRELEASED_INSTANCE_ID, "another member with this instance id is in the group");
    if (named != NULL && named != m) return refuse(b, KAFKA_INVALID_REQUEST, "MemberId is in use");
    if (m != NULL) {
        if (!rename_member(b, m, id)) return KAFKA_GROUP_MAX_SIZE_REACHED;
        start_anew(b, m);
        b->m = m;
        return KAFKA_NONE;
    }
    if (b->group->member_count >= b->g->limits.members_max) return KAFKA_GROUP_MAX_SIZE_REACHED;
    b->m = consumer_add(b->g, b->group, id);
    b->is_new = b->m != NULL;
    return b->m == NULL ? KAFKA_GROUP_MAX_SIZE_REACHED : KAFKA_NONE;
}

/* The member that this request may speak for. */
static enum kafka_error find_speaker(struct beat *b)
{
    struct kafka_string instance_id = b->in->instance_id;
    struct consumer_member *m = instance_id.size >= 0 ? find_instance(b->group, instance_id)
                                                      : consumer_find(b->group, b->in->member_id);
    if (m == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
    if (!kafka_string_equal(m->id, b->in->member_id)) return KAFKA_FENCED_INSTANCE_ID;
    b->m = m;
    return KAFKA_NONE;
}

/* --- what the member says of itself --- */

static bool names_same(const struct consumer_member *m, const struct consumer_group_heartbeat_request *in)
{
    if (m->name_count != (uint32_t)in->subscribed_topic_name_count) return false;
    for (uint32_t i = 0; i < m->name_count; i++)
        if (!kafka_string_equal(m->names[i], in->subscribed_topic_names[i])) return false;
    return true;
}

/* Takes over `from` if it says something new; sets *changed.  false: a limit. */
static bool update_text(struct beat *b, struct kafka_string *to, struct kafka_string from, bool *changed)
{
    if (from.size < 0 || kafka_string_equal(*to, from)) return true;
    *changed = true;
    return groups_copy(b->g, &b->group->member_bytes, to, from);
}

bool consumer_set_names(struct groups *g, struct group *group, struct consumer_member *m,
                        const struct kafka_string *names, int32_t count)
{
    size_t size = (size_t)count * sizeof *names;
    for (int32_t i = 0; i < count; i++) size += (size_t)names[i].size;
    struct kafka_string *copy = groups_take(g, &group->member_bytes, size);
    if (copy == NULL) return false;
    char *at = (char *)(copy + count);
    for (int32_t i = 0; i < count; i++) {
        if (names[i].size > 0) memcpy(at, names[i].chars, (size_t)names[i].size);
        copy[i] = (struct kafka_string){at, names[i].size};
        at += names[i].size;
    }
    groups_give(g, &group->member_bytes, m->names);
    m->names = copy;
    m->name_count = (uint32_t)count;
    return true;
}

bool consumer_set_regex(struct groups *g, struct group *group, struct consumer_member *m, struct kafka_string regex,
                        struct topic_pattern *pattern)
{
    if (!groups_charge(g, &group->member_bytes, topic_pattern_bytes(pattern))) return false;
    if (!groups_copy(g, &group->member_bytes, &m->regex, regex)) {
        groups_refund(g, &group->member_bytes, topic_pattern_bytes(pattern));
        return false;
    }
    groups_refund(g, &group->member_bytes, topic_pattern_bytes(m->pattern));
    topic_pattern_close(m->pattern);
    m->pattern = pattern;
    return true;
}

/* Whether there is a record for what the member will be with what the request says. */
static bool will_fit(const struct beat *b)
{
    const struct consumer_group_heartbeat_request *in = b->in;
    struct consumer_member_metadata will = consumer_metadata(b->m);
    if (in->instance_id.size >= 0) will.instance_id = in->instance_id;
    if (in->rack_id.size >= 0) will.rack_id = in->rack_id;
    if (in->server_assignor.size >= 0) will.server_assignor = in->server_assignor;
    if (in->subscribed_topic_regex.size >= 0) will.subscribed_topic_regex = in->subscribed_topic_regex;
    will.client_id = b->who->client_id;
    will.client_host = b->who->client_host;
    if (in->subscribed_topic_name_count >= 0) {
        will.subscribed_topic_names = in->subscribed_topic_names;
        will.subscribed_topic_name_count = in->subscribed_topic_name_count;
    }
    return consumer_metadata_fits(b->g, &will);
}

/* What its caller may see now.  The log does not keep it: after a restart a member's first heartbeat tells. */
static bool update_rights(struct beat *b, bool *subscribes)
{
    struct kafka_string only = b->who->only_topic.size > 0 ? b->who->only_topic : kafka_string_null();
    if (kafka_string_equal(b->m->only_topic, only)) return true;
    if (b->m->only_topic.size > 0) *subscribes = true; /* there may be more for it */
    return groups_copy(b->g, &b->group->member_bytes, &b->m->only_topic, only);
}

/* It was assigned something before its rights were known, or they were taken back. */
static bool shall_have_what_it_may_not_see(const struct beat *b)
{
    for (const struct share *s = b->group->consumers->shares; s != NULL; s = s->next)
        if (s->target == b->m && !group_caller_sees(b->m->only_topic, s->name)) return true;
    return false;
}

/* *subscribes: its subscription changed.  false: a limit; a change that was taken over counts all the same. */
static bool update_member(struct beat *b, bool *subscribes)
{
    const struct consumer_group_heartbeat_request *in = b->in;
    struct consumer_member *m = b->m;
    struct kafka_string client_id = b->who->client_id;
    bool changed = b->is_new;
    if (!will_fit(b)) return false;
    if (client_id.size < 0) client_id = (struct kafka_string){NULL, 0};
    bool has_room = update_text(b, &m->instance_id, in->instance_id, &changed) &&
                    update_text(b, &m->rack_id, in->rack_id, &changed) &&
                    update_text(b, &m->client_id, client_id, &changed) &&
                    update_text(b, &m->client_host, b->who->client_host, &changed) &&
                    update_text(b, &m->assignor, in->server_assignor, &changed);
    if (in->rebalance_timeout_ms >= 0 && in->rebalance_timeout_ms != m->rebalance_timeout_ms) {
        m->rebalance_timeout_ms = in->rebalance_timeout_ms;
        changed = true;
    }
    if (has_room && in->subscribed_topic_name_count >= 0 && !names_same(m, in)) {
        has_room = consumer_set_names(b->g, b->group, m, in->subscribed_topic_names, in->subscribed_topic_name_count);
        *subscribes = changed = true;
    }
    struct kafka_string regex = in->subscribed_topic_regex;
    if (regex.size == 0 && m->regex.size < 0) regex.size = -1; /* empty: none any more */
    if (has_room && regex.size >= 0 && !kafka_string_equal(m->regex, regex)) {
        struct kafka_string said = regex.size == 0 ? kafka_string_null() : regex;
        has_room = consumer_set_regex(b->g, b->group, m, said, b->pattern);
        if (has_room) b->pattern = NULL;
        *subscribes = changed = true;
    }
    if (changed) consumer_store_member(b->g, b->group, m);
    return has_room;
}

/* --- the flow --- */

static enum kafka_error find_group(struct beat *b)
{
    struct groups *g = b->g;
    b->group = groups_find(g, b->in->group_id);
    bool is_ours = b->group != NULL && b->group->consumers != NULL;
    if (is_ours) return KAFKA_NONE;
    /* A member of a group that is gone joins again by itself; GROUP_ID_NOT_FOUND would end its client. */
    if (b->in->member_epoch != 0) return b->group == NULL ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_GROUP_ID_NOT_FOUND;
    if (b->group != NULL && (b->group->state != GROUP_EMPTY || b->group->pending != NULL))
        return refuse(b, KAFKA_GROUP_ID_NOT_FOUND, "the group has members of the classic protocol");
    if (b->group == NULL) b->group = groups_create(g, b->in->group_id);
    return b->group == NULL || !consumers_open(g, b->group) ? KAFKA_GROUP_MAX_SIZE_REACHED : KAFKA_NONE;
}

static enum kafka_error leave(struct beat *b)
{
    TRY_KAFKA(find_speaker(b));
    if (b->in->member_epoch == CONSUMER_LEFT_FOR_NOW) { /* keeps its place until its session ends */
        for (struct share *s = b->group->consumers->shares; s != NULL; s = s->next) {
            if (s->owner != b->m || !s->is_revoked) continue;
            s->owner = NULL;
            s->is_revoked = false;
        }
        b->m->epoch = CONSUMER_LEFT_FOR_NOW;
        b->m->rebalance_deadline_ms = GROUP_NEVER_MS;
        consumer_store_current(b->g, b->group, b->m);
    } else {
        fence(b->g, b->group, b->m);
    }
    b->m = NULL;
    return KAFKA_NONE;
}

/* Too few epochs are left for this request and for every member's going: all are sent away to join again, and epochs
 * begin anew. */
static void begin_epochs_anew_if_used_up(struct groups *g, struct group *group)
{
    enum { EPOCHS_OF_A_REQUEST = 2 };
    if (group->generation <= INT32_MAX - EPOCHS_OF_A_REQUEST - (int32_t)g->limits.members_max) return;
    for (struct consumer_member *m; (m = group->consumers->members) != NULL;) {
        consumer_store_gone(g, group, m);
        consumer_drop(g, group, m);
    }
    consumers_store_tombstones(g, group);
    group->generation = group->consumers->target_epoch = 0;
}

/* *shows: the answer tells what the member may read. */
static enum kafka_error beat(struct beat *b, bool *shows)
{
    const struct consumer_group_heartbeat_request *in = b->in;
    bool subscribes = false, missed_answer = false;
    begin_epochs_anew_if_used_up(b->g, b->group);
    if (in->member_epoch == 0) {
        TRY_KAFKA(join(b));
    } else {
        TRY_KAFKA(find_speaker(b));
        TRY_KAFKA(check_epoch(b, b->m));
        missed_answer = in->member_epoch != b->m->epoch;
    }
    struct group *group = b->group;
    bool has_room = update_member(b, &subscribes) && update_rights(b, &subscribes);
    subscribes = subscribes || b->is_new;
    bool moved = consumers_look_at_topics(b->g, group, &b->topics, subscribes) || shall_have_what_it_may_not_see(b);
    if (subscribes || moved) next_epoch(b->g, group);
    if (!has_room) {
        if (b->is_new) fence(b->g, group, b->m);
        b->m = NULL;
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    }
    if (group->generation > group->consumers->target_epoch) consumers_assign(b->g, group);
    bool changed = consumer_reconcile(b->g, group, b->m, in->topic_partitions, in->topic_partition_count);
    consumer_alive(b->g, group, b->m);
    bool says_all = (in->subscribed_topic_name_count >= 0 || in->subscribed_topic_regex.size >= 0) &&
                    in->topic_partition_count >= 0 &&
                    in->rebalance_timeout_ms != -1; /* it does not know whether its last request arrived */
    *shows = changed || says_all || missed_answer || in->member_epoch == 0;
    return KAFKA_NONE;
}

static void show(const struct beat *b, struct consumer_group_heartbeat_assignment *out)
{
    static int32_t the_partition[1] = {0};
    for (const struct share *s = b->group->consumers->shares; s != NULL; s = s->next)
        if (s->owner == b->m && !s->is_revoked)
            out->topic_partitions[out->topic_partition_count++] =
                (struct consumer_group_heartbeat_topic){s->topic_id, the_partition, 1};
}

enum err groups_consumer_heartbeat(struct groups *g, const struct group_caller *who,
                                   const struct consumer_group_heartbeat_request *in, struct kafka_arena *scratch)
{
    struct beat b = {.g = g, .who = who, .in = in, .topics = g->host.topics(g->host.context)};
    struct consumer_group_heartbeat_response response = {
        .error_message = kafka_string_null(), .member_id = kafka_string_null(), .heartbeat_interval_ms = 0,
    };
    struct consumer_group_heartbeat_assignment assignment = {0};
    struct group *known = groups_find(g, in->group_id);
    size_t room = b.topics.count + (known == NULL || known->consumers == NULL ? 0 : known->consumers->share_count);
    assignment.topic_partitions = kafka_arena_take(scratch, room, sizeof *assignment.topic_partitions);
    if (assignment.topic_partitions == NULL) return ERR_TOO_LARGE;

    bool shows = false;
    enum kafka_error error = check_request(&b);
    if (error == KAFKA_NONE) error = find_group(&b);
    if (error == KAFKA_NONE) error = in->member_epoch < 0 ? leave(&b) : beat(&b, &shows);
    topic_pattern_close(b.pattern);
    response.error_code = (int16_t)error;
    if (error != KAFKA_NONE) {
        if (error == KAFKA_GROUP_MAX_SIZE_REACHED) g->stats.refused_for_limits++;
        if (b.why[0] != '\0') response.error_message = kafka_string_of(b.why);
    } else {
        response.member_id = b.m == NULL ? in->member_id : b.m->id;
        response.member_epoch = b.m == NULL ? in->member_epoch : b.m->epoch;
        response.heartbeat_interval_ms = b.m == NULL ? 0 : GROUP_CONSUMER_HEARTBEAT_MS;
    }
    if (shows) {
        show(&b, &assignment);
        response.assignment = &assignment;
    }
    g->host.answer(g->host.context, &who->ticket, &response, b.group == NULL ? 0 : b.group->record_number);
    if (b.group != NULL) groups_remove_if_void(g, b.group);
    return ERR_OK;
}

/* Groups of the new protocol as records of the __consumer_offsets log, and back at start.
 *
 * A crash may keep any first part of what one heartbeat stored.  So members come before what they are to have, the
 * epoch of the targets comes after the targets (a group epoch beyond it computes them anew), and a topic named twice
 * belongs to who was stored last. */
#include <stdlib.h>

#include "dataplane/group/group_state.h"

static void store(struct groups *g, struct group *group, enum consumer_record kind, const struct consumer_member *m,
                  const void *value)
{
    struct consumer_record_key key = {group->id, m == NULL ? (struct kafka_string){NULL, 0} : m->id};
    group->record_number = g->host.store_consumer(g->host.context, kind, &key, value);
    group->has_record = true;
}

void consumer_store_epoch(struct groups *g, struct group *group)
{
    struct consumer_group_metadata value = {group->generation};
    store(g, group, CONSUMER_GROUP_METADATA, NULL, &value);
}

void consumer_store_target_epoch(struct groups *g, struct group *group)
{
    struct consumer_target_metadata value = {group->consumers->target_epoch};
    store(g, group, CONSUMER_TARGET_METADATA, NULL, &value);
}

struct consumer_member_metadata consumer_metadata(const struct consumer_member *m)
{
    return (struct consumer_member_metadata){
        .instance_id = m->instance_id, .rack_id = m->rack_id, .client_id = m->client_id, .client_host = m->client_host,
        .subscribed_topic_names = m->names, .subscribed_topic_name_count = (int32_t)m->name_count,
        .subscribed_topic_regex = m->regex, .rebalance_timeout_ms = m->rebalance_timeout_ms,
        .server_assignor = m->assignor,
    };
}

bool consumer_metadata_fits(const struct groups *g, const struct consumer_member_metadata *metadata)
{
    enum { LENGTH_BYTES_MAX = 3, REST_BYTES_MAX = 32 }; /* a text's length; the version, counts, numbers and tags */
    const struct kafka_string texts[] = {metadata->instance_id, metadata->rack_id, metadata->client_id,
                                         metadata->client_host, metadata->subscribed_topic_regex,
                                         metadata->server_assignor};
    size_t size = REST_BYTES_MAX;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        size += LENGTH_BYTES_MAX + (texts[i].size > 0 ? (size_t)texts[i].size : 0);
    for (int32_t i = 0; i < metadata->subscribed_topic_name_count; i++)
        size += LENGTH_BYTES_MAX + (size_t)metadata->subscribed_topic_names[i].size;
    return size <= g->limits.member_record_bytes_max;
}

void consumer_store_member(struct groups *g, struct group *group, const struct consumer_member *m)
{
    struct consumer_member_metadata value = consumer_metadata(m);
    store(g, group, CONSUMER_MEMBER_METADATA, m, &value);
}

/* --- what a member is to have, and has --- */

bool consumer_reserve_rows(struct groups *g, uint32_t count)
{
    if (count <= g->topic_row_room) return true;
    uint32_t room = count + count / 2 + 16;
    struct consumer_record_topic *rows = realloc(g->topic_rows, room * sizeof *rows);
    if (rows == NULL) return false;
    g->topic_rows = rows;
    g->topic_row_room = room;
    return true;
}

enum which { TARGET, ASSIGNED, REVOKED };

static int32_t collect(struct consumer_record_topic *rows, const struct group *group, const struct consumer_member *m,
                       enum which which)
{
    static int32_t the_partition[1] = {0};
    int32_t count = 0;
    for (const struct share *s = group->consumers->shares; s != NULL; s = s->next) {
        bool is_it = which == TARGET ? s->target == m : s->owner == m && s->is_revoked == (which == REVOKED);
        if (is_it) rows[count++] = (struct consumer_record_topic){s->topic_id, the_partition, 1};
    }
    return count;
}

void consumer_store_target(struct groups *g, struct group *group, const struct consumer_member *m)
{
    struct consumer_target_member value = {.topic_partitions = g->topic_rows};
    value.topic_partition_count = collect(g->topic_rows, group, m, TARGET);
    store(g, group, CONSUMER_TARGET_MEMBER, m, &value);
}

/* Kafka's numbers of a member's state. */
enum { MEMBER_STABLE = 0, MEMBER_UNREVOKED = 1, MEMBER_UNRELEASED = 2 };

void consumer_store_current(struct groups *g, struct group *group, const struct consumer_member *m)
{
    struct consumer_current_member value = {
        .member_epoch = m->epoch, .previous_member_epoch = m->previous_epoch, .state = MEMBER_STABLE,
        .assigned_partitions = g->topic_rows,
    };
    value.assigned_partition_count = collect(g->topic_rows, group, m, ASSIGNED);
    value.partitions_pending_revocation = g->topic_rows + value.assigned_partition_count;
    value.pending_revocation_count = collect(value.partitions_pending_revocation, group, m, REVOKED);
    for (const struct share *s = group->consumers->shares; s != NULL; s = s->next)
        if (s->target == m && s->owner != m) value.state = MEMBER_UNRELEASED;
    if (value.pending_revocation_count > 0) value.state = MEMBER_UNREVOKED;
    store(g, group, CONSUMER_CURRENT_MEMBER, m, &value);
}

void consumer_store_gone(struct groups *g, struct group *group, const struct consumer_member *m)
{
    store(g, group, CONSUMER_CURRENT_MEMBER, m, NULL);
    store(g, group, CONSUMER_TARGET_MEMBER, m, NULL);
    store(g, group, CONSUMER_MEMBER_METADATA, m, NULL);
}

void consumers_store(struct groups *g, struct group *group)
{
    const struct consumers *c = group->consumers;
    consumer_store_epoch(g, group);
    for (const struct consumer_member *m = c->members; m != NULL; m = m->next) consumer_store_member(g, group, m);
    for (const struct consumer_member *m = c->members; m != NULL; m = m->next) {
        consumer_store_target(g, group, m);
        consumer_store_current(g, group, m);
    }
    consumer_store_target_epoch(g, group);
}

void consumers_store_tombstones(struct groups *g, struct group *group)
{
    store(g, group, CONSUMER_TARGET_METADATA, NULL, NULL);
    store(g, group, CONSUMER_GROUP_METADATA, NULL, NULL);
    group->has_record = false;
}

/* --- loading --- */

static enum err load_member(struct groups *g, struct group *group, struct kafka_string id,
                            const struct consumer_member_metadata *from)
{
    uint64_t *account = &group->member_bytes;
    char why[160];
    struct consumer_member *m = consumer_find(group, id);
    if (m == NULL) m = consumer_add(g, group, id);
    if (m == NULL || !groups_copy(g, account, &m->instance_id, from->instance_id) ||
        !groups_copy(g, account, &m->rack_id, from->rack_id) ||
        !groups_copy(g, account, &m->client_id, from->client_id) ||
        !groups_copy(g, account, &m->client_host, from->client_host) ||
        !groups_copy(g, account, &m->assignor, from->server_assignor) ||
        !consumer_set_names(g, group, m, from->subscribed_topic_names, from->subscribed_topic_name_count))
        return ERR_NO_MEMORY;
    m->rebalance_timeout_ms = from->rebalance_timeout_ms;
    struct topic_pattern *pattern = NULL;
    enum err e = consumer_metadata_fits(g, from) ? ERR_OK : ERR_INVALID;
    if (e == ERR_OK && from->subscribed_topic_regex.size >= 0)
        e = topic_pattern_open(&pattern, g->matcher, from->subscribed_topic_regex, why, sizeof why);
    /* Another release, or larger batches, took it: the client is told when it rejoins. */
    if (e == ERR_INVALID) consumer_drop(g, group, m);
    if (e != ERR_OK) return e == ERR_NO_MEMORY ? e : ERR_OK;
    if (consumer_set_regex(g, group, m, from->subscribed_topic_regex, pattern)) return ERR_OK;
    topic_pattern_close(pattern);
    return ERR_NO_MEMORY;
}

static struct share *share_of(struct groups *g, struct group *group, const struct kafka_uuid *topic_id)
{
    struct share *s = share_find(group, topic_id);
    return s != NULL ? s : share_add(g, group, topic_id);
}

static enum err load_target(struct groups *g, struct group *group, struct consumer_member *m,
                            const struct consumer_target_member *from)
{
    for (struct share *s = group->consumers->shares; s != NULL; s = s->next)
        if (s->target == m) s->target = NULL;
    for (int32_t i = 0; from != NULL && i < from->topic_partition_count; i++) {
        struct share *s = share_of(g, group, &from->topic_partitions[i].topic_id);
        if (s == NULL) return ERR_NO_MEMORY;
        s->target = m;
        s->is_live = true;
    }
    return ERR_OK;
}

static enum err own(struct groups *g, struct group *group, struct consumer_member *m,
                    const struct consumer_record_topic *topics, int32_t count, bool is_revoked)
{
    for (int32_t i = 0; i < count; i++) {
        struct share *s = share_of(g, group, &topics[i].topic_id);
        if (s == NULL) return ERR_NO_MEMORY;
        s->owner = m;
        s->is_revoked = is_revoked;
    }
    return ERR_OK;
}

static enum err load_current(struct groups *g, struct group *group, struct consumer_member *m,
                             const struct consumer_current_member *from)
{
    for (struct share *s = group->consumers->shares; s != NULL; s = s->next) {
        if (s->owner == m) s->owner = NULL;
        if (s->owner == NULL) s->is_revoked = false;
    }
    m->epoch = from == NULL ? 0 : from->member_epoch;
    m->previous_epoch = from == NULL ? 0 : from->previous_member_epoch;
    if (from == NULL) return ERR_OK;
    TRY(own(g, group, m, from->assigned_partitions, from->assigned_partition_count, false));
    return own(g, group, m, from->partitions_pending_revocation, from->pending_revocation_count, true);
}

static enum err load_into(struct groups *g, struct group *group, enum consumer_record kind, struct kafka_string member,
                          const void *value)
{
    struct consumer_member *m = consumer_find(group, member);
    switch (kind) {
    case CONSUMER_GROUP_METADATA: {
        const struct consumer_group_metadata *metadata = value;
        group->has_record = value != NULL;
        if (value != NULL) {
            group->generation = metadata->epoch;
        } else {
            consumers_free(g, group);
            group->protocol_type = kafka_string_null();
            group->generation = 0;
        }
        return ERR_OK;
    }
    case CONSUMER_TARGET_METADATA:
        if (value != NULL)
            group->consumers->target_epoch = ((const struct consumer_target_metadata *)value)->assignment_epoch;
        return ERR_OK;
    case CONSUMER_MEMBER_METADATA:
        if (value != NULL) return load_member(g, group, member, value);
        if (m != NULL) consumer_drop(g, group, m);
        return ERR_OK;
    case CONSUMER_TARGET_MEMBER:  return m == NULL ? ERR_OK : load_target(g, group, m, value);
    case CONSUMER_CURRENT_MEMBER: return m == NULL ? ERR_OK : load_current(g, group, m, value);
    }
    return ERR_OK;
}

enum err groups_load_consumer(struct groups *g, enum consumer_record kind, const struct consumer_record_key *key,
                              const void *value)
{
    if (key->group.size > GROUP_ID_BYTES_MAX) return ERR_CORRUPT;
    struct group *group = groups_find(g, key->group);
    if (value == NULL && (group == NULL || group->consumers == NULL)) return ERR_OK;
    if (group == NULL) group = groups_create(g, key->group);
    if (group == NULL) return ERR_NO_MEMORY;
    if (group->state != GROUP_EMPTY && group->consumers == NULL) return ERR_CORRUPT; /* a classic group with members */
    if (!consumers_open(g, group)) return ERR_NO_MEMORY;
    if (value != NULL) group->has_record = true;
    TRY(load_into(g, group, kind, key->member, value));
    groups_remove_if_void(g, group);
    return ERR_OK;
}

void consumers_loaded(struct groups *g, struct group *group)
{
    struct consumers *c = group->consumers;
    for (struct consumer_member *m = c->members; m != NULL; m = m->next) consumer_alive(g, group, m);
    for (const struct share *s = c->shares; s != NULL; s = s->next) {
        /* The log ends between a member's going and the new epoch: the next heartbeat computes targets. */
        if (s->is_live && s->target == NULL) c->target_epoch = group->generation - 1;
        if (s->owner == NULL || !s->is_revoked) continue;
        s->owner->rebalance_deadline_ms = ms_after(g->now_ms, s->owner->rebalance_timeout_ms);
        group_timer(g, group, s->owner->rebalance_deadline_ms);
    }
}

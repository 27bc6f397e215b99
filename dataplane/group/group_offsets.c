/* Offsets of groups: OffsetCommit, OffsetFetch, retention (KIP-211), deleted topics. */
#include "base/fnv.h"
#include "dataplane/group/group_state.h"

static struct offset **bucket_of(struct groups *g, const struct group *group, struct kafka_string topic,
                                 int32_t partition)
{
    uint64_t place = (uint64_t)(uintptr_t)group ^ (uint32_t)partition;
    uint64_t hash = fnv1a(fnv1a(0, &place, sizeof place), topic.chars, topic.size < 0 ? 0 : (size_t)topic.size);
    return &g->offset_bucket[(hash ^ hash >> 32) % OFFSET_HASH_BUCKETS];
}

struct offset *offset_find(struct groups *g, const struct group *group, struct kafka_string topic, int32_t partition)
{
    struct offset *o = *bucket_of(g, group, topic, partition);
    while (o != NULL && !(o->group == group && o->partition == partition && kafka_string_equal(o->topic, topic)))
        o = o->hash_next;
    return o;
}

static struct offset *offset_add(struct groups *g, struct group *group, struct kafka_string topic, int32_t partition)
{
    struct offset *o = groups_take(g, &group->offset_bytes, sizeof *o);
    if (o == NULL) return NULL;
    if (!groups_copy(g, &group->offset_bytes, &o->topic, topic)) {
        groups_give(g, &group->offset_bytes, o);
        return NULL;
    }
    o->group = group;
    o->partition = partition;
    struct offset **bucket = bucket_of(g, group, topic, partition);
    o->hash_next = *bucket;
    *bucket = o;
    o->next = group->offsets;
    group->offsets = o;
    group->offset_count++;
    return o;
}

static struct offset_commit_key key_of(const struct group *group, const struct offset *o)
{
    return (struct offset_commit_key){group->id, o->topic, o->partition};
}

void offset_remove(struct groups *g, struct group *group, struct offset *o, bool tell_log)
{
    struct offset_commit_key key = key_of(group, o);
    if (tell_log) group->offset_number = g->host.store_offset(g->host.context, &key, NULL);
    struct offset **at = &group->offsets;
    while (*at != o) at = &(*at)->next;
    *at = o->next;
    at = bucket_of(g, group, o->topic, o->partition);
    while (*at != o) at = &(*at)->hash_next;
    *at = o->hash_next;
    group->offset_count--;
    groups_give(g, &group->offset_bytes, (void *)(uintptr_t)o->topic.chars);
    groups_give(g, &group->offset_bytes, (void *)(uintptr_t)o->metadata.chars);
    groups_give(g, &group->offset_bytes, o);
}

static void offset_store(struct groups *g, struct group *group, const struct offset *o)
{
    struct offset_commit_key key = key_of(group, o);
    struct offset_commit_value value = {o->offset, o->leader_epoch, o->metadata, o->commit_ms, o->expire_ms};
    group->offset_number = g->host.store_offset(g->host.context, &key, &value);
}

void offsets_store(struct groups *g, struct group *group)
{
    for (const struct offset *o = group->offsets; o != NULL; o = o->next) offset_store(g, group, o);
}

enum err offset_set(struct groups *g, struct group *group, const struct offset_commit_key *key,
                    const struct offset_commit_value *value)
{
    struct offset *o = offset_find(g, group, key->topic, key->partition);
    if (o == NULL) o = offset_add(g, group, key->topic, key->partition);
    if (o == NULL || !groups_copy(g, &group->offset_bytes, &o->metadata, value->metadata)) return ERR_NO_MEMORY;
    o->offset = value->offset;
    o->leader_epoch = value->leader_epoch;
    o->commit_ms = value->commit_timestamp;
    o->expire_ms = value->expire_timestamp;
    return ERR_OK;
}

void offset_drop(struct groups *g, struct group *group, struct kafka_string topic, int32_t partition)
{
    struct offset *o = offset_find(g, group, topic, partition);
    if (o != NULL) offset_remove(g, group, o, false);
}

/* --- OffsetCommit --- */

/* May this request commit for the group?  A generation below 0 is a consumer outside the group protocol, or a tool; it
 * may while nobody is in the group. */
static enum kafka_error check_commit(struct groups *g, struct group **group, const struct offset_commit_request *in,
                                     int16_t version)
{
    if (in->group_id.size > GROUP_ID_BYTES_MAX) return KAFKA_INVALID_GROUP_ID;
    if (*group == NULL) {
        if (in->generation_id >= 0) return KAFKA_ILLEGAL_GENERATION;
        *group = groups_create(g, in->group_id);
        if (*group == NULL) g->stats.refused_for_limits++;
        return *group == NULL ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_NONE;
    }
    if (in->generation_id < 0 && (*group)->state == GROUP_EMPTY) return KAFKA_NONE;
    if ((*group)->consumers != NULL) {
        enum kafka_error error = consumers_check_offsets(*group, in->member_id, in->generation_id);
        /* before version 9 nobody knows of member epochs */
        return error == KAFKA_STALE_MEMBER_EPOCH && version < 9 ? KAFKA_ILLEGAL_GENERATION : error;
    }
    struct member *m = NULL;
    enum kafka_error error = member_check(*group, in->member_id, in->group_instance_id, &m);
    if (error != KAFKA_NONE) return error;
    if (in->generation_id != (*group)->generation) return KAFKA_ILLEGAL_GENERATION;
    if ((*group)->state == GROUP_COMPLETING) return KAFKA_REBALANCE_IN_PROGRESS;
    if (!m->awaits_join && !m->awaits_sync) member_alive(g, *group, m);
    return KAFKA_NONE;
}

/* `topic` has that many partitions; 0: it is not there. */
static enum kafka_error commit_one(struct groups *g, struct group *group, const struct offset_commit_request *in,
                                   struct kafka_string topic, int32_t partition_count,
                                   const struct offset_commit_request_partition *p)
{
    if (p->committed_metadata.size > GROUP_OFFSET_METADATA_MAX) return KAFKA_OFFSET_METADATA_TOO_LARGE;
    if (p->partition_index < 0 || p->partition_index >= partition_count) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    struct kafka_string metadata = p->committed_metadata;
    if (metadata.size < 0) metadata = (struct kafka_string){NULL, 0}; /* the log's schema has no null */
    struct offset *o = offset_find(g, group, topic, p->partition_index);
    bool is_new = o == NULL;
    if (is_new) o = offset_add(g, group, topic, p->partition_index);
    if (o == NULL || !groups_copy(g, &group->offset_bytes, &o->metadata, metadata)) {
        if (is_new && o != NULL) offset_remove(g, group, o, false);
        g->stats.refused_for_limits++;
        return KAFKA_OFFSET_METADATA_TOO_LARGE;
    }
    o->offset = p->committed_offset;
    o->leader_epoch = p->committed_leader_epoch;
    o->commit_ms = p->commit_timestamp >= 0 ? p->commit_timestamp : g->wall_ms;
    o->expire_ms = in->retention_time_ms < 0 ? -1 : g->wall_ms + in->retention_time_ms;
    o->commit_serial = g->commit_serial;
    return KAFKA_NONE;
}

enum err groups_commit(struct groups *g, const struct group_caller *who, const struct offset_commit_request *in,
                       struct kafka_arena *scratch)
{
    struct offset_commit_response response = {0};
    response.topics = kafka_arena_take(scratch, (size_t)in->topic_count, sizeof *response.topics);
    if (response.topics == NULL) return ERR_TOO_LARGE;
    for (int32_t t = 0; t < in->topic_count; t++) {
        response.topics[t] = (struct offset_commit_response_topic){in->topics[t].name, NULL, 0};
        response.topics[t].partitions = kafka_arena_take(scratch, (size_t)in->topics[t].partition_count,
                                                         sizeof *response.topics[t].partitions);
        if (response.topics[t].partitions == NULL) return ERR_TOO_LARGE;
    }
    response.topic_count = in->topic_count;

    struct group *group = groups_find(g, in->group_id);
    enum kafka_error error = check_commit(g, &group, in, who->ticket.api_version);
    g->commit_serial++;
    for (int32_t t = 0; t < in->topic_count; t++) {
        const struct offset_commit_request_topic *topic = &in->topics[t];
        int32_t partition_count = g->host.topic_partitions(g->host.context, topic->name);
        for (int32_t p = 0; p < topic->partition_count; p++) {
            enum kafka_error e = error;
            if (e == KAFKA_NONE && !group_caller_sees(who->only_topic, topic->name))
                e = KAFKA_TOPIC_AUTHORIZATION_FAILED;
            if (e == KAFKA_NONE) e = commit_one(g, group, in, topic->name, partition_count, &topic->partitions[p]);
            response.topics[t].partitions[response.topics[t].partition_count++] =
                (struct offset_commit_response_partition){topic->partitions[p].partition_index, (int16_t)e};
        }
    }
    uint64_t after = 0;
    if (error == KAFKA_NONE) { /* a partition listed twice is stored once, as it was last */
        for (const struct offset *o = group->offsets; o != NULL; o = o->next) {
            if (o->commit_serial != g->commit_serial) continue;
            offset_store(g, group, o);
            after = group->offset_number;
        }
    }
    g->host.answer(g->host.context, &who->ticket, &response, after);
    if (group != NULL) groups_remove_if_void(g, group);
    return ERR_OK;
}

enum err groups_move_checkpoint(struct groups *g, struct kafka_string id, struct kafka_string topic, int64_t offset,
                                uint64_t *after)
{
    const struct offset_commit_request in = {.group_id = id, .generation_id = -1, .retention_time_ms = -1};
    const struct offset_commit_request_partition p = {
        .committed_offset = offset, .committed_leader_epoch = -1, .commit_timestamp = -1,
        .committed_metadata = {NULL, 0}};
    struct group *group = groups_find(g, id);
    if (group != NULL && group->state != GROUP_EMPTY) return ERR_STATE;
    if (group == NULL) group = groups_create(g, id);
    if (group == NULL) return ERR_NO_MEMORY;
    enum kafka_error error = commit_one(g, group, &in, topic, g->host.topic_partitions(g->host.context, topic), &p);
    if (error == KAFKA_NONE) {
        offset_store(g, group, offset_find(g, group, topic, 0));
        *after = group->offset_number;
    }
    groups_remove_if_void(g, group);
    if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) return ERR_NOT_FOUND;
    return error == KAFKA_NONE ? ERR_OK : ERR_NO_MEMORY;
}

/* --- OffsetFetch --- */

static struct offset_fetch_response_partition fetched(const struct offset *o, int32_t partition, int16_t version)
{
    struct offset_fetch_response_partition out = {.partition_index = partition, .committed_offset = -1,
                                                  .committed_leader_epoch = -1};
    if (o != NULL) {
        out.committed_offset = o->offset;
        out.committed_leader_epoch = o->leader_epoch;
        out.metadata = o->metadata;
    } else if (version == 0) { /* which looked into ZooKeeper, where no node was an error */
        out.error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return out;
}

/* One group's part of the answer; an error code, and nothing else, when this member may not see it. */
static enum err fetch_group(struct groups *g, const struct offset_fetch_request_group *in, int16_t version,
                            struct offset_fetch_response_group *out, uint64_t *after, struct kafka_arena *scratch)
{
    const struct group *group = groups_find(g, in->group_id);
    uint64_t rests_on = group == NULL ? g->removed_number : group->offset_number;
    *out = (struct offset_fetch_response_group){.group_id = in->group_id};
    if (rests_on > *after) *after = rests_on;
    if (group != NULL && group->consumers != NULL && in->member_id.size > 0 && in->member_epoch >= 0)
        out->error_code = (int16_t)consumers_check_offsets(group, in->member_id, in->member_epoch);
    if (out->error_code != KAFKA_NONE) return ERR_OK;
    int32_t count = in->topic_count >= 0 ? in->topic_count : group == NULL ? 0 : (int32_t)group->offset_count;
    out->topics = kafka_arena_take(scratch, (size_t)count, sizeof *out->topics);
    if (out->topics == NULL) return ERR_TOO_LARGE;
    if (in->topic_count < 0) { /* all of them */
        struct offset_fetch_response_partition *partitions = kafka_arena_take(scratch, (size_t)count,
                                                                              sizeof *partitions);
        if (partitions == NULL) return ERR_TOO_LARGE;
        for (const struct offset *o = group == NULL ? NULL : group->offsets; o != NULL; o = o->next) {
            partitions[out->topic_count] = fetched(o, o->partition, version);
            out->topics[out->topic_count] = (struct offset_fetch_response_topic){o->topic,
                                                                                 &partitions[out->topic_count], 1};
            out->topic_count++;
        }
        return ERR_OK;
    }
    for (; out->topic_count < count; out->topic_count++) {
        const struct offset_fetch_request_topic *topic = &in->topics[out->topic_count];
        struct offset_fetch_response_partition *partitions =
            kafka_arena_take(scratch, (size_t)topic->partition_index_count, sizeof *partitions);
        if (partitions == NULL) return ERR_TOO_LARGE;
        for (int32_t p = 0; p < topic->partition_index_count; p++) {
            int32_t index = topic->partition_indexes[p];
            partitions[p] = fetched(group == NULL ? NULL : offset_find(g, group, topic->name, index), index,
                                    version);
        }
        out->topics[out->topic_count] =
            (struct offset_fetch_response_topic){topic->name, partitions, topic->partition_index_count};
    }
    return ERR_OK;
}

enum err groups_fetch(struct groups *g, const struct group_caller *who, const struct offset_fetch_request *in,
                      struct kafka_arena *scratch)
{
    struct offset_fetch_response response = {0};
    int16_t version = who->ticket.api_version;
    uint64_t after = 0;
    if (version >= 8) { /* several groups, each with its own error */
        response.groups = kafka_arena_take(scratch, (size_t)in->group_count, sizeof *response.groups);
        if (response.groups == NULL) return ERR_TOO_LARGE;
        for (; response.group_count < in->group_count; response.group_count++) {
            const struct offset_fetch_request_group *asked = &in->groups[response.group_count];
            struct offset_fetch_response_group *one = &response.groups[response.group_count];
            if (group_caller_sees(who->only_group, asked->group_id))
                TRY(fetch_group(g, asked, version, one, &after, scratch));
            else
                *one = (struct offset_fetch_response_group){.group_id = asked->group_id,
                                                            .error_code = KAFKA_INVALID_GROUP_ID};
        }
    } else {
        struct offset_fetch_response_group one;
        struct offset_fetch_request_group group = {.group_id = in->group_id, .topics = in->topics,
                                                   .topic_count = in->topic_count};
        TRY(fetch_group(g, &group, version, &one, &after, scratch));
        response.topics = one.topics;
        response.topic_count = one.topic_count;
        response.error_code = one.error_code;
    }
    g->host.answer(g->host.context, &who->ticket, &response, after);
    return ERR_OK;
}

/* --- retention, deleted topics --- */

static bool is_expired(const struct groups *g, const struct group *group, const struct offset *o)
{
    int64_t keep_ms = (int64_t)g->limits.offsets_retention_ms;
    if (o->expire_ms >= 0) return g->wall_ms >= o->expire_ms; /* the commit said so, whatever the group does */
    if (keep_ms == 0) return false;
    bool is_old = g->wall_ms - o->commit_ms >= keep_ms;
    if (group->protocol_type.size <= 0) return is_old; /* used without the group protocol */
    if (group->state == GROUP_EMPTY) return is_old && g->wall_ms - group->state_since_ms >= keep_ms;
    if (group->state == GROUP_STABLE && kafka_string_is(group->protocol_type, "consumer")) /* of either protocol */
        return is_old && !group_subscribes(group, o->topic);
    return false;
}

void offsets_retain(struct groups *g)
{
    struct group *next_group;
    for (struct group *group = g->list; group != NULL; group = next_group) {
        next_group = group->next;
        struct offset *next;
        for (struct offset *o = group->offsets; o != NULL; o = next) {
            next = o->next;
            if (is_expired(g, group, o)) offset_remove(g, group, o, true);
        }
        if (group->state != GROUP_EMPTY || group->offsets != NULL || group->pending != NULL) continue;
        if (group->has_record) group_store_tombstone(g, group);
        groups_remove(g, group);
    }
}

/* Members keep positions in their memory, and commit them by the topic's name alone: into another topic, once one was
 * made under that name.  So they are out now, and who joins again asks where to begin.  It is in the log, and so holds
 * after a restart as well, for which numbers that only this process gives to topics and generations would not do.
 * UNKNOWN_MEMBER_ID ends what they have, and no client repeats a commit that got it; Java repeats for long one that got
 * UNKNOWN_TOPIC_OR_PARTITION, of KIP-848 also one that got STALE_MEMBER_EPOCH. */
static void put_out(struct groups *g, struct group *group, struct kafka_string topic, bool had_commits)
{
    if (group->state == GROUP_EMPTY) return;
    if (group->consumers != NULL) consumers_put_out(g, group, topic);
    else if (had_commits || group_subscribes(group, topic)) rebalance_put_out(g, group);
}

uint64_t groups_forget_topic(struct groups *g, struct kafka_string topic)
{
    uint64_t last = 0;
    struct group *next_group;
    for (struct group *group = g->list; group != NULL; group = next_group) {
        next_group = group->next;
        struct offset *next;
        uint64_t recorded = group->record_number;
        bool had_commits = false;
        for (struct offset *o = group->offsets; o != NULL; o = next) {
            next = o->next;
            if (!kafka_string_equal(o->topic, topic)) continue;
            offset_remove(g, group, o, true);
            last = group->offset_number;
            had_commits = true;
        }
        put_out(g, group, topic, had_commits);
        if (group->record_number != recorded) last = group->record_number;
        groups_remove_if_void(g, group);
    }
    return last;
}

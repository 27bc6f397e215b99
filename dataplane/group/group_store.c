/* Groups as records of the __consumer_offsets log, and back at start. */
#include <stdlib.h>

#include "base/invariant.h"
#include "dataplane/group/group_state.h"

static bool reserve_rows(struct groups *g, uint32_t count)
{
    if (count <= g->row_room) return true;
    uint32_t room = count + count / 2 + 16;
    struct join_group_response_member *rows = realloc(g->rows, room * sizeof *rows);
    if (rows == NULL) return false;
    g->rows = rows;
    struct group_metadata_member *record_rows = realloc(g->record_rows, room * sizeof *record_rows);
    if (record_rows == NULL) return false;
    g->record_rows = record_rows;
    g->row_room = room;
    return true;
}

void group_store(struct groups *g, struct group *group)
{
    if (group->consumers != NULL) {
        consumers_store(g, group);
        return;
    }
    /* A snapshot may fall into a rebalance.  What was assigned before it holds no longer, and a record with members is
     * loaded as Stable: without them they find out that they are unknown, and join again. */
    bool is_settled = group->state == GROUP_EMPTY || group->state == GROUP_STABLE;
    struct group_metadata_key key = {group->id};
    struct group_metadata_value value = {
        .protocol_type = group->protocol_type, .generation = group->generation,
        .protocol = is_settled ? group->protocol : kafka_string_null(),
        .leader = is_settled && group->leader != NULL ? group->leader->id : kafka_string_null(),
        .current_state_timestamp = group->state_since_ms, .members = g->record_rows,
    };
    for (const struct member *m = is_settled ? group->members : NULL; m != NULL; m = m->next) {
        INVARIANT((uint32_t)value.member_count < g->row_room);
        g->record_rows[value.member_count++] = (struct group_metadata_member){
            .member_id = m->id, .group_instance_id = m->instance_id, .client_id = m->client_id,
            .client_host = m->client_host, .rebalance_timeout = m->rebalance_timeout_ms,
            .session_timeout = m->session_timeout_ms, .subscription = member_metadata(m, group->protocol),
            .assignment = m->assignment,
        };
    }
    group->record_number = g->host.store_group(g->host.context, &key, &value);
    group->has_record = true;
}

void group_store_tombstone(struct groups *g, struct group *group)
{
    if (group->consumers != NULL) {
        consumers_store_tombstones(g, group);
        return;
    }
    struct group_metadata_key key = {group->id};
    group->record_number = g->host.store_group(g->host.context, &key, NULL);
    group->has_record = false;
}

void groups_store_all(struct groups *g)
{
    for (struct group *group = g->list; group != NULL; group = group->next) {
        if (group->has_record) group_store(g, group);
        offsets_store(g, group);
    }
}

/* --- loading --- */

enum err groups_load_offset(struct groups *g, const struct offset_commit_key *key,
                            const struct offset_commit_value *value)
{
    if (key->group.size > GROUP_ID_BYTES_MAX) return ERR_CORRUPT;
    struct group *group = groups_find(g, key->group);
    if (value == NULL) {
        if (group == NULL) return ERR_OK;
        offset_drop(g, group, key->topic, key->partition);
        groups_remove_if_void(g, group);
        return ERR_OK;
    }
    if (group == NULL) group = groups_create(g, key->group);
    if (group == NULL) return ERR_NO_MEMORY;
    return offset_set(g, group, key, value);
}

static void drop_members(struct groups *g, struct group *group)
{
    while (group->members != NULL) member_remove(g, group, group->members, KAFKA_NONE);
    group->leader = NULL;
}

static enum err load_member(struct groups *g, struct group *group, const struct group_metadata_value *value,
                            const struct group_metadata_member *from)
{
    struct join_group_request_protocol protocol = {value->protocol, from->subscription};
    if (protocol.name.size < 0) protocol.name.size = 0;
    struct join_group_request in = {
        .session_timeout_ms = from->session_timeout, .rebalance_timeout_ms = from->rebalance_timeout,
        .group_instance_id = from->group_instance_id, .protocol_type = value->protocol_type,
        .protocols = &protocol, .protocol_count = 1,
    };
    struct group_caller who = {.ticket.api_version = 1, .client_id = from->client_id,
                               .client_host = from->client_host};
    struct member *m = member_add(g, group, from->member_id, &who, &in);
    if (m == NULL || !groups_copy_bytes(g, &group->member_bytes, &m->assignment, from->assignment))
        return ERR_NO_MEMORY;
    m->has_synced = true;
    if (kafka_string_equal(m->id, value->leader)) group->leader = m;
    return ERR_OK;
}

enum err groups_load_group(struct groups *g, const struct group_metadata_key *key,
                           const struct group_metadata_value *value)
{
    if (key->group.size > GROUP_ID_BYTES_MAX) return ERR_CORRUPT;
    if (value != NULL && (value->protocol_type.size > GROUP_ID_BYTES_MAX || value->protocol.size > GROUP_ID_BYTES_MAX))
        return ERR_CORRUPT;
    struct group *group = groups_find(g, key->group);
    if (value == NULL && (group == NULL || group->consumers != NULL)) return ERR_OK;
    if (group == NULL) group = groups_create(g, key->group);
    if (group == NULL) return ERR_NO_MEMORY;
    if (group->consumers != NULL) return ERR_CORRUPT; /* it was not taken back before the group changed its protocol */
    drop_members(g, group);
    group->state = GROUP_EMPTY;
    group->has_record = value != NULL;
    group->protocol_type = group->protocol = kafka_string_null();
    group->generation = 0;
    if (value == NULL) {
        groups_remove_if_void(g, group);
        return ERR_OK;
    }
    if (!reserve_rows(g, (uint32_t)value->member_count)) return ERR_NO_MEMORY;
    for (int32_t i = 0; i < value->member_count; i++) TRY(load_member(g, group, value, &value->members[i]));
    group->generation = value->generation;
    group_set_text(&group->protocol_type, group->protocol_type_chars, value->protocol_type);
    group_set_text(&group->protocol, group->protocol_chars, value->protocol);
    group->state = group->members == NULL ? GROUP_EMPTY : GROUP_STABLE;
    group->state_since_ms = value->current_state_timestamp >= 0 ? value->current_state_timestamp : g->wall_ms;
    return ERR_OK;
}

enum err groups_load_done(struct groups *g)
{
    if (!reserve_rows(g, g->limits.members_max)) return ERR_NO_MEMORY;
    g->is_loading = false;
    g->retention_due_ms = g->now_ms + GROUP_RETENTION_CHECK_MS;
    for (struct group *group = g->list; group != NULL; group = group->next) {
        if (group->consumers != NULL) consumers_loaded(g, group);
        for (struct member *m = group->members; m != NULL; m = m->next) member_alive(g, group, m);
    }
    return ERR_OK;
}

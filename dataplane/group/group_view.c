/* What the control plane is shown of groups and their members. */
#include "base/cursor.h"
#include "dataplane/group/group_state.h"

void groups_each(struct groups *g, struct kafka_string topic,
                 void (*visit)(void *context, const struct group_view *view), void *context)
{
    for (struct group *group = g->list; group != NULL; group = group->next) {
        struct group_view view = {
            .group_id = group->id, .state = group_state_name(group), .generation = group->generation,
            .member_count = group->member_count, .offset_count = group->offset_count,
            .committed_offset = -1, .commit_time_ms = -1,
            .is_subscribed = topic.size >= 0 && group_subscribes(group, topic),
        };
        for (const struct offset *o = group->offsets; o != NULL; o = o->next) {
            if (o->partition != 0 || !kafka_string_equal(o->topic, topic)) continue;
            view.has_commit = true;
            view.committed_offset = o->offset;
            view.commit_time_ms = o->commit_ms;
        }
        visit(context, &view);
    }
}

/* Consumers' assignments begin: version int16, [topic string, [partition int32]]; never flexible. */
static bool assignment_has(struct kafka_bytes assignment, struct kafka_string topic)
{
    struct cursor in = cursor_of(assignment.bytes, assignment.size > 0 ? (size_t)assignment.size : 0);
    cursor_be(&in, 2);
    int32_t count = (int32_t)cursor_be(&in, 4);
    for (int32_t i = 0; i < count && !in.failed; i++) {
        size_t size = (size_t)cursor_be(&in, 2);
        const uint8_t *chars = cursor_take(&in, size);
        bool is_it = chars != NULL && size == (size_t)topic.size && memcmp(chars, topic.chars, size) == 0;
        int32_t partitions = (int32_t)cursor_be(&in, 4);
        for (int32_t p = 0; p < partitions && !in.failed; p++)
            if (cursor_be(&in, 4) == 0 && is_it && !in.failed) return true;
    }
    return false;
}

static bool is_owner(const struct group *group, const struct consumer_member *m, struct kafka_string topic)
{
    for (const struct share *s = group->consumers->shares; s != NULL; s = s->next)
        if (kafka_string_equal(s->name, topic)) return s->owner == m;
    return false;
}

void groups_each_member(struct groups *g, struct kafka_string id, struct kafka_string topic,
                        void (*visit)(void *context, const struct group_member_view *view), void *context)
{
    const struct group *group = groups_find(g, id);
    if (group == NULL) return;
    bool is_settled = group->state == GROUP_STABLE && kafka_string_is(group->protocol_type, "consumer");
    for (const struct member *m = group->members; m != NULL; m = m->next) {
        struct group_member_view view = {m->id, m->client_id, m->client_host,
                                         is_settled && assignment_has(m->assignment, topic)};
        visit(context, &view);
    }
    const struct consumer_member *first = group->consumers == NULL ? NULL : group->consumers->members;
    for (const struct consumer_member *m = first; m != NULL; m = m->next) {
        struct group_member_view view = {m->id, m->client_id, m->client_host, is_owner(group, m, topic)};
        visit(context, &view);
    }
}

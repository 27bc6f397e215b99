/* Who shall read what, and how a member gets there (KIP-848): topics, targets, reconciliation. */
#include "dataplane/group/group_state.h"

/* --- topics --- */

struct share *share_find(const struct group *group, const struct kafka_uuid *topic_id)
{
    struct share *s = group->consumers->shares;
    while (s != NULL && memcmp(&s->topic_id, topic_id, sizeof *topic_id) != 0) s = s->next;
    return s;
}

struct share *share_add(struct groups *g, struct group *group, const struct kafka_uuid *topic_id)
{
    if (!consumer_reserve_rows(g, group->consumers->share_count + 1)) return NULL;
    struct share *s = groups_take(g, &group->member_bytes, sizeof *s);
    if (s == NULL) return NULL;
    s->topic_id = *topic_id;
    struct share **last = &group->consumers->shares; /* in a stable order: assignments are computed in it */
    while (*last != NULL) last = &(*last)->next;
    *last = s;
    group->consumers->share_count++;
    return s;
}

static bool wants(const struct consumer_member *m, struct kafka_string topic)
{
    if (!group_caller_sees(m->only_topic, topic)) return false;
    for (uint32_t i = 0; i < m->name_count; i++)
        if (kafka_string_equal(m->names[i], topic)) return true;
    return m->pattern != NULL && topic_pattern_matches(m->pattern, topic);
}

bool consumer_follows(const struct group *group, const struct consumer_member *m, struct kafka_string topic)
{
    for (const struct share *s = group->consumers->shares; s != NULL; s = s->next)
        if (s->owner == m && (s->name.size == 0 || kafka_string_equal(s->name, topic))) return true;
    return wants(m, topic);
}

bool consumers_subscribe(const struct group *group, struct kafka_string topic)
{
    for (const struct consumer_member *m = group->consumers->members; m != NULL; m = m->next)
        if (wants(m, topic)) return true;
    return false;
}

/* One topic that is there.  false: there is no room for it. */
static bool look_at(struct groups *g, struct group *group, const struct group_topic *topic, bool *moved)
{
    struct share *s = share_find(group, &topic->id);
    bool is_wanted = consumers_subscribe(group, topic->name);
    if (s == NULL && !is_wanted) return true;
    bool is_new = s == NULL;
    if (is_new) s = share_add(g, group, &topic->id);
    if (s == NULL) return false;
    if (s->name.size == 0 && !groups_copy(g, &group->member_bytes, &s->name, topic->name)) return false;
    s->was_seen = true;
    if (s->is_live != is_wanted) *moved = true;
    s->is_live = is_wanted;
    return true;
}

bool consumers_look_at_topics(struct groups *g, struct group *group, const struct group_topics *topics, bool anyway)
{
    struct consumers *c = group->consumers;
    bool moved = false, is_complete = true;
    if (!anyway && c->topics_version == topics->version) return false;
    for (struct share *s = c->shares; s != NULL; s = s->next) s->was_seen = false;
    for (uint32_t i = 0; i < topics->count; i++)
        if (!look_at(g, group, &topics->topics[i], &moved)) is_complete = false;
    for (struct share *s = c->shares; s != NULL; s = s->next) {
        if (s->was_seen) continue;
        if (s->is_live && is_complete) moved = true;
        if (is_complete) s->is_live = false;
    }
    if (!is_complete) g->stats.refused_for_limits++; /* the next heartbeat tries again */
    c->topics_version = is_complete ? topics->version : 0;
    return moved;
}

/* Topics that nobody wants and nobody has any more. */
static void drop_dead(struct groups *g, struct group *group)
{
    struct share **at = &group->consumers->shares;
    while (*at != NULL) {
        struct share *s = *at;
        if (s->is_live || s->owner != NULL || s->target != NULL) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        group->consumers->share_count--;
        groups_give(g, &group->member_bytes, (void *)(uintptr_t)s->name.chars);
        groups_give(g, &group->member_bytes, s);
    }
}

/* --- targets --- */

const char *consumers_assignor(const struct group *group)
{
    uint32_t uniform = 0, range = 0;
    for (const struct consumer_member *m = group->consumers->members; m != NULL; m = m->next) {
        if (kafka_string_is(m->assignor, "uniform")) uniform++;
        if (kafka_string_is(m->assignor, "range")) range++;
    }
    return range > uniform ? "range" : "uniform";
}

/* With one partition a topic, `range` gives every topic to the first member that wants it. */
static struct consumer_member *first_wanting(const struct group *group, const struct share *s)
{
    struct consumer_member *m = group->consumers->members;
    while (m != NULL && !wants(m, s->name)) m = m->next;
    return m;
}

static struct consumer_member *least_loaded_wanting(const struct group *group, const struct share *s)
{
    struct consumer_member *best = NULL;
    for (struct consumer_member *m = group->consumers->members; m != NULL; m = m->next)
        if ((best == NULL || m->load < best->load) && wants(m, s->name)) best = m;
    return best;
}

static void retarget(struct share *s, struct consumer_member *to)
{
    if (s->target == to) return;
    if (s->target != NULL) s->target->load--, s->target->has_news = true;
    if (to != NULL) to->load++, to->has_news = true;
    s->target = to;
}

/* Keeps what is fair, moves what is not: no member has two topics more than another that wants one of them. */
static void assign_uniform(struct group *group)
{
    struct share *shares = group->consumers->shares;
    for (struct share *s = shares; s != NULL; s = s->next)
        if (s->is_live && s->target == NULL) retarget(s, least_loaded_wanting(group, s));
    for (bool moved = true; moved;) { /* each move evens the loads out, so this ends */
        moved = false;
        for (struct share *s = shares; s != NULL; s = s->next) {
            if (!s->is_live || s->target == NULL) continue;
            struct consumer_member *to = least_loaded_wanting(group, s);
            if (to->load + 1 >= s->target->load) continue;
            retarget(s, to);
            moved = true;
        }
    }
}

void consumers_assign(struct groups *g, struct group *group)
{
    struct consumers *c = group->consumers;
    bool is_range = strcmp(consumers_assignor(group), "range") == 0;
    for (struct consumer_member *m = c->members; m != NULL; m = m->next) {
        m->load = 0;
        m->has_news = false;
    }
    for (struct share *s = c->shares; s != NULL; s = s->next)
        if (s->target != NULL) s->target->load++;
    for (struct share *s = c->shares; s != NULL; s = s->next) {
        if (s->target != NULL && (!s->is_live || !wants(s->target, s->name))) retarget(s, NULL);
        if (is_range && s->is_live) retarget(s, first_wanting(group, s));
    }
    if (!is_range) assign_uniform(group);
    drop_dead(g, group);
    c->target_epoch = group->generation;
    for (struct consumer_member *m = c->members; m != NULL; m = m->next)
        if (m->has_news) consumer_store_target(g, group, m);
    consumer_store_target_epoch(g, group);
    g->stats.rebalances++;
}

/* --- reconciliation --- */

static bool says_it_has(const struct share *s, const struct consumer_group_heartbeat_topic *owned, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (owned[i].partition_count > 0 && memcmp(&owned[i].topic_id, &s->topic_id, sizeof s->topic_id) == 0)
            return true;
    return count < 0; /* it did not say, so nothing changed */
}

static void set_free(struct share *s)
{
    s->owner = NULL;
    s->is_revoked = false;
}

/* What changed of a member. */
struct change {
    bool has_released; /* something that it may not read any more */
    bool reads;        /* what it may read */
    bool is_asked;     /* to let go of more */
};

/* First take away: what was revoked and is let go becomes free; what has to go now is asked back.  Returns whether the
 * member still has something to let go of. */
static bool take_away(struct consumers *c, struct consumer_member *m,
                      const struct consumer_group_heartbeat_topic *owned, int32_t count, struct change *change)
{
    bool waits = false;
    for (struct share *s = c->shares; s != NULL; s = s->next) {
        if (s->owner != m || !s->is_revoked) continue;
        if (says_it_has(s, owned, count)) {
            waits = true;
        } else {
            set_free(s);
            change->has_released = true;
        }
    }
    if (waits) return true; /* one step after the other: the member works on this one */
    for (struct share *s = c->shares; s != NULL; s = s->next) {
        if (s->owner != m || s->target == m) continue;
        change->reads = true;
        if (says_it_has(s, owned, count)) change->is_asked = s->is_revoked = true;
        else set_free(s);
    }
    return change->is_asked;
}

static bool give(struct consumers *c, struct consumer_member *m)
{
    bool gave = false;
    for (struct share *s = c->shares; s != NULL; s = s->next) {
        if (s->target != m || s->owner != NULL) continue; /* taken: when its owner let go, a later heartbeat gives it */
        s->owner = m;
        gave = true;
    }
    return gave;
}

bool consumer_reconcile(struct groups *g, struct group *group, struct consumer_member *m,
                        const struct consumer_group_heartbeat_topic *owned, int32_t owned_count)
{
    struct consumers *c = group->consumers;
    int32_t epoch_before = m->epoch;
    struct change change = {0};
    bool waits = take_away(c, m, owned, owned_count, &change);
    if (!waits) {
        if (give(c, m)) change.reads = true;
        m->rebalance_deadline_ms = GROUP_NEVER_MS;
        if (m->epoch != c->target_epoch) {
            m->previous_epoch = m->epoch;
            m->epoch = c->target_epoch;
        }
    } else if (change.is_asked) {
        m->rebalance_deadline_ms = ms_after(g->now_ms, m->rebalance_timeout_ms);
        group_timer(g, group, m->rebalance_deadline_ms);
    }
    if (change.reads || change.has_released || m->epoch != epoch_before) consumer_store_current(g, group, m);
    return change.reads;
}

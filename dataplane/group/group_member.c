/* Members of a group: who is in, what they list, what was answered to them. */
#include "dataplane/group/group_state.h"
#include "base/cursor.h"

/* --- lookup --- */

struct member *member_find(struct group *group, struct kafka_string id)
{
    struct member *m = group->members;
    while (m != NULL && !kafka_string_equal(m->id, id)) m = m->next;
    return m;
}

struct member *member_find_instance(struct group *group, struct kafka_string instance_id)
{
    if (instance_id.size < 0) return NULL;
    struct member *m = group->members;
    while (m != NULL && !kafka_string_equal(m->instance_id, instance_id)) m = m->next;
    return m;
}

enum kafka_error member_check(struct group *group, struct kafka_string id, struct kafka_string instance_id,
                              struct member **out)
{
    struct member *holder = member_find_instance(group, instance_id);
    if (holder != NULL && !kafka_string_equal(holder->id, id)) return KAFKA_FENCED_INSTANCE_ID;
    *out = member_find(group, id);
    return *out == NULL ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_NONE;
}

/* --- what a JoinGroup says --- */

/* One allocation: the array, then every name and metadata. */
static struct protocol *copy_protocols(struct groups *g, struct group *group, const struct join_group_request *in)
{
    size_t size = (size_t)in->protocol_count * sizeof(struct protocol);
    for (int32_t i = 0; i < in->protocol_count; i++)
        size += (size_t)in->protocols[i].name.size + (size_t)in->protocols[i].metadata.size;
    struct protocol *copy = groups_take(g, &group->member_bytes, size);
    if (copy == NULL) return NULL;
    uint8_t *at = (uint8_t *)(copy + in->protocol_count);
    for (int32_t i = 0; i < in->protocol_count; i++) {
        const struct join_group_request_protocol *from = &in->protocols[i];
        copy[i].name = (struct kafka_string){(const char *)at, from->name.size};
        if (from->name.size > 0) memcpy(at, from->name.chars, (size_t)from->name.size);
        at += from->name.size;
        copy[i].metadata = (struct kafka_bytes){at, from->metadata.size};
        if (from->metadata.size > 0) memcpy(at, from->metadata.bytes, (size_t)from->metadata.size);
        at += from->metadata.size;
    }
    return copy;
}

/* v0 has no rebalance timeout; the session's stands in, as for one that is not positive. */
static int32_t rebalance_timeout_of(const struct join_group_request *in, int16_t version)
{
    return version == 0 || in->rebalance_timeout_ms <= 0 ? in->session_timeout_ms : in->rebalance_timeout_ms;
}

static void member_free(struct groups *g, struct group *group, struct member *m)
{
    groups_give(g, &group->member_bytes, (void *)(uintptr_t)m->id.chars);
    groups_give(g, &group->member_bytes, (void *)(uintptr_t)m->instance_id.chars);
    groups_give(g, &group->member_bytes, (void *)(uintptr_t)m->client_id.chars);
    groups_give(g, &group->member_bytes, (void *)(uintptr_t)m->client_host.chars);
    groups_give(g, &group->member_bytes, (void *)(uintptr_t)m->assignment.bytes);
    groups_give(g, &group->member_bytes, m->protocols);
    groups_give(g, &group->member_bytes, m);
}

struct member *member_add(struct groups *g, struct group *group, struct kafka_string id, const struct group_caller *who,
                          const struct join_group_request *in)
{
    uint64_t *account = &group->member_bytes;
    struct kafka_string client_id = who->client_id.size < 0 ? (struct kafka_string){NULL, 0} : who->client_id;
    struct member *m = groups_take(g, account, sizeof *m);
    if (m == NULL) return NULL;
    m->protocols = copy_protocols(g, group, in);
    m->protocol_count = (uint32_t)in->protocol_count;
    m->session_timeout_ms = in->session_timeout_ms;
    m->rebalance_timeout_ms = rebalance_timeout_of(in, who->ticket.api_version);
    m->session_deadline_ms = GROUP_NEVER_MS;
    if (m->protocols == NULL || !groups_copy(g, account, &m->id, id) ||
        !groups_copy(g, account, &m->instance_id, in->group_instance_id) ||
        !groups_copy(g, account, &m->client_id, client_id) ||
        !groups_copy(g, account, &m->client_host, who->client_host)) {
        member_free(g, group, m);
        return NULL;
    }
    if (group->members == NULL)
        group_set_text(&group->protocol_type, group->protocol_type_chars, in->protocol_type);
    struct member **last = &group->members;
    while (*last != NULL) last = &(*last)->next;
    *last = m;
    group->member_count++;
    if (group->leader == NULL) group->leader = m;
    return m;
}

bool member_update(struct groups *g, struct group *group, struct member *m, const struct join_group_request *in,
                   int16_t version)
{
    if (!member_lists_same(m, in)) {
        struct protocol *protocols = copy_protocols(g, group, in);
        if (protocols == NULL) return false;
        groups_give(g, &group->member_bytes, m->protocols);
        m->protocols = protocols;
        m->protocol_count = (uint32_t)in->protocol_count;
    }
    m->session_timeout_ms = in->session_timeout_ms;
    m->rebalance_timeout_ms = rebalance_timeout_of(in, version);
    return true;
}

bool member_lists_same(const struct member *m, const struct join_group_request *in)
{
    if (m->protocol_count != (uint32_t)in->protocol_count) return false;
    for (uint32_t i = 0; i < m->protocol_count; i++) {
        const struct protocol *a = &m->protocols[i];
        const struct join_group_request_protocol *b = &in->protocols[i];
        if (!kafka_string_equal(a->name, b->name) || a->metadata.size != b->metadata.size ||
            (a->metadata.size > 0 && memcmp(a->metadata.bytes, b->metadata.bytes, (size_t)a->metadata.size) != 0))
            return false;
    }
    return true;
}

void member_remove(struct groups *g, struct group *group, struct member *m, enum kafka_error error)
{
    if (m->awaits_join) join_refuse(g, &m->join_ticket, error, (struct kafka_string){NULL, 0});
    if (m->awaits_sync) member_answer_sync(g, group, m, error);
    struct member **at = &group->members;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    group->member_count--;
    if (group->leader == m) group->leader = group->members;
    member_free(g, group, m);
}

void member_alive(struct groups *g, struct group *group, struct member *m)
{
    m->session_deadline_ms = ms_after(g->now_ms, m->session_timeout_ms);
    group_timer(g, group, m->session_deadline_ms);
}

void member_answer_sync(struct groups *g, struct group *group, struct member *m, enum kafka_error error)
{
    struct sync_group_response response = {
        .error_code = (int16_t)error, .protocol_type = kafka_string_null(), .protocol_name = kafka_string_null(),
    };
    if (error == KAFKA_NONE) {
        response.protocol_type = group->protocol_type;
        response.protocol_name = group->protocol;
        response.assignment = m->assignment;
    }
    m->awaits_sync = false;
    g->host.answer(g->host.context, &m->sync_ticket, &response, error == KAFKA_NONE ? group->record_number : 0);
}

struct kafka_bytes member_metadata(const struct member *m, struct kafka_string protocol)
{
    for (uint32_t i = 0; i < m->protocol_count; i++)
        if (kafka_string_equal(m->protocols[i].name, protocol)) return m->protocols[i].metadata;
    return (struct kafka_bytes){NULL, 0};
}

/* --- ids handed out and not yet used --- */

struct pending_member *pending_find(struct group *group, struct kafka_string id)
{
    struct pending_member *p = group->pending;
    while (p != NULL && !kafka_string_equal(p->id, id)) p = p->next;
    return p;
}

bool pending_add(struct groups *g, struct group *group, struct kafka_string id, int32_t session_timeout_ms)
{
    struct pending_member *p = groups_take(g, &group->member_bytes, sizeof *p);
    if (p == NULL) return false;
    if (!groups_copy(g, &group->member_bytes, &p->id, id)) {
        groups_give(g, &group->member_bytes, p);
        return false;
    }
    p->deadline_ms = ms_after(g->now_ms, session_timeout_ms);
    p->next = group->pending;
    group->pending = p;
    group->pending_count++;
    group_timer(g, group, p->deadline_ms);
    return true;
}

void pending_remove(struct groups *g, struct group *group, struct pending_member *p)
{
    struct pending_member **at = &group->pending;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    group->pending_count--;
    groups_give(g, &group->member_bytes, (void *)(uintptr_t)p->id.chars);
    groups_give(g, &group->member_bytes, p);
}

/* --- what the members agree on --- */

static bool lists(const struct member *m, struct kafka_string name)
{
    for (uint32_t i = 0; i < m->protocol_count; i++)
        if (kafka_string_equal(m->protocols[i].name, name)) return true;
    return false;
}

static bool all_list(const struct group *group, struct kafka_string name)
{
    for (const struct member *m = group->members; m != NULL; m = m->next)
        if (!lists(m, name)) return false;
    return true;
}

bool group_supports(const struct group *group, const struct join_group_request *in)
{
    if (in->protocol_type.size == 0 || in->protocol_count == 0) return false;
    if (group->members == NULL) return true;
    if (!kafka_string_equal(group->protocol_type, in->protocol_type)) return false;
    for (int32_t i = 0; i < in->protocol_count; i++)
        if (all_list(group, in->protocols[i].name)) return true;
    return false;
}

/* Every member votes for the first protocol in its list that all have; of equal ones the first member's favourite
 * wins. */
struct kafka_string group_choose_protocol(const struct group *group)
{
    const struct member *first = group->members;
    uint32_t votes[GROUP_PROTOCOLS_MAX] = {0}, best = 0;
    bool is_candidate[GROUP_PROTOCOLS_MAX];
    for (uint32_t i = 0; i < first->protocol_count; i++) is_candidate[i] = all_list(group, first->protocols[i].name);
    for (const struct member *m = group->members; m != NULL; m = m->next) {
        for (uint32_t p = 0; p < m->protocol_count; p++) {
            uint32_t i = 0;
            while (i < first->protocol_count &&
                   !(is_candidate[i] && kafka_string_equal(first->protocols[i].name, m->protocols[p].name)))
                i++;
            if (i == first->protocol_count) continue;
            votes[i]++;
            break;
        }
    }
    for (uint32_t i = 1; i < first->protocol_count; i++)
        if (votes[i] > votes[best]) best = i;
    return first->protocols[best].name;
}

int32_t group_rebalance_timeout_ms(const struct group *group)
{
    int32_t longest = 0;
    for (const struct member *m = group->members; m != NULL; m = m->next)
        if (m->rebalance_timeout_ms > longest) longest = m->rebalance_timeout_ms;
    return longest;
}

/* Consumers' subscriptions begin: version int16, topics [string]; never flexible.  Read only, never rewritten. */
static bool subscription_names(struct kafka_bytes subscription, struct kafka_string topic)
{
    struct cursor in = cursor_of(subscription.bytes, subscription.size > 0 ? (size_t)subscription.size : 0);
    cursor_be(&in, 2);
    int32_t count = (int32_t)cursor_be(&in, 4);
    for (int32_t i = 0; i < count && !in.failed; i++) {
        size_t size = (size_t)cursor_be(&in, 2);
        const uint8_t *chars = cursor_take(&in, size);
        if (chars != NULL && topic.size >= 0 && size == (size_t)topic.size && memcmp(chars, topic.chars, size) == 0)
            return true;
    }
    return false;
}

bool group_subscribes(const struct group *group, struct kafka_string topic)
{
    if (group->consumers != NULL) return consumers_subscribe(group, topic);
    if (!kafka_string_is(group->protocol_type, "consumer")) return false;
    for (const struct member *m = group->members; m != NULL; m = m->next)
        for (uint32_t i = 0; i < m->protocol_count; i++)
            if (subscription_names(m->protocols[i].metadata, topic)) return true;
    return false;
}

/* The table of groups: memory, lookup, timers. */
#include <stdlib.h>

#include "base/invariant.h"
#include "dataplane/group/group_state.h"

/* --- memory --- */

struct block { /* in front of every allocation */
    size_t size;
    size_t unused; /* keeps the memory behind it 16-byte aligned */
};

bool groups_charge(struct groups *g, uint64_t *account, size_t size)
{
    if (!g->is_loading) {
        bool is_full = g->memory_bytes + size > g->limits.memory_bytes_max;
        if (account != NULL && *account + size > g->limits.group_bytes_max) is_full = true;
        if (is_full) return false;
    }
    g->memory_bytes += size;
    if (account != NULL) *account += size;
    return true;
}

void groups_refund(struct groups *g, uint64_t *account, size_t size)
{
    g->memory_bytes -= size;
    if (account != NULL) *account -= size;
}

void *groups_take(struct groups *g, uint64_t *account, size_t size)
{
    size_t whole = size + sizeof(struct block);
    if (!groups_charge(g, account, whole)) return NULL;
    struct block *b = calloc(1, whole);
    if (b == NULL) {
        groups_refund(g, account, whole);
        return NULL;
    }
    b->size = whole;
    return b + 1;
}

void groups_give(struct groups *g, uint64_t *account, void *memory)
{
    if (memory == NULL) return;
    struct block *b = (struct block *)memory - 1;
    groups_refund(g, account, b->size);
    free(b);
}

bool groups_copy(struct groups *g, uint64_t *account, struct kafka_string *to, struct kafka_string from)
{
    struct kafka_string copy = {NULL, from.size};
    if (from.size > 0) {
        char *chars = groups_take(g, account, (size_t)from.size);
        if (chars == NULL) return false;
        memcpy(chars, from.chars, (size_t)from.size);
        copy.chars = chars;
    }
    groups_give(g, account, (void *)(uintptr_t)to->chars);
    *to = copy;
    return true;
}

bool groups_copy_bytes(struct groups *g, uint64_t *account, struct kafka_bytes *to, struct kafka_bytes from)
{
    struct kafka_string text = {(const char *)to->bytes, to->size};
    if (!groups_copy(g, account, &text, (struct kafka_string){(const char *)from.bytes, from.size})) return false;
    *to = (struct kafka_bytes){(const uint8_t *)text.chars, text.size};
    return true;
}

/* --- timers: a heap of groups by the earliest time at which one may have something to do --- */

static void heap_put(struct groups *g, struct group *group, uint32_t index)
{
    g->heap[index] = group;
    group->heap_index = index;
}

static void heap_up(struct groups *g, uint32_t index)
{
    struct group *group = g->heap[index];
    while (index > 0 && g->heap[(index - 1) / 2]->deadline_ms > group->deadline_ms) {
        heap_put(g, g->heap[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    heap_put(g, group, index);
}

static void heap_down(struct groups *g, uint32_t index)
{
    struct group *group = g->heap[index];
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= g->group_count) break;
        if (child + 1 < g->group_count && g->heap[child + 1]->deadline_ms < g->heap[child]->deadline_ms) child++;
        if (g->heap[child]->deadline_ms >= group->deadline_ms) break;
        heap_put(g, g->heap[child], index);
        index = child;
    }
    heap_put(g, group, index);
}

static bool heap_add(struct groups *g, struct group *group)
{
    if (g->group_count == g->heap_room) {
        uint32_t room = g->heap_room == 0 ? 64 : 2 * g->heap_room;
        struct group **heap = realloc(g->heap, room * sizeof *heap);
        if (heap == NULL) return false;
        g->heap = heap;
        g->heap_room = room;
    }
    heap_put(g, group, g->group_count++);
    heap_up(g, group->heap_index);
    return true;
}

static void heap_remove(struct groups *g, struct group *group)
{
    uint32_t index = group->heap_index;
    struct group *last = g->heap[--g->group_count];
    if (last == group) return;
    heap_put(g, last, index);
    heap_up(g, index);
    heap_down(g, last->heap_index);
}

void group_timer(struct groups *g, struct group *group, uint64_t deadline_ms)
{
    if (deadline_ms >= group->deadline_ms) return;
    group->deadline_ms = deadline_ms;
    heap_up(g, group->heap_index);
}

static uint64_t min_ms(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The exact time of the group's earliest timer; group->deadline_ms may be earlier. */
static uint64_t earliest_timer(const struct group *group)
{
    uint64_t earliest = min_ms(group->join_deadline_ms, group->sync_deadline_ms);
    for (const struct member *m = group->members; m != NULL; m = m->next)
        earliest = min_ms(earliest, m->session_deadline_ms);
    for (const struct pending_member *p = group->pending; p != NULL; p = p->next)
        earliest = min_ms(earliest, p->deadline_ms);
    if (group->consumers != NULL) earliest = min_ms(earliest, consumers_earliest_timer(group));
    return earliest;
}

void groups_advance(struct groups *g, uint64_t now_ms, int64_t wall_ms)
{
    INVARIANT(now_ms >= g->now_ms && now_ms < GROUP_NEVER_MS);
    g->now_ms = now_ms;
    g->wall_ms = wall_ms;
    if (g->is_loading) return;
    while (g->group_count > 0 && g->heap[0]->deadline_ms <= now_ms) {
        struct group *group = g->heap[0];
        rebalance_timers(g, group);
        if (g->group_count == 0 || g->heap[0] != group) continue; /* it is gone */
        group->deadline_ms = earliest_timer(group);
        if (group->deadline_ms <= now_ms) group->deadline_ms = now_ms + 1; /* a timer that fires again at once */
        heap_down(g, 0);
    }
    if (g->retention_due_ms <= now_ms) {
        offsets_retain(g);
        g->retention_due_ms = now_ms + GROUP_RETENTION_CHECK_MS;
    }
}

uint64_t groups_next_ms(const struct groups *g)
{
    return min_ms(g->retention_due_ms, g->group_count == 0 ? GROUP_NEVER_MS : g->heap[0]->deadline_ms);
}

/* --- the groups --- */

static uint32_t bucket_of(struct kafka_string id)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (int32_t i = 0; i < id.size; i++) hash = (hash ^ (uint8_t)id.chars[i]) * 16777619u;
    return (hash ^ hash >> 15) % GROUP_HASH_BUCKETS;
}

struct group *groups_find(struct groups *g, struct kafka_string id)
{
    struct group *group = g->bucket[bucket_of(id)];
    while (group != NULL && !kafka_string_equal(group->id, id)) group = group->hash_next;
    return group;
}

struct group *groups_create(struct groups *g, struct kafka_string id)
{
    if (!g->is_loading && g->group_count >= g->limits.groups_max) return NULL;
    struct group *group = groups_take(g, NULL, sizeof *group);
    if (group == NULL) return NULL;
    group->deadline_ms = group->join_deadline_ms = group->sync_deadline_ms = GROUP_NEVER_MS;
    group->protocol_type = group->protocol = kafka_string_null();
    group->state_since_ms = g->wall_ms;
    if (!groups_copy(g, NULL, &group->id, id) || !heap_add(g, group)) {
        groups_give(g, NULL, (void *)(uintptr_t)group->id.chars);
        groups_give(g, NULL, group);
        return NULL;
    }
    struct group **bucket = &g->bucket[bucket_of(id)];
    group->hash_next = *bucket;
    *bucket = group;
    group->next = g->list;
    group->link = &g->list;
    if (group->next != NULL) group->next->link = &group->next;
    g->list = group;
    return group;
}

void groups_remove(struct groups *g, struct group *group)
{
    INVARIANT(group->member_count == 0);
    if (group->record_number > g->removed_number) g->removed_number = group->record_number;
    if (group->offset_number > g->removed_number) g->removed_number = group->offset_number;
    while (group->pending != NULL) pending_remove(g, group, group->pending);
    consumers_free(g, group);
    while (group->offsets != NULL) offset_remove(g, group, group->offsets, false);
    struct group **at = &g->bucket[bucket_of(group->id)];
    while (*at != group) at = &(*at)->hash_next;
    *at = group->hash_next;
    *group->link = group->next;
    if (group->next != NULL) group->next->link = group->link;
    heap_remove(g, group);
    INVARIANT(group->member_bytes == 0 && group->offset_bytes == 0);
    groups_give(g, NULL, (void *)(uintptr_t)group->id.chars);
    groups_give(g, NULL, group);
}

void groups_remove_if_void(struct groups *g, struct group *group)
{
    if (group->state == GROUP_EMPTY && group->members == NULL && group->pending == NULL && group->offsets == NULL &&
        !group->has_record)
        groups_remove(g, group);
}

void group_enter(struct groups *g, struct group *group, enum group_state state)
{
    group->state = state;
    group->state_since_ms = g->wall_ms;
}

/* --- open, close, look --- */

enum err groups_open(struct groups **out, const struct group_limits *limits, const struct groups_host *host)
{
    struct groups *g = calloc(1, sizeof *g);
    if (g == NULL) return ERR_NO_MEMORY;
    enum err e = topic_matcher_open(&g->matcher);
    if (e != ERR_OK) {
        free(g);
        return e;
    }
    g->limits = *limits;
    g->host = *host;
    g->retention_due_ms = GROUP_NEVER_MS; /* until loaded */
    g->is_loading = true;
    *out = g;
    return ERR_OK;
}

void groups_close(struct groups *g)
{
    if (g == NULL) return;
    while (g->list != NULL) {
        struct group *group = g->list;
        while (group->members != NULL) {
            group->members->awaits_join = group->members->awaits_sync = false; /* nobody is left to answer to */
            member_remove(g, group, group->members, KAFKA_NONE);
        }
        consumers_free(g, group);
        groups_remove(g, group);
    }
    INVARIANT(g->memory_bytes == 0);
    free(g->rows);
    free(g->topic_rows);
    free(g->record_rows);
    free(g->heap);
    topic_matcher_close(g->matcher);
    free(g);
}

struct groups_stats groups_stats_of(const struct groups *g)
{
    struct groups_stats stats = g->stats;
    stats.group_count = g->group_count;
    stats.memory_bytes = g->memory_bytes;
    stats.pattern_matches = topic_matcher_count(g->matcher);
    for (const struct group *group = g->list; group != NULL; group = group->next) {
        stats.member_count += group->member_count;
        stats.offset_count += group->offset_count;
    }
    return stats;
}

const char *group_state_name(const struct group *group)
{
    if (group->consumers != NULL) return consumers_state_name(group);
    static const char *const names[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"};
    return names[group->state];
}

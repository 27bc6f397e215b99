#include "dataplane/kafka/fetch_session.h"

#include <string.h>

enum { ROOM_MIN = 4, SLOT_BITS = FETCH_SESSIONS_MAX - 1 };

enum err fetch_sessions_init(struct fetch_sessions *s)
{
    uint64_t seed;
    random_secret(&seed, sizeof seed); /* ids are not to be guessed from outside */
    memset(s, 0, sizeof *s);
    random_init(&s->random, seed);
    return buffer_arena_init(&s->arena, FETCH_SESSION_BYTES_MAX);
}

void fetch_sessions_fini(struct fetch_sessions *s) { buffer_arena_fini(&s->arena); }

size_t fetch_sessions_memory_bytes(void) { return sizeof(struct fetch_sessions) + FETCH_SESSION_BYTES_MAX; }

/* An id's low bits are its slot. */
struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id, uint64_t owner)
{
    struct fetch_session *session = &s->slot[(uint32_t)id & SLOT_BITS];
    return id > 0 && session->id == id && session->owner == owner ? session : NULL;
}

void fetch_session_close(struct fetch_sessions *s, struct fetch_session *session)
{
    buffer_give(&s->arena, session->entry);
    *session = (struct fetch_session){.id = 0};
    s->open--;
}

void fetch_session_advance(struct fetch_session *session, uint64_t now_ns)
{
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_ns = now_ns;
}

/* Makes room for a session of `count` entries at the cost of another; false: none has to go. */
static bool evict(struct fetch_sessions *s, uint32_t count, uint64_t now_ns)
{
    const uint64_t idle_ns = (uint64_t)FETCH_SESSION_IDLE_S * 1000000000;
    struct fetch_session *oldest = NULL, *smallest = NULL;
    for (uint32_t i = 0; i < FETCH_SESSIONS_MAX; i++) {
        struct fetch_session *x = &s->slot[i];
        if (x->id == 0) continue;
        if (oldest == NULL || x->used_ns < oldest->used_ns) oldest = x;
        bool may_yield = now_ns - x->opened_ns > idle_ns && x->count < count;
        if (may_yield && (smallest == NULL || x->count < smallest->count)) smallest = x;
    }
    if (oldest == NULL) return false;
    struct fetch_session *victim = now_ns - oldest->used_ns > idle_ns ? oldest : smallest;
    if (victim == NULL) return false;
    fetch_session_close(s, victim);
    s->evicted++;
    return true;
}

static void entries_free(struct fetch_session *x, uint16_t from, uint16_t to)
{
    for (uint16_t i = from; i < to; i++) {
        x->entry[i].next = x->free;
        x->free = i;
    }
}

struct fetch_session *fetch_session_open(struct fetch_sessions *s, uint64_t owner, bool by_id, uint32_t count,
                                         uint64_t now_ns)
{
    if (count == 0 || count > FETCH_SESSION_ENTRIES_MAX) return NULL;
    uint16_t room = (uint16_t)(count < ROOM_MIN ? ROOM_MIN : count);
    struct fetch_entry *entry = buffer_take(&s->arena, room * sizeof *entry);
    while ((entry == NULL || s->open == FETCH_SESSIONS_MAX) && evict(s, count, now_ns))
        if (entry == NULL) entry = buffer_take(&s->arena, room * sizeof *entry);
    if (entry == NULL || s->open == FETCH_SESSIONS_MAX) {
        buffer_give(&s->arena, entry);
        return NULL;
    }
    uint32_t slot = (uint32_t)random_below(&s->random, FETCH_SESSIONS_MAX);
    while (s->slot[slot].id != 0) slot = (slot + 1) & SLOT_BITS;
    uint32_t high = 1 + (uint32_t)random_below(&s->random, INT32_MAX / FETCH_SESSIONS_MAX); /* so no id is 0 */
    struct fetch_session *x = &s->slot[slot];
    *x = (struct fetch_session){.id = (int32_t)(high * FETCH_SESSIONS_MAX + slot), .epoch = 1, .by_id = by_id,
        .owner = owner, .opened_ns = now_ns, .used_ns = now_ns, .entry = entry, .room = room,
        .first = FETCH_ENTRY_NONE, .last = FETCH_ENTRY_NONE, .free = FETCH_ENTRY_NONE};
    entries_free(x, 0, room);
    s->open++;
    return x;
}

static void order_remove(struct fetch_session *x, uint16_t at)
{
    struct fetch_entry *e = &x->entry[at];
    if (e->previous == FETCH_ENTRY_NONE) x->first = e->next;
    else x->entry[e->previous].next = e->next;
    if (e->next == FETCH_ENTRY_NONE) x->last = e->previous;
    else x->entry[e->next].previous = e->previous;
}

static void order_append(struct fetch_session *x, uint16_t at)
{
    struct fetch_entry *e = &x->entry[at];
    e->next = FETCH_ENTRY_NONE;
    e->previous = x->last;
    if (x->last == FETCH_ENTRY_NONE) x->first = at;
    else x->entry[x->last].next = at;
    x->last = at;
}

static bool is_entry_of(const struct fetch_session *x, const struct fetch_entry *e, const struct fetch_topic_key *topic,
                        int32_t partition)
{
    if (e->asked.partition != partition) return false;
    if (x->by_id) return memcmp(&e->topic_id, &topic->id, sizeof e->topic_id) == 0;
    return topic->name.size == e->name_bytes && memcmp(e->name, topic->name.chars, e->name_bytes) == 0;
}

static uint16_t entry_find(const struct fetch_session *x, const struct fetch_topic_key *topic, int32_t partition)
{
    uint16_t at = x->first;
    while (at != FETCH_ENTRY_NONE && !is_entry_of(x, &x->entry[at], topic, partition)) at = x->entry[at].next;
    return at;
}

static bool grow(struct fetch_sessions *s, struct fetch_session *x)
{
    uint32_t room = 2u * x->room;
    if (room > FETCH_SESSION_ENTRIES_MAX) room = FETCH_SESSION_ENTRIES_MAX;
    struct fetch_entry *larger = room == x->room ? NULL : buffer_take(&s->arena, room * sizeof *larger);
    if (larger == NULL) return false;
    memcpy(larger, x->entry, x->room * sizeof *larger);
    buffer_give(&s->arena, x->entry);
    x->entry = larger;
    entries_free(x, x->room, (uint16_t)room);
    x->room = (uint16_t)room;
    return true;
}

struct fetch_entry *fetch_session_put(struct fetch_sessions *s, struct fetch_session *x,
                                      const struct fetch_topic_key *topic, const struct fetch_request_partition *asked)
{
    uint16_t at = entry_find(x, topic, asked->partition);
    if (at == FETCH_ENTRY_NONE) {
        if (!x->by_id && (topic->name.size < 0 || topic->name.size >= LOG_NAME_BYTES)) return NULL;
        if (x->free == FETCH_ENTRY_NONE && !grow(s, x)) return NULL;
        at = x->free;
        struct fetch_entry *e = &x->entry[at];
        x->free = e->next;
        *e = (struct fetch_entry){.topic_id = topic->id, .high_watermark = -1, .log_start_offset = -1};
        if (!x->by_id) {
            e->name_bytes = (uint8_t)topic->name.size;
            memcpy(e->name, topic->name.chars, e->name_bytes);
        }
        order_append(x, at);
        x->count++;
    }
    x->entry[at].asked = *asked;
    return &x->entry[at];
}

void fetch_session_forget(struct fetch_session *x, const struct fetch_topic_key *topic, int32_t partition)
{
    uint16_t at = entry_find(x, topic, partition);
    if (at == FETCH_ENTRY_NONE) return;
    order_remove(x, at);
    x->entry[at].next = x->free;
    x->free = at;
    x->count--;
}

void fetch_session_to_end(struct fetch_session *x, struct fetch_entry *entry)
{
    uint16_t at = (uint16_t)(entry - x->entry);
    order_remove(x, at);
    order_append(x, at);
}

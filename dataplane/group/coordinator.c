/* The thread: loads, then turns.  A turn takes storage's answers, bursts of requests and another thread's question;
 * then hands the new records to storage in one batch and the answers that may leave to the lcores.  Between turns it
 * sleeps until the next timer of a group; nothing here ticks. */
#include "dataplane/group/coordinator.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fnv.h"
#include "base/invariant.h"
#include "base/log.h"
#include "base/random.h"
#include "dataplane/group/coordinator_state.h"
#include "dataplane/group/topic_pattern.h"
#include "dataplane/kafka/offsets_topic.h"

/* --- what the state machine asks for --- */

static uint64_t store_offset(void *context, const struct offset_commit_key *key,
                             const struct offset_commit_value *value)
{
    struct coordinator *c = context;
    counter_add(c->count.commits, 1);
    return offsets_store_offset(&c->store, key, value);
}

static uint64_t store_group(void *context, const struct group_metadata_key *key,
                            const struct group_metadata_value *value)
{
    struct coordinator *c = context;
    return offsets_store_group(&c->store, key, value);
}

static uint64_t store_consumer(void *context, enum consumer_record kind, const struct consumer_record_key *key,
                               const void *value)
{
    struct coordinator *c = context;
    return offsets_store_consumer(&c->store, kind, key, value);
}

/* Every topic there is; what points into the logs is good until the turn ends. */
static struct group_topics topics(void *context)
{
    struct coordinator *c = context;
    struct group_topics out = {.topics = c->topics};
    uint64_t version = 14695981039346656037u; /* FNV-1a over the ids */
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        const struct log *l = log_at(c->config.storage, i);
        static const struct kafka_uuid none;
        if (l == NULL || log_identity(l)->is_internal) continue;
        struct group_topic *t = &c->topics[out.count];
        t->name = kafka_string_of(log_identity(l)->name);
        log_topic_id(log_identity(l), t->id.bytes);
        if (memcmp(&t->id, &none, sizeof none) == 0) continue; /* clients could not tell which it is */
        out.count++;
        version = fnv1a(version, t->id.bytes, sizeof t->id.bytes);
    }
    out.version = version == 0 ? 1 : version;
    return out;
}

static int32_t topic_partitions(void *context, struct kafka_string topic)
{
    struct coordinator *c = context;
    if (topic.size <= 0 || topic.size >= LOG_NAME_BYTES) return 0;
    const struct log *l = log_find(c->config.storage, topic.chars, (size_t)topic.size);
    if (l == NULL) return 0;
    return log_identity(l)->is_internal ? OFFSETS_TOPIC_PARTITIONS : 1;
}

static void random_fill(void *context, void *bytes, size_t size)
{
    struct coordinator *c = context;
    if (c->config.is_simulated) random_bytes(&c->random, bytes, size);
    else random_secret(bytes, size);
}

/* --- loading --- */

static void become_unavailable(struct coordinator *c, const char *why)
{
    if (c->phase == COORDINATOR_UNAVAILABLE) return;
    log_error("coordinator", "%s; group requests that need the log are refused until a restart", why);
    c->phase = COORDINATOR_UNAVAILABLE;
}

static unsigned load(struct coordinator *c)
{
    struct err_msg msg;
    c->reader_waits = false;
    enum err e = offsets_loader_step(&c->loader, c->groups, &msg);
    if (e == ERR_AGAIN) {
        c->reader_waits = log_reader_poll(c->reader) == 0;
        return c->reader_waits ? 0 : 1;
    }
    if (e == ERR_OK && c->loader.next_offset < c->loader.end_offset) return 1;
    if (e == ERR_OK) {
        e = groups_load_done(c->groups);
        if (e != ERR_OK) err_set(&msg, e, "no memory for the groups in the log");
    }
    if (e == ERR_OK) {
        struct groups_stats stats = groups_stats_of(c->groups);
        offsets_topic_publish(&c->ends, c->loader.end_offset);
        atomic_store_explicit(&c->ends.is_known, true, memory_order_release); /* pairs with offsets_topic_look */
        c->phase = COORDINATOR_RUNNING;
        c->store.stale_bytes = c->loader.read_bytes;
        log_info("coordinator", "%u groups with %u members and %u offsets from %llu records", stats.group_count,
                 stats.member_count, stats.offset_count, (unsigned long long)c->loader.record_count);
    } else {
        groups_close(c->groups); /* half of the truth is worse than none */
        c->groups = NULL;
        become_unavailable(c, msg.text);
    }
    offsets_loader_close(&c->loader);
    return 1;
}

/* --- other threads' questions --- */

static void summarize(void *context, const struct group_view *view)
{
    struct coordinator_command *command = context;
    if ((!view->has_commit && !view->is_subscribed) || command->count == command->max) return;
    struct group_summary *out = &command->out.groups[command->count++];
    *out = (struct group_summary){.member_count = view->member_count, .committed_offset = UINT64_MAX};
    memcpy(out->group_id, view->group_id.chars, (size_t)view->group_id.size); /* at most GROUP_ID_BYTES_MAX */
    memcpy(out->state, view->state, strlen(view->state));
    if (!view->has_commit) return;
    out->committed_offset = (uint64_t)view->committed_offset;
    out->commit_time_ms = view->commit_time_ms;
}

static void copy_cut(char *out, size_t out_bytes, struct kafka_string from)
{
    snprintf(out, out_bytes, "%.*s", from.size < 0 ? 0 : (int)from.size, from.size < 0 ? "" : from.chars);
}

static void summarize_member(void *context, const struct group_member_view *view)
{
    struct coordinator_command *command = context;
    if (command->count == command->max) return;
    struct group_member_summary *out = &command->out.members[command->count++];
    copy_cut(out->member_id, sizeof out->member_id, view->id);
    copy_cut(out->client_id, sizeof out->client_id, view->client_id);
    copy_cut(out->host, sizeof out->host, view->client_host);
    out->is_active = view->is_active;
}

static void command_done(struct coordinator *c, enum err result)
{
    c->command.result = result;
    atomic_store_explicit(&c->command_state, COMMAND_DONE, memory_order_release); /* pairs with is_answered */
    if (!c->config.is_simulated) waiter_wake(&c->command_waiter);
}

/* Does it, at most once; ERR_OK: done, or on its way to the disk. */
static enum err begin_command(struct coordinator *c, struct coordinator_command *command)
{
    struct kafka_string group = kafka_string_of(command->group == NULL ? "" : command->group);
    struct kafka_string topic = kafka_string_of(command->topic == NULL ? "" : command->topic);
    switch (command->kind) {
    case COMMAND_GROUPS: groups_each(c->groups, topic, summarize, command); break;
    case COMMAND_MEMBERS: groups_each_member(c->groups, group, topic, summarize_member, command); break;
    case COMMAND_FORGET_TOPIC: command->after = groups_forget_topic(c->groups, topic); break;
    case COMMAND_FORGET_GROUP: command->after = groups_forget_group(c->groups, group); break;
    case COMMAND_MOVE:
        if (c->store.failure != ERR_OK) return ERR_IO;
        return groups_move_checkpoint(c->groups, group, topic, (int64_t)command->offset, &command->after);
    }
    return ERR_OK;
}

static unsigned run_command(struct coordinator *c)
{
    if (c->phase == COORDINATOR_LOADING) return 0;
    if (atomic_load_explicit(&c->command_state, memory_order_acquire) != COMMAND_SENT) return 0; /* pairs with ask */
    struct coordinator_command *command = &c->command;
    bool was_taken = command->is_taken;
    enum err e = c->groups == NULL ? ERR_STATE : was_taken ? ERR_OK : begin_command(c, command);
    bool is_durable = command->after <= c->store.durable_number;
    command->is_taken = true;
    if (e == ERR_OK && !is_durable && c->store.failure == ERR_OK && !c->config.is_simulated) return was_taken ? 0 : 1;
    command_done(c, e == ERR_OK && !is_durable && c->store.failure != ERR_OK ? ERR_IO : e);
    return 1;
}

static bool is_answered(struct coordinator *c)
{
    return atomic_load_explicit(&c->command_state, memory_order_acquire) == COMMAND_DONE; /* pairs with command_done */
}

static void ask(struct coordinator *c, const struct coordinator_command *command)
{
    c->command = *command;
    atomic_store_explicit(&c->command_state, COMMAND_SENT, memory_order_release); /* pairs with run_command */
    if (!c->config.is_simulated) waiter_wake(&c->waiter);
    while (!is_answered(c)) {
        if (c->config.is_simulated) {
            coordinator_step(c);
            continue;
        }
        waiter_announce(&c->command_waiter);
        if (!is_answered(c)) waiter_block(&c->command_waiter, -1);
        waiter_cancel(&c->command_waiter);
    }
}

/* Returns the command as it was done. */
static struct coordinator_command command(struct coordinator *c, const struct coordinator_command *asked)
{
    pthread_mutex_lock(&c->command_lock);
    ask(c, asked);
    struct coordinator_command done = c->command;
    pthread_mutex_unlock(&c->command_lock);
    return done;
}

uint32_t coordinator_groups(struct coordinator *c, const char *topic, struct group_summary *out, uint32_t max)
{
    return command(c, &(struct coordinator_command){
        .kind = COMMAND_GROUPS, .topic = topic, .out.groups = out, .max = max}).count;
}

uint32_t coordinator_group_members(struct coordinator *c, const char *group_id, const char *topic,
                                   struct group_member_summary *out, uint32_t max)
{
    return command(c, &(struct coordinator_command){
        .kind = COMMAND_MEMBERS, .group = group_id, .topic = topic, .out.members = out, .max = max}).count;
}

enum err coordinator_move_checkpoint(struct coordinator *c, const char *group_id, const char *topic, uint64_t offset)
{
    return command(c, &(struct coordinator_command){
        .kind = COMMAND_MOVE, .group = group_id, .topic = topic, .offset = offset}).result;
}

enum err coordinator_forget_topic(struct coordinator *c, const char *topic)
{
    return command(c, &(struct coordinator_command){.kind = COMMAND_FORGET_TOPIC, .topic = topic}).result;
}

enum err coordinator_forget_group(struct coordinator *c, const char *group_id)
{
    return command(c, &(struct coordinator_command){.kind = COMMAND_FORGET_GROUP, .group = group_id}).result;
}

/* --- a turn --- */

static unsigned take_requests(struct coordinator *c)
{
    unsigned taken = 0;
    for (uint32_t i = 0; i < c->config.link_count; i++) {
        struct link_side *side = &c->side[i];
        unsigned from_this = 0;
        /* Back-pressure: answers that do not leave, records that storage does not take, a snapshot that is due. */
        while (from_this < COORDINATOR_BURST && side->overflow.first == NULL && c->store.first == NULL &&
               !offsets_store_wants_snapshot(&c->store)) {
            uint32_t size;
            const struct link_request *request = ring_spsc_next(&side->link.to_coordinator, &size);
            if (request == NULL) break;
            coordinator_request(c, i, request);
            from_this++;
        }
        if (from_this == 0) continue;
        ring_spsc_release(&side->link.to_coordinator);
        side->has_answers = true; /* at least the room is news to the lcore */
        taken += from_this;
    }
    return taken;
}

/* Requests wait (a few flushes, every OFFSETS_SNAPSHOT_BYTES) until all earlier records are durable. */
static unsigned take_snapshot(struct coordinator *c)
{
    if (c->phase != COORDINATOR_RUNNING || !offsets_store_wants_snapshot(&c->store)) return 0;
    if (!offsets_store_is_idle(&c->store)) return 0;
    offsets_store_begin_snapshot(&c->store);
    groups_store_all(c->groups);
    offsets_store_end_snapshot(&c->store);
    log_info("coordinator", "wrote %llu bytes of live offsets; what lies before them may go",
             (unsigned long long)c->store.live_bytes);
    counter_add(c->count.snapshots, 1);
    return 1;
}

static void publish_counters(struct coordinator *c)
{
    if (c->groups == NULL || c->now_ns < c->counters_due_ns) return;
    struct groups_stats stats = groups_stats_of(c->groups);
    counter_set(c->count.groups, stats.group_count);
    counter_set(c->count.members, stats.member_count);
    counter_set(c->count.rebalances, stats.rebalances);
    counter_set(c->count.refused, stats.refused_for_limits);
    c->counters_due_ns = c->now_ns + 1000000000u;
}

unsigned coordinator_step(struct coordinator *c)
{
    unsigned work = 0;
    c->now_ns = clock_monotonic_ns(c->config.clock);
    int64_t wall_ms = (int64_t)clock_realtime_ms(c->config.clock);
    c->store.wall_ms = wall_ms;
    log_reader_quiesce(c->reader); /* before the first look at a log in this turn */
    work += offsets_store_poll(&c->store);
    if (c->store.failure != ERR_OK && c->phase == COORDINATOR_RUNNING)
        become_unavailable(c, "the log of group offsets stopped writing");
    work += coordinator_release(c);
    work += coordinator_drain(c);
    if (c->groups != NULL) groups_advance(c->groups, c->now_ns / 1000000 + 1, wall_ms);
    if (c->phase == COORDINATOR_LOADING) work += load(c);
    work += take_snapshot(c);
    work += take_requests(c);
    work += run_command(c);
    work += offsets_store_flush(&c->store) ? 1 : 0;
    coordinator_commit_answers(c);
    publish_counters(c);
    log_reader_rest(c->reader);
    return work;
}

uint64_t coordinator_next_ns(const struct coordinator *c)
{
    uint64_t retry_ns = c->now_ns + COORDINATOR_RETRY_MS * UINT64_C(1000000);
    if (c->reader_waits) return retry_ns;
    for (uint32_t i = 0; i < c->config.link_count; i++)
        if (c->side[i].overflow.first != NULL) return retry_ns;
    uint64_t next_ms = c->groups == NULL ? GROUP_NEVER_MS : groups_next_ms(c->groups);
    return next_ms == GROUP_NEVER_MS ? UINT64_MAX : (next_ms - 1) * 1000000; /* as coordinator_step counts them */
}

/* --- the thread --- */

static int sleep_ms(const struct coordinator *c)
{
    uint64_t next_ns = coordinator_next_ns(c);
    if (next_ns == UINT64_MAX) return -1;
    uint64_t now_ns = clock_monotonic_ns(c->config.clock);
    if (next_ns <= now_ns) return 0;
    uint64_t wait_ms = (next_ns - now_ns + 999999) / 1000000;
    return wait_ms > 3600000 ? 3600000 : (int)wait_ms;
}

static void *body(void *argument)
{
    struct coordinator *c = argument;
    while (!atomic_load_explicit(&c->stop, memory_order_acquire)) { /* pairs with coordinator_stop */
        if (coordinator_step(c) > 0 || c->config.spin) continue;
        waiter_announce(&c->waiter);
        if (coordinator_step(c) == 0 && !atomic_load_explicit(&c->stop, memory_order_acquire))
            waiter_block(&c->waiter, sleep_ms(c));
        waiter_cancel(&c->waiter);
    }
    return NULL;
}

enum err coordinator_start(struct coordinator *c, struct err_msg *msg)
{
    for (uint32_t i = 0; i < c->config.link_count; i++) INVARIANT(c->side[i].link.serve_waiter != NULL);
    if (c->config.is_simulated) return ERR_OK;
    enum err e = thread_start(&c->thread, "coordinator", c->config.core, body, c);
    if (e != ERR_OK) return err_set(msg, e, "the group coordinator's thread does not start: %s", err_text(e));
    c->thread_runs = true;
    return ERR_OK;
}

void coordinator_stop(struct coordinator *c)
{
    if (c == NULL) return;
    if (c->thread_runs) {
        atomic_store_explicit(&c->stop, true, memory_order_release); /* pairs with body */
        waiter_wake(&c->waiter);
        pthread_join(c->thread, NULL);
    }
    if (c->feed_is_ours) log_feed_leave(c->config.offsets_feed);
    if (c->side != NULL) coordinator_drop_held(c);
    offsets_loader_close(&c->loader);
    offsets_store_close(&c->store);
    groups_close(c->groups);
    if (c->reader != NULL) log_reader_close(c->reader);
    for (uint32_t i = 0; c->side != NULL && i < c->config.link_count; i++) {
        ring_spsc_fini(&c->side[i].link.to_coordinator);
        ring_spsc_fini(&c->side[i].link.to_serve);
    }
    waiter_fini(&c->waiter);
    waiter_fini(&c->command_waiter);
    pthread_mutex_destroy(&c->command_lock);
    free(c->side);
    free(c->arena.bytes);
    free(c->frame);
    free(c);
}

/* --- opening --- */

/* For structs that keep their threads' members on different cache lines. */
static void *aligned_zeros(size_t size)
{
    size_t whole = (size + CACHE_LINE_PAIR - 1) / CACHE_LINE_PAIR * CACHE_LINE_PAIR;
    void *memory = aligned_alloc(CACHE_LINE_PAIR, whole);
    if (memory != NULL) memset(memory, 0, whole);
    return memory;
}

static enum err open_links(struct coordinator *c)
{
    for (uint32_t i = 0; i < c->config.link_count; i++) {
        struct link_side *side = &c->side[i];
        side->link.coordinator_waiter = &c->waiter;
        TRY(ring_spsc_init(&side->link.to_coordinator, LINK_REQUEST_RING_BYTES));
        TRY(ring_spsc_init(&side->link.to_serve, LINK_ANSWER_RING_BYTES));
    }
    return ERR_OK;
}

static void open_counters(struct coordinator *c)
{
    struct counters *counters = c->config.counters;
    c->count = (struct coordinator_counters){
        .requests = counters_add(counters, COUNTER_COUNT, "coordinator_requests", ""),
        .closed = counters_add(counters, COUNTER_COUNT, "coordinator_connections_closed", ""),
        .commits = counters_add(counters, COUNTER_COUNT, "coordinator_offsets_committed", ""),
        .groups = counters_add(counters, COUNTER_GAUGE, "coordinator_groups", ""),
        .members = counters_add(counters, COUNTER_GAUGE, "coordinator_members", ""),
        .snapshots = counters_add(counters, COUNTER_COUNT, "coordinator_snapshots", ""),
        .rebalances = counters_add(counters, COUNTER_COUNT, "coordinator_rebalances", ""),
        .refused = counters_add(counters, COUNTER_COUNT, "coordinator_refused_for_limits", ""),
        .durable_ns = counters_add_histogram(counters, "coordinator_durable_ns", ""),
    };
}

static enum err open_parts(struct coordinator *c, struct err_msg *msg)
{
    const struct coordinator_config *config = &c->config;
    struct group_limits limits = {
        .groups_max = config->groups_max, .members_max = COORDINATOR_MEMBERS_MAX,
        .group_bytes_max = COORDINATOR_GROUP_BYTES_MAX, .memory_bytes_max = COORDINATOR_MEMORY_MAX,
        .session_timeout_min_ms = SESSION_TIMEOUT_MIN_MS, .session_timeout_max_ms = SESSION_TIMEOUT_MAX_MS,
        .consumer_session_timeout_ms = config->consumer_session_timeout_ms,
        .initial_rebalance_delay_ms = config->initial_rebalance_delay_ms,
        .offsets_retention_ms = config->offsets_retention_ms,
    };
    struct groups_host host = {
        .context = c, .answer = coordinator_answer, .store_offset = store_offset, .store_group = store_group,
        .store_consumer = store_consumer, .topics = topics, .topic_partitions = topic_partitions,
        .random_bytes = random_fill,
    };
    c->side = aligned_zeros(config->link_count * sizeof *c->side);
    c->arena = (struct kafka_arena){malloc(COORDINATOR_ARENA_BYTES), COORDINATOR_ARENA_BYTES, 0};
    c->frame = malloc(LINK_FRAME_BYTES_MAX);
    if (c->side == NULL || c->arena.bytes == NULL || c->frame == NULL) return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < config->link_count; i++) c->side[i].overflow.last = &c->side[i].overflow.first;
    TRY(open_links(c));
    TRY(offsets_store_open(&c->store, config->offsets_feed, &c->ends));
    limits.member_record_bytes_max = c->store.batch_bytes_max - OFFSETS_RECORD_OVERHEAD;
    TRY(groups_open(&c->groups, &limits, &host));
    TRY(log_reader_open(&c->reader, config->storage, config->reader_index, NULL, msg));
    return offsets_loader_open(&c->loader, c->reader, config->offsets_log, &c->ends);
}

enum err coordinator_open(struct coordinator **out, const struct coordinator_config *config, struct err_msg *msg)
{
    struct coordinator *c = aligned_zeros(sizeof *c);
    if (c == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the group coordinator");
    c->config = *config;
    c->held.last = &c->held.first;
    pthread_mutex_init(&c->command_lock, NULL);
    random_init(&c->random, config->random_seed);
    open_counters(c);
    enum err e = ERR_OK;
    waiter_init_simulated(&c->waiter);
    waiter_init_simulated(&c->command_waiter);
    if (!config->is_simulated) e = waiter_init(&c->waiter);
    if (e == ERR_OK && !config->is_simulated) e = waiter_init(&c->command_waiter);
    if (e == ERR_OK) e = open_parts(c, msg);
    if (e != ERR_OK) {
        coordinator_stop(c);
        return err_set(msg, e, "the group coordinator does not open: %s", err_text(e));
    }
    config->offsets_feed->producer_waiter = &c->waiter;
    c->feed_is_ours = true;
    *out = c;
    return ERR_OK;
}

struct coordinator_link *coordinator_link_of(struct coordinator *c, uint32_t index)
{
    INVARIANT(index < c->config.link_count);
    return &c->side[index].link;
}

const struct offsets_topic_ends *coordinator_offsets_ends(const struct coordinator *c) { return &c->ends; }

uint64_t coordinator_memory_bytes(const struct coordinator_config *config)
{
    uint64_t links = (uint64_t)config->link_count * (LINK_REQUEST_RING_BYTES + LINK_ANSWER_RING_BYTES);
    return links + COORDINATOR_ARENA_BYTES + LINK_FRAME_BYTES_MAX + COORDINATOR_MEMORY_MAX +
           offsets_store_memory_bytes() + OFFSETS_LOAD_BYTES + TOPIC_MATCHER_BYTES_MAX;
}

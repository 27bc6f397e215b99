/* The dataplane as a whole: its sockets, its serve threads, the coordinator behind them. */
#include "dataplane/serve.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/thread.h"
#include "dataplane/auth/authority.h"
#include "dataplane/group/coordinator.h"
#include "dataplane/port_both.h"
#include "dataplane/port_kernel.h"
#include "dataplane/port_tls.h"
#include "dataplane/serve_lcore.h"
#include "dataplane/serve_sim.h"
#include "ring/log_feed.h"

enum { DRAIN_MS_MAX = 2000, DISK_LOOK_MS = 1000, CLUSTER_ID_BYTES = 64, LOG_DIR_BYTES = 1024 };

struct serve_thread {
    struct serve_lcore *lcore; /* cache-line aligned by its waiter */
    struct dataplane *dataplane;
    int      listen_fd[LISTENERS_MAX], core; /* -1: none, or given to the port */
    bool     is_running;
    pthread_t thread;
    sem_t    started; /* posted once `error` is final */
    enum err error;
    struct err_msg msg;
};

struct dataplane {
    struct dataplane_config config; /* its pointers are not used any more once it runs */
    char     cluster_id[CLUSTER_ID_BYTES], log_dir[LOG_DIR_BYTES];
    struct disk_space disk;
    uint64_t disk_due_ns; /* not before: the next look at it */
    struct listener listener[LISTENERS_MAX];
    struct tls_listener tls[LISTENERS_MAX]; /* the same, as port_tls sees them */
    uint32_t listener_count;
    bool     has_tls;
    struct storage *storage;
    struct account_uses *uses; /* NULL: accounts have no limits */
    const struct clock *clock;
    struct counters *counters;
    const struct chunk_pool *pool;
    uint16_t past_kernel[LISTENERS_MAX]; /* ports at the DPDK device, 0: the listener is the kernel's */
    uint32_t past_count;
    struct port_dpdk_device *device; /* where past_count > 0 */
    struct coordinator *coordinator;
    struct authority *authority;
    _Atomic bool stop;
    uint32_t thread_count;
    struct serve_thread *threads;
};

static uint32_t past_kernel_count(const struct dataplane_config *config)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->listener_count; i++) count += config->listeners[i].is_past_kernel;
    return count;
}

/* Connections of a serve thread: connections_max at each of its ports. */
static uint32_t connections_of(const struct dataplane_config *config)
{
    uint32_t past = past_kernel_count(config);
    return config->connections_max * (past > 0 && past < config->listener_count ? 2 : 1);
}

static struct port_dpdk_config device_config(const struct dataplane_config *config)
{
    struct port_dpdk_config device = config->dpdk;
    device.lcores = config->serve_thread_count;
    return device;
}

static struct serve_config lcore_config(const struct dataplane_config *config, uint32_t index)
{
    return (struct serve_config){.index = index, .thread_count = config->serve_thread_count,
                                 .connections_max = connections_of(config),
                                 .request_bytes_max = config->request_bytes_max,
                                 .send_pinned_bytes_max = config->send_pinned_bytes_max,
                                 .large_bytes = config->plain_bytes_max,
                                 .session_lifetime_ms = config->session_lifetime_ms, .spin = config->spin};
}

static struct authority_config login_config(const struct dataplane_config *config)
{
    return (struct authority_config){.link_count = config->serve_thread_count, .accounts_max = config->accounts_max};
}

static struct coordinator_config group_config(const struct dataplane_config *config)
{
    return (struct coordinator_config){
        .reader_index = config->serve_thread_count, .link_count = config->serve_thread_count, .core = -1,
        .initial_rebalance_delay_ms = config->group_initial_rebalance_delay_ms,
        .consumer_session_timeout_ms = config->group_consumer_session_timeout_ms,
        .offsets_retention_ms = config->offsets_retention_ms, .groups_max = config->groups_max, .spin = config->spin,
    };
}

/* --- a serve thread --- */

static enum err lcore_open(struct serve_thread *t, struct port *port, bool is_simulated, uint32_t index)
{
    struct dataplane *d = t->dataplane;
    struct serve_config config = lcore_config(&d->config, index);
    config.uses = d->uses;
    config.authority = authority_link_of(d->authority, index);
    if (is_simulated) waiter_init_simulated(&t->lcore->waiter);
    return serve_lcore_init(t->lcore, &config, d->listener, d->listener_count, port,
                            coordinator_link_of(d->coordinator, index), d->clock, d->counters, &t->msg);
}

static void lcore_drain(struct serve_lcore *s)
{
    uint64_t until = clock_monotonic_ns(s->clock) + (uint64_t)DRAIN_MS_MAX * 1000000;
    serve_stop(s);
    while (!serve_is_drained(s) && clock_monotonic_ns(s->clock) < until)
        if (serve_step(s) == 0) port_wait(s->port, 1000000);
}

/* The thread's port: the kernel's, the one past it, or both as one; TLS above. */
static enum err ports_open(struct serve_thread *t, struct port **out)
{
    struct dataplane *d = t->dataplane;
    struct port *kernel = NULL, *past = NULL;
    uint32_t each = d->config.connections_max;
    if (d->past_count < d->listener_count)
        TRY(port_kernel_open(&kernel, t->listen_fd, d->listener_count, each, d->pool, &t->msg));
    for (uint32_t i = 0; i < LISTENERS_MAX; i++) t->listen_fd[i] = -1;
    enum err e = ERR_OK;
    if (d->past_count > 0)
        e = port_dpdk_open(&past, d->device, (uint32_t)(t - d->threads), d->past_kernel, d->listener_count, each,
                           d->clock, &t->msg);
    if (e != ERR_OK) {
        if (kernel != NULL) port_fini(kernel);
        return e;
    }
    *out = kernel == NULL ? past : kernel;
    if (kernel != NULL && past != NULL) TRY(port_both_open(out, kernel, each, past, &t->msg));
    if (!d->has_tls) return ERR_OK;
    return port_tls_open(out, *out, d->tls, d->listener_count, connections_of(&d->config), d->clock, &t->msg);
}

static void *serve_thread_run(void *argument)
{
    struct serve_thread *t = argument;
    struct dataplane *d = t->dataplane;
    struct port *port;
    t->error = ports_open(t, &port);
    if (t->error == ERR_OK) t->error = lcore_open(t, port, false, (uint32_t)(t - d->threads));
    enum err error = t->error;
    sem_post(&t->started);
    if (error != ERR_OK) return NULL;
    while (!atomic_load_explicit(&d->stop, memory_order_acquire)) { /* pairs with dataplane_stop */
        if (serve_step(t->lcore) == 0 && !d->config.spin) serve_sleep(t->lcore);
    }
    lcore_drain(t->lcore);
    serve_lcore_fini(t->lcore);
    return NULL;
}

static enum err serve_thread_start(struct serve_thread *t, struct err_msg *msg)
{
    char name[16];
    snprintf(name, sizeof name, "serve-%u", (unsigned)(t - t->dataplane->threads));
    enum err e = thread_start(&t->thread, name, t->core, serve_thread_run, t);
    if (e != ERR_OK) return err_set(msg, e, "cannot start serve thread %s on core %d: %s", name, t->core, err_text(e));
    t->is_running = true;
    while (sem_wait(&t->started) != 0) {}
    if (t->error != ERR_OK && msg != NULL) *msg = t->msg;
    return t->error;
}

/* --- start and stop --- */

static void dataplane_free(struct dataplane *d)
{
    for (uint32_t i = 0; i < d->thread_count; i++) /* all first: they wake each other */
        if (d->threads[i].is_running) pthread_join(d->threads[i].thread, NULL);
    coordinator_stop(d->coordinator); /* they wake serve threads, so they end before what they wake */
    authority_stop(d->authority);
    for (uint32_t i = 0; i < d->thread_count; i++) {
        struct serve_thread *t = &d->threads[i];
        for (uint32_t l = 0; l < LISTENERS_MAX; l++)
            if (t->listen_fd[l] >= 0) close(t->listen_fd[l]);
        if (t->lcore != NULL) waiter_fini(&t->lcore->waiter);
        sem_destroy(&t->started);
        free(t->lcore);
    }
    for (uint32_t i = 0; i < d->listener_count; i++) listener_fini(&d->listener[i]);
    account_uses_close(d->uses);
    free(d->threads);
    free(d);
}

static enum err dataplane_new(struct dataplane **out, const struct dataplane_config *config, struct storage *storage,
                              const struct clock *clock, struct counters *counters, struct err_msg *msg)
{
    struct dataplane *d = calloc(1, sizeof *d);
    struct serve_thread *threads = calloc(config->serve_thread_count, sizeof *threads);
    if (d == NULL || threads == NULL) {
        free(d);
        free(threads);
        return err_set(msg, ERR_NO_MEMORY, "no memory for the serve threads");
    }
    d->config = *config;
    d->clock = clock;
    d->counters = counters;
    d->threads = threads;
    d->storage = storage;
    d->past_count = past_kernel_count(config);
    const struct account_limits *limits = &config->account_limits;
    if ((limits->connections_max != 0 || limits->bytes_per_s_max != 0 || limits->inflight_bytes_max != 0) &&
        account_uses_open(&d->uses, limits) != ERR_OK) {
        dataplane_free(d);
        return err_set(msg, ERR_NO_MEMORY, "no memory for the accounts' limits");
    }
    snprintf(d->cluster_id, sizeof d->cluster_id, "%s", config->cluster_id);
    snprintf(d->log_dir, sizeof d->log_dir, "%s", config->log_dir == NULL ? "" : config->log_dir);
    dataplane_look_at_disk(d, clock_monotonic_ns(clock));
    struct node node = {.storage = storage, .cluster_id = kafka_string_of(d->cluster_id), .log_dir = d->log_dir,
                        .disk = &d->disk,
                        .fetch_bytes_max = config->fetch_bytes_max, .settings = config->storage};
    node.settings.request_bytes_max = config->request_bytes_max;
    node.settings.fetch_bytes_max = config->fetch_bytes_max;
    node.settings.initial_rebalance_delay_ms = config->group_initial_rebalance_delay_ms;
    node.settings.offsets_retention_ms = (int64_t)config->offsets_retention_ms;
    INVARIANT(config->listener_count >= 1 && config->listener_count <= LISTENERS_MAX);
    for (; d->listener_count < config->listener_count; d->listener_count++) {
        struct listener *l = &d->listener[d->listener_count];
        struct listener_config of_listener = config->listeners[d->listener_count];
        if (of_listener.request_bytes_max == 0) of_listener.request_bytes_max = config->request_bytes_max;
        enum err e = listener_init(l, &of_listener, &node, msg);
        if (e != ERR_OK) {
            dataplane_free(d);
            return e;
        }
        if (of_listener.is_past_kernel) d->past_kernel[d->listener_count] = of_listener.port;
        d->tls[d->listener_count] = (struct tls_listener){.name = l->name, .context = l->tls};
        if (l->tls != NULL) d->has_tls = true;
    }
    for (uint32_t i = 0; i < config->serve_thread_count; i++) {
        struct serve_thread *t = &threads[i];
        t->dataplane = d;
        for (uint32_t l = 0; l < LISTENERS_MAX; l++) t->listen_fd[l] = -1;
        t->core = config->serve_cores == NULL ? -1 : config->serve_cores[i];
        sem_init(&t->started, 0, 0);
        d->thread_count++;
        t->lcore = aligned_alloc(_Alignof(struct serve_lcore), sizeof *t->lcore);
        if (t->lcore == NULL) {
            dataplane_free(d);
            return err_set(msg, ERR_NO_MEMORY, "no memory for the serve threads");
        }
        memset(t->lcore, 0, sizeof *t->lcore);
        waiter_init_simulated(&t->lcore->waiter);
    }
    *out = d;
    return ERR_OK;
}

static enum err groups_open(struct dataplane *d, struct coordinator_config *config, struct log *offsets_log,
                            struct log_feed *offsets_feed, struct err_msg *msg)
{
    config->storage = d->storage;
    config->offsets_log = offsets_log;
    config->offsets_feed = offsets_feed;
    config->clock = d->clock;
    config->counters = d->counters;
    TRY(coordinator_open(&d->coordinator, config, msg));
    for (uint32_t i = 0; i < d->listener_count; i++)
        d->listener[i].node.offsets_ends = coordinator_offsets_ends(d->coordinator);
    for (uint32_t i = 0; i < d->thread_count; i++)
        coordinator_link_of(d->coordinator, i)->serve_waiter = &d->threads[i].lcore->waiter;
    return ERR_OK;
}

static enum err authority_begin(struct dataplane *d, bool is_simulated, struct err_msg *msg)
{
    const struct dataplane_config *c = &d->config;
    struct authority_config config = login_config(c);
    config.clock = d->clock;
    config.counters = d->counters;
    config.is_simulated = is_simulated;
    TRY(authority_open(&d->authority, &config, msg));
    for (uint32_t i = 0; i < d->thread_count; i++)
        authority_link_of(d->authority, i)->serve_waiter = &d->threads[i].lcore->waiter;
    if (c->salt_key != NULL && dataplane_set_accounts(d, c->accounts, c->account_count, c->salt_key) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory for the accounts");
    return authority_start(d->authority, msg);
}

enum err dataplane_set_accounts(struct dataplane *d, const struct account *accounts, uint32_t count,
                                const uint8_t salt_key[DIRECTORY_KEY_BYTES])
{
    struct directory *made;
    TRY(directory_new(&made, accounts, count, salt_key));
    authority_set_directory(d->authority, made);
    return ERR_OK;
}

/* Opens a listener's sockets, one for each serve thread. */
static enum err listener_open(struct dataplane *d, uint32_t index, struct err_msg *msg)
{
    struct listener *l = &d->listener[index];
    uint16_t port = d->past_kernel[index];
    if (port != 0) {
        listener_bound(l, port);
        return ERR_OK;
    }
    int *fds = calloc(d->thread_count, sizeof *fds);
    if (fds == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the listening sockets");
    enum err e = port_kernel_listen(l->host, d->config.listeners[index].port, d->thread_count, fds, &port, msg);
    for (uint32_t i = 0; e == ERR_OK && i < d->thread_count; i++) d->threads[i].listen_fd[index] = fds[i];
    free(fds);
    if (e == ERR_OK) listener_bound(l, port);
    return e;
}

/* Listens and starts everything; on failure the caller stops what runs. */
static enum err dataplane_run(struct dataplane *d, struct log *offsets_log, struct log_feed *offsets_feed,
                              struct err_msg *msg)
{
    const struct dataplane_config *config = &d->config;
    struct port_dpdk_config device = device_config(config);
    if (d->past_count > 0) TRY(port_dpdk_start(&d->device, &device, d->pool, msg));
    for (uint32_t i = 0; i < d->listener_count; i++) TRY(listener_open(d, i, msg));
    for (uint32_t i = 0; i < d->thread_count; i++)
        if (waiter_init(&d->threads[i].lcore->waiter) != ERR_OK)
            return err_set(msg, ERR_IO, "no eventfd for a serve thread: raise the limit of open files (ulimit -n)");
    struct coordinator_config groups = group_config(config);
    TRY(groups_open(d, &groups, offsets_log, offsets_feed, msg));
    TRY(coordinator_start(d->coordinator, msg));
    TRY(authority_begin(d, false, msg));
    for (uint32_t i = 0; i < d->thread_count; i++) TRY(serve_thread_start(&d->threads[i], msg));
    return ERR_OK;
}

enum err dataplane_start(struct dataplane **out, const struct dataplane_config *config, struct storage *storage,
                         struct log *offsets_log, struct log_feed *offsets_feed, const struct clock *clock,
                         struct counters *counters, struct err_msg *msg)
{
    struct dataplane *d;
    TRY(dataplane_new(&d, config, storage, clock, counters, msg));
    d->pool = offsets_feed->pool;
    enum err e = dataplane_run(d, offsets_log, offsets_feed, msg);
    if (e != ERR_OK) {
        dataplane_stop(d);
        return e;
    }
    for (uint32_t i = 0; i < d->listener_count; i++) {
        const struct listener *l = &d->listener[i];
        log_info("dataplane", "listener %s: Kafka clients are served at %s port %u (advertised as %s:%d)%s", l->name,
                 l->host, l->port, l->advertised_host, l->node.port, l->tls != NULL ? " by TLS" : "");
    }
    *out = d;
    return ERR_OK;
}

void dataplane_stop(struct dataplane *d)
{
    if (d == NULL) return;
    atomic_store_explicit(&d->stop, true, memory_order_release); /* pairs with serve_thread_run */
    for (uint32_t i = 0; i < d->thread_count; i++) {
        struct serve_thread *t = &d->threads[i];
        if (t->is_running) waiter_wake(&t->lcore->waiter);
        else if (t->lcore->port != NULL) serve_lcore_fini(t->lcore); /* simulated */
    }
    dataplane_free(d);
}

void dataplane_reload_certificates(struct dataplane *d)
{
    for (uint32_t i = 0; i < d->listener_count; i++) {
        struct err_msg msg = {.code = ERR_OK};
        if (d->listener[i].tls == NULL || tls_context_reload(d->listener[i].tls, &msg) == ERR_OK) continue;
        log_error("dataplane", "the certificates were not read again, those of before stay: %s", msg.text);
    }
}

void dataplane_look_at_disk(struct dataplane *d, uint64_t now_ns)
{
    struct statvfs fs;
    if (now_ns < d->disk_due_ns) return;
    d->disk_due_ns = now_ns + (uint64_t)DISK_LOOK_MS * 1000000;
    bool is_known = statvfs(d->log_dir, &fs) == 0;
    int64_t total_bytes = is_known ? (int64_t)((uint64_t)fs.f_blocks * fs.f_frsize) : -1;
    int64_t usable_bytes = is_known ? (int64_t)((uint64_t)fs.f_bavail * fs.f_frsize) : -1;
    atomic_store_explicit(&d->disk.total_bytes, total_bytes, memory_order_relaxed); /* two numbers, each by itself */
    atomic_store_explicit(&d->disk.usable_bytes, usable_bytes, memory_order_relaxed);
}

uint16_t dataplane_port(const struct dataplane *d, uint32_t listener) { return d->listener[listener].port; }

uint64_t dataplane_memory_bytes(const struct dataplane_config *config)
{
    struct serve_config lcore = lcore_config(config, 0);
    struct coordinator_config groups = group_config(config);
    struct authority_config logins = login_config(config);
    uint32_t past = past_kernel_count(config);
    uint64_t port_bytes = past < config->listener_count ? port_kernel_memory_bytes(config->connections_max) : 0;
    struct port_dpdk_config device = device_config(config);
    if (past > 0) port_bytes += port_dpdk_memory_bytes(&device, config->connections_max);
    bool has_tls = false;
    for (uint32_t i = 0; i < config->listener_count; i++)
        has_tls = has_tls || tls_config_is_set(&config->listeners[i].tls);
    if (has_tls) port_bytes += port_tls_memory_bytes(connections_of(config));
    return config->serve_thread_count * (serve_lcore_memory_bytes(&lcore) + port_bytes) +
           coordinator_memory_bytes(&groups) + authority_memory_bytes(&logins);
}

bool dataplane_lcore(const struct dataplane *d, uint32_t lcore, struct lcore_view *out)
{
    if (lcore >= d->thread_count) return false;
    const struct serve_counters *c = &d->threads[lcore].lcore->counters;
    *out = (struct lcore_view){.busy_ns = counter_get(c->busy_ns), .idle_ns = counter_get(c->idle_ns),
                               .backpressured_ns = counter_get(c->backpressured_ns),
                               .connections = counter_get(c->connections), .port_count = c->port_count};
    for (uint32_t i = 0; i < c->port_count; i++) port_counters_view(&c->port[i], &out->port[i]);
    return true;
}

struct port_dpdk_device *dataplane_device(const struct dataplane *d) { return d->device; }

uint32_t dataplane_groups(struct dataplane *d, const char *topic, struct group_summary *out, uint32_t max)
{
    return coordinator_groups(d->coordinator, topic, out, max);
}

uint32_t dataplane_group_members(struct dataplane *d, const char *group_id, const char *topic,
                                 struct group_member_summary *out, uint32_t max)
{
    return coordinator_group_members(d->coordinator, group_id, topic, out, max);
}

enum err dataplane_move_checkpoint(struct dataplane *d, const char *group_id, const char *topic, uint64_t offset)
{
    return coordinator_move_checkpoint(d->coordinator, group_id, topic, offset);
}

uint64_t dataplane_served_bytes(const struct dataplane *d, const struct log *log)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < d->thread_count; i++)
        bytes += atomic_load_explicit(&d->threads[i].lcore->served_bytes[log_slot(log)], memory_order_relaxed);
    return bytes;
}

enum err dataplane_forget_group(struct dataplane *d, const char *group_id)
{
    return coordinator_forget_group(d->coordinator, group_id);
}

enum err dataplane_forget_topic(struct dataplane *d, const char *topic)
{
    return coordinator_forget_topic(d->coordinator, topic);
}

/* --- without threads --- */

enum err dataplane_start_simulated(struct dataplane **out, const struct dataplane_config *config,
                                   struct storage *storage, struct log *offsets_log, struct log_feed *offsets_feed,
                                   const struct clock *clock, struct counters *counters, struct port *port,
                                   uint64_t seed, struct err_msg *msg)
{
    struct dataplane *d;
    struct dataplane_config one = *config;
    one.serve_thread_count = 1;
    enum err e = dataplane_new(&d, &one, storage, clock, counters, msg);
    if (e != ERR_OK) {
        port_fini(port);
        return e;
    }
    for (uint32_t i = 0; i < d->listener_count; i++) listener_bound(&d->listener[i], config->listeners[i].port);
    struct coordinator_config groups = group_config(&one);
    groups.is_simulated = true;
    groups.random_seed = seed;
    e = groups_open(d, &groups, offsets_log, offsets_feed, msg);
    if (e == ERR_OK) e = coordinator_start(d->coordinator, msg);
    if (e == ERR_OK) e = authority_begin(d, true, msg);
    if (e != ERR_OK) {
        port_fini(port);
    } else {
        e = lcore_open(&d->threads[0], port, true, 0);
        if (e != ERR_OK && msg != NULL) *msg = d->threads[0].msg;
    }
    if (e != ERR_OK) {
        dataplane_stop(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

unsigned dataplane_step(struct dataplane *d)
{
    unsigned work = serve_step(d->threads[0].lcore);
    work += authority_step(d->authority);
    return work + coordinator_step(d->coordinator);
}

uint64_t dataplane_next_ns(const struct dataplane *d)
{
    uint64_t lcore = serve_next_ns(d->threads[0].lcore), groups = coordinator_next_ns(d->coordinator);
    return lcore < groups ? lcore : groups;
}

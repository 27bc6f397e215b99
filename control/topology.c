#include "control/topology.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "control/channel.h"
#include "control/channel_store.h"
#include "control/history.h"
#include "control/log_lookup.h"
#include "formats/record_batch.h"

/* clang-format off */
/*
 * thread            count               core          produces into                      consumes from
 * control           1, the main thread  -             commands to storage                -
 * storage           1                   storage_core  leases to each producer;           batches of each capture,
 *                                                     hints to all readers (ring_bcast)  appends of the coordinator
 * storage's helper  1                   -             prepared segments                  -
 * storage-crew      7, at start and end -             -                                  -
 * capture           one a channel       -             batches to storage                 its leases
 * serve             serve_thread_count  serve_cores   requests to the coordinator        its answers; storage's hints
 * coordinator       1                   -             answers to each serve thread;      requests of each serve thread;
 *                                                     appends to storage                 storage's acknowledgements
 * alert             one a target     -             results (a lock, an eventfd)       notices of control
 * precheck          as needed           -             a verdict (a flag, an eventfd)     -
 * log-attach        one a start         -             an open log (a flag, an eventfd)   -
 *
 * Every ring has one producing and one consuming thread.  Readers of the log, by index: the serve threads 0..n-1, the
 * coordinator n, control n+1.
 */
/* clang-format on */

enum { INDEX_INTERVAL_BYTES = 4096, COUNTER_SLOTS = 8192, OFFSETS_RETRY_MS_MIN = 1000, OFFSETS_RETRY_MS_MAX = 60000 };

static struct storage_config storage_config_of(const struct config *c)
{
    return (struct storage_config){
        .data_folder = c->data_folder,
        .chunk_bytes = (uint32_t)c->chunk_bytes,
        .chunk_count = (uint32_t)c->chunk_count,
        .leases_per_log = CONFIG_LEASES_PER_LOG,
        .tail_chunks_per_log = (uint32_t)c->tail_chunks_per_log,
        .segment_bytes = (uint64_t)c->segment_bytes,
        .retention_ms = (uint64_t)c->retention_ms,
        .retention_bytes = (uint64_t)c->retention_bytes,
        .flush_interval_us = (uint32_t)c->flush_interval_us,
        .index_interval_bytes = INDEX_INTERVAL_BYTES,
        .uring_depth = (uint32_t)c->uring_depth,
        .reader_count = (uint32_t)c->serve_thread_count + 2,
        .reader_cache_bytes = (uint32_t)c->reader_cache_bytes,
        .reader_inflight_bytes_max = (uint64_t)c->cold_read_inflight_bytes_max / (uint64_t)c->serve_thread_count,
        .retired_bytes_max = (uint64_t)c->retired_bytes_max,
        .record_bytes_max = (uint32_t)c->record_bytes_max,
        .core = (int)c->storage_core,
    };
}

static enum client_certificates client_certificates_of(const char *word)
{
    if (strcmp(word, "required") == 0) return CLIENT_CERTIFICATES_REQUIRED;
    return strcmp(word, "optional") == 0 ? CLIENT_CERTIFICATES_OPTIONAL : CLIENT_CERTIFICATES_NONE;
}

/* `listeners` (CONFIG_LISTENERS_MAX) are filled and stay with the result. */
static struct dataplane_config dataplane_config_of(const struct config *c, const char *cluster_id,
                                                   struct listener_config *listeners)
{
    for (uint32_t i = 0; i < c->listener_count; i++) {
        const struct config_listener *l = &c->listeners[i];
        listeners[i] = (struct listener_config){
            .name = l->name,
            .host = l->address,
            .port = (uint16_t)l->port,
            .advertised_host = l->advertised_host,
            .advertised_port = (uint16_t)l->advertised_port,
            .is_past_kernel = strcmp(l->network, "dpdk") == 0,
            .needs_login = strcmp(l->authentication, "required") == 0,
            .tls = {.certificate = l->tls_certificate, .key = l->tls_key, .client_ca = l->tls_client_ca,
                    .client_certificates = client_certificates_of(l->client_certificates)},
            .login_timeout_ms = (uint32_t)l->login_timeout_ms,
            .idle_timeout_ms = (uint32_t)l->idle_timeout_ms,
            .request_timeout_ms = (uint32_t)l->request_timeout_ms,
            .connections_max = (uint32_t)l->connections_max,
            .request_bytes_max = (uint32_t)l->request_bytes_max,
            .inflight_bytes_max = (uint64_t)l->inflight_bytes_max,
        };
    }
    return (struct dataplane_config){
        .listeners = listeners,
        .listener_count = c->listener_count,
        .serve_thread_count = (uint32_t)c->serve_thread_count,
        .dpdk = {.device = c->dpdk_device, .address = c->dpdk_address, .gateway = c->dpdk_gateway,
                 .address6 = c->dpdk_address6, .gateway6 = c->dpdk_gateway6, .mtu = (uint16_t)c->dpdk_mtu,
                 .vlan = (uint16_t)c->dpdk_vlan, .huge_pages = c->dpdk_huge_pages},
        .serve_cores = c->serve_cores.count == 0 ? NULL : c->serve_cores.core,
        .connections_max = (uint32_t)c->connections_max,
        .request_bytes_max = (uint32_t)c->request_bytes_max,
        .fetch_bytes_max = (uint32_t)c->fetch_bytes_max,
        .send_pinned_bytes_max = (uint64_t)c->send_pinned_bytes_max,
        .plain_bytes_max = record_batch_plain_bytes_max((uint64_t)c->record_bytes_max, (uint64_t)c->chunk_bytes),
        .group_initial_rebalance_delay_ms = (uint32_t)c->group_initial_rebalance_delay_ms,
        .group_consumer_session_timeout_ms = (int32_t)c->group_consumer_session_timeout_ms,
        .offsets_retention_ms = (uint64_t)c->offsets_retention_ms,
        .groups_max = (uint32_t)c->groups_max,
        .cluster_id = cluster_id,
        .accounts_max = accounts_max_of((uint32_t)c->channels_max, (uint32_t)c->groups_per_channel_max),
        .account_limits = {.connections_max = (uint32_t)c->account_connections_max,
                           .bytes_per_s_max = (uint64_t)c->account_bytes_per_s_max,
                           .inflight_bytes_max = (uint64_t)c->account_inflight_bytes_max},
        .session_lifetime_ms = (uint64_t)c->session_lifetime_ms,
        .log_dir = c->data_folder,
        .storage = {.retention_ms = c->retention_ms, .retention_bytes = c->retention_bytes,
                    .segment_bytes = c->segment_bytes, .index_interval_bytes = INDEX_INTERVAL_BYTES,
                    .record_bytes_max = c->record_bytes_max},
        .spin = c->spin,
    };
}

static void memory_row_add(struct memory_table *t, const char *pool, const char *change, uint64_t bytes)
{
    t->row[t->row_count++] = (struct memory_row){pool, change, bytes};
    t->total_bytes += bytes;
}

void topology_memory(const struct config *c, struct memory_table *out)
{
    struct storage_config storage = storage_config_of(c);
    struct listener_config listeners[CONFIG_LISTENERS_MAX];
    struct dataplane_config dataplane = dataplane_config_of(c, "", listeners);
    const struct channel_spec spec = {.port = 0};
    struct capture_config capture;
    channel_capture_config(c, &spec, &capture);
    *out = (struct memory_table){.row_count = 0};
    struct storage_memory logs;
    storage_memory(&storage, &logs);
    memory_row_add(out, "storage: chunks", "chunk_count, chunk_bytes", logs.chunks_bytes);
    memory_row_add(out, "storage: readers' caches",
                   "reader_cache_bytes, record_bytes_max, chunk_bytes, serve_thread_count", logs.readers_bytes);
    memory_row_add(out, "storage: rings and indexes of the logs",
                   "channels_max, segment_bytes, tail_chunks_per_log",
                   (uint64_t)(c->channels_max + 1) * logs.log_bytes);
    memory_row_add(out, "storage: rings to its helper and readers", "uring_depth", logs.rings_bytes);
    memory_row_add(out, "serving: connections and groups",
                   "connections_max, request_bytes_max, record_bytes_max, groups_max, serve_thread_count, dpdk_mtu, "
                   "listeners with TLS",
                   dataplane_memory_bytes(&dataplane));
    memory_row_add(out, "captures: one for each channel that may be started",
                   "captures_max, packet_bytes_max, record_bytes_max",
                   (uint64_t)c->captures_max * capture_memory_bytes(&capture));
    memory_row_add(out, "history for the console's charts", "channels_max",
                   (uint64_t)c->channels_max * history_memory_bytes());
    memory_row_add(out, "counters", "-", (uint64_t)COUNTER_SLOTS * COUNTERS_SLOT_BYTES);
}

static enum err check_memory(struct instance *in, struct err_msg *msg)
{
    topology_memory(&in->config, &in->memory);
    const struct memory_table *t = &in->memory;
    bool fits = t->total_bytes <= (uint64_t)in->config.memory_max_bytes;
    enum log_level level = fits ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR;
    for (uint32_t i = 0; i < t->row_count; i++)
        log_line(level, "control", "memory: %12" PRIu64 " bytes  %s (%s)", t->row[i].bytes, t->row[i].pool,
                 t->row[i].change);
    log_line(level, "control", "memory: %12" PRIu64 " bytes  in all; memory_max_bytes is %" PRId64, t->total_bytes,
             in->config.memory_max_bytes);
    if (fits) return ERR_OK;
    return err_set(msg, ERR_NO_MEMORY,
                   "the pools need %" PRIu64 " bytes, memory_max_bytes is %" PRId64
                   "; raise it, or lower the keys named in the table above",
                   t->total_bytes, in->config.memory_max_bytes);
}

/* mkdir -p, for the owner alone. */
static enum err make_data_folder(const char *path, struct err_msg *msg)
{
    char part[CONFIG_TEXT_BYTES];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return err_set(msg, ERR_IO, "cannot create the data folder %s: %s", part, strerror(errno));
        if (kept == '\0') return ERR_OK;
        *at = kept;
    }
}

/* The counter file stands beside the logs, but may only replace the old one once storage holds the folder's lock. */
static enum err start_storage(struct instance *in, struct err_msg *msg)
{
    char fresh[CONFIG_TEXT_BYTES + 48];
    TRY(make_data_folder(in->config.data_folder, msg));
    snprintf(in->counters_path, sizeof in->counters_path, "%s/counters", in->config.data_folder);
    snprintf(fresh, sizeof fresh, "%s/.counters.%ld", in->config.data_folder, (long)getpid());
    TRY(counters_open(&in->counters, fresh, COUNTER_SLOTS, msg));
    for (uint32_t i = 0; i < in->memory.row_count; i++) {
        char label[COUNTERS_LABEL_BYTES];
        snprintf(label, sizeof label, "pool=%.80s", in->memory.row[i].pool);
        counter_set(counters_add(in->counters, COUNTER_GAUGE, "memory_pool_bytes", label), in->memory.row[i].bytes);
    }
    struct storage_config config = storage_config_of(&in->config);
    enum err e = storage_start(&in->storage, &config, in->clock, in->counters, msg);
    if (e != ERR_OK) {
        in->storage = NULL;
        unlink(fresh);
        return e;
    }
    if (rename(fresh, in->counters_path) != 0)
        return err_set(msg, ERR_IO, "cannot put the counter file at %s: %s", in->counters_path, strerror(errno));
    return ERR_OK;
}

static enum err start_offsets_log(struct instance *in, struct err_msg *msg)
{
    struct log_identity identity = {.name = "__consumer_offsets", .is_internal = true};
    struct channel_life drawn;
    channel_life_init(&drawn);
    memcpy(identity.topic_id, drawn.topic_id, sizeof identity.topic_id);
    snprintf(identity.cluster_id, sizeof identity.cluster_id, "%s", drawn.cluster_id);
    enum err e = storage_log_open(in->storage, &identity, false, &in->offsets_log, &in->offsets_feed,
                                  &in->offsets_resume, msg);
    if (e == ERR_NOT_FOUND) /* the first start */
        e = storage_log_open(in->storage, &identity, true, &in->offsets_log, &in->offsets_feed, &in->offsets_resume,
                             msg);
    if (e != ERR_OK) {
        in->offsets_log = NULL;
        return e;
    }
    in->offsets_attached = true;
    snprintf(in->cluster_id, sizeof in->cluster_id, "%s", identity.cluster_id);
    return ERR_OK;
}

static enum err start_dataplane(struct instance *in, struct err_msg *msg)
{
    struct listener_config listeners[CONFIG_LISTENERS_MAX];
    struct dataplane_config config = dataplane_config_of(&in->config, in->cluster_id, listeners);
    config.accounts = in->accounts.list;
    config.account_count = in->accounts.count;
    config.salt_key = in->accounts.salt_key;
    enum err e = dataplane_start(&in->dataplane, &config, in->storage, in->offsets_log, in->offsets_feed, in->clock,
                                 in->counters, msg);
    if (e != ERR_OK) in->dataplane = NULL;
    return e;
}

void topology_accounts_changed(struct instance *in)
{
    const struct accounts *a = &in->accounts;
    if (in->dataplane == NULL) return; /* it gets them when it starts */
    if (dataplane_set_accounts(in->dataplane, a->list, a->count, a->salt_key) == ERR_OK) return;
    err_set(&in->offsets_error, ERR_NO_MEMORY, "no memory for the changed accounts");
    log_error("control", "%s: clients are put out and connect again", in->offsets_error.text);
    dataplane_stop(in->dataplane); /* nobody who is out stays in; topology_tick starts it again */
    in->dataplane = NULL;
    in->offsets_retry_ns = 0;
}

static enum err restore_one(void *context, struct channel_spec *spec, const struct channel_life *life,
                            struct err_msg *msg)
{
    return channel_restore(context, spec, life, msg);
}

static enum err start_all(struct instance *in, struct err_msg *msg)
{
    in->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    in->channel = calloc((size_t)in->config.channels_max, sizeof(struct channel *));
    in->groups = calloc(CHANNEL_GROUPS_MAX, sizeof *in->groups);
    if (in->wake_fd < 0 || in->channel == NULL || in->groups == NULL)
        return err_set(msg, ERR_NO_MEMORY, "no memory to start");
    TRY(check_memory(in, msg));
    TRY(start_storage(in, msg));
    TRY(channel_store_init(in->config.data_folder, msg));
    TRY(log_lookup_open(&in->lookup, in->storage, (uint32_t)in->config.serve_thread_count + 1, in->clock, msg));
    TRY(start_offsets_log(in, msg));
    TRY(accounts_open(&in->accounts, in->config.data_folder, (uint32_t)in->config.channels_max,
                      (uint32_t)in->config.groups_per_channel_max, msg));
    TRY(alerts_open(&in->alerts, in->config.data_folder, in->config.alert_programs_folder, in->clock, in->wake_fd,
                    msg));
    TRY(channel_store_load(in->config.data_folder, restore_one, in, msg));
    TRY(channels_restored(in, msg)); /* logs are open before the first client asks */
    TRY(start_dataplane(in, msg));
    for (uint32_t i = 0; i < in->channel_count; i++) channel_go_on(in, in->channel[i]);
    return ERR_OK;
}

enum err topology_start(struct instance *in, struct err_msg *msg)
{
    in->wake_fd = -1;
    in->started_ms = clock_realtime_ms(in->clock);
    enum err e = start_all(in, msg);
    if (e != ERR_OK) {
        topology_stop(in);
        return e;
    }
    in->is_ready = true;
    return ERR_OK;
}

static void detach_offsets_log(struct instance *in)
{
    struct err_msg why = {.code = ERR_OK};
    if (!in->offsets_attached) return;
    in->offsets_attached = false;
    if (storage_log_detach(in->storage, in->offsets_log, &why) != ERR_OK)
        log_warn("control", "the offsets log: %s", why.text);
}

void topology_stop(struct instance *in)
{
    in->is_ready = false;
    if (in->dataplane != NULL) dataplane_stop(in->dataplane); /* readers first: then logs can be closed */
    in->dataplane = NULL;
    while (in->channel_count > 0) channel_shut_down(in, in->channel[in->channel_count - 1]);
    channel_reap(in, true);
    if (in->offsets_log != NULL) {
        detach_offsets_log(in);
        storage_log_close(in->storage, in->offsets_log);
    }
    in->offsets_log = NULL;
    log_lookup_close(in->lookup);
    in->lookup = NULL;
    if (in->storage != NULL) storage_stop(in->storage);
    in->storage = NULL;
    accounts_close(&in->accounts);
    alerts_close(&in->alerts);
    counters_close(in->counters);
    in->counters = NULL;
    free(in->channel);
    in->channel = NULL;
    free(in->groups);
    in->groups = NULL;
    if (in->wake_fd >= 0) close(in->wake_fd);
    in->wake_fd = -1;
}

static bool disk_has_room(const struct instance *in)
{
    struct statvfs fs;
    if (statvfs(in->config.data_folder, &fs) != 0) return true; /* let the attempt tell */
    return (uint64_t)fs.f_bavail * fs.f_frsize >= (uint64_t)in->config.segment_bytes;
}

/* The offsets log stopped writing (its disk failed or is full): commits are refused, reading goes on.  Its producer
 * lives in the dataplane, so bringing it back means that clients reconnect once; that is tried only when there is room,
 * with growing pauses. */
static void follow_offsets_log(struct instance *in, uint64_t now_ns)
{
    struct err_msg why = {.code = ERR_OK};
    if (in->dataplane != NULL && storage_log_error(in->offsets_log, &why) == ERR_OK) {
        in->offsets_error.code = ERR_OK;
        in->offsets_pause_ms = 0;
        return;
    }
    if (in->offsets_error.code == ERR_OK) {
        in->offsets_error = why;
        log_error("control", "groups cannot commit: the offsets log: %s", why.text);
        in->offsets_retry_ns = now_ns + (uint64_t)OFFSETS_RETRY_MS_MIN * 1000000;
        return;
    }
    if (now_ns < in->offsets_retry_ns || (in->dataplane != NULL && !disk_has_room(in))) return;
    in->offsets_pause_ms = in->offsets_pause_ms == 0 ? OFFSETS_RETRY_MS_MIN : in->offsets_pause_ms * 2;
    if (in->offsets_pause_ms > OFFSETS_RETRY_MS_MAX) in->offsets_pause_ms = OFFSETS_RETRY_MS_MAX;
    in->offsets_retry_ns = now_ns + in->offsets_pause_ms * 1000000;
    if (in->dataplane != NULL) dataplane_stop(in->dataplane);
    in->dataplane = NULL;
    detach_offsets_log(in);
    enum err e = storage_log_attach(in->storage, in->offsets_log, &in->offsets_feed, &in->offsets_resume, &why);
    in->offsets_attached = e == ERR_OK;
    if (e == ERR_OK) e = start_dataplane(in, &why);
    if (e == ERR_OK)
        log_info("control", "the offsets log writes again; clients reconnect");
    else
        in->offsets_error = why;
}

void topology_tick(struct instance *in, uint64_t now_ns)
{
    follow_offsets_log(in, now_ns);
    if (in->dataplane != NULL) dataplane_look_at_disk(in->dataplane, now_ns);
    if (in->dataplane != NULL && dataplane_device(in->dataplane) != NULL)
        port_dpdk_watch(dataplane_device(in->dataplane), now_ns);
    log_lookup_tidy(in->lookup);
}

struct channel *instance_find_channel(const struct instance *in, const char *name)
{
    for (uint32_t i = 0; i < in->channel_count; i++)
        if (strcmp(in->channel[i]->spec.name, name) == 0) return in->channel[i];
    return NULL;
}

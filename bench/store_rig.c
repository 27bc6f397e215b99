#include "bench/store_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/invariant.h"

void ready_batch_make(struct ready_batch *b, uint32_t records, uint32_t value_bytes)
{
    struct record_batch_writer w;
    size_t room = RECORD_BATCH_HEADER_BYTES + (size_t)records * (value_bytes + RECORD_OVERHEAD_MAX + 64) + 64;
    b->bytes = malloc(room);
    INVARIANT(b->bytes != NULL);
    record_batch_begin(&w, b->bytes, room, 0, 0);
    const struct record_header end = {RECORD_HEADER_POSITION, sizeof RECORD_HEADER_POSITION - 1, "x", 1};
    for (uint32_t i = 0; i < records; i++) {
        uint8_t *value = record_batch_record_begin(&w, 1000, value_bytes, 40);
        INVARIANT(value != NULL);
        memset(value, (int)i, value_bytes);
        record_batch_record_end(&w, value_bytes, &end, i + 1 == records ? 1 : 0);
    }
    b->size = (uint32_t)record_batch_finish(&w);
    b->records = records;
}

static void leases_take(struct sender *s)
{
    uint32_t size;
    const struct feed_lease *m;
    while ((m = ring_spsc_next(&s->feed->to_producer, &size)) != NULL) {
        INVARIANT(m->kind == FEED_LEASE && s->lease_count < STORE_LEASES_MAX); /* else: the log has failed */
        s->lease[s->lease_count++] = m->chunk_index;
    }
    ring_spsc_release(&s->feed->to_producer);
}

static int32_t lease_next(struct sender *s)
{
    for (leases_take(s); s->lease_count == 0; leases_take(s)) {
        waiter_announce(&s->waiter);
        leases_take(s);
        if (s->lease_count == 0) waiter_block(&s->waiter, 100);
        waiter_cancel(&s->waiter);
    }
    int32_t chunk = (int32_t)s->lease[0];
    memmove(s->lease, s->lease + 1, --s->lease_count * sizeof *s->lease);
    return chunk;
}

void sender_send(struct sender *s, const struct ready_batch *batch)
{
    const struct chunk_pool *pool = s->feed->pool;
    bool roll = s->segment_position >= s->segment_bytes;
    struct feed_batch *b;
    while ((b = ring_spsc_claim(&s->feed->to_storage, sizeof *b)) == NULL) usleep(100);
    if (s->chunk == CHUNK_NONE || roll) {
        s->chunk = lease_next(s);
        if (roll) s->position = 0;
        if (roll) s->segment_position = 0;
    } else if (s->position + batch->size > pool->chunk_bytes) {
        uint32_t block = s->position / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES, part = s->position - block;
        int32_t next = lease_next(s);
        memcpy(chunk_at(pool, (uint32_t)next), chunk_at(pool, (uint32_t)s->chunk) + block, part);
        s->chunk = next;
        s->position = part;
    }
    uint8_t *at = chunk_at(pool, (uint32_t)s->chunk) + s->position;
    memcpy(at, batch->bytes, batch->size);
    record_batch_patch(at, s->next_offset, 0);
    *b = (struct feed_batch){FEED_BATCH,
                             (roll ? FEED_ROLL : 0) | FEED_TRANSACTION_END,
                             (uint32_t)s->chunk,
                             s->position,
                             batch->size,
                             batch->records,
                             s->next_offset,
                             1000,
                             0,
                             clock_monotonic_ns(clock_real())};
    s->position += batch->size;
    s->segment_position += batch->size;
    s->next_offset += batch->records;
    ring_spsc_commit(&s->feed->to_storage);
    waiter_wake(s->feed->storage_waiter);
}

void sender_drain(struct sender *s)
{
    struct err_msg msg;
    while (log_high_watermark(s->log) < s->next_offset) {
        INVARIANT(storage_log_error(s->log, &msg) == ERR_OK);
        usleep(100);
    }
}

static void must(enum err e, const struct err_msg *msg)
{
    if (e == ERR_OK) return;
    fprintf(stderr, "the store does not start: %s\n", msg->text);
    exit(1);
}

struct sender *store_rig_add(struct store_rig *r, struct log_identity *identity, uint64_t segment_bytes)
{
    struct err_msg msg = {.text = ""};
    struct sender *s = &r->sender[r->log_count++];
    char label[COUNTERS_LABEL_BYTES];
    snprintf(label, sizeof label, "channel=%.80s", identity->name);
    must(storage_log_open(r->storage, identity, true, &s->log, &s->feed, &s->resume, &msg), &msg);
    must(waiter_init(&s->waiter), &msg);
    s->feed->producer_waiter = &s->waiter;
    s->chunk = CHUNK_NONE;
    s->segment_bytes = segment_bytes;
    s->durable_ns = counters_add_histogram(r->counters, "storage_encoded_to_durable_ns", label);
    s->flushes = counters_add(r->counters, COUNTER_COUNT, "storage_flushes", label);
    s->recycled = counters_add(r->counters, COUNTER_COUNT, "storage_segments_recycled", label);
    return s;
}

void store_rig_up(struct store_rig *r, const struct storage_config *config, uint32_t log_count)
{
    struct err_msg msg = {.text = ""};
    memset(r, 0, sizeof *r);
    must(counters_open(&r->counters, NULL, 4000, &msg), &msg);
    must(storage_start(&r->storage, config, clock_real(), r->counters, &msg), &msg);
    for (uint32_t i = 0; i < log_count; i++) {
        struct log_identity identity = {.leader_epoch = 0};
        snprintf(identity.name, sizeof identity.name, "bench-%u", i);
        (void)store_rig_add(r, &identity, config->segment_bytes);
    }
}

void store_rig_down(struct store_rig *r)
{
    storage_stop(r->storage);
    for (uint32_t i = 0; i < r->log_count; i++) {
        waiter_fini(&r->sender[i].waiter);
        free(r->sender[i].resume.gtid_set);
    }
    counters_close(r->counters);
}

double thread_cpu_s(const char *name)
{
    double seconds = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *d; tasks != NULL && (d = readdir(tasks)) != NULL;) {
        char path[300], text[600];
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", d->d_name);
        FILE *in = fopen(path, "re");
        if (in == NULL) continue;
        size_t size = fread(text, 1, sizeof text - 1, in);
        fclose(in);
        text[size] = 0;
        const char *at = strstr(text, name) == NULL ? NULL : strrchr(text, ')');
        unsigned long user, system;
        if (at == NULL ||
            sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
            continue;
        seconds += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    if (tasks != NULL) closedir(tasks);
    return seconds;
}

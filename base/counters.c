#include "base/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char counters_magic[8] = "mrcount2";

struct counters_header {
    char     magic[8];
    uint32_t slot_count;
    uint32_t slot_bytes;
    uint8_t  reserved[COUNTERS_SLOT_BYTES - 16];
};

struct counter_slot {
    _Atomic uint32_t kind; /* enum counter_kind; written last */
    uint32_t         slots; /* this one and those it continues in */
    char             name[COUNTERS_NAME_BYTES];
    char             label[COUNTERS_LABEL_BYTES];
    struct counter   value;
    uint8_t          reserved[COUNTERS_SLOT_BYTES - 8 - COUNTERS_NAME_BYTES - COUNTERS_LABEL_BYTES - 8];
};
_Static_assert(sizeof(struct counters_header) == COUNTERS_SLOT_BYTES, "the header fills one slot");
_Static_assert(sizeof(struct counter_slot) == COUNTERS_SLOT_BYTES, "a slot's size is part of the file format");

struct counters {
    struct counters_header *header;
    struct counter_slot *slot;
    size_t               mapped_bytes;
    pthread_mutex_t      lock;
    struct counter       overflow;
    struct histogram     overflow_histogram;
};

static enum err counters_map(struct counters **out, int fd, size_t bytes, bool writable, struct err_msg *msg)
{
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *map = mmap(NULL, bytes, protection, flags, fd, 0);
    if (map == MAP_FAILED)
        return err_set(msg, ERR_NO_MEMORY, "cannot map %zu bytes of counters: %s", bytes, strerror(errno));
    struct counters *c = calloc(1, sizeof *c);
    if (c == NULL) {
        munmap(map, bytes);
        return err_set(msg, ERR_NO_MEMORY, "no memory for the counters");
    }
    c->header = map;
    c->slot = (struct counter_slot *)map + 1;
    c->mapped_bytes = bytes;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return ERR_OK;
}

enum err counters_open(struct counters **out, const char *path, uint32_t slot_count, struct err_msg *msg)
{
    size_t bytes = ((size_t)slot_count + 1) * COUNTERS_SLOT_BYTES;
    int fd = -1;
    if (path != NULL) {
        unlink(path);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0) return err_set(msg, ERR_IO, "cannot create the counter file %s: %s", path, strerror(errno));
        int rc = posix_fallocate(fd, 0, (off_t)bytes); /* a hole would be a SIGBUS on a full disk */
        if (rc != 0) {
            close(fd);
            unlink(path);
            return err_set(msg, rc == ENOSPC ? ERR_NO_SPACE : ERR_IO, "cannot reserve the counter file %s: %s", path,
                           strerror(rc));
        }
    }
    enum err e = counters_map(out, fd, bytes, true, msg);
    if (fd >= 0) close(fd);
    if (e != ERR_OK) return e;
    (*out)->header->slot_count = slot_count;
    (*out)->header->slot_bytes = COUNTERS_SLOT_BYTES;
    memcpy((*out)->header->magic, counters_magic, sizeof counters_magic);
    return ERR_OK;
}

enum err counters_open_readonly(struct counters **out, const char *path, struct err_msg *msg)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_set(msg, ERR_NOT_FOUND, "cannot open the counter file %s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || st.st_size < COUNTERS_SLOT_BYTES) {
        close(fd);
        return err_set(msg, ERR_CORRUPT, "%s is not a counter file", path);
    }
    enum err e = counters_map(out, fd, (size_t)st.st_size, false, msg);
    close(fd);
    if (e != ERR_OK) return e;
    const struct counters_header *h = (*out)->header;
    if (memcmp(h->magic, counters_magic, sizeof counters_magic) == 0 && h->slot_bytes == COUNTERS_SLOT_BYTES &&
        ((uint64_t)h->slot_count + 1) * COUNTERS_SLOT_BYTES <= (uint64_t)st.st_size)
        return ERR_OK;
    counters_close(*out);
    *out = NULL;
    return err_set(msg, ERR_CORRUPT, "%s is not a counter file of this version", path);
}

void counters_close(struct counters *c)
{
    if (c == NULL) return;
    munmap(c->header, c->mapped_bytes);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* A live slot of this name and label, or a run of `slots` free ones marked as taken; NULL: the file is full. */
static struct counter_slot *slot_find(struct counters *c, enum counter_kind kind, const char *name, const char *label,
                                      uint32_t slots)
{
    uint32_t free_run = 0, i = 0;
    struct counter_slot *found = NULL;
    while (i < c->header->slot_count) {
        struct counter_slot *s = &c->slot[i];
        uint32_t k = atomic_load_explicit(&s->kind, memory_order_relaxed);
        if (k == COUNTER_FREE) {
            if (++free_run == slots && found == NULL) found = &c->slot[i + 1 - slots];
            i++;
            continue;
        }
        if (k == (uint32_t)kind && strcmp(s->name, name) == 0 && strcmp(s->label, label) == 0) return s;
        free_run = 0;
        i += s->slots;
    }
    if (found == NULL) return NULL;
    memset(found, 0, (size_t)slots * sizeof *found);
    snprintf(found->name, sizeof found->name, "%s", name);
    snprintf(found->label, sizeof found->label, "%s", label);
    found->slots = slots;
    atomic_store_explicit(&found->kind, (uint32_t)kind, memory_order_release); /* pairs with counters_each */
    return found;
}

struct counter *counters_add(struct counters *c, enum counter_kind kind, const char *name, const char *label)
{
    pthread_mutex_lock(&c->lock);
    struct counter_slot *s = slot_find(c, kind, name, label == NULL ? "" : label, 1);
    pthread_mutex_unlock(&c->lock);
    return s == NULL ? &c->overflow : &s->value;
}

struct histogram *counters_add_histogram(struct counters *c, const char *name, const char *label)
{
    uint32_t slots = 1 + (uint32_t)((sizeof(struct histogram) + COUNTERS_SLOT_BYTES - 1) / COUNTERS_SLOT_BYTES);
    pthread_mutex_lock(&c->lock);
    struct counter_slot *s = slot_find(c, COUNTER_HISTOGRAM, name, label == NULL ? "" : label, slots);
    pthread_mutex_unlock(&c->lock);
    return s == NULL ? &c->overflow_histogram : (struct histogram *)(s + 1);
}

void counters_remove(struct counters *c, const char *label)
{
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < c->header->slot_count;) {
        struct counter_slot *s = &c->slot[i];
        uint32_t slots = atomic_load_explicit(&s->kind, memory_order_relaxed) == COUNTER_FREE ? 1 : s->slots;
        if (slots > 0 && strcmp(s->label, label) == 0)
            for (uint32_t k = 0; k < slots; k++) atomic_store_explicit(&s[k].kind, COUNTER_FREE, memory_order_release);
        i += slots;
    }
    pthread_mutex_unlock(&c->lock);
}

uint64_t histogram_bucket_floor(uint32_t bucket)
{
    if (bucket < (1u << HISTOGRAM_SUB_BITS)) return bucket;
    uint32_t shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t mantissa = (1u << HISTOGRAM_SUB_BITS) | (bucket & ((1u << HISTOGRAM_SUB_BITS) - 1));
    return mantissa << shift;
}

static void atomic_bump(_Atomic uint64_t *word, uint64_t by)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + by, memory_order_relaxed);
}

void histogram_record(struct histogram *h, uint64_t value)
{
    atomic_bump(&h->bucket[histogram_bucket_of(value)], 1);
    atomic_bump(&h->count, 1);
    atomic_bump(&h->sum, value);
    if (value > atomic_load_explicit(&h->max, memory_order_relaxed))
        atomic_store_explicit(&h->max, value, memory_order_relaxed);
}

uint64_t histogram_quantile(const struct histogram *h, uint32_t per_million)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) total += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
    if (total == 0) return 0;
    uint64_t rank = (total * per_million + 999999) / 1000000;
    if (rank == 0) rank = 1;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
        if (seen >= rank) return histogram_bucket_floor(i);
    }
    return atomic_load_explicit(&h->max, memory_order_relaxed);
}

void counters_each(const struct counters *c, void (*visit)(void *context, const struct counter_view *), void *context)
{
    for (uint32_t i = 0; i < c->header->slot_count;) {
        const struct counter_slot *s = &c->slot[i];
        uint32_t kind = atomic_load_explicit(&s->kind, memory_order_acquire); /* pairs with slot_find */
        if (kind == COUNTER_FREE || s->slots == 0) {
            i++;
            continue;
        }
        if (kind == COUNTER_HISTOGRAM && (uint64_t)i + s->slots > c->header->slot_count) return; /* a torn file */
        struct counter_view view = {(enum counter_kind)kind, s->name, s->label, counter_get(&s->value), NULL};
        if (kind == COUNTER_HISTOGRAM) {
            view.histogram = (const struct histogram *)(s + 1);
            view.value = atomic_load_explicit(&view.histogram->count, memory_order_relaxed);
        }
        visit(context, &view);
        i += s->slots;
    }
}

#include "dataplane/port_dpdk_capture.h"

#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { TAKE_MS_MAX = 500, PCAP_MAGIC_NS = 0xa1b23c4d, PCAP_ETHERNET = 1 };

struct pcap_head {
    uint32_t magic;
    uint16_t major, minor;
    int32_t  zone;
    uint32_t accuracy, frame_bytes_max, link;
};

struct pcap_frame {
    uint32_t seconds, nanoseconds, kept_bytes, bytes;
};

void dpdk_capture_open(struct dpdk_capture *c, uint32_t lcore)
{
    atomic_store_explicit(&c->part[lcore].seen, 0, memory_order_relaxed);
    atomic_store_explicit(&c->part[lcore].is_open, true, memory_order_release);
}

void dpdk_capture_close(struct dpdk_capture *c, uint32_t lcore)
{
    atomic_store_explicit(&c->part[lcore].is_open, false, memory_order_release); /* for take: it writes no more */
}

static void leave_out(struct dpdk_capture_part *p)
{
    atomic_store_explicit(&p->left_out, atomic_load_explicit(&p->left_out, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void dpdk_capture_frame(struct dpdk_capture *c, uint32_t lcore, const struct rte_mbuf *m)
{
    struct dpdk_capture_part *p = &c->part[lcore];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 >= c->until_ms) return;
    uint32_t kept = m->pkt_len < c->limits.frame_bytes_max ? m->pkt_len : c->limits.frame_bytes_max;
    size_t used = atomic_load_explicit(&p->used_bytes, memory_order_relaxed);
    struct pcap_frame head = {(uint32_t)now.tv_sec, (uint32_t)now.tv_nsec, kept, m->pkt_len};
    if (p->size - used < sizeof head + kept ||
        atomic_fetch_add_explicit(&c->packets, 1, memory_order_relaxed) >= c->limits.packets_max) {
        leave_out(p);
        return;
    }
    uint8_t *at = p->bytes + used;
    memcpy(at, &head, sizeof head);
    at += sizeof head;
    for (uint32_t left = kept; left > 0; m = m->next) {
        uint32_t part = left < m->data_len ? left : m->data_len;
        memcpy(at, rte_pktmbuf_mtod(m, const uint8_t *), part);
        at += part;
        left -= part;
    }
    atomic_store_explicit(&p->used_bytes, used + sizeof head + kept, memory_order_release);
}

enum err dpdk_capture_start(struct dpdk_capture *c, uint32_t lcores, const struct port_dpdk_capture_limits *limits,
                       struct err_msg *msg)
{
    if (c->part[0].bytes != NULL)
        return err_set(msg, ERR_STATE, "a capture is under way, or was not taken: take it first");
    size_t each = limits->bytes_max / lcores;
    for (uint32_t i = 0; i < lcores; i++) {
        struct dpdk_capture_part *p = &c->part[i];
        p->bytes = malloc(each);
        p->size = each;
        atomic_store_explicit(&p->used_bytes, 0, memory_order_relaxed);
        atomic_store_explicit(&p->left_out, 0, memory_order_relaxed);
        if (p->bytes != NULL) continue;
        while (i-- > 0) free(c->part[i].bytes), c->part[i].bytes = NULL;
        return err_set(msg, ERR_NO_MEMORY, "no memory for a capture of %zu bytes", limits->bytes_max);
    }
    c->limits = *limits;
    c->until_ms = clock_realtime_ms(clock_real()) + limits->seconds_max * 1000ull;
    atomic_store_explicit(&c->packets, 0, memory_order_relaxed);
    if (++c->number == 0) c->number = 1;
    atomic_store_explicit(&c->wanted, c->number, memory_order_release); /* pairs with dpdk_capture_look */
    return ERR_OK;
}

void dpdk_capture_state(const struct dpdk_capture *c, struct port_dpdk_capture_state *out)
{
    *out = (struct port_dpdk_capture_state){.is_there = c->part[0].bytes != NULL};
    if (!out->is_there) return;
    out->packets = atomic_load_explicit(&c->packets, memory_order_relaxed);
    if (out->packets > c->limits.packets_max) out->packets = c->limits.packets_max;
    for (uint32_t i = 0; i < CAPTURE_LCORES_MAX && c->part[i].bytes != NULL; i++) {
        out->bytes += atomic_load_explicit(&c->part[i].used_bytes, memory_order_relaxed);
        out->left_out += atomic_load_explicit(&c->part[i].left_out, memory_order_relaxed);
    }
    out->is_over = out->left_out > 0 || out->packets == c->limits.packets_max ||
                   clock_realtime_ms(clock_real()) >= c->until_ms;
}

/* False: a lcore may still write. */
static bool all_have_ended(const struct dpdk_capture *c)
{
    for (uint32_t i = 0; i < CAPTURE_LCORES_MAX && c->part[i].bytes != NULL; i++)
        if (atomic_load_explicit(&c->part[i].is_open, memory_order_acquire) && /* both pair with the lcore's stores */
            atomic_load_explicit(&c->part[i].seen, memory_order_acquire) != 0)
            return false;
    return true;
}

static bool is_before(const struct pcap_frame *a, const struct pcap_frame *b)
{
    return a->seconds != b->seconds ? a->seconds < b->seconds : a->nanoseconds < b->nanoseconds;
}

/* The lcores' frames, by their times. */
static void merge(const struct dpdk_capture *c, uint8_t *at)
{
    size_t position[CAPTURE_LCORES_MAX] = {0};
    for (;;) {
        struct pcap_frame first = {.bytes = 0}, next;
        uint32_t from = CAPTURE_LCORES_MAX;
        for (uint32_t i = 0; i < CAPTURE_LCORES_MAX && c->part[i].bytes != NULL; i++) {
            if (position[i] == atomic_load_explicit(&c->part[i].used_bytes, memory_order_acquire)) continue;
            memcpy(&next, c->part[i].bytes + position[i], sizeof next);
            if (from < CAPTURE_LCORES_MAX && !is_before(&next, &first)) continue;
            first = next;
            from = i;
        }
        if (from == CAPTURE_LCORES_MAX) return;
        size_t size = sizeof first + first.kept_bytes;
        memcpy(at, c->part[from].bytes + position[from], size);
        at += size;
        position[from] += size;
    }
}

enum err dpdk_capture_take(struct dpdk_capture *c, char **out, size_t *out_bytes, struct err_msg *msg)
{
    struct port_dpdk_capture_state state;
    if (c->part[0].bytes == NULL) return err_set(msg, ERR_STATE, "no capture was started");
    atomic_store_explicit(&c->wanted, 0, memory_order_release); /* pairs with dpdk_capture_look */
    for (int ms = 0; !all_have_ended(c); ms++) { /* a lcore that rests looks within a millisecond */
        if (ms == TAKE_MS_MAX)
            return err_set(msg, ERR_AGAIN, "a serving thread has not ended the capture yet: try again");
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    dpdk_capture_state(c, &state);
    struct pcap_head head = {PCAP_MAGIC_NS, 2, 4, 0, 0, c->limits.frame_bytes_max, PCAP_ETHERNET};
    *out_bytes = sizeof head + state.bytes;
    *out = malloc(*out_bytes);
    if (*out == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for a capture of %zu bytes", *out_bytes);
    memcpy(*out, &head, sizeof head);
    merge(c, (uint8_t *)*out + sizeof head);
    for (uint32_t i = 0; i < CAPTURE_LCORES_MAX; i++) free(c->part[i].bytes), c->part[i].bytes = NULL;
    return ERR_OK;
}

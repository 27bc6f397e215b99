#include "dataplane/port_both.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/port_dpdk.h"

struct port_both {
    struct port port;
    struct port *kernel, *past;
    uint32_t border; /* the first slot of the second's */
};

static struct port_both *both_of(struct port *p) { return (struct port_both *)p; }

/* Whose connection is it, and what does that one call it? */
static struct port *inner(const struct port *p, uint32_t *slot)
{
    const struct port_both *b = (const struct port_both *)p;
    if (*slot < b->border) return b->kernel;
    *slot -= b->border;
    return b->past;
}

static void stats_add(struct port_stats *sum, const struct port_stats *s)
{
    uint64_t values[sizeof *sum / sizeof(uint64_t)], more[sizeof *sum / sizeof(uint64_t)];
    _Static_assert(sizeof *sum % sizeof(uint64_t) == 0, "all of them are uint64_t");
    memcpy(values, sum, sizeof *sum);
    memcpy(more, s, sizeof *s);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) values[i] += more[i];
    memcpy(sum, values, sizeof *sum);
}

static unsigned both_poll(struct port *p, struct port_event *out, unsigned max)
{
    struct port_both *b = both_of(p);
    unsigned first = port_poll(b->kernel, out, max / 2), count = first;
    count += port_poll(b->past, out + first, max - first);
    for (unsigned i = first; i < count; i++) out[i].connection += b->border;
    p->stats = b->kernel->stats;
    stats_add(&p->stats, &b->past->stats);
    return count;
}

static void both_wait(struct port *p, uint64_t timeout_ns)
{
    struct port_both *b = both_of(p);
    uint64_t rest_ns = port_dpdk_rest_ns(b->past);
    if (rest_ns > 0) port_wait(b->kernel, rest_ns < timeout_ns ? rest_ns : timeout_ns);
}

static void both_send(struct port *p, uint32_t slot, struct port_message *m)
{
    struct port *of = inner(p, &slot);
    port_send(of, slot, m);
}

static void both_pause(struct port *p, uint32_t slot)
{
    struct port *of = inner(p, &slot);
    port_pause(of, slot);
}

static void both_resume(struct port *p, uint32_t slot)
{
    struct port *of = inner(p, &slot);
    port_resume(of, slot);
}

static uint32_t both_handed(const struct port *p, uint32_t slot, const struct port_message *m)
{
    const struct port *of = inner(p, &slot);
    return port_handed(of, slot, m);
}

static void both_close(struct port *p, uint32_t slot)
{
    struct port *of = inner(p, &slot);
    port_close(of, slot);
}

static void both_peer(const struct port *p, uint32_t slot, char out[PORT_PEER_BYTES])
{
    const struct port *of = inner(p, &slot);
    port_peer(of, slot, out);
}

static unsigned both_watch(struct port *p, int fd) { return port_watch(both_of(p)->kernel, fd); }
static bool both_watch_take(struct port *p, unsigned watch) { return port_watch_take(both_of(p)->kernel, watch); }

static void both_stop(struct port *p)
{
    port_stop(both_of(p)->kernel);
    port_stop(both_of(p)->past);
}

static void both_fini(struct port *p)
{
    port_fini(both_of(p)->kernel);
    port_fini(both_of(p)->past);
    free(p);
}

static const struct port_operations both_operations = {
    both_poll, both_wait, both_send, both_pause, both_resume, both_handed, both_close, both_peer, both_watch,
    both_watch_take, both_stop, both_fini,
};

enum err port_both_open(struct port **out, struct port *kernel, uint32_t kernel_connections_max, struct port *past,
                        struct err_msg *msg)
{
    struct port_both *b = calloc(1, sizeof *b);
    if (b == NULL) {
        port_fini(kernel);
        port_fini(past);
        return err_set(msg, ERR_NO_MEMORY, "no memory for a serve thread's ports");
    }
    *b = (struct port_both){.port = {.operations = &both_operations, .kind = "both", .below = {kernel, past}},
                            .kernel = kernel, .past = past, .border = kernel_connections_max};
    *out = &b->port;
    return ERR_OK;
}

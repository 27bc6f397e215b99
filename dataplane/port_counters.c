#include "dataplane/port_counters.h"

#include <stdio.h>


enum which { EVERY, PACKETS };

static const struct {
    const char *name;
    enum counter_kind kind;
    enum which which;
} rows[PORT_COUNTERS] = {
#define X(member, kind, name, which) {#name, COUNTER_##kind, which},
    PORT_COUNTER_LIST(X)
#undef X
};

const char *port_counter_name(enum port_counter which) { return rows[which].name; }

uint32_t port_counters_open(struct port_counters out[PORT_PARTS_MAX], const struct port *port, uint32_t lcore,
                            struct counters *counters)
{
    uint32_t count = 0;
    char label[COUNTERS_LABEL_BYTES];
    while (port->below[0] != NULL && port->below[1] == NULL) port = port->below[0];
    for (int i = 0; i < 2 && port->below[i] != NULL; i++)
        count += port_counters_open(out + count, port->below[i], lcore, counters);
    if (count > 0) return count;
    *out = (struct port_counters){.port = port};
    snprintf(label, sizeof label, "lcore=%u,port=%s", lcore, port->kind);
    for (int i = 0; i < PORT_COUNTERS; i++)
        if (rows[i].which == EVERY || port->has_packets)
            out->counter[i] = counters_add(counters, rows[i].kind, rows[i].name, label);
    return 1;
}

void port_counters_set(const struct port_counters *c)
{
    const struct port_stats *s = &c->port->stats;
    const uint64_t values[PORT_COUNTERS] = {
#define X(member, kind, name, which) s->member,
        PORT_COUNTER_LIST(X)
#undef X
    };
    for (int i = 0; i < PORT_COUNTERS; i++)
        if (c->counter[i] != NULL) counter_set(c->counter[i], values[i]);
}

void port_counters_view(const struct port_counters *c, struct port_view *out)
{
    *out = (struct port_view){.kind = c->port->kind};
    for (int i = 0; i < PORT_COUNTERS; i++) {
        out->has[i] = c->counter[i] != NULL;
        if (out->has[i]) out->value[i] = counter_get(c->counter[i]);
    }
}

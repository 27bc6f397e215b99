/* GET /v1/dataplane: the serve lcores, what each of their ports counts, and the device past the kernel. */
#include "control/rest.h"

static json_t *port_json(const struct port_view *port)
{
    json_t *body = json_object();
    for (int i = 0; i < PORT_COUNTERS; i++)
        if (port->has[i])
            json_object_set_new(body, port_counter_name(i), json_integer((json_int_t)port->value[i]));
    return body;
}

static json_t *lcore_json(uint32_t index, const struct lcore_view *l)
{
    json_t *ports = json_object();
    for (uint32_t i = 0; i < l->port_count; i++)
        json_object_set_new(ports, l->port[i].kind, port_json(&l->port[i]));
    return json_pack("{s:i, s:I, s:I, s:I, s:I, s:o}", "lcore", (int)index, "busy_ns", (json_int_t)l->busy_ns,
                     "idle_ns", (json_int_t)l->idle_ns, "backpressured_ns", (json_int_t)l->backpressured_ns,
                     "connections", (json_int_t)l->connections, "ports", ports);
}

static json_t *device_json(const struct dataplane *d)
{
    struct port_dpdk_state s;
    if (!dataplane_device(d, &s)) return json_null();
    return json_pack("{s:s, s:s, s:s, s:i, s:b, s:i, s:I, s:I, s:b}", "device", s.device, "driver", s.driver, "mac",
                     s.mac, "mtu", (int)s.mtu, "has_link", s.has_link, "link_mbps", (int)s.link_mbps, "missed",
                     (json_int_t)s.missed, "errors", (json_int_t)s.errors, "lends_records", s.lends_records);
}

void rest_dataplane_status(struct instance *in, const struct rest_request *request, const char *name,
                           struct rest_response *out)
{
    (void)request, (void)name;
    struct lcore_view l;
    json_t *lcores = json_array();
    if (in->dataplane == NULL) { /* the offsets log failed: it comes back */
        rest_json(out, 200, json_pack("{s:o, s:n}", "lcores", lcores, "device"));
        return;
    }
    for (uint32_t i = 0; dataplane_lcore(in->dataplane, i, &l); i++) json_array_append_new(lcores, lcore_json(i, &l));
    rest_json(out, 200, json_pack("{s:o, s:o}", "lcores", lcores, "device", device_json(in->dataplane)));
}

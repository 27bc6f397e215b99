/* /v1/dataplane: the serve lcores, what each of their ports counts, and the device past the kernel; what passes that,
 * as a pcap file. */
#include "control/json_take.h"
#include "control/rest.h"

enum { FRAME_BYTES_MAX = 65535 };
#define CAPTURE_BYTES_MAX ((uint64_t)64 << 20) /* an answer is made in memory */

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
    if (dataplane_device(d) == NULL) return json_null();
    port_dpdk_state(dataplane_device(d), &s);
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:i, s:I, s:I, s:b}", "device", s.device, "driver", s.driver,
                     "state", port_dpdk_condition_name(s.condition), "mac", s.mac, "mtu", (int)s.mtu, "has_link",
                     s.has_link, "link_mbps", (int)s.link_mbps, "missed", (json_int_t)s.missed, "errors",
                     (json_int_t)s.errors, "lends_records", s.lends_records);
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

/* --- capture --- */

/* NULL: there is none, which was answered. */
static struct port_dpdk_device *device_of(const struct instance *in, struct rest_response *out)
{
    struct port_dpdk_device *device = in->dataplane == NULL ? NULL : dataplane_device(in->dataplane);
    if (device == NULL)
        rest_problem(out, 409, "no listener is past the kernel (network: dpdk): what the kernel carries tcpdump shows");
    return device;
}

static void answer_state(const struct port_dpdk_device *device, unsigned status, struct rest_response *out)
{
    struct port_dpdk_capture_state s;
    port_dpdk_capture_state(device, &s);
    const char *state = !s.is_there ? "none" : s.is_over ? "over" : "running";
    rest_json(out, status, json_pack("{s:s, s:I, s:I, s:I}", "state", state, "packets", (json_int_t)s.packets, "bytes",
                                     (json_int_t)s.bytes, "left_out", (json_int_t)s.left_out));
}

void rest_capture_get(struct instance *in, const struct rest_request *request, const char *name,
                      struct rest_response *out)
{
    (void)request, (void)name;
    const struct port_dpdk_device *device = device_of(in, out);
    if (device != NULL) answer_state(device, 200, out);
}

/* A whole number of the body, `otherwise` where it is not; false: it is none of 1..max, which was answered. */
static bool take_limit(const json_t *body, const char *key, uint64_t max, uint64_t otherwise, uint64_t *out,
                       struct rest_response *response)
{
    const json_t *value = json_object_get(body, key);
    *out = value == NULL ? otherwise : json_is_integer(value) && json_integer_value(value) > 0
                               ? (uint64_t)json_integer_value(value) : 0;
    if (*out >= 1 && *out <= max) return true;
    rest_problem(response, 400, "%s takes a whole number from 1 to %llu", key, (unsigned long long)max);
    return false;
}

void rest_capture_start(struct instance *in, const struct rest_request *request, const char *name,
                        struct rest_response *out)
{
    (void)name;
    uint64_t packets, bytes, frame_bytes, seconds;
    struct err_msg msg = {.code = ERR_OK};
    struct port_dpdk_device *device = device_of(in, out);
    json_t *body = device == NULL ? NULL : rest_body_json(request, out);
    if (body == NULL) return;
    static const char *const keys[] = {"packets_max", "bytes_max", "frame_bytes_max", "seconds_max", NULL};
    if (json_only_keys(body, keys, "the body", &msg) != ERR_OK) {
        json_decref(body);
        rest_error(out, &msg);
        return;
    }
    bool is_good = take_limit(body, "packets_max", 10000000, 100000, &packets, out) &&
                   take_limit(body, "bytes_max", CAPTURE_BYTES_MAX, 16 << 20, &bytes, out) &&
                   take_limit(body, "frame_bytes_max", FRAME_BYTES_MAX, FRAME_BYTES_MAX, &frame_bytes, out) &&
                   take_limit(body, "seconds_max", 3600, 60, &seconds, out);
    json_decref(body);
    if (!is_good) return;
    const struct port_dpdk_capture_limits limits = {packets, bytes, (uint32_t)frame_bytes, (uint32_t)seconds};
    if (port_dpdk_capture_start(device, &limits, &msg) != ERR_OK) rest_error(out, &msg);
    else answer_state(device, 201, out);
}

void rest_capture_take(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    (void)request, (void)name;
    char *file = NULL;
    size_t size = 0;
    struct err_msg msg = {.code = ERR_OK};
    struct port_dpdk_device *device = device_of(in, out);
    if (device == NULL) return;
    if (port_dpdk_capture_take(device, &file, &size, &msg) != ERR_OK) rest_error(out, &msg);
    else rest_text(out, 200, "application/vnd.tcpdump.pcap", file, size);
}

/* In place of the DPDK port in a build that has none. */
#include "base/invariant.h"
#include "dataplane/port_dpdk.h"

enum err port_dpdk_start(struct port_dpdk_device **out, const struct port_dpdk_config *config,
                         const struct chunk_pool *pool, struct err_msg *msg)
{
    (void)out, (void)pool;
    return err_set(msg, ERR_UNSUPPORTED, "a listener wants network: dpdk, device %s, but this build has no DPDK port: "
                   "install libdpdk-dev, run tools/lwip fetch, and build it with -Ddpdk=enabled", config->device);
}

enum err port_dpdk_open(struct port **out, struct port_dpdk_device *device, uint32_t lcore, const uint16_t *ports,
                        uint32_t port_count, uint32_t connections_max, const struct clock *clock, struct err_msg *msg)
{
    (void)out, (void)device, (void)lcore, (void)ports, (void)port_count, (void)connections_max, (void)clock;
    return err_set(msg, ERR_UNSUPPORTED, "this build has no DPDK port");
}

uint64_t port_dpdk_rest_ns(struct port *p)
{
    (void)p;
    INVARIANT(!"a port that was never opened");
}

void port_dpdk_state(const struct port_dpdk_device *device, struct port_dpdk_state *out)
{
    (void)device;
    *out = (struct port_dpdk_state){.device = "", .driver = ""};
}

const char *port_dpdk_condition_name(enum port_dpdk_condition condition)
{
    (void)condition;
    return "gone";
}

void port_dpdk_watch(struct port_dpdk_device *device, uint64_t now_ns) { (void)device, (void)now_ns; }

enum err port_dpdk_capture_start(struct port_dpdk_device *device, const struct port_dpdk_capture_limits *limits,
                                 struct err_msg *msg)
{
    (void)device, (void)limits;
    return err_set(msg, ERR_UNSUPPORTED, "this build has no DPDK port");
}

void port_dpdk_capture_state(const struct port_dpdk_device *device, struct port_dpdk_capture_state *out)
{
    (void)device;
    *out = (struct port_dpdk_capture_state){.is_there = false};
}

enum err port_dpdk_capture_take(struct port_dpdk_device *device, char **out, size_t *out_bytes, struct err_msg *msg)
{
    (void)device, (void)out, (void)out_bytes;
    return err_set(msg, ERR_UNSUPPORTED, "this build has no DPDK port");
}

size_t port_dpdk_memory_bytes(const struct port_dpdk_config *config, uint32_t connections_max)
{
    (void)config, (void)connections_max;
    return 0;
}

/* DPDK and its device: started once a process, by any thread. */
#include <errno.h>
#include <ftw.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/random.h"
#include "dataplane/port_dpdk_inside.h"

enum {
    RX_DESCRIPTORS = 1024,
    TX_DESCRIPTORS = 1024,
    MTU_STANDARD   = 1500,
    SUPER_BYTES    = 65535 - 60 - 60, /* what IP's length leaves to TCP's payload, behind all options */
    TEXT_BYTES     = 512,
};

static bool is_set(const char *text) { return text != NULL && text[0] != '\0'; }

_Static_assert(DPDK_HEADROOM_BYTES == RTE_PKTMBUF_HEADROOM && DPDK_MBUF_BYTES == sizeof(struct rte_mbuf) + 128,
               "port_dpdk_memory.h knows DPDK's sizes");

static size_t lcore_bytes(const struct port_dpdk_config *c) { return port_dpdk_lcore_bytes(c->mtu); }

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about, (void)kind, (void)where;
    return remove(path);
}

/* DPDK writes files for second processes, which we have none of, by default where root alone may: they get a folder
 * that is gone again once they are mapped. */
static int eal_init_privately(int count, char **argument)
{
    char folder[] = "/tmp/millrace-dpdk-XXXXXX";
    if (mkdtemp(folder) == NULL) return -1;
    setenv("RUNTIME_DIRECTORY", folder, 1);
    int rc = rte_eal_init(count, argument);
    unsetenv("RUNTIME_DIRECTORY");
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return rc;
}

/* DPDK pins the thread that starts it to a core: ours go where they were. */
static enum err eal_start(const struct port_dpdk_device *d, struct err_msg *msg)
{
    const struct port_dpdk_config *c = &d->config;
    char core[16], memory[16], device[TEXT_BYTES];
    char *argument[16];
    int count = 0;
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    int first = 0;
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed)) first++;
    snprintf(core, sizeof core, "%d", first);
    snprintf(memory, sizeof memory, "%zu", port_dpdk_start_mib(c->mtu, c->lcores));
    snprintf(device, sizeof device, "%s%s", d->is_virtual ? "--vdev=" : "--allow=", c->device);
    const char *const wanted[] = {"millraced", "-l", core, "--no-telemetry", "--no-shconf", "--log-level=4", "-m",
                                  memory,
                                  c->huge_pages ? "--in-memory" : "--no-huge", device,
                                  d->is_virtual ? "--no-pci" : NULL};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (wanted[i] != NULL) argument[count++] = (char *)(uintptr_t)wanted[i];
    argument[count] = NULL;
    int rc = eal_init_privately(count, argument);
    int why = rte_errno;
    sched_setaffinity(0, sizeof allowed, &allowed);
    if (rc >= 0) return ERR_OK;
    const char *mend = c->huge_pages ? "; without huge pages (sysctl vm.nr_hugepages) set dpdk_huge_pages: false, for "
                                       "trying" : "";
    return err_set(msg, ERR_IO, "DPDK does not start with device %s (%s): see its lines above%s", c->device,
                   rte_strerror(why), mend);
}

static struct rte_mempool *pool_make(const char *kind, uint32_t lcore, uint32_t count, uint32_t bytes, int node)
{
    char name[32];
    snprintf(name, sizeof name, "%s-%u", kind, lcore);
    uint16_t room = (uint16_t)(bytes == 0 ? 0 : bytes + RTE_PKTMBUF_HEADROOM);
    return rte_pktmbuf_pool_create(name, count, DPDK_BURST * 2, 0, room, node);
}

static enum err pools_open(struct port_dpdk_device *d, struct err_msg *msg)
{
    int node = rte_eth_dev_socket_id(d->id);
    uint32_t bytes = port_dpdk_frame_bytes(d->config.mtu);
    for (uint32_t i = 0; i < d->config.lcores; i++) {
        char name[32];
        snprintf(name, sizeof name, "shared-%u", i);
        d->rx_pool[i] = pool_make("rx", i, DPDK_RX_FRAMES, bytes, node);
        d->tx_pool[i] = pool_make("tx", i, DPDK_TX_FRAMES, bytes, node);
        d->lent_pool[i] = pool_make("lent", i, DPDK_LENT_FRAMES, 0, node);
        d->shared[i] = rte_ring_create(name, DPDK_SHARED_FRAMES, node, RING_F_SC_DEQ);
        if (d->rx_pool[i] == NULL || d->tx_pool[i] == NULL || d->lent_pool[i] == NULL || d->shared[i] == NULL)
            return err_set(msg, ERR_NO_MEMORY, "no memory for the frames of DPDK's lcore %u (%s): %zu MiB are wanted",
                           i, rte_strerror(rte_errno), lcore_bytes(&d->config) >> 20);
    }
    return ERR_OK;
}

static enum err queues_open(struct port_dpdk_device *d, struct err_msg *msg)
{
    for (uint16_t i = 0; i < d->config.lcores; i++) {
        int node = rte_eth_dev_socket_id(d->id);
        int rc = rte_eth_rx_queue_setup(d->id, i, d->rx_descriptors, (unsigned)node, NULL, d->rx_pool[i]);
        if (rc == 0) rc = rte_eth_tx_queue_setup(d->id, i, d->tx_descriptors, (unsigned)node, NULL);
        if (rc != 0)
            return err_set(msg, ERR_IO, "device %s: queue %u cannot be set up: %s", d->config.device, i,
                           rte_strerror(-rc));
    }
    return ERR_OK;
}

/* Does it cut super-segments, with as many pieces as ours may have? */
static bool cuts_segments(const struct rte_eth_dev_info *info)
{
    uint64_t all = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    uint16_t pieces = info->tx_desc_lim.nb_seg_max;
    return (info->tx_offload_capa & all) == all && (pieces == 0 || pieces > STACK_SLICES_MAX + SUPER_BYTES / 2048);
}

static enum err device_configure(struct port_dpdk_device *d, struct err_msg *msg)
{
    struct rte_eth_dev_info info;
    const char *name = d->config.device;
    int rc = rte_eth_dev_info_get(d->id, &info);
    if (rc != 0) return err_set(msg, ERR_IO, "device %s does not tell what it can: %s", name, rte_strerror(-rc));
    if (d->config.lcores > info.max_rx_queues || d->config.lcores > info.max_tx_queues)
        return err_set(msg, ERR_UNSUPPORTED, "device %s has %u queue pairs, serve_thread_count is %u: lower it%s", name,
                       RTE_MIN(info.max_rx_queues, info.max_tx_queues), d->config.lcores,
                       d->is_virtual ? ", or ask the device for more (qpairs=N, queues=N)" : "");
    uint64_t wanted = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS |
                      (cuts_segments(&info) ? RTE_ETH_TX_OFFLOAD_TCP_TSO : 0);
    uint64_t has = info.tx_offload_capa & wanted; /* virtio and vhost leave IP's checksum to us */
    uint64_t checked = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
    d->has_ip_checksums = (has & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
    d->has_tcp_checksums = (has & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
    d->has_segments = (has & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
    /* vhost hands super-segments on without saying so; tso=1 says that the other side takes them. */
    bool is_vhost = strncmp(name, "net_vhost", strlen("net_vhost")) == 0 && strstr(name, ",tso=1") != NULL;
    bool is_cut = (has & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 || is_vhost;
    d->is_cut_here = !is_cut && d->has_tcp_checksums && d->has_segments;
    d->super_bytes = is_cut || d->is_cut_here ? SUPER_BYTES : 0;
    struct rte_eth_conf conf = {
        .rxmode = {.mtu = d->config.mtu, .offloads = info.rx_offload_capa & checked},
        .txmode.offloads = has,
    };
    if (d->config.lcores > 1) {
        conf.rxmode.mq_mode = info.flow_type_rss_offloads != 0 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE;
        conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads &
                                           (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP);
    }
    rc = rte_eth_dev_configure(d->id, (uint16_t)d->config.lcores, (uint16_t)d->config.lcores, &conf);
    if (rc != 0) return err_set(msg, ERR_IO, "device %s refuses its configuration: %s", name, rte_strerror(-rc));
    if (d->config.mtu != MTU_STANDARD && (rc = rte_eth_dev_set_mtu(d->id, d->config.mtu)) != 0 &&
        (rc != -ENOTSUP || d->config.mtu > info.max_mtu)) /* vhost has none: it takes what comes */
        return err_set(msg, ERR_UNSUPPORTED, "device %s refuses an MTU of %u (%s): lower dpdk_mtu", name, d->config.mtu,
                       rte_strerror(-rc));
    d->rx_descriptors = RX_DESCRIPTORS;
    d->tx_descriptors = TX_DESCRIPTORS;
    (void)rte_eth_dev_adjust_nb_rx_tx_desc(d->id, &d->rx_descriptors, &d->tx_descriptors);
    return ERR_OK;
}

/* The chunks' memory for the device: where it can only address what DPDK mapped itself, everything is copied. */
static void pool_register(struct port_dpdk_device *d)
{
    struct rte_eth_dev_info info;
    if (d->pool == NULL) return;
    size_t size = (size_t)d->pool->chunk_bytes * d->pool->chunk_count, page = (size_t)sysconf(_SC_PAGESIZE);
    int rc = rte_eal_iova_mode() != RTE_IOVA_VA ? -ENOTSUP : 0;
    if (rc == 0 && !d->is_virtual) {
        rc = rte_eth_dev_info_get(d->id, &info);
        if (rc == 0) rc = rte_extmem_register(d->pool->bytes, size, NULL, 0, page);
        if (rc == 0)
            rc = rte_dev_dma_map(info.device, d->pool->bytes, (uint64_t)(uintptr_t)d->pool->bytes, size);
    }
    if (rc == 0) return;
    log_warn("dataplane", "records are copied into frames: the chunks cannot be mapped for device %s (%s); an IOMMU, "
             "the driver vfio-pci and a limit of locked memory (ulimit -l) above %zu MiB allow it", d->config.device,
             rte_strerror(rte_errno), size >> 20);
    d->pool = NULL;
}

/* A driver that frees the frames it has sent with the next ones only, and cannot be asked to, would keep a silent
 * connection's chunks: everything is copied.  (af_packet copies what it is given, and frees it at once.) */
static void cleanup_check(struct port_dpdk_device *d)
{
    bool frees_at_once = strncmp(d->config.device, "net_af_packet", strlen("net_af_packet")) == 0;
    if (d->pool == NULL || frees_at_once || rte_eth_tx_done_cleanup(d->id, 0, 0) != -ENOTSUP) return;
    log_warn("dataplane", "records are copied into frames: the driver of device %s cannot be asked to free the frames "
             "that it has sent", d->config.device);
    d->pool = NULL;
}

enum err device_open(struct port_dpdk_device *d, struct err_msg *msg)
{
    uint16_t id;
    d->id = RTE_MAX_ETHPORTS;
    RTE_ETH_FOREACH_DEV(id) if (d->id == RTE_MAX_ETHPORTS) d->id = id;
    if (d->id == RTE_MAX_ETHPORTS)
        return err_set(msg, ERR_NOT_FOUND, "DPDK finds no device %s: is it there, and bound to a driver that DPDK uses "
                       "(dpdk-devbind.py --status)?", d->config.device);
    TRY(device_configure(d, msg));
    if (d->rx_pool[0] == NULL) TRY(pools_open(d, msg)); /* they outlive a device that is taken away */
    TRY(queues_open(d, msg));
    int rc = rte_eth_dev_start(d->id);
    if (rc != 0) return err_set(msg, ERR_IO, "device %s does not start: %s", d->config.device, rte_strerror(-rc));
    /* IPv6 neighbours ask by multicast; a device that cannot choose is told to take everything. */
    if (rte_eth_allmulticast_enable(d->id) != 0) (void)rte_eth_promiscuous_enable(d->id);
    return ERR_OK;
}

static enum err device_start(struct port_dpdk_device *d, struct err_msg *msg)
{
    TRY(device_open(d, msg));
    if (spread_open(d) != ERR_OK) return err_set(msg, ERR_NO_MEMORY, "no memory for DPDK's lcores");
    (void)rte_eth_macaddr_get(d->id, &d->mac);
    cleanup_check(d);
    pool_register(d);
    return ERR_OK;
}

/* "192.0.2.1/24"; the stack says what else is wrong with it. */
static enum err address_split(struct port_dpdk_device *d, struct err_msg *msg)
{
    const char *text = d->config.address == NULL ? "" : d->config.address, *slash = strchr(text, '/');
    if (!is_set(text)) return ERR_OK;
    char *end = NULL;
    long prefix = slash == NULL ? -1 : strtol(slash + 1, &end, 10);
    if (prefix < 0 || prefix > 32 || *end != '\0' || end == slash + 1 || slash - text >= (ptrdiff_t)sizeof d->address)
        return err_set(msg, ERR_INVALID, "dpdk_address '%s' is not an IPv4 address with its prefix, as 192.0.2.1/24",
                       text);
    snprintf(d->address, sizeof d->address, "%.*s", (int)(slash - text), text);
    d->prefix = (unsigned)prefix;
    return ERR_OK;
}

enum err port_dpdk_start(struct port_dpdk_device **out, const struct port_dpdk_config *config,
                         const struct chunk_pool *pool, struct err_msg *msg)
{
    static struct port_dpdk_device device; /* DPDK starts once a process */
    static bool is_started;
    static char text[5][TEXT_BYTES];
    if (is_started) {
        *out = &device;
        return ERR_OK;
    }
    if (stack_at(config->lcores - 1) == NULL || config->lcores > DPDK_LCORES_MAX)
        return err_set(msg, ERR_UNSUPPORTED, "this build has TCP stacks for fewer serve threads than %u: build it with "
                       "-Ddpdk_lcores=%u, or lower serve_thread_count", config->lcores, config->lcores);
    const char *source[5] = {config->device, config->address, config->gateway, config->address6, config->gateway6};
    for (int i = 0; i < 5; i++) snprintf(text[i], sizeof text[i], "%s", source[i] == NULL ? "" : source[i]);
    device.config = *config;
    device.config.device = text[0];
    device.config.address = text[1];
    device.config.gateway = text[2];
    device.config.address6 = text[3];
    device.config.gateway6 = text[4];
    device.is_virtual = strncmp(text[0], "net_", 4) == 0;
    device.pool = pool;
    TRY(address_split(&device, msg));
    random_secret(device.secret, sizeof device.secret);
    TRY(eal_start(&device, msg));
    TRY(device_start(&device, msg));
    is_started = true;
    struct rte_ether_addr *a = &device.mac;
    log_info("dataplane", "DPDK: device %s, " RTE_ETHER_ADDR_PRT_FMT ", %u lcores, MTU %u, address %s%s%s", text[0],
             RTE_ETHER_ADDR_BYTES(a), config->lcores, config->mtu, text[1], is_set(text[3]) ? " and " : "", text[3]);
    *out = &device;
    return ERR_OK;
}

_Static_assert((int)CAPTURE_LCORES_MAX >= (int)DPDK_LCORES_MAX, "each has a part");

enum err port_dpdk_capture_start(struct port_dpdk_device *device, const struct port_dpdk_capture_limits *limits,
                                 struct err_msg *msg)
{
    return dpdk_capture_start(&device->capture, device->config.lcores, limits, msg);
}

void port_dpdk_capture_state(const struct port_dpdk_device *device, struct port_dpdk_capture_state *out)
{
    dpdk_capture_state(&device->capture, out);
}

enum err port_dpdk_capture_take(struct port_dpdk_device *device, char **out, size_t *out_bytes, struct err_msg *msg)
{
    return dpdk_capture_take(&device->capture, out, out_bytes, msg);
}

void port_dpdk_state(const struct port_dpdk_device *device, struct port_dpdk_state *out)
{
    struct rte_eth_dev_info info;
    struct rte_eth_link link = {.link_status = RTE_ETH_LINK_DOWN};
    struct rte_eth_stats stats = {.ipackets = 0};
    uint16_t mtu;
    enum port_dpdk_condition condition = device_condition(device, &mtu);
    *out = (struct port_dpdk_state){.condition = condition, .device = device->config.device, .driver = "", .mtu = mtu,
                                    .has_link = condition == PORT_DPDK_UP || condition == PORT_DPDK_MTU_LOW,
                                    .lends_records = device->pool != NULL && device->has_segments};
    if (rte_eth_dev_info_get(device->id, &info) == 0) out->driver = info.driver_name;
    rte_ether_format_addr(out->mac, sizeof out->mac, &device->mac);
    (void)rte_eth_link_get_nowait(device->id, &link);
    out->link_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
    if (rte_eth_stats_get(device->id, &stats) != 0) return;
    out->missed = stats.imissed + stats.rx_nombuf;
    out->errors = stats.ierrors + stats.oerrors;
}

size_t port_dpdk_memory_bytes(const struct port_dpdk_config *config, uint32_t connections_max)
{
    return lcore_bytes(config) + (config->lcores > 1 ? DPDK_FLOWS : 0) + stack_at(0)->memory_bytes() +
           port_dpdk_connection_bytes(connections_max);
}

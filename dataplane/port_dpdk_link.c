/* Is the device there, does it have a link?  Drivers of the kernel's interfaces (af_packet, af_xdp) always say yes, and
 * a bifurcated one's (mlx5) MTU is the kernel's to change: where there is such an interface the kernel is asked too. */
#include <errno.h>
#include <net/if.h>
#include <rte_dev.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/port_dpdk_inside.h"

enum { WATCH_MS = 1000 };

struct interface {
    bool is_there, is_running;
    int  mtu;
};

static struct interface interface_of(unsigned index)
{
    struct interface i = {.is_there = false};
    struct ifreq request = {.ifr_ifindex = 0};
    int fd = if_indextoname(index, request.ifr_name) == NULL ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return i;
    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
        i.is_there = true;
        i.is_running = (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
    }
    if (ioctl(fd, SIOCGIFMTU, &request) == 0) i.mtu = request.ifr_mtu;
    close(fd);
    return i;
}

/* For control's threads; a lcore asks by queue_look. */
static bool is_away(const struct port_dpdk_device *d)
{
    return atomic_load_explicit(&d->absence, memory_order_relaxed) != 0;
}

enum port_dpdk_condition device_condition(const struct port_dpdk_device *d, uint16_t *mtu)
{
    struct rte_eth_dev_info info = {.if_index = 0};
    struct rte_eth_link link = {.link_status = RTE_ETH_LINK_DOWN};
    *mtu = d->config.mtu;
    if (is_away(d)) return PORT_DPDK_GONE; /* it may be there, and have refused to start */
    if (rte_eth_dev_is_removed(d->id) == 1 || rte_eth_dev_info_get(d->id, &info) != 0) return PORT_DPDK_GONE;
    bool has_link = rte_eth_link_get_nowait(d->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
    if (info.if_index == 0) return has_link ? PORT_DPDK_UP : PORT_DPDK_NO_LINK;
    struct interface i = interface_of(info.if_index);
    /* A card's interface may stand in another network namespace: there the card is asked alone. */
    if (!i.is_there) return d->is_virtual ? PORT_DPDK_GONE : has_link ? PORT_DPDK_UP : PORT_DPDK_NO_LINK;
    if (!has_link || !i.is_running) return PORT_DPDK_NO_LINK;
    if (i.mtu == 0 || i.mtu >= d->config.mtu) return PORT_DPDK_UP;
    *mtu = (uint16_t)i.mtu;
    return PORT_DPDK_MTU_LOW;
}

/* --- a device that comes back --- */

/* Only af_packet's: an interface of the kernel that is made anew has another number, so the driver must be, too; and it
 * holds no frames of ours when it ends. */
static const char *interface_name(const struct port_dpdk_device *d, char name[IF_NAMESIZE])
{
    const char *at = strstr(d->config.device, ",iface=");
    if (strncmp(d->config.device, "net_af_packet", strlen("net_af_packet")) != 0 || at == NULL) return NULL;
    at += strlen(",iface=");
    snprintf(name, IF_NAMESIZE, "%.*s", (int)strcspn(at, ","), at);
    return name;
}

static bool all_parked(const struct port_dpdk_device *d)
{
    uint32_t absence = atomic_load_explicit(&d->absence, memory_order_relaxed);
    for (uint32_t i = 0; i < d->config.lcores; i++) { /* pairs with queue_look and queue_fini */
        uint32_t place = atomic_load_explicit(&d->lcore_place[i], memory_order_acquire);
        if (place != LCORE_CLOSED && place != absence) return false;
    }
    return true;
}

/* Is the interface there again?  Then the device is made anew, with the hardware address that the neighbours know. */
static void device_return(struct port_dpdk_device *d)
{
    char interface[IF_NAMESIZE], name[64];
    struct err_msg msg = {.code = ERR_OK};
    if (interface_name(d, interface) == NULL) return;
    if (!is_away(d)) /* pairs with queue_look */
        atomic_store_explicit(&d->absence, LCORE_PARKED + d->absences++, memory_order_release);
    if (!all_parked(d)) return;
    size_t size = strcspn(d->config.device, ",");
    snprintf(name, sizeof name, "%.*s", (int)size, d->config.device);
    if (!d->is_unplugged) {
        (void)rte_eth_dev_stop(d->id);
        d->is_unplugged = rte_eal_hotplug_remove("vdev", name) == 0;
    }
    if (!d->is_unplugged || if_nametoindex(interface) == 0) return;
    if (rte_eal_hotplug_add("vdev", name, d->config.device + size + 1) != 0) return;
    d->is_unplugged = false;
    if (device_open(d, &msg) != ERR_OK) {
        if (!d->has_said_refused) log_error("dataplane", "%s", msg.text);
        d->has_said_refused = true;
        return; /* taken out again, and tried again, by the next look */
    }
    d->has_said_refused = false;
    if (rte_eth_dev_default_mac_addr_set(d->id, &d->mac) != 0) (void)rte_eth_promiscuous_enable(d->id);
    atomic_store_explicit(&d->absence, 0, memory_order_release); /* pairs with queue_look */
}

const char *port_dpdk_condition_name(enum port_dpdk_condition condition)
{
    static const char *const name[] = {"up", "no_link", "mtu_low", "gone"};
    return name[condition];
}

void port_dpdk_watch(struct port_dpdk_device *d, uint64_t now_ns)
{
    uint16_t mtu;
    char interface[IF_NAMESIZE];
    if (now_ns < d->watch_due_ns) return;
    d->watch_due_ns = now_ns + (uint64_t)WATCH_MS * 1000000;
    if (d->condition == PORT_DPDK_GONE || is_away(d)) device_return(d);
    enum port_dpdk_condition condition = device_condition(d, &mtu);
    if (condition == d->condition) return;
    switch (condition) {
    case PORT_DPDK_UP:
        log_info("dataplane", "device %s is up again, after %lu s", d->config.device,
                 (unsigned long)((now_ns - d->changed_ns) / 1000000000));
        break;
    case PORT_DPDK_NO_LINK:
        log_warn("dataplane", "device %s has no link: the connections past the kernel wait for it; look at its cable, "
                 "and whether its interface was set down", d->config.device);
        break;
    case PORT_DPDK_MTU_LOW:
        log_warn("dataplane", "device %s: the MTU of its interface is %u, dpdk_mtu is %u: full packets are lost; set "
                 "it back, or lower dpdk_mtu and start millraced again", d->config.device, mtu, d->config.mtu);
        break;
    case PORT_DPDK_GONE:
        log_error("dataplane", "device %s is gone: nobody is served past the kernel; bring it back%s", d->config.device,
                  interface_name(d, interface) != NULL ? "" : ", and start millraced again");
        break;
    }
    if (d->condition == PORT_DPDK_UP) d->changed_ns = now_ns;
    d->condition = condition;
}

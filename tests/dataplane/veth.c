#include "tests/dataplane/veth.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (f == NULL) return false;
    bool is_written = fputs(text, f) >= 0;
    return fclose(f) == 0 && is_written;
}

/* The kernel leaves checksums to the "device" and sends segments larger than the MTU: a veth hands on both as they
 * are. */
static bool offloads_off(const char *name)
{
    struct ethtool_value off = {.cmd = ETHTOOL_STXCSUM, .data = 0};
    struct ifreq request = {.ifr_data = (void *)&off};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    bool is_off = fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0;
    if (fd >= 0) close(fd);
    return is_off;
}

static bool make(unsigned mtu, const char *links)
{
    char command[512];
    snprintf(command, sizeof command,
             "PATH=$PATH:/sbin:/usr/sbin; m=%u; set -e; ip link set lo up; %s"
             "ip link set server addrgenmode none up; ip link set client up; "
             "ip addr add " VETH_CLIENT4 "/24 dev client; ip addr add " VETH_CLIENT6 "/64 dev client nodad", mtu,
             links);
    return system(command) == 0 && offloads_off("client");
}

static bool enter(unsigned mtu, const char *links)
{
    char map[64];
    unsigned user = getuid(), group = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        printf("skipped: no network namespace of our own can be had here: %s\n", strerror(errno));
        return false;
    }
    snprintf(map, sizeof map, "0 %u 1", user);
    bool is_mapped = write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", group);
    if (!is_mapped || !write_file("/proc/self/gid_map", map)) {
        printf("skipped: this user cannot be mapped into a namespace of its own\n");
        return false;
    }
    if (!make(mtu, links)) {
        printf("skipped: no veth pair can be made here (iproute2, and a kernel with veth, are needed)\n");
        return false;
    }
    return true;
}

static const char pair[] = "ip link add server mtu $m type veth peer name client mtu $m; ";

bool veth_enter(unsigned mtu) { return enter(mtu, pair); }
bool veth_make_again(unsigned mtu) { return make(mtu, pair); }

bool veth_enter_wired(unsigned mtu)
{
    return enter(mtu, "ip link add server mtu $m type veth peer name wire0 mtu $m; "
                      "ip link add client mtu $m type veth peer name wire1 mtu $m; "
                      "ip link set wire0 addrgenmode none up; ip link set wire1 addrgenmode none up; ");
}

bool veth_few_ports(unsigned first, unsigned last)
{
    char range[32];
    snprintf(range, sizeof range, "%u %u", first, last);
    return write_file("/proc/sys/net/ipv4/ip_local_port_range", range) &&
           write_file("/proc/sys/net/ipv4/tcp_tw_reuse", "1");
}

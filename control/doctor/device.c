/* The network device of the listeners past the kernel: there, with the driver that DPDK wants, reachable by it, and
 * nobody else's. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/doctor/inside.h"

enum { CAP_NET_RAW_NUMBER = 13, PCI_CLASS_NETWORK = 0x02, VENDOR_MELLANOX = 0x15b3, VENDOR_AMAZON = 0x1d0f };

static const char pci[] = "/sys/bus/pci/devices";

static int64_t pci_hex(const struct doctor *d, const char *name)
{
    char text[32];
    return file_line(d, text, sizeof text, "%s/%s/%s", pci, d->device, name) ? strtoll(text, NULL, 16) : -1;
}

static bool is_bifurcated(const struct doctor *d) { return pci_hex(d, "vendor") == VENDOR_MELLANOX; }

static void check_build(struct doctor *d)
{
    int64_t threads = d->config->serve_thread_count;
    if (DOCTOR_DPDK_LCORES == 0) {
        found(d, "build", DOCTOR_WRONG, "this build has no DPDK port, and a listener has network: dpdk");
        mended(d, "apt-get install libdpdk-dev; tools/lwip fetch; meson setup --wipe build -Ddpdk=enabled; ninja -C "
                  "build");
    } else if (threads > DOCTOR_DPDK_LCORES) {
        found(d, "build", DOCTOR_WRONG, "serve_thread_count is %" PRId64 ", this build has %d TCP stacks", threads,
              DOCTOR_DPDK_LCORES);
        mended(d, "meson configure build -Ddpdk_lcores=%" PRId64 "; ninja -C build; or a lower serve_thread_count",
               threads);
    } else {
        found(d, "build", DOCTOR_GOOD, "has the DPDK port, for up to %d serving threads", DOCTOR_DPDK_LCORES);
    }
}

/* --- a device on the bus --- */

static void check_driver(struct doctor *d)
{
    const char *wanted = is_bifurcated(d) ? "mlx5_core" : "vfio-pci";
    (void)link_end(d, d->driver, sizeof d->driver, "%s/%s/driver", pci, d->device);
    if (strcmp(d->driver, wanted) == 0) {
        found(d, "driver", DOCTOR_GOOD, "%s%s", wanted, is_bifurcated(d) ? ", which DPDK works beside" : "");
        return;
    }
    found(d, "driver", DOCTOR_WRONG, "device %s has %s%s, DPDK wants %s", d->device,
          d->driver[0] == '\0' ? "no driver" : "the driver ", d->driver, wanted);
    if (is_bifurcated(d)) mended(d, "dpdk-devbind.py --bind=mlx5_core %s (package dpdk)", d->device);
    else mended(d, "modprobe vfio-pci; dpdk-devbind.py --bind=vfio-pci %s (package dpdk); it takes the device from the "
                "kernel", d->device);
}

/* vfio's file of the device: its number is the IOMMU group's. */
static void check_iommu(struct doctor *d)
{
    char group[32], vendor[64], allowed[8];
    if (strcmp(d->driver, "vfio-pci") != 0) return; /* mlx5 needs none; others are told to bind first */
    if (!link_end(d, group, sizeof group, "%s/%s/iommu_group", pci, d->device)) {
        bool is_intel = file_exists(d, "/proc/cpuinfo") &&
                        file_value(d, vendor, sizeof vendor, "/proc/cpuinfo", "vendor_id") &&
                        strstr(vendor, "Intel") != NULL;
        found(d, "IOMMU", DOCTOR_WRONG, "there is none, and vfio-pci wants one");
        mended(d, "%siommu=pt in GRUB_CMDLINE_LINUX of /etc/default/grub, update-grub, restart, and on in the "
               "firmware; in a virtual machine without one: echo 1 > "
               "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode, then bind again",
               is_intel ? "intel_iommu=on " : "");
        return;
    }
    bool is_unsafe = file_exists(d, "/dev/vfio/noiommu-%s", group);
    const char *prefix = is_unsafe ? "noiommu-" : "";
    (void)file_line(d, allowed, sizeof allowed, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    if (is_unsafe) {
        found(d, "IOMMU", DOCTOR_ADVICE, "none (vfio's unsafe mode is %s): millraced must be root, records are copied "
              "into packets, and the device may write to all memory", allowed[0] == 'Y' ? "on" : "off");
        mended(d, "an IOMMU: in the firmware, or of the virtual machine's host");
    } else {
        found(d, "IOMMU", DOCTOR_GOOD, "group %s", group);
    }
    if (!file_exists(d, "/dev/vfio/%s%s", prefix, group)) {
        found(d, "device file", DOCTOR_WRONG, "/dev/vfio/%s%s is not there", prefix, group);
        mended(d, "modprobe vfio-pci; dpdk-devbind.py --bind=vfio-pci %s", d->device);
    } else if (!file_is_ours(d, "/dev/vfio/%s%s", prefix, group)) {
        found(d, "device file", DOCTOR_WRONG, "whoever runs this may not open /dev/vfio/%s%s", prefix, group);
        mended(d, "chown millrace /dev/vfio/%s%s, and run millraced as that user", prefix, group);
    } else {
        found(d, "device file", DOCTOR_GOOD, "/dev/vfio/%s%s may be opened", prefix, group);
    }
}

static void check_slot(struct doctor *d)
{
    char now[64], most[64];
    static const char *const names[][2] = {{"current_link_width", "max_link_width"},
                                           {"current_link_speed", "max_link_speed"}};
    for (int i = 0; i < 2; i++) {
        if (!file_line(d, now, sizeof now, "%s/%s/%s", pci, d->device, names[i][0]) ||
            !file_line(d, most, sizeof most, "%s/%s/%s", pci, d->device, names[i][1]))
            return; /* a virtual machine's bus tells neither */
        double is = strtod(now, NULL), can = strtod(most, NULL);
        if (is <= 0 || is >= can) continue;
        found(d, "PCIe slot", DOCTOR_ADVICE, "the device's link is at %s of %s", now, most);
        mended(d, "another slot, or the slot's setting in the firmware; lspci -vv -s %s shows it", d->device);
        return;
    }
    found(d, "PCIe slot", DOCTOR_GOOD, "as wide and fast as the device");
}

static void check_pci(struct doctor *d)
{
    if (!file_exists(d, "%s/%s", pci, d->device)) {
        found(d, "device", DOCTOR_WRONG, "dpdk_device %s is not on the PCI bus", d->device);
        mended(d, "the address of one that is there: dpdk-devbind.py --status-dev net (package dpdk)");
        return;
    }
    if (pci_hex(d, "class") >> 16 != PCI_CLASS_NETWORK) {
        found(d, "device", DOCTOR_WRONG, "%s is no network device", d->device);
        mended(d, "the address of one: dpdk-devbind.py --status-dev net (package dpdk)");
        return;
    }
    found(d, "device", DOCTOR_GOOD, "%s, %04" PRIx64 ":%04" PRIx64, d->device, (uint64_t)pci_hex(d, "vendor"),
          (uint64_t)pci_hex(d, "device"));
    d->node = file_number(d, -1, "%s/%s/numa_node", pci, d->device);
    (void)folder_first(d, d->interface, sizeof d->interface, "%s/%s/net", pci, d->device);
    check_driver(d);
    check_iommu(d);
    check_slot(d);
    if (pci_hex(d, "vendor") != VENDOR_AMAZON || !file_exists(d, "/sys/module/vfio_pci")) return;
    found(d, "ENA", DOCTOR_ADVICE, "Amazon's device sends fast only with memory that is mapped write-combined, which "
          "Debian's vfio-pci does not do");
    mended(d, "a vfio-pci with write combining: enav2-vfio-patch of github.com/amzn/amzn-drivers");
}

/* --- one of DPDK's own --- */

/* "net_x,iface=veth0,path=/s" : what stands behind iface= */
static bool argument_of(const char *text, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    for (const char *at = strchr(text, ','); at != NULL; at = strchr(at + 1, ',')) {
        if (strncmp(at + 1, name, length) != 0 || at[1 + length] != '=') continue;
        at += length + 2;
        snprintf(out, size, "%.*s", (int)strcspn(at, ","), at);
        return true;
    }
    return false;
}

static void check_virtual(struct doctor *d)
{
    const char *text = d->config->dpdk_device;
    char path[256];
    bool wants_interface = strncmp(d->device, "net_af_", strlen("net_af_")) == 0;
    if (argument_of(text, "iface", d->interface, sizeof d->interface) &&
        file_exists(d, "/sys/class/net/%s", d->interface)) {
        found(d, "device", DOCTOR_GOOD, "%s at the kernel's %s: right, and not fast", d->device, d->interface);
    } else if (wants_interface) {
        found(d, "device", DOCTOR_WRONG, "%s: the kernel has no interface '%s'", d->device, d->interface);
        mended(d, "ip link add %s type veth peer name client, or another iface=",
               d->interface[0] == '\0' ? "server" : d->interface);
        d->interface[0] = '\0';
    } else if (argument_of(text, "path", path, sizeof path) && !file_exists(d, "%s", path)) {
        found(d, "device", DOCTOR_WRONG, "%s: there is no socket %s", d->device, path);
        mended(d, "start what listens there (vhost-user) first, or another path= in dpdk_device");
    } else {
        found(d, "device", DOCTOR_GOOD, "%s, one of DPDK's own", d->device);
    }
    if (!wants_interface || has_capability(d, CAP_NET_RAW_NUMBER)) return;
    found(d, "raw sockets", DOCTOR_WRONG, "%s wants CAP_NET_RAW, which whoever runs this has not", d->device);
    mended(d, "AmbientCapabilities=CAP_NET_RAW in millraced's systemd unit, or setcap cap_net_raw+ep millraced");
}

/* --- what the kernel knows of it --- */

struct route { const char *interface; bool is_default; };

/* Iface Destination Gateway ...: hexadecimal, in the host's order of bytes. */
static bool take_route(void *context, const char *line)
{
    struct route *r = context;
    char interface[32], destination[16];
    if (sscanf(line, "%31s %15s", interface, destination) == 2 && strcmp(interface, r->interface) == 0 &&
        strcmp(destination, "00000000") == 0)
        r->is_default = true;
    return !r->is_default;
}

static void check_link(struct doctor *d)
{
    struct route r = {d->interface, false};
    int64_t mtu, wanted = d->config->dpdk_mtu;
    if (d->interface[0] == '\0') {
        found(d, "link", DOCTOR_UNSEEN, "the kernel has no interface of it: millrace dataplane status tells link and "
              "speed while millraced runs");
        return;
    }
    file_lines(d, "/proc/net/route", take_route, &r);
    if (r.is_default) {
        found(d, "link", DOCTOR_WRONG, "%s has this machine's default route: the kernel would hear nothing by it any "
              "more", d->interface);
        mended(d, "a device of its own as dpdk_device: dpdk-devbind.py --status-dev net shows all");
        return;
    }
    if (file_number(d, 0, "/sys/class/net/%s/carrier", d->interface) != 1) {
        found(d, "link", DOCTOR_WRONG, "%s is down, or nothing is plugged in", d->interface);
        mended(d, "ip link set %s up; then the cable, and the switch's port", d->interface);
    } else {
        found(d, "link", DOCTOR_GOOD, "%s is up", d->interface);
    }
    mtu = file_number(d, 0, "/sys/class/net/%s/mtu", d->interface);
    if (mtu >= wanted) {
        found(d, "MTU", DOCTOR_GOOD, "%" PRId64 ", dpdk_mtu is %" PRId64, mtu, wanted);
        return;
    }
    found(d, "MTU", DOCTOR_WRONG, "%s has %" PRId64 ", dpdk_mtu is %" PRId64 ": larger frames are lost", d->interface,
          mtu, wanted);
    mended(d, "ip link set %s mtu %" PRId64 ", also at its peer, or dpdk_mtu: %" PRId64, d->interface, wanted, mtu);
}

struct local { const char *address; bool was_named, is_local; };

/* fib_trie: an address stands before the line that says what it is. */
static bool take_local(void *context, const char *line)
{
    struct local *l = context;
    const char *bar = strstr(line, "|-- ");
    if (bar != NULL) l->was_named = strcmp(bar + 4, l->address) == 0;
    else if (l->was_named && strstr(line, "host LOCAL") != NULL) l->is_local = true;
    return !l->is_local;
}

static void check_address(struct doctor *d)
{
    char address[CONFIG_TEXT_BYTES];
    struct local l = {address, false, false};
    snprintf(address, sizeof address, "%.*s", (int)strcspn(d->config->dpdk_address, "/"), d->config->dpdk_address);
    file_lines(d, "/proc/net/fib_trie", take_local, &l);
    if (!l.is_local) {
        found(d, "address", DOCTOR_GOOD, "the kernel does not have %s", d->config->dpdk_address);
        return;
    }
    found(d, "address", DOCTOR_WRONG, "the kernel has %s too: it would answer for it with resets", address);
    mended(d, "ip addr del %s dev %s, and out of /etc/network/interfaces", d->config->dpdk_address,
           d->interface[0] == '\0' ? "ITS-INTERFACE" : d->interface);
}

void check_device(struct doctor *d)
{
    const char *text = d->config->dpdk_device;
    d->is_virtual = strncmp(text, "net_", 4) == 0;
    snprintf(d->device, sizeof d->device, "%.*s", (int)strcspn(text, ","), text);
    check_build(d);
    if (d->is_virtual) check_virtual(d);
    else check_pci(d);
    check_link(d);
    if (d->config->dpdk_address[0] != '\0') check_address(d);
}

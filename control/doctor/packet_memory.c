/* Huge pages: enough, free, and near the device. */
#include <inttypes.h>
#include <stdio.h>

#include "control/doctor/inside.h"
#include "dataplane/port_dpdk_memory.h"

enum { SMALL_MIB = 2, LARGE_MIB = 1024 };

/* In MiB, of both sizes; which: nr_hugepages or free_hugepages below `folder`. */
static int64_t pages_mib(const struct doctor *d, const char *folder, const char *which)
{
    return file_number(d, 0, "%s/hugepages-2048kB/%s", folder, which) * SMALL_MIB +
           file_number(d, 0, "%s/hugepages-1048576kB/%s", folder, which) * LARGE_MIB;
}

void check_packet_memory(struct doctor *d)
{
    const struct config *c = d->config;
    static const char all[] = "/sys/kernel/mm/hugepages";
    char near[96];
    int64_t wanted = (int64_t)port_dpdk_start_mib((uint32_t)c->dpdk_mtu, (uint32_t)c->serve_thread_count);
    int64_t has = pages_mib(d, all, "nr_hugepages"), is_free = pages_mib(d, all, "free_hugepages");
    if (!c->dpdk_huge_pages) {
        found(d, "huge pages", DOCTOR_ADVICE, "dpdk_huge_pages is false: for trying; packets lie in ordinary memory%s",
              d->is_virtual ? "" : ", and records are copied into them");
        mended(d, "sysctl -w vm.nr_hugepages=%" PRId64 " and dpdk_huge_pages: true",
               file_number(d, 0, "%s/hugepages-2048kB/nr_hugepages", all) + (wanted + SMALL_MIB - 1) / SMALL_MIB);
        return;
    }
    if (is_free < wanted) {
        int64_t missing = (wanted - is_free + SMALL_MIB - 1) / SMALL_MIB;
        int64_t small = file_number(d, 0, "%s/hugepages-2048kB/nr_hugepages", all);
        bool is_used = has >= wanted; /* by a millraced that runs, most likely */
        found(d, "huge pages", is_used ? DOCTOR_ADVICE : DOCTOR_WRONG, "%" PRId64 " MiB are free of %" PRId64
              ", packets want %" PRId64 "%s", is_free, has, wanted, is_used ? ": does a millraced run already?" : "");
        mended(d, "sysctl -w vm.nr_hugepages=%" PRId64 ", and the same line in /etc/sysctl.d/90-millrace.conf",
               small + missing);
        return;
    }
    snprintf(near, sizeof near, "/sys/devices/system/node/node%" PRId64 "/hugepages", d->node);
    int64_t near_free = d->node < 0 || !file_exists(d, "%s", near) ? is_free : pages_mib(d, near, "free_hugepages");
    if (near_free < wanted) {
        int64_t small = file_number(d, 0, "%s/hugepages-2048kB/nr_hugepages", near);
        found(d, "huge pages", DOCTOR_ADVICE, "node %" PRId64 " of device %s has %" PRId64 " MiB free, packets want %"
              PRId64 ": some lie at the other processor", d->node, d->device, near_free, wanted);
        mended(d, "echo %" PRId64 " > %s/hugepages-2048kB/nr_hugepages",
               small + (wanted - near_free + SMALL_MIB - 1) / SMALL_MIB, near);
        return;
    }
    found(d, "huge pages", DOCTOR_GOOD, "%" PRId64 " MiB free, packets want %" PRId64, is_free, wanted);
}

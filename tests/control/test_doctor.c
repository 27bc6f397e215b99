/* Goal: the doctor finds nothing amiss on a machine that is prepared, and each thing that is: made-up trees of /proc
 * and /sys with one thing broken at a time, and calls that answer what a test says. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/config.h"
#include "control/doctor/doctor.h"
#include "tests/tree.h"

#define PCI "/sys/bus/pci/devices/0000:3b:00.0"
#define CPU "/sys/devices/system/cpu"
#define PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define CLOCK "/sys/devices/system/clocksource/clocksource0/"

struct file { const char *path, *text; }; /* text "-> X": a link; NULL: not there */

/* A server with an Intel device, bound to vfio-pci, and all else as it should be. */
static const struct file healthy[] = {
    {"/proc/sys/kernel/osrelease", "6.1.0-13-amd64\n"},
    {"/proc/sys/kernel/io_uring_disabled", "0\n"},
    {"/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n"},
    {"/proc/meminfo", "MemTotal:       65536000 kB\nMemFree:  100 kB\nMemAvailable:   60000000 kB\n"},
    {"/proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units\n"
                          "Max open files            1048576              1048576              files\n"
                          "Max locked memory         unlimited            unlimited            bytes\n"},
    {"/proc/self/status", "Name:\tmillrace\nCapEff:\t0000000000000000\n"},
    {"/proc/net/route", "Iface\tDestination\tGateway\neno1\t00000000\t0100A8C0\neno1\t0000A8C0\t00000000\n"},
    {"/proc/net/fib_trie", "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.10\n        /32 link UNICAST\n"
                           "     |-- 192.168.0.2\n        /32 host LOCAL\n"},
    {"/run/chrony/chronyd.pid", "7\n"},
    {"/etc/chrony/chrony.conf", "pool x iburst\nmakestep 1 3\n"},
    {CLOCK "current_clocksource", "tsc\n"},
    {CLOCK "available_clocksource", "tsc hpet acpi_pm\n"},
    {CPU "/online", "0-7\n"},
    {CPU "/isolated", "2-3\n"},
    {CPU "/cpu2/topology/thread_siblings_list", "2,6\n"},
    {CPU "/cpu3/topology/thread_siblings_list", "3,7\n"},
    {CPU "/cpu2/cpufreq/scaling_governor", "performance\n"},
    {CPU "/cpu3/cpufreq/scaling_governor", "performance\n"},
    {CPU "/cpu4/cpufreq/scaling_governor", "performance\n"},
    {"/sys/devices/system/node/node1/cpulist", "2-4,6-7\n"},
    {"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "512\n"},
    {"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "512\n"},
    {PAGES "nr_hugepages", "512\n"},
    {PAGES "free_hugepages", "512\n"},
    {PCI "/vendor", "0x8086\n"},
    {PCI "/device", "0x1592\n"},
    {PCI "/class", "0x020000\n"},
    {PCI "/numa_node", "1\n"},
    {PCI "/driver", "-> ../../../../bus/pci/drivers/vfio-pci"},
    {PCI "/iommu_group", "-> ../../../../kernel/iommu_groups/17"},
    {PCI "/current_link_width", "16\n"},
    {PCI "/max_link_width", "16\n"},
    {PCI "/current_link_speed", "16.0 GT/s PCIe\n"},
    {PCI "/max_link_speed", "16.0 GT/s PCIe\n"},
    {"/dev/vfio/17", "x"},
    {"/sys/dev/block/259:1", "-> ../../devices/nvme0n1"},
    {"/sys/devices/nvme0n1/queue/scheduler", "[none] mq-deadline\n"},
    {"/sys/devices/nvme0n1/queue/rotational", "0\n"},
    {NULL, NULL}};

static const char text[] = "data_folder: /data\ndpdk_device: '0000:3b:00.0'\ndpdk_address: 192.0.2.10/24\n"
                           "listeners:\n  - {name: a, network: dpdk, address: 192.0.2.10, accept_anyone: true}\n"
                           "serve_thread_count: 2\nserve_cores: [2, 3]\nspin: true\nstorage_core: 4\n";

static char root[64];
static struct config config;
static struct doctor_report report;
static struct timex clock_now;
static struct doctor_folder folder;
static int uring_why;

static int clock_call(struct timex *out)
{
    *out = clock_now;
    return 0;
}

static int uring_call(void) { return uring_why; }

static void folder_call(const char *path, struct doctor_folder *out)
{
    ck_assert_str_eq(path, "/data");
    *out = folder;
}

static const struct doctor_calls calls = {clock_call, uring_call, folder_call};

static void put(const struct file *f)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, f->path);
    (void)unlink(path);
    if (f->text == NULL) return;
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
    if (strncmp(f->text, "-> ", 3) == 0) {
        ck_assert_int_eq(symlink(f->text + 3, path), 0);
        return;
    }
    FILE *to = fopen(path, "w");
    ck_assert_ptr_nonnull(to);
    ck_assert(fputs(f->text, to) >= 0 && fclose(to) == 0);
}

static void setup(void)
{
    struct err_msg msg;
    snprintf(root, sizeof root, "/tmp/doctor-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    for (const struct file *f = healthy; f->path != NULL; f++) put(f);
    ck_assert_msg(config_parse("test", text, strlen(text), &config, &msg) == ERR_OK, "%s", msg.text);
    clock_now = (struct timex){.freq = 20 << 16, .maxerror = 900};
    folder = (struct doctor_folder){.seen = "/data", .is_writable = true, .is_direct = true, .free_bytes = 1ull << 40,
                                    .total_bytes = 2ull << 40, .major = 259, .minor = 1};
    uring_why = 0;
}

static void teardown(void) { ck_assert_int_eq(tree_remove(root), 0); }

/* The finding of a check that is not good; else its first; NULL: it was not looked at. */
static const struct doctor_finding *finding(const char *check)
{
    const struct doctor_finding *first = NULL;
    for (uint32_t i = 0; i < report.count; i++) {
        const struct doctor_finding *f = &report.finding[i];
        if (strcmp(f->check, check) != 0) continue;
        if (f->verdict != DOCTOR_GOOD) return f;
        if (first == NULL) first = f;
    }
    return first;
}

static void look(void) { doctor_look(&config, root, &calls, &report); }

/* This finding, with these words in what it says and in its mend; and nothing else is amiss. */
static void expect(const char *check, enum doctor_verdict v, const char *what, const char *mend)
{
    look();
    const struct doctor_finding *f = finding(check);
    ck_assert_msg(f != NULL, "%s was not looked at", check);
    ck_assert_msg(f->verdict == v, "%s is %s: %s", check, doctor_verdict_text(f->verdict), f->what);
    ck_assert_msg(strstr(f->what, what) != NULL, "%s says: %s", check, f->what);
    ck_assert_msg(strstr(f->mend, mend) != NULL, "%s is mended by: %s", check, f->mend);
    ck_assert_msg(v == DOCTOR_GOOD || v == DOCTOR_UNSEEN || f->mend[0] != '\0', "%s has no mend", check);
    for (uint32_t i = 0; i < report.count; i++) {
        const struct doctor_finding *other = &report.finding[i];
        bool is_it = strcmp(other->check, check) == 0 || strcmp(other->check, "build") == 0;
        ck_assert_msg(is_it || (other->verdict != DOCTOR_WRONG && other->verdict != DOCTOR_ADVICE),
                      "with %s also %s is %s: %s", check, other->check, doctor_verdict_text(other->verdict),
                      other->what);
    }
}

START_TEST(a_prepared_machine_has_nothing_amiss)
{
    static const char *const all[] = {
        "kernel", "io_uring", "clock source", "clock", "memory", "locked memory", "open files", "file system",
        "disk space", "disk scheduler", "build", "device", "driver", "IOMMU", "device file", "PCIe slot", "link",
        "address", "huge pages", "cores", "spinning", "isolated cores", "frequency", "NUMA"};
    look();
    ck_assert_uint_eq(report.count, sizeof all / sizeof *all);
    for (uint32_t i = 0; i < report.count; i++) {
        const struct doctor_finding *f = &report.finding[i];
        ck_assert_str_eq(f->check, all[i]);
        enum doctor_verdict v = DOCTOR_GOOD;
        if (strcmp(f->check, "link") == 0) v = DOCTOR_UNSEEN;
        if (strcmp(f->check, "build") == 0 && DOCTOR_DPDK_LCORES == 0) v = DOCTOR_WRONG;
        ck_assert_msg(f->verdict == v, "%s is %s: %s", f->check, doctor_verdict_text(f->verdict), f->what);
    }
    ck_assert_int_eq(doctor_verdict_of(&report), DOCTOR_DPDK_LCORES == 0 ? DOCTOR_WRONG : DOCTOR_GOOD);
}
END_TEST

/* One file each. */
static const struct {
    struct file file;
    const char *check;
    enum doctor_verdict verdict;
    const char *what, *mend;
} broken[] = {
    {{"/proc/sys/kernel/osrelease", "5.10.0-28-amd64\n"}, "kernel", DOCTOR_WRONG, "5.10.0-28", "linux-image"},
    {{"/proc/sys/kernel/osrelease", NULL}, "kernel", DOCTOR_UNSEEN, "cannot be read", ""},
    {{"/proc/sys/kernel/io_uring_disabled", "2\n"}, "io_uring", DOCTOR_WRONG, "is 2", "io_uring_disabled=0"},
    {{"/proc/sys/kernel/io_uring_disabled", "1\n"}, "io_uring", DOCTOR_ADVICE, "is 1", "io_uring_group="},
    {{"/proc/meminfo", "MemTotal:  4000000 kB\nMemAvailable: 3000000 kB\n"}, "memory", DOCTOR_WRONG,
     "4096 MiB, this machine has 3906", "memory_max_bytes: 3072000000,"},
    {{"/proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 3000000 kB\n"}, "memory", DOCTOR_ADVICE, "2929 of 8789",
     "memory_max_bytes"},
    {{"/proc/self/limits", "Max open files  1048576  x\nMax locked memory         8388608              8388608\n"},
     "locked memory", DOCTOR_ADVICE, "8192 KiB, the chunks have 192 MiB", "LimitMEMLOCK=infinity"},
    {{"/proc/self/limits", "Max open files            400  x\nMax locked memory         unlimited\n"}, "open files",
     DOCTOR_ADVICE, "is 400;", "LimitNOFILE="},
    {{CLOCK "current_clocksource", "hpet\n"}, "clock source", DOCTOR_ADVICE, "hpet", "echo tsc > /sys"},
    {{"/etc/chrony/chrony.conf", "makestep 0.1 -1\n"}, "clock steps", DOCTOR_ADVICE, "step", "makestep 1 3"},
    {{CPU "/online", "0-2,4-7\n"}, "cores", DOCTOR_WRONG, "core 3 is not there: online are 0-2,4-7", "cpu3/online"},
    {{CPU "/online", NULL}, "cores", DOCTOR_UNSEEN, "cannot be read", ""},
    {{CPU "/isolated", "3\n"}, "isolated cores", DOCTOR_ADVICE, "spinning cores 2,", "isolcpus=2 nohz_full=2 rcu"},
    {{CPU "/isolated", "\n"}, "isolated cores", DOCTOR_ADVICE, "2,3", "isolcpus=2,3 nohz_full=2,3"},
    {{CPU "/cpu2/topology/thread_siblings_list", "2-3\n"}, "hyper-threads", DOCTOR_ADVICE, "cores 2 and 3",
     "serve_cores"},
    {{CPU "/cpu4/cpufreq/scaling_governor", "powersave\n"}, "frequency", DOCTOR_ADVICE, "core 4 is powersave",
     "echo performance"},
    {{"/sys/devices/system/node/node1/cpulist", "3-7\n"}, "NUMA", DOCTOR_ADVICE, "core 2 is not on node 1",
     "out of 3-7"},
    {{PAGES "free_hugepages", "8\n"}, "huge pages", DOCTOR_ADVICE, "16 MiB are free of 1024", "nr_hugepages="},
    {{PCI "/class", "0x010802\n"}, "device", DOCTOR_WRONG, "no network device", "dpdk-devbind.py"},
    {{PCI "/driver", "-> ../drivers/ice"}, "driver", DOCTOR_WRONG, "the driver ice, DPDK wants vfio-pci",
     "--bind=vfio-pci 0000:3b:00.0"},
    {{PCI "/driver", NULL}, "driver", DOCTOR_WRONG, "has no driver", "modprobe vfio-pci"},
    {{PCI "/iommu_group", NULL}, "IOMMU", DOCTOR_WRONG, "none", "intel_iommu=on iommu=pt"},
    {{"/dev/vfio/17", NULL}, "device file", DOCTOR_WRONG, "/dev/vfio/17 is not there", "dpdk-devbind.py"},
    {{PCI "/current_link_width", "4\n"}, "PCIe slot", DOCTOR_ADVICE, "at 4 of 16", "lspci"},
    {{PCI "/current_link_speed", "2.5 GT/s PCIe\n"}, "PCIe slot", DOCTOR_ADVICE, "2.5 GT/s PCIe of 16.0", "lspci"},
    {{"/sys/devices/nvme0n1/queue/scheduler", "none [bfq]\n"}, "disk scheduler", DOCTOR_ADVICE, "bfq at nvme0n1",
     "/queue/scheduler"},
    {{"/sys/devices/nvme0n1/queue/rotational", "1\n"}, "disk", DOCTOR_ADVICE, "rotates", "/queue/rotational"},
    {{"/sys/devices/nvme0n1/queue/scheduler", NULL}, "disk scheduler", DOCTOR_UNSEEN, "shows none", ""},
    {{"/proc/net/fib_trie", "     |-- 192.0.2.10\n        /32 host LOCAL\n"}, "address", DOCTOR_WRONG, "192.0.2.10",
     "ip addr del 192.0.2.10/24"},
};

START_TEST(what_a_file_breaks_is_found)
{
    put(&broken[_i].file);
    expect(broken[_i].check, broken[_i].verdict, broken[_i].what, broken[_i].mend);
}
END_TEST

START_TEST(a_small_limit_does_not_bind_who_may_lock_all)
{
    put(&(struct file){"/proc/self/limits", "Max open files  1048576\nMax locked memory   65536\n"});
    put(&(struct file){"/proc/self/status", "CapEff:\t0000000000004000\n"});
    expect("locked memory", DOCTOR_GOOD, "192 MiB", "");
}
END_TEST

START_TEST(what_calls_tell)
{
    uring_why = EPERM;
    expect("io_uring", DOCTOR_WRONG, "not permitted", "seccomp");
    uring_why = 0;
    clock_now.status = STA_UNSYNC;
    expect("clock", DOCTOR_ADVICE, "not yet set by chrony", "chronyc");
    put(&(struct file){"/run/chrony/chronyd.pid", NULL});
    expect("clock", DOCTOR_ADVICE, "nothing holds", "apt-get install chrony");
    clock_now = (struct timex){.maxerror = 3000000};
    expect("clock", DOCTOR_ADVICE, "3000 ms off", "servers");
    clock_now = (struct timex){.freq = -(300l << 16)};
    expect("clock", DOCTOR_ADVICE, "drifts by -300", "chronyc tracking");
}
END_TEST

START_TEST(the_data_folder)
{
    folder.is_memory = true;
    expect("file system", DOCTOR_WRONG, "memory", "ext4");
    folder.is_memory = false;
    folder.is_remote = true;
    expect("file system", DOCTOR_ADVICE, "another machine", "ext4");
    folder.is_remote = folder.is_writable = false;
    expect("file system", DOCTOR_WRONG, "may not make files in /data", "install -d -o millrace");
    folder.is_writable = true;
    folder.is_direct = false;
    expect("file system", DOCTOR_ADVICE, "O_DIRECT", "ext4");
    folder.is_direct = true;
    folder.free_bytes = 512 << 20; /* 4 channels with 3 segments of 64 MiB each, and one: 832 MiB */
    expect("disk space", DOCTOR_WRONG, "512 MiB free; 4 channels begin with segments of 832 MiB", "segment_bytes");
    folder.free_bytes = 100ull << 30;
    expect("disk space", DOCTOR_ADVICE, "100 GiB free of 2048", "retention_bytes");
    folder.why = ENOTDIR;
    expect("file system", DOCTOR_WRONG, "Not a directory", "install -d");
}
END_TEST

START_TEST(a_partition_is_judged_by_its_disk)
{
    put(&(struct file){"/sys/dev/block/259:1", NULL});
    put(&(struct file){"/sys/devices/nvme0n1/nvme0n1p1/partition", "1\n"});
    put(&(struct file){"/sys/dev/block/259:1", "-> ../../devices/nvme0n1/nvme0n1p1"});
    expect("disk scheduler", DOCTOR_GOOD, "none at nvme0n1p1", "");
    put(&(struct file){"/sys/devices/nvme0n1/queue/scheduler", "[bfq] none\n"});
    expect("disk scheduler", DOCTOR_ADVICE, "bfq", "259:1/../queue/scheduler");
}
END_TEST

START_TEST(cores_and_the_build)
{
    config.storage_core = 3;
    expect("cores", DOCTOR_ADVICE, "core 3 is given to two", "serve_cores");
    config.storage_core = -1;
    config.serve_cores.count = 0;
    expect("spinning", DOCTOR_ADVICE, "serve_cores is not", "one core for each of the 2");
    config.serve_thread_count = 8;
    look();
    ck_assert_int_eq(finding("spinning")->verdict, DOCTOR_WRONG);
    config.spin = false;
    look();
    ck_assert_ptr_null(finding("spinning"));
    ck_assert_ptr_null(finding("isolated cores"));
    config.serve_thread_count = 64;
    look();
    ck_assert_int_eq(finding("build")->verdict, DOCTOR_WRONG);
    ck_assert_ptr_nonnull(strstr(finding("build")->mend, DOCTOR_DPDK_LCORES == 0 ? "libdpdk-dev" : "dpdk_lcores=64"));
}
END_TEST

START_TEST(huge_pages_of_the_machine_and_of_the_node)
{
    put(&(struct file){PAGES "nr_hugepages", "10\n"});
    put(&(struct file){PAGES "free_hugepages", "6\n"});
    look();
    const struct doctor_finding *f = finding("huge pages");
    ck_assert_int_eq(f->verdict, DOCTOR_WRONG);
    int wants, told;
    ck_assert_int_eq(sscanf(f->what, "12 MiB are free of 20, packets want %d", &wants), 1);
    ck_assert_int_eq(sscanf(f->mend, "sysctl -w vm.nr_hugepages=%d", &told), 1);
    ck_assert_int_eq(told, 10 + (wants - 12 + 1) / 2); /* so many more that what is free suffices */
    char enough[16];
    snprintf(enough, sizeof enough, "%d\n", told - 4);
    put(&(struct file){PAGES "free_hugepages", enough});
    expect("huge pages", DOCTOR_GOOD, "", "");
    put(&(struct file){"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "3\n"});
    expect("huge pages", DOCTOR_ADVICE, "node 1 of device 0000:3b:00.0 has 6 MiB", "node1/hugepages");
    config.dpdk_huge_pages = false;
    expect("huge pages", DOCTOR_ADVICE, "for trying", "dpdk_huge_pages: true");
}
END_TEST

START_TEST(vfio_without_an_iommu)
{
    put(&(struct file){"/dev/vfio/17", NULL});
    put(&(struct file){"/dev/vfio/noiommu-17", "x"});
    put(&(struct file){"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n"});
    expect("IOMMU", DOCTOR_ADVICE, "unsafe mode is on", "firmware");
}
END_TEST

START_TEST(a_device_file_of_somebody_else)
{
    char path[128];
    if (geteuid() == 0) return; /* root may open everything */
    snprintf(path, sizeof path, "%s/dev/vfio/17", root);
    ck_assert_int_eq(chmod(path, 0), 0);
    expect("device file", DOCTOR_WRONG, "may not open /dev/vfio/17", "chown millrace /dev/vfio/17");
}
END_TEST

/* Mellanox: the kernel's driver stays, so the kernel knows its link. */
START_TEST(a_device_that_the_kernel_shares)
{
    put(&(struct file){PCI "/vendor", "0x15b3\n"});
    expect("driver", DOCTOR_WRONG, "DPDK wants mlx5_core", "--bind=mlx5_core");
    put(&(struct file){PCI "/driver", "-> ../drivers/mlx5_core"});
    put(&(struct file){PCI "/net/ens1/ifindex", "3\n"});
    put(&(struct file){"/sys/class/net/ens1/carrier", "1\n"});
    put(&(struct file){"/sys/class/net/ens1/mtu", "1500\n"});
    look();
    ck_assert_int_eq(finding("driver")->verdict, DOCTOR_GOOD);
    ck_assert_int_eq(finding("link")->verdict, DOCTOR_GOOD);
    ck_assert_int_eq(finding("MTU")->verdict, DOCTOR_GOOD);
    ck_assert_ptr_null(finding("IOMMU"));
    config.dpdk_mtu = 9000;
    expect("MTU", DOCTOR_WRONG, "ens1 has 1500, dpdk_mtu is 9000", "ip link set ens1 mtu 9000");
    config.dpdk_mtu = 1500;
    put(&(struct file){"/sys/class/net/ens1/carrier", "0\n"});
    expect("link", DOCTOR_WRONG, "ens1 is down", "ip link set ens1 up");
    put(&(struct file){"/proc/net/route", "Iface\tDestination\nens1\t00000000\t0100A8C0\n"});
    expect("link", DOCTOR_WRONG, "ens1 has this machine's default route", "of its own");
}
END_TEST

START_TEST(amazons_device_wants_its_memory_combined)
{
    put(&(struct file){PCI "/vendor", "0x1d0f\n"});
    look();
    ck_assert_ptr_null(finding("ENA")); /* without vfio's module nothing of it is to be said */
    put(&(struct file){"/sys/module/vfio_pci/refcnt", "1\n"});
    expect("ENA", DOCTOR_ADVICE, "write-combined", "enav2-vfio-patch");
}
END_TEST

START_TEST(a_device_that_is_not_there)
{
    snprintf(config.dpdk_device, sizeof config.dpdk_device, "0000:99:00.0");
    expect("device", DOCTOR_WRONG, "0000:99:00.0 is not on the PCI bus", "dpdk-devbind.py");
}
END_TEST

START_TEST(virtual_devices)
{
    snprintf(config.dpdk_device, sizeof config.dpdk_device, "net_af_packet0,iface=server,qpairs=2");
    put(&(struct file){"/proc/self/status", "CapEff:\t0000000000002000\n"});
    expect("device", DOCTOR_WRONG, "no interface 'server'", "ip link add server");
    put(&(struct file){"/sys/class/net/server/carrier", "1\n"});
    put(&(struct file){"/sys/class/net/server/mtu", "1500\n"});
    expect("device", DOCTOR_GOOD, "the kernel's server", "");
    put(&(struct file){"/proc/self/status", "CapEff:\t0000000000000000\n"});
    expect("raw sockets", DOCTOR_WRONG, "CAP_NET_RAW", "setcap cap_net_raw");
    snprintf(config.dpdk_device, sizeof config.dpdk_device, "net_virtio_user0,path=/run/vhost.sock");
    expect("device", DOCTOR_WRONG, "no socket /run/vhost.sock", "vhost-user");
    put(&(struct file){"/run/vhost.sock", "x"});
    expect("device", DOCTOR_GOOD, "one of DPDK's own", "");
}
END_TEST

START_TEST(without_a_listener_past_the_kernel_no_device_is_looked_at)
{
    snprintf(config.listeners[0].network, sizeof config.listeners[0].network, "kernel");
    look();
    ck_assert_ptr_null(finding("device"));
    ck_assert_ptr_null(finding("huge pages"));
    ck_assert_ptr_null(finding("build"));
    ck_assert_int_eq(doctor_verdict_of(&report), DOCTOR_GOOD);
}
END_TEST

/* Their options go together on a machine of their kind. */
START_TEST(the_profiles_are_right_for_a_prepared_machine)
{
    static const char *const names[] = {"virtual", "baremetal", "baremetal-100g"};
    const char *source_root = getenv("MILLRACE_SOURCE_ROOT");
    char path[512], device[CONFIG_TEXT_BYTES];
    struct err_msg msg;
    ck_assert_ptr_nonnull(source_root);
    snprintf(path, sizeof path, "%s/profiles/%s.yaml", source_root, names[_i]);
    snprintf(device, sizeof device, "%s", config.dpdk_device);
    ck_assert_msg(config_load(path, &config, &msg) == ERR_OK, "%s", msg.text);
    snprintf(config.dpdk_device, sizeof config.dpdk_device, "%s", device);
    snprintf(config.data_folder, sizeof config.data_folder, "/data");
    look();
    for (uint32_t i = 0; i < report.count; i++) {
        const struct doctor_finding *f = &report.finding[i];
        bool is_other = strcmp(f->check, "build") == 0; /* what this build has is not the profile's */
        ck_assert_msg(is_other || f->verdict != DOCTOR_WRONG, "%s, %s: %s", names[_i], f->check, f->what);
    }
    ck_assert_ptr_nonnull(finding("huge pages"));
}
END_TEST

/* A copy of another machine's files: what calls tell is not ours to say. */
START_TEST(elsewhere_no_call_is_made)
{
    char path[96];
    struct err_msg msg;
    put(&(struct file){"/conf.yaml", text});
    snprintf(path, sizeof path, "%s/conf.yaml", root);
    ck_assert_int_eq(doctor_examine(path, root, &report, &msg), ERR_OK);
    ck_assert_int_eq(finding("file system")->verdict, DOCTOR_UNSEEN);
    ck_assert_int_eq(finding("io_uring")->verdict, DOCTOR_UNSEEN);
    ck_assert_int_eq(finding("clock")->verdict, DOCTOR_GOOD);
    put(&(struct file){"/run/chrony/chronyd.pid", NULL});
    ck_assert_int_eq(doctor_examine(path, root, &report, &msg), ERR_OK);
    ck_assert_int_eq(finding("clock")->verdict, DOCTOR_UNSEEN);
    ck_assert_int_eq(doctor_examine("/nowhere/at/all", root, &report, &msg), ERR_NOT_FOUND);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doctor");
    TCase *c = tcase_create("made-up machines");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_prepared_machine_has_nothing_amiss);
    tcase_add_loop_test(c, what_a_file_breaks_is_found, 0, sizeof broken / sizeof *broken);
    tcase_add_test(c, a_small_limit_does_not_bind_who_may_lock_all);
    tcase_add_test(c, what_calls_tell);
    tcase_add_test(c, the_data_folder);
    tcase_add_test(c, a_partition_is_judged_by_its_disk);
    tcase_add_test(c, cores_and_the_build);
    tcase_add_test(c, huge_pages_of_the_machine_and_of_the_node);
    tcase_add_test(c, vfio_without_an_iommu);
    tcase_add_test(c, a_device_file_of_somebody_else);
    tcase_add_test(c, a_device_that_the_kernel_shares);
    tcase_add_test(c, amazons_device_wants_its_memory_combined);
    tcase_add_test(c, a_device_that_is_not_there);
    tcase_add_test(c, virtual_devices);
    tcase_add_test(c, without_a_listener_past_the_kernel_no_device_is_looked_at);
    tcase_add_loop_test(c, the_profiles_are_right_for_a_prepared_machine, 0, 3);
    tcase_add_test(c, elsewhere_no_call_is_made);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

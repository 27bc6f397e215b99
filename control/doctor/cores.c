/* The cores that threads are pinned to: there, alone, fast, and near the device. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/doctor/inside.h"

static const char cpus[] = "/sys/devices/system/cpu";

/* Cores of the configuration: the serving threads', then storage's. */
static uint32_t cores_of(const struct config *c, int32_t out[CONFIG_CORES_MAX + 1])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->serve_cores.count; i++) out[count++] = c->serve_cores.core[i];
    if (c->storage_core >= 0) out[count++] = (int32_t)c->storage_core;
    return count;
}

static bool core_is_among(const int32_t *cores, uint32_t count, int32_t core)
{
    for (uint32_t i = 0; i < count; i++)
        if (cores[i] == core) return true;
    return false;
}

static void check_there(struct doctor *d, const int32_t *cores, uint32_t count, const char *online)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!list_holds(online, cores[i])) {
            found(d, "cores", DOCTOR_WRONG, "core %d is not there: online are %s", cores[i], online);
            mended(d, "serve_cores and storage_core from these; one that was put offline: echo 1 > %s/cpu%d/online",
                   cpus, cores[i]);
            return;
        }
        if (core_is_among(cores, i, cores[i])) {
            found(d, "cores", DOCTOR_ADVICE, "core %d is given to two threads: they take turns", cores[i]);
            mended(d, "a core of its own for each in serve_cores and storage_core");
            return;
        }
    }
    if (count > 0) found(d, "cores", DOCTOR_GOOD, "the %u that are named are online", count);
}

/* A thread that spins leaves its core to nobody. */
static void check_spin(struct doctor *d, const char *online)
{
    const struct config *c = d->config;
    uint32_t there = list_count(online);
    if (!c->spin) return;
    if (c->serve_thread_count >= there) {
        found(d, "spinning", DOCTOR_WRONG, "%" PRId64 " threads spin on %u cores: nothing else gets to run",
              c->serve_thread_count, there);
        mended(d, "spin: false, or a lower serve_thread_count");
    } else if (c->serve_cores.count == 0) {
        found(d, "spinning", DOCTOR_ADVICE, "spin is set and serve_cores is not: spinning threads wander, and push "
              "others away");
        mended(d, "serve_cores: one core for each of the %" PRId64 " threads", c->serve_thread_count);
    } else {
        found(d, "spinning", DOCTOR_GOOD, "%" PRId64 " of %u cores spin", c->serve_thread_count, there);
    }
}

/* Only cores that spin need be free of others. */
static void check_isolated(struct doctor *d)
{
    const struct config *c = d->config;
    char isolated[256], missing[128] = "";
    if (!c->spin || c->serve_cores.count == 0) return;
    (void)file_line(d, isolated, sizeof isolated, "%s/isolated", cpus);
    for (uint32_t i = 0; i < c->serve_cores.count; i++) {
        size_t used = strlen(missing);
        if (list_holds(isolated, c->serve_cores.core[i])) continue;
        snprintf(missing + used, sizeof missing - used, "%s%d", used == 0 ? "" : ",", c->serve_cores.core[i]);
    }
    if (missing[0] == '\0') {
        found(d, "isolated cores", DOCTOR_GOOD, "the kernel puts nothing else on the spinning cores (%s)", isolated);
        return;
    }
    found(d, "isolated cores", DOCTOR_ADVICE, "the kernel puts other threads on spinning cores %s, which then wait",
          missing);
    mended(d, "isolcpus=%s nohz_full=%s rcu_nocbs=%s in GRUB_CMDLINE_LINUX of /etc/default/grub, then update-grub and "
           "restart", missing, missing, missing);
}

/* Two hardware threads of one core share what a busy one uses up. */
static void check_siblings(struct doctor *d)
{
    const struct config *c = d->config;
    char siblings[128];
    for (uint32_t i = 0; c->spin && i < c->serve_cores.count; i++) {
        int32_t core = c->serve_cores.core[i];
        if (!file_line(d, siblings, sizeof siblings, "%s/cpu%d/topology/thread_siblings_list", cpus, core)) continue;
        for (uint32_t k = 0; k < c->serve_cores.count; k++) {
            if (k == i || !list_holds(siblings, c->serve_cores.core[k])) continue;
            found(d, "hyper-threads", DOCTOR_ADVICE, "cores %d and %d are one core's two hardware threads: spinning, "
                  "each takes half of it", core, c->serve_cores.core[k]);
            mended(d, "serve_cores of different pairs (cat %s/cpu*/topology/thread_siblings_list)", cpus);
            return;
        }
    }
}

static void check_governor(struct doctor *d, const int32_t *cores, uint32_t count)
{
    char governor[32];
    static const int32_t first[] = {0};
    if (count == 0) cores = first, count = 1;
    for (uint32_t i = 0; i < count; i++) {
        if (!file_line(d, governor, sizeof governor, "%s/cpu%d/cpufreq/scaling_governor", cpus, cores[i])) {
            found(d, "frequency", DOCTOR_GOOD, "the kernel does not change it here");
            return;
        }
        if (strcmp(governor, "performance") == 0) continue;
        found(d, "frequency", DOCTOR_ADVICE, "the governor of core %d is %s: it is slow again whenever it has rested",
              cores[i], governor);
        mended(d, "for g in %s/cpu*/cpufreq/scaling_governor; do echo performance > $g; done", cpus);
        return;
    }
    found(d, "frequency", DOCTOR_GOOD, "the governor is performance");
}

static void check_node(struct doctor *d, const int32_t *cores, uint32_t count)
{
    char near[256];
    if (d->node < 0 || !file_line(d, near, sizeof near, "/sys/devices/system/node/node%" PRId64 "/cpulist", d->node))
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (list_holds(near, cores[i])) continue;
        found(d, "NUMA", DOCTOR_ADVICE, "core %d is not on node %" PRId64 " of device %s: each packet crosses the "
              "processors", cores[i], d->node, d->device);
        mended(d, "serve_cores and storage_core out of %s", near);
        return;
    }
    if (count > 0) found(d, "NUMA", DOCTOR_GOOD, "the cores are on node %" PRId64 ", the device's", d->node);
}

void check_cores(struct doctor *d)
{
    int32_t cores[CONFIG_CORES_MAX + 1];
    uint32_t count = cores_of(d->config, cores);
    char online[256];
    if (!file_line(d, online, sizeof online, "%s/online", cpus)) {
        found(d, "cores", DOCTOR_UNSEEN, "%s/online cannot be read", cpus);
        return;
    }
    check_there(d, cores, count, online);
    check_spin(d, online);
    check_isolated(d);
    check_siblings(d);
    check_governor(d, cores, count);
    check_node(d, cores, count);
}

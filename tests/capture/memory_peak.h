/* tests/capture/memory_peak.h -- how much memory a part of a test takes at most, beside what was there before. */
#ifndef TESTS_CAPTURE_MEMORY_PEAK_H
#define TESTS_CAPTURE_MEMORY_PEAK_H

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The address sanitizer keeps what was freed: peaks say nothing then. */
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_PEAK_IS_TRUE 0
#elif defined(__has_feature)
#define MEMORY_PEAK_IS_TRUE (!__has_feature(address_sanitizer))
#else
#define MEMORY_PEAK_IS_TRUE 1
#endif

/* A line of /proc/self/status, in KiB. */
static inline uint64_t memory_line_kib(const char *name)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) sscanf(line + strlen(name), " %llu", &kib);
    if (f != NULL) fclose(f);
    return kib;
}

/* Begins: the peak is taken back to what is in use now, which is returned. */
static inline uint64_t memory_peak_begin_kib(void)
{
    malloc_trim(0);
    FILE *f = fopen("/proc/self/clear_refs", "we");
    if (f != NULL) {
        fputs("5\n", f);
        fclose(f);
    }
    return memory_line_kib("VmRSS:");
}

static inline uint64_t memory_peak_kib(uint64_t begun_kib)
{
    uint64_t peak = memory_line_kib("VmHWM:");
    return peak > begun_kib ? peak - begun_kib : 0;
}

#endif

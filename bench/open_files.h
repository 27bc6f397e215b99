/* bench/open_files.h -- as many open files as this process may have. */
#ifndef BENCH_OPEN_FILES_H
#define BENCH_OPEN_FILES_H

#include <stdint.h>
#include <sys/resource.h>

/* Raises the limit to what is allowed; returns it. */
static inline uint64_t open_files_raise(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_max;
}

#endif

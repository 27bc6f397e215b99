/* control/doctor/inside.h -- between the doctor's files: what a look needs, and reading /proc and /sys. */
#ifndef CONTROL_DOCTOR_INSIDE_H
#define CONTROL_DOCTOR_INSIDE_H

#include "control/config.h"
#include "control/doctor/doctor.h"

struct doctor {
    const struct config *config;
    const char *root;
    const struct doctor_calls *calls; /* NULL: none may be made */
    struct doctor_report *report;
    bool     is_past;      /* a listener is past the kernel */
    bool     is_virtual;   /* its device is one of DPDK's own */
    char     device[64];   /* a PCI address, or a virtual device's name, without its arguments */
    char     interface[32]; /* the kernel's name of it; empty: it has none */
    char     driver[32];   /* of a PCI device; empty: none */
    int64_t  node;         /* NUMA node of a PCI device; -1: not known */
};

/* A finding; mended: what to do about it. */
void found(struct doctor *d, const char *check, enum doctor_verdict v, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void mended(struct doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Below the root.  file_line: the first line, without its end; false: it is not there, or empty. */
bool    file_line(const struct doctor *d, char *out, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The number a file begins with; `otherwise` where there is none. */
int64_t file_number(const struct doctor *d, int64_t otherwise, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool    file_exists(const struct doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool    file_is_ours(const struct doctor *d, const char *fmt, ...) /* may be read and written by us */
    __attribute__((format(printf, 2, 3)));
/* The last part of where a link leads; false: it is none. */
bool    link_end(const struct doctor *d, char *out, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The name of the first entry of a folder; false: it is empty or not there. */
bool    folder_first(const struct doctor *d, char *out, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What follows `key` in the first line of a file that begins so; blanks between are skipped. */
bool    file_value(const struct doctor *d, char *out, size_t size, const char *path, const char *key);
/* Calls `take` with each line until it returns false. */
void    file_lines(const struct doctor *d, const char *path, bool (*take)(void *context, const char *line),
                   void *context);
/* Is it in a list as the kernel writes them: 0-3,8? */
bool    list_holds(const char *list, int64_t number);
uint32_t list_count(const char *list);
/* Have we this capability (capabilities(7))? */
bool    has_capability(const struct doctor *d, unsigned number);

/* The checks, by what they are of; the device first: others use what it learns. */
void check_device(struct doctor *d);
void check_packet_memory(struct doctor *d);
void check_cores(struct doctor *d);
void check_machine(struct doctor *d);
void check_disk(struct doctor *d);

extern const struct doctor_calls doctor_real_calls;

#endif

/* control/doctor/doctor.h -- is this machine prepared for that configuration?  Looks, changes nothing, and says for
 * each thing that is amiss the command that mends it.  Any thread; `millrace doctor` prints what it finds. */
#ifndef CONTROL_DOCTOR_DOCTOR_H
#define CONTROL_DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/timex.h>

#include "base/err.h"

struct config;

enum doctor_verdict {
    DOCTOR_GOOD,
    DOCTOR_ADVICE, /* it works, but slower or less safely than it could */
    DOCTOR_WRONG,  /* it does not work so */
    DOCTOR_UNSEEN, /* cannot be told from here */
};

enum { DOCTOR_FINDINGS_MAX = 96 };

struct doctor_finding {
    const char *check; /* static: what was looked at, "huge pages" */
    enum doctor_verdict verdict;
    char what[320];
    char mend[320]; /* a command to run, or what to set in which file; empty: nothing to do */
};

struct doctor_report {
    struct doctor_finding finding[DOCTOR_FINDINGS_MAX];
    uint32_t count;
};

/* What the file system of a folder is able to. */
struct doctor_folder {
    int      why; /* errno of the folder; 0: it is there */
    char     seen[256]; /* the folder that was looked at: the next one above that is there */
    bool     is_writable, is_direct; /* files may be made in it; and with O_DIRECT */
    bool     is_remote, is_memory; /* a network's file system; one that is gone with the power */
    uint64_t free_bytes, total_bytes;
    uint32_t major, minor; /* of the block device; 0:0 where there is none */
};

/* What no file below /proc and /sys tells.  Tests bring their own. */
struct doctor_calls {
    int  (*clock)(struct timex *out); /* adjtimex(2), without a change */
    int  (*uring)(void); /* makes an io_uring and lets it go; errno, 0: that worked */
    void (*folder)(const char *path, struct doctor_folder *out);
};

/* Reads the configuration and looks at the machine.  `root`: where /proc, /sys, /etc, /run and /dev are looked for, ""
 * for this machine; anywhere else no call is made, and what calls tell is DOCTOR_UNSEEN.  Errors are config_load's. */
NODISCARD enum err doctor_examine(const char *config_path, const char *root, struct doctor_report *out,
                                  struct err_msg *msg);
/* The same for a configuration at hand; `calls` NULL: none. */
void doctor_look(const struct config *config, const char *root, const struct doctor_calls *calls,
                 struct doctor_report *out);
/* The worst of all: DOCTOR_WRONG, else DOCTOR_ADVICE, else DOCTOR_GOOD. */
enum doctor_verdict doctor_verdict_of(const struct doctor_report *report);
/* "good", "advice", "wrong", "unseen". */
const char *doctor_verdict_text(enum doctor_verdict v);

#endif

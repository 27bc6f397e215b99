/* capture/precheck.h -- what must hold of a source before a channel follows it: each item tried, with the SQL that
 * asked and with what to do.
 *
 * A variable that the source's version does not have is no failure: the item passes and says so.  An item that cannot
 * be tried because one before it failed is skipped. */
#ifndef CAPTURE_PRECHECK_H
#define CAPTURE_PRECHECK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/capture.h"
#include "capture/catalog.h"
#include "capture/filter.h"
#include "capture/source_facts.h"

enum precheck_verdict { PRECHECK_PASS, PRECHECK_WARNING, PRECHECK_FAILURE, PRECHECK_SKIPPED };

enum { PRECHECK_ITEMS_MAX = 20 };

struct precheck_item {
    const char *name; /* static: "connection", "log_bin", ... */
    enum precheck_verdict verdict;
    enum err code;    /* of a failure */
    const char *sql;  /* static; "" : none */
    char found[400];  /* what was seen */
    char mend[240];   /* what to do; "" when it passed or was skipped, never else */
};

struct precheck_report {
    uint32_t count;
    struct precheck_item item[PRECHECK_ITEMS_MAX];
};

/* Connects, tries every item and leaves.  The first failure is returned, with its words in `msg`; `report` (may be
 * NULL) gets all of them.  Each question may take `timeout_s`.  A thread of its own. */
NODISCARD enum err capture_precheck(const struct capture_config *config, uint32_t timeout_s,
                                    struct precheck_report *report, struct err_msg *msg);

/* The same items for a folder of binlog files (precheck_archive.c); those that only a server could answer are skipped.
 */
void precheck_archive(const struct capture_config *config, struct precheck_report *report);

struct precheck_door { /* borrowed */
    const struct capture_config *config;
    struct precheck_report *report;
    struct source_stream *stream;
    const struct source_facts *facts;
    const struct filter *filter;
    const struct catalog *catalog; /* of now */
    const _Atomic bool *stop;
};
/* Are the definitions known when the channel begins at `from`?  (precheck_definitions.c) */
void precheck_definitions(const struct precheck_door *d, const struct source_place *from);

/* One more item. */
void precheck_add(struct precheck_report *r, const char *name, enum precheck_verdict verdict, enum err code,
                  const char *sql, const char *mend, const char *format, ...) __attribute__((format(printf, 7, 8)));
/* The same of an error: what was found is its cause, and what it says itself of what to do goes before `mend`. */
void precheck_add_why(struct precheck_report *r, const char *name, enum precheck_verdict verdict, enum err code,
                      const char *sql, const char *mend, const struct err_msg *why);
const char *precheck_verdict_name(enum precheck_verdict v);

#endif

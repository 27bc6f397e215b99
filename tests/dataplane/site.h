/* tests/dataplane/site.h -- a whole server of the test's own: storage on a real disk, dataplane, topics. */
#ifndef TESTS_DATAPLANE_SITE_H
#define TESTS_DATAPLANE_SITE_H

#include <sys/types.h>

#include "base/counters.h"
#include "dataplane/serve.h"
#include "ring/log_feed.h"
#include "storage/storage.h"
#include "tests/storage/producer.h"

enum { SITE_SEED = 99, SITE_ACCOUNTS_MAX = 8 };

struct site_topic {
    struct log_identity identity;
    struct log      *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter    waiter;
    struct producer  producer; /* not of the offsets */
};

struct site {
    char folder[64];
    struct counters *counters;
    struct storage  *storage;
    struct site_topic offsets; /* __consumer_offsets */
    struct dataplane *dataplane;
    char bootstrap[32]; /* host:port */
    uint64_t session_lifetime_ms; /* set before site_start: of logins; 0: they last */
};

/* Fails the test when something does not start. */
void site_start(struct site *s);
/* dataplane and storage again on the same folder and port, as after a stop and start of the process. */
void site_restart(struct site *s, struct site_topic *topic);
void site_stop(struct site *s);
void site_topic_open(struct site *s, struct site_topic *t, const char *name);
void site_topic_close(struct site_topic *t);
/* Appends a batch of records that record_value_holds(SITE_SEED, ...) knows. */
void site_append(struct site_topic *t, uint32_t records, uint32_t value_bytes, int64_t timestamp_ms);
/* Waits until all that was appended can be read. */
void site_settle(struct site_topic *t);

struct child {
    pid_t pid;
    int   out; /* its stdout; stderr goes with it when asked for */
    char  text[1 << 16]; /* read so far */
    size_t size;
};

/* Starts a program found in PATH; argv ends with NULL. */
void child_start(struct child *c, const char *const *argv, bool with_stderr);
/* Reads until the text contains `wanted` (NULL: until it ends by itself); false: late. */
bool child_read(struct child *c, const char *wanted, int timeout_ms);
/* Asks it to end (SIGTERM) and waits. */
void child_leave(struct child *c);
/* Kills it if it still runs. */
void child_end(struct child *c);
/* Runs kcat with "-b bootstrap" and these arguments to its end; returns its output. */
const char *kcat(struct site *s, struct child *c, const char *const *arguments);

#endif

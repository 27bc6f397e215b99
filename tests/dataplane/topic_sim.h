/* tests/dataplane/topic_sim.h -- a log of a simulated server: storage and dataplane in one thread of the test. */
#ifndef TESTS_DATAPLANE_TOPIC_SIM_H
#define TESTS_DATAPLANE_TOPIC_SIM_H

#include <check.h>
#include <stdio.h>

#include "ring/log_feed.h"
#include "ring/wait.h"
#include "storage/storage.h"

struct topic {
    struct log_identity identity;
    struct log      *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter    waiter;
};

/* Opens it, or makes it new; whose name begins with '_' is internal.  `resume.gtid_set` is the caller's to free. */
static inline void topic_open(struct storage *storage, struct topic *t, const char *name, bool create)
{
    struct err_msg msg = {0};
    *t = (struct topic){.identity.is_internal = name[0] == '_', .identity.topic_id = {(uint8_t)name[0]}};
    snprintf(t->identity.name, sizeof t->identity.name, "%s", name);
    enum err e = storage_log_open(storage, &t->identity, create, &t->log, &t->feed, &t->resume, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    waiter_init_simulated(&t->waiter);
}

#endif

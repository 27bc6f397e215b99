/* tests/crash/crash_world.h -- the whole way in one thread and one seed: a simulated source, the real capture, the real
 * storage over a simulated disk, the real serve loop and coordinator over a simulated port, and a consumer that checks
 * every byte and outlives the server.  Steps come in random order on a simulated clock. */
#ifndef TESTS_CRASH_CRASH_WORLD_H
#define TESTS_CRASH_CRASH_WORLD_H

#include "capture/capture_sim.h"
#include "dataplane/serve_sim.h"
#include "storage/disk_sim.h"
#include "storage/storage.h"
#include "tests/crash/crash_consumer.h"
#include "tests/crash/crash_source.h"

struct crash_world {
    uint64_t seed;
    struct random random;
    struct clock_simulated clock;
    struct crash_source   source;
    struct crash_consumer consumer;
    struct storage_config storage_settings; /* drawn by the seed, for the whole history */
    bool     shows_written; /* `visible: written` */
    struct disk *disk;
    bool     disk_ails;  /* writes or syncs fail for a while */
    /* What the power takes: */
    struct counters *counters;
    struct storage  *storage;
    struct log      *log, *offsets_log;
    struct log_feed *feed, *offsets_feed;
    struct log_resume resume, offsets_resume;
    struct waiter    producer_waiter;
    struct capture  *capture;
    bool     after_failure; /* the last capture ended by itself */
    struct dataplane *dataplane;
    struct port     *port; /* the dataplane's */
    /* What happened: */
    uint64_t power_cuts, cuts_in_recovery, ailments, reattached, restarts;
};

/* A new disk, and the power on for the first time. */
void crash_world_init(struct crash_world *w, uint64_t seed);
void crash_world_fini(struct crash_world *w);
/* One step of somebody, and what follows when the disk failed or its power is gone.  `source_lives`: the source may do
 * something new. */
void crash_world_turn(struct crash_world *w, bool source_lives);
/* The power goes after a few more changes of the disk; writes or syncs begin to fail; they do so no longer. */
void crash_world_cut_power_soon(struct crash_world *w);
void crash_world_ail_disk(struct crash_world *w);
void crash_world_heal_disk(struct crash_world *w);
/* A clean stop, as upon SIGTERM, and a start; the power may go meanwhile. */
void crash_world_restart(struct crash_world *w);

#endif

/* tests/capture/capture_world.h -- a capture between a simulated source and a storage side that checks every rule of
 * the feed, all in one thread. */
#ifndef TESTS_CAPTURE_CAPTURE_WORLD_H
#define TESTS_CAPTURE_CAPTURE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture_sim.h"
#include "capture/stream_sim.h"
#include "tests/capture/binlog_maker.h"
#include "tests/capture/fake_storage.h"

/* Time that moves only between steps, and a wall clock that stands: records of two runs can be compared byte by byte.
 */
struct still_clock {
    struct clock clock;
    uint64_t now_ns;
};

struct world {
    struct still_clock clock;
    struct stream_sim_source source; /* tables app.kept and app.other: (id INT, text TEXT) */
    struct binlog_maker maker;
    struct fake_storage storage;
    struct counters *counters;
    struct capture_config config;
    struct capture *capture;
    char folder[40]; /* "": nothing is kept */
};

void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w);
/* From the next capture on, what must outlive one (definitions, prepared XA transactions) is kept in a data folder. */
void world_keep(struct world *w);
/* Starts capture on the log as it is. */
void world_capture(struct world *w);
/* Steps until nothing is left to do; false: capture ended (its status says why). */
bool world_run(struct world *w, unsigned steps_max, struct capture_status *status);
/* Ends capture; the log is cut to its last whole transaction. */
void world_leave(struct world *w);
/* The same records in both but for HEARTBEATs, of which each start writes one, and the record ids that they shift. */
void world_assert_same_changes(const struct world *calm, const struct world *rough);

#endif

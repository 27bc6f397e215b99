/* capture/capture_sim.h -- capture without its thread: over any source stream, stepped by the test that owns it. */
#ifndef CAPTURE_CAPTURE_SIM_H
#define CAPTURE_CAPTURE_SIM_H

#include "capture/capture.h"
#include "capture/source_stream.h"

/* As capture_start, but without a thread: the caller calls capture_step.  `stream` is taken over, also on error.
 * `starved` is called (again and again) where the thread would sleep until storage leases a chunk: it lets storage
 * work.  resume->gtid_set stays the caller's.  Ends with capture_stop. */
NODISCARD enum err capture_open_simulated(struct capture **out, const struct capture_config *config,
                                          struct log_feed *feed, const struct log_resume *resume,
                                          const struct clock *clock, struct counters *counters,
                                          struct source_stream *stream, void (*starved)(void *context),
                                          void *starved_context, struct err_msg *msg);

/* One turn: connects, or takes a burst of events.  Returns how much was done; 0: nothing to do until the source sends
 * more or the clock reaches the end of a pause. */
unsigned capture_step(struct capture *c);
/* The host that it connects to: 0 is the source, others its standbys. */
uint32_t capture_host(const struct capture *c);

#endif

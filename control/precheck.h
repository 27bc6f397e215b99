/* control/precheck.h -- capture_precheck in a short-lived thread, so that a slow source never holds up the control
 * thread. */
#ifndef CONTROL_PRECHECK_H
#define CONTROL_PRECHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/capture.h"

struct precheck;

/* Starts the check.  The strings of `config` must live until precheck_finish; `done_fd` is an eventfd that is written
 * when the result is there. ERR_NO_MEMORY. */
NODISCARD enum err precheck_start(struct precheck **out, const struct capture_config *config, uint32_t timeout_s,
                                  int done_fd, struct err_msg *msg);
bool precheck_is_done(const struct precheck *p);
/* Joins the thread (waits when it is not done: at most the timeout), frees, and returns the verdict. */
NODISCARD enum err precheck_finish(struct precheck *p, struct err_msg *msg);

#endif

/* control/precheck.h -- capture_precheck in a short-lived thread, so that a slow source never holds up the control
 * thread. */
#ifndef CONTROL_PRECHECK_H
#define CONTROL_PRECHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/capture.h"
#include "capture/precheck.h"

struct precheck_run;

/* Starts the check of the source and of the room in `data_folder`.  The strings must live until precheck_finish;
 * `done_fd` is an eventfd that is written when the result is there. ERR_NO_MEMORY. */
NODISCARD enum err precheck_start(struct precheck_run **out, const struct capture_config *config,
                                  const char *data_folder, uint32_t timeout_s, int done_fd, struct err_msg *msg);
bool precheck_is_done(const struct precheck_run *p);
/* Joins the thread (waits when it is not done), frees, and returns the verdict; `report` (may be NULL) gets the items.
 */
NODISCARD enum err precheck_finish(struct precheck_run *p, struct precheck_report *report, struct err_msg *msg);

#endif

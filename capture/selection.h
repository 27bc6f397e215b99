/* capture/selection.h -- which objects a channel follows, as one text: a line "+PATTERN" for each include pattern, then
 * "-PATTERN" for each exclude pattern (capture/filter.h).  So it stands in the log and in the tracker's file.  Pure. */
#ifndef CAPTURE_SELECTION_H
#define CAPTURE_SELECTION_H

#include <stdbool.h>

#include "base/err.h"
#include "capture/filter.h"

/* malloc'd; NULL: no memory.  The lists end with NULL; `exclude` may be NULL. */
char *selection_text(const char *const *include, const char *const *exclude);

/* As filter_open, from the text. */
NODISCARD enum err selection_filter(struct filter **out, const char *text, bool ignore_case, struct err_msg *msg);

#endif

/* control/json_take.h -- fields out of a JSON object, with limits.  `label` is the field's name in messages.  All
 * return ERR_INVALID with words that say what the field may be. */
#ifndef CONTROL_JSON_TAKE_H
#define CONTROL_JSON_TAKE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A text of `min` to `max` bytes without control characters; absent: `fallback`, or an error when that is NULL. */
NODISCARD enum err json_take_text(const json_t *object, const char *key, const char *label, size_t min, size_t max,
                                  const char *fallback, char *out, struct err_msg *msg);
NODISCARD enum err json_take_number(const json_t *object, const char *key, const char *label, int64_t min, int64_t max,
                                    int64_t fallback, int64_t *out, struct err_msg *msg);
/* Unless `object` is an object whose keys all stand in `keys` (NULL-terminated); `where` names it. */
NODISCARD enum err json_only_keys(const json_t *object, const char *const *keys, const char *where,
                                  struct err_msg *msg);

#endif

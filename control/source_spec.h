/* control/source_spec.h -- the part of a channel's definition that says where its changes come from: `source` and
 * `start_at` of the JSON, both ways. */
#ifndef CONTROL_SOURCE_SPEC_H
#define CONTROL_SOURCE_SPEC_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "control/channel_spec.h"

/* {"files": FOLDER, "schema_file"}, or {"host", "port", "standby": ["host:port", ...], "user", "password", "server_id",
 * "tls": {"mode", "ca", "certificate", "key"}, "connect_timeout_s", "read_timeout_s"}.  ERR_INVALID: msg names the
 * field and what it may be.  What is taken is freed by source_spec_fini, also on error. */
NODISCARD enum err source_spec_take(const json_t *source, struct channel_spec *spec, struct err_msg *msg);
/* "now" (also when absent; of files "earliest"), "earliest", {"gtid_set"}, {"file", "position"}, {"time": seconds or
 * "2026-01-31T23:59:59Z"}. */
NODISCARD enum err start_spec_take(const json_t *start, struct channel_spec *spec, struct err_msg *msg);
/* New references; NULL: no memory. */
json_t *source_spec_json(const struct channel_spec *spec, bool with_password);
json_t *start_spec_json(const struct channel_spec *spec);
void source_spec_fini(struct channel_spec *spec); /* forgets the password, too */

#endif

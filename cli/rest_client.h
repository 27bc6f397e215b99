/* cli/rest_client.h -- one request to millraced's REST API (libcurl), its answer as JSON (jansson). */
#ifndef CLI_REST_CLIENT_H
#define CLI_REST_CLIENT_H

#include <jansson.h>

#include "cli/cli.h"

/* Sends `body` (taken over; NULL: none).  CLI_OK: `answer` holds the body, what is no JSON (a text, a
 * file) as a JSON string, NULL when it is empty; the caller frees it.
 * Else the reason was said on stderr: CLI_FAILED (the server refused), CLI_UNREACHABLE. */
int rest_call(const struct cli *cli, const char *method, const char *path, json_t *body, json_t **answer);

/* The same for /v1/channels/NAME + suffix. */
int rest_call_channel(const struct cli *cli, const char *method, const char *name, const char *suffix, json_t *body,
                      json_t **answer);

/* "a.*,b.t" -> ["a.*", "b.t"]; NULL -> [].  A new reference. */
json_t *rest_list(const char *list);

#endif

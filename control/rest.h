/* control/rest.h -- the REST API (version 1): requests and responses as values, apart from the HTTP server that carries
 * them.
 *
 * Answers are JSON; errors are problem details (RFC 9457): {"type", "title", "status", "detail"}.  Control thread only.
 */
#ifndef CONTROL_REST_H
#define CONTROL_REST_H

#include <jansson.h>
#include <stddef.h>

#include "control/instance.h"

enum { REST_BODY_BYTES_MAX = 256 * 1024 };

struct rest_request {
    const char *method;
    const char *path;   /* without the query; percent-decoded */
    const char *host;   /* the Host header, NULL: none */
    const char *origin; /* the Origin header, NULL: none (a browser's page sends it) */
    const char *body;   /* NULL: none */
    size_t body_bytes;
};

struct rest_response {
    unsigned status;
    const char *content_type; /* static */
    const char *allow;        /* methods, with status 405; else NULL */
    char *body;               /* malloc'd; the receiver frees */
    size_t body_bytes;
};

/* Answers one request; never fails (a lack of memory is a 503 without a body). */
void rest_answer(struct instance *in, const struct rest_request *request, struct rest_response *out);

/* For the files that implement resources.  Each takes over `body`. */
void rest_json(struct rest_response *out, unsigned status, json_t *body);
void rest_text(struct rest_response *out, unsigned status, const char *content_type, char *body, size_t body_bytes);
void rest_problem(struct rest_response *out, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void rest_error(struct rest_response *out, const struct err_msg *why); /* the status that fits the code */

/* control/rest_channels.c */
void rest_channels_list(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_channels_create(struct instance *in, const struct rest_request *, const char *name,
                          struct rest_response *out);
void rest_channel_get(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_channel_change(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out);
void rest_channel_delete(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_channel_start(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_channel_stop(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_channel_resume(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_channel_status(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_channel_precheck(struct instance *in, const struct rest_request *, const char *name,
                           struct rest_response *out);
void rest_channel_groups(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

/* control/rest_status.c */
void rest_instance_status(struct instance *in, const struct rest_request *, const char *name,
                          struct rest_response *out);
void rest_healthz(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_readyz(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

/* control/rest_metrics.c */
void rest_metrics(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

#endif

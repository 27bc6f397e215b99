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
    const char *item;   /* set by rest_answer: what the path names within what its `name` is, "" if nothing */
    const char *host;   /* the Host header, NULL: none */
    const char *origin; /* the Origin header, NULL: none (a browser's page sends it) */
    const char *authorization; /* the header, NULL: none */
    enum role role;     /* set by rest_answer: what whoever asks may do */
    const char *(*query)(void *carrier, const char *name); /* NAME's value behind '?', decoded; NULL: not said */
    void *carrier;
    const char *body;   /* NULL: none */
    size_t body_bytes;
};

struct rest_response {
    unsigned status;
    const char *content_type; /* static */
    const char *allow;        /* methods, with status 405; else NULL */
    const char *challenge;    /* static: WWW-Authenticate, with status 401 and 403; else NULL */
    const char *policy;       /* static: a page's Content-Security-Policy; NULL: no page */
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

/* The body as JSON; NULL: it is none, which was answered. */
json_t *rest_body_json(const struct rest_request *request, struct rest_response *out);
/* A whole number behind '?', `otherwise` when it is left out.  False: it is none of 1..max, which was answered. */
bool rest_query_number(const struct rest_request *request, const char *name, uint64_t max, uint64_t otherwise,
                       uint64_t *out, struct rest_response *response);
/* A text that is not to be trusted to be UTF-8. */
json_t *rest_foreign_text(const char *text);
/* NULL: there is no such channel, which was answered. */
struct channel *rest_find_channel(struct instance *in, const char *name, struct rest_response *out);

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

void rest_channel_history(struct instance *in, const struct rest_request *, const char *name,
                          struct rest_response *out);

/* control/rest_objects.c: which tables a channel follows */
void rest_objects_get(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_objects_replace(struct instance *in, const struct rest_request *, const char *name,
                          struct rest_response *out);
void rest_objects_change(struct instance *in, const struct rest_request *, const char *name,
                         struct rest_response *out);

/* control/rest_groups.c: a channel's consumer groups, with their accounts; request->item: a group's ID */
void rest_groups_list(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_group_create(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_group_get(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_group_change(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_group_delete(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
/* False: the channel has no such group, which was answered. */
bool rest_group_is_known(struct instance *in, const struct channel *ch, const char *id, struct rest_response *out);
/* Answers with the group and its members, or that there is none. */
void rest_group_answer(struct instance *in, const struct channel *ch, const char *id, unsigned status,
                       struct rest_response *out);

/* control/rest_checkpoint.c: where a group reads on, moved by hand; request->item: its ID */
void rest_checkpoint_move(struct instance *in, const struct rest_request *, const char *name,
                          struct rest_response *out);

/* control/rest_alerts.c */
void rest_channel_alerts(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_channel_alerts_set(struct instance *in, const struct rest_request *, const char *name,
                             struct rest_response *out);
void rest_alerts_log(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_alert_targets(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_alert_targets_set(struct instance *in, const struct rest_request *, const char *name,
                            struct rest_response *out);
void rest_alert_target_test(struct instance *in, const struct rest_request *, const char *name,
                            struct rest_response *out);

/* control/rest_accounts.c: operators' accounts */
void rest_accounts_list(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_account_create(struct instance *in, const struct rest_request *, const char *name,
                         struct rest_response *out);
void rest_account_change(struct instance *in, const struct rest_request *, const char *name,
                         struct rest_response *out);
void rest_account_delete(struct instance *in, const struct rest_request *, const char *name,
                         struct rest_response *out);
/* Adds *who, of the channel that is set in it (none: an operator's), with what `body` says, which it takes over.
 * False: it could not, which was answered. */
bool rest_add_account(struct instance *in, struct account *who, json_t *body, struct rest_response *out);
/* Takes {"password": ...} for the account, which may lie elsewhere afterwards.  False: as above. */
bool rest_change_password(struct instance *in, const struct account *who, const struct rest_request *request,
                          struct rest_response *out);

/* control/rest_samples.c; request->item: a language */
void rest_samples_list(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_sample_get(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

/* control/rest_tokens.c: who may use this API */
void rest_tokens_list(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_token_create(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_token_delete(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

/* control/rest_dataplane.c: serve lcores, their ports and the device past the kernel; what passes it */
void rest_dataplane_status(struct instance *in, const struct rest_request *, const char *name,
                           struct rest_response *out);
void rest_capture_get(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_capture_start(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_capture_take(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

/* control/rest_status.c */
void rest_instance_status(struct instance *in, const struct rest_request *, const char *name,
                          struct rest_response *out);
void rest_healthz(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_readyz(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

/* control/rest_records.c: what stands last in a channel's log */
void rest_records_list(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

/* control/rest_console.c: the web page */
void rest_console_page(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);
void rest_console_file(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

/* control/rest_metrics.c */
void rest_metrics(struct instance *in, const struct rest_request *, const char *name, struct rest_response *out);

#endif

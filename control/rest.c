#include "control/rest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/channel.h"
#include "control/rest_server.h"

static const struct route {
    const char *method;
    const char *path; /* the first '*' stands for the name, the second for the item within */
    void (*answer)(struct instance *, const struct rest_request *, const char *name, struct rest_response *);
} routes[] = {
    {"GET", "/v1/channels", rest_channels_list},
    {"POST", "/v1/channels", rest_channels_create},
    {"GET", "/v1/channels/*", rest_channel_get},
    {"PATCH", "/v1/channels/*", rest_channel_change},
    {"DELETE", "/v1/channels/*", rest_channel_delete},
    {"POST", "/v1/channels/*/start", rest_channel_start},
    {"POST", "/v1/channels/*/stop", rest_channel_stop},
    {"POST", "/v1/channels/*/resume", rest_channel_resume},
    {"GET", "/v1/channels/*/status", rest_channel_status},
    {"GET", "/v1/channels/*/objects", rest_objects_get},
    {"PUT", "/v1/channels/*/objects", rest_objects_replace},
    {"PATCH", "/v1/channels/*/objects", rest_objects_change},
    {"GET", "/v1/channels/*/groups", rest_groups_list},
    {"POST", "/v1/channels/*/groups", rest_group_create},
    {"GET", "/v1/channels/*/groups/*", rest_group_get},
    {"PATCH", "/v1/channels/*/groups/*", rest_group_change},
    {"DELETE", "/v1/channels/*/groups/*", rest_group_delete},
    {"PUT", "/v1/channels/*/groups/*/checkpoint", rest_checkpoint_move},
    {"GET", "/v1/channels/*/precheck", rest_channel_precheck},
    {"GET", "/v1/channels/*/samples", rest_samples_list},
    {"GET", "/v1/channels/*/samples/*", rest_sample_get},
    {"GET", "/v1/channels/*/history", rest_channel_history},
    {"GET", "/v1/channels/*/alerts", rest_channel_alerts},
    {"PUT", "/v1/channels/*/alerts", rest_channel_alerts_set},
    {"GET", "/v1/alerts/log", rest_alerts_log},
    {"GET", "/v1/alert-targets", rest_alert_targets},
    {"PUT", "/v1/alert-targets", rest_alert_targets_set},
    {"POST", "/v1/alert-targets/*/test", rest_alert_target_test},
    {"GET", "/v1/channels/*/records", rest_records_list},
    {"GET", "/v1/accounts", rest_accounts_list},
    {"POST", "/v1/accounts", rest_account_create},
    {"PATCH", "/v1/accounts/*", rest_account_change},
    {"DELETE", "/v1/accounts/*", rest_account_delete},
    {"GET", "/v1/tokens", rest_tokens_list},
    {"POST", "/v1/tokens", rest_token_create},
    {"DELETE", "/v1/tokens/*", rest_token_delete},
    {"GET", "/v1/dataplane", rest_dataplane_status},
    {"GET", "/v1/dataplane/capture", rest_capture_get},
    {"POST", "/v1/dataplane/capture", rest_capture_start},
    {"DELETE", "/v1/dataplane/capture", rest_capture_take},
    {"GET", "/v1/status", rest_instance_status},
    {"GET", "/", rest_console_page},
    {"GET", "/console/*", rest_console_file},
    {"GET", "/metrics", rest_metrics},
    {"GET", "/healthz", rest_healthz},
    {"GET", "/readyz", rest_readyz},
};

enum { PATH_NAME_MAX = ACCOUNT_GROUP_MAX, PATH_NAMES_MAX = 2 };

/* Does `path` fit the pattern?  What each '*' stands for goes to `names`; a longer one does not fit. */
static bool path_fits(const char *pattern, const char *path, char names[PATH_NAMES_MAX][PATH_NAME_MAX + 1])
{
    for (int i = 0; i < PATH_NAMES_MAX; i++) names[i][0] = '\0';
    for (int i = 0;; i++) {
        size_t head = strcspn(pattern, "*");
        if (strncmp(pattern, path, head) != 0) return false;
        pattern += head;
        path += head;
        if (*pattern == '\0') return *path == '\0';
        size_t size = strcspn(path, "/");
        if (size == 0 || size > (i == 0 ? (size_t)CHANNEL_NAME_MAX : PATH_NAME_MAX)) return false;
        memcpy(names[i], path, size);
        names[i][size] = '\0';
        pattern++;
        path += size;
    }
}

/* Is `authority` (host, host:port, [v6]:port) this machine under a name that no foreign DNS can give it? */
static bool is_local_authority(const char *authority, const char *rest_address)
{
    char host[256];
    if (snprintf(host, sizeof host, "%s", authority) >= (int)sizeof host) return false;
    char *end = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
    const char *name = host[0] == '[' ? host + 1 : host;
    if (end != NULL) *end = '\0';
    const char *const local[] = {"localhost", "127.0.0.1", "::1", rest_address};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (strcasecmp(name, local[i]) == 0) return true;
    return false;
}

/* A page in a user's browser may send requests here: by a name of its own that points to 127.0.0.1 (Host tells), or
 * across origins (Origin tells).  Where tokens are asked for the first gains nothing, for a page has none; and what
 * listens to other machines has names that are not ours to know. */
static bool refuse_foreign(const struct instance *in, const struct rest_request *request, struct rest_response *out)
{
    const char *own = in->config.rest_address;
    bool is_local = rest_address_is_loopback(&in->config);
    if (request->host == NULL || (is_local && !is_local_authority(request->host, own))) {
        rest_problem(out, 403, "the Host header must name this machine: localhost, 127.0.0.1 or [::1]");
        return true;
    }
    const char *origin = request->origin == NULL ? NULL : strstr(request->origin, "://");
    bool is_same = origin != NULL && (is_local ? is_local_authority(origin + 3, own)
                                               : strcasecmp(origin + 3, request->host) == 0);
    if (request->origin == NULL || is_same) return false;
    rest_problem(out, 403, "requests from pages of other origins are refused");
    return true;
}

/* Without tokens the API is open to this machine, and it listens to no other. */
static enum role role_of(const struct instance *in, const struct rest_request *request)
{
    return in->tokens.count == 0 ? ROLE_ADMIN : tokens_role(&in->tokens, request->authorization);
}

/* What says nothing of what is served, and the page that asks for a token. */
static bool is_public(const char *path)
{
    static const char *const paths[] = {"/", "/healthz", "/readyz"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(path, paths[i]) == 0) return true;
    return strncmp(path, "/console/", 9) == 0;
}

static bool refuse_role(const struct rest_request *request, bool is_public, struct rest_response *out)
{
    bool only_looks = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (is_public || request->role == ROLE_ADMIN || (request->role == ROLE_VIEWER && only_looks)) return false;
    bool is_known = request->role == ROLE_VIEWER;
    if (is_known)
        rest_problem(out, 403, "a viewer's token may only look: this takes an admin's");
    else
        rest_problem(out, 401, request->authorization == NULL
                                   ? "this takes a token: send Authorization: Bearer TOKEN (millrace token create)"
                                   : "this token is not known, or was revoked");
    out->challenge = is_known                         ? "Bearer realm=\"millrace\", error=\"insufficient_scope\""
                     : request->authorization == NULL ? "Bearer realm=\"millrace\""
                                                      : "Bearer realm=\"millrace\", error=\"invalid_token\"";
    return true;
}

/* Nothing is made or changed on a channel of which half may be gone. */
static bool refuse_deleted(const struct instance *in, const struct route *route, const char *name,
                           struct rest_response *out)
{
    bool is_of_channel = strncmp(route->path, "/v1/channels/", 13) == 0;
    if (!is_of_channel || strcmp(route->method, "GET") == 0 || route->answer == rest_channel_delete) return false;
    const struct channel *ch = instance_find_channel(in, name);
    if (ch == NULL || ch->state != CHANNEL_DELETING) return false;
    rest_problem(out, 409, "channel %s is being deleted", name);
    return true;
}

void rest_answer(struct instance *in, const struct rest_request *request, struct rest_response *out)
{
    static _Thread_local char allow[64];
    char names[PATH_NAMES_MAX][PATH_NAME_MAX + 1];
    *out = (struct rest_response){.status = 503};
    if (refuse_foreign(in, request, out)) return;
    struct rest_request routed = *request;
    routed.role = role_of(in, request);
    if (refuse_role(&routed, is_public(request->path), out)) return;
    allow[0] = '\0';
    const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!path_fits(routes[i].path, request->path, names)) continue;
        if (strcmp(routes[i].method, method) == 0) {
            if (refuse_deleted(in, &routes[i], names[0], out)) return;
            routed.item = names[1];
            routes[i].answer(in, &routed, names[0], out);
            return;
        }
        snprintf(allow + strlen(allow), sizeof allow - strlen(allow), "%s%s", allow[0] == '\0' ? "" : ", ",
                 routes[i].method);
    }
    if (allow[0] == '\0') {
        rest_problem(out, 404,
                     "there is nothing at this path; the API begins at /v1/channels and /v1/status, the console at /");
        return;
    }
    rest_problem(out, 405, "this path takes %s", allow);
    out->allow = allow;
}

void rest_text(struct rest_response *out, unsigned status, const char *content_type, char *body, size_t body_bytes)
{
    *out = (struct rest_response){.status = body == NULL ? 503 : status,
                                  .content_type = content_type,
                                  .body = body,
                                  .body_bytes = body == NULL ? 0 : body_bytes};
}

static void answer_with(struct rest_response *out, unsigned status, const char *content_type, json_t *body)
{
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    rest_text(out, status, content_type, text, text == NULL ? 0 : strlen(text));
}

void rest_json(struct rest_response *out, unsigned status, json_t *body)
{
    answer_with(out, status, "application/json", body);
}

static const char *status_title(unsigned status)
{
    switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Internal Server Error";
    }
}

void rest_problem(struct rest_response *out, unsigned status, const char *fmt, ...)
{
    char detail[640];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    answer_with(out, status, "application/problem+json",
                json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title", status_title(status), "status",
                          (int)status, "detail", rest_foreign_text(detail)));
}

bool rest_query_number(const struct rest_request *request, const char *name, uint64_t max, uint64_t otherwise,
                       uint64_t *out, struct rest_response *response)
{
    const char *text = request->query(request->carrier, name);
    char *end = NULL;
    *out = otherwise;
    if (text == NULL) return true;
    errno = 0;
    bool is_digit = *text >= '0' && *text <= '9'; /* strtoull takes signs and spaces, too */
    *out = is_digit ? strtoull(text, &end, 10) : 0;
    if (is_digit && *end == '\0' && errno == 0 && *out >= 1 && *out <= max) return true;
    rest_problem(response, 400, "?%s= takes a whole number from 1 to %llu", name, (unsigned long long)max);
    return false;
}

void rest_error(struct rest_response *out, const struct err_msg *why)
{
    unsigned status = 500;
    switch (why->code) {
    case ERR_INVALID:
    case ERR_UNSUPPORTED: status = 400; break;
    case ERR_NOT_FOUND: status = 404; break;
    case ERR_EXISTS:
    case ERR_STATE:
    case ERR_TOO_LARGE: status = 409; break;
    case ERR_NO_MEMORY: status = 503; break;
    case ERR_NO_SPACE: status = 507; break;
    default: break;
    }
    rest_problem(out, status, "%s", why->text[0] == '\0' ? err_text(why->code) : why->text);
}

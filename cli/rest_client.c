#include "cli/rest_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/password.h"

enum { ANSWER_BYTES_MAX = 64 << 20, REQUEST_TIMEOUT_S = 60, TOKEN_BYTES = 256 };

struct answer {
    char *bytes;
    size_t size;
};

static size_t take_bytes(char *bytes, size_t unit, size_t count, void *context)
{
    struct answer *a = context;
    size_t size = unit * count;
    if (a->size + size > ANSWER_BYTES_MAX) return 0;
    char *grown = realloc(a->bytes, a->size + size + 1);
    if (grown == NULL) return 0;
    a->bytes = grown;
    memcpy(a->bytes + a->size, bytes, size);
    a->size += size;
    a->bytes[a->size] = '\0';
    return size;
}

/* The address and at most a port: "http://127.0.0.1:x@elsewhere" is elsewhere. */
static bool server_is_local(const char *server)
{
    static const char *const local[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        size_t size = strlen(local[i]);
        if (strncmp(server, local[i], size) != 0) continue;
        if (server[size] == ':') size += 1 + strspn(server + size + 1, "0123456789");
        if (server[size] == '\0' || server[size] == '/') return true;
    }
    return false;
}

static int unreachable(const struct cli *cli, CURLcode code)
{
    return cli_fail(
        CLI_UNREACHABLE,
        "millraced does not answer at %s (%s).\n"
        "  Is it running?  ./start starts all of it; millraced --config profiles/embedded.yaml starts it alone.\n"
        "  Elsewhere?  --server URL or $MILLRACE_SERVER names its REST API.",
        cli->server, curl_easy_strerror(code));
}

static int take_answer(const struct answer *a, long status, json_t **out)
{
    json_t *json = a->size == 0 ? NULL : json_loadb(a->bytes, a->size, 0, NULL);
    if (status >= 200 && status < 300) {
        *out = json == NULL && a->size > 0 ? json_stringn_nocheck(a->bytes, a->size) : json; /* a text, or a file */
        return CLI_OK;
    }
    const char *detail = json_string_value(json_object_get(json, "detail"));
    int code =
        detail != NULL ? cli_fail(CLI_FAILED, "%s", detail) : cli_fail(CLI_FAILED, "the server answered %ld", status);
    json_decref(json);
    return code;
}

/* Adds the Authorization header, if there is a token. */
static int add_token(const struct cli *cli, struct curl_slist **headers)
{
    char token[TOKEN_BYTES] = "", header[TOKEN_BYTES + 32];
    const char *from_environment = getenv("MILLRACE_TOKEN");
    if (cli->token_file != NULL) {
        int code = password_from_file(cli->token_file, token, sizeof token);
        if (code != CLI_OK) return code;
    } else if (from_environment != NULL && strlen(from_environment) < sizeof token) {
        strcpy(token, from_environment);
    }
    if (*token == '\0') return CLI_OK;
    if (strncmp(cli->server, "https://", 8) != 0 && !server_is_local(cli->server))
        return cli_fail(CLI_USAGE, "a token is not sent to %s in the clear: use https://", cli->server);
    snprintf(header, sizeof header, "Authorization: Bearer %s", token);
    *headers = curl_slist_append(*headers, header);
    explicit_bzero(token, sizeof token);
    explicit_bzero(header, sizeof header);
    return CLI_OK;
}

static int perform(const struct cli *cli, CURL *curl, const char *method, const char *url, const char *body,
                   json_t **out)
{
    struct answer answer = {NULL, 0};
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    int code = add_token(cli, &headers);
    if (code != CLI_OK) {
        curl_slist_free_all(headers);
        return code;
    }
    if (cli->ca != NULL) curl_easy_setopt(curl, CURLOPT_CAINFO, cli->ca);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)REQUEST_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* the API is on this machine */
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    else if (strcmp(method, "POST") == 0)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    CURLcode rc = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    code = rc == CURLE_OK ? take_answer(&answer, status, out) : unreachable(cli, rc);
    curl_slist_free_all(headers);
    free(answer.bytes);
    return code;
}

int rest_call(const struct cli *cli, const char *method, const char *path, json_t *body, json_t **answer)
{
    char url[2048];
    *answer = NULL;
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    CURL *curl = curl_easy_init();
    int code;
    if (curl == NULL)
        code = cli_fail(CLI_FAILED, "libcurl cannot be used here");
    else if (snprintf(url, sizeof url, "%s%s", cli->server, path) >= (int)sizeof url)
        code = cli_fail(CLI_USAGE, "the name is too long");
    else
        code = perform(cli, curl, method, url, text, answer);
    curl_easy_cleanup(curl);
    if (text != NULL) explicit_bzero(text, strlen(text)); /* it may hold a password */
    free(text);
    return code;
}

int rest_call_channel(const struct cli *cli, const char *method, const char *name, const char *suffix, json_t *body,
                      json_t **answer)
{
    char path[1024];
    char *escaped = curl_easy_escape(NULL, name, 0);
    int size = escaped == NULL ? (int)sizeof path : snprintf(path, sizeof path, "/v1/channels/%s%s", escaped, suffix);
    curl_free(escaped);
    *answer = NULL;
    if (size < (int)sizeof path) return rest_call(cli, method, path, body, answer);
    json_decref(body);
    return cli_fail(CLI_USAGE, "'%.60s...' is no channel's name", name);
}

json_t *rest_list(const char *list)
{
    json_t *patterns = json_array();
    for (const char *at = list; at != NULL && *at != '\0';) {
        while (*at == ' ' || *at == ',') at++;
        size_t size = strcspn(at, ",");
        size_t kept = size;
        while (kept > 0 && at[kept - 1] == ' ') kept--;
        if (kept > 0) json_array_append_new(patterns, json_stringn(at, kept));
        at += size;
    }
    return patterns;
}

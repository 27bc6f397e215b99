#include "control/source_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/rfc3339.h"
#include "control/json_take.h"

enum { PORT_DEFAULT = 3306, TIMEOUT_S_MAX = 3600 };

static const char *const tls_modes[] = {
    [SOURCE_TLS_OFF] = "off",
    [SOURCE_TLS_PREFERRED] = "preferred",
    [SOURCE_TLS_REQUIRED] = "required",
    [SOURCE_TLS_VERIFY_CA] = "verify_ca",
    [SOURCE_TLS_VERIFY_IDENTITY] = "verify_identity",
};

void source_spec_fini(struct channel_spec *spec)
{
    explicit_bzero(spec->password, sizeof spec->password);
    for (uint32_t i = 0; i < spec->standby_count; i++) free((void *)(uintptr_t)spec->standby[i].name);
    free(spec->standby);
    free(spec->start_gtid_set);
    spec->standby = NULL;
    spec->standby_count = 0;
    spec->start_gtid_set = NULL;
}

/* --- source --- */

/* "host", "host:port", "[v6 address]:port", or a unix socket's path. */
static enum err take_standby_host(const char *text, struct source_host *out, struct err_msg *msg)
{
    const char *name = text, *end = text + strlen(text), *port = NULL;
    if (text[0] == '[' && (end = strchr(text, ']')) != NULL) {
        name = text + 1;
        port = end[1] == ':' ? end + 2 : NULL;
        if (port == NULL && end[1] != '\0') end = NULL;
    } else if (text[0] != '/' && end != NULL && (port = strrchr(text, ':')) != NULL) {
        end = port++;
    }
    char *rest = NULL;
    unsigned long number = port == NULL ? PORT_DEFAULT : strtoul(port, &rest, 10);
    bool is_port = port == NULL || (*port >= '0' && *port <= '9' && *rest == '\0');
    size_t size = end == NULL ? 0 : (size_t)(end - name);
    if (size == 0 || size > CHANNEL_HOST_MAX || !is_port || number == 0 || number > UINT16_MAX)
        return err_set(msg, ERR_INVALID, "source.standby: '%.80s' is not a host: write \"name:port\"", text);
    *out = (struct source_host){strndup(name, size), (uint16_t)number};
    return out->name == NULL ? err_set(msg, ERR_NO_MEMORY, "no memory for the source's hosts") : ERR_OK;
}

static enum err take_standby(const json_t *source, struct channel_spec *spec, struct err_msg *msg)
{
    const json_t *list = json_object_get(source, "standby");
    if (list == NULL) return ERR_OK;
    if (!json_is_array(list) || json_array_size(list) > CHANNEL_STANDBY_MAX)
        return err_set(msg, ERR_INVALID, "source.standby must be a list of at most %d hosts", CHANNEL_STANDBY_MAX);
    spec->standby = calloc(json_array_size(list) + 1, sizeof *spec->standby);
    if (spec->standby == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the source's hosts");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL) return err_set(msg, ERR_INVALID, "source.standby must be a list of strings");
        TRY(take_standby_host(text, &spec->standby[i], msg));
        spec->standby_count++;
    }
    return ERR_OK;
}

static enum err take_tls(const json_t *tls, struct channel_spec *spec, struct err_msg *msg)
{
    static const char *const keys[] = {"mode", "ca", "certificate", "key", NULL};
    char word[CHANNEL_FORMAT_MAX + 1];
    size_t mode = 0;
    if (tls == NULL) {
        spec->tls_mode = SOURCE_TLS_PREFERRED;
        return ERR_OK;
    }
    TRY(json_only_keys(tls, keys, "source.tls", msg));
    TRY(json_take_text(tls, "mode", "source.tls.mode", 1, CHANNEL_FORMAT_MAX, "preferred", word, msg));
    while (mode < sizeof tls_modes / sizeof tls_modes[0] && strcmp(tls_modes[mode], word) != 0) mode++;
    if (mode == sizeof tls_modes / sizeof tls_modes[0])
        return err_set(msg, ERR_INVALID,
                       "source.tls.mode must be \"off\", \"preferred\", \"required\", \"verify_ca\" or "
                       "\"verify_identity\"");
    spec->tls_mode = (enum source_tls_mode)mode;
    TRY(json_take_text(tls, "ca", "source.tls.ca", 0, CHANNEL_PATH_MAX, "", spec->tls_ca, msg));
    TRY(json_take_text(tls, "certificate", "source.tls.certificate", 0, CHANNEL_PATH_MAX, "", spec->tls_certificate,
                       msg));
    TRY(json_take_text(tls, "key", "source.tls.key", 0, CHANNEL_PATH_MAX, "", spec->tls_key, msg));
    bool verifies = spec->tls_mode >= SOURCE_TLS_VERIFY_CA;
    if (verifies && spec->tls_ca[0] == '\0')
        return err_set(msg, ERR_INVALID, "source.tls.ca is required with mode \"%s\": the file of the authority that "
                       "signed the server's certificate", word);
    if (!verifies && spec->tls_ca[0] != '\0')
        return err_set(msg, ERR_INVALID, "source.tls.ca is used by modes \"verify_ca\" and \"verify_identity\" only");
    if ((spec->tls_certificate[0] == '\0') != (spec->tls_key[0] == '\0'))
        return err_set(msg, ERR_INVALID, "source.tls.certificate and source.tls.key go together");
    if (spec->tls_mode == SOURCE_TLS_OFF && spec->tls_certificate[0] != '\0')
        return err_set(msg, ERR_INVALID, "source.tls.certificate has no use with mode \"off\"");
    return ERR_OK;
}

/* A folder of binlog files: nothing else is to be said of it. */
static enum err take_files(const json_t *source, struct channel_spec *spec, struct err_msg *msg)
{
    static const char *const keys[] = {"files", "schema_file", NULL};
    TRY(json_only_keys(source, keys, "source (with files)", msg));
    TRY(json_take_text(source, "files", "source.files", 1, CHANNEL_PATH_MAX, NULL, spec->files, msg));
    if (spec->files[0] != '/')
        return err_set(msg, ERR_INVALID, "source.files must be a folder's path from / on, as millraced sees it");
    spec->server_id = UINT32_MAX; /* nobody sees it */
    return ERR_OK;
}

enum err source_spec_take(const json_t *source, struct channel_spec *spec, struct err_msg *msg)
{
    static const char *const keys[] = {"host", "port",      "standby", "user",              "password",
                                       "tls",  "server_id", "connect_timeout_s", "read_timeout_s", NULL};
    if (source == NULL)
        return err_set(msg, ERR_INVALID, "source is required: {\"host\", \"port\", \"user\", \"password\"}, or "
                       "{\"files\": a folder of binlog files}");
    if (json_object_get(source, "files") != NULL) return take_files(source, spec, msg);
    TRY(json_only_keys(source, keys, "source", msg));
    TRY(json_take_text(source, "host", "source.host", 1, CHANNEL_HOST_MAX, NULL, spec->host, msg));
    int64_t port, server_id, connect_s, read_s;
    TRY(json_take_number(source, "port", "source.port", 1, UINT16_MAX, PORT_DEFAULT, &port, msg));
    spec->port = (uint16_t)port;
    TRY(take_standby(source, spec, msg));
    TRY(json_take_text(source, "user", "source.user", 1, CHANNEL_USER_MAX, NULL, spec->user, msg));
    TRY(json_take_text(source, "password", "source.password", 0, CHANNEL_PASSWORD_MAX, "", spec->password, msg));
    TRY(take_tls(json_object_get(source, "tls"), spec, msg));
    TRY(json_take_number(source, "connect_timeout_s", "source.connect_timeout_s", 1, TIMEOUT_S_MAX,
                         SOURCE_CONNECT_TIMEOUT_S, &connect_s, msg));
    TRY(json_take_number(source, "read_timeout_s", "source.read_timeout_s", 2, TIMEOUT_S_MAX, SOURCE_READ_TIMEOUT_S,
                         &read_s, msg));
    spec->connect_timeout_s = (uint32_t)connect_s;
    spec->read_timeout_s = (uint32_t)read_s;
    uint32_t drawn;
    random_secret(&drawn, sizeof drawn); /* the upper half: people number their own servers from 1 */
    TRY(json_take_number(source, "server_id", "source.server_id", 1, UINT32_MAX, drawn | 0x80000000u, &server_id, msg));
    spec->server_id = (uint32_t)server_id;
    return ERR_OK;
}

static json_t *standby_json(const struct channel_spec *spec)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < spec->standby_count; i++) {
        const struct source_host *h = &spec->standby[i];
        char text[CHANNEL_HOST_MAX + 16];
        if (h->name[0] == '/')
            snprintf(text, sizeof text, "%s", h->name);
        else
            snprintf(text, sizeof text, strchr(h->name, ':') == NULL ? "%s:%u" : "[%s]:%u", h->name, (unsigned)h->port);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

json_t *source_spec_json(const struct channel_spec *spec, bool with_password)
{
    if (spec->files[0] != '\0') return json_pack("{s:s}", "files", spec->files);
    json_t *tls = json_pack("{s:s}", "mode", tls_modes[spec->tls_mode]);
    if (spec->tls_ca[0] != '\0') json_object_set_new(tls, "ca", json_string(spec->tls_ca));
    if (spec->tls_certificate[0] != '\0') {
        json_object_set_new(tls, "certificate", json_string(spec->tls_certificate));
        json_object_set_new(tls, "key", json_string(spec->tls_key));
    }
    json_t *source = json_pack("{s:s, s:i, s:o, s:s, s:o, s:I, s:i, s:i}", "host", spec->host, "port", (int)spec->port,
                               "standby", standby_json(spec), "user", spec->user, "tls", tls, "server_id",
                               (json_int_t)spec->server_id, "connect_timeout_s", (int)spec->connect_timeout_s,
                               "read_timeout_s", (int)spec->read_timeout_s);
    if (with_password) json_object_set_new(source, "password", json_string(spec->password));
    return source;
}

/* --- start --- */

static enum err take_time(const json_t *start, struct channel_spec *spec, struct err_msg *msg)
{
    const json_t *value = json_object_get(start, "time");
    int64_t seconds = json_integer_value(value), ms;
    const char *text = json_string_value(value);
    if (text != NULL && strlen(text) == json_string_length(value) && rfc3339_parse(text, &ms)) seconds = ms / 1000;
    if (seconds <= 0 || seconds > UINT32_MAX)
        return err_set(msg, ERR_INVALID,
                       "start_at.time must be seconds since 1970, or a time like \"2026-01-31T23:59:59Z\" or "
                       "\"2026-02-01T07:59:59+08:00\"");
    spec->start = CAPTURE_START_TIME;
    spec->start_time_s = (uint32_t)seconds;
    return ERR_OK;
}

static enum err take_gtid_set(const json_t *start, struct channel_spec *spec, struct err_msg *msg)
{
    /* numbers, UUIDs and tags; the check of the source reads it in full */
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-:, \t\r\n";
    const json_t *value = json_object_get(start, "gtid_set");
    if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > CHANNEL_GTID_SET_MAX ||
        strspn(json_string_value(value), letters) != json_string_length(value))
        return err_set(msg, ERR_INVALID, "start_at.gtid_set must be a GTID set as the source prints it, of at most %d "
                       "bytes", CHANNEL_GTID_SET_MAX);
    spec->start = CAPTURE_START_GTID_SET;
    spec->start_gtid_set = strdup(json_string_value(value));
    return spec->start_gtid_set == NULL ? err_set(msg, ERR_NO_MEMORY, "no memory for the GTID set") : ERR_OK;
}

static enum err take_place(const json_t *start, struct channel_spec *spec, struct err_msg *msg)
{
    int64_t position;
    TRY(json_take_text(start, "file", "start_at.file", 1, CHANNEL_HOST_MAX, NULL, spec->start_file, msg));
    TRY(json_take_number(start, "position", "start_at.position", 4, INT64_MAX, 4, &position, msg));
    spec->start = CAPTURE_START_POSITION;
    spec->start_position = (uint64_t)position;
    return ERR_OK;
}

enum err start_spec_take(const json_t *start, struct channel_spec *spec, struct err_msg *msg)
{
    static const char *const by_set[] = {"gtid_set", NULL}, *const by_place[] = {"file", "position", NULL},
                             *const by_time[] = {"time", NULL};
    const char *word = start != NULL ? json_string_value(start) : spec->files[0] == '\0' ? "now" : "earliest";
    if (word != NULL && (strcmp(word, "now") == 0 || strcmp(word, "earliest") == 0)) {
        spec->start = word[0] == 'n' ? CAPTURE_START_NOW : CAPTURE_START_EARLIEST;
        return ERR_OK;
    }
    if (json_object_get(start, "gtid_set") != NULL) {
        TRY(json_only_keys(start, by_set, "start_at", msg));
        return take_gtid_set(start, spec, msg);
    }
    if (json_object_get(start, "file") != NULL) {
        TRY(json_only_keys(start, by_place, "start_at", msg));
        return take_place(start, spec, msg);
    }
    if (json_object_get(start, "time") != NULL) {
        TRY(json_only_keys(start, by_time, "start_at", msg));
        return take_time(start, spec, msg);
    }
    return err_set(msg, ERR_INVALID,
                   "start_at must be \"now\", \"earliest\", {\"gtid_set\": ...}, {\"file\": ..., \"position\": ...} or "
                   "{\"time\": ...}");
}

json_t *start_spec_json(const struct channel_spec *spec)
{
    switch (spec->start) {
    case CAPTURE_START_NOW: break;
    case CAPTURE_START_EARLIEST: return json_string("earliest");
    case CAPTURE_START_GTID_SET: return json_pack("{s:s}", "gtid_set", spec->start_gtid_set);
    case CAPTURE_START_POSITION:
        return json_pack("{s:s, s:I}", "file", spec->start_file, "position", (json_int_t)spec->start_position);
    case CAPTURE_START_TIME: return json_pack("{s:I}", "time", (json_int_t)spec->start_time_s);
    }
    return json_string("now");
}

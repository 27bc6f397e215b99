/* A capture's own copy of its configuration. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture_inside.h"
#include "capture/selection.h"

enum err capture_config_check(const struct capture_config *c, struct err_msg *msg)
{
    if (c->channel == NULL || (c->files == NULL && (c->host == NULL || c->user == NULL)) || c->include == NULL ||
        c->include[0] == NULL)
        return err_set(msg, ERR_INVALID, "a channel needs a name, a host and a user (or files), and a table pattern");
    if (record_format_find(c->format) == NULL)
        return err_set(msg, ERR_INVALID, "there is no record format %s", c->format);
    if (c->server_id == 0)
        return err_set(msg, ERR_INVALID, "server_id 0: a replica needs one from 1 on, unique at its source");
    if (c->heartbeat_ms < 100 || c->record_bytes_max == 0 || c->packet_bytes_max == 0 || c->segment_bytes == 0)
        return err_set(msg, ERR_INVALID, "heartbeat_ms must be at least 100 and the byte limits above 0");
    return ERR_OK;
}

static char *text_copy(const char *text)
{
    return strdup(text == NULL ? "" : text);
}

static enum err hosts_copy(struct capture *c, const struct capture_config *from)
{
    c->host = calloc((size_t)from->standby_count + 1, sizeof *c->host);
    if (c->host == NULL) return ERR_NO_MEMORY;
    for (uint32_t i = 0; i <= from->standby_count; i++) {
        struct source_host h = i == 0 ? (struct source_host){from->host, from->port} : from->standby[i - 1];
        char *name = text_copy(h.name);
        if (name == NULL) return ERR_NO_MEMORY;
        c->host[c->host_count++] = (struct source_host){name, h.port};
    }
    return ERR_OK;
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

enum err capture_config_copy(struct capture *c, const struct capture_config *from)
{
    c->config = *from;
    c->channel = strdup(from->channel);
    c->user = text_copy(from->user);
    c->config.files = c->files = text_copy(from->files);
    c->password = strdup(from->password == NULL ? "" : from->password);
    char path[PATH_MAX] = "";
    if (from->data_folder != NULL) snprintf(path, sizeof path, "%s/%s/schema", from->data_folder, from->channel);
    c->schema_path = text_copy(path);
    c->config.schema_file = c->schema_file = text_copy(from->schema_file);
    c->wish = selection_text(from->include, from->exclude);
    c->objects = selection_text(from->include, from->exclude);
    c->ca = text_copy(from->tls.ca);
    c->certificate = text_copy(from->tls.certificate);
    c->key = text_copy(from->tls.key);
    c->config.start_gtid_set = c->start_gtid_set = text_copy(from->start_gtid_set);
    c->config.start_file = c->start_file = text_copy(from->start_file);
    if (c->channel == NULL || c->user == NULL || c->password == NULL || c->wish == NULL || c->objects == NULL ||
        c->schema_path == NULL || c->schema_file == NULL || c->ca == NULL || c->certificate == NULL ||
        c->key == NULL || c->start_gtid_set == NULL ||
        c->start_file == NULL || c->files == NULL)
        return ERR_NO_MEMORY;
    TRY(hosts_copy(c, from));
    c->config.channel = c->channel;
    c->config.data_folder = NULL; /* of use when it opens only */
    c->config.format = record_format_find(from->format)->name;
    c->stream_config = (struct source_stream_config){.files = c->files,
                                                     .host = c->host[0].name,
                                                     .port = c->host[0].port,
                                                     .user = c->user,
                                                     .password = c->password,
                                                     .server_id = from->server_id,
                                                     .packet_bytes_max = from->packet_bytes_max,
                                                     .tls = {from->tls.mode, c->ca, c->certificate, c->key},
                                                     .heartbeat_ms = from->files != NULL && from->files[0] != '\0'
                                                                         ? from->heartbeat_ms
                                                                         : DELAY_HEARTBEAT_MS,
                                                     .connect_timeout_s = or_default(from->connect_timeout_s,
                                                                                     SOURCE_CONNECT_TIMEOUT_S),
                                                     .read_timeout_s = or_default(from->read_timeout_s,
                                                                                  SOURCE_READ_TIMEOUT_S)};
    return ERR_OK;
}

void capture_config_free(struct capture *c)
{
    free(c->channel);
    for (uint32_t i = 0; i < c->host_count; i++) free((void *)(uintptr_t)c->host[i].name);
    free(c->host);
    free(c->ca);
    free(c->certificate);
    free(c->key);
    free(c->start_gtid_set);
    free(c->start_file);
    free(c->files);
    free(c->user);
    if (c->password != NULL) explicit_bzero(c->password, strlen(c->password));
    free(c->password);
    free(c->schema_path);
    free(c->schema_file);
    free(c->wish);
    free(c->objects);
}

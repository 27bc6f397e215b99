#include <stdlib.h>
#include <string.h>

#include "control/channel.h"
#include "control/rest.h"
#include "control/version.h"

static json_t *listeners_json(const struct instance *in)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < in->config.listener_count; i++) {
        const struct config_listener *l = &in->config.listeners[i];
        int port = in->dataplane == NULL ? 0 : (int)dataplane_port(in->dataplane, i);
        const char *host = l->advertised_host[0] == '\0' ? l->address : l->advertised_host;
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:i, s:b, s:s, s:s}", "name", l->name, "address",
                                              l->address, "port", port, "advertised_host", host, "advertised_port",
                                              l->advertised_port == 0 ? port : (int)l->advertised_port,
                                              "tls", l->tls_certificate[0] != '\0', "client_certificates",
                                              l->client_certificates, "authentication", l->authentication));
    }
    return list;
}

void rest_instance_status(struct instance *in, const struct rest_request *request, const char *name,
                          struct rest_response *out)
{
    (void)name;
    json_t *memory = json_array();
    for (uint32_t i = 0; i < in->memory.row_count; i++)
        json_array_append_new(memory,
                              json_pack("{s:s, s:s, s:I}", "pool", in->memory.row[i].pool, "keys",
                                        in->memory.row[i].change, "bytes", (json_int_t)in->memory.row[i].bytes));
    json_t *body = json_pack("{s:s, s:I, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:o}", "version", MILLRACE_VERSION,
                             "started_ms", (json_int_t)in->started_ms, "data_folder", in->config.data_folder,
                             "counters_file", in->counters_path, "kafka_address",
                             in->config.listeners[0].address, "kafka_port",
                             in->dataplane == NULL ? 0 : (int)dataplane_port(in->dataplane, 0), "channels",
                             (int)in->channel_count, "memory_bytes", (json_int_t)in->memory.total_bytes,
                             "memory_max_bytes", (json_int_t)in->config.memory_max_bytes, "memory", memory);
    json_object_set_new(body, "channels_started", json_integer(channels_placed(in)));
    json_object_set_new(body, "captures_max", json_integer(in->config.captures_max));
    json_object_set_new(body, "listeners", listeners_json(in));
    json_object_set_new(body, "role", json_string(role_name(request->role)));
    json_object_set_new(body, "takes_tokens", json_boolean(in->tokens.count > 0));
    json_object_set_new(body, "offsets_error",
                        in->offsets_error.code == ERR_OK ? json_null() : json_string(in->offsets_error.text));
    rest_json(out, 200, body);
}

void rest_healthz(struct instance *in, const struct rest_request *request, const char *name, struct rest_response *out)
{
    (void)in, (void)request, (void)name;
    rest_text(out, 200, "text/plain", strdup("ok\n"), 3);
}

void rest_readyz(struct instance *in, const struct rest_request *request, const char *name, struct rest_response *out)
{
    (void)request, (void)name;
    if (!in->is_ready)
        rest_problem(out, 503, "starting or stopping");
    else if (in->dataplane == NULL || in->offsets_error.code != ERR_OK)
        rest_problem(out, 503, "groups cannot commit: %s", in->offsets_error.text);
    else
        rest_text(out, 200, "text/plain", strdup("ready\n"), 6);
}

#include "dataplane/listener.h"

#include <stdio.h>

static uint64_t limit_ns(uint32_t ms) { return ms == 0 ? UINT64_MAX : (uint64_t)ms * 1000000; }

enum err listener_init(struct listener *l, const struct listener_config *config, const struct node *node,
                       struct err_msg *msg)
{
    bool is_named = config->advertised_host != NULL && config->advertised_host[0] != '\0';
    *l = (struct listener){.advertised_port = config->advertised_port, .needs_login = config->needs_login,
                           .login_timeout_ns = limit_ns(config->login_timeout_ms),
                           .idle_timeout_ns = limit_ns(config->idle_timeout_ms),
                           .request_timeout_ns = limit_ns(config->request_timeout_ms),
                           .connections_max = config->connections_max, .request_bytes_max = config->request_bytes_max,
                           .inflight_bytes_max = config->inflight_bytes_max, .node = *node};
    snprintf(l->name, sizeof l->name, "%s", config->name);
    snprintf(l->host, sizeof l->host, "%s", config->host);
    snprintf(l->advertised_host, sizeof l->advertised_host, "%s", is_named ? config->advertised_host : config->host);
    l->node.host = kafka_string_of(l->advertised_host);
    return tls_config_is_set(&config->tls) ? tls_context_open(&l->tls, l->name, &config->tls, msg) : ERR_OK;
}

void listener_fini(struct listener *l)
{
    tls_context_close(l->tls);
    l->tls = NULL;
}

void listener_bound(struct listener *l, uint16_t port)
{
    l->port = port;
    l->node.port = l->advertised_port != 0 ? l->advertised_port : port;
}

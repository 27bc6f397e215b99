#include "dataplane/listener.h"

#include <stdio.h>

void listener_init(struct listener *l, const struct listener_config *config, const struct node *node)
{
    bool is_named = config->advertised_host != NULL && config->advertised_host[0] != '\0';
    *l = (struct listener){.advertised_port = config->advertised_port, .needs_login = config->needs_login,
                           .node = *node};
    snprintf(l->name, sizeof l->name, "%s", config->name);
    snprintf(l->host, sizeof l->host, "%s", config->host);
    snprintf(l->advertised_host, sizeof l->advertised_host, "%s", is_named ? config->advertised_host : config->host);
    l->node.host = kafka_string_of(l->advertised_host);
}

void listener_bound(struct listener *l, uint16_t port)
{
    l->port = port;
    l->node.port = l->advertised_port != 0 ? l->advertised_port : port;
}

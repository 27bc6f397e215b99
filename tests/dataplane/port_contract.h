/* tests/dataplane/port_contract.h -- what dataplane/port.h promises, held against a port with real clients. */
#ifndef TESTS_DATAPLANE_PORT_CONTRACT_H
#define TESTS_DATAPLANE_PORT_CONTRACT_H

#include <check.h>

#include "dataplane/port.h"
#include "ring/chunk_pool.h"

struct port_under_test {
    const char *host4, *host6;     /* where it listens */
    const char *client4, *client6; /* who calls, then */
    /* Opens a port that listens at `host`; NULL: that is no address here. */
    struct port *(*open)(const char *host, uint32_t connections_max, const struct chunk_pool *pool, uint16_t *number);
};

void port_contract_add(TCase *t, const struct port_under_test *port);

#endif

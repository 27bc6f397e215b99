/* tests/capture/cutting_proxy.h -- a TCP proxy before a server that resets all connections through it, after random
 * numbers of bytes. */
#ifndef TESTS_CAPTURE_CUTTING_PROXY_H
#define TESTS_CAPTURE_CUTTING_PROXY_H

#include <stdint.h>

struct cutting_proxy;

/* Listens on a free port of 127.0.0.1.  Cuts after about `mean_bytes` from the server, at random; 0: never. */
struct cutting_proxy *cutting_proxy_open(uint16_t server_port, uint64_t mean_bytes, uint64_t seed);
void cutting_proxy_close(struct cutting_proxy *p);
uint16_t cutting_proxy_port(const struct cutting_proxy *p);
/* Any thread. */
uint64_t cutting_proxy_cuts(const struct cutting_proxy *p);
void cutting_proxy_stop_cutting(struct cutting_proxy *p);

#endif

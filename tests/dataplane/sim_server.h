/* tests/dataplane/sim_server.h -- a serve lcore over port_sim and memory_log on a clock of the test's own. */
#ifndef TESTS_DATAPLANE_SIM_SERVER_H
#define TESTS_DATAPLANE_SIM_SERVER_H

#include "base/counters.h"
#include "base/random.h"
#include "dataplane/port_sim.h"
#include "dataplane/serve_lcore.h"
#include "tests/dataplane/kafka_client.h"
#include "tests/dataplane/memory_log.h"

enum { SIM_IDLE_MS = 600000, SIM_REQUEST_MS = 60000, SIM_INFLIGHT_BYTES = 16 << 20 }; /* the listeners' limits */

struct sim_server {
    struct serve_lcore *lcore;
    struct listener listener[2]; /* broker.test:9092 and other.test:9093 */
    struct storage *storage;
    struct disk_space disk;
    struct counters *counters;
    struct coordinator_link link;
    struct waiter coordinator_waiter;
    struct clock_simulated clock;
    struct random random;
    struct kafka_arena arena; /* of the last answer */
    uint8_t *frame;           /* the last answer */
    size_t   frame_size;
    int32_t  correlation_id;  /* of the last request */
};

/* `seed` 0: bytes arrive whole and are sent at once; else cut at random places. */
struct sim_server *sim_start(uint32_t logs_max, uint32_t log_bytes_max, struct serve_config config, uint64_t seed);
void               sim_stop(struct sim_server *s); /* asserts that nothing is left behind */
/* Steps until nothing moves, time standing still. */
void               sim_settle(struct sim_server *s);
void               sim_advance_ms(struct sim_server *s, uint64_t ms); /* and settles */
void               sim_send(struct sim_server *s, struct port_sim_peer *peer, int16_t api_key, int16_t version,
                            const void *body);
/* Takes the next whole answer, if it is there, and decodes it into `out`. */
bool               sim_receive(struct sim_server *s, struct port_sim_peer *peer, int16_t api_key, int16_t version,
                               void *out);
/* Sends, settles, and must receive. */
void               sim_ask(struct sim_server *s, struct port_sim_peer *peer, int16_t api_key, int16_t version,
                           const void *body, void *out);

#endif

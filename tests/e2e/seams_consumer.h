/* tests/e2e/seams_consumer.h -- the consumer of the seam test: speaks Kafka to a simulated port, hangs up when it
 * likes, commits, and holds every record against what the source did. */
#ifndef TESTS_E2E_SEAMS_CONSUMER_H
#define TESTS_E2E_SEAMS_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "dataplane/port_sim.h"
#include "tests/dataplane/kafka_client.h"
#include "tests/e2e/seams_source.h"
#include "tests/e2e/stream_record.h"

enum { CONSUMER_RECORDS_MAX = 1 << 20, CONSUMER_FRAME_BYTES = 4 << 20, CONSUMER_ARENA_BYTES = 1 << 20 };

struct seams_consumer {
    const struct seams_source *source;
    struct random random;
    struct port_sim_peer *peer;   /* NULL: not connected */
    int16_t  asked;               /* key of the request under way; -1: none */
    int32_t  correlation_id;
    uint8_t *frame;               /* of the answer, as far as it came */
    size_t   frame_size;
    struct kafka_arena arena;
    struct stream_decoder *decoder;
    struct stream_record record;
    uint64_t read_offset, next_offset; /* where it reads; behind the newest record it knows */
    uint64_t *hash;               /* of each record */
    bool     *ends_transaction;
    uint64_t watermark;           /* the highest seen: the records below it must all come */
    bool     in_transaction;
    uint64_t row_count, transaction_count, ddl_count, read_again, connections;
    int64_t  commit_asked, committed; /* -1: none; committed: the server said that it is kept */
    uint64_t commits_found;
};

void seams_consumer_init(struct seams_consumer *c, const struct seams_source *source, uint64_t seed);
void seams_consumer_fini(struct seams_consumer *c);
/* One step: connects, asks, or takes what came.  Fails the test when the channel breaks a promise. */
void seams_consumer_step(struct seams_consumer *c, struct port *port);
void seams_consumer_hang_up(struct seams_consumer *c);
/* Everything that the source did has come, and no transaction is open. */
bool seams_consumer_has_all(const struct seams_consumer *c);

#endif

/* tests/crash/crash_consumer.h -- the consumer of the crash test: speaks Kafka to a simulated port, hangs up when it
 * likes, commits, and holds every record against what the source did. */
#ifndef TESTS_CRASH_CRASH_CONSUMER_H
#define TESTS_CRASH_CRASH_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "dataplane/port_sim.h"
#include "tests/dataplane/kafka_client.h"
#include "tests/crash/crash_source.h"
#include "tests/e2e/stream_record.h"

enum { CONSUMER_RECORDS_MAX = 1 << 20, CONSUMER_FRAME_BYTES = 4 << 20, CONSUMER_ARENA_BYTES = 1 << 20,
       CONSUMER_COMMITS_MAX = 256 };

struct crash_consumer {
    const struct crash_source *source;
    bool     sees_written; /* the channel shows what is not yet durable: what was seen comes again after a crash */
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
    uint64_t row_count, transaction_count, ddl_count, read_again, connections, went_back;
    int64_t  committed;           /* the newest that the server answered or showed; -1: none */
    int64_t  asked_commit[CONSUMER_COMMITS_MAX]; /* asked since, unanswered or refused: may be kept or not, in order */
    uint32_t asked_commit_count;
    uint64_t commits_found;
};

void crash_consumer_init(struct crash_consumer *c, const struct crash_source *source, bool sees_written,
                         uint64_t seed);
void crash_consumer_fini(struct crash_consumer *c);
/* One step: connects, asks, or takes what came.  Fails the test when the channel breaks a promise. */
void crash_consumer_step(struct crash_consumer *c, struct port *port);
void crash_consumer_hang_up(struct crash_consumer *c);
/* Everything that the source did has come, and no transaction is open. */
bool crash_consumer_has_all(const struct crash_consumer *c);

#endif

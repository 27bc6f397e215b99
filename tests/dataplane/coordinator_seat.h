/* tests/dataplane/coordinator_seat.h -- a coordinator over a real store, with the test in the serve lcore's seat. */
#ifndef TESTS_DATAPLANE_COORDINATOR_SEAT_H
#define TESTS_DATAPLANE_COORDINATOR_SEAT_H

#include "base/random.h"
#include "dataplane/group/coordinator.h"
#include "dataplane/kafka/messages.h"
#include "storage/storage.h"

struct disk;

struct seat {
    struct disk     *disk; /* NULL: a real one, with threads */
    struct clock_simulated clock;
    struct storage_config storage_config;
    struct coordinator_config config;
    struct counters *counters;
    struct storage  *storage;
    struct log      *offsets_log, *topic_log;
    struct log_feed *offsets_feed;
    struct coordinator *coordinator;
    struct coordinator_link *link;
    struct waiter    waiter;
    uint64_t connection_id;
    uint8_t *bytes;   /* of the answer looked at last */
    uint8_t *scratch; /* its arrays */
};

/* A store in memory and a coordinator that is stepped.  The topic "t" exists. */
void seat_init_simulated(struct seat *s, uint64_t seed);
/* Threads, io_uring, the folder `data`. */
void seat_init_live(struct seat *s, const char *data);
void seat_up(struct seat *s, uint64_t seed); /* the first time creates the logs */
void seat_down(struct seat *s);              /* clean */
void seat_lose_power(struct seat *s);        /* simulated */
void seat_fini(struct seat *s);

/* Puts a request into the ring; returns its connection id, one per request.  Fails the test when the ring is full. */
uint64_t seat_send(struct seat *s, int16_t api_key, int16_t version, const void *body);
uint64_t seat_send_bytes(struct seat *s, int16_t api_key, int16_t version, const void *bytes, size_t size);
/* One turn of the store and of the coordinator, 1 ms later; simulated. */
void     seat_step(struct seat *s);
void     seat_settle(struct seat *s);

struct seat_answer {
    uint64_t connection_id;
    bool     closes;
    int16_t  api_key, version; /* as given to seat_take */
};
/* Takes the next answer from the ring; false: none.  *body (a struct of the API's response) is decoded from it. */
bool seat_take(struct seat *s, int16_t api_key, int16_t version, struct seat_answer *out, void *body);
/* Sends and takes the answer, stepping or blocking until it is there; false: the connection was to be closed. */
bool seat_ask(struct seat *s, int16_t api_key, int16_t version, const void *body, void *response);

/* Sends `count` commits of offsets first, first + 1, ... in one burst and takes their answers; all must be accepted. */
void    seat_commit_burst(struct seat *s, const char *group, int64_t first, int count, const char *metadata);
/* Commits on topic "t" with generation -1; seat_ask's answer in *error. */
bool    seat_commit(struct seat *s, const char *group, int64_t offset, const char *metadata, int16_t *error);
int64_t seat_fetch(struct seat *s, const char *group, char *metadata); /* -1: none; metadata (room 4097) may be NULL */

#endif

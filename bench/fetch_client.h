/* bench/fetch_client.h -- consumers that only count: what is said and understood of Kafka, over any transport.
 *
 * A log of equal batches is read from `first` to `end`, again and again.  One request is under way at a time, as with
 * real consumers; an answer's head is looked at, its records are counted. */
#ifndef BENCH_FETCH_CLIENT_H
#define BENCH_FETCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FETCH_TOPIC "bench-0" /* of store_rig.h */
enum {
    FETCH_REQUEST_BYTES = 128, /* at most */
    FETCH_HEAD_BYTES    = 52 + (int)sizeof FETCH_TOPIC - 1, /* of an answer, before its records */
    FETCH_ANSWER_BYTES  = 1 << 20, /* of records, at most: max.partition.fetch.bytes of Kafka's consumers */
};

struct fetch_log {
    uint64_t first, end; /* offsets; end UINT64_MAX: the tail is followed */
    uint32_t batch_bytes, batch_records;
};

struct fetcher {
    const struct fetch_log *log; /* NULL: there is no Kafka, bytes are counted */
    uint64_t next;               /* the offset that is asked for */
    uint64_t left;               /* of the answer's records */
    uint32_t head_bytes;         /* of the answer's head, so far */
    uint8_t  head[FETCH_HEAD_BYTES];
};

/* Writes the next request; returns its size. */
size_t fetcher_request(const struct fetcher *f, uint8_t out[FETCH_REQUEST_BYTES]);
/* Takes bytes of an answer, of which `size` came; those behind the head are not looked at.  True: it was the last of
 * it, `next` has moved on.  Ends the process when it is no answer with records. */
bool   fetcher_take(struct fetcher *f, const uint8_t *bytes, uint32_t size);

#endif

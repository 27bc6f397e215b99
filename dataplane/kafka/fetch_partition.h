/* dataplane/kafka/fetch_partition.h -- reading one partition for a Fetch; for fetch.c only. */
#ifndef DATAPLANE_KAFKA_FETCH_PARTITION_H
#define DATAPLANE_KAFKA_FETCH_PARTITION_H

#include "dataplane/kafka/fetch_session.h"
#include "dataplane/kafka/request.h"

enum { FETCH_BY_ID_SINCE = 13 }; /* KIP-516 */

/* One pass over the request's partitions. */
struct fetch {
    struct request *request;
    const struct fetch_request *in;
    uint64_t bytes, left; /* read; and still allowed by max_bytes and our cap */
    bool     has_news;    /* a partition failed, or its history is another: the client should learn it now */
    bool     is_full;     /* more is there than fits: waiting gains nothing */
    bool     needs_disk, lacks_memory;
    bool     is_crowded;  /* records need the large buffer, which another connection has */
};

/* Fills in the answer for one partition and adds its records to the request's. */
void fetch_partition(struct fetch *f, const struct fetch_topic_key *topic, const struct fetch_request_partition *in,
                     struct fetch_response_partition *out);

#endif

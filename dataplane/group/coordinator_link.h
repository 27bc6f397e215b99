/* dataplane/group/coordinator_link.h -- the pair of rings between one serve lcore and the group coordinator.
 *
 * The serve lcore passes on the requests about groups (JoinGroup to OffsetDelete) undecoded behind their header, at
 * most one at a time per connection, and gets for each exactly one answer, perhaps minutes later (a parked JoinGroup).
 * An answer is a whole frame, to be sent as it is.  An answer for a connection that is
 * gone (its id carries a generation) is thrown away by the lcore; the coordinator is not told of closed connections,
 * members end by LeaveGroup or session timeout as in Kafka.
 *
 * A full ring loses nothing.  Serve lcore: claim answers NULL, it leaves the request in the connection's receive
 * buffer and tries again in a later turn (the coordinator wakes it after taking requests out).  Coordinator: keeps
 * the answers and takes no more requests from this lcore. */
#ifndef DATAPLANE_GROUP_COORDINATOR_LINK_H
#define DATAPLANE_GROUP_COORDINATOR_LINK_H

#include <stdint.h>

#include "ring/ring_spsc.h"
#include "ring/wait.h"

enum {
    LINK_BODY_BYTES_MAX    = 480 << 10, /* a larger request body is not sent: close the connection, log it */
    LINK_CLIENT_BYTES_MAX  = 255,       /* client id and host are cut to this */
    LINK_FRAME_BYTES_MAX   = 1000 << 10, /* no answer is larger */
    LINK_REQUEST_RING_BYTES = 2 << 20,
    LINK_ANSWER_RING_BYTES  = 4 << 20,
};

/* serve lcore -> coordinator; behind it client id, client host, group, channel, body, one after the other */
struct link_request {
    uint64_t connection_id; /* opaque to the coordinator; never used twice */
    int32_t  correlation_id;
    int16_t  api_key, api_version;
    uint32_t body_bytes;
    uint16_t client_id_bytes, client_host_bytes; /* host as Kafka shows it: "/127.0.0.1" */
    uint16_t group_bytes, channel_bytes; /* all that the client may see; 0: it sees everything */
};

/* coordinator -> serve lcore; behind it the frame */
struct link_answer {
    uint64_t connection_id;
    int32_t  correlation_id;
    uint32_t frame_bytes; /* size field included; 0: the request was malformed, close the connection */
};

struct coordinator_link {
    struct ring_spsc to_coordinator, to_serve;
    struct waiter   *coordinator_waiter; /* the lcore wakes it after committing requests */
    struct waiter   *serve_waiter;       /* set by the lcore's owner before either thread runs; woken after answers
                                          * and after requests were taken */
};

#endif

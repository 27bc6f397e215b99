/* tests/dataplane/flood_peers.h -- peers that cost next to nothing: a process that makes their frames by hand on the
 * kernel's end of the veth (veth.h), from 32 addresses, and keeps nothing of a connection: each answer follows from the
 * segment that it answers.  So what is measured with them is the port, and not the kernel's TCP. */
#ifndef TESTS_DATAPLANE_FLOOD_PEERS_H
#define TESTS_DATAPLANE_FLOOD_PEERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum flood_kind {
    FLOOD_COME_AND_GO,  /* open connections and end them, every other one by a reset */
    FLOOD_TAKE_NOTHING, /* open `most` connections, ask for much, and keep the window shut ever after */
};

struct flood { /* counted by the peers' process, now */
    _Atomic uint64_t asked, opened, ended, shut; /* shut: answers that told of a window of 0 */
    _Atomic bool begins_none; /* set by the test: what is under way goes on */
    int pid;
};

/* `most`: connections under way at a time, of FLOOD_TAKE_NOTHING in all; per_second: begun, 0: as fast as they end. */
struct flood *flood_begin(enum flood_kind kind, uint32_t most, uint32_t per_second);
/* From now on no peer answers. */
void flood_end(struct flood *f);

#endif

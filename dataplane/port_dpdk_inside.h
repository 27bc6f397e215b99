/* dataplane/port_dpdk_inside.h -- between the files of the DPDK port: the device, a lcore's queues, connections. */
#ifndef DATAPLANE_PORT_DPDK_INSIDE_H
#define DATAPLANE_PORT_DPDK_INSIDE_H

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdatomic.h>

#include "dataplane/lwip/stack.h"
#include "dataplane/port_dpdk.h"
#include "dataplane/port_dpdk_capture.h"
#include "dataplane/port_dpdk_memory.h"

enum {
    DPDK_LCORES_MAX  = 32,
    DPDK_BURST       = 64,
    DPDK_TX_PENDING  = 256,  /* frames that a lcore may have ready: the transmit budget of one turn */
    DPDK_TX_HEADS    = 64,   /* and more of headers alone: a SYN is answered also while others fill the device */
    DPDK_CUT_PACKETS = 16,   /* at most, of a segment that we cut: it is sent again as a whole */
    DPDK_SHARED_FRAMES = 512,
    DPDK_FLOWS       = 1 << 18, /* places: of ten thousand connections few share one */
};

struct port_dpdk_device {
    struct port_dpdk_config config;
    char     address[64];
    unsigned prefix;
    uint16_t id;
    struct rte_ether_addr mac;
    uint16_t rx_descriptors, tx_descriptors;
    bool     is_virtual;    /* a driver without hardware of its own */
    bool     has_segments;  /* a frame may consist of several mbufs */
    bool     has_ip_checksums, has_tcp_checksums; /* of what is sent */
    uint32_t super_bytes; /* payload of a segment that is cut into packets, at most; 0: none is */
    bool     is_cut_here; /* by us, not by the device: it has their checksums computed, which costs more than the cut */
    const struct chunk_pool *pool; /* NULL: nothing is lent */
    uint8_t  secret[STACK_SECRET_BYTES];
    struct rte_mempool *rx_pool[DPDK_LCORES_MAX], *tx_pool[DPDK_LCORES_MAX], *lent_pool[DPDK_LCORES_MAX];
    struct rte_ring *shared[DPDK_LCORES_MAX];     /* frames that other lcores' queues got */
    _Atomic uint8_t *flows[DPDK_LCORES_MAX];      /* connections of each lcore, by their flow's hash; of one: NULL */
    _Atomic bool has_said_spread;
    struct dpdk_capture capture;
    enum port_dpdk_condition condition; /* as it was watched last */
    uint64_t watch_due_ns, changed_ns;
    bool     is_unplugged, has_said_refused;
    /* Taken away: no lcore touches it any more.  Control waits for all of them before it puts another in its place.
     * Absences have numbers, and a lcore says which one it has seen: what it saw of the last one, and says when the
     * device is back already, is not taken for the next. */
    uint32_t absences;
    _Atomic uint32_t absence; /* 0: it is there; else from LCORE_PARKED on */
    _Atomic uint32_t lcore_place[DPDK_LCORES_MAX]; /* enum lcore_place, or the last absence that it saw */
};

enum lcore_place { LCORE_CLOSED, LCORE_AT_WORK, LCORE_PARKED };

/* What keeps a message's lent bytes in place: one reference is the connection's, until they are acknowledged; one is
 * each frame's that carries some of them, until the device is done with it. */
struct pin {
    struct rte_mbuf_ext_shared_info info;
    struct dpdk_queue *queue;
    struct port_message *message;
    uint32_t start, end; /* of the message in the stream */
    struct pin *next;
};

struct dpdk_queue { /* a lcore's pair */
    struct port_dpdk_device *device;
    uint16_t index;
    struct rte_mbuf *pending[DPDK_TX_PENDING + DPDK_TX_HEADS]; /* to send */
    uint32_t pending_count, prepared_count; /* prepared: the driver has looked at them */
    bool     is_away;     /* the device is, in this turn */
    bool     is_captured; /* in this turn */
    struct rte_mbuf *current; /* that the stack looks at, */
    uint32_t origin;          /* whose queue it came from; */
    bool     is_back;         /* it was with all others that may have its connection; */
    bool     is_passed;       /* it goes to another now */
    struct pin *pins, *free_pins;
    uint32_t pins_used;
    void    *context;
    void   (*released)(void *context, struct port_message *m); /* its bytes are nobody's any more */
    struct port_dpdk_stats stats;
};

enum err queue_init(struct dpdk_queue *q, struct port_dpdk_device *device, uint32_t index, uint32_t pins_max);
void     queue_fini(struct dpdk_queue *q);
/* Before all else in a turn: is the device there? */
void     queue_look(struct dpdk_queue *q);
/* Frames from the network to the stack; returns how many. */
unsigned queue_receive(struct dpdk_queue *q, const struct stack_operations *stack);
/* Gives the stack one frame; is_scarce: as a copy. */
void     queue_feed(struct dpdk_queue *q, const struct stack_operations *stack, struct rte_mbuf *m, bool is_scarce);
/* A frame to the network; `pins`: of the connection; packet_bytes > 0: a super-segment of packets with so much payload,
 * cut here where the device does not.  False: no room or no memory, nothing of it goes.  Where the device is away it is
 * lost, and that is true, too. */
bool     queue_transmit(struct dpdk_queue *q, const struct stack_slice *slice, unsigned count, struct pin *pins,
                        uint32_t packet_bytes);
/* Hands what is pending to the device; what it does not take stays. */
void     queue_flush(struct dpdk_queue *q);
/* Frees frames that the device has sent, where it would do so only with the next ones. */
void     queue_clean(struct dpdk_queue *q);

/* Configures the device that DPDK has found, for as many queues as lcores, and starts it. */
NODISCARD enum err device_open(struct port_dpdk_device *d, struct err_msg *msg);
/* What the device is like, with what the kernel knows of its interface where it has one. */
enum port_dpdk_condition device_condition(const struct port_dpdk_device *d, uint16_t *mtu);

size_t   port_dpdk_connection_bytes(uint32_t connections_max);

enum err spread_open(struct port_dpdk_device *d);
/* The stack has one connection more, or less, of this flow. */
void     spread_flow(struct dpdk_queue *q, uint32_t flow, bool is_here);
/* The stack knows no connection of this flow, which the frame it looks at is for: true when it was handed on. */
bool     spread_elsewhere(struct dpdk_queue *q, uint32_t flow);
/* Gives each lcore a copy, where all have to see it. */
void     spread_to_all(struct dpdk_queue *q, struct rte_mbuf *m);
/* What other lcores handed to this one. */
unsigned spread_receive(struct dpdk_queue *q, const struct stack_operations *stack);

/* A pin for a message; NULL: none is free, so it is copied. */
struct pin *pin_take(struct dpdk_queue *q, struct port_message *m);
/* The connection's reference is over. */
void        pin_let_go(struct pin *p);

#endif

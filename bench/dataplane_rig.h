/* bench/dataplane_rig.h -- between the processes of bench_dataplane: a server on one core, its clients on the other. */
#ifndef BENCH_DATAPLANE_RIG_H
#define BENCH_DATAPLANE_RIG_H

#include <stdatomic.h>

#include "bench/fetch_client.h"

#define RIG_SERVER4 "10.77.0.1"
#define RIG_CLIENT4 "10.77.0.2"
enum {
    RIG_SERVER_CORE = 0, RIG_CLIENT_CORE = 1, RIG_PORT = 9092, RIG_CONSUMERS_MAX = 1000,
    RIG_PARKED_MAX = 10000, RIG_CONNECTIONS_MAX = RIG_CONSUMERS_MAX + RIG_PARKED_MAX,
    RIG_MOMENTS_MAX = 1 << 18,
    RIG_DATA_BYTES  = 32 << 20, /* of the hot tail that is read */
    RIG_CHUNK_BYTES = 1 << 20,
    RIG_SUPER_BYTES = 65415,     /* as the port makes them */
};

enum rig_kind { RIG_DPDK, RIG_BARE_LWIP, RIG_KERNEL, RIG_BARE_ZC };

struct rig_case {
    enum rig_kind kind;
    uint32_t mtu, super_bytes; /* past the kernel; super_bytes 0: frames of the MTU */
    uint32_t consumers, parked; /* parked: connected, and silent */
    uint32_t records_per_s;    /* 0: from the hot tail, as fast as it goes; else the tail is followed */
    double   seconds;
    char     socket[100];      /* of vhost */
};

struct rig_moment { uint64_t offset, ns; }; /* up to which all was visible, or had come */
struct rig_moments { uint32_t count; struct rig_moment at[RIG_MOMENTS_MAX]; };

struct rig { /* in memory of all processes */
    struct rig_case test;
    struct fetch_log log;
    _Atomic int is_ready, is_over; /* the server is, the clients are */
    _Atomic int server_pid;
    double   seconds, server_cpu_s, client_cpu_s; /* of the measured time */
    uint64_t bytes;                               /* of records, or of the bare stream */
    struct rig_moments visible, received;
};

uint64_t rig_now_ns(void);
void     rig_pin(int core);
void     rig_moment_add(struct rig_moments *m, uint64_t offset);
/* Clients: to be called when all are connected, and again and again; true when the measured time is over. */
bool     rig_measure(struct rig *r, uint64_t bytes);

/* Starts DPDK on a core, without huge pages, with one device. */
bool     rig_eal_start(const char *name, int core, const char *vdev);

/* The processes' bodies; each ends by returning. */
void     client_wire_run(struct rig *r);   /* past the kernel, at the other end of vhost */
void     client_socket_run(struct rig *r); /* the kernel's */
void     bare_lwip_run(struct rig *r);
void     bare_zc_run(struct rig *r);

#endif

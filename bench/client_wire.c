/* The clients past the kernel, at virtio_user's end: as little of TCP as counting needs, so that the server bounds what
 * is measured.  The path loses nothing and keeps order.
 *
 * Each connection acknowledges once a burst, as the kernel does with what it has joined, and grants 1 MiB. */
#include <arpa/inet.h>
#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/invariant.h"
#include "bench/dataplane_rig.h"

enum {
    BURST = 64, FIRST_PORT = 20000, SCALE = 7, WINDOW = 1 << 20,
    OPTIONS_BYTES = 12, /* two NOPs and timestamps, of each segment but the SYN */
    SYN_OPTIONS_BYTES = 20,
    HEAD_BYTES = sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_tcp_hdr),
};

struct wire_connection {
    struct fetcher fetcher;
    uint32_t sent, received; /* sequence numbers: ours, theirs */
    uint32_t theirs_ms;      /* their last timestamp */
    bool     is_open, is_touched, asks;
};

static const uint64_t WAIT_NS = 5000000000;
static struct wire_connection connection[RIG_CONNECTIONS_MAX];
static uint16_t touched[RIG_CONNECTIONS_MAX]; /* by the burst that is looked at */
static uint16_t touched_count;
static struct rte_mempool *tx_pool, *rx_pool;
static struct rte_ether_addr ours, theirs;
static uint32_t our_address, their_address;
static uint16_t device;
static uint16_t mtu;
static struct rte_mbuf *out[BURST * 2];
static uint16_t out_count;

static void fail(const char *what)
{
    fprintf(stderr, "the client: %s\n", what);
    exit(1);
}

static void flush(void)
{
    uint16_t done = rte_eth_tx_burst(device, 0, out, out_count);
    for (uint64_t until = done < out_count ? rig_now_ns() + WAIT_NS : 0; done < out_count;) {
        done = (uint16_t)(done + rte_eth_tx_burst(device, 0, out + done, (uint16_t)(out_count - done)));
        if (rig_now_ns() > until) fail("the server takes no frames");
    }
    out_count = 0;
}

static uint8_t *frame_new(uint16_t size, uint16_t type)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(tx_pool);
    if (m == NULL) fail("no frames left");
    if (out_count == BURST * 2) flush();
    out[out_count++] = m;
    uint8_t *bytes = (uint8_t *)rte_pktmbuf_append(m, size);
    struct rte_ether_hdr *e = (struct rte_ether_hdr *)bytes;
    e->dst_addr = theirs;
    e->src_addr = ours;
    e->ether_type = rte_cpu_to_be_16(type);
    return bytes + sizeof *e;
}

static void arp_send(uint16_t operation)
{
    struct rte_arp_hdr *a = (struct rte_arp_hdr *)frame_new(60 - 14 + 14, RTE_ETHER_TYPE_ARP);
    *a = (struct rte_arp_hdr){rte_cpu_to_be_16(RTE_ARP_HRD_ETHER), rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4), 6, 4,
                              rte_cpu_to_be_16(operation), {ours, our_address, theirs, their_address}};
}

/* `size` bytes of payload, at most a request. */
static void segment_send(uint32_t index, uint8_t flags, const void *bytes, uint16_t size)
{
    struct wire_connection *c = &connection[index];
    uint16_t options = (flags & RTE_TCP_SYN_FLAG) != 0 ? SYN_OPTIONS_BYTES : OPTIONS_BYTES;
    struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)frame_new((uint16_t)(HEAD_BYTES + options + size),
                                                               RTE_ETHER_TYPE_IPV4);
    struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
    *ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF, .time_to_live = 64, .next_proto_id = IPPROTO_TCP,
                                .total_length = rte_cpu_to_be_16((uint16_t)(sizeof *ip + sizeof *tcp + options + size)),
                                .src_addr = our_address, .dst_addr = their_address};
    *tcp = (struct rte_tcp_hdr){.src_port = rte_cpu_to_be_16((uint16_t)(FIRST_PORT + index)),
                                .dst_port = rte_cpu_to_be_16(RIG_PORT), .sent_seq = rte_cpu_to_be_32(c->sent),
                                .recv_ack = rte_cpu_to_be_32(c->received), .tcp_flags = flags,
                                .data_off = (uint8_t)((sizeof *tcp + options) / 4 << 4),
                                .rx_win = rte_cpu_to_be_16((flags & RTE_TCP_SYN_FLAG) != 0 ? UINT16_MAX
                                                                                           : WINDOW >> SCALE)};
    uint8_t *o = (uint8_t *)(tcp + 1);
    uint32_t now_ms = rte_cpu_to_be_32((uint32_t)(rig_now_ns() / 1000000)), echo = rte_cpu_to_be_32(c->theirs_ms);
    if ((flags & RTE_TCP_SYN_FLAG) != 0) {
        uint16_t mss = (uint16_t)(mtu - 40);
        const uint8_t syn[] = {2, 4, (uint8_t)(mss >> 8), (uint8_t)mss, 1, 3, 3, SCALE};
        memcpy(o, syn, sizeof syn);
        o += sizeof syn;
    }
    memcpy(o, (const uint8_t[]){1, 1, 8, 10}, 4);
    memcpy(o + 4, &now_ms, 4);
    memcpy(o + 8, &echo, 4);
    memcpy(o + 12, bytes, size);
    c->sent += size + ((flags & RTE_TCP_SYN_FLAG) != 0);
    /* The server is told that they are right: in memory nothing is damaged. */
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
}

static uint32_t timestamp_of(const struct rte_tcp_hdr *tcp)
{
    const uint8_t *o = (const uint8_t *)(tcp + 1), *end = (const uint8_t *)tcp + (tcp->data_off >> 4) * 4;
    while (o + 10 <= end) {
        uint32_t ms;
        if (*o == 8) return memcpy(&ms, o + 2, 4), rte_be_to_cpu_32(ms);
        o += *o == 1 ? 1 : *o == 0 ? 40 : o[1];
    }
    return 0;
}

static void touch(uint32_t index)
{
    if (connection[index].is_touched) return;
    connection[index].is_touched = true;
    touched[touched_count++] = (uint16_t)index;
}

/* The payload may go on in further mbufs.  Returns the bytes of payload. */
static uint32_t segment_take(struct rig *r, struct rte_mbuf *m)
{
    uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);
    const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(bytes + sizeof(struct rte_ether_hdr));
    const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + 1);
    uint32_t index = (uint32_t)rte_be_to_cpu_16(tcp->dst_port) - FIRST_PORT;
    uint32_t head = (uint32_t)(sizeof *ip + (tcp->data_off >> 4) * 4);
    uint32_t size = rte_be_to_cpu_16(ip->total_length) - head;
    if (ip->next_proto_id != IPPROTO_TCP || index >= r->test.consumers + r->test.parked) return 0;
    struct wire_connection *c = &connection[index];
    if ((tcp->tcp_flags & RTE_TCP_RST_FLAG) != 0) fail("a connection was reset");
    if ((tcp->tcp_flags & RTE_TCP_SYN_FLAG) != 0) {
        c->is_open = true;
        c->received = rte_be_to_cpu_32(tcp->sent_seq) + 1;
        c->theirs_ms = timestamp_of(tcp);
        touch(index);
        return 0;
    }
    if (size == 0) return 0;
    if (rte_be_to_cpu_32(tcp->sent_seq) != c->received) { /* sent again: its acknowledgement was late */
        touch(index);
        return 0;
    }
    c->received += size;
    c->theirs_ms = timestamp_of(tcp);
    touch(index);
    uint32_t at = (uint32_t)sizeof(struct rte_ether_hdr) + head, here = m->data_len > at ? m->data_len - at : 0;
    if (here < FETCH_HEAD_BYTES && here < size) fail("an answer's head is cut");
    if (!fetcher_take(&c->fetcher, bytes + at, size)) return size;
    if (r->test.records_per_s > 0) rig_moment_add(&r->received, c->fetcher.next);
    c->asks = true;
    return size;
}

static uint32_t frame_take(struct rig *r, struct rte_mbuf *m)
{
    const struct rte_ether_hdr *e = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
    if (e->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) return segment_take(r, m);
    const struct rte_arp_hdr *a = (const struct rte_arp_hdr *)(e + 1);
    if (e->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP) || a->arp_data.arp_sip != their_address) return 0;
    theirs = a->arp_data.arp_sha;
    if (a->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST)) arp_send(RTE_ARP_OP_REPLY);
    return 0;
}

/* What has come; returns the bytes of payload. */
static uint64_t turn(struct rig *r)
{
    struct rte_mbuf *in[BURST];
    uint64_t bytes = 0;
    uint16_t count = rte_eth_rx_burst(device, 0, in, BURST);
    if (count == 0 && r->test.records_per_s > 0) { /* the log's threads want a core, too */
        struct timespec rest = {.tv_nsec = 20000};
        nanosleep(&rest, NULL);
    }
    for (uint16_t i = 0; i < count; i++) bytes += frame_take(r, in[i]);
    rte_pktmbuf_free_bulk(in, count);
    for (uint16_t i = 0; i < touched_count; i++) {
        struct wire_connection *c = &connection[touched[i]];
        uint8_t request[FETCH_REQUEST_BYTES] = {0};
        size_t size = !c->asks ? 0 : c->fetcher.log == NULL ? 1 : fetcher_request(&c->fetcher, request);
        segment_send(touched[i], RTE_TCP_ACK_FLAG | (size > 0 ? RTE_TCP_PSH_FLAG : 0), request, (uint16_t)size);
        c->asks = c->is_touched = false;
    }
    touched_count = 0;
    if (out_count > 0) flush();
    return bytes;
}

bool rig_eal_start(const char *name, int core, const char *vdev)
{
    char number[8], prefix[40];
    snprintf(number, sizeof number, "%d", core);
    snprintf(prefix, sizeof prefix, "--file-prefix=%s-%d", name, getpid());
    const char *const wanted[] = {name, "-l", number, "--no-huge", "-m", "128", "--no-telemetry", "--log-level=4",
                                  "--no-pci", prefix, vdev};
    char *argument[sizeof wanted / sizeof *wanted + 1];
    int count = 0;
    for (; count < (int)(sizeof wanted / sizeof *wanted); count++) argument[count] = (char *)(uintptr_t)wanted[count];
    argument[count] = NULL;
    return rte_eal_init(count, argument) >= 0;
}

static void device_open(struct rig *r)
{
    char vdev[200];
    /* A frame of the MTU in one buffer; super-segments in several, as a device's are. */
    uint32_t room = mtu <= 1500 ? 2048 : mtu + 240u, descriptors = 1024;
    snprintf(vdev, sizeof vdev, "--vdev=net_virtio_user0,path=%s,queue_size=%u,mrg_rxbuf=1,mac=02:00:00:00:00:02",
             r->test.socket, descriptors);
    if (!rig_eal_start("client", RIG_CLIENT_CORE, vdev)) fail("DPDK does not start");
    RTE_ETH_FOREACH_DEV(device) break;
    struct rte_eth_dev_info info;
    rte_eth_dev_info_get(device, &info);
    struct rte_eth_conf conf = {
        .rxmode = {.mtu = mtu, .offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
                   (r->test.super_bytes > 0 ? RTE_ETH_RX_OFFLOAD_TCP_LRO : 0))}};
    tx_pool = rte_pktmbuf_pool_create("client-tx", 4095, 128, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
    rx_pool = rte_pktmbuf_pool_create("client-rx", 4095, 128, 0, (uint16_t)(room + RTE_PKTMBUF_HEADROOM), 0);
    if (tx_pool == NULL || rx_pool == NULL || rte_eth_dev_configure(device, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(device, 0, (uint16_t)descriptors, 0, NULL, rx_pool) != 0 ||
        rte_eth_tx_queue_setup(device, 0, (uint16_t)descriptors, 0, NULL) != 0 || rte_eth_dev_start(device) != 0)
        fail("its virtio device does not start");
    rte_eth_macaddr_get(device, &ours);
}

void client_wire_run(struct rig *r)
{
    mtu = (uint16_t)r->test.mtu;
    inet_pton(AF_INET, RIG_CLIENT4, &our_address);
    inet_pton(AF_INET, RIG_SERVER4, &their_address);
    memset(&theirs, 0xff, sizeof theirs);
    device_open(r);
    for (uint64_t until = rig_now_ns() + WAIT_NS, asked = 0; theirs.addr_bytes[0] == 0xff;) {
        if (rig_now_ns() > until) fail("the server answers no ARP");
        if (asked + 50000000 < rig_now_ns()) arp_send(RTE_ARP_OP_REQUEST), asked = rig_now_ns();
        turn(r);
        if (out_count > 0) flush();
    }
    for (uint32_t i = 0; i < r->test.consumers + r->test.parked; i++) { /* one by one: it is not what is measured */
        struct wire_connection *c = &connection[i];
        c->sent = 1000 * i;
        c->fetcher = (struct fetcher){.log = r->test.kind == RIG_BARE_LWIP ? NULL : &r->log, .next = r->log.first};
        segment_send(i, RTE_TCP_SYN_FLAG, "", 0);
        flush();
        for (uint64_t until = rig_now_ns() + WAIT_NS; !c->is_open;) {
            if (rig_now_ns() > until) fail("the server does not answer");
            turn(r);
        }
    }
    for (uint32_t i = 0; i < r->test.consumers; i++) { /* all at once: none connects through the others' traffic */
        connection[i].asks = true;
        touch(i);
    }
    uint64_t bytes = 0;
    while (!rig_measure(r, bytes)) bytes += turn(r);
    rte_eth_dev_stop(device);
    rte_eth_dev_close(device);
    rte_eal_cleanup();
}

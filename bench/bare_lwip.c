/* What the DPDK port is measured against: lwIP and a device's queues, with nothing between but what lwIP needs.  It
 * sends the same bytes from memory to whoever says a word; nothing is pinned, counted or spoken. */
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/invariant.h"
#include "bench/dataplane_rig.h"
#include "dataplane/lwip/stack.h"

enum { BURST = 64, PENDING = 256, TURN_BYTES = 256 << 10, FRAMES = 8191, DESCRIPTORS = 1024 };

struct bare { struct stack_pcb *pcb; uint32_t position; bool is_asked; };

static struct bare bare[RIG_CONSUMERS_MAX];
static uint32_t bare_count;
static uint8_t *data;
static uint16_t device;
static struct rte_mempool *frames, *lent;
static struct rte_mbuf *pending[PENDING];
static uint32_t pending_count;
static struct rte_mbuf_ext_shared_info forever;

static void on_lent_free(void *bytes, void *context) { (void)bytes, (void)context; }
static void on_frame_free(void *frame) { rte_pktmbuf_free(frame); }

static void flush(void)
{
    uint16_t sent = rte_eth_tx_burst(device, 0, pending, (uint16_t)pending_count);
    pending_count -= sent;
    memmove(pending, pending + sent, pending_count * sizeof *pending);
}

static void offload(struct rte_mbuf *m, uint32_t packet_bytes)
{
    struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
    struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
    if (m->data_len < sizeof(struct rte_ether_hdr) + sizeof *ip || ip->next_proto_id != IPPROTO_TCP) return;
    m->l2_len = sizeof(struct rte_ether_hdr);
    m->l3_len = sizeof *ip;
    m->l4_len = (uint8_t)((tcp->data_off >> 4) * 4);
    m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | (packet_bytes > 0 ? RTE_MBUF_F_TX_TCP_SEG : 0);
    m->tso_segsz = (uint16_t)packet_bytes;
    tcp->cksum = rte_ipv4_phdr_cksum(ip, m->ol_flags);
}

static bool on_transmit(void *context, void *c, const struct stack_slice *slice, unsigned count, uint32_t packet_bytes)
{
    (void)context, (void)c;
    if (pending_count == PENDING) flush();
    if (pending_count == PENDING) return false;
    struct rte_mbuf *first = rte_pktmbuf_alloc(frames), *last = first;
    INVARIANT(first != NULL);
    for (unsigned i = 0; i < count; i++) { /* headers, then lent bytes */
        if (!slice[i].is_lent) {
            memcpy(rte_pktmbuf_append(first, (uint16_t)slice[i].size), slice[i].bytes, slice[i].size);
            continue;
        }
        struct rte_mbuf *m = rte_pktmbuf_alloc(lent);
        INVARIANT(m != NULL);
        rte_mbuf_ext_refcnt_update(&forever, 1);
        rte_pktmbuf_attach_extbuf(m, (void *)(uintptr_t)slice[i].bytes, (rte_iova_t)(uintptr_t)slice[i].bytes,
                                  (uint16_t)slice[i].size, &forever);
        m->data_len = (uint16_t)slice[i].size;
        last->next = m;
        last = m;
        first->nb_segs++;
        first->pkt_len += slice[i].size;
    }
    offload(first, packet_bytes);
    pending[pending_count++] = first;
    return true;
}

static void *on_accepted(void *context, struct stack_pcb *pcb, uint32_t listener)
{
    (void)context, (void)listener;
    INVARIANT(bare_count < RIG_CONSUMERS_MAX);
    bare[bare_count] = (struct bare){pcb, bare_count % (RIG_DATA_BYTES / RIG_CHUNK_BYTES) * RIG_CHUNK_BYTES, false};
    return &bare[bare_count++];
}

static const struct stack_operations *stack;

static void on_received(void *c, struct stack_bytes *keep, const uint8_t *bytes, uint32_t size)
{
    (void)bytes, (void)size;
    ((struct bare *)c)->is_asked = true;
    stack->give_back(keep);
}

static void on_acknowledged(void *c, uint32_t size) { (void)c, (void)size; }
static void on_end(void *c) { ((struct bare *)c)->pcb = NULL; }

static void must(bool is_well, const char *what)
{
    if (is_well) return;
    fprintf(stderr, "the bare lwIP sender: %s\n", what);
    exit(1);
}

static void device_open(const struct rig_case *test)
{
    char vdev[200];
    snprintf(vdev, sizeof vdev, "--vdev=net_vhost0,iface=%s%s", test->socket, test->super_bytes > 0 ? ",tso=1" : "");
    must(rig_eal_start("bare", RIG_SERVER_CORE, vdev), "DPDK does not start");
    RTE_ETH_FOREACH_DEV(device) break;
    struct rte_eth_conf conf = {.rxmode = {.mtu = (uint16_t)test->mtu, .offloads = RTE_ETH_RX_OFFLOAD_TCP_CKSUM},
                                .txmode.offloads = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS};
    frames = rte_pktmbuf_pool_create("frames", FRAMES, 256, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
    lent = rte_pktmbuf_pool_create("lent", FRAMES, 256, 0, 0, 0);
    must(frames != NULL && lent != NULL && rte_eth_dev_configure(device, 1, 1, &conf) == 0 &&
             rte_eth_rx_queue_setup(device, 0, DESCRIPTORS, 0, NULL, frames) == 0 &&
             rte_eth_tx_queue_setup(device, 0, DESCRIPTORS, 0, NULL) == 0 && rte_eth_dev_start(device) == 0,
         "its vhost device does not start");
}

static void stack_start(const struct rig_case *test)
{
    struct rte_ether_addr mac;
    struct stack_config config = {
        .handlers = {NULL, on_transmit, on_accepted, on_received, on_acknowledged, on_end, on_end},
        .mtu = (uint16_t)test->mtu, .address4 = RIG_SERVER4, .prefix4 = 24, .device_tcp_checksums = true,
        .super_bytes = test->super_bytes};
    rte_eth_macaddr_get(device, &mac);
    memcpy(config.mac, mac.addr_bytes, sizeof config.mac);
    stack = stack_at(0);
    must(stack->open(&config, rig_now_ns() / 1000000) == NULL && stack->listen(RIG_PORT, 0), "lwIP does not start");
}

static void write_turn(struct bare *b)
{
    uint32_t written = 0, room;
    while (written < TURN_BYTES && (room = stack->room(b->pcb)) > 0) {
        uint32_t size = RTE_MIN(room, RIG_DATA_BYTES - b->position);
        if (!stack->write(b->pcb, data + b->position, size, true, false)) break;
        b->position = (b->position + size) % RIG_DATA_BYTES;
        written += size;
    }
    if (written > 0) (void)stack->output(b->pcb);
}

void bare_lwip_run(struct rig *r)
{
    data = mmap(NULL, RIG_DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    INVARIANT(data != MAP_FAILED);
    memset(data, 7, RIG_DATA_BYTES);
    forever.free_cb = on_lent_free;
    rte_mbuf_ext_refcnt_set(&forever, 1);
    device_open(&r->test);
    stack_start(&r->test);
    atomic_store(&r->is_ready, 1);
    for (uint64_t ticked_ms = 0; atomic_load(&r->is_over) == 0;) {
        struct rte_mbuf *in[BURST];
        uint16_t count = rte_eth_rx_burst(device, 0, in, BURST);
        for (uint16_t i = 0; i < count; i++)
            stack->input(rte_pktmbuf_mtod(in[i], uint8_t *), in[i]->data_len, STACK_CHECKED_IP | STACK_CHECKED_TCP,
                         on_frame_free, in[i]);
        uint64_t now_ms = rig_now_ns() / 1000000;
        if (now_ms != ticked_ms) stack->tick(now_ms);
        ticked_ms = now_ms;
        for (uint32_t i = 0; i < bare_count && pending_count < PENDING; i++)
            if (bare[i].pcb != NULL && bare[i].is_asked) write_turn(&bare[i]);
        if (pending_count > 0) flush();
    }
    rte_eth_dev_stop(device);
    rte_eth_dev_close(device);
    rte_eal_cleanup();
}

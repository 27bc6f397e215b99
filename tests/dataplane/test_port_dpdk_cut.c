/* Goal: a super-segment that the DPDK port cuts itself leaves as the packets that a device would have made: each byte
 * once and in order, headers of its own, lent bytes not copied; and all of it goes, or nothing. */
#include <check.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "dataplane/port_dpdk_inside.h"
#include "tests/suite.h"

enum {
    PACKET = 1400, PAYLOAD_MAX = PACKET * DPDK_CUT_PACKETS, OPTIONS = 12, PINS = 8, FRAMES = 255,
};
static const uint32_t SEQUENCE = 0xfffffe00; /* it wraps on the way */

static struct port_dpdk_device device;
static struct dpdk_queue queue;
static struct random random_state;
static uint8_t payload[PAYLOAD_MAX], head_and_copied[STACK_HEAD_BYTES + PAYLOAD_MAX];
static struct stack_slice slice[STACK_SLICES_MAX];
static unsigned slice_count, released, summed[2]; /* by the port, by the driver */
static struct { uint32_t l2, l3, all, size; bool is_4; uint8_t flags; } sent;

static void on_released(void *context, struct port_message *m) { (void)context, (void)m, released++; }

static void eal_up(void)
{
    static bool is_up;
    char folder[] = "/tmp/millrace-cut-XXXXXX";
    const char *const wanted[] = {"test", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=3",
                                  "-m", "64"};
    char *argument[8];
    if (is_up) return;
    for (int i = 0; i < 8; i++) argument[i] = (char *)(uintptr_t)wanted[i];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    setenv("RUNTIME_DIRECTORY", folder, 1);
    ck_assert_int_ge(rte_eal_init(8, argument), 0);
    char command[60];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    is_up = true;
}

static void rig_open(uint64_t seed, unsigned frames)
{
    eal_up();
    random_init(&random_state, seed);
    device = (struct port_dpdk_device){.id = RTE_MAX_ETHPORTS, .has_segments = true, .has_tcp_checksums = true,
                                       .is_cut_here = true, .config = {.device = "none", .lcores = 1}};
    device.tx_pool[0] = rte_pktmbuf_pool_create("tx", frames, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
    device.lent_pool[0] = rte_pktmbuf_pool_create("lent", FRAMES, 0, 0, 0, 0);
    ck_assert(device.tx_pool[0] != NULL && device.lent_pool[0] != NULL);
    memset(&queue, 0, sizeof queue);
    ck_assert_int_eq(queue_init(&queue, &device, 0, PINS), ERR_OK);
    queue.released = on_released;
    released = summed[false] = summed[true] = 0;
}

/* Headers as the stack writes them, then `size` bytes, some copied, most of them lent in pieces. */
static void segment_make(bool is_4, bool has_vlan, uint32_t size)
{
    uint8_t *at = head_and_copied;
    memset(at, 0x11, 12);
    sent.is_4 = is_4;
    sent.l2 = has_vlan ? 18 : 14;
    sent.l3 = is_4 ? 20 : 40;
    sent.all = sent.l2 + sent.l3 + 20 + OPTIONS;
    sent.size = size;
    sent.flags = RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG | (random_below(&random_state, 2) == 0 ? RTE_TCP_FIN_FLAG : 0);
    uint16_t type = rte_cpu_to_be_16(is_4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
    if (has_vlan) memcpy(at + 12, (const uint8_t[]){0x81, 0, 0, 17}, 4);
    memcpy(at + sent.l2 - 2, &type, 2);
    struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(at + sent.l2);
    struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(at + sent.l2);
    struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(at + sent.l2 + sent.l3);
    uint16_t total = (uint16_t)(sent.all - sent.l2 + size);
    if (is_4)
        *ip4 = (struct rte_ipv4_hdr){.version_ihl = 0x45, .total_length = rte_cpu_to_be_16(total), .time_to_live = 64,
                                     .packet_id = rte_cpu_to_be_16(0xfffe), .next_proto_id = IPPROTO_TCP,
                                     .src_addr = 0x01020304, .dst_addr = 0x05060708};
    else
        *ip6 = (struct rte_ipv6_hdr){.vtc_flow = rte_cpu_to_be_32(6u << 28), .proto = IPPROTO_TCP, .hop_limits = 64,
                                     .payload_len = rte_cpu_to_be_16((uint16_t)(total - 40)), .src_addr = {1}};
    *tcp = (struct rte_tcp_hdr){.sent_seq = rte_cpu_to_be_32(SEQUENCE), .tcp_flags = sent.flags,
                                .data_off = (20 + OPTIONS) / 4 << 4};
    memset(tcp + 1, 0x22, OPTIONS);
    random_bytes(&random_state, payload, size);
    uint32_t copied = random_below(&random_state, 3) == 0 ? (uint32_t)random_below(&random_state, size) : 0;
    memcpy(at + sent.all, payload, copied);
    slice[0] = (struct stack_slice){at, sent.all + copied, 0, false};
    slice_count = 1;
    for (uint32_t done = copied; done < size;) {
        uint32_t part = 1 + (uint32_t)random_below(&random_state, 4000), left = size - done;
        if (part > left || slice_count == STACK_SLICES_MAX - 1) part = left;
        slice[slice_count++] = (struct stack_slice){payload + done, part, SEQUENCE + done, true};
        done += part;
    }
}

/* A card gets the pseudo header's sum; what a driver without one sums by DPDK's function must be right. */
static void checksum_check(const struct rte_mbuf *m, const struct rte_ipv4_hdr *ip4, const struct rte_ipv6_hdr *ip6,
                           struct rte_tcp_hdr *tcp)
{
    bool is_left = (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0;
    uint16_t sum;
    if (!device.is_virtual) {
        ck_assert(is_left);
        ck_assert_uint_eq(tcp->cksum, sent.is_4 ? rte_ipv4_phdr_cksum(ip4, 0) : rte_ipv6_phdr_cksum(ip6, 0));
        return;
    }
    if (is_left) {
        ck_assert_int_eq(rte_raw_cksum_mbuf(m, sent.l2 + sent.l3, m->pkt_len - sent.l2 - sent.l3, &sum), 0);
        tcp->cksum = (uint16_t)~sum;
    }
    summed[is_left]++;
    sum = tcp->cksum;
    tcp->cksum = 0;
    uint16_t right = sent.is_4 ? rte_ipv4_udptcp_cksum(ip4, tcp) : rte_ipv6_udptcp_cksum(ip6, tcp);
    ck_assert_uint_eq(sum % 0xffff, right % 0xffff); /* there are two zeros */
}

static void packet_check(struct rte_mbuf *m, uint32_t packet, uint32_t at)
{
    uint8_t bytes[2048];
    uint32_t size = sent.size - at < PACKET ? sent.size - at : PACKET;
    bool is_last = at + size == sent.size;
    ck_assert_uint_eq(m->pkt_len, sent.all + size);
    uint8_t *got = (uint8_t *)(uintptr_t)rte_pktmbuf_read(m, 0, m->pkt_len, bytes);
    if (got != bytes) memcpy(bytes, got, m->pkt_len);
    ck_assert_mem_eq(bytes, head_and_copied, sent.l2);
    ck_assert_mem_eq(bytes + sent.all, payload + at, size);
    struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(bytes + sent.l2);
    struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(bytes + sent.l2);
    struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(bytes + sent.l2 + sent.l3);
    if (sent.is_4) {
        uint16_t sum = ip4->hdr_checksum;
        ip4->hdr_checksum = 0;
        ck_assert_uint_eq(sum, rte_ipv4_cksum(ip4));
        ck_assert_uint_eq(rte_be_to_cpu_16(ip4->total_length), sent.all - sent.l2 + size);
        ck_assert_uint_eq(rte_be_to_cpu_16(ip4->packet_id), (uint16_t)(0xfffe + packet));
    } else {
        ck_assert_uint_eq(rte_be_to_cpu_16(ip6->payload_len), sent.all - sent.l2 - 40 + size);
    }
    checksum_check(m, ip4, ip6, tcp);
    ck_assert_uint_eq(rte_be_to_cpu_32(tcp->sent_seq), SEQUENCE + at);
    ck_assert_uint_eq(tcp->tcp_flags, is_last ? sent.flags : RTE_TCP_ACK_FLAG);
    ck_assert_mem_eq(tcp + 1, head_and_copied + sent.all - OPTIONS, OPTIONS);
    ck_assert_uint_eq(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0);
    ck_assert_uint_eq(m->l2_len + m->l3_len + m->l4_len, sent.all);
    for (struct rte_mbuf *part = m; part != NULL; part = part->next) { /* each piece holds its own message */
        if (!RTE_MBUF_HAS_EXTBUF(part)) continue;
        const struct pin *p = (const struct pin *)part->shinfo;
        uint32_t from = SEQUENCE + (uint32_t)(rte_pktmbuf_mtod(part, uint8_t *) - payload);
        ck_assert(from - p->start < p->end - p->start && from - p->start + part->data_len <= p->end - p->start);
    }
}

/* Two messages' pins: their border lies anywhere. */
static void pins_make(struct pin *out[2], struct port_message message[2])
{
    uint32_t border = (uint32_t)random_below(&random_state, sent.size);
    for (int i = 0; i < 2; i++) {
        out[i] = pin_take(&queue, &message[i]);
        out[i]->start = i == 0 ? SEQUENCE : SEQUENCE + border;
        out[i]->end = i == 0 ? SEQUENCE + border : SEQUENCE + sent.size;
    }
    out[0]->next = out[1];
    out[1]->next = NULL;
}

START_TEST(packets_are_those_of_a_device)
{
    rig_open((uint64_t)_i, FRAMES);
    device.is_virtual = _i >= 4;
    for (int round = 0; round < 300; round++) {
        struct port_message message[2] = {{.piece_count = 0}, {.piece_count = 0}};
        struct pin *pin[2];
        uint32_t size = PACKET + 1 + (uint32_t)random_below(&random_state, PAYLOAD_MAX - PACKET);
        segment_make(_i % 2 == 0, _i / 2 % 2 == 0, size);
        pins_make(pin, message);
        ck_assert(queue_transmit(&queue, slice, slice_count, pin[0], PACKET));
        ck_assert_uint_eq(queue.pending_count, (sent.size + PACKET - 1) / PACKET);
        for (uint32_t i = 0; i < queue.pending_count; i++) packet_check(queue.pending[i], i, i * PACKET);
        released = 0;
        pin_let_go(pin[0]); /* acknowledged, and the device still has the packets */
        pin_let_go(pin[1]);
        rte_pktmbuf_free_bulk(queue.pending, queue.pending_count);
        queue.pending_count = 0;
        ck_assert_uint_eq(released, 2);
    }
    ck_assert(!device.is_virtual || (summed[false] > 100 && summed[true] > 100));
    ck_assert_uint_gt(queue.stats.zero_copy_bytes, queue.stats.copied_bytes);
    ck_assert_uint_eq(rte_mempool_in_use_count(device.tx_pool[0]) + rte_mempool_in_use_count(device.lent_pool[0]), 0);
    queue_fini(&queue);
}
END_TEST

/* Memory for some of the packets only: none of them goes. */
START_TEST(all_or_nothing)
{
    struct port_message message[2] = {{.piece_count = 0}, {.piece_count = 0}};
    struct pin *pin[2];
    rig_open(7, 7);
    segment_make(true, false, PAYLOAD_MAX);
    pins_make(pin, message);
    ck_assert(!queue_transmit(&queue, slice, slice_count, pin[0], PACKET));
    ck_assert_uint_eq(queue.pending_count, 0);
    ck_assert_uint_eq(queue.stats.no_frame, 1);
    ck_assert_uint_eq(queue.stats.sent_frames, 0);
    ck_assert_uint_eq(rte_mempool_in_use_count(device.tx_pool[0]) + rte_mempool_in_use_count(device.lent_pool[0]), 0);
    for (int i = 0; i < 2; i++) ck_assert_uint_eq(rte_mbuf_ext_refcnt_read(&pin[i]->info), 1);
    pin_let_go(pin[0]);
    pin_let_go(pin[1]);
    ck_assert_uint_eq(released, 2);
    queue_fini(&queue);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("port_cut");
    TCase *t = tcase_create("port_cut");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, packets_are_those_of_a_device, 0, 8);
    tcase_add_test(t, all_or_nothing);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

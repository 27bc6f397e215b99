#include "tests/dataplane/flood_peers.h"

#include <arpa/inet.h>
#include <check.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/dataplane/port_rig.h"
#include "tests/dataplane/veth.h"

enum {
    ADDRESSES = 32, FIRST_ADDRESS = 10, FIRST_PORT = 1024, PORTS = 60000,
    FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16,
    ETHERNET = 14, IP = 20, TCP = 20, FRAME_BYTES_MAX = 2000, BURST = 64, LOST_MS = 200, WINDOW = 8000,
};

static int raw;
static uint8_t server_mac[6], client_mac[6];
static uint32_t server_address;
static struct {
    struct mmsghdr message[BURST];
    struct iovec part[BURST];
    uint8_t  frame[BURST][128];
    unsigned count;
} out;

static uint64_t now_ns(void) { return clock_monotonic_ns(clock_real()); }

static uint32_t get_32(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }
static void put_16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }
static void put_32(uint8_t *at, uint32_t value) { put_16(at, value >> 16), put_16(at + 2, value); }

static uint32_t sum_of(const uint8_t *bytes, uint32_t size, uint32_t sum) /* size: even */
{
    for (uint32_t i = 0; i < size; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    return sum;
}

static uint32_t folded(uint32_t sum)
{
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* --- frames --- */

static void flush(void)
{
    if (out.count > 0) (void)sendmmsg(raw, out.message, out.count, 0); /* a full queue loses some */
    out.count = 0;
}

static uint8_t *frame_begin(uint32_t size, const uint8_t to[6], uint16_t type)
{
    if (out.count == BURST) flush();
    unsigned i = out.count++;
    uint8_t *f = out.frame[i];
    out.part[i] = (struct iovec){f, size};
    out.message[i].msg_hdr = (struct msghdr){.msg_iov = &out.part[i], .msg_iovlen = 1};
    memset(f, 0, size);
    memcpy(f, to, 6);
    memcpy(f + 6, client_mac, 6);
    put_16(f + 12, type);
    return f;
}

static void say(uint32_t from, uint32_t port, uint8_t flags, uint32_t sequence, uint32_t acknowledged, uint32_t window,
                const void *data, uint32_t size)
{
    uint8_t *f = frame_begin(ETHERNET + IP + TCP + size, server_mac, ETHERTYPE_IP), *ip = f + ETHERNET, *tcp = ip + IP;
    ip[0] = 0x45, ip[8] = 64, ip[9] = 6;
    put_16(ip + 2, IP + TCP + size);
    put_32(ip + 12, from);
    put_32(ip + 16, server_address);
    put_16(ip + 10, folded(sum_of(ip, IP, 0)));
    put_16(tcp, port);
    put_16(tcp + 2, RIG_PORT);
    put_32(tcp + 4, sequence);
    put_32(tcp + 8, acknowledged);
    tcp[12] = 5 << 4, tcp[13] = flags;
    put_16(tcp + 14, window);
    if (size > 0) memcpy(tcp + TCP, data, size);
    put_16(tcp + 16, folded(sum_of(ip + 12, 8, 6 + TCP + size) + sum_of(tcp, TCP + size, 0)));
}

static void answer_arp(const uint8_t *request)
{
    uint8_t *f = frame_begin(42, request + 6, ETHERTYPE_ARP);
    memcpy(f + ETHERNET, request + ETHERNET, 6);
    put_16(f + 20, 2);
    memcpy(f + 22, client_mac, 6);
    memcpy(f + 28, request + 38, 4);
    memcpy(f + 32, request + 22, 10);
}

/* --- peers --- */

static void begin(uint64_t number)
{
    uint32_t from = (server_address & ~0xffu) + FIRST_ADDRESS + (uint32_t)(number % ADDRESSES);
    say(from, FIRST_PORT + (uint32_t)(number / ADDRESSES % PORTS), SYN, (uint32_t)number * 1000, 0, WINDOW, NULL, 0);
}

static void come_and_go(struct flood *f, uint32_t own, uint32_t port, uint8_t flags, uint32_t theirs, uint32_t ours)
{
    if ((flags & RST) != 0) return;
    if ((flags & SYN) != 0) {
        bool by_reset = port % 2 == 0;
        f->opened++;
        say(own, port, ACK, ours, theirs + 1, WINDOW, NULL, 0);
        say(own, port, by_reset ? RST : FIN | ACK, ours, theirs + 1, WINDOW, NULL, 0);
        f->ended += by_reset;
    } else if ((flags & FIN) != 0) {
        say(own, port, ACK, ours, theirs + 1, WINDOW, NULL, 0);
        f->ended++;
    }
}

static void take_nothing(struct flood *f, uint32_t own, uint32_t port, uint8_t flags, uint32_t theirs, uint32_t ours,
                         uint32_t size)
{
    const uint32_t request[4] = {0, 200000, 0, 0}; /* of port_rig.c: lent bytes */
    if ((flags & RST) != 0) {
        f->ended++;
    } else if ((flags & SYN) != 0) {
        f->opened++;
        say(own, port, ACK | PSH, ours, theirs + 1, WINDOW, request, sizeof request);
    } else if (size > 0) { /* a probe's byte is not taken */
        f->shut++;
        say(own, port, ACK, ours, size == 1 ? theirs : theirs + size, 0, NULL, 0);
    }
}

static void answer(struct flood *f, enum flood_kind kind, const uint8_t *frame, uint32_t size)
{
    if (size >= 42 && frame[12] == 8 && frame[13] == 6) {
        if (frame[21] == 1) answer_arp(frame);
        return;
    }
    if (size < ETHERNET + IP + TCP) return;
    const uint8_t *ip = frame + ETHERNET, *tcp = ip + IP;
    uint32_t own = get_32(ip + 16), port = (uint32_t)tcp[2] << 8 | tcp[3];
    uint32_t data = ((uint32_t)ip[2] << 8 | ip[3]) - IP - (tcp[12] >> 4) * 4u;
    if (kind == FLOOD_COME_AND_GO) come_and_go(f, own, port, tcp[13], get_32(tcp + 4), get_32(tcp + 8));
    else take_nothing(f, own, port, tcp[13], get_32(tcp + 4), get_32(tcp + 8), data);
}

static _Noreturn void peers_run(struct flood *f, enum flood_kind kind, uint32_t most, uint32_t per_second)
{
    static struct mmsghdr message[BURST];
    static struct iovec part[BURST];
    static uint8_t frame[BURST][FRAME_BYTES_MAX];
    uint64_t begun_ns = now_ns(), moved_ns = begun_ns, given_up = 0;
    for (int i = 0; i < BURST; i++) {
        part[i] = (struct iovec){frame[i], FRAME_BYTES_MAX};
        message[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1};
    }
    for (;;) {
        uint64_t now = now_ns(), before = f->asked, due = UINT64_MAX;
        if (per_second > 0) due = (now - begun_ns) / 1000 * per_second / 1000000;
        if (f->begins_none) due = 0;
        for (int i = 0; i < BURST / 4 && f->asked < due && f->asked - f->ended - given_up < most; i++)
            begin(f->asked++);
        flush();
        int count = recvmmsg(raw, message, BURST, 0, NULL);
        for (int i = 0; i < count; i++) answer(f, kind, frame[i], message[i].msg_len);
        flush();
        if (count > 0 || f->asked != before) moved_ns = now;
        if (kind == FLOOD_COME_AND_GO && now - moved_ns > LOST_MS * 1000000ull) { /* what is missing was lost */
            given_up = f->asked - f->ended;
            moved_ns = now;
        }
        struct pollfd in = {.fd = raw, .events = POLLIN};
        if (count <= 0) (void)poll(&in, 1, 1);
    }
}

/* --- the process --- */

static void mac_of(const char *name, uint8_t mac[6])
{
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    ck_assert_int_eq(ioctl(raw, SIOCGIFHWADDR, &request), 0);
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

/* Only frames for the peers' addresses: the honest clients' are the kernel's. */
static void raw_open(void)
{
    uint32_t first = (server_address & ~0xffu) + FIRST_ADDRESS;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_ARP, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 38),
        BPF_JUMP(BPF_JMP | BPF_JA, 2, 0, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 30),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first + ADDRESSES, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, FRAME_BYTES_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex("client")};
    int on = 1, bytes = 8 << 20;
    raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(raw, 0);
    ck_assert_int_eq(setsockopt(raw, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), 0);
    ck_assert_int_eq(setsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), 0);
    (void)setsockopt(raw, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    (void)setsockopt(raw, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    ck_assert_int_eq(bind(raw, (struct sockaddr *)&at, sizeof at), 0);
    mac_of("server", server_mac);
    mac_of("client", client_mac);
}

struct flood *flood_begin(enum flood_kind kind, uint32_t most, uint32_t per_second)
{
    struct flood *f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(f != MAP_FAILED);
    server_address = ntohl(inet_addr(VETH_SERVER4));
    raw_open();
    int pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        peers_run(f, kind, most, per_second);
    }
    close(raw);
    f->pid = pid;
    return f;
}

void flood_end(struct flood *f)
{
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
}

/* A bad cable: carries Ethernet frames between two interfaces, and loses, doubles, damages, delays and turns some of
 * them around, by seed (the kernel's netem is not built everywhere).  Ends with its parent.
 *
 * usage: wire INTERFACE INTERFACE SEED LOST DOUBLED LATE DAMAGED DELAY_MS JITTER_MS      (the four: of 1000 frames)
 * Says `carrying` once it does. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/random.h"

enum { FRAMES_MAX = 8192, FRAME_BYTES_MAX = 10000, LATE_MS_MAX = 8, BURST = 256 };

struct frame {
    uint64_t due_ms;
    int to;
    uint32_t size;
    uint8_t *bytes;
};

static struct frame frames[FRAMES_MAX]; /* in the order of coming */
static unsigned frame_count;
static unsigned lost, doubled, late, damaged, delay_ms, jitter_ms;
static struct random luck;

static uint64_t now_ms(void) { return clock_monotonic_ns(clock_real()) / 1000000; }
static bool happens(unsigned of_1000) { return random_below(&luck, 1000) < of_1000; }

static int attach(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(name)};
    int on = 1, bytes = 8 << 20, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
    if (fd >= 0) {
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        perror(name);
        exit(1);
    }
    return fd;
}

static void put(int to, const uint8_t *bytes, uint32_t size)
{
    if (frame_count == FRAMES_MAX) return;
    struct frame *f = &frames[frame_count++];
    uint64_t more_ms = (happens(late) ? 1 + random_below(&luck, LATE_MS_MAX) : 0) + random_below(&luck, jitter_ms + 1);
    *f = (struct frame){now_ms() + delay_ms + more_ms, to, size, malloc(size)};
    memcpy(f->bytes, bytes, size);
    if (happens(damaged)) f->bytes[random_below(&luck, size)] ^= (uint8_t)(1 << random_below(&luck, 8));
}

static void take(int from, int to)
{
    static uint8_t bytes[FRAME_BYTES_MAX];
    for (int i = 0; i < BURST; i++) {
        ssize_t size = recv(from, bytes, sizeof bytes, 0);
        if (size <= 0) return;
        if (happens(lost)) continue;
        put(to, bytes, (uint32_t)size);
        if (happens(doubled)) put(to, bytes, (uint32_t)size);
    }
}

static void deliver(void)
{
    uint64_t now = now_ms();
    unsigned kept = 0;
    for (unsigned i = 0; i < frame_count; i++) {
        if (frames[i].due_ms > now) {
            frames[kept++] = frames[i];
            continue;
        }
        (void)send(frames[i].to, frames[i].bytes, frames[i].size, 0); /* a full queue loses it */
        free(frames[i].bytes);
    }
    frame_count = kept;
}

int main(int argc, char **argv)
{
    if (argc != 10) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct pollfd side[2] = {{.fd = attach(argv[1]), .events = POLLIN}, {.fd = attach(argv[2]), .events = POLLIN}};
    random_init(&luck, strtoull(argv[3], NULL, 10));
    unsigned *const chance[] = {&lost, &doubled, &late, &damaged, &delay_ms, &jitter_ms};
    for (int i = 0; i < 6; i++) *chance[i] = (unsigned)strtoul(argv[4 + i], NULL, 10);
    printf("carrying\n");
    fflush(stdout);
    for (;;) {
        (void)poll(side, 2, frame_count > 0 ? 1 : -1);
        take(side[0].fd, side[1].fd);
        take(side[1].fd, side[0].fd);
        deliver();
    }
}

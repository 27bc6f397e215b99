/* A cable from the kernel to a vhost device: carries Ethernet frames between a network interface and the virtio device
 * that DPDK's virtio_user makes of a vhost socket, as a virtual machine's driver would.  Ends with its parent.
 *
 * usage: virtio_wire INTERFACE SOCKET QUEUES     (DPDK's files go to RUNTIME_DIRECTORY)
 * What goes to the vhost device takes its first queue, what comes may take any.  Says `carrying` once it does. */
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { BURST = 32, DESCRIPTORS = 512, FRAMES = 8191, FRAME_BYTES = 2048 + RTE_PKTMBUF_HEADROOM, IDLE_NS = 20000 };

static _Noreturn void fail(const char *what)
{
    printf("virtio_wire: %s\n", what);
    exit(1);
}

static uint16_t device_open(const char *name, uint16_t queues, struct rte_mempool *pool)
{
    uint16_t id;
    struct rte_eth_conf conf = {0};
    if (rte_eth_dev_get_port_by_name(name, &id) != 0 || rte_eth_dev_configure(id, queues, queues, &conf) != 0)
        fail(name);
    for (uint16_t q = 0; q < queues; q++)
        if (rte_eth_rx_queue_setup(id, q, DESCRIPTORS, 0, NULL, pool) != 0 ||
            rte_eth_tx_queue_setup(id, q, DESCRIPTORS, 0, NULL) != 0)
            fail(name);
    if (rte_eth_dev_start(id) != 0) fail(name);
    return id;
}

static uint16_t carry(uint16_t from, uint16_t queue, uint16_t to)
{
    struct rte_mbuf *frames[BURST];
    uint16_t count = rte_eth_rx_burst(from, queue, frames, BURST), sent = 0;
    if (count > 0) sent = rte_eth_tx_burst(to, 0, frames, count);
    for (uint16_t i = sent; i < count; i++) rte_pktmbuf_free(frames[i]); /* a full queue loses them */
    return count;
}

int main(int argc, char **argv)
{
    char kernel[80], virtio[200];
    int queues = argc == 4 ? atoi(argv[3]) : 0;
    if (queues < 1) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(kernel, sizeof kernel, "--vdev=net_af_packet0,iface=%s", argv[1]);
    snprintf(virtio, sizeof virtio, "--vdev=net_virtio_user0,path=%s,queues=%d,queue_size=%d,mrg_rxbuf=1", argv[2],
             queues, DESCRIPTORS);
    const char *const words[] = {"virtio_wire", "-l", "0", "--no-huge", "-m", "64", "--no-telemetry", "--no-pci",
                                 "--log-level=4", kernel, virtio};
    char *arguments[sizeof words / sizeof *words];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) arguments[i] = (char *)(uintptr_t)words[i];
    cpu_set_t allowed; /* DPDK would pin it beside others */
    sched_getaffinity(0, sizeof allowed, &allowed);
    if (rte_eal_init((int)(sizeof words / sizeof *words), arguments) < 0) fail("DPDK does not start");
    sched_setaffinity(0, sizeof allowed, &allowed);
    struct rte_mempool *pool = rte_pktmbuf_pool_create("frames", FRAMES, 128, 0, FRAME_BYTES, 0);
    if (pool == NULL) fail("no memory");
    uint16_t near = device_open("net_af_packet0", 1, pool);
    uint16_t far = device_open("net_virtio_user0", (uint16_t)queues, pool);
    printf("carrying\n");
    fflush(stdout);
    for (;;) {
        unsigned carried = carry(near, 0, far);
        for (uint16_t q = 0; q < queues; q++) carried += carry(far, q, near);
        if (carried == 0) nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
    }
}

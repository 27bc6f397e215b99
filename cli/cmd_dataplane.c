/* millrace dataplane status: what the serving threads and their ports do. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"

static json_t *before; /* the answer of the look before, with --watch; NULL: the first look */

/* Since the look before; of the first: since the start. */
static int64_t since(const json_t *object, const json_t *earlier, const char *key)
{
    int64_t now = print_number(object, key), then = print_number(earlier, key);
    return now >= then ? now - then : now; /* less: it was started anew */
}

static void print_device(const json_t *d, const json_t *earlier)
{
    char speed[32] = "";
    int64_t mbps = print_number(d, "link_mbps");
    if (mbps > 0) snprintf(speed, sizeof speed, " at %" PRId64 " Mbit/s", mbps);
    printf("device %s, driver %s, %s, MTU %" PRId64 ", link %s%s\n", print_text(d, "device"), print_text(d, "driver"),
           print_text(d, "mac"), print_number(d, "mtu"),
           json_is_true(json_object_get(d, "has_link")) ? "up" : "DOWN", speed);
    const char *state = print_text(d, "state");
    if (strcmp(state, "gone") == 0) printf("  it is GONE: nobody is served past the kernel\n");
    if (strcmp(state, "mtu_low") == 0) printf("  its MTU was LOWERED below dpdk_mtu: full packets are lost\n");
    printf("  missed %" PRId64 ", errors %" PRId64 ", records are %s\n", since(d, earlier, "missed"),
           since(d, earlier, "errors"),
           json_is_true(json_object_get(d, "lends_records")) ? "sent without a copy" : "copied");
}

static void print_port(const char *kind, const json_t *p, const json_t *earlier)
{
    printf("  %-6s %10s received, %10s sent without a copy, %10s copied, %" PRId64 " answers pinned, %" PRId64
           " accepted, %" PRId64 " refused\n", kind, print_bytes(since(p, earlier, "received_bytes")),
           print_bytes(since(p, earlier, "sent_zero_copy_bytes")), print_bytes(since(p, earlier, "sent_copied_bytes")),
           print_number(p, "answers_pinned"), since(p, earlier, "connections_accepted"),
           since(p, earlier, "connections_refused"));
    if (json_object_get(p, "packets_sent") == NULL) return;
    printf("         packets: %" PRId64 " received, %" PRId64 " sent, %" PRId64 " of them again, %" PRId64
           " dropped; waited: %" PRId64 " for memory, %" PRId64 " for the device; on the wire %s in, %s out\n",
           since(p, earlier, "packets_received"), since(p, earlier, "packets_sent"),
           since(p, earlier, "packets_retransmitted"), since(p, earlier, "packets_dropped"),
           since(p, earlier, "packets_no_memory"), since(p, earlier, "packets_ring_full"),
           print_bytes(since(p, earlier, "wire_received_bytes")), print_bytes(since(p, earlier, "wire_sent_bytes")));
    if (since(p, earlier, "packets_handed_over") > 0)
        printf("         %" PRId64 " packets came by another lcore's queue: the device does not spread by addresses "
               "and ports\n", since(p, earlier, "packets_handed_over"));
}

static void print_lcore(const json_t *l, const json_t *earlier)
{
    int64_t busy = since(l, earlier, "busy_ns"), idle = since(l, earlier, "idle_ns");
    int64_t pressed = since(l, earlier, "backpressured_ns");
    double all = (double)(busy + idle + pressed);
    if (all == 0) all = 1;
    const char *kind;
    json_t *port;
    printf("lcore %" PRId64 ": %.1f %% busy, %.1f %% idle, %.1f %% backpressured, %" PRId64 " connections\n",
           print_number(l, "lcore"), 100 * (double)busy / all, 100 * (double)idle / all, 100 * (double)pressed / all,
           print_number(l, "connections"));
    json_object_foreach(json_object_get(l, "ports"), kind, port)
        print_port(kind, port, json_object_get(json_object_get(earlier, "ports"), kind));
}

int cli_dataplane_status(struct cli *cli, int argc, char **argv)
{
    json_t *answer, *lcore;
    size_t i;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, NULL)) return cli_usage(cli_dataplane_status);
    int code = rest_call(cli, "GET", "/v1/dataplane", NULL, &answer);
    if (code == CLI_OK && cli->json) {
        print_json(answer);
    } else if (code == CLI_OK) {
        const json_t *device = json_object_get(answer, "device");
        if (json_is_object(device)) print_device(device, json_object_get(before, "device"));
        json_array_foreach(json_object_get(answer, "lcores"), i, lcore)
            print_lcore(lcore, json_array_get(json_object_get(before, "lcores"), i));
        printf("%s\n", before == NULL ? "since the start" : "since the look before");
    }
    json_decref(before);
    before = answer;
    return code;
}

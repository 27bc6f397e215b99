/* A stranger's bytes on a connection that has to log in: frames, requests, SASL steps, tokens, in whatever order and
 * cut.  Whoever does not send the password is nobody, and nothing of a connection that ended stays behind.
 *
 * Input: the client's bytes.  A '%' in them stands for the server's nonce of this connection once there is one, so that
 * SCRAM's second message can be about the first. */
#include <check.h>
#include <stdarg.h>
#include <string.h>

#include "dataplane/auth/authority.h"
#include "tests/dataplane/sim_server.h"
#include "tests/fuzz/fuzz.h"

#define PASSWORD "the password of ann"
#define FORGETS_NS UINT64_C(3600000000000)

/* The fixture asserts with Check, which works within its own runs alone: here a failed assertion is a finding. */
void _mark_point(const char *file, int line) { (void)file, (void)line; }
void _ck_assert_failed(const char *file, int line, const char *what, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s:%d: %s: ", file, line, what);
    va_start(arguments, format);
    if (format != NULL) vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}

static struct sim_server *sim;
static struct authority *authority;
static struct clock_simulated authority_clock; /* forgets failures between inputs, and waits for their answers */

static void settle(void)
{
    for (int still = 0; still < 3;) {
        unsigned work = serve_step(sim->lcore);
        work += authority_step(authority);
        still = work == 0 ? still + 1 : 0;
    }
}

static void start(void)
{
    struct err_msg msg;
    static struct counters *counters;
    static struct account ann = {.name = "ann", .group_id = "billing", .channel = "orders", .credential = 1};
    const uint8_t key[DIRECTORY_KEY_BYTES] = {1};
    struct directory *d;
    FUZZ_CHECK(counters_open(&counters, NULL, 1024, &msg) == ERR_OK);
    struct authority_config config = {.link_count = 1, .accounts_max = 1, .clock = &authority_clock.clock,
                                      .counters = counters,
                                      .is_simulated = true};
    clock_simulated_init(&authority_clock, 1700000000000);
    FUZZ_CHECK(authority_open(&authority, &config, &msg) == ERR_OK);
    struct serve_config serve = {.authority = authority_link_of(authority, 0)};
    sim = sim_start(1, 4096, serve, 0);
    serve.authority->serve_waiter = &sim->lcore->waiter;
    sim->listener[0].needs_login = true;
    FUZZ_CHECK(account_set_password(&ann, PASSWORD, strlen(PASSWORD)) == ERR_OK);
    FUZZ_CHECK(directory_new(&d, &ann, 1, key) == ERR_OK);
    authority_set_directory(authority, d);
}

/* The nonce in what the server has sent, if there is one. */
static size_t nonce_find(struct port_sim_peer *peer, char out[300])
{
    static char text[8192];
    size_t size = port_sim_read(peer, text, sizeof text);
    const char *from = memmem(text, size, "r=", 2);
    const char *to = from == NULL ? NULL : memmem(from, size - (size_t)(from - text), ",s=", 3);
    if (to == NULL || to - from > 300) return 0;
    memcpy(out, from + 2, (size_t)(to - from - 2));
    return (size_t)(to - from - 2);
}

static void check_nobody(const uint8_t *bytes, size_t size)
{
    bool may = memmem(bytes, size, PASSWORD, strlen(PASSWORD)) != NULL;
    for (uint32_t i = 0; i < sim->lcore->config.connections_max; i++)
        FUZZ_CHECK(may || sim->lcore->clients[i].principal == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char nonce[300];
    size_t nonce_bytes = 0, at = 0;
    if (sim == NULL) start();
    struct port_sim_peer *peer = port_sim_connect(sim->lcore->port);
    FUZZ_CHECK(peer != NULL);
    while (at < size) {
        const uint8_t *mark = memchr(bytes + at, '%', size - at);
        size_t part = mark == NULL ? size - at : (size_t)(mark - bytes) - at;
        if (part > 0 && !port_sim_write(peer, bytes + at, part)) break;
        settle();
        at += part;
        if (mark == NULL) break;
        size_t found = nonce_find(peer, nonce);
        if (found > 0) nonce_bytes = found;
        if (nonce_bytes > 0 && !port_sim_write(peer, nonce, nonce_bytes)) break;
        at++;
    }
    settle();
    check_nobody(bytes, size);
    clock_simulated_advance(&sim->clock, (uint64_t)LOGIN_DELAY_MS * 1000000);
    clock_simulated_advance(&authority_clock, FORGETS_NS);
    settle();
    check_nobody(bytes, size);
    port_sim_hang_up(peer);
    settle();
    FUZZ_CHECK(sim->lcore->client_count == 0 && sim->lcore->arena.used_bytes == 0 && sim->lcore->timer_count == 0);
    return 0;
}

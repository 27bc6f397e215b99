#include "dataplane/lwip/lookup.h"

#include <string.h>

#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/tcp.h>

#include "base/invariant.h"

enum { SLOTS = 32768, PORTS_BYTES = 4 };
_Static_assert(MEMP_NUM_TCP_PCB < SLOTS * 2 / 3, "a search ends soon");

struct flow { /* addresses as in the packet, ports as numbers */
    const void *local, *remote;
    size_t   address_bytes;
    uint16_t local_port, remote_port;
};

static struct {
    struct slot { uint32_t hash; struct tcp_pcb *pcb; } slot[SLOTS]; /* who finds his place taken has the next one */
    uint32_t count;
    uint8_t  key[LOOKUP_KEY_BYTES];
    u8_t     argument, hash; /* numbers of the fields of a connection that say that it is here, and with which hash */
    bool     is_begun;
    struct tcp_pcb *found, *shown, *shown_over; /* for this frame; where both lists begin meanwhile, */
    struct tcp_pcb *active, *time_wait;         /* and where they do else */
    void   (*changed)(uint32_t hash, bool is_here);
    uint64_t walked;
} table;

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

uint64_t keyed_hash(const uint8_t key[LOOKUP_KEY_BYTES], const uint64_t *word, unsigned count)
{
    uint64_t k[2], v[4];
    memcpy(k, key, sizeof k);
    v[0] = k[0] ^ 0x736f6d6570736575u, v[1] = k[1] ^ 0x646f72616e646f6du;
    v[2] = k[0] ^ 0x6c7967656e657261u, v[3] = k[1] ^ 0x7465646279746573u;
    for (unsigned i = 0; i <= count + 1; i++) {
        uint64_t m = i < count ? word[i] : (uint64_t)count * 8 << 56;
        unsigned rounds = i <= count ? 2 : 4;
        if (i <= count) v[3] ^= m;
        else v[2] ^= 0xff;
        for (unsigned r = 0; r < rounds; r++) {
            v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
            v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
            v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
            v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
        }
        if (i <= count) v[0] ^= m;
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- the table --- */

static struct flow flow_of(const struct tcp_pcb *pcb)
{
    bool is_6 = IP_IS_V6_VAL(pcb->remote_ip);
    return (struct flow){is_6 ? (const void *)ip_2_ip6(&pcb->local_ip)->addr : &ip_2_ip4(&pcb->local_ip)->addr,
                         is_6 ? (const void *)ip_2_ip6(&pcb->remote_ip)->addr : &ip_2_ip4(&pcb->remote_ip)->addr,
                         is_6 ? 16 : 4, pcb->local_port, pcb->remote_port};
}

static uint32_t flow_hash(const struct flow *f)
{
    uint64_t word[5] = {(uint64_t)1 << 32 | (uint64_t)f->local_port << 16 | f->remote_port};
    memcpy(&word[1], f->local, f->address_bytes);
    memcpy((uint8_t *)&word[1] + f->address_bytes, f->remote, f->address_bytes);
    return (uint32_t)keyed_hash(table.key, word, 1 + (unsigned)f->address_bytes / 4);
}

static struct tcp_pcb *find(const struct flow *f, uint32_t hash)
{
    for (uint32_t at = hash % SLOTS; table.slot[at].pcb != NULL; at = (at + 1) % SLOTS) {
        if (table.slot[at].hash != hash) continue;
        struct flow known = flow_of(table.slot[at].pcb);
        if (known.address_bytes == f->address_bytes && known.local_port == f->local_port &&
            known.remote_port == f->remote_port && memcmp(known.local, f->local, f->address_bytes) == 0 &&
            memcmp(known.remote, f->remote, f->address_bytes) == 0)
            return table.slot[at].pcb;
    }
    return NULL;
}

/* Its place is free: who stands behind and might have had it moves up, or a search would end before him. */
static void remove_at(uint32_t hole)
{
    for (uint32_t at = (hole + 1) % SLOTS; table.slot[at].pcb != NULL; at = (at + 1) % SLOTS) {
        uint32_t from_home = (at - table.slot[at].hash) % SLOTS, from_hole = (at - hole) % SLOTS;
        if (from_home < from_hole) continue;
        table.slot[hole] = table.slot[at];
        hole = at;
    }
    table.slot[hole].pcb = NULL;
    table.count--;
}

/* lwIP is about to free a connection. */
static void on_destroy(u8_t argument, void *pcb)
{
    (void)argument;
    if (pcb == NULL) return; /* a listener, or one that never began */
    uint32_t hash = (uint32_t)(uintptr_t)tcp_ext_arg_get(pcb, table.hash), at = hash % SLOTS;
    while (table.slot[at].pcb != pcb) {
        INVARIANT(table.slot[at].pcb != NULL);
        at = (at + 1) % SLOTS;
    }
    remove_at(at);
    table.changed(hash, false);
}

static err_t on_passive_open(u8_t argument, struct tcp_pcb_listen *listener, struct tcp_pcb *pcb)
{
    (void)argument;
    (void)listener;
    lookup_add(pcb);
    return ERR_OK;
}

static const struct tcp_ext_arg_callbacks callbacks = {on_destroy, on_passive_open};

void lookup_open(const uint8_t key[LOOKUP_KEY_BYTES], void (*changed)(uint32_t hash, bool is_here))
{
    table.changed = changed;
    memcpy(table.key, key, sizeof table.key);
    table.argument = tcp_ext_arg_alloc_id();
    table.hash = tcp_ext_arg_alloc_id();
}

void lookup_listener(struct tcp_pcb *listener) { tcp_ext_arg_set_callbacks(listener, table.argument, &callbacks); }

void lookup_add(struct tcp_pcb *pcb)
{
    struct flow f = flow_of(pcb);
    uint32_t hash = flow_hash(&f), at = hash % SLOTS;
    while (table.slot[at].pcb != NULL) at = (at + 1) % SLOTS;
    table.slot[at] = (struct slot){hash, pcb};
    table.count++;
    table.changed(hash, true);
    tcp_ext_arg_set_callbacks(pcb, table.argument, &callbacks);
    tcp_ext_arg_set(pcb, table.argument, pcb);
    tcp_ext_arg_set(pcb, table.hash, (void *)(uintptr_t)hash); /* when it leaves lwIP has forgotten its port */
}

/* --- for one frame --- */

static bool begin(const struct flow *f, uint32_t *hash)
{
    INVARIANT(!table.is_begun);
    table.is_begun = true;
    table.active = tcp_active_pcbs;
    table.time_wait = tcp_tw_pcbs;
    *hash = flow_hash(f);
    table.found = find(f, *hash);
    bool is_over = table.found != NULL && table.found->state == TIME_WAIT;
    tcp_active_pcbs = is_over ? NULL : table.found;
    tcp_tw_pcbs = is_over ? table.found : NULL;
    table.shown = tcp_active_pcbs;
    table.shown_over = tcp_tw_pcbs;
    return table.found == NULL;
}

static uint16_t number_of(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

bool lookup_begin4(const struct pbuf *p, uint32_t *hash)
{
    const struct ip_hdr *ip = p->payload;
    if (p->len < IP_HLEN + PORTS_BYTES || IPH_HL_BYTES(ip) != IP_HLEN || IPH_PROTO(ip) != IP_PROTO_TCP) return false;
    const uint8_t *tcp = (const uint8_t *)ip + IP_HLEN;
    return begin(&(struct flow){&ip->dest, &ip->src, sizeof ip->src, number_of(tcp + 2), number_of(tcp)}, hash);
}

bool lookup_begin6(const struct pbuf *p, uint32_t *hash)
{
    const struct ip6_hdr *ip = p->payload;
    /* Or it is one behind other headers. */
    if (p->len < IP6_HLEN + PORTS_BYTES || IP6H_NEXTH(ip) != IP6_NEXTH_TCP) return false;
    const uint8_t *tcp = (const uint8_t *)ip + IP6_HLEN;
    return begin(&(struct flow){&ip->dest, &ip->src, sizeof ip->src, number_of(tcp + 2), number_of(tcp)}, hash);
}

void lookup_end(void)
{
    if (!table.is_begun) return;
    INVARIANT(tcp_active_pcbs == table.shown && tcp_tw_pcbs == table.shown_over);
    tcp_active_pcbs = table.active;
    tcp_tw_pcbs = table.time_wait;
    table.is_begun = false;
}

void lookup_found(const struct tcp_pcb *pcb)
{
    if (!table.is_begun) {
        table.walked++;
        return;
    }
    INVARIANT(table.found == NULL ? pcb->state == LISTEN : pcb == table.found);
    lookup_end();
}

uint64_t lookup_walked(void) { return table.walked; }

void lookup_check(void)
{
    const struct tcp_pcb *const first[] = {tcp_active_pcbs, tcp_tw_pcbs};
    uint32_t count = 0;
    for (unsigned i = 0; i < 2; i++)
        for (const struct tcp_pcb *pcb = first[i]; pcb != NULL; pcb = pcb->next) {
            struct flow f = flow_of(pcb);
            INVARIANT(find(&f, flow_hash(&f)) == pcb);
            count++;
        }
    INVARIANT(count == table.count);
}

size_t lookup_memory_bytes(void) { return sizeof table; }

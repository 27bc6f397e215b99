/* dataplane/lwip/lookup.h -- finds the connection that a segment is for by a hash of its addresses.
 *
 * lwIP walks two lists for each segment: of the active connections, and of those in TIME_WAIT.  While it looks, both
 * begin at the connection that the table here knows, or are empty where it knows none.  They are whole again as soon
 * as lwIP asks whether the segment may enter (hooks.h): that is behind its search, and before it does anything with
 * what it has found, so nothing is added to or taken from a part of a list. */
#ifndef DATAPLANE_LWIP_LOOKUP_H
#define DATAPLANE_LWIP_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pbuf;
struct tcp_pcb;

enum { LOOKUP_KEY_BYTES = 16 };

/* SipHash-2-4 (Aumasson, Bernstein 2012) of 64-bit words. */
uint64_t keyed_hash(const uint8_t key[LOOKUP_KEY_BYTES], const uint64_t *word, unsigned count);

/* Once, behind lwip_init.  With the key nobody can choose addresses that meet in one place of the table.  `changed` is
 * told the hash of each connection that comes or goes. */
void lookup_open(const uint8_t key[LOOKUP_KEY_BYTES], void (*changed)(uint32_t hash, bool is_here));
/* A listener's connections come into the table by themselves, all leave it by themselves. */
void lookup_listener(struct tcp_pcb *listener);
/* One that we began. */
void lookup_add(struct tcp_pcb *pcb);

/* A packet is about to be looked at, its IP header (version 4, 6) is in front.  Where it is no TCP segment that can be
 * told at once, lwIP searches itself.  True: it is one, there is no connection with its addresses, and this is their
 * hash. */
bool lookup_begin4(const struct pbuf *p, uint32_t *hash);
bool lookup_begin6(const struct pbuf *p, uint32_t *hash);
/* lwIP has found this one, for a segment (a connection, or a listener). */
void lookup_found(const struct tcp_pcb *pcb);
/* The frame is done with, whatever it was. */
void lookup_end(void);

/* Segments that lwIP searched itself for. */
uint64_t lookup_walked(void);
/* Aborts the process where the table and the lists are not the same. */
void lookup_check(void);
size_t lookup_memory_bytes(void);

#endif

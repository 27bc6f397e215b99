/* bench/wire.h -- Kafka's protocol by hand, for clients that shall cost next to nothing.  What fails ends the program
 * with words. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum { WIRE_FETCH_BYTES_MAX = 400 };

/* A connection to an IPv4 address. */
int wire_connect(const char *address, uint16_t port);
void wire_send(int fd, const void *bytes, size_t size);
void wire_receive(int fd, void *out, size_t size);

/* Big-endian numbers, and texts behind their length; each returns its bytes. */
size_t wire_number(uint8_t *out, uint64_t value, unsigned bytes);
size_t wire_text(uint8_t *out, const char *text);
uint64_t wire_read(const uint8_t *at, unsigned bytes);

/* A Fetch of partition 0 from `offset` on, as consumers ask (version 11, without a session, 1 MiB, waits for 500 ms);
 * returns its size. */
size_t wire_fetch(uint8_t out[static WIRE_FETCH_BYTES_MAX], const char *topic, uint64_t offset);
/* The fields of its answer before the records: their size, 0: not all there; *records_bytes: what follows them. */
size_t wire_fetched(const uint8_t *bytes, size_t size, const char *topic, uint32_t *records_bytes);

#endif

/* base/utf8.h -- text that came from somebody else (RFC 3629). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 sequence at `at`, of which `left` > 0 are there; 0: it is none. */
size_t utf8_sequence(const uint8_t *at, size_t left);
/* In place: what is no UTF-8, and control characters, become '?'. */
void utf8_make_printable(char *text);

#endif

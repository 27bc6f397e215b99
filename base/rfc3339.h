/* base/rfc3339.h -- points in time as text (RFC 3339): "2026-11-21T20:00:00.123Z". */
#ifndef BASE_RFC3339_H
#define BASE_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

enum { RFC3339_BYTES = 32 };

/* Unix milliseconds in UTC, from year 0 to 9999; outside of it the nearest of both.  Returns `out`. */
const char *rfc3339_print(int64_t unix_ms, char out[static RFC3339_BYTES]);
/* A date, 'T', a time with or without a fraction, and 'Z' or a numeric offset, and nothing else.  What is finer than a
 * millisecond is cut off; a leap second counts as the second behind it.  False: it is none. */
bool rfc3339_parse(const char *text, int64_t *unix_ms);

#endif

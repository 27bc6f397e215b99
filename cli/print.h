/* cli/print.h -- answers of the REST API, for people. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <jansson.h>
#include <stdint.h>

/* Fields of an object; a missing one is "" or 0. */
const char *print_text(const json_t *object, const char *key);
int64_t print_number(const json_t *object, const char *key);

void print_json(const json_t *value); /* one line on stdout */
void print_channel(const json_t *status);
void print_channels(const json_t *channels); /* a table; below a channel with an error its cause */
/* "12.3 MiB"; valid until the fourth next call. */
const char *print_bytes(int64_t bytes);
/* "2 h 5 min"; the same. */
const char *print_duration(int64_t ms);
/* The same, of a JSON number of seconds; "unknown" of null. */
const char *print_seconds(const json_t *seconds);
/* "2026-01-31T23:59:59Z", "-" of 0; the same. */
const char *print_utc(int64_t unix_ms);

#endif

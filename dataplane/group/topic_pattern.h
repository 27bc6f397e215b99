/* dataplane/group/topic_pattern.h -- regular expressions over topic names (KIP-848's SubscribedTopicRegex).
 *
 * Kafka takes RE2's syntax.  PCRE2 understands all of it that a topic name can need, and more.  Patterns come from
 * clients: back references and large patterns are refused, and a match may only take so many steps. */
#ifndef DATAPLANE_GROUP_TOPIC_PATTERN_H
#define DATAPLANE_GROUP_TOPIC_PATTERN_H

#include <stdbool.h>

#include "base/err.h"
#include "dataplane/kafka/codec.h"

enum { TOPIC_PATTERN_BYTES_MAX = 1024 };

struct topic_pattern;

/* ERR_INVALID: not a pattern; `why` (of `room` bytes) says what is wrong with it and where.  ERR_NO_MEMORY. */
NODISCARD enum err topic_pattern_open(struct topic_pattern **out, struct kafka_string regex, char *why, size_t room);
void               topic_pattern_close(struct topic_pattern *p); /* NULL: nothing */
/* The whole name matches.  A match that would take too long does not. */
bool               topic_pattern_matches(const struct topic_pattern *p, struct kafka_string name);

#endif

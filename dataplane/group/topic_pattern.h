/* dataplane/group/topic_pattern.h -- regular expressions over topic names (KIP-848's SubscribedTopicRegex).
 *
 * Kafka takes RE2's syntax.  PCRE2 understands all of it that a topic name can need, and more.  Patterns come from
 * clients: back references and large patterns are refused, and a match may only take so many steps.  What matching
 * needs, and what was found, is kept once for all patterns and not in each: its size does not grow with the members. */
#ifndef DATAPLANE_GROUP_TOPIC_PATTERN_H
#define DATAPLANE_GROUP_TOPIC_PATTERN_H

#include <stdbool.h>

#include "base/err.h"
#include "dataplane/kafka/codec.h"

enum {
    TOPIC_PATTERN_BYTES_MAX = 1024,
    TOPIC_MATCHER_BYTES_MAX = 768 << 10, /* what a matcher holds, however many patterns there are */
};

struct topic_matcher; /* of one thread; outlives its patterns */
struct topic_pattern;

NODISCARD enum err topic_matcher_open(struct topic_matcher **out); /* ERR_NO_MEMORY */
void               topic_matcher_close(struct topic_matcher *matcher); /* NULL: nothing */
/* Matches that were computed, since the start; the others were remembered. */
uint64_t           topic_matcher_count(const struct topic_matcher *matcher);

/* ERR_INVALID: not a pattern; `why` (of `room` bytes) says what is wrong with it and where.  ERR_NO_MEMORY. */
NODISCARD enum err topic_pattern_open(struct topic_pattern **out, struct topic_matcher *matcher,
                                      struct kafka_string regex, char *why, size_t room);
void               topic_pattern_close(struct topic_pattern *p); /* NULL: nothing */
size_t             topic_pattern_bytes(const struct topic_pattern *p); /* of memory; NULL: 0 */
/* The whole name matches.  A match that would take too long does not. */
bool               topic_pattern_matches(const struct topic_pattern *p, struct kafka_string name);

#endif

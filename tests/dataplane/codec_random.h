/* tests/dataplane/codec_random.h -- messages with random content, and their comparison, from the codec's table. */
#ifndef TESTS_DATAPLANE_CODEC_RANDOM_H
#define TESTS_DATAPLANE_CODEC_RANDOM_H

#include "base/random.h"
#include "dataplane/kafka/codec_walk.h"
#include "dataplane/kafka/messages.h"

/* Every message of the table, the records of the offsets log included; NULL behind the last. */
const struct kafka_message *codec_message_at(uint32_t index);

/* Fills `out` with random values for the fields of `version`, defaults elsewhere. */
void codec_random(const struct kafka_message *m, int16_t version, struct random *r, struct kafka_arena *arena,
                  void *out);

/* Equal in every field that `version` carries. */
bool codec_equal(const struct kafka_schema *schema, int16_t version, const void *a, const void *b);

#endif

/* DescribeTopicPartitions (75, KIP-966): Metadata for administrators, in pages: topics in the order of their names,
 * from the cursor on, up to a number of partitions; the next page begins at the answer's cursor. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/kafka/request.h"

enum { PARTITIONS_MAX = 2000 }; /* of one answer; Kafka's max.request.partition.size.limit */

static int32_t self[1] = {NODE_ID};

static int compare_names(const void *a, const void *b)
{
    const struct kafka_string *x = a, *y = b;
    int32_t common = x->size < y->size ? x->size : y->size;
    int order = common == 0 ? 0 : memcmp(x->chars, y->chars, (size_t)common);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* The names to tell of, sorted, each once; NULL: the arena is full. */
static struct kafka_string *names_of(struct request *r, const struct describe_topic_partitions_request *in,
                                     int32_t *count)
{
    int32_t listed = 0, kept = 0;
    struct kafka_string *names = request_room(r, in->topic_count == 0 ? LOGS_MAX : in->topic_count, sizeof *names);
    if (names == NULL) return NULL;
    for (uint32_t i = 0; in->topic_count == 0 && i < LOGS_MAX; i++) { /* none named: all */
        const struct log *log = request_log_at(r, i);
        if (log != NULL) names[listed++] = kafka_string_of(log_identity(log)->name);
    }
    for (int32_t i = 0; i < in->topic_count; i++) names[listed++] = in->topics[i].name;
    qsort(names, (size_t)listed, sizeof *names, compare_names);
    for (int32_t i = 0; i < listed; i++)
        if (kept == 0 || !kafka_string_equal(names[kept - 1], names[i])) names[kept++] = names[i];
    *count = kept;
    return names;
}

/* Partitions from `first` on, at most `max`; *next: the one behind, -1: that is all. */
static bool topic_tell(struct request *r, struct kafka_string name, int32_t first, int32_t max,
                       struct describe_topic_partitions_topic *t, int32_t *next)
{
    *next = -1;
    const struct log *log = request_log(r, name);
    *t = (struct describe_topic_partitions_topic){.name = name, .topic_authorized_operations = INT_MIN};
    if (log == NULL) {
        t->error_code = (int16_t)request_topic_missing(r, name);
        return true;
    }
    t->topic_id = request_topic_id(log);
    t->topic_authorized_operations = TOPIC_OPERATIONS;
    t->is_internal = log_identity(log)->is_internal;
    int32_t count = request_partition_count(log) - first;
    if (count <= 0) return true;
    if (count > max) {
        count = max;
        *next = first + max;
    }
    t->partitions = request_room(r, count, sizeof *t->partitions);
    if (t->partitions == NULL) return false;
    for (; t->partition_count < count; t->partition_count++)
        t->partitions[t->partition_count] = (struct describe_topic_partitions_partition){
            .partition_index = first + t->partition_count, .leader_id = NODE_ID,
            .leader_epoch = (int32_t)log_identity(log)->leader_epoch, .replica_nodes = self, .replica_node_count = 1,
            .isr_nodes = self, .isr_node_count = 1};
    return true;
}

/* One page.  false: the arena is full. */
static bool page_tell(struct request *r, const struct describe_topic_partitions_request *in,
                      const struct kafka_string *names, int32_t count, struct describe_topic_partitions_response *out)
{
    const struct describe_topic_partitions_cursor *from = in->cursor;
    int32_t left = in->response_partition_limit < PARTITIONS_MAX ? in->response_partition_limit : PARTITIONS_MAX;
    if (left < 1) left = 1;
    out->topics = request_room(r, count, sizeof *out->topics);
    if (out->topics == NULL) return false;
    for (int32_t i = 0; i < count; i++) {
        int order = from == NULL ? 1 : compare_names(&names[i], &from->topic_name);
        if (order < 0) continue;
        int32_t next = 0; /* nothing of this one fits any more */
        if (left > 0) {
            struct describe_topic_partitions_topic *t = &out->topics[out->topic_count++];
            int32_t first = order == 0 && from->partition_index > 0 ? from->partition_index : 0;
            if (!topic_tell(r, names[i], first, left, t, &next)) return false;
            left -= t->partition_count;
        }
        if (next < 0) continue;
        out->next_cursor = request_room(r, 1, sizeof *out->next_cursor);
        if (out->next_cursor == NULL) return false;
        *out->next_cursor = (struct describe_topic_partitions_cursor){names[i], next};
        return true;
    }
    return true;
}

enum handled kafka_handle_describe_topic_partitions(struct request *r)
{
    struct describe_topic_partitions_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct describe_topic_partitions_response *out = request_room(r, 1, sizeof *out);
    int32_t count;
    struct kafka_string *names = names_of(r, &in, &count);
    if (out == NULL || names == NULL || !page_tell(r, &in, names, count, out)) return HANDLED_TOO_LARGE;
    if (in.cursor != NULL && in.cursor->partition_index < 0) /* no place to go on from */
        for (int32_t i = 0; i < out->topic_count; i++)
            out->topics[i] = (struct describe_topic_partitions_topic){
                .error_code = KAFKA_INVALID_REQUEST, .name = out->topics[i].name,
                .topic_authorized_operations = INT_MIN};
    r->response = out;
    return HANDLED_ANSWER;
}

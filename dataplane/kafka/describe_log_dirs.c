/* DescribeLogDirs (35): the one folder that all logs lie in, and what each takes there. */
#include "dataplane/kafka/request.h"

static bool topic_add(struct request *r, const struct log *log, struct described_log_dir *dir)
{
    struct described_log_dir_partition *p = request_room(r, 1, sizeof *p);
    if (p == NULL) return false;
    *p = (struct described_log_dir_partition){.partition_size = (int64_t)log_size_bytes(log)};
    dir->topics[dir->topic_count++] =
        (struct described_log_dir_topic){kafka_string_of(log_identity(log)->name), p, 1};
    return true;
}

static bool topics_all(struct request *r, struct described_log_dir *dir)
{
    dir->topics = request_room(r, LOGS_MAX, sizeof *dir->topics);
    if (dir->topics == NULL) return false;
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        const struct log *log = request_log_at(r, i);
        if (log != NULL && !topic_add(r, log, dir)) return false;
    }
    return true;
}

/* What is asked for and not there is left out, as Kafka does. */
static bool topics_asked(struct request *r, const struct describe_log_dirs_request *in, struct described_log_dir *dir)
{
    dir->topics = request_room(r, in->topic_count, sizeof *dir->topics);
    if (dir->topics == NULL) return false;
    for (int32_t t = 0; t < in->topic_count; t++) {
        const struct log *log = request_log(r, in->topics[t].topic);
        bool has_zero = false;
        for (int32_t i = 0; i < in->topics[t].partition_count; i++) has_zero |= in->topics[t].partitions[i] == 0;
        if (log != NULL && has_zero && !topic_add(r, log, dir)) return false;
    }
    return true;
}

enum handled kafka_handle_describe_log_dirs(struct request *r)
{
    struct describe_log_dirs_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct describe_log_dirs_response *out = request_room(r, 1, sizeof *out);
    struct described_log_dir *dir = request_room(r, 1, sizeof *dir);
    if (out == NULL || dir == NULL) return HANDLED_TOO_LARGE;
    *dir = (struct described_log_dir){.log_dir = kafka_string_of(r->node->log_dir),
        .total_bytes = atomic_load_explicit(&r->node->disk->total_bytes, memory_order_relaxed),
        .usable_bytes = atomic_load_explicit(&r->node->disk->usable_bytes, memory_order_relaxed)};
    if (!(in.topic_count < 0 ? topics_all(r, dir) : topics_asked(r, &in, dir))) return HANDLED_TOO_LARGE;
    out->results = dir;
    out->result_count = 1;
    r->response = out;
    return HANDLED_ANSWER;
}

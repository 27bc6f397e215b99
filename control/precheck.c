#include "control/precheck.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <inttypes.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/thread.h"

struct precheck_run {
    const struct capture_config *config;
    const char *data_folder;
    struct precheck_report report;
    uint32_t timeout_s;
    int done_fd;
    pthread_t thread;
    enum err verdict;
    struct err_msg msg;
    _Atomic bool is_done;
};

/* A channel needs room for its active segment and the one prepared behind it; 24 hours need more. */
static enum err check_disk(struct precheck_run *p, struct err_msg *msg)
{
    enum { SEGMENTS_LEAST = 2, SEGMENTS_GOOD = 10 };
    static const char mend[] = "free some room, or set data_folder to a larger disk";
    struct statvfs s;
    double mib = 1 << 20;
    if (statvfs(p->data_folder, &s) != 0) {
        precheck_add(&p->report, "disk_space", PRECHECK_SKIPPED, ERR_OK, "", "", "the data folder cannot be asked");
        return ERR_OK;
    }
    uint64_t free_bytes = (uint64_t)s.f_bavail * s.f_frsize, segment = p->config->segment_bytes;
    if (free_bytes < SEGMENTS_LEAST * segment) {
        precheck_add(&p->report, "disk_space", PRECHECK_FAILURE, ERR_NO_SPACE, "", mend,
                     "%s has %.0f MiB left, and a channel needs %.0f MiB to begin", p->data_folder,
                     (double)free_bytes / mib, (double)(SEGMENTS_LEAST * segment) / mib);
        return err_set(msg, ERR_NO_SPACE, "%s; %s", p->report.item[p->report.count - 1].found, mend);
    }
    bool is_good = free_bytes >= SEGMENTS_GOOD * segment;
    precheck_add(&p->report, "disk_space", is_good ? PRECHECK_PASS : PRECHECK_WARNING, ERR_OK, "", mend,
                 "%s has %.0f MiB left", p->data_folder, (double)free_bytes / mib);
    return ERR_OK;
}

static void *precheck_body(void *argument)
{
    struct precheck_run *p = argument;
    struct err_msg disk_msg = {.code = ERR_OK};
    p->verdict = capture_precheck(p->config, p->timeout_s, &p->report, &p->msg);
    enum err disk = check_disk(p, &disk_msg);
    if (p->verdict == ERR_OK && disk != ERR_OK) {
        p->verdict = disk;
        p->msg = disk_msg;
    }
    atomic_store_explicit(&p->is_done, true, memory_order_release); /* pairs with precheck_is_done */
    uint64_t one = 1;
    ssize_t ignored = write(p->done_fd, &one, sizeof one);
    (void)ignored; /* a full eventfd is readable already */
    return NULL;
}

enum err precheck_start(struct precheck_run **out, const struct capture_config *config, const char *data_folder,
                        uint32_t timeout_s, int done_fd, struct err_msg *msg)
{
    struct precheck_run *p = calloc(1, sizeof *p);
    if (p == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to check the source");
    p->config = config;
    p->data_folder = data_folder;
    p->timeout_s = timeout_s;
    p->done_fd = done_fd;
    enum err e = thread_start(&p->thread, "precheck", -1, precheck_body, p);
    if (e != ERR_OK) {
        free(p);
        return err_set(msg, e, "cannot start a thread to check the source");
    }
    *out = p;
    return ERR_OK;
}

bool precheck_is_done(const struct precheck_run *p)
{
    return atomic_load_explicit(&p->is_done, memory_order_acquire); /* pairs with precheck_body */
}

enum err precheck_finish(struct precheck_run *p, struct precheck_report *report, struct err_msg *msg)
{
    pthread_join(p->thread, NULL);
    enum err verdict = p->verdict;
    *msg = p->msg;
    if (report != NULL) *report = p->report;
    if (verdict != ERR_OK && msg->text[0] == '\0')
        err_set(msg, verdict, "the source cannot be used: %s", err_text(verdict));
    free(p);
    return verdict;
}

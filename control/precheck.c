#include "control/precheck.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"

struct precheck {
    const struct capture_config *config;
    uint32_t timeout_s;
    int done_fd;
    pthread_t thread;
    enum err verdict;
    struct err_msg msg;
    _Atomic bool is_done;
};

static void *precheck_body(void *argument)
{
    struct precheck *p = argument;
    p->verdict = capture_precheck(p->config, p->timeout_s, &p->msg);
    atomic_store_explicit(&p->is_done, true, memory_order_release); /* pairs with precheck_is_done */
    uint64_t one = 1;
    ssize_t ignored = write(p->done_fd, &one, sizeof one);
    (void)ignored; /* a full eventfd is readable already */
    return NULL;
}

enum err precheck_start(struct precheck **out, const struct capture_config *config, uint32_t timeout_s, int done_fd,
                        struct err_msg *msg)
{
    struct precheck *p = calloc(1, sizeof *p);
    if (p == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to check the source");
    p->config = config;
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

bool precheck_is_done(const struct precheck *p)
{
    return atomic_load_explicit(&p->is_done, memory_order_acquire); /* pairs with precheck_body */
}

enum err precheck_finish(struct precheck *p, struct err_msg *msg)
{
    pthread_join(p->thread, NULL);
    enum err verdict = p->verdict;
    *msg = p->msg;
    if (verdict != ERR_OK && msg->text[0] == '\0')
        err_set(msg, verdict, "the source cannot be used: %s", err_text(verdict));
    free(p);
    return verdict;
}

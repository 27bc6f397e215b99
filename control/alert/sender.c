#include "control/alert/sender.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"

enum { RESULTS_MAX = 2 * ALERT_WAITING_MAX };

struct alert_sender {
    struct alert_target target;
    const char *programs_folder;
    const struct clock *clock;
    int done_fd;
    pthread_t thread;
    _Atomic bool stopping;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct alert_notice waiting[ALERT_WAITING_MAX]; /* a ring; the first one is being told */
    uint32_t first, count;
    struct alert_result result[RESULTS_MAX]; /* a ring; the oldest is lost when nobody takes them */
    uint32_t result_first, result_count;
    uint64_t due_ns; /* monotonic, of the next attempt with the first one */
    uint64_t pause_ms;
    unsigned attempts;
};

static struct alert_notice *waiting_at(struct alert_sender *s, uint32_t i)
{
    return &s->waiting[(s->first + i) % ALERT_WAITING_MAX];
}

static void say(struct alert_sender *s, const struct alert_notice *n, enum alert_outcome outcome,
                const struct err_msg *why)
{
    if (s->result_count == RESULTS_MAX) {
        s->result_first = (s->result_first + 1) % RESULTS_MAX;
        s->result_count--;
    }
    struct alert_result *r = &s->result[(s->result_first + s->result_count++) % RESULTS_MAX];
    *r = (struct alert_result){.outcome = outcome, .attempts = s->attempts, .error = *why};
    memcpy(r->notice, n->id, sizeof r->notice);
    uint64_t one = 1;
    ssize_t ignored = write(s->done_fd, &one, sizeof one);
    (void)ignored; /* full: the loop is awake anyway */
}

static void drop_first(struct alert_sender *s)
{
    s->first = (s->first + 1) % ALERT_WAITING_MAX;
    s->count--;
    s->attempts = 0;
    s->pause_ms = 0;
    s->due_ns = 0;
}

/* Under the lock.  The notice that was told may have been pushed out meanwhile: then its result counts no more. */
static void settle(struct alert_sender *s, const struct alert_notice *n, enum err e, const struct err_msg *why)
{
    if (s->count == 0 || strcmp(waiting_at(s, 0)->id, n->id) != 0) return;
    uint64_t now_ms = clock_realtime_ms(s->clock);
    bool is_late = now_ms > n->at_ms && now_ms - n->at_ms >= ALERT_GIVE_UP_MS;
    s->attempts++;
    enum alert_outcome outcome = e == ERR_OK ? ALERT_DELIVERED
                                 : is_late || n->state == ALERT_NOTICE_TEST ? ALERT_GIVEN_UP : ALERT_TRIES_AGAIN;
    say(s, n, outcome, why);
    if (outcome != ALERT_TRIES_AGAIN) {
        drop_first(s);
        return;
    }
    s->pause_ms = s->pause_ms == 0 ? ALERT_PAUSE_MIN_MS : 2 * s->pause_ms;
    if (s->pause_ms > ALERT_PAUSE_MAX_MS) s->pause_ms = ALERT_PAUSE_MAX_MS;
    s->due_ns = clock_monotonic_ns(s->clock) + s->pause_ms * 1000000;
}

/* Under the lock: until there is something to tell now, or we stop. */
static void wait_until_due(struct alert_sender *s)
{
    while (!atomic_load(&s->stopping)) {
        uint64_t now_ns = clock_monotonic_ns(s->clock);
        if (s->count > 0 && now_ns >= s->due_ns) return;
        if (s->count == 0) {
            pthread_cond_wait(&s->changed, &s->lock);
        } else {
            struct timespec until;
            clock_gettime(CLOCK_MONOTONIC, &until);
            uint64_t left_ns = s->due_ns - now_ns;
            until.tv_sec += (time_t)(left_ns / 1000000000);
            until.tv_nsec += (long)(left_ns % 1000000000);
            if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
            pthread_cond_timedwait(&s->changed, &s->lock, &until);
        }
    }
}

static void *sender_thread(void *argument)
{
    struct alert_sender *s = argument;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        wait_until_due(s);
        if (atomic_load(&s->stopping)) break;
        struct alert_notice n = *waiting_at(s, 0);
        struct err_msg why = {.code = ERR_OK};
        pthread_mutex_unlock(&s->lock);
        enum err e = alert_target_tell(&s->target, s->programs_folder, &n, &s->stopping, &why);
        pthread_mutex_lock(&s->lock);
        if (!atomic_load(&s->stopping)) settle(s, &n, e, &why);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

enum err alert_sender_start(struct alert_sender **out, const struct alert_target *target, const char *programs_folder,
                            const struct clock *clock, int done_fd)
{
    pthread_condattr_t monotonic;
    struct alert_sender *s = calloc(1, sizeof *s);
    if (s == NULL) return ERR_NO_MEMORY;
    s->target = *target;
    s->programs_folder = programs_folder;
    s->clock = clock;
    s->done_fd = done_fd;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (thread_start(&s->thread, "alert", -1, sender_thread, s) != ERR_OK) {
        pthread_cond_destroy(&s->changed);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return ERR_NO_MEMORY;
    }
    *out = s;
    return ERR_OK;
}

static void sender_free(struct alert_sender *s)
{
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    explicit_bzero(&s->target, sizeof s->target);
    free(s);
}

void alert_senders_stop(struct alert_sender *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) { /* all of them first: each may take a second to leave its transfer */
        pthread_mutex_lock(&list[i]->lock);
        atomic_store(&list[i]->stopping, true);
        pthread_cond_signal(&list[i]->changed);
        pthread_mutex_unlock(&list[i]->lock);
    }
    for (uint32_t i = 0; i < count; i++) sender_free(list[i]);
}

const struct alert_target *alert_sender_target(const struct alert_sender *s) { return &s->target; }

void alert_sender_put(struct alert_sender *s, const struct alert_notice *notice)
{
    static const struct err_msg crowded = {.code = ERR_TOO_LARGE, .text = "too many notices wait for this target"};
    pthread_mutex_lock(&s->lock);
    if (s->count == ALERT_WAITING_MAX) {
        say(s, waiting_at(s, 0), ALERT_GIVEN_UP, &crowded);
        drop_first(s);
    }
    *waiting_at(s, s->count++) = *notice;
    if (notice->state == ALERT_NOTICE_TEST) s->due_ns = 0; /* somebody waits for its result */
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool alert_sender_take(struct alert_sender *s, struct alert_result *out)
{
    pthread_mutex_lock(&s->lock);
    bool has_one = s->result_count > 0;
    if (has_one) {
        *out = s->result[s->result_first];
        s->result_first = (s->result_first + 1) % RESULTS_MAX;
        s->result_count--;
    }
    pthread_mutex_unlock(&s->lock);
    return has_one;
}

void alert_sender_waiting(struct alert_sender *s, void (*visit)(void *, const struct alert_notice *), void *context)
{
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->count; i++) visit(context, waiting_at(s, i));
    pthread_mutex_unlock(&s->lock);
}

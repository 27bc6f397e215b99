#include "control/channel_log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/thread.h"
#include "control/channel_store.h"

static void drop_resume(struct channel *ch)
{
    if (ch->has_resume) free(ch->resume.gtid_set);
    ch->has_resume = false;
}

static struct log_identity identity_of(const struct channel *ch)
{
    struct log_identity identity = {.shows_written = ch->spec.shows_written};
    snprintf(identity.name, sizeof identity.name, "%s", ch->spec.name);
    snprintf(identity.cluster_id, sizeof identity.cluster_id, "%s", ch->life.cluster_id);
    memcpy(identity.topic_id, ch->life.topic_id, sizeof identity.topic_id);
    return identity;
}

/* It is open: is it this channel's? */
static enum err log_opened(struct instance *in, struct channel *ch, const struct log_identity *identity,
                           struct err_msg *msg)
{
    if (memcmp(identity->topic_id, ch->life.topic_id, sizeof identity->topic_id) != 0) {
        channel_log_detach(in, ch);
        channel_log_close(in, ch);
        return err_set(msg, ERR_EXISTS, "%s/%s holds the log of another channel of this name; move it away",
                       in->config.data_folder, ch->spec.name);
    }
    channel_log_compress(ch);
    snprintf(ch->life.cluster_id, sizeof ch->life.cluster_id, "%s", identity->cluster_id); /* log repair draws one */
    if (ch->life.has_log) return ERR_OK;
    ch->life.has_log = true;
    enum err e = channel_store_save(in->config.data_folder, &ch->spec, &ch->life, msg);
    ch->life.has_log = e == ERR_OK; /* else the next attempt notes it */
    return e;
}

enum err channel_logs_open(struct instance *in,
                           void (*failed)(struct instance *, struct channel *, const struct err_msg *),
                           struct err_msg *msg)
{
    uint32_t count = 0;
    struct log_opening *list = calloc(in->channel_count + 1, sizeof *list);
    struct log_identity *identity = calloc(in->channel_count + 1, sizeof *identity);
    struct channel **whose = calloc(in->channel_count + 1, sizeof *whose);
    enum err e = list == NULL || identity == NULL || whose == NULL
                     ? err_set(msg, ERR_NO_MEMORY, "no memory to open the channels' logs")
                     : ERR_OK;
    for (uint32_t i = 0; e == ERR_OK && i < in->channel_count; i++) {
        struct channel *ch = in->channel[i];
        if (!ch->life.has_log || ch->life.is_deleting) continue;
        identity[count] = identity_of(ch);
        list[count] = (struct log_opening){.identity = &identity[count], .is_detached = !ch->has_place,
                                           .log = &ch->log, .feed = &ch->feed, .resume = &ch->resume};
        whose[count++] = ch;
    }
    if (e == ERR_OK) storage_logs_open(in->storage, list, count);
    for (uint32_t i = 0; i < count; i++) {
        struct channel *ch = whose[i];
        struct err_msg *why = &list[i].msg;
        enum err opened = list[i].error;
        ch->is_attached = ch->has_resume = opened == ERR_OK && !list[i].is_detached;
        if (ch->is_attached) ch->feed->producer_waiter = &ch->producer_waiter;
        if (opened == ERR_OK) opened = log_opened(in, ch, &identity[i], why);
        if (opened != ERR_OK) failed(in, ch, why);
    }
    free(list);
    free(identity);
    free(whose);
    return e;
}

void channel_log_compress(struct channel *ch)
{
    if (ch->log != NULL) storage_log_set_compression(ch->log, ch->spec.compression);
}

/* ---- giving it a producer: in a thread of its own, for it waits for a dozen syncs of the disk ---- */

struct log_attaching { /* the thread's, from its start until is_done */
    struct log_opening opening;
    struct log_identity identity;
    struct log *log;
    struct log_feed *feed;
    struct log_resume resume;
    const char *data_folder;
    char *text; /* the channel's file once the log is made; NULL: it has one */
    enum err note_error; /* it could not be written */
    struct err_msg note_msg;
    bool is_joined;
    int done_fd;
    pthread_t thread;
    _Atomic bool is_done;
};

static void *attach_body(void *argument)
{
    struct log_attaching *a = argument;
    storage_opening_run(&a->opening);
    if (a->opening.error == ERR_EXISTS && a->opening.create) { /* by a millraced that died before it noted so */
        a->opening.create = false;
        storage_opening_run(&a->opening);
    }
    if (a->opening.error == ERR_OK && a->opening.create) {
        a->note_error = channel_store_write(a->data_folder, a->identity.name, a->text, &a->note_msg);
        a->text = NULL;
    }
    atomic_store_explicit(&a->is_done, true, memory_order_release); /* pairs with channel_log_is_ready */
    uint64_t one = 1;
    ssize_t ignored = write(a->done_fd, &one, sizeof one);
    (void)ignored; /* a full eventfd is readable already */
    return NULL;
}

static void attaching_free(struct log_attaching *a)
{
    if (a->text != NULL) explicit_bzero(a->text, strlen(a->text)); /* it has the password */
    free(a->text);
    free(a);
}

enum err channel_log_attach_begin(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    INVARIANT(ch->attaching == NULL && !ch->is_attached);
    drop_resume(ch);
    struct log_attaching *a = calloc(1, sizeof *a);
    if (a == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to open the log of %s", ch->spec.name);
    a->identity = identity_of(ch);
    a->log = ch->log;
    a->done_fd = in->wake_fd;
    a->data_folder = in->config.data_folder;
    if (!ch->life.has_log) {
        struct channel_life life = ch->life;
        life.has_log = true;
        a->text = channel_store_text(&ch->spec, &life);
    }
    a->opening = (struct log_opening){.identity = &a->identity, .create = !ch->life.has_log, .log = &a->log,
                                      .feed = &a->feed, .resume = &a->resume};
    storage_opening_begin(in->storage, &a->opening);
    enum err e = thread_start(&a->thread, "log-attach", -1, attach_body, a);
    if (e != ERR_OK) {
        a->opening.error = e;
        (void)storage_opening_end(&a->opening);
        attaching_free(a);
        return err_set(msg, e, "cannot start a thread to open the log of %s", ch->spec.name);
    }
    ch->attaching = a;
    return ERR_OK;
}

bool channel_log_is_ready(const struct channel *ch)
{
    return atomic_load_explicit(&ch->attaching->is_done, memory_order_acquire); /* pairs with attach_body */
}

void channel_log_settle(struct channel *ch)
{
    struct log_attaching *a = ch->attaching;
    if (a == NULL || a->is_joined) return;
    pthread_join(a->thread, NULL);
    a->is_joined = true;
    if (a->opening.error == ERR_OK && a->opening.create && a->note_error == ERR_OK) ch->life.has_log = true;
}

enum err channel_log_attach_end(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    channel_log_settle(ch);
    struct log_attaching *a = ch->attaching;
    ch->attaching = NULL;
    enum err e = storage_opening_end(&a->opening);
    if (e == ERR_OK) {
        bool is_new = ch->log == NULL;
        ch->log = a->log;
        ch->feed = a->feed;
        ch->resume = a->resume;
        ch->feed->producer_waiter = &ch->producer_waiter;
        ch->is_attached = ch->has_resume = true;
        if (is_new) e = log_opened(in, ch, &a->identity, msg);
        if (e == ERR_OK && !ch->life.has_log) { /* no capture before it is noted; the next attempt does both */
            *msg = a->note_msg;
            e = a->note_error;
        }
    } else {
        *msg = a->opening.msg;
    }
    attaching_free(a);
    return e;
}

enum err channel_log_attach(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    if (ch->is_attached) return ERR_OK;
    TRY(channel_log_attach_begin(in, ch, msg));
    return channel_log_attach_end(in, ch, msg);
}

/* One under way ends first; what became of it matters to nobody any more. */
static void attach_give_up(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    if (ch->attaching != NULL && channel_log_attach_end(in, ch, &why) != ERR_OK)
        log_warn("control", "channel %s: %s", ch->spec.name, why.text);
}

void channel_log_detach(struct instance *in, struct channel *ch)
{
    attach_give_up(in, ch);
    if (!ch->is_attached) return;
    drop_resume(ch);
    struct err_msg why = {.code = ERR_OK};
    if (storage_log_detach(in->storage, ch->log, &why) != ERR_OK)
        log_warn("control", "channel %s: the log's end could not be made durable: %s", ch->spec.name, why.text);
    ch->is_attached = false;
    ch->feed = NULL;
}

void channel_log_leave(struct instance *in, struct channel *ch)
{
    attach_give_up(in, ch);
    drop_resume(ch);
    if (ch->is_attached) log_feed_leave(ch->feed); /* storage has it on: it may wake a capture that never began */
    ch->is_attached = false;
    ch->feed = NULL;
    ch->log = NULL;
}

void channel_log_close(struct instance *in, struct channel *ch)
{
    if (ch->log == NULL) return;
    storage_log_close(in->storage, ch->log);
    ch->log = NULL;
}

enum err channel_log_renew(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    char cluster_id[sizeof ch->life.cluster_id];
    channel_random_id(cluster_id, sizeof cluster_id, 16);
    channel_log_close(in, ch);
    TRY(storage_log_renew(in->storage, ch->spec.name, cluster_id, msg));
    memcpy(ch->life.cluster_id, cluster_id, sizeof cluster_id);
    TRY(channel_store_save(in->config.data_folder, &ch->spec, &ch->life, msg));
    TRY(channel_log_attach(in, ch, msg));
    channel_log_detach(in, ch);
    return ERR_OK;
}

/* A log that was made, and then neither opened nor noted, is the channel's too: it would be in the way of the next
 * channel of this name.  What is another's stays. */
static enum err take_unnoted(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    struct log_identity there;
    if (ch->life.has_log) return ERR_OK;
    enum err e = storage_log_look(in->storage, ch->spec.name, &there, msg);
    if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) return ERR_OK;
    TRY(e);
    ch->life.has_log = memcmp(there.topic_id, ch->life.topic_id, sizeof there.topic_id) == 0; /* for each attempt */
    return ERR_OK;
}

enum err channel_log_delete(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    channel_log_close(in, ch);
    TRY(take_unnoted(in, ch, msg));
    return ch->life.has_log ? storage_log_delete(in->storage, ch->spec.name, msg) : ERR_OK;
}

#include "control/channel_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
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
    ch->life.has_log = true;
    channel_log_compress(ch);
    snprintf(ch->life.cluster_id, sizeof ch->life.cluster_id, "%s", identity->cluster_id); /* log repair draws one */
    return ERR_OK;
}

static enum err log_open(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    struct log_identity identity = identity_of(ch);
    enum err e = storage_log_open(in->storage, &identity, !ch->life.has_log, &ch->log, &ch->feed, &ch->resume, msg);
    if (e == ERR_EXISTS) /* created by a millraced that died before it noted so */
        e = storage_log_open(in->storage, &identity, false, &ch->log, &ch->feed, &ch->resume, msg);
    if (e != ERR_OK) {
        ch->log = NULL;
        return e;
    }
    ch->is_attached = ch->has_resume = true;
    return log_opened(in, ch, &identity, msg);
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

enum err channel_log_attach(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    if (ch->is_attached) return ERR_OK;
    drop_resume(ch);
    if (ch->log == NULL)
        TRY(log_open(in, ch, msg));
    else
        TRY(storage_log_attach(in->storage, ch->log, &ch->feed, &ch->resume, msg));
    ch->feed->producer_waiter = &ch->producer_waiter;
    ch->is_attached = ch->has_resume = true;
    return ERR_OK;
}

void channel_log_detach(struct instance *in, struct channel *ch)
{
    if (!ch->is_attached) return;
    drop_resume(ch);
    struct err_msg why = {.code = ERR_OK};
    if (storage_log_detach(in->storage, ch->log, &why) != ERR_OK)
        log_warn("control", "channel %s: the log's end could not be made durable: %s", ch->spec.name, why.text);
    ch->is_attached = false;
    ch->feed = NULL;
}

void channel_log_leave(struct channel *ch)
{
    drop_resume(ch);
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

enum err channel_log_delete(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    channel_log_close(in, ch);
    return ch->life.has_log ? storage_log_delete(in->storage, ch->spec.name, msg) : ERR_OK;
}

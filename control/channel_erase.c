#include "control/channel_erase.h"

#include "base/log.h"
#include "control/channel_log.h"
#include "control/channel_store.h"
#include "control/topology.h"

static enum err forget_topic(struct instance *in, const struct channel *ch, struct err_msg *msg)
{
    if (in->dataplane == NULL)
        return err_set(msg, ERR_STATE, "the groups' checkpoints cannot be removed now: %s", in->offsets_error.text);
    enum err e = dataplane_forget_topic(in->dataplane, ch->spec.name);
    if (e != ERR_OK) err_set(msg, e, "the groups' checkpoints could not be removed: %s", err_text(e));
    return e;
}

enum err channel_erase(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    /* Before the log goes, so that members ask no more for a topic that is not there.  Where it fails, the disk is
     * perhaps full, and the log makes room for it. */
    if (forget_topic(in, ch, msg) != ERR_OK) log_warn("control", "channel %s: %s", ch->spec.name, msg->text);
    TRY(channel_log_delete(in, ch, msg));
    TRY(forget_topic(in, ch, msg)); /* also commits on their way, and members that were back at once */
    enum err e = accounts_remove_channel(&in->accounts, ch->spec.name, msg);
    topology_accounts_changed(in);
    if (e == ERR_OK) e = alerts_forget_channel(&in->alerts, ch->spec.name, msg);
    return e == ERR_OK ? channel_store_remove(in->config.data_folder, ch->spec.name, msg) : e;
}

/* control/channel_log.h -- a channel's log: created, opened, given to a capture and taken back.  Control thread only.
 */
#ifndef CONTROL_CHANNEL_LOG_H
#define CONTROL_CHANNEL_LOG_H

#include "control/channel.h"

/* Afterwards the log is open and waits for a producer: ch->feed and ch->resume are set.  Nothing to do when it is
 * already. Errors are storage_log_open's. */
NODISCARD enum err channel_log_attach(struct instance *in, struct channel *ch, struct err_msg *msg);
/* The same in a thread (ch->attaching), which writes in->wake_fd when _end will not wait.  ERR_NO_MEMORY. */
NODISCARD enum err channel_log_attach_begin(struct instance *in, struct channel *ch, struct err_msg *msg);
bool channel_log_is_ready(const struct channel *ch);
/* Before the channel's file is written: waits for the thread, which writes it too when it has made the log. */
void channel_log_settle(struct channel *ch);
NODISCARD enum err channel_log_attach_end(struct instance *in, struct channel *ch, struct err_msg *msg);
/* At the start: opens the logs of all channels that have one, for a producer where the channel has a place; tells
 * `failed` of each that cannot be.  ERR_NO_MEMORY. */
NODISCARD enum err channel_logs_open(struct instance *in,
                                     void (*failed)(struct instance *, struct channel *, const struct err_msg *),
                                     struct err_msg *msg);
/* Tells readers what the channel's batches are packed with. */
void channel_log_compress(struct channel *ch);
/* Ends the writing side, also one that is only being prepared; the log stays open and served.  Its capture must have
 * stopped. */
void channel_log_detach(struct instance *in, struct channel *ch);
/* The same for the end of millraced: storage_stop, which comes next, ends and closes all logs at once. */
void channel_log_leave(struct instance *in, struct channel *ch);
/* Detached logs: closes the files. */
void channel_log_close(struct instance *in, struct channel *ch);
/* Detached logs: a new leader epoch and cluster id, because the source cannot send again what consumers saw. */
NODISCARD enum err channel_log_renew(struct instance *in, struct channel *ch, struct err_msg *msg);
/* Detached logs: closes it and removes all data, also of a log that cannot be opened; may be repeated. */
NODISCARD enum err channel_log_delete(struct instance *in, struct channel *ch, struct err_msg *msg);

#endif

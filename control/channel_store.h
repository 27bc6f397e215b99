/* control/channel_store.h -- channels on disk: DATA/channels/NAME.json, mode 0600 (it holds the source's password),
 * replaced atomically. */
#ifndef CONTROL_CHANNEL_STORE_H
#define CONTROL_CHANNEL_STORE_H

#include "base/err.h"
#include "control/channel_spec.h"

/* Makes DATA/channels (mode 0700) and removes what an interrupted save left.  ERR_IO, ERR_NO_SPACE. */
NODISCARD enum err channel_store_init(const char *data_folder, struct err_msg *msg);

/* Durable when it returns ERR_OK; else the old file stands.  ERR_NO_SPACE, ERR_IO. */
NODISCARD enum err channel_store_save(const char *data_folder, const struct channel_spec *spec,
                                      const struct channel_life *life, struct err_msg *msg);
/* The same in two steps, the second on any thread, one at a time for a channel; it takes the text over, and NULL is
 * ERR_NO_MEMORY. */
char *channel_store_text(const struct channel_spec *spec, const struct channel_life *life);
NODISCARD enum err channel_store_write(const char *data_folder, const char *name, char *text, struct err_msg *msg);
/* A channel that is not there is removed already. */
NODISCARD enum err channel_store_remove(const char *data_folder, const char *name, struct err_msg *msg);

/* Calls `visit` for each stored channel, in the order of names; it takes the spec over.  ERR_CORRUPT, ERR_NEWER_FORMAT:
 * msg names the file; an error of `visit` ends the loading and is returned. */
NODISCARD enum err channel_store_load(const char *data_folder,
                                      enum err (*visit)(void *context, struct channel_spec *spec,
                                                        const struct channel_life *life, struct err_msg *msg),
                                      void *context, struct err_msg *msg);

#endif

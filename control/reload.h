/* control/reload.h -- SIGHUP: the configuration and the certificates are read again. */
#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include "control/instance.h"

/* The log's levels and format as the configuration says.  ERR_INVALID. */
NODISCARD enum err reload_log(const struct config *config, struct err_msg *msg);
/* What may change at run time does: the log's levels and format, the listeners' certificates.  A file with a fault
 * changes nothing of the configuration.  What needs a restart is named in the log. */
void reload(struct instance *in, const char *config_path);

#endif

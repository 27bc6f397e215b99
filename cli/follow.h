/* cli/follow.h -- waiting for a channel, with a line that says how far it is. */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli/cli.h"

enum follow_goal { FOLLOW_CHECKED, FOLLOW_NORMAL };

/* Waits until the channel's check has ended, or until it has caught up.  A line on stderr shows the way: on a terminal
 * one that changes, else one each time that its words change.  CLI_OK: it is there; CLI_FAILED: the check failed, or it
 * is in Error, which was said. */
int follow_channel(const struct cli *cli, const char *name, enum follow_goal goal);

#endif

#include "control/channel_state.h"

#include <stddef.h>
#include <stdint.h>

/* Why some cells are as they are:
 * - Starting takes a stop: a start that waits for its check can be withdrawn.  Before it was asked for (Prechecking)
 * there is nothing to stop.
 * - Starting takes a start: after a failed check, whoever has mended the source asks for it once more.
 * - Performing Initial Change Tracking takes a stop: the source may be far behind, or never answer.
 * - Performing Initial Change Tracking takes no reconfiguration: it would begin again what is far behind already.
 * - Error takes streaming, but no begin: a retry shows only when events arrive, so the state does not flicker with each
 * attempt.
 * - Deleting takes nothing but another delete, which tries now: half of the channel may be gone. */
/* clang-format off */
static const uint8_t next[CHANNEL_STATE_COUNT][CHANNEL_EVENT_COUNT] = {
    [CHANNEL_PRECHECKING] = {
        [CHANNEL_ON_START] = CHANNEL_STARTING, [CHANNEL_ON_RESUME] = CHANNEL_PRECHECKING,
        [CHANNEL_ON_DELETE] = CHANNEL_DELETING, [CHANNEL_ON_RECONFIGURE] = CHANNEL_PRECHECKING,
        [CHANNEL_ON_CHECK_PASSED] = CHANNEL_NOT_STARTED, [CHANNEL_ON_CHECK_FAILED] = CHANNEL_PRECHECKING,
    },
    [CHANNEL_STARTING] = {
        [CHANNEL_ON_START] = CHANNEL_STARTING, [CHANNEL_ON_STOP] = CHANNEL_NOT_STARTED,
        [CHANNEL_ON_RESUME] = CHANNEL_STARTING, [CHANNEL_ON_DELETE] = CHANNEL_DELETING,
        [CHANNEL_ON_RECONFIGURE] = CHANNEL_STARTING,
        [CHANNEL_ON_CHECK_PASSED] = CHANNEL_NOT_STARTED, [CHANNEL_ON_CHECK_FAILED] = CHANNEL_STARTING,
    },
    [CHANNEL_NOT_STARTED] = {
        [CHANNEL_ON_START] = CHANNEL_STARTING, [CHANNEL_ON_DELETE] = CHANNEL_DELETING,
        [CHANNEL_ON_RECONFIGURE] = CHANNEL_NOT_STARTED,
        [CHANNEL_ON_BEGIN] = CHANNEL_INITIAL, [CHANNEL_ON_FAILED] = CHANNEL_ERROR,
    },
    [CHANNEL_INITIAL] = {
        [CHANNEL_ON_STOP] = CHANNEL_NOT_STARTED, [CHANNEL_ON_DELETE] = CHANNEL_DELETING,
        [CHANNEL_ON_STREAMING] = CHANNEL_INITIAL, [CHANNEL_ON_CAUGHT_UP] = CHANNEL_NORMAL,
        [CHANNEL_ON_FAILED] = CHANNEL_ERROR,
    },
    [CHANNEL_NORMAL] = {
        [CHANNEL_ON_STOP] = CHANNEL_NOT_STARTED, [CHANNEL_ON_DELETE] = CHANNEL_DELETING,
        [CHANNEL_ON_RECONFIGURE] = CHANNEL_NORMAL,
        [CHANNEL_ON_STREAMING] = CHANNEL_NORMAL, [CHANNEL_ON_CAUGHT_UP] = CHANNEL_NORMAL,
        [CHANNEL_ON_FAILED] = CHANNEL_ERROR,
    },
    [CHANNEL_ERROR] = {
        [CHANNEL_ON_STOP] = CHANNEL_NOT_STARTED, [CHANNEL_ON_RESUME] = CHANNEL_ERROR,
        [CHANNEL_ON_DELETE] = CHANNEL_DELETING, [CHANNEL_ON_RECONFIGURE] = CHANNEL_ERROR,
        [CHANNEL_ON_STREAMING] = CHANNEL_INITIAL,
        [CHANNEL_ON_CAUGHT_UP] = CHANNEL_NORMAL, [CHANNEL_ON_FAILED] = CHANNEL_ERROR,
    },
    [CHANNEL_DELETING] = {
        [CHANNEL_ON_DELETE] = CHANNEL_DELETING, [CHANNEL_ON_FAILED] = CHANNEL_DELETING,
        [CHANNEL_ON_DELETED] = CHANNEL_RELEASED,
    },
};
/* clang-format on */

enum channel_state channel_state_next(enum channel_state state, enum channel_event event)
{
    if ((unsigned)state >= CHANNEL_STATE_COUNT || (unsigned)event >= CHANNEL_EVENT_COUNT) return CHANNEL_STATE_NONE;
    return (enum channel_state)next[state][event];
}

const char *channel_state_name(enum channel_state state)
{
    switch (state) {
    case CHANNEL_PRECHECKING:
    case CHANNEL_STARTING: return "Prechecking";
    case CHANNEL_NOT_STARTED: return "Not Started";
    case CHANNEL_INITIAL: return "Performing Initial Change Tracking";
    case CHANNEL_NORMAL: return "Normal";
    case CHANNEL_ERROR: return "Error";
    case CHANNEL_DELETING: return "Deleting";
    case CHANNEL_RELEASED: return "Released";
    case CHANNEL_STATE_NONE:
    case CHANNEL_STATE_COUNT: break;
    }
    return "unknown";
}

const char *channel_event_word(enum channel_event event)
{
    switch (event) {
    case CHANNEL_ON_START: return "start";
    case CHANNEL_ON_STOP: return "stop";
    case CHANNEL_ON_RESUME: return "resume";
    case CHANNEL_ON_DELETE: return "delete";
    case CHANNEL_ON_RECONFIGURE: return "reconfigure";
    default: return NULL;
    }
}

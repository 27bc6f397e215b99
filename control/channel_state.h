/* control/channel_state.h -- the states of a channel and the one table of their transitions.  Pure; the actions live in
 * channel.c. */
#ifndef CONTROL_CHANNEL_STATE_H
#define CONTROL_CHANNEL_STATE_H

#include <stdbool.h>

enum channel_state {
    CHANNEL_STATE_NONE,  /* in the table: this cannot happen here */
    CHANNEL_PRECHECKING, /* the source is being checked, or the check failed and waits for a retry */
    CHANNEL_STARTING,    /* the same, and somebody asked for the start that follows a passed check */
    CHANNEL_NOT_STARTED, /* what is logged is served, nothing is captured */
    CHANNEL_INITIAL,     /* captures, has not caught up with the source yet */
    CHANNEL_NORMAL,      /* captures, has caught up */
    CHANNEL_ERROR,       /* does not capture; goes on by itself when it can */
    CHANNEL_DELETING,    /* its deletion was accepted and has not ended; goes on by itself until it has */
    CHANNEL_RELEASED,    /* gone */
    CHANNEL_STATE_COUNT
};

enum channel_event {
    /* a person's */
    CHANNEL_ON_START,
    CHANNEL_ON_STOP,
    CHANNEL_ON_RESUME, /* try again now: the check, or the capture */
    CHANNEL_ON_DELETE,
    CHANNEL_ON_RECONFIGURE, /* another source, account or setting; objects alone may change in every state */
    /* control's own */
    CHANNEL_ON_CHECK_PASSED,
    CHANNEL_ON_CHECK_FAILED,
    CHANNEL_ON_BEGIN,     /* capture was started */
    CHANNEL_ON_STREAMING, /* events arrive (again) */
    CHANNEL_ON_CAUGHT_UP,
    CHANNEL_ON_FAILED,
    CHANNEL_ON_DELETED, /* nothing is left of it */
    CHANNEL_EVENT_COUNT
};

/* The state that follows, or CHANNEL_STATE_NONE: the event is not possible in this state. */
enum channel_state channel_state_next(enum channel_state state, enum channel_event event);

/* As users know them: "Normal", "Not Started", ...; never NULL.  Starting is "Prechecking" to them, too. */
const char *channel_state_name(enum channel_state state);
/* The word of an operation a person can ask for (start, stop, resume, delete, reconfigure); NULL for control's own
 * events. */
const char *channel_event_word(enum channel_event event);

#endif

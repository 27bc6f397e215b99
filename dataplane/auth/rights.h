/* dataplane/auth/rights.h -- what a principal may ask for: one table, and the questions that handlers ask.
 *
 * NULL stands for a client that did not have to log in; it sees all, as an operator does.  A consumer sees its channel
 * and its group; everything else looks to it as Kafka shows what one has no right to. */
#ifndef DATAPLANE_AUTH_RIGHTS_H
#define DATAPLANE_AUTH_RIGHTS_H

#include "dataplane/auth/account.h"
#include "dataplane/kafka/codec.h"
#include "dataplane/kafka/error_codes.h"

enum right {
    RIGHT_TO_LOG_IN, /* before there is anybody: versions, and SASL itself */
    RIGHT_TO_ASK,    /* nothing of channels or groups is shown, or it is refused to all */
    RIGHT_TO_CHANNEL, /* its topics; handlers find no others (request_log) */
    RIGHT_TO_GROUP,  /* its groups; the coordinator refuses others */
    RIGHT_OF_OPERATOR, /* all of it */
};

/* An API that the table does not know is RIGHT_OF_OPERATOR: nothing is open by accident. */
enum right right_of(int16_t api_key);
/* What a request of RIGHT_TO_GROUP is told of another's group. */
enum kafka_error right_group_error(int16_t api_key);

static inline bool principal_is_limited(const struct principal *p) { return p != NULL && p->group_id[0] != '\0'; }
bool principal_sees_channel(const struct principal *p, const char *name, size_t size);

#endif

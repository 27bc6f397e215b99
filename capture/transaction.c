#include "capture/transaction.h"

#include "base/invariant.h"

struct step {
    uint8_t next, action;
};

#define STEP(state, action)                                                                                            \
    {                                                                                                                  \
        TRANSACTION_##state, TRANSACTION_##action                                                                      \
    }

static const struct step table[TRANSACTION_STATE_COUNT][TRANSACTION_INPUT_COUNT] = {
    [TRANSACTION_NONE] =
        {
            [TRANSACTION_ON_GTID] = STEP(ANNOUNCED, GO_ON),
            [TRANSACTION_ON_GTID_BEGIN] = STEP(OPEN, BEGINS),
            [TRANSACTION_ON_BEGIN] = STEP(OPEN, BEGINS),
            [TRANSACTION_ON_COMMIT] = STEP(NONE, COMMITS), /* of nothing: 5.x logs it for some statements */
            [TRANSACTION_ON_ROLLBACK] = STEP(NONE, UNDONE),
            [TRANSACTION_ON_DDL] = STEP(NONE, IS_DDL),
            [TRANSACTION_ON_DDL_BEGIN] = STEP(OPEN, BEGINS),
            [TRANSACTION_ON_BREAK] = STEP(NONE, GO_ON),
            /* ON_CHANGE: rows outside of a transaction */
        },
    [TRANSACTION_ANNOUNCED] =
        {
            [TRANSACTION_ON_BEGIN] = STEP(OPEN, BEGINS),
            [TRANSACTION_ON_COMMIT] = STEP(NONE, COMMITS),
            [TRANSACTION_ON_ROLLBACK] = STEP(NONE, UNDONE),
            [TRANSACTION_ON_DDL] = STEP(NONE, IS_DDL),
            [TRANSACTION_ON_DDL_BEGIN] = STEP(OPEN, BEGINS),
            [TRANSACTION_ON_BREAK] = STEP(NONE, LOST),
            /* ON_GTID: the one before has no statement; ON_CHANGE: its rows came without a BEGIN */
        },
    [TRANSACTION_OPEN] =
        {
            [TRANSACTION_ON_BEGIN] = STEP(OPEN, GO_ON), /* MariaDB's GTID was it */
            [TRANSACTION_ON_CHANGE] = STEP(OPEN, CHANGES),
            [TRANSACTION_ON_COMMIT] = STEP(NONE, COMMITS),
            [TRANSACTION_ON_ROLLBACK] = STEP(NONE, UNDONE),
            [TRANSACTION_ON_DDL] = STEP(OPEN, CHANGES),
            [TRANSACTION_ON_DDL_BEGIN] = STEP(OPEN, CHANGES), /* MySQL writes a BEGIN before it */
            [TRANSACTION_ON_BREAK] = STEP(NONE, LOST),
            /* ON_GTID, ON_GTID_BEGIN: the end is missing */
        },
};

enum transaction_action transaction_step(struct transaction *t, enum transaction_input input)
{
    INVARIANT(t->state > 0 && t->state < TRANSACTION_STATE_COUNT && input < TRANSACTION_INPUT_COUNT);
    struct step s = table[t->state][input];
    if (s.next != 0) t->state = s.next;
    return s.action;
}

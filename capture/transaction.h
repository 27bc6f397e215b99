/* capture/transaction.h -- where transactions begin and end in a binlog (docs/design.md 4), as a table.  Pure.
 *
 * The caller says what it read (an input) and does what the answer says (an action).  Nothing else in capture decides
 * where a transaction ends. */
#ifndef CAPTURE_TRANSACTION_H
#define CAPTURE_TRANSACTION_H

#include <stdint.h>

enum transaction_state {                        /* 0 is no state: a table entry left out is "cannot happen" */
                         TRANSACTION_NONE = 1,  /* between transactions */
                         TRANSACTION_ANNOUNCED, /* a GTID was read, its statement comes */
                         TRANSACTION_OPEN,
                         TRANSACTION_STATE_COUNT
};

enum transaction_input {
    TRANSACTION_ON_GTID,       /* GTID, ANONYMOUS_GTID; MariaDB's GTID marked standalone */
    TRANSACTION_ON_GTID_BEGIN, /* MariaDB's GTID otherwise: it is the BEGIN as well */
    TRANSACTION_ON_BEGIN,      /* QUERY BEGIN */
    TRANSACTION_ON_CHANGE,     /* TABLE_MAP or rows */
    TRANSACTION_ON_COMMIT,     /* XID, QUERY COMMIT */
    TRANSACTION_ON_ROLLBACK,   /* QUERY ROLLBACK */
    TRANSACTION_ON_DDL,        /* QUERY with a DDL or any other statement that is a transaction of its own */
    TRANSACTION_ON_DDL_BEGIN,  /* CREATE TABLE ... START TRANSACTION: rows follow, XID ends it (MySQL 8.0.21) */
    TRANSACTION_ON_BREAK,      /* FORMAT_DESCRIPTION, ROTATE, STOP: nothing goes on across them */
    TRANSACTION_INPUT_COUNT
};

enum transaction_action {
    TRANSACTION_WRONG,   /* the binlog contradicts itself, or is of a kind that we do not know */
    TRANSACTION_GO_ON,   /* nothing begins or ends */
    TRANSACTION_BEGINS,  /* all that follows belongs to it (after GTID_BEGIN, BEGIN, DDL_BEGIN; the DDL is its first
                            event) */
    TRANSACTION_CHANGES, /* the event belongs to the open transaction (rows; a DDL inside: MariaDB's CREATE TABLE ...
                            SELECT) */
    TRANSACTION_COMMITS, /* ends and counts; its GTID enters the set */
    TRANSACTION_IS_DDL,  /* the statement is a whole transaction; its GTID enters the set */
    TRANSACTION_UNDONE,  /* QUERY ROLLBACK: ends without its changes; its GTID enters the set */
    TRANSACTION_LOST,    /* the source crashed in its middle: it never happened, nor did its GTID */
};

struct transaction {
    enum transaction_state state;
};

static inline void transaction_init(struct transaction *t)
{
    t->state = TRANSACTION_NONE;
}
enum transaction_action transaction_step(struct transaction *t, enum transaction_input input);

#endif

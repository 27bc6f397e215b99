/* tests/capture/two_servers.h -- two simulated servers with GTIDs of which one writes and the other replicates it, what
 * a channel must make of their history, and a capture that follows it on either.
 *
 * Tables app.kept and app.other are selected, app.filtered is not.  Each is (id INT, text TEXT) and some more INTs that
 * statements add and drop; kept and filtered swap their names now and then. */
#ifndef TESTS_CAPTURE_TWO_SERVERS_H
#define TESTS_CAPTURE_TWO_SERVERS_H

#include "base/random.h"
#include "tests/capture/capture_world.h"
#include "tests/e2e/stream_record.h"

enum { PAIR_TABLES = 3, PAIR_EXTRA_MAX = 4, PAIR_PAST_MAX = 2048, PAIR_ROWS_MAX = 16384 };
enum past_kind { PAST_ROWS, PAST_ADD, PAST_DROP, PAST_SWAP };
extern const char *const pair_tables[PAIR_TABLES]; /* in the dictionary's order: filtered, kept, other */

struct past_row {
    uint8_t table, extra;
    uint32_t id, text_bytes;
};

struct past { /* a transaction */
    enum past_kind kind;
    uint8_t server; /* whose GTID it has */
    uint8_t table;  /* of PAST_ADD, PAST_DROP */
    uint64_t number;
    uint32_t first_row, row_count;
};

struct pair_server {
    struct stream_sim_source source;
    struct binlog_maker maker;
    uint8_t uuid[16];
    char uuid_text[40];
    uint32_t applied; /* so many of the past */
    uint8_t extra[PAIR_TABLES];
    const char *column[PAIR_TABLES * (2 + PAIR_EXTRA_MAX)][STREAM_SIM_COLUMN_FIELDS];
    struct gtid_set executed;
    bool is_crashing; /* a transaction was begun that will never end */
};

struct pair {
    uint64_t seed;
    struct random random;
    struct world w; /* its own source is not used */
    struct pair_server server[2];
    uint32_t primary; /* who writes */
    uint32_t vip;     /* the server behind the one name; with `has_hosts` each has a name of its own */
    bool has_hosts;
    struct source_host standby;
    struct source_stream *stream;
    struct past past[PAIR_PAST_MAX];
    struct past_row row[PAIR_ROWS_MAX];
    uint32_t past_count, row_count;
    uint64_t numbers[2]; /* of each server's last GTID */
    char at_uuid[65];    /* the server that capture was seen at */
    uint64_t passings, restarts, cuts;
    struct stream_decoder *decoder;
};

void pair_init(struct pair *p, uint64_t seed, bool has_hosts);
void pair_fini(struct pair *p);

/* The primary commits something: mostly rows.  Not while the past is full. */
void pair_write(struct pair *p);
void pair_write_kind(struct pair *p, enum past_kind kind, uint8_t table);
/* A server takes over up to `count` transactions that it lacks. */
void pair_replicate(struct pair *p, uint32_t server, uint32_t count);
/* A new binlog file; not `orderly`: in the middle of a transaction that never ends. */
void pair_rotate(struct pair *p, uint32_t server, bool orderly);

/* Capture begins, or begins again on the log as it is cut to whole transactions. */
void pair_capture(struct pair *p);
void pair_restart(struct pair *p);
/* One step of capture and storage.  False: capture ended, and not to have its log cut. */
bool pair_turn(struct pair *p, struct capture_status *status);
/* Turns until nothing happens any more, at most so many. */
bool pair_run(struct pair *p, unsigned turns, struct capture_status *status);
/* The connection breaks. */
void pair_break(struct pair *p);
/* The log holds all of the past, once each and in order. */
void pair_check(struct pair *p);
/* HEARTBEATs in the log. */
uint64_t pair_heartbeats(struct pair *p);

#endif

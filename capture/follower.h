/* capture/follower.h -- from binlog events to records: the heart of a capture thread, without connections and without
 * waiting (but for back-pressure in the appender).
 *
 * Events go in one by one; the follower keeps the place in the source's binlog, the transaction under way, the GTID set
 * and the table definitions, and appends the records of selected changes.  Its owner (capture.c) connects, dumps, reads
 * definitions and tells it when the stream breaks. */
#ifndef CAPTURE_FOLLOWER_H
#define CAPTURE_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "capture/binlog_event.h"
#include "capture/binlog_header.h"
#include "capture/definitions.h"
#include "capture/filter.h"
#include "capture/gtid_set.h"
#include "capture/horizon.h"
#include "capture/log_appender.h"
#include "capture/payload.h"
#include "capture/row_decode.h"
#include "capture/schema.h"
#include "capture/snapshot.h"
#include "capture/source_facts.h"
#include "capture/table_cache.h"
#include "capture/transaction.h"
#include "capture/xa_rows.h"
#include "capture/xa_spool.h"
#include "formats/change_event.h"
#include "formats/record_format.h"
#include "formats/source_position.h"

struct follower_config { /* borrowed */
    const char *channel;
    const char *objects; /* capture/selection.h */
    bool ddl_instance, partial_images_none, text_utf8mb4; /* as in struct capture_config */
    bool statements_are_errors; /* row changes logged as a statement: an error, else a warning */
    const struct record_format *format;
    const struct clock *clock;
    uint32_t record_bytes_max;
    uint64_t event_bytes_max; /* of an event within a compressed transaction */
    const char *schema_path; /* the tracker's file; NULL: none */
    /* A statement at f->at that changes definitions cannot be followed: tells the tracker those behind it, if the
     * source stands still there.  ERR_AGAIN: it has moved on. */
    enum err (*refresh)(void *context, struct err_msg *msg);
    void *refresh_context;
    struct counter *row_changes, *transactions, *records, *statement_events, *xa_unknown;
    struct histogram *commit_to_read_us;
};

struct follower_transaction { /* the one under way */
    uint64_t start_position;  /* of its first event */
    bool is_dead;            /* it is known to end without its changes: nothing of it is sent */
    bool is_known;           /* another server sends again what is logged already */
    bool is_idle; /* MariaDB's START ALTER, ROLLBACK ALTER: its statement does nothing */
    bool is_xa;
    bool is_spooled; /* its rows go to the spool: it is XA, or has a savepoint that it may be rolled back to */
    bool has_gtid, gtid_is_mysql;
    uint8_t gtid_uuid[16];
    char gtid_tag[GTID_TAG_BYTES_MAX + 1];
    uint64_t gtid_number;
    uint32_t gtid_domain, gtid_server_id;
    char gtid[GTID_TEXT_BYTES]; /* "" if none */
    uint64_t commit_ms;         /* the source's commit time; 0: not told */
    uint64_t read_ms;           /* ours, when its first event was read */
    uint64_t rows_read_ms;      /* rows_read_ms() */
    uint32_t rows_events;
    bool began;                 /* its BEGIN record is written (or skipped) */
    struct change_event begin;  /* what BEGIN and COMMIT share; text in it points here */
    uint64_t hash;              /* over its rows so far */
    uint64_t rows;
};

enum { FOLLOWER_SAVEPOINT_BYTES = 264 };

struct follower_savepoint {
    char name[FOLLOWER_SAVEPOINT_BYTES];
    uint64_t mark; /* of the spool */
    uint32_t table_count;
};

struct follower_xa { /* transactions whose rows wait in the spool (follower_xa.c) */
    char *folder;           /* NULL: there is none, and an XA transaction ends the channel */
    struct xa_spool *spool; /* NULL: none was prepared yet */
    bool is_writing;
    const struct change_table **table; /* those of the transaction being written, by number */
    uint32_t table_count, table_capacity;
    struct follower_savepoint *savepoint; /* of that transaction, in their order */
    uint32_t savepoint_count, savepoint_capacity;
    struct xa_bytes bytes; /* scratch */
};

struct follower {
    struct follower_config config;
    struct log_appender appender;
    struct filter *filter;
    char *objects;    /* what it was made of */
    bool objects_due; /* the next HEARTBEAT tells them */
    struct definitions definitions; /* its tracker and schema are ours */
    bool known_moves_definitions;   /* they are those before the transactions that are passed over */
    bool explicit_timestamps;       /* the source's explicit_defaults_for_timestamp */
    struct table_cache *cache;
    struct row_arena arena;
    struct change_value *before, *after; /* SCHEMA_COLUMNS_MAX each */
    struct statement *statement;
    struct payload_reader payload;
    struct follower_xa xa;
    struct source_facts facts;
    int64_t clock_ahead_ms; /* the source's clock less ours, as its owner has measured */
    struct change_source source;
    struct horizon horizon;
    struct gtid_set gtids; /* of what lies before `resume` */
    bool gtids_known;
    /* While that is not known: what is logged, and of what else lies before `resume` perhaps not all.  Enough to go on
     * at another server, for what emitted nothing may be read again. */
    struct gtid_set logged;
    bool has_logged;
    uint64_t set_distance_bytes; /* logged since a record carried the set */
    bool awaits_gtids; /* the set is not known, and the file\'s next event says it */
    /* Resumed by GTIDs, from the start of a file of this server: transactions of `gtids` are passed over.  Until this
     * server's own set has all of `gtids`, the resume point stays at that file's start, and each record that carries it
     * carries `gtids` too: together they say what is logged. */
    bool passes_known;
    uint64_t lacks_since_ns; /* since when the source does not name a transaction that it sent; 0: it names all */
    bool server_changed; /* another server was reached since the definitions were looked at: capture's to clear */
    struct gtid_set passed; /* what lies before `at` on this server */
    struct gtid_set walked; /* in a folder of files: what lies before `at`; what a further file must go on */
    bool walked_known;
    char *set_text;    /* the GTID set as text, made anew where it is needed */
    size_t set_text_bytes, set_text_capacity;

    struct binlog_format format;
    bool format_known;      /* of the file being read */
    struct source_place at; /* behind the newest event */
    uint32_t file_number;
    uint32_t format_time_s;        /* of the file's FORMAT_DESCRIPTION */
    uint32_t expect_format_time_s; /* 0: do not compare */
    struct source_position resume; /* behind the last finished transaction: what is logged */
    bool has_resume;

    struct transaction machine;
    struct follower_transaction transaction;
    bool in_statement;
    uint64_t statement_position;      /* of its first TABLE_MAP */
    uint64_t skip_records, skip_hash; /* of this transaction, logged before the connection broke */

    bool needs_definitions; /* set with ERR_AGAIN */
    bool wants_reattach;    /* set with ERR_STATE */
    uint32_t newest_timestamp_s;
    uint64_t newest_commit_us; /* of the newest transaction, by the source; 0: it tells seconds only */
    uint64_t timed_events;     /* how many moved newest_timestamp_s: a change came, no heartbeat and no file's head */
    uint64_t bytes_read;
    uint64_t row_changes, transactions;
};

NODISCARD enum err follower_open(struct follower *f, const struct follower_config *config,
                                 const struct log_appender_config *appender, struct err_msg *msg);
void follower_close(struct follower *f);

/* The source was reached: takes its facts; on the first call makes filter and definitions. */
NODISCARD enum err follower_source(struct follower *f, const struct source_facts *facts,
                                   const struct snapshot_rules *rules, struct err_msg *msg);

/* Other objects are selected from here on; only when follower_may_heartbeat, or before the first event.  ERR_INVALID: a
 * pattern is malformed; ERR_NO_MEMORY. */
NODISCARD enum err follower_select(struct follower *f, const char *objects, struct err_msg *msg);

/* Where capture goes on; follower_dump_begins must follow before events. */
void follower_resume_at(struct follower *f, const struct source_position *resume);
/* Which transactions are logged; NULL: not known. */
static inline const struct gtid_set *follower_logged(const struct follower *f)
{
    return f->gtids_known ? &f->gtids : f->has_logged ? &f->logged : NULL;
}
/* These lie before f->resume, too.  ERR_NO_MEMORY. */
NODISCARD enum err follower_knows(struct follower *f, const struct gtid_set *gtids);
/* From where capture is to go on, a file's start, it passes over what is logged, which is known. */
void follower_pass_logged(struct follower *f);
/* Capture goes on at the start of `place`'s file, and passes over what is logged. */
void follower_resume_by_gtids(struct follower *f, const struct source_place *place);
/* A folder is read on from f->resume: f->walked is what lies before it, where that is known.  ERR_NO_MEMORY. */
NODISCARD enum err follower_walk_begins(struct follower *f);
/* A file of a folder says that `before` lies before it: the transactions of the files before, no more and no less.
 * Else ERR_SOURCE_HISTORY: the folder holds files of several servers, or an older copy.  ERR_NO_MEMORY. */
NODISCARD enum err follower_file_follows(struct follower *f, const struct gtid_set *before, bool is_mysql,
                                         struct err_msg *msg);
/* A dump from f->resume begins.  ERR_NO_MEMORY. */
NODISCARD enum err follower_dump_begins(struct follower *f);

/* Takes one event, header and checksum included.  ERR_AGAIN with needs_definitions: a table's definition is not known;
 * ask the source (capture/look.h) and dump anew from f->resume.  ERR_STATE with wants_reattach: the log must be cut
 * to its last whole transaction. ERR_CORRUPT, ERR_UNSUPPORTED, ERR_SCHEMA, ERR_SOURCE_CONFIG, ERR_SOURCE_HISTORY,
 * ERR_TOO_LARGE, ERR_STOPPED, ... end the channel. */
NODISCARD enum err follower_event(struct follower *f, const uint8_t *event, size_t size, struct err_msg *msg);

/* The stream broke.  What the transaction under way has in the log's open batch is taken back; what is sent already
 * will be skipped when it is read again. */
void follower_interrupted(struct follower *f);

static inline bool follower_is_between(const struct follower *f)
{
    return f->machine.state == TRANSACTION_NONE;
}

/* May a HEARTBEAT be written now?  Not behind a transaction's logged part while its rest is read again; and before the
 * file's first events were seen its time is not known, and a position without it is not to be logged. */
static inline bool follower_may_heartbeat(const struct follower *f)
{
    return follower_is_between(f) && f->format_known && !f->awaits_gtids &&
           log_appender_transaction_records(&f->appender) == 0;
}

/* A HEARTBEAT record that carries f->resume; only when follower_may_heartbeat. */
NODISCARD enum err follower_heartbeat(struct follower *f, uint32_t timestamp_s, struct err_msg *msg);

/* --- follower_ddl.c: statements, classified in f->statement --- */
/* Does the channel emit this DDL? */
bool follower_ddl_is_selected(const struct follower *f, const struct binlog_query *q);
/* Rows that were written as a statement: for a selected table ERR_SOURCE_CONFIG, or a warning. */
NODISCARD enum err follower_statement_change(struct follower *f, const struct binlog_query *q, struct err_msg *msg);
/* Definitions move on with the statement, whatever table it is about: it may be renamed to a selected one later. */
NODISCARD enum err follower_ddl_definitions(struct follower *f, const struct binlog_query *q, struct err_msg *msg);

/* --- follower_emit.c: records --- */
/* The event's time, or that of the newest with one; never 0, which no source with a clock writes and no record may
 * carry. */
uint32_t follower_event_time(const struct follower *f, const struct binlog_header *h);
struct follower_row { /* where a row change stands; its values are in f->before and f->after */
    const struct binlog_header *h;
    uint64_t start_position, end_position, read_ms;
    enum change_operation operation;
};
NODISCARD enum err follower_emit_row(struct follower *f, const struct binlog_header *h, uint64_t end_position,
                                     const struct table_entry *table, enum change_operation operation, uint64_t read_ms,
                                     const uint8_t *image, size_t image_bytes, struct err_msg *msg);
/* The record itself.  `image`: what tells this change from another. */
NODISCARD enum err follower_emit_change(struct follower *f, const struct follower_row *row,
                                        const struct change_table *table, const uint8_t *image, size_t image_bytes,
                                        struct err_msg *msg);
NODISCARD enum err follower_emit_commit(struct follower *f, const struct binlog_header *h, struct err_msg *msg);
/* `ends`: it is a transaction of its own. */
NODISCARD enum err follower_emit_ddl(struct follower *f, const struct binlog_header *h, uint64_t start_position,
                                     const struct binlog_query *q, bool ends, struct err_msg *msg);
/* The set as text into f->set_text.  ERR_NO_MEMORY. */
NODISCARD enum err follower_set_text(struct follower *f);
NODISCARD enum err follower_reattach(struct follower *f, const char *why, struct err_msg *msg);

/* --- follower_xa.c: XA transactions, savepoints --- */
/* Takes up what is prepared in `folder`, when the log goes on at `next_offset` (capture/xa_spool.h). */
NODISCARD enum err follower_xa_open(struct follower *f, const char *folder, uint64_t next_offset, struct err_msg *msg);
void follower_xa_close(struct follower *f);
/* To be called before a batch is sent. */
NODISCARD enum err follower_xa_sync(struct follower *f, struct err_msg *msg);

/* f->transaction, begun, is an XA transaction: its rows go to the spool. */
NODISCARD enum err follower_xa_begin(struct follower *f, struct err_msg *msg);
/* A row of a spooled transaction. */
NODISCARD enum err follower_xa_row(struct follower *f, const struct follower_row *row, const struct change_table *table,
                                   struct err_msg *msg);
/* It ends here: prepared. */
NODISCARD enum err follower_xa_prepared(struct follower *f, const struct xid *xid, struct err_msg *msg);
/* What is spooled of the transaction under way is emitted, or dropped; rows to come go straight to the log. */
NODISCARD enum err follower_xa_unspool(struct follower *f, const struct binlog_header *h, bool emits,
                                       struct err_msg *msg);
/* XA COMMIT, XA ROLLBACK: emits BEGIN and rows of what was prepared, and forgets it. */
NODISCARD enum err follower_xa_over(struct follower *f, const struct binlog_header *h, const struct xid *xid,
                                    bool committed, struct err_msg *msg);
/* SAVEPOINT `name`: from here on rows go to the spool; ROLLBACK TO `name`: those behind it are taken back. */
NODISCARD enum err follower_savepoint(struct follower *f, const struct binlog_query *q, struct err_msg *msg);
NODISCARD enum err follower_rollback_to(struct follower *f, const struct binlog_query *q, struct err_msg *msg);

#endif

#include "capture/follower.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "capture/query_text.h"
#include "capture/selection.h"

enum { ARENA_BYTES = 64 * 1024, ROWS_EVENTS_PER_CLOCK = 8 };

/* --- open and close --- */

enum err follower_open(struct follower *f, const struct follower_config *config,
                       const struct log_appender_config *appender, struct err_msg *msg)
{
    *f = (struct follower){.config = *config, .set_distance_bytes = UINT64_MAX / 2};
    transaction_init(&f->machine);
    TRY(log_appender_open(&f->appender, appender, msg));
    f->before = calloc(SCHEMA_COLUMNS_MAX, sizeof *f->before);
    f->after = calloc(SCHEMA_COLUMNS_MAX, sizeof *f->after);
    f->statement = malloc(sizeof *f->statement);
    size_t arena_max = 2 * (size_t)config->record_bytes_max; /* a row with more text would not fit in a record */
    if (arena_max < ARENA_BYTES) arena_max = ARENA_BYTES;
    if (f->before == NULL || f->after == NULL || f->statement == NULL ||
        row_arena_init(&f->arena, ARENA_BYTES, arena_max) != ERR_OK) {
        follower_close(f);
        return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", config->channel);
    }
    return ERR_OK;
}

void follower_close(struct follower *f)
{
    if (f->cache != NULL) table_cache_close(f->cache);
    schema_close(f->definitions.schema);
    tracker_close(f->definitions.tracker);
    if (f->filter != NULL) filter_close(f->filter);
    free(f->objects);
    row_arena_fini(&f->arena);
    log_appender_close(&f->appender);
    payload_reader_free(&f->payload);
    follower_xa_close(f);
    horizon_free(&f->horizon);
    gtid_set_free(&f->gtids);
    gtid_set_free(&f->passed);
    gtid_set_free(&f->logged);
    gtid_set_free(&f->walked);
    free(f->before);
    free(f->after);
    free(f->statement);
    free(f->set_text);
    *f = (struct follower){0};
}

enum err follower_source(struct follower *f, const struct source_facts *facts, const struct snapshot_rules *rules,
                         struct err_msg *msg)
{
    if (f->filter == NULL) {
        if (f->objects == NULL) f->objects = strdup(f->config.objects);
        if (f->objects == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", f->config.channel);
        TRY(selection_filter(&f->filter, f->objects, facts->ignore_case, msg));
        f->objects_due = true;
    }
    struct definitions *d = &f->definitions;
    const struct schema_rules schema_rules = {.ignore_case = facts->ignore_case,
                                              .is_mariadb = rules->server.is_mariadb,
                                              .is_rds = rules->is_rds,
                                              .is_perhaps_rds = facts->is_archive && !rules->server.is_mariadb,
                                              .delivers_utf8mb4 = f->config.text_utf8mb4,
                                              .json_keeps_point =
                                                  !rules->server.is_mariadb && rules->server.version >= 80000};
    if (d->tracker == NULL) TRY(tracker_open(&d->tracker, f->config.schema_path, &rules->server, msg));
    if (d->schema == NULL && schema_open(&d->schema, f->config.format, &schema_rules) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", f->config.channel);
    if (f->cache == NULL && table_cache_open(&f->cache, d, f->filter) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", f->config.channel);
    f->explicit_timestamps = rules->explicit_defaults_for_timestamp;
    f->facts = *facts;
    f->source = change_source_of(f->facts.version, facts->ignore_case);
    return ERR_OK;
}

enum err follower_select(struct follower *f, const char *objects, struct err_msg *msg)
{
    struct filter *filter;
    char *copy = strdup(objects);
    if (copy == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", f->config.channel);
    enum err e = selection_filter(&filter, objects, f->facts.ignore_case, msg);
    if (e != ERR_OK) {
        free(copy);
        return e;
    }
    table_cache_select(f->cache, filter);
    filter_close(f->filter);
    free(f->objects);
    f->filter = filter;
    f->objects = copy;
    f->objects_due = true;
    return ERR_OK;
}

static void file_begins(struct follower *f, const char *file, uint64_t position)
{
    snprintf(f->at.file, sizeof f->at.file, "%s", file);
    f->at.position = position;
    f->file_number = source_file_number(f->at.file);
}

enum err follower_dump_begins(struct follower *f)
{
    file_begins(f, f->resume.file, f->resume.position);
    f->expect_format_time_s = f->resume.format_description_s;
    f->format_known = false;
    f->awaits_gtids = f->facts.has_gtids && !f->gtids_known && f->resume.position == BINLOG_FIRST_POSITION;
    f->needs_definitions = false;
    f->in_statement = false;
    gtid_set_clear(&f->passed);
    transaction_init(&f->machine);
    f->transaction = (struct follower_transaction){0};
    table_cache_reset(f->cache);
    return follower_walk_begins(f);
}

void follower_interrupted(struct follower *f)
{
    uint64_t records = log_appender_transaction_records(&f->appender);
    if (records == 0) {
        f->skip_records = 0;
        return;
    }
    if (log_appender_discard_transaction(&f->appender)) {
        f->skip_records = 0;
        return;
    }
    /* Broken again while the logged part was being skipped: what is logged is still the same. */
    if (f->skip_records == 0) f->skip_hash = f->transaction.hash;
    f->skip_records = records;
}

/* --- transactions --- */

static enum err wrong_place(const struct follower *f, const struct binlog_header *h, struct err_msg *msg)
{
    return err_set(msg, ERR_CORRUPT, "a %s event at %s:%" PRIu64 " does not fit what stands before it in the binlog",
                   binlog_event_name(h->type), f->at.file, f->at.position);
}

static void transaction_starts(struct follower *f, uint64_t start_position)
{
    f->transaction =
        (struct follower_transaction){.start_position = start_position, .read_ms = clock_realtime_ms(f->config.clock)};
    if (f->horizon.dead_next < f->horizon.dead_count) {
        struct source_place start = f->at;
        start.position = start_position;
        f->transaction.is_dead = horizon_is_dead(&f->horizon, &start);
    }
    f->newest_commit_us = 0;
    log_appender_read_at(&f->appender, clock_monotonic_ns(f->config.clock));
}

/* The first event that says what all records of the transaction share. */
static void transaction_begins(struct follower *f, const struct binlog_header *h, const struct binlog_query *q)
{
    struct follower_transaction *t = &f->transaction;
    t->begin = (struct change_event){.timestamp_s = follower_event_time(f, h),
                                     .file_number = f->file_number,
                                     .start_position = t->start_position,
                                     .end_position = f->at.position,
                                     .server_id = h->server_id,
                                     .read_time_ms = t->read_ms,
                                     .source = &f->source};
    if (q == NULL) return;
    t->begin.thread_id = q->thread_id;
    t->begin.has_query_status = q->has_status;
    t->begin.flags2 = q->flags2;
    t->begin.sql_mode = q->sql_mode;
    t->begin.client_charset = q->client_charset;
}

/* The place behind the transaction becomes the one at which capture resumes. */
static void resume_moves(struct follower *f, bool with_gtid)
{
    if (f->passes_known) {
        if (with_gtid) memcpy(f->resume.gtid, f->transaction.gtid, sizeof f->transaction.gtid);
        return;
    }
    if (strcmp(f->resume.file, f->at.file) != 0) memcpy(f->resume.file, f->at.file, sizeof f->resume.file);
    f->resume.position = f->at.position;
    f->resume.format_description_s = f->format_time_s;
    if (with_gtid)
        memcpy(f->resume.gtid, f->transaction.gtid, sizeof f->transaction.gtid);
    else
        f->resume.gtid[0] = '\0';
}

static enum err gtid_add(struct gtid_set *set, const struct follower_transaction *t)
{
    if (t->gtid_is_mysql) return gtid_set_add(set, t->gtid_uuid, t->gtid_tag, t->gtid_number, t->gtid_number);
    return gtid_set_add_domain(set, t->gtid_domain, t->gtid_server_id, t->gtid_number);
}

/* The transaction under way is one of `gtids`. */
static bool gtid_is_known(const struct follower *f)
{
    const struct follower_transaction *t = &f->transaction;
    if (!f->passes_known || !t->has_gtid) return false;
    if (t->gtid_is_mysql) return gtid_set_contains(&f->gtids, t->gtid_uuid, t->gtid_tag, t->gtid_number);
    return gtid_set_contains_domain(&f->gtids, t->gtid_domain, t->gtid_number);
}

/* When all that is logged has come by, this server's positions say everything again. */
static void passed_moves(struct follower *f)
{
    if (!gtid_set_contains_set(&f->passed, &f->gtids)) return;
    f->passes_known = false;
    resume_moves(f, true);
    log_info("capture", "channel %s: goes on at %s:%" PRIu64 " of server %s", f->config.channel, f->resume.file,
             f->resume.position, f->facts.server_uuid[0] == '\0' ? f->facts.version : f->facts.server_uuid);
}

static enum err gtid_enters(struct follower *f)
{
    const struct follower_transaction *t = &f->transaction;
    if (!t->has_gtid) return ERR_OK;
    if (!t->is_known) TRY(gtid_add(&f->gtids, t));
    if (f->has_logged && !f->gtids_known) TRY(gtid_add(&f->logged, t));
    if (f->walked_known) TRY(gtid_add(&f->walked, t));
    if (!f->passes_known) return ERR_OK;
    TRY(gtid_add(&f->passed, t));
    passed_moves(f);
    return ERR_OK;
}

static enum err transaction_ended(struct follower *f, const struct binlog_header *h, bool committed,
                                  struct err_msg *msg)
{
    struct follower_transaction *t = &f->transaction;
    if (t->is_known) return gtid_enters(f);
    if (t->is_spooled) TRY(follower_xa_unspool(f, h, committed, msg));
    if (!committed && log_appender_transaction_records(&f->appender) > 0 &&
        !log_appender_discard_transaction(&f->appender))
        return follower_reattach(f, "the source rolled it back", msg);
    bool has_records =
        committed && (t->began || log_appender_transaction_records(&f->appender) > 0 || f->skip_records > 0);
    resume_moves(f, true);
    if (has_records) {
        TRY(follower_emit_commit(f, h, msg));
        f->transactions++;
        f->row_changes += t->rows;
        counter_add(f->config.transactions, 1);
        counter_add(f->config.row_changes, t->rows);
        uint64_t committed_ms = t->commit_ms != 0 ? t->commit_ms : (uint64_t)h->timestamp_s * 1000;
        int64_t waited_ms = (int64_t)t->read_ms + f->clock_ahead_ms - (int64_t)committed_ms;
        histogram_record(f->config.commit_to_read_us, waited_ms > 0 ? (uint64_t)waited_ms * 1000 : 0);
    }
    f->skip_records = 0;
    return gtid_enters(f);
}

/* FORMAT_DESCRIPTION, ROTATE and STOP end whatever was open: the source crashed in its middle. */
static enum err binlog_breaks(struct follower *f, struct err_msg *msg)
{
    if (transaction_step(&f->machine, TRANSACTION_ON_BREAK) != TRANSACTION_LOST) return ERR_OK;
    if (f->transaction.is_known) return ERR_OK;
    if (log_appender_transaction_records(&f->appender) > 0 && !log_appender_discard_transaction(&f->appender))
        return follower_reattach(f, "the source crashed before it was committed", msg);
    f->skip_records = 0;
    return ERR_OK;
}

/* The source has no more now.  What the log has of a transaction that it does not send again was begun at a server that
 * crashed, and never happened; it goes at once, for before that no HEARTBEAT can be written. */
static enum err on_idle(struct follower *f, struct err_msg *msg)
{
    if (!follower_is_between(f) || log_appender_transaction_records(&f->appender) == 0) return ERR_OK;
    return follower_reattach(f, "the source has no such transaction now", msg);
}

/* --- file events --- */

static enum err on_format(struct follower *f, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    TRY(binlog_breaks(f, msg));
    struct binlog_format format;
    enum err e = binlog_format_decode(body, &format);
    if (e != ERR_OK)
        return err_set(msg, e, "%s begins with a FORMAT_DESCRIPTION event that cannot be read: %s", f->at.file,
                       err_text(e));
    if (format.version_number < BINLOG_VERSION_5_1)
        return err_set(msg, ERR_UNSUPPORTED, "%s was written by MySQL %s, and there are no row changes in a binlog "
                       "before 5.1; follow a server of version 5.1 or later", f->at.file, format.server_version);
    if (f->expect_format_time_s != 0 && f->expect_format_time_s != h->timestamp_s)
        return err_set(msg, ERR_SOURCE_HISTORY,
                       "%s on the source was begun at another time (%u) than the one capture read (%u): the "
                       "source's binlog was reset, or it is another server; delete the channel and create it anew",
                       f->at.file, h->timestamp_s, f->expect_format_time_s);
    f->expect_format_time_s = 0;
    f->format = format;
    f->format_known = true;
    f->format_time_s = h->timestamp_s;
    table_cache_reset(f->cache);
    if (!f->walked_known) resume_moves(f, false); /* else the file says first whether it belongs here */
    return ERR_OK;
}

static enum err on_rotate(struct follower *f, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    struct binlog_rotate r;
    if (binlog_rotate_decode(body, &r) != ERR_OK || r.file_bytes >= sizeof f->at.file ||
        r.position < BINLOG_FIRST_POSITION)
        return err_set(msg, ERR_CORRUPT, "a ROTATE event in %s cannot be read", f->at.file);
    char file[SOURCE_FILE_BYTES];
    memcpy(file, r.file, r.file_bytes);
    file[r.file_bytes] = '\0';
    if (strcmp(file, f->at.file) == 0 && h->next_position == 0) return ERR_OK; /* the dump says where it begins */
    TRY(binlog_breaks(f, msg));
    file_begins(f, file, r.position);
    f->expect_format_time_s = 0;
    table_cache_reset(f->cache);
    return ERR_OK;
}

/* --- GTIDs --- */

static enum err on_gtid(struct follower *f, const struct binlog_header *h, uint64_t start, struct cursor body,
                        struct err_msg *msg)
{
    struct binlog_gtid g;
    enum err e = h->type == BINLOG_GTID_TAGGED ? binlog_gtid_tagged_decode(body, &g) : binlog_gtid_decode(body, &g);
    if (e != ERR_OK)
        return err_set(msg, e, "a %s event before %s:%" PRIu64 " cannot be read: %s", binlog_event_name(h->type),
                       f->at.file, f->at.position, err_text(e));
    if (transaction_step(&f->machine, TRANSACTION_ON_GTID) == TRANSACTION_WRONG) return wrong_place(f, h, msg);
    transaction_starts(f, start);
    struct follower_transaction *t = &f->transaction;
    t->commit_ms = g.commit_us / 1000;
    f->newest_commit_us = g.commit_us;
    if ((h->type == BINLOG_ANONYMOUS_GTID || g.number == 0) && f->passes_known)
        return err_set(msg, ERR_SOURCE_HISTORY,
                       "the source has a transaction without a GTID at %s:%" PRIu64 ", where capture goes by GTIDs: it "
                       "cannot be told whether it was read before; connect to the former server, or delete the "
                       "channel and create it anew",
                       f->at.file, f->at.position);
    if (h->type == BINLOG_ANONYMOUS_GTID || g.number == 0) return ERR_OK;
    t->has_gtid = t->gtid_is_mysql = true;
    memcpy(t->gtid_uuid, g.uuid, sizeof t->gtid_uuid);
    t->gtid_number = g.number;
    memcpy(t->gtid_tag, g.tag, sizeof t->gtid_tag);
    gtid_text(g.uuid, g.tag, g.number, t->gtid);
    t->is_known = gtid_is_known(f);
    return ERR_OK;
}

static enum err on_mariadb_gtid(struct follower *f, const struct binlog_header *h, uint64_t start, struct cursor body,
                                struct err_msg *msg)
{
    struct binlog_mariadb_gtid g;
    if (binlog_mariadb_gtid_decode(body, &g) != ERR_OK) return wrong_place(f, h, msg);
    bool standalone = (g.flags & MARIADB_GTID_STANDALONE) != 0;
    if (transaction_step(&f->machine, standalone ? TRANSACTION_ON_GTID : TRANSACTION_ON_GTID_BEGIN) ==
        TRANSACTION_WRONG)
        return wrong_place(f, h, msg);
    transaction_starts(f, start);
    struct follower_transaction *t = &f->transaction;
    t->has_gtid = true;
    t->gtid_domain = g.domain;
    t->gtid_server_id = h->server_id;
    t->gtid_number = g.number;
    gtid_text_domain(g.domain, h->server_id, g.number, t->gtid);
    t->is_idle = binlog_mariadb_gtid_is_idle(&g);
    t->is_known = gtid_is_known(f);
    if (t->is_known && !gtid_set_agrees(&f->gtids, g.domain, h->server_id, g.number))
        return err_set(msg, ERR_SOURCE_HISTORY,
                       "the source has transaction %s at %s:%" PRIu64 ", where the channel has one of another server: "
                       "their histories differ; delete the channel and create it anew",
                       t->gtid, f->at.file, f->at.position);
    if (!standalone) transaction_begins(f, h, NULL);
    return (g.flags & MARIADB_GTID_PREPARED_XA) != 0 ? follower_xa_begin(f, msg) : ERR_OK;
}

static enum err on_gtid_set(struct follower *f, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    struct gtid_set before = {0}, *set = f->passes_known ? &f->passed : &f->gtids;
    bool is_mysql = h->type == BINLOG_PREVIOUS_GTIDS;
    enum err e = is_mysql ? gtid_set_from_previous_gtids(&before, body) : gtid_set_from_gtid_list(&before, body);
    if (e != ERR_OK) err_set(msg, e, "a %s event in %s cannot be read", binlog_event_name(h->type), f->at.file);
    else if (f->facts.is_archive) e = follower_file_follows(f, &before, is_mysql, msg);
    if (e != ERR_OK) {
        gtid_set_free(&before);
        return e;
    }
    f->gtids_known = true;
    gtid_set_free(set);
    *set = before;
    if (f->passes_known) passed_moves(f);
    else if (f->facts.is_archive) resume_moves(f, false);
    return ERR_OK;
}

/* --- statements --- */

/* A statement whose record is logged already; its work is in the definitions, unless they were learned before it. */
static enum err known_ddl(struct follower *f, const struct binlog_header *h, bool is_ddl, const struct binlog_query *q,
                          struct err_msg *msg)
{
    enum transaction_input input =
        is_ddl && f->statement->starts_transaction ? TRANSACTION_ON_DDL_BEGIN : TRANSACTION_ON_DDL;
    TRY(f->known_moves_definitions ? follower_ddl_definitions(f, q, msg)
                                   : tracker_pass(f->definitions.tracker, &f->at, msg));
    enum transaction_action action = transaction_step(&f->machine, input);
    if (action == TRANSACTION_WRONG) return wrong_place(f, h, msg);
    return action == TRANSACTION_IS_DDL ? gtid_enters(f) : ERR_OK;
}

static enum err on_ddl(struct follower *f, const struct binlog_header *h, uint64_t start, const struct binlog_query *q,
                       struct err_msg *msg)
{
    const struct statement *st = f->statement;
    bool is_ddl = st->kind == STATEMENT_TABLE || st->kind == STATEMENT_TRUNCATE || st->kind == STATEMENT_OTHER_DDL;
    if (f->transaction.is_known && f->machine.state != TRANSACTION_NONE) return known_ddl(f, h, is_ddl, q, msg);
    if (st->kind != STATEMENT_ACCOUNT && st->kind != STATEMENT_CHANGE) TRY(follower_ddl_definitions(f, q, msg));
    if (f->machine.state == TRANSACTION_NONE) transaction_starts(f, start);
    enum transaction_input input = is_ddl && st->starts_transaction ? TRANSACTION_ON_DDL_BEGIN : TRANSACTION_ON_DDL;
    enum transaction_action action = transaction_step(&f->machine, input);
    switch (action) {
    case TRANSACTION_IS_DDL:
        if (log_appender_transaction_records(&f->appender) > 0)
            return follower_reattach(f, "the source now has a statement in its place", msg);
        resume_moves(f, true);
        if (is_ddl && follower_ddl_is_selected(f, q))
            TRY(follower_emit_ddl(f, h, f->transaction.start_position, q, true, msg));
        return gtid_enters(f);
    case TRANSACTION_BEGINS:
        transaction_begins(f, h, q);
        if (!follower_ddl_is_selected(f, q)) return ERR_OK;
        return follower_emit_ddl(f, h, f->transaction.start_position, q, false, msg);
    case TRANSACTION_CHANGES:
        if (!is_ddl || !follower_ddl_is_selected(f, q)) return ERR_OK;
        return follower_emit_ddl(f, h, f->transaction.start_position, q, false, msg);
    default: return wrong_place(f, h, msg);
    }
}

static enum err on_begin(struct follower *f, const struct binlog_header *h, uint64_t start,
                         const struct binlog_query *q, struct err_msg *msg)
{
    if (f->machine.state == TRANSACTION_NONE) transaction_starts(f, start);
    enum transaction_action action = transaction_step(&f->machine, TRANSACTION_ON_BEGIN);
    if (action == TRANSACTION_WRONG) return wrong_place(f, h, msg);
    transaction_begins(f, h, q);
    return ERR_OK;
}

static enum err on_end(struct follower *f, const struct binlog_header *h, bool committed, struct err_msg *msg)
{
    if (f->machine.state == TRANSACTION_NONE) transaction_starts(f, f->at.position);
    enum transaction_action action =
        transaction_step(&f->machine, committed ? TRANSACTION_ON_COMMIT : TRANSACTION_ON_ROLLBACK);
    if (action == TRANSACTION_WRONG) return wrong_place(f, h, msg);
    return transaction_ended(f, h, action == TRANSACTION_COMMITS, msg);
}

/* XA COMMIT and XA ROLLBACK are transactions of their own. */
static enum err on_xa_over(struct follower *f, const struct binlog_header *h, uint64_t start,
                           const struct binlog_query *q, const struct xid *xid, bool committed, struct err_msg *msg)
{
    if (f->machine.state == TRANSACTION_NONE) transaction_starts(f, start);
    if (transaction_step(&f->machine, TRANSACTION_ON_DDL) != TRANSACTION_IS_DDL) return wrong_place(f, h, msg);
    transaction_begins(f, h, q);
    if (!f->transaction.is_known) {
        resume_moves(f, true);
        TRY(follower_xa_over(f, h, xid, committed, msg));
    }
    return transaction_ended(f, h, true, msg);
}

static enum err on_xa(struct follower *f, const struct binlog_header *h, uint64_t start, const struct binlog_query *q,
                      struct err_msg *msg)
{
    enum xid_verb verb;
    struct xid xid;
    if (xid_statement(q->text, q->text_bytes, &verb, &xid) != ERR_OK) return wrong_place(f, h, msg);
    switch (verb) {
    case XID_START: TRY(on_begin(f, h, start, q, msg)); return follower_xa_begin(f, msg);
    case XID_COMMIT: return on_xa_over(f, h, start, q, &xid, true, msg);
    case XID_ROLLBACK: return on_xa_over(f, h, start, q, &xid, false, msg);
    default: return f->transaction.is_xa ? ERR_OK : wrong_place(f, h, msg);
    }
}

static enum err on_xa_prepare(struct follower *f, const struct binlog_header *h, struct cursor body,
                              struct err_msg *msg)
{
    struct xid xid;
    bool one_phase;
    enum err e = xid_event(body, &one_phase, &xid);
    if (e != ERR_OK)
        return err_set(msg, e, "an XA_PREPARE event before %s:%" PRIu64 " cannot be read: %s", f->at.file,
                       f->at.position, err_text(e));
    bool is_xa = f->machine.state == TRANSACTION_OPEN && f->transaction.is_xa &&
                 (f->transaction.is_known || f->transaction.is_spooled);
    if (!is_xa || transaction_step(&f->machine, TRANSACTION_ON_COMMIT) != TRANSACTION_COMMITS)
        return wrong_place(f, h, msg);
    if (!f->transaction.is_known) {
        resume_moves(f, true);
        if (!one_phase) TRY(follower_xa_prepared(f, &xid, msg));
    }
    return transaction_ended(f, h, true, msg);
}

static enum err on_statement(struct follower *f, const struct binlog_header *h, uint64_t start,
                             const struct binlog_query *q, struct err_msg *msg)
{
    if (f->transaction.is_idle && f->machine.state == TRANSACTION_ANNOUNCED) return on_end(f, h, true, msg);
    statement_classify(f->statement, q->text, q->text_bytes, q->database, q->database_bytes);
    switch (f->statement->kind) {
    case STATEMENT_BEGIN: return on_begin(f, h, start, q, msg);
    case STATEMENT_COMMIT: return on_end(f, h, true, msg);
    case STATEMENT_ROLLBACK: return on_end(f, h, false, msg);
    case STATEMENT_SAVEPOINT: return follower_savepoint(f, q, msg);
    case STATEMENT_ROLLBACK_TO: return follower_rollback_to(f, q, msg);
    case STATEMENT_XA: return on_xa(f, h, start, q, msg);
    case STATEMENT_CHANGE:
        if (!f->transaction.is_known || f->machine.state == TRANSACTION_NONE) TRY(follower_statement_change(f, q, msg));
        break;
    default: break;
    }
    return on_ddl(f, h, start, q, msg);
}

static enum err on_query(struct follower *f, const struct binlog_header *h, uint64_t start, struct cursor body,
                         struct err_msg *msg)
{
    struct binlog_query q;
    char *converted;
    if (binlog_query_decode(body, &f->format, &q) != ERR_OK)
        return err_set(msg, ERR_CORRUPT, "a QUERY event before %s:%" PRIu64 " cannot be read", f->at.file,
                       f->at.position);
    if (q.text_bytes == 5 && memcmp(q.text, "BEGIN", 5) == 0) return on_begin(f, h, start, &q, msg);
    if (q.text_bytes == 6 && memcmp(q.text, "COMMIT", 6) == 0) return on_end(f, h, true, msg);
    if (query_text_utf8(&q, catalog_server(tracker_catalog(f->definitions.tracker)), &converted) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory for a statement of %zu bytes", q.text_bytes);
    enum err e = on_statement(f, h, start, &q, msg);
    free(converted);
    return e;
}

static enum err on_query_compressed(struct follower *f, const struct binlog_header *h, uint64_t start,
                                    struct cursor body, struct err_msg *msg)
{
    uint8_t *unpacked;
    size_t size;
    enum err e = binlog_query_unpack(body, &f->format, &unpacked, &size);
    if (e != ERR_OK)
        return err_set(msg, e, "a QUERY_COMPRESSED event before %s:%" PRIu64 " cannot be unpacked: %s", f->at.file,
                       f->at.position, err_text(e));
    e = on_query(f, h, start, cursor_of(unpacked, size), msg);
    free(unpacked);
    return e;
}

/* LOAD DATA as a statement: the file's bytes came before it, and are of no use without it. */
static enum err on_load_query(struct follower *f, struct cursor body, struct err_msg *msg)
{
    struct binlog_query q;
    if (transaction_step(&f->machine, TRANSACTION_ON_CHANGE) != TRANSACTION_CHANGES ||
        binlog_load_query_decode(body, &f->format, &q) != ERR_OK)
        return err_set(msg, ERR_CORRUPT, "an EXECUTE_LOAD_QUERY event before %s:%" PRIu64 " cannot be read",
                       f->at.file, f->at.position);
    statement_classify(f->statement, q.text, q.text_bytes, q.database, q.database_bytes);
    return follower_statement_change(f, &q, msg);
}

/* --- rows --- */

/* Nobody needs to know what they say; where what is logged is passed over, their definitions may not be known. */
static bool rows_are_nothing(const struct follower *f)
{
    return f->transaction.is_known || f->transaction.is_dead;
}

static enum err on_table_map(struct follower *f, const struct binlog_header *h, uint64_t start, struct cursor body,
                             struct err_msg *msg)
{
    if (transaction_step(&f->machine, TRANSACTION_ON_CHANGE) != TRANSACTION_CHANGES) return wrong_place(f, h, msg);
    if (rows_are_nothing(f)) return ERR_OK;
    if (!f->in_statement) {
        f->in_statement = true;
        f->statement_position = start;
    }
    struct table_entry *entry;
    f->definitions.at = f->at;
    enum err e = table_cache_map(f->cache, body.at, cursor_left(&body), &entry, msg);
    f->needs_definitions = e == ERR_AGAIN;
    return e;
}

/* The decoder knows table and column; the place is ours. */
static enum err row_unreadable(const struct follower *f, enum err e, struct err_msg *msg)
{
    return err_within(msg, e, msg, "the rows before %s:%" PRIu64 " cannot be read", f->at.file, f->at.position);
}

/* A row whose images lack columns. */
static enum err complete_images(struct follower *f, const struct row_reader *reader, struct err_msg *msg)
{
    const struct change_table *t = &reader->decoder->definition->table;
    uint16_t missing = row_reader_fill(reader, f->before, f->after);
    if (missing == t->column_count || f->config.partial_images_none) return ERR_OK;
    return err_set(msg, ERR_SOURCE_CONFIG,
                   "a row of %s.%s before %s:%" PRIu64 " came without its column `%s`: a session on the source changed "
                   "it with another binlog_row_image than FULL; make the channel anew behind it, or with "
                   "partial_images none, which marks what is missing",
                   t->database, t->table, f->at.file, f->at.position, t->column[missing].name);
}

/* When the rows at hand were read.  The clock is asked for one event in a few: it is a share of the work that shows. */
static uint64_t rows_read_ms(struct follower *f)
{
    struct follower_transaction *t = &f->transaction;
    if (t->rows_events++ % ROWS_EVENTS_PER_CLOCK == 0)
        t->rows_read_ms = t->rows_events == 1 ? t->read_ms : clock_realtime_ms(f->config.clock);
    return t->rows_read_ms;
}

static enum err on_rows(struct follower *f, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    if (transaction_step(&f->machine, TRANSACTION_ON_CHANGE) != TRANSACTION_CHANGES) return wrong_place(f, h, msg);
    if (rows_are_nothing(f)) return ERR_OK;
    struct rows_event rows;
    struct table_entry *table;
    TRY(table_cache_rows(f->cache, h->type, body.at, cursor_left(&body), &rows, &table, msg));
    if ((rows.flags & ROWS_FLAG_STATEMENT_END) != 0) f->in_statement = false;
    if (table == NULL || !table->is_selected) return ERR_OK;

    struct row_reader reader;
    TRY(row_reader_init(&reader, &rows, &table->decoder, &f->arena, msg));
    uint64_t read_ms = rows_read_ms(f);
    while (row_reader_more(&reader)) {
        enum err e = row_reader_next(&reader, f->before, f->after, msg);
        if (e != ERR_OK) return row_unreadable(f, e, msg);
        if (reader.is_history) continue;
        if (reader.is_partial) TRY(complete_images(f, &reader, msg));
        TRY(follower_emit_row(f, h, f->at.position, table, reader.operation, read_ms, reader.row,
                              (size_t)(reader.at - reader.row), msg));
    }
    return ERR_OK;
}

/* --- all events --- */

static enum err unsupported(const struct follower *f, const struct binlog_header *h, struct err_msg *msg)
{
    const char *name = binlog_event_name(h->type);
    const char *mend = "make the channel anew behind this place";
    switch (h->type) {
    case BINLOG_PRE_GA_WRITE:
    case BINLOG_PRE_GA_UPDATE:
    case BINLOG_PRE_GA_DELETE: mend = "upgrade the source: MySQL 5.1 wrote such events before 5.1.22"; break;
    default: break;
    }
    return err_set(msg, ERR_UNSUPPORTED, "the source's binlog has a %s event at %s:%" PRIu64
                   ", which is not supported; %s", name, f->at.file, f->at.position, mend);
}

static enum err on_incident(const struct follower *f, struct cursor body, struct err_msg *msg)
{
    struct binlog_incident i;
    if (binlog_incident_decode(body, &i) != ERR_OK) i = (struct binlog_incident){0};
    return err_set(msg, ERR_SOURCE_CONFIG, "the source notes at %s:%" PRIu64 " that changes may be missing from its "
                   "binlog (INCIDENT %u: \"%.*s\"); delete the channel and create it anew", f->at.file, f->at.position,
                   i.kind, (int)i.text_bytes, i.text_bytes > 0 ? i.text : "");
}

static enum err dispatch(struct follower *f, const struct binlog_header *h, uint64_t start, struct cursor body,
                         struct err_msg *msg);

struct payload_place { /* of the compressed transaction that an event stands in */
    struct follower *follower;
    uint64_t start;
    bool event_failed;
};

static enum err on_payload_event(void *context, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    struct payload_place *p = context;
    enum err e = dispatch(p->follower, h, p->start, body, msg);
    p->event_failed = e != ERR_OK;
    return e;
}

static enum err on_payload(struct follower *f, uint64_t start, struct cursor body, struct err_msg *msg)
{
    struct payload_place place = {.follower = f, .start = start};
    struct err_msg why = {0};
    enum err e = payload_events(&f->payload, body, f->config.event_bytes_max, on_payload_event, &place, &why);
    if (e != ERR_OK && place.event_failed && msg != NULL) *msg = why;
    if (e == ERR_OK || place.event_failed) return e;
    return err_within(msg, e, &why, "the TRANSACTION_PAYLOAD event before %s:%" PRIu64, f->at.file, f->at.position);
}

static enum err dispatch(struct follower *f, const struct binlog_header *h, uint64_t start, struct cursor body,
                         struct err_msg *msg)
{
    switch (h->type) {
    case BINLOG_FORMAT_DESCRIPTION: return on_format(f, h, body, msg);
    case BINLOG_ROTATE: return on_rotate(f, h, body, msg);
    case BINLOG_STOP: return binlog_breaks(f, msg);
    case BINLOG_HEARTBEAT:
    case BINLOG_HEARTBEAT_V2: return on_idle(f, msg);
    default: break;
    }
    f->awaits_gtids = false; /* this event says them, or nothing does */
    if (!f->format_known)
        return err_set(msg, ERR_UNSUPPORTED, "%s does not begin with a FORMAT_DESCRIPTION event: it was written by a "
                       "server before 5.0 or is encrypted; follow a server of version 5.1 or later", f->at.file);
    switch (h->type) {
    case BINLOG_GTID:
    case BINLOG_GTID_TAGGED:
    case BINLOG_ANONYMOUS_GTID: return on_gtid(f, h, start, body, msg);
    case BINLOG_MARIADB_GTID: return on_mariadb_gtid(f, h, start, body, msg);
    case BINLOG_PREVIOUS_GTIDS:
    case BINLOG_MARIADB_GTID_LIST: return on_gtid_set(f, h, body, msg);
    case BINLOG_QUERY: return on_query(f, h, start, body, msg);
    case BINLOG_MARIADB_QUERY_COMPRESSED: return on_query_compressed(f, h, start, body, msg);
    case BINLOG_XID: return on_end(f, h, true, msg);
    case BINLOG_XA_PREPARE: return on_xa_prepare(f, h, body, msg);
    case BINLOG_TABLE_MAP: return on_table_map(f, h, start, body, msg);
    case BINLOG_WRITE_ROWS_V1:
    case BINLOG_UPDATE_ROWS_V1:
    case BINLOG_DELETE_ROWS_V1:
    case BINLOG_WRITE_ROWS:
    case BINLOG_UPDATE_ROWS:
    case BINLOG_DELETE_ROWS:
    case BINLOG_PARTIAL_UPDATE_ROWS:
    case BINLOG_MARIADB_WRITE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_DELETE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_WRITE_ROWS_COMPRESSED:
    case BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED:
    case BINLOG_MARIADB_DELETE_ROWS_COMPRESSED: return on_rows(f, h, body, msg);
    case BINLOG_TRANSACTION_PAYLOAD: return on_payload(f, start, body, msg);
    case BINLOG_EXECUTE_LOAD_QUERY: return on_load_query(f, body, msg);
    case BINLOG_INCIDENT: return on_incident(f, body, msg);
    case BINLOG_BEGIN_LOAD_QUERY:
    case BINLOG_APPEND_BLOCK:
    case BINLOG_DELETE_FILE: /* what a LOAD DATA statement reads */
    case BINLOG_ROWS_QUERY:
    case BINLOG_MARIADB_ANNOTATE_ROWS:
    case BINLOG_MARIADB_CHECKPOINT:
    case BINLOG_IGNORABLE:
    case BINLOG_INTVAR:
    case BINLOG_RAND:
    case BINLOG_USER_VAR:
    case BINLOG_TRANSACTION_CONTEXT:
    case BINLOG_VIEW_CHANGE:
    case BINLOG_MARIADB_START_ENCRYPTION: return ERR_OK; /* the wire carries what is in encrypted files decrypted */
    default: return (h->flags & BINLOG_FLAG_IGNORABLE) != 0 ? ERR_OK : unsupported(f, h, msg);
    }
}

/* The events at a file's head come again with every dump, and tell when the file was begun. */
static bool is_change_of_time(uint8_t type)
{
    return type != BINLOG_FORMAT_DESCRIPTION && type != BINLOG_ROTATE && type != BINLOG_PREVIOUS_GTIDS &&
           type != BINLOG_MARIADB_GTID_LIST;
}

enum err follower_event(struct follower *f, const uint8_t *event, size_t size, struct err_msg *msg)
{
    struct binlog_header h;
    struct cursor in = cursor_of(event, size);
    if (binlog_header_decode(&in, &h) != ERR_OK || h.event_size != size)
        return err_set(msg, ERR_CORRUPT, "the event behind %s:%" PRIu64 " has a header that contradicts its size",
                       f->at.file, f->at.position);
    f->bytes_read += size;
    size_t kept = size;
    if (binlog_checksum_take(f->format_known ? &f->format : NULL, &h, event, &kept) != ERR_OK)
        return err_set(msg, ERR_CORRUPT, "the %s event behind %s:%" PRIu64 " has a wrong checksum, so the source's "
                       "binlog is damaged, or the connection to it; look at it there with mysqlbinlog "
                       "--verify-binlog-checksum", binlog_event_name(h.type), f->at.file, f->at.position);
    uint64_t start = f->at.position;
    if (h.next_position != 0 && h.type != BINLOG_HEARTBEAT && h.type != BINLOG_HEARTBEAT_V2 &&
        h.type != BINLOG_FORMAT_DESCRIPTION) {
        f->at.position = binlog_position_after(start, h.next_position);
        if (h.event_size <= f->at.position - start)
            start = f->at.position - h.event_size; /* the source left events out */
    }
    bool is_timed = h.timestamp_s != 0 && is_change_of_time(h.type);
    if (is_timed) f->newest_timestamp_s = h.timestamp_s;
    f->timed_events += is_timed;
    enum err e = dispatch(f, &h, start, cursor_of(event + BINLOG_HEADER_BYTES, kept - BINLOG_HEADER_BYTES), msg);
    if (h.type == BINLOG_FORMAT_DESCRIPTION && e == ERR_OK && h.next_position != 0 &&
        f->at.position == BINLOG_FIRST_POSITION)
        f->at.position = h.next_position;
    return e;
}

/* Statements: which are emitted, which are lost changes, and what they do to the definitions. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "capture/ddl.h"
#include "capture/follower.h"

static bool names_selected(const struct follower *f)
{
    const struct statement *st = f->statement;
    for (uint32_t i = 0; i < st->name_count; i++) {
        const struct statement_name *n = &st->name[i];
        if (n->table[0] == '\0'
                ? filter_selects_database(f->filter, n->database, strlen(n->database))
                : filter_selects(f->filter, n->database, strlen(n->database), n->table, strlen(n->table)))
            return true;
    }
    return false;
}

bool follower_ddl_is_selected(const struct follower *f, const struct binlog_query *q)
{
    const struct statement *st = f->statement;
    if (f->config.ddl_instance) return true;
    if (st->touches == STATEMENT_TOUCHES_NOTHING || st->touches == STATEMENT_TOUCHES_UNKNOWN)
        return filter_selects_database(f->filter, q->database, q->database_bytes);
    return names_selected(f);
}

enum err follower_statement_change(struct follower *f, const struct binlog_query *q, struct err_msg *msg)
{
    const struct statement *st = f->statement;
    bool concerns =
        st->touches == STATEMENT_TOUCHES_UNKNOWN && filter_selects_database(f->filter, q->database, q->database_bytes);
    for (uint32_t i = 0; i < st->name_count; i++) {
        const struct statement_name *n = &st->name[i];
        concerns |= filter_selects(f->filter, n->database, strlen(n->database), n->table, strlen(n->table));
    }
    if (!concerns) return ERR_OK;
    enum err e = err_set(msg, ERR_SOURCE_CONFIG, "at %s:%" PRIu64 " the source wrote a statement instead of row "
                         "changes (\"%.*s\"); set binlog_format=ROW for all sessions of the source, and have this "
                         "statement passed over (millrace channel configure NAME --statement-events warn), or make the "
                         "channel anew behind it", f->at.file, f->at.position,
                         ddl_shown_bytes(q->text, q->text_bytes, 100), q->text);
    if (f->config.statements_are_errors) return e;
    counter_add(f->config.statement_events, 1);
    log_warn("capture", "channel %s: changes are LOST: %.*s", f->config.channel, err_cause_bytes(msg), msg->text);
    return ERR_OK;
}

/* Prepared definitions of what is gone: a table of which a row comes is looked up anew in any case. */
static void forget(struct schema *schema, const struct catalog_effect *effect)
{
    for (uint32_t i = 0; i < effect->count; i++) {
        const struct catalog_change *c = &effect->change[i];
        if (c->old_table != NULL)
            schema_forget(schema, c->old_database, c->old_table);
        else if (c->kind == CATALOG_DROPPED && c->table != NULL)
            schema_forget(schema, c->database, c->table);
        else if (c->kind == CATALOG_DROPPED)
            schema_forget_database(schema, c->database);
    }
}

enum err follower_ddl_definitions(struct follower *f, const struct binlog_query *q, struct err_msg *msg)
{
    char database[STATEMENT_NAME_BYTES];
    snprintf(database, sizeof database, "%.*s", (int)q->database_bytes, q->database);
    const struct catalog_context context = {
        .database = database,
        .sql_mode = q->sql_mode,
        .error_code = q->error_code,
        .server_collation = q->server_collation,
        .default_collation = q->default_collation,
        .default_collation_count = q->default_collation_count,
        .explicit_defaults_for_timestamp =
            q->has_explicit_timestamps ? q->explicit_timestamps : f->explicit_timestamps};
    struct tracker_move move;
    TRY(tracker_apply(f->definitions.tracker, &f->at, f->transaction.gtid, &context, f->statement, q->text,
                      q->text_bytes, &move, msg));
    if (!move.is_new) return ERR_OK;
    forget(f->definitions.schema, &move.effect);
    schema_moved(f->definitions.schema);
    if (move.is_read) return ERR_OK;
    if (f->statement->touches != STATEMENT_TOUCHES_UNKNOWN && !names_selected(f)) return ERR_OK;
    log_warn("capture", "channel %s: %s", f->config.channel, msg->text);
    if (f->machine.state == TRANSACTION_OPEN) return ERR_OK;
    enum err e = f->config.refresh(f->config.refresh_context, msg);
    return e == ERR_AGAIN ? ERR_OK : e; /* asked for when a row needs it */
}

/* Rows that must wait: of an XA transaction until it is committed, when they become records as if they had been written
 * there, with the place and the time of its XA COMMIT; and rows behind a savepoint, which may be taken back, until the
 * transaction's end.  (The source takes them back itself where it can: SAVEPOINT is often in a binlog, ROLLBACK TO only
 * where tables without transactions or temporary tables kept it from that.) */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/log.h"
#include "capture/ddl.h"
#include "capture/follower.h"

/* --- the spool --- */

/* Most sources never prepare anything: the folder is made when it is needed. */
enum err follower_xa_open(struct follower *f, const char *folder, uint64_t next_offset, struct err_msg *msg)
{
    struct stat st;
    f->xa.folder = strdup(folder);
    if (f->xa.folder == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", f->config.channel);
    if (stat(folder, &st) != 0) {
        if (errno == ENOENT) return ERR_OK;
        return err_set(msg, ERR_IO, "cannot look into %s, where prepared XA transactions are kept: %s", folder,
                       strerror(errno));
    }
    TRY(xa_spool_open(&f->xa.spool, folder, next_offset, msg));
    uint32_t count = xa_spool_count(f->xa.spool);
    if (count > 0) log_info("capture", "channel %s: %u XA transactions are prepared", f->config.channel, count);
    return ERR_OK;
}

void follower_xa_close(struct follower *f)
{
    xa_spool_close(f->xa.spool);
    free(f->xa.folder);
    free(f->xa.table);
    free(f->xa.savepoint);
    xa_bytes_free(&f->xa.bytes);
    f->xa = (struct follower_xa){0};
}

enum err follower_xa_sync(struct follower *f, struct err_msg *msg)
{
    return f->xa.spool == NULL ? ERR_OK : xa_spool_sync(f->xa.spool, msg);
}

/* What is left of a transaction that broke off never happened. */
static enum err spool_drop(struct follower *f, struct err_msg *msg)
{
    if (!f->xa.is_writing) return ERR_OK;
    f->xa.is_writing = false;
    return xa_spool_drop(f->xa.spool, msg);
}

/* --- rows on their way there --- */

static enum err spool_begin(struct follower *f, struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    TRY(spool_drop(f, msg));
    if (xa->spool == NULL) TRY(xa_spool_open(&xa->spool, xa->folder, 0, msg));
    const struct log_feed *feed = f->appender.config.feed;
    uint64_t durable = atomic_load_explicit(&feed->durable_offset, memory_order_acquire); /* pairs with storage */
    xa_spool_release(xa->spool, durable);
    TRY(xa_spool_begin(xa->spool, f->appender.next_offset, msg));
    xa->is_writing = f->transaction.is_spooled = true;
    xa->table_count = xa->savepoint_count = 0;
    TRY(xa_begin_encode(&f->transaction.begin, &xa->bytes));
    return xa_spool_put(xa->spool, XA_FRAME_BEGIN, xa->bytes.at, xa->bytes.size, msg);
}

enum err follower_xa_begin(struct follower *f, struct err_msg *msg)
{
    f->transaction.is_xa = true;
    if (f->transaction.is_known) return ERR_OK; /* the spool has it, or had it */
    if (f->xa.folder == NULL)
        return err_set(msg, ERR_UNSUPPORTED, "an XA transaction at %s:%" PRIu64 ", and no folder to keep it in",
                       f->at.file, f->at.position);
    return spool_begin(f, msg);
}

/* The number of the table's frame in the transaction, which is written when it is new.  A definition does not change
 * within a transaction, so a pointer tells one. */
static enum err table_number(struct follower *f, const struct change_table *table, uint32_t *out, struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    for (*out = xa->table_count; *out > 0; --*out) { /* the newest first: rows of a table stand together */
        if (xa->table[*out - 1] != table) continue;
        --*out;
        return ERR_OK;
    }
    if (xa->table_count == xa->table_capacity) {
        uint32_t capacity = xa->table_capacity == 0 ? 16 : 2 * xa->table_capacity;
        const struct change_table **bigger = realloc(xa->table, capacity * sizeof *bigger);
        if (bigger == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the tables of an XA transaction");
        xa->table = bigger;
        xa->table_capacity = capacity;
    }
    TRY(xa_table_encode(table, &xa->bytes));
    TRY(xa_spool_put(xa->spool, XA_FRAME_TABLE, xa->bytes.at, xa->bytes.size, msg));
    xa->table[*out = xa->table_count++] = table;
    return ERR_OK;
}

enum err follower_xa_row(struct follower *f, const struct follower_row *row, const struct change_table *table,
                         struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    struct xa_row out = {.operation = row->operation,
                         .column_count = table->column_count,
                         .timestamp_s = row->h->timestamp_s,
                         .start_position = row->start_position,
                         .end_position = row->end_position};
    TRY(table_number(f, table, &out.table, msg));
    TRY(xa_row_encode(&out, f->before, f->after, &xa->bytes));
    return xa_spool_put(xa->spool, XA_FRAME_ROW, xa->bytes.at, xa->bytes.size, msg);
}

enum err follower_xa_prepared(struct follower *f, const struct xid *xid, struct err_msg *msg)
{
    f->xa.is_writing = f->transaction.is_spooled = false;
    return xa_spool_prepared(f->xa.spool, xid, f->appender.next_offset, msg);
}

/* --- savepoints --- */

/* The name at the statement's end, without its quotes: what stands behind the last of these words. */
static bool savepoint_name(const struct binlog_query *q, char out[static FOLLOWER_SAVEPOINT_BYTES])
{
    static const char *const word[] = {"ROLLBACK", "WORK", "TO", "SAVEPOINT"};
    const char *at = q->text, *end = q->text + q->text_bytes;
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++) {
        size_t size = strlen(word[i]);
        while (at < end && *at == ' ') at++;
        bool is_there = (size_t)(end - at) > size && strncasecmp(at, word[i], size) == 0 &&
                        (at[size] == ' ' || at[size] == '`');
        if (is_there) at += size;
    }
    while (at < end && *at == ' ') at++;
    while (end > at && end[-1] == ' ') end--;
    if (end - at >= 2 && *at == '`' && end[-1] == '`') at++, end--;
    size_t size = (size_t)(end - at);
    if (size == 0 || size >= FOLLOWER_SAVEPOINT_BYTES) return false;
    memcpy(out, at, size);
    out[size] = '\0';
    return true;
}

/* Its place in the list, or savepoint_count. */
static uint32_t savepoint_find(const struct follower_xa *xa, const char *name)
{
    uint32_t i = 0;
    while (i < xa->savepoint_count && strcasecmp(xa->savepoint[i].name, name) != 0) i++;
    return i;
}

enum err follower_savepoint(struct follower *f, const struct binlog_query *q, struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    char name[FOLLOWER_SAVEPOINT_BYTES];
    bool waits = f->machine.state == TRANSACTION_OPEN && !f->transaction.is_known && !f->transaction.is_dead;
    if (!waits || xa->folder == NULL || !savepoint_name(q, name)) return ERR_OK;
    if (!f->transaction.is_spooled) TRY(spool_begin(f, msg));
    uint32_t at = savepoint_find(xa, name);
    if (at < xa->savepoint_count) { /* a name used again is the newer one's */
        memmove(&xa->savepoint[at], &xa->savepoint[at + 1], (xa->savepoint_count - at - 1) * sizeof *xa->savepoint);
        xa->savepoint_count--;
    }
    if (xa->savepoint_count == xa->savepoint_capacity) {
        uint32_t capacity = xa->savepoint_capacity == 0 ? 4 : 2 * xa->savepoint_capacity;
        struct follower_savepoint *bigger = realloc(xa->savepoint, capacity * sizeof *bigger);
        if (bigger == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for %u savepoints", capacity);
        xa->savepoint = bigger;
        xa->savepoint_capacity = capacity;
    }
    struct follower_savepoint *s = &xa->savepoint[xa->savepoint_count++];
    *s = (struct follower_savepoint){.mark = xa_spool_mark(xa->spool), .table_count = xa->table_count};
    memcpy(s->name, name, sizeof s->name);
    return ERR_OK;
}

enum err follower_rollback_to(struct follower *f, const struct binlog_query *q, struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    struct follower_transaction *t = &f->transaction;
    char name[FOLLOWER_SAVEPOINT_BYTES];
    if (t->is_known || t->is_dead) return ERR_OK;
    uint32_t at = t->is_spooled && savepoint_name(q, name) ? savepoint_find(xa, name) : xa->savepoint_count;
    if (t->is_spooled && at < xa->savepoint_count) {
        xa->table_count = xa->savepoint[at].table_count;
        xa->savepoint_count = at + 1;
        return xa_spool_cut(xa->spool, xa->savepoint[at].mark, msg);
    }
    if (!t->began && !t->is_spooled) return ERR_OK;
    return err_set(msg, ERR_UNSUPPORTED,
                   "at %s:%" PRIu64 " the source rolls back to a savepoint that is not in its binlog (\"%.*s\"), "
                   "in a transaction whose changes it logged",
                   f->at.file, f->at.position, ddl_shown_bytes(q->text, q->text_bytes, 100), q->text);
}

/* --- rows on their way back --- */

struct replay {
    struct follower *follower;
    const struct binlog_header *h;
    bool keeps_places; /* each row's own, else that of `h` */
    struct change_table **table;
    uint32_t table_count, table_capacity;
};

static enum err replay_table(struct replay *r, const uint8_t *bytes, size_t size, struct err_msg *msg)
{
    if (r->table_count == r->table_capacity) {
        uint32_t capacity = r->table_capacity == 0 ? 16 : 2 * r->table_capacity;
        struct change_table **bigger = realloc(r->table, capacity * sizeof *bigger);
        if (bigger == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the tables of an XA transaction");
        r->table = bigger;
        r->table_capacity = capacity;
    }
    struct change_table *t;
    TRY(xa_table_decode(bytes, size, &t));
    enum err e = r->follower->config.format->table_prepare(t);
    if (e == ERR_OK)
        r->table[r->table_count++] = t;
    else
        free(t);
    return e;
}

static enum err replay_row(struct replay *r, const uint8_t *bytes, size_t size, struct err_msg *msg)
{
    struct follower *f = r->follower;
    struct xa_row row;
    TRY(xa_row_decode(bytes, size, SCHEMA_COLUMNS_MAX, &row, f->before, f->after));
    if (row.table >= r->table_count || row.column_count != r->table[row.table]->column_count) return ERR_CORRUPT;
    struct binlog_header h = *r->h;
    struct follower_row at = {.h = &h,
                              .start_position = f->transaction.start_position,
                              .end_position = f->at.position,
                              .read_ms = f->transaction.read_ms,
                              .operation = row.operation};
    if (r->keeps_places) {
        h.timestamp_s = row.timestamp_s;
        at.start_position = row.start_position;
        at.end_position = row.end_position;
    }
    return follower_emit_change(f, &at, r->table[row.table], bytes, size, msg);
}

static enum err replay_frame(void *context, uint8_t kind, const uint8_t *bytes, size_t size, struct err_msg *msg)
{
    struct replay *r = context;
    enum err e = ERR_CORRUPT;
    if (kind == XA_FRAME_BEGIN)
        e = xa_begin_decode(bytes, size, &r->follower->transaction.begin);
    else if (kind == XA_FRAME_TABLE)
        e = replay_table(r, bytes, size, msg);
    else if (kind == XA_FRAME_ROW)
        e = replay_row(r, bytes, size, msg);
    if (e == ERR_CORRUPT)
        return err_set(msg, e, "a prepared XA transaction in %s cannot be read: kind %u of %zu bytes",
                       r->follower->xa.folder, kind, size);
    return e;
}

/* Emits BEGIN and rows. */
static enum err replay(struct follower *f, const struct binlog_header *h, const struct xid *xid, struct err_msg *msg)
{
    struct replay r = {.follower = f, .h = h, .keeps_places = xid == NULL && !f->transaction.is_xa};
    enum err e = xa_spool_read(f->xa.spool, xid, replay_frame, &r, msg);
    for (uint32_t i = 0; i < r.table_count; i++) {
        f->config.format->table_release(r.table[i]);
        free(r.table[i]);
    }
    free(r.table);
    return e;
}

enum err follower_xa_unspool(struct follower *f, const struct binlog_header *h, bool emits, struct err_msg *msg)
{
    f->transaction.is_spooled = false;
    if (emits) TRY(replay(f, h, NULL, msg));
    return spool_drop(f, msg);
}

enum err follower_xa_over(struct follower *f, const struct binlog_header *h, const struct xid *xid, bool committed,
                          struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    TRY(spool_drop(f, msg));
    if (xa->spool == NULL || !xa_spool_has(xa->spool, xid)) {
        char name[XID_TEXT_BYTES];
        xid_text(xid, name);
        if (!committed) return ERR_OK;
        counter_add(f->config.xa_unknown, 1);
        log_warn("capture",
                 "channel %s: XA COMMIT %s at %s:%" PRIu64 ": it was prepared before the place where this channel "
                 "began, so its changes are not in it",
                 f->config.channel, name, f->at.file, f->at.position);
        return ERR_OK;
    }
    uint64_t next_offset = f->appender.next_offset; /* before its records: when they are cut, so is the mark */
    if (committed) TRY(replay(f, h, xid, msg));
    return xa_spool_done(xa->spool, xid, next_offset, msg);
}

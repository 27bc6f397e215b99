/* XA transactions: the rows of one that is being prepared go to the spool; when it is committed they become records, as
 * if it had been written there, with the place and the time of its XA COMMIT. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "capture/follower.h"

/* --- the spool --- */

/* Most sources never prepare anything: the folder is made when it is needed. */
enum err follower_xa_open(struct follower *f, const char *folder, uint64_t next_offset, struct err_msg *msg)
{
    struct stat st;
    f->xa.folder = strdup(folder);
    if (f->xa.folder == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", f->config.channel);
    if (stat(folder, &st) != 0) return ERR_OK;
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
    xa_bytes_free(&f->xa.bytes);
    f->xa = (struct follower_xa){0};
}

enum err follower_xa_sync(struct follower *f, struct err_msg *msg)
{
    return f->xa.spool == NULL ? ERR_OK : xa_spool_sync(f->xa.spool, msg);
}

enum err follower_xa_drop(struct follower *f, struct err_msg *msg)
{
    if (!f->xa.is_writing) return ERR_OK;
    f->xa.is_writing = false;
    return xa_spool_drop(f->xa.spool, msg);
}

/* --- one that is being prepared --- */

enum err follower_xa_begin(struct follower *f, struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    TRY(follower_xa_drop(f, msg));
    f->transaction.is_xa = true;
    if (f->transaction.is_known) return ERR_OK; /* the spool has it, or had it */
    if (xa->folder == NULL)
        return err_set(msg, ERR_UNSUPPORTED, "an XA transaction at %s:%" PRIu64 ", and no folder to keep it in",
                       f->at.file, f->at.position);
    if (xa->spool == NULL) TRY(xa_spool_open(&xa->spool, xa->folder, 0, msg));
    struct log_feed *feed = f->appender.config.feed;
    uint64_t durable = atomic_load_explicit(&feed->durable_offset, memory_order_acquire); /* pairs with storage */
    xa_spool_release(xa->spool, durable);
    TRY(xa_spool_begin(xa->spool, f->appender.next_offset, msg));
    xa->is_writing = true;
    xa->table_count = 0;
    TRY(xa_begin_encode(&f->transaction.begin, &xa->bytes));
    return xa_spool_put(xa->spool, XA_FRAME_BEGIN, xa->bytes.at, xa->bytes.size, msg);
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

enum err follower_xa_row(struct follower *f, const struct change_table *table, enum change_operation operation,
                         struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    uint32_t number;
    TRY(table_number(f, table, &number, msg));
    TRY(xa_row_encode(number, operation, table->column_count, f->before, f->after, &xa->bytes));
    return xa_spool_put(xa->spool, XA_FRAME_ROW, xa->bytes.at, xa->bytes.size, msg);
}

enum err follower_xa_prepared(struct follower *f, const struct xid *xid, struct err_msg *msg)
{
    f->xa.is_writing = false;
    return xa_spool_prepared(f->xa.spool, xid, f->appender.next_offset, msg);
}

/* --- one that is committed --- */

struct replay {
    struct follower *follower;
    const struct binlog_header *h;
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
    struct follower_row at = {.h = r->h,
                              .start_position = f->transaction.start_position,
                              .end_position = f->at.position,
                              .read_ms = f->transaction.read_ms,
                              .operation = row.operation};
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
    struct replay r = {.follower = f, .h = h};
    enum err e = xa_spool_read(f->xa.spool, xid, replay_frame, &r, msg);
    for (uint32_t i = 0; i < r.table_count; i++) {
        f->config.format->table_release(r.table[i]);
        free(r.table[i]);
    }
    free(r.table);
    return e;
}

enum err follower_xa_one_phase(struct follower *f, const struct binlog_header *h, struct err_msg *msg)
{
    f->transaction.is_xa = false;
    TRY(replay(f, h, NULL, msg));
    return follower_xa_drop(f, msg);
}

enum err follower_xa_over(struct follower *f, const struct binlog_header *h, const struct xid *xid, bool committed,
                          struct err_msg *msg)
{
    struct follower_xa *xa = &f->xa;
    TRY(follower_xa_drop(f, msg));
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

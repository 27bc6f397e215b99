/* Is the definition of every selected table known from the start on?  docs/design.md 8, "Definitions are those of the
 * position", says where definitions come from.
 *
 * The statements between the start and now are looked through where that is a short look.  What cannot be told here is
 * told when capture gets there: a warning, never a failure. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "capture/catalog.h"
#include "capture/horizon.h"
#include "capture/precheck.h"
#include "capture/read_ahead.h"
#include "capture/schema_file.h"

enum { MIB = 1 << 20, LOOK_BYTES_MAX = 256 * MIB, NAMES_SHOWN = 5, NAMES_BYTES = 240 };

static const char item[] = "definitions";
static const char mend[] = "give the channel a schema_file (mysqldump --no-data --databases) with their CREATE TABLE "
                           "of the start's time, or begin behind these statements";

struct backlog { /* binlog bytes from a place to the end */
    const struct source_place *from;
    uint64_t bytes;
};

static enum err backlog_row(void *context, const char *const *field, const size_t *size, uint32_t count)
{
    struct backlog *b = context;
    char name[SOURCE_FILE_BYTES], number[32];
    if (count < 2 || field[0] == NULL || field[1] == NULL || size[0] >= sizeof name) return ERR_INVALID;
    snprintf(name, sizeof name, "%.*s", (int)size[0], field[0]);
    snprintf(number, sizeof number, "%.*s", (int)size[1], field[1]);
    uint64_t bytes = strtoull(number, NULL, 10);
    if (source_file_number(name) < source_file_number(b->from->file)) return ERR_OK;
    b->bytes += bytes;
    if (strcmp(name, b->from->file) == 0) b->bytes -= b->from->position < bytes ? b->from->position : bytes;
    return ERR_OK;
}

static enum err metadata_row(void *context, const char *const *field, const size_t *size, uint32_t count)
{
    if (count >= 2 && field[1] != NULL) *(bool *)context = size[1] == 4 && strncasecmp(field[1], "FULL", 4) == 0;
    return ERR_OK;
}

/* What the user's file defines. */
static enum err read_schema(const struct precheck_door *d, struct catalog **out, struct err_msg *msg)
{
    struct catalog_server server;
    const char *file = d->config->schema_file;
    if (!catalog_server_parse(&server, d->facts->version) || catalog_open(out, &server) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory for table definitions");
    for (uint32_t i = 0; d->catalog != NULL && i < catalog_database_count(d->catalog); i++)
        TRY(catalog_put_database(*out, catalog_database_name(d->catalog, i), catalog_database_collation(d->catalog, i),
                                 msg));
    return file == NULL || file[0] == '\0' ? ERR_OK : schema_file_read(file, *out, msg);
}

static enum err look_through(const struct precheck_door *d, const struct source_place *from, struct horizon *h,
                             struct err_msg *msg)
{
    struct read_ahead look;
    struct source_place end;
    struct payload_reader payload = {0};
    struct catalog_server server;
    struct gtid_set gtids = {0};
    struct statement *statement = malloc(sizeof *statement);
    enum err e = statement == NULL || !catalog_server_parse(&server, d->facts->version)
                     ? err_set(msg, ERR_NO_MEMORY, "no memory to look through the binlog")
                     : source_end(d->stream, d->facts, &end, NULL, msg);
    if (e == ERR_OK) {
        const struct read_ahead_door door = {.stream = d->stream,
                                             .stop = d->stop,
                                             .statement = statement,
                                             .payload = &payload,
                                             .event_bytes_max = d->config->packet_bytes_max,
                                             .server = &server,
                                             .horizon = h,
                                             .gtids = &gtids};
        read_ahead_begin(&look, from, &end, false);
        e = read_ahead(&look, &door, msg);
    }
    payload_reader_free(&payload);
    gtid_set_free(&gtids);
    free(statement);
    return e;
}

/* Names of what was changed before it was made, and is in no schema_file. */
static uint32_t unknown_names(const struct precheck_door *d, const struct horizon *h, const struct catalog *schema,
                              char *names)
{
    uint32_t count = 0;
    size_t used = 0;
    names[0] = '\0';
    for (uint32_t i = 0; i < h->touch_count; i++) {
        const struct horizon_touch *t = &h->touch[i];
        bool is_table = t->table[0] != '\0';
        bool selected = is_table ? filter_selects(d->filter, t->database, strlen(t->database), t->table,
                                                  strlen(t->table))
                                 : filter_selects_database(d->filter, t->database, strlen(t->database));
        bool is_told = is_table && catalog_find_table(schema, t->database, t->table) != NULL;
        if (!selected || t->is_made || is_told) continue;
        if (++count <= NAMES_SHOWN && used < NAMES_BYTES)
            used += (size_t)snprintf(names + used, NAMES_BYTES - used, "%s%s.%s", used == 0 ? "" : ", ", t->database,
                                     is_table ? t->table : "*");
        else if (count == NAMES_SHOWN + 1 && used < NAMES_BYTES)
            snprintf(names + used, NAMES_BYTES - used, ", ...");
    }
    return count;
}

static void judge(const struct precheck_door *d, const struct source_place *from, const struct horizon *h,
                  const struct catalog *schema)
{
    char names[NAMES_BYTES];
    uint32_t count = unknown_names(d, h, schema, names);
    if (count > 0)
        precheck_add(d->report, item, PRECHECK_WARNING, ERR_OK, "COM_BINLOG_DUMP", mend,
                     "between the start and now the definitions of %" PRIu32 " selected tables were changed, so those "
                     "of the start are not known: %s",
                     count, names);
    else if (h->touches_all)
        precheck_add(d->report, item, PRECHECK_WARNING, ERR_OK, "COM_BINLOG_DUMP", mend,
                     "before %s:%" PRIu64 " stands a statement that may have changed any table", h->all_place.file,
                     h->all_place.position);
    else
        precheck_add(d->report, item, PRECHECK_PASS, ERR_OK, "COM_BINLOG_DUMP", "",
                     "they are known from %s:%" PRIu64 " on", from->file, from->position);
}

void precheck_definitions(const struct precheck_door *d, const struct source_place *from)
{
    static const char metadata_sql[] = "SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'";
    struct backlog backlog = {.from = from};
    struct horizon horizon = {0};
    struct catalog *schema = NULL;
    struct err_msg why = {0};
    bool is_full = false;
    if (d->config->start == CAPTURE_START_NOW) {
        precheck_add(d->report, item, PRECHECK_PASS, ERR_OK, "", "", "they are those that the source has now");
        return;
    }
    enum err e = d->stream->ops->query(d->stream, metadata_sql, metadata_row, &is_full, &why);
    if (e == ERR_OK && is_full) {
        precheck_add(d->report, item, PRECHECK_PASS, ERR_OK, metadata_sql, "",
                     "FULL: what was written since it was set says its own definitions");
        return;
    }
    if (e == ERR_OK) e = read_schema(d, &schema, &why);
    if (e == ERR_OK) e = d->stream->ops->query(d->stream, "SHOW BINARY LOGS", backlog_row, &backlog, &why);
    if (e == ERR_OK && backlog.bytes > LOOK_BYTES_MAX) {
        precheck_add(d->report, item, PRECHECK_WARNING, ERR_OK, "SHOW BINARY LOGS", mend,
                     "not looked through: %.0f MiB of binlog lie between the start and now; a selected table that was "
                     "altered there ends the channel at its first row before",
                     (double)backlog.bytes / MIB);
    } else if (e == ERR_OK) {
        e = look_through(d, from, &horizon, &why);
        if (e == ERR_OK) judge(d, from, &horizon, schema);
    }
    if (e != ERR_OK)
        precheck_add_why(d->report, item, e == ERR_INVALID || e == ERR_NOT_FOUND ? PRECHECK_FAILURE : PRECHECK_WARNING,
                         e, "COM_BINLOG_DUMP", "correct the schema_file, or look at the source", &why);
    horizon_free(&horizon);
    if (schema != NULL) catalog_close(schema);
}

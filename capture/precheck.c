#include "capture/precheck.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "capture/catalog.h"
#include "capture/filter.h"
#include "capture/schema.h"
#include "capture/snapshot.h"
#include "capture/source_facts.h"
#include "capture/source_stream.h"
#include "capture/start_place.h"
#include "formats/record_format.h"

enum {
    NAMES_SHOWN = 5, /* tables named in one item */
    NAMES_BYTES = 240,
    DAY_S = 86400,
    LINGER_MS = 1500, /* so long a source may take to notice that a replica has gone */
    VERSION_8_0_22 = 0x080016,
    VERSION_8_2 = 0x080200,
    VERSION_9_6 = 0x090600,
};

struct precheck {
    const struct capture_config *config;
    struct source_stream *stream;
    struct source_facts facts;
    struct filter *filter;
    struct catalog *catalog;                /* all definitions of now */
    const struct catalog_table **selected; /* in it */
    uint32_t selected_count;
    struct precheck_report *report;
    _Atomic bool stop; /* never set: the time limits of the stream bound all */
};

const char *precheck_verdict_name(enum precheck_verdict v)
{
    static const char *const names[] = {"pass", "warning", "failure", "skipped"};
    return names[v];
}

void precheck_add(struct precheck_report *r, const char *name, enum precheck_verdict verdict, enum err code,
                  const char *sql, const char *mend, const char *format, ...)
{
    if (r->count == PRECHECK_ITEMS_MAX) return;
    struct precheck_item *item = &r->item[r->count++];
    va_list arguments;
    *item = (struct precheck_item){.name = name, .verdict = verdict, .code = code, .sql = sql};
    va_start(arguments, format);
    vsnprintf(item->found, sizeof item->found, format, arguments);
    va_end(arguments);
    if (verdict == PRECHECK_FAILURE && mend[0] == '\0') mend = err_mend(code);
    snprintf(item->mend, sizeof item->mend, "%s", verdict == PRECHECK_PASS ? "" : mend);
}

void precheck_add_why(struct precheck_report *r, const char *name, enum precheck_verdict verdict, enum err code,
                      const char *sql, const char *mend, const struct err_msg *why)
{
    bool is_refused = code == ERR_ACCESS_DENIED || code == ERR_CONNECT || code == ERR_DISCONNECTED; /* not the item's */
    const char *says = why->cause_bytes > 0 || is_refused || mend[0] == '\0' ? err_what_to_do(why) : mend;
    precheck_add(r, name, verdict, code, sql, says, "%.*s", err_cause_bytes(why), why->text);
}

#define PASS(p, name, sql, ...) precheck_add((p)->report, name, PRECHECK_PASS, ERR_OK, sql, "", __VA_ARGS__)
#define WARN(p, name, sql, mend, ...)                                                                                  \
    precheck_add((p)->report, name, PRECHECK_WARNING, ERR_OK, sql, mend, __VA_ARGS__)
#define FAIL(p, name, code, sql, mend, ...)                                                                            \
    precheck_add((p)->report, name, PRECHECK_FAILURE, code, sql, mend, __VA_ARGS__)
#define SKIP(p, name, why) precheck_add((p)->report, name, PRECHECK_SKIPPED, ERR_OK, "", "", "not checked: %s", why)

/* --- answers --- */

struct text_answer {
    char text[128];
    bool found;
};

static enum err value_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct text_answer *a = context;
    if (count < 2 || field[1] == NULL) return ERR_OK;
    snprintf(a->text, sizeof a->text, "%.*s", (int)bytes[1], field[1]);
    a->found = true;
    return ERR_OK;
}

struct names { /* tables found, the first few by name */
    const struct filter *filter;
    char text[NAMES_BYTES];
    uint32_t count;
};

static void names_add(struct names *n, const char *database, size_t database_bytes, const char *table,
                      size_t table_bytes)
{
    size_t used = strlen(n->text);
    if (++n->count <= NAMES_SHOWN)
        snprintf(n->text + used, sizeof n->text - used, "%s%.*s.%.*s", used == 0 ? "" : ", ", (int)database_bytes,
                 database, (int)table_bytes, table);
    else if (n->count == NAMES_SHOWN + 1)
        snprintf(n->text + used, sizeof n->text - used, ", ...");
}

/* Rows of (database, table, ...) that the channel selects. */
static enum err selected_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct names *n = context;
    if (count < 2 || field[0] == NULL || field[1] == NULL) return ERR_INVALID;
    if (filter_selects(n->filter, field[0], bytes[0], field[1], bytes[1]))
        names_add(n, field[0], bytes[0], field[1], bytes[1]);
    return ERR_OK;
}

struct replicas {
    uint32_t ours;
    bool is_taken;
};

static enum err replica_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct replicas *r = context;
    char text[16];
    if (count < 1 || field[0] == NULL) return ERR_OK;
    snprintf(text, sizeof text, "%.*s", (int)bytes[0], field[0]);
    if (strtoul(text, NULL, 10) == r->ours) r->is_taken = true;
    return ERR_OK;
}

static enum err ask(struct precheck *p, const char *sql, source_row *row, void *context, struct err_msg *msg)
{
    return p->stream->ops->query(p->stream, sql, row, context, msg);
}

/* --- the source's settings --- */

static void check_settings(struct precheck *p)
{
    const struct source_facts *f = &p->facts;
    static const char format_sql[] = "SHOW GLOBAL VARIABLES LIKE 'binlog_format'";
    static const char image_sql[] = "SHOW GLOBAL VARIABLES LIKE 'binlog_row_image'";
    static const char sync_sql[] = "SHOW GLOBAL VARIABLES LIKE 'sync_binlog'";
    static const char log_sql[] = "SHOW GLOBAL VARIABLES LIKE 'log_bin'";
    if (f->log_bin)
        PASS(p, "log_bin", log_sql, "ON");
    else
        FAIL(p, "log_bin", ERR_SOURCE_CONFIG, log_sql, "start the source with log_bin and binlog_format=ROW",
             "the source writes no binlog");

    if (f->binlog_format[0] == '\0')
        PASS(p, "binlog_format", format_sql, "this version has no such variable: it always writes rows");
    else if (strcasecmp(f->binlog_format, "ROW") == 0)
        PASS(p, "binlog_format", format_sql, "ROW");
    else
        FAIL(p, "binlog_format", ERR_SOURCE_CONFIG, format_sql,
             "SET GLOBAL binlog_format=ROW, also in my.cnf, then reconnect the source's clients",
             "binlog_format is %s on the source and must be ROW", f->binlog_format);

    if (f->row_image[0] == '\0')
        PASS(p, "binlog_row_image", image_sql, "this version has no such variable: rows are always whole");
    else if (strcasecmp(f->row_image, "FULL") == 0)
        PASS(p, "binlog_row_image", image_sql, "FULL");
    else if (p->config->partial_images_none)
        WARN(p, "binlog_row_image", image_sql, "SET GLOBAL binlog_row_image=FULL, then reconnect the source's clients",
             "binlog_row_image is %s on the source: what is missing in a row is marked, as the channel asks",
             f->row_image);
    else
        FAIL(p, "binlog_row_image", ERR_SOURCE_CONFIG, image_sql,
             "SET GLOBAL binlog_row_image=FULL, also in my.cnf, then reconnect the source's clients; or make the "
             "channel with partial_images none",
             "binlog_row_image is %s on the source and must be FULL", f->row_image);

    struct text_answer sync = {.found = false};
    struct err_msg ignored;
    if (ask(p, sync_sql, value_row, &sync, &ignored) != ERR_OK || !sync.found)
        PASS(p, "sync_binlog", sync_sql, "not told by the source");
    else if (strcmp(sync.text, "1") == 0)
        PASS(p, "sync_binlog", sync_sql, "1");
    else
        WARN(p, "sync_binlog", sync_sql, "SET GLOBAL sync_binlog=1, also in my.cnf",
             "sync_binlog is %s on the source: if its machine crashes, it may lose changes that the channel has "
             "already, and the channel ends in Error",
             sync.text);
}

static void check_server_id(struct precheck *p)
{
    const struct source_facts *f = &p->facts;
    uint32_t ours = p->config->server_id;
    bool is_new = !f->is_mariadb && f->version_number >= VERSION_8_0_22;
    const char *sql = is_new ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS";
    static const char mend[] = "give the channel another source.server_id, unique among the source and its replicas";
    if (f->server_id == 0) {
        FAIL(p, "server_id", ERR_SOURCE_CONFIG, "SHOW GLOBAL VARIABLES LIKE 'server_id'",
             "give the source a server_id from 1 on in my.cnf", "the source has no server id: it refuses replicas");
        return;
    }
    if (f->server_id == ours) {
        FAIL(p, "server_id", ERR_SOURCE_CONFIG, "SHOW GLOBAL VARIABLES LIKE 'server_id'", mend,
             "the channel's server id %" PRIu32 " is the source's own", ours);
        return;
    }
    struct replicas r = {ours, false};
    struct err_msg ignored;
    enum err e = ask(p, sql, replica_row, &r, &ignored);
    if (e == ERR_OK && r.is_taken) { /* perhaps the channel's own dump of a moment ago */
        nanosleep(&(struct timespec){LINGER_MS / 1000, LINGER_MS % 1000 * 1000000L}, NULL);
        r.is_taken = false;
        e = ask(p, sql, replica_row, &r, &ignored);
    }
    if (e == ERR_OK && r.is_taken)
        FAIL(p, "server_id", ERR_SOURCE_CONFIG, sql, mend,
             "a replica with the channel's server id %" PRIu32 " is connected to the source", ours);
    else
        PASS(p, "server_id", sql, "%" PRIu32 " is not the source's %" PRIu32 "%s", ours, f->server_id,
             e == ERR_OK ? ", nor that of a connected replica" : "; its replicas may not be listed by this account");
}

static void check_retention(struct precheck *p)
{
    static const char sql[] =
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds','expire_logs_days')";
    int64_t kept_s = p->facts.binlog_kept_s;
    bool has_seconds = !p->facts.is_mariadb && p->facts.version_number >= 0x080000;
    if (kept_s < 0)
        PASS(p, "retention", sql, "not told by the source");
    else if (kept_s == 0)
        PASS(p, "retention", sql, "the source keeps its binlogs until somebody purges them");
    else if (kept_s >= DAY_S)
        PASS(p, "retention", sql, "the source keeps its binlogs for %.1f hours", (double)kept_s / 3600);
    else
        WARN(p, "retention", sql, has_seconds ? "SET GLOBAL binlog_expire_logs_seconds=86400 or more"
                                              : "SET GLOBAL expire_logs_days=1 or more",
             "the source keeps its binlogs for %.1f hours only: a channel that stands still for longer cannot go on",
             (double)kept_s / 3600);
}

/* --- tables --- */

static bool selects(const struct filter *filter, const struct catalog_table *t)
{
    return filter_selects(filter, t->database, strlen(t->database), t->name, strlen(t->name));
}

/* Patterns that select nothing. */
static void check_patterns(struct precheck *p, const char *sql)
{
    struct names exact = {.count = 0}, wide = {.count = 0};
    for (const char *const *pattern = p->config->include; *pattern != NULL; pattern++) {
        const char *const alone[] = {*pattern, NULL};
        struct filter *one = NULL;
        uint32_t found = 0;
        if (filter_open(&one, alone, NULL, p->facts.ignore_case, NULL) != ERR_OK) continue;
        for (uint32_t i = 0; i < p->selected_count; i++) found += selects(one, p->selected[i]);
        filter_close(one);
        const char *dot = strchr(*pattern, '.');
        if (found > 0 || dot == NULL) continue;
        names_add(strchr(*pattern, '*') == NULL ? &exact : &wide, *pattern, (size_t)(dot - *pattern), dot + 1,
                  strlen(dot + 1));
    }
    uint32_t count = p->selected_count;
    if (exact.count > 0)
        FAIL(p, "objects", ERR_NOT_FOUND, sql, "create them, correct tables.include, or GRANT SELECT on them",
             "%" PRIu32 " tables do not exist, or the account may not see them: %s", exact.count, exact.text);
    else if (wide.count > 0)
        WARN(p, "objects", sql, "check tables.include, or GRANT SELECT; tables made later are followed",
             "%" PRIu32 " tables are selected, and none by %s", count, wide.text);
    else
        PASS(p, "objects", sql, "%" PRIu32 " tables are selected", count);
}

/* The selected tables' definitions, which must be of types that we know. */
static enum err select_tables(struct precheck *p, struct err_msg *msg)
{
    struct schema *schema;
    const struct schema_rules rules = {.ignore_case = p->facts.ignore_case};
    const struct catalog *c = p->catalog;
    uint32_t count = 0;
    for (uint32_t d = 0; d < catalog_database_count(c); d++) count += catalog_table_count(c, d);
    p->selected = calloc((size_t)count + 1, sizeof *p->selected);
    if (p->selected == NULL || schema_open(&schema, NULL, &rules) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory to read the table definitions");
    enum err e = ERR_OK;
    for (uint32_t d = 0; d < catalog_database_count(c); d++) {
        for (uint32_t i = 0; i < catalog_table_count(c, d) && e == ERR_OK; i++) {
            const struct catalog_table *t = catalog_table_at(c, d, i);
            const struct schema_table *ignored;
            if (t->kind != CATALOG_TABLE || !selects(p->filter, t)) continue;
            p->selected[p->selected_count++] = t;
            e = schema_define(schema, t, &ignored, msg);
        }
    }
    schema_close(schema);
    return e;
}

static void check_objects(struct precheck *p)
{
    static const char sql[] = "SELECT ... FROM information_schema.COLUMNS, information_schema.STATISTICS";
    struct snapshot_rules rules;
    struct err_msg why = {0};
    enum err e = snapshot_rules_read(p->stream, p->facts.version, &rules, &why);
    if (e == ERR_OK)
        e = filter_open(&p->filter, p->config->include, p->config->exclude, p->facts.ignore_case, &why);
    if (e == ERR_OK && catalog_open(&p->catalog, &rules.server) != ERR_OK)
        e = err_set(&why, ERR_NO_MEMORY, "no memory to read the table definitions");
    if (e == ERR_OK) e = snapshot_read(p->stream, p->filter, p->catalog, &why);
    if (e == ERR_OK) e = select_tables(p, &why);
    if (e == ERR_OK)
        check_patterns(p, sql);
    else
        precheck_add_why(p->report, "objects", PRECHECK_FAILURE, e, sql,
                         "correct the tables' definitions or tables.include and exclude", &why);
}

static bool has_primary_key(const struct catalog_table *t)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (t->key[i].kind == CATALOG_KEY_PRIMARY) return true;
    }
    return false;
}

static void check_keys(struct precheck *p)
{
    static const char sql[] = "SELECT ... FROM information_schema.STATISTICS";
    struct names without = {.count = 0};
    for (uint32_t i = 0; i < p->selected_count; i++) {
        const struct catalog_table *t = p->selected[i];
        if (!has_primary_key(t)) names_add(&without, t->database, strlen(t->database), t->name, strlen(t->name));
    }
    if (without.count == 0)
        PASS(p, "primary_keys", sql, "every selected table has one");
    else
        WARN(p, "primary_keys", sql, "give them a primary key",
             "%" PRIu32 " selected tables have none, so consumers cannot tell equal rows of them apart: %s",
             without.count, without.text);
}

static enum err cascade_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    static const char *const rules[] = {"DELETE CASCADE", "DELETE SET", "UPDATE CASCADE", "UPDATE SET"};
    bool *found = context;
    if (count < 2 || field[1] == NULL) return ERR_OK;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        *found |= memmem(field[1], bytes[1], rules[i], strlen(rules[i])) != NULL;
    return ERR_OK;
}

/* MariaDB shows its REFERENTIAL_CONSTRAINTS only to who may change the tables: their definitions as text serve as well.
 */
static enum err find_cascades(struct precheck *p, struct names *found, struct err_msg *msg)
{
    for (uint32_t i = 0; i < p->selected_count; i++) {
        const struct catalog_table *t = p->selected[i];
        char sql[1200];
        bool has_rules = false;
        if (strchr(t->database, '`') != NULL || strchr(t->name, '`') != NULL) continue;
        snprintf(sql, sizeof sql, "SHOW CREATE TABLE `%s`.`%s`", t->database, t->name);
        TRY(ask(p, sql, cascade_row, &has_rules, msg));
        if (has_rules) names_add(found, t->database, strlen(t->database), t->name, strlen(t->name));
    }
    return ERR_OK;
}

static void check_foreign_keys(struct precheck *p)
{
    const char *sql = "SELECT CONSTRAINT_SCHEMA, TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS "
                      "WHERE DELETE_RULE IN ('CASCADE','SET NULL','SET DEFAULT') "
                      "OR UPDATE_RULE IN ('CASCADE','SET NULL','SET DEFAULT')";
    struct names found = {.filter = p->filter};
    struct err_msg why = {0};
    enum err e = ERR_OK;
    if (!p->facts.is_mariadb && p->facts.version_number >= VERSION_9_6) {
        PASS(p, "foreign_keys", "", "this version writes the changes of cascades to its binlog");
        return;
    }
    if (p->facts.is_mariadb) {
        sql = "SHOW CREATE TABLE each table";
        e = find_cascades(p, &found, &why);
    } else {
        e = ask(p, sql, selected_row, &found, &why);
    }
    if (e != ERR_OK)
        precheck_add_why(p->report, "foreign_keys", PRECHECK_WARNING, ERR_OK, sql,
                         "look for ON DELETE and ON UPDATE in the tables' definitions", &why);
    else if (found.count == 0)
        PASS(p, "foreign_keys", sql, "no selected table is changed by cascades");
    else
        WARN(p, "foreign_keys", sql, "make the changes in statements of their own, or use MySQL 9.6 or later",
             "changes by ON DELETE or ON UPDATE rules are not in the binlog, and %" PRIu32
             " foreign keys of selected tables have such: %s",
             found.count, found.text);
}

/* --- privileges, start --- */

/* Each selected table can be opened: names of those that cannot, and why the first. */
static enum err open_tables(struct precheck *p, struct names *closed, struct err_msg *why)
{
    enum err first = ERR_OK;
    for (uint32_t i = 0; i < p->selected_count; i++) {
        const struct catalog_table *t = p->selected[i];
        char sql[1200];
        struct err_msg msg = {0};
        if (strchr(t->database, '`') != NULL || strchr(t->name, '`') != NULL) continue;
        snprintf(sql, sizeof sql, "SELECT 1 FROM `%s`.`%s` LIMIT 0", t->database, t->name);
        enum err e = ask(p, sql, NULL, NULL, &msg);
        if (e != ERR_ACCESS_DENIED) continue;
        if (first == ERR_OK) *why = msg;
        first = e;
        names_add(closed, t->database, strlen(t->database), t->name, strlen(t->name));
    }
    return first;
}

/* By doing what a channel does: where the binlog stands, its list, the tables, and a dump. */
static void check_privileges(struct precheck *p)
{
    bool is_new = !p->facts.is_mariadb && p->facts.version_number >= VERSION_8_2;
    const char *end_sql = is_new ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
    static const char grant[] = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* to the account (MariaDB 10.5 and "
                                "later: BINLOG MONITOR), and SELECT on the tables";
    struct source_place end, start;
    struct names closed = {.count = 0};
    struct err_msg why = {0};
    const uint8_t *event;
    size_t size;
    enum err e = source_end(p->stream, &p->facts, &end, NULL, &why);
    const char *sql = end_sql;
    if (e == ERR_OK) {
        sql = "SHOW BINARY LOGS";
        e = source_start(p->stream, &start, &why);
    }
    if (e == ERR_OK) {
        sql = "SELECT 1 FROM each table LIMIT 0";
        e = open_tables(p, &closed, &why);
    }
    if (e == ERR_OK) {
        sql = "COM_BINLOG_DUMP";
        e = source_place_check(p->stream, &end, &why);
        if (e == ERR_OK) e = p->stream->ops->dump(p->stream, end.file, end.position, &why);
        if (e == ERR_OK) e = p->stream->ops->next(p->stream, &event, &size, &why);
    }
    if (e == ERR_OK)
        PASS(p, "privileges", sql, "the account may read the binlog from %s on and every selected table", start.file);
    else
        FAIL(p, "privileges", e, sql, grant, "%.*s%s%s", err_cause_bytes(&why), why.text,
             closed.count > 0 ? "; tables: " : "", closed.text);
}

static void skip(struct precheck *p, const char *const *names, const char *why)
{
    for (; *names != NULL; names++) SKIP(p, *names, why);
}

static void check_start(struct precheck *p)
{
    static const char *const of_start[] = {"definitions", NULL};
    struct start_place chosen;
    struct err_msg why = {0};
    static const char sql[] = "SHOW BINARY LOGS";
    enum err e = start_place_choose(p->stream, &p->facts, p->config, &p->stop, &chosen, &why);
    gtid_set_free(&chosen.gtids);
    if (e == ERR_OK)
        PASS(p, "start", sql, "the channel begins at %s:%" PRIu64, chosen.place.file, chosen.place.position);
    else
        precheck_add_why(p->report, "start", PRECHECK_FAILURE, e, sql, "choose another start_at", &why);
    if (e == ERR_OK && p->filter != NULL) {
        const struct precheck_door door = {.config = p->config,
                                           .report = p->report,
                                           .stream = p->stream,
                                           .facts = &p->facts,
                                           .filter = p->filter,
                                           .catalog = p->catalog,
                                           .stop = &p->stop};
        precheck_definitions(&door, &chosen.place);
    } else {
        skip(p, of_start, "where the channel begins is not known");
    }
}

/* --- all of it --- */

static bool check_version(struct precheck *p)
{
    const struct source_facts *f = &p->facts;
    static const char sql[] = "SHOW GLOBAL VARIABLES LIKE 'version'";
    bool writes_rows = source_writes_rows(f);
    if (writes_rows)
        PASS(p, "version", sql, "%s%s", f->version, f->is_mariadb || strstr(f->version, "MySQL") ? "" : " (MySQL)");
    else
        FAIL(p, "version", ERR_UNSUPPORTED, sql, "use MySQL 5.1 or later, or MariaDB",
             "the source is version %s, whose binlog has no row events", f->version);
    return writes_rows;
}

static void check_connected(struct precheck *p)
{
    static const char *const rest[] = {"log_bin", "binlog_format", "binlog_row_image", "sync_binlog", "server_id",
                                       "objects", "primary_keys",  "foreign_keys",     "privileges",  "start",
                                       "definitions", "retention", NULL};
    static const char *const of_tables[] = {"primary_keys", "foreign_keys", NULL};
    static const char *const of_binlog[] = {"privileges", "start", "definitions", NULL};
    if (!check_version(p)) {
        skip(p, rest, "the version");
        return;
    }
    check_settings(p);
    check_server_id(p);
    check_objects(p);
    bool has_tables = p->selected != NULL && p->report->item[p->report->count - 1].verdict != PRECHECK_FAILURE;
    if (has_tables) {
        check_keys(p);
        check_foreign_keys(p);
    } else {
        skip(p, of_tables, "the definitions could not be read");
    }
    if (!p->facts.log_bin) {
        skip(p, of_binlog, "there is no binlog");
    } else {
        check_privileges(p);
        check_start(p);
    }
    check_retention(p);
}

static enum err verdict_of(const struct precheck_report *r, struct err_msg *msg)
{
    for (uint32_t i = 0; i < r->count; i++) {
        const struct precheck_item *item = &r->item[i];
        if (item->verdict == PRECHECK_FAILURE)
            return err_set(msg, item->code, "%s; %s", item->found, item->mend);
    }
    return ERR_OK;
}

static void check_server(const struct capture_config *config, uint32_t timeout_s, struct precheck_report *report)
{
    static const char *const rest[] = {"version",   "log_bin",      "binlog_format", "binlog_row_image",
                                       "sync_binlog", "server_id",  "objects",       "primary_keys",
                                       "foreign_keys", "privileges", "start",        "definitions",
                                       "retention", NULL};
    struct source_stream_config stream_config = {.host = config->host,
                                                 .port = config->port,
                                                 .user = config->user,
                                                 .password = config->password == NULL ? "" : config->password,
                                                 .server_id = config->server_id,
                                                 .packet_bytes_max = config->packet_bytes_max,
                                                 .tls = config->tls,
                                                 .heartbeat_ms = config->heartbeat_ms,
                                                 .read_timeout_s = timeout_s,
                                                 .connect_timeout_s = timeout_s};
    struct precheck p = {.config = config, .report = report};
    struct err_msg why = {0};
    enum err e = source_stream_open(&p.stream, &stream_config, &why);
    if (e == ERR_OK) e = p.stream->ops->connect(p.stream, &why);
    if (e == ERR_OK) e = source_facts_read(p.stream, &p.facts, &why);
    if (e == ERR_OK) {
        PASS(&p, "connection", "", "%s:%u", config->host, (unsigned)config->port);
        check_connected(&p);
    } else {
        precheck_add_why(report, "connection", PRECHECK_FAILURE, e, "", "", &why);
        skip(&p, rest, "there is no connection");
    }
    free(p.selected);
    if (p.catalog != NULL) catalog_close(p.catalog);
    if (p.filter != NULL) filter_close(p.filter);
    if (p.stream != NULL) p.stream->ops->close(p.stream);
}

enum err capture_precheck(const struct capture_config *config, uint32_t timeout_s, struct precheck_report *report,
                          struct err_msg *msg)
{
    bool is_archive = config->files != NULL && config->files[0] != '\0';
    if (!is_archive && (config->host == NULL || config->user == NULL))
        return err_set(msg, ERR_INVALID, "a channel needs a host and a user, or a folder of binlog files");
    if (config->include == NULL || config->include[0] == NULL)
        return err_set(msg, ERR_INVALID, "a channel needs at least one table pattern");
    if (record_format_find(config->format) == NULL)
        return err_set(msg, ERR_INVALID, "there is no record format %s", config->format);
    struct precheck_report *own = report == NULL ? calloc(1, sizeof *own) : report;
    if (own == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to check the source");
    own->count = 0;
    if (is_archive)
        precheck_archive(config, own);
    else
        check_server(config, timeout_s, own);
    enum err e = verdict_of(own, msg);
    if (report == NULL) free(own);
    return e;
}

/* What must hold of a folder of binlog files before a channel reads it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "capture/archive_file.h"
#include "capture/catalog.h"
#include "capture/filter.h"
#include "capture/precheck.h"
#include "capture/schema_file.h"
#include "capture/source_stream.h"
#include "capture/start_place.h"

enum { MIB = 1 << 20 };

struct check { /* borrowed */
    const struct capture_config *config;
    struct precheck_report *report;
    struct source_stream *stream;
    struct source_facts facts;
    _Atomic bool stop; /* never set: files do not keep one waiting */
};

static void skip(struct check *c, const char *const *names, const char *why)
{
    for (; *names != NULL; names++)
        precheck_add(c->report, *names, PRECHECK_SKIPPED, ERR_OK, "", "", "not checked: %s", why);
}

/* While files are being copied the channel would wait, and so nothing is wrong yet. */
static void fail(struct check *c, const char *name, enum err e, const char *mend, const struct err_msg *why)
{
    if (c->stream != NULL && c->stream->ops->is_arriving(c->stream))
        precheck_add(c->report, name, PRECHECK_WARNING, ERR_OK, "", "let the copying end, or begin: the channel waits",
                     "the folder is being written: %.*s", err_cause_bytes(why), why->text);
    else
        precheck_add_why(c->report, name, PRECHECK_FAILURE, e, "", mend, why);
}

static enum err open_folder(struct check *c, const struct source_stream_config *config, struct err_msg *why)
{
    struct archive_list list = {0};
    TRY(source_stream_open(&c->stream, config, why));
    TRY(c->stream->ops->connect(c->stream, why));
    TRY(source_facts_read(c->stream, &c->facts, why));
    enum err e = archive_list_read(&list, c->config->files, why);
    if (e == ERR_OK) {
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < list.count; i++) bytes += list.entry[i].size;
        precheck_add(c->report, "connection", PRECHECK_PASS, ERR_OK, "", "",
                     "%s has %" PRIu32 " binlog files, %s to %s, of %.1f MiB", c->config->files, list.count,
                     list.entry[0].name, list.entry[list.count - 1].name, (double)bytes / MIB);
    }
    archive_list_free(&list);
    return e;
}

static bool check_version(struct check *c)
{
    if (source_writes_rows(&c->facts)) {
        precheck_add(c->report, "version", PRECHECK_PASS, ERR_OK, "", "", "written by %s", c->facts.version);
        return true;
    }
    precheck_add(c->report, "version", PRECHECK_FAILURE, ERR_UNSUPPORTED, "", "use files of MySQL 5.1 or later",
                 "written by %s, whose binlog has no row events", c->facts.version);
    return false;
}

/* The tables of the schema_file that the channel selects. */
static uint32_t count_selected(const struct catalog *catalog, const struct filter *filter)
{
    uint32_t count = 0;
    for (uint32_t d = 0; d < catalog_database_count(catalog); d++) {
        for (uint32_t i = 0; i < catalog_table_count(catalog, d); i++) {
            const struct catalog_table *t = catalog_table_at(catalog, d, i);
            count += filter_selects(filter, t->database, strlen(t->database), t->name, strlen(t->name));
        }
    }
    return count;
}

static void check_definitions(struct check *c)
{
    static const char mend[] =
        "give the channel a schema_file (mysqldump --no-data --databases) of the time of its start";
    const struct capture_config *config = c->config;
    struct catalog_server server;
    struct catalog *catalog = NULL;
    struct filter *filter = NULL;
    struct err_msg why = {0};
    if (config->schema_file == NULL || config->schema_file[0] == '\0') {
        precheck_add(c->report, "definitions", PRECHECK_WARNING, ERR_OK, "", mend,
                     "there is no schema_file: known are tables whose CREATE TABLE stands in the files and those "
                     "written with binlog_row_metadata=FULL; at the first row of another one the channel ends");
        return;
    }
    enum err e = catalog_server_parse(&server, c->facts.version)
                     ? catalog_open(&catalog, &server)
                     : err_set(&why, ERR_UNSUPPORTED, "version '%s' is none that is known", c->facts.version);
    if (e == ERR_OK) e = schema_file_read(config->schema_file, catalog, &why);
    if (e == ERR_OK) e = filter_open(&filter, config->include, config->exclude, c->facts.ignore_case, &why);
    uint32_t count = e == ERR_OK ? count_selected(catalog, filter) : 0;
    if (e != ERR_OK)
        fail(c, "definitions", e, "correct the schema_file, or tables.include and exclude", &why);
    else
        precheck_add(c->report, "definitions", count > 0 ? PRECHECK_PASS : PRECHECK_WARNING, ERR_OK, "", mend,
                     "the schema_file defines %" PRIu32 " of the selected tables", count);
    if (filter != NULL) filter_close(filter);
    if (catalog != NULL) catalog_close(catalog);
}

/* Every file can be opened, and is a binlog file. */
static void check_files(struct check *c)
{
    struct archive_list list = {0};
    struct archive_file file = {0};
    struct err_msg why = {0};
    enum err e = archive_list_read(&list, c->config->files, &why);
    for (uint32_t i = 0; e == ERR_OK && i < list.count; i++) {
        e = archive_file_open(&file, c->config->files, list.entry[i].name, BINLOG_FIRST_POSITION, &why);
        archive_file_close(&file);
    }
    archive_list_free(&list);
    if (e == ERR_OK)
        precheck_add(c->report, "privileges", PRECHECK_PASS, ERR_OK, "", "", "every file can be read");
    else
        fail(c, "privileges", e, "let millraced's user read the files", &why);
}

static void check_start(struct check *c)
{
    struct start_place chosen;
    struct err_msg why = {0};
    struct archive_list list = {0};
    enum err e = start_place_choose(c->stream, &c->facts, c->config, &c->stop, &chosen, &why);
    gtid_set_free(&chosen.gtids);
    if (e == ERR_OK) e = archive_list_read(&list, c->config->files, &why);
    if (e == ERR_OK)
        e = archive_list_check(&list, archive_list_find(&list, chosen.place.file), c->config->files, &why);
    archive_list_free(&list);
    if (e == ERR_OK)
        precheck_add(c->report, "start", PRECHECK_PASS, ERR_OK, "", "", "the channel begins at %s:%" PRIu64,
                     chosen.place.file, chosen.place.position);
    else
        fail(c, "start", e, "choose another start_at", &why);
}

void precheck_archive(const struct capture_config *config, struct precheck_report *report)
{
    static const char *const settings[] = {"log_bin", "binlog_format", "binlog_row_image", "sync_binlog", "server_id",
                                           NULL};
    static const char *const tables[] = {"objects", "primary_keys", "foreign_keys", NULL};
    static const char *const rest[] = {"privileges", "start", "definitions", NULL}, *const last[] = {"retention", NULL};
    static const char no_settings[] = "files do not tell the server's settings; what does not fit is an error there";
    static const char no_tables[] = "files do not tell which tables there are; the schema_file is looked at below";
    struct source_stream_config stream_config = {
        .files = config->files, .packet_bytes_max = config->packet_bytes_max, .heartbeat_ms = config->heartbeat_ms};
    struct check c = {.config = config, .report = report};
    struct err_msg why = {0};
    enum err e = open_folder(&c, &stream_config, &why);
    bool goes_on = false;
    if (e != ERR_OK) {
        static const char *const version[] = {"version", NULL};
        fail(&c, "connection", e, "", &why);
        skip(&c, version, "the files cannot be read");
    } else {
        goes_on = check_version(&c);
    }
    skip(&c, settings, no_settings);
    skip(&c, tables, no_tables);
    if (goes_on) {
        check_files(&c);
        check_start(&c);
        check_definitions(&c);
    } else {
        skip(&c, rest, e != ERR_OK ? "the files cannot be read" : "the version");
    }
    skip(&c, last, "how long files stay in the folder is not ours to know");
    if (c.stream != NULL) c.stream->ops->close(c.stream);
}

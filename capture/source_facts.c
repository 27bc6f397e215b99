#include "capture/source_facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- answers --- */

static void copy_field(char *out, size_t out_bytes, const char *field, size_t bytes)
{
    if (field == NULL) bytes = 0;
    if (bytes >= out_bytes) bytes = out_bytes - 1;
    if (bytes > 0) memcpy(out, field, bytes);
    out[bytes] = '\0';
}

static uint64_t number_field(const char *field, size_t bytes)
{
    char text[32];
    copy_field(text, sizeof text, field, bytes);
    return strtoull(text, NULL, 10);
}

uint32_t source_file_number(const char *file)
{
    const char *dot = strrchr(file, '.');
    return dot == NULL ? 0 : (uint32_t)strtoul(dot + 1, NULL, 10);
}

int source_place_compare(const struct source_place *a, const struct source_place *b)
{
    if (strcmp(a->file, b->file) != 0) { /* mostly the same one: this stands in the way of each event read ahead */
        uint32_t x = source_file_number(a->file), y = source_file_number(b->file);
        if (x != y) return x < y ? -1 : 1;
    }
    if (a->position != b->position) return a->position < b->position ? -1 : 1;
    return 0;
}

/* --- facts --- */

static bool is_on(const char *word)
{
    return strcasecmp(word, "ON") == 0 || strcmp(word, "1") == 0;
}

static enum err variable_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct source_facts *f = context;
    char name[64], value[128];
    if (count < 2) return ERR_INVALID;
    copy_field(name, sizeof name, field[0], bytes[0]);
    copy_field(value, sizeof value, field[1], bytes[1]);
    struct {
        const char *name;
        char *out;
        size_t size;
    } words[] = {{"version", f->version, sizeof f->version},
                 {"server_uuid", f->server_uuid, sizeof f->server_uuid},
                 {"binlog_format", f->binlog_format, sizeof f->binlog_format},
                 {"binlog_row_image", f->row_image, sizeof f->row_image}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(name, words[i].name) == 0) copy_field(words[i].out, words[i].size, field[1], bytes[1]);
    }
    if (strcasecmp(name, "server_id") == 0) f->server_id = (uint32_t)strtoul(value, NULL, 10);
    if (strcasecmp(name, "lower_case_table_names") == 0) f->ignore_case = strcmp(value, "0") != 0;
    /* By seconds when both are set (MySQL 8, MariaDB 10.6); the order of the rows is not known. */
    if (strcasecmp(name, "binlog_expire_logs_seconds") == 0 && strtod(value, NULL) > 0)
        f->binlog_kept_s = (int64_t)strtod(value, NULL);
    if (strstr(name, "expire_logs_") != NULL && f->binlog_kept_s < 0) f->binlog_kept_s = 0;
    if (strcasecmp(name, "expire_logs_days") == 0 && f->binlog_kept_s == 0)
        f->binlog_kept_s = (int64_t)(strtod(value, NULL) * 86400); /* MariaDB's has a fraction */
    if (strcasecmp(name, "log_bin") == 0) f->log_bin = is_on(value);
    if (strcasecmp(name, "wsrep_on") == 0 || strcasecmp(name, "wsrep_gtid_mode") == 0) f->cluster_words += is_on(value);
    if (strcasecmp(name, "gtid_mode") == 0) {
        f->has_gtids = strcasecmp(value, "OFF") != 0;
        f->has_gtids_only = strcasecmp(value, "ON") == 0;
    }
    return ERR_OK;
}

enum err source_facts_read(struct source_stream *s, struct source_facts *out, struct err_msg *msg)
{
    enum { VERSION_5_5 = 0x050500 };
    struct source_facts f = {.is_archive = s->is_archive, .binlog_kept_s = -1};
    TRY(s->ops->query(
        s,
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version','server_uuid','server_id','log_bin',"
        "'binlog_format','binlog_row_image','lower_case_table_names','gtid_mode','binlog_expire_logs_seconds',"
        "'expire_logs_days','wsrep_on','wsrep_gtid_mode')",
        variable_row, &f, msg));
    unsigned major = 0, minor = 0, patch = 0;
    sscanf(f.version, "%3u.%3u.%3u", &major, &minor, &patch);
    f.version_number = major << 16 | (minor & 0xff) << 8 | (patch & 0xff);
    f.is_mariadb = strcasestr(f.version, "mariadb") != NULL;
    f.has_heartbeats = f.is_mariadb || f.version_number >= VERSION_5_5;
    f.is_cluster = f.is_mariadb && f.cluster_words == 2;
    if (f.is_mariadb) f.has_gtids = f.has_gtids_only = major >= 10;
    /* Servers that replicate each other have different ids: what MariaDB has in a uuid's place. */
    if (f.is_mariadb && f.server_uuid[0] == '\0')
        snprintf(f.server_uuid, sizeof f.server_uuid, "server_id %u", f.server_id);

    if (f.version[0] == '\0')
        return err_set(msg, ERR_CONNECT, "the source does not tell its version; check that a MySQL or MariaDB server "
                       "is at this host and port");
    *out = f;
    return ERR_OK;
}

/* Are rows whole by this setting?  FULL_NODUP (MariaDB 11.4) leaves out of an after image what did not change. */
static bool images_are_whole(const struct source_facts *f)
{
    return f->row_image[0] == '\0' || strcasecmp(f->row_image, "FULL") == 0 ||
           strcasecmp(f->row_image, "FULL_NODUP") == 0;
}

bool source_writes_rows(const struct source_facts *f)
{
    enum { VERSION_5_1 = 0x050100 };
    return f->is_mariadb || f->version_number >= VERSION_5_1;
}

enum err source_facts_check(const struct source_facts *f, uint32_t our_server_id, bool partial_images_none,
                            struct err_msg *msg)
{
    if (!source_writes_rows(f))
        return err_set(msg, ERR_UNSUPPORTED,
                       "the source is version %s, whose binlog has no row events; use MySQL 5.1 or later", f->version);
    if (!f->log_bin)
        return err_set(msg, ERR_SOURCE_CONFIG,
                       "the source writes no binlog; start it with log_bin and binlog_format=ROW");
    if (f->binlog_format[0] != '\0' && strcasecmp(f->binlog_format, "ROW") != 0)
        return err_set(msg, ERR_SOURCE_CONFIG,
                       "binlog_format is %s on the source and must be ROW; SET GLOBAL binlog_format=ROW, then "
                       "reconnect the source's clients",
                       f->binlog_format);
    if (!partial_images_none && !images_are_whole(f))
        return err_set(msg, ERR_SOURCE_CONFIG,
                       "binlog_row_image is %s on the source and must be FULL; SET GLOBAL "
                       "binlog_row_image=FULL, then reconnect the source's clients, or make the channel with "
                       "partial_images none, which marks what is missing",
                       f->row_image);
    if (f->server_id == our_server_id && !f->is_archive)
        return err_set(msg, ERR_SOURCE_CONFIG,
                       "the channel's server id %u is the source's own; give the channel another one", our_server_id);
    return ERR_OK;
}

/* --- places --- */

struct end_answer {
    struct source_place *place;
    struct gtid_set *executed;
    bool found;
};

static enum err end_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct end_answer *a = context;
    if (count < 2 || field[0] == NULL || field[1] == NULL || bytes[0] >= sizeof a->place->file) return ERR_INVALID;
    copy_field(a->place->file, sizeof a->place->file, field[0], bytes[0]);
    a->place->position = number_field(field[1], bytes[1]);
    a->found = true;
    if (a->executed == NULL || count < 5 || field[4] == NULL) return ERR_OK;
    gtid_set_clear(a->executed);
    enum err e = gtid_set_parse(a->executed, field[4], bytes[4]);
    if (e == ERR_INVALID) gtid_set_clear(a->executed); /* tagged GTIDs: the set stays unknown */
    return e == ERR_INVALID ? ERR_OK : e;
}

enum err source_end(struct source_stream *s, const struct source_facts *f, struct source_place *out,
                    struct gtid_set *executed, struct err_msg *msg)
{
    enum { VERSION_8_2 = 0x080200 };
    struct end_answer a = {out, executed, false};
    bool is_new = !f->is_mariadb && f->version_number >= VERSION_8_2;
    enum err e = s->ops->query(s, is_new ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", end_row, &a, msg);
    if (e == ERR_ACCESS_DENIED) {
        const struct err_msg none = {0};
        return err_within(msg, e, msg == NULL ? &none : msg, "the account may not ask where the binlog stands; "
                          "GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* to it");
    }
    TRY(e);
    if (!a.found)
        return err_set(msg, ERR_SOURCE_CONFIG,
                       "the source writes no binlog; start it with log_bin and binlog_format=ROW");
    return ERR_OK;
}

struct logs_answer { /* SHOW BINARY LOGS, looked through for one file */
    const char *wanted;
    char first[SOURCE_FILE_BYTES], last[SOURCE_FILE_BYTES], next[SOURCE_FILE_BYTES];
    uint64_t size;
    bool found;
};

static enum err logs_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct logs_answer *a = context;
    if (count < 2 || field[0] == NULL || bytes[0] >= SOURCE_FILE_BYTES) return ERR_INVALID;
    if (a->found && a->next[0] == '\0') copy_field(a->next, sizeof a->next, field[0], bytes[0]);
    copy_field(a->last, sizeof a->last, field[0], bytes[0]);
    if (a->first[0] == '\0') memcpy(a->first, a->last, sizeof a->first);
    if (a->wanted != NULL && strcmp(a->last, a->wanted) == 0) {
        a->found = true;
        a->size = number_field(field[1], bytes[1]);
    }
    return ERR_OK;
}

enum err source_start(struct source_stream *s, struct source_place *out, struct err_msg *msg)
{
    struct logs_answer a = {0};
    TRY(s->ops->query(s, "SHOW BINARY LOGS", logs_row, &a, msg));
    if (a.first[0] == '\0')
        return err_set(msg, ERR_SOURCE_CONFIG, "the source has no binlog files; start it with log_bin");
    memcpy(out->file, a.first, sizeof out->file);
    out->position = 4;
    return ERR_OK;
}

enum err source_place_check(struct source_stream *s, struct source_place *place, struct err_msg *msg)
{
    enum { ROTATE_BYTES_MAX = 19 + 8 + SOURCE_FILE_BYTES + 4 };
    struct logs_answer a = {.wanted = place->file};
    TRY(s->ops->query(s, "SHOW BINARY LOGS", logs_row, &a, msg));
    if (!a.found) {
        bool is_before = source_file_number(place->file) < source_file_number(a.first);
        return err_set(msg, is_before ? ERR_SOURCE_PURGED : ERR_SOURCE_HISTORY,
                       is_before ? "the source has purged %s, where capture must go on: its binlog begins at %s; "
                                   "delete the channel and create it anew, "
                                   "and keep binlogs longer on the source"
                                 : "the source has no %s, where capture must go on: its binlog begins at %s and was "
                                   "reset, or it is another server; delete "
                                   "the channel and create it anew",
                       place->file, a.first);
    }
    if (place->position > a.size)
        return err_set(msg, ERR_SOURCE_HISTORY,
                       "%s ends at %" PRIu64 " on the source, but was read up to %" PRIu64 ": the source lost "
                       "changes in a crash (sync_binlog=1 prevents it), or it is another server",
                       place->file, a.size, place->position);
    if (place->position <= s->dump_position_max) return ERR_OK;
    if (a.next[0] == '\0' || a.size - place->position > ROTATE_BYTES_MAX)
        return err_set(msg, ERR_TOO_LARGE,
                       "capture must go on at %s:%" PRIu64 ", beyond the 4 GiB that the source can be asked for; "
                       "FLUSH BINARY LOGS on the source and split its largest transactions",
                       place->file, place->position);
    memcpy(place->file, a.next, sizeof place->file);
    place->position = 4;
    return ERR_OK;
}

static enum err gtids_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    if (count < 1 || field[0] == NULL) return ERR_OK; /* the source does not know */
    struct gtid_set *set = context;
    gtid_set_clear(set);
    return gtid_set_parse(set, field[0], bytes[0]);
}

enum err source_executed(struct source_stream *s, const struct source_facts *f, struct gtid_set *out,
                         struct err_msg *msg)
{
    const char *sql = f->is_mariadb ? "SELECT @@GLOBAL.gtid_binlog_pos" : "SELECT @@GLOBAL.gtid_executed";
    gtid_set_clear(out);
    enum err e = s->ops->query(s, sql, gtids_row, out, msg);
    return e == ERR_INVALID ? err_set(msg, e, "the source answers to \"%s\" with no GTID set", sql) : e;
}

struct state_answer {
    const struct gtid_set *set;
    bool *had;
};

/* "0-1-100,0-2-57,1-1-9" */
static bool state_has(const char *at, const char *end, const struct gtid_domain *d)
{
    while (at < end) {
        char entry[72];
        unsigned long domain, server_id;
        unsigned long long number;
        const char *comma = memchr(at, ',', (size_t)(end - at));
        copy_field(entry, sizeof entry, at, (size_t)((comma == NULL ? end : comma) - at));
        if (sscanf(entry, "%lu-%lu-%llu", &domain, &server_id, &number) == 3 && domain == d->domain &&
            server_id == d->server_id && number >= d->number)
            return true;
        at = comma == NULL ? end : comma + 1;
    }
    return false;
}

static enum err state_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct state_answer *a = context;
    *a->had = count > 0 && field[0] != NULL;
    for (uint32_t i = 0; *a->had && i < a->set->domain_count; i++)
        *a->had = state_has(field[0], field[0] + bytes[0], &a->set->domain[i]);
    return ERR_OK;
}

enum err source_mariadb_had(struct source_stream *s, const struct gtid_set *set, bool *had, struct err_msg *msg)
{
    struct state_answer a = {set, had};
    *had = false;
    return s->ops->query(s, "SELECT @@GLOBAL.gtid_binlog_state", state_row, &a, msg);
}

struct place_answer {
    struct gtid_set *set;
    bool known;
};

static enum err place_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct place_answer *a = context;
    a->known = count > 0 && field[0] != NULL;
    return gtids_row(a->set, field, bytes, count);
}

enum err source_mariadb_gtids(struct source_stream *s, const struct source_place *place, struct gtid_set *out,
                              bool *known, struct err_msg *msg)
{
    struct place_answer a = {out, false};
    char sql[SOURCE_FILE_BYTES + 64];
    for (const char *c = place->file; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\')
            return err_set(msg, ERR_UNSUPPORTED, "the binlog file's name holds a quote: %s", place->file);
    }
    snprintf(sql, sizeof sql, "SELECT BINLOG_GTID_POS('%s', %" PRIu64 ")", place->file, place->position);
    TRY(s->ops->query(s, sql, place_row, &a, msg));
    *known = a.known;
    return ERR_OK;
}

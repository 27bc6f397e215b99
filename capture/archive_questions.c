/* What capture asks a source with SQL, answered from a folder of binlog files.  Files know less than a server: its
 * settings of now and its table definitions are not in them, and no answer makes any up. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "capture/archive_stream.h"

enum { VERSION_8_0_2 = 0x080002, VERSION_10_10 = 0x0a0a00, VERSION_10_0 = 0x0a0000 };

static struct archive_stream *of(struct source_stream *s)
{
    return (struct archive_stream *)(void *)s;
}

static enum err answer(source_row *row, void *context, const char *const *field, uint32_t count)
{
    enum { FIELDS_MAX = 8 };
    size_t bytes[FIELDS_MAX];
    for (uint32_t i = 0; i < count; i++) bytes[i] = field[i] == NULL ? 0 : strlen(field[i]);
    return row == NULL ? ERR_OK : row(context, field, bytes, count);
}

/* The last file, walked to its end. */
static enum err newest_walk(struct archive_stream *a, struct err_msg *msg)
{
    TRY(archive_list_read(&a->list, a->config->files, msg));
    const char *name = a->list.entry[a->list.count - 1].name;
    return archive_walk(&a->newest, a->config->files, name, UINT64_MAX, a->config->packet_bytes_max, msg);
}

/* Who wrote the files: the newest whose head is there. */
static enum err format_find(struct archive_stream *a, struct archive_walk *w, struct err_msg *msg)
{
    TRY(archive_list_read(&a->list, a->config->files, msg));
    for (uint32_t i = a->list.count; i-- > 0;) {
        TRY(archive_walk_head(w, a->config->files, a->list.entry[i].name, a->config->packet_bytes_max, msg));
        if (w->format_known) return ERR_OK;
    }
    return err_set(msg, ERR_NOT_FOUND, "the binlog file %s/%s is empty; copy it there", a->config->files,
                   a->list.entry[0].name);
}

static enum err answer_variables(struct archive_stream *a, source_row *row, void *context, struct err_msg *msg)
{
    struct archive_walk head = {0};
    char server_id[16];
    enum err e = format_find(a, &head, msg);
    if (e == ERR_OK && head.format.version_number >= BINLOG_VERSION_5_1) e = newest_walk(a, msg);
    const struct archive_walk *n = &a->newest;
    bool is_mysql = !head.format.is_mariadb;
    bool has_gtids = n->saw_gtid || (!n->saw_anonymous && !gtid_set_is_empty(&n->set));
    bool explicit_timestamps = head.format.version_number >= (uint32_t)(is_mysql ? VERSION_8_0_2 : VERSION_10_10);
    snprintf(server_id, sizeof server_id, "%" PRIu32, head.server_id);
    const char *const variable[][2] = {{"version", head.format.server_version},
                                       {"server_id", server_id},
                                       {"log_bin", "ON"},
                                       {"gtid_mode", has_gtids && is_mysql ? "ON" : "OFF"},
                                       {"explicit_defaults_for_timestamp", explicit_timestamps ? "ON" : "OFF"}};
    for (size_t i = 0; e == ERR_OK && i < sizeof variable / sizeof variable[0]; i++)
        e = answer(row, context, variable[i], 2);
    archive_walk_free(&head);
    return e;
}

static enum err set_text(const struct gtid_set *set, char **out)
{
    size_t size = gtid_set_text(set, NULL, 0) + 1;
    *out = malloc(size);
    if (*out == NULL) return ERR_NO_MEMORY;
    gtid_set_text(set, *out, size);
    return ERR_OK;
}

static enum err answer_set(const struct archive_walk *w, source_row *row, void *context)
{
    char *text;
    TRY(set_text(&w->set, &text));
    const char *const field[] = {text};
    enum err e = answer(row, context, field, 1);
    free(text);
    return e;
}

static enum err answer_end(struct archive_stream *a, source_row *row, void *context, struct err_msg *msg)
{
    char position[32], *text = NULL;
    TRY(newest_walk(a, msg));
    const struct archive_walk *w = &a->newest;
    snprintf(position, sizeof position, "%" PRIu64, w->end);
    if (w->has_set && !w->format.is_mariadb) TRY(set_text(&w->set, &text));
    const char *const field[] = {w->file.name, position, "", "", text};
    enum err e = answer(row, context, field, 5);
    free(text);
    return e;
}

static enum err answer_files(struct archive_stream *a, source_row *row, void *context, struct err_msg *msg)
{
    TRY(archive_list_read(&a->list, a->config->files, msg));
    for (uint32_t i = 0; i < a->list.count; i++) {
        char size[32];
        const char *const field[] = {a->list.entry[i].name, size};
        snprintf(size, sizeof size, "%" PRIu64, a->list.entry[i].size);
        TRY(answer(row, context, field, 2));
    }
    return ERR_OK;
}

/* BINLOG_GTID_POS('FILE', POSITION) */
static enum err answer_gtids_of(struct archive_stream *a, const char *sql, source_row *row, void *context,
                                struct err_msg *msg)
{
    char name[SOURCE_FILE_BYTES];
    unsigned long long position;
    struct archive_walk w = {0};
    if (sscanf(sql, "SELECT BINLOG_GTID_POS('%255[^']', %llu)", name, &position) != 2)
        return err_set(msg, ERR_INVALID, "no place in \"%.80s\"", sql);
    enum err e = archive_walk(&w, a->config->files, name, position, a->config->packet_bytes_max, msg);
    if (e == ERR_OK) e = answer_set(&w, row, context);
    archive_walk_free(&w);
    return e;
}

static enum err answer_time(source_row *row, void *context)
{
    char seconds[32], micros[32];
    const char *const field[] = {seconds, micros};
    uint64_t ms = clock_realtime_ms(clock_real()); /* nobody else's clock is there */
    snprintf(seconds, sizeof seconds, "%" PRIu64, ms / 1000);
    snprintf(micros, sizeof micros, "%" PRIu64, ms % 1000 * 1000);
    return answer(row, context, field, 2);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

enum err archive_query(struct source_stream *s, const char *sql, source_row *row, void *context, struct err_msg *msg)
{
    struct archive_stream *a = of(s);
    if (atomic_load_explicit(&a->is_cut, memory_order_acquire)) return ERR_STOPPED; /* pairs with stream_cut */
    if (!a->is_connected) return err_set(msg, ERR_DISCONNECTED, "the folder of binlog files is not open");
    if (begins(sql, "SHOW GLOBAL VARIABLES WHERE")) return answer_variables(a, row, context, msg);
    if (begins(sql, "SELECT UNIX_TIMESTAMP")) return answer_time(row, context);
    if (begins(sql, "SHOW BINARY LOGS")) return answer_files(a, row, context, msg);
    if (begins(sql, "SHOW MASTER STATUS") || begins(sql, "SHOW BINARY LOG STATUS"))
        return answer_end(a, row, context, msg);
    if (begins(sql, "SELECT @@GLOBAL.gtid_")) {
        TRY(newest_walk(a, msg));
        return answer_set(&a->newest, row, context);
    }
    if (begins(sql, "SELECT BINLOG_GTID_POS(")) return answer_gtids_of(a, sql, row, context, msg);
    return err_set(msg, ERR_INVALID, "a folder of binlog files has no answer to \"%.80s\"", sql);
}

#include "control/channel_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "control/json_take.h"
#include "control/source_spec.h"
#include "formats/record_format.h"

enum { CHANNEL_FILE_VERSION = 1 };

bool channel_name_is_valid(const char *name)
{
    static const char *const reserved[] = {/* what stands beside the channels' folders */
        "accounts.json", "accounts.json.new", "alerts.json", "alerts.json.new", "alerts-state.json",
        "alerts-state.json.new", "channels", "counters", "format", "lock", "tokens.json", "tokens.json.new"};
    size_t size = strlen(name);
    if (size == 0 || size > CHANNEL_NAME_MAX) return false;
    if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != size) return false;
    if (name[0] == '.' || strncmp(name, "__", 2) == 0) return false; /* hidden, and Kafka's internal topics */
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(name, reserved[i]) == 0) return false;
    return true;
}

static enum err check_pattern(const char *pattern, size_t size, const char *label, struct err_msg *msg)
{
    const char *dot = memchr(pattern, '.', size);
    if (strlen(pattern) != size || size > CHANNEL_PATTERN_MAX || dot == NULL || dot == pattern ||
        dot == pattern + size - 1)
        return err_set(msg, ERR_INVALID,
                       "%s: '%.80s' is not a pattern: write database.table, '*' stands for any characters (shop.*)",
                       label, pattern);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)pattern[i] < 0x20)
            return err_set(msg, ERR_INVALID, "%s must not contain control characters", label);
    return ERR_OK;
}

static void patterns_free(char **patterns)
{
    for (char **p = patterns; p != NULL && *p != NULL; p++) free(*p);
    free(patterns);
}

static enum err take_patterns(const json_t *tables, const char *key, const char *label, size_t min, char ***out,
                              struct err_msg *msg)
{
    const json_t *list = json_object_get(tables, key);
    if (list != NULL && !json_is_array(list)) return err_set(msg, ERR_INVALID, "%s must be a list of patterns", label);
    size_t count = json_array_size(list);
    if (count < min || count > CHANNEL_PATTERNS_MAX)
        return err_set(msg, ERR_INVALID, "%s must list %zu to %d patterns", label, min, CHANNEL_PATTERNS_MAX);
    char **patterns = calloc(count + 1, sizeof *patterns);
    if (patterns == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the patterns");
    enum err e = ERR_OK;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_string(item))
            e = err_set(msg, ERR_INVALID, "%s must be a list of strings", label);
        else
            e = check_pattern(json_string_value(item), json_string_length(item), label, msg);
        if (e == ERR_OK && (patterns[i] = strdup(json_string_value(item))) == NULL)
            e = err_set(msg, ERR_NO_MEMORY, "no memory for the patterns");
    }
    if (e != ERR_OK)
        patterns_free(patterns);
    else
        *out = patterns;
    return e;
}

/* Left out: `fallback`. */
static enum err take_compression(const json_t *body, const char *fallback, enum compression *out, struct err_msg *msg)
{
    char word[CHANNEL_FORMAT_MAX + 1];
    TRY(json_take_text(body, "compression", "compression", 1, CHANNEL_FORMAT_MAX, fallback, word, msg));
    if (compression_find(word, out)) return ERR_OK;
    return err_set(msg, ERR_INVALID, "compression must be \"none\", \"gzip\", \"lz4\" or \"zstd\"");
}

enum err channel_spec_compress(const json_t *body, enum compression *out, struct err_msg *msg)
{
    static const char *const keys[] = {"compression", NULL};
    TRY(json_only_keys(body, keys, "the change", msg));
    return take_compression(body, NULL, out, msg);
}

static enum err take_choices(const json_t *body, struct channel_spec *spec, struct err_msg *msg)
{
    char word[CHANNEL_FORMAT_MAX + 1];
    TRY(json_take_text(body, "ddl", "ddl", 1, CHANNEL_FORMAT_MAX, "instance", word, msg));
    if (strcmp(word, "instance") != 0 && strcmp(word, "selected") != 0)
        return err_set(
            msg, ERR_INVALID,
            "ddl must be \"instance\" (all but account statements) or \"selected\" (of the selected tables)");
    spec->ddl_instance = strcmp(word, "instance") == 0;
    TRY(json_take_text(body, "statement_events", "statement_events", 1, CHANNEL_FORMAT_MAX, "error", word, msg));
    if (strcmp(word, "error") != 0 && strcmp(word, "warn") != 0)
        return err_set(msg, ERR_INVALID,
                       "statement_events must be \"error\" (changes logged as a statement stop the channel) or "
                       "\"warn\" (they are lost, and counted)");
    spec->statements_warn = strcmp(word, "warn") == 0;
    TRY(json_take_text(body, "partial_images", "partial_images", 1, CHANNEL_FORMAT_MAX, "error", word, msg));
    if (strcmp(word, "error") != 0 && strcmp(word, "none") != 0)
        return err_set(msg, ERR_INVALID,
                       "partial_images must be \"error\" (rows must come whole) or \"none\" (what is missing is "
                       "marked)");
    spec->partial_images_none = strcmp(word, "none") == 0;
    TRY(json_take_text(body, "visible", "visible", 1, CHANNEL_FORMAT_MAX, "durable", word, msg));
    if (strcmp(word, "durable") != 0 && strcmp(word, "written") != 0)
        return err_set(msg, ERR_INVALID,
                       "visible must be \"durable\" (consumers see what a crash cannot take) or \"written\" (they see "
                       "it before it is flushed; after a crash the source must send it again)");
    spec->shows_written = strcmp(word, "written") == 0;
    TRY(json_take_text(body, "text", "text", 1, CHANNEL_FORMAT_MAX, "stored", word, msg));
    if (strcmp(word, "stored") != 0 && strcmp(word, "utf8mb4") != 0)
        return err_set(msg, ERR_INVALID,
                       "text must be \"stored\" (in each column's character set) or \"utf8mb4\" (converted)");
    spec->text_utf8mb4 = strcmp(word, "utf8mb4") == 0;
    TRY(take_compression(body, "none", &spec->compression, msg));
    const json_t *source = json_object_get(body, "source"); /* beside "files" it may stand there */
    TRY(json_take_text(body, "schema_file", "schema_file", 0, CHANNEL_PATH_MAX, "", spec->schema_file, msg));
    if (json_object_get(source, "schema_file") != NULL)
        TRY(json_take_text(source, "schema_file", "source.schema_file", 0, CHANNEL_PATH_MAX, "", spec->schema_file,
                           msg));
    if (spec->schema_file[0] != '\0' && spec->schema_file[0] != '/')
        return err_set(msg, ERR_INVALID, "schema_file must be a path from / on, as millraced sees it");
    TRY(json_take_text(body, "format", "format", 1, CHANNEL_FORMAT_MAX, "dts-avro", spec->format, msg));
    if (record_format_find(spec->format) == NULL)
        return err_set(msg, ERR_INVALID, "format '%s' is not known: \"dts-avro\" is", spec->format);
    return ERR_OK;
}

static enum err take_tables(const json_t *tables, struct channel_spec *spec, struct err_msg *msg)
{
    static const char *const keys[] = {"include", "exclude", NULL};
    if (tables == NULL) return err_set(msg, ERR_INVALID, "tables is required: {\"include\": [\"database.*\"]}");
    TRY(json_only_keys(tables, keys, "tables", msg));
    TRY(take_patterns(tables, "include", "tables.include", 1, &spec->include, msg));
    return take_patterns(tables, "exclude", "tables.exclude", 0, &spec->exclude, msg);
}

/* All but the keys of the body, which differ between request and file. */
static enum err take_body(const json_t *body, struct channel_spec *spec, struct err_msg *msg)
{
    TRY(json_take_text(body, "name", "name", 1, CHANNEL_NAME_MAX, NULL, spec->name, msg));
    if (!channel_name_is_valid(spec->name))
        return err_set(
            msg, ERR_INVALID,
            "name: '%s' cannot be a channel's name: 1 to %d of A-Z a-z 0-9 . _ -, not beginning with . or __, "
            "and not one of channels, counters, format, lock",
            spec->name, CHANNEL_NAME_MAX);
    TRY(source_spec_take(json_object_get(body, "source"), spec, msg));
    TRY(start_spec_take(json_object_get(body, "start_at"), spec, msg));
    TRY(take_choices(body, spec, msg));
    return take_tables(json_object_get(body, "tables"), spec, msg);
}

static enum err take_spec(const json_t *body, const char *const *keys, struct channel_spec *spec, struct err_msg *msg)
{
    *spec = (struct channel_spec){.port = 0};
    enum err e = json_only_keys(body, keys, "the channel", msg);
    if (e == ERR_OK) e = take_body(body, spec, msg);
    if (e != ERR_OK) channel_spec_fini(spec);
    return e;
}

enum err channel_spec_parse(const json_t *body, struct channel_spec *spec, struct err_msg *msg)
{
    static const char *const keys[] = {"name", "source", "tables", "start_at", "ddl", "statement_events",
                                       "partial_images", "text", "visible", "compression", "schema_file", "format",
                                       NULL};
    return take_spec(body, keys, spec, msg);
}

enum err channel_spec_select(const json_t *body, struct channel_spec *spec, struct channel_spec *before,
                             struct err_msg *msg)
{
    static const char *const keys[] = {"tables", NULL};
    struct channel_spec fresh = {.port = 0};
    enum err e = json_only_keys(body, keys, "the change", msg);
    if (e == ERR_OK) e = take_tables(json_object_get(body, "tables"), &fresh, msg);
    if (e != ERR_OK) {
        channel_spec_fini(&fresh);
        return e;
    }
    *before = (struct channel_spec){.include = spec->include, .exclude = spec->exclude};
    spec->include = fresh.include;
    spec->exclude = fresh.exclude;
    return ERR_OK;
}

void channel_spec_fini(struct channel_spec *spec)
{
    patterns_free(spec->include);
    patterns_free(spec->exclude);
    source_spec_fini(spec);
    spec->include = spec->exclude = NULL;
}

static json_t *patterns_json(char *const *patterns)
{
    json_t *list = json_array();
    for (char *const *p = patterns; p != NULL && *p != NULL; p++) json_array_append_new(list, json_string(*p));
    return list;
}

json_t *channel_spec_json(const struct channel_spec *spec, bool with_password)
{
    return json_pack("{s:s, s:o, s:{s:o, s:o}, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*}", "name", spec->name,
                     "source", source_spec_json(spec, with_password), "tables", "include", patterns_json(spec->include),
                     "exclude", patterns_json(spec->exclude), "start_at", start_spec_json(spec), "ddl",
                     spec->ddl_instance ? "instance" : "selected", "statement_events",
                     spec->statements_warn ? "warn" : "error", "partial_images",
                     spec->partial_images_none ? "none" : "error", "text",
                     spec->text_utf8mb4 ? "utf8mb4" : "stored", "visible",
                     spec->shows_written ? "written" : "durable", "compression",
                     compression_name(spec->compression), "format", spec->format,
                     "schema_file", spec->schema_file[0] == '\0' ? NULL : spec->schema_file);
}

/* RFC 7396: null takes a field away, an object goes into the object that is there, all else replaces. */
static void merge(json_t *into, const json_t *patch)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
    {
        json_t *there = json_object_get(into, key);
        if (json_is_null(value)) {
            json_object_del(into, key);
        } else if (json_is_object(value) && json_is_object(there)) {
            merge(there, value);
        } else {
            json_object_set(into, key, value);
        }
    }
}

static bool is_host_of(const struct channel_spec *spec, const char *name, uint16_t port)
{
    if (spec->port == port && strcmp(spec->host, name) == 0) return true;
    for (uint32_t i = 0; i < spec->standby_count; i++)
        if (spec->standby[i].port == port && strcmp(spec->standby[i].name, name) == 0) return true;
    return false;
}

/* The API never shows a password; so a stored one must not travel to where it was not given for, either. */
static enum err check_kept_password(const struct channel_spec *before, const struct channel_spec *fresh,
                                    struct err_msg *msg)
{
    const char *what = NULL;
    if (fresh->password[0] == '\0') return ERR_OK;
    if (!is_host_of(before, fresh->host, fresh->port)) what = "source.host and source.port";
    for (uint32_t i = 0; i < fresh->standby_count; i++)
        if (!is_host_of(before, fresh->standby[i].name, fresh->standby[i].port)) what = "source.standby";
    if (strcmp(before->user, fresh->user) != 0) what = "source.user";
    bool verified = before->tls_mode >= SOURCE_TLS_VERIFY_CA;
    if (fresh->tls_mode < before->tls_mode || (verified && strcmp(before->tls_ca, fresh->tls_ca) != 0))
        what = "source.tls";
    if (what == NULL) return ERR_OK;
    return err_set(msg, ERR_INVALID, "source.password is required with this change of %s: the stored password is not "
                   "sent to another server or user, nor with weaker TLS; give it again", what);
}

enum err channel_spec_merge(const struct channel_spec *spec, const json_t *patch, struct channel_spec *fresh,
                            struct err_msg *msg)
{
    if (!json_is_object(patch)) return err_set(msg, ERR_INVALID, "the change must be a JSON object");
    json_t *whole = channel_spec_json(spec, true);
    if (whole == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to change the channel");
    merge(whole, patch);
    enum err e = channel_spec_parse(whole, fresh, msg);
    json_decref(whole);
    bool is_given = json_object_get(json_object_get(patch, "source"), "password") != NULL;
    if (e != ERR_OK || is_given) return e;
    e = check_kept_password(spec, fresh, msg);
    if (e != ERR_OK) channel_spec_fini(fresh);
    return e;
}

static void hex_of(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

json_t *channel_file_json(const struct channel_spec *spec, const struct channel_life *life)
{
    char topic_id[33];
    hex_of(life->topic_id, sizeof life->topic_id, topic_id);
    json_t *file = channel_spec_json(spec, true);
    json_t *more = json_pack("{s:i, s:s, s:s, s:b, s:b, s:b}", "version", CHANNEL_FILE_VERSION, "topic_id", topic_id,
                             "cluster_id", life->cluster_id, "is_checked", life->is_checked, "is_started",
                             life->is_started, "has_log", life->has_log);
    json_object_update(file, more);
    if (life->is_deleting) json_object_set_new(file, "is_deleting", json_true()); /* else an older millraced reads it */
    json_decref(more);
    return file;
}

static enum err take_flag(const json_t *file, const char *key, bool *out, struct err_msg *msg)
{
    const json_t *value = json_object_get(file, key);
    if (!json_is_boolean(value)) return err_set(msg, ERR_CORRUPT, "%s must be true or false", key);
    *out = json_is_true(value);
    return ERR_OK;
}

static enum err take_life(const json_t *file, struct channel_life *life, struct err_msg *msg)
{
    char topic_id[33];
    TRY(json_take_text(file, "topic_id", "topic_id", 32, 32, NULL, topic_id, msg));
    for (size_t i = 0; i < sizeof life->topic_id; i++) {
        unsigned byte;
        if (sscanf(topic_id + 2 * i, "%2x", &byte) != 1)
            return err_set(msg, ERR_CORRUPT, "topic_id is not hexadecimal");
        life->topic_id[i] = (uint8_t)byte;
    }
    TRY(json_take_text(file, "cluster_id", "cluster_id", 1, sizeof life->cluster_id - 1, NULL, life->cluster_id, msg));
    TRY(take_flag(file, "is_checked", &life->is_checked, msg));
    TRY(take_flag(file, "is_started", &life->is_started, msg));
    TRY(take_flag(file, "has_log", &life->has_log, msg));
    life->is_deleting = false;
    return json_object_get(file, "is_deleting") == NULL ? ERR_OK
                                                        : take_flag(file, "is_deleting", &life->is_deleting, msg);
}

enum err channel_file_parse(const json_t *file, struct channel_spec *spec, struct channel_life *life,
                            struct err_msg *msg)
{
    static const char *const keys[] = {"name",       "source",  "tables",   "start_at",   "ddl", "statement_events",
                                       "format",     "version", "topic_id", "cluster_id", "is_checked",
                                       "is_started", "has_log", "partial_images", "text", "visible", "compression",
                                       "schema_file", "is_deleting", NULL};
    const json_t *version = json_object_get(file, "version");
    if (!json_is_integer(version)) return err_set(msg, ERR_CORRUPT, "not a channel's file: it has no version");
    if (json_integer_value(version) != CHANNEL_FILE_VERSION)
        return err_set(msg, ERR_NEWER_FORMAT, "written in format %lld, this millraced knows format %d",
                       (long long)json_integer_value(version), CHANNEL_FILE_VERSION);
    TRY(take_spec(file, keys, spec, msg));
    enum err e = take_life(file, life, msg);
    if (e != ERR_OK) channel_spec_fini(spec);
    return e;
}

void channel_random_id(char *out, size_t out_bytes, size_t random_bytes_count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t length = (random_bytes_count * 8 + 5) / 6, i = 0;
    for (; i < length && i + 1 < out_bytes; i++) {
        uint8_t byte;
        random_secret(&byte, 1);
        out[i] = digits[byte & 63];
    }
    if (out[0] == '-') out[0] = 'A'; /* an id that begins with '-' reads as an option on a command line */
    out[i] = '\0';
}

void channel_life_init(struct channel_life *life)
{
    *life = (struct channel_life){.is_checked = false};
    random_secret(life->topic_id, sizeof life->topic_id);
    channel_random_id(life->cluster_id, sizeof life->cluster_id, 16);
}

#include "control/channel_store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/durable_file.h"

enum { STORE_FILE_BYTES_MAX = 1 << 20 };

static enum err store_path(char out[PATH_MAX], const char *data_folder, const char *name, const char *suffix,
                           struct err_msg *msg)
{
    int n = snprintf(out, PATH_MAX, "%s/channels%s%s%s", data_folder, name[0] == '\0' ? "" : "/", name, suffix);
    if (n >= PATH_MAX) return err_set(msg, ERR_INVALID, "the path of data_folder is too long: %.100s...", data_folder);
    return ERR_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

enum err channel_store_init(const char *data_folder, struct err_msg *msg)
{
    char path[PATH_MAX];
    TRY(store_path(path, data_folder, "", "", msg));
    if (mkdir(path, 0700) != 0 && errno != EEXIST) return durable_file_error(msg, "create", path);
    DIR *folder = opendir(path);
    if (folder == NULL) return durable_file_error(msg, "read", path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (ends_with(entry->d_name, ".json.new")) unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    return ERR_OK;
}

enum err channel_store_save(const char *data_folder, const struct channel_spec *spec, const struct channel_life *life,
                            struct err_msg *msg)
{
    return channel_store_write(data_folder, spec->name, channel_store_text(spec, life), msg);
}

char *channel_store_text(const struct channel_spec *spec, const struct channel_life *life)
{
    json_t *file = channel_file_json(spec, life);
    char *text = file == NULL ? NULL : json_dumps(file, JSON_INDENT(2));
    json_decref(file);
    return text;
}

enum err channel_store_write(const char *data_folder, const char *name, char *text, struct err_msg *msg)
{
    char path[PATH_MAX];
    if (text == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to save channel %s", name);
    enum err e = store_path(path, data_folder, name, ".json", msg);
    if (e == ERR_OK) e = durable_file_replace(path, text, msg);
    explicit_bzero(text, strlen(text)); /* it has the password */
    free(text);
    return e;
}

enum err channel_store_remove(const char *data_folder, const char *name, struct err_msg *msg)
{
    char path[PATH_MAX];
    TRY(store_path(path, data_folder, name, ".json", msg));
    return durable_file_remove(path, msg);
}

static enum err load_file(const char *data_folder, const char *name, struct channel_spec *spec,
                          struct channel_life *life, struct err_msg *msg)
{
    char path[PATH_MAX];
    TRY(store_path(path, data_folder, name, "", msg));
    struct stat st;
    if (stat(path, &st) != 0) return durable_file_error(msg, "read", path);
    if (!S_ISREG(st.st_mode) || st.st_size > STORE_FILE_BYTES_MAX)
        return err_set(msg, ERR_CORRUPT, "%s is not a channel's file; repair it or move it away", path);
    json_error_t why;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (file == NULL)
        return err_set(msg, ERR_CORRUPT, "%s, line %d: %s; repair the file or move it away", path, why.line, why.text);
    struct err_msg inner = {.code = ERR_OK};
    enum err e = channel_file_parse(file, spec, life, &inner);
    json_decref(file);
    if (e != ERR_OK) return err_set(msg, e, "%s: %s; repair the file or move it away", path, inner.text);
    if (strlen(spec->name) + strlen(".json") == strlen(name) && strncmp(spec->name, name, strlen(spec->name)) == 0)
        return ERR_OK;
    e = err_set(msg, ERR_CORRUPT, "%s holds the channel '%s'; name the file like its channel, or move it away", path,
                spec->name);
    channel_spec_fini(spec);
    return e;
}

static int is_channel_file(const struct dirent *entry)
{
    return ends_with(entry->d_name, ".json");
}

enum err channel_store_load(const char *data_folder,
                            enum err (*visit)(void *, struct channel_spec *, const struct channel_life *,
                                              struct err_msg *),
                            void *context, struct err_msg *msg)
{
    char path[PATH_MAX];
    TRY(store_path(path, data_folder, "", "", msg));
    struct dirent **entries;
    int count = scandir(path, &entries, is_channel_file, alphasort);
    if (count < 0) return durable_file_error(msg, "read", path);
    enum err e = ERR_OK;
    for (int i = 0; i < count; i++) {
        struct channel_spec spec;
        struct channel_life life;
        if (e == ERR_OK) e = load_file(data_folder, entries[i]->d_name, &spec, &life, msg);
        if (e == ERR_OK) e = visit(context, &spec, &life, msg);
        free(entries[i]);
    }
    free(entries);
    return e;
}

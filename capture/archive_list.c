#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/archive_file.h"

enum { DIGITS_MIN = 6 }; /* servers write at least so many */

void archive_list_free(struct archive_list *list)
{
    free(list->entry);
    *list = (struct archive_list){0};
}

/* The length of BASE in BASE.NUMBER; 0: not a binlog file's name. */
static size_t base_bytes(const char *name)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name || strlen(name) >= SOURCE_FILE_BYTES) return 0;
    size_t digits = strspn(dot + 1, "0123456789");
    return digits < DIGITS_MIN || digits > 9 || dot[1 + digits] != '\0' ? 0 : (size_t)(dot - name);
}

static enum err list_add(struct archive_list *list, const char *name, uint64_t size)
{
    if (list->count == list->capacity) {
        uint32_t wanted = list->capacity == 0 ? 64 : 2 * list->capacity;
        struct archive_entry *bigger = realloc(list->entry, wanted * sizeof *bigger);
        if (bigger == NULL) return ERR_NO_MEMORY;
        list->entry = bigger;
        list->capacity = wanted;
    }
    struct archive_entry *e = &list->entry[list->count++];
    snprintf(e->name, sizeof e->name, "%s", name);
    e->size = size;
    return ERR_OK;
}

/* The base of the file that stands first in the index; "" when that says nothing. */
static void index_base(const char *path, char *out, size_t size)
{
    char line[4096];
    FILE *f = fopen(path, "re");
    out[0] = '\0';
    if (f == NULL) return;
    if (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *slash = strrchr(line, '/'), *back = strrchr(line, '\\'); /* as the server's system writes them */
        const char *name = slash == NULL ? line : slash + 1;
        if (back != NULL && back >= name) name = back + 1;
        size_t bytes = base_bytes(name);
        if (bytes > 0 && bytes < size) snprintf(out, size, "%.*s", (int)bytes, name);
    }
    fclose(f);
}

static bool is_index(const char *name)
{
    size_t size = strlen(name), end = strlen(".index");
    return size > end && strcmp(name + size - end, ".index") == 0;
}

struct folder { /* what is in it */
    const char *path;
    char index[SOURCE_FILE_BYTES]; /* the base that an index names; "": none */
    uint32_t index_count;
};

static enum err take_entry(struct archive_list *list, struct folder *f, DIR *dir, const char *name)
{
    struct stat st;
    if (is_index(name)) {
        char path[4096];
        f->index_count++;
        snprintf(path, sizeof path, "%s/%s", f->path, name);
        index_base(path, f->index, sizeof f->index);
        return ERR_OK;
    }
    if (base_bytes(name) == 0 || fstatat(dirfd(dir), name, &st, 0) != 0 || !S_ISREG(st.st_mode)) return ERR_OK;
    return list_add(list, name, (uint64_t)st.st_size);
}

static int by_number(const void *a, const void *b)
{
    const struct archive_entry *x = a, *y = b;
    uint32_t left = source_file_number(x->name), right = source_file_number(y->name);
    return left != right ? (left > right) - (left < right) : strcmp(x->name, y->name);
}

static bool is_of(const struct archive_entry *e, const char *base)
{
    return base_bytes(e->name) == strlen(base) && strncmp(e->name, base, strlen(base)) == 0;
}

/* Files of one server only. */
static enum err select_base(struct archive_list *list, const struct folder *f, struct err_msg *msg)
{
    uint32_t kept = 0;
    bool by_index = f->index_count == 1 && f->index[0] != '\0';
    for (uint32_t i = 0; by_index && i < list->count; i++)
        if (is_of(&list->entry[i], f->index)) list->entry[kept++] = list->entry[i];
    if (by_index && kept > 0) list->count = kept;
    for (uint32_t i = 1; i < list->count; i++) {
        size_t bytes = base_bytes(list->entry[0].name);
        if (bytes == base_bytes(list->entry[i].name) && strncmp(list->entry[i].name, list->entry[0].name, bytes) == 0)
            continue;
        return err_set(msg, ERR_INVALID, "the folder %s holds binlog files of several names (%s, %s); give each "
                       "server's its own folder, or put the index file of the one to be read there", f->path,
                       list->entry[0].name, list->entry[i].name);
    }
    return ERR_OK;
}

enum err archive_list_check(const struct archive_list *list, uint32_t from, const char *folder, struct err_msg *msg)
{
    for (uint32_t i = from + 1; i < list->count; i++) {
        const char *before = list->entry[i - 1].name;
        uint32_t number = source_file_number(before);
        if (source_file_number(list->entry[i].name) == number + 1) continue;
        return err_set(msg, ERR_SOURCE_PURGED, "%.*s.%06" PRIu32 " is missing in the folder %s, between %s and %s; "
                       "copy it there", (int)base_bytes(before), before, number + 1, folder, before,
                       list->entry[i].name);
    }
    return ERR_OK;
}

static enum err read_folder(struct archive_list *list, struct folder *f, struct err_msg *msg)
{
    DIR *dir = opendir(f->path);
    enum err e = ERR_OK;
    if (dir == NULL)
        return err_set(msg, errno == EACCES ? ERR_ACCESS_DENIED : errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                       "the folder of binlog files %s cannot be read: %s; put it there, and let millraced's user read "
                       "it", f->path, strerror(errno));
    for (struct dirent *d; e == ERR_OK && (d = readdir(dir)) != NULL;) e = take_entry(list, f, dir, d->d_name);
    closedir(dir);
    return e == ERR_OK ? ERR_OK : err_set(msg, e, "no memory for the list of the files in %s", f->path);
}

enum err archive_list_read(struct archive_list *list, const char *path, struct err_msg *msg)
{
    struct folder f = {.path = path};
    list->count = 0;
    TRY(read_folder(list, &f, msg));
    if (list->count == 0)
        return err_set(msg, ERR_NOT_FOUND, "the folder %s has no binlog files; copy them there: they are named like "
                       "mysql-bin.000001, and are not packed", path);
    qsort(list->entry, list->count, sizeof *list->entry, by_number);
    TRY(select_base(list, &f, msg));
    if (list->count > 1 && list->entry[list->count - 1].size < BINLOG_FIRST_POSITION) list->count--;
    return ERR_OK;
}

static uint64_t later_of(uint64_t ms, const struct stat *st)
{
    uint64_t own = (uint64_t)st->st_mtim.tv_sec * 1000 + (uint64_t)st->st_mtim.tv_nsec / 1000000;
    return own > ms ? own : ms;
}

/* A binlog file's name, or one that a copying tool makes of it for as long as it copies (.NAME.Xy12ab, NAME.part).
 * What else a server writes beside its binlogs says nothing of them. */
static bool names_binlog(const char *name)
{
    for (const char *dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
        if (strspn(dot + 1, "0123456789") >= DIGITS_MIN) return true;
    return is_index(name);
}

enum err archive_folder_written(const char *folder, struct archive_written *out)
{
    struct stat st;
    uint32_t newest = 0;
    DIR *dir = opendir(folder);
    *out = (struct archive_written){0};
    if (dir == NULL) return ERR_IO;
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (fstatat(dirfd(dir), d->d_name, &st, 0) != 0) continue; /* copying tools rename their files */
        bool is_self = strcmp(d->d_name, ".") == 0;
        if (!is_self && (!S_ISREG(st.st_mode) || !names_binlog(d->d_name))) continue;
        if (base_bytes(d->d_name) == 0 || source_file_number(d->d_name) < newest) {
            out->rest_ms = later_of(out->rest_ms, &st);
            continue;
        }
        if (newest != 0 && out->last_ms > out->rest_ms) out->rest_ms = out->last_ms;
        newest = source_file_number(d->d_name);
        out->last_ms = later_of(0, &st);
    }
    closedir(dir);
    return ERR_OK;
}

uint32_t archive_list_find(const struct archive_list *list, const char *name)
{
    uint32_t i = 0;
    while (i < list->count && strcmp(list->entry[i].name, name) != 0) i++;
    return i;
}

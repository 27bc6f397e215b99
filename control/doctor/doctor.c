#include "control/doctor/doctor.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/invariant.h"
#include "control/doctor/inside.h"

enum { PATH_BYTES = 1024, LINE_BYTES = 1024 };

/* --- what is found --- */

void found(struct doctor *d, const char *check, enum doctor_verdict v, const char *fmt, ...)
{
    struct doctor_report *r = d->report;
    INVARIANT(r->count < DOCTOR_FINDINGS_MAX);
    struct doctor_finding *f = &r->finding[r->count++];
    *f = (struct doctor_finding){.check = check, .verdict = v};
    va_list args;
    va_start(args, fmt);
    vsnprintf(f->what, sizeof f->what, fmt, args);
    va_end(args);
}

void mended(struct doctor *d, const char *fmt, ...)
{
    struct doctor_finding *f = &d->report->finding[d->report->count - 1];
    va_list args;
    va_start(args, fmt);
    vsnprintf(f->mend, sizeof f->mend, fmt, args);
    va_end(args);
}

enum doctor_verdict doctor_verdict_of(const struct doctor_report *report)
{
    enum doctor_verdict worst = DOCTOR_GOOD;
    for (uint32_t i = 0; i < report->count; i++) {
        enum doctor_verdict v = report->finding[i].verdict;
        if (v != DOCTOR_UNSEEN && v > worst) worst = v;
    }
    return worst;
}

const char *doctor_verdict_text(enum doctor_verdict v)
{
    static const char *const texts[] = {
        [DOCTOR_GOOD] = "good", [DOCTOR_ADVICE] = "advice", [DOCTOR_WRONG] = "wrong", [DOCTOR_UNSEEN] = "unseen"};
    return texts[v];
}

/* --- reading below the root --- */

__attribute__((format(printf, 3, 0))) static void path_make(const struct doctor *d, char out[PATH_BYTES],
                                                            const char *fmt, va_list args)
{
    int used = snprintf(out, PATH_BYTES, "%s", d->root);
    if (used >= 0 && used < PATH_BYTES) vsnprintf(out + used, PATH_BYTES - (size_t)used, fmt, args);
}

#define PATH_OF(path, d, fmt)          \
    char path[PATH_BYTES];             \
    do {                               \
        va_list args;                  \
        va_start(args, fmt);           \
        path_make(d, path, fmt, args); \
        va_end(args);                  \
    } while (0)

static bool line_of(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    bool got = f != NULL && fgets(out, (int)size, f) != NULL;
    if (f != NULL) fclose(f);
    if (!got) out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return out[0] != '\0';
}

bool file_line(const struct doctor *d, char *out, size_t size, const char *fmt, ...)
{
    PATH_OF(path, d, fmt);
    return line_of(path, out, size);
}

int64_t file_number(const struct doctor *d, int64_t otherwise, const char *fmt, ...)
{
    char line[64], *end;
    PATH_OF(path, d, fmt);
    if (!line_of(path, line, sizeof line)) return otherwise;
    long long value = strtoll(line, &end, 10);
    return end == line ? otherwise : value;
}

bool file_exists(const struct doctor *d, const char *fmt, ...)
{
    PATH_OF(path, d, fmt);
    return access(path, F_OK) == 0;
}

bool file_is_ours(const struct doctor *d, const char *fmt, ...)
{
    PATH_OF(path, d, fmt);
    return access(path, R_OK | W_OK) == 0;
}

bool link_end(const struct doctor *d, char *out, size_t size, const char *fmt, ...)
{
    char target[PATH_BYTES];
    PATH_OF(path, d, fmt);
    out[0] = '\0';
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0) return false;
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(out, size, "%s", slash == NULL ? target : slash + 1);
    return out[0] != '\0';
}

bool folder_first(const struct doctor *d, char *out, size_t size, const char *fmt, ...)
{
    PATH_OF(path, d, fmt);
    out[0] = '\0';
    DIR *folder = opendir(path);
    if (folder == NULL) return false;
    for (const struct dirent *e = readdir(folder); e != NULL && out[0] == '\0'; e = readdir(folder))
        if (e->d_name[0] != '.') snprintf(out, size, "%s", e->d_name);
    closedir(folder);
    return out[0] != '\0';
}

void file_lines(const struct doctor *d, const char *name, bool (*take)(void *context, const char *line), void *context)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    snprintf(path, sizeof path, "%s%s", d->root, name);
    FILE *f = fopen(path, "re");
    if (f == NULL) return;
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (!take(context, line)) break;
    }
    fclose(f);
}

struct wanted {
    const char *key;
    char *out;
    size_t size;
    bool got;
};

static bool take_value(void *context, const char *line)
{
    struct wanted *w = context;
    size_t size = strlen(w->key);
    if (strncmp(line, w->key, size) != 0) return true;
    line += size;
    snprintf(w->out, w->size, "%s", line + strspn(line, " \t"));
    w->got = true;
    return false;
}

bool file_value(const struct doctor *d, char *out, size_t size, const char *path, const char *key)
{
    struct wanted w = {key, out, size, false};
    out[0] = '\0';
    file_lines(d, path, take_value, &w);
    return w.got;
}

/* Calls for each range of a list; stops when `visit` says so. */
static bool list_each(const char *list, bool (*visit)(void *context, long first, long last), void *context)
{
    while (*list >= '0' && *list <= '9') {
        char *end;
        long first = strtol(list, &end, 10), last = first;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        if (visit(context, first, last)) return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

static bool range_holds(void *context, long first, long last)
{
    const int64_t *number = context;
    return *number >= first && *number <= last;
}

static bool range_count(void *context, long first, long last)
{
    uint32_t *count = context;
    *count += (uint32_t)(last - first + 1);
    return false;
}

bool list_holds(const char *list, int64_t number) { return list_each(list, range_holds, &number); }

uint32_t list_count(const char *list)
{
    uint32_t count = 0;
    list_each(list, range_count, &count);
    return count;
}

bool has_capability(const struct doctor *d, unsigned number)
{
    char text[32];
    if (!file_value(d, text, sizeof text, "/proc/self/status", "CapEff:")) return false;
    return strtoull(text, NULL, 16) >> number & 1;
}

/* --- the whole look --- */

void doctor_look(const struct config *config, const char *root, const struct doctor_calls *calls,
                 struct doctor_report *out)
{
    struct doctor d = {.config = config, .root = root, .calls = calls, .report = out, .node = -1};
    out->count = 0;
    for (uint32_t i = 0; i < config->listener_count; i++)
        d.is_past |= strcmp(config->listeners[i].network, "dpdk") == 0;
    check_machine(&d);
    check_disk(&d);
    if (d.is_past) {
        check_device(&d);
        check_packet_memory(&d);
    }
    check_cores(&d);
}

enum err doctor_examine(const char *config_path, const char *root, struct doctor_report *out, struct err_msg *msg)
{
    static struct config config; /* some 100 KiB; a program looks once at a time */
    TRY(config_load(config_path, &config, msg));
    doctor_look(&config, root, root[0] == '\0' ? &doctor_real_calls : NULL, out);
    return ERR_OK;
}

#include "capture/filter.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WILDCARD = 1 }; /* stands for `*` in a compiled part; no name holds this byte */

struct filter_pattern {
    char *database, *table; /* NUL-terminated, WILDCARD inside */
    bool database_is_literal;
};

struct filter {
    struct filter_pattern *include, *exclude;
    uint32_t include_count, exclude_count;
    bool ignore_case;
};

static const char *const system_schema[] = {"mysql", "information_schema", "performance_schema", "sys"};

/* Reads one part of a pattern up to an unquoted `.` or the end; returns the byte after it, NULL when malformed. */
static const char *compile_part(const char *at, char *out, size_t room, const char **why)
{
    size_t size = 0;
    bool quoted = *at == '`';

    for (at += quoted; *at != 0 && (quoted || *at != '.'); at++) {
        char c = *at;
        if (quoted && c == '`') {
            if (at[1] != '`') break;
            at++;
        } else if (c == '`') {
            *why = "a backtick stands inside an unquoted name";
            return NULL;
        } else if (!quoted && c == '*') {
            c = WILDCARD;
        }
        if ((unsigned char)*at < ' ') {
            *why = "it holds a control character";
            return NULL;
        }
        if (size + 1 >= room) {
            *why = "a name is longer than MySQL allows";
            return NULL;
        }
        out[size++] = c;
    }
    if (quoted && *at++ != '`') {
        *why = "a backtick is not closed";
        return NULL;
    }
    if (size == 0) {
        *why = "a name is empty";
        return NULL;
    }
    out[size] = 0;
    return at;
}

/* Splits and compiles a pattern; `*why` says what is wrong when it returns false. */
static bool compile(const char *pattern, char *database, char *table, const char **why)
{
    const char *at = compile_part(pattern, database, FILTER_NAME_BYTES_MAX, why);
    if (at == NULL) return false;
    if (*at == 0) {
        table[0] = WILDCARD;
        table[1] = 0;
        return true;
    }
    if (*at == '.') at = compile_part(at + 1, table, FILTER_NAME_BYTES_MAX, why);
    if (at == NULL) return false;
    if (*at != 0) {
        *why = "something follows its table name (quote names that hold a dot with backticks)";
        return false;
    }
    return true;
}

enum err filter_check(const char *pattern, struct err_msg *msg)
{
    char database[FILTER_NAME_BYTES_MAX], table[FILTER_NAME_BYTES_MAX];
    const char *why = NULL;

    if (compile(pattern, database, table, &why)) return ERR_OK;
    return err_set(msg, ERR_INVALID, "pattern \"%.200s\": %s; write database.table, for example shop.* or shop.order_*",
                   pattern, why);
}

static enum err compile_list(struct filter_pattern **out, uint32_t *count, const char *const *list, struct err_msg *msg)
{
    size_t n = 0;

    while (list != NULL && list[n] != NULL) n++;
    if (n > FILTER_PATTERNS_MAX)
        return err_set(msg, ERR_TOO_LARGE, "%zu patterns, more than %u; use wildcards", n,
                       (unsigned)FILTER_PATTERNS_MAX);
    *out = calloc(n + 1, sizeof **out);
    if (*out == NULL) return ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        char database[FILTER_NAME_BYTES_MAX], table[FILTER_NAME_BYTES_MAX];
        const char *why;
        if (!compile(list[i], database, table, &why)) return filter_check(list[i], msg);
        struct filter_pattern *p = &(*out)[i];
        p->database = strdup(database);
        p->table = strdup(table);
        p->database_is_literal = strchr(database, WILDCARD) == NULL;
        *count = (uint32_t)i + 1;
        if (p->database == NULL || p->table == NULL) return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

enum err filter_open(struct filter **out, const char *const *include, const char *const *exclude, bool ignore_case,
                     struct err_msg *msg)
{
    struct filter *f = calloc(1, sizeof *f);
    if (f == NULL) return ERR_NO_MEMORY;
    f->ignore_case = ignore_case;
    enum err e = compile_list(&f->include, &f->include_count, include, msg);
    if (e == ERR_OK) e = compile_list(&f->exclude, &f->exclude_count, exclude, msg);
    if (e == ERR_OK && f->include_count == 0)
        e = err_set(msg, ERR_INVALID, "no table is selected; give at least one include pattern, for example shop.*");
    if (e != ERR_OK) {
        filter_close(f);
        return e;
    }
    *out = f;
    return ERR_OK;
}

static void free_list(struct filter_pattern *list, uint32_t count)
{
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        free(list[i].database);
        free(list[i].table);
    }
    free(list);
}

void filter_close(struct filter *f)
{
    if (f == NULL) return;
    free_list(f->include, f->include_count);
    free_list(f->exclude, f->exclude_count);
    free(f);
}

/* Case is folded for ASCII only: with lower_case_table_names set, the source already stores names in lower case, and a
 * pattern with other capital letters than ASCII must be written as stored. */
static bool same(char a, char b, bool ignore_case)
{
    if (a == b) return true;
    if (!ignore_case) return false;
    if (a >= 'A' && a <= 'Z') a = (char)(a | 0x20);
    if (b >= 'A' && b <= 'Z') b = (char)(b | 0x20);
    return a == b;
}

/* Wildcards without recursion: on a mismatch the last `*` takes one byte more. */
static bool matches(const char *pattern, const char *name, size_t bytes, bool ignore_case)
{
    const char *end = name + bytes, *retry_pattern = NULL, *retry_name = NULL;

    while (name < end) {
        if (*pattern == WILDCARD) {
            retry_pattern = ++pattern;
            retry_name = name;
        } else if (*pattern != 0 && same(*pattern, *name, ignore_case)) {
            pattern++;
            name++;
        } else if (retry_pattern != NULL) {
            pattern = retry_pattern;
            name = ++retry_name;
        } else {
            return false;
        }
    }
    while (*pattern == WILDCARD) pattern++;
    return *pattern == 0;
}

static bool is_system_schema(const char *database, size_t bytes)
{
    for (size_t i = 0; i < sizeof system_schema / sizeof *system_schema; i++)
        if (strlen(system_schema[i]) == bytes && strncasecmp(system_schema[i], database, bytes) == 0) return true;
    return false;
}

/* Does an include pattern take the database, and the table unless that is NULL? */
static bool is_included(const struct filter *f, const char *database, size_t database_bytes, const char *table,
                        size_t table_bytes)
{
    bool is_system = is_system_schema(database, database_bytes);

    for (uint32_t i = 0; i < f->include_count; i++) {
        const struct filter_pattern *p = &f->include[i];
        if (is_system && !p->database_is_literal) continue;
        if (!matches(p->database, database, database_bytes, f->ignore_case)) continue;
        if (table == NULL || matches(p->table, table, table_bytes, f->ignore_case)) return true;
    }
    return false;
}

bool filter_selects(const struct filter *f, const char *database, size_t database_bytes, const char *table,
                    size_t table_bytes)
{
    for (uint32_t i = 0; i < f->exclude_count; i++)
        if (matches(f->exclude[i].database, database, database_bytes, f->ignore_case) &&
            matches(f->exclude[i].table, table, table_bytes, f->ignore_case))
            return false;
    return is_included(f, database, database_bytes, table, table_bytes);
}

bool filter_selects_database(const struct filter *f, const char *database, size_t database_bytes)
{
    static const char any[] = {WILDCARD, 0};

    for (uint32_t i = 0; i < f->exclude_count; i++)
        if (strcmp(f->exclude[i].table, any) == 0 &&
            matches(f->exclude[i].database, database, database_bytes, f->ignore_case))
            return false;
    return is_included(f, database, database_bytes, NULL, 0);
}

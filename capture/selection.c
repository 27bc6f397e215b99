#include "capture/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_lines(FILE *out, char mark, const char *const *pattern)
{
    for (; pattern != NULL && *pattern != NULL; pattern++) fprintf(out, "%c%s\n", mark, *pattern);
}

char *selection_text(const char *const *include, const char *const *exclude)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    put_lines(out, '+', include);
    put_lines(out, '-', exclude);
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed) return text;
    free(text);
    return NULL;
}

enum err selection_filter(struct filter **out, const char *text, bool ignore_case, struct err_msg *msg)
{
    size_t lines = 0;
    for (const char *at = text; *at != '\0'; at++) lines += *at == '\n';
    char *copy = strdup(text), *rest = copy;
    const char **list = calloc(2 * (lines + 1), sizeof *list); /* the includes, NULL, the excludes, NULL */
    enum err e = copy == NULL || list == NULL ? err_set(msg, ERR_NO_MEMORY, "no memory for table patterns") : ERR_OK;
    const char **include = list, **exclude = list == NULL ? NULL : list + lines + 1;
    for (char *line; e == ERR_OK && (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] == '+') *include++ = line + 1;
        if (line[0] == '-') *exclude++ = line + 1;
    }
    if (e == ERR_OK) e = filter_open(out, list, list + lines + 1, ignore_case, msg);
    free(list);
    free(copy);
    return e;
}

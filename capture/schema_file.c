#include "capture/schema_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "capture/sql_split.h"

enum { DATABASE_BYTES = 256 };

static enum err read_file(const char *path, char **text, size_t *size, struct err_msg *msg)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(msg, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open schema_file %s: %s", path,
                       strerror(errno));
    enum err e = ERR_OK;
    long end = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    rewind(f);
    if (end < 0)
        e = err_set(msg, ERR_IO, "cannot read schema_file %s: %s", path, strerror(errno));
    else if (end > SCHEMA_FILE_BYTES_MAX)
        e = err_set(msg, ERR_TOO_LARGE, "schema_file %s is larger than %d MiB; leave out of it what is no CREATE "
                    "DATABASE or CREATE TABLE", path, SCHEMA_FILE_BYTES_MAX >> 20);
    else if ((*text = malloc((size_t)end + 1)) == NULL)
        e = err_set(msg, ERR_NO_MEMORY, "no memory for schema_file %s", path);
    else
        *size = fread(*text, 1, (size_t)end, f);
    fclose(f);
    return e;
}

/* USE name: the default database from here on. */
static bool take_use(const char *statement, size_t size, char *database)
{
    if (size < 5 || strncasecmp(statement, "USE", 3) != 0 || strchr(" \t\r\n`", statement[3]) == NULL) return false;
    const char *at = statement + 3, *end = statement + size;
    while (at < end && strchr(" \t\r\n`", *at) != NULL) at++;
    while (end > at && strchr(" \t\r\n`", end[-1]) != NULL) end--;
    snprintf(database, DATABASE_BYTES, "%.*s", (int)(end - at), at);
    return true;
}

enum err schema_file_read(const char *path, struct catalog *c, struct err_msg *msg)
{
    char *text = NULL, database[DATABASE_BYTES] = "";
    size_t size = 0, at = 0, statement_bytes;
    const char *statement;
    TRY(read_file(path, &text, &size, msg));
    enum err e = ERR_OK;
    while (e == ERR_OK && sql_split_next(text, size, &at, &statement, &statement_bytes)) {
        const struct catalog_context context = {.database = database};
        struct catalog_effect effect;
        struct err_msg why = {0};
        if (take_use(statement, statement_bytes, database)) continue;
        e = catalog_apply(c, &context, statement, statement_bytes, &effect, &why);
        if (e != ERR_OK && e != ERR_NO_MEMORY)
            e = err_within(msg, ERR_INVALID, &why, "schema_file %s; correct it", path);
    }
    free(text);
    return e;
}

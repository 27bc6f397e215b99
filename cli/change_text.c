#include "cli/change_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

enum { LINE_VALUE_BYTES = 60 }; /* longer values are cut */

/* The line begins {"id":7,"operation":"UPDATE" */
enum change_kind change_kind_of(const char *line)
{
    static const char key[] = "\"operation\":\"";
    const char *at = strstr(line, key);
    if (at == NULL) return CHANGE_KIND_OTHER;
    at += sizeof key - 1;
    if (strncmp(at, "INSERT\"", 7) == 0 || strncmp(at, "UPDATE\"", 7) == 0 || strncmp(at, "DELETE\"", 7) == 0)
        return CHANGE_KIND_ROW;
    return strncmp(at, "DDL\"", 4) == 0 ? CHANGE_KIND_DDL : CHANGE_KIND_OTHER;
}

static void print_cut(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size && i < LINE_VALUE_BYTES; i++) putchar((unsigned char)text[i] < 0x20 ? ' ' : text[i]);
    if (size > LINE_VALUE_BYTES) fputs("...", stdout);
}

static void print_value(const json_t *value)
{
    char number[64];
    if (json_is_null(value))
        fputs("NULL", stdout);
    else if (json_is_string(value))
        print_cut(json_string_value(value));
    else if (json_is_integer(value))
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.17g", json_real_value(value)), fputs(number, stdout);
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "true" : "false", stdout);
    else {
        size_t size = json_dumpb(value, number, sizeof number - 1, JSON_COMPACT | JSON_ENCODE_ANY);
        number[size < sizeof number ? size : 0] = '\0';
        fputs(number, stdout);
    }
}

/* name=value ...; of an UPDATE only what changed, as name=old->new, behind the first column, which says which row. */
static void print_image(const json_t *before, const json_t *after)
{
    const json_t *image = json_is_object(after) ? after : before;
    bool is_update = json_is_object(before) && json_is_object(after);
    const char *name;
    json_t *now;
    bool is_first = true;
    json_object_foreach((json_t *)(uintptr_t)image, name, now)
    {
        const json_t *old = is_update ? json_object_get(before, name) : NULL;
        bool has_changed = is_update && !json_equal(old, now);
        if (is_update && !has_changed && !is_first) continue;
        printf(" %s=", name);
        if (has_changed) {
            print_value(old);
            fputs("->", stdout);
        }
        print_value(now);
        is_first = false;
    }
}

void change_print(const json_t *value, int64_t offset)
{
    const json_t *image = json_object_get(value, "table"), *statement = json_object_get(value, "statement");
    printf("%-10" PRId64 " %-9s %s", offset, print_text(value, "operation"),
           print_text(value, image != NULL ? "table" : "database"));
    if (image != NULL) {
        print_image(json_object_get(value, "before"), json_object_get(value, "after"));
    } else if (statement != NULL) {
        fputs(": ", stdout);
        print_cut(print_text(value, "statement"));
    }
    fputs(print_text(value, "why"), stdout);
}

void change_print_text(const char *line, int64_t offset, int64_t lag)
{
    json_t *value = json_loads(line, JSON_ALLOW_NUL, NULL);
    if (value == NULL) value = json_loads(line, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL); /* above 2^63 */
    change_print(value, offset);
    if (lag >= 0) printf("  (lag %" PRId64 ")", lag);
    putchar('\n');
    json_decref(value);
}

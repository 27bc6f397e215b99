#include "capture/column_type.h"

#include <stdlib.h>
#include <string.h>

struct type_word {
    const char *word;
    enum change_type type;
    uint8_t prefix_bytes;
    uint8_t special;
};

static const struct type_word type_word[] = {
    {"tinyint", CHANGE_TINYINT, 0, 0},
    {"smallint", CHANGE_SMALLINT, 0, 0},
    {"mediumint", CHANGE_MEDIUMINT, 0, 0},
    {"int", CHANGE_INT, 0, 0},
    {"bigint", CHANGE_BIGINT, 0, 0},
    {"bit", CHANGE_BIT, 0, 0},
    {"float", CHANGE_FLOAT, 0, 0},
    {"double", CHANGE_DOUBLE, 0, 0},
    {"decimal", CHANGE_DECIMAL, 0, 0},
    {"date", CHANGE_DATE, 0, 0},
    {"time", CHANGE_TIME, 0, 0},
    {"datetime", CHANGE_DATETIME, 0, 0},
    {"timestamp", CHANGE_TIMESTAMP, 0, 0},
    {"year", CHANGE_YEAR, 0, 0},
    {"char", CHANGE_CHAR, 0, 0},
    {"varchar", CHANGE_VARCHAR, 0, 0},
    {"tinytext", CHANGE_TEXT, 1, 0},
    {"text", CHANGE_TEXT, 2, 0},
    {"mediumtext", CHANGE_TEXT, 3, 0},
    {"longtext", CHANGE_TEXT, 4, 0},
    {"binary", CHANGE_BINARY, 0, 0},
    {"varbinary", CHANGE_VARBINARY, 0, 0},
    {"tinyblob", CHANGE_BLOB, 1, 0},
    {"blob", CHANGE_BLOB, 2, 0},
    {"mediumblob", CHANGE_BLOB, 3, 0},
    {"longblob", CHANGE_BLOB, 4, 0},
    {"enum", CHANGE_ENUM, 0, 0},
    {"set", CHANGE_SET, 0, 0},
    {"json", CHANGE_JSON, 4, 0},
    {"geometry", CHANGE_GEOMETRY, 4, 0},
    {"point", CHANGE_GEOMETRY, 4, 0},
    {"linestring", CHANGE_GEOMETRY, 4, 0},
    {"polygon", CHANGE_GEOMETRY, 4, 0},
    {"multipoint", CHANGE_GEOMETRY, 4, 0},
    {"multilinestring", CHANGE_GEOMETRY, 4, 0},
    {"multipolygon", CHANGE_GEOMETRY, 4, 0},
    {"geometrycollection", CHANGE_GEOMETRY, 4, 0},
    {"geomcollection", CHANGE_GEOMETRY, 4, 0},
    {"inet4", CHANGE_CHAR, 0, SCHEMA_SPECIAL_INET4},
    {"inet6", CHANGE_CHAR, 0, SCHEMA_SPECIAL_INET6},
    {"uuid", CHANGE_CHAR, 0, SCHEMA_SPECIAL_UUID},
    {"vector", CHANGE_BLOB, 0, SCHEMA_SPECIAL_VECTOR},
};

/* Reads "(n)" or "(n,m)" into two numbers, 0 where absent, and steps over it; *at stays where there is none. */
static void parse_sizes(const char **at, unsigned long *first, unsigned long *second)
{
    char *end;

    *first = *second = 0;
    if (**at != '(') return;
    *first = strtoul(*at + 1, &end, 10);
    if (*end == ',') *second = strtoul(end + 1, &end, 10);
    if (*end == ')') *at = end + 1;
}

enum err column_type_parse(struct change_column *column, struct schema_column *extra)
{
    const char *at = extra->type_text + strspn(extra->type_text, "abcdefghijklmnopqrstuvwxyz0123456789");
    size_t word_bytes = (size_t)(at - extra->type_text);
    const struct type_word *w = NULL;
    unsigned long first, second;

    for (size_t i = 0; i < sizeof type_word / sizeof *type_word; i++)
        if (strncmp(type_word[i].word, extra->type_text, word_bytes) == 0 && type_word[i].word[word_bytes] == 0)
            w = &type_word[i];
    if (w == NULL) return ERR_UNSUPPORTED;
    column->type = w->type;
    extra->prefix_bytes = w->prefix_bytes;
    extra->special = w->special;
    column->is_unsigned = false;
    column->precision = column->scale = 0;
    if (w->type == CHANGE_ENUM || w->type == CHANGE_SET) return ERR_OK;

    parse_sizes(&at, &first, &second);
    column->is_unsigned = strstr(at, " unsigned") != NULL;
    switch (w->type) {
    case CHANGE_DECIMAL:
        if (first < 1 || first > 65 || second > 38 || second > first) return ERR_UNSUPPORTED;
        column->precision = (uint8_t)first;
        column->scale = (uint8_t)second;
        break;
    case CHANGE_BIT:
        if (first < 1 || first > 64) return ERR_UNSUPPORTED;
        column->precision = (uint8_t)first;
        break;
    case CHANGE_TIME:
    case CHANGE_DATETIME:
    case CHANGE_TIMESTAMP:
        if (first > 6) return ERR_UNSUPPORTED; /* MySQL 4's TIMESTAMP(14) among them */
        column->scale = (uint8_t)first;
        break;
    default: break;
    }
    extra->is_compressed = strstr(at, "COMPRESSED") != NULL; /* MariaDB's, inside a comment */
    return ERR_OK;
}

/* Reads one quoted label at `*at` (which points to its opening quote) to `out`, unless that is NULL, and returns its
 * bytes. */
static size_t read_label(const char **at, char *out)
{
    const char *in = *at + 1;
    size_t size = 0;

    for (; *in != 0; in++) {
        char c = *in;
        if (c == '\'') {
            if (in[1] != '\'') break;
            in++;
        } else if (c == '\\' && in[1] != 0) {
            c = *++in;
            c = (char)(c == '0' ? 0 : c == 'n' ? '\n' : c == 'r' ? '\r' : c);
        }
        if (out != NULL) out[size] = c;
        size++;
    }
    *at = *in == '\'' ? in + 1 : in;
    return size;
}

/* The first label's opening quote, or the type's end when it lists none. */
static const char *labels_begin(const char *type_text)
{
    size_t word_bytes = strncmp(type_text, "enum(", 5) == 0 ? 5 : strncmp(type_text, "set(", 4) == 0 ? 4 : 0;
    return word_bytes == 0 ? "" : type_text + word_bytes;
}

size_t column_type_label_count(const char *type_text, size_t *text_bytes)
{
    size_t count = 0;

    *text_bytes = 0;
    for (const char *at = labels_begin(type_text); *at == '\''; at += *at == ',') {
        *text_bytes += read_label(&at, NULL) + 1;
        count++;
    }
    return count;
}

void column_type_labels(const char *type_text, struct schema_label *label, char *text)
{
    for (const char *at = labels_begin(type_text); *at == '\''; at += *at == ',') {
        size_t size = read_label(&at, text);
        text[size] = 0;
        *label++ = (struct schema_label){text, (uint32_t)size};
        text += size + 1;
    }
}

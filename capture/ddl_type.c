#include <string.h>
#include <strings.h>

#include "capture/ddl_parser.h"

enum sizes { NO_SIZE, ONE_SIZE, TWO_SIZES, FRACTION, NEEDS_SIZE };

struct type_word {
    const char *word;
    enum ddl_type_kind kind;
    enum sizes sizes;
    bool is_text;
    const char *charset;
};

static const struct type_word type_words[] = {
    {"TINYINT", DDL_TINYINT, ONE_SIZE},
    {"INT1", DDL_TINYINT, ONE_SIZE},
    {"SMALLINT", DDL_SMALLINT, ONE_SIZE},
    {"INT2", DDL_SMALLINT, ONE_SIZE},
    {"MEDIUMINT", DDL_MEDIUMINT, ONE_SIZE},
    {"INT3", DDL_MEDIUMINT, ONE_SIZE},
    {"MIDDLEINT", DDL_MEDIUMINT, ONE_SIZE},
    {"INT", DDL_INT, ONE_SIZE},
    {"INTEGER", DDL_INT, ONE_SIZE},
    {"INT4", DDL_INT, ONE_SIZE},
    {"BIGINT", DDL_BIGINT, ONE_SIZE},
    {"INT8", DDL_BIGINT, ONE_SIZE},
    {"FLOAT", DDL_FLOAT, TWO_SIZES},
    {"FLOAT4", DDL_FLOAT, TWO_SIZES},
    {"FLOAT8", DDL_DOUBLE, TWO_SIZES},
    {"DOUBLE", DDL_DOUBLE, TWO_SIZES},
    {"REAL", DDL_DOUBLE, TWO_SIZES},
    {"DECIMAL", DDL_DECIMAL, TWO_SIZES},
    {"DEC", DDL_DECIMAL, TWO_SIZES},
    {"NUMERIC", DDL_DECIMAL, TWO_SIZES},
    {"FIXED", DDL_DECIMAL, TWO_SIZES},
    {"BIT", DDL_BIT, ONE_SIZE},
    {"DATE", DDL_DATE, NO_SIZE},
    {"TIME", DDL_TIME, FRACTION},
    {"DATETIME", DDL_DATETIME, FRACTION},
    {"TIMESTAMP", DDL_TIMESTAMP, FRACTION},
    {"YEAR", DDL_YEAR, ONE_SIZE},
    {"CHAR", DDL_CHAR, ONE_SIZE, true},
    {"CHARACTER", DDL_CHAR, ONE_SIZE, true},
    {"VARCHAR", DDL_VARCHAR, NEEDS_SIZE, true},
    {"VARCHARACTER", DDL_VARCHAR, NEEDS_SIZE, true},
    {"NCHAR", DDL_CHAR, ONE_SIZE, true, "utf8mb3"},
    {"NVARCHAR", DDL_VARCHAR, NEEDS_SIZE, true, "utf8mb3"},
    {"TINYTEXT", DDL_TINYTEXT, NO_SIZE, true},
    {"TEXT", DDL_TEXT, ONE_SIZE, true},
    {"MEDIUMTEXT", DDL_MEDIUMTEXT, NO_SIZE, true},
    {"LONGTEXT", DDL_LONGTEXT, NO_SIZE, true},
    {"BINARY", DDL_BINARY, ONE_SIZE},
    {"VARBINARY", DDL_VARBINARY, NEEDS_SIZE},
    {"TINYBLOB", DDL_TINYBLOB, NO_SIZE},
    {"BLOB", DDL_BLOB, ONE_SIZE},
    {"MEDIUMBLOB", DDL_MEDIUMBLOB, NO_SIZE},
    {"LONGBLOB", DDL_LONGBLOB, NO_SIZE},
    {"JSON", DDL_JSON, NO_SIZE},
    {"VECTOR", DDL_VECTOR, ONE_SIZE},
};

/* Types that are their name and nothing else. */
static const char *const plain_words[] = {
    "geometry",           "point",          "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection", "inet4",      "inet6",   "uuid",
};

bool ddl_at_charset(const struct ddl_parser *p)
{
    return ddl_is_word(p, "CHARSET") || ddl_is_words(p, "CHARACTER", "SET") || ddl_is_words(p, "CHAR", "SET");
}

enum err ddl_parse_charset(struct ddl_parser *p, const char **charset)
{
    if (!ddl_take_word(p, "CHARSET")) {
        ddl_advance(p);
        TRY(ddl_need_word(p, "SET"));
    }
    ddl_take_mark(p, '=');
    if (ddl_take_word(p, "DEFAULT")) {
        *charset = "";
        return ERR_OK;
    }
    return ddl_need_text(p, charset);
}

enum err ddl_parse_collate(struct ddl_parser *p, const char **collation)
{
    TRY(ddl_need_word(p, "COLLATE"));
    ddl_take_mark(p, '=');
    if (ddl_take_word(p, "DEFAULT")) {
        *collation = "";
        return ERR_OK;
    }
    return ddl_need_text(p, collation);
}

static enum err parse_size(struct ddl_parser *p, struct ddl_type *t, enum sizes sizes)
{
    if (sizes == NO_SIZE || !ddl_is_mark(p, '(')) return sizes == NEEDS_SIZE ? ddl_fail(p, "(") : ERR_OK;
    ddl_advance(p);
    t->has_length = true;
    TRY(ddl_need_number(p, &t->length));
    if (sizes == TWO_SIZES && ddl_take_mark(p, ',')) {
        uint64_t decimals;
        TRY(ddl_need_number(p, &decimals));
        if (decimals > 255) return ddl_fail(p, "a smaller number of decimals");
        t->has_decimals = true;
        t->decimals = (uint32_t)decimals;
    }
    return ddl_need_mark(p, ')');
}

static enum err parse_labels(struct ddl_parser *p, struct ddl_type *t)
{
    uint32_t capacity = 0;
    struct ddl_label *label = NULL;
    TRY(ddl_need_mark(p, '('));
    do {
        if (p->token.kind == DDL_TOKEN_WORD && *p->token.at == '_') ddl_advance(p); /* introducer: the text is UTF-8 */
        bool is_hex = p->token.kind == DDL_TOKEN_HEX || p->token.kind == DDL_TOKEN_BITS;
        if (!is_hex && p->token.kind != DDL_TOKEN_STRING) return ddl_fail(p, "a label in quotes");
        if (t->label_count == capacity) {
            capacity = capacity == 0 ? 8 : capacity * 2;
            struct ddl_label *grown = arena_alloc(p->arena, capacity * sizeof *grown);
            if (grown == NULL) return ERR_NO_MEMORY;
            if (label != NULL) memcpy(grown, label, t->label_count * sizeof *grown);
            label = grown;
        }
        size_t size;
        char *text = ddl_token_text(&p->token, p->rules, p->arena, &size);
        if (text == NULL) return ERR_NO_MEMORY;
        if (t->label_count == UINT16_MAX) return ddl_fail(p, "65,535 labels at most");
        label[t->label_count++] = (struct ddl_label){text, (uint32_t)size, is_hex};
        t->label = label;
        ddl_advance(p);
    } while (ddl_take_mark(p, ','));
    return ddl_need_mark(p, ')');
}

/* Numbers' and texts' attributes that belong to the type: in any order, as older versions allow. */
static enum err parse_type_attributes(struct ddl_parser *p, struct ddl_type *t, bool is_text)
{
    for (;;) {
        if (ddl_take_word(p, "UNSIGNED")) {
            t->is_unsigned = true;
        } else if (ddl_take_word(p, "ZEROFILL")) {
            t->is_unsigned = t->is_zerofill = true;
        } else if (ddl_take_word(p, "SIGNED")) {
            continue;
        } else if (is_text && ddl_take_word(p, "BINARY")) {
            t->is_binary = true;
        } else if (is_text && ddl_take_word(p, "BYTE")) {
            t->is_byte = true;
        } else if (is_text && ddl_take_word(p, "ASCII")) {
            t->charset = "latin1";
        } else if (is_text && ddl_take_word(p, "UNICODE")) {
            t->charset = "ucs2";
        } else if (ddl_at_charset(p)) {
            TRY(ddl_parse_charset(p, &t->charset));
        } else if (ddl_is_word(p, "COMPRESSED") && p->rules->is_mariadb) {
            ddl_advance(p);
            t->is_compressed = true;
            if (ddl_take_mark(p, '=')) TRY(ddl_skip_one(p));
        } else {
            return ERR_OK;
        }
    }
}

/* LONG, LONG VARCHAR, LONG CHAR VARYING, LONG VARBINARY. */
static enum ddl_type_kind long_kind(struct ddl_parser *p)
{
    if (ddl_take_word(p, "VARBINARY")) return DDL_MEDIUMBLOB;
    if (!ddl_at_charset(p) && ddl_take_any_of(p, "CHAR CHARACTER"))
        ddl_take_word(p, "VARYING");
    else
        ddl_take_any_of(p, "VARCHAR VARCHARACTER");
    return DDL_MEDIUMTEXT;
}

static enum err parse_plain(struct ddl_parser *p, struct ddl_type *t)
{
    for (size_t i = 0; i < sizeof plain_words / sizeof *plain_words; i++) {
        if (!ddl_take_word(p, plain_words[i])) continue;
        t->kind = DDL_PLAIN;
        t->word = plain_words[i];
        return ERR_OK;
    }
    return ddl_fail(p, "a column type");
}

enum err ddl_parse_type(struct ddl_parser *p, struct ddl_column *c)
{
    struct ddl_type *t = &c->type;
    if ((p->rules->sql_mode & SQL_MODE_ORACLE) != 0)
        return ddl_fail(p, "a type without sql_mode ORACLE, which gives types other meanings,");
    if (ddl_take_word(p, "SERIAL")) {
        *t = (struct ddl_type){.kind = DDL_BIGINT, .is_unsigned = true};
        c->null = DDL_NOT_NULL;
        c->is_unique = true;
        return ERR_OK;
    }
    if (ddl_take_any_of(p, "BOOL BOOLEAN")) {
        *t = (struct ddl_type){.kind = DDL_TINYINT, .has_length = true, .length = 1};
        return parse_type_attributes(p, t, false);
    }
    if (ddl_take_word(p, "ENUM") || ddl_is_word(p, "SET")) {
        t->kind = ddl_take_word(p, "SET") ? DDL_SET : DDL_ENUM;
        TRY(parse_labels(p, t));
        return parse_type_attributes(p, t, true);
    }
    if (ddl_take_word(p, "LONG")) {
        t->kind = long_kind(p);
        return parse_type_attributes(p, t, t->kind == DDL_MEDIUMTEXT);
    }
    bool is_national = ddl_take_word(p, "NATIONAL");
    const struct type_word *w = NULL;
    for (size_t i = 0; w == NULL && i < sizeof type_words / sizeof *type_words; i++)
        if (ddl_is_word(p, type_words[i].word)) w = &type_words[i];
    if (w == NULL) return parse_plain(p, t);
    if (is_national && w->kind != DDL_CHAR && w->kind != DDL_VARCHAR) return ddl_fail(p, "CHAR or VARCHAR");
    bool is_real = ddl_is_word(p, "REAL") && (p->rules->sql_mode & SQL_MODE_REAL_AS_FLOAT) != 0;
    ddl_advance(p);
    t->kind = is_real ? DDL_FLOAT : w->kind;
    t->charset = is_national ? "utf8mb3" : w->charset;
    enum sizes sizes = w->sizes;
    if (w->kind == DDL_DOUBLE) ddl_take_word(p, "PRECISION");
    if (w->kind == DDL_CHAR && (ddl_take_word(p, "VARYING") || (w->charset != NULL && ddl_take_word(p, "VARCHAR")))) {
        t->kind = DDL_VARCHAR;
        sizes = NEEDS_SIZE;
    }
    TRY(parse_size(p, t, sizes));
    if (t->kind == DDL_TIMESTAMP && (p->rules->sql_mode & SQL_MODE_MAXDB) != 0) t->kind = DDL_DATETIME;
    return parse_type_attributes(p, t, w->is_text);
}

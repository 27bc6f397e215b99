#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/catalog_work.h"

static const char *const kind_name[] = {
    [DDL_TINYINT] = "tinyint",
    [DDL_SMALLINT] = "smallint",
    [DDL_MEDIUMINT] = "mediumint",
    [DDL_INT] = "int",
    [DDL_BIGINT] = "bigint",
    [DDL_FLOAT] = "float",
    [DDL_DOUBLE] = "double",
    [DDL_DECIMAL] = "decimal",
    [DDL_BIT] = "bit",
    [DDL_DATE] = "date",
    [DDL_TIME] = "time",
    [DDL_DATETIME] = "datetime",
    [DDL_TIMESTAMP] = "timestamp",
    [DDL_YEAR] = "year",
    [DDL_CHAR] = "char",
    [DDL_VARCHAR] = "varchar",
    [DDL_TINYTEXT] = "tinytext",
    [DDL_TEXT] = "text",
    [DDL_MEDIUMTEXT] = "mediumtext",
    [DDL_LONGTEXT] = "longtext",
    [DDL_BINARY] = "binary",
    [DDL_VARBINARY] = "varbinary",
    [DDL_TINYBLOB] = "tinyblob",
    [DDL_BLOB] = "blob",
    [DDL_MEDIUMBLOB] = "mediumblob",
    [DDL_LONGBLOB] = "longblob",
    [DDL_ENUM] = "enum",
    [DDL_SET] = "set",
    [DDL_JSON] = "json",
    [DDL_VECTOR] = "vector",
};

enum { VARCHAR_BYTES_MAX = 65535, TYPE_TEXT_BYTES = 96 };

static bool is_text_kind(enum ddl_type_kind k)
{
    return k >= DDL_CHAR && k <= DDL_LONGTEXT;
}

static bool is_blob_kind(enum ddl_type_kind k)
{
    return (k >= DDL_TINYTEXT && k <= DDL_LONGTEXT) || (k >= DDL_TINYBLOB && k <= DDL_LONGBLOB);
}

/* The smallest TEXT that holds so many bytes. */
static enum ddl_type_kind text_of_bytes(uint64_t bytes)
{
    return bytes < 256 ? DDL_TINYTEXT : bytes < 65536 ? DDL_TEXT : bytes < 1 << 24 ? DDL_MEDIUMTEXT : DDL_LONGTEXT;
}

/* The type of bytes that stands in for a text type where its character set is binary. */
static enum ddl_type_kind binary_kind(enum ddl_type_kind k)
{
    static const enum ddl_type_kind of[] = {DDL_BINARY, DDL_VARBINARY,  DDL_TINYBLOB,
                                            DDL_BLOB,   DDL_MEDIUMBLOB, DDL_LONGBLOB};
    return of[k - DDL_CHAR];
}

static const char *print(struct catalog_work *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static const char *print(struct catalog_work *w, const char *fmt, ...)
{
    char text[TYPE_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return arena_text(&w->arena, text, (size_t)size);
}

/* ---- numbers and times ---- */

static const char *print_integer(struct catalog_work *w, const struct ddl_type *t)
{
    static const uint8_t width[5][2] = {{4, 3}, {6, 5}, {9, 8}, {11, 10}, {20, 20}}; /* signed, unsigned */
    const struct catalog_server *s = &w->c->server;
    uint64_t shown = t->length != 0 ? t->length : width[t->kind - DDL_TINYINT][t->is_unsigned];
    const char *sign = t->is_zerofill ? " unsigned zerofill" : t->is_unsigned ? " unsigned" : "";
    /* MySQL 8.0.19 shows a width where it means something: the BOOL of many programs, and ZEROFILL. */
    bool is_bool = t->kind == DDL_TINYINT && shown == 1 && !t->is_unsigned;
    if (!s->is_mariadb && s->version >= 80019 && !t->is_zerofill && !is_bool)
        return print(w, "%s%s", kind_name[t->kind], sign);
    return print(w, "%s(%llu)%s", kind_name[t->kind], (unsigned long long)shown, sign);
}

static const char *print_real(struct catalog_work *w, const struct ddl_type *t)
{
    const char *sign = t->is_zerofill ? " unsigned zerofill" : t->is_unsigned ? " unsigned" : "";
    if (t->kind == DDL_DECIMAL)
        return print(w, "decimal(%llu,%u)%s", t->length == 0 ? 10 : (unsigned long long)t->length, t->decimals, sign);
    if (t->has_decimals)
        return print(w, "%s(%llu,%u)%s", kind_name[t->kind], (unsigned long long)t->length, t->decimals, sign);
    return print(w, "%s%s", t->kind == DDL_FLOAT && t->length > 24 ? "double" : kind_name[t->kind], sign);
}

static const char *print_time(struct catalog_work *w, const struct ddl_type *t)
{
    const struct catalog_server *s = &w->c->server;
    bool has_fraction = s->version >= (s->is_mariadb ? 50300 : 50604); /* older: TIMESTAMP(14) and the like */
    if (t->kind == DDL_YEAR) {
        if (!s->is_mariadb && s->version >= 80019) return "year";
        return t->length == 2 && (s->is_mariadb || s->version < 50606) ? "year(2)" : "year(4)";
    }
    if (t->length == 0 || !has_fraction) return kind_name[t->kind];
    return print(w, "%s(%llu)", kind_name[t->kind], (unsigned long long)t->length);
}

/* ---- labels ---- */

/* A label as the source shows it, in `to`; returns its end. */
static char *put_label(char *to, const char *text, size_t size)
{
    *to++ = '\'';
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '\'') *to++ = '\'';
        if (c == '\\' || c == 0 || c == '\n' || c == '\r') *to++ = '\\';
        *to++ = (char)(c == 0 ? '0' : c == '\n' ? 'n' : c == '\r' ? 'r' : c);
    }
    *to++ = '\'';
    return to;
}

/* What the source stores is sure only where the character set has each character of the label; one given in
 * hexadecimal is bytes of that character set, which must mean the same in UTF-8. */
static bool is_label_sure(const struct catalog_work *w, const struct ddl_label *l, const struct collation *cs)
{
    static const struct charset utf8 = {.name = "utf8mb4"};
    bool is_ascii = true;
    /* The text that servers write for CREATE TABLE ... SELECT has escapes even where the mode says there are none. */
    bool has_none = w->s.kind == DDL_CREATE_TABLE && (w->context->sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES) != 0;
    for (uint32_t i = 1; has_none && i < l->size; i++)
        if (l->text[i - 1] == '\\' && strchr("\\nr0", l->text[i]) != NULL) return false;
    for (uint32_t i = 0; i < l->size; i++)
        if ((unsigned char)l->text[i] >= 0x80) is_ascii = false;
    return l->is_hex ? catalog_same_bytes(cs->charset, &utf8, is_ascii)
                     : catalog_can_write(cs->charset, l->text, l->size);
}

static const char *print_labels(struct catalog_work *w, const struct ddl_type *t, const struct collation *cs)
{
    size_t room = 8;
    for (uint32_t i = 0; i < t->label_count; i++) room += 2ul * t->label[i].size + 3;
    char *text = arena_alloc(&w->arena, room), *to = text;
    if (text == NULL) return NULL;
    to += sprintf(to, "%s(", kind_name[t->kind]);
    for (uint32_t i = 0; i < t->label_count; i++) {
        size_t size = t->label[i].size;
        /* Spaces at the end go, except where they are bytes. */
        while (size > 0 && t->label[i].text[size - 1] == ' ' && strcmp(cs->charset->name, "binary") != 0) size--;
        if (i != 0) *to++ = ',';
        to = put_label(to, t->label[i].text, size);
    }
    *to++ = ')';
    *to = 0;
    return text;
}

/* ---- columns ---- */

static const char *print_bytes_type(struct catalog_work *w, const struct ddl_type *t, enum ddl_type_kind kind)
{
    /* The number of the version from which a server understands it is part of what is shown. */
    const char *packed = t->is_compressed ? " /*M!100301 COMPRESSED*/" : "";
    if (is_blob_kind(kind)) return print(w, "%s%s", kind_name[kind], packed);
    return print(w, "%s(%llu)%s", kind_name[kind], t->has_length ? (unsigned long long)t->length : 1, packed);
}

/* Does the attribute BINARY decide about the collation?  Where both are said MySQL 8 follows a COLLATE behind a
 * CHARACTER SET, older ones never do; MariaDB takes only a binary collation there. */
static bool takes_binary(const struct catalog_work *w, const struct ddl_type *t)
{
    if (!t->is_binary || t->collation == NULL) return t->is_binary;
    return !w->c->server.is_mariadb && (t->charset == NULL || w->c->server.version < 80000);
}

/* Makes `cs` what BINARY asks for; MariaDB leaves a binary collation without padding as it is. */
static bool take_binary(const struct catalog_work *w, struct collation *cs)
{
    if (w->c->server.is_mariadb && strstr(cs->name, "_nopad_bin") != NULL) return true;
    return collation_binary(cs, &w->c->server, cs->charset);
}

/* Text and byte types: sizes in characters decide together with the character set. */
static enum err make_text(struct catalog_work *w, const struct ddl_type *t, const struct collation *standard,
                          struct catalog_column *out)
{
    enum ddl_type_kind kind = t->kind;
    struct collation cs;
    bool is_text = is_text_kind(kind);
    if (!is_text && w->c->server.is_mariadb && t->collation != NULL) { /* MariaDB: BINARY(3) COLLATE x is a CHAR(3) */
        kind = (enum ddl_type_kind)(kind - DDL_BINARY + DDL_CHAR);
        is_text = true;
    }
    bool is_known = collation_find(&cs, &w->c->server, "binary", 6);
    if (is_text && !t->is_byte) TRY(catalog_resolve(w, t->charset, t->collation, standard, standard, &cs));
    if (is_text && takes_binary(w, t)) is_known = take_binary(w, &cs);
    if (!is_known) return catalog_fail(w, ERR_UNSUPPORTED, NULL, "a character set has no binary collation");
    uint64_t bytes = t->length * cs.charset->char_bytes_max;
    bool is_bytes = strcmp(cs.charset->name, "binary") == 0;
    /* Kinds from here on are those of text: a size that asks for another one does so for bytes as well. */
    if (!is_text && kind >= DDL_BINARY) kind = (enum ddl_type_kind)(kind - DDL_BINARY + DDL_CHAR);
    bool keeps_zero = !w->c->server.is_mariadb && w->c->server.version >= 80000; /* MySQL 8: TEXT(0) is a size */
    if (kind == DDL_TEXT && (t->length != 0 || (t->has_length && keeps_zero))) kind = text_of_bytes(bytes);
    if (kind == DDL_VARCHAR && bytes > VARCHAR_BYTES_MAX) kind = text_of_bytes(bytes);
    if (is_bytes) kind = binary_kind(kind);
    out->type = print_bytes_type(w, t, kind);
    if (!is_bytes) {
        out->collation = cs.name;
        out->charset = charset_shown(cs.charset, &w->c->server);
    }
    return out->type == NULL ? ERR_NO_MEMORY : ERR_OK;
}

/* MySQL 8 shows labels of bytes without a character set, all others as binary. */
static void show_labels_charset(const struct catalog_work *w, const struct collation *cs, struct catalog_column *out)
{
    bool is_hidden = !w->c->server.is_mariadb && w->c->server.version >= 80000 && strcmp(cs->name, "binary") == 0;
    out->collation = is_hidden ? NULL : cs->name;
    out->charset = is_hidden ? NULL : charset_shown(cs->charset, &w->c->server);
}

static enum err make_labels(struct catalog_work *w, const struct ddl_type *t, const struct collation *standard,
                            struct catalog_column *out)
{
    struct collation cs;
    TRY(catalog_resolve(w, t->is_byte ? "binary" : t->charset, t->collation, standard, standard, &cs));
    if (takes_binary(w, t) && !take_binary(w, &cs))
        return catalog_fail(w, ERR_UNSUPPORTED, NULL, "a character set has no binary collation");
    for (uint32_t i = 0; i < t->label_count; i++)
        if (!w->is_shown && !is_label_sure(w, &t->label[i], &cs))
            return catalog_fail(w, ERR_UNSUPPORTED, NULL, "what becomes of a label in %s is not known",
                                cs.charset->name);
    out->type = print_labels(w, t, &cs);
    show_labels_charset(w, &cs, out);
    return out->type == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err make_json(struct catalog_work *w, struct catalog_column *out)
{
    out->type = "json";
    if (!w->c->server.is_mariadb) return ERR_OK;
    struct collation cs = catalog_collation(w->c, "utf8mb4_bin"); /* MariaDB: a LONGTEXT with a check */
    out->type = "longtext";
    out->collation = cs.name;
    out->charset = charset_shown(cs.charset, &w->c->server);
    return ERR_OK;
}

enum err catalog_make_column(struct catalog_work *w, const struct ddl_column *d, const struct collation *standard,
                             struct catalog_column *out)
{
    const struct ddl_type *t = &d->type;
    *out = (struct catalog_column){.name = d->name,
                                   .is_nullable = d->null != DDL_NOT_NULL && !d->is_primary,
                                   .is_invisible = d->is_invisible,
                                   .is_period = d->is_period,
                                   .generated = (uint8_t)d->generated};
    if (d->is_period && d->null == DDL_NULL_UNSAID)
        out->is_nullable = false;
    else if (t->kind == DDL_TIMESTAMP && d->null == DDL_NULL_UNSAID)
        out->is_nullable = w->context->explicit_defaults_for_timestamp;
    switch (t->kind) {
    case DDL_TINYINT:
    case DDL_SMALLINT:
    case DDL_MEDIUMINT:
    case DDL_INT:
    case DDL_BIGINT: out->type = print_integer(w, t); break;
    case DDL_FLOAT:
    case DDL_DOUBLE:
    case DDL_DECIMAL: out->type = print_real(w, t); break;
    case DDL_BIT: out->type = print(w, "bit(%llu)", t->length == 0 ? 1 : (unsigned long long)t->length); break;
    case DDL_DATE:
    case DDL_TIME:
    case DDL_DATETIME:
    case DDL_TIMESTAMP:
    case DDL_YEAR: out->type = print_time(w, t); break;
    case DDL_ENUM:
    case DDL_SET: return make_labels(w, t, standard, out);
    case DDL_JSON: return make_json(w, out);
    case DDL_VECTOR: out->type = print(w, "vector(%llu)", t->length == 0 ? 2048 : (unsigned long long)t->length); break;
    case DDL_PLAIN: {
        bool is_new_name = !w->c->server.is_mariadb && w->c->server.version >= 80000;
        out->type = is_new_name && strcmp(t->word, "geometrycollection") == 0 ? "geomcollection" : t->word;
        break;
    }
    default: return make_text(w, t, standard, out);
    }
    return out->type == NULL ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- CONVERT TO CHARACTER SET ---- */

static enum ddl_type_kind text_kind_of(const char *type, size_t *word_bytes)
{
    *word_bytes = strcspn(type, "( ");
    for (enum ddl_type_kind k = DDL_CHAR; k <= DDL_LONGTEXT; k++)
        if (strlen(kind_name[k]) == *word_bytes && memcmp(kind_name[k], type, *word_bytes) == 0) return k;
    return DDL_ENUM; /* or SET: the labels stay */
}

/* A TEXT keeps the number of characters that it surely holds, so it may become a larger one. */
enum err catalog_convert_column(struct catalog_work *w, const struct collation *to, struct catalog_column *column)
{
    static const uint64_t bytes_max[] = {255, 65535, (1 << 24) - 1, UINT32_MAX};
    size_t word_bytes;
    struct collation from = catalog_collation(w->c, column->collation);
    struct ddl_type t = {.kind = text_kind_of(column->type, &word_bytes), .collation = to->name};
    const char *sizes = column->type + word_bytes;
    t.is_compressed = strstr(sizes, "COMPRESSED") != NULL;
    if (t.kind == DDL_ENUM) {
        /* Servers change the character set of labels and not their bytes, so that other characters may come of it;
         * and they show bytes that are no character, or none of utf8mb3, as a question mark. */
        bool is_ascii = true, shows_all = strcmp(from.charset->name, "latin1") == 0 ||
                                          strcmp(from.charset->name, "utf8mb3") == 0 || from.charset == to->charset;
        if (!shows_all && strchr(column->type, '?') != NULL)
            return catalog_fail(w, ERR_UNSUPPORTED, NULL, "what becomes of a label of `%s` with a ? is not known",
                                column->name);
        for (const char *c = column->type; *c != 0; c++)
            if ((unsigned char)*c >= 0x80) is_ascii = false;
        if (!catalog_same_bytes(from.charset, to->charset, is_ascii))
            return catalog_fail(w, ERR_UNSUPPORTED, NULL, "what becomes of the labels of `%s` in %s is not known",
                                column->name, to->charset->name);
        show_labels_charset(w, to, column);
        return ERR_OK;
    }
    if (*sizes == '(') {
        t.has_length = true;
        t.length = strtoull(sizes + 1, NULL, 10);
    } else if (t.kind != DDL_LONGTEXT) {
        uint64_t chars = bytes_max[t.kind - DDL_TINYTEXT] / from.charset->char_bytes_max;
        t.kind = text_of_bytes(chars * to->charset->char_bytes_max);
    }
    column->charset = column->collation = NULL;
    return make_text(w, &t, to, column);
}

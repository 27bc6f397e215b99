#include <iconv.h>
#include <string.h>
#include <strings.h>

#include "base/invariant.h"
#include "capture/catalog_work.h"

struct collation catalog_collation(const struct catalog *c, const char *name)
{
    struct collation out;
    INVARIANT(collation_find(&out, &c->server, name, strlen(name)));
    return out;
}

/* What the character set means without COLLATE: what the event says, else the version. */
static bool default_of(const struct catalog_work *w, const struct charset *cs, struct collation *out)
{
    const struct catalog_server *server = &w->c->server;
    for (uint32_t i = 0; i < w->context->default_collation_count; i++)
        if (collation_by_id(out, server, w->context->default_collation[i]) && out->charset == cs) return true;
    return collation_standard(out, server, cs);
}

/* MariaDB 10.10: uca1400_ai_ci is the one of whatever character set it is said for. */
static bool find_for(const struct catalog_work *w, const struct charset *cs, const char *collation,
                     struct collation *out)
{
    char name[128];
    size_t prefix_bytes = strlen(cs->name), bytes = strlen(collation);
    if (!w->c->server.is_mariadb || strncasecmp(collation, "uca1400_", 8) != 0) return false;
    if (prefix_bytes + 1 + bytes >= sizeof name) return false;
    memcpy(name, cs->name, prefix_bytes);
    name[prefix_bytes] = '_';
    memcpy(name + prefix_bytes + 1, collation, bytes);
    return collation_find(out, &w->c->server, name, prefix_bytes + 1 + bytes);
}

enum err catalog_resolve(const struct catalog_work *w, const char *charset, const char *collation,
                         const struct collation *standard, const struct collation *by_default, struct collation *out)
{
    const struct charset *cs = standard->charset;
    *out = *standard;
    if (charset != NULL && *charset == 0) {
        *out = *by_default;
        cs = out->charset;
        /* MariaDB: only the character set is the default one. */
        if (w->c->server.is_mariadb && !default_of(w, cs, out)) *out = *by_default;
    } else if (charset != NULL) {
        cs = charset_find(charset, strlen(charset));
        if (cs == NULL || !default_of(w, cs, out))
            return catalog_fail(w, ERR_UNSUPPORTED, NULL, "the character set %.60s is not known", charset);
    }
    if (collation == NULL) return ERR_OK;
    if (*collation == 0) {
        if (charset == NULL) *out = *by_default;
        return ERR_OK;
    }
    if (collation_find(out, &w->c->server, collation, strlen(collation)) || find_for(w, cs, collation, out))
        return charset == NULL || *charset == 0 || out->charset == cs
                   ? ERR_OK
                   : catalog_fail(w, ERR_UNSUPPORTED, NULL, "the collation %.60s is not of the character set",
                                  collation);
    return catalog_fail(w, ERR_UNSUPPORTED, NULL, "the collation %.60s is not known", collation);
}

/* Character sets of one byte a character and more, as iconv calls them.  MySQL's latin1 is Windows' 1252. */
static const char *const iconv_name[][2] = {
    {"latin1", "CP1252"},     {"latin2", "ISO-8859-2"}, {"latin5", "ISO-8859-9"}, {"latin7", "ISO-8859-13"},
    {"cp1250", "CP1250"},     {"cp1251", "CP1251"},     {"cp1256", "CP1256"},     {"cp1257", "CP1257"},
    {"cp850", "CP850"},       {"cp852", "CP852"},       {"cp866", "CP866"},       {"greek", "ISO-8859-7"},
    {"hebrew", "ISO-8859-8"}, {"koi8r", "KOI8-R"},      {"koi8u", "KOI8-U"},      {"gbk", "GBK"},
    {"gb2312", "EUC-CN"},     {"gb18030", "GB18030"},   {"big5", "BIG5"},         {"sjis", "SHIFT_JIS"},
    {"cp932", "CP932"},       {"ujis", "EUC-JP"},       {"eucjpms", "EUC-JP-MS"}, {"euckr", "EUC-KR"},
    {"tis620", "TIS-620"},
};

static bool is_wide(const struct charset *cs)
{
    return strcmp(cs->name, "ucs2") == 0 || strncmp(cs->name, "utf16", 5) == 0 || strcmp(cs->name, "utf32") == 0;
}

bool catalog_can_write(const struct charset *cs, const char *text, size_t bytes)
{
    size_t ascii = 0, wide = 0;
    for (size_t i = 0; i < bytes; i++) wide += (unsigned char)text[i] >= 0xf0; /* beyond the first 65,536 characters */
    if (wide > 0 && (strcmp(cs->name, "ucs2") == 0 || strcmp(cs->name, "utf8mb3") == 0)) return false;
    if (strcmp(cs->name, "ucs2") == 0) return true;
    while (ascii < bytes && (unsigned char)text[ascii] < 0x80) ascii++;
    if (ascii == bytes || strncmp(cs->name, "utf", 3) == 0) return true;
    for (size_t i = 0; i < sizeof iconv_name / sizeof *iconv_name; i++) {
        if (strcmp(cs->name, iconv_name[i][0]) != 0) continue;
        iconv_t to = iconv_open(iconv_name[i][1], "UTF-8");
        if (to == (iconv_t)-1) return false;
        char *in = (char *)(uintptr_t)text, out[64];
        size_t left = bytes, result = 0;
        while (left > 0 && result != (size_t)-1) {
            char *at = out;
            size_t room = sizeof out, before = left;
            result = iconv(to, &in, &left, &at, &room);
            if (result == (size_t)-1 && before != left) result = 0; /* only the room was at its end */
        }
        iconv_close(to);
        return left == 0 && result == 0;
    }
    return false;
}

bool catalog_same_bytes(const struct charset *a, const struct charset *b, bool is_ascii)
{
    if (a == b || (strncmp(a->name, "utf8", 4) == 0 && strncmp(b->name, "utf8", 4) == 0)) return true;
    return is_ascii && !is_wide(a) && !is_wide(b);
}

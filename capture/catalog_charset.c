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
        return charset == NULL || out->charset == cs
                   ? ERR_OK
                   : catalog_fail(w, ERR_UNSUPPORTED, NULL, "the collation %.60s is not of the character set",
                                  collation);
    return catalog_fail(w, ERR_UNSUPPORTED, NULL, "the collation %.60s is not known", collation);
}

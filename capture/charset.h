/* capture/charset.h -- the character sets and collations of MySQL 5.1 to 9.x and MariaDB, by name and by id, under the
 * names that a version shows (utf8_general_ci became utf8mb3_general_ci).  Static and pure.  Any thread. */
#ifndef CAPTURE_CHARSET_H
#define CAPTURE_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalog_server; /* capture/catalog.h */

struct charset {
    const char *name;       /* "utf8mb3" for the old utf8 */
    uint8_t char_bytes_max; /* bytes of a character at most */
    const char *standard;   /* its default collation before MySQL 8.0 */
};

struct collation {
    uint16_t id;
    const char *name; /* as the version shows it */
    const struct charset *charset;
};

/* By name, whatever its case; "utf8" is utf8mb3.  NULL: not known. */
const struct charset *charset_find(const char *name, size_t bytes);
/* CHARACTER_SET_NAME as the version shows it. */
const char *charset_shown(const struct charset *cs, const struct catalog_server *server);

/* false: not known to this kind of server. */
bool collation_find(struct collation *out, const struct catalog_server *server, const char *name, size_t bytes);
bool collation_by_id(struct collation *out, const struct catalog_server *server, uint32_t id);
/* What CHARACTER SET without COLLATE means by the version alone. */
bool collation_standard(struct collation *out, const struct catalog_server *server, const struct charset *cs);
/* What the attribute BINARY makes of a character set: latin1_bin, utf8mb4_bin, ... */
bool collation_binary(struct collation *out, const struct catalog_server *server, const struct charset *cs);

#endif

/* control/alert/target.h -- whom to tell: a web hook, a mailbox or a program of the operator's. */
#ifndef CONTROL_ALERT_TARGET_H
#define CONTROL_ALERT_TARGET_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "control/alert/notice.h"

enum {
    ALERT_TARGETS_MAX = 16,
    ALERT_URL_MAX = 1024,
    ALERT_SECRET_MAX = 256,
    ALERT_ADDRESS_MAX = 254, /* RFC 5321 4.5.3.1.3, without the brackets */
    ALERT_RECIPIENTS_MAX = 16,
    ALERT_PROGRAM_MAX = 100,
};

enum alert_target_kind { ALERT_WEBHOOK, ALERT_MAIL, ALERT_PROGRAM, ALERT_TARGET_KIND_COUNT };

struct alert_target {
    char id[ALERT_ID_MAX + 1];
    enum alert_target_kind kind;
    bool is_on;
    char url[ALERT_URL_MAX + 1]; /* http(s)://...; or the mail server: smtp(s)://host[:port] */
    char secret[ALERT_SECRET_MAX + 1]; /* signs web hooks; or the mail server's password.  "": none */
    /* mail */
    char user[ALERT_SECRET_MAX + 1];
    char from[ALERT_ADDRESS_MAX + 1];
    char to[ALERT_RECIPIENTS_MAX][ALERT_ADDRESS_MAX + 1];
    unsigned to_count;
    bool must_encrypt; /* smtp:// only with STARTTLS */
    /* program */
    char program[ALERT_PROGRAM_MAX + 1]; /* a file's name in the folder that the configuration names */
};

/* {"id", "kind": "webhook", "url", "secret"?}, {"kind": "mail", "url", "user"?, "secret"?, "from", "to": [...],
 * "must_encrypt"?} or {"kind": "command", "program"}; and "is_on"?.  Without "secret" the one of `known` (may be NULL)
 * stays when that is the same target with the same url.  ERR_INVALID with words that repeat no secret. */
NODISCARD enum err alert_target_parse(const json_t *from, const struct alert_target *known, struct alert_target *out,
                                      struct err_msg *msg);
/* For the file: all of it.  For who may change it: "has_secret" in the secret's place.  For others the URL's path is
 * left out as well, for the path of many a web hook is its secret. */
enum alert_target_view { ALERT_TARGET_WHOLE, ALERT_TARGET_WITHOUT_SECRET, ALERT_TARGET_IN_OUTLINE };
json_t *alert_target_json(const struct alert_target *t, enum alert_target_view view);
/* Bytes of a URL's scheme and authority; what messages show of it. */
int alert_url_origin(const char *url);

/* Tells the target; blocks for up to ALERT_TELL_TIMEOUT_S.  `stopping` is looked at several times a second: once it is
 * true the attempt is given up.  A signed web hook has the headers X-Millrace-Delivery (the notice's id),
 * X-Millrace-Timestamp (Unix seconds) and X-Millrace-Signature: sha256= and the hexadecimal HMAC-SHA256 with the secret
 * over the timestamp's text, a '.', and the body.  ERR_CONNECT: not told, msg says why, without secrets; ERR_INVALID:
 * it cannot be told as it is configured.  Any thread but not two at once for one target. */
enum { ALERT_TELL_TIMEOUT_S = 15 };
NODISCARD enum err alert_target_tell(const struct alert_target *t, const char *programs_folder,
                                     const struct alert_notice *notice, const _Atomic bool *stopping,
                                     struct err_msg *msg);

#endif

#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *text, *mend;
} words[ERR_COUNT] = {
#define X(name, text, mend) [name] = {text, mend},
    ERR_LIST(X)
#undef X
};

const char *err_text(enum err e)
{
    return (unsigned)e >= ERR_COUNT ? "unknown error" : words[e].text;
}

const char *err_mend(enum err e)
{
    return (unsigned)e >= ERR_COUNT ? "look into millraced's log" : words[e].mend;
}

/* Bytes of `fmt` in front of its last "; "; 0: it has none. */
static size_t cause_of(const char *fmt)
{
    const char *last = fmt;
    for (const char *at = fmt; (at = strstr(at, "; ")) != NULL; at += 2) last = at;
    return (size_t)(last - fmt);
}

/* A sentence as `fmt` says it; cause_bytes as in err_msg. */
struct sentence {
    char text[2048];
    size_t cause_bytes;
};

static void sentence_print(struct sentence *s, const char *fmt, va_list args)
{
    char cause[512];
    size_t size = cause_of(fmt);
    va_list again;
    va_copy(again, args);
    s->cause_bytes = 0;
    vsnprintf(s->text, sizeof s->text, fmt, args);
    if (size > 0 && size < sizeof cause) {
        memcpy(cause, fmt, size);
        cause[size] = '\0';
        int bytes = vsnprintf(NULL, 0, cause, again);
        if (bytes > 0 && (size_t)bytes + 2 < strlen(s->text)) s->cause_bytes = (size_t)bytes;
    }
    va_end(again);
}

/* Bytes of `text` that `room` holds, without a part of a character (RFC 3629). */
static size_t cut(const char *text, size_t room)
{
    size_t size = strlen(text);
    if (size <= room) return size;
    while (room > 0 && ((unsigned char)text[room] & 0xc0) == 0x80) room--;
    return room;
}

/* `what` "": the kind says what to do. */
static void put(struct err_msg *m, enum err code, const char *cause, const char *what)
{
    static const char more[] = "...";
    size_t what_bytes = cut(what, sizeof m->text / 2), room = sizeof m->text - 1;
    if (what_bytes > 0) room -= what_bytes + 2;
    size_t cause_bytes = cut(cause, room);
    bool is_cut = cause[cause_bytes] != '\0';
    if (is_cut) cause_bytes = cut(cause, room - strlen(more));
    m->code = code;
    memcpy(m->text, cause, cause_bytes);
    if (is_cut) memcpy(m->text + cause_bytes, more, strlen(more));
    cause_bytes += is_cut ? strlen(more) : 0;
    m->text[cause_bytes] = '\0';
    m->cause_bytes = 0;
    if (what_bytes == 0) return;
    m->cause_bytes = (unsigned)cause_bytes;
    memcpy(m->text + cause_bytes, "; ", 2);
    memcpy(m->text + cause_bytes + 2, what, what_bytes);
    m->text[cause_bytes + 2 + what_bytes] = '\0';
}

enum err err_set(struct err_msg *m, enum err code, const char *fmt, ...)
{
    if (m == NULL) return code;
    struct sentence s;
    va_list args;
    va_start(args, fmt);
    sentence_print(&s, fmt, args);
    va_end(args);
    if (s.cause_bytes > 0) s.text[s.cause_bytes] = '\0';
    put(m, code, s.text, s.cause_bytes > 0 ? s.text + s.cause_bytes + 2 : "");
    return code;
}

enum err err_within(struct err_msg *m, enum err code, const struct err_msg *inner, const char *fmt, ...)
{
    if (m == NULL) return code;
    struct sentence s;
    struct err_msg in = *inner;
    va_list args;
    va_start(args, fmt);
    sentence_print(&s, fmt, args);
    va_end(args);
    char cause[sizeof s.text + sizeof in.text + 2];
    size_t head = s.cause_bytes > 0 ? s.cause_bytes : strlen(s.text);
    snprintf(cause, sizeof cause, "%.*s: %.*s", (int)head, s.text, err_cause_bytes(&in), in.text);
    put(m, code, cause, s.cause_bytes > 0 ? s.text + head + 2 : in.cause_bytes > 0 ? err_what_to_do(&in) : "");
    return code;
}

void err_complete(struct err_msg *m)
{
    if (m->code == ERR_OK || m->cause_bytes > 0) return;
    struct err_msg before = *m;
    put(m, m->code, before.text[0] == '\0' ? err_text(m->code) : before.text, err_mend(m->code));
}

int err_cause_bytes(const struct err_msg *m)
{
    return m->cause_bytes == 0 ? (int)strlen(m->text) : (int)m->cause_bytes;
}

const char *err_what_to_do(const struct err_msg *m)
{
    return m->cause_bytes == 0 ? err_mend(m->code) : m->text + m->cause_bytes + 2;
}

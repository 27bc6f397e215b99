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

enum err err_set(struct err_msg *m, enum err code, const char *fmt, ...)
{
    if (m == NULL) return code;
    va_list args;
    char cause[sizeof m->text];
    size_t size = cause_of(fmt);
    int cause_bytes = 0;
    if (size > 0 && size < sizeof cause) {
        memcpy(cause, fmt, size);
        cause[size] = '\0';
        va_start(args, fmt);
        cause_bytes = vsnprintf(NULL, 0, cause, args);
        va_end(args);
    }
    va_start(args, fmt);
    int bytes = vsnprintf(m->text, sizeof m->text, fmt, args);
    va_end(args);
    bool is_whole = bytes < (int)sizeof m->text; /* else what to do was cut */
    m->code = code;
    m->cause_bytes = is_whole && cause_bytes > 0 ? (unsigned)cause_bytes : 0;
    return code;
}

int err_cause_bytes(const struct err_msg *m)
{
    return m->cause_bytes == 0 ? (int)strlen(m->text) : (int)m->cause_bytes;
}

const char *err_what_to_do(const struct err_msg *m)
{
    return m->cause_bytes == 0 ? err_mend(m->code) : m->text + m->cause_bytes + 2;
}

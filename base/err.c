#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *err_text(enum err e)
{
    static const char *const text[ERR_COUNT] = {
#define X(name, words) [name] = words,
        ERR_LIST(X)
#undef X
    };
    if ((unsigned)e >= ERR_COUNT) return "unknown error";
    return text[e];
}

enum err err_set(struct err_msg *m, enum err code, const char *fmt, ...)
{
    if (m == NULL) return code;
    m->code = code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(m->text, sizeof m->text, fmt, args);
    va_end(args);
    return code;
}

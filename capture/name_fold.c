#include "capture/name_fold.h"

#include <locale.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wctype.h>

static locale_t utf8_locale; /* for towlower_l; the process's own locale may be C */

static void make_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static uint32_t ascii_lower(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* One character of UTF-8 in lower case; a byte that is none stands for itself. */
static uint32_t next_lower(const unsigned char **at)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const unsigned char *p = *at;
    uint32_t c = *p++;
    int more = c < 0xc2 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 0;
    uint32_t wide = more == 1 ? c & 0x1f : more == 2 ? c & 0x0f : c & 0x07;
    int i = 0;
    while (i < more && (p[i] & 0xc0) == 0x80) wide = wide << 6 | (p[i++] & 0x3f);
    *at = p;
    if (more == 0 || i < more) return ascii_lower(c);
    *at = p + more;
    pthread_once(&once, make_locale);
    return utf8_locale == (locale_t)0 || wide > 0xffff ? wide : (uint32_t)towlower_l((wint_t)wide, utf8_locale);
}

int name_compare_folded(const char *a, const char *b)
{
    const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    for (;;) {
        bool is_ascii = ((*x | *y) & 0x80) == 0; /* nearly always */
        uint32_t p = is_ascii ? ascii_lower(*x++) : next_lower(&x), q = is_ascii ? ascii_lower(*y++) : next_lower(&y);
        if (p != q) return p < q ? -1 : 1;
        if (p == 0) return 0;
    }
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

char *name_lower(struct arena *a, const char *text)
{
    char *out = arena_alloc(a, 3 * strlen(text) + 1), *to = out;
    const unsigned char *at = (const unsigned char *)text;
    if (out == NULL) return NULL;
    while (*at != 0) {
        const unsigned char *from = at;
        uint32_t c = next_lower(&at);
        if (at == from + 1 && *from >= 0x80)
            *to++ = (char)*from; /* no UTF-8: as it is */
        else
            to = put_utf8(to, c);
    }
    *to = 0;
    return out;
}

/* capture/text_utf8.h -- stored text of every character set of MySQL and MariaDB in UTF-8, as those convert it: what a
 * client with utf8mb4 would see.  What is no character of its set becomes '?', as there. */
#ifndef CAPTURE_TEXT_UTF8_H
#define CAPTURE_TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sink.h"

enum text_kind {
    TEXT_BYTE,
    TEXT_SWE7,
    TEXT_UCS2,
    TEXT_UTF16,
    TEXT_UTF16LE,
    TEXT_UTF32,
    TEXT_TWO_BYTES, /* this and what follows: the C library's; characters of one or two bytes */
    TEXT_SHIFT_JIS,
    TEXT_EUC_JP,
    TEXT_GB18030,
};
enum { TEXT_ICONV_COUNT = 9 };

struct text_exception {
    uint32_t bytes; /* of the character, big-endian */
    uint16_t unicode;
};

struct text_charset { /* static; how to read one */
    const char *name; /* MySQL's */
    uint8_t kind;     /* enum text_kind */
    uint8_t slot;     /* of the C library's converter: below TEXT_ICONV_COUNT */
    const uint16_t *high;                   /* TEXT_BYTE: of the bytes from 0x80 on; 0: none; NULL: there are none */
    const char *iconv;                      /* the C library's name */
    const struct text_exception *exception; /* sorted */
    size_t exception_count;
};

/* NULL: its bytes are UTF-8 already (utf8mb4, utf8mb3, utf8), or no text (binary).  Any thread. */
const struct text_charset *text_charset_find(const char *name);

struct text_converter; /* the C library's converters that were needed so far.  One thread. */

NODISCARD enum err text_converter_open(struct text_converter **out);
void text_converter_close(struct text_converter *t); /* NULL: nothing */

/* Writes the text to `out`.  ERR_NO_SPACE; ERR_UNSUPPORTED: the C library has no converter (Debian: libc6 brings them);
 * ERR_NO_MEMORY. */
NODISCARD enum err text_to_utf8(struct text_converter *t, const struct text_charset *from, const uint8_t *in,
                                size_t size, struct sink *out);

#endif

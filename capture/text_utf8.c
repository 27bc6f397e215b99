#include "capture/text_utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct text_converter {
    iconv_t iconv[TEXT_ICONV_COUNT];
    bool is_open[TEXT_ICONV_COUNT];
};

enum err text_converter_open(struct text_converter **out)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void text_converter_close(struct text_converter *t)
{
    for (unsigned i = 0; t != NULL && i < TEXT_ICONV_COUNT; i++)
        if (t->is_open[i]) iconv_close(t->iconv[i]);
    free(t);
}

/* ---- one byte a character ---- */

static void put_bytes(const struct text_charset *from, const uint8_t *in, size_t size, struct sink *out)
{
    for (size_t i = 0; i < size && !out->failed; i++) {
        uint32_t c = in[i];
        if (c >= 0x80) c = from->high == NULL ? 0 : from->high[c - 0x80];
        sink_utf8(out, c == 0 && in[i] != 0 ? '?' : c);
    }
}

/* Swedish in seven bits: letters stand in ASCII's places. */
static void put_swe7(const uint8_t *in, size_t size, struct sink *out)
{
    static const uint8_t at[] = "@[\\]^`{|}~", letter[] = {0xc9, 0xc4, 0xd6, 0xc5, 0xdc, 0xe9, 0xe4, 0xf6, 0xe5, 0xfc};

    for (size_t i = 0; i < size && !out->failed; i++) {
        const uint8_t *found = in[i] == 0 ? NULL : memchr(at, in[i], sizeof at - 1);
        sink_utf8(out, in[i] >= 0x7f ? '?' : found != NULL ? letter[found - at] : in[i]);
    }
}

/* ---- Unicode ---- */

static bool is_surrogate(uint32_t c)
{
    return c >= 0xd800 && c < 0xe000;
}

/* Two bytes a unit; UTF-16 may take two units for a character.  A lone half, and an odd byte at the end, are '?'. */
static void put_units(const uint8_t *in, size_t size, bool is_little, bool has_pairs, struct sink *out)
{
    size_t i = 0;
    unsigned high = is_little ? 1 : 0;

    for (; i + 2 <= size && !out->failed; i += 2) {
        uint32_t c = (uint32_t)in[i + high] << 8 | in[i + 1 - high];
        if (is_surrogate(c)) {
            uint32_t low = i + 4 <= size ? (uint32_t)in[i + 2 + high] << 8 | in[i + 3 - high] : 0;
            if (has_pairs && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
                i += 2;
            } else {
                c = '?';
            }
        }
        sink_utf8(out, c);
    }
    if (i < size) sink_utf8(out, '?');
}

static void put_utf32(const uint8_t *in, size_t size, struct sink *out)
{
    size_t i = 0;

    for (; i + 4 <= size && !out->failed; i += 4) {
        uint32_t c = (uint32_t)in[i] << 24 | (uint32_t)in[i + 1] << 16 | (uint32_t)in[i + 2] << 8 | in[i + 3];
        sink_utf8(out, c > 0x10ffff || is_surrogate(c) ? '?' : c);
    }
    if (i < size) sink_utf8(out, '?');
}

/* ---- the C library's ---- */

/* Bytes of the character at `in`, of which `left` > 0 are there. */
static size_t character_bytes(const struct text_charset *from, const uint8_t *in, size_t left)
{
    size_t size = in[0] < 0x80 ? 1 : 2;

    if (from->kind == TEXT_SHIFT_JIS && in[0] > 0x9f && in[0] < 0xe0) size = 1; /* half-width katakana */
    if (from->kind == TEXT_EUC_JP && in[0] == 0x8f) size = 3;
    if (from->kind == TEXT_GB18030 && size == 2 && left >= 2 && in[1] >= '0' && in[1] <= '9') size = 4;
    return size < left ? size : left;
}

static const struct text_exception *find_exception(const struct text_charset *from, const uint8_t *in, size_t size)
{
    size_t low = 0, high = from->exception_count;
    uint32_t bytes = 0;

    for (size_t i = 0; i < size; i++) bytes = bytes << 8 | in[i];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (from->exception[middle].bytes == bytes) return &from->exception[middle];
        if (from->exception[middle].bytes < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Bytes without an exception among them. */
static void put_run(iconv_t cd, const struct text_charset *from, const uint8_t *in, size_t size, struct sink *out)
{
    while (size != 0 && !out->failed) {
        char *at = (char *)(uintptr_t)in, *to = (char *)out->at;
        size_t left = size, room = sink_left(out);
        size_t result = iconv(cd, &at, &left, &to, &room);
        int why = errno;
        in += size - left;
        size = left;
        out->at = (uint8_t *)to;
        if (result != (size_t)-1) return;
        iconv(cd, NULL, NULL, NULL, NULL);
        if (why == E2BIG) {
            out->failed = true;
        } else if (size != 0) {
            size_t skip = character_bytes(from, in, size);
            sink_utf8(out, '?');
            in += skip;
            size -= skip;
        }
    }
}

static enum err put_iconv(struct text_converter *t, const struct text_charset *from, const uint8_t *in, size_t size,
                          struct sink *out)
{
    if (!t->is_open[from->slot]) {
        t->iconv[from->slot] = iconv_open("UTF-8", from->iconv);
        if (t->iconv[from->slot] == (iconv_t)-1) return errno == ENOMEM ? ERR_NO_MEMORY : ERR_UNSUPPORTED;
        t->is_open[from->slot] = true;
    }
    iconv_t cd = t->iconv[from->slot];
    size_t run = 0, i = 0;
    while (from->exception_count != 0 && i < size && !out->failed) {
        size_t bytes = character_bytes(from, in + i, size - i);
        const struct text_exception *x = find_exception(from, in + i, bytes);
        if (x != NULL) {
            put_run(cd, from, in + run, i - run, out);
            sink_utf8(out, x->unicode);
            run = i + bytes;
        }
        i += bytes;
    }
    put_run(cd, from, in + run, size - run, out);
    return ERR_OK;
}

enum err text_to_utf8(struct text_converter *t, const struct text_charset *from, const uint8_t *in, size_t size,
                      struct sink *out)
{
    switch ((enum text_kind)from->kind) {
    case TEXT_BYTE: put_bytes(from, in, size, out); break;
    case TEXT_SWE7: put_swe7(in, size, out); break;
    case TEXT_UCS2: put_units(in, size, false, false, out); break;
    case TEXT_UTF16: put_units(in, size, false, true, out); break;
    case TEXT_UTF16LE: put_units(in, size, true, true, out); break;
    case TEXT_UTF32: put_utf32(in, size, out); break;
    case TEXT_TWO_BYTES:
    case TEXT_SHIFT_JIS:
    case TEXT_EUC_JP:
    case TEXT_GB18030: TRY(put_iconv(t, from, in, size, out)); break;
    }
    return out->failed ? ERR_NO_SPACE : ERR_OK;
}

#include "capture/xid.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && *c->at == ' ') c->at++;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t size = strlen(word);
    skip_space(c);
    if (cursor_left(c) < size || strncasecmp((const char *)c->at, word, size) != 0) return false;
    c->at += size;
    return true;
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* X'7831' behind what `out` holds already. */
static bool take_hex(struct cursor *c, struct xid *out, uint8_t *size)
{
    uint8_t *to = out->data + out->gtrid_bytes;
    if (!take_word(c, "X'")) return false;
    uint8_t count = 0;
    while (cursor_left(c) >= 2 && *c->at != '\'') {
        int high = digit(c->at[0]), low = digit(c->at[1]);
        if (high < 0 || low < 0 || to + count == out->data + XID_DATA_BYTES) return false;
        to[count++] = (uint8_t)(high << 4 | low);
        c->at += 2;
    }
    *size = count;
    return take_word(c, "'");
}

static bool take_number(struct cursor *c, uint32_t *out)
{
    uint32_t value = 0;
    skip_space(c);
    const uint8_t *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') value = value * 10 + (uint32_t)(*c->at++ - '0');
    *out = value;
    return c->at > start;
}

enum err xid_statement(const char *text, size_t size, enum xid_verb *verb, struct xid *out)
{
    static const char *const word[] = {"START", "END", "PREPARE", "COMMIT", "ROLLBACK"};
    struct cursor c = cursor_of(text, size);
    struct xid x = {0};
    if (!take_word(&c, "XA ")) return ERR_INVALID;
    size_t i = 0;
    while (i < sizeof word / sizeof word[0] && !take_word(&c, word[i])) i++;
    if (i == sizeof word / sizeof word[0]) return ERR_INVALID;
    if (!take_hex(&c, &x, &x.gtrid_bytes) || !take_word(&c, ",")) return ERR_INVALID;
    if (!take_hex(&c, &x, &x.bqual_bytes) || !take_word(&c, ",")) return ERR_INVALID;
    if (!take_number(&c, &x.format)) return ERR_INVALID;
    *verb = (enum xid_verb)i;
    *out = x;
    return ERR_OK;
}

enum err xid_event(struct cursor body, bool *one_phase, struct xid *out)
{
    struct xid x = {0};
    bool is_one_phase = cursor_le(&body, 1) != 0;
    x.format = (uint32_t)cursor_le(&body, 4);
    uint64_t gtrid = cursor_le(&body, 4), bqual = cursor_le(&body, 4);
    if (body.failed) return ERR_TRUNCATED;
    if (gtrid + bqual > XID_DATA_BYTES) return ERR_CORRUPT;
    const uint8_t *data = cursor_take(&body, gtrid + bqual);
    if (data == NULL) return ERR_TRUNCATED;
    x.gtrid_bytes = (uint8_t)gtrid;
    x.bqual_bytes = (uint8_t)bqual;
    memcpy(x.data, data, gtrid + bqual);
    *one_phase = is_one_phase;
    *out = x;
    return ERR_OK;
}

bool xid_is(const struct xid *a, const struct xid *b)
{
    return a->format == b->format && a->gtrid_bytes == b->gtrid_bytes && a->bqual_bytes == b->bqual_bytes &&
           memcmp(a->data, b->data, XID_DATA_BYTES) == 0;
}

void xid_text(const struct xid *x, char out[static XID_TEXT_BYTES])
{
    char *at = out;
    for (unsigned part = 0; part < 2; part++) {
        const uint8_t *data = x->data + (part == 0 ? 0 : x->gtrid_bytes);
        at += sprintf(at, "X'");
        for (unsigned i = 0; i < (part == 0 ? x->gtrid_bytes : x->bqual_bytes); i++) at += sprintf(at, "%02x", data[i]);
        at += sprintf(at, "',");
    }
    sprintf(at, "%u", x->format);
}

#include "capture/query_text.h"

#include <stdlib.h>
#include <string.h>

#include "capture/charset.h"
#include "capture/statement.h"
#include "capture/text_utf8.h"

enum err text_of_charset(const char *charset, const void *bytes, size_t size, char **out, size_t *out_bytes)
{
    enum { GROWTH = 4 }; /* a byte of any set is at most one character, and that at most four bytes */
    const struct text_charset *from = text_charset_find(charset);
    struct text_converter *converter;
    char *text = malloc(GROWTH * size + 1);
    *out = NULL;
    if (text == NULL) return ERR_NO_MEMORY;
    struct sink sink = sink_of(text, GROWTH * size);
    enum err e = ERR_OK;
    if (from == NULL) {
        sink_bytes(&sink, bytes, size);
    } else if ((e = text_converter_open(&converter)) == ERR_OK) {
        e = text_to_utf8(converter, from, bytes, size, &sink);
        text_converter_close(converter);
    }
    if (e != ERR_OK) {
        free(text);
        return e;
    }
    *out_bytes = (size_t)(sink.at - (uint8_t *)text);
    text[*out_bytes] = '\0';
    *out = text;
    return ERR_OK;
}

static bool is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)text[i] & 0x80) != 0) return false;
    return true;
}

enum err query_text_utf8(struct binlog_query *q, const struct catalog_server *server, char **owned)
{
    struct collation client;
    *owned = NULL;
    if (is_ascii(q->text, q->text_bytes)) return ERR_OK;
    if (q->client_charset != 0 && collation_by_id(&client, server, q->client_charset) &&
        strncmp(client.charset->name, "utf8", 4) != 0) {
        enum err e = text_of_charset(client.charset->name, q->text, q->text_bytes, owned, &q->text_bytes);
        if (e == ERR_OK) q->text = *owned;
        if (e == ERR_OK || e == ERR_NO_MEMORY) return e;
    }
    char *room = malloc(2 * q->text_bytes + 1);
    if (room == NULL) return ERR_NO_MEMORY;
    q->text = statement_text_utf8(q->text, q->text_bytes, room, &q->text_bytes);
    if (q->text == room)
        *owned = room;
    else
        free(room);
    return ERR_OK;
}

/* The events that are not rows: a byte that is the event's type, then its body.  A payload's events go the same way. */
#include <stdlib.h>
#include <string.h>

#include "capture/binlog_event.h"
#include "capture/gtid_set.h"
#include "capture/inflate.h"
#include "capture/payload.h"
#include "capture/query_text.h"
#include "capture/statement.h"
#include "tests/fuzz/fuzz.h"

static const struct binlog_format format = {.binlog_version = 4, .checksum = BINLOG_CHECKSUM_NONE};

static void look(uint8_t type, struct cursor body);

static enum err look_within(void *context, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    (void)context, (void)msg;
    if (h->type != BINLOG_TRANSACTION_PAYLOAD) look(h->type, body);
    return ERR_OK;
}

static void look_query(struct binlog_query *q, struct cursor body)
{
    static struct statement statement;
    const struct catalog_server server = {.version = 80036};
    const char *begin = (const char *)body.at, *end = (const char *)body.end;
    char *owned = NULL;
    FUZZ_CHECK(q->text >= begin && q->text + q->text_bytes <= end);
    FUZZ_CHECK(q->database >= begin && q->database + q->database_bytes <= end);
    statement_classify(&statement, q->text, q->text_bytes, q->database, q->database_bytes);
    if (query_text_utf8(q, &server, &owned) == ERR_OK) {
        statement_classify(&statement, q->text, q->text_bytes, q->database, q->database_bytes);
        free(owned);
    }
}

static void look_set(uint8_t type, struct cursor body)
{
    struct gtid_set set = {0}, again = {0};
    char text[4096], same[4096];
    enum err e = type == BINLOG_PREVIOUS_GTIDS ? gtid_set_from_previous_gtids(&set, body)
                                               : gtid_set_from_gtid_list(&set, body);
    size_t bytes = e == ERR_OK ? gtid_set_text(&set, text, sizeof text) : 0;
    if (bytes > 0 && bytes < sizeof text) { /* the text is what is kept: it means the same set */
        FUZZ_CHECK(gtid_set_parse(&again, text, bytes) == ERR_OK);
        FUZZ_CHECK(gtid_set_contains_set(&again, &set) && gtid_set_contains_set(&set, &again));
        FUZZ_CHECK(gtid_set_text(&again, same, sizeof same) == bytes && memcmp(text, same, bytes) == 0);
    }
    gtid_set_free(&set);
    gtid_set_free(&again);
}

static void look(uint8_t type, struct cursor body)
{
    struct binlog_query q;
    struct err_msg msg;
    uint8_t *unpacked;
    size_t size;

    (void)binlog_event_name(type);
    switch (type) {
    case BINLOG_FORMAT_DESCRIPTION: (void)binlog_format_decode(body, &(struct binlog_format){0}); break;
    case BINLOG_ROTATE: (void)binlog_rotate_decode(body, &(struct binlog_rotate){0}); break;
    case BINLOG_QUERY:
        if (binlog_query_decode(body, &format, &q) == ERR_OK) look_query(&q, body);
        break;
    case BINLOG_EXECUTE_LOAD_QUERY: (void)binlog_load_query_decode(body, &format, &q); break;
    case BINLOG_MARIADB_QUERY_COMPRESSED:
        if (binlog_query_unpack(body, &format, &unpacked, &size) != ERR_OK) break;
        look(BINLOG_QUERY, cursor_of(unpacked, size));
        free(unpacked);
        break;
    case BINLOG_GTID:
    case BINLOG_ANONYMOUS_GTID: (void)binlog_gtid_decode(body, &(struct binlog_gtid){0}); break;
    case BINLOG_GTID_TAGGED: (void)binlog_gtid_tagged_decode(body, &(struct binlog_gtid){0}); break;
    case BINLOG_MARIADB_GTID: (void)binlog_mariadb_gtid_decode(body, &(struct binlog_mariadb_gtid){0}); break;
    case BINLOG_PREVIOUS_GTIDS:
    case BINLOG_MARIADB_GTID_LIST: look_set(type, body); break;
    case BINLOG_INCIDENT: (void)binlog_incident_decode(body, &(struct binlog_incident){0}); break;
    case BINLOG_TRANSACTION_PAYLOAD: {
        struct payload_reader reader = {0};
        (void)payload_events(&reader, body, 1 << 20, look_within, NULL, &msg);
        payload_reader_free(&reader);
        break;
    }
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) return 0;
    uint8_t *exact = malloc(size); /* so that the address sanitizer sees a byte too far */
    memcpy(exact, bytes, size);
    look(exact[0], cursor_of(exact + 1, size - 1));
    struct binlog_header h;
    struct cursor whole = cursor_of(exact, size);
    if (binlog_header_decode(&whole, &h) == ERR_OK && h.event_size == size) {
        size_t kept = size;
        (void)binlog_checksum_take(NULL, &h, exact, &kept);
        FUZZ_CHECK(kept <= size);
    }
    free(exact);
    return 0;
}

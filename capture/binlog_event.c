#include "capture/binlog_event.h"

#include <stdio.h>
#include <string.h>

#include "base/crc.h"
#include "capture/inflate.h"

/* "5.7.29-log" as one number that compares: 5, 7, 29. */
static uint32_t version_number(const char *text)
{
    unsigned part[3] = {0, 0, 0};
    sscanf(text, "%3u.%3u.%3u", &part[0], &part[1], &part[2]);
    return part[0] << 16 | (part[1] & 0xff) << 8 | (part[2] & 0xff);
}

enum { VERSION_5_3_0 = 0x050300, VERSION_5_6_1 = 0x050601, FORMAT_CHECKSUM_BYTES = 1 + BINLOG_CHECKSUM_BYTES };

enum err binlog_format_decode(struct cursor body, struct binlog_format *out)
{
    uint16_t binlog_version = (uint16_t)cursor_le(&body, 2);
    const uint8_t *version = cursor_take(&body, BINLOG_SERVER_VERSION_BYTES);
    cursor_le(&body, 4); /* created: cleared when the dump does not begin at the file's start */
    uint8_t header_bytes = (uint8_t)cursor_le(&body, 1);
    if (body.failed) return ERR_TRUNCATED;
    if (binlog_version != 4) return ERR_UNSUPPORTED;
    if (header_bytes != BINLOG_HEADER_BYTES) return ERR_CORRUPT;

    struct binlog_format f = {.binlog_version = binlog_version, .checksum = BINLOG_CHECKSUM_NONE};
    memcpy(f.server_version, version, BINLOG_SERVER_VERSION_BYTES);
    for (char *c = f.server_version; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e) *c = '?';
    }
    f.is_mariadb = strstr(f.server_version, "MariaDB") != NULL;
    size_t types = cursor_left(&body);
    uint32_t number = version_number(f.server_version);
    if (number >= (f.is_mariadb ? (uint32_t)VERSION_5_3_0 : (uint32_t)VERSION_5_6_1)) {
        if (types < FORMAT_CHECKSUM_BYTES) return ERR_TRUNCATED;
        types -= FORMAT_CHECKSUM_BYTES;
        f.checksum = body.at[types];
        if (f.checksum == 255) f.checksum = BINLOG_CHECKSUM_NONE; /* written by a server that does not say */
        if (f.checksum > BINLOG_CHECKSUM_CRC32) return ERR_UNSUPPORTED;
    }
    if (types > BINLOG_EVENT_TYPES_MAX) return ERR_CORRUPT;
    f.version_number = number;
    f.type_count = (uint8_t)types;
    memcpy(f.post_header, body.at, types);
    *out = f;
    return ERR_OK;
}

enum err binlog_checksum_take(const struct binlog_format *format, const struct binlog_header *header,
                              const uint8_t *event, size_t *size)
{
    bool has = format != NULL && format->checksum == BINLOG_CHECKSUM_CRC32;
    bool is_made = header->next_position == 0 || (header->flags & BINLOG_FLAG_ARTIFICIAL) != 0 ||
                   header->type == BINLOG_HEARTBEAT || header->type == BINLOG_HEARTBEAT_V2;
    bool is_format = header->type == BINLOG_FORMAT_DESCRIPTION;
    if (is_format) { /* it says itself whether it has one */
        struct binlog_format own;
        has =
            binlog_format_decode(cursor_of(event + BINLOG_HEADER_BYTES, *size - BINLOG_HEADER_BYTES), &own) == ERR_OK &&
            own.checksum == BINLOG_CHECKSUM_CRC32;
        is_made = false;
    }
    if (!has && !is_made) return ERR_OK;
    if (*size < BINLOG_HEADER_BYTES + BINLOG_CHECKSUM_BYTES) return is_made ? ERR_OK : ERR_CORRUPT;
    size_t covered = *size - BINLOG_CHECKSUM_BYTES;
    struct cursor stored = cursor_of(event + covered, BINLOG_CHECKSUM_BYTES);
    if (crc32_zlib(0, event, covered) == (uint32_t)cursor_le(&stored, BINLOG_CHECKSUM_BYTES)) {
        if (!is_format) *size = covered;
        return ERR_OK;
    }
    /* While a file is written its first event is marked so; the checksum is that of the event without the mark. */
    if (is_made || (is_format && (header->flags & BINLOG_FLAG_IN_USE) != 0)) return ERR_OK;
    return ERR_CORRUPT;
}

enum err binlog_rotate_decode(struct cursor body, struct binlog_rotate *out)
{
    uint64_t position = cursor_le(&body, 8);
    if (body.failed) return ERR_TRUNCATED;
    size_t size = cursor_left(&body);
    if (size == 0 || memchr(body.at, 0, size) != NULL) return ERR_CORRUPT;
    *out = (struct binlog_rotate){position, (const char *)body.at, size};
    return ERR_OK;
}

enum query_status { /* codes of the status variables that we read or must know the size of */
                    QUERY_FLAGS2 = 0,
                    QUERY_SQL_MODE = 1,
                    QUERY_CATALOG = 2,
                    QUERY_AUTO_INCREMENT = 3,
                    QUERY_CHARSET = 4,
                    QUERY_TIME_ZONE = 5,
                    QUERY_CATALOG_NZ = 6,
                    QUERY_TIME_NAMES = 7,
                    QUERY_CHARSET_DATABASE = 8,
                    QUERY_TABLE_MAP_FOR_UPDATE = 9,
                    QUERY_MASTER_DATA_WRITTEN = 10,
                    QUERY_INVOKER = 11,
                    QUERY_UPDATED_DATABASES = 12,
                    QUERY_MICROSECONDS = 13,
                    QUERY_EXPLICIT_TIMESTAMPS = 16,
                    QUERY_DDL_XID = 17,
                    QUERY_UTF8MB4_COLLATION = 18,
                    QUERY_REQUIRE_PRIMARY_KEY = 19,
                    QUERY_TABLE_ENCRYPTION = 20,
                    QUERY_MARIADB_MICROSECONDS = 128,
                    QUERY_MARIADB_XID = 129,
                    QUERY_MARIADB_GTID_FLAGS = 130,
                    QUERY_MARIADB_COLLATIONS = 131,
};
enum {
    QUERY_UPDATED_DATABASES_TOO_MANY = 254,
    QUERY_MARIADB_GTID_ALTER_ENDS = 4 | 8, /* a number follows */
};

static void add_collation(struct binlog_query *q, uint16_t collation)
{
    if (collation != 0 && q->default_collation_count < BINLOG_DEFAULT_COLLATIONS_MAX)
        q->default_collation[q->default_collation_count++] = collation;
}

/* How many bytes the variables take of which nothing is read; -1: another one. */
static int query_status_passed_bytes(uint8_t code)
{
    switch (code) {
    case QUERY_AUTO_INCREMENT: return 4;
    case QUERY_TIME_NAMES: case QUERY_CHARSET_DATABASE: return 2;
    case QUERY_TABLE_MAP_FOR_UPDATE: case QUERY_DDL_XID: case QUERY_MARIADB_XID: return 8;
    case QUERY_REQUIRE_PRIMARY_KEY: case QUERY_TABLE_ENCRYPTION: return 1;
    case QUERY_MASTER_DATA_WRITTEN: return 4;
    case QUERY_MICROSECONDS: case QUERY_MARIADB_MICROSECONDS: return 3;
    default: return -1;
    }
}

/* Names with a NUL behind each. */
static void pass_updated_databases(struct cursor *vars)
{
    uint64_t count = cursor_le(vars, 1);
    for (uint64_t i = 0; count != QUERY_UPDATED_DATABASES_TOO_MANY && i < count && !vars->failed; i++) {
        const uint8_t *end = memchr(vars->at, 0, cursor_left(vars));
        cursor_take(vars, end == NULL ? cursor_left(vars) + 1 : (size_t)(end - vars->at) + 1);
    }
}

/* The server writes them in the order of their codes, so the first one that is not known here ends the search. */
static void query_status_decode(struct cursor vars, struct binlog_query *q)
{
    bool flags2 = false, sql_mode = false;
    while (cursor_left(&vars) > 0 && !vars.failed) {
        uint8_t code = (uint8_t)cursor_le(&vars, 1);
        switch (code) {
        case QUERY_FLAGS2:
            q->flags2 = (uint32_t)cursor_le(&vars, 4);
            flags2 = !vars.failed;
            break;
        case QUERY_SQL_MODE:
            q->sql_mode = cursor_le(&vars, 8);
            sql_mode = !vars.failed;
            break;
        case QUERY_CATALOG: cursor_take(&vars, (size_t)cursor_le(&vars, 1) + 1); break;
        case QUERY_CATALOG_NZ:
        case QUERY_TIME_ZONE: cursor_take(&vars, (size_t)cursor_le(&vars, 1)); break;
        case QUERY_CHARSET: {
            uint16_t client = (uint16_t)cursor_le(&vars, 2);
            cursor_take(&vars, 2); /* the connection's: of literals */
            uint16_t server = (uint16_t)cursor_le(&vars, 2);
            if (vars.failed) break;
            q->client_charset = client;
            q->server_collation = server;
            break;
        }
        case QUERY_INVOKER:
            cursor_take(&vars, (size_t)cursor_le(&vars, 1));
            cursor_take(&vars, (size_t)cursor_le(&vars, 1));
            break;
        case QUERY_UPDATED_DATABASES: pass_updated_databases(&vars); break;
        case QUERY_EXPLICIT_TIMESTAMPS:
            q->explicit_timestamps = cursor_le(&vars, 1) != 0;
            q->has_explicit_timestamps = !vars.failed;
            break;
        case QUERY_UTF8MB4_COLLATION: add_collation(q, (uint16_t)cursor_le(&vars, 2)); break;
        case QUERY_MARIADB_GTID_FLAGS:
            if ((cursor_le(&vars, 2) & QUERY_MARIADB_GTID_ALTER_ENDS) != 0) cursor_take(&vars, 8);
            break;
        case QUERY_MARIADB_COLLATIONS:
            for (uint64_t left = cursor_le(&vars, 1); left > 0 && !vars.failed; left--) {
                cursor_take(&vars, 2); /* the character set, by a collation of it */
                add_collation(q, (uint16_t)cursor_le(&vars, 2));
            }
            break;
        default: {
            int passed = query_status_passed_bytes(code);
            cursor_take(&vars, passed < 0 ? cursor_left(&vars) : (size_t)passed);
        }
        }
    }
    q->has_status = flags2 && sql_mode;
}

enum { QUERY_FIXED_BYTES = 13, LOAD_QUERY_FIXED_BYTES = QUERY_FIXED_BYTES + 4 + 4 + 4 + 1 };

static enum err query_decode(struct cursor body, uint8_t fixed, struct binlog_query *out)
{
    struct binlog_query q = {0};
    q.thread_id = (uint32_t)cursor_le(&body, 4);
    cursor_le(&body, 4); /* execution time */
    q.database_bytes = (size_t)cursor_le(&body, 1);
    q.error_code = (uint16_t)cursor_le(&body, 2);
    size_t status_bytes = fixed >= QUERY_FIXED_BYTES ? (size_t)cursor_le(&body, 2) : 0;
    if (fixed > QUERY_FIXED_BYTES) cursor_take(&body, (size_t)fixed - QUERY_FIXED_BYTES);
    const uint8_t *status = cursor_take(&body, status_bytes);
    q.database = (const char *)cursor_take(&body, q.database_bytes);
    cursor_take(&body, 1);
    if (body.failed) return ERR_TRUNCATED;
    q.text = (const char *)body.at;
    q.text_bytes = cursor_left(&body);
    query_status_decode(cursor_of(status, status_bytes), &q);
    *out = q;
    return ERR_OK;
}

enum err binlog_query_decode(struct cursor body, const struct binlog_format *format, struct binlog_query *out)
{
    return query_decode(body, binlog_post_header(format, BINLOG_QUERY, QUERY_FIXED_BYTES), out);
}

enum err binlog_query_unpack(struct cursor body, const struct binlog_format *format, uint8_t **out, size_t *out_bytes)
{
    enum { STATEMENT_BYTES_MAX = 1 << 30 };
    struct binlog_query q;
    TRY(binlog_query_decode(body, format, &q));
    const uint8_t *packed = (const uint8_t *)q.text;
    return inflate_event(body.at, (size_t)(packed - body.at), packed, q.text_bytes, STATEMENT_BYTES_MAX, out,
                         out_bytes);
}

enum err binlog_load_query_decode(struct cursor body, const struct binlog_format *format, struct binlog_query *out)
{
    uint8_t fixed = binlog_post_header(format, BINLOG_EXECUTE_LOAD_QUERY, LOAD_QUERY_FIXED_BYTES);
    return fixed < LOAD_QUERY_FIXED_BYTES ? ERR_CORRUPT : query_decode(body, fixed, out);
}

enum err binlog_gtid_decode(struct cursor body, struct binlog_gtid *out)
{
    enum { LOGICAL_CLOCK = 2, LOGICAL_CLOCK_BYTES = 16, COMMIT_TIME_BYTES = 7 };
    const uint64_t has_original_time = (uint64_t)1 << 55;
    struct binlog_gtid g = {0};
    cursor_le(&body, 1); /* flags: may hold statements that are not rows */
    const uint8_t *uuid = cursor_take(&body, sizeof g.uuid);
    g.number = cursor_le(&body, 8);
    if (body.failed) return ERR_TRUNCATED;
    memcpy(g.uuid, uuid, sizeof g.uuid);
    if (cursor_left(&body) >= 1 + LOGICAL_CLOCK_BYTES + COMMIT_TIME_BYTES && *body.at == LOGICAL_CLOCK) {
        cursor_take(&body, 1 + LOGICAL_CLOCK_BYTES);
        g.commit_us = cursor_le(&body, COMMIT_TIME_BYTES) & ~has_original_time;
    }
    *out = g;
    return ERR_OK;
}

/* MySQL's variable-length number: as many further bytes as the first has trailing ones, the value above them. */
static uint64_t cursor_prefix_varint(struct cursor *c)
{
    uint8_t first = (uint8_t)cursor_le(c, 1);
    unsigned more = 0;
    while (more < 8 && (first >> more & 1) != 0) more++;
    uint64_t low = more < 7 ? (uint64_t)first >> (more + 1) : 0;
    uint64_t high = more > 0 ? cursor_le(c, more) : 0;
    return more < 8 ? high << (7 - more) | low : high;
}

enum gtid_field {
    GTID_FIELD_FLAGS,
    GTID_FIELD_UUID,
    GTID_FIELD_NUMBER,
    GTID_FIELD_TAG,
    GTID_FIELD_LAST_COMMITTED,
    GTID_FIELD_SEQUENCE,
    GTID_FIELD_COMMIT_TIME,
    GTID_FIELD_LAST_KNOWN = 11, /* the ticket of a group commit */
};

static void gtid_tag_take(struct cursor *body, struct binlog_gtid *g)
{
    uint64_t size = cursor_prefix_varint(body);
    const uint8_t *tag = size < sizeof g->tag ? cursor_take(body, size) : NULL;
    if (tag == NULL || memchr(tag, 0, size) != NULL) {
        body->failed = true;
        return;
    }
    memcpy(g->tag, tag, size);
    g->tag[size] = '\0';
}

enum err binlog_gtid_tagged_decode(struct cursor body, struct binlog_gtid *out)
{
    struct binlog_gtid g = {0};
    uint64_t version = cursor_prefix_varint(&body);
    cursor_prefix_varint(&body); /* size of the whole */
    uint64_t last_needed = cursor_prefix_varint(&body);
    if (body.failed) return ERR_TRUNCATED;
    if (version != 1 || last_needed > GTID_FIELD_LAST_KNOWN) return ERR_UNSUPPORTED;
    uint64_t seen = 0;
    while (cursor_left(&body) > 0 && !body.failed) {
        uint64_t field = cursor_prefix_varint(&body);
        if (field > GTID_FIELD_COMMIT_TIME) break; /* fields come in the order of their numbers */
        seen |= (uint64_t)1 << field;
        switch (field) {
        case GTID_FIELD_UUID:
            for (unsigned i = 0; i < sizeof g.uuid; i++) g.uuid[i] = (uint8_t)cursor_prefix_varint(&body);
            break;
        case GTID_FIELD_NUMBER: {
            uint64_t zigzag = cursor_prefix_varint(&body);
            g.number = zigzag >> 1;
            if ((zigzag & 1) != 0) return ERR_CORRUPT; /* below zero */
            break;
        }
        case GTID_FIELD_TAG: gtid_tag_take(&body, &g); break;
        case GTID_FIELD_COMMIT_TIME: g.commit_us = cursor_prefix_varint(&body); break;
        default: cursor_prefix_varint(&body);
        }
    }
    if (body.failed) return ERR_TRUNCATED;
    const uint64_t needed = 1 << GTID_FIELD_UUID | 1 << GTID_FIELD_NUMBER | 1 << GTID_FIELD_TAG;
    if ((seen & needed) != needed) return ERR_TRUNCATED;
    *out = g;
    return ERR_OK;
}

enum err binlog_incident_decode(struct cursor body, struct binlog_incident *out)
{
    struct binlog_incident i = {.kind = (uint16_t)cursor_le(&body, 2)};
    i.text_bytes = (size_t)cursor_le(&body, 1);
    i.text = (const char *)cursor_take(&body, i.text_bytes);
    if (body.failed) return ERR_TRUNCATED;
    *out = i;
    return ERR_OK;
}

enum err binlog_mariadb_gtid_decode(struct cursor body, struct binlog_mariadb_gtid *out)
{
    struct binlog_mariadb_gtid g = {0};
    g.number = cursor_le(&body, 8);
    g.domain = (uint32_t)cursor_le(&body, 4);
    g.flags = (uint8_t)cursor_le(&body, 1);
    if (body.failed) return ERR_TRUNCATED;
    if ((g.flags & MARIADB_GTID_GROUP_COMMIT) != 0) cursor_le(&body, 8);
    if ((g.flags & (MARIADB_GTID_PREPARED_XA | MARIADB_GTID_COMPLETED_XA)) != 0) {
        cursor_le(&body, 4);
        size_t gtrid = (size_t)cursor_le(&body, 1), bqual = (size_t)cursor_le(&body, 1);
        cursor_take(&body, gtrid + bqual); /* its event says it, too */
    }
    if (body.failed) return ERR_TRUNCATED;
    if (cursor_left(&body) > 0) g.extra = (uint8_t)cursor_le(&body, 1); /* zeroes where versions fill up */
    *out = g;
    return ERR_OK;
}

static const char *const event_name[] = {
    [BINLOG_START_V3] = "START_V3",
    [BINLOG_QUERY] = "QUERY",
    [BINLOG_STOP] = "STOP",
    [BINLOG_ROTATE] = "ROTATE",
    [BINLOG_INTVAR] = "INTVAR",
    [BINLOG_LOAD] = "LOAD",
    [BINLOG_CREATE_FILE] = "CREATE_FILE",
    [BINLOG_APPEND_BLOCK] = "APPEND_BLOCK",
    [BINLOG_EXEC_LOAD] = "EXEC_LOAD",
    [BINLOG_DELETE_FILE] = "DELETE_FILE",
    [BINLOG_NEW_LOAD] = "NEW_LOAD",
    [BINLOG_RAND] = "RAND",
    [BINLOG_USER_VAR] = "USER_VAR",
    [BINLOG_FORMAT_DESCRIPTION] = "FORMAT_DESCRIPTION",
    [BINLOG_XID] = "XID",
    [BINLOG_BEGIN_LOAD_QUERY] = "BEGIN_LOAD_QUERY",
    [BINLOG_EXECUTE_LOAD_QUERY] = "EXECUTE_LOAD_QUERY",
    [BINLOG_TABLE_MAP] = "TABLE_MAP",
    [BINLOG_PRE_GA_WRITE] = "PRE_GA_WRITE_ROWS",
    [BINLOG_PRE_GA_UPDATE] = "PRE_GA_UPDATE_ROWS",
    [BINLOG_PRE_GA_DELETE] = "PRE_GA_DELETE_ROWS",
    [BINLOG_WRITE_ROWS_V1] = "WRITE_ROWS_V1",
    [BINLOG_UPDATE_ROWS_V1] = "UPDATE_ROWS_V1",
    [BINLOG_DELETE_ROWS_V1] = "DELETE_ROWS_V1",
    [BINLOG_INCIDENT] = "INCIDENT",
    [BINLOG_HEARTBEAT] = "HEARTBEAT",
    [BINLOG_IGNORABLE] = "IGNORABLE",
    [BINLOG_ROWS_QUERY] = "ROWS_QUERY",
    [BINLOG_WRITE_ROWS] = "WRITE_ROWS",
    [BINLOG_UPDATE_ROWS] = "UPDATE_ROWS",
    [BINLOG_DELETE_ROWS] = "DELETE_ROWS",
    [BINLOG_GTID] = "GTID",
    [BINLOG_ANONYMOUS_GTID] = "ANONYMOUS_GTID",
    [BINLOG_PREVIOUS_GTIDS] = "PREVIOUS_GTIDS",
    [BINLOG_TRANSACTION_CONTEXT] = "TRANSACTION_CONTEXT",
    [BINLOG_VIEW_CHANGE] = "VIEW_CHANGE",
    [BINLOG_XA_PREPARE] = "XA_PREPARE",
    [BINLOG_PARTIAL_UPDATE_ROWS] = "PARTIAL_UPDATE_ROWS",
    [BINLOG_TRANSACTION_PAYLOAD] = "TRANSACTION_PAYLOAD",
    [BINLOG_HEARTBEAT_V2] = "HEARTBEAT_V2",
    [BINLOG_GTID_TAGGED] = "GTID_TAGGED",
    [BINLOG_MARIADB_ANNOTATE_ROWS] = "ANNOTATE_ROWS",
    [BINLOG_MARIADB_CHECKPOINT] = "BINLOG_CHECKPOINT",
    [BINLOG_MARIADB_GTID] = "MARIADB_GTID",
    [BINLOG_MARIADB_GTID_LIST] = "GTID_LIST",
    [BINLOG_MARIADB_START_ENCRYPTION] = "START_ENCRYPTION",
    [BINLOG_MARIADB_QUERY_COMPRESSED] = "QUERY_COMPRESSED",
    [BINLOG_MARIADB_WRITE_ROWS_COMPRESSED_V1] = "WRITE_ROWS_COMPRESSED_V1",
    [BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED_V1] = "UPDATE_ROWS_COMPRESSED_V1",
    [BINLOG_MARIADB_DELETE_ROWS_COMPRESSED_V1] = "DELETE_ROWS_COMPRESSED_V1",
    [BINLOG_MARIADB_WRITE_ROWS_COMPRESSED] = "WRITE_ROWS_COMPRESSED",
    [BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED] = "UPDATE_ROWS_COMPRESSED",
    [BINLOG_MARIADB_DELETE_ROWS_COMPRESSED] = "DELETE_ROWS_COMPRESSED",
};

const char *binlog_event_name(uint8_t type)
{
    static _Thread_local char number[16];
    if (type < sizeof event_name / sizeof event_name[0] && event_name[type] != NULL) return event_name[type];
    snprintf(number, sizeof number, "type %u", type);
    return number;
}

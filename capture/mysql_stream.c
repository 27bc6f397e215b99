/* The real side of capture/source_stream.h: two connections through the MySQL client library, one for questions and one
 * for the dump.  MariaDB's Connector/C gives raw packets through its method table (its own replication calls copy and
 * parse every packet, and fail on several servers); Oracle's library has mysql_binlog_open.  Once a dump is asked for,
 * a connection without TLS is read by capture/mysql_packets.h, which is faster. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <mysql.h>
#ifdef MARIADB_PACKAGE_VERSION
#include <ma_pvio.h>
#endif

#include "base/clock.h"
#include "base/cursor.h"
#include "base/invariant.h"
#include "capture/mysql_connect.h"
#include "capture/mysql_packets.h"
#include "capture/source_stream.h"

#define IDLE_NS 5000000000u /* a connection unused for so long is tried before it is used */

enum {
    QUERY_TIMEOUT_S = 60,         /* the slowest question: definitions of very many tables */
    DUMP_WRITE_TIMEOUT_S = 86400, /* the source waits so long for us to read before it gives the dump up */
    FIELDS_MAX = 64,
    SQL_BYTES = 512,
};

struct mysql_stream {
    struct source_stream stream;
    const struct source_stream_config *config;
    MYSQL *questions, *dump;      /* NULL: not connected */
    struct mysql_packets packets; /* of a dump without TLS, which they read; else without a buffer */
    uint64_t asked_ns;            /* when the last question was */
    struct mysql_gate gate;       /* of connects under way */
    pthread_mutex_t lock;         /* of the two file descriptors: cut may come while they open and close */
    int questions_fd, dump_fd;
    _Atomic bool is_cut;
#ifndef MARIADB_PACKAGE_VERSION
    MYSQL_RPL rpl;
    char rpl_file[512];
#endif
};

static struct mysql_stream *of(struct source_stream *s)
{
    return (struct mysql_stream *)(void *)s;
}

/* --- errors --- */

enum { SERVER_NO_BINLOG = 1220, SERVER_MASTER_FATAL = 1236 };

/* What the server says instead of the next event. */
static enum err dump_refused(struct mysql_stream *m, unsigned number, const char *text, struct err_msg *msg)
{
    /* MySQL says it as error 1236, MariaDB as 4052.  "is already connected" is another thing: our own former
     * connection, that the server has not yet given up. */
    if (strstr(text, "same server") != NULL && strstr(text, "has connected") != NULL)
        return err_set(msg, ERR_SOURCE_CONFIG,
                       "another replica of the source uses our server id %u: %s; give the channel another one",
                       m->config->server_id, text);
    if (number == SERVER_NO_BINLOG)
        return err_set(msg, ERR_SOURCE_CONFIG, "the source writes no binlog: %s; set log_bin", text);
    if (number == SERVER_MASTER_FATAL) {
        if (strstr(text, "first log file name") != NULL || strstr(text, "purged") != NULL)
            return err_set(msg, ERR_SOURCE_PURGED, "the source no longer has the binlog to read on from: %s", text);
        if (strstr(text, "impossible position") != NULL || strstr(text, "position > file size") != NULL)
            return err_set(msg, ERR_SOURCE_HISTORY,
                           "the source's binlog is shorter than what was already read from it: %s", text);
        if (strstr(text, "max_allowed_packet") != NULL)
            return err_set(msg, ERR_SOURCE_CONFIG,
                           "an event is larger than the source's max_allowed_packet: %s; raise it there", text);
        return err_set(msg, ERR_DISCONNECTED, "the source ended the binlog dump: %s", text);
    }
    enum err code = mysql_error_code(number, false);
    if (code == ERR_ACCESS_DENIED)
        return err_set(msg, code, "user '%s' may not read the binlog: %s; GRANT REPLICATION SLAVE ON *.*",
                       m->config->user, text);
    if (code == ERR_INVALID) code = ERR_DISCONNECTED;
    return err_set(msg, code, "the binlog dump was interrupted: %s (error %u)", text, number);
}

static enum err dump_failed(struct mysql_stream *m, struct err_msg *msg)
{
    return dump_refused(m, mysql_errno(m->dump), mysql_error(m->dump), msg);
}

/* --- connections --- */

static int socket_of(MYSQL *mysql)
{
#ifdef MARIADB_PACKAGE_VERSION
    return (int)mysql_get_socket(mysql);
#else
    return (int)mysql->net.fd;
#endif
}

static void connection_close(struct mysql_stream *m, MYSQL **mysql, int *fd)
{
    pthread_mutex_lock(&m->lock);
    *fd = -1;
    pthread_mutex_unlock(&m->lock);
    if (*mysql != NULL) mysql_close(*mysql);
    *mysql = NULL;
}

static bool reads_socket(const struct mysql_stream *m)
{
    return m->packets.buffer != NULL;
}

static void dump_close(struct mysql_stream *m)
{
    connection_close(m, &m->dump, &m->dump_fd);
    mysql_packets_end(&m->packets);
}

/* Runs a statement whose result, if any, is thrown away; an error is not one that matters. */
static void statement_try(MYSQL *mysql, const char *sql)
{
    if (mysql_query(mysql, sql) != 0) return;
    MYSQL_RES *result = mysql_store_result(mysql);
    if (result != NULL) mysql_free_result(result);
}

static enum err connection_open(struct mysql_stream *m, MYSQL **out, int *fd, unsigned read_timeout_s,
                                struct err_msg *msg)
{
    if (atomic_load_explicit(&m->is_cut, memory_order_acquire)) return ERR_STOPPED; /* pairs with cut */
    MYSQL *mysql;
    TRY(mysql_connect_open(&mysql, &m->gate, m->config, read_timeout_s, msg));
    pthread_mutex_lock(&m->lock); /* from here on cut can end what waits on this connection */
    *fd = socket_of(mysql);
    bool is_cut = atomic_load_explicit(&m->is_cut, memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
    *out = mysql;
    if (is_cut) {
        connection_close(m, out, fd);
        return ERR_STOPPED;
    }
    if (mysql_query(mysql, "SET NAMES utf8mb4") != 0) statement_try(mysql, "SET NAMES utf8"); /* before 5.5.3 */
    return ERR_OK;
}

static enum err stream_connect(struct source_stream *s, struct err_msg *msg)
{
    struct mysql_stream *m = of(s);
    connection_close(m, &m->questions, &m->questions_fd);
    TRY(connection_open(m, &m->questions, &m->questions_fd, QUERY_TIMEOUT_S, msg));
    statement_try(m->questions, "SET SESSION wait_timeout=31536000");
    return ERR_OK;
}

/* --- questions --- */

static enum err query_failed(struct mysql_stream *m, const char *sql, struct err_msg *msg)
{
    if (atomic_load_explicit(&m->is_cut, memory_order_acquire)) return ERR_STOPPED; /* pairs with cut */
    unsigned number = mysql_errno(m->questions);
    return err_set(msg, mysql_error_code(number, false), "the source answered to \"%.120s\": %s (error %u)", sql,
                   mysql_error(m->questions), number);
}

static enum err query_once(struct mysql_stream *m, const char *sql, source_row *row, void *context, struct err_msg *msg)
{
    if (mysql_query(m->questions, sql) != 0) return query_failed(m, sql, msg);
    MYSQL_RES *result = mysql_use_result(m->questions);
    if (result == NULL) return mysql_errno(m->questions) == 0 ? ERR_OK : query_failed(m, sql, msg);
    unsigned fields = mysql_num_fields(result);
    enum err e =
        fields > FIELDS_MAX ? err_set(msg, ERR_TOO_LARGE, "the source's answer has %u columns", fields) : ERR_OK;
    for (MYSQL_ROW values; e == ERR_OK && (values = mysql_fetch_row(result)) != NULL;) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        const char *field[FIELDS_MAX];
        size_t bytes[FIELDS_MAX];
        for (unsigned i = 0; i < fields; i++) {
            field[i] = values[i];
            bytes[i] = values[i] == NULL ? 0 : lengths[i];
        }
        if (row != NULL) e = row(context, field, bytes, fields);
    }
    if (e == ERR_OK && mysql_errno(m->questions) != 0) e = query_failed(m, sql, msg);
    mysql_free_result(result); /* reads what is left of it */
    return e;
}

static enum err stream_query(struct source_stream *s, const char *sql, source_row *row, void *context,
                             struct err_msg *msg)
{
    struct mysql_stream *m = of(s);
    if (m->questions == NULL) return err_set(msg, ERR_DISCONNECTED, "not connected to the source");
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    bool was_idle = now_ns - m->asked_ns >= IDLE_NS;
    m->asked_ns = now_ns;
    if (was_idle && mysql_query(m->questions, "DO 0") != 0) { /* it may be gone: then nothing of it is lost */
        if (mysql_error_code(mysql_errno(m->questions), false) == ERR_DISCONNECTED) TRY(stream_connect(s, msg));
    }
    return query_once(m, sql, row, context, msg);
}

/* --- the dump --- */

enum { COMMAND_REGISTER_REPLICA = 21, COMMAND_BINLOG_DUMP = 18, FILE_NAME_BYTES_MAX = 255 };

#ifdef MARIADB_PACKAGE_VERSION

static void put_le(unsigned char **at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) *(*at)++ = (unsigned char)(value >> (8 * i));
}

/* Lists us in SHOW REPLICAS; needs the same privilege as the dump. */
static bool replica_register(struct mysql_stream *m)
{
    unsigned char packet[4 + 1 + 1 + 1 + 2 + 4 + 4], *at = packet;
    put_le(&at, m->config->server_id, 4);
    put_le(&at, 0, 1); /* no host name, user or password to show */
    put_le(&at, 0, 1);
    put_le(&at, 0, 1);
    put_le(&at, 0, 2);
    put_le(&at, 0, 4);
    put_le(&at, 0, 4);
    return m->dump->methods->db_command(m->dump, (enum enum_server_command)COMMAND_REGISTER_REPLICA,
                                        (const char *)packet, (size_t)(at - packet), 0, NULL) == 0;
}

static bool dump_request(struct mysql_stream *m, const char *file, uint32_t position)
{
    unsigned char packet[4 + 2 + 4 + FILE_NAME_BYTES_MAX], *at = packet;
    size_t file_bytes = strlen(file);
    INVARIANT(file_bytes <= FILE_NAME_BYTES_MAX);
    put_le(&at, position, 4);
    put_le(&at, 0, 2); /* flags: wait at the end of the last file for more */
    put_le(&at, m->config->server_id, 4);
    memcpy(at, file, file_bytes);
    at += file_bytes;
    return m->dump->methods->db_command(m->dump, (enum enum_server_command)COMMAND_BINLOG_DUMP, (const char *)packet,
                                        (size_t)(at - packet), 1, NULL) == 0;
}

/* One packet, whole, in the library's buffer. */
static enum err packet_read(struct mysql_stream *m, const uint8_t **packet, size_t *size, struct err_msg *msg)
{
    unsigned long length = mysql_net_read_packet(m->dump);
    if (length == packet_error) return dump_failed(m, msg);
    *packet = m->dump->net.read_pos;
    *size = length;
    return ERR_OK;
}

/* What the library took from the socket and has not given yet; returns its size. */
static size_t read_ahead(const struct mysql_stream *m, const uint8_t **bytes)
{
    const MARIADB_PVIO *pvio = m->dump->net.pvio;
    if (pvio == NULL || pvio->cache == NULL) return 0;
    INVARIANT(pvio->cache_pos >= pvio->cache && pvio->cache_pos <= pvio->cache + pvio->cache_size);
    *bytes = pvio->cache_pos;
    return (size_t)(pvio->cache + pvio->cache_size - pvio->cache_pos);
}

#else

static bool replica_register(struct mysql_stream *m)
{
    (void)m;
    return true; /* the library has no call for it */
}

static bool dump_request(struct mysql_stream *m, const char *file, uint32_t position)
{
    snprintf(m->rpl_file, sizeof m->rpl_file, "%s", file);
    m->rpl = (MYSQL_RPL){.file_name = m->rpl_file,
                         .file_name_length = strlen(m->rpl_file),
                         .start_position = position,
                         .server_id = m->config->server_id};
    return mysql_binlog_open(m->dump, &m->rpl) == 0;
}

static enum err packet_read(struct mysql_stream *m, const uint8_t **packet, size_t *size, struct err_msg *msg)
{
    if (mysql_binlog_fetch(m->dump, &m->rpl) != 0) return dump_failed(m, msg);
    *packet = m->rpl.buffer;
    *size = m->rpl.size;
    return ERR_OK;
}

static size_t read_ahead(const struct mysql_stream *m, const uint8_t **bytes)
{
    (void)m; /* not to be seen from outside: nothing was read since the dump was asked for, later the kernel is asked */
    *bytes = NULL;
    return 0;
}

#endif

static enum err stream_dump(struct source_stream *s, const char *file, uint64_t position, struct err_msg *msg)
{
    struct mysql_stream *m = of(s);
    if (strlen(file) > FILE_NAME_BYTES_MAX)
        return err_set(msg, ERR_TOO_LARGE, "the source's binlog has a file name of %zu bytes", strlen(file));
    if (position > UINT32_MAX)
        return err_set(msg, ERR_TOO_LARGE, "%s is larger than the 4 GiB that the source can be asked for; FLUSH BINARY "
                       "LOGS on the source and split its largest transactions", file);
    dump_close(m);
    TRY(connection_open(m, &m->dump, &m->dump_fd, m->config->read_timeout_s, msg));

    char sql[SQL_BYTES];
    unsigned long long heartbeat_ns = (unsigned long long)m->config->heartbeat_ms * 1000000;
    snprintf(sql, sizeof sql, "SET @master_heartbeat_period=%llu, @source_heartbeat_period=%llu", heartbeat_ns,
             heartbeat_ns);
    if (mysql_query(m->dump, sql) != 0) return dump_failed(m, msg);
    if (mysql_query(m->dump, "SET @master_binlog_checksum='CRC32', @source_binlog_checksum='CRC32'") != 0)
        return dump_failed(m, msg);
    if (mysql_query(m->dump, "SET @mariadb_slave_capability=4") != 0) return dump_failed(m, msg);
    /* "millrace" and our server id: by it MySQL ends a former connection of ours, and without it SHOW SLAVE HOSTS of
     * 5.6 and 5.7 sends its reader a row that lacks a field. */
    snprintf(sql, sizeof sql, "SET @slave_uuid='6d696c6c-7261-6365-8000-0000%08x', @replica_uuid=@slave_uuid",
             m->config->server_id);
    if (mysql_query(m->dump, sql) != 0) return dump_failed(m, msg);
    snprintf(sql, sizeof sql, "SET SESSION net_write_timeout=%u", DUMP_WRITE_TIMEOUT_S);
    if (mysql_query(m->dump, sql) != 0) return dump_failed(m, msg);
    if (!replica_register(m)) return dump_failed(m, msg);
    if (!dump_request(m, file, (uint32_t)position)) return dump_failed(m, msg);
    if (mysql_get_ssl_cipher(m->dump) != NULL) return ERR_OK; /* the library's; compression is never asked for */
    const uint8_t *ahead = NULL;
    size_t ahead_bytes = read_ahead(m, &ahead);
    return mysql_packets_begin(&m->packets, m->dump_fd, m->config->read_timeout_s, m->config->packet_bytes_max, ahead,
                               ahead_bytes, msg);
}

/* An error of the server: its number, where it is not before 4.1 '#' and five characters of SQL state, and its text.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html */
static enum err error_packet(struct mysql_stream *m, const uint8_t *packet, size_t bytes, struct err_msg *msg)
{
    enum { STATE_BYTES = 6 };
    char text[SQL_BYTES];
    struct cursor c = cursor_of(packet + 1, bytes - 1);
    unsigned number = (unsigned)cursor_le(&c, 2);
    if (cursor_left(&c) >= STATE_BYTES && *c.at == '#') (void)cursor_take(&c, STATE_BYTES);
    snprintf(text, sizeof text, "%.*s", (int)(c.failed ? 0 : cursor_left(&c)), (const char *)c.at);
    return dump_refused(m, number, text, msg);
}

static enum err stream_next(struct source_stream *s, const uint8_t **event, size_t *size, struct err_msg *msg)
{
    enum { PACKET_OK = 0, PACKET_EOF = 0xfe, PACKET_ERROR = 0xff };
    struct mysql_stream *m = of(s);
    if (m->dump == NULL) return err_set(msg, ERR_DISCONNECTED, "no binlog dump is under way");
    const uint8_t *packet = NULL;
    size_t bytes = 0;
    enum err e = reads_socket(m) ? mysql_packets_next(&m->packets, &packet, &bytes, msg)
                                 : packet_read(m, &packet, &bytes, msg);
    if (atomic_load_explicit(&m->is_cut, memory_order_relaxed)) return ERR_STOPPED;
    TRY(e);
    if (bytes == 0 || packet[0] == PACKET_EOF)
        return err_set(msg, ERR_DISCONNECTED, "the source ended the binlog dump (it may be shutting down)");
    if (packet[0] == PACKET_ERROR) return error_packet(m, packet, bytes, msg);
    if (packet[0] != PACKET_OK)
        return err_set(msg, ERR_DISCONNECTED, "the source sent a packet of kind %u in the dump", packet[0]);
    *event = packet + 1;
    *size = bytes - 1;
    return ERR_OK;
}

static bool stream_pending(struct source_stream *s)
{
    struct mysql_stream *m = of(s);
    const uint8_t *ahead;
    if (m->dump == NULL) return false;
    if (reads_socket(m) ? mysql_packets_hold_more(&m->packets) : read_ahead(m, &ahead) != 0) return true;
    struct pollfd readable = {.fd = m->dump_fd, .events = POLLIN};
    return poll(&readable, 1, 0) > 0;
}

static void stream_disconnect(struct source_stream *s)
{
    struct mysql_stream *m = of(s);
    dump_close(m);
    connection_close(m, &m->questions, &m->questions_fd);
}

static void stream_cut(struct source_stream *s)
{
    struct mysql_stream *m = of(s);
    atomic_store_explicit(&m->is_cut, true, memory_order_release); /* pairs with connection_open, stream_next */
    mysql_gate_cut(&m->gate);
    pthread_mutex_lock(&m->lock);
    if (m->dump_fd >= 0) shutdown(m->dump_fd, SHUT_RDWR);
    if (m->questions_fd >= 0) shutdown(m->questions_fd, SHUT_RDWR);
    pthread_mutex_unlock(&m->lock);
}

static void stream_close(struct source_stream *s)
{
    struct mysql_stream *m = of(s);
    stream_disconnect(s);
    mysql_gate_fini(&m->gate);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct source_stream_ops mysql_ops = {
    stream_connect, stream_query, stream_dump, stream_next, stream_pending, stream_disconnect, stream_cut, stream_close,
};

static void library_init(void)
{
    (void)mysql_library_init(0, NULL, NULL);
}

enum err source_stream_mysql_open(struct source_stream **out, const struct source_stream_config *config,
                                  struct err_msg *msg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_init);
    struct mysql_stream *m = calloc(1, sizeof *m);
    if (m == NULL || pthread_mutex_init(&m->lock, NULL) != 0) {
        free(m);
        return err_set(msg, ERR_NO_MEMORY, "no memory for a connection to the source");
    }
    mysql_gate_init(&m->gate);
    m->stream = (struct source_stream){.ops = &mysql_ops, .dump_position_max = UINT32_MAX};
    m->config = config;
    m->questions_fd = m->dump_fd = -1;
    *out = &m->stream;
    return ERR_OK;
}

/* capture/source_stream.h -- the seam to the source: its byte stream of binlog events, and questions to it as SQL.
 *
 * Three sides: a server (the MySQL client library), a folder of binlog files, and capture/stream_sim.h (a scripted
 * binlog in memory, for single-threaded tests).  All functions belong to the capture thread, except cut. */
#ifndef CAPTURE_SOURCE_STREAM_H
#define CAPTURE_SOURCE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/source_options.h"

struct source_stream;

/* One row of a result: fields as text, NULL for SQL NULL, not NUL-terminated.  An error ends the query and is returned.
 */
typedef enum err source_row(void *context, const char *const *field, const size_t *field_bytes, uint32_t field_count);

struct source_stream_ops {
    /* Opens the connection for questions.  ERR_CONNECT, ERR_ACCESS_DENIED, ERR_STOPPED. */
    enum err (*connect)(struct source_stream *s, struct err_msg *msg);

    /* Runs one statement; `row` may be NULL when it has no result.  Possible during a dump.  Opens the connection again
     * when it was lost while nothing was asked.  ERR_DISCONNECTED; ERR_ACCESS_DENIED; ERR_INVALID: any other error of
     * the statement, msg has its words. */
    enum err (*query)(struct source_stream *s, const char *sql, source_row *row, void *context, struct err_msg *msg);

    /* Starts sending events from the byte `position` of `file`; an earlier dump ends.  ERR_CONNECT, ERR_ACCESS_DENIED,
     * ERR_DISCONNECTED; ERR_TOO_LARGE: above dump_position_max. */
    enum err (*dump)(struct source_stream *s, const char *file, uint64_t position, struct err_msg *msg);

    /* The next event, header and checksum included; valid until the next call.  Blocks (simulated: ERR_AGAIN instead).
     * ERR_DISCONNECTED, ERR_TOO_LARGE; ERR_SOURCE_PURGED, ERR_SOURCE_CONFIG: what the source answered instead. */
    enum err (*next)(struct source_stream *s, const uint8_t **event, size_t *size, struct err_msg *msg);

    /* Would `next` return at once?  Asks the kernel only when the library's buffer is empty. */
    bool (*pending)(struct source_stream *s);

    void (*disconnect)(struct source_stream *s);

    /* Any thread: makes a blocked call return, and all later ones fail with ERR_STOPPED. */
    void (*cut)(struct source_stream *s);
    void (*close)(struct source_stream *s);

    /* What does not fit now may be on its way: somebody is copying files into the folder.  NULL: never. */
    bool (*is_arriving)(struct source_stream *s);
    /* Before a new channel begins at the first file: a file was added just now, so that one before it may follow. */
    bool (*is_growing)(struct source_stream *s);
};

struct source_stream { /* first member of each side's own struct */
    const struct source_stream_ops *ops;
    bool is_archive;            /* nobody is there to ask for definitions, settings or the time */
    uint64_t dump_position_max; /* the dump command of servers has 32 bits */
};

struct source_stream_config { /* borrowed until close */
    const char *files;        /* a folder of binlog files, which is read instead of a server; NULL or "": none */
    const char *host;         /* or a unix socket's path when it begins with '/' */
    uint16_t port;
    const char *user, *password;
    uint32_t server_id;
    uint64_t packet_bytes_max;
    struct source_tls tls;
    uint32_t heartbeat_ms; /* asked from the source */
    uint32_t connect_timeout_s;
    uint32_t read_timeout_s; /* neither an event nor a heartbeat for so long: the connection is dead */
};

/* The server or the folder of `config`.  Nothing is connected yet.  ERR_NO_MEMORY. */
NODISCARD enum err source_stream_open(struct source_stream **out, const struct source_stream_config *config,
                                      struct err_msg *msg);
/* The two by themselves. */
NODISCARD enum err source_stream_mysql_open(struct source_stream **out, const struct source_stream_config *config,
                                            struct err_msg *msg);
NODISCARD enum err source_stream_archive_open(struct source_stream **out, const struct source_stream_config *config,
                                              struct err_msg *msg);

#endif

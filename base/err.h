/* base/err.h -- one list of errors for the whole program, each with one text.
 *
 * A function that can fail returns `enum err`.  Where a person must learn what to do, it also fills a
 * `struct err_msg` with the particulars (which file, which table, what to change).  Kafka's wire codes
 * are mapped from these at the edge, in dataplane/kafka/error_codes.h. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define NODISCARD __attribute__((warn_unused_result))

#define ERR_LIST(X)                                                        \
    X(ERR_OK,             "ok")                                            \
    X(ERR_AGAIN,          "would block, try again later")                  \
    X(ERR_TRUNCATED,      "message ends before its last field")            \
    X(ERR_CORRUPT,        "checksum or structure does not hold")           \
    X(ERR_TOO_LARGE,      "larger than the limit")                         \
    X(ERR_NO_SPACE,       "no space left")                                 \
    X(ERR_NO_MEMORY,      "memory limit reached")                          \
    X(ERR_IO,             "input/output error")                            \
    X(ERR_NOT_FOUND,      "does not exist")                                \
    X(ERR_EXISTS,         "exists already")                                \
    X(ERR_OUT_OF_RANGE,   "outside the valid range")                       \
    X(ERR_INVALID,        "invalid value")                                 \
    X(ERR_UNSUPPORTED,    "not supported")                                 \
    X(ERR_LOCKED,         "held by another process")                       \
    X(ERR_NEWER_FORMAT,   "written by a newer version")                    \
    X(ERR_STATE,          "not possible in this state")                    \
    X(ERR_STOPPED,        "stopped on request")                            \
    X(ERR_CONNECT,        "cannot connect")                                \
    X(ERR_ACCESS_DENIED,  "access denied")                                 \
    X(ERR_DISCONNECTED,   "connection lost")                               \
    X(ERR_SOURCE_CONFIG,  "the source's configuration does not allow it")  \
    X(ERR_SOURCE_HISTORY, "the source's history changed")                  \
    X(ERR_SOURCE_PURGED,  "the position is no longer on the source")       \
    X(ERR_SCHEMA,         "table definition does not match the binlog")

enum err {
#define X(name, text) name,
    ERR_LIST(X)
#undef X
    ERR_COUNT
};

/* The text of an error; never NULL.  Any thread. */
const char *err_text(enum err e);

/* What a person reads: the error and its particulars.  Caller-owned, no allocation. */
struct err_msg {
    enum err code;
    char text[512]; /* one sentence: what failed, where, what to do */
};

/* err_set fills `m` (which may be NULL) printf-style and returns `code`, so that it can stand in a return. */
enum err err_set(struct err_msg *m, enum err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define TRY(expr)                           \
    do {                                    \
        enum err try_ = (expr);             \
        if (try_ != ERR_OK) return try_;    \
    } while (0)

#endif

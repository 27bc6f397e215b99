/* base/err.h -- one list of errors for the whole program, each with one text.
 *
 * A function that can fail returns `enum err`.  Where a person must learn what to do, it also fills a
 * `struct err_msg` with the particulars (which file, which table, what to change).  Kafka's wire codes
 * are mapped from these at the edge, in dataplane/kafka/error_codes.h. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define NODISCARD __attribute__((warn_unused_result))

/* name; what it is; what a person can do when nothing more exact is known.  docs/errors.md is held against it. */
/* clang-format off */
#define ERR_LIST(X)                                                                                                  \
    X(ERR_OK, "ok",                                                                                                  \
      "nothing")                                                                                                     \
    X(ERR_AGAIN, "would block, try again later",                                                                     \
      "wait: it is tried again by itself")                                                                           \
    X(ERR_TRUNCATED, "message ends before its last field",                                                           \
      "look at the file and place that are named; of a copied binlog, copy it once more")                            \
    X(ERR_CORRUPT, "checksum or structure does not hold",                                                            \
      "look at the file that is named: a log by millrace log check, a binlog by mysqlbinlog")                        \
    X(ERR_TOO_LARGE, "larger than the limit",                                                                        \
      "raise the limit that is named in millrace.yaml and start millraced again")                                    \
    X(ERR_NO_SPACE, "no space left",                                                                                 \
      "free some space on the disk of data_folder, then resume the channel")                                         \
    X(ERR_NO_MEMORY, "memory limit reached",                                                                         \
      "give the machine more memory, or lower the pools that GET /v1/status lists")                                  \
    X(ERR_IO, "input/output error",                                                                                  \
      "look for the disk's error in the kernel's log (dmesg), mend it, then resume the channel")                     \
    X(ERR_NOT_FOUND, "does not exist",                                                                               \
      "put back what is missing, or correct its name (millrace channel configure)")                                  \
    X(ERR_EXISTS, "exists already",                                                                                  \
      "move away what is there, or choose another name")                                                             \
    X(ERR_OUT_OF_RANGE, "outside the valid range",                                                                   \
      "choose a value within the range")                                                                             \
    X(ERR_INVALID, "invalid value",                                                                                  \
      "correct the value that is named (millrace channel configure)")                                                \
    X(ERR_UNSUPPORTED, "not supported",                                                                              \
      "leave the table out (millrace channel objects), or make the channel anew behind this place")                  \
    X(ERR_LOCKED, "held by another process",                                                                         \
      "end the other process")                                                                                       \
    X(ERR_NEWER_FORMAT, "written by a newer version",                                                                \
      "start the newer millraced that wrote it")                                                                     \
    X(ERR_STATE, "not possible in this state",                                                                       \
      "wait until what is under way has ended, or resume the channel")                                               \
    X(ERR_STOPPED, "stopped on request",                                                                             \
      "start the channel when it shall go on")                                                                       \
    X(ERR_CONNECT, "cannot connect",                                                                                 \
      "start the source, and check its host, its port and the firewalls between")                                    \
    X(ERR_ACCESS_DENIED, "access denied",                                                                            \
      "give the channel the right user and password (millrace channel configure), and the user its rights")          \
    X(ERR_DISCONNECTED, "connection lost",                                                                           \
      "wait: it connects again by itself; if that does not help, look into the source's error log")                  \
    X(ERR_SOURCE_CONFIG, "the source's configuration does not allow it",                                             \
      "change on the source what is named, then resume the channel")                                                 \
    X(ERR_SOURCE_HISTORY, "the source's history changed",                                                            \
      "follow a server with the same history (millrace channel configure), or make the channel anew")                \
    X(ERR_SOURCE_PURGED, "the position is no longer on the source",                                                  \
      "delete the channel and create it anew; keep binlogs longer on the source")                                    \
    X(ERR_SCHEMA, "table definition does not match the binlog",                                                      \
      "give the channel a schema_file with the CREATE statements of that time, or make it anew")
/* clang-format on */

enum err {
#define X(name, text, mend) name,
    ERR_LIST(X)
#undef X
    ERR_COUNT
};

/* The text of an error; never NULL.  Any thread. */
const char *err_text(enum err e);

/* What a person reads: the error and its particulars.  Caller-owned, no allocation. */
struct err_msg {
    enum err code;
    unsigned cause_bytes; /* of text, in front of "; " and what to do; 0: text is the cause alone */
    char text[512];       /* one sentence: what failed, where; what to do */
};

/* err_set fills `m` (which may be NULL) printf-style and returns `code`, so that it can stand in a return.  What stands
 * behind the last "; " of `fmt` is what to do; a "; " in what is printed into it means nothing.  What is too long loses
 * the end of its cause, not what to do (up to 2 KiB). */
enum err err_set(struct err_msg *m, enum err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same error told from further out: what `fmt` says, ": " and the cause of `inner`, which may be `m`.  What to do
 * is what `fmt` says of it, else what `inner` does. */
enum err err_within(struct err_msg *m, enum err code, const struct err_msg *inner, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* A sentence that does not say what to do, says from now on what helps against its kind. */
void err_complete(struct err_msg *m);

/* Bytes of m->text that tell what failed and where. */
int err_cause_bytes(const struct err_msg *m);
/* What a person can do about it: what the sentence says, else what helps against its kind.  Never empty; m's or
 * static. */
const char *err_what_to_do(const struct err_msg *m);
/* The same of a kind alone. */
const char *err_mend(enum err e);

#define TRY(expr)                           \
    do {                                    \
        enum err try_ = (expr);             \
        if (try_ != ERR_OK) return try_;    \
    } while (0)

#endif

/* capture/archive_stream.h -- the inside of the side of capture/source_stream.h that reads a folder of binlog files:
 * for archive_stream.c and archive_questions.c only. */
#ifndef CAPTURE_ARCHIVE_STREAM_H
#define CAPTURE_ARCHIVE_STREAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "capture/archive_file.h"
#include "capture/archive_walk.h"
#include "capture/source_stream.h"

enum { ARCHIVE_MADE_BYTES = 1024 };

struct archive_stream {
    struct source_stream stream;
    const struct source_stream_config *config;
    struct archive_list list;
    struct archive_walk newest; /* the last file, kept up to date */
    bool is_connected;
    int cut_fd, watch_fd; /* eventfd; inotify, -1: none is to be had */
    _Atomic bool is_cut;

    /* the dump */
    bool is_dumping;
    enum { ARCHIVE_ROTATE, ARCHIVE_FORMAT, ARCHIVE_EVENTS } send;
    struct archive_file file;
    uint64_t told_position; /* of an unfinished end that was told; 0: none */
    uint64_t settles_ns;    /* since when the file has not grown while a further one is there; 0: not waiting */
    uint64_t arrives_ns;    /* since when something that does not fit is waited for; 0: nothing */
    uint8_t made[ARCHIVE_MADE_BYTES]; /* events made for the dump */
};

/* Answers as a server would to what capture asks. */
NODISCARD enum err archive_query(struct source_stream *s, const char *sql, source_row *row, void *context,
                                 struct err_msg *msg);

#endif

/* base/log.h -- what the operator reads: one line per event on stderr, as text (`time level room: words`) or as JSON.
 *
 * Never pass a secret.  Safe from any thread: a line is written with one write(2).  Foreign words in it stay in it:
 * control characters become '?', and in JSON what is no UTF-8 becomes U+FFFD.  Of lines made by one format more than
 * LOG_BURST within LOG_BURST_S seconds are left out and counted; the next that is written tells how many. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_COUNT };
enum { LOG_BURST = 300, LOG_BURST_S = 10 };

/* Lines below `level` are dropped, in rooms that have no level of their own.  Any time. */
void log_set_level(enum log_level level);
/* Levels of single rooms, the words of `log_levels`: "capture=debug,kafka=warn"; "" takes all back.  ERR_INVALID: msg
 * says which word; nothing is changed then.  Any time, one thread. */
NODISCARD enum err log_set_room_levels(const char *words, struct err_msg *msg);
/* "debug", "info", "warn", "error"; false: none of them. */
bool log_level_parse(const char *word, enum log_level *out);
/* JSON lines instead of text: {"time", "level", "room", "text"} and, where lines were left out, "left_out". */
void log_set_json(bool is_json);

void log_line(enum log_level level, const char *room, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(room, ...) log_line(LOG_LEVEL_DEBUG, room, __VA_ARGS__)
#define log_info(room, ...)  log_line(LOG_LEVEL_INFO, room, __VA_ARGS__)
#define log_warn(room, ...)  log_line(LOG_LEVEL_WARN, room, __VA_ARGS__)
#define log_error(room, ...) log_line(LOG_LEVEL_ERROR, room, __VA_ARGS__)

#endif

#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

enum { LINE_BYTES = 1024, JSON_BYTES = 6 * LINE_BYTES + 256, ROOMS_MAX = 16, ROOM_BYTES = 16, FORMATS = 1024 };

static const char *const level_words[LOG_LEVEL_COUNT] = {"debug", "info", "warn", "error"};

static _Atomic int minimum_level = LOG_LEVEL_INFO;
static _Atomic bool writes_json;

/* --- levels --- */

/* Two, used in turn: the one that other threads may be reading is not written. */
static struct room_levels {
    char room[ROOMS_MAX][ROOM_BYTES];
    enum log_level level[ROOMS_MAX];
    int count;
} room_levels[2];
static struct room_levels *_Atomic rooms = &room_levels[0];

void log_set_level(enum log_level level) { atomic_store_explicit(&minimum_level, (int)level, memory_order_relaxed); }

void log_set_json(bool is_json) { atomic_store_explicit(&writes_json, is_json, memory_order_relaxed); }

bool log_level_parse(const char *word, enum log_level *out)
{
    for (int i = 0; i < LOG_LEVEL_COUNT; i++)
        if (strcmp(level_words[i], word) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

enum err log_set_room_levels(const char *words, struct err_msg *msg)
{
    struct room_levels *now = atomic_load(&rooms), *next = now == &room_levels[0] ? &room_levels[1] : &room_levels[0];
    for (next->count = 0; *words != '\0'; next->count++) {
        char word[ROOM_BYTES];
        size_t name = strcspn(words, "=,"), size = strcspn(words, ",");
        bool fits = words[name] == '=' && name > 0 && name < ROOM_BYTES && size - name - 1 < sizeof word &&
                    next->count < ROOMS_MAX;
        if (fits) {
            memcpy(next->room[next->count], words, name);
            next->room[next->count][name] = '\0';
            memcpy(word, words + name + 1, size - name - 1);
            word[size - name - 1] = '\0';
        }
        if (!fits || !log_level_parse(word, &next->level[next->count]))
            return err_set(msg, ERR_INVALID, "'%.*s' is no level of a room: write room=debug, info, warn or error, "
                           "separated by commas, at most %d", (int)(size < 40 ? size : 40), words, ROOMS_MAX);
        words += size + (words[size] == ',');
    }
    atomic_store(&rooms, next);
    return ERR_OK;
}

static bool is_wanted(enum log_level level, const char *room)
{
    const struct room_levels *own = atomic_load_explicit(&rooms, memory_order_acquire);
    for (int i = 0; i < own->count; i++)
        if (strcmp(own->room[i], room) == 0) return level >= own->level[i];
    return (int)level >= atomic_load_explicit(&minimum_level, memory_order_relaxed);
}

/* --- repeats --- */

/* By the format's address: what differs in a line of a flood (a port, a count) does not make it another.  Two formats
 * of one place share its count, which leaves out a little more of a flood. */
static struct burst {
    _Atomic uint32_t window; /* number of the LOG_BURST_S that is counted */
    _Atomic uint32_t count, left_out;
} bursts[FORMATS];

/* False: this line is one too many.  `left_out`: how many like it were, which this one tells. */
static bool may_write(const char *fmt, time_t now_s, uint32_t *left_out)
{
    uint64_t hash = (uint64_t)(uintptr_t)fmt * 0x9e3779b97f4a7c15u;
    struct burst *b = &bursts[hash >> 54];
    uint32_t window = (uint32_t)((uint64_t)now_s / LOG_BURST_S);
    _Static_assert(FORMATS == 1 << 10, "the hash's upper bits");
    uint32_t counted = atomic_load_explicit(&b->window, memory_order_relaxed);
    if (counted != window && atomic_compare_exchange_strong(&b->window, &counted, window)) atomic_store(&b->count, 0);
    if (atomic_fetch_add_explicit(&b->count, 1, memory_order_relaxed) >= LOG_BURST) {
        atomic_fetch_add_explicit(&b->left_out, 1, memory_order_relaxed);
        return false;
    }
    *left_out = atomic_load_explicit(&b->left_out, memory_order_relaxed) == 0 ? 0 : atomic_exchange(&b->left_out, 0);
    return true;
}

/* --- lines --- */

/* Returns the bytes written; `out` has room for six times `size`. */
static size_t escape_json(const char *text, size_t size, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < size;) {
        size_t whole = utf8_sequence((const uint8_t *)text + i, size - i);
        if (text[i] == '"' || text[i] == '\\') out[used++] = '\\';
        if (whole == 0) used += (size_t)sprintf(out + used, "\\ufffd");
        for (size_t k = 0; k < whole; k++) out[used++] = text[i + k];
        i += whole == 0 ? 1 : whole;
    }
    return used;
}

static size_t print_json(char *out, const char *time, const char *level, const char *room, const char *text,
                         size_t size, uint32_t left_out)
{
    static const char head[] = "{\"time\":\"%s\",\"level\":\"%s\",\"room\":\"%s\",\"text\":\"";
    size_t used = (size_t)sprintf(out, head, time, level, room);
    used += escape_json(text, size, out + used);
    used += (size_t)(left_out == 0 ? sprintf(out + used, "\"}\n")
                                   : sprintf(out + used, "\",\"left_out\":%u}\n", (unsigned)left_out));
    return used;
}

static size_t print_text(char *out, const char *time, const char *level, const char *room, const char *text,
                         size_t size, uint32_t left_out)
{
    size_t used = (size_t)sprintf(out, "%s %s %s: ", time, level, room);
    memcpy(out + used, text, size);
    used += size;
    if (left_out > 0) used += (size_t)sprintf(out + used, " (%u lines like this were left out)", (unsigned)left_out);
    out[used++] = '\n';
    return used;
}

void log_line(enum log_level level, const char *room, const char *fmt, ...)
{
    if (!is_wanted(level, room)) return;
    char text[LINE_BYTES], line[JSON_BYTES], time[40];
    struct timespec now;
    struct tm utc;
    uint32_t left_out = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!may_write(fmt, now.tv_sec, &left_out)) return;
    va_list args;
    va_start(args, fmt);
    int body = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t size = body < 0 ? 0 : (size_t)body < sizeof text ? (size_t)body : sizeof text - 1; /* or cut */
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f) text[i] = '?';
    size_t used = strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
    snprintf(time + used, sizeof time - used, ".%03ldZ", now.tv_nsec / 1000000);
    bool is_json = atomic_load_explicit(&writes_json, memory_order_relaxed);
    size_t bytes = (is_json ? print_json : print_text)(line, time, level_words[level], room, text, size, left_out);
    ssize_t ignored = write(STDERR_FILENO, line, bytes);
    (void)ignored; /* a log that cannot be written has nowhere to be complained about */
}

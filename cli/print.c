#include "cli/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *print_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

int64_t print_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_real(value) ? (int64_t)json_real_value(value) : (int64_t)json_integer_value(value);
}

void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT);
    putchar('\n');
}

static char *rotating_buffer(void)
{
    static char text[4][48];
    static unsigned next;
    return text[next++ % 4];
}

const char *print_bytes(int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char *out = rotating_buffer();
    double value = (double)bytes;
    unsigned unit = 0;
    for (; value >= 1024 && unit < 4; unit++) value /= 1024;
    snprintf(out, 48, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *print_duration(int64_t ms)
{
    char *out = rotating_buffer();
    int64_t s = ms / 1000;
    if (ms < 1000)
        snprintf(out, 48, "%" PRId64 " ms", ms);
    else if (s < 60)
        snprintf(out, 48, "%" PRId64 ".%" PRId64 " s", s, ms % 1000 / 100);
    else if (s < 3600)
        snprintf(out, 48, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    else if (s < 48 * 3600)
        snprintf(out, 48, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, 48, "%" PRId64 " days", s / 86400);
    return out;
}

const char *print_seconds(const json_t *seconds)
{
    return json_is_number(seconds) ? print_duration((int64_t)(json_number_value(seconds) * 1000)) : "unknown";
}

const char *print_utc(int64_t unix_ms)
{
    char *out = rotating_buffer();
    time_t at = (time_t)(unix_ms / 1000);
    struct tm utc;
    if (unix_ms <= 0 || gmtime_r(&at, &utc) == NULL || strftime(out, 48, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) return "-";
    return out;
}

/* "host:port", or the folder. */
static void print_source(const json_t *source)
{
    if (json_object_get(source, "files") != NULL)
        printf("files in %s", print_text(source, "files"));
    else
        printf("%s:%" PRId64, print_text(source, "host"), print_number(source, "port"));
}

static void print_error(const json_t *error)
{
    if (!json_is_object(error)) return;
    const json_t *at = json_object_get(error, "position");
    printf("  error     %s\n", print_text(error, "cause"));
    if (json_is_object(at))
        printf("            at %s %" PRId64 "%s%s\n", print_text(at, "file"), print_number(at, "position"),
               *print_text(at, "gtid") == '\0' ? "" : ", GTID ", print_text(at, "gtid"));
    printf("            what to do: %s\n", print_text(error, "what_to_do"));
    if (print_number(error, "since_ms") != 0) {
        int64_t age_ms = (int64_t)time(NULL) * 1000 - print_number(error, "since_ms");
        printf("            for %s", print_duration(age_ms < 0 ? 0 : age_ms));
        if (json_object_get(error, "next_attempt_in_ms") != NULL)
            printf("; next attempt in %s", print_duration(print_number(error, "next_attempt_in_ms")));
        putchar('\n');
    }
}

static const char *print_delay(const json_t *source)
{
    return json_is_integer(json_object_get(source, "delay_ms")) ? print_duration(print_number(source, "delay_ms"))
                                                                : "unknown";
}

/* What a person may wonder about; the delay is without it. */
static void print_clock(const json_t *source)
{
    enum { NOTABLE_MS = 1000 };
    int64_t skew_ms = print_number(source, "clock_skew_ms");
    if (skew_ms > -NOTABLE_MS && skew_ms < NOTABLE_MS) return;
    printf("  clock     the source's is %s %s ours\n", print_duration(skew_ms < 0 ? -skew_ms : skew_ms),
           skew_ms < 0 ? "behind" : "ahead of");
}

void print_channel(const json_t *status)
{
    const json_t *source = json_object_get(status, "source"), *rates = json_object_get(status, "rates");
    const json_t *log = json_object_get(status, "log"), *captured = json_object_get(status, "captured");
    printf("%s: %s\n", print_text(status, "name"), print_text(status, "state"));
    print_error(json_object_get(status, "error"));
    printf("  source    ");
    print_source(source);
    printf(" %s, %s\n", print_text(source, "server_version"), print_text(source, "connection"));
    if (*print_text(source, "file") != '\0')
        printf("  position  %s %" PRId64 "%s%s, delay %s\n", print_text(source, "file"),
               print_number(source, "position"), *print_text(source, "gtid") == '\0' ? "" : ", GTID ",
               print_text(source, "gtid"), print_delay(source));
    print_clock(source);
    printf("  captured  %" PRId64 " row changes, %" PRId64 " transactions; now %" PRId64 " row changes/s\n",
           print_number(captured, "row_changes"), print_number(captured, "transactions"),
           print_number(rates, "row_changes_per_s"));
    if (json_is_object(log))
        printf("  log       offsets %" PRId64 " to %" PRId64 ", %s\n", print_number(log, "start_offset"),
               print_number(log, "high_watermark"), print_bytes(print_number(log, "bytes")));
    printf("  you can   ");
    const json_t *operations = json_object_get(status, "operations");
    for (size_t i = 0; i < json_array_size(operations); i++)
        printf("%s%s", i == 0 ? "" : ", ", json_string_value(json_array_get(operations, i)));
    putchar('\n');
}

/* How many, of them with members, and how far the last of them is behind: "3 (1 active), 120 records or 4.0 s behind".
 * What is not known just now is not shown as zero. */
static void print_groups_cell(const json_t *groups)
{
    const json_t *lag = json_object_get(groups, "lag"), *seconds = json_object_get(lag, "seconds");
    char text[128] = "unknown";
    int used = 0;
    if (json_is_object(groups))
        used = snprintf(text, sizeof text, "%" PRId64 " (%" PRId64 " active)", print_number(groups, "count"),
                        print_number(groups, "active"));
    if (json_is_object(lag) && print_number(lag, "records") > 0)
        snprintf(text + used, sizeof text - (size_t)used, ", %" PRId64 " records%s%s behind",
                 print_number(lag, "records"), json_is_number(seconds) ? " or " : "",
                 json_is_number(seconds) ? print_seconds(seconds) : "");
    printf("%-44s  ", text);
}

void print_channels(const json_t *channels)
{
    json_t *status;
    size_t i;
    printf("%-24s %-34s %14s %12s  %-44s  %s\n", "channel", "state", "records", "delay", "groups", "source");
    json_array_foreach((json_t *)(uintptr_t)channels, i, status)
    {
        const json_t *source = json_object_get(status, "source"), *error = json_object_get(status, "error");
        printf("%-24s %-34s %14" PRId64 " %12s  ", print_text(status, "name"), print_text(status, "state"),
               print_number(json_object_get(status, "log"), "records"), print_delay(source));
        print_groups_cell(json_object_get(status, "groups"));
        print_source(source);
        putchar('\n');
        if (json_is_object(error)) printf("  error: %s\n", print_text(error, "cause"));
    }
}

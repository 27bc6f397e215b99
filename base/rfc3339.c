#include "base/rfc3339.h"

#include <stdio.h>
#include <time.h>

static const int64_t ms_first = -62167219200000, ms_last = 253402300799999; /* the years 0 to 9999 */

const char *rfc3339_print(int64_t unix_ms, char out[static RFC3339_BYTES])
{
    struct tm utc;
    if (unix_ms < ms_first) unix_ms = ms_first;
    if (unix_ms > ms_last) unix_ms = ms_last;
    int64_t ms = unix_ms % 1000 < 0 ? unix_ms % 1000 + 1000 : unix_ms % 1000;
    time_t seconds = (time_t)((unix_ms - ms) / 1000);
    gmtime_r(&seconds, &utc);
    snprintf(out, RFC3339_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(utc.tm_year + 1900) % 10000,
             (unsigned)(utc.tm_mon + 1) % 100, (unsigned)utc.tm_mday % 100, (unsigned)utc.tm_hour % 100,
             (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100, (unsigned)ms % 1000);
    return out;
}

/* Exactly `digits` digits; -1: they are not there. */
static int take_digits(const char **at, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9') return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool take_char(const char **at, char wanted)
{
    char lower = wanted >= 'A' && wanted <= 'Z' ? (char)(wanted - 'A' + 'a') : wanted;
    if (**at != wanted && **at != lower) return false;
    (*at)++;
    return true;
}

/* ".123" in milliseconds, 0 when there is none; -1: a point without digits. */
static int take_fraction(const char **at)
{
    if (!take_char(at, '.')) return 0;
    int ms = 0, weight = 100;
    if (**at < '0' || **at > '9') return -1;
    for (; **at >= '0' && **at <= '9'; (*at)++, weight /= 10) ms += weight * (**at - '0');
    return ms;
}

/* 'Z', or "+02:00" in minutes east of Greenwich. */
static bool take_zone(const char **at, int *minutes)
{
    *minutes = 0;
    if (take_char(at, 'Z')) return true;
    int sign = **at == '+' ? 1 : **at == '-' ? -1 : 0;
    if (sign == 0) return false;
    (*at)++;
    int hour = take_digits(at, 2);
    if (hour < 0 || hour > 23 || !take_char(at, ':')) return false;
    int minute = take_digits(at, 2);
    if (minute < 0 || minute > 59) return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

bool rfc3339_parse(const char *text, int64_t *unix_ms)
{
    const char *at = text;
    int year = take_digits(&at, 4);
    if (year < 0 || !take_char(&at, '-')) return false;
    int month = take_digits(&at, 2);
    if (month < 1 || month > 12 || !take_char(&at, '-')) return false;
    int day = take_digits(&at, 2);
    if (day < 1 || day > days_of(year, month) || !take_char(&at, 'T')) return false;
    int hour = take_digits(&at, 2);
    if (hour < 0 || hour > 23 || !take_char(&at, ':')) return false;
    int minute = take_digits(&at, 2);
    if (minute < 0 || minute > 59 || !take_char(&at, ':')) return false;
    int second = take_digits(&at, 2);
    if (second < 0 || second > 60) return false;
    int ms = take_fraction(&at), zone;
    if (ms < 0 || !take_zone(&at, &zone) || *at != '\0') return false;
    struct tm utc = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute,
                     .tm_sec = second};
    *unix_ms = ((int64_t)timegm(&utc) - (int64_t)zone * 60) * 1000 + ms;
    return true;
}

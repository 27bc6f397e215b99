#include "capture/row_temporal.h"

#include "capture/row_bytes.h"

static const uint32_t power_of_ten[7] = {1, 10, 100, 1000, 10000, 100000, 1000000};

static enum err set_datetime(struct change_value *v, struct change_datetime t, unsigned hour_max)
{
    if (t.year > 9999 || t.month > 12 || t.day > 31 || t.hour > hour_max || t.minute > 59 || t.second > 59 ||
        t.microsecond > 999999)
        return ERR_CORRUPT;
    v->kind = CHANGE_VALUE_DATETIME;
    v->t = t;
    return ERR_OK;
}

static enum err set_timestamp(struct change_value *v, uint64_t seconds, uint64_t microsecond)
{
    if (microsecond > 999999) return ERR_CORRUPT;
    v->kind = CHANGE_VALUE_TIMESTAMP;
    v->ts.seconds = (int64_t)seconds;
    v->ts.microsecond = (uint32_t)microsecond;
    return ERR_OK;
}

/* The fraction of the second-generation types: `digits` rounded up to an even number, as big-endian hundredths, ... of
 * a second. */
static inline uint32_t read_fraction(const uint8_t *p, unsigned digits)
{
    unsigned bytes = (digits + 1) / 2;
    return (uint32_t)big(p, bytes) * power_of_ten[6 - 2 * bytes];
}

enum err row_decode_date(const uint8_t *p, struct change_value *v)
{
    uint32_t bits = (uint32_t)little(p, 3);
    return set_datetime(
        v, (struct change_datetime){.year = (uint16_t)(bits >> 9), .month = bits >> 5 & 15, .day = bits & 31}, 0);
}

/* hhmmss as a decimal number with its sign. */
enum err row_decode_time(const uint8_t *p, struct change_value *v)
{
    int32_t number = (int32_t)((uint32_t)little(p, 3) << 8) >> 8;
    uint32_t t = (uint32_t)(number < 0 ? -number : number);
    return set_datetime(v,
                        (struct change_datetime){.hour = (uint16_t)(t / 10000),
                                                 .minute = (uint8_t)(t / 100 % 100),
                                                 .second = (uint8_t)(t % 100),
                                                 .is_negative = number < 0},
                        838);
}

/* YYYYMMDDhhmmss as a decimal number. */
enum err row_decode_datetime(const uint8_t *p, struct change_value *v)
{
    uint64_t number = little(p, 8), date = number / 1000000;
    uint32_t time = (uint32_t)(number % 1000000);
    if (date > 99991231) return ERR_CORRUPT;
    return set_datetime(v,
                        (struct change_datetime){.year = (uint16_t)(date / 10000),
                                                 .month = (uint8_t)(date / 100 % 100),
                                                 .day = (uint8_t)(date % 100),
                                                 .hour = (uint16_t)(time / 10000),
                                                 .minute = (uint8_t)(time / 100 % 100),
                                                 .second = (uint8_t)(time % 100)},
                        23);
}

/* Sign and bit fields of 10, 6, 6 bits, then the fraction; the number as a whole (fraction included) is negative, not
 * its parts. */
enum err row_decode_time2(const uint8_t *p, unsigned digits, struct change_value *v)
{
    unsigned fraction_bytes = (digits + 1) / 2, bits = 8 * fraction_bytes;
    int64_t whole = (int64_t)big(p, 3 + fraction_bytes) - ((int64_t)0x800000 << bits);
    uint64_t n = (uint64_t)(whole < 0 ? -whole : whole);
    uint32_t fraction = (uint32_t)(n & ((1ull << bits) - 1)) * power_of_ten[6 - 2 * fraction_bytes];
    n >>= bits;
    return set_datetime(v,
                        (struct change_datetime){.hour = n >> 12 & 0x3ff,
                                                 .minute = n >> 6 & 63,
                                                 .second = n & 63,
                                                 .microsecond = fraction,
                                                 .is_negative = whole < 0},
                        838);
}

/* A set first bit, 17 bits of year * 13 + month, then 5, 5, 6, 6 bits. */
enum err row_decode_datetime2(const uint8_t *p, unsigned digits, struct change_value *v)
{
    uint64_t n = big(p, 5);
    uint32_t year_month = (uint32_t)(n >> 22 & 0x1ffff);
    if ((n & 0x8000000000u) == 0) return ERR_CORRUPT;
    return set_datetime(v,
                        (struct change_datetime){.year = (uint16_t)(year_month / 13),
                                                 .month = (uint8_t)(year_month % 13),
                                                 .day = n >> 17 & 31,
                                                 .hour = n >> 12 & 31,
                                                 .minute = n >> 6 & 63,
                                                 .second = n & 63,
                                                 .microsecond = read_fraction(p + 5, digits)},
                        23);
}

/* MariaDB: a big-endian count of the smallest unit since 0000-00-00 in years of 13 months of 32 days, or (TIME) since
 * the least TIME. */
enum err row_decode_hires(const uint8_t *p, unsigned size, unsigned digits, bool is_time, struct change_value *v)
{
    uint64_t unit = power_of_ten[6 - digits], per_second = power_of_ten[digits], n = big(p, size);
    struct change_datetime t = {0};

    if (is_time) {
        int64_t count = (int64_t)n - (int64_t)(((838 * 60 + 59) * 60 + 60) *
                                               per_second); /* zero is one second past the greatest TIME */
        t.is_negative = count < 0;
        n = (uint64_t)(count < 0 ? -count : count);
    }
    t.microsecond = (uint32_t)(n % per_second * unit);
    n /= per_second;
    t.second = (uint8_t)(n % 60);
    t.minute = (uint8_t)(n / 60 % 60);
    n /= 3600;
    if (is_time) {
        t.hour = (uint16_t)(n > 838 ? 839 : n);
        return set_datetime(v, t, 838);
    }
    t.hour = (uint16_t)(n % 24);
    t.day = (uint8_t)(n / 24 % 32);
    t.month = (uint8_t)(n / 24 / 32 % 13);
    n = n / 24 / 32 / 13;
    t.year = (uint16_t)(n > 9999 ? 10000 : n);
    return set_datetime(v, t, 23);
}

enum err row_decode_timestamp2(const uint8_t *p, unsigned digits, struct change_value *v)
{
    return set_timestamp(v, big(p, 4), read_fraction(p + 4, digits));
}

/* Seconds, then the count of the fraction's smallest unit. */
enum err row_decode_timestamp_hires(const uint8_t *p, unsigned size, unsigned digits, struct change_value *v)
{
    return set_timestamp(v, big(p, 4), big(p + 4, size - 4) * power_of_ten[6 - digits]);
}

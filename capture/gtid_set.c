#include "capture/gtid_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UUID_TEXT_BYTES = 36 };

void gtid_set_clear(struct gtid_set *s)
{
    s->interval_count = 0;
    s->domain_count = 0;
}

void gtid_set_free(struct gtid_set *s)
{
    free(s->interval);
    free(s->domain);
    *s = (struct gtid_set){0};
}

/* Makes room for one more element of `size` bytes. */
static enum err grow(void **elements, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return ERR_OK;
    if (count >= GTID_SET_ENTRIES_MAX) return ERR_TOO_LARGE;
    uint32_t wanted = count == 0 ? 8 : count * 2;
    void *bigger = realloc(*elements, (size_t)wanted * size);
    if (bigger == NULL) return ERR_NO_MEMORY;
    *elements = bigger;
    *capacity = wanted;
    return ERR_OK;
}

/* The first interval that ends at or behind (uuid, number); interval_count if none. */
static uint32_t interval_search(const struct gtid_set *s, const uint8_t uuid[static 16], uint64_t number)
{
    uint32_t low = 0, high = s->interval_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = memcmp(s->interval[middle].uuid, uuid, 16);
        if (order < 0 || (order == 0 && s->interval[middle].last < number))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum err gtid_set_add(struct gtid_set *s, const uint8_t uuid[static 16], uint64_t first, uint64_t last)
{
    if (first == 0 || last < first || last > INT64_MAX) return ERR_INVALID;
    uint32_t from = interval_search(s, uuid, first - 1); /* one that ends at first-1 is joined */
    uint32_t to = from;
    while (to < s->interval_count && memcmp(s->interval[to].uuid, uuid, 16) == 0 && s->interval[to].first <= last + 1) {
        if (s->interval[to].first < first) first = s->interval[to].first;
        if (s->interval[to].last > last) last = s->interval[to].last;
        to++;
    }
    if (from == to) {
        void *elements = s->interval;
        TRY(grow(&elements, s->interval_count, &s->interval_capacity, sizeof *s->interval));
        s->interval = elements;
    }
    memmove(&s->interval[from + 1], &s->interval[to], (s->interval_count - to) * sizeof *s->interval);
    s->interval_count += from + 1 - to;
    s->interval[from].first = first;
    s->interval[from].last = last;
    memcpy(s->interval[from].uuid, uuid, 16);
    return ERR_OK;
}

enum err gtid_set_add_domain(struct gtid_set *s, uint32_t domain, uint32_t server_id, uint64_t number)
{
    if (number == 0) return ERR_INVALID;
    uint32_t i = 0;
    while (i < s->domain_count && s->domain[i].domain < domain) i++;
    if (i == s->domain_count || s->domain[i].domain != domain) {
        void *elements = s->domain;
        TRY(grow(&elements, s->domain_count, &s->domain_capacity, sizeof *s->domain));
        s->domain = elements;
        memmove(&s->domain[i + 1], &s->domain[i], (s->domain_count - i) * sizeof *s->domain);
        s->domain_count++;
    }
    s->domain[i] = (struct gtid_domain){domain, server_id, number};
    return ERR_OK;
}

bool gtid_set_contains(const struct gtid_set *s, const uint8_t uuid[static 16], uint64_t number)
{
    uint32_t i = interval_search(s, uuid, number);
    return i < s->interval_count && memcmp(s->interval[i].uuid, uuid, 16) == 0 && s->interval[i].first <= number;
}

/* --- text --- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(const char **at, const char *end)
{
    while (*at < end && is_space(**at)) (*at)++;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool uuid_parse(const char *text, uint8_t uuid[static 16])
{
    unsigned digits = 0;
    for (unsigned i = 0; i < UUID_TEXT_BYTES; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-') return false;
            continue;
        }
        int d = hex_digit(text[i]);
        if (d < 0) return false;
        uuid[digits / 2] = (uint8_t)(digits % 2 == 0 ? d << 4 : uuid[digits / 2] | d);
        digits++;
    }
    return true;
}

static bool number_parse(const char **at, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    skip_space(at, end);
    const char *start = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        if (value > (UINT64_MAX - 9) / 10) return false;
        value = value * 10 + (uint64_t)(**at - '0');
    }
    bool found = *at > start;
    skip_space(at, end);
    *out = value;
    return found;
}

static bool take(const char **at, const char *end, char c)
{
    if (*at == end || **at != c) return false;
    (*at)++;
    return true;
}

static enum err parse_intervals(struct gtid_set *s, const char **at, const char *end)
{
    uint8_t uuid[16];
    if (!uuid_parse(*at, uuid)) return ERR_INVALID;
    *at += UUID_TEXT_BYTES;
    skip_space(at, end);
    if (!take(at, end, ':')) return ERR_INVALID;
    do {
        uint64_t first, last;
        if (!number_parse(at, end, &first)) return ERR_INVALID;
        last = first;
        if (take(at, end, '-') && !number_parse(at, end, &last)) return ERR_INVALID;
        TRY(gtid_set_add(s, uuid, first, last));
    } while (take(at, end, ':'));
    return ERR_OK;
}

static enum err parse_domain(struct gtid_set *s, const char **at, const char *end)
{
    uint64_t domain, server_id, number;
    if (!number_parse(at, end, &domain) || domain > UINT32_MAX || !take(at, end, '-')) return ERR_INVALID;
    if (!number_parse(at, end, &server_id) || server_id > UINT32_MAX || !take(at, end, '-')) return ERR_INVALID;
    if (!number_parse(at, end, &number)) return ERR_INVALID;
    return gtid_set_add_domain(s, (uint32_t)domain, (uint32_t)server_id, number);
}

enum err gtid_set_parse(struct gtid_set *s, const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    skip_space(&at, end);
    while (at < end) {
        if (end - at > UUID_TEXT_BYTES && at[8] == '-' && at[23] == '-')
            TRY(parse_intervals(s, &at, end));
        else
            TRY(parse_domain(s, &at, end));
        if (at == end) break;
        if (!take(&at, end, ',')) return ERR_INVALID;
        skip_space(&at, end);
    }
    return ERR_OK;
}

static size_t uuid_text(const uint8_t uuid[static 16], char *out)
{
    static const char digit[] = "0123456789abcdef";
    char *at = out;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
        *at++ = digit[uuid[i] >> 4];
        *at++ = digit[uuid[i] & 15];
    }
    return (size_t)(at - out);
}

static size_t decimal_text(uint64_t value, char *out)
{
    char digits[20];
    size_t count = 0;
    do digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    for (size_t i = 0; i < count; i++) out[i] = digits[count - 1 - i];
    return count;
}

size_t gtid_text(const uint8_t uuid[static 16], uint64_t number, char out[static GTID_TEXT_BYTES])
{
    size_t size = uuid_text(uuid, out);
    out[size++] = ':';
    size += decimal_text(number, out + size);
    out[size] = '\0';
    return size;
}

size_t gtid_text_domain(uint32_t domain, uint32_t server_id, uint64_t number, char out[static GTID_TEXT_BYTES])
{
    size_t size = decimal_text(domain, out);
    out[size++] = '-';
    size += decimal_text(server_id, out + size);
    out[size++] = '-';
    size += decimal_text(number, out + size);
    out[size] = '\0';
    return size;
}

struct text_out { /* counts on when full */
    char *out;
    size_t size, length;
};

static void text_put(struct text_out *t, const char *bytes, size_t size)
{
    if (t->length < t->size) {
        size_t room = t->size - t->length;
        memcpy(t->out + t->length, bytes, size < room ? size : room);
    }
    t->length += size;
}

size_t gtid_set_text(const struct gtid_set *s, char *out, size_t size)
{
    struct text_out t = {out, size, 0};
    char word[GTID_TEXT_BYTES];
    for (uint32_t i = 0; i < s->interval_count; i++) {
        const struct gtid_interval *v = &s->interval[i];
        if (i == 0 || memcmp(v->uuid, s->interval[i - 1].uuid, 16) != 0) {
            if (i > 0) text_put(&t, ",", 1);
            text_put(&t, word, uuid_text(v->uuid, word));
        }
        text_put(&t, ":", 1);
        text_put(&t, word, decimal_text(v->first, word));
        if (v->last == v->first) continue;
        text_put(&t, "-", 1);
        text_put(&t, word, decimal_text(v->last, word));
    }
    for (uint32_t i = 0; i < s->domain_count; i++) {
        if (t.length > 0) text_put(&t, ",", 1);
        const struct gtid_domain *d = &s->domain[i];
        text_put(&t, word, gtid_text_domain(d->domain, d->server_id, d->number, word));
    }
    if (size > 0) out[t.length < size ? t.length : size - 1] = '\0';
    return t.length;
}

/* --- events --- */

enum err gtid_set_from_previous_gtids(struct gtid_set *s, struct cursor body)
{
    gtid_set_clear(s);
    uint64_t uuids = cursor_le(&body, 8);
    if (body.failed) return ERR_TRUNCATED;
    if (uuids >> 56 != 0) return ERR_UNSUPPORTED; /* MySQL 8.3 marks the format with tags here */
    for (uint64_t i = 0; i < uuids; i++) {
        const uint8_t *uuid = cursor_take(&body, 16);
        uint64_t intervals = cursor_le(&body, 8);
        for (uint64_t k = 0; k < intervals; k++) {
            uint64_t first = cursor_le(&body, 8);
            uint64_t behind = cursor_le(&body, 8);
            if (body.failed) return ERR_TRUNCATED;
            if (behind <= first) return ERR_CORRUPT;
            enum err e = gtid_set_add(s, uuid, first, behind - 1);
            if (e != ERR_OK) return e == ERR_INVALID ? ERR_CORRUPT : e;
        }
        if (body.failed) return ERR_TRUNCATED;
    }
    return ERR_OK;
}

enum err gtid_set_from_gtid_list(struct gtid_set *s, struct cursor body)
{
    gtid_set_clear(s);
    uint32_t count = (uint32_t)cursor_le(&body, 4) & 0x0fffffff; /* the upper bits are flags */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t domain = (uint32_t)cursor_le(&body, 4);
        uint32_t server_id = (uint32_t)cursor_le(&body, 4);
        uint64_t number = cursor_le(&body, 8);
        if (body.failed) return ERR_TRUNCATED;
        /* the list has an entry per domain and server, a domain's newest last */
        enum err e = gtid_set_add_domain(s, domain, server_id, number);
        if (e != ERR_OK) return e == ERR_INVALID ? ERR_CORRUPT : e;
    }
    return body.failed ? ERR_TRUNCATED : ERR_OK;
}

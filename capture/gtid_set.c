#include "capture/gtid_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sink.h"
#include "formats/decimal_text.h"

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

/* Order of (uuid, tag). */
static int source_order(const struct gtid_interval *v, const uint8_t uuid[static 16], const char *tag)
{
    int order = memcmp(v->uuid, uuid, sizeof v->uuid);
    return order != 0 ? order : strcmp(v->tag, tag);
}

/* The first interval that ends at or behind (uuid, tag, number); interval_count if none. */
static uint32_t interval_search(const struct gtid_set *s, const uint8_t uuid[static 16], const char *tag,
                                uint64_t number)
{
    uint32_t low = 0, high = s->interval_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = source_order(&s->interval[middle], uuid, tag);
        if (order < 0 || (order == 0 && s->interval[middle].last < number))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A tag is a word of a-z, 0-9 and _ that begins with no digit. */
static bool tag_is_valid(const char *tag)
{
    if (tag[0] == '\0') return true; /* as nearly all have it */
    size_t size = strlen(tag);
    return size <= GTID_TAG_BYTES_MAX && !(tag[0] >= '0' && tag[0] <= '9') &&
           strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

enum err gtid_set_add(struct gtid_set *s, const uint8_t uuid[static 16], const char *tag, uint64_t first, uint64_t last)
{
    if (first == 0 || last < first || last > INT64_MAX || !tag_is_valid(tag)) return ERR_INVALID;
    uint32_t from = interval_search(s, uuid, tag, first - 1); /* one that ends at first-1 is joined */
    uint32_t to = from;
    while (to < s->interval_count && source_order(&s->interval[to], uuid, tag) == 0 &&
           s->interval[to].first <= last + 1) {
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
    struct gtid_interval *v = &s->interval[from];
    v->first = first;
    v->last = last;
    memcpy(v->uuid, uuid, sizeof v->uuid);
    memcpy(v->tag, tag, strlen(tag) + 1);
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

bool gtid_set_contains(const struct gtid_set *s, const uint8_t uuid[static 16], const char *tag, uint64_t number)
{
    uint32_t i = interval_search(s, uuid, tag, number);
    return i < s->interval_count && source_order(&s->interval[i], uuid, tag) == 0 && s->interval[i].first <= number;
}

static uint64_t domain_number(const struct gtid_set *s, uint32_t domain)
{
    for (uint32_t i = 0; i < s->domain_count; i++) {
        if (s->domain[i].domain == domain) return s->domain[i].number;
    }
    return 0;
}

bool gtid_set_contains_domain(const struct gtid_set *s, uint32_t domain, uint64_t number)
{
    return domain_number(s, domain) >= number;
}

bool gtid_set_agrees(const struct gtid_set *s, uint32_t domain, uint32_t server_id, uint64_t number)
{
    for (uint32_t i = 0; i < s->domain_count; i++) {
        const struct gtid_domain *d = &s->domain[i];
        if (d->domain == domain && d->number == number) return d->server_id == server_id;
    }
    return true;
}

/* --- whole sets --- */

bool gtid_set_is_empty(const struct gtid_set *s)
{
    return s->interval_count == 0 && s->domain_count == 0;
}

enum err gtid_set_union(struct gtid_set *s, const struct gtid_set *from)
{
    for (uint32_t i = 0; i < from->interval_count; i++) {
        const struct gtid_interval *v = &from->interval[i];
        TRY(gtid_set_add(s, v->uuid, v->tag, v->first, v->last));
    }
    for (uint32_t i = 0; i < from->domain_count; i++) {
        const struct gtid_domain *d = &from->domain[i];
        if (d->number > domain_number(s, d->domain)) TRY(gtid_set_add_domain(s, d->domain, d->server_id, d->number));
    }
    return ERR_OK;
}

/* What is left of `v` without `from` goes to `out`. */
static enum err interval_subtract(struct gtid_set *out, const struct gtid_interval *v, const struct gtid_set *from)
{
    uint64_t next = v->first;
    for (uint32_t i = interval_search(from, v->uuid, v->tag, v->first); i < from->interval_count; i++) {
        const struct gtid_interval *gone = &from->interval[i];
        if (source_order(gone, v->uuid, v->tag) != 0 || gone->first > v->last) break;
        if (gone->first > next) TRY(gtid_set_add(out, v->uuid, v->tag, next, gone->first - 1));
        next = gone->last + 1;
    }
    return next <= v->last ? gtid_set_add(out, v->uuid, v->tag, next, v->last) : ERR_OK;
}

enum err gtid_set_subtract(struct gtid_set *s, const struct gtid_set *from)
{
    struct gtid_set left = {0};
    enum err e = ERR_OK;
    for (uint32_t i = 0; e == ERR_OK && i < s->interval_count; i++) e = interval_subtract(&left, &s->interval[i], from);
    for (uint32_t i = 0; e == ERR_OK && i < s->domain_count; i++) {
        const struct gtid_domain *d = &s->domain[i];
        if (d->number > domain_number(from, d->domain))
            e = gtid_set_add_domain(&left, d->domain, d->server_id, d->number);
    }
    if (e != ERR_OK) {
        gtid_set_free(&left);
        return e;
    }
    gtid_set_free(s);
    *s = left;
    return ERR_OK;
}

bool gtid_set_contains_set(const struct gtid_set *s, const struct gtid_set *part)
{
    for (uint32_t i = 0; i < part->interval_count; i++) {
        const struct gtid_interval *v = &part->interval[i];
        uint32_t k = interval_search(s, v->uuid, v->tag, v->last);
        if (k == s->interval_count || source_order(&s->interval[k], v->uuid, v->tag) != 0 ||
            s->interval[k].first > v->first)
            return false;
    }
    for (uint32_t i = 0; i < part->domain_count; i++) {
        if (!gtid_set_contains_domain(s, part->domain[i].domain, part->domain[i].number)) return false;
    }
    return true;
}

bool gtid_set_intersects(const struct gtid_set *a, const struct gtid_set *b)
{
    for (uint32_t i = 0; i < a->interval_count; i++) {
        const struct gtid_interval *v = &a->interval[i];
        uint32_t k = interval_search(b, v->uuid, v->tag, v->first);
        if (k < b->interval_count && source_order(&b->interval[k], v->uuid, v->tag) == 0 &&
            b->interval[k].first <= v->last)
            return true;
    }
    for (uint32_t i = 0; i < a->domain_count; i++) {
        if (domain_number(b, a->domain[i].domain) != 0) return true;
    }
    return false;
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
        uint64_t digit = (uint64_t)(**at - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
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

/* A tag, if one stands here: it holds for the numbers that follow. */
static bool tag_parse(const char **at, const char *end, char tag[static GTID_TAG_BYTES_MAX + 1])
{
    size_t size = 0;
    const char *c = *at;
    skip_space(&c, end);
    for (; c < end; c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        bool is_word = lower == '_' || (lower >= 'a' && lower <= 'z') || (size > 0 && lower >= '0' && lower <= '9');
        if (!is_word) break;
        if (size == GTID_TAG_BYTES_MAX) return false;
        tag[size++] = lower;
    }
    if (size == 0) return false;
    tag[size] = '\0';
    skip_space(&c, end);
    *at = c;
    return true;
}

static enum err parse_intervals(struct gtid_set *s, const char **at, const char *end)
{
    uint8_t uuid[16];
    char tag[GTID_TAG_BYTES_MAX + 1] = "";
    if (!uuid_parse(*at, uuid)) return ERR_INVALID;
    *at += UUID_TEXT_BYTES;
    skip_space(at, end);
    if (!take(at, end, ':')) return ERR_INVALID;
    do {
        uint64_t first, last;
        if (tag_parse(at, end, tag) && !take(at, end, ':')) return ERR_INVALID;
        if (!number_parse(at, end, &first)) return ERR_INVALID;
        last = first;
        if (take(at, end, '-') && !number_parse(at, end, &last)) return ERR_INVALID;
        TRY(gtid_set_add(s, uuid, tag, first, last));
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
    uint8_t uuid[16]; /* what MariaDB writes has two dashes before its comma, and so never reads as one */
    skip_space(&at, end);
    while (at < end) {
        if (end - at > UUID_TEXT_BYTES && uuid_parse(at, uuid))
            TRY(parse_intervals(s, &at, end));
        else
            TRY(parse_domain(s, &at, end));
        if (at == end) break;
        if (!take(&at, end, ',')) return ERR_INVALID;
        skip_space(&at, end);
    }
    return ERR_OK;
}

/* Four bytes as eight hexadecimal digits: a nibble in each byte of a word, and what '9' and 'a' are apart. */
static void hex_put(char out[static 8], const uint8_t bytes[static 4])
{
    const uint64_t low_nibbles = 0x000f000f000f000f;
    uint64_t word = (uint64_t)bytes[0] | (uint64_t)bytes[1] << 16 | (uint64_t)bytes[2] << 32 | (uint64_t)bytes[3] << 48;
    word = (word >> 4 & low_nibbles) | (word & low_nibbles) << 8;
    uint64_t is_letter = (word + 0x0606060606060606) >> 4 & 0x0101010101010101;
    le64_put(out, word + 0x3030303030303030 + is_letter * ('a' - '9' - 1));
}

static size_t uuid_text(const uint8_t uuid[static 16], char *out)
{
    char hex[32];
    for (unsigned i = 0; i < 4; i++) hex_put(hex + 8 * i, uuid + 4 * i);
    memcpy(out, hex, 8);
    memcpy(out + 9, hex + 8, 4);
    memcpy(out + 14, hex + 12, 4);
    memcpy(out + 19, hex + 16, 4);
    memcpy(out + 24, hex + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    return UUID_TEXT_BYTES;
}

/* Writes to DECIMAL_TEXT_MAX bytes of room. */
static size_t decimal_text(uint64_t value, char *out)
{
    uint8_t *at = (uint8_t *)out;
    return (size_t)(decimal_put(at, value) - at);
}

size_t gtid_text(const uint8_t uuid[static 16], const char *tag, uint64_t number, char out[static GTID_TEXT_BYTES])
{
    size_t size = uuid_text(uuid, out);
    out[size++] = ':';
    size_t tag_bytes = strnlen(tag, GTID_TAG_BYTES_MAX);
    if (tag_bytes > 0) {
        memcpy(out + size, tag, tag_bytes);
        size += tag_bytes;
        out[size++] = ':';
    }
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
        const struct gtid_interval *before = i == 0 ? NULL : &s->interval[i - 1];
        bool is_new = before == NULL || memcmp(v->uuid, before->uuid, sizeof v->uuid) != 0;
        if (is_new) {
            if (before != NULL) text_put(&t, ",", 1);
            text_put(&t, word, uuid_text(v->uuid, word));
        }
        if (v->tag[0] != '\0' && (is_new || strcmp(v->tag, before->tag) != 0)) {
            text_put(&t, ":", 1);
            text_put(&t, v->tag, strlen(v->tag));
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

/* A tag's length as MySQL's serialization writes small numbers (twice the number in one byte), then its bytes. */
static enum err previous_tag(struct cursor *body, char tag[static GTID_TAG_BYTES_MAX + 1])
{
    uint64_t length = cursor_le(body, 1);
    if (body->failed) return ERR_TRUNCATED;
    if (length % 2 != 0 || length / 2 > GTID_TAG_BYTES_MAX) return ERR_CORRUPT;
    const uint8_t *bytes = cursor_take(body, length / 2);
    if (bytes == NULL) return ERR_TRUNCATED;
    memcpy(tag, bytes, length / 2);
    tag[length / 2] = '\0';
    return strlen(tag) == length / 2 ? ERR_OK : ERR_CORRUPT;
}

enum err gtid_set_from_previous_gtids(struct gtid_set *s, struct cursor body)
{
    enum { FORM_PLAIN = 0, FORM_TAGGED = 1 };
    gtid_set_clear(s);
    uint64_t sources = cursor_le(&body, 8);
    if (body.failed) return ERR_TRUNCATED;
    uint64_t form = sources >> 56;
    if (form != FORM_PLAIN && form != FORM_TAGGED) return ERR_UNSUPPORTED;
    if (form == FORM_TAGGED) sources = (sources >> 8) & 0xffffffffffff; /* the form stands below the count as well */
    for (uint64_t i = 0; i < sources; i++) {
        char tag[GTID_TAG_BYTES_MAX + 1] = "";
        const uint8_t *uuid = cursor_take(&body, 16);
        if (form == FORM_TAGGED) TRY(previous_tag(&body, tag));
        uint64_t intervals = cursor_le(&body, 8);
        for (uint64_t k = 0; k < intervals; k++) {
            uint64_t first = cursor_le(&body, 8);
            uint64_t behind = cursor_le(&body, 8);
            if (body.failed) return ERR_TRUNCATED;
            if (behind <= first) return ERR_CORRUPT;
            enum err e = gtid_set_add(s, uuid, tag, first, behind - 1);
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

bool gtid_set_missing_text(const struct gtid_set *ours, const struct gtid_set *theirs, char *out, size_t size)
{
    struct gtid_set missing = {0};
    if (gtid_set_contains_set(theirs, ours)) return false;
    snprintf(out, size, "transactions");
    if (gtid_set_union(&missing, ours) == ERR_OK && gtid_set_subtract(&missing, theirs) == ERR_OK)
        gtid_set_text(&missing, out, size);
    gtid_set_free(&missing);
    return true;
}

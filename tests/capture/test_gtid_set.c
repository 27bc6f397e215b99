/* Goal: GTID sets with gaps, tags and domains against a naive model (one flag per transaction), as text and as binary
 * both ways.  Seeded; a failure prints its loop's number, which is the seed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sink.h"
#include "capture/gtid_set.h"
#include "formats/gtid_list.h"
#include "tests/suite.h"

enum { UUIDS = 3, TAGS = 3, NUMBERS = 40, DOMAINS = 4, STEPS = 60, BYTES = 1 << 16 };

static const char *const tags[TAGS] = {"", "a", "tag_9"};

struct model {
    bool in[UUIDS][TAGS][NUMBERS + 2]; /* 1 to NUMBERS */
    uint64_t domain[DOMAINS];          /* 0: not in it */
};

static void uuid_of(unsigned u, uint8_t uuid[static 16])
{
    for (unsigned i = 0; i < 16; i++) uuid[i] = (uint8_t)(i * 17 + (i == 15 ? u : 0));
}

static void must(enum err e)
{
    ck_assert_msg(e == ERR_OK, "%s", err_text(e));
}

/* A set and its model, drawn alike. */
static void draw(struct random *r, struct gtid_set *s, struct model *m, bool mariadb)
{
    uint64_t steps = random_below(r, STEPS);
    for (uint64_t i = 0; i < steps; i++) {
        if (mariadb) {
            uint32_t domain = (uint32_t)random_below(r, DOMAINS);
            m->domain[domain] = 1 + random_below(r, NUMBERS);
            must(gtid_set_add_domain(s, domain, 7, m->domain[domain]));
            continue;
        }
        uint8_t uuid[16];
        uint64_t u = random_below(r, UUIDS), t = random_below(r, TAGS);
        uint64_t first = 1 + random_below(r, NUMBERS), last = first + random_below(r, 5);
        if (last > NUMBERS) last = NUMBERS;
        uuid_of((unsigned)u, uuid);
        must(gtid_set_add(s, uuid, tags[t], first, last));
        for (uint64_t n = first; n <= last; n++) m->in[u][t][n] = true;
    }
}

#define EACH(u, t, n)                                                                                                  \
    for (unsigned u = 0; u < UUIDS; u++)                                                                               \
        for (unsigned t = 0; t < TAGS; t++)                                                                            \
            for (unsigned n = 1; n <= NUMBERS; n++)

/* The set has exactly the model's transactions, in as few intervals as can be. */
static void same(const struct gtid_set *s, const struct model *m)
{
    uint32_t intervals = 0, domains = 0;
    uint8_t uuid[16];
    EACH (u, t, n) {
        uuid_of(u, uuid);
        ck_assert_msg(gtid_set_contains(s, uuid, tags[t], n) == m->in[u][t][n], "uuid %u tag '%s' number %u", u,
                      tags[t], n);
        intervals += m->in[u][t][n] && !m->in[u][t][n - 1];
    }
    for (uint32_t d = 0; d < DOMAINS; d++) {
        domains += m->domain[d] != 0;
        for (uint64_t n = 1; n <= NUMBERS; n++)
            ck_assert(gtid_set_contains_domain(s, d, n) == (m->domain[d] >= n));
    }
    ck_assert_uint_eq(s->interval_count, intervals);
    ck_assert_uint_eq(s->domain_count, domains);
    ck_assert(gtid_set_is_empty(s) == (intervals == 0 && domains == 0));
}

static void copy_by_text(struct gtid_set *out, const struct gtid_set *s)
{
    size_t size = gtid_set_text(s, NULL, 0);
    char *text = malloc(size + 1);
    ck_assert_uint_eq(gtid_set_text(s, text, size + 1), size);
    ck_assert_uint_eq(strlen(text), size);
    gtid_set_clear(out);
    must(gtid_set_parse(out, text, size));
    free(text);
}

START_TEST(algebra)
{
    struct random r;
    struct gtid_set a = {0}, b = {0}, c = {0};
    struct model ma = {0}, mb = {0}, mc = {0};
    random_init(&r, (uint64_t)_i + 1);
    draw(&r, &a, &ma, _i % 3 == 0);
    draw(&r, &b, &mb, _i % 3 == 0);
    if (_i % 5 == 1) { /* b within a, or the two far apart: the answers that chance seldom gives */
        must(gtid_set_union(&a, &b));
        EACH (u, t, n) ma.in[u][t][n] |= mb.in[u][t][n];
        for (unsigned d = 0; d < DOMAINS; d++) ma.domain[d] = ma.domain[d] > mb.domain[d] ? ma.domain[d] : mb.domain[d];
    } else if (_i % 5 == 2) {
        must(gtid_set_subtract(&a, &b));
        EACH (u, t, n) ma.in[u][t][n] &= !mb.in[u][t][n];
        for (unsigned d = 0; d < DOMAINS; d++) ma.domain[d] = ma.domain[d] > mb.domain[d] ? ma.domain[d] : 0;
    }
    same(&a, &ma);
    same(&b, &mb);

    bool contains = true, intersects = false;
    EACH (u, t, n) {
        contains &= ma.in[u][t][n] || !mb.in[u][t][n];
        intersects |= ma.in[u][t][n] && mb.in[u][t][n];
    }
    for (unsigned d = 0; d < DOMAINS; d++) {
        contains &= ma.domain[d] >= mb.domain[d];
        intersects |= ma.domain[d] != 0 && mb.domain[d] != 0;
    }
    ck_assert(gtid_set_contains_set(&a, &b) == contains);
    ck_assert(gtid_set_intersects(&a, &b) == intersects);
    ck_assert(gtid_set_intersects(&b, &a) == intersects);

    copy_by_text(&c, &a);
    same(&c, &ma);
    mc = ma;
    must(gtid_set_union(&c, &b));
    EACH (u, t, n) mc.in[u][t][n] |= mb.in[u][t][n];
    for (unsigned d = 0; d < DOMAINS; d++) mc.domain[d] = ma.domain[d] > mb.domain[d] ? ma.domain[d] : mb.domain[d];
    same(&c, &mc);
    ck_assert(gtid_set_contains_set(&c, &a) && gtid_set_contains_set(&c, &b));

    must(gtid_set_subtract(&c, &b)); /* (a + b) - b */
    EACH (u, t, n) mc.in[u][t][n] = ma.in[u][t][n] && !mb.in[u][t][n];
    for (unsigned d = 0; d < DOMAINS; d++) mc.domain[d] = ma.domain[d] > mb.domain[d] ? ma.domain[d] : 0;
    same(&c, &mc);
    gtid_set_free(&a);
    gtid_set_free(&b);
    gtid_set_free(&c);
}
END_TEST

/* The body of PREVIOUS_GTIDS as MySQL writes it: with tags in its newer form. */
static size_t previous_gtids(const struct gtid_set *s, bool with_tags, uint8_t *out)
{
    struct sink k = sink_of(out, BYTES);
    uint64_t sources = 0;
    for (uint32_t i = 0; i < s->interval_count; i++)
        sources += i == 0 || memcmp(s->interval[i].uuid, s->interval[i - 1].uuid, 16) != 0 ||
                   strcmp(s->interval[i].tag, s->interval[i - 1].tag) != 0;
    sink_le(&k, with_tags ? (uint64_t)1 << 56 | sources << 8 | 1 : sources, 8);
    for (uint32_t i = 0; i < s->interval_count;) {
        const struct gtid_interval *v = &s->interval[i];
        uint32_t end = i + 1;
        while (end < s->interval_count && memcmp(s->interval[end].uuid, v->uuid, 16) == 0 &&
               strcmp(s->interval[end].tag, v->tag) == 0)
            end++;
        sink_bytes(&k, v->uuid, 16);
        if (with_tags) {
            sink_le(&k, 2 * strlen(v->tag), 1);
            sink_bytes(&k, v->tag, strlen(v->tag));
        }
        sink_le(&k, end - i, 8);
        for (; i < end; i++) {
            sink_le(&k, s->interval[i].first, 8);
            sink_le(&k, s->interval[i].last + 1, 8);
        }
    }
    ck_assert(!k.failed);
    return (size_t)(k.at - out);
}

START_TEST(binary)
{
    struct random r;
    struct gtid_set s = {0}, back = {0};
    struct model m = {0};
    uint8_t *bytes = malloc(BYTES);
    random_init(&r, (uint64_t)_i + 1);
    draw(&r, &s, &m, false);
    size_t size = previous_gtids(&s, true, bytes);
    must(gtid_set_from_previous_gtids(&back, cursor_of(bytes, size)));
    same(&back, &m);
    for (size_t cut = 0; cut < size; cut++) {
        enum err e = gtid_set_from_previous_gtids(&back, cursor_of(bytes, cut));
        ck_assert_msg(e == ERR_TRUNCATED, "%zu of %zu bytes: %s", cut, size, err_text(e));
    }
    free(bytes);
    gtid_set_free(&s);
    gtid_set_free(&back);
}
END_TEST

#define UUID "d2fa90eb-e5b1-11f1-bc1e-02fc00000001"

/* As MySQL 9.7.4 wrote it behind gtid_executed = UUID:1-3:<32 letters>:1:mytag:1-2. */
START_TEST(written_by_a_server)
{
    static const uint8_t source[16] = {0xd2, 0xfa, 0x90, 0xeb, 0xe5, 0xb1, 0x11, 0xf1,
                                       0xbc, 0x1e, 0x02, 0xfc, 0x00, 0x00, 0x00, 0x01};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdef";
    uint8_t bytes[256];
    struct sink k = sink_of(bytes, sizeof bytes);
    static const uint8_t head[] = {1, 3, 0, 0, 0, 0, 0, 1};
    sink_bytes(&k, head, sizeof head);
    const char *const tag[] = {"", letters, "mytag"};
    static const uint8_t size[] = {0, 0x40, 0x0a}, behind[] = {4, 2, 3};
    for (unsigned i = 0; i < 3; i++) {
        sink_bytes(&k, source, sizeof source);
        sink_le(&k, size[i], 1);
        sink_bytes(&k, tag[i], strlen(tag[i]));
        sink_le(&k, 1, 8);
        sink_le(&k, 1, 8);
        sink_le(&k, behind[i], 8);
    }
    struct gtid_set s = {0};
    must(gtid_set_from_previous_gtids(&s, cursor_of(bytes, (size_t)(k.at - bytes))));
    char text[256];
    gtid_set_text(&s, text, sizeof text);
    ck_assert_str_eq(text, UUID ":1-3:abcdefghijklmnopqrstuvwxyzabcdef:1:mytag:1-2");
    bytes[7] = 2;
    ck_assert_int_eq(gtid_set_from_previous_gtids(&s, cursor_of(bytes, (size_t)(k.at - bytes))), ERR_UNSUPPORTED);
    bytes[7] = 1;
    bytes[8 + 16] = 1; /* no even length */
    ck_assert_int_eq(gtid_set_from_previous_gtids(&s, cursor_of(bytes, (size_t)(k.at - bytes))), ERR_CORRUPT);
    gtid_set_free(&s);
    char one[GTID_TEXT_BYTES];
    gtid_text(source, letters, INT64_MAX, one);
    ck_assert_str_eq(one, UUID ":abcdefghijklmnopqrstuvwxyzabcdef:9223372036854775807");
}
END_TEST

START_TEST(text)
{
    static const struct {
        const char *text, *as;
    } cases[] = {
        {UUID ":tag:1-3", UUID ":tag:1-3"},
        {UUID ":1:tag:1:3:2:5-6", UUID ":1:tag:1-3:5-6"},
        {UUID ":Tag:4 , " UUID ":1-2:b_2 : 7", UUID ":1-2:b_2:7:tag:4"},
        {UUID ":_a:1:_b:2:_a:2", UUID ":_a:1-2:_b:2"},
        {"20260101-1-7,20260102-1-8,20260103-1-9", "20260101-1-7,20260102-1-8,20260103-1-9"},
        {"20260101-1234-5,202601-12-9,20260103-1-9", "202601-12-9,20260101-1234-5,20260103-1-9"},
        {"4294967295-1-18446744073709551615", "4294967295-1-18446744073709551615"},
    };
    static const char *const bad[] = {UUID ":tag",     UUID ":tag:",    UUID ":tag:0", UUID ":1:tag-2:3",
                                      UUID ":9tag:1",  UUID ":ta g:1",  UUID "::1",    UUID ":1-2-3",
                                      UUID ":abcdefghijklmnopqrstuvwxyzabcdefg:1",
                                      "0-1-18446744073709551616", "0-1-99999999999999999999"};
    struct gtid_set s = {0};
    char out[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gtid_set_clear(&s);
        must(gtid_set_parse(&s, cases[i].text, strlen(cases[i].text)));
        gtid_set_text(&s, out, sizeof out);
        ck_assert_str_eq(out, cases[i].as);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        gtid_set_clear(&s);
        ck_assert_msg(gtid_set_parse(&s, bad[i], strlen(bad[i])) == ERR_INVALID, "%s", bad[i]);
    }
    gtid_set_free(&s);
}
END_TEST

/* GTIDs that are added to a set's text one by one make the set that has them all; a source that just goes on adds
 * little to it. */
START_TEST(lists)
{
    static const char *const mysql[] = {"3e11fa47-71ca-11e1-9e33-c80aa9429562:",
                                        "00000000-71ca-11e1-9e33-c80aa9429562:",
                                        "3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:"};
    static const char *const mariadb[] = {"0-1-", "0-2-", "7-1-"};
    static const char *const begins[] = {"", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3:9", "0-1-5,7-1-7"};
    bool is_mariadb = _i % 3 == 2, goes_on = _i < 6;
    char gtid[GTID_TEXT_BYTES], expected[2048], got[2048];
    struct gtid_list list = {0};
    struct gtid_set all = {0}, read = {0};
    struct random r;
    unsigned number = 20;
    random_init(&r, (uint64_t)_i);
    must(gtid_list_begin(&list, begins[_i % 3], strlen(begins[_i % 3])));
    must(gtid_set_parse(&all, begins[_i % 3], strlen(begins[_i % 3])));
    for (int i = 0; i < 60; i++) {
        uint64_t which = goes_on ? 0 : random_below(&r, 3);
        number += goes_on ? 1 : (unsigned)random_below(&r, 3); /* the same again, too: a HEARTBEAT says the last one */
        snprintf(gtid, sizeof gtid, "%s%u", is_mariadb ? mariadb[which] : mysql[which], number);
        must(gtid_set_parse(&all, gtid, strlen(gtid)));
        must(gtid_list_add(&list, gtid));
        must(gtid_list_add(&list, ""));
    }
    must(gtid_set_parse(&read, list.text, list.size));
    gtid_set_text(&all, expected, sizeof expected);
    gtid_set_text(&read, got, sizeof got);
    ck_assert_str_eq(got, expected);
    if (goes_on) ck_assert_uint_lt(list.size, 120);
    gtid_set_free(&all);
    gtid_set_free(&read);
    free(list.text);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("gtid_set");
    tcase_add_loop_test(cases, algebra, 0, 300);
    tcase_add_loop_test(cases, binary, 0, 20);
    tcase_add_loop_test(cases, lists, 0, 60);
    tcase_add_test(cases, written_by_a_server);
    tcase_add_test(cases, text);
    Suite *suite = suite_create("gtid_set");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

/* Goal: passwords are guessed no faster at one address than the limits say, by PLAIN as by SCRAM, a right one included;
 * what fails is told later and later; and whoever guesses keeps no owner out who comes from elsewhere.  Method: the
 * authority on a simulated clock, with the test in a serve lcore's seat and a real SCRAM client. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/auth/authority.h"
#include "dataplane/auth/guesses.h"
#include "dataplane/openssl.h"
#include "tests/suite.h"

#define PASSWORD "the owner's"
enum { SECOND_MS = 1000 };

static struct authority *authority;
static struct auth_link *link_;
static struct counters *counters;
static struct clock_simulated simulated;
static struct waiter waiter;

static void setup(void)
{
    struct err_msg msg;
    static struct account list[2] = {{.name = "owner", .credential = 1}, {.name = "other", .credential = 2}};
    const uint8_t key[DIRECTORY_KEY_BYTES] = {3};
    struct directory *d;
    clock_simulated_init(&simulated, 1700000000000);
    ck_assert_int_eq(counters_open(&counters, NULL, 1024, &msg), ERR_OK);
    struct authority_config config = {.link_count = 1, .accounts_max = 2, .clock = &simulated.clock,
                                      .counters = counters, .is_simulated = true};
    ck_assert_int_eq(authority_open(&authority, &config, &msg), ERR_OK);
    waiter_init_simulated(&waiter);
    link_ = authority_link_of(authority, 0);
    link_->serve_waiter = &waiter;
    for (int i = 0; i < 2; i++) ck_assert_int_eq(account_set_password(&list[i], PASSWORD, strlen(PASSWORD)), ERR_OK);
    ck_assert_int_eq(directory_new(&d, list, 2, key), ERR_OK);
    authority_set_directory(authority, d);
    ck_assert_int_eq(authority_start(authority, &msg), ERR_OK);
}

static void teardown(void)
{
    authority_stop(authority);
    counters_close(counters);
}

static void pass_ms(uint64_t ms) { clock_simulated_advance(&simulated, ms * 1000000); }

static struct auth_answer ask(const struct login *l, const char *from, const void *token, size_t size)
{
    struct auth_request *r = ring_spsc_claim(&link_->to_authority, (uint32_t)(sizeof *r + size));
    memset(r, 0, sizeof *r);
    r->address = guess_address(from);
    r->login = *l;
    r->token_bytes = (uint32_t)size;
    memcpy(r + 1, token, size);
    ring_spsc_commit(&link_->to_authority);
    const struct auth_answer *a = NULL;
    uint32_t answer_bytes;
    for (int i = 0; i < 10 && a == NULL; i++) {
        authority_step(authority);
        a = ring_spsc_next(&link_->to_serve, &answer_bytes);
    }
    ck_assert_ptr_nonnull(a);
    struct auth_answer out = *a;
    ring_spsc_release(&link_->to_serve);
    return out;
}

static struct auth_answer plain(const char *from, const char *user, const char *password)
{
    char token[200];
    int size = snprintf(token, sizeof token, "%c%s%c%s", 0, user, 0, password);
    return ask(&(struct login){.mechanism = MECHANISM_PLAIN}, from, token, (size_t)size);
}

/* RFC 5802's client with SHA-256. */
static size_t client_final(const char *first_bare, const struct auth_answer *challenge, const char *password, char *out)
{
    char server[512], salt_text[200], bare[400], all[1200];
    uint8_t salt[160], salted[32], key[32], stored[32], signature[32], proof_text[64];
    unsigned iterations, size;
    ck_assert_uint_lt(challenge->token_bytes, sizeof server);
    memcpy(server, challenge->token, challenge->token_bytes);
    server[challenge->token_bytes] = '\0';
    const char *s = strstr(server, ",s=");
    ck_assert(s != NULL && sscanf(s, ",s=%199[^,],i=%u", salt_text, &iterations) == 2);
    int salt_bytes = EVP_DecodeBlock(salt, (const uint8_t *)salt_text, (int)strlen(salt_text));
    for (const char *p = strchr(salt_text, '='); p != NULL && *p == '='; p++) salt_bytes--;
    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, salt_bytes, (int)iterations, EVP_sha256(), 32, salted);
    HMAC(EVP_sha256(), salted, 32, (const uint8_t *)"Client Key", 10, key, &size);
    EVP_Digest(key, 32, stored, &size, EVP_sha256(), NULL);
    snprintf(bare, sizeof bare, "c=biws,%.*s", (int)(s - server), server);
    int all_bytes = snprintf(all, sizeof all, "%s,%s,%s", first_bare, server, bare);
    HMAC(EVP_sha256(), stored, 32, (const uint8_t *)all, (size_t)all_bytes, signature, &size);
    for (int i = 0; i < 32; i++) key[i] ^= signature[i];
    EVP_EncodeBlock(proof_text, key, 32);
    return (size_t)sprintf(out, "%s,p=%s", bare, (const char *)proof_text);
}

static struct auth_answer scram(const char *from, const char *user, const char *password)
{
    char bare[100], first[120], final[800];
    snprintf(bare, sizeof bare, "n=%s,r=abcdefghijkl", user);
    int size = snprintf(first, sizeof first, "n,,%s", bare);
    const struct login begun = {.mechanism = MECHANISM_SCRAM_SHA_256};
    struct auth_answer challenge = ask(&begun, from, first, (size_t)size);
    ck_assert_int_eq(challenge.result, LOGIN_GOES_ON); /* it tests nothing yet */
    size_t final_bytes = client_final(bare, &challenge, password, final);
    return ask(&challenge.login, from, final, final_bytes);
}

static struct auth_answer (*const ways[])(const char *, const char *, const char *) = {plain, scram};

START_TEST(one_address_guesses_no_faster_than_the_limit_and_others_do_not_notice)
{
    struct auth_answer (*guess)(const char *, const char *, const char *) = ways[_i % 2];
    struct auth_answer (*come)(const char *, const char *, const char *) = ways[_i / 2];
    unsigned looked_at = 0;
    uint32_t last_delay_ms = 0;
    ck_assert_int_eq(come("192.0.2.9", "owner", PASSWORD).result, LOGIN_DONE);
    for (int i = 0; i < 200; i++) {
        struct auth_answer a = guess("192.0.2.1", "owner", "a guess");
        ck_assert(a.result == LOGIN_FAILED || a.result == LOGIN_BUSY);
        ck_assert_uint_ge(a.delay_ms, GUESS_DELAY_MS);
        if (a.result != LOGIN_FAILED) continue;
        looked_at++;
        ck_assert_uint_ge(a.delay_ms, last_delay_ms);
        last_delay_ms = a.delay_ms;
    }
    ck_assert_uint_eq(looked_at, GUESS_PAIR_BURST);
    ck_assert_uint_eq(last_delay_ms, GUESS_PAIR_BURST * GUESS_DELAY_MS);
    /* At its own address even the right password is a guess too many; elsewhere nobody notices, nor another account. */
    ck_assert_int_eq(come("192.0.2.1", "owner", PASSWORD).result, LOGIN_BUSY);
    ck_assert_int_eq(come("192.0.2.9", "owner", PASSWORD).result, LOGIN_DONE);
    ck_assert_int_eq(come("192.0.2.77", "owner", PASSWORD).result, LOGIN_DONE);
    ck_assert_int_eq(come("192.0.2.1", "other", PASSWORD).result, LOGIN_DONE);
    for (int second = 0; second < 30; second++) {
        pass_ms(SECOND_MS);
        for (int i = 0; i < 5; i++) looked_at += guess("192.0.2.1", "owner", "a guess").result == LOGIN_FAILED;
    }
    ck_assert_uint_eq(looked_at, GUESS_PAIR_BURST + 30);
    pass_ms(SECOND_MS);
    ck_assert_int_eq(come("192.0.2.1", "owner", PASSWORD).result, LOGIN_DONE);
    ck_assert_uint_gt(counter_get(counters_add(counters, COUNTER_COUNT, "logins_limited", "")), 150);
}
END_TEST

START_TEST(names_that_nobody_has_are_counted_as_one_and_an_address_over_all_names)
{
    unsigned looked_at = 0;
    char name[20];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "user-%d", i);
        looked_at += ways[_i]("192.0.2.1", name, "a guess").result == LOGIN_FAILED;
    }
    ck_assert_uint_eq(looked_at, GUESS_PAIR_BURST);
    ck_assert_int_eq(plain("192.0.2.1", "owner", PASSWORD).result, LOGIN_DONE);
}
END_TEST

START_TEST(an_account_that_is_guessed_at_from_everywhere_lets_its_owner_in)
{
    char from[40];
    uint32_t delay_ms = 0;
    for (int i = 0; i < 2000; i++) {
        snprintf(from, sizeof from, "10.0.%d.%d", i / 250, i % 250);
        struct auth_answer a = ways[_i](from, "owner", "a guess");
        ck_assert_int_eq(a.result, LOGIN_FAILED);
        delay_ms = a.delay_ms;
    }
    ck_assert_uint_eq(delay_ms, GUESS_DELAY_MS_MAX);
    ck_assert_int_eq(ways[_i]("192.0.2.1", "owner", PASSWORD).result, LOGIN_DONE);
}
END_TEST

START_TEST(an_address_is_limited_over_all_accounts)
{
    struct guesses *g;
    unsigned may = 0;
    ck_assert_int_eq(guesses_open(&g), ERR_OK);
    for (uint32_t account = 1; account <= 1000; account++) {
        if (!guesses_may(g, 7, account, 1)) continue;
        may++;
        guesses_failed(g, 7, account, 1);
    }
    ck_assert_uint_eq(may, GUESS_ADDRESS_BURST);
    ck_assert(guesses_may(g, 8, 5, 1));
    ck_assert(!guesses_may(g, 7, 2000, 1) && guesses_may(g, 7, 2000, 1 + GUESS_ADDRESS_MS * UINT64_C(1000000)));
    guesses_close(g);
}
END_TEST

/* However many others fail, what is remembered of those that failed most stays, and who failed never is not touched. */
START_TEST(a_crowd_does_not_wash_a_guesser_clean)
{
    struct guesses *g;
    ck_assert_int_eq(guesses_open(&g), ERR_OK);
    for (int i = 0; i < GUESS_PAIR_BURST; i++) guesses_failed(g, 7, 1, 1);
    ck_assert(!guesses_may(g, 7, 1, 1));
    for (uint64_t i = 0; i < 200000; i++) guesses_failed(g, 1000 + i, 1 + (uint32_t)(i % 50), 1);
    ck_assert(!guesses_may(g, 7, 1, 1));
    ck_assert(guesses_may(g, 9, 1, 1));
    guesses_close(g);
}
END_TEST

START_TEST(a_flood_is_remembered_no_longer_than_a_burst)
{
    const uint64_t pair_ns = GUESS_PAIR_MS * UINT64_C(1000000), delay_ms = GUESS_DELAY_MS_MAX;
    struct guesses *g;
    ck_assert_int_eq(guesses_open(&g), ERR_OK);
    for (int i = 0; i < 100000; i++) ck_assert_uint_le(guesses_failed(g, 7, 1, 1), delay_ms);
    ck_assert(!guesses_may(g, 7, 1, 1));
    ck_assert(guesses_may(g, 7, 1, 1 + pair_ns));
    ck_assert_uint_eq(guesses_failed(g, 8, 1, 1 + GUESS_ACCOUNT_BURST * GUESS_ACCOUNT_MS * UINT64_C(1000000)),
                      GUESS_DELAY_MS);
    guesses_close(g);
}
END_TEST

START_TEST(tokens_that_test_no_password_keep_no_owner_out)
{
    const struct login begun = {.mechanism = MECHANISM_SCRAM_SHA_256};
    for (int i = 0; i < 1000; i++) {
        struct auth_answer a = ask(&begun, "192.0.2.1", "garbage", 7);
        ck_assert_int_eq(a.result, LOGIN_FAILED);
        ck_assert_uint_eq(a.delay_ms, GUESS_DELAY_MS);
    }
    ck_assert_int_eq(ways[_i]("192.0.2.1", "owner", PASSWORD).result, LOGIN_DONE);
}
END_TEST

START_TEST(ipv6_is_counted_by_networks)
{
    ck_assert_uint_eq(guess_address("2001:db8:1:2::1"), guess_address("2001:db8:1:2:ffff::9"));
    ck_assert_uint_ne(guess_address("2001:db8:1:2::1"), guess_address("2001:db8:1:3::1"));
    ck_assert_uint_ne(guess_address("192.0.2.1"), guess_address("192.0.2.2"));
    ck_assert_uint_eq(guess_address("::ffff:192.0.2.1"), guess_address("192.0.2.1"));
    ck_assert_uint_ne(guess_address("::1"), guess_address("127.0.0.1"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guesses");
    TCase *t = tcase_create("guesses");
    tcase_set_timeout(t, 100);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, one_address_guesses_no_faster_than_the_limit_and_others_do_not_notice, 0, 4);
    tcase_add_loop_test(t, names_that_nobody_has_are_counted_as_one_and_an_address_over_all_names, 0, 2);
    tcase_add_loop_test(t, an_account_that_is_guessed_at_from_everywhere_lets_its_owner_in, 1, 2);
    tcase_add_test(t, an_address_is_limited_over_all_accounts);
    tcase_add_test(t, a_crowd_does_not_wash_a_guesser_clean);
    tcase_add_test(t, a_flood_is_remembered_no_longer_than_a_burst);
    tcase_add_loop_test(t, tokens_that_test_no_password_keep_no_owner_out, 0, 2);
    tcase_add_test(t, ipv6_is_counted_by_networks);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

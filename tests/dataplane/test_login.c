/* Goal: whoever knows the password gets in by each mechanism, nobody else does, and no answer tells who exists.
 *
 * The conversations of RFC 7677 (SHA-256) and, computed by another implementation, the same with SHA-512; a client of
 * the test's own (RFC 5802, section 3) for everything else. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "dataplane/auth/login.h"
#include "dataplane/openssl.h"
#include "tests/suite.h"

#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
static const uint8_t salt[SCRAM_SALT_BYTES] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                                               0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};

static const struct {
    enum scram_hash hash;
    const char *proof, *signature, *text;
} vectors[] = {
    {SCRAM_SHA_256, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
     "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
     "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="},
    {SCRAM_SHA_512, "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
     "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
     "SCRAM-SHA-512$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
     "6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==:"
     "jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA=="},
};
enum { VECTORS = sizeof vectors / sizeof *vectors };

START_TEST(the_conversations_of_the_standards_come_out)
{
    struct scram_verifier v;
    struct scram_exchange x;
    char answer[SCRAM_ANSWER_BYTES_MAX], final[SCRAM_TOKEN_BYTES_MAX], text[SCRAM_TEXT_BYTES];
    enum scram_hash hash = vectors[_i].hash;
    ck_assert_int_eq(scram_verifier_make(&v, hash, "pencil", 6, salt, 4096), ERR_OK);
    scram_verifier_print(&v, hash, text);
    ck_assert_str_eq(text, vectors[_i].text);
    ck_assert(scram_verifier_accepts(&v, hash, "pencil", 6));
    ck_assert(!scram_verifier_accepts(&v, hash, "pencils", 7));
    const char first[] = "n,,n=user,r=" CLIENT_NONCE;
    ck_assert_int_eq(scram_begin(&x, hash, first, strlen(first)), ERR_OK);
    ck_assert_str_eq(x.user, "user");
    size_t size = scram_challenge(&x, &v, SERVER_NONCE, answer);
    ck_assert_str_eq(answer, "r=" CLIENT_NONCE SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    ck_assert_uint_eq(size, strlen(answer));
    snprintf(final, sizeof final, "c=biws,r=%s%s,p=%s", CLIENT_NONCE, SERVER_NONCE, vectors[_i].proof);
    ck_assert_int_eq(scram_finish(&x, &v, final, strlen(final), answer, &size), ERR_OK);
    ck_assert_uint_eq(size, 2 + strlen(vectors[_i].signature));
    ck_assert(memcmp(answer, "v=", 2) == 0 && memcmp(answer + 2, vectors[_i].signature, size - 2) == 0);
    /* Each character of the final message counts. */
    size_t final_bytes = strlen(final);
    for (size_t i = 0; i < final_bytes; i++) {
        char kept = final[i];
        final[i] = kept == 'A' ? 'B' : 'A';
        ck_assert_msg(scram_finish(&x, &v, final, final_bytes, answer, &size) != ERR_OK, "byte %zu", i);
        final[i] = kept;
        ck_assert_msg(scram_finish(&x, &v, final, i, answer, &size) != ERR_OK, "cut at %zu", i);
    }
}
END_TEST

START_TEST(what_is_no_verifier_is_refused)
{
    struct scram_verifier v, again;
    char text[SCRAM_TEXT_BYTES];
    const char *whole = vectors[_i].text;
    ck_assert_int_eq(scram_verifier_parse(&v, vectors[_i].hash, whole), ERR_OK);
    ck_assert(scram_verifier_accepts(&v, vectors[_i].hash, "pencil", 6));
    ck_assert_int_eq(scram_verifier_parse(&again, vectors[1 - _i].hash, whole), ERR_CORRUPT);
    for (size_t cut = 0; cut < strlen(whole); cut++) {
        snprintf(text, sizeof text, "%.*s", (int)cut, whole);
        ck_assert_msg(scram_verifier_parse(&again, vectors[_i].hash, text) == ERR_CORRUPT, "cut at %zu", cut);
    }
    static const char *const iterations[] = {"4095", "1", "0", "-4096", " 4096", "4096 ", "99999999", "4294971392", ""};
    for (size_t i = 0; i < sizeof iterations / sizeof *iterations; i++) {
        const char *name = scram_name(vectors[_i].hash);
        snprintf(text, sizeof text, "%s$%s%s", name, iterations[i], strchr(whole, ':'));
        ck_assert_msg(scram_verifier_parse(&again, vectors[_i].hash, text) == ERR_CORRUPT, "%s", iterations[i]);
    }
    ck_assert_int_eq(scram_verifier_make(&again, SCRAM_SHA_256, "p", 1, salt, 4095), ERR_INVALID);
}
END_TEST

/* --- a client --- */

static struct directory *people(void)
{
    static const struct { const char *name, *group, *password; } who[] = {
        {"ann", "orders", "ann's password"}, {"ann", "b-orders", "another password"},
        {"ann-c", "orders", "a third password"}, {"root", "", "the operator's"},
    };
    struct account accounts[sizeof who / sizeof *who];
    const uint8_t key[DIRECTORY_KEY_BYTES] = {1, 2, 3};
    struct directory *d;
    memset(accounts, 0, sizeof accounts);
    for (size_t i = 0; i < sizeof who / sizeof *who; i++) {
        snprintf(accounts[i].name, sizeof accounts[i].name, "%s", who[i].name);
        snprintf(accounts[i].group_id, sizeof accounts[i].group_id, "%s", who[i].group);
        accounts[i].credential = i + 1;
        ck_assert_int_eq(account_set_password(&accounts[i], who[i].password, strlen(who[i].password)), ERR_OK);
    }
    ck_assert_int_eq(directory_new(&d, accounts, sizeof who / sizeof *who, key), ERR_OK);
    return d;
}

static void plain(const struct directory *d, const char *authorized, const char *user, const char *password,
                  bool checked, struct login_step *out)
{
    struct login l = {.mechanism = MECHANISM_PLAIN};
    char token[1024];
    int size = snprintf(token, sizeof token, "%s%c%s%c%s", authorized, 0, user, 0, password);
    login_step(&l, d, token, (size_t)size, checked, out);
}

/* The proof of a client that takes `password` for right, from the server's first message.  `before`: what some
  * librdkafka (2.0.2) write before the nonce. */
static size_t client_final(enum scram_hash hash, const char *password, const char *first, const char *challenge,
                           const char *before, char out[SCRAM_TOKEN_BYTES_MAX])
{
    const EVP_MD *md = hash == SCRAM_SHA_256 ? EVP_sha256() : EVP_sha512();
    unsigned size = hash == SCRAM_SHA_256 ? 32 : 64, n;
    uint8_t its_salt[64], salted[64], key[64], stored[64], signature[64];
    char nonce[400], salt64[100], bare[2000], proof[100];
    int iterations;
    ck_assert_int_eq(sscanf(challenge, "r=%399[^,],s=%99[^,],i=%d", nonce, salt64, &iterations), 3);
    EVP_DecodeBlock(its_salt, (const unsigned char *)salt64, (int)strlen(salt64));
    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), its_salt, SCRAM_SALT_BYTES, iterations, md, (int)size, salted);
    HMAC(md, salted, (int)size, (const unsigned char *)"Client Key", 10, key, &n);
    EVP_Digest(key, size, stored, &n, md, NULL);
    snprintf(bare, sizeof bare, "%s,%s,c=biws,r=%s%s", first + 3, challenge, before, nonce);
    HMAC(md, stored, (int)size, (const unsigned char *)bare, strlen(bare), signature, &n);
    for (unsigned i = 0; i < size; i++) key[i] ^= signature[i];
    EVP_EncodeBlock((unsigned char *)proof, key, (int)size);
    return (size_t)snprintf(out, SCRAM_TOKEN_BYTES_MAX, "c=biws,r=%s%s,p=%s", before, nonce, proof);
}

static void scram_with(const struct directory *d, enum mechanism mechanism, const char *user, const char *password,
                       const char *before, char challenge[SCRAM_ANSWER_BYTES_MAX], struct login_step *out)
{
    struct login l = {.mechanism = mechanism};
    char first[600], final[SCRAM_TOKEN_BYTES_MAX];
    snprintf(first, sizeof first, "n,,n=%s,r=fyko+d2lbbFgONRv9qkxdawL", user);
    login_step(&l, d, first, strlen(first), false, out);
    ck_assert_int_eq(out->result, LOGIN_GOES_ON);
    memcpy(challenge, out->answer, SCRAM_ANSWER_BYTES_MAX);
    size_t size = client_final(mechanism == MECHANISM_SCRAM_SHA_256 ? SCRAM_SHA_256 : SCRAM_SHA_512, password, first,
                               challenge, before, final);
    login_step(&l, d, final, size, false, out);
}

static void scram(const struct directory *d, enum mechanism mechanism, const char *user, const char *password,
                  char challenge[SCRAM_ANSWER_BYTES_MAX], struct login_step *out)
{
    scram_with(d, mechanism, user, password, "", challenge, out);
}

static void check_in(const struct login_step *s, const char *user)
{
    ck_assert_int_eq(s->result, LOGIN_DONE);
    ck_assert_str_eq(s->who->user, user);
}

static void check_out(const struct login_step *s)
{
    ck_assert_int_eq(s->result, LOGIN_FAILED);
    ck_assert_uint_eq(s->answer_bytes, 0);
    ck_assert(!s->is_malformed);
}

START_TEST(each_mechanism_lets_in_who_knows_the_password)
{
    struct directory *d = people();
    struct login_step s;
    char challenge[SCRAM_ANSWER_BYTES_MAX];
    /* Users are whole names: a '-' in an account or a group leads nobody astray. */
    static const char *const pairs[][2] = {{"ann-orders", "ann's password"}, {"ann-b-orders", "another password"},
                                           {"ann-c-orders", "a third password"}, {"root", "the operator's"}};
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            struct login_step by[3];
            plain(d, "", pairs[i][0], pairs[j][1], false, &by[0]);
            scram(d, MECHANISM_SCRAM_SHA_256, pairs[i][0], pairs[j][1], challenge, &by[1]);
            scram(d, MECHANISM_SCRAM_SHA_512, pairs[i][0], pairs[j][1], challenge, &by[2]);
            for (int k = 0; k < 3; k++) {
                if (i == j) check_in(&by[k], pairs[i][0]);
                else check_out(&by[k]);
            }
        }
    }
    plain(d, "root", "root", "the operator's", false, &s);
    check_in(&s, "root");
    scram_with(d, MECHANISM_SCRAM_SHA_256, "root", "the operator's", "fyko+d2lbbFgONRv9qkxdawL", challenge, &s);
    check_in(&s, "root");
    scram_with(d, MECHANISM_SCRAM_SHA_256, "root", "the operators", "fyko+d2lbbFgONRv9qkxdawL", challenge, &s);
    check_out(&s);
    plain(d, "ann-orders", "root", "the operator's", false, &s);
    ck_assert(s.result == LOGIN_FAILED && s.is_malformed);
    plain(d, "", "ann", "ann's password", false, &s); /* an account without its group is nobody */
    check_out(&s);
    plain(d, "", "nobody", "", false, &s);
    ck_assert(s.result == LOGIN_FAILED && s.is_malformed);
    plain(d, "", "root", "known to be right", true, &s);
    check_in(&s, "root");
    plain(d, "", "nobody", "known to be right", true, &s);
    check_out(&s);
    directory_free(d);
}
END_TEST

START_TEST(a_user_who_is_not_there_looks_like_one_who_is)
{
    struct directory *d = people();
    struct login_step s;
    char one[SCRAM_ANSWER_BYTES_MAX], two[SCRAM_ANSWER_BYTES_MAX], real[SCRAM_ANSWER_BYTES_MAX], salts[3][100];
    scram(d, MECHANISM_SCRAM_SHA_256, "root", "wrong", real, &s);
    check_out(&s);
    ck_assert_ptr_nonnull(s.who);
    scram(d, MECHANISM_SCRAM_SHA_256, "nobody", "wrong", one, &s);
    check_out(&s);
    ck_assert_ptr_null(s.who);
    scram(d, MECHANISM_SCRAM_SHA_256, "nobody", "wrong", two, &s);
    ck_assert_uint_eq(strlen(one), strlen(real));
    ck_assert_int_eq(sscanf(one, "%*[^,],s=%99[^,],i=4096", salts[0]), 1);
    ck_assert_int_eq(sscanf(two, "%*[^,],s=%99[^,],i=4096", salts[1]), 1);
    ck_assert_str_eq(salts[0], salts[1]);
    ck_assert_str_ne(one, two); /* but another nonce each time */
    uint8_t salt_bytes[24], parts = 0;
    EVP_DecodeBlock(salt_bytes, (const unsigned char *)salts[0], (int)strlen(salts[0]));
    for (int i = 0; i < SCRAM_SALT_BYTES; i++) parts |= (uint8_t)(salt_bytes[i] != 0) << (i / 4);
    ck_assert_uint_eq(parts, 15); /* random in every part, as a real one */
    scram(d, MECHANISM_SCRAM_SHA_512, "nobody", "wrong", two, &s);
    ck_assert_int_eq(sscanf(two, "%*[^,],s=%99[^,],i=4096", salts[2]), 1);
    ck_assert_str_ne(salts[0], salts[2]);
    scram(d, MECHANISM_SCRAM_SHA_256, "somebody", "wrong", two, &s);
    ck_assert_int_eq(sscanf(two, "%*[^,],s=%99[^,],i=4096", salts[2]), 1);
    ck_assert_str_ne(salts[0], salts[2]);
    directory_free(d);
}
END_TEST

START_TEST(first_messages_are_read_as_rfc_5802_writes_them)
{
    static const struct { const char *message; enum err e; const char *user; } cases[] = {
        {"n,,n=a,r=x", ERR_OK, "a"},
        {"y,,n=a,r=x", ERR_OK, "a"},
        {"n,a=a,n=a,r=x", ERR_OK, "a"},
        {"n,,n=a=2Cb=3Dc,r=x", ERR_OK, "a,b=c"},
        {"n,,n=a,r=x,ext=1", ERR_OK, "a"},
        {"n,,n=a,r=x,tokenauth=true", ERR_OK, "a"},
        {"p=tls-unique,,n=a,r=x", ERR_UNSUPPORTED, ""},
        {"n,,m=must,n=a,r=x", ERR_UNSUPPORTED, ""},
        {"n,a=b,n=a,r=x", ERR_INVALID, ""},
        {"n,,n=a=2D,r=x", ERR_INVALID, ""},
        {"n,,n=a=,r=x", ERR_INVALID, ""},
        {"n,,n=,r=x", ERR_INVALID, ""},
        {"n,,n=a,r=", ERR_INVALID, ""},
        {"n,,n=a,r=x y", ERR_INVALID, ""},
        {"n,,r=x,n=a", ERR_INVALID, ""},
        {"n,,n=a", ERR_INVALID, ""},
        {"n,n=a,r=x", ERR_INVALID, ""},
        {"n=a,r=x", ERR_INVALID, ""},
        {"", ERR_INVALID, ""},
    };
    struct scram_exchange x;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum err e = scram_begin(&x, SCRAM_SHA_256, cases[i].message, strlen(cases[i].message));
        ck_assert_msg(e == cases[i].e, "%s: %s", cases[i].message, err_text(e));
        if (e == ERR_OK) ck_assert_str_eq(x.user, cases[i].user);
    }
    char large[SCRAM_TOKEN_BYTES_MAX + 1];
    memset(large, 'u', sizeof large); /* the longest that is read: its name is nobody's, not the front of somebody's */
    memcpy(large, "n,,n=", 5);
    memcpy(large + sizeof large - 5, ",r=x", 4);
    ck_assert_int_eq(scram_begin(&x, SCRAM_SHA_256, large, sizeof large - 1), ERR_OK);
    ck_assert_str_eq(x.user, "");
    ck_assert_int_eq(scram_begin(&x, SCRAM_SHA_256, large, sizeof large), ERR_INVALID);
}
END_TEST

/* No sequence of tokens of a stranger's lets it in: random changes of a good conversation's tokens. */
START_TEST(no_changed_token_lets_anybody_in)
{
    struct directory *d = people();
    struct random r;
    random_init(&r, 5802);
    for (int round = 0; round < 3000; round++) {
        struct login l = {.mechanism = MECHANISM_SCRAM_SHA_256 + (enum mechanism)random_below(&r, 2)};
        struct login_step s = {.result = LOGIN_GOES_ON};
        char token[SCRAM_TOKEN_BYTES_MAX] = "n,,n=root,r=fyko+d2lbbFgONRv9qkxdawL";
        size_t size = strlen(token);
        for (int step = 0; step < 3 && s.result == LOGIN_GOES_ON; step++) {
            for (uint64_t changes = random_below(&r, 3); changes > 0; changes--)
                token[random_below(&r, size)] = (char)random_below(&r, 256);
            char *exact = malloc(size); /* so that a read past the end is seen */
            memcpy(exact, token, size);
            login_step(&l, d, exact, size, false, &s);
            free(exact);
            ck_assert_int_ne(s.result, LOGIN_DONE);
            if (s.result != LOGIN_GOES_ON) break;
            size = (size_t)snprintf(token, sizeof token, "c=biws,%.*s,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                                    (int)strcspn(s.answer, ","), s.answer);
        }
    }
    directory_free(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("login");
    TCase *t = tcase_create("login");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, the_conversations_of_the_standards_come_out, 0, VECTORS);
    tcase_add_loop_test(t, what_is_no_verifier_is_refused, 0, VECTORS);
    tcase_add_test(t, each_mechanism_lets_in_who_knows_the_password);
    tcase_add_test(t, a_user_who_is_not_there_looks_like_one_who_is);
    tcase_add_test(t, first_messages_are_read_as_rfc_5802_writes_them);
    tcase_add_test(t, no_changed_token_lets_anybody_in);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

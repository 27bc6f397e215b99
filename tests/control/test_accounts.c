/* Goal: accounts survive a restart and any damage of their file is told; names never collide, limits hold, and a change
 * that could not be kept did not happen.  A password stands nowhere. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/accounts.h"
#include "tests/suite.h"

static char folder[] = "/tmp/millrace-accounts-XXXXXX", path[100];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/accounts.json", folder);
}

static void teardown(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
}

static void open_ok(struct accounts *a)
{
    struct err_msg msg = {.code = ERR_OK};
    ck_assert_msg(accounts_open(a, folder, 2, 3, &msg) == ERR_OK, "%s", msg.text);
}

static enum err add(struct accounts *a, const char *channel, const char *group, const char *name,
                    const char *password)
{
    struct account who = {.credential = 0};
    struct err_msg msg = {.code = ERR_OK};
    snprintf(who.channel, sizeof who.channel, "%s", channel);
    snprintf(who.group_id, sizeof who.group_id, "%s", group);
    snprintf(who.name, sizeof who.name, "%s", name);
    enum err e = accounts_add(a, &who, password, &msg);
    ck_assert(e == ERR_OK || msg.text[0] != '\0');
    ck_assert_ptr_null(strstr(msg.text, "secret"));
    return e;
}

static bool accepts(const struct account *who, const char *password)
{
    bool by_256 = scram_verifier_accepts(&who->verifier[0], SCRAM_SHA_256, password, strlen(password));
    ck_assert(by_256 == scram_verifier_accepts(&who->verifier[1], SCRAM_SHA_512, password, strlen(password)));
    return by_256;
}

static size_t file_read(char *out, size_t max)
{
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    size_t size = fread(out, 1, max - 1, f);
    out[size] = '\0';
    fclose(f);
    return size;
}

START_TEST(accounts_survive_a_restart)
{
    struct accounts a;
    struct err_msg msg;
    static char text[20000];
    struct stat st;
    open_ok(&a);
    ck_assert_uint_eq(a.count, 0);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(add(&a, "orders", "billing", "ann", "secret-one"), ERR_OK);
    ck_assert_int_eq(add(&a, "", "", "root", "secret-two"), ERR_OK);
    uint64_t credential = accounts_find_group(&a, "billing")->credential;
    ck_assert_uint_ne(credential, accounts_find_operator(&a, "root")->credential);
    uint8_t salt_key[DIRECTORY_KEY_BYTES];
    memcpy(salt_key, a.salt_key, sizeof salt_key);
    accounts_close(&a);

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_uint_gt(file_read(text, sizeof text), 500);
    ck_assert_ptr_null(strstr(text, "secret-"));

    open_ok(&a);
    ck_assert_uint_eq(a.count, 2);
    ck_assert_mem_eq(a.salt_key, salt_key, sizeof salt_key);
    const struct account *who = accounts_find_group(&a, "billing");
    ck_assert(accepts(who, "secret-one") && !accepts(who, "secret-two"));
    ck_assert_str_eq(who->channel, "orders");
    ck_assert_str_eq(who->name, "ann");
    ck_assert_ptr_null(accounts_find_operator(&a, "ann"));
    ck_assert_ptr_null(accounts_find_group(&a, ""));

    credential = who->credential;
    ck_assert_int_eq(accounts_set_password(&a, who, "secret-new", &msg), ERR_OK);
    who = accounts_find_group(&a, "billing");
    ck_assert_uint_ne(who->credential, credential);
    ck_assert(accepts(who, "secret-new") && !accepts(who, "secret-one"));
    ck_assert_int_eq(accounts_remove(&a, accounts_find_operator(&a, "root"), &msg), ERR_OK);
    accounts_close(&a);
    open_ok(&a);
    ck_assert_ptr_null(accounts_find_operator(&a, "root"));
    ck_assert(accepts(accounts_find_group(&a, "billing"), "secret-new"));
    ck_assert_int_eq(accounts_remove_channel(&a, "others", &msg), ERR_OK);
    ck_assert_uint_eq(a.count, 1);
    ck_assert_int_eq(accounts_remove_channel(&a, "orders", &msg), ERR_OK);
    accounts_close(&a);
    open_ok(&a);
    ck_assert_uint_eq(a.count, 0);
    accounts_close(&a);
}
END_TEST

START_TEST(names_and_limits)
{
    struct accounts a;
    open_ok(&a);
    ck_assert_int_eq(add(&a, "orders", "b-c", "a", "secret-1"), ERR_OK);
    ck_assert_int_eq(add(&a, "orders", "b-c", "z", "secret-1"), ERR_EXISTS);   /* the group */
    ck_assert_int_eq(add(&a, "payments", "b-c", "z", "secret-1"), ERR_EXISTS); /* also elsewhere */
    ck_assert_int_eq(add(&a, "orders", "c", "a-b", "secret-1"), ERR_EXISTS);   /* would log in as a-b-c, too */
    ck_assert_int_eq(add(&a, "", "", "a-b-c", "secret-1"), ERR_EXISTS);
    ck_assert_int_eq(add(&a, "orders", "d", "a-b", "secret-1"), ERR_OK);
    ck_assert_int_eq(add(&a, "orders", "e", "a b", "secret-1"), ERR_INVALID);
    ck_assert_int_eq(add(&a, "orders", "e/f", "a", "secret-1"), ERR_INVALID);
    ck_assert_int_eq(add(&a, "orders", "e", "", "secret-1"), ERR_INVALID);
    ck_assert_int_eq(add(&a, "orders", "e", "a", "secret1"), ERR_INVALID); /* short */
    ck_assert_int_eq(add(&a, "orders", "e", "a", "secret\t12"), ERR_INVALID);
    ck_assert_int_eq(add(&a, "orders", "e", "a", "secret-1"), ERR_OK);
    ck_assert_int_eq(add(&a, "orders", "f", "a", "secret-1"), ERR_TOO_LARGE);
    ck_assert_int_eq(add(&a, "payments", "f", "a", "secret-1"), ERR_OK);
    ck_assert_uint_eq(a.count, 4);
    accounts_close(&a);

    struct err_msg msg = {.code = ERR_OK};
    char kept[20000], now[20000];
    file_read(kept, sizeof kept);
    ck_assert_int_eq(accounts_open(&a, folder, 1, 1, &msg), ERR_OK); /* fewer per channel, but there is room in all */
    accounts_close(&a);
    file_read(now, sizeof now);
    ck_assert_str_eq(kept, now);
}
END_TEST

START_TEST(a_change_that_could_not_be_kept_did_not_happen)
{
    struct accounts a;
    struct err_msg msg = {.code = ERR_OK};
    char blocked[120], kept[20000], now[20000];
    open_ok(&a);
    ck_assert_int_eq(add(&a, "orders", "billing", "ann", "secret-one"), ERR_OK);
    file_read(kept, sizeof kept);
    snprintf(blocked, sizeof blocked, "%s.new", path);
    ck_assert_int_eq(mkdir(blocked, 0700), 0); /* stands where the new file would be written */
    const struct account *who = accounts_find_group(&a, "billing");
    uint64_t credential = who->credential;
    ck_assert_int_eq(add(&a, "orders", "other", "ann", "secret-one"), ERR_IO);
    ck_assert_int_eq(accounts_set_password(&a, who, "secret-two", &msg), ERR_IO);
    ck_assert_int_eq(accounts_remove(&a, who, &msg), ERR_IO);
    ck_assert_int_eq(accounts_remove_channel(&a, "orders", &msg), ERR_IO);
    ck_assert_uint_eq(a.count, 1);
    who = accounts_find_group(&a, "billing");
    ck_assert_uint_eq(who->credential, credential);
    ck_assert(accepts(who, "secret-one"));
    file_read(now, sizeof now);
    ck_assert_str_eq(kept, now);
    ck_assert_int_eq(rmdir(blocked), 0);
    accounts_close(&a);
}
END_TEST

/* The folder's flush comes last: when it fails the names are put back. */
int __real_fsync(int fd);
int __wrap_fsync(int fd);
static int fsync_fails_in; /* so many calls from now; 0: it does not */
int __wrap_fsync(int fd)
{
    if (fsync_fails_in == 0 || --fsync_fails_in != 0) return __real_fsync(fd);
    errno = EIO;
    return -1;
}

START_TEST(a_folder_that_is_not_flushed_changes_nothing)
{
    struct accounts a;
    struct err_msg msg = {.code = ERR_OK};
    char fresh[120], kept[20000], now[20000];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    open_ok(&a);
    for (int call = 1; call <= 2; call++) { /* the file, the folder */
        fsync_fails_in = call;
        ck_assert_int_eq(add(&a, "orders", "billing", "ann", "secret-one"), ERR_IO);
        ck_assert_int_eq(fsync_fails_in, 0);
        ck_assert_uint_eq(a.count, 0);
        ck_assert(access(path, F_OK) != 0 && access(fresh, F_OK) != 0);
    }
    ck_assert_int_eq(add(&a, "orders", "billing", "ann", "secret-one"), ERR_OK);
    file_read(kept, sizeof kept);
    const struct account *who = accounts_find_group(&a, "billing");
    for (int call = 1; call <= 2; call++) {
        fsync_fails_in = call;
        ck_assert_int_eq(accounts_set_password(&a, who, "secret-two", &msg), ERR_IO);
        file_read(now, sizeof now);
        ck_assert_str_eq(kept, now);
        ck_assert(accepts(who, "secret-one") && access(fresh, F_OK) != 0);
    }
    ck_assert_int_eq(accounts_set_password(&a, who, "secret-two", &msg), ERR_OK);
    ck_assert_int_ne(access(fresh, F_OK), 0);
    accounts_close(&a);
    open_ok(&a);
    ck_assert(accepts(accounts_find_group(&a, "billing"), "secret-two"));
    accounts_close(&a);
}
END_TEST

/* No file is a beginning; one that cannot be looked at is not. */
START_TEST(a_file_that_cannot_be_looked_at_is_told)
{
    struct accounts a;
    struct err_msg msg = {.code = ERR_OK};
    ck_assert_int_eq(symlink("accounts.json", path), 0); /* to itself */
    ck_assert_int_eq(accounts_open(&a, folder, 2, 3, &msg), ERR_IO);
    ck_assert_msg(strstr(msg.text, "cannot read") != NULL && strstr(msg.text, path) != NULL, "%s", msg.text);
    accounts_close(&a);
}
END_TEST

START_TEST(any_damage_is_told)
{
    struct accounts a, whole;
    struct err_msg msg;
    static char kept[20000];
    open_ok(&whole);
    ck_assert_int_eq(add(&whole, "orders", "billing", "ann", "secret-one"), ERR_OK);
    ck_assert_int_eq(add(&whole, "", "", "root", "secret-two"), ERR_OK);
    size_t size = file_read(kept, sizeof kept);
    for (size_t i = 0; i < 2 * size; i += i < size ? 1 : 7) { /* a changed byte, then a cut */
        FILE *f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        for (size_t k = 0; k < (i < size ? size : i - size); k++) fputc(k == i ? kept[k] ^ 1 : kept[k], f);
        ck_assert_int_eq(fclose(f), 0);
        msg.text[0] = '\0';
        enum err e = accounts_open(&a, folder, 2, 3, &msg);
        if (e == ERR_OK) { /* only what means the same: white space */
            ck_assert_uint_eq(a.count, 2);
            ck_assert_mem_eq(a.list, whole.list, 2 * sizeof *a.list);
        } else {
            ck_assert_msg(e == ERR_CORRUPT || e == ERR_NEWER_FORMAT, "byte %zu: %s", i, err_text(e));
            ck_assert_msg(strstr(msg.text, "accounts.json") != NULL, "%s", msg.text);
            ck_assert_ptr_null(strstr(msg.text, "SCRAM-SHA"));
        }
        accounts_close(&a);
    }
    accounts_close(&whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("accounts");
    TCase *t = tcase_create("accounts");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, accounts_survive_a_restart);
    tcase_add_test(t, names_and_limits);
    tcase_add_test(t, a_change_that_could_not_be_kept_did_not_happen);
    tcase_add_test(t, a_folder_that_is_not_flushed_changes_nothing);
    tcase_add_test(t, a_file_that_cannot_be_looked_at_is_told);
    tcase_add_test(t, any_damage_is_told);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

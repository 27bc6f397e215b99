#include "control/accounts.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/random.h"
#include "control/channel_spec.h"
#include "control/durable_file.h"
#include "control/json_take.h"

enum { ACCOUNTS_FORMAT = 1, ACCOUNTS_FILE_BYTES_MAX = 64 << 20, SALT_KEY_CHARS = 2 * DIRECTORY_KEY_BYTES };

_Static_assert((int)ACCOUNT_CHANNEL_MAX == (int)CHANNEL_NAME_MAX, "a channel's name must fit into its accounts");

/* --- as JSON --- */

static json_t *account_json(const struct account *a)
{
    char text[SCRAM_HASH_COUNT][SCRAM_TEXT_BYTES];
    for (int hash = 0; hash < SCRAM_HASH_COUNT; hash++)
        scram_verifier_print(&a->verifier[hash], (enum scram_hash)hash, text[hash]);
    json_t *made = json_pack("{s:s, s:[s, s]}", "account", a->name, "verifiers", text[0], text[1]);
    if (a->group_id[0] == '\0') return made;
    json_object_set_new(made, "channel", json_string(a->channel));
    json_object_set_new(made, "group", json_string(a->group_id));
    return made;
}

/* False: no memory. */
static bool checksum_of(const char *salt_key, const json_t *accounts, uint32_t *out)
{
    char *text = json_dumps(accounts, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL) return false;
    *out = crc32c(crc32c(0, salt_key, strlen(salt_key)), text, strlen(text));
    free(text);
    return true;
}

static void salt_key_print(const struct accounts *a, char out[SALT_KEY_CHARS + 1])
{
    for (int i = 0; i < DIRECTORY_KEY_BYTES; i++) snprintf(out + 2 * i, 3, "%02x", a->salt_key[i]);
}

static bool salt_key_parse(struct accounts *a, const char *text)
{
    if (strlen(text) != SALT_KEY_CHARS || strspn(text, "0123456789abcdef") != SALT_KEY_CHARS) return false;
    for (int i = 0; i < DIRECTORY_KEY_BYTES; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        a->salt_key[i] = (uint8_t)byte;
    }
    return true;
}

static enum err save(const struct accounts *a, const struct account *list, uint32_t count, struct err_msg *msg)
{
    char salt_key[SALT_KEY_CHARS + 1];
    uint32_t crc = 0;
    json_t *accounts = json_array();
    for (uint32_t i = 0; i < count; i++) json_array_append_new(accounts, account_json(&list[i]));
    salt_key_print(a, salt_key);
    bool is_whole = json_array_size(accounts) == count && checksum_of(salt_key, accounts, &crc);
    json_t *file = json_pack("{s:i, s:s, s:o, s:I}", "format", ACCOUNTS_FORMAT, "salt_key", salt_key, "accounts",
                             accounts, "crc32c", (json_int_t)crc);
    char *text = file == NULL || !is_whole ? NULL : json_dumps(file, JSON_INDENT(1));
    json_decref(file);
    if (text == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to save the accounts");
    enum err e = durable_file_replace(a->path, text, msg);
    explicit_bzero(text, strlen(text));
    free(text);
    return e;
}

/* --- reading --- */

static enum err take_account(const json_t *from, struct account *out, struct err_msg *msg)
{
    static const char *const keys[] = {"account", "channel", "group", "verifiers", NULL};
    TRY(json_only_keys(from, keys, "an account", msg));
    TRY(json_take_text(from, "account", "account", 1, ACCOUNT_NAME_MAX, NULL, out->name, msg));
    TRY(json_take_text(from, "group", "group", 0, ACCOUNT_GROUP_MAX, "", out->group_id, msg));
    TRY(json_take_text(from, "channel", "channel", 0, ACCOUNT_CHANNEL_MAX, "", out->channel, msg));
    const json_t *verifiers = json_object_get(from, "verifiers");
    bool holds = json_array_size(verifiers) == SCRAM_HASH_COUNT && account_word_is_legal(out->name, ACCOUNT_NAME_MAX) &&
                 (out->group_id[0] == '\0') == (out->channel[0] == '\0');
    for (int hash = 0; hash < SCRAM_HASH_COUNT && holds; hash++) {
        const char *text = json_string_value(json_array_get(verifiers, (size_t)hash));
        holds = text != NULL && scram_verifier_parse(&out->verifier[hash], (enum scram_hash)hash, text) == ERR_OK;
    }
    return holds ? ERR_OK : err_set(msg, ERR_CORRUPT, "the account %s is not whole", out->name);
}

static enum err take_file(struct accounts *a, const json_t *file, struct err_msg *msg)
{
    static const char *const keys[] = {"format", "salt_key", "accounts", "crc32c", NULL};
    char salt_key[SALT_KEY_CHARS + 1];
    int64_t format, crc;
    uint32_t is_crc = 0;
    TRY(json_take_number(file, "format", "format", 1, INT32_MAX, 1, &format, msg));
    if (format > ACCOUNTS_FORMAT)
        return err_set(msg, ERR_NEWER_FORMAT, "has format %lld, this version knows %d", (long long)format,
                       ACCOUNTS_FORMAT);
    TRY(json_only_keys(file, keys, "the file", msg));
    TRY(json_take_text(file, "salt_key", "salt_key", SALT_KEY_CHARS, SALT_KEY_CHARS, NULL, salt_key, msg));
    TRY(json_take_number(file, "crc32c", "crc32c", 0, UINT32_MAX, -1, &crc, msg));
    const json_t *list = json_object_get(file, "accounts");
    if (!json_is_array(list) || !salt_key_parse(a, salt_key) || !checksum_of(salt_key, list, &is_crc) ||
        crc != (int64_t)is_crc)
        return err_set(msg, ERR_CORRUPT, "the checksum over the accounts does not hold");
    size_t count = json_array_size(list);
    if (count > a->max)
        return err_set(msg, ERR_TOO_LARGE,
                       "has %zu accounts, but channels_max and groups_per_channel_max allow %u: raise them", count,
                       a->max);
    for (size_t i = 0; i < count; i++) {
        TRY(take_account(json_array_get(list, i), &a->list[i], msg));
        a->list[i].credential = ++a->last_credential;
        a->count++;
    }
    return ERR_OK;
}

static enum err load(struct accounts *a, struct err_msg *msg)
{
    struct stat st;
    json_error_t why;
    struct err_msg inner = {.code = ERR_OK};
    if (stat(a->path, &st) != 0) {
        if (errno != ENOENT) return durable_file_error(msg, "read", a->path);
        random_secret(a->salt_key, sizeof a->salt_key); /* saved with the first account */
        return ERR_OK;
    }
    const char *mend = "restore it from a copy, or move it away and create the groups' accounts again";
    if (!S_ISREG(st.st_mode) || st.st_size > ACCOUNTS_FILE_BYTES_MAX)
        return err_set(msg, ERR_CORRUPT, "%s is no file of accounts: %s", a->path, mend);
    json_t *file = json_load_file(a->path, JSON_REJECT_DUPLICATES, &why);
    if (file == NULL)
        return err_set(msg, ERR_CORRUPT, "%s is not JSON from line %d on: %s", a->path, why.line, mend);
    enum err e = take_file(a, file, &inner);
    json_decref(file);
    if (e == ERR_OK) return ERR_OK;
    if (e == ERR_INVALID) e = ERR_CORRUPT;
    return err_set(msg, e, "%s: %s; %s", a->path, inner.text,
                   e == ERR_CORRUPT ? mend : "nothing was changed");
}

enum err accounts_open(struct accounts *a, const char *data_folder, uint32_t channels_max,
                       uint32_t groups_per_channel_max, struct err_msg *msg)
{
    *a = (struct accounts){.groups_per_channel_max = groups_per_channel_max,
                           .max = accounts_max_of(channels_max, groups_per_channel_max)};
    if (snprintf(a->path, sizeof a->path, "%s/accounts.json", data_folder) >= (int)sizeof a->path)
        return err_set(msg, ERR_INVALID, "the path of data_folder is too long: %.100s...", data_folder);
    char fresh[sizeof a->path + 4];
    snprintf(fresh, sizeof fresh, "%s.new", a->path);
    unlink(fresh); /* of an interrupted save */
    a->list = calloc(a->max, sizeof *a->list);
    if (a->list == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the accounts");
    return load(a, msg);
}

void accounts_close(struct accounts *a)
{
    if (a->list != NULL) explicit_bzero(a->list, a->max * sizeof *a->list);
    free(a->list);
    *a = (struct accounts){.count = 0};
}

/* --- finding --- */

const struct account *accounts_find_group(const struct accounts *a, const char *group_id)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (a->list[i].group_id[0] != '\0' && strcmp(a->list[i].group_id, group_id) == 0) return &a->list[i];
    return NULL;
}

const struct account *accounts_find_operator(const struct accounts *a, const char *name)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (a->list[i].group_id[0] == '\0' && strcmp(a->list[i].name, name) == 0) return &a->list[i];
    return NULL;
}

static const struct account *find_user(const struct accounts *a, const char *user)
{
    for (uint32_t i = 0; i < a->count; i++) {
        char other[ACCOUNT_USER_BYTES];
        account_user(&a->list[i], other);
        if (strcmp(other, user) == 0) return &a->list[i];
    }
    return NULL;
}

/* --- changing --- */

static enum err check_password(const char *password, struct err_msg *msg)
{
    size_t size = strlen(password);
    if (size < ACCOUNT_PASSWORD_MIN || size > ACCOUNT_PASSWORD_MAX)
        return err_set(msg, ERR_INVALID, "a password must have %d to %d bytes", ACCOUNT_PASSWORD_MIN,
                       ACCOUNT_PASSWORD_MAX);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)password[i] < 0x20 || password[i] == 0x7f)
            return err_set(msg, ERR_INVALID, "a password must not contain control characters");
    return ERR_OK;
}

static enum err check_new(const struct accounts *a, const struct account *who, struct err_msg *msg)
{
    char user[ACCOUNT_USER_BYTES];
    bool is_operator = who->group_id[0] == '\0';
    uint32_t beside = 0;
    const char *allowed = "letters, digits, '.', '_' and '-'";
    if (!account_word_is_legal(who->name, ACCOUNT_NAME_MAX))
        return err_set(msg, ERR_INVALID, "account must have 1 to %d characters: %s", ACCOUNT_NAME_MAX, allowed);
    if (!is_operator && !account_word_is_legal(who->group_id, ACCOUNT_GROUP_MAX))
        return err_set(msg, ERR_INVALID, "group must have 1 to %d characters: %s", ACCOUNT_GROUP_MAX, allowed);
    const struct account *same = is_operator ? NULL : accounts_find_group(a, who->group_id);
    if (same != NULL)
        return err_set(msg, ERR_EXISTS, "there is a group %s already, of channel %s: a group's ID stands once",
                       who->group_id, same->channel);
    account_user(who, user);
    if (find_user(a, user) != NULL)
        return err_set(msg, ERR_EXISTS, "there is an account that logs in as %s already: choose another name", user);
    for (uint32_t i = 0; i < a->count; i++) beside += strcmp(a->list[i].channel, who->channel) == 0;
    if (!is_operator && beside >= a->groups_per_channel_max)
        return err_set(msg, ERR_TOO_LARGE, "channel %s has %u groups already (groups_per_channel_max): delete one",
                       who->channel, beside);
    if (is_operator && beside >= ACCOUNTS_OPERATORS_MAX)
        return err_set(msg, ERR_TOO_LARGE, "there are %d operators' accounts already: delete one",
                       ACCOUNTS_OPERATORS_MAX);
    if (a->count >= a->max) /* of channels that are being deleted */
        return err_set(msg, ERR_TOO_LARGE, "there are %u accounts already", a->count);
    return ERR_OK;
}

/* A list to be changed, or NULL. */
static struct account *copy(const struct accounts *a, struct err_msg *msg)
{
    struct account *list = calloc(a->max, sizeof *list);
    if (list == NULL) {
        err_set(msg, ERR_NO_MEMORY, "no memory for the accounts");
        return NULL;
    }
    memcpy(list, a->list, a->count * sizeof *list);
    return list;
}

/* Saves the list and puts it in the old one's place. */
static enum err replace(struct accounts *a, struct account *list, uint32_t count, struct err_msg *msg)
{
    enum err e = save(a, list, count, msg);
    struct account *done_with = e == ERR_OK ? a->list : list;
    explicit_bzero(done_with, a->max * sizeof *done_with);
    free(done_with);
    if (e != ERR_OK) return e;
    a->list = list;
    a->count = count;
    return ERR_OK;
}

static enum err put_password(struct accounts *a, struct account *list, uint32_t at, uint32_t count,
                             const char *password, struct err_msg *msg)
{
    if (account_set_password(&list[at], password, strlen(password)) != ERR_OK) {
        free(list);
        return err_set(msg, ERR_NO_MEMORY, "no memory for a password's verifiers");
    }
    list[at].credential = ++a->last_credential;
    return replace(a, list, count, msg);
}

enum err accounts_add(struct accounts *a, const struct account *who, const char *password, struct err_msg *msg)
{
    TRY(check_new(a, who, msg));
    TRY(check_password(password, msg));
    struct account *list = copy(a, msg);
    if (list == NULL) return ERR_NO_MEMORY;
    list[a->count] = *who;
    return put_password(a, list, a->count, a->count + 1, password, msg);
}

enum err accounts_set_password(struct accounts *a, const struct account *who, const char *password,
                               struct err_msg *msg)
{
    TRY(check_password(password, msg));
    struct account *list = copy(a, msg);
    if (list == NULL) return ERR_NO_MEMORY;
    return put_password(a, list, (uint32_t)(who - a->list), a->count, password, msg);
}

enum err accounts_remove(struct accounts *a, const struct account *who, struct err_msg *msg)
{
    uint32_t at = (uint32_t)(who - a->list);
    struct account *list = copy(a, msg);
    if (list == NULL) return ERR_NO_MEMORY;
    memmove(&list[at], &list[at + 1], (a->count - at - 1) * sizeof *list);
    return replace(a, list, a->count - 1, msg);
}

enum err accounts_remove_channel(struct accounts *a, const char *channel, struct err_msg *msg)
{
    struct account *list = copy(a, msg);
    uint32_t kept = 0;
    if (list == NULL) return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->list[i].channel, channel) != 0) list[kept++] = a->list[i];
    if (kept < a->count) return replace(a, list, kept, msg);
    free(list);
    return ERR_OK;
}

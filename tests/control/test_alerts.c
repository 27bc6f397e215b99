/* Goal: alert rules over simulated time, notices, targets and what survives a restart; the ways to a target are tested
 * with real receivers by test_alert_delivery.py. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/alert/alerts.h"
#include "tests/suite.h"

#define SECOND_NS 1000000000ull

/* JSON as it is legible in C: with ' for ". */
static json_t *json_of(const char *text)
{
    char *copy = strdup(text);
    for (char *c = copy; *c != '\0'; c++)
        if (*c == '\'') *c = '"';
    json_t *made = json_loads(copy, 0, NULL);
    ck_assert_msg(made != NULL, "%s", text);
    free(copy);
    return made;
}

static struct alert_rule rule_of(const char *json)
{
    struct alert_rule rule;
    struct err_msg msg = {.code = ERR_OK};
    json_t *from = json_of(json);
    ck_assert_msg(alert_rule_parse(from, &rule, &msg) == ERR_OK, "%s", msg.text);
    json_decref(from);
    return rule;
}

/* --- a rule over time --- */

/* One letter a second: what the measure was, and what must come of it: '.' stays, 'F' fires, 'R' recovers. */
static void play(const char *rule_json, const int64_t *values, const char *turns)
{
    struct alert_rule rule = rule_of(rule_json);
    struct alert_watch w = {.is_firing = false};
    for (size_t s = 0; turns[s] != '\0'; s++) {
        enum alert_turn turn = alert_watch_step(&w, &rule, values[s], (100 + s) * SECOND_NS, 5000 + s * 1000);
        char letter = turn == ALERT_STAYS ? '.' : turn == ALERT_FIRES ? 'F' : 'R';
        ck_assert_msg(letter == turns[s], "second %zu: %c, expected %c", s, letter, turns[s]);
        if (letter == 'F') /* since it went bad, not since it was told */
            ck_assert_uint_eq(w.since_ms, 5000 + (s - (size_t)rule.hold_s) * 1000);
    }
}

START_TEST(a_measure_must_stay_bad_and_stay_good)
{
    int64_t calm[] = {0, 10, 11, 12, 9, 50, 50, 50, 50, 5, 50, 5, 5, 5, 5};
    play("{'id': 'a', 'kind': 'source_delay', 'threshold': 10, 'hold_s': 3}", calm, "........F.....R");
    play("{'id': 'a', 'kind': 'source_delay', 'threshold': 10}", calm, "..F.RF...RFR...");
}
END_TEST

START_TEST(some_measures_are_bad_when_small)
{
    int64_t free_percent[] = {50, 11, 10, 3, ALERT_NOTHING_BAD, 10, 90};
    play("{'id': 'a', 'kind': 'disk', 'threshold': 10}", free_percent, "..F.RFR");
    int64_t error[] = {0, 1, 1, 0};
    play("{'id': 'a', 'kind': 'error'}", error, ".F.R");
}
END_TEST

START_TEST(wrong_rules_are_refused)
{
    static const char *const wrong[][2] = {
        {"[]", "must be a JSON object"},
        {"{'kind': 'error'}", "id is required"},
        {"{'id': 'a b', 'kind': 'error'}", "letters, digits"},
        {"{'id': 'a', 'kind': 'nonsense'}", "kind must be"},
        {"{'id': 'a', 'kind': 'disk', 'threshold': 101}", "threshold must be a whole number from 0 to 100"},
        {"{'id': 'a', 'kind': 'disk', 'threshold': '5'}", "threshold must be"},
        {"{'id': 'a', 'kind': 'disk', 'group': 'g'}", "has no group"},
        {"{'id': 'a', 'kind': 'error', 'hold_s': -1}", "hold_s must be"},
        {"{'id': 'a', 'kind': 'error', 'is_on': 1}", "is_on must be"},
        {"{'id': 'a', 'kind': 'error', 'colour': 1}", "unknown field 'colour'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct alert_rule rule;
        struct err_msg msg = {.code = ERR_OK};
        json_t *from = json_of(wrong[i][0]);
        ck_assert_int_eq(alert_rule_parse(from, &rule, &msg), ERR_INVALID);
        ck_assert_msg(strstr(msg.text, wrong[i][1]) != NULL, "%s: %s", wrong[i][0], msg.text);
        json_decref(from);
    }
}
END_TEST

/* --- notices --- */

static struct alert_notice notice_of(const char *rule_json, const char *group, int64_t value, bool is_firing)
{
    struct alert_notice n;
    struct alert_rule rule = rule_of(rule_json);
    struct alert_watch w = {.is_firing = is_firing, .since_ms = 1700000000000, .value = value};
    alert_notice_make(&n, "orders", &rule, group, &w, 1700000060000, "the source is gone");
    return n;
}

START_TEST(sentences_are_for_people)
{
    struct alert_notice n = notice_of("{'id': 'a', 'kind': 'source_delay'}", "", 7260, true);
    ck_assert_str_eq(n.text, "channel orders is 2 h 1 min behind its source: the source is gone");
    n = notice_of("{'id': 'a', 'kind': 'group_lag_records'}", "billing", 12, false);
    ck_assert_str_eq(n.text, "group billing of channel orders keeps up again (12 records behind)");
    n = notice_of("{'id': 'a', 'kind': 'error'}", "", 1, true);
    ck_assert_str_eq(n.text, "channel orders is in Error: the source is gone");
    n = notice_of("{'id': 'a', 'kind': 'disk'}", "", 9, true);
    ck_assert_str_eq(n.text, "channel orders: its disk has 9 percent left free: the source is gone");
}
END_TEST

START_TEST(a_notice_comes_back_from_json)
{
    struct alert_notice n = notice_of("{'id': 'a', 'kind': 'retention', 'threshold': 60}", "g", 30, true), back;
    struct err_msg msg = {.code = ERR_OK};
    json_t *json = alert_notice_json(&n);
    ck_assert_str_eq(json_string_value(json_object_get(json, "state")), "firing");
    ck_assert_msg(alert_notice_parse(json, &back, &msg) == ERR_OK, "%s", msg.text);
    json_t *again = alert_notice_json(&back);
    ck_assert(json_equal(json, again));
    json_object_del(json, "kind");
    ck_assert_int_eq(alert_notice_parse(json, &back, &msg), ERR_CORRUPT);
    json_decref(json);
    json_decref(again);
    struct alert_notice other = notice_of("{'id': 'a', 'kind': 'retention'}", "g", 30, true);
    ck_assert_str_ne(n.id, other.id);
}
END_TEST

START_TEST(a_mail_holds_what_it_must)
{
    const char *to[] = {"ops@example.com", "night@example.com"};
    struct alert_notice n = notice_of("{'id': 'slow', 'kind': 'source_delay'}", "", 90, true);
    strcpy(n.text, "a line\r\nX-Injected: yes");
    char *mail = alert_notice_mail(&n, "millrace@example.com", to, 2);
    ck_assert_ptr_nonnull(strstr(mail, "Date: Tue, 14 Nov 2023 22:14:20 +0000\r\n"));
    ck_assert_ptr_nonnull(strstr(mail, "\r\nFrom: <millrace@example.com>\r\n"));
    ck_assert_ptr_nonnull(strstr(mail, "\r\nTo: <ops@example.com>,\r\n <night@example.com>\r\n"));
    ck_assert_ptr_nonnull(strstr(mail, "\r\nSubject: [millrace] firing: channel orders, source_delay\r\n"));
    ck_assert_ptr_nonnull(strstr(mail, "\r\n\r\na line  X-Injected: yes\r\n"));
    ck_assert_ptr_nonnull(strstr(mail, "Measured: 90 s (threshold: 60 s)\r\nSince: 2023-11-14 22:13:20 UTC\r\n"));
    for (const char *c = strchr(mail, '\n'); c != NULL; c = strchr(c + 1, '\n')) ck_assert_int_eq(c[-1], '\r');
    free(mail);
}
END_TEST

/* --- targets --- */

START_TEST(wrong_targets_are_refused_without_their_secrets)
{
    static const char *const wrong[][2] = {
        {"{'id': 'a'}", "kind must be"},
        {"{'id': 'a', 'kind': 'webhook', 'url': 'file:///etc/passwd'}", "must begin with http:// or https://"},
        {"{'id': 'a', 'kind': 'webhook', 'url': 'http://'}", "name a host"},
        {"{'id': 'a', 'kind': 'webhook', 'url': 'http://me:geheim@h/'}", "must not hold a user"},
        {"{'id': 'a', 'kind': 'webhook', 'url': 'http://h/\\r\\nX: 1'}", "control characters"},
        {"{'id': 'a', 'kind': 'webhook', 'url': 'http://h/', 'secret': 5}", "secret must be a string"},
        {"{'id': 'a', 'kind': 'command', 'program': '../sh'}", "name of a file"},
        {"{'id': 'a', 'kind': 'command', 'program': '.profile'}", "name of a file"},
        {"{'id': 'a', 'kind': 'mail', 'url': 'smtp://h', 'from': 'x', 'to': ['a@b']}", "from must be"},
        {"{'id': 'a', 'kind': 'mail', 'url': 'smtp://h', 'from': 'a@b', 'to': []}", "1 to 16"},
        {"{'id': 'a', 'kind': 'mail', 'url': 'smtp://h', 'from': 'a@b', 'to': ['a@b>']}", "each of to"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct alert_target t;
        struct err_msg msg = {.code = ERR_OK};
        json_t *from = json_of(wrong[i][0]);
            ck_assert_int_eq(alert_target_parse(from, NULL, &t, &msg), ERR_INVALID);
        ck_assert_msg(strstr(msg.text, wrong[i][1]) != NULL, "%s: %s", wrong[i][0], msg.text);
        ck_assert_ptr_null(strstr(msg.text, "geheim"));
        json_decref(from);
    }
}
END_TEST

/* --- all of it, over restarts --- */

struct world {
    char folder[64];
    struct clock_simulated clock;
    struct alerts alerts;
    int wake_fd;
};

static void world_open(struct world *w)
{
    struct err_msg msg = {.code = ERR_OK};
    ck_assert_msg(alerts_open(&w->alerts, w->folder, "", &w->clock.clock, w->wake_fd, &msg) == ERR_OK, "%s", msg.text);
}

static void world_init(struct world *w)
{
    *w = (struct world){.wake_fd = eventfd(0, EFD_NONBLOCK)};
    strcpy(w->folder, "/tmp/millrace-alerts-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w->folder));
    clock_simulated_init(&w->clock, 1700000000000);
    world_open(w);
}

static void world_fini(struct world *w)
{
    char path[128];
    alerts_close(&w->alerts);
    snprintf(path, sizeof path, "%s/alerts.json", w->folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/alerts-state.json", w->folder);
    unlink(path);
    rmdir(w->folder);
    close(w->wake_fd);
}

static enum err set(struct world *w, const char *channel, const char *json, struct err_msg *msg)
{
    json_t *body = json_of(json);
    enum err e = channel == NULL ? alerts_set_targets(&w->alerts, body, msg)
                                 : alerts_set_rules(&w->alerts, channel, body, msg);
    json_decref(body);
    return e;
}

/* A second goes by, with this measure for each rule of the channel. */
static void second(struct world *w, const char *channel, const char *group, int64_t value)
{
    clock_simulated_advance(&w->clock, SECOND_NS);
    alerts_round_begin(&w->alerts);
    const struct alert_channel *ch = alerts_find_channel(&w->alerts, channel);
    for (uint32_t i = 0; ch != NULL && group != NULL && i < ch->rule_count; i++)
        alerts_observe(&w->alerts, channel, &ch->rule[i], group, value, "");
    alerts_round_end(&w->alerts);
}

static size_t told(const struct world *w) { return json_array_size(w->alerts.log); }

static const char *last_state(const struct world *w)
{
    return json_string_value(json_object_get(json_array_get(w->alerts.log, told(w) - 1), "state"));
}

#define LAG_RULES "{'rules': [{'id': 'lag', 'kind': 'group_lag_records', 'threshold': 5, 'hold_s': 2}]}"

START_TEST(a_restart_tells_nothing_twice_and_forgets_nothing)
{
    struct world w;
    struct err_msg msg = {.code = ERR_OK};
    world_init(&w);
    ck_assert_int_eq(set(&w, "orders", LAG_RULES, &msg), ERR_OK);
    for (int i = 0; i < 4; i++) second(&w, "orders", "g", 9);
    ck_assert_uint_eq(told(&w), 1);
    ck_assert_uint_eq(alerts_firing(&w.alerts, "orders"), 1);
    alerts_close(&w.alerts);
    world_open(&w);
    ck_assert_uint_eq(alerts_firing(&w.alerts, "orders"), 1);
    for (int i = 0; i < 4; i++) second(&w, "orders", "g", 9);
    ck_assert_uint_eq(told(&w), 0); /* it fires since before */
    for (int i = 0; i < 3; i++) second(&w, "orders", "g", 0);
    ck_assert_uint_eq(told(&w), 1);
    ck_assert_str_eq(last_state(&w), "recovered");
    world_fini(&w);
}
END_TEST

START_TEST(who_is_gone_recovers)
{
    struct world w;
    struct err_msg msg = {.code = ERR_OK};
    world_init(&w);
    ck_assert_int_eq(set(&w, "orders", LAG_RULES, &msg), ERR_OK);
    for (int i = 0; i < 4; i++) second(&w, "orders", "g", 9);
    second(&w, "orders", NULL, 0); /* the group was deleted */
    ck_assert_uint_eq(told(&w), 2);
    ck_assert_str_eq(last_state(&w), "recovered");
    for (int i = 0; i < 4; i++) second(&w, "orders", "g", 9);
    ck_assert_uint_eq(told(&w), 3);
    ck_assert_int_eq(set(&w, "orders", "{'rules': []}", &msg), ERR_OK); /* the rule was removed */
    ck_assert_uint_eq(told(&w), 4);
    ck_assert_str_eq(last_state(&w), "recovered");
    second(&w, "orders", NULL, 0);
    ck_assert_ptr_null(alerts_find_channel(&w.alerts, "orders"));

    ck_assert_int_eq(set(&w, "orders", LAG_RULES, &msg), ERR_OK);
    for (int i = 0; i < 4; i++) second(&w, "orders", "g", 9);
    clock_simulated_advance(&w.clock, SECOND_NS);
    alerts_round_begin(&w.alerts);
    alerts_keep(&w.alerts, "orders"); /* nothing is known for a while: nothing changes */
    alerts_round_end(&w.alerts);
    ck_assert_uint_eq(alerts_firing(&w.alerts, "orders"), 1);
    ck_assert_int_eq(alerts_forget_channel(&w.alerts, "orders", &msg), ERR_OK);
    ck_assert_uint_eq(told(&w), 5);
    alerts_close(&w.alerts);
    world_open(&w);
    ck_assert_ptr_null(alerts_find_channel(&w.alerts, "orders"));
    world_fini(&w);
}
END_TEST

START_TEST(a_secret_stays_with_its_address)
{
    struct world w;
    struct err_msg msg = {.code = ERR_OK};
    world_init(&w);
    ck_assert_int_eq(set(&w, NULL, "{'targets': [{'id': 't', 'kind': 'webhook', 'url': 'http://127.0.0.1:1/a',"
                         " 'secret': 'geheim'}]}", &msg), ERR_OK);
    json_t *shown = alerts_targets_json(&w.alerts, ALERT_TARGET_WITHOUT_SECRET);
    char *text = json_dumps(shown, 0);
    ck_assert_ptr_null(strstr(text, "geheim"));
    ck_assert_ptr_nonnull(strstr(text, "\"has_secret\": true"));
    free(text);
    /* what was shown can be sent back: the secret is still there, over a restart too */
    ck_assert_msg(alerts_set_targets(&w.alerts, shown, &msg) == ERR_OK, "%s", msg.text);
    json_decref(shown);
    alerts_close(&w.alerts);
    world_open(&w);
    ck_assert_str_eq(alert_sender_target(w.alerts.sender[0])->secret, "geheim");
    /* but it is never sent to another address */
    ck_assert_int_eq(set(&w, NULL, "{'targets': [{'id': 't', 'kind': 'webhook', 'url': 'http://127.0.0.1:1/b'"
                         "}]}", &msg), ERR_OK);
    ck_assert_str_eq(alert_sender_target(w.alerts.sender[0])->secret, "");
    ck_assert_int_eq(set(&w, NULL, "{'targets': [{'id': 'p', 'kind': 'command', 'program': 'page'}]}", &msg),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(msg.text, "alert_programs_folder"));
    ck_assert_uint_eq(w.alerts.sender_count, 1); /* as before */
    world_fini(&w);
}
END_TEST

/* A client calls its group what it likes. */
START_TEST(a_group_of_any_name_is_told_once)
{
    struct world w;
    struct err_msg msg = {.code = ERR_OK};
    char name[ALERT_GROUP_MAX + 1] = "bad \xff\n\"name ";
    memset(name + strlen(name), 'n', sizeof name - 1 - strlen(name));
    world_init(&w);
    ck_assert_int_eq(set(&w, NULL, "{'targets': [{'id': 't', 'kind': 'webhook', 'url': 'http://127.0.0.1:1/'}]}", &msg),
                     ERR_OK);
    ck_assert_int_eq(set(&w, "orders", LAG_RULES, &msg), ERR_OK);
    for (int i = 0; i < 8; i++) second(&w, "orders", name, 9);
    ck_assert_uint_eq(told(&w), 1);
    ck_assert_str_eq(last_state(&w), "firing");
    const char *shown = json_string_value(json_object_get(json_array_get(w.alerts.log, 0), "group"));
    ck_assert_ptr_nonnull(shown);
    ck_assert_uint_eq(strlen(shown), ALERT_GROUP_MAX);
    ck_assert_int_eq(strncmp(shown, "bad ??\"name nn", 14), 0);
    alerts_close(&w.alerts);
    world_open(&w);
    ck_assert_uint_eq(alerts_firing(&w.alerts, "orders"), 1);
    for (int i = 0; i < 4; i++) second(&w, "orders", name, 9);
    ck_assert_uint_eq(told(&w), 0);
    world_fini(&w);
}
END_TEST

START_TEST(what_is_not_known_changes_nothing)
{
    struct world w;
    struct err_msg msg = {.code = ERR_OK};
    world_init(&w);
    ck_assert_int_eq(set(&w, "orders", LAG_RULES, &msg), ERR_OK);
    for (int i = 0; i < 4; i++) second(&w, "orders", "g", 9);
    for (int i = 0; i < 9; i++) second(&w, "orders", "g", ALERT_UNKNOWN);
    ck_assert_uint_eq(told(&w), 1);
    ck_assert_uint_eq(alerts_firing(&w.alerts, "orders"), 1);
    world_fini(&w);
}
END_TEST

START_TEST(a_viewer_sees_no_path_of_a_web_hook)
{
    struct world w;
    struct err_msg msg = {.code = ERR_OK};
    world_init(&w);
    ck_assert_int_eq(set(&w, NULL, "{'targets': [{'id': 't', 'kind': 'webhook', 'url': 'http://127.0.0.1:1/geheim'}]}",
                         &msg), ERR_OK);
    json_t *shown = alerts_targets_json(&w.alerts, ALERT_TARGET_IN_OUTLINE);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(shown, "targets"), 0), "url")),
                     "http://127.0.0.1:1");
    json_decref(shown);
    world_fini(&w);
}
END_TEST

START_TEST(what_no_target_took_waits_over_a_restart)
{
    struct world w;
    struct err_msg msg = {.code = ERR_OK};
    world_init(&w);
    ck_assert_int_eq(set(&w, NULL, "{'targets': [{'id': 't', 'kind': 'webhook', 'url': 'http://127.0.0.1:1/'}]"
                         "}", &msg), ERR_OK); /* nobody listens on port 1 */
    ck_assert_int_eq(set(&w, "orders", LAG_RULES, &msg), ERR_OK);
    for (int i = 0; i < 4; i++) second(&w, "orders", "g", 9);
    struct alert_notice first = {.value = 0};
    alerts_close(&w.alerts);
    world_open(&w);
    json_error_t why;
    char path[128];
    snprintf(path, sizeof path, "%s/alerts-state.json", w.folder);
    json_t *file = json_load_file(path, 0, &why);
    const json_t *waiting = json_object_get(file, "waiting");
    ck_assert_uint_eq(json_array_size(waiting), 1);
    ck_assert_int_eq(alert_notice_parse(json_object_get(json_array_get(waiting, 0), "notice"), &first, &msg), ERR_OK);
    ck_assert_str_eq(first.channel, "orders");
    json_decref(file);
    w.alerts.state_is_dirty = true; /* what is saved now comes from the sender, which got it back */
    second(&w, "orders", "g", 9);
    file = json_load_file(path, 0, &why);
    ck_assert_uint_eq(json_array_size(json_object_get(file, "waiting")), 1);
    json_decref(file);
    world_fini(&w);
}
END_TEST

START_TEST(damaged_files_are_named)
{
    struct world w;
    struct err_msg msg = {.code = ERR_OK};
    char path[128];
    world_init(&w);
    ck_assert_int_eq(set(&w, "orders", LAG_RULES, &msg), ERR_OK);
    for (int i = 0; i < 4; i++) second(&w, "orders", "g", 9);
    alerts_close(&w.alerts);
    snprintf(path, sizeof path, "%s/alerts-state.json", w.folder);
    ck_assert_int_eq(truncate(path, 20), 0);
    world_open(&w); /* found out anew */
    ck_assert_uint_eq(alerts_firing(&w.alerts, "orders"), 0);
    alerts_close(&w.alerts);
    snprintf(path, sizeof path, "%s/alerts.json", w.folder);
    ck_assert_int_eq(truncate(path, 20), 0);
    ck_assert_int_eq(alerts_open(&w.alerts, w.folder, "", &w.clock.clock, w.wake_fd, &msg), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(msg.text, path));
    world_fini(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alerts");
    TCase *t = tcase_create("all");
    tcase_add_test(t, a_measure_must_stay_bad_and_stay_good);
    tcase_add_test(t, some_measures_are_bad_when_small);
    tcase_add_test(t, wrong_rules_are_refused);
    tcase_add_test(t, sentences_are_for_people);
    tcase_add_test(t, a_notice_comes_back_from_json);
    tcase_add_test(t, a_mail_holds_what_it_must);
    tcase_add_test(t, wrong_targets_are_refused_without_their_secrets);
    tcase_add_test(t, a_restart_tells_nothing_twice_and_forgets_nothing);
    tcase_add_test(t, who_is_gone_recovers);
    tcase_add_test(t, a_secret_stays_with_its_address);
    tcase_add_test(t, a_group_of_any_name_is_told_once);
    tcase_add_test(t, what_is_not_known_changes_nothing);
    tcase_add_test(t, a_viewer_sees_no_path_of_a_web_hook);
    tcase_add_test(t, what_no_target_took_waits_over_a_restart);
    tcase_add_test(t, damaged_files_are_named);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

/* Goal: the configuration table decides what a file may say: defaults, bounds on both sides, unknown keys, wrong types,
 * and what no single key can say; the manual names every key. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config.h"
#include "tests/suite.h"

static struct config config;
static struct err_msg msg;

static enum err parse(const char *text)
{
    msg = (struct err_msg){.code = ERR_OK};
    return config_parse("test.yaml", text, strlen(text), &config, &msg);
}

START_TEST(a_folder_alone_is_enough_and_the_rest_has_defaults)
{
    ck_assert_msg(parse("data_folder: /tmp/x\n") == ERR_OK, "%s", msg.text);
    ck_assert_str_eq(config.data_folder, "/tmp/x");
    ck_assert_uint_eq(config.listener_count, 1);
    ck_assert_str_eq(config.listeners[0].name, "kafka");
    ck_assert_str_eq(config.listeners[0].address, "127.0.0.1");
    ck_assert_int_eq(config.listeners[0].port, 9092);
    ck_assert_int_eq(config.rest_port, 8083);
    ck_assert_int_eq(config.retention_ms, 24 * 3600 * 1000);
    ck_assert_int_eq(config.record_bytes_max, 64 << 20);
    ck_assert(!config.spin);
    ck_assert_uint_eq(config.serve_cores.count, 0);
}
END_TEST

START_TEST(every_kind_of_field_is_read)
{
    ck_assert_msg(parse("data_folder: d\nrest_port: 0\nspin: true\nlog_level: debug\nserve_thread_count: 2\n"
                        "serve_cores: [3, 4]\nstorage_core: -1\n") == ERR_OK,
                  "%s", msg.text);
    ck_assert_int_eq(config.rest_port, 0);
    ck_assert(config.spin);
    ck_assert_str_eq(config.log_level, "debug");
    ck_assert_uint_eq(config.serve_cores.count, 2);
    ck_assert_int_eq(config.serve_cores.core[0], 3);
    ck_assert_int_eq(config.serve_cores.core[1], 4);
    ck_assert_int_eq(config.storage_core, -1);
    ck_assert_int_eq(config.captures_max, config.channels_max); /* where nothing is said, and never above it */
    ck_assert_msg(parse("data_folder: d\nchannels_max: 200\ncaptures_max: 7\n") == ERR_OK, "%s", msg.text);
    ck_assert_int_eq(config.captures_max, 7); /* chunks are wanted for these only */
    ck_assert_msg(parse("data_folder: d\nchannels_max: 3\ncaptures_max: 7\n") == ERR_OK, "%s", msg.text);
    ck_assert_int_eq(config.captures_max, 3);
    ck_assert_msg(parse("data_folder: d\nsession_lifetime_ms: 10000\n") == ERR_OK, "%s", msg.text);
    ck_assert_msg(parse("data_folder: d\nsession_lifetime_ms: 0\n") == ERR_OK, "%s", msg.text);
}
END_TEST

/* Each text is wrong in one way; the message must hold the words a person needs. */
START_TEST(wrong_files_are_refused_with_the_reason)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", ""},
        {"rest_port: 1\n", "data_folder is required"},
        {"data_folder: ''\n", "data_folder is required"},
        {"data_folder: d\nrest_prt: 1\n", "rest_prt"},
        {"data_folder: d\nrest_port: -1\n", "0 to 65535"},
        {"data_folder: d\nrest_port: 65536\n", "rest_port is 65536"},
        {"data_folder: d\nrest_port: many\n", "rest_port"},
        {"data_folder: d\nrest_port: 99999999999999999999\n", "rest_port"},
        {"data_folder: d\nspin: perhaps\n", "spin"},
        {"data_folder: d\nlog_level: loud\n", "debug info warn error"},
        {"data_folder: d\nlog_level: de\n", "none of"},
        {"data_folder: d\nserve_cores: 3\n", "serve_cores"},
        {"data_folder: d\nserve_cores: [1, 2]\n", "2 cores for 1"},
        {"data_folder: d\nserve_cores: [-1]\n", "serve_cores is -1"},
        {"data_folder: d\nchunk_bytes: 1000000\n", "multiple of 4096"},
        {"data_folder: d\nchunk_bytes: 65536\n", "raise chunk_bytes"},
        {"data_folder: d\npacket_bytes_max: 1048576\n", "below record_bytes_max"},
        {"data_folder: d\nchunk_count: 20\n", "raise chunk_count"},
        {"data_folder: d\nsession_lifetime_ms: 1\n", "0 (sessions do not end) or at least 10000"},
        {"data_folder: d\nsession_lifetime_ms: 9999\n", "session_lifetime_ms is 9999"},
        {"data_folder: d\nrest_port: 9092\n", "both 9092"},
        {"data_folder: d\nlisteners:\n- port: 1\n", "listeners[0]: name is required"},
        {"data_folder: d\nlisteners:\n- name: a\n- name: a\n  port: 1\n", "same name a"},
        {"data_folder: d\nlisteners:\n- name: a\n- name: b\n", "port is 9092 in both"},
        {"data_folder: d\nlisteners:\n- name: a\n  port: 65536\n", "listeners[0]: port is 65536"},
        {"data_folder: d\nlisteners:\n- name: a\n  prt: 1\n", "prt"},
        {"data_folder: d\nlisteners:\n- name: 'a b'\n", "listeners[0]: name is 'a b'"},
        {"data_folder: d\nlisteners:\n- name: a\n  authentication: maybe\n", "authentication: 'maybe'"},
        {"data_folder: d\nlisteners:\n- name: a\n  address: 192.0.2.1\n", "accept_anyone"},
        {"data_folder: d\nlisteners:\n- name: a\n  address: 0.0.0.0\n  accept_anyone: true\n", "advertised_host"},
        {"data_folder: d\nlisteners:\n- name: a\n  network: dpdk\n", "set dpdk_device"},
        {"data_folder: d\ndpdk_device: net_x\ndpdk_address: 192.0.2.1/24\nlisteners:\n- name: a\n  network: dpdk\n"
         "  address: 192.0.2.2\n", "must be that of dpdk_address"},
        {"data_folder: d\ndpdk_device: net_x\ndpdk_address: 192.0.2.1/24\nlisteners:\n- name: a\n  network: dpdk\n"
         "  address: 192.0.2.1\n  port: 0\n  accept_anyone: true\n", "port must not be 0"},
        {"data_folder: d\ndpdk_device: net_x\ndpdk_address: 192.0.2.1/24\nlisteners:\n- name: a\n  network: dpdk\n"
         "  address: 192.0.2.1\n", "accept_anyone"},
        {"data_folder: d\ndpdk_device: net_x\ndpdk_address: 192.0.2.1/24\ndpdk_address6: fd00::1\nlisteners:\n"
         "- name: a\n  network: dpdk\n  address: 192.0.2.1\n  accept_anyone: true\n- name: b\n  network: dpdk\n"
         "  address: fd00::1\n  accept_anyone: true\n", "port is 9092 in both"},
        {"- a list\n", ""},
        {"data_folder: [d\n", ""},
        {"data_folder: &a d\nrest_address: *a\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(parse(cases[i].text) == ERR_INVALID, "accepted: %s", cases[i].text);
        ck_assert_msg(strstr(msg.text, cases[i].words) != NULL, "'%s' gave '%s'", cases[i].text, msg.text);
        ck_assert(strstr(msg.text, "test.yaml") != NULL);
    }
}
END_TEST

/* Files of before there were listeners: the message shows what to write, and that is right. */
START_TEST(former_keys_are_refused_with_the_lines_to_write)
{
    static const char *const former[] = {"listen_address: 127.0.0.1", "listen_port: 9092"};
    for (size_t i = 0; i < sizeof former / sizeof *former; i++) {
        char text[256];
        snprintf(text, sizeof text, "data_folder: d\n%s\n", former[i]);
        ck_assert_int_eq(parse(text), ERR_INVALID);
        const char *lines = strstr(msg.text, "\nlisteners:\n");
        ck_assert_msg(strstr(msg.text, "listen_address and listen_port") != NULL && lines != NULL, "%s", msg.text);
        snprintf(text, sizeof text, "data_folder: d%s\n", lines);
        ck_assert_msg(parse(text) == ERR_OK, "%s", msg.text);
        ck_assert_uint_eq(config.listener_count, 1);
        ck_assert_int_eq(config.listeners[0].port, 9092);
    }
}
END_TEST

#define COUNT(...) +1
START_TEST(bounds_hold_on_both_sides_for_every_number)
{
    static const struct {
        const char *name;
        long long min, max;
    } numbers[] = {
#define NONE(...)
#define NUMBER(name, low, high, value, why) {#name, low, high},
        CONFIG_FIELDS(NONE, NUMBER, NONE, NONE)
#undef NUMBER
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[256], words[128];
        snprintf(words, sizeof words, "%s is ", numbers[i].name);
        snprintf(text, sizeof text, "data_folder: d\n%s: %lld\n", numbers[i].name, numbers[i].min - 1);
        ck_assert(parse(text) == ERR_INVALID && strstr(msg.text, words) != NULL);
        if (numbers[i].max == INT64_MAX) continue;
        snprintf(text, sizeof text, "data_folder: d\n%s: %lld\n", numbers[i].name, numbers[i].max + 1);
        ck_assert_msg(parse(text) == ERR_INVALID && strstr(msg.text, words) != NULL, "%s", msg.text);
    }
    enum { FIELDS = 1 CONFIG_FIELDS(COUNT, COUNT, COUNT, COUNT) CONFIG_LISTENER_FIELDS(COUNT, COUNT, COUNT) };
    char *manual = NULL;
    size_t size = 0, keys = 0;
    FILE *to = open_memstream(&manual, &size);
    config_print_manual(to);
    fclose(to);
    for (const char *at = manual; (at = strstr(at, "\n\n")) != NULL; at += 2) keys++;
    ck_assert_uint_eq(keys, FIELDS);
    free(manual);
}
END_TEST

START_TEST(listeners_are_a_list_and_say_who_may_come)
{
    ck_assert_msg(parse("data_folder: d\nlisteners:\n- name: inside\n  port: 1\n- name: outside\n"
                        "  address: 0.0.0.0\n  port: 2\n  advertised_host: broker.test\n  advertised_port: 3\n"
                        "  authentication: required\n- name: open\n  address: 192.0.2.1\n  accept_anyone: true\n") ==
                      ERR_OK, "%s", msg.text);
    ck_assert_uint_eq(config.listener_count, 3);
    ck_assert_str_eq(config.listeners[0].authentication, "none");
    ck_assert_str_eq(config.listeners[1].address, "0.0.0.0");
    ck_assert_str_eq(config.listeners[1].advertised_host, "broker.test");
    ck_assert_int_eq(config.listeners[1].advertised_port, 3);
    ck_assert_int_eq(config.listeners[2].port, 9092);
    ck_assert(config.listeners[2].accept_anyone);
}
END_TEST

START_TEST(a_missing_file_is_said_and_the_profiles_are_valid)
{
    ck_assert_int_eq(config_load("/nonexistent/millrace.yaml", &config, &msg), ERR_NOT_FOUND);
    ck_assert(strstr(msg.text, "/nonexistent/millrace.yaml") != NULL);
    const char *root = getenv("MILLRACE_SOURCE_ROOT");
    ck_assert_ptr_nonnull(root);
    char path[512];
    static const char *const profiles[] = {"embedded", "virtual", "baremetal", "baremetal-100g"};
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        snprintf(path, sizeof path, "%s/profiles/%s.yaml", root, profiles[i]);
        ck_assert_msg(config_load(path, &config, &msg) == ERR_OK, "%s", msg.text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *t = tcase_create("all");
    tcase_add_test(t, a_folder_alone_is_enough_and_the_rest_has_defaults);
    tcase_add_test(t, every_kind_of_field_is_read);
    tcase_add_test(t, wrong_files_are_refused_with_the_reason);
    tcase_add_test(t, former_keys_are_refused_with_the_lines_to_write);
    tcase_add_test(t, bounds_hold_on_both_sides_for_every_number);
    tcase_add_test(t, listeners_are_a_list_and_say_who_may_come);
    tcase_add_test(t, a_missing_file_is_said_and_the_profiles_are_valid);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

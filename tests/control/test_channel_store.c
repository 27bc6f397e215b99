/* Goal: a definition survives the way through JSON and disk unchanged, its password leaves only with the file (mode
 * 0600), and everything wrong in a request or a file is refused with the name of the field or file. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/channel_store.h"
#include "tests/suite.h"

static char folder[64];
static struct err_msg msg;

/* A request whose source has one more field. */
#define REACHED(field)                                                                                                 \
    "{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\"," field "},\"tables\":{\"include\":[\"d.*\"]}}"

static const char whole[] =
    "{\"name\":\"orders-1\",\"source\":{\"host\":\"db.example\",\"port\":3310,\"user\":\"u\",\"password\":"
    "\"s3cr\\\"et\","
    "\"server_id\":77},\"tables\":{\"include\":[\"shop.*\",\"crm.client\"],\"exclude\":[\"shop.tmp_*\"]},"
    "\"start_at\":\"earliest\",\"ddl\":\"selected\",\"statement_events\":\"warn\",\"partial_images\":\"none\","
    "\"text\":\"utf8mb4\",\"compression\":\"lz4\",\"format\":\"dts-avro\"}";

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/millrace-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    msg = (struct err_msg){.code = ERR_OK};
    ck_assert_int_eq(channel_store_init(folder, &msg), ERR_OK);
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static enum err parse(const char *text, struct channel_spec *spec)
{
    json_t *body = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_msg(body != NULL, "the test's own JSON is wrong: %s", text);
    msg = (struct err_msg){.code = ERR_OK};
    enum err e = channel_spec_parse(body, spec, &msg);
    json_decref(body);
    return e;
}

static struct channel_spec loaded;
static struct channel_life loaded_life;
static int loaded_count;

static enum err take(void *context, struct channel_spec *spec, const struct channel_life *life, struct err_msg *m)
{
    (void)context, (void)m;
    if (loaded_count++ > 0) channel_spec_fini(&loaded);
    loaded = *spec;
    loaded_life = *life;
    return ERR_OK;
}

START_TEST(a_definition_survives_disk_and_a_second_save)
{
    struct channel_spec spec;
    struct channel_life life;
    ck_assert_msg(parse(whole, &spec) == ERR_OK, "%s", msg.text);
    channel_life_init(&life);
    ck_assert_int_eq(channel_store_save(folder, &spec, &life, &msg), ERR_OK);
    life.is_checked = life.has_log = life.is_deleting = true;
    ck_assert_int_eq(channel_store_save(folder, &spec, &life, &msg), ERR_OK);

    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/channels/orders-1.json", folder);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);

    loaded_count = 0;
    ck_assert_msg(channel_store_load(folder, take, NULL, &msg) == ERR_OK, "%s", msg.text);
    ck_assert_int_eq(loaded_count, 1);
    ck_assert_str_eq(loaded.name, "orders-1");
    ck_assert_str_eq(loaded.host, "db.example");
    ck_assert_uint_eq(loaded.port, 3310);
    ck_assert_str_eq(loaded.password, "s3cr\"et");
    ck_assert_uint_eq(loaded.server_id, 77);
    ck_assert_str_eq(loaded.include[0], "shop.*");
    ck_assert_str_eq(loaded.include[1], "crm.client");
    ck_assert_ptr_null(loaded.include[2]);
    ck_assert_str_eq(loaded.exclude[0], "shop.tmp_*");
    ck_assert_int_eq(loaded.start, CAPTURE_START_EARLIEST);
    ck_assert(!loaded.ddl_instance && loaded.statements_warn && loaded.partial_images_none && loaded.text_utf8mb4);
    ck_assert_int_eq(loaded.compression, COMPRESSION_LZ4);
    ck_assert(loaded_life.is_checked && !loaded_life.is_started && loaded_life.has_log && loaded_life.is_deleting);
    ck_assert_mem_eq(loaded_life.topic_id, life.topic_id, 16);
    ck_assert_str_eq(loaded_life.cluster_id, life.cluster_id);
    ck_assert_uint_eq(strlen(life.cluster_id), 22);
    channel_spec_fini(&loaded);

    ck_assert_int_eq(channel_store_remove(folder, "orders-1", &msg), ERR_OK);
    ck_assert_int_eq(channel_store_remove(folder, "orders-1", &msg), ERR_OK);
    loaded_count = 0;
    ck_assert_int_eq(channel_store_load(folder, take, NULL, &msg), ERR_OK);
    ck_assert_int_eq(loaded_count, 0);
    channel_spec_fini(&spec);
}
END_TEST

START_TEST(what_is_shown_holds_no_password)
{
    struct channel_spec spec;
    ck_assert_int_eq(parse(whole, &spec), ERR_OK);
    json_t *shown = channel_spec_json(&spec, false);
    char *text = json_dumps(shown, 0);
    ck_assert_ptr_null(strstr(text, "s3cr"));
    ck_assert_ptr_null(strstr(text, "password"));
    free(text);
    json_decref(shown);
    channel_spec_fini(&spec);
}
END_TEST

START_TEST(defaults_are_drawn_where_nothing_is_said)
{
    struct channel_spec a, b;
    const char *least =
        "{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\"},\"tables\":{\"include\":[\"d.*\"]}}";
    ck_assert_int_eq(parse(least, &a), ERR_OK);
    ck_assert_int_eq(parse(least, &b), ERR_OK);
    ck_assert_uint_eq(a.port, 3306);
    ck_assert_str_eq(a.password, "");
    ck_assert(a.ddl_instance && !a.statements_warn && !a.partial_images_none && !a.text_utf8mb4);
    ck_assert_int_eq(a.compression, COMPRESSION_NONE);
    ck_assert(a.start == CAPTURE_START_NOW && a.exclude[0] == NULL);
    ck_assert_uint_ge(a.server_id, 0x80000000u);
    ck_assert_uint_ne(a.server_id, b.server_id);
    channel_spec_fini(&a);
    channel_spec_fini(&b);
}
END_TEST

START_TEST(wrong_requests_are_refused_by_field)
{
#define SOURCE "\"source\":{\"host\":\"h\",\"user\":\"u\"}"
#define TABLES "\"tables\":{\"include\":[\"d.*\"]}"
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"[]", "must be a JSON object"},
        {"3", "must be a JSON object"},
        {"{}", "name is required"},
        {"{\"name\":3," SOURCE "," TABLES "}", "name must be a string"},
        {"{\"name\":\"\"," SOURCE "," TABLES "}", "name must have"},
        {"{\"name\":\"a/b\"," SOURCE "," TABLES "}", "name"},
        {"{\"name\":\"..\"," SOURCE "," TABLES "}", "name"},
        {"{\"name\":\"__consumer_offsets\"," SOURCE "," TABLES "}", "name"},
        {"{\"name\":\"channels\"," SOURCE "," TABLES "}", "name"},
        {"{\"name\":\"a\",\"nmae\":\"b\"," SOURCE "," TABLES "}", "unknown field 'nmae'"},
        {"{\"name\":\"a\"," TABLES "}", "source is required"},
        {"{\"name\":\"a\",\"source\":\"mysql://\"," TABLES "}", "source must be a JSON object"},
        {"{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\",\"pass\":\"x\"}," TABLES "}",
         "unknown field 'pass'"},
        {"{\"name\":\"a\",\"source\":{\"host\":\"\",\"user\":\"u\"}," TABLES "}", "source.host"},
        {"{\"name\":\"a\",\"source\":{\"host\":\"h\\u000a\",\"user\":\"u\"}," TABLES "}", "control characters"},
        {"{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\",\"port\":0}," TABLES "}", "source.port"},
        {"{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\",\"port\":65536}," TABLES "}", "source.port"},
        {"{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\",\"port\":\"3306\"}," TABLES "}", "source.port"},
        {"{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\",\"server_id\":0}," TABLES "}", "source.server_id"},
        {"{\"name\":\"a\"," SOURCE "}", "tables is required"},
        {"{\"name\":\"a\"," SOURCE ",\"tables\":[\"d.*\"]}", "tables must be a JSON object"},
        {"{\"name\":\"a\"," SOURCE ",\"tables\":{\"include\":[]}}", "tables.include must list"},
        {"{\"name\":\"a\"," SOURCE ",\"tables\":{\"include\":\"d.*\"}}", "tables.include must be a list"},
        {"{\"name\":\"a\"," SOURCE ",\"tables\":{\"include\":[3]}}", "list of strings"},
        {"{\"name\":\"a\"," SOURCE ",\"tables\":{\"include\":[\"orders\"]}}", "not a pattern"},
        {"{\"name\":\"a\"," SOURCE ",\"tables\":{\"include\":[\".t\"]}}", "not a pattern"},
        {"{\"name\":\"a\"," SOURCE ",\"tables\":{\"include\":[\"d.\"]}}", "not a pattern"},
        {"{\"name\":\"a\"," SOURCE ",\"tables\":{\"include\":[\"d.*\"],\"exclude\":[\"x\"]}}", "tables.exclude"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"start_at\":\"yesterday\"}", "start_at"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"start_at\":{}}", "start_at must be"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"start_at\":{\"gtid_set\":\"\"}}", "start_at.gtid_set"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"start_at\":{\"gtid_set\":\"0-1-2\",\"time\":5}}", "field 'time'"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"start_at\":{\"gtid_set\":\"0-1-2\\u001b[2J\"}}",
         "start_at.gtid_set"},
        {"{\"name\":\"a\",\"source\":{\"files\":\"/f\",\"schema_file\":\"/s\"}," TABLES ",\"schema_file\":5}",
         "schema_file must be a string"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"start_at\":{\"file\":\"b.1\",\"position\":3}}", "start_at.position"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"start_at\":{\"time\":\"2026-13-01T00:00:00Z\"}}", "start_at.time"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"start_at\":{\"time\":-1}}", "start_at.time"},
        {REACHED("\"tls\":\"off\""), "source.tls must be a JSON object"},
        {REACHED("\"tls\":{\"mode\":\"on\"}"), "source.tls.mode"},
        {REACHED("\"tls\":{\"mode\":\"verify_ca\"}"), "source.tls.ca is required"},
        {REACHED("\"tls\":{\"mode\":\"required\",\"ca\":\"/ca.pem\"}"), "source.tls.ca is used by"},
        {REACHED("\"tls\":{\"certificate\":\"/c.pem\"}"), "go together"},
        {REACHED("\"tls\":{\"mode\":\"off\",\"certificate\":\"/c.pem\",\"key\":\"/k.pem\"}"), "has no use"},
        {REACHED("\"standby\":\"b:3306\""), "source.standby must be a list"},
        {REACHED("\"standby\":[7]"), "list of strings"},
        {REACHED("\"standby\":[\"b:port\"]"), "'b:port' is not a host"},
        {REACHED("\"standby\":[\"b\",\":3306\"]"), "':3306' is not a host"},
        {REACHED("\"standby\":[\"[::1\"]"), "'[::1' is not a host"},
        {REACHED("\"read_timeout_s\":1"), "source.read_timeout_s"},
        {REACHED("\"connect_timeout_s\":\"5\""), "source.connect_timeout_s"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"ddl\":true}", "ddl must be a string"},
        {"{\"name\":\"a\"," SOURCE "," TABLES ",\"format\":\"xml\"}", "format 'xml'"},
    };
    struct channel_spec spec;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(parse(cases[i].text, &spec) == ERR_INVALID, "accepted: %s", cases[i].text);
        ck_assert_msg(strstr(msg.text, cases[i].words) != NULL, "%s gave '%s'", cases[i].text, msg.text);
    }
    char name[300], text[600];
    memset(name, 'n', sizeof name);
    name[100] = '\0';
    snprintf(text, sizeof text, "{\"name\":\"%s\"," SOURCE "," TABLES "}", name);
    ck_assert_int_eq(parse(text, &spec), ERR_OK);
    channel_spec_fini(&spec);
    name[100] = 'n', name[101] = '\0';
    snprintf(text, sizeof text, "{\"name\":\"%s\"," SOURCE "," TABLES "}", name);
    ck_assert_int_eq(parse(text, &spec), ERR_INVALID);
}
END_TEST

/* Every field of the source and each start comes back from the JSON as it went in, but for the password. */
START_TEST(sources_and_starts_both_ways)
{
    static const char *const sources[] = {
        "{\"host\":\"a\",\"port\":3307,\"standby\":[\"b:3306\",\"[::1]:3308\",\"/run/mysqld.sock\"],\"user\":\"u\","
        "\"tls\":{\"mode\":\"verify_identity\",\"ca\":\"/ca.pem\",\"certificate\":\"/c.pem\",\"key\":\"/k.pem\"},"
        "\"server_id\":7,\"connect_timeout_s\":3,\"read_timeout_s\":9}",
        "{\"host\":\"/run/a.sock\",\"port\":3306,\"standby\":[],\"user\":\"u\",\"tls\":{\"mode\":\"off\"},"
        "\"server_id\":7,\"connect_timeout_s\":10,\"read_timeout_s\":30}",
    };
    static const char *const starts[] = {"\"now\"", "\"earliest\"", "{\"gtid_set\":\"0-1-5,1-1-7\"}",
                                         "{\"file\":\"binlog.000007\",\"position\":5000000000}",
                                         "{\"time\":1770000000}"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct channel_spec spec;
        const char *source = sources[i % 2];
        char text[1024];
        snprintf(text, sizeof text,
                 "{\"name\":\"a\",\"source\":%s,\"tables\":{\"include\":[\"d.*\"]},\"start_at\":%s}", source,
                 starts[i]);
        ck_assert_msg(parse(text, &spec) == ERR_OK, "%s: %s", text, msg.text);
        json_t *back = channel_spec_json(&spec, false);
        json_t *wanted_source = json_loads(source, 0, NULL);
        json_t *wanted_start = json_loads(starts[i], JSON_DECODE_ANY, NULL);
        char *shown = json_dumps(back, 0);
        ck_assert_msg(json_equal(json_object_get(back, "source"), wanted_source), "%s became %s", source, shown);
        ck_assert_msg(json_equal(json_object_get(back, "start_at"), wanted_start), "%s became %s", starts[i], shown);
        free(shown);
        json_decref(back);
        json_decref(wanted_source);
        json_decref(wanted_start);
        channel_spec_fini(&spec);
    }
    struct channel_spec spec;
    ck_assert_int_eq(parse(REACHED("\"standby\":[]"), &spec), ERR_OK);
    ck_assert_int_eq(spec.tls_mode, SOURCE_TLS_PREFERRED);
    channel_spec_fini(&spec);
    static const char dated[] = "{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\"},\"tables\":{\"include\":"
                                "[\"d.*\"]},\"start_at\":{\"time\":\"2026-01-31T23:59:59Z\"}}";
    ck_assert_int_eq(parse(dated, &spec), ERR_OK);
    ck_assert_uint_eq(spec.start_time_s, 1769903999);
    channel_spec_fini(&spec);
    static const char zoned[] = "{\"name\":\"a\",\"source\":{\"host\":\"h\",\"user\":\"u\"},\"tables\":{\"include\":"
                                "[\"d.*\"]},\"start_at\":{\"time\":\"2026-02-01T07:59:59.5+08:00\"}}";
    ck_assert_int_eq(parse(zoned, &spec), ERR_OK);
    ck_assert_uint_eq(spec.start_time_s, 1769903999);
    channel_spec_fini(&spec);
}
END_TEST

/* The stored password goes only to servers and users that it was given for, and never with weaker TLS. */
START_TEST(a_change_sends_a_kept_password_nowhere_else)
{
#define SOURCE_BEFORE                                                                                                  \
    REACHED("\"port\":3310,\"password\":\"s3cret\",\"standby\":[\"s:3311\",\"[::1]:3306\"],"                           \
            "\"tls\":{\"mode\":\"verify_ca\",\"ca\":\"/ca\"}")
    static const struct {
        const char *source, *refused; /* what is said; NULL: it is changed, and the password stays */
    } cases[] = {
        {"{\"host\":\"evil\"}", "source.host"},
        {"{\"port\":3312}", "source.host and source.port"},
        {"{\"port\":null}", "source.port"},
        {"{\"host\":\"/run/evil.sock\"}", "source.host"},
        {"{\"host\":\"s\"}", "source.host"},
        {"{\"standby\":[\"s:3311\",\"evil:1\"]}", "source.standby"},
        {"{\"standby\":[\"s:3312\"]}", "source.standby"},
        {"{\"user\":\"v\"}", "source.user"},
        {"{\"tls\":{\"mode\":\"required\",\"ca\":null}}", "source.tls"},
        {"{\"tls\":null}", "source.tls"},
        {"{\"tls\":{\"ca\":\"/other\"}}", "source.tls"},
        {"{\"host\":\"s\",\"port\":3311,\"standby\":[\"h:3310\"]}", NULL},
        {"{\"standby\":[]}", NULL},
        {"{\"tls\":{\"mode\":\"verify_identity\"},\"read_timeout_s\":9}", NULL},
    };
    struct channel_spec spec, fresh;
    ck_assert_msg(parse(SOURCE_BEFORE, &spec) == ERR_OK, "%s", msg.text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *patch = json_pack("{s:o}", "source", json_loads(cases[i].source, 0, NULL));
        enum err e = channel_spec_merge(&spec, patch, &fresh, &msg);
        if (cases[i].refused == NULL) {
            ck_assert_msg(e == ERR_OK, "%s: %s", cases[i].source, msg.text);
            ck_assert_str_eq(fresh.password, "s3cret");
            channel_spec_fini(&fresh);
        } else {
            ck_assert_msg(e == ERR_INVALID, "taken: %s", cases[i].source);
            ck_assert_msg(strstr(msg.text, "source.password is required") && strstr(msg.text, cases[i].refused), "%s",
                          msg.text);
        }
        json_object_set_new(json_object_get(patch, "source"), "password", json_string("given"));
        ck_assert_msg(channel_spec_merge(&spec, patch, &fresh, &msg) == ERR_OK, "%s: %s", cases[i].source, msg.text);
        ck_assert_str_eq(fresh.password, "given");
        channel_spec_fini(&fresh);
        json_decref(patch);
    }
    channel_spec_fini(&spec);
}
END_TEST

static enum err load_written(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/channels/%s.json", folder, name);
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    loaded_count = 0;
    msg = (struct err_msg){.code = ERR_OK};
    enum err e = channel_store_load(folder, take, NULL, &msg);
    unlink(path);
    return e;
}

START_TEST(damaged_files_are_named_and_half_saved_ones_are_swept)
{
    struct channel_spec spec;
    struct channel_life life;
    ck_assert_int_eq(parse(whole, &spec), ERR_OK);
    channel_life_init(&life);
    json_t *file = channel_file_json(&spec, &life);
    char *good = json_dumps(file, 0);

    ck_assert_int_eq(load_written("orders-1", good), ERR_OK);
    channel_spec_fini(&loaded);
    ck_assert_int_eq(load_written("other", good), ERR_CORRUPT);
    ck_assert(strstr(msg.text, "other.json") != NULL);
    ck_assert_int_eq(load_written("orders-1", ""), ERR_CORRUPT);
    ck_assert_int_eq(load_written("orders-1", "{}"), ERR_CORRUPT);
    for (size_t cut = 1; cut < strlen(good); cut += 7) {
        char kept = good[cut];
        good[cut] = '\0';
        ck_assert_int_ne(load_written("orders-1", good), ERR_OK);
        good[cut] = kept;
    }
    json_object_set_new(file, "version", json_integer(2));
    free(good);
    good = json_dumps(file, 0);
    ck_assert_int_eq(load_written("orders-1", good), ERR_NEWER_FORMAT);
    free(good);
    json_decref(file);
    channel_spec_fini(&spec);

    char path[256];
    snprintf(path, sizeof path, "%s/channels/x.json.new", folder);
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    ck_assert_int_eq(channel_store_init(folder, &msg), ERR_OK);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel_store");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_definition_survives_disk_and_a_second_save);
    tcase_add_test(t, what_is_shown_holds_no_password);
    tcase_add_test(t, defaults_are_drawn_where_nothing_is_said);
    tcase_add_test(t, wrong_requests_are_refused_by_field);
    tcase_add_test(t, sources_and_starts_both_ways);
    tcase_add_test(t, a_change_sends_a_kept_password_nowhere_else);
    tcase_add_test(t, damaged_files_are_named_and_half_saved_ones_are_swept);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

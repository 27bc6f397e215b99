/* Goal: an account sees its channel and its group and nothing else, whatever it asks, and its requests about others are
 * answered as Kafka answers who has no right; an operator sees all.  Real clients log in by each mechanism.
 *
 * The whole server, with two channels and a group on each; raw requests on connections that logged in, and kcat. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/dataplane/kafka_client.h"
#include "tests/dataplane/site.h"
#include "tests/suite.h"

enum { ROOM = 1 << 20, RECORDS = 20, PEOPLE = 3 };

static struct site site;
static struct site_topic orders, payments;
static struct child child;
static struct account people[PEOPLE];
static uint8_t frame[ROOM], room[ROOM] __attribute__((aligned(16)));
static struct kafka_arena arena = {room, ROOM, 0};
static int32_t correlation_id;

static const uint8_t salt_key[DIRECTORY_KEY_BYTES] = {1};

static void account(struct account *a, const char *name, const char *group, const char *channel, uint64_t credential)
{
    char password[40];
    *a = (struct account){.credential = credential};
    snprintf(a->name, sizeof a->name, "%s", name);
    snprintf(a->group_id, sizeof a->group_id, "%s", group);
    snprintf(a->channel, sizeof a->channel, "%s", channel);
    snprintf(password, sizeof password, "password of %s", name);
    ck_assert_int_eq(account_set_password(a, password, strlen(password)), ERR_OK);
}

static void publish(uint32_t count)
{
    ck_assert_int_eq(dataplane_set_accounts(site.dataplane, people, count, salt_key), ERR_OK);
}

static void setup(void)
{
    site_start(&site);
    site_topic_open(&site, &orders, "orders");
    site_topic_open(&site, &payments, "payments");
    for (int i = 0; i < 2; i++) {
        struct site_topic *t = i == 0 ? &orders : &payments;
        site_append(t, RECORDS, 40, 1700000000000);
        site_settle(t);
    }
    account(&people[0], "ann", "g-orders", "orders", 1);
    account(&people[1], "bob", "g-payments", "payments", 2);
    account(&people[2], "root", "", "", 3);
    publish(PEOPLE);
}

static void teardown(void)
{
    site_stop(&site);
    site_topic_close(&orders);
    site_topic_close(&payments);
}

/* --- raw requests --- */

static bool read_whole(int fd, uint8_t *out, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t n = recv(fd, out + got, size - got, 0);
        if (n <= 0) return false;
        got += (size_t)n;
    }
    return true;
}

/* False: the server closed the connection instead. */
static bool ask_or_closed(int fd, int16_t api_key, int16_t version, const void *body, void *out)
{
    size_t size = request_make(api_key, version, ++correlation_id, body, frame, sizeof frame);
    if (send(fd, frame, size, MSG_NOSIGNAL) != (ssize_t)size || !read_whole(fd, frame, 4)) return false;
    struct cursor c = cursor_of(frame, 4);
    size = (size_t)cursor_be(&c, 4);
    ck_assert_uint_lt(size + 4, sizeof frame);
    ck_assert(read_whole(fd, frame + 4, size));
    response_read(api_key, version, correlation_id, frame, size + 4, &arena, out);
    return true;
}

static void ask(int fd, int16_t api_key, int16_t version, const void *body, void *out)
{
    ck_assert(ask_or_closed(fd, api_key, version, body, out));
}

static int log_in(const char *user, const char *password)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(dataplane_port(site.dataplane, 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char token[200];
    struct sasl_handshake_request handshake = {kafka_string_of("PLAIN")};
    struct sasl_handshake_response shaken;
    struct sasl_authenticate_response done;
    struct timeval late = {.tv_sec = 10};
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &late, sizeof late), 0);
    ask(fd, KAFKA_API_SASL_HANDSHAKE, 1, &handshake, &shaken);
    ck_assert_int_eq(shaken.error_code, 0);
    int size = snprintf(token, sizeof token, "%c%s%c%s", 0, user, 0, password);
    struct sasl_authenticate_request in = {{(const uint8_t *)token, size}};
    ask(fd, KAFKA_API_SASL_AUTHENTICATE, 2, &in, &done);
    ck_assert_int_eq(done.error_code, 0);
    return fd;
}

static int16_t fetch_error(int fd, int16_t version, const char *topic)
{
    struct simple_fetch f;
    struct fetch_response out;
    simple_fetch_init(&f, topic, 0, 0, 1);
    memcpy(f.topic.topic_id.bytes, topic, strnlen(topic, 16)); /* as site_topic_open made it */
    ask(fd, KAFKA_API_FETCH, version, &f.request, &out);
    return out.responses[0].partitions[0].error_code;
}

static int16_t list_error(int fd, const char *topic)
{
    struct list_offsets_request_partition p = {.current_leader_epoch = -1, .timestamp = -1};
    struct list_offsets_request_topic t = {kafka_string_of(topic), &p, 1};
    struct list_offsets_request in = {.replica_id = -1, .topics = &t, .topic_count = 1};
    struct list_offsets_response out;
    ask(fd, KAFKA_API_LIST_OFFSETS, 5, &in, &out);
    return out.topics[0].partitions[0].error_code;
}

static int16_t epoch_error(int fd, const char *topic)
{
    struct offset_for_leader_epoch_request_partition p = {.current_leader_epoch = -1};
    struct offset_for_leader_epoch_request_topic t = {kafka_string_of(topic), &p, 1};
    struct offset_for_leader_epoch_request in = {.replica_id = -1, .topics = &t, .topic_count = 1};
    struct offset_for_leader_epoch_response out;
    ask(fd, KAFKA_API_OFFSET_FOR_LEADER_EPOCH, 4, &in, &out);
    return out.topics[0].partitions[0].error_code;
}

START_TEST(an_account_sees_its_channel_alone)
{
    int ann = log_in("ann-g-orders", "password of ann"), root = log_in("root", "password of root");
    for (int16_t version = 1; version <= 12; version++) {
        struct metadata_request_topic named[] = {{.name = kafka_string_of("orders")},
                                                 {.name = kafka_string_of("payments")},
                                                 {.name = kafka_string_of("nothing")},
                                                 {.name = kafka_string_of("__consumer_offsets")}};
        struct metadata_request all = {.topic_count = -1}, in = {.topics = named, .topic_count = 4};
        struct metadata_response out;
        ask(ann, KAFKA_API_METADATA, version, &all, &out);
        ck_assert_int_eq(out.topic_count, 1);
        ck_assert(kafka_string_is(out.topics[0].name, "orders"));
        if (version >= 2) ck_assert(kafka_string_is(out.cluster_id, "of-orders"));
        ask(ann, KAFKA_API_METADATA, version, &in, &out);
        ck_assert_int_eq(out.topics[0].error_code, 0);
        for (int i = 1; i < 4; i++) /* whether or not it is there */
            ck_assert_int_eq(out.topics[i].error_code, KAFKA_TOPIC_AUTHORIZATION_FAILED);
        ask(root, KAFKA_API_METADATA, version, &all, &out);
        ck_assert_int_eq(out.topic_count, 3); /* __consumer_offsets too, which is for operators */
        if (version >= 2) ck_assert(kafka_string_is(out.cluster_id, "site"));
        ask(root, KAFKA_API_METADATA, version, &in, &out);
        ck_assert_int_eq(out.topics[1].error_code, 0);
        ck_assert_int_eq(out.topics[2].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        ck_assert(out.topics[3].error_code == 0 && out.topics[3].partition_count == 50 && out.topics[3].is_internal);
    }
    for (int16_t version = 4; version <= 12; version++) {
        ck_assert_int_eq(fetch_error(ann, version, "orders"), 0);
        ck_assert_int_eq(fetch_error(ann, version, "payments"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
        ck_assert_int_eq(fetch_error(ann, version, "nothing"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
        ck_assert_int_eq(fetch_error(ann, version, "__consumer_offsets"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
        ck_assert_int_eq(fetch_error(root, version, "__consumer_offsets"), 0);
        ck_assert_int_eq(fetch_error(root, version, "payments"), 0);
        ck_assert_int_eq(fetch_error(root, version, "nothing"), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
    ck_assert_int_eq(fetch_error(ann, 13, "orders"), 0);
    ck_assert_int_eq(fetch_error(ann, 13, "payments"), KAFKA_UNKNOWN_TOPIC_ID); /* as of an id that there is not */
    ck_assert_int_eq(list_error(ann, "orders"), 0);
    ck_assert_int_eq(list_error(ann, "payments"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(list_error(ann, "__consumer_offsets"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(list_error(root, "__consumer_offsets"), 0);
    ck_assert_int_eq(list_error(root, "payments"), 0);
    ck_assert_int_eq(epoch_error(ann, "orders"), 0);
    ck_assert_int_eq(epoch_error(ann, "payments"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(epoch_error(root, "payments"), 0);
    struct describe_configs_resource resources[] = {
        {.resource_type = 2, .resource_name = kafka_string_of("orders"), .configuration_key_count = -1},
        {.resource_type = 2, .resource_name = kafka_string_of("payments"), .configuration_key_count = -1},
        {.resource_type = 4, .resource_name = kafka_string_of("1"), .configuration_key_count = -1}};
    struct describe_configs_request configs = {.resources = resources, .resource_count = 3};
    struct describe_configs_response settings;
    ask(ann, KAFKA_API_DESCRIBE_CONFIGS, 4, &configs, &settings);
    ck_assert_int_eq(settings.results[0].error_code, 0);
    ck_assert_int_eq(settings.results[1].error_code, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(settings.results[2].error_code, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    ask(root, KAFKA_API_DESCRIBE_CONFIGS, 4, &configs, &settings);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(settings.results[i].error_code, 0);
    struct describe_log_dirs_request dirs = {.topic_count = -1};
    struct describe_log_dirs_response sizes;
    ask(ann, KAFKA_API_DESCRIBE_LOG_DIRS, 4, &dirs, &sizes);
    ck_assert_int_eq(sizes.results[0].topic_count, 1);
    ask(root, KAFKA_API_DESCRIBE_LOG_DIRS, 4, &dirs, &sizes);
    ck_assert_int_eq(sizes.results[0].topic_count, 3);
    ck_assert(sizes.results[0].usable_bytes > 0 && sizes.results[0].total_bytes > sizes.results[0].usable_bytes);
    struct describe_cluster_request cluster = {.endpoint_type = 1};
    struct describe_cluster_response shown;
    ask(ann, KAFKA_API_DESCRIBE_CLUSTER, 1, &cluster, &shown);
    ck_assert(kafka_string_is(shown.cluster_id, "of-orders"));
    ask(root, KAFKA_API_DESCRIBE_CLUSTER, 1, &cluster, &shown);
    ck_assert(kafka_string_is(shown.cluster_id, "site"));
    close(ann);
    close(root);
}
END_TEST

/* --- groups --- */

static int16_t commit_error(int fd, const char *group, const char *topic)
{
    struct offset_commit_request_partition p = {.committed_offset = 5, .committed_leader_epoch = -1,
                                                .committed_metadata = kafka_string_of("m")};
    struct offset_commit_request_topic t = {kafka_string_of(topic), &p, 1};
    struct offset_commit_request in = {.group_id = kafka_string_of(group), .generation_id = -1,
                                       .member_id = kafka_string_of(""), .group_instance_id = kafka_string_null(),
                                       .retention_time_ms = -1, .topics = &t, .topic_count = 1};
    struct offset_commit_response out;
    ask(fd, KAFKA_API_OFFSET_COMMIT, 7, &in, &out);
    return out.topics[0].partitions[0].error_code;
}

static int16_t join_error(int fd, const char *group)
{
    struct join_group_request_protocol p = {kafka_string_of("range"), {(const uint8_t *)"", 0}};
    struct join_group_request in = {.group_id = kafka_string_of(group), .session_timeout_ms = 10000,
                                    .rebalance_timeout_ms = 10000, .member_id = kafka_string_of(""),
                                    .group_instance_id = kafka_string_null(),
                                    .protocol_type = kafka_string_of("consumer"), .protocols = &p, .protocol_count = 1,
                                    .reason = kafka_string_null()};
    struct join_group_response out;
    ask(fd, KAFKA_API_JOIN_GROUP, 4, &in, &out);
    return out.error_code;
}

static int16_t heartbeat_error(int fd, const char *group)
{
    struct heartbeat_request in = {.group_id = kafka_string_of(group), .generation_id = 1,
                                   .member_id = kafka_string_of("m"), .group_instance_id = kafka_string_null()};
    struct heartbeat_response out;
    ask(fd, KAFKA_API_HEARTBEAT, 4, &in, &out);
    return out.error_code;
}

static int16_t leave_error(int fd, const char *group)
{
    struct leave_group_request in = {.group_id = kafka_string_of(group), .member_id = kafka_string_of("m")};
    struct leave_group_response out;
    ask(fd, KAFKA_API_LEAVE_GROUP, 2, &in, &out);
    return out.error_code;
}

static int16_t sync_error(int fd, const char *group)
{
    struct sync_group_request in = {.group_id = kafka_string_of(group), .generation_id = 1,
                                    .member_id = kafka_string_of("m"), .group_instance_id = kafka_string_null(),
                                    .protocol_type = kafka_string_null(), .protocol_name = kafka_string_null()};
    struct sync_group_response out;
    ask(fd, KAFKA_API_SYNC_GROUP, 4, &in, &out);
    return out.error_code;
}

static int16_t consumer_error(int fd, const char *group)
{
    struct kafka_string topic = kafka_string_of("orders");
    struct consumer_group_heartbeat_topic none;
    struct consumer_group_heartbeat_request in = {
        .group_id = kafka_string_of(group), .member_id = kafka_string_of("AAAAAAAAAAAAAAAAAAAAAA"), .member_epoch = 0,
        .instance_id = kafka_string_null(), .rack_id = kafka_string_null(), .rebalance_timeout_ms = 10000,
        .subscribed_topic_names = &topic, .subscribed_topic_name_count = 1,
        .subscribed_topic_regex = kafka_string_null(), .server_assignor = kafka_string_null(),
        .topic_partitions = &none, .topic_partition_count = 0};
    struct consumer_group_heartbeat_response out;
    ask(fd, KAFKA_API_CONSUMER_GROUP_HEARTBEAT, 0, &in, &out);
    return out.error_code;
}

static int16_t fetch_one_error(int fd, const char *group)
{
    struct offset_fetch_request in = {.group_id = kafka_string_of(group), .topic_count = -1};
    struct offset_fetch_response out;
    ask(fd, KAFKA_API_OFFSET_FETCH, 5, &in, &out);
    return out.error_code;
}

static int16_t offset_delete_error(int fd, const char *group)
{
    struct offset_delete_request in = {.group_id = kafka_string_of(group)};
    struct offset_delete_response out;
    ask(fd, KAFKA_API_OFFSET_DELETE, 0, &in, &out);
    return out.error_code;
}

static int32_t listed(int fd)
{
    struct list_groups_request in = {0};
    struct list_groups_response out;
    ask(fd, KAFKA_API_LIST_GROUPS, 4, &in, &out);
    ck_assert_int_eq(out.error_code, 0);
    return out.group_count;
}

START_TEST(an_account_works_with_its_group_alone)
{
    int ann = log_in("ann-g-orders", "password of ann"), bob = log_in("bob-g-payments", "password of bob"),
        root = log_in("root", "password of root");
    ck_assert_int_eq(commit_error(ann, "g-orders", "orders"), 0);
    ck_assert_int_eq(commit_error(bob, "g-payments", "payments"), 0);
    ck_assert_int_eq(commit_error(ann, "g-orders", "payments"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(commit_error(ann, "g-payments", "orders"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(commit_error(ann, "G-orders", "orders"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(commit_error(ann, "g-order", "orders"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(commit_error(ann, "ann-g-orders", "orders"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(join_error(ann, "g-payments"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(sync_error(ann, "g-payments"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(heartbeat_error(ann, "g-payments"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(leave_error(ann, "g-payments"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(consumer_error(ann, "g-payments"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(fetch_one_error(ann, "g-payments"), KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(offset_delete_error(ann, "g-payments"), KAFKA_GROUP_AUTHORIZATION_FAILED);
    ck_assert_int_eq(fetch_error(ann, 11, "orders"), 0); /* a wrong group.id reads all the same */
    ck_assert_int_eq(heartbeat_error(ann, "g-orders"), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(fetch_one_error(ann, "g-orders"), 0);
    ck_assert_int_eq(join_error(ann, "g-orders"), KAFKA_MEMBER_ID_REQUIRED);
    ck_assert_int_eq(fetch_one_error(root, "g-payments"), 0);
    ck_assert_int_eq(listed(ann), 1);
    ck_assert_int_eq(listed(root), 2);

    struct offset_fetch_request_group two[] = {{.group_id = kafka_string_of("g-payments"), .topic_count = -1},
                                               {.group_id = kafka_string_of("g-orders"), .topic_count = -1}};
    struct offset_fetch_request several = {.groups = two, .group_count = 2};
    struct offset_fetch_response fetched;
    ask(ann, KAFKA_API_OFFSET_FETCH, 8, &several, &fetched);
    ck_assert_int_eq(fetched.groups[0].error_code, KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(fetched.groups[0].topic_count, 0);
    ck_assert_int_eq(fetched.groups[1].error_code, 0);
    ck_assert_int_eq(fetched.groups[1].topics[0].partitions[0].committed_offset, 5);

    struct kafka_string both[] = {kafka_string_of("g-payments"), kafka_string_of("g-orders")};
    struct describe_groups_request describe = {.groups = both, .group_count = 2};
    struct describe_groups_response described;
    ask(ann, KAFKA_API_DESCRIBE_GROUPS, 5, &describe, &described);
    ck_assert_int_eq(described.groups[0].error_code, KAFKA_GROUP_AUTHORIZATION_FAILED);
    ck_assert_int_eq(described.groups[0].group_state.size, 0);
    ck_assert_int_eq(described.groups[1].error_code, 0);
    ask(root, KAFKA_API_DESCRIBE_GROUPS, 5, &describe, &described);
    ck_assert_int_eq(described.groups[0].error_code, 0);
    struct consumer_group_describe_request consumers = {.group_ids = both, .group_id_count = 2};
    struct consumer_group_describe_response consumed;
    ask(ann, KAFKA_API_CONSUMER_GROUP_DESCRIBE, 0, &consumers, &consumed);
    ck_assert_int_eq(consumed.groups[0].error_code, KAFKA_GROUP_AUTHORIZATION_FAILED);
    ck_assert_int_ne(consumed.groups[1].error_code, KAFKA_GROUP_AUTHORIZATION_FAILED);

    struct delete_groups_request delete = {.groups = both, .group_count = 1};
    struct delete_groups_response deleted;
    ask(ann, KAFKA_API_DELETE_GROUPS, 2, &delete, &deleted);
    ck_assert_int_eq(deleted.results[0].error_code, KAFKA_GROUP_AUTHORIZATION_FAILED);
    ck_assert_int_eq(fetch_one_error(bob, "g-payments"), 0);
    ask(bob, KAFKA_API_DELETE_GROUPS, 2, &delete, &deleted);
    ck_assert_int_eq(deleted.results[0].error_code, 0);

    struct find_coordinator_request find = {.key = kafka_string_of("a random group.id")};
    struct find_coordinator_response found;
    ask(ann, KAFKA_API_FIND_COORDINATOR, 2, &find, &found);
    ck_assert_int_eq(found.error_code, 0);
    close(ann);
    close(bob);
    close(root);
}
END_TEST

START_TEST(a_new_password_or_a_deletion_ends_the_connections)
{
    struct metadata_request all = {.topic_count = -1};
    struct metadata_response out;
    int ann = log_in("ann-g-orders", "password of ann"), root = log_in("root", "password of root");
    account(&people[0], "ann", "g-orders", "orders", 4); /* the same password, but given anew */
    publish(PEOPLE);
    ck_assert(ask_or_closed(root, KAFKA_API_METADATA, 5, &all, &out));
    ck_assert(!ask_or_closed(ann, KAFKA_API_METADATA, 5, &all, &out));
    close(ann);
    ann = log_in("ann-g-orders", "password of ann");
    publish(2); /* root is gone */
    ck_assert(ask_or_closed(ann, KAFKA_API_METADATA, 5, &all, &out));
    ck_assert(!ask_or_closed(root, KAFKA_API_METADATA, 5, &all, &out));
    close(ann);
    close(root);
}
END_TEST

/* A deleted group's checkpoint is not there for the next one of that ID. */
START_TEST(a_deleted_group_leaves_no_checkpoint)
{
    struct group_summary found[4];
    int ann = log_in("ann-g-orders", "password of ann");
    ck_assert_int_eq(commit_error(ann, "g-orders", "orders"), 0);
    ck_assert_uint_eq(dataplane_groups(site.dataplane, "orders", found, 4), 1);
    ck_assert_int_eq(dataplane_forget_group(site.dataplane, "g-payments"), ERR_OK);
    ck_assert_uint_eq(dataplane_groups(site.dataplane, "orders", found, 4), 1);
    ck_assert_int_eq(dataplane_forget_group(site.dataplane, "g-orders"), ERR_OK);
    ck_assert_uint_eq(dataplane_groups(site.dataplane, "orders", found, 4), 0);
    ck_assert_int_eq(fetch_one_error(ann, "g-orders"), 0);
    close(ann);
}
END_TEST

/* A right that is not in the table is nobody's: each API that is served has one. */
START_TEST(every_served_api_has_a_right)
{
    for (int16_t api_key = 0; api_key < 100; api_key++)
        ck_assert_msg(kafka_served_max(api_key) < 0 || right_of(api_key) != RIGHT_OF_OPERATOR, "API %d", api_key);
}
END_TEST

/* --- kcat --- */

static const char *kcat_as(const char *mechanism, const char *user, const char *password, const char *const *more)
{
    char by[60], name[100], secret[100];
    const char *arguments[20] = {"-X", "security.protocol=sasl_plaintext", "-X", by, "-X", name, "-X", secret};
    int count = 8;
    snprintf(by, sizeof by, "sasl.mechanism=%s", mechanism);
    snprintf(name, sizeof name, "sasl.username=%s", user);
    snprintf(secret, sizeof secret, "sasl.password=%s", password);
    while (*more != NULL) arguments[count++] = *more++;
    return kcat(&site, &child, arguments);
}
#define KCAT_AS(mechanism, user, password, ...) \
    kcat_as(mechanism, user, password, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(kcat_logs_in_by_each_mechanism)
{
    static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    const char *m = mechanisms[_i];
    const char *text = KCAT_AS(m, "ann-g-orders", "password of ann", "-L");
    ck_assert_msg(strstr(text, "topic \"orders\"") != NULL && strstr(text, "payments") == NULL, "%s", text);
    text = KCAT_AS(m, "root", "password of root", "-L");
    ck_assert_msg(strstr(text, "topic \"orders\"") != NULL && strstr(text, "topic \"payments\"") != NULL, "%s", text);
    text = KCAT_AS(m, "ann-g-orders", "password of ann", "-C", "-t", "orders", "-o", "beginning", "-e", "-f", "%o,");
    ck_assert_msg(strstr(text, "0,1,2,") != NULL && strstr(text, ",19,") != NULL, "%s", text);
    text = KCAT_AS(m, "ann-g-orders", "password of ann", "-G", "g-orders", "orders", "-c", "20", "-f", "%o,", "-X",
                   "auto.offset.reset=earliest");
    ck_assert_msg(strstr(text, "0,1,2,") != NULL && strstr(text, ",19,") != NULL, "%s", text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rights");
    TCase *t = tcase_create("rights");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_account_sees_its_channel_alone);
    tcase_add_test(t, an_account_works_with_its_group_alone);
    tcase_add_test(t, a_new_password_or_a_deletion_ends_the_connections);
    tcase_add_test(t, a_deleted_group_leaves_no_checkpoint);
    tcase_add_test(t, every_served_api_has_a_right);
    tcase_add_loop_test(t, kcat_logs_in_by_each_mechanism, 0, 3);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}

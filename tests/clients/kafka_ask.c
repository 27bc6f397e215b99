/* Asks Kafka brokers what it is told, by the server's own table of messages, and prints what they answer.
 *
 * Standard input, a JSON object a line: {"port": 9092, "api": 3, "version": 1, "body": {"Topics": null}}; members of
 * the body that are left out have their defaults, those that the version does not carry are not sent. Standard
 * output, a line each: {"name": "Metadata", "body": {...}} or {"error": "closed"}.  Ids, bytes and records are
 * hexadecimal text.  One connection a port, made anew when the broker closed it. */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "dataplane/kafka/codec_walk.h"
#include "dataplane/kafka/messages.h"

enum { ROOM = 64 << 20, CONNECTIONS = 8, ANSWER_TIMEOUT_S = 20, CORRELATION = 77 };

static struct kafka_arena request_room, response_room;
static uint8_t *frame;
static struct { int port, socket; } connection[CONNECTIONS];

static void fail(const char *words)
{
    fprintf(stderr, "kafka_ask: %s\n", words);
    exit(EXIT_FAILURE);
}

/* --- JSON to a message --- */

static void *room(size_t count, size_t size)
{
    void *p = kafka_arena_take(&request_room, count, size);
    if (p == NULL) fail("a request is too large");
    return memset(p, 0, count * size);
}

static struct kafka_bytes bytes_of_hex(const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *bytes = room(size + 1, 1);
    for (size_t i = 0; i < size; i++) sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
    return (struct kafka_bytes){bytes, (int32_t)size};
}

static void take_struct(const struct kafka_schema *schema, const json_t *json, uint8_t *base);

static void take_array(const struct kafka_field *f, const json_t *json, uint8_t *base)
{
    struct kafka_array array = {NULL, json_is_null(json) ? -1 : (int32_t)json_array_size(json)};
    if (array.count > 0) array.items = room((size_t)array.count, field_element_bytes(f));
    for (int32_t i = 0; i < array.count; i++) {
        uint8_t *item = array.items + (size_t)i * field_element_bytes(f);
        const json_t *value = json_array_get(json, (size_t)i);
        int64_t number = json_integer_value(value);
        if (f->type == KAFKA_STRUCT_ARRAY) {
            take_struct(f->element, value, item);
        } else if (f->type == KAFKA_STRING_ARRAY) {
            struct kafka_string text = {json_string_value(value), (int32_t)json_string_length(value)};
            memcpy(item, &text, sizeof text);
        } else if (f->type == KAFKA_INT32_ARRAY) {
            memcpy(item, &(int32_t){(int32_t)number}, sizeof(int32_t));
        } else {
            memcpy(item, &number, sizeof number);
        }
    }
    field_set_array(f, base, array);
}

/* `json` NULL: the field's default. */
static void take_field(const struct kafka_field *f, const json_t *json, uint8_t *base)
{
    bool is_null = json == NULL ? f->default_value == KAFKA_DEFAULT_NULL : json_is_null(json);
    struct kafka_bytes bytes = {NULL, is_null ? -1 : 0};
    switch (f->type) {
    case KAFKA_UUID:
        if (json != NULL) memcpy(base + f->offset, bytes_of_hex(json_string_value(json)).bytes, 16);
        break;
    case KAFKA_STRING:
        if (json_is_string(json))
            bytes = (struct kafka_bytes){(const uint8_t *)json_string_value(json), (int32_t)json_string_length(json)};
        memcpy(base + f->offset, &bytes, sizeof bytes);
        break;
    case KAFKA_BYTES: case KAFKA_RECORDS:
        if (json_is_string(json)) bytes = bytes_of_hex(json_string_value(json));
        memcpy(base + f->offset, &bytes, sizeof bytes);
        break;
    case KAFKA_INT32_ARRAY: case KAFKA_INT64_ARRAY: case KAFKA_STRING_ARRAY: case KAFKA_STRUCT_ARRAY:
        if (json == NULL) field_set_array(f, base, (struct kafka_array){NULL, is_null ? -1 : 0});
        else take_array(f, json, base);
        break;
    case KAFKA_STRUCT: take_struct(f->element, json, base + f->offset); break;
    case KAFKA_NULLABLE_STRUCT: break;
    default: field_set_integer(f, base, json == NULL ? f->default_value
                                        : json_is_boolean(json) ? json_is_true(json) : json_integer_value(json));
    }
}

static void take_struct(const struct kafka_schema *schema, const json_t *json, uint8_t *base)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        take_field(&schema->fields[i], json_object_get(json, schema->fields[i].name), base);
}

/* --- a message to JSON --- */

static json_t *hex_of(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * size + 1);
    if (text == NULL) fail("no memory");
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_t *json = json_stringn(text, 2 * size);
    free(text);
    return json;
}

static json_t *give_struct(const struct kafka_schema *schema, int16_t version, const uint8_t *base);

static json_t *give_text(struct kafka_bytes v)
{
    if (v.size < 0) return json_null();
    json_t *json = json_stringn((const char *)v.bytes, (size_t)v.size);
    return json != NULL ? json : hex_of(v.bytes, (size_t)v.size);
}

static json_t *give_array(const struct kafka_field *f, int16_t version, const uint8_t *base)
{
    struct kafka_array array = field_array(f, base);
    if (array.count < 0) return json_null();
    json_t *json = json_array();
    for (int32_t i = 0; i < array.count; i++) {
        const uint8_t *item = array.items + (size_t)i * field_element_bytes(f);
        int32_t i32;
        int64_t i64;
        memcpy(&i32, item, sizeof i32);
        if (f->type == KAFKA_STRUCT_ARRAY) {
            json_array_append_new(json, give_struct(f->element, version, item));
        } else if (f->type == KAFKA_STRING_ARRAY) {
            json_array_append_new(json, give_text(field_bytes(&string_element, item)));
        } else if (f->type == KAFKA_INT32_ARRAY) {
            json_array_append_new(json, json_integer(i32));
        } else {
            memcpy(&i64, item, sizeof i64);
            json_array_append_new(json, json_integer(i64));
        }
    }
    return json;
}

static json_t *give_field(const struct kafka_field *f, int16_t version, const uint8_t *base)
{
    struct kafka_bytes v;
    switch (f->type) {
    case KAFKA_UUID: return hex_of(base + f->offset, 16);
    case KAFKA_STRING: return give_text(field_bytes(f, base));
    case KAFKA_BYTES: case KAFKA_RECORDS:
        v = field_bytes(f, base);
        return v.size < 0 ? json_null() : hex_of(v.bytes, (size_t)v.size);
    case KAFKA_INT32_ARRAY: case KAFKA_INT64_ARRAY: case KAFKA_STRING_ARRAY: case KAFKA_STRUCT_ARRAY:
        return give_array(f, version, base);
    case KAFKA_STRUCT: return give_struct(f->element, version, base + f->offset);
    case KAFKA_NULLABLE_STRUCT:
        return field_struct(f, base) == NULL ? json_null() : give_struct(f->element, version, field_struct(f, base));
    default: return json_integer(field_integer(f, base));
    }
}

static json_t *give_struct(const struct kafka_schema *schema, int16_t version, const uint8_t *base)
{
    json_t *json = json_object();
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (field_in(&schema->fields[i], version))
            json_object_set_new(json, schema->fields[i].name, give_field(&schema->fields[i], version, base));
    return json;
}

/* --- the wire --- */

static int *socket_to(int port)
{
    int i = 0;
    while (i < CONNECTIONS && connection[i].port != 0 && connection[i].port != port) i++;
    if (i == CONNECTIONS) fail("too many ports");
    if (connection[i].port == port && connection[i].socket >= 0) return &connection[i].socket;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    connection[i].port = port;
    connection[i].socket = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(connection[i].socket, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ANSWER_TIMEOUT_S, 0},
               sizeof(struct timeval));
    if (connect(connection[i].socket, (struct sockaddr *)&to, sizeof to) != 0) fail("cannot connect");
    return &connection[i].socket;
}

/* The answer's size without its size field; -1: none came. */
static ssize_t receive(int s)
{
    uint8_t head[4];
    if (recv(s, head, 4, MSG_WAITALL) != 4) return -1;
    struct cursor in = cursor_of(head, 4);
    size_t size = (size_t)cursor_be(&in, 4);
    if (size > ROOM) fail("an answer is too large");
    return recv(s, frame, size, MSG_WAITALL) == (ssize_t)size ? (ssize_t)size : -1;
}

static json_t *read_answer(const struct kafka_message *m, int16_t version, size_t size)
{
    struct cursor in = cursor_of(frame, size);
    if (cursor_be(&in, 4) != CORRELATION) return json_pack("{s:s}", "error", "another correlation id");
    if (version >= m->flexible_since && m->api_key != KAFKA_API_API_VERSIONS) (void)cursor_uvarint(&in);
    uint8_t *body = calloc(1, m->body.struct_bytes);
    response_room.used = 0;
    json_t *answer;
    if (body == NULL || kafka_decode(m, version, &in, &response_room, body) != ERR_OK)
        answer = json_pack("{s:s}", "error", "the answer cannot be read");
    else if (cursor_left(&in) != 0)
        answer = json_pack("{s:s}", "error", "the answer has bytes behind its end");
    else
        answer = json_pack("{s:s, s:o}", "name", m->name, "body", give_struct(&m->body, version, body));
    free(body);
    return answer;
}

/* An ApiVersions of a version that the broker does not know is answered in version 0. */
static json_t *ask(const json_t *order)
{
    int16_t api = (int16_t)json_integer_value(json_object_get(order, "api"));
    int16_t version = (int16_t)json_integer_value(json_object_get(order, "version"));
    struct kafka_message request = *kafka_request_of(api);
    struct kafka_request_header header = {api, version, CORRELATION, kafka_string_of("asker")};
    request_room.used = 0;
    uint8_t *body = room(1, request.body.struct_bytes);
    take_struct(&request.body, json_object_get(order, "body"), body);
    struct sink out = sink_of(frame, ROOM);
    if (kafka_request_encode(&request, &header, body, &out) != ERR_OK) fail("a request cannot be written");
    int *s = socket_to((int)json_integer_value(json_object_get(order, "port")));
    ssize_t size = -1;
    if (send(*s, frame, (size_t)(out.at - frame), MSG_NOSIGNAL) == out.at - frame) size = receive(*s);
    if (size < 0) {
        close(*s);
        *s = -1;
        return json_pack("{s:s}", "error", "closed");
    }
    bool is_downgraded = api == KAFKA_API_API_VERSIONS && version > request.version_max;
    return read_answer(kafka_response_of(api), is_downgraded ? 0 : version, (size_t)size);
}

int main(void)
{
    char *line = NULL;
    size_t line_room = 0;
    frame = malloc(ROOM);
    request_room = (struct kafka_arena){malloc(ROOM), ROOM, 0};
    response_room = (struct kafka_arena){malloc(ROOM), ROOM, 0};
    if (frame == NULL || request_room.bytes == NULL || response_room.bytes == NULL) fail("no memory");
    while (getline(&line, &line_room, stdin) > 0) {
        json_t *order = json_loads(line, 0, NULL);
        if (order == NULL) fail("an order is no JSON");
        json_t *answer = ask(order);
        char *text = json_dumps(answer, JSON_COMPACT);
        puts(text);
        fflush(stdout);
        free(text);
        json_decref(answer);
        json_decref(order);
    }
    free(line);
    return 0;
}

/* The reader of requests: header and body of every API and version, as they come from strangers.  What can be read is
 * printed, and written and read again, which must give the same. */
#include <string.h>

#include "tests/dataplane/codec_random.h"
#include "tests/fuzz/fuzz.h"

enum { ROOM = 1 << 20, BODY = 1024, TEXT = 4096 };

static _Alignas(16) uint8_t room[2][ROOM], again[ROOM];
static uint64_t body[2][BODY / 8];

static void print(const struct kafka_message *m, int16_t version)
{
    char text[TEXT];
    size_t size = kafka_print(m, version, body[0], text, sizeof text);
    FUZZ_CHECK(strlen(text) == (size < TEXT ? size : TEXT - 1));
}

/* Strings that an old version cannot say again, or a frame that outgrows the room, are the writer's to refuse. */
static void write_and_read_again(const struct kafka_message *m, const struct kafka_request_header *header)
{
    struct sink out = sink_of(again, sizeof again);
    enum err e = kafka_request_encode(m, header, body[0], &out);
    FUZZ_CHECK(e == ERR_OK || e == ERR_NO_SPACE);
    if (e != ERR_OK) return;
    struct cursor in = cursor_of(again + 4, (size_t)(out.at - again) - 4);
    struct kafka_request_header found;
    struct kafka_arena arena = {room[1], ROOM, 0};
    FUZZ_CHECK(kafka_request_header_decode(&in, &found) == ERR_OK);
    FUZZ_CHECK(found.api_key == header->api_key && found.api_version == header->api_version &&
               found.correlation_id == header->correlation_id &&
               kafka_string_equal(found.client_id, header->client_id));
    FUZZ_CHECK(kafka_decode(m, header->api_version, &in, &arena, body[1]) == ERR_OK);
    FUZZ_CHECK(cursor_left(&in) == 0);
    FUZZ_CHECK(codec_equal(&m->body, header->api_version, body[0], body[1]));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cursor in = cursor_of(bytes, size);
    struct kafka_request_header header;
    enum err e = kafka_request_header_decode(&in, &header);
    FUZZ_CHECK(e == ERR_OK || e == ERR_UNSUPPORTED || e == ERR_TRUNCATED || e == ERR_CORRUPT);
    if (e != ERR_OK) return 0;
    const struct kafka_message *m = kafka_request_of(header.api_key);
    FUZZ_CHECK(m != NULL && m->version_min <= header.api_version && header.api_version <= m->version_max);
    FUZZ_CHECK(m->body.struct_bytes <= BODY);
    struct kafka_arena arena = {room[0], ROOM, 0};
    e = kafka_decode(m, header.api_version, &in, &arena, body[0]);
    FUZZ_CHECK(e == ERR_OK || e == ERR_TRUNCATED || e == ERR_CORRUPT || e == ERR_TOO_LARGE);
    FUZZ_CHECK(arena.used <= arena.size);
    if (e != ERR_OK) return 0;
    print(m, header.api_version);
    write_and_read_again(m, &header);
    return 0;
}

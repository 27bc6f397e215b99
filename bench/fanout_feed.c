#include "bench/fanout_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/invariant.h"
#include "bench/wire.h"
#include "formats/record_batch.h"

enum { IN_FLIGHT_MAX = 16, ANSWER_BYTES_MAX = 4096, REQUEST_BYTES_MAX = 400 };

static void batch_make(struct feed *f, uint32_t record_bytes, uint32_t batch_bytes)
{
    static const struct record_header end = {RECORD_HEADER_POSITION, sizeof RECORD_HEADER_POSITION - 1, "x", 1};
    struct record_batch_writer w;
    struct record_batch_view view;
    struct record_view first;
    f->records = batch_bytes > record_bytes ? batch_bytes / record_bytes : 1;
    size_t room = RECORD_BATCH_HEADER_BYTES + (size_t)f->records * (record_bytes + RECORD_OVERHEAD_MAX + 64) + 64;
    f->batch = malloc(room);
    INVARIANT(f->batch != NULL);
    record_batch_begin(&w, f->batch, room, 0, 0);
    for (uint32_t i = 0; i < f->records; i++) {
        uint8_t *value = record_batch_record_begin(&w, 1784032496000, record_bytes, 64);
        INVARIANT(value != NULL);
        for (uint32_t at = 0; at < record_bytes; at++) value[at] = (uint8_t)((at * 31 + i) ^ at >> 5);
        record_batch_record_end(&w, record_bytes, &end, i + 1 == f->records ? 1 : 0);
    }
    f->batch_bytes = (uint32_t)record_batch_finish(&w);
    enum err e = record_batch_view(f->batch, f->batch_bytes, &view);
    INVARIANT(e == ERR_OK);
    struct cursor records = cursor_of(view.records, view.records_bytes);
    e = record_next(&records, &view, &first);
    INVARIANT(e == ERR_OK && first.value_bytes >= sizeof(uint64_t));
    f->stamp_at = (uint32_t)(first.value - f->batch);
    f->stamped_bytes = (uint32_t)first.value_bytes;
    f->batch_value_bytes = (uint64_t)f->records * record_bytes;
    for (struct record_view other; record_next(&records, &view, &other) == ERR_OK;)
        f->unstamped_crcs += crc32c(0, other.value, (size_t)other.value_bytes);
}

void feed_open(struct feed *f, uint16_t port, bool is_kafka, const char *topic, uint32_t record_bytes,
               uint32_t batch_bytes)
{
    *f = (struct feed){.fd = port == 0 ? -1 : wire_connect("127.0.0.1", port), .is_kafka = is_kafka, .topic = topic};
    batch_make(f, record_bytes, batch_bytes);
}

uint64_t feed_stamp(const struct feed *f, const uint8_t *batch)
{
    uint64_t stamp;
    memcpy(&stamp, batch + f->stamp_at, sizeof stamp);
    return stamp;
}

/* ProduceResponse version 3: correlation, topics, name, partitions, index, error, base offset, time, throttle. */
static void produced(struct feed *f)
{
    uint8_t answer[ANSWER_BYTES_MAX];
    wire_receive(f->fd, answer, 4);
    size_t size = wire_read(answer, 4), at = 4 + 4 + 2 + strlen(f->topic) + 4 + 4;
    INVARIANT(size <= sizeof answer && size >= at + 10);
    wire_receive(f->fd, answer, size);
    int16_t error = (int16_t)wire_read(answer + at, 2);
    if (error != 0) fprintf(stderr, "Kafka refuses a batch: error %d\n", error), exit(1);
    f->next_offset = wire_read(answer + at + 2, 8) + f->records;
    f->in_flight--;
}

static void produce(struct feed *f)
{
    uint8_t head[REQUEST_BYTES_MAX];
    size_t at = 4;
    at += wire_number(head + at, 0, 2); /* Produce */
    at += wire_number(head + at, 3, 2);
    at += wire_number(head + at, 1, 4);
    at += wire_text(head + at, "feed");
    at += wire_number(head + at, UINT16_MAX, 2); /* no transactional id */
    at += wire_number(head + at, UINT16_MAX, 2); /* acks: all */
    at += wire_number(head + at, 30000, 4);
    at += wire_number(head + at, 1, 4);
    at += wire_text(head + at, f->topic);
    at += wire_number(head + at, 1, 4);
    at += wire_number(head + at, 0, 4);
    at += wire_number(head + at, f->batch_bytes, 4);
    wire_number(head, at - 4 + f->batch_bytes, 4);
    while (f->in_flight >= IN_FLIGHT_MAX) produced(f);
    wire_send(f->fd, head, at);
    wire_send(f->fd, f->batch, f->batch_bytes);
    f->in_flight++;
}

void feed_send(struct feed *f, uint64_t stamp)
{
    memcpy(f->batch + f->stamp_at, &stamp, sizeof stamp);
    f->value_bytes += f->batch_value_bytes;
    f->crc_sum += f->unstamped_crcs + crc32c(0, f->batch + f->stamp_at, f->stamped_bytes);
    wire_number(f->batch + RECORD_BATCH_AT_CRC,
                crc32c(0, f->batch + RECORD_BATCH_AT_ATTRIBUTES, f->batch_bytes - RECORD_BATCH_AT_ATTRIBUTES), 4);
    if (f->is_kafka) {
        produce(f);
        return;
    }
    uint32_t head[2] = {f->batch_bytes, f->records};
    wire_send(f->fd, head, sizeof head);
    wire_send(f->fd, f->batch, f->batch_bytes);
}

void feed_drain(struct feed *f)
{
    while (f->is_kafka && f->in_flight > 0) produced(f);
    if (f->is_kafka) return;
    uint32_t end[2] = {0, 0};
    wire_send(f->fd, end, sizeof end);
    wire_receive(f->fd, &f->next_offset, sizeof f->next_offset);
}

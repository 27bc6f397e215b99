#include "bench/fetch_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t number_put(uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return bytes;
}

static size_t text_put(uint8_t *out, const char *text)
{
    size_t size = strlen(text);
    number_put(out, size, 2);
    memcpy(out + 2, text, size);
    return 2 + size;
}

size_t fetcher_request(const struct fetcher *f, uint8_t out[FETCH_REQUEST_BYTES])
{
    size_t at = 4;
    at += number_put(out + at, 1, 2); /* Fetch, version 4 */
    at += number_put(out + at, 4, 2);
    at += number_put(out + at, 7, 4);
    at += text_put(out + at, "bench");
    at += number_put(out + at, UINT32_MAX, 4); /* replica */
    at += number_put(out + at, 1000, 4);       /* max_wait_ms */
    at += number_put(out + at, 1, 4);          /* min_bytes */
    at += number_put(out + at, FETCH_ANSWER_BYTES, 4);
    at += number_put(out + at, 0, 1);
    at += number_put(out + at, 1, 4);
    at += text_put(out + at, FETCH_TOPIC);
    at += number_put(out + at, 1, 4);
    at += number_put(out + at, 0, 4);
    at += number_put(out + at, f->next, 8);
    at += number_put(out + at, FETCH_ANSWER_BYTES, 4);
    number_put(out, at - 4, 4);
    return at;
}

static uint64_t number_at(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value = value << 8 | at[i];
    return value;
}

static void head_read(struct fetcher *f)
{
    const uint8_t *error = f->head + FETCH_HEAD_BYTES - 26;
    f->left = number_at(f->head + FETCH_HEAD_BYTES - 4, 4);
    bool is_whole = number_at(f->head, 4) + 4 == FETCH_HEAD_BYTES + f->left && f->left % f->log->batch_bytes == 0;
    if (number_at(error, 2) == 0 && is_whole) return;
    fprintf(stderr, "no answer of whole batches: error %u, %llu bytes of records, %u a batch\n",
            (unsigned)number_at(error, 2), (unsigned long long)f->left, f->log->batch_bytes);
    exit(1);
}

bool fetcher_take(struct fetcher *f, const uint8_t *bytes, uint32_t size)
{
    if (f->log == NULL) return false;
    uint32_t part = FETCH_HEAD_BYTES - f->head_bytes < size ? FETCH_HEAD_BYTES - f->head_bytes : size;
    if (part > 0) {
        memcpy(f->head + f->head_bytes, bytes, part);
        f->head_bytes += part;
        if (f->head_bytes < FETCH_HEAD_BYTES) return false;
        head_read(f);
        f->next += f->left / f->log->batch_bytes * f->log->batch_records;
        if (f->next >= f->log->end) f->next = f->log->first;
    }
    if (size - part > f->left) {
        fprintf(stderr, "more came than the answer's size said\n");
        exit(1);
    }
    f->left -= size - part;
    if (f->left > 0) return false;
    f->head_bytes = 0;
    return true;
}

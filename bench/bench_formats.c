/* What one core spends on encoding a row and putting it into a batch, and on packing that with each codec.  Prints a
 * JSON line per figure: the median of several rounds, and the best, which a busy machine disturbs least. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "bench/change_rows.h"
#include "formats/record_batch.h"

enum { ROUNDS = 9, BATCH_BYTES = 256 << 10 };

static unsigned rows_per_round = 200000;
static uint8_t batch_bytes[BATCH_BYTES], packing_room[BATCH_BYTES + PACKER_SLACK_BYTES];
static struct packer *packer; /* NULL: batches are not packed */

static uint64_t finish(struct record_batch_writer *w)
{
    if (packer == NULL) return record_batch_finish(w);
    return record_batch_finish_packed(w, packer, packing_room, sizeof packing_room);
}

/* Nanoseconds a row of rows_per_round rows through encode and record batch. */
static double round_ns(const struct record_format *format, struct change_rows *rows, uint64_t *batched_bytes)
{
    struct record_batch_writer w;
    const struct change_event *e = &rows->event;
    uint64_t offset = 0, started_ns = clock_monotonic_ns(clock_real());
    record_batch_begin(&w, batch_bytes, sizeof batch_bytes, offset, 0);
    for (unsigned i = 0; i < rows_per_round; i++) {
        change_rows_next(rows, i);
        uint8_t *at = record_batch_record_begin(&w, e->timestamp_s * INT64_C(1000), format->size_max(e), 0);
        if (at == NULL) {
            *batched_bytes += finish(&w);
            record_batch_begin(&w, batch_bytes, sizeof batch_bytes, offset, 0);
            at = record_batch_record_begin(&w, e->timestamp_s * INT64_C(1000), format->size_max(e), 0);
            INVARIANT(at != NULL);
        }
        record_batch_record_end(&w, format->encode(e, offset++, at), NULL, 0);
    }
    *batched_bytes += finish(&w);
    return (double)(clock_monotonic_ns(clock_real()) - started_ns) / rows_per_round;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, enum change_operation operation)
{
    static struct change_rows rows;
    const struct record_format *format = record_format_find("dts-avro");
    if (strcmp(name, "narrow") == 0) change_rows_narrow(&rows, format, operation);
    else change_rows_mixed(&rows, format, operation);
    double ns[ROUNDS];
    uint64_t bytes = 0;
    for (unsigned i = 0; i < ROUNDS; i++) ns[i] = round_ns(format, &rows, &bytes);
    qsort(ns, ROUNDS, sizeof *ns, by_size);
    printf("{\"bench\":\"encode\",\"format\":\"%s\",\"case\":\"%s\",\"operation\":\"%s\",\"columns\":%u,"
           "\"rows\":%u,\"compression\":\"%s\",\"rounds\":%u,\"record_bytes\":%.0f,"
           "\"ns_per_row\":%.1f,\"ns_per_row_best\":%.1f}\n",
           format->name, name, operation == CHANGE_INSERT ? "INSERT" : "UPDATE", rows.table.column_count,
           rows_per_round, compression_name(packer == NULL ? COMPRESSION_NONE : packer_codec(packer)), ROUNDS,
           (double)bytes / ROUNDS / rows_per_round, ns[ROUNDS / 2], ns[0]);
    format->table_release(&rows.table);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) rows_per_round = 20000;
    measure("narrow", CHANGE_INSERT);
    measure("narrow", CHANGE_UPDATE);
    measure("mixed", CHANGE_INSERT);
    measure("mixed", CHANGE_UPDATE);
    static const enum compression codecs[] = {COMPRESSION_LZ4, COMPRESSION_ZSTD, COMPRESSION_GZIP};
    for (unsigned i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        enum err err = packer_open(&packer, codecs[i]);
        INVARIANT(err == ERR_OK);
        measure("narrow", CHANGE_INSERT);
        measure("mixed", CHANGE_UPDATE);
        packer_close(packer);
    }
    return 0;
}

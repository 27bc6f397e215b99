/* millrace log dump: a segment file's batches and records, readable, with every checksum looked at.  Works on Kafka's
 * own segments too. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "formats/record_batch.h"
#include "formats/record_json.h"
#include "formats/source_position.h"
#include "storage/log_reader.h"

enum { VALUE_TEXT_BYTES = 128 << 20, PLAIN_BYTES = 128 << 20 }; /* touched only as far as values are long */

struct dump {
    bool json, batches_only;
    char *text; /* VALUE_TEXT_BYTES; for a value as JSON */
    uint64_t batches, records, faults;
    uint64_t next_offset;
    bool has_next_offset;
    struct unpacker *unpacker;
    uint8_t *plain; /* PLAIN_BYTES; for a batch unpacked */
};

/* The record's value as JSON text, or NULL when it is not one of ours. */
static const char *value_text(struct dump *d, const struct record_view *record)
{
    struct sink out = sink_of(d->text, VALUE_TEXT_BYTES - 1);
    if (record->value == NULL || record_json_write(record->value, record->value_bytes, &out) != ERR_OK) return NULL;
    *out.at = '\0';
    return d->text;
}

static void print_headers(const struct record_view *record)
{
    struct record_view rest = *record;
    for (uint32_t i = 0; i < record->header_count; i++) {
        struct record_header h;
        struct source_position p;
        if (record_header_next(&rest, &h) != ERR_OK) return;
        bool is_position =
            h.key_bytes == strlen(RECORD_HEADER_POSITION) && memcmp(h.key, RECORD_HEADER_POSITION, h.key_bytes) == 0;
        if (is_position && source_position_decode(h.value, h.value_bytes, &p) == ERR_OK)
            printf("      header %.*s: %s %" PRIu64 "%s%s\n", (int)h.key_bytes, h.key, p.file, p.position,
                   p.gtid[0] == '\0' ? "" : " GTID ", p.gtid);
        else
            printf("      header %.*s: %u bytes\n", (int)h.key_bytes, h.key, h.value_bytes);
    }
}

static void print_record(struct dump *d, const struct record_view *record)
{
    const char *value = value_text(d, record);
    if (d->json) {
        printf("{\"offset\":%" PRIu64 ",\"timestamp_ms\":%" PRId64 ",\"value_bytes\":%u,\"value\":%s}\n",
               record->offset, record->timestamp_ms, record->value_bytes, value == NULL ? "null" : value);
        return;
    }
    printf("    %" PRIu64 "  time %" PRId64 "  key %u bytes, value %u bytes%s%s\n", record->offset,
           record->timestamp_ms, record->key_bytes, record->value_bytes, value == NULL ? "" : "  ",
           value == NULL ? "" : value);
    print_headers(record);
}

static void fault(struct dump *d, uint64_t position, const char *what)
{
    d->faults++;
    fflush(stdout);
    cli_fail(0, "position %" PRIu64 ": %s", position, what);
}

static void dump_records(struct dump *d, const struct record_batch_view *batch, uint64_t position)
{
    struct cursor records = cursor_of(batch->records, batch->records_bytes);
    for (uint32_t i = 0; i < batch->record_count; i++) {
        struct record_view record;
        if (record_next(&records, batch, &record) != ERR_OK) {
            fault(d, position, "a record does not fill exactly its length");
            return;
        }
        d->records++;
        if (!d->batches_only) print_record(d, &record);
    }
    if (cursor_left(&records) != 0) fault(d, position, "bytes are left behind the last record of the batch");
}

/* Its records, which are packed. */
static void dump_packed(struct dump *d, const uint8_t *bytes, const struct record_batch_view *batch, uint64_t position)
{
    struct record_batch_view plain;
    size_t size;
    enum err e = record_batch_unpack(d->unpacker, bytes, batch, d->plain, PLAIN_BYTES, &size);
    if (e == ERR_OK) e = record_batch_view(d->plain, size, &plain);
    if (e == ERR_OK) dump_records(d, &plain, position);
    else if (e == ERR_UNSUPPORTED && !d->json)
        printf("    %u records, packed with %s, which is not read here\n", batch->record_count,
               compression_name(record_batch_codec(batch)));
    else if (e == ERR_TOO_LARGE) fault(d, position, "its packed records unpack to more than 128 MiB");
    else if (e != ERR_UNSUPPORTED) fault(d, position, "its packed records cannot be unpacked");
}

static void dump_batch(struct dump *d, const uint8_t *bytes, const struct record_batch_view *batch, uint64_t position)
{
    bool holds = record_batch_crc_holds(bytes, batch);
    enum compression codec = record_batch_codec(batch);
    if (!d->json)
        printf("batch at %" PRIu64 ": offsets %" PRIu64 " to %" PRIu64 ", %u bytes%s%s, checksum %s\n", position,
               batch->base_offset, batch->base_offset + batch->record_count - 1, batch->bytes,
               codec == COMPRESSION_NONE ? "" : ", ", codec == COMPRESSION_NONE ? "" : compression_name(codec),
               holds ? "holds" : "DOES NOT HOLD");
    if (!holds) fault(d, position, "the batch's checksum does not hold");
    if (d->has_next_offset && batch->base_offset != d->next_offset)
        fault(d, position, "the batch does not begin at the next offset");
    d->next_offset = batch->base_offset + batch->record_count;
    d->has_next_offset = true;
    d->batches++;
    if (holds && codec == COMPRESSION_NONE) dump_records(d, batch, position);
    else if (holds) dump_packed(d, bytes, batch, position);
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0) return false;
    return true;
}

static void dump_all(struct dump *d, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct record_batch_view batch = {.bytes = 0};
        enum err e = record_batch_view(bytes + at, size - at, &batch);
        if (e != ERR_OK && is_zero(bytes + at, size - at)) {
            if (!d->json) printf("zeroes from %zu to %zu: room prepared for what comes next\n", at, size);
            return;
        }
        /* A segment that is being written may be an old one's file: what stands behind its end is older. */
        size_t end = (at / LOG_BLOCK_BYTES + 1) * LOG_BLOCK_BYTES;
        if (e != ERR_OK && is_zero(bytes + at, end < size ? end - at : size - at)) {
            if (!d->json) printf("older bytes from %zu to %zu: room for what comes next\n", end, size);
            return;
        }
        if (e != ERR_OK) {
            fault(d, at,
                  e == ERR_TRUNCATED ? "the file ends within a batch" : "no record batch (format 2) begins here");
            return;
        }
        dump_batch(d, bytes + at, &batch, at);
        at += batch.bytes;
    }
}

int cli_log_dump(struct cli *cli, int argc, char **argv)
{
    const char *path;
    struct dump d = {.json = false};
    const struct cli_option options[] = {{.name = "--batches", .flag = &d.batches_only}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &path)) return cli_usage(cli_log_dump);
    d.json = cli->json;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int why = errno;
        if (fd >= 0) close(fd);
        return cli_fail(CLI_FAILED, "cannot read %s: %s", path, strerror(why));
    }
    size_t size = (size_t)st.st_size;
    uint8_t *bytes = size == 0 ? NULL : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    d.text = malloc(VALUE_TEXT_BYTES);
    d.plain = malloc(PLAIN_BYTES);
    if (bytes == MAP_FAILED || d.text == NULL || d.plain == NULL || unpacker_open(&d.unpacker) != ERR_OK) {
        free(d.text);
        free(d.plain);
        return cli_fail(CLI_FAILED, "cannot map %s", path);
    }
    if (size > 0) {
        dump_all(&d, bytes, size);
        munmap(bytes, size);
    }
    free(d.text);
    free(d.plain);
    unpacker_close(d.unpacker);
    if (!cli->json)
        printf("%" PRIu64 " batches, %" PRIu64 " records, %" PRIu64 " faults\n", d.batches, d.records, d.faults);
    return d.faults == 0 ? CLI_OK : CLI_FAILED;
}

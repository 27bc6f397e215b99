/* What a capture may use of memory beside its chunks. */
#include "capture/capture.h"
#include "capture/follower.h"

enum {
    CAPTURE_ITSELF_BYTES = 64 << 10, /* its struct and its configuration's texts */
    /* Of a folder of files, beside the event being read (a server's is as large): up to four walks look at 1 MiB of a
     * file each, at GTID sets whole; and the list of the files.  Any channel may be one. */
    CAPTURE_ARCHIVE_BYTES = 8 << 20,
};

uint64_t capture_memory_bytes(const struct capture_config *config)
{
    uint64_t values = 2 * (uint64_t)SCHEMA_COLUMNS_MAX * sizeof(struct change_value);
    uint64_t arena = 2 * (uint64_t)config->record_bytes_max, scratch = 2 * (uint64_t)config->record_bytes_max;
    uint64_t spool = 2 * (uint64_t)config->record_bytes_max; /* a row, there and back */
    uint64_t payload = PAYLOAD_BUFFER_BYTES + PAYLOAD_WINDOW_BYTES;
    return sizeof(struct follower) + CAPTURE_ITSELF_BYTES + values + arena + scratch + spool + payload +
           packer_memory_bytes() + CAPTURE_DEFINITIONS_BYTES + config->packet_bytes_max + CAPTURE_ARCHIVE_BYTES;
}

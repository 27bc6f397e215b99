/* formats/record_format.h -- what a record format is.  Pure functions; the capture thread calls them. */
#ifndef FORMATS_RECORD_FORMAT_H
#define FORMATS_RECORD_FORMAT_H

#include "base/err.h"
#include "formats/change_event.h"

struct record_format {
    const char *name; /* as in a channel's configuration: "dts-avro" */

    /* Prepares what is the same for every row of a table (field lists, key text) into table->format_data.
     * ERR_NO_MEMORY. */
    enum err (*table_prepare)(struct change_table *table);
    void (*table_release)(struct change_table *table);

    /* An upper bound, in bytes, of what encode will write for this event. */
    size_t (*size_max)(const struct change_event *event);

    /* Writes the record's value at `at` (room: size_max) and returns its size in bytes.  `record_id` is the record's
     * offset.  Everything but the processing time depends on the event alone: the same event gives the same bytes. */
    size_t (*encode)(const struct change_event *event, uint64_t record_id, uint8_t *at);
};

extern const struct record_format record_format_dts_avro;

/* NULL: no such format. */
const struct record_format *record_format_find(const char *name);

#endif

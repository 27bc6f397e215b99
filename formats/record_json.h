/* formats/record_json.h -- a tracked record for people: one line of JSON.  Pure; any thread.
 *
 *   {"id":7,"operation":"UPDATE","table":"shop.orders","before":{"id":1,"state":"new"},"after":{"id":1,"state":"paid"},
 *    "timestamp_s":1696984517,"read_time_ms":1696984517078,"position":"75259@78","safe_position":"75103@78",
 *    "server_version":"8.0.28","tags":{...}}                                                    (on one line)
 *
 * DDL has "database" and "statement"; what an operation does not have is left out.  Values: integers, YEAR and floating
 * point are numbers (integers of any size: up to 2^64 - 1), DECIMAL and the texts strings; DATE "2021-09-29", TIME
 * "-838:59:59.25" and so on with as many fraction digits as needed, TIMESTAMP in UTC "2021-04-12T14:57:31Z"; binary
 * {"hex":"00ff"}, text in another charset than UTF-8 or not valid in it {"charset":"latin1","hex":"e9"}, geometry
 * {"wkb":"..."}; NULL null; a column that is not in the image is left out. */
#ifndef FORMATS_RECORD_JSON_H
#define FORMATS_RECORD_JSON_H

#include <stddef.h>

#include "base/err.h"
#include "base/sink.h"

/* Writes the line, without a newline.  ERR_CORRUPT: the value is not a whole record of this format.  ERR_NO_SPACE: the
 * sink is too small (twelve times the value's size and 1 KiB nearly always do).  On error what is in the sink is
 * worthless. */
NODISCARD enum err record_json_write(const void *value, size_t size, struct sink *out);

#endif

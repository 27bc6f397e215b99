/* capture/row_temporal.h -- MySQL's and MariaDB's stored dates and times to change values.  Used by row_column.c only.
 *
 * Each function reads as many bytes as its type takes (checked by the caller) and gives ERR_CORRUPT for what is no date
 * or time; zero dates and zero parts are legal.  `digits`: of the fraction, 0..6. */
#ifndef CAPTURE_ROW_TEMPORAL_H
#define CAPTURE_ROW_TEMPORAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "formats/change_event.h"

enum err row_decode_date(const uint8_t *p, struct change_value *v);
enum err row_decode_time(const uint8_t *p, struct change_value *v);     /* before MySQL 5.6 */
enum err row_decode_datetime(const uint8_t *p, struct change_value *v); /* before MySQL 5.6 */
enum err row_decode_time2(const uint8_t *p, unsigned digits, struct change_value *v);
enum err row_decode_datetime2(const uint8_t *p, unsigned digits, struct change_value *v);
enum err row_decode_timestamp2(const uint8_t *p, unsigned digits, struct change_value *v);
/* MariaDB's TIME, DATETIME and TIMESTAMP with a fraction of 5.3 to 10.0. */
enum err row_decode_hires(const uint8_t *p, unsigned size, unsigned digits, bool is_time, struct change_value *v);
enum err row_decode_timestamp_hires(const uint8_t *p, unsigned size, unsigned digits, struct change_value *v);

#endif

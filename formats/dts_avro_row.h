/* formats/dts_avro_row.h -- private to dts_avro: the image of one row. */
#ifndef FORMATS_DTS_AVRO_ROW_H
#define FORMATS_DTS_AVRO_ROW_H

#include "formats/dts_avro_table.h"

/* An upper bound of what dts_image_put writes, DTS_PREFIX_COPY bytes of scratch behind it not counted. */
size_t dts_image_bytes_max(const struct dts_table *table, const struct change_value *values);

/* Writes the union branch, the items and the array's end; returns the end. */
uint8_t *dts_image_put(uint8_t *at, const struct dts_table *table, const struct change_value *values);

#endif

/* bench/change_rows.h -- what encoding is measured with: row changes of two tables of fixed columns and values. */
#ifndef BENCH_CHANGE_ROWS_H
#define BENCH_CHANGE_ROWS_H

#include "formats/change_event.h"
#include "formats/record_format.h"

enum { CHANGE_ROWS_COLUMNS_MAX = 20, CHANGE_ROWS_VARIANTS = 64 };

struct change_rows {
    struct change_event  event; /* of `table`; before and after are the caller's to set, from `row` */
    struct change_table  table;
    struct change_source source;
    struct change_key    key;
    struct change_value  row[CHANGE_ROWS_VARIANTS][CHANGE_ROWS_COLUMNS_MAX];
};

/* 5 columns of numbers and names, or 20 of all kinds; prepared for the format.  Ended with its table_release. */
void change_rows_narrow(struct change_rows *r, const struct record_format *format, enum change_operation operation);
void change_rows_mixed(struct change_rows *r, const struct record_format *format, enum change_operation operation);
/* The event becomes row change number `n`. */
void change_rows_next(struct change_rows *r, uint64_t n);

#endif

/* bench/row_tables.h -- what decoding is measured with: two tables of fixed columns, their TABLE_MAP, and an INSERT
 * event full of one row. */
#ifndef BENCH_ROW_TABLES_H
#define BENCH_ROW_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "tests/capture/definitions_support.h"

enum { ROW_TABLE_COLUMNS_MAX = 16, ROW_TABLE_MAP_BYTES = 256 };

struct row_table {
    const struct row_table_column *column;
    uint16_t count;
};

extern const struct row_table row_table_narrow; /* 5 columns: int, varchar */
extern const struct row_table row_table_mixed;  /* 8 columns: bigint, decimal, times, enum, double, char, text */
extern const struct row_table row_table_json;   /* 2 columns: a document of five members */

/* Tells the definition of `d`.`t`; ended with told_close. */
void   row_table_tell(struct told *told, const struct row_table *t);
/* The body of its TABLE_MAP, at most ROW_TABLE_MAP_BYTES; returns the size. */
size_t row_table_map(uint8_t *body, size_t room, const struct row_table *t);
/* The body of a WRITE_ROWS event of at most `room` bytes; returns the size. */
size_t row_table_rows(uint8_t *body, size_t room, const struct row_table *t, size_t *rows);

#endif

/* capture/column_type.h -- reads a column's type as information_schema.COLUMNS.COLUMN_TYPE prints it:
 * "int(10) unsigned", "decimal(10,2)", "enum('a','it''s')", "time(3)". */
#ifndef CAPTURE_COLUMN_TYPE_H
#define CAPTURE_COLUMN_TYPE_H

#include <stddef.h>

#include "base/err.h"
#include "capture/schema.h"
#include "formats/change_event.h"

/* column_type_parse fills type, is_unsigned, precision and scale of `column`, and special, is_compressed and
 * prefix_bytes of `extra`, from `extra->type_text`.  ERR_UNSUPPORTED: not a type we know.  Any thread. */
NODISCARD enum err column_type_parse(struct change_column *column, struct schema_column *extra);

/* How many labels an ENUM or SET lists, and how many bytes their texts take with a NUL each; 0 for other types. */
size_t column_type_label_count(const char *type_text, size_t *text_bytes);

/* column_type_labels writes the labels to `label` and their texts to `text` (sized by column_type_label_count).  The
 * source quotes them as SQL strings: '' for a quote, backslash sequences for backslash, NUL, line feed and carriage
 * return. */
void column_type_labels(const char *type_text, struct schema_label *label, char *text);

#endif

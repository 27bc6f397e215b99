/* capture/name_fold.h -- names without case, as servers compare those of columns and keys, and those of tables where
 * lower_case_table_names is set: by the lower case of each character up to U+FFFF. */
#ifndef CAPTURE_NAME_FOLD_H
#define CAPTURE_NAME_FOLD_H

#include "capture/arena.h"

/* < 0, 0, > 0: an order that does not change.  A byte that is no UTF-8 stands for itself.  Any thread. */
int name_compare_folded(const char *a, const char *b);
/* The text in lower case, in the arena; NULL: no memory. */
char *name_lower(struct arena *arena, const char *text);

#endif

/* tests/capture/archive_folder.h -- a folder of binlog files made by hand, whose files come, are cut, and change; the
 * simulated source `calm` that has them whole; and `w`, a capture that reads the folder. */
#ifndef TESTS_CAPTURE_ARCHIVE_FOLDER_H
#define TESTS_CAPTURE_ARCHIVE_FOLDER_H

#include "tests/capture/capture_world.h"

enum { FILES = 3, TRANSACTIONS = 4 /* a file */, DEADLINE_MS = 120000, FORMAT_CREATED_AT = 4 + 19 + 2 + 50 };

extern struct world calm, w;
extern char folder[64], schema[160];
extern bool is_copying; /* somebody writes to the folder with each step of folder_stays */

void folder_path(char out[static 160], const char *name);
void folder_put_bytes(const char *name, const void *bytes, size_t size);
/* Nobody has written in the folder for long. */
void folder_quiet(void);
/* The first `size` bytes (0: all) of a file of the calm source, as it is on a disk. */
void folder_put_file(uint32_t index, size_t size);
void folder_put_files(void);
void folder_remove_file(uint32_t index);
/* Changes a field of a file's FORMAT_DESCRIPTION, checksum included. */
void folder_patch_format(uint32_t index, size_t at, uint32_t value, unsigned bytes);
void folder_transactions(uint32_t first_id, bool with_gtids);
/* `calm` anew, with so many files. */
void folder_make(uint32_t count, bool with_gtids);
void folder_setup(void);
void folder_teardown(void);
/* As it is, and when nobody writes to it. */
void folder_open_busy(void);
void folder_open(void);
/* Steps until `transactions` are read and nothing more is pending; false: capture ended. */
bool folder_run(uint64_t transactions, struct capture_status *s);
/* More steps, in which nothing may come. */
void folder_stays(unsigned steps, uint64_t transactions);
void folder_run_calm(void);
/* Capture is opened, and ends with this error. */
void folder_ends_with(enum err code, const char *words, const char *more_words);

#endif

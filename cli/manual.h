/* cli/manual.h -- the man page and bash's completions, made from the table of commands. */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include <stdio.h>

void manual_print_page(FILE *to);       /* millrace(1), roff */
void manual_print_completion(FILE *to); /* a bash script */

#endif

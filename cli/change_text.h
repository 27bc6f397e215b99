/* cli/change_text.h -- a change event (from its JSON, formats/record_json.h) as one line for people. */
#ifndef CLI_CHANGE_TEXT_H
#define CLI_CHANGE_TEXT_H

#include <jansson.h>
#include <stdint.h>

enum change_kind { CHANGE_KIND_ROW, CHANGE_KIND_DDL, CHANGE_KIND_OTHER }; /* other: BEGIN, COMMIT, HEARTBEAT */

enum change_kind change_kind_of(const char *line);
/* Without the line's end; one that has neither table nor statement shows its operation alone, or "why". */
void change_print(const json_t *value, int64_t offset);
/* A row or a DDL; lag -1: not known. */
void change_print_text(const char *line, int64_t offset, int64_t lag);

#endif

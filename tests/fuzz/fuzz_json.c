/* Binary JSON to text, and changes of a document: a piece that is the document, then the changes. */
#include <stdlib.h>
#include <string.h>

#include "capture/json_binary.h"
#include "capture/json_diff.h"
#include "tests/fuzz/fuzz.h"

enum { ROOM = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t room[2][ROOM];
    struct cursor input = cursor_of(bytes, size), document = fuzz_piece(&input);
    size_t document_bytes = cursor_left(&document);
    uint8_t *exact = malloc(document_bytes + 1); /* so that the address sanitizer sees a byte too far */
    memcpy(exact + 1, document.at, document_bytes);
    for (int keeps = 0; keeps < 2; keeps++) {
        struct sink out = sink_of(room[0], ROOM), tight;
        enum err e = json_binary_print(&out, exact + 1, document_bytes, keeps == 1);
        FUZZ_CHECK(e == ERR_OK || e == ERR_CORRUPT || e == ERR_NO_SPACE);
        size_t text = (size_t)(out.at - room[0]);
        if (e != ERR_OK || text == 0) continue;
        tight = sink_of(room[1], text); /* exactly enough, and one byte too few */
        FUZZ_CHECK(json_binary_print(&tight, exact + 1, document_bytes, keeps == 1) == ERR_OK);
        FUZZ_CHECK(memcmp(room[0], room[1], text) == 0);
        tight = sink_of(room[1], text - 1);
        FUZZ_CHECK(json_binary_print(&tight, exact + 1, document_bytes, keeps == 1) == ERR_NO_SPACE);
    }
    struct sink out = sink_of(room[0], ROOM);
    const uint8_t *text;
    size_t text_bytes;
    enum err e = json_diff_print(&out, exact + 1, document_bytes, input.at, cursor_left(&input), true, &text,
                                 &text_bytes);
    FUZZ_CHECK(e == ERR_OK || e == ERR_CORRUPT || e == ERR_NO_SPACE);
    if (e == ERR_OK) FUZZ_CHECK(text >= room[0] && text + text_bytes <= room[0] + ROOM);
    free(exact);
    return 0;
}

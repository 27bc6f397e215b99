#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

size_t utf8_sequence(const uint8_t *at, size_t left)
{
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    if (size > left) return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    bool is_other = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) ||
                    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90);
    return is_other ? 0 : size;
}

void utf8_make_printable(char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t size = utf8_sequence((const uint8_t *)text, left);
        if (size == 0 || (unsigned char)*text < 0x20 || *text == 0x7f) *text = '?';
        text += size == 0 ? 1 : size;
        left -= size == 0 ? 1 : size;
    }
}

#include "capture/row_special.h"

#include <stdbool.h>
#include <stdio.h>

unsigned row_print_inet4(char *out, const uint8_t *p)
{
    return (unsigned)sprintf(out, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
}

unsigned row_print_inet6(char *out, const uint8_t *p)
{
    unsigned group[8], size = 0;
    int best = -1, best_length = 0; /* the first longest run of zero groups becomes "::", one group too */

    for (int i = 0; i < 8; i++) group[i] = (unsigned)p[2 * i] << 8 | p[2 * i + 1];
    for (int i = 0; i < 8; i++) {
        int run = 0;
        while (i + run < 8 && group[i + run] == 0) run++;
        if (run > best_length) {
            best = i;
            best_length = run;
        }
        if (run > 0) i += run - 1;
    }
    bool is_compatible = best == 0 && (best_length == 6 || (best_length == 5 && group[5] == 0xffff));
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            size += (unsigned)sprintf(out + size, i == 0 ? "::" : ":");
            i += best_length - 1;
        } else if (is_compatible && i == 6) {
            return size + (unsigned)sprintf(out + size, "%u.%u.%u.%u", p[12], p[13], p[14], p[15]);
        } else {
            size += (unsigned)sprintf(out + size, i == 7 ? "%x" : "%x:", group[i]);
        }
    }
    return size;
}

/* MariaDB stores a UUID's parts in reverse order, so that they sort by time where the version (1 to 5) says that they
 * do not already. */
unsigned row_print_uuid(char *out, const uint8_t *p)
{
    static const uint8_t order[16] = {12, 13, 14, 15, 10, 11, 8, 9, 6, 7, 0, 1, 2, 3, 4, 5};
    bool is_swapped = (p[6] & 0x80) != 0 && p[8] > 0 && p[8] < 0x60;
    unsigned size = 0;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out[size++] = '-';
        size += (unsigned)sprintf(out + size, "%02x", p[is_swapped ? order[i] : i]);
    }
    return size;
}

#include "formats/float_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    /* Up to here value * 10^decimals is exact in a double (24 bits of mantissa plus the 2.33 bits each factor 5 takes,
     * together at most 53), and the double nearest to m / 10^decimals never lies on the middle between two floats. */
    DECIMALS_MAX = 12,
    FLOAT_DIGITS_MAX = 9, /* always enough */
};
static const double all_integers_are_floats = 1 << 24;
static const double mantissa_max = 1e9; /* FLOAT_DIGITS_MAX digits */

/* Very large and very small: ask the C library. */
static double shortest_by_trial(double value)
{
    char text[32];
    for (int digits = 1; digits < FLOAT_DIGITS_MAX; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtof(text, NULL) == (float)value) return strtod(text, NULL);
    }
    snprintf(text, sizeof text, "%.*e", FLOAT_DIGITS_MAX - 1, value);
    return strtod(text, NULL);
}

double float_shortest(double value)
{
    static const double power[DECIMALS_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    double magnitude = fabs(value);
    if (!isfinite(value)) return value;
    if (magnitude <= all_integers_are_floats && trunc(value) == value) return value; /* no shorter decimal is as near */
    if (magnitude < all_integers_are_floats) {
        for (int decimals = 1; decimals <= DECIMALS_MAX; decimals++) {
            double mantissa = nearbyint(value * power[decimals]); /* exact, then to the nearest even as printf does */
            if (fabs(mantissa) >= mantissa_max) break;
            double shorter = mantissa / power[decimals];
            if ((float)shorter == (float)value) return shorter;
        }
    }
    return shortest_by_trial(value);
}

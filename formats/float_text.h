/* formats/float_text.h -- a FLOAT as people read it.
 *
 * A float widened to double shows digits it never had: 1.1f is 1.10000002384185791.  What users mean is the decimal of
 * fewest digits that reads back as the same float (of several the nearest); we hand on the double nearest to that
 * decimal. */
#ifndef FORMATS_FLOAT_TEXT_H
#define FORMATS_FLOAT_TEXT_H

/* `value` holds a float exactly; infinities and NaN pass as they are.  Pure. */
double float_shortest(double value);

#endif

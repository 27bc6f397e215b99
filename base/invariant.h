/* base/invariant.h -- assertions that stay on in production.
 *
 * INVARIANT is for what cannot happen unless our own code is wrong; it aborts with the place and the
 * condition.  Input from the wire, the disk, the config or a person is never an invariant. */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

_Noreturn void invariant_failed(const char *file, int line, const char *condition);

#define INVARIANT(condition) \
    (__builtin_expect(!!(condition), 1) ? (void)0 : invariant_failed(__FILE__, __LINE__, #condition))

#endif

#include "base/invariant.h"

#include <stdio.h>
#include <stdlib.h>

void invariant_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "millrace: invariant broken at %s:%d: %s\n", file, line, condition);
    fflush(stderr);
    abort();
}

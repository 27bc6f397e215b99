/* dataplane/auth/digest.h -- SHA-256, and comparing what must not be told apart by time.  Any thread. */
#ifndef DATAPLANE_AUTH_DIGEST_H
#define DATAPLANE_AUTH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DIGEST_BYTES = 32 };

/* ERR_NO_MEMORY: OpenSSL could not. */
NODISCARD enum err digest_sha256(const void *bytes, size_t size, uint8_t out[static DIGEST_BYTES]);
/* In a time that does not depend on where they differ. */
bool digest_equal(const uint8_t a[static DIGEST_BYTES], const uint8_t b[static DIGEST_BYTES]);

#endif

#include "dataplane/auth/digest.h"

#include "dataplane/openssl.h"

enum err digest_sha256(const void *bytes, size_t size, uint8_t out[static DIGEST_BYTES])
{
    return EVP_Digest(bytes, size, out, NULL, EVP_sha256(), NULL) == 1 ? ERR_OK : ERR_NO_MEMORY;
}

bool digest_equal(const uint8_t a[static DIGEST_BYTES], const uint8_t b[static DIGEST_BYTES])
{
    return CRYPTO_memcmp(a, b, DIGEST_BYTES) == 0;
}

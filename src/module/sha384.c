/* SPDX-License-Identifier: MIT */
/* By OpenSSL's low-level interface: finding the algorithm by name costs more than the hash. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "module/sha384.h"

#include <openssl/sha.h>

void sha384(const void *data, size_t len, uint8_t digest[SHA384_SIZE])
{
	SHA512_CTX ctx;

	SHA384_Init(&ctx);
	SHA384_Update(&ctx, data, len);
	SHA384_Final(digest, &ctx);
}

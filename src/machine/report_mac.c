/* SPDX-License-Identifier: MIT */
/* The report MAC and CPUSVN of the simulated platform. The key is public and marked: a report of
 * this machine proves nothing, which is the point.
 *
 * HMAC-SHA-256 (FIPS 198-1) on OpenSSL's low-level hash, which needs no memory and nothing to be
 * fetched: a processor's MAC does not fail, and one that could would have to be refused by leaves
 * that know no such status. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

#include <swtdx/simulated.h>

#include "machine/machine.h"

enum { BLOCK = 64, INNER = 0x36, OUTER = 0x5c };

static_assert(SWTDX_REPORT_KEY_SIZE <= BLOCK, "the key is used as it is");

/* The hash begins with the key, each byte of its block against a constant. */
static void begin(SHA256_CTX *ctx, uint8_t against)
{
	uint8_t block[BLOCK] = {0};

	memcpy(block, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE);
	for (unsigned i = 0; i < BLOCK; i++)
		block[i] ^= against;
	SHA256_Init(ctx);
	SHA256_Update(ctx, block, BLOCK);
}

void machine_report_mac(const struct machine *m, const void *data, size_t len, uint8_t mac[32])
{
	uint8_t inner[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	(void)m;
	begin(&ctx, INNER);
	SHA256_Update(&ctx, data, len);
	SHA256_Final(inner, &ctx);
	begin(&ctx, OUTER);
	SHA256_Update(&ctx, inner, sizeof(inner));
	SHA256_Final(mac, &ctx);
}

void machine_cpusvn(const struct machine *m, uint8_t svn[16])
{
	static const uint8_t simulated[8] = {6, 6, 2, 2, 3, 1, 0, 3};

	(void)m;
	memset(svn, 0, 16);
	memcpy(svn, simulated, sizeof(simulated));
}

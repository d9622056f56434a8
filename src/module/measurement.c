/* SPDX-License-Identifier: MIT */
/* MRTD by OpenSSL's SHA-384 on a state without pointers, so that it can lie in a donated page. The
 * interface is the low-level one: the state behind EVP cannot be placed. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "module/measurement.h"

#include <openssl/sha.h>
#include <string.h>

enum { BLOCK = 128, GPA_OFFSET = 16 };

static_assert(sizeof(SHA512_CTX) <= sizeof(((struct tdcs *)0)->mrtd_context),
	      "the TDCS has room for the state of the hash");

static SHA512_CTX *context(struct tdcs *tdcs)
{
	return (SHA512_CTX *)tdcs->mrtd_context;
}

static void fill_header(uint8_t *block, const char *name, size_t len, gpa_t at)
{
	memset(block, 0, BLOCK);
	memcpy(block, name, len);
	memcpy(block + GPA_OFFSET, &at.v, sizeof(at.v));
}

void tdcs_mrtd_init(struct tdcs *tdcs)
{
	SHA384_Init(context(tdcs));
}

void tdcs_mrtd_page_add(struct tdcs *tdcs, gpa_t page)
{
	uint8_t block[BLOCK];

	fill_header(block, "MEM.PAGE.ADD", 12, page);
	SHA384_Update(context(tdcs), block, sizeof(block));
}

void tdcs_mrtd_extend(struct tdcs *tdcs, gpa_t chunk, const void *data)
{
	uint8_t blocks[BLOCK + MRTD_CHUNK]; /* in one piece: one call into the hash */

	fill_header(blocks, "MR.EXTEND", 9, chunk);
	memcpy(blocks + BLOCK, data, MRTD_CHUNK);
	SHA384_Update(context(tdcs), blocks, sizeof(blocks));
}

void tdcs_mrtd_finalize(struct tdcs *tdcs)
{
	SHA384_Final(tdcs->mrtd, context(tdcs));
}

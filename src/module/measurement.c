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

static void add_block(struct tdcs *tdcs, const char *name, size_t len, gpa_t at)
{
	uint8_t block[BLOCK] = {0};

	memcpy(block, name, len);
	memcpy(block + GPA_OFFSET, &at.v, sizeof(at.v));
	SHA384_Update(context(tdcs), block, sizeof(block));
}

void tdcs_mrtd_init(struct tdcs *tdcs)
{
	SHA384_Init(context(tdcs));
}

void tdcs_mrtd_page_add(struct tdcs *tdcs, gpa_t page)
{
	add_block(tdcs, "MEM.PAGE.ADD", 12, page);
}

void tdcs_mrtd_extend(struct tdcs *tdcs, gpa_t chunk, const void *data)
{
	add_block(tdcs, "MR.EXTEND", 9, chunk);
	SHA384_Update(context(tdcs), data, MRTD_CHUNK);
}

void tdcs_mrtd_finalize(struct tdcs *tdcs)
{
	SHA384_Final(tdcs->mrtd, context(tdcs));
}

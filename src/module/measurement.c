/* SPDX-License-Identifier: MIT */
/* MRTD by OpenSSL's SHA-384 on a state without pointers, so that it can lie in a donated page. The
 * interface is the low-level one: the state behind EVP cannot be placed. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "module/measurement.h"

#include <openssl/sha.h>
#include <string.h>

enum { GPA_OFFSET = 16 };

static_assert(sizeof(SHA512_CTX) <= sizeof(((struct tdcs *)0)->mrtd_context),
	      "the TDCS has room for the state of the hash");

static SHA512_CTX *context(struct tdcs *tdcs)
{
	return (SHA512_CTX *)tdcs->mrtd_context;
}

static void hash_blocks(struct tdcs *tdcs)
{
	SHA384_Update(context(tdcs), tdcs->mrtd_blocks, tdcs->mrtd_nblocks * MRTD_BLOCK);
	tdcs->mrtd_nblocks = 0;
}

/* Blocks are hashed several at a time: the hash is a tenth faster so than by ones and threes. */
static uint8_t *next_block(struct tdcs *tdcs)
{
	if (tdcs->mrtd_nblocks == MRTD_BLOCKS)
		hash_blocks(tdcs);
	return tdcs->mrtd_blocks[tdcs->mrtd_nblocks++];
}

static void add_header(struct tdcs *tdcs, const char *name, size_t len, gpa_t at)
{
	uint8_t *block = next_block(tdcs);

	memset(block, 0, MRTD_BLOCK);
	memcpy(block, name, len);
	memcpy(block + GPA_OFFSET, &at.v, sizeof(at.v));
}

void tdcs_mrtd_init(struct tdcs *tdcs)
{
	SHA384_Init(context(tdcs));
	tdcs->mrtd_nblocks = 0;
}

void tdcs_mrtd_page_add(struct tdcs *tdcs, gpa_t page)
{
	add_header(tdcs, "MEM.PAGE.ADD", 12, page);
}

void tdcs_mrtd_extend(struct tdcs *tdcs, gpa_t chunk, const void *data)
{
	add_header(tdcs, "MR.EXTEND", 9, chunk);
	for (unsigned at = 0; at < MRTD_CHUNK; at += MRTD_BLOCK)
		memcpy(next_block(tdcs), (const uint8_t *)data + at, MRTD_BLOCK);
}

void tdcs_mrtd_finalize(struct tdcs *tdcs)
{
	hash_blocks(tdcs);
	SHA384_Final(tdcs->mrtd, context(tdcs));
}

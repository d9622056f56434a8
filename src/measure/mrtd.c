/* SPDX-License-Identifier: MIT */
/* MRTD: the SHA-384 over what TDH.MEM.PAGE.ADD and TDH.MR.EXTEND feed it.
 *
 * PAGE.ADD feeds one 128-byte block: its name, and the page's address at byte 16. MR.EXTEND feeds
 * such a block with its own name and the chunk's address, then the 256 bytes. The blocks are laid
 * out in a buffer first and hashed in long runs: by single blocks the calls would cost a tenth of
 * the hashing. */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "measure/internal.h"

#define BLOCK	   128
#define GPA_OFFSET 16

static void flush(struct tdx_mrtd *m)
{
	if (!m->error && m->used && EVP_DigestUpdate(m->md, m->stream, m->used) != 1)
		m->error = -EIO;
	m->used = 0;
}

static uint8_t *reserve(struct tdx_mrtd *m, size_t len)
{
	uint8_t *p;

	if (sizeof(m->stream) - m->used < len)
		flush(m);
	p = m->stream + m->used;
	m->used += len;
	return p;
}

static void put_block(uint8_t *p, const char *name, size_t name_len, gpa_t at)
{
	memset(p, 0, BLOCK);
	memcpy(p, name, name_len);
	put_le64(p + GPA_OFFSET, at.v);
}

void tdx_mrtd_init(struct tdx_mrtd *m)
{
	m->error = 0;
	m->used = 0;
	m->pages = 0;
	m->extends = 0;
	m->md = EVP_MD_CTX_new();
	if (!m->md)
		m->error = -ENOMEM;
	else if (EVP_DigestInit_ex(m->md, EVP_sha384(), NULL) != 1)
		m->error = -EIO;
}

void tdx_mrtd_page_add(struct tdx_mrtd *m, gpa_t page)
{
	put_block(reserve(m, BLOCK), "MEM.PAGE.ADD", 12, page);
	m->pages++;
}

void tdx_mrtd_extend(struct tdx_mrtd *m, gpa_t chunk, const void *data)
{
	uint8_t *p = reserve(m, BLOCK + TDX_MRTD_EXTEND_SIZE);

	put_block(p, "MR.EXTEND", 9, chunk);
	memcpy(p + BLOCK, data, TDX_MRTD_EXTEND_SIZE);
	m->extends++;
}

int tdx_mrtd_final(struct tdx_mrtd *m, struct tdx_digest *out)
{
	unsigned len = 0;

	memset(out, 0, sizeof(*out));
	flush(m);
	if (!m->error && (EVP_DigestFinal_ex(m->md, out->b, &len) != 1 || len != sizeof(out->b))) {
		memset(out, 0, sizeof(*out));
		m->error = -EIO;
	}
	EVP_MD_CTX_free(m->md);
	m->md = NULL;
	return m->error;
}

/* SPDX-License-Identifier: MIT */
/* PE images: the digest that Authenticode signs and firmware measures, and sections by name.
 *
 * The digest leaves out the checksum, the certificate table and where that lies; sections come in
 * the order they lie in the file, then what is behind them but the certificates. Tools that sign
 * fill an image up to eight bytes first; firmware takes it as it is. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/expect.h>

#include "measure/internal.h"

enum {
	DOS_PE_OFFSET = 0x3c,
	COFF_SECTIONS = 2,
	COFF_SYMBOLS = 8, /* where, and how many; long names of sections are behind them */
	COFF_NSYMBOLS = 12,
	COFF_SYMBOL_SIZE = 18,
	COFF_OPTIONAL_SIZE = 16,
	COFF_SIZE = 20,
	OPT_HEADERS_SIZE = 60,
	OPT_CHECKSUM = 64,
	OPT_COUNT_BEFORE = 4, /* of directories, before them */
	DIRECTORY = 8,
	OPT_PE32_DIRECTORIES = 96,
	OPT_PE32PLUS_DIRECTORIES = 112,
	OPT_PE32PLUS = 0x20b,
	OPT_PE32 = 0x10b,
	DIRECTORY_SECURITY = 4,
	SECTION_SIZE = 40,
	SECTION_VIRTUAL_SIZE = 8,
	SECTION_RAW_SIZE = 16,
	SECTION_RAW = 20,
	SECTIONS_MAX = 96,
};

struct pe {
	const uint8_t *p;
	size_t len;
	size_t checksum, security, headers; /* offsets, and the size of the headers */
	size_t security_size;		    /* of that entry, 0: there is none */
	size_t table;			    /* of the sections */
	uint64_t names;			    /* long ones, past the end where there are none */
	unsigned nsections;
	uint64_t cert_size;
};

static bool open_pe(const void *image, size_t len, struct pe *pe)
{
	const uint8_t *p = image;
	uint64_t coff, opt, dirs;

	*pe = (struct pe){.p = p, .len = len};
	if (len < DOS_PE_OFFSET + 4)
		return false;
	coff = (uint64_t)le32(p + DOS_PE_OFFSET) + 4;
	if (!inside(coff - 4, 4 + COFF_SIZE, len) || memcmp(p + coff - 4, "PE\0", 4))
		return false;
	opt = coff + COFF_SIZE;
	if (!inside(opt, OPT_PE32PLUS_DIRECTORIES + 8 * (DIRECTORY_SECURITY + 1), len))
		return false;
	if (le16(p + opt) != OPT_PE32 && le16(p + opt) != OPT_PE32PLUS)
		return false;
	dirs = opt +
	       (le16(p + opt) == OPT_PE32PLUS ? OPT_PE32PLUS_DIRECTORIES : OPT_PE32_DIRECTORIES);
	pe->checksum = (size_t)opt + OPT_CHECKSUM;
	if (le32(p + dirs - OPT_COUNT_BEFORE) > DIRECTORY_SECURITY) {
		pe->security = (size_t)dirs + DIRECTORY * DIRECTORY_SECURITY;
		pe->security_size = DIRECTORY;
		pe->cert_size = le32(p + pe->security + 4);
	} else {
		pe->security = pe->checksum + 4;
	}
	pe->headers = le32(p + opt + OPT_HEADERS_SIZE);
	pe->table = (size_t)opt + le16(p + coff + COFF_OPTIONAL_SIZE);
	pe->nsections = le16(p + coff + COFF_SECTIONS);
	pe->names = le32(p + coff + COFF_SYMBOLS)
			    ? le32(p + coff + COFF_SYMBOLS) +
				      (uint64_t)le32(p + coff + COFF_NSYMBOLS) * COFF_SYMBOL_SIZE
			    : len;
	return pe->nsections <= SECTIONS_MAX && pe->headers >= pe->security + pe->security_size &&
	       pe->headers <= len && inside(pe->table, (uint64_t)pe->nsections * SECTION_SIZE, len);
}

struct piece {
	uint64_t at, size;
};

static int by_place(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static bool hash_sections(const struct pe *pe, EVP_MD_CTX *ctx, uint64_t *hashed)
{
	struct piece piece[SECTIONS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < pe->nsections; i++) {
		const uint8_t *s = pe->p + pe->table + i * SECTION_SIZE;
		struct piece p = {le32(s + SECTION_RAW), le32(s + SECTION_RAW_SIZE)};

		if (!p.size)
			continue;
		if (!inside(p.at, p.size, pe->len))
			return false;
		piece[n++] = p;
	}
	qsort(piece, n, sizeof(piece[0]), by_place);
	*hashed = pe->headers;
	for (unsigned i = 0; i < n; i++) {
		if (EVP_DigestUpdate(ctx, pe->p + piece[i].at, piece[i].size) != 1)
			return false;
		*hashed += piece[i].size;
	}
	return true;
}

/* What lies behind the sections, but the certificates. */
static bool hash_rest(const struct pe *pe, EVP_MD_CTX *ctx, uint64_t hashed)
{
	uint64_t rest = pe->len > hashed ? pe->len - hashed : 0;

	/* Nothing behind them: no certificates either, whatever the directory says. */
	if (!rest)
		return true;
	if (pe->cert_size > rest)
		return false;
	return rest == pe->cert_size ||
	       EVP_DigestUpdate(ctx, pe->p + hashed, rest - pe->cert_size) == 1;
}

int tdx_pe_authenticode(const void *image, size_t len, struct tdx_digest *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint64_t hashed = 0;
	struct pe pe;
	int rc = -EINVAL;

	memset(out, 0, sizeof(*out));
	if (ctx && open_pe(image, len, &pe) && EVP_DigestInit_ex(ctx, EVP_sha384(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, pe.p, pe.checksum) == 1 &&
	    EVP_DigestUpdate(ctx, pe.p + pe.checksum + 4, pe.security - pe.checksum - 4) == 1 &&
	    EVP_DigestUpdate(ctx, pe.p + pe.security + pe.security_size,
			     pe.headers - pe.security - pe.security_size) == 1 &&
	    hash_sections(&pe, ctx, &hashed) && hash_rest(&pe, ctx, hashed) &&
	    EVP_DigestFinal_ex(ctx, out->b, NULL) == 1)
		rc = 0;
	EVP_MD_CTX_free(ctx);
	return rc;
}

/* A name is up to eight bytes, or a slash and the decimal offset of a longer one. */
static bool section_is(const struct pe *pe, const uint8_t *s, const char *name)
{
	const size_t size = strlen(name) + 1;
	uint64_t at = 0;

	if (s[0] != '/')
		return !strncmp((const char *)s, name, 8);
	for (unsigned i = 1; i < 8 && s[i] >= '0' && s[i] <= '9'; i++)
		at = at * 10 + s[i] - '0';
	return inside(pe->names + at, size, pe->len) && !memcmp(pe->p + pe->names + at, name, size);
}

const void *tdx_pe_section(const void *image, size_t len, const char *name, size_t *size)
{
	struct pe pe;

	*size = 0;
	if (!open_pe(image, len, &pe))
		return NULL;
	for (unsigned i = 0; i < pe.nsections; i++) {
		const uint8_t *s = pe.p + pe.table + i * SECTION_SIZE;
		uint64_t raw = le32(s + SECTION_RAW_SIZE),
			 in_memory = le32(s + SECTION_VIRTUAL_SIZE);

		if (!section_is(&pe, s, name) || !inside(le32(s + SECTION_RAW), raw, len))
			continue;
		*size = (size_t)(in_memory < raw ? in_memory : raw);
		return pe.p + le32(s + SECTION_RAW);
	}
	return NULL;
}

const uint8_t *pe_certificates(const void *image, size_t len, size_t *size)
{
	struct pe pe;
	uint64_t at;

	*size = 0;
	if (!open_pe(image, len, &pe) || !pe.security_size)
		return NULL;
	at = le32(pe.p + pe.security);
	if (!pe.cert_size || !inside(at, pe.cert_size, len))
		return NULL;
	*size = (size_t)pe.cert_size;
	return pe.p + at;
}

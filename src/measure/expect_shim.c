/* SPDX-License-Identifier: MIT */
/* shim: whose keys vouch for what is started, and the lists that it measures, on a machine where
 * nobody has enrolled keys of his own. What shim carries for that stands in two of its sections:
 * .vendor_cert (its distributor's certificate and the images that it revoked) and .sbatlevel (which
 * generations of the loaders it takes). */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "measure/expect_internal.h"

enum {
	GUID_SIZE = 16,
	LIST_HEADER = 28, /* EFI_SIGNATURE_LIST: type, its size, of a header, of a signature */
	LIST_SIZE = 16,
	LIST_HEADER_SIZE = 20,
	LIST_SIGNATURE_SIZE = 24,
	WIN_HEADER = 8, /* WIN_CERTIFICATE: length, revision, type */
	WIN_TYPE = 6,
	WIN_PKCS = 2,
	SIGNATURES_MAX = 1024,
};

static const char authority[] = "EV_EFI_VARIABLE_AUTHORITY", ipl[] = "EV_IPL";
/* EFI_CERT_X509_GUID a5c059a1-94e4-4aa7-87b5-ab155c2bf072 */
static const uint8_t x509_guid[GUID_SIZE] = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
					     0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
/* SHIM_LOCK_GUID 605dab50-e046-4300-abb6-3dd810dd8b23 */
static const uint8_t shim_guid[GUID_SIZE] = {0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43,
					     0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23};

/* --- who vouches for an image --- */

static bool chain_ends_in(PKCS7 *p7, X509 *anchor)
{
	STACK_OF(X509) *signers = PKCS7_get0_signers(p7, NULL, 0), *anchors = sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool good =
		signers && sk_X509_num(signers) == 1 && anchors && store && ctx &&
		sk_X509_push(anchors, anchor) > 0 &&
		X509_STORE_CTX_init(ctx, store, sk_X509_value(signers, 0), p7->d.sign->cert) == 1;

	if (good) {
		/* Firmware knows no time, and takes any certificate of its list as an end. */
		X509_STORE_CTX_set0_trusted_stack(ctx, anchors);
		X509_STORE_CTX_set_flags(ctx,
					 X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
		good = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(anchors);
	sk_X509_free(signers);
	return good;
}

/* Is one of the image's signatures by somebody whom this certificate vouches for? That the
 * signature is good the firmware will have seen: the image was started. */
static bool vouches(const uint8_t *der, size_t der_len, const struct tdx_expect_bytes *image)
{
	X509 *anchor = d2i_X509(NULL, &der, (long)der_len);
	bool found = false;
	const uint8_t *p;
	size_t len;

	p = pe_certificates(image->p, image->len, &len);
	for (size_t at = 0; anchor && p && !found && inside(at, WIN_HEADER, len);) {
		const uint64_t size = le32(p + at);
		const uint8_t *body = p + at + WIN_HEADER;
		PKCS7 *p7 = NULL;

		if (size < WIN_HEADER || !inside(at, size, len))
			break;
		if (le16(p + at + WIN_TYPE) == WIN_PKCS)
			p7 = d2i_PKCS7(NULL, &body, (long)(size - WIN_HEADER));
		found = p7 && PKCS7_type_is_signed(p7) && chain_ends_in(p7, anchor);
		PKCS7_free(p7);
		at += (size_t)((size + 7) & ~7ull);
	}
	X509_free(anchor);
	return found;
}

/* The first signature of a list that vouches for an image, with its owner before it; NULL. */
static const uint8_t *voucher(const uint8_t *lists, size_t len,
			      const struct tdx_expect_bytes *image, size_t *size)
{
	unsigned tried = 0;

	while (len >= LIST_HEADER) {
		const uint64_t all = le32(lists + LIST_SIZE),
			       each = le32(lists + LIST_SIGNATURE_SIZE);
		uint64_t at = LIST_HEADER + (uint64_t)le32(lists + LIST_HEADER_SIZE);

		if (all < LIST_HEADER || all > len || each <= GUID_SIZE)
			return NULL;
		for (; !memcmp(lists, x509_guid, GUID_SIZE) && inside(at, each, all); at += each) {
			if (tried++ == SIGNATURES_MAX)
				return NULL;
			*size = (size_t)each;
			if (vouches(lists + at + GUID_SIZE, (size_t)each - GUID_SIZE, image))
				return lists + at;
		}
		lists += all;
		len -= (size_t)all;
	}
	return NULL;
}

static void not_known(struct maker *m, unsigned rtmr, const char *type, const char *what,
		      const char *why)
{
	maker_add(m, rtmr, type, "%s", what)->from = why;
}

int expect_shim_authority(struct maker *m)
{
	static const char what[] = "variable db, the entry that vouches for shim";
	size_t len, size, one;
	const uint8_t *cfv = expect_configuration(m, &len), *db, *entry = NULL;

	if (!expect_secure_boot(m))
		return 0;
	db = tdx_varstore_find(cfv, len, efi_image_security, "db", &size);
	ERR_set_mark();
	if (db && m->shim.p)
		entry = voucher(db, size, &m->shim, &one);
	ERR_pop_to_mark();
	if (!m->shim.p)
		not_known(m, 0, authority, what, "missing: shim, as it is on the disk");
	else if (!entry)
		not_known(m, 0, authority, what, "missing: no certificate in db vouches for shim");
	else
		return maker_variable(m, authority, efi_image_security, "db", entry, one,
				      "the certificate in db that shim's signature leads to");
	return 0;
}

/* --- what shim carries --- */

struct shim {
	struct tdx_expect_bytes cert, revoked, level; /* level: text, without its zero */
	bool trusts_lists;			      /* has MokListTrusted */
};

/* What an offset and a size in a section's first words name. */
static struct tdx_expect_bytes named_by(const uint8_t *section, size_t len, unsigned size_at,
					unsigned offset_at)
{
	const uint32_t size = le32(section + size_at), at = le32(section + offset_at);

	if (!size || !inside(at, size, len))
		return (struct tdx_expect_bytes){NULL, 0};
	return (struct tdx_expect_bytes){section + at, size};
}

static bool has_wide(const struct tdx_expect_bytes *b, const char *text)
{
	uint8_t wide[64] = {0};
	const size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		wide[2 * i] = (uint8_t)text[i];
	return memmem(b->p, b->len, wide, 2 * n + 2);
}

/* False: it is of a make that was not compared. */
static bool read_shim(const struct maker *m, struct shim *s)
{
	size_t len, n;
	const uint8_t *p = tdx_pe_section(m->shim.p, m->shim.len, ".vendor_cert", &len);

	*s = (struct shim){0};
	if (!p || len < 16)
		return false;
	s->cert = named_by(p, len, 0, 8);
	s->revoked = named_by(p, len, 4, 12);
	/* Some distributors have a list in place of the certificate. */
	if (!s->cert.p || !s->revoked.p || ((const uint8_t *)s->cert.p)[0] != 0x30)
		return false;
	p = tdx_pe_section(m->shim.p, m->shim.len, ".sbatlevel", &len);
	if (!p || len < 12 || le32(p) || le32(p + 4) >= len - 4)
		return false;
	n = le32(p + 4) + 4;
	s->level = (struct tdx_expect_bytes){p + n, strnlen((const char *)p + n, len - n)};
	s->trusts_lists = has_wide(&m->shim, "MokListTrusted");
	return s->trusts_lists;
}

/* The certificate as a list of one signature, whose owner is shim. */
static int add_mok_list(struct maker *m, const struct shim *s)
{
	const size_t len = LIST_HEADER + GUID_SIZE + s->cert.len;
	uint8_t *p = calloc(1, len);
	int rc;

	if (!p)
		return -ENOMEM;
	memcpy(p, x509_guid, GUID_SIZE);
	put_le32(p + LIST_SIZE, (uint32_t)len);
	put_le32(p + LIST_SIGNATURE_SIZE, (uint32_t)(GUID_SIZE + s->cert.len));
	memcpy(p + LIST_HEADER, shim_guid, GUID_SIZE);
	memcpy(p + LIST_HEADER + GUID_SIZE, s->cert.p, s->cert.len);
	rc = maker_of(m, 2, ipl, "shim: MokList", p, len,
		      "shim's certificate: no key was enrolled on this machine");
	free(p);
	return rc;
}

static int add_level(struct maker *m, const struct shim *s)
{
	static const char original[] = "sbat,1,2021030218\n";

	if (expect_secure_boot(m))
		return maker_variable(m, authority, shim_guid, "SbatLevel", s->level.p,
				      s->level.len, "the level that shim sets by itself");
	return maker_variable(m, authority, shim_guid, "SbatLevel", original, strlen(original),
			      "the first level there was: Secure Boot is off");
}

int expect_shim_lists(struct maker *m)
{
	struct shim s;
	int rc;

	if (!m->shim.p || !read_shim(m, &s)) {
		const char *why = m->shim.p
					  ? "missing: a shim that was compared (15.8 or later with "
					    "a distributor's certificate)"
					  : "missing: shim, as it is on the disk";

		not_known(m, 2, ipl, "shim: MokList, MokListX, MokListTrusted", why);
		not_known(m, 0, authority, "variable SbatLevel", why);
		return 0;
	}
	rc = add_mok_list(m, &s);
	if (!rc)
		rc = maker_of(m, 2, ipl, "shim: MokListX", s.revoked.p, s.revoked.len,
			      "what shim's distributor has revoked");
	if (!rc)
		rc = add_level(m, &s);
	if (!rc)
		rc = maker_of(m, 2, ipl, "shim: MokListTrusted", "\1", 1,
			      "one: the default of a machine where nobody changed it");
	return rc;
}

/* Measured once, for GRUB; the kernel is by the same certificate. */
int expect_grub_authority(struct maker *m)
{
	static const char what[] = "variable MokListRT, the entry that vouches for GRUB";
	uint8_t *entry;
	struct shim s;
	bool good;
	int rc;

	if (!expect_secure_boot(m))
		return 0;
	ERR_set_mark();
	good = m->shim.p && m->grub.p && read_shim(m, &s) &&
	       vouches(s.cert.p, s.cert.len, &m->grub);
	ERR_pop_to_mark();
	if (!good) {
		not_known(m, 0, authority, what,
			  m->shim.p && m->grub.p
				  ? "missing: shim's certificate does not vouch for it"
				  : "missing: shim and GRUB, as on the disk");
		return 0;
	}
	entry = malloc(GUID_SIZE + s.cert.len);
	if (!entry)
		return -ENOMEM;
	memcpy(entry, shim_guid, GUID_SIZE);
	memcpy(entry + GUID_SIZE, s.cert.p, s.cert.len);
	rc = maker_variable(m, authority, shim_guid, "MokListRT", entry, GUID_SIZE + s.cert.len,
			    "shim's certificate, which GRUB's signature leads to");
	free(entry);
	return rc;
}

/* "$Version: 16.1 $" in its mark; 0: it has none. */
unsigned expect_shim_version(const struct maker *m)
{
	static const char mark[] = "UEFI SHIM\n$Version: ";
	const uint8_t *p =
		m->shim.p ? memmem(m->shim.p, m->shim.len, mark, sizeof(mark) - 1) : NULL;
	unsigned version = 0;
	size_t left;

	if (!p)
		return 0;
	p += sizeof(mark) - 1;
	left = m->shim.len - (size_t)(p - (const uint8_t *)m->shim.p);
	for (; left && *p >= '0' && *p <= '9' && version < 1000; p++, left--)
		version = version * 10 + *p - '0';
	return version;
}

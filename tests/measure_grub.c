/* SPDX-License-Identifier: MIT */
/* Boots by shim and GRUB: images made here, signed by keys made here, under a firmware whose
 * variables are written here. What is expected is put together again from the pieces, as whole
 * boots of Debian 12 and 13 have it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <swtdx/expect.h>
#include <swtdx/measure.h>

#include "disk_build.h"

enum { IMAGE_MAX = 0x4000, SECTIONS_AT = 0x58 + 240, BODY_AT = 0x400, SECTIONS = 4 };

static const uint8_t x509_guid[16] = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
				      0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
static const uint8_t shim_guid[16] = {0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43,
				      0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23};
static const uint8_t global[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
				   0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
static const uint8_t image_security[16] = {0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
					   0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};
static const uint8_t owner[16] = "an owner's GUID";

/* --- keys --- */

struct signer {
	EVP_PKEY *key;
	X509 *cert;
	uint8_t der[2048];
	size_t len;
};

static void make_signer(struct signer *s, const char *name, const struct signer *issuer)
{
	uint8_t *out = s->der;

	s->key = EVP_RSA_gen(2048);
	s->cert = X509_new();
	assert_non_null(s->key);
	X509_set_version(s->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(s->cert), 1);
	/* Over for long: firmware has no time. */
	X509_gmtime_adj(X509_getm_notBefore(s->cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(s->cert), -3600);
	X509_set_pubkey(s->cert, s->key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(s->cert), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(s->cert, X509_get_subject_name(issuer ? issuer->cert : s->cert));
	if (!issuer) {
		X509_EXTENSION *is_ca =
			X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

		X509_add_ext(s->cert, is_ca, -1);
		X509_EXTENSION_free(is_ca);
	}
	assert_true(X509_sign(s->cert, issuer ? issuer->key : s->key, EVP_sha256()) > 0);
	s->len = (size_t)i2d_X509(s->cert, &out);
}

static void free_signer(struct signer *s)
{
	EVP_PKEY_free(s->key);
	X509_free(s->cert);
}

/* --- images --- */

struct img {
	uint8_t p[IMAGE_MAX];
	size_t len;
};

static struct tdx_expect_bytes bytes(const struct img *i)
{
	return (struct tdx_expect_bytes){i->p, i->len};
}

static void begin(struct img *i)
{
	memset(i, 0, sizeof(*i));
	memcpy(i->p, "MZ", 2);
	put(i->p + 0x3c, 4, 0x40);
	memcpy(i->p + 0x40, "PE\0", 4);
	put(i->p + 0x44 + 16, 2, 240); /* of the optional header */
	put(i->p + 0x58, 2, 0x20b);
	put(i->p + 0x58 + 60, 4, BODY_AT);
	put(i->p + 0x58 + 108, 4, 16);
	i->len = BODY_AT;
}

/* Long names are behind no symbols: the first is at 4, after the table's length. */
static void section(struct img *i, const char *name, const void *data, size_t len, size_t *names)
{
	const unsigned n = (unsigned)(i->p[0x46]);
	uint8_t *s = i->p + SECTIONS_AT + 40 * n;

	if (strlen(name) > 8) {
		snprintf((char *)s, 8, "/%zu", *names);
		memcpy(i->p + 0x380 + *names, name, strlen(name) + 1);
		*names += strlen(name) + 1;
		put(i->p + 0x44 + 8, 4, 0x380);
	} else {
		memcpy(s, name, strlen(name));
	}
	put(s + 8, 4, len);
	put(s + 16, 4, (len + 15) & ~15ul);
	put(s + 20, 4, i->len);
	memcpy(i->p + i->len, data, len);
	i->len += (len + 15) & ~15ul;
	i->p[0x46]++;
}

static void sign(struct img *i, const struct signer *by, const struct signer *also)
{
	STACK_OF(X509) *more = sk_X509_new_null();
	BIO *data = BIO_new_mem_buf("a digest", 8);
	uint8_t *out = i->p + i->len + 8;
	PKCS7 *p7;
	int len;

	if (also)
		sk_X509_push(more, also->cert);
	p7 = PKCS7_sign(by->cert, by->key, more, data, PKCS7_BINARY | PKCS7_NOSMIMECAP);
	assert_non_null(p7);
	len = i2d_PKCS7(p7, &out);
	put(i->p + i->len, 4, (uint64_t)len + 8);
	put(i->p + i->len + 4, 2, 0x200);
	put(i->p + i->len + 6, 2, 2);
	put(i->p + 0x58 + 112 + 32, 4, i->len);
	put(i->p + 0x58 + 112 + 36, 4, (uint64_t)((len + 15) & ~7));
	i->len += (size_t)((len + 15) & ~7);
	PKCS7_free(p7);
	BIO_free(data);
	sk_X509_free(more);
}

static const char level[] = "sbat,1,2025021800\nshim,4\n", latest[] = "sbat,1,2026010100\n";

static void make_shim(struct img *i, const struct signer *vendor, const char *revoked,
		      const char *version)
{
	uint8_t vc[4096], sl[128] = {0};
	const size_t n = strlen(revoked);
	char mark[64], wide[30] = {0};
	size_t names = 4;

	put(vc, 4, vendor->len);
	put(vc + 4, 4, n);
	put(vc + 8, 4, 16);
	put(vc + 12, 4, 16 + vendor->len);
	memcpy(vc + 16, vendor->der, vendor->len);
	memcpy(vc + 16 + vendor->len, revoked, n);
	put(sl + 4, 4, 8);
	put(sl + 8, 4, 8 + sizeof(level));
	memcpy(sl + 12, level, sizeof(level));
	memcpy(sl + 12 + sizeof(level), latest, sizeof(latest));
	for (size_t k = 0; k < 14; k++)
		wide[2 * k] = "MokListTrusted"[k];
	begin(i);
	snprintf(mark, sizeof(mark), "UEFI SHIM\n$Version: %s $\n", version);
	section(i, ".data.ident", mark, strlen(mark), &names);
	section(i, ".sbatlevel", sl, sizeof(sl), &names);
	section(i, ".vendor_cert", vc, 16 + vendor->len + n, &names);
	section(i, ".text", wide, sizeof(wide), &names);
	put(i->p + i->len, 8, 0); /* the wide text's zero */
	i->len += 8;
}

static void make_grub(struct img *i, const char *version)
{
	char text[64] = "\0002.16.840.1.101\0";
	size_t names = 4;

	memcpy(text + 16, version, strlen(version));
	begin(i);
	section(i, "mods", text, sizeof(text), &names);
}

/* --- the firmware --- */

static size_t variable(uint8_t *p, size_t at, const uint8_t guid[16], const char *name,
		       const void *data, size_t len)
{
	size_t n = strlen(name) + 1;

	memset(p + at, 0, 60);
	put(p + at, 2, 0x55aa);
	p[at + 2] = 0x3f;
	put(p + at + 36, 4, 2 * n);
	put(p + at + 40, 4, len);
	memcpy(p + at + 44, guid, 16);
	for (size_t i = 0; i < n; i++)
		put(p + at + 60 + 2 * i, 2, (uint8_t)name[i]);
	memcpy(p + at + 60 + 2 * n, data, len);
	return (at + 60 + 2 * n + len + 3) & ~(size_t)3;
}

/* A list of certificates of one owner; entries of other kinds and sizes before it. */
static size_t signature_list(uint8_t *p, const struct signer *s)
{
	static const uint8_t hashes[16] = "hashes of images";
	size_t at = 28 + 2 * 48;

	memset(p, 0, at);
	memcpy(p, hashes, 16);
	put(p + 16, 4, at);
	put(p + 24, 4, 48);
	memcpy(p + at, x509_guid, 16);
	put(p + at + 16, 4, 28 + 16 + s->len);
	put(p + at + 20, 4, 0);
	put(p + at + 24, 4, 16 + s->len);
	memcpy(p + at + 28, owner, 16);
	memcpy(p + at + 44, s->der, s->len);
	return at + 44 + s->len;
}

struct world {
	struct signer ca, leaf, other, vendor;
	struct img shim, grub, kernel;
	uint8_t *firmware, *cfv;
	size_t len;
	struct tdx_expect_inputs in;
	struct tdx_expect *e;
	char err[TDX_EXPECT_ERROR_TEXT];
};

static void write_variables(struct world *w, bool secure)
{
	static const uint8_t store[16] = {0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
					  0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92};
	uint8_t db[8192];
	size_t n, at = 100;

	memset(w->cfv, 0xff, 0x8000);
	memset(w->cfv, 0, 100);
	memcpy(w->cfv + 40, "_FVH", 4);
	put(w->cfv + 48, 2, 72);
	memcpy(w->cfv + 72, store, 16);
	put(w->cfv + 88, 4, 0x8000 - 72);
	w->cfv[92] = 0x5a;
	w->cfv[93] = 0xfe;
	if (!secure)
		return;
	at = variable(w->cfv, at, global, "PK", "key", 3);
	n = signature_list(db, &w->other);
	n += signature_list(db + n, &w->ca);
	variable(w->cfv, at, image_security, "db", db, n);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct tdx_tdvf_measurement mr;
	struct tdx_tdvf_error terr;
	FILE *f = fopen("/usr/share/ovmf/OVMF.fd", "rb");

	*state = w;
	if (!f)
		return 0; /* each test is skipped */
	w->firmware = malloc(16u << 20);
	w->len = fread(w->firmware, 1, 16u << 20, f);
	fclose(f);
	if (tdx_tdvf_mrtd(w->firmware, w->len, TDX_TDVF_ORDER_PAGE, &mr, &terr))
		return -1;
	for (unsigned i = 0; i < mr.tdvf.nr_sections; i++)
		if (mr.tdvf.section[i].type == TDX_TDVF_CFV)
			w->cfv = w->firmware + mr.tdvf.section[i].data_offset;
	make_signer(&w->ca, "the firmware's", NULL);
	make_signer(&w->leaf, "who signs for it", &w->ca);
	make_signer(&w->other, "somebody", NULL);
	make_signer(&w->vendor, "distributor", NULL);
	make_shim(&w->shim, &w->vendor, "revoked", "16.1");
	sign(&w->shim, &w->leaf, &w->ca);
	make_grub(&w->grub, "2.12-9+deb13u4");
	sign(&w->grub, &w->vendor, NULL);
	begin(&w->kernel);
	w->in = (struct tdx_expect_inputs){.boot = TDX_EXPECT_GRUB,
					   .append = "ro",
					   .kernel = bytes(&w->kernel),
					   .shim = bytes(&w->shim),
					   .grub = bytes(&w->grub),
					   .firmware = {w->firmware, w->len}};
	w->e = calloc(1, sizeof(*w->e));
	return w->cfv ? 0 : -1;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	free_signer(&w->ca);
	free_signer(&w->leaf);
	free_signer(&w->other);
	free_signer(&w->vendor);
	free(w->firmware);
	free(w->e);
	free(w);
	return 0;
}

/* --- what is expected --- */

static unsigned count(const struct tdx_expect *e, unsigned rtmr, const char *what)
{
	unsigned n = 0;

	for (size_t i = 0; i < e->nevents; i++)
		n += e->event[i].rtmr == rtmr && !strncmp(e->event[i].what, what, strlen(what));
	return n;
}

static void is(const struct world *w, const char *type, const char *what, const void *data,
	       size_t len)
{
	struct tdx_digest d;

	tdx_sha384(data, len, &d);
	for (size_t i = 0; i < w->e->nevents; i++)
		if (!strcmp(w->e->event[i].type, type) &&
		    !memcmp(&w->e->event[i].digest, &d, sizeof(d))) {
			assert_true(w->e->event[i].known);
			if (strncmp(w->e->event[i].what, what, strlen(what)))
				fail_msg("%s is %s", what, w->e->event[i].what);
			return;
		}
	fail_msg("nothing is as %s", what);
}

static void is_variable(const struct world *w, const uint8_t guid[16], const char *name,
			const void *data, size_t len)
{
	const size_t n = strlen(name);
	uint8_t p[4096] = {0};

	memcpy(p, guid, 16);
	put(p + 16, 8, n);
	put(p + 24, 8, len);
	for (size_t i = 0; i < n; i++)
		p[32 + 2 * i] = (uint8_t)name[i];
	memcpy(p + 32 + 2 * n, data, len);
	is(w, "EV_EFI_VARIABLE_AUTHORITY", "variable", p, 32 + 2 * n + len);
}

static size_t signature(uint8_t *p, const uint8_t guid[16], const struct signer *s)
{
	memcpy(p, guid, 16);
	memcpy(p + 16, s->der, s->len);
	return 16 + s->len;
}

static void boot(struct world *w, bool secure)
{
	if (!w->cfv)
		skip();
	write_variables(w, secure);
	if (tdx_expect_boot(&w->in, w->e, w->err))
		fail_msg("%s", w->err);
}

static void mok_lists(const struct world *w)
{
	uint8_t list[4096] = {0};

	memcpy(list, x509_guid, 16);
	put(list + 16, 4, 28 + 16 + w->vendor.len);
	put(list + 24, 4, 16 + w->vendor.len);
	is(w, "EV_IPL", "shim: MokList", list, 28 + signature(list + 28, shim_guid, &w->vendor));
	is(w, "EV_IPL", "shim: MokListX", "revoked", 7);
	is(w, "EV_IPL", "shim: MokListTrusted", "\1", 1);
}

static void under_secure_boot_keys_vouch_for_the_images(void **state)
{
	struct world *w = *state;
	uint8_t p[4096];

	boot(w, true);
	mok_lists(w);
	is_variable(w, image_security, "db", p, signature(p, owner, &w->ca));
	is_variable(w, shim_guid, "SbatLevel", level, strlen(level));
	is_variable(w, shim_guid, "MokListRT", p, signature(p, shim_guid, &w->vendor));
	assert_int_equal(count(w->e, 1, "PE image: kernel"), 1);
	is(w, "EV_EVENT_TAG", "kernel command line", "r\0o", 4);
	assert_true(w->e->known[2]);
}

static void without_it_nobody_vouches_and_the_kernel_is_not_measured(void **state)
{
	struct world *w = *state;

	boot(w, false);
	mok_lists(w);
	is_variable(w, shim_guid, "SbatLevel", "sbat,1,2021030218\n", 18);
	assert_int_equal(count(w->e, 0, "variable db,"), 1); /* that configures */
	assert_int_equal(count(w->e, 0, "variable MokListRT"), 0);
	assert_int_equal(count(w->e, 1, "PE image: kernel"), 0);
	assert_true(w->e->known[2]);
	/* An earlier shim leaves the kernel to the firmware. */
	make_shim(&w->shim, &w->vendor, "revoked", "15.8");
	w->in.shim = bytes(&w->shim);
	boot(w, false);
	assert_int_equal(count(w->e, 1, "PE image: kernel"), 1);
	assert_false(w->e->known[1]);
}

/* Debian 12's enters kernels past the stub's beginning, which then measures nothing. */
static void an_earlier_grub_is_known_as_debian_has_it(void **state)
{
	struct world *w = *state;

	make_grub(&w->grub, "2.06-13+deb12u2");
	sign(&w->grub, &w->vendor, NULL);
	w->in.grub = bytes(&w->grub);
	boot(w, true);
	assert_int_equal(count(w->e, 1, "PE image: kernel"), 2);
	assert_int_equal(count(w->e, 2, "kernel command line"), 0);
	assert_true(w->e->known[2]);
	boot(w, false);
	assert_false(w->e->known[1] || w->e->known[2]);
	assert_int_equal(count(w->e, 1, "PE image: kernel"), 1); /* that it is not known */
}

/* What it does is its configuration's. */
static void a_later_grub_measures_its_commands(void **state)
{
	struct world *w = *state;

	make_grub(&w->grub, "2.14-1");
	sign(&w->grub, &w->vendor, NULL);
	w->in.grub = bytes(&w->grub);
	boot(w, true);
	assert_int_equal(count(w->e, 1, "PE image: kernel"), 1);
	assert_int_equal(count(w->e, 2, "GRUB's commands and files"), 1);
	is(w, "EV_EVENT_TAG", "kernel command line", "r\0o", 4);
	assert_false(w->e->known[2]);
	make_grub(&w->grub, "2.16");
	w->in.grub = bytes(&w->grub);
	boot(w, true);
	assert_false(w->e->known[1] || w->e->known[2]);
}

static void nothing_is_told_of_who_vouches_for_nothing(void **state)
{
	struct world *w = *state;

	/* Signed by others, not signed, and a shim of another make. */
	make_grub(&w->grub, "2.12-9");
	sign(&w->grub, &w->other, NULL);
	w->in.grub = bytes(&w->grub);
	boot(w, true);
	assert_int_equal(count(w->e, 0, "variable MokListRT, the entry"), 1);
	make_shim(&w->shim, &w->vendor, "revoked", "16.1");
	w->in.shim = bytes(&w->shim);
	boot(w, true);
	assert_int_equal(count(w->e, 0, "variable db, the entry"), 1);
	begin(&w->shim);
	w->in.shim = bytes(&w->shim);
	boot(w, true);
	assert_false(w->e->known[0] || w->e->known[2]);
	w->in.shim.p = w->in.grub.p = NULL;
	boot(w, true);
	assert_false(w->e->known[0] || w->e->known[1] || w->e->known[2]);
}

/* Cut anywhere and with each byte of its tables changed: some answer, and nothing past the end. */
static void images_that_mean_no_good_are_some_answer(void **state)
{
	struct world *w = *state;
	struct tdx_expect_inputs in;

	if (!w->cfv)
		skip();
	write_variables(w, true);
	make_shim(&w->shim, &w->vendor, "revoked", "16.1");
	sign(&w->shim, &w->leaf, &w->ca);
	in = w->in;
	for (size_t len = 1; len < w->shim.len; len += 37) {
		uint8_t *copy = malloc(len);

		memcpy(copy, w->shim.p, len);
		in.shim = in.grub = (struct tdx_expect_bytes){copy, len};
		(void)tdx_expect_boot(&in, w->e, w->err);
		free(copy);
	}
	for (size_t at = 0x40; at < w->shim.len; at += at < 0x4a0 ? 3 : 41) {
		uint8_t *copy = malloc(w->shim.len);

		memcpy(copy, w->shim.p, w->shim.len);
		copy[at] ^= 0xff;
		in.shim = in.grub = (struct tdx_expect_bytes){copy, w->shim.len};
		(void)tdx_expect_boot(&in, w->e, w->err);
		free(copy);
	}
	/* db too. */
	for (size_t at = 100; at < 400; at++) {
		in = w->in;
		in.shim = bytes(&w->shim);
		w->cfv[at] ^= 0x80;
		(void)tdx_expect_boot(&in, w->e, w->err);
		w->cfv[at] ^= 0x80;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(under_secure_boot_keys_vouch_for_the_images, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			without_it_nobody_vouches_and_the_kernel_is_not_measured, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(an_earlier_grub_is_known_as_debian_has_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_later_grub_measures_its_commands, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_told_of_who_vouches_for_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(images_that_mean_no_good_are_some_answer, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Quotes whose every signature is right and whose certificates are not what they must be: made with
 * a root of the test's own, which the verifier is told to trust. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <swtdx/attest.h>

#include "recorded_report.h"

#define KEY SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE
#define NOW 1800000000ll

enum { SIGNATURE = 0x27c, PUBLIC = SIGNATURE + 64, QE = SIGNATURE + 0x86, QE_SIG = QE + 384 };
enum { AUTH = QE_SIG + 64, CHAIN = AUTH + 2 };

/* What differs from a sound chain. */
struct forgery {
	const char *leaf, *middle; /* names, if others */
	const char *curve;	   /* of the leaf's key */
	bool past_the_middle;	   /* the root signed the leaf itself */
	bool middle_no_ca;
	bool qe_says_more; /* in the second half of its report data */
};

struct cert {
	X509 *x;
	EVP_PKEY *key;
};

static void extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static struct cert issue(const char *name, const char *curve, bool ca, const struct cert *issuer)
{
	struct cert c = {X509_new(), EVP_EC_gen(curve)};
	time_t from = NOW - 86400, to = NOW + 86400;

	assert_true(c.x && c.key);
	X509_set_version(c.x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c.x), 1);
	X509_time_adj_ex(X509_getm_notBefore(c.x), 0, 0, &from);
	X509_time_adj_ex(X509_getm_notAfter(c.x), 0, 0, &to);
	X509_set_pubkey(c.x, c.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x), "CN", MBSTRING_ASC,
				   (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(c.x, X509_get_subject_name(issuer ? issuer->x : c.x));
	extend(c.x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	assert_true(X509_sign(c.x, issuer ? issuer->key : c.key, EVP_sha256()) > 0);
	return c;
}

static void sign(EVP_PKEY *key, const uint8_t *data, size_t len, uint8_t out[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[160];
	size_t n = sizeof(der);
	const uint8_t *p = der;
	ECDSA_SIG *rs;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &n, data, len), 1);
	rs = d2i_ECDSA_SIG(NULL, &p, (long)n);
	/* A longer curve's numbers do not fit; no verifier gets as far as to look. */
	BN_bn2binpad(ECDSA_SIG_get0_r(rs), out, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(rs), out + 32, 32);
	ECDSA_SIG_free(rs);
	EVP_MD_CTX_free(ctx);
}

static size_t put_pem(X509 *const certs[], unsigned n, char *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(PEM_write_bio_X509(bio, certs[i]), 1);
	len = BIO_get_mem_data(bio, &text);
	memcpy(out, text, (size_t)len);
	BIO_free(bio);
	return (size_t)len;
}

static void put(uint8_t *p, unsigned width, size_t v)
{
	for (unsigned i = 0; i < width; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Header and body of a quote of the service; all the rest is ours. */
static size_t body(uint8_t *quote)
{
	struct tdx_quote_service *service;
	struct tdx_attest_error err;
	struct tdx_report report;
	uint8_t bytes[1024];
	size_t len;

	recorded_report(bytes);
	assert_int_equal(tdx_report_parse(bytes, sizeof(bytes), &report, &err), 0);
	assert_int_equal(tdx_quote_service_create(NOW, &service), 0);
	assert_int_equal(
		tdx_quote_service_sign(service, &report, KEY, quote, TDX_QUOTE_MAX, &len, &err), 0);
	tdx_quote_service_free(service);
	return len;
}

/* Makes the quote and returns what the verifier finds wrong with it. */
static enum tdx_attest_fault judge(const struct forgery *f)
{
	static uint8_t quote[TDX_QUOTE_MAX];
	char chain[TDX_QUOTE_MAX], root_pem[TDX_QUOTE_MAX];
	struct cert root = issue("Intel SGX Root CA", "P-256", true, NULL);
	struct cert middle = issue(f->middle ? f->middle : "Intel SGX PCK Platform CA", "P-256",
				   !f->middle_no_ca, &root);
	struct cert leaf =
		issue(f->leaf ? f->leaf : "Intel SGX PCK Certificate",
		      f->curve ? f->curve : "P-256", false, f->past_the_middle ? &root : &middle);
	X509 *const certs[] = {leaf.x, middle.x, root.x};
	EVP_PKEY *attestation = EVP_EC_gen("P-256");
	uint8_t point[65];
	size_t n, len, root_len = put_pem(certs + 2, 1, root_pem);
	struct tdx_attest_error err;
	struct tdx_quote q;

	body(quote);
	n = put_pem(certs, 3, chain);
	put(quote + AUTH, 2, 0);
	put(quote + CHAIN, 2, 5);
	put(quote + CHAIN + 2, 4, n);
	memcpy(quote + CHAIN + 6, chain, n);
	len = CHAIN + 6 + n;
	put(quote + SIGNATURE - 4, 4, len - SIGNATURE);
	put(quote + QE - 4, 4, len - QE);
	assert_int_equal(
		EVP_PKEY_get_octet_string_param(attestation, "pub", point, sizeof(point), NULL), 1);
	memcpy(quote + PUBLIC, point + 1, 64);
	sign(attestation, quote, SIGNATURE - 4, quote + SIGNATURE);
	memset(quote + QE + 320, 0, 64);
	EVP_Digest(quote + PUBLIC, 64, quote + QE + 320, NULL, EVP_sha256(), NULL);
	quote[QE + 383] = f->qe_says_more;
	sign(leaf.key, quote + QE, 384, quote + QE_SIG);
	for (unsigned i = 0; i < 3; i++)
		X509_free(certs[i]);
	EVP_PKEY_free(root.key);
	EVP_PKEY_free(middle.key);
	EVP_PKEY_free(leaf.key);
	EVP_PKEY_free(attestation);
	assert_int_equal(tdx_quote_parse(quote, len, &q, &err), 0);
	if (!tdx_quote_verify(&q, root_pem, root_len, NOW, &err))
		return TDX_ATTEST_OK;
	assert_int_not_equal(err.fault, TDX_ATTEST_OK);
	return err.fault;
}

static void a_chain_of_the_right_kind_is_accepted_whoever_made_it(void **state)
{
	(void)state;
	assert_int_equal(judge(&(struct forgery){0}), TDX_ATTEST_OK);
	assert_int_equal(judge(&(struct forgery){.middle = "Intel SGX PCK Processor CA"}),
			 TDX_ATTEST_OK);
}

/* The same root certifies other things: they vouch for no platform. */
static void certificates_for_other_purposes_vouch_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(judge(&(struct forgery){.leaf = "Intel SGX TCB Signing"}),
			 TDX_ATTEST_QUOTE_CHAIN_NAMES);
	assert_int_equal(judge(&(struct forgery){.middle = "Intel SGX TCB Signing"}),
			 TDX_ATTEST_QUOTE_CHAIN_NAMES);
	assert_int_equal(judge(&(struct forgery){.middle_no_ca = true}),
			 TDX_ATTEST_QUOTE_CHAIN_INVALID);
}

static void a_leaf_the_root_signed_itself_is_refused(void **state)
{
	(void)state;
	assert_int_equal(judge(&(struct forgery){.past_the_middle = true}),
			 TDX_ATTEST_QUOTE_CHAIN_INVALID);
}

static void keys_are_of_one_curve(void **state)
{
	(void)state;
	assert_int_equal(judge(&(struct forgery){.curve = "P-384"}), TDX_ATTEST_QUOTE_CHAIN_KEY);
}

static void a_qe_report_binds_the_key_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(judge(&(struct forgery){.qe_says_more = true}),
			 TDX_ATTEST_QUOTE_QE_REPORT_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_of_the_right_kind_is_accepted_whoever_made_it),
		cmocka_unit_test(certificates_for_other_purposes_vouch_for_nothing),
		cmocka_unit_test(a_leaf_the_root_signed_itself_is_refused),
		cmocka_unit_test(keys_are_of_one_curve),
		cmocka_unit_test(a_qe_report_binds_the_key_and_nothing_else),
	};

	return cmocka_run_group_tests_name("measure: chain", tests, NULL, NULL);
}

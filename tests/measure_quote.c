/* SPDX-License-Identifier: MIT */
/* The test quote service and the verifier, against each other and against forgeries. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/attest.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "group.h"
#include "recorded_report.h"
#include "samples.h"

#define KEY SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE
#define NOW 1800000000ll
#define DAY 86400ll

static struct tdx_quote_service *service;
static struct tdx_report report;
static uint8_t quote[TDX_QUOTE_MAX];
static size_t quote_len;
static const char *root;
static size_t root_len;
static struct tdx_attest_error err;

static int set_up(void **state)
{
	uint8_t bytes[1024];

	(void)state;
	recorded_report(bytes);
	return tdx_quote_service_create(NOW, &service) ||
	       tdx_report_parse(bytes, sizeof(bytes), &report, &err) ||
	       tdx_quote_service_sign(service, &report, KEY, quote, sizeof(quote), &quote_len,
				      &err) ||
	       !(root = tdx_quote_service_root(service, &root_len));
}

static int tear_down(void **state)
{
	(void)state;
	tdx_quote_service_free(service);
	return 0;
}

static int judge_at(const uint8_t *bytes, size_t len, int64_t now)
{
	struct tdx_quote q;
	int rc = tdx_quote_parse(bytes, len, &q, &err);

	return rc ? rc : tdx_quote_verify(&q, root, root_len, now, &err);
}

/* From heap memory of exactly the quote's length, so that a sanitizer sees any read past it. */
static int judge(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	rc = judge_at(copy, len, NOW);
	free(copy);
	return rc;
}

static unsigned word(size_t at, unsigned width)
{
	unsigned v = 0;

	while (width--)
		v = v << 8 | quote[at + width];
	return v;
}

static void a_quote_says_what_the_report_said(void **state)
{
	struct tdx_quote q;

	(void)state;
	assert_int_equal(tdx_quote_parse(quote, quote_len, &q, &err), 0);
	assert_int_equal(tdx_quote_verify(&q, root, root_len, NOW, &err), 0);
	assert_memory_equal(&q.body.mrtd, &report.td_info.mrtd, 48);
	assert_memory_equal(q.body.rtmr, report.td_info.rtmr, 4 * 48);
	assert_memory_equal(&q.body.mrseam, &report.tee_tcb_info.mrseam, 48);
	assert_memory_equal(q.body.tee_tcb_svn, report.tee_tcb_info.tee_tcb_svn, 16);
	assert_memory_equal(q.body.reportdata, report.mac.reportdata, 64);
	assert_int_equal(q.body.attributes, report.td_info.attributes);
	assert_int_equal(q.body.xfam, report.td_info.xfam);
}

static void the_layout_is_that_of_version_4(void **state)
{
	unsigned auth = word(0x244 + 0x38 + 0x80 + 6 + 384 + 64, 2);
	size_t chain = 0x27c + 0x80 + 6 + 384 + 64 + 2 + auth;

	(void)state;
	assert_int_equal(word(0, 2), 4);
	assert_int_equal(word(2, 2), 2);
	assert_int_equal(word(4, 4), 0x81);
	assert_memory_equal(quote + 0x30 + 0x88, &report.td_info.mrtd, 48);
	assert_memory_equal(quote + 0x30 + 0x208, report.mac.reportdata, 64);
	assert_int_equal(word(0x278, 4), quote_len - 0x27c);
	assert_int_equal(word(0x27c + 0x80, 2), 6);
	assert_int_equal(word(0x27c + 0x82, 4), quote_len - 0x27c - 0x86);
	assert_int_equal(word(chain, 2), 5);
	assert_int_equal(word(chain + 2, 4), quote_len - chain - 6);
	assert_memory_equal(quote + chain + 6, "-----BEGIN CERTIFICATE-----\n", 28);
	assert_int_equal(tdx_quote_length(quote, sizeof(quote)), quote_len);
}

static void it_is_marked_as_simulated_wherever_one_may_look(void **state)
{
	struct tdx_quote q;
	unsigned auth;

	(void)state;
	assert_int_equal(tdx_quote_parse(quote, quote_len, &q, &err), 0);
	assert_true(q.simulated);
	assert_memory_equal(quote + 12, "SWTDX-SIMULATED!", 16);
	assert_memory_equal(q.qe_report + 64, "SWTDX-SIMULATED!", 16);
	assert_memory_equal(q.qe_report + 128, "SWTDX-SIMULATED!", 16);
	auth = (unsigned)q.qe_auth_len;
	assert_true(auth > 20 && !memcmp(q.qe_auth, "Simulated by swtdx", 18));
}

static void no_byte_may_be_missing_or_added(void **state)
{
	uint8_t longer[TDX_QUOTE_MAX];

	(void)state;
	for (size_t len = 0; len < quote_len; len++)
		assert_int_equal(judge(quote, len), -EINVAL);
	memcpy(longer, quote, quote_len);
	longer[quote_len] = 0;
	assert_int_equal(judge(longer, quote_len + 1), -EINVAL);
	assert_int_equal(judge(longer, sizeof(longer)), -EINVAL);
}

static void each_part_is_named_when_it_is_wrong(void **state)
{
	const unsigned rest = 0x27c, qe = rest + 0x86, auth = qe + 384 + 64;
	const unsigned chain = auth + 2 + word(auth, 2);
	const struct {
		unsigned at;
		enum tdx_attest_fault fault;
	} part[] = {
		{2, TDX_ATTEST_QUOTE_KEY_TYPE},
		{4, TDX_ATTEST_QUOTE_TEE_TYPE},
		{12, TDX_ATTEST_QUOTE_SIGNATURE},
		{0x30, TDX_ATTEST_QUOTE_SIGNATURE},
		{0x277, TDX_ATTEST_QUOTE_SIGNATURE},
		{0x278, TDX_ATTEST_QUOTE_LENGTH},
		{rest, TDX_ATTEST_QUOTE_SIGNATURE},
		{rest + 0x40, TDX_ATTEST_QUOTE_KEY},
		{rest + 0x80, TDX_ATTEST_QUOTE_CERT_TYPE},
		{rest + 0x82, TDX_ATTEST_QUOTE_CERT_LENGTH},
		{qe, TDX_ATTEST_QUOTE_QE_SIGNATURE},
		{qe + 320, TDX_ATTEST_QUOTE_QE_REPORT_DATA},
		{qe + 320 + 32, TDX_ATTEST_QUOTE_QE_REPORT_DATA},
		{qe + 384, TDX_ATTEST_QUOTE_QE_SIGNATURE},
		{auth + 2, TDX_ATTEST_QUOTE_QE_REPORT_DATA},
		{chain + 2, TDX_ATTEST_QUOTE_CHAIN_LENGTH},
		{chain + 6, TDX_ATTEST_QUOTE_CHAIN_FORMAT},
	};
	char line[TDX_ATTEST_ERROR_TEXT];

	(void)state;
	/* Lengths one less are as wrong as lengths one more. */
	for (unsigned i = 0; i < 2 * sizeof(part) / sizeof(part[0]); i++) {
		const unsigned at = part[i / 2].at;
		const uint8_t was = quote[at];

		quote[at] = (uint8_t)(i % 2 ? was + 1 : was - 1);
		assert_true(judge(quote, quote_len) < 0);
		quote[at] = was;
		/* One that says more than there is ends too early. */
		if (at == 0x278 && i % 2) {
			assert_int_equal(err.fault, TDX_ATTEST_QUOTE_TOO_SHORT);
			continue;
		}
		if (err.fault != part[i / 2].fault)
			fail_msg("byte 0x%x: %s", at,
				 tdx_attest_error_text(&err, line, sizeof(line)));
	}
	assert_int_equal(judge(quote, quote_len), 0);
	/* One less is an enclave's, one more has a body type. */
	quote[0] = 3;
	assert_true(judge(quote, quote_len) < 0);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_TEE_TYPE);
	quote[0] = 5;
	assert_true(judge(quote, quote_len) < 0);
	quote[0] = 6;
	assert_true(judge(quote, quote_len) < 0);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_VERSION);
	quote[0] = 4;
	/* A leaf without its chain, and a QE report within one. */
	quote[chain] = 4;
	assert_true(judge(quote, quote_len) < 0);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_NO_CHAIN);
	quote[chain] = 6;
	assert_true(judge(quote, quote_len) < 0);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_CHAIN_TYPE);
	quote[chain] = 5;
}

/* Sets the three lengths that cover the chain after it grew or shrank by delta. */
static void relength(uint8_t *q, size_t chain_size_at, int delta)
{
	static const size_t fixed[] = {0x278, 0x27c + 0x82};
	size_t at[3] = {fixed[0], fixed[1], chain_size_at};

	for (unsigned i = 0; i < 3; i++) {
		uint32_t v;

		memcpy(&v, q + at[i], 4);
		v += (uint32_t)delta;
		memcpy(q + at[i], &v, 4);
	}
}

/* Writes a quote whose chain is another text, with all lengths in order. */
static size_t with_chain(uint8_t *out, const char *chain, size_t len)
{
	struct tdx_quote q;
	size_t at;

	assert_int_equal(tdx_quote_parse(quote, quote_len, &q, &err), 0);
	at = (size_t)(q.chain - (const char *)quote);
	assert_true(at + len <= TDX_QUOTE_MAX);
	memcpy(out, quote, at);
	memcpy(out + at, chain, len);
	relength(out, at - 4, (int)len - (int)q.chain_len);
	return at + len;
}

static void a_chain_in_another_spelling_is_refused_except_for_one_zero_byte(void **state)
{
	char chain[TDX_QUOTE_MAX];
	uint8_t forged[TDX_QUOTE_MAX];
	struct tdx_quote q;
	size_t n;

	(void)state;
	assert_int_equal(tdx_quote_parse(quote, quote_len, &q, &err), 0);
	n = q.chain_len;
	memcpy(chain, q.chain, n);
	chain[n] = 0;
	assert_int_equal(judge(forged, with_chain(forged, chain, n)), 0);
	assert_int_equal(judge(forged, with_chain(forged, chain, n + 1)), 0);
	chain[n] = '\n';
	assert_int_equal(judge(forged, with_chain(forged, chain, n + 1)), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_CHAIN_FORMAT);
	chain[n] = chain[n + 1] = 0;
	assert_int_equal(judge(forged, with_chain(forged, chain, n + 2)), -EBADMSG);
	memmove(chain + 1, chain, n);
	chain[0] = '\n';
	assert_int_equal(judge(forged, with_chain(forged, chain, n + 1)), -EBADMSG);
	chain[0] = '#';
	assert_int_equal(judge(forged, with_chain(forged, chain, n + 1)), -EBADMSG);
	assert_int_equal(judge(forged, with_chain(forged, "", 0)), -EBADMSG);
}

static void certificates_in_another_order_are_refused(void **state)
{
	char *cert[3], chain[TDX_QUOTE_MAX], text[TDX_QUOTE_MAX];
	uint8_t forged[TDX_QUOTE_MAX];
	struct tdx_quote q;
	size_t len[3];

	(void)state;
	assert_int_equal(tdx_quote_parse(quote, quote_len, &q, &err), 0);
	snprintf(text, sizeof(text), "%.*s", (int)q.chain_len, q.chain);
	cert[0] = text;
	cert[1] = strstr(cert[0] + 1, "-----BEGIN");
	cert[2] = strstr(cert[1] + 1, "-----BEGIN");
	len[0] = (size_t)(cert[1] - cert[0]);
	len[1] = (size_t)(cert[2] - cert[1]);
	len[2] = strlen(cert[2]);
	for (unsigned p = 0; p < 27; p++) {
		unsigned order[3] = {p / 9, p / 3 % 3, p % 3};
		size_t n = 0;
		int rc;

		for (unsigned i = 0; i < 3; i++) {
			memcpy(chain + n, cert[order[i]], len[order[i]]);
			n += len[order[i]];
		}
		rc = judge(forged, with_chain(forged, chain, n));
		assert_int_equal(rc, p == 5 ? 0 : -EBADMSG); /* 5 is 0, 1, 2 */
	}
}

static void another_root_does_not_vouch_for_it(void **state)
{
	struct tdx_quote_service *other;
	const char *own = root;
	size_t own_len = root_len;

	(void)state;
	assert_int_equal(tdx_quote_service_create(NOW, &other), 0);
	root = tdx_quote_service_root(other, &root_len);
	assert_int_equal(judge(quote, quote_len), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_CHAIN_ROOT);
	root = "not a certificate";
	root_len = strlen(root);
	assert_int_equal(judge(quote, quote_len), -EINVAL);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_ROOT_FORMAT);
	root = own;
	root_len = own_len;
	tdx_quote_service_free(other);
}

/* The chain of the trusted service on a quote that another one signed. */
static void a_borrowed_chain_does_not_help(void **state)
{
	struct tdx_quote_service *other;
	uint8_t alien[TDX_QUOTE_MAX];
	struct tdx_quote a, q;
	size_t len;

	(void)state;
	assert_int_equal(tdx_quote_service_create(NOW, &other), 0);
	assert_int_equal(
		tdx_quote_service_sign(other, &report, KEY, alien, sizeof(alien), &len, &err), 0);
	assert_int_equal(tdx_quote_parse(alien, len, &a, &err), 0);
	assert_int_equal(tdx_quote_parse(quote, quote_len, &q, &err), 0);
	a.chain = q.chain;
	a.chain_len = q.chain_len;
	assert_int_equal(tdx_quote_verify(&a, root, root_len, NOW, &err), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_QE_SIGNATURE);
	tdx_quote_service_free(other);
}

static void certificates_hold_for_their_time_only(void **state)
{
	(void)state;
	assert_int_equal(judge_at(quote, quote_len, NOW + 9 * 365 * DAY), 0);
	assert_int_equal(judge_at(quote, quote_len, NOW + 11 * 365 * DAY), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_CHAIN_INVALID);
	assert_non_null(strstr(err.why, "expired"));
	assert_int_equal(judge_at(quote, quote_len, NOW - 2 * DAY), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_CHAIN_INVALID);
}

static void a_report_that_does_not_verify_is_not_signed(void **state)
{
	struct tdx_report bad = report;
	static const uint8_t zero[64];
	uint8_t out[TDX_QUOTE_MAX] = {0};
	size_t len = 1;

	(void)state;
	bad.td_info.mrtd.b[0] ^= 1;
	assert_int_equal(tdx_quote_service_sign(service, &bad, KEY, out, sizeof(out), &len, &err),
			 -EBADMSG);
	assert_int_equal(len, 0);
	bad = report;
	bad.mac.mac[0] ^= 1;
	assert_int_equal(tdx_quote_service_sign(service, &bad, KEY, out, sizeof(out), &len, &err),
			 -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_REPORT_MAC);
	assert_int_equal(
		tdx_quote_service_sign(service, &report, KEY, out, quote_len - 1, &len, &err),
		-ENOSPC);
	assert_memory_equal(out, zero, sizeof(zero));
}

/* Where the n-th certificate of a text ends, its newline included. */
static size_t end_of(const char *text, unsigned n)
{
	const char *end = "-----END CERTIFICATE-----\n", *p = text;

	while (n--)
		p = strstr(p, end) + strlen(end);
	return (size_t)(p - text);
}

static void a_saved_service_is_the_same_service(void **state)
{
	struct tdx_quote_files files;
	struct tdx_quote_service *again;
	uint8_t out[TDX_QUOTE_MAX];
	size_t len, n;
	char *text;

	(void)state;
	assert_int_equal(tdx_quote_service_save(service, &text, &len), 0);
	assert_int_equal(tdx_quote_service_load(text, len, &again), 0);
	assert_string_equal(tdx_quote_service_root(again, &n), root);
	assert_int_equal(tdx_quote_service_sign(again, &report, KEY, out, sizeof(out), &n, &err),
			 0);
	assert_int_equal(judge(out, n), 0);
	tdx_quote_service_free(again);
	/* Cut anywhere, it is none; the last line's newline alone does not count. After the chain
	 * an earlier version's ended. */
	for (size_t cut = 2; cut < len; cut += 37) {
		bool old = end_of(text, 3) - (len - cut) <= 1;

		if (!old)
			assert_int_equal(tdx_quote_service_load(text, len - cut, &again), -EINVAL);
	}
	assert_int_equal(tdx_quote_service_load(text, end_of(text, 3), &again), 0);
	assert_int_equal(tdx_quote_service_collateral(again, TDX_QUOTE_FAULT_NONE, NOW, &files),
			 -ENODATA);
	assert_int_equal(tdx_quote_service_sign(again, &report, KEY, out, sizeof(out), &n, &err),
			 0);
	tdx_quote_service_free(again);
	again = NULL;
	assert_null(again);
	free(text);
}

static void a_saved_service_with_another_key_is_refused(void **state)
{
	struct tdx_quote_service *other, *mixed;
	char *mine, *theirs, *swap;
	size_t n, m, key;

	(void)state;
	assert_int_equal(tdx_quote_service_create(NOW, &other), 0);
	assert_int_equal(tdx_quote_service_save(service, &mine, &n), 0);
	assert_int_equal(tdx_quote_service_save(other, &theirs, &m), 0);
	key = (size_t)(strstr(mine + 1, "-----BEGIN") - mine);
	swap = strstr(theirs + 1, "-----BEGIN");
	assert_int_equal((size_t)(swap - theirs), key);
	memcpy(mine, theirs, key);
	assert_int_equal(tdx_quote_service_load(mine, n, &mixed), -EINVAL);
	free(mine);
	free(theirs);
	tdx_quote_service_free(other);
}

/* --- version 5 --- */

static size_t sign_5(uint8_t *out)
{
	size_t len;

	assert_int_equal(
		tdx_quote_service_sign_as(service, 5, &report, KEY, out, TDX_QUOTE_MAX, &len, &err),
		0);
	return len;
}

static void version_5_says_what_the_report_of_tdx_15_said(void **state)
{
	uint8_t five[TDX_QUOTE_MAX];
	size_t len = sign_5(five);
	struct tdx_attest_field field[TDX_QUOTE_FIELDS_MAX];
	struct tdx_quote q;
	size_t n;

	(void)state;
	assert_int_equal(tdx_quote_parse(five, len, &q, &err), 0);
	assert_int_equal(tdx_quote_verify(&q, root, root_len, NOW, &err), 0);
	assert_int_equal(q.version, 5);
	assert_int_equal(q.body_type, TDX_QUOTE_BODY_TDX_15);
	assert_int_equal(q.body_size, 648);
	assert_int_equal(q.cert_type, TDX_QUOTE_CERT_PCK_CHAIN);
	assert_memory_equal(&q.body.mrtd, &report.td_info.mrtd, 48);
	assert_memory_equal(q.tee_tcb_svn2, report.tee_tcb_info.tee_tcb_svn2, 16);
	assert_memory_equal(&q.mrservicetd, &report.td_info.servtd_hash, 48);
	assert_int_equal(five[48] | five[49] << 8, 3);
	assert_int_equal(tdx_quote_length(five, sizeof(five)), len);
	n = tdx_quote_fields(&q, field, TDX_QUOTE_FIELDS_MAX);
	for (size_t i = 1; i < n; i++)
		assert_true(field[i].offset >= field[i - 1].offset + field[i - 1].size);
	assert_int_equal(field[n - 1].offset + field[n - 1].size, 54 + 648);
	assert_int_equal(tdx_quote_service_sign_as(service, 3, &report, KEY, five, TDX_QUOTE_MAX,
						   &len, &err),
			 -ENOTSUP);
}

static void no_bit_of_version_5_may_change(void **state)
{
	uint8_t five[TDX_QUOTE_MAX];
	size_t len = sign_5(five);

	(void)state;
	for (size_t i = 0; i < len * 8; i++) {
		five[i / 8] ^= (uint8_t)(1u << i % 8);
		if (judge(five, len) >= 0)
			fail_msg("bit %zu of byte 0x%zx", i % 8, i / 8);
		assert_int_not_equal(err.fault, TDX_ATTEST_OK);
		assert_true(err.at <= len);
		five[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(judge(five, len), 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(judge(five, cut), -EINVAL);
}

static void what_a_quote_is_its_header_says(void **state)
{
	uint8_t bytes[2048] = {3, 0, 2, 0};
	struct tdx_quote q;

	(void)state;
	/* Cut, it is a quote that ends there. */
	assert_int_equal(tdx_quote_frame(quote, 100, &q, &err), -EINVAL);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_TOO_SHORT);
	assert_int_equal(err.at, 100);
	assert_int_equal(tdx_quote_frame(quote, 0x278, &q, &err), 0);
	assert_memory_equal(&q.body.mrtd, &report.td_info.mrtd, 48);
	/* An enclave's, of version 3 and 4. */
	assert_int_equal(tdx_quote_frame(bytes, 48 + 384, &q, &err), 0);
	assert_true(q.sgx);
	bytes[0] = 4;
	assert_int_equal(tdx_quote_frame(bytes, 48 + 384, &q, &err), 0);
	assert_int_equal(q.body_type, TDX_QUOTE_BODY_SGX);
	/* A body that nobody knows yet brings its size. */
	bytes[0] = 5;
	bytes[4] = 0x81;
	bytes[48] = 9;
	bytes[51] = 3;
	assert_int_equal(tdx_quote_frame(bytes, 54 + 768, &q, &err), 0);
	assert_int_equal(q.body_type, 9);
	assert_int_equal(q.body_size, 768);
	bytes[48] = 1;
	assert_int_equal(tdx_quote_frame(bytes, 54 + 768, &q, &err), -EINVAL);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_BODY_TYPE);
	bytes[48] = 2;
	assert_int_equal(tdx_quote_frame(bytes, 54 + 768, &q, &err), -EINVAL);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_BODY_LENGTH);
}

/* --- published quotes --- */

#define INTEL_ROOT "44a0196b2b99f889"

/* The third certificate of a chain is the root; that it is Intel's its hash says. */
static bool root_of(const struct tdx_quote *q, char *pem, size_t size)
{
	const char *end = q->chain + q->chain_len, *at = end;
	uint8_t md[32], *der = NULL;
	char text[17];
	X509 *x;
	BIO *bio;
	int n;

	while (at > q->chain && strncmp(at, "-----BEGIN", 10))
		at--;
	snprintf(pem, size, "%.*s", (int)(end - at), at);
	bio = BIO_new_mem_buf(pem, -1);
	x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	n = x ? i2d_X509(x, &der) : 0;
	if (n > 0)
		EVP_Digest(der, (size_t)n, md, NULL, EVP_sha256(), NULL);
	for (unsigned i = 0; n > 0 && i < 8; i++)
		snprintf(text + 2 * i, 3, "%02x", md[i]);
	OPENSSL_free(der);
	X509_free(x);
	BIO_free(bio);
	return n > 0 && !strcmp(text, INTEL_ROOT);
}

static void published_quotes_verify_and_no_flipped_one_does(void **state)
{
	static const struct {
		const char *name, *hash;
		unsigned version;
	} quotes[] = {
		{"google/go-tdx-guest quote_v5_sample", "cf77a6e9", 5},
		{"openenclave tdx_quote_v5", "67adfc4a", 5},
		{"openenclave tdx_quote-moduleupdate-seamldr5", "d21a11db10ea146b", 5},
		{"dcap-qvl tdx_quote_outdated", "4c453ea4", 5},
		{"trustee tdx_quote_5", "586c2be0dc38d3c5", 5},
		{"google/go-tdx-guest tdx_prod_quote", "6dde5548", 4},
		{"google/go-tdx-guest cos-113-tdx-quote", "54334c81", 4},
		{"dcap-qvl tdx_quote", "c42f9164", 4},
		{"dstack ra-tls tdx_quote", "434d108b", 4},
		{"openenclave tdx_quote.bin", "877ccf9a", 4},
		{"trustee tdx_quote_4", "12b401a8", 4},
		{"trustee tdx_quote_6", "62657e59", 4},
		{"trustee azure td-quote", "a2c43c69", 4},
		{"dcap-qvl sgx_quote", "f8b81014", 3},
	};
	char pem[4096];
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
		struct sample s;
		struct tdx_quote q;
		size_t len;

		if (!sample_find(quotes[i].name, quotes[i].hash, &s))
			continue;
		len = tdx_quote_length(s.bytes, s.len);
		assert_in_range(len, 1, s.len);
		assert_int_equal(tdx_quote_parse(s.bytes, len, &q, &err), 0);
		assert_int_equal(q.version, quotes[i].version);
		assert_true(root_of(&q, pem, sizeof(pem)));
		assert_int_equal(tdx_quote_verify(&q, pem, strlen(pem), NOW, &err), 0);
		assert_false(q.simulated);
		/* All bits of one, of the others one in 97. */
		for (size_t k = 0; k < len * 8; k += found ? 97 : 1) {
			int rc;

			s.bytes[k / 8] ^= (uint8_t)(1u << k % 8);
			rc = tdx_quote_parse(s.bytes, len, &q, &err);
			if (!rc)
				rc = tdx_quote_verify(&q, pem, strlen(pem), NOW, &err);
			if (rc >= 0 || err.fault == TDX_ATTEST_OK || err.at > len)
				fail_msg("%s: bit %zu", quotes[i].name, k);
			s.bytes[k / 8] ^= (uint8_t)(1u << k % 8);
		}
		found++;
		free(s.bytes);
	}
	if (!found)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_5_says_what_the_report_of_tdx_15_said),
		cmocka_unit_test(no_bit_of_version_5_may_change),
		cmocka_unit_test(what_a_quote_is_its_header_says),
		cmocka_unit_test(published_quotes_verify_and_no_flipped_one_does),
		cmocka_unit_test(a_quote_says_what_the_report_said),
		cmocka_unit_test(the_layout_is_that_of_version_4),
		cmocka_unit_test(it_is_marked_as_simulated_wherever_one_may_look),
		cmocka_unit_test(no_byte_may_be_missing_or_added),
		cmocka_unit_test(each_part_is_named_when_it_is_wrong),
		cmocka_unit_test(a_chain_in_another_spelling_is_refused_except_for_one_zero_byte),
		cmocka_unit_test(certificates_in_another_order_are_refused),
		cmocka_unit_test(another_root_does_not_vouch_for_it),
		cmocka_unit_test(a_borrowed_chain_does_not_help),
		cmocka_unit_test(certificates_hold_for_their_time_only),
		cmocka_unit_test(a_report_that_does_not_verify_is_not_signed),
		cmocka_unit_test(a_saved_service_is_the_same_service),
		cmocka_unit_test(a_saved_service_with_another_key_is_refused),
	};

	return RUN_GROUP(tests, set_up, tear_down);
}

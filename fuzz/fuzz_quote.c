/* SPDX-License-Identifier: MIT */
/* The quote parser on arbitrary bytes, and the chain reader behind it, which a verifier would reach
 * only with a good signature.
 *
 * The first byte says what the rest is: changes to a quote that verifies, the tail of a quote whose
 * fixed part is sound, or a whole quote. So the fuzzer need not find lengths that agree, nor sign.
 * Stops when a part of a parsed quote lies outside of it, when parts do not add up to the whole, or
 * when anything verifies but what the service signed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "measure/attest.h"

#define NOW 1800000000ll

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct {
	struct quote_service *service;
	uint8_t quote[QUOTE_MAX];
	size_t len;
} good;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct tdx_report report = {.mac.type = TDX_REPORT_TYPE_TDX};
	struct attest_error err;

	(void)argc, (void)argv;
	must(!quote_service_create(NOW, &good.service));
	must(!tdreport_seal(&report, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE));
	must(!quote_service_sign(good.service, &report, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE,
				 good.quote, sizeof(good.quote), &good.len, &err));
	return 0;
}

static void one_quote(const uint8_t *bytes, size_t len)
{
	struct attest_error err;
	struct tdx_quote q;
	size_t root_len;
	const char *pem = quote_service_root(good.service, &root_len);
	bool same = len == good.len && !memcmp(bytes, good.quote, len);
	char line[ATTEST_ERROR_TEXT];
	EVP_PKEY *leaf;

	if (quote_parse(bytes, len, &q, &err)) {
		must(err.fault != ATTEST_OK && !q.bytes);
		must(strlen(attest_error_text(&err, line, sizeof(line))) > 0);
		return;
	}
	must(q.bytes == bytes && q.len == len && quote_length(bytes, len) == len);
	must(q.qe_auth == bytes + Q_AUTH && q.qe_auth_len <= len - Q_AUTH);
	must((const uint8_t *)q.chain == q.qe_auth + q.qe_auth_len + CHAIN_FRAME);
	must((const uint8_t *)q.chain + q.chain_len == bytes + len);
	if (quote_verify(&q, pem, root_len, NOW, &err) == 0) {
		must(same);
		return;
	}
	must(!same);
	/* A verifier comes to the chain only with a good signature; here it is looked at always. */
	must((chain_verify(q.chain, q.chain_len, pem, root_len, NOW, &leaf, &err) == 0) == !!leaf);
	EVP_PKEY_free(leaf);
}

/* Three bytes a change: where (two bytes), and to what. */
static void change(uint8_t *quote, const uint8_t *data, size_t size)
{
	for (; size >= 3; data += 3, size -= 3)
		quote[(data[0] | (unsigned)data[1] << 8) % good.len] = data[2];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size ? size - 1 : 0;
	uint8_t *bytes;

	if (!size || len > QUOTE_MAX)
		return 0;
	if (data[0] % 3 == 0) {
		bytes = malloc(good.len);
		memcpy(bytes, good.quote, good.len);
		change(bytes, data + 1, len);
		len = good.len;
	} else if (data[0] % 3 == 1) {
		bytes = malloc(len + 1);
		memcpy(bytes, data + 1, len);
	} else {
		bytes = calloc(1, Q_AUTH_SIZE + len + 1);
		put_le16(bytes + QH_VERSION, QUOTE_V4);
		put_le16(bytes + QH_KEY_TYPE, KEY_ECDSA_P256);
		put_le32(bytes + QH_TEE_TYPE, TEE_TDX);
		put_le32(bytes + Q_LENGTH, (uint32_t)(Q_AUTH_SIZE + len - Q_SIGNATURE));
		put_le16(bytes + Q_CERT_TYPE, CERT_QE);
		put_le32(bytes + Q_CERT_SIZE, (uint32_t)(Q_AUTH_SIZE + len - Q_QE_REPORT));
		memcpy(bytes + Q_AUTH_SIZE, data + 1, len);
		len += Q_AUTH_SIZE;
	}
	one_quote(bytes, len);
	free(bytes);
	return 0;
}

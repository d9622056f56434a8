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

#include "fuzz/good_quote.h"
#include "measure/attest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct good_quote good;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	good_quote_make(&good);
	return 0;
}

static void one_quote(const uint8_t *bytes, size_t len)
{
	struct tdx_attest_error err;
	struct tdx_quote q;
	size_t root_len;
	const char *pem = tdx_quote_service_root(good.service, &root_len);
	bool same = len == good.len && !memcmp(bytes, good.quote, len);
	char line[TDX_ATTEST_ERROR_TEXT];
	struct tdx_attest_field field[TDX_QUOTE_FIELDS_MAX];
	EVP_PKEY *leaf;

	if (tdx_quote_parse(bytes, len, &q, &err)) {
		must(err.fault != TDX_ATTEST_OK && !q.bytes);
		must(strlen(tdx_attest_error_text(&err, line, sizeof(line))) > 0);
		return;
	}
	must(q.bytes == bytes && q.len == len && tdx_quote_length(bytes, len) == len);
	must(q.body_bytes + q.body_size + QS_LENGTH == q.signature);
	must(q.qe_auth + q.qe_auth_len + CERT_FRAME == q.cert);
	must(q.cert + q.cert_len == bytes + len);
	for (size_t i = 0, n = tdx_quote_fields(&q, field, TDX_QUOTE_FIELDS_MAX); i < n; i++)
		must(field[i].offset + field[i].size <= len);
	if (tdx_quote_verify(&q, pem, root_len, NOW, &err) == 0) {
		must(same);
		return;
	}
	must(!same);
	if (!q.chain)
		return;
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

	if (!size || len > TDX_QUOTE_MAX)
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
		const bool v5 = data[0] & 0x80;
		const size_t body = TDX_QUOTE_HEADER_SIZE + (v5 ? Q_DESCRIPTOR : 0);
		const size_t at = body + (v5 ? TDX_QUOTE_BODY_15_SIZE : TDX_QUOTE_BODY_SIZE);
		const size_t qe = at + QS_LENGTH + QS_CERT_TYPE + CERT_FRAME;

		bytes = calloc(1, qe + QE_AUTH_SIZE + len + 1);
		put_le16(bytes + QH_VERSION, v5 ? QUOTE_V5 : QUOTE_V4);
		put_le16(bytes + QH_KEY_TYPE, KEY_ECDSA_P256);
		put_le32(bytes + QH_TEE_TYPE, TEE_TDX);
		if (v5) {
			put_le16(bytes + TDX_QUOTE_HEADER_SIZE, TDX_QUOTE_BODY_TDX_15);
			put_le32(bytes + TDX_QUOTE_HEADER_SIZE + 2, TDX_QUOTE_BODY_15_SIZE);
		}
		memcpy(bytes + qe + QE_AUTH_SIZE, data + 1, len);
		len += qe + QE_AUTH_SIZE;
		put_le32(bytes + at, (uint32_t)(len - at - QS_LENGTH));
		put_le16(bytes + qe - CERT_FRAME, TDX_QUOTE_CERT_QE_REPORT);
		put_le32(bytes + qe - CERT_FRAME + 2, (uint32_t)(len - qe));
	}
	one_quote(bytes, len);
	free(bytes);
	return 0;
}

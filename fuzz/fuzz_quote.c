/* SPDX-License-Identifier: MIT */
/* The quote parser on arbitrary bytes, and the chain reader behind it, which a verifier would reach
 * only with a good signature.
 *
 * An even first byte puts the rest into the tail of a quote whose fixed part is sound, so that the
 * lengths need not be found. Stops when a part of a parsed quote lies outside of it, when parts do
 * not add up to the whole, or when anything verifies. */
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

static const char *root(size_t *len)
{
	static struct quote_service *service;

	if (!service)
		must(!quote_service_create(NOW, &service));
	return quote_service_root(service, len);
}

static void one_quote(const uint8_t *bytes, size_t len)
{
	struct attest_error err;
	struct tdx_quote q;
	size_t root_len;
	const char *pem = root(&root_len);
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
	must(quote_verify(&q, pem, root_len, NOW, &err) != 0);
	must(chain_verify(q.chain, q.chain_len, pem, root_len, NOW, &leaf, &err) != 0 && !leaf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size ? size - 1 : 0;
	uint8_t *bytes;

	if (!size || len > QUOTE_MAX)
		return 0;
	if (data[0] & 1) {
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

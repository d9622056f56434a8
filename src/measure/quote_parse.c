/* SPDX-License-Identifier: MIT */
/* A version 4 quote taken apart.
 *
 * Three lengths nest in it (signature data, certification data, certificates), and one lies beside
 * (authentication data). Each must agree with the space it is in exactly: then every byte of the
 * quote belongs to a part that some check covers. */
#include <errno.h>
#include <string.h>

#include "measure/attest.h"

static int wrong(struct attest_error *err, enum attest_fault fault, uint64_t at, uint64_t value,
		 uint64_t limit)
{
	return attest_fail(err, -EINVAL, fault, at, value, limit);
}

static int check_header(const uint8_t *p, struct attest_error *err)
{
	if (le16(p + QH_VERSION) != QUOTE_V4)
		return wrong(err, QUOTE_VERSION, QH_VERSION, le16(p + QH_VERSION), QUOTE_V4);
	if (le16(p + QH_KEY_TYPE) != KEY_ECDSA_P256)
		return wrong(err, QUOTE_KEY_TYPE, QH_KEY_TYPE, le16(p + QH_KEY_TYPE),
			     KEY_ECDSA_P256);
	if (le32(p + QH_TEE_TYPE) != TEE_TDX)
		return wrong(err, QUOTE_TEE_TYPE, QH_TEE_TYPE, le32(p + QH_TEE_TYPE), TEE_TDX);
	return 0;
}

/* The certification data, from the authentication data on: the parts of variable length. */
static int parse_tail(const uint8_t *p, size_t len, struct tdx_quote *q, struct attest_error *err)
{
	size_t auth = le16(p + Q_AUTH_SIZE);
	size_t at = Q_AUTH + auth;

	if (at > len || len - at < CHAIN_FRAME)
		return wrong(err, QUOTE_AUTH_LENGTH, Q_AUTH_SIZE, auth,
			     len < Q_AUTH + CHAIN_FRAME ? 0 : len - Q_AUTH - CHAIN_FRAME);
	if (le16(p + at) != CERT_CHAIN)
		return wrong(err, QUOTE_CHAIN_TYPE, at, le16(p + at), CERT_CHAIN);
	if (le32(p + at + 2) != len - at - CHAIN_FRAME)
		return wrong(err, QUOTE_CHAIN_LENGTH, at + 2, le32(p + at + 2),
			     len - at - CHAIN_FRAME);
	q->qe_auth = p + Q_AUTH;
	q->qe_auth_len = auth;
	q->chain = (const char *)p + at + CHAIN_FRAME;
	q->chain_len = len - at - CHAIN_FRAME;
	return 0;
}

int quote_parse(const void *bytes, size_t len, struct tdx_quote *out, struct attest_error *err)
{
	const uint8_t *p = bytes;
	int rc;

	memset(out, 0, sizeof(*out));
	*err = (struct attest_error){0};
	if (len < QUOTE_HEADER_SIZE)
		return wrong(err, QUOTE_TOO_SHORT, 0, len, Q_AUTH + CHAIN_FRAME);
	/* First of all, so that what is no quote at all is told so. */
	rc = check_header(p, err);
	if (rc)
		return rc;
	if (len < Q_AUTH + CHAIN_FRAME)
		return wrong(err, QUOTE_TOO_SHORT, 0, len, Q_AUTH + CHAIN_FRAME);
	if (len > QUOTE_MAX)
		return wrong(err, QUOTE_TOO_LONG, 0, len, QUOTE_MAX);
	if (le32(p + Q_LENGTH) != len - Q_SIGNATURE)
		return wrong(err, QUOTE_LENGTH, Q_LENGTH, le32(p + Q_LENGTH), len - Q_SIGNATURE);
	if (le16(p + Q_CERT_TYPE) != CERT_QE)
		return wrong(err, QUOTE_CERT_TYPE, Q_CERT_TYPE, le16(p + Q_CERT_TYPE), CERT_QE);
	if (le32(p + Q_CERT_SIZE) != len - Q_QE_REPORT)
		return wrong(err, QUOTE_CERT_LENGTH, Q_CERT_SIZE, le32(p + Q_CERT_SIZE),
			     len - Q_QE_REPORT);
	rc = parse_tail(p, len, out, err);
	if (rc) {
		memset(out, 0, sizeof(*out));
		return rc;
	}
	out->bytes = p;
	out->len = len;
	memcpy(&out->body, p + Q_BODY, sizeof(out->body));
	out->signature = p + Q_SIGNATURE;
	out->key = p + Q_KEY;
	out->qe_report = p + Q_QE_REPORT;
	out->qe_signature = p + Q_QE_SIG;
	out->simulated = !memcmp(p + QH_VENDOR, SWTDX_QE_VENDOR, 16);
	return 0;
}

size_t quote_length(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	if (len < Q_SIGNATURE)
		return 0;
	return Q_SIGNATURE + (size_t)le32(p + Q_LENGTH);
}

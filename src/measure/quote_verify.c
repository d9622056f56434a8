/* SPDX-License-Identifier: MIT */
/* Does a quote say what its root of trust stands for?
 *
 * The attestation key signs header and body; the QE report binds that key and the authentication
 * data by a hash; the leaf certificate signs the QE report; the chain leads to the root. Cheap
 * checks come first, the chain last. */
#include <errno.h>
#include <string.h>

#include "measure/attest.h"

static int check_signature(const struct tdx_quote *q, struct tdx_attest_error *err)
{
	size_t signed_len = (size_t)quote_at(q, q->body_bytes) + q->body_size;
	EVP_PKEY *key = p256_from_raw(q->key);
	int rc;

	if (!key)
		return attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_KEY, quote_at(q, q->key), 0, 0);
	rc = p256_verify(key, q->bytes, signed_len, q->signature);
	EVP_PKEY_free(key);
	if (rc == -EBADMSG)
		return attest_fail(err, rc, TDX_ATTEST_QUOTE_SIGNATURE, quote_at(q, q->signature),
				   0, 0);
	return rc;
}

static int check_binding(const struct tdx_quote *q, struct tdx_attest_error *err)
{
	uint8_t expected[64] = {0};
	int rc;

	rc = qe_binding(q->key, q->qe_auth, q->qe_auth_len, expected);
	if (rc)
		return rc;
	if (memcmp(q->qe_report + QE_REPORTDATA, expected, sizeof(expected)))
		return attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_QE_REPORT_DATA,
				   quote_at(q, q->qe_report) + QE_REPORTDATA, 0, 0);
	return 0;
}

int tdx_quote_verify(const struct tdx_quote *q, const char *root_pem, size_t root_len, int64_t now,
		     struct tdx_attest_error *err)
{
	EVP_PKEY *leaf = NULL;
	int rc;

	*err = (struct tdx_attest_error){0};
	rc = check_signature(q, err);
	if (!rc)
		rc = check_binding(q, err);
	if (rc)
		return rc;
	if (!q->chain)
		return attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_NO_CHAIN,
				   quote_at(q, q->cert) - CERT_FRAME, q->cert_type,
				   TDX_QUOTE_CERT_PCK_CHAIN);
	rc = chain_verify(q->chain, q->chain_len, root_pem, root_len, now, &leaf, err);
	/* A chain that was given beside the quote has no place in it. */
	err->at += rc && err->fault != TDX_ATTEST_QUOTE_ROOT_FORMAT &&
				   q->cert == (const uint8_t *)q->chain
			   ? quote_at(q, q->chain)
			   : 0;
	if (rc)
		return rc;
	rc = p256_verify(leaf, q->qe_report, TDX_QUOTE_QE_REPORT_SIZE, q->qe_signature);
	EVP_PKEY_free(leaf);
	if (rc == -EBADMSG)
		return attest_fail(err, rc, TDX_ATTEST_QUOTE_QE_SIGNATURE,
				   quote_at(q, q->qe_signature), 0, 0);
	return rc;
}

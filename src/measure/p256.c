/* SPDX-License-Identifier: MIT */
/* ECDSA P-256 with SHA-256 in the form quotes use: two 32-byte big-endian numbers, where the crypto
 * library has DER and its own key objects. */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <string.h>

#include "measure/attest.h"

#define HALF	32
#define DER_MAX 80

int p256_sign(EVP_PKEY *key, const void *data, size_t len, uint8_t sig[TDX_QUOTE_SIGNATURE_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[DER_MAX];
	size_t der_len = sizeof(der);
	const uint8_t *p = der;
	ECDSA_SIG *rs = NULL;
	int rc = -EIO;

	if (ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(ctx, der, &der_len, data, len) == 1)
		rs = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
	if (rs && BN_bn2binpad(ECDSA_SIG_get0_r(rs), sig, HALF) == HALF &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(rs), sig + HALF, HALF) == HALF)
		rc = 0;
	ECDSA_SIG_free(rs);
	EVP_MD_CTX_free(ctx);
	return rc;
}

static ECDSA_SIG *from_raw(const uint8_t *sig)
{
	BIGNUM *r = BN_bin2bn(sig, HALF, NULL);
	BIGNUM *s = BN_bin2bn(sig + HALF, HALF, NULL);
	ECDSA_SIG *rs = ECDSA_SIG_new();

	if (r && s && rs && ECDSA_SIG_set0(rs, r, s) == 1)
		return rs;
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(rs);
	return NULL;
}

int p256_verify(EVP_PKEY *key, const void *data, size_t len,
		const uint8_t sig[TDX_QUOTE_SIGNATURE_SIZE])
{
	ECDSA_SIG *rs = from_raw(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *der = NULL;
	int der_len = rs ? i2d_ECDSA_SIG(rs, &der) : -1;
	int rc = -EIO;

	if (ctx && der_len > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1)
		rc = EVP_DigestVerify(ctx, der, (size_t)der_len, data, len) == 1 ? 0 : -EBADMSG;
	OPENSSL_free(der);
	EVP_MD_CTX_free(ctx);
	ECDSA_SIG_free(rs);
	return rc;
}

EVP_PKEY *p256_from_raw(const uint8_t raw[TDX_QUOTE_KEY_SIZE])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char group[] = "prime256v1";
	uint8_t point[1 + TDX_QUOTE_KEY_SIZE];
	OSSL_PARAM params[3];
	EVP_PKEY *key = NULL;

	point[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(point + 1, raw, TDX_QUOTE_KEY_SIZE);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] =
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	params[2] = OSSL_PARAM_construct_end();
	/* Fails for a point that is not on the curve. */
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

int p256_to_raw(EVP_PKEY *key, uint8_t raw[TDX_QUOTE_KEY_SIZE])
{
	BIGNUM *x = NULL, *y = NULL;
	int rc = -EIO;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
	    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
	    BN_bn2binpad(x, raw, HALF) == HALF && BN_bn2binpad(y, raw + HALF, HALF) == HALF)
		rc = 0;
	BN_free(x);
	BN_free(y);
	return rc;
}

bool p256_is(EVP_PKEY *key)
{
	char group[32];
	size_t n;

	return key && EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1 &&
	       !strcmp(group, "prime256v1");
}

int qe_binding(const uint8_t *key, const void *auth, size_t auth_len, uint8_t out[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc = -EIO;

	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, key, TDX_QUOTE_KEY_SIZE) == 1 &&
	    EVP_DigestUpdate(ctx, auth, auth_len) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1)
		rc = 0;
	EVP_MD_CTX_free(ctx);
	return rc;
}

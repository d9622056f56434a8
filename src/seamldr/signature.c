/* SPDX-License-Identifier: MIT */
/* The signature of a module image: RSA-3072, PKCS #1 v1.5, SHA-384, of SEAM_SIGSTRUCT without its
 * modulus, exponent and signature. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

#include "seamldr/internal.h"
#include "seamldr/key.h"

enum {
	BODY = offsetof(struct tdx_seam_sigstruct, seamhash),
	HEAD = offsetof(struct tdx_seam_sigstruct, modulus),
	SIGNED = HEAD + TDX_SIGSTRUCT_SIZE - BODY,
};

bool loader_sha384(const void *data, size_t size, struct tdx_digest *digest)
{
	return EVP_Digest(data, size, digest->b, NULL, EVP_sha384(), NULL) == 1;
}

static void reversed(uint8_t *to, const uint8_t *from)
{
	for (unsigned i = 0; i < TDX_SIGSTRUCT_KEY_SIZE; i++)
		to[i] = from[TDX_SIGSTRUCT_KEY_SIZE - 1 - i];
}

static void signed_part(const struct tdx_seam_sigstruct *s, uint8_t out[SIGNED])
{
	memcpy(out, s, HEAD);
	memcpy(out + HEAD, (const uint8_t *)s + BODY, TDX_SIGSTRUCT_SIZE - BODY);
}

/* Our key; without its private part if not asked for. */
static EVP_PKEY *key(bool private)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *n = NULL, *e = BN_new(), *d = NULL;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	if (!ctx || !b || !e || !BN_hex2bn(&n, SEAMLDR_KEY_MODULUS) ||
	    !BN_hex2bn(&d, SEAMLDR_KEY_PRIVATE) || !BN_set_word(e, TDX_SIGSTRUCT_EXPONENT))
		goto out;
	if (!OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) ||
	    !OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e) ||
	    (private && !OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_D, d)))
		goto out;
	params = OSSL_PARAM_BLD_to_param(b);
	if (!params || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &pkey, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
			      params) <= 0)
		pkey = NULL;
out:
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(n);
	BN_free(e);
	BN_clear_free(d);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

bool signature_modulus(uint8_t modulus[TDX_SIGSTRUCT_KEY_SIZE])
{
	BIGNUM *n = NULL;
	const bool ok =
		BN_hex2bn(&n, SEAMLDR_KEY_MODULUS) &&
		BN_bn2lebinpad(n, modulus, TDX_SIGSTRUCT_KEY_SIZE) == TDX_SIGSTRUCT_KEY_SIZE;

	BN_free(n);
	return ok;
}

bool signature_make(struct tdx_seam_sigstruct *s)
{
	uint8_t part[SIGNED], sig[TDX_SIGSTRUCT_KEY_SIZE];
	size_t size = sizeof(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *pkey = key(true);
	bool ok;

	signed_part(s, part);
	ok = ctx && pkey && EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, pkey) == 1 &&
	     EVP_DigestSign(ctx, sig, &size, part, sizeof(part)) == 1 && size == sizeof(sig);
	if (ok)
		reversed(s->signature, sig);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

bool signature_verifies(const struct tdx_seam_sigstruct *s)
{
	uint8_t part[SIGNED], sig[TDX_SIGSTRUCT_KEY_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *pkey = key(false);
	bool ok;

	signed_part(s, part);
	reversed(sig, s->signature);
	ok = ctx && pkey && EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, pkey) == 1 &&
	     EVP_DigestVerify(ctx, sig, sizeof(sig), part, sizeof(part)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

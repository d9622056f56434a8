/* SPDX-License-Identifier: MIT */
/* The certificate chain of a quote: leaf, intermediate, root, in PEM.
 *
 * PEM and DER have many spellings of one certificate, with bytes that no signature covers. Only the
 * plain one is accepted, by encoding what was read again and comparing; a zero byte may follow, as
 * real platforms have it. The root must be the trusted one byte for byte. */
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "measure/attest.h"

const char *const chain_names[CHAIN_CERTS] = {
	"Intel SGX PCK Certificate",
	"Intel SGX PCK Platform CA",
	"Intel SGX Root CA",
};

/* Platforms of one package are certified by an intermediate of another name. */
static const char other_intermediate[] = "Intel SGX PCK Processor CA";

void chain_free(X509 *certs[CHAIN_CERTS])
{
	for (unsigned i = 0; i < CHAIN_CERTS; i++) {
		X509_free(certs[i]);
		certs[i] = NULL;
	}
}

int chain_to_pem(X509 *const certs[], unsigned n, char **pem, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int rc = bio ? 0 : -ENOMEM;
	char *data = NULL;
	long size = 0;

	for (unsigned i = 0; i < n && !rc; i++)
		if (PEM_write_bio_X509(bio, certs[i]) != 1)
			rc = -EIO;
	if (!rc)
		size = BIO_get_mem_data(bio, &data);
	*pem = rc ? NULL : malloc((size_t)size + 1);
	if (!rc && !*pem)
		rc = -ENOMEM;
	if (!rc) {
		memcpy(*pem, data, (size_t)size);
		(*pem)[size] = 0;
		*len = (size_t)size;
	}
	BIO_free(bio);
	return rc;
}

/* A certificate as it stood in PEM. */
struct der {
	unsigned char *bytes;
	long len;
};

static bool read_block(BIO *bio, struct der *d)
{
	char *name = NULL, *header = NULL;
	bool ok = PEM_read_bio(bio, &name, &header, &d->bytes, &d->len) == 1 &&
		  !strcmp(name, PEM_STRING_X509);

	OPENSSL_free(name);
	OPENSSL_free(header);
	return ok;
}

/* Reads the blocks of a chain and requires that they were spelt as we would spell them. */
static int read_plain(const char *pem, size_t len, struct der der[CHAIN_CERTS])
{
	BIO *in = len <= INT_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	BIO *again = BIO_new(BIO_s_mem());
	char *text = NULL;
	size_t size;
	int rc = in ? 0 : -EINVAL;

	for (unsigned i = 0; i < CHAIN_CERTS && !rc; i++)
		if (!read_block(in, &der[i]) ||
		    !PEM_write_bio(again, PEM_STRING_X509, "", der[i].bytes, der[i].len))
			rc = -EINVAL;
	size = rc ? 0 : (size_t)BIO_get_mem_data(again, &text);
	if (!rc && (len < size || memcmp(pem, text, size) ||
		    !(len == size || (len == size + 1 && !pem[size]))))
		rc = -EINVAL;
	BIO_free(in);
	BIO_free(again);
	return rc;
}

/* The trusted root is the caller's and may be spelt in any way, with any text around it. */
static bool is_root(const struct der *d, const char *pem, size_t len, bool *readable)
{
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	struct der root = {NULL, 0};
	bool same;

	*readable = bio && read_block(bio, &root);
	same = *readable && root.len == d->len && !memcmp(root.bytes, d->bytes, (size_t)d->len);
	OPENSSL_free(root.bytes);
	BIO_free(bio);
	return same;
}

/* Of the many encodings that are read as one certificate only its own is accepted. */
static X509 *decode(const struct der *d)
{
	const unsigned char *p = d->bytes;
	X509 *cert = d2i_X509(NULL, &p, d->len);
	unsigned char *again = NULL;
	int len = cert ? i2d_X509(cert, &again) : -1;

	if (len != d->len || memcmp(again, d->bytes, (size_t)len)) {
		X509_free(cert);
		cert = NULL;
	}
	OPENSSL_free(again);
	return cert;
}

static bool named(X509 *cert, const char *name)
{
	char cn[64];

	return X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn,
					 sizeof(cn)) > 0 &&
	       !strcmp(cn, name);
}

static int check_form(X509 *certs[CHAIN_CERTS], struct tdx_attest_error *err)
{
	for (unsigned i = 0; i < CHAIN_CERTS; i++) {
		if (!named(certs[i], chain_names[i]) &&
		    !(i == 1 && named(certs[i], other_intermediate)))
			return attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_CHAIN_NAMES, 0, i, 0);
		if (!p256_is(X509_get0_pubkey(certs[i])))
			return attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_CHAIN_KEY, 0, i, 0);
	}
	return 0;
}

static int check_path(X509 *certs[CHAIN_CERTS], int64_t now, struct tdx_attest_error *err)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *middle = sk_X509_new_null();
	int rc = -ENOMEM;

	if (!store || !ctx || !middle || !sk_X509_push(middle, certs[1]) ||
	    X509_STORE_add_cert(store, certs[2]) != 1 ||
	    X509_STORE_CTX_init(ctx, store, certs[0], middle) != 1)
		goto out;
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)now);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_CHECK_SS_SIGNATURE);
	rc = 0;
	if (X509_verify_cert(ctx) != 1) {
		rc = attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_CHAIN_INVALID, 0, 0, 0);
		err->why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	} else if (sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) != CHAIN_CERTS) {
		/* The leaf must not be the root's own child past an idle intermediate. */
		rc = attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_CHAIN_INVALID, 0, 0, 0);
		err->why = "a certificate is not part of the path";
	}
out:
	sk_X509_free(middle);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return rc;
}

/* The root first, which costs least. */
static int check_chain(const struct der der[CHAIN_CERTS], X509 *certs[CHAIN_CERTS],
		       const char *root_pem, size_t root_len, int64_t now,
		       struct tdx_attest_error *err)
{
	bool readable, trusted = is_root(&der[CHAIN_CERTS - 1], root_pem, root_len, &readable);
	int rc;

	if (!readable)
		return attest_fail(err, -EINVAL, TDX_ATTEST_QUOTE_ROOT_FORMAT, 0, 0, 0);
	if (!trusted)
		return attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_CHAIN_ROOT, 0, 0, 0);
	for (unsigned i = 0; i < CHAIN_CERTS; i++) {
		certs[i] = decode(&der[i]);
		if (!certs[i])
			return attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_CHAIN_FORMAT, 0, 0, 0);
	}
	rc = check_form(certs, err);
	return rc ? rc : check_path(certs, now, err);
}

int chain_verify(const char *pem, size_t len, const char *root_pem, size_t root_len, int64_t now,
		 EVP_PKEY **leaf, struct tdx_attest_error *err)
{
	struct der der[CHAIN_CERTS] = {{NULL, 0}};
	X509 *certs[CHAIN_CERTS] = {NULL};
	int rc;

	*leaf = NULL;
	rc = read_plain(pem, len, der);
	if (rc)
		rc = attest_fail(err, -EBADMSG, TDX_ATTEST_QUOTE_CHAIN_FORMAT, 0, 0, 0);
	else
		rc = check_chain(der, certs, root_pem, root_len, now, err);
	if (!rc) {
		*leaf = X509_get_pubkey(certs[0]);
		rc = *leaf ? 0 : -EIO;
	}
	chain_free(certs);
	for (unsigned i = 0; i < CHAIN_CERTS; i++)
		OPENSSL_free(der[i].bytes);
	return rc;
}

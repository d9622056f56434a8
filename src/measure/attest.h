/* SPDX-License-Identifier: MIT */
/* Shared by the files that read, verify and write quotes: where its parts lie, and the wrappers of
 * the crypto library that both sides use. */
#ifndef MEASURE_ATTEST_H
#define MEASURE_ATTEST_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <swtdx/attest.h>

#include "measure/internal.h"

/* Header. */
#define QH_VERSION     0
#define QH_KEY_TYPE    2
#define QH_TEE_TYPE    4
#define QH_VENDOR      12
#define QH_USER_DATA   28
#define QUOTE_V3       3
#define QUOTE_V4       4
#define QUOTE_V5       5
#define KEY_ECDSA_P256 2
#define TEE_SGX	       0
#define TEE_TDX	       0x81

/* Version 5 says after the header what body follows: type and size. */
#define Q_DESCRIPTOR 6

/* After header and body: the length of the rest, then the rest. From its beginning: */
#define QS_LENGTH    4
#define QS_KEY	     TDX_QUOTE_SIGNATURE_SIZE
#define QS_CERT_TYPE (QS_KEY + TDX_QUOTE_KEY_SIZE)
#define CERT_FRAME   6 /* type and size before certification data */
/* The QE's part, from the QE report on. */
#define QE_SIG	     TDX_QUOTE_QE_REPORT_SIZE
#define QE_AUTH_SIZE (QE_SIG + TDX_QUOTE_SIGNATURE_SIZE)
#define QE_AUTH	     (QE_AUTH_SIZE + 2)

/* QE report: an SGX report. */
#define QE_MISCSELECT 16
#define QE_ATTRIBUTES 48
#define QE_MRENCLAVE  64
#define QE_MRSIGNER   128
#define QE_ISVPRODID  256
#define QE_ISVSVN     258
#define QE_REPORTDATA 320
#define QE_ATTR_INIT  1u
#define QE_ATTR_DEBUG 2u
#define QE_ATTR_64BIT 4u

/* What the certificates of our chains are called, leaf first; verifiers look for these names. */
#define CHAIN_CERTS 3
extern const char *const chain_names[CHAIN_CERTS];

int attest_fail(struct tdx_attest_error *err, int rc, enum tdx_attest_fault fault, uint64_t at,
		uint64_t value, uint64_t limit);

/* SHA-256 of the attestation key and the authentication data, as the QE report binds them. */
int qe_binding(const uint8_t *key, const void *auth, size_t auth_len, uint8_t out[32]);

/* ECDSA P-256 over SHA-256, signatures and keys as two 32-byte big-endian numbers. */
int p256_sign(EVP_PKEY *key, const void *data, size_t len, uint8_t sig[TDX_QUOTE_SIGNATURE_SIZE]);
int p256_verify(EVP_PKEY *key, const void *data, size_t len,
		const uint8_t sig[TDX_QUOTE_SIGNATURE_SIZE]);
EVP_PKEY *p256_from_raw(const uint8_t raw[TDX_QUOTE_KEY_SIZE]);
int p256_to_raw(EVP_PKEY *key, uint8_t raw[TDX_QUOTE_KEY_SIZE]);
bool p256_is(EVP_PKEY *key);

/* The test service's certificates: leaf, intermediate and root of a chain, and the one beside them
 * that signs collateral, with all their keys. */
enum { TEST_LEAF, TEST_CA, TEST_ROOT, TEST_TCB, TEST_CERTS };
#define TEST_FMSPC "737774647800" /* "swtdx" */

struct test_chain {
	X509 *cert[TEST_CERTS];
	EVP_PKEY *key[TEST_CERTS];
};
int test_chain_create(int64_t now, struct test_chain *c);
void test_chain_free(struct test_chain *c);
/* A leaf for the same key whose time is over. */
X509 *test_leaf_expired(const struct test_chain *c, int64_t now);
/* A list of an issuer's, with one certificate on it or none (NULL). */
X509_CRL *test_crl(const struct test_chain *c, unsigned issuer, X509 *revoked, int64_t from,
		   int64_t to);
void chain_free(X509 *certs[CHAIN_CERTS]);
/* The test service, in one piece. */
struct tdx_quote_service {
	struct test_chain ca;
	EVP_PKEY *attestation; /* signs the quote */
	char *chain;	       /* PEM, leaf first */
	size_t chain_len;
	char *root; /* PEM of the last one */
	size_t root_len;
};

/* PEM in memory, which the caller frees. */
int chain_to_pem(X509 *const certs[], unsigned n, char **pem, size_t *len);
/* Where a part of a quote lies in it. */
static inline uint64_t quote_at(const struct tdx_quote *q, const void *part)
{
	return (uint64_t)((const uint8_t *)part - q->bytes);
}

/* Checks a chain in PEM; on success *leaf is the leaf's key and the caller's to free. */
int chain_verify(const char *pem, size_t len, const char *root_pem, size_t root_len, int64_t now,
		 EVP_PKEY **leaf, struct tdx_attest_error *err);

#endif

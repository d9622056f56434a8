/* SPDX-License-Identifier: MIT */
/* The test quote service: what a quoting enclave with its certificates is on a platform.
 *
 * It signs only reports that verify under the key it is given, as a real one does by the
 * processor's help. Everything it is lies in one text: the leaf's and the attestation key, then the
 * three certificates. Immutable once made. */
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "measure/attest.h"

struct quote_service {
	EVP_PKEY *leaf;	       /* signs the QE report */
	EVP_PKEY *attestation; /* signs the quote */
	char *chain;	       /* PEM, leaf first */
	size_t chain_len;
	char *root; /* PEM of the last one */
	size_t root_len;
};

void quote_service_free(struct quote_service *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->leaf);
	EVP_PKEY_free(s->attestation);
	free(s->chain);
	free(s->root);
	free(s);
}

const char *quote_service_root(const struct quote_service *s, size_t *len)
{
	*len = s->root_len;
	return s->root;
}

static int set_chain(struct quote_service *s, X509 *const certs[CHAIN_CERTS])
{
	int rc = chain_to_pem(certs, CHAIN_CERTS, &s->chain, &s->chain_len);

	return rc ? rc : chain_to_pem(certs + CHAIN_CERTS - 1, 1, &s->root, &s->root_len);
}

static int finish(struct quote_service *s, int rc, struct quote_service **out)
{
	if (rc) {
		quote_service_free(s);
		s = NULL;
	}
	*out = s;
	return rc;
}

int quote_service_create(int64_t now, struct quote_service **out)
{
	struct quote_service *s = calloc(1, sizeof(*s));
	X509 *certs[CHAIN_CERTS] = {NULL};
	int rc;

	if (!s)
		return finish(s, -ENOMEM, out);
	rc = chain_create(now, certs, &s->leaf);
	if (!rc)
		rc = set_chain(s, certs);
	if (!rc) {
		s->attestation = EVP_EC_gen("P-256");
		rc = s->attestation ? 0 : -EIO;
	}
	chain_free(certs);
	return finish(s, rc, out);
}

int quote_service_save(const struct quote_service *s, char **text, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *data;
	long size;
	int rc = -EIO;

	*text = NULL;
	if (bio && PEM_write_bio_PrivateKey(bio, s->leaf, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_bio_PrivateKey(bio, s->attestation, NULL, NULL, 0, NULL, NULL) == 1 &&
	    BIO_write(bio, s->chain, (int)s->chain_len) == (int)s->chain_len) {
		size = BIO_get_mem_data(bio, &data);
		*text = malloc((size_t)size + 1);
		rc = *text ? 0 : -ENOMEM;
	}
	if (!rc) {
		memcpy(*text, data, (size_t)size);
		(*text)[size] = 0;
		*len = (size_t)size;
	}
	BIO_free(bio);
	return rc;
}

static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
	(void)buf, (void)size, (void)rwflag, (void)user;
	return -1;
}

/* The keys must be P-256 and the leaf certificate must be for the first. */
static int load(struct quote_service *s, BIO *bio)
{
	X509 *certs[CHAIN_CERTS] = {NULL};
	int rc = 0;

	s->leaf = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	s->attestation = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	for (unsigned i = 0; i < CHAIN_CERTS; i++) {
		certs[i] = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!certs[i])
			rc = -EINVAL;
	}
	if (rc || !p256_is(s->leaf) || !p256_is(s->attestation) ||
	    X509_check_private_key(certs[0], s->leaf) != 1)
		rc = -EINVAL;
	if (!rc)
		rc = set_chain(s, certs);
	chain_free(certs);
	return rc;
}

int quote_service_load(const char *text, size_t len, struct quote_service **out)
{
	struct quote_service *s = calloc(1, sizeof(*s));
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
	int rc = s && bio ? load(s, bio) : -ENOMEM;

	BIO_free(bio);
	return finish(s, rc, out);
}

static void put_body(uint8_t *p, const struct tdx_report *r)
{
	struct tdx_quote_body b = {
		.mrseam = r->tee_tcb_info.mrseam,
		.mrsignerseam = r->tee_tcb_info.mrsignerseam,
		.seam_attributes = r->tee_tcb_info.attributes,
		.attributes = r->td_info.attributes,
		.xfam = r->td_info.xfam,
		.mrtd = r->td_info.mrtd,
		.mrconfigid = r->td_info.mrconfigid,
		.mrowner = r->td_info.mrowner,
		.mrownerconfig = r->td_info.mrownerconfig,
	};

	memcpy(b.tee_tcb_svn, r->tee_tcb_info.tee_tcb_svn, sizeof(b.tee_tcb_svn));
	memcpy(b.rtmr, r->td_info.rtmr, sizeof(b.rtmr));
	memcpy(b.reportdata, r->mac.reportdata, sizeof(b.reportdata));
	memcpy(p, &b, sizeof(b));
}

/* A debug enclave of no known vendor: what any verifier with a policy refuses. */
static void put_qe_report(uint8_t *p, const struct tdx_report *r, const uint8_t binding[32])
{
	memset(p, 0, QUOTE_QE_REPORT_SIZE);
	memcpy(p, r->mac.cpusvn, sizeof(r->mac.cpusvn));
	put_le64(p + QE_ATTRIBUTES, QE_ATTR_INIT | QE_ATTR_DEBUG | QE_ATTR_64BIT);
	memcpy(p + QE_MRENCLAVE, SWTDX_QE_VENDOR, 16);
	memcpy(p + QE_MRSIGNER, SWTDX_QE_VENDOR, 16);
	memcpy(p + QE_REPORTDATA, binding, 32);
}

static int put_quote(const struct quote_service *s, const struct tdx_report *r, uint8_t *p,
		     size_t len)
{
	size_t auth = sizeof(SWTDX_QE_AUTH_DATA) - 1;
	uint8_t *chain = p + Q_AUTH + auth;
	uint8_t binding[32];
	int rc;

	memset(p, 0, Q_AUTH);
	put_le16(p + QH_VERSION, QUOTE_V4);
	put_le16(p + QH_KEY_TYPE, KEY_ECDSA_P256);
	put_le32(p + QH_TEE_TYPE, TEE_TDX);
	memcpy(p + QH_VENDOR, SWTDX_QE_VENDOR, 16);
	memcpy(p + QH_USER_DATA, SWTDX_QE_USER_DATA, 20);
	put_body(p + Q_BODY, r);
	put_le32(p + Q_LENGTH, (uint32_t)(len - Q_SIGNATURE));
	put_le16(p + Q_CERT_TYPE, CERT_QE);
	put_le32(p + Q_CERT_SIZE, (uint32_t)(len - Q_QE_REPORT));
	put_le16(p + Q_AUTH_SIZE, (uint16_t)auth);
	memcpy(p + Q_AUTH, SWTDX_QE_AUTH_DATA, auth);
	put_le16(chain, CERT_CHAIN);
	put_le32(chain + 2, (uint32_t)s->chain_len);
	memcpy(chain + CHAIN_FRAME, s->chain, s->chain_len);

	rc = p256_to_raw(s->attestation, p + Q_KEY);
	if (!rc)
		rc = p256_sign(s->attestation, p, Q_LENGTH, p + Q_SIGNATURE);
	if (!rc)
		rc = qe_binding(p + Q_KEY, p + Q_AUTH, auth, binding);
	if (rc)
		return rc;
	put_qe_report(p + Q_QE_REPORT, r, binding);
	return p256_sign(s->leaf, p + Q_QE_REPORT, QUOTE_QE_REPORT_SIZE, p + Q_QE_SIG);
}

int quote_service_sign(const struct quote_service *s, const struct tdx_report *r, const void *key,
		       size_t key_len, uint8_t *out, size_t cap, size_t *len,
		       struct attest_error *err)
{
	size_t need = Q_AUTH + sizeof(SWTDX_QE_AUTH_DATA) - 1 + CHAIN_FRAME + s->chain_len;
	int rc;

	*len = 0;
	*err = (struct attest_error){0};
	rc = tdreport_verify(r, key, key_len, err);
	if (rc)
		return rc;
	if (need > cap)
		return -ENOSPC;
	rc = put_quote(s, r, out, need);
	if (rc)
		memset(out, 0, need);
	else
		*len = need;
	return rc;
}

/* SPDX-License-Identifier: MIT */
/* The test quote service: what a quoting enclave with its certificates is on a platform.
 *
 * It signs only reports that verify under the key it is given, as a real one does by the
 * processor's help. Everything it is lies in one text: the leaf's and the attestation key, the
 * three certificates of its chain, then what signs collateral: a certificate, and the keys of that,
 * of the intermediate and of the root. Immutable once made. */
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "measure/attest.h"

void tdx_quote_service_free(struct tdx_quote_service *s)
{
	if (!s)
		return;
	test_chain_free(&s->ca);
	EVP_PKEY_free(s->attestation);
	free(s->chain);
	free(s->root);
	free(s);
}

const char *tdx_quote_service_root(const struct tdx_quote_service *s, size_t *len)
{
	*len = s->root_len;
	return s->root;
}

static int set_chain(struct tdx_quote_service *s, X509 *const certs[])
{
	int rc = chain_to_pem(certs, CHAIN_CERTS, &s->chain, &s->chain_len);

	return rc ? rc : chain_to_pem(certs + CHAIN_CERTS - 1, 1, &s->root, &s->root_len);
}

static int finish(struct tdx_quote_service *s, int rc, struct tdx_quote_service **out)
{
	if (rc) {
		tdx_quote_service_free(s);
		s = NULL;
	}
	*out = s;
	return rc;
}

int tdx_quote_service_create(int64_t now, struct tdx_quote_service **out)
{
	struct tdx_quote_service *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return finish(s, -ENOMEM, out);
	rc = test_chain_create(now, &s->ca);
	if (!rc)
		rc = set_chain(s, s->ca.cert);
	if (!rc) {
		s->attestation = EVP_EC_gen("P-256");
		rc = s->attestation ? 0 : -EIO;
	}
	return finish(s, rc, out);
}

static bool write_key(BIO *bio, EVP_PKEY *key)
{
	return PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
}

static bool write_all(BIO *bio, const struct tdx_quote_service *s)
{
	if (!write_key(bio, s->ca.key[TEST_LEAF]) || !write_key(bio, s->attestation) ||
	    BIO_write(bio, s->chain, (int)s->chain_len) != (int)s->chain_len)
		return false;
	return !s->ca.cert[TEST_TCB] ||
	       (PEM_write_bio_X509(bio, s->ca.cert[TEST_TCB]) == 1 &&
		write_key(bio, s->ca.key[TEST_TCB]) && write_key(bio, s->ca.key[TEST_CA]) &&
		write_key(bio, s->ca.key[TEST_ROOT]));
}

int tdx_quote_service_save(const struct tdx_quote_service *s, char **text, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *data;
	long size;
	int rc = -EIO;

	*text = NULL;
	if (bio && write_all(bio, s)) {
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

static EVP_PKEY *read_key(BIO *bio)
{
	return PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
}

static bool fits(const struct test_chain *c, unsigned i)
{
	return c->cert[i] && p256_is(c->key[i]) &&
	       X509_check_private_key(c->cert[i], c->key[i]) == 1;
}

/* Every key must be P-256, and every certificate for the key beside it. A service of an earlier
 * version ends after its chain: it signs, and has no collateral. */
static int load(struct tdx_quote_service *s, BIO *bio)
{
	struct test_chain *c = &s->ca;

	c->key[TEST_LEAF] = read_key(bio);
	s->attestation = read_key(bio);
	for (unsigned i = 0; i < CHAIN_CERTS; i++) {
		c->cert[i] = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!c->cert[i])
			return -EINVAL;
	}
	if (!fits(c, TEST_LEAF) || !p256_is(s->attestation))
		return -EINVAL;
	if (!BIO_pending(bio))
		return set_chain(s, c->cert);
	c->cert[TEST_TCB] = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	c->key[TEST_TCB] = read_key(bio);
	c->key[TEST_CA] = read_key(bio);
	c->key[TEST_ROOT] = read_key(bio);
	for (unsigned i = 0; i < TEST_CERTS; i++)
		if (!fits(c, i))
			return -EINVAL;
	return set_chain(s, c->cert);
}

int tdx_quote_service_load(const char *text, size_t len, struct tdx_quote_service **out)
{
	struct tdx_quote_service *s = calloc(1, sizeof(*s));
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
	int rc = s && bio ? load(s, bio) : -ENOMEM;

	BIO_free(bio);
	return finish(s, rc, out);
}

static void put_body(uint8_t *p, const struct tdx_report *r, bool tdx_15)
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
	if (!tdx_15)
		return;
	memcpy(p + TDX_QUOTE_BODY_SIZE, r->tee_tcb_info.tee_tcb_svn2, 16);
	memcpy(p + TDX_QUOTE_BODY_SIZE + 16, &r->td_info.servtd_hash, 48);
}

/* An enclave of a vendor that no real verifier knows. It has no debug bit: a verifier that is told
 * to trust our root and our QE identity must find nothing else to complain of. */
static void put_qe_report(uint8_t *p, const struct tdx_report *r, const uint8_t binding[32])
{
	memset(p, 0, TDX_QUOTE_QE_REPORT_SIZE);
	memcpy(p, r->mac.cpusvn, sizeof(r->mac.cpusvn));
	put_le64(p + QE_ATTRIBUTES, QE_ATTR_INIT | QE_ATTR_64BIT);
	memcpy(p + QE_MRENCLAVE, SWTDX_QE_VENDOR, 16);
	memcpy(p + QE_MRSIGNER, SWTDX_QE_VENDOR, 16);
	put_le16(p + QE_ISVPRODID, SWTDX_QE_PRODID);
	put_le16(p + QE_ISVSVN, SWTDX_QE_SVN);
	memcpy(p + QE_REPORTDATA, binding, 32);
}

/* Where the parts of a quote of ours lie. */
struct plan {
	unsigned version;
	size_t body, body_size, length, qe, auth_len, chain, len;
};

static struct plan plan_of(const struct tdx_quote_service *s, unsigned version)
{
	struct plan l = {.version = version,
			 .body = TDX_QUOTE_HEADER_SIZE,
			 .body_size = TDX_QUOTE_BODY_SIZE};

	if (version == QUOTE_V5) {
		l.body += Q_DESCRIPTOR;
		l.body_size = TDX_QUOTE_BODY_15_SIZE;
	}
	l.auth_len = sizeof(SWTDX_QE_AUTH_DATA) - 1;
	l.length = l.body + l.body_size;
	l.qe = l.length + QS_LENGTH + QS_CERT_TYPE + CERT_FRAME;
	l.chain = l.qe + QE_AUTH + l.auth_len + CERT_FRAME;
	l.len = l.chain + s->chain_len;
	return l;
}

static void put_frame(uint8_t *p, const struct plan *l, const struct tdx_report *r)
{
	put_le16(p + QH_VERSION, (uint16_t)l->version);
	put_le16(p + QH_KEY_TYPE, KEY_ECDSA_P256);
	put_le32(p + QH_TEE_TYPE, TEE_TDX);
	memcpy(p + QH_VENDOR, SWTDX_QE_VENDOR, 16);
	memcpy(p + QH_USER_DATA, SWTDX_QE_USER_DATA, 20);
	if (l->version == QUOTE_V5) {
		put_le16(p + TDX_QUOTE_HEADER_SIZE, TDX_QUOTE_BODY_TDX_15);
		put_le32(p + TDX_QUOTE_HEADER_SIZE + 2, TDX_QUOTE_BODY_15_SIZE);
	}
	put_body(p + l->body, r, l->version == QUOTE_V5);
}

static int put_quote(const struct tdx_quote_service *s, const struct tdx_report *r,
		     const struct plan *l, uint8_t *p)
{
	uint8_t *signature = p + l->length + QS_LENGTH, *qe = p + l->qe, *cert = p + l->chain;
	uint8_t binding[32];
	int rc;

	memset(p, 0, l->len);
	put_frame(p, l, r);
	put_le32(p + l->length, (uint32_t)(l->len - l->length - QS_LENGTH));
	put_le16(qe - CERT_FRAME, TDX_QUOTE_CERT_QE_REPORT);
	put_le32(qe - CERT_FRAME + 2, (uint32_t)(l->len - l->qe));
	put_le16(qe + QE_AUTH_SIZE, (uint16_t)l->auth_len);
	memcpy(qe + QE_AUTH, SWTDX_QE_AUTH_DATA, l->auth_len);
	put_le16(cert - CERT_FRAME, TDX_QUOTE_CERT_PCK_CHAIN);
	put_le32(cert - CERT_FRAME + 2, (uint32_t)s->chain_len);
	memcpy(cert, s->chain, s->chain_len);

	rc = p256_to_raw(s->attestation, signature + QS_KEY);
	if (!rc)
		rc = p256_sign(s->attestation, p, l->length, signature);
	if (!rc)
		rc = qe_binding(signature + QS_KEY, qe + QE_AUTH, l->auth_len, binding);
	if (rc)
		return rc;
	put_qe_report(qe, r, binding);
	return p256_sign(s->ca.key[TEST_LEAF], qe, TDX_QUOTE_QE_REPORT_SIZE, qe + QE_SIG);
}

int tdx_quote_service_sign_as(const struct tdx_quote_service *s, unsigned version,
			      const struct tdx_report *r, const void *key, size_t key_len,
			      uint8_t *out, size_t cap, size_t *len, struct tdx_attest_error *err)
{
	struct plan l = plan_of(s, version);
	int rc;

	*len = 0;
	*err = (struct tdx_attest_error){0};
	if (version != QUOTE_V4 && version != QUOTE_V5)
		return -ENOTSUP;
	rc = tdx_report_verify(r, key, key_len, err);
	if (rc)
		return rc;
	if (l.len > cap)
		return -ENOSPC;
	rc = put_quote(s, r, &l, out);
	if (rc)
		memset(out, 0, l.len);
	else
		*len = l.len;
	return rc;
}

int tdx_quote_service_sign(const struct tdx_quote_service *s, const struct tdx_report *r,
			   const void *key, size_t key_len, uint8_t *out, size_t cap, size_t *len,
			   struct tdx_attest_error *err)
{
	return tdx_quote_service_sign_as(s, QUOTE_V4, r, key, key_len, out, cap, len, err);
}

/* SPDX-License-Identifier: MIT */
/* A quote of version 3, 4 or 5 taken apart.
 *
 * What it is its header says, before any length is looked at. Lengths nest in it (signature data,
 * certification data, certificates), and one lies beside (authentication data). Each must agree
 * with the space it is in exactly: then every byte of the quote belongs to a part that some check
 * covers. Version 3, an enclave's, has the QE's part without a frame of its own around it. */
#include <errno.h>
#include <string.h>

#include "measure/attest.h"

static int wrong(struct tdx_attest_error *err, enum tdx_attest_fault fault, uint64_t at,
		 uint64_t value, uint64_t limit)
{
	return attest_fail(err, -EINVAL, fault, at, value, limit);
}

static int too_short(struct tdx_attest_error *err, size_t len, size_t need)
{
	return wrong(err, TDX_ATTEST_QUOTE_TOO_SHORT, len, len, need);
}

static int check_header(const uint8_t *p, struct tdx_quote *q, struct tdx_attest_error *err)
{
	unsigned version = le16(p + QH_VERSION), tee = le32(p + QH_TEE_TYPE);

	if (version < QUOTE_V3 || version > QUOTE_V5)
		return wrong(err, TDX_ATTEST_QUOTE_VERSION, QH_VERSION, version, QUOTE_V4);
	if (le16(p + QH_KEY_TYPE) != KEY_ECDSA_P256)
		return wrong(err, TDX_ATTEST_QUOTE_KEY_TYPE, QH_KEY_TYPE, le16(p + QH_KEY_TYPE),
			     KEY_ECDSA_P256);
	if (tee != TEE_TDX && tee != TEE_SGX)
		return wrong(err, TDX_ATTEST_QUOTE_TEE_TYPE, QH_TEE_TYPE, tee, TEE_TDX);
	/* There are no TDs in version 3: the word was reserved. */
	if (version == QUOTE_V3 && tee != TEE_SGX)
		return wrong(err, TDX_ATTEST_QUOTE_TEE_TYPE, QH_TEE_TYPE, tee, TEE_SGX);
	q->version = version;
	q->sgx = tee == TEE_SGX;
	return 0;
}

static size_t known_size(unsigned type)
{
	switch ((enum tdx_quote_body_type)type) {
	case TDX_QUOTE_BODY_SGX:
		return TDX_QUOTE_SGX_SIZE;
	case TDX_QUOTE_BODY_TDX_10:
		return TDX_QUOTE_BODY_SIZE;
	case TDX_QUOTE_BODY_TDX_15:
		return TDX_QUOTE_BODY_15_SIZE;
	}
	return 0;
}

/* A type that nobody knows yet brings its size. */
static int check_descriptor(const uint8_t *p, size_t len, struct tdx_quote *q,
			    struct tdx_attest_error *err)
{
	const size_t at = TDX_QUOTE_HEADER_SIZE;
	size_t known;

	if (len < at + Q_DESCRIPTOR)
		return too_short(err, len, at + Q_DESCRIPTOR);
	q->body_type = le16(p + at);
	q->body_size = le32(p + at + 2);
	known = known_size(q->body_type);
	if (!q->body_type || (q->body_type == TDX_QUOTE_BODY_SGX) != q->sgx)
		return wrong(err, TDX_ATTEST_QUOTE_BODY_TYPE, at, q->body_type,
			     q->sgx ? TDX_QUOTE_BODY_SGX : TDX_QUOTE_BODY_TDX_10);
	if ((known && q->body_size != known) || q->body_size > TDX_QUOTE_LIMIT)
		return wrong(err, TDX_ATTEST_QUOTE_BODY_LENGTH, at + 2, q->body_size,
			     known ? known : TDX_QUOTE_LIMIT);
	return 0;
}

static int frame(const uint8_t *p, size_t len, struct tdx_quote *q, struct tdx_attest_error *err)
{
	size_t body = TDX_QUOTE_HEADER_SIZE;
	int rc;

	if (len < TDX_QUOTE_HEADER_SIZE)
		return too_short(err, len, TDX_QUOTE_HEADER_SIZE);
	/* First of all, so that what is no quote at all is told so. */
	rc = check_header(p, q, err);
	if (rc)
		return rc;
	q->body_type = q->sgx ? TDX_QUOTE_BODY_SGX : TDX_QUOTE_BODY_TDX_10;
	q->body_size = known_size(q->body_type);
	if (q->version == QUOTE_V5) {
		rc = check_descriptor(p, len, q, err);
		if (rc)
			return rc;
		body += Q_DESCRIPTOR;
	}
	if (!inside(body, q->body_size, len))
		return too_short(err, len, body + q->body_size + QS_LENGTH);
	q->bytes = p;
	q->len = len;
	q->body_bytes = p + body;
	if (q->body_type == TDX_QUOTE_BODY_TDX_10 || q->body_type == TDX_QUOTE_BODY_TDX_15)
		memcpy(&q->body, p + body, sizeof(q->body));
	if (q->body_type == TDX_QUOTE_BODY_TDX_15) {
		memcpy(q->tee_tcb_svn2, p + body + TDX_QUOTE_BODY_SIZE, 16);
		memcpy(&q->mrservicetd, p + body + TDX_QUOTE_BODY_SIZE + 16, 48);
	}
	q->simulated = !memcmp(p + QH_VENDOR, SWTDX_QE_VENDOR, 16);
	return 0;
}

int tdx_quote_frame(const void *bytes, size_t len, struct tdx_quote *out,
		    struct tdx_attest_error *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	*err = (struct tdx_attest_error){0};
	rc = frame(bytes, len, out, err);
	if (rc)
		memset(out, 0, sizeof(*out));
	return rc;
}

/* The certification data that are at the end, from their type on. */
static int parse_cert(size_t at, struct tdx_quote *q, struct tdx_attest_error *err)
{
	const uint8_t *p = q->bytes + at;

	q->cert_type = le16(p);
	if (q->cert_type < TDX_QUOTE_CERT_PPID_PLAIN ||
	    q->cert_type > TDX_QUOTE_CERT_PLATFORM_MANIFEST ||
	    q->cert_type == TDX_QUOTE_CERT_QE_REPORT)
		return wrong(err, TDX_ATTEST_QUOTE_CHAIN_TYPE, at, q->cert_type,
			     TDX_QUOTE_CERT_PCK_CHAIN);
	if (le32(p + 2) != q->len - at - CERT_FRAME)
		return wrong(err, TDX_ATTEST_QUOTE_CHAIN_LENGTH, at + 2, le32(p + 2),
			     q->len - at - CERT_FRAME);
	q->cert = p + CERT_FRAME;
	q->cert_len = q->len - at - CERT_FRAME;
	if (q->cert_type == TDX_QUOTE_CERT_PCK_CHAIN) {
		q->chain = (const char *)q->cert;
		q->chain_len = q->cert_len;
	}
	return 0;
}

/* The QE's part, from its report on. */
static int parse_qe(size_t at, struct tdx_quote *q, struct tdx_attest_error *err)
{
	const uint8_t *p = q->bytes + at;
	size_t auth = le16(p + QE_AUTH_SIZE), cert = at + QE_AUTH + auth;

	if (cert > q->len || q->len - cert < CERT_FRAME)
		return wrong(err, TDX_ATTEST_QUOTE_AUTH_LENGTH, at + QE_AUTH_SIZE, auth,
			     q->len < at + QE_AUTH + CERT_FRAME
				     ? 0
				     : q->len - at - QE_AUTH - CERT_FRAME);
	q->qe_report = p;
	q->qe_signature = p + QE_SIG;
	q->qe_auth = p + QE_AUTH;
	q->qe_auth_len = auth;
	return parse_cert(cert, q, err);
}

/* From the signature data's length on. */
static int parse_signature(size_t at, struct tdx_quote *q, struct tdx_attest_error *err)
{
	bool framed = q->version != QUOTE_V3;
	size_t signature = at + QS_LENGTH, cert = signature + QS_CERT_TYPE;
	size_t qe = cert + (framed ? CERT_FRAME : 0);
	const uint8_t *p = q->bytes;

	if (q->len < qe + QE_AUTH + CERT_FRAME)
		return too_short(err, q->len, qe + QE_AUTH + CERT_FRAME);
	if (q->len > TDX_QUOTE_LIMIT)
		return wrong(err, TDX_ATTEST_QUOTE_TOO_LONG, 0, q->len, TDX_QUOTE_LIMIT);
	if (le32(p + at) > q->len - signature && le32(p + at) <= TDX_QUOTE_LIMIT - signature)
		return too_short(err, q->len, signature + le32(p + at));
	if (le32(p + at) != q->len - signature)
		return wrong(err, TDX_ATTEST_QUOTE_LENGTH, at, le32(p + at), q->len - signature);
	if (framed && le16(p + cert) != TDX_QUOTE_CERT_QE_REPORT)
		return wrong(err, TDX_ATTEST_QUOTE_CERT_TYPE, cert, le16(p + cert),
			     TDX_QUOTE_CERT_QE_REPORT);
	if (framed && le32(p + cert + 2) != q->len - qe)
		return wrong(err, TDX_ATTEST_QUOTE_CERT_LENGTH, cert + 2, le32(p + cert + 2),
			     q->len - qe);
	q->signature = p + signature;
	q->key = p + signature + QS_KEY;
	return parse_qe(qe, q, err);
}

int tdx_quote_parse(const void *bytes, size_t len, struct tdx_quote *out,
		    struct tdx_attest_error *err)
{
	int rc = tdx_quote_frame(bytes, len, out, err);

	if (!rc)
		rc = parse_signature((size_t)quote_at(out, out->body_bytes) + out->body_size, out,
				     err);
	if (rc)
		memset(out, 0, sizeof(*out));
	return rc;
}

size_t tdx_quote_length(const void *bytes, size_t len)
{
	struct tdx_attest_error err;
	struct tdx_quote q;
	size_t at;

	if (tdx_quote_frame(bytes, len, &q, &err))
		return 0;
	at = (size_t)quote_at(&q, q.body_bytes) + q.body_size;
	return inside(at, QS_LENGTH, len) ? at + QS_LENGTH + (size_t)le32(q.bytes + at) : 0;
}

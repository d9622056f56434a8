/* SPDX-License-Identifier: MIT */
/* TDREPORT: form, the two hashes, the MAC.
 *
 * REPORTMACSTRUCT holds hashes of TEE_TCB_INFO and TDINFO, and a MAC of itself; so the MAC covers
 * all but the bytes between the two structures, which must be zero. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>

#include "measure/attest.h"

#define MACED offsetof(struct tdx_report_mac, mac)

static bool all_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	while (len--)
		any |= *p++;
	return !any;
}

int tdx_report_parse(const void *bytes, size_t len, struct tdx_report *out,
		     struct tdx_attest_error *err)
{
	static const struct {
		uint16_t at, size;
	} reserved[] = {
		{offsetof(struct tdx_report_mac, zero0), 13},
		{offsetof(struct tdx_report_mac, zero2), sizeof(out->mac.zero2)},
		{offsetof(struct tdx_report, tee_tcb_info.zero), sizeof(out->tee_tcb_info.zero)},
		{offsetof(struct tdx_report, zero), sizeof(out->zero)},
		{offsetof(struct tdx_report, td_info.zero), sizeof(out->td_info.zero)},
	};
	const uint8_t *p = bytes;

	memset(out, 0, sizeof(*out));
	*err = (struct tdx_attest_error){0};
	if (len != sizeof(*out))
		return attest_fail(err, -EINVAL, TDX_ATTEST_REPORT_LENGTH, 0, len, sizeof(*out));
	if (p[0] != TDX_REPORT_TYPE_TDX)
		return attest_fail(err, -EINVAL, TDX_ATTEST_REPORT_TYPE, 0, p[0],
				   TDX_REPORT_TYPE_TDX);
	if (p[1])
		return attest_fail(err, -EINVAL, TDX_ATTEST_REPORT_SUBTYPE, 1, p[1], 0);
	if (p[2] > TDX_REPORT_VERSION_BOUND)
		return attest_fail(err, -EINVAL, TDX_ATTEST_REPORT_VERSION, 2, p[2],
				   TDX_REPORT_VERSION_BOUND);
	for (unsigned i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (!all_zero(p + reserved[i].at, reserved[i].size))
			return attest_fail(err, -EINVAL, TDX_ATTEST_REPORT_RESERVED, reserved[i].at,
					   0, reserved[i].size);
	memcpy(out, bytes, sizeof(*out));
	return 0;
}

static int compute(const struct tdx_report *r, const void *key, size_t key_len,
		   struct tdx_digest *tcb, struct tdx_digest *td, uint8_t mac[TDX_REPORT_MAC_SIZE])
{
	unsigned len = 0;
	int rc;

	rc = tdx_sha384(&r->tee_tcb_info, sizeof(r->tee_tcb_info), tcb);
	if (!rc)
		rc = tdx_sha384(&r->td_info, sizeof(r->td_info), td);
	if (rc || !key)
		return rc;
	if (!HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)&r->mac, MACED, mac, &len))
		return -EIO;
	return 0;
}

int tdx_report_verify(const struct tdx_report *r, const void *key, size_t key_len,
		      struct tdx_attest_error *err)
{
	uint8_t mac[TDX_REPORT_MAC_SIZE];
	struct tdx_digest tcb, td;
	int rc;

	*err = (struct tdx_attest_error){0};
	rc = compute(r, key, key_len, &tcb, &td, mac);
	if (rc)
		return rc;
	if (memcmp(&tcb, &r->mac.tee_tcb_info_hash, sizeof(tcb)))
		return attest_fail(err, -EBADMSG, TDX_ATTEST_REPORT_TCB_INFO_HASH,
				   offsetof(struct tdx_report_mac, tee_tcb_info_hash), 0, 0);
	if (memcmp(&td, &r->mac.tee_info_hash, sizeof(td)))
		return attest_fail(err, -EBADMSG, TDX_ATTEST_REPORT_TD_INFO_HASH,
				   offsetof(struct tdx_report_mac, tee_info_hash), 0, 0);
	if (key && CRYPTO_memcmp(mac, r->mac.mac, sizeof(mac)))
		return attest_fail(err, -EBADMSG, TDX_ATTEST_REPORT_MAC, MACED, 0, 0);
	return 0;
}

int tdx_report_seal(struct tdx_report *r, const void *key, size_t key_len)
{
	int rc;

	rc = compute(r, NULL, 0, &r->mac.tee_tcb_info_hash, &r->mac.tee_info_hash, NULL);
	if (rc)
		return rc;
	/* The MAC covers the hashes, so they must be in place first. */
	return HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)&r->mac, MACED, r->mac.mac,
		    NULL)
		       ? 0
		       : -EIO;
}

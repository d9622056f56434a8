/* SPDX-License-Identifier: MIT */
/* Refused evidence in one line: the offset, what was wrong, what would have been right. */
#include <inttypes.h>
#include <stdio.h>

#include "measure/attest.h"

int attest_fail(struct tdx_attest_error *err, int rc, enum tdx_attest_fault fault, uint64_t at,
		uint64_t value, uint64_t limit)
{
	*err = (struct tdx_attest_error){.fault = fault, .at = at, .value = value, .limit = limit};
	return rc;
}

struct text {
	const char *what;
	const char *than; /* "is <value>, <than> <limit>" follows, unless NULL */
};

static struct text text_of(enum tdx_attest_fault fault)
{
	switch (fault) {
	case TDX_ATTEST_OK:
		return (struct text){"no error", NULL};
	case TDX_ATTEST_REPORT_LENGTH:
		return (struct text){"TDREPORT: length", "not"};
	case TDX_ATTEST_REPORT_TYPE:
		return (struct text){"TDREPORT: type", "not"};
	case TDX_ATTEST_REPORT_SUBTYPE:
		return (struct text){"TDREPORT: subtype", "not"};
	case TDX_ATTEST_REPORT_VERSION:
		return (struct text){"TDREPORT: version", "more than"};
	case TDX_ATTEST_REPORT_RESERVED:
		return (struct text){"TDREPORT: reserved bytes are not zero", NULL};
	case TDX_ATTEST_REPORT_TCB_INFO_HASH:
		return (struct text){"TDREPORT: hash of TEE_TCB_INFO does not match", NULL};
	case TDX_ATTEST_REPORT_TD_INFO_HASH:
		return (struct text){"TDREPORT: hash of TDINFO does not match", NULL};
	case TDX_ATTEST_REPORT_MAC:
		return (struct text){"TDREPORT: MAC does not match", NULL};
	case TDX_ATTEST_QUOTE_TOO_SHORT:
		return (struct text){"quote: it ends there: number of bytes", "it needs at least"};
	case TDX_ATTEST_QUOTE_TOO_LONG:
		return (struct text){"quote: number of bytes", "more than"};
	case TDX_ATTEST_QUOTE_VERSION:
		return (struct text){"quote: version", "not"};
	case TDX_ATTEST_QUOTE_KEY_TYPE:
		return (struct text){"quote: attestation key type", "not"};
	case TDX_ATTEST_QUOTE_TEE_TYPE:
		return (struct text){"quote: TEE type", "not"};
	case TDX_ATTEST_QUOTE_BODY_TYPE:
		return (struct text){"quote: body type", "not"};
	case TDX_ATTEST_QUOTE_BODY_LENGTH:
		return (struct text){"quote: length of the body", "not"};
	case TDX_ATTEST_QUOTE_LENGTH:
		return (struct text){"quote: length of the signature data", "not"};
	case TDX_ATTEST_QUOTE_CERT_TYPE:
		return (struct text){"quote: certification data type", "not"};
	case TDX_ATTEST_QUOTE_CERT_LENGTH:
		return (struct text){"quote: length of the certification data", "not"};
	case TDX_ATTEST_QUOTE_AUTH_LENGTH:
		return (struct text){"quote: length of the authentication data", "more than"};
	case TDX_ATTEST_QUOTE_CHAIN_TYPE:
		return (struct text){"quote: type of the certificates", "not"};
	case TDX_ATTEST_QUOTE_CHAIN_LENGTH:
		return (struct text){"quote: length of the certificates", "not"};
	case TDX_ATTEST_QUOTE_NO_CHAIN:
		return (struct text){"quote: its certification data has no certificates (they can "
				     "be given as collateral): type",
				     "not"};
	case TDX_ATTEST_QUOTE_KEY:
		return (struct text){"quote: attestation key is not a point of P-256", NULL};
	case TDX_ATTEST_QUOTE_SIGNATURE:
		return (struct text){"quote: signature of header and body does not verify", NULL};
	case TDX_ATTEST_QUOTE_QE_REPORT_DATA:
		return (struct text){"quote: QE report does not bind the attestation key", NULL};
	case TDX_ATTEST_QUOTE_QE_SIGNATURE:
		return (struct text){"quote: signature of the QE report does not verify", NULL};
	case TDX_ATTEST_QUOTE_CHAIN_FORMAT:
		return (struct text){"quote: not three certificates in plain PEM", NULL};
	case TDX_ATTEST_QUOTE_CHAIN_NAMES:
		return (struct text){"quote: certificate of another name", NULL};
	case TDX_ATTEST_QUOTE_CHAIN_KEY:
		return (struct text){"quote: certificate with a key that is not P-256", NULL};
	case TDX_ATTEST_QUOTE_CHAIN_ROOT:
		return (struct text){"quote: root certificate is not the trusted one", NULL};
	case TDX_ATTEST_QUOTE_CHAIN_INVALID:
		return (struct text){"quote: certificate chain does not verify", NULL};
	case TDX_ATTEST_QUOTE_ROOT_FORMAT:
		return (struct text){"trusted root: not a certificate in PEM", NULL};
	case TDX_ATTEST_COLLATERAL_MISSING:
		return (struct text){"collateral: missing", NULL};
	case TDX_ATTEST_COLLATERAL_FORM:
		return (struct text){"collateral: not of the form it must have", NULL};
	case TDX_ATTEST_COLLATERAL_CHAIN:
		return (struct text){"collateral: its signer is not certified by the root", NULL};
	case TDX_ATTEST_COLLATERAL_SIGNATURE:
		return (struct text){"collateral: signature does not verify", NULL};
	case TDX_ATTEST_COLLATERAL_TIME:
		return (struct text){"collateral: expired, or not yet valid", NULL};
	case TDX_ATTEST_COLLATERAL_REVOKED:
		return (struct text){"collateral: certificate is revoked", NULL};
	case TDX_ATTEST_COLLATERAL_FMSPC:
		return (struct text){"collateral: it is about another platform", NULL};
	case TDX_ATTEST_COLLATERAL_QE:
		return (struct text){"collateral: the QE is not the one it names", NULL};
	case TDX_ATTEST_COLLATERAL_MODULE:
		return (struct text){"collateral: the TDX module is not one it names", NULL};
	case TDX_ATTEST_COLLATERAL_LEVEL:
		return (struct text){"collateral: no TCB level", NULL};
	}
	return (struct text){"unknown fault", NULL};
}

const char *tdx_attest_error_text(const struct tdx_attest_error *e, char *buf, size_t len)
{
	struct text t = text_of(e->fault);

	if (e->fault == TDX_ATTEST_OK || e->fault == TDX_ATTEST_QUOTE_ROOT_FORMAT)
		snprintf(buf, len, "%s", t.what);
	else if (e->fault >= TDX_ATTEST_COLLATERAL_MISSING)
		snprintf(buf, len, "%s: %s", t.what, e->why ? e->why : "");
	else if (t.than)
		snprintf(buf, len, "offset 0x%" PRIx64 ": %s is 0x%" PRIx64 ", %s 0x%" PRIx64,
			 e->at, t.what, e->value, t.than, e->limit);
	else
		snprintf(buf, len, "offset 0x%" PRIx64 ": %s%s%s", e->at, t.what,
			 e->why ? ": " : "", e->why ? e->why : "");
	return buf;
}

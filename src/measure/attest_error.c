/* SPDX-License-Identifier: MIT */
/* Refused evidence in one line: the offset, what was wrong, what would have been right. */
#include <inttypes.h>
#include <stdio.h>

#include "measure/attest.h"

int attest_fail(struct attest_error *err, int rc, enum attest_fault fault, uint64_t at,
		uint64_t value, uint64_t limit)
{
	*err = (struct attest_error){.fault = fault, .at = at, .value = value, .limit = limit};
	return rc;
}

struct text {
	const char *what;
	bool numbers; /* "is <value>, not <limit>" follows */
};

static struct text text_of(enum attest_fault fault)
{
	switch (fault) {
	case ATTEST_OK:
		return (struct text){"no error", false};
	case REPORT_LENGTH:
		return (struct text){"TDREPORT: length", true};
	case REPORT_TYPE:
		return (struct text){"TDREPORT: type", true};
	case REPORT_SUBTYPE:
		return (struct text){"TDREPORT: subtype", true};
	case REPORT_VERSION:
		return (struct text){"TDREPORT: version", true};
	case REPORT_RESERVED:
		return (struct text){"TDREPORT: reserved bytes are not zero", false};
	case REPORT_TCB_INFO_HASH:
		return (struct text){"TDREPORT: hash of TEE_TCB_INFO does not match", false};
	case REPORT_TD_INFO_HASH:
		return (struct text){"TDREPORT: hash of TDINFO does not match", false};
	case REPORT_MAC:
		return (struct text){"TDREPORT: MAC does not match", false};
	case QUOTE_TOO_SHORT:
		return (struct text){"quote: number of bytes", true};
	case QUOTE_TOO_LONG:
		return (struct text){"quote: number of bytes", true};
	case QUOTE_VERSION:
		return (struct text){"quote: version", true};
	case QUOTE_KEY_TYPE:
		return (struct text){"quote: attestation key type", true};
	case QUOTE_TEE_TYPE:
		return (struct text){"quote: TEE type", true};
	case QUOTE_LENGTH:
		return (struct text){"quote: length of the signature data", true};
	case QUOTE_CERT_TYPE:
		return (struct text){"quote: certification data type", true};
	case QUOTE_CERT_LENGTH:
		return (struct text){"quote: length of the certification data", true};
	case QUOTE_AUTH_LENGTH:
		return (struct text){"quote: length of the authentication data", true};
	case QUOTE_CHAIN_TYPE:
		return (struct text){"quote: type of the certificates", true};
	case QUOTE_CHAIN_LENGTH:
		return (struct text){"quote: length of the certificates", true};
	case QUOTE_KEY:
		return (struct text){"quote: attestation key is not a point of P-256", false};
	case QUOTE_SIGNATURE:
		return (struct text){"quote: signature of header and body does not verify", false};
	case QUOTE_QE_REPORT_DATA:
		return (struct text){"quote: QE report does not bind the attestation key", false};
	case QUOTE_QE_SIGNATURE:
		return (struct text){"quote: signature of the QE report does not verify", false};
	case QUOTE_CHAIN_FORMAT:
		return (struct text){"quote: not three certificates in plain PEM", false};
	case QUOTE_CHAIN_NAMES:
		return (struct text){"quote: certificate of another name", false};
	case QUOTE_CHAIN_KEY:
		return (struct text){"quote: certificate with a key that is not P-256", false};
	case QUOTE_CHAIN_ROOT:
		return (struct text){"quote: root certificate is not the trusted one", false};
	case QUOTE_CHAIN_INVALID:
		return (struct text){"quote: certificate chain does not verify", false};
	case QUOTE_ROOT_FORMAT:
		return (struct text){"trusted root: not a certificate in PEM", false};
	}
	return (struct text){"unknown fault", false};
}

const char *attest_error_text(const struct attest_error *e, char *buf, size_t len)
{
	struct text t = text_of(e->fault);

	if (e->fault == ATTEST_OK || e->fault == QUOTE_ROOT_FORMAT)
		snprintf(buf, len, "%s", t.what);
	else if (t.numbers)
		snprintf(buf, len, "offset 0x%" PRIx64 ": %s is 0x%" PRIx64 ", not 0x%" PRIx64,
			 e->at, t.what, e->value, e->limit);
	else
		snprintf(buf, len, "offset 0x%" PRIx64 ": %s%s%s", e->at, t.what,
			 e->why ? ": " : "", e->why ? e->why : "");
	return buf;
}

/* SPDX-License-Identifier: MIT */
/* Collateral: what Intel publishes beside a quote's certificates, and what it says of a quote.
 *
 * A quote that verifies comes from a platform with a certificate of the root's. Whether the
 * platform's microcode, its TDX module and its quoting enclave are current, and whether a
 * certificate was revoked, only the issuer knows; he says so in signed statements of limited life:
 * TCB info, QE identity, two revocation lists, and the chains of those who signed them. Here they
 * are given as bytes, and nothing is fetched.
 *
 * Errors: 0 or a negative errno; -EINVAL and -EBADMSG come with a struct tdx_attest_error, whose
 * `why` names the piece. A collateral may be used by several threads once it is complete.
 *
 * Source: Intel SGX and TDX Provisioning Certification Service API version 4.
 */
#ifndef SWTDX_COLLATERAL_H
#define SWTDX_COLLATERAL_H

#include <swtdx/attest.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* From best to worst, as far as they can be compared. */
enum tdx_tcb_status {
	TDX_TCB_UP_TO_DATE,
	TDX_TCB_SW_HARDENING_NEEDED,
	TDX_TCB_CONFIGURATION_NEEDED,
	TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	TDX_TCB_RELAUNCH_ADVISED, /* the module was updated under a running TD: start it again */
	TDX_TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
	TDX_TCB_OUT_OF_DATE,
	TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
	TDX_TCB_REVOKED,
	TDX_TCB_UNKNOWN, /* a word nobody knows */
};

/* "UpToDate", ...: the issuer's own words. */
const char *tdx_tcb_status_name(enum tdx_tcb_status status);

#define TDX_TCB_TEXT	   32
#define TDX_TCB_ADVISORIES 64

/* One of the three levels that count: the platform's, the module's, the QE's. */
struct tdx_tcb_level {
	bool found; /* false: the collateral has no such level and needs none */
	enum tdx_tcb_status status;
	char date[TDX_TCB_TEXT];
};

struct tdx_collateral_verdict {
	enum tdx_tcb_status status; /* of everything together */
	struct tdx_tcb_level platform, module, qe;
	char module_id[TDX_TCB_TEXT]; /* "TDX_01"; empty: the module of the first generation */
	char fmspc[TDX_TCB_TEXT];
	unsigned evaluation;				      /* TCB evaluation data number */
	char issued[TDX_TCB_TEXT], next_update[TDX_TCB_TEXT]; /* of the TCB info */
	unsigned nadvisories;
	char advisory[TDX_TCB_ADVISORIES][TDX_TCB_TEXT];
};

struct tdx_collateral;

int tdx_collateral_create(struct tdx_collateral **out);
void tdx_collateral_free(struct tdx_collateral *c);

/* Adds a piece, or several in a JSON object; what it is, is found out: TCB info and QE identity in
 * JSON with their signatures, certificate chains in PEM, revocation lists in DER, PEM or
 * hexadecimal, or all of them as members of one object. -EINVAL: no collateral. A later piece
 * replaces an earlier one of its kind. */
int tdx_collateral_add(struct tdx_collateral *c, const void *bytes, size_t len);

/* The PCK certificate chain, for a quote that has none; NULL. Lives as long as c. */
const char *tdx_collateral_pck_chain(const struct tdx_collateral *c, size_t *len);

/* What the collateral says of a quote that tdx_quote_verify() found good under the same root, at a
 * time in seconds since 1970. 0 with a verdict, whatever its status; -EBADMSG when the collateral
 * itself does not verify, is of another time or another platform, or refuses the quote outright: a
 * revoked certificate, a QE or a module of another identity, a platform below every level. */
int tdx_collateral_verify(const struct tdx_collateral *c, const struct tdx_quote *q,
			  const char *root_pem, size_t root_len, int64_t now,
			  struct tdx_collateral_verdict *out, struct tdx_attest_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

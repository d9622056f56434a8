/* SPDX-License-Identifier: MIT */
/* Shared by the files that read and judge collateral. */
#ifndef MEASURE_COLLATERAL_INTERNAL_H
#define MEASURE_COLLATERAL_INTERNAL_H

#include <jansson.h>

#include <swtdx/collateral.h>

#include "measure/attest.h"

/* A signed statement in JSON: the signature is of its bytes as they stood. */
struct statement {
	char *text;
	size_t len;
	uint8_t signature[TDX_QUOTE_SIGNATURE_SIZE];
	json_t *json;
};

struct tdx_collateral {
	struct statement tcb_info, qe_identity;
	X509 *tcb_signer, *qe_signer;
	X509_CRL *root_crl, *pck_crl;
	char *pck_chain;
	size_t pck_chain_len;
};

/* What a PCK certificate says of its platform. */
struct pck_platform {
	uint8_t fmspc[6], pceid[2];
	uint8_t component[16];
	unsigned pcesvn;
};
bool pck_platform_read(X509 *cert, struct pck_platform *out);

/* Seconds since 1970 of "2025-06-19T10:16:03Z"; -1 for anything else. */
int64_t iso_time(const char *text);

/* The common name of a certificate's subject or a list's issuer is this. */
bool name_is(const X509_NAME *name, const char *cn);

/* One level of a list in JSON. */
enum tdx_tcb_status tcb_status_of(const json_t *level);

#endif

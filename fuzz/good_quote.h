/* SPDX-License-Identifier: MIT */
/* A quote that verifies, for fuzzers of what reads one. */
#ifndef FUZZ_GOOD_QUOTE_H
#define FUZZ_GOOD_QUOTE_H

#include <stdlib.h>

#include <swtdx/attest.h>

#define NOW 1800000000ll

struct good_quote {
	struct tdx_quote_service *service;
	uint8_t quote[TDX_QUOTE_MAX];
	size_t len;
};

static inline void must(bool holds)
{
	if (!holds)
		abort();
}

static inline void good_quote_make(struct good_quote *g)
{
	struct tdx_report report = {.mac.type = TDX_REPORT_TYPE_TDX};
	struct tdx_attest_error err;

	must(!tdx_quote_service_create(NOW, &g->service));
	must(!tdx_report_seal(&report, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE));
	must(!tdx_quote_service_sign(g->service, &report, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE,
				     g->quote, sizeof(g->quote), &g->len, &err));
}

#endif

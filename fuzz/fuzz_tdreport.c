/* SPDX-License-Identifier: MIT */
/* The TDREPORT parser and verifier on arbitrary bytes: stops when a report verifies that sealing
 * would change, or when a sealed one does not. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/attest.h>

#define KEY SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void one_report(const uint8_t *bytes, size_t len)
{
	struct tdx_attest_error err;
	struct tdx_report r;
	bool sealed;

	if (tdx_report_parse(bytes, len, &r, &err)) {
		must(err.fault != TDX_ATTEST_OK);
		return;
	}
	must(len == sizeof(r) && !memcmp(&r, bytes, sizeof(r)));
	sealed = !tdx_report_verify(&r, KEY, &err);
	must(!tdx_report_seal(&r, KEY));
	must(!tdx_report_verify(&r, KEY, &err));
	must(sealed == !memcmp(&r, bytes, sizeof(r)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[sizeof(struct tdx_report)] = {TDX_REPORT_TYPE_TDX};
	uint8_t *copy = malloc(size + 1);

	memcpy(copy, data, size);
	one_report(copy, size);
	free(copy);
	/* The same bytes as the tail of something long enough. */
	if (size < sizeof(bytes)) {
		memcpy(bytes + sizeof(bytes) - size, data, size);
		one_report(bytes, sizeof(bytes));
	}
	return 0;
}

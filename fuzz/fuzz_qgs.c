/* SPDX-License-Identifier: MIT */
/* Messages to the quote generation service. Stops when an answer's size is not its own, or when a
 * quote comes of anything but a report that verifies (which a fuzzer does not make). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "measure/attest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct tdx_quote_service *service;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	if (tdx_quote_service_create(1800000000ll, &service))
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[TDX_QUOTE_MAX + 64];
	uint8_t *msg = malloc(size ? size : 1);
	size_t n;

	memcpy(msg, data, size);
	if (tdx_quote_service_answer(service, 4, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE, msg, size,
				     out, sizeof(out), &n) ||
	    n != 24 || le32(out + 8) != n || !le32(out + 12))
		abort();
	free(msg);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* What users paste, unwrapped: hexadecimal, base64, JSON in any depth, Azure's report. Stops when
 * an item has no bytes or no kind. */
#include <stdint.h>
#include <stdlib.h>

#include "tools/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evidence e;

	if (evidence_unwrap(data, size, &e))
		return 0;
	if (e.n > EVIDENCE_MAX)
		abort();
	for (unsigned i = 0; i < e.n; i++)
		if (!e.item[i].bytes || !e.item[i].kind)
			abort();
	evidence_free(&e);
	return 0;
}

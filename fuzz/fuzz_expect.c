/* SPDX-License-Identifier: MIT */
/* What --boot reads of files: PE images, stores of variables, partition tables. The first byte says
 * which the rest is. Stops when something found lies outside of what was given. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/expect.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void within(const void *found, size_t n, const uint8_t *p, size_t len)
{
	const uint8_t *f = found;

	must(!f || (f >= p && n <= len && f + n <= p + len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t guid[16];
	struct tdx_digest d;
	uint8_t *p;
	size_t n, len;

	if (size < 2)
		return 0;
	len = size - 1;
	p = malloc(len);
	memcpy(p, data + 1, len);
	if (data[0] & 1) {
		within(tdx_varstore_find(p, len, guid, "PK", &n), n, p, len);
	} else {
		(void)tdx_pe_authenticode(p, len, &d);
		within(tdx_pe_section(p, len, ".linux", &n), n, p, len);
	}
	free(p);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* A variable in a firmware's configuration volume: a firmware volume's header, a store's header,
 * then variables one after the other, of which deleted ones stay. edk2 VariableFormat.h. */
#include <string.h>

#include <swtdx/expect.h>

#include "measure/internal.h"

enum {
	FV_SIGNATURE = 40,
	FV_HEADER_LENGTH = 48,
	STORE_SIZE = 16,
	STORE_FORMAT = 20,
	STORE_STATE = 21,
	STORE_HEADER = 28,
	STORE_FORMATTED = 0x5a,
	STORE_HEALTHY = 0xfe,
	VAR_START = 0x55aa,
	VAR_STATE = 2,
	VAR_NAME_SIZE = 36,
	VAR_DATA_SIZE = 40,
	VAR_GUID = 44,
	VAR_HEADER = 60,
	VAR_ADDED = 0x3f,
	VAR_IN_TRANSITION = 0xfe,
};

/* Authenticated variables: aaf32c78-947b-439a-a180-2e144ec37792. */
static const uint8_t authenticated[16] = {0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
					  0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92};

static bool named(const uint8_t *name, size_t size, const char *want)
{
	size_t n = strlen(want);

	if (size < 2 * (n + 1))
		return false;
	for (size_t i = 0; i <= n; i++)
		if (le16(name + 2 * i) != (uint8_t)want[i])
			return false;
	return true;
}

const void *tdx_varstore_find(const void *volume, size_t len, const uint8_t guid[16],
			      const char *name, size_t *size)
{
	const uint8_t *p = volume;
	uint64_t at, end;

	*size = 0;
	if (len < 64 || memcmp(p + FV_SIGNATURE, "_FVH", 4))
		return NULL;
	at = le16(p + FV_HEADER_LENGTH);
	if (!inside(at, STORE_HEADER, len) || memcmp(p + at, authenticated, 16) ||
	    p[at + STORE_FORMAT] != STORE_FORMATTED || p[at + STORE_STATE] != STORE_HEALTHY)
		return NULL;
	end = at + le32(p + at + STORE_SIZE);
	end = end > len ? len : end;
	for (at += STORE_HEADER; inside(at, VAR_HEADER, end);) {
		uint64_t nsize = le32(p + at + VAR_NAME_SIZE), dsize = le32(p + at + VAR_DATA_SIZE);
		const uint8_t *v = p + at;

		if (le16(v) != VAR_START || !inside(at + VAR_HEADER, nsize, end) ||
		    !inside(at + VAR_HEADER + nsize, dsize, end))
			return NULL;
		if ((v[VAR_STATE] == VAR_ADDED ||
		     v[VAR_STATE] == (VAR_ADDED & VAR_IN_TRANSITION)) &&
		    !memcmp(v + VAR_GUID, guid, 16) && named(v + VAR_HEADER, nsize, name)) {
			*size = (size_t)dsize;
			return v + VAR_HEADER + nsize;
		}
		at = (at + VAR_HEADER + nsize + dsize + 3) & ~3ull;
	}
	return NULL;
}

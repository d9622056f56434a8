/* SPDX-License-Identifier: MIT */
/* The TD HOB: the list of resources the host says the TD has. It is the host's word; what is wrong
 * with it stops the TD before it is used. UEFI PI, volume 3. */
#include "firmware.h"

enum {
	HOB_HANDOFF = 1,
	HOB_RESOURCE = 3,
	HOB_END = 0xffff,
	RESOURCE_SYSTEM_MEMORY = 0,
	RESOURCE_UNACCEPTED = 7,
	RESOURCE_SIZE = 48,
};

struct hob {
	uint16_t type, length;
	uint32_t reserved;
};

struct resource {
	struct hob h;
	uint8_t owner[16];
	uint32_t type, attributes;
	uint64_t start, size;
};

/* The next one; NULL after the end. */
static const struct hob *next(const void *hob, const struct hob *h)
{
	uintptr_t end = (uintptr_t)hob + FW_HOB_SIZE;

	if (h->type == HOB_END)
		return NULL;
	h = (const struct hob *)((uintptr_t)h + h->length);
	if ((uintptr_t)h + sizeof(*h) > end || h->length < sizeof(*h) || h->length % 8 ||
	    (uintptr_t)h + h->length > end)
		fatal("TD HOB: a broken list");
	return h;
}

static const struct hob *first(const void *hob)
{
	const struct hob *h = hob;

	if ((uintptr_t)hob != FW_HOB || h->type != HOB_HANDOFF || h->length != 56)
		fatal("no TD HOB");
	return h;
}

size_t hob_length(const void *hob)
{
	const struct hob *last = NULL;

	for (const struct hob *h = first(hob); h; h = next(hob, h))
		last = h;
	return (uintptr_t)last + last->length - (uintptr_t)hob;
}

unsigned hob_ram(const void *hob, struct ram *ram)
{
	unsigned n = 0;

	for (const struct hob *h = first(hob); h; h = next(hob, h)) {
		const struct resource *r = (const struct resource *)h;

		if (h->type != HOB_RESOURCE)
			continue;
		if (h->length != RESOURCE_SIZE)
			fatal("TD HOB: a resource of a wrong length");
		if (r->type != RESOURCE_SYSTEM_MEMORY && r->type != RESOURCE_UNACCEPTED)
			continue;
		if (r->start % 4096 || r->size % 4096 || r->start + r->size < r->start)
			fatal("TD HOB: a wrong range");
		if (n && r->start < ram[n - 1].end)
			fatal("TD HOB: ranges out of order");
		if (n == MAX_RAM)
			fatal("TD HOB: too many ranges");
		ram[n++] = (struct ram){r->start, r->start + r->size,
					r->type == RESOURCE_SYSTEM_MEMORY};
	}
	return n;
}

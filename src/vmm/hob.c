/* SPDX-License-Identifier: MIT */
/* The TD HOB: what the host tells the firmware about the TD's memory. UEFI PI, vol. 3, "HOB". Not
 * trusted by the guest: it is measured there, and accepted memory is what the module says. */
#include "vmm/hob.h"

#include <errno.h>
#include <string.h>

enum {
	HOB_HANDOFF = 1,
	HOB_RESOURCE = 3,
	HOB_END = 0xffff,
	HANDOFF_VERSION = 9,
	RESOURCE_SYSTEM_MEMORY = 0,
	RESOURCE_UNACCEPTED = 7,
	/* present, initialised, tested, and every cacheability */
	RESOURCE_ATTRIBUTES = 0x7 | 0x3c00,
};

struct hob_header {
	uint16_t type, length;
	uint32_t reserved;
};

struct hob_handoff {
	struct hob_header h;
	uint32_t version, boot_mode;
	uint64_t memory_top, memory_bottom, free_top, free_bottom, end_of_list;
};
TDX_ABI_ASSERT(sizeof(struct hob_handoff) == 56);

struct hob_resource {
	struct hob_header h;
	uint8_t owner[16];
	uint32_t resource_type, attributes;
	uint64_t start, size;
};
TDX_ABI_ASSERT(sizeof(struct hob_resource) == 48);

struct writer {
	uint8_t *at, *end;
};

static int resource(struct writer *w, uint32_t type, uint64_t start, uint64_t end)
{
	struct hob_resource r = {
		.h = {HOB_RESOURCE, sizeof(r), 0},
		.resource_type = type,
		.attributes = RESOURCE_ATTRIBUTES,
		.start = start,
		.size = end - start,
	};

	if (start >= end)
		return 0;
	if ((size_t)(w->end - w->at) < sizeof(r) + sizeof(struct hob_header))
		return -ENOSPC;
	memcpy(w->at, &r, sizeof(r));
	w->at += sizeof(r);
	return 0;
}

/* The added section with memory at or after `at` that comes first; NULL when there is none below
 * end. */
static const struct tdx_tdvf_section *next_added(const struct tdx_tdvf *t, uint64_t at,
						 uint64_t end)
{
	const struct tdx_tdvf_section *best = NULL;

	for (unsigned i = 0; i < t->nr_sections; i++) {
		const struct tdx_tdvf_section *s = &t->section[i];

		if (tdx_tdvf_is_added(s) && s->memory.v >= at && s->memory.v < end &&
		    (!best || s->memory.v < best->memory.v))
			best = s;
	}
	return best;
}

int vm_build_hob(const struct tdx_tdvf *t, const struct vm_ram *ram, unsigned nram, gpa_t where,
		 void *buf, size_t len)
{
	struct hob_handoff *handoff = buf;
	struct hob_header end = {HOB_END, sizeof(end), 0};
	struct writer w = {(uint8_t *)buf + sizeof(*handoff), (uint8_t *)buf + len};
	int err = 0;

	if (len < sizeof(*handoff) + sizeof(end))
		return -ENOSPC;
	memset(buf, 0, len);
	for (unsigned i = 0; i < nram && !err; i++) {
		uint64_t at = ram[i].base, stop = ram[i].base + ram[i].size;

		while (at < stop && !err) {
			const struct tdx_tdvf_section *s = next_added(t, at, stop);
			uint64_t gap_end = s ? s->memory.v : stop;

			err = resource(&w, RESOURCE_UNACCEPTED, at, gap_end);
			at = gap_end;
			if (s && !err) {
				at = s->memory.v + s->memory_size;
				err = resource(&w, RESOURCE_SYSTEM_MEMORY, s->memory.v, at);
			}
		}
	}
	if (err)
		return err;
	memcpy(w.at, &end, sizeof(end));
	*handoff = (struct hob_handoff){
		.h = {HOB_HANDOFF, sizeof(*handoff), 0},
		.version = HANDOFF_VERSION,
		.end_of_list = where.v + (uint64_t)(w.at - (uint8_t *)buf),
	};
	return 0;
}

size_t vm_hob_length(const void *hob)
{
	const uint8_t *p = hob;
	struct hob_header h;
	size_t at = 0;

	do {
		memcpy(&h, p + at, sizeof(h));
		at += h.length;
	} while (h.type != HOB_END);
	return at;
}

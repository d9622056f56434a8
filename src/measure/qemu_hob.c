/* SPDX-License-Identifier: MIT */
/* The TD HOB as QEMU builds it: RAM in ranges, those that it added before the TD ran as memory, the
 * others as unaccepted. From 2.75 GiB on RAM is split at 2 GiB, the rest lies from 4 GiB on. */
#include <errno.h>
#include <string.h>

#include <swtdx/expect.h>

#include "measure/internal.h"

enum {
	HOB_HANDOFF = 1,
	HANDOFF_SIZE = 56,
	HANDOFF_VERSION = 9,
	HANDOFF_END = 48,
	HOB_RESOURCE = 3,
	RESOURCE_SIZE = 48,
	RESOURCE_MEMORY = 0,
	RESOURCE_UNACCEPTED = 7,
	RESOURCE_ATTRIBUTES = 7, /* present, initialised, tested */
	HOB_END_SIZE = 8,
};

#define SPLIT_FROM 0xb0000000ull
#define SPLIT_AT   0x80000000ull
#define HIGH	   0x100000000ull

struct writer {
	uint8_t *p;
	size_t at, cap;
};

static bool put_range(struct writer *w, unsigned type, uint64_t start, uint64_t end)
{
	uint8_t *p = w->p + w->at;

	if (start >= end)
		return true;
	if (w->cap - w->at < RESOURCE_SIZE)
		return false;
	memset(p, 0, RESOURCE_SIZE);
	put_le16(p, HOB_RESOURCE);
	put_le16(p + 2, RESOURCE_SIZE);
	put_le32(p + 24, type);
	put_le32(p + 28, RESOURCE_ATTRIBUTES);
	put_le64(p + 32, start);
	put_le64(p + 40, end - start);
	w->at += RESOURCE_SIZE;
	return true;
}

/* The section in RAM that comes next. */
static const struct tdx_tdvf_section *next(const struct tdx_tdvf *t, uint64_t from, uint64_t end)
{
	const struct tdx_tdvf_section *best = NULL;

	for (unsigned i = 0; i < t->nr_sections; i++) {
		const struct tdx_tdvf_section *s = &t->section[i];

		if ((s->type == TDX_TDVF_TD_HOB || s->type == TDX_TDVF_TEMP_MEM) &&
		    s->memory.v >= from && s->memory.v + s->memory_size <= end &&
		    (!best || s->memory.v < best->memory.v))
			best = s;
	}
	return best;
}

int tdx_qemu_hob(const struct tdx_tdvf *tdvf, uint64_t memory, uint8_t *out, size_t cap,
		 size_t *len)
{
	const uint64_t low = memory >= SPLIT_FROM ? SPLIT_AT : memory;
	struct writer w = {out, HANDOFF_SIZE, cap};
	const struct tdx_tdvf_section *s;
	uint64_t at = 0, where = 0;
	bool ok = cap >= HANDOFF_SIZE;

	*len = 0;
	for (unsigned i = 0; i < tdvf->nr_sections; i++)
		if (tdvf->section[i].type == TDX_TDVF_TD_HOB)
			where = tdvf->section[i].memory.v;
	if (!ok || !where || memory > TDX_TDVF_MAX_GPA)
		return -EINVAL;
	while (ok && (s = next(tdvf, at, low))) {
		ok = put_range(&w, RESOURCE_UNACCEPTED, at, s->memory.v) &&
		     put_range(&w, RESOURCE_MEMORY, s->memory.v, s->memory.v + s->memory_size);
		at = s->memory.v + s->memory_size;
	}
	ok = ok && put_range(&w, RESOURCE_UNACCEPTED, at, low);
	if (memory > low)
		ok = ok && put_range(&w, RESOURCE_UNACCEPTED, HIGH, HIGH + memory - low);
	if (!ok)
		return -EINVAL;
	memset(out, 0, HANDOFF_SIZE);
	put_le16(out, HOB_HANDOFF);
	put_le16(out + 2, HANDOFF_SIZE);
	put_le32(out + 8, HANDOFF_VERSION);
	put_le64(out + HANDOFF_END, where + w.at + HOB_END_SIZE);
	*len = w.at;
	return 0;
}

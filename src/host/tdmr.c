/* SPDX-License-Identifier: MIT */
/* TDMRs from a memory map: 1 GiB granules over the ranges, holes and PAMTs reserved.
 *
 * The rules the module checks are in the ABI, TDH.SYS.CONFIG; the construction is the one every
 * kernel uses: one TDMR a memory range, rounded outwards, minus what an earlier one covers. */
#include "host/errno.h"
#include "host/internal.h"

#define GIB TDX_SIZE_1G

static uint64_t page_align(uint64_t n)
{
	return (n + TDX_PAGE_SIZE - 1) & ~(TDX_PAGE_SIZE - 1);
}

int host_tdmrs_cover(struct host_state *h, const struct tdx_host_info *info,
		     const struct tdx_range *memory, unsigned nranges)
{
	uint64_t covered = 0;

	h->ntdmrs = 0;
	for (unsigned i = 0; i < nranges; i++) {
		uint64_t start = memory[i].base.v & ~(GIB - 1);
		uint64_t end = (memory[i].base.v + memory[i].size + GIB - 1) & ~(GIB - 1);
		struct host_tdmr *t = &h->tdmr[h->ntdmrs];

		if (!memory[i].size || memory[i].base.v + memory[i].size < memory[i].base.v ||
		    (i && memory[i].base.v < memory[i - 1].base.v + memory[i - 1].size))
			return -EINVAL;
		if (start < covered)
			start = covered;
		if (start >= end)
			continue;
		if (h->ntdmrs == TDX_MAX_TDMRS || h->ntdmrs == info->max_tdmrs) {
			h->shortage = (struct tdx_host_shortage){TDX_HOST_SHORT_OF_TDMRS,
								 h->ntdmrs,
								 {hpa(start), end - start},
								 h->ntdmrs + 1,
								 h->ntdmrs};
			return -ENOSPC;
		}
		*t = (struct host_tdmr){.base = hpa(start), .size = end - start};
		for (unsigned level = 0; level < 3; level++)
			t->pamt_size[level] = page_align((t->size >> (12 + 9 * level)) *
							 info->pamt_entry_size[level]);
		if (h->dynamic_pamt) /* whose page it is, by bits; the entries come later */
			t->pamt_size[TDX_LEVEL_4K] =
				page_align((t->size >> 12) * info->pamt_bitmap_entry_bits / 8);
		covered = end;
		h->ntdmrs++;
	}
	return h->ntdmrs ? 0 : -EINVAL;
}

/* Area i takes in those after it that it reaches into. */
static void merge(struct host_tdmr *t, unsigned i)
{
	while (i + 1 < t->nreserved) {
		struct tdx_range *a = &t->reserved[i], *next = a + 1;
		uint64_t end = a->base.v + a->size, next_end = next->base.v + next->size;

		if (next->base.v >= end)
			return;
		a->size = (next_end > end ? next_end : end) - a->base.v;
		t->nreserved--;
		for (unsigned k = i + 1; k < t->nreserved; k++)
			t->reserved[k] = t->reserved[k + 1];
	}
}

/* Insert [base, end) into t's areas in order. With dynamic PAMT they are whole ranges of 2M, and
 * two can become one. */
static int reserve(const struct host_state *h, struct host_tdmr *t,
		   const struct tdx_host_info *info, uint64_t base, uint64_t end)
{
	uint64_t unit = h->dynamic_pamt ? TDX_SIZE_2M : TDX_PAGE_SIZE;
	unsigned max = info->max_reserved_per_tdmr, i;

	if (base < t->base.v)
		base = t->base.v;
	if (end > t->base.v + t->size)
		end = t->base.v + t->size;
	if (base >= end)
		return 0;
	base &= ~(unit - 1);
	end = (end + unit - 1) & ~(unit - 1);
	for (i = 0; i < t->nreserved; i++)
		if (t->reserved[i].base.v <= base &&
		    end <= t->reserved[i].base.v + t->reserved[i].size)
			return 0;
	if (t->nreserved == TDX_MAX_RESERVED_AREAS || t->nreserved == max)
		return -ENOSPC;
	for (i = t->nreserved++; i > 0 && t->reserved[i - 1].base.v > base; i--)
		t->reserved[i] = t->reserved[i - 1];
	t->reserved[i] = (struct tdx_range){hpa(base), end - base};
	if (i)
		merge(t, i - 1);
	merge(t, i < t->nreserved ? i : t->nreserved - 1);
	return 0;
}

static int reserve_holes(const struct host_state *h, struct host_tdmr *t,
			 const struct tdx_host_info *info, const struct tdx_range *memory,
			 unsigned nranges)
{
	uint64_t at = t->base.v, end = t->base.v + t->size;

	for (unsigned i = 0; i < nranges; i++) {
		uint64_t mem_end = memory[i].base.v + memory[i].size;

		if (mem_end <= at)
			continue;
		if (memory[i].base.v >= end)
			break;
		if (memory[i].base.v > at && reserve(h, t, info, at, memory[i].base.v))
			return -ENOSPC;
		at = mem_end;
	}
	return reserve(h, t, info, at, end);
}

int host_tdmrs_reserve(struct host_state *h, const struct tdx_host_info *info,
		       const struct tdx_range *memory, unsigned nranges)
{
	for (unsigned i = 0; i < h->ntdmrs; i++) {
		struct host_tdmr *t = &h->tdmr[i];
		int err = reserve_holes(h, t, info, memory, nranges);

		for (unsigned p = 0; p < h->ntdmrs && !err; p++)
			err = reserve(h, t, info, h->tdmr[p].pamt.v,
				      h->tdmr[p].pamt.v + host_pamt_size(&h->tdmr[p]));
		if (err) {
			h->shortage = (struct tdx_host_shortage){TDX_HOST_SHORT_OF_RESERVED_AREAS,
								 i,
								 {t->base, t->size},
								 t->nreserved + 1,
								 t->nreserved};
			return err;
		}
	}
	return 0;
}

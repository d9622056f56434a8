/* SPDX-License-Identifier: MIT */
/* What a struct tdx_host holds. Not installed: the global KeyID is here. */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <swtdx/host.h>

struct host_tdmr {
	hpa_t base;
	uint64_t size;
	hpa_t pamt;	       /* one chunk: 4K, 2M, 1G entries in this order */
	uint64_t pamt_size[3]; /* by level, 4K-aligned */
	unsigned nreserved;
	struct tdx_host_range reserved[TDX_MAX_RESERVED_AREAS]; /* absolute, ascending */
};

struct host_state {
	const struct tdx_port *const *cpus;
	unsigned ncpus;
	unsigned errata;
	unsigned keyid_shift; /* physical address bits below the KeyID */
	hkid_t global_hkid;
	unsigned num_hkids; /* private ones, the global one first */
	struct tdx_status last;
	unsigned last_leaf;
	unsigned ntdmrs;
	unsigned npamts; /* of the TDMRs, those whose PAMT is allocated */
	struct host_tdmr tdmr[TDX_MAX_TDMRS];
};

static inline struct host_state *host_of(struct tdx_host *h)
{
	return (struct host_state *)(void *)h->private_;
}

static inline const struct host_state *host_of_const(const struct tdx_host *h)
{
	return (const struct host_state *)(const void *)h->private_;
}

static inline uint64_t host_pamt_size(const struct host_tdmr *t)
{
	return t->pamt_size[0] + t->pamt_size[1] + t->pamt_size[2];
}

/* Remember the status of a failed call for tdx_host_last_status(). 0 or -EIO. */
int host_check(struct host_state *h, unsigned leaf, struct tdx_status s);

/* TDMRs that cover the memory, without PAMTs yet. 0 or -ENOSPC, -EINVAL. */
int host_tdmrs_cover(struct host_state *h, const struct tdx_host_info *info,
		     const struct tdx_host_range *memory, unsigned nranges);
/* The areas of each TDMR that are not to be used: holes and PAMTs. 0 or -ENOSPC. */
int host_tdmrs_reserve(struct host_state *h, const struct tdx_host_info *info,
		       const struct tdx_host_range *memory, unsigned nranges);

#endif

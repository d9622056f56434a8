/* SPDX-License-Identifier: MIT */
/* What a struct tdx_host holds. Not installed: the global KeyID is here. */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <swtdx/host.h>
#include <swtdx/port.h>

enum { HOST_MAX_HKIDS = 4096 };

struct host_tdmr {
	hpa_t base;
	uint64_t size;
	hpa_t pamt;	       /* one chunk: 4K, 2M, 1G entries in this order */
	uint64_t pamt_size[3]; /* by level, 4K-aligned; of 4K a bitmap when they are dynamic */
	uint32_t *users;       /* dynamic: a word a 2M range (dpamt.c) */
	unsigned nreserved;
	struct tdx_range reserved[TDX_MAX_RESERVED_AREAS]; /* absolute, ascending */
};

struct host_state {
	const struct tdx_port *const *cpus;
	unsigned ncpus;
	unsigned flags;
	unsigned keyid_shift; /* physical address bits below the KeyID */
	unsigned keyid_bits;
	hkid_t global_hkid;
	unsigned num_hkids; /* private ones, the global one first */
	struct tdx_status last;
	unsigned last_leaf;
	unsigned ntdmrs;
	unsigned npamts; /* of the TDMRs, those whose PAMT is allocated */
	struct tdx_host_shortage shortage;
	bool dynamic_pamt;
	hpa_t chunk; /* dynamic: what all TDMRs have */
	uint64_t chunk_size;
	uint64_t pairs; /* of PAMT pages that the module has */

	/* Under the lock: */
	bool locked;
	bool sys_init_done; /* once, whatever came of it */
	int sys_init_err;
	unsigned hkids_used;
	uint64_t hkid_used[HOST_MAX_HKIDS / 64];
	uint64_t initialised[TDX_HOST_MAX_CPUS / 64]; /* TDH.SYS.LP.INIT was made there */
	uint64_t online[TDX_HOST_MAX_CPUS / 64];

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

static inline uint64_t host_users_size(const struct host_tdmr *t)
{
	return (t->size / TDX_SIZE_2M * sizeof(*t->users) + TDX_PAGE_SIZE - 1) &
	       ~(TDX_PAGE_SIZE - 1);
}

static inline bool host_bit(const uint64_t *set, unsigned i)
{
	return __atomic_load_n(&set[i / 64], __ATOMIC_RELAXED) >> (i % 64) & 1;
}

static inline void host_set_bit(uint64_t *set, unsigned i, bool on)
{
	if (on)
		__atomic_fetch_or(&set[i / 64], 1ull << (i % 64), __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&set[i / 64], ~(1ull << (i % 64)), __ATOMIC_RELAXED);
}

/* The library's one lock: processors come and go, KeyIDs are handed out. Held over single calls of
 * bring-up, never over one that waits for another processor. */
static inline void host_lock(struct host_state *h)
{
	while (__atomic_test_and_set(&h->locked, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static inline void host_unlock(struct host_state *h)
{
	__atomic_clear(&h->locked, __ATOMIC_RELEASE);
}

/* Run fn on the processor of this port and wait for it: what must happen there and nowhere else.
 * 0, or -ENXIO: it is not there. */
int host_on(const struct tdx_port *port, void (*fn)(void *arg), void *arg);
/* A processor that is online, to make calls that any can make; NULL: there is none. */
const struct tdx_port *host_any(const struct host_state *h);

/* TDH.PHYMEM.PAGE.WBINVD under the global KeyID. */
struct tdx_status host_wbinvd_global(const struct tdx_host *host, const struct tdx_cpu *cpu,
				     hpa_t page);

/* Remember the status of a failed call for tdx_host_last_status(). 0 or -EIO. */
int host_check(struct host_state *h, unsigned leaf, struct tdx_status s);

/* All of the metadata the library knows, anew. */
int host_read_info(struct host_state *h, struct tdx_host_info *info);

/* TDMRs that cover the memory, without PAMTs yet. 0 or -ENOSPC, -EINVAL. */
int host_tdmrs_cover(struct host_state *h, const struct tdx_host_info *info,
		     const struct tdx_range *memory, unsigned nranges);
/* The areas of each TDMR that are not to be used: holes and PAMTs. 0 or -ENOSPC. */
int host_tdmrs_reserve(struct host_state *h, const struct tdx_host_info *info,
		       const struct tdx_range *memory, unsigned nranges);

#endif

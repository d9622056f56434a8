/* SPDX-License-Identifier: MIT */
/* The two trees of a VM: the mirror of its Secure EPT, and the direct EPT of its shared memory.
 *
 * Each page of the mirror has a host-readable table and an external page that was given to the
 * module and is never read. An entry that is being changed is FROZEN meanwhile; whoever meets it
 * comes back later. Installs run in parallel under mmu_lock for reading, removals under it for
 * writing. A table of two operations carries every change of the mirror to the module: install and
 * remove (vmm/external.h). Page-table kind (mirror) and page kind (private) are two
 * different things. */
#ifndef VMM_MMU_H
#define VMM_MMU_H

#include "vmm/internal.h"

#define SPTE_NONPRESENT (1ull << 63) /* suppress #VE */
#define SPTE_FROZEN	(SPTE_NONPRESENT | 0x1a0)
#define SPTE_MMIO	0ull /* no access, #VE: the guest emulates */
#define SPTE_PRESENT	(1ull << 11)
#define SPTE_LEAF	(1ull << 7)
#define SPTE_RWX	7ull
#define SPTE_WB		(6ull << 3)
#define SPTE_ADDR	0x000ffffffffff000ull
/* Of the mirror, while the TD is exported: see mmu_migrate.c. */
#define SPTE_BLOCKEDW (1ull << 52)
#define SPTE_EXPORTED (1ull << 53)
#define SPTE_UNWANTED (1ull << 54) /* somebody waits to remove it */
/* The importer has dropped the page; on either side, whether there is another now or none. */
#define SPTE_DROPPED (1ull << 55)

struct mmu_page {
	_Atomic uint64_t *spt; /* 512 entries */
	struct mmu_page *_Atomic child[512];
	uint64_t pa; /* direct: the table itself; mirror: the external page, 0 for the root */
	/* mirror: the tables of the TD's L2 VMs, 0 none; written under a frozen entry */
	_Atomic uint64_t l2_pa[VM_MAX_L2];
	uint64_t gfn;
	enum tdx_level level; /* of its entries */
	bool is_mirror;
};

enum mmu_result {
	MMU_OK,	    /* mapped, or was already (by a page of any size) */
	MMU_EXISTS, /* asked to add a page where one is */
	MMU_RETRY,  /* somebody else is changing it, or a lock of the module was taken */
	MMU_NO_MEMORY,
	MMU_DEAD, /* the VM is bugged */
};

/* A private page of this size at gfn: `source` NULL: AUG (or nothing yet to add), else ADD of these
 * 4096 bytes at physical address *source. mmu_lock held for reading. */
enum mmu_result mmu_map_private(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn,
				enum tdx_level level, const hpa_t *source, int cpu_hint);
/* The tables of an L2 VM (1 to 3) as far down as the TD's own go to the page at gfn. MMU_EXISTS:
 * there is none to add. mmu_lock held for reading. */
enum mmu_result mmu_map_l2_tables(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn,
				  unsigned l2, int cpu_hint);
/* No memory at gfn: the guest gets #VE there. MMU_EXISTS: it was said before. mmu_lock held for
 * reading. */
enum mmu_result mmu_map_mmio(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn);
/* The shared page at gfn (with the shared bit). MMU_EXISTS: it was there before. mmu_lock held for
 * reading. */
enum mmu_result mmu_map_shared(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn,
			       uint64_t spte);

enum mmu_filter { MMU_SHARED = 1, MMU_PRIVATE = 2 };

/* Leaves of [gfn, gfn+n) out of the trees the filter names. mmu_lock held for writing. */
int mmu_zap(struct tdx_vm *vm, uint64_t gfn, uint64_t n, unsigned filter);
/* kvm_zap_gfn_range(): direct tree only; it cannot reach private mappings. */
void mmu_zap_direct(struct tdx_vm *vm, uint64_t gfn, uint64_t n);
/* At the end of the VM: tables bottom-up; the KeyID must have been released before. */
void mmu_free_direct(struct tdx_vm *vm);
void mmu_free_mirror(struct tdx_vm *vm);
int mmu_init(struct tdx_vm *vm);
/* Room for a batch, so that a removal never lacks memory. Freed by free(). */
struct zap *mmu_zap_new(void);
hpa_t mmu_shared_root(const struct tdx_vm *vm);
/* Promote 512 4K leaves to one 2M, or demote; mmu_lock held for writing. */
int mmu_promote(struct tdx_vm *vm, uint64_t gfn);
int mmu_demote(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn);

/* --- a migration --- */

struct mmu_pages {
	uint64_t *gfn; /* free()d by the caller */
	size_t n, max;
};

/* Leaves of this level that are wanted, ascending. mmu_lock held for reading. 0 or -ENOMEM. */
int mmu_collect(struct tdx_vm *vm, enum tdx_level level, bool (*want)(uint64_t spte),
		struct mmu_pages *out);
/* Bits of the leaf at gfn, if there is one. mmu_lock held for reading. */
void mmu_mark(struct tdx_vm *vm, uint64_t gfn, uint64_t set, uint64_t clear);
/* May what is mapped in the range be removed? False: the importer has a page of it; the exporter is
 * asked to have it dropped there. mmu_lock held for writing. */
bool mmu_let_go(struct tdx_vm *vm, uint64_t gfn, uint64_t n);
/* Is no private page mapped in the range? mmu_lock held for reading. */
bool mmu_is_empty(struct tdx_vm *vm, uint64_t gfn, uint64_t n);
/* A page of the host's for a private page at gfn, out of what the slot's user has, if he has; 0:
 * none. Given back by pages_put(). mmu_lock held for reading. */
uint64_t mmu_new_page(struct tdx_vm *vm, uint64_t gfn);
/* The entry for a 4K page that is to be imported, with the tables to it; MMU_EXISTS: a page is
 * there. mmu_lock held for reading. */
enum mmu_result mmu_import_entry(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn);
/* It is there: `pa`. */
void mmu_imported(struct tdx_vm *vm, uint64_t gfn, uint64_t pa);
/* Where the 4K page at gfn is; 0: there is none. Then: it was dropped. mmu_lock held for reading.
 */
uint64_t mmu_page_at(struct tdx_vm *vm, uint64_t gfn);
void mmu_dropped(struct tdx_vm *vm, uint64_t gfn);
/* A page wherever one of the range was dropped and is private: the module does not show the host
 * that a guest accepts one there. 0, -EAGAIN, -ENOMEM, -EIO. mmu_lock held for writing. */
int mmu_fill_dropped(struct tdx_vm *vm, uint64_t gfn, uint64_t n);

#endif

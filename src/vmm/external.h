/* SPDX-License-Identifier: MIT */
/* The operations by which changes of the mirror reach the module. */
#ifndef VMM_EXTERNAL_H
#define VMM_EXTERNAL_H

#include "vmm/mmu.h"

struct external_leaf {
	uint64_t gfn, pa;
	enum tdx_level level;
};

enum mirror_install {
	MIRROR_LINK,	 /* non-present -> table: TDH.MEM.SEPT.ADD */
	MIRROR_ADD,	 /* non-present -> leaf before the TD runs: TDH.MEM.PAGE.ADD */
	MIRROR_AUG,	 /* non-present -> leaf: TDH.MEM.PAGE.AUG */
	MIRROR_UNBLOCKW, /* leaf the guest may write again: TDH.EXPORT.UNBLOCKW */
	MIRROR_LINK_L2,	 /* a table of an L2 VM beside the TD's: TDH.MEM.SEPT.ADD */
	MIRROR_SPLIT,	 /* leaf -> table of smaller ones: TDH.MEM.PAGE.DEMOTE */
};

/* An entry gets something. The page at pa is given: a table's, or the memory itself. */
struct mirror_new {
	enum mirror_install what;
	uint64_t gfn;
	enum tdx_level level; /* of the entry */
	uint64_t pa;
	const hpa_t *source; /* ADD: the contents */
	uint64_t leaf_pa;    /* SPLIT: the memory that is there */
	/* LINK_L2 (where there is no pa), SPLIT: pages for tables of the L2 VMs, 0 none; those that
	 * were needed, on success alone, are 0 afterwards. */
	uint64_t *l2_pa;
	int cpu_hint;
};

enum mirror_remove {
	MIRROR_LEAVES, /* leaf -> non-present, many at once: block, track, remove */
	MIRROR_MERGE,  /* table of 512 leaves -> leaf: TDH.MEM.PAGE.PROMOTE */
	MIRROR_TABLE,  /* the end of a table: TDH.PHYMEM.PAGE.RECLAIM */
};

/* Entries lose something. */
struct mirror_gone {
	enum mirror_remove what;
	const struct external_leaf *leaf; /* LEAVES: n of them; MERGE: what is there afterwards */
	unsigned n;
	uint64_t *page; /* LEAVES: 4K pages that are clean host memory again; room for n */
	unsigned npages;
	uint64_t table_pa; /* TABLE: its page */
};

/* What stands behind a mirror: one operation for an entry that gets something and one for entries
 * that lose. A VM without a mirror has none.
 *
 * install: MMU_RETRY when busy, nothing has changed; mmu_lock held, for SPLIT for writing. remove:
 * 0; -EINVAL (MERGE): the leaves are not alike, and stay; -EIO with the VM bugged. mmu_lock held
 * for writing, but for TABLE, when nobody else is left. Each call of a removal is tried once, and
 * once more with all vCPUs held out; pages that do not come back are quarantined, or wait for the
 * KeyID to be free. */
struct mirror_ops {
	enum mmu_result (*install)(struct tdx_vm *vm, const struct mirror_new *e);
	int (*remove)(struct tdx_vm *vm, struct mirror_gone *g);
};

/* The module. */
extern const struct mirror_ops tdx_mirror;

/* No TLB has what was blocked before, for writing too. mmu_lock held for writing. 0 or -EIO. */
int mirror_track(struct tdx_vm *vm);

struct mmu_page *mmu_mirror_page_new(uint64_t gfn, enum tdx_level level); /* NULL: no memory */
void mmu_page_free(struct mmu_page *p);

#endif

/* SPDX-License-Identifier: MIT */
/* The hooks by which changes of the mirror reach the module. */
#ifndef VMM_EXTERNAL_H
#define VMM_EXTERNAL_H

#include "vmm/mmu.h"

enum external_op {
	EXTERNAL_LINK, /* non-present -> table: TDH.MEM.SEPT.ADD */
	EXTERNAL_ADD,  /* non-present -> leaf before the TD runs: TDH.MEM.PAGE.ADD */
	EXTERNAL_AUG,  /* non-present -> leaf: TDH.MEM.PAGE.AUG */
};

/* An entry of this level for gfn; pa is the page given to the module. MMU_RETRY when busy. */
enum mmu_result mmu_set_external(struct tdx_vm *vm, enum external_op op, uint64_t gfn,
				 enum tdx_level level, uint64_t pa, const hpa_t *source,
				 int cpu_hint);

/* Removal of leaves, in three steps that may each do many: block, track (with every vCPU kicked out
 * of the epoch), remove. Each call is tried once, and once more with all vCPUs held out; 0 or -EIO
 * with the VM bugged. mmu_lock held for writing; calls are made on the processor given. */
struct external_leaf {
	uint64_t gfn, pa;
	enum tdx_level level;
};
int mmu_external_block(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf);
int mmu_external_unblock(struct tdx_vm *vm, struct vmm_cpu *c,
			 const struct external_leaf *leaf); /* after track */
int mmu_external_track(struct tdx_vm *vm, struct vmm_cpu *c);
/* Remove, write back, clear: the page is clean host memory afterwards; at the end of a VM only
 * removed, and to wait for the KeyID to be free. */
int mmu_external_remove(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf);
/* *table_pa: the page of the table that went, not clean yet. */
int mmu_external_promote(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf,
			 uint64_t *table_pa);
int mmu_external_demote(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf,
			uint64_t table_pa);

/* The end of a table: reclaimed, cleared, freed (or quarantined). KeyID released. */
void mmu_free_external(struct tdx_vm *vm, struct mmu_page *p);

struct mmu_page *mmu_mirror_page_new(uint64_t gfn, enum tdx_level level); /* NULL: no memory */
void mmu_page_free(struct mmu_page *p);

#endif

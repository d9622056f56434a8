/* SPDX-License-Identifier: MIT */
/* The Secure EPTs of the L2 VMs of a partitioned TD: entries, walks, their tie to the TD's own.
 *
 * An L2 VM has its own tree of the same depth. A page or table the L2 VM knows too is an "alias":
 * its entry in the TD's own (L1) tree says so in one bit a VM, and the L1 entry's lock covers both.
 * The L2 entry holds the permissions the L1 VMM gave; while blocked they are set aside in other
 * bits. ABI: "L2 Secure EPT entry", module 1.5.25. */
#ifndef MODULE_L2_SEPT_H
#define MODULE_L2_SEPT_H

#include "module/sept.h"

#define L2_SEPT_FREE_ENTRY 0ull

/* Attributes of a page for one VM as TDG.MEM.PAGE.ATTR.* has them, 16 bits a VM. */
#define L2_ATTR_R	 (1u << 0)
#define L2_ATTR_W	 (1u << 1)
#define L2_ATTR_XS	 (1u << 2)
#define L2_ATTR_XU	 (1u << 3)
#define L2_ATTR_VGP	 (1u << 4) /* verify guest paging */
#define L2_ATTR_PWA	 (1u << 5) /* paging-write access */
#define L2_ATTR_SSS	 (1u << 6) /* supervisor shadow stack */
#define L2_ATTR_SVE	 (1u << 7) /* suppress #VE */
#define L2_ATTR_RESERVED 0x7f00u
#define L2_ATTR_VALID	 (1u << 15)
#define L2_ATTR_PRESENT	 (L2_ATTR_R | L2_ATTR_W | L2_ATTR_XS | L2_ATTR_XU)

/* In the L1 entry: VM vm (1..3) has an alias of what the entry maps. */
static inline uint64_t l2_alias_bit(unsigned vm)
{
	return 1ull << (57 + vm);
}

static inline bool l2_aliased(uint64_t l1_entry, unsigned vm)
{
	return (l1_entry & l2_alias_bit(vm)) != 0;
}

bool l2_sept_is_free(uint64_t entry);

/* Walk the tree of a VM as sept_walk() does the TD's own. `guest`: entries that are blocked but not
 * free do not stop it, as the guest that asks is in the way of their removal. */
bool l2_sept_walk(const struct tx *tx, const struct tdr *tdr, const struct tdcs *tdcs, unsigned vm,
		  gpa_t gpa_, bool guest, struct sept_ref *ref);

/* The entry that aliases an L1 entry at its level. Broken state when there is none: the processor
 * is dead and NULL returned. */
uint64_t *l2_alias(const struct tx *tx, const struct tdr *tdr, const struct tdcs *tdcs, unsigned vm,
		   const struct sept_ref *l1, bool guest);

/* New values of an entry. */
uint64_t l2_sept_blocked(uint64_t entry, bool l1_blockedw);
uint64_t l2_sept_unblocked(uint64_t entry);
uint64_t l2_sept_table(uint64_t address);
uint64_t l2_sept_leaf(uint64_t address, unsigned attr, bool blocked);
uint64_t l2_sept_with_attr(uint64_t entry, unsigned attr);

/* Writing alone is blocked, or allowed again as it was. */
uint64_t l2_sept_blockedw(uint64_t entry);
uint64_t l2_sept_unblockedw(uint64_t entry);
/* The same for all aliases of an L1 entry. False: broken state, the processor is dead. */
bool l2_block_writing(const struct tx *tx, const struct td *td, const struct sept_ref *l1,
		      bool block);

/* The attributes an entry stands for. */
unsigned l2_sept_attr(uint64_t entry, bool l1_blockedw, bool l1_pending);
bool l2_attr_legal(unsigned attr);

/* What a leaf shows of an entry of an L2 tree it failed at. */
void l2_sept_show(const struct tx *tx, const struct tdcs *tdcs, unsigned vm,
		  const struct sept_ref *ref, struct sept_shown *shown);

static inline void l2_sept_write(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

#endif

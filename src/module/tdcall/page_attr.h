/* SPDX-License-Identifier: MIT */
/* What TDG.MEM.PAGE.ATTR.RD and .WR share: the attributes word, 16 bits a VM, and RCX beside it. */
#ifndef MODULE_TDCALL_PAGE_ATTR_H
#define MODULE_TDCALL_PAGE_ATTR_H

#include "abi/operand.h"
#include "module/l2_sept.h"

/* RCX on return: the GPA, the level it is mapped at, and whether it still waits to be accepted. */
#define PAGE_ATTR_PENDING (1ull << 62)

static inline unsigned vm_attr(uint64_t word, unsigned vm)
{
	return (unsigned)(word >> (16 * vm)) & 0xffffu;
}

static inline uint64_t with_vm_attr(uint64_t word, unsigned vm, unsigned attr)
{
	return (word & ~(0xffffull << (16 * vm))) | (uint64_t)attr << (16 * vm);
}

static inline uint64_t page_attr_mapping(const struct sept_ref *ref)
{
	uint64_t page = ref->gpa.v & ~(tdx_level_size(ref->level) - 1);

	return gpa_level_pack(gpa(page), ref->level) |
	       (sept_has(ref->value, SEPT_IS_PENDING) ? PAGE_ATTR_PENDING : 0);
}

#endif

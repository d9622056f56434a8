/* SPDX-License-Identifier: MIT */
/* Issuing TDCALLs, and forgetting what came back. Not installed. */
#ifndef GUEST_CALL_H
#define GUEST_CALL_H

#include <swtdx/guest.h>

/* Zeroes a register block or a copy of host memory even if nobody reads it any more. */
static inline void guest_wipe(void *p, size_t len)
{
	__builtin_memset(p, 0, len);
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* One TDCALL; regs in and out. */
static inline struct tdx_status guest_call(const struct tdg_port *vcpu, enum tdx_tdcall leaf,
					   unsigned version, struct tdx_regs *regs)
{
	regs->rax = tdx_rax(leaf, version);
	vcpu->ops->tdcall(vcpu, regs);
	return tdx_status(regs->rax);
}

static inline bool guest_page_aligned(uint64_t v)
{
	return !(v & (TDX_PAGE_SIZE - 1));
}

/* Whole pages, no wrap, all below the shared bit. */
static inline bool guest_range_valid(const struct tdg_td *td, gpa_t start, uint64_t size)
{
	return size && guest_page_aligned(start.v | size) && start.v < td->shared &&
	       size <= td->shared - start.v;
}

#endif

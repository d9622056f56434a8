/* SPDX-License-Identifier: MIT */
/* TDG.VP.INVEPT, TDG.VP.INVVPID: what the processor keeps of the translations of an L2 VM is
 * flushed. Of linear addresses all are, whichever were named.
 *
 * No locks. */
#include "module/guest_memory.h"
#include "module/leaves.h"
#include "module/tdcall/vm_flags.h"

/* INVVPID's list: first entry 8:0, GPA 51:12, number of entries 61:52. */
#define LIST_RESERVED	 0xc000000000000e00ull
#define LIST_FIRST_MASK	 0x1ffu
#define LIST_LEFT_SHIFT	 52
#define LIST_MAX_ENTRIES 512

struct tdx_status leaf_tdg_vp_invept(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_invept_in in = tdg_vp_invept_take(regs);

	if (in.vms & 1 || in.vms >> (tx->lp->tdcs->num_l2_vms + 1))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	for (unsigned vm = 1; vm < TD_MAX_VMS; vm++)
		tx->lp->tlb_flushes[vm] += in.vms >> vm & 1;
	return tdx_success();
}

/* INVVPID takes addresses as wide as the processor's, whichever paging is on. */
static bool canonical(const struct module *mod, uint64_t gla)
{
	int64_t sign = (int64_t)gla >> (mod->plat.la57 ? 56 : 47);

	return sign == 0 || sign == -1;
}

/* A list entry: GLA of the first page, and in 11:0 the number of further ones. */
static struct tdx_status invalidate(const struct module *mod, uint64_t entry)
{
	uint64_t first = entry & ~(TDX_PAGE_SIZE - 1);
	uint64_t last = first + (entry & (TDX_PAGE_SIZE - 1)) * TDX_PAGE_SIZE;

	return canonical(mod, first) && canonical(mod, last) ? tdx_success()
							     : tdx_error(TDX_GLA_NOT_CANONICAL);
}

struct tdx_status leaf_tdg_vp_invvpid(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_invvpid_in in = tdg_vp_invvpid_take(regs);
	struct tdg_vp_invvpid_out out = tdg_vp_invvpid_failed(regs);
	unsigned at = (unsigned)in.list & LIST_FIRST_MASK;
	unsigned left = (unsigned)(in.list >> LIST_LEFT_SHIFT) & 0x3ffu;
	struct tdx_status s = tdx_success();
	const uint64_t *list;
	bool repeat = false;

	if (!vm_flags_valid(tx->lp, in.vm_and_flags, VM_FLAGS_INVVPID_LIST))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	tx->lp->tlb_flushes[vm_of_flags(in.vm_and_flags)]++;
	if (!(in.vm_and_flags & VM_FLAGS_INVVPID_LIST))
		return invalidate(tx->mod, in.list);
	if (in.list & LIST_RESERVED || at + left > LIST_MAX_ENTRIES)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	list = guest_memory(tx, gpa(in.list & SEPT_HPA_MASK), false, TDX_OPERAND_ID_RDX, &s);
	if (!list)
		return s;
	while (left > 0 && !repeat) {
		s = invalidate(tx->mod, __atomic_load_n(&list[at], __ATOMIC_RELAXED));
		if (!tdx_is_success(s))
			return s;
		at++;
		left--;
		repeat = machine_irq_pending_guest(tx->lp->hw);
	}
	out.list = (in.list & SEPT_HPA_MASK) | (at & LIST_FIRST_MASK) |
		   (uint64_t)left << LIST_LEFT_SHIFT;
	tdg_vp_invvpid_give(regs, &out);
	if (repeat) /* with what is left of the list, when the interrupt has been served */
		guest_repeat(tx->lp);
	return s;
}

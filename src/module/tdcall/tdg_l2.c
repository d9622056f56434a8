/* SPDX-License-Identifier: MIT */
/* TDG.VP.ENTER, TDG.VP.INVEPT, TDG.VP.INVVPID: TD partitioning. L2 guests do not run here, so what
 * is implemented is the operands' checks; a call that passes them is answered as one on a VM that
 * its L1 has not made ready. */
#include "module/guest_memory.h"
#include "module/leaves.h"

#define VM_SHIFT     52
#define VM_MASK	     (3ull << VM_SHIFT)
#define ENTER_INVEPT 3ull
#define INVVPID_LIST 1ull
#define ENTER_ALIGN  256

/* INVVPID's list: first entry 8:0, GPA 51:12, number of entries 61:52. */
#define LIST_RESERVED	 0xc000000000000e00ull
#define LIST_FIRST_MASK	 0x1ffu
#define LIST_LEFT_SHIFT	 52
#define LIST_MAX_ENTRIES 512

static bool vm_valid(const struct lp *lp, uint64_t rcx, uint64_t flags)
{
	unsigned vm = (unsigned)((rcx & VM_MASK) >> VM_SHIFT);

	return vm != 0 && vm <= lp->tdcs->num_l2_vms && !(rcx & ~(VM_MASK | flags));
}

struct tdx_status leaf_tdg_vp_enter(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_enter_in in = tdg_vp_enter_take(regs);

	/* RDX before RCX: 09-tdcall-operand-bits.vec */
	if (in.guest_state.v % ENTER_ALIGN || !td_gpa_valid(tx->lp->tdcs, in.guest_state, true))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	if (!vm_valid(tx->lp, in.vm_and_flags, ENTER_INVEPT))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_L2_VAPIC_GPA);
}

struct tdx_status leaf_tdg_vp_invept(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_invept_in in = tdg_vp_invept_take(regs);

	if (in.vms & 1 || in.vms >> (tx->lp->tdcs->num_l2_vms + 1))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	return tdx_success();
}

static bool canonical(uint64_t gla)
{
	int64_t sign = (int64_t)gla >> 47;

	return sign == 0 || sign == -1;
}

/* A list entry: GLA of the first page, and in 11:0 the number of further ones. */
static struct tdx_status invalidate(uint64_t entry)
{
	uint64_t first = entry & ~(TDX_PAGE_SIZE - 1);
	uint64_t last = first + (entry & (TDX_PAGE_SIZE - 1)) * TDX_PAGE_SIZE;

	return canonical(first) && canonical(last) ? tdx_success()
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

	if (!vm_valid(tx->lp, in.vm_and_flags, INVVPID_LIST))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	if (!(in.vm_and_flags & INVVPID_LIST))
		return invalidate(in.list);
	if (in.list & LIST_RESERVED || at + left > LIST_MAX_ENTRIES)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	list = guest_memory(tx, gpa(in.list & SEPT_HPA_MASK), false, GPA_PRIVATE,
			    TDX_OPERAND_ID_RDX, &s);
	if (!list)
		return s;
	while (left > 0 && !repeat) {
		s = invalidate(__atomic_load_n(&list[at], __ATOMIC_RELAXED));
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

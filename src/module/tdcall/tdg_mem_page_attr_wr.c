/* SPDX-License-Identifier: MIT */
/* TDG.MEM.PAGE.ATTR.WR: what the L2 VMs may do with a page of the TD.
 *
 * Locks: the entry (guest). RDX has the attributes and R8, in the same places, which of them to
 * write; the top bit of a VM in R8 also asks for its TLB to be flushed, which has no effect here.
 * The first L2 permission makes the page known to the VM (an alias), the last one gone unmakes it.
 */
#include "abi/eeq.h"
#include "arch/vmx.h"
#include "module/leaves.h"
#include "module/tdcall/page_attr.h"
#include "module/transition.h"

/* VM_CTLS: a missing L2 table is an EPT violation to the host, not an error to the guest. */
#define EPT_VIOLATION_ON_L2_WALK_FAILURE (1ull << 0)

struct plan {
	struct sept_ref ref;
	uint64_t attr;		     /* as it will be, or as it is when that would not be legal */
	uint64_t *entry[TD_MAX_VMS]; /* of the L2 trees, NULL: nothing to do there */
};

static struct tdx_status check_words(const struct tdcs *tdcs, uint64_t attr, uint64_t flags)
{
	for (unsigned vm = 0; vm < TD_MAX_VMS; vm++) {
		bool exists = vm > 0 && vm <= tdcs->num_l2_vms;
		unsigned a = vm_attr(attr, vm);

		if (a && (!exists || !(a & L2_ATTR_VALID)))
			return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
		if (!exists && vm_attr(flags, vm))
			return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	}
	return tdx_success();
}

/* Success without a fate: the entry is locked and may be changed. */
static struct tdx_status find_entry(struct tx *tx, gpa_level_t at, struct sept_ref *ref)
{
	enum tdx_level level = (enum tdx_level)gpa_level_level(at.v);
	gpa_t page = gpa_level_gpa(at.v);
	struct tdx_status s = tdx_success();

	if (!sept_operand_valid(at, TDX_LEVEL_4K, TDX_LEVEL_1G) ||
	    !td_gpa_valid(tx->lp->tdcs, page, true))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	ref->level = level;
	if (!sept_walk(tx, tx->lp->tdcs, page, ref)) {
		td_exit_page_call(tx->lp, page, level, ref, TDX_EEQ_ATTR_WR);
		return s;
	}
	s = tx_sept_lock(tx, ref);
	if (!tdx_is_success(s))
		return s;
	if (!sept_is_leaf(ref->value) && !sept_is_state(ref->value, TDX_SEPT_FREE))
		return tdx_error_num(TDX_PAGE_SIZE_MISMATCH, ref->level);
	if (!sept_allows(tx->leaf, ref->value))
		td_exit_page_call(tx->lp, page, level, ref, TDX_EEQ_ATTR_WR);
	return s;
}

static struct tdx_status l2_table_missing(struct tx *tx, unsigned vm, const struct sept_ref *l2)
{
	uint64_t allows = (l2->value & SEPT_PRESENT) << 3 | (l2->value & SEPT_XU ? 1ull << 6 : 0);
	struct tdx_eeq_entry where = {.level = l2->level, .vm = vm};

	if (!(tx->lp->tdcs->vm_ctls[vm] & EPT_VIOLATION_ON_L2_WALK_FAILURE))
		return tdx_error_pair(TDX_L2_SEPT_WALK_FAILED, (uint16_t)vm, (uint16_t)l2->level);
	td_exit_ept_violation(tx->lp, l2->gpa, VMX_EXIT_EPT_VIOLATION, EPT_VIOLATION_WRITE | allows,
			      tdx_eeq_pack(TDX_EEQ_GPA_DETAILS, where));
	return tdx_success();
}

/* One VM: its entry and its new attributes. legal is cleared when those cannot be. */
static struct tdx_status decode_vm(struct tx *tx, struct plan *p, unsigned vm, unsigned mask,
				   bool *legal)
{
	const struct lp *lp = tx->lp;
	uint64_t l1 = p->ref.value;
	unsigned given = vm_attr(p->attr, vm) & (mask | L2_ATTR_VALID), attr = given, now = 0;
	struct sept_ref l2 = {.level = p->ref.level};

	if (!(given & L2_ATTR_VALID))
		return tdx_success();
	if (l2_aliased(l1, vm)) {
		p->entry[vm] = l2_alias(tx, lp->tdr, lp->tdcs, vm, &p->ref, true);
		if (!p->entry[vm])
			return tdx_success();
		now = l2_sept_attr(*p->entry[vm], sept_has(l1, SEPT_IS_BLOCKEDW),
				   sept_has(l1, SEPT_IS_PENDING));
		attr = (now & ~(mask | L2_ATTR_VALID)) | given;
	} else if (!(attr & L2_ATTR_PRESENT)) {
		return tdx_success();
	}
	if ((attr & L2_ATTR_PRESENT) && !l2_attr_legal(attr)) {
		*legal = false;
		attr = now;
	}
	p->attr = with_vm_attr(p->attr, vm, attr);
	if (p->entry[vm] || !(attr & L2_ATTR_PRESENT))
		return tdx_success();
	if (!l2_sept_walk(tx, lp->tdr, lp->tdcs, vm, p->ref.gpa, true, &l2))
		return l2_table_missing(tx, vm, &l2);
	p->entry[vm] = l2.entry;
	return tdx_success();
}

static struct tdx_status decode(struct tx *tx, const struct tdg_mem_page_attr_wr_in *in,
				struct plan *p)
{
	struct tdx_status s = check_words(tx->lp->tdcs, in->attributes, in->flags);
	bool legal = true;

	if (tdx_is_success(s))
		s = find_entry(tx, in->at, &p->ref);
	p->attr = in->attributes;
	for (unsigned vm = 1; vm <= tx->lp->tdcs->num_l2_vms; vm++) {
		if (!tdx_is_success(s) || lp_decided(tx->lp))
			return s;
		s = decode_vm(tx, p, vm, vm_attr(in->flags, vm), &legal);
	}
	if (tdx_is_success(s) && !legal)
		return tdx_error(TDX_PAGE_ATTR_INVALID);
	return s;
}

/* Cannot fail: the entry is locked, and with it its aliases. */
static void commit(struct tx *tx, struct plan *p)
{
	uint64_t l1 = p->ref.value;
	/* Where acceptance of a large page was interrupted, how far it came is in the bits below.
	 */
	const uint64_t page = sept_address(l1) & ~(tdx_level_size(p->ref.level) - 1);

	for (unsigned vm = 1; vm < TD_MAX_VMS; vm++) {
		uint64_t *entry = p->entry[vm];
		unsigned attr = vm_attr(p->attr, vm);

		if (!entry)
			continue;
		if (attr & L2_ATTR_PRESENT) {
			l2_sept_write(entry, l2_aliased(l1, vm)
						     ? l2_sept_with_attr(*entry, attr)
						     : l2_sept_leaf(page, attr,
								    sept_has(l1, SEPT_IS_PENDING)));
			l1 |= l2_alias_bit(vm);
		} else {
			l2_sept_write(entry, L2_SEPT_FREE_ENTRY);
			l1 &= ~l2_alias_bit(vm);
			p->attr = with_vm_attr(p->attr, vm, L2_ATTR_VALID);
		}
	}
	tx_sept_store(tx, &p->ref, l1);
}

struct tdx_status leaf_tdg_mem_page_attr_wr(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_mem_page_attr_wr_in in = tdg_mem_page_attr_wr_take(regs);
	struct tdg_mem_page_attr_wr_out out = tdg_mem_page_attr_wr_failed(regs);
	struct plan plan = {.ref = {.entry = NULL}};
	struct tdx_status s = decode(tx, &in, &plan);

	if (lp_decided(tx->lp))
		return s;
	if (tdx_is_success(s)) {
		commit(tx, &plan);
		out.mapping = page_attr_mapping(&plan.ref);
	}
	if (tdx_is_success(s) || tdx_is(s, TDX_PAGE_ATTR_INVALID))
		out.attributes = plan.attr;
	tdg_mem_page_attr_wr_give(regs, &out);
	return s;
}

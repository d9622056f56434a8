/* SPDX-License-Identifier: MIT */
/* TDH.VP.INIT: bring a vCPU whose pages are all there to its initial state; it is then associated
 * with the caller's processor.
 *
 * Version 1 takes the vCPU's x2APIC id in R8, unique in the TD, and therefore keeps other callers
 * out. Locks: TDVPR exclusive, TDR shared (version 1: exclusive), OP_STATE shared. */
#include <swtdx/structs.h>
#include "arch/x86.h"
#include "module/cpuid_table.h"
#include "module/leaves.h"
#include "arch/msr.h"
#include "module/vcpu.h"
#include "module/vcpu_init.h"

#define XCR0_RESET XFAM_X87

struct plan {
	struct td td;
	struct vp vp;
	uint32_t index;
};

static struct tdx_status find_vp(struct tx *tx, const struct tdh_vp_init_in *in, struct plan *plan)
{
	uint64_t adjust = 0;
	struct tdx_status s;

	/* before the version: Intel's tdh_vp_init.c */
	machine_rdmsr(tx->lp->hw, MSR_TSC_ADJUST, &adjust);
	if (adjust != tx->mod->plat.tsc_adjust)
		return tdx_error_num(TDX_INCONSISTENT_MSR, MSR_TSC_ADJUST);
	if (in->version > tx->leaf->max_version)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	s = tx_vcpu(tx, in->tdvpr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE,
		    in->version ? LOCK_EXCLUSIVE : LOCK_SHARED, &plan->vp, &plan->td);
	if (!tdx_is_success(s))
		return s;
	if (plan->vp.vps->state != TDX_VCPU_UNINITIALIZED)
		return tdx_error_num(TDX_VCPU_STATE_INCORRECT, plan->vp.vps->state);
	return s;
}

/* Give the vCPU an x2APIC id, which no other of the TD may have. */
static struct tdx_status take_x2apic_id(struct td *td, uint32_t index, uint64_t id)
{
	struct tdcs_ext *ext = td->ext;

	if (id > UINT32_MAX)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	for (uint32_t i = 0; i < index; i++)
		if (ext->x2apic_ids[i] == id)
			return tdx_error_num(TDX_X2APIC_ID_NOT_UNIQUE, (uint32_t)id);
	ext->x2apic_ids[index] = (uint32_t)id;
	return tdx_success();
}

/* Take the next index; given back when the vCPU cannot have it. */
static struct tdx_status take_index(const struct tdh_vp_init_in *in, struct plan *plan)
{
	struct tdcs *tdcs = plan->td.tdcs;
	struct tdx_status s = tdx_success();

	plan->index = __atomic_fetch_add(&tdcs->num_vcpus, 1, __ATOMIC_RELAXED);
	if (plan->index >= tdcs->max_vcpus)
		s = tdx_error(TDX_MAX_VCPUS_EXCEEDED);
	else if (in->version > 0)
		s = take_x2apic_id(&plan->td, plan->index, in->x2apic_id);
	if (!tdx_is_success(s))
		__atomic_fetch_sub(&tdcs->num_vcpus, 1, __ATOMIC_RELAXED);
	return s;
}

static struct tdx_status decode(struct tx *tx, const struct tdh_vp_init_in *in, struct plan *plan)
{
	struct tdx_status s = find_vp(tx, in, plan);

	return tdx_is_success(s) ? take_index(in, plan) : s;
}

static void init_registers(const struct module *mod, const struct tdcs *tdcs, struct tdvps *vps,
			   uint64_t rcx)
{
	vps->gpr.rbx = tdcs->gpaw ? 52 : 48;
	vps->gpr.rcx = rcx;
	vps->gpr.r8 = rcx;
	vps->gpr.rdx = mod->plat.cpuid[cpuid_row(1, CPUID_ANY_SUBLEAF)].eax;
	vps->gpr.rsi = vps->vcpu_index;
	vps->xcr0 = XCR0_RESET;
	vps->dr6 = DR6_RESET;
}

/* Cannot fail: the vCPU is the caller's alone and has its index and its pages. */
static void commit(struct tx *tx, const struct tdh_vp_init_in *in, struct plan *plan)
{
	const struct td *td = &plan->td;
	struct tdcs *tdcs = td->tdcs;
	struct tdvps *vps = plan->vp.vps;

	if (in->version == 0) {
		__atomic_store_n(&tdcs->topology_enum_configured, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&tdcs->ve_reduction_valid, 0, __ATOMIC_RELAXED);
	}
	vps->vcpu_index = plan->index;
	init_registers(tx->mod, tdcs, vps, in->initial_rcx);
	vcpu_init(tx, td, &plan->vp);
	__atomic_store_n(&vps->state, TDX_VCPU_READY, __ATOMIC_RELEASE);
}

struct tdx_status leaf_tdh_vp_init(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_vp_init_in in = tdh_vp_init_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (tdx_is_success(s))
		commit(tx, &in, &plan);
	return s;
}

/* SPDX-License-Identifier: MIT */
/* Counting what the guest executes between two entries, faults without progress and single steps;
 * see module/stepping.h. */
#include "module/stepping.h"

#include "arch/msr.h"
#include "arch/vmx.h"
#include "arch/x86.h"
#include "module/guest_memory.h"
#include "module/profile.h"
#include "module/transition.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

#define NOTIFY_EPT_FAULTS (1ull << 0)

enum {
	PROGRESS_INSTRUCTIONS = 1, /* more than that, */
	PROGRESS_ITERATIONS = 1,   /* or more of a REP, */
	PROGRESS_BYTES = 32,	   /* with PERFMON so far in RIP, */
	PROGRESS_TSC = 4096,	   /* or so long */
	MAX_STEPS = 32,
	RDRAND_ATTEMPTS = 10,
	DEBUG_REGISTERS = 4,
};

static bool has_perfmon(const struct lp *lp)
{
	return (lp->tdcs->attributes & TDX_ATTR_PERFMON) != 0;
}

/* --- what kind of exit --- */

static bool is_nmi(const struct vmexit *e)
{
	return (e->reason & VMX_EXIT_BASIC_MASK) == VMX_EXIT_EXCEPTION_OR_NMI &&
	       (e->intr_info & VMX_EVENT_VECTOR_MASK) == VECTOR_NMI;
}

/* Events a host can time. A machine-check SMI is not one of them. */
static bool is_timed(const struct vmexit *e)
{
	switch (e->reason & VMX_EXIT_BASIC_MASK) {
	case VMX_EXIT_EXTERNAL_INTERRUPT:
	case VMX_EXIT_INIT:
	case VMX_EXIT_MTF:
		return true;
	case VMX_EXIT_OTHER_SMI:
		return !(e->qualification & SMI_QUAL_MSMI);
	default:
		return is_nmi(e);
	}
}

/* --- stepping --- */

static bool progressed(const struct lp *lp)
{
	const struct tdvps *vps = lp->vps;
	uint64_t retired = lp->hw->retired, rip, moved;

	if (!has_perfmon(lp)) /* fixed counter 0 is the module's */
		return retired > PROGRESS_INSTRUCTIONS ||
		       (retired == 0 &&
			lp->stepping.rcx_on_entry - vps->gpr.rcx > PROGRESS_ITERATIONS);
	rip = vmcs_read(lp->vmcs, VMCS_GUEST_RIP);
	moved = rip > vps->rip_on_entry ? rip - vps->rip_on_entry : vps->rip_on_entry - rip;
	return moved > PROGRESS_BYTES || vps->last_exit_tsc - vps->last_entry_tsc > PROGRESS_TSC;
}

/* Without a local APIC nothing could be sent again. */
static bool apic_enabled(const struct lp *lp)
{
	uint64_t base = 0;

	return machine_rdmsr(lp->hw, MSR_APIC_BASE, &base) && base & APIC_BASE_ENABLE;
}

static bool random_steps(const struct lp *lp, uint8_t *steps)
{
	uint64_t random;

	for (unsigned i = 0; i < RDRAND_ATTEMPTS; i++)
		if (machine_rdrand(lp->hw, &random)) {
			*steps = (uint8_t)(random % MAX_STEPS + 1);
			return true;
		}
	return false;
}

static enum stepping_exit begin(struct lp *lp)
{
	const struct vmexit *e = &lp->exit;

	if (progressed(lp))
		return STEPPING_GO_ON;
	if (!apic_enabled(lp))
		return STEPPING_NO_APIC;
	if (!random_steps(lp, &lp->stepping.left))
		return STEPPING_NO_ENTROPY;
	lp->stepping.active = true;
	machine_mask_interrupts(lp->hw);
	if ((e->reason & VMX_EXIT_BASIC_MASK) == VMX_EXIT_EXTERNAL_INTERRUPT) {
		machine_eoi(lp->hw);
		machine_self_ipi(lp->hw, MACHINE_IPI_FIXED,
				 (uint8_t)(e->intr_info & VMX_EVENT_VECTOR_MASK));
	}
	vmcs_set_bits(lp->vmcs, VMCS_PROCBASED_CTLS, PROCBASED_MONITOR_TRAP);
	return STEPPING_RESUME;
}

/* Will the guest have a #DB before its next instruction, which a MOV SS would put off? */
static bool debug_event_due(const struct lp *lp)
{
	const uint64_t dr7 = vmcs_read(lp->vmcs, VMCS_GUEST_DR7);
	const uint64_t rip = vmcs_read(lp->vmcs, VMCS_GUEST_RIP);

	if (vmcs_read(lp->vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS) &
	    (PENDING_DEBUG_ENABLED | PENDING_DEBUG_BS | PENDING_DEBUG_RTM))
		return true;
	for (unsigned n = 0; n < DEBUG_REGISTERS; n++)
		if (dr7 >> (2 * n) & 3 && !(dr7 >> (16 + 4 * n) & 0xf) && lp->vps->dr[n] == rip)
			return true;
	return false;
}

/* As behind a MOV SS: no event comes before the next instruction. */
static void step(struct lp *lp)
{
	struct vmcs *vmcs = lp->vmcs;

	lp->stepping.left--;
	if (debug_event_due(lp) ||
	    vmcs_read(vmcs, VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_STI)
		return;
	vmcs_pend_single_step(vmcs);
	vmcs_set_bits(vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_MOV_SS);
}

static enum stepping_exit finish(struct lp *lp)
{
	const struct vmexit *e = &lp->exit;
	const unsigned reason = e->reason & VMX_EXIT_BASIC_MASK;

	if (lp->stepping.nmi && !is_nmi(e))
		machine_self_ipi(lp->hw, MACHINE_IPI_NMI, 0);
	if (lp->stepping.init && reason != VMX_EXIT_INIT)
		machine_self_ipi(lp->hw, MACHINE_IPI_INIT, 0);
	machine_unmask_interrupts(lp->hw);
	vmcs_clear_bits(lp->vmcs, VMCS_PROCBASED_CTLS, PROCBASED_MONITOR_TRAP);
	lp->stepping.active = lp->stepping.nmi = lp->stepping.init = false;
	lp->stepping.left = 0;
	if (reason != VMX_EXIT_MTF)
		return STEPPING_GO_ON;
	/* what is pending now goes to the host */
	if (has_perfmon(lp))
		lp->vps->last_entry_tsc = 0;
	else
		lp->hw->retired = PROGRESS_INSTRUCTIONS + 1;
	return STEPPING_RESUME;
}

enum stepping_exit stepping_exit(struct lp *lp)
{
	if (!lp->exit.stall) {
		lp->vps->epf_list_len = 0;
		lp->vps->epf_count = 0;
	}
	if (is_timed(&lp->exit)) {
		enum stepping_exit r = lp->stepping.active ? STEPPING_RESUME : begin(lp);

		if (r != STEPPING_RESUME)
			return r;
		lp->stepping.nmi |= is_nmi(&lp->exit);
		lp->stepping.init |= (lp->exit.reason & VMX_EXIT_BASIC_MASK) == VMX_EXIT_INIT;
		if (lp->stepping.left > 0) {
			step(lp);
			return STEPPING_RESUME;
		}
	}
	return lp->stepping.active ? finish(lp) : STEPPING_GO_ON;
}

void stepping_count(const struct lp *lp, unsigned instructions)
{
	if (!has_perfmon(lp))
		lp->hw->retired += instructions;
}

void stepping_start(struct lp *lp)
{
	lp->vps->last_entry_tsc = machine_rdtsc(lp->hw);
	if (has_perfmon(lp))
		return;
	lp->hw->retired = 0;
	lp->stepping.rcx_on_entry = lp->vps->gpr.rcx;
}

void stepping_fault(struct lp *lp, gpa_t gpa_)
{
	struct tdvps *vps = lp->vps;

	if (vps->epf_count < STEPPING_EPF_THRESHOLD) {
		vps->epf_count++;
		return;
	}
	if (vps->epf_list_len >= EPF_LIST_SIZE)
		return;
	for (unsigned i = 0; i < vps->epf_list_len; i++)
		if (vps->epf_gpa_list[i] == gpa_.v)
			return;
	vps->epf_gpa_list[vps->epf_list_len++] = gpa_.v;
}

/* Would any access to the page fault, in a way the guest cannot cure itself by accepting? */
static bool fault_expected(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_)
{
	uint64_t entry, pa;
	unsigned rwx;

	switch (guest_walk_private(tx, tdcs, gpa_, 7, &entry, &rwx, &pa)) {
	case GPA_WALK_OK:
	case GPA_WALK_CONVERTIBLE:
		return false;
	case GPA_WALK_MISCONFIG:
	case GPA_WALK_VIOLATION:
		break;
	}
	return !sept_has(entry, SEPT_IS_PENDING | SEPT_IS_ACCEPTABLE) ||
	       (tdcs_td_ctls(tdcs) & TDX_TD_CTLS_PENDING_VE_DISABLE) != 0;
}

enum stepping_verdict stepping_entry(struct tx *tx, const struct td *td, struct vp *vp, gpa_t *gpa_)
{
	struct tdvps *vps = vp->vps;

	vps->rip_on_entry = vmcs_read(vp->vmcs, VMCS_GUEST_RIP);
	if (__builtin_expect(vps->epf_list_len == 0, 1))
		return STEPPING_ENTER;
	if (tx_try(tx, LOCK_SEPT_TREE, td->pa.v, &td->tdcs->sept_lock,
		   tx->mod->profile->zero_step_tree) != LOCK_OK)
		return STEPPING_TREE_BUSY;
	for (unsigned i = 0; i < vps->epf_list_len; i++) {
		gpa_t page = gpa(vps->epf_gpa_list[i]);

		if (!fault_expected(tx, td->tdcs, page))
			continue;
		*gpa_ = page;
		return STEPPING_REFUSE;
	}
	return td->tdcs->notify_enables & NOTIFY_EPT_FAULTS ? STEPPING_NOTIFY : STEPPING_ENTER;
}

/* SPDX-License-Identifier: MIT */
/* CPUID: the values TDH.MNG.INIT computed, with what depends on the moment filled in, or a #VE.
 *
 * ABI: "CPUID Virtualization". A #VE is raised for the hypervisor's range always, for everything
 * when the guest asked for it (TDG.VP.CPUIDVE.SET, CPUID_CONTROL), and for leaves the module does
 * not virtualise, of which TD_CTLS leaves fewer: REDUCE_VE, VIRT_CPUID2, ENUM_TOPOLOGY. */
#include "arch/cpuid.h"
#include "arch/x86.h"
#include "module/cpuid_table.h"
#include "module/exits.h"
#include "module/inject.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

/* Leaf 4 EAX: counts of sharing IDs, as the host configured them. */
#define L4_EAX_CONFIGURED    0xffffc000u

#define TSX_CTRL_CPUID_CLEAR (1ull << 1)

enum { CPUID_CONTROL_SUPERVISOR = 1, CPUID_CONTROL_USER = 2 };

struct query {
	struct lp *lp;
	uint32_t leaf, subleaf;
	bool reduce_ve;
	struct tdcs_cpuid_value v;
};

static void set_bit(uint32_t *word, uint32_t bit, bool on)
{
	*word = on ? *word | bit : *word & ~bit;
}

static uint32_t x2apic_id(const struct lp *lp)
{
	return lp->ext->x2apic_ids[lp->vps->vcpu_index];
}

/* Last leaves of the two ranges; TDs made by older modules have zero there. */
static uint32_t last_base_leaf(const struct lp *lp)
{
	return lp->ext->cpuid_last_base_leaf ? lp->ext->cpuid_last_base_leaf
					     : (uint32_t)CPUID_LAST_BASE_LEAF;
}

static uint32_t last_ext_leaf(const struct lp *lp)
{
	return lp->ext->cpuid_last_ext_leaf ? lp->ext->cpuid_last_ext_leaf : CPUID_LAST_EXT_LEAF;
}

static void leaf_1(struct query *q)
{
	const struct lp *lp = q->lp;
	const struct tdcs_cpuid_flags flags = tdcs_cpuid_flags(lp->tdcs), *f = &flags;
	bool topology = (tdcs_td_ctls(lp->tdcs) & TDX_TD_CTLS_ENUM_TOPOLOGY) != 0;
	uint32_t id = topology ? x2apic_id(lp) : lp->vps->vcpu_index;

	q->v.ebx = (q->v.ebx & 0x00ffffffu) | id << 24;
	set_bit(&q->v.ecx, CPUID_BIT(ECX, DCA), f->dca);
	set_bit(&q->v.ecx, CPUID_BIT(ECX, TSC_DEADLINE), f->tsc_deadline);
	set_bit(&q->v.ecx, CPUID_BIT(ECX, EST), f->est);
	set_bit(&q->v.ecx, CPUID_BIT(ECX, TM2), f->tm2);
	set_bit(&q->v.ecx, CPUID_BIT(ECX, OSXSAVE),
		(vmcs_read(lp->vmcs, VMCS_GUEST_CR4) & CR4_OSXSAVE) != 0);
	set_bit(&q->v.edx, CPUID_BIT(EDX, MCE), !f->no_mce);
	set_bit(&q->v.edx, CPUID_BIT(EDX, MCA), !f->no_mca);
	set_bit(&q->v.edx, CPUID_BIT(EDX, MTRR), !f->no_mtrr);
	set_bit(&q->v.edx, CPUID_BIT(EDX, ACPI), f->acpi);
}

/* With fewer #VEs the guest sees the caches of the platform. */
static void leaf_4(struct query *q)
{
	uint32_t configured = q->v.eax & L4_EAX_CONFIGURED;

	if (!q->reduce_ve || q->subleaf >= 4)
		return;
	q->v = q->lp->ext->cpuid4_native_values[q->subleaf];
	q->v.eax = (q->v.eax & ~L4_EAX_CONFIGURED) | configured;
}

static void leaf_7(struct query *q)
{
	const struct lp *lp = q->lp;
	const struct tdcs_cpuid_flags flags = tdcs_cpuid_flags(lp->tdcs), *f = &flags;

	set_bit(&q->v.ebx, CPUID_BIT(EBX, RDT_A), f->rdt_a);
	set_bit(&q->v.ebx, CPUID_BIT(EBX, RDT_M), f->rdt_m);
	set_bit(&q->v.ecx, CPUID_BIT(ECX, TME), f->tme);
	set_bit(&q->v.edx, CPUID_BIT(EDX, PCONFIG), f->pconfig);
	set_bit(&q->v.edx, CPUID_BIT(EDX, CORE_CAPABILITIES), !f->no_core_capabilities);
	if (f->tsx && lp->vps->msr.tsx_ctrl & TSX_CTRL_CPUID_CLEAR)
		q->v.ebx &= ~(CPUID_BIT(EBX, HLE) | CPUID_BIT(EBX, RTM));
	set_bit(&q->v.ecx, CPUID_BIT(ECX, OSPKE),
		(vmcs_read(lp->vmcs, VMCS_GUEST_CR4) & CR4_PKE) != 0);
}

/* EBX of leaf 0xd: the image of what is enabled now, as the processor tells it of the guest's XCR0
 * and IA32_XSS (SDM vol. 2, CPUID); sub-leaf 1 has the compacted one. */
static uint32_t xsave_size(const struct query *q)
{
	const struct vmexit *x = &q->lp->exit;

	if (!x->xcr0)
		return machine_cpuid(q->lp->hw, q->leaf, q->subleaf).ebx;
	return machine_xsave_size(q->lp->hw, q->subleaf ? x->xcr0 | x->xss : x->xcr0,
				  q->subleaf != 0);
}

/* What depends on the moment, for leaves with a row. False: #VE. */
static bool complete(struct query *q)
{
	const struct tdcs *tdcs = q->lp->tdcs;

	switch (q->leaf) {
	case 0x1:
		leaf_1(q);
		break;
	case 0x2:
		return (tdcs_td_ctls(tdcs) & TDX_TD_CTLS_VIRT_CPUID2) != 0;
	case 0x4:
		leaf_4(q);
		break;
	case 0x6:
	case 0xc:
	case 0x16:
	case 0x17:
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
	case 0x80000005:
		return q->reduce_ve;
	case 0x7:
		if (q->subleaf == 0)
			leaf_7(q);
		break;
	case 0x9:
		return q->reduce_ve && !tdcs_cpuid_flags(tdcs).dca;
	case 0xb:
	case 0x1f:
		q->v.edx = x2apic_id(q->lp);
		return (tdcs_td_ctls(tdcs) & TDX_TD_CTLS_ENUM_TOPOLOGY) != 0;
	case 0xd:
		if (q->subleaf <= 1)
			q->v.ebx = xsave_size(q);
		break;
	case 0xf:
		return q->reduce_ve && !tdcs_cpuid_flags(tdcs).rdt_m;
	case 0x10:
		return q->reduce_ve && !tdcs_cpuid_flags(tdcs).rdt_a;
	case 0x1b:
		return q->reduce_ve && !tdcs_cpuid_flags(tdcs).pconfig;
	case 0x80000001:
		set_bit(&q->v.edx, CPUID_BIT(EDX, SYSCALL), guest_in_64bit_mode(q->lp));
		break;
	}
	return true;
}

/* A leaf or sub-leaf the tables do not have: zeros, when they may be given. */
static bool without_row(struct query *q)
{
	const struct lp *lp = q->lp;

	if (cpuid_fixed0(lp->ext->cpuid_fixed0_bitmap, q->leaf))
		return complete(q);
	if (!q->reduce_ve)
		return false;
	if (q->leaf == 0xb || q->leaf == 0x1f) {
		q->v.ecx = q->subleaf & 0xff;
		q->v.edx = x2apic_id(lp);
	}
	return true;
}

/* False: #VE. */
static bool answer(struct query *q)
{
	const struct lp *lp = q->lp;
	bool user = guest_cpl(lp) > 0;
	unsigned row;

	if (user ? lp->vps->cpuid_user_ve : lp->vps->cpuid_supervisor_ve)
		return false;
	if (q->leaf > last_ext_leaf(lp) ||
	    (q->leaf > last_base_leaf(lp) && q->leaf < CPUID_FIRST_EXT_LEAF))
		q->leaf = last_base_leaf(lp);
	row = cpuid_row(q->leaf, q->subleaf);
	if (row == CPUID_NO_ROW)
		return without_row(q);
	if (!q->reduce_ve && !lp->tdcs->cpuid_valid[row])
		return false;
	if (lp->vps->cpuid_control[row] & (user ? CPUID_CONTROL_USER : CPUID_CONTROL_SUPERVISOR))
		return false;
	q->v = lp->tdcs->cpuid_values[row];
	return complete(q);
}

void module_guest_cpuid(struct module *mod, unsigned lp, uint32_t leaf, uint32_t subleaf,
			uint32_t out[4])
{
	struct query q = {.lp = &mod->lp[lp], .leaf = leaf, .subleaf = subleaf};
	const unsigned row = cpuid_row(leaf, subleaf);

	if (row != CPUID_NO_ROW) {
		q.v = q.lp->tdcs->cpuid_values[row];
		(void)complete(&q);
	}
	out[0] = q.v.eax;
	out[1] = q.v.ebx;
	out[2] = q.v.ecx;
	out[3] = q.v.edx;
}

void exit_cpuid(struct lp *lp)
{
	struct tdx_regs *regs = &lp->vps->gpr;
	struct query q = {
		.lp = lp,
		.leaf = (uint32_t)regs->rax,
		.subleaf = (uint32_t)regs->rcx,
		.reduce_ve = (tdcs_td_ctls(lp->tdcs) & TDX_TD_CTLS_REDUCE_VE) != 0,
	};

	if (q.leaf >= CPUID_RESERVED_FIRST && q.leaf <= CPUID_RESERVED_LAST) {
		guest_inject_ve(lp, VMX_EXIT_CPUID, 0, 0, 0, VE_NON_CONFIG_PARAVIRT);
		return;
	}
	if (!answer(&q)) {
		guest_inject_ve(lp, VMX_EXIT_CPUID, 0, 0, 0, VE_CONFIG_PARAVIRT);
		return;
	}
	regs->rax = q.v.eax;
	regs->rbx = q.v.ebx;
	regs->rcx = q.v.ecx;
	regs->rdx = q.v.edx;
}

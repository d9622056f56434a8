/* SPDX-License-Identifier: MIT */
/* Random guests: TDCALLs with operands mostly right, and VM exits of every kind. */
#include "abi/metadata.h"
#include "arch/vmx.h"
#include "fuzz/fuzz_module_oracle.h"
#include "module/internal.h"
#include "module/vmcs.h"

/* Legal attributes of a page for some of the L2 VMs there are. */
static void attributes(struct actor *a, struct tdx_regs *r)
{
	static const uint64_t some[] = {0, 1, 3, 5, 0xf, 0x13, 0x23, 0x47, 0x4f, 0xc};

	r->rdx = r->r8 = 0;
	for (unsigned vm = 1; vm <= a->w->mod->lp[a->lp].tdcs->num_l2_vms; vm++) {
		if (chance(a, 30))
			continue;
		r->rdx |= (0x8000 | some[below(a, sizeof(some) / sizeof(some[0]))]) << 16 * vm;
		r->r8 |= (chance(a, 80) ? 0x7full : rnd(a) & 0x7f) << 16 * vm;
	}
}

static struct tdx_regs tdcall(struct actor *a)
{
	static const uint8_t often[] = {
		TDG_MEM_PAGE_ACCEPT,
		TDG_MEM_PAGE_ACCEPT,
		TDG_MEM_PAGE_ACCEPT,
		TDG_VP_INFO,
		TDG_VP_VEINFO_GET,
		TDG_VM_RD,
		TDG_VM_WR,
		TDG_VP_RD,
		TDG_VP_WR,
		TDG_MR_RTMR_EXTEND,
		TDG_MR_REPORT,
		TDG_SYS_RD,
		TDG_SYS_RDALL,
		TDG_VP_VMCALL,
		TDG_VP_CPUIDVE_SET,
		TDG_MEM_PAGE_ATTR_RD,
		TDG_MEM_PAGE_ATTR_WR,
	};
	struct tdx_regs r = {.rax = 0};
	unsigned level = below(a, 2);

	if (chance(a, 50))
		registers_canaries(a, &r);
	r.rax = often[below(a, sizeof(often))];
	if (chance(a, 25) && a->w->mod->lp[a->lp].tdcs->num_l2_vms)
		r.rax = TDG_MEM_PAGE_ATTR_WR;
	switch (r.rax) {
	case TDG_MEM_PAGE_ACCEPT:
	case TDG_MEM_PAGE_ATTR_RD:
	case TDG_MEM_PAGE_ATTR_WR:
		r.rcx = world_gpa(a, level) | level;
		r.rdx = chance(a, 50) ? 0 : world_junk(a);
		r.r8 = chance(a, 50) ? 0 : world_junk(a);
		if (r.rax == TDG_MEM_PAGE_ATTR_WR && chance(a, 80))
			attributes(a, &r);
		break;
	case TDG_VM_RD:
	case TDG_VM_WR:
		r.rdx = world_metadata_id(a, MD_CTX_TD);
		r.r8 = world_junk(a);
		r.r9 = chance(a, 50) ? ~0ull : world_junk(a);
		break;
	case TDG_VP_RD:
	case TDG_VP_WR:
		r.rdx = world_metadata_id(a, MD_CTX_VP);
		r.r8 = world_junk(a);
		r.r9 = chance(a, 50) ? ~0ull : world_junk(a);
		break;
	case TDG_SYS_RD:
		r.rdx = world_metadata_id(a, MD_CTX_SYS);
		break;
	case TDG_SYS_RDALL:
		r.rdx = world_gpa(a, 0);
		r.r8 = world_metadata_id(a, MD_CTX_SYS);
		break;
	case TDG_MR_RTMR_EXTEND:
		r.rcx = world_gpa(a, 0) + below(a, 64) * 64;
		r.rdx = below(a, 5);
		break;
	case TDG_MR_REPORT:
		r.rcx = world_gpa(a, 0) + below(a, 4) * 1024;
		r.rdx = world_gpa(a, 0) + below(a, 64) * 64;
		break;
	case TDG_VP_VMCALL:
		r.rcx = chance(a, 50)	? 0xfc00
			: chance(a, 60) ? rnd(a) & 0xffffffec
					: world_junk(a);
		r.r11 = below(a, 50);
		break;
	}
	if (chance(a, 10))
		*tdx_reg(&r, 1 + below(a, 15)) ^= world_junk(a);
	if (chance(a, 5))
		r.rax = below(a, TDX_TDCALL_LEAVES) | (uint64_t)below(a, 3) << 16;
	return r;
}

/* Does the processor leave the guest for this MSR? Others never come to the module. */
static bool msr_exits(struct actor *a, uint32_t msr, bool write)
{
	const struct machine *m = a->w->m;
	const struct lp *lp = &a->w->mod->lp[a->lp];
	const uint8_t *bitmap =
		machine_ptr(m, machine_strip(m, lp->tdr->tdcx_pa[TDCS_PAGE_MSR_BITMAPS]));
	unsigned n = msr & 0x1fff;

	if (msr >= 0xc0000000 && msr < 0xc0002000)
		bitmap += 1024;
	else if (msr >= 0x2000)
		return true;
	return bitmap[(write ? 2048 : 0) + n / 8] >> n % 8 & 1;
}

static struct vmexit other_exit(struct actor *a, struct tdx_regs *r)
{
	static const uint8_t reasons[] = {1,  1,  1,  10, 12, 18, 30, 31, 32, 31, 32, 48, 48, 48,
					  28, 29, 54, 55, 57, 61, 13, 14, 0,  74, 75, 49, 49};
	struct vmexit x = {.reason = reasons[below(a, sizeof(reasons))], .instr_len = 2};

	if (chance(a, 50))
		registers_canaries(a, r);
	else
		for (unsigned i = 0; i < 16; i++)
			*tdx_reg(r, i) = world_junk(a);
	switch (x.reason) {
	case 0:
		x.intr_info = below(a, 500) ? 0x80000202 : 0x80000312; /* NMI, machine check */
		break;
	case 1:
		x.intr_info = 0x80000000u | (32 + below(a, 200));
		break;
	case 10:
		r->rax = chance(a, 80) ? below(a, 0x25) : world_junk(a);
		r->rcx = below(a, 6);
		break;
	case 31:
	case 32:
		r->rcx = chance(a, 70) ? below(a, 0x1900) : 0xc0000080u + below(a, 0x90);
		if (!msr_exits(a, (uint32_t)r->rcx, x.reason == 32))
			r->rcx = 0x4b564d00; /* a hypervisor's own, of no processor */
		break;
	case 48:
		x.gpa = world_gpa(a, 0) + below(a, 4096);
		x.qualification = 1ull << below(a, 3) | 0x180;
		if (chance(a, 20))
			x.gpa |= 1ull << (chance(a, 50) ? 47 : 51);
		break;
	case 49: /* only a host makes a wrong entry */
		x.gpa = world_gpa(a, 0) + below(a, 4096);
		x.gpa |= 1ull << (a->w->mod->lp[a->lp].tdcs->gpaw ? 51 : 47);
		break;
	case 28:
	case 29:
	case 30:
		x.qualification = world_junk(a);
		break;
	}
	return x;
}

/* Registers that are no outputs of the TDCALL come back as they were. */
static bool kept_others(const struct tdx_regs *in, const struct tdx_regs *out)
{
	const struct tdx_leaf_info *leaf = tdx_tdcall_leaf(tdx_rax_leaf(in->rax));
	unsigned may = TDX_REG_BIT(0);

	if (leaf)
		may |= tdx_leaf_outputs(leaf, tdx_rax_version(in->rax));
	for (unsigned i = 0; i < 16; i++)
		if (!(may & TDX_REG_BIT(i)) && (&in->rax)[i] != (&out->rax)[i])
			return false;
	return true;
}

void guest_step(struct actor *a)
{
	struct tdx_regs *regs = module_guest_regs(a->w->mod, a->lp);
	struct vmcs *vmcs = module_vmcs(a->w->mod, a->lp);
	struct logged *l = &a->log[a->n % WORLD_LOG];
	struct vmexit x = {.reason = 77, .instr_len = 4};
	bool calls = chance(a, 70);
	uint64_t tdvpr;
	unsigned leaf;

	if (calls)
		*regs = tdcall(a);
	else
		x = other_exit(a, regs);
	x.stall = chance(a, 20);
	a->w->m->lp[a->lp].retired = x.stall ? 0 : 1000;
	if (!x.stall)
		vmcs_write(vmcs, VMCS_GUEST_RIP, vmcs_read(vmcs, VMCS_GUEST_RIP) + 0x100);
	leaf = tdx_rax_leaf(regs->rax);
	tdvpr = a->w->mod->lp[a->lp].tdvpr_pa.v;
	if (a->w->oracle) {
		refused_before(a, a->w->mod->lp[a->lp].tdr_pa.v);
		shadow_before_tdcall(a, regs);
	}
	*l = (struct logged){.n = a->n, .guest = true, .reason = x.reason, .in = *regs};
	switch (module_vmexit(a->w->mod, a->lp, &x, regs)) {
	case MODULE_SHUTDOWN:
		a->violation = "a fatal error of the module";
		return;
	case MODULE_TO_HOST:
		l->rax = module_host_regs(a->w->mod, a->lp)->rax;
		a->in_guest = false;
		atomic_fetch_add_explicit(&a->w->exits, 1, memory_order_relaxed);
		if (!tdx_status_info(tdx_status(l->rax)))
			a->violation = "a TD exit with a status the ABI does not have";
		registers_after_exit(a, &x, &l->in);
		return;
	case MODULE_TO_GUEST:
		l->rax = regs->rax;
		break;
	}
	if (!calls || leaf >= TDX_TDCALL_LEAVES || module_entry(a->w->mod, a->lp).info >> 31)
		return;
	if (!kept_others(&l->in, regs))
		a->violation = "a register of the guest that is no output changed";
	if (a->w->oracle && !a->violation) {
		refused_after(a, tdx_status(regs->rax), tdvpr);
		shadow_after_tdcall(a, &l->in, regs);
	}
	atomic_fetch_add_explicit(&a->w->tdcalls[leaf], 1, memory_order_relaxed);
	if (tdx_is_success(tdx_status(regs->rax)))
		atomic_fetch_add_explicit(&a->w->tdgood[leaf], 1, memory_order_relaxed);
}

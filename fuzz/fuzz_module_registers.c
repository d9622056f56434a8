/* SPDX-License-Identifier: MIT */
/* Whose registers are seen by whom. Each processor by itself, except for what a guest finds when it
 * comes back, which may be on another one. */
#include "arch/vmx.h"
#include "fuzz/fuzz_module_oracle.h"
#include "module/internal.h"

#include <swtdx/structs.h>

enum { RAX = 0, RCX = 1, RDX = 2, RSP = 4, RBP = 5, R8 = 8, R9 = 9 };

/* In RCX of any TD exit: an interrupt waits that the guest would take. */
#define RESUME_HINT (1ull << 63)

void registers_canaries(struct actor *a, struct tdx_regs *r)
{
	for (unsigned i = 0; i < 16; i++)
		*tdx_reg(r, i) = rnd(a) | 0xca00000000000000ull;
}

static bool guest_has(const struct tdx_regs *guest, uint64_t value)
{
	for (unsigned i = 0; i < 16; i++)
		if ((&guest->rax)[i] == value)
			return true;
	return false;
}

/* Nothing but what exits are described with: five words, of which R8 is a page. */
static void check_async(struct actor *a, const struct tdx_regs *guest)
{
	const struct tdx_regs *host = module_host_regs(a->w->mod, a->lp);

	for (unsigned i = 1; i < 16; i++) {
		uint64_t v = (&host->rax)[i];

		if (i == RCX || i == RDX || i == R8 || i == R9) {
			if (v >> 56 == 0xca && guest_has(guest, v))
				a->violation = "an exit showed the host a register of the guest";
		} else if (i == RSP || i == RBP) {
			if (v != (&a->entered_with.rax)[i] && (v || i == RSP || a->keeps_rbp))
				a->violation = "an exit changed the host's stack registers";
		} else if (v) {
			a->violation = "an exit left the host a register that is not zero";
		}
	}
	if (host->r8 & (TDX_PAGE_SIZE - 1))
		a->violation = "an exit showed the host where in a page the guest was";
}

static void check_vmcall(struct actor *a, const struct tdx_regs *guest)
{
	const struct tdx_regs *host = module_host_regs(a->w->mod, a->lp);

	for (unsigned i = 1; i < 16; i++) {
		bool shown = i == RCX || guest->rcx >> i & 1;
		uint64_t v = (&host->rax)[i];

		if (i == RSP || (i == RBP && !shown && v == a->entered_with.rbp))
			continue;
		if (i == RCX)
			v &= ~RESUME_HINT;
		if (v != (shown ? (&guest->rax)[i] : 0))
			a->violation = "TDG.VP.VMCALL does not show what its mask says";
	}
}

/* An instruction that exits has not been executed; RAX may say how a host recovered. */
static bool kept_all(const struct tdx_regs *was, const struct tdx_regs *is)
{
	for (unsigned i = 1; i < 16; i++)
		if ((&was->rax)[i] != (&is->rax)[i])
			return false;
	return true;
}

void registers_after_exit(struct actor *a, const struct vmexit *x, const struct tdx_regs *guest)
{
	const struct lp *lp = &a->w->mod->lp[a->lp];
	uint64_t why = module_host_regs(a->w->mod, a->lp)->rax;
	bool vmcall = (why & ~(uint64_t)VMX_EXIT_BUS_LOCK_PREEMPTED) == VMX_EXIT_TDCALL;
	struct vcpu_shadow *v;

	if (vmcall)
		check_vmcall(a, guest);
	else
		check_async(a, guest);
	v = a->w->oracle ? shadow_vcpu(a->w->oracle, lp->tdvpr_pa.v, false) : NULL;
	if (!v || tdx_is_fatal(tdx_status(why)))
		return;
	if (x->reason != VMX_EXIT_TDCALL && !kept_all(guest, &lp->vps->gpr))
		a->violation = "an exit changed a register of the guest";
	v->left = true;
	v->by_vmcall = vmcall;
	v->regs = lp->vps->gpr;
}

/* The guest goes on with what it had, and what it let the host change. */
void registers_after_entry(struct actor *a, const struct tdx_regs *in)
{
	const struct lp *lp = &a->w->mod->lp[a->lp];
	const struct tdx_regs *guest = module_guest_regs(a->w->mod, a->lp);
	struct vcpu_shadow *v;

	a->entered_with = *in;
	/* now: once it has left, its pages may be another's */
	a->keeps_rbp = lp->tdcs->config_flags & TDX_CONFIG_NO_RBP_MOD;
	v = a->w->oracle ? shadow_vcpu(a->w->oracle, lp->tdvpr_pa.v, false) : NULL;
	if (!v || !v->left)
		return;
	v->left = false;
	for (unsigned i = 1; i < 16; i++) {
		bool given = v->by_vmcall && i > RCX && v->regs.rcx >> i & 1;

		if (i != RSP && (&guest->rax)[i] != (given ? (&in->rax)[i] : (&v->regs.rax)[i]))
			a->violation = "a guest came back to a register that is not its own";
	}
	if (v->by_vmcall && guest->rax)
		a->violation = "a guest came back from TDG.VP.VMCALL without success";
}

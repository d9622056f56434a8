/* SPDX-License-Identifier: MIT */
/* A hostile L2 VM, its hostile L1 VMM and a hostile host. Recorded lives of a partitioned TD are
 * played up to where the vCPU has been in an L2 VM; from there the VM exits for any reason, the L1
 * VMM makes any TDCALL, and the host enters, blocks and tracks in between. The module must not
 * break: it does not stop, its statuses are the ABI's, its invariants hold, who runs is one of the
 * TD's VMs, a refused call has changed nothing of the TD, and the host sees no register of any VM
 * but what describes an exit.
 *
 * fuzz_l2 --calls N [--seed N] [--a-start N] VECTOR.. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "fuzz/random.h"
#include "fuzz/session_oracle.h"
#include "arch/vmx.h"
#include "arch/x86.h"
#include "module/entered.h"
#include "module/invariants.h"
#include "module/msr_table.h"
#include "module/vmcs.h"
#include "trace/player.h"
#include "trace/snapshot.h"

enum { CALLS_A_START = 3000, CALLS_A_REWIND = 30, CALLS_A_CHECK = 29, PAGES = 16 };

#define VM1	    (1ull << 52)
#define ATTR_PAGES  0x000f000f000f0000ull
#define ATTR_VALID  0x8000800080000000ull
#define VAPIC_FIELD 0x2420000300002012ull

struct fuzz {
	uint64_t rng;
	struct session *session;
	struct player p;
	struct snapshot *snap;
	uint64_t tdvpr, tdr;
	unsigned long calls, in_l2, calls_a_start;
	char why[200];
};

static uint64_t rnd(struct fuzz *f)
{
	return random_next(&f->rng);
}

static unsigned below(struct fuzz *f, unsigned n)
{
	return random_below(&f->rng, n);
}

static bool chance(struct fuzz *f, unsigned percent)
{
	return below(f, 100) < percent;
}

static uint64_t some_gpa(struct fuzz *f)
{
	return chance(f, 85) ? below(f, PAGES) * 0x1000ull : rnd(f) >> below(f, 64);
}

/* Exits that no TD can have, or that end it, are none to go on from. */
static bool possible(uint32_t reason)
{
	switch (reason) {
	case VMX_EXIT_TRIPLE_FAULT:
	case VMX_EXIT_ENTRY_FAIL_MSR:
	case VMX_EXIT_ENTRY_FAIL_MACHINE_CHECK:
	case VMX_EXIT_VM_EXIT_FAILURE:
	case VMX_EXIT_EPT_PML_FULL:
	case VMX_EXIT_EPT_MISCONFIG:
	case VMX_EXIT_RDPMC:
	case VMX_EXIT_MTF:
		return false;
	default:
		return true;
	}
}

static struct vmexit random_exit(struct fuzz *f, unsigned vm)
{
	struct vmexit x = {.instr_len = 1 + below(f, 15), .stall = chance(f, 20)};

	do
		x.reason = below(f, 76);
	while (!possible(x.reason));
	x.qualification = chance(f, 60) ? rnd(f) & 0x1fff : rnd(f);
	x.gpa = some_gpa(f);
	x.gla = rnd(f) >> below(f, 64);
	x.instr_info = (uint32_t)rnd(f);
	if (x.reason == VMX_EXIT_EXCEPTION_OR_NMI)
		x.intr_info = vm == 0 || chance(f, 30) ? VMX_EVENT(VMX_EVENT_NMI, VECTOR_NMI)
						       : VMX_EVENT(VMX_EVENT_EXCEPTION, VECTOR_PF) |
								 VMX_EVENT_ERROR_CODE;
	if (x.reason == VMX_EXIT_EXTERNAL_INTERRUPT)
		x.intr_info = VMX_EVENT(VMX_EVENT_EXTERNAL, chance(f, 50) ? 0xf2 : 0x20);
	if (x.reason == VMX_EXIT_OTHER_SMI || x.reason == VMX_EXIT_NOTIFY)
		x.qualification &= ~1ull;
	if (vm != 0 && chance(f, 20))
		x.idt_vectoring_info = VMX_EVENT(VMX_EVENT_EXCEPTION, VECTOR_PF);
	return x;
}

static struct tdx_regs random_tdcall(struct fuzz *f)
{
	static const uint8_t leaves[] = {
		TDG_VP_WR, TDG_MEM_PAGE_ATTR_WR, TDG_MEM_PAGE_ATTR_RD, TDG_VP_INVEPT,
		TDG_VP_RD, TDG_VP_INVVPID,	 TDG_VP_VMCALL,	       TDG_MEM_PAGE_ACCEPT,
	};
	struct tdx_regs r = {.rax = chance(f, 50) ? TDG_VP_ENTER
						  : leaves[below(f, sizeof(leaves))]};

	for (unsigned i = 1; i < 16; i++)
		*tdx_reg(&r, i) = rnd(f) >> below(f, 64);
	switch (r.rax) {
	case TDG_VP_ENTER:
	case TDG_VP_INVVPID:
		r.rcx = chance(f, 90) ? VM1 | below(f, 4) : r.rcx;
		r.rdx = chance(f, 90) ? 0x3000 : some_gpa(f);
		break;
	case TDG_VP_WR:
		r.rdx = chance(f, 30) ? VAPIC_FIELD : 0x2420000300000000ull | (rnd(f) & 0x6c3e);
		r.r8 = chance(f, 60) ? some_gpa(f) : rnd(f);
		r.r9 = ~0ull;
		break;
	case TDG_MEM_PAGE_ATTR_WR:
		r.rcx = some_gpa(f);
		r.rdx = (rnd(f) & ATTR_PAGES & 0xffff0000) | (ATTR_VALID & 0xffff0000);
		r.r8 = ATTR_PAGES & 0xffff0000;
		break;
	case TDG_VP_VMCALL:
		r.rcx = 0xfc00;
		break;
	default:
		r.rcx = some_gpa(f);
		break;
	}
	return r;
}

static bool broken(struct fuzz *f, const char *what, uint64_t a, uint64_t b)
{
	if (!f->why[0])
		snprintf(f->why, sizeof(f->why), "%s: 0x%llx 0x%llx", what, (unsigned long long)a,
			 (unsigned long long)b);
	return false;
}

static bool known_status(uint64_t rax)
{
	return tdx_status_info(tdx_status(rax)) ||
	       tdx_status_info(tdx_status(rax & ~0xffffffffull));
}

/* What the guest has when it exits; MSR accesses and CPUID say in RCX and RAX what they are about.
 */
static void canaries(struct fuzz *f, uint32_t reason, struct tdx_regs *r)
{
	const struct tdx_regs was = *r;

	session_canaries(f->session, rnd(f), r);
	if (reason == VMX_EXIT_RDMSR || reason == VMX_EXIT_WRMSR || reason == VMX_EXIT_CPUID ||
	    reason == VMX_EXIT_XSETBV) {
		r->rcx = was.rcx;
		r->rax = was.rax;
		r->rdx = was.rdx;
	}
}

/* The vCPU is entered: whoever runs there does something. */
static bool guest_step(struct fuzz *f)
{
	const unsigned vm = module_entered(f->p.mod, 0).vm;
	struct vmcs *vmcs = module_vmcs(f->p.mod, 0);
	struct tdx_regs r = *module_guest_regs(f->p.mod, 0);
	struct vmexit x = random_exit(f, vm);
	enum module_next next;
	struct tdx_regs in;

	if (vm > 3)
		return broken(f, "no such VM", vm, 0);
	f->in_l2 += vm != 0;
	if (chance(f, vm ? 15 : 70)) {
		r = random_tdcall(f);
		x = (struct vmexit){.reason = VMX_EXIT_TDCALL, .instr_len = 4};
	}
	/* accesses that nobody intercepts do not exit */
	if ((x.reason == VMX_EXIT_RDMSR || x.reason == VMX_EXIT_WRMSR) &&
	    !msr_intercepted(module_entered(f->p.mod, 0).msr_bitmaps, (uint32_t)r.rcx,
			     x.reason == VMX_EXIT_WRMSR))
		return true;
	f->p.m->lp[0].retired = x.stall ? 0 : 1000;
	if (!x.stall)
		vmcs_write(vmcs, VMCS_GUEST_RIP, vmcs_read(vmcs, VMCS_GUEST_RIP) + 0x100);
	if (x.reason != VMX_EXIT_TDCALL)
		canaries(f, x.reason, &r);
	in = r;
	session_before(f->session, &f->p, rnd(f));
	next = module_vmexit(f->p.mod, 0, &x, &r);
	if (next == MODULE_SHUTDOWN)
		return broken(f, "a fatal error of the module after exit", x.reason,
			      x.qualification);
	f->p.entered[0] = next == MODULE_TO_GUEST;
	if (next == MODULE_TO_HOST && !known_status(module_host_regs(f->p.mod, 0)->rax))
		return broken(f, "a TD exit with a status the ABI does not have",
			      module_host_regs(f->p.mod, 0)->rax, x.reason);
	if (next == MODULE_TO_HOST)
		session_left(f->session, &x, &in);
	else if (x.reason == VMX_EXIT_TDCALL && module_entered(f->p.mod, 0).vm == vm &&
		 in.rax != TDG_VP_ENTER)
		session_after(f->session, r.rax, f->tdvpr);
	return !session_violation(f->session) ||
	       broken(f, session_violation(f->session), x.reason, in.rax);
}

static bool host_step(struct fuzz *f)
{
	struct tdx_regs r = {.rax = TDH_VP_ENTER, .rcx = f->tdvpr};
	struct tdx_regs in;
	unsigned lp = 1;

	switch (below(f, f->p.entered[0] ? 8 : 3)) {
	case 0:
	case 1:
		lp = 0;
		r.rcx |= chance(f, 20) ? 1ull << 53 : 0;
		break;
	case 2:
		r = (struct tdx_regs){.rax = TDH_MEM_TRACK, .rcx = f->tdr};
		break;
	default:
		r = (struct tdx_regs){.rax = chance(f, 50) ? TDH_MEM_RANGE_BLOCK
							   : TDH_MEM_RANGE_UNBLOCK,
				      .rcx = below(f, PAGES) * 0x1000ull,
				      .rdx = f->tdr};
		break;
	}
	if (lp == 0 && f->p.entered[0])
		return true;
	in = r;
	session_before(f->session, &f->p, rnd(f));
	switch (module_seamcall(f->p.mod, lp, &r)) {
	case MODULE_SHUTDOWN:
		return broken(f, "a fatal error of the module in a call", r.rax, r.rcx);
	case MODULE_TO_GUEST:
		f->p.entered[0] = true;
		session_entered(f->session, &in);
		break;
	case MODULE_TO_HOST:
		if (lp != 0)
			session_after(f->session, r.rax, 0);
		break;
	}
	if (session_violation(f->session))
		return broken(f, session_violation(f->session), in.rax, in.rcx);
	return f->p.entered[0] || known_status(r.rax) ||
	       broken(f, "a status the ABI does not have", r.rax, r.rcx);
}

/* Up to the first step after TDG.VP.ENTER. */
static bool prepare(struct fuzz *f, const char *path)
{
	char line[1 << 16], err[128];
	FILE *in = fopen(path, "r");
	bool entered = false;

	player_init(&f->p);
	session_forget(f->session);
	f->snap = NULL;
	while (in && !entered && fgets(line, sizeof(line), in)) {
		struct vec_step s;
		struct played d;

		line[strcspn(line, "\n")] = '\0';
		if (!vec_parse(line, &s, err, sizeof(err)) || !player_step(&f->p, &s, &d))
			break;
		session_note(f->session, &s);
		if (s.kind == VEC_ENTER)
			f->tdvpr = s.addr;
		entered = s.kind == VEC_TDCALL && tdx_rax_leaf(s.rax) == TDG_VP_ENTER &&
			  f->p.entered[0];
	}
	if (in)
		fclose(in);
	f->tdr = 0x100000000;
	return entered && snapshot_take(&f->p, &f->snap) == 0;
}

static bool run(struct fuzz *f, const char *path, unsigned long until)
{
	if (!prepare(f, path)) {
		snprintf(f->why, sizeof(f->why), "no recorded entry of an L2 VM");
		player_free(&f->p);
		return false;
	}
	for (unsigned i = 0; i < f->calls_a_start && f->calls < until && !f->why[0]; i++) {
		char why[160];

		if (i % CALLS_A_REWIND == 0) {
			snapshot_restore(f->snap);
			f->p.entered[0] = true;
		}
		f->calls++;
		if ((f->p.entered[0] && chance(f, 85) ? guest_step(f) : host_step(f)) &&
		    i % CALLS_A_CHECK == 0 && !module_check_invariants(f->p.mod, why, sizeof(why)))
			snprintf(f->why, sizeof(f->why), "invariant broken: %s", why);
	}
	snapshot_free(f->snap);
	player_free(&f->p);
	return !f->why[0];
}

int main(int argc, char **argv)
{
	struct fuzz f = {.rng = 1, .calls_a_start = CALLS_A_START};
	unsigned long calls = 100000;
	const char *files[16];
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--calls") == 0 && i + 1 < argc)
			calls = strtoul(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			f.rng = strtoull(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--a-start") == 0 && i + 1 < argc)
			f.calls_a_start = strtoul(argv[++i], NULL, 0);
		else if (n < sizeof(files) / sizeof(files[0]))
			files[n++] = argv[i];
	}
	if (!n) {
		fprintf(stderr, "usage: fuzz_l2 --calls N [--seed N] [--a-start N] VECTOR..\n");
		return 2;
	}
	f.session = session_new();
	if (!f.session)
		return 3;
	while (f.calls < calls) {
		const uint64_t seed = f.rng;
		const char *path = files[below(&f, n)];

		if (run(&f, path, calls))
			continue;
		printf("%s, seed 0x%llx: %s\n", path, (unsigned long long)seed, f.why);
		return 1;
	}
	session_free(f.session);
	printf("%lu steps, %lu of them of an L2 VM\n", f.calls, f.in_l2);
	return 0;
}

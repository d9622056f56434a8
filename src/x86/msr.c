/* SPDX-License-Identifier: MIT */
/* MSRs, time and randomness. The embedder is asked first; what it leaves to the engine are the
 * registers whose values live in struct x86_cpu. */
#include "arch/msr.h"
#include "x86/features.h"
#include "x86/flags.h"
#include "x86/system.h"
#include "x86/xstate.h"

static uint64_t *own(struct x86_cpu *cpu, uint32_t msr)
{
	switch (msr) {
	case MSR_SYSENTER_CS:
		return &cpu->sysenter_cs;
	case MSR_SYSENTER_ESP:
		return &cpu->sysenter_esp;
	case MSR_SYSENTER_EIP:
		return &cpu->sysenter_eip;
	case MSR_PAT:
		return &cpu->pat;
	case MSR_XSS:
		return &cpu->xss;
	case MSR_EFER:
		return &cpu->efer;
	case MSR_STAR:
		return &cpu->star;
	case MSR_LSTAR:
		return &cpu->lstar;
	case MSR_CSTAR:
		return &cpu->cstar;
	case MSR_SFMASK:
		return &cpu->sfmask;
	case MSR_FS_BASE:
		return &cpu->seg[X86_FS].base;
	case MSR_GS_BASE:
		return &cpu->seg[X86_GS].base;
	case MSR_KERNEL_GS_BASE:
		return &cpu->kernel_gs_base;
	case MSR_TSC_AUX:
		return &cpu->tsc_aux;
	default:
		return NULL;
	}
}

/* false: #GP */
static bool acceptable(const struct x86_cpu *cpu, uint32_t msr, uint64_t v)
{
	switch (msr) {
	case MSR_SYSENTER_ESP:
	case MSR_SYSENTER_EIP:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
		return x86_canonical_register(cpu, v);
	case MSR_PAT:
		return x86_pat_valid(v);
	case MSR_EFER:
		if (v & ~EFER_DEFINED)
			return false;
		return !((v ^ cpu->efer) & EFER_LME) || !(cpu->cr0 & CR0_PG);
	case MSR_TSC_AUX:
	case MSR_SFMASK:
		return !(v >> 32);
	case MSR_XSS:
		return v == 0;
	default:
		return true;
	}
}

static void split(struct x86_cpu *cpu, uint64_t v)
{
	cpu->regs.rax = (uint32_t)v;
	cpu->regs.rdx = v >> 32;
}

OP(x86_rdmsr)
{
	const uint32_t msr = (uint32_t)cpu->regs.rcx;
	uint64_t v = 0, *mine;

	x86_at(cpu, op);
	if (cpu->cpl)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	switch (cpu->ops->rdmsr ? cpu->ops->rdmsr(cpu, msr, &v) : X86_MSR_EXIT) {
	case X86_MSR_OWN:
		mine = own(cpu, msr);
		if (msr == MSR_TSC)
			v = cpu->ops->tsc(cpu);
		else if (mine)
			v = *mine;
		else
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		break;
	case X86_MSR_DONE:
		break;
	case X86_MSR_GP:
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	case X86_MSR_EXIT:
		cpu->exit.insn_len = op->len;
		x86_leave(cpu, NULL, VMX_EXIT_RDMSR, 0);
	}
	split(cpu, v);
	return x86_go_on(cpu, op);
}

OP(x86_wrmsr)
{
	const uint32_t msr = (uint32_t)cpu->regs.rcx;
	const uint64_t v = (cpu->regs.rdx << 32) | (uint32_t)cpu->regs.rax;
	uint64_t *mine;

	x86_at(cpu, op);
	if (cpu->cpl)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	switch (cpu->ops->wrmsr ? cpu->ops->wrmsr(cpu, msr, v) : X86_MSR_EXIT) {
	case X86_MSR_OWN:
		mine = own(cpu, msr);
		if (!mine || !acceptable(cpu, msr, v))
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		if (msr == MSR_EFER) {
			const uint64_t old = cpu->efer;

			cpu->efer = (v & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
			if ((old ^ v) & EFER_NXE)
				x86_mmu_flush(cpu, true);
		} else {
			*mine = v;
		}
		break;
	case X86_MSR_DONE:
		break;
	case X86_MSR_GP:
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	case X86_MSR_EXIT:
		cpu->exit.insn_len = op->len;
		x86_leave(cpu, NULL, VMX_EXIT_WRMSR, 0);
	}
	x86_mode_changed(cpu);
	return x86_go_on(cpu, op);
}

OP(x86_rdtsc)
{
	if ((cpu->cr4 & CR4_TSD) && cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (cpu->rdtsc_exits)
		x86_leave(cpu, op, VMX_EXIT_RDTSC, 0);
	split(cpu, cpu->ops->tsc(cpu));
	NEXT;
}

OP(x86_rdtscp)
{
	if ((cpu->cr4 & CR4_TSD) && cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (cpu->rdtsc_exits)
		x86_leave(cpu, op, VMX_EXIT_RDTSCP, 0);
	split(cpu, cpu->ops->tsc(cpu));
	cpu->regs.rcx = (uint32_t)cpu->tsc_aux;
	NEXT;
}

OP(x86_rdpid)
{
	R64(op->d) = cpu->tsc_aux;
	NEXT;
}

/* imm: 0 RDRAND, 1 RDSEED; sc: size. */
OP(x86_random)
{
	uint64_t v = 0;
	bool ok;

	if (!cpu->ops->random || (op->imm ? cpu->rdseed_exits : cpu->rdrand_exits)) {
		/* the register, and its size: 16 bits, 32, 64 */
		cpu->exit.insn_info = (uint32_t)(op->d / 8) << X86_INFO_REG1_SHIFT |
				      (op->sc == 2   ? 0u
				       : op->sc == 4 ? 1u
						     : 2u)
					      << X86_INFO_SIZE_SHIFT;
		x86_leave(cpu, op, op->imm ? VMX_EXIT_RDSEED : VMX_EXIT_RDRAND, 0);
	}
	ok = cpu->ops->random(cpu, op->imm, &v);
	if (!ok)
		v = 0;
	if (op->sc == 2)
		wr2(cpu, op->d, (uint16_t)v);
	else
		wr8(cpu, op->d, op->sc == 4 ? (uint32_t)v : v);
	cpu->fl = (uint16_t)(FL_FIXED | (ok ? FL_CF : 0));
	NEXT;
}

OP(x86_xgetbv)
{
	if (!(cpu->cr4 & CR4_OSXSAVE))
		x86_raise(cpu, op, VECTOR_UD);
	if ((uint32_t)cpu->regs.rcx == 1 && x86_has(cpu, X86_F_XGETBV_1))
		split(cpu, cpu->xcr0 & x86_xinuse(cpu));
	else if ((uint32_t)cpu->regs.rcx == 0)
		split(cpu, cpu->xcr0);
	else
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	NEXT;
}

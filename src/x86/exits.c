/* SPDX-License-Identifier: MIT */
/* Instructions which only leave the engine, and the ends of what it can execute. */
#include <sched.h>
#include <time.h>
#include "x86/flags.h"
#include "x86/system.h"

/* imm: exit reason; d: 0 only at CPL 0, 1 any CPL, 2 #UD outside CPL 0. */
OP(x86_exit_insn)
{
	if (op->imm == VMX_EXIT_XSETBV && !(cpu->cr4 & CR4_OSXSAVE))
		x86_raise(cpu, op, VECTOR_UD);
	if (op->imm == VMX_EXIT_GETSEC && !(cpu->cr4 & CR4_SMXE))
		x86_raise(cpu, op, VECTOR_UD);
	if (cpu->cpl && op->d == 0)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (cpu->cpl && op->d == 2)
		x86_raise(cpu, op, VECTOR_UD);
	x86_leave(cpu, op, (unsigned)op->imm, 0);
}

OP(x86_rdpmc)
{
	uint64_t v = 0;

	if (cpu->cpl && !(cpu->cr4 & CR4_PCE))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (cpu->rdpmc_exits || !cpu->ops->rdpmc)
		x86_leave(cpu, op, VMX_EXIT_RDPMC, 0);
	if (!cpu->ops->rdpmc(cpu, (uint32_t)cpu->regs.rcx, &v))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->regs.rax = (uint32_t)v;
	cpu->regs.rdx = v >> 32;
	NEXT;
}

/* imm: exit reason in its low byte, instruction information in its upper half; s: there is a
 * memory operand. Whether the processor is in VMX operation is the embedder's to know. */
OP(x86_vmx_insn)
{
	uint64_t qual = 0;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (op->s) {
		cpu->exit.gla = x86_linear(cpu, ea_x(cpu, op), 0);
		qual = (uint64_t)(int64_t)op->disp + (op->b == REG_BASE ? cpu->blkrip : 0);
	}
	cpu->exit.insn_info = (uint32_t)(op->imm >> 32);
	x86_leave(cpu, op, (unsigned)(op->imm & 0xff), qual);
}

/* May this port be touched at this privilege? By IOPL, else by the TSS's bitmap. */
static void check_port(struct x86_cpu *cpu, unsigned port, unsigned size)
{
	unsigned map, bits;

	if (cpu->cpl <= ((cpu->sysflags >> 12) & 3u))
		return;
	if (!(cpu->tr.ar & 8) || cpu->tr.limit < 103)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	map = (unsigned)x86_ld(cpu, cpu->tr.base + 102, 2, ACC_SUP) + port / 8;
	if (map + 1 > cpu->tr.limit)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	bits = (unsigned)x86_ld(cpu, cpu->tr.base + map, 2, ACC_SUP) >> (port & 7);
	if (bits & ((1u << size) - 1))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
}

/* d: size; imm: port, or 0x10000 for DX; s: bit 0 IN, bit 1 string. */
OP(x86_in_out)
{
	const bool dx = op->imm > 0xffff;
	const unsigned port = dx ? (uint16_t)cpu->regs.rdx : (unsigned)op->imm;
	uint64_t qual = op->d - 1u;

	x86_at(cpu, op);
	check_port(cpu, port, op->d);
	if (op->s & 1)
		qual |= 1u << 3;
	if (op->s & 2) {
		const bool in = op->s & 1;
		const uint64_t mask = op->fl & OPF_A32	 ? UINT32_MAX
				      : op->fl & OPF_A16 ? UINT16_MAX
							 : UINT64_MAX;
		const uint64_t off = (in ? cpu->regs.rdi : cpu->regs.rsi) & mask;

		qual |= 1u << 4;
		if (op->fl & OPF_REP) {
			if (!(cpu->regs.rcx & mask))
				return x86_go_on(cpu, op);
			qual |= 1u << 5;
		}
		cpu->exit.gla = off + cpu->seg[in ? X86_ES : op->seg].base;
		cpu->exit.insn_info = (mask == UINT64_MAX   ? 2u
				       : mask == UINT32_MAX ? 1u
							    : 0u)
					      << 7 |
				      (uint32_t)(in			? X86_ES
						 : op->seg == X86_NOSEG ? X86_DS
									: op->seg)
					      << 15;
	}
	if (!dx)
		qual |= 1u << 6;
	qual |= (uint64_t)port << 16;
	cpu->exit.insn_len = op->len;
	x86_leave(cpu, NULL, VMX_EXIT_IO, qual);
}

OP(x86_ud)
{
	x86_raise(cpu, op, VECTOR_UD);
}

OP(x86_gp)
{
	x86_raise_err(cpu, op, VECTOR_GP, 0);
}

OP(x86_nm)
{
	x86_raise(cpu, op, VECTOR_NM);
}

/* The bytes are in the following operation. */
OP(x86_unknown)
{
	memcpy(cpu->exit.insn, &op[1], sizeof(cpu->exit.insn));
	x86_leave(cpu, op, X86_EXIT_UNKNOWN, 0);
}

OP(x86_gated_cr4)
{
	if (!(cpu->cr4 & op->imm))
		x86_raise(cpu, op, VECTOR_UD);
	return x86_unknown(cpu, op);
}

OP(x86_gated_xcr0)
{
	if (!(cpu->cr4 & CR4_OSXSAVE) || !(cpu->xcr0 & op->imm))
		x86_raise(cpu, op, VECTOR_UD);
	return x86_unknown(cpu, op);
}

OP(x86_break)
{
	x86_leave(cpu, op, X86_EXIT_BREAKPOINT, 0);
}

OP(x86_nop)
{
	NEXT;
}

/* How long a guest may spin before its thread gives way. */
enum { PAUSE_NEAR = 64, PAUSE_PATIENCE = 4096, PAUSE_YIELD = 64, PAUSE_SLEEP_NS = 50000 };

void x86_nap(struct x86_cpu *cpu)
{
	const struct timespec nap = {0, PAUSE_SLEEP_NS};

	if (cpu->steady) {
		x86_kick(cpu);
		return;
	}
	if (atomic_load(&cpu->attn) || nanosleep(&nap, NULL))
		return;
	cpu->naps++;
	if (cpu->ops->napped)
		cpu->ops->napped(cpu);
}

/* PAUSE-loop exiting (SDM vol. 3, "Changes to instruction behavior in VMX non-root operation"): has
 * the loop that this PAUSE is of lasted too long? */
static bool paused_too_long(struct x86_cpu *cpu)
{
	const uint64_t now = cpu->ops->tsc(cpu);

	if (!cpu->ple_looping || now - cpu->ple_last > cpu->ple_gap)
		cpu->ple_first = now;
	cpu->ple_looping = true;
	cpu->ple_last = now;
	return now - cpu->ple_first > cpu->ple_window;
}

/* The thread gives way. What the guest does not execute in is no time between two PAUSEs of its. */
static void give_way(struct x86_cpu *cpu)
{
	uint64_t away;

	if (cpu->pauses < PAUSE_PATIENCE && !cpu->steady)
		sched_yield();
	else
		x86_nap(cpu);
	if (!cpu->ple_looping)
		return;
	away = cpu->ops->tsc(cpu) - cpu->ple_last;
	cpu->ple_first += away;
	cpu->ple_last += away;
}

/* A guest in a tight loop of PAUSEs waits for another processor, which may need this host CPU. */
OP(x86_pause)
{
	const int64_t since = (int64_t)(cpu->pause_left - (uint64_t)cpu->left);

	if (op->fn == x86_pause) { /* and not TPAUSE */
		if (cpu->pause_exits)
			x86_leave(cpu, op, VMX_EXIT_PAUSE, 0);
		if (cpu->ple_window && !cpu->cpl && paused_too_long(cpu))
			x86_leave(cpu, op, VMX_EXIT_PAUSE, 0);
	}
	cpu->pause_left = (uint64_t)cpu->left;
	cpu->pauses = since >= 0 && since < PAUSE_NEAR ? cpu->pauses + 1 : 0;
	if (cpu->pauses % PAUSE_YIELD == PAUSE_YIELD - 1)
		give_way(cpu);
	NEXT;
}

const char *x86_unsupported_name(uint64_t qualification)
{
	switch ((enum x86_unsupported)qualification) {
	case X86_UNSUPPORTED_REAL_MODE:
		return "real mode";
	case X86_UNSUPPORTED_PAGING_32:
		return "paging without PAE";
	case X86_UNSUPPORTED_CALL_GATE:
		return "a call gate";
	case X86_UNSUPPORTED_X87_FERR:
		return "an x87 exception with CR0.NE = 0";
	}
	return "UNKNOWN";
}

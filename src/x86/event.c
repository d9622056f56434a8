/* SPDX-License-Identifier: MIT */
/* Delivery of exceptions and interrupts through the guest's IDT (SDM vol. 3, ch. 6).
 *
 * Nothing changes before all reads and the stack write have succeeded, so that a fault or an EPT
 * violation inside leaves the state of the interrupted program. Task gates are reported as an
 * exit: no 64-bit or 32-bit TD software uses them. */
#include "x86/flags.h"
#include "x86/seg.h"
#include "x86/stack.h"

#define GATE_TASK   5u
#define GATE_INT16  6u
#define GATE_TRAP16 7u
#define GATE_INT    14u
#define GATE_TRAP   15u

struct gate {
	uint64_t offset;
	uint16_t sel;
	unsigned type, dpl, ist;
	bool present;
};

/* INT n, INT3 or INTO: a gate is not for everyone, and what it lacks is the program's own fault.
 * INT1 is neither. */
static bool by_program(const struct x86_cpu *cpu)
{
	return cpu->delivering.soft && cpu->delivering.type != VMX_EVENT_PRIVILEGED_EXCEPTION;
}

static unsigned idt_error(const struct x86_cpu *cpu, unsigned vector)
{
	return vector * 8 + 2 + (by_program(cpu) ? 0 : 1);
}

static struct gate read_gate(struct x86_cpu *cpu, unsigned vector, bool lma)
{
	const unsigned size = lma ? 16 : 8;
	uint64_t w[2] = {0};
	struct gate g;

	if (vector * size + size - 1 > cpu->idtr.limit)
		x86_raise_err(cpu, NULL, VECTOR_GP, idt_error(cpu, vector));
	x86_read(cpu, cpu->idtr.base + vector * size, w, size, ACC_SUP);
	g.sel = (uint16_t)(w[0] >> 16);
	g.type = (unsigned)(w[0] >> 40) & 31u;
	g.offset = w[0] & 0xffff;
	if (g.type >= GATE_INT)
		g.offset |= (w[0] >> 32) & 0xffff0000u;
	if (lma)
		g.offset |= w[1] << 32;
	g.dpl = (unsigned)(w[0] >> 45) & 3u;
	g.ist = lma ? (unsigned)(w[0] >> 32) & 7u : 0;
	g.present = w[0] >> 47 & 1;
	return g;
}

static bool takes_error(unsigned vector)
{
	return vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) ||
	       vector == VECTOR_AC || vector == VECTOR_CP;
}

static bool is_gate(unsigned type, bool lma)
{
	if (type == GATE_INT || type == GATE_TRAP)
		return true;
	return !lma && (type == GATE_TASK || type == GATE_INT16 || type == GATE_TRAP16);
}

/* The frame: return address first in memory after the error code. */
static unsigned build_frame(const struct x86_cpu *cpu, uint8_t *frame, unsigned width,
			    bool has_error, bool with_stack, uint64_t rip, uint64_t flags)
{
	uint64_t v[6];
	unsigned n = 0, i;

	if (has_error)
		v[n++] = cpu->delivering.error;
	v[n++] = rip;
	v[n++] = cpu->seg[X86_CS].sel;
	v[n++] = flags;
	if (with_stack) {
		v[n++] = cpu->regs.rsp;
		v[n++] = cpu->seg[X86_SS].sel;
	}
	for (i = 0; i < n; i++)
		memcpy(frame + i * width, &v[i], width);
	return n * width;
}

static void deliver(struct x86_cpu *cpu, bool lma)
{
	const unsigned vector = cpu->delivering.vector, ext = by_program(cpu) ? 0 : 1;
	const bool has_error = cpu->delivering.has_error && takes_error(vector);
	const uint64_t rip = x86_rip_after(cpu, cpu->delivering.soft ? cpu->delivering.len : 0);
	uint64_t flags = x86_rflags(cpu), sp = cpu->regs.rsp, base = 0, mask = UINT64_MAX;
	struct gate g = read_gate(cpu, vector, lma);
	unsigned cpl = cpu->cpl, size, width;
	struct x86_seg new_ss = cpu->seg[X86_SS];
	struct desc cs, ss = {0};
	uint8_t frame[48];
	uint32_t ar;
	bool inner;

	if (!is_gate(g.type, lma) || (by_program(cpu) && g.dpl < cpl))
		x86_raise_err(cpu, NULL, VECTOR_GP, idt_error(cpu, vector));
	if (!g.present)
		x86_raise_err(cpu, NULL, VECTOR_NP, idt_error(cpu, vector));
	if (g.type == GATE_TASK)
		x86_task_switch(cpu, g.sel, VMX_TASK_BY_GATE,
				cpu->delivering.soft ? cpu->delivering.len : 0, ext);
	if (!(g.sel & ~3u))
		x86_raise_err(cpu, NULL, VECTOR_GP, ext);
	x86_desc_need(cpu, g.sel, VECTOR_GP, ext, &cs);
	ar = desc_ar(cs.low);
	if (!(ar & SEG_AR_S) || !(ar & 8) || SEG_AR_DPL(ar) > cpl ||
	    (lma && (!(ar & SEG_AR_L) || (ar & SEG_AR_DB))))
		x86_raise_err(cpu, NULL, VECTOR_GP, (g.sel & ~3u) | ext);
	if (!(ar & SEG_AR_P))
		x86_raise_err(cpu, NULL, VECTOR_NP, (g.sel & ~3u) | ext);
	if (!(ar & 4))
		cpl = SEG_AR_DPL(ar);
	inner = cpl < cpu->cpl;
	width = lma ? 8 : g.type < 8 ? 2 : 4;

	if (lma) {
		if (g.ist)
			sp = x86_tss_stack(cpu, 3 + g.ist, ext, NULL);
		else if (inner)
			sp = x86_tss_stack(cpu, cpl, ext, NULL);
		sp &= ~15ull;
		new_ss = inner ? (struct x86_seg){.sel = (uint16_t)cpl,
						  .ar = SEG_AR_UNUSABLE | (cpl << 5)}
			       : new_ss;
	} else if (inner) {
		uint16_t sel;

		sp = x86_tss_stack(cpu, cpl, ext, &sel);
		x86_desc_need(cpu, sel, VECTOR_TS, ext, &ss);
		if ((sel & 3u) != cpl || SEG_AR_DPL(desc_ar(ss.low)) != cpl ||
		    !(desc_ar(ss.low) & SEG_AR_S) || (desc_ar(ss.low) & 10u) != 2)
			x86_raise_err(cpu, NULL, VECTOR_TS, (sel & ~3u) | ext);
		if (!(desc_ar(ss.low) & SEG_AR_P))
			x86_raise_err(cpu, NULL, VECTOR_SS, (sel & ~3u) | ext);
		new_ss = (struct x86_seg){desc_base(ss.low), desc_limit(ss.low), desc_ar(ss.low),
					  sel};
	}
	if (!lma) {
		base = new_ss.base;
		mask = new_ss.ar & SEG_AR_DB ? UINT32_MAX : UINT16_MAX;
	}

	/* The frame shows RF so that a fault restarts its instruction past a breakpoint. */
	if (cpu->delivering.rf)
		flags |= RFLAGS_RF;
	size = build_frame(cpu, frame, width, has_error, lma || inner, rip, flags);
	sp = (sp - size) & mask;
	if (lma ? !x86_canonical_access(cpu, sp) || !x86_canonical_access(cpu, sp + size - 1)
		: !x86_seg_allows(&new_ss, sp, size, true))
		x86_raise_err(cpu, NULL, VECTOR_SS, (lma || !inner ? 0 : new_ss.sel & ~3u) | ext);
	x86_code_target(cpu, &cs, g.offset, ext);
	x86_write(cpu, sp + base, frame, size, cpl < 3 ? ACC_SUP : ACC_SYS);
	x86_desc_accessed(cpu, &cs);

	if (lma || inner) {
		if (!lma)
			x86_desc_accessed(cpu, &ss);
		cpu->seg[X86_SS] = new_ss;
	}
	cpu->cpl = (uint8_t)cpl;
	x86_seg_set(cpu, X86_CS, (uint16_t)((g.sel & ~3u) | cpl), cs.low);
	cpu->rip = g.offset;
	if (lma)
		cpu->regs.rsp = sp;
	else
		sp_set(cpu, sp);
	flags &= ~(uint64_t)(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM);
	if ((g.type & 7) == (GATE_INT & 7))
		flags &= ~(uint64_t)RFLAGS_IF;
	x86_set_rflags(cpu, flags);
	x86_mode_changed(cpu);
}

void x86_deliver(struct x86_cpu *cpu)
{
	cpu->cur = NULL;
	deliver(cpu, cpu->efer & EFER_LMA);
	if (cpu->delivering.type == VMX_EVENT_NMI)
		cpu->nmi_blocked = true;
}

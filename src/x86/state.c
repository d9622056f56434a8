/* SPDX-License-Identifier: MIT */
/* See x86/state.h. */
#include "x86/state.h"

#include "arch/vmcs.h"
#include "x86/internal.h"

enum { MXCSR_BITS = 0xffff, CR8_BITS = 0xf };

static struct x86_saved_segment save_segment(const struct x86_seg *s)
{
	return (struct x86_saved_segment){s->base, s->limit, s->ar, s->sel, 0};
}

static struct x86_seg load_segment(const struct x86_saved_segment *s)
{
	return (struct x86_seg){s->base, s->limit, s->ar, (uint16_t)s->sel};
}

static void save_event(const struct x86_cpu *cpu, struct x86_saved *s)
{
	s->event = cpu->inj.valid;
	s->event_has_error = cpu->inj.has_error;
	s->event_soft = cpu->inj.soft;
	s->event_ext = cpu->inj.ext;
	s->event_rf = cpu->inj.rf;
	s->event_vector = cpu->inj.vector;
	s->event_type = cpu->inj.type;
	s->event_len = cpu->inj.len;
	s->event_error = cpu->inj.error;
	s->event_debug = cpu->inj.debug;
}

static void load_event(struct x86_cpu *cpu, const struct x86_saved *s)
{
	cpu->inj.valid = s->event != 0;
	cpu->inj.has_error = s->event_has_error != 0;
	cpu->inj.soft = s->event_soft != 0;
	cpu->inj.ext = s->event_ext != 0;
	cpu->inj.rf = s->event_rf != 0;
	cpu->inj.vector = s->event_vector;
	cpu->inj.type = s->event_type;
	cpu->inj.len = s->event_len;
	cpu->inj.error = s->event_error;
	cpu->inj.debug = s->event_debug;
}

void x86_save(const struct x86_cpu *cpu, struct x86_saved *s)
{
	memset(s, 0, sizeof(*s));
	s->regs = cpu->regs;
	s->rip = cpu->rip;
	s->rflags = x86_rflags(cpu);
	for (unsigned i = 0; i < X86_NOSEG; i++)
		s->seg[i] = save_segment(&cpu->seg[i]);
	s->ldtr = save_segment(&cpu->ldtr);
	s->tr = save_segment(&cpu->tr);
	s->gdtr.base = cpu->gdtr.base;
	s->gdtr.limit = cpu->gdtr.limit;
	s->idtr.base = cpu->idtr.base;
	s->idtr.limit = cpu->idtr.limit;
	s->cr0 = cpu->cr0;
	s->cr2 = cpu->cr2;
	s->cr3 = cpu->cr3;
	s->cr4 = cpu->cr4;
	s->cr8 = cpu->cr8;
	s->efer = cpu->efer;
	s->xcr0 = cpu->xcr0;
	s->xss = cpu->xss;
	memcpy(s->dr, cpu->dr, sizeof(s->dr));
	s->kernel_gs_base = cpu->kernel_gs_base;
	s->star = cpu->star;
	s->lstar = cpu->lstar;
	s->cstar = cpu->cstar;
	s->sfmask = cpu->sfmask;
	s->pat = cpu->pat;
	s->tsc_aux = cpu->tsc_aux;
	s->sysenter_cs = cpu->sysenter_cs;
	s->sysenter_esp = cpu->sysenter_esp;
	s->sysenter_eip = cpu->sysenter_eip;
	s->fx = cpu->fx;
	memcpy(s->xmm, cpu->xmm, sizeof(s->xmm));
	memcpy(s->ymm_hi, cpu->ymm_hi, sizeof(s->ymm_hi));
	memcpy(s->zmm_hi, cpu->zmm_hi, sizeof(s->zmm_hi));
	memcpy(s->zmm16, cpu->zmm16, sizeof(s->zmm16));
	memcpy(s->k, cpu->k, sizeof(s->k));
	s->pkru = cpu->pkru;
	s->insns = cpu->insns;
	save_event(cpu, s);
	s->shadow = cpu->shadow;
	s->nmi_blocked = cpu->nmi_blocked;
	s->tf_armed = cpu->tf_armed;
}

void x86_load(struct x86_cpu *cpu, const struct x86_saved *s)
{
	const uint32_t mxcsr_mask = cpu->fx.mxcsr_mask;

	cpu->regs = s->regs;
	cpu->rip = s->rip;
	for (unsigned i = 0; i < X86_NOSEG; i++)
		cpu->seg[i] = load_segment(&s->seg[i]);
	cpu->ldtr = load_segment(&s->ldtr);
	cpu->tr = load_segment(&s->tr);
	cpu->gdtr = (struct x86_dtr){s->gdtr.base, (uint16_t)s->gdtr.limit};
	cpu->idtr = (struct x86_dtr){s->idtr.base, (uint16_t)s->idtr.limit};
	cpu->cr0 = s->cr0;
	cpu->cr2 = s->cr2;
	cpu->cr3 = s->cr3;
	cpu->cr4 = s->cr4;
	cpu->cr8 = s->cr8 & CR8_BITS;
	cpu->efer = s->efer;
	cpu->xcr0 = s->xcr0;
	cpu->xss = s->xss;
	memcpy(cpu->dr, s->dr, sizeof(cpu->dr));
	cpu->kernel_gs_base = s->kernel_gs_base;
	cpu->star = s->star;
	cpu->lstar = s->lstar;
	cpu->cstar = s->cstar;
	cpu->sfmask = s->sfmask;
	cpu->pat = s->pat;
	cpu->tsc_aux = s->tsc_aux;
	cpu->sysenter_cs = s->sysenter_cs;
	cpu->sysenter_esp = s->sysenter_esp;
	cpu->sysenter_eip = s->sysenter_eip;
	cpu->fx = s->fx;
	/* The host's own MXCSR becomes this. */
	cpu->fx.mxcsr &= MXCSR_BITS;
	cpu->fx.mxcsr_mask = mxcsr_mask;
	memcpy(cpu->xmm, s->xmm, sizeof(cpu->xmm));
	memcpy(cpu->ymm_hi, s->ymm_hi, sizeof(cpu->ymm_hi));
	memcpy(cpu->zmm_hi, s->zmm_hi, sizeof(cpu->zmm_hi));
	memcpy(cpu->zmm16, s->zmm16, sizeof(cpu->zmm16));
	memcpy(cpu->k, s->k, sizeof(cpu->k));
	cpu->pkru = s->pkru;
	x86_pkru_changed(cpu);
	cpu->xused = XFAM_AVX | XFAM_AVX3 | XFAM_PK;
	cpu->insns = s->insns;
	load_event(cpu, s);
	cpu->nmi_blocked = s->nmi_blocked != 0;
	x86_debug_changed(cpu); /* before RFLAGS: RF is for breakpoints */
	x86_set_rflags(cpu, s->rflags);
	cpu->shadow = s->shadow & (0x80 | INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
	cpu->tf_armed = s->tf_armed != 0;
	x86_state_changed(cpu);
	x86_tlb_flush(cpu);
}

/* SPDX-License-Identifier: MIT */
/* The loop, and everything that interrupts it: exits, faults, kicks, interrupts, budgets. */
#include <errno.h>
#include <stdlib.h>
#include "x86/features.h"
#include "x86/flags.h"
#include "x86/vex.h"
#include "x86/xlate.h"
#include "x86/xstate.h"

/* --- state --- */

uint64_t x86_rflags(const struct x86_cpu *cpu)
{
	return cpu->sysflags | 2u | fl_to_rflags(cpu->fl);
}

void x86_set_sysflags(struct x86_cpu *cpu, uint64_t v)
{
	const uint64_t changed = cpu->sysflags ^ v;

	/* RF holds a breakpoint back: nobody sees it where there is none. */
	if (!cpu->dr_execution)
		v &= ~(uint64_t)RFLAGS_RF;
	cpu->sysflags = v;
	if (v & RFLAGS_RF)
		x86_attn(cpu, ATTN_STEP);
	if (changed & RFLAGS_AC)
		x86_mmu_select(cpu);
	if (v & RFLAGS_TF)
		x86_attn(cpu, ATTN_STEP);
	if (v & RFLAGS_IF)
		x86_attn(cpu, ATTN_INTR);
}

void x86_set_rflags(struct x86_cpu *cpu, uint64_t value)
{
	cpu->fl = fl_from_rflags(value);
	x86_set_sysflags(cpu, value & (RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT |
				       RFLAGS_RF | RFLAGS_AC | RFLAGS_ID));
}

/* No access can fail by the segment: all may be read and, in a data segment, written. Writes
 * through a code segment are checked whatever this says. */
static bool flat(const struct x86_seg *s, bool code)
{
	const unsigned type = s->ar & 15u;

	return s->base == 0 && s->limit == UINT32_MAX && !(s->ar & SEG_AR_UNUSABLE) &&
	       ((type & 0xe) == 2 || (code && (type & 0xa) == 0xa));
}

/* What CR0, CR4 and XCR0 let execute of VEX and EVEX. */
static unsigned vex_level(const struct x86_cpu *cpu)
{
	const uint64_t avx = XFAM_SSE | XFAM_AVX;

	if (!(cpu->cr4 & CR4_OSXSAVE) || (cpu->cr0 & CR0_TS) || (cpu->xcr0 & avx) != avx)
		return VEX_LEVEL_NONE;
	return (cpu->xcr0 & XFAM_AVX3) == XFAM_AVX3 ? VEX_LEVEL_512 : VEX_LEVEL_AVX;
}

void x86_mode_changed(struct x86_cpu *cpu)
{
	const struct x86_seg *cs = &cpu->seg[X86_CS];
	unsigned mode = 0;

	if ((cpu->efer & EFER_LMA) && (cs->ar & SEG_AR_L)) {
		mode |= M_L64 | M_FLAT;
	} else {
		if (cs->ar & SEG_AR_DB)
			mode |= M_D32;
		if (cpu->seg[X86_SS].ar & SEG_AR_DB)
			mode |= M_SS32;
		if (flat(cs, true) && flat(&cpu->seg[X86_SS], false) &&
		    flat(&cpu->seg[X86_DS], false) && flat(&cpu->seg[X86_ES], false))
			mode |= M_FLAT;
	}
	if (!(cpu->cr0 & (CR0_EM | CR0_TS))) {
		mode |= M_X87;
		if (cpu->cr4 & CR4_OSFXSR)
			mode |= M_SSE;
	}
	if (cpu->cpl == 3)
		mode |= M_USER;
	/* Links and the jump cache go by RIP: they are for one base and one limit. */
	if (!(mode & M_L64) && (cs->base != cpu->code_base || cs->limit != cpu->code_limit)) {
		cpu->code_base = cs->base;
		cpu->code_limit = cs->limit;
		x86_new_gen(cpu, true);
	}
	cpu->vex_level = (uint8_t)vex_level(cpu);
	cpu->mode = (uint8_t)mode;
	cpu->jc_key = (cpu->jc_key & ~(uint64_t)UINT16_MAX) | mode;
	cpu->jc_key_global = (cpu->jc_key_global & ~(uint64_t)UINT16_MAX) | mode;
	x86_mmu_select(cpu);
}

void x86_state_changed(struct x86_cpu *cpu)
{
	cpu->cpl = (uint8_t)SEG_AR_DPL(cpu->seg[X86_SS].ar);
	cpu->seg[X86_NOSEG] = (struct x86_seg){0};
	cpu->zero = 0;
	x86_mode_changed(cpu);
	x86_mmu_flush(cpu, true);
	x86_debug_changed(cpu);
	x86_attn(cpu, ATTN_INTR | ATTN_STEP);
}

struct x86_cpu *x86_cpu_new(struct x86_code *code, const struct x86_ops *ops, void *owner)
{
	struct x86_cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~(size_t)63);
	unsigned i;

	if (!cpu)
		return NULL;
	memset(cpu, 0, sizeof(*cpu));
	cpu->ops = ops;
	cpu->owner = owner;
	cpu->code = code;
	cpu->maxpa = 52;
	cpu->cr0 = CR0_PE | CR0_NE;
	cpu->cr4 = 0;
	cpu->xcr0 = XFAM_X87;
	cpu->dr[6] = DR6_RESET;
	cpu->dr[7] = DR7_RESET;
	cpu->pat = PAT_RESET;
	cpu->rip = RESET_RIP;
	cpu->fl = FL_FIXED;
	cpu->fx.fcw = FCW_POWER_ON;
	cpu->fx.mxcsr = MXCSR_RESET;
	cpu->fx.mxcsr_mask = 0xffff;
	for (i = 0; i < X86_NOSEG; i++)
		cpu->seg[i] = (struct x86_seg){.limit = UINT32_MAX, .ar = SEG_AR_DATA};
	cpu->seg[X86_CS].ar = SEG_AR_CODE32;
	cpu->ldtr = (struct x86_seg){.limit = 0xffff, .ar = SEG_AR_LDT | SEG_AR_UNUSABLE};
	cpu->tr = (struct x86_seg){.limit = 0xffff, .ar = SEG_AR_TSS_BUSY};
	cpu->idtr.limit = 0xffff;
	cpu->gdtr.limit = 0xffff;
	if (x86_mmu_init(cpu) || x86_vex_open(cpu) || xl_open(cpu) || x86_cache_init(cpu) ||
	    x86_code_join(cpu)) {
		x86_cache_free(cpu);
		xl_close(cpu);
		x86_vex_close(cpu);
		x86_mmu_free(cpu);
		free(cpu);
		return NULL;
	}
	x86_features_all(cpu);
	x86_xplaces(cpu);
	x86_state_changed(cpu);
	return cpu;
}

void x86_cpu_free(struct x86_cpu *cpu)
{
	if (!cpu)
		return;
	x86_code_leave(cpu);
	x86_cache_free(cpu);
	xl_close(cpu);
	x86_vex_close(cpu);
	x86_mmu_free(cpu);
	free(cpu->breaks);
	free(cpu);
}

/* --- leaving a handler --- */

void x86_at(struct x86_cpu *cpu, const struct x86_op *op)
{
	cpu->rip = x86_rip_of(cpu, op);
	cpu->left -= op->n;
}

void x86_after(struct x86_cpu *cpu, const struct x86_op *op)
{
	x86_at(cpu, op);
	cpu->rip = x86_rip_after(cpu, op->len);
	cpu->left--;
}

_Noreturn void x86_alone(struct x86_cpu *cpu, const struct x86_op *op)
{
	x86_at(cpu, op);
	cpu->cur = NULL;
	cpu->step_one = true;
	longjmp(cpu->jb, JMP_AGAIN);
}

_Noreturn static void fault(struct x86_cpu *cpu, const struct x86_op *op, unsigned vector,
			    unsigned type, bool has_error, uint32_t error, bool soft)
{
	if (op)
		x86_at(cpu, op);
	cpu->cur = NULL;
	cpu->rmw_pending = 0;
	cpu->ev.valid = true;
	cpu->ev.vector = (uint8_t)vector;
	cpu->ev.type = (uint8_t)type;
	cpu->ev.has_error = has_error;
	cpu->ev.error = error;
	cpu->ev.soft = soft;
	cpu->ev.len = op && soft ? op->len : 0;
	cpu->ev.rf = type == VMX_EVENT_EXCEPTION && vector != VECTOR_DB && vector != VECTOR_DF;
	cpu->ev.debug = 0;
	cpu->dr_hit = 0;
	longjmp(cpu->jb, JMP_FAULT);
}

_Noreturn void x86_raise_debug(struct x86_cpu *cpu, const struct x86_op *op, uint32_t bits,
			       bool before)
{
	if (op)
		x86_at(cpu, op);
	cpu->ev.valid = true;
	cpu->ev.vector = VECTOR_DB;
	cpu->ev.type = VMX_EVENT_EXCEPTION;
	cpu->ev.has_error = cpu->ev.soft = false;
	cpu->ev.len = 0;
	cpu->ev.rf = before;
	cpu->ev.debug = bits;
	longjmp(cpu->jb, JMP_FAULT);
}

_Noreturn void x86_raise(struct x86_cpu *cpu, const struct x86_op *op, unsigned vector)
{
	fault(cpu, op, vector, VMX_EVENT_EXCEPTION, false, 0, false);
}

_Noreturn void x86_raise_err(struct x86_cpu *cpu, const struct x86_op *op, unsigned vector,
			     uint32_t error)
{
	fault(cpu, op, vector, VMX_EVENT_EXCEPTION, true, error, false);
}

_Noreturn void x86_raise_soft(struct x86_cpu *cpu, const struct x86_op *op, unsigned vector,
			      unsigned type)
{
	fault(cpu, op, vector, type, false, 0, true);
}

static uint32_t event_info(unsigned vector, unsigned type, bool has_error)
{
	return VMX_EVENT(type, vector) | (has_error ? VMX_EVENT_ERROR_CODE : 0);
}

_Noreturn void x86_leave(struct x86_cpu *cpu, const struct x86_op *op, unsigned reason,
			 uint64_t qualification)
{
	if (op) {
		x86_at(cpu, op);
		cpu->exit.insn_len = op->len;
	}
	cpu->cur = NULL;
	cpu->rmw_pending = 0;
	cpu->exit.reason = reason;
	cpu->exit.qualification = qualification;
	if (cpu->delivering.valid) {
		cpu->exit.idt_info = event_info(cpu->delivering.vector, cpu->delivering.type,
						cpu->delivering.has_error);
		cpu->exit.idt_error = cpu->delivering.error;
		cpu->exit.idt_len = cpu->delivering.len;
	}
	cpu->dr_hit = 0;
	longjmp(cpu->jb, JMP_EXIT);
}

/* --- events --- */

/* What a fault means while another event was being delivered (SDM vol. 3, table 6-5). */
static unsigned fault_class(unsigned vector)
{
	switch (vector) {
	case VECTOR_DE:
	case VECTOR_TS:
	case VECTOR_NP:
	case VECTOR_SS:
	case VECTOR_GP:
	case VECTOR_CP:
		return 1;
	case VECTOR_PF:
	case VECTOR_VE:
		return 2;
	default:
		return 0;
	}
}

/* Of a triple fault: what began it. */
static void tell_first(struct x86_cpu *cpu)
{
	const unsigned vector = cpu->first.vector;

	cpu->exit.first_info = event_info(vector, cpu->first.type, cpu->first.has_error);
	cpu->exit.first_error = cpu->first.error;
	cpu->exit.first_rip = cpu->rip;
	cpu->exit.first_gla = vector == VECTOR_PF ? cpu->first_cr2 : 0;
}

static void combine(struct x86_cpu *cpu)
{
	const unsigned second = fault_class(cpu->ev.vector);
	unsigned first;

	/* The first of a chain, or a fault while something that is no fault is delivered. */
	if (!cpu->delivering.valid || cpu->delivering.type != VMX_EVENT_EXCEPTION) {
		cpu->first = cpu->ev;
		cpu->first_cr2 = cpu->cr2;
	}
	if (!cpu->delivering.valid)
		return;
	if (cpu->delivering.type != VMX_EVENT_EXCEPTION) {
		cpu->delivering.valid = false;
		return;
	}
	first = fault_class(cpu->delivering.vector);
	if (cpu->delivering.vector == VECTOR_DF && second) {
		cpu->delivering.valid = false;
		cpu->ev.valid = false;
		tell_first(cpu);
		x86_leave(cpu, NULL, VMX_EXIT_TRIPLE_FAULT, 0);
	}
	cpu->delivering.valid = false;
	if ((first == 1 && second == 1) || (first == 2 && second)) {
		cpu->ev.vector = VECTOR_DF;
		cpu->ev.type = VMX_EVENT_EXCEPTION;
		cpu->ev.has_error = true;
		cpu->ev.error = 0;
		cpu->ev.soft = false;
	}
}

/* The event in cpu->ev: to the embedder if it asked for the vector, else through the guest's IDT.
 */
static void take_event(struct x86_cpu *cpu)
{
	cpu->left--; /* an endless chain of faults must use up a budget */
	combine(cpu);
	if (cpu->ev.type != VMX_EVENT_EXTERNAL && cpu->ev.vector < 32 &&
	    (cpu->exception_bitmap >> cpu->ev.vector & 1)) {
		cpu->ev.valid = false;
		cpu->exit.intr_info = event_info(cpu->ev.vector, cpu->ev.type, cpu->ev.has_error);
		cpu->exit.intr_error = cpu->ev.error;
		cpu->exit.insn_len = cpu->ev.len;
		x86_leave(cpu, NULL, VMX_EXIT_EXCEPTION_OR_NMI,
			  cpu->ev.vector == VECTOR_PF	? cpu->cr2
			  : cpu->ev.vector == VECTOR_DB ? cpu->ev.debug
							: 0);
	}
	if (cpu->ev.vector == VECTOR_DB && cpu->ev.debug) {
		cpu->dr[6] = (cpu->dr[6] & ~(uint64_t)DR6_BREAKS) | cpu->ev.debug;
		cpu->dr[7] &= ~(uint64_t)DR7_GD;
	}
	cpu->delivering = cpu->ev;
	cpu->ev.valid = false;
	x86_deliver(cpu);
	cpu->delivering.valid = false;
	cpu->shadow = 0;
	cpu->tf_armed = cpu->rf_armed = false;
}

void x86_inject(struct x86_cpu *cpu, uint8_t vector, enum vmx_event type, bool has_error,
		uint32_t error, uint8_t insn_len)
{
	cpu->inj.valid = true;
	cpu->inj.vector = vector;
	cpu->inj.type = (uint8_t)type;
	cpu->inj.has_error = has_error;
	cpu->inj.error = error;
	cpu->inj.soft = type == VMX_EVENT_SOFTWARE || type == VMX_EVENT_SOFTWARE_EXCEPTION ||
			type == VMX_EVENT_PRIVILEGED_EXCEPTION;
	cpu->inj.len = insn_len;
	cpu->inj.rf = type == VMX_EVENT_EXCEPTION && vector != VECTOR_DB && vector != VECTOR_DF;
	cpu->inj.debug = 0;
}

void x86_skip(struct x86_cpu *cpu, unsigned len)
{
	cpu->rip = x86_rip_after(cpu, len);
	cpu->shadow = 0;
	cpu->sysflags &= ~(uint64_t)RFLAGS_RF;
	if (cpu->sysflags & RFLAGS_TF)
		cpu->tf_armed = true;
}

bool x86_interrupt_window(const struct x86_cpu *cpu)
{
	return (cpu->sysflags & RFLAGS_IF) && !cpu->shadow;
}

void x86_attn(struct x86_cpu *cpu, unsigned bits)
{
	atomic_fetch_or(&cpu->attn, bits);
}

void x86_kick(struct x86_cpu *cpu)
{
	x86_attn(cpu, ATTN_KICK);
}

void x86_raise_intr(struct x86_cpu *cpu)
{
	x86_attn(cpu, ATTN_INTR);
}

int x86_breakpoint(struct x86_cpu *cpu, uint64_t rip, bool set)
{
	unsigned i;

	for (i = 0; i < cpu->nbreaks && cpu->breaks[i] != rip; i++)
		;
	if (set && i == cpu->nbreaks) {
		uint64_t *more = realloc(cpu->breaks, (i + 1) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		cpu->breaks = more;
		cpu->breaks[cpu->nbreaks++] = rip;
	} else if (!set) {
		if (i == cpu->nbreaks)
			return -ENOENT;
		cpu->breaks[i] = cpu->breaks[--cpu->nbreaks];
	}
	x86_cache_drop_all(cpu);
	return 0;
}

/* --- the loop --- */

/* Enter a block without its head's checks. */
static const struct x86_op *enter(const struct x86_op *head)
{
	return head + 1;
}

static void interrupts(struct x86_cpu *cpu)
{
	int vector;

	if (!(cpu->sysflags & RFLAGS_IF) || cpu->shadow) {
		return;
	}
	vector = cpu->ops->intr_ack ? cpu->ops->intr_ack(cpu) : -1;
	if (vector < 0)
		return;
	cpu->ev.valid = true;
	cpu->ev.vector = (uint8_t)vector;
	cpu->ev.type = VMX_EVENT_EXTERNAL;
	cpu->ev.has_error = cpu->ev.soft = cpu->ev.rf = false;
	cpu->ev.len = 0;
	cpu->ev.debug = 0;
	take_event(cpu);
}

/* Before a block: whatever asks for attention. cpu->rip is the block's. */
const struct x86_op *x86_attend(struct x86_cpu *cpu)
{
	const unsigned attn = atomic_exchange(&cpu->attn, 0);
	bool one = cpu->step_one;

	if (attn & ATTN_CODE)
		x86_code_attn(cpu);
	if (cpu->rf_armed) {
		cpu->rf_armed = false;
		cpu->sysflags &= ~(uint64_t)RFLAGS_RF;
	}
	if (cpu->tf_armed || cpu->dr_hit) {
		const uint32_t bits = (cpu->tf_armed ? DR6_BS : 0) | cpu->dr_hit;

		cpu->tf_armed = false;
		cpu->dr_hit = 0;
		x86_attn(cpu, attn & (ATTN_KICK | ATTN_INTR));
		x86_raise_debug(cpu, NULL, bits, false);
	}
	if (cpu->shadow & 0x80)
		cpu->shadow = 0;
	if (attn & ATTN_KICK && cpu->run_start != 1) {
		x86_attn(cpu, attn & (ATTN_INTR | ATTN_STEP));
		x86_leave(cpu, NULL, X86_EXIT_KICK, 0);
	}
	if (attn & ATTN_INTR)
		interrupts(cpu);
	if (cpu->left <= 0) {
		x86_attn(cpu, attn & (ATTN_INTR | ATTN_STEP));
		x86_leave(cpu, NULL, X86_EXIT_BUDGET, 0);
	}
	if (cpu->shadow) {
		cpu->shadow |= 0x80;
		one = true;
		/* Whatever was announced meanwhile is looked at after the shadow. */
		x86_attn(cpu, ATTN_STEP | ATTN_INTR);
	}
	if (cpu->sysflags & RFLAGS_TF) {
		cpu->tf_armed = true;
		one = true;
		x86_attn(cpu, ATTN_STEP);
	}
	if (cpu->dr_execution | cpu->dr_data) {
		const unsigned hit = x86_debug_at(cpu, cpu->rip);

		if (hit && !(cpu->sysflags & RFLAGS_RF)) {
			cpu->tf_armed = false;
			x86_raise_debug(cpu, NULL, hit, true);
		}
		if ((cpu->sysflags & RFLAGS_RF) || cpu->dr_data) {
			cpu->rf_armed = cpu->sysflags & RFLAGS_RF;
			one = true;
			x86_attn(cpu, ATTN_STEP);
		}
	}
	cpu->step_one = false;
	if (!one) {
		const struct x86_op *head = x86_lookup(cpu, 0);

		/* By its head, which may know better, unless that would come back here. */
		if (cpu->left >= head->disp)
			return atomic_load(&cpu->attn) ? enter(head) : head;
	}
	return enter(x86_lookup(cpu, M_ONE));
}

OP(x86_head)
{
	if (unlikely(cpu->left < op->disp ||
		     atomic_load_explicit(&cpu->attn, memory_order_relaxed))) {
		cpu->rip = cpu->blkrip;
		return x86_attend(cpu);
	}
	NEXT;
}

static bool is_break(const struct x86_cpu *cpu)
{
	unsigned i;

	for (i = 0; i < cpu->nbreaks; i++)
		if (cpu->breaks[i] == cpu->rip)
			return true;
	return false;
}

int x86_run(struct x86_cpu *cpu, struct x86_exit *out, uint64_t max_insns)
{
	const struct x86_op *op;

	if (!cpu || !out)
		return -EINVAL;
	cpu->run_start = max_insns > INT64_MAX ? INT64_MAX : max_insns;
	cpu->pause_left += cpu->run_start - (uint64_t)cpu->left; /* a loop goes on */
	cpu->left = (int64_t)cpu->run_start;
	memset(&cpu->exit, 0, sizeof(cpu->exit));
	cpu->rip = x86_rip_cut(cpu, cpu->rip);
	cpu->step_one = is_break(cpu);
	cpu->rf_armed = false;
	cpu->dr_hit = 0;
	atomic_store(&cpu->running, true);
	switch (setjmp(cpu->jb)) {
	case JMP_EXIT:
		x86_rip_check(cpu);
		cpu->insns += cpu->run_start - (uint64_t)cpu->left;
		cpu->delivering.valid = false;
		if (cpu->exit.reason == VMX_EXIT_EPT_VIOLATION ||
		    cpu->exit.reason == VMX_EXIT_EXCEPTION_OR_NMI)
			cpu->tf_armed = false;
		*out = cpu->exit;
		atomic_store(&cpu->running, false);
		return 0;
	case JMP_FAULT:
		x86_rip_check(cpu);
		take_event(cpu);
		break;
	case JMP_AGAIN:
		break;
	default:
		if (cpu->inj.valid) {
			cpu->ev = cpu->inj;
			cpu->inj.valid = false;
			take_event(cpu);
		}
		break;
	}
	op = x86_attend(cpu);
	for (;;)
		op = op->fn(cpu, op);
}

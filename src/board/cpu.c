/* SPDX-License-Identifier: MIT */
/* A host processor: its thread, and what its instructions leave the engine for. */
#include "board/internal.h"

#include <inttypes.h>
#include <stdio.h>

/* Instructions between two looks at what nobody kicks for. */
#define BUDGET 20000000ull

static uint64_t tsc(struct x86_cpu *x86)
{
	return machine_rdtsc(board_cpu_of(x86)->lp);
}

/* Not of what the module draws: a recording of its calls plays without the host's own. */
static bool random_word(struct x86_cpu *x86, bool seed, uint64_t *value)
{
	(void)seed;
	return machine_guest_random(board_cpu_of(x86)->lp, value);
}

static bool is_ram(struct x86_cpu *x86, const void *host, size_t len)
{
	return machine_has(board_cpu_of(x86)->board->m, host, len);
}

const struct x86_ops board_x86_ops = {
	.is_ram = is_ram,
	.gpa_map = board_gpa_map,
	.rdmsr = board_rdmsr,
	.wrmsr = board_wrmsr,
	.tsc = tsc,
	.cpuid = board_cpuid_for_x86,
	.random = random_word,
	.intr_ack = board_intr_ack,
	.cr8_written = board_cr8_written,
	.user_mode = board_user_mode,
	.mmio = board_mmio,
	.cache_line = board_cache_line,
	.direct_store = board_direct_store,
	.fence = board_fence,
};

void board_cpu_wake(struct board_cpu *c)
{
	x86_raise_intr(c->x86);
	if (atomic_load(&c->nmi) || atomic_load(&c->init) || atomic_load(&c->board->ended))
		x86_kick(c->x86);
	if (atomic_load(&c->in_seam))
		system_interrupt(c->board->sys, c->id);
	pthread_mutex_lock(&c->lock);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

static void cpuid(struct board_cpu *c, const struct x86_exit *e)
{
	struct tdx_regs *regs = &c->x86->regs;
	const struct cpuid_regs r = board_cpuid(c, (uint32_t)regs->rax, (uint32_t)regs->rcx);

	regs->rax = r.eax;
	regs->rbx = r.ebx;
	regs->rcx = r.ecx;
	regs->rdx = r.edx;
	x86_skip(c->x86, e->insn_len);
}

/* Nothing can happen any more: who is about to wake still has what wakes it, and says that it is
 * awake before it takes that. So that is looked at first. */
static bool all_halted(struct board *b)
{
	if (board_mailbox_waits(b))
		return false;
	for (unsigned i = 0; i < b->ncpus; i++)
		if (atomic_load(&b->cpu[i].nmi) || !atomic_load(&b->cpu[i].halted))
			return false;
	return true;
}

/* VMX operation blocks it: it waits, and comes with VMXOFF. */
static bool init_arrives(const struct board_cpu *c)
{
	return atomic_load(&c->init) && !c->vmxon;
}

static bool awake(const struct board_cpu *c, bool interrupts)
{
	return atomic_load(&c->nmi) || init_arrives(c) || atomic_load(&c->board->ended) ||
	       (interrupts && apic_pending(&c->apic));
}

static bool wakes(const struct board_cpu *c)
{
	return awake(c, c->waits_with_if);
}

/* Until something wakes it. */
static void sleep_of(struct board_cpu *c, bool interrupts)
{
	if (c->board->turns.on) {
		c->waits_with_if = interrupts;
		while (!awake(c, interrupts)) {
			board_turn_until(c, wakes);
			board_rest(c, interrupts ? BOARD_AT_HLT : BOARD_AT_HLT_OFF);
		}
		return;
	}
	pthread_mutex_lock(&c->lock);
	while (!awake(c, interrupts)) {
		if (atomic_load(&c->debug_kick) || board_rest_calls(c)) {
			pthread_mutex_unlock(&c->lock);
			board_debug_before(c);
			board_rest(c, interrupts ? BOARD_AT_HLT : BOARD_AT_HLT_OFF);
			pthread_mutex_lock(&c->lock);
		} else {
			pthread_cond_wait(&c->wake, &c->lock);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

void board_cpu_begin(struct board_cpu *c)
{
	const bool sleeps = c->at == BOARD_AT_HLT || c->at == BOARD_AT_HLT_OFF;

	atomic_store(&c->halted, c->at == BOARD_AT_FIRMWARE || c->at == BOARD_AT_HLT_OFF);
	c->waits_with_if = c->at == BOARD_AT_HLT;
	c->ready = sleeps ? wakes : c->at == BOARD_AT_FIRMWARE ? board_mailbox_ready : NULL;
}

static void halt(struct board_cpu *c, bool interrupts)
{
	if (!interrupts) {
		atomic_store(&c->halted, true);
		if (all_halted(c->board))
			board_ends(c->board, BOARD_HALTED, "every processor is halted");
	}
	sleep_of(c, interrupts);
	atomic_store(&c->halted, false);
	x86_raise_intr(c->x86);
}

static void hlt(struct board_cpu *c, const struct x86_exit *e)
{
	const bool interrupts = x86_rflags(c->x86) & RFLAGS_IF;

	x86_skip(c->x86, e->insn_len);
	halt(c, interrupts);
}

/* AVX needs SSE, AVX-512 its three and AVX. */
static bool goes_together(uint64_t xcr0)
{
	const uint64_t avx512 = xcr0 & XFAM_AVX3;

	return (xcr0 & XFAM_X87) && (!(xcr0 & XFAM_AVX) || (xcr0 & XFAM_SSE)) &&
	       (!avx512 || (avx512 == XFAM_AVX3 && (xcr0 & XFAM_AVX)));
}

static void xsetbv(struct board_cpu *c, const struct x86_exit *e)
{
	struct x86_cpu *x = c->x86;
	const uint64_t value = x->regs.rdx << 32 | (uint32_t)x->regs.rax;

	if ((uint32_t)x->regs.rcx != 0 || !goes_together(value) || value & ~board_xcr0(c)) {
		board_raise(c, VECTOR_GP, true);
		return;
	}
	x->xcr0 = value;
	x86_state_changed(x);
	x86_skip(x, e->insn_len);
}

/* What began it: the handler that was missing, or its stack. */
static void triple_fault(const struct board_cpu *c, const struct x86_exit *e)
{
	const char *name = x86_vector_name(VMX_EVENT_VECTOR(e->first_info));
	char on[32] = "";

	if (VMX_EVENT_VECTOR(e->first_info) == VECTOR_PF)
		snprintf(on, sizeof(on), " on 0x%" PRIx64, e->first_gla);
	board_ends(c->board, BOARD_RESET,
		   "triple fault of processor %u: %s%s at 0x%" PRIx64
		   " could not be delivered (IDT at 0x%" PRIx64 ", stack at 0x%" PRIx64 ")",
		   c->id, name ? name : "an exception", on, e->first_rip, c->x86->idtr.base,
		   c->x86->regs.rsp);
}

static void stuck(struct board_cpu *c, const struct x86_exit *e)
{
	const uint64_t rip = c->x86->rip;
	struct board *b = c->board;

	switch (e->reason) {
	case VMX_EXIT_TRIPLE_FAULT:
		triple_fault(c, e);
		break;
	case X86_EXIT_UNKNOWN:
		board_ends(b, BOARD_STUCK,
			   "unknown instruction at 0x%" PRIx64 ": %02x %02x %02x %02x %02x %02x",
			   rip, e->insn[0], e->insn[1], e->insn[2], e->insn[3], e->insn[4],
			   e->insn[5]);
		break;
	case X86_EXIT_UNSUPPORTED:
		/* A kernel that finds no other way resets through the firmware of old. */
		board_ends(b,
			   e->qualification == X86_UNSUPPORTED_REAL_MODE ? BOARD_RESET
									 : BOARD_STUCK,
			   "%s at 0x%" PRIx64, x86_unsupported_name(e->qualification), rip);
		break;
	case VMX_EXIT_EPT_VIOLATION:
		board_ends(b, BOARD_STUCK,
			   "code or page tables at 0x%" PRIx64
			   ", where no memory is, at 0x%" PRIx64,
			   e->gpa, rip);
		break;
	default:
		board_ends(b, BOARD_STUCK, "exit %" PRIu32 " at 0x%" PRIx64, e->reason, rip);
		break;
	}
}

/* False: back to the firmware. */
static bool handle(struct board_cpu *c, const struct x86_exit *e)
{
	switch (e->reason) {
	case X86_EXIT_BUDGET:
	case X86_EXIT_KICK:
		break;
	case VMX_EXIT_CPUID:
		cpuid(c, e);
		break;
	case VMX_EXIT_HLT:
		hlt(c, e);
		break;
	case VMX_EXIT_IO:
		return board_port(c, e);
	case VMX_EXIT_EPT_VIOLATION:
		if (machine_is_ram(c->board->m, e->gpa, 1))
			board_machine_check(c, e->gpa);
		else
			stuck(c, e);
		break;
	case VMX_EXIT_XSETBV:
		xsetbv(c, e);
		break;
	case VMX_EXIT_WBINVD:
		machine_wbinvd(c->lp);
		x86_skip(c->x86, e->insn_len);
		break;
	case VMX_EXIT_SEAMCALL:
		board_seamcall(c, e);
		break;
	case VMX_EXIT_TDCALL:
	case VMX_EXIT_GETSEC:
	case VMX_EXIT_ENCLS:
	case VMX_EXIT_PCONFIG:
		board_raise(c, VECTOR_UD, false);
		break;
	case VMX_EXIT_VMCALL:
	case VMX_EXIT_VMCLEAR:
	case VMX_EXIT_VMLAUNCH:
	case VMX_EXIT_VMPTRLD:
	case VMX_EXIT_VMPTRST:
	case VMX_EXIT_VMREAD:
	case VMX_EXIT_VMRESUME:
	case VMX_EXIT_VMWRITE:
	case VMX_EXIT_VMXOFF:
	case VMX_EXIT_VMXON:
	case VMX_EXIT_INVEPT:
	case VMX_EXIT_INVVPID:
		board_vmx(c, e);
		break;
	default:
		stuck(c, e);
		break;
	}
	return true;
}

/* An NMI that waits goes in, unless one is being handled or another event is on its way. */
static void inject_nmi(struct board_cpu *c)
{
	struct x86_cpu *x = c->x86;

	if (x->nmi_blocked || x->inj.valid || x->ev.valid || !atomic_exchange(&c->nmi, false))
		return;
	x86_inject(x, VECTOR_NMI, VMX_EVENT_NMI, false, 0, 0);
}

static uint64_t budget(const struct board_cpu *c)
{
	if (c->points.step)
		return 1;
	return c->board->turns.on ? board_turn_left(c->board) : BUDGET;
}

void board_cpu_loop(struct board_cpu *c)
{
	struct x86_exit e;
	bool stays = true;
	uint64_t before;

	if (c->at == BOARD_AT_HLT || c->at == BOARD_AT_HLT_OFF)
		halt(c, c->at == BOARD_AT_HLT);
	else
		board_turn_take(c);
	c->at = BOARD_AT_CODE;
	do {
		if (atomic_load(&c->board->ended))
			return;
		if (init_arrives(c)) { /* to the firmware, which on the first starts anew */
			if (!c->id)
				board_ends(c->board, BOARD_RESET, "INIT of the first processor");
			return;
		}
		board_sanitizer_catch_up(c);
		board_debug_before(c);
		board_rest(c, BOARD_AT_CODE);
		inject_nmi(c);
		before = c->x86->insns;
		x86_run(c->x86, &e, budget(c));
		board_turn(c, c->x86->insns - before, e.reason == X86_EXIT_KICK);
		if (board_debug_exit(c, &e))
			continue;
		stays = handle(c, &e);
		board_debug_after(c, &e);
	} while (stays);
}

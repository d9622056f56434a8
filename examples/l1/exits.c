/* SPDX-License-Identifier: MIT */
/* The VM runs, and what it leaves for is done for it. */
#include "l1.h"

#include "../firmware/layout.h"
#include "arch/vmx.h"
#include "arch/x86.h"

enum { CPUID_FEATURES = 1, CPUID_STRUCTURED = 7, CPUID_XSTATE = 0xd, CPUID_TDX = 0x21 };
/* Of leaf 1: not for a VM of ours; and what its APIC has. */
#define ECX_HIDDEN	 (1u << 3 | 1u << 5 | 1u << 6 | 1u << 15) /* MONITOR, VMX, SMX, PDCM */
#define ECX_APIC	 (1u << 21 | 1u << 24)			  /* x2APIC, TSC deadline */
#define EDX_HIDDEN	 (1u << 12)				  /* MTRR */
#define TSC_ADJUST	 (1u << 1)				  /* of leaf 7, EBX */
#define SLEEP_ENABLE	 0x20u
#define XCR0_X87	 1ull
#define XCR0_SSE	 2ull
#define XCR0_AVX	 4ull
#define SHIFT_SLEEP_TYPE 2
#define PORT_CMOS	 0x71

static void end(struct vm *vm, int status)
{
	vm->status = status;
}

static void refuse(uint8_t vector)
{
	must(tdg_l2_inject(&port, VM, TDG_L2_EXCEPTION, vector, vector != VECTOR_UD, 0),
	     "an exception for the VM");
}

static void skip(struct vm *vm, const struct tdg_l2_exit *e)
{
	must(tdg_l2_skip(&port, VM, vm->state, e), "the VM's instruction");
}

/* Done, or refused with #GP. */
static void done(struct vm *vm, const struct tdg_l2_exit *e, bool ok)
{
	if (ok)
		skip(vm, e);
	else
		refuse(VECTOR_GP);
}

static void do_cpuid(struct vm *vm, const struct tdg_l2_exit *e)
{
	struct tdx_regs *g = &vm->state->gpr;
	const uint32_t leaf = (uint32_t)g->rax;
	uint32_t r[4];

	cpuid(leaf, (uint32_t)g->rcx, r);
	switch (leaf) {
	case CPUID_FEATURES:
		r[2] = (r[2] & ~ECX_HIDDEN) | ECX_APIC;
		r[3] &= ~EDX_HIDDEN;
		break;
	case CPUID_STRUCTURED:
		r[1] &= ~(uint32_t)TSC_ADJUST;
		break;
	case CPUID_TDX: /* the VM is in none */
		r[0] = r[1] = r[2] = r[3] = 0;
		break;
	default:
		break;
	}
	g->rax = r[0];
	g->rbx = r[1];
	g->rcx = r[2];
	g->rdx = r[3];
	skip(vm, e);
}

static void do_rdmsr(struct vm *vm, const struct tdg_l2_exit *e)
{
	struct tdx_regs *g = &vm->state->gpr;
	uint64_t value;
	const bool ok = msr_read(vm, (uint32_t)g->rcx, &value);

	if (ok) {
		g->rax = (uint32_t)value;
		g->rdx = value >> 32;
	}
	done(vm, e, ok);
}

static void do_wrmsr(struct vm *vm, const struct tdg_l2_exit *e)
{
	const struct tdx_regs *g = &vm->state->gpr;

	done(vm, e,
	     msr_write(vm, (uint32_t)g->rcx, (uint64_t)(uint32_t)g->rdx << 32 | (uint32_t)g->rax));
}

static void do_cr(struct vm *vm, const struct tdg_l2_exit *e)
{
	struct tdg_l2_cr cr;
	uint64_t value;

	tdg_l2_cr(e, &cr);
	if (cr.access != TDG_L2_CR_TO || (cr.number != 0 && cr.number != 4)) {
		refuse(VECTOR_GP);
		return;
	}
	value = *tdx_reg(&vm->state->gpr, cr.reg);
	if (cr.number == 0)
		vm_set_cr0(vm, value | CR0_ET);
	else
		vm_set_cr4(vm, value);
	skip(vm, e);
}

/* XCR0 is one for the whole vCPU. */
static void do_xsetbv(struct vm *vm, const struct tdg_l2_exit *e)
{
	const struct tdx_regs *g = &vm->state->gpr;
	const uint64_t v = (uint64_t)(uint32_t)g->rdx << 32 | (uint32_t)g->rax;
	uint32_t r[4];
	bool ok;

	cpuid(CPUID_XSTATE, 0, r);
	ok = (uint32_t)g->rcx == 0 && v & XCR0_X87 && !(v & ~((uint64_t)r[3] << 32 | r[0])) &&
	     (!(v & XCR0_AVX) || v & XCR0_SSE);
	if (ok)
		__asm__ volatile("xsetbv" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(0));
	done(vm, e, ok);
}

static uint32_t port_in(struct vm *vm, unsigned at)
{
	if (at - UART_COM1 < UART_PORTS)
		return uart_read(&vm->uart, at - UART_COM1);
	return at == PORT_CMOS ? 0 : ~0u; /* no clock that is being set for ever */
}

static void port_out(struct vm *vm, unsigned at, uint32_t value)
{
	if (at - UART_COM1 < UART_PORTS)
		uart_write(&vm->uart, at - UART_COM1, (uint8_t)value);
	else if (at == FW_PORT_SLEEP &&
		 value == (SLEEP_ENABLE | FW_SLEEP_TYPE_OFF << SHIFT_SLEEP_TYPE))
		end(vm, 0);
	else if (at == FW_PORT_RESET)
		end(vm, (int)(value & 0xff));
}

static void do_io(struct vm *vm, const struct tdg_l2_exit *e)
{
	struct tdg_l2_io io;

	tdg_l2_io(e, &io);
	if (io.string)
		fatal("the VM has a string for a port");
	if (io.in)
		tdg_l2_io_in(vm->state, &io, port_in(vm, io.port));
	else
		port_out(vm, io.port, tdg_l2_io_out(vm->state, &io));
	skip(vm, e);
}

/* Nothing comes to a VM that has neither a timer nor interrupts: it has halted for good. */
static void do_hlt(struct vm *vm, const struct tdg_l2_exit *e)
{
	skip(vm, e);
	if (!(vm->state->rflags & RFLAGS_IF) || (vm->deadline == ~0ull && !apic_pending(vm))) {
		say("l1: the VM has halted\n");
		end(vm, 0);
		return;
	}
	while (!apic_pending(vm)) {
		wait_until(vm->deadline);
		apic_poll(vm);
		if (vm->deadline == ~0ull)
			break;
	}
}

/* A page of its own that it has not had yet; else it is told that there is nothing. */
static void do_ept_violation(struct vm *vm, const struct tdg_l2_exit *e)
{
	if (!vm_give(vm, e->gpa_.v)) {
		say("l1: the VM wants what is not its own\n");
		end(vm, 1);
	}
}

static void handle(struct vm *vm, const struct tdg_l2_exit *e)
{
	switch (e->reason & VMX_EXIT_BASIC_MASK) {
	case VMX_EXIT_CPUID:
		do_cpuid(vm, e);
		break;
	case VMX_EXIT_RDMSR:
		do_rdmsr(vm, e);
		break;
	case VMX_EXIT_WRMSR:
		do_wrmsr(vm, e);
		break;
	case VMX_EXIT_IO:
		do_io(vm, e);
		break;
	case VMX_EXIT_HLT:
		do_hlt(vm, e);
		break;
	case VMX_EXIT_EPT_VIOLATION:
		do_ept_violation(vm, e);
		break;
	case VMX_EXIT_CR_ACCESS:
		do_cr(vm, e);
		break;
	case VMX_EXIT_XSETBV:
		do_xsetbv(vm, e);
		break;
	case VMX_EXIT_WBINVD:
	case VMX_EXIT_INVD:
		skip(vm, e); /* its memory is coherent */
		break;
	case VMX_EXIT_PREEMPTION_TIMER: /* the deadline: apic_poll() */
		break;
	case VMX_EXIT_RDPMC:
		refuse(VECTOR_GP);
		break;
	case VMX_EXIT_VMCALL:
	case VMX_EXIT_TDCALL:
	case VMX_EXIT_MONITOR:
	case VMX_EXIT_MWAIT:
		refuse(VECTOR_UD);
		break;
	case VMX_EXIT_TRIPLE_FAULT:
		say("l1: the VM has come to a triple fault\n");
		end(vm, 1);
		break;
	default:
		say("l1: an exit that is not handled: ");
		say_number(e->reason);
		say("\n");
		end(vm, 1);
		break;
	}
}

int vm_run(struct vm *vm)
{
	const tdx_gpa_t state = tdx_gpa((uintptr_t)vm->state);
	struct tdg_l2_exit e;
	bool cut;

	while (vm->status < 0) {
		struct tdx_status s = tdg_vp_enter(&port, VM, TDG_L2_FLUSH_NOTHING, state, &e);
		const unsigned reason = e.reason & VMX_EXIT_BASIC_MASK;

		if (tdx_is(s, TDX_PENDING_INTERRUPT)) {
			take_interrupts();
			continue;
		}
		if (!tdg_l2_entered(s) || reason >= EXITS)
			fatal("the VM cannot be entered");
		vm->exits[reason]++;
		must(tdg_l2_redeliver(&port, VM, &e, &cut), "an event that was cut off");
		if (reason == VMX_EXIT_EXTERNAL_INTERRUPT)
			take_interrupts();
		else
			handle(vm, &e);
		apic_poll(vm);
	}
	return vm->status;
}

void vm_tell_exits(const struct vm *vm)
{
	static const char *const name[EXITS] = {
#define X(name_, number_) [number_] = #name_,
#include "arch/vmx_exit.def"
#undef X
	};

	for (unsigned i = 0; i < EXITS; i++) {
		if (!vm->exits[i])
			continue;
		say("l1: exits ");
		say(name[i] ? name[i] : "?");
		say(" ");
		say_number(vm->exits[i]);
		say("\n");
	}
}

/* SPDX-License-Identifier: MIT */
/* The native engine: stacks, VM exits, guest memory.
 *
 * A vCPU's stack is entered only by the thread of the processor it is entered on, and the module
 * lets a vCPU be entered on one processor at a time; so a native_cpu needs no lock of its own. */
#include "engine/native/native.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <swtdx/leaf.h>

#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "arch/x86.h"
#include "engine/controls.h"
#include "engine/ept.h"
#include "engine/interrupt.h"
#include "engine/native/fiber.h"
#include "engine/vcpus.h"
#include "machine/machine.h"
#include "module/entered.h"
#include "module/vmcs.h"

enum {
	STACK_SIZE = 256 << 10,
	OP_LENGTH = 16, /* instructions of a byte that the make-believe RIP goes over with each
			   operation */
	TDCALL_LENGTH = 4,
	GLA_VALID = EPT_VIOLATION_GLA_VALID |
		    EPT_VIOLATION_GLA_TRANSLATED, /* of a qualification: not a page walk's access */
};

struct native_vcpu;

/* The code of one VM of a vCPU: the L1 VMM (or whole TD), or an L2 VM. */
struct tdx_native_cpu {
	struct native_vcpu *v;
	unsigned vm;
	struct fiber fiber; /* its stack */
	bool made;	    /* there is one */
	tdx_native_fn *fn;
	void *arg;
	tdx_native_event_fn *on_event;
	void *event_arg;
	unsigned nevents; /* delivered so far */
};

struct native_vcpu {
	struct fiber host; /* the stack that entered it */
	/* while entered */
	struct module *mod;
	unsigned lp;
	struct module_entered in;
	enum module_next next;
	struct tdx_native_cpu vm[TD_MAX_VMS];
};

struct native {
	struct tdx_engine engine;
	tdx_native_fn *fn;
	void *arg;
	struct vcpus vcpus;
};

static void event(struct tdx_native_cpu *cpu, unsigned vector, uint32_t error)
{
	cpu->nevents++;
	if (cpu->on_event)
		cpu->on_event(cpu, vector, error, cpu->event_arg);
}

static void deliver(struct tdx_native_cpu *cpu)
{
	struct module_entry e = module_entry(cpu->v->mod, cpu->v->lp);

	if (e.info & VMX_EVENT_VALID)
		event(cpu, VMX_EVENT_VECTOR(e.info), e.error);
}

static void vm_main(void *p);

/* What firmware does first: 64-bit mode. */
static void start(const struct native_vcpu *v)
{
	vmcs_write(v->in.vmcs, VMCS_GUEST_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
	vmcs_set_bits(v->in.vmcs, VMCS_GUEST_CR0, CR0_PG | CR0_PE);
	vmcs_set_bits(v->in.vmcs, VMCS_GUEST_CS_AR, SEG_AR_L);
}

/* The stack of the VM that is current; NULL: no memory for it. */
static struct fiber *current(struct native_vcpu *v)
{
	struct tdx_native_cpu *cpu = &v->vm[v->in.vm];

	if (!cpu->made) {
		cpu->v = v;
		cpu->vm = v->in.vm;
		cpu->made = fiber_init(&cpu->fiber, STACK_SIZE, vm_main, cpu);
		if (cpu->made)
			start(v);
	}
	return cpu->made ? &cpu->fiber : NULL;
}

/* Until this VM is to run again: the host has the processor, or another VM of the vCPU. */
static void wait_for_turn(struct tdx_native_cpu *cpu, enum module_next n)
{
	struct native_vcpu *v = cpu->v;

	for (;; n = MODULE_TO_GUEST) {
		struct fiber *to = &v->host;

		if (n == MODULE_TO_GUEST) {
			v->in = module_entered(v->mod, v->lp);
			if (v->in.vm == cpu->vm)
				return;
			to = current(v);
			n = to ? n : MODULE_SHUTDOWN;
		}
		v->next = n;
		fiber_switch(&cpu->fiber, to ? to : &v->host);
	}
}

static struct vmcs *vmcs_of(const struct tdx_native_cpu *cpu)
{
	return module_vmcs(cpu->v->mod, cpu->v->lp);
}

/* One VM exit. Comes back when the guest runs again, on whatever processor; true when nothing was
 * injected. */
static bool vmexit(struct tdx_native_cpu *cpu, const struct vmexit *x, struct tdx_regs *regs)
{
	unsigned before = cpu->nevents;
	enum module_next n = module_vmexit(cpu->v->mod, cpu->v->lp, x, regs);

	/* most exits lead straight back, with the registers in place */
	if (n != MODULE_TO_GUEST || vmcs_of(cpu) != cpu->v->in.vmcs) {
		wait_for_turn(cpu, n);
		*regs = *module_guest_regs(cpu->v->mod, cpu->v->lp);
	}
	deliver(cpu);
	return cpu->nevents == before;
}

static uint64_t rip(const struct tdx_native_cpu *cpu)
{
	return vmcs_read(vmcs_of(cpu), VMCS_GUEST_RIP);
}

static void execute(struct tdx_native_cpu *cpu, unsigned instructions)
{
	vmcs_write(vmcs_of(cpu), VMCS_GUEST_RIP, rip(cpu) + instructions);
	cpu->v->in.hw->retired += instructions;
}

static void advance(struct tdx_native_cpu *cpu)
{
	execute(cpu, OP_LENGTH);
}

/* Before an operation, the module may want instructions one by one. */
static void step(struct tdx_native_cpu *cpu)
{
	const struct vmexit x = {.reason = VMX_EXIT_MTF};

	while (vmcs_read(vmcs_of(cpu), VMCS_PROCBASED_CTLS) & PROCBASED_MONITOR_TRAP) {
		struct tdx_regs regs = *module_guest_regs(cpu->v->mod, cpu->v->lp);

		execute(cpu, 1);
		vmexit(cpu, &x, &regs);
	}
}

/* An interrupt for the host is there: one sent, or one whose countdown has run out. */
static bool interrupted(struct machine_lp *lp)
{
	int64_t due = 0;

	if (machine_irq_now(lp))
		return true;
	return atomic_load_explicit(&lp->irq_countdown, memory_order_relaxed) == 0 &&
	       atomic_compare_exchange_strong(&lp->irq_countdown, &due, -1);
}

void tdx_native_poll(struct tdx_native_cpu *cpu)
{
	struct tdx_regs regs = {0};
	struct vmexit x;

	step(cpu);
	/* After the exit it may be another processor. */
	while (interrupted(cpu->v->in.hw)) {
		if (engine_host_interrupt(cpu->v->in.hw, &x))
			vmexit(cpu, &x, &regs);
		step(cpu);
	}
}

bool tdx_native_exit(struct tdx_native_cpu *cpu, uint32_t reason, uint64_t qualification,
		     unsigned length, struct tdx_regs *regs)
{
	struct vmexit x = {.reason = reason, .qualification = qualification, .instr_len = length};
	const struct tdx_regs in = *regs;
	uint64_t at;

	tdx_native_poll(cpu);
	advance(cpu);
	/* a whole TD's, and an L1 VMM's, is what a test asks for */
	if (cpu->vm != 0 && !engine_exits(vmcs_of(cpu), reason, qualification,
					  *tdx_reg(regs, CR_QUAL_REG(qualification))))
		return true;
	for (;;) {
		at = rip(cpu);
		if (!vmexit(cpu, &x, regs))
			return false;
		/* an L1 VMM that leaves RIP there wants it once more */
		if (cpu->vm == 0 || rip(cpu) != at)
			return true;
		tdx_native_poll(cpu);
		*regs = in;
	}
}

void tdx_native_tdcall(struct tdx_native_cpu *cpu, struct tdx_regs *regs)
{
	const struct tdx_regs in = *regs;
	struct vmexit x = {.reason = VMX_EXIT_TDCALL, .instr_len = TDCALL_LENGTH};
	uint64_t at;

	tdx_native_poll(cpu);
	advance(cpu);
	at = rip(cpu);
	for (;;) {
		/* RIP stays where it is when the host had to do something first, or when an
		 * interrupt for it has come in the middle of a long call: again. */
		if (!vmexit(cpu, &x, regs) || rip(cpu) != at)
			return;
		tdx_native_poll(cpu);
		at = rip(cpu);
		*regs = in;
		x.stall = true;
	}
}

/* The host pointer of a GPA for an access, through as many EPT violations as it takes. */
static void *translate(struct tdx_native_cpu *cpu, uint64_t gpa, enum ept_access access,
		       unsigned *hkid_)
{
	tdx_native_poll(cpu);
	advance(cpu);
	for (bool stall = false;; stall = true) {
		const struct module_entered *in = &cpu->v->in;
		struct tdx_regs regs = {0};
		struct vmexit x = {.gpa = gpa, .gla = gpa, .stall = stall};
		struct ept_view v;
		struct ept_hit hit;

		ept_view_init(&v, in->hw, in->vmcs, entered_shared_bit(in), in->hkid);
		switch (ept_translate(&v, gpa, access, &hit, &x.qualification)) {
		case EPT_OK:
			*hkid_ = hit.hkid;
			return hit.host;
		case EPT_VE:
			if (module_processor_ve(cpu->v->mod, cpu->v->lp,
						x.qualification | GLA_VALID, gpa, gpa)) {
				event(cpu, VECTOR_VE, 0);
				return NULL;
			}
			x.reason = VMX_EXIT_EPT_VIOLATION;
			break;
		case EPT_VIOLATION:
			x.reason = VMX_EXIT_EPT_VIOLATION;
			break;
		case EPT_MISCONFIG:
			x.reason = VMX_EXIT_EPT_MISCONFIG;
			break;
		}
		x.qualification |= GLA_VALID;
		if (!vmexit(cpu, &x, &regs))
			return NULL;
	}
}

#define COPY_WORD(type)                                                                            \
	case sizeof(type):                                                                         \
		__atomic_store_n((type *)to,                                                       \
				 __atomic_load_n((const type *)from, __ATOMIC_RELAXED),            \
				 __ATOMIC_RELAXED);                                                \
		return true

/* Aligned words are loaded and stored whole, as a processor does: what vCPUs do to the same word at
 * the same time is the guest's business. */
static bool copy_word(void *to, const void *from, size_t n)
{
	if (((uintptr_t)to | (uintptr_t)from) & (n - 1))
		return false;
	switch (n) {
		COPY_WORD(uint8_t);
		COPY_WORD(uint16_t);
		COPY_WORD(uint32_t);
		COPY_WORD(uint64_t);
	default:
		return false;
	}
}

static void copy(void *to, const void *from, size_t n)
{
	if (!copy_word(to, from, n))
		memcpy(to, from, n);
}

static bool access_memory(struct tdx_native_cpu *cpu, gpa_t g, void *buf, size_t len, bool write)
{
	uint8_t *b = buf;

	while (len) {
		size_t n = TDX_PAGE_SIZE - (g.v & (TDX_PAGE_SIZE - 1));
		unsigned hkid_;
		uint8_t *p = translate(cpu, g.v, write ? EPT_ACCESS_W : EPT_ACCESS_R, &hkid_);
		struct machine_lp *hw = cpu->v->in.hw;

		if (!p)
			return false;
		n = n < len ? n : len;
		if (write) {
			copy(p, b, n);
			if (machine_has(hw->m, p, n))
				machine_wrote(hw, (uint64_t)(p - hw->m->ram), hkid_);
		} else
			copy(b, p, n);
		b += n;
		g.v += n;
		len -= n;
	}
	return true;
}

bool tdx_native_read(struct tdx_native_cpu *cpu, gpa_t g, void *buf, size_t len)
{
	return access_memory(cpu, g, buf, len, false);
}

bool tdx_native_write(struct tdx_native_cpu *cpu, gpa_t g, const void *buf, size_t len)
{
	return access_memory(cpu, g, (void *)(uintptr_t)buf, len, true);
}

void tdx_native_on_event(struct tdx_native_cpu *cpu, tdx_native_event_fn *fn, void *arg)
{
	cpu->on_event = fn;
	cpu->event_arg = arg;
}

static void vm_main(void *p)
{
	struct tdx_native_cpu *cpu = p;

	if (cpu->fn)
		cpu->fn(cpu, cpu->arg);
	while (cpu->vm != 0) { /* its L1 VMM goes on, if it likes */
		struct tdx_regs none = {0};

		tdx_native_exit(cpu, VMX_EXIT_HLT, 0, 1, &none);
	}
	for (;;) { /* TDG.VP.VMCALL<HLT>, interrupts blocked */
		struct tdx_regs r = {.rax = TDG_VP_VMCALL,
				     .rcx = 0x1c00,
				     .r10 = 0,
				     .r11 = VMX_EXIT_HLT,
				     .r12 = 1};

		tdx_native_tdcall(cpu, &r);
	}
}

void tdx_native_l2(struct tdx_native_cpu *cpu, unsigned vm, tdx_native_fn *fn, void *arg)
{
	if (vm == 0 || vm >= TD_MAX_VMS || cpu->v->vm[vm].made)
		return;
	cpu->v->vm[vm].fn = fn;
	cpu->v->vm[vm].arg = arg;
}

static void *vcpu_new(void *arg, uint64_t tdvpr_pa)
{
	const struct native *n = arg;
	struct native_vcpu *v = calloc(1, sizeof(*v));

	(void)tdvpr_pa;
	if (!v)
		return NULL;
	v->vm[0].fn = n->fn;
	v->vm[0].arg = n->arg;
	return v;
}

static void vcpu_free(void *p)
{
	struct native_vcpu *v = p;

	for (unsigned vm = 0; vm < TD_MAX_VMS; vm++)
		if (v->vm[vm].made)
			fiber_free(&v->vm[vm].fiber);
	free(v);
}

/* An interrupt posted to the L1 VMM while the vCPU was out makes an exit of the L2 VM. */
static enum module_next notify(struct native_vcpu *v)
{
	enum module_next n = MODULE_TO_GUEST;
	struct tdx_regs regs;
	struct vmexit x;

	if (v->in.vm == 0 || !engine_posted_to_l1(&v->in, &x))
		return n;
	regs = *module_guest_regs(v->mod, v->lp);
	n = module_vmexit(v->mod, v->lp, &x, &regs);
	if (n == MODULE_TO_GUEST)
		v->in = module_entered(v->mod, v->lp);
	return n;
}

static enum module_next native_run(struct tdx_engine *e, struct module *mod, unsigned lp)
{
	struct native *n = (struct native *)e;
	struct module_entered in = module_entered(mod, lp);
	struct native_vcpu *v = vcpus_enter(&n->vcpus, lp, in.tdvpr_pa.v);
	struct fiber *to;

	if (!v)
		return MODULE_SHUTDOWN;
	v->mod = mod;
	v->lp = lp;
	v->in = in;
	v->next = notify(v);
	if (v->next == MODULE_TO_GUEST) {
		to = current(v);
		fiber_host_init(&v->host);
		if (to)
			fiber_switch(&v->host, to);
		else
			v->next = MODULE_SHUTDOWN;
	}
	vcpus_leave(&n->vcpus, lp);
	return v->next;
}

static void native_forget(struct tdx_engine *e, uint64_t tdvpr_pa)
{
	vcpus_forget(&((struct native *)e)->vcpus, tdvpr_pa);
}

static void native_free(struct tdx_engine *e)
{
	struct native *n = (struct native *)e;

	vcpus_destroy(&n->vcpus);
	free(n);
}

struct tdx_engine *tdx_native_engine_new(tdx_native_fn *fn, void *arg)
{
	static const struct engine_ops ops = {
		.run = native_run, .forget = native_forget, .free = native_free};
	static const struct vcpus_ops vcpus_ops = {.make = vcpu_new, .free = vcpu_free};
	struct native *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->engine.ops = &ops;
	n->fn = fn;
	n->arg = arg;
	vcpus_init(&n->vcpus, &vcpus_ops, n);
	return &n->engine;
}

/* SPDX-License-Identifier: MIT */
/* The x86 engine: finds the entered vCPU, runs it, hands its VM exits to the module. */
#include "engine/td/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <swtdx/x86.h>

#include "arch/msr.h"
#include "engine/controls.h"
#include "engine/execution.h"
#include "engine/interrupt.h"
#include "module/tsc.h"

/* Instructions between two looks at what nobody kicks for. */
#define BUDGET	       20000000ull
#define BUDGET_WATCHED 200000ull /* a byte of the host's, too: half a millisecond */
#define ALL_VMX_EXITS  0x1000
#define ENTRY_FAILED   (VMX_EXIT_ENTRY_FAIL_GUEST_STATE | VMX_EXIT_ENTRY_FAILURE)
#define TIMER_BUDGET   20000ull
#define WAIT_BUDGET    64ull /* of a guest that waits: is it over? */

static void td_cpuid(struct x86_cpu *x86, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct td_cpu *t = td_cpu_of(x86);

	module_guest_cpuid(t->mod, t->lp_id, leaf, subleaf, out);
}

/* It comes out: whoever runs the TD may have a better use for the processor. */
static void napped(struct x86_cpu *x86)
{
	x86_kick(x86);
}

static const struct x86_ops ops = {
	.gpa_map = td_gpa_map,
	.rdmsr = td_rdmsr,
	.wrmsr = td_wrmsr,
	.tsc = td_tsc,
	.cpuid = td_cpuid,
	.is_ram = td_is_ram,
	.random = td_random,
	.intr_ack = td_apic_ack,
	.cr8_written = td_apic_cr8,
	.rdpmc = td_rdpmc,
	.napped = napped,
};

/* --- VMs --- */

/* What an L1 VMM may want to see of its VM; in the L1 VMM itself the module wants little of it. */
static void set_exiting(struct x86_cpu *x86, const struct vmcs *vmcs)
{
	const uint64_t ctls = vmcs_read(vmcs, VMCS_PROCBASED_CTLS);

	x86->mwait_exits = engine_exits(vmcs, VMX_EXIT_MWAIT, 0, 0);
	x86->rdtsc_exits = engine_exits(vmcs, VMX_EXIT_RDTSC, 0, 0);
	x86->invlpg_exits = engine_exits(vmcs, VMX_EXIT_INVLPG, 0, 0);
	x86->mov_dr_exits = engine_exits(vmcs, VMX_EXIT_DR_ACCESS, 0, 0);
	x86->pause_exits = engine_exits(vmcs, VMX_EXIT_PAUSE, 0, 0);
	x86->desc_table_exits = engine_exits(vmcs, VMX_EXIT_GDTR_IDTR_ACCESS, 0, 0);
	x86->rdpmc_exits = engine_exits(vmcs, VMX_EXIT_RDPMC, 0, 0);
	x86->rdrand_exits = engine_exits(vmcs, VMX_EXIT_RDRAND, 0, 0);
	x86->rdseed_exits = engine_exits(vmcs, VMX_EXIT_RDSEED, 0, 0);
	x86->cr3_load_exits = ctls & PROCBASED_CR3_LOAD_EXITING;
	x86->cr3_store_exits = ctls & PROCBASED_CR3_STORE_EXITING;
	x86->cr8_load_exits = ctls & PROCBASED_CR8_LOAD_EXITING;
	x86->cr8_store_exits = ctls & PROCBASED_CR8_STORE_EXITING;
	x86->cr3_targets = (uint8_t)engine_cr3_targets(vmcs, x86->cr3_target);
}

static uint64_t in_guest_ticks(const struct td_cpu *t, uint64_t ticks)
{
	return tsc_to_virtual(ticks, t->tsc_multiplier, 0);
}

/* A VM entry: a loop of PAUSEs is another one. Its bounds are of the processor's clock. */
static void set_pause_loop(const struct td_cpu *t)
{
	const struct vmcs *vmcs = t->in.vmcs;
	const bool exits = vmcs_read(vmcs, VMCS_PROCBASED_CTLS2) & PROCBASED2_PAUSE_LOOP_EXITING;

	t->x86->ple_looping = false;
	t->x86->ple_gap = exits ? in_guest_ticks(t, vmcs_read(vmcs, VMCS_PLE_GAP)) : 0;
	t->x86->ple_window = exits ? in_guest_ticks(t, vmcs_read(vmcs, VMCS_PLE_WINDOW)) : 0;
}

static uint64_t timer(const struct module_entered *in)
{
	uint64_t misc = 0;

	if (!(vmcs_read(in->vmcs, VMCS_PINBASED_CTLS) & PINBASED_PREEMPTION_TIMER))
		return TD_NO_TIMER;
	(void)machine_rdmsr(in->hw, MSR_VMX_MISC, &misc);
	return machine_rdtsc(in->hw) +
	       (vmcs_read(in->vmcs, VMCS_PREEMPTION_TIMER) << (misc & VMX_MISC_TIMER_RATE));
}

/* From now on the VM that is current runs. False: no memory for it. */
static bool attach(struct td_cpu *t, const struct module_entered *in)
{
	struct td_vm *vm = &t->vm[in->vm];

	if (!vm->x86)
		vm->x86 = x86_cpu_new(t->engine->code, &ops, t);
	if (!vm->x86)
		return false;
	t->in = *in;
	t->now = vm;
	t->x86 = vm->x86;
	t->tsc_offset = vmcs_read(in->vmcs, VMCS_TSC_OFFSET);
	t->tsc_multiplier = vmcs_read(in->vmcs, VMCS_TSC_MULTIPLIER);
	t->timer = timer(in);
	t->x86->maxpa = (uint8_t)in->gpa_width;
	set_exiting(t->x86, in->vmcs);
	set_pause_loop(t);
	ept_view_init(&t->ept, in->hw, in->vmcs, entered_shared_bit(in), in->hkid);
	if (!vm->described) {
		/* fixed since TDH.MNG.INIT */
		x86_cpuid_changed(t->x86);
		vm->described = true;
	}
	td_tlb_at_entry(t);
	td_load(t);
	td_apic_at_entry(t);
	return true;
}

/* Back in the guest, in the same VM or in another. */
static bool resume(struct td_cpu *t, unsigned insn_len)
{
	const struct module_entered in = module_entered(t->mod, t->lp_id);

	if (in.vm != t->in.vm) {
		t->chosen = in.vm != 0;
		return attach(t, &in);
	}
	if (in.vm != 0)
		t->timer = timer(&in);
	t->x86->ple_looping = false;
	td_resume(t, insn_len);
	return true;
}

/* --- VM exits --- */

/* An exit after each instruction or event: a debugger steps, or the module. */
static bool monitor_trap(const struct td_cpu *t)
{
	return (vmcs_read(t->in.vmcs, VMCS_PROCBASED_CTLS) & PROCBASED_MONITOR_TRAP) != 0;
}

static enum module_next vmexit(struct td_cpu *t, struct vmexit *x)
{
	enum module_next next;
	struct tdx_regs regs;

	if (!(x->reason & VMX_EXIT_ENTRY_FAILURE)) /* which changes nothing */
		td_save(t);
	x->xcr0 = t->x86->xcr0;
	x->xss = t->x86->xss;
	x->stall = t->x86->rip == module_entry_rip(t->mod, t->lp_id);
	/* A step of the debugger's, which the module would take for one of the host's, and the flag
	 * away from it: so does hardware. */
	if (monitor_trap(t) && !t->in.hw->intr_masked)
		t->in.hw->retired += 2;
	regs = t->x86->regs;
	next = module_vmexit(t->mod, t->lp_id, x, &regs);
	if (next != MODULE_TO_GUEST)
		return next;
	return resume(t, x->instr_len) ? next : MODULE_SHUTDOWN;
}

static void note_ve(struct td_cpu *t)
{
	t->took_ve = t->had_ve;
	t->had_ve = true;
}

/* The processor raises #VE itself, without the module, but not for a part of an event's delivery.
 */
static bool convert_to_ve(struct td_cpu *t, const struct x86_exit *e)
{
	if (t->refused != EPT_VE || e->idt_info >> 31 ||
	    !module_processor_ve(t->mod, t->lp_id, e->qualification, e->gla, e->gpa))
		return false;
	note_ve(t);
	x86_inject(t->x86, VECTOR_VE, VMX_EVENT_EXCEPTION, false, 0, 0);
	return true;
}

/* What began it, not what came of it: the handler that was missing. */
static void triple_fault(const struct td_cpu *t, const struct x86_exit *e, char *line, size_t len)
{
	const char *name = x86_vector_name(VMX_EVENT_VECTOR(e->first_info));
	int n = snprintf(line, len, "vCPU %" PRIu32 ": triple fault: %s", t->in.vps->vcpu_index,
			 name ? name : "an exception");

	if (e->first_info & VMX_EVENT_ERROR_CODE)
		n += snprintf(line + n, len - (size_t)n, " (error 0x%" PRIx32 ")", e->first_error);
	if (VMX_EVENT_VECTOR(e->first_info) == VECTOR_PF)
		n += snprintf(line + n, len - (size_t)n, " on 0x%" PRIx64, e->first_gla);
	n += snprintf(line + n, len - (size_t)n,
		      " at 0x%" PRIx64 " could not be delivered (IDT at 0x%" PRIx64
		      ", stack at 0x%" PRIx64 ")",
		      e->first_rip, t->x86->idtr.base, t->x86->regs.rsp);
	/* What a kernel for any other machine comes to at its first CPUID or port: it has no
	 * handler, or one for all it does not know, which asks nothing. */
	if (VMX_EVENT_VECTOR(e->first_info) == VECTOR_VE && !t->took_ve)
		snprintf(line + n, len - (size_t)n,
			 ": it has no #VE handler; a Linux kernel needs CONFIG_INTEL_TDX_GUEST");
	else if (VMX_EVENT_VECTOR(e->first_info) != VECTOR_VE && t->in.vps->ve_info.valid)
		snprintf(line + n, len - (size_t)n,
			 ": it took a #VE and did not ask what for; a Linux kernel needs "
			 "CONFIG_INTEL_TDX_GUEST");
}

static void describe(const struct td_cpu *t, const struct x86_exit *e, char *line, size_t len)
{
	int n;

	if (e->reason == VMX_EXIT_TRIPLE_FAULT) {
		triple_fault(t, e, line, len);
	} else if (e->reason == X86_EXIT_UNKNOWN) {
		n = snprintf(line, len, "vCPU %" PRIu32 ": unknown instruction at 0x%" PRIx64 ":",
			     t->in.vps->vcpu_index, t->x86->rip);
		for (unsigned i = 0; i < e->insn_len && i < sizeof(e->insn); i++)
			n += snprintf(line + n, len - (size_t)n, " %02x", e->insn[i]);
	} else {
		snprintf(line, len,
			 "vCPU %" PRIu32 ": cannot go on at 0x%" PRIx64 ": %s (%" PRIu64 ")",
			 t->in.vps->vcpu_index, t->x86->rip,
			 e->reason == X86_EXIT_UNSUPPORTED ? x86_unsupported_name(e->qualification)
							   : "an unknown exit",
			 e->qualification);
	}
}

/* A triple fault, or what the engine takes for one. Where an L1 VMM is told of its VM's, it knows
 * what to say; but once it is said here that an engine's limit is behind it. */
static enum module_next stopped(struct td_cpu *t, const struct x86_exit *e)
{
	const bool limit = e->reason >= ALL_VMX_EXITS;
	enum module_next next;
	char line[320];

	describe(t, e, line, sizeof(line));
	next = vmexit(t, &(struct vmexit){.reason = VMX_EXIT_TRIPLE_FAULT});
	if (t->engine->log && (next != MODULE_TO_GUEST || (limit && !t->told_limit))) {
		t->told_limit = true;
		t->engine->log(t->engine->arg, line);
	}
	return next;
}

static enum module_next ept_violation(struct td_cpu *t, const struct x86_exit *e, struct vmexit *x)
{
	if (t->poison) {
		x->reason = VMX_EXIT_EXCEPTION_OR_NMI;
		x->intr_info = VMX_EVENT_VALID | VMX_EVENT_EXCEPTION << 8 | VECTOR_MC;
		return vmexit(t, x);
	}
	if (t->refused == EPT_MISCONFIG)
		x->reason = VMX_EXIT_EPT_MISCONFIG;
	else if (convert_to_ve(t, e))
		return MODULE_TO_GUEST;
	return vmexit(t, x);
}

/* Posted-interrupt processing (SDM vol. 3, 30.6): the notification ends at the controller, what was
 * posted comes in, and the guest goes on; the controller may have more. */
static bool notification(struct td_cpu *t, const struct vmexit *x)
{
	if (!t->in.m->eoi || x->reason != VMX_EXIT_EXTERNAL_INTERRUPT ||
	    !td_apic_notified(t, VMX_EVENT_VECTOR(x->intr_info)))
		return false;
	machine_eoi(t->in.hw);
	atomic_store(&t->in.hw->irq, true);
	return true;
}

/* Does the event for the host that came end the guest's run? */
static bool host_event(struct td_cpu *t, struct vmexit *x)
{
	return engine_host_interrupt(t->in.hw, x) && !notification(t, x);
}

static enum module_next handle(struct td_cpu *t, const struct x86_exit *e)
{
	struct vmexit x = {
		.reason = e->reason,
		.qualification = e->qualification,
		.gpa = e->gpa,
		.gla = e->gla,
		.intr_info = e->intr_info,
		.intr_error = e->intr_error,
		.instr_len = e->insn_len,
		.instr_info = e->insn_info,
		.idt_vectoring_info = e->idt_info,
		.idt_vectoring_error = e->idt_error,
	};

	switch (e->reason) {
	case X86_EXIT_KICK:
		return MODULE_TO_GUEST;
	case X86_EXIT_BUDGET:
		if (!monitor_trap(t))
			return MODULE_TO_GUEST;
		return vmexit(t, &(struct vmexit){.reason = VMX_EXIT_MTF});
	case VMX_EXIT_EPT_VIOLATION:
		if (e->idt_info >> 31)
			x.instr_len = e->idt_len;
		return ept_violation(t, e, &x);
	default:
		break;
	}
	if (e->reason >= ALL_VMX_EXITS || e->reason == VMX_EXIT_TRIPLE_FAULT)
		return stopped(t, e);
	return vmexit(t, &x);
}

/* An NMI the host asked for can be given now. */
static bool nmi_window(const struct td_cpu *t)
{
	return vmcs_read(t->in.vmcs, VMCS_PROCBASED_CTLS) & PROCBASED_NMI_WINDOW &&
	       !t->x86->nmi_blocked && !(t->x86->shadow & 3u);
}

/* What the module or an L1 VMM waits for has come: the exit's reason; 0: not. */
static uint32_t window(const struct td_cpu *t)
{
	const uint64_t ctls = vmcs_read(t->in.vmcs, VMCS_PROCBASED_CTLS);

	if (t->timer != TD_NO_TIMER && machine_rdtsc(t->in.hw) >= t->timer)
		return VMX_EXIT_PREEMPTION_TIMER;
	if (ctls & PROCBASED_INTERRUPT_WINDOW && x86_interrupt_window(t->x86))
		return VMX_EXIT_INTERRUPT_WINDOW;
	return nmi_window(t) ? VMX_EXIT_NMI_WINDOW : 0;
}

/* Instructions until somebody looks at the flags that nobody kicks for. */
static uint64_t budget(const struct td_cpu *t)
{
	const uint64_t ctls = vmcs_read(t->in.vmcs, VMCS_PROCBASED_CTLS);

	if (ctls & PROCBASED_MONITOR_TRAP)
		return 1;
	if (t->turn)
		return t->turn;
	if (t->wait_ns)
		return WAIT_BUDGET;
	if (t->timer != TD_NO_TIMER || ctls & PROCBASED_INTERRUPT_WINDOW)
		return TIMER_BUDGET;
	return t->in.hw->watched ? BUDGET_WATCHED : BUDGET;
}

static void inject(struct td_cpu *t)
{
	struct module_entry e = module_entry(t->mod, t->lp_id);

	if (!(e.info & VMX_EVENT_VALID))
		return;
	vmcs_clear_bits(t->in.vmcs, VMCS_ENTRY_INTERRUPTION_INFO, VMX_EVENT_VALID);
	if (VMX_EVENT_VECTOR(e.info) == VECTOR_VE)
		note_ve(t);
	x86_inject(t->x86, (uint8_t)VMX_EVENT_VECTOR(e.info),
		   (enum vmx_event)VMX_EVENT_TYPE(e.info), (e.info & VMX_EVENT_ERROR_CODE) != 0,
		   e.error, (uint8_t)e.instr_len);
}

/* Whoever watches from outside sees the sums grow while the guest runs. */
static void count(struct td_cpu *t)
{
	t->in.hw->retired += t->x86->insns - t->now->counted;
	atomic_fetch_add_explicit(&t->engine->instructions, t->x86->insns - t->now->counted,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&t->engine->naps, t->x86->naps - t->now->counted_naps,
				  memory_order_relaxed);
	t->now->counted = t->x86->insns;
	t->now->counted_naps = t->x86->naps;
}

/* Where the machine has the clock of its instructions. */
static void take_turns(struct td_cpu *t, uint64_t instructions, bool gives_way)
{
	struct machine *m = t->in.hw->m;

	t->x86->steady = m->ran != NULL;
	t->turn = m->ran ? m->ran(m->ran_arg, t->in.hw, instructions, gives_way) : 0;
}

static enum module_next guest(struct td_cpu *t)
{
	enum module_next next = MODULE_TO_GUEST;
	struct vmexit x;
	bool slept;

	take_turns(t, 0, false);
	if (t->in.vm != 0 && engine_posted_to_l1(&t->in, &x))
		next = vmexit(t, &x);
	while (next == MODULE_TO_GUEST) {
		struct x86_exit e;
		uint32_t reason;

		if (t->chosen) {
			t->chosen = false;
			if (!td_state_is_valid(t)) {
				next = vmexit(t, &(struct vmexit){.reason = ENTRY_FAILED});
				continue;
			}
		}
		if (t->trap.reason) {
			x = (struct vmexit){.reason = t->trap.reason,
					    .qualification = t->trap.qualification};
			t->trap.reason = 0;
			next = vmexit(t, &x);
			continue;
		}
		inject(t);
		/* One that SEAM keeps off may come again at once: the guest goes on. */
		if (machine_irq_now(t->in.hw) && !t->x86->inj.valid && host_event(t, &x)) {
			next = vmexit(t, &x);
			continue;
		}
		reason = window(t);
		if (reason && !t->x86->inj.valid) {
			next = vmexit(t, &(struct vmexit){.reason = reason});
			continue;
		}
		/* With an event on its way into the guest, the host comes right after it. */
		if (machine_irq_now(t->in.hw))
			x86_kick(t->x86);
		x86_run(t->x86, &e, budget(t));
		take_turns(t, t->x86->insns - t->now->counted, e.reason == X86_EXIT_KICK);
		/* In its place a processor has the host's clock, which comes so often. */
		slept = t->x86->naps != t->now->counted_naps && e.reason == X86_EXIT_KICK;
		if (e.reason == X86_EXIT_BUDGET && !t->turn && !monitor_trap(t))
			slept = td_waits(t, &e);
		else
			t->wait_ns = 0;
		count(t);
		if (!slept || t->x86->inj.valid)
			next = handle(t, &e);
		else if (host_event(t, &x))
			next = vmexit(t, &x);
	}
	return next;
}

/* --- vCPUs --- */

static void *cpu_new(void *arg, uint64_t tdvpr_pa)
{
	struct td_engine *e = arg;
	struct td_cpu *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->engine = e;
	return t;
}

static void cpu_free(void *vcpu)
{
	struct td_cpu *t = vcpu;

	for (unsigned vm = 0; vm < TD_MAX_VMS; vm++)
		if (t->vm[vm].x86)
			x86_cpu_free(t->vm[vm].x86);
	free(t);
}

static enum module_next run(struct tdx_engine *engine, struct module *mod, unsigned lp)
{
	struct td_engine *e = (struct td_engine *)engine;
	struct module_entered in = module_entered(mod, lp);
	struct td_cpu *t = vcpus_enter(&e->vcpus, lp, in.tdvpr_pa.v);
	enum module_next next = MODULE_SHUTDOWN;

	if (!t)
		return next;
	t->mod = mod;
	t->lp_id = lp;
	t->chosen = false; /* as the processor left it */
	if (attach(t, &in))
		next = guest(t);
	vcpus_leave(&e->vcpus, lp);
	return next;
}

static void kick_vcpu(void *vcpu)
{
	struct td_cpu *t = vcpu;

	/* Which VM runs may change at this moment; one that comes finds machine_lp.irq. */
	for (unsigned vm = 0; vm < TD_MAX_VMS; vm++) {
		struct x86_cpu *x86 = t->vm[vm].x86;

		if (x86)
			x86_kick(x86);
	}
}

static void kick(struct tdx_engine *engine, unsigned lp)
{
	vcpus_kick(&((struct td_engine *)engine)->vcpus, lp, kick_vcpu);
}

static void written(struct tdx_engine *engine, const void *page)
{
	x86_code_written(((struct td_engine *)engine)->code, page);
}

static void forget(struct tdx_engine *engine, uint64_t tdvpr_pa)
{
	vcpus_forget(&((struct td_engine *)engine)->vcpus, tdvpr_pa);
}

static void lacks(const struct tdx_engine *engine, uint32_t leaf, uint32_t subleaf,
		  struct cpuid_regs *bits)
{
	uint32_t r[4];

	x86_code_lacks(((const struct td_engine *)engine)->code, leaf, subleaf, r);
	*bits = (struct cpuid_regs){r[0], r[1], r[2], r[3]};
}

static void engine_free(struct tdx_engine *engine)
{
	struct td_engine *e = (struct td_engine *)engine;

	vcpus_destroy(&e->vcpus);
	x86_code_free(e->code);
	free(e);
}

struct tdx_engine *tdx_x86_engine_new(void (*log)(void *arg, const char *line), void *arg)
{
	static const struct engine_ops engine_ops = {.run = run,
						     .kick = kick,
						     .forget = forget,
						     .written = written,
						     .lacks = lacks,
						     .free = engine_free};
	static const struct vcpus_ops vcpus_ops = {.make = cpu_new, .free = cpu_free};
	struct td_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->code = x86_code_new();
	if (!e->code) {
		free(e);
		return NULL;
	}
	execution_set(e->code, TDX_X86_EXECUTE_DEFAULT);
	e->engine.ops = &engine_ops;
	e->log = log;
	e->arg = arg;
	vcpus_init(&e->vcpus, &vcpus_ops, e);
	return &e->engine;
}

uint64_t tdx_x86_engine_xfam(const struct tdx_engine *engine)
{
	return x86_code_xfam(((const struct td_engine *)engine)->code);
}

void tdx_x86_engine_cpuid(const struct tdx_engine *engine, uint32_t leaf, uint32_t subleaf,
			  struct tdx_cpuid_values *bits)
{
	uint32_t r[4];

	x86_code_cpuid(((const struct td_engine *)engine)->code, leaf, subleaf, r);
	*bits = (struct tdx_cpuid_values){r[0], r[1], r[2], r[3]};
}

int tdx_x86_engine_execute(struct tdx_engine *engine, enum tdx_x86_execution how)
{
	return execution_set(((struct td_engine *)engine)->code, how);
}

uint64_t tdx_x86_engine_differences(const struct tdx_engine *engine, uint64_t *compared,
				    const char **first)
{
	const struct x86_check_result *r =
		x86_code_result(((const struct td_engine *)engine)->code);

	*compared = r->compared;
	if (first)
		*first = r->first;
	return r->differences;
}

uint64_t tdx_x86_engine_instructions(const struct tdx_engine *engine)
{
	return atomic_load(&((const struct td_engine *)engine)->instructions);
}

uint64_t tdx_x86_engine_naps(const struct tdx_engine *engine)
{
	return atomic_load(&((const struct td_engine *)engine)->naps);
}

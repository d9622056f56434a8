/* SPDX-License-Identifier: MIT */
/* One vCPU in the x86 engine, and the parts of what a TD's processor does around instructions.
 *
 * Its state is in the struct x86_cpu while it runs, in the TDVPS otherwise; state.c carries it over
 * at TD entry and at each VM exit. A td_cpu is used by one thread at a time: the module lets a vCPU
 * be entered on one processor only. */
#ifndef ENGINE_TD_INTERNAL_H
#define ENGINE_TD_INTERNAL_H

#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "engine/engine.h"
#include "engine/ept.h"
#include "engine/vcpus.h"
#include "x86/x86.h"
#include "machine/machine.h"
#include "module/entered.h"
#include "module/vmcs.h"

struct td_engine;

/* The processor as one VM of the vCPU uses it: translations are a VM's own. */
struct td_vm {
	struct x86_cpu *_Atomic x86; /* NULL: the VM has not run yet */
	bool described;		     /* x86 knows the TD's CPUID */
	/* what the TLB was filled under */
	uint64_t epoch, tlb_generation, tlb_flushes;
	unsigned tlb_lp;
	uint64_t counted, counted_naps; /* instructions and naps already in the engine's sums */
};

struct td_cpu {
	struct td_vm vm[TD_MAX_VMS];
	struct td_vm *now;   /* the current one */
	struct x86_cpu *x86; /* and its processor */
	struct td_engine *engine;
	/* while entered */
	struct module *mod;
	unsigned lp_id;
	struct module_entered in;
	uint64_t tsc_offset, tsc_multiplier;
	uint64_t module_rip; /* where the module last had it */
	struct ept_view ept;
	/* an exit that follows the instruction that caused it; reason 0: none */
	struct {
		uint32_t reason;
		uint64_t qualification;
	} trap;
	bool chosen;  /* the state of the VM that is entered is its L1 VMM's choice */
	bool took_ve; /* more than one, so that there is a handler */
	bool had_ve;
	bool told_limit; /* of the engine, although an L1 VMM handled it */
	uint64_t timer;	 /* TSC at which an L2 VM's VMX-preemption timer expires; TD_NO_TIMER */
	/* a loop in which the guest waits: where it was at the last look, the last nap (0: none) */
	uint64_t looked_rip;
	long wait_ns;
	/* what the last refused translation was */
	enum ept_result refused;
	bool poison;
	uint64_t turn; /* instructions it may execute until machine.ran() is told; 0: no matter */
};

#define TD_NO_TIMER (~0ull)

struct td_engine {
	struct tdx_engine engine;
	struct x86_code *code;
	void (*log)(void *arg, const char *line);
	void *arg;
	struct vcpus vcpus;
	_Atomic uint64_t instructions, naps;
};

static inline struct td_cpu *td_cpu_of(struct x86_cpu *x86)
{
	return x86->owner;
}

/* --- state.c --- */

/* At TD entry: everything, from the TDVPS. */
void td_load(struct td_cpu *t);
/* At a VM exit: everything, to the TDVPS. */
void td_save(struct td_cpu *t);
/* Back in the guest after a VM exit the module handled: what it may have changed. */
void td_resume(struct td_cpu *t, unsigned insn_len);

/* --- entry.c --- */
/* Would a processor enter the VM in the state that its VMCS tells? */
bool td_state_is_valid(const struct td_cpu *t);

/* --- memory.c --- */
unsigned td_gpa_map(struct x86_cpu *x86, uint64_t gpa, unsigned access, void **host,
		    uint64_t *qual);
bool td_is_ram(struct x86_cpu *x86, const void *host, size_t len);
/* The TLB must not survive a change of epoch, a move, or the host's INVEPT. */
void td_tlb_at_entry(struct td_cpu *t);

/* --- wait.c --- */
/* After a run of instructions, ended by their number: does the guest wait in a loop? Then its
 * thread has slept a moment. *e: how what was executed to find out has ended. */
bool td_waits(struct td_cpu *t, struct x86_exit *e);

/* --- msr.c --- */
enum x86_msr_answer td_rdmsr(struct x86_cpu *x86, uint32_t msr, uint64_t *value);
enum x86_msr_answer td_wrmsr(struct x86_cpu *x86, uint32_t msr, uint64_t value);
uint64_t td_tsc(struct x86_cpu *x86);
bool td_rdpmc(struct x86_cpu *x86, uint32_t counter, uint64_t *value);
bool td_random(struct x86_cpu *x86, bool seed, uint64_t *value);

/* --- apic.c: the virtual APIC (SDM vol. 3, ch. 30) --- */
enum { VAPIC_TPR = 0x80, VAPIC_PPR = 0xa0, VAPIC_ISR = 0x100, VAPIC_IRR = 0x200 };

/* Posted interrupts come in; ask for attention if one can be delivered. */
void td_apic_at_entry(struct td_cpu *t);
/* An interrupt of the host: true when it is the guest's notification, and what was posted is in. */
bool td_apic_notified(struct td_cpu *t, unsigned vector);
void td_apic_write_tpr(struct td_cpu *t, uint8_t tpr);
/* False: they are not virtualized, without delivery of interrupts. */
bool td_apic_eoi(struct td_cpu *t);
bool td_apic_self_ipi(struct td_cpu *t, uint8_t vector);
int td_apic_ack(struct x86_cpu *x86);
void td_apic_cr8(struct x86_cpu *x86);

#endif

/* SPDX-License-Identifier: MIT */
/* The TDX module as the processors see it: a SEAMCALL comes in, a guest's VM exit comes in.
 *
 * VP.ENTER does not run guest code: it returns MODULE_TO_GUEST, from then on the caller is the
 * guest on that processor, and hands each VM exit (a TDCALL is one) to module_vmexit(), until that
 * returns MODULE_TO_HOST with the host's registers as TDH.VP.ENTER leaves them.
 *
 * Calls on different processors may run at the same time; one processor is one thread at a time. */
#ifndef MODULE_MODULE_H
#define MODULE_MODULE_H

#include <swtdx/types.h>

struct machine;
struct module;
struct vmcs;
struct tx;

enum module_next {
	MODULE_TO_HOST,	 /* registers of the host are final */
	MODULE_TO_GUEST, /* the guest runs (on), see module_entry() for an event to deliver first */
	MODULE_SHUTDOWN, /* a fatal error of the module: this processor is dead */
};

/* One VM exit as the VMCS exit-information fields describe it (SDM vol. 3, 25.9). */
struct vmexit {
	uint32_t reason; /* basic exit reason and flags */
	uint64_t qualification, gpa, gla;
	uint32_t intr_info, intr_error;
	uint32_t instr_len, instr_info;
	uint32_t idt_vectoring_info, idt_vectoring_error;
	/* What the exit leaves of the guest in the processor. xcr0 0: no code was executed, nothing
	 * is known. */
	uint64_t xcr0, xss;
	/* RIP is still that of the last TDH.VP.ENTER. How many instructions were executed since
	 * then, the processor counts (machine_lp.retired). */
	bool stall;
};

/* The event to deliver at VM entry: valid when bit 31 of info is set (SDM 25.8.3). */
struct module_entry {
	uint32_t info, error, instr_len;
};

/* A freshly loaded module, SYSINIT pending. NULL when out of memory. The machine outlives it. */
struct module *module_load(struct machine *m);
void module_unload(struct module *mod);
/* The loader installed the module again: everything it knew is gone but what TDH.SYS.SHUTDOWN left
 * for the next one (without handoff: that too); profile and listeners stay. No processor may be
 * in the module or in a guest. */
void module_reload(struct module *mod, bool handoff);

enum module_next module_seamcall(struct module *mod, unsigned lp, struct tdx_regs *regs);

/* `guest`: the guest's registers, in and out. On MODULE_TO_HOST, module_host_regs() has the
 * registers SEAMRET leaves. */
enum module_next module_vmexit(struct module *mod, unsigned lp, const struct vmexit *exit,
			       struct tdx_regs *guest);
const struct tdx_regs *module_host_regs(const struct module *mod, unsigned lp);

/* While a guest is entered on the processor: its event, registers and VMCS. */
struct module_entry module_entry(const struct module *mod, unsigned lp);
struct tdx_regs *module_guest_regs(struct module *mod, unsigned lp);
struct vmcs *module_vmcs(struct module *mod, unsigned lp);
/* The processor raises #VE for an EPT violation by itself, where the EPT entry does not suppress
 * it: the vCPU's information area is filled. False: it is still in use, and the violation exits. */
bool module_processor_ve(struct module *mod, unsigned lp, uint64_t qualification, uint64_t gla,
			 uint64_t gpa);
/* The processor has made this of the virtual interrupts of the vCPU in LP lp: what its virtual APIC
 * requests and has in service (GUEST_INTERRUPT_STATUS), and its priority. */
void module_processor_vapic(struct module *mod, unsigned lp, uint16_t status, uint8_t priority);
/* CPUID as the guest's values have it, without what only the moment decides and without #VE: which
 * features its processor has. EAX to EDX. */
void module_guest_cpuid(struct module *mod, unsigned lp, uint32_t leaf, uint32_t subleaf,
			uint32_t out[4]);
/* Does the guest's RDMSR or WRMSR exit? */
bool module_msr_intercepted(const struct module *mod, unsigned lp, uint32_t msr, bool write);
/* The guest's value of an MSR that no VMCS field and no XSAVE component holds; else NULL. */
uint64_t *module_guest_msr(struct module *mod, unsigned lp, uint32_t msr);
/* Where its private memory has this byte, as its own accesses find it. False: nowhere. */
bool module_guest_private(struct module *mod, unsigned lp, gpa_t gpa_, uint64_t *pa);
/* Where the guest stood at TDH.VP.ENTER: an exit at the same RIP is a stall. */
uint64_t module_entry_rip(const struct module *mod, unsigned lp);

/* Told when a page stops being a TDVPR, under that page's lock and before it can become another:
 * what an engine keeps of the vCPU ends here. Any processor's thread; must not call the module.
 * NULL: nobody minds. No call is in progress. */
void module_on_vcpu_gone(struct module *mod, void (*gone)(void *arg, hpa_t tdvpr_pa), void *arg);

/* Listening to (and interfering with) every call and lock; see module/tx.h. */
struct module_hooks;
void module_set_hooks(struct module *mod, const struct module_hooks *hooks, void *arg);

#endif

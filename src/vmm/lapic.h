/* SPDX-License-Identifier: MIT */
/* The part of a TD vCPU's local APIC that its host has: timer, IPIs, identification.
 *
 * The processor virtualizes TPR, EOI, ISR, IRR and self-IPIs; the rest of the x2APIC comes by
 * TDG.VP.VMCALL<RDMSR, WRMSR>. Interrupts reach the guest by posting alone: bits in a descriptor in
 * host memory, which the processor takes over at the next TD entry. The registers are those of
 * device/apic.h; here is what a VM brings to them. One timer thread a VM. */
#ifndef VMM_LAPIC_H
#define VMM_LAPIC_H

#include "device/apic.h"
#include "vmm/internal.h"

struct lapic;

/* Under the VM's lock; the first one makes the VM's timers. NULL: no memory. */
struct lapic *lapic_new(struct tdx_vcpu *v);
void lapic_free(struct lapic *a);

/* Tells the module where this vCPU's descriptor is; on the processor it is associated with. */
struct tdx_status lapic_connect(struct lapic *a, const struct tdx_cpu *cpu);

/* To another monitor's: its registers, and what is posted and not taken. Its vCPU is stopped; to
 * load, connected. */
struct apic_state;
void lapic_save(struct lapic *a, struct apic_state *s, uint64_t requests[4]);
void lapic_load(struct lapic *a, const struct apic_state *s, const uint64_t requests[4]);

/* x2APIC MSRs and IA32_TSC_DEADLINE. False: not one of them, or not so. */
bool lapic_read(struct lapic *a, uint32_t msr, uint64_t *value);
bool lapic_write(struct lapic *a, uint32_t msr, uint64_t value);

/* The guest's TSC now. */
uint64_t lapic_tsc(const struct lapic *a);

/* A message that is for this vCPU. Any thread. */
void lapic_send(struct lapic *a, const struct apic_message *m);
/* An interrupt for the vCPU; wakes it, or makes it look. Any thread. */
void lapic_post(struct lapic *a, uint8_t vector);
/* Whatever it waits for, it should look again. Any thread. */
void lapic_wake(struct lapic *a);
/* Is something posted that the processor has not taken yet? */
bool lapic_pending(const struct lapic *a);
/* Signals end the wait from now on, too: see tdx_vcpu_watch(). False: no descriptor. */
bool lapic_wakes_by_signal(struct lapic *a);
/* Wait until something is, or the vCPU is kicked, or the VM dies. */
void lapic_wait(struct lapic *a);

#endif

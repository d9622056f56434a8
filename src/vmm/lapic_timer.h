/* SPDX-License-Identifier: MIT */
/* Timers of a VM's local APICs: one thread that sleeps until the earliest is due. */
#ifndef VMM_LAPIC_TIMER_H
#define VMM_LAPIC_TIMER_H

#include "vmm/internal.h"

/* Embedded in each lapic; `due` in host TSC ticks, 0 when not armed. */
struct lapic_timer {
	uint64_t due;
	struct lapic *apic;
};

/* A timer is due, or never again with 0. The fields are the thread's lock's. -ENOMEM, -EAGAIN. */
int lapic_timer_set(struct tdx_vm *vm, struct lapic_timer *t, uint64_t due);

/* Called by the thread when it is due: when next? 0 never, else later than now. */
uint64_t lapic_timer_fired(struct lapic *a, uint64_t due, uint64_t now);

/* The VM's clock: host TSC now, and its frequency. */
uint64_t lapic_now(const struct tdx_vm *vm);
uint64_t lapic_tsc_hz(const struct tdx_vm *vm);

#endif

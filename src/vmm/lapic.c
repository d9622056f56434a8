/* SPDX-License-Identifier: MIT */
/* See vmm/lapic.h. SDM vol. 3, 11 (APIC), 30.6 (posted interrupts).
 *
 * Registers belong to the vCPU's own thread, but for what the timer thread looks at; that is under
 * the APIC's lock, which also guards the sleep of a halted vCPU. */
#include "vmm/lapic.h"

#include <stdlib.h>
#include <time.h>

#include "abi/metadata.h"
#include "arch/msr.h"
#include "arch/vmcs.h"
#include "arch/x86.h"
#include "vmm/fields.h"
#include "vmm/lapic_timer.h"

enum {
	VERSION = 0x00060015, /* seven LVT entries, CMCI among them */
	SIVR_RESET = 0xff,
	SIVR_BITS = 0x3ff,
	LVT_BITS = 0x117ff,
	LVT_MASKED = 1 << 16,
	TIMER_ONE_SHOT = 0,
	TIMER_PERIODIC = 1,
	TIMER_DEADLINE = 2,
	TIMER_MODES = 3 << 17,
	ICR_FIXED = 0,
	ICR_LOWEST = 1,
	ICR_NMI = 4,
	BUS_HZ = 25000000, /* of the timer in the counting modes: TDX's crystal */
	HALT_POLL_NS = 100000000,
	MIN_PERIOD_HZ = 5000, /* of a periodic timer, as KVM limits it: 200 us */
};

/* What the processor reads; one page. */
struct pi_descriptor {
	_Atomic uint64_t requests[4];
	_Atomic uint64_t control;
};
#define PI_ON	    1ull
#define PI_NV_SHIFT 16

struct lapic {
	struct tdx_vcpu *v;
	hpa_t page;
	struct pi_descriptor *pi;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t reg[MSR_X2APIC_SELF_IPI - MSR_X2APIC_APICID + 1];
	uint64_t deadline;	  /* the guest's TSC; 0 not armed */
	uint64_t period;	  /* host TSC ticks between expiries of a periodic timer */
	struct lapic_timer timer; /* under the timer thread's lock */
	uint64_t tsc_offset, tsc_multiplier;
};

static uint32_t *reg(struct lapic *a, uint32_t msr)
{
	return &a->reg[msr - MSR_X2APIC_APICID];
}

struct lapic *lapic_new(struct tdx_vcpu *v)
{
	struct tdx_vmm *vmm = v->vm->vmm;
	struct lapic *a = calloc(1, sizeof(*a));
	pthread_condattr_t attr;
	static const uint8_t zero[sizeof(struct pi_descriptor)];

	if (!a)
		return NULL;
	a->page = hpa(pages_get(&vmm->pages));
	if (!a->page.v) {
		free(a);
		return NULL;
	}
	a->v = v;
	a->timer.apic = a;
	tdx_vmm_write(vmm, a->page, zero, sizeof(zero));
	a->pi = vmm->port[0]->ops->va(vmm->port[0], a->page);
	atomic_store(&a->pi->control, (uint64_t)VECTOR_HOST_NOTIFICATION << PI_NV_SHIFT);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &attr);
	pthread_condattr_destroy(&attr);
	*reg(a, MSR_X2APIC_SIVR) = SIVR_RESET;
	*reg(a, MSR_X2APIC_LVT_CMCI) = LVT_MASKED;
	for (uint32_t msr = MSR_X2APIC_LVT_TIMER; msr <= MSR_X2APIC_LVT_ERROR; msr++)
		*reg(a, msr) = LVT_MASKED;
	return a;
}

void lapic_free(struct lapic *a)
{
	if (!a)
		return;
	pages_put(&a->v->vm->vmm->pages, a->page.v);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

struct tdx_status lapic_connect(struct lapic *a, const struct tdx_port *port)
{
	const struct tdx_vp *vp = &a->v->vp;
	struct tdx_field_value f;
	struct tdx_status s;

	s = tdh_vp_wr(port, vp, VP_FIELD_VMCS_16(VMCS_POSTED_INTERRUPT_VECTOR),
		      VECTOR_HOST_NOTIFICATION, ~0ull, NULL);
	if (tdx_is_success(s))
		s = tdh_vp_wr(port, vp, VP_FIELD_VMCS_64(VMCS_POSTED_INTERRUPT_DESCRIPTOR),
			      a->page.v, ~0ull, NULL);
	if (tdx_is_success(s))
		s = tdh_vp_wr(port, vp, VP_FIELD_VMCS_32(VMCS_PINBASED_CTLS),
			      PINBASED_POSTED_INTERRUPTS, PINBASED_POSTED_INTERRUPTS, NULL);
	if (tdx_is_success(s))
		s = tdh_mng_rd(port, &a->v->vm->td, md_td.row[MD_TD_TSC_OFFSET].id, &f);
	a->tsc_offset = f.value;
	if (tdx_is_success(s))
		s = tdh_mng_rd(port, &a->v->vm->td, md_td.row[MD_TD_TSC_MULTIPLIER].id, &f);
	a->tsc_multiplier = f.value;
	return s;
}

/* --- posting --- */

bool lapic_pending(const struct lapic *a)
{
	return (atomic_load(&a->pi->control) & PI_ON) != 0;
}

void lapic_wake(struct lapic *a)
{
	pthread_mutex_lock(&a->lock);
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

void lapic_post(struct lapic *a, uint8_t vector)
{
	struct tdx_vcpu *v = a->v;
	int cpu;

	atomic_fetch_or(&a->pi->requests[vector / 64], 1ull << vector % 64);
	if (atomic_fetch_or(&a->pi->control, PI_ON) & PI_ON)
		return; /* somebody has told it already */
	cpu = atomic_load(&v->cpu);
	if (atomic_load(&v->in_guest) && cpu >= 0)
		v->vm->vmm->port[cpu]->ops->interrupt(v->vm->vmm->port[cpu]);
	lapic_wake(a);
}

void lapic_wait(struct lapic *a)
{
	pthread_mutex_lock(&a->lock);
	while (!lapic_pending(a) && !atomic_load(&a->v->kicked) && !atomic_load(&a->v->pend_nmi) &&
	       !vm_is_dead(a->v->vm)) {
		struct timespec at;

		/* A VM that dies does not wake its vCPUs. */
		clock_gettime(CLOCK_MONOTONIC, &at);
		at.tv_nsec += HALT_POLL_NS;
		if (at.tv_nsec >= 1000000000) {
			at.tv_sec++;
			at.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&a->changed, &a->lock, &at);
	}
	pthread_mutex_unlock(&a->lock);
}

/* --- the timer --- */

static unsigned timer_mode(struct lapic *a)
{
	return *reg(a, MSR_X2APIC_LVT_TIMER) >> 17 & 3;
}

/* A period that has passed unseen is lost, as an interrupt is that is pending already. */
uint64_t lapic_timer_fired(struct lapic *a, uint64_t due, uint64_t now)
{
	uint32_t lvt = __atomic_load_n(reg(a, MSR_X2APIC_LVT_TIMER), __ATOMIC_RELAXED);
	uint64_t period = __atomic_load_n(&a->period, __ATOMIC_RELAXED);

	__atomic_store_n(&a->deadline, 0, __ATOMIC_RELAXED);
	if (!(lvt & LVT_MASKED))
		lapic_post(a, (uint8_t)lvt);
	if ((lvt >> 17 & 3) != TIMER_PERIODIC || !period)
		return 0;
	return due + ((now - due) / period + 1) * period;
}

/* A TSC of the guest in host ticks; never 0. */
static uint64_t to_host(const struct lapic *a, uint64_t guest)
{
	unsigned __int128 ticks = (unsigned __int128)(guest - a->tsc_offset) << 48;

	ticks /= a->tsc_multiplier ? a->tsc_multiplier : 1ull << 48;
	return ticks >> 64 ? ~0ull : (uint64_t)ticks | !(uint64_t)ticks;
}

static bool set_deadline(struct lapic *a, uint64_t value)
{
	if (timer_mode(a) != TIMER_DEADLINE)
		return true; /* ignored, as by the processor */
	__atomic_store_n(&a->deadline, value, __ATOMIC_RELAXED);
	return lapic_timer_set(a->v->vm, &a->timer, value ? to_host(a, value) : 0) == 0;
}

static unsigned divisor(struct lapic *a)
{
	uint32_t d = *reg(a, MSR_X2APIC_DIV_CONF);

	return 1u << (((d & 3) | (d >> 1 & 4)) + 1) % 8;
}

static uint64_t count_to_ticks(struct lapic *a, uint64_t count)
{
	return (uint64_t)((unsigned __int128)count * divisor(a) * lapic_tsc_hz(a->v->vm) / BUS_HZ);
}

static bool set_count(struct lapic *a, uint32_t value)
{
	uint64_t ticks = count_to_ticks(a, value), least = lapic_tsc_hz(a->v->vm) / MIN_PERIOD_HZ;

	*reg(a, MSR_X2APIC_INIT_COUNT) = value;
	if (timer_mode(a) == TIMER_DEADLINE)
		return true;
	if (timer_mode(a) == TIMER_PERIODIC && ticks < least)
		ticks = least;
	__atomic_store_n(&a->period, ticks, __ATOMIC_RELAXED);
	return lapic_timer_set(a->v->vm, &a->timer, value ? lapic_now(a->v->vm) + ticks : 0) == 0;
}

static uint32_t current_count(struct lapic *a)
{
	uint64_t due = __atomic_load_n(&a->timer.due, __ATOMIC_RELAXED), now = lapic_now(a->v->vm);

	if (timer_mode(a) == TIMER_DEADLINE || !due || due <= now)
		return 0;
	return (uint32_t)((unsigned __int128)(due - now) * BUS_HZ / lapic_tsc_hz(a->v->vm) /
			  divisor(a));
}

/* Another mode disarms the timer. */
static bool set_lvt_timer(struct lapic *a, uint32_t value)
{
	unsigned before = timer_mode(a);

	__atomic_store_n(reg(a, MSR_X2APIC_LVT_TIMER), value & (LVT_BITS | TIMER_MODES) & ~0x700u,
			 __ATOMIC_RELAXED);
	if (before == timer_mode(a))
		return true;
	__atomic_store_n(&a->deadline, 0, __ATOMIC_RELAXED);
	return lapic_timer_set(a->v->vm, &a->timer, 0) == 0;
}

/* --- IPIs --- */

static uint32_t logical_id(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

static bool is_target(const struct tdx_vcpu *from, const struct tdx_vcpu *to, uint64_t icr)
{
	uint32_t dest = (uint32_t)(icr >> 32), ldr = logical_id(to->id);

	switch (icr >> 18 & 3) {
	case 1:
		return to == from;
	case 2:
		return true;
	case 3:
		return to != from;
	default:
		break;
	}
	if (dest == ~0u)
		return true;
	if (icr >> 11 & 1)
		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	return dest == to->id;
}

static void send_ipi(struct lapic *a, uint64_t icr)
{
	struct tdx_vm *vm = a->v->vm;
	unsigned n = atomic_load(&vm->nvcpus), mode = icr >> 8 & 7;

	for (unsigned i = 0; i < n; i++) {
		struct tdx_vcpu *to = vm->vcpu[i];

		if (!to->lapic || !is_target(a->v, to, icr))
			continue;
		if (mode == ICR_FIXED || mode == ICR_LOWEST) {
			lapic_post(to->lapic, (uint8_t)icr);
			if (mode == ICR_LOWEST)
				return;
		} else if (mode == ICR_NMI) {
			atomic_store(&to->pend_nmi, true);
			if (atomic_load(&to->in_guest) && atomic_load(&to->cpu) >= 0) {
				const struct tdx_port *p = vm->vmm->port[atomic_load(&to->cpu)];

				p->ops->interrupt(p);
			}
			lapic_wake(to->lapic);
		} /* INIT and SIPI do not reach a TD */
	}
}

/* --- MSRs --- */

bool lapic_read(struct lapic *a, uint32_t msr, uint64_t *value)
{
	if (msr == MSR_TSC_DEADLINE) {
		*value = __atomic_load_n(&a->deadline, __ATOMIC_RELAXED);
		return true;
	}
	switch (msr) {
	case MSR_X2APIC_APICID:
		*value = a->v->id;
		return true;
	case MSR_X2APIC_VERSION:
		*value = VERSION;
		return true;
	case MSR_X2APIC_LDR:
		*value = logical_id(a->v->id);
		return true;
	case MSR_X2APIC_CUR_COUNT:
		*value = current_count(a);
		return true;
	case MSR_X2APIC_ICR:
	case MSR_X2APIC_ESR:
		*value = 0;
		return true;
	default:
		break;
	}
	if (msr != MSR_X2APIC_SIVR && msr != MSR_X2APIC_LVT_CMCI && msr != MSR_X2APIC_DIV_CONF &&
	    (msr < MSR_X2APIC_LVT_TIMER || msr > MSR_X2APIC_INIT_COUNT))
		return false;
	*value = *reg(a, msr);
	return true;
}

bool lapic_write(struct lapic *a, uint32_t msr, uint64_t value)
{
	if (msr == MSR_TSC_DEADLINE)
		return set_deadline(a, value);
	if (msr == MSR_X2APIC_ICR) {
		send_ipi(a, value);
		return true;
	}
	if (value >> 32)
		return false;
	switch (msr) {
	case MSR_X2APIC_ESR:
		return value == 0;
	case MSR_X2APIC_SIVR:
		*reg(a, msr) = (uint32_t)value & SIVR_BITS;
		return true;
	case MSR_X2APIC_LVT_TIMER:
		return set_lvt_timer(a, (uint32_t)value);
	case MSR_X2APIC_INIT_COUNT:
		return set_count(a, (uint32_t)value);
	case MSR_X2APIC_DIV_CONF:
		*reg(a, msr) = (uint32_t)value & 0xb;
		return true;
	default:
		break;
	}
	if (msr != MSR_X2APIC_LVT_CMCI &&
	    (msr <= MSR_X2APIC_LVT_TIMER || msr > MSR_X2APIC_LVT_ERROR))
		return false;
	*reg(a, msr) = (uint32_t)value & LVT_BITS;
	return true;
}

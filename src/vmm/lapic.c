/* SPDX-License-Identifier: MIT */
/* See vmm/lapic.h. SDM vol. 3, 11 (APIC), 30.6 (posted interrupts).
 *
 * The lock guards the sleep of a halted vCPU. */
#include "vmm/lapic.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "abi/metadata.h"
#include "arch/vmcs.h"
#include "arch/x86.h"
#include "device/timers.h"
#include "vmm/fields.h"

enum {
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
	struct apic apic;
	struct timer timer; /* under the timer thread's lock */
	uint64_t tsc_offset, tsc_multiplier;
	int wake_fd; /* an eventfd, beside the condition; -1: signals do not matter */
};

/* --- what the registers ask of the VM --- */

static uint64_t vm_now(void *arg)
{
	return tdx_vmm_tsc(((struct tdx_vm *)arg)->vmm);
}

static uint64_t tsc_hz(const struct tdx_vm *vm)
{
	return tdx_vmm_tsc_hz(vm->vmm);
}

static struct timers *lapic_timers_new(struct tdx_vm *vm)
{
	return timers_new(vm_now, vm, tsc_hz(vm));
}

static uint64_t now(void *arg)
{
	return vm_now(((struct lapic *)arg)->v->vm);
}

/* A TSC of the guest in host ticks; never 0. */
static uint64_t tick_of_tsc(void *arg, uint64_t guest)
{
	const struct lapic *a = arg;
	unsigned __int128 ticks = (unsigned __int128)(guest - a->tsc_offset) << 48;

	ticks /= a->tsc_multiplier ? a->tsc_multiplier : 1ull << 48;
	return ticks >> 64 ? ~0ull : (uint64_t)ticks | !(uint64_t)ticks;
}

uint64_t lapic_tsc(const struct lapic *a)
{
	const uint64_t multiplier = a->tsc_multiplier ? a->tsc_multiplier : 1ull << 48;

	return (uint64_t)((unsigned __int128)vm_now(a->v->vm) * multiplier >> 48) + a->tsc_offset;
}

static bool set_timer(void *arg, uint64_t due)
{
	struct lapic *a = arg;

	return timers_set(a->v->vm->timers, &a->timer, due) == 0;
}

static uint64_t timer_fired(void *arg, uint64_t due, uint64_t at)
{
	struct lapic *a = arg;

	return apic_timer_fired(&a->apic, due, at);
}

static void post(void *arg, uint8_t vector)
{
	lapic_post(arg, vector);
}

/* INIT, SIPI and SMI do not reach a TD. */
static void event(void *arg, enum apic_mode mode, uint8_t vector)
{
	(void)vector;
	if (mode == APIC_NMI)
		tdx_vcpu_nmi(((struct lapic *)arg)->v);
}

void lapic_send(struct lapic *a, const struct apic_message *m)
{
	apic_deliver(&a->apic, m);
}

/* To how many. */
static unsigned deliver(struct tdx_vm *vm, uint32_t from, const struct apic_message *m)
{
	const unsigned n = atomic_load(&vm->nvcpus);
	unsigned taken = 0;

	for (unsigned i = 0; i < n && !(taken && m->mode == APIC_LOWEST); i++) {
		struct lapic *to = vm->vcpu[i]->lapic;

		if (!to || !apic_accepts(&to->apic, from, m))
			continue;
		apic_deliver(&to->apic, m);
		taken++;
	}
	return taken;
}

static void send(void *arg, const struct apic_message *m)
{
	const struct lapic *a = arg;

	deliver(a->v->vm, a->v->id, m);
}

static int send_msi(struct tdx_vm *vm, uint64_t address, const struct apic_message *m)
{
	if (!vm->irqchip || atomic_load(&vm->state) != TDX_VM_RUNNABLE ||
	    (uint32_t)address >> MSI_DEST_SHIFT >> 8 != MSI_ADDRESS >> MSI_DEST_SHIFT >> 8)
		return -EINVAL;
	return (int)deliver(vm, ~0u, m);
}

int tdx_vm_msi(struct tdx_vm *vm, uint64_t address, uint32_t data)
{
	const struct apic_message m = apic_msi(address, data);

	return address >> 32 ? -EINVAL : send_msi(vm, address, &m);
}

int tdx_vm_msi_ext(struct tdx_vm *vm, uint64_t address, uint32_t data)
{
	struct apic_message m = apic_msi(address, data);

	/* All 32 bits of it: to all are all of them set, and not eight. */
	m.dest =
		((uint32_t)address >> MSI_DEST_SHIFT & 0xff) | ((uint32_t)(address >> 32) & ~0xffu);
	return send_msi(vm, address, &m);
}

static const struct apic_ops ops = {
	.post = post,
	.event = event,
	.send = send,
	.now = now,
	.tick_of_tsc = tick_of_tsc,
	.timer = set_timer,
};

struct lapic *lapic_new(struct tdx_vcpu *v)
{
	struct tdx_vmm *vmm = v->vm->vmm;
	struct lapic *a = calloc(1, sizeof(*a));
	pthread_condattr_t attr;
	static const uint8_t zero[sizeof(struct pi_descriptor)];

	if (!v->vm->timers)
		v->vm->timers = lapic_timers_new(v->vm);
	if (!a || !v->vm->timers) {
		free(a);
		return NULL;
	}
	a->page = hpa(pages_get(&vmm->pages));
	if (!a->page.v) {
		free(a);
		return NULL;
	}
	a->v = v;
	a->wake_fd = -1;
	a->timer.fired = timer_fired;
	a->timer.arg = a;
	tdx_vmm_write(vmm, a->page, zero, sizeof(zero));
	a->pi = vmm->port[0]->ops->va(vmm->port[0], a->page);
	atomic_store(&a->pi->control, (uint64_t)VECTOR_HOST_NOTIFICATION << PI_NV_SHIFT);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &attr);
	pthread_condattr_destroy(&attr);
	apic_init(&a->apic,
		  &(struct apic_config){.id = v->id,
					.kind = APIC_VIRTUALIZED,
					.clock_hz = tsc_hz(v->vm),
					.bus_hz = v->vm->apic_bus_hz ? v->vm->apic_bus_hz : BUS_HZ,
					.min_period = tsc_hz(v->vm) / MIN_PERIOD_HZ},
		  &ops, a);
	return a;
}

void lapic_free(struct lapic *a)
{
	if (!a)
		return;
	pages_put(&a->v->vm->vmm->pages, a->page.v);
	if (a->wake_fd >= 0)
		close(a->wake_fd);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

struct tdx_status lapic_connect(struct lapic *a, const struct tdx_cpu *cpu)
{
	const struct tdx_vp *vp = &a->v->vp;
	struct tdx_field_value f;
	struct tdx_status s;

	s = tdh_vp_wr(cpu, vp, VP_FIELD_VMCS_16(VMCS_POSTED_INTERRUPT_VECTOR),
		      VECTOR_HOST_NOTIFICATION, ~0ull, NULL);
	if (tdx_is_success(s))
		s = tdh_vp_wr(cpu, vp, VP_FIELD_VMCS_64(VMCS_POSTED_INTERRUPT_DESCRIPTOR),
			      a->page.v, ~0ull, NULL);
	if (tdx_is_success(s))
		s = tdh_vp_wr(cpu, vp, VP_FIELD_VMCS_32(VMCS_PINBASED_CTLS),
			      PINBASED_POSTED_INTERRUPTS, PINBASED_POSTED_INTERRUPTS, NULL);
	if (tdx_is_success(s))
		s = tdh_mng_rd(cpu, &a->v->vm->td, md_td.row[MD_TD_TSC_OFFSET].id, &f);
	a->tsc_offset = f.value;
	if (tdx_is_success(s))
		s = tdh_mng_rd(cpu, &a->v->vm->td, md_td.row[MD_TD_TSC_MULTIPLIER].id, &f);
	a->tsc_multiplier = f.value;
	return s;
}

uint64_t tdx_vcpu_tsc_offset(const struct tdx_vcpu *v)
{
	return v->lapic ? v->lapic->tsc_offset : 0;
}

/* --- posting --- */

bool lapic_pending(const struct lapic *a)
{
	return (atomic_load(&a->pi->control) & PI_ON) != 0;
}

void lapic_wake(struct lapic *a)
{
	const uint64_t one = 1;

	if (a->wake_fd >= 0) {
		(void)!write(a->wake_fd, &one, sizeof(one)); /* full: it is awake */
		return;
	}
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

static bool over(const struct lapic *a)
{
	return lapic_pending(a) || vcpu_wanted(a->v) || atomic_load(&a->v->pend_nmi) ||
	       atomic_load(&a->v->unhalted) || vm_is_dead(a->v->vm);
}

bool lapic_wakes_by_signal(struct lapic *a)
{
	if (a->wake_fd < 0)
		a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return a->wake_fd >= 0;
}

/* The signal that sets the watched byte must not come between the look and the sleep: it is let in
 * by the sleep alone. */
static void wait_with_signals(struct lapic *a)
{
	const struct timespec at_most = {0, HALT_POLL_NS};
	struct pollfd fd = {.fd = a->wake_fd, .events = POLLIN};
	sigset_t all, before;
	uint64_t count;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!over(a))
		if (ppoll(&fd, 1, &at_most, &before) > 0)
			(void)!read(a->wake_fd, &count, sizeof(count));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void lapic_wait(struct lapic *a)
{
	if (a->wake_fd >= 0) {
		wait_with_signals(a);
		return;
	}
	pthread_mutex_lock(&a->lock);
	while (!over(a)) {
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

bool lapic_read(struct lapic *a, uint32_t msr, uint64_t *value)
{
	return apic_has_msr(msr) && apic_read(&a->apic, msr, value);
}

bool lapic_write(struct lapic *a, uint32_t msr, uint64_t value)
{
	return apic_has_msr(msr) && apic_write(&a->apic, msr, value);
}

void lapic_save(struct lapic *a, struct apic_state *s, uint64_t requests[4])
{
	apic_save(&a->apic, s);
	for (unsigned i = 0; i < 4; i++)
		requests[i] = atomic_load(&a->pi->requests[i]);
}

void lapic_load(struct lapic *a, const struct apic_state *s, const uint64_t requests[4])
{
	for (unsigned v = 0; v < 256; v++)
		if (requests[v / 64] >> v % 64 & 1)
			lapic_post(a, (uint8_t)v);
	apic_load(&a->apic, s);
}

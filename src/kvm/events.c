/* SPDX-License-Identifier: MIT */
/* Events: what is pending in a vCPU, as a client reads and sets it, NMIs, machine checks.
 *
 * Nothing is injected into a TD but interrupts by its local APIC and NMIs. KVM keeps what a client
 * sets of the others all the same, gives it back, and drops it at the entry; so does this. It is a
 * KVM without SMM. */
#include <string.h>

#include "arch/x86.h"
#include "kvm/internal.h"

enum { NMIS_WAITING = 2, VECTORS = 256, EXCEPTIONS = 32 };

/* Of a bank of machine checks. */
#define MCI_VAL	      (1ull << 63)
#define MCI_UC	      (1ull << 61)
#define MCI_PCC	      (1ull << 57)
#define MCI_S	      (1ull << 56)
#define MCI_AR	      (1ull << 55)
#define MCE_CAP_BANKS 0xffu
/* What a client may ask a vCPU to have: MCG_CTL, CMCI, software recovery, local machine checks. */
#define MCE_CAP (1ull << 8 | 1ull << 10 | 1ull << 24 | 1ull << 27)

static bool is_soft(uint8_t vector)
{
	return vector == VECTOR_BP || vector == VECTOR_OF;
}

/* An NMI that waits, and one behind it. */
static void add_nmis(struct kvm_vcpu *v, unsigned n)
{
	const unsigned limit = v->nmi_injected ? 1 : NMIS_WAITING;

	v->nmis = v->nmis + n < limit ? v->nmis + n : limit;
}

long kvm_vcpu_nmi(struct kvm_vcpu *v, unsigned long arg)
{
	(void)arg;
	add_nmis(v, 1);
	return 0;
}

long kvm_vcpu_get_events(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_events e = v->told;

	/* Of a software exception the client would need the length of the instruction. */
	if (is_soft(e.exception.nr))
		e.exception.injected = e.exception.pending = 0;
	else if (!v->vm->exception_payload)
		e.exception.injected |= e.exception.pending;
	e.interrupt.injected = e.interrupt.injected && !e.interrupt.soft;
	e.interrupt.soft = 0;
	e.nmi.injected = v->nmi_injected;
	e.nmi.pending = (uint8_t)v->nmis;
	e.flags = KVM_EVENTS_NMI_PENDING | KVM_EVENTS_SHADOW | KVM_EVENTS_SMM;
	if (v->vm->exception_payload)
		e.flags |= KVM_EVENTS_PAYLOAD;
	if (v->vm->triple_fault_event) {
		e.triple_fault.pending = v->triple_fault;
		e.flags |= KVM_EVENTS_TRIPLE_FAULT;
	}
	return kvm_to_user(arg, &e, sizeof(e));
}

/* Payloads go with pending exceptions, where the client has asked for them. */
static int normalise(const struct kvm_vm *vm, struct kvm_events *e)
{
	if (e->flags &
	    ~(uint32_t)(KVM_EVENTS_NMI_PENDING | KVM_EVENTS_SIPI_VECTOR | KVM_EVENTS_SHADOW |
			KVM_EVENTS_SMM | KVM_EVENTS_PAYLOAD | KVM_EVENTS_TRIPLE_FAULT))
		return -EINVAL;
	if (!(e->flags & KVM_EVENTS_PAYLOAD)) {
		e->exception.pending = 0;
		e->exception_has_payload = 0;
	} else if (!vm->exception_payload) {
		return -EINVAL;
	} else if (e->exception.pending) {
		e->exception.injected = 0;
	} else {
		e->exception_has_payload = 0;
	}
	if ((e->exception.injected || e->exception.pending) &&
	    (e->exception.nr >= EXCEPTIONS || e->exception.nr == VECTOR_NMI))
		return -EINVAL;
	return 0;
}

long kvm_vcpu_set_events(struct kvm_vcpu *v, unsigned long arg)
{
	const uint8_t latched_init = v->told.smi.latched_init;
	struct kvm_events e;
	int err;

	if (kvm_from_user(&e, arg, sizeof(e)))
		return -EFAULT;
	err = normalise(v->vm, &e);
	if (err)
		return err;
	memset(&v->told, 0, sizeof(v->told));
	v->told.exception = e.exception;
	v->told.exception_has_payload = e.exception_has_payload;
	v->told.exception_payload = e.exception_payload;
	v->told.interrupt = e.interrupt;
	v->told.interrupt.shadow = 0; /* nobody can see whether a TD has one */
	v->told.smi.latched_init = latched_init;
	v->nmi_injected = e.nmi.injected;
	if (e.flags & KVM_EVENTS_NMI_PENDING) {
		v->nmis = 0;
		add_nmis(v, e.nmi.pending);
	}
	if (e.flags & KVM_EVENTS_SMM) {
		if (e.smi.smm || e.smi.pending || e.smi.smm_inside_nmi)
			return -EINVAL;
		if (v->vm->split)
			v->told.smi.latched_init = e.smi.latched_init != 0;
	}
	if (e.flags & KVM_EVENTS_TRIPLE_FAULT) {
		if (!v->vm->triple_fault_event)
			return -EINVAL;
		v->triple_fault = e.triple_fault.pending != 0;
	}
	return 0;
}

/* With local APICs in the kernel this is the vector of an interrupt controller that the client has
 * behind LINT0: of it there is one at a time. */
long kvm_vcpu_interrupt(struct kvm_vcpu *v, unsigned long arg)
{
	uint32_t vector;

	if (kvm_from_user(&vector, arg, sizeof(vector)))
		return -EFAULT;
	if (vector >= VECTORS)
		return -EINVAL;
	if (v->external)
		return -EEXIST;
	v->external = true;
	v->external_vector = (uint8_t)vector;
	return 0;
}

bool kvm_events_enter(struct kvm_vcpu *v)
{
	if (v->triple_fault) {
		v->triple_fault = false;
		return false;
	}
	if (v->told.exception.pending) {
		v->told.exception.pending = 0;
		v->told.exception.injected = 1;
	}
	/* LINT0 of the processor that boots alone is what takes it. */
	if (v->external && v->id == v->vm->boot_id) {
		v->external = false;
		v->told.interrupt.injected = 1;
		v->told.interrupt.soft = 0;
		v->told.interrupt.nr = v->external_vector;
	}
	if (v->nmis || v->nmi_injected) {
		tdx_vcpu_nmi(v->td); /* the second of two is one with the first */
		v->stat[KVM_STAT_NMI_INJECTIONS]++;
		v->nmis = 0;
		v->nmi_injected = false;
	}
	return true;
}

/* --- machine checks --- */

long kvm_get_mce_cap_supported(struct kvm_host *h, unsigned long arg)
{
	const uint64_t cap = MCE_CAP;

	(void)h;
	return kvm_to_user(arg, &cap, sizeof(cap));
}

long kvm_vcpu_setup_mce(struct kvm_vcpu *v, unsigned long arg)
{
	uint64_t cap;

	if (kvm_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (!(cap & MCE_CAP_BANKS) || (cap & MCE_CAP_BANKS) > KVM_LIMIT_MCE_BANKS ||
	    cap & ~(MCE_CAP | 0xff00ff))
		return -EINVAL;
	v->mcg_cap = cap;
	return 0;
}

/* CR4 of a TD, of which KVM would have to know that it takes machine checks, is the TD's own: one
 * that is not corrected ends it. Banks are not shown to the guest. */
long kvm_vcpu_set_mce(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_mce m;

	if (kvm_from_user(&m, arg, sizeof(m)))
		return -EFAULT;
	if (m.bank >= (v->mcg_cap & MCE_CAP_BANKS) || !(m.status & MCI_VAL))
		return -EINVAL;
	if (m.status & MCI_UC && (m.mcg_status || m.status & (MCI_PCC | MCI_S | MCI_AR)))
		v->triple_fault = true;
	return 0;
}

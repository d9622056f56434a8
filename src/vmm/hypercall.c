/* SPDX-License-Identifier: MIT */
/* KVM's hypercalls, which a TD makes by TDG.VP.VMCALL with R10 not 0: what KVM answers to those it
 * has for TDs, and -ENOSYS to others. A TD's privilege level is not seen by its host: none is
 * refused for it.
 *
 * Its registers go back as they came, but for R10. */
#include "vmm/hypercall.h"

#include <time.h>

#include "abi/kvm_call.h"
#include "vmm/lapic.h"

static uint64_t refused(unsigned error)
{
	return -(uint64_t)error;
}

static struct tdx_vcpu *vcpu_of_id(struct tdx_vm *vm, uint32_t id)
{
	const unsigned n = atomic_load(&vm->nvcpus);

	for (unsigned i = 0; i < n; i++)
		if (vm->vcpu[i]->id == id && vm->vcpu[i]->lapic)
			return vm->vcpu[i];
	return NULL;
}

/* One that halts goes on; one that does not, goes on from its next HLT. */
static void unhalt(struct tdx_vcpu *to)
{
	atomic_store(&to->unhalted, true);
	lapic_wake(to->lapic);
}

static uint64_t kick_cpu(struct tdx_vcpu *v, uint32_t id)
{
	struct tdx_vcpu *to = vcpu_of_id(v->vm, id);

	if (to)
		unhalt(to);
	return 0;
}

/* A hint that somebody else has more to do: the turn is over. */
static uint64_t sched_yield_to(struct tdx_vcpu *v)
{
	vmm_end_turn(&v->vm->vmm->cpu[atomic_load(&v->cpu)], v, true);
	return 0;
}

static bool send_one(struct tdx_vcpu *to, const struct apic_message *m)
{
	enum { REMOTE_READ = 3 }; /* of the APIC's modes; KVM has it for "unhalt" */

	if ((unsigned)m->mode == REMOTE_READ)
		unhalt(to);
	else
		lapic_send(to->lapic, m);
	switch (m->mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
	case APIC_INIT:
		return m->assert || !m->level;
	case APIC_EXTINT:
		return false;
	case APIC_SMI:
	case APIC_NMI:
	case APIC_SIPI:
		break;
	}
	return true;
}

/* To 128 ids from `min` on, a bit each. How many took it. */
static uint64_t send_ipi(struct tdx_vcpu *v, uint64_t low, uint64_t high, uint32_t min,
			 uint64_t icr)
{
	const unsigned n = atomic_load(&v->vm->nvcpus);
	const struct apic_message m = apic_ipi((uint32_t)icr);
	uint64_t count = 0;

	if (icr & KVM_CALL_IPI_NO_DEST)
		return refused(KVM_CALL_EINVAL);
	for (unsigned i = 0; i < n; i++) {
		struct tdx_vcpu *to = v->vm->vcpu[i];
		const uint32_t bit = to->id - min;

		if (!to->lapic || to->id < min || bit >= 128)
			continue;
		if ((bit < 64 ? low : high) >> bit % 64 & 1)
			count += send_one(to, &m);
	}
	return count;
}

/* Into what is the host's at that address, whatever the guest has it for: KVM writes to its user's
 * memory. */
static uint64_t clock_pairing(struct tdx_vcpu *v, uint64_t at, uint64_t type)
{
	const struct tdx_vmm *vmm = v->vm->vmm;
	struct kvm_call_clock c = {0};
	struct timespec t;

	if (type != KVM_CALL_WALLCLOCK || !vmm->cfg.wall_clock)
		return refused(KVM_CALL_EOPNOTSUPP);
	clock_gettime(CLOCK_REALTIME, &t);
	c.tsc = lapic_tsc(v->lapic);
	c.sec = t.tv_sec;
	c.nsec = t.tv_nsec;
	return vm_write_host_side(v->vm, at, &c, sizeof(c)) ? refused(KVM_CALL_EFAULT) : 0;
}

/* The user's. */
static int map_gpa_range(struct tdx_vcpu *v, struct tdx_run *run, uint64_t *answer)
{
	const uint64_t g = v->regs.r11, npages = v->regs.r12;

	*answer = refused(KVM_CALL_ENOSYS);
	if (atomic_load(&v->vm->no_map_gpa))
		return 1;
	*answer = refused(KVM_CALL_EINVAL);
	if (g % TDX_PAGE_SIZE || !npages || (g >> 12) + npages <= g >> 12)
		return 1;
	run->exit = TDX_EXIT_HYPERCALL;
	run->hypercall = (struct tdx_run_hypercall){.nr = KVM_CALL_MAP_GPA_RANGE,
						    .arg = {g, npages, v->regs.r13}};
	v->pending.kind = TDX_EXIT_HYPERCALL;
	return 0;
}

/* R10 of the guest's registers; the host's own use of the others ends here. */
static int answer_with(struct tdx_vcpu *v, uint64_t r10)
{
	v->regs.r10 = r10;
	v->regs.rax = v->regs.rcx = 0;
	return 1;
}

int vcpu_hypercall(struct tdx_vcpu *v, struct tdx_run *run)
{
	const struct tdx_regs *r = &v->regs;
	uint64_t answer = refused(KVM_CALL_ENOSYS);

	switch (r->r10) {
	case KVM_CALL_VAPIC_POLL_IRQ:
		answer = 0;
		break;
	case KVM_CALL_KICK_CPU:
		answer = kick_cpu(v, (uint32_t)r->r12);
		sched_yield_to(v);
		break;
	case KVM_CALL_CLOCK_PAIRING:
		answer = clock_pairing(v, r->r11, r->r12);
		break;
	case KVM_CALL_SEND_IPI:
		answer = send_ipi(v, r->r11, r->r12, (uint32_t)r->r13, r->r14);
		break;
	case KVM_CALL_SCHED_YIELD:
		answer = sched_yield_to(v);
		break;
	case KVM_CALL_MAP_GPA_RANGE:
		if (!map_gpa_range(v, run, &answer))
			return 0;
		break;
	default:
		break;
	}
	return answer_with(v, answer);
}

int vcpu_hypercall_done(struct tdx_vcpu *v, const struct tdx_run *run)
{
	const struct tdx_run_hypercall *h = &run->hypercall;
	uint64_t answer = h->ret;

	/* The operands are the guest's, in its registers still: the user may have changed his. */
	if (!h->ret && !h->done &&
	    (v->regs.r12 > UINT64_MAX >> 12 ||
	     tdx_vm_set_private(v->vm, gpa(v->regs.r11), v->regs.r12 << 12,
				v->regs.r13 & KVM_CALL_MAP_ENCRYPTED)))
		answer = refused(KVM_CALL_EINVAL);
	return answer_with(v, answer);
}

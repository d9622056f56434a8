/* SPDX-License-Identifier: MIT */
/* What a TD's module does not have and its monitor does: slots, shared memory, vCPUs' registers on
 * their way in, local APICs. What comes from a stream is judged before it is used. */
#include <errno.h>
#include <string.h>

#include "vmm/lapic.h"
#include "vmm/mig.h"

int mig_save_vcpu(struct tdx_vcpu *v, struct mig_vcpu *out)
{
	*out = (struct mig_vcpu){.id = v->id,
				 .has_lapic = v->lapic != NULL,
				 .pend_nmi = atomic_load(&v->pend_nmi),
				 .regs = v->regs};
	/* The user's answer to an exit is not in the registers before it runs the vCPU again. */
	if (v->pending.kind >= 0 || atomic_load(&v->in_guest))
		return -EBUSY;
	memcpy(out->msr, v->msr, sizeof(out->msr));
	if (v->lapic)
		lapic_save(v->lapic, &out->apic, out->requests);
	return 0;
}

void mig_load_vcpu(struct tdx_vcpu *v, const struct mig_vcpu *in)
{
	v->regs = in->regs;
	memcpy(v->msr, in->msr, sizeof(v->msr));
	atomic_store(&v->pend_nmi, in->pend_nmi != 0);
	if (v->lapic && in->has_lapic)
		lapic_load(v->lapic, &in->apic, in->requests);
}

/* --- memory --- */

int mig_send_slots(struct mig *m)
{
	const struct tdx_vm *vm = m->vm;
	int err = 0;

	for (unsigned i = 0; i < vm->nslots && !err; i++) {
		const struct memslot *s = &vm->slot[i];
		const struct mig_slot w = {i, s->no_private, s->gfn, s->npages};

		if (s->npages)
			err = mig_send_record(m, MIG_SLOT, &w, sizeof(w));
	}
	return err;
}

static int send_runs(struct mig *m, const struct memslot *s)
{
	struct mig_run *run = (void *)m->record;
	size_t n = 0;

	for (uint64_t i = 0, end; i < s->npages; i = end) {
		for (end = i; end < s->npages && s->private_[end] == s->private_[i]; end++)
			;
		if (s->private_[i])
			continue;
		run[n++] = (struct mig_run){s->gfn + i, end - i};
		if (n == MIG_RUNS) {
			int err = mig_send_record(m, MIG_SHARED_RUN, run, n * sizeof(*run));

			if (err)
				return err;
			n = 0;
		}
	}
	return n ? mig_send_record(m, MIG_SHARED_RUN, run, n * sizeof(*run)) : 0;
}

static bool is_zero(const uint8_t *p)
{
	return !p[0] && !memcmp(p, p + 1, TDX_PAGE_SIZE - 1);
}

/* A shared page that was never touched, or is zero, is so there too. */
static int send_pages(struct mig *m, const struct memslot *s)
{
	int err = 0;

	for (uint64_t i = 0; i < s->npages && !err; i++) {
		const uint64_t pa = s->private_[i] ? 0 : atomic_load(&s->shared_pa[i]);
		const struct mig_run run = {s->gfn + i, 1};

		if (!pa || is_zero(mig_va(m, pa)))
			continue;
		memcpy(m->record, &run, sizeof(run));
		memcpy(m->record + sizeof(run), mig_va(m, pa), TDX_PAGE_SIZE);
		err = mig_send_record(m, MIG_SHARED, m->record, sizeof(run) + TDX_PAGE_SIZE);
		m->stats->shared++;
	}
	return err;
}

int mig_send_shared(struct mig *m)
{
	const struct tdx_vm *vm = m->vm;
	int err = 0;

	for (unsigned i = 0; i < vm->nslots && !err; i++)
		if (vm->slot[i].npages)
			err = send_runs(m, &vm->slot[i]);
	for (unsigned i = 0; i < vm->nslots && !err; i++)
		if (vm->slot[i].npages)
			err = send_pages(m, &vm->slot[i]);
	return err;
}

int mig_recv_slot(struct mig *m, const struct mig_slot *s, uint64_t *memory_left)
{
	int err;

	if (s->slot >= VM_MAX_SLOTS || !s->npages || s->npages > vm_shared_mask(m->vm) >> 12 ||
	    s->gfn > vm_shared_mask(m->vm) >> 12)
		return -EINVAL;
	if (s->npages > *memory_left / TDX_PAGE_SIZE)
		return -ENOSPC;
	err = tdx_vm_set_memslot(m->vm, s->slot, gpa(s->gfn << 12), s->npages << 12);
	if (err)
		return err == -EEXIST ? -EINVAL : err;
	m->vm->slot[s->slot].no_private = s->no_private != 0;
	*memory_left -= s->npages * TDX_PAGE_SIZE;
	return 0;
}

static struct memslot *slot_of_run(struct mig *m, const struct mig_run *r)
{
	struct memslot *s = vm_slot_of(m->vm, r->gfn);

	return s && r->npages && r->npages <= s->npages - (r->gfn - s->gfn) ? s : NULL;
}

int mig_recv_run(struct mig *m, const struct mig_run *r, size_t n)
{
	int err = 0;

	mmu_write_lock(m->vm);
	for (size_t i = 0; i < n && !err; i++) {
		struct memslot *s = slot_of_run(m, &r[i]);

		if (s)
			memset(&s->private_[r[i].gfn - s->gfn], 0, r[i].npages);
		else
			err = -EINVAL;
	}
	mmu_write_unlock(m->vm);
	return err;
}

int mig_recv_shared(struct mig *m, const struct mig_run *r, const void *page)
{
	struct memslot *s = slot_of_run(m, r);
	uint64_t pa;

	if (!s || r->npages != 1 || s->private_[r->gfn - s->gfn])
		return -EINVAL;
	pa = vm_shared_page(m->vm, s, r->gfn);
	if (!pa)
		return -ENOMEM;
	tdx_vmm_write(m->vm->vmm, hpa(pa), page, TDX_PAGE_SIZE);
	m->stats->shared++;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* What a TD's module does not have and its monitor does: slots, shared memory, vCPUs' registers on
 * their way in, local APICs. What comes from a stream is judged before it is used. */
#include <errno.h>
#include <stdlib.h>
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

static bool same(const struct mig_slot *a, const struct mig_slot *b)
{
	return a->npages == b->npages && a->gfn == b->gfn && a->no_private == b->no_private;
}

static struct mig_slot described(const struct tdx_vm *vm, unsigned i)
{
	const struct memslot *s = &vm->slot[i];

	if (i >= vm->nslots || !s->npages)
		return (struct mig_slot){.slot = i};
	return (struct mig_slot){i, s->no_private, s->gfn, s->npages};
}

/* First those that went: others may be where they were. */
int mig_send_slots(struct mig *m)
{
	struct tdx_vm *vm = m->vm;
	struct mig_slot *now = malloc(sizeof(m->slot));
	int err = now ? 0 : -ENOMEM;

	if (err)
		return err;
	mmu_read_lock(vm, NULL);
	for (unsigned i = 0; i < VM_MAX_SLOTS; i++)
		now[i] = described(vm, i);
	m->slot_changes = vm->slot_changes;
	mmu_read_unlock(vm, NULL);
	for (unsigned i = 0; i < VM_MAX_SLOTS && !err; i++) {
		if (m->slot[i].npages && !same(&m->slot[i], &now[i]))
			err = mig_send_record(m, MIG_SLOT, &(struct mig_slot){.slot = i},
					      sizeof(now[i]));
	}
	for (unsigned i = 0; i < VM_MAX_SLOTS && !err; i++) {
		if (now[i].npages && !same(&m->slot[i], &now[i]))
			err = mig_send_record(m, MIG_SLOT, &now[i], sizeof(now[i]));
		m->slot[i] = now[i];
	}
	free(now);
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

static uint64_t shared_pa(const struct memslot *s, uint64_t i)
{
	if (s->private_[i])
		return 0;
	return s->user_pa ? s->user_pa + (i << 12) : atomic_load(&s->shared_pa[i]);
}

/* A shared page that was never touched, or is zero, is so there too. */
static int send_pages(struct mig *m, const struct memslot *s)
{
	int err = 0;

	for (uint64_t i = 0; i < s->npages && !err; i++) {
		const uint64_t pa = shared_pa(s, i);
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

/* It goes once it has no private page: those that had come were cancelled. */
static int slot_gone(struct mig *m, unsigned i, const struct tdx_import_config *config,
		     uint64_t *memory_left)
{
	struct memslot *s = &m->vm->slot[i];
	const uint64_t npages = s->npages;
	bool empty;
	int err;

	mmu_read_lock(m->vm, NULL);
	empty = mmu_is_empty(m->vm, s->gfn, npages);
	mmu_read_unlock(m->vm, NULL);
	if (!npages || !empty)
		return -EINVAL;
	err = tdx_vm_set_memslot(m->vm, i, gpa(0), 0);
	*memory_left += npages * TDX_PAGE_SIZE;
	return !err && config->slot ? config->slot(config->arg, i, gpa(0), 0, false) : err;
}

/* The monitor's, unless the user has made it. */
static int slot_made(struct mig *m, const struct mig_slot *w,
		     const struct tdx_import_config *config)
{
	const gpa_t at = gpa(w->gfn << 12);
	struct memslot *s = &m->vm->slot[w->slot];
	int err = config->slot
			  ? config->slot(config->arg, w->slot, at, w->npages << 12, !w->no_private)
			  : 0;

	if (!err && !s->npages)
		err = tdx_vm_set_memslot(m->vm, w->slot, at, w->npages << 12);
	if (err)
		return err;
	if (s->gfn != w->gfn || s->npages != w->npages)
		return -EINVAL;
	/* What is shared is said at the end. */
	mmu_write_lock(m->vm);
	memset(s->private_, 1, s->npages);
	s->no_private = w->no_private != 0;
	mmu_write_unlock(m->vm);
	return 0;
}

int mig_recv_slot(struct mig *m, const struct mig_slot *s, const struct tdx_import_config *config,
		  uint64_t *memory_left)
{
	int err;

	if (s->slot >= VM_MAX_SLOTS)
		return -EINVAL;
	if (!s->npages)
		return slot_gone(m, s->slot, config, memory_left);
	if (s->npages > vm_shared_mask(m->vm) >> 12 || s->gfn > vm_shared_mask(m->vm) >> 12 ||
	    m->vm->slot[s->slot].npages)
		return -EINVAL;
	if (s->npages > *memory_left / TDX_PAGE_SIZE)
		return -ENOSPC;
	err = slot_made(m, s, config);
	if (err)
		return err == -EEXIST ? -EINVAL : err;
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
	memcpy(mig_va(m, pa), page, TDX_PAGE_SIZE); /* shared memory, it is the host's own */
	m->stats->shared++;
	return 0;
}

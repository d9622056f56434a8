/* SPDX-License-Identifier: MIT */
/* tdx_vm_export(): rounds while the TD runs, the stop, the state, the hand-over; and the way back.
 *
 * A round is an epoch: the pages that are new or were written since are blocked for writing, every
 * processor forgets that it could, then they are sealed and sent; whoever writes to one meanwhile
 * takes the block away and makes it dirty. A page goes once in an epoch at most, and is dropped
 * there, when it is to leave the TD, in a later one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/metadata.h"
#include "vmm/busy.h"
#include "vmm/external.h"
#include "vmm/mig.h"

enum { ROUNDS = 8, ENOUGH = 512, STANDING_TRIES = 100 };

struct export
{
	struct mig m;
	struct tdx_export_config config;
	struct mmu_pages todo, gone;
	unsigned stream; /* the next one's turn */
	bool greeted;	 /* the header is sent */
	bool begun;	 /* in the module */
	bool paused;
	bool over;  /* the last token is made */
	bool ended; /* and everything is sent */
	bool heard; /* the importer has had its word, or has none */
};

/* --- which pages --- */

static bool every(uint64_t spte)
{
	(void)spte;
	return true;
}

/* Not what is about to go. */
static bool open(uint64_t spte)
{
	return !(spte & (SPTE_BLOCKEDW | SPTE_UNWANTED));
}

static bool to_be_dropped(uint64_t spte)
{
	return spte & SPTE_EXPORTED && spte & SPTE_UNWANTED;
}

static bool marked(uint64_t spte)
{
	return spte & (SPTE_UNWANTED | SPTE_DROPPED);
}

static bool fresh(uint64_t spte)
{
	return !(spte & SPTE_EXPORTED);
}

static bool dirty(uint64_t spte)
{
	return spte & SPTE_EXPORTED && !(spte & SPTE_BLOCKEDW);
}

/* Nothing comes afterwards of what was dropped once: the importer gives the guest a page there. */
static bool dirty_or_dropped(uint64_t spte)
{
	return dirty(spte) || (fresh(spte) && spte & SPTE_DROPPED);
}

static bool fresh_or_dirty(uint64_t spte)
{
	return fresh(spte) || dirty(spte);
}

static bool exported(uint64_t spte)
{
	return spte & SPTE_EXPORTED;
}

static bool blocked_only(uint64_t spte)
{
	return spte & SPTE_BLOCKEDW && !(spte & SPTE_EXPORTED);
}

static int find_in(struct export *e, bool (*want)(uint64_t spte), struct mmu_pages *out)
{
	int err;

	mmu_read_lock(e->m.vm, NULL);
	err = mmu_collect(e->m.vm, TDX_LEVEL_4K, want, out);
	mmu_read_unlock(e->m.vm, NULL);
	return err;
}

static int find(struct export *e, bool (*want)(uint64_t spte))
{
	return find_in(e, want, &e->todo);
}

/* The module exports pages of 4K alone. */
static int split_large(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	int err;

	pthread_mutex_lock(&vm->lock);
	mmu_write_lock(vm);
	err = mmu_collect(vm, TDX_LEVEL_2M, every, &e->todo);
	for (size_t i = 0; i < e->todo.n && !err; i++) {
		err = vm_is_dead(vm) ? -EIO : mmu_demote(vm, &vm->cache, e->todo.gfn[i]);
		/* Guests come in between. */
		mmu_write_unlock(vm);
		mmu_write_lock(vm);
	}
	mmu_write_unlock(vm);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

/* --- calls --- */

static struct tdx_status immutable(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_state_immutable(cpu, &m->vm->td, m->memory.mbmd, &m->pages,
					  &m->memory.stream, &m->result);
}

static struct tdx_status td_state(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_state_td(cpu, &m->vm->td, m->memory.mbmd, &m->pages, &m->memory.stream,
				   &m->result);
}

static struct tdx_status vp_state(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_state_vp(cpu, m->vp, m->memory.mbmd, &m->pages, &m->memory.stream,
				   &m->result);
}

static struct tdx_status blockw(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_blockw(cpu, &m->vm->td, &m->memory.gpas, &m->result);
}

static struct tdx_status restore(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_restore(cpu, &m->vm->td, &m->memory.gpas, &m->result);
}

static struct tdx_status memory(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_mem(cpu, &m->vm->td, &m->memory, &m->result);
}

static struct tdx_status pause(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_pause(cpu, &m->vm->td);
}

static struct tdx_status track(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_track(cpu, &m->vm->td, m->memory.mbmd, m->last);
}

static struct tdx_status abort_session(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_export_abort(cpu, &m->vm->td, m->has_token ? &m->memory.mbmd : NULL);
}

/* On a running or standing TD: what fails here, and nothing was changed, gives the export up. */
static int make_on(struct export *e, enum tdx_seamcall leaf, mig_call *fn, int cpu)
{
	struct tdx_status s = mig_make(&e->m, leaf, fn, cpu);

	if (!tdx_is_error(s))
		return 0;
	if (tdx_is(s, TDX_MIGRATION_DECRYPTION_KEY_NOT_SET))
		return vm_fail(e->m.vm, leaf, s, -EKEYREJECTED);
	if (tdx_is(s, TDX_TD_NOT_MIGRATABLE))
		return vm_fail(e->m.vm, leaf, s, -EOPNOTSUPP);
	return vm_fail(e->m.vm, leaf, s, -EREMOTEIO);
}

static int make(struct export *e, enum tdx_seamcall leaf, mig_call *fn)
{
	return make_on(e, leaf, fn, -1);
}

/* With OP_STATE exclusive, which the calls of removals have shared and are not made again for: they
 * are kept out, as they write under the lock. */
static int make_alone(struct export *e, enum tdx_seamcall leaf, mig_call *fn, int cpu)
{
	int err;

	mmu_read_lock(e->m.vm, NULL);
	err = make_on(e, leaf, fn, cpu);
	mmu_read_unlock(e->m.vm, NULL);
	return err;
}

/* --- records --- */

/* The bundle of state in the buffers. `head`, if not NULL, goes before it. */
static int send_bundle(struct export *e, enum mig_type type, const void *head, size_t head_len)
{
	struct mig *m = &e->m;
	const struct mig_bundle b = {*m->mbmd, (uint32_t)m->result.pages, 0};
	uint8_t *p = m->record;

	if (m->result.pages > MIG_STATE_PAGES)
		return -EREMOTEIO;
	if (head_len)
		memcpy(p, head, head_len);
	p += head_len;
	memcpy(p, &b, sizeof(b));
	p += sizeof(b);
	for (unsigned i = 0; i < b.npages; i++, p += TDX_PAGE_SIZE)
		memcpy(p, mig_va(m, m->buffer[i]), TDX_PAGE_SIZE);
	return mig_send_record(m, type, m->record, (size_t)(p - m->record));
}

static int state_on(struct export *e, enum tdx_seamcall leaf, mig_call *fn, int cpu,
		    enum mig_type type, const void *head, size_t head_len)
{
	int err = mig_need_buffers(&e->m, MIG_STATE_PAGES);

	mig_list_pages(&e->m, MIG_STATE_PAGES);
	e->m.memory.stream.index = 0;
	if (!err)
		err = make_alone(e, leaf, fn, cpu);
	if (err)
		return err;
	e->begun = true; /* the first of them begins the session, sent or not */
	return send_bundle(e, type, head, head_len);
}

static int state(struct export *e, enum tdx_seamcall leaf, mig_call *fn)
{
	return state_on(e, leaf, fn, -1, MIG_BUNDLE, NULL, 0);
}

static int token(struct export *e, bool last)
{
	int err;

	e->m.last = last;
	err = make_alone(e, TDH_EXPORT_TRACK, track, -1);
	if (!err && last)
		e->over = true;
	return err ? err : mig_send_record(&e->m, MIG_TOKEN, e->m.mbmd, sizeof(*e->m.mbmd));
}

static int send_list(struct export *e, unsigned n)
{
	struct mig *m = &e->m;
	struct mig_list l = {*m->mbmd, n, 0};
	uint8_t *p = m->record + sizeof(l);

	memcpy(p, m->list, n * sizeof(*m->list));
	p += n * sizeof(*m->list);
	if (m->vm->num_l2_vms) {
		memcpy(p, m->attributes, n * sizeof(*m->attributes));
		p += n * sizeof(*m->attributes);
	}
	memcpy(p, m->macs, n * sizeof(*m->macs));
	p += n * sizeof(*m->macs);
	for (unsigned i = 0; i < n; i++) {
		if (m->buffers[i] & MIG_PAGE_INVALID)
			continue;
		memcpy(p, mig_va(m, m->buffer[i]), TDX_PAGE_SIZE);
		p += TDX_PAGE_SIZE;
		l.npages++;
	}
	memcpy(m->record, &l, sizeof(l));
	return mig_send_record(m, MIG_MEMORY, m->record, (size_t)(p - m->record));
}

/* --- memory --- */

static unsigned list_of(struct export *e, const struct mmu_pages *pages, size_t at,
			enum gpa_operation operation)
{
	const size_t left = pages->n - at;
	const unsigned n = left < MIG_LIST_ENTRIES ? (unsigned)left : MIG_LIST_ENTRIES;

	for (unsigned i = 0; i < n; i++)
		e->m.list[i] = gpa_with_operation(pages->gfn[at + i] << 12, operation);
	e->m.memory.gpas.first = 0;
	e->m.memory.gpas.n = n;
	e->m.memory.gpas.with_attributes = false;
	return n;
}

/* Blocked and not to be, or the other way round, are those the guest was faster with. */
static int block(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	int err = 0;

	for (size_t at = 0; at < e->todo.n && !err;) {
		unsigned n;

		mmu_read_lock(vm, NULL);
		n = list_of(e, &e->todo, at, GPA_MIGRATE);
		err = make(e, TDH_EXPORT_BLOCKW, blockw);
		for (unsigned i = 0; i < n && !err; i++)
			if (gpa_status_of(e->m.list[i]) == GPA_OK)
				mmu_mark(vm, e->todo.gfn[at + i], SPTE_BLOCKEDW, 0);
		mmu_read_unlock(vm, NULL);
		at += n;
	}
	if (err)
		return err;
	mmu_write_lock(vm);
	err = vm_is_dead(vm) ? -EIO : mirror_track(vm);
	mmu_write_unlock(vm);
	return err;
}

/* What the other side may have said, or the user wants. */
static int looked_around(struct export *e)
{
	const struct tdx_mig_channel *c = e->m.channel;
	int err = 0;

	/* After the last token there is no way back. */
	if (!e->over && e->config.wanted)
		err = e->config.wanted(e->config.arg, e->m.stats);

	if (vm_is_dead(e->m.vm))
		return -EIO;
	if (!err && !e->over && c->answered && c->answered(c->arg))
		err = -ECONNABORTED; /* before the end it says nothing else */
	return err;
}

/* The lock under which a list goes: a page that is cancelled may be written again, of which no
 * write fault may know before its entry says so. */
static void lock_for(struct export *e, enum gpa_operation operation, bool lock)
{
	struct tdx_vm *vm = e->m.vm;

	if (operation == GPA_CANCEL)
		lock ? mmu_write_lock(vm) : mmu_write_unlock(vm);
	else
		lock ? mmu_read_lock(vm, NULL) : mmu_read_unlock(vm, NULL);
}

/* The importer knows the slots that the pages are of. */
static int lock_with_slots(struct export *e, enum gpa_operation operation)
{
	int err = 0;

	lock_for(e, operation, true);
	while (!err && e->m.slot_changes != e->m.vm->slot_changes) {
		lock_for(e, operation, false);
		err = mig_send_slots(&e->m);
		lock_for(e, operation, true);
	}
	if (err)
		lock_for(e, operation, false);
	return err;
}

/* Seal and send a list of those that were found; *pages counts. */
static int send_some(struct export *e, const struct mmu_pages *found, size_t at,
		     enum gpa_operation operation, uint64_t *pages)
{
	struct tdx_vm *vm = e->m.vm;
	int err = mig_need_buffers(&e->m, MIG_LIST_ENTRIES);
	unsigned n;

	if (!err)
		err = lock_with_slots(e, operation);
	if (err)
		return err;
	n = list_of(e, found, at, operation);
	e->m.memory.gpas.with_attributes = vm->num_l2_vms != 0;
	e->m.memory.stream.index = (uint16_t)e->stream;
	e->stream = (e->stream + 1) % e->config.streams;
	err = make(e, TDH_EXPORT_MEM, memory);
	for (unsigned i = 0; i < n && !err; i++) {
		if (gpa_operation(e->m.list[i]) == GPA_NOP)
			continue; /* the guest was faster: it is of the next round */
		if (operation == GPA_CANCEL)
			mmu_mark(vm, found->gfn[at + i], SPTE_DROPPED,
				 SPTE_EXPORTED | SPTE_BLOCKEDW);
		else
			mmu_mark(vm, found->gfn[at + i],
				 SPTE_EXPORTED | (e->paused ? SPTE_BLOCKEDW : 0), 0);
		++*pages;
	}
	lock_for(e, operation, false);
	return err ? err : send_list(e, n);
}

/* What somebody waits to remove is dropped by the importer, in an epoch of its own: what it got in
 * this one it may not drop in it. One that could not be cancelled now is asked for again. */
static int let_go(struct export *e)
{
	uint64_t *cancelled = &e->m.stats->cancelled;
	int err;

	if (e->paused || !atomic_exchange(&e->m.vm->unwanted, false))
		return 0;
	err = find_in(e, to_be_dropped, &e->gone);
	if (err || !e->gone.n)
		return err;
	err = token(e, false);
	for (size_t at = 0; at < e->gone.n && !err; at += MIG_LIST_ENTRIES)
		err = send_some(e, &e->gone, at, GPA_CANCEL, cancelled);
	return err;
}

/* Seal and send what was found; *pages counts. */
static int send_found(struct export *e, uint64_t *pages)
{
	int err = 0;

	for (size_t at = 0; at < e->todo.n && !err; at += MIG_LIST_ENTRIES) {
		err = looked_around(e);
		if (!err)
			err = let_go(e);
		if (!err)
			err = send_some(e, &e->todo, at, GPA_MIGRATE, pages);
	}
	return err;
}

static int rounds(struct export *e)
{
	struct tdx_mig_stats *st = e->m.stats;
	int err = 0;

	while (!err) {
		err = let_go(e);
		if (!err)
			err = find(e, open);
		if (err || st->rounds >= e->config.max_rounds ||
		    (st->rounds && e->todo.n <= e->config.enough))
			break;
		if (st->rounds)
			err = token(e, false);
		if (!err)
			err = block(e);
		if (!err)
			err = send_found(e, &st->round_pages[st->rounds]);
		st->rounds++;
	}
	return err;
}

/* The TD stands: all that is dirty, and what never went unless it is to go afterwards. An entry can
 * still be held for a moment by a call of the host's. */
static int rest(struct export *e)
{
	bool (*want)(uint64_t) = e->config.post_copy ? dirty_or_dropped : fresh_or_dirty;
	int err = 0;

	if (e->m.stats->rounds)
		err = token(e, false);
	if (!err)
		err = mig_send_slots(&e->m);
	for (unsigned i = 0; !err; i++) {
		err = find(e, want);
		if (err || !e->todo.n)
			return err;
		if (i == STANDING_TRIES)
			return -EBUSY;
		err = send_found(e, &e->m.stats->stopped_pages);
	}
	return err;
}

/* --- the session --- */

static int send_header(struct export *e)
{
	const struct tdx_vm *vm = e->m.vm;
	struct mig_header h = {.magic = MIG_MAGIC,
			       .format = MIG_FORMAT,
			       .flags = e->m.channel->answered ? MIG_ANSWER : 0,
			       .streams = e->config.streams,
			       .gpaw52 = vm->gpaw52,
			       .l2_vms = vm->num_l2_vms,
			       .nvcpus = atomic_load(&((struct tdx_vm *)(uintptr_t)vm)->nvcpus)};

	for (unsigned i = 0; i < vm->nslots; i++)
		h.nslots += vm->slot[i].npages != 0;
	e->greeted = true;
	return mig_send(&e->m, &h, sizeof(h));
}

/* The importer waits for nothing that does not come any more. */
static void tell_of_failure(struct export *e)
{
	if (e->ended)
		return;
	if (!e->greeted)
		(void)send_header(e);
	mig_tell(&e->m, MIG_ABORT, NULL, 0);
}

static bool can_move(const struct tdx_vm *vm)
{
	return (vm->attributes & TDX_ATTR_MIGRATABLE) != 0;
}

/* The backward stream and the forward ones; those of an earlier session stay. */
static int make_streams(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	int err = 0;

	pthread_mutex_lock(&vm->lock);
	mmu_read_lock(vm, NULL); /* as make_alone() */
	while (vm->ntdcs < vm_tdcs_pages(vm) + 1 + e->config.streams && !err)
		err = vm_add_control_page(vm, TDH_MIG_STREAM_CREATE);
	mmu_read_unlock(vm, NULL);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

static int begin(struct export *e)
{
	int err = make_streams(e);

	if (!err)
		err = split_large(e);
	if (!err)
		err = send_header(e);
	if (!err)
		err = mig_send_slots(&e->m);
	if (!err)
		err = state(e, TDH_EXPORT_STATE_IMMUTABLE, immutable);
	return err;
}

/* -EBUSY: one has something for the user first. */
static int leave_vms(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	const unsigned n = vm->num_l2_vms ? atomic_load(&vm->nvcpus) : 0;
	int err = 0;

	for (unsigned i = 0; i < n && !err; i++)
		err = vcpu_leave_vm(vm->vcpu[i]);
	return err;
}

/* All vCPUs are out, and in their L1 VMMs: one that moves inside an L2 VM has no length of the
 * TDG.VP.ENTER that its next exit to the L1 VMM ends, and the module gives up the whole machine. */
static int stop_vcpus(struct export *e)
{
	int err = 0;

	for (unsigned i = 0; i < STANDING_TRIES; i++) {
		if (i && e->config.go)
			e->config.go(e->config.arg);
		err = e->config.stop ? e->config.stop(e->config.arg) : 0;
		e->paused = true; /* .go() is owed whatever .stop() says */
		if (!err)
			err = leave_vms(e);
		if (err != -EBUSY || !e->config.go)
			break;
	}
	return err;
}

static int stop(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	int was = TDX_VM_RUNNABLE, err = stop_vcpus(e);

	if (err)
		return err;
	if (!atomic_compare_exchange_strong(&vm->state, &was, TDX_VM_EXPORTED))
		return -EIO;
	mmu_write_lock(vm); /* TDR exclusive */
	err = make(e, TDH_EXPORT_PAUSE, pause);
	mmu_write_unlock(vm);
	return err;
}

/* On the processor it is associated with, or will be. */
static int one_vcpu(struct export *e, struct tdx_vcpu *v)
{
	const int was = atomic_load(&v->cpu);
	const int cpu = was >= 0 ? was : (int)(v->id % v->vm->vmm->ncpus);
	struct mig_vcpu head;
	int err = mig_save_vcpu(v, &head);

	if (err)
		return err;
	atomic_store(&v->cpu, cpu);
	e->m.vp = &v->vp;
	return state_on(e, TDH_EXPORT_STATE_VP, vp_state, cpu, MIG_VCPU, &head, sizeof(head));
}

static int vcpus(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	const unsigned n = atomic_load(&vm->nvcpus);
	int err = 0;

	for (unsigned i = 0; i < n && !err; i++)
		err = one_vcpu(e, vm->vcpu[i]);
	return err;
}

static int user_state(struct export *e)
{
	void *bytes = NULL;
	size_t len = 0;
	int err = e->config.save ? e->config.save(e->config.arg, &bytes, &len) : 0;

	if (!err && len > TDX_MIG_USER_MAX)
		err = -E2BIG;
	if (!err && len)
		err = mig_send_record(&e->m, MIG_USER, bytes, len);
	free(bytes);
	return err;
}

static int all_state(struct export *e)
{
	int err = state(e, TDH_EXPORT_STATE_TD, td_state);

	if (!err)
		err = vcpus(e);
	if (!err)
		err = mig_send_shared(&e->m);
	return err ? err : user_state(e);
}

/* The importer's word at the end. */
static int answer(struct export *e)
{
	struct mig_record r;
	int err = mig_recv_record(&e->m, &r);

	e->heard = true;
	if (err)
		return err;
	if (r.type == MIG_COMMITTED && !r.length)
		return 0;
	if (r.type != MIG_ABORTED || (r.length && r.length != sizeof(struct mbmd)))
		return -EPROTO;
	e->m.has_token = r.length != 0;
	if (e->m.has_token)
		memcpy(e->m.mbmd, e->m.record, sizeof(struct mbmd));
	return -ECONNABORTED;
}

static int hand_over(struct export *e)
{
	int err = token(e, true);

	if (!err && e->config.post_copy) {
		err = find(e, fresh);
		if (!err)
			err = send_found(e, &e->m.stats->post_pages);
	}
	if (!err)
		err = mig_send_record(&e->m, MIG_END, NULL, 0);
	e->ended = !err;
	if (!err && e->m.channel->answered)
		err = answer(e);
	return err;
}

static int transfer(struct export *e)
{
	double stopped = 0;
	int err = begin(e);

	if (!err)
		err = rounds(e);
	if (!err) {
		stopped = mig_now();
		err = stop(e);
	}
	if (!err)
		err = rest(e);
	if (!err)
		err = all_state(e);
	if (!err)
		err = looked_around(e);
	if (!err)
		err = hand_over(e);
	if (stopped > 0)
		e->m.stats->down = mig_now() - stopped;
	return err;
}

/* --- the way back --- */

static int restore_found(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	int err = 0;

	for (size_t at = 0; at < e->todo.n && !err;) {
		const unsigned n = list_of(e, &e->todo, at, GPA_MIGRATE);

		err = make(e, TDH_EXPORT_RESTORE, restore);
		for (unsigned i = 0; i < n && !err; i++)
			if (gpa_status_of(e->m.list[i]) == GPA_OK)
				mmu_mark(vm, e->todo.gfn[at + i], 0, SPTE_EXPORTED | SPTE_BLOCKEDW);
			else
				err = -EREMOTEIO;
		at += n;
	}
	return err;
}

static int unblock_found(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	int err = 0;

	for (size_t i = 0; i < e->todo.n && !err; i++) {
		const uint64_t gfn = e->todo.gfn[i];

		if (vm->mirror->install(vm, &(struct mirror_new){.what = MIRROR_UNBLOCKW,
								 .gfn = gfn,
								 .cpu_hint = -1}) != MMU_OK)
			err = -EREMOTEIO;
		else
			mmu_mark(vm, gfn, 0, SPTE_BLOCKEDW);
	}
	return err;
}

/* The TD is whole again here, and nothing tells of the session. Guests are kept out: an entry that
 * one holds could not be restored. */
static int take_back(struct export *e)
{
	struct tdx_vm *vm = e->m.vm;
	int err, was = TDX_VM_EXPORTED;

	err = make_alone(e, TDH_EXPORT_ABORT, abort_session, -1);
	if (err)
		return err;
	mmu_write_lock(vm);
	atomic_store(&vm->wait_for_sept_zap, true);
	vm_kick_vcpus(vm);
	err = mmu_collect(vm, TDX_LEVEL_4K, exported, &e->todo);
	if (!err)
		err = restore_found(e);
	if (!err)
		err = mmu_collect(vm, TDX_LEVEL_4K, blocked_only, &e->todo);
	if (!err)
		err = unblock_found(e);
	if (!err)
		err = mmu_collect(vm, TDX_LEVEL_4K, marked, &e->todo);
	for (size_t i = 0; i < e->todo.n && !err; i++)
		mmu_mark(vm, e->todo.gfn[i], 0, SPTE_UNWANTED | SPTE_DROPPED);
	atomic_store(&vm->unwanted, false);
	atomic_store(&vm->wait_for_sept_zap, false);
	mmu_write_unlock(vm);
	if (!err)
		atomic_compare_exchange_strong(&vm->state, &was, TDX_VM_RUNNABLE);
	return err;
}

/* It failed. What the user is to know, and where the TD is now. */
static int give_up(struct export *e, int why)
{
	struct tdx_vm *vm = e->m.vm;
	int err = 0;

	/* It spoke while this side was sending: what it said is there. */
	if (e->over && why == -ECONNABORTED && !e->heard && e->m.channel->answered)
		(void)answer(e);
	tell_of_failure(e);
	if (e->over && !e->m.has_token) {
		/* Without the importer's token there is no way back. */
		e->m.stats->moved = true;
		vm->sealed = true;
		return why;
	}
	if (e->begun)
		err = take_back(e);
	if (err) {
		vm_kill(vm, "an export that was given up could not be taken back");
		why = -EIO;
	}
	atomic_store(&vm->exporting, false);
	if (e->paused && e->config.go)
		e->config.go(e->config.arg);
	return why;
}

static struct tdx_export_config with_defaults(const struct tdx_export_config *config)
{
	struct tdx_export_config c = config ? *config : (struct tdx_export_config){.streams = 1};

	if (!c.streams)
		c.streams = 1;
	if (!c.max_rounds && !c.post_copy)
		c.max_rounds = ROUNDS;
	if (!c.enough)
		c.enough = ENOUGH;
	return c;
}

/* 0: it may begin. */
static int cannot(const struct export *e)
{
	const struct tdx_vm *vm = e->m.vm;

	if (e->config.streams > TDX_MIG_STREAMS_MAX || e->config.max_rounds > TDX_MIG_ROUNDS_MAX)
		return -EINVAL;
	if (vm_is_dead(vm))
		return -EIO;
	if (vm_state(vm) != TDX_VM_RUNNABLE)
		return -EINVAL;
	return can_move(vm) ? 0 : -EOPNOTSUPP;
}

int tdx_vm_export(struct tdx_vm *vm, const struct tdx_mig_channel *channel,
		  const struct tdx_export_config *config, struct tdx_mig_stats *stats)
{
	struct export e = {.m = {.vm = vm, .channel = channel, .stats = stats}};
	const double began = mig_now();
	int err;

	*stats = (struct tdx_mig_stats){0};
	e.config = with_defaults(config);
	err = cannot(&e);
	if (err) {
		tell_of_failure(&e);
		return err;
	}
	/* The channel is that one's, it may be. */
	if (atomic_exchange(&vm->exporting, true))
		return -EBUSY;
	err = mig_open(&e.m, vm, channel, stats);
	if (!err)
		err = transfer(&e);
	if (err) {
		err = give_up(&e, err);
	} else {
		stats->moved = true;
		vm->sealed = true;
	}
	stats->seconds = mig_now() - began;
	free(e.todo.gfn);
	free(e.gone.gfn);
	mig_close(&e.m);
	return err;
}

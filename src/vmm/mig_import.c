/* SPDX-License-Identifier: MIT */
/* tdx_vm_import(): a TD from a stream, record by record.
 *
 * The module judges what it sealed; here everything else is judged: that a record has the length it
 * says, that memory is of a slot, that there are no more slots, vCPUs and pages than there may be.
 * Order is the module's to judge, but for what it does not see. After any failure the VM is dead:
 * pages that it took are written down, so that teardown finds them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/metadata.h"
#include "vmm/busy.h"
#include "vmm/mig.h"

struct import {
	struct mig m;
	struct tdx_import_config config;
	struct mig_header header;
	uint64_t memory_left;
	uint64_t new_page[MIG_LIST_ENTRIES]; /* for each entry, 0: none */
	struct tdx_vcpu *vcpu;
	bool immutable, td_state; /* are there */
	bool started;		  /* the last token is taken */
	bool running;
	bool dropped; /* some page */
	bool told;    /* the exporter has given up: it does not listen */
	double stopped;
};

/* --- calls --- */

static struct tdx_status immutable(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_import_state_immutable(cpu, &m->vm->td, m->memory.mbmd, &m->pages,
					  &m->memory.stream, &m->result);
}

static struct tdx_status td_state(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_import_state_td(cpu, &m->vm->td, m->memory.mbmd, &m->pages, &m->memory.stream,
				   &m->result);
}

static struct tdx_status vp_state(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_import_state_vp(cpu, m->vp, m->memory.mbmd, &m->pages, &m->memory.stream,
				   &m->result);
}

static struct tdx_status memory(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_import_mem(cpu, &m->vm->td, &m->memory, &(hpa_t){m->new_pa}, &m->result);
}

static struct tdx_status track(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_import_track(cpu, &m->vm->td, m->memory.mbmd);
}

static struct tdx_status commit(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_import_commit(cpu, &m->vm->td);
}

static struct tdx_status end(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_import_end(cpu, &m->vm->td);
}

static struct tdx_status abort_session(const struct tdx_cpu *cpu, struct mig *m)
{
	return tdh_import_abort(cpu, &m->vm->td, m->memory.mbmd);
}

static int judge(struct import *im, enum tdx_seamcall leaf, struct tdx_status s)
{
	if (!tdx_is_error(s) && !tdx_is_fatal(s))
		return 0;
	if (tdx_is(s, TDX_MIGRATION_DECRYPTION_KEY_NOT_SET))
		return vm_fail(im->m.vm, leaf, s, -EKEYREJECTED);
	return vm_fail(im->m.vm, leaf, s, -EBADMSG);
}

static int make(struct import *im, enum tdx_seamcall leaf, mig_call *fn)
{
	return judge(im, leaf, mig_make(&im->m, leaf, fn, -1));
}

/* --- bundles of state --- */

/* The MBMD and pages of a record of len bytes, after `head` of it, in place for the call. */
static int place_bundle(struct import *im, size_t head, uint32_t len)
{
	struct mig *m = &im->m;
	struct mig_bundle b;
	int err;

	if (len < head + sizeof(b))
		return -EINVAL;
	memcpy(&b, m->record + head, sizeof(b));
	if (!b.npages || b.npages > MIG_STATE_PAGES ||
	    len != head + sizeof(b) + b.npages * TDX_PAGE_SIZE)
		return -EINVAL;
	err = mig_need_buffers(m, b.npages);
	if (err)
		return err;
	memcpy(m->mbmd, &b.mbmd, sizeof(b.mbmd));
	for (unsigned i = 0; i < b.npages; i++)
		memcpy(mig_va(m, m->buffer[i]), m->record + head + sizeof(b) + i * TDX_PAGE_SIZE,
		       TDX_PAGE_SIZE);
	mig_list_pages(m, b.npages);
	m->memory.stream.index = 0;
	return 0;
}

/* What the bundle made of the TD, where the monitor goes by it. */
static int check_td(struct import *im)
{
	struct tdx_vm *vm = im->m.vm;
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);
	struct tdx_field_value flags, attributes, xfam, l2_vms;
	struct tdx_status s = tdh_mng_rd(c->cpu, &vm->td, md_td.row[MD_TD_CONFIG_FLAGS].id, &flags);

	if (tdx_is_success(s))
		s = tdh_mng_rd(c->cpu, &vm->td, md_td.row[MD_TD_ATTRIBUTES].id, &attributes);
	if (tdx_is_success(s))
		s = tdh_mng_rd(c->cpu, &vm->td, md_td.row[MD_TD_XFAM].id, &xfam);
	if (tdx_is_success(s))
		s = tdh_mng_rd(c->cpu, &vm->td, md_td.row[MD_TD_NUM_L2_VMS].id, &l2_vms);
	vmm_put_cpu(c);
	if (!tdx_is_success(s))
		return judge(im, TDH_MNG_RD, s);
	/* Its tables would be of other levels. */
	if (((flags.value & TDX_CONFIG_GPAW) != 0) != vm->gpaw52 || l2_vms.value != vm->num_l2_vms)
		return -EINVAL;
	if (xfam.value & im->config.lacking_xfam)
		return -ENOTSUP;
	vm->attributes = attributes.value;
	return 0;
}

static int recv_bundle(struct import *im, uint32_t len)
{
	const bool first = !im->immutable;
	int err = place_bundle(im, 0, len);

	if (!err)
		err = first ? make(im, TDH_IMPORT_STATE_IMMUTABLE, immutable)
			    : make(im, TDH_IMPORT_STATE_TD, td_state);
	if (!err && first)
		err = check_td(im);
	im->immutable = true;
	im->td_state = im->td_state || !first;
	return err;
}

static int import_vcpu(struct import *im, struct tdx_vcpu *v)
{
	struct tdx_vmm *vmm = im->m.vm->vmm;
	const unsigned cpu = v->id % vmm->ncpus;
	struct vmm_cpu *c;
	int err;

	im->m.vp = &v->vp;
	atomic_store(&v->cpu, (int)cpu);
	err = judge(im, TDH_IMPORT_STATE_VP,
		    mig_make(&im->m, TDH_IMPORT_STATE_VP, vp_state, (int)cpu));
	if (err)
		return err;
	c = vmm_get_this_cpu(vmm, cpu);
	err = vcpu_imported(v, c);
	vmm_put_cpu(c);
	return err;
}

static int recv_vcpu(struct import *im, uint32_t len)
{
	struct tdx_vm *vm = im->m.vm;
	struct mig_vcpu head;
	struct tdx_vcpu *v;
	int err;

	if (len < sizeof(head) || !im->td_state)
		return -EINVAL;
	memcpy(&head, im->m.record, sizeof(head));
	if (atomic_load(&vm->nvcpus) >= im->config.max_vcpus)
		return -ENOSPC;
	pthread_mutex_lock(&vm->lock);
	err = vcpu_new_import(vm, head.id, &v);
	pthread_mutex_unlock(&vm->lock);
	if (err)
		return err == -EEXIST ? -EINVAL : err;
	err = place_bundle(im, sizeof(head), len);
	if (!err)
		err = import_vcpu(im, v);
	if (!err)
		mig_load_vcpu(v, &head);
	return err;
}

/* --- memory --- */

/* A page of the host's for entry i, and the tables to where it goes. */
static int make_room(struct import *im, unsigned i, uint64_t gfn)
{
	struct tdx_vm *vm = im->m.vm;
	struct vmm_cpu *c;
	enum mmu_result r;
	unsigned tries = 0;
	int err;

	do {
		mmu_read_lock(vm, NULL);
		r = mmu_import_entry(vm, &vm->cache, gfn);
		mmu_read_unlock(vm, NULL);
	} while (r == MMU_RETRY && vm_try_again(vm, &tries));
	if (r != MMU_OK)
		return r == MMU_NO_MEMORY ? -ENOMEM : r == MMU_DEAD ? -EIO : -EINVAL;
	mmu_read_lock(vm, NULL);
	im->new_page[i] = mmu_new_page(vm, gfn);
	mmu_read_unlock(vm, NULL);
	if (!im->new_page[i])
		return -ENOMEM;
	c = vmm_get_cpu(vm->vmm, -1);
	err = vm_pamt_get(vm, c, im->new_page[i]);
	vmm_put_cpu(c);
	if (err) {
		pages_put(&vm->vmm->pages, im->new_page[i]);
		im->new_page[i] = 0;
		return err;
	}
	im->m.new_pages[i] = im->new_page[i];
	return 0;
}

/* The tables to where each L2 VM has the page, too. */
static int make_room_for_aliases(struct import *im, uint64_t entry, uint64_t gfn)
{
	struct tdx_vm *vm = im->m.vm;
	const uint64_t aliases = (entry & GPA_ENTRY_ALIASES) >> GPA_ENTRY_ALIASES_SHIFT;
	enum mmu_result r = MMU_OK;
	unsigned tries = 0;

	if (aliases >> vm->num_l2_vms)
		return -EINVAL;
	for (unsigned l2 = 1; l2 <= vm->num_l2_vms; l2++) {
		if (!(aliases >> (l2 - 1) & 1))
			continue;
		do {
			mmu_read_lock(vm, NULL);
			r = mmu_map_l2_tables(vm, &vm->cache, gfn, l2, -1);
			mmu_read_unlock(vm, NULL);
		} while (r == MMU_RETRY && vm_try_again(vm, &tries));
		if (r != MMU_OK && r != MMU_EXISTS)
			return r == MMU_NO_MEMORY ? -ENOMEM : -EIO;
	}
	return 0;
}

static int prepare_entry(struct import *im, unsigned i)
{
	const uint64_t e = im->m.list[i], gfn = (e & GPA_ENTRY_ADDRESS) >> 12;
	const enum gpa_operation op = gpa_operation(e);
	int err = 0;

	im->new_page[i] = 0;
	im->m.new_pages[i] = MIG_PAGE_INVALID;
	if (op == GPA_NOP)
		return 0;
	if (gfn >= vm_shared_mask(im->m.vm) >> 12 || !vm_slot_of(im->m.vm, gfn))
		return -EINVAL;
	if (op == GPA_MIGRATE)
		err = make_room(im, i, gfn);
	if (!err && op != GPA_CANCEL)
		err = make_room_for_aliases(im, e, gfn);
	return err;
}

/* A page that was the TD's, or was to be: it is the host's when nothing of it is left in a cache.
 */
static void take_page_back(struct tdx_vm *vm, uint64_t pa)
{
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);
	const int err = vm_clean_private_page(vm, c, pa, TDX_LEVEL_4K);

	if (!err)
		vm_pamt_put(vm, c, pa);
	vmm_put_cpu(c);
	if (err)
		pages_quarantine(&vm->vmm->pages, 1);
	else
		pages_put(&vm->vmm->pages, pa);
}

/* The module has dropped the page at gfn. */
static void dropped(struct import *im, uint64_t gfn)
{
	const uint64_t pa = mmu_page_at(im->m.vm, gfn);

	if (!pa)
		return; /* it would not have had one either */
	mmu_dropped(im->m.vm, gfn);
	take_page_back(im->m.vm, pa);
	im->dropped = true;
}

/* Entries that went through have their page in the TD; the others' pages are the host's still. */
static void settle(struct import *im, unsigned n, unsigned done)
{
	struct tdx_vm *vm = im->m.vm;

	for (unsigned i = 0; i < n; i++) {
		const uint64_t e = im->m.list[i], gfn = (e & GPA_ENTRY_ADDRESS) >> 12;

		if (i < done && gpa_operation(e) == GPA_CANCEL)
			dropped(im, gfn);
		if (!im->new_page[i])
			continue;
		if (i < done && gpa_operation(e) == GPA_MIGRATE)
			mmu_imported(vm, gfn, im->new_page[i]);
		else /* into the one that was refused the module may have written */
			take_page_back(vm, im->new_page[i]);
	}
}

static void place_words(uint64_t *to, const uint8_t **p, unsigned n)
{
	memcpy(to, *p, n * sizeof(*to));
	*p += n * sizeof(*to);
}

/* MBMD, entries, MACs and pages of a record, in place for the call. Which pages there are follows
 * from the entries. */
static int place_list(struct import *im, uint32_t len, unsigned *n)
{
	struct mig *m = &im->m;
	const unsigned words = im->m.vm->num_l2_vms ? 2 : 1;
	const uint8_t *p = m->record;
	struct mig_list l;
	unsigned used = 0;
	int err;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, p, sizeof(l));
	p += sizeof(l);
	if (!l.n || l.n > MIG_LIST_ENTRIES || l.npages > l.n ||
	    len != sizeof(l) + l.n * (words * sizeof(*m->list) + sizeof(*m->macs)) +
			    l.npages * TDX_PAGE_SIZE)
		return -EINVAL;
	err = mig_need_buffers(m, l.npages);
	if (err)
		return err;
	memcpy(m->mbmd, &l.mbmd, sizeof(l.mbmd));
	place_words(m->list, &p, l.n);
	if (words > 1)
		place_words(m->attributes, &p, l.n);
	memcpy(m->macs, p, l.n * sizeof(*m->macs));
	p += l.n * sizeof(*m->macs);
	for (unsigned i = 0; i < l.n; i++) {
		const uint64_t e = m->list[i];

		m->buffers[i] = MIG_PAGE_INVALID;
		if (gpa_operation(e) == GPA_NOP || gpa_operation(e) == GPA_CANCEL ||
		    e & GPA_ENTRY_PENDING)
			continue;
		if (used == l.npages)
			return -EINVAL;
		memcpy(mig_va(m, m->buffer[used]), p, TDX_PAGE_SIZE);
		p += TDX_PAGE_SIZE;
		m->buffers[i] = m->buffer[used++];
	}
	m->memory.stream.index = l.mbmd.stream;
	m->memory.gpas.first = 0;
	m->memory.gpas.n = l.n;
	m->memory.gpas.with_attributes = words > 1;
	*n = l.n;
	return used == l.npages ? 0 : -EINVAL;
}

static int recv_memory(struct import *im, uint32_t len)
{
	struct mig *m = &im->m;
	struct tdx_mig_stats *st = m->stats;
	unsigned n = 0, ready = 0;
	struct tdx_status s = tdx_success();
	int err = place_list(im, len, &n);

	if (!err && m->memory.stream.index >= im->header.streams)
		err = -EINVAL;
	while (!err && ready < n)
		err = prepare_entry(im, ready++);
	if (err) { /* the one that failed may have its page, too */
		settle(im, ready, 0);
		return err;
	}
	mmu_read_lock(m->vm, NULL);
	s = mig_make(m, TDH_IMPORT_MEM, memory, -1);
	/* A call that failed tells at which entry, if it came to any. */
	settle(im, n,
	       !tdx_is_error(s) && !tdx_is_fatal(s)			     ? n
	       : tdx_operand(s) == TDX_OPERAND_ID_RCX || m->result.next >= n ? 0
									     : m->result.next);
	mmu_read_unlock(m->vm, NULL);
	if (im->running)
		st->post_pages += n;
	else if (im->stopped > 0)
		st->stopped_pages += n;
	else
		st->round_pages[st->rounds < TDX_MIG_ROUNDS_MAX ? st->rounds : 0] += n;
	return judge(im, TDH_IMPORT_MEM, s);
}

/* --- tokens, and the rest --- */

/* The guest may accept a page where another was dropped, before it comes to the host's knowledge.
 */
static int fill_dropped(struct import *im)
{
	struct tdx_vm *vm = im->m.vm;
	unsigned tries = 0;
	int err;

	if (!im->dropped)
		return 0;
	do {
		mmu_write_lock(vm);
		err = mmu_fill_dropped(vm, 0, ~0ull);
		mmu_write_unlock(vm);
	} while (err == -EAGAIN && vm_try_again(vm, &tries));
	return err;
}

/* It runs here from now on. */
static int take_over(struct import *im)
{
	struct tdx_vm *vm = im->m.vm;
	int was = TDX_VM_IMPORTING;
	int err = make(im, TDH_IMPORT_COMMIT, commit);

	if (!err)
		err = fill_dropped(im);
	if (err)
		return err;
	if (!atomic_compare_exchange_strong(&vm->state, &was, TDX_VM_RUNNABLE))
		return -EIO;
	im->running = im->m.stats->moved = true;
	if (im->stopped > 0)
		im->m.stats->down = mig_now() - im->stopped;
	if (im->config.go)
		im->config.go(im->config.arg);
	return 0;
}

static int recv_token(struct import *im, uint32_t len)
{
	const struct mbmd *t = im->m.mbmd;
	struct tdx_mig_stats *st = im->m.stats;
	int err;

	if (len != sizeof(*t))
		return -EINVAL;
	memcpy(im->m.mbmd, im->m.record, sizeof(*t));
	mmu_write_lock(im->m.vm); /* TDR exclusive */
	err = make(im, TDH_IMPORT_TRACK, track);
	mmu_write_unlock(im->m.vm);
	if (err)
		return err;
	st->rounds += st->rounds < TDX_MIG_ROUNDS_MAX - 1;
	im->started = t->epoch == MIG_EPOCH_OUT_OF_ORDER;
	return im->started ? take_over(im) : 0;
}

static int recv_runs(struct import *im, uint32_t len)
{
	if (!len || len % sizeof(struct mig_run))
		return -EINVAL;
	return mig_recv_run(&im->m, (const void *)im->m.record, len / sizeof(struct mig_run));
}

static int recv_page(struct import *im, uint32_t len)
{
	struct mig_run r;

	if (len != sizeof(r) + TDX_PAGE_SIZE)
		return -EINVAL;
	memcpy(&r, im->m.record, sizeof(r));
	return mig_recv_shared(&im->m, &r, im->m.record + sizeof(r));
}

static int recv_user(struct import *im, uint32_t len)
{
	if (!im->config.load)
		return -EINVAL;
	return im->config.load(im->config.arg, im->m.record, len);
}

static int recv_slot(struct import *im, uint32_t len)
{
	struct mig_slot s;

	if (len != sizeof(s) || im->td_state)
		return -EINVAL;
	memcpy(&s, im->m.record, sizeof(s));
	return mig_recv_slot(&im->m, &s, &im->config, &im->memory_left);
}

/* What may come once it runs here is memory, and the end, of one kind or the other. */
static int take(struct import *im, const struct mig_record *r)
{
	if (im->running && r->type != MIG_MEMORY && r->type != MIG_ABORT)
		return -EINVAL;
	switch ((enum mig_type)r->type) {
	case MIG_SLOT:
		return recv_slot(im, r->length);
	case MIG_BUNDLE:
		im->stopped = im->immutable && im->stopped <= 0 ? mig_now() : im->stopped;
		return recv_bundle(im, r->length);
	case MIG_VCPU:
		return recv_vcpu(im, r->length);
	case MIG_MEMORY:
		return im->immutable ? recv_memory(im, r->length) : -EINVAL;
	case MIG_TOKEN:
		return im->immutable ? recv_token(im, r->length) : -EINVAL;
	case MIG_SHARED_RUN:
		return recv_runs(im, r->length);
	case MIG_SHARED:
		return recv_page(im, r->length);
	case MIG_USER:
		return recv_user(im, r->length);
	case MIG_ABORT:
		im->told = true;
		return -ECONNABORTED;
	case MIG_END:
	case MIG_COMMITTED:
	case MIG_ABORTED:
		break;
	}
	return -EINVAL;
}

static int recv_header(struct import *im)
{
	struct mig_header *h = &im->header;
	int err = mig_recv(&im->m, h, sizeof(*h));

	if (err)
		return err;
	if (h->magic != MIG_MAGIC || h->format != MIG_FORMAT || h->flags & ~(uint32_t)MIG_ANSWER)
		return -EPROTO;
	if (!h->streams || h->streams > TDX_MIG_STREAMS_MAX || h->gpaw52 != im->m.vm->gpaw52 ||
	    h->l2_vms != im->m.vm->num_l2_vms)
		return -EINVAL;
	return h->nvcpus > im->config.max_vcpus ? -ENOSPC : 0;
}

static int records(struct import *im)
{
	struct mig_record r;
	int err = 0;

	while (!err) {
		if (im->config.wanted && !im->running)
			err = im->config.wanted(im->config.arg, im->m.stats);
		if (!err)
			err = mig_recv_record(&im->m, &r);
		if (!err && r.type == MIG_END)
			break;
		if (!err)
			err = take(im, &r);
	}
	return err ? err : im->running ? 0 : -EINVAL;
}

static int finish(struct import *im)
{
	struct tdx_vm *vm = im->m.vm;
	int err;

	mmu_write_lock(vm); /* TDR exclusive */
	atomic_store(&vm->wait_for_sept_zap, true);
	vm_kick_vcpus(vm);
	err = make(im, TDH_IMPORT_END, end);
	atomic_store(&vm->wait_for_sept_zap, false);
	if (!err) {
		vm->sealed = false;
		atomic_store(&vm->importing, false);
	}
	mmu_write_unlock(vm);
	if (!err && im->header.flags & MIG_ANSWER)
		mig_tell(&im->m, MIG_COMMITTED, NULL, 0);
	return err;
}

static int make_streams(struct import *im)
{
	struct tdx_vm *vm = im->m.vm;
	int err = 0;

	pthread_mutex_lock(&vm->lock);
	for (unsigned i = 0; i < im->header.streams + 1 && !err; i++)
		err = vm_add_control_page(vm, TDH_MIG_STREAM_CREATE);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

/* The exporter is told, whatever failed: it may be waiting for nothing else. With the token it goes
 * on, even if it has given its TD away already. */
static void give_up(struct import *im, int why)
{
	struct tdx_vm *vm = im->m.vm;
	struct tdx_status s = tdx_error(TDX_OP_STATE_INCORRECT);
	struct tdx_vm_error e;
	char text[128];

	if (im->immutable && !im->running)
		s = mig_make(&im->m, TDH_IMPORT_ABORT, abort_session, -1);
	if (!im->told)
		mig_tell(&im->m, MIG_ABORTED, im->m.mbmd,
			 tdx_is_error(s) ? 0 : sizeof(struct mbmd));
	tdx_vm_error(vm, &e);
	snprintf(text, sizeof(text), "its import failed: %s", strerror(-why));
	vm_kill(vm, e.text[0] ? e.text : text);
}

int tdx_vm_import(struct tdx_vm *vm, const struct tdx_mig_channel *channel,
		  const struct tdx_import_config *config, struct tdx_mig_stats *stats)
{
	struct import im = {.config = *config, .memory_left = config->max_memory};
	const double began = mig_now();
	int err;

	*stats = (struct tdx_mig_stats){0};
	if (vm_state(vm) != TDX_VM_IMPORTING) {
		im.m = (struct mig){.vm = vm, .channel = channel, .stats = stats};
		mig_tell(&im.m, MIG_ABORTED, NULL, 0);
		return vm_is_dead(vm) ? -EIO : -EINVAL;
	}
	err = mig_open(&im.m, vm, channel, stats);
	if (!err)
		err = recv_header(&im);
	if (!err)
		err = make_streams(&im);
	if (!err)
		err = records(&im);
	if (!err)
		err = finish(&im);
	if (err)
		give_up(&im, err);
	stats->seconds = mig_now() - began;
	mig_close(&im.m);
	return err;
}

struct tdx_vcpu *tdx_vm_vcpu(const struct tdx_vm *cvm, unsigned i)
{
	struct tdx_vm *vm = (struct tdx_vm *)(uintptr_t)cvm;

	return i < atomic_load(&vm->nvcpus) ? vm->vcpu[i] : NULL;
}

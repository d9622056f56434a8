/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.MEM: export, export again or cancel the pages of a list, each a message of its own.
 *
 * Locks: TDR, OP_STATE, MIG and the tree shared, a forward stream, the entries of the list one by
 * one (host). An entry that cannot be done is marked and counted, and still uses an IV and has a
 * MAC: the importer walks the same list. Interrupts are asked for after each entry. */
#include "module/l2_sept.h"
#include "module/leaves.h"
#include "module/mig_mem.h"
#include "module/seamcall/mem.h"
#include "module/transition.h"

/* An entry being worked on. */
struct item {
	struct sept_ref ref;
	uint64_t entry, buffer; /* as they will be written back */
	uint64_t attributes;
	void *to; /* of the page's ciphertext; NULL: no RAM */
	bool locked;
	bool page;		 /* its content is exported */
	int64_t migrated, dirty; /* what the counts change by */
	uint64_t value;		 /* of the Secure-EPT entry, then */
};

static bool in_order(const struct mig_mem *m)
{
	return m->td.tdcs->op_state != TDX_OP_STATE_POST_EXPORT;
}

/* May the page be exported, and does that repeat an earlier export? */
static enum gpa_status choose_operation(const struct mig_mem *m, struct item *it)
{
	const uint64_t e = it->ref.value;
	const bool cancel = gpa_operation(it->entry) == GPA_CANCEL;
	const bool exported = sept_has(e, SEPT_IS_EXPORTED);

	if (!in_order(m)) {
		it->entry = cancel ? it->entry : gpa_with_operation(it->entry, GPA_MIGRATE);
		return cancel ? GPA_OP_STATE_INCORRECT : GPA_OK;
	}
	if (cancel)
		return exported ? GPA_OK : GPA_STATE_INCORRECT;
	if (exported && !sept_has(e, SEPT_IS_DIRTY))
		return GPA_STATE_INCORRECT;
	if (m->td.tdcs->op_state == TDX_OP_STATE_LIVE_EXPORT) {
		if (!sept_has(e, SEPT_IS_BLOCKEDW))
			return GPA_STATE_INCORRECT;
		if (sept_has(e, SEPT_NEEDS_TRACKING) &&
		    !td_tlb_tracked(&m->td,
				    __atomic_load_n(&m->td.tdcs->bw_epoch, __ATOMIC_RELAXED)))
			return GPA_TRACKING_NOT_DONE;
	}
	it->entry = gpa_with_operation(it->entry, exported ? GPA_REMIGRATE : GPA_MIGRATE);
	return GPA_OK;
}

/* What the importer is told of the page: pending, and who else maps it how. */
static bool describe(const struct mig_mem *m, struct item *it)
{
	const uint64_t e = it->ref.value;

	it->entry &= ~(GPA_ENTRY_PENDING | GPA_ENTRY_ALIASES);
	if (sept_has(e, SEPT_IS_PENDING))
		it->entry |= GPA_ENTRY_PENDING;
	if (gpa_operation(it->entry) == GPA_CANCEL)
		return true;
	for (unsigned vm = 1; vm <= m->td.tdcs->num_l2_vms; vm++) {
		const uint64_t *alias;

		if (!l2_aliased(e, vm))
			continue;
		alias = l2_alias(m->tx, m->td.tdr, m->td.tdcs, vm, &it->ref, true);
		if (!alias)
			return false;
		it->entry |= gpa_entry_alias(vm);
		it->attributes |= (uint64_t)l2_sept_attr(*alias, sept_has(e, SEPT_IS_BLOCKEDW),
							 sept_has(e, SEPT_IS_PENDING))
				  << 16 * vm;
	}
	return true;
}

static bool cancel(const struct mig_mem *m, struct item *it)
{
	const uint64_t e = it->ref.value;

	it->migrated = -1;
	it->dirty = sept_has(e, SEPT_IS_DIRTY) ? -1 : 0;
	it->buffer |= MIG_PAGE_INVALID;
	if (sept_has(e, SEPT_IS_PENDING)) {
		it->value = sept_with_state(e, TDX_SEPT_PENDING);
		return true;
	}
	it->value = sept_with_state(e | SEPT_W, TDX_SEPT_MAPPED);
	return !sept_has(e, SEPT_IS_BLOCKEDW) || l2_block_writing(m->tx, &m->td, &it->ref, false);
}

static enum gpa_status take_buffer(const struct mig_mem *m, struct item *it)
{
	if (it->buffer & MIG_PAGE_INVALID)
		return GPA_NO_BUFFER;
	if (!tdx_is_success(mig_page_operand(m->tx, it->buffer & SEPT_HPA_MASK,
					     TDX_OPERAND_ID_MIG_BUFF_LIST_ENTRY, &it->to)))
		return GPA_BUFFER_INVALID;
	it->page = true;
	return GPA_OK;
}

static enum gpa_status migrate(const struct mig_mem *m, struct item *it)
{
	const uint64_t e = it->ref.value;
	enum gpa_status st;

	it->migrated = sept_has(e, SEPT_IS_EXPORTED) ? 0 : 1;
	it->dirty = sept_has(e, SEPT_IS_DIRTY) ? -1 : 0;
	if (it->entry & GPA_ENTRY_PENDING) {
		it->buffer |= MIG_PAGE_INVALID;
		it->value = sept_with_state(e, TDX_SEPT_PENDING_EXPORTED_BLOCKEDW);
		return GPA_OK;
	}
	st = take_buffer(m, it);
	if (st != GPA_OK)
		return st;
	it->value = sept_with_state(e & ~SEPT_W, TDX_SEPT_EXPORTED_BLOCKEDW);
	/* a paused TD's page need not have been blocked: it is now */
	if (!sept_has(e, SEPT_IS_BLOCKEDW))
		l2_block_writing(m->tx, &m->td, &it->ref, true);
	return GPA_OK;
}

static enum gpa_status examine(struct mig_mem *m, struct item *it)
{
	enum gpa_status st;

	if (gpa_operation(it->entry) == GPA_NOP)
		return gpa_entry_well_formed(it->entry) ? GPA_SKIPPED : GPA_INVALID;
	if (!gpa_entry_valid(&m->td, it->entry))
		return GPA_INVALID;
	st = gpa_list_walk(m->tx, &m->td, it->entry, &it->ref);
	if (st != GPA_OK)
		return st;
	it->locked = true;
	st = gpa_list_state(m->tx, &it->ref);
	if (st == GPA_OK)
		st = choose_operation(m, it);
	if (st != GPA_OK)
		return st;
	if (!describe(m, it))
		return GPA_STATE_INCORRECT;
	if (gpa_operation(it->entry) != GPA_CANCEL)
		return migrate(m, it);
	cancel(m, it);
	return GPA_OK;
}

static void seal(struct mig_mem *m, const struct item *it, unsigned i)
{
	struct mig_buffer nowhere;
	uint8_t mac[GCM_TAG_SIZE];

	mig_mem_crypto(m, it->entry);
	if (m->gpas.attributes) {
		uint64_t sealed;

		gcm_text(&m->gcm, &it->attributes, &sealed, sizeof(sealed));
		mig_put(m->attributes, i, sealed);
	}
	if (it->page) {
		const hpa_t from = sept_leaf_pa(m->tx, &it->ref);
		const uint64_t to = it->buffer & SEPT_HPA_MASK;

		gcm_text(&m->gcm, machine_ptr(m->tx->m, from.v), it->to ? it->to : &nowhere,
			 TDX_PAGE_SIZE);
		if (it->to)
			machine_wrote(m->tx->lp->hw, machine_strip(m->tx->m, to),
				      machine_hkid_of(m->tx->m, to));
		m->stream.page->stopped.done++;
	}
	gcm_tag(&m->gcm, mac);
	mig_mem_put_mac(m, i, mac);
}

static struct tdx_status one(struct mig_mem *m, unsigned i)
{
	const unsigned mark = m->tx->nheld;
	struct item it = {.entry = mig_word(m->gpas.entry, i), .buffer = mig_word(m->buffers, i)};
	const enum gpa_status st = examine(m, &it);

	if (st == GPA_OK && it.page)
		mem_readable(m->tx, &m->td, sept_leaf_pa(m->tx, &it.ref));
	if (lp_decided(m->tx->lp)) /* broken state, or a page that cannot be read */
		return tdx_success();
	if (st != GPA_OK) {
		it.entry = gpa_refused(it.entry, st);
		it.buffer |= MIG_PAGE_INVALID;
		it.page = false;
		m->problems += st != GPA_SKIPPED;
	}
	seal(m, &it, i);
	mig_put(m->buffers, i, it.buffer);
	mig_put(m->gpas.entry, i, it.entry);
	/* cannot fail: the entry is locked, and its page sealed */
	if (st == GPA_OK) {
		__atomic_fetch_add(&m->td.tdcs->mig_count, (uint64_t)it.migrated, __ATOMIC_RELAXED);
		__atomic_fetch_add(&m->td.tdcs->dirty_count, (uint64_t)it.dirty, __ATOMIC_RELAXED);
		tx_sept_store(m->tx, &it.ref, it.value);
	}
	tx_unwind(m->tx, mark);
	return tdx_success();
}

static struct tdx_status begin(struct mig_mem *m)
{
	struct mig_stream *p = m->stream.page;
	struct mbmd bundle;

	if (m->gpas.first)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	migs_initialize_once(&m->stream, m->td.tdcs->mig_enc_working_key);
	p->stopped.valid = false;
	p->stopped.done =
		1 + (m->gpas.first < MIG_MACS_IN_PAGE) + (m->gpas.last >= MIG_MACS_IN_PAGE);
	p->iv_counter++; /* not used again, whatever becomes of this bundle */
	bundle = (struct mbmd){
		.size = sizeof(bundle),
		.version = m->td.tdcs->mig_working_version,
		.stream = (uint16_t)m->stream.forward,
		.type = MBMD_MEM,
		.counter = p->next_counter,
		.epoch = m->td.tdcs->mig_epoch,
		.iv_counter = p->iv_counter,
		.specific = m->gpas.last + 1,
	};
	mig_mbmd_seal(m->tx, &p->key, &bundle);
	mig_mbmd_write(m->tx, m->mbmd, &bundle);
	p->next_counter++;
	return tdx_success();
}

struct tdx_status leaf_tdh_export_mem(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_mem_in in = tdh_export_mem_take(regs);
	struct tdh_export_mem_out out = tdh_export_mem_failed(regs);
	const struct mig_mem_operands operands = {
		.rax = regs->rax,
		.gpas = in.gpas,
		.tdr = in.tdr,
		.mbmd = in.mbmd,
		.buffers = in.buffers,
		.stream = in.stream,
		.macs = {in.macs0, in.macs1},
		.attributes = in.attributes,
	};
	struct mig_mem m = {.tx = tx, .in = &operands};
	struct tdx_status s = mig_mem_decode(&m);

	if (tdx_is_success(s))
		s = in.stream & MIG_R10_COMMAND ? mig_mem_resume(&m) : begin(&m);
	if (tdx_is_success(s)) {
		s = mig_mem_each(&m, one);
		out.gpas = gpa_list_at(in.gpas, m.next);
		if (tdx_is_success(s))
			out.data = m.stream.page->stopped.done;
	}
	tdh_export_mem_give(regs, &out);
	return s;
}

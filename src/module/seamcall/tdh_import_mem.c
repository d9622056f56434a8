/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.MEM: import, import again or drop the pages of a list.
 *
 * Locks: TDR, OP_STATE, MIG and the tree shared, a forward stream; the entries of the list one by
 * one (host), a new page exclusive. An entry that fails ends the import for good, or, once the TD
 * runs here, the import but not the TD; what may have become of a page meanwhile is passed over in
 * the out-of-order phase. Exact cases: vectors 14-mig-mem-*. */
#include <string.h>

#include "module/l2_sept.h"
#include "module/leaves.h"
#include "module/mig_mem.h"
#include "module/seamcall/mem.h"
#include "module/transition.h"

/* How bad it is that an entry could not be done. */
enum severity { DONE, SKIPPED, PASSED_OVER_OUT_OF_ORDER, FATAL };

/* An entry being worked on. */
struct item {
	struct sept_ref ref;
	uint64_t entry, buffer, new_page, attributes;
	void *from;		 /* ciphertext; NULL: no RAM */
	struct mig_buffer *copy; /* room for one page, where it has to be elsewhere */
	struct pamt_ref page;
	uint64_t *alias[TD_MAX_VMS];
	enum severity severity;
	enum gpa_status status;
	struct tdx_status why;
	bool pamt_missing;
};

#define BEPOCH_MIGRATION (1ull << 63)

static bool in_order(const struct mig_mem *m)
{
	return m->td.tdcs->op_state == TDX_OP_STATE_MEMORY_IMPORT ||
	       m->td.tdcs->op_state == TDX_OP_STATE_STATE_IMPORT;
}

static bool refuse(struct item *it, enum severity severity, enum gpa_status status,
		   struct tdx_status why)
{
	it->severity = severity;
	it->status = status;
	it->why = why;
	return false;
}

static struct tdx_status about_entry(uint64_t code)
{
	return tdx_error_op(code, TDX_OPERAND_ID_GPA_LIST_ENTRY);
}

static bool pending(const struct item *it)
{
	return it->entry & GPA_ENTRY_PENDING;
}

static unsigned attribute(const struct item *it, unsigned vm)
{
	const unsigned a = (uint16_t)(it->attributes >> 16 * vm);

	return a & L2_ATTR_VALID ? a : 0;
}

static uint64_t bepoch(const struct tdcs *tdcs)
{
	return BEPOCH_MIGRATION | (uint64_t)tdcs->export_count << 32 | tdcs->mig_epoch;
}

/* --- cryptography of an entry --- */

static void start_crypto(struct mig_mem *m, struct item *it, unsigned i)
{
	uint64_t sealed;

	mig_mem_crypto(m, it->entry);
	if (!m->gpas.attributes)
		return;
	sealed = mig_word(m->attributes, i);
	gcm_text(&m->gcm, &sealed, &it->attributes, sizeof(sealed));
}

static bool check_mac(struct mig_mem *m, struct item *it, unsigned i)
{
	uint8_t mac[GCM_TAG_SIZE];

	mig_mem_get_mac(m, i, mac);
	return gcm_tag_is(&m->gcm, mac) ||
	       refuse(it, FATAL, GPA_WRONG_MAC, about_entry(TDX_INVALID_PAGE_MAC));
}

static void open_page(struct mig_mem *m, const struct item *it, hpa_t to)
{
	gcm_text(&m->gcm, it->from ? it->from : it->copy, machine_ptr(m->tx->m, to.v),
		 TDX_PAGE_SIZE);
	machine_wrote_guest(m->tx->lp->hw, to.v, m->td.tdr->hkid);
}

/* --- operands of an entry --- */

static bool take_buffer(struct mig_mem *m, struct item *it)
{
	struct tdx_status s;

	if (it->buffer & MIG_PAGE_INVALID)
		return refuse(
			it, FATAL, GPA_NO_BUFFER,
			tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_MIG_BUFF_LIST_ENTRY));
	s = mig_page_operand(m->tx, it->buffer & SEPT_HPA_MASK, TDX_OPERAND_ID_MIG_BUFF_LIST_ENTRY,
			     &it->from);
	if (!tdx_is_success(s))
		return refuse(it, FATAL, GPA_NO_BUFFER, s);
	if (!it->from)
		memset(it->copy, 0xff, sizeof(*it->copy));
	return true;
}

/* Without a new page the buffer becomes the TD's page: what was in it is opened from a copy. */
static bool take_new_page(struct mig_mem *m, struct item *it)
{
	const bool in_place = !m->has_new_pages || it->new_page & MIG_PAGE_INVALID;
	hpa_t pa = hpa(it->new_page);
	struct tdx_status s;

	if (in_place) {
		if (it->buffer & MIG_PAGE_INVALID)
			return refuse(it, FATAL, GPA_NO_BUFFER,
				      tdx_error_op(TDX_OPERAND_INVALID,
						   TDX_OPERAND_ID_MIG_BUFF_LIST_ENTRY));
		pa = hpa(it->buffer & ~m->tx->mod->hkid_mask);
		if (!pending(it) && it->from) {
			memcpy(it->copy, it->from, sizeof(*it->copy));
			it->from = NULL;
		}
	} else if (!tx_hpa_valid(m->tx, pa, TDX_PAGE_SIZE)) {
		return refuse(
			it, FATAL, GPA_NO_NEW_PAGE,
			tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_NEW_PAGE_LIST_ENTRY));
	}
	s = tx_free_page(m->tx, pa, TDX_OPERAND_ID_NEW_PAGE_LIST_ENTRY, TDX_LEVEL_4K, &it->page);
	if (tdx_is_success(s))
		return true;
	it->pamt_missing = tdx_is(s, TDX_MISSING_PAMT_PAGE_PAIR);
	return refuse(it, PASSED_OVER_OUT_OF_ORDER, GPA_NO_NEW_PAGE, s);
}

/* The entry of VM vm's table that is to map the page, if the exporter says so. */
static bool check_alias(struct mig_mem *m, struct item *it, unsigned vm, enum severity no_table)
{
	struct sept_ref ref = {.level = TDX_LEVEL_4K};

	if (!(it->entry & gpa_entry_alias(vm)))
		return refuse(it, FATAL, GPA_INVALID, about_entry(TDX_OPERAND_INVALID));
	if (!l2_attr_legal(attribute(it, vm)))
		return refuse(it, FATAL, GPA_ATTRIBUTES_INVALID, about_entry(TDX_OPERAND_INVALID));
	if (!l2_sept_walk(m->tx, m->td.tdr, m->td.tdcs, vm, it->ref.gpa, false, &ref))
		return refuse(
			it, no_table, GPA_L2_WALK_FAILED,
			tdx_error_pair(TDX_L2_SEPT_WALK_FAILED, (uint16_t)vm, (uint16_t)ref.level));
	it->alias[vm] = ref.entry;
	return true;
}

static bool check_aliases(struct mig_mem *m, struct item *it, enum severity no_table)
{
	for (unsigned vm = 1; vm <= m->td.tdcs->num_l2_vms; vm++)
		if (attribute(it, vm) && !check_alias(m, it, vm, no_table))
			return false;
	return true;
}

/* The L1 entry's bits for aliases, which are written. An alias that is no more is freed. */
static uint64_t write_aliases(struct mig_mem *m, struct item *it, uint64_t address, bool *ok)
{
	uint64_t bits = 0;

	for (unsigned vm = 1; vm <= m->td.tdcs->num_l2_vms; vm++) {
		const unsigned attr = attribute(it, vm);

		if (attr) {
			l2_sept_write(it->alias[vm], l2_sept_leaf(address, attr, pending(it)));
			bits |= l2_alias_bit(vm);
		} else if (l2_aliased(it->ref.value, vm)) {
			uint64_t *alias =
				l2_alias(m->tx, m->td.tdr, m->td.tdcs, vm, &it->ref, true);

			if (!alias)
				*ok = false;
			else
				l2_sept_write(alias, L2_SEPT_FREE_ENTRY);
		}
	}
	return bits;
}

static uint64_t leaf_for(const struct item *it, uint64_t address)
{
	return pending(it) ? sept_make_leaf(TDX_SEPT_PENDING, address, 0)
			   : sept_make_leaf(TDX_SEPT_MAPPED, address, SEPT_RWX);
}

/* --- the operations --- */

static bool migrate(struct mig_mem *m, struct item *it, unsigned i)
{
	struct tdcs *tdcs = m->td.tdcs;
	uint64_t address, bits;
	bool ok = true;

	if (!sept_has(it->ref.value, SEPT_IS_UNUSED))
		return refuse(it, PASSED_OVER_OUT_OF_ORDER, GPA_STATE_INCORRECT,
			      about_entry(TDX_EPT_ENTRY_STATE_INCORRECT));
	if (sept_removed_since(it->ref.value, tdcs->mig_epoch))
		return refuse(it, FATAL, GPA_OVER_REMOVED,
			      about_entry(TDX_DISALLOWED_IMPORT_OVER_REMOVED));
	if (!take_new_page(m, it))
		return false;
	start_crypto(m, it, i);
	if (!check_aliases(m, it, PASSED_OVER_OUT_OF_ORDER))
		return false;
	if (!pending(it))
		open_page(m, it, it->page.pa);
	if (!check_mac(m, it, i))
		return false;
	address = mem_private(m->tx, &m->td, it->page.pa);
	__atomic_store_n(&it->page.entry->bepoch, bepoch(tdcs), __ATOMIC_RELAXED);
	mem_give(m->tx, &m->td, &it->page, TDX_PT_REG);
	bits = write_aliases(m, it, address, &ok);
	if (ok)
		tx_sept_store(m->tx, &it->ref, leaf_for(it, address) | bits);
	return true;
}

/* Was the page imported in this epoch already? */
static bool is_newer(const struct mig_mem *m, struct item *it, const struct pamt_entry *page)
{
	const uint32_t epoch = (uint32_t)__atomic_load_n(&page->bepoch, __ATOMIC_RELAXED);

	if (epoch < m->td.tdcs->mig_epoch)
		return false;
	refuse(it, FATAL, GPA_MIGRATED_IN_EPOCH, about_entry(TDX_MIGRATED_IN_CURRENT_EPOCH));
	return true;
}

static bool migrate_again(struct mig_mem *m, struct item *it, unsigned i)
{
	const uint64_t old = it->ref.value;
	const hpa_t pa = sept_leaf_pa(m->tx, &it->ref);
	struct pamt_entry *page = pamt_4k(m->tx->mod, pa.v);
	uint64_t bits;
	bool ok = true;

	if (!sept_has(old, SEPT_IS_PLAIN_LEAF))
		return refuse(it, FATAL, GPA_STATE_INCORRECT,
			      about_entry(TDX_EPT_ENTRY_STATE_INCORRECT));
	if (!page) {
		module_fatal(m->tx->lp);
		return false;
	}
	if (is_newer(m, it, page))
		return false;
	start_crypto(m, it, i);
	if (pending(it) && !sept_is_state(old, TDX_SEPT_PENDING))
		return refuse(it, FATAL, GPA_STATE_INCORRECT, about_entry(TDX_IMPORT_MISMATCH));
	if (!pending(it))
		open_page(m, it, pa);
	if (!check_mac(m, it, i) || !check_aliases(m, it, FATAL))
		return false;
	bits = write_aliases(m, it, sept_address(old), &ok);
	__atomic_store_n(&page->bepoch, bepoch(m->td.tdcs), __ATOMIC_RELAXED);
	if (ok)
		tx_sept_store(m->tx, &it->ref, leaf_for(it, sept_address(old)) | bits);
	return true;
}

static bool cancel(struct mig_mem *m, struct item *it, unsigned i)
{
	bool ok = true;
	uint64_t freed;

	if (!sept_has(it->ref.value, SEPT_IS_PLAIN_LEAF))
		return refuse(it, FATAL, GPA_STATE_INCORRECT,
			      about_entry(TDX_EPT_ENTRY_STATE_INCORRECT));
	start_crypto(m, it, i);
	if (!check_mac(m, it, i))
		return false;
	it->why = tx_pamt_implicit(m->tx, sept_leaf_pa(m->tx, &it->ref),
				   TDX_OPERAND_ID_GPA_LIST_ENTRY, LOCK_EXCLUSIVE, TDX_LEVEL_4K,
				   &it->page);
	if (!tdx_is_success(it->why))
		return refuse(it, FATAL, GPA_PAGE_BUSY, it->why);
	if (is_newer(m, it, it->page.entry))
		return false;
	it->attributes = 0; /* nobody maps it any more */
	write_aliases(m, it, 0, &ok);
	if (!ok)
		return false;
	tx_sept_store(m->tx, &it->ref, sept_removed(m->td.tdcs->mig_epoch));
	freed = mem_free(m->tx, &m->td, &it->page);
	if (m->has_new_pages && it->new_page & MIG_PAGE_INVALID)
		it->new_page = freed | MIG_PAGE_REMOVED;
	return true;
}

static bool skip(struct mig_mem *m, struct item *it, unsigned i)
{
	start_crypto(m, it, i);
	if (!check_mac(m, it, i))
		return false;
	if (!gpa_entry_well_formed(it->entry))
		return refuse(it, FATAL, GPA_INVALID, about_entry(TDX_OPERAND_INVALID));
	return refuse(it, SKIPPED, GPA_SKIPPED, tdx_success());
}

static bool find_entry(struct mig_mem *m, struct item *it)
{
	enum gpa_status st;

	if (!gpa_entry_valid(&m->td, it->entry))
		return refuse(it, FATAL, GPA_INVALID, about_entry(TDX_OPERAND_INVALID));
	st = gpa_list_walk(m->tx, &m->td, it->entry, &it->ref);
	if (st == GPA_WALK_FAILED)
		return refuse(it, PASSED_OVER_OUT_OF_ORDER, st, about_entry(TDX_EPT_WALK_FAILED));
	if (st == GPA_ENTRY_BUSY)
		return refuse(it, PASSED_OVER_OUT_OF_ORDER, st, about_entry(TDX_OPERAND_BUSY));
	st = gpa_list_state(m->tx, &it->ref);
	if (st != GPA_OK)
		return refuse(it, PASSED_OVER_OUT_OF_ORDER, st,
			      about_entry(TDX_EPT_ENTRY_STATE_INCORRECT));
	return true;
}

static bool import(struct mig_mem *m, struct item *it, unsigned i)
{
	const enum gpa_operation op = gpa_operation(it->entry);

	if (op == GPA_NOP)
		return skip(m, it, i);
	if (!find_entry(m, it))
		return false;
	if (!in_order(m) && op != GPA_MIGRATE)
		return refuse(it, FATAL, GPA_OP_STATE_INCORRECT,
			      tdx_error_num(TDX_OP_STATE_INCORRECT, m->td.tdcs->op_state));
	if (op != GPA_CANCEL && !pending(it) && !take_buffer(m, it))
		return false;
	switch (op) {
	case GPA_MIGRATE:
		return migrate(m, it, i);
	case GPA_REMIGRATE:
		return migrate_again(m, it, i);
	case GPA_CANCEL:
	case GPA_NOP:
		break;
	}
	return cancel(m, it, i);
}

/* --- the list --- */

/* The import is over. A TD that runs here already goes on without what is missing. */
static struct tdx_status give_up(const struct mig_mem *m, struct tdx_status why)
{
	if (m->td.tdcs->op_state != TDX_OP_STATE_LIVE_IMPORT)
		return mig_fail_import(&m->td, why);
	mig_set_op_state(&m->td, TDX_OP_STATE_RUNNABLE);
	return why;
}

static struct tdx_status one(struct mig_mem *m, unsigned i)
{
	const unsigned mark = m->tx->nheld;
	struct mig_buffer copy; /* not cleared for each page */
	struct item it = {
		.copy = &copy,
		.entry = mig_word(m->gpas.entry, i),
		.buffer = mig_word(m->buffers, i),
		.new_page = m->has_new_pages ? mig_word(m->new_pages, i) : MIG_PAGE_INVALID,
	};
	bool over;

	import(m, &it, i);
	tx_unwind(m->tx, mark);
	if (it.pamt_missing)
		return tdx_error_num(TDX_INTERRUPTED_PAMT, i);
	over = it.severity == FATAL || (it.severity == PASSED_OVER_OUT_OF_ORDER && in_order(m));
	if (it.severity != DONE) {
		it.entry = gpa_refused(it.entry, it.status);
		it.new_page |= MIG_PAGE_INVALID;
		m->problems += it.severity != SKIPPED;
	}
	mig_put(m->gpas.entry, i, it.entry);
	if (m->has_new_pages)
		mig_put(m->new_pages, i, it.new_page);
	return over ? give_up(m, it.why) : tdx_success();
}

static struct tdx_status check_mbmd(struct mig_mem *m)
{
	struct mig_stream *p = m->stream.page;
	const struct tdcs *tdcs = m->td.tdcs;
	struct mbmd b;

	if (m->gpas.first)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	migs_initialize_once(&m->stream, tdcs->mig_dec_working_key);
	p->stopped.valid = false;
	mig_mbmd_read(m->mbmd, &b);
	if (b.version != tdcs->mig_working_version || b.size != sizeof(b) ||
	    b.stream != m->stream.forward || b.type != MBMD_MEM || b.reserved ||
	    b.epoch != tdcs->mig_epoch || b.specific != m->gpas.last + 1)
		return tdx_error(TDX_INVALID_MBMD);
	if (in_order(m) ? b.counter != p->expected_counter : b.epoch != MIG_EPOCH_OUT_OF_ORDER)
		return tdx_error(TDX_INVALID_MBMD);
	p->iv_counter = b.iv_counter;
	if (!mig_mbmd_open(m->tx, &p->key, &b))
		return tdx_error(TDX_INCORRECT_MBMD_MAC);
	p->expected_counter++; /* it will not be taken twice */
	return tdx_success();
}

struct tdx_status leaf_tdh_import_mem(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_mem_in in = tdh_import_mem_take(regs);
	struct tdh_import_mem_out out = tdh_import_mem_failed(regs);
	const struct mig_mem_operands operands = {
		.rax = regs->rax,
		.gpas = in.gpas,
		.tdr = in.tdr,
		.mbmd = in.mbmd,
		.buffers = in.buffers,
		.stream = in.stream,
		.macs = {in.macs0, in.macs1},
		.new_pages = in.new_pages,
		.attributes = in.attributes,
		.import = true,
	};
	struct mig_mem m = {.tx = tx, .in = &operands};
	struct tdx_status s = mig_mem_decode(&m);

	if (tdx_is_success(s))
		s = in.stream & MIG_R10_COMMAND ? mig_mem_resume(&m) : check_mbmd(&m);
	if (tdx_is_success(s)) {
		s = mig_mem_each(&m, one);
		out.gpas = gpa_list_at(in.gpas, m.next);
	}
	tdh_import_mem_give(regs, &out);
	return s;
}

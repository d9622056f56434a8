/* SPDX-License-Identifier: MIT */
/* Lists of GPAs; see gpa_list.h. */
#include "module/gpa_list.h"

#include "module/seamcall/mem.h"
#include "module/transition.h"

#define INFO_FORMAT(i) ((unsigned)(i)&7)
#define INFO_RESERVED  (7ull << 52)

enum { FORMAT_GPAS = 0, FORMAT_WITH_ATTRIBUTES = 1 };

struct tdx_status gpa_list_operand(const struct tx *tx, uint64_t info, struct gpa_list *list)
{
	void *page = NULL;
	struct tdx_status s;

	*list = (struct gpa_list){
		.info = info,
		.first = (unsigned)(info >> 3) & 0x1ff,
		.last = (unsigned)(info >> 55),
		.attributes = INFO_FORMAT(info) == FORMAT_WITH_ATTRIBUTES,
	};
	if (info & INFO_RESERVED || list->first > list->last ||
	    INFO_FORMAT(info) > FORMAT_WITH_ATTRIBUTES)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = mig_page_operand(tx, info & SEPT_HPA_MASK, TDX_OPERAND_ID_RCX, &page);
	list->entry = page;
	return s;
}

uint64_t gpa_list_at(uint64_t info, unsigned first)
{
	return (info & ~(0x1ffull << 3)) | (uint64_t)(first & 0x1ff) << 3;
}

bool gpa_entry_valid(const struct td *td, uint64_t e)
{
	return gpa_entry_well_formed(e) && td_gpa_valid(td->tdcs, gpa(e & SEPT_HPA_MASK), true);
}

enum gpa_status gpa_list_walk(struct tx *tx, const struct td *td, uint64_t e, struct sept_ref *ref)
{
	ref->gpa = gpa(e & SEPT_HPA_MASK);
	ref->level = TDX_LEVEL_4K;
	if (!sept_walk(tx, td->tdcs, ref->gpa, ref))
		return GPA_WALK_FAILED;
	return tdx_is_success(tx_sept_lock(tx, ref)) ? GPA_OK : GPA_ENTRY_BUSY;
}

enum gpa_status gpa_list_state(const struct tx *tx, const struct sept_ref *ref)
{
	return sept_allows(tx->leaf, ref->value) ? GPA_OK : GPA_STATE_INCORRECT;
}

/* --- the loop of BLOCKW and RESTORE --- */

struct run {
	struct td td;
	struct gpa_list list;
	gpa_list_fn *fn;
};

static struct tdx_status decode(struct tx *tx, uint64_t info, hpa_t tdr, struct run *r)
{
	struct tdx_status s = mem_td(tx, tdr, &r->td);

	if (tdx_is_success(s))
		s = tx_lock(tx, LOCK_SEPT_TREE, r->td.pa.v, &r->td.tdcs->sept_lock, LOCK_SHARED,
			    TDX_OPERAND_ID_SEPT_TREE);
	if (!tdx_is_success(s))
		return s;
	if (INFO_FORMAT(info) != FORMAT_GPAS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	return gpa_list_operand(tx, info, &r->list);
}

static enum gpa_status one(struct tx *tx, struct run *r, uint64_t e)
{
	struct sept_ref ref = {0};
	enum gpa_status st;

	if (!(gpa_operation(e) & 1))
		return gpa_entry_well_formed(e) ? GPA_SKIPPED : GPA_INVALID;
	if (!gpa_entry_valid(&r->td, e))
		return GPA_INVALID;
	st = gpa_list_walk(tx, &r->td, e, &ref);
	if (st == GPA_OK)
		st = gpa_list_state(tx, &ref);
	if (st == GPA_OK)
		r->fn(tx, &r->td, &ref);
	return st;
}

static struct tdx_status loop(struct tx *tx, struct run *r, uint64_t *out)
{
	unsigned problems = 0;

	for (unsigned i = r->list.first; i <= r->list.last; i++) {
		const uint64_t e = mig_word(r->list.entry, i);
		const unsigned mark = tx->nheld;
		const enum gpa_status st = one(tx, r, e);
		struct tdx_status s;

		if (lp_decided(tx->lp)) /* broken state */
			return tdx_success();
		mig_put(r->list.entry, i,
			st == GPA_OK ? gpa_with_status(e, GPA_OK) : gpa_refused(e, st));
		tx_unwind(tx, mark);
		*out = gpa_list_at(r->list.info, i);
		if (st == GPA_INVALID)
			return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_GPA_LIST_ENTRY);
		problems += st != GPA_OK && st != GPA_SKIPPED;
		*out = gpa_list_at(r->list.info, i + 1);
		if (i == r->list.last)
			break;
		s = mem_poll(tx, &r->td, TDX_INTERRUPTED_RESUMABLE);
		if (!tdx_is_success(s))
			return s;
	}
	return tdx_status(problems);
}

struct tdx_status gpa_list_run(struct tx *tx, uint64_t info, hpa_t tdr, gpa_list_fn *fn,
			       uint64_t *out)
{
	struct run r = {.fn = fn};
	struct tdx_status s = decode(tx, info, tdr, &r);

	return tdx_is_success(s) ? loop(tx, &r, out) : s;
}

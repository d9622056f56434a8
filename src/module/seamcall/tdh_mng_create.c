/* SPDX-License-Identifier: MIT */
/* TDH.MNG.CREATE: a free page becomes the TDR of a new TD, a free KeyID becomes its own.
 *
 * Locks: the page's PAMT entry exclusive, KOT exclusive. States: none before it. */
#include <string.h>

#include "machine/seam.h"
#include "module/entropy.h"
#include "module/kot.h"
#include "module/leaves.h"
#include "module/page.h"

#define HKID_RESERVED (~0xffffull)

struct plan {
	struct pamt_ref page;
	unsigned hkid;
	bool cleared; /* the module has written the page, whatever it finds after that */
	uint64_t uuid[4];
};

static struct tdx_status decode(struct tx *tx, const struct tdh_mng_create_in *in,
				struct plan *plan)
{
	struct tdx_status s;

	plan->hkid = (unsigned)(in->hkid & 0xffff);
	/* the KeyID before the page: 09-operand-bits.vec */
	if ((in->hkid & HKID_RESERVED) || !hkid_is_private(tx->mod, plan->hkid))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	s = tx_free_page(tx, in->page, TDX_OPERAND_ID_RCX, TDX_LEVEL_4K, &plan->page);
	if (!tdx_is_success(s))
		return s;
	s = kot_lock(tx, LOCK_EXCLUSIVE);
	if (!tdx_is_success(s))
		return s;
	if (kot_state(tx->mod, plan->hkid) != TDX_KOT_FREE)
		return tdx_error(TDX_HKID_NOT_FREE);
	/* its page is written before the entropy is asked for: own/1.5.25/pages-of-failed-calls.vec
	 */
	plan->cleared = true;
	if (!entropy_fill(tx->lp->hw, plan->uuid, 4))
		return tdx_error(TDX_RND_NO_ENTROPY);
	return tdx_success();
}

/* TDRs are the module's, not the TD's: they live under the global KeyID. */
static void clear(struct tx *tx, const struct plan *plan)
{
	memset(machine_ptr(tx->m, plan->page.pa.v), 0, TDX_PAGE_SIZE);
	machine_wrote(tx->lp->hw, plan->page.pa.v, tx->mod->hkid);
}

/* Cannot fail: the page is locked and clear, the KeyID free under the table's lock. */
static void commit(struct tx *tx, const struct plan *plan)
{
	struct tdr *tdr = machine_ptr(tx->m, plan->page.pa.v);

	memcpy(tdr->td_uuid, plan->uuid, sizeof(tdr->td_uuid));
	tdr->hkid = (uint16_t)plan->hkid;
	tdr->lifecycle_state = TDX_LIFECYCLE_HKID_ASSIGNED;
	tdr->seamdb_index = machine_seam(tx->m)->seamdb_index;
	tdr->handoff_version = tx->mod->module_hv;
	kot_assign(tx->mod, plan->hkid);
	plan->page.entry->type = TDX_PT_TDR;
	pamt_set_owner(plan->page.entry, hpa(0));
	pamt_count_inc(tx, &plan->page);
}

struct tdx_status leaf_tdh_mng_create(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mng_create_in in = tdh_mng_create_take(regs);
	struct plan plan = {.cleared = false};
	struct tdx_status s = decode(tx, &in, &plan);

	if (plan.cleared)
		clear(tx, &plan);
	if (tdx_is_success(s))
		commit(tx, &plan);
	return s;
}

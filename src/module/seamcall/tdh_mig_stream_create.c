/* SPDX-License-Identifier: MIT */
/* TDH.MIG.STREAM.CREATE: give a TD a page for one more migration stream. The first is the backward
 * stream, those after it forward streams 0, 1 and so on.
 *
 * Locks: TDR shared, OP_STATE and MIG exclusive, the page exclusive. */
#include "module/donate.h"
#include "module/leaves.h"
#include "module/mig.h"

struct plan {
	struct td td;
	struct pamt_ref page;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_mig_stream_create_in *in,
				struct plan *p)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RDX, LOCK_SHARED, LOCK_EXCLUSIVE, &p->td);

	if (tdx_is_success(s))
		s = mig_lock(tx, &p->td, LOCK_EXCLUSIVE);
	if (!tdx_is_success(s))
		return s;
	if (p->td.tdcs->num_migs >= MIGS_MAX)
		return tdx_error(TDX_MAX_MIGS_NUM_EXCEEDED);
	return tx_free_page(tx, in->page, TDX_OPERAND_ID_RCX, TDX_LEVEL_4K, &p->page);
}

/* Cannot fail. A stream is initialised on its first use in a session. */
static void commit(struct tx *tx, struct plan *p)
{
	struct tdcs *tdcs = p->td.tdcs;
	struct mig_stream *stream = machine_ptr(tx->m, p->page.pa.v);
	uint64_t *links = tx_tdcs_page(tx, &p->td, TDCS_PAGE_MIGSC);

	donate_page(tx, &p->td, &p->page, TDX_PT_TDCX, 0);
	stream->index = tdcs->num_migs;
	links[tdcs->num_migs] = p->page.pa.v;
	tdcs->num_migs++;
}

struct tdx_status leaf_tdh_mig_stream_create(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mig_stream_create_in in = tdh_mig_stream_create_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (tdx_is_success(s))
		commit(tx, &plan);
	return s;
}

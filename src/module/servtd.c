/* SPDX-License-Identifier: MIT */
/* From a binding handle to the target TD; see servtd.h.
 *
 * Whatever the service TD cannot mend (the target is gone, being torn down, bound to somebody else)
 * its host must hear of: a cross-TD trap. What a second try may mend, a busy lock, it hears of
 * itself. Order of the questions: vectors 15-servtd-handles, -rebind. */
#include "module/servtd.h"

#include <string.h>

#include "module/report.h"
#include "module/sept.h"
#include "module/transition.h"

/* The host is told, the guest sees the same status later. */
static struct tdx_status trap(const struct tx *tx, struct tdx_status why, hpa_t target)
{
	td_exit_cross_td(tx->lp, why, target);
	return why;
}

static struct tdx_status find_target(struct tx *tx, hpa_t tdr, struct td *td)
{
	struct tdx_status s = tx_tdr(tx, tdr, TDX_OPERAND_ID_TDR, LOCK_SHARED, td);

	if (tdx_is(s, TDX_OPERAND_BUSY) || tdx_is(s, TDX_OPERAND_BUSY_HOST_PRIORITY))
		return s;
	if (!tdx_is_success(s))
		return trap(tx, s, tdr);
	s = tx_tdcs(tx, td, LOCK_SHARED);
	return tdx_is_success(s) || tdx_is(s, TDX_OPERAND_BUSY) ? s : trap(tx, s, tdr);
}

static struct tdx_status check_uuid(const struct td *td, uint64_t uuid[4])
{
	if (memcmp(uuid, td->tdr->td_uuid, sizeof(td->tdr->td_uuid)) == 0)
		return tdx_success();
	if (memcmp(uuid, td->tdcs->pre_import_uuid, sizeof(td->tdcs->pre_import_uuid)) != 0)
		return tdx_error(TDX_TARGET_UUID_MISMATCH);
	memcpy(uuid, td->tdr->td_uuid, sizeof(td->tdr->td_uuid));
	return tdx_error(TDX_TARGET_UUID_UPDATED);
}

/* Is the entered TD the one that was bound, and does it still measure as it did then? */
static struct tdx_status check_binding(struct tx *tx, const struct td *td, unsigned slot)
{
	const struct servtd_binding *b = &td->tdcs->servtd[slot];
	struct lp *lp = tx->lp;
	uint8_t hash[TDX_SHA384_SIZE];
	struct tdx_td_info info;
	struct tdx_status s;

	if (b->state != SERVTD_BOUND)
		return trap(tx, tdx_error_num(TDX_SERVTD_NOT_BOUND, slot), td->pa);
	if (memcmp(b->uuid, lp->tdr->td_uuid, sizeof(b->uuid)) != 0)
		return trap(tx, tdx_error_num(TDX_SERVTD_UUID_MISMATCH, slot), td->pa);
	s = td_info_read(tx, lp->tdr_pa, lp->tdcs, SERVTD_ATTR_IGNORE(b->attributes), &info, hash,
			 NULL);
	if (!tdx_is_success(s))
		return s;
	if (memcmp(b->info_hash, hash, sizeof(hash)) != 0)
		return trap(tx, tdx_error_num(TDX_SERVTD_INFO_HASH_MISMATCH, slot), td->pa);
	return s;
}

struct tdx_status servtd_reach(struct tx *tx, uint64_t handle, uint64_t uuid[4], struct md *md)
{
	const uint64_t plain = handle - tx->lp->tdr->td_uuid[0];
	const uint64_t slot = plain & (TDX_PAGE_SIZE - 1);
	struct tdx_status s;
	struct td td;

	if (slot >= TD_MAX_SERVTDS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = find_target(tx, hpa(plain & SEPT_HPA_MASK), &td);
	if (tdx_is_success(s))
		s = check_uuid(&td, uuid);
	if (tdx_is_success(s))
		s = tx_lock(tx, LOCK_SERVTD_BINDINGS, td.pa.v, &td.tdcs->servtd_bindings_lock,
			    LOCK_SHARED, TDX_OPERAND_ID_SERVTD_BINDINGS);
	if (tdx_is_success(s))
		s = check_binding(tx, &td, (unsigned)slot);
	if (tdx_is_success(s))
		*md = md_of_target(tx, &td);
	return s;
}

/* SPDX-License-Identifier: MIT */
/* Finding a TD or vCPU from an operand: lock its page, check its state, map its pages. */
#include "module/td.h"

#include "module/known.h"
#include "module/pamt_walk.h"

static void *page_ptr(const struct tx *tx, uint64_t pa)
{
	return machine_ptr(tx->m, machine_strip(tx->m, pa));
}

void *tx_tdcs_page(const struct tx *tx, const struct td *td, unsigned index)
{
	return page_ptr(tx, td->tdr->tdcx_pa[index]);
}

void tx_map_tdcs(const struct tx *tx, struct td *td)
{
	td->tdcs = tx_tdcs_page(tx, td, TDCS_PAGE_MAIN);
	td->ext = tx_tdcs_page(tx, td, TDCS_PAGE_EXT);
}

struct tdx_status tx_tdr(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			 struct td *td)
{
	struct pamt_ref ref = {.entry = NULL};
	struct tdx_status s = pamt_page(tx, pa, op, mode, TDX_PT_TDR, TDX_LEVEL_4K, &ref);

	*td = (struct td){.pa = pa, .pamt = ref.entry};
	if (tdx_is_success(s))
		td->tdr = page_ptr(tx, pa.v);
	return s;
}

struct tdx_status tx_tdr_implicit(struct tx *tx, hpa_t pa, enum lock_mode mode, struct td *td)
{
	struct pamt_ref ref;
	struct tdx_status s = pamt_implicit(tx, pa, TDX_OPERAND_ID_TDR, mode, TDX_LEVEL_4K, &ref);

	*td = (struct td){.pa = pa, .pamt = ref.entry};
	if (tdx_is_success(s))
		td->tdr = page_ptr(tx, pa.v);
	return s;
}

struct tdx_status tx_td_built(const struct td *td)
{
	if (__atomic_load_n(&td->tdr->fatal, __ATOMIC_RELAXED))
		return tdx_error(TDX_TD_FATAL);
	if (td->tdr->lifecycle_state != TDX_LIFECYCLE_KEYS_CONFIGURED)
		return tdx_error(TDX_TD_KEYS_NOT_CONFIGURED);
	if (td->tdr->num_tdcx < TDCS_MIN_PAGES)
		return tdx_error(TDX_TDCS_NOT_ALLOCATED);
	return tdx_success();
}

struct tdx_status tx_tdcs(struct tx *tx, struct td *td, enum lock_mode op_state_mode)
{
	struct tdx_status s = tx_td_built(td);
	uint32_t op_state;

	if (!tdx_is_success(s))
		return s;
	tx_map_tdcs(tx, td);
	if (op_state_mode != LOCK_NONE) {
		s = tx_lock(tx, LOCK_OP_STATE, td->pa.v, &td->tdcs->op_state_lock, op_state_mode,
			    TDX_OPERAND_ID_OP_STATE);
		if (!tdx_is_success(s))
			return s;
	}
	op_state = __atomic_load_n(&td->tdcs->op_state, __ATOMIC_RELAXED);
	if (!(tx->leaf->op_states & TDX_OP_STATE_BIT(op_state)))
		return tdx_error_num(TDX_OP_STATE_INCORRECT, op_state);
	return s;
}

static struct tdx_status td_shared(struct tx *tx, hpa_t tdr, enum tdx_operand op, unsigned n,
				   struct td *td)
{
	struct tdx_status s;

	if (known_td_share(tx, tdr, n, td))
		return tdx_success();
	s = tx_tdr(tx, tdr, op, LOCK_SHARED, td);
	if (tdx_is_success(s))
		s = tx_tdcs(tx, td, LOCK_SHARED);
	if (tdx_is_success(s))
		known_td_remember(tx, td);
	return s;
}

struct tdx_status tx_td(struct tx *tx, hpa_t tdr, enum tdx_operand op, enum lock_mode tdr_mode,
			enum lock_mode op_state_mode, struct td *td)
{
	const bool alone = tdr_mode == LOCK_EXCLUSIVE && op_state_mode == LOCK_NONE;
	struct tdx_status s;

	if (tdr_mode == LOCK_SHARED && op_state_mode == LOCK_SHARED)
		return td_shared(tx, tdr, op, KNOWN_TD, td);
	if (alone && known_td_take(tx, tdr, td))
		return tdx_success();
	s = tx_tdr(tx, tdr, op, tdr_mode, td);
	if (tdx_is_success(s))
		s = tx_tdcs(tx, td, op_state_mode);
	if (alone && tdx_is_success(s))
		known_td_remember(tx, td);
	return s;
}

struct tdx_status tx_td_for_page(struct tx *tx, hpa_t tdr, enum tdx_operand op, struct td *td)
{
	return td_shared(tx, tdr, op, KNOWN_TD_AND_TREE, td);
}

struct tdx_status tx_vp(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			enum lock_mode tdr_mode, struct vp *vp, struct td *td)
{
	struct pamt_ref ref;
	struct tdx_status s = pamt_page(tx, pa, op, mode, TDX_PT_TDVPR, TDX_LEVEL_4K, &ref);

	*vp = (struct vp){.pa = pa};
	if (!tdx_is_success(s))
		return s;
	return tx_tdr_implicit(tx, pamt_owner(ref.entry), tdr_mode, td);
}

bool tx_map_vp(const struct tx *tx, const struct td *td, struct vp *vp)
{
	struct tdvps *vps = page_ptr(tx, vp->pa.v);

	if (vps->num_pages < TDVPS_MIN_PAGES + td->tdcs->num_l2_vms * TDVPS_PAGES_PER_L2_VM)
		return false;
	vp->vps = vps;
	vp->vmcs = page_ptr(tx, vps->page_pa[TDVPS_PAGE_VMCS]);
	return true;
}

struct tdx_status tx_vcpu(struct tx *tx, hpa_t tdvpr, enum tdx_operand op, enum lock_mode mode,
			  enum lock_mode tdr_mode, struct vp *vp, struct td *td)
{
	const bool shared = mode == LOCK_SHARED && tdr_mode == LOCK_SHARED;
	struct tdx_status s = tdx_success();

	if (!shared || !known_vcpu_share(tx, tdvpr, vp, td)) {
		s = tx_vp(tx, tdvpr, op, mode, tdr_mode, vp, td);
		if (tdx_is_success(s))
			s = tx_tdcs(tx, td, LOCK_SHARED);
		if (tdx_is_success(s) && shared)
			known_vcpu_remember(tx, vp, td);
	}
	if (tdx_is_success(s) && !tx_map_vp(tx, td, vp))
		s = tdx_error(TDX_TDCX_NUM_INCORRECT);
	return s;
}

/* A vCPU that entered before the page was blocked holds a count of that epoch. Reading the two
 * words one after the other is safe: the epoch moves on only when the older count is zero. */
bool td_tlb_tracked(const struct td *td, uint64_t bepoch)
{
	uint64_t epoch = __atomic_load_n(&td->tdcs->td_epoch, __ATOMIC_ACQUIRE);

	if (bepoch >> 63)
		return false;
	if (bepoch != epoch - 1)
		return bepoch < epoch - 1;
	if (__atomic_load_n(&td->tdr->quiet_epoch, __ATOMIC_ACQUIRE) == epoch)
		return true;
	if (tdr_running(td->tdr, bepoch) != 0)
		return false;
	__atomic_store_n(&td->tdr->quiet_epoch, epoch, __ATOMIC_RELEASE);
	return true;
}

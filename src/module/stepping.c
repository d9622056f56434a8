/* SPDX-License-Identifier: MIT */
/* The list of faults without progress; see module/stepping.h. */
#include "module/stepping.h"

#include "module/guest_memory.h"
#include "module/profile.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

#define NOTIFY_EPT_FAULTS (1ull << 0)

void stepping_exit(struct lp *lp)
{
	if (lp->exit.stall)
		return;
	lp->vps->epf_list_len = 0;
	lp->vps->epf_count = 0;
}

void stepping_fault(struct lp *lp, gpa_t gpa_)
{
	struct tdvps *vps = lp->vps;

	if (vps->epf_count < STEPPING_EPF_THRESHOLD) {
		vps->epf_count++;
		return;
	}
	if (vps->epf_list_len >= EPF_LIST_SIZE)
		return;
	for (unsigned i = 0; i < vps->epf_list_len; i++)
		if (vps->epf_gpa_list[i] == gpa_.v)
			return;
	vps->epf_gpa_list[vps->epf_list_len++] = gpa_.v;
}

/* Would any access to the page fault, in a way the guest cannot cure itself by accepting? */
static bool fault_expected(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_)
{
	uint64_t entry, pa;
	unsigned rwx;

	switch (guest_walk_private(tx, tdcs, gpa_, 7, &entry, &rwx, &pa)) {
	case GPA_WALK_OK:
	case GPA_WALK_CONVERTIBLE:
		return false;
	case GPA_WALK_MISCONFIG:
	case GPA_WALK_VIOLATION:
		break;
	}
	return !sept_has(entry, SEPT_IS_PENDING | SEPT_IS_ACCEPTABLE) ||
	       (tdcs->td_ctls & TDX_TD_CTLS_PENDING_VE_DISABLE) != 0;
}

enum stepping_verdict stepping_entry(struct tx *tx, const struct td *td, struct vp *vp, gpa_t *gpa_)
{
	struct tdvps *vps = vp->vps;

	vps->rip_on_entry = vmcs_read(vp->vmcs, VMCS_GUEST_RIP);
	if (__builtin_expect(vps->epf_list_len == 0, 1))
		return STEPPING_ENTER;
	if (tx_try(tx, LOCK_SEPT_TREE, td->pa.v, &td->tdcs->sept_lock,
		   tx->mod->profile->zero_step_tree) != LOCK_OK)
		return STEPPING_TREE_BUSY;
	for (unsigned i = 0; i < vps->epf_list_len; i++) {
		gpa_t page = gpa(vps->epf_gpa_list[i]);

		if (!fault_expected(tx, td->tdcs, page))
			continue;
		*gpa_ = page;
		return STEPPING_REFUSE;
	}
	return td->tdcs->notify_enables & NOTIFY_EPT_FAULTS ? STEPPING_NOTIFY : STEPPING_ENTER;
}

/* SPDX-License-Identifier: MIT */
/* EPT violations and misconfigurations.
 *
 * Decided in this order: an address beyond the width the TD was told of is the guest's own fault (a
 * #PF, or a #VE with MAXGPA_VIRT); a private page that waits to be accepted raises a #VE unless the
 * TD asked for exits; everything else is for the host to resolve. */
#include "abi/eeq.h"
#include "module/exits.h"
#include "module/guest_memory.h"
#include "module/inject.h"
#include "module/stepping.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

static uint64_t bits(unsigned high, unsigned low)
{
	return high < low ? 0 : (2ull << high) - (1ull << low);
}

bool gpa_beyond_virtual_width(const struct lp *lp, uint64_t gpa_)
{
	const struct tdcs *tdcs = lp->tdcs;
	unsigned maxpa = tdcs->virt_maxpa ? tdcs->virt_maxpa : HPA_BITS;
	unsigned shared = tdcs->gpaw ? 51 : 47;

	if (shared == 47 && maxpa > 48 && gpa_ & bits(maxpa - 1, 48))
		return true;
	return maxpa < 52 && (gpa_ & bits(51, maxpa) & ~(1ull << shared)) != 0;
}

static void reserved_bits(struct lp *lp)
{
	const struct vmexit *e = &lp->exit;
	uint32_t error = PF_PRESENT | PF_RESERVED;

	if (lp->tdcs->config_flags & TDX_CONFIG_MAXGPA_VIRT) {
		guest_inject_ve(lp, e->reason, e->qualification, e->gpa, e->gla,
				VE_RESERVED_GPA_BITS);
		return;
	}
	if (e->qualification & EPT_VIOLATION_WRITE)
		error |= PF_WRITE;
	if (guest_cpl(lp) == 3)
		error |= PF_USER;
	if (e->qualification & EPT_VIOLATION_FETCH)
		error |= PF_FETCH;
	if (e->qualification & EPT_VIOLATION_SHADOW_STACK)
		error |= PF_SHADOW_STACK;
	guest_inject_pf(lp, e->gla, error);
}

static bool waits_for_accept(const struct tx *tx, gpa_t gpa_)
{
	struct sept_ref ref = {.level = TDX_LEVEL_4K};

	sept_walk(tx, tx->lp->tdcs, gpa_, &ref);
	return sept_has(ref.value, SEPT_IS_PENDING | SEPT_IS_ACCEPTABLE);
}

void exit_ept_violation(struct tx *tx)
{
	struct lp *lp = tx->lp;
	const struct vmexit *e = &lp->exit;
	gpa_t page = gpa(e->gpa);
	uint64_t ext = TDX_EEQ_NONE;

	if (e->qualification & EPT_VIOLATION_NMI_UNBLOCKED)
		vmcs_set_bits(lp->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	if (e->qualification & EPT_VIOLATION_GLA_VALID && gpa_beyond_virtual_width(lp, e->gpa)) {
		reserved_bits(lp);
		return;
	}
	if (!td_gpa_is_shared(lp->tdcs, page)) {
		if (waits_for_accept(tx, page)) {
			if (!(tdcs_td_ctls(lp->tdcs) & TDX_TD_CTLS_PENDING_VE_DISABLE)) {
				guest_inject_ve(lp, e->reason, e->qualification, e->gpa, e->gla,
						VE_PENDING);
				return;
			}
			ext = TDX_EEQ_PENDING_EPT_VIOLATION;
		}
		stepping_fault(lp, page);
	}
	td_exit_ept_violation(lp, page, e->reason, e->qualification, ext);
}

void exit_ept_misconfig(struct lp *lp)
{
	gpa_t page = gpa(lp->exit.gpa);

	if (td_gpa_is_shared(lp->tdcs, page))
		td_exit(lp, TDX_SUCCESS, lp->exit.reason, 0, 0, page.v & ~(TDX_PAGE_SIZE - 1), 0);
	else
		module_fatal(lp); /* the module itself made the private entry */
}

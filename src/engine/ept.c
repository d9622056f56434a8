/* SPDX-License-Identifier: MIT */
/* The page walk of a TD's guest-physical addresses. */
#include "engine/ept.h"

#include "abi/sept.h"
#include "arch/vmcs.h"
#include "machine/machine.h"
#include "module/vmcs.h"

void ept_view_init(struct ept_view *v, struct machine_lp *lp, const struct vmcs *vmcs,
		   uint64_t shared_bit, unsigned td_hkid)
{
	*v = (struct ept_view){
		.lp = lp,
		.eptp = vmcs_read(vmcs, VMCS_EPT_POINTER),
		.shared_eptp = vmcs_read(vmcs, VMCS_SHARED_EPT_POINTER),
		.shared_bit = shared_bit,
		.td_hkid = td_hkid,
		.mode_based = vmcs_read(vmcs, VMCS_PROCBASED_CTLS2) & PROCBASED2_MODE_BASED_EXECUTE,
	};
}

static unsigned permissions(const struct ept_view *v, uint64_t entry)
{
	const uint64_t execute = v->mode_based && v->user ? SEPT_XU : EPT_ACCESS_X;

	return ((unsigned)entry & (EPT_ACCESS_R | EPT_ACCESS_W)) |
	       (entry & execute ? EPT_ACCESS_X : 0);
}

static enum ept_result violation(const struct ept_view *v, uint64_t gpa, uint64_t entry,
				 enum ept_access access, uint64_t *qualification)
{
	*qualification = access | (entry & 7) << 3 | (entry & SEPT_XU ? 1u << 6 : 0);
	return entry & SEPT_SUPPRESS_VE ? EPT_VIOLATION : EPT_VE;
}

enum ept_result ept_translate(const struct ept_view *v, uint64_t gpa, enum ept_access access,
			      struct ept_hit *hit, uint64_t *qualification)
{
	const struct machine *m = v->lp->m;
	bool shared = (gpa & v->shared_bit) != 0;
	uint64_t root = shared ? v->shared_eptp : v->eptp;
	/* The shared tree is as deep as the private one; only that one's EPTP says it. */
	unsigned level = (unsigned)(v->eptp >> 3 & 7);
	uint64_t table = machine_strip(m, root & SEPT_HPA_MASK);
	unsigned allowed = EPT_ACCESS_R | EPT_ACCESS_W | EPT_ACCESS_X;

	if (shared && table == 0) {
		*qualification = access;
		return EPT_VIOLATION;
	}
	for (;; level--) {
		unsigned shift = 12 + 9 * level;
		uint64_t entry, *p;

		if (!machine_is_ram(m, table, 4096))
			return EPT_MISCONFIG;
		p = (uint64_t *)machine_ptr(m, table) + (gpa >> shift & 511);
		entry = __atomic_load_n(p, __ATOMIC_ACQUIRE);
		/* Blocked and pending entries have no permissions left: the module's own bits are
		 * nothing to the processor. An L2 VM's page that is blocked for writing has the
		 * mark of a blocked one, and may be read. */
		if (permissions(v, entry) == 0)
			return violation(v, gpa, entry & ~7ull, access, qualification);
		if ((permissions(v, entry) & 3) == EPT_ACCESS_W)
			return EPT_MISCONFIG;
		allowed &= permissions(v, entry);
		if (level == 0 || entry & SEPT_PS) {
			uint64_t pa = (entry & SEPT_HPA_MASK & ~((1ull << shift) - 1)) |
				      (gpa & ((1ull << shift) - 1));

			if (!(allowed & access))
				return violation(v, gpa, entry, access, qualification);
			hit->pa = machine_strip(m, pa);
			hit->hkid = shared ? machine_hkid_of(m, pa) : v->td_hkid;
			hit->access = allowed;
			hit->level = (enum tdx_level)level;
			hit->ram = machine_is_ram(m, hit->pa, 1);
			hit->host = machine_host_ptr(m, hit->pa, 1);
			return hit->host ? EPT_OK : EPT_MISCONFIG;
		}
		table = machine_strip(m, entry & SEPT_HPA_MASK);
	}
}

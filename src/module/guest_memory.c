/* SPDX-License-Identifier: MIT */
/* The walks of module/guest_memory.h. No locks: a running guest's TLB tracking keeps tables alive.
 */
#include "module/guest_memory.h"

#include "abi/eeq.h"
#include "arch/vmx.h"
#include "module/inject.h"
#include "module/page.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

#include <string.h>

enum { ACCESS_READ = 1, ACCESS_WRITE = 2 };

#define EPT_EXECUTE_ONLY_CAP 1u

/* Shared EPT entries: where the processor wants zeros (SDM vol. 3, 29.3.3.1). */
#define EPT_TABLE_RESERVED 0xf8ull
#define EPT_1G_RESERVED	   0x3ffff000ull
#define EPT_2M_RESERVED	   0x1ff000ull

bool td_gpa_is_shared(const struct tdcs *tdcs, gpa_t gpa_)
{
	return (gpa_.v >> (tdcs->gpaw ? 51 : 47) & 1) != 0;
}

/* A violation turns into a #VE when the entry that caused it maps a page (or nothing) and does not
 * suppress it. */
static enum gpa_walk violation(uint64_t entry, enum tdx_level level)
{
	bool convertible = !(entry & SEPT_PRESENT) || sept_is_leaf(entry) || level == TDX_LEVEL_4K;

	return convertible && !(entry & SEPT_SUPPRESS_VE) ? GPA_WALK_CONVERTIBLE
							  : GPA_WALK_VIOLATION;
}

static uint64_t leaf_address(uint64_t entry, enum tdx_level level, gpa_t gpa_)
{
	uint64_t offset = tdx_level_size(level) - 1;

	return (entry & SEPT_HPA_MASK & ~offset) | (gpa_.v & offset);
}

enum gpa_walk guest_walk_private(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_,
				 unsigned access, uint64_t *entry, unsigned *rwx, uint64_t *pa)
{
	struct sept_ref ref = {.level = TDX_LEVEL_4K};

	sept_walk(tx, tdcs, gpa_, &ref);
	*entry = ref.value;
	*rwx = ref.value & SEPT_PRESENT;
	if (*rwx == 0 || (access & ~*rwx) != 0)
		return violation(ref.value, ref.level);
	*pa = machine_strip(tx->m, leaf_address(ref.value, ref.level, gpa_));
	return GPA_WALK_OK;
}

/* An entry of a table of the shared EPT. The root's address has been checked when the host gave it,
 * and before that it is the TD's page of zeros; those below as entries of the tables above. */
static uint64_t shared_entry(const struct tx *tx, uint64_t table_pa, uint64_t index)
{
	uint64_t pa = machine_strip(tx->m, table_pa & SEPT_HPA_MASK) + index * sizeof(uint64_t);

	if (!machine_is_ram(tx->m, pa, sizeof(uint64_t)))
		return ~0ull;
	return __atomic_load_n((uint64_t *)machine_ptr(tx->m, pa), __ATOMIC_RELAXED);
}

/* Memory a shared EPT may point to. */
static bool may_be_shared(const struct tx *tx, uint64_t pa, void **ptr)
{
	return tdx_is_success(
		tx_shared(tx, hpa(pa & SEPT_HPA_MASK), TDX_PAGE_SIZE, TDX_OPERAND_ID_RAX, ptr));
}

static bool misconfigured(const struct tx *tx, uint64_t entry, enum tdx_level level)
{
	bool leaf = level == TDX_LEVEL_4K || (level <= TDX_LEVEL_1G && sept_is_leaf(entry));
	unsigned type = (unsigned)(entry >> 3 & 7);
	void *unused;

	if ((entry & (SEPT_R | SEPT_W)) == SEPT_W)
		return true;
	if ((entry & (SEPT_R | SEPT_XS)) == SEPT_XS &&
	    !(tx->mod->plat.ept_vpid_cap & EPT_EXECUTE_ONLY_CAP))
		return true;
	if (!(entry & SEPT_PRESENT))
		return false;
	if (!leaf)
		return (entry & EPT_TABLE_RESERVED) != 0 || !may_be_shared(tx, entry, &unused);
	if ((level == TDX_LEVEL_1G && (entry & EPT_1G_RESERVED) != 0) ||
	    (level == TDX_LEVEL_2M && (entry & EPT_2M_RESERVED) != 0))
		return true;
	return type == 2 || type == 3 || type == 7;
}

static enum gpa_walk walk_shared(const struct tx *tx, gpa_t gpa_, unsigned access, unsigned *rwx,
				 void **ptr)
{
	uint64_t pa = vmcs_read(tx->lp->vmcs, VMCS_SHARED_EPT_POINTER) & SEPT_HPA_MASK;
	enum tdx_level level = td_sept_top(tx->lp->tdcs);
	void *page;

	*rwx = 7;
	for (;; level--) {
		uint64_t entry = shared_entry(tx, pa, gpa_.v >> (12 + 9 * level) & 511);

		*rwx &= (unsigned)entry;
		if (misconfigured(tx, entry, level))
			return GPA_WALK_MISCONFIG;
		if ((entry & SEPT_PRESENT) == 0 || (access & ~entry) != 0)
			return violation(entry, level);
		if (level == TDX_LEVEL_4K || sept_is_leaf(entry)) {
			pa = leaf_address(entry, level, gpa_);
			break;
		}
		pa = entry;
	}
	if (!may_be_shared(tx, pa, &page))
		return GPA_WALK_MISCONFIG;
	*ptr = page ? (char *)page + (gpa_.v & (TDX_PAGE_SIZE - 1)) : NULL;
	return GPA_WALK_OK;
}

/* The private page waits for the guest to accept it, and the guest did not ask to hear of that. */
static void pending_page(struct lp *lp, gpa_t gpa_, uint64_t qualification)
{
	if (tdcs_td_ctls(lp->tdcs) & TDX_TD_CTLS_PENDING_VE_DISABLE)
		td_exit_ept_violation(lp, gpa_, VMX_EXIT_EPT_VIOLATION, qualification,
				      TDX_EEQ_PENDING_EPT_VIOLATION);
	else
		guest_inject_ve(lp, VMX_EXIT_EPT_VIOLATION, qualification, gpa_.v, 0, VE_PENDING);
}

static void violated(struct lp *lp, gpa_t gpa_, bool shared, enum gpa_walk result, uint64_t entry,
		     uint64_t qualification)
{
	if (!shared && sept_has(entry, SEPT_IS_PENDING | SEPT_IS_ACCEPTABLE))
		pending_page(lp, gpa_, qualification);
	else if (shared && result == GPA_WALK_MISCONFIG)
		td_exit_ept_misconfig(lp, gpa_);
	else if (shared && result == GPA_WALK_CONVERTIBLE)
		guest_inject_ve(lp, VMX_EXIT_EPT_VIOLATION, qualification, gpa_.v, 0, VE_ARCH);
	else
		td_exit_ept_violation(lp, gpa_, VMX_EXIT_EPT_VIOLATION, qualification, 0);
}

static void mark_written(const struct tx *tx, const void *ptr, unsigned hkid_)
{
	machine_wrote(tx->lp->hw, (uint64_t)((const uint8_t *)ptr - tx->m->ram), hkid_);
}

static bool guest_find(struct tx *tx, gpa_t gpa_, bool write, bool private_only,
		       enum tdx_operand op, void **ptr, struct tdx_status *status)
{
	struct lp *lp = tx->lp;
	bool shared = td_gpa_is_shared(lp->tdcs, gpa_);
	unsigned access = write ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ;
	enum gpa_walk result;
	uint64_t entry = 0, pa = 0;
	unsigned rwx;

	*status = tdx_success();
	if (!td_gpa_valid(lp->tdcs, gpa_, private_only)) {
		*status = tdx_error_op(TDX_OPERAND_INVALID, op);
		return false;
	}
	if (shared) {
		result = walk_shared(tx, gpa_, access, &rwx, ptr);
	} else {
		result = guest_walk_private(tx, lp->tdcs, gpa_, access, &entry, &rwx, &pa);
		if (result == GPA_WALK_OK)
			*ptr = machine_ptr(tx->m, pa);
	}
	if (result != GPA_WALK_OK) {
		violated(lp, gpa_, shared, result, entry,
			 (write ? EPT_VIOLATION_WRITE : EPT_VIOLATION_READ) | (uint64_t)(rwx & 7)
										      << 3);
		return false;
	}
	if (write && *ptr)
		mark_written(tx, *ptr, shared ? 0 : lp->tdr->hkid);
	return true;
}

void *guest_memory(struct tx *tx, gpa_t gpa_, bool write, enum tdx_operand op,
		   struct tdx_status *status)
{
	void *ptr;

	return guest_find(tx, gpa_, write, true, op, &ptr, status) ? ptr : NULL;
}

bool guest_memory_read(struct tx *tx, gpa_t gpa_, enum tdx_operand op, void *to, size_t len,
		       struct tdx_status *status)
{
	void *from;

	if (!guest_find(tx, gpa_, false, false, op, &from, status))
		return false;
	if (from)
		memcpy(to, from, len);
	else
		memset(to, 0xff, len);
	return true;
}

bool guest_memory_write(struct tx *tx, gpa_t gpa_, enum tdx_operand op, const void *from,
			size_t len, struct tdx_status *status)
{
	void *to;

	if (!guest_find(tx, gpa_, true, false, op, &to, status))
		return false;
	if (to)
		memcpy(to, from, len);
	return true;
}

bool module_guest_private(struct module *mod, unsigned lp_id, gpa_t gpa_, uint64_t *pa)
{
	struct lp *lp = &mod->lp[lp_id];
	struct tx tx;
	uint64_t entry;
	unsigned rwx;
	bool found;

	tx_begin(&tx, lp, NULL, true);
	found = td_gpa_valid(lp->tdcs, gpa_, true) &&
		guest_walk_private(&tx, lp->tdcs, gpa_, ACCESS_READ, &entry, &rwx, pa) ==
			GPA_WALK_OK;
	tx_end(&tx);
	return found;
}

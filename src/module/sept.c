/* SPDX-License-Identifier: MIT */
/* The Secure EPT of a TD: operands that name an entry, walks to it, its lock.
 *
 * Tables are pages the host gave (TDH.MEM.SEPT.ADD), found from TDCS.EPTP; an entry is one 64-bit
 * word with the architectural bits, KeyID included (abi/sept.h). Every load and store of an entry
 * is atomic: guests lock and accept entries while the host walks past them, and walks on behalf of
 * a guest hold no lock at all. What keeps a table alive during such a walk is TLB tracking: it goes
 * only after every vCPU that could be in the middle of one has left the guest. */
#include "module/sept.h"

#include "abi/operand.h"
#include "module/hooks.h"
#include "module/transition.h"

bool td_gpa_valid(const struct tdcs *tdcs, gpa_t gpa_, bool must_be_private)
{
	unsigned width = tdcs->gpaw ? 52 : 48;
	unsigned maxpa = tdcs->virt_maxpa ? tdcs->virt_maxpa : HPA_BITS;
	uint64_t shared = 1ull << (width - 1);
	unsigned limit = maxpa < width ? maxpa : width;

	if (must_be_private && (gpa_.v & shared))
		return false;
	return (gpa_.v & ~shared) >> limit == 0;
}

bool sept_operand_valid(gpa_level_t at, enum tdx_level min, enum tdx_level max)
{
	unsigned level = gpa_level_level(at.v);

	return gpa_level_valid(at.v) && level >= (unsigned)min && level <= (unsigned)max;
}

/* sept_walk_from(), which leaves in `way` (may be NULL) what it went through. */
static inline __attribute__((always_inline)) bool walk(const struct tx *tx, uint64_t root,
						       enum tdx_level top, gpa_t gpa_,
						       uint64_t present, struct sept_way *way,
						       struct sept_ref *ref)
{
	const uint64_t address = SEPT_HPA_MASK & ~tx->mod->hkid_mask;
	const uint64_t end = tx->m->cfg.mem_end & ~(TDX_PAGE_SIZE - 1);
	uint8_t *const ram = machine_ptr(tx->m, 0);
	enum tdx_level want = ref->level, level = top;
	uint64_t table = root & address, value, *entry;

	for (;; level--) {
		entry = (uint64_t *)(ram + table) + (gpa_.v >> (12 + 9 * (unsigned)level) & 511);
		value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
		if (level == want || !(value & present) || sept_is_leaf(value))
			break;
		if (way) {
			way->entry[top - level] = entry;
			way->value[top - level] = value;
		}
		table = value & address;
		if (__builtin_expect(table >= end, 0)) { /* no RAM */
			module_fatal(tx->lp);
			break;
		}
	}
	*ref = (struct sept_ref){.entry = entry, .value = value, .level = level, .gpa = gpa_};
	return level == want;
}

bool sept_walk_from(const struct tx *tx, uint64_t root, enum tdx_level top, gpa_t gpa_,
		    uint64_t present, struct sept_ref *ref)
{
	return walk(tx, root, top, gpa_, present, NULL, ref);
}

TX_INLINE bool is_same_way(const struct sept_way *way, uint64_t eptp, gpa_t gpa_)
{
	if (way->eptp != eptp || way->range != gpa_.v >> 21)
		return false;
	for (unsigned i = 0; i < way->tables; i++)
		if (__atomic_load_n(way->entry[i], __ATOMIC_ACQUIRE) != way->value[i])
			return false;
	return true;
}

/* To a 4K entry, remembering the way. Out of line: most walks go by the last one's. */
static __attribute__((noinline)) bool walk_anew(const struct tx *tx, const struct tdcs *tdcs,
						gpa_t gpa_, struct sept_ref *ref)
{
	struct sept_way *way = &tx->lp->way;
	const enum tdx_level top = td_sept_top(tdcs);
	const uint64_t eptp = tdcs->eptp;

	way->eptp = 0;
	if ((unsigned)top > SEPT_WAY_TABLES) /* no tree of a TD has more */
		return walk(tx, eptp, top, gpa_, SEPT_PRESENT, NULL, ref);
	if (!walk(tx, eptp, top, gpa_, SEPT_PRESENT, way, ref))
		return false;
	way->eptp = eptp;
	way->range = gpa_.v >> 21;
	way->tables = (unsigned)top;
	way->table = ref->entry - (gpa_.v >> 12 & 511);
	return true;
}

TX_INLINE bool walk_to_4k(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_,
			  struct sept_ref *ref)
{
	const struct sept_way *way = &tx->lp->way;
	uint64_t *entry;

	if (__builtin_expect(!is_same_way(way, tdcs->eptp, gpa_), 0))
		return walk_anew(tx, tdcs, gpa_, ref);
	if (__builtin_expect(tx->mod->hooks != NULL, 0) && tx->mod->hooks->step)
		tx->mod->hooks->step(tx->mod->hooks_arg, tx->lp);
	entry = way->table + (gpa_.v >> 12 & 511);
	*ref = (struct sept_ref){.entry = entry,
				 .value = __atomic_load_n(entry, __ATOMIC_ACQUIRE),
				 .level = TDX_LEVEL_4K,
				 .gpa = gpa_};
	return true;
}

static __attribute__((noinline)) bool walk_to_large(const struct tx *tx, const struct tdcs *tdcs,
						    gpa_t gpa_, struct sept_ref *ref)
{
	return walk(tx, tdcs->eptp, td_sept_top(tdcs), gpa_, SEPT_PRESENT, NULL, ref);
}

bool sept_walk(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_, struct sept_ref *ref)
{
	if (ref->level == TDX_LEVEL_4K)
		return walk_to_4k(tx, tdcs, gpa_, ref);
	return walk_to_large(tx, tdcs, gpa_, ref);
}

struct tdx_status tx_sept_walk(struct tx *tx, const struct td *td, gpa_t gpa_, enum tdx_operand op,
			       enum lock_mode tree_mode, struct sept_ref *ref)
{
	struct tdx_status s = tdx_success();

	if (!td_gpa_valid(td->tdcs, gpa_, true))
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	if (!td->has_tree)
		s = tx_lock(tx, LOCK_SEPT_TREE, td->pa.v, &td->tdcs->sept_lock, tree_mode,
			    TDX_OPERAND_ID_SEPT_TREE);
	if (!tdx_is_success(s))
		return s;
	if (!sept_walk(tx, td->tdcs, gpa_, ref))
		return tdx_error_op(TDX_EPT_WALK_FAILED, op);
	return s;
}

struct tdx_status sept_walk_to_leaf(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_,
				    enum tdx_operand op, struct sept_ref *ref)
{
	if (!td_gpa_valid(tdcs, gpa_, true))
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	ref->level = TDX_LEVEL_4K;
	walk_to_4k(tx, tdcs, gpa_, ref);
	if (!sept_is_leaf(ref->value) || !(ref->value & SEPT_PRESENT))
		return tdx_error_op(TDX_EPT_WALK_FAILED, op);
	return tdx_success();
}

struct tdx_status tx_sept_lock(struct tx *tx, struct sept_ref *ref)
{
	uint64_t page = ref->gpa.v & ~(tdx_level_size(ref->level) - 1);
	struct tdx_status s = tx_lock(tx, LOCK_SEPT_ENTRY, page | (unsigned)ref->level, ref->entry,
				      LOCK_EXCLUSIVE, TDX_OPERAND_ID_RCX);

	if (tdx_is_success(s))
		ref->value = __atomic_load_n(ref->entry, __ATOMIC_RELAXED);
	return s;
}

void tx_sept_store(struct tx *tx, const struct sept_ref *ref, uint64_t value)
{
	uint64_t seen = __atomic_load_n(ref->entry, __ATOMIC_RELAXED), next;

	value &= ~(SEPT_LOCK | SEPT_HOST_PRIORITY);
	do {
		next = value | (seen & SEPT_HOST_PRIORITY);
	} while (!__atomic_compare_exchange_n(ref->entry, &seen, next, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	tx_released(tx, ref->entry);
}

void sept_show(const struct tx *tx, const struct sept_ref *ref, struct sept_shown *shown)
{
	shown->entry = sept_arch_entry(ref->value, tx->mod->hkid_mask);
	shown->level_state = sept_arch_info(ref->value, ref->level, 0);
}

hpa_t sept_leaf_pa(const struct tx *tx, const struct sept_ref *ref)
{
	uint64_t offset = tdx_level_size(ref->level) - 1;
	uint64_t page = machine_strip(tx->m, sept_address(ref->value)) & ~offset;

	return hpa(page | (ref->gpa.v & offset));
}

/* SPDX-License-Identifier: MIT */
/* Entries of L2 Secure EPTs; see l2_sept.h.
 *
 * Locks: none of its own. Callers hold the lock of the L1 entry, or the tree exclusively. */
#include "module/l2_sept.h"

#include <swtdx/structs.h>

#include "module/transition.h"

/* State: leaf and IPAT together, blocked, and R for those that map something readable. */
#define L2_LEAF	   (SEPT_PS | SEPT_IPAT)
#define L2_BLOCKED SEPT_TDB
#define L2_STATE   (SEPT_R | L2_LEAF | L2_BLOCKED)

/* Where permissions wait while the entry is blocked: R, Xs, Xu take the memory type's bits. */
#define L2_SAVED_R   (1ull << 3)
#define L2_SAVED_XS  (1ull << 4)
#define L2_SAVED_XU  (1ull << 5)
#define L2_SAVED_W   (1ull << 59)
#define L2_SAVED_PWA (1ull << 52)
#define L2_VGP	     (1ull << 57)
#define L2_PWA	     (1ull << 58)
#define L2_SSS	     (1ull << 60)

static uint64_t moved(uint64_t entry, uint64_t from, uint64_t to)
{
	return entry & from ? to : 0;
}

bool l2_sept_is_free(uint64_t entry)
{
	return (entry & L2_STATE) == 0;
}

static bool is_leaf_blocked(uint64_t entry)
{
	return (entry & (L2_LEAF | L2_BLOCKED)) == (L2_LEAF | L2_BLOCKED);
}

bool l2_sept_walk(const struct tx *tx, const struct tdr *tdr, const struct tdcs *tdcs, unsigned vm,
		  gpa_t gpa_, bool guest, struct sept_ref *ref)
{
	uint64_t root = tdr->tdcx_pa[TDCS_PAGE_L2_SEPT_ROOT + vm - 1];

	return sept_walk_from(tx, root, td_sept_top(tdcs), gpa_, guest ? L2_STATE : SEPT_PRESENT,
			      ref);
}

uint64_t *l2_alias(const struct tx *tx, const struct tdr *tdr, const struct tdcs *tdcs, unsigned vm,
		   const struct sept_ref *l1, bool guest)
{
	struct sept_ref ref = {.level = l1->level};

	if (l2_sept_walk(tx, tdr, tdcs, vm, l1->gpa, guest, &ref))
		return ref.entry;
	module_fatal(tx->lp);
	return NULL;
}

uint64_t l2_sept_blocked(uint64_t e, bool l1_blockedw)
{
	if (e & SEPT_PS) {
		uint64_t saved = L2_SAVED_R | L2_SAVED_XS | L2_SAVED_XU;
		uint64_t set = moved(e, SEPT_R, L2_SAVED_R) | moved(e, SEPT_XS, L2_SAVED_XS) |
			       moved(e, SEPT_XU, L2_SAVED_XU);

		/* When only writing was blocked before, W and PWA wait already. */
		if (!l1_blockedw) {
			saved |= L2_SAVED_W | L2_SAVED_PWA;
			set |= moved(e, SEPT_W, L2_SAVED_W) | moved(e, L2_PWA, L2_SAVED_PWA);
		}
		e = (e & ~saved) | set | L2_LEAF | L2_BLOCKED;
	} else {
		e = (e & ~L2_STATE) | L2_BLOCKED;
	}
	return e & ~(SEPT_RWX | L2_PWA);
}

uint64_t l2_sept_unblocked(uint64_t e)
{
	if ((e & L2_STATE) == L2_BLOCKED)
		return (e & ~(L2_STATE | SEPT_MT_MASK | L2_SAVED_W)) | SEPT_RWX;
	if (!is_leaf_blocked(e))
		return e;
	return (e & ~(L2_BLOCKED | SEPT_RWX | L2_PWA | SEPT_MT_MASK | L2_SAVED_W | L2_SAVED_PWA)) |
	       moved(e, L2_SAVED_R, SEPT_R) | moved(e, L2_SAVED_W, SEPT_W) |
	       moved(e, L2_SAVED_XS, SEPT_XS) | moved(e, L2_SAVED_XU, SEPT_XU) |
	       moved(e, L2_SAVED_PWA, L2_PWA) | SEPT_MT_WB;
}

uint64_t l2_sept_blockedw(uint64_t e)
{
	const uint64_t wait = L2_SAVED_W | L2_SAVED_PWA;

	return (e & ~(SEPT_W | L2_PWA | wait)) | moved(e, SEPT_W, L2_SAVED_W) |
	       moved(e, L2_PWA, L2_SAVED_PWA) | L2_LEAF | L2_BLOCKED;
}

uint64_t l2_sept_unblockedw(uint64_t e)
{
	const uint64_t wait = L2_SAVED_W | L2_SAVED_PWA;

	return (e & ~(SEPT_W | L2_PWA | wait | L2_BLOCKED)) | moved(e, L2_SAVED_W, SEPT_W) |
	       moved(e, L2_SAVED_PWA, L2_PWA) | L2_LEAF;
}

bool l2_block_writing(const struct tx *tx, const struct td *td, const struct sept_ref *l1,
		      bool block)
{
	for (unsigned vm = 1; vm <= td->tdcs->num_l2_vms; vm++) {
		uint64_t *alias;

		if (!l2_aliased(l1->value, vm))
			continue;
		alias = l2_alias(tx, td->tdr, td->tdcs, vm, l1, true);
		if (!alias)
			return false;
		l2_sept_write(alias, block ? l2_sept_blockedw(*alias) : l2_sept_unblockedw(*alias));
	}
	return true;
}

uint64_t l2_sept_table(uint64_t address)
{
	return SEPT_RWX | (address & SEPT_HPA_MASK);
}

static uint64_t attr_bits(unsigned attr)
{
	return moved(attr, L2_ATTR_R, SEPT_R) | moved(attr, L2_ATTR_W, SEPT_W) |
	       moved(attr, L2_ATTR_XS, SEPT_XS) | moved(attr, L2_ATTR_XU, SEPT_XU) |
	       moved(attr, L2_ATTR_VGP, L2_VGP) | moved(attr, L2_ATTR_PWA, L2_PWA) |
	       moved(attr, L2_ATTR_SSS, L2_SSS) | moved(attr, L2_ATTR_SVE, SEPT_SUPPRESS_VE);
}

uint64_t l2_sept_leaf(uint64_t address, unsigned attr, bool blocked)
{
	uint64_t e = attr_bits(attr) | (address & SEPT_HPA_MASK) | SEPT_MT_WB | L2_LEAF;

	return blocked ? l2_sept_blocked(e, false) : e;
}

uint64_t l2_sept_with_attr(uint64_t e, unsigned attr)
{
	const uint64_t all = SEPT_RWX | L2_VGP | L2_PWA | L2_SSS | SEPT_SUPPRESS_VE | L2_SAVED_R;
	bool blocked = is_leaf_blocked(e);

	e = (e & ~all) | attr_bits(attr);
	return blocked ? l2_sept_blocked(e, false) : e;
}

unsigned l2_sept_attr(uint64_t e, bool l1_blockedw, bool l1_pending)
{
	uint64_t r = SEPT_R, w = SEPT_W, xs = SEPT_XS, xu = SEPT_XU, pwa = L2_PWA;
	unsigned attr = 0;

	if (l2_sept_is_free(e))
		return e & SEPT_SUPPRESS_VE ? L2_ATTR_SVE : 0;
	if (!(e & SEPT_PS))
		return L2_ATTR_PRESENT | L2_ATTR_VALID;
	if (is_leaf_blocked(e)) {
		w = L2_SAVED_W;
		pwa = L2_SAVED_PWA;
		if (!l1_blockedw || l1_pending) {
			r = L2_SAVED_R;
			xs = L2_SAVED_XS;
			xu = L2_SAVED_XU;
		}
	}
	attr |= e & r ? L2_ATTR_R : 0;
	attr |= e & w ? L2_ATTR_W : 0;
	attr |= e & xs ? L2_ATTR_XS : 0;
	attr |= e & xu ? L2_ATTR_XU : 0;
	attr |= e & L2_VGP ? L2_ATTR_VGP : 0;
	attr |= e & pwa ? L2_ATTR_PWA : 0;
	attr |= e & L2_SSS ? L2_ATTR_SSS : 0;
	attr |= e & SEPT_SUPPRESS_VE ? L2_ATTR_SVE : 0;
	return attr | L2_ATTR_VALID;
}

bool l2_attr_legal(unsigned attr)
{
	if (!(attr & L2_ATTR_VALID) && attr)
		return false;
	if (attr & (L2_ATTR_RESERVED | L2_ATTR_SVE))
		return false;
	return (attr & L2_ATTR_R) || !(attr & (L2_ATTR_W | L2_ATTR_PWA));
}

/* A leaf that is readable and mapped has no public value of its own in this module version. */
static unsigned public_state(uint64_t e)
{
	switch (e & L2_STATE) {
	case 0:
		return 64;
	case SEPT_R:
		return 196;
	case L2_BLOCKED:
		return 193;
	case L2_LEAF:
		return 68;
	case L2_LEAF | L2_BLOCKED:
		return 65;
	default:
		return 0;
	}
}

void l2_sept_show(const struct tx *tx, const struct tdcs *tdcs, unsigned vm,
		  const struct sept_ref *ref, struct sept_shown *shown)
{
	const uint64_t always =
		SEPT_MT_MASK | SEPT_HPA_MASK | SEPT_IPAT | SEPT_PS | SEPT_SUPPRESS_VE;
	const uint64_t attr = SEPT_RWX | L2_VGP | L2_PWA | L2_SSS;
	uint64_t e = ref->value, visible;

	if (l2_sept_is_free(e))
		visible = SEPT_SUPPRESS_VE;
	else if (!(e & SEPT_PS))
		visible = e & (SEPT_RWX | SEPT_PS);
	else if (tdcs->attributes & TDX_ATTR_DEBUG)
		visible = e & (always | attr);
	else if (is_leaf_blocked(e))
		visible = e & always;
	else
		visible = (e & always) | SEPT_RWX;
	shown->entry = machine_strip(tx->m, visible);
	shown->level_state =
		(uint64_t)ref->level | (uint64_t)public_state(e) << 8 | (uint64_t)vm << 16;
}

/* SPDX-License-Identifier: MIT */
/* PAMT entries by address, and what dynamic PAMT keeps beside them. */
#include "module/pamt_walk.h"

struct pamt_entry *pamt_1g(struct module *mod, uint64_t pa)
{
	return pamt_find(mod, pa, TDX_LEVEL_1G);
}

struct pamt_entry *pamt_2m(struct module *mod, uint64_t pa)
{
	return pamt_find(mod, pa, TDX_LEVEL_2M);
}

struct pamt_entry *pamt_4k(struct module *mod, uint64_t pa)
{
	return pamt_find(mod, pa, TDX_LEVEL_4K);
}

struct pamt_entry *pamt_of_size(struct module *mod, uint64_t pa, enum tdx_level size)
{
	return pamt_find(mod, pa, size);
}

/* --- dynamic PAMT: the bitmap of pages that are PAMT pages themselves, and the counts --- */

static uint64_t *bitmap_word(struct module *mod, uint64_t pa, uint64_t *bit)
{
	const struct tdmr *t = pamt_tdmr(mod, pa);
	uint64_t n = (pa - t->base) >> 12;

	*bit = 1ull << (n & 63);
	return machine_ptr(mod->m, t->pamt_4k_base + n / 64 * 8);
}

bool pamt_bitmap_get(struct module *mod, uint64_t pa)
{
	uint64_t bit, *w = bitmap_word(mod, pa, &bit);

	return __atomic_load_n(w, __ATOMIC_RELAXED) & bit;
}

bool pamt_bitmap_set(struct module *mod, uint64_t pa)
{
	uint64_t bit, *w = bitmap_word(mod, pa, &bit);

	return !(__atomic_fetch_or(w, bit, __ATOMIC_RELAXED) & bit);
}

void pamt_bitmap_clear(struct module *mod, uint64_t pa)
{
	uint64_t bit, *w = bitmap_word(mod, pa, &bit);

	__atomic_fetch_and(w, ~bit, __ATOMIC_RELAXED);
}

bool pamt_range_2m_free(struct module *mod, uint64_t pa)
{
	if (mod->dynamic_pamt) {
		uint64_t bit, *w = bitmap_word(mod, pa, &bit);

		for (unsigned i = 0; i < 512 / 64; i++)
			if (__atomic_load_n(&w[i], __ATOMIC_RELAXED))
				return false;
		return true;
	}
	/* by eights: as fast as memory, wherever the loop comes to lie */
	for (const struct pamt_entry *e = pamt_4k(mod, pa), *end = e + 512; e < end; e += 8) {
		unsigned types = 0;

		for (unsigned i = 0; i < 8; i++)
			types |= __atomic_load_n(&e[i].type, __ATOMIC_RELAXED);
		if (types & PAMT_TYPE_MASK)
			return false;
	}
	return true;
}

static bool counts(const struct tx *tx, const struct pamt_ref *ref)
{
	return tx->mod->dynamic_pamt && ref->node && pamt_type(ref->node) == TDX_PT_PAMT;
}

void pamt_count_inc(const struct tx *tx, const struct pamt_ref *ref)
{
	if (counts(tx, ref))
		__atomic_fetch_add((uint16_t *)&ref->node->bepoch, 1, __ATOMIC_RELAXED);
}

uint64_t pamt_count_dec(const struct tx *tx, const struct pamt_ref *ref)
{
	if (!counts(tx, ref))
		return 0;
	return (__atomic_fetch_sub((uint16_t *)&ref->node->bepoch, 1, __ATOMIC_RELAXED) & 0x3ff) ==
			       1
		       ? PAMT_REMOVAL_HINT
		       : 0;
}

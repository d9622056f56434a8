/* SPDX-License-Identifier: MIT */
/* PAMT: for each page of TDX memory its type, owner and lock, in the areas the host gave.
 *
 * Entry, 16 bytes: 15:0 lock (sharex-hp), 20:16 page type, 63:24 owner (TDR page number);
 * second word BEPOCH. With dynamic PAMT a 2M entry of type PT_PAMT is a node: 63:28 of the first
 * word page number of the first half's entries, of the second word bits 9:0 count of pages in use,
 * 63:28 page number of the second half's. */
#ifndef MODULE_PAMT_H
#define MODULE_PAMT_H

#include <swtdx/leaf.h>
#include "module/internal.h"
#include "module/lock.h"

struct tx;

struct pamt_entry {
	uint16_t lock;
	uint8_t type; /* enum tdx_page_type in bits 4:0 */
	uint8_t owner0;
	uint32_t owner1; /* owner page number: owner1 << 8 | owner0 */
	uint64_t bepoch;
};
static_assert(sizeof(struct pamt_entry) == 16, "PAMT entry");
static_assert(offsetof(struct pamt_entry, lock) == 0, "a lock word is found as its entry");

#define PAMT_TYPE_MASK 0x1fu /* of `type` */

/* A page's PAMT path as locked by a call. */
struct pamt_ref {
	struct pamt_entry *entry; /* the leaf reached */
	struct pamt_entry *node;  /* the 2M entry above it, NULL when the leaf is not 4K */
	enum tdx_level level;
	hpa_t pa;
};

static inline hpa_t pamt_owner(const struct pamt_entry *e)
{
	return hpa(((uint64_t)e->owner1 << 8 | e->owner0) << 12);
}

static inline void pamt_set_owner(struct pamt_entry *e, hpa_t tdr)
{
	e->owner0 = (uint8_t)(tdr.v >> 12);
	e->owner1 = (uint32_t)(tdr.v >> 20);
}

/* Dynamic PAMT: the pages with the 4K entries of the two halves of a node's range. */
static inline hpa_t pamt_node_page0(const struct pamt_entry *e)
{
	/* the low half is a lock that others change meanwhile */
	return hpa(__atomic_load_n((const uint64_t *)e, __ATOMIC_RELAXED) >> 28 << 12);
}

static inline hpa_t pamt_node_page1(const struct pamt_entry *e)
{
	return hpa(__atomic_load_n(&e->bepoch, __ATOMIC_RELAXED) >> 28 << 12);
}

/* Make a locked, free 2M entry such a node, with no page in use. The lock is left alone, and so are
 * the four bits that belong to no page: of the last owner, seen again when the node is gone. */
static inline void pamt_set_node(struct pamt_entry *e, hpa_t page0, hpa_t page1)
{
	uint64_t n0 = page0.v >> 12;

	e->owner0 = (uint8_t)(n0 << 4 | (e->owner0 & 0xf));
	e->owner1 = (uint32_t)(n0 >> 4);
	e->bepoch = page1.v >> 12 << 28;
	__atomic_store_n(&e->type, TDX_PT_PAMT, __ATOMIC_RELEASE);
}

/* In R9 of a leaf that freed a page: no page below its PAMT pair is in use any more. */
#define PAMT_REMOVAL_HINT (1ull << 62)

/* The TDMR covering a page, NULL when none does. */
static inline struct tdmr *pamt_tdmr(struct module *mod, uint64_t pa)
{
	for (uint32_t i = 0; i < mod->num_tdmrs; i++)
		if (pa - mod->tdmr[i].base < mod->tdmr[i].size)
			return &mod->tdmr[i];
	return NULL;
}

/* Entries by address without locking, for walks, invariants and implicit references; NULL when the
 * page is not covered, its 1G block not initialised or (dynamic PAMT) has no 4K entries. */
struct pamt_entry *pamt_1g(struct module *mod, uint64_t pa);
struct pamt_entry *pamt_2m(struct module *mod, uint64_t pa);
struct pamt_entry *pamt_4k(struct module *mod, uint64_t pa);
struct pamt_entry *pamt_of_size(struct module *mod, uint64_t pa, enum tdx_level size);

/* Are all 512 4K entries of the 2M range free (PT_NDA, and with dynamic PAMT no entries at all)? */
bool pamt_range_2m_free(struct module *mod, uint64_t pa);

/* Dynamic PAMT: the 4K bitmap of pages used as PAMT pages or reserved. */
bool pamt_bitmap_get(struct module *mod, uint64_t pa);
bool pamt_bitmap_set(struct module *mod, uint64_t pa); /* false: already set */
void pamt_bitmap_clear(struct module *mod, uint64_t pa);
/* Dynamic PAMT: count pages in use below a node (no-op else); dec returns the removal hint. */
void pamt_count_inc(const struct tx *tx, const struct pamt_ref *ref);
uint64_t pamt_count_dec(const struct tx *tx, const struct pamt_ref *ref);

#endif

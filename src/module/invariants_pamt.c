/* SPDX-License-Identifier: MIT */
/* The invariant check's pass over the PAMT: every entry sound by itself, and what each TD owns.
 *
 * Most entries are free and unlocked; blocks of 2M in which all are cost one masked OR each. */
#include "module/invariants_sum.h"
#include "module/page.h"

#define TYPE_SHIFT 16
#define TYPE_MASK  (0x1full << TYPE_SHIFT)
#define LOCK_MASK  (0xffffull & ~(uint64_t)HP_PRIORITY)

static uint64_t first_word(const struct pamt_entry *e)
{
	uint64_t w;

	__builtin_memcpy(&w, e, sizeof(w));
	return w;
}

static bool in_hole(const struct tdmr *t, uint64_t pa)
{
	for (uint32_t i = 0; i < t->num_rsvd; i++)
		if (pa - t->base - t->rsvd[i].base < t->rsvd[i].size)
			return true;
	return false;
}

/* Readers that entered guests keep on this entry, as far as the word counts them. */
static unsigned guest_readers(const struct module *mod, const struct pamt_entry *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < mod->num_lps; i++)
		for (unsigned k = 0; k < mod->lp[i].nguest_locks; k++)
			n += mod->lp[i].guest_locks[k].word == &e->lock &&
			     mod->lp[i].guest_locks[k].slot == NO_SLOT;
	return n;
}

static bool check_lock(struct check *c, const struct pamt_entry *e, uint64_t pa)
{
	uint16_t lock = e->lock & (uint16_t)LOCK_MASK;

	if (!c->locks || lock == guest_readers(c->mod, e) * HP_READER)
		return true;
	return broken(c, "PAMT entry of 0x%llx left locked: 0x%x", (unsigned long long)pa, e->lock);
}

static bool add_vcpu(struct check *c, struct td_sum *sum, uint64_t pa)
{
	const struct machine *m = c->mod->m;
	const struct tdvps *vps = machine_ptr(m, pa);

	if (vps->num_pages > TDVPS_MAX_PAGES)
		return broken(c, "vCPU 0x%llx has %u pages", (unsigned long long)pa,
			      vps->num_pages);
	for (unsigned i = 1; i < vps->num_pages; i++)
		page_set_add(&sum->vp_pages, machine_strip(m, vps->page_pa[i]), TDX_LEVEL_4K);
	/* one whose import failed stays with its processor, too */
	sum->associated += vps->assoc_lpid != ~0u;
	if (vps->state == TDX_VCPU_UNINITIALIZED)
		return true;
	sum->vcpus++;
	if (vps->vcpu_epoch > sum->last_vcpu_epoch)
		sum->last_vcpu_epoch = vps->vcpu_epoch;
	return true;
}

/* A page in use. */
static bool add_page(struct check *c, const struct pamt_entry *e, uint64_t pa, enum tdx_level size)
{
	uint64_t owner = pamt_owner(e).v;
	enum tdx_page_type type = tdx_page_type(e->type & PAMT_TYPE_MASK);
	struct td_sum *sum;

	if (type == TDX_PT_UNKNOWN || type == TDX_PT_RSVD || type == TDX_PT_PAMT ||
	    (size != TDX_LEVEL_4K && type != TDX_PT_REG))
		return broken(c, "page 0x%llx of size %d has type %u", (unsigned long long)pa, size,
			      e->type);
	sum = sum_of(c, type == TDX_PT_TDR ? pa : owner);
	if (!sum)
		return broken(c, "out of memory");
	if (type == TDX_PT_TDR) {
		sum->is_tdr = true;
		return owner ? broken(c, "TDR 0x%llx has an owner", (unsigned long long)pa) : true;
	}
	sum->children += tdx_level_size(size) / TDX_PAGE_SIZE;
	if (type == TDX_PT_TDCX)
		page_set_add(&sum->tdcx, pa, size);
	else if (type == TDX_PT_EPT)
		page_set_add(&sum->ept, pa, size);
	else if (type == TDX_PT_REG)
		page_set_add(&sum->reg, pa, size);
	return type == TDX_PT_TDVPR ? add_vcpu(c, sum, pa) : true;
}

static bool check_entry_4k(struct check *c, const struct tdmr *t, const struct pamt_entry *e,
			   uint64_t pa, bool under_leaf)
{
	unsigned type = e->type & PAMT_TYPE_MASK;

	if (!check_lock(c, e, pa))
		return false;
	if (type == TDX_PT_NDA)
		return true;
	if (type == TDX_PT_RSVD && !c->mod->dynamic_pamt)
		return in_hole(t, pa)
			       ? true
			       : broken(c, "page 0x%llx reserved outside the holes of its TDMR",
					(unsigned long long)pa);
	if (in_hole(t, pa))
		return broken(c, "page 0x%llx in a hole is in use", (unsigned long long)pa);
	if (under_leaf)
		return broken(c, "page 0x%llx is in use within a larger page",
			      (unsigned long long)pa);
	return add_page(c, e, pa, TDX_LEVEL_4K);
}

static bool check_entries(struct check *c, const struct tdmr *t, const struct pamt_entry *e,
			  unsigned n, uint64_t pa, bool under_leaf)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < n; i++)
		seen |= first_word(&e[i]);
	if (!(seen & (TYPE_MASK | LOCK_MASK)))
		return true;
	for (unsigned i = 0; i < n; i++, pa += TDX_PAGE_SIZE)
		if (first_word(&e[i]) & (TYPE_MASK | LOCK_MASK) &&
		    !check_entry_4k(c, t, &e[i], pa, under_leaf))
			return false;
	return true;
}

/* A node's count is that of its entries in use; its pages are marked as not to be given. */
static bool check_node(struct check *c, const struct tdmr *t, const struct pamt_entry *node,
		       uint64_t pa)
{
	hpa_t page[2] = {pamt_node_page0(node), pamt_node_page1(node)};
	unsigned used = 0;

	c->nodes++;
	for (unsigned half = 0; half < 2; half++) {
		const struct pamt_entry *e;

		if (!pamt_tdmr(c->mod, page[half].v))
			return broken(c, "PAMT page 0x%llx of 0x%llx is in no TDMR",
				      (unsigned long long)page[half].v, (unsigned long long)pa);
		if (!pamt_bitmap_get(c->mod, page[half].v))
			return broken(c, "PAMT page 0x%llx is not marked in use",
				      (unsigned long long)page[half].v);
		e = machine_ptr(c->mod->m, page[half].v);
		for (unsigned i = 0; i < 256; i++)
			used += (e[i].type & PAMT_TYPE_MASK) != TDX_PT_NDA;
		if (!check_entries(c, t, e, 256, pa + half * TDX_SIZE_2M / 2, false))
			return false;
	}
	if (used != (node->bepoch & 0x3ff))
		return broken(c, "PAMT node of 0x%llx counts %u pages in use, it is %u",
			      (unsigned long long)pa, (unsigned)(node->bepoch & 0x3ff), used);
	return true;
}

static bool check_2m(struct check *c, const struct tdmr *t, uint64_t pa, bool under_leaf)
{
	const struct pamt_entry *e = pamt_2m(c->mod, pa);
	unsigned type = e->type & PAMT_TYPE_MASK;

	if (!check_lock(c, e, pa))
		return false;
	if (type != TDX_PT_NDA && under_leaf)
		return broken(c, "2M page 0x%llx is in use within a larger page",
			      (unsigned long long)pa);
	if (type == TDX_PT_PAMT && c->mod->dynamic_pamt)
		return check_node(c, t, e, pa);
	if (type != TDX_PT_NDA && !add_page(c, e, pa, TDX_LEVEL_2M))
		return false;
	if (c->mod->dynamic_pamt)
		return true;
	return check_entries(c, t, pamt_4k(c->mod, pa), 512, pa, under_leaf || type != TDX_PT_NDA);
}

/* Pages marked: two for each node, and the holes. */
static bool check_bitmap(struct check *c)
{
	uint64_t marked = 0, expected = 2 * c->nodes;

	for (uint32_t i = 0; i < c->mod->num_tdmrs; i++) {
		const struct tdmr *t = &c->mod->tdmr[i];
		const uint64_t *w = machine_ptr(c->mod->m, t->pamt_4k_base);

		for (uint64_t k = 0; k < (t->last_initialized - t->base) / TDX_PAGE_SIZE / 64; k++)
			marked += (unsigned)__builtin_popcountll(w[k]);
		for (uint32_t k = 0; k < t->num_rsvd; k++) {
			uint64_t from = t->rsvd[k].base, to = from + t->rsvd[k].size;
			uint64_t done = t->last_initialized - t->base;

			if (from < done)
				expected += ((to < done ? to : done) - from) / TDX_PAGE_SIZE;
		}
	}
	if (marked != expected)
		return broken(c, "%llu pages are marked as PAMT pages or holes, there are %llu",
			      (unsigned long long)marked, (unsigned long long)expected);
	return true;
}

/* The whole 2M range lies in one hole: nothing in it is ever touched. */
static bool all_hole(const struct tdmr *t, uint64_t pa)
{
	uint64_t offset = pa - t->base;

	for (uint32_t i = 0; i < t->num_rsvd; i++)
		if (offset >= t->rsvd[i].base &&
		    offset + TDX_SIZE_2M <= t->rsvd[i].base + t->rsvd[i].size)
			return true;
	return false;
}

bool check_pamt(struct check *c)
{
	for (uint32_t i = 0; i < c->mod->num_tdmrs; i++) {
		const struct tdmr *t = &c->mod->tdmr[i];
		uint64_t end = t->last_initialized & ~(TDX_SIZE_1G - 1);
		bool leaf_1g = false;

		for (uint64_t pa = t->base; pa < end; pa += TDX_SIZE_2M) {
			if (!(pa & (TDX_SIZE_1G - 1))) {
				const struct pamt_entry *e = pamt_1g(c->mod, pa);

				leaf_1g = (e->type & PAMT_TYPE_MASK) != TDX_PT_NDA;
				if (!check_lock(c, e, pa) ||
				    (leaf_1g && !add_page(c, e, pa, TDX_LEVEL_1G)))
					return false;
			}
			/* even a hole may be given a pair of PAMT pages */
			if ((c->mod->dynamic_pamt || !all_hole(t, pa)) &&
			    !check_2m(c, t, pa, leaf_1g))
				return false;
		}
	}
	return c->mod->dynamic_pamt && c->mod->num_tdmrs ? check_bitmap(c) : true;
}

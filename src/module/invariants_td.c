/* SPDX-License-Identifier: MIT */
/* The invariant check of one TD: what it thinks it has against what the PAMT says it owns. */
#include "module/invariants_sum.h"
#include "module/l2_sept.h"
#include "module/page.h"
#include "module/sept.h"

struct tree {
	const struct td_sum *sum;
	const struct tdr *tdr;
	const struct tdcs *tdcs;
	struct page_set tables, pages;
};

/* The page an entry refers to is the TD's, of this type and size. */
static bool owned(struct check *c, const struct tree *t, uint64_t pa, enum tdx_page_type type,
		  enum tdx_level size)
{
	const struct pamt_entry *e = pamt_of_size(c->mod, pa, size);

	if (e && (e->type & 0x1f) == type && pamt_owner(e).v == t->sum->tdr_pa)
		return true;
	return broken(c, "TD 0x%llx refers to 0x%llx as type %d, size %d; the PAMT says type %d",
		      (unsigned long long)t->sum->tdr_pa, (unsigned long long)pa, type, size,
		      e ? e->type : -1);
}

static bool check_leaf(struct check *c, struct tree *t, uint64_t entry, uint64_t pa,
		       enum tdx_level level)
{
	const struct pamt_entry *e;

	if (level > TDX_LEVEL_1G || pa & (tdx_level_size(level) - 1) & ~SEPT_ACCEPT_MASK)
		return broken(c, "S-EPT of TD 0x%llx maps 0x%llx at level %d",
			      (unsigned long long)t->sum->tdr_pa, (unsigned long long)pa, level);
	pa &= ~(tdx_level_size(level) - 1);
	if (!owned(c, t, pa, TDX_PT_REG, level))
		return false;
	page_set_add(&t->pages, pa, level);
	e = pamt_of_size(c->mod, pa, level);
	if (sept_has(entry, SEPT_IS_BLOCKED) && e->bepoch > t->tdcs->td_epoch)
		return broken(c, "page 0x%llx was blocked in epoch %llu, TD 0x%llx is in %llu",
			      (unsigned long long)pa, (unsigned long long)e->bepoch,
			      (unsigned long long)t->sum->tdr_pa,
			      (unsigned long long)t->tdcs->td_epoch);
	return true;
}

/* A VM's table beside the TD's own at the same place: an alias where the own entry says so and
 * nowhere else, of the same page, or a table that is the TD's too. */
static bool check_l2_table(struct check *c, struct tree *t, unsigned vm, const uint64_t *own,
			   const uint64_t *table, enum tdx_level level)
{
	for (unsigned i = 0; i < 512; i++) {
		uint64_t e = table[i], l1 = own[i];
		uint64_t pa = machine_strip(c->mod->m, sept_address(e));
		const uint64_t *below;

		if (l2_sept_is_free(e) == l2_aliased(l1, vm))
			return broken(c,
				      "L2 S-EPT %u of TD 0x%llx has 0x%llx at level %d, its own "
				      "0x%llx",
				      vm, (unsigned long long)t->sum->tdr_pa, (unsigned long long)e,
				      level, (unsigned long long)l1);
		if (l2_sept_is_free(e))
			continue;
		if (e & SEPT_RWX && sept_has(l1, SEPT_IS_BLOCKED))
			return broken(c,
				      "L2 S-EPT %u of TD 0x%llx has 0x%llx at level %d, which is "
				      "blocked",
				      vm, (unsigned long long)t->sum->tdr_pa, (unsigned long long)e,
				      level);
		if (machine_hkid_of(c->mod->m, sept_address(e)) != t->tdr->hkid)
			return broken(c, "L2 S-EPT entry 0x%llx of TD 0x%llx has another KeyID",
				      (unsigned long long)e, (unsigned long long)t->sum->tdr_pa);
		if (sept_is_leaf(l1)) {
			uint64_t page = machine_strip(c->mod->m, sept_address(l1));

			if (!(e & SEPT_PS) || pa != (page & ~(tdx_level_size(level) - 1)))
				return broken(c,
					      "L2 S-EPT %u of TD 0x%llx maps 0x%llx, its own "
					      "0x%llx",
					      vm, (unsigned long long)t->sum->tdr_pa,
					      (unsigned long long)pa, (unsigned long long)page);
			continue;
		}
		if (e & SEPT_PS || level == TDX_LEVEL_4K ||
		    !owned(c, t, pa, TDX_PT_EPT, TDX_LEVEL_4K))
			return broken(c, "L2 S-EPT table 0x%llx of TD 0x%llx is out of place",
				      (unsigned long long)pa, (unsigned long long)t->sum->tdr_pa);
		page_set_add(&t->tables, pa, TDX_LEVEL_4K);
		below = machine_ptr(c->mod->m, machine_strip(c->mod->m, sept_address(l1)));
		if (!check_l2_table(c, t, vm, below, machine_ptr(c->mod->m, pa), level - 1))
			return false;
	}
	return true;
}

static bool check_l2_trees(struct check *c, struct tree *t)
{
	const struct machine *m = c->mod->m;
	const uint64_t *own = machine_ptr(m, machine_strip(m, sept_address(t->tdcs->eptp)));

	for (unsigned vm = 1; vm <= t->tdcs->num_l2_vms; vm++) {
		uint64_t root = t->tdr->tdcx_pa[TDCS_PAGE_L2_SEPT_ROOT + vm - 1];

		if (!check_l2_table(c, t, vm, own, machine_ptr(m, machine_strip(m, root)),
				    td_sept_top(t->tdcs)))
			return false;
	}
	return true;
}

static bool check_table(struct check *c, struct tree *t, uint64_t table, enum tdx_level level)
{
	const uint64_t *entries = machine_ptr(c->mod->m, table);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t e = entries[i];
		uint64_t pa = machine_strip(c->mod->m, sept_address(e));

		if (e == SEPT_FREE_ENTRY)
			continue;
		if (c->locks && e & SEPT_LOCK)
			return broken(c, "S-EPT entry of TD 0x%llx left locked",
				      (unsigned long long)t->sum->tdr_pa);
		if (sept_state(e) == TDX_SEPT_UNKNOWN)
			return broken(c, "S-EPT entry 0x%llx of TD 0x%llx is in no state",
				      (unsigned long long)e, (unsigned long long)t->sum->tdr_pa);
		if (sept_has(e, SEPT_IS_UNUSED))
			continue;
		if (machine_hkid_of(c->mod->m, sept_address(e)) != t->tdr->hkid)
			return broken(c, "S-EPT entry 0x%llx of TD 0x%llx has another KeyID",
				      (unsigned long long)e, (unsigned long long)t->sum->tdr_pa);
		if (sept_is_leaf(e)) {
			if (!check_leaf(c, t, e, pa, level))
				return false;
			continue;
		}
		if (level == TDX_LEVEL_4K || !owned(c, t, pa, TDX_PT_EPT, TDX_LEVEL_4K))
			return broken(c, "S-EPT table 0x%llx of TD 0x%llx is out of place",
				      (unsigned long long)pa, (unsigned long long)t->sum->tdr_pa);
		page_set_add(&t->tables, pa, TDX_LEVEL_4K);
		if (!check_table(c, t, pa, level - 1))
			return false;
	}
	return true;
}

/* NUM_VCPUS comes with the immutable state, the vCPUs themselves one by one after it, if at all. */
static bool is_imported_in_part(const struct tdcs *tdcs)
{
	return TDX_OP_STATE_BIT(tdcs->op_state) & (TDX_OP_STATE_BIT(TDX_OP_STATE_MEMORY_IMPORT) |
						   TDX_OP_STATE_BIT(TDX_OP_STATE_STATE_IMPORT) |
						   TDX_OP_STATE_BIT(TDX_OP_STATE_START_IMPORT) |
						   TDX_OP_STATE_BIT(TDX_OP_STATE_FAILED_IMPORT));
}

static bool check_sept(struct check *c, struct tree *t)
{
	const struct td_sum *s = t->sum;

	if (!check_table(c, t, machine_strip(c->mod->m, sept_address(t->tdcs->eptp)),
			 td_sept_top(t->tdcs)))
		return false;
	if (!page_set_same(&t->pages, &s->reg))
		return broken(c, "TD 0x%llx owns %llu private pages, its S-EPT maps %llu",
			      (unsigned long long)s->tdr_pa, (unsigned long long)s->reg.pages4k,
			      (unsigned long long)t->pages.pages4k);
	if (!check_l2_trees(c, t))
		return false;
	if (!page_set_same(&t->tables, &s->ept))
		return broken(c, "TD 0x%llx owns %llu S-EPT tables, its trees have %llu",
			      (unsigned long long)s->tdr_pa, (unsigned long long)s->ept.pages4k,
			      (unsigned long long)t->tables.pages4k);
	return true;
}

static bool check_locks(struct check *c, const struct td_sum *s, const struct tdcs *tdcs)
{
	unsigned hp = tdcs->op_state_lock | tdcs->sept_lock | tdcs->rtmr_lock |
		      tdcs->servtd_bindings_lock;

	if (!c->locks || !((hp & ~HP_PRIORITY) | tdcs->epoch_lock | tdcs->mig_lock))
		return true;
	return broken(c,
		      "TD 0x%llx: left locked (OP_STATE 0x%x, SEPT_TREE 0x%x, RTMR 0x%x, "
		      "SERVTD_BINDINGS 0x%x, EPOCH 0x%x, MIG 0x%x)",
		      (unsigned long long)s->tdr_pa, tdcs->op_state_lock, tdcs->sept_lock,
		      tdcs->rtmr_lock, tdcs->servtd_bindings_lock, tdcs->epoch_lock,
		      tdcs->mig_lock);
}

static bool check_vcpus(struct check *c, const struct td_sum *s, const struct tdr *tdr,
			const struct tdcs *tdcs)
{
	unsigned running = tdr_running(tdr, 0) + tdr_running(tdr, 1);

	if ((tdcs->num_vcpus != s->vcpus && !is_imported_in_part(tdcs)) ||
	    tdcs->num_assoc_vcpus != s->associated)
		return broken(c, "TD 0x%llx counts %u vCPUs, %u associated; there are %u and %u",
			      (unsigned long long)s->tdr_pa, tdcs->num_vcpus, tdcs->num_assoc_vcpus,
			      s->vcpus, s->associated);
	/* a vCPU that took its TD down with it was never written back */
	if (running != s->entered && !tdr->fatal)
		return broken(c, "TD 0x%llx counts %u vCPUs running, there are %u",
			      (unsigned long long)s->tdr_pa, running, s->entered);
	if (s->last_vcpu_epoch > tdcs->td_epoch)
		return broken(c, "a vCPU of TD 0x%llx is in epoch %llu, the TD in %llu",
			      (unsigned long long)s->tdr_pa, (unsigned long long)s->last_vcpu_epoch,
			      (unsigned long long)tdcs->td_epoch);
	return true;
}

/* Pages of migration streams are counted, not named. */
static bool names_all(const struct page_set *named, unsigned streams, const struct page_set *owned)
{
	return streams ? named->pages4k + streams == owned->pages4k : page_set_same(named, owned);
}

bool check_td(struct check *c, const struct td_sum *sum)
{
	const struct machine *m = c->mod->m;
	const struct tdr *tdr = machine_ptr(m, sum->tdr_pa);
	struct tree t = {.sum = sum, .tdr = tdr};
	struct page_set tdcx = sum->vp_pages;

	if (tdr->num_tdcx > TDCS_MAX_PAGES)
		return broken(c, "TD 0x%llx has %u TDCS pages", (unsigned long long)sum->tdr_pa,
			      tdr->num_tdcx);
	for (unsigned i = 0; i < tdr->num_tdcx; i++)
		page_set_add(&tdcx, machine_strip(m, tdr->tdcx_pa[i]), TDX_LEVEL_4K);
	if (tdr->num_tdcx >= TDCS_MIN_PAGES)
		t.tdcs = machine_ptr(m, machine_strip(m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
	if (!names_all(&tdcx, t.tdcs ? t.tdcs->num_migs : 0, &sum->tdcx))
		return broken(c, "TD 0x%llx owns %llu TDCX pages, it and its vCPUs name %llu",
			      (unsigned long long)sum->tdr_pa,
			      (unsigned long long)sum->tdcx.pages4k,
			      (unsigned long long)tdcx.pages4k);
	if (!t.tdcs)
		return true;
	if (t.tdcs->op_state == TDX_OP_STATE_UNINITIALIZED)
		return true;
	return check_locks(c, sum, t.tdcs) && check_vcpus(c, sum, tdr, t.tdcs) && check_sept(c, &t);
}

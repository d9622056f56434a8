/* SPDX-License-Identifier: MIT */
/* A call that is refused changes nothing of the TD but its locks, which processor a vCPU is
 * associated with, and a hash that saves time: a call on a vCPU associates it before it asks its
 * other questions, TDG.MR.REPORT hashes the TD before it looks at RCX, and Intel's module leaves
 * both as they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/sept.h"
#include "fuzz/fuzz_module_oracle.h"
#include "module/internal.h"
#include "module/pamt.h"
#include "module/sept.h"

static void add(struct td_pages *p, uint64_t pa, enum page_role role, uint64_t tdvpr)
{
	if (p->n < ORACLE_PAGES)
		p->page[p->n++] = (struct td_page){pa, role, tdvpr};
}

static void add_tree(const struct world *w, uint64_t table, unsigned depth, struct td_pages *p)
{
	const uint64_t *entry = machine_ptr(w->m, table);
	unsigned memory = 0;

	add(p, table, ROLE_TABLE, 0);
	for (unsigned i = 0; i < 512; i++) {
		uint64_t pa = machine_strip(w->m, sept_address(entry[i]));

		if (!(entry[i] & (SEPT_PRESENT | SEPT_PS)) || !machine_is_ram(w->m, pa, 4096))
			continue;
		if (sept_is_leaf(entry[i]) && depth == 0 && memory++ < 12)
			add(p, pa, ROLE_MEMORY, 0);
		else if (!sept_is_leaf(entry[i]) && depth > 0)
			add_tree(w, pa, depth - 1, p);
	}
}

static void add_vcpu(const struct world *w, uint64_t tdvpr, struct td_pages *p)
{
	const struct pamt_entry *e = pamt_4k(w->mod, tdvpr);
	const struct tdvps *vps = machine_ptr(w->m, tdvpr);

	if (!e || (e->type & PAMT_TYPE_MASK) != TDX_PT_TDVPR)
		return;
	add(p, tdvpr, ROLE_VCPU, tdvpr);
	for (unsigned i = 1; i < vps->num_pages && i < TDVPS_MAX_PAGES; i++)
		add(p, machine_strip(w->m, vps->page_pa[i]), ROLE_OTHER, tdvpr);
}

/* A TDR that has its TDCS pages and still owns them. */
static struct tdr *living(const struct world *w, uint64_t tdr_pa)
{
	const struct pamt_entry *e = pamt_4k(w->mod, tdr_pa);
	struct tdr *tdr = machine_ptr(w->m, tdr_pa);

	if (!e || (e->type & PAMT_TYPE_MASK) != TDX_PT_TDR || tdr->fatal ||
	    tdr->lifecycle_state != TDX_LIFECYCLE_KEYS_CONFIGURED)
		return NULL;
	return tdr;
}

struct tdcs *td_tdcs(const struct world *w, uint64_t tdr_pa)
{
	const struct tdr *tdr = living(w, tdr_pa);
	struct tdcs *tdcs;

	if (!tdr || tdr->num_tdcx < TDCS_MIN_PAGES)
		return NULL;
	tdcs = machine_ptr(w->m, machine_strip(w->m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
	return tdcs->op_state == TDX_OP_STATE_UNINITIALIZED ? NULL : tdcs;
}

void td_pages(const struct world *w, uint64_t tdr_pa, struct td_pages *p)
{
	const struct tdr *tdr = living(w, tdr_pa);
	const struct tdcs *tdcs = td_tdcs(w, tdr_pa);
	unsigned depth;

	p->n = 0;
	if (!tdr)
		return;
	add(p, tdr_pa, ROLE_TDR, 0);
	/* TDH.MNG.INIT writes its pages as it reads TD_PARAMS, and all of them when it goes well */
	if (!tdcs)
		return;
	for (unsigned i = 0; i < tdr->num_tdcx && i < TDCS_PAGE_L2_SEPT_ROOT; i++)
		if (i != TDCS_PAGE_SEPT_ROOT)
			add(p, machine_strip(w->m, tdr->tdcx_pa[i]),
			    i == TDCS_PAGE_MAIN ? ROLE_TDCS : ROLE_OTHER, 0);
	for (unsigned s = 0; s < WORLD_SLOTS; s++)
		for (unsigned i = 0; w->slot[s].tdr == tdr_pa && i < WORLD_VCPUS; i++)
			if (w->slot[s].vcpu[i])
				add_vcpu(w, w->slot[s].vcpu[i] & ~0xfffull, p);
	depth = (unsigned)(tdcs->eptp >> 3 & 7);
	for (unsigned vm = 1; vm <= tdcs->num_l2_vms; vm++)
		add_tree(w, machine_strip(w->m, tdr->tdcx_pa[TDCS_PAGE_L2_SEPT_ROOT + vm - 1]),
			 depth, p);
	add_tree(w, machine_strip(w->m, sept_address(tdcs->eptp)), depth, p);
}

uint64_t td_translate(const struct world *w, const struct tdcs *tdcs, uint64_t gpa_)
{
	uint64_t table = machine_strip(w->m, sept_address(tdcs->eptp));

	for (unsigned level = (unsigned)(tdcs->eptp >> 3 & 7);; level--) {
		uint64_t size = tdx_level_size((enum tdx_level)level);
		uint64_t e = ((const uint64_t *)machine_ptr(w->m, table))[gpa_ / size % 512];
		uint64_t pa = machine_strip(w->m, sept_address(e));

		if (sept_is_leaf(e))
			return (pa & ~(size - 1)) | (gpa_ & (size - 1));
		if (!(e & SEPT_PRESENT) || level == 0)
			return 0;
		table = pa;
	}
}

void refused_before(struct actor *a, uint64_t tdr)
{
	struct saved_td *s = &a->w->oracle->saved;

	s->valid = chance(a, 25);
	if (!s->valid)
		return;
	s->tdr = tdr;
	td_pages(a->w, tdr, &s->pages);
	for (unsigned i = 0; i < s->pages.n; i++)
		memcpy(s->content[i], machine_ptr(a->w->m, s->pages.page[i].pa), TDX_PAGE_SIZE);
}

static void without_what_may_change(enum page_role role, uint8_t *page)
{
	struct tdcs *tdcs = (struct tdcs *)page;
	struct tdvps *vps = (struct tdvps *)page;
	struct tdr *tdr = (struct tdr *)page;
	uint64_t *entry = (uint64_t *)page;

	switch (role) {
	case ROLE_TDCS:
		tdcs->op_state_lock = tdcs->sept_lock = tdcs->rtmr_lock = 0;
		tdcs->servtd_bindings_lock = tdcs->epoch_lock = tdcs->mig_lock = 0;
		tdcs->num_assoc_vcpus = 0;
		/* going on with other operands ends what was interrupted, and is refused */
		tdcs->mig_interrupted_count = 0;
		tdcs->last_teeinfo_hash_valid = 0;
		memset(tdcs->last_teeinfo_hash, 0, sizeof(tdcs->last_teeinfo_hash));
		break;
	case ROLE_TABLE:
		for (unsigned i = 0; i < 512; i++)
			entry[i] &= ~(SEPT_LOCK | SEPT_HOST_PRIORITY);
		break;
	case ROLE_VCPU:
		vps->assoc_lpid = 0;
		memset(vps->lp_dependent_updated, 0, sizeof(vps->lp_dependent_updated));
		break;
	case ROLE_TDR:
		tdr->quiet_epoch = 0; /* what was found of the counts, not more than they say */
		break;
	case ROLE_OTHER:
	case ROLE_MEMORY:
		break;
	}
}

static void complain(struct actor *a, const struct td_page *p, const uint8_t *was,
		     const uint8_t *is)
{
	static const char *const roles[] = {"TDR",   "TDCS",	     "S-EPT table",
					    "TDVPR", "control page", "memory"};
	static char text[128];
	unsigned at = 0;

	while (was[at] == is[at])
		at++;
	snprintf(text, sizeof(text), "a refused call changed a %s, byte 0x%x of 0x%llx",
		 roles[p->role], at, (unsigned long long)p->pa);
	a->violation = text;
}

/* It says how far it came: the next call goes on from there. */
static bool is_progress(struct tdx_status s)
{
	return tdx_is(s, TDX_INTERRUPTED_RESUMABLE);
}

void refused_after(struct actor *a, struct tdx_status status, uint64_t own_tdvpr)
{
	struct saved_td *s = &a->w->oracle->saved;
	uint8_t is[TDX_PAGE_SIZE];

	if (!s->valid || !tdx_is_error(status) || is_progress(status))
		return;
	for (unsigned i = 0; i < s->pages.n && !a->violation; i++) {
		const struct td_page *p = &s->pages.page[i];
		const uint8_t *now = machine_ptr(a->w->m, p->pa);

		/* what it executed is in the vCPU that called */
		if ((p->tdvpr && p->tdvpr == own_tdvpr) ||
		    !memcmp(s->content[i], now, TDX_PAGE_SIZE))
			continue;
		memcpy(is, now, sizeof(is));
		without_what_may_change(p->role, is);
		without_what_may_change(p->role, s->content[i]);
		if (memcmp(s->content[i], is, sizeof(is)))
			complain(a, p, s->content[i], is);
	}
}

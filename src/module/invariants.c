/* SPDX-License-Identifier: MIT */
/* The invariant check: the PAMT first, then each TD, KeyID, processor and lock against it. */
#include "module/invariants.h"

#include <stdlib.h>

#include "module/invariants_sum.h"

static bool check_tdr(struct check *c, const struct td_sum *s)
{
	const struct tdr *tdr = machine_ptr(c->mod->m, s->tdr_pa);

	if (tdr_children(tdr) != s->children)
		return broken(c, "TDR 0x%llx counts %llu child pages, the PAMT has %llu",
			      (unsigned long long)s->tdr_pa, (unsigned long long)tdr_children(tdr),
			      (unsigned long long)s->children);
	if (tdr->lifecycle_state > TDX_LIFECYCLE_TEARDOWN)
		return broken(c, "TDR 0x%llx is in life cycle state %u",
			      (unsigned long long)s->tdr_pa, tdr->lifecycle_state);
	return true;
}

/* Each KeyID of a TD has one owner and is in the state that goes with its life cycle. */
static bool check_kot(struct check *c)
{
	static const uint8_t state_of[] = {
		[TDX_LIFECYCLE_HKID_ASSIGNED] = TDX_KOT_ASSIGNED,
		[TDX_LIFECYCLE_KEYS_CONFIGURED] = TDX_KOT_ASSIGNED,
		[TDX_LIFECYCLE_BLOCKED] = TDX_KOT_FLUSHED,
	};
	const struct module *mod = c->mod;
	uint8_t expected[MODULE_MAX_HKIDS] = {TDX_KOT_FREE};

	for (unsigned i = 0; i < c->ntd; i++) {
		const struct tdr *tdr = machine_ptr(mod->m, c->td[i].tdr_pa);

		if (tdr->lifecycle_state == TDX_LIFECYCLE_TEARDOWN)
			continue;
		if (tdr->hkid < mod->private_hkid_min || tdr->hkid > mod->private_hkid_max ||
		    expected[tdr->hkid] != TDX_KOT_FREE)
			return broken(c,
				      "TD 0x%llx has KeyID %u, which is not private or another's",
				      (unsigned long long)c->td[i].tdr_pa, tdr->hkid);
		expected[tdr->hkid] = state_of[tdr->lifecycle_state];
	}
	for (unsigned k = mod->private_hkid_min; k <= mod->private_hkid_max; k++) {
		const struct kot_entry *e = &mod->kot[k];

		if (e->state != expected[k] &&
		    !(e->state == TDX_KOT_RESERVED && expected[k] == TDX_KOT_FREE))
			return broken(c, "KeyID %u is in state %u, its owner says %u", k, e->state,
				      expected[k]);
		if (e->wbinvd_bitmap & ~mod->pkg_config_bitmap)
			return broken(c, "KeyID %u waits for packages 0x%x that are not there", k,
				      e->wbinvd_bitmap);
		if (e->state == TDX_KOT_FREE && e->wbinvd_bitmap)
			return broken(c, "KeyID %u is free, packages 0x%x have it in their caches",
				      k, e->wbinvd_bitmap);
	}
	return true;
}

/* Entered vCPUs are added to their TDs. */
static bool check_processors(struct check *c)
{
	const struct module *mod = c->mod;

	for (unsigned i = 0; i < mod->num_lps; i++) {
		const struct lp *lp = &mod->lp[i];
		struct td_sum *s;

		if (!lp->in_guest) {
			if (lp->nguest_locks)
				return broken(c, "processor %u keeps locks of a guest", i);
			continue;
		}
		s = sum_of(c, lp->tdr_pa.v);
		if (!s || !s->is_tdr)
			return broken(c, "processor %u runs a guest of no TD", i);
		s->entered++;
		if (lp->vps->state != TDX_VCPU_ACTIVE || lp->vps->assoc_lpid != lp->lpid)
			return broken(c,
				      "processor %u runs vCPU 0x%llx in state %u, of processor %u",
				      i, (unsigned long long)lp->tdvpr_pa.v, lp->vps->state,
				      lp->vps->assoc_lpid);
		for (unsigned k = 0; k < i; k++)
			if (mod->lp[k].in_guest && mod->lp[k].vps == lp->vps)
				return broken(c, "processors %u and %u run the same vCPU", k, i);
	}
	return true;
}

static bool check_global(struct check *c)
{
	const struct module *mod = c->mod;

	if (mod->sys_state >= SYSCONFIG_DONE && mod->kot[mod->hkid].state != TDX_KOT_RESERVED)
		return broken(c, "the module's own KeyID %u is not reserved", mod->hkid);
	if (!c->locks)
		return true;
	if (mod->global_lock || mod->kot_lock)
		return broken(c, "left locked: GLOBAL 0x%x, KOT 0x%x", mod->global_lock,
			      mod->kot_lock);
	for (unsigned i = 0; i < mod->num_pkgs; i++)
		if (mod->wbt[i].lock)
			return broken(c, "WBT of package %u left locked", i);
	for (uint32_t i = 0; i < mod->num_tdmrs; i++)
		if (mod->tdmr[i].lock)
			return broken(c, "TDMR %u left locked", i);
	return true;
}

/* TDs measured but not finalised, which a module update would break. */
static bool check_builds(struct check *c)
{
	const struct machine *m = c->mod->m;
	unsigned builds = 0;

	for (unsigned i = 0; i < c->ntd; i++) {
		const struct tdr *tdr = machine_ptr(m, c->td[i].tdr_pa);
		const struct tdcs *tdcs;

		if (tdr->lifecycle_state == TDX_LIFECYCLE_TEARDOWN ||
		    tdr->num_tdcx < TDCS_MIN_PAGES)
			continue;
		tdcs = machine_ptr(m, machine_strip(m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
		builds += tdcs->mrtd_context_version != 0;
	}
	if (builds != c->mod->td_build_count)
		return broken(c, "%u TDs are being built, %u counted", builds,
			      c->mod->td_build_count);
	return true;
}

static bool check_tds(struct check *c)
{
	for (unsigned i = 0; i < c->ntd; i++)
		if (!c->td[i].is_tdr)
			return broken(c, "pages are owned by 0x%llx, which is no TDR",
				      (unsigned long long)c->td[i].tdr_pa);
	for (unsigned i = 0; i < c->ntd; i++)
		if (!check_tdr(c, &c->td[i]))
			return false;
	if (!check_processors(c) || !check_kot(c) || !check_builds(c))
		return false;
	for (unsigned i = 0; i < c->ntd; i++) {
		const struct tdr *tdr = machine_ptr(c->mod->m, c->td[i].tdr_pa);

		if (tdr->lifecycle_state != TDX_LIFECYCLE_TEARDOWN && !check_td(c, &c->td[i]))
			return false;
	}
	return true;
}

static bool run(struct module *mod, bool locks, char *why, size_t len)
{
	struct check c = {.mod = mod, .locks = locks, .why = why, .len = len};
	bool ok = check_global(&c) && check_pamt(&c) && check_tds(&c);

	free(c.td);
	return ok;
}

bool module_check_invariants(struct module *mod, char *why, size_t len)
{
	return run(mod, true, why, len);
}

bool module_check_state(struct module *mod, char *why, size_t len)
{
	return run(mod, false, why, len);
}

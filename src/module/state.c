/* SPDX-License-Identifier: MIT */
/* See module/state.h. */
#include "module/state.h"

#include <errno.h>
#include <string.h>

#include "module/internal.h"
#include "module/profile.h"

struct module_state module_state(struct module *mod)
{
	return (struct module_state){.piece = {
					     {mod, offsetof(struct module, hooks)},
					     {mod->lp, mod->m->cfg.lps * sizeof(struct lp)},
				     }};
}

/* As it is kept: which version, the module up to who listens to it, the processors. */
enum { PROFILE = 64, MODULE = offsetof(struct module, hooks) };

size_t module_saved_size(const struct module *mod)
{
	return PROFILE + MODULE + mod->m->cfg.lps * sizeof(struct lp);
}

static bool is_at_rest(const struct lp *lp)
{
	for (unsigned i = 0; i < READER_SLOTS; i++)
		if (atomic_load(&lp->reading[i]))
			return false;
	return !atomic_load(&lp->busy) && !lp->in_guest;
}

/* What is of this process, or of a call. */
static void forget(struct lp *lp)
{
	lp->hw = NULL;
	lp->mod = NULL;
	lp->tdr = NULL;
	lp->tdcs = NULL;
	lp->ext = NULL;
	lp->vps = NULL;
	lp->vmcs = NULL;
	memset(&lp->known, 0, sizeof(lp->known));
	memset(&lp->known_vcpu, 0, sizeof(lp->known_vcpu));
	memset(&lp->way, 0, sizeof(lp->way));
	memset(lp->guest_locks, 0, sizeof(lp->guest_locks));
	lp->nguest_locks = 0;
	lp->gcm_ctx = lp->block_ctx = NULL;
}

int module_save(const struct module *mod, void *to)
{
	struct module *s = (struct module *)(void *)((uint8_t *)to + PROFILE);
	struct lp *lps = (struct lp *)(void *)((uint8_t *)to + PROFILE + MODULE);

	if (mod->global_lock || mod->kot_lock)
		return -EBUSY;
	strncpy(to, mod->profile->name, PROFILE - 1);
	memcpy(s, mod, MODULE);
	s->m = NULL;
	s->profile = NULL;
	for (unsigned i = 0; i < mod->m->cfg.lps; i++) {
		if (!is_at_rest(&mod->lp[i]))
			return -EBUSY;
		memcpy(&lps[i], &mod->lp[i], sizeof(lps[i]));
		forget(&lps[i]);
	}
	return 0;
}

static bool is_memory(const struct module *mod, uint64_t pa, uint64_t size)
{
	return machine_is_ram(mod->m, pa, size);
}

/* Of each TDMR what is looked up in it without a question. */
static bool has_memory(const struct module *mod, const struct module *s)
{
	for (uint32_t i = 0; i < s->num_tdmrs; i++) {
		const struct tdmr *t = &s->tdmr[i];

		if (!is_memory(mod, t->base, t->size) || t->num_rsvd > MODULE_MAX_RESERVED ||
		    !is_memory(mod, t->pamt_1g_base, t->size >> 30 << 4) ||
		    !is_memory(mod, t->pamt_2m_base, t->size >> 21 << 4) ||
		    !is_memory(mod, t->pamt_4k_base,
			       s->dynamic_pamt ? t->size >> 15 : t->size >> 12 << 4))
			return false;
	}
	return true;
}

static bool is_possible(const struct module *mod, const struct module *s)
{
	return s->num_lps == mod->num_lps && s->num_pkgs == mod->num_pkgs &&
	       s->hkid_mask == mod->hkid_mask && s->hkid_shift == mod->hkid_shift &&
	       s->max_pa == mod->max_pa && s->private_hkid_min == mod->private_hkid_min &&
	       s->private_hkid_max == mod->private_hkid_max && s->hkid < MODULE_MAX_HKIDS &&
	       !s->global_lock && !s->kot_lock && s->num_tdmrs <= MODULE_MAX_TDMRS &&
	       has_memory(mod, s);
}

const char *module_load_saved(struct module *mod, const void *from)
{
	const uint8_t *bytes = from;
	const struct module *s = (const struct module *)(const void *)(bytes + PROFILE);
	const struct lp *lps = (const struct lp *)(const void *)(bytes + PROFILE + MODULE);
	const struct module_profile *profile =
		memchr(from, 0, PROFILE) ? module_profile_by_name(from) : NULL;
	struct machine *m = mod->m;

	if (!profile)
		return "a module of a version that this one does not know";
	if (!is_possible(mod, s))
		return "the module cannot be so on this machine";
	for (unsigned i = 0; i < m->cfg.lps; i++)
		if (!is_at_rest(&lps[i]) || lps[i].nguest_locks)
			return "a processor of the module cannot be so";
	memcpy(mod, s, MODULE);
	mod->m = m;
	mod->profile = profile;
	for (unsigned i = 0; i < m->cfg.lps; i++) {
		struct lp *lp = &mod->lp[i];
		void *const gcm = lp->gcm_ctx, *const block = lp->block_ctx;

		memcpy(lp, &lps[i], sizeof(*lp));
		forget(lp);
		lp->hw = &m->lp[i];
		lp->mod = mod;
		lp->id = i;
		lp->package = m->lp[i].package;
		lp->gcm_ctx = gcm;
		lp->block_ctx = block;
	}
	return NULL;
}

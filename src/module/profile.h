/* SPDX-License-Identifier: MIT */
/* What differs between module versions in how a call behaves. One profile a version; the default is
 * 1.5.25, which is modelled in full, the others only in the ways named here. */
#ifndef MODULE_PROFILE_H
#define MODULE_PROFILE_H

#include "module/lock.h"

struct module;

struct module_profile {
	const char *name;
	const char *what; /* the difference from the default, in words */
	/* TDH.VP.ENTER of a vCPU suspected of zero-stepping: how it takes the S-EPT tree.
	 * Exclusive, it conflicts with every other use of the tree; shared, with removals only. */
	enum lock_mode zero_step_tree;
	unsigned update_version; /* 1.5.n */
	/* Bits of TDX_FEATURES0, and of CONFIG_FLAGS, that it does not have yet. */
	uint64_t features_absent, config_flags_absent;
};

extern const struct module_profile module_profile_default;

/* NULL when there is none of that name. */
const struct module_profile *module_profile_by_name(const char *name);
/* The n-th, for listing; NULL behind the last. */
const struct module_profile *module_profile_at(unsigned n);

/* Before the first call. */
void module_set_profile(struct module *mod, const struct module_profile *profile);

#endif

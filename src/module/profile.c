/* SPDX-License-Identifier: MIT */
/* The versions a module can behave like. */
#include "module/profile.h"

#include <stddef.h>
#include <string.h>

#include <swtdx/structs.h>

#include "module/internal.h"
#include "module/version.h"

const struct module_profile module_profile_default = {
	.name = "1.5.25",
	.what = "the default",
	.zero_step_tree = LOCK_SHARED,
	.update_version = MODULE_UPDATE_VERSION,
};

/* One without CONFIG_FLAGS.NO_RBP_MOD, for which Linux refuses it: its calls of TDs give the host's
 * RBP away. It is no version's: the source of 1.5.01, the oldest that Intel has published of 1.5,
 * has the bit in TDX_FEATURES0. */
static const struct module_profile profile_no_rbp_mod = {
	.name = "rbp-mod",
	.what = "no NO_RBP_MOD: a TD's exit leaves the host's RBP to the TD",
	.zero_step_tree = LOCK_SHARED,
	.update_version = MODULE_UPDATE_VERSION,
	.features_absent = TDX_FEATURE_NO_RBP_MOD,
	.config_flags_absent = TDX_CONFIG_NO_RBP_MOD,
};

static const struct module_profile profile_1_5_01 = {
	.name = "1.5.01",
	.what = "TDH.VP.ENTER takes the S-EPT tree exclusively when zero-stepping is suspected",
	.zero_step_tree = LOCK_EXCLUSIVE,
	.update_version = MODULE_UPDATE_VERSION, /* in the locks alone it is another one */
};

static const struct module_profile *const profiles[] = {&module_profile_default,
							&profile_no_rbp_mod, &profile_1_5_01};

const struct module_profile *module_profile_at(unsigned n)
{
	return n < sizeof(profiles) / sizeof(profiles[0]) ? profiles[n] : NULL;
}

const struct module_profile *module_profile_by_name(const char *name)
{
	for (unsigned i = 0; module_profile_at(i); i++)
		if (strcmp(profiles[i]->name, name) == 0)
			return profiles[i];
	return NULL;
}

void module_set_profile(struct module *mod, const struct module_profile *profile)
{
	mod->profile = profile;
}

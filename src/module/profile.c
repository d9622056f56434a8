/* SPDX-License-Identifier: MIT */
/* The versions a module can behave like. */
#include "module/profile.h"

#include <stddef.h>
#include <string.h>

#include "module/internal.h"

const struct module_profile module_profile_default = {
	.name = "1.5.25",
	.what = "the default",
	.zero_step_tree = LOCK_SHARED,
};

static const struct module_profile profile_1_5_01 = {
	.name = "1.5.01",
	.what = "TDH.VP.ENTER takes the S-EPT tree exclusively when zero-stepping is suspected",
	.zero_step_tree = LOCK_EXCLUSIVE,
};

static const struct module_profile *const profiles[] = {&module_profile_default, &profile_1_5_01};

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

/* SPDX-License-Identifier: MIT */
/* See profile.h. */
#include "tools/profile.h"

#include <string.h>

bool profile_named(const struct verb_usage *u, const char *name,
		   const struct module_profile **profile)
{
	char all[128] = "";

	*profile = name ? module_profile_by_name(name) : NULL;
	if (*profile || !name)
		return true;
	for (unsigned n = 0; module_profile_at(n); n++) {
		if (n)
			strncat(all, ", ", sizeof(all) - strlen(all) - 1);
		strncat(all, module_profile_at(n)->name, sizeof(all) - strlen(all) - 1);
	}
	options_wrong(u, "there is no profile \"%s\"; there are %s", name, all);
	return false;
}

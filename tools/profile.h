/* SPDX-License-Identifier: MIT */
/* --profile V. */
#ifndef TOOLS_PROFILE_H
#define TOOLS_PROFILE_H

#include "module/profile.h"
#include "tools/options.h"

#define PROFILE_HELP                                                                               \
	"behave like module version V: 1.5.25, rbp-mod without NO_RBP_MOD, or 1.5.01 in the "      \
	"locks only"

/* NULL has the default, which is NULL. False: no such version, which has been told. */
bool profile_named(const struct verb_usage *u, const char *name,
		   const struct module_profile **profile);

#endif

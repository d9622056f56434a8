/* SPDX-License-Identifier: MIT */
/* See system/state.h. */
#include "system/state.h"

#include "machine/state.h"
#include "module/state.h"

/* The module's part begins at a line of the caches. */
static size_t machine_part(const struct system *sys)
{
	return (machine_saved_size(sys->m) + 63) & ~(size_t)63;
}

size_t system_saved_size(const struct system *sys)
{
	return machine_part(sys) + module_saved_size(sys->mod);
}

int system_save(struct system *sys, void *to)
{
	machine_save(sys->m, to);
	return module_save(sys->mod, (uint8_t *)to + machine_part(sys));
}

const char *system_load(struct system *sys, const void *from)
{
	const char *why = machine_load(sys->m, from);

	return why ? why : module_load_saved(sys->mod, (const uint8_t *)from + machine_part(sys));
}

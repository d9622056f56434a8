/* SPDX-License-Identifier: MIT */
/* The life of a KeyID in the key ownership table; see kot.h. */
#include "module/kot.h"

void kot_assign(struct module *mod, unsigned hkid_)
{
	mod->kot[hkid_].state = TDX_KOT_ASSIGNED;
}

void kot_flush(struct module *mod, unsigned hkid_)
{
	struct kot_entry *e = &mod->kot[hkid_];

	__atomic_store_n(&e->wbinvd_bitmap, mod->pkg_config_bitmap, __ATOMIC_RELAXED);
	e->state = TDX_KOT_FLUSHED;
}

bool kot_written_back(const struct module *mod, unsigned hkid_)
{
	return __atomic_load_n(&mod->kot[hkid_].wbinvd_bitmap, __ATOMIC_RELAXED) == 0;
}

void kot_free(struct module *mod, unsigned hkid_)
{
	mod->kot[hkid_].state = TDX_KOT_FREE;
}

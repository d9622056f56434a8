/* SPDX-License-Identifier: MIT */
/* From one module to the next; see handoff.h. */
#include "module/handoff.h"

#include <string.h>

void handoff_write(struct module *mod, uint16_t hv)
{
	struct handoff *h = handoff_of(mod);

	memcpy(h->kot, mod->kot, sizeof(h->kot));
	memcpy(h->wbt, mod->wbt, sizeof(h->wbt));
	memcpy(h->tdmr, mod->tdmr, sizeof(h->tdmr));
	h->num_tdmrs = mod->num_tdmrs;
	h->hkid = mod->hkid;
	h->pkg_config_bitmap = mod->pkg_config_bitmap;
	h->dynamic_pamt = mod->dynamic_pamt;
	h->td_build_count = mod->td_build_count;
	h->mig_interrupted_count = mod->mig_interrupted_count;
	h->hv = hv;
	h->size = HANDOFF_DATA_SIZE;
	h->valid = true;
}

bool handoff_valid(const struct module *mod)
{
	const struct handoff *h = handoff_of(mod);

	return h->valid && h->hv >= mod->min_update_hv && h->hv <= mod->module_hv;
}

void handoff_take(struct module *mod)
{
	struct handoff *h = handoff_of(mod);

	memcpy(mod->kot, h->kot, sizeof(h->kot));
	memcpy(mod->wbt, h->wbt, sizeof(h->wbt));
	memcpy(mod->tdmr, h->tdmr, sizeof(h->tdmr));
	mod->num_tdmrs = h->num_tdmrs;
	mod->hkid = h->hkid;
	mod->pkg_config_bitmap = h->pkg_config_bitmap;
	mod->dynamic_pamt = h->dynamic_pamt;
	mod->td_build_count = h->td_build_count;
	mod->mig_interrupted_count = h->mig_interrupted_count;
}

/* SPDX-License-Identifier: MIT */
/* What one module leaves for the next in SEAM memory: all global state that is neither in host
 * pages nor read again from the platform. ABI: TDH.SYS.SHUTDOWN, TDH.SYS.UPDATE ("TD preserving").
 *
 * It stays valid until an update has taken it. Written and read under the module's lock. */
#ifndef MODULE_HANDOFF_H
#define MODULE_HANDOFF_H

#include "machine/seam.h"
#include "module/internal.h"

/* Bytes as the ABI lays the data out; ours are arranged differently. */
enum { HANDOFF_DATA_SIZE = 16384 + 16512 + 20480 + 4 + 2 + 4 + 1 + 2 + 2 };

struct handoff {
	bool valid;
	uint16_t hv;
	uint32_t size;
	struct kot_entry kot[MODULE_MAX_HKIDS];
	struct wbt_entry wbt[MACHINE_MAX_PKGS];
	struct tdmr tdmr[MODULE_MAX_TDMRS];
	uint32_t num_tdmrs;
	uint16_t hkid;
	uint32_t pkg_config_bitmap;
	bool dynamic_pamt;
	uint16_t td_build_count, mig_interrupted_count;
};
static_assert(sizeof(struct handoff) <= MACHINE_SEAM_DATA - MACHINE_SEAM_REST,
	      "room in SEAM memory");
static_assert(offsetof(struct handoff, valid) == offsetof(struct machine_handoff_header, valid) &&
		      offsetof(struct handoff, hv) == offsetof(struct machine_handoff_header, hv) &&
		      offsetof(struct handoff, size) ==
			      offsetof(struct machine_handoff_header, size),
	      "what the P-SEAMLDR reads");

static inline struct handoff *handoff_of(const struct module *mod)
{
	return (struct handoff *)mod->m->seam_data;
}

void handoff_write(struct module *mod, uint16_t hv);
/* Is there data of a version this module takes? */
bool handoff_valid(const struct module *mod);
void handoff_take(struct module *mod);

#endif

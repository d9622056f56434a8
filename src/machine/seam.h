/* SPDX-License-Identifier: MIT */
/* What the SEAM range and the processor keep besides the module's own data: which module there is
 * (SEAMEXTEND, SEAMDB), what its loader told it (SYS_INFO_TABLE), and the loader's data. It stands
 * at the end of the memory that outlives modules. */
#ifndef MACHINE_SEAM_H
#define MACHINE_SEAM_H

#include <assert.h>
#include <swtdx/seamldr.h>

#include "machine/machine.h"

enum { MACHINE_LOADER_DATA = 4096, MACHINE_SEAM_REST = 8192 };

struct machine_seam {
	/* Its flags of one byte are read by each SEAMCALL: atomically, see below. */
	struct tdx_seamextend seamextend;
	uint64_t seamdb_index; /* of the module that is loaded; 0: none has been */
	uint16_t module_hv, min_update_hv, num_handoff_pages;
	bool no_downgrade;
	uint64_t loader[MACHINE_LOADER_DATA / sizeof(uint64_t)]; /* P-SEAMLDR's own */
};
static_assert(sizeof(struct machine_seam) <= MACHINE_SEAM_REST, "room at the end");

/* For the module: what a run-time update hands over begins with this, at the start of the memory.
 * ABI: the P-SEAMLDR looks at it, the rest is the modules'. */
struct machine_handoff_header {
	uint8_t valid, zero;
	uint16_t hv;
	uint32_t size; /* of what follows */
};

static inline struct machine_seam *machine_seam(const struct machine *m)
{
	return (struct machine_seam *)((uint8_t *)m->seam_data + MACHINE_SEAM_DATA -
				       MACHINE_SEAM_REST);
}

static inline struct machine_handoff_header *machine_handoff_header(const struct machine *m)
{
	return m->seam_data;
}

static inline bool machine_seam_ready(const struct machine *m)
{
	return __atomic_load_n(&machine_seam(m)->seamextend.seam_ready, __ATOMIC_ACQUIRE) != 0;
}

#endif

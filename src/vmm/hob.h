/* SPDX-License-Identifier: MIT */
/* Building the TD HOB. */
#ifndef VMM_HOB_H
#define VMM_HOB_H

#include <swtdx/measure.h>

/* RAM of the TD, ascending. */
struct vm_ram {
	uint64_t base, size;
};

/* Where a TD has its RAM; returns how many ranges there are. */
unsigned vm_ram_layout(uint64_t memory, struct vm_ram ram[2]);

/* Bytes of a list vm_build_hob() made, its end included. */
size_t vm_hob_length(const void *hob);

/* The list for this memory, of which the image's added sections are accepted already, at GPA
 * `where`, into buf. 0 or -ENOSPC. */
int vm_build_hob(const struct tdx_tdvf *t, const struct vm_ram *ram, unsigned nram, gpa_t where,
		 void *buf, size_t len);

#endif

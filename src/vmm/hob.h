/* SPDX-License-Identifier: MIT */
/* Building the TD HOB. */
#ifndef VMM_HOB_H
#define VMM_HOB_H

#include <swtdx/measure.h>

/* RAM of the TD, ascending. */
struct vm_ram {
	uint64_t base, size;
};

/* The list for this memory, of which the image's added sections are accepted already, at GPA
 * `where`, into buf. 0 or -ENOSPC. */
int vm_build_hob(const struct tdvf *t, const struct vm_ram *ram, unsigned nram, gpa_t where, void *buf,
		 size_t len);

#endif

/* SPDX-License-Identifier: MIT */
/* swtdx measure --boot: expected values of a TD that OVMF boots. */
#ifndef TOOLS_MEASURE_BOOT_H
#define TOOLS_MEASURE_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/boot_files.h"

struct measure_boot {
	unsigned boot, ovmf; /* enum tdx_expect_boot, enum tdx_expect_ovmf */
	const char *firmware, *disk, *disk_at, *platform, *shim, *grub;
	struct boot_files files;
	uint64_t memory; /* 0: not given */
	bool json;
};

/* An exit status. */
int measure_boot(const struct measure_boot *b);

#endif

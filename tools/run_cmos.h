/* SPDX-License-Identifier: MIT */
/* Reading the CMOS of a machine with this much memory. */
#ifndef TOOLS_RUN_CMOS_H
#define TOOLS_RUN_CMOS_H

#include <stdint.h>

uint8_t run_cmos_read(uint8_t index, uint64_t memory);

#endif

/* SPDX-License-Identifier: MIT */
/* The guest that `swtdx run --engine native` enters: C code in place of a firmware's. */
#ifndef TOOLS_RUN_GUEST_H
#define TOOLS_RUN_GUEST_H

#include "engine/native/native.h"

enum {
	RUN_GUEST_CONSOLE = 0x3f8,
	RUN_GUEST_POWER_OFF = 0x604, /* as on a q35 machine: 0x2000 to it */
};

struct run_guest {
	uint64_t accept_base, accept_size; /* memory the host has not added */
	uint8_t report[1024];		   /* the last TDREPORT, as the guest got it */
	bool has_report;
};

/* tdx_native_fn; arg is a struct run_guest. */
void run_guest(struct tdx_native_cpu *cpu, void *arg);

#endif

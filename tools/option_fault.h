/* SPDX-License-Identifier: MIT */
/* The option --fault, the same of every verb that has a machine. */
#ifndef TOOLS_OPTION_FAULT_H
#define TOOLS_OPTION_FAULT_H

#include <stdio.h>

#include <swtdx/model.h>

#define OPTION_FAULT TDX_FAULT_SYNTAX "[,...]"
#define OPTION_FAULT_HELP                                                                          \
	"refuse SEAMCALLs: of the leaf, on that processor, for that vCPU, on that GPA, from the "  \
	"Nth on and so many (1; 0: all), with that status; or busy, entropy, key, key-busy, "      \
	"interrupt"

/* What the option says; NULL: nothing. False: why says what is wrong. */
static inline bool option_faults(const char *text, struct tdx_fault fault[TDX_MODEL_FAULTS],
				 unsigned *n, char *why, size_t len)
{
	char err[160];
	const int found =
		text ? tdx_faults_parse(text, fault, TDX_MODEL_FAULTS, err, sizeof(err)) : 0;

	*n = found < 0 ? 0 : (unsigned)found;
	if (found < 0)
		snprintf(why, len, "--fault: %s", err);
	return found >= 0;
}

#endif

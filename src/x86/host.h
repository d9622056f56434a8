/* SPDX-License-Identifier: MIT */
/* What this host's processor has, by the names of arch/cpuid.def. */
#ifndef X86_HOST_H
#define X86_HOST_H

#include "x86/features.h"

/* Of what VEX and EVEX instructions need, a bit each: what there is, with the state that it needs
 * enabled by the host's system. */
void x86_host_vectors(uint64_t features[X86_FEATURE_WORDS]);

#endif

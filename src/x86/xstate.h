/* SPDX-License-Identifier: MIT */
/* Components of extended state beyond x87 and SSE, as XSAVE numbers them: where the guest's CPUID
 * places them in an image, where struct x86_cpu has them, which are in use. */
#ifndef X86_XSTATE_H
#define X86_XSTATE_H

#include "x86/x86.h"

/* A guest's image, at most: CPUID that places a component beyond is not believed. */
#define XSTATE_IMAGE 4096u

/* What is not in its initial state, of x87, SSE and the components that the engine has. */
uint64_t x86_xinuse(struct x86_cpu *cpu);
/* Where component i is in an image: compacted, of these components, or standard. */
unsigned x86_xoffset(const struct x86_cpu *cpu, unsigned i, uint64_t components, bool compacted);
/* Its bytes; NULL: the engine has not this one. */
void *x86_xcomponent_all(struct x86_cpu *cpu, unsigned i, unsigned *bytes);
/* Its bytes that the mode in force gives access to; NULL: none. */
void *x86_xcomponent(struct x86_cpu *cpu, unsigned i, unsigned *bytes);
/* As CPUID leaf 0xd has it now. */
void x86_xplaces(struct x86_cpu *cpu);

#endif

/* SPDX-License-Identifier: MIT */
/* Numbers of model-specific registers (SDM volume 4): MSR_TSC, MSR_EFER, ... as arch/msr.def lists
 * them. Their bits are in arch/x86.h. */
#ifndef ARCH_MSR_H
#define ARCH_MSR_H

enum {
#define X(number_, name_, text_) MSR_##name_ = (number_),
#include "arch/msr.def"
#undef X
	MSR_X2APIC_FIRST = 0x800,
	MSR_X2APIC_LAST = 0x8ff,
};

/* The part of the MSR address space the bitmaps cover: 8192 from 0 and 8192 from the high base. */
#define MSR_BITMAP_MSRS 0x2000u
#define MSR_BITMAP_HIGH 0xc0000000u

#endif

/* SPDX-License-Identifier: MIT */
/* Which BMI instruction an operation is. */
#ifndef X86_BMI_H
#define X86_BMI_H

#include "x86/internal.h"

enum bmi {
	BMI_ANDN,
	BMI_BEXTR,
	BMI_BLSI,
	BMI_BLSMSK,
	BMI_BLSR,
	BMI_BZHI,
	BMI_PDEP,
	BMI_PEXT,
	BMI_RORX,
	BMI_SARX,
	BMI_SHLX,
	BMI_SHRX,
	BMI_MULX,
};

OP(x86_bmi);

#endif

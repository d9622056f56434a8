/* SPDX-License-Identifier: MIT */
/* See x86.h. Freestanding. */
#include "arch/x86.h"

#include <stddef.h>

static const char *const vectors[VECTORS_OF_EXCEPTIONS] = {
	[VECTOR_DE] = "#DE", [VECTOR_DB] = "#DB", [VECTOR_NMI] = "NMI", [VECTOR_BP] = "#BP",
	[VECTOR_OF] = "#OF", [VECTOR_BR] = "#BR", [VECTOR_UD] = "#UD",	[VECTOR_NM] = "#NM",
	[VECTOR_DF] = "#DF", [VECTOR_TS] = "#TS", [VECTOR_NP] = "#NP",	[VECTOR_SS] = "#SS",
	[VECTOR_GP] = "#GP", [VECTOR_PF] = "#PF", [VECTOR_MF] = "#MF",	[VECTOR_AC] = "#AC",
	[VECTOR_MC] = "#MC", [VECTOR_XM] = "#XM", [VECTOR_VE] = "#VE",	[VECTOR_CP] = "#CP",
};

const char *x86_vector_name(unsigned vector)
{
	return vector < VECTORS_OF_EXCEPTIONS ? vectors[vector] : NULL;
}

bool x86_pat_valid(uint64_t pat)
{
	for (unsigned i = 0; i < 64; i += 8)
		if ((pat >> i & 0xff) > 7 || (pat >> i & 6) == 2)
			return false;
	return true;
}

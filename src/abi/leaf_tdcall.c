/* SPDX-License-Identifier: MIT */
/* The table of TDCALL leaves; see <swtdx/leaf.h>. Its rows are in abi/tdcall.def. */
#include "abi/leaf_columns.h"

static const struct tdx_leaf_info tdcalls[TDX_TDCALL_LEAVES] = {
#include "abi/tdcall.def"
};

/* A number of the enum without a row is a warning here: the build names it. */
__attribute__((unused)) static void every_number_has_a_row(enum tdx_tdcall number)
{
#undef LEAF
#undef REFUSED
#define LEAF(number_, ...)    case number_:
#define REFUSED(number_, ...) case number_:
	switch (number) {
#include "abi/tdcall.def"
		break;
	}
}

const struct tdx_leaf_info *tdx_tdcall_leaf(unsigned number)
{
	return number < TDX_TDCALL_LEAVES && tdcalls[number].name ? &tdcalls[number] : NULL;
}

/* SPDX-License-Identifier: MIT */
/* The table of SEAMCALL leaves; see <swtdx/leaf.h>. Its rows are in abi/seamcall.def. */
#include "abi/leaf_columns.h"

static const struct tdx_leaf_info seamcalls[TDX_SEAMCALL_LEAVES] = {
#include "abi/seamcall.def"
};

/* A number of the enum without a row is a warning here: the build names it. */
__attribute__((unused)) static void every_number_has_a_row(enum tdx_seamcall number)
{
#undef LEAF
#undef REFUSED
#define LEAF(number_, ...)    case number_:
#define REFUSED(number_, ...) case number_:
	switch (number) {
#include "abi/seamcall.def"
		break;
	}
}

const struct tdx_leaf_info *tdx_seamcall_leaf(unsigned number)
{
	return number < TDX_SEAMCALL_LEAVES && seamcalls[number].name ? &seamcalls[number] : NULL;
}

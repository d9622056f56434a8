/* SPDX-License-Identifier: MIT */
/* One number for a leaf of either side, for tables that hold both: guest leaves lie above. */
#ifndef SWTDX_ABI_LEAF_ID_H
#define SWTDX_ABI_LEAF_ID_H

#include <swtdx/leaf.h>

#define LEAF_ID_HOST(number)  (number)
#define LEAF_ID_GUEST(number) (0x4000 | (number))
#define LEAF_ID_NONE	      0x3fff

/* Is it one that guests call? */
static inline bool leaf_is_guest(const struct tdx_leaf_info *leaf)
{
	return leaf == tdx_tdcall_leaf(leaf->number);
}

static inline int leaf_id(const struct tdx_leaf_info *leaf)
{
	if (!leaf)
		return LEAF_ID_NONE;
	return leaf_is_guest(leaf) ? LEAF_ID_GUEST(leaf->number) : LEAF_ID_HOST(leaf->number);
}

static inline const struct tdx_leaf_info *leaf_by_id(int id)
{
	return id & 0x4000 ? tdx_tdcall_leaf((unsigned)id & 0x3fff)
			   : tdx_seamcall_leaf((unsigned)id);
}

#endif

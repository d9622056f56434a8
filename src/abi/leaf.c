/* SPDX-License-Identifier: MIT */
/* Leaves by name; see <swtdx/leaf.h>. Freestanding. */
#include <swtdx/leaf.h>

static char plain(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return c == '_' ? '.' : c;
}

static bool same_name(const char *known, const char *asked)
{
	while (*known && *known == plain(*asked)) {
		known++;
		asked++;
	}
	return !*known && !*asked;
}

const struct tdx_leaf_info *tdx_leaf_by_name(const char *name)
{
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++) {
		const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(i);

		if (leaf && (same_name(leaf->name, name) || same_name(leaf->name + 4, name)))
			return leaf;
	}
	for (unsigned i = 0; i < TDX_TDCALL_LEAVES; i++) {
		const struct tdx_leaf_info *leaf = tdx_tdcall_leaf(i);

		if (leaf && same_name(leaf->name, name))
			return leaf;
	}
	return NULL;
}

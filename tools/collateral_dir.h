/* SPDX-License-Identifier: MIT */
/* A directory of collateral. */
#ifndef TOOLS_COLLATERAL_DIR_H
#define TOOLS_COLLATERAL_DIR_H

#include <swtdx/collateral.h>

/* Every file in it, whatever it is called; or one file with all of it. Files that are no collateral
 * are told of on stderr and passed over. 0 or a negative errno. */
int collateral_dir_read(const char *path, struct tdx_collateral **out);

#endif

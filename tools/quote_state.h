/* SPDX-License-Identifier: MIT */
/* Where the test quote service lives between runs: one file with its keys and certificates. */
#ifndef TOOLS_QUOTE_STATE_H
#define TOOLS_QUOTE_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include <swtdx/attest.h>

/* The directory: dir if given, $SWTDX_STATE, $XDG_STATE_HOME/swtdx, ~/.local/state/swtdx. 0 or
 * -ENOENT if none of them is known. */
int quote_state_path(const char *dir, char *path, size_t len);

/* Opens the service of a path; makes one if there is none and create is set. -ENOENT, -EINVAL for a
 * file that is no service, another negative errno. */
int quote_state_open(const char *path, bool create, struct tdx_quote_service **out);

#endif

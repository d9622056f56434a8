/* SPDX-License-Identifier: MIT */
/* Files that stay between runs, of one user: keys and certificates. */
#ifndef TOOLS_STATE_FILE_H
#define TOOLS_STATE_FILE_H

#include <stddef.h>

/* The name in dir if given, else in $SWTDX_STATE, $XDG_STATE_HOME/swtdx or ~/.local/state/swtdx. 0;
 * -ENOENT if none of them is known, -ENAMETOOLONG. */
int state_path(const char *dir, const char *name, char *path, size_t len);

/* Writes a new file that nobody else may read, with the directories it is in. It is written whole
 * under another name and then linked to its own, so that two first runs at once agree on one.
 * -EEXIST: somebody else was first, and his it is. */
int state_store(const char *path, const void *bytes, size_t len);

#endif

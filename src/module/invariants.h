/* SPDX-License-Identifier: MIT */
/* What must be true of the module's state whenever no call is in progress.
 *
 * For tests, replay --paranoid and the fuzzer. Reads everything, changes nothing; no processor may
 * be inside the module meanwhile (a guest may be entered). */
#ifndef MODULE_INVARIANTS_H
#define MODULE_INVARIANTS_H

#include <stdbool.h>
#include <stddef.h>

struct module;

/* False with one sentence in `why` naming the first invariant broken and where. */
bool module_check_invariants(struct module *mod, char *why, size_t len);

#endif

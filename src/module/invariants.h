/* SPDX-License-Identifier: MIT */
/* What must be true of the module's state whenever no call is in progress.
 *
 *   PAMT    every page one type and one owner that is a TDR; holes reserved; entries under a larger
 *           page free; with dynamic PAMT counts and the page bitmap right
 *   TDR     child count, TDCS and vCPU pages are exactly what the PAMT says it owns
 *   S-EPT   maps every private page and refers to every table of the TD once, at its size, under
 *           its KeyID; blocked pages have an epoch that has begun. The trees of L2 VMs have an
 *           entry where, and only where, the TD's own says so, and of the same page,
 *           which nobody uses while the TD's own is blocked
 *   vCPUs   numbers known, associated and entered; epochs not from the future
 *   KOT     each KeyID in the state its owner's life cycle says
 *   locks   free, apart from those an entered guest keeps
 *
 * For tests, replay --paranoid and the fuzzer. Reads everything, changes nothing; no processor may
 * be inside the module meanwhile (a guest may be entered). Costs a read of the PAMT outside holes.
 */
#ifndef MODULE_INVARIANTS_H
#define MODULE_INVARIANTS_H

#include <stdbool.h>
#include <stddef.h>

struct module;

/* False with one sentence in `why` naming the first invariant broken and where. */
bool module_check_invariants(struct module *mod, char *why, size_t len);

/* The same without the locks, for somebody who holds some. */
bool module_check_state(struct module *mod, char *why, size_t len);

#endif

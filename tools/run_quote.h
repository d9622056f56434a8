/* SPDX-License-Identifier: MIT */
/* swtdx run as the host's side of GetQuote. */
#ifndef TOOLS_RUN_QUOTE_H
#define TOOLS_RUN_QUOTE_H

#include <swtdx/vmm.h>

/* Answers at TDX_EXIT_GET_QUOTE, at once, with a quote by the user's test quote service, which is
 * made if there is none. 0 or a negative errno: the guest knows that there is no quote. */
int run_quote(struct tdx_vm *vm, struct tdx_run *run);

#endif

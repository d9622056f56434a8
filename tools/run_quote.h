/* SPDX-License-Identifier: MIT */
/* swtdx run as the host's side of GetQuote. */
#ifndef TOOLS_RUN_QUOTE_H
#define TOOLS_RUN_QUOTE_H

#include <swtdx/vmm.h>

struct run_session;

/* Answers at TDX_EXIT_GET_QUOTE, at once, with a quote by the user's test quote service. 0 or a
 * negative errno: the guest knows that there is no quote. */
int run_quote(struct run_session *s, struct tdx_run *run);
/* Find the service, or make it, while files can be opened. */
void run_quote_open(struct run_session *s);
void run_quote_close(struct run_session *s);

#endif

/* SPDX-License-Identifier: MIT */
/* What swtdx host tells of its kernel: coherency faults as they happen, and in the end what the
 * module still owns and what is not modelled, all with the kernel's functions. */
#ifndef TOOLS_HOST_REPORT_H
#define TOOLS_HOST_REPORT_H

#include "board/board.h"
#include "tools/symbols.h"

/* The functions of a vmlinux; of the kernel itself, when that is one, for NULL. An exit status;
 * *symbols is NULL where nobody asked and there are none. */
int host_symbols(const char *file, const char *kernel, struct symbols **symbols);
/* For board_config.report, which the symbols are the argument of. */
void host_report(void *symbols, const struct board_report *r);
void host_show_missing(const struct board *b, const struct symbols *s);
void host_show_owned(const struct board *b, const struct symbols *s);

#endif

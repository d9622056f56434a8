/* SPDX-License-Identifier: MIT */
/* What swtdx host tells of its kernel: coherency faults as they happen, and in the end what the
 * module still owns and what is not modelled, all with the kernel's functions. */
#ifndef TOOLS_HOST_REPORT_H
#define TOOLS_HOST_REPORT_H

#include "board/board.h"
#include "tools/host_names.h"

/* For board_config.report, with a struct host_names. */
void host_report(void *names, const struct board_report *r);
void host_show_missing(struct host_names *n);
void host_show_owned(struct host_names *n);

#endif

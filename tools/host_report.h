/* SPDX-License-Identifier: MIT */
/* What swtdx host tells of its kernel: coherency faults as they happen, and in the end what the
 * module still owns and what is not modelled, all with the kernel's functions. */
#ifndef TOOLS_HOST_REPORT_H
#define TOOLS_HOST_REPORT_H

#include <pthread.h>

#include "board/board.h"
#include "tools/symbols.h"

/* The kernel's functions, from a file, or, when they are first asked for, from its memory. */
struct host_names {
	struct board *board;
	struct symbols *symbols;
	pthread_mutex_t lock; /* of the two */
	bool looked;
};

/* NULL: there are none to be found. Any thread. */
const struct symbols *host_names(struct host_names *n);

/* The functions of a vmlinux; of the kernel itself, when that is one, for NULL. An exit status;
 * *symbols is NULL where nobody asked and there are none. */
int host_symbols(const char *file, const char *kernel, struct symbols **symbols);
/* For board_config.report, with a struct host_names. */
void host_report(void *names, const struct board_report *r);
void host_show_missing(struct host_names *n);
void host_show_owned(struct host_names *n);

#endif

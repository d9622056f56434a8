/* SPDX-License-Identifier: MIT */
/* The SEAMCALLs of a host kernel: recorded with their callers (--trace), and those that failed
 * counted by caller. */
#ifndef TOOLS_HOST_CALLS_H
#define TOOLS_HOST_CALLS_H

#include <pthread.h>

#include "board/board.h"
#include "tools/host_report.h"
#include "trace/trace.h"

enum { HOST_FAILURES = 128 };

struct host_calls {
	struct board *board;
	struct host_names *names;
	struct trace *trace;  /* NULL: none is written */
	pthread_mutex_t lock; /* of what follows */
	struct host_failure {
		uint64_t call; /* a leaf of the module's, or RAX of a call of the P-SEAMLDR */
		uint64_t status, times;
		unsigned cpus; /* bits, of the first 32 */
		struct board_chain at;
	} failure[HOST_FAILURES];
	unsigned nfailures;
};

/* For board_config.seamcall, with a struct host_calls. */
void host_seamcall(void *arg, unsigned cpu, const struct tdx_regs *in, const struct tdx_regs *out);
/* Those that failed, as KVM or the kernel made them. */
void host_show_failures(const struct host_calls *c);

#endif
